/* pg_named - statements that stand on a link under the names that a session gave them: those that
 * it PREPAREd in SQL, and those of the protocol that EXECUTE must find. A link has those of one
 * session at a time; what another one left is closed first, and what is missing is prepared again
 * in front of the request that may need it. Thread: that of the env. Source: PostgreSQL docs,
 * PREPARE; Message Flow. */
#include "pg_down_int.h"
#include "pg_view_int.h"

#include <string.h>

#include "base/mem.h"
#include "wire/pg/error.h"

#define SQL_NAMES_MAX_N 64U /* of one session; with more it keeps its link */
#define NAMES_MAX_N 1024U   /* on a link */
#define SQL_TEXT_MAX_BYTES (16U << 10)
#define SQL_LEX 4U /* in the key of a statement: the text is a whole PREPARE */

struct pg_name {
	char *name;
	struct hash128 key; /* of its statement */
	uint32_t id;
	bool failed; /* the server would not have it */
	bool asked;  /* was there when the state query in flight was put */
	bool seen;   /* and was in the answer */
};
struct pg_named {
	uint64_t of; /* the session's id */
	uint32_t n, size, next_id;
	struct pg_name *v;
};

/* ---- the list ---- */

static struct pg_name *find(const struct pg_link *l, const char *name, size_t n)
{
	struct pg_named *k = l->named;
	for (uint32_t i = 0; k && i < k->n; i++)
		if (strncmp(k->v[i].name, name, n) == 0 && k->v[i].name[n] == 0)
			return &k->v[i];
	return NULL;
}

static void drop(struct pg_named *k, uint32_t i)
{
	mem_free(MEM_STMT, k->v[i].name);
	k->v[i] = k->v[--k->n];
}

void named_clear(struct pg_link *l)
{
	while (l->named && l->named->n)
		drop(l->named, 0);
}

void named_free(struct pg_link *l)
{
	named_clear(l);
	if (l->named)
		mem_free(MEM_STMT, l->named->v);
	mem_free(MEM_STMT, l->named);
	l->named = NULL;
}

static struct pg_name *add(struct pg_link *l, const struct pg_client *c, const char *name, size_t n,
	const struct stmt *s)
{
	if (l->named == NULL && (l->named = mem_alloc(MEM_STMT, sizeof(*l->named))) == NULL)
		return NULL;
	struct pg_named *k = l->named;
	struct pg_name *x = find(l, name, n);
	k->of = c->id;
	if (x == NULL && k->n == k->size) {
		uint32_t size = k->size ? 2 * k->size : 8;
		struct pg_name *v = mem_realloc(MEM_STMT, k->v, size * sizeof(*v));
		if (v == NULL)
			return NULL;
		k->v = v;
		k->size = size;
	}
	if (x == NULL) {
		char *copy = mem_strndup(MEM_STMT, name, n);
		if (copy == NULL)
			return NULL;
		x = &k->v[k->n++];
		*x = (struct pg_name){ .name = copy };
	}
	x->key = s->key;
	x->id = ++k->next_id;
	x->failed = x->asked = false;
	return x;
}

/* What the session means by a name that is on the link; NULL: no longer that. */
static const struct stmt *still(const struct pg_client *c, const struct pg_name *x)
{
	const struct stmt *s = stmtmap_get(c->stmts, x->name, strlen(x->name));
	return s && hash128_eq(s->key, x->key) ? s : NULL;
}

bool named_has(const struct pg_client *c, const struct pg_link *l, const char *name, size_t n)
{
	const struct pg_name *x = find(l, name, n);
	return x && l->named->of == c->id && !x->failed && still(c, x);
}

/* The oldest record is of a PREPARE, DEALLOCATE or Close that the server has answered. */
bool named_answered(struct pg_client *c, struct pg_link *l, bool failed)
{
	const struct pg_undo *k = c->learn ? c->learn->undo : NULL;
	struct pg_name *x = k ? find(l, k->name, k->name_n) : NULL;
	bool ok = true;
	if (failed)
		undo_rollback(c);
	else
		ok = undo_commit(c);
	if (x && l->named->of == c->id && !still(c, x))
		drop(l->named, (uint32_t)(x - l->named->v));
	return ok;
}

