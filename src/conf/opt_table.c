/* opt_table - the rows. One per option, sorted by name; where one name means different things in
 * different sections (user, host, port, pool_size) there are rows with different scopes. Data
 * only; any thread.
 *
 * The macros check at compile time that a field has the C type of its option. The file is long
 * because it is a table: what an option is stands here and nowhere else. */
#include "conf/conf.h"
#include "conf/opt.h"
#include "conf/settings.h"

#define T_global conf_global
#define T_settings settings
#define T_db conf_db
#define T_peer conf_peer
#define T_cluster conf_cluster
#define T_rule conf_rule
#define IN_global OPT_IN_GLOBAL
#define IN_settings OPT_IN_SETTINGS
#define IN_db OPT_IN_DB
#define IN_peer OPT_IN_PEER
#define IN_cluster OPT_IN_CLUSTER
#define IN_rule OPT_IN_RULE

#define GLOBAL OPT_GLOBAL
#define DB OPT_DB
#define USER OPT_USER
#define PEER OPT_PEER
#define CLUSTER OPT_CLUSTER
#define RULE OPT_RULE
#define POOL (OPT_GLOBAL | OPT_DB | OPT_USER)

/* 0, and an error from the compiler when the field is not a ctype. */
#define SAME(ctype, st, f) (0 * sizeof((ctype *)0 == &((struct st *)0)->f))
#define ROW(where, nm, f, ty, ctype, sc, ap, ...) \
	{ \
		.name = nm, .type = ty, .scopes = sc, .apply = OPT_##ap, .in = IN_##where, \
		.offset = offsetof(struct T_##where, f) + SAME(ctype, T_##where, f), __VA_ARGS__ \
	}
#define BOOL(where, nm, f, sc, ap, ...) ROW(where, nm, f, OPT_BOOL, bool, sc, ap, __VA_ARGS__)
#define INT(where, nm, f, sc, ap, ...) ROW(where, nm, f, OPT_INT, int, sc, ap, __VA_ARGS__)
#define FRACTION(where, nm, f, sc, ap, ...) \
	ROW(where, nm, f, OPT_FRACTION, int, sc, ap, __VA_ARGS__)
#define BYTES(where, nm, f, sc, ap, ...) \
	ROW(where, nm, f##_bytes, OPT_BYTES, int64_t, sc, ap, __VA_ARGS__)
#define TIME(where, nm, f, sc, ap, ...) \
	ROW(where, nm, f##_us, OPT_DURATION, int64_t, sc, ap, .unit_us = 1000000, __VA_ARGS__)
#define TIME_MS(where, nm, f, sc, ap, ...) \
	ROW(where, nm, f##_us, OPT_DURATION, int64_t, sc, ap, .unit_us = 1000, __VA_ARGS__)
#define MODE(where, nm, f, sc, ap, ...) ROW(where, nm, f, OPT_MODE, uint32_t, sc, ap, __VA_ARGS__)
#define ENUM(where, nm, f, en, sc, ap, ...) \
	ROW(where, nm, f, OPT_ENUM, enum en, sc, ap, __VA_ARGS__)
#define TEXT(ty, where, nm, f, sc, ap, ...) ROW(where, nm, f, ty, const char *, sc, ap, __VA_ARGS__)
#define STR(where, nm, f, sc, ap, ...) TEXT(OPT_STRING, where, nm, f, sc, ap, __VA_ARGS__)
#define LIST(where, nm, f, sc, ap, ...) TEXT(OPT_LIST, where, nm, f, sc, ap, __VA_ARGS__)
#define PATH(where, nm, f, sc, ap, ...) TEXT(OPT_PATH, where, nm, f, sc, ap, __VA_ARGS__)
#define SECRET(where, nm, f, sc, ap, ...) TEXT(OPT_SECRET, where, nm, f, sc, ap, __VA_ARGS__)

#define D(text) .dflt = (text)
#define PGB(text) .dflt_pgb = (text)     /* where PgBouncer's default is another */
#define MYSQL(text) .dflt_mysql = (text) /* of entries of [mysql_databases] */
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define ALIAS(text) .aliases = (text)
#define LOCAL(text) .local = (text)
#define NAMES(text) .names = (text)
#define WRITTEN .written = true /* where the sandbox must let us write */
#define HELP(text) .help = (text)

#define LIMIT_MAX 1000000
#define HTTPS_MODES NAMES("require,verify-ca,verify-full")
#define TLS_MODES NAMES("disable,allow,prefer,require,verify-ca,verify-full")
#define NONE(nm, sc, ap, ...) \
	{ \
		.name = nm, .type = OPT_STRING, .scopes = sc, .apply = OPT_##ap, \
		.in = OPT_IN_NOWHERE, __VA_ARGS__ \
	}

/* Expired roles give no secret; every name is qualified, so that no search_path can lead it
 * astray. */
#define AUTH_QUERY \
	"SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() " \
	"THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid " \
	"WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin"

/* One text for both families: MariaDB alone reads what stands behind M!, and skips what is for
 * MySQL 8.0 and later. Accounts of all hosts, the anonymous ones too; auth/account.h chooses. */
#define MYSQL_AUTH_QUERY \
	"SELECT u.User, u.authentication_string, u.Host, u.plugin, " \
	"/*!80000 u.account_locked, " \
	"IF(u.password_expired = 'Y' OR (COALESCE(u.password_lifetime, " \
	"@@default_password_lifetime) > 0 AND u.password_last_changed + INTERVAL " \
	"COALESCE(u.password_lifetime, @@default_password_lifetime) DAY < NOW()), 'Y', 'N') */" \
	"/*M! IF(JSON_VALUE(g.Priv, '$.account_locked') = 1, 'Y', 'N'), " \
	"IF(u.password_expired = 'Y' OR (COALESCE(NULLIF(CAST(JSON_VALUE(g.Priv, " \
	"'$.password_lifetime') AS SIGNED), -1), @@default_password_lifetime) > 0 AND " \
	"FROM_UNIXTIME(JSON_VALUE(g.Priv, '$.password_last_changed')) + INTERVAL " \
	"COALESCE(NULLIF(CAST(JSON_VALUE(g.Priv, '$.password_lifetime') AS SIGNED), -1), " \
	"@@default_password_lifetime) DAY < NOW()), 'Y', 'N') */, " \
	"u.ssl_type, u.ssl_cipher, u.x509_issuer, u.x509_subject, " \
	"SUBSTRING_INDEX(USER(), '@', -1), VERSION(), " \
	"/*!80000 u.User_attributes->>'$.additional_password' */ /*M! NULL */ FROM mysql.user u " \
	"/*M! JOIN mysql.global_priv g ON g.User = u.User AND g.Host = u.Host */ " \
	"WHERE u.User IN ($1, '') /*M! AND u.is_role = 'N' */"

const struct opt opt_table[] = {
	LIST(rule, "address", address, RULE, NOW, D(""),
		HELP("Clients from these networks only: a list such as 10.0.0.0/8,unix. Unset: "
		     "all.")),
	LIST(global, "admin_users", admin_users, GLOBAL, NOW, D(""),
		HELP("Users who may run every command on the console. The user that weirpool "
		     "runs as is always admin on the unix socket; with auth_type=any everybody is "
		     "who comes from this machine, and nobody else.")),
	BOOL(cluster, "allow_lossy_failover", allow_lossy_failover, CLUSTER, NOW, D("0"),
		HELP("Follow a new primary that lacks transactions which the old one had "
		     "acknowledged to clients. Off: writes wait for the operator.")),
	STR(db, "application_name", application_name, DB, NEW_CONN, D(""),
		HELP("application_name of server connections of this database, until a client "
		     "sets its own.")),
	BOOL(settings, "application_name_add_host", application_name_add_host, POOL, NEW_CONN,
		D("0"),
		HELP("Append the client's address and port to the application_name that it "
		     "gives at login.")),
	PATH(global, "audit_file", audit_file, GLOBAL, NOW, D(""), WRITTEN,
		HELP("File for who gave which command on the console or by HTTP, and what came of "
		     "it: every one; opened again on RELOAD.")),
	BOOL(global, "audit_log", audit_log, GLOBAL, NOW, D("1"),
		HELP("The log has who gave which command on the console or by HTTP: those that "
		     "change something, and those that failed.")),
	STR(settings, "auth_dbname", auth_dbname, GLOBAL | DB, NEW_CONN,
		HELP("Database in which auth_query runs. Unset: the database that the client "
		     "asked for.")),
	PATH(global, "auth_file", auth_file, GLOBAL, NOW,
		HELP("File with user names and passwords or secrets: \"user\" \"secret\" on "
		     "each line. Read at start, on RELOAD and when it has changed "
		     "(file_check_interval).")),
	PATH(global, "auth_hba_file", auth_hba_file, GLOBAL, NOW, D(""),
		HELP("Rules of who may log in from where and how, in the form of pg_hba.conf, "
		     "for auth_type=hba.")),
	PATH(global, "auth_ident_file", auth_ident_file, GLOBAL, NOW,
		HELP("Maps of names for cert and peer authentication, in the form of "
		     "pg_ident.conf.")),
	STR(global, "auth_ldap_options", auth_ldap_options, GLOBAL, NEW_CONN,
		HELP("LDAP server and search, as in pg_hba.conf, for auth_type=ldap.")),
	STR(settings, "auth_query", auth_query, GLOBAL | DB, NEW_CONN, D(AUTH_QUERY),
		MYSQL(MYSQL_AUTH_QUERY),
		HELP("SQL that fetches the secret of the user $1 when auth_file does not have "
		     "it; runs as auth_user. Two columns: name and secret; no row or a null "
		     "secret refuses the login. For [mysql_databases] doc/mysql.md says which more "
		     "columns there may be.")),
	ENUM(global, "auth_type", auth_type, conf_auth_type, GLOBAL, NEW_CONN, D("scram-sha-256"),
		PGB("md5"), NAMES("any,trust,plain,md5,scram-sha-256,cert,hba,pam,ldap"),
		HELP("How clients prove who they are. md5 uses SCRAM when the stored secret is "
		     "a SCRAM secret. any and trust ask for no proof.")),
	STR(settings, "auth_user", auth_user, GLOBAL | DB, NEW_CONN,
		HELP("Role that runs auth_query; its secret must be in auth_file. Unset: no "
		     "auth_query.")),
	TIME(global, "autodb_idle_timeout", autodb_idle_timeout, GLOBAL, NOW, D("3600"),
		HELP("Forget a database that was made from the * entry after it was unused for "
		     "this time.")),
	STR(rule, "block", block, RULE, NOW, D(""),
		HELP("The statement is not run: the client gets an error with this message.")),
	TIME(global, "cancel_wait_timeout", cancel_wait_timeout, GLOBAL, NOW, D("10"),
		HELP("Longest wait of a cancel request for a server connection. 0: no limit.")),
	TIME(settings, "causal_wait", causal_wait, POOL, NOW, D("0"),
		HELP("How long a read may wait for a replica that has seen what the session must "
		     "see, in place of asking the primary. 0: it does not.")),
	ENUM(global, "client_compression", client_compression, conf_compression, GLOBAL, NEW_CONN,
		D("any"), NAMES("off,zlib,zstd,any"),
		HELP("Compression offered to clients of [mysql_databases]: off, zlib, zstd, or "
		     "any of them. Clients that do not ask for it get none. zstd is offered as "
		     "MySQL does; in front of MariaDB it is zlib alone.")),
	STR(db, "client_encoding", client_encoding, DB, NEW_CONN, D(""),
		HELP("client_encoding of server connections of this database, until a client "
		     "sets its own.")),
	TIME(settings, "client_idle_timeout", client_idle_timeout, POOL, NOW, D("0"),
		HELP("Disconnect a client that has been idle outside a transaction for this "
		     "time. 0: never.")),
	TIME(global, "client_login_timeout", client_login_timeout, GLOBAL, NOW, D("60"),
		HELP("Disconnect a client that has not logged in after this time. 0: never.")),
	STR(global, "client_tls13_ciphers", client_tls.tls13_ciphers, GLOBAL, NEW_CONN,
		HELP("TLS 1.3 cipher suites for clients. Unset: OpenSSL's.")),
	PATH(global, "client_tls_ca_file", client_tls.ca_file, GLOBAL, NEW_CONN, D(""),
		HELP("CA certificates that client certificates must be signed by.")),
	PATH(global, "client_tls_cert_file", client_tls.cert_file, GLOBAL, NEW_CONN, D(""),
		HELP("Certificate (with its chain) shown to clients. A changed file is taken up "
		     "by itself (file_check_interval); nobody is dropped.")),
	STR(global, "client_tls_ciphers", client_tls.ciphers, GLOBAL, NEW_CONN, D("default"),
		HELP("Ciphers of TLS 1.2 for clients: default, secure, fast, normal, all, or an "
		     "OpenSSL cipher list.")),
	STR(global, "client_tls_dheparams", client_tls.dheparams, GLOBAL, NEW_CONN, D("auto"),
		HELP("DHE key exchange with clients: auto, none or legacy.")),
	STR(global, "client_tls_ecdhcurve", client_tls.ecdhcurve, GLOBAL, NEW_CONN, D("auto"),
		HELP("Curve of ECDH with clients: auto, none or the name of a curve.")),
	PATH(global, "client_tls_key_file", client_tls.key_file, GLOBAL, NEW_CONN, D(""),
		HELP("Private key of client_tls_cert_file.")),
	STR(global, "client_tls_protocols", client_tls.protocols, GLOBAL, NEW_CONN, D("secure"),
		HELP("TLS versions for clients: secure (1.2 and 1.3), all, legacy, or a list of "
		     "tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3.")),
	ENUM(global, "client_tls_sslmode", client_tls.mode, conf_tls_mode, GLOBAL, NEW_CONN,
		D("disable"), TLS_MODES,
		HELP("TLS with clients: disable; allow and prefer: if the client wants; "
		     "require; verify-ca and verify-full: and the client must have a valid "
		     "certificate.")),
	ENUM(global, "client_tls_sslnegotiation", client_tls.start, conf_tls_start, GLOBAL,
		NEW_CONN, D("any"), NAMES("postgres,direct,any"),
		HELP("How a client may begin TLS: by asking first (postgres), at once (direct, "
		     "as PostgreSQL 17's sslnegotiation=direct), or either.")),
	STR(db, "cluster", cluster_name, DB, NEW_CONN, D(""),
		HELP("Entry of [clusters] whose servers hold this database, in place of host=. "
		     "Which of them is used follows from the statement and endpoint.")),
	PATH(global, "conffile", conffile, GLOBAL, NOW,
		HELP("Configuration file that the next RELOAD reads. Unset: the one given on "
		     "the command line.")),
	STR(settings, "connect_query", connect_query, POOL, NEW_CONN, D(""), MYSQL(""),
		HELP("SQL run on each new server connection before anybody uses it. Its errors "
		     "are logged and ignored.")),
	ENUM(settings, "consistency", consistency, conf_consistency, POOL, NEW_CONN, D("session"),
		NAMES("eventual,bounded,session,global,strong"),
		HELP("What a read on a replica must have seen. eventual: nothing in particular; "
		     "bounded: all that is older than max_staleness; session: what this session "
		     "has written or read; global: what any client of this weirpool has written; "
		     "strong: reads go to the primary.")),
	ENUM(rule, "consistency", consistency, conf_rule_consistency, RULE, NOW, D("as_set"),
		NAMES("as_set,eventual,bounded,session,global,strong"),
		HELP("What such a read on a replica must have seen; as_set: what the "
		     "configuration says elsewhere.")),
	ENUM(global, "console_columns", console_columns, conf_columns, GLOBAL, NOW, D("weirpool"),
		PGB("1.25"), NAMES("1.24,1.25,1.26,weirpool"),
		HELP("The PgBouncer version whose columns the console's SHOW commands have. "
		     "weirpool: those of the newest, and behind them our own.")),
	BOOL(global, "core_dumps", core_dumps, GLOBAL, RESTART, D("0"),
		HELP("Allow core files, and debuggers of the same user. They see passwords.")),
	LIST(rule, "database", database, RULE, NOW, D(""),
		HELP("Entries of [databases] and [mysql_databases] that it is for. Unset: all.")),
	STR(db, "datestyle", datestyle, DB, NEW_CONN, D(""),
		HELP("DateStyle of server connections of this database, until a client sets its "
		     "own.")),
	STR(db, "dbname", dbname, DB, NEW_CONN, D(""),
		HELP("Name of the database at the server. Unset: the name that the client asked "
		     "for.")),
	INT(settings, "default_pool_size", pool_size, POOL, NOW, D("20"), RANGE(0, LIMIT_MAX),
		LOCAL("pool_size"),
		HELP("Most server connections for one pair of database and user, over all "
		     "workers together. In [databases] and [users] it is called pool_size.")),
	BOOL(settings, "defer_begin", defer_begin, POOL, NEW_CONN, D("0"),
		HELP("Transaction pooling: BEGIN by itself is answered at once and takes no "
		     "server connection; it is sent in front of the next statement, whose time "
		     "is then the transaction's (PostgreSQL's now()). One that ends with nothing "
		     "in it never gets to a server. See doc/pooling.md.")),
	STR(rule, "digest", digest, RULE, NOW, D(""),
		HELP("The statement is this one, whatever its values: 16 digits, as weirpool "
		     "explain-route --digest prints them.")),
	BOOL(settings, "disable_pqexec", disable_pqexec, POOL, NEW_CONN, D("0"),
		HELP("Refuse the simple query protocol, which can carry many statements in one "
		     "string.")),
	TIME(global, "dns_max_ttl", dns_max_ttl, GLOBAL, NOW, D("15"),
		HELP("Longest time that an address from DNS is used before it is looked up "
		     "again. A shorter TTL from DNS counts.")),
	TIME(global, "dns_nxdomain_ttl", dns_nxdomain_ttl, GLOBAL, NOW, D("15"),
		HELP("How long a name that DNS does not know stays unknown.")),
	TIME(global, "dns_zone_check_period", dns_zone_check_period, GLOBAL, NOW, D("0"),
		HELP("Accepted for PgBouncer's files, without effect: names are looked up again "
		     "by their TTL.")),
	TIME(global, "drain_delay", drain_delay, GLOBAL, NOW, D("5"),
		HELP("How long new clients are taken after SIGTERM, while /readyz says no: "
		     "balancers need that long to look elsewhere. Where it is not set and there is "
		     "no http_port, nobody asks: 0.")),
	ENUM(settings, "endpoint", endpoint, conf_endpoint, POOL, NEW_CONN, D("auto"),
		NAMES("auto,rw,ro"),
		HELP("With a cluster: rw sends all to the primary, ro all to replicas (which "
		     "refuse writes), auto chooses for each statement or transaction.")),
	TIME(cluster, "fence_on_authority_loss", fence_on_authority_loss, CLUSTER, NOW, D("0"),
		HELP("Stop writing when the cluster's authority (Patroni, a group's majority) "
		     "could not be asked for this time. It is the only protection when weirpool "
		     "and an old primary are cut off together. 0: off.")),
	TIME(global, "file_check_interval", file_check_interval, GLOBAL, NOW, D("10"),
		HELP("How often weirpool looks whether certificates, keys, auth files and what is "
		     "behind ${file:...} have changed; it takes them up when they have rested for "
		     "one such time. The configuration itself waits for RELOAD. 0: all of it "
		     "does.")),
	TIME(cluster, "hold_timeout", hold_timeout, CLUSTER, NOW, D("30"),
		HELP("How long requests that need a primary are held while there is none.")),
	STR(db, "host", host_text, DB, NEW_CONN, D(""), MYSQL("127.0.0.1"),
		HELP("Server's name or address, several separated by commas; /directory for a "
		     "unix socket, @name for an abstract one. Unset: the unix socket in "
		     "unix_socket_dir. In [mysql_databases] a unix socket is given by its own "
		     "path.")),
	STR(peer, "host", host_text, PEER, NOW, D(""),
		HELP("Where the other weirpool listens: name, address, or /directory of its "
		     "unix socket.")),
	STR(cluster, "host", host_text, CLUSTER, NOW, D(""),
		HELP("Names or addresses of the cluster's servers, separated by commas. Which "
		     "is the primary is found out.")),
	BOOL(global, "http_commands", http_commands, GLOBAL, NOW, D("0"),
		HELP("Let everybody on this machine give the commands of the HTTP port (drain, "
		     "reload, quitquitquit) without http_token or a certificate.")),
	LIST(global, "http_listen_addr", http_listen_addr, GLOBAL, RESTART, D("127.0.0.1"),
		HELP("Addresses on which http_port is open. Others than those of this machine "
		     "itself need http_token or http_tls_ca_file.")),
	INT(global, "http_port", http_port, GLOBAL, RESTART, D("0"), RANGE(0, 65535),
		HELP("Port of the status page, of health checks and of all that SHOW says as "
		     "JSON: doc/http.md. 0: none. When weirpool is started with a URL: 9127, if "
		     "that is free.")),
	PATH(global, "http_tls_ca_file", http_tls_ca_file, GLOBAL, NOW, D(""),
		HELP("CA certificates: who has a certificate that they signed needs no "
		     "http_token.")),
	PATH(global, "http_tls_cert_file", http_tls_cert_file, GLOBAL, NOW, D(""),
		HELP("Certificate (with its chain) of http_port, which then speaks HTTPS.")),
	PATH(global, "http_tls_key_file", http_tls_key_file, GLOBAL, NOW, D(""),
		HELP("Private key of http_tls_cert_file.")),
	SECRET(global, "http_token", http_token, GLOBAL, NOW, D(""),
		HELP("Who asks http_port must send it, in the header \"Authorization: Bearer\"; "
		     "health checks need not. At least 16 characters.")),
	STR(global, "http_unix_socket", http_unix_socket, GLOBAL, RESTART, D(""), WRITTEN,
		HELP("Path of a unix socket that answers as http_port does and takes commands. "
		     "Its mode is 0600, or 0660 with unix_socket_group. @name: abstract, for "
		     "everybody.")),
	TIME(settings, "idle_transaction_timeout", idle_transaction_timeout, POOL, NOW, D("0"),
		HELP("Disconnect a client that has been idle inside a transaction for this "
		     "time. 0: never.")),
	LIST(settings, "ignore_startup_parameters", ignore_startup_parameters, POOL, NEW_CONN,
		D(""),
		HELP("Startup parameters that are accepted from clients and then forgotten. All "
		     "others are carried to the server.")),
	STR(global, "job_name", job_name, GLOBAL, RESTART, D("weirpool"), PGB("pgbouncer"),
		HELP("Name of the process in the log.")),
	LIST(global, "listen_addr", listen_addr, GLOBAL, RESTART, D("127.0.0.1"), PGB(""),
		HELP("Addresses to listen on for TCP; * is all of them. Empty: only the unix "
		     "socket.")),
	INT(global, "listen_backlog", listen_backlog, GLOBAL, RESTART, D("1024"), PGB("128"),
		RANGE(0, 65535), HELP("Connections that may wait in the kernel to be accepted.")),
	INT(global, "listen_port", listen_port, GLOBAL, RESTART, D("6432"), RANGE(1, 65535),
		HELP("Port for TCP, and the number in the name of the unix socket.")),
	INT(global, "listen_port_ro", listen_port_ro, GLOBAL, RESTART, D("0"), RANGE(0, 65535),
		HELP("One more port, for clients that only read: with a cluster, as endpoint=ro. "
		     "0: none.")),
	INT(global, "listen_port_rw", listen_port_rw, GLOBAL, RESTART, D("0"), RANGE(0, 65535),
		HELP("One more port, for clients that want the primary: with a cluster, as "
		     "endpoint=rw. 0: none.")),
	ENUM(settings, "load_balance_hosts", load_balance_hosts, conf_balance, GLOBAL | DB,
		NEW_CONN, D("round-robin"), NAMES("round-robin,disable"),
		HELP("With several hosts: use them in turn (round-robin), or stay with one "
		     "until it fails (disable).")),
	BOOL(rule, "log", log, RULE, NOW, D("0"), HELP("Each such statement is logged.")),
	BOOL(global, "log_codes", log_codes, GLOBAL, NOW, D("1"), PGB("0"),
		HELP("Plain lines of the log have their event's code behind the level. See "
		     "doc/log.md.")),
	BOOL(global, "log_connections", log_connections, GLOBAL, NOW, D("1"),
		HELP("Log each login.")),
	BOOL(global, "log_disconnections", log_disconnections, GLOBAL, NOW, D("1"),
		HELP("Log why each connection ended.")),
	ENUM(global, "log_format", log_format, conf_log_format, GLOBAL, NOW, D("plain"),
		NAMES("plain,logfmt,json"),
		HELP("Form of log lines: plain text, key=value pairs (logfmt), or one JSON "
		     "object for each line.")),
	TIME_MS(settings, "log_min_duration", log_min_duration, POOL, NOW, D("0"),
		HELP("Log each statement that took so long or longer, from when it came to its "
		     "answer's end; a number without a unit is milliseconds. 0: none.")),
	BOOL(global, "log_pooler_errors", log_pooler_errors, GLOBAL, NOW, D("1"),
		HELP("Log errors that weirpool sends to clients.")),
	INT(global, "log_repeats", log_repeats, GLOBAL, NOW, D("10"), RANGE(0, 1000000),
		HELP("Lines per second of one warning or error about the same client's address, "
		     "server or database; the others are counted and told in one line. 0: all "
		     "are written.")),
	INT(global, "log_sample", log_sample, GLOBAL, NOW, D("1"), RANGE(1, 1000000),
		HELP("Of so many clients' connections one is in the log, with its login and its "
		     "end; those that did not end as they should (not CI) all are, with their "
		     "end. 1: all.")),
	BOOL(global, "log_sessions", log_sessions, GLOBAL, NOW, D("1"), PGB("0"),
		HELP("The line about the end of a client's connection also has who ended it and "
		     "in which state (two letters), times and counts. See doc/log.md.")),
	ENUM(settings, "log_slow_text", log_slow_text, conf_slow_text, POOL, NOW, D("normalised"),
		NAMES("normalised,full"),
		HELP("How log_min_duration logs a statement: without its values (normalised), or "
		     "as the client sent it, with all secrets that are in it (full).")),
	BOOL(global, "log_stats", log_stats, GLOBAL, NOW, D("1"),
		HELP("Log totals each stats_period.")),
	PATH(global, "logfile", logfile, GLOBAL, NOW, D(""), WRITTEN,
		HELP("File to log to; opened again on RELOAD. Empty: only standard error or "
		     "syslog.")),
	STR(settings, "login_notify_message", login_notify_message, POOL, NEW_CONN, D(""),
		HELP("Text sent as a notice to each client after its login.")),
	ENUM(settings, "lost_tx_sqlstate", lost_tx_sqlstate, conf_lost_tx, POOL, NEW_CONN,
		D("40001"), NAMES("40001,08006"),
		HELP("What a client hears when its transaction was lost with its server, before "
		     "COMMIT was sent: 40001 (MySQL: error 1213), a failed serialization, after "
		     "which frameworks run the transaction again; or 08006 (MySQL: error 1184), a "
		     "lost connection, after which many of them connect anew. The session goes on "
		     "with both.")),
	INT(global, "max_client_conn", max_client_conn, GLOBAL, NOW, D("10000"), PGB("100"),
		RANGE(1, 10000000),
		HELP("Most clients in total. Each needs a file descriptor, as does each server "
		     "connection.")),
	INT(settings, "max_db_client_connections", max_db_client_connections, GLOBAL | DB, NOW,
		D("0"), RANGE(0, LIMIT_MAX * 10),
		HELP("Most clients of one database. 0: no limit.")),
	INT(settings, "max_db_connections", max_db_connections, GLOBAL | DB, NOW, D("0"),
		RANGE(0, LIMIT_MAX),
		HELP("Most server connections of one database, over all its users. 0: no limit.")),
	BYTES(settings, "max_packet_size", max_packet_size, GLOBAL, NOW, D("2147483647"),
		RANGE(16384, UINT32_MAX),
		HELP("Largest message let through. Messages are streamed, so a large one needs "
		     "no large memory.")),
	INT(settings, "max_prepared_statements", max_prepared_statements, POOL, NEW_CONN, D("200"),
		RANGE(0, LIMIT_MAX),
		HELP("Prepared statements kept on one server connection; the least recently "
		     "used one goes first. 0: prepared statements are not carried between "
		     "server connections.")),
	TIME(settings, "max_staleness", max_staleness, POOL, NOW, D("10"),
		HELP("A replica that lags more does not answer reads until it has caught up. 0: "
		     "no bound.")),
	TIME(rule, "max_staleness", max_staleness, RULE, NOW,
		HELP("A replica that lags more does not answer such a read. Unset: what the "
		     "configuration says elsewhere.")),
	INT(settings, "max_user_client_connections", max_user_client_connections, GLOBAL | USER,
		NOW, D("0"), RANGE(0, LIMIT_MAX * 10),
		HELP("Most clients of one user. 0: no limit.")),
	INT(settings, "max_user_connections", max_user_connections, GLOBAL | USER, NOW, D("0"),
		RANGE(0, LIMIT_MAX),
		HELP("Most server connections of one user, over all databases. 0: no limit.")),
	INT(settings, "max_wait_queue", max_wait_queue, POOL, NOW, D("0"), RANGE(0, LIMIT_MAX * 10),
		HELP("Most clients that may wait for a server connection in one pool; the next "
		     "one is refused at once. 0: no limit.")),
	INT(global, "metrics_max_pools", metrics_max_pools, GLOBAL, NOW, D("500"), RANGE(0, 100000),
		HELP("Most pools, and most databases, that metrics are given out for by name; of "
		     "those that only clients have named, half as many. All others are added up "
		     "as \"other\". A change is for pools and databases that come later.")),
	INT(settings, "min_pool_size", min_pool_size, POOL, NOW, D("0"), RANGE(0, LIMIT_MAX),
		HELP("Server connections that a pool keeps open even when idle.")),
	LIST(global, "mysql_listen_addr", mysql_listen_addr, GLOBAL, RESTART, D(""),
		HELP("Addresses to listen on for clients of [mysql_databases]; * is all of them. "
		     "Empty: those of listen_addr; none: only mysql_unix_socket.")),
	INT(global, "mysql_listen_port", mysql_listen_port, GLOBAL, RESTART, D("6033"),
		RANGE(1, 65535),
		HELP("Port for clients of [mysql_databases]. Nothing listens there without such "
		     "an entry.")),
	INT(global, "mysql_listen_port_ro", mysql_listen_port_ro, GLOBAL, RESTART, D("0"),
		RANGE(0, 65535), HELP("As listen_port_ro, for clients of [mysql_databases].")),
	INT(global, "mysql_listen_port_rw", mysql_listen_port_rw, GLOBAL, RESTART, D("0"),
		RANGE(0, 65535), HELP("As listen_port_rw, for clients of [mysql_databases].")),
	STR(global, "mysql_server_version", mysql_server_version, GLOBAL, NEW_CONN, D(""),
		HELP("Version that clients of [mysql_databases] are told while no server has been "
		     "reached. Empty: one that every client takes. Once a server has been reached, "
		     "its version is told. Of MySQL and MariaDB servers behind one port it tells "
		     "which family clients are told: those of the other one are refused.")),
	STR(global, "mysql_unix_socket", mysql_unix_socket, GLOBAL, RESTART, D(""), WRITTEN,
		HELP("Path of the unix socket for clients of [mysql_databases], or @name for an "
		     "abstract one. Empty: none.")),
	STR(db, "options", options, DB, NEW_CONN, D(""),
		HELP("Command line options for the server, as libpq's options: -c name=value.")),
	INT(global, "otlp_batch", otlp_batch, GLOBAL, NOW, D("256"), RANGE(1, 10000),
		HELP("Traced requests that one message to otlp_endpoint has at most.")),
	STR(global, "otlp_endpoint", otlp_endpoint, GLOBAL, NOW, D(""),
		HELP("URL that gets traces as OTLP over HTTP (JSON), as "
		     "http://127.0.0.1:4318/v1/traces or https://...: doc/traces.md. Empty: "
		     "none.")),
	SECRET(global, "otlp_headers", otlp_headers, GLOBAL, NOW, D(""),
		HELP("Headers for otlp_endpoint, as OTEL_EXPORTER_OTLP_HEADERS has them: "
		     "name=value,name=value, values percent-encoded.")),
	TIME_MS(global, "otlp_interval", otlp_interval, GLOBAL, NOW, D("1000"),
		RANGE(10000, 60000000),
		HELP("A traced request is sent so long after its end at the latest, when "
		     "otlp_endpoint answers.")),
	INT(global, "otlp_queue", otlp_queue, GLOBAL, NOW, D("4096"), RANGE(1, 1000000),
		HELP("Traced requests that may wait for otlp_endpoint; what comes then is "
		     "dropped and counted.")),
	STR(global, "otlp_service_name", otlp_service_name, GLOBAL, NOW, D("weirpool"),
		HELP("What weirpool is called in traces (service.name).")),
	TIME_MS(global, "otlp_timeout", otlp_timeout, GLOBAL, NOW, D("10000"),
		RANGE(100000, 600000000), HELP("How long otlp_endpoint may take to answer.")),
	PATH(global, "otlp_tls_ca_file", otlp_tls.ca_file, GLOBAL, NOW, D(""),
		HELP("CA certificates that an otlp_endpoint of https must be signed by. Empty: "
		     "those of the system.")),
	PATH(global, "otlp_tls_cert_file", otlp_tls.cert_file, GLOBAL, NOW, D(""),
		HELP("Certificate to show to otlp_endpoint if it asks for one.")),
	PATH(global, "otlp_tls_key_file", otlp_tls.key_file, GLOBAL, NOW, D(""),
		HELP("Private key of otlp_tls_cert_file.")),
	ENUM(global, "otlp_tls_sslmode", otlp_tls.mode, conf_https_mode, GLOBAL, NOW,
		D("verify-full"), HTTPS_MODES,
		HELP("What the certificate of an otlp_endpoint of https must be: for its host and "
		     "signed (verify-full), signed (verify-ca), or anything (require).")),
	SECRET(db, "password", password, DB, NEW_CONN, D(""),
		HELP("Password of user= at the server. Unset: the secret of that user in "
		     "auth_file.")),
	LIST(cluster, "patroni", patroni, CLUSTER, NOW, D(""),
		HELP("URLs of Patroni's REST API, one for each server in the order of host=, "
		     "separated by commas, as http://db1:8008 or https://db1:8008. Its word "
		     "on who is leader is then needed, too.")),
	PATH(global, "patroni_tls_ca_file", patroni_tls.ca_file, GLOBAL, NOW, D(""),
		HELP("CA certificates that Patronis of https must be signed by. Empty: those of "
		     "the system.")),
	PATH(global, "patroni_tls_cert_file", patroni_tls.cert_file, GLOBAL, NOW, D(""),
		HELP("Certificate to show to Patronis that ask for one, as they may for "
		     "SWITCHOVER.")),
	PATH(global, "patroni_tls_key_file", patroni_tls.key_file, GLOBAL, NOW, D(""),
		HELP("Private key of patroni_tls_cert_file.")),
	ENUM(global, "patroni_tls_sslmode", patroni_tls.mode, conf_https_mode, GLOBAL, NOW,
		D("verify-full"), HTTPS_MODES,
		HELP("What the certificates of Patronis of https must be: for their host and "
		     "signed (verify-full), signed (verify-ca), or anything (require).")),
	INT(global, "peer_id", peer_id, GLOBAL, NOW, D("0"), RANGE(0, 16383),
		HELP("Number of this weirpool among its [peers], so that cancel requests find "
		     "their way. 0: no peers.")),
	PATH(global, "pidfile", pidfile, GLOBAL, RESTART, D(""), WRITTEN,
		HELP("File for the process id. Needed by --daemon.")),
	BYTES(global, "pkt_buf", pkt_buf, GLOBAL, RESTART, D("4096"), RANGE(1, INT32_MAX),
		HELP("Accepted for PgBouncer's files, without effect: buffers are sized by what "
		     "they carry, and an idle connection has none.")),
	TIME(settings, "pool_idle_timeout", pool_idle_timeout, POOL, NOW, D("0"),
		HELP("Forget a pool that has had neither clients nor server connections for "
		     "this time. 0: never.")),
	ENUM(settings, "pool_mode", pool_mode, conf_pool_mode, POOL, NEW_CONN, D("transaction"),
		PGB("session"), NAMES("session,transaction,statement"),
		HELP("When a server connection goes back to its pool: after the client's "
		     "session, after each transaction, or after each statement (which refuses "
		     "transactions).")),
	INT(peer, "pool_size", pool_size, PEER, NOW, D("20"), RANGE(1, LIMIT_MAX),
		HELP("Most cancel requests on their way to this peer at a time.")),
	STR(db, "port", port_text, DB, NEW_CONN, D("5432"), MYSQL("3306"),
		HELP("Server's port, or as many as there are hosts, separated by commas.")),
	INT(peer, "port", port, PEER, NOW, D("6432"), RANGE(1, 65535),
		HELP("Port of the other weirpool.")),
	STR(cluster, "port", port_text, CLUSTER, NOW, D(""),
		HELP("Port of the servers, or as many as there are hosts. Unset: 5432 or 3306.")),
	STR(rule, "prefix", prefix, RULE, NOW, D(""),
		HELP("The statement begins so, behind blanks and comments; case does not "
		     "count.")),
	BYTES(settings, "prepared_statement_bytes", prepared_statement, POOL, NEW_CONN, D("4MB"),
		RANGE(0, INT64_C(1) << 40),
		HELP("Most bytes of prepared statement text kept for one client. What it "
		     "prepares beyond that keeps it on its server connection. 0: no limit.")),
	TIME(settings, "primary_after_write", primary_after_write, POOL, NOW, D("0"),
		HELP("After a write, a session reads from the primary for this time. Not needed "
		     "with consistency=session. 0: off.")),
	INT(cluster, "primary_read_share", primary_read_share, CLUSTER, NOW, D("50"), RANGE(1, 100),
		HELP("Of each pool's connections to the primary, how many percent may be busy with "
		     "reads that replicas would answer if they were there and fresh enough. More "
		     "wait for a replica or for their turn, so that writes get through. 100: all. "
		     "A cluster of one server has no such limit.")),
	ENUM(cluster, "primary_reads", primary_reads, conf_primary_reads, CLUSTER, NOW,
		D("fallback"), NAMES("fallback,share,never"),
		HELP("May the primary answer reads that replicas could: fallback: when none is "
		     "there or fresh enough; share: always, by its weight; never.")),
	STR(cluster, "probe_dbname", probe_dbname, CLUSTER, NOW, D(""),
		HELP("Database that probes connect to. Unset: postgres; none in MySQL.")),
	TIME_MS(cluster, "probe_interval", probe_interval, CLUSTER, NOW, D("50"),
		RANGE(5000, INT64_C(60000000)),
		HELP("How often each server is asked for its role and position.")),
	SECRET(cluster, "probe_password", probe_password, CLUSTER, NOW, D(""),
		HELP("Password of probe_user. Unset: the secret of that user in auth_file.")),
	TIME_MS(cluster, "probe_slow_interval", probe_slow_interval, CLUSTER, NOW, D("1000"),
		RANGE(50000, INT64_C(600000000)),
		HELP("How often each server is asked for what changes seldom: its timeline, "
		     "whom it follows, its settings.")),
	TIME_MS(cluster, "probe_timeout", probe_timeout, CLUSTER, NOW, D("1000"),
		RANGE(20000, INT64_C(60000000)),
		HELP("A server that has not answered a probe after this time is down.")),
	STR(cluster, "probe_user", probe_user, CLUSTER, NOW, D(""),
		HELP("Account that asks the servers for their role and position. PostgreSQL: a "
		     "member of pg_monitor; MySQL: one with SELECT on performance_schema.* "
		     "and SHOW VIEW on *.*; MariaDB: one with SLAVE MONITOR and SHOW VIEW.")),
	ROW(cluster, "protocol", protocol, OPT_ENUM, int, CLUSTER, NOW, D("postgresql"),
		NAMES("postgresql,mysql"),
		HELP("What the servers speak; mysql stands for MariaDB, too.")),
	LIST(global, "proxy_protocol_networks", proxy_protocol_networks, GLOBAL, NEW_CONN, D(""),
		HELP("Addresses and networks (10.0.0.0/8, ::1; * is all, unix the unix sockets) "
		     "of load balancers, whose connections must begin with a PROXY header of "
		     "version 1 or 2; the client's address is then the one in it. Empty: none.")),
	BOOL(global, "query_stats", query_stats, GLOBAL, NOW, D("0"),
		HELP("Count statements by database, user and digest, for SHOW QUERIES.")),
	INT(global, "query_stats_max", query_stats_max, GLOBAL, NOW, D("1000"), RANGE(16, 100000),
		HELP("How many different statements each worker counts; what was not used for the "
		     "longest time is counted with all others then.")),
	TIME(settings, "query_timeout", query_timeout, POOL, NOW, D("0"),
		HELP("Cancel a query that runs longer, and disconnect its client. 0: never.")),
	TIME(rule, "query_timeout", query_timeout, RULE, NOW,
		HELP("Cancel such a query when it runs longer, and disconnect its client. 0: "
		     "never. Unset: what the configuration says elsewhere.")),
	TIME(settings, "query_wait_notify", query_wait_notify, POOL, NOW, D("5"),
		HELP("Send a notice to a client that has waited for a server connection this "
		     "long. 0: never.")),
	TIME(settings, "query_wait_timeout", query_wait_timeout, POOL, NOW, D("120"),
		HELP("Disconnect a client that has waited for a server connection this long, "
		     "counted from when its query arrived. 0: never.")),
	ENUM(settings, "read_only_tx", read_only_tx, conf_read_only_tx, POOL, NEW_CONN, D("auto"),
		NAMES("auto,replica,primary"),
		HELP("Where transactions run that begin as READ ONLY: on a replica or on the "
		     "primary. auto: on a replica with PostgreSQL, on the primary with MySQL, "
		     "where stored functions and locks would fail in them.")),
	ENUM(global, "ready_policy", ready_policy, conf_ready, GLOBAL, NOW, D("any_pool"),
		NAMES("any_pool,all_pools,primary,none"),
		HELP("When /readyz of the HTTP port says no: when no pool and no cluster can reach "
		     "a server (any_pool), when one cannot (all_pools), when a cluster has no "
		     "primary that takes writes (primary), or only while shutting down (none).")),
	STR(rule, "regex", regex, RULE, NOW, D(""),
		HELP("The statement matches this regular expression (PCRE2); case does not "
		     "count, a dot may be a newline, and ^ is the first word.")),
	BOOL(settings, "relisten", relisten, POOL, NEW_CONN, D("0"),
		HELP("A session that waits for PostgreSQL's notifications (LISTEN) and has nothing "
		     "else of its own at its server gets another connection when that one is "
		     "lost, on which weirpool listens for it again. Notifications may be "
		     "missed meanwhile: a warning with SQLSTATE 01W01 tells the client so. 0: "
		     "its connection ends. Without effect in session mode.")),
	INT(settings, "reserve_pool_size", reserve_pool_size, POOL, NOW, D("0"),
		RANGE(0, LIMIT_MAX), ALIAS("reserve_pool"),
		HELP("Further server connections that a pool may open when a client has waited "
		     "for reserve_pool_timeout.")),
	TIME(settings, "reserve_pool_timeout", reserve_pool_timeout, POOL, NOW, D("5"),
		HELP("How long a client waits before the reserve is used. 0: the reserve is not "
		     "used.")),
	PATH(global, "resolv_conf", resolv_conf, GLOBAL, RESTART, D(""),
		HELP("File to use in place of /etc/resolv.conf.")),
	LIST(rule, "route", nodes, RULE, NOW, D(""),
		HELP("primary, replica, or nodes of a cluster as host:port, separated by "
		     "commas: where such a statement goes. What writes, locks or keeps its "
		     "connection goes to the primary all the same. Unset: as without the rule.")),
	ENUM(global, "sandbox", sandbox, conf_sandbox, GLOBAL, RESTART, D("auto"),
		NAMES("auto,on,off"),
		HELP("Give up, once everything is open, what is not needed to serve: capabilities, "
		     "other programs, most system calls (seccomp), and files outside of the "
		     "directories that the configuration names (Landlock). on: refuse to start "
		     "where the kernel lacks a part of it; auto: say so and go on.")),
	INT(global, "sbuf_loopcnt", sbuf_loopcnt, GLOBAL, NOW, D("5"), RANGE(0, LIMIT_MAX),
		HELP("Accepted for PgBouncer's files, without effect: each turn of the event "
		     "loop gives every connection a bounded share.")),
	INT(global, "scram_iterations", scram_iterations, GLOBAL, NEW_CONN, D("4096"),
		RANGE(1, 10000000),
		HELP("Iterations of the SCRAM secrets that weirpool makes from plain passwords.")),
	INT(global, "scram_iterations_max", scram_iterations_max, GLOBAL, NEW_CONN, D("1000000"),
		RANGE(4096, 100000000),
		HELP("Most iterations that a server may ask for at login; more is refused, "
		     "because each costs CPU time.")),
	TIME(settings, "server_check_delay", server_check_delay, POOL, NOW, D("30"),
		HELP("A server connection idle for longer is tested with server_check_query "
		     "before it is used. Idle connections are also watched for the server "
		     "closing them.")),
	STR(settings, "server_check_query", server_check_query, POOL, NOW, D("<empty>"),
		MYSQL("<empty>"),
		HELP("Query that tests an idle server connection. <empty>: an empty query; "
		     "nothing: no test.")),
	ENUM(settings, "server_compression", server_compression, conf_compression, GLOBAL | DB,
		NEW_CONN, D("off"), NAMES("off,zlib,zstd,any"),
		HELP("Compression asked of MySQL and MariaDB servers: off, zlib, zstd, or any "
		     "(zstd if the server has it, else zlib). A server that does not offer it is "
		     "used without.")),
	TIME(settings, "server_connect_timeout", server_connect_timeout, POOL, NEW_CONN, D("15"),
		ALIAS("connect_timeout"),
		HELP("Give up a connection to a server when TCP, TLS and login took this long. "
		     "0: never.")),
	BOOL(settings, "server_fast_close", server_fast_close, POOL, NOW, D("0"),
		HELP("In session mode, close server connections that are to be renewed "
		     "(RECONNECT, RELOAD) at the end of a transaction, and with them their "
		     "clients.")),
	TIME(settings, "server_idle_timeout", server_idle_timeout, POOL, NOW, D("600"),
		HELP("Close a server connection that was idle for this time. 0: never.")),
	TIME(settings, "server_lifetime", server_lifetime, POOL, NOW, D("3600"),
		HELP("Close a server connection of this age when it becomes idle. 0: use each "
		     "only once.")),
	TIME(settings, "server_login_retry", server_retry_max, POOL, NOW, D("15"),
		ALIAS("server_retry_max"),
		HELP("Longest pause between attempts to reach a server that fails; attempts "
		     "start at server_retry_min and the pause doubles. Clients wait meanwhile. A "
		     "node of a cluster that is seen to answer again is tried at once.")),
	ENUM(settings, "server_proxy_protocol", server_proxy_protocol, conf_proxy, GLOBAL | DB,
		NEW_CONN, D("off"), NAMES("off,local,client"),
		HELP("Begin server connections with a PROXY header of version 2. local: it names "
		     "nobody, as connections of a pool are many clients'. client: it has the "
		     "client's address, and the connection is made for this client and closed "
		     "behind it; only with pool_mode=session.")),
	STR(settings, "server_reset_query", server_reset_query, POOL, NOW, D("DISCARD ALL"),
		MYSQL(""),
		HELP("SQL that makes a server connection clean when a client leaves it in "
		     "session mode. Skipped when there is nothing to clean.")),
	BOOL(settings, "server_reset_query_always", server_reset_query_always, POOL, NOW, D("0"),
		HELP("Run server_reset_query in every pool mode, each time a server connection "
		     "goes back.")),
	TIME(settings, "server_retry_min", server_retry_min, POOL, NOW, D("0.1"),
		RANGE(1000, 3600000000),
		HELP("First pause after a failed connect or login to a server.")),
	BOOL(settings, "server_round_robin", server_round_robin, POOL, NOW, D("0"),
		HELP("Use the server connection that was idle longest, instead of the one used "
		     "last.")),
	ENUM(settings, "server_state_tracking", server_state_tracking, conf_tracking, POOL,
		NEW_CONN, D("auto"), NAMES("off,auto"),
		HELP("auto: what a client SETs follows it to whichever server connection it "
		     "gets, and the server is asked what a function or a script changed. off: "
		     "only plain SETs follow; after anything else the server connection is "
		     "cleaned instead of asked. For PostgreSQL: in MySQL and MariaDB the server "
		     "itself tells, and tracking cannot be switched off.")),
	STR(settings, "server_tls13_ciphers", server_tls.tls13_ciphers, GLOBAL | DB, NEW_CONN,
		HELP("TLS 1.3 cipher suites for servers. Unset: OpenSSL's.")),
	PATH(settings, "server_tls_ca_file", server_tls.ca_file, GLOBAL | DB, NEW_CONN, D(""),
		ALIAS("sslrootcert"),
		HELP("CA certificates that server certificates must be signed by. Empty: the "
		     "system's.")),
	PATH(settings, "server_tls_cert_file", server_tls.cert_file, GLOBAL | DB, NEW_CONN, D(""),
		ALIAS("sslcert"), HELP("Certificate to show to servers that ask for one.")),
	STR(settings, "server_tls_ciphers", server_tls.ciphers, GLOBAL | DB, NEW_CONN, D("default"),
		HELP("Ciphers of TLS 1.2 for servers, as client_tls_ciphers.")),
	PATH(settings, "server_tls_key_file", server_tls.key_file, GLOBAL | DB, NEW_CONN, D(""),
		ALIAS("sslkey"), HELP("Private key of server_tls_cert_file.")),
	STR(settings, "server_tls_protocols", server_tls.protocols, GLOBAL | DB, NEW_CONN,
		D("secure"), HELP("TLS versions for servers, as client_tls_protocols.")),
	ENUM(settings, "server_tls_sslmode", server_tls.mode, conf_tls_mode, GLOBAL | DB, NEW_CONN,
		D("prefer"), TLS_MODES, ALIAS("sslmode"),
		HELP("TLS with servers, as libpq's sslmode. Unix sockets never use TLS.")),
	ENUM(settings, "server_tls_sslnegotiation", server_tls.start, conf_tls_start, GLOBAL | DB,
		NEW_CONN, D("postgres"), NAMES("postgres,direct"), ALIAS("sslnegotiation"),
		HELP("How TLS with servers begins: by asking first (postgres), or at once "
		     "(direct: PostgreSQL 17 and later).")),
	NONE("service_name", GLOBAL, RESTART,
		HELP("Accepted for PgBouncer's files, without effect (Windows).")),
	ENUM(global, "shutdown_mode", shutdown_mode, conf_shutdown, GLOBAL, NOW, D("auto"),
		NAMES("auto,gateway,sidecar"),
		HELP("What SIGTERM begins. gateway: /readyz says no, new clients are taken for "
		     "drain_delay, then clients end at a transaction boundary. sidecar: /readyz "
		     "says no, and clients are served until the last one has left. auto: sidecar "
		     "in a pod of Kubernetes if only loopback addresses and unix sockets are "
		     "listened on, else gateway.")),
	TIME(global, "shutdown_timeout", shutdown_timeout, GLOBAL, NOW, D("60"), PGB("0"),
		HELP("Disconnect clients that are still there so long after SIGTERM; drain_delay "
		     "is part of it. 0: wait for ever.")),
	TIME(global, "sidecar_linger", sidecar_linger, GLOBAL, NOW, D("1"),
		HELP("With shutdown_mode=sidecar: end when there was no client for this time.")),
	BOOL(global, "so_reuseport", so_reuseport, GLOBAL, RESTART, D("0"),
		HELP("Let other processes listen on the same port. Not needed to use several "
		     "CPUs: see workers.")),
	TIME(global, "stats_period", stats_period, GLOBAL, NOW, D("60"),
		RANGE(1000000, 86400000000),
		HELP("Period of the averages in SHOW STATS, and of log_stats.")),
	LIST(global, "stats_users", stats_users, GLOBAL, NOW, D(""),
		HELP("Users who may run the console's SHOW commands, except SHOW FDS.")),
	BOOL(settings, "sticky_replica", sticky_replica, POOL, NOW, D("0"),
		HELP("A session reads from one replica as long as that may answer it.")),
	TIME(global, "suspend_timeout", suspend_timeout, GLOBAL, NOW, D("10"),
		HELP("How long SUSPEND waits for connections to empty their buffers before it "
		     "closes them. 0: no limit.")),
	STR(cluster, "switchover_command", switchover_command, CLUSTER, NOW, D(""),
		HELP("Program that SWITCHOVER runs to move the primary, with its arguments; three "
		     "are added: the cluster, the old and the new primary as host:port. Unset: "
		     "Patroni or the group is asked.")),
	TIME(cluster, "switchover_drain", switchover_drain, CLUSTER, NOW, D("5"),
		RANGE(0, INT64_C(600000000)),
		HELP("How long SWITCHOVER waits for the transactions that are open on the old "
		     "primary. If they do not end, nothing is changed.")),
	SECRET(cluster, "switchover_password", switchover_password, CLUSTER, NOW, D(""),
		HELP("Password of switchover_user. Unset: the secret of that user in auth_file.")),
	TIME(cluster, "switchover_timeout", switchover_timeout, CLUSTER, NOW, D("20"),
		RANGE(1000000, INT64_C(600000000)),
		HELP("How long SWITCHOVER waits for the new primary, once it has been asked for; "
		     "then requests go to the old one again. With switchover_drain it should be "
		     "below hold_timeout.")),
	STR(cluster, "switchover_user", switchover_user, CLUSTER, NOW, D(""),
		HELP("Who moves the primary: the user of Patroni's REST API, or an account with "
		     "GROUP_REPLICATION_ADMIN. Unset: Patroni is asked without one, a group by "
		     "probe_user.")),
	BOOL(global, "syslog", syslog, GLOBAL, NOW, D("0"), HELP("Log to syslog.")),
	STR(global, "syslog_facility", syslog_facility, GLOBAL, NOW, D("daemon"),
		HELP("auth, authpriv, daemon, user or local0 to local7.")),
	STR(global, "syslog_ident", syslog_ident, GLOBAL, NOW, D("weirpool"), PGB("pgbouncer"),
		HELP("Name in syslog.")),
	STR(global, "syslog_socket", syslog_socket, GLOBAL, NOW, D("/dev/log"),
		HELP("Socket of syslogd or journald.")),
	BOOL(global, "tcp_defer_accept", tcp_defer_accept, GLOBAL, NOW, D("0"), PGB("1"),
		HELP("Let the kernel report a new connection only when it has sent something "
		     "(TCP_DEFER_ACCEPT, 45 s). Silent clients are then the kernel's and not "
		     "subject to client_login_timeout. A number of seconds also counts as 1.")),
	BOOL(global, "tcp_keepalive", tcp_keepalive, GLOBAL, NEW_CONN, D("1"),
		HELP("Let the kernel test idle connections.")),
	INT(global, "tcp_keepcnt", tcp_keepcnt, GLOBAL, NEW_CONN, D("0"), RANGE(0, 127),
		HELP("Unanswered tests after which a connection is dead. 0: the system's "
		     "setting.")),
	INT(global, "tcp_keepidle", tcp_keepidle, GLOBAL, NEW_CONN, D("0"), RANGE(0, 32767),
		HELP("Seconds of silence before the first test. 0: the system's setting.")),
	INT(global, "tcp_keepintvl", tcp_keepintvl, GLOBAL, NEW_CONN, D("0"), RANGE(0, 32767),
		HELP("Seconds between tests. 0: the system's setting.")),
	BYTES(global, "tcp_socket_buffer", tcp_socket_buffer, GLOBAL, NEW_CONN, D("0"),
		RANGE(0, 1 << 30),
		HELP("Size of the kernel's buffers of a connection. 0: the system's setting.")),
	TIME_MS(global, "tcp_user_timeout", tcp_user_timeout, GLOBAL, NEW_CONN, D("0"),
		HELP("Longest time that sent data may stay unacknowledged before the connection "
		     "is dead; a number without a unit is milliseconds. 0: the system's setting.")),
	STR(db, "timezone", timezone, DB, NEW_CONN, D(""),
		HELP("TimeZone of server connections of this database, until a client sets its "
		     "own.")),
	FRACTION(settings, "trace_sample", trace_sample, POOL, NOW, D("0"),
		HELP("Of the statements that bring no traceparent, how many begin a trace of "
		     "their own. Those that bring one are traced if it says so.")),
	ENUM(settings, "trace_text", trace_text, conf_trace_text, POOL, NOW, D("off"),
		NAMES("off,normalised,full"),
		HELP("Statements' texts in traces: none (off), without their values "
		     "(normalised), or as the client sent them, with all secrets that are in "
		     "them (full).")),
	LIST(settings, "track_extra_parameters", track_extra_parameters, GLOBAL, NEW_CONN,
		D("IntervalStyle"),
		HELP("Further parameters that the server reports, and that are to be carried "
		     "with the client. With server_state_tracking=auto all are.")),
	TIME(settings, "transaction_timeout", transaction_timeout, POOL, NOW, D("0"),
		HELP("Disconnect a client whose transaction takes longer. 0: never.")),
	PATH(global, "unix_socket_dir", unix_socket_dir, GLOBAL, RESTART, D("/tmp"), WRITTEN,
		HELP("Directory of the unix socket, also of servers without host=. @name: "
		     "abstract socket. Empty: none.")),
	STR(global, "unix_socket_group", unix_socket_group, GLOBAL, RESTART, D(""),
		HELP("Group that owns the unix socket.")),
	MODE(global, "unix_socket_mode", unix_socket_mode, GLOBAL, RESTART, D("0777"),
		HELP("File mode of the unix socket.")),
	TIME(global, "upgrade_drain_timeout", upgrade_drain_timeout, GLOBAL, NOW, D("300"),
		HELP("After UPGRADE, how long the old process goes on serving the clients that "
		     "stayed with it. Then it drains them, for at most shutdown_timeout. 0: for "
		     "ever.")),
	TIME(global, "upgrade_timeout", upgrade_timeout, GLOBAL, NOW, D("30"),
		RANGE(1000000, INT64_C(600000000)),
		HELP("How long UPGRADE waits until the new process is ready to serve. Then it is "
		     "ended, and the old one goes on.")),
	STR(global, "user", user, GLOBAL, RESTART, HELP("User to become when started as root.")),
	STR(db, "user", force_user, DB, NEW_CONN, D(""),
		HELP("User for all server connections of this database: all clients share one "
		     "pool. Unset: the client's user.")),
	LIST(rule, "user", user, RULE, NOW, D(""),
		HELP("Clients that logged in as one of these users. Unset: all.")),
	INT(global, "verbose", verbose, GLOBAL, NOW, RANGE(0, LIMIT_MAX),
		HELP("How much to log: 0, or 1 to 3 for debugging.")),
	LIST(cluster, "weight", weight_text, CLUSTER, NOW, D(""),
		HELP("Shares of the reads, one number for each of host=, 0: none. Unset: "
		     "equal.")),
	INT(global, "workers", workers, GLOBAL, RESTART, D("0"), RANGE(0, 64),
		HELP("Threads that carry connections. 0: one for each CPU, at most 64. All of "
		     "them together keep pool_size.")),
	STR(cluster, "zone", zone, CLUSTER, NOW, D(""),
		HELP("The zone that weirpool is in: replicas there come first.")),
	LIST(cluster, "zones", zone_text, CLUSTER, NOW, D(""),
		HELP("Zone of each of host=, separated by commas.")),
};
const unsigned opt_table_n = sizeof(opt_table) / sizeof(opt_table[0]);
