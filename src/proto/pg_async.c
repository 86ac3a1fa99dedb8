/* pg_async - what a server may say at any time, whatever was asked: notices, notifications and
 * parameters. Ignorant of replies. Thread: that of the env. Source: PostgreSQL docs, Message Flow,
 * Asynchronous Operations. */
#include "pg_down_int.h"

#include <string.h>

#include "wire/pg/error.h"
#include "wire/pg/session.h"

/* A notification that the session itself sent carries the process id of the link; the client knows
 * itself by the one that its BackendKeyData told. */
static bool is_own_notification(const struct dnx *d, const struct pgmsg_head *h)
{
	return h->body_n >= 4 && d->l->key_n >= 4 && memcmp(body_of(d), d->l->key, 4) == 0 &&
	       memcmp(d->c->told_pid, d->l->key, 4) != 0;
}

static void give_own_notification(struct dnx *d, const struct pgmsg_head *h)
{
	flow_cut(&d->f);
	buf_append(d->down, d->f.p + d->f.at, total_of(h) - h->body_n);
	buf_append(d->down, d->c->told_pid, 4);
	buf_append(d->down, body_of(d) + 4, h->body_n - 4);
	flow_drop(&d->f, total_of(h));
}

/* The server's last words are no notice for a client that may outlive them. */
static enum dn_next last_word(struct dnx *d, const struct pgerror *f)
{
	pgerror_to_err(f, ERR_SERVER_LOST, d->e);
	memcpy(d->e->sqlstate, "57P02", 6); /* also where it says 57P01: it may have committed */
	return dn_event(d, PEV_BAD, 0);
}

static enum dn_next pass_async(struct dnx *d, const struct pgmsg_head *h, bool heard)
{
	if (heard)
		flow_pass(&d->f, total_of(h));
	else
		flow_drop(&d->f, total_of(h));
	return DN_NEXT;
}

/* The link may be given away at any time: never in the middle of a message out of turn. */
enum dn_next dn_notice(struct dnx *d, const struct pgmsg_head *h)
{
	struct owed *o = owed_head(d->l);
	bool heard = d->c && d->c->ready && (o == NULL || o->disp == OWED_FORWARD);
	bool out_of_turn = d->c == NULL && o == NULL;
	struct pgerror f;
	if (h->body_n > PG_ASYNC_MAX_BYTES)
		return out_of_turn ? dn_bad(d, "a message out of turn is too large", h->type)
				   : pass_async(d, h, heard);
	if (!is_whole(d, h))
		return DN_STOP;
	pgerror_read(body_of(d), h->body_n, &f);
	bool last = pgerror_is_last_word(&f);
	if ((last || out_of_turn) && d->f.at > 0)
		return DN_STOP;
	if (last)
		return last_word(d, &f);
	if (out_of_turn) {
		pgerror_to_err(&f, ERR_NONE, d->e);
		return dn_event(d, PEV_NOTE, total_of(h));
	}
	if (heard && o && o->p.ls && dn_put_renamed(d, h, o, &f))
		return DN_NEXT;
	return pass_async(d, h, heard);
}

enum dn_next dn_notification(struct dnx *d, const struct pgmsg_head *h)
{
	bool heard = d->c && d->c->ready;
	bool out_of_turn = d->c == NULL && owed_head(d->l) == NULL;
	if (out_of_turn && h->body_n > PG_ASYNC_MAX_BYTES)
		return dn_bad(d, "a message out of turn is too large", h->type);
	if ((out_of_turn || heard) && h->body_n <= PG_ASYNC_MAX_BYTES) {
		if (!is_whole(d, h))
			return DN_STOP;
		if (heard && is_own_notification(d, h)) {
			give_own_notification(d, h);
			return DN_NEXT;
		}
	}
	return pass_async(d, h, heard);
}

enum dn_next dn_parameter(struct dnx *d, const struct pgmsg_head *h)
{
	struct owed *o = owed_head(d->l);
	struct vartab *t = &d->l->env->vars;
	bool heard = d->c && d->c->ready && (o == NULL || o->disp == OWED_FORWARD);
	const char *name, *value;
	if (h->body_n > PG_ASYNC_MAX_BYTES)
		return dn_bad(d, "ParameterStatus is too large", h->type);
	if (!is_whole(d, h))
		return DN_STOP;
	if (!pgsession_read_param(body_of(d), h->body_n, &name, &value))
		return dn_bad(d, "malformed ParameterStatus", h->type);
	/* What brings the link's values back is followed by the session's own: of the former it
	 * hears nothing. */
	if (heard && d->l->discarding && varset_get(d->c->start, name)) {
		const char *fresh = varset_get(d->l->fresh, name);
		heard = fresh == NULL || strcmp(fresh, value) != 0;
	}
	if (!varset_put(t, &d->l->reported, name, value) ||
		(heard && !varset_put(t, &d->c->told, name, value)))
		d->l->failed = true;
	return pass_async(d, h, heard);
}
