/* otlp: URLs and headers of a receiver of traces. */
#include "conf/otlp.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(otlp, urls)
{
	static const struct {
		const char *text, *host, *authority, *path;
		unsigned port;
	} t[] = {
		{ "http://127.0.0.1:4318/v1/traces", "127.0.0.1", "127.0.0.1:4318", "/v1/traces",
			4318 },
		{ "HTTP://Collector", "Collector", "Collector:80", "/", 80 },
		{ "http://a-b.c_d:1/", "a-b.c_d", "a-b.c_d:1", "/", 1 },
		{ "http://[::1]:65535/x?y=z", "::1", "[::1]:65535", "/x?y=z", 65535 },
		{ "http://[fe80::1]", "fe80::1", "[fe80::1]:80", "/", 80 },
	};
	char why[200];
	struct otlp_url u;
	for (size_t i = 0; i < N(t); i++) {
		cr_assert_eq(otlp_url_parse(t[i].text, &u, why, sizeof why), 0, "%s", t[i].text);
		cr_expect_str_eq(u.host, t[i].host);
		cr_expect_str_eq(u.authority, t[i].authority);
		cr_expect_str_eq(u.path, t[i].path);
		cr_expect_eq(u.port, t[i].port);
	}
}

Test(otlp, what_is_no_url)
{
	static const char *const t[] = { "", "http://", "http:///x", "h", "ftp://h/", "http://h:/",
		"http://h:0/", "http://h:65536", "http://h:12x/", "http://[::1", "http://[]/",
		"http://[::1]x/", "http://u:p@h/", "http://h?x", "http://h/a b", "http://h/#x",
		"http://h/\r\nX: y", "http://h/\xc3\xa4", "http://h\x01/", "https://h/",
		"http://a b/" };
	char why[200], long_url[1000] = "http://h/";
	struct otlp_url u;
	for (size_t i = 0; i < N(t); i++) {
		why[0] = '\0';
		cr_expect_eq(otlp_url_parse(t[i], &u, why, sizeof why), -1, "%s", t[i]);
		cr_expect(strncmp(why, "must be ", 8) == 0 || strncmp(why, "cannot be ", 10) == 0,
			"%s", why);
	}
	memset(long_url + 9, 'x', sizeof long_url - 10);
	cr_expect_eq(otlp_url_parse(long_url, &u, why, sizeof why), -1);
	memset(long_url + 7, 'x', sizeof long_url - 8);
	cr_expect_eq(otlp_url_parse(long_url, &u, why, sizeof why), -1);
}

Test(otlp, headers)
{
	const char *at = " api-key = a%20b%2C%3D ,, X-Scope=1,empty=,e=x=y";
	static const char *const want[][2] = { { "api-key", "a b,=" }, { "X-Scope", "1" },
		{ "empty", "" }, { "e", "x=y" } };
	struct otlp_header h;
	for (size_t i = 0; i < N(want); i++) {
		cr_assert(otlp_header_next(&at, &h), "%zu", i);
		cr_expect_str_eq(h.name, want[i][0]);
		cr_expect_str_eq(h.value, want[i][1]);
	}
	cr_expect(!otlp_header_next(&at, &h));
	cr_expect_not_null(at);
}

Test(otlp, headers_that_are_wrong)
{
	static const char *const t[] = { "x", "=y", "a b=c", "a=%0d%0aX: y", "a=%", "a=%1", "a=%1g",
		"a:=b", "a=b\x01", "\xc3=1" };
	char big[3000] = "a=";
	struct otlp_header h;
	for (size_t i = 0; i < N(t); i++) {
		const char *at = t[i];
		cr_expect(!otlp_header_next(&at, &h), "%s", t[i]);
		cr_expect_null(at, "%s", t[i]);
	}
	memset(big + 2, 'x', sizeof big - 3);
	const char *at = big;
	cr_expect(!otlp_header_next(&at, &h));
	cr_expect_null(at);
}
