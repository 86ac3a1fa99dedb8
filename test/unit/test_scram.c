/* scram: the RFC's exchange byte for byte, both roles against each other, every bit flipped, every
 * length cut, and what hostile clients and servers send. */
#include "base/mem.h"
#include "crypto/b64.h"
#include "crypto/digest.h"
#include "crypto/scram.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 7677 section 3 */
#define RFC_CNONCE "rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE RFC_CNONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_CFIRST "n=user,r=" RFC_CNONCE
#define RFC_SFIRST "r=" RFC_NONCE ",s=" RFC_SALT ",i=4096"
#define RFC_CFINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SFINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_AUTH), 0);
}
TestSuite(scram, .fini = assert_all_back, .timeout = 120);

static const uint8_t CBIND[32] = { 1, 2, 3, 250, 0, 7 };

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

static struct scram_secret cheap_secret(const char *pw, struct scram_keys *k)
{
	static const uint8_t salt[16] = "0123456789abcde";
	struct scram_secret s;
	struct err e = { 0 };

	cr_assert_eq(scram_secret_from_password(pw, strlen(pw), salt, sizeof salt, 1, &s, &e), 0);
	if (k)
		cr_assert_eq(
			scram_keys_from_password(pw, strlen(pw), salt, sizeof salt, 1, k, &e), 0);
	return s;
}

static bool same(const struct buf *b, const char *text)
{
	return buf_len(b) == strlen(text) && memcmp(buf_data(b), text, buf_len(b)) == 0;
}

/* ---- the RFC ---- */

Test(scram, rfc7677_client)
{
	struct scram_client c;
	struct buf out;
	struct err e = { 0 };

	scram_client_init(&c, 0);
	buf_init(&out, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &out, &e), 0);
	cr_assert_eq(memcmp(buf_data(&out), "n,,n=,r=", 8), 0);
	cr_assert_eq(buf_len(&out), 8 + 24);
	/* put the RFC's nonce and user name in place of ours */
	buf_truncate(&c.auth_msg, 0);
	buf_puts(&c.auth_msg, RFC_CFIRST);
	memcpy(c.nonce, RFC_CNONCE, strlen(RFC_CNONCE));
	c.nonce_n = strlen(RFC_CNONCE);
	buf_fini(&out);

	cr_assert_eq(
		scram_client_challenge(&c, RFC_SFIRST, strlen(RFC_SFIRST), &e), 0, "%s", e.msg);
	cr_assert_eq(c.iterations, 4096);
	cr_assert_eq(c.salt_n, 16);
	cr_assert_eq(scram_client_derive(&c, "pencil", 6, &e), 0);
	cr_assert_eq(scram_client_final(&c, &out, &e), 0);
	cr_assert(same(&out, RFC_CFINAL), "%.*s", (int)buf_len(&out), buf_data(&out));
	cr_assert_eq(scram_client_finish(&c, RFC_SFINAL, strlen(RFC_SFINAL), &e), 0, "%s", e.msg);
	cr_assert(scram_client_done(&c));
	scram_client_fini(&c);
	scram_client_fini(&c);
	buf_fini(&out);
}

Test(scram, rfc7677_server)
{
	struct scram_secret secret = rfc_secret();
	struct scram_server s;
	struct buf out;
	struct err e = { 0 };

	scram_server_init(&s, &secret, false, NULL, 0);
	buf_init(&out, 0);
	cr_assert_eq(scram_server_first(&s, SCRAM_MECH_BASIC, "n,," RFC_CFIRST,
			     strlen("n,," RFC_CFIRST), &out, &e),
		0, "%s", e.msg);
	cr_assert_eq(memcmp(buf_data(&out), "r=" RFC_CNONCE, 2 + strlen(RFC_CNONCE)), 0);
	buf_truncate(&s.auth_msg, 0);
	buf_puts(&s.auth_msg, RFC_CFIRST "," RFC_SFIRST);
	memcpy(s.nonce, RFC_NONCE, strlen(RFC_NONCE));
	s.nonce_n = strlen(RFC_NONCE);
	buf_fini(&out);

	cr_assert_eq(
		scram_server_final(&s, RFC_CFINAL, strlen(RFC_CFINAL), &out, &e), 0, "%s", e.msg);
	cr_assert(same(&out, RFC_SFINAL), "%.*s", (int)buf_len(&out), buf_data(&out));

	struct scram_keys want;

	cr_assert_eq(scram_keys_from_password("pencil", 6, secret.salt, 16, 4096, &want, &e), 0);
	const struct scram_keys *got = scram_server_keys(&s);

	cr_assert_eq(memcmp(got->client_key, want.client_key, SCRAM_KEY_BYTES), 0);
	cr_assert_eq(memcmp(got->server_key, want.server_key, SCRAM_KEY_BYTES), 0);
	cr_assert_eq(got->iterations, 4096);
	cr_assert_eq(got->salt_n, 16);
	scram_server_fini(&s);
	buf_fini(&out);
}

