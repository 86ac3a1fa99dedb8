/* loop: order of a turn, tasks, mail, and the wheel against a plain list of deadlines. */
#include "ev_help.h"
#include "seed.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

TestSuite(loop, .fini = ev_all_back, .timeout = 60);

struct log {
	struct loop *l;
	char text[256];
	int turns;
};

static void log_add(struct log *g, const char *what)
{
	size_t n = strlen(g->text);
	snprintf(g->text + n, sizeof(g->text) - n, "%s ", what);
}

static struct loop *loop_with(void *owner, void (*turn_end)(void *))
{
	struct loop_opts o = { .owner = owner, .turn_end = turn_end };
	struct loop *l = loop_new(&o);
	cr_assert_not_null(l);
	return l;
}

/* ---- tasks and turns ---- */

static struct log *g_log;
static struct task task_a, task_b;

static void on_task_b(struct task *t, void *arg)
{
	(void)t;
	log_add(arg, "b");
	loop_stop(((struct log *)arg)->l);
}
static void on_task_a(struct task *t, void *arg)
{
	struct log *g = arg;
	bool first = g->text[0] == '\0';

	log_add(g, "a");
	task_post(g->l, first ? t : &task_b);
	task_post(g->l, first ? t : &task_b);
}
static void on_turn_end(void *owner)
{
	log_add(owner, "end");
}

Test(loop, tasks_posted_by_tasks_wait_for_the_next_turn)
{
	struct log g = { .l = NULL };
	g.l = loop_with(&g, on_turn_end);
	task_init(&task_a, on_task_a, &g);
	task_init(&task_b, on_task_b, &g);
	task_post(g.l, &task_a);
	task_post(g.l, &task_a); /* harmless */
	loop_run(g.l);
	cr_assert_str_eq(g.text, "a end a end b end ");
	loop_free(g.l);
}

static void on_cancel_other(struct task *t, void *arg)
{
	(void)t;
	log_add(g_log, "cancel");
	task_cancel(arg);
	loop_stop(g_log->l);
}
static void on_never(struct task *t, void *arg)
{
	(void)t;
	(void)arg;
	log_add(g_log, "never");
}

Test(loop, a_task_of_this_turn_can_be_cancelled)
{
	struct log g = { .l = NULL };
	struct task first, second;
	g_log = &g;
	g.l = loop_with(NULL, NULL);
	task_init(&first, on_cancel_other, &second);
	task_init(&second, on_never, NULL);
	task_post(g.l, &first);
	task_post(g.l, &second);
	loop_run(g.l);
	cr_assert_str_eq(g.text, "cancel ");
	task_cancel(&first); /* not posted: harmless */
	loop_free(g.l);
}

/* ---- mail ---- */

struct letter {
	struct mail m;
	struct log *g;
	int no, again;
};
static void on_letter(struct mail *m, void *owner)
{
	struct letter *x = (struct letter *)m;
	char no[12];

	cr_assert_eq(owner, x->g);
	snprintf(no, sizeof(no), "%d", x->no);
	log_add(x->g, no);
	if (x->again-- > 0)
		loop_post(x->g->l, m); /* fn owns it: it may post it again */
	else if (x->no == 3)
		loop_stop(x->g->l);
}

Test(loop, mail_keeps_its_order)
{
	struct log g = { .l = NULL };
	struct letter x[4];
	g.l = loop_with(&g, NULL);
	for (int i = 0; i < 4; i++) {
		x[i] = (struct letter){ .m.fn = on_letter, .g = &g, .no = i, .again = i == 1 };
		loop_post(g.l, &x[i].m);
	}
	x[3].again = 1;
	loop_run(g.l);
	cr_assert_str_eq(g.text, "0 1 2 3 1 3 ");
	loop_free(g.l);
}

static void *write_late(void *arg)
{
	struct letter *x = arg;
	usleep(20000);
	loop_post(x->g->l, &x->m);
	return NULL;
}

static void on_never_due(struct timer *t, void *arg)
{
	(void)t;
	log_add(arg, "timer");
}

Test(loop, mail_alone_is_waited_for)
{
	struct log g = { .l = NULL };
	struct letter x[2] = { { .m.fn = on_letter, .g = &g },
		{ .m.fn = on_letter, .g = &g, .no = 1 } };
	struct timer t;
	pthread_t late;
	g.l = loop_with(&g, NULL);
	timer_init(&t, on_never_due, &g);
	timer_set(g.l, &t, loop_now_us(g.l) + 1000);
	loop_post(g.l, &x[0].m);
	loop_wait_mail(g.l);
	cr_assert_str_eq(g.text, "0 ");
	cr_assert_eq(pthread_create(&late, NULL, write_late, &x[1]), 0);
	while (!g.text[2])
		loop_wait_mail(g.l);
	cr_assert_str_eq(g.text, "0 1 ");
	pthread_join(late, NULL);
	timer_clear(g.l, &t);
	loop_free(g.l);
}

