/* clearpw: passwords in clear against every kind of secret that has them. */
#include "crypto/clearpw.h"

#include "crypto/scram.h"

#include <criterion/criterion.h>
#include <string.h>

static bool check(const char *secret, const char *pw)
{
	struct err e = { 0 };
	bool ok = true;
	cr_assert_eq(clearpw_check(secret, "admin", pw, strlen(pw), &ok, &e), 0, "%s", e.msg);
	return ok;
}

Test(clearpw, plain_and_md5)
{
	static const char md5[] = "md545f2603610af569b6155c45067268c6b"; /* admin, 1234 */
	cr_assert(check("pw", "pw"));
	cr_assert(!check("pw", "p"));
	cr_assert(!check("pw", "pwx"));
	cr_assert(!check("pw", ""));
	cr_assert(!check("", ""), "no password is none that is right");
	cr_assert(!check("", "x"));
	cr_assert(check(md5, "1234"));
	cr_assert(!check(md5, "12345"));
	cr_assert(!check(md5, md5), "the hash is not the password");
}

Test(clearpw, scram)
{
	static const uint8_t salt[SCRAM_OWN_SALT_BYTES] = { 7 };
	char text[SCRAM_SECRET_TEXT_MAX];
	struct scram_secret s;
	struct err e = { 0 };
	cr_assert_eq(scram_secret_from_password("pw", 2, salt, sizeof(salt), 4096, &s, &e), 0);
	cr_assert_eq(scram_secret_format(&s, text, sizeof(text)), 0);
	cr_assert(check(text, "pw"));
	cr_assert(!check(text, "px"));
	cr_assert(!check(text, text));
}

Test(clearpw, a_malformed_secret_is_no_plain_one)
{
	static const char secret[] = "SCRAM-SHA-256$4096:AAAA";
	struct err e = { 0 };
	bool ok = true;
	cr_assert(scram_is_secret(secret, strlen(secret)));
	cr_assert_eq(clearpw_check(secret, "u", secret, strlen(secret), &ok, &e), -1);
	cr_assert(!ok);
}
