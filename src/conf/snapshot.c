/* snapshot - the memory of a configuration, loading, and looking things up in it. How items become
 * structs is in build.c. Built and freed by the control thread; the finds and merges are for every
 * thread. */
#include "conf_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORKERS_MAX 64

char *conf_str(struct conf *conf, const char *s, size_t n)
{
	struct conf_block *b = mem_xalloc(MEM_CONF, sizeof(*b) + n + 1);
	b->n = n;
	b->next = conf->blocks;
	conf->blocks = b;
	if (n > 0)
		memcpy(b->text, s, n);
	return b->text;
}

struct conf *conf_new(const char *path)
{
	struct conf *conf = mem_xalloc(MEM_CONF, sizeof(*conf));
	conf->path = conf_str(conf, path, strlen(path));
	conf->url_user = conf->url_password = "";
	return conf;
}

void conf_item_add(struct conf *conf, enum conf_section section, const char *key, const char *value,
	struct conf_src src)
{
	if (conf->items_n == conf->items_size) {
		conf->items_size = conf->items_size ? conf->items_size * 2 : 64;
		conf->items = mem_xrealloc(
			MEM_CONF, conf->items, conf->items_size * sizeof(*conf->items));
	}
	conf->items[conf->items_n++] = (struct conf_item){ section, key, value, src };
}

static const char *copy_or_null(struct conf *conf, const char *s)
{
	return s ? conf_str(conf, s, strlen(s)) : NULL;
}

struct conf *conf_copy_items(const struct conf *from)
{
	struct conf *to = conf_new(from->path);
	struct conf_src src = { 0 };
	const char *src_from = NULL;
	for (unsigned i = 0; i < from->items_n; i++) {
		const struct conf_item *it = &from->items[i];
		if (it->src.file != src_from || src.file == NULL) {
			src_from = it->src.file;
			src.file = copy_or_null(to, src_from);
		}
		src.line = it->src.line;
		conf_item_add(to, it->section, copy_or_null(to, it->key),
			copy_or_null(to, it->value), src);
	}
	for (unsigned i = 0; i < from->reads_n; i++) {
		to->reads = mem_xrealloc(
			MEM_CONF, to->reads, (to->reads_n + 1) * sizeof(*to->reads));
		to->reads[to->reads_n] = from->reads[i];
		to->reads[to->reads_n++].path = copy_or_null(to, from->reads[i].path);
	}
	to->places = from->places;
	to->url_user = conf_str(to, from->url_user, strlen(from->url_user));
	to->url_password = conf_str(to, from->url_password, strlen(from->url_password));
	return to;
}

void conf_free(struct conf **conf)
{
	struct conf *c = *conf;
	if (c == NULL)
		return;
	for (unsigned i = 0; i < c->dbs_n; i++) {
		mem_free(MEM_CONF, c->dbs[i].hosts);
		mem_free(MEM_CONF, c->dbs[i].over);
	}
	for (unsigned i = 0; i < c->users_n; i++)
		mem_free(MEM_CONF, c->users[i].over);
	for (unsigned i = 0; i < c->clusters_n; i++)
		mem_free(MEM_CONF, c->clusters[i].nodes);
	mem_free(MEM_CONF, c->clusters);
	mem_free(MEM_CONF, c->rules);
	mem_free(MEM_CONF, c->dbs);
	mem_free(MEM_CONF, c->users);
	mem_free(MEM_CONF, c->peers);
	mem_free(MEM_CONF, c->items);
	mem_free(MEM_CONF, c->reads);
	mem_free(MEM_CONF, c->set);
	for (struct conf_block *b = c->blocks, *next; b; b = next) {
		next = b->next;
		mem_wipe(b->text, b->n);
		mem_free(MEM_CONF, b);
	}
	mem_free(MEM_CONF, c);
	*conf = NULL;
}

int conf_finish(struct conf **conf, struct conf_msgs *m)
{
	if (m->errors_n == 0 && conf_build(*conf, m) == 0)
		return 0;
	conf_free(conf);
	return -1;
}

/* After reading: builds even when reading found mistakes, so that all are told, and drops the
 * result then. */
static int finish_loaded(
	struct conf *conf, unsigned errors_before, struct conf **conf_r, struct conf_msgs *m)
{
	(void)conf_build(conf, m); /* counted in m */
	conf_msgs_sort(m);
	if (m->errors_n != errors_before) {
		conf_free(&conf);
		return -1;
	}
	*conf_r = conf;
	return 0;
}

