/* fresh - the history of the primary's positions, F(r) by binary search in it, and the
 * judgement over a replica's lag with hysteresis. Ignorant of nodes and protocols. Control
 * thread. */
#include "cluster/fresh.h"
#include "position_int.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define SAMPLE_OLD_US 1000000 /* a sample older than this says nothing any more */
#define BACK_SPAN_US 500000   /* good samples must span this */
#define BACK_SAMPLES 3
#define OUT_MIN_US 1000000
#define OUT_MAX_US 60000000
#define FLAPS_FORGET_US 300000000 /* that long in: the next time out is a first one */

void fresh_history_init(struct fresh_history *h)
{
	*h = (struct fresh_history){ 0 };
}

static void forget_marks(struct fresh_history *h)
{
	for (unsigned i = 0; i < h->n; i++)
		pos_fini(&h->marks[i].pos);
	h->n = 0;
	h->bytes = 0;
}

void fresh_history_clear(struct fresh_history *h)
{
	forget_marks(h);
	mem_free(MEM_CLUSTER, h->marks);
	h->marks = NULL;
}

/* Every second mark of the older half goes. What a dropped mark proved, the one before it proves
 * with an earlier time: never too high. */
static void thin_out(struct fresh_history *h)
{
	unsigned half = h->n / 2, to = 0;
	for (unsigned i = 0; i < h->n; i++) {
		if (i < half && i % 2 == 1) {
			h->bytes -= pos_bytes(&h->marks[i].pos);
			pos_fini(&h->marks[i].pos);
		} else {
			h->marks[to++] = h->marks[i];
		}
	}
	h->n = to;
}

enum fresh_add fresh_history_add(struct fresh_history *h, int64_t sent_us, struct pos *pos)
{
	enum fresh_add r = FRESH_ADDED;
	struct fresh_mark *last = h->n ? &h->marks[h->n - 1] : NULL;
	if (last && sent_us < last->last_us) {
		pos_fini(pos);
		return FRESH_SAME;
	}
	if (last && !pos_includes(pos, &last->pos)) {
		forget_marks(h);
		last = NULL;
		r = FRESH_WENT_BACK;
	}
	if (last && pos_includes(&last->pos, pos)) {
		last->last_us = sent_us;
		pos_fini(pos);
		return FRESH_SAME;
	}
	if (!h->marks) {
		h->marks = mem_alloc(MEM_CLUSTER, FRESH_RING * sizeof *h->marks);
		if (!h->marks) {
			pos_fini(pos);
			return FRESH_NO_MEMORY;
		}
	}
	while (h->n > 2 && (h->n == FRESH_RING || h->bytes + pos_bytes(pos) > FRESH_RING_BYTES))
		thin_out(h);
	if (h->n == 2 && h->bytes + pos_bytes(pos) > FRESH_RING_BYTES)
		forget_marks(h);
	struct fresh_mark *m = &h->marks[h->n++];
	m->first_us = m->last_us = sent_us;
	pos_move(&m->pos, pos);
	h->bytes += pos_bytes(&m->pos);
	return r;
}

static const struct pos_interval *domain_in(const struct pos *p, const struct pos_interval *like)
{
	for (uint32_t i = 0; i < p->iv_n; i++)
		if (pos_source_cmp(&p->iv[i], like) == 0)
			return &p->iv[i];
	return NULL;
}

/* MariaDB numbers the transactions of a domain whoever writes them: after a failover that lost
 * some, other ones have their numbers. All since the first mark are the primary's own, so whose
 * last one is of another server has the lost ones. */
bool fresh_of_line(const struct fresh_history *h, const struct pos *r)
{
	for (uint32_t i = 0; h->n && r->kind == POS_MARIADB && i < r->iv_n; i++) {
		const struct pos_interval *v = &r->iv[i], *there = NULL;
		unsigned lo = 0, hi = h->n - 1; /* the first mark that has v, or the last */
		while (lo < hi) {
			unsigned mid = lo + (hi - lo) / 2;
			there = domain_in(&h->marks[mid].pos, v);
			if (there && there->hi >= v->hi)
				hi = mid;
			else
				lo = mid + 1;
		}
		there = domain_in(&h->marks[lo].pos, v);
		if (there && (lo > 0 || there->hi == v->hi) && there->server != v->server)
			return false;
	}
	return true;
}

