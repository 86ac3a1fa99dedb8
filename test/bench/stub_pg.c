/* stub_pg - a PostgreSQL server that costs almost nothing: lets everybody in and gives the same row
 * to every simple query and Execute. For benchmarks in which the server must not be the limit.
 * Ignorant of SQL, TLS and sizes above its buffers.
 *
 *     stub_pg PORT [THREADS]
 *
 * One epoll loop per thread, each with a listening socket of its own (SO_REUSEPORT). Not hardened:
 * trusted input only. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_BYTES = 65536, OUT_BYTES = 262144, FDS_MAX = 65536, EVENTS_N = 256 };

struct conn {
	int fd;
	int started; /* the startup packet has come */
	size_t n;    /* bytes in buf */
	uint8_t buf[IN_BYTES];
};
struct out {
	size_t n;
	uint8_t buf[OUT_BYTES];
};

static uint16_t port;

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put(struct out *o, const void *p, size_t n)
{
	if (n > sizeof o->buf - o->n)
		abort();
	memcpy(o->buf + o->n, p, n);
	o->n += n;
}

/* One message: type, length, body. */
static void put_msg(struct out *o, char type, const void *body, uint32_t n)
{
	uint32_t len = htonl(n + 4);
	put(o, &type, 1);
	put(o, &len, 4);
	put(o, body, n);
}

#define PUT(o, type, text) put_msg(o, type, text, sizeof(text) - 1)

static void put_row(struct out *o)
{
	PUT(o, 'D',
		"\0\1\0\0\0\1"
		"1");
	PUT(o, 'C', "SELECT 1\0");
}

static void put_columns(struct out *o)
{
	PUT(o, 'T', "\0\1x\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0");
}

static void put_welcome(struct out *o)
{
	PUT(o, 'R', "\0\0\0\0");
	PUT(o, 'S',
		"server_version\0"
		"15.0\0");
	PUT(o, 'S',
		"server_encoding\0"
		"UTF8\0");
	PUT(o, 'S',
		"client_encoding\0"
		"UTF8\0");
	PUT(o, 'S',
		"DateStyle\0"
		"ISO, MDY\0");
	PUT(o, 'S',
		"TimeZone\0"
		"UTC\0");
	PUT(o, 'S',
		"IntervalStyle\0"
		"postgres\0");
	PUT(o, 'S',
		"integer_datetimes\0"
		"on\0");
	PUT(o, 'S',
		"standard_conforming_strings\0"
		"on\0");
	PUT(o, 'K', "\0\0\1\2\3\4\5\6");
	PUT(o, 'Z', "I");
}

/* The startup packet, or an SSLRequest or GSSENCRequest (refused). Returns bytes used, 0 for
 * "more". */
static size_t startup(struct conn *c, const uint8_t *p, size_t n, struct out *o)
{
	if (n < 8)
		return 0;
	uint32_t len = get32(p), code = get32(p + 4);
	if (n < len)
		return 0;
	if (code == 80877103 || code == 80877104) {
		put(o, "N", 1);
	} else {
		c->started = 1;
		put_welcome(o);
	}
	return len;
}

/* Does the text begin with this word? Poolers send SET, BEGIN, DISCARD and the like. */
static int begins(const uint8_t *p, size_t n, const char *word)
{
	size_t w = strlen(word);
	return n >= w && strncasecmp((const char *)p, word, w) == 0;
}

static void simple_query(const uint8_t *text, size_t n, struct out *o)
{
	if (n <= 1) {
		PUT(o, 'I', "");
	} else if (begins(text, n, "select")) {
		put_columns(o);
		put_row(o);
	} else if (begins(text, n, "set")) {
		PUT(o, 'C', "SET\0");
	} else {
		PUT(o, 'C', "DISCARD ALL\0");
	}
	PUT(o, 'Z', "I");
}

/* 0, or -1: the client said good-bye. */
static int message(const uint8_t *p, uint32_t len, struct out *o)
{
	switch (p[0]) {
	case 'Q': simple_query(p + 5, len - 4, o); break;
	case 'P': PUT(o, '1', ""); break;
	case 'B': PUT(o, '2', ""); break;
	case 'C': PUT(o, '3', ""); break;
	case 'E': put_row(o); break;
	case 'S': PUT(o, 'Z', "I"); break;
	case 'D':
		if (p[5] == 'S')
			PUT(o, 't', "\0\0");
		put_columns(o);
		break;
	case 'X': return -1;
	default: break;
	}
	return 0;
}

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

/* Reads what is there and answers all whole messages. -1: close it. */
static int serve(struct conn *c, struct out *o)
{
	ssize_t k = recv(c->fd, c->buf + c->n, sizeof c->buf - c->n, 0);
	if (k <= 0)
		return k < 0 && errno == EAGAIN ? 0 : -1;
	c->n += (size_t)k;
	size_t at = 0;
	o->n = 0;
	int over = 0;
	while (!over) {
		const uint8_t *p = c->buf + at;
		size_t left = c->n - at, used;
		if (!c->started) {
			used = startup(c, p, left, o);
			if (used == 0)
				break;
		} else {
			if (left < 5 || left < 1 + (size_t)get32(p + 1))
				break;
			used = 1 + (size_t)get32(p + 1);
			over = message(p, get32(p + 1), o);
		}
		at += used;
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
		perror("stub_pg: listen");
		exit(1);
	}
	return fd;
}

static void welcome(int ep, int lfd)
{
	int one = 1, fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct conn *c = calloc(1, sizeof *c);
	if (!c || fd >= FDS_MAX) {
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
				welcome(ep, lfd);
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
		fprintf(stderr, "usage: stub_pg PORT [THREADS]\n");
		return 2;
	}
	port = (uint16_t)p;
	for (long i = 1; i < threads; i++) {
		pthread_t t;
		if (pthread_create(&t, NULL, loop, NULL) != 0)
			return 1;
	}
	loop(NULL);
	return 0;
}
