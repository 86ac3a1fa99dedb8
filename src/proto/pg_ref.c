/* pg_ref - which statement a name means: what the session calls it, what the link has of it under a
 * name of ours, and what must be sent first so that the link has it. Ignorant of what is done with
 * it. Thread: that of the env. */
#include "pg_ref_int.h"
#include "pg_view_int.h"

#include <string.h>

/* ---- names ---- */

void pg_stmt_name(char out[PG_NAME_BYTES], uint32_t id)
{
	char digits[10];
	size_t n = sizeof(PG_STMT_PREFIX) - 1, k = 0;
	memcpy(out, PG_STMT_PREFIX, n);
	do {
		digits[k++] = (char)('0' + id % 10);
		id /= 10;
	} while (id);
	while (k)
		out[n++] = digits[--k];
	out[n] = 0;
}

bool pg_is_our_name(const char *name, size_t n)
{
	return n >= sizeof(PG_STMT_PREFIX) - 1 &&
	       memcmp(name, PG_STMT_PREFIX, sizeof(PG_STMT_PREFIX) - 1) == 0;
}

const struct stmt *ref_meant(const struct pg_client *c, const char *name, size_t n)
{
	return n ? stmtmap_get(c->stmts, name, n) : c->unnamed;
}

/* The interned statement, a new reference. NULL: the budget is spent. */
struct stmt *ref_intern(struct upx *u, const char *text, size_t text_n, const uint8_t *types,
	unsigned n_types, struct sql_stmt_info *info)
{
	struct proto_env *v = u->c->env;
	const struct pg_lex_opts *x = pg_lex(u->c);
	struct hash128 key = stmt_key(text, text_n, types, n_types, pg_lex_byte(x));
	struct stmt *s = stmt_find(&v->stmts, key);
	if (s) {
		info->flags = s->flags;
		return s;
	}
	up_classify(u, text, text_n, info);
	s = stmt_new(&v->stmts, key, text, text_n, types, n_types, info->flags);
	if (s) {
		s->view = view_mentioned(text, text_n) && view_rewrite(x, text, text_n, "", NULL);
		s->own = info->verb == SQL_V_FETCH || info->verb == SQL_V_EXECUTE;
	}
	return s;
}

/* ---- what a link has ---- */

/* Under which key a link knows what this session would parse from that text now: settings that
 * change the meaning of a text are part of it, and while they are in doubt nobody else finds it;
 * nor what is told of a cursor or of a statement of SQL's, which others have by the same name. */
struct hash128 ref_key(const struct pg_client *c, const struct stmt *s, uint64_t salt)
{
	struct hash128 k = s->key;
	k.hi ^= c->want_hash;
	k.lo ^= salt * UINT64_C(0x9e3779b97f4a7c15);
	if (s->own)
		k.hi ^= c->id * UINT64_C(0x9e3779b97f4a7c15);
	return k;
}

/* The unnamed statement on the server is this session's own, or of no use to it. */
struct hash128 pg_unnamed_key(const struct pg_client *c, const struct stmt *s)
{
	struct hash128 k = s->key;
	k.lo ^= c->id * UINT64_C(0x9e3779b97f4a7c15);
	return k;
}

bool pg_is_stmt(const struct pg_client *c, const struct stmt *s, struct hash128 key)
{
	return hash128_eq(ref_key(c, s, 0), key) ||
	       (c->salt && hash128_eq(ref_key(c, s, c->salt), key));
}

/* The server's unnamed statement is s from now on; NULL: nobody's. */
void ref_set_unnamed(struct upx *u, const struct stmt *s)
{
	struct pg_link *l = u->l;
	told_forget_unnamed(l);
	l->unnamed_ours = false;
	l->has_unnamed = s != NULL;
	if (s)
		l->unnamed = pg_unnamed_key(u->c, s);
}

const struct stmt *pg_find_stmt(const struct pg_client *c, struct hash128 key)
{
	if (c->stmts == NULL)
		return NULL;
	for (struct hmap_it it = hmap_begin(&c->stmts->names); hmap_next(&it);) {
		const struct stmt *s = ((const struct stmtname *)it.value)->s;
		if (pg_is_stmt(c, s, key))
			return s;
	}
	return NULL;
}

struct linkstmt *ref_on_link(struct upx *u, const struct stmt *s)
{
	struct linkstmt *ls = NULL;
	if (u->c->salt)
		ls = linkmap_get(&u->l->stmts, ref_key(u->c, s, u->c->salt));
	return ls ? ls : linkmap_get(&u->l->stmts, ref_key(u->c, s, 0));
}

