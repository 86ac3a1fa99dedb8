/* server_int - what the files of server/ tell each other. Everything runs on the control
 * thread. */
#ifndef SERVER_INT_H
#define SERVER_INT_H
#include "admin/admin.h"
#include "base/log.h"
#include "core/core.h"
#include "http/http.h"

struct server_args {
	const char *target; /* file or URL */
	const char *user;   /* -u */
	bool test, daemonize, quiet, dump, is_url;
	int verbose;
	int upgrade_fd; /* of upgrade_begin_process() */
};

/* generation.c: everything that a configuration leads to: its files, read; its TLS, made. NULL:
 * every mistake is in m. Takes conf. */
struct core_gen *generation_build(struct conf *conf, struct conf_msgs *m);
/* "2 databases, 1 user" into out: entries, and who has a secret of this process's own (auth_file, a
 * URL). Returns out. */
const char *server_sum_of(const struct core_gen *gen, char *out, size_t n);
/* A context for what is asked by HTTPS. */
int server_https(const struct conf_https *h, struct tls_ctx **ctx_r, struct err *e)
	__attribute__((warn_unused_result));

/* daemon.c */
/* -d: returns in the child. Who started it waits for daemon_tell(): e NULL, it serves; else why it
 * does not. Without daemon_detach() that does nothing. */
int daemon_detach(struct err *e);
void daemon_tell(const struct err *e);
int daemon_pidfile(
	const char *path, struct err *e); /* writes and locks; refuses when another lives */
void daemon_pidfile_remove(const char *path);
int daemon_pidfile_fd(void); /* the open and locked file, or -1 */
/* fd of another process's, which is path, and locked: it is ours from now on, with our pid. -1: it
 * is not, and fd stays the caller's. */
int daemon_pidfile_adopt(const char *path, int fd);
void daemon_pidfile_renew(void);                  /* our pid again */
void daemon_pidfile_forget(void);                 /* it is another process's */
int daemon_drop(const char *user, struct err *e); /* setuid and its groups */
/* As root: what fn returns, called as user, with errno. -1: we are not, or cannot become user for a
 * moment; fn was not called. */
int daemon_as(const char *user, int (*fn)(void *arg), void *arg);
/* The unix socket (as of listen_unix()) belongs to whom we become, who can then remove it. */
void daemon_give(const char *user, const char *dir, unsigned port);
int daemon_raise_fds(
	unsigned want); /* soft limit of descriptors up to the hard one; what it is now */

/* refresh.c: are there newer certificates and secrets than those in use? */
struct refresh {
	struct loop *loop;
	const struct conf *(*conf)(void *arg); /* in use */
	void (*changed)(void *arg);            /* files have, and rest */
	void *arg;
	struct timer timer;  /* private, as what follows */
	int64_t every_us;    /* 0: never */
	uint64_t seen, done; /* marks: of the last look, and of what changed() was called for */
};
void refresh_init(struct refresh *r);
void refresh_arm(struct refresh *r); /* file_check_interval may be another */

/* sandbox.c: gives up what serving does not need, as the option sandbox says; when everything is
 * open, and before the first thread. -1 with e: sandbox = on, and something cannot be given up. */
int sandbox_enter(const struct conf *conf, struct err *e);
void sandbox_no_core(const struct conf *conf); /* neither core file nor debugger, unless wished */
/* What RELOAD brings: -1, and in m each file that the sandbox keeps from us. */
int sandbox_check(const struct conf *conf, struct conf_msgs *m);
/* sandbox_files.c: may it be opened, to write if written? True without a sandbox. */
bool sandbox_covers(const char *path, bool written);
bool sandbox_limits_files(void);
const char *sandbox_places(char *out, size_t n); /* what may be read, for a message; out */
void sandbox_forget(void);                       /* at the end: its memory */

