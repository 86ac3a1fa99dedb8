/* daemon - what a process does to become a service: detach, pid file, another user, descriptors.
 * Start-up only. */
#include "server_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int pid_fd = -1;

int daemon_detach(struct err *e)
{
	pid_t pid = fork();
	if (pid < 0)
		return err_set(e, ERR_INTERNAL, "cannot fork: %s", strerror(errno));
	if (pid > 0)
		_exit(0);
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
