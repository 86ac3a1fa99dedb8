/* resolver - names to addresses by c-ares, cached with the answer's TTL (bounded). One per loop;
 * numeric addresses and unix paths answer at once. Ignorant of backends. */
#ifndef EV_RESOLVER_H
#define EV_RESOLVER_H
#include "base/err.h"
#include "ev/loop.h"

#include <sys/socket.h>

struct resolver;
struct resolver_opts {
	int64_t max_ttl_us; /* cap on a positive answer's life */
	int64_t negative_ttl_us;
	const char *resolv_conf; /* NULL: system */
	const char *
		/* NULL: those of resolv_conf; else "10.0.0.1:53,[::1]:5353"; not changed by
		 * set_opts */
		servers;
};
struct resolver_addr {
	struct sockaddr_storage sa;
	socklen_t n;
};
/* addrs: n >= 1 in the order the resolver gave; or n == 0 and e set. Valid during the call only. A
 * stale answer is used (for up to ten times max_ttl) when the name server does not answer
 * within a second. */
typedef void resolver_fn(
	void *arg, const struct resolver_addr *addrs, unsigned n, const struct err *e);

struct resolver *resolver_new(struct loop *l, const struct resolver_opts *o, struct err *e);
void resolver_free(struct resolver *r); /* pending requests are dropped without a call */
void resolver_set_opts(struct resolver *r, const struct resolver_opts *o);
/* host: a name, a numeric IPv4/IPv6 address, "/dir" (unix socket /dir/.s.PGSQL.port;
 * /dir itself if port is 0) or "@name"
 * (abstract). fn may be called from inside. Returns a handle for resolver_cancel(), or NULL when fn
 * was already called. */
struct resolver_req;
struct resolver_req *resolver_lookup(
	struct resolver *r, const char *host, unsigned port, resolver_fn *fn, void *arg);
void resolver_cancel(struct resolver_req *q);
/* For SHOW DNS_HOSTS: calls fn for each cached name. */
void resolver_each(struct resolver *r,
	void (*fn)(void *arg, const char *host, int64_t ttl_left_us, const struct resolver_addr *a,
		unsigned n),
	void *arg);
unsigned resolver_pending(const struct resolver *r);
#endif
