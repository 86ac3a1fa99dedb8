/* listen: opening sockets of each kind, their mistakes, and accepting, also when descriptors run
 * out. */
#include "ev_help.h"

#include "ev/addr.h"
#include "ev/listen.h"

#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

TestSuite(listen, .fini = ev_all_back, .timeout = 60);

static const struct listen_opts opts = { .backlog = 128, .unix_mode = 0770 };
static char dir[] = "/tmp/weirpool-listen-XXXXXX";

static unsigned port_of(int fd)
{
	struct addr a;
	addr_local(&a, fd);
	return addr_port(&a);
}
static int dial(const char *host, unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool v6 = strchr(host, ':') != NULL;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	int r;

	inet_pton(AF_INET, host, &in.sin_addr);
	inet_pton(AF_INET6, host, &in6.sin6_addr);
	r = v6 ? connect(fd, (struct sockaddr *)&in6, sizeof(in6))
	       : connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (r != 0) {
		close(fd);
		return -1;
	}
	return fd;
}
static int dial_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(un.sun_path, path, strlen(path));
	if (*path == '@')
		un.sun_path[0] = '\0';
	if (connect(fd, (struct sockaddr *)&un, n) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- opening ---- */

Test(listen, tcp)
{
	static const char *const hosts[] = { NULL, "*", "127.0.0.1", "localhost", "" };
	for (int i = 0; i < 5; i++) {
		struct err e = { .msg = "" };
		int fds[4], n = listen_tcp(hosts[i], 0, &opts, fds, 4, &e), c;
		cr_assert_geq(n, 1, "%s", e.msg);
		unsigned port = port_of(fds[n - 1]);
		cr_assert_neq(port, 0);
		c = dial("127.0.0.1", port_of(fds[0]));
		if (c < 0 && n > 1) /* localhost: ::1 came first */
			c = dial("127.0.0.1", port);
		cr_assert(c >= 0);
		cr_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
		close(c);
		while (n)
			close(fds[--n]);
	}
}

Test(listen, tcp_mistakes_name_address_and_reason)
{
	struct err e;
	int fd, other;

	cr_assert_eq(listen_tcp("127.0.0.1", 0, &opts, &fd, 1, &e), 1);
	unsigned port = port_of(fd);
	char want[32];
	snprintf(want, sizeof(want), "127.0.0.1:%u", port);
	cr_assert_eq(listen_tcp("127.0.0.1", port, &opts, &other, 1, &e), -1);
	cr_assert_not_null(strstr(e.msg, want), "%s", e.msg);
	cr_assert_not_null(strstr(e.msg, "in use"), "%s", e.msg);
	cr_assert_eq(listen_tcp("*", port, &opts, &other, 1, &e), -1);
	cr_assert_not_null(strstr(e.msg, "in use"), "%s", e.msg);
	cr_assert_eq(listen_tcp("192.0.2.1", 0, &opts, &other, 1, &e), -1);
	cr_assert_not_null(strstr(e.msg, "192.0.2.1"), "%s", e.msg);
	cr_assert_eq(listen_tcp("no such host", 0, &opts, &other, 1, &e), -1);
	cr_assert_not_null(strstr(e.msg, "no such host"), "%s", e.msg);
	cr_assert_eq(listen_tcp("127.0.0.1", 70000, &opts, &other, 1, &e), -1);
	close(fd);
}

Test(listen, reuseport_lets_two_listen)
{
	struct listen_opts o = { .reuseport = true };
	struct err e;
	int a, b;

	cr_assert_eq(listen_tcp("127.0.0.1", 0, &o, &a, 1, &e), 1);
	cr_assert_eq(listen_tcp("127.0.0.1", port_of(a), &o, &b, 1, &e), 1, "%s", e.msg);
	close(a);
	close(b);
}

Test(listen, unix_file_mode_stale_and_live)
{
	struct err e = { .msg = "" };
	struct stat st;
	char path[128];
	int fd, other;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.s.PGSQL.6432", dir);
	cr_assert_eq(listen_unix(dir, 6432, &opts, &fd, &e), 0, "%s", e.msg);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0770);
	other = dial_unix(path);
	cr_assert(other >= 0);
	close(other);
	cr_assert_eq(listen_unix(dir, 6432, &opts, &other, &e), -1, "a live one was taken over");
	cr_assert_not_null(strstr(e.msg, path), "%s", e.msg);
	close(fd); /* as after a crash: the file stays */
	e.msg[0] = '\0';
	cr_assert_eq(listen_unix(dir, 6432, &opts, &fd, &e), 0, "%s", e.msg);
	close(fd);
	listen_unlink_unix(dir, 6432);
	cr_assert_eq(stat(path, &st), -1);

	fd = open(path, O_CREAT | O_WRONLY, 0600); /* someone's file: not ours to remove */
	close(fd);
	cr_assert_eq(listen_unix(dir, 6432, &opts, &fd, &e), -1);
	cr_assert_not_null(strstr(e.msg, "not a socket"), "%s", e.msg);
	cr_assert_eq(stat(path, &st), 0);
	unlink(path);

	struct listen_opts o = { .unix_group = "no-such-group" };
	cr_assert_eq(listen_unix(dir, 6432, &o, &fd, &e), -1);
	cr_assert_not_null(strstr(e.msg, "no-such-group"), "%s", e.msg);
	cr_assert_eq(stat(path, &st), -1, "left behind");
	rmdir(dir);
}

