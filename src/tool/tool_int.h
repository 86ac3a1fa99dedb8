/* tool_int - what the files of tool/ share: the console of a running weirpool, its rows, and how a
 * tool says what is wrong. */
#ifndef TOOL_INT_H
#define TOOL_INT_H
#include "tool/tool.h"

#include "base/buf.h"
#include "conf/places.h"

#include <libpq-fe.h>

#include <stdbool.h>

/* "weirpool NAME: ..." to stderr. */
void tool_say(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Loads the configuration that arg names, or that the environment names (conf_places_env()), or the
 * defaults. NULL: mistakes are in m. places must outlive it. */
struct conf *tool_conf(const char *arg, struct conf_places *places, struct conf_msgs *m);
/* Connects to the console, runs (0, or -1 when that or standard output is gone), and says what went
 * wrong. The exit code. */
int tool_talk(const struct tool_target *t, int (*run)(PGconn *c, void *arg), void *arg);
long long tool_number(const PGresult *r, int row, const char *column);

/* JSON: "text" with escapes; a number as it is. */
void tool_json_text(struct buf *out, const char *s);
/* The rows as an array of objects; columns of numbers are numbers. */
void tool_json_rows(struct buf *out, const PGresult *r);
/* What a weirpool has done since it began, over all databases, and what it does now. */
struct tool_sample {
	double at_s; /* of the monotonic clock */
	long long clients, waiting, servers, idle, maxwait_us, pins;
	long long xacts, queries, in_bytes, out_bytes, xact_us, query_us, wait_us;
	char version[64], state[24];
};
/* 0; -1: the connection is gone, or the console does not know what it should. */
int tool_sample(PGconn *c, struct tool_sample *s);

/* What happened between two samples. */
struct tool_rate {
	double xacts, queries, in_bytes, out_bytes; /* a second */
	double query_ms, wait_ms;                   /* on average: of a query, of a transaction */
};
struct tool_rate tool_rate(const struct tool_sample *was, const struct tool_sample *is);
/* "1.2k", "34M" into out. */
const char *tool_short(double v, char out[16]);

/* One screen of top: a SHOW and which of its columns. */
struct view_column {
	const char *column, *title;
	int width;   /* below 0: to the left */
	bool micros; /* of microseconds, shown with a unit */
};
struct view {
	char key;
	const char *title, *show;
	const struct view_column *columns;
	unsigned n;
	unsigned sort; /* the column that it begins with */
};
extern const struct view top_views[];
extern const unsigned top_views_n;
/* The rows of r as lines into out: a title line, then at most lines_n. sort, up: of the view's
 * columns; width: of the terminal; from: the first row shown. colour: the title stands out. */
struct view_how {
	unsigned sort, width, lines_n, from;
	bool up, colour;
};
void top_view_put(
	struct buf *out, const struct view *v, const PGresult *r, const struct view_how *how);
#endif
