/* cluster - who is primary, in which epoch, and which replicas follow it: the state machine
 * behind failover. Observations go in (probes, what live traffic met, what an authority says,
 * time), views and actions come out. No I/O, no clock: now_us is monotonic microseconds and
 * never falls. Control thread. The rules stand in doc/internals/cluster.md.
 *
 * After any cluster_on_*(), cluster_tick() or operator's call: take the actions with
 * cluster_next_action() until there is none, and look whether cluster_view() is a new one. */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H
#include "base/log.h"
#include "cluster/view.h"

struct cluster;
struct cluster_opts {
	const char *name;
	enum cluster_kind kind;
	bool authority;        /* somebody is asked who should be primary (Patroni) */
	bool confirm_majority; /* PostgreSQL: most reachable standbys must stream from it */
	bool allow_lossy;   /* MySQL, MariaDB: take a primary that lacks what we saw acknowledged */
	unsigned moves_max; /* changes of primary without authority within moves_us; default 3 */
	/* Each 0 = the default. */
	int64_t interval_us;        /* 50 ms: between two samples of a node */
	int64_t down_us;            /* 1 s: a node that says nothing for so long is down */
	int64_t suspect_us;         /* 500 ms: ... is in doubt */
	int64_t authority_us;       /* 3 s: what the authority said holds so long */
	int64_t max_staleness_us;   /* 10 s; negative: no limit */
	int64_t eventual_grace_us;  /* 5 s: without samples still good for eventual reads */
	int64_t warm_us;            /* 10 s */
	int64_t hold_us;            /* 30 s: without a primary for so long, writes are refused */
	int64_t moves_us;           /* 10 min */
	int64_t switch_us;          /* 60 s: a switchover that changed nothing ends */
	int64_t fence_authority_us; /* off: without its authority for so long, writes are refused */
	uint64_t max_missing;       /* 0: no limit in bytes or transactions */
};
struct cluster_node_opts {
	const char *name, *host;
	uint16_t port;
	unsigned weight; /* of reads */
	unsigned tier;   /* 0: the nearest zone */
};
/* NULL: no memory, or n is 0 or above CLUSTER_NODES_MAX. Copies all. */
struct cluster *cluster_new(const struct cluster_opts *o, const struct cluster_node_opts *nodes,
	unsigned n, int64_t now_us);
void cluster_free(struct cluster **c);

/* ---- observations ---- */

/* The fast probe: role and position in one answer. */
struct cluster_sample {
	int64_t sent_us; /* just before the write() of the question */
	int64_t recv_us;
	/* PostgreSQL: not in recovery. MySQL: not read_only. Galera: a synced member of the primary
	 * component, as all of them should be */
	bool writable;
	uint32_t timeline; /* PostgreSQL, writable: of the WAL that it writes; else 0 */
	struct pos pos;    /* normalised; taken over by cluster_on_sample() */
	/* Galera: what can be read there, if that is told; else POS_NONE and it is pos. Taken over.
	 * What a replica shows counts when it has stood for settle_us. */
	struct pos visible;
	int64_t settle_us;
};
void cluster_on_sample(struct cluster *c, unsigned node, struct cluster_sample *s);

enum cluster_upstream {
	UPSTREAM_UNKNOWN,
	UPSTREAM_NONE,   /* replicates from nobody */
	UPSTREAM_RUNS,   /* streaming; both threads run */
	UPSTREAM_STOPPED /* should replicate and does not */
};
enum cluster_member { MEMBER_UNKNOWN, MEMBER_IN, MEMBER_OUT };
/* The slow probe. */
struct cluster_facts {
	int64_t sent_us, recv_us;
	char system
		[64]; /* what all nodes share: system_identifier, group name, cluster uuid; or "" */
	char server[64];    /* server_uuid; or "" */
	uint32_t timeline;  /* PostgreSQL standby: that it receives; 0 unknown */
	bool timeline_late; /* ... of its control file: it may be an old one */
	enum cluster_upstream repl;
	bool paused; /* replay is paused by somebody */
	enum cluster_member
		member;      /* Group Replication: ONLINE; Galera: synced, primary component */
	bool read_only;      /* Galera: it takes no writes by itself; a replica may do so */
	char group_view[24]; /* Galera: number of the component's configuration; or "" */
	char upstream[64];   /* server_uuid or host:port that it replicates from; or "" */
	char note[200];      /* what the probe may not see, and how to allow it; or "" */
};
void cluster_on_facts(struct cluster *c, unsigned node, const struct cluster_facts *f);
/* Galera: is a barrier wanted of every member? While another node is to become the writer. */
bool cluster_wants_barrier(const struct cluster *c);
/* ... it was passed: node has all that was committed anywhere in the group before sent_us. */
void cluster_on_barrier(struct cluster *c, unsigned node, int64_t sent_us, int64_t recv_us);

enum cluster_failure {
	FAIL_REFUSED,   /* nobody listens, no route */
	FAIL_TIMEOUT,   /* no answer within down_us */
	FAIL_SLOW,      /* no answer within suspect_us; it may still come */
	FAIL_LOST,      /* the probe's connection ended */
	FAIL_NOT_READY, /* it answers that it cannot serve: starting, shutting down, full */
	FAIL_LOGIN, /* it lives, and does not let the probe in or does not answer its question */
	FAIL_N
};
/* text: for SHOW and the log; copied. sent_us: when the question that failed was sent. */
void cluster_on_failure(struct cluster *c, unsigned node, enum cluster_failure f, int64_t sent_us,
	int64_t now_us, const char *text);

