/* spawn - runs a program as a child of this process. Once spawn_broker() has been called, a small
 * process that was forked by it does this in our place, so that this one needs no right to fork or
 * to exec, and what it gave up (sandbox) is not given up for its children. Any thread. */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H
#include <stdbool.h>
#include <sys/types.h>

struct err;

#define SPAWN_FDS_MAX 8

/* What to run; everything is borrowed for the call. */
struct spawn {
	const char *path;
	char *const *argv; /* argv[0] is any name; ends with NULL */
	char *const *env;  /* "WEIRPOOL_...=value", beside our own environment */
	unsigned env_n;
	struct spawn_fd {
		int fd, as; /* its number there; ours stay open */
	} fds[SPAWN_FDS_MAX];
	unsigned fds_n;
	bool own_group; /* a process group of its own, and no signal ignored */
};

/* Starts it; no signal is blocked there. 0 and its pid, which is for waitpid(); else an errno, for
 * spawn_why(). Waits until the program has been loaded, as posix_spawn(3) does. */
int spawn_run(const struct spawn *s, pid_t *pid_r) __attribute__((warn_unused_result));
/* The errno of spawn_run() in words. Borrowed: until the next strerror(3). */
const char *spawn_why(int err);

/* A command line that may be run: words[0] is the path, the others are argv[1] and so on, each of
 * which must be the same; behind them up to more other words. */
struct spawn_line {
	char *const *words;
	unsigned words_n, more;
	const char *env; /* it gets this variable only; NULL: any WEIRPOOL_... */
};

/* From now on spawn_run() runs these command lines and no other. Before the first thread is
 * started. -1 with e: nothing has changed. */
int spawn_broker(const struct spawn_line *lines, unsigned n, struct err *e)
	__attribute__((warn_unused_result));
#endif
