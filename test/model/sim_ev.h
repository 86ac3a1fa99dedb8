/* sim_ev - ev/ without sockets and without time: loops that are driven by hand, streams whose other
 * end is the test's, a clock that stands until it is told to go on. What a schedule may choose, it
 * chooses by sim_rnd(): which loop runs, how much mail is delivered, which sockets are ready, how
 * many of the bytes are there. A readable socket is announced once, as with edge triggering: who
 * stops reading early and does not resume has lost it. */
#ifndef SIM_EV_H
#define SIM_EV_H
#include "ev/loop.h"
#include "ev/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection; `st` is weirpool's end, all else is the test's. */
struct sim_conn {
	struct list node;   /* in sim_conns */
	struct stream *st;  /* NULL: weirpool has closed */
	struct loop *loop;  /* of st; NULL while it moves */
	struct buf to_st;   /* not yet read by weirpool */
	size_t visible;     /* of these, what recv() would give */
	struct buf from_st; /* not yet read by the test */
	bool closed;        /* by the test: EOF behind to_st */
	bool gone;          /* weirpool closed its end: EOF behind from_st */
	bool edge;          /* something new that was not announced */
	bool resume;
	bool connecting; /* st wants to know what becomes of its connect */
	bool cut;        /* the network is gone: nothing passes any more */
	int fd;
	unsigned port; /* where it was connected to; 0: accepted */
	void *owner;   /* the test's */
	bool drained_due, end_shown;
};

extern int64_t sim_now;
extern struct list sim_conns;
extern bool sim_trace;
/* What becomes of a connect: called for each new connection that weirpool opens. */
extern void (*sim_on_connect)(struct sim_conn *c);

void sim_init(uint64_t seed);
void sim_fini(void); /* frees the connections */
unsigned sim_rnd(unsigned n);

/* A client knocks at a listener (by its fd) of worker w, whose loop is number w + 1: the control
 * thread's is the first. NULL: nobody listens there any more. */
struct sim_conn *sim_accept(int listen_fd, unsigned w);
void sim_connected(struct sim_conn *c, int err); /* answers a connect */
void sim_send(struct sim_conn *c, const char *text);
void sim_sendf(struct sim_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_close(struct sim_conn *c); /* the test's end: EOF */
/* The first line of what weirpool sent, without its end, taken out. False: there is none. */
bool sim_line(struct sim_conn *c, char *out, size_t n);
bool sim_over(const struct sim_conn *c); /* weirpool closed, and all of its bytes were read */
void sim_free(struct sim_conn *c);       /* the test is done with it */

/* One turn of a random loop with some of what is due. False: nothing was there to do. */
bool sim_turn(void);
int64_t sim_next_timer(void); /* INT64_MAX: none is set */
#endif
