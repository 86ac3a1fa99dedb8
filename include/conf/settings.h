/* settings - what can differ by database and user, merged into one value: user over database over
 * global. Strings are borrowed from the struct conf that they came from, never NULL ("" = not
 * set). Any thread. Which option fills which field stands in src/conf/opt_table.c; the meaning of
 * each in doc/options.md. */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

enum conf_pool_mode { CONF_POOL_SESSION, CONF_POOL_TRANSACTION, CONF_POOL_STATEMENT };
enum conf_tls_mode {
	CONF_TLS_DISABLE,
	CONF_TLS_ALLOW,
	CONF_TLS_PREFER,
	CONF_TLS_REQUIRE,
	CONF_TLS_VERIFY_CA,
	CONF_TLS_VERIFY_FULL
};
/* The same for what weirpool asks by HTTPS: there the URL says that it is TLS. */
enum conf_https_mode { CONF_HTTPS_REQUIRE, CONF_HTTPS_VERIFY_CA, CONF_HTTPS_VERIFY_FULL };
struct conf_https {
	enum conf_https_mode mode;
	const char *ca_file, *cert_file, *key_file;
};
enum conf_tls_start {
	CONF_TLS_START_POSTGRES, /* SSLRequest first */
	CONF_TLS_START_DIRECT,   /* ClientHello first, ALPN "postgresql" (PostgreSQL 17) */
	CONF_TLS_START_ANY       /* clients only: either */
};
enum conf_balance { CONF_BALANCE_ROUND_ROBIN, CONF_BALANCE_DISABLE };
enum conf_compression {
	CONF_COMPRESSION_OFF,
	CONF_COMPRESSION_ZLIB,
	CONF_COMPRESSION_ZSTD,
	CONF_COMPRESSION_ANY
};
enum conf_proxy {
	CONF_PROXY_OFF,
	CONF_PROXY_LOCAL, /* a header that names nobody */
	CONF_PROXY_CLIENT /* the client's address; the connection serves that client alone */
};
/* Which nodes of its cluster a session may use. */
enum conf_endpoint { CONF_ENDPOINT_AUTO, CONF_ENDPOINT_RW, CONF_ENDPOINT_RO };
/* What a read on a replica must have seen (doc/clusters.md). */
enum conf_read_only_tx { /* as proto_client_conf.read_only_tx */
	CONF_RO_TX_AUTO,
	CONF_RO_TX_REPLICA,
	CONF_RO_TX_PRIMARY
};
enum conf_lost_tx { CONF_LOST_TX_40001, CONF_LOST_TX_08006 };
enum conf_consistency {
	CONF_CONSISTENCY_EVENTUAL,
	CONF_CONSISTENCY_BOUNDED,
	CONF_CONSISTENCY_SESSION,
	CONF_CONSISTENCY_GLOBAL,
	CONF_CONSISTENCY_STRONG
};
enum conf_slow_text { CONF_SLOW_TEXT_NORMALISED, CONF_SLOW_TEXT_FULL };
enum conf_trace_text { CONF_TRACE_TEXT_OFF, CONF_TRACE_TEXT_NORMALISED, CONF_TRACE_TEXT_FULL };
enum conf_tracking { CONF_TRACKING_OFF, CONF_TRACKING_AUTO };

/* TLS of one side. Paths, and OpenSSL names or PgBouncer's shortcuts, as written in the file. */
struct conf_tls {
	enum conf_tls_mode mode;
	enum conf_tls_start start;
	const char *ca_file, *cert_file, *key_file;
	const char *protocols; /* "secure", "all", "legacy", "tlsv1.2,tlsv1.3" ... */
	/* TLS 1.2 and older: "default", "secure", "fast", ... or an OpenSSL list */
	const char *ciphers;
	const char *tls13_ciphers; /* "" = OpenSSL's default */
	const char *dheparams;     /* "auto", "none", "legacy"; clients only */
	const char *ecdhcurve;     /* "auto", "none", or a curve; clients only */
};

struct settings {
	enum conf_pool_mode pool_mode;
	/* sizes; 0 = no limit, except pool_size */
	int pool_size, min_pool_size, reserve_pool_size;
	int max_db_connections, max_user_connections;               /* server connections */
	int max_db_client_connections, max_user_client_connections; /* clients */
	/* clients waiting in one pool */
	int max_wait_queue;
	/* time limits on clients; 0 = none */
	int64_t reserve_pool_timeout_us;
	int64_t query_wait_timeout_us, query_wait_notify_us;
	int64_t query_timeout_us, transaction_timeout_us;
	int64_t log_min_duration_us; /* 0: nothing */
	enum conf_slow_text log_slow_text;
	int trace_sample; /* millionths of the statements without a trace */
	enum conf_trace_text trace_text;
	int64_t idle_transaction_timeout_us, client_idle_timeout_us;
	int64_t pool_idle_timeout_us;
	/* server connections */
	int64_t server_connect_timeout_us; /* TCP, TLS and login together */
	/* lifetime 0: used once; idle 0: for ever */
	int64_t server_lifetime_us, server_idle_timeout_us;
	/* back-off after a failed connect or login */
	int64_t server_retry_min_us, server_retry_max_us;
	int64_t server_check_delay_us;
	const char *server_check_query; /* "" = no check, "<empty>" = an empty query, else SQL */
	const char *server_reset_query; /* "" = none */
	bool server_reset_query_always;
	bool server_fast_close;
	bool server_round_robin; /* oldest idle link first; else newest first */
	const char *connect_query;
	enum conf_balance load_balance_hosts;
	/* clusters */
	enum conf_endpoint endpoint;
	enum conf_consistency consistency;
	enum conf_read_only_tx read_only_tx;
	enum conf_lost_tx lost_tx_sqlstate;
	bool defer_begin;
	bool relisten;
	int64_t max_staleness_us;       /* 0 = no bound */
	int64_t primary_after_write_us; /* 0 = off */
	int64_t causal_wait_us;         /* 0 = do not */
	bool sticky_replica;
	struct conf_tls server_tls;
	enum conf_compression server_compression;
	enum conf_proxy server_proxy_protocol;
	/* what is carried between client and server */
	enum conf_tracking server_state_tracking;
	int max_prepared_statements;           /* per server connection; 0 = not tracked */
	int64_t prepared_statement_bytes;      /* text kept per client; 0 = no limit */
	const char *ignore_startup_parameters; /* lists: see conf_list_has() */
	const char *track_extra_parameters;
	int64_t max_packet_size_bytes;
	bool application_name_add_host;
	bool disable_pqexec;
	const char *login_notify_message;
	/* auth_query */
	const char *auth_user, *auth_query, *auth_dbname;
};
#endif
