/* auth - the messages of authentication: AuthenticationXxx ('R') and the answers, which all have
 * type 'p'. Ignorant of states, secrets and SCRAM's contents. Pure, any thread. Source: PostgreSQL
 * docs, Message Formats. */
#ifndef WIRE_PG_AUTH_H
#define WIRE_PG_AUTH_H
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGAUTH_MAX_BODY_BYTES 65535U /* of a 'p' message: PG_MAX_AUTH_TOKEN_LENGTH */
#define PGAUTH_SALT_BYTES 4U

enum pgauth_code {
	PGAUTH_OK = 0,
	PGAUTH_KRB5 = 2,
	PGAUTH_CLEAR = 3,
	PGAUTH_MD5 = 5,
	PGAUTH_GSS = 7,
	PGAUTH_GSS_CONT = 8,
	PGAUTH_SSPI = 9,
	PGAUTH_SASL = 10,
	PGAUTH_SASL_CONT = 11,
	PGAUTH_SASL_FINAL = 12
};

/* 'R' with n bytes of data behind the code. */
void pgauth_put(struct buf *b, enum pgauth_code code, const void *data, size_t n);
/* AuthenticationSASL; mechs ends with NULL. */
void pgauth_put_sasl(struct buf *b, const char *const *mechs);
/* Data to be appended by the caller: at = begin(); ...; pgmsg_end(b, at). */
size_t pgauth_begin(struct buf *b, enum pgauth_code code);
/* The body of an 'R'. code_r may be a number without a name above. */
bool pgauth_read(
	const uint8_t *body, size_t n, uint32_t *code_r, const uint8_t **data_r, size_t *data_n_r);
/* Mechanisms of AuthenticationSASL: r over its data; false at the end of the list, or when
 * malformed (rd_ok() tells). */
bool pgauth_next_mech(struct rd *r, const char **mech_r, size_t *mech_n_r);

/* PasswordMessage: clear or md5. pw needs no NUL. */
void pgauth_put_password(struct buf *b, const char *pw, size_t n);
/* Exactly one string that fills the body. */
bool pgauth_read_password(const uint8_t *body, size_t n, const char **pw_r, size_t *pw_n_r);
/* SASLInitialResponse: at = begin(); append the data; end(). */
size_t pgauth_begin_sasl_initial(struct buf *b, const char *mech);
void pgauth_end_sasl_initial(struct buf *b, size_t at, const char *mech);
/* *data_r is NULL when the client sent none (length -1). */
bool pgauth_read_sasl_initial(const uint8_t *body, size_t n, const char **mech_r, size_t *mech_n_r,
	const uint8_t **data_r, size_t *data_n_r);
#endif
