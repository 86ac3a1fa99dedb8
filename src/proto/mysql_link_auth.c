/* mysql_link_auth - what a server may ask of us, and our answers: mysql_native_password,
 * caching_sha2_password (fast, and in full over TLS, a unix socket, or RSA), sha256_password,
 * mysql_clear_password, MariaDB's client_ed25519 and parsec. Ignorant of framing beyond one
 * payload. The link's thread.
 * Source: MySQL docs, Authentication Methods; MariaDB docs, Connecting: Authentication Plugins.
 *
 * The password itself goes out only where nobody listens, or encrypted with the server's key. That
 * key is not checked, as with clients' get-server-public-key: against somebody who can pose as the
 * server, only TLS with verification helps. */
#include "mysql_login_int.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/mysql_ed25519.h"
#include "crypto/mysql_parsec.h"
#include "wire/mysql/auth.h"

int my_link_refuse(const struct my_link_login *l, struct err *e, const char *why)
{
	(void)err_set(e, ERR_SERVER_REFUSED, "cannot log in to the server as user \"%.60s\": %s",
		l->user, why);
	memcpy(e->sqlstate, "28000", 6); /* waiting would not help: who waits is told at once */
	e->mysql_errno = 1045;
	return -1;
}

/* Stored forms check proofs; they cannot make one. */
static bool has_password(const struct my_link_login *l)
{
	const char *pw = l->creds.password;
	size_t n = strlen(pw);
	return n && !mysql_native_is_secret(pw, n) && !mysql_sha2_is_secret(pw, n);
}

static bool knows_nothing(const struct my_link_login *l)
{
	return *l->creds.password == '\0' && !l->creds.has_native && !l->creds.has_sha2;
}

static bool is_safe(const struct my_link_login *l)
{
	return l->tls || l->is_private;
}

static enum my_link_plugin plugin_of(struct mystr name)
{
	static const struct {
		const char *name;
		enum my_link_plugin plugin;
	} known[] = { { MYAUTH_NATIVE, MY_LP_NATIVE }, { MYAUTH_CACHING_SHA2, MY_LP_SHA2 },
		{ MYAUTH_SHA256, MY_LP_SHA256 }, { MYAUTH_CLEAR, MY_LP_CLEAR },
		{ MYAUTH_ED25519, MY_LP_ED25519 }, { MYAUTH_PARSEC, MY_LP_PARSEC } };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].name) == name.n && memcmp(known[i].name, name.p, name.n) == 0)
			return known[i].plugin;
	return MY_LP_NONE;
}

/* ---- proofs over a scramble of 20 bytes ---- */

/* 1: made; 0: not known. */
static int native_proof(const struct my_link_login *l, uint8_t *reply, struct err *e)
{
	uint8_t stage1[MYSQL_NATIVE_BYTES];
	int rc = 0;
	if (l->creds.has_native)
		memcpy(stage1, l->creds.native, sizeof(stage1));
	else if (has_password(l))
		rc = mysql_native_stage1(l->creds.password, strlen(l->creds.password), stage1, e);
	else
		return 0;
	if (rc == 0)
		rc = mysql_native_proof(l->nonce, stage1, reply, e);
	mem_wipe(stage1, sizeof(stage1));
	return rc ? -1 : 1;
}

static int sha2_proof(const struct my_link_login *l, uint8_t *reply, struct err *e)
{
	uint8_t key[MYSQL_SHA2_BYTES];
	int rc = 0;
	if (l->creds.has_sha2)
		memcpy(key, l->creds.sha2, sizeof(key));
	else if (has_password(l))
		rc = mysql_sha2_key(l->creds.password, strlen(l->creds.password), key, e);
	else
		return 0;
	if (rc == 0)
		rc = mysql_sha2_proof(l->nonce, key, reply, e);
	mem_wipe(key, sizeof(key));
	return rc ? -1 : 1;
}

