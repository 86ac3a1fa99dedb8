/* meter - digests of statements that are sent, and their texts without values. Any thread. */
#include "meter.h"

#include "base/buf.h"

static bool normal(const struct proto_statement *s, struct buf *out, size_t max)
{
	return s->text != NULL && sql_normal(s->lang, s->text, s->n, out, max);
}

static size_t first(const struct proto_statement *s)
{
	return sql_first_token(s->lang, s->text, s->n);
}

void meter_sent(struct proto_meter *m, const struct proto_statement *s, struct meter_digest *known,
	struct proto_ticket *ticket_r)
{
	struct proto_statement x = *s;
	x.normal = normal;
	x.first = first;
	if (!(*m->on & PROTO_METER_DIGEST)) {
		x.has_digest = false;
	} else if (known != NULL && known->state != METER_UNKNOWN) {
		x.has_digest = known->state == METER_HAS;
		x.digest = known->digest;
	} else if (x.text != NULL) {
		x.has_digest = sql_digest(x.lang, x.text, x.n, NULL, &x.digest);
		if (known != NULL)
			*known = (struct meter_digest){ x.digest,
				x.has_digest ? METER_HAS : METER_HAS_NONE };
	}
	m->ops->sent(m, &x, ticket_r);
}
