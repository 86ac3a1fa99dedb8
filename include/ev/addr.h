/* addr - a peer's address, small enough to live in every connection. Any thread. */
#ifndef EV_ADDR_H
#define EV_ADDR_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct addr {
	union {
		struct sockaddr
			sa; /* sa_family AF_UNSPEC: unknown; AF_UNIX: nothing more is kept */
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
};
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t n);
void addr_peer(struct addr *a, int fd);  /* getpeername(2) */
void addr_local(struct addr *a, int fd); /* getsockname(2) */
static inline bool addr_is_unix(const struct addr *a)
{
	return a->u.sa.sa_family == AF_UNIX;
}
/* Of this machine: a unix socket, 127.0.0.0/8, ::1. */
bool addr_is_local(const struct addr *a);
/* "10.0.0.1", "::1", "unix" or "?" into out (at least 48 bytes); returns out. */
const char *addr_host(const struct addr *a, char *out, size_t n);
unsigned addr_port(const struct addr *a);
#endif
