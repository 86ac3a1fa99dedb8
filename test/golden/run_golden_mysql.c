/* run_golden_mysql - replays the conversations of test/golden/mysql-through, which record-mysql
 * wrote while it talked to a real server through a weirpool: what the client said (C) and the
 * server said (S) goes into a session and a link of proto_mysql, whole, one byte at a time and at
 * random cuts, and what reaches the server (U) and the client (D) must be what it was then. Core's
 * rules for who has the link are here in small. Of the client's login only its response is
 * replayed: the proof of the record answers another nonce. */
#include "../unit/my_record.h"
#include "proto/proto.h"
#include "wire/mysql/packet.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define OPS (&proto_mysql)
#define BIG_BYTES (1U << 20) /* conversations above are not cut into single bytes */

static void teardown(void)
{
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(golden_mysql, .fini = teardown, .timeout = 300);

enum cstate { C_LOGIN, C_WAITS, C_READY, C_GONE };
enum lstate { L_NONE, L_LOGIN, L_IDLE, L_BUSY, L_CLEANS };

struct scene {
	struct my_record *r;
	struct proto_env *env;
	struct proto_cache *cache;
	struct proto_counters counters;
	void *cst, *lst;
	enum cstate c;
	enum lstate l; /* L_BUSY: it is the session's */
	struct buf c_in, s_in, up, down;
	unsigned cut; /* 0: whole, 1: bytes, else: random up to it */
	unsigned seed;
	bool c_moved, s_moved;
};

#define check(x, what) cr_assert(what, "%s:%u (cut %u)", (x)->r->name, (x)->r->line_no, (x)->cut)

/* ---- core in small ---- */
static void give_back(struct scene *x)
{
	if (OPS->link_release(x->cst, x->lst, &x->up) != REL_FREE)
		return;
	OPS->detach(x->cst, x->lst);
	x->l = OPS->link_clean(x->lst, "", false, &x->up) ? L_CLEANS : L_IDLE;
}

static void welcome(struct scene *x)
{
	static const uint8_t key[8];
	check(x, OPS->client_ready(x->cst, x->lst, &x->cache, key, sizeof(key), &x->down));
	x->c = C_READY;
	give_back(x);
}

static void take_link(struct scene *x)
{
	x->l = L_BUSY;
	bool put = OPS->attach(x->cst, x->lst, &x->up);
	if (x->c == C_WAITS && !put)
		welcome(x);
}

static void client_left(struct scene *x)
{
	if (x->l == L_BUSY) {
		OPS->detach(x->cst, x->lst);
		x->l = OPS->link_clean(x->lst, "", false, &x->up) ? L_CLEANS : L_IDLE;
	}
	x->c = C_GONE;
	/* Nothing is left of it: its temporary objects go too. */
	OPS->client_fini(x->cst);
}

static void login_event(struct scene *x, const struct pev *ev)
{
	const struct proto_proof pr = { .kind = PROOF_NONE };
	const struct proto_client_conf conf = { .mode = PROTO_TRANSACTION,
		.max_prepared = 200,
		.counters = &x->counters,
		.database = OPS->client_login(x->cst) ? OPS->client_login(x->cst)->database : "" };
	struct err e;
	if (ev->kind == PEV_LOGIN)
		check(x, OPS->client_auth(x->cst, &pr, &x->down, &e) == 0);
	if (ev->kind != PEV_AUTH_OK)
		return;
	check(x, OPS->client_conf(x->cst, &conf, &e) == 0);
	check(x, !OPS->client_ready(x->cst, NULL, &x->cache, NULL, 0, &x->down));
	buf_fini(&x->down); /* what the proof of another nonce would have caused */
	x->c = C_WAITS;
}

static bool client_event(struct scene *x, const struct pev *ev, const struct err *e)
{
	switch ((int)ev->kind) {
	case PEV_MORE: return false;
	case PEV_FORWARD: buf_append(&x->up, buf_data(&x->c_in), ev->n); break;
	case PEV_REQUEST:
		if (x->l != L_IDLE)
			return false;
		take_link(x);
		break;
	case PEV_BAD: cr_assert_fail("%s:%u: client: %s", x->r->name, x->r->line_no, e->msg);
	default: break;
	}
	if (ev->n)
		buf_consume(&x->c_in, ev->n);
	if (ev->kind == PEV_BYE)
		client_left(x);
	return true;
}

static bool link_event(struct scene *x, const struct pev *ev, const struct err *e)
{
	bool mine = x->l == L_BUSY;
	if (ev->kind == PEV_MORE)
		return false;
	if (ev->kind == PEV_FORWARD)
		buf_append(&x->down, buf_data(&x->s_in), ev->n);
	if (ev->n)
		buf_consume(&x->s_in, ev->n);
	switch ((int)ev->kind) {
	case PEV_TX:
		if (mine && ev->idle && ev->tx == TX_IDLE)
			give_back(x);
		break;
	case PEV_SYNCED:
		if (x->c == C_WAITS)
			welcome(x);
		break;
	case PEV_ASKED:
		if (!OPS->link_owes(x->lst))
			give_back(x);
		break;
	case PEV_AUTH_OK:
	case PEV_QUERY_DONE: x->l = L_IDLE; break;
	case PEV_BAD:
	case PEV_LINK_BAD: cr_assert_fail("%s:%u: server: %s", x->r->name, x->r->line_no, e->msg);
	default: break;
	}
	return true;
}

/* ---- bytes ---- */
static size_t some(struct scene *x, size_t have, size_t shown)
{
	if (x->cut == 0)
		return have;
	x->seed = x->seed * 1664525u + 1013904223u;
	size_t k = shown + (x->cut == 1 ? 1 : 1 + (x->seed >> 8) % x->cut);
	return k < have ? k : have;
}

/* Offers more and more of what the client sent until it is taken. */
static void feed_client(struct scene *x)
{
	struct err e = { 0 };
	size_t shown = 0;
	while (x->c == C_LOGIN || (x->c == C_READY && buf_len(&x->c_in))) {
		size_t have = buf_len(&x->c_in);
		shown = some(x, have, shown);
		struct pev ev;
		if (x->c == C_LOGIN) {
			ev = OPS->client_step(x->cst, buf_data(&x->c_in), shown, &x->down, &e);
			login_event(x, &ev);
			if (ev.n)
				buf_consume(&x->c_in, ev.n);
			if (ev.kind == PEV_MORE && shown == have)
				return;
			shown = ev.n ? 0 : shown;
			continue;
		}
		ev = OPS->up(x->cst, x->l == L_BUSY ? x->lst : NULL, buf_data(&x->c_in), shown,
			&x->up, &x->down, &e);
		check(x, ev.n <= shown);
		if (client_event(x, &ev, &e)) {
			x->c_moved = true;
			shown = ev.n ? 0 : shown;
		} else if (shown == have || ev.kind == PEV_REQUEST) {
			return;
		}
	}
}

static void feed_server(struct scene *x)
{
	struct err e = { 0 };
	struct buf none;
	size_t shown = 0;
	buf_init(&none, 0);
	while (buf_len(&x->s_in) && x->l != L_NONE) {
		size_t have = buf_len(&x->s_in);
		bool mine = x->l == L_BUSY;
		shown = some(x, have, shown);
		struct pev ev =
			x->l == L_LOGIN
				? OPS->link_step(x->lst, buf_data(&x->s_in), shown, &x->up, &e)
				: OPS->down(mine ? x->cst : NULL, x->lst, buf_data(&x->s_in), shown,
					  &x->up, mine ? &x->down : &none, &e);
		check(x, ev.n <= shown && buf_len(&none) == 0);
		if (link_event(x, &ev, &e)) {
			x->s_moved = true;
			shown = ev.n ? 0 : shown;
		} else if (shown == have) {
			return;
		}
	}
}

static void pump(struct scene *x)
{
	do {
		x->c_moved = x->s_moved = false;
		feed_client(x);
		feed_server(x);
		if (x->c == C_WAITS && x->l == L_IDLE)
			take_link(x);
	} while (x->c_moved || x->s_moved);
}

/* ---- lines ---- */
static void add_packet(struct scene *x, struct buf *to)
{
	uint8_t seq = x->r->seq;
	mypacket_put_head(to, &seq, (uint32_t)buf_len(&x->r->payload));
	buf_append(to, buf_data(&x->r->payload), buf_len(&x->r->payload));
}

static void expect(struct scene *x, struct buf *got, bool any_seq)
{
	struct buf want;
	uint8_t seq = x->r->seq;
	buf_init(&want, 0);
	mypacket_put_head(&want, &seq, (uint32_t)buf_len(&x->r->payload));
	buf_append(&want, buf_data(&x->r->payload), buf_len(&x->r->payload));
	size_t n = buf_len(&want);
	cr_assert_geq(buf_len(got), n, "%s:%u (cut %u): %zu bytes came, not %zu", x->r->name,
		x->r->line_no, x->cut, buf_len(got), n);
	if (any_seq)
		buf_data(got)[3] = x->r->seq;
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_data(got)[i], buf_data(&want)[i],
			"%s:%u (cut %u): byte %zu is %02x", x->r->name, x->r->line_no, x->cut, i,
			buf_data(got)[i]);
	buf_consume(got, n);
	buf_fini(&want);
}

