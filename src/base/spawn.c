/* spawn - programs as children: by posix_spawn(3), or by a broker, a process that takes requests
 * over a socket and makes its children ours (CLONE_PARENT), so that waitpid() and kill() are the
 * same in both ways. Ignorant of what is run. Any thread; the broker is a process of one. */
#include "base/spawn.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 128
#define TEXT_MAX 32768
#define HIGH_FD 64 /* above every number that a program is promised */

extern char **environ;

static int broker_fd = -1;
static pthread_mutex_t broker_lock = PTHREAD_MUTEX_INITIALIZER;

/* What travels; then the words, each with its NUL: the path, argv, env. */
struct request {
	uint32_t argv_n, env_n, fds_n, own_group;
	int32_t as[SPAWN_FDS_MAX];
	char text[TEXT_MAX];
};
struct reply {
	int32_t err,
		pid; /* err: the errno of what failed; pid > 0: to be waited for all the same */
};

static unsigned count(char *const *v)
{
	unsigned n = 0;
	while (v[n])
		n++;
	return n;
}

/* ---- without a broker ---- */

static int run_here(const struct spawn *s, pid_t *pid_r)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	unsigned have = count(environ);
	char **env = calloc(have + s->env_n + 1, sizeof *env);
	if (!env)
		return ENOMEM;
	memcpy(env, environ, have * sizeof *env);
	if (s->env_n)
		memcpy(env + have, s->env, s->env_n * sizeof *env);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(
		&at, (short)(POSIX_SPAWN_SETSIGMASK |
			     (s->own_group ? POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP : 0)));
	posix_spawnattr_setsigmask(&at, &none);
	posix_spawnattr_setsigdefault(&at, &all);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawn_file_actions_init(&fa);
	for (unsigned i = 0; i < s->fds_n; i++)
		posix_spawn_file_actions_adddup2(&fa, s->fds[i].fd, s->fds[i].as);
	int r = posix_spawn(pid_r, s->path, &fa, &at, s->argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&at);
	free(env);
	return r;
}

/* ---- the broker's side: what comes in is not trusted ---- */

struct order {
	char *word[WORDS_MAX + 1]; /* path, argv, NULL, env */
	char **argv, **env;
	unsigned argv_n, env_n;
};

/* Takes the words of rq apart. False: not as it must be. */
static bool read_order(struct request *rq, size_t text_n, struct order *o)
{
	unsigned n = 0;
	size_t at = 0;
	if (rq->argv_n < 1 || rq->argv_n > WORDS_MAX || rq->env_n > WORDS_MAX ||
		rq->argv_n + rq->env_n + 2 > WORDS_MAX || !text_n || rq->text[text_n - 1])
		return false;
	o->argv = &o->word[1];
	o->argv_n = rq->argv_n;
	o->env = &o->word[rq->argv_n + 2];
	o->env_n = rq->env_n;
	for (; at < text_n && n < rq->argv_n + rq->env_n + 1; n++) {
		o->word[n <= rq->argv_n ? n : n + 1] = &rq->text[at];
		at += strlen(&rq->text[at]) + 1;
	}
	o->word[rq->argv_n + 1] = NULL;
	for (unsigned i = 0; i < o->env_n && n == rq->argv_n + rq->env_n + 1; i++)
		if (strncmp(o->env[i], "WEIRPOOL_", 9) != 0)
			return false;
	return n == rq->argv_n + rq->env_n + 1 && at == text_n;
}

static bool is_line(const struct spawn_line *l, const struct order *o)
{
	if (o->argv_n < l->words_n || o->argv_n > l->words_n + l->more ||
		strcmp(o->word[0], l->words[0]) != 0)
		return false;
	for (unsigned i = 1; i < l->words_n; i++)
		if (strcmp(o->argv[i], l->words[i]) != 0)
			return false;
	return !l->env || (o->env_n == 1 && strcmp(o->env[0], l->env) == 0);
}

static bool is_allowed(const struct spawn_line *lines, unsigned n, const struct order *o)
{
	for (unsigned i = 0; i < n; i++)
		if (is_line(&lines[i], o))
			return true;
	return false;
}

/* In the child. The descriptors first go where no number is promised. */
static int place_fds(const struct request *rq, int *fds)
{
	for (unsigned i = 0; i < rq->fds_n; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (fds[i] < 0)
			return -1;
	}
	for (unsigned i = 0; i < rq->fds_n; i++)
		if (rq->as[i] < 0 || rq->as[i] >= HIGH_FD || dup2(fds[i], rq->as[i]) < 0)
			return -1;
	return 0;
}

static void become(const struct request *rq, struct order *o, int *fds, int tell)
{
	char *env[WORDS_MAX + 1024];
	unsigned n = 0;
	sigset_t none;
	sigemptyset(&none);
	for (; environ[n] && n < 1024; n++)
		env[n] = environ[n];
	memcpy(env + n, o->env, o->env_n * sizeof *env);
	env[n + o->env_n] = NULL;
	tell = fcntl(tell, F_DUPFD_CLOEXEC, HIGH_FD);
	if (place_fds(rq, fds) == 0 && (!rq->own_group || setpgid(0, 0) == 0)) {
		for (int sig = 1; rq->own_group && sig < NSIG; sig++)
			(void)signal(sig, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(o->word[0], o->argv, env);
	}
	int err = errno;
	(void)!write(tell, &err, sizeof err);
	_exit(127);
}

/* Our parent gets the child. */
static void run_for_parent(const struct request *rq, struct order *o, int *fds, struct reply *re)
{
	int tell[2], err;
	if (pipe2(tell, O_CLOEXEC) != 0) {
		re->err = errno;
		return;
	}
	long pid = syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), NULL, NULL, NULL, 0);
	if (pid == 0)
		become(rq, o, fds, tell[1]);
	re->err = pid < 0 ? errno : 0;
	re->pid = pid < 0 ? 0 : (int32_t)pid;
	close(tell[1]);
	/* closed without a word: the program has been loaded */
	if (pid > 0 && read(tell[0], &err, sizeof err) == (ssize_t)sizeof err)
		re->err = err;
	close(tell[0]);
}

