/*
 * "name (": is it a function call, and what would calling that function do to the session?
 * Ignorant of everything else in the statement. Any thread.
 *
 * Without a grammar the places where a parenthesis behind a name is no call are listed, each
 * only where no expression could start; a place that is not listed costs one question to the
 * server, never a miss.
 */
#include "classify_int.h"

/* The name stands where a relation, type, alias or column list is named. */
static bool after_naming_word(const struct pass *p)
{
	uint16_t before = seen_id(p->chain.before);

	switch (before) {
	case SQL_W_INTO:
	case SQL_W_AS:
	case SQL_W_TABLE:
	case SQL_W_REFERENCES:
	case SQL_W_EXISTS:
	case SQL_W_ORDINALITY:
	case SQL_W_TABLESAMPLE: return true;
	case SQL_W_FUNCTION:
	case SQL_W_PROCEDURE:
	case SQL_W_ROUTINE:
	case SQL_W_AGGREGATE:
	case SQL_W_VIEW: return p->verb == SQL_V_DDL;
	case SQL_W_ON: /* CREATE INDEX i ON t (..), USING gin (..), PARTITION BY list (..) */
	case SQL_W_ONLY:
	case SQL_W_USING:
	case SQL_W_BY: return p->first_id == SQL_W_CREATE && !p->query;
	case SQL_W_EXECUTE: return p->verb == SQL_V_EXPLAIN || p->verb == SQL_V_DDL;
	default: return false;
	}
}

/* COPY t (a), PREPARE p (int), EXECUTE p (1), ANALYZE t (a): the name right behind the verb. */
static bool after_verb(const struct pass *p)
{
	if (p->chain.at == 0)
		return true; /* the verb itself: EXPLAIN (..), VACUUM (..), COPY (..) */
	if (p->first_id == SQL_W_GRANT || p->first_id == SQL_W_REVOKE ||
		p->first_id == SQL_W_COMMENT)
		return true; /* these have no expressions at all */
	if (p->chain.at != 1)
		return false;
	return p->verb == SQL_V_COPY || p->verb == SQL_V_PREPARE || p->verb == SQL_V_EXECUTE ||
	       p->verb == SQL_V_UTILITY;
}

/* Unreserved keywords that syntax puts before a parenthesis, and that could name a function
 * elsewhere. */
static bool is_syntax(const struct pass *p)
{
	uint16_t before = seen_id(p->chain.before);

	switch (p->chain.word->id) {
	case SQL_W_BY:
		return before == SQL_W_GROUP || before == SQL_W_ORDER || before == SQL_W_PARTITION;
	case SQL_W_SET: return before == SQL_W_UPDATE;
	case SQL_W_CONFLICT: /* INSERT .. ON CONFLICT (..), but JOIN t ON conflict(..) */
		return before == SQL_W_ON && !p->join;
	case SQL_W_JOIN:
		return before == SQL_W_LEFT || before == SQL_W_RIGHT || before == SQL_W_FULL ||
		       before == SQL_W_INNER || before == SQL_W_OUTER || before == SQL_W_CROSS ||
		       before == SQL_W_NATURAL;
	case SQL_W_INSERT: /* MERGE .. THEN INSERT (..), but CASE .. THEN insert(..) */
		return before == SQL_W_THEN && p->merge;
	case SQL_W_ZONE: return before == SQL_W_TIME;
	case SQL_W_VARYING:
		return before == SQL_W_CHARACTER || before == SQL_W_CHAR || before == SQL_W_NCHAR ||
		       before == SQL_W_BIT;
	case SQL_W_SETS: return before == SQL_W_GROUPING;
	case SQL_W_ROLLUP:
	case SQL_W_CUBE:
		return p->group &&
		       (before == SQL_W_BY || before == SQL_W_ALL || before == SQL_W_DISTINCT ||
			       seen_ch(p->chain.before) == ',');
	case SQL_W_KEY: return before == SQL_W_PRIMARY || before == SQL_W_FOREIGN;
	case SQL_W_VERBOSE: return p->verb == SQL_V_EXPLAIN;
	case SQL_W_STDIN:
	case SQL_W_STDOUT: return p->verb == SQL_V_COPY && p->depth == 0;
	case SQL_W_ALSO:
	case SQL_W_INSTEAD: return p->verb == SQL_V_DDL && before == SQL_W_DO;
	default: return p->chain.word->kwclass == SQL_KW_RESERVED;
	}
}

static bool is_no_call(const struct pass *p)
{
	const struct chain *c = &p->chain;

	if (c->cte || seen_operand(c->before) || seen_kind(c->before) == SQL_TOK_CAST)
		return true;
	if (after_naming_word(p) || after_verb(p))
		return true;
	return c->parts == 1 && c->kind == SQL_TOK_WORD && c->word != NULL && is_syntax(p);
}

static uint64_t flags_of(enum sql_func f)
{
	switch (f) {
	case SQL_FUNC_SAFE: return 0;
	case SQL_FUNC_CONFIG: return SQL_F_SET_CONFIG;
	case SQL_FUNC_SEED: return SQL_F_SEED;
	case SQL_FUNC_ADVISORY: return SQL_F_ADVISORY;
	case SQL_FUNC_SEQ_USE: return SQL_F_SEQ_USE | SQL_F_WRITE;
	case SQL_FUNC_SEQ_READ: return SQL_F_SEQ_READ;
	case SQL_FUNC_OPAQUE: return SQL_F_OPAQUE;
	case SQL_FUNC_SYNTAX: /* quoted or qualified, so a user's function after all */
	case SQL_FUNC_UNKNOWN: break;
	}
	return SQL_F_UNKNOWN;
}

void classify_call(struct pass *p)
{
	const struct chain *c = &p->chain;

	if (is_no_call(p))
		return;
	if (p->route != NULL)
		route_pg_call(p);
	if (c->opaque || c->word == NULL) {
		p->flags |= SQL_F_UNKNOWN;
		return;
	}
	/* search_path may put a user's function before the builtin of that name; we trust that
	 * it does not. */
	if (c->word->since > p->o->server_major)
		p->flags |= SQL_F_UNKNOWN;
	if (c->parts == 1 && c->kind == SQL_TOK_WORD && c->word->func == SQL_FUNC_SYNTAX)
		return;
	if (c->parts > 2 || (c->parts == 2 && !chain_in_catalog(c)))
		p->flags |= SQL_F_UNKNOWN | (c->word->func == SQL_FUNC_OPAQUE ? SQL_F_OPAQUE : 0);
	else
		p->flags |= flags_of((enum sql_func)c->word->func);
}
