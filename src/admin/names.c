/* names - which databases and users there are: those of the configuration and those that clients
 * brought, each once, in order. Control thread. */
#include "admin_int.h"

#include <stdlib.h>
#include <string.h>

struct collector {
	const char **v;
	size_t n, size;
	bool failed;
};

static void add(struct collector *c, const char *name)
{
	if (c->n == c->size) {
		size_t size = c->size ? c->size * 2 : 64;
		const char **v = mem_realloc(MEM_ADMIN, c->v, size * sizeof *v);
		if (!v) {
			c->failed = true;
			return;
		}
		c->v = v;
		c->size = size;
	}
	c->v[c->n++] = name;
}

static void add_user(const struct user_entry *ue, void *arg)
{
	add(arg, ue->name);
}

/* Names in m stay as long as the process; the map itself is the workers' too. */
static void add_map(struct collector *c, struct core *core, const struct hmap *m, bool dbases)
{
	pthread_mutex_lock(&core->lock);
	for (struct hmap_it it = hmap_begin(m); hmap_next(&it);)
		add(c, dbases ? ((struct dbase *)it.value)->name
			      : ((struct account *)it.value)->name);
	pthread_mutex_unlock(&core->lock);
}

static void add_databases(struct collector *c, struct core *core)
{
	const struct conf *conf = core->gen->conf;
	struct collector seen = { 0 };
	for (unsigned i = 0; i < conf->dbs_n; i++)
		if (!conf->dbs[i].is_auto)
			add(c, conf->dbs[i].name);
	add_map(&seen, core, &core->dbases, true);
	for (size_t i = 0; i < seen.n; i++) /* not those that a RELOAD removed */
		if (conf_db_find(conf, seen.v[i]))
			add(c, seen.v[i]);
	c->failed = c->failed || seen.failed;
	mem_free(MEM_ADMIN, seen.v);
	add(c, "pgbouncer");
}

static void add_users(struct collector *c, struct core *core)
{
	const struct conf *conf = core->gen->conf;
	for (unsigned i = 0; i < conf->users_n; i++)
		if (strcmp(conf->users[i].name, "*") != 0)
			add(c, conf->users[i].name);
	if (core->gen->users)
		users_each(core->gen->users, add_user, c);
	add_map(c, core, &core->accounts, false);
	add(c, "pgbouncer");
}

bool names_dbase(struct core_console *r, const char *name, struct dbase **d_r)
{
	const struct conf *conf = admin_conf(r);
	const struct proto_ops *best = NULL;
	int best_rank = 0;
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++) {
		const struct proto_ops *ops = proto_table[i];
		const struct conf_db *db = conf_db_find_in(conf, ops->name, name);
		int rank = !db                                   ? 0
			   : !db->is_auto                        ? 3
			   : core_dbase_find(r->core, ops, name) ? 2
			   : !ops->schema_is_state               ? 1
								 : 0;
		if (rank > best_rank) {
			best = ops;
			best_rank = rank;
		}
	}
	*d_r = best ? core_dbase(r->core, best, name) : NULL;
	return best != NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **names_list(struct core *core, enum names what, size_t *n_r)
{
	struct collector c = { 0 };
	if (what == NAMES_DATABASES)
		add_databases(&c, core);
	else
		add_users(&c, core);
	*n_r = 0;
	if (c.failed) {
		mem_free(MEM_ADMIN, c.v);
		return NULL;
	}
	qsort(c.v, c.n, sizeof *c.v, by_name);
	for (size_t i = 0; i < c.n; i++)
		if (*n_r == 0 || strcmp(c.v[*n_r - 1], c.v[i]) != 0)
			c.v[(*n_r)++] = c.v[i];
	return c.v;
}

size_t names_count(struct core *core, enum names what)
{
	size_t n;
	const char **v = names_list(core, what, &n);
	mem_free(MEM_ADMIN, v);
	return n;
}