/* ---- putting ---- */

/* Closes what is not, or not any more, the session's. What it may yet be, and what the state query
 * in flight may tell of, must be known until then. */
bool named_evict(struct upx *u)
{
	struct pg_named *k = u->l->named;
	bool any = false;
	for (uint32_t i = k ? k->n : 0; i-- > 0;) {
		if (k->of == u->c->id && still(u->c, &k->v[i]))
			continue;
		if (u->l->ask_wait || (k->of == u->c->id && names_in_doubt(u->c, u->l)))
			return false;
		flow_cut(&u->f);
		(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
		pgext_put_close(u->up, 'S', k->v[i].name);
		drop(k, i);
		any = true;
	}
	if (any) { /* a server answers a Close only when it is told to */
		(void)owed_push(u->l, OWED_SYNC, OWED_SWALLOW);
		pgext_put_sync(u->up);
		u->l->no_replay = true;
	}
	return true;
}

static struct owed *push_captured(struct pg_link *l, enum owed_kind kind, uint32_t id)
{
	struct owed *o = owed_push(l, kind, OWED_CAPTURE);
	if (o == NULL)
		return NULL;
	o->synth = PG_CAP_NAMED;
	o->p.named_id = id;
	return o;
}

static void put(struct upx *u, const char *name, size_t n, const struct stmt *s)
{
	struct pg_link *l = u->l;
	if ((l->named && l->named->n >= NAMES_MAX_N) || pg_is_our_name(name, n))
		return;
	struct pg_name *x = add(l, u->c, name, n, s);
	if (x == NULL) {
		l->failed = true;
		return;
	}
	flow_cut(&u->f);
	l->no_replay = true;
	u->c->counters->server_parses++;
	if (stmt_is_sql(s)) {
		(void)push_captured(l, OWED_QUERY, x->id);
		pgext_put_query(u->up, s->text, s->text_n);
		l->has_unnamed = false;
		return;
	}
	(void)push_captured(l, OWED_PARSE, 0);
	(void)push_captured(l, OWED_SYNC, x->id);
	pgext_put_parse(u->up, x->name, s->text, s->text_n, stmt_types(s), s->n_types);
	pgext_put_sync(u->up);
}

static bool may_put(const struct upx *u)
{
	const struct pg_link *l = u->l;
	return u->c->mode != PROTO_SESSION && !u->c->unnamed_raw && !l->ext_open && !l->copy_in &&
	       !l->failed;
}

static bool mentions(const char *text, size_t n, const char *word, size_t k)
{
	for (size_t i = 0; i + k <= n; i++)
		if (strncasecmp(text + i, word, k) == 0)
			return true;
	return false;
}

/* Those of SQL, and with a text those of the protocol. Within a transaction only what is named in
 * the text: one that cannot be made any more would abort it. */
static void put_missing(struct upx *u, const char *text, size_t n)
{
	/* Those that are renamed in this very batch may yet be something else. */
	if (u->c->learn && u->c->learn->undo)
		text = NULL;
	for (struct hmap_it it = hmap_begin(&u->c->stmts->names); hmap_next(&it);) {
		const struct stmt *s = ((const struct stmtname *)it.value)->s;
		if ((text == NULL && !stmt_is_sql(s)) || named_has(u->c, u->l, it.key, it.key_n) ||
			(text && u->l->tx != TX_IDLE && !mentions(text, n, it.key, it.key_n)))
			continue;
		put(u, it.key, it.key_n, s);
	}
}

/* Is one of SQL missing, outside of a transaction? Within one all were put when it began. */
static bool wants_sql(const struct upx *u)
{
	if (stmtmap_n_sql(u->c->stmts) == 0 || u->l->tx != TX_IDLE || !may_put(u))
		return false;
	for (struct hmap_it it = hmap_begin(&u->c->stmts->names); hmap_next(&it);)
		if (stmt_is_sql(((const struct stmtname *)it.value)->s) &&
			!named_has(u->c, u->l, it.key, it.key_n))
			return true;
	return false;
}

/* Outside of a transaction: those of SQL that are missing. */
void named_put_sql(struct upx *u)
{
	if (wants_sql(u))
		put_missing(u, NULL, 0);
}

/* The first message of an extended batch: what it will refer to is not known yet. */
bool named_batch(struct upx *u)
{
	bool wants = wants_sql(u);
	if ((wants && names_in_doubt(u->c, u->l)) || !named_evict(u))
		return false;
	if (wants)
		put_missing(u, NULL, 0);
	return true;
}

/* ---- queries ---- */

/* Statements whose own names do not tell what they look for. */
#define UNSURE \
	(SQL_F_UNKNOWN | SQL_F_BAD | SQL_F_EXECUTE | SQL_F_PREPARE | SQL_F_DEALLOCATE | \
		SQL_F_TX_BEGIN | SQL_F_MULTI)

/* Statements of the protocol, too; a DEALLOCATE alone is another matter, see dealloc_query(), and
 * of a PREPARE alone the name is known. */
static bool looks_up(uint64_t flags)
{
	return (flags & SQL_F_EXECUTE) ||
	       ((flags & (SQL_F_DEALLOCATE | SQL_F_PREPARE)) && (flags & SQL_F_MULTI));
}

bool named_wanted(const struct upx *u, uint64_t flags)
{
	if (stmtmap_n(u->c->stmts) == 0)
		return false;
	return looks_up(flags) || ((flags & UNSURE) && wants_sql(u));
}

bool named_execute(struct upx *u, const char *name, size_t n, const struct stmt *s)
{
	if (named_has(u->c, u->l, name, n) || !may_put(u))
		return false;
	put(u, name, n, s);
	return true;
}

void named_query(struct upx *u, const char *text, size_t n, uint64_t flags)
{
	if (stmtmap_n(u->c->stmts) == 0 || !may_put(u) || u->l->tx == TX_FAILED)
		return;
	if (looks_up(flags) || ((flags & UNSURE) && wants_sql(u)))
		put_missing(u, looks_up(flags) ? text : NULL, n);
}

/* ---- extended batches ---- */

/* What the session means by the one name in a PREPARE, EXECUTE or DEALLOCATE; NULL: nothing. */
static const struct stmt *named_in(
	struct upx *u, const struct stmt *s, struct sql_stmt_info *info_r)
{
	up_classify(u, s->text, s->text_n, info_r);
	if (info_r->verb != SQL_V_EXECUTE && info_r->verb != SQL_V_PREPARE &&
		info_r->verb != SQL_V_DEALLOCATE)
		info_r->name_n = 0;
	return info_r->name_n ? stmtmap_get(u->c->stmts, info_r->name, info_r->name_n) : NULL;
}

/* The same as put(), within a batch: an error is the client's, whose EXECUTE would have it. */
static void put_within(struct upx *u, const char *name, size_t n, const struct stmt *s)
{
	struct pg_link *l = u->l;
	if (named_has(u->c, l, name, n) || stmt_is_sql(s) || pg_is_our_name(name, n) ||
		(l->named && l->named->n >= NAMES_MAX_N))
		return;
	flow_cut(&u->f);
	l->no_replay = true;
	if (find(l, name, n)) {
		(void)owed_push(l, OWED_CLOSE, OWED_SWALLOW);
		pgext_put_close(u->up, 'S', name);
	}
	const struct pg_name *x = add(l, u->c, name, n, s);
	struct owed *o = x ? owed_push(l, OWED_PARSE, OWED_SWALLOW) : NULL;
	if (o == NULL) {
		l->failed = true;
		return;
	}
	o->synth = PG_CAP_NAMED;
	o->tag = (uint16_t)x->id;
	pgext_put_parse(u->up, x->name, s->text, s->text_n, stmt_types(s), s->n_types);
	u->c->counters->server_parses++;
}

void named_skipped(struct pg_link *l, const struct owed *o)
{
	if (o->kind != OWED_PARSE || o->disp != OWED_SWALLOW || o->synth != PG_CAP_NAMED)
		return;
	for (uint32_t i = l->named ? l->named->n : 0; i-- > 0;)
		if ((uint16_t)l->named->v[i].id == o->tag)
			drop(l->named, i);
}

void named_before(struct upx *u, const struct stmt *s)
{
	struct sql_stmt_info info;
	if (s == NULL)
		return;
	if (s->view && !u->l->ext_open)
		view_make(u);
	if (!(s->flags & SQL_F_NAMES) || stmt_is_sql(s) || stmtmap_n(u->c->stmts) == 0)
		return;
	const struct stmt *x = named_in(u, s, &info);
	if (x && u->l->ext_open)
		put_within(u, info.name, info.name_n, x);
	else if (x)
		(void)named_execute(u, info.name, info.name_n, x);
	else if (info.name_n == 0)
		named_query(u, s->text, s->text_n, s->flags);
}

void named_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n)
{
	struct pg_client *c = u->c;
	struct sql_stmt_info info;
	if (c->learn)
		mem_free(MEM_PROTO, c->learn->dealloc_name);
	if (c->learn)
		c->learn->dealloc_name = NULL;
	if (s == NULL || !(s->flags & SQL_F_DEALLOCATE) || stmt_is_sql(s) ||
		named_in(u, s, &info) == NULL || info.verb != SQL_V_DEALLOCATE)
		return;
	struct pg_learn *k = learn_of(c);
	if (k == NULL)
		return;
	k->dealloc_name = mem_strndup(MEM_PROTO, info.name, info.name_n);
	k->dealloc_portal = hash64(portal, portal_n);
}

