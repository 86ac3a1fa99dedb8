/* conf - the whole configuration as one immutable snapshot: options, databases, users, peers, each
 * value with the file and line it came from. The control thread builds and frees; every thread may
 * read. Ignorant of what auth_file and auth_hba_file contain (auth/ reads them), and of sockets.
 * */
#ifndef CONF_CONF_H
#define CONF_CONF_H
#include "conf/opt.h"
#include "conf/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum conf_auth_type {
	CONF_AUTH_ANY,
	CONF_AUTH_TRUST,
	CONF_AUTH_PLAIN,
	CONF_AUTH_MD5, /* a SCRAM secret makes it SCRAM, as in PgBouncer */
	CONF_AUTH_SCRAM,
	CONF_AUTH_CERT,
	CONF_AUTH_HBA,
	CONF_AUTH_PAM,
	CONF_AUTH_LDAP
};
enum conf_log_format { CONF_LOG_PLAIN, CONF_LOG_LOGFMT, CONF_LOG_JSON };
/* What /readyz asks of the servers. */
enum conf_ready { CONF_READY_ANY_POOL, CONF_READY_ALL_POOLS, CONF_READY_PRIMARY, CONF_READY_NONE };
enum conf_sandbox { CONF_SANDBOX_AUTO, CONF_SANDBOX_ON, CONF_SANDBOX_OFF };
enum conf_shutdown { CONF_SHUTDOWN_AUTO, CONF_SHUTDOWN_GATEWAY, CONF_SHUTDOWN_SIDECAR };
enum conf_columns {
	CONF_COLUMNS_1_24,
	CONF_COLUMNS_1_25,
	CONF_COLUMNS_1_26,
	CONF_COLUMNS_WEIRPOOL /* those of the newest, and ours behind them */
};

/* Options that exist once. Strings are never NULL ("" = not set). 0 in a limit or timeout = none.
 * */
struct conf_global {
	/* where clients come in */
	const char *listen_addr; /* comma list, "*" = all, "" = no TCP */
	int listen_port, listen_backlog;
	int listen_port_rw, listen_port_ro; /* 0 = none */
	const char *unix_socket_dir;        /* "" = none, "@name" abstract */
	/* the same for the clients of [mysql_databases] */
	const char *mysql_listen_addr; /* "" = as listen_addr, "none" = no TCP */
	int mysql_listen_port, mysql_listen_port_rw, mysql_listen_port_ro;
	const char *mysql_unix_socket;    /* path, "" = none, "@name" abstract */
	const char *mysql_server_version; /* said while no server has been reached; "" = ours */
	uint32_t unix_socket_mode;
	const char *unix_socket_group;
	bool so_reuseport, tcp_defer_accept, tcp_keepalive;
	int tcp_keepcnt, tcp_keepidle, tcp_keepintvl; /* seconds; 0 = the system's */
	int64_t tcp_socket_buffer_bytes, tcp_user_timeout_us;
	struct conf_tls client_tls;
	int max_client_conn;
	int64_t client_login_timeout_us;
	/* the operators' HTTP port; 0 and "" = none */
	const char *http_listen_addr; /* comma list */
	int http_port;
	const char *http_unix_socket; /* path, or "@name" abstract */
	const char *http_token;       /* secret */
	bool http_commands;           /* loopback addresses may command without proof */
	const char *http_tls_cert_file, *http_tls_key_file, *http_tls_ca_file;
	enum conf_ready ready_policy;
	struct conf_https patroni_tls; /* of all clusters */
	/* who may */
	enum conf_auth_type auth_type;
	const char *auth_file, *auth_hba_file, *auth_ident_file, *auth_ldap_options;
	const char *admin_users, *stats_users; /* lists */
	enum conf_compression client_compression;
	const char *proxy_protocol_networks; /* list: see base/cidr.h */
	int scram_iterations, scram_iterations_max;
	/* the process */
	int workers; /* 0 = one per CPU, at most 64 */
	const char *user, *pidfile, *job_name, *conffile;
	int64_t shutdown_timeout_us; /* drain deadline; 0 = none */
	int64_t upgrade_timeout_us, upgrade_drain_timeout_us;
	enum conf_shutdown shutdown_mode;
	int64_t drain_delay_us; /* without http_port: counts if conf_is_set() */
	int64_t sidecar_linger_us;
	int64_t suspend_timeout_us, cancel_wait_timeout_us, autodb_idle_timeout_us;
	int peer_id;
	int64_t file_check_interval_us;
	enum conf_sandbox sandbox;
	bool core_dumps;
	/* logs and statistics */
	const char *logfile, *syslog_ident, *syslog_facility, *syslog_socket, *audit_file;
	int log_repeats;
	int log_sample; /* of so many sessions one is logged */
	bool syslog, log_connections, log_disconnections, log_pooler_errors, log_stats,
		log_sessions, log_codes, audit_log;
	int verbose;
	enum conf_log_format log_format;
	int64_t stats_period_us;
	int metrics_max_pools;
	bool query_stats;
	int query_stats_max;
	enum conf_columns console_columns;
	/* traces: see conf/otlp.h for the texts */
	const char *otlp_endpoint; /* "" = off */
	const char *otlp_headers;  /* secret */
	const char *otlp_service_name;
	struct conf_https otlp_tls;
	int64_t otlp_interval_us, otlp_timeout_us;
	int otlp_batch, otlp_queue; /* spans */
	/* names */
	const char *resolv_conf;
	int64_t dns_max_ttl_us, dns_nxdomain_ttl_us, dns_zone_check_period_us;
	/* buffers */
	int64_t pkt_buf_bytes;
	int sbuf_loopcnt;
};

