/* pg_pool - a very small pooler around proto_pg for tests. */
#include "pg_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

#define OPS (&proto_pg)
static const uint8_t key[8] = { 0, 0, 0, 9, 1, 2, 3, 4 };

unsigned pool_rand(struct pool *p, unsigned n)
{
	p->seed = p->seed * 1664525u + 1013904223u;
	return n ? (p->seed >> 8) % n : 0;
}

static void give(struct pool *p, struct plink *l);
static void serve(struct pool *p);

static void link_reset(struct pool *p, struct plink *l)
{
	(void)p;
	buf_fini(&l->in);
	buf_fini(&l->up);
	pgsim_fini(&l->sim);
	OPS->link_fini(l->lst);
	free(l->lst);
	memset(l, 0, sizeof(*l));
	l->state = PL_CLOSED;
}

void pool_close_link(struct pool *p, struct plink *l)
{
	struct psess *s = l->sess;
	if (s) {
		OPS->detach(s->cst, l->lst);
		s->link = NULL;
		l->sess = NULL;
	}
	link_reset(p, l);
	if (s && s->state == PS_ACTIVE)
		pool_close_sess(p, s);
}

void pool_lose_link(struct pool *p, struct plink *l)
{
	struct psess *s = l->sess;
	struct err request, tx;
	struct proto_loss x = { &request, &tx };
	err_set(&request, ERR_OUTCOME_UNKNOWN, "unknown");
	err_set(&tx, ERR_TX_LOST, "lost");
	if (s && s->state == PS_ACTIVE && OPS->client_lost(s->cst, l->lst, &x, &s->got))
		s->state = PS_IDLE;
	pool_close_link(p, l);
}

static void clean(struct pool *p, struct plink *l)
{
	(void)p;
	l->state = OPS->link_clean(l->lst, "", false, &l->up) ? PL_CLEAN : PL_IDLE;
}

void pool_close_sess(struct pool *p, struct psess *s)
{
	struct plink *l = s->link;
	if (s->state == PS_CLOSED)
		return;
	s->state = PS_CLOSED;
	if (l) {
		bool broken = OPS->client_mid_message(s->cst);
		OPS->detach(s->cst, l->lst);
		s->link = NULL;
		l->sess = NULL;
		if (broken)
			link_reset(p, l);
		else if (!OPS->link_owes(l->lst))
			clean(p, l);
		else if (OPS->link_abort(l->lst, &l->up))
			l->state = PL_CLEAN;
		else
			link_reset(p, l);
	}
	OPS->client_fini(s->cst);
	free(s->cst);
	s->cst = NULL;
	buf_fini(&s->to_proxy);
	buf_fini(&s->in);
}

static void new_link(struct pool *p)
{
	struct err e;
	struct proto_creds creds;
	memset(&creds, 0, sizeof(creds));
	struct proto_link_login in = { .user = "postgres", .database = "db", .creds = &creds };
	for (unsigned i = 0; i < p->max_links; i++) {
		struct plink *l = &p->link[i];
		if (l->state != PL_CLOSED)
			continue;
		l->lst = calloc(1, OPS->link_size);
		buf_init(&l->in, 0);
		buf_init(&l->up, 0);
		pgsim_init(&l->sim);
		if (OPS->link_init(l->lst, p->env, &in, &l->up, &e))
			abort();
		buf_fini(&l->up); /* the simulated server greets without being asked */
		pgsim_welcome(&l->sim);
		l->state = PL_LOGIN;
		return;
	}
}

static void ready(struct pool *p, struct psess *s, struct plink *l)
{
	if (!OPS->client_ready(s->cst, l->lst, &p->cache, key, 8, &s->got))
		abort();
	OPS->detach(s->cst, l->lst);
	s->link = NULL;
	l->sess = NULL;
	s->state = PS_IDLE;
	l->state = PL_IDLE;
}

static void give(struct pool *p, struct plink *l)
{
	struct psess *s = l->sess;
	bool login = s->state == PS_WAIT_LOGIN, put = OPS->attach(s->cst, l->lst, &l->up);
	l->state = PL_BUSY;
	if (login && !put)
		ready(p, s, l);
	else if (!login)
		s->state = PS_ACTIVE;
}

