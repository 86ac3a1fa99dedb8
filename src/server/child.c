/* child - runs a command of the operator's as a process, without a shell: words as arguments, what
 * it says line by line in the log. Ignorant of what it is for. Control thread. */
#include "server_int.h"

#include "base/spawn.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_US 20000

struct child {
	struct loop *loop;
	pid_t pid;
	int fd;
	bool stays;
	struct event *ev;
	struct timer timer;
	char name[64], line[300]; /* who speaks; what it has said of its newest line */
	size_t line_n;
	char last[200]; /* the last whole line */
	void (*done)(void *arg, int status, const char *last);
	void *arg;
};

/* ---- what it says ---- */

static void end_line(struct child *c)
{
	c->line[c->line_n] = '\0';
	if (c->line_n) {
		log_event(EVENT_CHILD_SAID, "%s: %s", c->name, c->line);
		snprintf(c->last, sizeof c->last, "%.190s", c->line);
	}
	c->line_n = 0;
}

static ssize_t take(struct child *c)
{
	char b[1024];
	ssize_t n = read(c->fd, b, sizeof b);
	for (ssize_t i = 0; i < n; i++) {
		if (b[i] == '\n' || c->line_n + 1 == sizeof c->line)
			end_line(c);
		if (b[i] != '\n')
			c->line[c->line_n++] = (unsigned char)b[i] < ' ' ? ' ' : b[i];
	}
	return n;
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
	struct child *c = arg;
	ssize_t n = take(c);
	(void)fd;
	(void)what;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		event_del(c->ev); /* it closed its end; its exit is seen by the timer */
}

/* ---- life ---- */

static void forget(struct child *c)
{
	timer_clear(c->loop, &c->timer);
	if (c->ev)
		event_free(c->ev);
	if (c->fd >= 0)
		close(c->fd);
	mem_free(MEM_CONF, c);
}

/* The answer may end c. */
static void on_poll(struct timer *t, void *arg)
{
	struct child *c = arg;
	int status;
	if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
		timer_set(c->loop, t, loop_now_us(c->loop) + POLL_US);
		return;
	}
	c->pid = -1;
	while (take(c) > 0)
		;
	end_line(c);
	c->done(c->arg, status, c->last);
}

static int start(struct child *c, const struct child_opts *o, int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0)
		return errno;
	struct spawn sp = { .path = o->argv[0],
		.argv = o->argv,
		.env = o->env,
		.env_n = o->env_n,
		.fds = { { null, 0 }, { out, 1 }, { out, 2 } },
		.fds_n = 3,
		.own_group = !o->stays }; /* so that its children end with it */
	for (unsigned i = 0; i < o->fds_n; i++)
		sp.fds[sp.fds_n++] = (struct spawn_fd){ o->fds[i], 3 + (int)i };
	int r = spawn_run(&sp, &c->pid);
	close(null);
	return r;
}

struct child *child_start(struct loop *loop, const struct child_opts *o, struct err *e)
{
	int fd[2];
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0) {
		err_set(e, ERR_NO_FDS, "cannot start %.80s: %s", o->argv[0], strerror(errno));
		return NULL;
	}
	(void)fcntl(fd[1], F_SETFL, 0); /* its end waits, as a program expects of its output */
	struct child *c = mem_xalloc(MEM_CONF, sizeof *c);
	c->loop = loop;
	c->fd = fd[0];
	c->pid = -1;
	c->stays = o->stays;
	c->done = o->done;
	c->arg = o->arg;
	snprintf(c->name, sizeof c->name, "%s", o->name);
	timer_init(&c->timer, on_poll, c);
	c->ev = event_new(loop_base(loop), fd[0], EV_READ | EV_PERSIST, on_output, c);
	int r = c->ev ? start(c, o, fd[1]) : ENOMEM;
	close(fd[1]);
	if (r != 0) {
		err_set(e, ERR_CONFIG, "cannot start %.80s: %s", o->argv[0], spawn_why(r));
		forget(c);
		return NULL;
	}
	event_add(c->ev, NULL);
	timer_set(loop, &c->timer, loop_now_us(loop) + POLL_US);
	return c;
}

bool child_runs(const struct child *c)
{
	return c->pid > 0;
}

int child_pid(const struct child *c)
{
	return (int)c->pid;
}

const char *child_said(const struct child *c)
{
	return c->last;
}

static void tell(const struct child *c, int sig)
{
	if (c->pid > 0)
		kill(c->stays ? c->pid : -c->pid, sig);
}

void child_ask_to_end(struct child *c)
{
	tell(c, SIGTERM);
}

void child_kill(struct child *c)
{
	tell(c, SIGKILL);
}

void child_leave(struct child **cp)
{
	struct child *c = *cp;
	*cp = NULL;
	if (c)
		forget(c);
}

void child_free(struct child **cp)
{
	struct child *c = *cp;
	*cp = NULL;
	if (!c)
		return;
	if (c->pid > 0) {
		tell(c, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	forget(c);
}
