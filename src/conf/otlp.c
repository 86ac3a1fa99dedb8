/* otlp - the texts of otlp_endpoint and otlp_headers taken apart. Any thread. Sources: RFC 3986;
 * OpenTelemetry's specification of its protocol's exporter, for the headers. */
#include "conf/otlp.h"

#include "base/num.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FORM "must be a URL as http://127.0.0.1:4318/v1/traces"

/* Of a name or address: what needs no more thought, in URLs and in the header Host. */
static bool is_host(const char *p, size_t n, bool in_brackets)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr(in_brackets ? ":." : ".-_", p[i]))
			return false;
	return n > 0;
}

static bool is_path(const char *p)
{
	for (; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '#')
			return false;
	return true;
}

int otlp_url_parse(const char *text, struct otlp_url *u, char *why, size_t n)
{
	static const char scheme[] = "http://";
	uint64_t port = 80;
	if (strncasecmp(text, "https://", 8) == 0) {
		snprintf(why, n,
			"cannot be https: weirpool sends traces in clear only, to a collector on "
			"this machine or in this network that passes them on");
		return -1;
	}
	snprintf(why, n, FORM);
	if (strncasecmp(text, scheme, sizeof scheme - 1) != 0)
		return -1;
	const char *p = text + sizeof scheme - 1, *host = p;
	bool brackets = *p == '[';
	size_t host_n = brackets ? strcspn(++host, "]") : strcspn(host, ":/?");
	p = host + host_n + brackets;
	if (brackets && host[host_n] != ']')
		return -1;
	if (!is_host(host, host_n, brackets) || host_n >= sizeof u->host)
		return -1;
	if (*p == ':') {
		size_t digits = strcspn(p + 1, "/?");
		if (num_u64n(p + 1, digits, 1, 65535, &port) != 0)
			return -1;
		p += 1 + digits;
	}
	if ((*p && *p != '/') || strlen(p) >= sizeof u->path || !is_path(p))
		return -1;
	u->port = (unsigned)port;
	snprintf(u->host, sizeof u->host, "%.*s", (int)host_n, host);
	snprintf(u->authority, sizeof u->authority, brackets ? "[%s]:%u" : "%s:%u", u->host,
		u->port);
	snprintf(u->path, sizeof u->path, "%s", *p ? p : "/");
	return 0;
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
