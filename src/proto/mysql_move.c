/* mysql_move - a session's state as bytes, and back, for the process after an upgrade: only of a
 * session that is between transactions with nothing in doubt, and only if all of it can be written.
 * If the link that it keeps goes along (mysql_hand.c), what only that knows is no obstacle. What is
 * read is checked as if it came from the network. Ignorant of sockets. Thread: that of the env.
 *
 * The form is version MY_MOVE_FORM: a change of what is written here, of struct my_req, of the
 * values of SQL_MY_* or of PIN() makes another one. The process's hash key goes over beforehand. */
#include "mysql_run_int.h"
#include "mysql_stmt_int.h"

#include <string.h>

#include "base/mem.h"
#include "sql/classify_my.h"
#include "wire/mysql/param.h"

#define MY_MOVE_FORM 2
#define STATEMENTS_MAX_N 16384u
#define FLAGS_MAX 0x1f

#define PINS ((1U << PIN_N) - 1)

enum {           /* how the settings that a statement was prepared under are written */
	AT_WANT, /* as those of the session now */
	AT_LAST, /* as those of the statement before */
	AT_WRITTEN
};

/* ---- out ---- */

/* Nothing owed, and nothing half known that the link does not know either. */
static bool is_settled(const struct my_client *c, bool with_link)
{
	const struct my_learn *k = c->learn;
	if (!c->ready || c->login || c->console || c->mode == PROTO_RAW || my_packed(c->caps))
		return false;
	if (!with_link && (c->needs || (k && (k->n_names || k->n_sys))))
		return false;
	if (c->up_left || c->up_more || c->up_carry || c->up_tail || c->in_infile || c->in_request)
		return false;
	return !c->fail_next && !c->wish && !c->lost && !c->begun && !c->hold && !c->looked;
}

/* (What a link is confined to is not written.) */
static bool is_pinned(const struct my_client *c, bool with_link)
{
	if (with_link)
		return c->confined;
	return my_client_pins(c) || c->n_handlers || c->n_prepared || c->held_unknown || c->held;
}

static void put_req(const struct my_req *r, struct buf *out)
{
	buf_put_u64le(out, r->flags);
	buf_put_u32le(out, r->add);
	buf_put_u32le(out, r->del);
	buf_put_u32le(out, r->anyway);
	buf_put_u32le(out, r->kill);
	buf_put_u8(out, (uint8_t)r->n_handlers);
	buf_put_u8(out, (uint8_t)r->n_prepared);
	buf_put_u8(out, r->n_statements);
	buf_put_u8(out, r->wish);
	buf_put_u8(
		out, (uint8_t)(r->calls | r->no_verb << 1 | r->selects << 2 | r->keeps_found << 3 |
			       r->kill_whole << 4 | r->lies << 5 | !r->gives_id << 6));
}

/* Handles are of use beside the link that has them. */
static bool may_go(const struct my_stmt *s, bool with_link)
{
	if (!s->ready || s->long_data || (s->text == NULL && s->fixed == 0))
		return false;
	return with_link || (s->text && !s->fixed && !s->cursor);
}

static void put_stmt(const struct my_client *c, const struct my_stmt *s, const struct varset *last,
	struct buf *out)
{
	buf_put_u32le(out, s->id);
	buf_put_u32le(out, s->fixed);
	buf_put_u32le(out, s->cursor);
	if (s->text) {
		buf_put_u32le(out, s->text->text_n);
		buf_append(out, s->text->text, s->text->text_n);
	}
	if (s->want_at == c->want) {
		buf_put_u8(out, AT_WANT);
	} else if (s->want_at == last) {
		buf_put_u8(out, AT_LAST);
	} else {
		buf_put_u8(out, AT_WRITTEN);
		varset_pack(s->want_at, out);
	}
	buf_put_u16le(out, s->params_n);
	buf_put_u16le(out, s->columns_n);
	buf_put_u8(out, s->types != NULL);
	if (s->types)
		buf_append(out, s->types, (size_t)s->params_n * MYPARAM_TYPE_BYTES);
	put_req(&s->req, out);
}

static bool put_stmts(const struct my_client *c, bool with_link, struct buf *out)
{
	const struct varset *last = NULL;
	buf_put_u32le(out, my_stmts_n(c));
	if (c->last_stmt)
		buf_put_u32le(out, c->last_stmt);
	if (c->stmts == NULL)
		return true;
	for (struct hmap_it it = hmap_begin(&c->stmts->by_id); hmap_next(&it);) {
		const struct my_stmt *s = it.value;
		if (!may_go(s, with_link))
			return false;
		put_stmt(c, s, last, out);
		last = s->want_at;
	}
	return true;
}

static void put_names(char *const *name, unsigned n, struct buf *out)
{
	buf_put_u8(out, (uint8_t)n);
	for (unsigned i = 0; i < n; i++)
		buf_put_text(out, name[i]);
}

