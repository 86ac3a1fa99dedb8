/* stmtmap - prepared statements: interned texts (per worker), what a session calls them (name ->
 * statement), and which ones a link has (128-bit key -> number of its name there, least recently
 * used one goes first). Ignorant of messages. One thread at a time; a link's map holds no pointer
 * to anything shared, so that it can change thread with the link. */
#ifndef PROTO_STMTMAP_H
#define PROTO_STMTMAP_H
#include "base/hmap.h"
#include "base/list.h"
#include "meter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a server says of a statement: the types of its parameters and what its rows are. */
struct stmtdesc {
	uint64_t rows; /* hash of the columns' names, types and modifiers, a value of its own when
			  there are no rows; 0: not known */
	uint32_t n_params;
	uint8_t *params; /* n_params * 4 bytes, as they came; owned */
};
void stmtdesc_forget(struct stmtdesc *d);

/* ---- interned statements ---- */
struct stmttab {
	struct hmap all; /* id -> struct stmt */
	uint64_t bytes, max_bytes;
};
/* A text with its types; or the same as a session knows it that was told more. */
struct stmt {
	uint32_t refs;
	uint32_t text_n;
	uint32_t n_types;
	uint32_t n_told;
	struct hash128 key, id; /* of text and types; of what was told as well */
	uint64_t flags;         /* SQL_F_* */
	uint64_t told_rows;     /* as in struct stmtdesc; 0: nothing was told */
	struct stmt *of;        /* the one without what was told, a reference; or NULL */
	bool sql;               /* the text is a PREPARE: see pg_named.c */
	bool view;              /* it reads pg_prepared_statements: see pg_view.c */
	bool own; /* FETCH, EXECUTE: what it returns depends on what the session has made */
	/* pg_route.c: the verdict on it, with the names that it was found with (0: none yet) and
	 * the way of reading */
	uint64_t route_names;
	uint32_t route_how;
	uint8_t route; /* enum sql_route_verdict */
	bool route_movable, route_unsure;
	struct meter_digest digest; /* of the text, once it was asked for */
	const char *text;           /* NUL-terminated; then n_types * 4 bytes, as they came */
	uint8_t store[];            /* text and types; or n_told * 4 bytes */
};
void stmttab_init(struct stmttab *t, uint64_t max_bytes);
void stmttab_fini(struct stmttab *t); /* asserts that none is left */
/* lex: how the text is to be read (standard_conforming_strings and the like): the flags depend on
 * it. */
struct hash128 stmt_key(
	const char *text, size_t text_n, const uint8_t *types, unsigned n_types, uint8_t lex);
/* The statement with that key if it is known (a new reference), else NULL. */
struct stmt *stmt_find(struct stmttab *t, struct hash128 key);
/* A new one (its key must not be known). NULL: no memory, or the budget is spent. */
struct stmt *stmt_new(struct stmttab *t, struct hash128 key, const char *text, size_t text_n,
	const uint8_t *types, unsigned n_types, uint64_t flags);
/* s as sessions know it that were told d, which is known. A new reference; NULL: no memory. */
struct stmt *stmt_told(struct stmttab *t, struct stmt *s, const struct stmtdesc *d);
bool stmt_told_params(const struct stmt *s, const struct stmtdesc *d); /* were these told? */
static inline struct stmt *stmt_ref(struct stmt *s)
{
	if (s)
		s->refs++;
	return s;
}
void stmt_unref(struct stmttab *t, struct stmt *s); /* s may be NULL */
static inline bool stmt_is_sql(const struct stmt *s)
{
	return s->sql;
}
static inline const uint8_t *stmt_types(const struct stmt *s)
{
	return (const uint8_t *)s->text + s->text_n + 1;
}

/* ---- of a session: what it calls them ---- */
struct stmtname {
	struct stmt *s;      /* a reference */
	int64_t prepared_us; /* wall clock; rises from name to name */
};
struct stmtmap {
	struct hmap names; /* name -> struct stmtname, owned */
	int64_t last_us;
	size_t bytes;   /* of their texts */
	unsigned n_sql; /* of them are SQL's */
};
struct stmtmap *stmtmap_new(void); /* NULL: no memory */
void stmtmap_free(struct stmtmap **m, struct stmttab *t);
void stmtmap_clear(struct stmtmap *m, struct stmttab *t);
struct stmt *stmtmap_get(
	const struct stmtmap *m, const char *name, size_t name_n); /* borrowed; m may be NULL */
/* Names s (NULL: takes the name away); a name that is there keeps its time. The caller's reference
 * is not consumed. The former statement, with its reference, goes to *old_r. False: no memory. */
bool stmtmap_put(
	struct stmtmap *m, const char *name, size_t name_n, struct stmt *s, struct stmt **old_r);
unsigned stmtmap_n(const struct stmtmap *m);
unsigned stmtmap_n_sql(const struct stmtmap *m); /* m may be NULL */

/* ---- of a link: which ones it has ---- */
struct linkstmt {
	struct hash128 key;
	uint32_t id;        /* its name on the server is PREFIX<id> */
	uint32_t batch_no;  /* of the Parse, while not confirmed */
	uint32_t in_flight; /* entries in the ring that refer to it: not evicted meanwhile */
	bool confirmed;     /* the server answered the Parse */
	bool gone;          /* dropped from the map while in flight */
	bool learning;      /* a Describe is in flight whose answer goes to desc */
	uint32_t schema_no; /* told_schema_no() when it was parsed */
	uint64_t view;      /* view_text() of what was parsed; 0: another statement */
	struct stmtdesc desc;
	struct list lru;
};
struct linkmap {
	struct hmap by_key;
	struct list lru; /* most recently used first */
	uint32_t next_id;
};
void linkmap_init(struct linkmap *m);
void linkmap_fini(struct linkmap *m);
struct linkstmt *linkmap_get(struct linkmap *m, struct hash128 key); /* touches it; or NULL */
struct linkstmt *linkmap_add(
	struct linkmap *m, struct hash128 key); /* not yet there; NULL: no memory */
/* Gives it another key; one that has that key already is dropped. False: no memory, unchanged. */
bool linkmap_rekey(struct linkmap *m, struct linkstmt *s, struct hash128 key);
void linkmap_drop(
	struct linkmap *m, struct linkstmt *s); /* freed when nothing in flight refers to it */
void linkmap_release(struct linkmap *m, struct linkstmt *s); /* in_flight-- */
/* Takes one back that was dropped while in flight, as the least recently used, unless its key is
 * there again. */
void linkmap_restore(struct linkmap *m, struct linkstmt *s);
/* The one to evict when there are more than max: oldest with nothing in flight, or NULL. */
struct linkstmt *linkmap_oldest(struct linkmap *m, unsigned max);
void linkmap_clear(struct linkmap *m);
unsigned linkmap_n(const struct linkmap *m);
#endif
