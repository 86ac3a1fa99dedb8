/* msg - see the header. Framing only. Any thread. */
#include "wire/pg/msg.h"

#include <assert.h>

size_t pgmsg_begin(struct buf *b, uint8_t type)
{
	size_t at = buf_len(b);
	uint8_t head[PGMSG_HEAD_BYTES] = { type };
	buf_append(b, head, sizeof(head));
	return at;
}

void pgmsg_end(struct buf *b, size_t at)
{
	if (b->failed)
		return;
	size_t len = buf_len(b) - at - 1;
	assert(len >= 4 && len - 4 <= PGMSG_MAX_BODY_BYTES);
	buf_set_u32be(b, at + 1, (uint32_t)len);
}

void pgmsg_put_head(struct buf *b, uint8_t type, uint32_t body_n)
{
	assert(body_n <= PGMSG_MAX_BODY_BYTES);
	uint32_t len = body_n + 4;
	uint8_t head[PGMSG_HEAD_BYTES] = { type, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
		(uint8_t)(len >> 8), (uint8_t)len };
	buf_append(b, head, sizeof(head));
}

void pgmsg_put(struct buf *b, uint8_t type, const void *body, size_t n)
{
	assert(n <= PGMSG_MAX_BODY_BYTES);
	pgmsg_put_head(b, type, (uint32_t)n);
	buf_append(b, body, n);
}