/* ---- timers ---- */

static int64_t g_fired_us;
static void on_fire(struct timer *t, void *arg)
{
	cr_assert_eq(t->at_us, 0);
	g_fired_us = clock_mono_us();
	loop_stop(arg);
}

Test(loop, a_timer_is_never_early_and_at_most_some_ticks_late)
{
	struct loop *l = loop_with(NULL, NULL);
	struct timer t;
	static const int wait_ms[] = { 0, 1, 9, 10, 11, 49, 137, 655 };

	timer_init(&t, on_fire, l);
	for (size_t i = 0; i < sizeof(wait_ms) / sizeof(wait_ms[0]); i++) {
		int64_t late_us = INT64_MAX;
		/* a machine that is busy may stop us for longer, but not each time */
		for (int tries = 0; tries < 20 && late_us >= 500000; tries++) {
			int64_t at = clock_mono_us() + wait_ms[i] * 1000;
			timer_set(l, &t, at);
			loop_run(l);
			late_us = g_fired_us - at;
			cr_assert_geq(late_us, 0);
		}
		cr_assert_lt(late_us, 500000, "%d ms fired %lld us late", wait_ms[i],
			(long long)late_us);
	}
	loop_free(l);
}

Test(loop, a_time_in_the_past_or_zero_fires_soon)
{
	struct loop *l = loop_with(NULL, NULL);
	struct timer t;

	timer_init(&t, on_fire, l);
	timer_set(l, &t, 1);
	loop_run(l);
	timer_set(l, &t, 0);
	cr_assert_neq(t.at_us, 0);
	loop_run(l);
	timer_set(l, &t, -5);
	loop_run(l);
	timer_set(l, &t, INT64_MAX); /* "never" */
	timer_clear(l, &t);
	timer_clear(l, &t);
	cr_assert_eq(t.at_us, 0);
	loop_free(l);
}

/* Timers that set and clear others of the same slot, and themselves. */
static struct timer g_t[4];
static void on_mischief(struct timer *t, void *arg)
{
	struct log *g = arg;
	char no[4];

	snprintf(no, sizeof(no), "%d", (int)(t - g_t));
	log_add(g, no);
	if (t == &g_t[0] && strlen(g->text) < 3) {
		timer_clear(g->l, &g_t[1]);                          /* never fires */
		timer_set(g->l, &g_t[2], loop_now_us(g->l) + 30000); /* moves behind 3 */
		timer_set(g->l, t, loop_now_us(g->l) + 60000);       /* itself */
	} else if (t == &g_t[0]) {
		loop_stop(g->l);
	}
}

Test(loop, a_timer_callback_may_set_and_clear_any_timer)
{
	struct log g = { .l = NULL };
	g.l = loop_with(NULL, NULL);
	int64_t at = loop_now_us(g.l) / 10000 * 10000 + 30000;

	for (int i = 0; i < 4; i++) {
		timer_init(&g_t[i], on_mischief, &g);
		timer_set(g.l, &g_t[i], at);
	}
	loop_run(g.l);
	cr_assert_str_eq(g.text, "0 3 2 0 ");
	loop_free(g.l);
}

enum { MANY = 2000 };
struct many {
	struct timer t;
	int64_t at_us;
	int fired;
};
static struct many g_many[MANY];
static int g_left;
static struct loop *g_loop;
static void on_many(struct timer *t, void *arg)
{
	struct many *m = arg;
	cr_assert_eq(&m->t, t);
	cr_assert_geq(loop_now_us(g_loop), m->at_us, "early");
	m->fired++;
	if (rand_r(&(unsigned){ (unsigned)m->at_us }) % 4 == 0) { /* disturb another one */
		struct many *x = &g_many[(unsigned)(m->at_us % MANY)];
		if (x->t.at_us) {
			x->at_us = loop_now_us(g_loop) + (m->at_us % 700) * 1000;
			timer_set(g_loop, &x->t, x->at_us);
		}
	}
	if (--g_left == 0)
		loop_stop(g_loop);
}

Test(loop, thousands_of_timers_each_fire_once_and_not_early)
{
	unsigned seed = seed_first();
	g_loop = loop_with(NULL, NULL);
	g_left = MANY;
	int64_t now = loop_now_us(g_loop), start = now;
	for (int i = 0; i < MANY; i++) {
		struct many *m = &g_many[i];
		timer_init(&m->t, on_many, m);
		timer_set(g_loop, &m->t, now + rand_r(&seed) % 100000000); /* replaced below */
		m->at_us = now + rand_r(&seed) % 2000000;
		timer_set(g_loop, &m->t, m->at_us);
	}
	loop_run(g_loop);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(g_many[i].fired, 1, "timer %d fired %d times", i, g_many[i].fired);
	cr_assert_lt(clock_mono_us() - start, 20000000);
	loop_free(g_loop);
}

