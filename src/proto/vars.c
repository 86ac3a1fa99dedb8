/* vars - immutable, shared sets of session variables. A set is one block: header, sorted pairs,
 * strings. Equal contents are the same object (found by a 128-bit keyed hash of the contents).
 * Ignorant of what the variables mean. One thread. */
#include "vars.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SMALL_N 32U

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

int var_name_cmp(const char *a, const char *b)
{
	while (*a && (*a == *b || lower(*a) == lower(*b))) {
		a++;
		b++;
	}
	return (int)lower(*a) - (int)lower(*b);
}

void vartab_init(struct vartab *t)
{
	hmap_init(&t->sets);
}

void vartab_fini(struct vartab *t)
{
	assert(hmap_size(&t->sets) == 0);
	hmap_fini(&t->sets, NULL);
}

void varset_unref(struct vartab *t, struct varset *s)
{
	if (s == NULL)
		return;
	assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	struct varset *was = hmap_del(&t->sets, &s->key, sizeof(s->key));
	assert(was == s);
	(void)was;
	mem_free(MEM_VARS, s);
}

void varset_assign(struct vartab *t, struct varset **s, struct varset *to)
{
	varset_ref(to);
	varset_unref(t, *s);
	*s = to;
}

/* Inserts into the sorted array, replacing a pair of the same name. */
static size_t insert(struct var *v, size_t n, struct var x)
{
	size_t i = n;
	while (i > 0 && var_name_cmp(v[i - 1].name, x.name) > 0)
		i--;
	if (i > 0 && var_name_cmp(v[i - 1].name, x.name) == 0) {
		if (x.value) {
			v[i - 1] = x;
			return n;
		}
		memmove(&v[i - 1], &v[i], (n - i) * sizeof(v[0]));
		return n - 1;
	}
	if (x.value == NULL)
		return n;
	memmove(&v[i + 1], &v[i], (n - i) * sizeof(v[0]));
	v[i] = x;
	return n + 1;
}

static char *copy_str(char **at, const char *s)
{
	size_t n = strlen(s) + 1;
	char *to = *at;
	memcpy(to, s, n);
	*at += n;
	return to;
}

/* v is sorted and has no doubles. Hashes the strings as they lie in the block: each ends in NUL, so
 * the bytes are unambiguous. */
static bool intern(struct vartab *t, const struct var *v, size_t n, struct varset **s_r)
{
	if (n == 0) {
		*s_r = NULL;
		return true;
	}
	size_t strings = 0;
	for (size_t i = 0; i < n; i++)
		strings += strlen(v[i].name) + strlen(v[i].value) + 2;
	struct varset *s = mem_alloc(MEM_VARS, sizeof(*s) + n * sizeof(s->v[0]) + strings);
	if (s == NULL)
		return false;
	char *text = (char *)&s->v[n], *at = text;
	for (size_t i = 0; i < n; i++) {
		s->v[i].name = copy_str(&at, v[i].name);
		s->v[i].value = copy_str(&at, v[i].value);
	}
	s->n = (uint32_t)n;
	struct hash128_part part = { text, strings };
	s->key = hash128_parts(&part, 1);
	struct varset *known = hmap_get(&t->sets, &s->key, sizeof(s->key));
	if (known) {
		mem_free(MEM_VARS, s);
		known->refs++;
		*s_r = known;
		return true;
	}
	s->refs = 1;
	if (!hmap_put(&t->sets, &s->key, sizeof(s->key), s, NULL)) {
		mem_free(MEM_VARS, s);
		return false;
	}
	*s_r = s;
	return true;
}

bool varset_make(struct vartab *t, const struct var *v, size_t n, struct varset **s_r)
{
	struct var small[SMALL_N] = { { 0 } }, *all = small;
	if (n > SMALL_N && (all = mem_alloc(MEM_VARS, n * sizeof(*all))) == NULL)
		return false;
	size_t have = 0;
	for (size_t i = 0; i < n; i++)
		have = insert(all, have, v[i]);
	bool ok = intern(t, all, have, s_r);
	if (all != small)
		mem_free(MEM_VARS, all);
	return ok;
}

bool varset_put(struct vartab *t, struct varset **s, const char *name, const char *value)
{
	const char *is = varset_get(*s, name);
	if (is == value || (is && value && strcmp(is, value) == 0))
		return true;
	size_t n = *s ? (*s)->n : 0;
	struct var small[SMALL_N] = { { 0 } }, *all = small;
	if (n + 1 > SMALL_N && (all = mem_alloc(MEM_VARS, (n + 1) * sizeof(*all))) == NULL)
		return false;
	if (n)
		memcpy(all, (*s)->v, n * sizeof(*all));
	n = insert(all, n, (struct var){ name, value });
	struct varset *now;
	bool ok = intern(t, all, n, &now);
	if (all != small)
		mem_free(MEM_VARS, all);
	if (!ok)
		return false;
	varset_unref(t, *s);
	*s = now;
	return true;
}

const char *varset_get(const struct varset *s, const char *name)
{
	size_t lo = 0, hi = s ? s->n : 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = var_name_cmp(s->v[mid].name, name);
		if (c == 0)
			return s->v[mid].value;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* "name\0value\0...", ended by an empty name. */
void varset_pack(const struct varset *s, struct buf *b)
{
	for (uint32_t i = 0; s && i < s->n; i++) {
		buf_putz(b, s->v[i].name);
		buf_putz(b, s->v[i].value);
	}
	buf_put_u8(b, 0);
}

bool varset_unpack(struct vartab *t, struct rd *r, struct varset **s)
{
	for (;;) {
		size_t n = 0;
		const char *name = rd_cstr(r, &n);
		if (!rd_ok(r) || n == 0)
			return rd_ok(r);
		const char *value = rd_cstr(r, NULL);
		if (!rd_ok(r) || !varset_put(t, s, name, value))
			return false;
	}
}
