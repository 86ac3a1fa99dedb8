/* http_ports - opens the sockets of the HTTP port. Ignorant of what is answered there. Control
 * thread, at the start. */
#include "server_int.h"

#include <string.h>
#include <unistd.h>

#define BACKLOG 64

static int open_tcp(const struct conf_global *g, struct http_listen *ls, unsigned *n, struct err *e)
{
	const struct listen_opts o = { .backlog = BACKLOG };
	const char *at = g->http_listen_addr;
	int fds[HTTP_LISTEN_MAX];
	char item[256];
	while (conf_list_next(&at, item, sizeof item)) {
		int got = listen_tcp(
			item, (unsigned)g->http_port, &o, fds, HTTP_LISTEN_MAX - 1 - *n, e);
		if (got < 0)
			return -1;
		for (int i = 0; i < got; i++)
			ls[(*n)++] = (struct http_listen){ fds[i], false };
		log_info("listening on %s:%d (http)", item, g->http_port);
	}
	return 0;
}

int http_ports_open(const struct conf_global *g, bool may_fail, struct http_listen *ls,
	unsigned *n_r, struct err *e)
{
	/* the group of the other unix sockets may use this one too, and nobody else */
	const struct listen_opts o = { .backlog = BACKLOG,
		.unix_group = g->unix_socket_group,
		.unix_mode = *g->unix_socket_group ? 0660 : 0600 };
	*n_r = 0;
	if (*g->http_unix_socket) {
		if (listen_unix(g->http_unix_socket, 0, &o, &ls[*n_r].fd, e) != 0)
			return -1;
		ls[(*n_r)++].is_unix = true;
		log_info("listening on unix:%s (http)", g->http_unix_socket);
	}
	if (!g->http_port || open_tcp(g, ls, n_r, e) == 0)
		return 0;
	if (may_fail) {
		log_warn("no status page: %s", e->msg);
		*e = (struct err){ 0 };
		return 0;
	}
	http_ports_close(g, ls, *n_r);
	return -1;
}

void http_ports_close(const struct conf_global *g, const struct http_listen *ls, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(ls[i].fd);
	if (*g->http_unix_socket)
		listen_unlink_unix(g->http_unix_socket, 0);
}
