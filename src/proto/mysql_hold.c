/* mysql_hold - temporary tables and user locks of a session, by name, so that their pins end when
 * the last of them is given back. A name that cannot be read with certainty holds until a reset.
 * Ignorant of packets. Thread: that of the env. Source: MySQL manual, CREATE TABLE, DROP TABLE,
 * Locking Functions. */
#include "mysql_up_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"
#include "sql/classify_my.h"

#define NAMES_MAX_N 8U
#define KEY_MAX_BYTES (4U * SQL_MY_NAME_MAX + 8U)
#define COUNT_MAX 1000000U

/* What a request does to them. */
struct my_hold {
	uint32_t pin; /* TEMP, USER_LOCK */
	bool makes;
	unsigned n;
	char *key[NAMES_MAX_N]; /* owned */
};

void my_hold_free(struct my_hold **hp)
{
	for (unsigned i = 0; *hp && i < (*hp)->n; i++)
		mem_free(MEM_PROTO, (*hp)->key[i]);
	mem_free(MEM_PROTO, *hp);
	*hp = NULL;
}

/* ---- reading names ---- */

struct words {
	const struct sql_my_opts *o;
	struct sql_my_lex x;
	struct sql_my_tok t;
};

static void next(struct words *w)
{
	sql_my_lex_next(&w->x, &w->t);
}

static bool take(struct words *w, const char *word)
{
	size_t n = strlen(word);
	if (w->t.kind == SQL_MY_TOK_QUOTED || w->t.kind == SQL_MY_TOK_STRING || w->t.n != n ||
		strncasecmp(w->t.p, word, n) != 0)
		return false;
	next(w);
	return true;
}

static bool at_end(struct words *w)
{
	(void)take(w, ";");
	return w->t.kind == SQL_MY_TOK_END;
}

static bool take_ident(struct words *w, char *out, size_t cap, size_t *n_r)
{
	if ((w->t.kind != SQL_MY_TOK_WORD && w->t.kind != SQL_MY_TOK_QUOTED) ||
		!sql_my_decode(w->o, &w->t, out, cap, n_r) || *n_r == 0 || memchr(out, 0, *n_r))
		return false;
	next(w);
	return true;
}

static bool add(struct my_hold *h, const char *key, size_t n)
{
	if (h->n == NAMES_MAX_N)
		return false;
	char *copy = mem_strndup(MEM_PROTO, key, n);
	if (copy)
		h->key[h->n++] = copy;
	return copy != NULL;
}

/* Sets compare names without case, which those of tables have: a capital is marked. */
static size_t put_cased(char *out, const char *name, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (name[i] >= 'A' && name[i] <= 'Z')
			out[at++] = 2;
		out[at++] = name[i];
	}
	return at;
}

/* [schema.]table: as "t", schema, 1, table. What a server takes for the same name in another case
 * only pins for longer. */
static bool take_table(struct words *w, const struct my_client *c, struct my_hold *h)
{
	char key[KEY_MAX_BYTES], name[SQL_MY_NAME_MAX];
	const char *schema = varset_get(c->want, MY_VAR_SCHEMA);
	size_t n, at = 1;
	if (!take_ident(w, name, sizeof(name), &n))
		return false;
	key[0] = 't';
	if (take(w, ".")) {
		at += put_cased(key + at, name, n);
		if (!take_ident(w, name, sizeof(name), &n))
			return false;
	} else if (schema && strlen(schema) < SQL_MY_NAME_MAX) {
		at += put_cased(key + at, schema, strlen(schema));
	}
	key[at++] = 1;
	return add(h, key, at + put_cased(key + at, name, n));
}

static bool read_create(struct words *w, const struct my_client *c, struct my_hold *h)
{
	if (take(w, "or") && !take(w, "replace"))
		return false;
	if (!take(w, "temporary") || !(take(w, "table") || take(w, "sequence")))
		return false;
	if (take(w, "if") && !(take(w, "not") && take(w, "exists")))
		return false;
	return take_table(w, c, h);
}

static bool read_drop(struct words *w, const struct my_client *c, struct my_hold *h)
{
	(void)take(w, "temporary");
	if (!take(w, "table") && !take(w, "tables") && !take(w, "sequence"))
		return false;
	if (take(w, "if") && !take(w, "exists"))
		return false;
	do
		if (!take_table(w, c, h))
			return false;
	while (take(w, ","));
	return at_end(w);
}

