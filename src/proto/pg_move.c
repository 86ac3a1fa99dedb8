/* pg_move - a session's state as bytes, and back, for the process after an upgrade: only of a
 * session that is between transactions with nothing in doubt, and only if all of it can be written.
 * What is read is checked as if it came from the network. Ignorant of sockets. Thread: that of the
 * env.
 *
 * The form is version PG_MOVE_FORM: a change of what is written here, of how statements are
 * interned or of the hashes in them (stmt_key(), hash_rows() in pg_told.c) makes another one. The
 * process's hash key goes over beforehand. */
#include "pg_ref_int.h"

#include <string.h>

#include "base/mem.h"

#define PG_MOVE_FORM 3
#define STATEMENTS_MAX_N 4096u

/* ---- out ---- */

/* Between transactions, nothing owed, nothing kept back. */
static bool is_settled(const struct pg_client *c)
{
	const struct pg_learn *k = c->learn; /* of which names of settings are written */
	if ((k && k->undo) || !c->ready || c->login || c->console || c->mode == PROTO_RAW)
		return false;
	if (c->acc_asking || c->up_left || c->in_batch || c->skip_to_sync || c->fail_next)
		return false;
	return !c->may_reset && !c->lost && !c->begun && !c->listen_due;
}

/* Nothing that only its link knows. */
static bool is_known(const struct pg_client *c)
{
	const struct pg_learn *k = c->learn;
	if (k && (k->set_known || k->names_overflow || k->reset_name || k->dealloc_name))
		return false;
	return !c->acc && !c->salt && !c->raw_flags && !c->unnamed_raw && !c->mixed;
}

/* What reading the text again will give is what it is. */
static bool put_stmt(struct pg_client *c, const struct stmt *s, int64_t when_us, struct buf *out)
{
	const struct stmt *of = s->of ? s->of : s;
	struct hash128 key = s->sql ? named_key(c, of->text, of->text_n)
				    : stmt_key(of->text, of->text_n, stmt_types(of), of->n_types,
					      pg_lex_byte(pg_lex(c)));
	if (!hash128_eq(of->key, key))
		return false;
	buf_put_u8(out, s->sql);
	buf_put_u64le(out, (uint64_t)when_us);
	buf_put_u32le(out, of->text_n);
	buf_append(out, of->text, of->text_n);
	buf_put_u32le(out, of->n_types);
	buf_append(out, stmt_types(of), (size_t)of->n_types * 4);
	buf_put_u64le(out, s->told_rows);
	buf_put_u32le(out, s->n_told);
	if (s->of)
		buf_append(out, s->store, (size_t)s->n_told * 4);
	return true;
}

static bool put_stmts(struct pg_client *c, struct buf *out)
{
	buf_put_u8(out, c->unnamed != NULL);
	if (c->unnamed && !put_stmt(c, c->unnamed, 0, out))
		return false;
	buf_put_u32le(out, stmtmap_n(c->stmts));
	if (c->stmts == NULL)
		return true;
	for (struct hmap_it it = hmap_begin(&c->stmts->names); hmap_next(&it);) {
		const struct stmtname *x = it.value;
		buf_put_u32le(out, (uint32_t)it.key_n);
		buf_append(out, it.key, it.key_n);
		if (!put_stmt(c, x->s, x->prepared_us, out))
			return false;
	}
	return true;
}

/* What is in doubt, or only the link has: it goes along. The SET that could have been recorded is
 * not: the server will be asked. */
static void put_kept(const struct pg_client *c, struct buf *out)
{
	bool overflow = c->learn && c->learn->names_overflow;
	buf_put_u32le(out, c->pins);
	buf_put_u32le(out, c->pins_kept);
	buf_put_u64le(out, c->acc);
	buf_put_u64le(out, c->raw_flags);
	buf_put_u16le(out, c->n_requests);
	buf_put_u8(out, c->unnamed_raw);
	buf_put_u8(out, (uint8_t)((c->salt != 0) | c->mixed << 1 | overflow << 2));
	buf_putz(out, c->learn && c->learn->listens ? c->learn->listens : "");
}

