/* stmtmap - prepared statements: interned texts, a session's names, and what a link has. Ignorant
 * of messages. One thread at a time. */
#include "stmtmap.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void stmtdesc_forget(struct stmtdesc *d)
{
	mem_free(MEM_STMT, d->params);
	*d = (struct stmtdesc){ 0 };
}

/* ---- interned statements ---- */

void stmttab_init(struct stmttab *t, uint64_t max_bytes)
{
	hmap_init(&t->all);
	t->bytes = 0;
	t->max_bytes = max_bytes;
}

void stmttab_fini(struct stmttab *t)
{
	assert(hmap_size(&t->all) == 0 && t->bytes == 0);
	hmap_fini(&t->all, NULL);
}

struct hash128 stmt_key(
	const char *text, size_t text_n, const uint8_t *types, unsigned n_types, uint8_t lex)
{
	struct hash128_part part[3] = { { text, text_n }, { types, (size_t)n_types * 4 },
		{ &lex, 1 } };
	return hash128_parts(part, 3);
}

struct stmt *stmt_find(struct stmttab *t, struct hash128 key)
{
	return stmt_ref(hmap_get_by(&t->all, key.lo, &key, sizeof(key)));
}

static uint64_t size_of(const struct stmt *s)
{
	return sizeof(*s) +
	       (s->of ? (uint64_t)s->n_told * 4 : s->text_n + 1 + (uint64_t)s->n_types * 4);
}

static struct stmt *add(struct stmttab *t, struct stmt *s)
{
	if (!hmap_put_by(&t->all, s->id.lo, &s->id, sizeof(s->id), s, NULL)) {
		mem_free(MEM_STMT, s);
		return NULL;
	}
	t->bytes += size_of(s);
	return s;
}

struct stmt *stmt_new(struct stmttab *t, struct hash128 key, const char *text, size_t text_n,
	const uint8_t *types, unsigned n_types, uint64_t flags)
{
	struct stmt head = { .text_n = (uint32_t)text_n, .n_types = n_types };
	uint64_t size = size_of(&head);
	if (text_n > UINT32_MAX || size > t->max_bytes || t->bytes > t->max_bytes - size)
		return NULL;
	struct stmt *s = mem_alloc(MEM_STMT, size);
	if (s == NULL)
		return NULL;
	*s = (struct stmt){ .refs = 1,
		.text_n = (uint32_t)text_n,
		.n_types = n_types,
		.key = key,
		.id = key,
		.flags = flags,
		.text = (const char *)s->store };
	memcpy(s->store, text, text_n);
	if (n_types)
		memcpy(s->store + text_n + 1, types, (size_t)n_types * 4);
	return add(t, s);
}

struct stmt *stmt_told(struct stmttab *t, struct stmt *s, const struct stmtdesc *d)
{
	struct stmt *of = s->of ? s->of : s;
	struct hash128_part part[3] = { { &of->key, sizeof(of->key) },
		{ &d->rows, sizeof(d->rows) }, { d->params, (size_t)d->n_params * 4 } };
	struct hash128 id = hash128_parts(part, 3);
	struct stmt *x = stmt_find(t, id);
	assert(d->rows);
	if (x)
		return x;
	x = mem_alloc(MEM_STMT, sizeof(*x) + (size_t)d->n_params * 4);
	if (x == NULL)
		return NULL;
	*x = *of;
	x->refs = 1;
	x->id = id;
	x->told_rows = d->rows;
	x->n_told = d->n_params;
	x->of = of;
	if (d->n_params)
		memcpy(x->store, d->params, (size_t)d->n_params * 4);
	if (add(t, x) == NULL)
		return NULL;
	stmt_ref(of);
	return x;
}

bool stmt_told_params(const struct stmt *s, const struct stmtdesc *d)
{
	return s->n_told == d->n_params &&
	       (s->n_told == 0 || memcmp(s->store, d->params, (size_t)s->n_told * 4) == 0);
}

void stmt_unref(struct stmttab *t, struct stmt *s)
{
	if (s == NULL)
		return;
	assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	struct stmt *was = hmap_del_by(&t->all, s->id.lo, &s->id, sizeof(s->id)), *of = s->of;
	assert(was == s);
	(void)was;
	t->bytes -= size_of(s);
	mem_free(MEM_STMT, s);
	stmt_unref(t, of);
}

/* ---- of a session ---- */

struct stmtmap *stmtmap_new(void)
{
	struct stmtmap *m = mem_alloc(MEM_STMT, sizeof(*m));
	if (m)
		hmap_init(&m->names);
	return m;
}

static void free_name(void *x)
{
	mem_free(MEM_STMT, x);
}

void stmtmap_clear(struct stmtmap *m, struct stmttab *t)
{
	if (m == NULL)
		return;
	for (struct hmap_it it = hmap_begin(&m->names); hmap_next(&it);)
		stmt_unref(t, ((struct stmtname *)it.value)->s);
	hmap_fini(&m->names, free_name);
	hmap_init(&m->names);
	m->bytes = 0;
	m->n_sql = 0;
}

void stmtmap_free(struct stmtmap **m, struct stmttab *t)
{
	if (*m == NULL)
		return;
	stmtmap_clear(*m, t);
	mem_free(MEM_STMT, *m);
	*m = NULL;
}

