/* mysql_login_int - the login halves of struct my_client and struct my_link, on the heap while they
 * are needed. Private to proto/. One thread: the session's or link's. */
#ifndef PROTO_MYSQL_LOGIN_INT_H
#define PROTO_MYSQL_LOGIN_INT_H
#include "crypto/mysql_sha2.h"
#include "mysql_int.h"
#include "proto/proto.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The words of a real server: user, host, YES or NO. */
#define MY_DENIED "Access denied for user '%.64s'@'%.63s' (using password: %s)"
#define MY_LOGIN_MAX_BYTES (96U << 10) /* of a packet of somebody who has proved nothing */

/* ---- what a greeting says: mysql_facts.c ---- */

/* What our clients are offered; less if the servers behind have not got it. */
#define MY_CLIENT_CAPS \
	(MYCAP(MYSQL) | MYCAP(FOUND_ROWS) | MYCAP(LONG_FLAG) | MYCAP(CONNECT_WITH_DB) | \
		MYCAP(NO_SCHEMA) | MYCAP(ODBC) | MYCAP(LOCAL_FILES) | MYCAP(IGNORE_SPACE) | \
		MYCAP(PROTOCOL_41) | MYCAP(INTERACTIVE) | MYCAP(SSL) | MYCAP(IGNORE_SIGPIPE) | \
		MYCAP(TRANSACTIONS) | MYCAP(RESERVED) | MYCAP(SECURE_CONNECTION) | \
		MYCAP(MULTI_STATEMENTS) | MYCAP(MULTI_RESULTS) | MYCAP(PS_MULTI_RESULTS) | \
		MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_ATTRS) | MYCAP(PLUGIN_AUTH_LENENC) | \
		MYCAP(SESSION_TRACK) | MYCAP(DEPRECATE_EOF) | MYCAP(QUERY_ATTRIBUTES) | \
		MYCAP(OPTIONAL_METADATA) | MYCAP(MARIADB_PROGRESS) | MYCAP(MARIADB_BULK) | \
		MYCAP(MARIADB_EXTENDED_METADATA) | MYCAP(MARIADB_BULK_UNIT_RESULTS))
/* Of those, what we do ourselves whatever the servers say. */
#define MY_OWN_CAPS \
	(MYCAP(CONNECT_WITH_DB) | MYCAP(PROTOCOL_41) | MYCAP(SSL) | MYCAP(SECURE_CONNECTION) | \
		MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_ATTRS) | MYCAP(PLUGIN_AUTH_LENENC))

/* What of PROTO_CODING_* this build can do, as capabilities. */
uint64_t my_caps_of_codings(unsigned codings);
int my_client_coding(const void *cst, struct coding *c_r);
int my_link_coding(const void *lst, struct coding *c_r);

struct my_facts {
	bool mariadb;
	uint8_t collation;
	uint64_t caps; /* offered by every server, MariaDB's extended ones in the high half */
	struct mystr version; /* as sent: MariaDB 10.x puts "5.5.5-" in front */
};
/* Of a version alone: what such a server usually offers. */
void my_facts_guess(const char *version, struct my_facts *f_r);
/* False: these are none. version points into p. */
bool my_facts_read(const uint8_t *p, size_t n, struct my_facts *f_r)
	__attribute__((warn_unused_result));
bool my_version_is_mariadb(struct mystr version);
/* 90704 of "9.7.4-2", 101119 of "5.5.5-10.11.19-MariaDB"; 0: cannot be read. */
uint32_t my_version_number(struct mystr version);
bool my_link_facts(const void *lst, struct buf *out);
bool my_facts_join(struct buf *all, const uint8_t *facts, size_t n, const char *version);

/* What cannot be changed behind the login and must be the same on a session and its link, as a
 * number below MY_CLASS_NO_SCHEMA. */
unsigned my_class_of_caps(uint64_t caps);
uint64_t my_caps_of_class(unsigned link_class);

/* ---- a client logs in: mysql_client_login.c (greeting, response), mysql_client_auth.c ---- */

enum my_client_step {
	MY_CL_RESPONSE, /* greeted: waiting for SSLRequest or HandshakeResponse41 */
	MY_CL_TLS,      /* asked for TLS: core starts it */
	MY_CL_WHO,      /* PEV_LOGIN was returned: core decides on the proof */
	MY_CL_PROOF,    /* the proof that came with the response is to be checked */
	MY_CL_SWITCHED, /* AuthSwitchRequest was sent: waiting for its proof */
	MY_CL_FULL,     /* caching_sha2_password wants the password, or the request for our key */
	MY_CL_RSA,      /* our key was sent: waiting for the encrypted password */
	MY_CL_OUTSIDE,  /* PEV_PASSWORD was returned: core asks somebody */
	MY_CL_REFUSED,  /* ... who said no */
	MY_CL_PROVEN,   /* the next step returns PEV_AUTH_OK */
	MY_CL_DONE,     /* it was returned */
	MY_CL_FAILED
};
enum my_plugin { MY_PLUGIN_OTHER, MY_PLUGIN_NATIVE, MY_PLUGIN_SHA2, MY_PLUGIN_CLEAR };

