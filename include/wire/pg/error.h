/* error - ErrorResponse and NoticeResponse, read and write. Fields may be missing, doubled, unknown
 * or huge: the reader takes what is there. Pure, any thread. Source: PostgreSQL docs, Error and
 * Notice Message Fields. */
#ifndef WIRE_PG_ERROR_H
#define WIRE_PG_ERROR_H
#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pointers into the body, NULL when absent. When a field comes twice the first counts. */
struct pgerror {
	const char *severity; /* V (never translated) if there, else S */
	const char *sqlstate; /* NULL unless five of 0-9A-Z */
	const char *msg, *detail, *hint;
	const char *where, *routine;
	bool whole; /* the body was well-formed to its end */
};
void pgerror_read(const uint8_t *body, size_t n, struct pgerror *f_r);
/* FATAL or PANIC: the server closes the connection behind it. */
bool pgerror_is_fatal(const struct pgerror *f);
/* A warning behind which the server closes the connection all the same: it was told to quit at
 * once, or another of its processes has crashed. What it was doing may or may not have been done.
 * Source: PostgreSQL docs, Shutting Down the Server (SIGQUIT); its last words name quickdie. */
bool pgerror_is_last_word(const struct pgerror *f);
/* Into an err: its SQLSTATE ("" -> that of code), message, detail and hint, cut to size; msg "(no
 * message)" when absent. */
void pgerror_to_err(const struct pgerror *f, enum err_code code, struct err *e);

/* One field after the other: r over the body; false at the terminator, or when malformed (rd_ok()
 * tells). */
bool pgerror_next(struct rd *r, char *code_r, const char **value_r, size_t *value_n_r);
/* Copies the message of type 'E' or 'N' with the value of each field `code` replaced by value. A
 * malformed rest is left out. */
void pgerror_put_replaced(
	struct buf *b, uint8_t type, const uint8_t *body, size_t n, char code, const char *value);

/* 'E' from an err. severity "ERROR" or "FATAL". */
void pgerror_put(struct buf *b, const char *severity, const struct err *e);
/* The same as coming from that place in a server: drivers go by it. */
void pgerror_put_from(struct buf *b, const struct err *e, const char *file, const char *routine);
/* 'N'. detail and hint may be NULL. */
void pgerror_put_notice(struct buf *b, const char *severity, const char *sqlstate, const char *msg,
	const char *detail, const char *hint);
#endif
