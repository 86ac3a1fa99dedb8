/* account_host - the Host of an account: addresses, networks, names and patterns; which clients it
 * means, and which of two a server prefers. Ignorant of users. Any thread. */
#include "auth/account.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- networks ---- */

enum net_kind { NET_NONE, NET_ADDRESS, NET_BITS, NET_MASK }; /* as MySQL prefers them */
struct net {
	enum net_kind kind;
	uint32_t addr, mask;
};

static bool read_ip(const char *s, size_t n, uint32_t *ip_r)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr a;
	if (n >= sizeof text)
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*ip_r = ntohl(a.s_addr);
	return true;
}

static bool read_bits(const char *s, uint32_t *mask_r)
{
	size_t n = strlen(s);
	unsigned v = 0;
	if (n == 0 || n > 2 || strspn(s, "0123456789") != n)
		return false;
	for (; *s; s++)
		v = v * 10 + (unsigned)(*s - '0');
	*mask_r = v == 0 ? 0 : v >= 32 ? UINT32_MAX : UINT32_MAX << (32 - v);
	return v <= 32;
}

/* MariaDB knows no lengths of prefixes. */
static struct net net_of(const char *host, bool mariadb)
{
	const char *slash = strchr(host, '/');
	struct net x = { .kind = NET_ADDRESS, .mask = UINT32_MAX };
	if (!read_ip(host, slash ? (size_t)(slash - host) : strlen(host), &x.addr))
		x.kind = NET_NONE;
	else if (slash && !mariadb && read_bits(slash + 1, &x.mask))
		x.kind = NET_BITS;
	else if (slash && read_ip(slash + 1, strlen(slash + 1), &x.mask))
		x.kind = NET_MASK;
	else if (slash)
		x.kind = NET_NONE;
	return x;
}

/* ---- matching ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* LIKE, of either case: % any, _ one, \ before a character that means itself. */
static bool like(const char *pattern, const char *s)
{
	const char *again_p = NULL, *again_s = NULL;
	for (;;) {
		bool literal = *pattern == '\\' && pattern[1];
		if (*pattern == '%') {
			again_p = ++pattern;
			again_s = s;
			continue;
		}
		if (literal)
			pattern++;
		if (*s && *pattern &&
			((!literal && *pattern == '_') || lower(*pattern) == lower(*s))) {
			pattern++;
			s++;
			continue;
		}
		if (*s == '\0' && *pattern == '\0')
			return true;
		if (again_p == NULL || *again_s == '\0')
			return false;
		pattern = again_p;
		s = ++again_s;
	}
}

bool account_host_matches(const char *host, const char *name, const char *addr, bool mariadb)
{
	struct net x = net_of(host, mariadb);
	uint32_t ip;
	if (*host == '\0')
		return true;
	if (x.kind != NET_NONE)
		return read_ip(addr, strlen(addr), &ip) && (ip & x.mask) == x.addr;
	return (*addr && like(host, addr)) || (name && like(host, name));
}

/* ---- order ---- */

/* Of a pattern: wildcards, and where the first one stands; characters that must be there. */
struct shape {
	unsigned many, one, exact, prefix;
};

static struct shape shape_of(const char *s)
{
	struct shape x = { 0 };
	for (; *s; s++) {
		bool wild = *s == '%' || *s == '_';
		if (*s == '\\' && s[1])
			s++;
		x.many += wild && *s == '%';
		x.one += wild && *s == '_';
		x.exact += !wild;
		x.prefix += !wild && x.many + x.one == 0;
	}
	return x;
}

static int sooner(bool a, bool b)
{
	return a == b ? 0 : a ? -1 : 1;
}

static int fewer(unsigned a, unsigned b)
{
	return a < b ? -1 : a > b;
}

/* Addresses and networks come before names and patterns, narrow ones before wide ones. */
static int compare_nets(const struct net *a, const struct net *b, bool mariadb)
{
	int by = sooner(a->kind != NET_NONE, b->kind != NET_NONE);
	if (by || a->kind == NET_NONE)
		return by;
	if (!mariadb && a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return a->mask > b->mask ? -1 : a->mask < b->mask;
}

/* MySQL: how far the first wildcard is; "%" alone and "" are last. */
static int compare_mysql(const char *a, const char *b)
{
	struct shape x = shape_of(a), y = shape_of(b);
	int by = sooner(*a != '\0', *b != '\0');
	if (by == 0)
		by = sooner(strcmp(a, "%") != 0, strcmp(b, "%") != 0);
	if (by == 0)
		by = sooner(x.many + x.one == 0, y.many + y.one == 0);
	if (by == 0 && x.many + x.one)
		by = fewer(y.prefix, x.prefix);
	return by ? by : strcmp(a, b);
}

/* MariaDB: how little may vary. */
static int compare_mariadb(const char *a, const char *b)
{
	struct shape x = shape_of(a), y = shape_of(b);
	int by = sooner(*a != '\0', *b != '\0');
	if (by == 0)
		by = sooner(x.many == 0, y.many == 0);
	if (by == 0 && x.many)
		by = fewer(y.exact + y.one, x.exact + x.one);
	if (by == 0)
		by = fewer(x.many, y.many);
	if (by == 0)
		by = fewer(x.one, y.one);
	if (by == 0 && x.many + x.one)
		by = fewer(x.prefix, y.prefix);
	return by ? by : -strcmp(a, b);
}

int account_host_compare(const char *a, const char *b, bool mariadb)
{
	struct net x = net_of(a, mariadb), y = net_of(b, mariadb);
	int by = compare_nets(&x, &y, mariadb);
	if (by)
		return by;
	return mariadb ? compare_mariadb(a, b) : compare_mysql(a, b);
}
