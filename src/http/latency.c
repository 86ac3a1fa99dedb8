/* latency - how long queries, transactions and waits took since the last sample, from all pools'
 * histograms. Ignorant of what becomes of it. Control thread, except where it says "on the
 * worker". */
#include "history.h"

#include <math.h>

struct part {
	struct hist hist[POOL_HISTS_N];
};

static void add(struct part *p, const struct poolstats *k)
{
	for (int i = 0; i < POOL_HISTS_N; i++)
		hist_merge(&p->hist[i], &k->hist[i]);
}

/* On the worker. */
static void each(struct worker *w, void *part, void *arg)
{
	(void)arg;
	add(part, &w->other_pools);
	for (struct hmap_it it = hmap_begin(&w->stats_by_pool); hmap_next(&it);)
		add(part, it.value);
}

static void put(struct history *hi, const struct hist *h, enum history_value p50)
{
	hi->now.v[p50] = (float)(hist_share_us(h, 0.5) / 1000);
	hi->now.v[p50 + 1] = (float)(hist_share_us(h, 0.99) / 1000);
}

static void done(struct scatter *s)
{
	struct history *hi = s->arg;
	struct hist d[POOL_HISTS_N];
	struct part all = { 0 };
	for (unsigned i = 0; i < s->n; i++) {
		const struct part *p = scatter_part(s, i);
		for (int k = 0; k < POOL_HISTS_N; k++)
			hist_merge(&all.hist[k], &p->hist[k]);
	}
	for (int k = 0; k < POOL_HISTS_N; k++) {
		d[k] = hist_since(&all.hist[k], &hi->hist[k]);
		hi->hist[k] = all.hist[k];
		if (!hi->has_hist) /* what was before the first sample is of no time */
			d[k] = (struct hist){ 0 };
	}
	hi->has_hist = true;
	put(hi, &d[HIST_QUERY], HISTORY_QUERY_P50);
	put(hi, &d[HIST_XACT], HISTORY_XACT_P50);
	put(hi, &d[HIST_WAIT], HISTORY_WAIT_P50);
	history_part_done(hi);
}

void latency_ask(struct history *hi)
{
	if (core_scatter(hi->http->core, sizeof(struct part), each, done, hi) == 0)
		return;
	for (int i = HISTORY_QUERY_P50; i <= HISTORY_WAIT_P99; i++) /* no memory */
		hi->now.v[i] = NAN;
	history_part_done(hi);
}
