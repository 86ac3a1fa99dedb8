/* scram: verifiers and keys as text and from passwords, mock verifiers; and strict base64. */
#include "base/mem.h"
#include "crypto/b64.h"
#include "crypto/scram.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define RFC_SALT "W22ZaJ0SNY7soEsUEjb6gQ==" /* RFC 7677 section 3 */

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(scram_secret, .fini = assert_all_back);

/* pencil, the RFC's salt */
static struct scram_secret rfc_secret(void)
{
	struct scram_secret s;
	struct err e = { 0 };
	uint8_t salt[16];
	size_t n;

	cr_assert_eq(b64_decode(RFC_SALT, strlen(RFC_SALT), salt, sizeof salt, &n), 0);
	cr_assert_eq(n, 16);
	cr_assert_eq(
		scram_secret_from_password("pencil", 6, salt, n, 4096, &s, &e), 0, "%s", e.msg);
	return s;
}

Test(scram_secret, text_round_trip)
{
	struct scram_secret s = rfc_secret(), t;
	struct err e = { 0 };
	char text[SCRAM_SECRET_TEXT_MAX];

	cr_assert_eq(scram_secret_format(&s, text, sizeof text), 0);
	cr_assert_str_eq(text,
		"SCRAM-SHA-256$4096:" RFC_SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
	cr_assert(scram_is_secret(text, strlen(text)));
	cr_assert_eq(scram_secret_parse(text, strlen(text), &t, &e), 0);
	cr_assert_eq(t.iterations, 4096);
	cr_assert_eq(memcmp(s.stored_key, t.stored_key, 32), 0);
	cr_assert_eq(memcmp(s.server_key, t.server_key, 32), 0);
	/* every prefix is refused, and leaves the result alone */
	for (size_t n = 0; n < strlen(text); n++)
		cr_assert_eq(scram_secret_parse(text, n, &t, &e), -1, "%zu", n);
	cr_assert_eq(t.iterations, 4096);
	cr_assert_eq(scram_secret_format(&s, text, strlen(text)), -1, "no room");
}

Test(scram_secret, largest_salt_has_room_as_text)
{
	struct scram_secret s = { .iterations = INT32_MAX, .salt_n = SCRAM_SALT_MAX }, t;
	char text[SCRAM_SECRET_TEXT_MAX];
	struct err e = { 0 };

	cr_assert_eq(scram_secret_format(&s, text, sizeof text), 0);
	cr_assert_eq(scram_secret_parse(text, strlen(text), &t, &e), 0, "%s", e.msg);
	cr_assert_eq(t.salt_n, SCRAM_SALT_MAX);
}

#define KEY "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
Test(scram_secret, text_refused)
{
	static const char *const t[] = {
		"",
		"md5",
		"SCRAM-SHA-256",
		"SCRAM-SHA-256$",
		"SCRAM-SHA-256$:" RFC_SALT "$" KEY ":" KEY,
		"SCRAM-SHA-256$0:" RFC_SALT "$" KEY ":" KEY,
		"SCRAM-SHA-256$-1:" RFC_SALT "$" KEY ":" KEY,
		"SCRAM-SHA-256$4294967296:" RFC_SALT "$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:abc$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:" RFC_SALT "$" KEY,
		"SCRAM-SHA-256$4096:" RFC_SALT "$" KEY ":",
		"SCRAM-SHA-256$4096:" RFC_SALT "$" KEY ":" KEY "=",
		"SCRAM-SHA-256$4096:" RFC_SALT "$" KEY ":" KEY " ",
		"SCRAM-SHA-256$4096:" RFC_SALT "$QQ==:" KEY,
		"SCRAM-SHA-256$4096:" RFC_SALT "$" KEY ":QQ==",
		"scram-sha-256$4096:" RFC_SALT "$" KEY ":" KEY,
	};

	for (size_t i = 0; i < N(t); i++) {
		struct scram_secret s;
		struct err e = { 0 };

		cr_assert_eq(scram_secret_parse(t[i], strlen(t[i]), &s, &e), -1, "%s", t[i]);
		cr_assert_eq(e.code, ERR_CONFIG);
		cr_assert_null(strstr(e.msg, KEY), "the message must not show the secret");
	}
}

Test(scram_secret, plain_password_against_a_secret)
{
	struct scram_secret s = rfc_secret();
	struct err e = { 0 };
	bool ok;

	cr_assert_eq(scram_secret_check(&s, "pencil", 6, &ok, &e), 0);
	cr_assert(ok);
	cr_assert_eq(scram_secret_check(&s, "pencil ", 7, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_eq(scram_secret_check(&s, "", 0, &ok, &e), 0);
	cr_assert(!ok);
	s.iterations = SCRAM_MAX_ITERATIONS + 1;
	cr_assert_eq(scram_secret_check(&s, "pencil", 6, &ok, &e), -1);
	cr_assert(!ok);
}

/* What an unknown user is shown must not differ from one login to the next, nor look like a shared
 * salt. */
/* Examples of RFC 4013, section 3, and what PostgreSQL falls back to. */
Test(scram_secret, passwords_are_prepared)
{
	static const struct {
		const char *pw, *same_as;
		bool same;
	} t[] = {
		{ "I\xc2\xadX", "IX", true },      /* a soft hyphen is mapped to nothing */
		{ "user", "USER", false },         /* case is kept */
		{ "\xc2\xaa", "a", true },         /* NFKC */
		{ "\xe2\x85\xa8", "IX", true },    /* NFKC */
		{ "a\xc2\xa0z", "a z", true },     /* a no-break space */
		{ "e\xcc\x81", "\xc3\xa9", true }, /* composed */
		{ "\xd8\xa7"
		  "1",
			"1", false },      /* bidirectional: prohibited, so raw */
		{ "\xc2\xad", "", false }, /* nothing would be left: raw */
		{ "\xff\xfe"
		  "abc",
			"abc", false }, /* not UTF-8: raw */
		{ "a\x07"
		  "b",
			"ab", false }, /* ASCII is left alone */
		{ "\xcd\xb8"
		  "a",
			"a", false }, /* unassigned: raw */
	};
	static const uint8_t salt[16] = { 1, 2, 3 };

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct scram_keys a, b;
		struct err e = { 0 };
		cr_assert_eq(scram_keys_from_password(
				     t[i].pw, strlen(t[i].pw), salt, sizeof salt, 1, &a, &e),
			0);
		cr_assert_eq(scram_keys_from_password(t[i].same_as, strlen(t[i].same_as), salt,
				     sizeof salt, 1, &b, &e),
			0);
		cr_assert_eq(memcmp(a.client_key, b.client_key, sizeof a.client_key) == 0,
			t[i].same, "%zu", i);
	}
}

Test(scram_secret, mock_is_stable_and_personal)
{
	static const uint8_t p1[32] = { 1 }, p2[32] = { 2 };
	struct scram_secret a, b, c, d;
	struct err e = { 0 };
	uint8_t salt[16];

	cr_assert_eq(scram_secret_mock(p1, "alice", 4096, &a, &e), 0);
	cr_assert_eq(scram_secret_mock(p1, "alice", 4096, &b, &e), 0);
	cr_assert_eq(scram_secret_mock(p1, "bob", 4096, &c, &e), 0);
	cr_assert_eq(scram_secret_mock(p2, "alice", 4096, &d, &e), 0);
	cr_assert_eq(a.salt_n, 16);
	cr_assert_eq(memcmp(a.salt, b.salt, 16), 0);
	cr_assert_neq(memcmp(a.salt, c.salt, 16), 0);
	cr_assert_neq(memcmp(a.salt, d.salt, 16), 0);
	cr_assert_neq(memcmp(a.stored_key, b.stored_key, 32), 0);
	cr_assert_eq(scram_salt_for_user(p1, "alice", salt, &e), 0);
	cr_assert_eq(memcmp(a.salt, salt, 16), 0, "a plain password's salt looks the same");
}

Test(scram_secret, mechanism_names)
{
	cr_assert_eq(scram_mech_of("SCRAM-SHA-256", 13), SCRAM_MECH_BASIC);
	cr_assert_eq(scram_mech_of("SCRAM-SHA-256-PLUS", 18), SCRAM_MECH_PLUS);
	cr_assert_eq(scram_mech_of("SCRAM-SHA-256-PLUS", 17), SCRAM_MECH_NONE);
	cr_assert_eq(scram_mech_of("SCRAM-SHA-1", 11), SCRAM_MECH_NONE);
	cr_assert_eq(scram_mech_of("", 0), SCRAM_MECH_NONE);
	cr_assert_str_eq(scram_mech_name(SCRAM_MECH_PLUS), "SCRAM-SHA-256-PLUS");
}

/* ---- base64 ---- */

Test(b64, round_trip)
{
	uint8_t in[100], out[100];
	char text[B64_LEN(100) + 1];
	size_t n;

	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)(i * 37);
	for (size_t len = 0; len <= sizeof in; len++) {
		cr_assert_eq(b64_encode(in, len, text, sizeof text), (int)B64_LEN(len));
		cr_assert_eq(b64_decode(text, strlen(text), out, sizeof out, &n), 0);
		cr_assert_eq(n, len);
		cr_assert_eq(memcmp(in, out, len), 0);
		if (len > 0)
			cr_assert_eq(
				b64_decode(text, strlen(text), out, len - 1, &n), -1, "no room");
		cr_assert_eq(b64_encode(in, len, text, B64_LEN(len)), -1, "no room for the NUL");
	}
}

Test(b64, refused)
{
	static const char *const t[] = { "A", "AA", "AAA", "AA=A", "A===", "====", "AA==AAAA",
		"AAA=AAAA", "AAAA AAAA", "AAAA\n", "AB==", "AAB=", "AA-_", "AAAA=", "=AAA" };

	for (size_t i = 0; i < N(t); i++) {
		uint8_t out[16];
		size_t n;

		cr_assert_eq(b64_decode(t[i], strlen(t[i]), out, sizeof out, &n), -1, "%s", t[i]);
	}
}
