/* stream - one connected socket: edge-triggered events, optional TLS, an input remainder and an
 * output queue. Moves bytes; ignorant of what they mean. Belongs to one loop;
 * stream_detach()/stream_attach() move it between threads.
 *
 * Reading: the event handler calls cb->readable once; the owner calls stream_read() into the
 * worker's big shared buffer until it returns less than asked (or it wants to stop: then it must
 * call stream_resume() later, because of edge triggering). Writing: stream_write() sends at once
 * when nothing is queued, and queues only what the socket refuses. The event is added once with
 * EV_READ|EV_WRITE|EV_CLOSED|EV_ET|EV_PERSIST and never changed while the stream lives in its
 * loop. */
#ifndef EV_STREAM_H
#define EV_STREAM_H
#include "base/buf.h"
#include "base/coding.h"
#include "base/err.h"
#include "ev/addr.h"
#include "ev/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

struct tls_ctx;

enum stream_tls { STREAM_PLAIN, STREAM_HANDSHAKE, STREAM_TLS };

struct stream;
struct stream_coding; /* stream_coding.c */
struct stream_cb {
	/* Bytes (or EOF, or an error) may be waiting. */
	void (*readable)(struct stream *s, void *owner);
	/* The output queue fell to the low-water mark or emptied after having been above zero. */
	void (*drained)(struct stream *s, void *owner);
	/* connect() finished (err 0 or errno), or the TLS handshake finished (e set on failure). */
	void (*connected)(struct stream *s, void *owner, int err);
	void (*handshaken)(struct stream *s, void *owner, const struct err *e);
};

/* The owner may read the fields above the line; only in, out.cap and owner are its to change. */
struct stream {
	int fd;            /* -1: none */
	int error;         /* errno of a failed read or write; 0 */
	struct loop *loop; /* NULL while moving */
	const struct stream_cb *cb;
	void *owner;
	void *ssl;                    /* SSL *, or NULL */
	struct stream_coding *coding; /* between the owner and TLS or the socket; NULL: none */
	enum stream_tls tls;
	bool connecting, can_write;
	bool eof;    /* peer closed its side, all read */
	bool closed; /* stream_close() was called */
	uint64_t rx_bytes, tx_bytes;
	struct buf in;  /* input remainder: bytes read but not consumed; usually empty */
	struct buf out; /* what the socket refused; the owner may set out.cap after stream_init() */
	/* ---- private ---- */
	bool hup;      /* the peer's FIN was seen: EOF stands behind what is unread */
	bool dry;      /* the last recv() was short: nothing to read before the next event */
	bool sock_eof; /* recv() returned 0 */
	bool read_wants_write; /* TLS */
	bool write_wants_read; /* TLS */
	uint8_t recv_left;     /* TLS: recv() calls left before the others get their turn */
	int sock_errno;        /* of the last failed call on the socket */
	int rx_end;         /* what the next stream_read() tells: 0 nothing, -1 EOF, else errno */
	struct task resume; /* stream_resume() */
	struct list audit;  /* in the loop's list of short reads to look after */
	struct event ev;
};

/* Takes fd (non-blocking, connected). -1 with e set: fd is closed. owner and cb must outlive the
 * stream. */
int stream_init(struct stream *s, struct loop *l, int fd, const struct stream_cb *cb, void *owner,
	struct err *e);
/* Starts a non-blocking connect; cb->connected follows, never from inside this call. */
int stream_connect(struct stream *s, struct loop *l, const struct sockaddr *sa, socklen_t sa_n,
	const struct stream_cb *cb, void *owner, struct err *e);
/* Up to n bytes: >0 read; 0: nothing now (EAGAIN), or eof/error - look at s->eof and s->error,
 * which are set only by a call that returns 0. A return < n means there is nothing more now (under
 * TLS: pending records were looked at): return to the loop, cb->readable comes again for more bytes
 * and for EOF. Own thread. */
size_t stream_read(struct stream *s, void *p, size_t n);
/* Peeks at the first bytes without consuming them (MSG_PEEK; plain only): direct TLS detection. */
size_t stream_peek(struct stream *s, void *p, size_t n);
/* Has nothing come that was not read, not even the end? One system call; if something has,
 * cb->readable follows from the loop. */
bool stream_is_quiet(struct stream *s);
/* Takes a PROXY header, and not a byte more, off the beginning of an accepted connection. 1: it was
 * there; *from_r is of family AF_UNSPEC if it names nobody (LOCAL, UNKNOWN). 0: it is not all here,
 * or look at s->eof and s->error. -1: there is none, or a malformed one: *where_r. */
int stream_take_proxy(struct stream *s, struct addr *from_r, const char **where_r)
	__attribute__((warn_unused_result));
/* Writes a PROXY header of version 2, the first bytes of a connection that was made. from: whose it
 * is; NULL, or no address of IP: LOCAL. */
bool stream_put_proxy(struct stream *s, const struct addr *from);
/* Sends or queues all n bytes; false when the queue hit its cap, memory is out or the socket is
 * broken (s->error). */
bool stream_write(struct stream *s, const void *p, size_t n);
/* Sends what can be sent of the queue and b; b's bytes are taken over (b is empty afterwards). The
 * usual way to send: append to b, then flush once per turn. */
bool stream_flush_buf(struct stream *s, struct buf *b);
static inline size_t stream_queued(const struct stream *s)
{
	return buf_len(&s->out);
}
/* cb->readable is called again from the loop, soon, without a socket event: after stopping
 * early. */
void stream_resume(struct stream *s);
/* TLS. The handshake runs by itself; cb->handshaken reports. server_name: for SNI and verify-full;
 * NULL on the accepting side. */
int stream_tls_accept(struct stream *s, struct tls_ctx *ctx, struct err *e);
int stream_tls_connect(
	struct stream *s, struct tls_ctx *ctx, const char *server_name, struct err *e);
/* Stops events, sends close_notify if TLS, closes the fd, frees the buffers. Idempotent. No
 * callback comes after it. The struct itself is the owner's and may be freed at the turn's end. */
void stream_close(struct stream *s);
/* From now on what is written is encoded and what is read is decoded; the n bytes at p were read
 * too early, and are decoded first. Takes over c, also when there is no memory (-1). Once in a
 * stream's life. */
int stream_code(struct stream *s, const struct coding *c, const void *p, size_t n)
	__attribute__((warn_unused_result));
/* What came cannot be decoded: nothing more is read. NULL: all is well. A stream_read() that
 * returns 0 may be the first to know. Valid until the stream is closed. */
const struct err *stream_garbled(const struct stream *s);
const char *stream_coding_name(const struct stream *s); /* NULL: none */
/* Half-close after the queue is sent is the owner's business: this closes at once if the queue is
 * empty, else when it is, or at the deadline (microseconds from now), without callbacks. Takes over
 * fd, ssl and queue: s is closed on return. */
void stream_linger_close(struct stream *s, int64_t max_us);
/* For moving to another thread: only with empty queues, no TLS records pending, not connecting. -1:
 * not movable now. */
int stream_detach(struct stream *s);
int stream_attach(struct stream *s, struct loop *l, const struct stream_cb *cb, void *owner);

#endif