static void serve(struct pool *p)
{
	unsigned from = pool_rand(p, POOL_N);
	for (unsigned i = 0; i < p->n_sess; i++) {
		struct psess *s = &p->sess[i];
		struct plink *l = NULL;
		if ((s->state != PS_WAIT && s->state != PS_WAIT_LOGIN) || s->link)
			continue;
		for (unsigned j = 0; j < POOL_N && l == NULL; j++)
			if (p->link[(from + j) % POOL_N].state == PL_IDLE)
				l = &p->link[(from + j) % POOL_N];
		if (l == NULL) {
			new_link(p);
			continue;
		}
		s->link = l;
		l->sess = s;
		give(p, l);
	}
}

static size_t cut_of(struct pool *p, size_t n, size_t cut)
{
	size_t k = cut ? 1 + pool_rand(p, (unsigned)cut) : n;
	return k < n ? k : n;
}

/* ---- a session's input ---- */

static void login_event(struct pool *p, struct psess *s, const struct pev *ev)
{
	struct err e;
	struct proto_proof pr = { .kind = PROOF_NONE };
	struct proto_client_conf conf = {
		.mode = p->mode, .max_prepared = p->max_prepared, .counters = &p->counters
	};
	if (ev->kind == PEV_LOGIN) {
		if (OPS->client_auth(s->cst, &pr, &s->got, &e))
			abort();
	} else if (ev->kind == PEV_AUTH_OK) {
		if (OPS->client_conf(s->cst, &conf, &e))
			abort();
		s->state = OPS->client_ready(s->cst, NULL, &p->cache, key, 8, &s->got)
				   ? PS_IDLE
				   : PS_WAIT_LOGIN;
	} else if (ev->kind != PEV_DROP && ev->kind != PEV_MORE) {
		pool_close_sess(p, s);
	}
}

/* Offers n bytes. False: no progress. */
static bool sess_input(struct pool *p, struct psess *s, size_t n)
{
	struct err e = { 0 };
	struct buf none;
	struct pev ev;
	if (s->state == PS_CLOSED || s->state == PS_WAIT || s->state == PS_WAIT_LOGIN)
		return false;
	if (s->state == PS_LOGIN) {
		ev = OPS->client_step(s->cst, buf_data(&s->in), n, &s->got, &e);
		if (ev.n)
			buf_consume(&s->in, ev.n);
		login_event(p, s, &ev);
		return ev.kind != PEV_MORE;
	}
	buf_init(&none, 0);
	size_t was = buf_len(&s->got);
	ev = OPS->up(s->cst, s->link ? s->link->lst : NULL, buf_data(&s->in), n,
		s->link ? &s->link->up : &none, &s->got, &e);
	if (buf_len(&none))
		abort();
	if (ev.n > n)
		abort();
	switch ((int)ev.kind) {
	case PEV_FORWARD:
		buf_append(&s->link->up, buf_data(&s->in), ev.n);
		buf_consume(&s->in, ev.n);
		return true;
	case PEV_DROP:
		if (ev.n)
			buf_consume(&s->in, ev.n);
		return ev.n > 0;
	case PEV_REQUEST:
		if (s->link)
			abort();
		s->state = PS_WAIT;
		return true;
	case PEV_MORE: return buf_len(&s->got) != was;
	default:
		s->why = e;
		if (ev.kind == PEV_BAD && s->link)
			pool_close_link(p, s->link);
		pool_close_sess(p, s);
		return true;
	}
}

static bool step_sess(struct pool *p, struct psess *s, size_t cut)
{
	if (s->state == PS_CLOSED)
		return false;
	size_t n = cut_of(p, buf_len(&s->to_proxy), cut), seen = 0;
	bool moved = n > 0;
	if (n) {
		buf_append(&s->in, buf_data(&s->to_proxy), n);
		buf_consume(&s->to_proxy, n);
	}
	/* Show it a part first, to find what depends on how much is there. */
	while (s->state != PS_CLOSED && ((seen = buf_len(&s->in)) > 0 || s->state == PS_LOGIN)) {
		if (!sess_input(p, s, cut_of(p, seen, cut)) &&
			(s->state == PS_CLOSED || !sess_input(p, s, buf_len(&s->in))))
			break;
		moved = true;
	}
	return moved;
}