/* ---- both roles against each other ---- */

/* Which message to damage, and how. */
struct damage {
	int msg; /* 0 none, 1 client-first .. 4 server-final */
	size_t at;
	uint8_t flip; /* 0: cut the message at .at */
};
struct run {
	enum scram_mech mech;
	bool server_offers, client_could; /* channel binding */
	bool mock;
	const uint8_t *client_cbind, *server_cbind;
	struct damage dmg;
	/* results */
	bool client_done, server_done;
	size_t len[5];
	struct err e;
	char text[5][600];
};

static void damage(struct run *r, int msg, struct buf *b)
{
	r->len[msg] = buf_len(b);
	(void)snprintf(r->text[msg], sizeof r->text[msg], "%.*s", (int)buf_len(b),
		(const char *)buf_data(b));
	if (r->dmg.msg != msg)
		return;
	if (r->dmg.flip)
		buf_data(b)[r->dmg.at] ^= r->dmg.flip;
	else
		buf_truncate(b, r->dmg.at);
}

static void run_steps(struct run *r, struct scram_client *c, struct scram_server *s, struct buf *b,
	const struct scram_keys *k)
{
	struct buf in;

	buf_init(&in, 0);
	if (scram_client_first(c, r->mech, r->client_cbind, r->client_could ? 32 : 0, b, &r->e) < 0)
		return;
	damage(r, 1, b);
	in = *b, buf_init(b, 0);
	int rc = scram_server_first(s, r->mech, buf_data(&in), buf_len(&in), b, &r->e);
	buf_fini(&in);
	if (rc < 0)
		return;
	damage(r, 2, b);
	rc = scram_client_challenge(c, buf_data(b), buf_len(b), &r->e);
	if (rc == 0)
		rc = scram_client_set_keys(c, k, &r->e);
	buf_fini(b);
	if (rc < 0 || scram_client_final(c, b, &r->e) < 0)
		return;
	damage(r, 3, b);
	in = *b, buf_init(b, 0);
	rc = scram_server_final(s, buf_data(&in), buf_len(&in), b, &r->e);
	buf_fini(&in);
	if (rc < 0)
		return;
	damage(r, 4, b);
	rc = scram_client_finish(c, buf_data(b), buf_len(b), &r->e);
	cr_assert_eq(rc == 0, scram_client_done(c));
}

static void run(struct run *r)
{
	struct scram_keys k;
	struct scram_secret secret = cheap_secret("x", &k);
	struct scram_client c;
	struct scram_server s;
	struct buf b;

	r->e = (struct err){ 0 };
	if (r->client_cbind == NULL)
		r->client_cbind = CBIND;
	if (r->server_cbind == NULL)
		r->server_cbind = CBIND;
	scram_client_init(&c, 0);
	scram_server_init(&s, &secret, r->mock, r->server_cbind, r->server_offers ? 32 : 0);
	buf_init(&b, 0);
	run_steps(r, &c, &s, &b, &k);
	buf_fini(&b);
	r->client_done = scram_client_done(&c);
	r->server_done = s.step == SCRAM_STEP_DONE;
	scram_client_fini(&c);
	scram_server_fini(&s);
}

Test(scram, basic_succeeds)
{
	struct run r = { .mech = SCRAM_MECH_BASIC };

	run(&r);
	cr_assert(r.client_done && r.server_done, "%s", r.e.msg);
	cr_assert_eq(memcmp(r.text[3], "c=biws,r=", 9), 0);
}

