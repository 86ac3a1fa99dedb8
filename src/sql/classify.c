/*
 * One pass over a SQL text: splits it into statements, follows parentheses and names, and hands
 * words and calls to the other classify_*.c files. Ignorant of what verbs and functions mean.
 * Any thread.
 */
#include "classify_int.h"

#include <string.h>

static void start_statement(struct pass *p)
{
	memset(&p->verb, 0, offsetof(struct pass, level) - offsetof(struct pass, verb));
	p->verb = SQL_V_EMPTY;
	p->level[0] = (struct level){ 0 };
	if (p->route != NULL)
		route_pg_start(p);
}

static void end_statement(struct pass *p)
{
	if (p->tokens_n == 0)
		return;
	if (p->depth != 0 || p->body != 0)
		p->flags |= SQL_F_BAD;
	if (p->first_id == SQL_W_CLUSTER && p->tokens_n == 1)
		p->flags |= SQL_F_NOT_IN_TX;
	if (p->verb == SQL_V_PREPARE)
		p->flags |= SQL_F_PREPARE;
	else if (p->verb == SQL_V_COMMIT || p->verb == SQL_V_ROLLBACK ||
		 p->verb == SQL_V_PREPARE_TX)
		p->flags |= SQL_F_TX_END | (p->verb == SQL_V_ROLLBACK ? 0 : SQL_F_TX_COMMIT);
	else if (p->verb == SQL_V_ROLLBACK_TO)
		p->flags |= SQL_F_TX_SUB;
	if (p->route != NULL)
		route_pg_end(p);
	if (p->out->n_statements++ == 0)
		p->out->verb = p->verb;
}

/* The statement's name, when one is wanted. */
static void take_name(struct pass *p)
{
	const struct sql_tok *t = &p->tok;
	struct sql_stmt_info *out = p->out;

	p->name_wanted = p->name_last;
	out->name_n = 0;
	if (t->kind == SQL_TOK_UQUOTED || t->decoded_too_long ||
		(t->kind == SQL_TOK_WORD && t->word != NULL && t->word->kwclass == SQL_KW_RESERVED))
		return;
	memcpy(out->name, t->name, t->name_n);
	out->name[t->name_n] = '\0';
	out->name_n = t->name_n;
	out->name_at = (size_t)(t->p - p->text);
	out->name_src_n = t->n;
}

/* A name or keyword in a WITH list. The state falls back to NONE at everything a WITH list does
 * not have, so that a call is never mistaken for the name of a common table expression. */
static void with_word(struct pass *p, uint16_t id)
{
	struct level *lv = &p->level[p->depth];
	uint8_t old = lv->with;

	lv->with = WITH_NONE;
	if (id == SQL_W_WITH) {
		lv->with = WITH_START;
	} else if (old == WITH_START || old == WITH_COMMA) {
		if (id == SQL_W_RECURSIVE && old == WITH_START)
			lv->with = WITH_START;
		else if (id != SQL_W_ORDINALITY && id != SQL_W_TIME &&
			 (id == 0 || p->tok.word->kwclass != SQL_KW_RESERVED))
			lv->with = WITH_NAME;
	} else if (old == WITH_NAME || old == WITH_COLS) {
		lv->with = id == SQL_W_AS ? WITH_AS : WITH_NONE;
	} else if (old == WITH_AS && (id == SQL_W_NOT || id == SQL_W_MATERIALIZED)) {
		lv->with = WITH_AS;
	}
	p->chain.cte = lv->with == WITH_NAME || (lv->with == WITH_AS && id == SQL_W_MATERIALIZED);
}

/* Everything else at the level of a WITH list. "(" comes here before its level is opened. */
static void with_other(struct pass *p, char ch)
{
	struct level *lv = &p->level[p->depth];

	if (lv->with == WITH_NONE)
		return;
	if (ch == '(' && lv->with == WITH_NAME) {
		lv->with = WITH_COLS;
	} else if (ch == '(' && lv->with == WITH_AS) {
		lv->with = WITH_BODY;
		p->query = true;
	} else if (ch == ',' && lv->with == WITH_BODY) {
		lv->with = WITH_COMMA;
	} else {
		lv->with = WITH_NONE;
	}
}

