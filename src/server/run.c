/* run - the control thread: has the listeners opened, starts the workers, and then waits for
 * signals, commands and the end. */
#include "server_int.h"

#include "base/audit.h"
#include "base/clock.h"
#include "conf/places.h"
#include "http/otlp.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct server {
	struct loop *loop;
	struct core *core;
	struct core_gen *gen;
	struct admin *admin;
	struct http *http;
	struct otlp *otlp;
	struct http_listen http_ls[HTTP_LISTEN_MAX]; /* until http has them */
	unsigned http_n;
	struct clusters *clusters;
	const struct server_args *args;
	struct event *sig[8];
	struct timer stats;
	struct refresh refresh;
	struct ending ending;
	struct sockets sockets;
	struct upgrade *upgrade;
	struct heritage heritage; /* fd -1: none */
	bool pidfile_given;       /* the process after this one has it */
	int exit_code;
};

/* ---- configuration ---- */

static void log_msgs(const struct conf_msgs *m)
{
	char line[1200];
	for (unsigned i = 0; i < m->n; i++) {
		conf_msg_format(&m->list[i], line, sizeof line);
		log_event(m->list[i].level == CONF_ERROR ? EVENT_CONF_ERROR : EVENT_CONF_WARNING,
			"%s", line);
	}
}

static int open_log(const struct conf *c, const struct server_args *a)
{
	const struct conf_global *g = &c->global;
	int verbose = a->verbose > g->verbose ? a->verbose : g->verbose;
	struct log_opts o = {
		.file = g->logfile,
		.audit = g->audit_file,
		.syslog_ident = g->syslog ? g->syslog_ident : NULL,
		.syslog_facility = g->syslog_facility,
		.format = g->log_format == CONF_LOG_JSON     ? LOG_FMT_JSON
			  : g->log_format == CONF_LOG_LOGFMT ? LOG_FMT_LOGFMT
							     : LOG_FMT_PLAIN,
		.repeats = (unsigned)g->log_repeats,
		.no_codes = !g->log_codes,
		.syslog_socket = g->syslog_socket,
		.level = verbose > 0 ? LOG_LV_DEBUG : LOG_LV_INFO,
		.quiet = a->quiet || a->daemonize,
	};
	return log_open(&o);
}

/* rc of open_log(), and its errno. */
static void tell_log(const struct conf *c, int rc)
{
	if (rc != 0)
		log_event(EVENT_LOG_FILE, "cannot open %s %s: %s; what was open stays in use",
			rc == -2 ? "audit_file" : "logfile",
			rc == -2 ? c->global.audit_file : c->global.logfile, strerror(errno));
}

struct log_of {
	const struct conf *conf;
	const struct server_args *args;
};

static int open_log_of(void *arg)
{
	const struct log_of *l = arg;
	return open_log(l->conf, l->args);
}

/* The first time: as the user whom we become, who then can open it again; else as who we are. */
static int begin_log(const struct conf *c, const struct server_args *a)
{
	struct log_of l = { c, a };
	const char *user = a->user ? a->user : c->global.user;
	if (*user && daemon_as(user, open_log_of, &l) == 0)
		return 0;
	return open_log(c, a);
}

static void use(struct server *s, struct core_gen *gen)
{
	core_reload(s->core, gen);
	clusters_apply(s->clusters, gen);
	gen_unref(s->gen);
	s->gen = gen;
	refresh_arm(&s->refresh);
	admin_conf_changed(s->admin);
}

static char *describe(const struct conf *was, const struct conf *is)
{
	struct conf_changes ch;
	struct buf b;
	buf_init(&b, 1u << 20);
	conf_diff(was, is, &ch);
	for (unsigned i = 0; i < ch.n; i++)
		buf_printf(&b, "%s: %s -> %s (%s)\n", ch.list[i].key,
			ch.list[i].was ? ch.list[i].was : "(none)",
			ch.list[i].is ? ch.list[i].is : "(none)", opt_apply_name(ch.list[i].apply));
	conf_changes_fini(&ch);
	char *text = buf_len(&b) ? mem_xstrndup(MEM_ADMIN, (const char *)buf_data(&b), buf_len(&b))
				 : NULL;
	buf_fini(&b);
	return text;
}

