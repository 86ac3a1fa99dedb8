/* pg_up_ext - messages that name a prepared statement: Parse, Bind, Describe, Close. In transaction
 * and statement mode a client's name means a statement of its session, and the server knows that
 * statement, once per link, under a name of ours. Thread: that of the env. */
#include "pg_ref_int.h"
#include "pg_up_int.h"
#include "pg_view_int.h"

#include <assert.h>
#include <string.h>

#define NAMES_MAX_BYTES 8192U /* portal and statement name of a Bind, name of a Parse */
#define TARGET_MAX_BYTES 8192U
#define NAME_SHOWN_BYTES 200U /* of a name in an error of ours */
#define COPY_BIND_BYTES \
	4096U /* the tail of a Bind up to this is copied, beyond it passes by itself */

/* How much of the body is here. */
static size_t body_here(const struct upx *u, const struct pgmsg_head *h)
{
	size_t n = flow_ahead(&u->f) - PGMSG_HEAD_BYTES;
	return n < h->body_n ? n : h->body_n;
}

static enum up_next no_memory(struct upx *u)
{
	u->l->failed = true;
	return UP_STOP;
}

static bool passes_names(const struct pg_client *c)
{
	return c->mode == PROTO_SESSION;
}

/* ---- Parse ---- */

static enum up_next forced(struct upx *u, const struct pgmsg_head *h, enum err_code code,
	const char *name, size_t name_n, const char *what)
{
	struct err why;
	if (name_n == 0)
		err_set(&why, code, "unnamed prepared statement %s", what);
	else
		err_set(&why, code, "prepared statement \"%.*s\" %s",
			(int)(name_n < NAME_SHOWN_BYTES ? name_n : NAME_SHOWN_BYTES), name, what);
	up_in_batch(u);
	return up_forced(u, h, &why, NULL, 0);
}

/* Passes under the client's own name: too large to keep, or tracking is off. It pins: what the
 * server has is found by asking. */
static enum up_next parse_raw(
	struct upx *u, const struct pgmsg_head *h, const char *name, size_t name_n, uint64_t flags)
{
	struct pg_client *c = u->c;
	up_rule_followed(u); /* what it names is not known later */
	if (pg_is_our_name(name, name_n))
		return forced(u, h, ERR_UNSUPPORTED, name, name_n,
			"has a name that is reserved: it starts with " PG_STMT_PREFIX);
	up_in_batch(u);
	c->raw_flags |= flags;
	if (name_n) {
		c->acc |= SQL_F_PREPARE;
	} else {
		stmt_unref(&c->env->stmts, c->unnamed);
		c->unnamed = NULL;
		c->unnamed_raw = 1;
		ref_set_unnamed(u, NULL);
	}
	c->counters->server_parses++;
	return up_pass_owed(u, h, OWED_PARSE, name_n ? 0 : OWED_F_UNNAMED);
}

/* What the session calls its unnamed statement from now on (NULL: none); consumes the reference.
 * Behind other messages of a batch it may never be executed: then the former one stays, and
 * *flags_r gets OWED_F_UNDO. False: no memory. */
static bool set_unnamed(struct upx *u, struct stmt *s, unsigned *flags_r)
{
	struct pg_client *c = u->c;
	c->unnamed_raw = 0;
	if (u->l->ext_open) {
		bool ok = learn_rename(c, u->l, "", 0, s);
		stmt_unref(&c->env->stmts, s);
		*flags_r |= OWED_F_UNDO;
		return ok;
	}
	stmt_unref(&c->env->stmts, c->unnamed);
	c->unnamed = s;
	return true;
}

static enum up_next parse_unnamed(struct upx *u, const struct pgmsg_head *h, struct stmt *s)
{
	struct pg_client *c = u->c;
	unsigned flags = OWED_F_UNNAMED;
	ref_set_unnamed(u, s);
	if (!set_unnamed(u, s, &flags))
		return no_memory(u);
	up_in_batch(u);
	c->counters->server_parses++;
	if (!s->view)
		return up_pass_owed(u, h, OWED_PARSE, flags);
	flow_drop(&u->f, total_of(h));
	struct owed *o = owed_push(u->l, OWED_PARSE, OWED_FORWARD);
	if (o)
		o->flags = (uint16_t)flags;
	u->l->unnamed_view = ref_put_text(u, "", s);
	return UP_NEXT;
}

