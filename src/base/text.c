/* text - a short text put together in an array of the caller. Ignorant of what it says. Any
 * thread. */
#include "base/text.h"

#include <assert.h>
#include <string.h>

#include "base/num.h"

struct text text_begin(char *out, size_t size)
{
	assert(size > 0);
	*out = '\0';
	return (struct text){ out, out + size - 1 };
}

static void append(struct text *t, const char *s, size_t n)
{
	size_t room = (size_t)(t->last - t->at);
	if (n > room)
		n = room;
	memcpy(t->at, s, n);
	t->at += n;
	*t->at = '\0';
}

void text_put(struct text *t, const char *s)
{
	append(t, s, strlen(s));
}

void text_put_u64(struct text *t, uint64_t v)
{
	char digits[NUM_I64_CHARS];
	append(t, digits, num_put_u64(digits, v));
}

void text_put_hex32(struct text *t, uint32_t v)
{
	static const char digit[] = "0123456789abcdef";
	char hex[8];
	for (size_t i = sizeof(hex); i > 0; v >>= 4)
		hex[--i] = digit[v & 15];
	append(t, hex, sizeof(hex));
}
