/* query_table - rows of counts by database, user and digest, least recently used first to go.
 * Ignorant of sessions. The owner's thread.
 *
 * Nothing here may take long, as the owner serves clients meanwhile, whatever the number of rows:
 * rows stand in pages that never move, there are as many heads as there may be rows, and sums are
 * kept and not made. */
#include "query_int.h"

#include "base/clock.h"
#include "base/hmap.h"

#include <stdatomic.h>
#include <string.h>

#define HEADS_MIN 16U
#define PAGE_BITS 6
#define PAGE_ROWS (1U << PAGE_BITS)
#define PAGES (QUERY_MAX / PAGE_ROWS + 1)
#define NONE UINT32_MAX
/* A row's number: its place and how often the place was given anew. */
#define PLACE_BITS 20
#define PLACE_MASK ((1U << PLACE_BITS) - 1)

const uint32_t query_bucket_us[QUERY_BUCKETS - 1] = { 100, 500, 1000, 5000, 10000, 50000, 100000,
	500000, 1000000, 5000000, 10000000 };

struct row {
	struct query_key key;
	struct query_counts n;
	char *text;
	uint32_t chain;        /* the next one of its hash */
	uint32_t newer, older; /* by use */
	uint32_t given;
};
struct query_table {
	struct row *page[PAGES];
	uint32_t *heads; /* heads_n of them, a power of 2 */
	uint32_t heads_n, n, newest, oldest;
	uint32_t born; /* given of its new rows: numbers of the table before are not found */
	struct query_totals sum; /* but for statements */
	struct query_counts others;
};

static struct row *row_at(const struct query_table *t, uint32_t i)
{
	return &t->page[i >> PAGE_BITS][i & (PAGE_ROWS - 1)];
}

static uint32_t head_of(const struct query_table *t, const struct query_key *k)
{
	return (uint32_t)hash64(k, sizeof *k) & (t->heads_n - 1);
}

static bool same(const struct query_key *a, const struct query_key *b)
{
	return a->digest == b->digest && a->db == b->db && a->user == b->user;
}

/* ---- by use ---- */

static void unlink_row(struct query_table *t, uint32_t i)
{
	struct row *r = row_at(t, i);
	if (r->newer == NONE)
		t->newest = r->older;
	else
		row_at(t, r->newer)->older = r->older;
	if (r->older == NONE)
		t->oldest = r->newer;
	else
		row_at(t, r->older)->newer = r->newer;
}

static void link_newest(struct query_table *t, uint32_t i)
{
	struct row *r = row_at(t, i);
	r->newer = NONE;
	r->older = t->newest;
	if (t->newest != NONE)
		row_at(t, t->newest)->newer = i;
	t->newest = i;
	if (t->oldest == NONE)
		t->oldest = i;
}

/* ---- by key ---- */

static void chain_in(struct query_table *t, uint32_t i)
{
	uint32_t *head = &t->heads[head_of(t, &row_at(t, i)->key)];
	row_at(t, i)->chain = *head;
	*head = i;
}

static void chain_out(struct query_table *t, uint32_t i)
{
	uint32_t *at = &t->heads[head_of(t, &row_at(t, i)->key)];
	while (*at != i)
		at = &row_at(t, *at)->chain;
	*at = row_at(t, i)->chain;
}

/* As many as there may be rows, so that none has to be put elsewhere while clients are served; but
 * when a RELOAD allows more. False: there are none at all. */
static bool make_heads(struct query_table *t, unsigned max)
{
	uint32_t n = HEADS_MIN;
	while (n < max)
		n *= 2;
	if (n <= t->heads_n)
		return true;
	uint32_t *heads = mem_alloc(MEM_STATS, n * sizeof *heads);
	if (!heads)
		return t->heads_n > 0;
	mem_free(MEM_STATS, t->heads);
	t->heads = heads;
	t->heads_n = n;
	memset(heads, 0xff, n * sizeof *heads); /* NONE */
	for (uint32_t i = 0; i < t->n; i++)
		chain_in(t, i);
	return true;
}