/* Where a value was written. file is NULL for a default; line 0 when there is no file: then it is
 * the name of a flag ("--pool-size") or variable ("WEIRPOOL_POOL_SIZE"), "URL" or "SET". */
struct conf_src {
	const char *file;
	unsigned line;
};

/* One option given for a database or user, over the global settings. */
struct conf_over {
	const struct opt *opt;
	struct opt_value value;
	const char *text; /* as written; may be a secret */
	struct conf_src src;
};

/* A protocol as the configuration sees it: its section of databases. */
struct conf_kind {
	const char *name;    /* "postgresql", "mysql" */
	const char *section; /* "databases", "mysql_databases" */
};

enum conf_host_kind { CONF_HOST_TCP, CONF_HOST_UNIX, CONF_HOST_ABSTRACT };
struct conf_host {
	enum conf_host_kind kind;
	const char *host; /* name or address; directory; abstract name without the @ */
	uint16_t port;    /* 0: host is the path of the unix socket itself */
};

struct conf_db {
	const char *name; /* "*": stands for every name not listed */
	const struct conf_kind *kind;
	bool is_auto;           /* name is "*" */
	const char *dbname;     /* at the server; "" = what the client asked for */
	const char *force_user; /* "" = the client's user */
	const char *password;   /* secret; "" = none */
	/* host=, port= as written ("" = unix_socket_dir), and taken apart; at least one host */
	const char *host_text, *port_text;
	struct conf_host *hosts;
	unsigned hosts_n;
	const char *cluster_name;           /* "" = none: host= counts */
	const struct conf_cluster *cluster; /* by that name, or NULL */
	/* "" = not asked for */
	const char *client_encoding, *datestyle, *timezone, *application_name, *options;
	struct conf_over *over;
	unsigned over_n;
	struct conf_src src;
};

struct conf_user {
	const char *name;
	struct conf_over *over;
	unsigned over_n;
	struct conf_src src;
};

struct conf_peer {
	int id; /* 1..16383 */
	const char *host_text;
	int port;
	int pool_size; /* cancel connections to it at a time */
	struct conf_host host;
	struct conf_src src;
};

/* Who reads on the primary. */
enum conf_primary_reads {
	CONF_PRIMARY_READS_FALLBACK, /* what no replica may answer */
	CONF_PRIMARY_READS_SHARE,    /* it is one of those that are balanced over, too */
	CONF_PRIMARY_READS_NEVER
};

