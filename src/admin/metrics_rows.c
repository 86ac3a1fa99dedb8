/* metrics_rows - rows of labels and values, and the Prometheus text that the table of metrics makes
 * of them. Ignorant of where the values come from. Control thread. */
#include "metrics_int.h"

#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

void metric_rows_fini(struct metric_rows *all)
{
	for (int s = 0; s < SCOPES_N; s++) {
		for (size_t i = 0; i < all->scope[s].n; i++) {
			mem_free(MEM_ADMIN, all->scope[s].v[i].labels);
			mem_free(MEM_ADMIN, all->scope[s].v[i].hist);
		}
		mem_free(MEM_ADMIN, all->scope[s].v);
	}
	memset(all, 0, sizeof *all);
}

/* Bytes of a valid UTF-8 sequence at s, or 0. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = *s < 0x80                 ? 1
		   : *s >= 0xc2 && *s < 0xe0 ? 2
		   : *s >= 0xe0 && *s < 0xf0 ? 3
		   : *s >= 0xf0 && *s < 0xf5 ? 4
					     : 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
		(*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* The format wants \, " and newline escaped, and UTF-8: other bytes become U+FFFD, as one value
 * that is not valid makes Prometheus refuse all of a scrape. */
static void put_value(struct buf *b, const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		size_t n = utf8_len(p);
		if (n == 0)
			buf_puts(b, "\xef\xbf\xbd");
		else if (*p == '\\' || *p == '"')
			buf_append(b, (uint8_t[]){ '\\', *p }, 2);
		else if (*p == '\n')
			buf_puts(b, "\\n");
		else
			buf_append(b, p, n);
		p += n ? n : 1;
	}
}

static char *make_labels(enum metric_scope s, const char *const *values)
{
	struct buf b;
	const char *name = metric_scope_labels(s);
	buf_init(&b, 0);
	for (unsigned i = 0; *name; i++) {
		size_t n = strcspn(name, ",");
		if (values[i]) {
			buf_puts(&b, buf_len(&b) ? "," : "");
			buf_append(&b, name, n);
			buf_puts(&b, "=\"");
			put_value(&b, values[i]);
			buf_puts(&b, "\"");
		}
		name += n + (name[n] == ',');
	}
	char *text = b.failed ? NULL
			      : mem_strndup(MEM_ADMIN, buf_len(&b) ? (char *)buf_data(&b) : "",
					buf_len(&b));
	buf_fini(&b);
	return text;
}

struct metric_row *metric_row_add(
	struct metric_rows *all, enum metric_scope s, const char *const *label_values)
{
	struct metric_scope_rows *r = &all->scope[s];
	if (r->n == r->size) {
		size_t size = r->size ? r->size * 2 : 8;
		struct metric_row *v = mem_realloc(MEM_ADMIN, r->v, size * sizeof *v);
		if (!v) {
			all->no_memory = true;
			return NULL;
		}
		r->v = v;
		r->size = size;
	}
	struct metric_row *row = &r->v[r->n];
	row->labels = make_labels(s, label_values);
	row->hist = NULL;
	if (!row->labels) {
		all->no_memory = true;
		return NULL;
	}
	for (int i = 0; i < METRIC_VALUES_MAX; i++)
		row->v[i] = NAN;
	r->n++;
	return row;
}

struct hist *metric_row_hist(struct metric_rows *all, struct metric_row *row)
{
	if (!row->hist)
		row->hist = mem_alloc(MEM_ADMIN, POOL_HISTS_N * sizeof *row->hist);
	all->no_memory = all->no_memory || !row->hist;
	return row->hist;
}

static int by_labels(const void *a, const void *b)
{
	const struct metric_row *x = a, *y = b;
	return strcmp(x->labels, y->labels);
}

/* The longest wait of two pools is no sum. */
static bool is_most(enum metric_scope s, int value)
{
	return (s == SCOPE_POOL && (value == V_P_MAXWAIT || value == V_P_FAILING)) ||
	       (s == SCOPE_PGB_POOL && value == V_B_MAXWAIT);
}

/* Of two certificates the one that ends first matters. */
static bool is_least(enum metric_scope s, int value)
{
	return s == SCOPE_POOL && (value == V_P_SERVER_CERT || value == V_P_CLIENT_CERT);
}

