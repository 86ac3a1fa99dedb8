/* session_login_int - what the files of a login share: session_login.c (bytes, TLS, startup
 * packet), session_proof.c (which proof), session_account.c (accounts of MySQL) and session_admit.c
 * (what follows the proof). The session's worker. */
#ifndef CORE_SESSION_LOGIN_INT_H
#define CORE_SESSION_LOGIN_INT_H
#include "core_int.h"

struct session_login {
	const struct conf_db *cdb;
	const char *dbase; /* name of its struct dbase: a string of the client or of gen */
	struct policy_decision d;
	struct authq *authq;
	char *secret; /* from auth_query; wiped */
	size_t secret_n;
	char *rows; /* from an auth_query that tells of accounts; wiped */
	size_t rows_n;
	bool has_account;
	struct account_fit account; /* that of rows which is the client's; wiped */
	bool authq_done, user_known, waits;
	bool authq_old; /* the answer was a remembered one */
	bool again;     /* it was wrong for the password, and is asked for once more */
	const char
		*password; /* that somebody outside checks: the protocol's, until the proof ends */
	size_t password_n;
	bool tls_denied; /* it asked for TLS, and was told that there is none */
	bool direct_tls; /* the ClientHello came first: ALPN must say what is spoken */
	bool peer_known;
	unsigned peer_uid;
	char peer_user[64];
	bool peer_asked, reloaded;
	char cn[256];
	size_t cn_n;
};

static inline const struct proto_login *login_of(const struct session *s)
{
	return s->ops->client_login(s->cst);
}

void login_refuse(struct session *s, const struct err *e);
void login_refuse_with(struct session *s, enum err_code code, const char *msg);
/* session_proof.c. True: an answer from elsewhere is awaited, or the session is gone. */
bool login_decide(struct session *s);
void login_ask_proof(struct session *s);
void login_learned(struct session *s); /* the proof was right */
/* A clear-text password, for the helper. True: the answer is known already. */
bool login_password(struct session *s, const struct pev *ev);
void login_failed(struct session *s, const struct err *e); /* the proof was wrong */
void login_forget_secret(struct session_login *g);         /* what auth_query has said */
/* session_account.c. Rows of auth_query: which of them is this client's? -1: out of memory. */
int account_choose(struct session *s, const char *rows, size_t n);
void account_forget(struct session_login *g);
/* What policy must know of the account. */
void account_facts(const struct session *s, struct policy_facts *f);
/* Its rules, behind the proof. */
int account_admit(struct session *s, struct err *e);
/* What an unknown user of this name is to look like; NULL: no matter. */
const struct form *account_form(const struct session *s);
/* What a password has to fit, as one text for the cache of verifiers. out: ACCOUNT_KEY_BYTES. */
#define ACCOUNT_KEY_BYTES (3 * ACCOUNT_SECRET_MAX + 3)
size_t account_key(const struct session *s, char *out);
/* One more below limit (0: none)? Then it is counted. */
/* session_admit.c. The client has proved what it had to prove. */
void login_admitted(struct session *s);
#endif
