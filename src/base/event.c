/* event - the table of events as data, finding one by what an operator knows of it, and a ring of
 * the newest. Any thread: the ring has a lock, which is taken per event of note, not per line. */
#include "base/event.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Letters of levels, in their order. */
static const char letters[] = "DINWEF";

static const struct row {
	unsigned number;
	enum log_level level;
	unsigned flags;
	enum err_code err;
	const char *name, *text, *cause, *fix;
} rows[EVENT_N] = {
#define X(id, number, level, flags, text, cause, fix) \
	[EVENT_##id] = { number, LOG_LV_##level, flags, ERR_NONE, #id, text, cause, fix },
	EVENT_TABLE(X)
#undef X
#define X(id, number, flags, cause, fix) \
	[EVENT_ERR_##id] = { number, LOG_LV_WARN, flags, ERR_##id, "ERR_" #id, NULL, cause, fix },
		EVENT_ERRORS(X)
#undef X
};

static struct event_info infos[EVENT_N];
static enum event_code by_err[ERR_N];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make(void)
{
	for (unsigned i = 0; i < EVENT_N; i++) {
		const struct row *r = &rows[i];
		struct event_info *o = &infos[i];
		snprintf(o->code, sizeof(o->code), "%c%04u", r->err ? 'E' : letters[r->level],
			r->number % 10000);
		o->name = r->name;
		o->level = r->level;
		o->flags = r->flags;
		o->err = r->err;
		o->text = r->text ? r->text : err_info(r->err)->text;
		o->cause = r->cause;
		o->fix = r->fix;
		by_err[r->err] = (enum event_code)i;
	}
	by_err[ERR_NONE] = EVENT_WARN;
}

const struct event_info *event_info(enum event_code ev)
{
	assert((unsigned)ev < EVENT_N);
	pthread_once(&made, make);
	return &infos[ev];
}

enum event_code event_of_err(enum err_code c)
{
	assert((unsigned)c < ERR_N);
	pthread_once(&made, make);
	return by_err[c];
}

static bool is_named(const struct event_info *i, const char *s)
{
	char number[16];
	if (strcasecmp(i->code, s) == 0 || strcasecmp(i->code + 1, s) == 0 ||
		strcasecmp(i->name, s) == 0)
		return true;
	if (i->err == ERR_NONE)
		return false;
	const struct err_info *e = err_info(i->err);
	snprintf(number, sizeof(number), "%u", e->mysql_errno);
	return strcasecmp(e->name, s) == 0 || strcasecmp(e->sqlstate, s) == 0 ||
	       strcasecmp(e->mysql_sqlstate, s) == 0 || strcmp(number, s) == 0;
}

enum event_code event_find(const char *s, enum event_code from)
{
	unsigned i = (unsigned)from;
	while (i < EVENT_N && !is_named(event_info((enum event_code)i), s))
		i++;
	return (enum event_code)i;
}

/* ---- the newest ones ---- */

#define SAME_WITHIN 16 /* of the newest: a storm of one kind does not push out the others */

static struct event_kept ring[EVENT_KEPT];
static uint64_t kept_n; /* so far */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* One of the newest that is about the same, or NULL. */
static struct event_kept *find_same(enum event_code ev, const char *about)
{
	for (uint64_t i = kept_n; i > 0 && kept_n - i < SAME_WITHIN; i--) {
		struct event_kept *k = &ring[(i - 1) % EVENT_KEPT];
		if (k->ev == ev && strcmp(k->about, about) == 0)
			return k;
	}
	return NULL;
}

void event_keep(enum event_code ev, int64_t wall_us, const char *about, const char *text)
{
	char cut[sizeof(ring->about)];
	snprintf(cut, sizeof(cut), "%s", about ? about : "");
	pthread_mutex_lock(&lock);
	struct event_kept *k = event_info(ev)->flags & EVENT_HELD ? find_same(ev, cut) : NULL;
	if (!k) {
		k = &ring[kept_n % EVENT_KEPT];
		*k = (struct event_kept){ .id = ++kept_n, .first_us = wall_us, .ev = ev };
		memcpy(k->about, cut, sizeof(cut));
	}
	k->times++;
	k->last_us = wall_us;
	snprintf(k->text, sizeof(k->text), "%s", text);
	pthread_mutex_unlock(&lock);
}

unsigned event_kept(struct event_kept *out, unsigned n)
{
	pthread_mutex_lock(&lock);
	uint64_t have = kept_n < EVENT_KEPT ? kept_n : EVENT_KEPT;
	if (n > have)
		n = (unsigned)have;
	for (unsigned i = 0; i < n; i++)
		out[i] = ring[(kept_n - 1 - i) % EVENT_KEPT];
	pthread_mutex_unlock(&lock);
	return n;
}
