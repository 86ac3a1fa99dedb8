/* page - the status page: page.html with tables and plots where its marks are. All that comes from
 * clients, servers or the configuration goes through html_put(). Control thread. */
#include "status.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POOLS_MAX 200 /* of those that are looked for */
#define POOLS_FIRST 25
#define ROWS_MAX 50
#define COLUMNS_MAX 16
#define EVENTS_MAX 25
#define TEXT_MAX 300 /* bytes of a cell */

void html_put(struct buf *b, const char *s)
{
	if (!s) {
		buf_puts(b, "–");
		return;
	}
	while (*s) {
		size_t n = strcspn(s, "<>&\"'");
		buf_append(b, s, n);
		s += n;
		if (*s)
			buf_printf(b, "&#%d;", *s++);
	}
}

/* ---- tables of rows ---- */

struct column {
	const char *name, *title;
	bool number;
	const char *hot; /* the column that makes this cell stand out when it is not 0; or NULL */
};

static int64_t whole(const struct rowset *r, size_t row, const char *name)
{
	const char *v = rowset_get(r, row, name);
	int64_t n = 0;
	return v && num_i64(v, INT64_MIN, INT64_MAX, &n) == 0 ? n : 0;
}

/* Columns that would be empty are not shown. */
static unsigned with_values(const struct rowset *r, const size_t *order, size_t n,
	const struct column *c, unsigned c_n, struct column *out)
{
	unsigned m = 0;
	for (unsigned j = 0; j < c_n; j++) {
		bool any = false;
		for (size_t i = 0; i < n && !any; i++) {
			const char *v = rowset_get(r, order ? order[i] : i, c[j].name);
			any = v && *v;
		}
		if (any)
			out[m++] = c[j];
	}
	return m;
}

static void put_head(struct buf *b, const struct column *c, unsigned n)
{
	buf_puts(b, "<div class=\"box\"><table><thead><tr>");
	for (unsigned i = 0; i < n; i++) {
		buf_puts(b, c[i].number ? "<th class=\"n\">" : "<th>");
		buf_puts(b, c[i].title);
		buf_puts(b, "</th>");
	}
	buf_puts(b, "</tr></thead><tbody>\n");
}

/* Words for states carry their colour, and a sign for those who do not see it. */
static const char *mood(const char *v)
{
	static const char *const good[] = { "up", "normal", "primary" };
	static const char *const poor[] = { "warming", "suspect", "draining", "maint", "switching",
		"unknown" };
	static const char *const bad[] = { "down", "quarantined", "split", "no primary" };
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++)
		if (!strcmp(v, good[i]))
			return "ok";
	for (unsigned i = 0; i < sizeof poor / sizeof *poor; i++)
		if (!strcmp(v, poor[i]))
			return "warn";
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!strcmp(v, bad[i]))
			return "bad";
	return NULL;
}

/* May be long: it is broken into lines. */
static bool is_text(const char *name)
{
	static const char *const texts[] = { "why", "waits_for", "pins", "query" };
	for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!strcmp(name, texts[i]))
			return true;
	return false;
}

/* A statement may fill a page: its beginning. */
static void put_some(struct buf *b, const char *v)
{
	char some[TEXT_MAX + 1];
	size_t n = TEXT_MAX;
	if (!v || strlen(v) <= TEXT_MAX) {
		html_put(b, v);
		return;
	}
	while (n && ((unsigned char)v[n] & 0xc0) == 0x80) /* not within a character */
		n--;
	snprintf(some, sizeof some, "%.*s", (int)n, v);
	html_put(b, some);
	buf_puts(b, " …");
}

/* Shown in milliseconds. */
static bool is_us(const char *name)
{
	size_t n = strlen(name);
	return n > 3 && !strcmp(name + n - 3, "_us");
}

static void put_cell(struct buf *b, const struct rowset *r, size_t row, const struct column *c)
{
	const char *v = rowset_get(r, row, c->name), *how = NULL;
	bool hot = c->hot && whole(r, row, c->hot);
	if (!c->number && v && strstr(c->name, "state"))
		how = mood(v);
	buf_printf(b, "<td class=\"%s%s%s\">",
		c->number          ? "n"
		: is_text(c->name) ? "t"
				   : "",
		hot ? " hot" : "", how ? how : "");
	if (how)
		buf_puts(b, !strcmp(how, "ok") ? "● " : !strcmp(how, "warn") ? "▲ " : "✖ ");
	if (v && is_us(c->name))
		buf_printf(b, "%.2f", (double)whole(r, row, c->name) / 1000);
	else
		put_some(b, v);
	buf_puts(b, "</td>");
}

