/* scram_int - what the SCRAM files share: the attribute reader and small computations. Private to
 * crypto/. */
#ifndef CRYPTO_SCRAM_INT_H
#define CRYPTO_SCRAM_INT_H
#include "crypto/scram.h"

#define SCRAM_CBIND_NAME "tls-server-end-point"
#define SCRAM_NONCE_RAW_BYTES 18
#define SCRAM_NONCE_LEN 24 /* characters of our half */

/* A comma-separated list of x=value. Sticky: after the first mistake bad is set and all calls
 * return false. */
struct scram_rd {
	const char *p, *end;
	bool bad;
};
/* False (and no reader) if the message is empty, too long or holds a NUL. */
bool scram_rd_init(struct scram_rd *r, const void *msg, size_t n);
/* Is the next attribute called name? */
bool scram_rd_at(const struct scram_rd *r, char name);
/* The next attribute must be name; its value is not NUL-terminated. */
bool scram_rd_attr(struct scram_rd *r, char name, const char **v_r, size_t *n_r);
/* Any attribute; for optional extensions. */
bool scram_rd_any(struct scram_rd *r, char *name_r, const char **v_r, size_t *n_r);
/* Skips optional extensions up to the end. */
bool scram_rd_end(struct scram_rd *r);

bool scram_nonce_ok(const char *s, size_t n); /* printable, without comma */
/* SCRAM_NONCE_LEN random characters to at (room for one more: the NUL). */
int scram_nonce_make(char *at, struct err *e);
/* The c= value: base64 of the gs2 header followed by the binding data. */
int scram_cbind_text(
	const char *gs2, const uint8_t *cbind, size_t cbind_n, char *out, size_t out_n);
#define SCRAM_CBIND_TEXT_MAX 160
/* out = a xor b */
void scram_xor(const uint8_t *a, const uint8_t *b, uint8_t out[SCRAM_KEY_BYTES]);
/* StoredKey of a ClientKey. */
int scram_stored_key(
	const uint8_t client_key[SCRAM_KEY_BYTES], uint8_t out[SCRAM_KEY_BYTES], struct err *e);
/* The form of a password that is hashed, with its NUL, to out; returns its length. 0: pw itself is
 * to be used. Wipe out afterwards. Source: RFC 4013; PostgreSQL, saslprep (SASL Authentication). */
#define SCRAM_PASSWORD_MAX 2048
size_t scram_prepare(const char *pw, size_t pw_n, char out[SCRAM_PASSWORD_MAX]);
/* HMAC(key, what stands in auth_msg) */
int scram_sign(const uint8_t key[SCRAM_KEY_BYTES], const struct buf *auth_msg,
	uint8_t out[SCRAM_KEY_BYTES], struct err *e);
#endif
