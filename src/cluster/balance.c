/* balance - picks one of the nodes that may serve a read: zone, least outstanding per weight,
 * coarse latency, in turn; ejects what fails. Ignorant of freshness: the caller's mask has
 * judged that. One thread. */
#include "cluster/balance.h"

#include <assert.h>

#define EJECT_ERRORS 5
#define EJECT_BASE_US 1000000
#define EJECT_MAX_US 60000000
#define FORGET_US 60000000    /* that long without an error: the next ejection is a first one */
#define WINDOW_US 10000000    /* of the outlier test */
#define WINDOW_REQUESTS 20    /* fewer say nothing */
#define EWMA_HALF_US 10000000 /* an unused node's latency drifts half way to the mean in this */
#define WARM_FROM 0.1
#define SPILL 2.0
#define PREFER 2.0

void balance_init(struct balance *b)
{
	*b = (struct balance){ 0 };
}

bool balance_ejected(const struct balance *b, unsigned node, int64_t now_us)
{
	const struct balance_node *n = &b->node[node];
	return n->ejected_until_us && (now_us < n->ejected_until_us || n->probing);
}

static double share(const struct cluster_view *v, unsigned i, int64_t now_us)
{
	const struct cluster_vnode *n = &v->node[i];
	double warm = 1;
	if (n->state == NODE_WARMING && v->warm_us > 0) {
		warm = (double)(now_us - n->warm_since_us) / (double)v->warm_us;
		warm = warm < WARM_FROM ? WARM_FROM : warm > 1 ? 1 : warm;
	}
	return n->weight * warm;
}

static double mean_ewma(const struct balance *b, uint32_t mask)
{
	double sum = 0;
	unsigned n = 0;
	for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++) {
		if (mask >> i & 1 && b->node[i].ewma_us) {
			sum += (double)b->node[i].ewma_us;
			n++;
		}
	}
	return n ? sum / n : 0;
}

/* Latency to the power of two. One that is not used drifts to the mean: it gets another chance.
 * */
static int latency_bucket(const struct balance_node *n, double mean, int64_t now_us)
{
	double us = n->ewma_us ? (double)n->ewma_us : mean;
	for (int64_t idle = now_us - n->ewma_at_us; n->ewma_us && mean > 0 && idle > EWMA_HALF_US;
		idle -= EWMA_HALF_US) {
		us = mean + (us - mean) / 2;
		if (us < mean * 1.01 && us > mean * 0.99)
			break;
	}
	int bucket = 0;
	for (; us >= 2 && bucket < 40; us /= 2)
		bucket++;
	return bucket;
}

struct best {
	int node; /* -1: none */
	double score;
	int bucket;
};

static double score_of(
	const struct balance *b, const struct cluster_view *v, unsigned i, int64_t now_us)
{
	return (b->node[i].outstanding + 1) / share(v, i, now_us);
}

/* The best of one zone. The turn decides between equals: the first one behind it. */
static struct best best_of_tier(struct balance *b, const struct cluster_view *v, uint32_t mask,
	unsigned tier, int64_t now_us)
{
	struct best best = { .node = -1 };
	for (unsigned k = 1; k <= v->n; k++) {
		unsigned i = (b->turn + k) % v->n;
		if (!(mask >> i & 1) || v->node[i].tier != tier)
			continue;
		double score = score_of(b, v, i, now_us);
		/* of the others: a slow one must not raise the mark that it drifts to */
		double mean = mean_ewma(b, mask & ~(UINT32_C(1) << i));
		int bucket = latency_bucket(&b->node[i], mean, now_us);
		if (best.node < 0 || score < best.score * 0.999 ||
			(score <= best.score * 1.001 && bucket < best.bucket))
			best = (struct best){ (int)i, score, bucket };
	}
	return best;
}

static uint32_t without_ejected(
	const struct balance *b, const struct cluster_view *v, uint32_t mask, int64_t now_us)
{
	uint32_t in = 0;
	for (unsigned i = 0; i < v->n; i++) {
		if (mask >> i & 1 && v->node[i].weight && !balance_ejected(b, i, now_us))
			in |= UINT32_C(1) << i;
	}
	return in;
}