#define CONF_NODES_MAX 16

/* Servers that replicate one data set. Which of them is the primary is found out. */
struct conf_cluster {
	const char *name;
	int protocol; /* place in the list of kinds */
	const struct conf_kind *kind;
	const char *host_text, *port_text; /* as written */
	struct conf_host *nodes;           /* 1 to CONF_NODES_MAX */
	unsigned nodes_n;
	const char *weight_text, *zone_text; /* lists, "" or one item for each node */
	unsigned weight[CONF_NODES_MAX];
	const char *zone; /* ours; "" = all are near */
	/* the account that asks for roles and positions */
	const char *probe_user, *probe_password, *probe_dbname;
	int64_t probe_interval_us, probe_slow_interval_us, probe_timeout_us;
	const char *patroni; /* URLs of its REST API, comma list; "" = no Patroni */
	int64_t hold_timeout_us;
	enum conf_primary_reads primary_reads;
	int primary_read_share; /* percent */
	bool allow_lossy_failover;
	int64_t fence_on_authority_loss_us; /* 0 = off */
	const char *switchover_command, *switchover_user, *switchover_password;
	int64_t switchover_drain_us, switchover_timeout_us;
	struct conf_src src;
};

/* Where a rule sends what it moves. */
enum conf_rule_route {
	CONF_RULE_ANY, /* as without the rule */
	CONF_RULE_PRIMARY,
	CONF_RULE_REPLICA,
	CONF_RULE_NODES /* those in nodes */
};
enum conf_rule_consistency { /* as conf_consistency, one further */
	CONF_RULE_CONSISTENCY_AS_SET,
	CONF_RULE_CONSISTENCY_EVENTUAL,
	CONF_RULE_CONSISTENCY_BOUNDED,
	CONF_RULE_CONSISTENCY_SESSION,
	CONF_RULE_CONSISTENCY_GLOBAL,
	CONF_RULE_CONSISTENCY_STRONG
};

/* What to do with some statements of some clients: doc/routing.md. The first that fits decides. */
struct conf_rule {
	const char *name;
	const char *text; /* as written: with the name, what makes two rules the same */
	const char *user, *database, *address; /* lists; "" = any */
	const char *regex, *prefix, *digest;   /* of the statement; "" = any */
	const char *nodes;                     /* route= as written: a list of host:port */
	enum conf_rule_route route;
	enum conf_rule_consistency consistency;
	int64_t max_staleness_us, query_timeout_us; /* below 0: as configured elsewhere */
	const char *block;                          /* what the client is told; "" = it runs */
	bool log;
	struct conf_src src;
};

struct conf_item;  /* private: one line as it was read */
struct conf_block; /* private: memory of strings */
struct conf_read;  /* private: a file that was read */
struct conf_places;

struct conf {
	const char *path;  /* main file; "" for a URL */
	bool is_pgbouncer; /* [pgbouncer]: PgBouncer's defaults */
	struct conf_global global;
	struct settings settings; /* the global level */
	/* each of these sorted by name (bytes) or id; "*" is among them, once for each kind; other
	 * names are unique over the kinds */
	struct conf_db *dbs;
	unsigned dbs_n;
	struct conf_user *users;
	unsigned users_n;
	struct conf_peer *peers;
	unsigned peers_n;
	struct conf_cluster *clusters;
	unsigned clusters_n;
	struct conf_rule *rules; /* in the order of the file */
	unsigned rules_n;
	/* From a URL only: the one user who may log in, with this password, and is admin.
	 * "" = not a URL, or a URL without a user or password. */
	const char *url_user, *url_password; /* the latter is secret */
	/* private */
	/* the line that set each global option, or NULL, by row of opt_table */
	const struct conf_item **set;
	struct conf_item *items;
	unsigned items_n, items_size;
	struct conf_read *reads; /* files that it was made from */
	unsigned reads_n;
	uint64_t inputs_mark;             /* of files that options name, as they were then */
	const struct conf_places *places; /* borrowed, or NULL */
	struct conf_block *blocks;
};

