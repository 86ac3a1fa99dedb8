/* scram_server - the server role: a client proves that it knows the password behind a verifier.
 * Ignorant of who the user is: the name inside the message is ignored, as PostgreSQL does; the
 * startup packet names the user. Runs in the session's worker; nothing here is slow. */
#include "scram_int.h"

#include "base/mem.h"
#include "crypto/b64.h"

#include <assert.h>
#include <string.h>

#define GS2_BOUND "p=" SCRAM_CBIND_NAME ",,"

void scram_server_init(struct scram_server *s, const struct scram_secret *secret, bool mock,
	const void *cbind, size_t cbind_n)
{
	assert(cbind_n <= SCRAM_CBIND_MAX);
	*s = (struct scram_server){ .step = SCRAM_STEP_FIRST, .mock = mock, .secret = *secret };
	s->cbind_n = (uint16_t)cbind_n;
	if (cbind_n > 0)
		memcpy(s->cbind, cbind, cbind_n);
	buf_init(&s->auth_msg, 3 * SCRAM_MSG_MAX + 16);
}

void scram_server_fini(struct scram_server *s)
{
	buf_wipe(&s->auth_msg);
	mem_wipe(s, sizeof *s);
	s->step = SCRAM_STEP_FAILED;
}

static int bad(struct scram_server *s, struct err *e, const char *what)
{
	s->step = SCRAM_STEP_FAILED;
	return err_set(e, ERR_PROTOCOL, "malformed SCRAM message: %s", what);
}

static int denied(struct scram_server *s, struct err *e)
{
	s->step = SCRAM_STEP_FAILED;
	return err_set(e, ERR_AUTH_FAILED, "password authentication failed");
}

