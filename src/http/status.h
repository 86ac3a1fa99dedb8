/* status - see status.c. What the status page and /status.json are made of. Control thread. */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H
#include "history.h"

enum {
	STATUS_POOLS,
	STATUS_CLUSTERS,
	STATUS_NODES,
	STATUS_WAITS,
	STATUS_PINS,
	STATUS_QUERIES, /* those that took the most time */
	STATUS_N
};
struct status {
	struct http *http;
	struct history *history;
	struct rowset rows[STATUS_N];
	int64_t at_us;       /* loop clock, of the rows; 0: there are none yet */
	unsigned left;       /* answers that are on their way */
	struct list waiting; /* requests, until they have come */
};

/* ---- plot.c ---- */

struct plot_line {
	const char *label;
	const char *key; /* in /status.json: of history or lag */
	enum history_value value;
	const struct history_lag *lag; /* not NULL: that counts */
};
#define PLOT_LINES_MAX 6
/* A figure with its legend. unit stands behind the title. */
void plot_put(struct buf *b, const struct history *hi, const char *title, const char *unit,
	const struct plot_line *lines, unsigned n);

/* ---- page.c ---- */

extern const char page_html[]; /* page.html */
/* filter: of pools; "": all. */
void page_put(struct buf *b, const struct status *s, const char *nonce, const char *filter);
void html_put(
	struct buf *b, const char *s); /* as text, or in an attribute with quotes; NULL: a dash */
#endif
