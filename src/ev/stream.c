/* stream - events, reads and writes of a connected socket. Moves bytes; ignorant of what they mean
 * (and, but for a few calls, of TLS: stream_tls.c, and of codings: stream_coding.c). Runs in the
 * thread of its loop.
 *
 * Edge triggering, and why no recv() is spent on seeing EAGAIN: a read that returns less than asked
 * has emptied the socket, and whatever comes later is a new event. What came before, in the same
 * event, are two things that a short read hides: a FIN - epoll tells it (EV_CLOSED), and the owner
 * is called once more - and a reset, which libevent reports like any event. For the latter each
 * stream that read short is looked at once, within a second or so ("audit"): one recv(MSG_PEEK) per
 * active stream and second, none for idle ones. */
#include "ev/stream.h"
#include "stream_int.h"
#include "loop_int.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	AUDIT_DELAY_US = 1000000,
	AUDIT_BATCH_N = 256, /* per turn */
};

static void audit_add(struct stream *s)
{
	struct loop *l = s->loop;

	if (!list_empty(&s->audit))
		return;
	list_append(&l->audit, &s->audit);
	if (l->audit_timer.at_us == 0)
		timer_set(l, &l->audit_timer, loop_now_us(l) + AUDIT_DELAY_US);
}

ssize_t stream_recv_raw(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->dry) {
		s->sock_errno = EAGAIN;
		return -1;
	}
	do {
		r = recv(s->fd, p, n, 0);
	} while (r < 0 && errno == EINTR);
	if (r > 0 && (size_t)r < n) {
		if (s->hup) {
			stream_resume(s); /* EOF stands behind it */
		} else {
			s->dry = true;
			audit_add(s);
		}
	} else if (r == 0) {
		s->sock_eof = true;
	} else if (r < 0) {
		s->sock_errno = errno == EWOULDBLOCK ? EAGAIN : errno;
		s->dry = s->sock_errno == EAGAIN;
	}
	return r;
}

/* A short send means that the socket is full (and the kernel knows that we want to hear when it is
 * not). */
ssize_t stream_send_raw(struct stream *s, const void *p, size_t n)
{
	ssize_t r;

	if (!s->can_write) {
		s->sock_errno = EAGAIN;
		return -1;
	}
	do {
		r = send(s->fd, p, n, MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		s->sock_errno = errno == EWOULDBLOCK || errno == ENOBUFS ? EAGAIN : errno;
	if (r < 0 ? s->sock_errno == EAGAIN : (size_t)r < n)
		s->can_write = false;
	return r;
}

/* Bytes taken; -1: broken. */
static ssize_t stream_send(struct stream *s, const void *p, size_t n)
{
	ssize_t r;

	if (s->error)
		return -1;
	if (s->connecting || s->tls == STREAM_HANDSHAKE)
		return 0;
	if (s->tls == STREAM_TLS) {
		r = stream_tls_send(s, p, n);
	} else {
		r = stream_send_raw(s, p, n);
		if (r < 0 && s->sock_errno == EAGAIN)
			r = 0;
		else if (r < 0)
			s->error = s->sock_errno;
	}
	if (r > 0)
		s->tx_bytes += (uint64_t)r;
	return r;
}

/* Sends the queue; tells the owner when it got short. */
static void stream_drain(struct stream *s)
{
	size_t before = buf_len(&s->out), after;

	while (buf_len(&s->out) > 0) {
		ssize_t r = stream_send(s, buf_data(&s->out), buf_len(&s->out));
		if (r <= 0)
			break;
		buf_consume(&s->out, (size_t)r);
	}
	after = buf_len(&s->out);
	if (s->error || s->cb->drained == NULL)
		return;
	if ((before > 0 && after == 0) ||
		(before > STREAM_LOW_WATER_BYTES && after <= STREAM_LOW_WATER_BYTES))
		s->cb->drained(s, s->owner);
}

/* True: connected, reported, and s is still here. */
static bool stream_connected(struct loop *l, struct stream *s)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
		err = errno;
	s->connecting = false;
	s->error = err;
	if (s->cb->connected)
		s->cb->connected(s, s->owner, err);
	return err == 0 && l->current == s;
}

/* Calls what is to be called. Each callback may close, detach or even free s: then l->current is no
 * longer s. */
static void stream_dispatch(struct stream *s, bool readable, bool writable)
{
	struct loop *l = s->loop;

	l->current = s;
	if (s->connecting && (!writable || !stream_connected(l, s)))
		goto out;
	if (s->tls == STREAM_HANDSHAKE) {
		if (s->error || !stream_tls_step(s))
			goto out;
		readable = true; /* data may have come along with the last message */
	}
	if (buf_len(&s->out) > 0 && (s->can_write || s->write_wants_read)) {
		s->write_wants_read = false;
		stream_drain(s);
		if (l->current != s)
			goto out;
	}
	if (readable || s->error || (writable && s->read_wants_write)) {
		s->read_wants_write = false;
		s->cb->readable(s, s->owner);
	}
out:
	l->current = NULL;
}

static void stream_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	bool readable = what & (EV_READ | EV_CLOSED);

	(void)fd;
	if (what & EV_CLOSED)
		s->hup = true;
	if (readable)
		s->dry = false;
	if (what & EV_WRITE)
		s->can_write = true;
	stream_dispatch(s, readable, what & EV_WRITE);
}

