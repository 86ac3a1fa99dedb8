/*
 * SET and RESET: which setting, to what value, for how long. The value is put into the words that
 * set_config() takes for the same effect. Ignorant of which settings exist. Any thread.
 *
 * Source: PostgreSQL docs, SET, RESET, SET ROLE, SET SESSION AUTHORIZATION, SET TRANSACTION.
 */
#include "classify_int.h"

#include <string.h>

/* The statement's remaining tokens, read one by one; t is the current one. */
struct set {
	struct pass *p;
	struct sql_tok *t;
	struct sql_stmt_info *out;
	bool local;
	enum sql_set kind;
};

static void next(struct set *s)
{
	sql_lex_next(&s->p->lex, s->t);
}

static bool at_end(const struct set *s)
{
	return s->t->kind == SQL_TOK_END || s->t->kind == SQL_TOK_BAD || s->t->ch == ';';
}

/* The keyword at hand, or 0. */
static uint16_t word(const struct set *s)
{
	return s->t->kind == SQL_TOK_WORD && s->t->word != NULL ? s->t->word->id : 0;
}

static bool skip_word(struct set *s, uint16_t id)
{
	if (word(s) != id)
		return false;
	next(s);
	return true;
}

static bool is_name(const struct set *s)
{
	return (s->t->kind == SQL_TOK_WORD || s->t->kind == SQL_TOK_QUOTED) &&
	       !s->t->decoded_too_long;
}

static bool add_name(struct set *s, const char *text, size_t n)
{
	if (n > SQL_NAME_MAX - (size_t)s->out->set_name_n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		/* Names of settings are compared without regard to case, quoted or not. */
		s->out->set_name[s->out->set_name_n++] =
			(char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	s->out->set_name[s->out->set_name_n] = '\0';
	return true;
}

static bool add_value(struct set *s, const char *text, size_t n)
{
	if (n > SQL_VALUE_MAX - (size_t)s->out->set_value_n)
		return false;
	memcpy(s->out->set_value + s->out->set_value_n, text, n);
	s->out->set_value_n = (uint16_t)(s->out->set_value_n + n);
	s->out->set_value[s->out->set_value_n] = '\0';
	return true;
}

static bool is_setting(const struct set *s, const char *name)
{
	return strlen(name) == s->out->set_name_n &&
	       memcmp(s->out->set_name, name, s->out->set_name_n) == 0;
}

static bool named(struct set *s, const char *name)
{
	return add_name(s, name, strlen(name));
}

static bool valued(struct set *s, const char *value)
{
	s->kind = SQL_SET_VALUE;
	return add_value(s, value, strlen(value));
}

/* Settings whose list elements the server stores as identifiers. */
static bool quotes_elements(const struct set *s)
{
	return is_setting(s, "search_path") || is_setting(s, "temp_tablespaces") ||
	       is_setting(s, "local_preload_libraries") ||
	       is_setting(s, "session_preload_libraries");
}

static bool needs_quotes(const struct set *s, const char *v, size_t n)
{
	uint32_t h = 0;

	if (n == 0 || (v[0] >= '0' && v[0] <= '9'))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (!((v[i] >= 'a' && v[i] <= 'z') || (v[i] >= '0' && v[i] <= '9') || v[i] == '_'))
			return true;
		h = sql_hash_step(h, (unsigned char)v[i]);
	}
	const struct sql_word *w = s->p->o->dialect->find(v, n, h);

	return w != NULL && w->kwclass != SQL_KW_NONE && w->kwclass != SQL_KW_UNRESERVED;
}

static bool add_element(struct set *s, const char *v, size_t n)
{
	if (!quotes_elements(s) || !needs_quotes(s, v, n))
		return add_value(s, v, n);
	if (!add_value(s, "\"", 1))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!add_value(s, v + i, 1) || (v[i] == '"' && !add_value(s, "\"", 1)))
			return false;
	return add_value(s, "\"", 1);
}

/* Digits that the server would print in the same way: no leading zeros. */
static bool plain_number(const struct sql_tok *t)
{
	return !(t->n > 1 && t->p[0] == '0' && t->p[1] >= '0' && t->p[1] <= '9');
}

static bool read_number(struct set *s)
{
	if (s->t->kind == SQL_TOK_OP) {
		if (s->t->ch == '-' && !add_value(s, "-", 1))
			return false;
		if (s->t->ch != '-' && s->t->ch != '+')
			return false;
		next(s);
	}
	if (s->t->kind != SQL_TOK_NUMBER || !plain_number(s->t) || !add_value(s, s->t->p, s->t->n))
		return false;
	next(s);
	return true;
}

