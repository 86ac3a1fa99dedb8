/* mysql_welcome - the OK that a client hears when it is in. What servers of its pool have said of
 * the database that it wants is remembered, so that a login needs no link. Thread: that of the env.
 * Source: MySQL docs, OK_Packet. */
#include "mysql_run_int.h"

#include <string.h>

#include "base/mem.h"
#include "base/rd.h"
#include "wire/mysql/track.h"

#define KIND_MARIADB 0x80U /* what its greeting said; link classes are below */
#define CACHE_N 32U        /* databases of one pool */

/* One entry for each database that a server has let this user select, and each kind of link. */
struct entry {
	struct hash128 key;
	struct varset *base; /* of the link of its kind that was seen last */
	uint16_t status;
	uint8_t kind;
};
struct proto_cache {
	struct proto_env *env;
	unsigned n, next;
	struct entry v[CACHE_N];
};

static uint8_t kind_of(const struct my_client *c)
{
	return (uint8_t)(my_client_link_class(c) | (c->mariadb ? KIND_MARIADB : 0U));
}

static struct hash128 key_of(const struct my_client *c)
{
	const char *schema = varset_get(c->want, MY_VAR_SCHEMA);
	uint8_t kind = kind_of(c);
	struct hash128_part part[] = { { &kind, 1 }, { schema, schema ? strlen(schema) : 0 } };
	return hash128_parts(part, 2);
}

static struct entry *find(struct proto_cache *k, struct hash128 key)
{
	for (unsigned i = 0; k && i < k->n; i++)
		if (hash128_eq(k->v[i].key, key))
			return &k->v[i];
	return NULL;
}

static void learn(struct proto_cache **kp, struct proto_env *v, const struct entry *seen)
{
	if (*kp == NULL && (*kp = mem_alloc(MEM_PROTO, sizeof(**kp))) == NULL)
		return;
	struct proto_cache *k = *kp;
	k->env = v;
	if (find(k, seen->key) == NULL) {
		struct entry *e = &k->v[k->n < CACHE_N ? k->n++ : k->next++ % CACHE_N];
		e->key = seen->key;
		e->kind = seen->kind;
	}
	for (unsigned i = 0; i < k->n; i++) {
		if (k->v[i].kind != seen->kind)
			continue;
		varset_assign(&v->vars, &k->v[i].base, seen->base);
		k->v[i].status = seen->status;
	}
}

void my_cache_export(const void *cst, struct buf *out)
{
	const struct my_client *c = cst;
	struct hash128 key = key_of(c);
	buf_append(out, &key, sizeof(key));
	buf_append(out, &c->status, sizeof(c->status));
	buf_put_u8(out, kind_of(c));
	varset_pack(c->base, out);
}

void my_cache_import(struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n)
{
	struct entry e = { .base = NULL };
	struct rd r = rd_of(p, n);
	const uint8_t *k = rd_bytes(&r, sizeof(e.key)), *s = rd_bytes(&r, sizeof(e.status));
	e.kind = rd_u8(&r);
	if (!rd_ok(&r))
		return;
	memcpy(&e.key, k, sizeof(e.key));
	memcpy(&e.status, s, sizeof(e.status));
	if (varset_unpack(&v->vars, &r, &e.base))
		learn(cache, v, &e);
	varset_unref(&v->vars, e.base);
}

void my_cache_free(struct proto_cache **kp)
{
	struct proto_cache *k = *kp;
	for (unsigned i = 0; k && i < k->n; i++)
		varset_assign(&k->env->vars, &k->v[i].base, NULL);
	mem_free(MEM_PROTO, k);
	*kp = NULL;
}

static void put_welcome(struct my_client *c, struct buf *down)
{
	const char *schema = varset_get(c->want, MY_VAR_SCHEMA), *info = my_client_ok_info(c);
	struct myok ok = { .status = c->status };
	struct buf block;
	buf_init(&block, 0);
	ok.info = (struct mystr){ info, strlen(info) };
	if (schema) {
		mytrack_put_text(&block, MYTRACK_SCHEMA, (struct mystr){ schema, strlen(schema) });
		ok.track = (struct mystr){ (const char *)buf_data(&block), buf_len(&block) };
	}
	myok_put(down, &c->seq, c->caps, &ok);
	if (block.failed)
		down->failed = true;
	buf_fini(&block);
}

bool my_client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down)
{
	struct my_client *c = cst;
	const struct my_link *l = lst;
	const struct entry *known = cache && c->mode != PROTO_RAW ? find(*cache, key_of(c)) : NULL;
	(void)key;
	(void)key_n;
	if (l == NULL && known == NULL)
		return false;
	c->status = (l ? l->status : known->status) &
		    (MYSTATUS_AUTOCOMMIT | MYSTATUS_NO_BACKSLASH_ESCAPES);
	varset_assign(&c->env->vars, &c->base, l ? l->fresh : known->base);
	if (!my_charset_settle(c, c->base))
		return false;
	if (l && cache && c->mode != PROTO_RAW)
		learn(cache, c->env,
			&(struct entry){ .key = key_of(c),
				.base = c->base,
				.status = c->status,
				.kind = kind_of(c) });
	put_welcome(c, down);
	my_client_login_free(c);
	c->ready = true;
	c->in_request = false;
	c->seq = 0;
	return true;
}