/* notify.c: systemd's protocol; harmless without NOTIFY_SOCKET. */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* sockets.c: where it listens. */
#define SOCKET_KEY_MAX 300
#define SOCKETS_MAX (CORE_LISTEN_MAX + HTTP_LISTEN_MAX)
struct sockets {
	struct core_listen ls[CORE_LISTEN_MAX];
	char key[CORE_LISTEN_MAX][SOCKET_KEY_MAX]; /* of each, for the process after an upgrade */
	unsigned n;
	struct socket_brought {
		int fd; /* -1: taken */
		char key[SOCKET_KEY_MAX];
	} brought[SOCKETS_MAX]; /* of the process before */
	unsigned brought_n;
	struct socket_also {
		int fd; /* somebody else's */
		char key[SOCKET_KEY_MAX];
	} also[HTTP_LISTEN_MAX]; /* to be handed over as well */
	unsigned also_n;
	bool shared; /* another process listens on them too: their files stay when we end */
};
/* Before sockets_open(): takes fd, which that uses where the configuration names this place. False:
 * too many. */
bool sockets_bring(struct sockets *s, int fd, const char *key);
/* All that were brought under this key, SOCKETS_MAX at most; how many. backlog 0: it stays. */
int sockets_take(struct sockets *s, const char *key, int backlog, int *fds_r);
void sockets_also(struct sockets *s, int fd, const char *key);
/* Closes what was brought and is not wanted, and removes its files. */
void sockets_drop_brought(struct sockets *s);
int sockets_open(struct sockets *s, const struct conf *conf, struct err *e);
/* Entries of a kind that had none: their clients may come at once. On failure nothing is left of
 * it. */
int sockets_open_new(struct sockets *s, const struct conf *conf, struct err *e);
/* The unix sockets belong to whom we become. */
void sockets_give(const struct conf *conf, const char *user);
void sockets_close(struct sockets *s, const struct conf *conf);

/* upgrade_exec.c: main() begins and ends with them. The descriptor of the process before if this is
 * an upgrade (UPG_FD), else -1. */
int upgrade_begin_process(int argc, char **argv);
void upgrade_end_process(void);

/* upgrade.c: the old process's part, and what both do as long as both live. */
struct upgrade;
struct upgrade_opts {
	struct loop *loop;
	struct core *core;
	struct sockets *sockets;
	void *arg;
	const struct conf_global *(*conf)(void *arg); /* as it is now */
	/* The new process serves: clients stop coming here. */
	void (*handed)(void *arg, bool took_pidfile);
	void (*took_back)(void *arg); /* it died: they come here again */
	/* clusters_bequeath() */
	bool (*bequeath)(void *arg, bool (*put)(void *to, const char *cluster, const struct buf *b),
		void *to);
	void (*end)(void *arg, enum core_state how); /* it ends, and so do we */
};
struct upgrade *upgrade_new(const struct upgrade_opts *o);
/* Starts the program again. 0: done() comes later, once. -1 with e: nothing was begun. */
int upgrade_start(struct upgrade *u, admin_upgraded *done, void *arg, struct err *e);
bool upgrade_under_way(const struct upgrade *u); /* the new one does not serve yet */
bool upgrade_other_lives(const struct upgrade *u);
bool upgrade_moves(const struct upgrade *u); /* sessions are between the processes: wait */
/* We end: the other process is told. */
void upgrade_say_end(struct upgrade *u, enum core_state how);
void upgrade_free(struct upgrade **u); /* ends what is under way; *u may be NULL */

struct clusters;
/* upgrade_new.c: the new process's part, until it serves. Each waits for the old one, half a minute
 * at most; -1: it is gone, or something is wrong. fd is UPG_FD. */
struct heritage {
	int fd;
	unsigned generation;
	int old_pid;
	int pid_fd; /* the open pid file, or -1 */
	char pidfile[512];
};
void heritage_begin(void); /* standard output and error are the service's own again */
/* Says hello, and takes all that the old process hands over. */
int heritage_take(struct heritage *h, struct sockets *s, struct err *e);
void heritage_apply(const struct heritage *h, struct core *c); /* before core_start() */
/* Takes what operators have said in the old process, and waits for the word to accept clients. */
int heritage_wait(struct heritage *h, struct core *core, struct clusters *clusters, struct err *e);
/* Clients are accepted: from now on by upgrade.c. */
void heritage_serve(struct heritage *h, bool has_pidfile, struct upgrade *u);
void heritage_failed(const struct heritage *h, const struct err *e);
/* of upgrade.c: fd is of the process before, which is left */
void upgrade_follow(struct upgrade *u, int fd, int old_pid);

