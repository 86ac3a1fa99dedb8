/* stats - totals of the workers by database, averages over the last one to two stats_periods, the
 * line of the log, and SHOW STATS and its relatives. Ignorant of who counts. Control thread. */
#include "admin_int.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was counted at the end of the last period, and of the one before. */
struct stats {
	struct admin *a;
	struct timer timer;
	struct stat_row *newer, *older; /* sorted by name */
	size_t newer_n, older_n;
	int64_t newer_us, older_us;
	int64_t period_us; /* that the timer was set by */
};

static const char *name_of(const struct stat_row *row)
{
	return row->db ? row->db->name : "pgbouncer";
}

static int by_name(const void *a, const void *b)
{
	const struct stat_row *x = a, *y = b;
	int c = strcmp(name_of(a), name_of(b));
	return c ? c : (x->db > y->db) - (x->db < y->db);
}

/* ---- gathering ---- */

static void copy_counters(struct stat_row *row, const struct dbstats *st)
{
	row->db = st->db;
	row->v[STAT_ASSIGNMENTS] = st->assignments;
	row->v[STAT_XACTS] = st->xacts;
	/* each execution of a prepared statement is a query too */
	row->v[STAT_QUERIES] = st->queries + st->proto.queries + st->proto.binds;
	row->v[STAT_RECEIVED] = st->rx_bytes;
	row->v[STAT_SENT] = st->tx_bytes;
	row->v[STAT_XACT_US] = st->xact_us;
	row->v[STAT_QUERY_US] = st->query_us;
	row->v[STAT_WAIT_US] = st->wait_us;
	row->v[STAT_CLIENT_PARSES] = st->client_parses + st->proto.client_parses;
	row->v[STAT_SERVER_PARSES] = st->server_parses + st->proto.server_parses;
	row->v[STAT_BINDS] = st->binds + st->proto.binds;
	row->v[STAT_LOGINS] = st->logins;
}

void stats_collect(struct worker *w, struct stat_part *p)
{
	size_t n = hmap_size(&w->stats_by_db);
	p->v = n ? mem_alloc(MEM_ADMIN, n * sizeof *p->v) : NULL;
	p->no_memory = n && !p->v;
	if (!p->v)
		return;
	for (struct hmap_it it = hmap_begin(&w->stats_by_db); hmap_next(&it);)
		copy_counters(&p->v[p->n++], it.value);
}

static void each(struct worker *w, void *part, void *arg) /* on the worker */
{
	(void)arg;
	stats_collect(w, part);
}

static struct stat_part *part_of(struct scatter *s, unsigned i, size_t at)
{
	return (void *)((uint8_t *)scatter_part(s, i) + at);
}

struct stat_row *stats_merge(struct scatter *s, size_t at, size_t *n_r)
{
	size_t n = 1, m = 0;
	bool ok = true;
	for (unsigned i = 0; i < s->n; i++)
		n += part_of(s, i, at)->n;
	struct stat_row *v = mem_alloc(MEM_ADMIN, n * sizeof *v);
	if (v)
		m = 1; /* the console's row: all zero */
	for (unsigned i = 0; i < s->n; i++) {
		struct stat_part *p = part_of(s, i, at);
		for (size_t j = 0; v && j < p->n; j++)
			v[m++] = p->v[j];
		ok = ok && !p->no_memory;
		mem_free(MEM_ADMIN, p->v);
	}
	if (!v || !ok) {
		mem_free(MEM_ADMIN, v);
		return NULL;
	}
	qsort(v, m, sizeof *v, by_name);
	n = 0;
	for (size_t i = 0; i < m; i++) {
		if (n == 0 || v[n - 1].db != v[i].db) {
			v[n++] = v[i];
			continue;
		}
		for (int c = 0; c < STAT_N; c++)
			v[n - 1].v[c] += v[i].v[c];
	}
	*n_r = n;
	return v;
}

static const struct stat_row *find(const struct stat_row *v, size_t n, const struct stat_row *like)
{
	return n ? bsearch(like, v, n, sizeof *v, by_name) : NULL;
}

static void add(struct stat_row *sum, const struct stat_row *row)
{
	for (int c = 0; row && c < STAT_N; c++)
		sum->v[c] += row->v[c];
}

