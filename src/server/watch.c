/* watch - weirpool probe URL: watches a cluster from outside and prints each change with its
 * evidence, one line each. For operators who want to know what weirpool would see; serves nobody.
 * One thread. */
#include "server_int.h"

#include "base/clock.h"
#include "base/num.h"
#include "conf/url.h"
#include "ev/resolver.h"
#include "monitor/monitor.h"

#include <event2/event.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PATRONI_MAX 16

static const char usage_text[] =
	"Usage: weirpool probe [OPTION]... postgres://user:secret@host1,host2/db\n"
	"       weirpool probe [OPTION]... mysql://user:secret@host1,host2/db\n"
	"      --patroni=URL    Patroni REST API that tells the leader, http://host:8008\n"
	"                       or https://\n"
	"      --patroni-ca=FILE  CA certificates of Patronis of https, if not the system's\n"
	"      --interval=TIME  between two samples of a node (50ms)\n"
	"      --once           print what is known when every node has been asked, and exit:\n"
	"                       0 if the cluster has a primary, else 1\n"
	"  -h, --help           print this\n"
	"Prints a line for each change: of the cluster, of a node, and why.\n";

struct watch {
	struct loop *loop;
	struct resolver *resolver;
	struct monitor *monitor;
	struct timer deadline;
	struct event *sig_int, *sig_term;
	struct cluster_view *shown;
	bool once;
	int code;
	const char *url, *patroni[PATRONI_MAX], *patroni_ca;
	unsigned patroni_n;
	int64_t interval_us;
	char names[CLUSTER_NODES_MAX][300];
	unsigned n; /* of them */
};

static const char *stamp(char out[40])
{
	return clock_format_ms(clock_wall_us(), out, 40);
}

static void say_cluster(const struct cluster_view *v)
{
	char at[40];
	printf("%s cluster %s primary=%s epoch=%llu writes=%s%s%s\n", stamp(at),
		cluster_state_name(v->state), v->primary < 0 ? "-" : v->node[v->primary].name,
		(unsigned long long)v->epoch, cluster_writes_name(v->writes),
		*v->why || *v->evidence ? ": " : "",
		v->state == CLUSTER_NORMAL ? v->evidence : v->why);
}

static void say_node(const struct watch *w, const struct cluster_view *v, unsigned i)
{
	const struct cluster_vnode *n = &v->node[i];
	char at[40], pos[80] = "";
	if (w->once) {
		const struct pos *p = cluster_node_pos(monitor_cluster(w->monitor), i);
		int64_t fresh_us = cluster_view_fresh(v, i);
		if (p)
			pos_text(p, pos, sizeof pos);
		printf("%s node %s role=%s state=%s fresh=%s reads=%s lag=%lldms position=%s%s%s\n",
			stamp(at), n->name, cluster_role_name(n->role), node_state_name(n->state),
			fresh_state_name(n->fresh), n->reads ? "yes" : "no",
			fresh_us ? (long long)((clock_mono_us() - fresh_us) / 1000) : -1,
			*pos ? pos : "-", *n->why ? ": " : "", n->why);
		return;
	}
	printf("%s node %s role=%s state=%s fresh=%s reads=%s%s%s\n", stamp(at), n->name,
		cluster_role_name(n->role), node_state_name(n->state), fresh_state_name(n->fresh),
		n->reads ? "yes" : "no", *n->why ? ": " : "", n->why);
}

static bool node_changed(const struct cluster_vnode *a, const struct cluster_vnode *b)
{
	return a->role != b->role || a->state != b->state || a->fresh != b->fresh ||
	       a->reads != b->reads || strcmp(a->why, b->why) != 0;
}

static void finish(struct watch *w, const struct cluster_view *v)
{
	say_cluster(v);
	for (unsigned i = 0; i < v->n; i++)
		say_node(w, v, i);
	w->code = v->state == CLUSTER_NORMAL ? 0 : 1;
	loop_stop(w->loop);
}

/* Everything is known: a primary, and of each node whether it serves; or that there is none. */
static bool complete(const struct cluster_view *v)
{
	unsigned down = 0;
	for (unsigned i = 0; i < v->n; i++)
		down += v->node[i].state == NODE_DOWN;
	if (down == v->n)
		return true;
	for (unsigned i = 0; i < v->n; i++) {
		const struct cluster_vnode *n = &v->node[i];
		if (n->state == NODE_UNKNOWN || n->state == NODE_SUSPECT ||
			(n->reads && n->fresh == FRESH_UNKNOWN))
			return false;
	}
	return v->state == CLUSTER_NORMAL;
}

