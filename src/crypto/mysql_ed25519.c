/* mysql_ed25519 - Ed25519 signatures from a secret that is no seed, out of what OpenSSL's EVP
 * offers, which signs with seeds only. Ignorant of packets. Any thread.
 *
 * A signature is R = rB and s = r + H(R, A, m) a mod L, for the secret scalar a, the public key
 * A = aB and a fresh secret r. No curve arithmetic is needed here for either point:
 *  - R: a throw-away standard key signs a message. Its R is rB for an r that follows from its seed
 *    by two hashes, uniform mod L, and is ours to compute again (RFC 8032 section 5.1.6).
 *  - A: X25519 multiplies the base point of the equivalent Montgomery curve by a, which is clamped
 *    alike; u gives Edwards' y = (u - 1) / (u + 1) (RFC 7748 section 4.1) and leaves one bit, the
 *    sign of x, to be guessed. OpenSSL's own verification says which guess is right, and that the
 *    whole signature is. */
#include "crypto/mysql_ed25519.h"

#include "base/mem.h"
#include "crypto/digest.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define KEY_BYTES MYSQL_ED25519_KEY_BYTES
#define SIG_BYTES MYSQL_ED25519_SIG_BYTES
#define MSG_BYTES MYSQL_ED25519_CHALLENGE_BYTES

/* 2^255 - 19, and the order of the base point */
#define FIELD "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"
#define ORDER "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"

/* r and R of a signature (32 bytes each, r before its reduction: 64) from a throw-away key. */
static int fresh_nonce(uint8_t r[DIGEST_SHA512_BYTES], uint8_t big_r[KEY_BYTES], struct err *e)
{
	static const uint8_t MSG[1] = { 0 };
	uint8_t seed[KEY_BYTES], h[DIGEST_SHA512_BYTES], sig[SIG_BYTES];
	size_t n = sizeof sig;

	if (digest_random(seed, sizeof seed, e) < 0 ||
		digest_sha512(seed, sizeof seed, NULL, 0, h, e) < 0 ||
		digest_sha512(h + KEY_BYTES, KEY_BYTES, MSG, sizeof MSG, r, e) < 0)
		return -1;
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = k && c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestSign(c, sig, &n, MSG, sizeof MSG) == 1;
	memcpy(big_r, sig, KEY_BYTES);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	mem_wipe(seed, sizeof seed);
	mem_wipe(h, sizeof h);
	return ok ? 0 : err_set(e, ERR_INTERNAL, "Ed25519 is not available");
}

/* The u coordinate of aB on the Montgomery curve. */
static bool montgomery_u(const uint8_t a[KEY_BYTES], uint8_t u[KEY_BYTES])
{
	size_t n = KEY_BYTES;
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, a, KEY_BYTES);
	bool ok = k && EVP_PKEY_get_raw_public_key(k, u, &n) == 1 && n == KEY_BYTES;

	EVP_PKEY_free(k);
	return ok;
}

/* y = (u - 1) / (u + 1), the sign bit 0. False when OpenSSL runs out of memory. */
static bool edwards_y(const uint8_t u[KEY_BYTES], uint8_t y[KEY_BYTES], BN_CTX *bc)
{
	BN_CTX_start(bc);
	BIGNUM *p = BN_CTX_get(bc), *num = BN_CTX_get(bc), *den = BN_CTX_get(bc);
	bool ok = den && BN_hex2bn(&p, FIELD) && BN_lebin2bn(u, KEY_BYTES, num) &&
		  BN_copy(den, num) && BN_sub_word(num, 1) && BN_add_word(den, 1) &&
		  BN_mod_inverse(den, den, p, bc) && BN_mod_mul(num, num, den, p, bc) &&
		  BN_bn2lebinpad(num, y, KEY_BYTES) == KEY_BYTES;

	BN_CTX_end(bc);
	return ok;
}

/* s = r + h a mod L */
static bool scalar(const uint8_t r[DIGEST_SHA512_BYTES], const uint8_t h[DIGEST_SHA512_BYTES],
	const uint8_t a[KEY_BYTES], uint8_t s[KEY_BYTES], BN_CTX *bc)
{
	BIGNUM *l = NULL, *br = BN_secure_new(), *bh = BN_new(), *ba = BN_secure_new();
	bool ok = br && bh && ba && BN_hex2bn(&l, ORDER) &&
		  BN_lebin2bn(r, DIGEST_SHA512_BYTES, br) &&
		  BN_lebin2bn(h, DIGEST_SHA512_BYTES, bh) && BN_lebin2bn(a, KEY_BYTES, ba);

	if (ok) {
		BN_set_flags(br, BN_FLG_CONSTTIME);
		BN_set_flags(ba, BN_FLG_CONSTTIME);
		ok = BN_mod_mul(ba, ba, bh, l, bc) && BN_mod_add(br, br, ba, l, bc) &&
		     BN_bn2lebinpad(br, s, KEY_BYTES) == KEY_BYTES;
	}
	BN_clear_free(br);
	BN_clear_free(ba);
	BN_free(bh);
	BN_free(l);
	return ok;
}