static void link_begin(struct scene *x)
{
	struct proto_creds creds = { .password = "app" };
	struct err e;
	pump(x); /* the client's login, as far as it goes alone */
	check(x, x->c == C_WAITS);
	const struct proto_link_login ll = { .user = "app",
		.database = "",
		.creds = &creds,
		.link_class = OPS->client_link_class(x->cst) };
	check(x, OPS->link_init(x->lst, x->env, &ll, &x->up, &e) == 0);
	x->l = L_LOGIN;
}

static bool of_login(const struct my_record *r)
{
	static const char *const kinds[] = { "greeting", "switch", "more", "proof" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(r->kind, kinds[i]) == 0)
			return true;
	return false;
}

static void run_line(struct scene *x)
{
	if ((x->r->who == 'C' || x->r->who == 'D') && of_login(x->r))
		return;
	if (x->r->who == 'C') {
		pump(x); /* what the server said before it comes before it */
		add_packet(x, &x->c_in);
	} else if (x->r->who == 'S') {
		if (x->l == L_NONE)
			link_begin(x);
		add_packet(x, &x->s_in);
	} else {
		bool welcome_ok = x->r->who == 'D' && (x->c == C_LOGIN || x->c == C_WAITS);
		pump(x);
		const struct buf *p = &x->r->payload;
		if (x->c == C_GONE && buf_len(p) == 1 && *buf_data(p) == 1 && !buf_len(&x->up))
			OPS->put_bye(x->lst, &x->up);
		expect(x, x->r->who == 'U' ? &x->up : &x->down, welcome_ok);
	}
}

