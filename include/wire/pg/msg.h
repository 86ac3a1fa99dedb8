/* msg - framing of PostgreSQL's messages: a type byte, a length that counts itself, a body.
 * Ignorant of what messages mean and of who may send which. Pure, any thread.
 * Source: PostgreSQL docs, Message Formats; Protocol Overview.
 *
 * Every reader of this folder takes a body that a peer sent and gives pointers into it: nothing is
 * copied, and nothing outlives the input. false/-1 means malformed. */
#ifndef WIRE_PG_MSG_H
#define WIRE_PG_MSG_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGMSG_HEAD_BYTES 5U
/* What a server lets through (PQ_LARGE_MESSAGE_LIMIT): the body may not be longer. */
#define PGMSG_MAX_BODY_BYTES (0x3fffffffU - 4U)
/* body_n of a header whose length field is below 4: above every cap, so that one comparison finds
 * both. */
#define PGMSG_BAD_LENGTH UINT32_MAX

struct pgmsg_head {
	uint8_t type;
	uint32_t body_n; /* bytes behind the header, or PGMSG_BAD_LENGTH */
};
/* False: fewer than PGMSG_HEAD_BYTES bytes. Check body_n against a cap before anything else. */
static inline bool pgmsg_head(const uint8_t *p, size_t n, struct pgmsg_head *h_r)
{
	if (n < PGMSG_HEAD_BYTES)
		return false;
	uint32_t len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	h_r->type = p[0];
	h_r->body_n = len < 4 ? PGMSG_BAD_LENGTH : len - 4;
	return true;
}

struct pgmsg {
	uint8_t type;
	const uint8_t *body;
	uint32_t body_n;
	size_t total; /* bytes of input, with the header */
};
/* A whole message: 1. Needs more bytes: 0 (*m_r has type and body_n once the header is there, else
 * type 0). Bad length, or a body above cap: -1. */
static inline int pgmsg_take(const uint8_t *p, size_t n, uint32_t cap, struct pgmsg *m_r)
{
	struct pgmsg_head h = { 0, 0 };
	bool head = pgmsg_head(p, n, &h);
	*m_r = (struct pgmsg){
		.type = h.type, .body_n = h.body_n, .total = (size_t)h.body_n + PGMSG_HEAD_BYTES
	};
	if (!head)
		return 0;
	if (h.body_n > cap || h.body_n == PGMSG_BAD_LENGTH)
		return -1;
	if (n - PGMSG_HEAD_BYTES < h.body_n)
		return 0;
	m_r->body = p + PGMSG_HEAD_BYTES;
	return 1;
}

/* Writing: at = pgmsg_begin(b, 'T'); append the body; pgmsg_end(b, at). Nothing may be consumed
 * from b meanwhile. Errors stay in b->failed. */
size_t pgmsg_begin(struct buf *b, uint8_t type);
void pgmsg_end(struct buf *b, size_t at);
/* A whole message; body may be NULL when n is 0. Asserts n <= PGMSG_MAX_BODY_BYTES. */
void pgmsg_put(struct buf *b, uint8_t type, const void *body, size_t n);
/* Just a header: the caller sends body_n bytes behind it. */
void pgmsg_put_head(struct buf *b, uint8_t type, uint32_t body_n);
#endif
