/* meter - digests of statements that are sent, and their texts without values. Any thread. */
#include "meter.h"

#include "base/buf.h"

#include <string.h>

static bool normal(const struct proto_statement *s, struct buf *out, size_t max)
{
	return s->text != NULL && sql_normal(s->lang, s->text, s->n, out, max);
}

static size_t first(const struct proto_statement *s)
{
	return sql_first_token(s->lang, s->text, s->n);
}

struct kept_lang {
	struct sql_lang lang; /* its my is not the one below yet: that may have moved */
	struct sql_my_opts my;
};
_Static_assert(sizeof(struct kept_lang) <= sizeof(((struct proto_lang *)0)->opaque), "too small");

static bool normal_kept(
	const struct proto_lang *l, const char *text, size_t n, struct buf *out, size_t max)
{
	struct kept_lang k;

	memcpy(&k, l->opaque, sizeof(k));
	if (k.lang.my != NULL)
		k.lang.my = &k.my;
	return sql_normal(&k.lang, text, n, out, max);
}

static void keep_lang(const struct proto_statement *s, struct proto_lang *lang_r)
{
	struct kept_lang k = { .lang = *s->lang };

	if (k.lang.my != NULL)
		k.my = *k.lang.my;
	memcpy(lang_r->opaque, &k, sizeof(k));
	lang_r->normal = normal_kept;
}

void meter_sent(struct proto_meter *m, const struct proto_statement *s, struct meter_digest *known,
	struct proto_ticket *ticket_r)
{
	struct proto_statement x = *s;
	x.normal = normal;
	x.first = first;
	x.keep_lang = keep_lang;
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
