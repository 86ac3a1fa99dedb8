/* test_proto_ops - every operation of struct proto_ops, for PostgreSQL, MySQL and the two fake
 * protocols alike: what core/ relies on, and nothing that only one of them would do. */
#include "peer.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct language *const languages[] = { &lang_pg, &lang_mysql, &lang_quiet,
	&lang_greeting };
#define N (sizeof languages / sizeof *languages)
#define EACH(test) \
	for (unsigned i_ = 0; i_ < N; i_++) \
	(test)(languages[i_])

Test(proto_ops, facts_about_itself)
{
	for (unsigned i = 0; i < N; i++) {
		const struct proto_ops *o = languages[i]->ops;
		cr_assert(o->name && *o->name && o->port);
		cr_assert_lt(o->id, PROTO_MAX);
		cr_assert(!o->greets || o->facts_join);
	}
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++) {
		cr_assert_eq(proto_table[i]->id, i);
		cr_assert_eq(proto_by_name(proto_table[i]->name), proto_table[i]);
	}
	cr_assert_null(proto_by_name("no such protocol"));
}

static void login(const struct language *l)
{
	struct peer p;
	peer_init(&p, l, 0);
	cr_assert_eq(buf_len(&p.got) > 0, l->ops->greets, "who speaks first");
	peer_client_login(&p);
	const struct proto_login *pl = p.ops->client_login(p.cst);
	cr_assert_str_eq(pl->database, "app");
	cr_assert(pl->database_given);
	cr_assert_eq(pl->replication, PROTO_REPL_NONE);
	cr_assert(peer_link_login(&p), "%s: %s", p.lang->name, p.err.msg);
	peer_welcome(&p);
	cr_assert_eq(p.ops->client_pins(p.cst), 0);
	cr_assert_not(p.ops->client_mid_message(p.cst));
	cr_assert_not(p.ops->client_in_request(p.cst, NULL, 0));
	cr_assert_not_null(p.ops->client_app_name(p.cst));
	cr_assert_eq(p.ops->n_statements(p.cst, false), 0);
	cr_assert_eq(p.ops->link_server_pid(p.lst), l->server_id);
	const uint8_t *key;
	cr_assert_gt(p.ops->link_cancel_key(p.lst, &key), 0);
	peer_fini(&p);
}

Test(proto_ops, a_login_tells_who)
{
	EACH(login);
}

static void error_back(const struct language *l)
{
	static const struct proto_creds none;
	struct proto_link_login ll = { .user = "ann", .database = "", .creds = &none };
	struct peer p;
	struct err e = { 0 };
	peer_init(&p, l, 1);
	err_set(&e, ERR_TOO_MANY, "no room, says the other weirpool");
	p.ops->put_error(NULL, &p.to_link, &e, true);
	cr_assert_eq(p.ops->link_init(p.lst, p.env, &ll, &p.up, &p.err), 0);
	struct pev ev = { .kind = PEV_MORE };
	while (ev.kind == PEV_MORE && p.seen_l < buf_len(&p.to_link))
		ev = p.ops->link_step(p.lst, buf_data(&p.to_link), ++p.seen_l, &p.up, &p.err);
	cr_assert_eq(ev.kind, PEV_BAD, "%s: %d", p.lang->name, ev.kind);
	cr_assert(strstr(p.err.msg, "no room") || strstr(p.err.internal, "no room"), "%s: %s, %s",
		p.lang->name, p.err.msg, p.err.internal);
	peer_fini(&p);
}

Test(proto_ops, an_error_renders_and_parses_back)
{
	EACH(error_back);
}

/* What the client got in one conversation, and what happened. */
struct record {
	uint8_t bytes[4000];
	size_t n;
	char log[2000];
};

