/* stmt - the binary commands about prepared statements, and the answer to COM_STMT_PREPARE.
 * Ignorant of which statement is whose. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, COM_STMT_PREPARE to COM_STMT_FETCH; MariaDB docs, COM_STMT_BULK_EXECUTE. */
#ifndef WIRE_MYSQL_STMT_H
#define WIRE_MYSQL_STMT_H
#include "wire/mysql/packet.h"
#include "wire/mysql/param.h"

#define MYSTMT_LAST_ID 0xffffffffU /* to a MariaDB server: the statement prepared last */

/* ---- COM_STMT_PREPARE_OK ---- */
struct mystmt_prepared {
	uint32_t id;
	uint16_t columns_n, params_n, warnings;
	bool metadata_follows; /* false only with MYCAP_OPTIONAL_METADATA */
};
const char *mystmt_read_prepared(const uint8_t *p, size_t n, uint64_t caps,
	struct mystmt_prepared *x_r) __attribute__((warn_unused_result));
void mystmt_put_prepared(
	struct buf *b, uint8_t *seq, uint64_t caps, const struct mystmt_prepared *x);

/* ---- COM_STMT_EXECUTE ---- */
#define MYSTMT_CURSOR_MASK 0x07U     /* of flags: a cursor is asked for */
#define MYSTMT_PARAMETER_COUNT 0x08U /* of flags: PARAMETER_COUNT_AVAILABLE */

/* What is known of the statement before the packet is read. */
struct mystmt_known {
	unsigned params_n;        /* as prepared */
	const uint8_t *types;     /* of an earlier execution, MYPARAM_TYPE_BYTES each; NULL: none */
	const uint8_t *long_data; /* bitmap of params_n bits: sent by COM_STMT_SEND_LONG_DATA; or
				     NULL */
};
struct mystmt_execute {
	uint32_t id;
	uint8_t flags;
	uint32_t iterations;
	unsigned params_n, attrs_n; /* the statement's parameters, then query attributes */
	bool new_types;             /* the packet has types */
	const uint8_t *types;       /* new_types: in the packet, with names if names */
	size_t types_n;             /* bytes of that */
	bool names;                 /* a name behind each type */
	const uint8_t *nulls;       /* (params_n + attrs_n + 7) / 8 bytes; NULL without both */
	size_t values_off;          /* in the payload; all to its end are values */
	struct mystr values;        /* as far as they are here */
	bool checked;               /* types were known: params_values_n is set, values are whole */
	size_t params_values_n;     /* the attributes' values begin here */
	struct myparam_iter it;     /* checked: over parameters and attributes; copy it to walk */
};
/* p: the first have bytes of a payload of n, command byte included. 1: ok. 0: more bytes are needed
 * to reach values_off. -1: malformed, *where_r says at what. With have < n, or without known types,
 * values are not looked at. */
int mystmt_read_execute(const uint8_t *p, size_t have, size_t n, uint64_t caps,
	const struct mystmt_known *known, struct mystmt_execute *x_r, const char **where_r)
	__attribute__((warn_unused_result));
/* The id alone, of any of these commands: the bytes 1 to 4. False: too short. */
bool mystmt_read_id(const uint8_t *p, size_t have, uint32_t *id_r);
/* types_r has room for params_n * MYPARAM_TYPE_BYTES: the types in the packet without names. */
void mystmt_copy_types(const struct mystmt_execute *x, uint8_t *types_r);

/* The same execution in the layout of caps, up to the values, for a payload that the caller goes
 * on with: id instead of x->id; types (params_n, without names; NULL: those in the packet, and if
 * it has none, none are sent). The attributes are kept if keep_attrs and caps have
 * MYCAP_QUERY_ATTRIBUTES; else the caller sends only params_values_n bytes of the values. */
void mystmt_put_execute_head(struct buf *b, uint64_t caps, const struct mystmt_execute *x,
	uint32_t id, const uint8_t *types, bool keep_attrs);
/* The whole packet. Needs x->checked if attributes are to be dropped. */
void mystmt_put_execute(struct buf *b, uint8_t *seq, uint64_t caps, const struct mystmt_execute *x,
	uint32_t id, const uint8_t *types, bool keep_attrs);

/* ---- COM_STMT_SEND_LONG_DATA: no answer, ever ---- */
#define MYSTMT_LONG_DATA_HEAD_BYTES 7U /* data begins there */
struct mystmt_long_data {
	uint32_t id;
	uint16_t param;
	struct mystr data; /* as far as it is here */
};
const char *mystmt_read_long_data(const uint8_t *p, size_t have, struct mystmt_long_data *x_r)
	__attribute__((warn_unused_result));
void mystmt_put_long_data(
	struct buf *b, uint8_t *seq, uint32_t id, uint16_t param, const void *data, size_t n);

/* ---- COM_STMT_CLOSE (no answer), COM_STMT_RESET, COM_STMT_FETCH ---- */
const char *mystmt_read_fetch(const uint8_t *p, size_t n, uint32_t *id_r, uint32_t *rows_r)
	__attribute__((warn_unused_result));
void mystmt_put_fetch(struct buf *b, uint8_t *seq, uint32_t id, uint32_t rows);
void mystmt_put_close(struct buf *b, uint8_t *seq, uint32_t id);
void mystmt_put_reset(struct buf *b, uint8_t *seq, uint32_t id);

/* ---- COM_STMT_BULK_EXECUTE of MariaDB ---- */
#define MYSTMT_BULK_UNIT_RESULTS 0x40U
#define MYSTMT_BULK_TYPES 0x80U
struct mystmt_bulk {
	uint32_t id;
	uint16_t flags;
	const uint8_t *types; /* params_n * MYPARAM_TYPE_BYTES if MYSTMT_BULK_TYPES, else NULL */
	size_t values_off;    /* in the payload; all to its end are rows of values */
};
/* p, have, n and the result as in mystmt_read_execute(). */
int mystmt_read_bulk(const uint8_t *p, size_t have, size_t n, unsigned params_n,
	struct mystmt_bulk *x_r, const char **where_r) __attribute__((warn_unused_result));
/* Each value is whole and the rows fill the payload; types: params_n of them. */
const char *mystmt_check_bulk(const uint8_t *values, size_t n, unsigned params_n,
	const uint8_t *types) __attribute__((warn_unused_result));
/* All before the values. types: params_n of them, or NULL to send none. */
void mystmt_put_bulk_head(
	struct buf *b, uint32_t id, uint16_t flags, const uint8_t *types, unsigned params_n);
#endif
