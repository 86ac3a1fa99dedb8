/* helper: frames to and from weirpool-auth-helper, cut, malformed and too long. */
#include "auth/helper.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(helper, .fini = assert_all_back);

static bool is(const char *p, size_t n, const char *want)
{
	return n == strlen(want) && memcmp(p, want, n) == 0;
}

Test(helper, requests)
{
	struct helper_request q;
	struct buf b;
	struct err e = { 0 };
	long used;

	buf_init(&b, 0);
	cr_assert(helper_put_pam(&b, 7, "svc", "alice", "pw", 2, "10.0.0.1"));
	cr_assert(helper_put_ldap(&b, 8, "ldapserver=x", "bob", "", 0));
	cr_assert(helper_put_uid(&b, 0xffffffffu, 1000));
	cr_assert(helper_put_stored(&b, 9, "$A$", NULL, NULL, "pw", 2));
	cr_assert(helper_put_stored(&b, 10, "", "x", "", "pw", 2));
	for (size_t n = 0; n < 40; n++)
		cr_assert_eq(helper_get_request(buf_data(&b), n, &q, &e), 0, "%zu", n);
	used = helper_get_request(buf_data(&b), buf_len(&b), &q, &e);
	cr_assert_gt(used, 0);
	cr_assert_eq(q.id, 7);
	cr_assert(is(q.service, q.service_n, "svc") && is(q.user, q.user_n, "alice") &&
		  is(q.pw, q.pw_n, "pw") && is(q.rhost, q.rhost_n, "10.0.0.1"));
	buf_consume(&b, (size_t)used);
	used = helper_get_request(buf_data(&b), buf_len(&b), &q, &e);
	cr_assert_gt(used, 0);
	cr_assert(q.id == 8 && q.op == HELPER_LDAP && is(q.user, q.user_n, "bob") && q.pw_n == 0);
	buf_consume(&b, (size_t)used);
	used = helper_get_request(buf_data(&b), buf_len(&b), &q, &e);
	cr_assert_gt(used, 0);
	cr_assert(q.id == 0xffffffffu && q.op == HELPER_UID_NAME && q.uid == 1000);
	buf_consume(&b, (size_t)used);
	used = helper_get_request(buf_data(&b), buf_len(&b), &q, &e);
	cr_assert_gt(used, 0);
	cr_assert(q.op == HELPER_STORED && is(q.secret, q.secret_n, "$A$") && !q.second &&
		  !q.also && is(q.pw, q.pw_n, "pw"));
	buf_consume(&b, (size_t)used);
	used = helper_get_request(buf_data(&b), buf_len(&b), &q, &e);
	cr_assert_eq((size_t)used, buf_len(&b));
	cr_assert(q.id == 10 && q.secret_n == 0 && is(q.second, q.second_n, "x") && q.also &&
		  q.also_n == 0 && is(q.pw, q.pw_n, "pw"));
	buf_wipe(&b);
}

Test(helper, answers)
{
	struct helper_answer a;
	struct buf b;
	struct err e = { 0 };

	buf_init(&b, 0);
	cr_assert(helper_put_answer(&b, 9, HELPER_DENIED, "no such user"));
	for (size_t n = 0; n < buf_len(&b); n++)
		cr_assert_eq(helper_get_answer(buf_data(&b), n, &a, &e), 0);
	cr_assert_eq(helper_get_answer(buf_data(&b), buf_len(&b), &a, &e), (long)buf_len(&b));
	cr_assert(a.id == 9 && a.verdict == HELPER_DENIED && is(a.text, a.text_n, "no such user"));
	buf_data(&b)[8] = 77; /* a verdict that does not exist is no success */
	cr_assert_gt(helper_get_answer(buf_data(&b), buf_len(&b), &a, &e), 0);
	cr_assert_eq(a.verdict, HELPER_FAILED);
	buf_fini(&b);
}

Test(helper, malformed_frames)
{
	static const struct {
		const char *bytes;
		size_t n;
	} t[] = {
		{ "\0\0\0\0", 4 },
		{ "\0\0\0\4\0\0\0\1", 8 },
		{ "\xff\xff\xff\xff", 4 },
		{ "\x7f\xff\xff\xff", 4 },
		{ "\0\x08\0\1", 4 },         /* above HELPER_FRAME_MAX */
		{ "\0\0\0\5\0\0\0\1\0", 9 }, /* operation 0, or no text */
		{ "\0\0\0\5\0\0\0\1\4", 9 },
		{ "\0\0\0\x09\0\0\0\1\1\xff\xff\xff\xff", 13 }, /* string of 4 GiB */
		{ "\0\0\0\x0a\0\0\0\1\2\0\0\0\0x", 14 },        /* something behind */
		{ "\0\0\0\x0b\0\0\0\1\3\0\0\0\0zz", 15 },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct helper_request q;
		struct helper_answer a;
		struct err e = { 0 };
		char *exact = mem_alloc(MEM_MISC, t[i].n);

		memcpy(exact, t[i].bytes, t[i].n);
		cr_assert_eq(helper_get_request(exact, t[i].n, &q, &e), -1, "row %zu", i);
		cr_assert_eq(helper_get_answer(exact, t[i].n, &a, &e), -1, "row %zu", i);
		mem_free(MEM_MISC, exact);
	}
}

Test(helper, refuses_long_strings)
{
	static char s[HELPER_STRING_MAX + 2];
	struct buf b;

	memset(s, 'x', sizeof s - 1);
	buf_init(&b, 0);
	cr_assert(!helper_put_pam(&b, 1, "s", s, "pw", 2, ""));
	cr_assert(!helper_put_ldap(&b, 1, "o", "u", s, sizeof s - 1));
	cr_assert_eq(buf_len(&b), 0, "nothing half written");
	cr_assert(helper_put_ldap(&b, 1, "o", "u", s, HELPER_STRING_MAX));
	buf_wipe(&b);
}
