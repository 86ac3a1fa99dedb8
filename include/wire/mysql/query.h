/* query - COM_QUERY and COM_STMT_PREPARE. Ignorant of SQL. Pure, any thread; conventions in
 * packet.h.
 * Source: MySQL docs, COM_QUERY (query attributes), COM_STMT_PREPARE. */
#ifndef WIRE_MYSQL_QUERY_H
#define WIRE_MYSQL_QUERY_H
#include "wire/mysql/packet.h"
#include "wire/mysql/param.h"

struct myquery {
	unsigned attrs_n;
	struct mystr attrs;     /* the bitmap, types, names and values; absent if attrs_n is 0 */
	struct myparam_iter it; /* over the attributes; copy it to walk */
	size_t text_off;        /* in the payload */
	struct mystr text;      /* as far as it is here */
};
/* p: the first have bytes of a payload of n, command byte included; have may be less than n for a
 * text that is streamed. 1: ok. 0: the attributes are not whole yet. -1: malformed, *where_r says
 * at what. Without MYCAP_QUERY_ATTRIBUTES the text is all behind the command byte. */
int myquery_read(const uint8_t *p, size_t have, size_t n, uint64_t caps, struct myquery *q_r,
	const char **where_r) __attribute__((warn_unused_result));
/* All that stands before the text, command byte included, in the layout of caps: for a payload
 * that the caller goes on with. attrs: of a query that was read, or NULL for none; left out where
 * caps have no attributes. */
void myquery_put_head(struct buf *b, uint64_t caps, const struct myquery *attrs);
void myquery_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct myquery *attrs,
	const char *text, size_t text_n);
/* COM_STMT_PREPARE; its text is all behind the command byte whatever caps say. */
void myquery_put_prepare(struct buf *b, uint8_t *seq, const char *text, size_t text_n);
#endif
