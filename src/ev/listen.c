/* listen - accepting: batches per turn, pauses, and a way out when descriptors run out. Ignorant of
 * what is accepted. Runs in the thread of its loop. */
#include "ev/listen.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	ACCEPT_PER_TURN = 64,
	ACCEPT_PAUSE_US = 100000,
};

struct listener {
	struct loop *loop;
	int fd;
	int spare_fd; /* given up to accept, and refuse, one client when there are no others */
	void (*fn)(void *arg, int fd, const struct sockaddr *sa, socklen_t n);
	void (*refuse)(void *arg, int fd);
	void *arg;
	struct event ev;
	struct timer pause;
	bool paused; /* by listener_pause() */
	bool busy;   /* in listener_on_event() */
	bool dead;   /* listener_free() came meanwhile */
};

static void listener_watch(struct listener *ls, bool on)
{
	if (on && !ls->paused && ls->pause.at_us == 0)
		event_add(&ls->ev, NULL);
	else if (!on)
		event_del(&ls->ev);
}

static void listener_rest(struct listener *ls)
{
	timer_set(ls->loop, &ls->pause, loop_now_us(ls->loop) + ACCEPT_PAUSE_US);
	listener_watch(ls, false);
}

static void listener_rested(struct timer *t, void *arg)
{
	(void)t;
	listener_watch(arg, true);
}

/* Descriptors ran out: the level-triggered event would spin, and the client would wait for an
 * answer that never comes. */
static void listener_refuse(struct listener *ls)
{
	int fd = -1;

	if (ls->spare_fd >= 0) {
		close(ls->spare_fd);
		ls->spare_fd = -1;
		fd = accept4(ls->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd >= 0 && ls->refuse)
		ls->refuse(ls->arg, fd);
	else if (fd >= 0)
		close(fd);
	if (ls->dead)
		return;
	ls->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener_rest(ls);
}

/* False: no more in this turn. */
static bool listener_accept(struct listener *ls)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int fd = accept4(ls->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		if (n < sizeof(ss.ss_family))
			ss.ss_family = AF_UNIX; /* an unnamed peer may have no address at all */
		ls->fn(ls->arg, fd, (struct sockaddr *)&ss, n);
		return !ls->dead && !ls->paused;
	}
	switch (errno) {
	case EAGAIN: return false;
	case EMFILE:
	case ENFILE: listener_refuse(ls); return false;
	case ENOMEM:
	case ENOBUFS:
	case EBADF:
	case EINVAL:
	case ENOTSOCK: listener_rest(ls); return false;
	default: /* that client's network error (accept(2), "Error handling"), or EINTR */
		return true;
	}
}

static void listener_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct listener *ls = arg;

	(void)fd;
	(void)what;
	ls->busy = true;
	for (int i = 0; i < ACCEPT_PER_TURN && listener_accept(ls); i++)
		;
	ls->busy = false;
	if (ls->dead)
		mem_free(MEM_EV, ls);
}

struct listener *listener_new(struct loop *l, int fd,
	void (*fn)(void *arg, int fd, const struct sockaddr *sa, socklen_t n),
	void (*refuse)(void *arg, int fd), void *arg)
{
	struct listener *ls = mem_alloc(MEM_EV, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->loop = l;
	ls->fd = fd;
	ls->fn = fn;
	ls->refuse = refuse;
	ls->arg = arg;
	ls->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	timer_init(&ls->pause, listener_rested, ls);
	/* Level-triggered, as several loops may share fd; libevent 2.1 has no EPOLLEXCLUSIVE. */
	if (event_assign(&ls->ev, loop_base(l), fd, EV_READ | EV_PERSIST, listener_on_event, ls) !=
			0 ||
		event_add(&ls->ev, NULL) != 0) {
		if (ls->spare_fd >= 0)
			close(ls->spare_fd);
		mem_free(MEM_EV, ls);
		return NULL;
	}
	return ls;
}

void listener_pause(struct listener *ls)
{
	ls->paused = true;
	listener_watch(ls, false);
}

void listener_resume(struct listener *ls)
{
	ls->paused = false;
	listener_watch(ls, true);
}

void listener_free(struct listener *ls)
{
	if (ls == NULL || ls->dead)
		return;
	event_del(&ls->ev);
	timer_clear(ls->loop, &ls->pause);
	if (ls->spare_fd >= 0)
		close(ls->spare_fd);
	ls->spare_fd = -1;
	ls->dead = true;
	if (!ls->busy)
		mem_free(MEM_EV, ls);
}
