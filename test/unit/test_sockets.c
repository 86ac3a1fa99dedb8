/* server/sockets: a place that cannot be opened leaves nothing behind. */
#include "../../src/server/server_int.h"
#include "conf_try.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(sockets, .timeout = 60);

static unsigned joined;

/* In place of libc's, which it calls. */
int pthread_join(pthread_t t, void **value)
{
	int (*real)(pthread_t, void **);
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
	joined++;
	return real(t, value);
}

static int taken_port(unsigned *port_r)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t n = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	*port_r = ntohs(sa.sin_port);
	return fd;
}

/* RELOAD brings MySQL: with its first port open, a thread makes its key; the second one is
 * somebody's. */
Test(sockets, a_port_that_is_taken_leaves_no_thread)
{
	struct sockets s = { 0 };
	struct err e = { 0 };
	char text[300];
	unsigned port;
	int fd = taken_port(&port);
	snprintf(text, sizeof text,
		"[mysql_databases]\na = host=127.0.0.1\n[weirpool]\nauth_type = any\n"
		"unix_socket_dir =\nmysql_listen_addr = 127.0.0.2,127.0.0.1\n"
		"mysql_listen_port = %u\n",
		port);
	struct attempt t = try_text(text);
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_eq(sockets_open_new(&s, t.conf, &e), -1);
	cr_assert_eq(s.n, 0);
	cr_assert_eq(joined, 0);
	sockets_close(&s, t.conf);
	cr_assert_eq(joined, 1, "the thread that makes the key still runs");
	sockets_close(&s, t.conf);
	cr_assert_eq(joined, 1);
	conf_free(&t.conf);
	close(fd);
}
