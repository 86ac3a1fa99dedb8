/* balance - which of several nodes that may serve a read gets it: nearest zone, least outstanding
 * per weight, a coarse latency to break ties, then in turn; slow start; ejection of nodes that
 * fail, with a floor. Each worker has its own, with its own counts. No I/O, no clock. One
 * thread. */
#ifndef CLUSTER_BALANCE_H
#define CLUSTER_BALANCE_H
#include "cluster/view.h"

struct balance_node {
	unsigned outstanding; /* requests of this worker under way */
	int64_t ewma_us;      /* of latency; 0: unknown */
	int64_t ewma_at_us;
	unsigned errors;          /* in a row */
	unsigned ejections;       /* in a row; sets how long the next one is */
	int64_t ejected_until_us; /* 0: in */
	bool probing;             /* half open: one request is on its way */
	uint32_t ok_n, bad_n;     /* of the running window, for the outlier test */
	int64_t ok_since_us;      /* in again since then */
};
struct balance {
	struct balance_node node[CLUSTER_NODES_MAX];
	unsigned turn;
	int64_t window_us; /* start of the running window */
};
void balance_init(struct balance *b);
/* The best of the nodes in mask (bit i: node i of v may serve this read), or -1 if mask is empty.
 * prefer: the node that the session read from last, or -1; it wins unless another is clearly
 * better. Spills to a farther zone when the near one has more than twice its load per weight. */
int balance_pick(
	struct balance *b, const struct cluster_view *v, uint32_t mask, int prefer, int64_t now_us);
void balance_begin(struct balance *b, unsigned node, int64_t now_us);
enum balance_result {
	BALANCE_OK,    /* it answered; an SQL error is an answer */
	BALANCE_ERROR, /* connect, protocol, or an error of the node's class */
	BALANCE_GONE   /* the client left: says nothing */
};
/* Ends what balance_begin() began. */
void balance_end(struct balance *b, const struct cluster_view *v, unsigned node,
	enum balance_result r, int64_t latency_us, int64_t now_us);
bool balance_ejected(const struct balance *b, unsigned node, int64_t now_us);
#endif