/* The link forgets it. */
bool ref_put_close(struct upx *u, struct linkstmt *old)
{
	char name[PG_NAME_BYTES];
	flow_cut(&u->f);
	struct owed *o = owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	if (o == NULL)
		return false;
	o->p.ls = old;
	old->in_flight++;
	pg_stmt_name(name, old->id);
	pgext_put_close(u->up, 'S', name);
	linkmap_drop(&u->l->stmts, old);
	return true;
}

static void evict(struct upx *u)
{
	struct linkstmt *old;
	while ((old = linkmap_oldest(&u->l->stmts, u->c->max_prepared - 1U)) != NULL)
		if (!ref_put_close(u, old))
			return;
}

/* Asks what a statement of ours is (NULL: the unnamed one). */
bool ref_put_learn(struct upx *u, struct linkstmt *ls)
{
	char name[PG_NAME_BYTES] = "";
	flow_cut(&u->f);
	struct owed *o = owed_push(u->l, OWED_DESC_STMT, OWED_SWALLOW);
	if (o == NULL)
		return false;
	o->flags = OWED_F_LEARN;
	o->p.ls = ls;
	if (ls) {
		ls->in_flight++;
		ls->learning = true;
		pg_stmt_name(name, ls->id);
	} else {
		o->tag = told_unnamed_tag(u->l->unnamed);
		u->l->unnamed_learning = true;
	}
	pgext_put_describe(u->up, 'S', name);
	u->l->learn_flushed = false;
	return true;
}

uint64_t ref_put_text(struct upx *u, const char *name, const struct stmt *s)
{
	struct buf text;
	uint64_t view = 0;
	if (!s->view) {
		pgext_put_parse(u->up, name, s->text, s->text_n, stmt_types(s), s->n_types);
		return 0;
	}
	buf_init(&text, 0);
	view = view_text(u, s->text, s->text_n, &text);
	pgext_put_parse(u->up, name, (const char *)buf_data(&text), buf_len(&text), stmt_types(s),
		s->n_types);
	buf_fini(&text);
	return view;
}

/* What ref_put_text() would return. */
static uint64_t view_now(struct upx *u, const struct stmt *s)
{
	struct buf text;
	buf_init(&text, 0);
	uint64_t view = view_text(u, s->text, s->text_n, &text);
	buf_fini(&text);
	return view;
}

/* Puts a Parse under a new name of ours. NULL: no memory. */
struct linkstmt *ref_put_parse(
	struct upx *u, const struct stmt *s, enum owed_disp disp, unsigned flags)
{
	char name[PG_NAME_BYTES];
	flow_cut(&u->f);
	evict(u);
	struct linkstmt *ls = linkmap_add(&u->l->stmts, ref_key(u->c, s, u->c->salt));
	struct owed *o = ls ? owed_push(u->l, OWED_PARSE, disp) : NULL;
	if (o == NULL) {
		u->l->failed = true;
		return NULL;
	}
	u->l->no_replay = true;
	ls->batch_no = u->l->batch_no;
	ls->in_flight++;
	o->p.ls = ls;
	o->flags = (uint16_t)flags;
	pg_stmt_name(name, ls->id);
	ls->view = ref_put_text(u, name, s);
	ls->schema_no = told_schema_no();
	u->c->counters->server_parses++;
	return ls;
}

/* Parsed by an earlier batch whose outcome is not known yet. */
bool ref_in_doubt(const struct upx *u, const struct linkstmt *ls)
{
	return !ls->confirmed && ls->batch_no != u->l->batch_no;
}

/* ---- what Bind and Describe refer to ---- */

/* The answer to a Describe of ours is needed before anything else can be sent. */
static enum ref_kind hold_learning(struct upx *u)
{
	if (!u->l->learn_flushed) {
		flow_cut(&u->f);
		pgext_put_flush(u->up);
		u->l->learn_flushed = true;
		u->l->ext_open = true; /* nothing of the client's was taken yet: see pg_lost.c */
	}
	return REF_HOLD;
}

/* Types that the client was told of, and that the server does not choose any more: from now on
 * they are given with the text, as the server itself keeps them. The new meaning of the name, or
 * NULL: they were. */
