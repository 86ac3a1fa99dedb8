/* show_parse - the text of SHOW ... WHERE and of SELECT ... FROM as a struct show_query. A grammar
 * of our own, small and strict: what it does not know is an error that names the word. Pure. */
#include "show_int.h"

#include "base/mem.h"
#include "base/num.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 32

enum tok { T_END, T_WORD, T_NAME, T_STRING, T_NUMBER, T_OP, T_BAD };

struct reader {
	const char *p;    /* behind the token */
	enum tok tok;     /* the token at hand: */
	const char *text; /* decoded */
	const char *at;   /* where it begins */
	char *pool;
	struct show_query *q;
	struct err *e;
	unsigned depth;
};

/* ---- tokens ---- */

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '.' ||
	       (unsigned char)c >= 0x80;
}

/* The n bytes at s, in the pool. */
static void keep(struct reader *r, const char *s, size_t n)
{
	r->text = memcpy(r->pool, s, n);
	r->pool += n;
	*r->pool++ = '\0';
}

/* From p, which stands at a quote. False: it is not closed. */
static bool keep_quoted(struct reader *r, const char *p)
{
	char q = *p++, *out = r->pool;
	r->text = out;
	for (; *p; p++) {
		if (*p == q && *++p != q) {
			*out++ = '\0';
			r->pool = out;
			r->p = p;
			return true;
		}
		*out++ = *p;
	}
	return false;
}

static size_t number_n(const char *p)
{
	size_t sign = *p == '-' || *p == '+', n = sign, digits;
	digits = strspn(p + n, "0123456789");
	n += digits;
	if (p[n] == '.') {
		size_t more = strspn(p + n + 1, "0123456789");
		digits += more;
		n += 1 + more;
	}
	return digits && !is_word_char(p[n]) ? n : 0;
}

static void next(struct reader *r)
{
	static const char *const ops[] = { "<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",",
		"*" };
	const char *p = r->p + strspn(r->p, " \t\n\r\f\v");
	size_t n;
	r->at = p;
	r->tok = T_BAD;
	if (*p == '\0' || *p == ';') {
		bool end = p[strspn(p, "; \t\n\r\f\v")] == '\0';
		r->tok = end ? T_END : T_BAD;
		return;
	}
	if (*p == '\'' || *p == '"' || *p == '`') {
		if (keep_quoted(r, p))
			r->tok = *p == '\'' ? T_STRING : T_NAME;
		return;
	}
	n = number_n(p);
	if (n) {
		r->tok = T_NUMBER;
		keep(r, p, n);
		r->p = p + n;
		return;
	}
	for (n = 0; is_word_char(p[n]); n++)
		continue;
	if (n) {
		r->tok = T_WORD;
		keep(r, p, n);
		r->p = p + n;
		return;
	}
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		n = strlen(ops[i]);
		if (strncmp(p, ops[i], n) != 0)
			continue;
		r->tok = T_OP;
		r->text = ops[i];
		r->p = p + n;
		return;
	}
}

static bool is_word(const struct reader *r, const char *word)
{
	return r->tok == T_WORD && !strcasecmp(r->text, word);
}

static bool is_op(const struct reader *r, const char *op)
{
	return r->tok == T_OP && !strcmp(r->text, op);
}

static bool take_word(struct reader *r, const char *word)
{
	if (!is_word(r, word))
		return false;
	next(r);
	return true;
}

static bool take_op(struct reader *r, const char *op)
{
	if (!is_op(r, op))
		return false;
	next(r);
	return true;
}

/* ---- errors ---- */

/* What stands there instead of what is wanted. */
static int wanted(struct reader *r, const char *what)
{
	if (r->tok == T_END)
		return err_set(r->e, ERR_SYNTAX, "%s is missing at the end", what);
	if (r->tok == T_BAD && (*r->at == '\'' || *r->at == '"' || *r->at == '`'))
		return err_set(r->e, ERR_SYNTAX, "a quote is not closed: %.60s", r->at);
	return err_set(r->e, ERR_SYNTAX, "%s is wanted where \"%.60s\" stands", what, r->at);
}

