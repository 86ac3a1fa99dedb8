/* pg_told - what servers say of prepared statements (types of parameters, names and types of
 * columns), and what a client was told of those that it uses. A server promises never to change the
 * result of a statement; a client relies on that, and decodes by what it once heard. So a statement
 * that was parsed again, on another link or later, is compared with what its client knows before it
 * runs. Thread: that of the env. Source: PostgreSQL docs, Message Formats: ParameterDescription,
 * RowDescription. */
#include "pg_run_int.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/row.h"

static _Atomic uint32_t schema_no;

uint32_t told_schema_no(void)
{
	return atomic_load_explicit(&schema_no, memory_order_relaxed);
}

void told_schema_changed(void)
{
	atomic_fetch_add_explicit(&schema_no, 1, memory_order_relaxed);
}

/* ---- what a server says ---- */

/* As a server compares: number, names, types and modifiers. Where a column comes from does not
 * matter. */
static bool hash_rows(const uint8_t *body, size_t n, uint64_t *hash_r)
{
	unsigned n_cols;
	struct rd r;
	struct pgrow_col col;
	if (!pgrow_desc_read(body, n, &n_cols, &r))
		return false;
	uint64_t mix[3] = { n_cols, 0, 0 };
	for (unsigned i = 0; i < n_cols; i++) {
		if (!pgrow_desc_next(&r, &col))
			return false;
		mix[1] = hash64(col.name, strlen(col.name));
		mix[2] = (uint64_t)col.type_oid << 32 | (uint32_t)col.type_mod;
		mix[0] = hash64(mix, sizeof(mix));
	}
	*hash_r = mix[0] | 1;
	return rd_ok(&r) && rd_left(&r) == 0;
}

/* NULL: of an unnamed statement that has been replaced since it was asked for. */
static struct stmtdesc *desc_of(struct pg_link *l, const struct owed *o)
{
	if (o->p.ls)
		return &o->p.ls->desc;
	return l->has_unnamed && told_unnamed_tag(l->unnamed) == o->tag ? &l->unnamed_desc : NULL;
}

bool told_learn(
	struct pg_link *l, const struct owed *o, uint8_t type, const uint8_t *body, size_t n)
{
	static const uint64_t no_rows = 2; /* no hash of rows is even */
	struct stmtdesc *d = desc_of(l, o);
	if (d == NULL)
		return true;
	if (type == 'T')
		return hash_rows(body, n, &d->rows);
	if (type == 'n') {
		d->rows = no_rows;
		return true;
	}
	struct rd r = rd_of(body, n);
	uint16_t n_params = rd_u16be(&r);
	if (rd_left(&r) % 4 != 0 || (uint16_t)(rd_left(&r) / 4) != n_params)
		return false;
	bool many = rd_left(&r) / 4 > UINT16_MAX; /* such a statement cannot be bound */
	const uint8_t *types = rd_bytes(&r, (size_t)n_params * 4);
	if (!rd_ok(&r))
		return false;
	stmtdesc_forget(d);
	if (n_params == 0 || many)
		return true;
	d->params = mem_alloc(MEM_STMT, (size_t)n_params * 4);
	if (d->params == NULL) {
		l->failed = true;
		return true;
	}
	d->n_params = n_params;
	memcpy(d->params, types, (size_t)n_params * 4);
	return true;
}

void told_learnt(struct pg_link *l, const struct owed *o)
{
	if (o->p.ls)
		o->p.ls->learning = false;
	else if (desc_of(l, o))
		l->unnamed_learning = false;
}

void told_forget_unnamed(struct pg_link *l)
{
	stmtdesc_forget(&l->unnamed_desc);
	l->unnamed_learning = false;
}

/* ---- what a client was told ---- */

uint16_t told_tag(const char *name, size_t n)
{
	uint32_t h = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		h = h * 31 + (uint8_t)name[i];
	return (uint16_t)(h ^ h >> 16);
}

const struct stmt *told_find(const struct pg_client *c, const struct linkstmt *ls, uint16_t tag,
	const char **name_r, size_t *name_n_r)
{
	if (c->stmts == NULL)
		return NULL;
	for (struct hmap_it it = hmap_begin(&c->stmts->names); hmap_next(&it);) {
		const struct stmt *s = ((const struct stmtname *)it.value)->s;
		if (told_tag(it.key, it.key_n) != tag || !pg_is_stmt(c, s, ls->key))
			continue;
		*name_r = it.key;
		*name_n_r = it.key_n;
		return s;
	}
	for (const struct pg_undo *x = c->learn ? c->learn->undo : NULL; x; x = x->next) {
		if (x->old == NULL || told_tag(x->name, x->name_n) != tag ||
			!pg_is_stmt(c, x->old, ls->key))
			continue;
		*name_r = x->name;
		*name_n_r = x->name_n;
		return x->old;
	}
	return NULL;
}

bool told_set(struct pg_client *c, const char *name, size_t name_n, const struct stmtdesc *d)
{
	struct stmttab *t = &c->env->stmts;
	struct stmt *s = name_n ? stmtmap_get(c->stmts, name, name_n) : c->unnamed, *old = NULL;
	if (s == NULL || (s->told_rows == d->rows && stmt_told_params(s, d)))
		return true;
	struct stmt *told = stmt_told(t, s, d);
	if (told == NULL)
		return false;
	bool ok = true;
	if (name_n == 0) {
		old = c->unnamed;
		c->unnamed = stmt_ref(told);
	} else {
		ok = stmtmap_put(c->stmts, name, name_n, told, &old);
	}
	stmt_unref(t, told);
	stmt_unref(t, old);
	return ok;
}

/* The unnamed statement may be another one by now. */
static void unnamed_done(struct pg_client *c, struct pg_link *l, const struct owed *o)
{
	const struct stmtdesc *d = desc_of(l, o);
	if (d && d->rows && c->unnamed && hash128_eq(pg_unnamed_key(c, c->unnamed), l->unnamed) &&
		!told_set(c, "", 0, d))
		l->failed = true;
}

void told_done(struct pg_client *c, struct pg_link *l, const struct owed *o)
{
	if (o->p.ls == NULL) {
		unnamed_done(c, l, o);
		return;
	}
	const struct stmtdesc *d = &o->p.ls->desc;
	if (c->stmts == NULL || d->rows == 0)
		return;
	for (struct hmap_it it = hmap_begin(&c->stmts->names); hmap_next(&it);) {
		const struct stmt *s = ((const struct stmtname *)it.value)->s;
		if (s->told_rows || told_tag(it.key, it.key_n) != o->tag ||
			!pg_is_stmt(c, s, o->p.ls->key))
			continue;
		if (!told_set(c, it.key, it.key_n, d))
			l->failed = true;
		return;
	}
}
