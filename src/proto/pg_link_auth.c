/* pg_link_auth - what a server may ask of us, and our answers: clear-text password, MD5,
 * SCRAM-SHA-256 and its PLUS form with tls-server-end-point. Ignorant of framing beyond one body.
 * The link's thread; deriving SCRAM keys from a password is slow (see crypto/scram.h), keys from a
 * client's proof are not.
 * Source: PostgreSQL docs, Message Flow: Start-up; SASL Authentication. */
#include "pg_login_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/pg/auth.h"
#include "wire/pg/msg.h"

static int refuse(const struct pg_link_login *l, struct err *e, const char *why)
{
	err_set(e, ERR_SERVER_REFUSED, "cannot log in to the server as user \"%s\": %s", l->user,
		why);
	memcpy(e->sqlstate, "28000", 6); /* waiting would not help: who waits is told at once */
	return -1;
}

/* What creds.password is. */
enum kind { KIND_NONE, KIND_PLAIN, KIND_MD5, KIND_SCRAM };
static enum kind password_kind(const struct pg_link_login *l)
{
	const char *pw = l->creds.password;
	size_t n = strlen(pw);
	if (n == 0)
		return KIND_NONE;
	if (scram_is_secret(pw, n))
		return KIND_SCRAM;
	return md5pw_is_secret(pw, n) ? KIND_MD5 : KIND_PLAIN;
}

static int answer_clear(struct pg_link_login *l, struct buf *up, struct err *e)
{
	if (l->cbind_require)
		return refuse(
			l, e, "channel binding is required, but it asks for a clear-text password");
	if (password_kind(l) != KIND_PLAIN)
		return refuse(l, e, "it asks for a clear-text password, and none is known");
	pgauth_put_password(up, l->creds.password, strlen(l->creds.password));
	l->step = PG_LK_ANSWERED;
	return 0;
}

static int answer_md5(
	struct pg_link_login *l, const uint8_t *salt, size_t n, struct buf *up, struct err *e)
{
	char answer[MD5PW_LEN + 1];
	if (n != PGAUTH_SALT_BYTES)
		return err_set(e, ERR_SERVER_PROTOCOL, "malformed request for MD5 from the server");
	if (l->cbind_require)
		return refuse(l, e, "channel binding is required, but it asks for an MD5 password");
	enum kind kind = password_kind(l);
	if (kind != KIND_PLAIN && kind != KIND_MD5)
		return refuse(l, e,
			"it asks for an MD5 password, and neither a password nor an MD5 "
			"secret is known");
	if (md5pw_answer(l->creds.password, strlen(l->creds.password), l->user, salt, answer, e))
		return -1;
	pgauth_put_password(up, answer, MD5PW_LEN);
	mem_wipe(answer, sizeof(answer));
	l->step = PG_LK_ANSWERED;
	return 0;
}

/* ---- SASL ---- */

static int choose_mech(const struct pg_link_login *l, const uint8_t *list, size_t n,
	enum scram_mech *mech_r, struct err *e)
{
	bool basic = false, plus = false;
	struct rd r = rd_of(list, n);
	const char *name;
	size_t name_n;
	while (pgauth_next_mech(&r, &name, &name_n)) {
		enum scram_mech m = scram_mech_of(name, name_n);
		basic |= m == SCRAM_MECH_BASIC;
		plus |= m == SCRAM_MECH_PLUS;
	}
	if (!rd_ok(&r))
		return err_set(e, ERR_SERVER_PROTOCOL,
			"malformed list of SASL mechanisms from the server");
	if (plus && l->tls && l->cbind_n)
		*mech_r = SCRAM_MECH_PLUS;
	else if (l->cbind_require)
		return refuse(l, e, "channel binding is required, but cannot be had");
	else if (basic)
		*mech_r = SCRAM_MECH_BASIC;
	else
		return refuse(l, e, "it offers no SASL mechanism that is supported");
	return 0;
}

