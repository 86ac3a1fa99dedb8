/* pg_login: the client half and the link half of the PostgreSQL protocol log in to each other, for
 * every proof and every way to cut the bytes; startup parameters; what hostile clients and servers
 * send. */
#include "crypto/md5pw.h"
#include "crypto/scram.h"
#include "pg_peer.h"
#include "seed.h"

#define SALT "0123456789abcdef"
static const uint8_t CBIND[32] = { 9, 8, 7 };
static char verifier[SCRAM_SECRET_TEXT_MAX]; /* of "secret" */
static char md5_secret[64];

static struct proto_env *env;

static void setup(void)
{
	struct scram_secret s;
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	env = proto_pg.env_new(&o);
	cr_assert_eq(
		scram_secret_from_password("secret", 6, (const uint8_t *)SALT, 16, 4096, &s, NULL),
		0);
	cr_assert_eq(scram_secret_format(&s, verifier, sizeof(verifier)) < 0, 0);
	cr_assert_eq(md5pw_secret("secret", 6, "alice", md5_secret, NULL), 0);
}
static void teardown(void)
{
	proto_pg.env_free(env);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	cr_assert_eq(mem_live(MEM_LINK), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(pg_login, .init = setup, .fini = teardown, .timeout = 120);

/* ---- both halves ---- */

struct scene {
	struct proto_proof proof;
	struct proto_creds creds;
	enum cut cut;
	bool tls_yes; /* the client half grants TLS */
	bool tls_try, tls_require, tls_direct, cbind, cbind_require, v3_2;
	bool outside_ok; /* PEV_PASSWORD: what the outside says */
};
struct outcome {
	enum pev_kind client, link; /* the last events */
	bool client_tls, password_seen;
	bool has_creds;
	struct proto_creds learnt;
	struct err ce, le;
	char pid_reported[64];
};

/* What core does on an event of the client half. */
static void serve(struct half *c, const struct scene *s, struct pev ev, struct outcome *o)
{
	static const uint8_t key[12] = { 0, 0, 0, 42, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct proto_proof pr = s->proof;
	if (o->client_tls && s->cbind) {
		pr.offer_plus = true;
		pr.cbind = CBIND;
		pr.cbind_n = sizeof(CBIND);
	}
	if (ev.kind == PEV_TLS) {
		proto_pg.client_tls_answer(c->st, s->tls_yes, &c->out);
		o->client_tls = s->tls_yes;
	} else if (ev.kind == PEV_LOGIN) {
		cr_assert_str_eq(proto_pg.client_login(c->st)->user, "alice");
		cr_assert_str_eq(proto_pg.client_login(c->st)->database, "app");
		if (proto_pg.client_auth(c->st, &pr, &c->out, &c->e)) {
			o->client = PEV_BAD;
			proto_pg.put_error(c->st, &c->out, &c->e, true);
		}
	} else if (ev.kind == PEV_PASSWORD) {
		o->password_seen = ev.text_n == 6 && memcmp(ev.text, "secret", 6) == 0;
		proto_pg.client_auth_result(c->st, s->outside_ok, &c->out);
	} else if (ev.kind == PEV_AUTH_OK) {
		o->has_creds = proto_pg.client_creds(c->st, &o->learnt);
		pgsession_put_param(&c->out, "server_version", "18.0");
		pgsession_put_param(&c->out, "in_hot_standby", "off");
		pgsession_put_key(&c->out, key, proto_pg.client_key_size(c->st) == 8 ? 8 : 12);
		pgsession_put_ready(&c->out, 'I');
	}
}

static bool final(enum pev_kind k)
{
	return k == PEV_AUTH_OK || k == PEV_BAD;
}

static void client_turn(struct half *c, const struct scene *s, struct outcome *o)
{
	while (!final(o->client)) {
		struct pev ev = half_client(c);
		o->client = ev.kind;
		serve(c, s, ev, o);
		if (ev.n)
			buf_consume(&c->in, ev.n);
		if (ev.kind == PEV_MORE)
			return;
		if (ev.kind == PEV_BAD)
			proto_pg.put_error(c->st, &c->out, &c->e, true);
		if (ev.kind == PEV_TLS_DIRECT)
			cr_assert_fail("no ClientHello was sent");
	}
}

static void link_turn(struct half *l, const struct scene *s, struct outcome *o)
{
	while (!final(o->link)) {
		struct pev ev = half_link(l);
		o->link = ev.kind;
		if (ev.kind == PEV_TLS)
			proto_pg.link_tls_done(
				l->st, s->cbind ? CBIND : NULL, s->cbind ? 32 : 0, &l->out);
		if (ev.kind == PEV_MORE)
			return;
	}
}

static struct outcome play(const struct scene *s)
{
	struct outcome o = { .client = PEV_MORE, .link = PEV_MORE };
	struct half c, l;
	uint32_t seed = seed_first();
	const struct proto_kv params[] = { { "application_name", "weirpool" }, { NULL, NULL } };
	const struct proto_link_login in = { .user = "alice",
		.database = "app",
		.params = params,
		.creds = &s->creds,
		.tls_try = s->tls_try,
		.tls_require = s->tls_require,
		.channel_binding_require = s->cbind_require,
		.protocol_3_2 = s->v3_2 };
	half_init(&c, proto_pg.client_size);
	half_init(&l, proto_pg.link_size);
	proto_pg.client_init(c.st, env, NULL, &c.out);
	cr_assert_eq(proto_pg.link_init(l.st, env, &in, &l.out, &l.e), 0);
	for (;;) {
		client_turn(&c, s, &o);
		link_turn(&l, s, &o);
		bool moved = half_move(&l, &c, s->cut, &seed);
		moved |= half_move(&c, &l, s->cut, &seed);
		if (!moved)
			break;
	}
	if (o.link == PEV_AUTH_OK) {
		const uint8_t *key;
		cr_assert_eq(proto_pg.link_cancel_key(l.st, &key), s->v3_2 ? 12 : 8);
		cr_assert_eq(proto_pg.link_server_pid(l.st), 42);
		cr_assert_str_eq(proto_pg.link_param(l.st, "server_version"), "18.0");
		cr_assert_str_eq(proto_pg.link_param(l.st, "in_hot_standby"), "off");
	}
	o.ce = c.e;
	o.le = l.e;
	proto_pg.client_fini(c.st);
	proto_pg.link_fini(l.st);
	half_fini(&c);
	half_fini(&l);
	return o;
}

/* Every cut: the outcome must be the same. */
static struct outcome play_all(struct scene s, bool ok)
{
	struct outcome o = { 0 };
	for (s.cut = CUT_WHOLE; s.cut < CUT_N; s.cut++) {
		o = play(&s);
		/* A link that refuses just goes: the client half then waits for more. */
		cr_assert_eq(o.client == PEV_AUTH_OK, ok, "cut %d: client %d: %s", s.cut, o.client,
			o.ce.msg);
		cr_assert_eq(o.link, ok ? PEV_AUTH_OK : PEV_BAD, "cut %d: link %d: %s", s.cut,
			o.link, o.le.msg);
	}
	return o;
}

static struct scene scene(int kind, const char *secret, const char *password)
{
	struct scene s = { .proof = { .kind = kind, .secret = secret, .scram_iterations = 4096 } };
	memcpy(s.creds.password, password, strlen(password) + 1);
	return s;
}

Test(pg_login, trust)
{
	struct outcome o = play_all(scene(PROOF_NONE, NULL, ""), true);
	cr_assert_not(o.has_creds);
}

Test(pg_login, clear_text_against_every_kind_of_secret)
{
	const char *secrets[] = { "secret", md5_secret, verifier };
	for (int i = 0; i < 3; i++) {
		struct outcome o = play_all(scene(PROOF_CLEAR, secrets[i], "secret"), true);
		cr_assert(o.has_creds);
		cr_assert_str_eq(o.learnt.password, "secret");
		cr_assert_not(o.learnt.has_scram_keys);
		o = play_all(scene(PROOF_CLEAR, secrets[i], "wrong"), false);
		cr_assert_eq(o.ce.code, ERR_AUTH_FAILED);
		cr_assert_str_eq(
			err_sqlstate(&o.le), "28P01", "the link learns the server's state");
		cr_assert_not(o.has_creds);
	}
}

Test(pg_login, clear_text_checked_outside)
{
	struct scene s = scene(PROOF_CLEAR, NULL, "secret");
	s.proof.clear_outside = true;
	s.outside_ok = true;
	struct outcome o = play_all(s, true);
	cr_assert(o.password_seen);
	cr_assert_str_eq(o.learnt.password, "secret");
	s.outside_ok = false;
	o = play_all(s, false);
	cr_assert_eq(o.ce.code, ERR_AUTH_FAILED);
	s.outside_ok = s.proof.doomed = true;
	play_all(s, false);
}

Test(pg_login, md5)
{
	const char *have[] = { "secret", md5_secret };
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++) {
			struct outcome o = play_all(scene(PROOF_MD5, have[i], have[j]), true);
			cr_assert_not(o.has_creds);
		}
	play_all(scene(PROOF_MD5, md5_secret, "wrong"), false);
	/* Who knows a stored verifier must not get in with it. */
	play_all(scene(PROOF_MD5, verifier, "secret"), false);
	play_all(scene(PROOF_MD5, "", "secret"), false);
}

Test(pg_login, scram)
{
	const char *secrets[] = { verifier, "secret" };
	for (int i = 0; i < 2; i++) {
		struct outcome o = play_all(scene(PROOF_SCRAM, secrets[i], "secret"), true);
		cr_assert(o.has_creds && o.learnt.has_scram_keys);
		cr_assert_str_eq(o.learnt.password, "");
		o = play_all(scene(PROOF_SCRAM, secrets[i], "wrong"), false);
		cr_assert_eq(o.ce.code, ERR_AUTH_FAILED);
		cr_assert_not(o.has_creds);
	}
	play_all(scene(PROOF_SCRAM, md5_secret, "secret"), false);
	play_all(scene(PROOF_SCRAM, "SCRAM-SHA-256$broken", "secret"), false);
	play_all(scene(PROOF_SCRAM, "", "secret"), false);
}

Test(pg_login, scram_keys_of_a_client_log_in_to_a_server_with_the_same_verifier)
{
	struct outcome o = play_all(scene(PROOF_SCRAM, verifier, "secret"), true);
	struct scene s = scene(PROOF_SCRAM, verifier, "");
	s.creds = o.learnt;
	o = play_all(s, true);
	cr_assert_eq(memcmp(&o.learnt, &s.creds, sizeof(o.learnt)), 0, "and so on, link by link");
	s.proof.secret = "secret"; /* another salt: the proof does not fit */
	play_all(s, false);
}

Test(pg_login, tls_and_channel_binding)
{
	struct scene s = scene(PROOF_SCRAM, verifier, "secret");
	s.tls_try = s.tls_yes = true;
	cr_assert(play_all(s, true).client_tls);
	s.cbind = true;
	cr_assert(play_all(s, true).client_tls);
	s.cbind_require = true;
	play_all(s, true);
	s.cbind = false; /* PLUS is not offered */
	struct outcome o = play_all(s, false);
	cr_assert_eq(o.le.code, ERR_SERVER_REFUSED);
	s.tls_yes = false; /* and TLS not granted */
	play_all(s, false);
	s.cbind_require = false;
	cr_assert_not(play_all(s, true).client_tls);
	s.tls_require = true;
	s.cut = CUT_WHOLE;
	o = play(&s);
	cr_assert_eq(o.link, PEV_BAD);
	cr_assert_eq(o.le.code, ERR_SERVER_CONNECT);
	/* Nothing but SCRAM binds. */
	s = scene(PROOF_MD5, "secret", "secret");
	s.cbind_require = true;
	cr_assert_eq(play_all(s, false).le.code, ERR_SERVER_REFUSED);
	s.proof.kind = PROOF_CLEAR;
	cr_assert_eq(play_all(s, false).le.code, ERR_SERVER_REFUSED);
	s.proof.kind = PROOF_NONE;
	s.cut = CUT_WHOLE;
	cr_assert_eq(play(&s).link, PEV_BAD);
}

Test(pg_login, a_doomed_exchange_never_succeeds)
{
	for (int kind = PROOF_NONE; kind <= PROOF_SCRAM; kind++) {
		struct scene s = scene(kind, NULL, "secret");
		s.proof.doomed = true;
		struct outcome o = { 0 };
		for (s.cut = CUT_WHOLE; s.cut < CUT_N; s.cut++) {
			o = play(&s);
			cr_assert_eq(o.client, PEV_BAD, "kind %d", kind);
			cr_assert_neq(o.link, PEV_AUTH_OK, "kind %d", kind);
		}
		s.proof.secret = "secret"; /* not even with the right password at hand */
		s.cut = CUT_WHOLE;
		cr_assert_eq(play(&s).client, PEV_BAD, "kind %d", kind);
		s.proof.secret = NULL;
		s.proof.doomed = false; /* no secret, and nobody said doomed */
		if (kind != PROOF_NONE)
			cr_assert_eq(play(&s).client, PEV_BAD, "kind %d", kind);
	}
}

Test(pg_login, protocol_3_2_between_both)
{
	struct scene s = scene(PROOF_SCRAM, verifier, "secret");
	s.v3_2 = true;
	play_all(s, true);
}

Test(pg_login, passwords_of_every_size)
{
	static const size_t sizes[] = { 1, 1022, 1023, 1024, 1025, 4096, 65534 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *pw = mem_alloc(MEM_MISC, sizes[i] + 1);
		memset(pw, 'x', sizes[i]);
		struct half c;
		half_init(&c, proto_pg.client_size);
		proto_pg.client_init(c.st, env, NULL, &c.out);
		size_t at = pgstartup_begin(&c.in, PGSTARTUP_VERSION(3, 0));
		pgstartup_put_param(&c.in, "user", "alice");
		pgstartup_end(&c.in, at);
		cr_assert_eq(half_client(&c).kind, PEV_LOGIN);
		buf_fini(&c.in);
		const struct proto_proof pr = { .kind = PROOF_CLEAR, .secret = pw };
		cr_assert_eq(proto_pg.client_auth(c.st, &pr, &c.out, &c.e), 0);
		pgauth_put_password(&c.in, pw, sizes[i]);
		cr_assert_eq(half_client(&c).kind, PEV_AUTH_OK, "%zu", sizes[i]);
		struct proto_creds creds;
		cr_assert_eq(proto_pg.client_creds(c.st, &creds), sizes[i] < 1024);
		proto_pg.client_fini(c.st);
		half_fini(&c);
		mem_free(MEM_MISC, pw);
	}
}

Test(pg_login, direct_tls)
{
	struct scene s = scene(PROOF_SCRAM, verifier, "secret");
	struct outcome o = { .client = PEV_MORE, .link = PEV_MORE, .client_tls = true };
	const struct proto_link_login in = { .user = "alice",
		.database = "app",
		.creds = &s.creds,
		.tls_direct = true,
		.tls_require = true,
		.channel_binding_require = true };
	struct half c, l;
	s.cbind = true;
	half_init(&c, proto_pg.client_size);
	half_init(&l, proto_pg.link_size);
	proto_pg.client_init(c.st, env, NULL, &c.out);
	cr_assert_eq(proto_pg.link_init(l.st, env, &in, &l.out, &l.e), 0);
	cr_assert_eq(buf_len(&l.out), 0, "nothing before the handshake");
	cr_assert_eq(half_link(&l).kind, PEV_MORE);
	buf_append(&c.in, "\x16\3\1\2", 4);
	struct pev ev = half_client(&c);
	cr_assert(ev.kind == PEV_TLS_DIRECT && ev.n == 0);
	buf_fini(&c.in); /* the handshake took it */
	proto_pg.link_tls_done(l.st, CBIND, sizeof(CBIND), &l.out);
	do {
		client_turn(&c, &s, &o);
		link_turn(&l, &s, &o);
	} while (half_move(&l, &c, CUT_WHOLE, NULL) | half_move(&c, &l, CUT_WHOLE, NULL));
	cr_assert_eq(o.client, PEV_AUTH_OK, "%s", c.e.msg);
	cr_assert_eq(o.link, PEV_AUTH_OK, "%s", l.e.msg);
	proto_pg.client_fini(c.st);
	proto_pg.link_fini(l.st);
	half_fini(&c);
	half_fini(&l);
}
