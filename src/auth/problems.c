/* problems - see the header. */
#include "auth/problems.h"

#include <stdarg.h>
#include <stdio.h>

void problems_init(struct problems *p)
{
	*p = (struct problems){ 0 };
	buf_init(&p->text, 1u << 20);
}

void problems_fini(struct problems *p)
{
	buf_fini(&p->text);
	*p = (struct problems){ 0 };
}

__attribute__((format(printf, 5, 0))) static void add(struct problems *p, const char *file,
	unsigned line, const char *kind, const char *fmt, va_list ap)
{
	char what[512];

	if (p->errors_n + p->warnings_n > PROBLEMS_MAX)
		return;
	(void)vsnprintf(what, sizeof what, fmt, ap);
	if (line > 0)
		(void)buf_printf(&p->text, "%s:%u: %s%s\n", file, line, kind, what);
	else
		(void)buf_printf(&p->text, "%s: %s%s\n", file, kind, what);
}

void problems_error(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	p->errors_n++;
	va_start(ap, fmt);
	add(p, file, line, "", fmt, ap);
	va_end(ap);
}

void problems_warn(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	p->warnings_n++;
	va_start(ap, fmt);
	add(p, file, line, "warning: ", fmt, ap);
	va_end(ap);
}

const char *problems_text(struct problems *p)
{
	if (buf_len(&p->text) == 0 || buf_reserve(&p->text, 1) == NULL)
		return "";
	buf_data(&p->text)[buf_len(&p->text)] = '\0'; /* behind the end: not part of the text */
	return (const char *)buf_data(&p->text);
}
