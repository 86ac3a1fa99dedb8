/*
 * User variables of a statement: which, and whether they are read or set. Ignorant of their
 * values. Any thread.
 */
#include "classify_my_int.h"

#include <string.h>

/* u@host, 'u'@'host': the @ belongs to an account's name. Where the user is called like a keyword
 * it is taken for a variable, which nobody has. */
static bool is_host(const struct sql_my_place *pl, const struct sql_my_tok *t)
{
	return pl->kind == SQL_MY_TOK_STRING || pl->kind == SQL_MY_TOK_QUOTED ||
	       (pl->kind == SQL_MY_TOK_WORD && pl->id == 0 && pl->end == t->p);
}

static unsigned use_of_held(const struct sql_my_place *pl, const struct sql_my_tok *t)
{
	enum sql_my_verb v = pl->verb;

	if (v == SQL_MY_V_SET_STATEMENT || v == SQL_MY_V_COMPOUND || v == SQL_MY_V_OTHER)
		return MY_VAR_READ | MY_VAR_SET;
	if (v == SQL_MY_V_SET && pl->left && (t->ch == '=' || t->kind == SQL_MY_TOK_ASSIGN))
		return MY_VAR_SET | MY_VAR_BY_SET;
	if (pl->target || t->kind == SQL_MY_TOK_ASSIGN || (v == SQL_MY_V_GET_DIAG && t->ch == '='))
		return MY_VAR_SET;
	/* the prepared text may be a CALL with OUT parameters */
	if (v == SQL_MY_V_EXECUTE && pl->left)
		return MY_VAR_READ | MY_VAR_SET;
	if (pl->argument && (t->ch == ',' || t->ch == ')')) {
		if (v == SQL_MY_V_CALL)
			return MY_VAR_READ | MY_VAR_SET;
		if (v == SQL_MY_V_LOAD)
			return MY_VAR_SET;
	}
	return MY_VAR_READ;
}

/* A variable: what of its surroundings must be known when the token behind it has come. */
static void hold(struct sql_my_place *pl, const struct sql_my_tok *t)
{
	if (is_host(pl, t))
		return;
	pl->held = true;
	pl->target = pl->into;
	pl->left = pl->start || pl->using;
	pl->argument = !pl->set && pl->depth == 1 && (pl->ch == '(' || pl->ch == ',');
}

static void place_word(struct sql_my_place *pl, uint16_t id)
{
	if (id == MY_W_INTO)
		pl->into = true;
	else if (id == MY_W_USING)
		pl->using = pl->verb == SQL_MY_V_EXECUTE;
	else if (id == MY_W_SET && pl->id != MY_W_CHARACTER && pl->id != MY_W_CHAR)
		pl->set = true; /* not LOAD DATA's CHARACTER SET */
}

unsigned my_place_step(struct sql_my_place *pl, const struct sql_my_tok *t)
{
	unsigned use = pl->held ? use_of_held(pl, t) : 0;
	bool word = t->kind == SQL_MY_TOK_WORD && pl->ch != '.';
	bool start = false;

	pl->held = false;
	if (t->kind == SQL_MY_TOK_VAR) {
		hold(pl, t);
	} else if (t->ch != ',') {
		pl->into = false;
		if (word)
			place_word(pl, t->id);
	}
	if (t->ch == '(')
		pl->depth++;
	else if (t->ch == ')' && pl->depth > 0)
		pl->depth--;
	if (pl->depth == 0)
		start = t->ch == ',' || (word && t->id == MY_W_SET);
	pl->start = start && (pl->verb == SQL_MY_V_SET || pl->verb == SQL_MY_V_EMPTY);
	pl->kind = t->kind;
	pl->ch = t->ch;
	pl->id = word ? t->id : 0;
	pl->end = t->p + t->n;
	return use;
}

void sql_my_vars_start(struct sql_my_vars *v, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	memset(v, 0, sizeof(*v));
	v->o = o;
	v->place.verb = st->verb;
	sql_my_lex_init(&v->lex, o, text != NULL ? text + st->at : NULL, st->n);
}

static void fill(const struct sql_my_vars *v, unsigned use, struct sql_my_var *out)
{
	size_t n;

	out->read = (use & MY_VAR_READ) != 0;
	out->set = (use & MY_VAR_SET) != 0;
	out->ascii = true;
	out->name_n = 0;
	if (!sql_my_decode(v->o, &v->held, out->name, sizeof(out->name), &n))
		return;
	for (size_t i = 0; i < n; i++) {
		out->name[i] = my_fold(out->name[i]);
		out->ascii &= ((unsigned char)out->name[i] & 0x80) == 0;
	}
	out->name_n = (uint16_t)n;
}

bool sql_my_vars_next(struct sql_my_vars *v, struct sql_my_var *out_r)
{
	struct sql_my_tok t;

	while (!v->ended) {
		sql_my_lex_next(&v->lex, &t);
		v->ended = t.kind == SQL_MY_TOK_END || t.kind == SQL_MY_TOK_BAD;
		unsigned use = my_place_step(&v->place, &t);

		if (use != 0)
			fill(v, use, out_r);
		if (t.kind == SQL_MY_TOK_VAR)
			v->held = t;
		if (use != 0)
			return true;
	}
	return false;
}
