/* stream_int - what stream.c, stream_tls.c and stream_linger.c share. Own thread only. */
#ifndef EV_STREAM_INT_H
#define EV_STREAM_INT_H
#include "ev/stream.h"

#include <sys/types.h>

enum {
	STREAM_LOW_WATER_BYTES = 32 * 1024, /* cb->drained is called when the queue falls to it */
	STREAM_EVENTS = EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
};

/* stream.c */
/* recv(2) and send(2) with edge-triggered bookkeeping; -1 with s->sock_errno set (EAGAIN: nothing
 * now). */
ssize_t stream_recv_raw(struct stream *s, void *p, size_t n);
ssize_t stream_send_raw(struct stream *s, const void *p, size_t n);
int stream_watch(struct stream *s, struct loop *l); /* adds the event; -1: not possible */
void stream_unwatch(struct stream *s);              /* the event, the task and the audit */
/* stream_read(), stream_write() and stream_flush_buf() as if there were no coding */
size_t stream_read_coded(struct stream *s, void *p, size_t n);
bool stream_flush_coded(struct stream *s, struct buf *b);

/* stream_coding.c */
size_t stream_coding_read(struct stream *s, void *p, size_t n);
bool stream_coding_write(struct stream *s, const void *p, size_t n);
bool stream_coding_at_rest(const struct stream *s);
void stream_coding_free(struct stream *s);

/* stream_tls.c */
size_t stream_tls_read(struct stream *s, void *p, size_t n);
/* Bytes taken (0: none now), or -1 with s->error set. */
ssize_t stream_tls_send(struct stream *s, const void *p, size_t n);
/* One step of the handshake. True: it is finished, was reported, and s is still here. */
bool stream_tls_step(struct stream *s);
void stream_tls_rebind(struct stream *s); /* s has a new address */
bool stream_tls_pending(
	struct stream *s); /* bytes were taken off the socket, but not by the owner */
void stream_tls_notify(struct stream *s); /* close_notify, if it makes sense */
void stream_tls_free(struct stream *s);
#endif
