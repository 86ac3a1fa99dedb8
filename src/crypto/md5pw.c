/* md5pw - see the header. Ignorant of users and policy; any thread. */
#include "crypto/md5pw.h"

#include "base/mem.h"
#include "crypto/digest.h"

#include <string.h>

bool md5pw_is_secret(const char *s, size_t n)
{
	if (n != MD5PW_LEN || memcmp(s, "md5", 3) != 0)
		return false;
	for (size_t i = 3; i < n; i++) {
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return true;
}

/* "md5" + hex(md5(a b)) */
static int md5_text(const void *a, size_t a_n, const void *b, size_t b_n, char out[MD5PW_LEN + 1],
	struct err *e)
{
	static const char HEX[] = "0123456789abcdef";
	uint8_t d[DIGEST_MD5_BYTES];

	if (digest_md5(a, a_n, b, b_n, d, e) < 0)
		return -1;
	memcpy(out, "md5", 3);
	for (size_t i = 0; i < sizeof d; i++) {
		out[3 + 2 * i] = HEX[d[i] >> 4];
		out[4 + 2 * i] = HEX[d[i] & 15];
	}
	out[MD5PW_LEN] = '\0';
	mem_wipe(d, sizeof d);
	return 0;
}

int md5pw_secret(
	const char *pw, size_t pw_n, const char *user, char out[MD5PW_LEN + 1], struct err *e)
{
	return md5_text(pw, pw_n, user, strlen(user), out, e);
}

int md5pw_answer(const char *secret, size_t secret_n, const char *user,
	const uint8_t salt[MD5PW_SALT_BYTES], char out[MD5PW_LEN + 1], struct err *e)
{
	char stored[MD5PW_LEN + 1];
	int rc = 0;

	if (md5pw_is_secret(secret, secret_n))
		memcpy(stored, secret, MD5PW_LEN);
	else
		rc = md5pw_secret(secret, secret_n, user, stored, e);
	if (rc == 0)
		rc = md5_text(stored + 3, MD5PW_LEN - 3, salt, MD5PW_SALT_BYTES, out, e);
	mem_wipe(stored, sizeof stored);
	return rc;
}

int md5pw_verify(const char *secret, size_t secret_n, const char *user,
	const uint8_t salt[MD5PW_SALT_BYTES], const char *answer, size_t answer_n, bool *ok_r,
	struct err *e)
{
	char want[MD5PW_LEN + 1];

	*ok_r = false;
	if (md5pw_answer(secret, secret_n, user, salt, want, e) < 0)
		return -1;
	*ok_r = answer_n == MD5PW_LEN && mem_equal_ct(answer, want, MD5PW_LEN);
	mem_wipe(want, sizeof want);
	return 0;
}