static int begin_scram(
	struct pg_link_login *l, const uint8_t *list, size_t n, struct buf *up, struct err *e)
{
	enum scram_mech mech = SCRAM_MECH_NONE;
	if (l->scram)
		return err_set(e, ERR_SERVER_PROTOCOL, "the server began SASL twice");
	if (choose_mech(l, list, n, &mech, e))
		return -1;
	if (!l->creds.has_scram_keys && password_kind(l) != KIND_PLAIN)
		return refuse(
			l, e, "it asks for SCRAM, and neither a password nor SCRAM keys are known");
	l->scram = mem_alloc(MEM_LINK, sizeof(*l->scram));
	if (l->scram == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	scram_client_init(l->scram, l->max_scram_iterations);
	const char *name = scram_mech_name(mech);
	size_t at = pgauth_begin_sasl_initial(up, name);
	if (scram_client_first(
		    l->scram, mech, l->tls ? l->cbind : NULL, l->tls ? l->cbind_n : 0, up, e)) {
		buf_truncate(up, at);
		return -1;
	}
	pgauth_end_sasl_initial(up, at, name);
	l->step = PG_LK_SASL_CONT;
	return 0;
}

static int set_keys(struct pg_link_login *l, struct err *e)
{
	struct scram_client *s = l->scram;
	if (!l->creds.has_scram_keys)
		return scram_client_derive(s, l->creds.password, strlen(l->creds.password), e);
	/* Keys from a client's proof fit one salt. Whose it is cannot be told here: if this
	 * server's verifier is another one, it refuses the proof. */
	struct scram_keys k = { .iterations = s->iterations, .salt_n = s->salt_n };
	memcpy(k.salt, s->salt, sizeof(k.salt));
	memcpy(k.client_key, l->creds.client_key, sizeof(k.client_key));
	memcpy(k.server_key, l->creds.server_key, sizeof(k.server_key));
	int rc = scram_client_set_keys(s, &k, e);
	mem_wipe(&k, sizeof(k));
	return rc;
}

static int answer_challenge(
	struct pg_link_login *l, const uint8_t *data, size_t n, struct buf *up, struct err *e)
{
	if (scram_client_challenge(l->scram, data, n, e) || set_keys(l, e))
		return -1;
	size_t at = pgmsg_begin(up, 'p');
	if (scram_client_final(l->scram, up, e)) {
		buf_truncate(up, at);
		return -1;
	}
	pgmsg_end(up, at);
	l->step = PG_LK_SASL_FINAL;
	return 0;
}

static int end_scram(struct pg_link_login *l, const uint8_t *data, size_t n, struct err *e)
{
	if (scram_client_finish(l->scram, data, n, e))
		return -1;
	l->bound = l->scram->mech == SCRAM_MECH_PLUS;
	l->step = PG_LK_ANSWERED;
	return 0;
}

/* ---- all ---- */

static int accept_ok(struct pg_link_login *l, struct err *e)
{
	if (l->step != PG_LK_AUTH && l->step != PG_LK_ANSWERED)
		return err_set(e, ERR_SERVER_PROTOCOL,
			"the server ended authentication before it proved itself");
	if (l->cbind_require && !l->bound)
		return refuse(l, e, "channel binding is required, but it did without");
	l->step = PG_LK_WELCOME;
	return 0;
}

static const char *method_name(uint32_t code)
{
	switch (code) {
	case PGAUTH_KRB5: return "Kerberos V5";
	case PGAUTH_GSS:
	case PGAUTH_GSS_CONT: return "GSSAPI";
	case PGAUTH_SSPI: return "SSPI";
	default: return "an unknown method";
	}
}

static int out_of_order(struct err *e, uint32_t code)
{
	return err_set(e, ERR_SERVER_PROTOCOL,
		"the server sent authentication message %u at the wrong moment", (unsigned)code);
}

int pg_link_auth(
	struct pg_link_login *l, const uint8_t *body, size_t n, struct buf *up, struct err *e)
{
	uint32_t code;
	const uint8_t *data;
	size_t data_n;
	if (!pgauth_read(body, n, &code, &data, &data_n))
		return err_set(
			e, ERR_SERVER_PROTOCOL, "malformed authentication message from the server");
	if (code == PGAUTH_OK)
		return accept_ok(l, e);
	if (code == PGAUTH_SASL_CONT && l->step == PG_LK_SASL_CONT)
		return answer_challenge(l, data, data_n, up, e);
	if (code == PGAUTH_SASL_FINAL && l->step == PG_LK_SASL_FINAL)
		return end_scram(l, data, data_n, e);
	if (l->step != PG_LK_AUTH || code == PGAUTH_SASL_CONT || code == PGAUTH_SASL_FINAL)
		return out_of_order(e, code);
	if (code == PGAUTH_CLEAR)
		return answer_clear(l, up, e);
	if (code == PGAUTH_MD5)
		return answer_md5(l, data, data_n, up, e);
	if (code == PGAUTH_SASL)
		return begin_scram(l, data, data_n, up, e);
	return err_set(e, ERR_SERVER_REFUSED,
		"cannot log in to the server as user \"%s\": it asks for %s (%u), not supported",
		l->user, method_name(code), (unsigned)code);
}
