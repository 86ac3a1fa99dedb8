/* stub_my - a MySQL server that costs almost nothing: lets everybody in and gives the same row to
 * every SELECT, as text or as a prepared statement. For benchmarks in which the server must not be
 * the limit. Ignorant of SQL, TLS, cursors and packets above its buffers; its trackers tell only
 * what MySQL tells with every statement.
 *
 *     stub_my PORT [THREADS]
 *
 * One epoll loop per thread, each with a listening socket of its own (SO_REUSEPORT). Not hardened:
 * trusted input only. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_BYTES = 65536, OUT_BYTES = 262144, EVENTS_N = 256, COLUMNS_MAX_N = 16 };
enum { IN_TRANS = 1, AUTOCOMMIT = 2, MORE_RESULTS = 8, STATE_CHANGED = 0x4000 };
enum { T_LONGLONG = 8, T_VAR_STRING = 253 };

/* PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH and what poolers like to have */
#define CAPS 0x09bfa7dfU
#define CAP_CONNECT_WITH_DB (1U << 3)
#define CAP_SESSION_TRACK (1U << 23)
#define CAP_DEPRECATE_EOF (1U << 24)
#define CAP_QUERY_ATTRIBUTES (1U << 27)

struct conn {
	int fd;
	int started, tracks;
	uint32_t caps;
	uint16_t status;
	size_t n; /* bytes in buf */
	uint8_t buf[IN_BYTES];
};
struct out {
	size_t n;
	uint8_t seq;
	uint8_t buf[OUT_BYTES];
};

static uint16_t port;
static char big[120];

/* ---- packets ---- */

static void put(struct out *o, const void *p, size_t n)
{
	if (n > sizeof o->buf - o->n)
		abort();
	memcpy(o->buf + o->n, p, n);
	o->n += n;
}

static void put_n(struct out *o, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t c = (uint8_t)(v >> 8 * i);
		put(o, &c, 1);
	}
}

/* All strings here are short. */
static void put_str(struct out *o, const char *s)
{
	size_t n = strlen(s);
	put_n(o, n, 1);
	put(o, s, n);
}

static size_t begin(struct out *o)
{
	put_n(o, 0, 3);
	put_n(o, o->seq++, 1);
	return o->n;
}

static void end(struct out *o, size_t at)
{
	size_t n = o->n - at;
	for (unsigned i = 0; i < 3; i++)
		o->buf[at - 4 + i] = (uint8_t)(n >> 8 * i);
}

static void put_greeting(struct out *o)
{
	static const char salt[] = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24";
	o->seq = 0;
	size_t at = begin(o);
	put(o,
		"\12"
		"9.7.0-stub",
		12);
	put_n(o, 1, 4);
	put(o, salt, 8);
	put_n(o, 0, 1);
	put_n(o, CAPS & 0xffff, 2);
	put_n(o, 255, 1);
	put_n(o, AUTOCOMMIT, 2);
	put_n(o, CAPS >> 16, 2);
	put_n(o, 21, 1);
	put_n(o, 0, 8);
	put_n(o, 0, 2);
	put(o, salt + 8, 13);
	put(o, "mysql_native_password", 22);
	end(o, at);
}

/* An OK, or the end of rows as an OK. */
static void put_ok(struct conn *c, struct out *o, uint8_t head, int query)
{
	int told = query && c->tracks && (c->caps & CAP_SESSION_TRACK);
	size_t at = begin(o);
	put_n(o, head, 1);
	put_n(o, 0, 2);
	put_n(o, c->status | (told ? STATE_CHANGED : 0U), 2);
	put_n(o, 0, 2);
	if (told) {
		put_n(o, 0, 1);
		put_n(o, 20, 1);
		put_n(o, 0, 1);
		put_n(o, 18, 1);
		put_str(o, "statement_id");
		put_str(o, "1234");
	}
	end(o, at);
}

static void put_eof(struct conn *c, struct out *o)
{
	size_t at = begin(o);
	put_n(o, 0xfe, 1);
	put_n(o, 0, 2);
	put_n(o, c->status, 2);
	end(o, at);
}

static void put_column(struct out *o, const char *name, uint8_t type)
{
	size_t at = begin(o);
	put_str(o, "def");
	put_str(o, "app");
	put_str(o, "sbtest1");
	put_str(o, "sbtest1");
	put_str(o, name);
	put_str(o, name);
	put_n(o, 12, 1);
	put_n(o, 255, 2);
	put_n(o, 480, 4);
	put_n(o, type, 1);
	put_n(o, 0, 5);
	end(o, at);
}