enum proto_stays pg_client_move_out(void *cst, bool with_link, struct buf *out)
{
	struct pg_client *c = cst;
	if (!with_link && (c->pins || c->pins_kept))
		return PROTO_STAYS_PINNED;
	if (with_link && c->confined)
		return PROTO_STAYS_LINK;
	if (!is_settled(c) || !(with_link || is_known(c)))
		return PROTO_STAYS_UNSETTLED;
	if (stmtmap_n(c->stmts) > STATEMENTS_MAX_N)
		return PROTO_STAYS_TOO_BIG;
	buf_put_u8(out, PG_MOVE_FORM);
	buf_put_u8(out, c->mode);
	buf_put_u8(out, c->role);
	buf_put_u8(out, c->seq_used);
	buf_append(out, c->told_pid, sizeof c->told_pid);
	varset_pack(c->start, out);
	varset_pack(c->want, out);
	varset_pack(c->told, out);
	unsigned n = c->learn ? c->learn->n_names : 0;
	buf_put_u8(out, (uint8_t)n);
	for (unsigned i = 0; i < n; i++)
		buf_putz(out, c->learn->names[i]);
	if (with_link)
		put_kept(c, out);
	if (!put_stmts(c, out))
		return PROTO_STAYS_UNSETTLED;
	return out->failed ? PROTO_STAYS_TOO_BIG : PROTO_STAYS_NOT;
}

/* ---- in ---- */

/* A new reference, or NULL: malformed, or no room. name NULL: the unnamed one. */
static struct stmt *get_stmt(
	struct pg_client *c, const char *name, size_t name_n, struct rd *r, int64_t *when_us_r)
{
	struct upx u = { .c = c };
	struct sql_stmt_info info = { 0 };
	uint8_t sql = rd_u8(r);
	*when_us_r = (int64_t)rd_u64le(r);
	uint32_t text_n = rd_u32le(r);
	const uint8_t *text = rd_bytes(r, text_n);
	uint32_t n_types = rd_u32le(r);
	const uint8_t *types = n_types > UINT16_MAX ? NULL : rd_bytes(r, (size_t)n_types * 4);
	struct stmtdesc told = { .rows = rd_u64le(r) };
	told.n_params = rd_u32le(r);
	const uint8_t *params = told.n_params > UINT16_MAX ? NULL
							   : rd_bytes(r, (size_t)told.n_params * 4);
	if (!rd_ok(r) || !text || !types || !params || (told.rows == 0 && told.n_params) ||
		sql > 1 || (sql && (!name || n_types || told.rows)))
		return NULL;
	struct stmt *s = sql ? named_read(c, name, name_n, (const char *)text, text_n)
			     : ref_intern(&u, (const char *)text, text_n, types, n_types, &info);
	if (s == NULL || told.rows == 0)
		return s;
	told.params = (uint8_t *)(uintptr_t)params; /* only read */
	struct stmt *x = stmt_told(&c->env->stmts, s, &told);
	stmt_unref(&c->env->stmts, s);
	return x;
}

static bool get_named(struct pg_client *c, struct rd *r)
{
	int64_t when_us;
	struct stmt *old = NULL;
	uint32_t name_n = rd_u32le(r);
	const char *name = (const char *)rd_bytes(r, name_n);
	if (!rd_ok(r) || name_n == 0 || memchr(name, 0, name_n) || pg_is_our_name(name, name_n))
		return false;
	if (c->stmts == NULL && (c->stmts = stmtmap_new()) == NULL)
		return false;
	struct stmt *s = get_stmt(c, name, name_n, r, &when_us);
	bool ok = s && !stmtmap_get(c->stmts, name, name_n) &&
		  stmtmap_put(c->stmts, name, name_n, s, &old);
	stmt_unref(&c->env->stmts, s);
	if (!ok)
		return false;
	struct stmtname *x = hmap_get(&c->stmts->names, name, name_n);
	x->prepared_us = when_us;
	if (when_us > c->stmts->last_us)
		c->stmts->last_us = when_us;
	return true;
}

