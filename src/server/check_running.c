/* check_running - does the weirpool of a configuration answer? GET /readyz where it has an HTTP
 * port; else what every client's first bytes are answered with, which a process that hangs does not
 * do. It logs in nowhere, and needs no password. One thread; waits, but not for long. */
#include "server_int.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S 3
#define ANSWER_MAX 4096

/* One place to ask. */
struct place {
	char unix_path[108]; /* "": TCP */
	char host[256];
	int port;
};

static const char *name_of(const struct place *p, char out[300])
{
	if (*p->unix_path)
		snprintf(out, 300, "unix:%s", p->unix_path);
	else
		snprintf(out, 300, strchr(p->host, ':') ? "[%s]:%d" : "%s:%d", p->host, p->port);
	return out;
}

static int wait_little(int fd)
{
	const struct timeval t = { .tv_sec = WAIT_S };
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	return fd;
}

static int try_unix(const struct place *p)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	bool abstract = p->unix_path[0] == '@';
	size_t n = strlen(p->unix_path);
	int fd = wait_little(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	memcpy(to.sun_path, p->unix_path, n);
	if (abstract)
		to.sun_path[0] = '\0';
	n += offsetof(struct sockaddr_un, sun_path) + !abstract;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, (socklen_t)n) == 0)
		return fd;
	close(fd);
	return -1;
}

static int try_tcp(const struct place *p)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char port[8];
	int fd = -1;
	snprintf(port, sizeof port, "%d", p->port);
	if (getaddrinfo(p->host, port, &want, &list) != 0)
		return -1;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = wait_little(socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0));
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* Sends what, and reads until there are want bytes or the end. How many; -1: errno says why. */
static ssize_t ask(const struct place *p, const void *what, size_t n, char *out, size_t want)
{
	int fd = *p->unix_path ? try_unix(p) : try_tcp(p);
	size_t got = 0;
	if (fd < 0)
		return -1;
	bool ok = n == 0 || send(fd, what, n, MSG_NOSIGNAL) == (ssize_t)n;
	while (ok && got < want) {
		ssize_t k = recv(fd, out + got, want - got, 0);
		if (k <= 0) {
			ok = k == 0;
			break;
		}
		got += (size_t)k;
	}
	int why = errno;
	close(fd);
	errno = why;
	return ok || got ? (ssize_t)got : -1;
}

static int tell(const struct place *p, bool ok, const char *what)
{
	char name[300];
	fprintf(ok ? stdout : stderr, "%s %s %.*s\n", ok ? "ok  " : "FAIL", name_of(p, name),
		(int)strcspn(what, "\r\n"), what);
	return ok ? 0 : 1;
}

static int ask_http(const struct place *p)
{
	static const char get[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
	char out[ANSWER_MAX + 1];
	ssize_t n = ask(p, get, sizeof get - 1, out, ANSWER_MAX);
	if (n < 0)
		return tell(p, false, strerror(errno));
	out[n] = '\0';
	const char *body = strstr(out, "\r\n\r\n");
	bool ok = strncmp(out, "HTTP/1.", 7) == 0 && strncmp(out + 8, " 200 ", 5) == 0;
	return tell(p, ok, body ? body + 4 : "no answer");
}

/* The first byte that a client of PostgreSQL hears is S or N; one of MySQL is greeted. */
static int ask_listener(const struct place *p, bool mysql, bool proxy)
{
	static const char ssl_request[] = { 0, 0, 0, 8, 4, (char)210, 22, 47 };
	char said[64] = "PROXY UNKNOWN\r\n", out[5] = { 0 };
	size_t n = proxy ? strlen(said) : 0;
	if (!mysql) {
		memcpy(said + n, ssl_request, sizeof ssl_request);
		n += sizeof ssl_request;
	}
	ssize_t got = ask(p, said, n, out, mysql ? 5 : 1);
	bool ok = mysql ? got == 5 && out[4] == 10 : got == 1 && (*out == 'S' || *out == 'N');
	if (!ok && proxy) /* not from this address */
		return ask_listener(p, mysql, false);
	return tell(p, ok, ok ? "answers" : got < 0 ? strerror(errno) : "no answer of a weirpool");
}

static void any_to_local(struct place *p)
{
	if (!strcmp(p->host, "*") || !strcmp(p->host, "0.0.0.0"))
		snprintf(p->host, sizeof p->host, "127.0.0.1");
	else if (!strcmp(p->host, "::"))
		snprintf(p->host, sizeof p->host, "::1");
}

/* proxy: from some addresses it wants to hear of a load balancer first. */
static int check_listener(const struct conf_listen *l, bool proxy)
{
	struct place p = { .port = l->port };
	const char *at = l->addr;
	bool tcp = conf_list_next(&at, p.host, sizeof p.host);
	any_to_local(&p);
	if (!tcp && l->unix_port)
		snprintf(p.unix_path, sizeof p.unix_path, "%s/.s.PGSQL.%d", l->unix_path,
			l->unix_port);
	else if (!tcp)
		snprintf(p.unix_path, sizeof p.unix_path, "%s", l->unix_path);
	return tcp || *l->unix_path ? ask_listener(&p, !strcmp(l->kind->name, "mysql"), proxy) : 0;
}

int server_check_running(const struct conf *conf)
{
	const struct conf_global *g = &conf->global;
	struct conf_listen ls[CONF_LISTENS_MAX];
	unsigned n = conf_listens(conf, ls);
	struct place p = { .port = g->http_port };
	const char *at = g->http_listen_addr;
	int code = 0;
	snprintf(p.unix_path, sizeof p.unix_path, "%s", g->http_unix_socket);
	bool tcp = !*p.unix_path && g->http_port && !*g->http_tls_cert_file &&
		   conf_list_next(&at, p.host, sizeof p.host);
	any_to_local(&p);
	if (*p.unix_path || tcp)
		return ask_http(&p);
	for (unsigned i = 0; i < n; i++)
		code |= check_listener(&ls[i], *g->proxy_protocol_networks);
	return code;
}