/* run.c */
int server_run(struct core_gen *gen, const struct server_args *a); /* exit code */

/* ending.c: how the process ends. */
enum ending_phase {
	ENDING_NOT,
	ENDING_DELAY,  /* not ready, but new clients are taken */
	ENDING_LINGER, /* the same until there are none */
	ENDING_CORE    /* core knows: state */
};
struct ending {
	struct loop *loop;
	struct core *core;
	struct sockets *sockets;
	struct upgrade *upgrade;
	bool refuses; /* they are closed, or that is on its way */
	enum ending_phase phase;
	enum core_state state;
	int64_t since_us, drain_us, empty_us;
	int64_t limit_us; /* 0: none */
	unsigned cut_n;   /* clients that were still busy then */
	struct timer poll;
};
void ending_init(struct ending *e, struct loop *loop, struct core *core, struct sockets *sockets);
void ending_announce(struct ending *e);                /* the first SIGTERM */
void ending_to(struct ending *e, enum core_state how); /* only further */
bool ending_begun(const struct ending *e);             /* somebody has said stop */
/* The process after an upgrade takes the new clients; and does so no more (false: too late). */
void ending_hand(struct ending *e);
bool ending_take_back(struct ending *e);
const char *ending_why(const struct ending *e); /* NULL: it does not end */
void ending_say(const struct ending *e);        /* the last line of the log */

/* http_ports.c: ls has room for HTTP_LISTEN_MAX. may_fail: a port that is taken is only told to the
 * log. */
int http_ports_open(struct sockets *s, const struct conf_global *g, bool may_fail,
	struct http_listen *ls, unsigned *n_r, struct err *e);
void http_ports_close(const struct sockets *s, const struct conf_global *g,
	const struct http_listen *ls, unsigned n);

/* check.c: the subcommand; argv[0] is its name. Exit code. */
int server_check(int argc, char **argv);
/* doctor.c: the subcommand; argv[0] is its name. Exit code. */
int server_doctor(int argc, char **argv);
/* check_running.c: does the weirpool that this configuration describes answer? Prints what it
 * found. 0 or 1. */
int server_check_running(const struct conf *conf);
/* What auth_file says of user when password is empty: "" if that is no password. */
const char *server_secret_of(const struct core_gen *gen, const char *user, const char *password);

/* explain_route.c: the subcommand; argv[0] is its name. Exit code. */
int server_explain_route(int argc, char **argv);

/* explain_code.c */
int server_explain_code(int argc, char **argv);

/* names_read.c: the names that are not for a replica, from the catalogs of the server behind a
 * URL. Waits for the server, half a minute at most. *names_r is the caller's; *major_r its major
 * version. */
struct sql_names;
int names_read_pg(const char *url, struct sql_names **names_r, unsigned *major_r, struct err *e);

/* watch.c: the subcommand "probe"; argv[0] is its name. Exit code. */
int server_watch(int argc, char **argv);

/* names_read_my.c: the same of a MySQL or MariaDB server; sets flavour and version of *o_r.
 * need_all: an account that may not see all views is refused. */
struct sql_my_opts;
int names_read_my(const char *url, bool need_all, struct sql_names **names_r,
	struct sql_my_opts *o_r, struct err *e);

/* How the command line logs in to a server. */
struct server_account {
	const char *user, *password, *database; /* "": none */
	const struct settings *set;             /* TLS, PROXY protocol */
};
/* ask_my.c: one query with a row of two cells. Waits. e as of my_asker_open(). */
struct my_said {
	char cells[2][64];
	char tls[16]; /* "TLSv1.3"; "": none */
};
int server_ask_my(const struct conf_host *h, const struct server_account *who, const char *sql,
	struct my_said *said, struct err *e);
/* ask_pg.c: for PQconnectdbParams(). Texts are borrowed from who, or in w. */
struct pg_words {
	const char *name[20], *value[20]; /* n of them, and a NULL */
	unsigned n;
	char port[8], host[256];
};
void pg_words_fill(struct pg_words *w, const struct conf_host *h, const struct server_account *who,
	const char *program);