/* What live traffic met (routing: errors in live traffic). They outrank a probe that was sent
 * before. */
enum cluster_signal {
	SIGNAL_DEMOTED,   /* 25006, 1290, 1836 on what should be the primary; in_hot_standby on */
	SIGNAL_PROMOTED,  /* in_hot_standby off on a replica */
	SIGNAL_SHUTDOWN,  /* 57P01, 57P02, 1053 */
	SIGNAL_LOST,      /* end, reset or silence without a word */
	SIGNAL_NOT_READY, /* 57P03, 1040, ... while connecting; a refused connection */
	SIGNAL_QUORUM,    /* 3100, Galera's 1047 */
};
void cluster_on_signal(
	struct cluster *c, unsigned node, enum cluster_signal s, int64_t now_us, const char *text);

/* What the authority says: Patroni's leader, the primary of a Group Replication view. */
struct cluster_authority {
	int64_t sent_us, recv_us;
	bool reachable; /* false: nobody answered; the rest counts for nothing */
	int leader;     /* node, or -1: it says that there is none */
	/* Group Replication: of one series the higher rank is the newer view; a view in which we
	 * do not see a majority is not to be given here. Patroni: "" and 0. */
	char series[64];
	uint64_t rank;
	char text[120]; /* who says so, for the evidence: "Patroni at 10.0.0.1:8008" */
};
void cluster_on_authority(struct cluster *c, const struct cluster_authority *a);
/* MySQL: a position that a client has been told (the GTID of an OK packet). Takes pos over. */
void cluster_on_ack(struct cluster *c, uint64_t epoch, struct pos *pos, int64_t now_us);
/* Time passed: call at least every interval_us. */
void cluster_tick(struct cluster *c, int64_t now_us);

/* ---- operators; -1 with e says why not ---- */

/* This node is the primary: ends a split, or takes a node that the rules refuse. It must be up,
 * writable and of this cluster. Other claimants are fenced. Galera: it becomes the writer as soon
 * as it has all that the one before has acknowledged. */
int cluster_promoted(struct cluster *c, unsigned node, int64_t now_us, struct err *e)
	__attribute__((warn_unused_result));
/* Replicas only. */
int cluster_drain(struct cluster *c, unsigned node, int64_t now_us, struct err *e)
	__attribute__((warn_unused_result));
int cluster_maint(struct cluster *c, unsigned node, int64_t now_us, struct err *e)
	__attribute__((warn_unused_result));
void cluster_resume(struct cluster *c, unsigned node, int64_t now_us);
/* Holds writes until another node is primary, or cluster_switch_end(), or switch_us has passed.
 * Who moves it is the caller's. */
int cluster_switch_begin(struct cluster *c, unsigned to, int64_t now_us, struct err *e)
	__attribute__((warn_unused_result));
void cluster_switch_end(struct cluster *c, int64_t now_us);

/* ---- an upgrade: the process after this one goes on in the same epoch ---- */

/* What cannot be seen anew: the epoch and its primary, positions, quarantines, and what operators
 * have said of nodes. False: it does not fit. */
bool cluster_bequeath(const struct cluster *c, struct buf *out) __attribute__((warn_unused_result));
/* ... of a cluster that was told nothing yet. Nothing in p is trusted. Nodes that it has not got
 * are left out, and the epoch, if its primary is one of them. False: it is malformed, or of another
 * kind: nothing was taken. */
bool cluster_inherit(struct cluster *c, const uint8_t *p, size_t n, int64_t now_us);

/* ---- results ---- */

/* The newest; belongs to c (take a reference to keep it). Never NULL. */
const struct cluster_view *cluster_view(const struct cluster *c);
/* Probe all nodes every 20 ms instead of interval_us, and the authority every 100 ms. */
bool cluster_burst(const struct cluster *c);

enum cluster_action_kind {
	CLUSTER_DO_FENCE,      /* close every server link to node now, used or not */
	CLUSTER_DO_CLOSE_IDLE, /* close the idle ones now, the used ones when they come back */
	CLUSTER_DO_LOG         /* event and text: a change, with its evidence */
};
struct cluster_action {
	enum cluster_action_kind kind;
	unsigned node;
	enum event_code event;
	char text[400];
};
bool cluster_next_action(struct cluster *c, struct cluster_action *a_r);

/* Counters for SHOW. */
struct cluster_counts {
	uint64_t epochs, blips, splits, refused_claims, fences, lost_writes, flap_refusals;
};
struct cluster_counts cluster_counts(const struct cluster *c);
/* Of one node, for SHOW NODES and PROBES: NULL or its newest position. */
const struct pos *cluster_node_pos(const struct cluster *c, unsigned node);
/* The history of this epoch, for tokens. */
const struct fresh_history *cluster_history(const struct cluster *c);
/* What a token of this epoch is bound to: system_identifier/timeline, or "". */
const char *cluster_identity(const struct cluster *c);
#endif
