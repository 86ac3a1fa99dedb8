/* sockets - where it listens: the sockets that the configuration names, opened, or taken from
 * systemd or from the process before (an upgrade), by its words for them. Ignorant of how they are
 * brought. Control thread. */
#include "server_int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char from_systemd[] = "systemd";

static void add_fds(
	struct sockets *s, const int *fds, int n, const struct conf_listen *cl, const char *key)
{
	const struct proto_ops *ops = proto_by_name(cl->kind->name);
	if (ops->prepare)
		ops->prepare();
	for (int i = 0; i < n && s->n < CORE_LISTEN_MAX; i++) {
		snprintf(s->key[s->n], sizeof s->key[0], "%s", key);
		s->ls[s->n++] = (struct core_listen){ fds[i], ops, cl->endpoint };
	}
}

/* ---- those that others have opened ---- */

/* Which of the places is this one? */
static const struct conf_listen *recognize(int fd, const struct conf_listen *cl, unsigned n)
{
	struct sockaddr_un un = { 0 };
	struct addr a;
	addr_local(&a, fd);
	(void)getsockname(fd, (struct sockaddr *)&un, &(socklen_t){ sizeof un - 1 });
	for (unsigned i = 0; i < n; i++) {
		bool same = addr_port(&a) == (unsigned)cl[i].port;
		if (addr_is_unix(&a))
			same = !cl[i].unix_port && *cl[i].unix_path &&
			       !strcmp(un.sun_path, cl[i].unix_path);
		if (same)
			return &cl[i];
	}
	return &cl[0];
}

bool sockets_bring(struct sockets *s, int fd, const char *key)
{
	if (s->brought_n == SOCKETS_MAX)
		return false;
	s->brought[s->brought_n].fd = fd;
	snprintf(s->brought[s->brought_n++].key, SOCKET_KEY_MAX, "%s", key);
	return true;
}

int sockets_take(struct sockets *s, const char *key, int backlog, int *fds_r)
{
	int n = 0;
	for (unsigned i = 0; i < s->brought_n; i++) {
		if (s->brought[i].fd < 0 || strcmp(s->brought[i].key, key) != 0)
			continue;
		fds_r[n] = s->brought[i].fd;
		s->brought[i].fd = -1;
		if (backlog > 0)
			(void)listen(fds_r[n], backlog);
		n++;
	}
	return n;
}

void sockets_also(struct sockets *s, int fd, const char *key)
{
	if (s->also_n == HTTP_LISTEN_MAX)
		return; /* it is not handed over: the next process opens its own, or says why not */
	s->also[s->also_n].fd = fd;
	snprintf(s->also[s->also_n++].key, SOCKET_KEY_MAX, "%s", key);
}

void sockets_drop_brought(struct sockets *s)
{
	for (unsigned i = 0; i < s->brought_n; i++) {
		struct sockaddr_un un = { 0 };
		int fd = s->brought[i].fd;
		if (fd < 0)
			continue;
		log_event(EVENT_LISTENING, "not listening any more on %s", s->brought[i].key);
		(void)getsockname(fd, (struct sockaddr *)&un, &(socklen_t){ sizeof un - 1 });
		if (un.sun_family == AF_UNIX && un.sun_path[0] == '/')
			(void)unlink(un.sun_path);
		close(fd);
	}
	s->brought_n = 0;
}

/* ---- opening ---- */

static int open_tcp(struct sockets *s, const struct conf_global *g, const struct conf_listen *cl,
	const char *host, struct err *e)
{
	const struct listen_opts o = { .backlog = g->listen_backlog, .reuseport = g->so_reuseport };
	int fds[SOCKETS_MAX];
	char key[SOCKET_KEY_MAX];
	snprintf(key, sizeof key, "%.250s:%d", host, cl->port);
	int n = sockets_take(s, key, o.backlog, fds);
	if (n == 0)
		n = listen_tcp(host, (unsigned)cl->port, &o, fds, CORE_LISTEN_MAX - 4 - s->n, e);
	if (n < 0)
		return -1;
	/* a client that is greeted first sends nothing until then */
	if (g->tcp_defer_accept && !proto_by_name(cl->kind->name)->greets)
		for (int i = 0; i < n; i++)
			(void)setsockopt(
				fds[i], IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){ 45 }, sizeof(int));
	add_fds(s, fds, n, cl, key);
	log_event(EVENT_LISTENING, "listening on %s:%d (%s)", host, cl->port, cl->kind->name);
	return 0;
}