/* Serves by gen from now on. What differs is the caller's in *text_r, or NULL. */
static int take_up(struct server *s, struct core_gen *gen, char **text_r, struct err *e)
{
	unsigned before = s->sockets.n;
	if (sockets_open_new(&s->sockets, gen->conf, e) != 0) {
		log_event(EVENT_RELOAD_FAILED, "RELOAD failed: %s", e->msg);
		gen_unref(gen);
		return -1;
	}
	*text_r = describe(s->gen->conf, gen->conf);
	tell_log(gen->conf, open_log(gen->conf, s->args));
	use(s, gen);
	core_listen_also(s->core, s->sockets.ls + before, s->sockets.n - before);
	return 0;
}

static void log_changes(const char *text)
{
	for (const char *line = text, *end; line && *line; line = end) {
		end = line + strcspn(line, "\n");
		log_event(EVENT_RELOAD_CHANGE, "reload: %.*s", (int)(end - line), line);
		end += *end == '\n';
	}
}

/* As generation_build(), of a configuration that came after the sandbox was closed. Takes conf. */
static struct core_gen *build(struct conf *conf, struct conf_msgs *m)
{
	if (sandbox_check(conf, m) == 0)
		return generation_build(conf, m);
	conf_free(&conf);
	return NULL;
}
static int busy(const struct server *s, struct err *e);

/* What whoever asked for it can mend first. */
static void reload_failed(const struct conf_msgs *m, struct err *e)
{
	char line[sizeof e->detail];
	unsigned i = 0;
	err_set(e, ERR_CONFIG, "RELOAD failed, see logs for additional details");
	while (i < m->n && m->list[i].level != CONF_ERROR)
		i++;
	if (i < m->n)
		err_detail(e, "%s", conf_msg_format(&m->list[i], line, sizeof line));
}

/* What differs, and behind it what is odd, such as an option that needs a restart: for whoever
 * asked for the RELOAD. Takes text. NULL: nothing to tell. */
static char *report_of(char *text, const struct conf_msgs *m)
{
	char line[1200];
	struct buf b;
	buf_init(&b, 1u << 20);
	buf_puts(&b, text ? text : "");
	mem_free(MEM_ADMIN, text);
	for (unsigned i = 0; i < m->n; i++)
		buf_printf(&b, "%s\n", conf_msg_format(&m->list[i], line, sizeof line));
	text = buf_len(&b) ? mem_xstrndup(MEM_ADMIN, (const char *)buf_data(&b), buf_len(&b))
			   : NULL;
	buf_fini(&b);
	return text;
}

static int reload_files(void *arg, char **report_r, struct err *e)
{
	struct server *s = arg;
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	struct core_gen *gen = NULL;
	char places[1024];
	if (busy(s, e) != 0)
		return -1;
	notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
	if (conf_reload(s->gen->conf, &conf, &m) == 0)
		gen = build(conf, &m);
	log_msgs(&m);
	if (!gen && sandbox_limits_files())
		log_event(EVENT_SANDBOX, "sandbox: files can be read below %s",
			sandbox_places(places, sizeof places));
	if (!gen)
		reload_failed(&m, e);
	notify_send("READY=1");
	char *text = NULL;
	int rc = gen ? take_up(s, gen, &text, e) : -1;
	if (rc == 0) {
		log_event(EVENT_RELOADED, "configuration reloaded%s",
			text ? "" : ": nothing changed");
		log_changes(text);
	}
	if (rc == 0 && report_r)
		*report_r = report_of(text, &m);
	else
		mem_free(MEM_ADMIN, text);
	conf_msgs_fini(&m);
	return rc;
}

