/* cidr - networks as text: "10.0.0.0/8", "::1", "*" (all of IP), "unix". Any thread. */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H
#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct cidr {
	int family; /* AF_UNSPEC: any IPv4 or IPv6 address */
	unsigned bits;
	uint8_t addr[16]; /* network order; what is behind bits does not count */
};
int cidr_parse(const char *text, struct cidr *c_r) __attribute__((warn_unused_result));
/* IPv4 addresses mapped to IPv6 are no IPv4 addresses here: see addr_from_sockaddr(). */
bool cidr_has(const struct cidr *c, const struct sockaddr *sa);
#endif