void named_executed(struct upx *u, const struct pgext_execute *x)
{
	struct pg_learn *k = u->c->learn;
	struct owed *o = owed_tail(u->l);
	if (o == NULL || k == NULL || k->dealloc_name == NULL ||
		k->dealloc_portal != hash64(x->portal, x->portal_n))
		return;
	if (!learn_rename(u->c, u->l, k->dealloc_name, strlen(k->dealloc_name), NULL))
		u->l->failed = true;
	o->flags |= OWED_F_UNDO;
	mem_free(MEM_PROTO, k->dealloc_name);
	k->dealloc_name = NULL;
}

/* ---- PREPARE ---- */

static bool is_ascii(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] >= 0x80 || text[i] == 0)
			return false;
	return true;
}

struct hash128 named_key(struct pg_client *c, const char *text, size_t n)
{
	return stmt_key(text, n, NULL, 0, (uint8_t)(SQL_LEX | pg_lex_byte(pg_lex(c))));
}

/* The bytes of other texts mean what the client_encoding says at the time. */
struct stmt *named_intern(
	struct pg_client *c, const char *text, size_t n, const struct sql_stmt_info *info)
{
	if (c->max_prepared == 0 || n > SQL_TEXT_MAX_BYTES || !is_ascii(text, n) ||
		stmtmap_n_sql(c->stmts) >= SQL_NAMES_MAX_N ||
		(c->max_stmt_bytes && (c->stmts ? c->stmts->bytes : 0) + n > c->max_stmt_bytes))
		return NULL;
	struct hash128 key = named_key(c, text, n);
	struct stmt *s = stmt_find(&c->env->stmts, key);
	if (s == NULL)
		s = stmt_new(&c->env->stmts, key, text, n, NULL, 0, info->flags & ~SQL_F_PREPARE);
	if (s)
		s->sql = true;
	return s;
}

