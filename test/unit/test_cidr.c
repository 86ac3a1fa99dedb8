/* base/cidr: networks as text, and who is in them. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

static bool has(const char *net, const char *addr)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	void *p = &ss;
	struct cidr c;
	cr_assert_eq(cidr_parse(net, &c), 0, "%s", net);
	if (strchr(addr, ':')) {
		ss.ss_family = AF_INET6;
		cr_assert_eq(inet_pton(AF_INET6, addr, &((struct sockaddr_in6 *)p)->sin6_addr), 1);
	} else if (strchr(addr, '.')) {
		ss.ss_family = AF_INET;
		cr_assert_eq(inet_pton(AF_INET, addr, &((struct sockaddr_in *)p)->sin_addr), 1);
	}
	return cidr_has(&c, p);
}

Test(cidr, who_is_in_a_network)
{
	cr_assert(has("10.0.0.1", "10.0.0.1"));
	cr_assert_not(has("10.0.0.1", "10.0.0.2"));
	cr_assert(has("10.1.2.3/8", "10.255.0.9"));
	cr_assert_not(has("10.0.0.0/8", "11.0.0.0"));
	cr_assert(has("192.168.4.0/22", "192.168.7.255"));
	cr_assert_not(has("192.168.4.0/22", "192.168.8.0"));
	cr_assert(has("0.0.0.0/0", "1.2.3.4"));
	cr_assert_not(has("0.0.0.0/0", "::1"));
	cr_assert(has("2001:db8::/33", "2001:db8:7fff::1"));
	cr_assert_not(has("2001:db8::/33", "2001:db8:8000::1"));
	cr_assert(has("::1", "::1"));
	cr_assert_not(has("::1/128", "::2"));
	cr_assert(has("*", "::1") && has("*", "9.9.9.9"));
	cr_assert_not(has("*", "unix"));
	cr_assert(has("unix", "unix"));
	cr_assert_not(has("unix", "9.9.9.9"));
}

Test(cidr, what_is_no_network)
{
	static const char *const bad[] = { "", "/", "10", "10.0.0", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8x", "::/129", "localhost",
		"::ffff:1.2.3.4/x", "1:2:3:4:5:6:7:8:9",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "fe80::1%eth0",
		" 10.0.0.1" };
	struct cidr c;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(cidr_parse(bad[i], &c), -1, "%s", bad[i]);
}
