/* move - asks whoever may decide it to make another node the primary: Patroni by its REST API, a
 * group by a statement. Whether that has happened is not its matter: the probes see it. Control
 * thread.
 * Sources: Patroni docs, Patroni REST API: POST /switchover; MySQL manual,
 * group_replication_set_as_primary(). */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/http_url.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FIND_US 2000000 /* for each Patroni to say who there is */

struct move {
	struct monitor *m;
	unsigned to;
	char *user, *password; /* of the statement */
	char *auth;            /* of the request */
	void (*done)(void *arg, const struct err *e);
	void *arg;
	struct timer timer;
	bool ended;
	/* Patroni */
	struct http http;
	unsigned asked;  /* which Patroni was asked who there is */
	bool ordered;    /* the request itself is on its way */
	char order[300]; /* its body */
	char leader[64], leader_url[300], candidate[64];
	int leader_node;
	/* a group */
	struct ask_opts o;
	struct ask ask;
	char sql[160], said[200];
};

static void finish(struct move *v, const struct err *e)
{
	if (v->ended)
		return;
	v->ended = true;
	timer_clear(v->m->loop, &v->timer);
	v->done(v->arg, e);
}

static void fail(struct move *v, const char *what, const char *why)
{
	struct err e = { 0 };
	err_set(&e, ERR_SERVER_CONNECT, "%s: %.180s", what, why);
	finish(v, &e);
}

/* ---- Patroni ---- */

static void look(struct move *v);

/* One line of what it answers. */
static void one_line(char *out, size_t n, const char *p, size_t p_n)
{
	size_t i = 0;
	for (; i < p_n && i + 1 < n && p[i] != '\n' && p[i] != '\r'; i++)
		out[i] = (unsigned char)p[i] < ' ' ? ' ' : p[i];
	out[i] = '\0';
}

static void on_member(void *arg, const struct patroni_member *p)
{
	struct move *v = arg;
	int node = monitor_node_at(v->m, p->host, p->port, p->name);
	if (strcmp(p->role, "leader") == 0 || strcmp(p->role, "master") == 0) {
		snprintf(v->leader, sizeof v->leader, "%s", p->name);
		snprintf(v->leader_url, sizeof v->leader_url, "%s", p->api_url);
		v->leader_node = node;
	} else if (node == (int)v->to) {
		snprintf(v->candidate, sizeof v->candidate, "%s", p->name);
	}
}

static void address(struct move *v, const char *host, unsigned port)
{
	snprintf(v->http.host, sizeof v->http.host, "%s", host);
	v->http.port = port;
}

/* The leader's own Patroni acts at once; any other one would leave it to the leader's next look at
 * the store. With TLS it is asked as the configuration calls it, if it does: its certificate may
 * not have the address that it announces. Never in clear what was asked by TLS. */
static void order(struct move *v)
{
	const struct monitor *m = v->m;
	struct http_url u;
	if (v->http.tls && m->patroni_n == m->n && m->patroni[v->leader_node].http.tls)
		address(v, m->patroni[v->leader_node].http.host,
			m->patroni[v->leader_node].http.port);
	else if (http_url_parse(v->leader_url, &u) == 0 && u.tls == (v->http.tls != NULL))
		address(v, u.host, u.port);
	snprintf(v->order, sizeof v->order, "{\"leader\": \"%s\", \"candidate\": \"%s\"}",
		v->leader, v->candidate);
	snprintf(v->http.path, sizeof v->http.path, "/switchover");
	v->http.post = v->order;
	v->http.auth = v->auth;
	v->ordered = true;
	http_send(&v->http);
}

static void on_ordered(struct move *v, int status, const char *body, size_t n, const struct err *e)
{
	char what[120], text[200];
	if (body && status / 100 == 2) {
		finish(v, NULL);
		return;
	}
	snprintf(what, sizeof what, "Patroni (status %d)", status);
	if (body)
		one_line(text, sizeof text, body, n);
	fail(v, body ? what : "Patroni", body ? text : e->msg);
}

static void on_answer(struct http *h, int status, const char *body, size_t n, const struct err *e)
{
	struct move *v = h->owner;
	bool paused;
	if (v->ordered) {
		on_ordered(v, status, body, n, e);
		return;
	}
	v->leader[0] = v->candidate[0] = '\0';
	if (!body || status != 200 || patroni_members(body, n, on_member, v, &paused) < 0) {
		v->asked++;
		look(v);
		return;
	}
	timer_clear(v->m->loop, &v->timer);
	const struct cluster_view *view = cluster_view(v->m->c);
	if (!*v->leader || v->leader_node != view->primary)
		fail(v, "Patroni",
			*v->leader ? "another member is its leader" : "it has no leader");
	else if (!*v->candidate)
		fail(v, "Patroni", "that node is none of its members");
	else
		order(v);
}

