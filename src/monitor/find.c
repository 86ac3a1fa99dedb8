/* find - MySQL's protocol alone does not tell what kind of cluster it is: asks the nodes until
 * one answers. Control thread. */
#include "monitor_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define RETRY_US 500000

static void decide(struct find *f, enum cluster_kind k)
{
	struct monitor *m = f->m;
	m->co.kind = k;
	m->find_kind = false;
	for (unsigned i = 0; i < m->n; i++)
		ask_close(&m->find[i].ask);
}

static void on_ready(struct ask *a)
{
	/* SHOW: a Galera member without its group answers nothing else */
	ask_query(a, "SHOW GLOBAL VARIABLES LIKE 'version'");
}

static void on_row(struct ask *a, const char *const *cells, unsigned n)
{
	struct find *f = a->owner;
	if (!f->asked_group)
		snprintf(f->version, sizeof f->version, "%s", n == 2 && cells[1] ? cells[1] : "");
	else if (n == 2)
		snprintf(f->group, sizeof f->group, "%s", cells[1] ? cells[1] : "");
}

static void on_done(struct ask *a, const struct err *e)
{
	struct find *f = a->owner;
	(void)e; /* then there was no row: no group */
	bool maria = strstr(f->version, "MariaDB") != NULL;
	if (!f->asked_group) {
		f->asked_group = true;
		ask_query(a, maria ? "SHOW GLOBAL VARIABLES LIKE 'wsrep\\_on'"
				   : "SHOW GLOBAL VARIABLES LIKE "
				     "'group\\_replication\\_group\\_name'");
	} else if (maria) {
		decide(f, strcmp(f->group, "ON") == 0 ? CLUSTER_GALERA : CLUSTER_MARIADB);
	} else {
		decide(f, *f->group ? CLUSTER_GR : CLUSTER_MYSQL);
	}
}

static void on_failed(struct ask *a, enum cluster_failure why, const char *text)
{
	struct find *f = a->owner;
	struct monitor *m = f->m;
	struct cluster_action act = { .kind = CLUSTER_DO_LOG, .event = EVENT_CLUSTER_WARN };
	(void)why;
	f->failures_n++;
	f->told_us = clock_mono_us();
	if (strcmp(f->told, text) == 0)
		return;
	snprintf(f->told, sizeof f->told, "%s", text);
	snprintf(act.text, sizeof act.text, "cluster %.60s: %.60s: %.250s", m->name,
		m->nodes[f->node].name, text);
	m->cb.action(m->arg, &act);
}

static const struct ask_cb find_cb = {
	.ready = on_ready, .row = on_row, .done = on_done, .failed = on_failed
};

void find_init(struct monitor *m, unsigned node)
{
	struct find *f = &m->find[node];
	*f = (struct find){ .m = m, .node = node };
	f->o = (struct ask_opts){ .loop = m->loop,
		.resolver = m->resolver,
		.ops = m->ops,
		.env = m->env,
		.host = m->nodes[node].host,
		.port = m->nodes[node].port,
		.user = m->user,
		.password = m->password,
		.dbname = m->dbname,
		.tls = m->tls,
		.tls_require = m->tls_require };
	ask_init(&f->ask, &f->o, &find_cb, f);
}

void find_fini(struct monitor *m, unsigned node)
{
	ask_close(&m->find[node].ask);
}

void find_tick(struct monitor *m, int64_t now_us)
{
	for (unsigned i = 0; i < m->n && m->find_kind; i++) {
		struct find *f = &m->find[i];
		if (f->ask.state != ASK_CLOSED && now_us - f->ask.begun_us > 5 * m->co.down_us)
			ask_close(&f->ask);
		if (f->ask.state != ASK_CLOSED || now_us < f->retry_us)
			continue;
		f->retry_us = now_us + RETRY_US;
		f->asked_group = false;
		f->version[0] = f->group[0] = '\0';
		ask_open(&f->ask);
	}
}