/* Behind the last row of a result, and behind its columns with is_columns. */
static void put_end(struct conn *c, struct out *o, int is_columns)
{
	if (!(c->caps & CAP_DEPRECATE_EOF))
		put_eof(c, o);
	else if (!is_columns)
		put_ok(c, o, 0xfe, 1);
}

/* ---- login ---- */

static void login(struct conn *c, const uint8_t *p, size_t n, struct out *o)
{
	if (n < 4)
		return;
	memcpy(&c->caps, p, 4); /* little endian machines only: it is a benchmark */
	c->caps &= CAPS;
	c->status = AUTOCOMMIT;
	c->started = 1;
	put_ok(c, o, 0, 0);
}

/* ---- statements ---- */

static int begins(const char *p, size_t n, const char *word)
{
	size_t w = strlen(word);
	return n >= w && strncasecmp(p, word, w) == 0;
}

static int has(const char *p, size_t n, const char *word)
{
	return memmem(p, n, word, strlen(word)) != NULL;
}

/* What poolers ask for behind a login; the length of anything else is as sysbench's. */
static const char *value_of(const char *p, size_t n)
{
	static const char *const all[][2] = { { "sql_mode", "" }, { "CURRENT_ROLE", "NONE" },
		{ "autocommit", "ON" }, { "time_zone", "SYSTEM" },
		{ "isolation", "REPEATABLE-READ" }, { "collation", "utf8mb4_0900_ai_ci" },
		{ "character_set", "utf8mb4" }, { "session_track_system", "time_zone" },
		{ "session_track", "ON" } };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (has(p, n, all[i][0]))
			return all[i][1];
	return big;
}

/* One row with a cell for each expression between commas. */
static void put_select(struct conn *c, struct out *o, const char *p, size_t n)
{
	const char *cell[COLUMNS_MAX_N];
	unsigned cols = 0;
	int depth = 0;
	size_t from = 0;
	for (size_t i = 0; i <= n && cols < COLUMNS_MAX_N; i++) {
		int over = i == n || (depth == 0 && n - i > 6 && begins(p + i, n - i, " from "));
		if (!over) {
			depth += (p[i] == '(') - (p[i] == ')');
			if (depth > 0 || p[i] != ',')
				continue;
		}
		cell[cols++] = value_of(p + from, i - from);
		from = i + 1;
		if (over)
			break;
	}
	size_t at = begin(o);
	put_n(o, cols, 1);
	end(o, at);
	for (unsigned i = 0; i < cols; i++)
		put_column(o, "c", T_VAR_STRING);
	put_end(c, o, 1);
	at = begin(o);
	for (unsigned i = 0; i < cols; i++)
		put_str(o, cell[i]);
	end(o, at);
	put_end(c, o, 0);
}

static void statement(struct conn *c, struct out *o, const char *p, size_t n)
{
	if (begins(p, n, "select")) {
		put_select(c, o, p, n);
		return;
	}
	if (begins(p, n, "begin"))
		c->status |= IN_TRANS;
	else if (begins(p, n, "commit") || begins(p, n, "rollback"))
		c->status &= (uint16_t)~IN_TRANS;
	else if (has(p, n, "session_track_system_variables='*'"))
		c->tracks = 1;
	put_ok(c, o, 0, 1);
}

/* No semicolon is in a literal. */
static void query(struct conn *c, struct out *o, const char *p, size_t n)
{
	if (c->caps & CAP_QUERY_ATTRIBUTES) { /* none, in one set */
		p += 2;
		n -= 2;
	}
	for (const char *semi; (semi = memchr(p, ';', n)) != NULL && semi + 1 < p + n;) {
		c->status |= MORE_RESULTS;
		statement(c, o, p, (size_t)(semi - p));
		c->status &= (uint16_t)~MORE_RESULTS;
		n -= (size_t)(semi + 1 - p);
		p = semi + 1;
	}
	statement(c, o, p, n);
}