/* clusters.c: a monitor for each cluster of the configuration. core must outlive it. */
struct clusters;
struct clusters *clusters_new(struct core *core, struct loop *loop, struct err *e);
void clusters_apply(struct clusters *c, const struct core_gen *gen); /* also after each RELOAD */
/* Of the account that asks the nodes of c; "": none. Borrowed from gen. */
const char *probe_secret(const struct core_gen *gen, const struct conf_cluster *c);
/* What an operator says of a node: see struct admin_hooks. */
int clusters_command(
	struct clusters *c, const char *verb, const char *cluster, const char *node, struct err *e);
bool clusters_report(
	struct clusters *c, const char *cluster, unsigned node, struct probe_report *r_r);
/* See struct admin_hooks. */
int clusters_switchover(struct clusters *c, const char *cluster, const char *node,
	admin_switched *done, void *arg, struct err *e);
/* For the process after this one: what cannot be seen anew, of each cluster, until put() says
 * false. */
bool clusters_bequeath(const struct clusters *c,
	bool (*put)(void *to, const char *cluster, const struct buf *b), void *to);
void clusters_inherit(struct clusters *c, const char *cluster, const uint8_t *p, size_t n);
/* No switchover is under way: another process may take over. */
int clusters_may_leave(const struct clusters *c, struct err *e);
bool clusters_free(struct clusters **c); /* as namer_free() */

/* switchover.c: one planned change of primary. */
struct switchover;
struct monitor;
struct switchover_opts { /* strings are copied */
	struct core *core;
	struct loop *loop;
	struct monitor *monitor;  /* must outlive it */
	struct switchover **slot; /* where it stands while it lasts */
	const char *cluster;
	unsigned to;
	const char *command;         /* "": Patroni or the group is asked, */
	const char *user, *password; /* the group as this account, "": the probe's, */
	const char *auth;            /* and Patroni with this header Authorization, or NULL */
	int64_t drain_us, limit_us;
};
/* 0: done() comes later, once. -1 with e: nothing was begun. */
int switchover_begin(const struct switchover_opts *o, const struct topo_cluster *tc,
	admin_switched *done, void *arg, struct err *e);
/* Ends it with an error; s may be NULL. last: the loop runs no more. */
void switchover_abort(struct switchover *s, const char *why, bool last);

/* child.c: a program of the operator's. */
struct child;
struct child_opts {
	const char *name;
	char *const *argv; /* [0] is its path */
	char *const *env;  /* name=value, beside our own */
	unsigned env_n;
	const int *fds; /* stand there as 3, 4, ...; they are not among these numbers here */
	unsigned fds_n;
	bool stays; /* it is to live on: in our process group, and signals are for it alone */
	void (*done)(void *arg, int status, const char *last);
	void *arg;
};
/* What it says goes to the log, each line behind name. done() comes once, when it has ended, with
 * the status of waitpid() and the last line that it said; c may be left there. NULL with e. */
struct child *child_start(struct loop *loop, const struct child_opts *o, struct err *e);
bool child_runs(const struct child *c);
int child_pid(const struct child *c);
const char *child_said(const struct child *c); /* its last line, or "" */
void child_kill(struct child *c);              /* SIGKILL; done() follows */
void child_ask_to_end(struct child *c);        /* SIGTERM, also to its children */
void child_leave(struct child **c);            /* it goes on, unheard */
void child_free(struct child **c); /* no done(); who still runs is killed. *c may be NULL */

/* tokens.c: struct core_token, answered at once or kept in waiting. c NULL: nothing is known of the
 * cluster yet. tokens_sampled(): after each sample, and now and then. */
void tokens_ask(struct list *waiting, const struct cluster *c, struct core_token *t);
void tokens_sampled(struct list *waiting, const struct cluster *c);
void tokens_end(struct list *waiting);

/* namer.c: what catalogs say of names, for the workers. namer_look(): call it every second. */
struct namer;
struct namer *namer_new(struct core *core, struct err *e);
void namer_look(struct namer *n);
/* False: a server keeps its thread waiting. It frees the rest by itself, but uses libraries until
 * then: the process must end by _exit(). */
bool namer_free(struct namer **n);

/* probe.c: what a URL leads to, in words, before serving: version, role, TLS. Prints to stdout. */
void probe_say(struct core *c, struct core_gen *gen);
#endif
