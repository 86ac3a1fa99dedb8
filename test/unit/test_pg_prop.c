/* proto_pg as a whole: some sessions over fewer links, each doing random things in random pieces,
 * must each receive byte for byte what a server of its own would have sent (ParameterStatus apart):
 * its own rows, in order, under its own settings. */
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
TestSuite(pg_prop, .fini = teardown, .timeout = 300);

struct twin { /* a session, and the server it believes to have */
	struct psess *s;
	struct pgsim own;
	size_t got_at, own_at, own_before;
	struct buf sent;
	unsigned no, n_sent;
	bool quiet; /* everything that was sent has been answered */
};

/* The next message that is not ParameterStatus, or 0. */
static size_t next(const struct buf *b, size_t *at, struct pgmsg *m)
{
	while (pgmsg_take(buf_data(b) + *at, buf_len(b) - *at, 1 << 24, m) > 0) {
		if (m->type != 'S')
			return m->total;
		*at += m->total;
	}
	return 0;
}

static const char *tail_of(const struct buf *b, size_t at, char *text, size_t size)
{
	struct buf part;
	buf_init(&part, 0);
	buf_append(&part, buf_data(b) + at, buf_len(b) - at);
	describe_stream(&part, text, size, true);
	buf_fini(&part);
	return text;
}

static void show(struct twin *t, unsigned seed, const char *what)
{
	static char x[4000], y[4000], z[4000], w[4000];
	size_t n = buf_len(&t->sent) > 900 ? buf_len(&t->sent) - 900 : 0, k = 0;
	for (size_t i = n; i < buf_len(&t->sent) && k + 5 < sizeof(w); i++) {
		uint8_t ch = buf_data(&t->sent)[i];
		k += (size_t)snprintf(w + k, sizeof(w) - k, ch >= 32 && ch < 127 ? "%c" : ".", ch);
	}
	cr_assert_fail("seed %u session %u %s\nboth: %s\ngot:  %s\nowns: %s\nsent: %s", seed, t->no,
		what, tail_of(&t->own.out, t->own_before, z, sizeof(z)),
		tail_of(&t->s->got, t->got_at, x, sizeof(x)),
		tail_of(&t->own.out, t->own_at, y, sizeof(y)), w);
}

static void compare(struct twin *t, unsigned seed)
{
	struct pgmsg a, b;
	while (next(&t->s->got, &t->got_at, &a)) {
		if (t->s->state == PS_CLOSED && a.type == 'E')
			return;
		bool same = next(&t->own.out, &t->own_at, &b) && a.total == b.total &&
			    a.type == b.type &&
			    (a.body_n == 0 || memcmp(a.body, b.body, a.body_n) == 0);
		if (!same) {
			show(t, seed, "got another message");
		}
		if (t->own_at - t->own_before > 500)
			t->own_before = t->own_at - 200;
		t->own_before = a.type == 'Z' ? t->own_at : t->own_before;
		t->got_at += a.total;
		t->own_at += b.total;
	}
	t->quiet = t->own_at == buf_len(&t->own.out) || !next(&t->own.out, &t->own_at, &b);
}

/* ---- what clients do ---- */

static const char *pick_name(struct pool *p)
{
	static const char *const names[] = { "a", "b", "c", "weirpool_1" };
	return names[pool_rand(p, 16) || p->max_prepared == 0
			     ? pool_rand(p, 3)
			     : 3]; /* ours are reserved when names pass */
}

static const char *pick_var(struct pool *p)
{
	static const char *const names[] = { "app.x", "app.y", "application_name",
		"extra_float_digits" };
	return names[pool_rand(p, 4)];
}

