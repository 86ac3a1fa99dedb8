/* metrics_int - the values behind the table of metrics: which ones a row of each scope has, and the
 * rows of one moment. Control thread, except where it says "on the worker". */
#ifndef METRICS_INT_H
#define METRICS_INT_H
#include "admin/metrics.h"
#include "admin_int.h"

/* Values of a row, by scope. Those of SCOPE_DATABASE and SCOPE_PGB_STATS begin with enum stat. */
enum value_process {
	V_CPU,
	V_START,
	V_RSS,
	V_VIRTUAL,
	V_FDS,
	V_FDS_MAX,
	V_WORKERS,
	V_PAUSED,
	V_SUSPENDED,
	V_ENDING,
	V_LOG_LOST,
	V_TRACES_WAITING,
	V_TRACES_SENT,
	V_TRACES_DROPPED,
	V_TRACES_LOST,
	V_TRACES_REJECTED,
	V_RELOADS,
	V_RELOADS_FAILED,
	V_RELOAD_OK,
	V_RELOAD_TIME,
	V_DNS_NAMES,
	V_DNS_PENDING,
	V_SERIES_MAX,
	V_PROCESS_N
};
enum value_client {
	V_CL_LOGIN,
	V_CL_IDLE,
	V_CL_WAITING,
	V_CL_ACTIVE,
	V_CL_PINNED,
	V_SERVERS,
	V_CANCELS,
	V_CLIENTS_MAX,
	V_CLIENT_N
};
enum value_worker { V_W_CPU, V_W_DELAY, V_W_CLIENTS, V_W_SERVERS, V_WORKER_N };
enum value_database {
	V_DB_PAUSED = STAT_N,
	V_DB_DISABLED,
	V_DB_CLIENTS,
	V_DB_SERVERS,
	V_DATABASE_N
};
enum value_pool {
	V_P_CL_ACTIVE,
	V_P_CL_WAITING,
	V_P_MAXWAIT,
	V_P_SV_ACTIVE,
	V_P_SV_IDLE,
	V_P_SV_CLEANING,
	V_P_SV_LOGIN,
	V_P_SV_CANCELED,
	V_P_SIZE,
	V_P_RESERVE,
	V_P_CONNECTS_FAILED,
	V_P_FAILING,
	V_P_WAIT_TIMEOUTS,
	V_P_SERVER_CERT,
	V_P_CLIENT_CERT,
	V_POOL_N
};
enum value_route { V_RT_ASSIGNED, V_RT_READS, V_RT_STAND_INS, V_RT_PARKED, V_RT_HELD, V_ROUTE_N };
enum value_query {
	V_Q_STATEMENTS,
	V_Q_EVICTED,
	V_Q_CALLS,
	V_Q_ERRORS,
	V_Q_ROWS,
	V_Q_SECONDS,
	V_Q_WAIT,
	V_Q_SLOW,
	V_QUERY_N
};
enum value_rule { V_R_FOLLOWED, V_R_GAVE_UP, V_RULE_N };
enum value_cluster {
	V_C_EPOCH,
	V_C_PRIMARY,
	V_C_WRITES,
	V_C_PAUSED,
	V_C_STATE, /* and those of enum cluster_state behind it */
	V_C_STATES_N = 5,
	V_CLUSTER_N = V_C_STATE + V_C_STATES_N
};
enum value_node {
	V_N_UP,
	V_N_PRIMARY,
	V_N_REPLICA,
	V_N_UNKNOWN,
	V_N_LAG,
	V_N_MISSING,
	V_N_READS,
	V_N_WRITES,
	V_N_WEIGHT,
	V_N_PROBES,
	V_N_PROBES_FAILED,
	V_N_RTT,
	V_NODE_N
};
enum value_pgb_process {
	V_L_UP,
	V_L_DATABASES,
	V_L_USERS,
	V_L_POOLS,
	V_L_FREE_CLIENTS,
	V_L_USED_CLIENTS,
	V_L_LOGIN_CLIENTS,
	V_L_FREE_SERVERS,
	V_L_USED_SERVERS,
	V_L_DNS_NAMES,
	V_L_DNS_ZONES,
	V_L_DNS_QUERIES,
	V_L_MAX_CLIENT_CONN,
	V_L_MAX_USER_CONN,
	V_PGB_PROCESS_N
};
enum value_pgb_db { V_D_SIZE, V_D_RESERVE, V_D_MAX, V_D_NOW, V_D_PAUSED, V_D_DISABLED, V_PGB_DB_N };
enum value_pgb_pool {
	V_B_CL_ACTIVE,
	V_B_CL_ACTIVE_CANCEL,
	V_B_CL_WAITING,
	V_B_CL_WAITING_CANCEL,
	V_B_SV_ACTIVE,
	V_B_SV_ACTIVE_CANCEL,
	V_B_SV_CANCELED,
	V_B_SV_IDLE,
	V_B_SV_USED,
	V_B_SV_TESTED,
	V_B_SV_LOGIN,
	V_B_MAXWAIT,
	V_PGB_POOL_N
};
#define METRIC_VALUES_MAX 32

/* ---- metrics_rows.c: the rows of one moment ---- */

struct metric_row {
	char *labels;                /* a="b",c="d"; escaped */
	double v[METRIC_VALUES_MAX]; /* NAN: there is none */
	struct hist *hist;           /* POOL_HISTS_N of them, or NULL */
};
struct metric_rows {
	struct metric_scope_rows {
		struct metric_row *v;
		size_t n, size;
	} scope[SCOPES_N];
	bool no_memory;
};
void metric_rows_fini(struct metric_rows *all);
/* A new row; values by the scope's labels, in their order, NULL ones are left out. NULL: out of
 * memory, and all->no_memory is set. */
struct metric_row *metric_row_add(
	struct metric_rows *all, enum metric_scope s, const char *const *label_values);
struct hist *metric_row_hist(struct metric_rows *all, struct metric_row *row); /* or NULL */
/* Rows with the same labels become one, and the rows stand in the order of their labels. */
void metric_rows_join(struct metric_rows *all, enum metric_scope s);
/* Text of the Prometheus exposition format, version 0.0.4. */
void metric_rows_text(
	const struct metric_rows *all, const struct metric_filter *f, struct buf *out);

/* ---- metrics_worker.c: what a worker adds, on the worker ---- */

struct client_count {
	const char *db, *user; /* live as long as the process; NULL: the console */
	enum core_series series;
	char app[64];
	enum session_state state;
	unsigned n;
};
struct metrics_part {
	struct pool_part pools;
	struct stat_part stats;
	struct poolstats *counts; /* n of them */
	size_t counts_n;
	struct client_count *clients;
	size_t clients_n;
	struct rule_count *rules;
	unsigned rules_n;
	unsigned pins[PIN_N], pinned;
	uint64_t logins_failed[LOGIN_FAILURES_N];
	struct query_totals queries;
	uint64_t slow_n;
	int64_t cpu_us, delay_us;
	bool no_memory;
};
/* asked_us: when control asked, by the monotonic clock. */
void metrics_collect(struct worker *w, struct metrics_part *p, int64_t asked_us);
void metrics_part_fini(struct metrics_part *p);

/* ---- metrics_fill.c, metrics_process.c, metrics_cluster.c: rows from what was gathered ---- */

void metrics_fill(struct admin *a, struct scatter *s, struct metric_rows *all);
void metrics_fill_process(struct admin *a, struct scatter *s, struct metric_rows *all);
void metrics_fill_clusters(struct admin *a, struct metric_rows *all);
#endif
