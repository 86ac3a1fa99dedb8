/* loop_int - what loop.c shows to the other files of this folder: the loop's insides. Own thread
 * only. */
#ifndef EV_LOOP_INT_H
#define EV_LOOP_INT_H
#include "ev/loop.h"
#include "base/list.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>

enum {
	WHEEL_TICK_US = 10000,
	WHEEL_BITS = 6, /* 64 slots a level: one word of occupancy */
	WHEEL_SLOTS = 1 << WHEEL_BITS,
	WHEEL_LEVELS = 6, /* 2^36 ticks: 21 years, so that a host's uptime never overflows it */
};

struct stream;

struct loop {
	struct event_base *base;
	void *owner;
	void (*turn_end)(void *owner);
	int64_t now_us; /* 0: not read in this turn */
	bool stop;
	bool in_turn; /* loop_run() is on */

	struct list tasks;   /* posted */
	struct list running; /* of this turn, not yet run */

	/* The stream whose callback runs; it clears this when it is closed or leaves the loop, so
	 * that the dispatcher knows not to touch it again. */
	struct stream *current;
	/* Streams whose last read was short: looked at once, about a second later (see
	 * stream.c). */
	struct list audit;
	struct timer audit_timer;
	struct list lingering; /* struct lingering of stream_linger.c */

	/* Timer wheel. A timer for tick e stands at the level of the highest 6-bit group in which e
	 * differs from wheel_tick, in the slot of e's value there: so each slot lies ahead, and the
	 * lowest level that is not empty holds the earliest timer. */
	int64_t wheel_tick;  /* all up to it are done */
	int64_t wheel_floor; /* no timer is put at or before it */
	size_t wheel_n;
	int64_t armed_tick;                /* what tick_event waits for; 0: not armed */
	uint64_t wheel_used[WHEEL_LEVELS]; /* bit: slot is not empty */
	struct list wheel[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list due; /* expired, about to be called */
	struct event tick_event;

	/* Mailbox: a stack that producers push and the loop takes whole and reverses. */
	_Atomic(struct mail *) mail;
	int mail_fd;
	struct event mail_event;
};

/* wheel.c */
void wheel_init(struct loop *l);
void wheel_fini(struct loop *l);
void wheel_arm(struct loop *l); /* before the loop sleeps */

/* stream_linger.c: drops what still lingers. */
void linger_drop_all(struct loop *l);
/* stream.c: looks at the streams of l->audit. */
void stream_audit(struct timer *t, void *loop);
#endif