Test(scram, plus_succeeds)
{
	struct run r = { .mech = SCRAM_MECH_PLUS, .server_offers = true, .client_could = true };

	run(&r);
	cr_assert(r.client_done && r.server_done, "%s", r.e.msg);
	cr_assert_eq(memcmp(r.text[1], "p=tls-server-end-point,,n=,r=", 29), 0);
}

Test(scram, client_that_could_bind_meets_server_that_cannot)
{
	struct run r = { .mech = SCRAM_MECH_BASIC, .client_could = true };

	run(&r);
	cr_assert(r.client_done && r.server_done, "%s", r.e.msg);
	cr_assert_eq(memcmp(r.text[1], "y,,n=,r=", 8), 0);
	cr_assert_eq(memcmp(r.text[3], "c=eSws,r=", 9), 0);
}

/* Somebody in the middle removed PLUS from the server's list. */
Test(scram, downgrade_is_refused)
{
	struct run r = { .mech = SCRAM_MECH_BASIC, .server_offers = true, .client_could = true };

	run(&r);
	cr_assert(!r.client_done && !r.server_done);
	cr_assert_eq(r.e.code, ERR_PROTOCOL);
	cr_assert(strstr(r.e.msg, "downgrade"), "%s", r.e.msg);
}

/* A client without TLS knowledge (flag n) may go on without binding even if we offered it. */
Test(scram, client_without_binding_is_served)
{
	struct run r = { .mech = SCRAM_MECH_BASIC, .server_offers = true };

	run(&r);
	cr_assert(r.client_done && r.server_done, "%s", r.e.msg);
}

Test(scram, other_certificate_is_refused)
{
	static const uint8_t other[32] = { 9 };
	struct run r = { .mech = SCRAM_MECH_PLUS,
		.server_offers = true,
		.client_could = true,
		.client_cbind = other };

	run(&r);
	cr_assert(!r.client_done && !r.server_done);
	cr_assert(strstr(r.e.msg, "channel binding"), "%s", r.e.msg);
}

Test(scram, plus_that_was_not_offered_is_refused)
{
	struct run r = { .mech = SCRAM_MECH_PLUS, .client_could = true };

	run(&r);
	cr_assert(!r.client_done && !r.server_done);
	cr_assert_eq(r.e.code, ERR_PROTOCOL);
}

/* Even the right proof fails, late, and with the text of a wrong password. */
Test(scram, mock_fails_at_the_end)
{
	struct run r = { .mech = SCRAM_MECH_BASIC, .mock = true };

	run(&r);
	cr_assert(!r.client_done && !r.server_done);
	cr_assert_gt(r.len[3], 0, "it must come as far as the client's proof");
	cr_assert_eq(r.len[4], 0, "no server signature");
	cr_assert_eq(r.e.code, ERR_AUTH_FAILED);
}

static void flip_all(enum scram_mech mech)
{
	for (int msg = 1; msg <= 4; msg++) {
		size_t len = 1;

		for (size_t at = 0; at < len; at++) {
			for (int bit = 0; bit < 8; bit++) {
				struct run r = { .mech = mech,
					.server_offers = mech == SCRAM_MECH_PLUS,
					.client_could = mech == SCRAM_MECH_PLUS,
					.dmg = { msg, at, (uint8_t)(1 << bit) } };

				run(&r);
				len = r.len[msg];
				cr_assert(!r.client_done, "message %d, byte %zu, bit %d: %s", msg,
					at, bit, r.text[msg]);
				cr_assert(!r.server_done || msg == 4,
					"message %d, byte %zu, bit %d: %s", msg, at, bit,
					r.text[msg]);
			}
		}
	}
}

Test(scram, every_flipped_bit_is_noticed_basic)
{
	flip_all(SCRAM_MECH_BASIC);
}

Test(scram, every_flipped_bit_is_noticed_plus)
{
	flip_all(SCRAM_MECH_PLUS);
}

Test(scram, every_cut_message_is_refused)
{
	for (int msg = 1; msg <= 4; msg++) {
		size_t len = 1;

		for (size_t at = 0; at < len; at++) {
			struct run r = { .mech = SCRAM_MECH_BASIC, .dmg = { msg, at, 0 } };

			run(&r);
			len = r.len[msg];
			cr_assert(
				!r.client_done, "message %d cut at %zu: %s", msg, at, r.text[msg]);
			cr_assert(!r.server_done || msg == 4);
		}
	}
}

