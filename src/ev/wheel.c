/* wheel - the loop's timers: a hierarchical wheel of 10 ms ticks behind one libevent timer. Setting
 * and clearing is two list operations; libevent hears of it at most once per turn, and only when
 * the earliest timer became earlier. Own thread only. */
#include "loop_int.h"

void timer_init(struct timer *t, void (*fn)(struct timer *, void *), void *arg)
{
	list_init(&t->node);
	t->at_us = 0;
	t->fn = fn;
	t->arg = arg;
}

static int64_t wheel_now_tick(struct loop *l)
{
	return loop_now_us(l) / WHEEL_TICK_US;
}

/* Puts t where its time belongs, but behind floor; a time beyond the wheel's horizon (years away)
 * is cut to it. */
static void wheel_place(struct loop *l, struct timer *t, int64_t floor)
{
	/* Rounded up, without overflow for INT64_MAX ("never"). */
	int64_t e = t->at_us / WHEEL_TICK_US + (t->at_us % WHEEL_TICK_US > 0);
	int64_t horizon = l->wheel_tick | (((int64_t)1 << (WHEEL_BITS * WHEEL_LEVELS)) - 1);

	if (e <= floor)
		e = floor + 1;
	if (e > horizon)
		e = horizon;
	uint64_t diff = (uint64_t)(e ^ l->wheel_tick);
	unsigned level = diff ? (63 - (unsigned)__builtin_clzll(diff)) / WHEEL_BITS : 0;
	unsigned slot = (unsigned)((uint64_t)e >> (WHEEL_BITS * level)) & (WHEEL_SLOTS - 1);

	list_append(&l->wheel[level][slot], &t->node);
	l->wheel_used[level] |= (uint64_t)1 << slot;
}

/* Takes t out; the last one of a slot takes the slot's bit along. */
static void wheel_unlink(struct loop *l, struct timer *t)
{
	struct list *n = t->node.next;
	bool alone = n == t->node.prev;

	list_del(&t->node);
	if (alone && n >= &l->wheel[0][0] && n <= &l->wheel[WHEEL_LEVELS - 1][WHEEL_SLOTS - 1]) {
		size_t i = (size_t)(n - &l->wheel[0][0]);
		l->wheel_used[i / WHEEL_SLOTS] &= ~((uint64_t)1 << (i % WHEEL_SLOTS));
	}
}

void timer_set(struct loop *l, struct timer *t, int64_t at_us)
{
	if (t->at_us != 0) {
		wheel_unlink(l, t);
	} else if (l->wheel_n++ == 0 && list_empty(&l->due) && l->wheel_floor == l->wheel_tick) {
		/* The wheel stood still while it was empty. */
		int64_t now = wheel_now_tick(l);
		if (now > l->wheel_tick)
			l->wheel_tick = l->wheel_floor = now;
	}
	/* Never at or before the floor: a slot of a higher level that is sent down by the same
	 * advance would call it a second time. */
	int64_t first_us = l->wheel_floor * WHEEL_TICK_US + 1;
	t->at_us = at_us > first_us ? at_us : first_us;
	wheel_place(l, t, l->wheel_floor);
}

void timer_clear(struct loop *l, struct timer *t)
{
	if (t->at_us == 0)
		return;
	t->at_us = 0;
	wheel_unlink(l, t);
	l->wheel_n--;
}

/* The lowest level that is not empty, or -1; *tick_r is when its first slot begins. */
static int wheel_next(const struct loop *l, unsigned *slot_r, int64_t *tick_r)
{
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		if (l->wheel_used[level] == 0)
			continue;
		unsigned slot = (unsigned)__builtin_ctzll(l->wheel_used[level]);
		unsigned shift = WHEEL_BITS * (unsigned)level;
		uint64_t above = (uint64_t)l->wheel_tick >> shift >> WHEEL_BITS << WHEEL_BITS
										<< shift;
		*slot_r = slot;
		*tick_r = (int64_t)(above | (uint64_t)slot << shift);
		return level;
	}
	return -1;
}

/* Calls what is due. A callback may clear and set any timer: those of the same tick stand in
 * l->due, and what it sets lands behind wheel_floor, so this ends. */
static void wheel_call_due(struct loop *l)
{
	struct list *n;

	while ((n = list_pop(&l->due)) != NULL) {
		struct timer *t = list_entry(n, struct timer, node);
		t->at_us = 0;
		l->wheel_n--;
		t->fn(t, t->arg);
	}
}

/* Moves the wheel to tick: sends the slots of higher levels down and calls those of level 0. */
static void wheel_advance(struct loop *l, int64_t to_tick)
{
	unsigned slot;
	int64_t tick;
	int level;

	if (to_tick <= l->wheel_tick)
		return;
	l->wheel_floor = to_tick;
	while ((level = wheel_next(l, &slot, &tick)) >= 0 && tick <= to_tick) {
		struct list moved, *n;

		list_init(&moved);
		l->wheel_used[level] &= ~((uint64_t)1 << slot);
		while ((n = list_pop(&l->wheel[level][slot])) != NULL)
			list_append(&moved, n);
		l->wheel_tick = tick;
		while ((n = list_pop(&moved)) != NULL) {
			struct timer *t = list_entry(n, struct timer, node);
			if (t->at_us <= tick * WHEEL_TICK_US || level == 0)
				list_append(&l->due, n);
			else
				wheel_place(l, t, tick);
		}
		wheel_call_due(l);
	}
	l->wheel_tick = to_tick;
}

static void wheel_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->armed_tick = 0;
	wheel_advance(l, wheel_now_tick(l));
}

/* A timer that is armed too early is left alone: it wakes once for nothing, which costs less than
 * moving it in every turn that sets and clears a deadline. */
void wheel_arm(struct loop *l)
{
	unsigned slot;
	int64_t tick;

	if (l->wheel_n == 0 || wheel_next(l, &slot, &tick) < 0)
		return;
	if (l->armed_tick != 0 && l->armed_tick <= tick)
		return;
	int64_t wait_us = tick * WHEEL_TICK_US - loop_now_us(l);
	if (wait_us < 1000)
		wait_us =
			/* libevent's coarse clock may be some ms behind ours: never spin on it */
			1000;
	struct timeval tv = { .tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000 };
	if (event_add(&l->tick_event, &tv) == 0)
		l->armed_tick = tick;
}

void wheel_init(struct loop *l)
{
	for (int i = 0; i < WHEEL_LEVELS; i++) {
		for (int j = 0; j < WHEEL_SLOTS; j++)
			list_init(&l->wheel[i][j]);
	}
	list_init(&l->due);
	l->wheel_tick = l->wheel_floor = wheel_now_tick(l);
	evtimer_assign(&l->tick_event, l->base, wheel_on_tick, l);
}

void wheel_fini(struct loop *l)
{
	evtimer_del(&l->tick_event);
	while (list_pop(&l->due))
		;
	for (int i = 0; i < WHEEL_LEVELS; i++) {
		for (int j = 0; j < WHEEL_SLOTS; j++) {
			while (list_pop(&l->wheel[i][j]))
				;
		}
	}
}
