/* scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both roles, as pure state machines: messages in,
 * messages out. Ignorant of framing, sockets, users and who may log in. One exchange belongs to one
 * thread; the functions on secrets may run on any thread.
 * Sources: RFC 5802, RFC 7677, RFC 5929 (tls-server-end-point); PostgreSQL docs, SASL
 * Authentication.
 *
 * Both peers are hostile: messages above SCRAM_MSG_MAX are refused, so are unknown mandatory
 * extensions, control characters in a nonce, and iteration counts beyond a limit.
 *
 * SASLprep (RFC 4013) as PostgreSQL does it: ASCII passwords pass unchanged, others are normalized
 * (NFKC), and if that fails (not UTF-8, prohibited characters) the raw bytes are used. */
#ifndef CRYPTO_SCRAM_H
#define CRYPTO_SCRAM_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRAM_KEY_BYTES 32
#define SCRAM_SALT_MAX 256 /* bytes; PostgreSQL uses 16 */
#define SCRAM_OWN_SALT_BYTES 16
#define SCRAM_MSG_MAX 4096   /* of each message of either side */
#define SCRAM_NONCE_MAX 1024 /* characters, both halves together */
#define SCRAM_CBIND_MAX 64   /* bytes of tls-server-end-point data: a hash */
#define SCRAM_DEFAULT_ITERATIONS 4096
#define SCRAM_MAX_ITERATIONS 1000000 /* a server may ask of us, by default */
#define SCRAM_SECRET_TEXT_MAX 512    /* room for the text form with its NUL */

enum scram_mech { SCRAM_MECH_NONE, SCRAM_MECH_BASIC, SCRAM_MECH_PLUS };
/* "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", else SCRAM_MECH_NONE. */
enum scram_mech scram_mech_of(const char *name, size_t n);
const char *scram_mech_name(enum scram_mech m); /* "" for NONE */

/* ---- secrets ---- */

/* What a server stores: the verifier. Wipe with mem_wipe() when done. */
struct scram_secret {
	uint32_t iterations;
	uint32_t salt_n;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[SCRAM_KEY_BYTES];
	uint8_t server_key[SCRAM_KEY_BYTES];
};
/* What a client needs in place of the password; good for one (salt, iterations) only. */
struct scram_keys {
	uint32_t iterations;
	uint32_t salt_n;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t client_key[SCRAM_KEY_BYTES];
	uint8_t server_key[SCRAM_KEY_BYTES];
};

/* Does the text claim to be a SCRAM secret ("SCRAM-SHA-256$...")? It may still fail to parse. */
bool scram_is_secret(const char *text, size_t n);
/* "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey". ERR_CONFIG says what is wrong, never the
 * secret. */
int scram_secret_parse(const char *text, size_t n, struct scram_secret *s_r, struct err *e)
	__attribute__((warn_unused_result));
int scram_secret_format(const struct scram_secret *s, char *out, size_t out_n)
	__attribute__((warn_unused_result));

/* SLOW (PBKDF2, see digest.h): meant for a helper thread or behind a cache. salt_n
 * 1..SCRAM_SALT_MAX. */
int scram_secret_from_password(const char *pw, size_t pw_n, const uint8_t *salt, size_t salt_n,
	uint32_t iterations, struct scram_secret *s_r, struct err *e)
	__attribute__((warn_unused_result));
/* SLOW. As above, for the client role. */
int scram_keys_from_password(const char *pw, size_t pw_n, const uint8_t *salt, size_t salt_n,
	uint32_t iterations, struct scram_keys *k_r, struct err *e)
	__attribute__((warn_unused_result));
/* SLOW. Is pw the password of s? (A client that sent it in clear.) *ok_r is false unless 0 is
 * returned. */
int scram_secret_check(const struct scram_secret *s, const char *pw, size_t pw_n, bool *ok_r,
	struct err *e) __attribute__((warn_unused_result));

/* A salt that looks random but is the same for a user as long as process_secret lives. Use it for
 * plain passwords and (inside scram_secret_mock) for unknown users, so that the two cannot be told
 * apart. */
int scram_salt_for_user(const uint8_t process_secret[SCRAM_KEY_BYTES], const char *user,
	uint8_t salt[SCRAM_OWN_SALT_BYTES], struct err *e) __attribute__((warn_unused_result));
/* A verifier that no proof fits, for unknown users: fast. Start the server with mock = true. */
int scram_secret_mock(const uint8_t process_secret[SCRAM_KEY_BYTES], const char *user,
	uint32_t iterations, struct scram_secret *s_r, struct err *e)
	__attribute__((warn_unused_result));

/* ---- server role: we authenticate a client ---- */