static void converse(const struct language *l, size_t cut, struct record *r)
{
	struct peer p;
	peer_init(&p, l, cut);
	peer_login(&p);
	l->begin(&p, &p.to_proxy);
	peer_run(&p);
	cr_assert_eq(p.ops->link_tx(p.lst), TX_OPEN, "%s", p.lang->name);
	cr_assert(p.attached);
	peer_ask(&p, "inside");
	l->commit(&p, &p.to_proxy);
	peer_run(&p);
	peer_ask(&p, "outside");
	cr_assert(peer_got(&p, "inside") && peer_got(&p, "outside"));
	cr_assert_not(p.attached, "%s: it was not let go", p.lang->name);
	cr_assert_not(p.ops->link_owes(p.lst));
	r->n = buf_len(&p.got);
	cr_assert_leq(r->n, sizeof r->bytes);
	memcpy(r->bytes, buf_data(&p.got), r->n);
	memcpy(r->log, p.log, sizeof p.log);
	peer_fini(&p);
}

static void cuts(const struct language *l)
{
	static struct record whole, r;
	converse(l, 0, &whole);
	for (size_t cut = 1; cut < 12; cut++) {
		converse(l, cut, &r);
		cr_assert_str_eq(r.log, whole.log, "%s, cut %zu", l->name, cut);
		cr_assert(r.n == whole.n && !memcmp(r.bytes, whole.bytes, r.n),
			"%s, cut %zu: other bytes", l->name, cut);
	}
}

Test(proto_ops, one_byte_at_a_time_is_all_at_once)
{
	EACH(cuts);
}

static void moved(const struct language *l)
{
	static const struct proto_env_opts o = { .max_inspect_bytes = 1 << 20 };
	struct peer p;
	peer_init(&p, l, 0);
	peer_login(&p);
	peer_ask(&p, "before");
	cr_assert(p.ops->link_movable(p.lst), "%s", p.lang->name);
	p.ops->link_move_out(p.lst);
	struct proto_env *other = p.ops->env_new(&o);
	cr_assert(p.ops->link_move_in(p.lst, other));
	p.ops->link_query(p.lst, l->own_query, NULL, &p.up); /* at work there */
	cr_assert_not(p.ops->link_movable(p.lst), "%s: it owes", p.lang->name);
	peer_down(&p);
	cr_assert_str_eq(p.cell, "own");
	p.ops->link_move_out(p.lst);
	cr_assert(p.ops->link_move_in(p.lst, p.env));
	p.ops->env_free(other);
	peer_ask(&p, "after");
	cr_assert(peer_got(&p, "before") && peer_got(&p, "after"));
	peer_fini(&p);
}

Test(proto_ops, the_state_of_a_link_is_movable)
{
	EACH(moved);
}

static void surprise(const struct language *l)
{
	for (int with_client = 0; with_client < 2; with_client++) {
		struct peer p;
		peer_init(&p, l, 0);
		peer_login(&p);
		if (with_client) {
			l->begin(&p, &p.to_proxy);
			peer_run(&p);
			buf_fini(&p.got);
		}
		l->surprise(&p);
		peer_down(&p);
		cr_assert_eq(p.last.kind, PEV_BAD, "%s: %d", p.lang->name, p.last.kind);
		cr_assert_neq(p.err.code, ERR_NONE);
		cr_assert_eq(buf_len(&p.got), 0, "%s: the client got it", p.lang->name);
		peer_fini(&p);
	}
}

Test(proto_ops, a_surprise_closes_the_link)
{
	EACH(surprise);
}