static bool read_element(struct set *s)
{
	char v[SQL_VALUE_MAX];
	size_t n;

	switch (s->t->kind) {
	case SQL_TOK_WORD:
	case SQL_TOK_QUOTED:
		if (!is_name(s) || !add_element(s, s->t->name, s->t->name_n))
			return false;
		break;
	case SQL_TOK_STRING:
	case SQL_TOK_ESTRING:
	case SQL_TOK_DOLLAR:
		if (!sql_lex_decode(s->t, v, sizeof(v), &n) || !add_element(s, v, n))
			return false;
		break;
	case SQL_TOK_NUMBER:
	case SQL_TOK_OP: return read_number(s);
	case SQL_TOK_UQUOTED:
	case SQL_TOK_USTRING:
	case SQL_TOK_BITS:
	case SQL_TOK_PARAM:
	case SQL_TOK_CAST:
	case SQL_TOK_PUNCT:
	case SQL_TOK_OTHER:
	case SQL_TOK_END:
	case SQL_TOK_BAD: return false;
	}
	next(s);
	return true;
}

static bool read_values(struct set *s)
{
	if (skip_word(s, SQL_W_DEFAULT)) {
		s->kind = SQL_SET_DEFAULT;
		return true;
	}
	s->kind = SQL_SET_VALUE;
	s->out->set_value[0] = '\0';
	while (read_element(s)) {
		if (s->t->ch != ',')
			return true;
		next(s);
		if (!add_value(s, ", ", 2))
			return false;
	}
	return false;
}

/* name or class.name */
static bool read_setting(struct set *s)
{
	if (s->t->kind == SQL_TOK_UQUOTED)
		s->p->flags |= SQL_F_UNKNOWN; /* it may spell role, seed or anything */
	if (!is_name(s) || !add_name(s, s->t->name, s->t->name_n))
		return false;
	for (next(s); s->t->ch == '.'; next(s)) {
		next(s);
		if (!is_name(s) || !add_name(s, ".", 1) || !add_name(s, s->t->name, s->t->name_n))
			return false;
	}
	return true;
}

static bool read_generic(struct set *s)
{
	if (!read_setting(s))
		return false;
	if (s->t->ch != '=' && word(s) != SQL_W_TO)
		return false;
	next(s);
	return read_values(s);
}

/* TIME ZONE value; LOCAL and DEFAULT are the same. INTERVAL is left to the server. */
static bool read_time_zone(struct set *s)
{
	if (!skip_word(s, SQL_W_ZONE) || !named(s, "timezone") || word(s) == SQL_W_INTERVAL)
		return false;
	if (skip_word(s, SQL_W_LOCAL)) {
		s->kind = SQL_SET_DEFAULT;
		return true;
	}
	return read_values(s);
}

static bool read_isolation(struct set *s)
{
	if (!skip_word(s, SQL_W_LEVEL) || !named(s, "default_transaction_isolation"))
		return false;
	if (skip_word(s, SQL_W_SERIALIZABLE))
		return valued(s, "serializable");
	if (skip_word(s, SQL_W_REPEATABLE))
		return skip_word(s, SQL_W_READ) && valued(s, "repeatable read");
	if (!skip_word(s, SQL_W_READ))
		return false;
	if (skip_word(s, SQL_W_COMMITTED))
		return valued(s, "read committed");
	return skip_word(s, SQL_W_UNCOMMITTED) && valued(s, "read uncommitted");
}

/* SESSION CHARACTERISTICS AS TRANSACTION mode: one mode is one setting; for more the server is
 * asked. */
static bool read_characteristics(struct set *s)
{
	if (!skip_word(s, SQL_W_AS) || !skip_word(s, SQL_W_TRANSACTION))
		return false;
	if (skip_word(s, SQL_W_ISOLATION))
		return read_isolation(s);
	if (skip_word(s, SQL_W_READ)) {
		if (!named(s, "default_transaction_read_only"))
			return false;
		if (skip_word(s, SQL_W_ONLY))
			return valued(s, "on");
		return skip_word(s, SQL_W_WRITE) && valued(s, "off");
	}
	bool not = skip_word(s, SQL_W_NOT);

	return skip_word(s, SQL_W_DEFERRABLE) && named(s, "default_transaction_deferrable") &&
	       valued(s, not ? "off" : "on");
}

static bool read_encoding(struct set *s)
{
	if (!named(s, "client_encoding"))
		return false;
	if (at_end(s)) {
		s->kind = SQL_SET_DEFAULT;
		return true;
	}
	return read_values(s);
}

static bool read_xml_option(struct set *s)
{
	return skip_word(s, SQL_W_OPTION) && named(s, "xmloption") &&
	       (word(s) == SQL_W_DOCUMENT || word(s) == SQL_W_CONTENT) && read_values(s);
}