static void stream_on_resume(struct task *t, void *arg)
{
	(void)t;
	stream_dispatch(arg, true, false);
}

void stream_audit(struct timer *t, void *arg)
{
	struct loop *l = arg;
	struct list *n;

	for (int i = 0; i < AUDIT_BATCH_N && (n = list_pop(&l->audit)) != NULL; i++) {
		struct stream *s = list_entry(n, struct stream, audit);
		char c;
		ssize_t r = recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			continue;
		/* Bytes where we thought there were none: recv() also stops short at TCP's urgent
		 * mark. */
		if (r > 0 && !s->dry)
			continue;
		s->dry = false;
		if (r <= 0)
			s->hup = true;
		if (r < 0)
			s->rx_end = errno; /* the kernel tells an error once */
		stream_dispatch(s, true, false);
	}
	if (!list_empty(&l->audit) && t->at_us == 0)
		timer_set(l, t, loop_now_us(l) + 1);
}

int stream_watch(struct stream *s, struct loop *l)
{
	if (event_assign(&s->ev, loop_base(l), s->fd, STREAM_EVENTS, stream_on_event, s) != 0)
		return -1;
	if (event_add(&s->ev, NULL) != 0)
		return -1;
	s->loop = l;
	return 0;
}

void stream_unwatch(struct stream *s)
{
	if (s->loop == NULL)
		return;
	event_del(&s->ev);
	task_cancel(&s->resume);
	list_del(&s->audit);
	if (s->loop->current == s)
		s->loop->current = NULL;
	s->loop = NULL;
}

static int stream_start(
	struct stream *s, struct loop *l, int fd, const struct stream_cb *cb, void *owner)
{
	*s = (struct stream){ .fd = fd, .cb = cb, .owner = owner, .tls = STREAM_PLAIN };
	buf_init(&s->in, 0);
	buf_init(&s->out, 0);
	task_init(&s->resume, stream_on_resume, s);
	list_init(&s->audit);
	if (stream_watch(s, l) == 0)
		return 0;
	close(fd);
	s->fd = -1;
	s->closed = true;
	return -1;
}

int stream_init(struct stream *s, struct loop *l, int fd, const struct stream_cb *cb, void *owner,
	struct err *e)
{
	if (stream_start(s, l, fd, cb, owner) != 0)
		return err_set(
			e, ERR_NO_MEMORY, "cannot watch the connection: %s", strerror(errno));
	s->can_write = true;
	return 0;
}

int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *sa, socklen_t sa_n,
	const struct stream_cb *cb, void *owner, struct err *e)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*s = (struct stream){ .fd = -1, .cb = cb, .owner = owner, .closed = true };
	if (fd < 0)
		return err_set(e,
			errno == EMFILE || errno == ENFILE ? ERR_NO_FDS : ERR_SERVER_CONNECT,
			"cannot open a socket: %s", strerror(errno));
	if (connect(fd, sa, sa_n) != 0 && errno != EINPROGRESS && errno != EINTR) {
		int saved = errno;
		close(fd);
		s->error = saved;
		return err_set(e, ERR_SERVER_CONNECT, "cannot connect: %s",
			saved == EAGAIN ? "the server's accept queue is full" : strerror(saved));
	}
	if (stream_start(s, l, fd, cb, owner) != 0)
		return err_set(
			e, ERR_NO_MEMORY, "cannot watch the connection: %s", strerror(errno));
	s->connecting =
		true; /* also when it is done already: the callback must not come from here */
	return 0;
}

size_t stream_read(struct stream *s, void *p, size_t n)
{
	return s->coding ? stream_coding_read(s, p, n) : stream_read_coded(s, p, n);
}

size_t stream_read_coded(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->rx_end) { /* found by an earlier call that had bytes to give */
		s->eof = s->rx_end < 0;
		if (s->rx_end > 0)
			s->error = s->rx_end;
		return 0;
	}
	/* A failed write does not end reading: the peer's last words may tell why. */
	if (s->fd < 0 || s->eof || s->connecting || s->tls == STREAM_HANDSHAKE || n == 0)
		return 0;
	if (s->tls == STREAM_TLS) {
		size_t got = stream_tls_read(s, p, n);
		s->rx_bytes += got;
		return got;
	}
	r = stream_recv_raw(s, p, n);
	if (r > 0) {
		s->rx_bytes += (uint64_t)r;
		return (size_t)r;
	}
	if (r == 0) {
		s->eof = true;
		s->rx_end = -1;
	} else if (s->sock_errno != EAGAIN) {
		s->error = s->rx_end = s->sock_errno;
	}
	return 0;
}

