/* listen_socket - opens listening sockets (TCP, unix, inherited) and sets socket options. Ignorant
 * of loops. listen_*(): at start-up, in the main thread (they may block on names); sock_*(): any
 * thread. */
#include "ev/listen.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SD_LISTEN_FDS_START = 3 };

static void set_int(int fd, int level, int name, int v)
{
	(void)setsockopt(fd, level, name, &v, sizeof(v));
}

/* -1 with errno. both: an IPv6 socket that takes IPv4 too. */
static int open_tcp(const struct sockaddr *sa, socklen_t n, bool both, const struct listen_opts *o)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (o->reuseport)
		set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (sa->sa_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
	if (bind(fd, sa, n) == 0 && listen(fd, o->backlog > 0 ? o->backlog : SOMAXCONN) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int listen_all(unsigned port, const struct listen_opts *o, int *fd_r, struct err *e)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port),
		.sin6_addr = in6addr_any };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	*fd_r = open_tcp((struct sockaddr *)&in6, sizeof(in6), true, o);
	if (*fd_r < 0 && errno != EADDRINUSE && errno != EACCES)
		*fd_r = open_tcp(
			(struct sockaddr *)&in, sizeof(in), false, o); /* a host without IPv6 */
	if (*fd_r < 0)
		return err_set(e, ERR_CONFIG, "cannot listen on *:%u: %s", port, strerror(errno));
	return 1;
}

/* "localhost" may name ::1 on a host without IPv6: that is no reason not to start. */
static bool is_absent_family(int err)
{
	return err == EADDRNOTAVAIL || err == EAFNOSUPPORT || err == EPROTONOSUPPORT;
}

int listen_tcp(const char *host, unsigned port, const struct listen_opts *o, int *fds_r,
	unsigned max_n, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE },
			*list = NULL;
	char service[16];
	unsigned n = 0;
	int failed = 0, r;

	if (port > 65535 || max_n == 0)
		return err_set(e, ERR_CONFIG, "cannot listen on port %u", port);
	if (host == NULL || *host == '\0' || strcmp(host, "*") == 0)
		return listen_all(port, o, fds_r, e);
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0)
		return err_set(e, ERR_CONFIG, "cannot listen on \"%s\": %s", host,
			r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
	for (struct addrinfo *ai = list; ai && n < max_n; ai = ai->ai_next) {
		int fd = open_tcp(ai->ai_addr, ai->ai_addrlen, false, o);
		if (fd >= 0) {
			fds_r[n++] = fd;
			continue;
		}
		failed = errno;
		if (!is_absent_family(failed))
			break;
	}
	freeaddrinfo(list);
	if (n > 0 && (failed == 0 || is_absent_family(failed)))
		return (int)n;
	while (n > 0)
		close(fds_r[--n]);
	return err_set(e, ERR_CONFIG, "cannot listen on %s:%u: %s", host, port, strerror(failed));
}

/* dir/.s.PGSQL.port, or dir itself if port is 0; "@name": abstract. Length of the address, or 0 if
 * too long. */
static socklen_t unix_addr(struct sockaddr_un *un, const char *dir, unsigned port)
{
	int n;

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = port ? snprintf(un->sun_path, sizeof(un->sun_path), "%s/.s.PGSQL.%u", dir, port)
		 : snprintf(un->sun_path, sizeof(un->sun_path), "%s", dir);
	if (n < 0 || (size_t)n >= sizeof(un->sun_path))
		return 0;
	if (*dir != '@')
		return (socklen_t)sizeof(*un);
	un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
}

/* Removes a socket file that nobody listens on. -1: somebody does, or it is something else. */
static int remove_stale(const struct sockaddr_un *un, struct err *e)
{
	struct stat st;
	int fd, r;

	if (lstat(un->sun_path, &st) != 0)
		return 0; /* bind() will tell what is wrong with the directory */
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFIG, "cannot listen on %s: it exists and is not a socket",
			un->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, ERR_NO_FDS, "cannot open a socket: %s", strerror(errno));
	r = connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 ? 0 : errno;
	close(fd);
	if (r != ECONNREFUSED && r != ENOENT)
		return err_set(
			e, ERR_CONFIG, "cannot listen on %s: another process does", un->sun_path);
	unlink(un->sun_path);
	return 0;
}

