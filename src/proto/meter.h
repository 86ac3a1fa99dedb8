/* meter - statements on their way to a server, as core counts them. Ignorant of what is done with
 * the counts. Private to src/proto. Thread: that of the session. */
#ifndef PROTO_METER_H
#define PROTO_METER_H
#include "proto/proto.h"

#include "sql/digest.h"

static inline bool meter_on(const struct proto_meter *m)
{
	return m != NULL && m->on != NULL && *m->on != 0;
}

/* A statement goes to a server now. text NULL: it is not known. known: where the digest of a text
 * that comes again is kept; may be NULL. trace: NULL, or what came beside the text. */
struct meter_digest {
	uint64_t digest;
	uint8_t state; /* enum meter_known */
};
enum meter_known { METER_UNKNOWN, METER_HAS, METER_HAS_NONE };
void meter_sent(struct proto_meter *m, const struct proto_statement *s, struct meter_digest *known,
	struct proto_ticket *ticket_r);

/* Its answer has come: a is what that was, and empty from now on. */
static inline void meter_answered(
	struct proto_meter *m, const struct proto_ticket *t, struct proto_answer *a, bool failed)
{
	if (m != NULL && t->sent_us != 0) {
		a->failed = failed;
		m->ops->answered(m, t, a);
	}
	*a = (struct proto_answer){ 0 };
}

#endif
