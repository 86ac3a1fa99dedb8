/* pg_welcome - what a client hears when it is in: parameters as a server of its pool reports them,
 * its cancel key, ReadyForQuery. For startup parameters that were seen before it comes from a
 * cache: no link is needed. Thread: that of the env. */
#include "pg_int.h"

#include <string.h>

#include "base/mem.h"
#include "base/rd.h"
#include "wire/pg/session.h"

#define CACHE_N 32U /* sets of startup parameters of one pool */
#define APP_NAME "application_name"
#define HOT_STANDBY "in_hot_standby" /* since 14; libpq reads it for target_session_attrs */
#define NAME_MAX_N 63U               /* NAMEDATALEN - 1 */

struct proto_cache {
	struct proto_env *env;
	unsigned n, next;
	struct {
		struct hash128 start; /* key of the set of startup parameters; all zero: none */
		struct varset *told;
	} v[CACHE_N];
	/* Found last, as sets that are equal are one: clients that connect for each query are alike
	 * in all of them, the name too. */
	struct varset *last_start, *last_told;
};

/* Servers report application_name as it was given if it is short printable ASCII: then one entry
 * serves all names. */
static const char *plain_name(const struct pg_client *c)
{
	const char *name = varset_get(c->start, APP_NAME);
	size_t n = 0;
	while (name && name[n] >= 0x20 && name[n] < 0x7f)
		n++;
	return name && name[n] == 0 && n <= NAME_MAX_N ? name : NULL;
}

static struct hash128 start_key(const struct pg_client *c)
{
	struct varset *s = varset_ref(c->start);
	struct hash128 key = { 0, 0 };
	if (plain_name(c))
		(void)varset_put(
			&c->env->vars, &s, APP_NAME, "*"); /* without memory: another key */
	if (s)
		key = s->key;
	varset_unref(&c->env->vars, s);
	return key;
}

static void cache_keep_last(struct proto_cache *k, struct varset *start, struct varset *told)
{
	varset_assign(&k->env->vars, &k->last_start, start);
	varset_assign(&k->env->vars, &k->last_told, told);
}

/* A new reference, or NULL. */
static struct varset *cache_get(struct proto_cache *k, const struct pg_client *c)
{
	if (k == NULL)
		return NULL;
	if (k->last_told && k->last_start == c->start)
		return varset_ref(k->last_told);
	struct hash128 key = start_key(c);
	const char *name = plain_name(c);
	for (unsigned i = 0; i < k->n; i++) {
		if (!hash128_eq(k->v[i].start, key))
			continue;
		struct varset *told = varset_ref(k->v[i].told);
		if (name == NULL || varset_put(&c->env->vars, &told, APP_NAME, name)) {
			cache_keep_last(k, c->start, told);
			return told;
		}
		varset_unref(&c->env->vars, told);
	}
	return NULL;
}

static void cache_put(
	struct proto_cache **kp, struct proto_env *v, struct hash128 key, struct varset *told)
{
	if (*kp == NULL && (*kp = mem_alloc(MEM_PROTO, sizeof(**kp))) == NULL)
		return;
	struct proto_cache *k = *kp;
	k->env = v;
	unsigned i = 0;
	while (i < k->n && !hash128_eq(k->v[i].start, key))
		i++;
	if (i == k->n && k->n == CACHE_N)
		i = k->next++ % CACHE_N;
	else if (i == k->n)
		k->n++;
	k->v[i].start = key;
	varset_assign(&k->env->vars, &k->v[i].told, told);
	cache_keep_last(k, NULL, NULL);
}

/* The key, then names and values with their NULs. */
void pg_cache_export(const void *cst, struct buf *out)
{
	const struct pg_client *c = cst;
	struct hash128 key = start_key(c);
	buf_append(out, &key, sizeof(key));
	for (uint32_t i = 0; c->told && i < c->told->n; i++) {
		buf_putz(out, c->told->v[i].name);
		buf_putz(out, c->told->v[i].value);
	}
}

void pg_cache_import(struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n)
{
	struct hash128 key;
	struct varset *told = NULL;
	bool ok = n > sizeof(key);
	if (!ok)
		return;
	memcpy(&key, p, sizeof(key));
	struct rd r = rd_of(p + sizeof(key), n - sizeof(key));
	while (ok && rd_left(&r)) {
		const char *name = rd_cstr(&r, NULL), *value = rd_cstr(&r, NULL);
		ok = rd_ok(&r) && varset_put(&v->vars, &told, name, value);
	}
	if (ok)
		cache_put(cache, v, key, told);
	varset_unref(&v->vars, told);
}

void pg_cache_free(struct proto_cache **kp)
{
	struct proto_cache *k = *kp;
	for (unsigned i = 0; k && i < k->n; i++)
		varset_unref(&k->env->vars, k->v[i].told);
	if (k)
		cache_keep_last(k, NULL, NULL);
	mem_free(MEM_PROTO, k);
	*kp = NULL;
}

bool pg_client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down)
{
	struct pg_client *c = cst;
	const struct pg_link *l = lst;
	struct varset *told = l                               ? varset_ref(l->reported)
			      : cache && c->mode != PROTO_RAW ? cache_get(*cache, c)
							      : NULL;
	if (told == NULL)
		return false;
	varset_assign(&c->env->vars, &c->told, told);
	if (l && cache && c->mode != PROTO_RAW)
		cache_put(cache, c->env, start_key(c), c->told);
	varset_unref(&c->env->vars, told);
	if (c->role && varset_get(c->told, HOT_STANDBY) &&
		!varset_put(&c->env->vars, &c->told, HOT_STANDBY,
			c->role == PROTO_ROLE_STANDBY ? "on" : "off"))
		return false;
	told = c->told;
	for (uint32_t i = 0; i < told->n; i++)
		pgsession_put_param(down, told->v[i].name, told->v[i].value);
	pgsession_put_key(down, key, key_n);
	if (key_n >= sizeof c->told_pid)
		memcpy(c->told_pid, key, sizeof c->told_pid);
	pg_client_put_login_notice(c, down);
	pgsession_put_ready(down, 'I');
	c->ready = true;
	pg_client_login_free(c);
	return true;
}