Test(scram, wrong_password)
{
	struct scram_keys k, wrong;
	struct scram_secret secret = cheap_secret("right", &k);
	struct scram_client c;
	struct scram_server s;
	struct buf a, b;
	struct err e = { 0 };

	(void)cheap_secret("wrong", &wrong);
	scram_client_init(&c, 0);
	scram_server_init(&s, &secret, false, NULL, 0);
	buf_init(&a, 0);
	buf_init(&b, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &a, &e), 0);
	cr_assert_eq(
		scram_server_first(&s, SCRAM_MECH_BASIC, buf_data(&a), buf_len(&a), &b, &e), 0);
	cr_assert_eq(scram_client_challenge(&c, buf_data(&b), buf_len(&b), &e), 0);
	cr_assert_eq(scram_client_set_keys(&c, &wrong, &e), 0);
	buf_fini(&a);
	buf_fini(&b);
	cr_assert_eq(scram_client_final(&c, &a, &e), 0);
	cr_assert_eq(scram_server_final(&s, buf_data(&a), buf_len(&a), &b, &e), -1);
	cr_assert_eq(e.code, ERR_AUTH_FAILED);
	cr_assert_eq(buf_len(&b), 0);
	/* no second try */
	cr_assert_eq(scram_server_final(&s, buf_data(&a), buf_len(&a), &b, &e), -1);
	cr_assert_eq(e.code, ERR_PROTOCOL);
	buf_fini(&a);
	buf_fini(&b);
	scram_client_fini(&c);
	scram_server_fini(&s);
}

/* ---- a hostile client ---- */

static int server_first(const char *msg, size_t n, enum scram_mech mech, bool offer, struct err *e)
{
	struct scram_secret secret = cheap_secret("x", NULL);
	struct scram_server s;
	struct buf out;
	/* a block of exactly n bytes, so that a sanitizer sees a read behind it */
	char *exact = mem_alloc(MEM_MISC, n);

	memcpy(exact, msg, n);
	scram_server_init(&s, &secret, false, CBIND, offer ? 32 : 0);
	buf_init(&out, 0);
	int rc = scram_server_first(&s, mech, exact, n, &out, e);
	/* whatever follows a failure fails */
	if (rc < 0) {
		cr_assert_eq(
			scram_server_final(&s, RFC_CFINAL, strlen(RFC_CFINAL), &out, NULL), -1);
		cr_assert_eq(scram_server_first(&s, mech, "n,,n=,r=abc", 11, &out, NULL), -1);
	}
	buf_fini(&out);
	scram_server_fini(&s);
	mem_free(MEM_MISC, exact);
	return rc;
}