/* A place for one more row. False: no memory. */
static bool make_place(struct query_table *t)
{
	struct row **page = &t->page[t->n >> PAGE_BITS];
	if (*page)
		return true;
	*page = mem_alloc(MEM_STATS, PAGE_ROWS * sizeof **page);
	for (uint32_t i = 0; *page && i < PAGE_ROWS; i++)
		(*page)[i].given = t->born;
	return *page != NULL;
}

static struct query_table *table_new(void)
{
	static _Atomic uint32_t tables_n;
	struct query_table *t = mem_alloc(MEM_STATS, sizeof *t);
	if (!t)
		return NULL;
	t->newest = t->oldest = NONE;
	t->born = atomic_fetch_add(&tables_n, 1);
	return t;
}

void query_counts_add(struct query_counts *to, const struct query_counts *n)
{
	if (n->calls == 0)
		return;
	if (to->calls == 0 || n->min_us < to->min_us)
		to->min_us = n->min_us;
	if (to->calls == 0 || n->first_us < to->first_us)
		to->first_us = n->first_us;
	if (n->max_us > to->max_us)
		to->max_us = n->max_us;
	if (n->last_us > to->last_us)
		to->last_us = n->last_us;
	to->calls += n->calls;
	to->errors += n->errors;
	to->rows += n->rows;
	to->bytes += n->bytes;
	to->total_us += n->total_us;
	to->wait_us += n->wait_us;
	to->replica += n->replica;
	for (unsigned i = 0; i < QUERY_BUCKETS; i++)
		to->bucket[i] += n->bucket[i];
}

/* The place of the one that was not used for the longest time; it is out of the chains. */
static uint32_t evict(struct query_table *t)
{
	uint32_t i = t->oldest;
	struct row *r = row_at(t, i);
	query_counts_add(&t->others, &r->n);
	mem_free(MEM_STATS, r->text);
	unlink_row(t, i);
	chain_out(t, i);
	*r = (struct row){ .given = r->given + 1 };
	t->sum.evicted++;
	return i;
}

