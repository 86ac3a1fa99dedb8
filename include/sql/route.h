/*
 * sql/route.h - which node may run a SQL text.
 *
 * A closed world: a text goes to a replica only when every word of it is known to be harmless
 * there. What is not known, does not lex or has several meanings goes to the primary; what needs
 * the state of one link keeps that link. Ignorant of nodes, links and what they hold; of the
 * server's catalogs it knows what struct sql_names tells. No allocation, no I/O, no state outside
 * the structs given: any thread. Time is linear in the text.
 *
 * Not seen, by design: a user function that is marked STABLE and calls one that writes, and code
 * behind names that struct sql_names does not have (a view made a moment ago). See doc/routing.md.
 */
#ifndef WEIRPOOL_SQL_ROUTE_H
#define WEIRPOOL_SQL_ROUTE_H

#include "sql/classify.h"
#include "sql/classify_my.h"
#include "sql/names.h"

enum sql_route_verdict {
	SQL_ROUTE_REPLICA, /* any node that is fresh enough, the primary included */
	SQL_ROUTE_PRIMARY,
	SQL_ROUTE_TRACK,  /* session state, replayed on other links: where the session is */
	SQL_ROUTE_PIN,    /* the session's link of before, or kept from now on */
	SQL_ROUTE_REJECT, /* acts on one server, not on the cluster: not for clients of a proxy */
};

enum sql_route_tx {
	SQL_ROUTE_TX_NONE,
	SQL_ROUTE_TX_RW, /* on the primary */
	SQL_ROUTE_TX_RO, /* begun READ ONLY: on a replica, maybe */
};

/* What a verdict depends on beside the text and how it is lexed. */
struct sql_route_ctx {
	enum sql_route_tx tx;
	bool autocommit_off; /* MySQL: autocommit=0: every statement is in a transaction */
	bool read_only;      /* transactions are READ ONLY unless they say otherwise */
	bool serializable;   /* ... SERIALIZABLE: a standby refuses them (PostgreSQL) */
	bool server_schema;  /* MySQL: the current schema is performance_schema, sys or the like */
	/* NULL: not known; then every function, type and operator of a user's is a stranger. */
	const struct sql_names *names;
};

/* What a comment at the very start of the text asks for; it moves reads only. */
enum sql_hint_node {
	SQL_HINT_NONE,
	SQL_HINT_PRIMARY,
	SQL_HINT_REPLICA,
	SQL_HINT_NAMED, /* the node in .name */
};

enum sql_hint_consistency {
	SQL_HINT_AS_CONFIGURED,
	SQL_HINT_EVENTUAL,
	SQL_HINT_BOUNDED, /* .bounded_ms */
	SQL_HINT_SESSION,
	SQL_HINT_GLOBAL,
	SQL_HINT_STRONG,
};

#define SQL_HINT_NAME_MAX 63

struct sql_hint {
	enum sql_hint_node node;
	enum sql_hint_consistency consistency;
	uint32_t bounded_ms;
	bool unknown; /* a comment for weirpool of which it does not understand all: warn */
	uint8_t name_n;
	char name[SQL_HINT_NAME_MAX + 1]; /* filled and ended by NUL when node is NAMED */
};

struct sql_route {
	enum sql_route_verdict verdict; /* the hint is in it */
	const char *reason;             /* static text: what decided */
	size_t at;                      /* where in the text that stands */
	/* It changes, locks and keeps nothing that is seen: it may go to a replica when somebody
	 * vouches for what it calls (a rule). */
	bool movable;
	bool unsure; /* ... and somebody has to vouch for it */
	bool begins; /* one of its statements begins a transaction */
	unsigned statements_n;
	struct sql_hint hint;
};

/* n bytes of text as of a simple Query or a Parse (PostgreSQL). info_r, when not NULL, is what
 * sql_classify() says of the same text, in the same pass. */
void sql_route_pg(const struct sql_opts *o, const struct sql_route_ctx *c, const char *text,
	size_t n, struct sql_stmt_info *info_r, struct sql_route *out_r);

/* n bytes of text as of a COM_QUERY or COM_STMT_PREPARE (MySQL, MariaDB). */
void sql_route_my(const struct sql_my_opts *o, const struct sql_route_ctx *c, const char *text,
	size_t n, struct sql_route *out_r);

/* Whether that is a schema of the server's own, whose tables show one node: for
 * sql_route_ctx.server_schema. */
bool sql_route_my_is_server_schema(const char *name, size_t n);

/* Reads the comments before a text's first word; false when none is a hint. */
bool sql_hint_read(const char *text, size_t n, struct sql_hint *out_r);

/* A consistency as in a hint, alone: "session", "bounded(200ms)". False: it is none, and *out_r is
 * not to be used. */
bool sql_consistency_read(const char *text, size_t n, struct sql_hint *out_r);

/* "replica", "primary", "track", "pin", "reject". */
const char *sql_route_verdict_name(enum sql_route_verdict v);

#endif