/* What stands behind SET [SESSION|LOCAL], when a word has a grammar of its own. */
static bool read_special(struct set *s, uint16_t id)
{
	switch (id) {
	case SQL_W_TIME: return read_time_zone(s);
	case SQL_W_NAMES: return read_encoding(s);
	case SQL_W_SCHEMA: return named(s, "search_path") && read_values(s);
	case SQL_W_XML: return read_xml_option(s);
	case SQL_W_ROLE: /* ROLE has no DEFAULT */
		s->p->flags |= SQL_F_SET_ROLE;
		return named(s, "role") && word(s) != SQL_W_DEFAULT && read_values(s);
	case SQL_W_SESSION:
		if (skip_word(s, SQL_W_CHARACTERISTICS))
			return read_characteristics(s);
		s->p->flags |= SQL_F_SET_ROLE;
		return skip_word(s, SQL_W_AUTHORIZATION) && named(s, "session_authorization") &&
		       read_values(s);
	case SQL_W_TRANSACTION:
	case SQL_W_CONSTRAINTS: s->local = true; return false;
	default: return false;
	}
}

/* A word with a grammar of its own may still be a setting's name: SET session.user_id = 1. */
static bool starts_name(const struct set *s)
{
	return s->t->ch == '.' || s->t->ch == '=' || word(s) == SQL_W_TO;
}

static bool has_own_grammar(uint16_t id)
{
	return id == SQL_W_TIME || id == SQL_W_NAMES || id == SQL_W_SCHEMA || id == SQL_W_XML ||
	       id == SQL_W_ROLE || id == SQL_W_SESSION || id == SQL_W_TRANSACTION ||
	       id == SQL_W_CONSTRAINTS;
}

static bool read_set(struct set *s)
{
	for (unsigned scope = 0;; scope++) {
		uint16_t id = word(s);
		struct sql_lex mark = s->p->lex;
		struct sql_tok first = *s->t;

		if (!has_own_grammar(id) && id != SQL_W_LOCAL)
			return read_generic(s);
		next(s);
		if (starts_name(s)) {
			s->p->lex = mark;
			*s->t = first;
			return read_generic(s);
		}
		if (id == SQL_W_LOCAL && scope == 0)
			s->local = true;
		else if (id != SQL_W_SESSION || scope != 0 || word(s) == SQL_W_CHARACTERISTICS ||
			 word(s) == SQL_W_AUTHORIZATION)
			return read_special(s, id);
	}
}

static bool read_reset(struct set *s)
{
	if (skip_word(s, SQL_W_ALL)) {
		s->kind = SQL_SET_ALL;
		return true;
	}
	s->kind = SQL_SET_DEFAULT;
	struct sql_lex mark = s->p->lex;
	struct sql_tok first = *s->t;

	if (skip_word(s, SQL_W_TIME) && skip_word(s, SQL_W_ZONE))
		return named(s, "timezone");
	s->p->lex = mark;
	*s->t = first;
	if (skip_word(s, SQL_W_SESSION) && skip_word(s, SQL_W_AUTHORIZATION))
		return named(s, "session_authorization");
	s->p->lex = mark;
	*s->t = first;
	return read_setting(s);
}

/* Settings that are more than a value. False when the statement must not be remembered as one. */
static bool judge_setting(struct set *s)
{
	if (is_setting(s, "role") || is_setting(s, "session_authorization")) {
		s->p->flags |= SQL_F_SET_ROLE;
	} else if (is_setting(s, "seed")) {
		s->p->flags |= SQL_F_SEED;
		return false;
	} else if (is_setting(s, "transaction_isolation") ||
		   is_setting(s, "transaction_read_only") ||
		   is_setting(s, "transaction_deferrable")) {
		s->local = true; /* these live no longer than the transaction */
		return false;
	}
	return true;
}

void classify_set(struct pass *p)
{
	struct set s = { .p = p, .t = &p->tok, .out = p->out };
	struct sql_stmt_info *out = p->out;

	out->set_name_n = out->set_value_n = 0;
	bool simple = p->first_id == SQL_W_SET ? read_set(&s) : read_reset(&s);

	simple = simple && at_end(&s) && s.t->kind != SQL_TOK_BAD;
	if (!judge_setting(&s))
		simple = false;
	while (!at_end(&s))
		next(&s);
	p->flags |= s.local ? SQL_F_SET_LOCAL : SQL_F_SET;
	out->set_kind = simple ? s.kind : SQL_SET_NONE;
	out->set_local = s.local;
	if (!simple)
		out->set_name_n = out->set_value_n = 0;
}
