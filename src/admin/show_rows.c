/* show_rows - what a struct show_query asks of finished rows: those that its condition is true of,
 * in its order, as many as it wants, with its columns. SQL's three values: a comparison with NULL
 * is neither true nor false. Pure. */
#include "show_int.h"

#include "base/mem.h"
#include "conf/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- columns ---- */

static int no_column(
	const struct show_query *q, const struct rowset *rs, const char *name, struct err *e)
{
	const char *best = NULL;
	size_t least = strlen(name) / 3 + 2;
	char list[sizeof e->hint];
	size_t at = 0;
	for (unsigned j = 0; j < rs->n_cols; j++) {
		size_t d = opt_distance(name, rs->col_names[j]);
		if (d < least) {
			least = d;
			best = rs->col_names[j];
		}
		if (at < sizeof list)
			at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", j ? ", " : "",
				rs->col_names[j]);
	}
	err_set(e, ERR_SYNTAX, "%.60s has no column \"%.60s\"", q->what, name);
	if (best)
		return err_hint(e, "Did you mean \"%s\"?", best);
	return at < sizeof list - 12
		       ? err_hint(e, "It has %s.", list)
		       : err_hint(e, "SHOW %.60s LIMIT 0 names its columns.", q->what);
}

static int find_column(const struct show_query *q, const struct rowset *rs, const char *name,
	unsigned *col_r, struct err *e)
{
	for (unsigned j = 0; j < rs->n_cols; j++)
		if (!strcasecmp(rs->col_names[j], name)) {
			*col_r = j;
			return 0;
		}
	return no_column(q, rs, name, e);
}

static bool is_number(enum rowset_type t)
{
	return t == RS_INT4 || t == RS_INT8 || t == RS_NUMERIC;
}

/* Makes the value what the column's are. */
static int fit_value(const char *column, enum rowset_type t, struct show_value *v, struct err *e)
{
	char *end;
	if (!is_number(t)) {
		if (!v->is_number)
			return 0;
		err_set(e, ERR_SYNTAX, "column \"%.60s\" holds text, %.60s is a number", column,
			v->text);
		return err_hint(e, "Write '%.60s'.", v->text);
	}
	v->n = strtold(v->text, &end);
	if (end != v->text && *end == '\0')
		return 0;
	return err_set(
		e, ERR_SYNTAX, "column \"%.60s\" holds numbers, '%.60s' is none", column, v->text);
}

static int resolve_where(struct show_query *q, const struct rowset *rs, struct err *e)
{
	for (unsigned i = 0; i < q->conds_n; i++) {
		struct show_cond *c = &q->conds[i];
		if (c->op >= SHOW_NOT)
			continue;
		if (find_column(q, rs, c->column, &c->col, e) != 0)
			return -1;
		if (c->op == SHOW_LIKE || c->op == SHOW_ILIKE)
			continue;
		for (unsigned k = 0; k < c->values_n; k++)
			if (fit_value(c->column, rs->col_types[c->col], &q->values[c->value + k],
				    e) != 0)
				return -1;
	}
	return 0;
}

/* ORDER BY: a label, a place in what is selected, or any column. */
static int resolve_order(
	struct show_query *q, const struct rowset *rs, const unsigned *cols, struct err *e)
{
	for (unsigned i = 0; i < q->order_n; i++) {
		struct show_order *o = &q->order[i];
		unsigned out_n = q->columns_n ? q->columns_n : rs->n_cols;
		unsigned j = 0;
		if (!o->name && o->place > out_n)
			return err_set(e, ERR_SYNTAX, "ORDER BY %u: there are %u columns", o->place,
				out_n);
		if (!o->name) {
			o->col = q->columns_n ? cols[o->place - 1] : o->place - 1;
			continue;
		}
		while (j < q->columns_n && strcasecmp(q->columns[j].label, o->name) != 0)
			j++;
		if (j < q->columns_n)
			o->col = cols[j];
		else if (find_column(q, rs, o->name, &o->col, e) != 0)
			return -1;
	}
	return 0;
}

/* ---- conditions ---- */

static bool same(char a, char b, bool fold)
{
	return a == b || (fold && tolower((unsigned char)a) == tolower((unsigned char)b));
}