static void continue_chain(struct pass *p)
{
	p->chain.parts++;
	p->chain.word = p->tok.word;
	p->chain.kind = (uint8_t)p->tok.kind;
	p->chain.opaque |= p->tok.kind == SQL_TOK_UQUOTED;
}

static inline void start_chain(struct pass *p)
{
	p->chain = (struct chain){
		.first = p->tok.word,
		.word = p->tok.word,
		.before = p->prev,
		.at = p->tokens_n,
		.parts = 1,
		.kind = (uint8_t)p->tok.kind,
		.opaque = p->tok.kind == SQL_TOK_UQUOTED,
	};
}

/* A name that starts with a p and is as long as pg_temp. */
static void system_name(struct pass *p)
{
	const struct sql_tok *t = &p->tok;

	if (memcmp(t->name, "pg_temp", 7) == 0)
		p->flags |= SQL_F_TEMP;
	else if (t->word != NULL && t->word->id == SQL_W_PG_SETTINGS && (p->flags & SQL_F_WRITE))
		p->flags |= SQL_F_SET_CONFIG; /* UPDATE pg_settings: a rule calls set_config() */
}

/* A name behind a dot. */
static uint32_t on_part(struct pass *p)
{
	if (p->chain.parts != 0)
		continue_chain(p);
	else
		start_chain(p);
	p->name_wanted = false;
	return seen_token(&p->tok) | SEEN_OPERAND;
}

/* Returns what the token is to those behind it, as all on_...() do. */
static uint32_t on_name(struct pass *p)
{
	bool part = seen_ch(p->prev) == '.';
	uint16_t id = part ? 0 : p->tok.keyword;

	if (p->route != NULL)
		route_pg_name(p, id);
	if (p->tok.kind == SQL_TOK_UQUOTED)
		p->flags |= SQL_F_UNKNOWN; /* it may spell pg_temp */
	else if (p->tok.name_n >= 7 && p->tok.name[0] == 'p')
		system_name(p);
	if (part)
		return on_part(p);
	start_chain(p);
	uint32_t now = seen_token(&p->tok) | id;

	if (id == 0 || (id == SQL_W_NOT && seen_operand(p->prev)))
		now |= SEEN_OPERAND;
	if (p->name_wanted)
		take_name(p);
	if (p->verb == SQL_V_EMPTY)
		classify_first_word(p, id);
	else if (id != 0)
		classify_keyword(p, id);
	if (p->level[p->depth].with != WITH_NONE || id == SQL_W_WITH)
		with_word(p, id);
	return now;
}

static void on_open(struct pass *p)
{
	if (seen_name(p->prev))
		classify_call(p);
	with_other(p, '(');
	if (p->depth == CLASSIFY_DEPTH_MAX) {
		p->flags |= SQL_F_BAD;
		return;
	}
	p->level[++p->depth] = (struct level){
		.expr_follows = seen_id(p->prev) == SQL_W_ON ||
				seen_id(p->prev) == SQL_W_OPERATOR ||
				seen_id(p->prev) == SQL_W_WITH,
	};
	if (p->route != NULL)
		route_pg_open(p);
}

static bool on_close(struct pass *p)
{
	if (p->depth == 0) {
		p->flags |= SQL_F_BAD;
		return false;
	}
	return !p->level[p->depth--].expr_follows;
}

/* What no text can begin with: only parentheses may stand before the first word. */
static inline void no_first_word(struct pass *p)
{
	if (p->verb == SQL_V_EMPTY) {
		p->verb = SQL_V_OTHER;
		p->flags |= SQL_F_UNKNOWN;
	}
}

static uint32_t on_punct(struct pass *p)
{
	uint32_t now = seen_token(&p->tok);

	if (p->route != NULL && (p->route->special || p->level[p->depth].columns))
		route_pg_other(p);
	switch (p->tok.ch) {
	case '(': on_open(p); return now;
	case ')': now |= on_close(p) ? SEEN_OPERAND : 0; break;
	case ']':
		now |= SEEN_OPERAND;
		with_other(p, ']');
		break;
	case '.':
		/* a name behind it continues the chain only if a name stands before it */
		if (!seen_name(p->prev))
			p->chain.parts = 0;
		with_other(p, '.');
		break;
	default: with_other(p, p->tok.ch); break;
	}
	no_first_word(p);
	return now;
}

