/*
 * "name (": is it a function call, and what would calling that function do to the session?
 * Ignorant of everything else in the statement. Any thread.
 *
 * Without a grammar the places where a parenthesis behind a name is no call are listed; a place
 * that is not listed costs one question to the server, never a miss.
 */
#include "classify_my_int.h"

static uint64_t flags_of(enum my_func f)
{
	switch (f) {
	case MY_FUNC_NONE:
	case MY_FUNC_SAFE:
	case MY_FUNC_LAST_ID: return 0;
	case MY_FUNC_LAST_GTID: return SQL_MY_LAST_GTID;
	case MY_FUNC_FOUND_ROWS: return SQL_MY_FOUND_ROWS;
	case MY_FUNC_ROW_COUNT: return SQL_MY_ROW_COUNT;
	case MY_FUNC_CONN_ID: return SQL_MY_CONN_ID;
	case MY_FUNC_GET_LOCK: return SQL_MY_USER_LOCK;
	case MY_FUNC_RELEASE_LOCK: return SQL_MY_USER_UNLOCK;
	case MY_FUNC_RELEASE_ALL: return SQL_MY_USER_UNLOCK_ALL;
	case MY_FUNC_SLOW: return SQL_MY_SLOW;
	case MY_FUNC_SEQ_USE: return SQL_MY_SEQ_USE | SQL_MY_WRITE;
	case MY_FUNC_SEQ_READ: return SQL_MY_SEQ_READ;
	}
	return 0;
}

/* MariaDB's POINT(x, y), LINESTRING(a, ..) and their like: with another number of arguments the
 * name is free for a stored function (seen on 10.11 and 11.8). */
static bool has_own_arguments(const struct my_pass *p, uint16_t id)
{
	struct sql_my_lex ahead = p->lex;
	struct sql_my_tok t;
	unsigned depth = 0, commas = 0;

	for (unsigned tokens = 0; tokens < 64; tokens++) {
		sql_my_lex_next(&ahead, &t);
		if (t.kind == SQL_MY_TOK_END || t.kind == SQL_MY_TOK_BAD)
			return false;
		if (t.ch == ')' && depth == 0)
			return tokens != 0 && commas == 1;
		if (id != MY_W_POINT)
			return true;
		depth += t.ch == '(';
		depth -= t.ch == ')';
		commas += t.ch == ',' && depth == 0;
	}
	return false;
}

static bool is_shape(uint16_t id)
{
	return id == MY_W_POINT || id == MY_W_LINESTRING || id == MY_W_POLYGON ||
	       id == MY_W_MULTIPOINT || id == MY_W_MULTILINESTRING || id == MY_W_MULTIPOLYGON ||
	       id == MY_W_GEOMETRYCOLLECTION;
}

/* Whether every server of this family and release has it as its own, spelled like this. */
static bool is_builtin(const struct my_pass *p, const struct sql_my_word *w)
{
	const struct sql_my_opts *o = p->o;
	unsigned release = my_release(o->version);
	bool apart = p->tok.p != p->chain.end;

	if (w->since[o->mariadb] > release)
		return false;
	if (!o->mariadb && w->my_until != 0 && (release == 0 || release > w->my_until))
		return false;
	if (o->mariadb && is_shape(w->id) && !has_own_arguments(p, w->id))
		return false;
	switch ((enum my_call)w->call[o->mariadb]) {
	case MY_CALL_NATIVE: return true;
	case MY_CALL_NOSPACE:
		return !p->chain.quoted && (!apart || (o->mode & SQL_MY_MODE_IGNORE_SPACE));
	case MY_CALL_SYNTAX:
	case MY_CALL_BARE: return !p->chain.quoted;
	case MY_CALL_UNKNOWN: break;
	}
	return false;
}

/* The name stands where a table, alias or column list is named. */
static bool is_naming(const struct my_pass *p)
{
	switch (seen_id(p->chain.before)) {
	case MY_W_INTO:
	case MY_W_TABLE:
	case MY_W_AS:
	case MY_W_WITH:
	case MY_W_RECURSIVE: return true;
	case MY_W_FROM: /* no function, except in MariaDB, where its name is free */
	case MY_W_JOIN: return p->chain.word != NULL && p->chain.word->id == MY_W_JSON_TABLE;
	case MY_W_PROCEDURE: return p->verb == SQL_MY_V_SELECT; /* PROCEDURE ANALYSE() */
	case MY_W_INSERT:
	case MY_W_REPLACE:
	case MY_W_IGNORE:
	case MY_W_DELAYED:
	case MY_W_LOW_PRIORITY:
	case MY_W_HIGH_PRIORITY: return p->verb == SQL_MY_V_INSERT && p->depth == 0;
	default: return p->with_list && p->depth == 0 && seen_ch(p->chain.before) == ',';
	}
}

void my_call(struct my_pass *p)
{
	const struct sql_my_word *w = p->chain.word;

	if (p->tokens_n == 2 && seen_id(p->prev) != 0)
		return; /* the verb itself: VALUES (1), SELECT (1) */
	if (p->chain.parts == 1 && w != NULL) {
		enum my_func f = (enum my_func)w->func;

		p->flags |= flags_of(f);
		p->after_last_id = f == MY_FUNC_LAST_ID;
		if (is_builtin(p, w)) {
			if (p->route != NULL)
				route_my_call(p, w);
			return;
		}
		/* CONVERT(x, DATETIME(6)) */
		if ((p->converts & 2) && w->id != 0 && seen_ch(p->chain.before) == ',')
			return;
	}
	if (seen_operand(p->chain.before) || is_naming(p))
		return;
	p->flags |= SQL_MY_STORED;
	if (p->route != NULL)
		route_my_stored(p, w);
}