static void join_two(enum metric_scope s, struct metric_row *sum, struct metric_row *more)
{
	for (int i = 0; i < METRIC_VALUES_MAX; i++) {
		if (isnan(more->v[i]))
			continue;
		if (isnan(sum->v[i]) || (is_most(s, i) && more->v[i] > sum->v[i]) ||
			(is_least(s, i) && more->v[i] < sum->v[i]))
			sum->v[i] = more->v[i];
		else if (!is_most(s, i) && !is_least(s, i))
			sum->v[i] += more->v[i];
	}
	for (int h = 0; h < POOL_HISTS_N && sum->hist && more->hist; h++)
		hist_merge(&sum->hist[h], &more->hist[h]);
	if (!sum->hist) {
		sum->hist = more->hist;
		more->hist = NULL;
	}
	mem_free(MEM_ADMIN, more->labels);
	mem_free(MEM_ADMIN, more->hist);
}

void metric_rows_join(struct metric_rows *all, enum metric_scope s)
{
	struct metric_scope_rows *r = &all->scope[s];
	size_t n = 0;
	if (r->n)
		qsort(r->v, r->n, sizeof *r->v, by_labels);
	for (size_t i = 0; i < r->n; i++) {
		if (n && strcmp(r->v[n - 1].labels, r->v[i].labels) == 0)
			join_two(s, &r->v[n - 1], &r->v[i]);
		else
			r->v[n++] = r->v[i];
	}
	r->n = n;
}

/* ---- text ---- */

/* name{labels,state="x",le="y"} */
static void put_series(struct buf *b, const char *name, const char *suffix,
	const struct metric_row *row, const char *state, const char *le)
{
	const char *sep = *row->labels ? "," : "";
	buf_puts(b, name);
	buf_puts(b, suffix);
	if (!*row->labels && !state && !le)
		return;
	buf_puts(b, "{");
	buf_puts(b, row->labels);
	if (state) {
		size_t n = strcspn(state, "=");
		buf_printf(b, "%s%.*s=\"%s\"", sep, (int)n, state, state + n + 1);
		sep = ",";
	}
	if (le)
		buf_printf(b, "%sle=\"%s\"", sep, le);
	buf_puts(b, "}");
}

static void put_number(struct buf *b, double v)
{
	if (v == floor(v) && fabs(v) < 1e15)
		buf_printf(b, " %.0f\n", v);
	else
		buf_printf(b, " %.15g\n", v);
}

static void put_hist(
	struct buf *b, const struct metric *m, const struct metric_row *row, const struct hist *h)
{
	uint64_t n = 0;
	char le[32];
	for (unsigned i = 0; i <= HIST_BOUNDS; i++) {
		n += h->n[i];
		if (i == HIST_BOUNDS)
			snprintf(le, sizeof le, "+Inf");
		else
			snprintf(le, sizeof le, "%.9g", (double)hist_bound_us[i] / 1e6);
		put_series(b, m->name, "_bucket", row, NULL, le);
		buf_printf(b, " %" PRIu64 "\n", n);
	}
	put_series(b, m->name, "_sum", row, NULL, NULL);
	put_number(b, (double)h->sum_us / 1e6);
	put_series(b, m->name, "_count", row, NULL, NULL);
	buf_printf(b, " %" PRIu64 "\n", n);
}

static const char *type_name(enum metric_type t)
{
	switch (t) {
	case METRIC_GAUGE: return "gauge";
	case METRIC_COUNTER: return "counter";
	case METRIC_HISTOGRAM: return "histogram";
	}
	return "untyped";
}

/* The n rows of the table that have the name of m. */
static void put_metric(
	struct buf *b, const struct metric *m, unsigned n, const struct metric_scope_rows *rows)
{
	buf_printf(
		b, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, type_name(m->type));
	for (size_t i = 0; i < rows->n; i++) {
		const struct metric_row *row = &rows->v[i];
		for (unsigned j = 0; j < n; j++) {
			if (m->type == METRIC_HISTOGRAM) {
				if (row->hist)
					put_hist(b, m, row, &row->hist[m->value]);
			} else if (!isnan(row->v[m[j].value])) {
				put_series(b, m->name, "", row, m[j].state, NULL);
				put_number(b, row->v[m[j].value]);
			}
		}
	}
}

void metric_rows_text(const struct metric_rows *all, const struct metric_filter *f, struct buf *out)
{
	for (unsigned i = 0, n; i < metric_table_n; i += n) {
		const struct metric *m = &metric_table[i];
		for (n = 1; i + n < metric_table_n && strcmp(m->name, m[n].name) == 0;)
			n++;
		if (metric_wanted(m, f) && all->scope[m->scope].n)
			put_metric(out, m, n, &all->scope[m->scope]);
	}
}
