/* What the files of the state machine share: cluster.c takes observations in, choose.c names the
 * primary, replica.c judges the others, lineage.c knows who has what a primary lost, picture.c
 * makes views, note.c keeps the actions. */
#ifndef CLUSTER_INT_H
#define CLUSTER_INT_H
#include "cluster/cluster.h"

#define CLUSTER_NOTES 64

enum health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_SUSPECT, HEALTH_DOWN };
enum fence {
	FENCE_NONE,
	FENCE_OLD,      /* was primary of an older epoch, and is not yet a replica of this one */
	FENCE_RIVAL,    /* claims to be primary and is not */
	FENCE_DIVERGED, /* has what the primary lacks */
	FENCE_WRONG     /* of another cluster */
};
enum admin_state { ADMIN_NONE, ADMIN_DRAIN, ADMIN_MAINT };

struct node {
	char name[64], host[256];
	uint16_t port;
	unsigned weight, tier;

	enum health health;
	unsigned ok_n, fail_n; /* in a row */
	char fail_text[160];
	int64_t doubt_us;      /* what was asked before this proves nothing */
	int64_t heard_us;      /* the newest answer, or the start */
	int64_t warm_since_us; /* 0: not warming */
	uint32_t life;

	bool sampled; /* what follows is the newest answer and still holds */
	int64_t sent_us, recv_us;
	bool writable;
	int64_t claim_us; /* when it was first seen writable, in this row */
	uint32_t timeline;
	struct pos pos, visible;
	struct pos prior;                /* the position of the answer before */
	int64_t settle_us, settle_at_us; /* freshness that waits to be shown, since when */
	int64_t fresh_next_us, fresh_settled_us;
	int64_t barrier_us, barrier_recv_us; /* Galera: the newest that it passed */

	bool has_facts;
	struct cluster_facts facts;
	uint32_t follows;   /* timeline of the last facts that had one */
	bool follows_holds; /* seen since the probe connected */
	int64_t stopped_us; /* replication seen not to run since; 0: it runs */

	enum fence fence;
	bool turned_down; /* the authority or an operator decided against its claim */
	int64_t fence_us;
	uint32_t fence_timeline, fence_life;
	struct pos ahead; /* what it had more than the primary at ahead_us */
	int64_t ahead_us; /* 0: nothing */
	/* lineage.c */
	int64_t idle_us; /* it took no writes then, and has not been seen to take any since; or 0 */
	int64_t taken_us;   /* ... since when it has */
	uint32_t had_more;  /* nodes that had more than this one at taken_us */
	int64_t refused_us; /* nobody listened there, or it was starting: last */
	bool foreign; /* had more than the primary then, and was not seen to be started anew */
	enum admin_state admin;

	struct fresh_judge judge;
	int64_t fresh_us;
	uint64_t missing;
	bool other_line; /* MariaDB: not what the primary has under these numbers */
	/* as last shown */
	enum node_state shown;
	int64_t shown_us;
};

enum verdict_kind {
	VERDICT_NONE,  /* nobody may be primary */
	VERDICT_DOUBT, /* the present one is not trusted for the moment */
	VERDICT_KEEP,
	VERDICT_MOVE,
	VERDICT_SPLIT
};
struct verdict {
	enum verdict_kind kind;
	unsigned node; /* VERDICT_MOVE */
	bool by_authority, lossy;
	bool leave; /* VERDICT_NONE: another node will be the writer as soon as it has everything */
	char why[200]; /* evidence of a move; else what is wrong */
};

struct cluster {
	char name[64];
	struct cluster_opts o;
	struct fresh_opts fresh;
	unsigned n;
	struct node node[CLUSTER_NODES_MAX];
	int64_t now_us, born_us;
	bool settled; /* every node has answered or is down: the first primary may be chosen */

