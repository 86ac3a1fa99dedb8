/* secrets - the cache of auth_query's answers. Ignorant of databases and of who asks. One thread.
 */
#include "auth/secrets.h"

#include "base/hmap.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

struct node {
	struct secrets_entry e;
	struct list lru;
	char *secret; /* e.secret, writable */
	size_t key_n;
	char key[]; /* scope NUL user: neither can hold a NUL, so keys are unambiguous */
};
struct secrets {
	struct hmap map;
	struct list lru; /* first: used last */
	size_t max_n;
};

struct secrets *secrets_new(size_t max_n)
{
	struct secrets *s = mem_alloc(MEM_AUTH, sizeof *s);

	if (s == NULL)
		return NULL;
	hmap_init(&s->map);
	list_init(&s->lru);
	s->max_n = max_n > 0 ? max_n : 1;
	return s;
}

static void node_free(struct node *n)
{
	if (n->secret)
		mem_wipe(n->secret, n->e.secret_n);
	mem_free(MEM_AUTH, n->secret);
	mem_wipe(&n->e, sizeof n->e);
	mem_free(MEM_AUTH, n);
}

static void drop(struct secrets *s, struct node *n)
{
	(void)hmap_del(&s->map, n->key, n->key_n);
	list_del(&n->lru);
	node_free(n);
}

void secrets_clear(struct secrets *s)
{
	struct list *l;

	while ((l = list_first(&s->lru)) != NULL)
		drop(s, list_entry(l, struct node, lru));
}

void secrets_free(struct secrets **s)
{
	if (*s == NULL)
		return;
	secrets_clear(*s);
	hmap_fini(&(*s)->map, NULL);
	mem_free(MEM_AUTH, *s);
	*s = NULL;
}

/* A node with its key and nothing else; NULL when out of memory. */
static struct node *node_new(const char *scope, const char *user)
{
	size_t scope_n = strlen(scope), user_n = strlen(user);
	struct node *n = mem_alloc(MEM_AUTH, sizeof *n + scope_n + 1 + user_n);

	if (n == NULL)
		return NULL;
	memcpy(n->key, scope, scope_n);
	memcpy(n->key + scope_n + 1, user, user_n); /* the NUL between is there: zeroed */
	n->key_n = scope_n + 1 + user_n;
	list_init(&n->lru);
	return n;
}

static struct node *find(struct secrets *s, const char *scope, const char *user)
{
	struct node *key = node_new(scope, user), *n;

	if (key == NULL) { /* better no cache than one that cannot forget */
		secrets_clear(s);
		return NULL;
	}
	n = hmap_get(&s->map, key->key, key->key_n);
	node_free(key);
	return n;
}

struct secrets_entry *secrets_get(
	struct secrets *s, const char *scope, const char *user, int64_t now_us)
{
	struct node *n = find(s, scope, user);

	if (n == NULL)
		return NULL;
	if (n->e.until_us <= now_us) {
		drop(s, n);
		return NULL;
	}
	list_del(&n->lru);
	list_push(&s->lru, &n->lru);
	return &n->e;
}

/* Copies the secret and reads its kind. */
static bool node_fill(struct node *n, const char *secret, size_t secret_n)
{
	if (secret == NULL)
		return true;
	n->secret = mem_strndup(MEM_AUTH, secret, secret_n);
	if (n->secret == NULL)
		return false;
	n->e.secret = n->secret;
	n->e.secret_n = secret_n;
	n->e.kind = secret_kind_of(secret, secret_n);
	if (n->e.kind == SECRET_SCRAM)
		n->e.has_scram = scram_secret_parse(secret, secret_n, &n->e.scram, NULL) == 0;
	return true;
}

void secrets_put(struct secrets *s, const char *scope, const char *user, const char *secret,
	size_t secret_n, int64_t now_us, int64_t ttl_us)
{
	struct node *n;

	secrets_forget(s, scope, user);
	if (ttl_us <= 0)
		return;
	n = node_new(scope, user);
	if (n == NULL)
		return;
	if (__builtin_add_overflow(now_us, ttl_us, &n->e.until_us))
		n->e.until_us = INT64_MAX;
	if (!node_fill(n, secret, secret_n) || !hmap_put(&s->map, n->key, n->key_n, n, NULL)) {
		node_free(n);
		return;
	}
	list_push(&s->lru, &n->lru);
	if (hmap_size(&s->map) > s->max_n)
		drop(s, list_entry(list_last(&s->lru), struct node, lru));
	assert(hmap_size(&s->map) <= s->max_n);
}

void secrets_forget(struct secrets *s, const char *scope, const char *user)
{
	struct node *n = find(s, scope, user);

	if (n)
		drop(s, n);
}

size_t secrets_expire(struct secrets *s, int64_t now_us)
{
	size_t dropped = 0;

	list_for_safe(it, &s->lru) {
		struct node *n = list_entry(it, struct node, lru);

		if (n->e.until_us <= now_us) {
			drop(s, n);
			dropped++;
		}
	}
	return dropped;
}

size_t secrets_n(const struct secrets *s)
{
	return hmap_size(&s->map);
}