Test(listen, unix_mistakes)
{
	struct err e;
	char dir2[200];
	int fd;

	memset(dir2, 'd', sizeof(dir2) - 1);
	dir2[0] = '/';
	dir2[sizeof(dir2) - 1] = '\0';
	cr_assert_eq(listen_unix(dir2, 1, &opts, &fd, &e), -1);
	cr_assert_not_null(strstr(e.msg, "too long"), "%s", e.msg);
	cr_assert_eq(listen_unix("/nonexistent", 1, &opts, &fd, &e), -1);
	cr_assert_not_null(strstr(e.msg, "/nonexistent/.s.PGSQL.1"), "%s", e.msg);
	cr_assert_not_null(strstr(e.msg, "No such file"), "%s", e.msg);
}

Test(listen, abstract_unix)
{
	struct err e;
	char name[40], path[64];
	unsigned uid = 12345;
	int fd, c, again;

	snprintf(name, sizeof(name), "@weirpool-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/.s.PGSQL.7", name);
	cr_assert_eq(listen_unix(name, 7, &opts, &fd, &e), 0, "%s", e.msg);
	c = dial_unix(path);
	cr_assert(c >= 0);
	int s = accept(fd, NULL, NULL);
	cr_assert_eq(sock_peer_uid(s, &uid), 0);
	cr_assert_eq(uid, getuid());
	cr_assert_eq(listen_unix(name, 7, &opts, &again, &e), -1);
	cr_assert_not_null(strstr(e.msg, "in use"), "%s", e.msg);
	listen_unlink_unix(name, 7);
	close(s);
	close(c);
	close(fd);
}

Test(listen, inherited_only_when_meant_for_us)
{
	struct err e;
	char pid[16];
	int fd, got[4];

	cr_assert_eq(listen_tcp("127.0.0.1", 0, &opts, &fd, 1, &e), 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	cr_assert_eq(listen_inherited(got, 4), 0);
	cr_assert_null(getenv("LISTEN_FDS"));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "junk", 1);
	cr_assert_eq(listen_inherited(got, 4), 0);
	cr_assert_eq(listen_inherited(got, 4), 0);
	int three = dup(3); /* whatever it is in the test runner */
	cr_assert_eq(dup2(fd, 3), 3);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	int n = listen_inherited(got, 4);
	bool cloexec = fcntl(3, F_GETFD) & FD_CLOEXEC;
	if (three >= 0)
		dup2(three, 3);
	cr_assert_eq(n, 1);
	cr_assert_eq(got[0], 3);
	cr_assert(cloexec);
	cr_assert_null(getenv("LISTEN_PID"));
	close(fd);
}

/* ---- accepting ---- */

