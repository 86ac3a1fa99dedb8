/* ask_my - one connection to a MySQL or MariaDB server over the same stream, TLS and link states as
 * the pools', on a loop of its own that is run until something has come: it waits. For the command
 * line and helper threads, not for a worker. Any thread, one at a time. */
#include "ask_my.h"

#include "ev/loop.h"
#include "ev/stream.h"
#include "ev/tls.h"
#include "proto/proto.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define WAIT_US INT64_C(15000000)
#define READ_BYTES 65536

struct my_asker {
	struct loop *loop;
	struct timer timer;
	struct stream st;
	struct tls_ctx *tls;
	const char *host; /* for its certificate; borrowed while opening */
	void *lst;
	struct proto_env *env;
	struct buf up, down;
	struct my_answer *answer;
	bool late, connected, handshaken;
	int connect_errno;
	struct err tls_err;
};

/* ---- waiting ---- */

static void on_io(struct stream *st, void *owner)
{
	(void)st;
	loop_stop(((struct my_asker *)owner)->loop);
}

static void on_connected(struct stream *st, void *owner, int err)
{
	struct my_asker *a = owner;
	a->connected = true;
	a->connect_errno = err;
	on_io(st, a);
}

static void on_handshaken(struct stream *st, void *owner, const struct err *e)
{
	struct my_asker *a = owner;
	a->handshaken = true;
	if (e)
		a->tls_err = *e;
	on_io(st, a);
}

static const struct stream_cb stream_cb = {
	.readable = on_io, .drained = on_io, .connected = on_connected, .handshaken = on_handshaken
};

static void on_late(struct timer *t, void *arg)
{
	struct my_asker *a = arg;
	(void)t;
	a->late = true;
	loop_stop(a->loop);
}

/* Until anything has happened. */
static int wait_some(struct my_asker *a, struct err *e)
{
	timer_set(a->loop, &a->timer, loop_now_us(a->loop) + WAIT_US);
	loop_run(a->loop);
	timer_clear(a->loop, &a->timer);
	return a->late ? err_set(e, ERR_SERVER_LOST, "the server says nothing for %d seconds",
				 (int)(WAIT_US / 1000000))
		       : 0;
}

/* ---- connecting ---- */

static int connect_addr(
	struct my_asker *a, const struct sockaddr *sa, socklen_t n, const char *name, struct err *e)
{
	a->connected = false;
	if (stream_connect(&a->st, a->loop, sa, n, &stream_cb, a, e) != 0)
		return -1;
	while (!a->connected)
		if (wait_some(a, e) != 0)
			return -1;
	if (a->connect_errno == 0)
		return 0;
	stream_close(&a->st);
	return err_set(e, ERR_SERVER_CONNECT, "%s: %s", name, strerror(a->connect_errno));
}

/* h names the socket itself. */
static int connect_unix(struct my_asker *a, const struct conf_host *h, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t at = h->kind == CONF_HOST_ABSTRACT, n = strlen(h->host);
	if (n + 1 >= sizeof to.sun_path)
		return err_set(e, ERR_SERVER_CONNECT, "%s: too long for a socket", h->host);
	memcpy(to.sun_path + at, h->host, n);
	n += offsetof(struct sockaddr_un, sun_path) + 1;
	return connect_addr(a, (const struct sockaddr *)&to, (socklen_t)n, h->host, e);
}

static int connect_to(struct my_asker *a, const struct conf_host *h, struct err *e)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char port[8], name[300];
	int rc = -1;
	if (h->kind != CONF_HOST_TCP)
		return connect_unix(a, h, e);
	snprintf(port, sizeof port, "%u", (unsigned)h->port);
	snprintf(name, sizeof name, "%s port %s", h->host, port);
	int code = getaddrinfo(h->host, port, &want, &list);
	if (code != 0)
		return err_set(e, ERR_SERVER_CONNECT, "%s: %s", h->host, gai_strerror(code));
	for (const struct addrinfo *i = list; i && rc != 0; i = i->ai_next) {
		rc = connect_addr(a, i->ai_addr, i->ai_addrlen, name, e);
		if (a->late)
			break;
	}
	freeaddrinfo(list);
	return rc;
}

/* ---- talking ---- */