static void put_rows(struct buf *b, const struct rowset *r, const size_t *order, size_t n,
	const struct column *all, unsigned all_n)
{
	struct column c[COLUMNS_MAX];
	unsigned c_n = with_values(r, order, n, all, all_n, c);
	put_head(b, c, c_n);
	for (size_t i = 0; i < n; i++) {
		buf_puts(b, "<tr>");
		for (unsigned j = 0; j < c_n; j++)
			put_cell(b, r, order ? order[i] : i, &c[j]);
		buf_puts(b, "</tr>\n");
	}
	buf_puts(b, "</tbody></table></div>\n");
}

static void put_title(struct buf *b, const char *title, size_t shown, size_t all)
{
	buf_printf(b, "<h2>%s <small>", title);
	if (shown < all)
		buf_printf(b, "%zu of %zu", shown, all);
	else if (all)
		buf_printf(b, "%zu", all);
	buf_puts(b, "</small></h2>\n");
}

#define COLUMNS(c) (c), sizeof(c) / sizeof *(c)

static void put_simple(struct buf *b, const char *title, const char *none, const struct rowset *r,
	const struct column *c, unsigned c_n)
{
	size_t n = r->n_rows < ROWS_MAX ? r->n_rows : ROWS_MAX;
	put_title(b, title, n, r->n_rows);
	if (n)
		put_rows(b, r, NULL, n, c, c_n);
	else
		buf_printf(b, "<div class=\"box\"><p class=\"none\">%s</p></div>\n", none);
}

/* ---- the head ---- */

static void put_uptime(struct buf *b, int64_t s)
{
	if (s >= 172800)
		buf_printf(b, "%lld days", (long long)(s / 86400));
	else if (s >= 7200)
		buf_printf(b, "%lld h", (long long)(s / 3600));
	else if (s >= 120)
		buf_printf(b, "%lld min", (long long)(s / 60));
	else
		buf_printf(b, "%lld s", (long long)s);
}

static void put_health(struct buf *b, const struct status *s)
{
	struct health h;
	health_look(s->http, true, &h);
	buf_printf(b, "<p><span class=\"pill %s\">%s</span> <span class=\"dim\">version ",
		h.ready ? h.reasons_n ? "warn" : "ok" : "bad",
		h.ready ? h.reasons_n ? "▲ ready, but" : "● ready" : "✖ not ready");
	html_put(b, s->http->core->version);
	buf_printf(b, " · process %d · up ", (int)getpid());
	put_uptime(b, (clock_wall_us() - s->http->started_us) / 1000000);
	buf_puts(b, "</span></p>\n");
	if (!h.reasons_n)
		return;
	buf_puts(b, "<ul class=\"why\">\n");
	for (unsigned i = 0; i < h.reasons_n; i++) {
		buf_puts(b, "<li>");
		html_put(b, h.reason[i]);
		buf_puts(b, "</li>\n");
	}
	buf_puts(b, "</ul>\n");
}

static void put_tile(struct buf *b, double v, const char *what, const char *hot)
{
	buf_printf(b, "<div class=\"tile\"><b class=\"%s\">", v > 0 && hot ? hot : "");
	if (isnan(v))
		buf_puts(b, "–");
	else
		buf_printf(b, v < 10 && v != (double)(int)v ? "%.2f" : "%.0f", v);
	buf_printf(b, "</b><span>%s</span></div>\n", what);
}

static void put_tiles(struct buf *b, const struct history *hi)
{
	static const struct {
		enum history_value value;
		const char *what, *hot;
	} tiles[] = {
		{ HISTORY_CLIENTS, "clients", NULL },
		{ HISTORY_WAITING, "clients wait", "bad" },
		{ HISTORY_SERVERS, "connections", NULL },
		{ HISTORY_BUSY, "of them at work", NULL },
		{ HISTORY_XACTS, "transactions/s", NULL },
		{ HISTORY_QUERIES, "queries/s", NULL },
		{ HISTORY_QUERY_MS, "ms per query", NULL },
		{ HISTORY_WAIT_MS, "ms wait", NULL },
	};
	const struct history_sample *now = history_at(hi, 0);
	buf_puts(b, "<div class=\"tiles\">\n");
	for (unsigned i = 0; i < sizeof tiles / sizeof *tiles; i++)
		put_tile(
			b, now ? (double)now->v[tiles[i].value] : NAN, tiles[i].what, tiles[i].hot);
	buf_puts(b, "</div>\n");
}

