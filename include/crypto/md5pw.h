/* md5pw - PostgreSQL's MD5 password method: the secret "md5" + hex(md5(password + user)) and the
 * answer "md5" + hex(md5(hex + salt)). Source: PostgreSQL docs, Message Flow:
 * AuthenticationMD5Password. Pure. Any thread. A failure of MD5 itself (FIPS) is ERR_INTERNAL;
 * never taken for a wrong or a right password. */
#ifndef CRYPTO_MD5PW_H
#define CRYPTO_MD5PW_H
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MD5PW_LEN 35 /* characters of a secret or an answer, without a NUL */
#define MD5PW_SALT_BYTES 4

/* "md5" and 32 hexadecimal digits? As PostgreSQL decides it (get_password_type). */
bool md5pw_is_secret(const char *s, size_t n);
/* The secret of a plain password. */
int md5pw_secret(const char *pw, size_t pw_n, const char *user, char out[MD5PW_LEN + 1],
	struct err *e) __attribute__((warn_unused_result));
/* The answer to salt, from a plain password or from a secret (told apart by md5pw_is_secret()). */
int md5pw_answer(const char *secret, size_t secret_n, const char *user,
	const uint8_t salt[MD5PW_SALT_BYTES], char out[MD5PW_LEN + 1], struct err *e)
	__attribute__((warn_unused_result));
/* Is answer right for salt? In constant time for a given length. *ok_r is false unless 0 is
 * returned. */
int md5pw_verify(const char *secret, size_t secret_n, const char *user,
	const uint8_t salt[MD5PW_SALT_BYTES], const char *answer, size_t answer_n, bool *ok_r,
	struct err *e) __attribute__((warn_unused_result));
#endif
