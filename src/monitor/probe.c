/* probe - watches one node over two connections: one asks for role and position all the time, the
 * other for the slow facts, so that a slow answer there delays nothing here. Control thread. */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLOW_US 1000000
#define SLOW_BURST_US 100000
#define BARRIER_BURST_US 20000
/* A group that has lost a member answers when it is one again, 5 seconds later unless configured
 * otherwise. Whoever has not answered by then is asked anew, on another connection. */
#define BARRIER_US 12000000
#define RETRY_US 250000 /* between attempts to connect, when not in a burst */

static void told(struct probe *p)
{
	monitor_told(p->m);
}

static void failed(
	struct probe *p, enum cluster_failure f, int64_t sent_us, int64_t now_us, const char *text)
{
	p->failures_n++;
	p->error_us = now_us;
	snprintf(p->error, sizeof p->error, "%s", text);
	cluster_on_failure(p->m->c, p->node, f, sent_us, now_us, text);
	told(p);
}

/* Both connections begin anew: who answers there next may be another server. */
static void lost(struct probe *p, enum cluster_failure f, int64_t sent_us, const char *text)
{
	int64_t now_us = clock_mono_us();
	ask_close(&p->fast);
	ask_close(&p->slow);
	p->examined = p->slow_told = false;
	p->retry_us = now_us + (cluster_burst(p->m->c) ? PROBE_BURST_US : RETRY_US);
	failed(p, f, sent_us, now_us, text);
}

static void on_failed(struct ask *a, enum cluster_failure f, const char *text)
{
	lost(a->owner, f, a->begun_us, text);
}

/* ---- samples ---- */

static void fast_ready(struct ask *a)
{
	struct probe *p = a->owner;
	p->fast_due_us = 0;
}
static void fast_row(struct ask *a, const char *const *cells, unsigned n)
{
	struct probe *p = a->owner;
	if (p->reading.kind == CLUSTER_GALERA)
		galera_row(&p->member, cells, n);
	if (p->got || p->reading.kind == CLUSTER_GALERA)
		return;
	p->sample = (struct cluster_sample){ 0 };
	p->got = facts_read_fast(&p->reading, cells, n, &p->sample, &p->err) == 0;
}
static void fast_done(struct ask *a, const struct err *e)
{
	struct probe *p = a->owner;
	int64_t now_us = clock_mono_us();
	p->slow_told = false;
	if (!e && p->reading.kind == CLUSTER_GALERA) {
		p->sample = (struct cluster_sample){ 0 };
		p->got = galera_sample(&p->member, &p->sample, &p->err) == 0;
	}
	if (e || !p->got) {
		char text[300];
		snprintf(text, sizeof text, "it does not answer the probe: %.200s",
			e                 ? e->msg
			: err_is(&p->err) ? p->err.msg
					  : "no row");
		failed(p, FAIL_LOGIN, a->begun_us, now_us, text);
		return;
	}
	p->sample.sent_us = a->begun_us;
	p->sample.recv_us = now_us;
	p->samples_n++;
	p->rtt_us = now_us - a->begun_us;
	cluster_on_sample(p->m->c, p->node, &p->sample);
	if (p->m->cb.sampled)
		p->m->cb.sampled(p->m->arg);
	told(p);
}
static const struct ask_cb fast_cb = {
	.ready = fast_ready, .row = fast_row, .done = fast_done, .failed = on_failed
};

/* ---- facts ---- */

static void slow_ready(struct ask *a)
{
	struct probe *p = a->owner;
	p->slow_due_us = 0;
}
static void slow_row(struct ask *a, const char *const *cells, unsigned n)
{
	struct probe *p = a->owner;
	if (p->reading.kind == CLUSTER_GALERA) {
		galera_row(&p->member_slow, cells, n);
		return;
	}
	p->slow_got = facts_read_slow(&p->reading, cells, n, &p->facts, &p->slow_err) == 0;
}

