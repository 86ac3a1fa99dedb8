/* stream_proxy - the header by which a load balancer tells whose connection it is, at the beginning
 * of an accepted one. Ignorant of who may send it. Own thread of the stream's loop.
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