static void on_view(void *arg, const struct cluster_view *v)
{
	struct watch *w = arg;
	const struct cluster_view *old = w->shown;
	if (w->once) {
		if (complete(v))
			finish(w, v);
		return;
	}
	if (!old || old->state != v->state || old->primary != v->primary ||
		old->epoch != v->epoch || old->writes != v->writes || strcmp(old->why, v->why) != 0)
		say_cluster(v);
	for (unsigned i = 0; i < v->n; i++) {
		if (!old || node_changed(&old->node[i], &v->node[i]))
			say_node(w, v, i);
	}
	fflush(stdout);
	cluster_view_unref(&w->shown);
	w->shown = cluster_view_ref(v);
}

/* MySQL: not even the kind of the cluster is known, as no node has answered. True: each was asked.
 */
static bool nobody_answers(const struct watch *w)
{
	struct probe_report r;
	for (unsigned i = 0; i < w->n; i++) {
		monitor_report(w->monitor, i, &r);
		if (!r.failures)
			return false;
	}
	return true;
}

static void say_nobody(struct watch *w)
{
	struct probe_report r = { 0 };
	char at[40];
	printf("%s cluster unknown primary=-: no node has answered\n", stamp(at));
	for (unsigned i = 0; i < w->n; i++) {
		monitor_report(w->monitor, i, &r);
		printf("%s node %s: %s\n", stamp(at), w->names[i],
			*r.error ? r.error : "no answer yet");
	}
	w->code = 1;
	loop_stop(w->loop);
}

static void on_action(void *arg, const struct cluster_action *a)
{
	struct watch *w = arg;
	char at[40];
	if (w->once && w->monitor && !monitor_cluster(w->monitor)) {
		if (nobody_answers(w))
			say_nobody(w);
		return;
	}
	if (w->once && event_info(a->event)->level < LOG_LV_WARN)
		return;
	switch (a->kind) {
	case CLUSTER_DO_FENCE:
		if (!w->once)
			printf("%s fence %s\n", stamp(at), w->names[a->node]);
		break;
	case CLUSTER_DO_CLOSE_IDLE: break;
	case CLUSTER_DO_LOG: printf("%s log %s\n", stamp(at), a->text); break;
	}
	fflush(stdout);
}

static void on_deadline(struct timer *t, void *arg)
{
	struct watch *w = arg;
	struct cluster *c = monitor_cluster(w->monitor);
	(void)t;
	if (c)
		finish(w, cluster_view(c));
	else
		say_nobody(w);
	loop_stop(w->loop);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct watch *w = arg;
	(void)sig;
	(void)what;
	loop_stop(w->loop);
}

/* ---- start ---- */

static int parse_args(struct watch *w, int argc, char **argv, int *code_r)
{
	static const struct option longs[] = { { "patroni", required_argument, NULL, 'p' },
		{ "patroni-ca", required_argument, NULL, 'c' },
		{ "interval", required_argument, NULL, 'i' }, { "once", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;
	*code_r = 2;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'p' && w->patroni_n < PATRONI_MAX) {
			w->patroni[w->patroni_n++] = optarg;
		} else if (c == 'c') {
			w->patroni_ca = optarg;
		} else if (c == 'o') {
			w->once = true;
		} else if (c == 'h') {
			fputs(usage_text, stdout);
			*code_r = 0;
			return -1;
		} else if (c != 'i' || num_duration_us(optarg, 1000, &w->interval_us) < 0 ||
			   w->interval_us < 10000 || w->interval_us > 60000000) {
			fputs("weirpool: probe: wrong option; try 'weirpool probe --help'\n",
				stderr);
			return -1;
		}
	}
	if (argc - optind != 1 || !conf_url_is(argv[optind])) {
		fputs("weirpool: probe: one URL is needed\n", stderr);
		fputs(usage_text, stderr);
		return -1;
	}
	w->url = argv[optind];
	return 0;
}

static bool any_https(const struct watch *w)
{
	bool any = false;
	for (unsigned i = 0; i < w->patroni_n; i++)
		any = any || strncasecmp(w->patroni[i], "https:", 6) == 0;
	return any;
}

