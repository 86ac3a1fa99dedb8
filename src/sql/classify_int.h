/*
 * What the classifier's files share: the state of one pass over a text. Private to sql/. Any
 * thread.
 */
#ifndef WEIRPOOL_SQL_CLASSIFY_INT_H
#define WEIRPOOL_SQL_CLASSIFY_INT_H

#include "sql/classify.h"

#include "route_pg_int.h"
#include "seen_int.h"
#include "words_int.h"

/* Deeper nesting of parentheses is SQL_F_BAD. */
#define CLASSIFY_DEPTH_MAX 256

static inline uint32_t seen_token(const struct sql_tok *t)
{
	return seen_make(t->kind, t->ch);
}

static inline enum sql_token seen_kind(uint32_t seen)
{
	return (enum sql_token)(seen >> 24 & 0x7f);
}

static inline bool seen_name(uint32_t seen)
{
	enum sql_token k = seen_kind(seen);

	return k == SQL_TOK_WORD || k == SQL_TOK_QUOTED || k == SQL_TOK_UQUOTED;
}

/* How far a list of common table expressions has come at one level of parentheses. */
enum with_state {
	WITH_NONE,
	WITH_START, /* WITH, WITH RECURSIVE */
	WITH_NAME,  /* the name of a common table expression */
	WITH_COLS,  /* inside or behind its column list */
	WITH_AS,    /* AS, NOT, MATERIALIZED */
	WITH_BODY,  /* inside or behind its body */
	WITH_COMMA, /* a comma behind a body: the next name's turn */
};

struct level {
	uint8_t with;      /* enum with_state */
	bool expr_follows; /* opened by ON, OPERATOR or WITH: an expression may follow its end */
	/* for the router: */
	bool cast;      /* CAST(: a type follows AS */
	bool columns;   /* a list of columns, maybe with their types */
	uint8_t item_n; /* tokens since the last comma, no more than 2 */
	bool item_name; /* the first of them is a name, and no keyword of a list */
};

/* A possibly qualified name: a, a.b, a.b.c. */
struct chain {
	const struct sql_word *first; /* of the first part, or NULL */
	const struct sql_word *word;  /* of the last part, or NULL */
	uint32_t before;              /* the token before it */
	unsigned at;                  /* its place in the statement */
	unsigned parts;
	uint8_t kind; /* enum sql_token, of the last part */
	bool opaque;  /* some part is U&"..." */
	bool cte;     /* names a common table expression, or is its MATERIALIZED */
};

/* The first part is pg_catalog. */
static inline bool chain_in_catalog(const struct chain *c)
{
	return c->first != NULL && c->first->id == SQL_W_PG_CATALOG;
}

/* The first part is information_schema. */
static inline bool chain_in_schema(const struct chain *c)
{
	return c->first != NULL && c->first->id == SQL_W_INFORMATION_SCHEMA;
}

struct pass {
	const struct sql_opts *o;
	struct sql_stmt_info *out;
	const char *text;
	uint64_t flags;
	struct pg_route *route; /* NULL: the session is all that matters */
	struct sql_lex lex;
	struct sql_tok tok;

	/* the current statement */
	enum sql_verb verb;
	uint16_t first_id; /* its first word */
	unsigned tokens_n; /* tokens before the current one */
	uint32_t prev;     /* the token before the current one */
	uint16_t prev2_id; /* the keyword before that */
	struct chain chain;
	bool name_wanted; /* the next name, or with name_last the last one, is the statement's */
	bool name_last;
	bool query;    /* SELECT, VALUES or EXECUTE was seen */
	bool join;     /* JOIN was seen */
	bool group;    /* GROUP was seen */
	bool merge;    /* MERGE was seen */
	unsigned body; /* BEGIN ATOMIC: 1, and 1 more for each open CASE */
	unsigned depth;
	struct level level[CLASSIFY_DEPTH_MAX + 1];
};

/* One pass over the text for what is in p. */
void classify_run(struct pass *p);

/* The statement's first word is p->tok: sets the verb and the flags that follow from it alone. */
void classify_first_word(struct pass *p, uint16_t id);

/* A keyword further on in the statement. */
void classify_keyword(struct pass *p, uint16_t id);

/* p->chain is followed by "(": sets the flags of that call if it is one. */
void classify_call(struct pass *p);

/* Behind SET or RESET (p->first_id): reads up to the statement's end, leaving its terminator in
 * p->tok. */
void classify_set(struct pass *p);

#endif
