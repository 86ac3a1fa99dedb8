/* mysql_hand - the link that a session keeps, as bytes, and back, for the process after an upgrade,
 * which gets its connection as well: only while nothing is on its way, and only for the session
 * that has it, which goes along (mysql_move.c). What is read is checked as if it came from the
 * network. Ignorant of sockets. Thread: that of the env.
 *
 * The form is version MY_HAND_FORM: a change of what is written here, or of how the keys of handles
 * are made (key_of() in mysql_stmt.c), makes another one. The process's hash key goes over
 * beforehand. */
#include "mysql_run_int.h"
#include "mysql_stmt_int.h"

#include <string.h>

#include "base/mem.h"

#define MY_HAND_FORM 3
#define HANDLES_MAX_N 16384U
#define VERSION_MAX_BYTES 256U

enum {
	F_MARIADB = 1 << 0,
	F_TX_TEXT = 1 << 1,
	F_OWN_LAST = 1 << 2,
	F_OWN_COUNT = 1 << 3,
	F_OWN_FOUND = 1 << 4,
	F_OWN_ID = 1 << 5,
	F_LEFT_DIAG = 1 << 6,
	F_MULTI = 1 << 7,
	F_DIRTY = 1 << 8,
	F_SPOILED = 1 << 9,
	F_SYNC_DUE = 1 << 10,
	F_DIAG_DUE = 1 << 11,
	F_OWN_SEQ = 1 << 12,
	F_OWN_GTID = 1 << 13,
	F_ALL = (1 << 14) - 1
};

/* ---- out ---- */

/* No answer is due, to the session or to us, and no state is on its way. */
static bool is_quiet(const struct my_link *l)
{
	if (!my_link_movable(l) || l->sync_wait || l->prep_wait || l->tx_due || l->in_setup)
		return false;
	return !l->begins && !l->sync_to && !buf_len(&l->kept);
}

static uint16_t flags_of(const struct my_link *l)
{
	return (uint16_t)((l->mariadb ? F_MARIADB : 0) | (l->tx_text ? F_TX_TEXT : 0) |
			  (l->own_last ? F_OWN_LAST : 0) | (l->own_count ? F_OWN_COUNT : 0) |
			  (l->own_found ? F_OWN_FOUND : 0) | (l->own_id ? F_OWN_ID : 0) |
			  (l->left_diag ? F_LEFT_DIAG : 0) | (l->multi ? F_MULTI : 0) |
			  (l->dirty == MY_DIRTY ? F_DIRTY : 0) | (l->spoiled ? F_SPOILED : 0) |
			  (l->sync_due ? F_SYNC_DUE : 0) | (l->diag_due ? F_DIAG_DUE : 0) |
			  (l->own_seq ? F_OWN_SEQ : 0) | (l->own_gtid ? F_OWN_GTID : 0));
}

/* The one that was not used for the longest time first. */
static void put_handles(const struct my_link *l, struct buf *out)
{
	buf_put_u32le(out, linkmap_n(&l->stmts));
	for (struct list *n = l->stmts.lru.prev; n != &l->stmts.lru; n = n->prev) {
		const struct linkstmt *x = list_entry(n, struct linkstmt, lru);
		buf_put_u64le(out, x->key.lo);
		buf_put_u64le(out, x->key.hi);
		buf_put_u32le(out, x->id);
	}
}

enum proto_stays my_link_hand_out(const void *cst, const void *lst, struct buf *out)
{
	const struct my_link *l = lst;
	(void)cst;
	if (l->raw || my_packed(l->caps) || (l->caps & MYCAP(SSL)))
		return PROTO_STAYS_LINK;
	if (!is_quiet(l))
		return PROTO_STAYS_UNSETTLED;
	if (linkmap_n(&l->stmts) > HANDLES_MAX_N)
		return PROTO_STAYS_TOO_BIG;
	buf_put_u8(out, MY_HAND_FORM);
	buf_put_u64le(out, l->caps);
	buf_put_u64le(out, l->server_caps);
	buf_put_text(out, l->version ? l->version : "");
	buf_put_u32le(out, l->version_n);
	buf_put_u32le(out, l->thread_id);
	buf_put_u8(out, l->server_collation);
	buf_put_u8(out, l->link_class);
	buf_put_u16le(out, l->status);
	buf_put_u64le(out, (uint64_t)l->affected);
	buf_put_lenstr(out, l->acked, l->acked_n);
	buf_put_u16le(out, flags_of(l));
	varset_pack(l->have, out);
	varset_pack(l->fresh, out);
	put_handles(l, out);
	return out->failed ? PROTO_STAYS_TOO_BIG : PROTO_STAYS_NOT;
}

