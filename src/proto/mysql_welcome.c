/* mysql_welcome - the OK that a client hears when it is in. What servers of its pool have said of
 * the database that it wants is remembered, so that a login needs no link. Thread: that of the env.
 * Source: MySQL docs, OK_Packet. */
#include "mysql_run_int.h"

#include <string.h>

#include "base/mem.h"
#include "base/rd.h"
#include "wire/mysql/track.h"

#define CACHE_N 32U /* databases of one pool */

/* One entry for each database that a server has let this user select; all zero: none given. */
struct proto_cache {
	struct proto_env *env;
	struct varset *base; /* of the link that was seen last */
	unsigned n, next;
	uint16_t status;
	struct hash128 v[CACHE_N];
};

static struct hash128 key_of(const struct my_client *c)
{
	const char *schema = varset_get(c->want, MY_VAR_SCHEMA);
	if (schema == NULL)
		return (struct hash128){ 0, 0 };
	struct hash128_part part = { schema, strlen(schema) };
	return hash128_parts(&part, 1);
}

static bool knows(const struct proto_cache *k, struct hash128 key)
{
	for (unsigned i = 0; k && i < k->n; i++)
		if (hash128_eq(k->v[i], key))
			return true;
	return false;
}

static void learn(struct proto_cache **kp, struct proto_env *v, struct hash128 key, uint16_t status,
	struct varset *base)
{
	if (*kp == NULL && (*kp = mem_alloc(MEM_PROTO, sizeof(**kp))) == NULL)
		return;
	struct proto_cache *k = *kp;
	k->env = v;
	k->status = status;
	varset_assign(&v->vars, &k->base, base);
	if (knows(k, key))
		return;
	if (k->n < CACHE_N)
		k->v[k->n++] = key;
	else
		k->v[k->next++ % CACHE_N] = key;
}

void my_cache_export(const void *cst, struct buf *out)
{
	const struct my_client *c = cst;
	struct hash128 key = key_of(c);
	buf_append(out, &key, sizeof(key));
	buf_append(out, &c->status, sizeof(c->status));
	varset_pack(c->base, out);
}

void my_cache_import(struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n)
{
	struct hash128 key;
	struct varset *base = NULL;
	uint16_t status;
	struct rd r = rd_of(p, n);
	const uint8_t *k = rd_bytes(&r, sizeof(key)), *s = rd_bytes(&r, sizeof(status));
	if (!rd_ok(&r))
		return;
	memcpy(&key, k, sizeof(key));
	memcpy(&status, s, sizeof(status));
	if (varset_unpack(&v->vars, &r, &base))
		learn(cache, v, key, status, base);
	varset_unref(&v->vars, base);
}

void my_cache_free(struct proto_cache **kp)
{
	if (*kp)
		varset_assign(&(*kp)->env->vars, &(*kp)->base, NULL);
	mem_free(MEM_PROTO, *kp);
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
	(void)key;
	(void)key_n;
	if (l == NULL && (cache == NULL || c->mode == PROTO_RAW || !knows(*cache, key_of(c))))
		return false;
	c->status = (l ? l->status : (*cache)->status) &
		    (MYSTATUS_AUTOCOMMIT | MYSTATUS_NO_BACKSLASH_ESCAPES);
	varset_assign(&c->env->vars, &c->base, l ? l->fresh : (*cache)->base);
	if (l && cache && c->mode != PROTO_RAW)
		learn(cache, c->env, key_of(c), c->status, c->base);
	put_welcome(c, down);
	my_client_login_free(c);
	c->ready = true;
	c->in_request = false;
	c->seq = 0;
	return true;
}
