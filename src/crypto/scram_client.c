/* scram_client - the client role: we prove ourselves to a server, and it to us. The server is not
 * trusted: lengths, nonce, iterations are bounded before anything is computed. Ignorant of where
 * the password comes from. Runs in the link's worker; only scram_client_derive() is slow. */
#include "scram_int.h"

#include "base/mem.h"
#include "base/num.h"
#include "crypto/b64.h"

#include <assert.h>
#include <string.h>

void scram_client_init(struct scram_client *c, uint32_t max_iterations)
{
	*c = (struct scram_client){ .step = SCRAM_CLIENT_FIRST };
	c->max_iterations = max_iterations ? max_iterations : SCRAM_MAX_ITERATIONS;
	buf_init(&c->auth_msg, 3 * SCRAM_MSG_MAX + 16);
}

void scram_client_fini(struct scram_client *c)
{
	buf_wipe(&c->auth_msg);
	mem_wipe(c, sizeof *c);
	c->step = SCRAM_CLIENT_FAILED;
}

static int bad(struct scram_client *c, struct err *e, const char *what)
{
	c->step = SCRAM_CLIENT_FAILED;
	return err_set(e, ERR_SERVER_PROTOCOL, "malformed SCRAM message from the server: %s", what);
}

static int no_memory(struct scram_client *c, struct err *e)
{
	c->step = SCRAM_CLIENT_FAILED;
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

int scram_client_first(struct scram_client *c, enum scram_mech mech, const void *cbind,
	size_t cbind_n, struct buf *out, struct err *e)
{
	const char *gs2 = mech == SCRAM_MECH_PLUS ? "p=" SCRAM_CBIND_NAME ",,"
			  : cbind_n > 0           ? "y,,"
						  : "n,,";

	assert(c->step == SCRAM_CLIENT_FIRST && mech != SCRAM_MECH_NONE);
	assert(cbind_n <= SCRAM_CBIND_MAX && (mech != SCRAM_MECH_PLUS || cbind_n > 0));
	c->mech = mech;
	memcpy(c->gs2, gs2, strlen(gs2) + 1);
	if (mech == SCRAM_MECH_PLUS) {
		memcpy(c->cbind, cbind, cbind_n);
		c->cbind_n = (uint16_t)cbind_n;
	}
	if (scram_nonce_make(c->nonce, e) < 0) {
		c->step = SCRAM_CLIENT_FAILED;
		return -1;
	}
	c->nonce_n = SCRAM_NONCE_LEN;
	/* The server takes the user from the startup packet; libpq leaves it out here, too. */
	(void)buf_printf(&c->auth_msg, "n=,r=%s", c->nonce);
	if (c->auth_msg.failed || !buf_puts(out, c->gs2) ||
		!buf_append(out, buf_data(&c->auth_msg), buf_len(&c->auth_msg)))
		return no_memory(c, e);
	c->step = SCRAM_CLIENT_CHALLENGE;
	return 0;
}

/* r=nonce: ours, continued by at least one character of theirs. */
static int read_nonce(struct scram_client *c, struct scram_rd *r, struct err *e)
{
	const char *v;
	size_t n;

	if (scram_rd_at(r, 'm'))
		return bad(c, e, "a mandatory extension is not supported");
	if (!scram_rd_attr(r, 'r', &v, &n) || !scram_nonce_ok(v, n))
		return bad(c, e, "nonce");
	if (n > SCRAM_NONCE_MAX)
		return bad(c, e, "nonce is too long");
	if (n <= c->nonce_n || memcmp(v, c->nonce, c->nonce_n) != 0)
		return bad(c, e, "the nonce is not a continuation of ours");
	memcpy(c->nonce, v, n);
	c->nonce_n = (uint32_t)n;
	return 0;
}

int scram_client_challenge(struct scram_client *c, const void *msg, size_t n, struct err *e)
{
	struct scram_rd r;
	const char *v;
	size_t v_n, got;
	uint64_t iterations;

	if (c->step != SCRAM_CLIENT_CHALLENGE)
		return bad(c, e, "unexpected message");
	if (!scram_rd_init(&r, msg, n))
		return bad(c, e, "length or a NUL byte");
	if (read_nonce(c, &r, e) < 0)
		return -1;
	if (!scram_rd_attr(&r, 's', &v, &v_n) || v_n == 0 ||
		b64_decode(v, v_n, c->salt, sizeof c->salt, &got) < 0)
		return bad(c, e, "salt");
	c->salt_n = (uint32_t)got;
	if (!scram_rd_attr(&r, 'i', &v, &v_n) ||
		num_u64n(v, v_n, 1, c->max_iterations, &iterations) < 0)
		return bad(c, e, "iteration count is invalid or beyond the limit");
	c->iterations = (uint32_t)iterations;
	if (!scram_rd_end(&r))
		return bad(c, e, "extensions");
	if (!buf_put_u8(&c->auth_msg, ',') || !buf_append(&c->auth_msg, msg, n))
		return no_memory(c, e);
	c->step = SCRAM_CLIENT_KEYS;
	return 0;
}

bool scram_client_keys_fit(const struct scram_client *c, const struct scram_keys *k)
{
	return c->iterations == k->iterations && c->salt_n == k->salt_n &&
	       memcmp(c->salt, k->salt, k->salt_n) == 0;
}

int scram_client_set_keys(struct scram_client *c, const struct scram_keys *k, struct err *e)
{
	assert(c->step == SCRAM_CLIENT_KEYS);
	if (!scram_client_keys_fit(c, k)) {
		c->step = SCRAM_CLIENT_FAILED;
		(void)err_set(e, ERR_SERVER_REFUSED,
			"the server's SCRAM secret is not the one that the client proved");
		return err_hint(e, "Store the same SCRAM secret on both sides, or the password.");
	}
	c->keys = *k;
	c->step = SCRAM_CLIENT_FINAL;
	return 0;
}

int scram_client_derive(struct scram_client *c, const char *pw, size_t pw_n, struct err *e)
{
	assert(c->step == SCRAM_CLIENT_KEYS);
	if (scram_keys_from_password(pw, pw_n, c->salt, c->salt_n, c->iterations, &c->keys, e) <
		0) {
		c->step = SCRAM_CLIENT_FAILED;
		return -1;
	}
	c->step = SCRAM_CLIENT_FINAL;
	return 0;
}

/* proof = ClientKey xor HMAC(StoredKey, AuthMessage); remembers what the server must answer. */
static int compute_proof(struct scram_client *c, uint8_t proof[SCRAM_KEY_BYTES], struct err *e)
{
	uint8_t stored[SCRAM_KEY_BYTES], sig[SCRAM_KEY_BYTES];

	if (scram_stored_key(c->keys.client_key, stored, e) < 0 ||
		scram_sign(stored, &c->auth_msg, sig, e) < 0 ||
		scram_sign(c->keys.server_key, &c->auth_msg, c->server_signature, e) < 0)
		return -1;
	scram_xor(c->keys.client_key, sig, proof);
	return 0;
}

int scram_client_final(struct scram_client *c, struct buf *out, struct err *e)
{
	char cbind[SCRAM_CBIND_TEXT_MAX], proof_text[B64_LEN(SCRAM_KEY_BYTES) + 1];
	uint8_t proof[SCRAM_KEY_BYTES];
	size_t at;

	assert(c->step == SCRAM_CLIENT_FINAL);
	c->step = SCRAM_CLIENT_FAILED; /* until sent */
	if (scram_cbind_text(c->gs2, c->cbind, c->cbind_n, cbind, sizeof cbind) < 0)
		return err_set(e, ERR_INTERNAL, "channel binding data is too long");
	(void)buf_put_u8(&c->auth_msg, ',');
	at = buf_len(&c->auth_msg);
	(void)buf_printf(&c->auth_msg, "c=%s,r=%.*s", cbind, (int)c->nonce_n, c->nonce);
	if (c->auth_msg.failed)
		return no_memory(c, e);
	if (compute_proof(c, proof, e) < 0)
		return -1;
	if (b64_encode(proof, sizeof proof, proof_text, sizeof proof_text) < 0 ||
		!buf_append(out, buf_data(&c->auth_msg) + at, buf_len(&c->auth_msg) - at) ||
		!buf_printf(out, ",p=%s", proof_text))
		return no_memory(c, e);
	c->step = SCRAM_CLIENT_FINISH;
	return 0;
}

int scram_client_finish(struct scram_client *c, const void *msg, size_t n, struct err *e)
{
	uint8_t sig[SCRAM_KEY_BYTES];
	struct scram_rd r;
	const char *v;
	size_t v_n, got;

	if (c->step != SCRAM_CLIENT_FINISH)
		return bad(c, e, "unexpected message");
	c->step = SCRAM_CLIENT_FAILED;
	if (!scram_rd_init(&r, msg, n))
		return bad(c, e, "length or a NUL byte");
	if (scram_rd_at(&r, 'e') && scram_rd_attr(&r, 'e', &v, &v_n)) {
		(void)err_set(e, ERR_SERVER_REFUSED, "the server refused the SCRAM proof");
		return err_internal(e, "server said: %.*s", (int)(v_n < 100 ? v_n : 100), v);
	}
	if (!scram_rd_attr(&r, 'v', &v, &v_n) || !scram_rd_end(&r))
		return bad(c, e, "no server signature");
	if (b64_decode(v, v_n, sig, sizeof sig, &got) < 0 || got != sizeof sig)
		return bad(c, e, "server signature");
	if (!mem_equal_ct(sig, c->server_signature, sizeof sig))
		return err_set(e, ERR_SERVER_REFUSED,
			"the server does not know the password: its signature is wrong");
	c->step = SCRAM_CLIENT_DONE;
	return 0;
}