static int too_many(struct reader *r, const char *what, unsigned most)
{
	return err_set(r->e, ERR_SYNTAX, "too many %s: at most %u", what, most);
}

/* ---- conditions: each returns its place in conds[], or -1 ---- */

static int parse_or(struct reader *r);

static int add(struct reader *r, struct show_cond c)
{
	struct show_query *q = r->q;
	if (q->conds_n == SHOW_CONDS_MAX)
		return too_many(r, "conditions", SHOW_CONDS_MAX);
	q->conds[q->conds_n] = c;
	return (int)q->conds_n++;
}

static int negated(struct reader *r, bool negate, int cond)
{
	return negate && cond >= 0
		       ? add(r, (struct show_cond){ .op = SHOW_NOT, .a = cond, .b = -1 })
		       : cond;
}

static int take_value(struct reader *r, bool only_string)
{
	struct show_query *q = r->q;
	if (r->tok == T_NAME || (r->tok == T_WORD && !is_word(r, "null"))) {
		wanted(r, only_string ? "a pattern" : "a value");
		return err_hint(r->e, "Columns are compared with values; texts stand in single "
				      "quotes: 'app'.");
	}
	if (is_word(r, "null")) {
		wanted(r, "a value");
		return err_hint(r->e, "Use IS NULL or IS NOT NULL.");
	}
	if (r->tok != T_STRING && (only_string || r->tok != T_NUMBER))
		return wanted(r, only_string ? "a pattern" : "a value");
	if (q->values_n == SHOW_VALUES_MAX)
		return too_many(r, "values", SHOW_VALUES_MAX);
	q->values[q->values_n++] =
		(struct show_value){ .text = r->text, .is_number = r->tok == T_NUMBER };
	next(r);
	return 0;
}

static int parse_in(struct reader *r, struct show_cond *c)
{
	c->op = SHOW_IN;
	if (!take_op(r, "("))
		return wanted(r, "( behind IN");
	do {
		if (take_value(r, false) != 0)
			return -1;
	} while (take_op(r, ","));
	return take_op(r, ")") ? 0 : wanted(r, ") behind the values of IN");
}

static int parse_between(struct reader *r, struct show_cond *c)
{
	c->op = SHOW_BETWEEN;
	if (take_value(r, false) != 0)
		return -1;
	if (!take_word(r, "and"))
		return wanted(r, "AND behind BETWEEN's first value");
	return take_value(r, false);
}

static bool take_compare(struct reader *r, enum show_op *op_r)
{
	static const struct {
		const char *text;
		enum show_op op;
	} all[] = { { "=", SHOW_EQ }, { "<>", SHOW_NE }, { "!=", SHOW_NE }, { "<", SHOW_LT },
		{ "<=", SHOW_LE }, { ">", SHOW_GT }, { ">=", SHOW_GE } };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (take_op(r, all[i].text)) {
			*op_r = all[i].op;
			return true;
		}
	return false;
}

static int parse_is(struct reader *r, struct show_cond *c)
{
	bool negate = take_word(r, "not");
	c->op = SHOW_IS_NULL;
	if (!take_word(r, "null"))
		return wanted(r, "NULL behind IS");
	return negated(r, negate, add(r, *c));
}

/* column op value, and its relatives. */
static int parse_compare(struct reader *r)
{
	struct show_cond c = { .a = -1, .b = -1, .column = r->text, .value = r->q->values_n };
	if (r->tok != T_WORD && r->tok != T_NAME)
		return wanted(r, "a column");
	next(r);
	if (take_word(r, "is"))
		return parse_is(r, &c);
	bool negate = take_word(r, "not");
	int rc;
	if (take_word(r, "like")) {
		c.op = SHOW_LIKE;
		rc = take_value(r, true);
	} else if (take_word(r, "ilike")) {
		c.op = SHOW_ILIKE;
		rc = take_value(r, true);
	} else if (take_word(r, "in")) {
		rc = parse_in(r, &c);
	} else if (take_word(r, "between")) {
		rc = parse_between(r, &c);
	} else if (!negate && take_compare(r, &c.op)) {
		rc = take_value(r, false);
	} else {
		rc = wanted(r, negate ? "LIKE, ILIKE, IN or BETWEEN behind NOT" : "a comparison");
	}
	c.values_n = r->q->values_n - c.value;
	return rc == 0 ? negated(r, negate, add(r, c)) : -1;
}

