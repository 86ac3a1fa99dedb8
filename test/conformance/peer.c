/* peer - core's part of a conversation, in its simplest form: one session, one link. */
#include "peer.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void peer_init(struct peer *p, const struct language *l, size_t cut)
{
	static const struct proto_env_opts o = { .max_inspect_bytes = 1 << 20 };
	struct proto_greet g = { .number = 77, .version = "8.0.0-test" };
	memset(p, 0, sizeof *p);
	p->lang = l;
	p->ops = l->ops;
	p->cut = cut;
	p->env = p->ops->env_new(&o);
	p->cst = mem_alloc(MEM_SESSION, p->ops->client_size);
	p->lst = mem_alloc(MEM_LINK, p->ops->link_size);
	cr_assert(p->env && p->cst && p->lst);
	buf_init(&p->to_proxy, 0);
	buf_init(&p->to_link, 0);
	buf_init(&p->up, 0);
	buf_init(&p->got, 0);
	p->ops->client_init(p->cst, p->env, &g, &p->got);
	l->server_begin(p);
}

void peer_fini(struct peer *p)
{
	p->lang->server_end(p);
	p->ops->client_fini(p->cst);
	p->ops->link_fini(p->lst);
	if (p->cache)
		p->ops->cache_free(&p->cache);
	p->ops->env_free(p->env);
	mem_free(MEM_SESSION, p->cst);
	mem_free(MEM_LINK, p->lst);
	buf_fini(&p->to_proxy);
	buf_fini(&p->to_link);
	buf_fini(&p->up);
	buf_fini(&p->got);
	buf_thread_fini();
	for (int t = 0; t < MEM_N; t++)
		cr_assert_eq(mem_live((enum mem_type)t), 0, "%s: %zu blocks of %s are left",
			p->lang->name, mem_live((enum mem_type)t), mem_name((enum mem_type)t));
}

static void note(struct peer *p, const char *what)
{
	size_t n = strlen(p->log);
	snprintf(p->log + n, sizeof p->log - n, "%s ", what);
}

/* Some more of b has come. False: all of it was there. */
static bool more(struct peer *p, const struct buf *b, size_t *seen)
{
	size_t n = buf_len(b);
	if (*seen >= n)
		return false;
	*seen = p->cut && *seen + p->cut < n ? *seen + p->cut : n;
	return true;
}

static void use(struct buf *b, size_t *seen, size_t n)
{
	cr_assert_leq(n, *seen, "more was consumed than had come");
	buf_consume(b, n);
	*seen -= n;
}

/* ---- logins ---- */

static void configure(struct peer *p)
{
	struct err e = { 0 };
	struct proto_client_conf c = {
		.mode = PROTO_TRANSACTION,
		.database = "",
		.max_prepared = 10,
		.counters = &p->counters,
	};
	cr_assert_eq(p->ops->client_conf(p->cst, &c, &e), 0, "%s", e.msg);
	cr_assert_lt(p->ops->client_link_class(p->cst), 128);
}

static void client_steps(struct peer *p)
{
	struct proto_proof none = { .kind = PROOF_NONE, .is_private = true, .host = "localhost" };
	for (;;) {
		struct err e = { 0 };
		cr_assert_gt(p->ops->client_want(p->cst, buf_data(&p->to_proxy), p->seen_c), 0);
		struct pev ev = p->ops->client_step(
			p->cst, buf_data(&p->to_proxy), p->seen_c, &p->got, &e);
		use(&p->to_proxy, &p->seen_c, ev.n);
		if (ev.kind == PEV_AUTH_OK) {
			note(p, "AUTH_OK");
			return;
		}
		if (ev.kind == PEV_LOGIN) {
			note(p, "LOGIN");
			cr_assert_str_eq(p->ops->client_login(p->cst)->user, "ann");
			cr_assert_eq(
				p->ops->client_auth(p->cst, &none, &p->got, &e), 0, "%s", e.msg);
		} else if (ev.kind == PEV_MORE) {
			cr_assert(more(p, &p->to_proxy, &p->seen_c), "%s: no end of %s",
				p->lang->name, p->log);
		} else {
			cr_assert_eq(
				ev.kind, PEV_DROP, "%s: %d, %s", p->lang->name, ev.kind, e.msg);
		}
	}
}

void peer_client_login(struct peer *p)
{
	p->lang->hello(p, &p->to_proxy);
	client_steps(p);
	configure(p);
}

static void server_run(struct peer *p)
{
	if (!p->silent)
		p->lang->server_run(p);
}

bool peer_link_login(struct peer *p)
{
	static const struct proto_creds creds;
	struct err e = { 0 };
	struct proto_link_login ll = {
		.user = "ann",
		.database = p->ops->schema_is_state ? "" : "app",
		.creds = &creds,
	};
	cr_assert_eq(p->ops->link_init(p->lst, p->env, &ll, &p->up, &e), 0, "%s", e.msg);
	for (;;) {
		server_run(p);
		struct pev ev = p->ops->link_step(
			p->lst, buf_data(&p->to_link), p->seen_l, &p->up, &p->err);
		use(&p->to_link, &p->seen_l, ev.n);
		if (ev.kind == PEV_BAD)
			return false;
		if (ev.kind == PEV_AUTH_OK) {
			note(p, "LINK_OK");
			cr_assert_eq(buf_len(&p->to_link), 0);
			return true;
		}
		if (ev.kind == PEV_MORE) {
			server_run(p);
			cr_assert(more(p, &p->to_link, &p->seen_l), "%s: no end", p->lang->name);
		} else {
			cr_assert(ev.kind == PEV_DROP || ev.kind == PEV_NOTE, "%s: %d",
				p->lang->name, ev.kind);
		}
	}
}