static int start(struct watch *w, const struct conf *conf, struct err *e)
{
	const struct conf_db *d = &conf->dbs[0];
	struct settings set;
	struct cluster_node_opts nodes[CLUSTER_NODES_MAX];
	struct monitor_opts o = { .protocol = d->kind->name, .nodes = nodes };
	struct monitor_cb cb = { .view = on_view, .action = on_action };
	bool pg = strcmp(d->kind->name, "postgresql") == 0;
	conf_effective(conf, d, NULL, &set);
	o.cluster = (struct cluster_opts){ .name = *d->dbname ? d->dbname : d->name,
		.kind = pg ? CLUSTER_PG : CLUSTER_MYSQL,
		.interval_us = w->interval_us };
	o.find_kind = !pg;
	o.user = *d->force_user ? d->force_user : *conf->url_user ? conf->url_user : "postgres";
	o.password = d->password;
	o.dbname = *d->dbname ? d->dbname : d->name;
	o.patroni = w->patroni;
	o.patroni_n = w->patroni_n;
	for (unsigned i = 0; i < d->hosts_n && i < CLUSTER_NODES_MAX; i++) {
		snprintf(w->names[i], sizeof w->names[i], "%s:%u", d->hosts[i].host,
			d->hosts[i].port);
		nodes[i] = (struct cluster_node_opts){ .name = w->names[i],
			.host = d->hosts[i].host,
			.port = d->hosts[i].port,
			.weight = 1 };
	}
	o.n = w->n = d->hosts_n;
	o.tls = core_server_tls(&set, proto_by_name(d->kind->name), e);
	if (err_is(e))
		return -1;
	o.tls_require = set.server_tls.mode >= CONF_TLS_REQUIRE;
	struct conf_https https = conf->global.patroni_tls;
	if (w->patroni_ca)
		https.ca_file = w->patroni_ca;
	if (!any_https(w) || server_https(&https, &o.patroni_tls, e) == 0)
		w->monitor = monitor_new(w->loop, w->resolver, &o, &cb, w, e);
	tls_ctx_unref(o.patroni_tls);
	tls_ctx_unref(o.tls);
	return w->monitor ? 0 : -1;
}

static int run(struct watch *w, const struct conf *conf)
{
	struct err e = { 0 };
	struct resolver_opts ro = { .max_ttl_us = conf->global.dns_max_ttl_us,
		.negative_ttl_us = conf->global.dns_nxdomain_ttl_us };
	w->loop = loop_new(&(struct loop_opts){ .owner = w });
	w->resolver = w->loop ? resolver_new(w->loop, &ro, &e) : NULL;
	if (!w->resolver || start(w, conf, &e) != 0) {
		fprintf(stderr, "weirpool: probe: %s\n", *e.msg ? e.msg : "out of memory");
		return 1;
	}
	timer_init(&w->deadline, on_deadline, w);
	if (w->once)
		timer_set(w->loop, &w->deadline, loop_now_us(w->loop) + 5000000);
	w->sig_int = evsignal_new(loop_base(w->loop), SIGINT, on_signal, w);
	w->sig_term = evsignal_new(loop_base(w->loop), SIGTERM, on_signal, w);
	if (w->sig_int && w->sig_term && event_add(w->sig_int, NULL) == 0 &&
		event_add(w->sig_term, NULL) == 0)
		loop_run(w->loop);
	return w->code;
}

int server_watch(int argc, char **argv)
{
	struct watch w = { .interval_us = 50000 };
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char line[1200];
	int code;
	if (parse_args(&w, argc, argv, &code) != 0)
		return code;
	int r = conf_url_load(w.url, &conf, &m);
	for (unsigned i = 0; i < m.n; i++) {
		if (m.list[i].level == CONF_ERROR)
			fprintf(stderr, "%s\n", conf_msg_format(&m.list[i], line, sizeof line));
	}
	conf_msgs_fini(&m);
	mem_wipe(argv[optind], strlen(argv[optind])); /* it may hold a password: not for ps(1) */
	if (r != 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	code = run(&w, conf);
	cluster_view_unref(&w.shown);
	monitor_free(&w.monitor);
	if (w.sig_int)
		event_free(w.sig_int);
	if (w.sig_term)
		event_free(w.sig_term);
	if (w.resolver)
		resolver_free(w.resolver);
	if (w.loop)
		loop_free(w.loop);
	conf_free(&conf);
	return code;
}