static int reload(void *arg, char **report_r, struct err *e)
{
	struct server *s = arg;
	int rc = reload_files(s, report_r, e);
	admin_reloaded(s->admin, rc == 0);
	return rc;
}

static const struct conf *current(void *arg)
{
	const struct server *s = arg;
	return s->gen->conf;
}

/* Certificates, auth files or secrets: as RELOAD, but SETs stay. */
static void on_files(void *arg)
{
	struct server *s = arg;
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	struct core_gen *gen = NULL;
	struct err e = { 0 };
	if (conf_refresh(s->gen->conf, &conf, &m) == 0)
		gen = build(conf, &m);
	log_msgs(&m);
	conf_msgs_fini(&m);
	if (!gen) {
		log_event(EVENT_FILES_UNUSABLE,
			"files of certificates or secrets have changed, but cannot be used; "
			"what was read before stays");
		admin_reloaded(s->admin, false);
		return;
	}
	char *text;
	int rc = take_up(s, gen, &text, &e);
	admin_reloaded(s->admin, rc == 0);
	if (rc != 0)
		return;
	log_event(EVENT_FILES_TAKEN,
		"files of certificates or secrets have changed and are taken up");
	log_changes(text);
	mem_free(MEM_ADMIN, text);
}

static int set(void *arg, const char *key, const char *value, struct err *e)
{
	struct server *s = arg;
	struct conf *conf = NULL;
	struct conf_msgs m = { 0 };
	if (busy(s, e) != 0)
		return -1;
	if (conf_set(s->gen->conf, key, value, &conf, e) != 0)
		return -1;
	struct core_gen *gen = build(conf, &m);
	log_msgs(&m);
	if (!gen && m.n)
		err_set(e, ERR_CONFIG, "%s", m.list[0].text);
	conf_msgs_fini(&m);
	if (!gen)
		return -1;
	tell_log(gen->conf, open_log(gen->conf, s->args));
	use(s, gen);
	return 0;
}

static int node_command(
	void *arg, const char *verb, const char *cluster, const char *node, struct err *e)
{
	struct server *s = arg;
	return clusters_command(s->clusters, verb, cluster, node, e);
}

static int switchover(void *arg, const char *cluster, const char *node, admin_switched *done,
	void *done_arg, struct err *e)
{
	struct server *s = arg;
	return clusters_switchover(s->clusters, cluster, node, done, done_arg, e);
}

static bool probe_report(void *arg, const char *cluster, unsigned node, struct probe_report *r_r)
{
	struct server *s = arg;
	return clusters_report(s->clusters, cluster, node, r_r);
}

static void shutdown_to(void *arg, enum core_state how)
{
	struct server *s = arg;
	ending_to(&s->ending, how);
}

/* ---- what the HTTP port can ask of us ---- */

static void http_drain(void *arg, const char *who)
{
	struct server *s = arg;
	audit(who, "http", "POST /drain", NULL);
	log_event(EVENT_GOT_SIGNAL, "%s: draining: clients end at a transaction boundary", who);
	ending_announce(&s->ending);
}

static void http_quit(void *arg, const char *who)
{
	audit(who, "http", "POST /quitquitquit", NULL);
	log_event(EVENT_GOT_SIGNAL, "%s: fast exit", who);
	shutdown_to(arg, CORE_STOP);
}

static const char *leaving(void *arg)
{
	const struct server *s = arg;
	return ending_why(&s->ending);
}

static int http_metrics(void *arg, const char *name, const char *scope,
	void (*done)(void *done_arg, struct buf *text), void *done_arg, struct err *e)
{
	struct server *s = arg;
	return admin_metrics(s->admin, name, scope, done, done_arg, e);
}