Test(scram, client_first_refused)
{
	static const struct {
		const char *msg;
		enum scram_mech mech;
		bool offer;
	} t[] = {
		{ "", SCRAM_MECH_BASIC, false },
		{ ",", SCRAM_MECH_BASIC, false },
		{ "n", SCRAM_MECH_BASIC, false },
		{ "n,", SCRAM_MECH_BASIC, false },
		{ "n,,", SCRAM_MECH_BASIC, false },
		{ "n,,n=", SCRAM_MECH_BASIC, false },
		{ "n,,n=u", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=", SCRAM_MECH_BASIC, false },
		{ "n,,r=abc", SCRAM_MECH_BASIC, false },
		{ "n,,r=abc,n=u", SCRAM_MECH_BASIC, false },
		{ "nn,,n=u,r=abc", SCRAM_MECH_BASIC, false },
		{ "x,,n=u,r=abc", SCRAM_MECH_BASIC, false },
		{ "N,,n=u,r=abc", SCRAM_MECH_BASIC, false },
		{ "n,a=root,n=u,r=abc", SCRAM_MECH_BASIC, false }, /* authorization identity */
		{ "n,a=,n=u,r=abc", SCRAM_MECH_BASIC, false },
		{ "n,,m=ext,n=u,r=abc", SCRAM_MECH_BASIC, false }, /* mandatory extension */
		{ "n,,n=u,r=ab c", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=ab\x7f", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=ab\xc3\xa9", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=abc,", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=abc,1=x", SCRAM_MECH_BASIC, false },
		{ "n,,n=u,r=abc,xx", SCRAM_MECH_BASIC, false },
		{ "p=tls-server-end-point,,n=u,r=abc", SCRAM_MECH_BASIC, true },
		{ "p=tls-server-end-point,,n=u,r=abc", SCRAM_MECH_BASIC, false },
		{ "p=tls-server-end-point,,n=u,r=abc", SCRAM_MECH_PLUS, false },
		{ "p=tls-unique,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "p=tls-server-end-poin,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "p=tls-server-end-pointx,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "p=,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "p,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "n,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "y,,n=u,r=abc", SCRAM_MECH_PLUS, true },
		{ "y,,n=u,r=abc", SCRAM_MECH_BASIC, true },
		{ "n,,n=u,r=abc", SCRAM_MECH_NONE, true },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct err e = { 0 };

		cr_assert_eq(server_first(t[i].msg, strlen(t[i].msg), t[i].mech, t[i].offer, &e),
			-1, "%s", t[i].msg);
		cr_assert_eq(e.code, ERR_PROTOCOL, "%s: %s", t[i].msg, e.msg);
	}
}

Test(scram, client_first_accepted)
{
	static const char *const t[] = { "n,,n=,r=a", "n,,n=user,r=abc", "y,,n=u,r=abc",
		"n,,n=u,r=abc,x=", "n,,n=u,r=abc,x=1,Y=2=3", "n,,n=j=C3=BCrgen,r=abc",
		"n,,n=*,r=~!#" };

	for (size_t i = 0; i < N(t); i++) {
		struct err e = { 0 };

		cr_assert_eq(server_first(t[i], strlen(t[i]), SCRAM_MECH_BASIC, false, &e), 0,
			"%s: %s", t[i], e.msg);
	}
}

Test(scram, client_first_with_nul)
{
	struct err e = { 0 };

	cr_assert_eq(server_first("n,,n=u\0x,r=abc", 14, SCRAM_MECH_BASIC, false, &e), -1);
	cr_assert_eq(server_first("n,,n=u,r=abc\0", 13, SCRAM_MECH_BASIC, false, &e), -1);
	cr_assert_eq(server_first("\0", 1, SCRAM_MECH_BASIC, false, &e), -1);
}

Test(scram, client_first_length_edges)
{
	static const struct {
		size_t nonce_n, name_n;
		int rc;
	} t[] = {
		{ SCRAM_NONCE_MAX - 24 - 1, 1, 0 },
		{ SCRAM_NONCE_MAX - 24, 1, -1 },
		{ SCRAM_NONCE_MAX, 1, -1 },
		{ SCRAM_MSG_MAX - 10, 1, -1 },
		{ 10, SCRAM_MSG_MAX - 18, 0 },  /* just SCRAM_MSG_MAX */
		{ 10, SCRAM_MSG_MAX - 17, -1 }, /* one more */
		{ 10, 60000, -1 },
		{ 60000, 60000, -1 },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct buf b;
		struct err e = { 0 };

		buf_init(&b, 0);
		buf_puts(&b, "n,,n=");
		for (size_t k = 0; k < t[i].name_n; k++)
			buf_put_u8(&b, 'u');
		buf_puts(&b, ",r=");
		for (size_t k = 0; k < t[i].nonce_n; k++)
			buf_put_u8(&b, 'r');
		cr_assert_eq(server_first((char *)buf_data(&b), buf_len(&b), SCRAM_MECH_BASIC,
				     false, &e),
			t[i].rc, "row %zu: %zu bytes: %s", i, buf_len(&b), e.msg);
		buf_fini(&b);
	}
}

/* The largest nonce that is allowed must also survive the second half (CVE-2026-6665's shape). */
Test(scram, longest_nonce_to_the_end)
{
	struct scram_keys k;
	struct scram_secret secret = cheap_secret("x", &k);
	struct scram_client c;
	struct scram_server s;
	struct buf a, b;
	struct err e = { 0 };

	scram_client_init(&c, 0);
	buf_init(&a, 0);
	buf_init(&b, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &a, &e), 0);
	/* lengthen our own nonce to what the server just accepts */
	size_t more = SCRAM_NONCE_MAX - 24 - 1 - 24;
	for (size_t i = 0; i < more; i++) {
		buf_put_u8(&a, 'z');
		buf_put_u8(&c.auth_msg, 'z');
		c.nonce[c.nonce_n++] = 'z';
	}
	scram_server_init(&s, &secret, false, NULL, 0);
	cr_assert_eq(
		scram_server_first(&s, SCRAM_MECH_BASIC, buf_data(&a), buf_len(&a), &b, &e), 0);
	cr_assert_eq(scram_client_challenge(&c, buf_data(&b), buf_len(&b), &e), 0, "%s", e.msg);
	cr_assert_eq(scram_client_set_keys(&c, &k, &e), 0);
	buf_fini(&a);
	buf_fini(&b);
	cr_assert_eq(scram_client_final(&c, &a, &e), 0);
	cr_assert_eq(scram_server_final(&s, buf_data(&a), buf_len(&a), &b, &e), 0, "%s", e.msg);
	cr_assert_eq(scram_client_finish(&c, buf_data(&b), buf_len(&b), &e), 0);
	buf_fini(&a);
	buf_fini(&b);
	scram_client_fini(&c);
	scram_server_fini(&s);
}