static int open_unix(
	struct sockets *s, const struct conf_global *g, const struct conf_listen *cl, struct err *e)
{
	const struct listen_opts o = {
		.backlog = g->listen_backlog,
		.unix_group = g->unix_socket_group,
		.unix_mode = g->unix_socket_mode,
	};
	int fds[SOCKETS_MAX];
	char key[SOCKET_KEY_MAX];
	if (cl->unix_port)
		snprintf(key, sizeof key, "unix:%.200s/.s.PGSQL.%d", cl->unix_path, cl->unix_port);
	else
		snprintf(key, sizeof key, "unix:%.200s (%s)", cl->unix_path, cl->kind->name);
	int n = sockets_take(s, key, o.backlog, fds);
	if (n == 0) {
		if (listen_unix(cl->unix_path, (unsigned)cl->unix_port, &o, fds, e) != 0)
			return -1;
		n = 1;
	}
	add_fds(s, fds, n, cl, key);
	log_event(EVENT_LISTENING, "listening on %s", key);
	return 0;
}

static int listen_on(
	struct sockets *s, const struct conf_global *g, const struct conf_listen *cl, struct err *e)
{
	char item[256];
	const char *at = cl->addr;
	while (conf_list_next(&at, item, sizeof item))
		if (open_tcp(s, g, cl, item, e) != 0)
			return -1;
	return *cl->unix_path ? open_unix(s, g, cl, e) : 0;
}

int sockets_open(struct sockets *s, const struct conf *conf, struct err *e)
{
	struct conf_listen cl[CONF_LISTENS_MAX];
	unsigned n_cl = conf_listens(conf, cl);
	int fds[SOCKETS_MAX];
	int n = s->brought_n ? sockets_take(s, from_systemd, 0, fds)
			     : listen_inherited(fds, CORE_LISTEN_MAX);
	for (int i = 0; i < n; i++)
		add_fds(s, &fds[i], 1, recognize(fds[i], cl, n_cl), from_systemd);
	if (n > 0) {
		log_event(EVENT_LISTENING, "listening on %d sockets given by systemd", n);
		return 0;
	}
	for (unsigned i = 0; i < n_cl; i++)
		if (listen_on(s, &conf->global, &cl[i], e) != 0)
			return -1;
	if (s->n == 0)
		return err_set(e, ERR_CONFIG,
			"nowhere to listen: listen_addr and unix_socket_dir are both empty");
	return 0;
}

/* Did any of the first n? */
static bool listens_for(const struct sockets *s, unsigned n, const struct proto_ops *ops)
{
	for (unsigned i = 0; i < n; i++)
		if (s->ls[i].ops == ops)
			return true;
	return false;
}

int sockets_open_new(struct sockets *s, const struct conf *conf, struct err *e)
{
	struct conf_listen cl[CONF_LISTENS_MAX];
	unsigned n_cl = conf_listens(conf, cl), before = s->n;
	for (unsigned i = 1; i < n_cl; i++) {
		if (listens_for(s, before, proto_by_name(cl[i].kind->name)))
			continue;
		if (listen_on(s, &conf->global, &cl[i], e) == 0)
			continue;
		while (s->n > before)
			close(s->ls[--s->n].fd);
		return -1;
	}
	return 0;
}

/* ---- the end ---- */

void sockets_give(const struct conf *conf, const char *user)
{
	struct conf_listen cl[CONF_LISTENS_MAX];
	unsigned n = conf_listens(conf, cl);
	for (unsigned i = 0; i < n; i++)
		if (*cl[i].unix_path && *cl[i].unix_path != '@')
			daemon_give(user, cl[i].unix_path, (unsigned)cl[i].unix_port);
}

void sockets_close(struct sockets *s, const struct conf *conf)
{
	struct conf_listen cl[CONF_LISTENS_MAX];
	unsigned n = conf_listens(conf, cl);
	for (unsigned i = 0; i < s->n; i++)
		close(s->ls[i].fd);
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++)
		if (proto_table[i]->prepared) /* also one whose socket could not be opened */
			proto_table[i]->prepared();
	for (unsigned i = 0; i < s->brought_n; i++)
		if (s->brought[i].fd >= 0)
			close(s->brought[i].fd);
	for (unsigned i = 0; i < n && s->n && !s->shared; i++)
		if (*cl[i].unix_path)
			listen_unlink_unix(cl[i].unix_path, (unsigned)cl[i].unix_port);
	s->n = s->brought_n = 0;
}