/* The client leaves while its request is being answered. */
static void left(const struct language *l)
{
	struct peer p;
	peer_init(&p, l, 1);
	peer_login(&p);
	l->begin(&p, &p.to_proxy);
	peer_run(&p);
	p.silent = true;
	peer_ask(&p, "late");
	cr_assert(p.ops->link_owes(p.lst));
	cr_assert_eq(p.ops->link_requests(p.lst), 1);
	cr_assert_not(p.ops->link_movable(p.lst));
	buf_fini(&p.got);
	p.ops->detach(p.cst, p.lst);
	p.attached = false;
	cr_assert(p.ops->link_abort(p.lst, &p.up), "%s", p.lang->name);
	p.silent = false;
	peer_down(&p);
	cr_assert_eq(p.last.kind, PEV_MORE, "%s: %s", p.lang->name, p.err.msg);
	cr_assert_not(p.ops->link_owes(p.lst), "%s", p.lang->name);
	cr_assert_eq(buf_len(&p.got), 0, "%s: nobody is there to get it", p.lang->name);
	cr_assert_eq(p.ops->link_tx(p.lst), TX_OPEN);
	cr_assert(p.ops->link_clean(p.lst, "", false, &p.up), "%s: a transaction", p.lang->name);
	peer_down(&p);
	cr_assert(strstr(p.log, "DONE"), "%s: %s", p.lang->name, p.log);
	cr_assert_not(p.ops->link_owes(p.lst));
	cr_assert_eq(p.ops->link_tx(p.lst), TX_IDLE);
	cr_assert_not(p.ops->link_clean(p.lst, "", false, &p.up), "%s: twice", p.lang->name);
	cr_assert_not(p.ops->link_spoiled(p.lst));
	cr_assert(p.ops->link_movable(p.lst));
	peer_ask(&p, "next"); /* the same session again, if it had stayed */
	cr_assert(peer_got(&p, "next") && !peer_got(&p, "late"));
	peer_fini(&p);
}

Test(proto_ops, nobody_attached_and_clean_again)
{
	EACH(left);
}

static void own(const struct language *l)
{
	struct peer p;
	peer_init(&p, l, 1);
	peer_login(&p);
	p.log[0] = 0;
	p.ops->link_ping(p.lst, &p.up);
	peer_down(&p);
	cr_assert_str_eq(p.log, "DONE ", "%s", p.lang->name);
	p.ops->link_query(p.lst, l->own_query, NULL, &p.up);
	peer_down(&p);
	cr_assert_str_eq(p.log, "DONE DONE ");
	cr_assert_str_eq(p.cell, "own");
	cr_assert(p.ops->link_clean(p.lst, "", true, &p.up), "always");
	peer_down(&p);
	cr_assert_not(p.ops->link_owes(p.lst));
	cr_assert_eq(buf_len(&p.got), 0);
	peer_fini(&p);
}

Test(proto_ops, queries_of_our_own)
{
	EACH(own);
}

static void failed(const struct language *l)
{
	struct peer p;
	struct err e = { 0 };
	peer_init(&p, l, 0);
	peer_login(&p);
	l->ask(&p, "waits", &p.to_proxy);
	p.seen_c = buf_len(&p.to_proxy);
	struct pev ev = p.ops->up(
		p.cst, NULL, buf_data(&p.to_proxy), p.seen_c, &p.up, &p.got, &p.err);
	cr_assert_eq(ev.kind, PEV_REQUEST, "%s", p.lang->name);
	cr_assert_eq(ev.n, 0);
	cr_assert(p.ops->client_in_request(p.cst, buf_data(&p.to_proxy), p.seen_c));
	err_set(&e, ERR_CANCELED, "it was canceled");
	p.ops->client_fail_request(p.cst, &e, &p.got);
	cr_assert(peer_got(&p, "it was canceled"), "%s", p.lang->name);
	peer_run(&p);
	cr_assert_eq(p.last.kind, PEV_MORE);
	cr_assert_not(p.attached, "%s: it is skipped, not sent", p.lang->name);
	cr_assert_eq(buf_len(&p.to_proxy), 0);
	peer_ask(&p, "next");
	cr_assert(peer_got(&p, "next") && !peer_got(&p, "waits"));
	peer_fini(&p);
}

Test(proto_ops, a_waiting_request_can_fail)
{
	EACH(failed);
}

