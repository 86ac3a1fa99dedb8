/* trace_parent - W3C's traceparent, found in a text and read. Any thread. Source: W3C Trace
 * Context, level 1. */
#include "core/trace.h"

#include <string.h>

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool traceparent_is(const char *p, size_t n)
{
	if (n < TRACEPARENT_CHARS)
		return false;
	for (size_t i = 0; i < TRACEPARENT_CHARS; i++)
		if (i == 2 || i == 35 || i == 52 ? p[i] != '-' : !is_hex(p[i]))
			return false;
	return true;
}

const char *traceparent_find(const char *text, size_t n)
{
	static const char key[] = "traceparent='";
	/* nearly all texts have no comment: they are to cost little */
	const char *p = text ? memchr(text, '/', n) : NULL;
	p = p ? memmem(p, n - (size_t)(p - text), key, sizeof key - 1) : NULL;
	if (!p)
		return NULL;
	p += sizeof key - 1;
	return traceparent_is(p, n - (size_t)(p - text)) ? p : NULL;
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* False: all are 0. */
static bool read_bytes(const char *p, uint8_t *out, size_t n)
{
	unsigned any = 0;
	for (size_t i = 0; i < n; i++) {
		out[i] = (uint8_t)(digit(p[2 * i]) << 4 | digit(p[2 * i + 1]));
		any |= out[i];
	}
	return any != 0;
}

bool traceparent_read(const char *p, struct trace_context *c)
{
	bool trace = read_bytes(p + 3, c->trace, sizeof c->trace);
	bool span = read_bytes(p + 36, c->span, sizeof c->span);
	c->sampled = digit(p[54]) & 1;
	return trace && span && memcmp(p, "ff", 2) != 0;
}
