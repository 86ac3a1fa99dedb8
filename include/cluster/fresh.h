/* fresh - how fresh a replica is, without asking a server's clock: the history of the primary's
 * positions within one epoch, F(r), and the judgement with hysteresis over it. No I/O, no
 * clock: the caller gives monotonic microseconds. Control thread.
 *
 *   F(r) = max { sent_i : position_i is included in the position of r }
 *
 * Everything that a server acknowledged before F(r) is visible on r, because the sample was sent
 * after the acknowledgement came. now - F(r) is an upper bound of the lag. */
#ifndef CLUSTER_FRESH_H
#define CLUSTER_FRESH_H
#include "cluster/position.h"

#define FRESH_RING 512                      /* distinct positions kept */
#define FRESH_RING_BYTES (2u * 1024 * 1024) /* of GTID sets in it */

struct fresh_mark {
	int64_t first_us, last_us; /* sent: of the first and the last sample that said so */
	struct pos pos;
};
/* Oldest first. Positions grow from mark to mark; a position that does not grow adds no mark.
 * When it is full, every second mark of the older half goes: F(r) gets coarser, never too high.
 * */
struct fresh_history {
	struct fresh_mark *marks;
	unsigned n;
	size_t bytes;
};
void fresh_history_init(struct fresh_history *h);
void fresh_history_clear(struct fresh_history *h); /* a new epoch; gives the memory back */
enum fresh_add { FRESH_ADDED, FRESH_SAME, FRESH_WENT_BACK, FRESH_NO_MEMORY };
/* A sample of the primary. Takes pos over (it is POS_NONE afterwards). sent_us must not fall: an
 * older one is FRESH_SAME and ignored. FRESH_WENT_BACK: the position does not include the last
 * one (crash with unflushed WAL, RESET): all before it was forgotten. */
enum fresh_add fresh_history_add(struct fresh_history *h, int64_t sent_us, struct pos *pos);
/* F(r); 0: nothing is known, or r is not of this line. */
int64_t fresh_of(const struct fresh_history *h, const struct pos *r);
/* False (MariaDB only): r has other transactions under the primary's numbers. */
bool fresh_of_line(const struct fresh_history *h, const struct pos *r);
/* The newest position, or NULL. */
const struct pos *fresh_last(const struct fresh_history *h);
/* The position of the first sample sent at or after t_us, or NULL: no such sample yet. A server
 * that includes it has everything acknowledged before t_us. */
const struct pos *fresh_at(const struct fresh_history *h, int64_t t_us);
/* Sent time of the first mark that includes pos: what a token of elsewhere is worth here. 0:
 * none. */
int64_t fresh_since(const struct fresh_history *h, const struct pos *pos);

enum fresh_state {
	FRESH_UNKNOWN, /* no sample that is young enough */
	FRESH_OK,
	FRESH_STALE,   /* beyond max_staleness, or not yet back long enough */
	FRESH_STOPPED, /* no replication, or replay paused: a state, not a lag */
};
const char *fresh_state_name(enum fresh_state s);

struct fresh_opts {
	int64_t interval_us;      /* of the samples */
	int64_t max_staleness_us; /* 0: no limit */
	uint64_t max_missing;     /* bytes or transactions; 0: no limit */
};
/* The judgement over one replica. */
struct fresh_judge {
	enum fresh_state state;
	int64_t since_us;
	int64_t out_until_us; /* FRESH_STALE: at the earliest back then */
	int64_t good_since_us;
	unsigned good_n, flaps;
};
struct fresh_input {
	int64_t fresh_us;   /* F(r), 0 unknown */
	int64_t sample_us;  /* received: the newest of r; 0 none */
	int64_t primary_us; /* received: the newest of the primary; 0 none */
	uint64_t missing;
	bool stopped;
	bool sampled; /* called because a sample of r came, not because time passed */
};
/* Moves j and returns its state. Out above max_staleness; back at half of it for three samples
 * in a row that span 500 ms, after at least 1 s, doubled per flap up to 60 s. Samples older
 * than 5 intervals or 1 s: FRESH_UNKNOWN. While the primary itself is silent nothing is judged
 * stale. */
enum fresh_state fresh_judge(struct fresh_judge *j, const struct fresh_opts *o,
	const struct fresh_input *in, int64_t now_us);
#endif
