/* json - see include/base/json.h. */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

/* Length of the UTF-8 character at s, 0 if it is none. Source: Unicode 15, table 3-7. */
static unsigned utf8_len(const unsigned char *s)
{
	unsigned n = *s < 0x80   ? 1
		     : *s < 0xc2 ? 0
		     : *s < 0xe0 ? 2
		     : *s < 0xf0 ? 3
		     : *s < 0xf5 ? 4
				 : 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		(*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void json_put(struct buf *b, const char *s)
{
	if (!s) {
		buf_puts(b, "null");
		return;
	}
	buf_puts(b, "\"");
	while (*s) {
		size_t n = 0;
		while (is_plain((unsigned char)s[n]))
			n++;
		buf_append(b, s, n);
		s += n;
		if (!*s)
			break;
		n = utf8_len((const unsigned char *)s);
		if (n > 1)
			buf_append(b, s, n);
		else if (n == 0)
			buf_puts(b, "\xef\xbf\xbd");
		else if (*s == '"' || *s == '\\')
			buf_append(b, (char[2]){ '\\', *s }, 2);
		else
			buf_printf(b, "\\u%04x", (unsigned char)*s);
		s += n ? n : 1;
	}
	buf_puts(b, "\"");
}

void json_comma(struct buf *b)
{
	size_t n = buf_len(b);
	if (n && !strchr("{[:", buf_data(b)[n - 1]))
		buf_puts(b, ",");
}

void json_key(struct buf *b, const char *key)
{
	json_comma(b);
	json_put(b, key);
	buf_puts(b, ":");
}

void json_pair(struct buf *b, const char *key, const char *value)
{
	json_key(b, key);
	json_put(b, value);
}

void json_pair_bool(struct buf *b, const char *key, bool value)
{
	json_key(b, key);
	buf_puts(b, value ? "true" : "false");
}

void json_pair_int(struct buf *b, const char *key, int64_t value)
{
	json_key(b, key);
	buf_printf(b, "%" PRId64, value);
}

static const char *digits(const char *s)
{
	return s + strspn(s, "0123456789");
}

bool json_is_number(const char *s)
{
	const char *p = s + (*s == '-'), *q = digits(p);
	if (q == p || (*p == '0' && q > p + 1))
		return false;
	if (*q == '.') {
		p = q + 1;
		q = digits(p);
		if (q == p)
			return false;
	}
	if (*q == 'e' || *q == 'E') {
		p = q + 1 + (q[1] == '+' || q[1] == '-');
		q = digits(p);
		if (q == p)
			return false;
	}
	return *q == '\0';
}