static unsigned fds_of(struct msghdr *m, int *fds)
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

/* False: the parent has gone. */
static bool serve(int sock, const struct spawn_line *lines, unsigned n_lines)
{
	static struct request rq;
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
	} c;
	struct iovec v = { &rq, sizeof rq };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c
	};
	struct reply re = { .err = EPERM };
	struct order o;
	int fds[SPAWN_FDS_MAX];
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	unsigned fds_n = fds_of(&m, fds);
	size_t head = offsetof(struct request, text);
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)n <= head || fds_n != rq.fds_n ||
		!read_order(&rq, (size_t)n - head, &o))
		re.err = EINVAL;
	else if (is_allowed(lines, n_lines, &o))
		run_for_parent(&rq, &o, fds, &re);
	for (unsigned i = 0; i < fds_n; i++)
		close(fds[i]);
	return send(sock, &re, sizeof re, MSG_NOSIGNAL) == (ssize_t)sizeof re;
}

/* ---- our side ---- */

static bool add_word(struct request *rq, size_t *at, const char *s)
{
	size_t n = strlen(s) + 1;
	if (n > sizeof rq->text - *at)
		return false;
	memcpy(rq->text + *at, s, n);
	*at += n;
	return true;
}

static bool write_order(struct request *rq, const struct spawn *s, size_t *n_r)
{
	size_t at = 0;
	bool fits = add_word(rq, &at, s->path);
	rq->argv_n = count(s->argv);
	rq->env_n = s->env_n;
	rq->fds_n = s->fds_n;
	rq->own_group = s->own_group;
	for (unsigned i = 0; fits && i < rq->argv_n; i++)
		fits = add_word(rq, &at, s->argv[i]);
	for (unsigned i = 0; fits && i < s->env_n; i++)
		fits = add_word(rq, &at, s->env[i]);
	for (unsigned i = 0; i < s->fds_n; i++)
		rq->as[i] = s->fds[i].as;
	*n_r = offsetof(struct request, text) + at;
	return fits && rq->argv_n + rq->env_n + 2 <= WORDS_MAX;
}

static int ask(struct request *rq, size_t n, const struct spawn *s, pid_t *pid_r)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
	} c = { 0 };
	struct iovec v = { rq, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct reply re;
	if (s->fds_n) {
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE(s->fds_n * sizeof(int));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(s->fds_n * sizeof(int));
		for (unsigned i = 0; i < s->fds_n; i++)
			memcpy(CMSG_DATA(&c.h) + i * sizeof(int), &s->fds[i].fd, sizeof(int));
	}
	ssize_t got;
	if (sendmsg(broker_fd, &m, MSG_NOSIGNAL) < 0)
		return errno;
	while ((got = recv(broker_fd, &re, sizeof re, 0)) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)sizeof re)
		return got < 0 ? errno : EPIPE;
	if (re.err && re.pid > 0)
		(void)waitpid(re.pid, NULL, 0);
	*pid_r = re.pid;
	return re.err;
}

int spawn_run(const struct spawn *s, pid_t *pid_r)
{
	if (s->fds_n > SPAWN_FDS_MAX)
		return EINVAL;
	if (broker_fd < 0)
		return run_here(s, pid_r);
	size_t n;
	struct request *rq = calloc(1, sizeof *rq);
	if (!rq)
		return ENOMEM;
	int r = E2BIG;
	if (write_order(rq, s, &n)) {
		pthread_mutex_lock(&broker_lock);
		r = ask(rq, n, s, pid_r);
		pthread_mutex_unlock(&broker_lock);
	}
	free(rq);
	return r;
}

const char *spawn_why(int err)
{
	if (err == EPERM && broker_fd >= 0)
		return "the sandbox runs only what was configured at the start: restart weirpool";
	if (err == EPIPE && broker_fd >= 0)
		return "the process that starts others has ended: restart weirpool";
	return strerror(err);
}

static void be_broker(int sock, const struct spawn_line *lines, unsigned n)
{
	if (dup3(sock, 3, O_CLOEXEC) < 0 && sock != 3)
		_exit(1);
	(void)close_range(4, ~0u, 0);
	(void)prctl(PR_SET_NAME, "weirpool-spawn");
	(void)prctl(PR_SET_DUMPABLE, 0); /* what was read of passwords is here too */
	while (serve(3, lines, n))
		;
	_exit(0);
}

int spawn_broker(const struct spawn_line *lines, unsigned n, struct err *e)
{
	int sv[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
		return err_set(e, ERR_NO_FDS, "socketpair: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		be_broker(sv[1], lines, n);
	close(sv[1]);
	if (pid < 0) {
		close(sv[0]);
		return err_set(e, ERR_INTERNAL, "cannot fork: %s", strerror(errno));
	}
	broker_fd = sv[0];
	return 0;
}