int my_link_first_proof(struct my_link_login *l, const char **plugin_r, uint8_t *reply_r,
	size_t *reply_n_r, struct err *e)
{
	struct mystr greeted = { l->greeted_name, strlen(l->greeted_name) };
	bool sha2_first = plugin_of(greeted) == MY_LP_SHA2;
	for (unsigned i = 0; i < 2; i++) {
		bool sha2 = sha2_first == (i == 0);
		int rc = sha2 ? sha2_proof(l, reply_r, e) : native_proof(l, reply_r, e);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			l->plugin = sha2 ? MY_LP_SHA2 : MY_LP_NATIVE;
			*plugin_r = sha2 ? MYAUTH_CACHING_SHA2 : MYAUTH_NATIVE;
			*reply_n_r = sha2 ? MYSQL_SHA2_BYTES : MYSQL_NATIVE_BYTES;
			return 0;
		}
	}
	l->plugin = sha2_first ? MY_LP_SHA2 : MY_LP_NATIVE;
	*plugin_r = sha2_first ? MYAUTH_CACHING_SHA2 : MYAUTH_NATIVE;
	*reply_n_r = 0; /* an empty password */
	return 0;
}

/* ---- AuthSwitchRequest ---- */

static int put(
	struct my_link_login *l, const void *p, size_t n, enum my_link_step next, struct buf *up)
{
	mypacket_put(up, &l->seq, p, n);
	l->step = next;
	return 0;
}

static int take_nonce(struct my_link_login *l, struct mystr data, struct err *e)
{
	const uint8_t *nonce = myauth_nonce(data, sizeof(l->nonce));
	if (nonce == NULL)
		return err_set(e, ERR_SERVER_PROTOCOL, "malformed challenge from the server");
	memcpy(l->nonce, nonce, sizeof(l->nonce));
	return 0;
}

static int answer_native(struct my_link_login *l, struct mystr data, struct buf *up, struct err *e)
{
	uint8_t reply[MYSQL_NATIVE_BYTES];
	if (take_nonce(l, data, e))
		return -1;
	int rc = native_proof(l, reply, e);
	if (rc == 0 && !knows_nothing(l))
		return my_link_refuse(l, e,
			"it asks for mysql_native_password, for which what is known of the "
			"password does not do");
	return rc < 0 ? -1 : put(l, reply, rc ? sizeof(reply) : 0, MY_LK_ANSWERED, up);
}

static int answer_sha2(struct my_link_login *l, struct mystr data, struct buf *up, struct err *e)
{
	uint8_t reply[MYSQL_SHA2_BYTES] = { 0 };
	if (take_nonce(l, data, e))
		return -1;
	int rc = sha2_proof(l, reply, e);
	if (rc == 0 && !knows_nothing(l))
		return my_link_refuse(l, e,
			"it asks for caching_sha2_password, for which what is known of the "
			"password does not do");
	/* an empty password is a single NUL */
	return rc < 0 ? -1 : put(l, reply, rc ? sizeof(reply) : 1, MY_LK_AUTH, up);
}

/* The password with its NUL. */
static int put_password(struct my_link_login *l, struct buf *up)
{
	return put(l, l->creds.password, strlen(l->creds.password) + 1, MY_LK_ANSWERED, up);
}

/* The password itself: in clear where nobody listens, else behind the server's key. */
static int give_password(struct my_link_login *l, uint8_t ask_key, struct buf *up, struct err *e)
{
	if (!has_password(l))
		return my_link_refuse(l, e,
			"it asks for the password itself (caching_sha2_password: its cache does "
			"not know the user), and only a hash of it is known");
	/* sha256_password takes it in clear over TLS alone, not even over a unix socket */
	if (l->plugin == MY_LP_SHA256 ? l->tls : is_safe(l))
		return put_password(l, up);
	return put(l, &ask_key, 1, MY_LK_KEY, up);
}

static int answer_sha256(struct my_link_login *l, struct mystr data, struct buf *up, struct err *e)
{
	static const uint8_t EMPTY = 0;
	if (take_nonce(l, data, e))
		return -1;
	if (knows_nothing(l))
		return put(l, &EMPTY, 1, MY_LK_ANSWERED, up);
	return give_password(l, MYAUTH_SHA256_ASK_KEY, up, e);
}

static int answer_clear(struct my_link_login *l, struct buf *up, struct err *e)
{
	if (!is_safe(l))
		return my_link_refuse(
			l, e, "it asks for the password in clear, and the connection has no TLS");
	if (!has_password(l))
		return my_link_refuse(l, e, "it asks for the password in clear, and none is known");
	return put_password(l, up);
}

