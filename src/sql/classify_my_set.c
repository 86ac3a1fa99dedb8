/*
 * SET, one assignment after the other, and what its variables mean to a session that changes
 * links. Ignorant of values beyond their kind. Any thread.
 *
 * Source: MySQL manual, "SET Syntax for Variable Assignment", "SET NAMES", "SET TRANSACTION";
 * MariaDB documentation, "SET", "SET STATEMENT".
 */
#include "classify_my_int.h"

#include <string.h>

enum { STEP_FIRST, STEP_NEXT, STEP_COLLATE, STEP_TX, STEP_DONE };

static void advance(struct sql_my_set *s)
{
	sql_my_lex_next(&s->lex, &s->tok);
}

static bool at_end(const struct sql_my_set *s)
{
	return s->tok.kind == SQL_MY_TOK_END || s->tok.kind == SQL_MY_TOK_BAD || s->tok.ch == ';';
}

static bool at_equals(const struct sql_my_set *s)
{
	return s->tok.ch == '=' || s->tok.kind == SQL_MY_TOK_ASSIGN;
}

static struct sql_my_tok ahead(const struct sql_my_set *s)
{
	struct sql_my_lex l = s->lex;
	struct sql_my_tok t;

	sql_my_lex_next(&l, &t);
	return t;
}

static bool odd(struct sql_my_set *s)
{
	s->odd = true;
	s->step = STEP_DONE;
	return false;
}

void sql_my_set_start(struct sql_my_set *s, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	memset(s, 0, sizeof(*s));
	s->o = o;
	s->text = text != NULL ? text : "";
	s->step = STEP_DONE;
	if (st->verb != SQL_MY_V_SET && st->verb != SQL_MY_V_SET_STATEMENT)
		return;
	sql_my_lex_init(&s->lex, o, s->text + st->at, st->n);
	advance(s);
	advance(s);
	s->step = STEP_FIRST;
	if (st->verb == SQL_MY_V_SET_STATEMENT) {
		advance(s);
		s->scope = SQL_MY_S_STATEMENT;
	}
}

/* ---- names ---- */

static void fold_name(struct sql_my_assign *a)
{
	a->name_ascii = true;
	for (size_t i = 0; i < a->name_n; i++) {
		a->name[i] = my_fold(a->name[i]);
		a->name_ascii &= ((unsigned char)a->name[i] & 0x80) == 0;
	}
}

static void put_name(struct sql_my_assign *a, const char *name)
{
	a->name_n = (uint16_t)strlen(name);
	memcpy(a->name, name, a->name_n);
	a->name_known = a->name_ascii = true;
}

/* The current token is a name or @variable, appended to what there is. */
static void add_name(struct sql_my_set *s, struct sql_my_assign *a)
{
	size_t n;

	if (!sql_my_decode(s->o, &s->tok, a->name + a->name_n, SQL_MY_NAME_MAX - a->name_n, &n))
		a->name_known = false;
	else
		a->name_n = (uint16_t)(a->name_n + n);
	advance(s);
}

static bool at_name(const struct sql_my_set *s)
{
	return s->tok.kind == SQL_MY_TOK_WORD || s->tok.kind == SQL_MY_TOK_QUOTED;
}

/* name, component.name */
static bool variable_name(struct sql_my_set *s, struct sql_my_assign *a)
{
	a->name_known = true;
	if (!at_name(s))
		return false;
	add_name(s, a);
	if (s->tok.ch == '.') {
		advance(s);
		if (!at_name(s) || a->name_n == SQL_MY_NAME_MAX)
			return false;
		a->name[a->name_n++] = '.';
		add_name(s, a);
	}
	fold_name(a);
	a->sysvar = sql_my_sysvar(a->name, a->name_known ? a->name_n : 0);
	return true;
}

/* The scope that the current word is, or the one that stands for none. */
static enum sql_my_scope scope_word(const struct sql_my_set *s, enum sql_my_scope none)
{
	switch (s->tok.id) {
	case MY_W_GLOBAL: return SQL_MY_S_GLOBAL;
	case MY_W_PERSIST:
	case MY_W_PERSIST_ONLY: return SQL_MY_S_PERSIST;
	case MY_W_SESSION:
	case MY_W_LOCAL: return SQL_MY_S_SESSION;
	default: return none;
	}
}