struct door {
	struct loop *l;
	struct listener *ls;
	int n, refused, last_turn, max_per_turn, stop_at, family;
	int fds[512];
	bool pause, free, done;
};
static void on_accept(void *arg, int fd, const struct sockaddr *sa, socklen_t n)
{
	struct door *d = arg;

	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)n;
	d->family = sa->sa_family;
	d->fds[d->n++] = fd;
	d->last_turn++;
	if (d->pause)
		listener_pause(d->ls);
	if (d->free)
		listener_free(d->ls);
	if (d->n == d->stop_at)
		d->done = true;
}
static void on_refuse(void *arg, int fd)
{
	struct door *d = arg;
	d->refused++;
	cr_assert_eq(send(fd, "sorry", 5, MSG_NOSIGNAL), 5);
	close(fd);
}
static void on_turn_end(void *owner)
{
	struct door *d = owner;
	if (d->last_turn > d->max_per_turn)
		d->max_per_turn = d->last_turn;
	d->last_turn = 0;
}
static unsigned door_open(struct door *d, int *fd_r)
{
	struct loop_opts o = { .owner = d, .turn_end = on_turn_end };
	struct err e;

	*d = (struct door){ .l = loop_new(&o) };
	cr_assert_eq(
		listen_tcp("127.0.0.1", 0, &(struct listen_opts){ .backlog = 512 }, fd_r, 1, &e),
		1);
	d->ls = listener_new(d->l, *fd_r, on_accept, on_refuse, d);
	cr_assert_not_null(d->ls);
	return port_of(*fd_r);
}
static void door_close(struct door *d, int fd)
{
	for (int i = 0; i < d->n; i++)
		close(d->fds[i]);
	if (!d->free)
		listener_free(d->ls);
	loop_free(d->l);
	close(fd);
}

Test(listen, accepts_in_batches)
{
	struct door d;
	int fd, c[200];
	unsigned port = door_open(&d, &fd);

	for (int i = 0; i < 200; i++)
		cr_assert((c[i] = dial("127.0.0.1", port)) >= 0);
	d.stop_at = 200;
	cr_assert(ev_run(d.l, &d.done, 2000));
	cr_assert_eq(d.n, 200);
	cr_assert_eq(d.family, AF_INET);
	cr_assert_leq(d.max_per_turn, 64);
	for (int i = 0; i < 200; i++)
		close(c[i]);
	door_close(&d, fd);
}

Test(listen, pause_and_resume_also_inside_the_callback)
{
	struct door d;
	int fd, c[3];
	unsigned port = door_open(&d, &fd);

	d.pause = true;
	for (int i = 0; i < 3; i++)
		c[i] = dial("127.0.0.1", port);
	ev_run(d.l, NULL, 50);
	cr_assert_eq(d.n, 1);
	d.pause = false;
	listener_resume(d.ls);
	ev_run(d.l, NULL, 50);
	cr_assert_eq(d.n, 3);
	listener_pause(d.ls);
	listener_pause(d.ls);
	int x = dial("127.0.0.1", port);
	ev_run(d.l, NULL, 30);
	cr_assert_eq(d.n, 3);
	listener_resume(d.ls);
	listener_resume(d.ls);
	ev_run(d.l, NULL, 30);
	cr_assert_eq(d.n, 4);
	for (int i = 0; i < 3; i++)
		close(c[i]);
	close(x);
	door_close(&d, fd);
}

Test(listen, free_inside_the_callback)
{
	struct door d;
	int fd, a, b;
	unsigned port = door_open(&d, &fd);

	d.free = true;
	a = dial("127.0.0.1", port);
	b = dial("127.0.0.1", port);
	ev_run(d.l, NULL, 50);
	cr_assert_eq(d.n, 1);
	close(a);
	close(b);
	door_close(&d, fd);
}