/* Bytes of the character at s, as UTF-8. */
static size_t char_n(const char *s)
{
	size_t n = 1;
	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

bool show_like(const char *s, const char *p, bool fold)
{
	const char *star = NULL, *back = NULL;
	while (*s) {
		if (*p == '%') {
			star = ++p;
			back = s;
		} else if (*p == '_') {
			p++;
			s += char_n(s);
		} else {
			bool escaped = *p == '\\' && p[1];
			if (*p && same(p[escaped], *s, fold)) {
				p += 1 + escaped;
				s++;
			} else if (star) {
				p = star;
				s = ++back;
			} else {
				return false;
			}
		}
	}
	while (*p == '%')
		p++;
	return *p == '\0';
}

static int compare_cell(enum rowset_type t, const char *cell, const struct show_value *v)
{
	if (!is_number(t))
		return strcmp(cell, v->text);
	long double n = strtold(cell, NULL);
	return (n > v->n) - (n < v->n);
}

enum truth { FALSE, TRUE, UNKNOWN };

static bool holds(
	const struct show_cond *c, enum rowset_type t, const char *cell, const struct show_value *v)
{
	switch (c->op) {
	case SHOW_EQ: return compare_cell(t, cell, v) == 0;
	case SHOW_NE: return compare_cell(t, cell, v) != 0;
	case SHOW_LT: return compare_cell(t, cell, v) < 0;
	case SHOW_LE: return compare_cell(t, cell, v) <= 0;
	case SHOW_GT: return compare_cell(t, cell, v) > 0;
	case SHOW_GE: return compare_cell(t, cell, v) >= 0;
	case SHOW_LIKE: return show_like(cell, v->text, false);
	case SHOW_ILIKE: return show_like(cell, v->text, true);
	case SHOW_BETWEEN:
		return compare_cell(t, cell, v) >= 0 && compare_cell(t, cell, v + 1) <= 0;
	case SHOW_IN:
		for (unsigned k = 0; k < c->values_n; k++)
			if (compare_cell(t, cell, v + k) == 0)
				return true;
		return false;
	case SHOW_IS_NULL:
	case SHOW_NOT:
	case SHOW_AND:
	case SHOW_OR: break;
	}
	return false;
}

static enum truth compared(const struct show_query *q, const struct rowset *rs, char *const *row,
	const struct show_cond *c)
{
	const char *cell = row[c->col];
	if (c->op == SHOW_IS_NULL)
		return cell ? FALSE : TRUE;
	if (!cell)
		return UNKNOWN;
	return holds(c, rs->col_types[c->col], cell, &q->values[c->value]) ? TRUE : FALSE;
}

/* The parser bounds the depth: a chain of ANDs by the number of conditions. */
static enum truth eval(
	const struct show_query *q, const struct rowset *rs, char *const *row, int cond)
{
	const struct show_cond *c = &q->conds[cond];
	if (c->op < SHOW_NOT)
		return compared(q, rs, row, c);
	enum truth a = eval(q, rs, row, c->a), b;
	if (c->op == SHOW_NOT)
		return a == UNKNOWN ? UNKNOWN : a == TRUE ? FALSE : TRUE;
	enum truth ends = c->op == SHOW_AND ? FALSE : TRUE;
	b = a == ends ? ends : eval(q, rs, row, c->b);
	return a == ends || b == ends ? ends : a == UNKNOWN || b == UNKNOWN ? UNKNOWN : a;
}

static bool is_wanted(const struct show_query *q, const struct rowset *rs, char *const *row)
{
	if (q->like && (!row[0] || !show_like(row[0], q->like, false)))
		return false;
	return q->where < 0 || eval(q, rs, row, q->where) == TRUE;
}

/* ---- rows ---- */

static void free_row(const struct rowset *rs, char **row)
{
	for (unsigned j = 0; j < rs->n_cols; j++)
		mem_free(MEM_ADMIN, row[j]);
	mem_free(MEM_ADMIN, row);
}

static void keep_wanted(const struct show_query *q, struct rowset *rs)
{
	size_t kept = 0;
	for (size_t i = 0; i < rs->n_rows; i++)
		if (is_wanted(q, rs, rs->rows[i]))
			rs->rows[kept++] = rs->rows[i];
		else
			free_row(rs, rs->rows[i]);
	rs->n_rows = kept;
}

static void keep_range(struct rowset *rs, uint64_t offset, uint64_t limit)
{
	size_t kept = 0;
	for (size_t i = 0; i < rs->n_rows; i++)
		if (i >= offset && kept < limit)
			rs->rows[kept++] = rs->rows[i];
		else
			free_row(rs, rs->rows[i]);
	rs->n_rows = kept;
}

struct sorting {
	const struct show_query *q;
	const struct rowset *rs;
};
struct place {
	char **row;
	size_t i;
};

/* NULLs come last, whichever way. */
static int compare_rows(const void *pa, const void *pb, void *arg)
{
	const struct sorting *s = arg;
	const struct place *a = pa, *b = pb;
	for (unsigned i = 0; i < s->q->order_n; i++) {
		const struct show_order *o = &s->q->order[i];
		const char *x = a->row[o->col], *y = b->row[o->col];
		if (!x || !y) {
			if (!x != !y)
				return x ? -1 : 1;
			continue;
		}
		struct show_value v = { .text = y, .n = strtold(y, NULL) };
		int d = compare_cell(s->rs->col_types[o->col], x, &v);
		if (d)
			return o->desc ? -d : d;
	}
	return a->i < b->i ? -1 : a->i > b->i;
}

static int sort_rows(const struct show_query *q, struct rowset *rs, struct err *e)
{
	struct sorting s = { q, rs };
	if (q->order_n == 0 || rs->n_rows < 2)
		return 0;
	struct place *all = mem_alloc(MEM_ADMIN, rs->n_rows * sizeof *all);
	if (!all)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < rs->n_rows; i++)
		all[i] = (struct place){ rs->rows[i], i };
	qsort_r(all, rs->n_rows, sizeof *all, compare_rows, &s);
	for (size_t i = 0; i < rs->n_rows; i++)
		rs->rows[i] = all[i].row;
	mem_free(MEM_ADMIN, all);
	return 0;
}