/* Is the transaction aborted, or may it be before the server gets here? Then a Parse must fail. */
static bool may_be_aborted(const struct upx *u)
{
	const struct pg_link *l = u->l;
	return l->tx == TX_FAILED ||
	       (l->n_ready > 0 && (l->tx == TX_OPEN || (u->c->acc & (SQL_F_TX_BEGIN | SQL_F_BAD))));
}

/* The link has the statement, but the server shall say whether it may be parsed now. */
static void put_trial(struct upx *u, const struct stmt *s)
{
	flow_cut(&u->f);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	struct owed *o = owed_push(u->l, OWED_PARSE, OWED_FORWARD);
	if (o)
		o->flags = OWED_F_UNDO;
	pgext_put_close(u->up, 'S', PG_STMT_FORCED);
	pgext_put_parse(u->up, PG_STMT_FORCED, s->text, s->text_n, stmt_types(s), s->n_types);
}

/* It was parsed before a schema changed: what it says of its types may be old, or it fails when it
 * is bound. That is nothing that a client may hear that parses it now. */
static bool is_outdated(const struct pg_client *c, const struct linkstmt *ls)
{
	return ls->schema_no != told_schema_no() || (c->acc & SQL_F_DDL);
}

static bool put_own_parse(struct upx *u, const struct pgext_parse *p, const struct stmt *s)
{
	if (ref_put_parse(u, s, OWED_FORWARD, OWED_F_UNDO) == NULL)
		return false;
	owed_tail(u->l)->tag = told_tag(p->name, p->name_n);
	return true;
}

/* May SQL have made this name without our knowing? The server says so, with the errors that come
 * before that. */
