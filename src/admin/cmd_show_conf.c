/* cmd_show_conf - SHOW of what is configured and of the process: DATABASES, USERS, PEERS,
 * CONFIG, HELP, VERSION, STATE, MEM. Control thread. */
#include "admin_int.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int as_int(uint64_t v)
{
	return v > INT_MAX ? INT_MAX : (int)v;
}

/* ---- DATABASES ---- */

/* The option's text where it was given for this database or user; NULL = inherited. */
static const char *own_text(const struct conf_over *over, unsigned n, const char *option)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(over[i].opt->name, option))
			return over[i].text;
	return NULL;
}

static void db_limits(struct rowset *rs, char **row, const struct settings *set)
{
	rowset_setf(rs, row, 5, "%d", set->pool_size);
	rowset_setf(rs, row, 6, "%d", set->min_pool_size);
	rowset_setf(rs, row, 7, "%d", set->reserve_pool_size);
	rowset_setf(rs, row, 8, "%d", as_int((uint64_t)set->server_lifetime_us / 1000000));
	rowset_setf(rs, row, 11, "%d", set->max_db_connections);
	rowset_setf(rs, row, 13, "%d", set->max_db_client_connections);
}

static void db_row(struct core_console *r, const struct proto_ops *ops, const char *name)
{
	struct rowset *rs = &r->result;
	const struct conf *conf = admin_conf(r);
	const struct conf_db *db = conf_db_find_in(conf, ops->name, name);
	const struct dbase *d = core_dbase_find(r->core, ops, name);
	struct settings set;
	if (!db || (db->is_auto && !d))
		return;
	char **row = rowset_row(rs);
	conf_effective(conf, db, NULL, &set);
	rowset_set(rs, row, 0, name);
	rowset_set(rs, row, 1, *db->host_text ? db->host_text : NULL);
	rowset_setf(rs, row, 2, "%u", db->hosts_n ? db->hosts[0].port : ops->port);
	rowset_set(rs, row, 3, *db->dbname ? db->dbname : name);
	rowset_set(rs, row, 4, *db->force_user ? db->force_user : NULL);
	db_limits(rs, row, &set);
	rowset_set(rs, row, 9, own_text(db->over, db->over_n, "pool_mode"));
	rowset_set(rs, row, 10,
		db->hosts_n < 2                                  ? NULL
		: set.load_balance_hosts == CONF_BALANCE_DISABLE ? "disable"
								 : "round-robin");
	rowset_setf(rs, row, 12, "%d", d ? as_int(atomic_load(&d->links)) : 0);
	rowset_setf(rs, row, 14, "%d", d ? as_int(atomic_load(&d->clients)) : 0);
	rowset_set(rs, row, 15, d && atomic_load(&d->paused) ? "1" : "0");
	rowset_set(rs, row, 16, d && atomic_load(&d->disabled) ? "1" : "0");
}

static void console_db_row(struct core_console *r)
{
	struct rowset *rs = &r->result;
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, "pgbouncer");
	rowset_setf(rs, row, 2, "%d", admin_conf(r)->global.listen_port);
	rowset_set(rs, row, 3, "pgbouncer");
	rowset_set(rs, row, 4, "pgbouncer");
	rowset_set(rs, row, 5, "2");
	for (unsigned i = 6; i < 17; i++)
		rowset_set(rs, row, i, i == 10 ? NULL : i == 9 ? "statement" : "0");
}

void show_databases(struct core_console *r, const struct cmd_line *l)
{
	size_t n;
	const char **names = names_list(r->core, NAMES_DATABASES, &n);
	(void)l;
	if (!names) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	admin_cols(&r->result, "ssissiiiissiiiiii",
		"name host port database force_user pool_size min_pool_size reserve_pool_size "
		"server_lifetime pool_mode load_balance_hosts max_connections current_connections "
		"max_client_connections current_client_connections paused disabled");
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], "pgbouncer"))
			console_db_row(r);
		for (unsigned j = 0; j < PROTO_MAX && proto_table[j]; j++)
			db_row(r, proto_table[j], names[i]);
	}
	mem_free(MEM_ADMIN, names);
	admin_done(r, "SHOW");
}

/* ---- USERS ---- */

static void account_counts(struct core *c, const char *name, unsigned *links_r, unsigned *clients_r)
{
	pthread_mutex_lock(&c->lock);
	struct account *a = hmap_get(&c->accounts, name, strlen(name));
	*links_r = a ? atomic_load(&a->links) : 0;
	*clients_r = a ? atomic_load(&a->clients) : 0;
	pthread_mutex_unlock(&c->lock);
}

static void user_row(struct core_console *r, const char *name)
{
	struct rowset *rs = &r->result;
	const struct conf *conf = admin_conf(r);
	const struct conf_user *u = conf_user_find(conf, name);
	struct settings set;
	unsigned links, clients;
	char **row = rowset_row(rs);
	conf_effective(conf, NULL, u, &set);
	account_counts(r->core, name, &links, &clients);
	rowset_set(rs, row, 0, name);
	rowset_set(rs, row, 1, "");
	rowset_set(rs, row, 2, "");
	if (u && own_text(u->over, u->over_n, "default_pool_size"))
		rowset_setf(rs, row, 1, "%9d", set.pool_size);
	if (u && own_text(u->over, u->over_n, "reserve_pool_size"))
		rowset_setf(rs, row, 2, "%9d", set.reserve_pool_size);
	rowset_set(rs, row, 3, u ? own_text(u->over, u->over_n, "pool_mode") : NULL);
	rowset_setf(rs, row, 4, "%d", set.max_user_connections);
	rowset_setf(rs, row, 5, "%d", as_int(links));
	rowset_setf(rs, row, 6, "%d", set.max_user_client_connections);
	rowset_setf(rs, row, 7, "%d", as_int(clients));
}

