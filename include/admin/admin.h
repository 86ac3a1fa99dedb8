/* admin - the console: commands, their privileges, rows. Ignorant of how text reaches it and of how
 * rows are sent. Control thread. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H
#include "base/buf.h"
#include "cluster/report.h"
#include "core/core.h"

/* A switchover, as it went. Strings live during the call. */
struct switch_result {
	const char *cluster, *from, *to, *by;
	int64_t held_us;    /* requests were held */
	int64_t drained_us; /* ... of that for the end of open transactions */
};
/* e NULL: it went well. */
typedef void admin_switched(void *arg, const struct switch_result *r, const struct err *e);

/* An upgrade, as it went. Strings live during the call. */
struct upgrade_result {
	int pid; /* of the new process */
	const char *version;
	unsigned generation;
};
/* e NULL: the new process serves. */
typedef void admin_upgraded(void *arg, const struct upgrade_result *r, const struct err *e);

/* What only server/ can do. All on the control thread. */
struct admin_hooks {
	void *arg;
	/* Reads the files again; all or nothing. 0, and *report_r says in lines what changes now,
	 * with new connections, or after a restart (malloc'ed by mem_xstrdup(MEM_ADMIN); may be
	 * NULL); -1 and e. */
	int (*reload)(void *arg, char **report_r, struct err *e);
	int (*set)(void *arg, const char *key, const char *value, struct err *e);
	/* CORE_DRAIN, CORE_WAIT_CLIENTS, CORE_WAIT_SERVERS or CORE_STOP. */
	void (*shutdown)(void *arg, enum core_state how);
	/* verb: "drain", "resume", "promoted", "resolve". cluster NULL: that which has the node.
	 * node as struct server_node.where. */
	int (*node)(
		void *arg, const char *verb, const char *cluster, const char *node, struct err *e);
	/* 0: done() comes later, once. */
	int (*switchover)(void *arg, const char *cluster, const char *node, admin_switched *done,
		void *done_arg, struct err *e);
	/* Another process takes over. 0: done() comes later, once. */
	int (*upgrade)(void *arg, admin_upgraded *done, void *done_arg, struct err *e);
	/* False: nobody probes it. */
	bool (*probe)(void *arg, const char *cluster, unsigned node, struct probe_report *report_r);
};
struct admin;
/* Sets core->console. The hooks are copied. */
struct admin *admin_new(struct core *c, const struct admin_hooks *h);
/* The configuration was read again, or that was refused: for the metrics. */
void admin_reloaded(struct admin *a, bool ok);
/* By RELOAD, SET or renewed files: core has the new one already. */
void admin_conf_changed(struct admin *a);
/* The metrics of this moment in Prometheus' text format (0.0.4); text is NULL when there is no
 * memory, lives during the call, and may be emptied. */
typedef void admin_metrics_done(void *arg, struct buf *text);
/* Part of a name, and the name of a scope (doc/metrics.md) that are wanted; NULL or "": all. done()
 * comes later, once, while the workers run; -1 and e: it does not come. */
int admin_metrics(struct admin *a, const char *name, const char *scope, admin_metrics_done *done,
	void *arg, struct err *e) __attribute__((warn_unused_result));
void admin_free(struct admin *a); /* answers what is pending with an error; before core_free() */
#endif