static void put_probe(struct upx *u, const struct pgext_parse *p)
{
	struct pg_client *c = u->c;
	if (!((c->acc & SQL_F_PREPARE) || (c->pins & PIN(PREPARE))) ||
		pg_is_our_name(p->name, p->name_n))
		return;
	flow_cut(&u->f);
	u->l->no_replay = true;
	(void)owed_push(u->l, OWED_PARSE, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	pgext_put_parse(u->up, p->name, p->text, p->text_n, p->types, p->n_types);
	pgext_put_close(u->up, 'S', p->name);
}

static enum up_next parse_named(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_parse *p, struct stmt *s)
{
	struct pg_client *c = u->c;
	struct pg_link *l = u->l;
	struct linkstmt *ls = linkmap_get(&l->stmts, ref_key(c, s, c->salt));
	if (ls && ref_in_doubt(u, ls)) {
		stmt_unref(&c->env->stmts, s);
		return up_hold(u);
	}
	up_in_batch(u);
	put_probe(u, p);
	bool ok = learn_rename(c, l, p->name, p->name_n, s);
	if (ok && ls && (s->view || s->own || is_outdated(c, ls))) {
		ok = ref_put_close(u, ls);
		ls = NULL;
	}
	if (ok && ls == NULL)
		ok = put_own_parse(u, p, s);
	else if (ok && may_be_aborted(u))
		put_trial(u, s);
	else if (ok)
		up_synth(u, '1', OWED_F_UNDO);
	stmt_unref(&c->env->stmts, s);
	if (!ok)
		return no_memory(u);
	flow_drop(&u->f, total_of(h));
	return UP_NEXT;
}

/* Of a statement whose text will not be there when it is bound. */
static void learn_names_of(struct upx *u, const struct pgext_parse *p, uint64_t flags)
{
	if (flags & (SQL_F_SET | SQL_F_SET_CONFIG | SQL_F_UNKNOWN | SQL_F_BAD))
		learn_names(u->c, p->text, p->text_n);
}

static enum up_next parse_kept(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_parse *p)
{
	struct pg_client *c = u->c;
	struct sql_stmt_info info = { 0 };
	struct err why;
	if (pg_ro_refused(c, u->l, p->text, p->text_n, &why)) {
		if (!u->l->ext_open && u->l->owed.n > 0)
			return up_hold(u);
		up_in_batch(u);
		return up_forced(u, h, &why, NULL, 0);
	}
	if (ours_mentioned(p->text, p->text_n)) {
		up_classify(u, p->text, p->text_n, &info);
		if (ours_refused(&info, &why)) {
			up_in_batch(u);
			return up_forced(u, h, &why, NULL, 0);
		}
	}
	struct stmt *s = ref_intern(u, p->text, p->text_n, p->types, p->n_types, &info);
	if (s && (s->flags & SQL_F_NAMES) && p->name_n == 0) {
		up_classify(u, p->text, p->text_n, &info);
		if (up_names_ours(&info, &why)) {
			stmt_unref(&c->env->stmts, s);
			up_in_batch(u);
			return up_forced(u, h, &why, NULL, 0);
		}
	}
	bool too_much = s && p->name_n && c->stmts && c->max_stmt_bytes &&
			c->stmts->bytes + s->text_n > c->max_stmt_bytes;
	if (too_much) {
		info.flags = s->flags;
		stmt_unref(&c->env->stmts, s);
		s = NULL;
	}
	if (s == NULL) /* not kept: it lives on this link only, and the session with it */
		learn_names_of(u, p, info.flags);
	if (s == NULL)
		return parse_raw(u, h, p->name, p->name_n, info.flags);
	if ((s->view || (s->flags & SQL_F_NAMES)) && names_in_doubt(c, u->l)) {
		stmt_unref(&c->env->stmts, s);
		return up_hold(u);
	}
	named_before(u, s);
	return p->name_n ? parse_named(u, h, p, s) : parse_unnamed(u, h, s);
}

/* The name that opens the body, of which only a part may be here. 0: not all of it is here; -1:
 * none. */
static int first_name(struct upx *u, const struct pgmsg_head *h, const char **name_r, size_t *n_r)
{
	size_t here = body_here(u, h), look = here < NAMES_MAX_BYTES ? here : NAMES_MAX_BYTES;
	const uint8_t *z = look ? memchr(body_of(u), 0, look) : NULL;
	if (z == NULL)
		return here < h->body_n && here < NAMES_MAX_BYTES ? 0 : -1;
	*name_r = (const char *)body_of(u);
	*n_r = (size_t)(z - body_of(u));
	return 1;
}

/* The name exists. */
static enum up_next parse_again(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_parse *p)
{
	struct err why;
	err_set(&why, ERR_DUP_STATEMENT, "prepared statement \"%.*s\" already exists",
		(int)(p->name_n < NAME_SHOWN_BYTES ? p->name_n : NAME_SHOWN_BYTES), p->name);
	up_in_batch(u);
	return up_forced(u, h, &why, p->text, p->text_n);
}

enum up_next up_parse(struct upx *u, const struct pgmsg_head *h)
{
	struct pg_client *c = u->c;
	bool big = h->body_n > c->env->max_inspect_bytes;
	struct pgext_parse p = { 0 };
	int named = first_name(u, h, &p.name, &p.name_n);
	if (named < 0)
		return up_bad(u, ERR_PROTOCOL, "malformed Parse message");
	if (named == 0 || (!big && body_here(u, h) < h->body_n))
		return UP_STOP;
	if (!big && !pgext_read_parse(body_of(u), h->body_n, &p))
		return up_bad(u, ERR_PROTOCOL, "malformed Parse message");
	bool refused = up_rule(u, big ? NULL : p.text, p.text_n);
	if (u->l == NULL)
		return refused ? up_rule_refuse(u, h) : up_event(u, PEV_REQUEST);
	if ((p.name_n || u->l->ext_open) && names_in_doubt(c, u->l))
		return up_hold(u);
	if (refused)
		return up_rule_refuse(u, h);
	c->counters->client_parses++;
	if (passes_names(c)) {
		up_rule_followed(u);
		up_in_batch(u);
		c->counters->server_parses++;
		if (!big && p.text_n > 4 && strncasecmp(p.text, "copy", 4) == 0)
			u->l->batch_flags |= SQL_F_COPY_IN;
		return up_pass_owed(u, h, OWED_PARSE, 0);
	}
	if (p.name_n && stmtmap_get(c->stmts, p.name, p.name_n))
		return parse_again(u, h, &p);
	if (big)
		return parse_raw(u, h, p.name, p.name_n, SQL_F_BAD);
	if (p.name_n && c->max_prepared == 0) {
		struct sql_stmt_info info;
		up_classify(u, p.text, p.text_n, &info);
		learn_names_of(u, &p, info.flags);
		return parse_raw(u, h, p.name, p.name_n, info.flags);
	}
	return parse_kept(u, h, &p);
}

static enum up_next missing(
	struct upx *u, const struct pgmsg_head *h, const char *name, size_t name_n)
{
	if (name_n > 0)
		return forced(u, h, ERR_NO_STATEMENT, name, name_n, "does not exist");
	up_in_batch(u); /* so that the server says it in its own words */
	flow_cut(&u->f);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	pgext_put_close(u->up, 'S', "");
	ref_set_unnamed(u, NULL);
	u->l->no_replay = true;
	return up_pass_owed(u, h, h->type == 'B' ? OWED_BIND : OWED_DESC_STMT, 0);
}

/* What a server says of a statement whose rows are not any more what the client knows. ls: ours,
 * which may be outdated itself: it is parsed again when somebody asks again. */
static enum up_next stale(struct upx *u, const struct pgmsg_head *h, struct linkstmt *ls)
{
	struct err why;
	if (ls && !ref_put_close(u, ls))
		return no_memory(u);
	told_schema_changed();
	err_set(&why, ERR_STALE_PLAN, "cached plan must not change result type");
	up_in_batch(u);
	return up_forced(u, h, &why, NULL, 0);
}

static struct owed *push_ref(struct upx *u, enum owed_kind kind, struct linkstmt *ls)
{
	struct owed *o = owed_push(u->l, kind, OWED_FORWARD);
	if (o == NULL)
		return NULL;
	o->p.ls = ls;
	if (ls)
		ls->in_flight++;
	return o;
}

/* ---- Bind ---- */

static void learn_params(struct upx *u, const uint8_t *tail, size_t n)
{
	struct pgext_bind_tail t;
	const uint8_t *p;
	size_t k;
	if (!pgext_read_bind_tail(tail, n, &t))
		return;
	for (unsigned i = 0; i < t.n_params && pgext_next_param(&t.params, &p, &k); i++)
		if (p)
			learn_name(u->c, (const char *)p, k);
}

static enum up_next put_bind(struct upx *u, const struct pgmsg_head *h, const struct pgext_bind *b,
	const struct linkstmt *ls)
{
	char name[PG_NAME_BYTES];
	size_t tail_n = h->body_n - b->tail_off, here = body_here(u, h) - b->tail_off;
	pg_stmt_name(name, ls->id);
	flow_cut(&u->f);
	pgext_put_bind_head(u->up, b->portal, name, tail_n);
	if (here == tail_n && tail_n <= COPY_BIND_BYTES) {
		buf_append(u->up, body_of(u) + b->tail_off, tail_n);
		flow_drop(&u->f, total_of(h));
		return UP_NEXT;
	}
	flow_drop(&u->f, PGMSG_HEAD_BYTES + b->tail_off);
	flow_pass(&u->f, tail_n);
	return UP_NEXT;
}

static uint64_t bind_flags(
	const struct pg_client *c, const struct pgext_bind *b, const struct stmt *s)
{
	if (c->mode == PROTO_SESSION)
		return 0;
	if (s)
		return s->flags;
	if (c->raw_flags)
		return c->raw_flags;
	return b->stmt_n ? SQL_F_EXECUTE : 0; /* made by PREPARE: its text's flags were noted there,
						 what it calls was not */
}

/* Does it name a format for each of several columns? Its client goes by what it was told. */
static bool names_formats(
	const struct upx *u, const struct pgmsg_head *h, const struct pgext_bind *b)
{
	struct pgext_bind_tail t;
	return flow_ahead(&u->f) >= total_of(h) &&
	       pgext_read_bind_tail(body_of(u) + b->tail_off, h->body_n - b->tail_off, &t) &&
	       t.n_result_formats > 1;
}

/* Does the client ask for the columns of this portal next? Then it reads whatever comes. */
static enum up_next described_next(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_bind *b, bool *yes_r)
{
	const uint8_t *p = u->f.p + u->f.at + total_of(h);
	size_t n = flow_ahead(&u->f);
	struct pgmsg_head next;
	struct pgext_target t;
	*yes_r = false;
	if (h->body_n > u->c->env->max_inspect_bytes)
		return UP_NEXT;
	if (n < total_of(h) || !pgmsg_head(p, n - total_of(h), &next))
		return UP_STOP;
	if (next.type != 'D' || next.body_n > TARGET_MAX_BYTES)
		return UP_NEXT;
	if (n - total_of(h) < total_of(&next))
		return UP_STOP;
	*yes_r = pgext_read_target(p + PGMSG_HEAD_BYTES, next.body_n, &t) && t.kind == 'P' &&
		 t.name_n == b->portal_n && memcmp(t.name, b->portal, t.name_n) == 0 &&
		 !names_formats(u, h, b);
	return UP_NEXT;
}

/* s: what the session means by the name; NULL: nothing. */
static enum up_next bind_served(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_bind *b, const struct stmt *s)
{
	struct pg_client *c = u->c;
	uint64_t flags = bind_flags(c, b, s);
	struct linkstmt *ls = NULL;
	struct err why;
	if (u->l->sync_wait && ((flags & (SQL_F_TX_END | SQL_F_BAD)) || s == NULL) &&
		!passes_names(c))
		return up_hold(u);
	if (u->ruled.rule && u->ruled.rule->block)
		return up_rule_refuse(u, h);
	if (up_seq_refused(u, flags, true, &why)) {
		up_in_batch(u);
		return up_forced(u, h, &why, NULL, 0);
	}
	bool doubt = !passes_names(c) && names_in_doubt(c, u->l);
	if (doubt && s && (s->flags & SQL_F_NAMES))
		return up_hold(u);
	if (!passes_names(c) && !doubt)
		named_before(u, s);
	enum ref_kind ref = passes_names(c) ? REF_PASS : ref_stmt(u, b->stmt, b->stmt_n, s, &ls);
	if (ref == REF_HOLD)
		return up_hold(u);
	if (ref == REF_MISSING)
		return missing(u, h, b->stmt, b->stmt_n);
	if (ref == REF_STALE)
		return stale(u, h, ls);
	if (ref == REF_CHANGED) {
		bool described;
		if (described_next(u, h, b, &described) == UP_STOP)
			return UP_STOP;
		if (!described)
			return stale(u, h, ls);
		ref = ls ? REF_RENAMED : REF_PASS;
	}
	up_in_batch(u);
	if (ref == REF_RENAMED && ls->desc.rows == 0 && !ls->learning && !ref_put_learn(u, ls))
		ref = REF_FAILED;
	if (ref == REF_FAILED)
		return no_memory(u);
	if (!passes_names(c)) /* ref_stmt() may have given it types */
		s = ref_meant(c, b->stmt, b->stmt_n);
	if (flags & SQL_F_SET_CONFIG)
		learn_params(u, body_of(u) + b->tail_off, body_here(u, h) - b->tail_off);
	if ((flags & (SQL_F_SET | SQL_F_SET_CONFIG | SQL_F_UNKNOWN | SQL_F_BAD)) && s)
		learn_names(c, s->text, s->text_n);
	if (!passes_names(c))
		up_note(u, flags);
	if (b->stmt_n == 0 && c->unnamed_raw)
		c->unnamed_raw = 2;
	u->l->batch_flags |= flags;
	reset_bound(u, passes_names(c) ? NULL : s, b->portal, b->portal_n);
	named_bound(u, passes_names(c) ? NULL : s, b->portal, b->portal_n);
	c->counters->binds++;
	up_rule_followed(u);
	up_count_bound(u, s, b->portal, b->portal_n);
	struct owed *o = push_ref(u, OWED_BIND, ls);
	if (o && ref == REF_RENAMED) {
		o->tag = told_tag(b->stmt, b->stmt_n);
		o->flags = s->told_rows == 0 ? OWED_F_TELL : 0;
		if (names_formats(u, h, b))
			o->flags |= OWED_F_FORMATS;
	}
	if (ref == REF_RENAMED)
		return put_bind(u, h, b, ls);
	flow_pass(&u->f, total_of(h));
	return UP_NEXT;
}

enum up_next up_bind(struct upx *u, const struct pgmsg_head *h)
{
	struct pgext_bind b;
	size_t here = body_here(u, h), look = here < NAMES_MAX_BYTES ? here : NAMES_MAX_BYTES;
	if (!pgext_read_bind(body_of(u), look, &b)) {
		if (here < h->body_n && here < NAMES_MAX_BYTES)
			return UP_STOP;
		return up_bad(u, ERR_PROTOCOL, "malformed Bind message");
	}
	const struct stmt *s = ref_meant(u->c, b.stmt, b.stmt_n);
	bool refused = s ? up_rule(u, s->text, s->text_n) : up_no_rule(u);
	if (u->l == NULL)
		return refused ? up_rule_refuse(u, h) : up_event(u, PEV_REQUEST);
	/* Names of settings may stand in the parameters: these are wanted whole. */
	if (s && (s->flags & SQL_F_SET_CONFIG) && here < h->body_n &&
		h->body_n <= u->c->env->max_inspect_bytes)
		return UP_STOP;
	struct err why;
	if (s && pg_ro_refused(u->c, u->l, s->text, s->text_n, &why)) {
		if (!u->l->ext_open && u->l->owed.n > 0)
			return up_hold(u);
		up_in_batch(u);
		return up_forced(u, h, &why, NULL, 0);
	}
	return bind_served(u, h, &b, s);
}

/* ---- Describe, Close ---- */

/* The client will know then what the statement is: what is known already is noted, else the answer
 * is. */
static void describe_tells(
	struct upx *u, const struct pgext_target *t, struct linkstmt *ls, struct owed *o)
{
	struct pg_link *l = u->l;
	const struct stmtdesc *d = ls ? &ls->desc : &l->unnamed_desc;
	if (ls)
		o->tag = told_tag(t->name, t->name_n);
	else if (u->c->unnamed)
		o->tag = told_unnamed_tag(l->unnamed);
	else
		return;
	const struct stmt *s = ref_meant(u->c, t->name, t->name_n);
	if (s->told_rows == 0)
		o->flags = OWED_F_TELL;
	else if (d->rows && !told_set(u->c, t->name, t->name_n, d)) /* it is told anew */
		l->failed = true;
	if (d->rows)
		return;
	bool *learning = ls ? &ls->learning : &l->unnamed_learning;
	if (*learning)
		return;
	o->flags |= OWED_F_LEARN;
	*learning = true;
	l->learn_flushed = false;
}

static enum up_next describe_stmt(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_target *t)
{
	struct linkstmt *ls = NULL;
	const struct stmt *s = ref_meant(u->c, t->name, t->name_n);
	bool passes = passes_names(u->c);
	enum ref_kind ref = passes ? REF_PASS : ref_stmt(u, t->name, t->name_n, s, &ls);
	if (ref == REF_HOLD)
		return up_hold(u);
	if (ref == REF_MISSING)
		return missing(u, h, t->name, t->name_n);
	up_in_batch(u);
	if (ref == REF_FAILED)
		return no_memory(u);
	struct owed *o = push_ref(u, OWED_DESC_STMT, ls);
	if (o && !passes && (ls || t->name_n == 0))
		describe_tells(u, t, ls, o);
	if (ls == NULL) {
		flow_pass(&u->f, total_of(h));
		return UP_NEXT;
	}
	char name[PG_NAME_BYTES];
	pg_stmt_name(name, ls->id);
	flow_drop(&u->f, total_of(h));
	pgext_put_describe(u->up, 'S', name);
	return UP_NEXT;
}

/* Without a link: the session's own map is all there is to change. */
static enum up_next close_alone(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_target *t)
{
	struct pg_client *c = u->c;
	struct stmt *old = NULL;
	if (t->kind == 'S' && t->name_n == 0) {
		old = c->unnamed;
		c->unnamed = NULL;
		c->unnamed_raw = 0;
	} else if (t->kind == 'S' && c->stmts) {
		(void)stmtmap_put(c->stmts, t->name, t->name_n, NULL, &old);
	}
	stmt_unref(&c->env->stmts, old);
	c->in_batch = true;
	flow_drop(&u->f, total_of(h));
	up_synth(u, '3', 0);
	return UP_NEXT;
}

static enum up_next close_named(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_target *t)
{
	struct pg_client *c = u->c;
	if (names_in_doubt(c, u->l))
		return up_hold(u);
	bool known = stmtmap_get(c->stmts, t->name, t->name_n) != NULL;
	up_in_batch(u);
	if (!known && !pg_is_our_name(t->name, t->name_n)) { /* made by PREPARE, or nothing */
		c->acc |= SQL_F_DEALLOCATE;
		return up_pass_owed(u, h, OWED_CLOSE, 0);
	}
	bool there = known && named_has(c, u->l, t->name, t->name_n);
	if (known && !learn_rename(c, u->l, t->name, t->name_n, NULL))
		return no_memory(u);
	if (there)
		return up_pass_owed(u, h, OWED_CLOSE, OWED_F_UNDO);
	flow_drop(&u->f, total_of(h));
	up_synth(u, '3', known ? OWED_F_UNDO : 0);
	return UP_NEXT;
}

static enum up_next close_served(
	struct upx *u, const struct pgmsg_head *h, const struct pgext_target *t)
{
	struct pg_client *c = u->c;
	if (u->l == NULL)
		return close_alone(u, h, t);
	if (t->kind == 'S' && t->name_n && !passes_names(c))
		return close_named(u, h, t);
	unsigned flags = 0;
	if (t->kind == 'S' && u->l->ext_open && names_in_doubt(c, u->l))
		return up_hold(u);
	if (t->kind == 'S' && !passes_names(c)) {
		if (!set_unnamed(u, NULL, &flags))
			return no_memory(u);
		ref_set_unnamed(u, NULL);
	} else if (t->kind == 'P' && t->name_n && (c->pins & PIN(HOLD))) {
		c->acc |= SQL_F_CLOSE;
	}
	up_in_batch(u);
	return up_pass_owed(u, h, OWED_CLOSE, flags);
}

enum up_next up_target(struct upx *u, const struct pgmsg_head *h)
{
	struct pgext_target t;
	if (h->body_n > TARGET_MAX_BYTES)
		return up_bad(u, ERR_PROTOCOL,
			h->type == 'D' ? "malformed Describe message" : "malformed Close message");
	if (body_here(u, h) < h->body_n)
		return UP_STOP;
	if (!pgext_read_target(body_of(u), h->body_n, &t))
		return up_bad(u, ERR_PROTOCOL,
			h->type == 'D' ? "malformed Describe message" : "malformed Close message");
	if (h->type == 'C')
		return close_served(u, h, &t);
	if (u->l == NULL)
		return up_event(u, PEV_REQUEST);
	if (t.kind == 'S')
		return describe_stmt(u, h, &t);
	up_in_batch(u);
	return up_pass_owed(u, h, OWED_DESC_PORTAL, 0);
}