static int serve_http(struct server *s, struct err *e)
{
	const struct http_hooks h = { .arg = s,
		.drain = http_drain,
		.quit = http_quit,
		.leaving = leaving,
		.metrics = http_metrics };
	unsigned n = s->http_n;
	if (n == 0)
		return 0;
	s->http_n = 0;
	s->http = http_new(s->core, &h, s->http_ls, n, e);
	return s->http ? 0 : -1;
}

/* ---- the process after this one ---- */

static const struct conf_global *conf_now(void *arg)
{
	return &((struct server *)arg)->gen->conf->global;
}

static void handed(void *arg, bool took_pidfile)
{
	struct server *s = arg;
	s->sockets.shared = true;
	s->pidfile_given = took_pidfile;
	ending_hand(&s->ending);
	if (s->http)
		http_accept(s->http, false);
}

static void took_back(void *arg)
{
	struct server *s = arg;
	if (!ending_take_back(&s->ending))
		return; /* it is too late: clients have been told to go */
	s->sockets.shared = s->pidfile_given = false;
	if (s->http)
		http_accept(s->http, true);
}

static bool bequeath(
	void *arg, bool (*put)(void *to, const char *cluster, const struct buf *b), void *to)
{
	const struct server *s = arg;
	return clusters_bequeath(s->clusters, put, to);
}

static int upgrade(void *arg, admin_upgraded *done, void *done_arg, struct err *e)
{
	struct server *s = arg;
	if (ending_why(&s->ending) && s->ending.state != CORE_HANDED)
		return err_set(e, ERR_SHUTDOWN, "%s", ending_why(&s->ending));
	return clusters_may_leave(s->clusters, e) == 0
		       ? upgrade_start(s->upgrade, done, done_arg, e)
		       : -1;
}

static int busy(const struct server *s, struct err *e)
{
	if (upgrade_under_way(s->upgrade))
		return err_set(e, ERR_UNSUPPORTED, "an upgrade is under way");
	if (s->ending.state == CORE_HANDED)
		return err_set(e, ERR_UNSUPPORTED,
			"weirpool was upgraded: connect again to its "
			"new process");
	return 0;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct server *s = arg;
	struct err e = { 0 };
	bool first = !ending_begun(&s->ending);
	(void)what;
	switch (sig) {
	case SIGHUP:
		log_event(EVENT_GOT_SIGNAL, "got SIGHUP, re-reading config");
		if (reload(s, NULL, &e) != 0)
			log_event(EVENT_RELOAD_FAILED, "%s", e.msg);
		break;
	case SIGTERM:
		log_event(EVENT_GOT_SIGNAL, "got SIGTERM, %s",
			first ? "draining: clients end at a transaction boundary" : "fast exit");
		if (first)
			ending_announce(&s->ending);
		else
			ending_to(&s->ending, CORE_STOP);
		break;
	case SIGINT:
		log_event(EVENT_GOT_SIGNAL, "got SIGINT, %s",
			first ? "shutting down once the server connections are released"
			      : "fast exit");
		ending_to(&s->ending,
			first && !*s->gen->conf->url_user ? CORE_WAIT_SERVERS : CORE_STOP);
		break;
	case SIGQUIT:
		log_event(EVENT_GOT_SIGNAL, "got SIGQUIT, fast exit");
		shutdown_to(s, CORE_STOP);
		break;
	case SIGUSR1:
		log_event(EVENT_GOT_SIGNAL, "got SIGUSR1, pausing all activity");
		atomic_store(&s->core->paused, true);
		core_set_state(s->core, (enum core_state)atomic_load(&s->core->state));
		core_held_changed(s->core, NULL);
		break;
	case SIGUSR2:
		log_event(EVENT_GOT_SIGNAL, "got SIGUSR2, continuing from PAUSE");
		atomic_store(&s->core->paused, false);
		core_set_state(s->core, (enum core_state)atomic_load(&s->core->state));
		core_held_changed(s->core, NULL);
		break;
	default: break;
	}
}

static const int signals[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };

/* Until the handlers stand they wait; workers are started with them blocked, so that control gets
 * them. */
static void hold_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(&set, signals[i]);
	pthread_sigmask(how, &set, NULL);
}

static int catch_signals(struct server *s)
{
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
		s->sig[i] = evsignal_new(loop_base(s->loop), signals[i], on_signal, s);
		if (!s->sig[i] || event_add(s->sig[i], NULL) != 0)
			return -1;
	}
	return 0;
}

/* ---- all of it ---- */

/* What the process before this one hands over, before a socket is opened. */
static int inherit(struct server *s, struct err *e)
{
	s->heritage.fd = s->args->upgrade_fd;
	if (s->heritage.fd < 0)
		return 0;
	s->sockets.shared = true; /* if this fails its files are not ours to remove */
	return heritage_take(&s->heritage, &s->sockets, e);
}

static int take_pidfile(struct server *s, struct err *e)
{
	const char *path = s->gen->conf->global.pidfile;
	struct heritage *h = &s->heritage;
	bool same = h->fd >= 0 && *path && strcmp(h->pidfile, path) == 0;
	if (same && daemon_pidfile_adopt(path, h->pid_fd) == 0)
		h->pid_fd = -1;
	else if (*path && daemon_pidfile(path, e) != 0)
		return -1;
	return 0;
}

/* Threads run and clients are accepted when this returns. */
static int serve(struct server *s, struct err *e)
{
	struct heritage *h = &s->heritage;
	const char *path = s->gen->conf->global.pidfile;
	bool upgraded = h->fd >= 0;
	if (upgraded) {
		heritage_apply(h, s->core);
		if (heritage_wait(h, s->core, s->clusters, e) != 0)
			return -1;
	}
	if ((upgraded && take_pidfile(s, e) != 0) || core_start(s->core, e) != 0)
		return -1;
	if (!upgraded)
		return 0;
	s->sockets.shared = false;
	sockets_drop_brought(&s->sockets);
	heritage_serve(h, *path && strcmp(h->pidfile, path) == 0, s->upgrade);
	return 0;
}

static int prepare(struct server *s, struct err *e)
{
	const struct conf_global *g = &s->gen->conf->global;
	const char *user = s->args->user ? s->args->user : g->user;
	struct loop_opts lo = { .owner = s };
	int fds = daemon_raise_fds((unsigned)g->max_client_conn * 2 + 1024);
	if (fds >= 0 && fds < g->max_client_conn + 100)
		log_event(EVENT_FEW_FDS,
			"max_client_conn is %d, but only %d files may be open: raise LimitNOFILE",
			g->max_client_conn, fds);
	if (inherit(s, e) != 0 || sockets_open(&s->sockets, s->gen->conf, e) != 0 ||
		http_ports_open(&s->sockets, g, s->args->is_url && g->http_port == 9127, s->http_ls,
			&s->http_n, e) != 0)
		return -1;
	if (*user)
		sockets_give(s->gen->conf, user);
	if (*user && *g->http_unix_socket == '/')
		daemon_give(user, g->http_unix_socket, 0);
	if (*user && daemon_drop(user, e) != 0)
		return -1;
	sandbox_no_core(s->gen->conf);
	if (s->heritage.fd < 0 && take_pidfile(s, e) != 0)
		return -1;
	if (sandbox_enter(s->gen->conf, e) != 0)
		return -1;
	s->loop = loop_new(&lo);
	if (!s->loop || catch_signals(s) != 0)
		return err_set(e, ERR_INTERNAL, "no event loop");
	s->core = core_new(s->loop, s->gen, s->sockets.ls, s->sockets.n, e);
	if (!s->core)
		return -1;
	s->core->version = PACKAGE_VERSION;
	s->otlp = otlp_new(s->core);
	if (!s->otlp)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	ending_init(&s->ending, s->loop, s->core, &s->sockets);
	struct admin_hooks h = { .arg = s,
		.reload = reload,
		.set = set,
		.shutdown = shutdown_to,
		.node = node_command,
		.switchover = switchover,
		.upgrade = upgrade,
		.probe = probe_report };
	s->admin = admin_new(s->core, &h);
	struct upgrade_opts uo = { .loop = s->loop,
		.core = s->core,
		.sockets = &s->sockets,
		.arg = s,
		.conf = conf_now,
		.handed = handed,
		.took_back = took_back,
		.bequeath = bequeath,
		.end = shutdown_to };
	s->upgrade = upgrade_new(&uo);
	s->ending.upgrade = s->upgrade;
	s->refresh =
		(struct refresh){ .loop = s->loop, .conf = current, .changed = on_files, .arg = s };
	refresh_init(&s->refresh);
	log_start(); /* behind the fork() of daemon_detach(), before other threads */
	s->clusters = clusters_new(s->core, s->loop, e);
	if (!s->clusters)
		return -1;
	clusters_apply(s->clusters, s->gen);
	if (serve_http(s, e) != 0)
		return -1;
	int r = serve(s, e);
	hold_signals(SIG_UNBLOCK);
	return r;
}