/* @@[scope.]name */
static bool at_at(struct sql_my_set *s, struct sql_my_assign *a)
{
	bool scoped = false;

	a->scope = SQL_MY_S_SESSION;
	advance(s);
	enum sql_my_scope scope = scope_word(s, SQL_MY_S_OTHER);

	if (scope != SQL_MY_S_OTHER && ahead(s).ch == '.') {
		a->scope = scope;
		scoped = true;
		advance(s);
		advance(s);
	}
	if (!variable_name(s, a))
		return false;
	/* Without a scope these two are the next transaction's alone. */
	if (!scoped && a->sysvar == SQL_MY_SYS_TX && a->name[0] == 't')
		a->scope = SQL_MY_S_ONCE;
	return true;
}

/* ---- values ---- */

static enum sql_my_value kind_of(const struct sql_my_tok *t)
{
	switch (t->kind) {
	case SQL_MY_TOK_NUMBER:
	case SQL_MY_TOK_BITS: return SQL_MY_VAL_NUMBER;
	case SQL_MY_TOK_STRING: return t->national ? SQL_MY_VAL_EXPR : SQL_MY_VAL_STRING;
	case SQL_MY_TOK_WORD:
		if (t->id == MY_W_DEFAULT)
			return SQL_MY_VAL_DEFAULT;
		return t->id == MY_W_NULL ? SQL_MY_VAL_NULL : SQL_MY_VAL_WORD;
	case SQL_MY_TOK_QUOTED: return SQL_MY_VAL_WORD;
	case SQL_MY_TOK_END:
	case SQL_MY_TOK_VAR:
	case SQL_MY_TOK_SYSVAR:
	case SQL_MY_TOK_ASSIGN:
	case SQL_MY_TOK_PARAM:
	case SQL_MY_TOK_OP:
	case SQL_MY_TOK_PUNCT:
	case SQL_MY_TOK_BAD: break;
	}
	return SQL_MY_VAL_EXPR;
}

static void put_value(
	const struct sql_my_set *s, struct sql_my_assign *a, const struct sql_my_tok *t, char sign)
{
	size_t n = 0;

	if (a->kind == SQL_MY_VAL_EXPR)
		return;
	if (a->kind != SQL_MY_VAL_NUMBER) {
		a->value_known = sql_my_decode(s->o, t, a->value, SQL_MY_VALUE_MAX, &n);
	} else if (t->n < SQL_MY_VALUE_MAX) {
		if (sign == '-')
			a->value[n++] = '-';
		memcpy(a->value + n, t->p, t->n);
		n += t->n;
		a->value_known = true;
	}
	a->value_n = (uint16_t)n;
}

/* A value ends at a comma, or at a word of its statement's own. */
static bool value_ends(const struct sql_my_set *s, const struct sql_my_assign *a)
{
	if (s->tok.ch == ',')
		return true;
	if (a->scope == SQL_MY_S_NAMES)
		return s->tok.id == MY_W_COLLATE;
	return a->scope == SQL_MY_S_STATEMENT && s->tok.id == MY_W_FOR;
}

static bool value(struct sql_my_set *s, struct sql_my_assign *a)
{
	struct sql_my_tok first = s->tok;
	const char *from = s->tok.p, *to = from;
	char sign = 0;
	unsigned depth = 0, n = 0;

	if (s->tok.ch == '-' || s->tok.ch == '+') {
		sign = s->tok.ch;
		advance(s);
		first = s->tok;
	}
	for (; !at_end(s) && !(depth == 0 && value_ends(s, a)); advance(s), n++) {
		depth += s->tok.ch == '(';
		if (s->tok.ch == ')' && depth-- == 0)
			return odd(s);
		to = s->tok.p + s->tok.n;
	}
	if (n == 0)
		return odd(s);
	a->kind = n == 1 ? kind_of(&first) : SQL_MY_VAL_EXPR;
	if (sign != 0 && a->kind != SQL_MY_VAL_NUMBER)
		a->kind = SQL_MY_VAL_EXPR;
	a->value_at = (size_t)(from - s->text);
	a->value_n_src = (size_t)(to - from);
	put_value(s, a, &first, sign);
	return true;
}

