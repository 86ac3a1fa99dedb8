/* err - the table of errors, and filling a struct err. Ignorant of how an error is shown. Any
 * thread. */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_info table[ERR_N] = {
#define X(id, st, no, mst, is_fatal, txt) \
	[ERR_##id] = { .name = #id, \
		.sqlstate = st, \
		.mysql_errno = no, \
		.mysql_sqlstate = mst, \
		.fatal = is_fatal, \
		.text = txt },
	ERR_CODES(X)
#undef X
};

const struct err_info *err_info(enum err_code c)
{
	assert((unsigned)c < ERR_N);
	return &table[c];
}

/* Removes a UTF-8 sequence that was cut in the middle at the end of s. */
static void trim_utf8(char *s, size_t len)
{
	size_t i = len;
	while (i > 0 && len - i < 3 && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
		i--;
	if (i == 0)
		return;
	unsigned char lead = (unsigned char)s[i - 1];
	size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (want > len - i + 1)
		s[i - 1] = '\0';
}

/* Formats aside first, as arguments may point into the field itself. */
__attribute__((format(printf, 3, 0))) static void fill(
	char *field, size_t size, const char *fmt, va_list ap)
{
	char text[256];
	assert(size <= sizeof(text));
	int n = vsnprintf(text, size, fmt, ap);
	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= size)
		trim_utf8(text, size - 1);
	memcpy(field, text, strlen(text) + 1);
}

int err_set(struct err *e, enum err_code c, const char *fmt, ...)
{
	struct err out = { .code = c };
	va_list ap;
	assert((unsigned)c < ERR_N);
	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	fill(out.msg, sizeof(out.msg), fmt, ap);
	va_end(ap);
	*e = out;
	return -1;
}

int err_detail(struct err *e, const char *fmt, ...)
{
	va_list ap;
	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	fill(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;
	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	fill(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return -1;
}

int err_internal(struct err *e, const char *fmt, ...)
{
	va_list ap;
	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	fill(e->internal, sizeof(e->internal), fmt, ap);
	va_end(ap);
	return -1;
}

const char *err_sqlstate(const struct err *e)
{
	return e->sqlstate[0] ? e->sqlstate : err_info(e->code)->sqlstate;
}