struct my_client_login {
	enum my_client_step step;
	bool tls;         /* what it sends is encrypted */
	bool change;      /* COM_CHANGE_USER */
	uint64_t offered; /* capabilities in our greeting */
	char *text;       /* the strings of info; owned */
	struct proto_login info;
	uint8_t scramble[MYSQL_SCRAMBLE_BYTES]; /* the last that it was sent */
	enum my_plugin greeted, named;          /* in the greeting; in its response */
	/* Its proof, as it came with the response: of no use unless named == greeted. */
	uint8_t reply[MYSQL_SHA2_BYTES];
	uint32_t reply_n; /* above sizeof reply: cut, it is no proof */
	/* what client_auth() was given */
	enum my_plugin plugin; /* the proof to ask for */
	bool doomed, outside, may_full, is_private;
	bool trusted;     /* no proof is owed: whatever it answers is right */
	bool fast;        /* it proved itself to caching_sha2_password without a password */
	bool no_password; /* it sent none */
	bool has_verifier, has_cert;
	uint8_t verifier[MYSQL_SHA2_BYTES]; /* wiped */
	uint8_t cert_sha256[32];
	char host[64];
	char *secret;                              /* owned, wiped; NULL if doomed */
	char cert_proof[MYSQL_CERT_PROOF_LEN + 1]; /* "": none */
	bool has_creds;
	struct proto_creds creds; /* wiped */
};

void my_client_init(void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down);
void my_client_fini(void *cst);
struct pev my_client_step(void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e);
size_t my_client_want(const void *cst, const uint8_t *p, size_t n);
void my_client_tls_answer(void *cst, bool yes, struct buf *down);
const struct proto_login *my_client_login(const void *cst);
/* An error of ours before the login's end in the words of a real server, which some clients look
 * for: in own; or e. */
const struct err *my_client_words(const struct my_client *c, const struct err *e, struct err *own);

int my_client_auth(void *cst, const struct proto_proof *pr, struct buf *down, struct err *e);
void my_client_auth_result(void *cst, bool ok, struct buf *down);
bool my_client_creds(const void *cst, struct proto_creds *c);
/* client_step() from client_auth() on; payload NULL: none has come yet. */
struct pev my_client_proof(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e);
void my_client_proof_fini(struct my_client_login *l);
/* Begins to make this process' RSA key, which takes some 100 ms, unless it was begun: before
 * clients come, so that the first who needs it does not wait. Control thread. */
void my_client_prepare_rsa(void);
void my_client_prepared_rsa(void); /* waits until it is made, if it was begun. Control thread */
/* The information string of the OK behind a login; "" if there is none. Valid until the login's
 * end. */
const char *my_client_ok_info(const struct my_client *c);

/* ---- a link logs in: mysql_link_login.c (states), mysql_link_auth.c (answers to the server) ----
 */

enum my_link_step {
	MY_LK_GREETING, /* waiting for the server's first word */
	MY_LK_TLS,      /* SSLRequest was sent: core does the handshake */
	MY_LK_AUTH,     /* waiting for what the server thinks of our proof */
	MY_LK_KEY,      /* asked for the server's RSA key */
	MY_LK_ANSWERED, /* sent all that there is: OK or an error */
	MY_LK_SALT,     /* parsec: waiting for the salt */
	MY_LK_IN,       /* logged in: the setup batch is to be sent */
	MY_LK_SETUP,    /* logged in: the setup batch is under way */
	MY_LK_FAILED
};
enum my_link_plugin {
	MY_LP_NONE,
	MY_LP_NATIVE,
	MY_LP_SHA2,
	MY_LP_SHA256,
	MY_LP_CLEAR,
	MY_LP_ED25519,
	MY_LP_PARSEC
};

struct my_link_login {
	enum my_link_step step;
	enum my_link_plugin plugin;
	bool tls_try, tls_require, tls, is_private;
	bool switched; /* AuthSwitchRequest has come: once is enough */
	uint8_t seq;   /* of the next packet, whoever sends it */
	uint64_t caps; /* to be negotiated */
	char *user;    /* owned */
	uint8_t nonce[MYSQL_SCRAMBLE_BYTES];
	uint8_t challenge[32]; /* parsec */
	struct mystr greeted;  /* plugin of the greeting: in greeted_name */
	char greeted_name[64];
	struct proto_creds creds; /* wiped */
};

int my_link_init(void *lst, struct proto_env *v, const struct proto_link_login *l, struct buf *up,
	struct err *e);
void my_link_fini(void *lst);
struct pev my_link_step(void *lst, const uint8_t *p, size_t n, struct buf *up, struct err *e);
void my_link_tls_done(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up);
void my_link_login_free(struct my_link *k);
size_t my_link_cancel_key(const void *lst, const uint8_t **key_r);
unsigned my_link_server_pid(const void *lst);

/* The first proof: of the greeting's plugin if we can, else of the one we can. reply_r has room for
 * MYSQL_SHA2_BYTES. -1: e. */
int my_link_first_proof(struct my_link_login *l, const char **plugin_r, uint8_t *reply_r,
	size_t *reply_n_r, struct err *e);
/* We cannot, and waiting will not help: who waits is told at once. -1. */
int my_link_refuse(const struct my_link_login *l, struct err *e, const char *why);
/* AuthSwitchRequest and AuthMoreData: put the answer and move l->step. -1: e. */
int my_link_auth_switch(
	struct my_link_login *l, const uint8_t *p, size_t n, struct buf *up, struct err *e);
int my_link_auth_more(
	struct my_link_login *l, const uint8_t *data, size_t n, struct buf *up, struct err *e);

#endif
