/* query_table - rows of counts by database, user and digest, least recently used first to go.
 * Ignorant of sessions. The owner's thread. */
#include "query_int.h"

#include "base/clock.h"
#include "base/hmap.h"

#include <string.h>

#define FIRST_ROWS 16U
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
	struct row *v;
	uint32_t *heads; /* size of them, a power of 2 */
	uint32_t size, n, newest, oldest;
	uint64_t evicted;
	struct query_counts others;
};

static uint32_t head_of(const struct query_table *t, const struct query_key *k)
{
	return (uint32_t)hash64(k, sizeof *k) & (t->size - 1);
}

static bool same(const struct query_key *a, const struct query_key *b)
{
	return a->digest == b->digest && a->db == b->db && a->user == b->user;
}

/* ---- by use ---- */

static void unlink_row(struct query_table *t, uint32_t i)
{
	struct row *r = &t->v[i];
	if (r->newer == NONE)
		t->newest = r->older;
	else
		t->v[r->newer].older = r->older;
	if (r->older == NONE)
		t->oldest = r->newer;
	else
		t->v[r->older].newer = r->newer;
}

static void link_newest(struct query_table *t, uint32_t i)
{
	struct row *r = &t->v[i];
	r->newer = NONE;
	r->older = t->newest;
	if (t->newest != NONE)
		t->v[t->newest].newer = i;
	t->newest = i;
	if (t->oldest == NONE)
		t->oldest = i;
}

/* ---- by key ---- */

static void chain_in(struct query_table *t, uint32_t i)
{
	uint32_t *head = &t->heads[head_of(t, &t->v[i].key)];
	t->v[i].chain = *head;
	*head = i;
}

static void chain_out(struct query_table *t, uint32_t i)
{
	uint32_t *at = &t->heads[head_of(t, &t->v[i].key)];
	while (*at != i)
		at = &t->v[*at].chain;
	*at = t->v[i].chain;
}

/* Twice as many rows. False: no memory, and all is as it was. */
static bool grow(struct query_table *t)
{
	uint32_t size = t->size ? 2 * t->size : FIRST_ROWS;
	uint32_t *heads = mem_alloc(MEM_STATS, size * sizeof *heads);
	struct row *v = heads ? mem_realloc(MEM_STATS, t->v, size * sizeof *v) : NULL;
	if (!v) {
		mem_free(MEM_STATS, heads);
		return false;
	}
	mem_free(MEM_STATS, t->heads);
	t->v = v;
	t->heads = heads;
	t->size = size;
	memset(v + t->n, 0, (size - t->n) * sizeof *v);
	memset(heads, 0xff, size * sizeof *heads); /* NONE */
	for (uint32_t i = 0; i < t->n; i++)
		chain_in(t, i);
	return true;
}

static struct query_table *table_new(void)
{
	struct query_table *t = mem_alloc(MEM_STATS, sizeof *t);
	if (!t)
		return NULL;
	t->newest = t->oldest = NONE;
	if (!grow(t))
		mem_free(MEM_STATS, t);
	return t->size ? t : NULL;
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
	struct row *r = &t->v[i];
	query_counts_add(&t->others, &r->n);
	mem_free(MEM_STATS, r->text);
	unlink_row(t, i);
	chain_out(t, i);
	*r = (struct row){ .given = r->given + 1 };
	t->evicted++;
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
	return (t->v[i].given << PLACE_BITS) | (i + 1);
}

/* NULL: it has gone. */
static struct row *row_of(const struct query_table *t, uint32_t number)
{
	uint32_t i = (number & PLACE_MASK) - 1;
	return t && number && i < t->n && number_of(t, i) == number ? &t->v[i] : NULL;
}

uint32_t query_table_find(struct query_table **tp, const struct query_key *k, unsigned max,
	const struct proto_statement *s)
{
	struct query_table *t = *tp ? *tp : (*tp = table_new());
	if (!t)
		return 0;
	uint32_t i = t->heads[head_of(t, k)];
	while (i != NONE && !same(&t->v[i].key, k))
		i = t->v[i].chain;
	if (i == NONE) {
		char *text = text_of(s);
		if (!text || (t->n < max && t->n == t->size && !grow(t))) {
			mem_free(MEM_STATS, text);
			return 0;
		}
		i = t->n < max ? t->n++ : evict(t);
		t->v[i].key = *k;
		t->v[i].text = text;
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

static void add_totals(struct query_totals *sum, const struct query_counts *n)
{
	sum->calls += n->calls;
	sum->errors += n->errors;
	sum->rows += n->rows;
	sum->total_us += n->total_us;
	sum->wait_us += n->wait_us;
}

void query_table_totals(const struct query_table *t, struct query_totals *sum)
{
	if (!t)
		return;
	sum->statements += t->n;
	sum->evicted += t->evicted;
	for (uint32_t i = 0; i < t->n; i++)
		add_totals(sum, &t->v[i].n);
	add_totals(sum, &t->others);
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

void query_table_copy(const struct query_table *t, int64_t loop_us, struct query_rows *out)
{
	int64_t to_wall_us = clock_wall_us() - loop_us;
	*out = (struct query_rows){ 0 };
	if (!t)
		return;
	out->evicted = t->evicted;
	out->v = mem_alloc(MEM_STATS, (t->n + 1) * sizeof *out->v);
	out->no_memory = !out->v;
	for (uint32_t i = 0; i < t->n && out->v; i++)
		copy_row(out, &t->v[i].key, &t->v[i].n, t->v[i].text, to_wall_us);
	if (out->v)
		copy_row(out, NULL, &t->others, NULL, to_wall_us);
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
		mem_free(MEM_STATS, t->v[i].text);
	mem_free(MEM_STATS, t->v);
	mem_free(MEM_STATS, t->heads);
	mem_free(MEM_STATS, t);
	*tp = NULL;
}
