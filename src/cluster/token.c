/* token - may this session's read use that node? Two times of the session against F(r).
 * Ignorant of how a view came about. The session's thread; token_text.c is the control
 * thread's. */
#include "cluster/token.h"

#include <assert.h>
#include <string.h>

#define DOUBT_US 30000000

static const char *const level_names[] = { "eventual", "bounded", "session", "global", "strong" };

const char *token_level_name(enum token_level l)
{
	return level_names[l];
}

bool token_level_parse(const char *s, enum token_level *l_r)
{
	for (int i = TOKEN_EVENTUAL; i <= TOKEN_STRONG; i++) {
		if (strcmp(s, level_names[i]) == 0) {
			*l_r = (enum token_level)i;
			return true;
		}
	}
	return false;
}

const char *token_answer_name(enum token_answer a)
{
	switch (a) {
	case TOKEN_YES: return "yes";
	case TOKEN_BEHIND: return "behind";
	case TOKEN_BOUND: return "bound";
	case TOKEN_FRESHNESS: return "freshness";
	case TOKEN_NOT_READER: return "not-reader";
	case TOKEN_PRIMARY_ONLY: return "primary-only";
	}
	return "?";
}

void token_wrote(struct token *t, _Atomic int64_t *group_us, int64_t recv_us)
{
	t->write_us = recv_us;
	t->doubt_until_us = 0;
	if (!group_us)
		return;
	int64_t have = atomic_load(group_us);
	while (have < recv_us && !atomic_compare_exchange_weak(group_us, &have, recv_us))
		;
}

void token_read_primary(struct token *t, int64_t recv_us)
{
	t->read_us = recv_us;
}

struct token_source token_source(const struct cluster_view *v, unsigned node)
{
	assert(node < v->n);
	return (struct token_source){ .epoch = (uint32_t)v->epoch,
		.life = (uint16_t)atomic_load(&v->live->node[node].life),
		.node = (int16_t)node };
}

void token_read_replica(struct token *t, const struct token_source *from, int64_t recv_us)
{
	assert(from->node >= 0);
	t->replica = (int16_t)(from->node + 1);
	t->replica_us = recv_us;
	t->epoch = from->epoch;
	t->life = from->life;
}

void token_in_doubt(struct token *t, int64_t now_us)
{
	t->doubt_until_us = now_us + DOUBT_US;
}

static bool same_replica(const struct token *t, const struct cluster_view *v, unsigned node)
{
	return t->replica == (int16_t)(node + 1) && t->epoch == (uint32_t)v->epoch &&
	       t->life == (uint16_t)atomic_load(&v->live->node[node].life);
}

/* The time that F(r) of this node must have reached. */
static int64_t needed_us(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, unsigned node)
{
	int64_t us = t->write_us > t->read_us ? t->write_us : t->read_us;
	if (t->replica_us > us && !same_replica(t, v, node))
		us = t->replica_us;
	if (need->level == TOKEN_GLOBAL && need->group_us > us)
		us = need->group_us;
	return us;
}

enum token_answer token_may_read(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, unsigned node, int64_t now_us, int64_t *need_us_r)
{
	assert(node < v->n);
	const struct cluster_vnode *n = &v->node[node];
	if (need->level == TOKEN_STRONG || now_us < t->doubt_until_us)
		return TOKEN_PRIMARY_ONLY;
	if (!n->reads)
		return TOKEN_NOT_READER;
	int64_t fresh_us = cluster_view_fresh(v, node);
	if (need->bound_us > 0 && (!fresh_us || now_us - fresh_us > need->bound_us))
		return n->fresh == FRESH_OK ? TOKEN_BOUND : TOKEN_FRESHNESS;
	if (need->level == TOKEN_EVENTUAL)
		return n->fresh == FRESH_OK || n->eventual ? TOKEN_YES : TOKEN_FRESHNESS;
	if (n->fresh != FRESH_OK || !fresh_us)
		return TOKEN_FRESHNESS;
	if (need->level == TOKEN_BOUNDED)
		return TOKEN_YES;
	int64_t want_us = needed_us(t, need, v, node);
	if (fresh_us >= want_us)
		return TOKEN_YES;
	if (need_us_r)
		*need_us_r = want_us;
	return TOKEN_BEHIND;
}

bool token_held_by_reads(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, int64_t now_us)
{
	struct token written = *t;
	written.read_us = 0;
	for (unsigned i = 0; t->read_us && i < v->n; i++)
		if (token_may_read(&written, need, v, i, now_us, NULL) == TOKEN_YES)
			return true;
	return false;
}

/* Of several that are only eventual: the one known to be freshest; a stopped one may be that. */
static uint32_t least_stale(const struct cluster_view *v, uint32_t mask)
{
	int best = -1;
	int64_t best_us = -1;
	for (unsigned i = 0; i < v->n; i++) {
		if (mask >> i & 1 && cluster_view_fresh(v, i) > best_us) {
			best = (int)i;
			best_us = cluster_view_fresh(v, i);
		}
	}
	return best < 0 ? 0 : UINT32_C(1) << best;
}

uint32_t token_mask(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, int64_t now_us, enum token_answer *why_r)
{
	uint32_t good = 0, poor = 0;
	enum token_answer why = TOKEN_PRIMARY_ONLY;
	for (unsigned i = 0; i < v->n; i++) {
		enum token_answer a = token_may_read(t, need, v, i, now_us, NULL);
		if (a < why)
			why = a;
		if (a != TOKEN_YES)
			continue;
		if (v->node[i].fresh == FRESH_OK)
			good |= UINT32_C(1) << i;
		else
			poor |= UINT32_C(1) << i;
	}
	if (why_r)
		*why_r = why;
	return good ? good : least_stale(v, poor);
}
