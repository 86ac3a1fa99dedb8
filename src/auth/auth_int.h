/* auth_int - what the parsers of auth/ share: reading a file, and tokens. Private to auth/. */
#ifndef AUTH_AUTH_INT_H
#define AUTH_AUTH_INT_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

/* The whole file, at most max bytes, into an initialised b. ERR_CONFIG: "path: why". */
int auth_read_file(const char *path, size_t max, struct buf *b, struct err *e)
	__attribute__((warn_unused_result));

/* One word of a line; words of a list ("a,b") stand in one field. */
struct tok {
	char *text;  /* without quotes; never NULL */
	bool quoted; /* it began with a quote: keywords lose their meaning */
	bool last;   /* of its field: no comma follows */
};
struct toks {
	struct tok *v;
	size_t n, size;
};
void toks_fini(struct toks *t);
/* Cuts a logical line (no newline handling: newlines are blanks) at blanks and commas; # begins a
 * comment. Returns NULL, or what is wrong. With loose commas, they are blanks, and none can be
 * missing or too many (@files). */
const char *toks_read(struct toks *t, const char *line, size_t n, bool loose_commas);

/* Cuts text into logical lines: a backslash at a line's end joins the next. */
struct lines {
	const char *p, *end;
	unsigned line, next_line; /* number of the current one's first physical line */
	struct buf joined;
};
void lines_init(struct lines *l, const char *text, size_t n);
void lines_fini(struct lines *l);
/* The next one, valid until the next call; false at the end. */
bool lines_next(struct lines *l, const char **line_r, size_t *n_r);
#endif