/* A text with the session's nonce in it, or of few kinds that others have as well. */
static void pick_text(struct pool *p, struct twin *t, char *out, size_t size, bool sql_state)
{
	unsigned nonce = t->no * 100000 + ++t->n_sent;
	switch (pool_rand(p, sql_state ? 21 : 10)) {
	case 0:
	case 1: snprintf(out, size, "SELECT 'common%u'", pool_rand(p, 6)); break;
	case 2: snprintf(out, size, "SELECT 'n%u'/0", nonce); break;
	case 3: snprintf(out, size, "SHOW %s", pick_var(p)); break;
	case 4: snprintf(out, size, "SELECT my_func('n%u')", nonce); break;
	case 5:
	case 6: snprintf(out, size, "SHOW %s", pick_var(p)); break;
	default: snprintf(out, size, "SELECT 'n%u'", nonce); break;
	case 10:
	case 11:
		snprintf(out, size, "SET %s = 'v%u'", pick_var(p),
			pool_rand(p, 3) ? pool_rand(p, 3) : nonce);
		break;
	case 12: snprintf(out, size, "SET LOCAL %s = 'w%u'", pick_var(p), nonce); break;
	case 13: snprintf(out, size, "RESET %s", pick_var(p)); break;
	case 14: snprintf(out, size, "SELECT set_config('app.x','c%u',false)", nonce); break;
	case 15: snprintf(out, size, "SELECT my_set('app.y','m%u')", nonce); break;
	case 16: snprintf(out, size, "BEGIN"); break;
	case 17: snprintf(out, size, pool_rand(p, 3) ? "COMMIT" : "ROLLBACK"); break;
	case 18: snprintf(out, size, "PREPARE q%u AS SELECT 'n%u'", t->no, nonce); break;
	case 19:
		snprintf(out, size, pool_rand(p, 2) ? "EXECUTE q%u" : "DEALLOCATE q%u", t->no);
		break;
	case 20: {
		static const char *const what[] = { "CREATE TEMP TABLE tmp", "DROP TABLE tmp",
			"SELECT * FROM tmp", "BAD " };
		unsigned k = pool_rand(p, 4);
		snprintf(out, size, "%s%u%s", what[k], t->no, k == 0 ? " (x int)" : "");
		break;
	}
	}
}

static void add_simple(struct pool *p, struct twin *t, struct buf *b)
{
	char text[300], more[120];
	pick_text(p, t, text, sizeof(text), true);
	if (pool_rand(p, 6) == 0) {
		pick_text(p, t, more, sizeof(more), false);
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, ";%s", more);
	}
	if (pool_rand(p, 30) == 0)
		snprintf(text, sizeof(text), pool_rand(p, 2) ? "DISCARD ALL" : "DEALLOCATE ALL");
	if (pool_rand(p, 12) == 0)
		snprintf(text, sizeof(text), "DEALLOCATE %s", pick_name(p));
	put_query(b, text);
}

static void add_run(struct pool *p, struct buf *b, const char *stmt)
{
	static const char *const portals[] = { "", "", "p1" };
	const char *portal = portals[pool_rand(p, 3)];
	put_bind(b, portal, stmt);
	if (pool_rand(p, 2))
		pgext_put_describe(b, 'P', portal);
	pgext_put_execute(b, portal, 0);
}

static void add_extended(struct pool *p, struct twin *t, struct buf *b)
{
	char text[120];
	unsigned n = 1 + pool_rand(p, 5);
	for (unsigned i = 0; i < n; i++) {
		const char *name = pick_name(p);
		switch (pool_rand(p, 8)) {
		case 0:
		case 1:
			pick_text(p, t, text, sizeof(text), pool_rand(p, 3) == 0);
			put_parse(b, "", text);
			if (pool_rand(p, 3) == 0)
				pgext_put_describe(b, 'S', "");
			add_run(p, b, "");
			break;
		case 2:
			pick_text(p, t, text, sizeof(text), pool_rand(p, 5) == 0);
			put_parse(b, name, text);
			break;
		case 3:
		case 4: add_run(p, b, name); break;
		case 5: pgext_put_describe(b, 'S', name); break;
		case 6: pgext_put_close(b, pool_rand(p, 3) ? 'S' : 'P', name); break;
		case 7: pgext_put_flush(b); break;
		}
	}
	pgext_put_sync(b);
}

static void add_copy(struct pool *p, struct twin *t, struct buf *b)
{
	char nonce[40], text[100];
	unsigned n = pool_rand(p, 4);
	bool extended = pool_rand(p, 2), wrong = pool_rand(p, 4) == 0;
	snprintf(nonce, sizeof(nonce), "n%u", t->no * 100000 + ++t->n_sent);
	snprintf(text, sizeof(text), "COPY %s %s", nonce,
		pool_rand(p, 4) ? "FROM STDIN" : "TO STDOUT");
	if (extended) {
		put_parse(b, "", text);
		put_bind(b, "", "");
		pgext_put_execute(b, "", 0);
		pgext_put_sync(b);
	} else {
		put_query(b, text);
	}
	for (unsigned i = 0; i < n; i++)
		pgmsg_put(b, 'd', wrong ? "wrong" : nonce, strlen(wrong ? "wrong" : nonce));
	if (pool_rand(p, 5) == 0)
		pgmsg_put(b, 'f', "no", 3);
	else
		pgmsg_put(b, 'c', NULL, 0);
	if (extended)
		pgext_put_sync(b);
}