static int parse_not(struct reader *r)
{
	int cond;
	if (++r->depth > DEPTH_MAX)
		return err_set(r->e, ERR_SYNTAX, "conditions are nested deeper than %d", DEPTH_MAX);
	if (take_word(r, "not")) {
		cond = negated(r, true, parse_not(r));
	} else if (take_op(r, "(")) {
		cond = parse_or(r);
		if (cond >= 0 && !take_op(r, ")"))
			cond = wanted(r, ")");
	} else {
		cond = parse_compare(r);
	}
	r->depth--;
	return cond;
}

static int joined(struct reader *r, enum show_op op, int a, int b)
{
	return a < 0 || b < 0 ? -1 : add(r, (struct show_cond){ .op = op, .a = a, .b = b });
}

static int parse_and(struct reader *r)
{
	int cond = parse_not(r);
	while (cond >= 0 && take_word(r, "and"))
		cond = joined(r, SHOW_AND, cond, parse_not(r));
	return cond;
}

static int parse_or(struct reader *r)
{
	int cond = parse_and(r);
	while (cond >= 0 && take_word(r, "or"))
		cond = joined(r, SHOW_OR, cond, parse_and(r));
	return cond;
}

/* ---- what follows the name ---- */

static int parse_order(struct reader *r)
{
	struct show_query *q = r->q;
	if (!take_word(r, "by"))
		return wanted(r, "BY behind ORDER");
	do {
		struct show_order *o = &q->order[q->order_n];
		int64_t place = 0;
		if (q->order_n == SHOW_ORDER_MAX)
			return too_many(r, "columns in ORDER BY", SHOW_ORDER_MAX);
		if (r->tok == T_WORD || r->tok == T_NAME)
			o->name = r->text;
		else if (r->tok != T_NUMBER || num_i64(r->text, 1, 1000, &place) != 0)
			return wanted(r, "a column to order by");
		o->place = (unsigned)place;
		next(r);
		o->desc = take_word(r, "desc");
		if (!o->desc)
			take_word(r, "asc");
		q->order_n++;
	} while (take_op(r, ","));
	return 0;
}

static int take_count(struct reader *r, uint64_t *v_r)
{
	int64_t v;
	if (r->tok != T_NUMBER || num_i64(r->text, 0, INT64_MAX, &v) != 0)
		return wanted(r, "a number of rows");
	*v_r = (uint64_t)v;
	next(r);
	return 0;
}

static int parse_limit(struct reader *r)
{
	struct show_query *q = r->q;
	if (take_word(r, "all"))
		q->limit = UINT64_MAX;
	else if (take_count(r, &q->limit) != 0)
		return -1;
	if (take_op(r, ",")) { /* MySQL's: offset, limit */
		q->offset = q->limit;
		return take_count(r, &q->limit);
	}
	return take_word(r, "offset") ? take_count(r, &q->offset) : 0;
}

static int parse_clauses(struct reader *r)
{
	struct show_query *q = r->q;
	if (!q->is_select && take_word(r, "like")) {
		if (r->tok != T_STRING)
			return wanted(r, "a pattern in single quotes");
		q->like = r->text;
		next(r);
	}
	if (take_word(r, "where") && (q->where = parse_or(r)) < 0)
		return -1;
	if (take_word(r, "order") && parse_order(r) != 0)
		return -1;
	if (take_word(r, "limit") && parse_limit(r) != 0)
		return -1;
	if (r->tok == T_END)
		return 0;
	wanted(r, q->where >= 0 ? "AND, OR, ORDER BY, LIMIT or the end"
				: "WHERE, ORDER BY, LIMIT or the end");
	return q->is_select ? -1
			    : err_hint(r->e, "SHOW name [LIKE 'pattern'] [WHERE condition] "
					     "[ORDER BY column] [LIMIT n]");
}