static void count_turn(void *owner)
{
	((struct log *)owner)->turns++;
}
static void *post_later(void *arg)
{
	struct letter *x = arg;
	usleep(400000);
	loop_post(x->g->l, &x->m);
	return NULL;
}

Test(loop, sleeps_when_nothing_is_set)
{
	struct log g = { .l = NULL };
	struct letter x = { .m.fn = on_letter, .g = &g, .no = 3 };
	struct timer t;
	struct rusage before, after;
	pthread_t th;

	g.l = loop_with(&g, count_turn);
	timer_init(&t, on_fire, g.l);
	timer_set(g.l, &t, loop_now_us(g.l) + 50000);
	timer_clear(g.l, &t); /* nothing is left: no ticking */
	getrusage(RUSAGE_THREAD, &before);
	pthread_create(&th, NULL, post_later, &x);
	loop_run(g.l);
	getrusage(RUSAGE_THREAD, &after);
	pthread_join(th, NULL);
	cr_assert_str_eq(g.text, "3 ");
	cr_assert_leq(g.turns, 2);
	cr_assert_leq(after.ru_nvcsw - before.ru_nvcsw, 6);
	loop_free(g.l);
}

Test(loop, a_far_timer_costs_few_wake_ups)
{
	struct log g = { .l = NULL };
	struct letter x = { .m.fn = on_letter, .g = &g, .no = 3 };
	struct timer t[3];
	pthread_t th;

	g.l = loop_with(&g, count_turn);
	for (int i = 0; i < 3; i++) {
		timer_init(&t[i], on_fire, g.l);
		timer_set(g.l, &t[i], loop_now_us(g.l) + 3600LL * 1000000 * (i * 100 + 1));
	}
	for (int i = 0; i < 40; i++) { /* what was set and cleared wakes nobody */
		struct timer near;
		timer_init(&near, on_fire, g.l);
		timer_set(g.l, &near, loop_now_us(g.l) + (i + 2) * 10000);
		timer_clear(g.l, &near);
	}
	pthread_create(&th, NULL, post_later, &x);
	loop_run(g.l);
	pthread_join(th, NULL);
	cr_assert_leq(g.turns, 4);
	loop_free(g.l);
}

static int g_fired_in_turn, g_fired_n;
static void on_again(struct timer *t, void *arg)
{
	struct log *g = arg;
	cr_assert_neq(g->turns, g_fired_in_turn, "twice in one turn");
	g_fired_in_turn = g->turns;
	if (++g_fired_n == 5)
		loop_stop(g->l);
	else
		timer_set(g->l, t, 1); /* long past */
}

Test(loop, a_timer_that_sets_itself_into_the_past_does_not_hold_the_loop)
{
	struct log g = { .l = NULL };
	struct timer t;

	g.l = loop_with(&g, count_turn);
	g_fired_in_turn = -1;
	timer_init(&t, on_again, &g);
	/* The wheel's first level wraps every 64 ticks of 10 ms: stand a little before that. */
	while (loop_now_us(g.l) / 10000 % 64 != 61)
		usleep(1000);
	timer_set(g.l, &t, loop_now_us(g.l));
	usleep(60000); /* the wheel is behind by some ticks */
	loop_run(g.l);
	cr_assert_eq(g_fired_n, 5);
	loop_free(g.l);
}

static int64_t g_first_now;
static void on_clock(struct task *t, void *arg)
{
	(void)t;
	if (g_first_now == 0) {
		g_first_now = loop_now_us(arg);
		usleep(3000);
	} else {
		cr_assert_eq(loop_now_us(arg), g_first_now, "the clock moved within a turn");
		loop_stop(arg);
	}
}

Test(loop, the_clock_stands_within_a_turn)
{
	struct loop *l = loop_with(NULL, NULL);
	struct task a, b;

	task_init(&a, on_clock, l);
	task_init(&b, on_clock, l);
	task_post(l, &a);
	task_post(l, &b);
	loop_run(l);
	cr_assert_gt(loop_now_us(l), g_first_now);
	loop_free(l);
}

Test(loop, free_with_everything_pending)
{
	struct loop *l = loop_with(NULL, NULL);
	struct task a;
	struct timer t;
	struct letter x = { .m.fn = on_letter };

	task_init(&a, on_never, NULL);
	timer_init(&t, on_fire, NULL);
	task_post(l, &a);
	timer_set(l, &t, loop_now_us(l) + 1000);
	loop_post(l, &x.m);
	loop_free(l);
	loop_free(NULL);
}