struct stmt *named_read(
	struct pg_client *c, const char *name, size_t name_n, const char *text, size_t n)
{
	struct sql_stmt_info info;
	const struct pg_lex_opts *lex = pg_lex(c);
	struct sql_opts o = { .dialect = &sql_dialect_pg,
		.standard_conforming_strings = lex->scs,
		.unsafe_encoding = lex->unsafe_encoding,
		.server_major = lex->server_major };
	sql_classify(&o, text, n, &info);
	if (info.verb != SQL_V_PREPARE || info.n_statements != 1 || name_n == 0 ||
		info.name_n != name_n || memcmp(info.name, name, name_n) != 0)
		return NULL;
	return named_intern(c, text, n, &info);
}

bool named_prepared(struct upx *u, const char *name, size_t n, const struct stmt *s)
{
	return add(u->l, u->c, name, n, s) != NULL;
}

/* ---- what the server says ---- */

/* A statement could not be prepared again: its EXECUTE, which is next, fails for that reason. */
void named_refused(struct pg_link *l, uint32_t id, const struct err *e)
{
	struct owed *next = owed_head(l);
	if (strcmp(e->sqlstate, "42P05") == 0) /* it is there */
		return;
	for (uint32_t i = 0; l->named && i < l->named->n; i++)
		if (l->named->v[i].id == id)
			l->named->v[i].failed = true;
	if (next == NULL || !(next->flags & OWED_F_NEEDS) || (next->flags & OWED_F_FORCED))
		return;
	next->p.err = mem_alloc(MEM_PROTO, sizeof(*e));
	if (next->p.err == NULL) {
		l->failed = true;
		return;
	}
	*next->p.err = *e;
	next->flags |= OWED_F_FORCED;
}

