/* proto_pg under storms: sessions that send well-formed messages of every kind in no order that
 * makes sense, vanish, are refused while they wait, and servers that answer, break off, or say
 * something nobody asked for. Nothing of that may end the process, and who behaves is served
 * correctly afterwards. */
#include "pg_pool.h"
#include "pg_script.h"
#include "seed.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"

static void teardown(void)
{
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(pg_storm, .fini = teardown, .timeout = 300);

static const char *pick(struct pool *p, const char *const *of, unsigned n)
{
	return of[pool_rand(p, n)];
}
#define PICK(p, list) pick(p, list, sizeof(list) / sizeof(*(list)))

static const char *text_of(struct pool *p)
{
	static const char *const texts[] = { "SELECT 'a'", "SELECT 'b'", "SELECT 'c'/0",
		"SELECT my_func('d')", "BEGIN", "COMMIT", "ROLLBACK", "SET app.x = 'v'",
		"SET LOCAL application_name = 'w'", "RESET application_name", "RESET ALL",
		"DISCARD ALL", "DEALLOCATE ALL", "DEALLOCATE a", "DEALLOCATE b",
		"PREPARE a AS SELECT 'p'", "PREPARE b AS SELECT 'q'/0", "EXECUTE a", "EXECUTE b",
		"COPY n FROM STDIN", "COPY n TO STDOUT", "CREATE TEMP TABLE t (x int)",
		"DROP TABLE t", "BAD", "", "SELECT 'a';SELECT 'b'", "BEGIN;SELECT 'c'/0",
		"SELECT pg_advisory_lock('1')", "SELECT currval('s')",
		"SELECT set_config('app.x','c',false)", "DEALLOCATE weirpool_1",
		"EXECUTE weirpool_d", "PREPARE weirpool_e AS SELECT 'x'" };
	return PICK(p, texts);
}

static void message(struct pool *p, struct buf *b)
{
	static const char *const names[] = { "", "a", "b", "c", "weirpool_1", "weirpool_d" };
	static const char *const portals[] = { "", "p" };
	const char *name = PICK(p, names), *portal = PICK(p, portals);
	switch (pool_rand(p, 20)) {
	case 0:
	case 1: put_query(b, text_of(p)); break;
	case 2:
	case 3:
	case 4:
	case 5: put_parse(b, name, text_of(p)); break;
	case 6:
	case 7:
	case 8: put_bind(b, portal, name); break;
	case 9: pgext_put_describe(b, pool_rand(p, 2) ? 'S' : 'P', name); break;
	case 10:
	case 11: pgext_put_close(b, pool_rand(p, 4) ? 'S' : 'P', name); break;
	case 12:
	case 13: pgext_put_execute(b, portal, 0); break;
	case 14: pgext_put_flush(b); break;
	case 15:
	case 16: pgext_put_sync(b); break;
	case 17: pgmsg_put(b, 'd', "n", 1); break;
	case 18: pgmsg_put(b, pool_rand(p, 3) ? 'c' : 'f', "", pool_rand(p, 3) ? 0 : 0); break;
	case 19:
		if (pool_rand(p, 4) == 0)
			pgmsg_put(b, 'F', "\0\0\0\1\0\0\0\0\0\0", 10);
		break;
	}
}

static void act(struct pool *p, struct psess *s)
{
	struct buf b;
	unsigned n = 1 + pool_rand(p, 8);
	buf_init(&b, 0);
	while (n--)
		message(p, &b);
	if (pool_rand(p, 3) == 0)
		pgext_put_sync(&b);
	pool_send(s, &b);
	buf_fini(&b);
}

/* Whatever a server might say. */
static void server_says(struct pool *p, struct plink *l)
{
	static const char types[] = "123tTnDCIsGHdcVZESNA";
	static const char error[] = "SERROR\0VERROR\0C57014\0Mstop\0",
			  param[] = "application_name\0z\0";
	struct buf *o = &l->sim.out;
	char t = types[pool_rand(p, sizeof(types) - 1)];
	switch (t) {
	case 'Z': pgsession_put_ready(o, "ITE"[pool_rand(p, 3)]); break;
	case 'C': pgsession_put_complete(o, pool_rand(p, 2) ? "SELECT 1" : "DISCARD ALL"); break;
	case 'E':
	case 'N': pgmsg_put(o, (uint8_t)t, error, sizeof(error)); break;
	case 'S': pgmsg_put(o, 'S', param, sizeof(param) - 1); break;
	case 'G':
	case 'H': pgmsg_put(o, (uint8_t)t, "\0\0\0", 3); break;
	default: pgmsg_put(o, (uint8_t)t, NULL, 0); break;
	}
}

/* Servers that got what none takes end the connection. */
static void bury(struct pool *p)
{
	for (unsigned i = 0; i < POOL_N; i++)
		if (p->link[i].state != PL_CLOSED && p->link[i].sim.dead)
			pool_close_link(p, &p->link[i]);
}

static void refuse_waiting(struct pool *p, struct psess *s)
{
	struct err e;
	(void)p;
	if (s->state != PS_WAIT || s->link)
		return;
	err_set(&e, ERR_CANCELED, "canceling statement due to user request");
	s->state = PS_IDLE;
	proto_pg.client_fail_request(s->cst, &e, &s->got);
}

struct storm {
	enum proto_mode mode;
	unsigned n_sess, n_links, max_prepared, n_steps;
	bool hostile, lost;
};

static void blow(unsigned seed, void *arg)
{
	const struct storm *k = arg;
	static struct pool p;
	static const char *const none[] = { NULL }, *const named[] = { "application_name", "mine",
		NULL };
	pool_init(&p, k->mode, k->n_links, k->max_prepared, seed);
	for (unsigned i = 0; i < k->n_sess; i++)
		pool_login(&p, i % 2 ? named : none);
	pool_run(&p, 0);
	for (unsigned step = 0; step < k->n_steps; step++) {
		struct psess *s = &p.sess[pool_rand(&p, k->n_sess)];
		struct plink *l = &p.link[pool_rand(&p, k->n_links)];
		if (s->state == PS_CLOSED)
			s = pool_login(&p, pool_rand(&p, 2) ? named : none);
		if (buf_len(&s->to_proxy) + buf_len(&s->in) < 400)
			act(&p, s);
		if (pool_rand(&p, 30) == 0)
			refuse_waiting(&p, s);
		else if (pool_rand(&p, 60) == 0)
			pool_close_sess(&p, s);
		else if (pool_rand(&p, 60) == 0 && l->state != PL_CLOSED && l->state != PL_LOGIN)
			k->lost ? pool_lose_link(&p, l) : pool_close_link(&p, l);
		else if (k->hostile && pool_rand(&p, 4) == 0 && l->state != PL_CLOSED &&
			 l->state != PL_LOGIN && !l->sim.dead)
			server_says(&p, l);
		bury(&p);
		pool_step(&p, (size_t[]){ 0, 1, 7, 60 }[pool_rand(&p, 4)]);
		buf_fini(&s->got);
	}
	for (unsigned i = 0; i < k->n_sess; i++)
		pool_close_sess(&p, &p.sess[i]);
	pool_fini(&p);
}

Test(pg_storm, transaction_mode)
{
	seed_each(150, blow, &(struct storm){ PROTO_TRANSACTION, 5, 3, 3, 200, false, false });
}

Test(pg_storm, names_untracked)
{
	seed_each(150, blow, &(struct storm){ PROTO_TRANSACTION, 5, 3, 0, 200, false, false });
}

Test(pg_storm, session_mode)
{
	seed_each(150, blow, &(struct storm){ PROTO_SESSION, 3, 4, 3, 200, false, false });
}

Test(pg_storm, servers_that_say_anything)
{
	seed_each(150, blow, &(struct storm){ PROTO_TRANSACTION, 5, 3, 3, 200, true, false });
}

Test(pg_storm, lost_servers)
{
	seed_each(150, blow, &(struct storm){ PROTO_TRANSACTION, 5, 3, 3, 200, false, true });
}

/* ---- sessions that outlive their links ---- */

struct tally {
	unsigned sent, ready; /* what ReadyForQuery answers, and those */
	unsigned outlived;
};

/* One or several requests that a server answers in full. */
static void ask(struct pool *p, struct psess *s, struct tally *t)
{
	static const char *const texts[] = { "SELECT 'a'", "BEGIN", "COMMIT", "ROLLBACK",
		"SELECT 'c'/0", "SELECT 'b'", "BEGIN;SELECT 'c'/0", "" };
	struct buf b;
	buf_init(&b, 0);
	for (unsigned n = 1 + pool_rand(p, 4); n > 0; n--, t->sent++) {
		if (pool_rand(p, 2)) {
			put_query(&b, PICK(p, texts));
			continue;
		}
		for (unsigned k = pool_rand(p, 3); k > 0; k--) {
			put_parse(&b, "", PICK(p, texts));
			put_bind(&b, "", "");
			pgext_put_execute(&b, "", 0);
		}
		pgext_put_sync(&b);
	}
	pool_send(s, &b);
	buf_fini(&b);
}

static void count(struct psess *s, struct tally *t)
{
	struct pgmsg m;
	size_t at = 0;
	while (pgmsg_take(buf_data(&s->got) + at, buf_len(&s->got) - at, 1 << 20, &m) > 0) {
		t->ready += m.type == 'Z';
		at += m.total;
	}
	buf_consume(&s->got, at);
}

/* Its link goes, at any moment. */
static void lose(struct pool *p, struct psess *s, struct tally *t)
{
	if (s->link == NULL || s->link->state == PL_LOGIN)
		return;
	pool_lose_link(p, s->link);
	t->outlived += s->state != PS_CLOSED;
}

/* Each request has its ReadyForQuery, wherever the links were lost, and the session works.
 * Adds to *arg how many links it has outlived. */
static void outlive(unsigned seed, void *arg)
{
	unsigned *outlived = arg;
	static struct pool p;
	static const char *const none[] = { NULL };
	struct tally t = { 0 };
	struct buf b;
	char text[1000];
	pool_init(&p, PROTO_TRANSACTION, 2, 3, seed);
	struct psess *s = pool_login(&p, none);
	pool_run(&p, 0);
	buf_fini(&s->got);
	for (unsigned step = 0; step < 100 && s->state != PS_CLOSED; step++) {
		if (pool_rand(&p, 3) == 0)
			ask(&p, s, &t);
		for (unsigned n = pool_rand(&p, 8); n > 0; n--)
			pool_step(&p, (size_t[]){ 0, 1, 7, 60 }[pool_rand(&p, 4)]);
		if (pool_rand(&p, 6) == 0)
			lose(&p, s, &t);
		if (s->state != PS_CLOSED)
			count(s, &t);
	}
	if (s->state != PS_CLOSED) { /* it may have been cut in the middle of a message */
		pool_run(&p, 0);
		count(s, &t);
		cr_assert_eq(
			t.ready, t.sent, "seed %u: %u of %u are answered", seed, t.ready, t.sent);
		buf_init(&b, 0);
		put_query(&b, "ROLLBACK");
		put_query(&b, "SELECT 'x'");
		pool_send(s, &b);
		buf_fini(&b);
		pool_run(&p, 0);
		const char *got = describe_stream(&s->got, text, sizeof(text), false);
		const char *end = "Z(I) T D(x) C(SELECT 1) Z(I)";
		cr_assert(strlen(got) > strlen(end) &&
				  strcmp(got + strlen(got) - strlen(end), end) == 0,
			"seed %u: %s", seed, got);
	}
	pool_fini(&p);
	*outlived += t.outlived;
}

Test(pg_storm, sessions_outlive_their_links)
{
	unsigned all = 0, n = seed_each(300, outlive, &all);
	cr_assert(all > n || n < 20, "%u of %u", all, n);
}

/* A ROLLBACK that is answered ends the lost transaction, whatever COMMIT was sent behind it. */
Test(pg_storm, commit_behind_the_rollback_of_a_lost_transaction)
{
	static struct pool p;
	static const char *const none[] = { NULL };
	for (unsigned batch = 0; batch < 2; batch++) {
		struct buf b;
		char text[1000];
		pool_init(&p, PROTO_TRANSACTION, 2, 3, 1);
		struct psess *s = pool_login(&p, none);
		buf_init(&b, 0);
		put_query(&b, "BEGIN");
		pool_send(s, &b);
		pool_run(&p, 0);
		pool_lose_link(&p, s->link);
		buf_fini(&s->got);
		buf_fini(&b);
		if (batch) {
			put_parse(&b, "", "ROLLBACK");
			put_bind(&b, "", "");
			pgext_put_execute(&b, "", 0);
			pgext_put_sync(&b);
		} else {
			put_query(&b, "ROLLBACK");
		}
		put_query(&b, "COMMIT");
		pool_send(s, &b);
		pool_run(&p, 0);
		cr_assert_str_eq(describe_stream(&s->got, text, sizeof(text), false),
			batch ? "1 2 C(ROLLBACK) Z(I) C(COMMIT) Z(I)"
			      : "C(ROLLBACK) Z(I) C(COMMIT) Z(I)");
		buf_fini(&b);
		pool_fini(&p);
	}
}

/* What a server is asked about its statements is older than the DEALLOCATE behind it. */
Test(pg_storm, deallocate_while_the_server_is_asked)
{
	static struct pool p;
	static const char *const none[] = { NULL };
	struct buf b;
	char text[1000];
	pool_init(&p, PROTO_TRANSACTION, 1, 3, 1);
	struct psess *s = pool_login(&p, none);
	struct plink *l = &p.link[0];
	buf_init(&b, 0);
	put_query(&b, "PREPARE q AS SELECT 'q'");
	pool_send(s, &b);
	pool_run(&p, 0);
	buf_fini(&b);
	put_query(&b, "SELECT set_config('app.x','x',false)");
	pool_send(s, &b);
	buf_fini(&b);
	while (!buf_len(&l->up) || !memmem(buf_data(&l->up), buf_len(&l->up), "pg_settings", 11))
		cr_assert(pool_step(&p, 0));
	buf_fini(&s->got);
	put_query(&b, "DEALLOCATE q");
	put_query(&b, "SELECT 'x'");
	pool_send(s, &b);
	pool_run(&p, 0);
	buf_fini(&b);
	pool_close_link(&p, l); /* what the session has is made again on another one */
	put_query(&b, "PREPARE q AS SELECT 'r'");
	put_query(&b, "EXECUTE q");
	pool_send(s, &b);
	pool_run(&p, 0);
	buf_fini(&b);
	cr_assert_str_eq(describe_stream(&s->got, text, sizeof(text), false),
		"C(DEALLOCATE) Z(I) T D(x) C(SELECT 1) Z(I) "
		"C(PREPARE) Z(I) T D(r) C(SELECT 1) Z(I)");
	pool_fini(&p);
}

/* ---- two that the storms seldom hit ---- */

/* A client may send more than the ring of owed replies holds: it waits, and all is answered. */
Test(pg_storm, more_than_the_ring_holds)
{
	static struct pool p;
	static const char *const none[] = { NULL };
	const unsigned n = 150000;
	struct buf b;
	struct pgmsg m;
	size_t at = 0;
	unsigned parsed = 0, closed = 0, last = 0;
	pool_init(&p, PROTO_TRANSACTION, 1, 10, 1);
	struct psess *s = pool_login(&p, none);
	pool_run(&p, 0);
	buf_fini(&s->got);
	buf_init(&b, 0);
	for (unsigned i = 0; i < n; i++) {
		put_parse(&b, "a", "SELECT 'a'");
		pgext_put_close(&b, 'S', "a");
	}
	pgext_put_sync(&b);
	pool_send(s, &b);
	buf_fini(&b);
	pool_run(&p, 0);
	cr_assert_neq(s->state, PS_CLOSED, "%s", s->why.msg);
	while (pgmsg_take(buf_data(&s->got) + at, buf_len(&s->got) - at, 1 << 20, &m) > 0) {
		parsed += m.type == '1';
		closed += m.type == '3';
		last = m.type;
		at += m.total;
	}
	cr_assert_eq(parsed, n);
	cr_assert_eq(closed, n);
	cr_assert_eq(last, 'Z');
	pool_fini(&p);
}

/* A server that has asked for COPY data and then ends the request as if it had not: what the client
 * sends next finds no COPY. */
Test(pg_storm, copy_that_ends_by_itself)
{
	static struct pool p;
	static const char *const none[] = { NULL };
	for (unsigned k = 0; k < 2; k++) {
		struct buf b;
		pool_init(&p, PROTO_TRANSACTION, 1, 10, 1);
		struct psess *s = pool_login(&p, none);
		pool_run(&p, 0);
		buf_init(&b, 0);
		put_parse(&b, "", "COPY n FROM STDIN");
		put_bind(&b, "", "");
		pgext_put_execute(&b, "", 0);
		pgext_put_flush(&b);
		pool_send(s, &b);
		pool_run(&p, 0);
		cr_assert_eq(s->state, PS_ACTIVE);
		pgmsg_put(&s->link->sim.out, k ? 's' : 'I', NULL, 0);
		pool_run(&p, 0);
		cr_assert_eq(s->state, PS_CLOSED);
		buf_fini(&b);
		pool_fini(&p);
	}
}

/* An idle link that got half a message is given to nobody. */
Test(pg_storm, half_a_notification_on_an_idle_link)
{
	static struct pool p;
	static const char *const none[] = { NULL };
	static const uint8_t half[] = { 'A', 0, 0, 0, 200, 0, 0, 0, 1, 'x' };
	struct buf b;
	char text[1000];
	pool_init(&p, PROTO_TRANSACTION, 1, 10, 1);
	struct psess *s = pool_login(&p, none);
	pool_run(&p, 0);
	buf_fini(&s->got);
	buf_append(&p.link[0].sim.out, half, sizeof(half));
	pool_run(&p, 0);
	buf_init(&b, 0);
	put_query(&b, "SELECT 'x'");
	pool_send(s, &b);
	buf_fini(&b);
	pool_step(&p, 0);
	uint8_t rest[191] = { 0 };
	buf_append(&p.link[0].sim.out, rest, sizeof(rest));
	pool_run(&p, 0);
	cr_assert_str_eq(
		describe_stream(&s->got, text, sizeof(text), false), "A T D(x) C(SELECT 1) Z(I)");
	pool_fini(&p);
}