/* ---- a link's input ---- */

static void idle_point(struct pool *p, struct plink *l)
{
	struct psess *s = l->sess;
	if (OPS->link_release(s->cst, l->lst, &l->up) != REL_FREE)
		return;
	OPS->detach(s->cst, l->lst);
	l->sess = NULL;
	s->link = NULL;
	s->state = PS_IDLE;
	clean(p, l);
}

static void link_down(struct pool *p, struct plink *l, const struct err *e)
{
	p->n_bad++;
	p->last_bad = *e;
	pool_close_link(p, l);
}

static bool link_event(struct pool *p, struct plink *l, const struct pev *ev, const struct err *e)
{
	struct psess *s = l->sess;
	if (ev->kind == PEV_FORWARD) {
		if (s == NULL)
			abort();
		buf_append(&s->got, buf_data(&l->in), ev->n);
	}
	if (ev->n)
		buf_consume(&l->in, ev->n);
	switch ((int)ev->kind) {
	case PEV_TX:
		if (ev->idle && s == NULL)
			clean(p, l);
		else if (ev->idle && ev->tx == TX_IDLE && p->mode != PROTO_SESSION)
			idle_point(p, l);
		break;
	case PEV_SYNCED:
		if (s->state == PS_WAIT_LOGIN)
			ready(p, s, l);
		break;
	case PEV_ASKED:
		if (!OPS->link_owes(l->lst))
			idle_point(p, l);
		break;
	case PEV_QUERY_DONE:
		if (err_is(e))
			link_down(p, l, e);
		else
			l->state = PL_IDLE;
		break;
	case PEV_LINK_BAD:
		if (ev->text_n) {
			struct buf all;
			buf_init(&all, 0);
			buf_append(&all, ev->text, ev->text_n);
			buf_append(&all, buf_data(&s->in), buf_len(&s->in));
			buf_fini(&s->in);
			s->in = all;
		}
		s->state = s->state == PS_WAIT_LOGIN ? PS_WAIT_LOGIN : PS_IDLE;
		link_down(p, l, e);
		break;
	case PEV_BAD:
		if (s)
			s->why = *e;
		link_down(p, l, e);
		break;
	default: return ev->n > 0;
	}
	return true;
}

static bool link_input(struct pool *p, struct plink *l, size_t n)
{
	struct err e = { 0 };
	struct buf none;
	struct pev ev;
	buf_init(&none, 0);
	if (l->state == PL_LOGIN) {
		ev = OPS->link_step(l->lst, buf_data(&l->in), n, &none, &e);
		buf_fini(&none);
		if (ev.n)
			buf_consume(&l->in, ev.n);
		if (ev.kind == PEV_AUTH_OK)
			l->state = PL_IDLE;
		else if (ev.kind != PEV_MORE && ev.kind != PEV_DROP)
			abort();
		return ev.kind != PEV_MORE;
	}
	struct psess *s = l->sess;
	ev = OPS->down(
		s ? s->cst : NULL, l->lst, buf_data(&l->in), n, &l->up, s ? &s->got : &none, &e);
	if (buf_len(&none) || ev.n > n)
		abort();
	return link_event(p, l, &ev, &e);
}

static bool step_link(struct pool *p, struct plink *l, size_t cut)
{
	bool moved = false;
	if (l->state == PL_CLOSED)
		return false;
	size_t n = cut_of(p, buf_len(&l->up), cut);
	if (n) {
		buf_append(&l->sim.in, buf_data(&l->up), n);
		buf_consume(&l->up, n);
		pgsim_run(&l->sim);
		moved = true;
	}
	n = cut_of(p, buf_len(&l->sim.out), cut);
	if (n) {
		buf_append(&l->in, buf_data(&l->sim.out), n);
		buf_consume(&l->sim.out, n);
		moved = true;
	}
	while (l->state != PL_CLOSED && (n = buf_len(&l->in)) > 0) {
		if (!link_input(p, l, cut_of(p, n, cut)) &&
			(l->state == PL_CLOSED || !link_input(p, l, buf_len(&l->in))))
			break;
		moved = true;
	}
	return moved;
}