/* Mistakes and warnings, collected. Zero-initialize; conf_msgs_fini() when done. */
enum conf_level { CONF_WARNING, CONF_ERROR };
struct conf_msg {
	enum conf_level level;
	char *file; /* NULL: no place */
	unsigned line;
	char *text;         /* never contains a secret */
	const char *unread; /* the option whose file cannot be read, static; else NULL */
};
struct conf_msgs {
	struct conf_msg *list; /* by file and line; at most 500, then a last one says so */
	unsigned n, errors_n;
};
void conf_msgs_fini(struct conf_msgs *m);
void conf_msgs_add(struct conf_msgs *m, enum conf_level level, const char *file, unsigned line,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* An error: the file of this option (static) cannot be read. */
void conf_msgs_add_unread(
	struct conf_msgs *m, const char *option, const char *file, unsigned line, const char *text);
bool conf_msgs_has_unread(const struct conf_msgs *m, const char *option);
/* "file:line: text" or "file: text" or "text" into out; returns out. */
const char *conf_msg_format(const struct conf_msg *msg, char *out, size_t n);

/* Reads the file and what it %includes (relative to the working directory, as PgBouncer). Finds
 * every mistake, not only the first. 0 and *conf_r, to be freed with conf_free(); or -1, nothing
 * built, and m has an error. */
int conf_load(const char *path, struct conf **conf_r, struct conf_msgs *m)
	__attribute__((warn_unused_result));
/* The same from memory; file is the name used in messages. */
int conf_load_text(const char *file, const char *text, size_t n, struct conf **conf_r,
	struct conf_msgs *m) __attribute__((warn_unused_result));
/* RELOAD: loads from old's conffile option (or its path); options that need a restart keep old's
 * value, with a warning in m. old stays as it is and stays the caller's. */
int conf_reload(const struct conf *old, struct conf **conf_r, struct conf_msgs *m)
	__attribute__((warn_unused_result));
/* Console SET: a new snapshot with one global option changed, all checks run again. Refuses what
 * needs a restart. */
int conf_set(const struct conf *conf, const char *key, const char *value, struct conf **conf_r,
	struct err *e) __attribute__((warn_unused_result));
/* Wipes and frees all; every thread must have let go. Clears *conf. */
void conf_free(struct conf **conf);
/* Warnings and errors about files named in it that cannot be read (TLS, auth files). 0 when no
 * error was added. */
int conf_check_files(const struct conf *conf, struct conf_msgs *m);

/* The entry of that name, else "*" of [databases], else NULL. The console's names are never found.
 */
const struct conf_db *conf_db_find(const struct conf *conf, const char *name);
/* The same among those of one kind: that name, else its "*", else NULL. */
const struct conf_db *conf_db_find_in(const struct conf *conf, const char *kind, const char *name);
/* For clients who name no database: "*" of the kind, else its only entry, else NULL. */
const struct conf_db *conf_db_only(const struct conf *conf, const char *kind);

/* Where clients of one kind come in; "" or port 0: not there. */
struct conf_listen {
	const struct conf_kind *kind;
	const char *addr; /* comma list, "*" = all */
	int port;
	/* directory of a socket whose name has the port in it, or (unix_port 0) the socket */
	const char *unix_path;
	int unix_port;
	enum conf_endpoint endpoint; /* what those who come in here want */
};
#define CONF_KINDS_N 2
#define CONF_LISTENS_MAX (3 * CONF_KINDS_N)
/* How many: at most CONF_LISTENS_MAX. A kind other than the first listens only for entries. */
unsigned conf_listens(const struct conf *conf, struct conf_listen out[CONF_LISTENS_MAX]);
/* Is this global option about where clients of a kind come that has no entries? Then nothing stands
 * yet that a change would have to move. */
bool conf_listens_nowhere(const struct conf *conf, const char *option);
const struct conf_user *conf_user_find(const struct conf *conf, const char *name); /* or NULL */
const struct conf_peer *conf_peer_find(const struct conf *conf, int id);           /* or NULL */
const struct conf_cluster *conf_cluster_find(
	const struct conf *conf, const char *name); /* or NULL */
/* May the rule be for this entry, as clients call it, and this user? address= is not looked at. */
bool conf_rule_is_for(
	const struct conf_rule *r, const struct conf_db *db, const char *dbname, const char *user);
/* "host:port", the name of a node. */
void conf_node_name(const struct conf_host *h, char *out, size_t n);
/* Do clients come from this machine only? Sockets that systemd passes are not looked at. */
bool conf_is_local(const struct conf *conf);
/* Does the global option have a value of its own, not its default? */
bool conf_is_set(const struct conf *conf, const char *option);
/* Where it was written; nowhere (file NULL) for a default. */
struct conf_src conf_src_of(const struct conf *conf, const char *option);
/* "weirpool" or "pgbouncer": the admin console. */
bool conf_is_console(const char *dbname);
/* Merges user over db over global; either may be NULL. Never fails; strings borrowed from conf. */
void conf_effective(const struct conf *conf, const struct conf_db *db, const struct conf_user *user,
	struct settings *out);
/* As above for one user of one database by names (conf_db_find, conf_user_find). */
void conf_effective_names(
	const struct conf *conf, const char *db, const char *user, struct settings *out);
/* Number of workers to start, 1..64: the option, or the CPUs that this process may use. */
unsigned conf_workers(const struct conf *conf);

/* Calls fn for each path that the configuration names or came from, some more than once: files,
 * directories, sockets. option: NULL for a file of the configuration itself. written: something is
 * written or made there. Borrowed for the call. */
typedef void conf_path_fn(void *arg, const char *option, const char *path, bool written);
void conf_paths(const struct conf *conf, conf_path_fn *fn, void *arg);

/* Is name one of the comma separated list? Spaces around items do not count; case does. */
bool conf_list_has(const char *list, const char *name);
/* Next item: *at starts as list; copies into out; false at the end. Items longer than n - 1 are
 * skipped. */
bool conf_list_next(const char **at, char *out, size_t n);
/* Splits text in place at blanks; "..." and '...' keep them, and nothing else is special. How many
 * words; -1: more than max, or a quote that is not closed. */
#define CONF_COMMAND_WORDS_MAX 32
int conf_words(char *text, char **v, unsigned max);

/* What differs between two snapshots, for RELOAD's report. Secrets appear as "****". */
struct conf_change {
	char *key; /* "pool_mode", "databases.app.pool_size", "databases.app" (added or removed) */
	char *was, *is; /* NULL: did not exist */
	enum opt_apply apply;
};
struct conf_changes {
	struct conf_change *list;
	unsigned n;
};
void conf_diff(const struct conf *was, const struct conf *is, struct conf_changes *out);
void conf_changes_fini(struct conf_changes *c);

/* "file:line", the name of the flag or variable, "URL", "SET", or "default". Returns out, or a text
 * that lives with src. */
const char *conf_src_text(const struct conf_src *src, char *out, size_t n);

/* SHOW CONFIG, row by row in alphabetical order: *i starts at 0. False at the end. */
struct conf_show {
	const char *key;
	const char *value; /* NULL = unset */
	const char *dflt;  /* NULL = unset */
	bool changeable;
	struct conf_src src; /* file NULL: default */
	char tmp[40];        /* private: holds value */
};
bool conf_show_next(const struct conf *conf, unsigned *i, struct conf_show *r);
/* Appends the effective configuration as a file that loads again, but secrets are "****"; each
 * value not a default has its place as a comment line. */
void conf_dump(const struct conf *conf, struct buf *out);
/* The same for use, under [weirpool]: secrets in clear, and only what differs from the defaults or
 * was said. */
void conf_dump_ours(const struct conf *conf, struct buf *out);
#endif
