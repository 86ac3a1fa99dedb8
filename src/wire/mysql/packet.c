/* packet - see wire/mysql/packet.h. */
#include "wire/mysql/packet.h"

#include <assert.h>
#include <string.h>

int mypacket_take_message(const uint8_t *p, size_t n, size_t cap, struct mypacket_message *m_r)
{
	struct mypacket k;
	*m_r = (struct mypacket_message){ .payload = NULL };
	do {
		uint32_t room = cap - m_r->payload_n < MYPACKET_PAYLOAD_MAX
					? (uint32_t)(cap - m_r->payload_n)
					: MYPACKET_PAYLOAD_MAX;
		int got = mypacket_take(p + m_r->total, n - m_r->total, room, &k);
		if (k.total != 0 && m_r->packets_n != 0 && k.seq != m_r->next_seq)
			return -1;
		if (got != 1)
			return got;
		if (m_r->packets_n++ == 0) {
			m_r->seq = k.seq;
			m_r->payload = k.payload;
		} else {
			m_r->payload = NULL;
		}
		m_r->next_seq = (uint8_t)(k.seq + 1);
		m_r->payload_n += k.payload_n;
		m_r->total += k.total;
	} while (k.more);
	return 1;
}

bool mypacket_join(struct buf *b, const uint8_t *p, const struct mypacket_message *m)
{
	size_t off = 0;
	uint8_t *to = buf_reserve(b, m->payload_n);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < m->packets_n; i++) {
		struct mypacket k;
		int got = mypacket_take(p + off, m->total - off, MYPACKET_PAYLOAD_MAX, &k);
		assert(got == 1);
		memcpy(to, k.payload, k.payload_n);
		to += k.payload_n;
		off += k.total;
	}
	buf_commit(b, m->payload_n);
	return !b->failed;
}

static void set_head(uint8_t *to, uint32_t payload_n, uint8_t seq)
{
	to[0] = (uint8_t)payload_n;
	to[1] = (uint8_t)(payload_n >> 8);
	to[2] = (uint8_t)(payload_n >> 16);
	to[3] = seq;
}

size_t mypacket_begin(struct buf *b)
{
	size_t at = buf_len(b);
	buf_put_u32le(b, 0);
	return at;
}

/* Room for more headers is made at the end; the pieces move up, last first. */
static void split(struct buf *b, size_t at, size_t n, uint8_t *seq)
{
	size_t more = n / MYPACKET_PAYLOAD_MAX;
	uint8_t *to = buf_reserve(b, more * MYPACKET_HEAD_BYTES);
	if (to == NULL)
		return;
	buf_commit(b, more * MYPACKET_HEAD_BYTES);
	uint8_t *first = buf_data(b) + at + MYPACKET_HEAD_BYTES;
	for (size_t i = more; i > 0; i--) {
		size_t from = i * MYPACKET_PAYLOAD_MAX;
		size_t len = i == more ? n - from : MYPACKET_PAYLOAD_MAX;
		uint8_t *piece = first + from + i * MYPACKET_HEAD_BYTES;
		memmove(piece, first + from, len);
		set_head(piece - MYPACKET_HEAD_BYTES, (uint32_t)len, (uint8_t)(*seq + i));
	}
	set_head(first - MYPACKET_HEAD_BYTES, MYPACKET_PAYLOAD_MAX, *seq);
	*seq = (uint8_t)(*seq + more + 1);
}

void mypacket_end(struct buf *b, size_t at, uint8_t *seq)
{
	if (b->failed)
		return;
	size_t n = buf_len(b) - at - MYPACKET_HEAD_BYTES;
	if (n >= MYPACKET_PAYLOAD_MAX)
		split(b, at, n, seq);
	else
		set_head(buf_data(b) + at, (uint32_t)n, (*seq)++);
}

void mypacket_put(struct buf *b, uint8_t *seq, const void *payload, size_t n)
{
	size_t at = mypacket_begin(b);
	buf_append(b, payload, n);
	mypacket_end(b, at, seq);
}

void mypacket_put_head(struct buf *b, uint8_t *seq, uint32_t payload_n)
{
	uint8_t head[MYPACKET_HEAD_BYTES];
	assert(payload_n <= MYPACKET_PAYLOAD_MAX);
	set_head(head, payload_n, (*seq)++);
	buf_append(b, head, sizeof(head));
}