/* The handle says how many parameters there are and whether it gives rows. */
static void prepare(struct conn *c, struct out *o, const char *p, size_t n)
{
	unsigned params = 0, cols = begins(p, n, "select") ? 1 : 0;
	for (size_t i = 0; i < n; i++)
		params += p[i] == '?';
	size_t at = begin(o);
	put_n(o, 0, 1);
	put_n(o, 0x100 | (cols ? 1 : begins(p, n, "begin") ? 2 : 3), 4);
	put_n(o, cols, 2);
	put_n(o, params, 2);
	put_n(o, 0, 3);
	end(o, at);
	for (unsigned i = 0; i < params; i++)
		put_column(o, "?", T_LONGLONG);
	if (params)
		put_end(c, o, 1);
	if (!cols)
		return;
	put_column(o, "c", T_VAR_STRING);
	put_end(c, o, 1);
}

static void execute(struct conn *c, struct out *o, uint8_t kind)
{
	size_t at;
	if (kind == 1) {
		at = begin(o);
		put_n(o, 1, 1);
		end(o, at);
		put_column(o, "c", T_VAR_STRING);
		put_end(c, o, 1);
		at = begin(o);
		put_n(o, 0, 2);
		put_str(o, big);
		end(o, at);
		put_end(c, o, 0);
		return;
	}
	c->status = kind == 2 ? AUTOCOMMIT | IN_TRANS : AUTOCOMMIT;
	put_ok(c, o, 0, 1);
}

/* 0, or -1: the client said good-bye. */
static int command(struct conn *c, struct out *o, const uint8_t *p, size_t n)
{
	switch (n ? p[0] : 1) {
	case 1: return -1;
	case 3: query(c, o, (const char *)p + 1, n - 1); break;
	case 0x16: prepare(c, o, (const char *)p + 1, n - 1); break;
	case 0x17: execute(c, o, n > 1 ? p[1] : 0); break;
	case 0x18:
	case 0x19: break; /* long data, close: no answer */
	case 0x1b: put_eof(c, o); break;
	default: put_ok(c, o, 0, 0); break;
	}
	return 0;
}

/* ---- sockets ---- */

static int send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EAGAIN)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Reads what is there and answers all whole packets. -1: close it. */
static int serve(struct conn *c, struct out *o)
{
	ssize_t k = recv(c->fd, c->buf + c->n, sizeof c->buf - c->n, 0);
	if (k <= 0)
		return k < 0 && errno == EAGAIN ? 0 : -1;
	c->n += (size_t)k;
	size_t at = 0;
	o->n = 0;
	int over = 0;
	while (!over && c->n - at >= 4) {
		const uint8_t *p = c->buf + at;
		size_t len = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
		if (c->n - at < 4 + len)
			break;
		o->seq = (uint8_t)(p[3] + 1);
		if (c->started)
			over = command(c, o, p + 4, len);
		else
			login(c, p + 4, len, o);
		at += 4 + len;
		if (o->n > sizeof o->buf / 2) {
			if (send_all(c->fd, o->buf, o->n) != 0)
				return -1;
			o->n = 0;
		}
	}
	memmove(c->buf, c->buf + at, c->n - at);
	c->n -= at;
	if (o->n > 0 && send_all(c->fd, o->buf, o->n) != 0)
		return -1;
	return over || c->n == sizeof c->buf ? -1 : 0;
}

static int listen_on(uint16_t p)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(p),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0) {
		perror("stub_my: listen");
		exit(1);
	}
	return fd;
}

static void welcome(int ep, int lfd, struct out *o)
{
	int one = 1, fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct conn *c = calloc(1, sizeof *c);
	o->n = 0;
	put_greeting(o);
	if (!c || send_all(fd, o->buf, o->n) != 0) {
		close(fd);
		free(c);
		return;
	}
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static void *loop(void *arg)
{
	struct out *o = malloc(sizeof *o);
	int ep = epoll_create1(0), lfd = listen_on(port);
	struct epoll_event ev[EVENTS_N], e = { .events = EPOLLIN, .data.ptr = NULL };
	(void)arg;
	if (!o || ep < 0)
		exit(1);
	epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &e);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS_N, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			if (!c) {
				welcome(ep, lfd, o);
			} else if (serve(c, o) != 0) {
				close(c->fd);
				free(c);
			}
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long p = argc > 1 ? strtol(argv[1], NULL, 10) : 0,
	     threads = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	if (p < 1 || p > 65535 || threads < 1 || threads > 64) {
		fprintf(stderr, "usage: stub_my PORT [THREADS]\n");
		return 2;
	}
	port = (uint16_t)p;
	memset(big, 'x', sizeof big - 1);
	for (long i = 1; i < threads; i++) {
		pthread_t t;
		if (pthread_create(&t, NULL, loop, NULL) != 0)
			return 1;
	}
	loop(NULL);
	return 0;
}