static int unix_permit(const char *path, const struct listen_opts *o, struct err *e)
{
	char buf[4096];
	struct group gr, *found = NULL;

	if (o->unix_group && *o->unix_group) {
		int r = getgrnam_r(o->unix_group, &gr, buf, sizeof(buf), &found);
		if (r != 0 || found == NULL)
			return err_set(
				e, ERR_CONFIG, "unknown group \"%s\" for %s", o->unix_group, path);
		if (chown(path, (uid_t)-1, found->gr_gid) != 0)
			return err_set(e, ERR_CONFIG, "cannot give %s to group \"%s\": %s", path,
				o->unix_group, strerror(errno));
	}
	if (chmod(path, o->unix_mode ? o->unix_mode : 0777) != 0)
		return err_set(
			e, ERR_CONFIG, "cannot set the mode of %s: %s", path, strerror(errno));
	return 0;
}

int listen_unix(
	const char *dir, unsigned port, const struct listen_opts *o, int *fd_r, struct err *e)
{
	struct sockaddr_un un;
	socklen_t n = unix_addr(&un, dir, port);
	bool abstract = *dir == '@';
	mode_t mask;
	int fd, r;

	if (n == 0)
		return err_set(e, ERR_CONFIG,
			"unix socket path \"%s%s\" is too long (%zu bytes at most)", dir,
			port ? "/.s.PGSQL.port" : "", sizeof(un.sun_path) - 1);
	if (!abstract && remove_stale(&un, e) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, ERR_NO_FDS, "cannot open a socket: %s", strerror(errno));
	mask = umask(0177); /* nobody else may connect before the mode is set */
	r = bind(fd, (struct sockaddr *)&un, n);
	umask(mask);
	if (r != 0) {
		err_set(e, ERR_CONFIG, "cannot listen on %s%s: %s", abstract ? "@" : "",
			un.sun_path + abstract, strerror(errno));
		close(fd);
		return -1;
	}
	if ((!abstract && unix_permit(un.sun_path, o, e) != 0) ||
		listen(fd, o->backlog > 0 ? o->backlog : SOMAXCONN) != 0) {
		if (!err_is(e))
			err_set(e, ERR_CONFIG, "cannot listen on %s%s: %s", abstract ? "@" : "",
				un.sun_path + abstract, strerror(errno));
		if (!abstract)
			unlink(un.sun_path);
		close(fd);
		return -1;
	}
	*fd_r = fd;
	return 0;
}

void listen_unlink_unix(const char *dir, unsigned port)
{
	struct sockaddr_un un;

	if (*dir != '@' && unix_addr(&un, dir, port) != 0)
		unlink(un.sun_path);
}

/* sd_listen_fds(3): the variables are for the process whose id they name. */
int listen_inherited(int *fds_r, unsigned max_n)
{
	const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	int64_t pid = 0, n = 0;
	int got = 0;

	if (pid_text && n_text && num_i64(pid_text, 1, INT32_MAX, &pid) == 0 && pid == getpid() &&
		num_i64(n_text, 0, 4096, &n) == 0) {
		for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n && got < (int)max_n;
			fd++) {
			int flags = fcntl(fd, F_GETFL);
			if (flags < 0)
				continue;
			(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
			fds_r[got++] = fd;
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return got;
}

void sock_apply(int fd, const struct sock_opts *o)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->buffer_bytes > 0) {
		set_int(fd, SOL_SOCKET, SO_RCVBUF, o->buffer_bytes);
		set_int(fd, SOL_SOCKET, SO_SNDBUF, o->buffer_bytes);
	}
	if (o->user_timeout_ms > 0)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, o->user_timeout_ms);
	if (!o->keepalive)
		return;
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (o->keepidle_s > 0)
		set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepidle_s);
	if (o->keepintvl_s > 0)
		set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, o->keepintvl_s);
	if (o->keepcnt > 0)
		set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepcnt);
}

int sock_peer_uid(int fd, unsigned *uid_r)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0 || n != sizeof(cred) ||
		cred.uid == (uid_t)-1)
		return -1;
	*uid_r = cred.uid;
	return 0;
}