/* A state query is put: it tells of all that stand there now. */
void named_asking(struct pg_link *l)
{
	for (uint32_t i = 0; l->named && i < l->named->n; i++) {
		l->named->v[i].asked = true;
		l->named->v[i].seen = false;
	}
}

/* One that the server has. False: it is not known how to make it again. */
bool named_seen(struct pg_client *c, struct pg_link *l, const char *name, const char *text)
{
	struct pg_name *x = find(l, name, strlen(name));
	const struct stmt *s = x && l->named->of == c->id ? still(c, x) : NULL;
	if (s && (!stmt_is_sql(s) || strcmp(s->text, text) == 0)) {
		x->seen = true;
		return true;
	}
	if (pg_is_our_name(name, strlen(name)))
		return false;
	if (x && x->asked && !s) { /* to be closed */
		x->seen = true;
		return true;
	}
	struct stmt *made = named_read(c, name, strlen(name), text, strlen(text)), *old = NULL;
	if (made == NULL || (c->stmts == NULL && (c->stmts = stmtmap_new()) == NULL)) {
		stmt_unref(&c->env->stmts, made);
		return false;
	}
	bool ok = stmtmap_put(c->stmts, name, strlen(name), made, &old);
	stmt_unref(&c->env->stmts, ok ? old : NULL);
	x = ok ? add(l, c, name, strlen(name), made) : NULL;
	stmt_unref(&c->env->stmts, made);
	if (x)
		x->seen = true;
	return x != NULL;
}

/* The answer is complete: what it did not tell of is gone. */
void named_asked(struct pg_client *c, struct pg_link *l)
{
	struct pg_named *k = l->named;
	for (uint32_t i = k && k->of == c->id ? k->n : 0; i-- > 0;) {
		struct stmt *old = NULL;
		if (!k->v[i].asked || k->v[i].seen || k->v[i].failed)
			continue;
		if (still(c, &k->v[i]))
			(void)stmtmap_put(c->stmts, k->v[i].name, strlen(k->v[i].name), NULL, &old);
		stmt_unref(&c->env->stmts, old);
		drop(k, i);
	}
}

/* ---- for another process ---- */

bool named_pack(const struct pg_client *c, const struct pg_link *l, struct buf *out)
{
	const struct pg_named *k = l->named;
	uint32_t n = k ? k->n : 0;
	buf_put_u32le(out, n);
	for (uint32_t i = 0; i < n; i++) {
		if (k->of != c->id || !still(c, &k->v[i]))
			return false;
		buf_putz(out, k->v[i].name);
		buf_put_u8(out, k->v[i].failed);
	}
	return true;
}

bool named_unpack(struct pg_client *c, struct pg_link *l, struct rd *r)
{
	uint32_t n = rd_u32le(r);
	if (n > NAMES_MAX_N)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		size_t name_n;
		const char *name = rd_cstr(r, &name_n);
		uint8_t failed = rd_u8(r);
		const struct stmt *s = rd_ok(r) ? stmtmap_get(c->stmts, name, name_n) : NULL;
		if (!s || failed > 1 || find(l, name, name_n))
			return false;
		struct pg_name *x = add(l, c, name, name_n, s);
		if (!x)
			return false;
		x->failed = failed;
	}
	return true;
}
