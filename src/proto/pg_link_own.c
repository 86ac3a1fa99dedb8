/* pg_link_own - a link without a session: bringing it to a request boundary, cleaning it, asking it
 * something, moving it to another thread. Ignorant of when. Thread: that of the env. */
#include "pg_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

bool pg_link_owes(const void *lst)
{
	const struct pg_link *l = lst;
	return l->owed.n > 0 || l->down_left > 0 || l->ext_open || l->skipping;
}

unsigned pg_link_requests(const void *lst)
{
	const struct pg_link *l = lst;
	return l->n_ready + (l->ext_open ? 1 : 0);
}

bool pg_link_mid_reply(const void *lst)
{
	const struct pg_link *l = lst;
	return l->raw || (l->down_left > 0 && l->down_rest == FLOW_PASS);
}

enum tx_state pg_link_tx(const void *lst)
{
	return (enum tx_state)((const struct pg_link *)lst)->tx;
}

/* ---- the session lets go ---- */

void pg_detach(void *cst, void *lst)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	l->mid_up = c->up_left > 0 && c->up_rest == FLOW_PASS;
	l->used = l->used || c->ready;
	sync_kept_drop(l);
	if ((c->acc & (STATE_RELEVANT | SQL_F_DDL)) || c->pins || c->pins_kept || l->ask_wait)
		l->dirty = PG_DIRTY_ALL;
	if ((c->acc & SQL_F_DDL) && c->names) /* committed by now */
		proto_catalog_changed();
	if (c->pins_kept & (PIN(LOAD) | PIN(SEED)))
		l->spoiled = true;
	if (c->want != l->have && l->sync_wait)
		l->dirty = l->dirty < PG_DIRTY_VARS ? PG_DIRTY_VARS : l->dirty;
	undo_rollback(c);
	c->unnamed_raw = 0;
	l->down_rest = FLOW_DROP;
}

/* ---- to a request boundary ---- */

/* Ends a batch that its client did not end: it must fail, or the Sync would commit it. */
static void put_sync(struct pg_link *l, struct buf *up)
{
	if (!l->skipping) {
		(void)owed_push(l, OWED_DESC_STMT, OWED_SWALLOW);
		pgext_put_describe(up, 'S', PG_STMT_MISSING);
	}
	(void)owed_push(l, OWED_SYNC, OWED_SWALLOW);
	pgext_put_sync(up);
	l->ext_open = l->skipping = false;
	l->batch_flags = 0;
	l->batch_no++;
}

bool pg_link_abort(void *lst, struct buf *up)
{
	struct pg_link *l = lst;
	if (l->mid_up || l->raw || l->failed)
		return false;
	if (l->copy_in) {
		pgmsg_put(up, 'f', "canceled", 9);
		owed_head(l)->flags &= (uint16_t)~OWED_F_COPY;
		l->copy_in = false;
		l->ext_open = l->ext_open || owed_head(l)->kind == OWED_EXECUTE;
	}
	/* A Sync that was kept back did not go at its place: one behind all that was sent replaces
	 * it. */
	l->held_due = false;
	l->ext_open = l->ext_open || l->n_held > 0;
	for (uint32_t i = 0; l->n_held > 0;) {
		if (owed_at(l, i)->flags & OWED_F_HELD)
			owed_remove(l, i);
		else
			i++;
	}
	if (l->ext_open || l->skipping)
		put_sync(l, up);
	return !l->failed && !up->failed;
}

/* ---- cleaning ---- */

static void put_captured(struct pg_link *l, enum pg_capture what, const char *sql, struct buf *up)
{
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	if (o)
		o->synth = (uint8_t)what;
	l->has_unnamed = false;
	pgext_put_query(up, sql, strlen(sql));
}

/* Does this text do all that DISCARD ALL does? Blanks and a semicolon at the ends do not matter. */
static bool is_discard_all(const char *sql)
{
	static const char all[] = "discard all";
	size_t n = strlen(sql);
	while (n > 0 && (*sql == ' ' || *sql == '\t' || *sql == '\n')) {
		sql++;
		n--;
	}
	while (n > 0 && (sql[n - 1] == ' ' || sql[n - 1] == ';' || sql[n - 1] == '\n' ||
				sql[n - 1] == '\t'))
		n--;
	return n == sizeof(all) - 1 && strncasecmp(sql, all, n) == 0;
}