/* Behind a value. */
static bool finish(struct sql_my_set *s)
{
	if (s->tok.ch == ',') {
		advance(s);
		s->step = STEP_NEXT;
	} else if (s->tok.id == MY_W_COLLATE) {
		advance(s);
		s->step = STEP_COLLATE;
	} else {
		s->odd |= s->tok.kind == SQL_MY_TOK_BAD;
		s->step = STEP_DONE;
	}
	return true;
}

/* ---- the forms ---- */

static bool names(
	struct sql_my_set *s, struct sql_my_assign *a, enum sql_my_scope scope, const char *name)
{
	a->scope = scope;
	a->sysvar = SQL_MY_SYS_CHARSET;
	put_name(a, name);
	return value(s, a) && finish(s);
}

/* ROLE, PASSWORD and their like: in MariaDB an assignment may follow, in MySQL nothing does. */
static bool other(struct sql_my_set *s, struct sql_my_assign *a, const char *name)
{
	const char *from = s->tok.p, *to = from;

	a->scope = SQL_MY_S_OTHER;
	a->kind = SQL_MY_VAL_EXPR;
	put_name(a, name);
	for (; !at_end(s) && !(s->o->mariadb && s->tok.ch == ','); advance(s))
		to = s->tok.p + s->tok.n;
	a->value_at = (size_t)(from - s->text);
	a->value_n_src = (size_t)(to - from);
	return finish(s);
}

/* ISOLATION LEVEL READ COMMITTED, as the variable has it: READ-COMMITTED */
static bool isolation(struct sql_my_set *s, struct sql_my_assign *a)
{
	static const char *const level[] = { "READ-UNCOMMITTED", "READ-COMMITTED",
		"REPEATABLE-READ", "SERIALIZABLE" };
	int which = -1;

	advance(s); /* LEVEL */
	advance(s);
	if (s->tok.id == MY_W_SERIALIZABLE) {
		which = 3;
	} else {
		uint16_t id = ahead(s).id;

		if (s->tok.id == MY_W_REPEATABLE && id == MY_W_READ)
			which = 2;
		else if (s->tok.id == MY_W_READ && id == MY_W_COMMITTED)
			which = 1;
		else if (s->tok.id == MY_W_READ && id == MY_W_UNCOMMITTED)
			which = 0;
		advance(s);
	}
	advance(s);
	if (which < 0)
		return odd(s);
	put_name(a, "transaction_isolation");
	a->kind = SQL_MY_VAL_WORD;
	a->value_n = (uint16_t)strlen(level[which]);
	memcpy(a->value, level[which], a->value_n);
	return true;
}

static bool access_mode(struct sql_my_set *s, struct sql_my_assign *a)
{
	advance(s);
	if (s->tok.id != MY_W_ONLY && s->tok.id != MY_W_WRITE)
		return odd(s);
	put_name(a, "transaction_read_only");
	a->kind = SQL_MY_VAL_NUMBER;
	a->value[0] = s->tok.id == MY_W_ONLY ? '1' : '0';
	a->value_n = 1;
	advance(s);
	return true;
}

static bool transaction(struct sql_my_set *s, struct sql_my_assign *a)
{
	const char *from = s->tok.p;
	bool ok = false;

	a->scope = s->scope;
	a->sysvar = SQL_MY_SYS_TX;
	a->value_known = true;
	if (s->tok.id == MY_W_ISOLATION)
		ok = isolation(s, a);
	else if (s->tok.id == MY_W_READ)
		ok = access_mode(s, a);
	if (!ok)
		return odd(s);
	a->value_at = (size_t)(from - s->text);
	a->value_n_src = (size_t)(s->tok.p - from);
	bool more = s->tok.ch == ',';

	(void)finish(s);
	if (more)
		s->step = STEP_TX;
	return true;
}

static bool start_transaction(
	struct sql_my_set *s, struct sql_my_assign *a, enum sql_my_scope scope)
{
	s->scope = scope;
	advance(s);
	return transaction(s, a);
}

/* The current word and count - 1 more are the form's own: what it sets, for the server alone. */
static bool own_form(
	struct sql_my_set *s, struct sql_my_assign *a, unsigned count, const char *name)
{
	while (count-- > 0)
		advance(s);
	return other(s, a, name);
}

