/* daemon - what a process does to become a service: detach, pid file, another user, descriptors.
 * Start-up only. */
#include "server_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int pid_fd = -1;

static int starter_fd = -1; /* to the process that was started; -1: it waits no longer */

/* In the process that was started: ends as the start of the service does. A zero byte says that it
 * serves, a text why it does not. */
__attribute__((noreturn)) static void wait_for_service(int fd)
{
	char text[512];
	size_t n = 0;
	ssize_t got;
	sigset_t none;
	sigemptyset(&none); /* whoever waits may interrupt it */
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (n < sizeof text - 1 && ((got = read(fd, text + n, sizeof text - 1 - n)) > 0 ||
					      (got < 0 && errno == EINTR))) {
		n += got > 0 ? (size_t)got : 0;
		if (n && !text[n - 1])
			_exit(0);
	}
	text[n] = '\0';
	fprintf(stderr, "weirpool: %s\n", n ? text : "it ended before it served: see the log");
	_exit(1);
}

void daemon_tell(const struct err *e)
{
	if (starter_fd < 0)
		return;
	(void)!write(starter_fd, e ? e->msg : "", e ? strlen(e->msg) : 1);
	close(starter_fd);
	starter_fd = -1;
}

int daemon_detach(struct err *e)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(e, ERR_INTERNAL, "cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		return err_set(e, ERR_INTERNAL, "cannot fork: %s", strerror(errno));
	if (pid > 0) {
		close(ends[1]);
		wait_for_service(ends[0]);
	}
	close(ends[0]);
	starter_fd = ends[1];
	if (setsid() < 0)
		return err_set(e, ERR_INTERNAL, "setsid: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(e, ERR_INTERNAL, "cannot fork: %s", strerror(errno));
	if (pid > 0)
		_exit(0);
	int fd = open("/dev/null", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	return 0;
}

/* Who reads it meanwhile finds a number, the old one or ours: lines behind it until it is cut. */
static int write_pid(int fd)
{
	char text[32];
	memset(text, '\n', sizeof text);
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	text[n] = '\n';
	return pwrite(fd, text, sizeof text, 0) != sizeof text || ftruncate(fd, n) != 0 ? -1 : 0;
}

int daemon_pidfile(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set(e, ERR_CONFIG, "pidfile %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return err_set(
			e, ERR_CONFIG, "pidfile %s: another weirpool is running with it", path);
	}
	if (write_pid(fd) != 0) {
		err_set(e, ERR_CONFIG, "pidfile %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	pid_fd = fd; /* stays open: the lock says that we live */
	return 0;
}

void daemon_pidfile_remove(const char *path)
{
	if (pid_fd < 0)
		return;
	unlink(path);
	close(pid_fd);
	pid_fd = -1;
}

int daemon_pidfile_fd(void)
{
	return pid_fd;
}

int daemon_pidfile_adopt(const char *path, int fd)
{
	struct stat a, b;
	if (fd < 0 || fstat(fd, &a) != 0 || stat(path, &b) != 0 || a.st_dev != b.st_dev ||
		a.st_ino != b.st_ino || flock(fd, LOCK_EX | LOCK_NB) != 0 || write_pid(fd) != 0)
		return -1;
	pid_fd = fd;
	return 0;
}

void daemon_pidfile_renew(void)
{
	if (pid_fd >= 0 && write_pid(pid_fd) != 0)
		log_event(EVENT_PIDFILE, "cannot write the pid file: %s", strerror(errno));
}

void daemon_pidfile_forget(void)
{
	if (pid_fd >= 0)
		close(pid_fd);
	pid_fd = -1;
}

int daemon_drop(const char *user, struct err *e)
{
	struct passwd *pw = getpwnam(user);
	if (!pw)
		return err_set(e, ERR_CONFIG, "user %s: no such user", user);
	if (pw->pw_uid == getuid() && getuid() == geteuid())
		return 0;
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
		return err_set(e, ERR_CONFIG, "cannot become user %s: %s", user, strerror(errno));
	if (setuid(0) == 0)
		return err_set(e, ERR_INTERNAL, "root was not given up");
	return 0;
}

int daemon_as(const char *user, int (*fn)(void *arg), void *arg)
{
	gid_t groups[256], gid = getegid();
	int n = getgroups(sizeof groups / sizeof *groups, groups), rc = -1, err = EPERM;
	struct passwd *pw = getuid() == 0 && n >= 0 ? getpwnam(user) : NULL;
	if (!pw || initgroups(user, pw->pw_gid) != 0)
		return -1;
	if (setegid(pw->pw_gid) == 0 && seteuid(pw->pw_uid) == 0) {
		rc = fn(arg);
		err = errno;
	}
	if (seteuid(0) != 0 || setegid(gid) != 0 || setgroups((size_t)n, groups) != 0)
		abort(); /* half of another user: nothing may follow */
	errno = err;
	return rc;
}

void daemon_give(const char *user, const char *dir, unsigned port)
{
	char path[128];
	struct passwd *pw = getpwnam(user);
	if (port)
		snprintf(path, sizeof path, "%s/.s.PGSQL.%u", dir, port);
	else
		snprintf(path, sizeof path, "%s", dir);
	if (pw && getuid() == 0 && chown(path, pw->pw_uid, (gid_t)-1) != 0)
		log_event(EVENT_SOCKET_OWNER, "cannot give %s to user %s: %s", path, user,
			strerror(errno));
}

int daemon_raise_fds(unsigned want)
{
	struct rlimit rl;
	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return -1;
	if (rl.rlim_cur < want && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = want < rl.rlim_max ? want : rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
		(void)getrlimit(RLIMIT_NOFILE, &rl);
	}
	return rl.rlim_cur > 1000000000 ? 1000000000 : (int)rl.rlim_cur;
}