static int answer_ed25519(struct my_link_login *l, struct mystr data, struct buf *up, struct err *e)
{
	const uint8_t *challenge = myauth_nonce(data, MYSQL_ED25519_CHALLENGE_BYTES);
	uint8_t sig[MYSQL_ED25519_SIG_BYTES];
	if (challenge == NULL)
		return err_set(e, ERR_SERVER_PROTOCOL, "malformed challenge from the server");
	if (!has_password(l))
		return my_link_refuse(l, e, "it asks for ed25519, and the password is not known");
	if (mysql_ed25519_sign(l->creds.password, strlen(l->creds.password), challenge, sig, e))
		return -1;
	return put(l, sig, sizeof(sig), MY_LK_ANSWERED, up);
}

/* An empty packet asks for the salt. */
static int answer_parsec(struct my_link_login *l, struct mystr data, struct buf *up, struct err *e)
{
	const uint8_t *challenge = myauth_nonce(data, sizeof(l->challenge));
	if (challenge == NULL)
		return err_set(e, ERR_SERVER_PROTOCOL, "malformed challenge from the server");
	if (!has_password(l))
		return my_link_refuse(l, e, "it asks for parsec, and the password is not known");
	memcpy(l->challenge, challenge, sizeof(l->challenge));
	return put(l, NULL, 0, MY_LK_SALT, up);
}

int my_link_auth_switch(
	struct my_link_login *l, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct mystr name, data;
	const char *wrong = myauth_read_switch(p, n, &name, &data);
	if (wrong)
		return err_set(e, ERR_SERVER_PROTOCOL,
			"malformed request for authentication from the server (%s)", wrong);
	l->plugin = plugin_of(name);
	switch (l->plugin) {
	case MY_LP_NATIVE: return answer_native(l, data, up, e);
	case MY_LP_SHA2: return answer_sha2(l, data, up, e);
	case MY_LP_SHA256: return answer_sha256(l, data, up, e);
	case MY_LP_CLEAR: return answer_clear(l, up, e);
	case MY_LP_ED25519: return answer_ed25519(l, data, up, e);
	case MY_LP_PARSEC: return answer_parsec(l, data, up, e);
	case MY_LP_NONE: break;
	}
	char why[120];
	snprintf(why, sizeof(why), "it asks for %.*s, not supported",
		(int)(name.n < 60 ? name.n : 60), name.p);
	return my_link_refuse(l, e, why);
}

/* ---- AuthMoreData ---- */

static int on_key(
	struct my_link_login *l, const uint8_t *pem, size_t n, struct buf *up, struct err *e)
{
	uint8_t out[MYSQL_RSA_MAX_BYTES];
	size_t out_n;
	if (mysql_rsa_encrypt((const char *)pem, n, l->creds.password, strlen(l->creds.password),
		    l->nonce, out, &out_n, e))
		return -1;
	return put(l, out, out_n, MY_LK_ANSWERED, up);
}

static int on_salt(
	struct my_link_login *l, const uint8_t *salt, size_t n, struct buf *up, struct err *e)
{
	uint8_t reply[MYSQL_PARSEC_REPLY_BYTES];
	if (mysql_parsec_reply(
		    l->creds.password, strlen(l->creds.password), l->challenge, salt, n, reply, e))
		return -1;
	return put(l, reply, sizeof(reply), MY_LK_ANSWERED, up);
}

int my_link_auth_more(
	struct my_link_login *l, const uint8_t *data, size_t n, struct buf *up, struct err *e)
{
	if (l->step == MY_LK_KEY)
		return on_key(l, data, n, up, e);
	if (l->step == MY_LK_SALT)
		return on_salt(l, data, n, up, e);
	if (l->step == MY_LK_AUTH && l->plugin == MY_LP_SHA2 && n == 1) {
		if (data[0] == MYAUTH_SHA2_FAST_OK) {
			l->step = MY_LK_ANSWERED; /* not yet success */
			return 0;
		}
		if (data[0] == MYAUTH_SHA2_FULL)
			return give_password(l, MYAUTH_SHA2_ASK_KEY, up, e);
	}
	return err_set(
		e, ERR_SERVER_PROTOCOL, "the server sent authentication data at the wrong moment");
}
