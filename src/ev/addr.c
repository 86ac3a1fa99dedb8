/* addr - compact socket addresses and their text. Ignorant of names (see resolver). Any thread. */
#include "ev/addr.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>

void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t n)
{
	*a = (struct addr){ .u.sa.sa_family = AF_UNSPEC };
	if (n < sizeof(sa->sa_family))
		return;
	if (sa->sa_family == AF_UNIX) {
		a->u.sa.sa_family = AF_UNIX;
	} else if (sa->sa_family == AF_INET && n >= sizeof(a->u.in)) {
		memcpy(&a->u.in, sa, sizeof(a->u.in));
	} else if (sa->sa_family == AF_INET6 && n >= sizeof(a->u.in6)) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof(in6));
		if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			a->u.in6 = in6;
			return;
		}
		/* An IPv4 client of a two-family socket is an IPv4 client to everyone (HBA rules,
		 * SHOW). */
		a->u.in.sin_family = AF_INET;
		a->u.in.sin_port = in6.sin6_port;
		memcpy(&a->u.in.sin_addr, &in6.sin6_addr.s6_addr[12], 4);
	}
}

void addr_peer(struct addr *a, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &n) != 0)
		n = 0;
	addr_from_sockaddr(a, (struct sockaddr *)&ss, n);
}

void addr_local(struct addr *a, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		n = 0;
	addr_from_sockaddr(a, (struct sockaddr *)&ss, n);
}

bool addr_is_local(const struct addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_UNIX: return true;
	case AF_INET: return ntohl(a->u.in.sin_addr.s_addr) >> 24 == 127;
	case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr);
	default: return false; /* unknown */
	}
}

/* Each connection has its client's address told more than once, and inet_ntop() uses printf(). */
static void put_ipv4(struct text *t, const struct in_addr *ip)
{
	uint32_t v = ntohl(ip->s_addr);

	for (unsigned shift = 32; shift > 0;) {
		shift -= 8;
		text_put_u64(t, v >> shift & 0xff);
		text_put(t, shift ? "." : "");
	}
}

const char *addr_host(const struct addr *a, char *out, size_t n)
{
	struct text t = text_begin(out, n);

	if (a->u.sa.sa_family == AF_INET && n >= INET_ADDRSTRLEN)
		put_ipv4(&t, &a->u.in.sin_addr);
	else if (a->u.sa.sa_family != AF_INET6 ||
		 !inet_ntop(AF_INET6, &a->u.in6.sin6_addr, out, (socklen_t)n))
		text_put(&t, addr_is_unix(a) ? "unix" : "?");
	return out;
}

unsigned addr_port(const struct addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return ntohs(a->u.in.sin_port);
	if (a->u.sa.sa_family == AF_INET6)
		return ntohs(a->u.in6.sin6_port);
	return 0;
}
