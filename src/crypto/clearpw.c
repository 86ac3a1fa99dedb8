/* clearpw - compares a password in clear with what is stored. Ignorant of who sent it. */
#include "crypto/clearpw.h"

#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/md5pw.h"
#include "crypto/scram.h"

#include <string.h>

/* Hashes first, so that not even the length of the stored password shows in the time. */
static int same_text(
	const char *a, size_t a_n, const char *b, size_t b_n, bool *ok_r, struct err *e)
{
	uint8_t ha[DIGEST_SHA256_BYTES], hb[DIGEST_SHA256_BYTES];
	if (digest_sha256(a, a_n, ha, e) || digest_sha256(b, b_n, hb, e))
		return -1;
	*ok_r = mem_equal_ct(ha, hb, sizeof(ha));
	mem_wipe(ha, sizeof(ha));
	mem_wipe(hb, sizeof(hb));
	return 0;
}

static int check_scram(
	const char *secret, size_t n, const char *pw, size_t pw_n, bool *ok_r, struct err *e)
{
	struct scram_secret s = { 0 };
	int rc = scram_secret_parse(secret, n, &s, e);
	if (rc == 0)
		rc = scram_secret_check(&s, pw, pw_n, ok_r, e);
	mem_wipe(&s, sizeof(s));
	return rc;
}

static int check_md5(const char *secret, const char *user, const char *pw, size_t pw_n, bool *ok_r,
	struct err *e)
{
	char mine[MD5PW_LEN + 1];
	if (md5pw_secret(pw, pw_n, user, mine, e))
		return -1;
	*ok_r = mem_equal_ct(mine, secret, MD5PW_LEN);
	mem_wipe(mine, sizeof(mine));
	return 0;
}

int clearpw_check(const char *secret, const char *user, const char *pw, size_t pw_n, bool *ok_r,
	struct err *e)
{
	size_t n = strlen(secret);
	*ok_r = false;
	if (pw_n == 0)
		return 0;
	if (scram_is_secret(secret, n))
		return check_scram(secret, n, pw, pw_n, ok_r, e);
	if (md5pw_is_secret(secret, n))
		return check_md5(secret, user, pw, pw_n, ok_r, e);
	return same_text(secret, n, pw, pw_n, ok_r, e);
}
