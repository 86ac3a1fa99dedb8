/* compress - see wire/mysql/compress.h. */
#include "wire/mysql/compress.h"

#include <assert.h>

#include "base/rd.h"

int mycompress_take(const uint8_t *p, size_t n, uint32_t cap, struct mycompress *c_r)
{
	*c_r = (struct mycompress){ .body = NULL };
	if (n < MYCOMPRESS_HEAD_BYTES)
		return 0;
	struct rd r = rd_of(p, n);
	c_r->body_n = rd_u24le(&r);
	c_r->seq = rd_u8(&r);
	uint32_t plain_n = rd_u24le(&r);
	c_r->packed = plain_n != 0;
	c_r->plain_n = c_r->packed ? plain_n : c_r->body_n;
	c_r->total = (size_t)c_r->body_n + MYCOMPRESS_HEAD_BYTES;
	if (c_r->body_n > cap || c_r->plain_n > cap)
		return -1;
	c_r->body = rd_bytes(&r, c_r->body_n);
	return c_r->body ? 1 : 0;
}

static void set_u24le(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)v;
	to[1] = (uint8_t)(v >> 8);
	to[2] = (uint8_t)(v >> 16);
}

void mycompress_put_head(struct buf *b, uint8_t *seq, uint32_t body_n, uint32_t plain_n)
{
	uint8_t head[MYCOMPRESS_HEAD_BYTES];
	assert(body_n <= MYCOMPRESS_MAX_BYTES && plain_n <= MYCOMPRESS_MAX_BYTES);
	set_u24le(head, body_n);
	head[3] = (*seq)++;
	set_u24le(head + 4, plain_n);
	buf_append(b, head, sizeof(head));
}

void mycompress_set_head(struct buf *b, size_t at, uint32_t body_n, uint32_t plain_n)
{
	assert(body_n <= MYCOMPRESS_MAX_BYTES && plain_n <= MYCOMPRESS_MAX_BYTES);
	if (b->failed)
		return;
	set_u24le(buf_data(b) + at, body_n);
	set_u24le(buf_data(b) + at + 4, plain_n);
}
