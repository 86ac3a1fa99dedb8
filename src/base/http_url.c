/* http_url - http://host:port/path, or https://, taken apart. Pure; any thread. Source: RFC
 * 3986. */
#include "base/http_url.h"

#include "base/num.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

int http_url_parse(const char *text, struct http_url *u)
{
	bool tls = strncasecmp(text, "https://", 8) == 0;
	uint64_t port = tls ? 443 : 80;
	if (!tls && strncasecmp(text, "http://", 7) != 0)
		return -1;
	const char *p = text + (tls ? 8 : 7), *host = p;
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
	u->tls = tls;
	u->port = (unsigned)port;
	snprintf(u->host, sizeof u->host, "%.*s", (int)host_n, host);
	snprintf(u->authority, sizeof u->authority, brackets ? "[%s]:%u" : "%s:%u", u->host,
		u->port);
	snprintf(u->path, sizeof u->path, "%s", *p ? p : "/");
	return 0;
}
