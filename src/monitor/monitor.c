/* monitor - the clock of the probes, and the way from the state machine to whoever watches.
 * Control thread. */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TICK_US 10000
#define AUTHORITY_US 1000000
#define AUTHORITY_BURST_US 100000
#define KICK_US 5000

/* ---- handing out ---- */

static void hand_out(struct task *t, void *arg)
{
	struct monitor *m = arg;
	struct cluster_action a;
	(void)t;
	while (m->c && cluster_next_action(m->c, &a))
		m->cb.action(m->arg, &a);
	const struct cluster_view *v = m->c ? cluster_view(m->c) : NULL;
	if (v && v->version != m->shown) {
		m->shown = v->version;
		m->cb.view(m->arg, v);
	}
}

void monitor_told(struct monitor *m)
{
	task_post(m->loop, &m->task);
}

void monitor_changed(struct monitor *m)
{
	monitor_told(m);
}

void monitor_signal(struct monitor *m, unsigned node, enum cluster_signal s, const char *text)
{
	if (!m->c)
		return;
	cluster_on_signal(m->c, node, s, clock_mono_us(), text);
	monitor_told(m);
}

/* ---- which node is meant ---- */

int monitor_node_at(const struct monitor *m, const char *host, unsigned port, const char *name)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (*host && strcmp(m->nodes[i].host, host) == 0 && m->nodes[i].port == port)
			return (int)i;
	}
	for (unsigned i = 0; i < m->n; i++) {
		if (*name && strcmp(m->nodes[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

int monitor_node_of(const struct monitor *m, const char *server)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (*server && strcmp(m->probe[i].server, server) == 0)
			return (int)i;
	}
	return -1;
}

/* ---- time ---- */

static void ask_authority(struct monitor *m, int64_t now_us, bool burst)
{
	if (now_us < m->authority_due_us &&
		!(burst && m->authority_due_us > now_us + AUTHORITY_BURST_US))
		return;
	m->authority_due_us = now_us + (burst ? AUTHORITY_BURST_US : AUTHORITY_US);
	for (unsigned i = 0; i < m->patroni_n; i++)
		patroni_ask(&m->patroni[i]);
}

static void inherit(struct monitor *m)
{
	if (!m->c || !buf_len(&m->heir))
		return;
	if (!cluster_inherit(m->c, buf_data(&m->heir), buf_len(&m->heir), clock_mono_us()))
		log_event(EVENT_CLUSTER_STATE,
			"cluster %s: what was known of it before cannot be used", m->name);
	buf_fini(&m->heir);
	monitor_told(m);
}

void monitor_inherit(struct monitor *m, const uint8_t *p, size_t n)
{
	buf_fini(&m->heir);
	buf_init(&m->heir, 0);
	(void)buf_append(&m->heir, p, n);
	inherit(m);
}

static void begin(struct monitor *m, enum cluster_kind kind)
{
	m->co.kind = kind;
	m->co.authority = m->patroni_n > 0 || kind == CLUSTER_GR;
	m->c = cluster_new(&m->co, m->nodes, m->n, clock_mono_us());
	if (!m->c)
		return; /* out of memory: tried again with the next tick */
	for (unsigned i = 0; i < m->n; i++) {
		probe_init(&m->probe[i], m, i, &m->find[i].o, kind);
	}
	inherit(m);
	monitor_told(m);
}

static void on_tick(struct timer *t, void *arg)
{
	struct monitor *m = arg;
	int64_t now_us = clock_mono_us();
	if (!m->c && m->find_kind)
		find_tick(m, now_us);
	if (!m->c && !m->find_kind)
		begin(m, m->co.kind);
	bool burst = m->c && cluster_burst(m->c);
	for (unsigned i = 0; m->c && i < m->n; i++)
		probe_tick(&m->probe[i], now_us, burst);
	if (m->c) {
		ask_authority(m, now_us, burst);
		cluster_tick(m->c, clock_mono_us());
		monitor_told(m);
	}
	int64_t every_us =
		burst || !m->c || m->co.interval_us < 4 * TICK_US ? TICK_US : m->co.interval_us / 2;
	timer_set(m->loop, t, loop_now_us(m->loop) + every_us);
}

void monitor_kick(struct monitor *m)
{
	int64_t now_us = clock_mono_us();
	if (!m->c || now_us - m->kicked_us < KICK_US)
		return;
	m->kicked_us = now_us;
	for (unsigned i = 0; i < m->n; i++) {
		m->probe[i].fast_due_us = 0;
		probe_tick(&m->probe[i], now_us, cluster_burst(m->c));
	}
}

/* ---- life ---- */

static int copy_nodes(struct monitor *m, const struct monitor_opts *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		m->nodes[i] = o->nodes[i];
		m->nodes[i].name = mem_strdup(MEM_CLUSTER, o->nodes[i].name);
		m->nodes[i].host = mem_strdup(MEM_CLUSTER, o->nodes[i].host);
		m->n = i + 1;
		if (!m->nodes[i].name || !m->nodes[i].host)
			return -1;
		find_init(m, i);
	}
	return 0;
}

static void use_tls(struct monitor *m, struct tls_ctx *tls, struct tls_ctx *patroni_tls)
{
	m->tls = tls ? tls_ctx_ref(tls) : NULL;
	m->patroni_tls = patroni_tls ? tls_ctx_ref(patroni_tls) : NULL;
}

void monitor_set_tls(struct monitor *m, struct tls_ctx *tls, struct tls_ctx *patroni_tls)
{
	struct tls_ctx *old = m->tls, *old_patroni = m->patroni_tls;
	use_tls(m, tls, patroni_tls);
	for (unsigned i = 0; i < m->n; i++)
		m->find[i].o.tls = m->probe[i].o.tls = tls;
	if (m->move)
		move_set_tls(m->move, tls);
	tls_ctx_unref(old);
	tls_ctx_unref(old_patroni);
}

static int copy_opts(struct monitor *m, const struct monitor_opts *o, struct err *e)
{
	m->user = mem_strdup(MEM_CLUSTER, o->user);
	m->password = mem_strdup(MEM_CLUSTER, o->password ? o->password : "");
	m->dbname = mem_strdup(MEM_CLUSTER, o->dbname ? o->dbname : "");
	snprintf(m->name, sizeof m->name, "%s", o->cluster.name);
	m->co = o->cluster;
	m->co.name = m->name;
	if (!m->co.interval_us)
		m->co.interval_us = 50000;
	if (!m->co.down_us)
		m->co.down_us = 1000000;
	if (!m->co.suspect_us)
		m->co.suspect_us = 500000;
	m->find_kind = o->find_kind;
	use_tls(m, o->tls, o->patroni_tls);
	m->tls_require = o->tls_require;
	m->env = m->ops->env_new(&(struct proto_env_opts){ .stmt_bytes = 65536 });
	if (!m->user || !m->password || !m->dbname || !m->env || copy_nodes(m, o) < 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (!o->patroni_n)
		return 0;
	m->patroni = mem_alloc(MEM_CLUSTER, o->patroni_n * sizeof *m->patroni);
	if (!m->patroni)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	for (unsigned i = 0; i < o->patroni_n; i++) {
		m->patroni_n = i + 1;
		if (patroni_init(&m->patroni[i], m, o->patroni[i], e) < 0)
			return -1;
	}
	return 0;
}

struct monitor *monitor_new(struct loop *loop, struct resolver *resolver,
	const struct monitor_opts *o, const struct monitor_cb *cb, void *arg, struct err *e)
{
	const struct proto_ops *ops = proto_by_name(o->protocol);
	if (!ops || !o->n || o->n > CLUSTER_NODES_MAX) {
		err_set(e, ERR_CONFIG, "cannot watch cluster \"%s\": %s", o->cluster.name,
			!ops    ? "no such protocol"
			: !o->n ? "it has no nodes"
				: "too many nodes");
		return NULL;
	}
	struct monitor *m = mem_alloc(MEM_CLUSTER, sizeof *m);
	if (!m) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	m->loop = loop;
	m->resolver = resolver;
	m->ops = ops;
	m->cb = *cb;
	m->arg = arg;
	timer_init(&m->timer, on_tick, m);
	task_init(&m->task, hand_out, m);
	if (copy_opts(m, o, e) < 0) {
		monitor_free(&m);
		return NULL;
	}
	timer_set(loop, &m->timer, loop_now_us(loop) + 1);
	return m;
}

void monitor_free(struct monitor **mp)
{
	struct monitor *m = *mp;
	if (!m)
		return;
	timer_clear(m->loop, &m->timer);
	task_cancel(&m->task);
	monitor_move_stop(m);
	for (unsigned i = 0; i < m->n; i++) {
		find_fini(m, i);
		if (m->c)
			probe_fini(&m->probe[i]);
		mem_free(MEM_CLUSTER, (void *)(uintptr_t)m->nodes[i].name);
		mem_free(MEM_CLUSTER, (void *)(uintptr_t)m->nodes[i].host);
	}
	for (unsigned i = 0; i < m->patroni_n; i++)
		patroni_fini(&m->patroni[i]);
	mem_free(MEM_CLUSTER, m->patroni);
	cluster_free(&m->c);
	if (m->env)
		m->ops->env_free(m->env);
	tls_ctx_unref(m->tls);
	tls_ctx_unref(m->patroni_tls);
	if (m->password)
		mem_wipe(m->password, strlen(m->password));
	mem_free(MEM_CLUSTER, m->password);
	mem_free(MEM_CLUSTER, m->user);
	mem_free(MEM_CLUSTER, m->dbname);
	mem_free(MEM_CLUSTER, m);
	*mp = NULL;
}

struct cluster *monitor_cluster(struct monitor *m)
{
	return m->c;
}

/* Of several Patronis the one beside the node; else the first. */
static const struct said *said_of(const struct monitor *m, unsigned node)
{
	if (m->patroni_n)
		return &m->patroni[m->patroni_n == m->n ? node : 0].said;
	return m->co.kind == CLUSTER_GR && m->c ? &m->probe[node].said : NULL;
}

void monitor_report(const struct monitor *m, unsigned node, struct probe_report *r)
{
	assert(node < m->n);
	const struct probe *p = &m->probe[node];
	const struct find *f = &m->find[node];
	const struct said *said = said_of(m, node);
	*r = (struct probe_report){ .leader = -1, .interval_us = m->co.interval_us };
	r->state = ask_state_name(m->c ? p->fast.state : f->ask.state);
	r->samples = p->samples_n;
	r->facts = p->facts_n;
	r->failures = m->c ? p->failures_n : f->failures_n;
	r->rtt_us = p->rtt_us;
	if (m->c && cluster_burst(m->c) && r->interval_us > PROBE_BURST_US)
		r->interval_us = PROBE_BURST_US;
	snprintf(r->note, sizeof r->note, "%s", p->note);
	snprintf(r->error, sizeof r->error, "%s", m->c ? p->error : f->told);
	r->error_us = m->c ? p->error_us : f->told_us;
	if (!said)
		return;
	snprintf(r->authority, sizeof r->authority, "%s", said->who);
	r->leader = said->at_us ? said->leader : -1;
	r->authority_us = said->at_us;
	snprintf(r->authority_error, sizeof r->authority_error, "%s", said->error);
}