Test(listen, out_of_descriptors_is_said_and_not_spun_on)
{
	struct door d;
	struct rlimit was, lim;
	struct rusage before, after;
	int fd, c[4], hog[64], n_hog = 0;
	unsigned port = door_open(&d, &fd);
	char text[8] = "";

	for (int i = 0; i < 4; i++)
		cr_assert((c[i] = dial("127.0.0.1", port)) >= 0);
	getrlimit(RLIMIT_NOFILE, &was);
	lim = was;
	lim.rlim_cur = 64;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	while (n_hog < 64 && (hog[n_hog] = dup(0)) >= 0)
		n_hog++;
	getrusage(RUSAGE_SELF, &before);
	ev_run(d.l, NULL, 250);
	getrusage(RUSAGE_SELF, &after);
	int refused = d.refused;
	while (n_hog)
		close(hog[--n_hog]);
	setrlimit(RLIMIT_NOFILE, &was);
	cr_assert_eq(d.n, 0);
	cr_assert_geq(refused, 1);
	cr_assert_leq(refused, 3, "one per pause, not %d", refused);
	cr_assert_lt(after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec -
			     before.ru_stime.tv_usec,
		100000);
	cr_assert_eq(recv(c[0], text, sizeof(text), 0), 5);
	cr_assert_str_eq(text, "sorry");
	ev_run(d.l, NULL, 250); /* there are some again */
	cr_assert_eq(d.n, 4 - refused);
	for (int i = 0; i < 4; i++)
		close(c[i]);
	door_close(&d, fd);
}

/* ---- options and addresses ---- */

Test(listen, socket_options)
{
	struct sock_opts o = { .keepalive = true,
		.keepidle_s = 11,
		.keepintvl_s = 7,
		.keepcnt = 3,
		.user_timeout_ms = 9000,
		.buffer_bytes = 65536 };
	int sv[2], v;
	socklen_t n = sizeof(v);
	unsigned uid;

	ev_tcp_pair(sv);
	sock_apply(sv[0], &o);
	getsockopt(sv[0], IPPROTO_TCP, TCP_NODELAY, &v, &n);
	cr_assert_neq(v, 0);
	getsockopt(sv[0], SOL_SOCKET, SO_KEEPALIVE, &v, &n);
	cr_assert_neq(v, 0);
	getsockopt(sv[0], IPPROTO_TCP, TCP_KEEPIDLE, &v, &n);
	cr_assert_eq(v, 11);
	getsockopt(sv[0], IPPROTO_TCP, TCP_KEEPINTVL, &v, &n);
	cr_assert_eq(v, 7);
	getsockopt(sv[0], IPPROTO_TCP, TCP_KEEPCNT, &v, &n);
	cr_assert_eq(v, 3);
	getsockopt(sv[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &v, &n);
	cr_assert_eq(v, 9000);
	getsockopt(sv[0], SOL_SOCKET, SO_RCVBUF, &v, &n);
	cr_assert_eq(v, 2 * 65536);
	cr_assert_eq(sock_peer_uid(sv[0], &uid), -1, "TCP knows no uid");
	close(sv[0]);
	close(sv[1]);
	ev_unix_pair(sv);
	sock_apply(sv[0], &o); /* ignored */
	close(sv[0]);
	close(sv[1]);
}

Test(listen, addr)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(99) };
	struct addr a;
	char text[48];
	int sv[2];

	ev_tcp_pair(sv);
	addr_peer(&a, sv[0]);
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "127.0.0.1");
	cr_assert_eq(addr_port(&a), port_of(sv[1]));
	close(sv[0]);
	close(sv[1]);
	addr_peer(&a, -1);
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "?");
	cr_assert_eq(addr_port(&a), 0);
	ev_unix_pair(sv);
	addr_peer(&a, sv[0]);
	cr_assert(addr_is_unix(&a));
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "unix");
	close(sv[0]);
	close(sv[1]);
	in6.sin6_addr = in6addr_loopback;
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, sizeof(in6));
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "::1");
	cr_assert_eq(addr_port(&a), 99);
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, sizeof(in6));
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "10.1.2.3");
	cr_assert_eq(a.u.sa.sa_family, AF_INET);
	cr_assert_eq(addr_port(&a), 99);
	addr_from_sockaddr(&a, (struct sockaddr *)&in6, 4); /* cut short */
	cr_assert_str_eq(addr_host(&a, text, sizeof(text)), "?");
}