static void put_plots(struct buf *b, const struct history *hi)
{
	static const struct plot_line speed[] = { { "transactions", "xacts", HISTORY_XACTS, NULL },
		{ "queries", "queries", HISTORY_QUERIES, NULL } };
	static const struct plot_line query[] = { { "p99", "query_p99_ms", HISTORY_QUERY_P99,
							  NULL },
		{ "p50", "query_p50_ms", HISTORY_QUERY_P50, NULL },
		{ "mean", "query_ms", HISTORY_QUERY_MS, NULL } };
	static const struct plot_line xact[] = { { "p99", "xact_p99_ms", HISTORY_XACT_P99, NULL },
		{ "p50", "xact_p50_ms", HISTORY_XACT_P50, NULL },
		{ "mean", "xact_ms", HISTORY_XACT_MS, NULL } };
	static const struct plot_line wait[] = { { "p99", "wait_p99_ms", HISTORY_WAIT_P99, NULL },
		{ "p50", "wait_p50_ms", HISTORY_WAIT_P50, NULL },
		{ "mean", "wait_ms", HISTORY_WAIT_MS, NULL } };
	static const struct plot_line clients[] = {
		{ "connected", "clients", HISTORY_CLIENTS, NULL },
		{ "active", "active", HISTORY_ACTIVE, NULL },
		{ "waiting", "waiting", HISTORY_WAITING, NULL },
	};
	static const struct plot_line servers[] = { { "connected", "servers", HISTORY_SERVERS,
							    NULL },
		{ "at work", "busy", HISTORY_BUSY, NULL } };
	buf_puts(b, "<div class=\"plots\">\n");
	plot_put(b, hi, "Throughput", "per second", speed, 2);
	plot_put(b, hi, "Queries take", "ms", query, 3);
	plot_put(b, hi, "Transactions take", "ms", xact, 3);
	plot_put(b, hi, "Clients wait for a connection", "ms", wait, 3);
	plot_put(b, hi, "Clients", "", clients, 3);
	plot_put(b, hi, "Server connections", "", servers, 2);
	buf_puts(b, "</div>\n");
}

/* ---- clusters ---- */

static void put_lag(struct buf *b, const struct history *hi, const char *cluster)
{
	struct plot_line lines[PLOT_LINES_MAX];
	char keys[PLOT_LINES_MAX][200];
	unsigned n = 0;
	for (unsigned i = 0; i < hi->lags_n && n < PLOT_LINES_MAX; i++) {
		const struct history_lag *l = hi->lags[i];
		bool any = false;
		for (unsigned k = 0; k < HISTORY_N; k++)
			any = any || !isnan(l->ms[k]);
		if (!any || strcmp(l->cluster, cluster) != 0)
			continue;
		snprintf(keys[n], sizeof keys[n], "%s/%s", l->cluster, l->node);
		lines[n] = (struct plot_line){ l->node, keys[n], HISTORY_VALUES, l };
		n++;
	}
	if (!n)
		return;
	buf_puts(b, "<div class=\"plots\">\n");
	plot_put(b, hi, "Lag", "ms", lines, n);
	buf_puts(b, "</div>\n");
}

static void put_cluster(struct buf *b, const struct status *s, size_t row)
{
	static const struct column columns[] = { { "node", "node", false, NULL },
		{ "role", "role", false, NULL }, { "state", "state", false, NULL },
		{ "state_age", "for s", true, NULL }, { "freshness", "freshness", false, NULL },
		{ "lag_ms", "lag ms", true, NULL }, { "weight", "weight", true, NULL },
		{ "reads", "reads", false, NULL }, { "writes", "writes", false, NULL },
		{ "why", "why", false, NULL } };
	const struct rowset *c = &s->rows[STATUS_CLUSTERS], *nodes = &s->rows[STATUS_NODES];
	const char *name = rowset_get(c, row, "cluster"), *state = rowset_get(c, row, "state"),
		   *why = rowset_get(c, row, "why"), *how = state ? mood(state) : NULL;
	size_t order[CLUSTER_NODES_MAX], n = 0;
	for (size_t i = 0; i < nodes->n_rows && n < CLUSTER_NODES_MAX; i++) {
		const char *of = rowset_get(nodes, i, "cluster");
		if (name && of && !strcmp(of, name))
			order[n++] = i;
	}
	buf_puts(b, "<h2>Cluster ");
	html_put(b, name);
	buf_printf(b, " <small><span class=\"%s\">", how ? how : "warn");
	html_put(b, state);
	buf_puts(b, "</span> · epoch ");
	html_put(b, rowset_get(c, row, "epoch"));
	buf_puts(b, " · primary ");
	html_put(b, rowset_get(c, row, "primary"));
	if (why) {
		buf_puts(b, " · ");
		html_put(b, why);
	}
	buf_puts(b, "</small></h2>\n");
	put_rows(b, nodes, order, n, COLUMNS(columns));
	if (name)
		put_lag(b, s->history, name);
}