static void good_bye(const struct language *l)
{
	struct peer p;
	peer_init(&p, l, 1);
	peer_login(&p);
	p.ops->put_bye(p.lst, &p.to_proxy); /* what we say to servers, a client says to us */
	peer_run(&p);
	cr_assert_eq(p.last.kind, PEV_BYE, "%s: %d", p.lang->name, p.last.kind);
	peer_fini(&p);
	peer_init(&p, l, 0);
	peer_login(&p);
	l->garbage(&p, &p.to_proxy);
	peer_run(&p);
	cr_assert_eq(p.last.kind, PEV_BAD, "%s: %d", p.lang->name, p.last.kind);
	cr_assert_neq(p.err.code, ERR_NONE);
	peer_fini(&p);
}

Test(proto_ops, good_bye_and_garbage)
{
	EACH(good_bye);
}

static void kills(const struct language *l)
{
	struct peer p;
	struct err e = { 0 };
	if (!l->kill)
		return;
	peer_init(&p, l, 1);
	peer_login(&p);
	l->kill(&p, 4711, &p.to_proxy);
	peer_run(&p);
	cr_assert_eq(p.last.kind, PEV_KILL, "%s: %d, %s", p.lang->name, p.last.kind, p.err.msg);
	cr_assert_eq(p.last.number, 4711);
	cr_assert(p.last.whole);
	p.ops->client_killed(p.cst, NULL, &p.got);
	cr_assert_gt(buf_len(&p.got), 0);
	buf_fini(&p.got);
	l->kill(&p, 1, &p.to_proxy);
	peer_run(&p);
	err_set(&e, ERR_NO_SESSION, "no such session");
	p.ops->client_killed(p.cst, &e, &p.got);
	cr_assert_gt(buf_len(&p.got), 0);
	peer_ask(&p, "next");
	cr_assert(peer_got(&p, "next"));
	peer_fini(&p);
}

Test(proto_ops, kill)
{
	EACH(kills);
}

static void another(const struct language *l)
{
	struct proto_proof none = { .kind = PROOF_NONE, .is_private = true, .host = "localhost" };
	struct proto_client_conf c = { .mode = PROTO_TRANSACTION, .database = "" };
	struct peer p;
	struct err e = { 0 };
	if (!l->relogin)
		return;
	peer_init(&p, l, 1);
	peer_login(&p);
	l->relogin(&p, "bob", &p.to_proxy);
	peer_run(&p);
	cr_assert_eq(p.last.kind, PEV_RELOGIN, "%s: %d, %s", p.lang->name, p.last.kind, p.err.msg);
	cr_assert_str_eq(p.ops->client_login(p.cst)->user, "bob");
	buf_fini(&p.got);
	cr_assert_eq(p.ops->client_auth(p.cst, &none, &p.got, &e), 0, "%s", e.msg);
	if (l->answer)
		l->answer(&p, &p.to_proxy);
	p.seen_c = buf_len(&p.to_proxy);
	struct pev ev = p.ops->client_step(p.cst, buf_data(&p.to_proxy), p.seen_c, &p.got, &e);
	cr_assert_eq(ev.kind, PEV_AUTH_OK, "%s: %d, %s", p.lang->name, ev.kind, e.msg);
	buf_consume(&p.to_proxy, ev.n);
	p.seen_c -= ev.n;
	c.counters = &p.counters;
	cr_assert_eq(p.ops->client_conf(p.cst, &c, &e), 0);
	peer_welcome(&p);
	peer_ask(&p, "bobs");
	cr_assert(peer_got(&p, "bobs"));
	peer_fini(&p);
}

Test(proto_ops, another_login)
{
	EACH(another);
}

