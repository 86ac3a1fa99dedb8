/* log_limit - repeats of one event about one object: the first few of a second pass, the others are
 * counted. Ignorant of what a line looks like. Any thread; the lock is taken for warnings and
 * errors, never for what happens per request. */
#include "log_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hmap.h"

#define SLOTS 256 /* objects that are watched at a time; one more takes the place of another */
#define WINDOW_US 1000000
#define PATIENCE_US 10000000 /* while it goes on, what was held is told this often */

static struct slot {
	uint64_t key; /* 0: free */
	int64_t window_us, held_since_us;
	unsigned n, held;
	enum event_code ev;
	char about[160];
} slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint per_second = 0;
static atomic_uint holding; /* slots that hold something */
static atomic_uint_fast64_t held_all;

void limit_set(unsigned n)
{
	atomic_store(&per_second, n);
}

bool limit_is_holding(void)
{
	return atomic_load(&holding) > 0;
}

uint64_t log_held(void)
{
	return atomic_load(&held_all);
}

/* Takes what s has held back. */
static void take(struct slot *s, int64_t now_us, struct limit_told *t)
{
	if (!s->held)
		return;
	t->ev = s->ev;
	t->times = s->held;
	t->over_us = now_us - s->held_since_us;
	memcpy(t->about, s->about, sizeof(t->about));
	s->held = 0;
	atomic_fetch_sub(&holding, 1);
}

static bool count(struct slot *s, unsigned limit, int64_t now_us, struct limit_told *t)
{
	if (now_us - s->window_us >= WINDOW_US) {
		bool calm = s->n <= limit; /* the second before was not a storm */
		s->window_us = now_us;
		s->n = 0;
		if (calm || now_us - s->held_since_us >= PATIENCE_US)
			take(s, now_us, t);
	}
	if (++s->n <= limit)
		return true;
	if (s->held++ == 0) {
		s->held_since_us = now_us;
		t->first = atomic_fetch_add(&holding, 1) == 0;
	}
	atomic_fetch_add(&held_all, 1);
	return false;
}

bool limit_pass(enum event_code ev, const char *object, int64_t now_us, struct limit_told *told_r)
{
	unsigned limit = atomic_load(&per_second);
	told_r->times = 0;
	told_r->first = false;
	if (!limit || !(event_info(ev)->flags & EVENT_HELD))
		return true;
	uint64_t key = (hash64(object, strlen(object)) ^ (uint64_t)ev) | 1;
	pthread_mutex_lock(&lock);
	struct slot *s = &slots[(key >> 1) % SLOTS];
	if (s->key != key) {
		take(s, now_us, told_r);
		*s = (struct slot){ .key = key, .window_us = now_us, .ev = ev };
		snprintf(s->about, sizeof(s->about), "%s", object);
	}
	bool ok = count(s, limit, now_us, told_r);
	pthread_mutex_unlock(&lock);
	return ok;
}

bool limit_over(int64_t now_us, struct limit_told *told_r)
{
	told_r->times = 0;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < SLOTS && !told_r->times; i++)
		if (slots[i].held && (now_us - slots[i].window_us >= 2 * WINDOW_US ||
					     now_us - slots[i].held_since_us >= PATIENCE_US))
			take(&slots[i], now_us, told_r);
	pthread_mutex_unlock(&lock);
	return told_r->times > 0;
}