static int load_file(
	const char *path, const struct conf_places *p, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf *conf = conf_new(path);
	unsigned before = m->errors_n;
	conf_read_file(conf, path, m);
	/* nothing was read: one message is enough */
	if (m->errors_n != before && conf->items_n == 0) {
		conf_free(&conf);
		return -1;
	}
	conf_read_places(conf, p, m);
	return finish_loaded(conf, before, conf_r, m);
}

int conf_load(const char *path, struct conf **conf_r, struct conf_msgs *m)
{
	return load_file(path, NULL, conf_r, m);
}

static int load_urls(const struct conf_places *p, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf *conf = conf_new("");
	unsigned before = m->errors_n;
	if (p->urls_n)
		conf_read_urls(conf, p, m);
	if (m->errors_n != before) {
		conf_free(&conf);
		return -1;
	}
	conf_read_places(conf, p, m);
	return finish_loaded(conf, before, conf_r, m);
}

int conf_load_places(const struct conf_places *p, struct conf **conf_r, struct conf_msgs *m)
{
	return p->file ? load_file(p->file, p, conf_r, m) : load_urls(p, conf_r, m);
}

int conf_load_again(const struct conf *old, struct conf **conf_r, struct conf_msgs *m)
{
	const char *path = old->global.conffile[0] ? old->global.conffile : old->path;
	return old->path[0] ? load_file(path, old->places, conf_r, m)
			    : load_urls(old->places, conf_r, m);
}

int conf_load_text(
	const char *file, const char *text, size_t n, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf *conf = conf_new(file);
	unsigned before = m->errors_n;
	conf_read_text(conf, file, text, n, m);
	return finish_loaded(conf, before, conf_r, m);
}

bool conf_is_console(const char *dbname)
{
	return strcmp(dbname, "weirpool") == 0 || strcmp(dbname, "pgbouncer") == 0;
}

static const struct conf_kind kinds[CONF_KINDS_N] = {
	{ "postgresql", "databases" },
	{ "mysql", "mysql_databases" },
};

const struct conf_kind *conf_kind_of(enum conf_section section)
{
	for (unsigned i = 0; i < CONF_KINDS_N; i++)
		if (strcmp(kinds[i].section, conf_section_name(section)) == 0)
			return &kinds[i];
	return NULL;
}

const struct conf_kind *conf_kind_at(unsigned i)
{
	return i < CONF_KINDS_N ? &kinds[i] : NULL;
}

bool conf_kind_is_other(const struct conf_kind *k)
{
	return k != &kinds[0];
}

/* By name and kind, as they are sorted. */
struct db_key {
	const char *name, *kind;
};

static int db_by_name(const void *key, const void *elem)
{
	const struct db_key *k = key;
	const struct conf_db *d = elem;
	int c = strcmp(k->name, d->name);
	return c ? c : strcmp(k->kind, d->kind->name);
}

static const struct conf_db *db_get(const struct conf *conf, const char *kind, const char *name)
{
	struct db_key k = { name, kind };
	if (conf->dbs_n == 0)
		return NULL;
	return bsearch(&k, conf->dbs, conf->dbs_n, sizeof(*conf->dbs), db_by_name);
}

static int user_by_name(const void *key, const void *elem)
{
	return strcmp(key, ((const struct conf_user *)elem)->name);
}

const struct conf_db *conf_db_find(const struct conf *conf, const char *name)
{
	if (conf_is_console(name))
		return NULL;
	for (unsigned i = 0; i < CONF_KINDS_N; i++) {
		const struct conf_db *db = db_get(conf, kinds[i].name, name);
		if (db)
			return db;
	}
	return db_get(conf, kinds[0].name, "*");
}

const struct conf_db *conf_db_find_in(const struct conf *conf, const char *kind, const char *name)
{
	if (conf_is_console(name))
		return NULL;
	const struct conf_db *db = db_get(conf, kind, name);
	return db ? db : db_get(conf, kind, "*");
}

const struct conf_db *conf_db_only(const struct conf *conf, const char *kind)
{
	const struct conf_db *db = db_get(conf, kind, "*"), *only = NULL;
	for (unsigned i = 0; !db && i < conf->dbs_n; i++) {
		if (strcmp(conf->dbs[i].kind->name, kind) != 0)
			continue;
		if (only)
			return NULL;
		only = &conf->dbs[i];
	}
	return db ? db : only;
}

