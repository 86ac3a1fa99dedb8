/* stream_linger - what is left of a stream whose owner is done with it: sends the queue, then
 * closes. Ignorant of the bytes. Own thread of its loop.
 *
 * When the peer had sent more than we read, a close() would reset the connection and may destroy
 * our last message (the error that tells why) in the peer's kernel. Then we shut our side down and
 * wait, within the deadline, for the peer's. */
#include "ev/stream.h"
#include "stream_int.h"
#include "loop_int.h"
#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

enum {
	LINGER_READ_BYTES = 16 * 1024,
	LINGER_READS_PER_TURN = 8,
	LINGER_DROP_MAX_BYTES = 1024 * 1024, /* after our last byte; then the peer is cut off */
};

struct lingering {
	struct stream s;
	struct timer deadline;
	struct list node;
	size_t dropped_bytes;
	bool shut;
};

static void linger_end(struct lingering *g)
{
	timer_clear(g->s.loop, &g->deadline);
	stream_close(&g->s);
	list_del(&g->node);
	mem_free(MEM_STREAM, g);
}

/* Reads and forgets, below TLS. False: the peer is done too. */
static bool linger_discard(struct stream *s, size_t *dropped_bytes)
{
	uint8_t junk[LINGER_READ_BYTES];

	for (int i = 0; i < LINGER_READS_PER_TURN; i++) {
		ssize_t r = stream_recv_raw(s, junk, sizeof(junk));
		if (r < 0)
			return s->sock_errno == EAGAIN;
		if (r == 0)
			return false;
		*dropped_bytes += (size_t)r;
	}
	stream_resume(s);
	return true;
}

/* The last thing that the caller does: g may be gone afterwards. */
static void linger_step(struct lingering *g)
{
	struct stream *s = &g->s;
	bool peer = !s->error && linger_discard(s, &g->dropped_bytes);

	if (!s->error && stream_queued(s) > 0)
		return; /* even a peer that has shut down its side may still read */
	if (s->error || !peer || g->dropped_bytes == 0) {
		linger_end(g);
	} else if (!g->shut) {
		g->shut = true;
		g->dropped_bytes = 1; /* from here on it is counted */
		stream_tls_notify(s);
		shutdown(s->fd, SHUT_WR);
	} else if (g->dropped_bytes > LINGER_DROP_MAX_BYTES) {
		linger_end(g);
	}
}

static void linger_readable(struct stream *s, void *owner)
{
	(void)s;
	linger_step(owner);
}

static void linger_timeout(struct timer *t, void *arg)
{
	(void)t;
	linger_end(arg);
}

static const struct stream_cb linger_cb = { .readable = linger_readable,
	.drained = linger_readable };

static void linger_take(struct lingering *g, struct stream *s)
{
	stream_coding_free(s); /* what is queued is encoded */
	g->s = *s;
	buf_init(&g->s.in, 0);
	g->s.loop = NULL;
	buf_fini(&s->in);
	buf_init(&s->out, s->out.cap);
	s->ssl = NULL;
	s->fd = -1;
	s->closed = true;
}

void stream_linger_close(struct stream *s, int64_t max_us)
{
	struct loop *l = s->loop;
	size_t dropped = 0;
	struct lingering *g;

	if (s->closed)
		return;
	if (l == NULL || s->fd < 0 || s->error || s->connecting || s->tls == STREAM_HANDSHAKE ||
		!linger_discard(s, &dropped) || (stream_queued(s) == 0 && dropped == 0) ||
		(g = mem_alloc(MEM_STREAM, sizeof(*g))) == NULL) {
		stream_close(s);
		return;
	}
	bool can_write = s->can_write;
	stream_unwatch(s);
	linger_take(g, s);
	g->dropped_bytes = dropped;
	timer_init(&g->deadline, linger_timeout, g);
	list_init(&g->node);
	list_append(&l->lingering, &g->node);
	if (stream_attach(&g->s, l, &linger_cb, g) != 0) {
		list_del(&g->node);
		stream_close(&g->s);
		mem_free(MEM_STREAM, g);
		return;
	}
	g->s.can_write = can_write;
	timer_set(l, &g->deadline, loop_now_us(l) + max_us);
	stream_resume(&g->s);
}

void linger_drop_all(struct loop *l)
{
	struct list *n;

	while ((n = list_first(&l->lingering)) != NULL)
		linger_end(list_entry(n, struct lingering, node));
}
