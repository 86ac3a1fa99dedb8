/* packet - framing of the MySQL protocol: a three-byte length, a sequence number, a payload; a
 * message of 16 MiB - 1 and more goes on in the next packet. Ignorant of what messages mean. Pure,
 * any thread.
 * Source: MySQL docs, Client/Server Protocol: MySQL Packets.
 *
 * For every header of this folder:
 * - Readers take the payload of a whole message that a peer sent and give pointers into it:
 *   nothing is copied, and nothing outlives the input.
 * - They return NULL when it is well-formed, else the name of the part at which it is not, a
 *   constant for an error's text: "malformed greeting (%s)". *_r is then undefined.
 * - Writers append whole packets to b with the sequence number *seq and leave in *seq the next
 *   one. What does not fit stays in b->failed.
 * - caps are the capabilities that both sides have agreed upon (caps.h). CLIENT_PROTOCOL_41 is
 *   taken for granted: older clients and servers are refused at login. */
#ifndef WIRE_MYSQL_PACKET_H
#define WIRE_MYSQL_PACKET_H
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYPACKET_HEAD_BYTES 4U
/* The largest payload of one packet. One of just this size is followed by another packet. */
#define MYPACKET_PAYLOAD_MAX 0xffffffU

/* Bytes inside a message; not NUL-terminated. p is NULL when absent (a field that was not sent, an
 * SQL NULL) and not NULL when empty. */
struct mystr {
	const char *p;
	size_t n;
};

struct mypacket_head {
	uint32_t payload_n;
	uint8_t seq;
};
/* False: fewer than MYPACKET_HEAD_BYTES bytes. */
static inline bool mypacket_head(const uint8_t *p, size_t n, struct mypacket_head *h_r)
{
	if (n < MYPACKET_HEAD_BYTES)
		return false;
	h_r->payload_n = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
	h_r->seq = p[3];
	return true;
}

struct mypacket {
	const uint8_t *payload;
	uint32_t payload_n;
	uint8_t seq;
	bool more;    /* the message goes on in the next packet */
	size_t total; /* bytes of input, with the header */
};
/* A whole packet: 1. Needs more bytes: 0 (*m_r has all but payload once the header is there, else
 * total 0). Payload above cap: -1. */
static inline int mypacket_take(const uint8_t *p, size_t n, uint32_t cap, struct mypacket *m_r)
{
	struct mypacket_head h;
	*m_r = (struct mypacket){ .payload = NULL };
	if (!mypacket_head(p, n, &h))
		return 0;
	m_r->payload_n = h.payload_n;
	m_r->seq = h.seq;
	m_r->more = h.payload_n == MYPACKET_PAYLOAD_MAX;
	m_r->total = (size_t)h.payload_n + MYPACKET_HEAD_BYTES;
	if (h.payload_n > cap)
		return -1;
	if (n < m_r->total)
		return 0;
	m_r->payload = p + MYPACKET_HEAD_BYTES;
	return 1;
}

/* A message with all its packets. */
struct mypacket_message {
	const uint8_t *payload; /* NULL if there is more than one packet: mypacket_join() */
	size_t payload_n;       /* without headers */
	size_t packets_n;
	uint8_t seq, next_seq; /* of the first packet; what the peer's answer must have */
	size_t total;          /* bytes of input, with the headers */
};
/* A whole message: 1. Needs more bytes: 0. Payload above cap, or the sequence numbers of its
 * packets do not follow each other: -1. */
int mypacket_take_message(const uint8_t *p, size_t n, size_t cap, struct mypacket_message *m_r);
/* Appends the payload of the message at p, which mypacket_take_message() has accepted. */
bool mypacket_join(struct buf *b, const uint8_t *p, const struct mypacket_message *m);

/* Writing: at = mypacket_begin(b); append the payload; mypacket_end(b, at, &seq). Nothing may be
 * consumed from b meanwhile. end() splits a large payload in place. */
size_t mypacket_begin(struct buf *b);
void mypacket_end(struct buf *b, size_t at, uint8_t *seq);
/* A whole message; payload may be NULL when n is 0. */
void mypacket_put(struct buf *b, uint8_t *seq, const void *payload, size_t n);
/* Just a header: the caller sends payload_n <= MYPACKET_PAYLOAD_MAX bytes behind it. */
void mypacket_put_head(struct buf *b, uint8_t *seq, uint32_t payload_n);
#endif