bool pg_link_clean(void *lst, const char *sql, bool always, struct buf *up)
{
	struct pg_link *l = lst;
	assert(l->owed.n == 0 && !l->ext_open && !l->copy_in);
	bool rollback = l->tx != TX_IDLE, reset = always || l->dirty != PG_CLEAN;
	if (!rollback && !reset)
		return false;
	if (rollback)
		put_captured(l, PG_CAP_CLEAN, "ROLLBACK", up);
	bool theirs = sql && *sql && (always || l->dirty == PG_DIRTY_ALL);
	bool all = l->dirty == PG_DIRTY_ALL || (theirs && is_discard_all(sql));
	if (theirs)
		put_captured(l, PG_CAP_CLEAN, sql, up);
	/* A reset query of the configuration may do less than is needed: what was left behind by a
	 * session must not be found by another. */
	if (l->dirty == PG_DIRTY_ALL && !(theirs && is_discard_all(sql)))
		put_captured(l, PG_CAP_CLEAN, "DISCARD ALL", up);
	else if (reset && !(theirs && is_discard_all(sql)))
		put_captured(l, PG_CAP_CLEAN, "RESET SESSION AUTHORIZATION;RESET ALL", up);
	l->drawn_by_others = !all && (l->drawn_by_others || l->last_client_id);
	l->last_client_id = 0;
	l->resetting = reset;
	return true;
}

/* ---- internal queries ---- */

void pg_link_query(void *lst, const char *sql, const char *param, struct buf *up)
{
	struct pg_link *l = lst;
	assert(l->owed.n == 0 && !l->ext_open);
	if (param == NULL) {
		put_captured(l, PG_CAP_QUERY, sql, up);
		return;
	}
	static const enum owed_kind kinds[] = { OWED_PARSE, OWED_BIND, OWED_EXECUTE, OWED_SYNC };
	for (unsigned i = 0; i < 4; i++) {
		struct owed *o = owed_push(l, kinds[i], OWED_CAPTURE);
		if (o)
			o->synth = PG_CAP_QUERY;
	}
	l->has_unnamed = false;
	pgext_put_parse(up, "", sql, strlen(sql), NULL, 0);
	pgext_put_bind_text(up, "", "", &param, 1);
	pgext_put_execute(up, "", 0);
	pgext_put_sync(up);
	l->batch_no++;
}

void pg_link_ping(void *lst, struct buf *up)
{
	pg_link_query(lst, ";", NULL, up);
}

/* ---- moving ---- */

bool pg_link_spoiled(const void *lst)
{
	return ((const struct pg_link *)lst)->spoiled;
}

bool pg_link_movable(const void *lst)
{
	const struct pg_link *l = lst;
	return !pg_link_owes(lst) && l->tx == TX_IDLE && l->login == NULL && !l->raw &&
	       !l->failed && !l->mid_up && !l->ask;
}

void pg_link_move_out(void *lst)
{
	struct pg_link *l = lst;
	struct vartab *t = &l->env->vars;
	assert(pg_link_movable(lst));
	buf_fini(&l->body);
	varset_pack(l->have, &l->body);
	varset_pack(l->reported, &l->body);
	varset_pack(l->fresh, &l->body);
	l->failed = l->body.failed;
	varset_assign(t, &l->have, NULL);
	varset_assign(t, &l->reported, NULL);
	varset_assign(t, &l->fresh, NULL);
	l->env = NULL;
}

bool pg_link_move_in(void *lst, struct proto_env *v)
{
	struct pg_link *l = lst;
	struct rd r = rd_of(buf_data(&l->body), buf_len(&l->body));
	l->env = v;
	bool ok = !l->failed && varset_unpack(&v->vars, &r, &l->have) &&
		  varset_unpack(&v->vars, &r, &l->reported) &&
		  varset_unpack(&v->vars, &r, &l->fresh);
	buf_fini(&l->body);
	l->failed = !ok;
	return ok;
}
