/* pg_client_auth - a client proves who it is: clear-text password, MD5, SCRAM-SHA-256(-PLUS).
 * Ignorant of where secrets come from and of which proof is asked for (core decides). The session's
 * thread.
 * Source: PostgreSQL docs, Message Flow: Start-up; SASL Authentication.
 *
 * AuthenticationOk is put in one place, prove(), which is reached only by a proof that held or by
 * PROOF_NONE. A doomed exchange (unknown user) runs like any other and cannot reach it. */
#include "pg_login_int.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/clearpw.h"
#include "crypto/digest.h"
#include "wire/pg/auth.h"
#include "wire/pg/msg.h"

/* Of this process: makes salts that look stored for users who have none. Written once. */
static uint8_t process_secret[SCRAM_KEY_BYTES];
static bool process_secret_made;
static void make_process_secret(void)
{
	process_secret_made = digest_random(process_secret, sizeof(process_secret), NULL) == 0;
}

static const uint8_t *get_process_secret(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_process_secret);
	if (process_secret_made)
		return process_secret;
	err_set(e, ERR_INTERNAL, "no random numbers");
	return NULL;
}

static void wipe_secret(struct pg_client_login *l)
{
	if (l->secret)
		mem_wipe(l->secret, strlen(l->secret));
	mem_free(MEM_SESSION, l->secret);
	l->secret = NULL;
	if (l->scram)
		scram_server_fini(l->scram);
	mem_free(MEM_SESSION, l->scram);
	l->scram = NULL;
}

void pg_client_proof_fini(struct pg_client_login *l)
{
	wipe_secret(l);
	mem_wipe(&l->creds, sizeof(l->creds));
	l->has_creds = false;
}

static struct pev bad(struct pg_client_login *l)
{
	l->step = PG_CL_FAILED;
	pg_client_proof_fini(l);
	return pg_pev(PEV_BAD, 0);
}

static struct pev wrong(struct pg_client_login *l, struct err *e)
{
	err_set(e, ERR_AUTH_FAILED, "password authentication failed for user \"%s\"", l->info.user);
	return bad(l);
}

static struct pev prove(struct pg_client *c, size_t n, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	wipe_secret(l);
	if (!varset_make(&c->env->vars, l->vars, l->n_vars, &c->start)) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return bad(l);
	}
	pgauth_put(down, PGAUTH_OK, NULL, 0);
	l->step = PG_CL_DONE;
	return pg_pev(PEV_AUTH_OK, n);
}

/* ---- asking ---- */