/* What keeps it on its link, and what that has not been asked yet. */
static void put_kept(const struct my_client *c, struct buf *out)
{
	static const struct my_learn nothing;
	const struct my_learn *k = c->learn ? c->learn : &nothing;
	buf_put_u32le(out, c->pins);
	buf_put_u32le(out, c->held_unknown);
	buf_put_u16le(out, c->n_handlers);
	buf_put_u16le(out, c->n_prepared);
	buf_put_u8(out, c->needs);
	put_req(&c->prepared, out);
	varset_pack(c->held, out);
	put_names(k->names, k->n_names, out);
	put_names(k->sys, k->n_sys, out);
}

enum proto_stays my_client_move_out(void *cst, bool with_link, struct buf *out)
{
	struct my_client *c = cst;
	if (is_pinned(c, with_link))
		return PROTO_STAYS_PINNED;
	if (!is_settled(c, with_link))
		return PROTO_STAYS_UNSETTLED;
	if (my_stmts_n(c) > STATEMENTS_MAX_N)
		return PROTO_STAYS_TOO_BIG;
	buf_put_u8(out, MY_MOVE_FORM);
	buf_put_u8(out, c->mode);
	buf_put_u64le(out, c->caps);
	buf_put_u32le(out, c->number);
	buf_put_u16le(out, c->collation);
	buf_put_u16le(out, c->status);
	buf_append(out, c->scramble, sizeof(c->scramble));
	buf_put_u8(out, c->tx_told);
	buf_put_u8(out, (uint8_t)(c->mariadb | c->multi << 1 | c->found_known << 2 |
				  c->id_set << 3 | (c->diag != NULL) << 4));
	buf_put_u64le(out, c->last_insert_id);
	buf_put_u64le(out, c->insert_id);
	buf_put_u64le(out, c->found_rows);
	buf_put_u64le(out, (uint64_t)c->row_count);
	varset_pack(c->start, out);
	varset_pack(c->want, out);
	varset_pack(c->base, out);
	varset_pack(c->tracking, out);
	if (c->diag)
		my_diag_pack(c->diag, out);
	if (with_link)
		put_kept(c, out);
	if (!put_stmts(c, with_link, out))
		return with_link ? PROTO_STAYS_UNSETTLED : PROTO_STAYS_PINNED;
	return out->failed ? PROTO_STAYS_TOO_BIG : PROTO_STAYS_NOT;
}

/* ---- in ---- */

static bool get_set(struct my_client *c, struct rd *r, struct varset **s)
{
	varset_assign(&c->env->vars, s, NULL);
	return varset_unpack(&c->env->vars, r, s);
}

static void get_req(struct rd *r, struct my_req *q)
{
	q->flags = rd_u64le(r);
	q->looks = q->flags & MY_LOOKS_BACK; /* it is one statement */
	q->add = rd_u32le(r);
	q->del = rd_u32le(r);
	q->anyway = rd_u32le(r);
	q->kill = rd_u32le(r);
	q->n_handlers = (int8_t)rd_u8(r);
	q->n_prepared = (int8_t)rd_u8(r);
	q->n_statements = rd_u8(r);
	q->wish = rd_u8(r);
	uint8_t bits = rd_u8(r);
	q->calls = bits & 1;
	q->no_verb = bits & 2;
	q->selects = bits & 4;
	q->keeps_found = bits & 8;
	q->kill_whole = bits & 16;
	q->lies = bits & 32;
	q->gives_id = (q->flags & SQL_MY_WRITE) && !(bits & 64); /* older processes never said */
}

/* What it was prepared under: *last, which it replaces. */
static bool get_at(struct my_client *c, struct rd *r, struct varset **last)
{
	switch (rd_u8(r)) {
	case AT_WANT: varset_assign(&c->env->vars, last, c->want); return true;
	case AT_LAST: return true;
	case AT_WRITTEN: return get_set(c, r, last);
	default: return false;
	}
}

/* Its text, or the handle that stands for it. NULL: malformed, or no room. */
static struct my_stmt *get_text(struct my_client *c, struct rd *r, struct varset **last)
{
	uint32_t id = rd_u32le(r), fixed = rd_u32le(r), cursor = rd_u32le(r);
	uint32_t text_n = fixed ? 0 : rd_u32le(r);
	const char *text = fixed ? NULL : (const char *)rd_bytes(r, text_n);
	if (!rd_ok(r) || text_n > c->max_stmt_bytes || !get_at(c, r, last))
		return NULL;
	struct my_stmt *s = my_stmt_add(c, id, text, text_n, *last);
	if (s == NULL)
		return NULL;
	s->fixed = fixed;
	s->cursor = cursor;
	c->stmts->n_fixed += fixed != 0;
	c->stmts->n_cursors += cursor != 0;
	return s;
}

