/* mysql_native - challenges and the SHA-1 proof of mysql_native_password. Ignorant of packets.
 * Any thread. */
#include "crypto/mysql_native.h"

#include "base/mem.h"
#include "crypto/digest.h"

#include <assert.h>

int mysql_scramble_make(uint8_t out[MYSQL_SCRAMBLE_BYTES], struct err *e)
{
	if (digest_random(out, MYSQL_SCRAMBLE_BYTES, e) < 0)
		return -1;
	for (size_t i = 0; i < MYSQL_SCRAMBLE_BYTES; i++) {
		out[i] &= 0x7f;
		if (out[i] == '\0' || out[i] == '$')
			out[i]++;
	}
	return 0;
}

/* -1: not a hexadecimal digit */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool mysql_native_is_secret(const char *s, size_t n)
{
	if (n != MYSQL_NATIVE_SECRET_LEN || s[0] != '*')
		return false;
	for (size_t i = 1; i < n; i++)
		if (digit(s[i]) < 0)
			return false;
	return true;
}

void mysql_native_parse(const char *s, size_t n, uint8_t stage2[MYSQL_NATIVE_BYTES])
{
	assert(mysql_native_is_secret(s, n));
	for (size_t i = 0; i < MYSQL_NATIVE_BYTES; i++)
		stage2[i] = (uint8_t)(digit(s[1 + 2 * i]) << 4 | digit(s[2 + 2 * i]));
}

int mysql_native_stage1(
	const char *pw, size_t pw_n, uint8_t stage1[MYSQL_NATIVE_BYTES], struct err *e)
{
	return digest_sha1(pw, pw_n, NULL, 0, stage1, e);
}

int mysql_native_stage2(
	const uint8_t stage1[MYSQL_NATIVE_BYTES], uint8_t stage2[MYSQL_NATIVE_BYTES], struct err *e)
{
	return digest_sha1(stage1, MYSQL_NATIVE_BYTES, NULL, 0, stage2, e);
}

/* stage1 xor SHA1(scramble + stage2): turns stage1 into the proof, and a proof into stage1. */
static int mask(const uint8_t *scramble, const uint8_t *stage2, const uint8_t *in, uint8_t *out,
	struct err *e)
{
	uint8_t m[MYSQL_NATIVE_BYTES];

	if (digest_sha1(scramble, MYSQL_SCRAMBLE_BYTES, stage2, MYSQL_NATIVE_BYTES, m, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof m; i++)
		out[i] = in[i] ^ m[i];
	mem_wipe(m, sizeof m);
	return 0;
}

int mysql_native_proof(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t stage1[MYSQL_NATIVE_BYTES], uint8_t proof[MYSQL_NATIVE_BYTES], struct err *e)
{
	uint8_t stage2[MYSQL_NATIVE_BYTES];

	if (mysql_native_stage2(stage1, stage2, e) < 0)
		return -1;
	return mask(scramble, stage2, stage1, proof, e);
}

int mysql_native_check(const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t stage2[MYSQL_NATIVE_BYTES], const uint8_t proof[MYSQL_NATIVE_BYTES],
	uint8_t stage1_r[MYSQL_NATIVE_BYTES], bool *ok_r, struct err *e)
{
	uint8_t got[MYSQL_NATIVE_BYTES];

	*ok_r = false;
	if (mask(scramble, stage2, proof, stage1_r, e) < 0 ||
		mysql_native_stage2(stage1_r, got, e) < 0)
		return -1;
	*ok_r = mem_equal_ct(got, stage2, sizeof got);
	if (!*ok_r)
		mem_wipe(stage1_r, MYSQL_NATIVE_BYTES);
	return 0;
}

int mysql_cert_proof(const void *hash, size_t hash_n, const uint8_t scramble[MYSQL_SCRAMBLE_BYTES],
	const uint8_t cert_sha256[32], char out[MYSQL_CERT_PROOF_LEN + 1], struct err *e)
{
	static const char HEX[] = "0123456789ABCDEF";
	uint8_t tail[MYSQL_SCRAMBLE_BYTES + 32], sum[DIGEST_SHA256_BYTES];

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = i < MYSQL_SCRAMBLE_BYTES ? scramble[i]
						   : cert_sha256[i - MYSQL_SCRAMBLE_BYTES];
	if (digest_sha256_of(hash, hash_n, tail, sizeof tail, sum, e) < 0)
		return -1;
	out[0] = 1;
	for (size_t i = 0; i < sizeof sum; i++) {
		out[1 + 2 * i] = HEX[sum[i] >> 4];
		out[2 + 2 * i] = HEX[sum[i] & 15];
	}
	out[MYSQL_CERT_PROOF_LEN] = '\0';
	return 0;
}
