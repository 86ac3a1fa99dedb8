/* history - the last hour in memory: a sample every few seconds of what SHOW TOTALS, WORKERS and
 * NODES say, and the pools' histograms. Ignorant of how it is drawn. Control thread. */
#include "history.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double number(const char *s)
{
	return s ? strtod(s, NULL) : 0;
}

int rowset_find(const struct rowset *r, const char *name)
{
	for (unsigned i = 0; i < r->n_cols; i++)
		if (strcmp(r->col_names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *rowset_get(const struct rowset *r, size_t row, const char *name)
{
	int i = rowset_find(r, name);
	return i < 0 ? NULL : r->rows[row][i];
}

static double sum(const struct rowset *r, const char *name)
{
	double v = 0;
	for (size_t i = 0; i < r->n_rows; i++)
		v += number(rowset_get(r, i, name));
	return v;
}

/* ---- counters, and what they grew by ---- */

static const char *const counters[HISTORY_COUNTERS] = { "total_xact_count", "total_query_count",
	"total_client_bytes", "total_server_bytes", "total_xact_time", "total_query_time",
	"total_wait_time", "total_server_assignment_count" };
enum { C_XACTS, C_QUERIES, C_RX, C_TX, C_XACT_US, C_QUERY_US, C_WAIT_US, C_ASSIGNED };

static double mean_ms(const double d[], int time, int count)
{
	return d[count] > 0 ? d[time] / d[count] / 1000 : NAN;
}

static void on_totals(void *arg, struct rowset *r)
{
	struct history *hi = arg;
	double now[HISTORY_COUNTERS] = { 0 }, d[HISTORY_COUNTERS];
	int64_t at = clock_mono_us();
	struct history_sample *s = &hi->now;
	for (size_t i = 0; i < r->n_rows && r->n_cols == 2; i++)
		for (int c = 0; c < HISTORY_COUNTERS; c++)
			if (r->rows[i][0] && strcmp(r->rows[i][0], counters[c]) == 0)
				now[c] = number(r->rows[i][1]);
	double dt = (double)(at - hi->counted_us) / 1e6;
	for (int c = 0; c < HISTORY_COUNTERS; c++) {
		d[c] = now[c] - hi->counted[c];
		hi->counted[c] = now[c];
	}
	bool first = !hi->counted_us || dt <= 0;
	hi->counted_us = at;
	for (int i = 0; first && i < HISTORY_COUNTED; i++)
		s->v[i] = NAN;
	if (first)
		return;
	s->v[HISTORY_XACTS] = (float)(d[C_XACTS] / dt);
	s->v[HISTORY_QUERIES] = (float)(d[C_QUERIES] / dt);
	s->v[HISTORY_RX] = (float)(d[C_RX] / dt);
	s->v[HISTORY_TX] = (float)(d[C_TX] / dt);
	s->v[HISTORY_XACT_MS] = (float)mean_ms(d, C_XACT_US, C_XACTS);
	s->v[HISTORY_QUERY_MS] = (float)mean_ms(d, C_QUERY_US, C_QUERIES);
	s->v[HISTORY_WAIT_MS] = (float)mean_ms(d, C_WAIT_US, C_ASSIGNED);
}

static void on_workers(void *arg, struct rowset *r)
{
	struct history *hi = arg;
	struct history_sample *s = &hi->now;
	s->v[HISTORY_CLIENTS] = (float)sum(r, "clients");
	s->v[HISTORY_WAITING] = (float)sum(r, "cl_waiting");
	s->v[HISTORY_ACTIVE] = (float)sum(r, "cl_active");
	s->v[HISTORY_SERVERS] = (float)sum(r, "servers");
	s->v[HISTORY_BUSY] = (float)sum(r, "sv_active");
}

/* ---- lag ---- */

static struct history_lag *lag_of(struct history *hi, const char *cluster, const char *node)
{
	for (unsigned i = 0; i < hi->lags_n; i++)
		if (!strcmp(hi->lags[i]->cluster, cluster) && !strcmp(hi->lags[i]->node, node))
			return hi->lags[i];
	struct history_lag *l = hi->lags_n < HISTORY_LAGS_MAX ? mem_alloc(MEM_ADMIN, sizeof *l)
							      : NULL;
	if (!l)
		return NULL;
	snprintf(l->cluster, sizeof l->cluster, "%s", cluster);
	snprintf(l->node, sizeof l->node, "%s", node);
	for (unsigned i = 0; i < HISTORY_N; i++)
		l->ms[i] = NAN;
	return hi->lags[hi->lags_n++] = l;
}

static void on_nodes(void *arg, struct rowset *r)
{
	struct history *hi = arg;
	unsigned at = hi->next;
	for (unsigned i = 0; i < hi->lags_n; i++)
		hi->lags[i]->ms[at] = NAN;
	for (size_t i = 0; i < r->n_rows; i++) {
		const char *cluster = rowset_get(r, i, "cluster"), *node = rowset_get(r, i, "node"),
			   *ms = rowset_get(r, i, "lag_ms");
		struct history_lag *l = cluster && node ? lag_of(hi, cluster, node) : NULL;
		if (l && ms)
			l->ms[at] = (float)number(ms);
	}
}

/* ---- samples ---- */

void history_part_done(struct history *hi)
{
	if (--hi->left)
		return;
	hi->now.at_us = clock_wall_us();
	hi->v[hi->next] = hi->now;
	hi->next = (hi->next + 1) % HISTORY_N;
	hi->n += hi->n < HISTORY_N;
}

/* The answers that this sample needs, each after it was read. */
static void totals_done(void *arg, struct rowset *r)
{
	on_totals(arg, r);
	history_part_done(arg);
}

static void workers_done(void *arg, struct rowset *r)
{
	on_workers(arg, r);
	history_part_done(arg);
}

static void nodes_done(void *arg, struct rowset *r)
{
	on_nodes(arg, r);
	history_part_done(arg);
}

static void on_timer(struct timer *t, void *arg)
{
	struct history *hi = arg;
	struct http *h = hi->http;
	timer_set(h->core->loop, t, loop_now_us(h->core->loop) + HISTORY_STEP_US);
	if (hi->left) /* the one before is still asking */
		return;
	hi->left = 4;
	console_ask(h, "SHOW TOTALS", "status", totals_done, hi);
	latency_ask(hi);
	console_ask(h, "SHOW WORKERS", "status", workers_done, hi);
	console_ask(h, "SHOW NODES", "status", nodes_done, hi);
}

struct history *history_new(struct http *h)
{
	struct history *hi = mem_xalloc(MEM_ADMIN, sizeof *hi);
	hi->http = h;
	timer_init(&hi->timer, on_timer, hi);
	timer_set(h->core->loop, &hi->timer, loop_now_us(h->core->loop) + 1);
	return hi;
}

void history_free(struct history **hip)
{
	struct history *hi = *hip;
	*hip = NULL;
	timer_clear(hi->http->core->loop, &hi->timer);
	for (unsigned i = 0; i < hi->lags_n; i++)
		mem_free(MEM_ADMIN, hi->lags[i]);
	mem_free(MEM_ADMIN, hi);
}

const struct history_sample *history_at(const struct history *hi, unsigned age)
{
	return age < hi->n ? &hi->v[(hi->next + HISTORY_N - 1 - age) % HISTORY_N] : NULL;
}
