/* http_ports - opens the sockets of the HTTP port. Ignorant of what is answered there. Control
 * thread, at the start. */
#include "server_int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 64

static int open_tcp(struct sockets *s, const struct conf_global *g, struct http_listen *ls,
	unsigned *n, struct err *e)
{
	const struct listen_opts o = { .backlog = BACKLOG };
	const char *at = g->http_listen_addr;
	int fds[SOCKETS_MAX];
	char item[256], key[SOCKET_KEY_MAX];
	while (conf_list_next(&at, item, sizeof item)) {
		snprintf(key, sizeof key, "http %s:%d", item, g->http_port);
		int got = sockets_take(s, key, 0, fds);
		if (got == 0)
			got = listen_tcp(
				item, (unsigned)g->http_port, &o, fds, HTTP_LISTEN_MAX - 1 - *n, e);
		if (got < 0)
			return -1;
		for (int i = 0; i < got; i++) {
			if (*n == HTTP_LISTEN_MAX) {
				close(fds[i]);
				continue;
			}
			ls[(*n)++] = (struct http_listen){ fds[i], false };
			sockets_also(s, fds[i], key);
		}
		log_event(EVENT_LISTENING, "listening on %s:%d (http)", item, g->http_port);
	}
	return 0;
}

static int open_unix(
	struct sockets *s, const struct conf_global *g, struct http_listen *l, struct err *e)
{
	/* the group of the other unix sockets may use this one too, and nobody else */
	const struct listen_opts o = { .backlog = BACKLOG,
		.unix_group = g->unix_socket_group,
		.unix_mode = *g->unix_socket_group ? 0660 : 0600 };
	char key[SOCKET_KEY_MAX];
	int fds[SOCKETS_MAX];
	snprintf(key, sizeof key, "http unix:%.200s", g->http_unix_socket);
	if (sockets_take(s, key, 0, fds) == 0 &&
		listen_unix(g->http_unix_socket, 0, &o, fds, e) != 0)
		return -1;
	*l = (struct http_listen){ fds[0], true };
	sockets_also(s, fds[0], key);
	log_event(EVENT_LISTENING, "listening on unix:%s (http)", g->http_unix_socket);
	return 0;
}

int http_ports_open(struct sockets *s, const struct conf_global *g, bool may_fail,
	struct http_listen *ls, unsigned *n_r, struct err *e)
{
	*n_r = 0;
	if (*g->http_unix_socket) {
		if (open_unix(s, g, ls, e) != 0)
			return -1;
		*n_r = 1;
	}
	if (!g->http_port || open_tcp(s, g, ls, n_r, e) == 0)
		return 0;
	if (may_fail) {
		log_event(EVENT_NO_HTTP, "no status page: %s", e->msg);
		*e = (struct err){ 0 };
		return 0;
	}
	http_ports_close(s, g, ls, *n_r);
	return -1;
}

void http_ports_close(const struct sockets *s, const struct conf_global *g,
	const struct http_listen *ls, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(ls[i].fd);
	if (*g->http_unix_socket && !s->shared)
		listen_unlink_unix(g->http_unix_socket, 0);
}