enum scram_step { SCRAM_STEP_FIRST, SCRAM_STEP_FINAL, SCRAM_STEP_DONE, SCRAM_STEP_FAILED };
struct scram_server {
	enum scram_step step;
	enum scram_mech mech; /* chosen by the client */
	char gs2_flag;        /* n, y or p */
	bool mock;
	uint16_t cbind_n; /* 0: PLUS was not offered */
	uint8_t cbind[SCRAM_CBIND_MAX];
	uint32_t nonce_n; /* characters */
	char nonce[SCRAM_NONCE_MAX];
	struct scram_secret secret;
	struct scram_keys keys; /* client_key is set in DONE */
	struct buf auth_msg;    /* AuthMessage as it grows */
};
/* Copies secret and cbind. cbind_n > 0 says that we offered (or shall offer) PLUS on this
 * connection. With mock the whole exchange runs and then fails. Call scram_server_fini() in every
 * case. */
void scram_server_init(struct scram_server *s, const struct scram_secret *secret, bool mock,
	const void *cbind, size_t cbind_n);
void scram_server_fini(struct scram_server *s); /* wipes; safe to call twice */
/* client-first-message in, server-first-message appended to out. ERR_PROTOCOL for malformed
 * messages. After -1 the exchange is over; out may hold a part that must not be sent. */
int scram_server_first(struct scram_server *s, enum scram_mech mech, const void *msg, size_t n,
	struct buf *out, struct err *e) __attribute__((warn_unused_result));
/* client-final-message in, server-final-message appended to out; 0 means that the client proved
 * itself. A wrong proof (and every mock) is -1 with ERR_AUTH_FAILED. */
int scram_server_final(struct scram_server *s, const void *msg, size_t n, struct buf *out,
	struct err *e) __attribute__((warn_unused_result));
/* After success: keys that log in to a server which holds the same verifier. Asserts
 * SCRAM_STEP_DONE. */
const struct scram_keys *scram_server_keys(const struct scram_server *s);

/* ---- client role: we log in to a server ---- init; first(); challenge(); then keys by set_keys()
 * or derive(); final(); finish(). challenge() only parses, so that the caller can look into a cache
 * or hand the derivation to another thread. */

enum scram_client_step {
	SCRAM_CLIENT_FIRST,
	SCRAM_CLIENT_CHALLENGE,
	SCRAM_CLIENT_KEYS,
	SCRAM_CLIENT_FINAL,
	SCRAM_CLIENT_FINISH,
	SCRAM_CLIENT_DONE,
	SCRAM_CLIENT_FAILED
};
struct scram_client {
	enum scram_client_step step;
	enum scram_mech mech;
	uint32_t max_iterations;
	uint16_t cbind_n;
	uint8_t cbind[SCRAM_CBIND_MAX];
	uint32_t nonce_n; /* ours, then both halves */
	char nonce[SCRAM_NONCE_MAX];
	uint32_t iterations; /* asked by the server; valid from KEYS on */
	uint32_t salt_n;
	uint8_t salt[SCRAM_SALT_MAX];
	struct scram_keys keys;
	uint8_t server_signature[SCRAM_KEY_BYTES];
	char gs2[32]; /* "n,,", "y,," or "p=tls-server-end-point,," */
	struct buf auth_msg;
};
/* max_iterations 0: SCRAM_MAX_ITERATIONS. */
void scram_client_init(struct scram_client *c, uint32_t max_iterations);
void scram_client_fini(struct scram_client *c); /* wipes; safe to call twice */
/* Appends the client-first-message. mech is what we chose from the server's list; with PLUS, cbind
 * is the data of the server's certificate. With BASIC, cbind_n > 0 means "we could have bound the
 * channel, but the server did not offer it" (flag y). */
int scram_client_first(struct scram_client *c, enum scram_mech mech, const void *cbind,
	size_t cbind_n, struct buf *out, struct err *e) __attribute__((warn_unused_result));
/* server-first-message in. ERR_SERVER_PROTOCOL when malformed or beyond a limit. Afterwards salt
 * and iterations stand in c. */
int scram_client_challenge(struct scram_client *c, const void *msg, size_t n, struct err *e)
	__attribute__((warn_unused_result));
/* Are k for the salt and iterations that the server asked for? */
bool scram_client_keys_fit(const struct scram_client *c, const struct scram_keys *k);
/* ERR_SERVER_REFUSED if they do not fit: the server's verifier is not the one the keys come from.
 */
int scram_client_set_keys(struct scram_client *c, const struct scram_keys *k, struct err *e)
	__attribute__((warn_unused_result));
/* SLOW: scram_keys_from_password() and set_keys() at once. */
int scram_client_derive(struct scram_client *c, const char *pw, size_t pw_n, struct err *e)
	__attribute__((warn_unused_result));
/* Appends the client-final-message. */
int scram_client_final(struct scram_client *c, struct buf *out, struct err *e)
	__attribute__((warn_unused_result));
/* server-final-message in; 0 means that the server knows the verifier. Without it the login must
 * not go on. */
int scram_client_finish(struct scram_client *c, const void *msg, size_t n, struct err *e)
	__attribute__((warn_unused_result));
static inline bool scram_client_done(const struct scram_client *c)
{
	return c->step == SCRAM_CLIENT_DONE;
}
#endif
