/* scram_secret - verifiers and keys: their text form and how they come from a password. Ignorant of
 * the exchange. Any thread; the slow functions say so in the header. */
#include "scram_int.h"

#include "base/mem.h"
#include "base/num.h"
#include "crypto/b64.h"
#include "crypto/digest.h"

#include <assert.h>
#include <string.h>

#define PREFIX "SCRAM-SHA-256$"
#define PREFIX_LEN (sizeof PREFIX - 1)

bool scram_is_secret(const char *text, size_t n)
{
	return n >= PREFIX_LEN && memcmp(text, PREFIX, PREFIX_LEN) == 0;
}

/* The text before the next sep (or all that is left if sep is 0); false if sep is missing. */
static bool field(const char **p, const char *end, char sep, const char **v_r, size_t *n_r)
{
	const char *stop = sep ? memchr(*p, sep, (size_t)(end - *p)) : end;

	if (stop == NULL)
		return false;
	*v_r = *p;
	*n_r = (size_t)(stop - *p);
	*p = sep ? stop + 1 : stop;
	return true;
}

static int malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "malformed SCRAM secret: %s", what);
}

static int parse_fields(const char *p, const char *end, struct scram_secret *s, struct err *e)
{
	const char *v;
	size_t n, got;
	uint64_t iterations;

	if (!field(&p, end, ':', &v, &n) || num_u64n(v, n, 1, INT32_MAX, &iterations) < 0)
		return malformed(e, "iteration count");
	s->iterations = (uint32_t)iterations;
	if (!field(&p, end, '$', &v, &n) || n == 0 ||
		b64_decode(v, n, s->salt, sizeof s->salt, &got) < 0)
		return malformed(e, "salt");
	s->salt_n = (uint32_t)got;
	if (!field(&p, end, ':', &v, &n) ||
		b64_decode(v, n, s->stored_key, sizeof s->stored_key, &got) < 0 ||
		got != sizeof s->stored_key)
		return malformed(e, "StoredKey");
	if (!field(&p, end, 0, &v, &n) ||
		b64_decode(v, n, s->server_key, sizeof s->server_key, &got) < 0 ||
		got != sizeof s->server_key)
		return malformed(e, "ServerKey");
	return 0;
}

int scram_secret_parse(const char *text, size_t n, struct scram_secret *s_r, struct err *e)
{
	struct scram_secret s = { 0 };
	int rc;

	if (!scram_is_secret(text, n))
		return malformed(e, "it does not begin with " PREFIX);
	rc = parse_fields(text + PREFIX_LEN, text + n, &s, e);
	if (rc == 0)
		*s_r = s;
	mem_wipe(&s, sizeof s);
	return rc;
}

int scram_secret_format(const struct scram_secret *s, char *out, size_t out_n)
{
	char salt[B64_LEN(SCRAM_SALT_MAX) + 1], stored[B64_LEN(SCRAM_KEY_BYTES) + 1],
		server[B64_LEN(SCRAM_KEY_BYTES) + 1];
	struct buf b;
	int rc = -1;

	if (b64_encode(s->salt, s->salt_n, salt, sizeof salt) < 0 ||
		b64_encode(s->stored_key, sizeof s->stored_key, stored, sizeof stored) < 0 ||
		b64_encode(s->server_key, sizeof s->server_key, server, sizeof server) < 0)
		return -1;
	buf_init(&b, SCRAM_SECRET_TEXT_MAX);
	(void)buf_printf(&b, PREFIX "%u:%s$%s:%s", s->iterations, salt, stored, server);
	if (!b.failed && buf_len(&b) < out_n) {
		memcpy(out, buf_data(&b), buf_len(&b));
		out[buf_len(&b)] = '\0';
		rc = 0;
	}
	buf_wipe(&b);
	mem_wipe(stored, sizeof stored);
	mem_wipe(server, sizeof server);
	return rc;
}