/* Counts per second; times per transaction, query and assignment. old may be NULL. */
static void average(uint64_t out[STAT_N], const struct stat_row *cur, const struct stat_row *old,
	int64_t dur_us)
{
	uint64_t d[STAT_N];
	for (int c = 0; c < STAT_N; c++)
		d[c] = cur->v[c] - (old ? old->v[c] : 0);
	for (int c = 0; c < STAT_N; c++)
		out[c] = dur_us > 0 ? (uint64_t)((double)d[c] * 1e6 / (double)dur_us) : 0;
	out[STAT_XACT_US] = d[STAT_XACTS] ? d[STAT_XACT_US] / d[STAT_XACTS] : 0;
	out[STAT_QUERY_US] = d[STAT_QUERIES] ? d[STAT_QUERY_US] / d[STAT_QUERIES] : 0;
	out[STAT_WAIT_US] = d[STAT_ASSIGNMENTS] ? d[STAT_WAIT_US] / d[STAT_ASSIGNMENTS] : 0;
}

/* ---- periods ---- */

static void log_averages(const struct stats *st)
{
	struct stat_row cur = { 0 }, old = { 0 };
	uint64_t v[STAT_N];
	for (size_t i = 0; i < st->newer_n; i++)
		add(&cur, &st->newer[i]);
	for (size_t i = 0; i < st->older_n; i++)
		add(&old, &st->older[i]);
	average(v, &cur, &old, st->newer_us - st->older_us);
	log_event(EVENT_STATS,
		"stats: %" PRIu64 " xacts/s, %" PRIu64 " queries/s, %" PRIu64
		" client parses/s, %" PRIu64 " server parses/s, %" PRIu64 " binds/s, %" PRIu64
		" client logins/s, in %" PRIu64 " B/s, out %" PRIu64 " B/s, xact %" PRIu64
		" us, query %" PRIu64 " us, wait %" PRIu64 " us",
		v[STAT_XACTS], v[STAT_QUERIES], v[STAT_CLIENT_PARSES], v[STAT_SERVER_PARSES],
		v[STAT_BINDS], v[STAT_LOGINS], v[STAT_RECEIVED], v[STAT_SENT], v[STAT_XACT_US],
		v[STAT_QUERY_US], v[STAT_WAIT_US]);
}

static void period_done(struct scatter *s)
{
	struct stats *st = s->arg;
	size_t n;
	struct stat_row *v = stats_merge(s, 0, &n);
	if (!v)
		return; /* the next period will be longer */
	mem_free(MEM_ADMIN, st->older);
	st->older = st->newer;
	st->older_n = st->newer_n;
	st->older_us = st->newer_us;
	st->newer = v;
	st->newer_n = n;
	st->newer_us = loop_now_us(st->a->core->loop);
	if (st->a->core->gen->conf->global.log_stats)
		log_averages(st);
}

static int64_t period_us(const struct stats *st)
{
	int64_t us = st->a->core->gen->conf->global.stats_period_us;
	return us < 1000000 ? 1000000 : us;
}

static void on_timer(struct timer *t, void *arg)
{
	struct stats *st = arg;
	struct core *c = st->a->core;
	(void)!core_scatter(c, sizeof(struct stat_part), each, period_done, st);
	timer_set(c->loop, t, loop_now_us(c->loop) + period_us(st));
}

struct stats *stats_new(struct admin *a)
{
	struct stats *st = mem_xalloc(MEM_ADMIN, sizeof *st);
	st->a = a;
	st->newer_us = loop_now_us(a->core->loop);
	st->older_us = st->newer_us - 1000000;
	timer_init(&st->timer, on_timer, st);
	stats_arm(st);
	return st;
}

void stats_arm(struct stats *st)
{
	if (period_us(st) == st->period_us)
		return;
	st->period_us = period_us(st);
	timer_set(st->a->core->loop, &st->timer, st->newer_us + st->period_us);
}

void stats_free(struct stats **st)
{
	timer_clear((*st)->a->core->loop, &(*st)->timer);
	mem_free(MEM_ADMIN, (*st)->newer);
	mem_free(MEM_ADMIN, (*st)->older);
	mem_free(MEM_ADMIN, *st);
	*st = NULL;
}

/* ---- SHOW ---- */

enum view { VIEW_STATS, VIEW_TOTALS, VIEW_AVERAGES, VIEW_SUM };

static const char *const names[STAT_N] = { "server_assignment_count", "xact_count", "query_count",
	"received", "sent", "xact_time", "query_time", "wait_time", "client_parse_count",
	"server_parse_count", "bind_count", "client_login_count" };
