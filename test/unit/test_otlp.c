/* otlp: URLs and headers of a receiver of traces. */
#include "conf/otlp.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(otlp, urls)
{
	static const char *const bad[] = { "", "h", ":4318", "ftp://h/", "https://u@h/",
		"http://h:65536", "http://u:p@h/" };
	char why[200];
	struct http_url u;
	cr_assert_eq(otlp_url_parse("http://127.0.0.1:4318/v1/traces", &u, why, sizeof why), 0);
	cr_expect_str_eq(u.authority, "127.0.0.1:4318");
	for (size_t i = 0; i < N(bad); i++) {
		why[0] = '\0';
		cr_expect_eq(otlp_url_parse(bad[i], &u, why, sizeof why), -1, "%s", bad[i]);
		cr_expect(strncmp(why, "must be ", 8) == 0, "%s", why);
	}
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