static int keep_secret(struct pg_client_login *l, const char *secret, struct err *e)
{
	l->secret = mem_strdup(MEM_SESSION, secret ? secret : "");
	return l->secret ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

static int ask_clear(
	struct pg_client_login *l, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	l->outside = pr->clear_outside;
	if (!l->outside && keep_secret(l, pr->secret, e))
		return -1;
	pgauth_put(down, PGAUTH_CLEAR, NULL, 0);
	l->step = PG_CL_CLEAR;
	return 0;
}

static int ask_md5(
	struct pg_client_login *l, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	/* The answer to an MD5 request can be made from any text: a stored verifier must not serve
	 * as the password. */
	if (pr->secret && scram_is_secret(pr->secret, strlen(pr->secret)))
		l->doomed = true;
	if (keep_secret(l, pr->secret, e) || digest_random(l->salt, sizeof(l->salt), e))
		return -1;
	pgauth_put(down, PGAUTH_MD5, l->salt, sizeof(l->salt));
	l->step = PG_CL_MD5;
	return 0;
}

static int verifier_of(struct pg_client_login *l, const struct proto_proof *pr,
	struct scram_secret *s_r, struct err *e)
{
	const uint8_t *ps = get_process_secret(e);
	uint32_t iterations = pr->scram_iterations ? pr->scram_iterations
						   : SCRAM_DEFAULT_ITERATIONS;
	const char *secret = l->doomed ? NULL : pr->secret;
	size_t n = secret ? strlen(secret) : 0;
	if (ps == NULL)
		return -1;
	if (secret && scram_is_secret(secret, n)) {
		if (scram_secret_parse(secret, n, s_r, e) == 0)
			return 0;
		l->doomed =
			true; /* as a server does: nobody learns that the stored secret is broken */
	} else if (secret && *secret && !md5pw_is_secret(secret, n)) {
		uint8_t salt[SCRAM_OWN_SALT_BYTES];
		if (scram_salt_for_user(ps, l->info.user, salt, e))
			return -1;
		return scram_secret_from_password(
			secret, n, salt, sizeof(salt), iterations, s_r, e);
	} else {
		l->doomed = true; /* an MD5 secret cannot serve, an empty one must not */
	}
	return scram_secret_mock(ps, l->info.user, iterations, s_r, e);
}

static int ask_scram(
	struct pg_client_login *l, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct scram_secret s = { 0 };
	l->scram = mem_alloc(MEM_SESSION, sizeof(*l->scram));
	if (l->scram == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	l->offered_plus = pr->offer_plus && l->tls && pr->cbind_n > 0 &&
			  pr->cbind_n <= SCRAM_CBIND_MAX;
	int rc = verifier_of(l, pr, &s, e);
	scram_server_init(l->scram, &s, l->doomed, l->offered_plus ? pr->cbind : NULL,
		l->offered_plus ? pr->cbind_n : 0);
	mem_wipe(&s, sizeof(s));
	if (rc)
		return -1;
	const char *both[] = { scram_mech_name(SCRAM_MECH_PLUS), scram_mech_name(SCRAM_MECH_BASIC),
		NULL };
	pgauth_put_sasl(down, l->offered_plus ? both : both + 1);
	l->step = PG_CL_SASL_FIRST;
	return 0;
}

int pg_client_auth(void *cst, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct pg_client_login *l = ((struct pg_client *)cst)->login;
	if (l == NULL || l->step != PG_CL_WHO)
		return err_set(e, ERR_INTERNAL, "authentication at the wrong moment");
	l->doomed = pr->doomed || (pr->secret == NULL && !pr->clear_outside);
	int rc = -1;
	switch (pr->kind) {
	case PROOF_NONE:
		if (pr->doomed)
			return err_set(
				e, ERR_AUTH_DENIED, "access denied for user \"%s\"", l->info.user);
		l->step = PG_CL_PROVEN;
		return 0;
	case PROOF_CLEAR: rc = ask_clear(l, pr, down, e); break;
	case PROOF_MD5: rc = ask_md5(l, pr, down, e); break;
	case PROOF_SCRAM: rc = ask_scram(l, pr, down, e); break;
	case PROOF_MYSQL_ANY:
	case PROOF_MYSQL_NATIVE:
	case PROOF_MYSQL_SHA2:
		rc = err_set(e, ERR_INTERNAL, "a proof of MySQL's cannot be asked for here");
		break;
	}
	if (rc)
		bad(l);
	return rc;
}

/* ---- answers ---- */

static bool keep_password(struct pg_client_login *l, const char *pw, size_t n)
{
	if (n >= sizeof(l->creds.password))
		return false; /* it may log in; it cannot be used towards servers */
	memcpy(l->creds.password, pw, n);
	l->creds.password[n] = '\0';
	return true;
}

static struct pev on_clear(
	struct pg_client *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	const char *pw;
	size_t n;
	if (!pgauth_read_password(m->body, m->body_n, &pw, &n)) {
		err_set(e, ERR_PROTOCOL, "invalid password packet size");
		return bad(l);
	}
	if (n == 0) {
		err_set(e, ERR_AUTH_FAILED, "empty password returned by client");
		return bad(l);
	}
	l->has_creds = keep_password(l, pw, n);
	if (l->outside) {
		l->step = PG_CL_OUTSIDE;
		return (struct pev){ .kind = PEV_PASSWORD,
			.n = m->total,
			.text = (const uint8_t *)pw,
			.text_n = n };
	}
	bool ok;
	if (clearpw_check(l->secret, l->info.user, pw, n, &ok, e))
		return bad(l);
	return ok && !l->doomed ? prove(c, m->total, down, e) : wrong(l, e);
}

static struct pev on_md5(
	struct pg_client *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	const char *answer;
	size_t n;
	bool ok;
	if (!pgauth_read_password(m->body, m->body_n, &answer, &n)) {
		err_set(e, ERR_PROTOCOL, "invalid password packet size");
		return bad(l);
	}
	if (n == 0) {
		err_set(e, ERR_AUTH_FAILED, "empty password returned by client");
		return bad(l);
	}
	if (md5pw_verify(l->secret, strlen(l->secret), l->info.user, l->salt, answer, n, &ok, e))
		return bad(l);
	/* An empty secret means that no password is set, not that the empty one is right. */
	return ok && !l->doomed && *l->secret ? prove(c, m->total, down, e) : wrong(l, e);
}

static struct pev scram_failed(struct pg_client_login *l, struct err *e)
{
	if (e->code == ERR_AUTH_FAILED)
		return wrong(l, e);
	return bad(l);
}

static struct pev sasl_first(struct pg_client *c, enum scram_mech mech, const uint8_t *data,
	size_t n, size_t total, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	size_t at = pgauth_begin(down, PGAUTH_SASL_CONT);
	if (scram_server_first(l->scram, mech, data, n, down, e)) {
		buf_truncate(down, at);
		return scram_failed(l, e);
	}
	pgmsg_end(down, at);
	l->step = PG_CL_SASL_FINAL;
	return pg_pev(PEV_DROP, total);
}

static struct pev on_sasl_initial(
	struct pg_client *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	const char *name;
	const uint8_t *data;
	size_t name_n, n;
	if (!pgauth_read_sasl_initial(m->body, m->body_n, &name, &name_n, &data, &n)) {
		err_set(e, ERR_PROTOCOL, "malformed SASLInitialResponse message");
		return bad(l);
	}
	enum scram_mech mech = scram_mech_of(name, name_n);
	if (mech == SCRAM_MECH_NONE || (mech == SCRAM_MECH_PLUS && !l->offered_plus)) {
		err_set(e, ERR_PROTOCOL,
			"client selected an invalid SASL authentication mechanism");
		return bad(l);
	}
	if (data == NULL) { /* allowed: an empty challenge asks for the first message */
		l->scram->mech = mech;
		pgauth_put(down, PGAUTH_SASL_CONT, NULL, 0);
		l->step = PG_CL_SASL_EMPTY;
		return pg_pev(PEV_DROP, m->total);
	}
	return sasl_first(c, mech, data, n, m->total, down, e);
}

static struct pev on_sasl_final(
	struct pg_client *c, const struct pgmsg *m, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	size_t at = pgauth_begin(down, PGAUTH_SASL_FINAL);
	if (scram_server_final(l->scram, m->body, m->body_n, down, e)) {
		buf_truncate(down, at);
		return scram_failed(l, e);
	}
	pgmsg_end(down, at);
	const struct scram_keys *k = scram_server_keys(l->scram);
	memcpy(l->creds.client_key, k->client_key, sizeof(l->creds.client_key));
	memcpy(l->creds.server_key, k->server_key, sizeof(l->creds.server_key));
	l->has_creds = l->creds.has_scram_keys = true;
	return prove(c, m->total, down, e);
}

/* ---- steps ---- */

static struct pev on_message(
	struct pg_client *c, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct pg_client_login *l = c->login;
	struct pgmsg m;
	int rc = pgmsg_take(p, n, PGAUTH_MAX_BODY_BYTES, &m);
	if (n > 0 && p[0] != 'p') {
		err_set(e, ERR_PROTOCOL, "expected %s response, got message type %u",
			l->scram ? "SASL" : "password", (unsigned)p[0]);
		return bad(l);
	}
	if (rc == 0)
		return pg_pev(PEV_MORE, 0);
	if (rc < 0) {
		err_set(e, ERR_PROTOCOL, "invalid message length");
		return bad(l);
	}
	switch (l->step) {
	case PG_CL_CLEAR: return on_clear(c, &m, down, e);
	case PG_CL_MD5: return on_md5(c, &m, down, e);
	case PG_CL_SASL_FIRST: return on_sasl_initial(c, &m, down, e);
	case PG_CL_SASL_EMPTY:
		return sasl_first(c, l->scram->mech, m.body, m.body_n, m.total, down, e);
	case PG_CL_SASL_FINAL: return on_sasl_final(c, &m, down, e);
	case PG_CL_STARTUP:
	case PG_CL_TLS:
	case PG_CL_WHO:
	case PG_CL_OUTSIDE:
	case PG_CL_REFUSED:
	case PG_CL_PROVEN:
	case PG_CL_DONE:
	case PG_CL_FAILED: break;
	}
	err_set(e, ERR_INTERNAL, "unexpected state of a login");
	return bad(l);
}

struct pev pg_client_proof(
	struct pg_client *c, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct err own;
	if (e == NULL)
		e = &own;
	switch (c->login->step) {
	case PG_CL_STARTUP:
	case PG_CL_TLS:
	case PG_CL_WHO:
	case PG_CL_OUTSIDE:
	case PG_CL_DONE: return pg_pev(PEV_MORE, 0); /* core's turn */
	case PG_CL_REFUSED: return wrong(c->login, e);
	case PG_CL_PROVEN: return prove(c, 0, down, e);
	case PG_CL_FAILED:
		err_set(e, ERR_PROTOCOL, "the login has failed already");
		return pg_pev(PEV_BAD, 0);
	case PG_CL_CLEAR:
	case PG_CL_MD5:
	case PG_CL_SASL_FIRST:
	case PG_CL_SASL_EMPTY:
	case PG_CL_SASL_FINAL: break;
	}
	return on_message(c, p, n, down, e);
}

void pg_client_auth_result(void *cst, bool ok, struct buf *down)
{
	struct pg_client_login *l = ((struct pg_client *)cst)->login;
	(void)down;
	if (l == NULL || l->step != PG_CL_OUTSIDE)
		return;
	l->step = ok && !l->doomed ? PG_CL_PROVEN : PG_CL_REFUSED;
}

bool pg_client_creds(const void *cst, struct proto_creds *c)
{
	const struct pg_client_login *l = ((const struct pg_client *)cst)->login;
	if (l == NULL || !l->has_creds || (l->step != PG_CL_DONE && l->step != PG_CL_PROVEN))
		return false;
	*c = l->creds;
	return true;
}
