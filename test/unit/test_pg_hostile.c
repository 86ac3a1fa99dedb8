/* pg_hostile: every message type in every state of both logins, SCRAM messages that lie, servers
 * that skip steps, flood or stuff. A login must never succeed by any of it, and nothing may crash
 * or leak. The login rows of the poolers' security history are named by their CVE. */
#include "crypto/scram.h"
#include "pg_peer.h"

static struct proto_env *env;
static struct half h;
static char verifier[SCRAM_SECRET_TEXT_MAX];

static void setup(void)
{
	struct scram_secret s;
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	env = proto_pg.env_new(&o);
	cr_assert_eq(scram_secret_from_password(
			     "secret", 6, (const uint8_t *)"0123456789abcdef", 16, 4096, &s, NULL),
		0);
	cr_assert_geq(scram_secret_format(&s, verifier, sizeof(verifier)), 0);
}
static void teardown(void)
{
	proto_pg.env_free(env);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	cr_assert_eq(mem_live(MEM_LINK), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(pg_hostile, .init = setup, .fini = teardown, .timeout = 120);

#define FEED(s) buf_append(&h.in, s, sizeof(s) - 1)

/* ---- a client half in a given state ---- */

enum c_state {
	C_STARTUP,
	C_TLS,
	C_WHO,
	C_CLEAR,
	C_MD5,
	C_SASL,
	C_SASL_EMPTY,
	C_SASL_FINAL,
	C_OUTSIDE,
	C_DOOMED,
	C_N
};

static void take(void)
{
	struct pev ev = half_client(&h);
	if (ev.n)
		buf_consume(&h.in, ev.n);
	buf_fini(&h.out);
}
static void client_in(enum c_state state)
{
	static const int kinds[C_N] = { [C_CLEAR] = PROOF_CLEAR,
		[C_OUTSIDE] = PROOF_CLEAR,
		[C_MD5] = PROOF_MD5,
		[C_SASL] = PROOF_SCRAM,
		[C_SASL_EMPTY] = PROOF_SCRAM,
		[C_SASL_FINAL] = PROOF_SCRAM,
		[C_DOOMED] = PROOF_SCRAM };
	struct proto_proof pr = { .kind = kinds[state], .secret = verifier };
	half_init(&h, proto_pg.client_size);
	proto_pg.client_init(h.st, env, NULL, &h.out);
	if (state == C_STARTUP)
		return;
	if (state == C_TLS) {
		pgstartup_put_ssl(&h.in);
	} else {
		size_t at = pgstartup_begin(&h.in, PGSTARTUP_VERSION(3, 0));
		pgstartup_put_param(&h.in, "user", "alice");
		pgstartup_end(&h.in, at);
	}
	take();
	if (state == C_TLS || state == C_WHO)
		return;
	pr.clear_outside = state == C_OUTSIDE;
	pr.doomed = state == C_DOOMED;
	if (state == C_MD5)
		pr.secret = "secret";
	cr_assert_eq(proto_pg.client_auth(h.st, &pr, &h.out, &h.e), 0);
	if (state == C_OUTSIDE) {
		pgauth_put_password(&h.in, "x", 1);
		take();
	} else if (state == C_SASL_EMPTY) {
		size_t at = pgmsg_begin(&h.in, 'p');
		buf_putz(&h.in, "SCRAM-SHA-256");
		buf_put_u32be(&h.in, 0xffffffff);
		pgmsg_end(&h.in, at);
		take();
	} else if (state == C_SASL_FINAL) {
		size_t at = pgauth_begin_sasl_initial(&h.in, "SCRAM-SHA-256");
		buf_puts(&h.in, "n,,n=,r=abcdefghijkl");
		pgauth_end_sasl_initial(&h.in, at, "SCRAM-SHA-256");
		take();
	}
	buf_fini(&h.out);
}
static void client_end(void)
{
	proto_pg.client_fini(h.st);
	half_fini(&h);
}
/* Whatever stands in the input: it must not log in. */
static enum pev_kind client_must_not_log_in(const char *what, unsigned a, unsigned b)
{
	struct pev ev;
	do {
		ev = half_client(&h);
		cr_assert_neq(ev.kind, PEV_AUTH_OK, "%s %u %u", what, a, b);
		if (ev.n)
			buf_consume(&h.in, ev.n);
	} while (ev.kind != PEV_MORE && ev.kind != PEV_BAD && ev.kind != PEV_CANCEL);
	if (ev.kind == PEV_BAD) {
		cr_assert(err_is(&h.e));
		cr_assert_eq(half_client(&h).kind, PEV_BAD, "for ever");
	}
	return ev.kind;
}

Test(pg_hostile, every_message_type_in_every_state_of_a_client_login) /* 2015: order of packets */
{
	static const size_t sizes[] = { 0, 1, 4, 100 };
	uint8_t body[100] = { 0 };
	for (unsigned state = 0; state < C_N; state++)
		for (unsigned type = 0; type < 256; type++)
			for (size_t i = 0; i < 4; i++) {
				client_in(state);
				pgmsg_put(&h.in, (uint8_t)type, body, sizes[i]);
				pgmsg_put(&h.in, 'Q', "select 1", 9);
				client_must_not_log_in("type", state, type);
				client_end();
			}
}

Test(pg_hostile, absurd_lengths_in_every_state_of_a_client_login) /* CVE-2026-6664 */
{
	static const uint32_t lens[] = { 0, 1, 3, 65540, 0x3fffffff, 0x7fffffff, 0x80000000,
		0xffffffff };
	for (unsigned state = C_CLEAR; state < C_N; state++)
		for (size_t i = 0; i < 8; i++) {
			client_in(state);
			buf_put_u8(&h.in, 'p');
			buf_put_u32be(&h.in, lens[i]);
			enum pev_kind k = client_must_not_log_in("length", state, (unsigned)i);
			cr_assert_eq(
				k, state == C_OUTSIDE ? PEV_MORE : PEV_BAD, "%u %zu", state, i);
			client_end();
		}
}

Test(pg_hostile, sasl_initial_response_that_lies)
{
	static const uint32_t lens[] = { 0, 1, 19, 21, 0x7fffffff, 0xfffffffe };
	for (size_t i = 0; i < 6; i++) {
		client_in(C_SASL);
		size_t at = pgmsg_begin(&h.in, 'p');
		buf_putz(&h.in, "SCRAM-SHA-256");
		buf_put_u32be(&h.in, lens[i]);
		buf_puts(&h.in, "n,,n=,r=abcdefghijkl");
		pgmsg_end(&h.in, at);
		cr_assert_eq(client_must_not_log_in("sasl", (unsigned)i, 0), PEV_BAD);
		cr_assert_eq(buf_len(&h.out), 0, "nothing of a failed step is sent");
		client_end();
	}
	static const char *mechs[] = { "", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "scram-sha-256",
		"PLAIN" };
	for (size_t i = 0; i < 5; i++) {
		client_in(C_SASL);
		size_t at = pgauth_begin_sasl_initial(&h.in, mechs[i]);
		buf_puts(&h.in, "p=tls-server-end-point,,n=,r=abcdefghijkl");
		pgauth_end_sasl_initial(&h.in, at, mechs[i]);
		cr_assert_eq(client_must_not_log_in("mech", (unsigned)i, 0), PEV_BAD);
		client_end();
	}
}

static const char *const client_firsts[] = { "", "n", "n,", "n,,", "n,,n=", "n,,n=,", "n,,n=,r",
	"n,,n=,r=", "p=x,,n=,r=abc", "n,a=bob,n=,r=abc", "n,,m=ext,n=,r=abc", "n,,n=,r=a\tb",
	"n,,r=abc,n=", "y,,n=,s=abc", "n,,n==,r=abc", "nn,,n=,r=abc", "n,,n=\xff,r=\xff\xfe" };

Test(pg_hostile, client_first_messages)
{
	for (unsigned state = C_SASL; state <= C_SASL_EMPTY; state++)
		for (unsigned i = 0; i < sizeof(client_firsts) / sizeof(client_firsts[0]); i++) {
			client_in(state);
			size_t at;
			if (state == C_SASL) {
				at = pgauth_begin_sasl_initial(&h.in, "SCRAM-SHA-256");
				buf_puts(&h.in, client_firsts[i]);
				pgauth_end_sasl_initial(&h.in, at, "SCRAM-SHA-256");
			} else {
				pgmsg_put(&h.in, 'p', client_firsts[i], strlen(client_firsts[i]));
			}
			pgmsg_put(&h.in, 'p', "c=biws,r=abc,p=AAAA", 19);
			client_must_not_log_in("first", state, i);
			client_end();
		}
	/* An empty first step is a way that SASL allows: the exchange goes on. */
	client_in(C_SASL_EMPTY);
	pgmsg_put(&h.in, 'p', "n,,n=,r=abcdefghijkl", 20);
	cr_assert_eq(half_client(&h).kind, PEV_DROP);
	cr_assert_gt(buf_len(&h.out), 9 + 12);
	client_end();
}

Test(pg_hostile, client_final_messages_of_every_size) /* Odyssey 2026-05, CVE-2026-6664 */
{
	static const char *finals[] = { "", "c=biws",
		"c=biws,r=", "c=biws,r=abc,p=", "c=,r=,p=", "p=AAAA",
		"c=biws,r=abcdefghijkl,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
	for (unsigned i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		client_in(C_SASL_FINAL);
		pgmsg_put(&h.in, 'p', finals[i], strlen(finals[i]));
		cr_assert_eq(client_must_not_log_in("final", i, 0), PEV_BAD);
		client_end();
	}
	for (size_t n = 1; n < 65536; n = n * 3 + 1) {
		char *big = mem_alloc(MEM_MISC, n);
		memset(big, 'A', n);
		client_in(C_SASL_FINAL);
		pgmsg_put(&h.in, 'p', big, n);
		cr_assert_eq(client_must_not_log_in("final", (unsigned)n, 0), PEV_BAD);
		client_end();
		mem_free(MEM_MISC, big);
	}
}

Test(pg_hostile, empty_and_malformed_passwords)
{
	static const struct {
		const char *p;
		size_t n;
	} bodies[] = { { "", 1 }, { "", 0 }, { "secret", 6 }, { "secret\0x", 9 },
		{ "secret\0", 8 } };
	for (unsigned state = C_CLEAR; state <= C_MD5; state++)
		for (unsigned i = 0; i < 5; i++) {
			client_in(state);
			pgmsg_put(&h.in, 'p', bodies[i].p, bodies[i].n);
			cr_assert_eq(client_must_not_log_in("password", state, i), PEV_BAD);
			client_end();
		}
}

Test(pg_hostile, core_calls_at_the_wrong_moment_log_nobody_in)
{
	const struct proto_proof none = { .kind = PROOF_NONE };
	struct proto_creds creds;
	for (unsigned state = 0; state < C_N; state++) {
		client_in(state);
		if (state != C_OUTSIDE)
			proto_pg.client_auth_result(h.st, true, &h.out);
		if (state != C_WHO)
			cr_assert_eq(proto_pg.client_auth(h.st, &none, &h.out, &h.e), -1);
		cr_assert_not(proto_pg.client_creds(h.st, &creds));
		client_must_not_log_in("early", state, 0);
		client_end();
	}
}

/* ---- a link half in a given state ---- */

enum l_state { L_SSL, L_TLS, L_AUTH, L_CLEAR, L_MD5, L_SASL_CONT, L_SASL_FINAL, L_WELCOME, L_N };
static bool require_tls;

static struct pev link_step(void)
{
	return half_link(&h);
}
static void put_auth(enum pgauth_code code, const char *data, size_t n)
{
	pgauth_put(&h.in, code, data, n);
}
/* The server-first-message for the nonce that the link has sent; extra goes behind the nonce. */
static void put_challenge(const char *extra, const char *rest)
{
	struct pgmsg m;
	const char *mech;
	const uint8_t *data;
	size_t mech_n, n;
	cr_assert_eq(pgmsg_take(buf_data(&h.out), buf_len(&h.out), 10000, &m), 1);
	cr_assert(pgauth_read_sasl_initial(m.body, m.body_n, &mech, &mech_n, &data, &n));
	const char *nonce = memmem(data, n, "r=", 2);
	size_t nonce_n = n - (size_t)((const uint8_t *)nonce - data);
	size_t at = pgauth_begin(&h.in, PGAUTH_SASL_CONT);
	buf_append(&h.in, nonce, nonce_n);
	buf_puts(&h.in, extra);
	buf_puts(&h.in, rest);
	pgmsg_end(&h.in, at);
	buf_fini(&h.out);
}
#define GOOD_REST ",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096"

static void link_in(enum l_state state)
{
	static const char *mechs[] = { "SCRAM-SHA-256", NULL };
	static struct proto_creds creds = { .password = "secret" };
	const struct proto_link_login in = { .user = "alice",
		.database = "app",
		.creds = &creds,
		.tls_try = state <= L_TLS,
		.tls_require = state <= L_TLS && require_tls,
		.max_scram_iterations = 100000 };
	half_init(&h, proto_pg.link_size);
	cr_assert_eq(proto_pg.link_init(h.st, env, &in, &h.out, &h.e), 0);
	if (state == L_TLS)
		FEED("S");
	if (state == L_CLEAR)
		put_auth(PGAUTH_CLEAR, NULL, 0);
	if (state == L_MD5)
		put_auth(PGAUTH_MD5, "salt", 4);
	if (state == L_SASL_CONT || state == L_SASL_FINAL) {
		buf_fini(&h.out);
		pgauth_put_sasl(&h.in, mechs);
	}
	if (state == L_WELCOME)
		put_auth(PGAUTH_OK, NULL, 0);
	if (buf_len(&h.in))
		cr_assert_eq(link_step().kind, state == L_TLS ? PEV_TLS : PEV_DROP);
	if (state == L_SASL_FINAL) {
		put_challenge("ext", GOOD_REST);
		cr_assert_eq(link_step().kind, PEV_DROP);
	}
}
static void link_end(void)
{
	proto_pg.link_fini(h.st);
	half_fini(&h);
}
static enum pev_kind link_must_not_log_in(const char *what, unsigned a, unsigned b)
{
	struct pev ev;
	do {
		ev = link_step();
		cr_assert_neq(ev.kind, PEV_AUTH_OK, "%s %u %u", what, a, b);
	} while (ev.kind == PEV_DROP || ev.kind == PEV_NOTE);
	if (ev.kind == PEV_BAD)
		cr_assert(err_is(&h.e) && h.e.msg[0]);
	return ev.kind;
}

Test(pg_hostile, every_message_type_in_every_state_of_a_link_login)
{
	static const size_t sizes[] = { 0, 1, 4, 8, 100 };
	uint8_t body[100];
	for (unsigned fill = 0; fill < 2; fill++)
		for (unsigned state = 0; state < L_N; state++)
			for (unsigned type = 0; type < 256; type++)
				for (size_t i = 0; i < 5; i++) {
					memset(body, fill ? 'x' : 0, sizeof(body));
					link_in(state);
					pgmsg_put(&h.in, (uint8_t)type, body, sizes[i]);
					link_must_not_log_in("type", state, type);
					link_end();
				}
}

Test(pg_hostile, absurd_lengths_in_every_state_of_a_link_login)
{
	static const uint32_t lens[] = { 0, 3, 65541, 0x3fffffff, 0x7fffffff, 0x80000000,
		0xffffffff };
	static const char types[] = "RSKZENv";
	for (unsigned state = L_AUTH; state < L_N; state++)
		for (size_t t = 0; types[t]; t++)
			for (size_t i = 0; i < 7; i++) {
				link_in(state);
				buf_put_u8(&h.in, (uint8_t)types[t]);
				buf_put_u32be(&h.in, lens[i]);
				cr_assert_eq(link_must_not_log_in("length", state, (unsigned)i),
					PEV_BAD);
				link_end();
			}
}

Test(pg_hostile, server_stuffs_bytes_before_tls) /* CVE-2021-3935, PostgreSQL CVE-2021-23222 */
{
	link_in(L_SSL);
	FEED("SR\0\0\0\10\0\0\0\0");
	cr_assert_eq(link_step().kind, PEV_BAD);
	link_end();
	link_in(L_TLS); /* those that come a moment later are not looked at before TLS is done */
	FEED("R\0\0\0\10\0\0\0\0");
	cr_assert_eq(link_step().kind, PEV_MORE);
	link_end();
}

Test(pg_hostile, text_of_an_unencrypted_server_is_not_shown) /* like PostgreSQL CVE-2024-10977 */
{
	link_in(L_SSL);
	FEED("E\0\0\0\x20SFATAL\0Mcall 555-EVIL now\0\0");
	cr_assert_eq(link_step().kind, PEV_BAD);
	cr_assert_null(strstr(h.e.msg, "EVIL"));
	link_end();
	require_tls = true;
	link_in(L_SSL);
	FEED("N");
	cr_assert_eq(link_step().kind, PEV_BAD);
	cr_assert_eq(h.e.code, ERR_SERVER_CONNECT);
	link_end();
	require_tls = false;
	link_in(L_SSL);
	FEED("N");
	cr_assert_eq(link_step().kind, PEV_DROP);
	cr_assert_eq(link_step().kind, PEV_MORE);
	link_end();
}

Test(pg_hostile, server_skips_its_proof)
{
	for (unsigned state = L_SASL_CONT; state <= L_SASL_FINAL; state++) {
		link_in(state);
		put_auth(PGAUTH_OK, NULL, 0);
		cr_assert_eq(link_must_not_log_in("ok", state, 0), PEV_BAD);
		link_end();
	}
	link_in(L_SASL_FINAL); /* a wrong signature */
	put_auth(PGAUTH_SASL_FINAL, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 46);
	put_auth(PGAUTH_OK, NULL, 0);
	cr_assert_eq(link_must_not_log_in("signature", 0, 0), PEV_BAD);
	link_end();
	link_in(L_WELCOME); /* authenticated twice */
	put_auth(PGAUTH_OK, NULL, 0);
	cr_assert_eq(link_must_not_log_in("twice", 0, 0), PEV_BAD);
	link_end();
	link_in(L_CLEAR); /* asks again, in another way: no second answer */
	buf_fini(&h.out);
	put_auth(PGAUTH_MD5, "salt", 4);
	cr_assert_eq(link_must_not_log_in("again", 0, 0), PEV_BAD);
	cr_assert_eq(buf_len(&h.out), 0);
	link_end();
}

Test(pg_hostile, challenges_of_a_hostile_server) /* CVE-2026-6665, pgagroal: iterations */
{
	static const char *rests[] = { "", ",s=", ",s=!!!!,i=4096", ",s=MDEy,i=0", ",s=MDEy,i=-1",
		",s=MDEy,i=100001", ",s=MDEy,i=4294967296", ",s=MDEy,i=99999999999999999999",
		",s=MDEy", ",s=MDEy,i=", ",m=x,s=MDEy,i=4096" };
	for (unsigned i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		link_in(L_SASL_CONT);
		put_challenge("ext", rests[i]);
		cr_assert_eq(link_must_not_log_in("challenge", i, 0), PEV_BAD, "%s", rests[i]);
		link_end();
	}
	link_in(L_SASL_CONT); /* our nonce alone: the server added nothing */
	put_challenge("", GOOD_REST);
	cr_assert_eq(link_must_not_log_in("nonce", 0, 0), PEV_BAD);
	link_end();
	link_in(L_SASL_CONT); /* not our nonce */
	put_auth(PGAUTH_SASL_CONT, "r=other" GOOD_REST, sizeof("r=other" GOOD_REST) - 1);
	cr_assert_eq(link_must_not_log_in("nonce", 1, 0), PEV_BAD);
	link_end();
	for (size_t n = 16; n < 60000; n *= 5) {
		char *nonce = mem_alloc(MEM_MISC, n + 1);
		memset(nonce, 'n', n);
		link_in(L_SASL_CONT);
		put_challenge(nonce, GOOD_REST);
		enum pev_kind k = link_must_not_log_in("long nonce", (unsigned)n, 0);
		cr_assert_eq(k, n > 1000 ? PEV_BAD : PEV_MORE, "%zu", n);
		link_end();
		mem_free(MEM_MISC, nonce);
	}
}

Test(pg_hostile, errors_of_a_server)
{
	link_in(L_AUTH); /* without SQLSTATE: CVE-2026-6666 */
	pgmsg_put(&h.in, 'E', "SFATAL\0Mno\0\0", 12);
	cr_assert_eq(link_step().kind, PEV_BAD);
	cr_assert_str_eq(err_sqlstate(&h.e), "08004");
	cr_assert_str_eq(h.e.msg, "no");
	link_end();
	link_in(L_WELCOME);
	pgmsg_put(&h.in, 'E', "SFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0", 45);
	cr_assert_eq(link_step().kind, PEV_BAD);
	cr_assert_str_eq(err_sqlstate(&h.e), "3D000");
	link_end();
	link_in(L_AUTH);
	pgmsg_put(&h.in, 'E', NULL, 0);
	cr_assert_eq(link_step().kind, PEV_BAD);
	cr_assert_neq(h.e.msg[0], '\0');
	link_end();
	link_in(L_AUTH);
	pgmsg_put(&h.in, 'N', "SNOTICE\0Mhello\0\0", 16);
	cr_assert_eq(link_step().kind, PEV_NOTE);
	cr_assert(strstr(h.e.msg, "hello"));
	link_end();
}

Test(pg_hostile, welcome_of_a_hostile_server)
{
	link_in(L_WELCOME);
	for (int i = 0; i < 300; i++)
		pgsession_put_param(&h.in, "p", "v");
	cr_assert_eq(link_must_not_log_in("flood", 0, 0), PEV_BAD);
	link_end();
	static const char *tails[] = { "Z\0\0\0\5T", "Z\0\0\0\5E", "Z\0\0\0\5x", "Z\0\0\0\6II",
		"K\0\0\0\13abcdefg", "S\0\0\0\7ab\0", "S\0\0\0\4" };
	static const size_t lens[] = { 6, 6, 6, 7, 12, 8, 5 };
	for (unsigned i = 0; i < 7; i++) {
		link_in(L_WELCOME);
		buf_append(&h.in, tails[i], lens[i]);
		cr_assert_eq(link_must_not_log_in("tail", i, 0), PEV_BAD);
		link_end();
	}
	uint8_t body[261];
	memset(body, 1, sizeof(body));
	for (size_t n = 0; n <= 261; n++) {
		const uint8_t *key;
		link_in(L_WELCOME);
		pgmsg_put(&h.in, 'K', body, n);
		bool ok = n >= 8 && n <= 260;
		cr_assert_eq(link_must_not_log_in("key", (unsigned)n, 0), ok ? PEV_MORE : PEV_BAD);
		cr_assert_eq(proto_pg.link_cancel_key(h.st, &key), ok ? n : 0);
		link_end();
	}
}

Test(pg_hostile, negotiation_by_a_server)
{
	static const struct {
		uint32_t version, n;
		bool ok;
	} rows[] = { { 0x30000, 0, true }, { 0, 0, true }, { 0x30001, 0, false },
		{ 0x30002, 0, false }, { 0x20000, 0, false }, { 0x40000, 0, false },
		{ 0xffffffff, 0, false }, { 0x30000, 1, false } };
	const char *opts[] = { "_pq_.x" };
	for (unsigned i = 0; i < 8; i++) {
		link_in(L_AUTH);
		pgstartup_put_negotiate(&h.in, rows[i].version, opts, rows[i].n);
		cr_assert_eq(
			link_must_not_log_in("negotiate", i, 0), rows[i].ok ? PEV_MORE : PEV_BAD);
		link_end();
	}
	link_in(L_AUTH); /* once */
	pgstartup_put_negotiate(&h.in, 0x30000, NULL, 0);
	pgstartup_put_negotiate(&h.in, 0x30000, NULL, 0);
	cr_assert_eq(link_must_not_log_in("twice", 0, 0), PEV_BAD);
	link_end();
	link_in(L_WELCOME); /* and early */
	pgstartup_put_negotiate(&h.in, 0x30000, NULL, 0);
	cr_assert_eq(link_must_not_log_in("late", 0, 0), PEV_BAD);
	link_end();
}

Test(pg_hostile, methods_that_we_do_not_speak)
{
	static const uint32_t codes[] = { 1, 2, 4, 6, 7, 8, 9, 11, 12, 13, 0xffffffff };
	for (unsigned i = 0; i < 11; i++) {
		link_in(L_AUTH);
		put_auth((enum pgauth_code)codes[i], "x", 1);
		cr_assert_eq(link_must_not_log_in("method", i, 0), PEV_BAD);
		link_end();
	}
	link_in(L_AUTH);
	put_auth(PGAUTH_MD5, "sal", 3);
	cr_assert_eq(link_must_not_log_in("salt", 0, 0), PEV_BAD);
	link_end();
	link_in(L_AUTH);
	put_auth(PGAUTH_SASL, "OTHER\0\0", 7);
	cr_assert_eq(link_must_not_log_in("mechs", 0, 0), PEV_BAD);
	link_end();
	link_in(L_AUTH);
	put_auth(PGAUTH_SASL, "SCRAM-SHA-256", 13); /* no end */
	cr_assert_eq(link_must_not_log_in("mechs", 1, 0), PEV_BAD);
	link_end();
}

Test(pg_hostile, a_startup_packet_that_would_be_too_long_is_not_sent)
{
	char *long_value = mem_alloc(MEM_MISC, 20000);
	memset(long_value, 'v', 19999);
	const struct proto_kv params[] = { { "x.y", long_value }, { NULL, NULL } };
	const struct proto_link_login in = { .user = "alice", .database = "app", .params = params };
	half_init(&h, proto_pg.link_size);
	cr_assert_eq(proto_pg.link_init(h.st, env, &in, &h.out, &h.e), -1);
	cr_assert_eq(buf_len(&h.out), 0);
	link_end();
	mem_free(MEM_MISC, long_value);
}
