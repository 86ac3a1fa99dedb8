/* cmd_show_query - SHOW QUERIES and RESET QUERIES: what the workers have counted of statements, put
 * together. Control thread, except where it says "on the worker". */
#include "admin_int.h"

#include "base/clock.h"
#include "query_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the workers' rows as one list ---- */

/* A command on its way. The next slice of a worker begins at its place in next. */
#define NO_MORE UINT32_MAX
struct ask {
	struct core_console *r;
	bool reset;
	const char *tag;
	void (*fill)(struct rowset *rs, const struct query_rows *all);
	struct query_rows all;
	size_t size; /* of all.v */
	uint32_t next[];
};
struct part {
	struct query_rows rows;
	struct query_table *taken; /* with reset */
	int64_t to_wall_us;
	uint32_t next;
};

/* On the worker, which serves clients: a slice, or in one go the table itself. */
static void each_slice(struct worker *w, void *vpart, void *arg)
{
	const struct ask *a = arg;
	struct part *p = vpart;
	uint32_t from = a->next[w->id], next = 0;
	p->to_wall_us = clock_wall_us() - loop_now_us(w->loop);
	if (a->reset) {
		query_table_totals(w->queries, &w->queries_before);
		w->queries_before.statements = 0; /* that one is not counted up */
		p->taken = w->queries;
		w->queries = NULL;
	} else if (from != NO_MORE) {
		next = query_table_copy(w->queries, from, QUERY_SLICE, p->to_wall_us, &p->rows);
	}
	p->next = next ? next : NO_MORE;
}

static int by_key(const void *pa, const void *pb)
{
	const struct query_row *a = pa, *b = pb;
	if (a->digest != b->digest)
		return a->digest < b->digest ? -1 : 1;
	if (a->db != b->db)
		return (uintptr_t)a->db < (uintptr_t)b->db ? -1 : 1;
	return a->user == b->user ? 0 : (uintptr_t)a->user < (uintptr_t)b->user ? -1 : 1;
}

static int by_time(const void *pa, const void *pb)
{
	const struct query_row *a = pa, *b = pb;
	if (a->n.total_us != b->n.total_us)
		return a->n.total_us > b->n.total_us ? -1 : 1;
	return by_key(a, b);
}

/* Rows of the same key become one. */
static void join(struct query_rows *all)
{
	size_t kept = 0;
	if (all->n)
		qsort(all->v, all->n, sizeof *all->v, by_key);
	for (size_t i = 1; i < all->n; i++) {
		if (by_key(&all->v[kept], &all->v[i]) == 0) {
			query_counts_add(&all->v[kept].n, &all->v[i].n);
			mem_free(MEM_STATS, all->v[i].text);
			all->v[i].text = NULL;
			continue;
		}
		all->v[++kept] = all->v[i];
	}
	all->n = all->n ? kept + 1 : 0;
	if (all->n)
		qsort(all->v, all->n, sizeof *all->v, by_time);
}

/* The rows of p behind those that are there. */
static void append(struct ask *a, struct query_rows *p)
{
	struct query_rows *all = &a->all;
	all->evicted += p->evicted;
	all->no_memory = all->no_memory || p->no_memory;
	if (all->n + p->n > a->size) {
		size_t size = 2 * a->size > all->n + p->n ? 2 * a->size : all->n + p->n;
		struct query_row *v = mem_realloc(MEM_STATS, all->v, size * sizeof *v);
		all->no_memory = all->no_memory || !v;
		all->v = v ? v : all->v;
		a->size = v ? size : a->size;
	}
	if (p->n && all->n + p->n <= a->size) {
		memcpy(all->v + all->n, p->v, p->n * sizeof *p->v);
		all->n += p->n;
		p->n = 0; /* their texts have moved */
	}
	query_rows_fini(p);
}

static void take(struct ask *a, struct part *p)
{
	if (p->taken && a->fill)
		(void)!query_table_copy(p->taken, 0, NO_MORE, p->to_wall_us, &p->rows);
	append(a, &p->rows);
	query_table_free(&p->taken);
}

