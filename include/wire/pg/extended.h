/* extended - what clients send to run queries: Query, Parse, Bind, Describe, Execute, Close, Sync,
 * Flush, FunctionCall; fields without copying, and writers. Ignorant of who owns which statement.
 * Pure, any thread.
 * Source: PostgreSQL docs, Message Formats. */
#ifndef WIRE_PG_EXTENDED_H
#define WIRE_PG_EXTENDED_H
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reading: bodies without their header; false: malformed ---- */
/* The text has its NUL at text[text_n], which is the last byte of the body. */
bool pgext_read_query(const uint8_t *body, size_t n, const char **text_r, size_t *text_n_r);

struct pgext_parse {
	const char *name, *text;
	size_t name_n, text_n;
	unsigned n_types;
	const uint8_t *types; /* n_types * 4 bytes, as sent */
	size_t tail_off;      /* offset in the body of the text: all behind the name */
};
bool pgext_read_parse(const uint8_t *body, size_t n, struct pgext_parse *p_r);

struct pgext_bind {
	const char *portal, *stmt;
	size_t portal_n, stmt_n;
	size_t tail_off; /* offset in the body of what stands behind the statement's name */
};
/* Just the names; the tail is not looked at (a server does). The body may be cut: n bytes of it are
 * here. */
bool pgext_read_bind(const uint8_t *body, size_t n, struct pgext_bind *b_r);
/* The tail, checked to its end: parameters (next: *p_r NULL is NULL), then result formats. */
struct pgext_bind_tail {
	unsigned n_param_formats, n_params, n_result_formats;
	const uint8_t *param_formats, *result_formats; /* 2 bytes each */
	struct rd params;
};
bool pgext_read_bind_tail(const uint8_t *tail, size_t n, struct pgext_bind_tail *t_r);
bool pgext_next_param(struct rd *params, const uint8_t **p_r, size_t *n_r);
/* Format code of column i by the rules for 0, 1 or many codes; codes beyond the list are text. */
uint16_t pgext_format_of(const uint8_t *formats, unsigned n_formats, unsigned i);

struct pgext_target { /* Describe and Close */
	char kind;    /* 'S' or 'P'; anything else is malformed */
	const char *name;
	size_t name_n;
};
bool pgext_read_target(const uint8_t *body, size_t n, struct pgext_target *t_r);

struct pgext_execute {
	const char *portal;
	size_t portal_n;
	uint32_t max_rows; /* 0: all */
};
bool pgext_read_execute(const uint8_t *body, size_t n, struct pgext_execute *x_r);

/* ---- writing ---- */
void pgext_put_query(struct buf *b, const char *text, size_t text_n);
/* types: n_types * 4 bytes in network order (NULL if none). */
void pgext_put_parse(struct buf *b, const char *name, const char *text, size_t text_n,
	const uint8_t *types, unsigned n_types);
/* Header, portal and statement name of a Bind whose other tail_n bytes the caller sends unchanged
 * (or appends). */
void pgext_put_bind_head(struct buf *b, const char *portal, const char *stmt, size_t tail_n);
/* Text parameters (NULL is NULL), all results as text. */
void pgext_put_bind_text(struct buf *b, const char *portal, const char *stmt,
	const char *const *params, unsigned n_params);
void pgext_put_describe(struct buf *b, char kind, const char *name);
void pgext_put_close(struct buf *b, char kind, const char *name);
void pgext_put_execute(struct buf *b, const char *portal, uint32_t max_rows);
void pgext_put_sync(struct buf *b);
void pgext_put_flush(struct buf *b);
#endif