/* "prefix:12" of a member that sees a majority. */
static void group_view(struct probe *p)
{
	struct cluster_authority au = {
		.sent_us = p->slow.begun_us, .recv_us = clock_mono_us(), .reachable = true
	};
	const char *colon = strchr(p->reading.view, ':');
	au.leader = monitor_node_of(p->m, p->reading.primary);
	p->said = (struct said){ .leader = au.leader, .at_us = au.recv_us };
	snprintf(p->said.who, sizeof p->said.who, "its group, view %s", p->reading.view);
	if (!p->reading.majority)
		snprintf(p->said.error, sizeof p->said.error, "it sees no majority of its group");
	if (!p->reading.majority || au.leader < 0 || !colon ||
		num_u64n(colon + 1, strlen(colon + 1), 0, UINT64_MAX, &au.rank) != 0)
		return;
	snprintf(au.series, sizeof au.series, "%.*s", (int)(colon - p->reading.view),
		p->reading.view);
	snprintf(au.text, sizeof au.text, "%.30s in view %.60s", p->m->nodes[p->node].name,
		p->reading.view);
	cluster_on_authority(p->m->c, &au);
}

/* The next of a Galera member's questions. True: it is asked, or its answer is done with. */
static bool galera_next(struct probe *p, const struct err *e)
{
	if (p->asked == GALERA_BARRIER) { /* an error is no answer: it is asked again */
		if (!e)
			cluster_on_barrier(p->m->c, p->node, p->slow.begun_us, clock_mono_us());
		told(p);
		return true;
	}
	if (!e && p->asked == GALERA_SAMPLE) {
		p->facts.sent_us = p->slow.begun_us;
		p->asked = GALERA_VARIABLES;
		ask_query(&p->slow, galera_sql(p->asked));
		return true;
	}
	p->slow_got = !e && galera_facts(&p->member_slow, &p->facts, &p->slow_err) == 0;
	return false;
}

/* What the account is to be given, when the server does not let it ask. */
static const char *right_of(enum cluster_kind k)
{
	switch (k) {
	case CLUSTER_MYSQL:
	case CLUSTER_GR: return " (SELECT ON performance_schema.*)";
	case CLUSTER_MARIADB: return " (SLAVE MONITOR ON *.*)";
	case CLUSTER_PG:
	case CLUSTER_GALERA: break;
	}
	return "";
}

static void slow_done(struct ask *a, const struct err *e)
{
	struct probe *p = a->owner;
	int64_t now_us = clock_mono_us();
	if (p->reading.kind == CLUSTER_GALERA && galera_next(p, e))
		return;
	if (p->reading.kind == CLUSTER_MARIADB && !p->reading.rows && !e) {
		p->facts.repl = UPSTREAM_NONE;
		p->slow_got = true;
	}
	if (e || !p->slow_got) {
		char text[300];
		const char *why = e ? e->msg : err_is(&p->slow_err) ? p->slow_err.msg : "no row";
		snprintf(text, sizeof text, "user %.60s cannot see what a probe needs%s: %.150s",
			p->o.user, e ? right_of(p->reading.kind) : "", why);
		failed(p, FAIL_LOGIN, a->begun_us, now_us, text);
		return;
	}
	if (!p->facts.sent_us)
		p->facts.sent_us = a->begun_us;
	p->facts.recv_us = now_us;
	p->facts_n++;
	snprintf(p->note, sizeof p->note, "%s", p->facts.note);
	p->examined = true;
	snprintf(p->server, sizeof p->server, "%s", p->facts.server);
	cluster_on_facts(p->m->c, p->node, &p->facts);
	if (p->reading.kind == CLUSTER_GR)
		group_view(p);
	told(p);
}
static const struct ask_cb slow_cb = {
	.ready = slow_ready, .row = slow_row, .done = slow_done, .failed = on_failed
};

/* ---- time ---- */

