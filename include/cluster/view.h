/* view - what the rest of weirpool knows about a cluster: an immutable picture that is replaced
 * as a whole, and beside it a few atomics that move all the time (F(r)). Counted; any thread
 * may read and let go. Made by cluster.c on the control thread. */
#ifndef CLUSTER_VIEW_H
#define CLUSTER_VIEW_H
#include "cluster/fresh.h"

#include <stdatomic.h>

#define CLUSTER_NODES_MAX 32

enum cluster_kind {
	CLUSTER_PG,      /* streaming replication; with or without Patroni */
	CLUSTER_MYSQL,   /* GTID replication */
	CLUSTER_MARIADB, /* GTID replication */
	CLUSTER_GR,      /* Group Replication, single primary */
	CLUSTER_GALERA   /* one writer, chosen here */
};
enum cluster_state {
	CLUSTER_NO_PRIMARY,
	CLUSTER_NORMAL,
	CLUSTER_SUSPECT,  /* the primary is in doubt: new writes wait, what runs goes on */
	CLUSTER_SPLIT,    /* two claim to be it and nothing decides */
	CLUSTER_SWITCHING /* an operator moves it: new writes wait */
};
enum cluster_writes {
	WRITES_OPEN,
	WRITES_HELD,   /* queue them; soon */
	WRITES_REFUSED /* no primary for longer than hold_us, or split: fail what is queued */
};
enum cluster_role { ROLE_UNKNOWN, ROLE_PRIMARY, ROLE_REPLICA };
enum node_state {
	NODE_UNKNOWN, /* not seen yet */
	NODE_UP,
	NODE_WARMING, /* up again; takes a growing share */
	NODE_SUSPECT,
	NODE_DOWN,
	NODE_QUARANTINED, /* fenced: it must not be talked to */
	NODE_DRAINING,    /* no new work */
	NODE_MAINT        /* no work */
};
const char *cluster_kind_name(enum cluster_kind k);
const char *cluster_state_name(enum cluster_state s);
const char *cluster_writes_name(enum cluster_writes w);
const char *cluster_role_name(enum cluster_role r);
const char *node_state_name(enum node_state s);

/* What moves between two views of the same epoch. Written by the control thread. */
struct cluster_live_node {
	_Atomic int64_t fresh_us; /* F(r) on CLOCK_MONOTONIC; 0: unknown. Grows, or falls to 0 */
	_Atomic uint64_t missing; /* bytes or transactions behind; UINT64_MAX unknown */
	_Atomic uint32_t life;    /* grows when the node may have gone back in time: a restart */
};
/* MySQL: what clients were told of the own transactions of the epoch's primary. */
struct cluster_live_acked {
	_Atomic bool known;    /* source is there, and stays */
	char source[37];       /* its server_uuid. Written once, by the control thread */
	_Atomic uint64_t last; /* the highest number, 0: none. Any thread raises it */
};
/* Views of one epoch share one; that of an older epoch stands still. */
struct cluster_live {
	_Atomic unsigned refs;
	struct cluster_live_acked acked;
	struct cluster_live_node node[CLUSTER_NODES_MAX];
};
struct cluster_vnode {
	char name[64], host[256];
	uint16_t port;
	unsigned weight;        /* 0: no reads */
	unsigned tier;          /* zone: 0 is nearest */
	enum cluster_role role; /* as accepted, not as claimed */
	enum node_state state;
	enum fresh_state fresh;
	int64_t since_us;      /* of state */
	int64_t warm_since_us; /* NODE_WARMING: from then, over warm_us */
	bool reads;    /* replica of this epoch, up, may serve reads; freshness is judged apart */
	bool eventual; /* ... also where nothing is known of its freshness */
	char why[200]; /* what keeps it from being plainly up, or "" */
};
struct cluster_view {
	_Atomic unsigned refs;
	uint64_t version; /* grows with each view */
	enum cluster_kind kind;
	enum cluster_state state;
	enum cluster_writes writes;
	int64_t since_us; /* of state */
	uint64_t epoch;   /* 0: none yet */
	int64_t epoch_us; /* since when */
	char evidence[256];
	int primary; /* index into node, -1 none. Only with WRITES_OPEN it takes new writes */
	int64_t warm_us;
	char why[200]; /* state other than NORMAL: what is waited for */
	struct cluster_live *live;
	unsigned n;
	struct cluster_vnode node[];
};
struct cluster_view *cluster_view_ref(const struct cluster_view *v);
void cluster_view_unref(struct cluster_view **v); /* *v may be NULL; it becomes NULL */
/* A client is told that these GTIDs (MySQL's text, as in an OK packet) are committed. Those of
 * other sources than the primary, and with tags, are not noted. Any thread. */
void cluster_view_acked(const struct cluster_view *v, const char *gtids, size_t n);
static inline int64_t cluster_view_fresh(const struct cluster_view *v, unsigned i)
{
	return atomic_load_explicit(&v->live->node[i].fresh_us, memory_order_acquire);
}
#endif
