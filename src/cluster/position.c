/* position - sets of transactions as sorted, merged intervals, and LSNs beside them. All three
 * products compare by the same walk over two sorted lists: a MariaDB domain is one interval
 * from 1. Reading and writing the text is position_text.c. Any thread. */
#include "position_int.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

void pos_set_lsn(struct pos *p_r, uint64_t lsn)
{
	*p_r = (struct pos){ .kind = POS_LSN, .lsn = lsn };
}

/* PostgreSQL, access/xlog_internal.h: the first page of a segment has a header of 40 bytes, any
 * other one of 24. */
uint64_t pos_lsn_normalise(uint64_t lsn, uint64_t segment, uint32_t page)
{
	if (!segment)
		segment = 16u * 1024 * 1024;
	if (!page)
		page = 8192;
	if (lsn % segment == 40)
		return lsn - 40;
	if (lsn % segment > page && lsn % page == 24)
		return lsn - 24;
	return lsn;
}

void pos_fini(struct pos *p)
{
	mem_free(MEM_CLUSTER, p->iv);
	*p = (struct pos){ 0 };
}

void pos_move(struct pos *to, struct pos *from)
{
	*to = *from;
	*from = (struct pos){ 0 };
}

int pos_copy(struct pos *to, const struct pos *from)
{
	struct pos_interval *iv = NULL;
	if (from->iv_n) {
		iv = mem_alloc(MEM_CLUSTER, from->iv_n * sizeof *iv);
		if (!iv) {
			*to = (struct pos){ 0 };
			return -1;
		}
		for (uint32_t i = 0; i < from->iv_n; i++)
			iv[i] = from->iv[i];
	}
	*to = *from;
	to->iv = iv;
	return 0;
}

size_t pos_bytes(const struct pos *p)
{
	return p->iv_n * sizeof *p->iv;
}

int pos_source_cmp(const struct pos_interval *a, const struct pos_interval *b)
{
	int d = memcmp(a->source, b->source, sizeof a->source);
	return d ? d : strcmp(a->tag, b->tag);
}

/* Merges next, which does not begin before *last, into it if they touch. */
static bool merge_into(struct pos_interval *last, const struct pos_interval *next)
{
	if (pos_source_cmp(last, next) != 0)
		return false;
	if (last->hi != UINT64_MAX && next->lo > last->hi + 1)
		return false;
	if (next->hi > last->hi) {
		last->hi = next->hi;
		last->server = next->server;
	}
	return true;
}

static int interval_cmp(const struct pos_interval *a, const struct pos_interval *b)
{
	int d = pos_source_cmp(a, b);
	if (d)
		return d;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

/* Merge sort would need memory; the text of a server is sorted but for its tags, so that this
 * insertion by binary search moves little. iv_n is bounded by POS_INTERVALS_MAX. */
bool pos_insert(struct pos *p, uint32_t *room, const struct pos_interval *v)
{
	uint32_t lo = 0, hi = p->iv_n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (interval_cmp(&p->iv[mid], v) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0 && merge_into(&p->iv[lo - 1], v)) {
		lo--;
	} else {
		if (p->iv_n == POS_INTERVALS_MAX)
			return false;
		if (p->iv_n == *room) {
			uint32_t want = *room ? *room * 2 : 2;
			struct pos_interval *iv = mem_realloc(
				MEM_CLUSTER, p->iv, want * sizeof *iv);
			if (!iv)
				return false;
			p->iv = iv;
			*room = want;
		}
		memmove(p->iv + lo + 1, p->iv + lo, (p->iv_n - lo) * sizeof *p->iv);
		p->iv[lo] = *v;
		p->iv_n++;
	}
	/* what follows may now touch */
	uint32_t keep = lo + 1;
	while (keep < p->iv_n && merge_into(&p->iv[lo], &p->iv[keep]))
		keep++;
	memmove(p->iv + lo + 1, p->iv + keep, (p->iv_n - keep) * sizeof *p->iv);
	p->iv_n -= keep - lo - 1;
	return true;
}

int pos_add(struct pos *p, const struct pos *more)
{
	if (p->kind == POS_NONE)
		return pos_copy(p, more);
	if (p->kind != more->kind)
		return -1;
	if (p->kind == POS_LSN) {
		if (more->lsn > p->lsn)
			p->lsn = more->lsn;
		return 0;
	}
	struct pos sum;
	if (pos_copy(&sum, p) < 0)
		return -1;
	uint32_t room = sum.iv_n;
	for (uint32_t i = 0; i < more->iv_n; i++) {
		if (!pos_insert(&sum, &room, &more->iv[i])) {
			pos_fini(&sum);
			return -1;
		}
	}
	pos_fini(p);
	*p = sum;
	return 0;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* Transactions of the interval v that are in none of a's. *at is where to look on: both lists are
 * sorted. */
static uint64_t interval_missing(const struct pos *a, uint32_t *at, const struct pos_interval *v)
{
	uint64_t lo = v->lo, missing = 0;
	for (; *at < a->iv_n; (*at)++) {
		const struct pos_interval *h = &a->iv[*at];
		int d = pos_source_cmp(h, v);
		if (d > 0 || (d == 0 && h->lo > v->hi))
			break;
		if (d < 0 || h->hi < lo)
			continue;
		if (h->lo > lo)
			missing = add_capped(missing, h->lo - lo);
		if (h->hi >= v->hi)
			return missing; /* h may reach into the next one of b */
		lo = h->hi + 1;
	}
	return add_capped(missing, add_capped(v->hi - lo, 1));
}

uint64_t pos_missing(const struct pos *a, const struct pos *b)
{
	if (a->kind != b->kind || a->kind == POS_NONE)
		return UINT64_MAX;
	if (a->kind == POS_LSN)
		return b->lsn > a->lsn ? b->lsn - a->lsn : 0;
	uint64_t missing = 0;
	uint32_t at = 0;
	for (uint32_t i = 0; i < b->iv_n; i++)
		missing = add_capped(missing, interval_missing(a, &at, &b->iv[i]));
	return missing;
}

bool pos_includes(const struct pos *a, const struct pos *b)
{
	return a->kind == b->kind && a->kind != POS_NONE && pos_missing(a, b) == 0;
}
