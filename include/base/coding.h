/* coding - what a stream's bytes are turned into between its owner and its socket, as an interface:
 * a protocol that has such a form (compression) provides it, a stream carries it. Ignorant of both.
 * One thread at a time, that of the stream. */
#ifndef BASE_CODING_H
#define BASE_CODING_H
#include "base/buf.h"
#include "base/err.h"

#define CODING_BROKEN SIZE_MAX

struct coding_ops {
	/* From the peer: *n_r bytes at p, of which it says in *n_r how many it used (all, unless
	 * the room was filled), become at most room (at least 1) bytes at to. Returns how many, or
	 * CODING_BROKEN with e set: what came is no such form, and no call may follow. */
	size_t (*decode)(
		void *st, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, struct err *e);
	/* To the peer: appends the form of n bytes to out. No memory: out->failed. */
	void (*encode)(void *st, const void *p, size_t n, struct buf *out);
	/* Nothing is begun: decode() may go on in another thread. */
	bool (*at_rest)(const void *st);
	void (*free)(void *st);
};
struct coding {
	const struct coding_ops *ops;
	void *st;         /* owned by who holds the struct */
	const char *name; /* "zlib"; static */
};
#endif