/* ---- what stands before it ---- */

static int parse_column(struct reader *r)
{
	struct show_query *q = r->q;
	struct show_column *c = &q->columns[q->columns_n];
	if (r->tok != T_WORD && r->tok != T_NAME)
		return wanted(r, "a column");
	if (q->columns_n == SHOW_COLUMNS_MAX)
		return too_many(r, "columns", SHOW_COLUMNS_MAX);
	c->name = c->label = r->text;
	next(r);
	if (is_op(r, "(")) {
		err_set(r->e, ERR_SYNTAX, "the console has no function %.60s()", c->name);
		return err_hint(r->e, "It has count(*), alone.");
	}
	if (take_word(r, "as")) {
		if (r->tok != T_WORD && r->tok != T_NAME)
			return wanted(r, "a name behind AS");
		c->label = r->text;
		next(r);
	}
	q->columns_n++;
	return 0;
}

/* count(*), and nothing beside it. */
static bool take_count_all(struct reader *r)
{
	struct reader at = *r;
	if (take_word(r, "count") && take_op(r, "(") && take_op(r, "*") && take_op(r, ")"))
		return true;
	*r = at;
	return false;
}

static int parse_select(struct reader *r)
{
	struct show_query *q = r->q;
	q->all = take_op(r, "*");
	q->count = !q->all && take_count_all(r);
	if (!q->all && !q->count) {
		do {
			if (parse_column(r) != 0)
				return -1;
		} while (take_op(r, ","));
	}
	if (!take_word(r, "from"))
		return wanted(r, "FROM");
	if (r->tok != T_WORD && r->tok != T_NAME)
		return wanted(r, "a name behind FROM");
	q->what = r->text;
	next(r);
	return 0;
}

/* Is there a FROM among its words? Else it is no SELECT of rows. */
static bool has_from(struct reader *r)
{
	struct reader at = *r;
	bool found = false;
	while (r->tok != T_END && r->tok != T_BAD && !found) {
		found = is_word(r, "from");
		next(r);
	}
	*r = at;
	return found;
}

static bool is_clause(const struct reader *r)
{
	return is_word(r, "like") || is_word(r, "where") || is_word(r, "order") ||
	       is_word(r, "limit");
}

static int parse(struct reader *r, bool (*is_name)(const char *))
{
	struct show_query *q = r->q;
	next(r);
	if (is_word(r, "select")) {
		next(r);
		q->is_select = true;
		if (!has_from(r))
			return 0;
		return parse_select(r) == 0 && parse_clauses(r) == 0 ? 1 : -1;
	}
	if (!take_word(r, "show") || (r->tok != T_WORD && r->tok != T_NAME))
		return 0;
	q->what = r->text;
	q->all = true;
	next(r);
	if (r->tok == T_END || (!is_clause(r) && !is_name(q->what)))
		return 0;
	return parse_clauses(r) == 0 ? 1 : -1;
}

int show_parse(
	const char *sql, bool (*is_name)(const char *), struct show_query **q_r, struct err *e)
{
	size_t n = strlen(sql);
	/* Each token has a byte at least, and is kept with one more. */
	struct show_query *q = mem_alloc(MEM_ADMIN, sizeof *q + 2 * n + 2);
	if (!q)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	struct reader r = { .p = sql, .pool = q->pool, .q = q, .e = e };
	q->where = -1;
	q->limit = UINT64_MAX;
	int rc = parse(&r, is_name);
	if (rc == 1)
		*q_r = q;
	else
		mem_free(MEM_ADMIN, q);
	return rc;
}
