/* metrics_table - every metric in one table. Ignorant of how values are gathered (metrics_fill.c)
 * and written (metrics_rows.c, metrics_gen.c). Any thread. */
#include "metrics_int.h"

#include <string.h>

/* clang-format off */
#define G(scope, name, value, help, source) \
	{ name, METRIC_GAUGE, SCOPE_##scope, NULL, value, help, source }
#define C(scope, name, value, help, source) \
	{ name, METRIC_COUNTER, SCOPE_##scope, NULL, value, help, source }
#define H(name, which, help) \
	{ name, METRIC_HISTOGRAM, SCOPE_POOL, NULL, which, help, NULL }
/* One of several rows of a name. */
#define S(scope, name, state, value, help, source) \
	{ name, METRIC_GAUGE, SCOPE_##scope, state, value, help, source }
/* Both spellings of pgbouncer_exporter: from its version 0.11 on, and before. */
#define BOTH(name, old, value, help, source) \
	C(PGB_STATS, name, value, help, source), \
	C(PGB_STATS, old, value, help " (The name before 0.11.)", source)
/* clang-format on */

#define SERVERS_HELP "Server connections of a pool by what they do."
#define CLIENTS_HELP "Clients by what they do; the console's are among them."
#define STATE_HELP "1 for the state that a cluster is in, 0 for the others."
#define ROLE_HELP "1 for the role that a node has, as accepted by weirpool; 0 for the others."

const struct metric metric_table[] = {
	/* the process: the names that all Prometheus clients use */
	C(PROCESS, "process_cpu_seconds_total", V_CPU, "CPU time, user and system.", NULL),
	G(PROCESS, "process_start_time_seconds", V_START, "When the process began, since 1970.",
		NULL),
	G(PROCESS, "process_resident_memory_bytes", V_RSS, "Memory in use (RSS).", NULL),
	G(PROCESS, "process_virtual_memory_bytes", V_VIRTUAL, "Address space.", NULL),
	G(PROCESS, "process_open_fds", V_FDS, "Open file descriptors.", NULL),
	G(PROCESS, "process_max_fds", V_FDS_MAX, "How many may be open (LimitNOFILE).", NULL),
	G(VERSION, "weirpool_build_info", 0, "1; the version is the label.", "SHOW VERSION"),
	G(PROCESS, "weirpool_workers", V_WORKERS, "Threads that serve clients.", "SHOW WORKERS"),
	G(PROCESS, "weirpool_paused", V_PAUSED, "1 while everything is paused (PAUSE).",
		"SHOW STATE"),
	G(PROCESS, "weirpool_suspended", V_SUSPENDED, "1 while suspended (SUSPEND).", "SHOW STATE"),
	G(PROCESS, "weirpool_shutting_down", V_ENDING, "1 from the first word of a shutdown on.",
		NULL),
	G(MEMORY, "weirpool_memory_bytes", 0, "Memory by what it is for.", "SHOW MEM, memtotal"),
	C(PROCESS, "weirpool_log_lines_lost_total", V_LOG_LOST,
		"Lines that the log could not take: a full disk, or a pipe that nobody reads.",
		NULL),
	G(PROCESS, "weirpool_traces_waiting", V_TRACES_WAITING,
		"Traced statements that wait for otlp_endpoint.", "SHOW TRACES, waiting"),
	C(PROCESS, "weirpool_traces_sent_total", V_TRACES_SENT,
		"Traced statements that otlp_endpoint has taken.", "SHOW TRACES, sent"),
	C(PROCESS, "weirpool_traces_dropped_total", V_TRACES_DROPPED,
		"Statements that were not traced because otlp_queue was full.",
		"SHOW TRACES, dropped"),
	C(PROCESS, "weirpool_traces_lost_total", V_TRACES_LOST,
		"Traced statements that were given up because otlp_endpoint did not take them.",
		"SHOW TRACES, lost"),
	C(PROCESS, "weirpool_traces_rejected_total", V_TRACES_REJECTED,
		"Traced statements that otlp_endpoint has refused.", "SHOW TRACES, rejected"),
	C(PROCESS, "weirpool_config_reloads_total", V_RELOADS, "Reloads that went well.", NULL),
	C(PROCESS, "weirpool_config_reload_failures_total", V_RELOADS_FAILED,
		"Reloads that were refused; the configuration before them stays.", NULL),
	G(PROCESS, "weirpool_config_last_reload_successful", V_RELOAD_OK,
		"0 if the last reload was refused, else 1.", NULL),
	G(PROCESS, "weirpool_config_last_reload_success_timestamp_seconds", V_RELOAD_TIME,
		"When the configuration in use was read, since 1970.", NULL),
	G(PROCESS, "weirpool_config_metrics_max_pools", V_SERIES_MAX,
		"Most pools that have metrics of their own; the rest is in \"other\".",
		"SHOW CONFIG, metrics_max_pools"),
	G(CERT, "weirpool_certificate_expiry_timestamp_seconds", 0,
		"When a certificate ends, since 1970. The label is the option that names its file.",
		NULL),
	G(PROCESS, "weirpool_dns_cached_names", V_DNS_NAMES, "Names in the DNS cache.",
		"SHOW LISTS, dns_names"),
	G(PROCESS, "weirpool_dns_queries_in_flight", V_DNS_PENDING, "DNS queries under way.",
		"SHOW LISTS, dns_queries"),

	/* workers */
	C(WORKER, "weirpool_worker_cpu_seconds_total", V_W_CPU,
		"CPU time of a worker's thread: at one second per second it is saturated.", NULL),
	G(WORKER, "weirpool_worker_loop_delay_seconds", V_W_DELAY,
		"How long this scrape's question waited for the worker's event loop: what any "
		"client waits there before it is looked at.",
		NULL),
	G(WORKER, "weirpool_worker_clients", V_W_CLIENTS, "Clients of a worker.",
		"SHOW WORKERS, clients"),
	G(WORKER, "weirpool_worker_server_connections", V_W_SERVERS,
		"Server connections of a worker.", "SHOW WORKERS, servers"),

	/* clients */
	S(CLIENT, "weirpool_clients", "state=login", V_CL_LOGIN, CLIENTS_HELP, "SHOW WORKERS"),
	S(CLIENT, "weirpool_clients", "state=idle", V_CL_IDLE, CLIENTS_HELP, NULL),
	S(CLIENT, "weirpool_clients", "state=waiting", V_CL_WAITING, CLIENTS_HELP, NULL),
	S(CLIENT, "weirpool_clients", "state=active", V_CL_ACTIVE, CLIENTS_HELP, NULL),
	G(CLIENT, "weirpool_clients_max", V_CLIENTS_MAX, "Most clients (max_client_conn).",
		"SHOW CONFIG, max_client_conn"),
	C(LOGIN, "weirpool_login_failures_total", 0, "Clients that did not get in, by why.", NULL),
	G(CLIENT, "weirpool_pinned_sessions", V_CL_PINNED,
		"Sessions that keep their server connection between transactions.", "SHOW PINS"),
	G(PIN, "weirpool_pinned_sessions_by_reason", 0,
		"The same by why; a session may have several reasons.", "SHOW PINS, reasons"),
	G(CLIENT, "weirpool_server_connections", V_SERVERS, "Server connections in all pools.",
		"SHOW LISTS, used_servers"),
	G(CLIENT, "weirpool_cancel_requests", V_CANCELS, "Cancel requests under way.",
		"SHOW WORKERS, cancel_requests"),

	/* databases */
	C(DATABASE, "weirpool_database_transactions_total", STAT_XACTS, "Transactions.",
		"SHOW STATS, total_xact_count"),
	C(DATABASE, "weirpool_database_queries_total", STAT_QUERIES, "Queries.",
		"SHOW STATS, total_query_count"),
	C(DATABASE, "weirpool_database_received_bytes_total", STAT_RECEIVED,
		"Bytes that clients sent.", "SHOW STATS, total_received"),
	C(DATABASE, "weirpool_database_sent_bytes_total", STAT_SENT, "Bytes sent to clients.",
		"SHOW STATS, total_sent"),
	C(DATABASE, "weirpool_database_transaction_seconds_total", STAT_XACT_US,
		"Time that transactions took.", "SHOW STATS, total_xact_time"),
	C(DATABASE, "weirpool_database_query_seconds_total", STAT_QUERY_US,
		"Time that queries took.", "SHOW STATS, total_query_time"),
	C(DATABASE, "weirpool_database_wait_seconds_total", STAT_WAIT_US,
		"Time that clients waited for a server connection.", "SHOW STATS, total_wait_time"),
	C(DATABASE, "weirpool_database_assignments_total", STAT_ASSIGNMENTS,
		"How often a client was given a server connection.",
		"SHOW STATS, total_server_assignment_count"),
	C(DATABASE, "weirpool_database_client_parses_total", STAT_CLIENT_PARSES,
		"Statements that clients prepared.", "SHOW STATS, total_client_parse_count"),
	C(DATABASE, "weirpool_database_server_parses_total", STAT_SERVER_PARSES,
		"Statements that weirpool prepared at servers.",
		"SHOW STATS, total_server_parse_count"),
	C(DATABASE, "weirpool_database_binds_total", STAT_BINDS,
		"Executions of prepared statements.", "SHOW STATS, total_bind_count"),
	C(DATABASE, "weirpool_database_logins_total", STAT_LOGINS, "Clients that logged in.",
		"SHOW STATS, total_client_login_count"),
	G(DATABASE, "weirpool_database_clients", V_DB_CLIENTS, "Clients of a database.",
		"SHOW DATABASES, current_client_connections"),
	G(DATABASE, "weirpool_database_server_connections", V_DB_SERVERS,
		"Server connections of a database.", "SHOW DATABASES, current_connections"),
	G(DATABASE, "weirpool_database_paused", V_DB_PAUSED, "1 while paused (PAUSE).",
		"SHOW DATABASES, paused"),
	G(DATABASE, "weirpool_database_disabled", V_DB_DISABLED, "1 while disabled (DISABLE).",
		"SHOW DATABASES, disabled"),

	/* pools */
	G(POOL, "weirpool_pool_clients_active", V_P_CL_ACTIVE,
		"Clients of a pool that do not wait.", "SHOW POOLS, cl_active"),
	G(POOL, "weirpool_pool_clients_waiting", V_P_CL_WAITING,
		"Clients that wait for a server connection.", "SHOW POOLS, cl_waiting"),
	G(POOL, "weirpool_pool_max_wait_seconds", V_P_MAXWAIT,
		"How long the first of them has been waiting.", "SHOW POOLS, maxwait"),
	S(POOL, "weirpool_pool_server_connections", "state=active", V_P_SV_ACTIVE, SERVERS_HELP,
		"SHOW POOLS, sv_active ..."),
	S(POOL, "weirpool_pool_server_connections", "state=idle", V_P_SV_IDLE, SERVERS_HELP, NULL),
	S(POOL, "weirpool_pool_server_connections", "state=cleaning", V_P_SV_CLEANING, SERVERS_HELP,
		NULL),
	S(POOL, "weirpool_pool_server_connections", "state=login", V_P_SV_LOGIN, SERVERS_HELP,
		NULL),
	S(POOL, "weirpool_pool_server_connections", "state=canceled", V_P_SV_CANCELED, SERVERS_HELP,
		NULL),
	G(POOL, "weirpool_pool_size", V_P_SIZE, "Most server connections of a pool (pool_size).",
		"SHOW DATABASES, pool_size"),
	G(POOL, "weirpool_pool_reserve_size", V_P_RESERVE,
		"How many more there may be when clients wait (reserve_pool_size).",
		"SHOW DATABASES, reserve_pool_size"),
	C(POOL, "weirpool_pool_connect_failures_total", V_P_CONNECTS_FAILED,
		"Server connections that could not be made, logins that were refused included.",
		NULL),
	G(POOL, "weirpool_pool_connect_failures_in_row", V_P_FAILING,
		"How many of them since the last one that was made: 0 when all is well.",
		"SHOW WAITS, reason"),
	C(POOL, "weirpool_pool_wait_timeouts_total", V_P_WAIT_TIMEOUTS,
		"Clients that waited too long (query_wait_timeout).", NULL),
	G(POOL, "weirpool_pool_server_certificate_expiry_timestamp_seconds", V_P_SERVER_CERT,
		"When the certificate ends that its server showed last, since 1970. Absent: no "
		"TLS.",
		NULL),
	G(POOL, "weirpool_pool_client_certificate_expiry_timestamp_seconds", V_P_CLIENT_CERT,
		"When the certificate ends that is shown to its server (server_tls_cert_file), "
		"since 1970. Absent: none is.",
		NULL),
	H("weirpool_pool_wait_duration_seconds", HIST_WAIT,
		"How long clients waited for a server connection, those that did not wait "
		"included."),
	H("weirpool_pool_query_duration_seconds", HIST_QUERY,
		"From a request to the end of its answer."),
	H("weirpool_pool_transaction_duration_seconds", HIST_XACT,
		"From a transaction's first request to its end."),
	H("weirpool_pool_connect_duration_seconds", HIST_CONNECT,
		"How long a server connection took to be made, login included."),

	/* routes */
	C(ROUTE, "weirpool_route_assignments_total", V_RT_ASSIGNED,
		"How often a session got a connection of that node.", "SHOW ROUTES, assigned"),
	C(ROUTE, "weirpool_route_reads_total", V_RT_READS,
		"How many of these were for a statement that only reads.", "SHOW ROUTES, reads"),
	C(ROUTE, "weirpool_route_stand_ins_total", V_RT_STAND_INS,
		"How many of these reads stood in for replicas that could not answer.",
		"SHOW ROUTES, stand_ins"),
	C(ROUTE, "weirpool_route_parked_total", V_RT_PARKED,
		"Reads that waited until a replica had what they must see.", "SHOW ROUTES, parked"),
	C(ROUTE, "weirpool_route_held_total", V_RT_HELD,
		"Requests that waited for want of any node.", "SHOW ROUTES, held"),

	/* statements */
	G(QUERY, "weirpool_query_statements", V_Q_STATEMENTS,
		"Statements that are told apart, by worker, database and user.", "SHOW QUERIES"),
	C(QUERY, "weirpool_query_evictions_total", V_Q_EVICTED,
		"How often one made room for another (query_stats_max).", NULL),
	C(QUERY, "weirpool_query_calls_total", V_Q_CALLS,
		"Answers counted with query_stats. RESET QUERIES does not take them back.",
		"SHOW QUERIES, calls"),
	C(QUERY, "weirpool_query_errors_total", V_Q_ERRORS, "How many of them were errors.",
		"SHOW QUERIES, errors"),
	C(QUERY, "weirpool_query_rows_total", V_Q_ROWS, "Rows returned or changed.",
		"SHOW QUERIES, rows"),
	C(QUERY, "weirpool_query_seconds_total", V_Q_SECONDS, "Time that they took.",
		"SHOW QUERIES, total_us"),
	C(QUERY, "weirpool_query_wait_seconds_total", V_Q_WAIT,
		"How much of it they waited for a server connection.", "SHOW QUERIES, wait_us"),
	C(QUERY, "weirpool_slow_statements_total", V_Q_SLOW,
		"Statements that took log_min_duration or longer, logged or not.", NULL),

	/* rules */
	C(RULE, "weirpool_rule_hits_total", V_R_FOLLOWED, "How often a rule was followed.",
		"SHOW RULES, hits"),
	C(RULE, "weirpool_rule_gave_up_total", V_R_GAVE_UP,
		"How often its pattern was given up as too hard.", "SHOW RULES, gave_up"),

	/* clusters */
	G(CLUSTER, "weirpool_cluster_epoch", V_C_EPOCH, "Grows with each new primary.",
		"SHOW CLUSTERS, epoch"),
	G(CLUSTER, "weirpool_cluster_has_primary", V_C_PRIMARY, "1 if a primary is accepted.",
		"SHOW CLUSTERS, primary"),
	G(CLUSTER, "weirpool_cluster_writes_open", V_C_WRITES,
		"1 if writes go on, 0 if they are held or refused.", "SHOW CLUSTERS, writes"),
	G(CLUSTER, "weirpool_cluster_paused", V_C_PAUSED, "1 while paused (PAUSE).",
		"SHOW CLUSTERS, paused"),
	S(CLUSTER, "weirpool_cluster_state", "state=no_primary", V_C_STATE + CLUSTER_NO_PRIMARY,
		STATE_HELP, "SHOW CLUSTERS, state"),
	S(CLUSTER, "weirpool_cluster_state", "state=normal", V_C_STATE + CLUSTER_NORMAL, STATE_HELP,
		NULL),
	S(CLUSTER, "weirpool_cluster_state", "state=suspect", V_C_STATE + CLUSTER_SUSPECT,
		STATE_HELP, NULL),
	S(CLUSTER, "weirpool_cluster_state", "state=split", V_C_STATE + CLUSTER_SPLIT, STATE_HELP,
		NULL),
	S(CLUSTER, "weirpool_cluster_state", "state=switching", V_C_STATE + CLUSTER_SWITCHING,
		STATE_HELP, NULL),
	G(NODE, "weirpool_node_up", V_N_UP, "1 if a node is up.", "SHOW NODES, state"),
	S(NODE, "weirpool_node_role", "role=primary", V_N_PRIMARY, ROLE_HELP, "SHOW NODES, role"),
	S(NODE, "weirpool_node_role", "role=replica", V_N_REPLICA, ROLE_HELP, NULL),
	S(NODE, "weirpool_node_role", "role=unknown", V_N_UNKNOWN, ROLE_HELP, NULL),
	G(NODE, "weirpool_node_lag_seconds", V_N_LAG,
		"How old what a replica shows may be at most. Absent: not known, or the primary.",
		"SHOW NODES, lag_ms"),
	G(NODE, "weirpool_node_missing", V_N_MISSING,
		"How far a replica is behind, in bytes or transactions.", "SHOW NODES, missing"),
	G(NODE, "weirpool_node_reads_allowed", V_N_READS, "1 if a node may serve reads.",
		"SHOW NODES, reads"),
	G(NODE, "weirpool_node_writes_allowed", V_N_WRITES, "1 if a node takes writes.",
		"SHOW NODES, writes"),
	G(NODE, "weirpool_node_weight", V_N_WEIGHT, "Its share of the reads.",
		"SHOW NODES, weight"),
	C(NODE, "weirpool_node_probes_total", V_N_PROBES, "Probes that it answered.",
		"SHOW PROBES, samples"),
	C(NODE, "weirpool_node_probe_failures_total", V_N_PROBES_FAILED, "Probes that failed.",
		"SHOW PROBES, failures"),
	G(NODE, "weirpool_node_probe_rtt_seconds", V_N_RTT, "How long the newest probe took.",
		"SHOW PROBES, rtt_us"),

	/* as pgbouncer_exporter has them */
	G(PGB_PROCESS, "pgbouncer_up", V_L_UP, "1.", NULL),
	G(PGB_VERSION, "pgbouncer_version_info", 0, "1; the version is the label.", "SHOW VERSION"),
	G(PGB_PROCESS, "pgbouncer_config_max_client_connections", V_L_MAX_CLIENT_CONN,
		"max_client_conn.", "SHOW CONFIG"),
	G(PGB_PROCESS, "pgbouncer_config_max_user_connections", V_L_MAX_USER_CONN,
		"max_user_connections.", "SHOW CONFIG"),
	G(PGB_PROCESS, "pgbouncer_databases", V_L_DATABASES, "Databases.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_users", V_L_USERS, "Users.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_pools", V_L_POOLS, "Pools.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_free_clients", V_L_FREE_CLIENTS, "Always 0.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_used_clients", V_L_USED_CLIENTS, "Clients.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_login_clients", V_L_LOGIN_CLIENTS, "Clients that log in.",
		"SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_free_servers", V_L_FREE_SERVERS, "Always 0.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_used_servers", V_L_USED_SERVERS, "Server connections.",
		"SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_cached_dns_names", V_L_DNS_NAMES, "Names in the DNS cache.",
		"SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_cached_dns_zones", V_L_DNS_ZONES, "Always 0.", "SHOW LISTS"),
	G(PGB_PROCESS, "pgbouncer_in_flight_dns_queries", V_L_DNS_QUERIES, "DNS queries under way.",
		"SHOW LISTS"),
	G(PGB_DB, "pgbouncer_databases_pool_size", V_D_SIZE, "pool_size.", "SHOW DATABASES"),
	G(PGB_DB, "pgbouncer_databases_reserve_pool", V_D_RESERVE, "reserve_pool_size.",
		"SHOW DATABASES"),
	G(PGB_DB, "pgbouncer_databases_max_connections", V_D_MAX, "max_db_connections.",
		"SHOW DATABASES"),
	G(PGB_DB, "pgbouncer_databases_current_connections", V_D_NOW, "Server connections.",
		"SHOW DATABASES"),
	G(PGB_DB, "pgbouncer_databases_paused", V_D_PAUSED, "1 while paused.", "SHOW DATABASES"),
	G(PGB_DB, "pgbouncer_databases_disabled", V_D_DISABLED, "1 while disabled.",
		"SHOW DATABASES"),
	BOTH("pgbouncer_stats_totals_queries_pooled_total", "pgbouncer_stats_queries_pooled_total",
		STAT_QUERIES, "Queries.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_queries_total", "pgbouncer_stats_queries_total", STAT_QUERIES,
		"Queries.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_queries_duration_seconds_total",
		"pgbouncer_stats_queries_duration_seconds_total", STAT_QUERY_US, "Time of queries.",
		"SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_received_bytes_total", "pgbouncer_stats_received_bytes_total",
		STAT_RECEIVED, "Bytes that clients sent.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_sent_bytes_total", "pgbouncer_stats_sent_bytes_total",
		STAT_SENT, "Bytes sent to clients.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_client_wait_seconds_total",
		"pgbouncer_stats_client_wait_seconds_total", STAT_WAIT_US,
		"Time that clients waited.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_sql_transactions_pooled_total",
		"pgbouncer_stats_sql_transactions_pooled_total", STAT_XACTS, "Transactions.",
		"SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_server_in_transaction_seconds_total",
		"pgbouncer_stats_server_in_transaction_seconds_total", STAT_XACT_US,
		"Time of transactions.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_client_parses_total", "pgbouncer_stats_client_parses_total",
		STAT_CLIENT_PARSES, "Statements that clients prepared.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_server_parses_total", "pgbouncer_stats_server_parses_total",
		STAT_SERVER_PARSES, "Statements prepared at servers.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_binds_total", "pgbouncer_stats_binds_total", STAT_BINDS,
		"Executions of prepared statements.", "SHOW STATS_TOTALS"),
	BOTH("pgbouncer_stats_totals_server_assignments_total",
		"pgbouncer_stats_server_assignments_total", STAT_ASSIGNMENTS,
		"Server connections given to clients.", "SHOW STATS_TOTALS"),
	G(PGB_POOL, "pgbouncer_pools_client_active_connections", V_B_CL_ACTIVE, "cl_active.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_client_active_cancel_connections", V_B_CL_ACTIVE_CANCEL,
		"cl_active_cancel_req.", "SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_client_waiting_connections", V_B_CL_WAITING, "cl_waiting.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_client_waiting_cancel_connections", V_B_CL_WAITING_CANCEL,
		"cl_waiting_cancel_req.", "SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_active_connections", V_B_SV_ACTIVE, "sv_active.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_active_cancel_connections", V_B_SV_ACTIVE_CANCEL,
		"sv_active_cancel.", "SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_being_canceled_connections", V_B_SV_CANCELED,
		"sv_being_canceled.", "SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_idle_connections", V_B_SV_IDLE, "sv_idle.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_used_connections", V_B_SV_USED, "sv_used.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_testing_connections", V_B_SV_TESTED, "sv_tested.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_server_login_connections", V_B_SV_LOGIN, "sv_login.",
		"SHOW POOLS"),
	G(PGB_POOL, "pgbouncer_pools_client_maxwait_seconds", V_B_MAXWAIT, "maxwait.",
		"SHOW POOLS"),
	G(PGB_CLIENT, "pgbouncer_client_connections", 0, "Clients.", "SHOW CLIENTS"),
};
const unsigned metric_table_n = sizeof metric_table / sizeof *metric_table;

/* What the table says and the enums hold. */
_Static_assert(V_PROCESS_N <= METRIC_VALUES_MAX && V_PGB_PROCESS_N <= METRIC_VALUES_MAX &&
		       V_DATABASE_N <= METRIC_VALUES_MAX && V_POOL_N <= METRIC_VALUES_MAX &&
		       V_NODE_N <= METRIC_VALUES_MAX && V_CLUSTER_N <= METRIC_VALUES_MAX &&
		       V_CLIENT_N <= METRIC_VALUES_MAX,
	"a row has too many values");

static const struct {
	const char *name, *labels;
} scopes[SCOPES_N] = {
#define X(id, name, labels) { name, labels },
	METRIC_SCOPES(X)
#undef X
};

const char *metric_scope_name(enum metric_scope s)
{
	return scopes[s].name;
}

const char *metric_scope_labels(enum metric_scope s)
{
	return scopes[s].labels;
}

bool metric_wanted(const struct metric *m, const struct metric_filter *f)
{
	if (!f)
		return true;
	if (f->scope && *f->scope && strcmp(f->scope, scopes[m->scope].name) != 0)
		return false;
	return !f->name || !*f->name || strstr(m->name, f->name);
}
