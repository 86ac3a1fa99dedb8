/* cmd_show_query - SHOW QUERIES and RESET QUERIES: what the workers have counted of statements, put
 * together. Control thread, except where it says "on the worker". */
#include "admin_int.h"

#include "base/clock.h"
#include "query_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the workers' rows as one list ---- */

/* On the worker. */
void query_parts_each(struct worker *w, void *part, void *arg)
{
	const struct admin_ask *q = arg;
	query_table_copy(w->queries, loop_now_us(w->loop), part);
	if (!(q->what & QUERY_RESET))
		return;
	query_table_totals(w->queries, &w->queries_before);
	w->queries_before.statements = 0; /* that one is not counted up */
	query_table_free(&w->queries);
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

bool query_parts_join(struct scatter *s, struct query_rows *out)
{
	size_t n = 0;
	bool ok = true;
	*out = (struct query_rows){ 0 };
	for (unsigned i = 0; i < s->n; i++) {
		const struct query_rows *p = scatter_part(s, i);
		n += p->n;
		out->evicted += p->evicted;
		ok = ok && !p->no_memory;
	}
	out->v = n ? mem_alloc(MEM_STATS, n * sizeof *out->v) : NULL;
	ok = ok && (out->v || n == 0);
	for (unsigned i = 0; i < s->n; i++) {
		struct query_rows *p = scatter_part(s, i);
		if (ok && p->n) {
			memcpy(out->v + out->n, p->v, p->n * sizeof *p->v);
			out->n += p->n;
			p->n = 0;
		}
		query_rows_fini(p);
	}
	join(out);
	return ok;
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

void query_parts_show(struct scatter *s, void (*put)(struct rowset *rs, const struct query_row *q))
{
	struct core_console *r = admin_ask_of(s)->r;
	struct query_rows all;
	bool ok = query_parts_join(s, &all);
	admin_ask_free(s);
	for (size_t i = 0; i < all.n; i++)
		put(&r->result, &all.v[i]);
	query_rows_fini(&all);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

static void shown(struct scatter *s)
{
	query_parts_show(s, put_row);
}

void show_queries(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "sssqqqqqqqqqqqqqqTTss",
		"database user digest calls errors rows bytes total_us wait_us min_us max_us "
		"avg_us p50_us p95_us p99_us primary replica first_seen last_seen histogram query");
	admin_ask(r, &q, sizeof(struct query_rows), query_parts_each, shown);
}

static void was_reset(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	for (unsigned i = 0; i < s->n; i++)
		query_rows_fini(scatter_part(s, i));
	admin_ask_free(s);
	admin_done(r, "RESET");
}

void ctl_reset(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { .what = QUERY_RESET };
	if (l->args_n != 1 || strcasecmp(l->arg[0].text, "queries") != 0) {
		cmd_invalid(r->sql, &r->result.err);
		err_hint(&r->result.err, "Usage: RESET QUERIES");
		admin_refuse(r);
		return;
	}
	admin_ask(r, &q, sizeof(struct query_rows), query_parts_each, was_reset);
}