struct stmt *stmtmap_get(const struct stmtmap *m, const char *name, size_t name_n)
{
	const struct stmtname *x = m ? hmap_get(&m->names, name, name_n) : NULL;
	return x ? x->s : NULL;
}

/* Two statements of one microsecond were prepared one after the other all the same. */
static struct stmtname *new_name(struct stmtmap *m, const char *name, size_t name_n)
{
	struct stmtname *x = mem_alloc(MEM_STMT, sizeof(*x));
	int64_t now = clock_wall_us();
	if (x == NULL || !hmap_put(&m->names, name, name_n, x, NULL)) {
		mem_free(MEM_STMT, x);
		return NULL;
	}
	m->last_us = now > m->last_us ? now : m->last_us + 1;
	x->prepared_us = m->last_us;
	return x;
}

bool stmtmap_put(
	struct stmtmap *m, const char *name, size_t name_n, struct stmt *s, struct stmt **old_r)
{
	struct stmtname *x = hmap_get(&m->names, name, name_n);
	*old_r = x ? x->s : NULL;
	if (s) {
		if (x == NULL && (x = new_name(m, name, name_n)) == NULL)
			return false;
		x->s = stmt_ref(s);
		m->bytes += s->text_n;
		m->n_sql += s->sql;
	} else if (x) {
		mem_free(MEM_STMT, hmap_del(&m->names, name, name_n));
	}
	if (*old_r) {
		m->bytes -= (*old_r)->text_n;
		m->n_sql -= (*old_r)->sql;
	}
	return true;
}

unsigned stmtmap_n(const struct stmtmap *m)
{
	return m ? (unsigned)hmap_size(&m->names) : 0;
}

unsigned stmtmap_n_sql(const struct stmtmap *m)
{
	return m ? m->n_sql : 0;
}

/* ---- of a link ---- */

void linkmap_init(struct linkmap *m)
{
	hmap_init(&m->by_key);
	list_init(&m->lru);
	m->next_id = 1;
}

void linkmap_fini(struct linkmap *m)
{
	linkmap_clear(m);
	hmap_fini(&m->by_key, NULL);
}

struct linkstmt *linkmap_get(struct linkmap *m, struct hash128 key)
{
	struct linkstmt *s = hmap_get_by(&m->by_key, key.lo, &key, sizeof(key));
	if (s && list_first(&m->lru) != &s->lru) {
		list_del(&s->lru);
		list_push(&m->lru, &s->lru);
	}
	return s;
}

struct linkstmt *linkmap_add(struct linkmap *m, struct hash128 key)
{
	struct linkstmt *s = mem_alloc(MEM_STMT, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->key = key;
	s->id = m->next_id++;
	list_init(&s->lru);
	void *old = NULL;
	if (!hmap_put_by(&m->by_key, key.lo, &key, sizeof(key), s, &old)) {
		mem_free(MEM_STMT, s);
		return NULL;
	}
	assert(old == NULL);
	list_push(&m->lru, &s->lru);
	return s;
}

bool linkmap_rekey(struct linkmap *m, struct linkstmt *s, struct hash128 key)
{
	void *old = NULL;
	assert(!s->gone);
	if (hash128_eq(s->key, key))
		return true;
	struct linkstmt *there = hmap_get_by(&m->by_key, key.lo, &key, sizeof(key));
	if (there)
		linkmap_drop(m, there);
	if (!hmap_put_by(&m->by_key, key.lo, &key, sizeof(key), s, &old))
		return false;
	assert(old == NULL);
	(void)hmap_del_by(&m->by_key, s->key.lo, &s->key, sizeof(s->key));
	s->key = key;
	return true;
}

void linkmap_drop(struct linkmap *m, struct linkstmt *s)
{
	if (!s->gone) {
		struct linkstmt *was = hmap_del_by(&m->by_key, s->key.lo, &s->key, sizeof(s->key));
		assert(was == s);
		(void)was;
		list_del(&s->lru);
		s->gone = true;
	}
	if (s->in_flight > 0)
		return;
	stmtdesc_forget(&s->desc);
	mem_free(MEM_STMT, s);
}

void linkmap_release(struct linkmap *m, struct linkstmt *s)
{
	assert(s->in_flight > 0);
	s->in_flight--;
	if (s->gone && s->in_flight == 0)
		linkmap_drop(m, s);
}

void linkmap_restore(struct linkmap *m, struct linkstmt *s)
{
	assert(s->gone);
	if (hmap_get_by(&m->by_key, s->key.lo, &s->key, sizeof(s->key)) ||
		!hmap_put_by(&m->by_key, s->key.lo, &s->key, sizeof(s->key), s, NULL))
		return;
	s->gone = false;
	list_append(&m->lru, &s->lru);
}

struct linkstmt *linkmap_oldest(struct linkmap *m, unsigned max)
{
	if (hmap_size(&m->by_key) <= max)
		return NULL;
	for (struct list *n = list_last(&m->lru); n && n != &m->lru; n = n->prev) {
		struct linkstmt *s = list_entry(n, struct linkstmt, lru);
		if (s->in_flight == 0)
			return s;
	}
	return NULL;
}

void linkmap_clear(struct linkmap *m)
{
	list_for_safe(n, &m->lru)
		linkmap_drop(m, list_entry(n, struct linkstmt, lru));
}

unsigned linkmap_n(const struct linkmap *m)
{
	return (unsigned)hmap_size(&m->by_key);
}
