/* pg_hand - a link's state as bytes, and back, for the process after an upgrade: only of a link
 * that a session keeps between its transactions, and goes along with (pg_move.c). What is read is
 * checked as if it came from the network. What can be asked of the server again is not written:
 * descriptions of statements. Ignorant of sockets. Thread: that of the env.
 *
 * The form is version PG_HAND_FORM: a change of what is written here, of stmt_key(), ref_key() or
 * view_text() makes another one. The process's hash key goes over beforehand. */
#include "pg_ref_int.h"

#include <string.h>

#include "base/mem.h"

#define PG_HAND_FORM 2
#define STATEMENTS_MAX_N 65536u

/* ---- out ---- */

static bool is_settled(const struct pg_client *c, const struct pg_link *l)
{
	if (!pg_link_movable(l) || l->env != c->env)
		return false;
	if (l->sync_wait || l->ask_wait || l->lost_wait || l->kept || l->copy_in || l->full)
		return false;
	return !l->n_held && !l->held_due && !l->healing && !l->reask;
}

/* Oldest first. */
static bool put_stmts(const struct pg_link *l, struct buf *out)
{
	buf_put_u32le(out, l->stmts.next_id);
	buf_put_u32le(out, linkmap_n(&l->stmts));
	for (struct list *n = l->stmts.lru.prev; n != &l->stmts.lru; n = n->prev) {
		const struct linkstmt *s = list_entry(n, struct linkstmt, lru);
		if (!s->confirmed || s->in_flight)
			return false;
		buf_put_u64le(out, s->key.lo);
		buf_put_u64le(out, s->key.hi);
		buf_put_u32le(out, s->id);
		buf_put_u64le(out, s->view);
	}
	return true;
}

enum proto_stays pg_link_hand_out(const void *cst, const void *lst, struct buf *out)
{
	const struct pg_client *c = cst;
	const struct pg_link *l = lst;
	bool own = l->has_unnamed && c->unnamed &&
		   hash128_eq(l->unnamed, pg_unnamed_key(c, c->unnamed));
	if (!is_settled(c, l))
		return PROTO_STAYS_UNSETTLED;
	buf_put_u8(out, PG_HAND_FORM);
	buf_put_u8(out, (uint8_t)(l->same_client | own << 1 | seq_is_foreign(c, l) << 2));
	buf_put_u64le(out, l->unnamed_view);
	buf_put_u16le(out, l->key_n);
	buf_append(out, l->key, l->key_n);
	varset_pack(l->have, out);
	varset_pack(l->reported, out);
	varset_pack(l->fresh, out);
	if (!put_stmts(l, out) || !named_pack(c, l, out))
		return PROTO_STAYS_UNSETTLED;
	return PROTO_STAYS_NOT;
}

/* ---- in ---- */

static bool get_set(struct pg_link *l, struct rd *r, struct varset **s)
{
	return varset_unpack(&l->env->vars, r, s);
}

static bool get_stmt(struct pg_link *l, struct rd *r, struct hmap *ids)
{
	struct hash128 key = { .lo = rd_u64le(r) };
	key.hi = rd_u64le(r);
	uint32_t id = rd_u32le(r);
	uint64_t view = rd_u64le(r);
	if (!rd_ok(r) || id == 0 || linkmap_get(&l->stmts, key) || hmap_get(ids, &id, sizeof(id)))
		return false;
	struct linkstmt *s = linkmap_add(&l->stmts, key);
	if (s == NULL || !hmap_put(ids, &id, sizeof(id), s, NULL))
		return false;
	s->id = id;
	s->confirmed = true;
	s->view = view;
	/* before any change of a schema that this process could know of: who parses it anew gets it
	 * anew */
	s->schema_no = told_schema_no() - 1;
	return true;
}

static bool get_stmts(struct pg_link *l, struct rd *r)
{
	struct hmap ids; /* no two have one name */
	uint32_t next_id = rd_u32le(r), n = rd_u32le(r), max_id = 0;
	hmap_init(&ids);
	bool ok = n <= STATEMENTS_MAX_N;
	for (uint32_t i = 0; ok && i < n; i++) {
		ok = get_stmt(l, r, &ids);
		uint32_t id = ok ? list_entry(list_first(&l->stmts.lru), struct linkstmt, lru)->id
				 : 0;
		max_id = id > max_id ? id : max_id;
	}
	hmap_fini(&ids, NULL);
	l->stmts.next_id = next_id;
	return ok && rd_ok(r) && next_id > max_id;
}

/* As at the end of a request of c, which has it since then. */
static void settle(struct pg_client *c, struct pg_link *l)
{
	if (l->same_client)
		l->last_client_id = c->id;
	l->tx = TX_IDLE;
	l->dirty = PG_DIRTY_ALL;
	l->used = l->spoiled = true;
}

int pg_link_hand_in(void *cst, void *lst, struct proto_env *v, struct rd *r, struct err *e)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	pg_link_run_init(l, v);
	uint8_t form = rd_u8(r), flags = rd_u8(r);
	l->unnamed_view = rd_u64le(r);
	l->key_n = rd_u16le(r);
	const uint8_t *key = l->key_n <= sizeof(l->key) ? rd_bytes(r, l->key_n) : NULL;
	if (!key || form != PG_HAND_FORM || flags > 7 || (flags & 2 && !c->unnamed)) {
		l->key_n = 0;
		return err_set(
			e, ERR_PROTOCOL, "its server connection is described in another form");
	}
	memcpy(l->key, key, l->key_n);
	l->same_client = flags & 1;
	l->drawn_by_others = flags & 4;
	l->has_unnamed = flags & 2;
	if (l->has_unnamed)
		l->unnamed = pg_unnamed_key(c, c->unnamed);
	if (!get_set(l, r, &l->have) || !get_set(l, r, &l->reported) || !get_set(l, r, &l->fresh) ||
		!get_stmts(l, r) || !named_unpack(c, l, r) || !rd_ok(r) || rd_left(r))
		return err_set(e, ERR_PROTOCOL,
			"the state of its server connection is malformed, or too much");
	settle(c, l);
	return 0;
}