/* ---- pools ---- */

struct ranked {
	size_t row;
	int64_t waiting, busy;
	const char *db, *user;
};

static int by_need(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->waiting != y->waiting)
		return x->waiting < y->waiting ? 1 : -1;
	if (x->busy != y->busy)
		return x->busy < y->busy ? 1 : -1;
	int d = strcmp(x->db, y->db);
	return d ? d : strcmp(x->user, y->user);
}

/* Those that fit the filter; who waits first. *n_r of them are in the list, the caller's. */
static struct ranked *rank(const struct rowset *r, const char *filter, size_t *n_r)
{
	struct ranked *v = mem_alloc(MEM_ADMIN, (r->n_rows + 1) * sizeof *v);
	*n_r = 0;
	for (size_t i = 0; v && i < r->n_rows; i++) {
		const char *db = rowset_get(r, i, "database"), *user = rowset_get(r, i, "user");
		if (!db || !user || (!strcmp(db, "pgbouncer") && !strcmp(user, "pgbouncer")) ||
			(*filter && !strcasestr(db, filter) && !strcasestr(user, filter)))
			continue;
		v[(*n_r)++] = (struct ranked){ i, whole(r, i, "cl_waiting"),
			whole(r, i, "cl_active") + whole(r, i, "sv_active"), db, user };
	}
	if (v)
		qsort(v, *n_r, sizeof *v, by_need);
	return v;
}

static void put_pools(struct buf *b, const struct rowset *r, const char *filter)
{
	static const struct column columns[] = { { "database", "database", false, NULL },
		{ "user", "user", false, NULL }, { "cl_active", "clients", true, NULL },
		{ "cl_waiting", "waiting", true, "cl_waiting" },
		{ "maxwait", "longest wait s", true, "maxwait" },
		{ "sv_active", "at work", true, NULL }, { "sv_idle", "idle", true, NULL },
		{ "sv_tested", "cleaned", true, NULL }, { "sv_login", "login", true, NULL },
		{ "node", "node", false, NULL }, { "pool_mode", "mode", false, NULL } };
	size_t order[POOLS_MAX], n, shown;
	struct ranked *v = rank(r, filter, &n);
	shown = n < (*filter ? POOLS_MAX : POOLS_FIRST) ? n : *filter ? POOLS_MAX : POOLS_FIRST;
	for (size_t i = 0; v && i < shown; i++)
		order[i] = v[i].row;
	mem_free(MEM_ADMIN, v);
	put_title(b, "Pools", shown, n);
	if (shown)
		put_rows(b, r, order, shown, COLUMNS(columns));
	else
		buf_printf(b, "<div class=\"box\"><p class=\"none\">%s</p></div>\n",
			*filter ? "No pool has this in its name." : "No client has come yet.");
	if (shown < n)
		buf_puts(b, "<p class=\"dim\">Those with waiting clients come first; "
			    "<a href=\"/show/pools.json\">all of them</a>.</p>\n");
}

/* ---- statements ---- */

static void put_queries(struct buf *b, const struct status *s)
{
	static const struct column columns[] = { { "query", "statement", false, NULL },
		{ "database", "database", false, NULL }, { "user", "user", false, NULL },
		{ "calls", "calls", true, NULL }, { "errors", "errors", true, "errors" },
		{ "total_us", "all ms", true, NULL }, { "avg_us", "mean ms", true, NULL },
		{ "p99_us", "p99 ms", true, NULL }, { "wait_us", "waited ms", true, NULL },
		{ "rows", "rows", true, NULL }, { "replica", "on replicas", true, NULL } };
	bool on = s->http->core->gen->conf->global.query_stats;
	put_simple(b, "Statements that took the most time",
		on ? "None has come yet." : "Nothing is counted: query_stats is off.",
		&s->rows[STATUS_QUERIES], COLUMNS(columns));
}