static bool has_entries(const struct conf *conf, const struct conf_kind *k)
{
	for (unsigned i = 0; i < conf->dbs_n; i++)
		if (conf->dbs[i].kind == k)
			return true;
	return false;
}

/* The port of a kind, and those for one role each, which have no unix socket. */
static unsigned add_listens(struct conf_listen *out, struct conf_listen at, int rw, int ro)
{
	unsigned n = 0;
	out[n++] = at;
	at.unix_path = "";
	if (rw) {
		at.port = rw;
		at.endpoint = CONF_ENDPOINT_RW;
		out[n++] = at;
	}
	if (ro) {
		at.port = ro;
		at.endpoint = CONF_ENDPOINT_RO;
		out[n++] = at;
	}
	return n;
}

unsigned conf_listens(const struct conf *conf, struct conf_listen out[CONF_LISTENS_MAX])
{
	const struct conf_global *g = &conf->global;
	unsigned n = add_listens(out,
		(struct conf_listen){ &kinds[0], g->listen_addr, g->listen_port, g->unix_socket_dir,
			g->listen_port, CONF_ENDPOINT_AUTO },
		g->listen_port_rw, g->listen_port_ro);
	if (has_entries(conf, &kinds[1])) {
		const char *addr = g->mysql_listen_addr;
		addr = !*addr ? g->listen_addr : strcmp(addr, "none") == 0 ? "" : addr;
		n += add_listens(out + n,
			(struct conf_listen){ &kinds[1], addr, g->mysql_listen_port,
				g->mysql_unix_socket, 0, CONF_ENDPOINT_AUTO },
			g->mysql_listen_port_rw, g->mysql_listen_port_ro);
	}
	return n;
}

bool conf_listens_nowhere(const struct conf *conf, const char *option)
{
	static const char *const OF_MYSQL[] = { "mysql_listen_addr", "mysql_listen_port",
		"mysql_listen_port_rw", "mysql_listen_port_ro", "mysql_unix_socket" };
	for (size_t i = 0; i < sizeof(OF_MYSQL) / sizeof(OF_MYSQL[0]); i++)
		if (strcmp(option, OF_MYSQL[i]) == 0)
			return !has_entries(conf, &kinds[1]);
	return false;
}

const struct conf_user *conf_user_find(const struct conf *conf, const char *name)
{
	if (conf->users_n == 0)
		return NULL;
	return bsearch(name, conf->users, conf->users_n, sizeof(*conf->users), user_by_name);
}

const struct conf_peer *conf_peer_find(const struct conf *conf, int id)
{
	for (unsigned i = 0; i < conf->peers_n; i++)
		if (conf->peers[i].id == id)
			return &conf->peers[i];
	return NULL;
}

const struct conf_cluster *conf_cluster_find(const struct conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->clusters_n; i++)
		if (strcmp(conf->clusters[i].name, name) == 0)
			return &conf->clusters[i];
	return NULL;
}

/* The global value of some options is in the language of [databases]. */
static void other_defaults(struct settings *out)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (o->dflt_mysql && o->in == OPT_IN_SETTINGS)
			opt_store(o, out, &(struct opt_value){ .s = o->dflt_mysql });
	}
}

void conf_effective(const struct conf *conf, const struct conf_db *db, const struct conf_user *user,
	struct settings *out)
{
	*out = conf->settings;
	if (db && conf_kind_is_other(db->kind))
		other_defaults(out);
	for (unsigned i = 0; db && i < db->over_n; i++)
		opt_store(db->over[i].opt, out, &db->over[i].value);
	for (unsigned i = 0; user && i < user->over_n; i++)
		opt_store(user->over[i].opt, out, &user->over[i].value);
}

void conf_effective_names(
	const struct conf *conf, const char *db, const char *user, struct settings *out)
{
	conf_effective(conf, conf_db_find(conf, db), conf_user_find(conf, user), out);
}

unsigned conf_workers(const struct conf *conf)
{
	cpu_set_t set;
	unsigned n = (unsigned)conf->global.workers;
	if (n == 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

const void *conf_global_base(const struct conf *conf, const struct opt *o)
{
	return o->in == OPT_IN_SETTINGS ? (const void *)&conf->settings
					: (const void *)&conf->global;
}

const char *conf_global_text(const struct conf *conf, const struct opt *o)
{
	const struct conf_item *it = conf->set[o - opt_table];
	return it ? it->value : opt_default(o, conf->is_pgbouncer);
}
