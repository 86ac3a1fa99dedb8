/* row - rows of text, read and write. Binary rows pass unread. Pure, any thread; conventions in
 * packet.h.
 * Source: MySQL docs, Text Resultset Row. */
#ifndef WIRE_MYSQL_ROW_H
#define WIRE_MYSQL_ROW_H
#include "wire/mysql/packet.h"

/* at = mypacket_begin(b); myrow_put_cell() for each column; mypacket_end(b, at, &seq). A cell that
 * is absent is NULL. */
void myrow_put_cell(struct buf *b, struct mystr cell);
/* r over the payload. False: malformed, or no cell left. */
bool myrow_next(struct rd *r, struct mystr *cell_r);
/* n cells that fill the payload: cell_r has room for n. */
const char *myrow_read(const uint8_t *p, size_t p_n, struct mystr *cell_r, size_t n)
	__attribute__((warn_unused_result));
#endif
