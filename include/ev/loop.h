/* loop - one libevent base per thread: cached clock, a coarse timer wheel, the ready list and the
 * end of a turn. Ignorant of sessions and protocols. Each loop belongs to one thread; only
 * loop_post() may come from another. */
#ifndef EV_LOOP_H
#define EV_LOOP_H
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;

/* Timers: intrusive, accurate to one tick (about 10 ms), O(1) to set and clear, no libevent call
 * each. The wheel sleeps when no timer is set, and the loop then makes no wake-ups at all. */
struct timer {
	struct list node; /* private */
	int64_t at_us;    /* 0: not set */
	void (*fn)(struct timer *t, void *arg);
	void *arg;
};
void timer_init(struct timer *t, void (*fn)(struct timer *, void *), void *arg);
void timer_set(struct loop *l, struct timer *t,
	int64_t at_us); /* on the loop's clock; replaces an earlier setting */
void timer_clear(struct loop *l, struct timer *t); /* harmless when not set */

/* A task runs once, after the callbacks of this turn (or in the next turn if posted by such a
 * task). Used to continue a reader that stopped for fairness or backpressure under edge
 * triggering. */
struct task {
	struct list node; /* private */
	void (*fn)(struct task *t, void *arg);
	void *arg;
};
void task_init(struct task *t, void (*fn)(struct task *, void *), void *arg);
void task_post(struct loop *l, struct task *t); /* harmless when already posted */
void task_cancel(struct task *t);

/* A message from another thread. Embed it; the queue never allocates. */
struct mail {
	struct mail *next; /* private */
	void (*fn)(struct mail *m, void *loop_owner);
};

struct loop_opts {
	void *owner; /* given to mail and to turn_end */
	void (*turn_end)(
		/* after every turn in which anything ran: flush, free the closed; may be NULL */
		void *owner);
};
struct loop *loop_new(const struct loop_opts *o); /* NULL: out of memory or descriptors */
void loop_free(struct loop *l);                   /* runs no more callbacks */
struct event_base *loop_base(struct loop *l);
/* Runs until loop_stop() (from a callback of this loop). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Monotonic microseconds, read once per turn (by libevent's wake-up, no further system call). Own
 * thread only. */
int64_t loop_now_us(struct loop *l);
/* From any thread: m->fn(m, owner) runs on the loop's thread, in order per sender. The eventfd is
 * written only when the queue was empty. m stays with the loop until fn is called; fn owns it
 * then. */
void loop_post(struct loop *l, struct mail *m);
/* Own thread, while loop_run() is not: waits for mail, and hands out what has come. Nothing else
 * of the loop happens. May return for nothing. */
void loop_wait_mail(struct loop *l);
#endif
