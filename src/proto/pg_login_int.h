/* pg_login_int - the login halves of struct pg_client and struct pg_link, on the heap while they
 * are needed, and the state of a console session. Private to proto/. One thread: the session's or
 * link's. */
#ifndef PROTO_PG_LOGIN_INT_H
#define PROTO_PG_LOGIN_INT_H
#include "base/rd.h"
#include "crypto/md5pw.h"
#include "crypto/scram.h"
#include "pg_int.h"
#include "proto/proto.h"
#include "vars.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- a client logs in: pg_client_login.c (startup), pg_options.c, pg_client_auth.c (proof) ----
 */

enum pg_client_step {
	PG_CL_STARTUP,    /* waiting for a startup packet */
	PG_CL_TLS,        /* asked for TLS: core answers */
	PG_CL_WHO,        /* PEV_LOGIN was returned: core decides on the proof */
	PG_CL_CLEAR,      /* waiting for a password */
	PG_CL_MD5,        /* waiting for the answer to the salt */
	PG_CL_SASL_FIRST, /* waiting for SASLInitialResponse */
	PG_CL_SASL_EMPTY, /* it held no data: waiting for the client-first-message */
	PG_CL_SASL_FINAL, /* waiting for the client-final-message */
	PG_CL_OUTSIDE,    /* PEV_PASSWORD was returned: core asks somebody */
	PG_CL_REFUSED,    /* ... who said no */
	PG_CL_PROVEN,     /* the next step returns PEV_AUTH_OK */
	PG_CL_DONE,       /* it was returned, or a cancel request was */
	PG_CL_FAILED
};

struct pg_console;
struct pg_client_login {
	enum pg_client_step step;
	bool begun; /* a packet was consumed: too late for direct TLS */
	bool tls_asked, gss_asked, tls;
	uint16_t minor;   /* agreed upon: 0 or 2 */
	char *text;       /* the strings of the startup packet; owned */
	struct var *vars; /* settings in order, the last of a name counts; owned, strings in text */
	size_t n_vars, vars_size;
	struct proto_login info; /* strings in text */
	char *notice;            /* login notice; owned, or NULL */
	/* proof */
	bool doomed, outside, offered_plus;
	uint8_t salt[MD5PW_SALT_BYTES];
	char *secret;               /* of CLEAR and MD5; owned, wiped */
	struct scram_server *scram; /* owned, wiped */
	bool has_creds;
	struct proto_creds creds;   /* wiped */
	struct pg_console *console; /* of a console session; owned */
};

void pg_client_init(void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down);
void pg_client_fini(void *cst);
struct pev pg_client_step(void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e);
void pg_client_tls_answer(void *cst, bool yes, struct buf *down);
const struct proto_login *pg_client_login(const void *cst);
size_t pg_client_key_size(const void *cst);
/* Keeps a copy of the notice that the welcome will send; NULL: none. -1: no memory. */
int pg_client_keep_notice(struct pg_client *c, const char *notice, struct err *e);

/* Adds the settings in the value of `options`, which is cut up in place. -1 with *e: a client's
 * mistake, or no memory. */
int pg_options_split(struct pg_client_login *l, char *options, struct err *e);
int pg_client_add_var(
	struct pg_client_login *l, const char *name, const char *value, struct err *e);

int pg_client_auth(void *cst, const struct proto_proof *pr, struct buf *down, struct err *e);
void pg_client_auth_result(void *cst, bool ok, struct buf *down);
bool pg_client_creds(const void *cst, struct proto_creds *c);
/* client_step() from client_auth() on. */
struct pev pg_client_proof(
	struct pg_client *c, const uint8_t *p, size_t n, struct buf *down, struct err *e);
void pg_client_proof_fini(struct pg_client_login *l);

/* ---- a link logs in: pg_link_login.c (states), pg_link_auth.c (answers to the server) ---- */

enum pg_link_step {
	PG_LK_SSL,        /* SSLRequest sent: S, N or an error */
	PG_LK_TLS,        /* core does the handshake */
	PG_LK_AUTH,       /* startup packet sent: waiting for a request for authentication */
	PG_LK_ANSWERED,   /* answered: waiting for AuthenticationOk */
	PG_LK_SASL_CONT,  /* waiting for the server-first-message */
	PG_LK_SASL_FINAL, /* waiting for the server-final-message */
	PG_LK_WELCOME,    /* AuthenticationOk came: parameters, key, ReadyForQuery */
	PG_LK_DONE,
	PG_LK_FAILED
};

struct pg_link_login {
	enum pg_link_step step;
	bool tls_require, tls, cbind_require;
	bool bound;      /* SCRAM-SHA-256-PLUS was done */
	bool negotiated; /* NegotiateProtocolVersion came */
	uint32_t version;
	unsigned n_reported;
	char *user;         /* owned */
	struct buf startup; /* the packet, made by link_init() */
	uint32_t max_scram_iterations;
	uint8_t cbind[SCRAM_CBIND_MAX];
	size_t cbind_n;
	struct scram_client *scram; /* owned, wiped */
	struct proto_creds creds;   /* wiped */
};

int pg_link_init(void *lst, struct proto_env *v, const struct proto_link_login *l, struct buf *up,
	struct err *e);
void pg_link_fini(void *lst);
struct pev pg_link_step(void *lst, const uint8_t *p, size_t n, struct buf *up, struct err *e);
void pg_link_tls_done(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up);
void pg_link_login_free(struct pg_link *k);
/* One AuthenticationXxx: puts the answer and moves l->step. -1: e. */
int pg_link_auth(
	struct pg_link_login *l, const uint8_t *body, size_t n, struct buf *up, struct err *e);
size_t pg_link_cancel_key(const void *lst, const uint8_t **key_r);
unsigned pg_link_server_pid(const void *lst);

/* ---- text and console: pg_text.c, pg_console.c, pg_rowset.c ---- */

void pg_put_error(void *cst, struct buf *down, const struct err *e, bool fatal);
void pg_put_notice(
	void *cst, struct buf *down, const char *severity, const char *sqlstate, const char *msg);
void pg_put_cancel(void *lst, struct buf *up, const uint8_t *key, size_t key_n);
void pg_put_bye(void *lst, struct buf *up);
void pg_console_start(
	void *cst, const char *version, const uint8_t *key, size_t key_n, struct buf *down);
void pg_console_reply(void *cst, const struct rowset *r, struct buf *down);
void pg_console_free(struct pg_console **c);
/* RowDescription. Format codes as in Bind. */
void pg_rowset_put_desc(
	struct buf *b, const struct rowset *r, const uint8_t *formats, unsigned n_formats);
/* One DataRow. -1: a cell is not of its column's type (b may hold a part of the message). */
int pg_rowset_put_row(struct buf *b, const struct rowset *r, size_t row, const uint8_t *formats,
	unsigned n_formats);

static inline struct pev pg_pev(enum pev_kind kind, size_t n)
{
	return (struct pev){ .kind = kind, .n = n };
}
#endif