	char system[64];
	enum cluster_state state;
	int64_t state_us;
	int64_t closed_us; /* writes are not open since; 0: they are */
	char why[200];
	int primary; /* accepted in this epoch; stays while the state is in doubt */
	uint64_t epoch;
	int64_t epoch_us;
	uint32_t timeline;
	bool forced; /* an operator named the primary of this epoch */
	/* It began in the process before, or with other options: nothing is decided before every
	 * node has answered. */
	bool inherited;
	char evidence[256], identity[96];
	struct fresh_history history;
	int64_t primary_us;   /* newest sample in history: received */
	struct pos acked;     /* what clients were told, as far as no sample says so */
	uint64_t acked_no;    /* of live->acked, as far as it was taken over */
	int64_t moves_us[16]; /* changes of primary without an authority, newest first */

	struct cluster_authority authority;
	int64_t reached_us; /* the authority */
	bool cut;           /* fence_authority_us has passed */
	/* Galera: the writer gets no more work, as another one is to come; and since when its links
	 * are closed. 0: no */
	int64_t leaving_us, left_us;
	int wanted; /* Galera: an operator wants this writer; -1: nobody in particular */
	int switch_to;
	int64_t switch_us;
	int64_t burst_until_us;

	struct cluster_counts counts;
	struct cluster_view *view;
	struct cluster_live *live;
	uint32_t fence_bits, idle_bits;
	struct cluster_note {
		enum event_code event;
		char text[400];
	} note[CLUSTER_NOTES];
	unsigned note_first, note_n;
};

/* note.c */
void note_log(struct cluster *c, enum event_code event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void note_fence(struct cluster *c, unsigned node);
void note_idle(struct cluster *c, unsigned node);

/* choose.c */
/* The newest answer is young enough, and newer than what put it in doubt. */
bool choose_speaks(const struct cluster *c, const struct node *n);
/* ... and says that it takes writes, as a primary does. */
bool choose_claims(const struct cluster *c, const struct node *n);
bool choose_authority_holds(const struct cluster *c);
void choose(const struct cluster *c, struct verdict *v_r);

/* replica.c */
void replica_fence(struct cluster *c, unsigned i, enum fence why, const char *text);
/* Lifts a quarantine whose reason is gone. claims_lose: sets one for a claimant that is not the
 * primary; decided: and that is final until it follows. */
void replica_review(struct cluster *c, unsigned i, bool decided, bool claims_lose);
/* F(r) and the judgement of node i; sampled: because an answer of it came. */
void replica_judge(struct cluster *c, unsigned i, bool sampled);
/* May it have gone back in time: nothing is known of its freshness any more. */
void replica_forget(struct cluster *c, unsigned i);
/* Is it of this epoch, freshness apart? why_r: 200 bytes. */
bool replica_of_epoch(const struct cluster *c, unsigned i, char *why_r);

/* lineage.c */
/* Before s is taken over as node i's. */
void lineage_on_sample(struct cluster *c, unsigned i, const struct cluster_sample *s);
/* Node i is primary from now on. */
void lineage_of_primary(struct cluster *c);
/* Nobody listens at node i, or it is starting. */
void lineage_stopped(struct cluster *c, unsigned i);
/* What node i had is no reason any more: it was rebuilt, or an operator says so. */
void lineage_anew(struct cluster *c, unsigned i);

/* picture.c */
void picture_take(struct cluster *c); /* a new view if anything in it changed */

/* cluster.c: what every observation and every operator's call ends with. */
void cluster_advance(struct cluster *c, int64_t now_us);
void cluster_burst_begin(struct cluster *c);
void cluster_begin_epoch(struct cluster *c, unsigned q, const struct verdict *v);
void cluster_decide(struct cluster *c);
void cluster_look_around(struct cluster *c, int sampled);

/* view.c */
struct cluster_live *view_live_new(unsigned n);
/* The primary's server_uuid, once it is known; any other text is none. */
void view_live_source(struct cluster_live *l, const char *uuid);
void view_live_unref(struct cluster_live **l);
struct cluster_view *view_new(unsigned n, struct cluster_live *live);
#endif