/* ---- sessions, events ---- */

static void put_sessions(struct buf *b, const struct status *s)
{
	static const struct column waits[] = { { "database", "database", false, NULL },
		{ "user", "user", false, NULL }, { "addr", "from", false, NULL },
		{ "application_name", "application", false, NULL },
		{ "wait", "waits s", true, "wait" }, { "waits_for", "for", false, NULL },
		{ "open", "open", true, NULL }, { "pool_size", "pool size", true, NULL } };
	static const struct column pins[] = { { "database", "database", false, NULL },
		{ "user", "user", false, NULL }, { "addr", "from", false, NULL },
		{ "application_name", "application", false, NULL },
		{ "pins", "because of", false, NULL }, { "since", "since", false, NULL } };
	put_simple(b, "Clients that wait", "Nobody waits.", &s->rows[STATUS_WAITS], COLUMNS(waits));
	put_simple(b, "Clients that keep their server connection", "Nobody is pinned.",
		&s->rows[STATUS_PINS], COLUMNS(pins));
}

static void put_event(struct buf *b, const struct event_kept *e)
{
	static const char *const moods[] = { "", "", "", "warn", "bad", "bad" };
	static const char *const signs[] = { "", "", "", "▲ ", "✖ ", "✖ " };
	const struct event_info *info = event_info(e->ev);
	char when[40];
	clock_format_ms(e->last_us, when, sizeof when);
	buf_printf(b, "<tr><td>%.19s</td><td class=\"t %s\">%s", when, moods[info->level],
		signs[info->level]);
	html_put(b, e->text);
	if (e->times > 1)
		buf_printf(b, " <b>×%u</b>", e->times);
	buf_puts(b, "</td><td>");
	html_put(b, e->about);
	buf_printf(b, "</td><td><code>%s</code></td></tr>\n", info->code);
}

static void put_events(struct buf *b)
{
	struct event_kept *r = mem_alloc(MEM_ADMIN, EVENT_KEPT * sizeof *r);
	unsigned n = r ? event_kept(r, EVENT_KEPT) : 0, shown = n < EVENTS_MAX ? n : EVENTS_MAX;
	put_title(b, "Events", shown, n);
	if (n)
		buf_puts(b, "<div class=\"box\"><table><thead><tr><th>when (UTC)</th><th>what</th>"
			    "<th>about</th><th>code</th></tr></thead><tbody>\n");
	else
		buf_puts(
			b, "<div class=\"box\"><p class=\"none\">Nothing of note yet.</p></div>\n");
	for (unsigned i = 0; i < shown; i++)
		put_event(b, &r[i]);
	if (n)
		buf_puts(b, "</tbody></table></div>\n");
	mem_free(MEM_ADMIN, r);
}

/* ---- the whole ---- */

static void put_live(struct buf *b, const struct status *s, const char *filter)
{
	put_health(b, s);
	put_tiles(b, s->history);
	put_plots(b, s->history);
	for (size_t i = 0; i < s->rows[STATUS_CLUSTERS].n_rows; i++)
		put_cluster(b, s, i);
	put_sessions(b, s);
	put_queries(b, s);
	put_pools(b, &s->rows[STATUS_POOLS], filter);
	put_events(b);
}

static void put_mark(struct buf *b, const char *mark, size_t n, const struct status *s,
	const char *nonce, const char *filter)
{
	char host[65] = "";
	if (n == 5 && !memcmp(mark, "nonce", n)) {
		buf_puts(b, nonce);
	} else if (n == 6 && !memcmp(mark, "filter", n)) {
		html_put(b, filter);
	} else if (n == 4 && !memcmp(mark, "live", n)) {
		put_live(b, s, filter);
	} else if (n == 5 && !memcmp(mark, "title", n)) {
		(void)gethostname(host, sizeof host - 1);
		buf_puts(b, "weirpool on ");
		html_put(b, host);
	}
}

void page_put(struct buf *b, const struct status *s, const char *nonce, const char *filter)
{
	const char *at = page_html, *mark, *end;
	while ((mark = strstr(at, "@@")) != NULL && (end = strstr(mark + 2, "@@")) != NULL) {
		buf_append(b, at, (size_t)(mark - at));
		put_mark(b, mark + 2, (size_t)(end - mark - 2), s, nonce, filter);
		at = end + 2;
	}
	buf_puts(b, at);
}
