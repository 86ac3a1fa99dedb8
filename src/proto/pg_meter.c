/* pg_meter - which of a client's messages are statements that are counted. A portal's statement is
 * told by its Bind, and counted when it is executed for the first time. Thread: that of the env. */
#include "pg_run_int.h"

#include "pg_down_int.h"
#include "base/hmap.h"
#include "base/num.h"
#include "wire/pg/extended.h"

#include <string.h>

static void sent(struct upx *u, const char *text, size_t n, struct meter_digest *known)
{
	struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = pg_lex(u->c)->scs };
	struct proto_statement s = { .text = text, .n = n, .lang = &lang };
	meter_sent(u->c->meter, &s, known, &u->l->ticket);
}

void up_count(struct upx *u, const char *text, size_t n)
{
	if (meter_on(u->c->meter))
		sent(u, text, n, u->known ? &u->known->digest : NULL);
}

static uint64_t portal_of(const char *name, size_t n)
{
	return n ? hash64(name, n) : 0;
}

void up_count_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n)
{
	if (!meter_on(u->c->meter))
		return;
	/* what is remembered of its text is no part of what a statement is */
	struct stmt *own = (struct stmt *)(uintptr_t)s;
	sent(u, s ? s->text : NULL, s ? s->text_n : 0, own ? &own->digest : NULL);
	u->l->ticket_portal = portal_of(portal, portal_n);
}

/* A portal that goes on, or of an earlier Bind, is no other statement. */
void up_count_executed(struct upx *u, const uint8_t *body, size_t n)
{
	struct pg_link *l = u->l;
	struct pgext_execute x;
	if (l->ticket.sent_us == 0)
		return;
	if (!pgext_read_execute(body, n, &x) || portal_of(x.portal, x.portal_n) != l->ticket_portal)
		l->ticket = (struct proto_ticket){ 0 };
}

void dn_count_rows(struct dnx *d, const char *tag)
{
	const char *p = strrchr(tag, ' ');
	uint64_t n;
	if (p && num_u64n(p + 1, strlen(p + 1), 0, UINT64_MAX, &n) == 0)
		d->l->answer.rows += n;
}

void dn_counted(struct dnx *d, const struct owed *o, bool failed)
{
	meter_answered(d->c ? d->c->meter : NULL, &o->ticket, &d->l->answer, failed);
}
