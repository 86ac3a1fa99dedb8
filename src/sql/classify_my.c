/*
 * One pass over a MySQL text: cuts it into statements, follows parentheses and names, and sees
 * the clauses, variables and calls that may stand anywhere. Ignorant of what verbs mean. Any
 * thread.
 */
#include "classify_my_int.h"

#include "base/mem.h"

#include <string.h>

void my_unsure(struct my_pass *p)
{
	p->flags |= SQL_MY_UNSURE;
	p->ended = true;
}

/* Names the server has in information_schema and performance_schema. */
static void special_table(struct my_pass *p, uint16_t id)
{
	bool is_variable = p->verb == SQL_MY_V_SET && p->depth == 0;
	if (id == MY_W_PROCESSLIST)
		p->flags |= SQL_MY_PROCESSLIST;
	else if ((id == MY_W_OPTIMIZER_TRACE || id == MY_W_PROFILING) && !is_variable)
		p->flags |= SQL_MY_PROFILE;
}

/* Reading @@name. As the left side of a SET it is over-reported. */
static void system_variable(struct my_pass *p, const struct sql_my_word *w)
{
	if (w == NULL)
		return;
	if (w->sysvar == SQL_MY_SYS_LAST_ID)
		p->flags |= SQL_MY_LAST_ID;
	else if (w->sysvar == SQL_MY_SYS_LAST_GTID)
		p->flags |= SQL_MY_LAST_GTID;
	else if (w->sysvar == SQL_MY_SYS_DIAG)
		p->flags |= SQL_MY_DIAG;
	else if (w->id == MY_W_PSEUDO_THREAD_ID)
		p->flags |= SQL_MY_CONN_ID;
}

/* WITH a AS (...) is over: which statement is it? */
static void with_statement(struct my_pass *p, uint16_t id)
{
	if (id == MY_W_SELECT || id == MY_W_VALUES || id == MY_W_TABLE) {
		p->with_list = false;
	} else if (id == MY_W_UPDATE || id == MY_W_DELETE || id == MY_W_INSERT ||
		   id == MY_W_REPLACE) {
		p->with_list = false;
		p->flags |= SQL_MY_WRITE;
		p->verb = id == MY_W_UPDATE   ? SQL_MY_V_UPDATE
			  : id == MY_W_DELETE ? SQL_MY_V_DELETE
					      : SQL_MY_V_INSERT;
		if (p->out->verb == SQL_MY_V_SELECT)
			p->out->verb = p->verb;
	}
}

/* A word that stands as a keyword, anywhere in the statement. */
static void keyword(struct my_pass *p, uint16_t id)
{
	if (p->with_list && p->depth == 0)
		with_statement(p, id);
	switch (id) {
	case MY_W_SELECT:
	case MY_W_VALUES:
		if (!p->quiet)
			p->expressions = true;
		break;
	case MY_W_SQL_CALC_FOUND_ROWS: p->flags |= SQL_MY_CALC_FOUND_ROWS; break;
	case MY_W_UPDATE:
	case MY_W_SHARE:
		if (seen_id(p->prev) == MY_W_FOR)
			p->flags |= SQL_MY_ROW_LOCK;
		break;
	case MY_W_IN:
		if (seen_id(p->prev) == MY_W_LOCK)
			p->flags |= SQL_MY_ROW_LOCK;
		break;
	case MY_W_RETURNING: /* MariaDB: its result's end has no insert id (seen on 10.11, 11.8) */
		if (p->verb == SQL_MY_V_INSERT)
			p->flags |= SQL_MY_SET_LAST_ID;
		break;
	case MY_W_ROW_COUNT: /* GET DIAGNOSTICS @n = ROW_COUNT */
		if (p->verb == SQL_MY_V_GET_DIAG)
			p->flags |= SQL_MY_ROW_COUNT;
		break;
	case MY_W_OUTFILE:
	case MY_W_DUMPFILE: p->flags |= SQL_MY_WRITE; break;
	case MY_W_FOR: /* MariaDB: NEXT VALUE FOR s, PREVIOUS VALUE FOR s */
		if (seen_id(p->prev) == MY_W_VALUE && seen_id(p->prev2) == MY_W_NEXT)
			p->flags |= SQL_MY_SEQ_USE | SQL_MY_WRITE;
		else if (seen_id(p->prev) == MY_W_VALUE && seen_id(p->prev2) == MY_W_PREVIOUS)
			p->flags |= SQL_MY_SEQ_READ;
		break;
	case MY_W_PROCESSLIST:
	case MY_W_OPTIMIZER_TRACE:
	case MY_W_PROFILING: special_table(p, id); break;
	default: break;
	}
}

/* Apart from what names without quotes run through. */
__attribute__((noinline)) static const struct sql_my_word *quoted_word(const struct sql_my_tok *t)
{
	return t->n > 2 ? my_word_of(t->p + 1, t->n - 2) : NULL;
}