static bool ready(struct peer *p)
{
	static const uint8_t key[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	if (!p->ops->client_ready(
		    p->cst, p->attached ? p->lst : NULL, &p->cache, key, sizeof key, &p->got))
		return false;
	note(p, "READY");
	return true;
}

static void let_go(struct peer *p)
{
	if (!p->attached || p->ops->link_release(p->cst, p->lst, &p->up) != REL_FREE)
		return;
	note(p, "FREE");
	p->ops->detach(p->cst, p->lst);
	p->attached = false;
}

void peer_welcome(struct peer *p)
{
	if (!ready(p)) {
		p->attached = true;
		if (p->ops->attach(p->cst, p->lst, &p->up)) {
			peer_down(p);
			cr_assert_eq(p->last.kind, PEV_SYNCED, "%s: %d, %s", p->lang->name,
				p->last.kind, p->err.msg);
		}
		cr_assert(ready(p), "%s: not ready although synced", p->lang->name);
		let_go(p);
		peer_down(p);
		cr_assert_not(p->attached);
	}
	p->welcomed = true;
	buf_fini(&p->got);
}

void peer_login(struct peer *p)
{
	peer_client_login(p);
	cr_assert(peer_link_login(p), "%s: %s", p->lang->name, p->err.msg);
	peer_welcome(p);
}

/* ---- running ---- */

/* True: go on. */
static bool down_event(struct peer *p)
{
	struct pev *ev = &p->last;
	use(&p->to_link, &p->seen_l, ev->n);
	if (ev->kind == PEV_TX) {
		note(p, !ev->idle ? "TX(more)" : ev->tx == TX_IDLE ? "TX(idle)" : "TX(open)");
		if (ev->idle && ev->tx == TX_IDLE)
			let_go(p);
	} else if (ev->kind == PEV_ASKED) {
		if (!p->ops->link_owes(p->lst))
			let_go(p);
	} else if (ev->kind == PEV_ROW) {
		cr_assert_geq(ev->n_cells, 1);
		snprintf(p->cell, sizeof p->cell, "%s", ev->cells[0] ? ev->cells[0] : "NULL");
	} else if (ev->kind == PEV_QUERY_DONE) {
		note(p, "DONE");
	} else if (ev->kind == PEV_SYNCED && p->welcomed) {
		p->synced = true; /* what waited for it may go up now */
	} else {
		return ev->kind == PEV_DROP || ev->kind == PEV_NOTE;
	}
	return true;
}

void peer_down(struct peer *p)
{
	for (;;) {
		server_run(p);
		const uint8_t *at = buf_data(&p->to_link);
		p->last = p->ops->down(p->attached ? p->cst : NULL, p->lst, at, p->seen_l, &p->up,
			&p->got, &p->err);
		if (p->last.kind == PEV_FORWARD) {
			buf_append(&p->got, at, p->last.n);
			use(&p->to_link, &p->seen_l, p->last.n);
		} else if (p->last.kind == PEV_MORE) {
			use(&p->to_link, &p->seen_l, p->last.n);
			server_run(p);
			if (!more(p, &p->to_link, &p->seen_l))
				return;
		} else if (!down_event(p)) {
			return;
		}
	}
}

/* True: all of the input was taken, or waits. */
static bool up_all(struct peer *p)
{
	for (;;) {
		const uint8_t *at = buf_data(&p->to_proxy);
		p->last = p->ops->up(p->cst, p->attached ? p->lst : NULL, at, p->seen_c, &p->up,
			&p->got, &p->err);
		enum pev_kind kind = p->last.kind;
		if (kind == PEV_REQUEST) {
			cr_assert_not(p->attached);
			p->attached = true;
			p->ops->attach(p->cst, p->lst, &p->up);
			note(p, "TAKEN");
			continue;
		}
		if (kind == PEV_FORWARD)
			buf_append(&p->up, at, p->last.n);
		if (kind != PEV_CONSOLE) /* its text is in the input */
			use(&p->to_proxy, &p->seen_c, p->last.n);
		if (kind == PEV_MORE && !more(p, &p->to_proxy, &p->seen_c))
			return true;
		if (kind != PEV_MORE && kind != PEV_FORWARD && kind != PEV_DROP)
			return false;
	}
}

void peer_run(struct peer *p)
{
	for (unsigned i = 0; i < 100; i++) {
		size_t left = buf_len(&p->to_proxy);
		p->synced = false;
		if (!up_all(p))
			return;
		peer_down(p);
		if (p->last.kind != PEV_MORE)
			return;
		if (buf_len(&p->to_proxy) == left && !p->synced)
			return;
	}
	cr_assert_fail("%s: it does not come to rest", p->lang->name);
}

bool peer_got(const struct peer *p, const char *text)
{
	return buf_len(&p->got) && memmem(buf_data(&p->got), buf_len(&p->got), text, strlen(text));
}

void peer_ask(struct peer *p, const char *nonce)
{
	p->lang->ask(p, nonce, &p->to_proxy);
	peer_run(p);
	cr_assert_eq(p->last.kind, PEV_MORE, "%s: %d, %s", p->lang->name, p->last.kind, p->err.msg);
}
