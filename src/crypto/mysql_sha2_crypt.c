/* mysql_sha2_crypt - a password in clear against the form that mysql.user stores: SHA-256-crypt
 * with a salt of 20 raw bytes. Any thread; slow on purpose.
 *
 * libcrypt cannot do it: it takes 16 characters of salt at most, of its own alphabet. The steps
 * below are numbered as in U. Drepper, Unix crypt using SHA-256 and SHA-512, which is in the public
 * domain; the tests hold them against what MySQL 9.7 wrote. */
#include "crypto/mysql_sha2.h"

#include "base/mem.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#define PREFIX_LEN 7 /* "$A$005$" */
#define SALT_BYTES 20
#define HASH_LEN 43
#define ROUNDS_UNIT 1000U
#define SHA256_ROUNDS 5000U /* of sha256_password */

/* A hash in the making whose errors stick. */
struct sum {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	bool bad;
};

static void sum_init(struct sum *s)
{
	s->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	s->ctx = EVP_MD_CTX_new();
	s->bad = s->md == NULL || s->ctx == NULL;
}

static void sum_fini(struct sum *s)
{
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
}

static void begin(struct sum *s)
{
	s->bad = s->bad || EVP_DigestInit_ex2(s->ctx, s->md, NULL) != 1;
}

static void add(struct sum *s, const void *p, size_t n)
{
	s->bad = s->bad || (n && EVP_DigestUpdate(s->ctx, p, n) != 1);
}

static void end(struct sum *s, uint8_t out[MYSQL_SHA2_BYTES])
{
	s->bad = s->bad || EVP_DigestFinal_ex(s->ctx, out, NULL) != 1;
}

/* The value of the upper-case hexadecimal digits that MySQL writes, or -1. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_crypt_char(char c)
{
	return (c >= '.' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* 0: malformed, or none */
static uint32_t rounds_of(const char *s)
{
	uint32_t v = 0;

	for (size_t i = 3; i < 6; i++) {
		if (digit(s[i]) < 0)
			return 0;
		v = v << 4 | (uint32_t)digit(s[i]);
	}
	return v * ROUNDS_UNIT;
}

bool mysql_sha2_is_secret(const char *s, size_t n)
{
	if (n != MYSQL_SHA2_SECRET_LEN || memcmp(s, "$A$", 3) != 0 || s[6] != '$' ||
		rounds_of(s) == 0)
		return false;
	for (size_t i = PREFIX_LEN + SALT_BYTES; i < n; i++)
		if (!is_crypt_char(s[i]))
			return false;
	return true;
}

/* Of either case; -1: none */
static int any_digit(char c)
{
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : digit(c);
}

