/* problems - mistakes found while reading a file: one line each, "file:line: what". One thread. */
#ifndef AUTH_PROBLEMS_H
#define AUTH_PROBLEMS_H
#include "base/buf.h"

#define PROBLEMS_MAX 100 /* more are only counted */
struct problems {
	struct buf text;     /* lines ending in \n */
	unsigned errors_n;   /* the file must not be used */
	unsigned warnings_n; /* lines begin with "file:line: warning: " */
};
void problems_init(struct problems *p);
void problems_fini(struct problems *p);
void problems_error(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void problems_warn(struct problems *p, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* All lines as one string (never NULL), valid until the next change. */
const char *problems_text(struct problems *p);
#endif
