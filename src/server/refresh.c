/* refresh - looks now and then whether certificates, auth files and secrets in files of their own
 * have changed: they are renewed by programs that do not know of weirpool. Ignorant of how they are
 * taken up. Control thread. */
#include "server_int.h"

#include "conf/places.h"

static bool due(struct refresh *r)
{
	struct conf_stale st = conf_stale(r->conf(r->arg));
	bool rested = st.mark == r->seen; /* not in the middle of being written */
	r->seen = st.mark;
	if (!(st.values || st.inputs) || !rested || st.mark == r->done)
		return false;
	r->done = st.mark; /* also when they turn out to be wrong: once is enough */
	return true;
}

static void again(struct refresh *r)
{
	timer_set(r->loop, &r->timer, loop_now_us(r->loop) + r->every_us);
}

static void on_timer(struct timer *t, void *arg)
{
	struct refresh *r = arg;
	(void)t;
	again(r);
	if (due(r))
		r->changed(r->arg);
}

void refresh_init(struct refresh *r)
{
	timer_init(&r->timer, on_timer, r);
	refresh_arm(r);
}

void refresh_arm(struct refresh *r)
{
	int64_t every_us = r->conf(r->arg)->global.file_check_interval_us;
	if (every_us == r->every_us)
		return;
	r->every_us = every_us;
	if (every_us)
		again(r);
	else
		timer_clear(r->loop, &r->timer);
}