/* rs becomes out; what rs was is freed, and what it says beside its rows stays. */
static int replace(struct rowset *rs, struct rowset *out, struct err *e)
{
	bool failed = err_is(&out->err);
	if (failed) {
		*e = out->err;
		rowset_fini(out);
		return -1;
	}
	out->notice = rs->notice;
	out->notice_detail = rs->notice_detail;
	out->tag = rs->tag;
	rs->notice = rs->notice_detail = rs->tag = NULL;
	rowset_fini(rs);
	*rs = *out;
	return 0;
}

static int count_rows(struct rowset *rs, struct err *e)
{
	struct rowset out;
	rowset_init(&out);
	rowset_col(&out, "count", RS_INT8);
	rowset_setf(&out, rowset_row(&out), 0, "%zu", rs->n_rows);
	return replace(rs, &out, e);
}

static int project(
	const struct show_query *q, struct rowset *rs, const unsigned *cols, struct err *e)
{
	struct rowset out;
	rowset_init(&out);
	for (unsigned k = 0; k < q->columns_n; k++)
		rowset_col(&out, q->columns[k].label, rs->col_types[cols[k]]);
	for (size_t i = 0; i < rs->n_rows; i++) {
		char **row = rowset_row(&out);
		for (unsigned k = 0; k < q->columns_n; k++)
			rowset_set(&out, row, k, rs->rows[i][cols[k]]);
	}
	return replace(rs, &out, e);
}

static int resolve(struct show_query *q, const struct rowset *rs, unsigned cols[SHOW_COLUMNS_MAX],
	struct err *e)
{
	if (rs->n_cols == 0)
		return err_set(e, ERR_SYNTAX, "%.60s has no rows", q->what);
	for (unsigned k = 0; k < q->columns_n; k++) {
		if (find_column(q, rs, q->columns[k].name, &cols[k], e) != 0)
			return -1;
		/* as it is spelt, unless a label was given */
		if (q->columns[k].label == q->columns[k].name)
			q->columns[k].label = rs->col_names[cols[k]];
	}
	return resolve_where(q, rs, e) == 0 ? resolve_order(q, rs, cols, e) : -1;
}

int show_fits(struct show_query *q, const struct rowset *rs, struct err *e)
{
	unsigned cols[SHOW_COLUMNS_MAX];
	return resolve(q, rs, cols, e);
}

int show_apply(struct show_query *q, struct rowset *rs, struct err *e)
{
	unsigned cols[SHOW_COLUMNS_MAX];
	if (resolve(q, rs, cols, e) != 0)
		return -1;
	keep_wanted(q, rs);
	if (q->count && count_rows(rs, e) != 0)
		return -1;
	if (!q->count && sort_rows(q, rs, e) != 0)
		return -1;
	keep_range(rs, q->offset, q->limit);
	return q->columns_n ? project(q, rs, cols, e) : 0;
}
