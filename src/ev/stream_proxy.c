/* stream_proxy - the header by which a load balancer tells whose connection it is: at the beginning
 * of an accepted one, and of one that we made. Ignorant of who may send it. Own thread of the
 * stream's loop.
 * Source: HAProxy, The PROXY protocol, versions 1 and 2. */
#include "ev/stream.h"
#include "stream_int.h"
#include "wire/proxy.h"

#include <assert.h>
#include <string.h>

static void address_of(const struct proxy *x, struct addr *a)
{
	*a = (struct addr){ .u.sa.sa_family = AF_UNSPEC };
	if (x->kind == PROXY_TCP4) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(x->from_port) };
		memcpy(&in.sin_addr, x->from, sizeof(in.sin_addr));
		addr_from_sockaddr(a, (struct sockaddr *)&in, sizeof(in));
	} else if (x->kind == PROXY_TCP6) {
		struct sockaddr_in6 in = { .sin6_family = AF_INET6,
			.sin6_port = htons(x->from_port) };
		memcpy(&in.sin6_addr, x->from, sizeof(in.sin6_addr));
		addr_from_sockaddr(a, (struct sockaddr *)&in, sizeof(in)); /* mapped ones: IPv4 */
	}
}

static bool fill(uint8_t to[16], uint16_t *port_r, const struct addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		memcpy(to, &a->u.in.sin_addr, sizeof(a->u.in.sin_addr));
	else if (a->u.sa.sa_family == AF_INET6)
		memcpy(to, &a->u.in6.sin6_addr, sizeof(a->u.in6.sin6_addr));
	else
		return false;
	*port_r = (uint16_t)addr_port(a);
	return true;
}

/* The address that was connected to; zeroes if it is of another family: nobody looks at it. */
bool stream_put_proxy(struct stream *s, const struct addr *from)
{
	struct proxy x = { .version = 2, .kind = PROXY_LOCAL };
	struct addr to;
	struct buf b;
	if (from && fill(x.from, &x.from_port, from)) {
		x.kind = from->u.sa.sa_family == AF_INET ? PROXY_TCP4 : PROXY_TCP6;
		addr_peer(&to, s->fd);
		if (to.u.sa.sa_family == from->u.sa.sa_family)
			(void)fill(x.to, &x.to_port, &to);
	}
	buf_init(&b, 0);
	proxy_put(&b, &x);
	bool ok = stream_flush_buf(s, &b);
	buf_fini(&b);
	return ok;
}

/* Looks first: what is behind the header stays in the socket, for TLS may begin there. */
int stream_take_proxy(struct stream *s, struct addr *from_r, const char **where_r)
{
	uint8_t head[PROXY_V2_MAX_BYTES];
	struct proxy x;
	size_t n = stream_peek(s, head, sizeof(head));
	int rc = n ? proxy_take(head, n, &x, where_r) : 0;
	if (rc <= 0)
		return rc;
	assert(x.total <= n);
	ssize_t got = stream_recv_raw(s, head, x.total);
	if (got != (ssize_t)x.total) {
		*where_r = "its bytes, which are gone";
		return -1;
	}
	address_of(&x, from_r);
	return 1;
}