static uint32_t on_literal(struct pass *p)
{
	if (p->route != NULL)
		route_pg_other(p);
	if (p->verb == SQL_V_PREPARE && p->tokens_n == 2 && seen_id(p->prev) == SQL_W_TRANSACTION &&
		p->tok.kind != SQL_TOK_BITS && p->tok.kind != SQL_TOK_NUMBER &&
		p->tok.kind != SQL_TOK_PARAM) {
		p->verb = SQL_V_PREPARE_TX;
		p->out->name_n = 0;
	}
	with_other(p, 0);
	no_first_word(p);
	return seen_token(&p->tok) | SEEN_OPERAND;
}

static uint32_t on_operator(struct pass *p)
{
	if (p->route != NULL)
		route_pg_other(p);
	with_other(p, 0);
	no_first_word(p);
	return seen_token(&p->tok);
}

/* Whether the semicolon in p->tok ends a statement. Inside parentheses only CREATE RULE has one,
 * inside BEGIN ATOMIC it ends a statement of the body. */
static bool splits(struct pass *p)
{
	if (p->depth != 0) {
		if (p->verb != SQL_V_DDL)
			p->flags |= SQL_F_BAD;
		return false;
	}
	if (p->body > 1) {
		p->flags |= SQL_F_BAD; /* a label taken for CASE: where is the end? */
		p->body = 1;
	}
	return p->body == 0;
}

/* False: the text is over. */
static bool on_token(struct pass *p)
{
	uint32_t now = 0;

	switch (p->tok.kind) {
	case SQL_TOK_WORD:
	case SQL_TOK_QUOTED:
	case SQL_TOK_UQUOTED: now = on_name(p); break;
	case SQL_TOK_PUNCT:
		if (p->tok.ch == ';' && splits(p)) {
			end_statement(p);
			start_statement(p);
			return true;
		}
		now = on_punct(p);
		break;
	case SQL_TOK_STRING:
	case SQL_TOK_ESTRING:
	case SQL_TOK_USTRING:
	case SQL_TOK_DOLLAR:
	case SQL_TOK_BITS:
	case SQL_TOK_NUMBER:
	case SQL_TOK_PARAM: now = on_literal(p); break;
	case SQL_TOK_OP:
	case SQL_TOK_CAST:
	case SQL_TOK_OTHER: now = on_operator(p); break;
	case SQL_TOK_END: end_statement(p); return false;
	case SQL_TOK_BAD: p->flags |= SQL_F_BAD; return false;
	}
	p->tokens_n++;
	p->prev2_id = seen_id(p->prev);
	p->prev = now;
	return true;
}

static void run(struct pass *p)
{
	start_statement(p);
	while (!(p->flags & SQL_F_BAD)) {
		sql_lex_next(&p->lex, &p->tok);
		if (p->tokens_n == 1 && (p->first_id == SQL_W_SET || p->first_id == SQL_W_RESET)) {
			classify_set(p);
			p->tokens_n++;
		}
		if (!on_token(p))
			return;
	}
}

static bool has_high_byte(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x80)
			return true;
	return false;
}

void classify_run(struct pass *p)
{
	struct sql_stmt_info *out = p->out;
	size_t n = (size_t)(p->lex.end - p->lex.p);

	p->flags = 0;
	memset(out, 0, offsetof(struct sql_stmt_info, name));
	if (n != 0 && (memchr(p->text, '\0', n) != NULL ||
			      (p->o->unsafe_encoding && has_high_byte(p->text, n))))
		p->flags |= SQL_F_BAD;
	run(p);
	if (p->flags & SQL_F_BAD) {
		/* The server will refuse the text; and if it does not, we have not understood
		 * it. */
		out->verb = SQL_V_OTHER;
		out->n_statements = 0;
	}
	if (out->n_statements > 1)
		p->flags |= SQL_F_MULTI;
	if (out->n_statements != 1) {
		out->set_kind = SQL_SET_NONE;
		out->name_n = 0;
	}
	out->flags = p->flags;
}

void sql_classify(const struct sql_opts *o, const char *text, size_t n, struct sql_stmt_info *out_r)
{
	struct pass p;

	p.o = o;
	p.out = out_r;
	p.text = text;
	p.route = NULL;
	sql_lex_init(&p.lex, o->dialect, text, n, o->standard_conforming_strings);
	classify_run(&p);
}