/* Replaces the text behind the nonce of a right client-final; %s is the nonce. */
Test(scram, client_final_refused)
{
	static const char *const t[] = {
		"",
		"c=biws",
		"c=biws,r=%s",
		"c=biws,r=%s,",
		"c=biws,r=%s,p=",
		"c=biws,r=%s,p=AAAA",
		"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",      /* no padding */
		"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", /* 34 bytes */
		"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",     /* wrong proof */
		"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y",
		"c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* stray bits */
		"c=biws,r=%sX,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"r=%s,c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"c=eSws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* y, but was n */
		"c=,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"c=biwsAAAA,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"m=x,c=biws,r=%s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};

	for (size_t i = 0; i < N(t); i++) {
		struct scram_secret secret = cheap_secret("x", NULL);
		struct scram_server s;
		struct buf out, msg;
		struct err e = { 0 };

		scram_server_init(&s, &secret, false, NULL, 0);
		buf_init(&out, 0);
		buf_init(&msg, 0);
		cr_assert_eq(
			scram_server_first(&s, SCRAM_MECH_BASIC, "n,,n=,r=abc", 11, &out, &e), 0);
		const char *at = strstr(t[i], "%s");

		if (at) {
			buf_append(&msg, t[i], (size_t)(at - t[i]));
			buf_append(&msg, s.nonce, s.nonce_n);
			buf_puts(&msg, at + 2);
		} else {
			buf_puts(&msg, t[i]);
		}
		buf_fini(&out);
		cr_assert_eq(
			scram_server_final(&s, buf_len(&msg) ? buf_data(&msg) : (const void *)"",
				buf_len(&msg), &out, &e),
			-1, "%s", t[i]);
		cr_assert_eq(buf_len(&out), 0);
		cr_assert(err_is(&e));
		buf_fini(&msg);
		scram_server_fini(&s);
	}
}

Test(scram, final_before_first_is_refused)
{
	struct scram_secret secret = cheap_secret("x", NULL);
	struct scram_server s;
	struct buf out;
	struct err e = { 0 };

	buf_init(&out, 0);
	scram_server_init(&s, &secret, false, NULL, 0);
	cr_assert_eq(scram_server_final(&s, RFC_CFINAL, strlen(RFC_CFINAL), &out, &e), -1);
	scram_server_fini(&s);
	scram_server_init(&s, &secret, false, NULL, 0);
	cr_assert_eq(scram_server_first(&s, SCRAM_MECH_BASIC, "n,,n=,r=abc", 11, &out, &e), 0);
	cr_assert_eq(scram_server_first(&s, SCRAM_MECH_BASIC, "n,,n=,r=abc", 11, &out, &e), -1);
	scram_server_fini(&s);
	buf_fini(&out);
}

/* ---- a hostile server ---- */

/* The text with %s replaced by our nonce, as server-first-message. */
static int challenge(const char *fmt, uint32_t max_iterations, struct err *e)
{
	struct scram_client c;
	struct buf b, msg;
	const char *at = strstr(fmt, "%s");

	scram_client_init(&c, max_iterations);
	buf_init(&b, 0);
	buf_init(&msg, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &b, e), 0);
	if (at) {
		buf_append(&msg, fmt, (size_t)(at - fmt));
		buf_append(&msg, c.nonce, c.nonce_n);
		buf_puts(&msg, at + 2);
	} else {
		buf_puts(&msg, fmt);
	}
	char *exact = mem_alloc(MEM_MISC, buf_len(&msg));

	if (buf_len(&msg))
		memcpy(exact, buf_data(&msg), buf_len(&msg));
	int rc = scram_client_challenge(&c, exact, buf_len(&msg), e);
	if (rc < 0)
		cr_assert_eq(scram_client_finish(&c, RFC_SFINAL, strlen(RFC_SFINAL), NULL), -1);
	mem_free(MEM_MISC, exact);
	buf_fini(&b);
	buf_fini(&msg);
	scram_client_fini(&c);
	return rc;
}