static bool get_stmts(struct pg_client *c, struct rd *r)
{
	int64_t when_us;
	uint8_t has_unnamed = rd_u8(r);
	if (has_unnamed && (c->unnamed = get_stmt(c, NULL, 0, r, &when_us)) == NULL)
		return false;
	uint32_t n = rd_u32le(r);
	if (has_unnamed > 1 || n > STATEMENTS_MAX_N || (n && c->max_prepared == 0))
		return false;
	while (n > 0 && get_named(c, r))
		n--;
	return n == 0;
}

static bool get_names(struct pg_client *c, struct rd *r)
{
	unsigned n = rd_u8(r);
	if (n > LEARN_NAMES_MAX)
		return false;
	for (unsigned i = 0; i < n; i++) {
		size_t name_n;
		const char *name = rd_cstr(r, &name_n);
		if (!name)
			return false;
		learn_name(c, name, name_n);
	}
	return n == 0 || (c->learn && c->learn->n_names == n && !c->learn->names_overflow);
}

static bool get_kept(struct pg_client *c, struct rd *r)
{
	c->pins = rd_u32le(r);
	c->pins_kept = rd_u32le(r);
	c->acc = rd_u64le(r);
	c->raw_flags = rd_u64le(r);
	c->n_requests = rd_u16le(r);
	c->unnamed_raw = rd_u8(r);
	uint8_t flags = rd_u8(r);
	size_t listens_n;
	const char *listens = rd_cstr(r, &listens_n);
	if (!rd_ok(r) || !listens || listens_n > LISTEN_MAX_BYTES || flags > 7 ||
		c->unnamed_raw > 2 || (c->pins | c->pins_kept) >> PIN_N)
		return false;
	if (flags & 1)
		c->salt = ++c->env->next_salt;
	c->mixed = flags & 2;
	if (flags & 4 && !learn_of(c))
		return false;
	if (flags & 4)
		c->learn->names_overflow = true;
	if (listens_n && learn_of(c))
		c->learn->listens = mem_strndup(MEM_PROTO, listens, listens_n);
	return true;
}

static bool get_set(struct pg_client *c, struct rd *r, struct varset **s)
{
	varset_assign(&c->env->vars, s, NULL);
	return varset_unpack(&c->env->vars, r, s);
}

int pg_client_move_in(void *cst, struct proto_env *v, const struct proto_client_conf *k,
	bool with_link, struct rd *r, struct err *e)
{
	struct pg_client *c = cst;
	pg_client_run_init(c, v);
	uint8_t form = rd_u8(r), mode = rd_u8(r), role = rd_u8(r), seq_used = rd_u8(r);
	const uint8_t *pid = rd_bytes(r, sizeof c->told_pid);
	if (!pid || form != PG_MOVE_FORM)
		return err_set(e, ERR_PROTOCOL, "its state is written in another form");
	if (mode != k->mode || role != k->role)
		return err_set(e, ERR_CONFIG, "its database is served in another way now");
	if (pg_client_conf(c, k, e) != 0)
		return -1;
	memcpy(c->told_pid, pid, sizeof c->told_pid);
	c->seq_used = seq_used != 0;
	if (!get_set(c, r, &c->start) || !get_set(c, r, &c->want) || !get_set(c, r, &c->told) ||
		!get_names(c, r) || (with_link && !get_kept(c, r)) || !get_stmts(c, r) ||
		!rd_ok(r) || rd_left(r))
		return err_set(e, ERR_PROTOCOL, "its state is malformed, or too much");
	state_want_changed(c);
	c->ready = true;
	return 0;
}
