/* row - RowDescription and DataRow, read and write. Ignorant of types' contents. Pure, any thread.
 * Source: PostgreSQL docs, Message Formats. */
#ifndef WIRE_PG_ROW_H
#define WIRE_PG_ROW_H
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGROW_COLS_MAX 32767U

/* ---- writing: at = desc_begin(b, n); desc_col() n times; pgmsg_end(b, at). n <= PGROW_COLS_MAX
 * ---- */
size_t pgrow_desc_begin(struct buf *b, uint16_t n_cols);
void pgrow_desc_col(
	struct buf *b, const char *name, uint32_t type_oid, int16_t type_len, uint16_t format);
/* at = data_begin(b, n); data_cell()/data_null() n times; pgmsg_end(b, at) */
size_t pgrow_data_begin(struct buf *b, uint16_t n_cols);
void pgrow_data_cell(struct buf *b, const void *p, size_t n);
void pgrow_data_null(struct buf *b);

/* ---- reading ---- */
struct pgrow_col {
	const char *name;
	uint32_t table_oid, type_oid;
	uint16_t table_col;
	int16_t type_len;
	int32_t type_mod;
	uint16_t format;
};
/* r_r stands at the first column; then desc_next() n_cols times. */
bool pgrow_desc_read(const uint8_t *body, size_t n, unsigned *n_cols_r, struct rd *r_r);
bool pgrow_desc_next(struct rd *r, struct pgrow_col *c_r);
bool pgrow_data_read(const uint8_t *body, size_t n, unsigned *n_cols_r, struct rd *r_r);
/* *p_r is NULL for NULL. */
bool pgrow_data_next(struct rd *r, const uint8_t **p_r, size_t *n_r);
/* All values are there and fill the body exactly. */
bool pgrow_data_check(const uint8_t *body, size_t n);
#endif
