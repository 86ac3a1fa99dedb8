/* proxy - the header by which a load balancer tells whose connection it forwards: version 1 (a line
 * of text) and 2 (binary), read and write. Ignorant of who may send one: only from configured
 * networks is it to be read at all. Pure, any thread.
 * Source: HAProxy, The PROXY protocol, versions 1 and 2. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_V1_MAX_BYTES 107U  /* with its CR LF */
#define PROXY_V2_MAX_BYTES 4096U /* with its TLVs; ours, the standard has no cap below 64 KiB */

enum proxy_kind {
	PROXY_LOCAL, /* UNKNOWN, LOCAL, or addresses that are not TCP: the socket's own hold */
	PROXY_TCP4,  /* the first 4 bytes of each address */
	PROXY_TCP6
};
struct proxy {
	enum proxy_kind kind;
	uint8_t version; /* 1 or 2 */
	uint8_t from[16], to[16];
	uint16_t from_port, to_port; /* host order */
	size_t total;                /* bytes of input */
};
/* The first bytes of a connection. 1: a whole header. 0: needs more. -1: not a header, or a
 * malformed one: *where_r says at what, and the connection is to be closed. Everything of
 * PROXY_LOCAL but version and total is 0: what UNKNOWN is followed by is not looked at. */
int proxy_take(const uint8_t *p, size_t n, struct proxy *x_r, const char **where_r)
	__attribute__((warn_unused_result));
/* For a server; version 1 or 2 as x says. */
void proxy_put(struct buf *b, const struct proxy *x);
#endif