bool pool_step(struct pool *p, size_t cut)
{
	bool moved = false;
	unsigned from = pool_rand(p, 2 * POOL_N);
	serve(p);
	for (unsigned i = 0; i < 2 * POOL_N; i++) {
		unsigned k = (from + i) % (2 * POOL_N);
		if (cut && pool_rand(p, 3) == 0)
			moved = true; /* not now */
		else if (k < POOL_N && k < p->n_sess)
			moved = step_sess(p, &p->sess[k], cut) || moved;
		else if (k >= POOL_N)
			moved = step_link(p, &p->link[k - POOL_N], cut) || moved;
	}
	return moved;
}

static bool quiet(struct pool *p)
{
	bool moved = false;
	serve(p);
	for (unsigned i = 0; i < POOL_N; i++) {
		moved = (i < p->n_sess && step_sess(p, &p->sess[i], 0)) || moved;
		moved = step_link(p, &p->link[i], 0) || moved;
	}
	return !moved;
}

void pool_run(struct pool *p, size_t cut)
{
	for (unsigned i = 0; cut && i < 20000; i++) {
		bool left = false;
		pool_step(p, cut);
		for (unsigned j = 0; j < POOL_N; j++)
			left = left ||
			       (j < p->n_sess && p->sess[j].state != PS_CLOSED &&
				       buf_len(&p->sess[j].to_proxy)) ||
			       (p->link[j].state != PL_CLOSED &&
				       (buf_len(&p->link[j].up) || buf_len(&p->link[j].in) ||
					       buf_len(&p->link[j].sim.out)));
		if (!left)
			break;
	}
	unsigned still = 0;
	while (still < 3)
		still = quiet(p) ? still + 1 : 0;
}

void pool_send(struct psess *s, const struct buf *b)
{
	if (s->state != PS_CLOSED)
		buf_append(&s->to_proxy, buf_data(b), buf_len(b));
}

struct psess *pool_login(struct pool *p, const char *const *params)
{
	struct buf b;
	struct psess *s = NULL;
	for (unsigned i = 0; i < p->n_sess && s == NULL; i++)
		if (p->sess[i].state == PS_CLOSED)
			s = &p->sess[i];
	if (s == NULL)
		s = &p->sess[p->n_sess++];
	buf_fini(&s->got);
	memset(s, 0, sizeof(*s));
	buf_init(&s->to_proxy, 0);
	buf_init(&s->in, 0);
	buf_init(&s->got, 0);
	s->cst = calloc(1, OPS->client_size);
	OPS->client_init(s->cst, p->env, NULL, &s->got);
	buf_init(&b, 0);
	size_t at = pgstartup_begin(&b, PGSTARTUP_VERSION(3, 0));
	pgstartup_put_param(&b, "user", "postgres");
	for (; params && *params; params += 2)
		pgstartup_put_param(&b, params[0], params[1]);
	pgstartup_end(&b, at);
	pool_send(s, &b);
	buf_fini(&b);
	return s;
}

void pool_init(struct pool *p, enum proto_mode mode, unsigned n_links, unsigned max_prepared,
	unsigned seed)
{
	struct proto_env_opts o = { .stmt_bytes = 1 << 20, .max_inspect_bytes = 65536 };
	memset(p, 0, sizeof(*p));
	p->env = OPS->env_new(&o);
	p->mode = mode;
	p->max_links = n_links;
	p->max_prepared = max_prepared;
	p->seed = seed;
	for (unsigned i = 0; i < POOL_N; i++) {
		p->link[i].state = PL_CLOSED;
		p->sess[i].state = PS_CLOSED;
	}
}

void pool_fini(struct pool *p)
{
	for (unsigned i = 0; i < p->n_sess; i++) {
		pool_close_sess(p, &p->sess[i]);
		buf_fini(&p->sess[i].got);
	}
	for (unsigned i = 0; i < POOL_N; i++)
		if (p->link[i].state != PL_CLOSED)
			link_reset(p, &p->link[i]);
	OPS->cache_free(&p->cache);
	OPS->env_free(p->env);
}