static int no_memory(struct scram_server *s, struct err *e)
{
	s->step = SCRAM_STEP_FAILED;
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

/* gs2-header: cbind flag, comma, no authzid, comma. Advances r to client-first-message-bare. */
static int read_gs2(struct scram_server *s, struct scram_rd *r, struct err *e)
{
	static const char bound[] = "p=" SCRAM_CBIND_NAME;
	size_t left = (size_t)(r->end - r->p);
	const char *comma = memchr(r->p, ',', left);

	if (comma == NULL)
		return bad(s, e, "no gs2 header");
	size_t flag_n = (size_t)(comma - r->p);

	s->gs2_flag = r->p[0];
	if (s->gs2_flag == 'p') {
		if (s->mech != SCRAM_MECH_PLUS)
			return bad(s, e, "channel binding without SCRAM-SHA-256-PLUS");
		if (flag_n != sizeof bound - 1 || memcmp(r->p, bound, flag_n) != 0)
			return bad(s, e, "channel binding type is not " SCRAM_CBIND_NAME);
	} else if (flag_n != 1 || (s->gs2_flag != 'n' && s->gs2_flag != 'y')) {
		return bad(s, e, "channel binding flag");
	} else if (s->mech == SCRAM_MECH_PLUS) {
		return bad(s, e, "SCRAM-SHA-256-PLUS without channel binding");
	} else if (s->gs2_flag == 'y' && s->cbind_n > 0) {
		/* RFC 5802 section 6: we offered PLUS, somebody hid that from the client. */
		(void)bad(s, e, "the client was not offered channel binding (downgrade?)");
		return -1;
	}
	r->p = comma + 1;
	if (r->p == r->end || *r->p != ',')
		return bad(s, e, "an authorization identity is not supported");
	r->p++;
	return 0;
}

/* n=user,r=nonce[,extensions] */
static int read_first_bare(struct scram_server *s, struct scram_rd *r, struct err *e)
{
	const char *v;
	size_t n;

	if (scram_rd_at(r, 'm'))
		return bad(s, e, "a mandatory extension is not supported");
	if (!scram_rd_attr(r, 'n', &v, &n))
		return bad(s, e, "no user name attribute");
	if (!scram_rd_attr(r, 'r', &v, &n) || !scram_nonce_ok(v, n))
		return bad(s, e, "nonce");
	if (n > SCRAM_NONCE_MAX - SCRAM_NONCE_LEN - 1)
		return bad(s, e, "nonce is too long");
	memcpy(s->nonce, v, n);
	s->nonce_n = (uint32_t)n;
	if (!scram_rd_end(r))
		return bad(s, e, "extensions");
	return 0;
}

static int write_first(struct scram_server *s, struct buf *out, struct err *e)
{
	char salt[B64_LEN(SCRAM_SALT_MAX) + 1];
	size_t at;

	if (scram_nonce_make(s->nonce + s->nonce_n, e) < 0) {
		s->step = SCRAM_STEP_FAILED;
		return -1;
	}
	s->nonce_n += SCRAM_NONCE_LEN;
	if (b64_encode(s->secret.salt, s->secret.salt_n, salt, sizeof salt) < 0)
		return bad(s, e, "salt of the secret");
	(void)buf_put_u8(&s->auth_msg, ',');
	at = buf_len(&s->auth_msg);
	(void)buf_printf(&s->auth_msg, "r=%.*s,s=%s,i=%u", (int)s->nonce_n, s->nonce, salt,
		s->secret.iterations);
	if (s->auth_msg.failed ||
		!buf_append(out, buf_data(&s->auth_msg) + at, buf_len(&s->auth_msg) - at))
		return no_memory(s, e);
	s->step = SCRAM_STEP_FINAL;
	return 0;
}

int scram_server_first(struct scram_server *s, enum scram_mech mech, const void *msg, size_t n,
	struct buf *out, struct err *e)
{
	struct scram_rd r;

	if (s->step != SCRAM_STEP_FIRST)
		return bad(s, e, "unexpected message");
	if (mech == SCRAM_MECH_NONE || (mech == SCRAM_MECH_PLUS && s->cbind_n == 0))
		return bad(s, e, "the mechanism was not offered");
	s->mech = mech;
	if (!scram_rd_init(&r, msg, n))
		return bad(s, e, "length or a NUL byte");
	if (read_gs2(s, &r, e) < 0)
		return -1;
	if (!buf_append(&s->auth_msg, r.p, (size_t)(r.end - r.p)))
		return no_memory(s, e);
	if (read_first_bare(s, &r, e) < 0)
		return -1;
	return write_first(s, out, e);
}

/* c= must repeat the gs2 header and, if bound, carry the hash of the certificate that we showed. */
static bool cbind_right(const struct scram_server *s, const char *v, size_t n)
{
	char want[SCRAM_CBIND_TEXT_MAX];
	const char *gs2 = s->gs2_flag == 'p' ? GS2_BOUND : s->gs2_flag == 'y' ? "y,," : "n,,";
	int want_n = scram_cbind_text(
		gs2, s->cbind, s->gs2_flag == 'p' ? s->cbind_n : 0, want, sizeof want);

	return want_n > 0 && (size_t)want_n == n && mem_equal_ct(v, want, n);
}

/* c=binding,r=nonce[,extensions],p=proof. Adds the part before ",p=" to the AuthMessage. */
static int read_final(struct scram_server *s, const void *msg, size_t n,
	uint8_t proof[SCRAM_KEY_BYTES], struct err *e)
{
	struct scram_rd r;
	const char *v;
	size_t v_n, got;
	char name;

	if (!scram_rd_init(&r, msg, n))
		return bad(s, e, "length or a NUL byte");
	if (scram_rd_at(&r, 'm'))
		return bad(s, e, "a mandatory extension is not supported");
	if (!scram_rd_attr(&r, 'c', &v, &v_n))
		return bad(s, e, "no channel binding attribute");
	if (!cbind_right(s, v, v_n))
		return bad(s, e, "channel binding check failed");
	if (!scram_rd_attr(&r, 'r', &v, &v_n))
		return bad(s, e, "no nonce");
	if (v_n != s->nonce_n || !mem_equal_ct(v, s->nonce, v_n))
		return bad(s, e, "nonce does not match");
	do {
		if (!scram_rd_any(&r, &name, &v, &v_n))
			return bad(s, e, "no proof");
	} while (name != 'p');
	if (r.p != r.end)
		return bad(s, e, "something follows the proof");
	if (b64_decode(v, v_n, proof, SCRAM_KEY_BYTES, &got) < 0 || got != SCRAM_KEY_BYTES)
		return bad(s, e, "proof");
	/* v - 3 is the comma before "p=": c= and r= came first. */
	if (!buf_put_u8(&s->auth_msg, ',') ||
		!buf_append(&s->auth_msg, msg, (size_t)(v - 3 - (const char *)msg)))
		return no_memory(s, e);
	return 0;
}

/* Does the proof fit the StoredKey? Keeps the ClientKey that it reveals. */
static int check_proof(
	struct scram_server *s, const uint8_t proof[SCRAM_KEY_BYTES], bool *ok_r, struct err *e)
{
	uint8_t sig[SCRAM_KEY_BYTES], stored[SCRAM_KEY_BYTES];

	*ok_r = false;
	if (scram_sign(s->secret.stored_key, &s->auth_msg, sig, e) < 0)
		return -1;
	scram_xor(proof, sig, s->keys.client_key);
	if (scram_stored_key(s->keys.client_key, stored, e) < 0)
		return -1;
	*ok_r = mem_equal_ct(stored, s->secret.stored_key, SCRAM_KEY_BYTES) && !s->mock;
	return 0;
}

static int write_final(struct scram_server *s, struct buf *out, struct err *e)
{
	uint8_t sig[SCRAM_KEY_BYTES];
	char text[B64_LEN(SCRAM_KEY_BYTES) + 1];

	if (scram_sign(s->secret.server_key, &s->auth_msg, sig, e) < 0) {
		s->step = SCRAM_STEP_FAILED;
		return -1;
	}
	if (b64_encode(sig, sizeof sig, text, sizeof text) < 0 || !buf_printf(out, "v=%s", text))
		return no_memory(s, e);
	return 0;
}

int scram_server_final(
	struct scram_server *s, const void *msg, size_t n, struct buf *out, struct err *e)
{
	uint8_t proof[SCRAM_KEY_BYTES];
	bool ok;

	if (s->step != SCRAM_STEP_FINAL)
		return bad(s, e, "unexpected message");
	s->step = SCRAM_STEP_FAILED; /* until proven */
	if (read_final(s, msg, n, proof, e) < 0)
		return -1;
	if (check_proof(s, proof, &ok, e) < 0)
		return -1;
	if (!ok) {
		mem_wipe(&s->keys, sizeof s->keys);
		return denied(s, e);
	}
	if (write_final(s, out, e) < 0)
		return -1;
	s->keys.iterations = s->secret.iterations;
	s->keys.salt_n = s->secret.salt_n;
	memcpy(s->keys.salt, s->secret.salt, s->secret.salt_n);
	memcpy(s->keys.server_key, s->secret.server_key, SCRAM_KEY_BYTES);
	s->step = SCRAM_STEP_DONE;
	return 0;
}

const struct scram_keys *scram_server_keys(const struct scram_server *s)
{
	assert(s->step == SCRAM_STEP_DONE);
	return &s->keys;
}