static bool get_stmt(struct my_client *c, bool with_link, struct rd *r, struct varset **last)
{
	struct my_stmt *s = get_text(c, r, last);
	uint16_t params_n = rd_u16le(r), columns_n = rd_u16le(r);
	uint8_t typed = rd_u8(r);
	const uint8_t *types = typed ? rd_bytes(r, (size_t)params_n * MYPARAM_TYPE_BYTES) : NULL;
	if (!s || !rd_ok(r) || typed > 1 || (typed && params_n == 0))
		return false;
	s->params_n = params_n;
	s->columns_n = columns_n;
	s->ready = true;
	get_req(r, &s->req);
	return may_go(s, with_link) && (types == NULL || my_stmt_keep_types(s, types));
}

static bool get_stmts(struct my_client *c, bool with_link, struct rd *r)
{
	struct varset *last = NULL;
	uint32_t n = rd_u32le(r);
	if (n == 0 && rd_left(r) == 0)
		return true;
	c->last_stmt = rd_u32le(r);
	bool ok = n <= STATEMENTS_MAX_N && c->last_stmt != 0;
	for (; ok && n > 0; n--)
		ok = get_stmt(c, with_link, r, &last);
	varset_assign(&c->env->vars, &last, NULL);
	return ok;
}

static bool is_sys_name(const char *s)
{
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && *s != '_' &&
			*s != '.')
			return false;
	return true;
}

/* Names of variables that the server is to be asked for. */
static bool get_names(struct my_client *c, struct rd *r, bool sys)
{
	char name[SQL_MY_NAME_MAX + 1];
	unsigned n = rd_u8(r);
	bool ok = rd_ok(r) && n <= MY_NAMES_MAX_N;
	for (; ok && n > 0; n--) {
		ok = rd_text(r, name, sizeof(name)) && *name;
		if (ok && sys)
			ok = is_sys_name(name) && my_learn_sys(c, name, strlen(name));
		else if (ok)
			ok = my_learn_user(c, name, strlen(name));
	}
	return ok;
}

static bool get_kept(struct my_client *c, struct rd *r)
{
	c->pins = rd_u32le(r);
	c->held_unknown = rd_u32le(r);
	c->n_handlers = rd_u16le(r);
	c->n_prepared = rd_u16le(r);
	c->needs = rd_u8(r);
	get_req(r, &c->prepared);
	return rd_ok(r) && (c->pins & ~PINS) == 0 && (c->held_unknown & ~PINS) == 0 &&
	       (c->needs & ~MY_NEEDS) == 0 && get_set(c, r, &c->held) && get_names(c, r, false) &&
	       get_names(c, r, true);
}

/* Numbers and flags. */
static bool get_fixed(struct my_client *c, struct rd *r, bool *has_diag_r)
{
	const uint8_t *scramble = rd_bytes(r, sizeof(c->scramble));
	c->tx_told = rd_u8(r);
	uint8_t flags = rd_u8(r);
	c->last_insert_id = rd_u64le(r);
	c->insert_id = rd_u64le(r);
	c->found_rows = rd_u64le(r);
	c->row_count = (int64_t)rd_u64le(r);
	if (!rd_ok(r) || flags > FLAGS_MAX || c->tx_told > MY_TOLD_SNAPSHOT)
		return false;
	memcpy(c->scramble, scramble, sizeof(c->scramble));
	c->mariadb = flags & 1;
	c->multi = flags & 2;
	c->found_known = flags & 4;
	c->id_set = flags & 8;
	*has_diag_r = flags & 16;
	return true;
}

int my_client_move_in(void *cst, struct proto_env *v, const struct proto_client_conf *k,
	bool with_link, struct rd *r, struct err *e)
{
	struct my_client *c = cst;
	bool has_diag;
	my_client_run_init(c, v);
	uint8_t form = rd_u8(r), mode = rd_u8(r);
	c->caps = rd_u64le(r);
	c->number = rd_u32le(r);
	c->collation = rd_u16le(r);
	c->status = rd_u16le(r);
	if (!rd_ok(r) || form != MY_MOVE_FORM)
		return err_set(e, ERR_PROTOCOL, "its state is written in another form");
	if (mode != k->mode)
		return err_set(e, ERR_CONFIG, "its database is served in another way now");
	if (my_packed(c->caps) || (c->caps & MYCAP(SSL)) || c->number == 0)
		return err_set(e, ERR_PROTOCOL, "its state is of a session that cannot move");
	if (!get_fixed(c, r, &has_diag))
		return err_set(e, ERR_PROTOCOL, "its state is malformed");
	if (my_client_conf(c, k, e) != 0)
		return -1;
	if (!get_set(c, r, &c->start) || !get_set(c, r, &c->want) || !get_set(c, r, &c->base) ||
		!get_set(c, r, &c->tracking) || (has_diag && !my_diag_unpack(&c->diag, r)) ||
		(with_link && !get_kept(c, r)) || !get_stmts(c, with_link, r) || !rd_ok(r) ||
		rd_left(r))
		return err_set(e, ERR_PROTOCOL, "its state is malformed, or too much");
	c->ready = true;
	return 0;
}