/* ---- in ---- */

static void set_flags(struct my_link *l, unsigned f)
{
	l->mariadb = f & F_MARIADB;
	l->tx_text = f & F_TX_TEXT;
	l->own_last = f & F_OWN_LAST;
	l->own_count = f & F_OWN_COUNT;
	l->own_found = f & F_OWN_FOUND;
	l->own_id = f & F_OWN_ID;
	l->left_diag = f & F_LEFT_DIAG;
	l->multi = f & F_MULTI;
	l->dirty = f & F_DIRTY ? MY_DIRTY : MY_CLEAN;
	l->spoiled = f & F_SPOILED;
	l->sync_due = f & F_SYNC_DUE;
	l->diag_due = f & F_DIAG_DUE;
	l->own_seq = f & F_OWN_SEQ;
	l->own_gtid = f & F_OWN_GTID;
}

/* Numbers, names and flags. */
static bool get_fixed(struct my_link *l, struct rd *r)
{
	char version[VERSION_MAX_BYTES];
	size_t acked_n;
	l->caps = rd_u64le(r);
	l->server_caps = rd_u64le(r);
	if (!rd_text(r, version, sizeof(version)))
		return false;
	l->version_n = rd_u32le(r);
	l->thread_id = rd_u32le(r);
	l->server_collation = rd_u8(r);
	l->link_class = rd_u8(r);
	l->status = rd_u16le(r);
	l->affected = (int64_t)rd_u64le(r);
	const uint8_t *acked = rd_lenstr(r, &acked_n);
	uint16_t flags = rd_u16le(r);
	if (!rd_ok(r) || acked_n > sizeof(l->acked) || flags > F_ALL)
		return false;
	memcpy(l->acked, acked, acked_n);
	l->acked_n = (uint8_t)acked_n;
	set_flags(l, flags);
	my_link_set_key(l);
	l->version = mem_strdup(MEM_PROTO, version);
	return l->version != NULL;
}

static bool get_handles(struct my_link *l, struct rd *r)
{
	uint32_t n = rd_u32le(r);
	bool ok = rd_ok(r) && n <= HANDLES_MAX_N;
	for (; ok && n > 0; n--) {
		struct hash128 key;
		key.lo = rd_u64le(r);
		key.hi = rd_u64le(r);
		uint32_t id = rd_u32le(r);
		bool known = hmap_get_by(&l->stmts.by_key, key.lo, &key, sizeof(key));
		struct linkstmt *x = rd_ok(r) && !known ? linkmap_add(&l->stmts, key) : NULL;
		if (x)
			x->id = id;
		ok = x != NULL;
	}
	return ok;
}

/* The session's open cursors are on handles of this link, each on one of its own. */
static bool take_cursors(const struct my_client *c, struct my_link *l)
{
	if (c->stmts == NULL || c->stmts->n_cursors == 0)
		return true;
	for (struct hmap_it it = hmap_begin(&c->stmts->by_id); hmap_next(&it);) {
		const struct my_stmt *s = it.value;
		if (s->cursor == 0 || s->fixed == s->cursor)
			continue;
		struct linkstmt *x = my_stmt_by_handle(l, s->cursor);
		if (x == NULL || x->in_flight)
			return false;
		x->in_flight = 1;
	}
	return true;
}

int my_link_hand_in(void *cst, void *lst, struct proto_env *v, struct rd *r, struct err *e)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	my_link_run_init(l, v);
	if (rd_u8(r) != MY_HAND_FORM)
		return err_set(e, ERR_PROTOCOL, "its server connection is written in another form");
	if (!get_fixed(l, r) || !varset_unpack(&v->vars, r, &l->have) ||
		!varset_unpack(&v->vars, r, &l->fresh) || !get_handles(l, r) || !rd_ok(r) ||
		rd_left(r) || !take_cursors(c, l))
		return err_set(e, ERR_PROTOCOL,
			"the state of its server connection is malformed, or too much");
	if (!(l->caps & MYCAP(PROTOCOL_41)) || my_packed(l->caps) || (l->caps & MYCAP(SSL)) ||
		(l->status & MYSTATUS_IN_TRANS))
		return err_set(e, ERR_PROTOCOL, "its server connection is one that cannot move");
	if (!my_client_fits(c, l, e))
		return -1;
	l->last_client_id = c->id;
	l->last_attached = ++c->n_attached;
	return 0;
}
