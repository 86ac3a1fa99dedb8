/* mysql_charset - character set and collation of a session: what its login's number means to the
 * server, and the assignments that restore them. Thread: that of the env. */
#include "mysql_run_int.h"

#include <string.h>

#define CLIENT "character_set_client"
#define RESULTS "character_set_results"
#define COLLATION "collation_connection"

/* ---- of a login ---- */

/* Servers take these character sets from no client. */
static bool is_refused(const char *name)
{
	return strncmp(name, "ucs2_", 5) == 0 || strncmp(name, "utf16", 5) == 0 ||
	       strncmp(name, "utf32_", 6) == 0 || strcmp(name, "filename") == 0;
}

int my_charset_check(const struct my_client *c, struct err *e)
{
	const char *name = my_collation_name(c->collation, c->mariadb, true);
	if (my_collation_unknown(c->collation, c->mariadb)) {
		err_set(e, ERR_UNSUPPORTED,
			"Unknown character set: '%u': the pooler does not know collations of that "
			"number; use SET NAMES",
			c->collation);
		e->mysql_errno = 1115;
		return -1;
	}
	if (name == NULL || !is_refused(name))
		return 0;
	err_set(e, ERR_UNSUPPORTED,
		"Variable 'character_set_client' can't be set to the value of '%.*s'",
		(int)strcspn(name, "_"), name);
	e->mysql_errno = 1231;
	return -1;
}

/* MariaDB's character_set_collations is a list: charset=collation,... NULL: it has none of that. */
static const char *mapped(const char *list, const char *charset, char *out, size_t size)
{
	size_t n = strlen(charset);
	for (const char *p = list; p && *p; p += strcspn(p, ",")) {
		p += *p == ',';
		size_t len = strcspn(p, ",");
		if (len > n + 1 && len - n - 1 < size && strncmp(p, charset, n) == 0 &&
			p[n] == '=') {
			memcpy(out, p + n + 1, len - n - 1);
			out[len - n - 1] = 0;
			return out;
		}
	}
	return NULL;
}

/* Unless the configuration demands another. */
static bool put_start(
	struct my_client *c, const struct varset *fresh, const char *name, const char *v)
{
	const char *is = varset_get(fresh, name);
	if (varset_get(c->start, name) || (v && is && strcmp(is, v) == 0))
		return true; /* so is a fresh link */
	return varset_put(&c->env->vars, &c->start, name, v) &&
	       varset_put(&c->env->vars, &c->want, name, v);
}

bool my_charset_settle(struct my_client *c, const struct varset *fresh)
{
	const char *name = my_collation_name(
		c->collation, c->mariadb, varset_get(fresh, MY_FACT_0900));
	char charset[16], other[MY_COLLATION_MAX_BYTES];
	size_t n = name ? strcspn(name, "_") : 0;
	if (name == NULL || n >= sizeof(charset)) /* the server's defaults */
		return put_start(c, fresh, CLIENT, varset_get(fresh, MY_FACT_CLIENT)) &&
		       put_start(c, fresh, RESULTS, varset_get(fresh, MY_FACT_RESULTS)) &&
		       put_start(c, fresh, COLLATION, varset_get(fresh, MY_FACT_COLLATION));
	memcpy(charset, name, n);
	charset[n] = 0;
	const char *to =
		my_collation_is_default(c->collation)
			? mapped(varset_get(fresh, MY_FACT_MAPPED), charset, other, sizeof(other))
			: NULL;
	return put_start(c, fresh, CLIENT, charset) && put_start(c, fresh, RESULTS, charset) &&
	       put_start(c, fresh, COLLATION, to ? to : name);
}

/* ---- in a sync ---- */

bool my_charset_is(const char *name)
{
	return strcmp(name, CLIENT) == 0 || strcmp(name, RESULTS) == 0 ||
	       strcmp(name, COLLATION) == 0;
}

static const char *value(const struct varset *s, const struct my_link *l, const char *name)
{
	const char *v = varset_get(s, name);
	return v ? v : varset_get(l->fresh, name);
}

static bool same(
	const struct varset *a, const struct varset *b, const struct my_link *l, const char *name)
{
	const char *x = value(a, l, name), *y = value(b, l, name);
	return x == y || (x && y && strcmp(x, y) == 0);
}

static void put_one(struct buf *b, unsigned *n, const char *name, const char *v)
{
	buf_puts(b, (*n)++ ? "," : "SET ");
	buf_printf(b, *v ? "@@SESSION.%s='%s'" : "@@SESSION.%s=NULL", name, v);
}

/* The three say themselves of which character set the collation is, except binary. */
static bool are_names(const char *client, const char *results, const char *collation)
{
	size_t n = strlen(client);
	return strcmp(client, results) == 0 && strncmp(collation, client, n) == 0 &&
	       (collation[n] == '_' || collation[n] == 0);
}

/* Which collation is NAMES without COLLATE? That may be a setting. */
static bool is_mapped(const struct varset *s)
{
	return varset_get(s, "default_collation_for_utf8mb4") ||
	       varset_get(s, "character_set_collations");
}

void my_charset_put(struct buf *b, unsigned *n, const struct my_link *l, const struct varset *have,
	const struct varset *want)
{
	const char *client = value(want, l, CLIENT), *results = value(want, l, RESULTS);
	const char *collation = value(want, l, COLLATION);
	if (client == NULL || results == NULL || collation == NULL ||
		(same(have, want, l, CLIENT) && same(have, want, l, RESULTS) &&
			same(have, want, l, COLLATION)))
		return;
	if (are_names(client, results, collation)) {
		bool base = strcmp(collation, varset_get(l->fresh, COLLATION)) == 0 &&
			    !is_mapped(have) && !is_mapped(want);
		buf_puts(b, (*n)++ ? "," : "SET ");
		buf_printf(b, base ? "NAMES '%s'" : "NAMES '%s' COLLATE '%s'", client, collation);
		return;
	}
	put_one(b, n, CLIENT, client);
	put_one(b, n, RESULTS, results);
	put_one(b, n, COLLATION, collation);
}
