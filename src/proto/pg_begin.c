/* pg_begin - a BEGIN alone takes no link: it is answered here, and sent in front of what the client
 * says next. Ignorant of where that goes. Thread: that of the env. Source: PostgreSQL docs, BEGIN:
 * without a statement it takes no snapshot and no lock, and cannot fail. */
#include "pg_run_int.h"
#include "rules.h"

#include <stdio.h>
#include <string.h>

#include "wire/pg/session.h"

/* How a transaction began, in c->begun. */
#define BEGUN 0x80U
#define BEGUN_LEVEL 0x07U /* 1 and more: its place in levels[] */
#define BEGUN_WRITE 0x08U
#define BEGUN_DEFER 0x10U
#define BEGUN_NO_DEFER 0x20U
#define BEGUN_MAX_BYTES 200U /* of a text that is looked at */

/* The words of a text, one after the other; "" at its end and for what is none. */
struct words {
	struct sql_lex lex;
	struct sql_tok tok;
};

static void next(struct words *w)
{
	sql_lex_next(&w->lex, &w->tok);
}

static bool is(const struct words *w, const char *word)
{
	return w->tok.kind == SQL_TOK_WORD && w->tok.name_n == strlen(word) &&
	       memcmp(w->tok.name, word, w->tok.name_n) == 0;
}

static bool take(struct words *w, const char *word)
{
	bool yes = is(w, word);
	if (yes)
		next(w);
	return yes;
}

static void start(struct words *w, const char *text, size_t n)
{
	sql_lex_init(&w->lex, &sql_dialect_pg, text, n, true);
	next(w);
}

static bool over(struct words *w)
{
	while (w->tok.ch == ';')
		next(w);
	return w->tok.kind == SQL_TOK_END;
}

static const char *const levels[] = { "serializable", "repeatable read", "read committed",
	"read uncommitted" };

static bool isolation(struct words *w, unsigned *level_r)
{
	if (!take(w, "level"))
		return false;
	if (take(w, "serializable"))
		*level_r = 0;
	else if (take(w, "repeatable"))
		*level_r = 1;
	else if (!take(w, "read"))
		return false;
	else if (take(w, "committed"))
		*level_r = 2;
	else if (take(w, "uncommitted"))
		*level_r = 3;
	else
		return false;
	return *level_r != 1 || take(w, "read");
}

/* READ ONLY is not among them: where that runs is decided by it alone, at once. Of two that
 * contradict each other the last one counts. */
static bool mode(struct words *w, uint8_t *begun)
{
	unsigned level;
	if (take(w, "isolation")) {
		if (!isolation(w, &level))
			return false;
		*begun = (uint8_t)((*begun & ~BEGUN_LEVEL) | (level + 1));
		return true;
	}
	if (take(w, "read")) {
		*begun |= BEGUN_WRITE;
		return take(w, "write");
	}
	bool not = take(w, "not");
	*begun = (uint8_t)((*begun & ~(BEGUN_DEFER | BEGUN_NO_DEFER)) |
			   (not ? BEGUN_NO_DEFER : BEGUN_DEFER));
	return take(w, "deferrable");
}

/* The tag of a BEGIN that no server would refuse, NULL for any other text. */
static const char *begin_tag(const char *text, size_t n, uint8_t *begun)
{
	struct words w;
	const char *tag = "BEGIN";
	*begun = BEGUN;
	start(&w, text, n);
	if (take(&w, "start")) {
		tag = "START TRANSACTION";
		if (!take(&w, "transaction"))
			return NULL;
	} else if (!take(&w, "begin")) {
		return NULL;
	} else if (!take(&w, "work")) {
		(void)take(&w, "transaction");
	}
	for (bool first = true; w.tok.ch != ';' && w.tok.kind != SQL_TOK_END; first = false) {
		if (!first && w.tok.ch == ',')
			next(&w);
		if (!mode(&w, begun))
			return NULL;
	}
	return over(&w) ? tag : NULL;
}

static const char *end_tag(const char *text, size_t n)
{
	struct words w;
	start(&w, text, n);
	bool commits = take(&w, "commit") || take(&w, "end");
	if (!commits && !take(&w, "rollback") && !take(&w, "abort"))
		return NULL;
	if (!take(&w, "work"))
		(void)take(&w, "transaction");
	return over(&w) ? (commits ? "COMMIT" : "ROLLBACK") : NULL;
}

static bool is_on(const struct pg_client *c, const char *name)
{
	const char *v = varset_get(c->want, name);
	return v && strcmp(v, "off") != 0;
}

/* May its transactions begin without a link? What a rule says, and what makes them read on a
 * replica, is decided when they begin. */
static bool may_defer(const struct pg_client *c)
{
	return c->defer_begin && c->mode == PROTO_TRANSACTION && c->ready && !c->lost &&
	       !c->in_batch && !c->may_reset && c->role != PROTO_ROLE_STANDBY &&
	       !rules_any(c->ruling) && !is_on(c, "default_transaction_read_only");
}

bool begin_answered(struct upx *u, const char *text, size_t n)
{
	struct pg_client *c = u->c;
	const char *tag = NULL;
	uint8_t begun = 0;
	if (u->l || n == 0 || n > BEGUN_MAX_BYTES || memchr(text, '/', n)) /* it may hold a hint */
		return false;
	if (c->begun)
		tag = end_tag(text, n);
	else if (may_defer(c))
		tag = begin_tag(text, n, &begun);
	if (tag == NULL)
		return false;
	c->begun = begun;
	pgsession_put_complete(u->down, tag);
	pgsession_put_ready(u->down, lost_status(c));
	return true;
}

void begin_put(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	char text[120];
	if (o == NULL)
		return;
	unsigned level = c->begun & BEGUN_LEVEL;
	int n = snprintf(text, sizeof(text), "BEGIN%s%s%s%s", level ? " ISOLATION LEVEL " : "",
		level ? levels[level - 1] : "", c->begun & BEGUN_WRITE ? " READ WRITE" : "",
		c->begun & BEGUN_DEFER      ? " DEFERRABLE"
		: c->begun & BEGUN_NO_DEFER ? " NOT DEFERRABLE"
					    : "");
	o->synth = PG_CAP_BEGIN;
	pgext_put_query(up, text, (size_t)n);
	c->acc |= SQL_F_TX_BEGIN;
	if (c->n_requests < UINT16_MAX)
		c->n_requests++;
	l->lost_wait = l->no_replay = true;
}
