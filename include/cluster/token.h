/* token - what a session must be able to see: read-your-writes and monotonic reads with two
 * times, and the question whether a node may serve a read. A comparison of integers on the hot
 * path. No I/O; all times are monotonic microseconds of this process. A token belongs to its
 * session.
 *
 * recv_us must be read from the clock after the bytes were read (clock_mono_us()): a loop's
 * cached time may be older than the answer, and a sample sent in between would count as newer. */
#ifndef CLUSTER_TOKEN_H
#define CLUSTER_TOKEN_H
#include "cluster/cluster.h"

enum token_level {
	TOKEN_EVENTUAL, /* lag limit only */
	TOKEN_BOUNDED,  /* now - F(r) <= bound */
	TOKEN_SESSION,  /* own writes, monotonic reads */
	TOKEN_GLOBAL,   /* the writes of everybody in the group as well */
	TOKEN_STRONG    /* primary */
};
const char *token_level_name(enum token_level l);
bool token_level_parse(const char *s, enum token_level *l_r);

/* All zero: a new session. */
struct token {
	int64_t write_us;   /* received: the last acknowledgement of what is not proven read-only */
	int64_t read_us;    /* received: the last read from the primary */
	int64_t replica_us; /* received: the last read from replica */
	int64_t doubt_until_us; /* a COMMIT of unknown outcome: primary until then */
	int16_t replica;        /* node of that read plus one; 0: none */
	uint16_t life;          /* of that node: cluster_live_node.life */
	uint32_t epoch;         /* low half of the epoch of that read */
};
/* The primary acknowledged something that is not proven read-only; group_us (may be NULL) is the
 * shared time of TOKEN_GLOBAL. */
void token_wrote(struct token *t, _Atomic int64_t *group_us, int64_t recv_us);
void token_read_primary(struct token *t, int64_t recv_us);
/* Whom a read is sent to, as it is then: when the answer is noted, the node may have fallen and
 * come back with less, or follow another primary, and is not the same replica any more. */
struct token_source {
	uint32_t epoch;
	uint16_t life;
	int16_t node; /* -1: none */
};
struct token_source token_source(const struct cluster_view *v, unsigned node);
void token_read_replica(struct token *t, const struct token_source *from, int64_t recv_us);
/* Sent, and nobody knows whether it happened. Ends with the next token_wrote() or after 30 s. */
void token_in_doubt(struct token *t, int64_t now_us);

enum token_answer {
	TOKEN_YES,
	TOKEN_BEHIND,      /* has not yet all that the session must see: a later F(r) will do */
	TOKEN_BOUND,       /* older than the bound */
	TOKEN_FRESHNESS,   /* too stale, unknown or stopped */
	TOKEN_NOT_READER,  /* not a replica of this epoch that takes reads */
	TOKEN_PRIMARY_ONLY /* strong, or in doubt */
};
const char *token_answer_name(enum token_answer a);
struct token_need {
	enum token_level level;
	int64_t bound_us; /* the smallest that applies; 0: none. For TOKEN_BOUNDED it is needed */
	int64_t group_us; /* TOKEN_GLOBAL: the shared time as it is now */
};
/* May this read use node? Monotonic reads: the replica of the last read may always be used again;
 * on another one F(r) must have passed the end of that read. need_us_r (may be NULL): on
 * TOKEN_BEHIND, the time that F(r) must reach: a read may be parked until then. */
enum token_answer token_may_read(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, unsigned node, int64_t now_us, int64_t *need_us_r);
/* All nodes that may serve this read, for balance_pick(): bit i is node i of v. Under
 * TOKEN_EVENTUAL those of known freshness, and when there is none the least stale of the
 * others. 0: the primary, or wait; *why_r (may be NULL) is then the answer of the node that
 * came nearest. */
uint32_t token_mask(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, int64_t now_us, enum token_answer *why_r);

/* Is it only what the session has read at the primary that keeps it from the replicas? Its
 * next read may have one as soon as they are sampled again. */
bool token_held_by_reads(const struct token *t, const struct token_need *need,
	const struct cluster_view *v, int64_t now_us);

#define TOKEN_TEXT_MAX (POS_TEXT_MAX + 256)
/* The text form "v1;identity;position", for SHOW weirpool.token: any server of any weirpool that
 * includes the position shows what the session wrote. Control thread (uses the history). -1
 * without an error in e: no sample has been sent since the last write, ask again after one. */
int token_export(const struct token *t, const struct cluster *c, struct buf *out, struct err *e)
	__attribute__((warn_unused_result));
/* The reverse: t->write_us becomes the earliest time that is worth the token, at most now_us. A
 * token of another cluster is refused. Hostile text is. */
int token_import(struct token *t, const struct cluster *c, const char *s, size_t n, int64_t now_us,
	struct err *e) __attribute__((warn_unused_result));
#endif
