/* monitor - watches the nodes of one cluster: connections of its own that ask for role and
 * position all the time, the slow facts, and the authority where there is one; feeds the state
 * machine of cluster/ with the answers. Ignorant of sessions, pools and configuration files.
 * Control thread. */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H
#include "base/err.h"
#include "cluster/cluster.h"
#include "cluster/report.h"
#include "ev/loop.h"

struct resolver;
struct tls_ctx;
struct monitor;

struct monitor_opts {         /* all strings are copied */
	const char *protocol; /* "postgresql" or "mysql", as proto_by_name() */
	/* kind and name are needed; for the protocol mysql kind may be CLUSTER_MYSQL and
	 * find_kind true: the first node that answers tells whether it is MariaDB, or a group.
	 * authority is set from patroni_n and kind. */
	struct cluster_opts cluster;
	bool find_kind;
	const struct cluster_node_opts *nodes;
	unsigned n;
	const char *user, *password, *dbname;
	struct tls_ctx *tls; /* NULL: none; else a reference is taken */
	bool tls_require;
	/* "http://host:port" or "https://.." of Patroni's REST API, best of all of them; asked all
	 * at once */
	const char *const *patroni;
	unsigned patroni_n;
	struct tls_ctx *patroni_tls; /* for https; NULL: none; else a reference is taken */
};
struct monitor_cb {
	/* A new picture; v belongs to the cluster, cluster_view_ref() keeps it. */
	void (*view)(void *arg, const struct cluster_view *v);
	void (*action)(void *arg, const struct cluster_action *a);
	void (*sampled)(void *arg); /* a node has told its position; NULL: nobody wants to know */
};
/* Starts at once; callbacks come from the loop, never from inside this call. loop and resolver
 * must outlive it. NULL with e. */
struct monitor *monitor_new(struct loop *loop, struct resolver *resolver,
	const struct monitor_opts *o, const struct monitor_cb *cb, void *arg, struct err *e);
/* No callback comes after it; not to be called from inside one. */
void monitor_free(struct monitor **m);
/* Contexts in place of those of the same kind, for connections that are made from now on: files of
 * certificates have changed. */
void monitor_set_tls(struct monitor *m, struct tls_ctx *tls, struct tls_ctx *patroni_tls);
/* For operators' calls and SHOW; NULL while find_kind has not found it. */
struct cluster *monitor_cluster(struct monitor *m);
/* What was known of it before an upgrade or a change of its options (cluster_inherit()): now, or
 * when it is found. */
void monitor_inherit(struct monitor *m, const uint8_t *p, size_t n);
/* After any call of cluster.h on it: hands out what it caused. */
void monitor_changed(struct monitor *m);
/* What live traffic met. */
void monitor_signal(struct monitor *m, unsigned node, enum cluster_signal s, const char *text);
/* A session with an unmet token reads: sample now (at most every 5 ms). */
void monitor_kick(struct monitor *m);

/* ---- a planned change of primary ---- */

/* Who can be asked for it: "Patroni", "the group"; NULL: nobody. */
const char *monitor_mover(const struct monitor *m);
struct monitor_move_opts { /* all strings are copied */
	unsigned to;
	const char *user, *password; /* of the statement; user "": the probe's */
	const char *auth;            /* Patroni: the header Authorization; NULL: none */
};
/* Asks for it; done() comes once, from the loop, with e NULL when whoever was asked says that it is
 * done, else e says why not. One at a time: an earlier one is forgotten. -1: it was not asked. */
int monitor_move(struct monitor *m, const struct monitor_move_opts *o,
	void (*done)(void *arg, const struct err *e), void *arg, struct err *e)
	__attribute__((warn_unused_result));
/* Not to be called from done(). What was asked for may happen all the same. */
void monitor_move_stop(struct monitor *m);

/* For SHOW PROBES. */
void monitor_report(const struct monitor *m, unsigned node, struct probe_report *r_r);
#endif
