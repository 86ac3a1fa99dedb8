/* mysql_login: the client half and the link half of the MySQL protocol log in to each other, for
 * every proof, every kind of knowledge and every way to cut the bytes; what hostile clients and
 * servers send. */
#include "../../src/proto/mysql_login_int.h"
#include "base/num.h"
#include "crypto/mysql_stored.h"
#include "seed.h"
#include "wire/mysql/auth.h"
#include "wire/mysql/error.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/response.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define NATIVE_APP "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"
/* of MySQL 9.7, for "app" */
#define SHA2_APP \
	"$A$005$]\x16" \
	"a1^PP%i\x15l5\x1ak\x1e\x19" \
	"Ft{e2U7COiaZeyFkMyThlhOZFLW8uHV/4TsxR9K5OzJUPu8"
#define MYSQL_97 "9.7.4-2"
#define MARIADB_1011 "5.5.5-10.11.19-MariaDB-0+deb12u1"

static const uint8_t CERT[32] = { 1, 2, 3 };
static struct proto_env *env;

static void setup(void)
{
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20, .max_message_bytes = 1 << 24 };
	env = my_env_new(&o);
	my_client_prepare_rsa();
	my_client_prepared_rsa(); /* stays: two blocks of MEM_AUTH */
}
static void teardown(void)
{
	my_env_free(env);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	cr_assert_eq(mem_live(MEM_LINK), 0);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(mysql_login, .init = setup, .fini = teardown, .timeout = 120);

/* ---- both halves ---- */

enum cut { CUT_WHOLE, CUT_BYTES, CUT_RANDOM, CUT_N };

struct half { /* one side */
	void *st;
	struct buf in, out; /* arrived and not consumed; to be sent */
	struct err e;
	enum pev_kind last;
	bool refused;
};

struct scene {
	const char *version; /* of the greeting */
	struct proto_proof proof;
	struct proto_creds creds;
	enum cut cut;
	bool tls_offered, tls_try, tls_require, is_private;
	bool outside_ok;
	unsigned link_class;
	bool keep_link; /* until the caller has looked at it */
};
struct outcome {
	bool in; /* the link is in: its setup batch is out */
	bool client_in, tls, password_seen, has_creds;
	struct proto_creds learnt;
	struct err ce, le;
	bool refused;
	uint64_t client_caps;
	char info[80];
};

static void half_init(struct half *h, size_t state_n)
{
	memset(h, 0, sizeof(*h));
	h->st = mem_alloc(MEM_MISC, state_n);
	buf_init(&h->in, 1 << 20);
	buf_init(&h->out, 1 << 20);
}

static void half_fini(struct half *h)
{
	buf_fini(&h->in);
	buf_fini(&h->out);
	mem_free(MEM_MISC, h->st);
}

static bool half_move(struct half *from, struct half *to, enum cut c, uint32_t *seed, size_t want)
{
	size_t n = buf_len(&from->out);
	if (c == CUT_BYTES && n > 1)
		n = 1;
	*seed = *seed * 1664525u + 1013904223u;
	if (c == CUT_RANDOM && n > 1)
		n = 1 + (*seed >> 8) % n % 40;
	if (n > want)
		n = want;
	if (n == 0)
		return false;
	buf_append(&to->in, buf_data(&from->out), n);
	buf_consume(&from->out, n);
	return true;
}

static bool over(const struct half *h)
{
	return h->last == PEV_AUTH_OK || h->last == PEV_BAD;
}

/* What core finds out of a password in clear. */
static bool fits(const struct scene *s, const struct pev *ev)
{
	const char *secret = s->proof.secret;
	bool ok = false;
	if (s->proof.clear_outside || secret == NULL)
		return s->outside_ok;
	cr_assert_eq(mysql_stored_check(
			     secret, strlen(secret), (const char *)ev->text, ev->text_n, &ok, NULL),
		0);
	return ok;
}

/* What core does on an event of the client half. */
static void serve(struct half *c, const struct scene *s, struct pev ev, struct outcome *o)
{
	struct my_client *cst = c->st;
	struct proto_proof pr = s->proof;
	if (o->tls)
		pr.cert_sha256 = CERT;
	pr.is_private = s->is_private;
	pr.host = "10.0.0.1";
	if (ev.kind == PEV_TLS) {
		my_client_tls_answer(cst, true, &c->out);
		o->tls = true;
	} else if (ev.kind == PEV_LOGIN) {
		cr_assert_str_eq(my_client_login(cst)->user, "alice");
		cr_assert_str_eq(my_client_login(cst)->application_name, "weirpool");
		cr_assert_not(my_client_login(cst)->database_given);
		if (my_client_auth(cst, &pr, &c->out, &c->e))
			c->last = PEV_BAD;
	} else if (ev.kind == PEV_PASSWORD) {
		o->password_seen = ev.text_n == 3 && memcmp(ev.text, "app", 3) == 0;
		my_client_auth_result(cst, fits(s, &ev), &c->out);
	} else if (ev.kind == PEV_AUTH_OK) {
		struct myok ok = { .status = MYSTATUS_AUTOCOMMIT };
		o->client_in = true;
		o->client_caps = cst->caps;
		o->has_creds = my_client_creds(cst, &o->learnt);
		snprintf(o->info, sizeof(o->info), "%s", my_client_ok_info(cst));
		myok_put(&c->out, &cst->seq, cst->caps, &ok);
	}
	if (c->last == PEV_BAD)
		myerror_put_err(&c->out, &cst->seq, &c->e, false);
}

static bool client_turn(struct half *c, const struct scene *s, struct outcome *o)
{
	while (!over(c)) {
		size_t n = buf_len(&c->in);
		uint8_t *exact = mem_alloc(MEM_MISC, n + 1); /* ASan sees reads behind it */
		if (n)
			memcpy(exact + 1, buf_data(&c->in), n);
		struct pev ev = my_client_step(c->st, exact + 1, n, &c->out, &c->e);
		mem_free(MEM_MISC, exact);
		cr_assert_leq(ev.n, n);
		buf_consume(&c->in, ev.n);
		c->last = ev.kind;
		serve(c, s, ev, o);
		if (ev.kind == PEV_TLS)
			return true;
		if (ev.kind == PEV_MORE)
			return false;
	}
	return false;
}

static void link_turn(struct half *l, struct outcome *o)
{
	const struct my_link *k = l->st;
	while (!over(l) && !(k->login && k->login->step == MY_LK_SETUP)) {
		struct pev ev = my_link_step(
			l->st, buf_data(&l->in), buf_len(&l->in), &l->out, &l->e);
		cr_assert_leq(ev.n, buf_len(&l->in));
		buf_consume(&l->in, ev.n);
		l->last = ev.kind;
		o->refused = ev.refused;
		if (ev.kind == PEV_MORE || ev.kind == PEV_TLS)
			return;
	}
}

static struct outcome play(const struct scene *s)
{
	struct half c, l;
	struct outcome o = { .in = false };
	struct proto_greet g = { .number = 7, .tls = s->tls_offered, .version = s->version };
	struct proto_link_login ll = { .user = "alice",
		.creds = &s->creds,
		.tls_try = s->tls_try,
		.tls_require = s->tls_require,
		.is_private = s->is_private,
		.link_class = s->link_class };
	uint32_t seed = seed_first();
	half_init(&c, sizeof(struct my_client));
	half_init(&l, sizeof(struct my_link));
	my_client_init(c.st, env, &g, &c.out);
	cr_assert_eq(my_link_init(l.st, env, &ll, &l.out, &l.e), 0);
	bool tls_began = false;
	for (int i = 0; i < 20000; i++) {
		bool moved = half_move(&c, &l, s->cut, &seed, SIZE_MAX);
		link_turn(&l, &o);
		size_t want = over(&c) ? SIZE_MAX
				       : my_client_want(c.st, buf_data(&c.in), buf_len(&c.in));
		moved |= half_move(&l, &c, s->cut, &seed, want);
		if (client_turn(&c, s, &o))
			cr_assert_eq(buf_len(&c.in), 0, "bytes behind the request were read");
		const struct my_link *k = l.st;
		if (o.tls && !tls_began && k->login && k->login->step == MY_LK_TLS) {
			tls_began = true;
			my_link_tls_done(l.st, NULL, 0, &l.out);
			moved = true;
		}
		if (!moved)
			break;
	}
	const struct my_link *k = l.st;
	o.in = k->login && k->login->step == MY_LK_SETUP;
	if (o.in) {
		cr_assert_eq(k->thread_id, 7);
		cr_assert_eq(k->mariadb, strstr(s->version, "MariaDB") != NULL);
	}
	o.ce = c.e;
	o.le = l.e;
	my_client_fini(c.st);
	my_link_fini(l.st);
	half_fini(&c);
	half_fini(&l);
	return o;
}

/* The same outcome for each cut. */
static struct outcome play_all(struct scene s)
{
	struct outcome o = { .in = false };
	for (int k = 0; k < CUT_N; k++) {
		s.cut = (enum cut)k;
		struct outcome x = play(&s);
		if (k > 0) {
			cr_assert_eq(x.in, o.in, "cut %d", k);
			cr_assert_eq(x.client_in, o.client_in, "cut %d", k);
		}
		o = x;
	}
	cr_assert_eq(o.in, o.client_in, "%s / %s", o.ce.msg, o.le.msg);
	return o;
}

static struct scene scene(const char *version, int kind, const char *secret, const char *pw)
{
	struct scene s = { .version = version };
	*(int *)&s.proof.kind = kind;
	s.proof.secret = secret;
	snprintf(s.creds.password, sizeof(s.creds.password), "%s", pw);
	return s;
}

static const char *const VERSIONS[] = { MYSQL_97, MARIADB_1011, "11.8.3-MariaDB" };
#define N_VERSIONS 3

/* ---- proofs ---- */

Test(mysql_login, trust)
{
	for (int v = 0; v < N_VERSIONS; v++)
		for (int pw = 0; pw < 2; pw++) {
			struct outcome o = play_all(
				scene(VERSIONS[v], PROOF_NONE, NULL, pw ? "app" : ""));
			cr_assert(o.in, "%d %d: %s / %s", v, pw, o.ce.msg, o.le.msg);
			cr_assert_not(o.has_creds);
		}
}

/* How each kind of secret is proved, with and without a channel that nobody listens to. */
Test(mysql_login, right_and_wrong_passwords)
{
	static const struct {
		int kind;
		const char *secret;
	} t[] = { { PROOF_MYSQL_ANY, "app" }, { PROOF_MYSQL_NATIVE, "app" },
		{ PROOF_MYSQL_NATIVE, NATIVE_APP }, { PROOF_MYSQL_SHA2, "app" },
		{ PROOF_MYSQL_SHA2, SHA2_APP } };
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (int v = 0; v < N_VERSIONS; v++)
			for (int way = 0; way < 3; way++) {
				struct scene s = scene(VERSIONS[v], t[i].kind, t[i].secret, "app");
				s.tls_offered = s.tls_try = way == 1;
				s.is_private = way == 2;
				struct outcome o = play_all(s);
				cr_assert(
					o.in, "%zu %d %d: %s / %s", i, v, way, o.ce.msg, o.le.msg);
				cr_assert_eq(o.tls, way == 1);
				cr_assert(o.has_creds);
				snprintf(s.creds.password, 20, "apq");
				o = play_all(s);
				cr_assert_not(o.in);
				cr_assert_eq(o.ce.code, ERR_AUTH_FAILED);
				cr_assert_str_eq(o.ce.msg,
					"Access denied for user 'alice'@'10.0.0.1' (using "
					"password: YES)");
				cr_assert_eq(o.le.code, ERR_SERVER_REFUSED);
				cr_assert_eq(o.le.mysql_errno, 1045);
				cr_assert(o.refused);
			}
}

Test(mysql_login, no_password)
{
	static const int kinds[] = { PROOF_MYSQL_ANY, PROOF_MYSQL_NATIVE, PROOF_MYSQL_SHA2 };
	for (int k = 0; k < 3; k++)
		for (int v = 0; v < N_VERSIONS; v++) {
			struct outcome o = play_all(scene(VERSIONS[v], kinds[k], "app", ""));
			cr_assert_not(o.in);
			cr_assert_not_null(
				strstr(o.ce.msg, "(using password: NO)"), "%s", o.ce.msg);
		}
}

/* An unknown user cannot get in, whatever he sends; and the words are the same. */
Test(mysql_login, doomed)
{
	static const int kinds[] = { PROOF_MYSQL_ANY, PROOF_MYSQL_NATIVE, PROOF_MYSQL_SHA2,
		PROOF_CLEAR };
	for (int k = 0; k < 4; k++)
		for (int v = 0; v < N_VERSIONS; v++) {
			struct scene s = scene(VERSIONS[v], kinds[k], NULL, "app");
			s.proof.doomed = true;
			s.proof.clear_outside = kinds[k] == PROOF_CLEAR;
			s.outside_ok = true;
			struct outcome o = play_all(s);
			cr_assert_not(o.in);
			cr_assert_str_eq(o.ce.msg,
				"Access denied for user 'alice'@'10.0.0.1' (using password: YES)");
		}
}

Test(mysql_login, a_password_for_somebody_outside)
{
	for (int v = 0; v < N_VERSIONS; v++)
		for (int way = 0; way < 3; way++)
			for (int yes = 0; yes < 2; yes++) {
				struct scene s = scene(VERSIONS[v], PROOF_CLEAR, NULL, "app");
				s.proof.clear_outside = true;
				s.outside_ok = yes;
				s.tls_offered = s.tls_try = way == 1;
				s.is_private = way == 2;
				struct outcome o = play_all(s);
				cr_assert(o.password_seen, "%s", o.ce.msg);
				cr_assert_eq(o.in, yes == 1);
			}
}

/* ---- what a proof teaches ---- */

Test(mysql_login, proofs_open_servers)
{
	struct scene s = scene(MARIADB_1011, PROOF_MYSQL_NATIVE, NATIVE_APP, "app");
	struct outcome o = play_all(s);
	cr_assert(o.learnt.has_native);
	cr_assert_not(o.learnt.has_sha2);
	s.creds = o.learnt;
	cr_assert(play_all(s).in);
	/* with another server's demand it is of no use, and that is said */
	s.proof.kind = PROOF_MYSQL_SHA2;
	s.proof.secret = "app";
	o = play_all(s);
	cr_assert_not(o.in);
	cr_assert_eq(o.le.code, ERR_SERVER_REFUSED);
	cr_assert_not_null(strstr(o.le.msg, "caching_sha2_password"), "%s", o.le.msg);

	s = scene(MYSQL_97, PROOF_MYSQL_ANY, "app", "app");
	o = play_all(s);
	cr_assert(o.learnt.has_sha2);
	cr_assert_eq(*o.learnt.password, 0, "the fast way");
	s.creds = o.learnt;
	cr_assert(play_all(s).in);
}

Test(mysql_login, a_full_login_teaches_all_and_the_verifier_makes_the_next_one_fast)
{
	struct scene s = scene(MYSQL_97, PROOF_MYSQL_SHA2, SHA2_APP, "app");
	struct err e = { 0 };
	uint8_t v[32];
	s.is_private = true;
	struct outcome o = play_all(s);
	cr_assert(o.learnt.has_sha2 && o.learnt.has_native);
	cr_assert_str_eq(o.learnt.password, "app");
	cr_assert_eq(mysql_sha2_verifier(o.learnt.sha2, v, &e), 0);
	s.proof.mysql_verifier = v;
	o = play_all(s);
	cr_assert(o.in);
	cr_assert(o.learnt.has_sha2);
	cr_assert_eq(*o.learnt.password, 0);
	/* a server whose cache is cold wants what a hash cannot give */
	s.creds = o.learnt;
	s.proof.mysql_verifier = NULL;
	o = play_all(s);
	cr_assert_not(o.in);
	cr_assert_not_null(strstr(o.le.msg, "only a hash of it is known"), "%s", o.le.msg);
}

/* A stored hash must not open a door, neither ours nor a server's. */
Test(mysql_login, hashes_are_no_passwords)
{
	cr_assert_not(play_all(scene(MARIADB_1011, PROOF_MYSQL_NATIVE, NATIVE_APP, NATIVE_APP)).in);
	cr_assert_not(play_all(scene(MYSQL_97, PROOF_MYSQL_SHA2, SHA2_APP, SHA2_APP)).in);
}

/* ---- TLS ---- */

Test(mysql_login, tls_required)
{
	struct scene s = scene(MYSQL_97, PROOF_MYSQL_ANY, "app", "app");
	s.tls_require = true;
	struct half c, l;
	struct proto_greet g = { .number = 7, .version = MYSQL_97 };
	struct proto_link_login ll = { .user = "alice", .creds = &s.creds, .tls_require = true };
	half_init(&c, sizeof(struct my_client));
	half_init(&l, sizeof(struct my_link));
	my_client_init(c.st, env, &g, &c.out);
	cr_assert_eq(my_link_init(l.st, env, &ll, &l.out, &l.e), 0);
	struct pev ev = my_link_step(l.st, buf_data(&c.out), buf_len(&c.out), &l.out, &l.e);
	cr_assert_eq(ev.kind, PEV_BAD);
	cr_assert_eq(buf_len(&l.out), 0, "nothing was said in clear");
	my_client_fini(c.st);
	my_link_fini(l.st);
	half_fini(&c);
	half_fini(&l);
	s.tls_offered = true;
	cr_assert(play_all(s).in);
}

Test(mysql_login, the_certificate_is_proved_to_mariadb_clients)
{
	struct scene s = scene(MARIADB_1011, PROOF_MYSQL_NATIVE, NATIVE_APP, "app");
	s.tls_offered = s.tls_try = true;
	struct outcome o = play_all(s);
	cr_assert(o.in);
	cr_assert_eq(strlen(o.info), MYSQL_CERT_PROOF_LEN);
	cr_assert_eq(o.info[0], 1);
	s.tls_offered = false;
	cr_assert_str_empty(play_all(s).info);
	s.tls_offered = true;
	s.version = MYSQL_97; /* MySQL's clients do not know it */
	cr_assert_str_empty(play_all(s).info);
}

/* ---- link classes and facts ---- */

Test(mysql_login, link_classes)
{
	for (unsigned k = 0; k < 16; k++) {
		struct scene s = scene(MYSQL_97, PROOF_MYSQL_ANY, "app", "app");
		s.link_class = k;
		struct outcome o = play_all(s);
		cr_assert(o.in);
		cr_assert_eq(my_class_of_caps(o.client_caps), k);
	}
}

static struct my_facts facts_of(struct buf *b)
{
	struct my_facts f;
	cr_assert(my_facts_read(buf_data(b), buf_len(b), &f));
	return f;
}

static void put_server(struct buf *b, const char *version, uint64_t caps, uint8_t collation)
{
	struct my_link l = { .version = (char *)(uintptr_t)version,
		.mariadb = strstr(version, "MariaDB") != NULL,
		.server_caps = caps,
		.server_collation = collation };
	cr_assert(my_link_facts(&l, b));
}

Test(mysql_login, facts)
{
	struct buf all, one;
	buf_init(&all, 0);
	buf_init(&one, 0);
	put_server(&one, "9.7.4", 0xff, 255);
	cr_assert(my_facts_join(&all, buf_data(&one), buf_len(&one), ""));
	buf_truncate(&one, 0);
	put_server(&one, "8.4.10", 0xf0, 255);
	cr_assert(my_facts_join(&all, buf_data(&one), buf_len(&one), ""));
	struct my_facts f = facts_of(&all);
	cr_assert_eq(f.caps, 0xf0);
	cr_assert_eq(f.version.n, 6);
	cr_assert_arr_eq(f.version.p, "8.4.10", 6);
	/* the other family cannot be joined */
	buf_truncate(&one, 0);
	put_server(&one, MARIADB_1011, 0x0f, 45);
	cr_assert_not(my_facts_join(&all, buf_data(&one), buf_len(&one), ""));
	f = facts_of(&all);
	cr_assert_not(f.mariadb);
	cr_assert_eq(f.caps, 0xf0);
	cr_assert(my_facts_join(&all, (const uint8_t *)"\1", 1, ""));
	cr_assert_eq(facts_of(&all).caps, 0xf0);
	/* the configuration decides, whoever comes first */
	buf_truncate(&all, 0);
	cr_assert_not(my_facts_join(&all, buf_data(&one), buf_len(&one), "9.7"));
	cr_assert_eq(buf_len(&all), 0);
	cr_assert(my_facts_join(&all, buf_data(&one), buf_len(&one), "11.8-MariaDB"));
	cr_assert(facts_of(&all).mariadb);
	buf_fini(&all);
	buf_fini(&one);
}

static uint32_t number(const char *s)
{
	return my_version_number((struct mystr){ s, strlen(s) });
}

Test(mysql_login, version_numbers)
{
	cr_assert_eq(number("9.7.4-2"), 90704);
	cr_assert_eq(number(MARIADB_1011), 101119);
	cr_assert_eq(number("11.8.3-MariaDB"), 110803);
	cr_assert_eq(number("8.0.36"), 80036);
	cr_assert_eq(number("nonsense"), 0);
	cr_assert_eq(number(""), 0);
	cr_assert_eq(number("5.5.5-"), 50505);
}

/* ---- COM_CHANGE_USER ---- */

static void change_by(
	struct my_client *c, struct buf *msg, const char *plugin, const uint8_t *proof, size_t n)
{
	uint8_t seq = 0;
	struct err e = { 0 };
	struct myresponse x = { .caps = c->caps,
		.user = { "alice", 5 },
		.auth = { (const char *)proof, n },
		.schema = { "app", 3 },
		.plugin = { plugin, strlen(plugin) } };
	cr_assert_eq(myresponse_put_change_user(msg, &seq, &x), 0);
	c->seq = 1;
	cr_assert_eq(
		my_client_change_user(c, buf_data(msg) + 4, buf_len(msg) - 4, &e), 0, "%s", e.msg);
	cr_assert_str_eq(my_client_login(c)->user, "alice");
	cr_assert_str_eq(my_client_login(c)->database, "app");
}

static void change_to(struct my_client *c, struct buf *msg)
{
	change_by(c, msg, MYAUTH_CACHING_SHA2, (const uint8_t *)"", 0);
}

/* What came over TLS the first time does so the second time. */
Test(mysql_login, change_user_keeps_tls)
{
	struct my_client c = { .caps = MY_CLIENT_CAPS };
	struct buf msg;
	buf_init(&msg, 0);
	my_client_run_init(&c, env);
	change_to(&c, &msg);
	cr_assert(c.login->tls);
	buf_truncate(&msg, 0);
	c.caps &= ~MYCAP(SSL);
	change_to(&c, &msg);
	cr_assert_not(c.login->tls);
	my_client_fini(&c);
	buf_fini(&msg);
}

Test(mysql_login, change_user_asks_with_a_new_scramble)
{
	for (int trust = 0; trust < 2; trust++)
		for (int right = 0; right < 2; right++) {
			struct my_client c = { .caps = MY_CLIENT_CAPS };
			struct proto_proof pr = {
				.kind = PROOF_MYSQL_NATIVE, .secret = NATIVE_APP, .host = "h"
			};
			struct err e = { 0 };
			uint8_t proof[20], stage1[20];
			struct buf msg, down;
			buf_init(&msg, 0);
			buf_init(&down, 0);
			my_client_run_init(&c, env);
			if (trust)
				change_by(&c, &msg, MYAUTH_NATIVE, (const uint8_t *)"", 0);
			else
				change_to(&c, &msg);
			if (trust)
				pr = (struct proto_proof){ .kind = PROOF_NONE, .host = "h" };
			cr_assert_eq(my_client_auth(&c, &pr, &down, &e), 0, "%s", e.msg);
			struct mystr name, data;
			cr_assert_null(myauth_read_switch(
				buf_data(&down) + 4, buf_len(&down) - 4, &name, &data));
			cr_assert_eq(buf_data(&down)[3], 1, "sequence");
			cr_assert_eq(data.n, 21);
			cr_assert_eq(mysql_native_stage1("app", right ? 3 : 2, stage1, &e), 0);
			cr_assert_eq(
				mysql_native_proof((const uint8_t *)data.p, stage1, proof, &e), 0);
			buf_truncate(&msg, 0);
			uint8_t seq = 2;
			mypacket_put(&msg, &seq, proof, sizeof(proof));
			struct pev ev = my_client_step(
				&c, buf_data(&msg), buf_len(&msg), &down, &e);
			cr_assert_eq(ev.kind, right || trust ? PEV_AUTH_OK : PEV_BAD, "%s", e.msg);
			cr_assert_eq(c.seq, 3);
			my_client_fini(&c);
			buf_fini(&msg);
			buf_fini(&down);
		}
}

/* The C API proves mysql_native_password over the last scramble that it had. */
Test(mysql_login, change_user_by_the_last_scramble)
{
	for (int right = 0; right < 2; right++) {
		struct my_client c = { .caps = MY_CLIENT_CAPS };
		struct proto_proof pr = {
			.kind = PROOF_MYSQL_NATIVE, .secret = NATIVE_APP, .host = "h"
		};
		struct err e = { 0 };
		uint8_t proof[20], stage1[20];
		struct buf msg, down;
		buf_init(&msg, 0);
		buf_init(&down, 0);
		my_client_run_init(&c, env);
		memset(c.scramble, 'x', sizeof(c.scramble));
		cr_assert_eq(mysql_native_stage1("app", right ? 3 : 2, stage1, &e), 0);
		cr_assert_eq(mysql_native_proof(c.scramble, stage1, proof, &e), 0);
		change_by(&c, &msg, MYAUTH_NATIVE, proof, sizeof(proof));
		cr_assert_eq(my_client_auth(&c, &pr, &down, &e), 0, "%s", e.msg);
		cr_assert_eq(buf_len(&down), 0, "nothing is asked");
		struct pev ev = my_client_step(&c, NULL, 0, &down, &e);
		cr_assert_eq(ev.kind, right ? PEV_AUTH_OK : PEV_BAD, "%s", e.msg);
		my_client_fini(&c);
		buf_fini(&msg);
		buf_fini(&down);
	}
}

/* ---- hostile clients ---- */

static void client_refuses(const void *p, size_t n, const char *why)
{
	struct my_client *c = mem_alloc(MEM_MISC, sizeof(*c));
	struct proto_greet g = { .number = 7, .version = MYSQL_97, .tls = true };
	struct err e = { 0 };
	struct buf down;
	buf_init(&down, 0);
	my_client_init(c, env, &g, &down);
	struct pev ev = my_client_step(c, p, n, &down, &e);
	cr_assert_eq(ev.kind, PEV_BAD, "%s", why);
	cr_assert(err_is(&e), "%s", why);
	ev = my_client_step(c, p, n, &down, &e);
	cr_assert_eq(ev.kind, PEV_BAD, "%s: again", why);
	my_client_fini(c);
	mem_free(MEM_MISC, c);
	buf_fini(&down);
}

Test(mysql_login, hostile_clients)
{
	client_refuses("\xff\xff\xff\x01", 4, "length");
	client_refuses("\x01\x00\x00\x02\x00", 5, "sequence");
	client_refuses("\x00\x00\x00\x01", 4, "empty");
	client_refuses("\x04\x00\x00\x01\x00\x02\x00\x00", 8, "short");
	client_refuses("\x05\x00\x00\x01\x8d\x00\x00\x00\x00", 9, "protocol of before 4.1");
	client_refuses("\x16\x03\x01\x02\x00", 5, "a ClientHello without a request");
}

/* MariaDB's extended capabilities mean something only to who was offered them. */
Test(mysql_login, no_extended_capabilities_of_mysql)
{
	for (int v = 0; v < 2; v++) {
		struct my_client *c = mem_alloc(MEM_MISC, sizeof(*c));
		struct proto_greet g = { .number = 7, .version = v ? MARIADB_1011 : MYSQL_97 };
		struct myresponse x = { .caps = (MY_CLIENT_CAPS | MYCAP(MARIADB_BULK)) &
						~MYCAP(MYSQL) & ~MYCAP(SSL),
			.user = { "u", 1 },
			.auth = { "", 0 },
			.plugin = { MYAUTH_NATIVE, strlen(MYAUTH_NATIVE) } };
		struct err e = { 0 };
		struct buf down, msg;
		uint8_t seq = 1;
		buf_init(&down, 0);
		buf_init(&msg, 0);
		my_client_init(c, env, &g, &down);
		cr_assert_eq(myresponse_put(&msg, &seq, &x), 0);
		struct pev ev = my_client_step(c, buf_data(&msg), buf_len(&msg), &down, &e);
		cr_assert_eq(ev.kind, PEV_LOGIN, "%s", e.msg);
		cr_assert_eq(!(c->caps & ~MYCAPS_BASIC), v == 0);
		my_client_fini(c);
		mem_free(MEM_MISC, c);
		buf_fini(&down);
		buf_fini(&msg);
	}
}

/* ---- hostile servers ---- */

static struct pev link_hears(
	const char *pw, bool safe, const uint8_t *p, size_t n, struct err *e, struct buf *up)
{
	struct my_link *l = mem_alloc(MEM_MISC, sizeof(*l));
	struct proto_creds creds = { 0 };
	snprintf(creds.password, sizeof(creds.password), "%s", pw);
	struct proto_link_login ll = { .user = "alice", .creds = &creds, .is_private = safe };
	cr_assert_eq(my_link_init(l, env, &ll, up, e), 0);
	size_t used = 0;
	struct pev ev;
	do {
		/* one message at a time, as they come in turns */
		size_t next = used + 4 <= n ? used + 4 + (size_t)(p[used] | p[used + 1] << 8) : n;
		ev = my_link_step(l, p + used, (next < n ? next : n) - used, up, e);
		used += ev.n;
	} while (ev.n > 0 && used < n && ev.kind == PEV_DROP);
	my_link_fini(l);
	mem_free(MEM_MISC, l);
	return ev;
}

static const uint8_t GREETING[] = { 0x4b, 0x00, 0x00, 0x00, 0x0a, 0x39, 0x2e, 0x37, 0x2e, 0x34,
	0x2d, 0x32, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x6b, 0x0d, 0x48, 0x53, 0x76, 0x3c, 0x3c, 0x4a,
	0x00, 0xff, 0xff, 0xff, 0x02, 0x00, 0xff, 0xdf, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x75, 0x18, 0x52, 0x4a, 0x70, 0x4a, 0x08, 0x65, 0x01, 0x26, 0x41,
	0x0f, 0x00, 0x63, 0x61, 0x63, 0x68, 0x69, 0x6e, 0x67, 0x5f, 0x73, 0x68, 0x61, 0x32, 0x5f,
	0x70, 0x61, 0x73, 0x73, 0x77, 0x6f, 0x72, 0x64, 0x00 };

/* The greeting, then a packet. */
static void server_is_refused(
	uint8_t seq, const char *payload, size_t n, enum err_code code, const char *why)
{
	struct buf b, up;
	struct err e = { 0 };
	buf_init(&b, 0);
	buf_init(&up, 0);
	buf_append(&b, GREETING, sizeof(GREETING));
	mypacket_put(&b, &seq, payload, n);
	struct pev ev = link_hears("s3cret", false, buf_data(&b), buf_len(&b), &e, &up);
	cr_assert_eq(ev.kind, PEV_BAD, "%s", why);
	cr_assert_eq(e.code, code, "%s: %s", why, e.msg);
	cr_assert_null(memmem(buf_data(&up), buf_len(&up), "s3cret", 6), "%s", why);
	if (code == ERR_SERVER_REFUSED) { /* an answer that is none, not a broken connection */
		static const uint8_t EMPTY[] = { 0, 0, 0, 3 };
		cr_assert_arr_eq(buf_data(&up) + buf_len(&up) - 4, EMPTY, 4, "%s", why);
	}
	buf_fini(&b);
	buf_fini(&up);
}
#define TEXT(s) s, sizeof(s) - 1

Test(mysql_login, hostile_servers)
{
	server_is_refused(2, TEXT("\xfemysql_clear_password\0"), ERR_SERVER_REFUSED,
		"the password in clear without TLS");
	server_is_refused(2, TEXT("\xfe"), ERR_SERVER_REFUSED, "the password of before 4.1");
	server_is_refused(2,
		TEXT("\xfe"
		     "dialog\0"),
		ERR_SERVER_REFUSED, "an unknown plugin");
	server_is_refused(3, TEXT("\x01\x03"), ERR_SERVER_PROTOCOL, "sequence");
	server_is_refused(2, TEXT("\x01\x05"), ERR_SERVER_PROTOCOL, "plugin data");
	server_is_refused(2, TEXT("\x01"), ERR_SERVER_PROTOCOL, "no plugin data");
	server_is_refused(2, TEXT(""), ERR_SERVER_PROTOCOL, "empty");
	server_is_refused(2, TEXT("\x02other\0"), ERR_SERVER_REFUSED, "a second factor");
	server_is_refused(2, TEXT("\xfe" MYAUTH_NATIVE "\0abc"), ERR_SERVER_PROTOCOL, "challenge");
	server_is_refused(2, TEXT("\xfe" MYAUTH_ED25519 "\0abc"), ERR_SERVER_PROTOCOL, "challenge");
	server_is_refused(2, TEXT("\0\0\0\1\0\0\0"), ERR_SERVER_PROTOCOL, "in a transaction");
}

Test(mysql_login, a_servers_key_that_is_none)
{
	struct buf b, up;
	struct err e = { 0 };
	uint8_t seq = 2;
	buf_init(&b, 0);
	buf_init(&up, 0);
	buf_append(&b, GREETING, sizeof(GREETING));
	mypacket_put(&b, &seq, "\x01\x04", 2);
	seq = 4;
	mypacket_put(&b, &seq, "\x01-----BEGIN PUBLIC KEY-----\n", 28);
	struct pev ev = link_hears("s3cret", false, buf_data(&b), buf_len(&b), &e, &up);
	cr_assert_eq(ev.kind, PEV_BAD);
	cr_assert_eq(e.code, ERR_SERVER_PROTOCOL, "%s", e.msg);
	cr_assert_null(memmem(buf_data(&up), buf_len(&up), "s3cret", 6));
	buf_fini(&b);
	buf_fini(&up);
}

/* Errors of a server that will not even greet have no SQLSTATE. */
Test(mysql_login, errors_before_the_greeting)
{
	static const char FULL[] = "\x17\0\0\0\xff\x10\x04Too many connections";
	struct err e = { 0 };
	struct buf up;
	buf_init(&up, 0);
	struct pev ev = link_hears("x", false, (const uint8_t *)FULL, sizeof(FULL) - 1, &e, &up);
	cr_assert_eq(ev.kind, PEV_BAD);
	cr_assert_not(ev.refused, "it may have room again");
	cr_assert_eq(e.mysql_errno, 1040);
	cr_assert_str_eq(e.msg, "Too many connections");
	static const char HOST[] = "\x0b\0\0\0\xff\x6a\x04no entry";
	ev = link_hears("x", false, (const uint8_t *)HOST, sizeof(HOST) - 1, &e, &up);
	cr_assert_eq(ev.kind, PEV_BAD);
	cr_assert(ev.refused, "1130");
	buf_fini(&up);
}