/* Asks one after another who there is. */
static void look(struct move *v)
{
	struct monitor *m = v->m;
	if (v->asked >= m->patroni_n) {
		fail(v, "Patroni", "none of its REST APIs answers");
		return;
	}
	address(v, m->patroni[v->asked].http.host, m->patroni[v->asked].http.port);
	v->http.tls = m->patroni[v->asked].http.tls;
	snprintf(v->http.path, sizeof v->http.path, "/cluster");
	timer_set(m->loop, &v->timer, loop_now_us(m->loop) + FIND_US);
	http_send(&v->http);
}

static void on_late(struct timer *t, void *arg)
{
	struct move *v = arg;
	(void)t;
	http_stop(&v->http);
	v->asked++;
	look(v);
}

/* ---- a group ---- */

static void on_ready(struct ask *a)
{
	struct move *v = a->owner;
	ask_query(a, v->sql);
}
static void on_row(struct ask *a, const char *const *cells, unsigned n)
{
	struct move *v = a->owner;
	snprintf(v->said, sizeof v->said, "%.190s", n && cells[0] ? cells[0] : "");
}
static void on_done(struct ask *a, const struct err *e)
{
	struct move *v = a->owner;
	if (e)
		fail(v, "the group", e->msg);
	else
		finish(v, NULL);
}
static void on_failed(struct ask *a, enum cluster_failure f, const char *text)
{
	(void)f;
	fail(a->owner, "the group", text);
}
static const struct ask_cb ask_cb = {
	.ready = on_ready, .row = on_row, .done = on_done, .failed = on_failed
};

static int begin_group(struct move *v, struct err *e)
{
	const char *uuid = v->m->probe[v->to].server;
	if (strlen(uuid) != 36 || strspn(uuid, "0123456789abcdefABCDEF-") != 36)
		return err_set(e, ERR_NOT_ALLOWED, "the server_uuid of %s is not known",
			v->m->nodes[v->to].name);
	snprintf(v->sql, sizeof v->sql, "SELECT group_replication_set_as_primary('%s')", uuid);
	v->o = v->m->find[v->to].o;
	if (*v->user) {
		v->o.user = v->user;
		v->o.password = v->password;
	}
	ask_init(&v->ask, &v->o, &ask_cb, v);
	ask_open(&v->ask);
	return 0;
}

/* ---- life ---- */

void move_set_tls(struct move *v, struct tls_ctx *tls)
{
	v->o.tls = tls;
}

static void forget(char *secret)
{
	if (secret)
		mem_wipe(secret, strlen(secret));
	mem_free(MEM_CLUSTER, secret);
}

void monitor_move_stop(struct monitor *m)
{
	struct move *v = m->move;
	m->move = NULL;
	if (!v)
		return;
	v->ended = true;
	timer_clear(m->loop, &v->timer);
	http_stop(&v->http);
	ask_close(&v->ask);
	mem_free(MEM_CLUSTER, v->user);
	forget(v->password);
	forget(v->auth);
	mem_free(MEM_CLUSTER, v);
}

const char *monitor_mover(const struct monitor *m)
{
	return m->patroni_n ? "Patroni" : m->c && m->co.kind == CLUSTER_GR ? "the group" : NULL;
}

/* From the loop: whoever asked has the answer to monitor_move() by then. */
static void on_begin(struct timer *t, void *arg)
{
	struct move *v = arg;
	struct err e = { 0 };
	(void)t;
	if (v->m->patroni_n) {
		timer_init(&v->timer, on_late, v);
		look(v);
	} else if (begin_group(v, &e) != 0) {
		finish(v, &e);
	}
}

int monitor_move(struct monitor *m, const struct monitor_move_opts *o,
	void (*done)(void *arg, const struct err *e), void *arg, struct err *e)
{
	if (!m->c || !monitor_mover(m))
		return err_set(e, ERR_UNSUPPORTED, "nobody can be asked to move the primary");
	monitor_move_stop(m);
	struct move *v = mem_alloc(MEM_CLUSTER, sizeof *v);
	if (!v)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	m->move = v;
	v->m = m;
	v->to = o->to;
	v->done = done;
	v->arg = arg;
	v->leader_node = -1;
	v->http = (struct http){
		.loop = m->loop, .resolver = m->resolver, .owner = v, .done = on_answer
	};
	v->http.st.fd = v->ask.st.fd = -1;
	v->http.st.closed = v->ask.st.closed = true;
	timer_init(&v->timer, on_begin, v);
	v->user = mem_strdup(MEM_CLUSTER, o->user);
	v->password = mem_strdup(MEM_CLUSTER, o->password);
	v->auth = o->auth ? mem_strdup(MEM_CLUSTER, o->auth) : NULL;
	if (!v->user || !v->password || (o->auth && !v->auth)) {
		monitor_move_stop(m);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	timer_set(m->loop, &v->timer, loop_now_us(m->loop) + 1);
	return 0;
}