/* SELECT or DO of one call with a literal name, which is ASCII: then it is called once. */
static bool read_lock(struct words *w, struct my_hold *h)
{
	char key[KEY_MAX_BYTES];
	size_t n;
	bool makes = take(w, "get_lock");
	if (makes != h->makes || (!makes && !take(w, "release_lock")) || !take(w, "("))
		return false;
	if (w->t.kind != SQL_MY_TOK_STRING ||
		!sql_my_decode(w->o, &w->t, key + 1, sizeof(key) - 1, &n) || n == 0)
		return false;
	next(w);
	key[0] = 'l';
	for (size_t i = 1; i <= n; i++) {
		if (key[i] <= 0 || (unsigned char)key[i] >= 0x80)
			return false;
		if (key[i] >= 'A' && key[i] <= 'Z')
			key[i] = (char)(key[i] + 32);
	}
	if (makes) {
		if (!take(w, ","))
			return false;
		(void)take(w, "-");
		if (w->t.kind != SQL_MY_TOK_NUMBER)
			return false;
		next(w);
	}
	return take(w, ")") && at_end(w) && add(h, key, n + 1);
}

void my_hold_note(struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct words w = { .o = o };
	uint64_t f = st->flags;
	struct my_hold *h;
	bool ok = false;
	my_hold_free(&c->hold);
	if ((h = mem_alloc(MEM_PROTO, sizeof(*h))) == NULL)
		return; /* then it holds until a reset */
	h->pin = f & (SQL_MY_TEMP_MAKE | SQL_MY_TEMP_DROP) ? PIN(TEMP) : PIN(USER_LOCK);
	h->makes = f & (SQL_MY_TEMP_MAKE | SQL_MY_USER_LOCK);
	sql_my_lex_init(&w.x, o, text + st->at, st->n);
	next(&w);
	if (take(&w, "create"))
		ok = read_create(&w, c, h);
	else if (take(&w, "drop"))
		ok = read_drop(&w, c, h);
	else if (take(&w, "select") || take(&w, "do"))
		ok = read_lock(&w, h);
	if (ok)
		c->hold = h;
	else
		my_hold_free(&h);
}

bool my_hold_renames(const struct my_client *c, const struct sql_my_opts *o, const char *text,
	const struct sql_my_stmt *st)
{
	struct words w = { .o = o };
	if (!(c->pins & PIN(TEMP)) || !(st->flags & SQL_MY_DDL))
		return false;
	sql_my_lex_init(&w.x, o, text + st->at, st->n);
	for (next(&w); w.t.kind != SQL_MY_TOK_END && w.t.kind != SQL_MY_TOK_BAD; next(&w))
		if (take(&w, "rename"))
			return true;
	return w.t.kind == SQL_MY_TOK_BAD;
}

/* ---- counting ---- */

static void count(struct my_client *c, const char *key, bool up, bool all)
{
	const char *was = varset_get(c->held, key);
	char now[16];
	uint64_t n = 0;
	if (was && num_u64n(was, strlen(was), 0, COUNT_MAX, &n) != 0)
		n = 0;
	n = all ? 0 : up ? n + 1 : n ? n - 1 : 0;
	int len = snprintf(now, sizeof(now), "%u", (unsigned)n);
	if (len < 0 || !varset_put(&c->env->vars, &c->held, key, n ? now : NULL))
		c->held_unknown |= key[0] == 't' ? PIN(TEMP) : PIN(USER_LOCK);
}

static void drop_locks(struct my_client *c)
{
	for (uint32_t i = 0; c->held && i < c->held->n;) {
		const char *key = c->held->v[i].name;
		if (key[0] == 'l')
			count(c, key, false, true);
		else
			i++;
	}
}

static uint32_t pins_of(const struct my_client *c)
{
	uint32_t pins = c->held_unknown;
	for (uint32_t i = 0; c->held && i < c->held->n; i++)
		pins |= c->held->v[i].name[0] == 't' ? PIN(TEMP) : PIN(USER_LOCK);
	return pins;
}

void my_hold_over(struct my_client *c, const struct my_req *r, bool error)
{
	const uint32_t both = PIN(TEMP) | PIN(USER_LOCK);
	struct my_hold *h = r->n_statements == 1 ? c->hold : NULL;
	bool unlocks_all = !error && (r->del & PIN(USER_LOCK));
	if (unlocks_all) {
		drop_locks(c);
		c->held_unknown &= ~PIN(USER_LOCK);
	}
	if (h && (!error || h->pin == PIN(USER_LOCK))) {
		for (unsigned i = 0; i < h->n; i++)
			if (h->makes || !error)
				count(c, h->key[i], h->makes, !h->makes && h->pin == PIN(TEMP));
	} else if (h == NULL) {
		c->held_unknown |= (error && r->n_statements == 1 ? r->anyway : r->add) & both;
	}
	my_hold_free(&c->hold);
	c->pins = (c->pins & ~both) | pins_of(c);
}

void my_hold_forget(struct my_client *c)
{
	my_hold_free(&c->hold);
	varset_assign(&c->env->vars, &c->held, NULL);
	c->held_unknown = 0;
}