/* What a greeting must know of the server, from the server's own. */
static void learn_facts(struct scene *x, struct buf *facts)
{
	const struct proto_creds none = { .password = "" };
	const struct proto_link_login ll = { .user = "app", .database = "", .creds = &none };
	struct buf in, up;
	struct err e;
	void *lst = mem_alloc(MEM_MISC, OPS->link_size);
	buf_init(&in, 0);
	buf_init(&up, 0);
	while (my_record_next(x->r) && x->r->who != 'S')
		;
	add_packet(x, &in);
	check(x, OPS->link_init(lst, x->env, &ll, &up, &e) == 0);
	(void)OPS->link_step(lst, buf_data(&in), buf_len(&in), &up, &e);
	check(x, OPS->link_facts(lst, facts));
	OPS->link_fini(lst);
	mem_free(MEM_MISC, lst);
	buf_fini(&in);
	buf_fini(&up);
	my_record_rewind(x->r);
}

static void begin(struct scene *x, struct my_record *r, unsigned cut)
{
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20, .max_inspect_bytes = 65536 };
	struct buf facts;
	memset(x, 0, sizeof(*x));
	x->r = r;
	x->cut = cut;
	x->seed = 1;
	x->env = OPS->env_new(&o);
	x->cst = mem_alloc(MEM_MISC, OPS->client_size);
	x->lst = mem_alloc(MEM_MISC, OPS->link_size);
	buf_init(&facts, 0);
	learn_facts(x, &facts);
	const struct proto_greet g = {
		.number = 7, .version = "", .facts = buf_data(&facts), .facts_n = buf_len(&facts)
	};
	OPS->client_init(x->cst, x->env, &g, &x->down);
	buf_fini(&x->down);
	buf_fini(&facts);
}

static void end(struct scene *x)
{
	pump(x);
	cr_assert_eq(buf_len(&x->up), 0, "%s (cut %u): more went up", x->r->name, x->cut);
	cr_assert_eq(buf_len(&x->down), 0, "%s (cut %u): more came down", x->r->name, x->cut);
	cr_assert_eq(buf_len(&x->s_in), 0, "%s (cut %u): the server said more", x->r->name, x->cut);
	if (x->c != C_GONE) {
		if (x->l == L_BUSY)
			OPS->detach(x->cst, x->lst);
		OPS->client_fini(x->cst);
	}
	if (x->l != L_NONE)
		OPS->link_fini(x->lst);
	OPS->cache_free(&x->cache);
	OPS->env_free(x->env);
	mem_free(MEM_MISC, x->cst);
	mem_free(MEM_MISC, x->lst);
	buf_fini(&x->c_in);
}

static void replay(struct my_record *r, void *arg)
{
	static const unsigned cuts[] = { 0, 1, 3, 17, 200, 70000 };
	(void)arg;
	bool big = strstr(r->name, "-big") != NULL;
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		static struct scene x;
		if (big && cuts[i] != 0 && cuts[i] < 10000)
			continue;
		my_record_rewind(r);
		begin(&x, r, cuts[i]);
		while (my_record_next(r))
			run_line(&x);
		end(&x);
	}
}

Test(golden_mysql, every_conversation_at_every_cut)
{
	cr_assert_gt(my_record_each("mysql-through", "", replay, NULL), 10);
}
