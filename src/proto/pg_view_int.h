/* pg_view_int - what a session sees of pg_prepared_statements. Private to pg_*.c, and to its unit
 * test. One thread: that of the env. */
#ifndef PROTO_PG_VIEW_INT_H
#define PROTO_PG_VIEW_INT_H
#include "pg_run_int.h"

/* Does the word stand somewhere in the text? Cheap, and wrong only in one direction. */
bool view_mentioned(const char *text, size_t n);
/* Is the text one SELECT, WITH, TABLE or VALUES that reads the server's view? out (may be NULL)
 * gets it with query in the view's place: as a WITH query of its name. */
bool view_rewrite(const struct pg_lex_opts *x, const char *text, size_t n, const char *query,
	struct buf *out);
/* The same for this session now. out gets what is to be sent, the text itself if it cannot be
 * rewritten. Something that differs when that or the batch does; never 0. */
uint64_t view_text(struct upx *u, const char *text, size_t n, struct buf *out);
/* Outside of a transaction, in front of a batch or Query that reads the view: parses what the
 * session has and the link lacks. */
void view_make(struct upx *u);
#endif