static void ask_fast(struct probe *p)
{
	p->got = false;
	p->member = (struct galera){ 0 };
	err_clear(&p->err);
	ask_query(&p->fast, facts_fast_sql(p->reading.kind));
}
static void ask_slow(struct probe *p)
{
	p->reading.rows = 0;
	p->facts = (struct cluster_facts){ 0 };
	p->slow_got = false;
	p->member_slow = (struct galera){ 0 };
	p->asked = GALERA_SAMPLE;
	err_clear(&p->slow_err);
	ask_query(&p->slow, facts_slow_sql(p->reading.kind));
}
static void ask_barrier(struct probe *p)
{
	p->asked = GALERA_BARRIER;
	ask_query(&p->slow, galera_sql(p->asked));
}

/* True: it was given up. */
static bool too_late(struct probe *p, struct ask *a, int64_t now_us)
{
	if (a->state == ASK_CLOSED || a->state == ASK_READY)
		return false;
	int64_t wait_us = now_us - a->begun_us;
	if (wait_us > p->m->co.down_us) {
		lost(p, FAIL_TIMEOUT, a->begun_us,
			a->state == ASK_BUSY ? "no answer to a probe" : "no connection in time");
		return true;
	}
	if (wait_us > p->m->co.suspect_us && a == &p->fast && !p->slow_told) {
		p->slow_told = true;
		cluster_on_failure(p->m->c, p->node, FAIL_SLOW, a->begun_us, now_us,
			"no answer to a probe yet");
		told(p);
	}
	return false;
}

/* The facts' answers may be slow without harm; the connection is what counts there. */
static bool slow_too_late(struct probe *p, int64_t now_us)
{
	bool barrier = p->reading.kind == CLUSTER_GALERA && p->asked == GALERA_BARRIER;
	int64_t limit_us = barrier ? BARRIER_US : 5 * p->m->co.down_us;
	if (p->slow.state == ASK_BUSY && now_us - p->slow.begun_us < limit_us && p->examined)
		return false;
	return too_late(p, &p->slow, now_us);
}

void probe_tick(struct probe *p, int64_t now_us, bool burst)
{
	if (too_late(p, &p->fast, now_us) || slow_too_late(p, now_us))
		return;
	if (p->fast.state == ASK_CLOSED && p->slow.state == ASK_CLOSED) {
		if (now_us < p->retry_us &&
			!(burst && now_us + RETRY_US - PROBE_BURST_US > p->retry_us))
			return;
		p->retry_us = now_us + RETRY_US;
		ask_open(&p->slow);
		if (p->slow.state != ASK_CLOSED)
			ask_open(&p->fast);
		return;
	}
	if (p->slow.state == ASK_READY && now_us >= p->slow_due_us) {
		p->slow_due_us = now_us + (burst ? SLOW_BURST_US : SLOW_US);
		ask_slow(p);
	} else if (p->slow.state == ASK_READY && p->examined && now_us >= p->barrier_due_us &&
		   cluster_wants_barrier(p->m->c)) {
		p->barrier_due_us = now_us + BARRIER_BURST_US;
		ask_barrier(p);
	}
	if (p->fast.state == ASK_READY && p->examined && now_us >= p->fast_due_us) {
		int64_t every_us = burst ? PROBE_BURST_US : p->m->co.interval_us;
		/* in step, but never in a hurry to catch up */
		p->fast_due_us = p->fast_due_us + every_us > now_us ? p->fast_due_us + every_us
								    : now_us + every_us;
		ask_fast(p);
	} else if (burst && p->fast_due_us > now_us + PROBE_BURST_US) {
		p->fast_due_us = now_us + PROBE_BURST_US;
	}
	if (burst && p->slow_due_us > now_us + SLOW_BURST_US)
		p->slow_due_us = now_us + SLOW_BURST_US;
}

void probe_init(struct probe *p, struct monitor *m, unsigned node, const struct ask_opts *o,
	enum cluster_kind kind)
{
	*p = (struct probe){ .m = m, .node = node, .o = *o, .reading = { .kind = kind } };
	ask_init(&p->fast, &p->o, &fast_cb, p);
	ask_init(&p->slow, &p->o, &slow_cb, p);
}

void probe_fini(struct probe *p)
{
	ask_close(&p->fast);
	ask_close(&p->slow);
}
