/* cidr - see base/cidr.h. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/num.h"

static int parse_bits(const char *text, unsigned max, unsigned *bits_r)
{
	int64_t v;
	if (text == NULL) {
		*bits_r = max;
		return 0;
	}
	if (num_i64(text, 0, max, &v) != 0)
		return -1;
	*bits_r = (unsigned)v;
	return 0;
}

int cidr_parse(const char *text, struct cidr *c_r)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	*c_r = (struct cidr){ .family = AF_UNSPEC };
	if (strcmp(text, "*") == 0)
		return 0;
	if (strcmp(text, "unix") == 0) {
		c_r->family = AF_UNIX;
		return 0;
	}
	if (n >= sizeof(host))
		return -1;
	memcpy(host, text, n);
	host[n] = '\0';
	c_r->family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(c_r->family, host, c_r->addr) != 1)
		return -1;
	return parse_bits(slash ? slash + 1 : NULL, c_r->family == AF_INET ? 32 : 128, &c_r->bits);
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (uint8_t)(0xff00 >> rest)) == 0;
}

bool cidr_has(const struct cidr *c, const struct sockaddr *sa)
{
	const void *p = sa;
	if (c->family == AF_UNSPEC)
		return sa->sa_family == AF_INET || sa->sa_family == AF_INET6;
	if (c->family != sa->sa_family)
		return false;
	if (c->family == AF_UNIX)
		return true;
	const void *addr = c->family == AF_INET
				   ? (const void *)&((const struct sockaddr_in *)p)->sin_addr
				   : (const void *)&((const struct sockaddr_in6 *)p)->sin6_addr;
	return same_bits(c->addr, addr, c->bits);
}