static void console(const struct language *l)
{
	static const uint8_t key[8] = { 0 };
	struct peer p;
	struct rowset r;
	peer_init(&p, l, 1);
	peer_client_login(&p);
	buf_fini(&p.got);
	p.ops->console_start(p.cst, "1.0", key, sizeof key, &p.got);
	cr_assert_gt(buf_len(&p.got), 0);
	buf_fini(&p.got);
	for (int bad = 0; bad < 2; bad++) {
		l->console(&p, "SHOW POOLS", &p.to_proxy);
		peer_run(&p);
		cr_assert_eq(p.last.kind, PEV_CONSOLE, "%s: %d", p.lang->name, p.last.kind);
		cr_assert_eq(p.last.text_n, 10);
		cr_assert_eq(memcmp(p.last.text, "SHOW POOLS", 10), 0);
		buf_consume(&p.to_proxy, p.last.n);
		p.seen_c -= p.last.n;
		rowset_init(&r);
		rowset_col(&r, "database", RS_TEXT);
		rowset_set(&r, rowset_row(&r), 0, "a-cell");
		if (bad)
			err_set(&r.err, ERR_NOT_ALLOWED, "a-cell is not for you");
		p.ops->console_reply(p.cst, &r, &p.got);
		cr_assert(peer_got(&p, "a-cell"), "%s", p.lang->name);
		cr_assert_eq(peer_got(&p, "not for you"), bad);
		rowset_fini(&r);
		buf_fini(&p.got);
	}
	cr_assert(peer_link_login(&p)); /* so that there is something to end */
	peer_fini(&p);
}

Test(proto_ops, the_console)
{
	EACH(console);
}

static void facts(const struct language *l)
{
	struct peer p;
	struct buf one, all;
	peer_init(&p, l, 0);
	peer_login(&p);
	buf_init(&one, 0);
	buf_init(&all, 0);
	bool known = p.ops->link_facts(p.lst, &one);
	if (p.ops->greets) {
		cr_assert(known, "%s", p.lang->name);
		struct proto_greet g = { .number = 9, .version = "" };
		cr_assert(p.ops->facts_join(&all, buf_data(&one), buf_len(&one), ""));
		size_t n = buf_len(&all);
		cr_assert_gt(n, 0);
		cr_assert(p.ops->facts_join(&all, buf_data(&one), buf_len(&one), ""));
		cr_assert_eq(buf_len(&all), n, "%s: the same again", p.lang->name);
		g.facts = buf_data(&all);
		g.facts_n = n;
		p.ops->client_fini(p.cst);
		memset(p.cst, 0, p.ops->client_size);
		buf_fini(&p.got);
		p.ops->client_init(p.cst, p.env, &g, &p.got);
		cr_assert(peer_got(&p, l == &lang_mysql ? "8.4.0" : "1.0"), "%s", p.lang->name);
	}
	buf_fini(&one);
	buf_fini(&all);
	peer_fini(&p);
}

Test(proto_ops, facts_for_greetings)
{
	EACH(facts);
}

/* What one worker's cache learned serves on another. */
static void cache(const struct language *l)
{
	struct peer p, q;
	struct buf b;
	peer_init(&p, l, 0);
	peer_client_login(&p);
	cr_assert(peer_link_login(&p));
	peer_welcome(&p);
	buf_init(&b, 0);
	p.ops->cache_export(p.cst, &b);
	peer_init(&q, l, 0);
	peer_client_login(&q);
	q.ops->cache_import(&q.cache, q.env, buf_data(&b), buf_len(&b));
	bool ready = q.ops->client_ready(q.cst, NULL, &q.cache, (const uint8_t[8]){ 0 }, 8, &q.got);
	cr_assert(ready, "%s: it knows what to say", q.lang->name);
	buf_fini(&b);
	cr_assert(peer_link_login(&q));
	/* peer_fini() counts all memory: one after the other, the checks at the last */
	p.ops->client_fini(p.cst);
	p.ops->link_fini(p.lst);
	if (p.cache)
		p.ops->cache_free(&p.cache);
	p.ops->env_free(p.env);
	mem_free(MEM_SESSION, p.cst);
	mem_free(MEM_LINK, p.lst);
	l->server_end(&p);
	buf_fini(&p.got);
	buf_fini(&p.up);
	buf_fini(&p.to_link);
	buf_fini(&p.to_proxy);
	peer_fini(&q);
}

Test(proto_ops, a_welcome_is_told_to_other_workers)
{
	EACH(cache);
}
