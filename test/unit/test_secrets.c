/* secrets: expiry, the bound, least recently used first, scopes kept apart, nothing left behind. */
#include "auth/secrets.h"
#include "auth/verifier.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(secrets, .fini = assert_all_back);

#define S 1000000
#define SCRAM \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==" \
	"$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

Test(secrets, put_get_forget)
{
	struct secrets *s = secrets_new(10);
	struct secrets_entry *e;

	cr_assert_null(secrets_get(s, "db", "a", 0));
	secrets_put(s, "db", "a", "pw", 2, 0, 10 * S);
	e = secrets_get(s, "db", "a", 1);
	cr_assert_str_eq(e->secret, "pw");
	cr_assert_eq(e->secret_n, 2);
	cr_assert_eq(e->kind, SECRET_PLAIN);
	cr_assert(!e->has_scram && !e->has_keys);
	secrets_put(s, "db", "a", SCRAM, strlen(SCRAM), 0, 10 * S);
	e = secrets_get(s, "db", "a", 1);
	cr_assert_eq(e->kind, SECRET_SCRAM);
	cr_assert(e->has_scram);
	cr_assert_eq(e->scram.iterations, 4096);
	e->has_keys = true;
	cr_assert(secrets_get(s, "db", "a", 2)->has_keys, "what the caller added stays");
	secrets_put(s, "db", "a", "new", 3, 0, 10 * S);
	e = secrets_get(s, "db", "a", 2);
	cr_assert(!e->has_keys && !e->has_scram, "a new secret takes nothing of the old");
	cr_assert_eq(secrets_n(s), 1);
	secrets_forget(s, "db", "a");
	secrets_forget(s, "db", "a");
	cr_assert_null(secrets_get(s, "db", "a", 2));
	secrets_free(&s);
	cr_assert_null(s);
	secrets_free(&s);
}

Test(secrets, negative)
{
	struct secrets *s = secrets_new(10);

	secrets_put(s, "db", "nobody", NULL, 0, 0, 5 * S);
	cr_assert_not_null(secrets_get(s, "db", "nobody", 4 * S));
	cr_assert_null(secrets_get(s, "db", "nobody", 4 * S)->secret);
	cr_assert_eq(secrets_get(s, "db", "nobody", 4 * S)->kind, SECRET_NONE);
	cr_assert_null(secrets_get(s, "db", "nobody", 5 * S));
	secrets_free(&s);
}

Test(secrets, without_password_is_not_negative)
{
	struct secrets *s = secrets_new(10);

	secrets_put(s, "db", "nopw", "", 0, 0, 5 * S);
	cr_assert_not_null(secrets_get(s, "db", "nopw", 0)->secret);
	cr_assert_eq(secrets_get(s, "db", "nopw", 0)->kind, SECRET_NONE);
	secrets_free(&s);
}

Test(secrets, expiry)
{
	struct secrets *s = secrets_new(10);

	secrets_put(s, "db", "a", "x", 1, 100, 10);
	cr_assert_not_null(secrets_get(s, "db", "a", 109));
	cr_assert_null(secrets_get(s, "db", "a", 110), "not at the very end");
	cr_assert_eq(secrets_n(s), 0, "and it is gone");
	secrets_put(s, "db", "a", "x", 1, 100, 0);
	secrets_put(s, "db", "b", "x", 1, 100, -5);
	cr_assert_eq(secrets_n(s), 0);
	secrets_put(s, "db", "a", "x", 1, 100, INT64_MAX);
	cr_assert_not_null(secrets_get(s, "db", "a", INT64_MAX - 1), "no overflow");
	secrets_put(s, "db", "a", "x", 1, 100, 0);
	cr_assert_eq(secrets_n(s), 0, "time 0 forgets what was");
	secrets_put(s, "db", "a", "x", 1, 0, 10);
	secrets_put(s, "db", "b", "x", 1, 0, 20);
	secrets_put(s, "db", "c", "x", 1, 0, 30);
	cr_assert_eq(secrets_expire(s, 20), 2);
	cr_assert_eq(secrets_n(s), 1);
	cr_assert_not_null(secrets_get(s, "db", "c", 20));
	secrets_free(&s);
}

