/* row - see wire/mysql/row.h. */
#include "wire/mysql/row.h"

#include "wire_int.h"

#define NULL_CELL 0xfbU

void myrow_put_cell(struct buf *b, struct mystr cell)
{
	if (cell.p == NULL)
		buf_put_u8(b, NULL_CELL);
	else
		buf_put_mystr_len(b, cell);
}

bool myrow_next(struct rd *r, struct mystr *cell_r)
{
	*cell_r = (struct mystr){ .p = NULL };
	if (rd_left(r) != 0 && *r->p == NULL_CELL)
		rd_u8(r);
	else
		*cell_r = rd_mystr_len(r);
	return rd_ok(r);
}

const char *myrow_read(const uint8_t *p, size_t p_n, struct mystr *cell_r, size_t n)
{
	struct where w = where_of(p, p_n);
	for (size_t i = 0; i < n; i++)
		myrow_next(&w.r, &cell_r[i]);
	where_at(&w, "cell");
	return where_end(&w);
}