int64_t fresh_of(const struct fresh_history *h, const struct pos *r)
{
	if (!h->n || !fresh_of_line(h, r))
		return 0;
	if (pos_includes(r, &h->marks[h->n - 1].pos))
		return h->marks[h->n - 1].last_us;
	unsigned lo = 0, hi = h->n - 1; /* marks below lo are included, hi is not */
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (pos_includes(r, &h->marks[mid].pos))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? h->marks[lo - 1].last_us : 0;
}

const struct pos *fresh_last(const struct fresh_history *h)
{
	return h->n ? &h->marks[h->n - 1].pos : NULL;
}

const struct pos *fresh_at(const struct fresh_history *h, int64_t t_us)
{
	unsigned lo = 0, hi = h->n;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (h->marks[mid].last_us < t_us)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->n ? &h->marks[lo].pos : NULL;
}

int64_t fresh_since(const struct fresh_history *h, const struct pos *pos)
{
	unsigned lo = 0, hi = h->n;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (!pos_includes(&h->marks[mid].pos, pos))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->n ? h->marks[lo].first_us : 0;
}

const char *fresh_state_name(enum fresh_state s)
{
	switch (s) {
	case FRESH_UNKNOWN: return "unknown";
	case FRESH_OK: return "ok";
	case FRESH_STALE: return "stale";
	case FRESH_STOPPED: return "stopped";
	}
	return "?";
}

static bool within(
	const struct fresh_opts *o, const struct fresh_input *in, int64_t lag_us, unsigned part)
{
	return (o->max_staleness_us <= 0 || lag_us <= o->max_staleness_us / part) &&
	       (!o->max_missing || in->missing <= o->max_missing / part);
}

static void go(struct fresh_judge *j, enum fresh_state s, int64_t now_us)
{
	if (j->state == s)
		return;
	if (s == FRESH_STALE) {
		if (j->state == FRESH_OK && now_us - j->since_us > FLAPS_FORGET_US)
			j->flaps = 0;
		int64_t out_us = OUT_MIN_US << (j->flaps < 6 ? j->flaps : 6);
		if (j->out_until_us <= now_us) {
			j->out_until_us = now_us + (out_us < OUT_MAX_US ? out_us : OUT_MAX_US);
			j->flaps++;
		}
	}
	j->good_n = 0;
	j->state = s;
	j->since_us = now_us;
}

/* Out of max_staleness: back after enough good samples, not before its time. */
static bool may_return(struct fresh_judge *j, bool good, bool sampled, int64_t now_us)
{
	if (!good) {
		j->good_n = 0;
		return false;
	}
	if (sampled && j->good_n++ == 0)
		j->good_since_us = now_us;
	return j->good_n >= BACK_SAMPLES && now_us - j->good_since_us >= BACK_SPAN_US &&
	       now_us >= j->out_until_us;
}

enum fresh_state fresh_judge(struct fresh_judge *j, const struct fresh_opts *o,
	const struct fresh_input *in, int64_t now_us)
{
	int64_t old_us = 5 * o->interval_us < SAMPLE_OLD_US ? 5 * o->interval_us : SAMPLE_OLD_US;
	if (in->stopped) {
		go(j, FRESH_STOPPED, now_us);
		return j->state;
	}
	if (!in->fresh_us || !in->sample_us || now_us - in->sample_us > old_us) {
		go(j, FRESH_UNKNOWN, now_us);
		return j->state;
	}
	/* A silent primary is no fault of its replicas: the lag as it was then. */
	int64_t ref_us = now_us - in->primary_us > old_us ? in->primary_us : now_us;
	int64_t lag_us = ref_us - in->fresh_us;
	if (!within(o, in, lag_us, 1))
		go(j, FRESH_STALE, now_us);
	if (j->state == FRESH_STALE) {
		if (may_return(j, within(o, in, lag_us, 2), in->sampled, now_us))
			go(j, FRESH_OK, now_us);
	} else {
		go(j, now_us < j->out_until_us ? FRESH_STALE : FRESH_OK, now_us);
	}
	return j->state;
}
