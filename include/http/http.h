/* http - the operators' HTTP port: health, the rows of every SHOW as JSON, a few commands by POST,
 * and the status page. Ignorant of what the console's commands do and of how the process ends.
 * Control thread. doc/http.md says what it answers. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H
#include "base/buf.h"
#include "core/core.h"

/* What only server/ can do. */
struct http_hooks {
	void *arg;
	/* As SIGTERM. who: for the log. */
	void (*drain)(void *arg, const char *who);
	void (*quit)(void *arg, const char *who); /* as SIGQUIT */
	/* Prometheus' text of all metrics, or of those that name and scope say (NULL: all). done()
	 * comes later, once; it may empty text, and gets NULL when there is no memory. -1 and e: it
	 * does not come. */
	int (*metrics)(void *arg, const char *name, const char *scope,
		void (*done)(void *done_arg, struct buf *text), void *done_arg, struct err *e);
	/* Why this weirpool shall get no new clients, or NULL. */
	const char *(*leaving)(void *arg);
};
#define HTTP_LISTEN_MAX 16
struct http_listen { /* a descriptor that listens; becomes http's, also when that fails */
	int fd;
	bool is_unix;
};
struct http;
/* Serves at once, and reads core->gen for its options as they change. NULL with e. */
struct http *http_new(struct core *c, const struct http_hooks *hooks, const struct http_listen *ls,
	unsigned n, struct err *e);
/* Cuts all connections. Before admin_free(), whose last answers find nobody. *h may be NULL. */
void http_accept(struct http *h, bool on); /* off: who is there is still answered */
void http_free(struct http **h);
#endif