int scram_keys_from_password(const char *pw, size_t pw_n, const uint8_t *salt, size_t salt_n,
	uint32_t iterations, struct scram_keys *k_r, struct err *e)
{
	uint8_t salted[SCRAM_KEY_BYTES];
	char prepared[SCRAM_PASSWORD_MAX];
	size_t prepared_n = scram_prepare(pw, pw_n, prepared);
	int rc;

	assert(salt_n > 0 && salt_n <= SCRAM_SALT_MAX);
	k_r->iterations = iterations;
	k_r->salt_n = (uint32_t)salt_n;
	memcpy(k_r->salt, salt, salt_n);
	rc = digest_pbkdf2_sha256(prepared_n ? prepared : pw, prepared_n ? prepared_n : pw_n, salt,
		salt_n, iterations, salted, e);
	mem_wipe(prepared, prepared_n);
	if (rc == 0)
		rc = digest_hmac_sha256(
			salted, sizeof salted, "Client Key", 10, k_r->client_key, e);
	if (rc == 0)
		rc = digest_hmac_sha256(
			salted, sizeof salted, "Server Key", 10, k_r->server_key, e);
	mem_wipe(salted, sizeof salted);
	return rc;
}

int scram_secret_from_password(const char *pw, size_t pw_n, const uint8_t *salt, size_t salt_n,
	uint32_t iterations, struct scram_secret *s_r, struct err *e)
{
	struct scram_keys k = { 0 };
	int rc = scram_keys_from_password(pw, pw_n, salt, salt_n, iterations, &k, e);

	if (rc == 0) {
		s_r->iterations = iterations;
		s_r->salt_n = (uint32_t)salt_n;
		memcpy(s_r->salt, salt, salt_n);
		memcpy(s_r->server_key, k.server_key, sizeof k.server_key);
		rc = scram_stored_key(k.client_key, s_r->stored_key, e);
	}
	mem_wipe(&k, sizeof k);
	return rc;
}

int scram_secret_check(
	const struct scram_secret *s, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	struct scram_secret mine = { 0 };
	int rc;

	*ok_r = false;
	if (s->iterations > SCRAM_MAX_ITERATIONS)
		return err_set(e, ERR_CONFIG,
			"SCRAM secret asks for %u iterations, at most %u are allowed",
			s->iterations, (unsigned)SCRAM_MAX_ITERATIONS);
	rc = scram_secret_from_password(pw, pw_n, s->salt, s->salt_n, s->iterations, &mine, e);
	if (rc == 0)
		*ok_r = mem_equal_ct(mine.stored_key, s->stored_key, SCRAM_KEY_BYTES);
	mem_wipe(&mine, sizeof mine);
	return rc;
}

/* HMAC(process_secret, label user) */
static int derived(const uint8_t process_secret[SCRAM_KEY_BYTES], char label, const char *user,
	uint8_t out[SCRAM_KEY_BYTES], struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, 0);
	(void)buf_put_u8(&b, (uint8_t)label);
	(void)buf_puts(&b, user);
	if (b.failed)
		rc = err_set(e, ERR_NO_MEMORY, "out of memory");
	else
		rc = digest_hmac_sha256(
			process_secret, SCRAM_KEY_BYTES, buf_data(&b), buf_len(&b), out, e);
	buf_fini(&b);
	return rc;
}

int scram_salt_for_user(const uint8_t process_secret[SCRAM_KEY_BYTES], const char *user,
	uint8_t salt[SCRAM_OWN_SALT_BYTES], struct err *e)
{
	uint8_t full[SCRAM_KEY_BYTES];

	if (derived(process_secret, 'S', user, full, e) < 0)
		return -1;
	memcpy(salt, full, SCRAM_OWN_SALT_BYTES);
	return 0;
}

int scram_secret_mock(const uint8_t process_secret[SCRAM_KEY_BYTES], const char *user,
	uint32_t iterations, struct scram_secret *s_r, struct err *e)
{
	*s_r = (struct scram_secret){ .iterations = iterations, .salt_n = SCRAM_OWN_SALT_BYTES };
	if (scram_salt_for_user(process_secret, user, s_r->salt, e) < 0)
		return -1;
	/* Random keys: a proof would need a preimage. The exchange is failed by its mock flag
	 * anyway. */
	if (digest_random(s_r->stored_key, sizeof s_r->stored_key, e) < 0)
		return -1;
	return digest_random(s_r->server_key, sizeof s_r->server_key, e);
}