static int flush_up(struct my_asker *a, struct err *e)
{
	if (stream_flush_buf(&a->st, &a->up))
		return 0;
	return err_set(e, ERR_SERVER_LOST, "the server takes nothing: %s",
		a->st.error ? strerror(a->st.error) : "too much to send");
}

static int fill_in(struct my_asker *a, struct err *e)
{
	for (;;) {
		uint8_t *room = buf_reserve(&a->st.in, READ_BYTES);
		size_t n = room ? stream_read(&a->st, room, READ_BYTES) : 0;
		buf_commit(&a->st.in, n);
		if (n > 0)
			return 0;
		if (!room)
			return err_set(e, ERR_NO_MEMORY, "the answer is too large");
		if (a->st.eof || a->st.error)
			return err_set(e, ERR_SERVER_LOST, "the server says nothing more: %s",
				a->st.error ? strerror(a->st.error) : "connection closed");
		if (wait_some(a, e) != 0)
			return -1;
	}
}

/* What came in clear before the handshake is nobody's word. */
static int start_tls(struct my_asker *a, struct err *e)
{
	if (buf_len(&a->st.in) > 0)
		return err_set(e, ERR_SERVER_PROTOCOL,
			"the server sent bytes in clear before the TLS handshake");
	if (flush_up(a, e) != 0 || stream_tls_connect(&a->st, a->tls, a->host, e) != 0)
		return -1;
	while (!a->handshaken)
		if (wait_some(a, e) != 0)
			return -1;
	if (err_is(&a->tls_err))
		return err_set(e, ERR_SERVER_CONNECT, "%s", a->tls_err.msg);
	proto_mysql.link_tls_done(a->lst, NULL, 0, &a->up);
	return 0;
}

static void take_row(struct my_answer *ans, const struct pev *ev)
{
	ans->width = ev->n_cells;
	for (unsigned i = 0; i < ev->n_cells; i++) {
		buf_put_u8(&ans->cells, ev->cells[i] == NULL);
		buf_putz(&ans->cells, ev->cells[i] != NULL ? ev->cells[i] : "");
	}
}

/* Up to the end of the login, or of the answer. */
static int run(struct my_asker *a, bool login, struct err *e)
{
	for (;;) {
		struct err why = { 0 };
		const uint8_t *p = buf_data(&a->st.in);
		size_t n = buf_len(&a->st.in);
		struct pev ev = login ? proto_mysql.link_step(a->lst, p, n, &a->up, &why)
				      : proto_mysql.down(
						NULL, a->lst, p, n, &a->up, &a->down, &why);
		if (ev.kind == PEV_ROW)
			take_row(a->answer, &ev);
		buf_consume(&a->st.in, ev.n);
		buf_fini(&a->down);
		if (ev.kind == PEV_BAD || ev.kind == PEV_LINK_BAD || err_is(&why))
			return err_set(e, ERR_SERVER_REFUSED, "%s",
				*why.msg ? why.msg : "the server refused");
		if (ev.kind == PEV_TLS && start_tls(a, e) != 0)
			return -1;
		if (flush_up(a, e) != 0)
			return -1;
		if (login ? ev.kind == PEV_AUTH_OK : ev.kind == PEV_QUERY_DONE)
			return 0;
		if (ev.kind == PEV_MORE && fill_in(a, e) != 0)
			return -1;
	}
}

static int log_in(struct my_asker *a, const struct conf_host *h, const struct server_account *who,
	struct err *e)
{
	bool tcp = h->kind == CONF_HOST_TCP;
	struct proto_creds creds = { 0 };
	struct proto_link_login l = { .user = who->user,
		.database = who->database,
		.params = (const struct proto_kv[]){ { NULL, NULL } },
		.creds = &creds,
		.tls_try = a->tls && tcp,
		.tls_require = a->tls && tcp && who->set->server_tls.mode >= CONF_TLS_REQUIRE,
		.is_private = !tcp };
	int code = -1;
	snprintf(creds.password, sizeof creds.password, "%s", who->password);
	a->lst = mem_alloc(MEM_MISC, proto_mysql.link_size);
	if (a->lst == NULL || proto_mysql.link_init(a->lst, a->env, &l, &a->up, e) != 0) {
		mem_free(MEM_MISC, a->lst);
		a->lst = NULL;
	} else if (flush_up(a, e) == 0) {
		code = run(a, true, e);
	}
	mem_wipe(&creds, sizeof creds);
	return code;
}

