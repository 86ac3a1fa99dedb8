/* otlp - the texts of otlp_endpoint and otlp_headers taken apart. Any thread. Source:
 * OpenTelemetry's specification of its protocol's exporter, for the headers. */
#include "conf/otlp.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FORM \
	"must be a URL as http://127.0.0.1:4318/v1/traces or https://otlp.example.com/v1/traces"

int otlp_url_parse(const char *text, struct http_url *u, char *why, size_t n)
{
	snprintf(why, n, FORM);
	return http_url_parse(text, u);
}

static bool is_name(const char *p)
{
	const char *const marks = "!#$%&'*+-.^_`|~";
	for (const char *c = p; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(marks, *c))
			return false;
	return *p != '\0';
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'         ? c - '0'
	       : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10
					    : -1;
}

/* Percent-encoding undone; no control characters. */
static bool decode(const char *p, size_t n, char *out, size_t out_n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)p[i];
		if (c == '%') {
			int high = n - i > 2 ? hex_digit(p[i + 1]) : -1;
			int low = n - i > 2 ? hex_digit(p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (c < ' ' || c == 0x7f || at + 1 >= out_n)
			return false;
		out[at++] = (char)c;
	}
	out[at] = '\0';
	return true;
}

bool otlp_header_next(const char **at, struct otlp_header *h)
{
	const char *p = *at + strspn(*at, ", \t");
	*at = p;
	if (!*p)
		return false;
	size_t n = strcspn(p, ","), name_n = strcspn(p, "=,");
	const char *value = p + name_n + 1;
	size_t end = n;
	*at = p + n;
	while (end > name_n && strchr(" \t", p[end - 1]))
		end--;
	snprintf(h->name, sizeof h->name, "%.*s", (int)name_n, p);
	for (size_t i = strlen(h->name); i > 0 && strchr(" \t", h->name[i - 1]); i--)
		h->name[i - 1] = '\0';
	bool ok = name_n < n && name_n < sizeof h->name && is_name(h->name);
	while (ok && value < p + end && strchr(" \t", *value))
		value++;
	ok = ok && decode(value, value < p + end ? (size_t)(p + end - value) : 0, h->value,
			   sizeof h->value);
	if (!ok)
		*at = NULL;
	return ok;
}