static bool charset(struct sql_my_set *s, struct sql_my_assign *a, unsigned count)
{
	while (count-- > 0)
		advance(s);
	return names(s, a, SQL_MY_S_CHARSET, "charset");
}

/* Words that are no variable's name. False: it is a variable. The token behind is looked at only
 * for words that need it: most are a variable's name. */
static bool special(struct sql_my_set *s, struct sql_my_assign *a, bool *result)
{
	uint16_t id = s->tok.id;

	if (id == MY_W_NAMES) {
		advance(s);
		*result = names(s, a, SQL_MY_S_NAMES, "names");
	} else if (id == MY_W_CHARSET) {
		*result = charset(s, a, 1);
	} else if ((id == MY_W_CHARACTER || id == MY_W_CHAR) && ahead(s).id == MY_W_SET) {
		*result = charset(s, a, 2);
	} else if (id == MY_W_TRANSACTION && ahead(s).id != 0) {
		*result = start_transaction(s, a, SQL_MY_S_TX_ONCE);
	} else if (id == MY_W_PASSWORD) {
		*result = own_form(s, a, 1, "password");
	} else if (id == MY_W_ROLE && ahead(s).ch != '=') {
		*result = own_form(s, a, 1, "role");
	} else if (id == MY_W_DEFAULT && ahead(s).id == MY_W_ROLE) {
		*result = own_form(s, a, 2, "default role");
	} else if (id == MY_W_RESOURCE && ahead(s).id == MY_W_GROUP) {
		*result = own_form(s, a, 2, "resource group");
	} else {
		return false;
	}
	return true;
}

/* GLOBAL, SESSION, ... stand before a name, and hold for the following ones as well. */
static bool scope_keyword(struct sql_my_set *s, struct sql_my_assign *a, bool *result)
{
	enum sql_my_scope scope = scope_word(s, SQL_MY_S_OTHER);

	if (scope == SQL_MY_S_OTHER)
		return false;
	struct sql_my_lex behind = s->lex;
	struct sql_my_tok next;

	sql_my_lex_next(&behind, &next);
	if (next.ch == '=' || next.ch == '.' || next.kind == SQL_MY_TOK_ASSIGN)
		return false;
	s->lex = behind;
	s->tok = next;
	if (s->tok.id == MY_W_TRANSACTION) {
		*result = start_transaction(
			s, a, scope == SQL_MY_S_SESSION ? SQL_MY_S_TX_SESSION : SQL_MY_S_TX_GLOBAL);
		return true;
	}
	if (s->tok.id == MY_W_AUTHORIZATION) {
		advance(s);
		*result = other(s, a, "session authorization");
		return true;
	}
	s->scope = scope;
	*result = false;
	if (at_name(s))
		return false;
	(void)odd(s); /* SESSION @a */
	return true;
}

static bool assignment(struct sql_my_set *s, struct sql_my_assign *a)
{
	bool ok;

	a->scope = s->scope;
	if (s->tok.kind == SQL_MY_TOK_VAR) {
		a->scope = SQL_MY_S_USER;
		a->name_known = true;
		add_name(s, a);
		fold_name(a);
		ok = true;
	} else if (s->tok.kind == SQL_MY_TOK_SYSVAR) {
		ok = at_at(s, a);
	} else {
		ok = variable_name(s, a);
	}
	if (!ok || !at_equals(s))
		return odd(s);
	advance(s);
	if (!value(s, a))
		return false;
	if (s->tok.id == MY_W_FOR) {
		s->step = STEP_DONE;
		return true;
	}
	return finish(s);
}

bool sql_my_set_next(struct sql_my_set *s, struct sql_my_assign *out_r)
{
	bool result;

	memset(out_r, 0, offsetof(struct sql_my_assign, name));
	if (s->step == STEP_DONE)
		return false;
	if (s->step == STEP_COLLATE)
		return names(s, out_r, SQL_MY_S_COLLATE, "collate");
	if (s->step == STEP_TX)
		return transaction(s, out_r);
	if (s->scope != SQL_MY_S_STATEMENT && s->tok.kind == SQL_MY_TOK_WORD) {
		if (special(s, out_r, &result) || scope_keyword(s, out_r, &result))
			return result;
	}
	return assignment(s, out_r);
}

/* ---- what follows from it ---- */

