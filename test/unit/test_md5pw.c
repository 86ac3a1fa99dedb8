/* md5pw: PostgreSQL's documented vectors, both kinds of stored secrets, wrong and odd answers. */
#include "base/mem.h"
#include "crypto/md5pw.h"

#include <criterion/criterion.h>
#include <string.h>

#define ADMIN_1234 "md545f2603610af569b6155c45067268c6b" /* PgBouncer docs */
static const uint8_t SALT[4] = { 0x01, 0x02, 0x00, 0xff };

Test(md5pw, secret_of_the_documentation)
{
	char out[MD5PW_LEN + 1];
	struct err e = { 0 };

	cr_assert_eq(md5pw_secret("1234", 4, "admin", out, &e), 0, "%s", e.msg);
	cr_assert_str_eq(out, ADMIN_1234);
	cr_assert_eq(md5pw_secret("", 0, "", out, &e), 0);
	cr_assert_str_eq(out, "md5d41d8cd98f00b204e9800998ecf8427e");
}

Test(md5pw, is_secret)
{
	cr_assert(md5pw_is_secret(ADMIN_1234, 35));
	cr_assert(!md5pw_is_secret(ADMIN_1234, 34));
	cr_assert(!md5pw_is_secret("md545f2603610af569b6155c45067268c6bx", 36));
	cr_assert(!md5pw_is_secret("md545F2603610AF569B6155C45067268C6B", 35), "as PostgreSQL");
	cr_assert(!md5pw_is_secret("md545f2603610af569b6155c45067268c6g", 35));
	cr_assert(!md5pw_is_secret("Md545f2603610af569b6155c45067268c6b", 35));
	cr_assert(!md5pw_is_secret("", 0));
	cr_assert(!md5pw_is_secret("md5", 3));
}

/* The block ends with the secret: nothing behind it may be read. */
Test(md5pw, is_secret_reads_no_further)
{
	char *s = mem_alloc(MEM_MISC, MD5PW_LEN);

	memcpy(s, ADMIN_1234, MD5PW_LEN);
	cr_assert(md5pw_is_secret(s, MD5PW_LEN));
	mem_free(MEM_MISC, s);
}

Test(md5pw, answer_is_the_same_from_plain_and_hashed)
{
	char a[MD5PW_LEN + 1], b[MD5PW_LEN + 1];
	struct err e = { 0 };

	cr_assert_eq(md5pw_answer("1234", 4, "admin", SALT, a, &e), 0);
	cr_assert_eq(md5pw_answer(ADMIN_1234, 35, "admin", SALT, b, &e), 0);
	cr_assert_str_eq(a, b);
	cr_assert_str_neq(a, ADMIN_1234);
	/* computed with Python's hashlib: md5(hex + salt) */
	cr_assert_str_eq(a, "md5e98aa2f155c5b18946a074650924ad60");
}

static bool verify(const char *secret, const char *user, const char *answer, size_t n)
{
	struct err e = { 0 };
	bool ok = true;

	cr_assert_eq(md5pw_verify(secret, strlen(secret), user, SALT, answer, n, &ok, &e), 0);
	return ok;
}

Test(md5pw, verify)
{
	char a[MD5PW_LEN + 1];
	struct err e = { 0 };

	cr_assert_eq(md5pw_answer("1234", 4, "admin", SALT, a, &e), 0);
	cr_assert(verify("1234", "admin", a, 35));
	cr_assert(verify(ADMIN_1234, "admin", a, 35));
	cr_assert(!verify("1234", "Admin", a, 35));
	cr_assert(!verify("12345", "admin", a, 35));
	cr_assert(!verify("1234", "admin", a, 34));
	cr_assert(!verify("1234", "admin", a, 36));
	cr_assert(!verify("1234", "admin", "", 0));
	cr_assert(!verify("1234", "admin", ADMIN_1234, 35), "the stored hash is no answer");
	for (size_t i = 0; i < MD5PW_LEN; i++) {
		a[i] ^= 1;
		cr_assert(!verify("1234", "admin", a, 35), "byte %zu", i);
		a[i] ^= 1;
	}
}

Test(md5pw, long_passwords)
{
	static const size_t sizes[] = { 996, 1023, 1024, 1025, 65535, 1 << 20 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *pw = mem_alloc(MEM_MISC, sizes[i]), a[MD5PW_LEN + 1];
		struct err e = { 0 };
		bool ok;

		memset(pw, 'p', sizes[i]);
		cr_assert_eq(md5pw_answer(pw, sizes[i], "u", SALT, a, &e), 0);
		cr_assert_eq(md5pw_verify(pw, sizes[i], "u", SALT, a, 35, &ok, &e), 0);
		cr_assert(ok);
		mem_free(MEM_MISC, pw);
	}
}