int server_run(struct core_gen *gen, const struct server_args *a)
{
	struct server s = { .gen = gen, .args = a };
	struct err e = { 0 };
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log at its limit of bytes is no reason to die */
	hold_signals(SIG_BLOCK);
	s.heritage.fd = s.heritage.pid_fd = -1;
	if (a->upgrade_fd >= 0)
		heritage_begin();
	int rc = begin_log(gen->conf, a);
	if (rc != 0) {
		fprintf(stderr, "weirpool: cannot open %s %s: %s\n",
			rc == -2 ? "audit_file" : "logfile",
			rc == -2 ? gen->conf->global.audit_file : gen->conf->global.logfile,
			strerror(errno));
		return 1;
	}
	if ((a->daemonize && a->upgrade_fd < 0 && daemon_detach(&e) != 0) || prepare(&s, &e) != 0) {
		log_fatal("%s", e.msg);
		daemon_tell(&e);
		heritage_failed(&s.heritage, &e);
		s.exit_code = 1;
	} else {
		log_event(EVENT_STARTED, "weirpool %s, process up: %u workers, libevent %s (%s)",
			PACKAGE_VERSION, s.core->n_workers, event_get_version(),
			event_base_get_method(loop_base(s.loop)));
		daemon_tell(NULL);
		if (a->upgrade_fd < 0) /* else when the old one accepts no more */
			notify_send("READY=1\nSTATUS=weirpool %s is serving", PACKAGE_VERSION);
		if (a->upgrade_fd >= 0)
			;
		else if (*gen->conf->url_user || gen->conf->path[0] == 0)
			probe_say(s.core, gen);
		loop_run(s.loop);
		core_settle(s.core);
		ending_say(&s.ending);
	}
	bool ended = clusters_free(&s.clusters);
	http_free(&s.http);
	otlp_free(&s.otlp);
	upgrade_free(&s.upgrade);
	if (s.admin)
		admin_free(s.admin);
	if (s.core)
		core_free(s.core);
	for (unsigned i = 0; i < sizeof s.sig / sizeof *s.sig; i++)
		if (s.sig[i])
			event_free(s.sig[i]);
	if (s.loop)
		loop_free(s.loop);
	http_ports_close(&s.sockets, &s.gen->conf->global, s.http_ls, s.http_n);
	sockets_close(&s.sockets, s.gen->conf);
	if (s.pidfile_given)
		daemon_pidfile_forget();
	else if (*s.gen->conf->global.pidfile)
		daemon_pidfile_remove(s.gen->conf->global.pidfile);
	gen_unref(s.gen);
	sandbox_forget();
	log_close();
	if (!ended)
		_exit(s.exit_code);
	return s.exit_code;
}
