/* ev_help - for the tests of ev/: a loop that ends by itself, and pairs of sockets. */
#ifndef TEST_EV_HELP_H
#define TEST_EV_HELP_H
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ev/loop.h"
#include "ev/stream.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct ev_run {
	struct loop *loop;
	const bool *done;
	bool late;
};
static inline void ev_run_late(struct timer *t, void *arg)
{
	struct ev_run *r = arg;
	(void)t;
	r->late = true;
	loop_stop(r->loop);
}
static inline void ev_run_poll(struct timer *t, void *arg)
{
	struct ev_run *r = arg;
	if (*r->done)
		loop_stop(r->loop);
	else
		timer_set(r->loop, t, loop_now_us(r->loop) + 1);
}
/* Runs l until *done (looked at every tick) or ms have passed; true if done. */
static inline bool ev_run(struct loop *l, const bool *done, int ms)
{
	static const bool never;
	struct ev_run r = { .loop = l, .done = done ? done : &never };
	struct timer late, poll;

	timer_init(&late, ev_run_late, &r);
	timer_init(&poll, ev_run_poll, &r);
	timer_set(l, &late, loop_now_us(l) + (int64_t)ms * 1000);
	timer_set(l, &poll, loop_now_us(l) + 1);
	loop_run(l);
	timer_clear(l, &late);
	timer_clear(l, &poll);
	return *r.done;
}

static inline void ev_unix_pair(int sv[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
}

static inline int ev_tcp_listen(struct sockaddr_in *in)
{
	socklen_t n = sizeof(*in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cr_assert_eq(bind(fd, (struct sockaddr *)in, n), 0);
	cr_assert_eq(listen(fd, 64), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)in, &n), 0);
	return fd;
}

/* A connected pair over real TCP on the loopback. */
static inline void ev_tcp_pair(int sv[2])
{
	struct sockaddr_in in;
	int fd = ev_tcp_listen(&in);

	sv[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(sv[0], (struct sockaddr *)&in, sizeof(in)), 0);
	sv[1] = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	cr_assert(sv[1] >= 0);
	cr_assert_eq(fcntl(sv[0], F_SETFL, O_NONBLOCK), 0);
	close(fd);
}

static inline void ev_reset_on_close(int fd)
{
	struct linger on = { .l_onoff = 1, .l_linger = 0 };
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
}

static inline void ev_all_back(void)
{
	buf_thread_fini();
	for (int t = 0; t < MEM_N; t++)
		cr_assert_eq(mem_live((enum mem_type)t), 0, "%s blocks are alive",
			mem_name((enum mem_type)t));
}
#endif
