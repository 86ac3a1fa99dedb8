/* admin_int - what the files of admin/ tell each other. Control thread, except where it says "on
 * the worker". */
#ifndef ADMIN_INT_H
#define ADMIN_INT_H
#include "admin/admin.h"

/* ---- cmd_parse.c: a text as words ---- */

#define CMD_ARGS_MAX 8
struct cmd_line {
	char verb[32]; /* as typed: verbs and objects are compared without case */
	struct {
		char text[256];
		bool quoted;
	} arg[CMD_ARGS_MAX];
	unsigned args_n;
	/* SET only; then there are no args */
	bool is_set;
	char key[128], value[2048];
};
/* 0, or -1 and e ("invalid command '...', use SHOW HELP;" with a hint that says why). */
int cmd_parse(const char *sql, struct cmd_line *l, struct err *e)
	__attribute__((warn_unused_result));
int cmd_invalid(const char *sql, struct err *e); /* sets that error; -1 */
/* Comments outside of quotes become blanks. */
void cmd_blank_comments(char *sql);

/* ---- cmd_hint.c ---- */

/* Of an invalid command: the hint of e says what to give in place of one that other servers have.
 * False: it is none of theirs. */
bool cmd_hint_foreign(const char *sql, struct err *e);
/* Of a name that the console cannot select from: where else to look. False: it is nobody's. */
bool cmd_hint_elsewhere(const char *name, struct err *e);
/* Of a SELECT that cannot be read: an error of its own when it asks a server's catalogs. */
bool cmd_hint_catalogs(const char *sql, struct err *e);

/* ---- cmd_table.c: THE table ---- */

enum cmd_args {
	CMD_NO_ARG,
	CMD_DB,     /* a database must be named */
	CMD_DB_OPT, /* or all of them */
	CMD_WORD,   /* one word, or none */
	CMD_TO,     /* cluster TO node */
};
/* Runs one command. Must end with core_console_done(r), now or later; a is in r->admin. */
typedef void cmd_fn(struct core_console *r, const struct cmd_line *l);
struct cmd {
	const char *verb;   /* lower case */
	const char *object; /* of SHOW; else NULL */
	enum cmd_args args;
	enum console_privilege needs;
	cmd_fn *fn;
	const char *help; /* one line of SHOW HELP; NULL: not listed */
};
/* The row, or NULL and e. Checks privilege and number of arguments. */
const struct cmd *cmd_find(
	const struct cmd_line *l, const char *sql, enum console_privilege have, struct err *e);
bool cmd_is_shown(const char *object); /* has SHOW one of this name? */
/* The SHOW that q is of, and its line in *l; or NULL and e. */
struct show_query;
const struct cmd *cmd_find_shown(const struct show_query *q, const char *sql,
	enum console_privilege have, struct cmd_line *l, struct err *e);
extern const struct cmd cmd_table[];
extern const unsigned cmd_table_n;

/* ---- console.c ---- */

