/* topology - clusters as workers see them. Ignorant of how roles and freshness are found out
 * (cluster/, monitor/) and of sessions (core/router).
 *
 * Three things, by how long they live: struct server_node and struct server_cluster, as long as the
 * process, are what pools and counters hang on. struct topo, as long as a generation of
 * configuration, says which nodes a cluster has. struct cluster_view (cluster/view.h) is what is
 * known of them now: control sends each new one to every worker, which keeps it in its struct
 * seen_cluster. */
#ifndef CORE_TOPOLOGY_H
#define CORE_TOPOLOGY_H
#include "cluster/balance.h"
#include "cluster/view.h"
#include "conf/conf.h"
#include "ev/loop.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct core;
struct dbase;
struct worker;
struct proto_names;

/* One server of a cluster. */
struct server_node {
	struct server_cluster *cluster;
	char where[96];         /* host:port, its name */
	_Atomic unsigned fence; /* counted up: links made before must not be used any more */
};
struct server_cluster {
	char *name;
	_Atomic int64_t last_write_us; /* when the newest acknowledgement to any session came */
	_Atomic bool paused;           /* PAUSE: all requests are held */
	/* Reads wait until then for a replica: workers hear of each sample. */
	_Atomic int64_t parked_until_us;
	_Atomic bool kicked; /* kick is under way to control, or control has not seen it */
	struct mail kick;
	struct core *core;
	struct cluster_view *view; /* control's: the newest; NULL before the first */
};

/* The clusters of a generation. Node i of conf is node i of its views. */
struct topo_cluster {
	const struct conf_cluster *conf;
	struct server_cluster *cluster;
	struct server_node *node[CONF_NODES_MAX];
};
struct topo {
	unsigned n;
	struct topo_cluster v[];
};

/* A worker's. */
struct seen_cluster {
	struct cluster_view *view; /* NULL: none has come yet */
	struct balance balance;
};

/* The clusters of conf; their nodes are made when they are new. MEM_CONF, the caller's. NULL: it
 * has none. Control thread. */
struct topo *topo_build(struct core *c, const struct conf *conf);
/* Any thread. NULL: there is none. */
const struct topo_cluster *topo_find(const struct topo *t, const char *name);
/* Is v about these nodes? Not if it was made for an older generation. */
bool topo_fits(const struct topo_cluster *tc, const struct cluster_view *v);

/* A read of w waits for a replica of c until then: it is sampled at once, and each sample is news.
 * On the worker. */
void topo_park(struct worker *w, struct server_cluster *c, int64_t until_us);

/* ---- control's news ---- */

/* A node of it was sampled. */
void topo_sampled(struct core *c, const char *cluster);

/* Brings v to every worker; takes a reference for each. */
void topo_publish(struct core *c, const char *cluster, const struct cluster_view *v);
/* Links to this node that are there now must not be used any more: those that are idle close. What
 * runs on the others ends with an error (now), or they close when it has ended. */
void topo_fence(struct core *c, const char *cluster, unsigned node, bool now);
/* What the catalog of an entry's database says; takes a reference for each worker. NULL: not known
 * any more, so that nothing is read on a replica. */
void topo_names(struct core *c, struct dbase *db, struct proto_names *names);
/* PAUSE and RESUME of a cluster: requests are held. False: there is no such cluster. */
bool topo_pause(struct core *c, const char *cluster, bool on);
#endif