static char *text_of(const struct proto_statement *s)
{
	struct buf b;
	char *text = NULL;
	buf_init(&b, 0);
	if (s->normal(s, &b, QUERY_TEXT_BYTES) && !b.failed)
		text = mem_strndup(MEM_STATS, (const char *)buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return text;
}

static uint32_t number_of(const struct query_table *t, uint32_t i)
{
	return (row_at(t, i)->given << PLACE_BITS) | (i + 1);
}

/* NULL: it has gone. */
static struct row *row_of(const struct query_table *t, uint32_t number)
{
	uint32_t i = (number & PLACE_MASK) - 1;
	return t && number && i < t->n && number_of(t, i) == number ? row_at(t, i) : NULL;
}

uint32_t query_table_find(struct query_table **tp, const struct query_key *k, unsigned max,
	const struct proto_statement *s)
{
	struct query_table *t = *tp ? *tp : (*tp = table_new());
	if (!t || !make_heads(t, max))
		return 0;
	uint32_t i = t->heads[head_of(t, k)];
	while (i != NONE && !same(&row_at(t, i)->key, k))
		i = row_at(t, i)->chain;
	if (i == NONE) {
		char *text = text_of(s);
		if (!text || (t->n < max && !make_place(t))) {
			mem_free(MEM_STATS, text);
			return 0;
		}
		i = t->n < max ? t->n++ : evict(t);
		row_at(t, i)->key = *k;
		row_at(t, i)->text = text;
		chain_in(t, i);
	} else if (i == t->newest) {
		return number_of(t, i);
	} else {
		unlink_row(t, i);
	}
	link_newest(t, i);
	return number_of(t, i);
}

static unsigned bucket_of(uint64_t us)
{
	unsigned i = 0;
	while (i < QUERY_BUCKETS - 1 && us > query_bucket_us[i])
		i++;
	return i;
}

void query_table_count(struct query_table **tp, uint32_t number, const struct query_call *c)
{
	struct query_table *t = *tp ? *tp : (*tp = table_new());
	if (!t)
		return;
	struct row *r = row_of(t, number);
	struct query_counts *n = r ? &r->n : &t->others;
	if (n->calls == 0) {
		n->first_us = c->now_us;
		n->min_us = c->total_us;
	}
	t->sum.calls++;
	t->sum.errors += c->failed;
	t->sum.rows += c->rows;
	t->sum.total_us += c->total_us;
	t->sum.wait_us += c->wait_us;
	n->calls++;
	n->errors += c->failed;
	n->rows += c->rows;
	n->bytes += c->bytes;
	n->total_us += c->total_us;
	n->wait_us += c->wait_us;
	n->replica += c->replica;
	if (c->total_us < n->min_us)
		n->min_us = c->total_us;
	if (c->total_us > n->max_us)
		n->max_us = c->total_us;
	n->bucket[bucket_of(c->total_us)]++;
	n->last_us = c->now_us;
}

const char *query_table_text(const struct query_table *t, uint32_t number)
{
	const struct row *r = row_of(t, number);
	return r ? r->text : NULL;
}

void query_table_totals(const struct query_table *t, struct query_totals *sum)
{
	if (!t)
		return;
	sum->statements += t->n;
	sum->evicted += t->sum.evicted;
	sum->calls += t->sum.calls;
	sum->errors += t->sum.errors;
	sum->rows += t->sum.rows;
	sum->total_us += t->sum.total_us;
	sum->wait_us += t->sum.wait_us;
}

/* ---- copies ---- */

static void copy_row(struct query_rows *out, const struct query_key *k,
	const struct query_counts *n, const char *text, int64_t to_wall_us)
{
	struct query_row *r = &out->v[out->n];
	if (n->calls == 0)
		return;
	*r = (struct query_row){ .db = k ? k->db : NULL, .user = k ? k->user : NULL, .n = *n };
	r->n.first_us += to_wall_us;
	r->n.last_us += to_wall_us;
	if (k) {
		r->digest = k->digest;
		r->text = mem_strdup(MEM_STATS, text);
		out->no_memory = out->no_memory || !r->text;
	}
	out->n++;
}

uint32_t query_table_copy(const struct query_table *t, uint32_t from, uint32_t max,
	int64_t to_wall_us, struct query_rows *out)
{
	*out = (struct query_rows){ 0 };
	if (!t || from > t->n)
		return 0;
	uint32_t n = t->n - from < max ? t->n - from : max;
	out->v = mem_alloc(MEM_STATS, (n + 1) * sizeof *out->v);
	out->no_memory = !out->v;
	if (!out->v)
		return 0;
	for (uint32_t i = from; i < from + n; i++) {
		const struct row *r = row_at(t, i);
		copy_row(out, &r->key, &r->n, r->text, to_wall_us);
	}
	if (from == 0) {
		out->evicted = t->sum.evicted;
		copy_row(out, NULL, &t->others, NULL, to_wall_us);
	}
	return from + n < t->n ? from + n : 0;
}

void query_rows_fini(struct query_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(MEM_STATS, r->v[i].text);
	mem_free(MEM_STATS, r->v);
	*r = (struct query_rows){ 0 };
}

void query_table_free(struct query_table **tp)
{
	struct query_table *t = *tp;
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n; i++)
		mem_free(MEM_STATS, row_at(t, i)->text);
	for (uint32_t i = 0; i < PAGES; i++)
		mem_free(MEM_STATS, t->page[i]);
	mem_free(MEM_STATS, t->heads);
	mem_free(MEM_STATS, t);
	*tp = NULL;
}