static void act(struct pool *p, struct twin *t)
{
	struct buf b;
	buf_init(&b, 0);
	unsigned what = pool_rand(p, 10);
	if (what < 4)
		add_simple(p, t, &b);
	else if (what < 9)
		add_extended(p, t, &b);
	else
		add_copy(p, t, &b);
	pool_send(t->s, &b);
	buf_append(&t->own.in, buf_data(&b), buf_len(&b));
	buf_append(&t->sent, buf_data(&b), buf_len(&b));
	pgsim_run(&t->own);
	cr_assert_not(t->own.dead);
	buf_fini(&b);
}

static void join(struct pool *p, struct twin *t, unsigned no)
{
	static const char *const none[] = { NULL };
	t->no = no;
	t->s = pool_login(p, none);
	pool_run(p, 0);
	cr_assert_eq(t->s->state, PS_IDLE);
	buf_fini(&t->s->got);
	pgsim_init(&t->own);
	pgsim_welcome(&t->own);
	buf_fini(&t->own.out);
	t->got_at = t->own_at = t->own_before = 0;
	buf_init(&t->sent, 0);
}

static void leave(struct pool *p, struct twin *t)
{
	pool_close_sess(p, t->s);
	pgsim_fini(&t->own);
	buf_fini(&t->sent);
}

struct plan {
	enum proto_mode mode;
	unsigned n_sess, n_links, max_prepared, n_steps;
	bool leave;
};

static void play(unsigned seed, void *arg)
{
	const struct plan *plan = arg;
	static struct pool p;
	static struct twin t[POOL_N];
	memset(t, 0, sizeof(t));
	pool_init(&p, plan->mode, plan->n_links, plan->max_prepared, seed);
	unsigned no = 0;
	for (unsigned i = 0; i < plan->n_sess; i++)
		join(&p, &t[i], ++no);
	for (unsigned step = 0; step < plan->n_steps; step++) {
		struct twin *x = &t[pool_rand(&p, plan->n_sess)];
		size_t cut = (size_t[]){ 0, 1, 7, 60 }[pool_rand(&p, 4)];
		if (x->quiet || pool_rand(&p, 3) == 0)
			act(&p, x);
		pool_step(&p, cut);
		for (unsigned i = 0; i < plan->n_sess; i++)
			compare(&t[i], seed);
		if (plan->leave && pool_rand(&p, 40) == 0) {
			leave(&p, x);
			memset(x, 0, sizeof(*x));
			pool_run(&p, 0);
			join(&p, x, ++no);
		}
		cr_assert_eq(
			p.n_bad, 0, "seed %u: %s (%s)", seed, p.last_bad.msg, p.last_bad.internal);
	}
	/* Everybody must come to an end: transactions that hold links are ended one after the
	 * other. */
	for (unsigned round = 0; round < 2 * plan->n_sess; round++) {
		pool_run(&p, 5);
		for (unsigned i = 0; i < plan->n_sess; i++) {
			struct buf b;
			compare(&t[i], seed);
			if (t[i].s->state == PS_CLOSED || t[i].own.tx == 'I')
				continue;
			buf_init(&b, 0);
			put_query(&b, "ROLLBACK");
			pool_send(t[i].s, &b);
			buf_append(&t[i].own.in, buf_data(&b), buf_len(&b));
			pgsim_run(&t[i].own);
			buf_fini(&b);
		}
	}
	for (unsigned i = 0; i < plan->n_sess; i++) {
		compare(&t[i], seed);
		bool pinned_away = t[i].s->state ==
				   PS_WAIT; /* pinned sessions may hold all links */
		cr_assert(t[i].s->state != PS_CLOSED, "seed %u: %s (%s)", seed, t[i].s->why.msg,
			t[i].s->why.internal);
		if (!t[i].quiet && !pinned_away)
			show(&t[i], seed, "is owed more");
		leave(&p, &t[i]);
	}
	pool_fini(&p);
}

Test(pg_prop, transaction_mode)
{
	struct plan plan = { PROTO_TRANSACTION, 5, 8, 3, 300, false };
	seed_each(60, play, &plan);
}

Test(pg_prop, few_links)
{
	struct plan plan = { PROTO_TRANSACTION, 6, 2, 100, 200, false };
	seed_each(60, play, &plan);
}

Test(pg_prop, sessions_that_vanish)
{
	struct plan plan = { PROTO_TRANSACTION, 6, 7, 4, 300, true };
	seed_each(60, play, &plan);
}

Test(pg_prop, names_untracked)
{
	struct plan plan = { PROTO_TRANSACTION, 4, 6, 0, 200, true };
	seed_each(30, play, &plan);
}

Test(pg_prop, session_mode)
{
	struct plan plan = { PROTO_SESSION, 4, 6, 0, 200, true };
	seed_each(30, play, &plan);
}