static const struct stmt *give_types(
	struct upx *u, const char *name, size_t name_n, const struct stmt *s)
{
	struct pg_client *c = u->c;
	struct sql_stmt_info info = { 0 };
	struct stmtdesc told = { .rows = s->told_rows,
		.n_params = s->n_told,
		.params = (uint8_t *)(uintptr_t)s->store };
	struct stmt *typed = ref_intern(u, s->text, s->text_n, s->store, s->n_told, &info);
	if (typed == NULL || hash128_eq(typed->key, s->key)) {
		stmt_unref(&c->env->stmts, typed);
		return NULL;
	}
	struct stmt *x = stmt_told(&c->env->stmts, typed, &told), *old = NULL;
	stmt_unref(&c->env->stmts, typed);
	if (x == NULL)
		return NULL;
	if (name_n == 0) {
		old = c->unnamed;
		c->unnamed = stmt_ref(x);
	} else if (!stmtmap_put(c->stmts, name, name_n, x, &old)) {
		stmt_unref(&c->env->stmts, x);
		return NULL;
	}
	stmt_unref(&c->env->stmts, old);
	stmt_unref(&c->env->stmts, x); /* the name keeps it */
	return x;
}

/* Did we parse it in an earlier batch, which may fail before that? */
static bool unnamed_may_fail(const struct pg_link *l)
{
	return l->unnamed_ours && l->unnamed_batch != l->batch_no && l->owed.n > 0;
}

/* Makes the unnamed statement on the server this session's. */
static enum ref_kind ref_unnamed(struct upx *u)
{
	struct pg_client *c = u->c;
	struct pg_link *l = u->l;
	const struct stmt *s = c->unnamed;
	if (c->unnamed_raw)
		return REF_PASS;
	if (s == NULL)
		return REF_MISSING;
	if (s->view && names_in_doubt(c, l))
		return REF_HOLD;
	if (!l->has_unnamed || !hash128_eq(l->unnamed, pg_unnamed_key(c, s)) ||
		unnamed_may_fail(l) || (s->view && l->unnamed_view != view_now(u, s))) {
		flow_cut(&u->f);
		struct owed *o = owed_push(l, OWED_PARSE, OWED_SWALLOW);
		if (o == NULL)
			return REF_FAILED;
		o->flags = OWED_F_UNNAMED;
		l->no_replay = true;
		ref_set_unnamed(u, s);
		l->unnamed_ours = true;
		l->unnamed_batch = l->batch_no;
		l->unnamed_view = ref_put_text(u, "", s);
		c->counters->server_parses++;
	}
	if (s->told_rows == 0)
		return REF_PASS;
	if (l->unnamed_desc.rows == 0)
		return l->unnamed_learning || ref_put_learn(u, NULL) ? hold_learning(u)
								     : REF_FAILED;
	if (!stmt_told_params(s, &l->unnamed_desc))
		return give_types(u, "", 0, s) ? ref_unnamed(u) : REF_STALE;
	return s->told_rows == l->unnamed_desc.rows ? REF_PASS : REF_CHANGED;
}

/* Nothing of the message at hand (Bind or Describe) is put when the answer is HOLD or MISSING, and
 * it comes again. */
enum ref_kind ref_stmt(struct upx *u, const char *name, size_t name_n, const struct stmt *s,
	struct linkstmt **ls_r)
{
	if (name_n == 0)
		return ref_unnamed(u);
	if (names_in_doubt(u->c, u->l))
		return REF_HOLD;
	if (s == NULL)
		return pg_is_our_name(name, name_n) ? REF_MISSING : REF_PASS;
	if (stmt_is_sql(s)) /* named_batch() has made it */
		return REF_PASS;
	struct linkstmt *ls = ref_on_link(u, s);
	if (ls && ref_in_doubt(u, ls))
		return REF_HOLD;
	if (ls && s->view && ls->view != view_now(u, s)) {
		if (!ref_put_close(u, ls))
			return REF_FAILED;
		ls = NULL;
	}
	if (ls == NULL && (ls = ref_put_parse(u, s, OWED_SWALLOW, 0)) == NULL)
		return REF_FAILED;
	*ls_r = ls;
	if (s->told_rows == 0)
		return REF_RENAMED;
	if (ls->desc.rows == 0)
		return ls->learning || ref_put_learn(u, ls) ? hold_learning(u) : REF_FAILED;
	if (!stmt_told_params(s, &ls->desc)) {
		s = give_types(u, name, name_n, s);
		return s ? ref_stmt(u, name, name_n, s, ls_r) : REF_STALE;
	}
	return s->told_rows == ls->desc.rows ? REF_RENAMED : REF_CHANGED;
}
