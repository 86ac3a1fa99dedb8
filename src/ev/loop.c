/* loop - turns of a libevent base: events, then mail and tasks, then the owner's end of turn.
 * Ignorant of sessions and protocols. Runs in the thread that owns the loop; loop_post() in any. */
#include "ev/loop.h"
#include "loop_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Mail. Producers push on a stack by compare-and-swap; the one that finds it empty writes the
 * eventfd. The loop takes the whole stack by one exchange and reverses it, so that each sender's
 * messages stay in order. The eventfd is watched edge-triggered and never read: each write is an
 * edge. */
static void mail_run(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct mail *m = atomic_exchange_explicit(&l->mail, NULL, memory_order_acquire),
		    *first = NULL;

	(void)fd;
	(void)what;
	while (m) {
		struct mail *next = m->next;
		m->next = first;
		first = m;
		m = next;
	}
	while (first) {
		struct mail *next = first->next; /* fn may free or post it again */
		first->next = NULL;
		first->fn(first, l->owner);
		first = next;
	}
}

void loop_post(struct loop *l, struct mail *m)
{
	struct mail *head = atomic_load_explicit(&l->mail, memory_order_relaxed);

	/* Release: pairs with the exchange of mail_run(). */
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&l->mail, &head, m, memory_order_release, memory_order_relaxed));
	if (head == NULL) {
		static const uint64_t one = 1;
		ssize_t r;

		do {
			r = write(l->mail_fd, &one, sizeof(one));
		} while (r < 0 && errno == EINTR);
	}
}

void loop_wait_mail(struct loop *l)
{
	struct pollfd p = { .fd = l->mail_fd, .events = POLLIN };
	uint64_t n;
	ssize_t got = poll(&p, 1, -1) == 1 ? read(l->mail_fd, &n, sizeof(n)) : 0;

	(void)got; /* nothing there: it was interrupted */
	mail_run(l->mail_fd, EV_READ, l);
}

void task_init(struct task *t, void (*fn)(struct task *, void *), void *arg)
{
	list_init(&t->node);
	t->fn = fn;
	t->arg = arg;
}

void task_post(struct loop *l, struct task *t)
{
	if (list_empty(&t->node))
		list_append(&l->tasks, &t->node);
}

void task_cancel(struct task *t)
{
	list_del(&t->node);
}

/* Those posted meanwhile wait for the next turn, so that sockets get their share. */
static void tasks_run(struct loop *l)
{
	struct list *n;

	if (list_empty(&l->tasks))
		return;
	assert(list_empty(&l->running));
	l->running = l->tasks;
	l->running.next->prev = l->running.prev->next = &l->running;
	list_init(&l->tasks);
	while ((n = list_pop(&l->running)) != NULL) {
		struct task *t = list_entry(n, struct task, node);
		t->fn(t, t->arg);
	}
}

static void libevent_says(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_event(EVENT_LIBEVENT, "libevent: %s", text);
	else
		log_debug("libevent: %s", text);
}

static void libevent_set_log(void)
{
	event_set_log_callback(libevent_says);
}

static int loop_open(struct loop *l)
{
	struct event_config *c = event_config_new();

	if (c == NULL)
		return -1;
	if (event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK) == 0)
		l->base = event_base_new_with_config(c);
	event_config_free(c);
	if (l->base == NULL)
		return -1;
	l->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->mail_fd < 0)
		return -1;
	if (event_assign(&l->mail_event, l->base, l->mail_fd, EV_READ | EV_ET | EV_PERSIST,
		    mail_run, l) != 0)
		return -1;
	return event_add(&l->mail_event, NULL);
}

struct loop *loop_new(const struct loop_opts *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct loop *l = mem_alloc(MEM_EV, sizeof(*l));

	if (l == NULL)
		return NULL;
	pthread_once(&once, libevent_set_log);
	l->owner = o->owner;
	l->turn_end = o->turn_end;
	l->mail_fd = -1;
	atomic_init(&l->mail, NULL);
	list_init(&l->tasks);
	list_init(&l->running);
	list_init(&l->audit);
	list_init(&l->lingering);
	timer_init(&l->audit_timer, stream_audit, l);
	if (loop_open(l) != 0) {
		if (l->mail_fd >= 0)
			close(l->mail_fd);
		if (l->base)
			event_base_free(l->base);
		mem_free(MEM_EV, l);
		return NULL;
	}
	wheel_init(l);
	return l;
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	linger_drop_all(l);
	while (list_pop(&l->tasks) || list_pop(&l->running) || list_pop(&l->audit))
		;
	wheel_fini(l);
	event_del(&l->mail_event);
	event_base_free(l->base);
	close(l->mail_fd);
	mem_free(MEM_EV, l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

/* The first question after the wake-up reads the clock (by the vDSO), the others of the turn get
 * the same answer. */
int64_t loop_now_us(struct loop *l)
{
	if (!l->in_turn)
		return clock_mono_us();
	if (l->now_us == 0)
		l->now_us = clock_mono_us();
	return l->now_us;
}

void loop_run(struct loop *l)
{
	l->in_turn = true;
	while (!l->stop) {
		int flags = EVLOOP_ONCE;

		if (!list_empty(&l->tasks))
			flags |= EVLOOP_NONBLOCK;
		wheel_arm(l);
		l->now_us = 0;
		if (event_base_loop(l->base, flags) < 0)
			break;
		tasks_run(l);
		if (l->turn_end)
			l->turn_end(l->owner);
	}
	l->stop = l->in_turn = false;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