static bool verify(const uint8_t pub[KEY_BYTES], const uint8_t sig[SIG_BYTES], const uint8_t *msg)
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, KEY_BYTES);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 &&
		  EVP_DigestVerify(c, sig, SIG_BYTES, msg, MSG_BYTES) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return ok;
}

/* sig[0..32) is R; fills in s for the public key pub. */
static int complete(const uint8_t r[DIGEST_SHA512_BYTES], const uint8_t a[KEY_BYTES],
	const uint8_t pub[KEY_BYTES], const uint8_t *msg, uint8_t sig[SIG_BYTES], BN_CTX *bc,
	bool *ok_r, struct err *e)
{
	uint8_t head[2 * KEY_BYTES], h[DIGEST_SHA512_BYTES];

	memcpy(head, sig, KEY_BYTES);
	memcpy(head + KEY_BYTES, pub, KEY_BYTES);
	if (digest_sha512(head, sizeof head, msg, MSG_BYTES, h, e) < 0)
		return -1;
	*ok_r = scalar(r, h, a, sig + KEY_BYTES, bc) && verify(pub, sig, msg);
	return 0;
}

static int sign(const uint8_t a[KEY_BYTES], const uint8_t *msg, uint8_t sig[SIG_BYTES], BN_CTX *bc,
	struct err *e)
{
	uint8_t r[DIGEST_SHA512_BYTES], u[KEY_BYTES], pub[KEY_BYTES];
	bool ok = false;
	int rc = fresh_nonce(r, sig, e);

	if (rc == 0 && montgomery_u(a, u) && edwards_y(u, pub, bc)) {
		rc = complete(r, a, pub, msg, sig, bc, &ok, e);
		if (rc == 0 && !ok) {
			pub[KEY_BYTES - 1] |= 0x80;
			rc = complete(r, a, pub, msg, sig, bc, &ok, e);
		}
	}
	mem_wipe(r, sizeof r);
	if (rc == 0 && !ok)
		rc = err_set(e, ERR_INTERNAL, "cannot make an Ed25519 signature");
	ERR_clear_error();
	return rc;
}

/* The first half of h. */
static int secret_scalar(const char *pw, size_t pw_n, uint8_t h[DIGEST_SHA512_BYTES], struct err *e)
{
	if (digest_sha512(pw, pw_n, NULL, 0, h, e) < 0)
		return -1;
	h[0] &= 248;
	h[31] &= 127;
	h[31] |= 64;
	return 0;
}

int mysql_ed25519_sign(const char *pw, size_t pw_n,
	const uint8_t challenge[MYSQL_ED25519_CHALLENGE_BYTES],
	uint8_t sig[MYSQL_ED25519_SIG_BYTES], struct err *e)
{
	uint8_t h[DIGEST_SHA512_BYTES];
	BN_CTX *bc = BN_CTX_secure_new();
	int rc = -1;

	if (bc == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (secret_scalar(pw, pw_n, h, e) == 0)
		rc = sign(h, challenge, sig, bc, e);
	mem_wipe(h, sizeof h);
	BN_CTX_free(bc);
	return rc;
}

/* Without the sign of x, which montgomery_u() does not give: of the two points with one y neither
 * can be had without the secret scalar. */
int mysql_ed25519_check(const uint8_t pub[MYSQL_ED25519_KEY_BYTES], const char *pw, size_t pw_n,
	bool *ok_r, struct err *e)
{
	uint8_t h[DIGEST_SHA512_BYTES], u[KEY_BYTES], mine[KEY_BYTES], theirs[KEY_BYTES];
	BN_CTX *bc = BN_CTX_secure_new();
	int rc = -1;

	*ok_r = false;
	if (bc == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	memcpy(theirs, pub, sizeof theirs);
	theirs[KEY_BYTES - 1] &= 0x7f;
	if (secret_scalar(pw, pw_n, h, e) == 0) {
		rc = montgomery_u(h, u) && edwards_y(u, mine, bc)
			     ? 0
			     : err_set(e, ERR_INTERNAL, "X25519 is not available");
		*ok_r = rc == 0 && mem_equal_ct(mine, theirs, sizeof mine);
	}
	mem_wipe(h, sizeof h);
	BN_CTX_free(bc);
	return rc;
}