size_t stream_peek(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->fd < 0 || s->eof || s->connecting || s->tls != STREAM_PLAIN || n == 0)
		return 0;
	do {
		r = recv(s->fd, p, n, MSG_PEEK);
	} while (r < 0 && errno == EINTR);
	if (r > 0)
		return (size_t)r;
	if (r == 0)
		s->eof = true;
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		s->error = s->rx_end = errno;
	return 0;
}

bool stream_is_quiet(struct stream *s)
{
	char c;
	ssize_t r;

	if (s->fd < 0)
		return false;
	if (!s->eof && !s->error && !s->hup && s->rx_end == 0) {
		do {
			r = recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
		} while (r < 0 && errno == EINTR);
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return s->ssl == NULL || !stream_tls_pending(s);
		if (r < 0)
			s->rx_end = errno; /* the kernel tells an error once */
		s->dry = false;
	}
	stream_resume(s);
	return false;
}

bool stream_write(struct stream *s, const void *p, size_t n)
{
	ssize_t r = 0;

	if (s->fd < 0 || s->error)
		return false;
	if (s->coding)
		return stream_coding_write(s, p, n);
	if (buf_len(&s->out) == 0)
		r = stream_send(s, p, n);
	if (r < 0)
		return false;
	if ((size_t)r == n)
		return true;
	return buf_append(&s->out, (const uint8_t *)p + r, n - (size_t)r);
}

/* Moves what is left of b behind the queue. An empty queue takes b's memory as it is. */
static bool stream_queue_buf(struct stream *s, struct buf *b)
{
	struct buf *q = &s->out;

	if (buf_len(q) == 0 && !q->failed && (q->cap == 0 || buf_len(b) <= q->cap)) {
		struct buf q_was = *q, b_was = *b;
		buf_fini(q);
		*q = b_was;
		q->cap = q_was.cap;
		q->keep = q_was.keep;
		buf_init(b, b_was.cap);
		b->keep = b_was.keep;
		return true;
	}
	bool ok = buf_append(q, buf_data(b), buf_len(b));
	buf_consume(b, buf_len(b));
	return ok;
}

bool stream_flush_buf(struct stream *s, struct buf *b)
{
	if (s->coding == NULL || b->failed || buf_len(b) == 0)
		return stream_flush_coded(s, b);
	bool ok = stream_write(s, buf_data(b), buf_len(b));
	buf_consume(b, buf_len(b));
	return ok;
}

bool stream_flush_coded(struct stream *s, struct buf *b)
{
	bool ok = s->fd >= 0 && s->error == 0 && !b->failed;

	if (ok && buf_len(b) > 0 && buf_len(&s->out) == 0) {
		ssize_t r = stream_send(s, buf_data(b), buf_len(b));
		ok = r >= 0;
		if (r > 0)
			buf_consume(b, (size_t)r);
	}
	if (buf_len(b) == 0)
		return ok;
	if (ok)
		return stream_queue_buf(s, b);
	buf_consume(b, buf_len(b));
	return false;
}

void stream_resume(struct stream *s)
{
	if (s->loop)
		task_post(s->loop, &s->resume);
}

void stream_close(struct stream *s)
{
	if (s->closed)
		return;
	s->closed = true;
	if (s->ssl)
		stream_tls_notify(s);
	stream_unwatch(s);
	if (s->ssl)
		stream_tls_free(s);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	stream_coding_free(s);
	buf_fini(&s->in);
	buf_fini(&s->out);
}

int stream_detach(struct stream *s)
{
	if (s->loop == NULL || s->fd < 0 || s->connecting || s->error || s->eof || s->hup ||
		s->rx_end)
		return -1;
	if (buf_len(&s->in) > 0 || buf_len(&s->out) > 0 || s->tls == STREAM_HANDSHAKE)
		return -1;
	if (s->ssl && stream_tls_pending(s))
		return -1;
	if (!stream_coding_at_rest(s))
		return -1;
	stream_unwatch(s);
	return 0;
}

int stream_attach(struct stream *s, struct loop *l, const struct stream_cb *cb, void *owner)
{
	assert(s->loop == NULL && !s->closed);
	s->cb = cb;
	s->owner = owner;
	s->dry = false;
	s->can_write = true;
	task_init(&s->resume, stream_on_resume, s); /* s may have been copied to a new place */
	list_init(&s->audit);
	if (s->ssl)
		stream_tls_rebind(s);
	return stream_watch(s, l);
}
