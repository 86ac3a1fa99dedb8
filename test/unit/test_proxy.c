/* wire/proxy: PROXY headers of both versions, every cut of them, and what is none. */
#include "base/mem.h"
#include "wire/proxy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(proxy, .fini = assert_all_back, .timeout = 60);

static int take(const void *p, size_t n, struct proxy *x, const char **where)
{
	uint8_t *copy = malloc(n ? n : 1);
	memcpy(copy, p, n);
	int got = proxy_take(copy, n, x, where);
	free(copy);
	return got;
}

static int line(const char *s, struct proxy *x)
{
	const char *where;
	return take(s, strlen(s), x, &where);
}

Test(proxy, lines)
{
	struct proxy x;
	const char *where;
	const char *v4 = "PROXY TCP4 192.0.2.1 192.0.2.2 65535 6033\r\nrest";
	cr_assert_eq(take(v4, strlen(v4), &x, &where), 1);
	cr_assert_eq(x.kind, PROXY_TCP4);
	cr_assert_eq(x.version, 1);
	cr_assert_eq(x.total, strlen(v4) - 4);
	cr_assert_eq(memcmp(x.from, "\xc0\0\2\1", 4), 0);
	cr_assert_eq(memcmp(x.to, "\xc0\0\2\2", 4), 0);
	cr_assert_eq(x.from_port, 65535);
	cr_assert_eq(x.to_port, 6033);
	for (size_t n = 0; n < x.total; n++)
		cr_assert_eq(take(v4, n, &x, &where), 0, "%zu", n);
	cr_assert_eq(line("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", &x), 1);
	cr_assert_eq(x.kind, PROXY_TCP6);
	cr_assert_eq(x.from[1], 1);
	cr_assert_eq(x.to[15], 1);
}

/* CVE-2026-48772: the addresses behind UNKNOWN were believed. */
Test(proxy, unknown_and_local_keep_the_address_of_the_socket)
{
	static const char *const lines[] = { "PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY UNKNOWN \xff\0\r\n" };
	static const uint8_t zeroes[16];
	struct proxy x;
	const char *where;
	for (size_t i = 0; i < 3; i++) {
		size_t n = i == 2 ? 18 : strlen(lines[i]);
		cr_assert_eq(take(lines[i], n, &x, &where), 1, "%zu", i);
		cr_assert_eq(x.kind, PROXY_LOCAL);
		cr_assert_eq(x.total, n);
		cr_assert_eq(memcmp(x.from, zeroes, 16), 0);
		cr_assert_eq(x.from_port, 0);
	}
	/* LOCAL with addresses; PROXY with a family that is not TCP: UDP, unix, unspecified. */
	static const uint8_t cmd_family[][2] = { { 0x20, 0x11 }, { 0x21, 0x12 }, { 0x21, 0x31 },
		{ 0x21, 0x00 } };
	for (size_t i = 0; i < 4; i++) {
		uint8_t v2[28] = "\r\n\r\n\0\r\nQUIT\n";
		v2[12] = cmd_family[i][0];
		v2[13] = cmd_family[i][1];
		v2[15] = 12;
		memset(v2 + 16, 7, 12);
		cr_assert_eq(take(v2, 28, &x, &where), 1);
		cr_assert_eq(x.kind, PROXY_LOCAL);
		cr_assert_eq(x.total, 28);
		cr_assert_eq(memcmp(x.from, zeroes, 16), 0);
	}
}

Test(proxy, malformed_lines)
{
	static const char *const bad[] = { "PROXY TCP4\r\n", "PROXY \r\n",
		"PROXY  TCP4 1.2.3.4\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UNKNOWNX\r\n", "PROXY unknown\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.400 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"GET / HTTP/1.0\r\n", "\x16\x03\x01", "X", "PROXY \n" };
	struct proxy x;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(line(bad[i], &x), -1, "%s", bad[i]);
	/* No end within 107 bytes: not waited for. GHSA-7r26-v5rr-ccj5 was a line that grew. */
	char endless[300];
	memset(endless, 'A', sizeof(endless));
	memcpy(endless, "PROXY UNKNOWN ", 14);
	const char *where;
	cr_assert_eq(take(endless, 106, &x, &where), 0);
	cr_assert_eq(take(endless, 107, &x, &where), -1);
	endless[106] = '\n';
	cr_assert_eq(take(endless, 300, &x, &where), -1);
	endless[105] = '\r';
	cr_assert_eq(take(endless, 300, &x, &where), 1);
	cr_assert_eq(x.total, 107);
	endless[106] = 'A';
	endless[107] = '\n';
	cr_assert_eq(take(endless, 300, &x, &where), -1);
}

Test(proxy, written_and_read)
{
	for (unsigned i = 0; i < 6; i++) {
		struct proxy y, x = { .kind = (enum proxy_kind)(i % 3),
			.version = (uint8_t)(i / 3 + 1),
			.from = "\x20\x01\x0d\xb8",
			.to = "\x7f\0\0\1",
			.from_port = 1,
			.to_port = 65535 };
		struct buf b;
		const char *where;
		buf_init(&b, 0);
		proxy_put(&b, &x);
		buf_puts(&b, "behind");
		cr_assert_eq(take(buf_data(&b), buf_len(&b), &y, &where), 1, "%s", where);
		cr_assert_eq(y.kind, x.kind);
		cr_assert_eq(y.version, x.version);
		cr_assert_eq(y.total, buf_len(&b) - 6);
		if (x.kind != PROXY_LOCAL) {
			cr_assert_eq(memcmp(y.from, x.from, 16), 0);
			cr_assert_eq(memcmp(y.to, x.to, 16), 0);
			cr_assert_eq(y.from_port, 1);
			cr_assert_eq(y.to_port, 65535);
		}
		for (size_t n = 0; n < y.total; n++) {
			struct proxy z;
			cr_assert_eq(take(buf_data(&b), n, &z, &where), 0, "%zu", n);
		}
		buf_fini(&b);
	}
}

Test(proxy, malformed_version_2)
{
	struct proxy x;
	const char *where;
	uint8_t v2[60] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
	cr_assert_eq(take(v2, 28, &x, &where), 1);
	cr_assert_eq(x.kind, PROXY_TCP4);
	v2[15] = 11;
	cr_assert_eq(take(v2, 28, &x, &where), -1, "too short for its addresses");
	cr_assert_str_eq(where, "addresses");
	v2[15] = 20; /* TLVs of 8 bytes */
	cr_assert_eq(take(v2, 35, &x, &where), 0);
	cr_assert_eq(take(v2, 36, &x, &where), 1);
	cr_assert_eq(x.total, 36);
	v2[13] = 0x21;
	cr_assert_eq(take(v2, 36, &x, &where), -1);
	v2[14] = 0xff;
	cr_assert_eq(take(v2, 16, &x, &where), -1, "not waited for");
	cr_assert_str_eq(where, "length");
	v2[14] = 0;
	static const uint8_t commands[] = { 0x22, 0x11, 0x31, 0x01, 0xff };
	for (size_t i = 0; i < sizeof(commands); i++) {
		v2[12] = commands[i];
		cr_assert_eq(take(v2, 13, &x, &where), -1, "%x", commands[i]);
	}
	v2[11] = 'x';
	cr_assert_eq(take(v2, 12, &x, &where), -1);
}