int balance_pick(
	struct balance *b, const struct cluster_view *v, uint32_t mask, int prefer, int64_t now_us)
{
	uint32_t in = without_ejected(b, v, mask, now_us);
	if (!in) { /* all are ejected: a bad node is better than none */
		for (unsigned i = 0; i < v->n; i++) {
			if (mask >> i & 1 && v->node[i].weight)
				in |= UINT32_C(1) << i;
		}
	}
	struct best best = { .node = -1 };
	unsigned near = 0;
	for (uint32_t left = in; left;) {
		unsigned tier = UINT32_MAX;
		for (unsigned i = 0; i < v->n; i++) {
			if (left >> i & 1 && v->node[i].tier < tier)
				tier = v->node[i].tier;
		}
		struct best here = best_of_tier(b, v, in, tier, now_us);
		if (best.node < 0 || best.score > SPILL * here.score)
			best = here, near = tier;
		for (unsigned i = 0; i < v->n; i++) {
			if (v->node[i].tier == tier)
				left &= ~(UINT32_C(1) << i);
		}
	}
	if (prefer >= 0 && prefer < (int)v->n && in >> prefer & 1 && best.node >= 0 &&
		v->node[prefer].tier == near &&
		score_of(b, v, (unsigned)prefer, now_us) <= PREFER * best.score)
		return prefer;
	if (best.node >= 0)
		b->turn = (unsigned)best.node;
	return best.node;
}

void balance_begin(struct balance *b, unsigned node, int64_t now_us)
{
	struct balance_node *n = &b->node[node];
	n->outstanding++;
	if (n->ejected_until_us && now_us >= n->ejected_until_us)
		n->probing = true;
}

/* At most half of the readers, and never the last one. */
static bool may_eject(const struct balance *b, const struct cluster_view *v, unsigned node)
{
	unsigned readers = 0, out = 0;
	for (unsigned i = 0; i < v->n; i++) {
		if (!v->node[i].reads || !v->node[i].weight)
			continue;
		readers++;
		out += i != node && b->node[i].ejected_until_us;
	}
	return (out + 1) * 2 <= readers;
}

static void eject(
	struct balance *b, const struct cluster_view *v, struct balance_node *n, int64_t now_us)
{
	n->errors = 0;
	n->ok_n = n->bad_n = 0;
	if (!may_eject(b, v, (unsigned)(n - b->node))) {
		n->ejected_until_us = 0;
		return;
	}
	n->ejections++;
	int64_t us = EJECT_BASE_US * (int64_t)n->ejections;
	n->ejected_until_us = now_us + (us < EJECT_MAX_US ? us : EJECT_MAX_US);
}

/* Fails more than half of its requests while the others do well. */
static bool is_outlier(const struct balance *b, const struct balance_node *n)
{
	uint64_t ok = 0, bad = 0;
	if (n->ok_n + n->bad_n < WINDOW_REQUESTS || n->bad_n <= n->ok_n)
		return false;
	for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++) {
		if (&b->node[i] != n) {
			ok += b->node[i].ok_n;
			bad += b->node[i].bad_n;
		}
	}
	return ok > 0 && bad * 9 <= ok;
}

static void turn_window(struct balance *b, int64_t now_us)
{
	if (now_us - b->window_us < WINDOW_US)
		return;
	b->window_us = now_us;
	for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++)
		b->node[i].ok_n = b->node[i].bad_n = 0;
}

static void note_ok(struct balance_node *n, int64_t latency_us, int64_t now_us)
{
	if (n->ejected_until_us || !n->ok_since_us)
		n->ok_since_us = now_us;
	else if (now_us - n->ok_since_us > FORGET_US)
		n->ejections = 0;
	n->ejected_until_us = 0;
	n->errors = 0;
	n->ok_n++;
	/* it follows a rise fast and a fall slowly */
	if (!n->ewma_us || latency_us > n->ewma_us)
		n->ewma_us = n->ewma_us ? (n->ewma_us + latency_us) / 2 : latency_us;
	else
		n->ewma_us -= (n->ewma_us - latency_us) / 8;
	if (n->ewma_us < 1)
		n->ewma_us = 1;
	n->ewma_at_us = now_us;
}

void balance_end(struct balance *b, const struct cluster_view *v, unsigned node,
	enum balance_result r, int64_t latency_us, int64_t now_us)
{
	struct balance_node *n = &b->node[node];
	bool probe = n->probing;
	assert(n->outstanding > 0);
	n->outstanding--;
	n->probing = false;
	turn_window(b, now_us);
	switch (r) {
	case BALANCE_GONE: break;
	case BALANCE_OK:
		if (!balance_ejected(b, node, now_us)) /* an old request says nothing new */
			note_ok(n, latency_us, now_us);
		break;
	case BALANCE_ERROR:
		n->bad_n++;
		n->ok_since_us = 0;
		if (probe || (!balance_ejected(b, node, now_us) &&
				     (++n->errors >= EJECT_ERRORS || is_outlier(b, n))))
			eject(b, v, n, now_us);
		break;
	}
}