int my_asker_ask(struct my_asker *a, const char *sql, struct my_answer *ans, struct err *e)
{
	buf_fini(&ans->cells);
	a->answer = ans;
	proto_mysql.link_query(a->lst, sql, NULL, &a->up);
	if (flush_up(a, e) != 0 || run(a, false, e) != 0)
		return -1;
	return ans->cells.failed ? err_set(e, ERR_NO_MEMORY, "the answer is too large") : 0;
}

bool my_answer_next(const struct my_answer *ans, const uint8_t **p, const char *cells[2])
{
	const uint8_t *end = buf_data(&ans->cells) + buf_len(&ans->cells);
	if (ans->width != 2 || *p == NULL || *p >= end)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		cells[i] = **p ? NULL : (const char *)*p + 1;
		*p += 2 + strlen((const char *)*p + 1);
	}
	return true;
}

const char *my_asker_tls(const struct my_asker *a)
{
	return a->st.tls == STREAM_TLS ? tls_version(a->st.ssl) : NULL;
}

/* ---- the whole ---- */

static int open_all(struct my_asker *a, const struct conf_host *h, const struct server_account *who,
	size_t bytes_max, struct err *e)
{
	const struct proto_env_opts env = { .stmt_bytes = 1 << 20 };
	a->tls = core_server_tls(who->set, &proto_mysql, e);
	if (!a->tls && err_is(e))
		return -1;
	a->loop = loop_new(&(struct loop_opts){ .owner = a });
	a->env = proto_mysql.env_new(&env);
	if (!a->loop || !a->env)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (connect_to(a, h, e) != 0)
		return -1;
	a->st.in.cap = bytes_max;
	if (who->set->server_proxy_protocol != CONF_PROXY_OFF)
		(void)stream_put_proxy(&a->st, NULL);
	return log_in(a, h, who, e);
}

struct my_asker *my_asker_open(const struct conf_host *h, const struct server_account *who,
	size_t bytes_max, struct err *e)
{
	struct my_asker *a = mem_xalloc(MEM_MISC, sizeof *a);
	a->host = h->host;
	a->st.fd = -1;
	a->st.closed = true;
	timer_init(&a->timer, on_late, a);
	buf_init(&a->up, 0);
	buf_init(&a->down, 0);
	if (open_all(a, h, who, bytes_max, e) != 0)
		my_asker_close(&a);
	return a;
}

void my_asker_close(struct my_asker **ap)
{
	struct my_asker *a = *ap;
	*ap = NULL;
	if (!a)
		return;
	if (a->lst)
		proto_mysql.link_fini(a->lst);
	mem_free(MEM_MISC, a->lst);
	stream_close(&a->st);
	buf_wipe(&a->up);
	buf_fini(&a->down);
	if (a->env)
		proto_mysql.env_free(a->env);
	loop_free(a->loop);
	tls_ctx_unref(a->tls);
	mem_free(MEM_MISC, a);
}

int server_ask_my(const struct conf_host *h, const struct server_account *who, const char *sql,
	struct my_said *said, struct err *e)
{
	struct my_answer ans = { .width = 0 };
	struct my_asker *a = my_asker_open(h, who, READ_BYTES, e);
	int code = -1;
	*said = (struct my_said){ .tls = "" };
	if (!a)
		return -1;
	buf_init(&ans.cells, READ_BYTES);
	const char *got[2] = { NULL, NULL }, *tls = my_asker_tls(a);
	if (my_asker_ask(a, sql, &ans, e) == 0) {
		const uint8_t *p = buf_data(&ans.cells);
		code = my_answer_next(&ans, &p, got)
			       ? 0
			       : err_set(e, ERR_SERVER_PROTOCOL, "it gave no row");
	}
	for (unsigned i = 0; i < 2; i++)
		snprintf(said->cells[i], sizeof said->cells[i], "%s", got[i] ? got[i] : "");
	snprintf(said->tls, sizeof said->tls, "%s", tls ? tls : "");
	buf_fini(&ans.cells);
	my_asker_close(&a);
	return code;
}