/* A name behind @@, or behind the dot after one. */
static uint32_t on_variable(struct my_pass *p, const struct sql_my_word *w)
{
	if (p->route != NULL)
		route_my_variable(p, w);
	system_variable(p, w);
	return seen_make(p->tok.kind, 0) | SEEN_OPERAND;
}

static inline void chain_name(
	struct my_pass *p, const struct sql_my_word *w, bool part, bool quoted)
{
	struct my_chain *c = &p->chain;

	if (part && c->parts != 0) {
		c->parts++;
	} else {
		c->before = p->prev;
		c->parts = 1;
	}
	c->word = w;
	c->quoted = quoted;
	c->end = p->lex.p;
}

/* Returns what the token is to those behind it, as all on_...() do. */
static uint32_t on_name(struct my_pass *p)
{
	bool quoted = p->tok.kind == SQL_MY_TOK_QUOTED, part = seen_ch(p->prev) == '.';
	const struct sql_my_word *w = quoted ? quoted_word(&p->tok) : p->tok.word;
	uint32_t now = seen_make(p->tok.kind, 0);

	if (p->after_sysvar)
		return on_variable(p, w);
	if (p->route != NULL)
		route_my_name(p, w);
	chain_name(p, w, part, quoted);
	if (!quoted && !part && p->tok.id != 0) {
		keyword(p, p->tok.id);
		return now | p->tok.id;
	}
	if ((quoted || part) && w != NULL)
		special_table(p, w->id);
	return seen_ch(p->prev) == '{' ? now : now | SEEN_OPERAND; /* {fn f(1)} */
}

static void on_open(struct my_pass *p)
{
	p->converts = p->converts << 1;
	if (my_seen_name(p->prev)) {
		p->converts |= seen_id(p->prev) == MY_W_CONVERT;
		if (p->expressions)
			my_call(p);
	}
	p->depth++;
}

static uint32_t on_punct(struct my_pass *p)
{
	uint32_t now = seen_make(SQL_MY_TOK_PUNCT, p->tok.ch);

	switch (p->tok.ch) {
	case '(': on_open(p); break;
	case ')':
		if (p->depth == 0) {
			my_unsure(p);
			break;
		}
		p->depth--;
		p->converts >>= 1;
		now |= SEEN_OPERAND;
		break;
	case '}': now |= SEEN_OPERAND; break;
	case '.':
		if (!my_seen_name(p->prev))
			p->chain.parts = 0;
		break;
	default: break;
	}
	return now;
}

static void user_variable(struct my_pass *p, unsigned use)
{
	if (use & MY_VAR_READ)
		p->flags |= SQL_MY_VAR_READ;
	if (use & MY_VAR_SET)
		p->flags |= use & MY_VAR_BY_SET ? SQL_MY_VAR_SET : SQL_MY_VAR_SILENT;
}

/* @@ a . b, and no name behind that without a dot */
static void follow_sysvar(struct my_pass *p, bool name)
{
	bool part = name && p->after_sysvar;

	p->after_sysvar = p->tok.kind == SQL_MY_TOK_SYSVAR || (p->in_sysvar && p->tok.ch == '.');
	p->in_sysvar = part;
}

static uint32_t on_other(struct my_pass *p)
{
	if (p->route != NULL)
		route_my_other(p->route, &p->tok);
	if (p->tok.kind == SQL_MY_TOK_PUNCT)
		return on_punct(p);
	uint32_t now = seen_make(p->tok.kind, p->tok.ch);

	return p->tok.kind == SQL_MY_TOK_OP || p->tok.kind == SQL_MY_TOK_ASSIGN
		       ? now
		       : now | SEEN_OPERAND;
}

static void on_token(struct my_pass *p)
{
	bool name = p->tok.kind == SQL_MY_TOK_WORD || p->tok.kind == SQL_MY_TOK_QUOTED;

	if (p->after_last_id) {
		p->after_last_id = false;
		p->flags |= p->tok.ch == ')' ? SQL_MY_LAST_ID : SQL_MY_SET_LAST_ID;
	}
	uint32_t now = name ? on_name(p) : on_other(p);

	if (p->vars) { /* both need an @ */
		follow_sysvar(p, name);
		if (!p->quiet)
			user_variable(p, my_place_step(&p->place, &p->tok));
	}
	p->prev2 = p->prev;
	p->prev = now;
}

/* A semicolon: does the statement end here? Rare, so apart from what each token runs through. */
__attribute__((noinline)) static bool splits(struct my_pass *p)
{
	struct sql_my_lex ahead = p->lex;
	struct sql_my_tok t;

	if (p->lex.in_comment || p->depth != 0) {
		my_unsure(p);
		return true;
	}
	if (!p->program)
		return true;
	if (!p->o->multi_statements)
		return false;
	/* The body's own, or the text's next statement? Only the server's grammar knows. */
	do
		sql_my_lex_next(&ahead, &t);
	while (t.ch == ';');
	if (t.kind != SQL_MY_TOK_END)
		my_unsure(p);
	return true;
}

