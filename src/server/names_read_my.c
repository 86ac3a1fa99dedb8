/* names_read_my - the names that are not for a replica, from the dictionary of a MySQL or MariaDB
 * server: one connection, without TLS, over the same link states as the pools', waiting. For the
 * command line, not for a worker. Any thread. */
#include "server_int.h"

#include "conf/url.h"
#include "proto/proto.h"
#include "sql/names_my.h"

#include "base/num.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX (256u * 1024 * 1024)
#define WAIT_S 15

/* One answer: its rows, cells one behind the other, each with its NUL; before each a byte that
 * tells whether it is NULL. */
struct answer {
	struct buf cells;
	unsigned width; /* cells of a row */
};

struct asker {
	int fd;
	void *lst;
	struct proto_env *env;
	struct buf in, up, down;
	struct answer *answer;
};

/* h names the socket itself. */
static int connect_unix(const struct conf_host *h, struct err *e)
{
	struct timeval t = { .tv_sec = WAIT_S };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t at = h->kind == CONF_HOST_ABSTRACT;

	snprintf(to.sun_path + at, sizeof to.sun_path - at, "%s", h->host);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	socklen_t n =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + at + strlen(h->host) + !at);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, n) == 0)
		return fd;
	err_set(e, ERR_SERVER_CONNECT, "%s: %s", h->host, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int connect_to(const struct conf_host *h, struct err *e)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct timeval t = { .tv_sec = WAIT_S };
	char port[8];
	int fd = -1;

	if (h->kind != CONF_HOST_TCP)
		return connect_unix(h, e);
	snprintf(port, sizeof port, "%u", (unsigned)h->port);
	int code = getaddrinfo(h->host, port, &want, &list);

	if (code != 0)
		return err_set(e, ERR_SERVER_CONNECT, "%s: %s", h->host, gai_strerror(code));
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			err_set(e, ERR_SERVER_CONNECT, "%s port %s: %s", h->host, port,
				strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static int flush_up(struct asker *a, struct err *e)
{
	while (buf_len(&a->up) > 0) {
		ssize_t n = send(a->fd, buf_data(&a->up), buf_len(&a->up), MSG_NOSIGNAL);

		if (n <= 0)
			return err_set(e, ERR_SERVER_LOST, "the server takes nothing: %s",
				strerror(errno));
		buf_consume(&a->up, (size_t)n);
	}
	return 0;
}

static int fill_in(struct asker *a, struct err *e)
{
	uint8_t *room = buf_reserve(&a->in, 65536);
	ssize_t n = room != NULL ? recv(a->fd, room, 65536, 0) : -1;

	buf_commit(&a->in, n > 0 ? (size_t)n : 0);
	if (n > 0)
		return 0;
	return err_set(e, ERR_SERVER_LOST, "the server says nothing more: %s",
		n == 0 ? "connection closed" : strerror(errno));
}

static void take_row(struct answer *ans, const struct pev *ev)
{
	ans->width = ev->n_cells;
	for (unsigned i = 0; i < ev->n_cells; i++) {
		buf_put_u8(&ans->cells, ev->cells[i] == NULL);
		buf_putz(&ans->cells, ev->cells[i] != NULL ? ev->cells[i] : "");
	}
}

/* Up to the end of the login, or of the answer. */
static int run(struct asker *a, bool login, struct err *e)
{
	for (;;) {
		struct err why = { 0 };
		const uint8_t *p = buf_data(&a->in);
		size_t n = buf_len(&a->in);
		struct pev ev = login ? proto_mysql.link_step(a->lst, p, n, &a->up, &why)
				      : proto_mysql.down(
						NULL, a->lst, p, n, &a->up, &a->down, &why);

		if (ev.kind == PEV_ROW)
			take_row(a->answer, &ev);
		buf_consume(&a->in, ev.n);
		buf_fini(&a->down);
		if (ev.kind == PEV_BAD || ev.kind == PEV_LINK_BAD || err_is(&why))
			return err_set(e, ERR_SERVER_REFUSED, "%s",
				*why.msg ? why.msg : "the server refused");
		if (flush_up(a, e) != 0)
			return -1;
		if (login ? ev.kind == PEV_AUTH_OK : ev.kind == PEV_QUERY_DONE)
			return 0;
		if (ev.kind == PEV_MORE && fill_in(a, e) != 0)
			return -1;
	}
}

static int ask(struct asker *a, const char *sql, struct answer *ans, struct err *e)
{
	buf_fini(&ans->cells);
	a->answer = ans;
	proto_mysql.link_query(a->lst, sql, NULL, &a->up);
	if (flush_up(a, e) != 0 || run(a, false, e) != 0)
		return -1;
	return ans->cells.failed ? err_set(e, ERR_NO_MEMORY, "the answer is too large") : 0;
}

static int login(struct asker *a, const struct my_account *who, struct err *e)
{
	struct proto_creds creds = { 0 };
	struct proto_link_login l = { .user = who->user,
		.database = who->database,
		.params = (const struct proto_kv[]){ { NULL, NULL } },
		.creds = &creds };
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

/* The cells of a row, from *p on. False at the end. */
static bool next_row(const struct answer *ans, const uint8_t **p, const char *cells[2])
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

static bool add_names(struct sql_names *s, const struct sql_my_opts *o, const struct answer *ans)
{
	for (bool news = true; news;) {
		const uint8_t *p = buf_data(&ans->cells);
		const char *cells[2];

		for (news = false; next_row(ans, &p, cells);) {
			if (cells[0] == NULL)
				continue;
			if (cells[1] != NULL ? !sql_names_my_view(s, o, cells[0], cells[1], &news)
					     : !sql_names_add(s, cells[0], strlen(cells[0]),
						       SQL_NAME_DANGER))
				return false;
		}
	}
	return true;
}

/* "9.7.4", "10.11.19-MariaDB-..." */
static void read_version(const char *text, struct sql_my_opts *o)
{
	uint64_t part[3] = { 0, 0, 0 };

	o->mariadb = strstr(text, "MariaDB") != NULL;
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strspn(text, "0123456789");

		if (num_u64n(text, n, 0, 999, &part[i]) != 0)
			break;
		text += n + (text[n] == '.');
	}
	o->version = (unsigned)(part[0] * 10000 + part[1] * 100 + part[2]);
}

/* NULL: there is none. */
static const char *first_cell(const struct answer *ans)
{
	const char *cells[2];
	const uint8_t *p = buf_data(&ans->cells);
	return next_row(ans, &p, cells) ? cells[0] : NULL;
}

/* May it see all views? Those that it may not see would be taken for tables. */
static int check_rights(struct asker *a, struct answer *ans, struct err *e)
{
	static const char sql[] =
		"select count(*), 1 from information_schema.user_privileges "
		"where privilege_type = 'SHOW VIEW' and "
		"grantee = concat('''', replace(current_user(), '@', '''@'''), '''')";
	if (ask(a, sql, ans, e) != 0)
		return -1;
	const char *n = first_cell(ans);
	if (n && strcmp(n, "0") != 0)
		return 0;
	return err_set(e, ERR_NOT_ALLOWED,
		"the account needs SHOW VIEW on *.*: views that write would be taken for tables");
}

static int read_names(struct asker *a, bool need_all, struct sql_names **names_r,
	struct sql_my_opts *o, struct err *e)
{
	struct answer ans = { .width = 0 };
	int code = -1;

	buf_init(&ans.cells, TEXT_MAX);
	if (ask(a, "select version(), 1", &ans, e) == 0 && first_cell(&ans)) {
		read_version(first_cell(&ans), o);
		code = need_all ? check_rights(a, &ans, e) : 0;
	}
	if (code == 0)
		code = ask(a, sql_names_my_query, &ans, e);
	if (code == 0 &&
		((*names_r = sql_names_new(true)) == NULL || !add_names(*names_r, o, &ans))) {
		sql_names_free(names_r);
		code = err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	buf_fini(&ans.cells);
	return code;
}

static int asker_open(
	struct asker *a, const struct conf_host *h, const struct my_account *who, struct err *e)
{
	const struct proto_env_opts env = { .stmt_bytes = 1 << 20 };

	*a = (struct asker){ .env = proto_mysql.env_new(&env) };
	buf_init(&a->in, TEXT_MAX);
	buf_init(&a->up, 0);
	buf_init(&a->down, 0);
	a->fd = a->env != NULL ? connect_to(h, e) : -1;
	return a->fd >= 0 ? login(a, who, e) : -1;
}

static void asker_close(struct asker *a)
{
	if (a->lst != NULL)
		proto_mysql.link_fini(a->lst);
	mem_free(MEM_MISC, a->lst);
	if (a->fd >= 0)
		close(a->fd);
	buf_wipe(&a->up);
	buf_fini(&a->in);
	buf_fini(&a->down);
	if (a->env != NULL)
		proto_mysql.env_free(a->env);
}

static int read_from(const struct conf *conf, bool need_all, struct sql_names **names_r,
	struct sql_my_opts *o, struct err *e)
{
	const struct conf_db *d = &conf->dbs[0];
	const struct my_account who = { *d->force_user ? d->force_user : conf->url_user,
		*d->password ? d->password : conf->url_password, *d->dbname ? d->dbname : d->name };
	struct asker a;
	int code = asker_open(&a, &d->hosts[0], &who, e);

	if (code == 0)
		code = read_names(&a, need_all, names_r, o, e);
	asker_close(&a);
	return code;
}

int names_ask_my(const struct conf_host *h, const struct my_account *who, const char *sql,
	char cells[2][64], struct err *e)
{
	struct answer ans = { .width = 0 };
	struct asker a;
	int code = asker_open(&a, h, who, e);

	buf_init(&ans.cells, 65536);
	if (code == 0)
		code = ask(&a, sql, &ans, e);
	const uint8_t *p = buf_data(&ans.cells);
	const char *got[2] = { NULL, NULL };
	if (code == 0 && !next_row(&ans, &p, got))
		code = err_set(e, ERR_SERVER_PROTOCOL, "it gave no row");
	for (unsigned i = 0; i < 2; i++)
		snprintf(cells[i], 64, "%s", code == 0 && got[i] ? got[i] : "");
	buf_fini(&ans.cells);
	asker_close(&a);
	return code;
}

int names_read_my(const char *url, bool need_all, struct sql_names **names_r, struct sql_my_opts *o,
	struct err *e)
{
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char line[300];
	int code = -1;

	if (conf_url_load(url, &conf, &m) != 0 || conf->dbs_n == 0 || conf->dbs[0].hosts_n == 0)
		err_set(e, ERR_CONFIG, "%s",
			m.n ? conf_msg_format(&m.list[0], line, sizeof line)
			    : "not a URL of a server");
	else
		code = read_from(conf, need_all, names_r, o, e);
	conf_msgs_fini(&m);
	conf_free(&conf);
	return code;
}