static bool begins(const struct sql_my_assign *a, const char *with)
{
	size_t n = strlen(with);

	return a->name_n >= n && memcmp(a->name, with, n) == 0;
}

/* Profiles in MariaDB and traces of the optimizer in MySQL: no reset takes away the texts of
 * statements that these make a connection keep. */
static bool keeps_texts(const struct sql_my_assign *a)
{
	return begins(a, "profiling") || begins(a, "optimizer_trace");
}

static uint64_t session_flags(const struct sql_my_assign *a)
{
	if (keeps_texts(a))
		return SQL_MY_SET_SYS | SQL_MY_SET_SILENT | SQL_MY_IDENTITY;
	switch (a->sysvar) {
	case SQL_MY_SYS_PLAIN:
	case SQL_MY_SYS_LAST_GTID:
	case SQL_MY_SYS_DIAG: return SQL_MY_SET_SYS;
	case SQL_MY_SYS_MODE: return SQL_MY_SET_SYS | SQL_MY_SET_MODE;
	case SQL_MY_SYS_CHARSET: return SQL_MY_SET_SYS | SQL_MY_SET_NAMES;
	case SQL_MY_SYS_TRACKER: return SQL_MY_SET_SYS | SQL_MY_SET_TRACKER;
	case SQL_MY_SYS_TX:
		/* autocommit=1 commits */
		return SQL_MY_SET_SYS | (a->name[0] == 'a' ? SQL_MY_IMPLICIT_COMMIT : 0);
	case SQL_MY_SYS_ONE_USE:
	case SQL_MY_SYS_IDENTITY: return SQL_MY_SET_SYS | SQL_MY_SET_SILENT;
	case SQL_MY_SYS_LAST_ID: return SQL_MY_SET_SYS | SQL_MY_SET_LAST_ID;
	}
	return 0;
}

static uint64_t other_flags(const struct sql_my_assign *a)
{
	switch (a->name[0]) {
	case 'r': return a->name[1] == 'o' ? SQL_MY_ROLE : SQL_MY_OPAQUE;
	case 's': return SQL_MY_IDENTITY;
	case 'p': return SQL_MY_PASSWORD | SQL_MY_WRITE | SQL_MY_IMPLICIT_COMMIT;
	default: return SQL_MY_WRITE | SQL_MY_IMPLICIT_COMMIT;
	}
}

static uint64_t assign_flags(const struct sql_my_assign *a)
{
	switch (a->scope) {
	case SQL_MY_S_SESSION: return session_flags(a);
	case SQL_MY_S_ONCE:
	case SQL_MY_S_TX_ONCE: return SQL_MY_SET_TX_ONCE;
	case SQL_MY_S_TX_SESSION: return SQL_MY_SET_SYS;
	case SQL_MY_S_GLOBAL:
	case SQL_MY_S_PERSIST:
	case SQL_MY_S_TX_GLOBAL: return SQL_MY_SERVER_WIDE;
	case SQL_MY_S_NAMES:
	case SQL_MY_S_COLLATE:
	case SQL_MY_S_CHARSET: return SQL_MY_SET_SYS | SQL_MY_SET_NAMES;
	case SQL_MY_S_OTHER: return other_flags(a);
	case SQL_MY_S_USER:
	case SQL_MY_S_STATEMENT: break;
	}
	return 0;
}

void my_set_flags(struct my_pass *p, bool *mode_r, bool *charset_r)
{
	struct sql_my_set s;
	struct sql_my_assign a;

	sql_my_set_start(&s, p->o, p->text, p->out);
	while (sql_my_set_next(&s, &a)) {
		uint64_t flags = assign_flags(&a);

		p->flags |= flags;
		if (p->route != NULL)
			route_my_assign(p->route, &a);
		if ((flags & SQL_MY_SET_MODE) &&
			(a.kind != SQL_MY_VAL_STRING || !a.value_known ||
				sql_my_mode(a.value, a.value_n) != p->o->mode))
			*mode_r = true;
		if ((flags & SQL_MY_SET_NAMES) && a.scope != SQL_MY_S_COLLATE &&
			(!a.value_known || sql_my_charset(a.value, a.value_n) != p->o->charset))
			*charset_r = true;
	}
	if (s.odd)
		my_unsure(p);
}