static void finish(struct ask *a)
{
	struct core_console *r = a->r;
	bool ok = !a->all.no_memory;
	if (a->fill) {
		join(&a->all);
		a->fill(&r->result, &a->all);
	}
	query_rows_fini(&a->all);
	const char *tag = a->tag;
	mem_free(MEM_ADMIN, a);
	if (ok)
		admin_done(r, tag);
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

static void on_slices(struct scatter *s)
{
	struct ask *a = s->arg;
	bool more = false;
	for (unsigned i = 0; i < s->n; i++) {
		struct part *p = scatter_part(s, i);
		take(a, p);
		a->next[i] = p->next;
		more = more || p->next != NO_MORE;
	}
	more = more && !a->all.no_memory && atomic_load(&s->core->state) != CORE_STOP;
	if (!more || core_scatter(s->core, sizeof(struct part), each_slice, on_slices, a) != 0) {
		a->all.no_memory = a->all.no_memory || more;
		finish(a);
	}
}

void query_parts_ask(struct core_console *r, bool reset, const char *tag,
	void (*fill)(struct rowset *rs, const struct query_rows *all))
{
	unsigned n = r->core->n_workers;
	struct ask *a = mem_alloc(MEM_ADMIN, sizeof *a + n * sizeof *a->next);
	if (a) {
		a->r = r;
		a->reset = reset;
		a->tag = tag;
		a->fill = fill;
	}
	if (!a || core_scatter(r->core, sizeof(struct part), each_slice, on_slices, a) != 0) {
		mem_free(MEM_ADMIN, a);
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
	}
}

/* ---- SHOW QUERIES ---- */

/* The end of the bucket in which the share-th of all calls is, but no more than the longest. */
uint64_t query_share_us(const struct query_counts *n, double share)
{
	uint64_t below = 0, wanted = (uint64_t)((double)n->calls * share);
	for (unsigned i = 0; i < QUERY_BUCKETS - 1; i++) {
		below += n->bucket[i];
		if (below > wanted || below == n->calls)
			return query_bucket_us[i] < n->max_us ? query_bucket_us[i] : n->max_us;
	}
	return n->max_us;
}

static void put_histogram(struct rowset *rs, char **row, unsigned col, const struct query_counts *n)
{
	struct buf b;
	buf_init(&b, 0);
	for (unsigned i = 0; i < QUERY_BUCKETS; i++)
		if (n->bucket[i] && i < QUERY_BUCKETS - 1)
			buf_printf(&b, "%s<=%uus:%llu", buf_len(&b) ? " " : "", query_bucket_us[i],
				(unsigned long long)n->bucket[i]);
		else if (n->bucket[i])
			buf_printf(&b, "%s>%uus:%llu", buf_len(&b) ? " " : "",
				query_bucket_us[QUERY_BUCKETS - 2],
				(unsigned long long)n->bucket[i]);
	if (buf_putz(&b, ""))
		rowset_set(rs, row, col, (const char *)buf_data(&b));
	buf_fini(&b);
}

static void put_counts(struct rowset *rs, char **row, const struct query_counts *n)
{
	static const double shares[] = { 0.5, 0.95, 0.99 };
	char text[40];
	const uint64_t v[] = { n->calls, n->errors, n->rows, n->bytes, n->total_us, n->wait_us,
		n->min_us, n->max_us, n->total_us / n->calls };
	unsigned col = 3;
	for (unsigned i = 0; i < sizeof v / sizeof *v; i++)
		admin_set_u64(rs, row, col++, v[i]);
	for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++)
		admin_set_u64(rs, row, col++, query_share_us(n, shares[i]));
	admin_set_u64(rs, row, col++, n->calls - n->replica);
	admin_set_u64(rs, row, col++, n->replica);
	rowset_set(rs, row, col++, clock_format_s(n->first_us, text, sizeof text));
	rowset_set(rs, row, col++, clock_format_s(n->last_us, text, sizeof text));
	put_histogram(rs, row, col, n);
}

static void put_row(struct rowset *rs, const struct query_row *q)
{
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, q->db ? q->db->name : NULL);
	rowset_set(rs, row, 1, q->user ? q->user->name : NULL);
	if (q->db)
		rowset_setf(rs, row, 2, "%016llx", (unsigned long long)q->digest);
	put_counts(rs, row, &q->n);
	rowset_set(rs, row, 20, q->db ? q->text : "(all others)");
}

static void put_rows(struct rowset *rs, const struct query_rows *all)
{
	for (size_t i = 0; i < all->n; i++)
		put_row(rs, &all->v[i]);
}

void show_queries(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "sssqqqqqqqqqqqqqqTTss",
		"database user digest calls errors rows bytes total_us wait_us min_us max_us "
		"avg_us p50_us p95_us p99_us primary replica first_seen last_seen histogram query");
	query_parts_ask(r, false, "SHOW", put_rows);
}

void ctl_reset(struct core_console *r, const struct cmd_line *l)
{
	if (l->args_n != 1 || strcasecmp(l->arg[0].text, "queries") != 0) {
		cmd_invalid(r->sql, &r->result.err);
		err_hint(&r->result.err, "Usage: RESET QUERIES");
		admin_refuse(r);
		return;
	}
	query_parts_ask(r, true, "RESET", NULL);
}