Test(secrets, scopes_are_apart)
{
	struct secrets *s = secrets_new(10);

	secrets_put(s, "db1", "a", "1", 1, 0, S);
	secrets_put(s, "db2", "a", "2", 1, 0, S);
	secrets_put(s, "d", "b1a", "3", 1, 0, S); /* same letters, other border */
	secrets_put(s, "", "db1a", "4", 1, 0, S);
	cr_assert_str_eq(secrets_get(s, "db1", "a", 0)->secret, "1");
	cr_assert_str_eq(secrets_get(s, "db2", "a", 0)->secret, "2");
	cr_assert_str_eq(secrets_get(s, "d", "b1a", 0)->secret, "3");
	cr_assert_str_eq(secrets_get(s, "", "db1a", 0)->secret, "4");
	cr_assert_null(secrets_get(s, "db1", "A", 0));
	secrets_clear(s);
	cr_assert_eq(secrets_n(s), 0);
	secrets_free(&s);
}

Test(secrets, bounded_and_least_recently_used_goes_first)
{
	struct secrets *s = secrets_new(3);
	char name[20];

	secrets_put(s, "db", "a", "x", 1, 0, S);
	secrets_put(s, "db", "b", "x", 1, 0, S);
	secrets_put(s, "db", "c", "x", 1, 0, S);
	cr_assert_not_null(secrets_get(s, "db", "a", 0));
	secrets_put(s, "db", "d", "x", 1, 0, S);
	cr_assert_eq(secrets_n(s), 3);
	cr_assert_null(secrets_get(s, "db", "b", 0));
	cr_assert_not_null(secrets_get(s, "db", "a", 0));
	/* a flood of unknown names */
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof name, "u%d", i);
		secrets_put(s, "db", name, NULL, 0, 0, S);
		cr_assert_leq(secrets_n(s), 3);
	}
	cr_assert_leq(mem_live(MEM_AUTH), 1 + 3);
	secrets_free(&s);
	s = secrets_new(0);
	secrets_put(s, "db", "a", "x", 1, 0, S);
	cr_assert_eq(secrets_n(s), 1, "at least one");
	secrets_free(&s);
}

Test(secrets, long_names)
{
	struct secrets *s = secrets_new(3);
	static char name[70000];

	memset(name, 'n', sizeof name - 1);
	secrets_put(s, name, name, name, sizeof name - 1, 0, S);
	cr_assert_eq(secrets_get(s, name, name, 0)->secret_n, sizeof name - 1);
	secrets_free(&s);
}

Test(secrets, malformed_scram_is_kept_without_verifier)
{
	struct secrets *s = secrets_new(3);

	secrets_put(s, "db", "a", "SCRAM-SHA-256$x", 15, 0, S);
	cr_assert_eq(secrets_get(s, "db", "a", 0)->kind, SECRET_SCRAM);
	cr_assert(!secrets_get(s, "db", "a", 0)->has_scram);
	secrets_free(&s);
}

Test(secrets, a_mysql_verifier_belongs_to_one_secret)
{
	static const uint8_t key[MYSQL_SHA2_BYTES] = { 1, 2, 3 };
	struct secrets *s = secrets_new(10);
	uint8_t want[MYSQL_SHA2_BYTES], got[MYSQL_SHA2_BYTES];
	struct err e = { 0 };

	cr_assert_eq(mysql_sha2_verifier(key, want, &e), 0);
	cr_assert(!verifier_mysql_get(s, "u", "secret", 6, 1, got));
	verifier_mysql_put(s, "u", "secret", 6, key, 1);
	cr_assert(verifier_mysql_get(s, "u", "secret", 6, 2, got));
	cr_assert_arr_eq(got, want, sizeof got);
	cr_assert(!verifier_mysql_get(s, "v", "secret", 6, 2, got), "another user");
	cr_assert(!verifier_mysql_get(s, "u", "secre2", 6, 2, got), "a new password");
	cr_assert(!verifier_mysql_get(s, "u", "secret", 6, INT64_C(4000000000), got), "too old");
	secrets_free(&s);
}