Test(scram, server_first_refused)
{
	static const char *const t[] = {
		"",
		"r=",
		"r=%s",
		"r=%sX",
		"r=%sX,s=QQ==",
		"r=%sX,s=QQ==,i=",
		"r=%sX,s=QQ==,i=0",
		"r=%sX,s=QQ==,i=-1",
		"r=%sX,s=QQ==,i=+1",
		"r=%sX,s=QQ==,i= 1",
		"r=%sX,s=QQ==,i=1x",
		"r=%sX,s=QQ==,i=1000001",
		"r=%sX,s=QQ==,i=4294967297",
		"r=%sX,s=QQ==,i=2147483648",
		"r=%sX,s=QQ==,i=99999999999999999999999",
		"r=%sX,s=,i=1",
		"r=%sX,s=Q,i=1",
		"r=%sX,s=QQ=,i=1",
		"r=%sX,s=QR==,i=1",
		"r=%sX,s=!!!!,i=1",
		"r=%s,s=QQ==,i=1",
		"r=abc,s=QQ==,i=1",
		"s=QQ==,i=1,r=%sX",
		"m=x,r=%sX,s=QQ==,i=1",
		"e=other-error",
		"r=%sX,i=1,s=QQ==",
		"r=%sX,s=QQ==,i=1,",
		"r=%s\x01,s=QQ==,i=1",
		"x%s",
	};

	for (size_t i = 0; i < N(t); i++) {
		struct err e = { 0 };

		cr_assert_eq(challenge(t[i], 0, &e), -1, "%s", t[i]);
		cr_assert_eq(e.code, ERR_SERVER_PROTOCOL, "%s: %s", t[i], e.msg);
	}
}

Test(scram, server_first_accepted)
{
	static const char *const t[] = { "r=%sX,s=QQ==,i=1", "r=%sX,s=QQ==,i=1000000",
		"r=%sX,s=QQ==,i=4096,x=ext" };

	for (size_t i = 0; i < N(t); i++) {
		struct err e = { 0 };

		cr_assert_eq(challenge(t[i], 0, &e), 0, "%s: %s", t[i], e.msg);
	}
}

Test(scram, iteration_limit_is_configurable)
{
	struct err e = { 0 };

	cr_assert_eq(challenge("r=%sX,s=QQ==,i=5000", 5000, &e), 0);
	cr_assert_eq(challenge("r=%sX,s=QQ==,i=5001", 5000, &e), -1);
	cr_assert_eq(challenge("r=%sX,s=QQ==,i=2000000", 2000000, &e), 0);
}

