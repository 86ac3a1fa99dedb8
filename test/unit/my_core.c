/* my_core - see my_core.h. */
#include "my_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define OPS (&proto_mysql)

static void failed(struct my_core *x, const char *who, const struct err *e)
{
	if (x->why[0] == 0)
		snprintf(x->why, sizeof(x->why), "%s: %s", who, e->msg);
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- who has the link ---- */
static void link_gone(struct my_core *x)
{
	OPS->link_fini(x->lst);
	memset(x->lst, 0, OPS->link_size);
	x->l = MY_L_NONE;
	if (buf_len(&x->s_in))
		buf_consume(&x->s_in, buf_len(&x->s_in));
}

/* Nobody has it. */
static void settle(struct my_core *x)
{
	if (OPS->link_spoiled(x->lst))
		link_gone(x);
	else
		x->l = OPS->link_clean(x->lst, "", false, &x->up) ? MY_L_CLEANS : MY_L_IDLE;
}

static void give_back(struct my_core *x)
{
	if (OPS->link_release(x->cst, x->lst, &x->up) != REL_FREE)
		return;
	OPS->detach(x->cst, x->lst);
	settle(x);
}

/* The session leaves it whatever it does. */
static void drop_link(struct my_core *x, bool broken)
{
	if (x->l != MY_L_BUSY)
		return;
	OPS->detach(x->cst, x->lst);
	if (broken)
		link_gone(x);
	else if (!OPS->link_owes(x->lst))
		settle(x);
	else if (OPS->link_abort(x->lst, &x->up))
		x->l = MY_L_CLEANS;
	else
		link_gone(x);
}

static void client_gone(struct my_core *x)
{
	if (x->c == MY_C_GONE)
		return;
	drop_link(x, OPS->client_mid_message(x->cst));
	OPS->client_fini(x->cst);
	memset(x->cst, 0, OPS->client_size);
	x->c = MY_C_GONE;
}

static void welcome(struct my_core *x)
{
	static const uint8_t key[8];
	must(OPS->client_ready(x->cst, x->lst, &x->cache, key, sizeof(key), &x->down));
	x->c = MY_C_READY;
	give_back(x);
}

static void take_link(struct my_core *x)
{
	x->l = MY_L_BUSY;
	bool put = OPS->attach(x->cst, x->lst, &x->up);
	if (x->c == MY_C_WAITS && !put)
		welcome(x);
}

/* ---- events ---- */
static void begin_auth(struct my_core *x)
{
	const struct proto_proof pr = { .kind = PROOF_NONE };
	struct err e = { 0 };
	if (OPS->client_auth(x->cst, &pr, &x->down, &e) == 0)
		return;
	failed(x, "client", &e);
	client_gone(x);
}

static void proven(struct my_core *x)
{
	static const uint8_t key[8];
	const struct proto_client_conf conf = { .mode = PROTO_TRANSACTION,
		.max_prepared = 200,
		.counters = &x->counters,
		.database = OPS->client_login(x->cst)->database };
	struct err e = { 0 };
	if (OPS->client_conf(x->cst, &conf, &e)) {
		failed(x, "client", &e);
		client_gone(x);
		return;
	}
	buf_fini(&x->down); /* nonces, and what another proof would have caused */
	bool in = OPS->client_ready(x->cst, NULL, &x->cache, key, sizeof(key), &x->down);
	x->c = in ? MY_C_READY : MY_C_WAITS;
}

/* False: more bytes are needed, or a link. */
static bool client_event(struct my_core *x, const struct pev *ev, const struct err *e)
{
	if (ev->kind == PEV_MORE || (ev->kind == PEV_REQUEST && x->l != MY_L_IDLE))
		return false;
	if (ev->kind == PEV_FORWARD)
		buf_append(&x->up, buf_data(&x->c_in), ev->n);
	if (ev->n)
		buf_consume(&x->c_in, ev->n);
	switch ((int)ev->kind) {
	case PEV_LOGIN: begin_auth(x); break;
	case PEV_AUTH_OK: proven(x); break;
	case PEV_REQUEST: take_link(x); break;
	case PEV_KILL: OPS->client_killed(x->cst, NULL, &x->down); break;
	case PEV_RELOGIN:
		drop_link(x, false);
		x->c = MY_C_LOGIN;
		begin_auth(x);
		break;
	case PEV_BYE: client_gone(x); break;
	case PEV_TLS: /* not offered */
	case PEV_BAD:
		failed(x, "client", e);
		client_gone(x);
		break;
	default: break;
	}
	return true;
}

static void link_failed(struct my_core *x, const struct pev *ev, const struct err *e)
{
	bool mine = x->l == MY_L_BUSY;
	failed(x, "server", e);
	if (mine && ev->kind == PEV_LINK_BAD) { /* the session lives; its bytes come back */
		struct buf all;
		buf_init(&all, 0);
		buf_append(&all, ev->text, ev->text_n);
		buf_append(&all, buf_data(&x->c_in), buf_len(&x->c_in));
		buf_fini(&x->c_in);
		x->c_in = all;
	}
	if (mine)
		OPS->detach(x->cst, x->lst);
	link_gone(x);
	if (mine && ev->kind == PEV_BAD)
		client_gone(x);
}

static bool link_event(struct my_core *x, const struct pev *ev, const struct err *e)
{
	bool mine = x->l == MY_L_BUSY;
	if (ev->kind == PEV_MORE)
		return false;
	if (ev->kind == PEV_FORWARD && mine)
		buf_append(&x->down, buf_data(&x->s_in), ev->n);
	if (ev->n)
		buf_consume(&x->s_in, ev->n);
	switch ((int)ev->kind) {
	case PEV_TX:
		if (ev->idle && !mine)
			settle(x);
		else if (ev->idle && ev->tx == TX_IDLE)
			give_back(x);
		break;
	case PEV_SYNCED:
		if (x->c == MY_C_WAITS)
			welcome(x);
		break;
	case PEV_ASKED:
		if (OPS->link_owes(x->lst))
			break;
		if (mine)
			give_back(x);
		else
			settle(x);
		break;
	case PEV_QUERY_DONE:
		if (err_is(e)) {
			link_failed(x, ev, e);
			break;
		}
		x->l = MY_L_IDLE;
		break;
	case PEV_AUTH_OK: x->l = MY_L_IDLE; break;
	case PEV_TLS:
	case PEV_BAD:
	case PEV_LINK_BAD: link_failed(x, ev, e); break;
	default: break;
	}
	return true;
}

/* ---- bytes ---- */
static size_t some(struct my_core *x, size_t have, size_t shown)
{
	if (x->cut == 0)
		return have;
	x->seed = x->seed * 1664525u + 1013904223u;
	size_t k = shown + (x->cut == 1 ? 1 : 1 + (x->seed >> 8) % x->cut);
	return k < have ? k : have;
}

static struct pev offer_client(struct my_core *x, size_t n, struct err *e)
{
	void *lst = x->l == MY_L_BUSY ? x->lst : NULL;
	if (x->c == MY_C_LOGIN)
		return OPS->client_step(x->cst, buf_data(&x->c_in), n, &x->down, e);
	struct buf none;
	buf_init(&none, 0);
	struct pev ev = OPS->up(
		x->cst, lst, buf_data(&x->c_in), n, lst ? &x->up : &none, &x->down, e);
	must(buf_len(&none) == 0);
	return ev;
}

/* Offers more and more of what the client sent until it is taken. */
static void feed_client(struct my_core *x)
{
	size_t shown = 0;
	while (x->c == MY_C_LOGIN || (x->c == MY_C_READY && buf_len(&x->c_in))) {
		struct err e = { 0 };
		size_t have = buf_len(&x->c_in);
		shown = some(x, have, shown);
		struct pev ev = offer_client(x, shown, &e);
		must(ev.n <= shown);
		if (client_event(x, &ev, &e)) {
			x->c_moved = true;
			shown = ev.n ? 0 : shown;
		} else if (shown == have || ev.kind == PEV_REQUEST) {
			return;
		}
	}
}

static void feed_server(struct my_core *x)
{
	struct buf none;
	size_t shown = 0;
	buf_init(&none, 0);
	while (buf_len(&x->s_in) && x->l != MY_L_NONE) {
		struct err e = { 0 };
		size_t have = buf_len(&x->s_in);
		bool mine = x->l == MY_L_BUSY;
		shown = some(x, have, shown);
		struct pev ev =
			x->l == MY_L_LOGIN
				? OPS->link_step(x->lst, buf_data(&x->s_in), shown, &x->up, &e)
				: OPS->down(mine ? x->cst : NULL, x->lst, buf_data(&x->s_in), shown,
					  &x->up, mine ? &x->down : &none, &e);
		must(ev.n <= shown && buf_len(&none) == 0);
		if (link_event(x, &ev, &e)) {
			x->s_moved = true;
			shown = ev.n ? 0 : shown;
		} else if (shown == have) {
			return;
		}
	}
}

void my_core_pump(struct my_core *x)
{
	do {
		x->c_moved = x->s_moved = false;
		feed_client(x);
		feed_server(x);
		if (x->c == MY_C_WAITS && x->l == MY_L_IDLE)
			take_link(x);
	} while (x->c_moved || x->s_moved);
}

/* ---- begin and end ---- */
void my_core_link_begin(struct my_core *x)
{
	struct proto_creds creds = { .password = "app" };
	struct err e;
	const struct proto_link_login ll = { .user = "app",
		.database = "",
		.creds = &creds,
		.link_class = x->c == MY_C_WAITS || x->c == MY_C_READY
				      ? OPS->client_link_class(x->cst)
				      : 0 };
	must(OPS->link_init(x->lst, x->env, &ll, &x->up, &e) == 0);
	x->l = MY_L_LOGIN;
}

/* What a greeting must know of the server, from the server's own. */
static void learn_facts(struct my_core *x, const uint8_t *p, size_t n, struct buf *facts)
{
	const struct proto_creds none = { .password = "" };
	const struct proto_link_login ll = { .user = "app", .database = "", .creds = &none };
	struct buf up;
	struct err e;
	buf_init(&up, 0);
	must(OPS->link_init(x->lst, x->env, &ll, &up, &e) == 0);
	(void)OPS->link_step(x->lst, p, n, &up, &e);
	(void)OPS->link_facts(x->lst, facts);
	OPS->link_fini(x->lst);
	memset(x->lst, 0, OPS->link_size);
	buf_fini(&up);
}

void my_core_init(struct my_core *x, const uint8_t *greeting, size_t n, unsigned cut)
{
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20, .max_inspect_bytes = 65536 };
	struct buf facts;
	memset(x, 0, sizeof(*x));
	x->cut = cut;
	x->seed = 1;
	x->env = OPS->env_new(&o);
	x->cst = mem_alloc(MEM_MISC, OPS->client_size);
	x->lst = mem_alloc(MEM_MISC, OPS->link_size);
	buf_init(&facts, 0);
	learn_facts(x, greeting, n, &facts);
	const struct proto_greet g = { .number = 7,
		.version = "9.7.4-2",
		.facts = buf_data(&facts),
		.facts_n = buf_len(&facts) };
	OPS->client_init(x->cst, x->env, &g, &x->down);
	buf_fini(&x->down);
	buf_fini(&facts);
}

void my_core_fini(struct my_core *x)
{
	client_gone(x);
	if (x->l != MY_L_NONE)
		link_gone(x);
	OPS->cache_free(&x->cache);
	OPS->env_free(x->env);
	mem_free(MEM_MISC, x->cst);
	mem_free(MEM_MISC, x->lst);
	buf_fini(&x->c_in);
	buf_fini(&x->s_in);
	buf_fini(&x->up);
	buf_fini(&x->down);
}
