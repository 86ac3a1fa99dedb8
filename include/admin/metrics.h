/* metrics - THE table of what is given out as metrics: names, types, help, labels, where each
 * value comes from. The Prometheus text, doc/metrics.md, the Grafana dashboard and the alert rules
 * are all loops over it, so that they cannot say different things. Immutable; any thread. */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H
#include "base/buf.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

/* What one series is about: a scope's rows have the same labels and the same values. id, name in
 * ?scope=, labels in the order in which they are written */
/* clang-format off */
#define METRIC_SCOPES(X) \
	X(PROCESS,     "process",     "") \
	X(VERSION,     "process",     "version") \
	X(MEMORY,      "process",     "type") \
	X(CERT,        "process",     "certificate") \
	X(WORKER,      "worker",      "worker") \
	X(CLIENT,      "client",      "") \
	X(LOGIN,       "client",      "reason") \
	X(PIN,         "client",      "reason") \
	X(DATABASE,    "database",    "database") \
	X(POOL,        "pool",        "database,user,node") \
	X(ROUTE,       "route",       "database,user,node") \
	X(QUERY,       "query",       "") \
	X(RULE,        "rule",        "rule") \
	X(CLUSTER,     "cluster",     "cluster") \
	X(NODE,        "node",        "cluster,node") \
	X(PGB_PROCESS, "pgbouncer",   "") \
	X(PGB_VERSION, "pgbouncer",   "version") \
	X(PGB_DB,      "pgbouncer",   "name,host,port,database,force_user,pool_mode") \
	X(PGB_STATS,   "pgbouncer",   "database") \
	X(PGB_POOL,    "pgbouncer",   "database,user") \
	X(PGB_CLIENT,  "pgbouncer",   "database,user,application_name,state")
/* clang-format on */
enum metric_scope {
#define X(id, name, labels) SCOPE_##id,
	METRIC_SCOPES(X)
#undef X
		SCOPES_N
};
const char *metric_scope_name(enum metric_scope s);
const char *metric_scope_labels(enum metric_scope s); /* "a,b" */

/* Rows of one name stand together; they differ in state (their last label). */
struct metric {
	const char *name;
	enum metric_type type;
	enum metric_scope scope;
	const char *state; /* "state=active": one more label; NULL: none */
	unsigned value;    /* of a row of its scope (metrics_int.h); METRIC_HISTOGRAM: which */
	const char *help;
	const char *source; /* where else it is shown: "SHOW POOLS, cl_active"; NULL: only here */
};
extern const struct metric metric_table[];
extern const unsigned metric_table_n;

/* Which metrics are wanted: part of a name, the name of a scope; NULL or "": all. */
struct metric_filter {
	const char *name, *scope;
};
bool metric_wanted(const struct metric *m, const struct metric_filter *f);

/* An alert on what the table has. */
struct alert {
	const char *name;     /* WeirpoolClientsWait */
	const char *expr;     /* PromQL */
	const char *wait;     /* "1m": how long it has to hold */
	const char *severity; /* warning, critical */
	const char *summary, *what_to_do;
};
extern const struct alert alert_table[];
extern const unsigned alert_table_n;

/* Documents from the tables, for weirpool-genmetrics. */
void metrics_gen_markdown(struct buf *out);  /* doc/metrics.md */
void metrics_gen_dashboard(struct buf *out); /* Grafana's JSON */
void metrics_gen_alerts(struct buf *out);    /* Prometheus' rules, YAML */
#endif