/* CVE-2026-6665: a long nonce or salt from the server. */
Test(scram, server_first_length_edges)
{
	static const struct {
		size_t nonce_more, salt_bytes;
		int rc;
	} t[] = {
		{ SCRAM_NONCE_MAX - 24, 16, 0 },
		{ SCRAM_NONCE_MAX - 23, 16, -1 },
		{ 1, SCRAM_SALT_MAX, 0 },
		{ 1, SCRAM_SALT_MAX + 1, -1 },
		{ 3000, 16, -1 },
		{ 10, 3000, -1 },
		{ 65000, 65000, -1 },
	};
	static const uint8_t zeros[65000];

	for (size_t i = 0; i < N(t); i++) {
		struct buf b;
		struct err e = { 0 };
		static char salt[B64_LEN(65000) + 1];

		cr_assert_gt(b64_encode(zeros, t[i].salt_bytes, salt, sizeof salt), 0);
		buf_init(&b, 0);
		buf_puts(&b, "r=%s");
		for (size_t k = 0; k < t[i].nonce_more; k++)
			buf_put_u8(&b, 'n');
		buf_puts(&b, ",s=");
		buf_puts(&b, salt);
		buf_putz(&b, ",i=4096");
		cr_assert_eq(
			challenge((char *)buf_data(&b), 0, &e), t[i].rc, "row %zu: %s", i, e.msg);
		buf_fini(&b);
	}
}

/* A server that only pretends to know the verifier. */
Test(scram, server_signature_is_demanded)
{
	static const char *const t[] = { "", "v=", "v=AAAA",
		"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "e=invalid-proof", "e=", "x=y",
		"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };

	for (size_t i = 0; i < N(t); i++) {
		struct scram_keys k;
		struct scram_secret secret = cheap_secret("x", &k);
		struct scram_client c;
		struct scram_server s;
		struct buf a, b;
		struct err e = { 0 };

		scram_client_init(&c, 0);
		scram_server_init(&s, &secret, false, NULL, 0);
		buf_init(&a, 0);
		buf_init(&b, 0);
		cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &a, &e), 0);
		cr_assert_eq(
			scram_server_first(&s, SCRAM_MECH_BASIC, buf_data(&a), buf_len(&a), &b, &e),
			0);
		cr_assert_eq(scram_client_challenge(&c, buf_data(&b), buf_len(&b), &e), 0);
		cr_assert_eq(scram_client_set_keys(&c, &k, &e), 0);
		buf_fini(&a);
		buf_fini(&b);
		cr_assert_eq(scram_client_final(&c, &a, &e), 0);
		cr_assert_eq(scram_client_finish(&c, t[i], strlen(t[i]), &e), -1, "%s", t[i]);
		cr_assert(!scram_client_done(&c));
		/* and not at the second try either */
		cr_assert_eq(scram_server_final(&s, buf_data(&a), buf_len(&a), &b, &e), 0);
		cr_assert_eq(scram_client_finish(&c, buf_data(&b), buf_len(&b), &e), -1);
		buf_fini(&a);
		buf_fini(&b);
		scram_client_fini(&c);
		scram_server_fini(&s);
	}
}

Test(scram, keys_of_another_salt_do_not_fit)
{
	struct scram_keys k;
	struct scram_client c;
	struct buf b;
	struct err e = { 0 };
	char msg[200];

	(void)cheap_secret("x", &k);
	scram_client_init(&c, 0);
	buf_init(&b, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &b, &e), 0);
	(void)snprintf(msg, sizeof msg, "r=%.*sX,s=QQ==,i=1", (int)c.nonce_n, c.nonce);
	cr_assert_eq(scram_client_challenge(&c, msg, strlen(msg), &e), 0);
	cr_assert(!scram_client_keys_fit(&c, &k));
	cr_assert_eq(scram_client_set_keys(&c, &k, &e), -1);
	cr_assert_eq(e.code, ERR_SERVER_REFUSED);
	cr_assert_neq(e.hint[0], '\0');
	buf_fini(&b);
	scram_client_fini(&c);
}

Test(scram, nonces_are_never_the_same)
{
	struct buf a, b;
	struct err e = { 0 };

	buf_init(&a, 0);
	buf_init(&b, 0);
	struct scram_client c;

	scram_client_init(&c, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &a, &e), 0);
	scram_client_fini(&c);
	scram_client_init(&c, 0);
	cr_assert_eq(scram_client_first(&c, SCRAM_MECH_BASIC, NULL, 0, &b, &e), 0);
	scram_client_fini(&c);
	cr_assert_eq(buf_len(&a), buf_len(&b));
	cr_assert_neq(memcmp(buf_data(&a), buf_data(&b), buf_len(&a)), 0);
	buf_fini(&a);
	buf_fini(&b);
}