struct stats;
struct admin {
	struct core *core;
	struct admin_hooks hooks;
	struct list pending; /* of cmd_ctl.c: PAUSE, SUSPEND, WAIT_CLOSE */
	struct timer poll;   /* while something is pending */
	struct stats *stats;
	struct { /* of the configuration */
		uint64_t n, failed;
		int64_t wall_us; /* when the one in use was read */
		bool ok;         /* the last one went well */
	} reloads;
	int64_t started_us; /* wall */
	/* What stats_mysql_connection_pool_reset has shown last. */
	struct proxysql_servers {
		struct proxysql_server *v; /* MEM_ADMIN */
		size_t n, size;
		bool no_memory;
	} proxysql;
};
static inline struct admin *admin_of(const struct core_console *r)
{
	return r->admin;
}
void admin_done(struct core_console *r, const char *tag); /* sets the tag and answers */
void admin_refuse(struct core_console *r); /* with the error that r->result.err holds */
void admin_fail(struct core_console *r, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Asks every worker; each() fills parts, done() must answer r. Fails r when out of memory. */
struct admin_ask {
	struct core_console *r;
	unsigned what;
	uint64_t id;
	const struct dbase *db;
};
void admin_ask(struct core_console *r, const struct admin_ask *q, size_t part_size,
	void (*each)(struct worker *, void *, void *), void (*done)(struct scatter *));
static inline const struct admin_ask *admin_ask_of(const struct scatter *s)
{
	return s->arg;
}
void admin_ask_free(struct scatter *s); /* at the end of done() */
/* The columns' types as in PgBouncer's source: s i q N T b. names: separated by blanks. */
void admin_cols(struct rowset *rs, const char *types, const char *names);
static inline void admin_set_u64(struct rowset *rs, char **row, unsigned col, uint64_t v)
{
	rowset_setf(rs, row, col, "%llu", (unsigned long long)v);
}
const struct conf *admin_conf(const struct core_console *r);

/* ---- collect.c: facts about connections and pools, gathered on the workers ---- */

enum collect {
	COLLECT_CLIENTS = 1, /* logged in, console included */
	COLLECT_LOGINS = 2,
	COLLECT_SERVERS = 4,
	COLLECT_BUFFERED = 8, /* only those with bytes in a buffer */
};
struct conn_fact {
	const struct proto_ops *ops;
	uint32_t number; /* as its client knows it */
	char type;       /* C or S */
	bool tls, close_needed, console;
	bool running, in_tx, replica; /* type C; replica: of its link */
	uint16_t port;                /* of host */
	uint64_t rx_bytes, tx_bytes;
	const char *coding;     /* "zlib", "zstd", ""; static */
	uint8_t replication;    /* 0 none, 1 physical, 2 logical */
	enum session_state cst; /* type C */
	enum link_state lst;    /* type S */
	uint32_t id, link_id;   /* link_id 0: none */
	int fd, link_fd;
	const char *user, *db;               /* live as long as the process; NULL: unknown yet */
	struct pool *pool;                   /* NULL: none */
	struct addr addr, local, link_local; /* link_local: type C */
	int64_t connect_us, request_us, wait_us; /* wall; wall; duration */
	int64_t pinned_us;                       /* wall, or 0 */
	uint32_t pins;
	unsigned remote_pid, statements, in_bytes, out_bytes;
	char app_name[64], tls_text[64], host[64]; /* host: of the server, also for type C */
	char encoding[24], std_strings[8], datestyle[32], timezone[40];
};
struct conn_part {
	struct conn_fact *v;
	size_t n, size;
	bool no_memory;
};
/* what: bits of enum collect. */
void collect_conns(struct worker *w, struct conn_part *p, unsigned what); /* on the worker */
void collect_conns_fini(struct conn_part *p);

struct pool_fact {
	struct pool *pool;
	enum conf_pool_mode mode;
	enum conf_balance balance;
	bool many_hosts;
	unsigned cl_active, cl_waiting, cl_cancel, sv[LINK_N];
	int64_t maxwait_us;
	int64_t cert_end_s; /* of the certificate that is shown to servers; 0: none */
};
struct pool_part {
	struct pool_fact *v;
	size_t n;
	bool no_memory;
	unsigned consoles, logins, clients, servers;
	unsigned dns_names, dns_pending;
	unsigned state_n[SESSION_N];
	unsigned statements, cancels, shards;
};
void collect_pools(struct worker *w, struct pool_part *p); /* on the worker */
/* The pools of all workers (parts at byte at of what s gathered) as one list in order, the caller's
 * (MEM_ADMIN); takes the parts' lists. False: out of memory; *v_r is to be freed all the same. */
bool pools_merge(struct scatter *s, size_t at, struct pool_fact **v_r, size_t *n_r);

/* ---- names.c ---- */

enum names { NAMES_DATABASES, NAMES_USERS };
/* Sorted, each once, the console's own among them; the strings are borrowed, the array is the
 * caller's (MEM_ADMIN). NULL: out of memory. */
const char **names_list(struct core *c, enum names what, size_t *n_r);
size_t names_count(struct core *c, enum names what);
/* The database that a command means: an entry of that name, else what clients made of a *. False:
 * none; *d_r NULL: out of memory. */
bool names_dbase(struct core_console *r, const char *name, struct dbase **d_r);

/* ---- stats.c ---- */

/* In the order of SHOW STATS. */
enum stat {
	STAT_ASSIGNMENTS,
	STAT_XACTS,
	STAT_QUERIES,
	STAT_RECEIVED,
	STAT_SENT,
	STAT_XACT_US,
	STAT_QUERY_US,
	STAT_WAIT_US,
	STAT_CLIENT_PARSES,
	STAT_SERVER_PARSES,
	STAT_BINDS,
	STAT_LOGINS,
	STAT_N
};
/* One database's. */
struct stat_row {
	struct dbase *db; /* lives as long as the process; NULL: the console */
	uint64_t v[STAT_N];
};
struct stat_part {
	struct stat_row *v;
	size_t n;
	bool no_memory;
};
void stats_collect(struct worker *w, struct stat_part *p); /* on the worker */
/* The parts of all workers (at byte at of what s gathered) as one list sorted by name, the caller's
 * (MEM_ADMIN); takes the parts' memory. NULL: out of memory. */
struct stat_row *stats_merge(struct scatter *s, size_t at, size_t *n_r);
struct stats *stats_new(struct admin *a); /* starts the timer */
void stats_arm(struct stats *st);         /* stats_period may be another */
void stats_free(struct stats **s);

/* ---- cmd_*.c ---- */

cmd_fn show_clients, show_servers, show_sockets, show_active_sockets, show_fds, show_pins,
	show_waits;
cmd_fn show_databases, show_pools, show_users, show_lists, show_peers, show_peer_pools,
	show_workers;
cmd_fn show_clusters, show_nodes, show_probes, show_routes;
cmd_fn ctl_drain, ctl_promoted, ctl_resolve, ctl_switchover;
/* PAUSE or (on false) RESUME of a cluster, or RESUME of a node. False: it is for a database. */
bool cluster_pause(struct core_console *r, const struct cmd_line *l, bool on);
cmd_fn show_events, show_log, show_traces;
cmd_fn show_rules, ctl_explain, show_prometheus;
cmd_fn show_queries, ctl_reset;
cmd_fn show_proxysql_digest, show_proxysql_digest_reset, show_proxysql_commands, show_proxysql_pool,
	show_proxysql_pool_reset, show_proxysql_processlist, show_proxysql_global,
	show_proxysql_servers, show_proxysql_stats_users, show_proxysql_users;
/* EXPLAIN ROUTE, which is no command of words. False: it is another command. */
bool explain_route(struct core_console *r);
cmd_fn show_config, show_config_sources, show_help, show_version, show_mem, show_state,
	show_dns_hosts, show_dns_zones;
cmd_fn show_stats, show_stats_totals, show_stats_averages, show_totals;
cmd_fn ctl_pause, ctl_resume, ctl_disable, ctl_enable, ctl_reconnect, ctl_kill, ctl_kill_client,
	ctl_suspend, ctl_upgrade, ctl_wait_close, ctl_reload, ctl_set, ctl_shutdown;
/* cmd_fake.c. True: it was one of the questions that drivers ask of any server, and is answered. */
bool fake_select(struct core_console *r);
bool fake_show(struct core_console *r, const struct cmd_line *l);
bool fake_transaction(struct core_console *r, const struct cmd_line *l);
bool fake_is(const char *key);             /* SET of it is accepted and ignored */
void ctl_poll(struct timer *t, void *arg); /* looks at what is pending */
void ctl_give_up(struct admin *a);         /* answers what is pending with an error */

/* A link's and a client's "ptr": unique, not an address, taken by KILL_CLIENT. */
static inline uint64_t ptr_of(char type, uint32_t id)
{
	return (type == 'C' ? UINT64_C(0xc) : UINT64_C(0x5)) << 32 | id;
}
#endif