void show_users(struct core_console *r, const struct cmd_line *l)
{
	size_t n;
	const char **names = names_list(r->core, NAMES_USERS, &n);
	(void)l;
	if (!names) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	admin_cols(&r->result, "ssssiiii",
		"name pool_size reserve_pool_size pool_mode max_user_connections "
		"current_connections max_user_client_connections current_client_connections");
	for (size_t i = 0; i < n; i++)
		user_row(r, names[i]);
	mem_free(MEM_ADMIN, names);
	admin_done(r, "SHOW");
}

/* ---- peers ---- */

void show_peers(struct core_console *r, const struct cmd_line *l)
{
	const struct conf *conf = admin_conf(r);
	struct rowset *rs = &r->result;
	(void)l;
	admin_cols(rs, "isii", "peer_id host port pool_size");
	for (unsigned i = 0; i < conf->peers_n; i++) {
		const struct conf_peer *p = &conf->peers[i];
		char **row = rowset_row(rs);
		rowset_setf(rs, row, 0, "%d", p->id);
		rowset_set(rs, row, 1, p->host_text);
		rowset_setf(rs, row, 2, "%d", p->port);
		rowset_setf(
			rs, row, 3, "%d", p->pool_size ? p->pool_size : conf->settings.pool_size);
	}
	admin_done(r, "SHOW");
}

/* ---- the process ---- */

void show_config(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	struct conf_show s;
	unsigned i = 0;
	(void)l;
	admin_cols(rs, "ssss", "key value default changeable");
	while (conf_show_next(admin_conf(r), &i, &s)) {
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, s.key);
		rowset_set(rs, row, 1, s.value);
		rowset_set(rs, row, 2, s.dflt);
		rowset_set(rs, row, 3, s.changeable ? "yes" : "no");
	}
	admin_done(r, "SHOW");
}

/* Where the value of each option was said, or "default". A SHOW of its own: SHOW CONFIG has
 * the columns that exporters know. */
void show_config_sources(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	struct conf_show s;
	char source[300];
	unsigned i = 0;
	(void)l;
	admin_cols(rs, "sss", "key value source");
	while (conf_show_next(admin_conf(r), &i, &s)) {
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, s.key);
		rowset_set(rs, row, 1, s.value);
		rowset_set(rs, row, 2, conf_src_text(&s.src, source, sizeof source));
	}
	admin_done(r, "SHOW");
}

void show_help(struct core_console *r, const struct cmd_line *l)
{
	struct buf b;
	(void)l;
	buf_init(&b, 0);
	buf_puts(&b, "\n");
	for (unsigned i = 0; i < cmd_table_n; i++)
		if (cmd_table[i].help)
			buf_puts(&b, cmd_table[i].help);
	if (!b.failed)
		r->result.notice_detail = mem_strndup(
			MEM_ADMIN, (const char *)buf_data(&b), buf_len(&b) - 1);
	buf_fini(&b);
	r->result.notice = mem_strdup(MEM_ADMIN, "Console usage");
	admin_done(r, "SHOW");
}

void show_version(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "s", "version");
	rowset_setf(&r->result, rowset_row(&r->result), 0, "weirpool %s", r->core->version);
	admin_done(r, "SHOW");
}

static void put_state(struct rowset *rs, const char *key, bool yes)
{
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, key);
	rowset_set(rs, row, 1, yes ? "yes" : "no");
}

void show_state(struct core_console *r, const struct cmd_line *l)
{
	bool paused = atomic_load(&r->core->paused);
	bool suspended = atomic_load(&r->core->state) == CORE_SUSPENDED;
	(void)l;
	admin_cols(&r->result, "ss", "key value");
	put_state(&r->result, "active", !paused && !suspended);
	put_state(&r->result, "paused", paused && !suspended);
	put_state(&r->result, "suspended", suspended);
	char **row = rowset_row(&r->result);
	rowset_set(&r->result, row, 0, "generation");
	rowset_setf(&r->result, row, 1, "%u", r->core->generation);
	row = rowset_row(&r->result);
	unsigned pid = atomic_load(&r->core->before_pid);
	rowset_set(&r->result, row, 0, "predecessor");
	if (pid)
		rowset_setf(&r->result, row, 1, "pid %u, %u clients", pid,
			atomic_load(&r->core->before_clients));
	else
		rowset_set(&r->result, row, 1, "no");
	for (unsigned i = 0; pid && i < CORE_STAYS_N; i++) {
		unsigned n = atomic_load(&r->core->before_stays[i]);
		if (n == 0)
			continue;
		row = rowset_row(&r->result);
		rowset_set(&r->result, row, 0, core_stays_key((enum core_stays)i));
		rowset_setf(&r->result, row, 1, "%u", n);
	}
	admin_done(r, "SHOW");
}

void show_mem(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	(void)l;
	admin_cols(rs, "siiii", "name size used free memtotal");
	for (int t = 0; t < MEM_N; t++) {
		size_t n = mem_live((enum mem_type)t), bytes = mem_bytes((enum mem_type)t);
		bool spare = t == MEM_CACHE;
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, mem_name((enum mem_type)t));
		rowset_setf(rs, row, 1, "%d", n ? as_int(bytes / n) : 0);
		rowset_setf(rs, row, 2, "%d", spare ? 0 : as_int(n));
		rowset_setf(rs, row, 3, "%d", spare ? as_int(n) : 0);
		rowset_setf(rs, row, 4, "%d", as_int(bytes));
	}
	admin_done(r, "SHOW");
}
