/* convert_int - what the two halves of weirpool convert share: the text that is made, and the notes
 * of what became of the rest. */
#ifndef CONVERT_INT_H
#define CONVERT_INT_H
#include "tool_int.h"

struct convert {
	const char *path;
	const char *users_path; /* where to write secrets of users, or NULL */
	struct buf out;         /* the configuration */
	struct buf users;       /* lines of an auth_file: secret */
	unsigned notes_n;
};
/* A line to stderr, and the same as a comment where out is now. Never a secret. */
void convert_note(struct convert *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* text is the file, n bytes. 0, or -1: why is on stderr. */
int convert_pgbouncer(struct convert *c, const char *text, size_t n);
int convert_proxysql(struct convert *c, const char *text, size_t n);
#endif
