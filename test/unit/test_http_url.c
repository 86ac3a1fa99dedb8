/* http_url: who is asked by HTTP. */
#include "base/http_url.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(http_url, taken_apart)
{
	static const struct {
		const char *text, *host, *authority, *path;
		unsigned port;
		bool tls;
	} t[] = {
		{ "http://127.0.0.1:4318/v1/traces", "127.0.0.1", "127.0.0.1:4318", "/v1/traces",
			4318, false },
		{ "HTTP://Collector", "Collector", "Collector:80", "/", 80, false },
		{ "http://a-b.c_d:1/", "a-b.c_d", "a-b.c_d:1", "/", 1, false },
		{ "http://[::1]:65535/x?y=z", "::1", "[::1]:65535", "/x?y=z", 65535, false },
		{ "http://[fe80::1]", "fe80::1", "[fe80::1]:80", "/", 80, false },
		{ "http://db1:8008", "db1", "db1:8008", "/", 8008, false },
		{ "https://otlp.example.com/v1/traces", "otlp.example.com", "otlp.example.com:443",
			"/v1/traces", 443, true },
		{ "HTTPS://[::1]:8008", "::1", "[::1]:8008", "/", 8008, true },
	};
	struct http_url u;
	for (size_t i = 0; i < N(t); i++) {
		cr_assert_eq(http_url_parse(t[i].text, &u), 0, "%s", t[i].text);
		cr_expect_str_eq(u.host, t[i].host);
		cr_expect_str_eq(u.authority, t[i].authority);
		cr_expect_str_eq(u.path, t[i].path);
		cr_expect_eq(u.port, t[i].port);
		cr_expect_eq(u.tls, t[i].tls);
	}
}

Test(http_url, what_is_none)
{
	static const char *const t[] = { "", "h", "http://", "http:///x", ":8008", "db1:8008",
		"ftp://h/", "http://:1", "http://h:/", "http://h:0/", "http://h:65536",
		"http://h:12x/", "http://[::1", "http://[]/", "http://[::1]x/", "http://u:p@h/",
		"http://h?x", "http://h/a b", "http://h/#x", "http://h/\r\nX: y",
		"http://h/\xc3\xa4", "http://h\x01/", "https://", "httpss://h/", "http://a b/" };
	char long_url[1000] = "http://h/";
	struct http_url u;
	for (size_t i = 0; i < N(t); i++)
		cr_expect_eq(http_url_parse(t[i], &u), -1, "%s", t[i]);
	memset(long_url + 9, 'x', sizeof long_url - 10);
	cr_expect_eq(http_url_parse(long_url, &u), -1);
	memset(long_url + 7, 'x', sizeof long_url - 8);
	cr_expect_eq(http_url_parse(long_url, &u), -1);
}