/* SHOW TOTALS has its own. */
static const char *const sum_names[STAT_N] = { "server_assignment_count", "xact_count",
	"query_count", "client_bytes", "server_bytes", "xact_time", "query_time", "wait_time",
	"ps_client_parse_count", "ps_server_parse_count", "ps_bind_count", "client_login_count" };

/* PgBouncer has client_login_count since 1.26. */
static int stats_n(const struct core_console *r)
{
	switch (admin_conf(r)->global.console_columns) {
	case CONF_COLUMNS_1_24:
	case CONF_COLUMNS_1_25: return STAT_LOGINS;
	case CONF_COLUMNS_1_26:
	case CONF_COLUMNS_WEIRPOOL: break;
	}
	return STAT_N;
}

static void column(struct rowset *rs, const char *prefix, const char *name)
{
	char text[64];
	snprintf(text, sizeof text, "%s%s", prefix, name);
	rowset_col(rs, text, RS_NUMERIC);
}

static void put_columns(struct core_console *r, enum view view)
{
	struct rowset *rs = &r->result;
	int n = stats_n(r);
	if (view == VIEW_SUM) {
		admin_cols(rs, "sN", "name value");
		return;
	}
	rowset_col(rs, "database", RS_TEXT);
	for (int c = 0; c < n; c++) {
		if (view == VIEW_STATS)
			column(rs, "total_", names[c]);
		else if (c == STAT_RECEIVED || c == STAT_SENT)
			column(rs, "bytes_", names[c]);
		else
			column(rs, view == VIEW_AVERAGES && c >= STAT_CLIENT_PARSES ? "avg_" : "",
				names[c]);
	}
	for (int c = 0; c < n && view == VIEW_STATS; c++)
		column(rs, "avg_", c == STAT_RECEIVED ? "recv" : names[c]);
}

static void put_values(struct rowset *rs, char **row, unsigned col, const uint64_t v[STAT_N], int n)
{
	for (int c = 0; c < n; c++)
		rowset_setf(rs, row, col + (unsigned)c, "%" PRIu64, v[c]);
}

static void put_db(struct core_console *r, enum view view, const struct stat_row *cur,
	const struct stat_row *old, int64_t dur_us)
{
	struct rowset *rs = &r->result;
	uint64_t avg[STAT_N];
	int n = stats_n(r);
	char **row = rowset_row(rs);
	average(avg, cur, old, dur_us);
	rowset_set(rs, row, 0, name_of(cur));
	put_values(rs, row, 1, view == VIEW_AVERAGES ? avg : cur->v, n);
	if (view == VIEW_STATS)
		put_values(rs, row, 1 + (unsigned)n, avg, n);
}

static void put_sums(struct core_console *r, const char *prefix, const uint64_t v[STAT_N])
{
	struct rowset *rs = &r->result;
	int n = stats_n(r);
	for (int c = 0; c < n; c++) {
		char **row = rowset_row(rs);
		rowset_setf(rs, row, 0, "%s%s", prefix, sum_names[c]);
		rowset_setf(rs, row, 1, "%" PRIu64, v[c]);
	}
}

static void show_done(struct scatter *s)
{
	const struct admin_ask *q = admin_ask_of(s);
	struct core_console *r = q->r;
	const struct stats *st = admin_of(r)->stats;
	int64_t dur_us = loop_now_us(r->core->loop) - st->older_us;
	struct stat_row cur = { 0 }, old = { 0 };
	size_t n = 0;
	struct stat_row *v = stats_merge(s, 0, &n);
	for (size_t i = 0; i < n; i++) {
		const struct stat_row *was = find(st->older, st->older_n, &v[i]);
		if (q->what != VIEW_SUM)
			put_db(r, (enum view)q->what, &v[i], was, dur_us);
		add(&cur, &v[i]);
		add(&old, was);
	}
	if (q->what == VIEW_SUM) {
		uint64_t avg[STAT_N];
		average(avg, &cur, &old, dur_us);
		put_sums(r, "total_", cur.v);
		put_sums(r, "avg_", avg);
	}
	admin_ask_free(s);
	if (v)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
	mem_free(MEM_ADMIN, v);
}

static void ask(struct core_console *r, enum view view)
{
	struct admin_ask q = { .what = view };
	put_columns(r, view);
	admin_ask(r, &q, sizeof(struct stat_part), each, show_done);
}

void show_stats(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask(r, VIEW_STATS);
}

void show_stats_totals(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask(r, VIEW_TOTALS);
}

void show_stats_averages(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask(r, VIEW_AVERAGES);
}

void show_totals(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	ask(r, VIEW_SUM);
}
