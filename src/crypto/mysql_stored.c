/* mysql_stored - which computation a stored secret wants, and those of plugins that only a password
 * in clear can satisfy. Ignorant of who sent the password. Any thread. */
#include "crypto/mysql_stored.h"

#include "base/mem.h"
#include "crypto/b64.h"
#include "crypto/digest.h"
#include "crypto/mysql_ed25519.h"
#include "crypto/mysql_native.h"
#include "crypto/mysql_parsec.h"
#include "crypto/mysql_sha2.h"

#include <string.h>

#define SHA256_NAME "sha256_password:"
#define ED25519_NAME "ed25519:"
#define PARSEC_NAME "parsec:"
#define KEY_B64_LEN 43 /* 32 bytes without the padding */
#define SALT_B64_LEN 24

static bool begins(const char *s, size_t n, const char *with)
{
	size_t k = strlen(with);
	return n >= k && memcmp(s, with, k) == 0;
}

/* 32 bytes in base64 that ends without its "=". */
static bool read_key(const char *s, size_t n, uint8_t key[MYSQL_ED25519_KEY_BYTES])
{
	char text[KEY_B64_LEN + 1];
	size_t out_n;
	if (n != KEY_B64_LEN)
		return false;
	memcpy(text, s, KEY_B64_LEN);
	text[KEY_B64_LEN] = '=';
	return b64_decode(text, sizeof text, key, MYSQL_ED25519_KEY_BYTES, &out_n) == 0 &&
	       out_n == MYSQL_ED25519_KEY_BYTES;
}

/* "P0:" salt ":" key, the digit being a number of iterations */
static bool read_parsec(const char *s, size_t n, uint8_t salt[MYSQL_PARSEC_SALT_BYTES],
	uint8_t key[MYSQL_ED25519_KEY_BYTES])
{
	size_t got;
	if (n != 3 + SALT_B64_LEN + 1 + KEY_B64_LEN || s[0] != 'P' || s[1] < '0' || s[1] > '3' ||
		s[2] != ':' || s[3 + SALT_B64_LEN] != ':')
		return false;
	salt[0] = 'P';
	salt[1] = (uint8_t)(s[1] - '0');
	return b64_decode(s + 3, SALT_B64_LEN, salt + 2, MYSQL_PARSEC_SALT_BYTES - 2, &got) == 0 &&
	       got == MYSQL_PARSEC_SALT_BYTES - 2 &&
	       read_key(s + 3 + SALT_B64_LEN + 1, KEY_B64_LEN, key);
}

bool mysql_stored_is_named(const char *s, size_t n)
{
	uint8_t salt[MYSQL_PARSEC_SALT_BYTES], key[MYSQL_ED25519_KEY_BYTES];
	size_t k;
	if (begins(s, n, SHA256_NAME)) {
		k = strlen(SHA256_NAME);
		return mysql_sha256_is_secret(s + k, n - k);
	}
	if (begins(s, n, ED25519_NAME)) {
		k = strlen(ED25519_NAME);
		return read_key(s + k, n - k, key);
	}
	k = strlen(PARSEC_NAME);
	return begins(s, n, PARSEC_NAME) && read_parsec(s + k, n - k, salt, key);
}

static int check_named(
	const char *s, size_t n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	uint8_t salt[MYSQL_PARSEC_SALT_BYTES], key[MYSQL_ED25519_KEY_BYTES];
	size_t k = (size_t)((const char *)memchr(s, ':', n) - s) + 1;
	if (begins(s, n, SHA256_NAME))
		return mysql_sha256_secret_check(s + k, n - k, pw, pw_n, ok_r, e);
	if (begins(s, n, ED25519_NAME))
		return read_key(s + k, n - k, key) ? mysql_ed25519_check(key, pw, pw_n, ok_r, e)
						   : 0;
	return read_parsec(s + k, n - k, salt, key)
		       ? mysql_parsec_check(salt, key, pw, pw_n, ok_r, e)
		       : 0;
}

static int check_native(
	const char *s, size_t n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	uint8_t mine[MYSQL_NATIVE_BYTES], stage2[MYSQL_NATIVE_BYTES];
	mysql_native_parse(s, n, stage2);
	if (mysql_native_stage1(pw, pw_n, mine, e) || mysql_native_stage2(mine, mine, e))
		return -1;
	*ok_r = mem_equal_ct(mine, stage2, sizeof mine);
	return 0;
}

static int check_plain(
	const char *s, size_t n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	uint8_t a[DIGEST_SHA256_BYTES], b[DIGEST_SHA256_BYTES];
	if (digest_sha256(s, n, a, e) || digest_sha256(pw, pw_n, b, e))
		return -1;
	*ok_r = mem_equal_ct(a, b, sizeof a);
	mem_wipe(a, sizeof a);
	mem_wipe(b, sizeof b);
	return 0;
}

int mysql_stored_check(
	const char *secret, size_t n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	*ok_r = false;
	if (n == 0 || pw_n == 0) {
		*ok_r = n == 0 && pw_n == 0;
		return 0;
	}
	if (mysql_stored_is_named(secret, n))
		return check_named(secret, n, pw, pw_n, ok_r, e);
	if (mysql_sha2_is_secret(secret, n))
		return mysql_sha2_secret_check(secret, n, pw, pw_n, ok_r, e);
	if (mysql_native_is_secret(secret, n))
		return check_native(secret, n, pw, pw_n, ok_r, e);
	return check_plain(secret, n, pw, pw_n, ok_r, e);
}

/* The head of each form says how much work it is; what follows is replaced by what fits nobody: a
 * character that the computation cannot give, or a key whose secret half nobody has. */
void mysql_stored_decoy(const char *like, size_t n, char *out)
{
	static const char SALT[] = "abcdefghijklmnopqrst",
			  HASH[] = "...........................................",
			  KEY[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			  SALT64[] = "AAAAAAAAAAAAAAAAAAAAAAAA";
	size_t head = 0;
	const char *part[3] = { NULL };
	if (mysql_sha2_is_secret(like, n)) {
		head = 7;
		part[0] = SALT;
		part[1] = HASH;
	} else if (begins(like, n, SHA256_NAME)) {
		head = strlen(SHA256_NAME) + 3;
		part[0] = SALT;
		part[1] = "$";
		part[2] = HASH;
	} else if (begins(like, n, ED25519_NAME)) {
		head = strlen(ED25519_NAME);
		part[0] = KEY;
	} else if (begins(like, n, PARSEC_NAME)) {
		head = strlen(PARSEC_NAME) + 3;
		part[0] = SALT64;
		part[1] = ":";
		part[2] = KEY;
	}
	if (head)
		memcpy(out, like, head);
	for (unsigned i = 0; i < 3 && part[i]; i++) {
		size_t k = strlen(part[i]);
		memcpy(out + head, part[i], k);
		head += k;
	}
	out[head] = '\0';
}
