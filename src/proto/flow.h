/* flow - the flow of bytes from one peer to the other: runs that pass unchanged stay where they
 * are, what is put between them goes out in order. Ignorant of what the bytes mean. One thread:
 * that of the env. */
#ifndef PROTO_FLOW_H
#define PROTO_FLOW_H
#include "base/buf.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the rest of a message goes whose head was handled. */
enum flow_rest { FLOW_PASS, FLOW_DROP };

/* Input is looked at message by message. A run of bytes that pass unchanged stays where it is; as
 * soon as something else must go out behind it, it is copied to out. */
struct flow {
	const uint8_t *p;
	size_t n, at, from; /* [from, at) is the run; before from: consumed */
	struct buf *out;
	uint32_t *left; /* of the peer: bytes of the current message still to come */
	uint8_t *rest;  /* enum flow_rest for them */
};
static inline size_t flow_ahead(const struct flow *f)
{
	return f->n - f->at;
}
void flow_cut(struct flow *f); /* before putting anything into out */
void flow_pass(
	struct flow *f, size_t total); /* the message at at passes; what is not here yet follows */
void flow_drop(struct flow *f, size_t total);
struct pev flow_end(struct flow *f);
/* Bytes of a message that was begun before: handles them, or returns false when there are none. */
bool flow_resume(struct flow *f, struct pev *ev_r);
#endif