bool mysql_sha2_unhex(const char *s, size_t n, char out[MYSQL_SHA2_SECRET_LEN])
{
	if (n != 2 + 2 * MYSQL_SHA2_SECRET_LEN || s[0] != '0' || s[1] != 'x')
		return false;
	for (size_t i = 0; i < MYSQL_SHA2_SECRET_LEN; i++) {
		int high = any_digit(s[2 + 2 * i]), low = any_digit(s[3 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (char)(high << 4 | low);
	}
	return mysql_sha2_is_secret(out, MYSQL_SHA2_SECRET_LEN);
}

/* p[0..n) filled with repetitions of d (steps 16 and 20) */
static void repeat(uint8_t *p, size_t n, const uint8_t d[MYSQL_SHA2_BYTES])
{
	for (size_t i = 0; i < n; i++)
		p[i] = d[i % MYSQL_SHA2_BYTES];
}

/* steps 1 to 12 */
static void digest_a(struct sum *s, const uint8_t *pw, size_t n, const uint8_t *salt, uint8_t *out)
{
	uint8_t b[MYSQL_SHA2_BYTES];

	begin(s);
	add(s, pw, n);
	add(s, salt, SALT_BYTES);
	add(s, pw, n);
	end(s, b);

	begin(s);
	add(s, pw, n);
	add(s, salt, SALT_BYTES);
	size_t left = n;
	for (; left > sizeof b; left -= sizeof b)
		add(s, b, sizeof b);
	add(s, b, left);
	for (size_t bits = n; bits; bits >>= 1)
		if (bits & 1)
			add(s, b, sizeof b);
		else
			add(s, pw, n);
	end(s, out);
	mem_wipe(b, sizeof b);
}

/* steps 13 to 21; out holds digest A before */
static void stretch(struct sum *s, const uint8_t *pw, size_t n, const uint8_t *salt,
	uint32_t rounds, uint8_t out[MYSQL_SHA2_BYTES])
{
	uint8_t d[MYSQL_SHA2_BYTES], p[MYSQL_SHA2_PASSWORD_MAX], sb[SALT_BYTES];

	begin(s);
	for (size_t i = 0; i < n; i++)
		add(s, pw, n);
	end(s, d);
	repeat(p, n, d);
	begin(s);
	for (unsigned i = 0; i < 16U + out[0]; i++)
		add(s, salt, SALT_BYTES);
	end(s, d);
	repeat(sb, sizeof sb, d);

	for (uint32_t i = 0; i < rounds && !s->bad; i++) {
		begin(s);
		add(s, i & 1 ? p : out, i & 1 ? n : MYSQL_SHA2_BYTES);
		if (i % 3)
			add(s, sb, sizeof sb);
		if (i % 7)
			add(s, p, n);
		add(s, i & 1 ? out : p, i & 1 ? MYSQL_SHA2_BYTES : n);
		end(s, out);
	}
	mem_wipe(p, sizeof p);
	mem_wipe(d, sizeof d);
}

/* step 22: three bytes make four characters, the first byte of a group being the highest; the
 * groups take every tenth byte, and their first byte wanders. */
static void encode(const uint8_t h[MYSQL_SHA2_BYTES], char out[HASH_LEN])
{
	static const char CHARS[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t a = 0, b = 10, c = 20, at = 0;

	for (unsigned g = 0; g < 10; g++) {
		uint32_t v = (uint32_t)h[a] << 16 | (uint32_t)h[b] << 8 | h[c];
		for (unsigned k = 0; k < 4; k++, v >>= 6)
			out[at++] = CHARS[v & 63];
		size_t first = a;
		a = c + 1;
		c = b + 1;
		b = first + 1;
	}
	uint32_t v = (uint32_t)h[31] << 8 | h[30];
	for (unsigned k = 0; k < 3; k++, v >>= 6)
		out[at++] = CHARS[v & 63];
	assert(at == HASH_LEN);
}

/* All of it: the hash as characters. */
static int crypt_to(const char *salt, uint32_t rounds, const char *pw, size_t pw_n,
	char text[HASH_LEN], struct err *e)
{
	uint8_t h[MYSQL_SHA2_BYTES] = { 0 };
	struct sum s;

	sum_init(&s);
	digest_a(&s, (const uint8_t *)pw, pw_n, (const uint8_t *)salt, h);
	stretch(&s, (const uint8_t *)pw, pw_n, (const uint8_t *)salt, rounds, h);
	bool bad = s.bad;
	sum_fini(&s);
	if (!bad)
		encode(h, text);
	mem_wipe(h, sizeof h);
	return bad ? err_set(e, ERR_INTERNAL, "SHA-256 is not available") : 0;
}

/* Is it the password whose hash (HASH_LEN characters) stands there? */
static int check(const char *salt, uint32_t rounds, const char *hash, const char *pw, size_t pw_n,
	bool *ok_r, struct err *e)
{
	char text[HASH_LEN];

	*ok_r = false;
	if (pw_n > MYSQL_SHA2_PASSWORD_MAX)
		return 0;
	if (crypt_to(salt, rounds, pw, pw_n, text, e) != 0)
		return -1;
	*ok_r = mem_equal_ct(text, hash, HASH_LEN);
	return 0;
}

int mysql_sha2_secret_make(
	const char *pw, size_t pw_n, char out[MYSQL_SHA2_SECRET_LEN + 1], struct err *e)
{
	uint8_t salt[SALT_BYTES];

	if (pw_n > MYSQL_SHA2_PASSWORD_MAX)
		return err_set(e, ERR_CONFIG,
			"the password is longer than the %d bytes that "
			"MySQL's servers take",
			MYSQL_SHA2_PASSWORD_MAX);
	if (mysql_scramble_make(salt, e) != 0)
		return -1;
	memcpy(out, "$A$005$", PREFIX_LEN);
	for (size_t i = 0; i < SALT_BYTES; i++) /* no control characters: it goes into a line */
		out[PREFIX_LEN + i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456"
				      "789./"[salt[i] & 63];
	out[MYSQL_SHA2_SECRET_LEN] = '\0';
	return crypt_to(
		out + PREFIX_LEN, 5 * ROUNDS_UNIT, pw, pw_n, out + PREFIX_LEN + SALT_BYTES, e);
}

int mysql_sha2_secret_check(
	const char *secret, size_t secret_n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	assert(mysql_sha2_is_secret(secret, secret_n));
	return check(secret + PREFIX_LEN, rounds_of(secret), secret + PREFIX_LEN + SALT_BYTES, pw,
		pw_n, ok_r, e);
}

bool mysql_sha256_is_secret(const char *s, size_t n)
{
	if (n != MYSQL_SHA256_SECRET_LEN || memcmp(s, "$5$", 3) != 0 || s[3 + SALT_BYTES] != '$')
		return false;
	for (size_t i = 3 + SALT_BYTES + 1; i < n; i++)
		if (!is_crypt_char(s[i]))
			return false;
	return true;
}

int mysql_sha256_secret_check(
	const char *secret, size_t secret_n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	assert(mysql_sha256_is_secret(secret, secret_n));
	return check(secret + 3, SHA256_ROUNDS, secret + 3 + SALT_BYTES + 1, pw, pw_n, ok_r, e);
}