bool my_next(struct my_pass *p)
{
	if (p->ended)
		return false;
	sql_my_lex_next(&p->lex, &p->tok);
	if (p->tok.kind == SQL_MY_TOK_BAD) {
		my_unsure(p);
	} else if (p->tok.kind == SQL_MY_TOK_END || (p->tok.ch == ';' && splits(p))) {
		p->ended = true;
	} else {
		if (p->tokens_n++ == 0 && p->route != NULL)
			p->route->start = p->tok.p;
		on_token(p);
	}
	return !p->ended;
}

void sql_my_start(struct sql_my_iter *it, const struct sql_my_opts *o, const char *text, size_t n)
{
	memset(it, 0, sizeof(*it));
	it->o = o;
	it->text = text != NULL ? text : "";
	it->n = n;
	it->vars = n != 0 && memchr(it->text, '@', n) != NULL;
	sql_my_lex_init(&it->lex, o, it->text, n);
}

static bool has_high_byte(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] & 0x80)
			return true;
	return false;
}

static void run(struct my_pass *p)
{
	if (!my_next(p))
		return;
	p->expressions = true;
	my_verb(p);
	while (my_next(p))
		;
	if (p->flags & SQL_MY_UNSURE)
		return;
	if (p->depth != 0)
		my_unsure(p);
	/* what stands at the end decides about the variable before it */
	if (p->vars)
		user_variable(p, my_place_step(&p->place, &p->tok));
}

/* How the next statement will be read. */
static void shake(struct sql_my_iter *it, struct my_pass *p)
{
	bool mode = (p->flags & SQL_MY_EXECUTE) != 0, charset = mode;

	if (p->verb == SQL_MY_V_SET)
		my_set_flags(p, &mode, &charset);
	it->mode_shaken |= mode;
	it->charset_shaken |= charset;
}

/* Whether an earlier statement of the text may have changed how this one is read. */
static bool is_shaken(const struct sql_my_iter *it, const char *text, size_t n)
{
	if (it->charset_shaken && has_high_byte(text, n))
		return true;
	return it->mode_shaken &&
	       ((it->o->mode & SQL_MY_MODE_IGNORE_SPACE) || memchr(text, '"', n) != NULL ||
		       memchr(text, '\\', n) != NULL);
}

/* One statement, or nothing but blanks. */
static void one(struct sql_my_iter *it, struct sql_my_stmt *out, struct my_route *route)
{
	struct my_pass p;
	size_t at = (size_t)(it->lex.p - it->text);

	mem_zero(&p, sizeof(p));
	p.o = it->o;
	p.out = out;
	p.route = route;
	p.text = it->text;
	p.lex = it->lex;
	p.vars = it->vars;
	mem_zero(out, offsetof(struct sql_my_stmt, name));
	out->at = at;
	run(&p);
	out->n = (size_t)(p.tok.p - it->text) - at;
	if (p.tokens_n != 0 && !(p.flags & SQL_MY_UNSURE)) {
		if (is_shaken(it, it->text + at, out->n))
			my_unsure(&p);
		else
			shake(it, &p);
	}
	if (out->verb == SQL_MY_V_EMPTY && (p.tokens_n != 0 || (p.flags & SQL_MY_UNSURE)))
		out->verb = p.flags & SQL_MY_UNSURE ? SQL_MY_V_OTHER : p.verb;
	out->flags = p.flags;
	if (route != NULL)
		route->verb = p.verb;
	it->lex = p.lex;
	if (p.flags & SQL_MY_UNSURE) {
		out->n = it->n - at;
		it->ended = true;
	} else if (p.tok.kind == SQL_MY_TOK_END) {
		it->ended = true;
	}
}

bool my_next_statement(struct sql_my_iter *it, struct sql_my_stmt *out_r, struct my_route *r)
{
	while (!it->ended) {
		one(it, out_r, r);
		if (out_r->verb != SQL_MY_V_EMPTY)
			return true;
	}
	return false;
}

bool sql_my_next(struct sql_my_iter *it, struct sql_my_stmt *out_r)
{
	return my_next_statement(it, out_r, NULL);
}

void sql_my_classify(
	const struct sql_my_opts *o, const char *text, size_t n, struct sql_my_stmt *out_r)
{
	struct sql_my_iter it;
	struct sql_my_stmt more;

	sql_my_start(&it, o, text, n);
	if (!sql_my_next(&it, out_r)) {
		memset(out_r, 0, offsetof(struct sql_my_stmt, name));
		return;
	}
	out_r->statements_n = 1;
	while (sql_my_next(&it, &more)) {
		out_r->statements_n++;
		out_r->flags |= more.flags | SQL_MY_MULTI;
	}
}
