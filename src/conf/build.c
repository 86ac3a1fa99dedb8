/* build - items to the structs of a snapshot, by the table of options. Ignorant of where items
 * come from. Control thread. */
#include "conf_int.h"

#include "base/hmap.h"
#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build {
	struct conf *conf;
	struct conf_msgs *m;
	const struct conf_item *it; /* being built */
	struct hmap names;          /* of databases ("d...") and users ("u...") so far: index + 1 */
};

#define WHY_MAX 300
#define TELL(b, level, ...) \
	conf_msgs_add((b)->m, level, (b)->it->src.file, (b)->it->src.line, __VA_ARGS__)

static void store_default(struct conf *conf, const struct opt *o)
{
	char why[WHY_MAX];
	struct opt_value v = { .i = 0, .s = "" };
	const char *text = opt_default(o, conf->is_pgbouncer);
	if (text && opt_parse(o, text, &v, why, sizeof(why)) != 0)
		abort(); /* a wrong row: test_opt finds it */
	opt_store(
		o, o->in == OPT_IN_SETTINGS ? (void *)&conf->settings : (void *)&conf->global, &v);
}

/* Sets the fields of the local struct at base (a database or peer). */
static void store_local_defaults(
	const struct opt *o, unsigned scope, enum opt_in in, void *base, bool other)
{
	char why[WHY_MAX];
	struct opt_value v = { .i = 0, .s = "" };
	if (o->in != in || !(o->scopes & scope))
		return;
	const char *text = other && o->dflt_mysql ? o->dflt_mysql : o->dflt;
	if (text && opt_parse(o, text, &v, why, sizeof(why)) != 0)
		abort();
	opt_store(o, base, &v);
}

/* Says that key means nothing in scope, and what may have been meant. what: "option", "database
 * option". */
/* Does the text look like the pairs of a database, at the end of a file whose last section is
 * another? */
static bool is_entry(const char *text)
{
	return strncmp(text, "host=", 5) == 0 || strncmp(text, "dbname=", 7) == 0 ||
	       strstr(text, " host=") || strstr(text, " dbname=");
}

static void tell_unknown(struct build *b, const char *key, unsigned scope, const char *what)
{
	static const struct {
		unsigned scope;
		const char *where;
	} scopes[] = { { OPT_GLOBAL, "[weirpool] or [pgbouncer]" },
		{ OPT_DB, "an entry of [databases] or [mysql_databases]" },
		{ OPT_USER, "an entry of [users]" }, { OPT_PEER, "an entry of [peers]" },
		{ OPT_CLUSTER, "an entry of [clusters]" }, { OPT_RULE, "an entry of [rules]" } };
	const char *near = opt_nearest(key, scope);
	for (unsigned i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		if (opt_find(key, scopes[i].scope)) {
			TELL(b, CONF_ERROR, "\"%.60s\" belongs in %s, not here", key,
				scopes[i].where);
			return;
		}
	}
	if (near)
		TELL(b, CONF_ERROR, "unknown %s \"%.60s\", did you mean \"%s\"?", what, key, near);
	else
		TELL(b, CONF_ERROR, "unknown %s \"%.60s\"", what, key);
}

/* Text of o to a value; on a mistake tells it and returns false. */
static bool parse_value(struct build *b, const struct opt *o, const char *name, const char *text,
	struct opt_value *v_r)
{
	char why[WHY_MAX];
	if (opt_parse(o, text, v_r, why, sizeof(why)) == 0)
		return true;
	TELL(b, CONF_ERROR, "%s is \"%.60s\", but %s%s", name, text, why,
		strpbrk(text, ";#") ? " (a comment must be a line of its own)" : "");
	return false;
}

static void build_global(struct build *b)
{
	const struct opt *o = opt_find(b->it->key, OPT_GLOBAL);
	struct opt_value v;
	if (o == NULL) {
		if (is_entry(b->it->value) && !opt_nearest(b->it->key, OPT_GLOBAL))
			TELL(b, CONF_ERROR,
				"unknown option \"%.60s\": it looks like an entry, which belongs "
				"below [databases] or [mysql_databases]",
				b->it->key);
		else
			tell_unknown(b, b->it->key, OPT_GLOBAL, "option");
		return;
	}
	if (!parse_value(b, o, b->it->key, b->it->value, &v))
		return;
	opt_store(o,
		o->in == OPT_IN_SETTINGS ? (void *)&b->conf->settings : (void *)&b->conf->global,
		&v);
	b->conf->set[o - opt_table] = b->it;
}

static bool name_ok(struct build *b, const char *what)
{
	size_t n = strlen(b->it->key);
	if (n > 0 && n <= CONF_NAME_MAX)
		return true;
	TELL(b, CONF_ERROR, "the name of a %s must have 1 to %d bytes, but has %zu", what,
		CONF_NAME_MAX, n);
	return false;
}

static void set_over(struct conf_over **list, unsigned *n, const struct conf_over *over)
{
	for (unsigned i = 0; i < *n; i++) {
		if ((*list)[i].opt == over->opt) {
			(*list)[i] = *over;
			return;
		}
	}
	*list = mem_xrealloc(MEM_CONF, *list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = *over;
}

/* Where the pairs of one entry go. */
struct entry {
	unsigned scope;
	const char *what;
	void *base;              /* of in == local */
	struct conf_over **over; /* NULL: only local */
	unsigned *over_n;
};

static void build_pair(struct build *b, const struct entry *e, const char *key, const char *text)
{
	const struct opt *o = opt_find(key, e->scope);
	struct opt_value v;
	if (o == NULL) {
		tell_unknown(b, key, e->scope, e->what);
	} else if (parse_value(b, o, key, text, &v)) {
		if (o->in == OPT_IN_SETTINGS)
			set_over(e->over, e->over_n, &(struct conf_over){ o, v, text, b->it->src });
		else
			opt_store(o, e->base, &v);
	}
}

static void build_pairs(struct build *b, const struct entry *e)
{
	const char *at = b->it->value, *key, *text;
	char why[WHY_MAX];
	int got;
	while ((got = conf_pairs_next(b->conf, &at, &key, &text, why, sizeof(why))) > 0)
		build_pair(b, e, key, text);
	if (got == 0)
		return;
	if (opt_find(b->it->key, OPT_GLOBAL) && !strchr(b->it->value, '='))
		TELL(b, CONF_ERROR,
			"\"%.60s\" is an option of [weirpool] or [pgbouncer], but this is "
			"section [%s]",
			b->it->key, conf_section_name(b->it->section));
	else if (e->scope == OPT_DB) /* not why: it quotes the line, which may hold a password */
		TELL(b, CONF_ERROR,
			"the value of database \"%.60s\" must be name=value pairs; a value with "
			"spaces or "
			"quotes is written 'like ''this'''",
			b->it->key);
	else
		TELL(b, CONF_ERROR, "the value of \"%.60s\" %s", b->it->key, why);
}

/* The index of the entry that this one replaces; -1 if its name is new, it will then have index
 * next. */
static long replaced(struct build *b, unsigned next)
{
	bool user = b->it->section == CONF_SEC_USERS;
	char key[CONF_NAME_MAX + 2];
	/* a * stands for the rest of one kind, other names are of all kinds */
	bool other = !user && b->it->section != CONF_SEC_DATABASES && !strcmp(b->it->key, "*");
	size_t n = (size_t)snprintf(key, sizeof(key), "%c%s",
		user    ? 'u'
		: other ? 'o'
			: 'd',
		b->it->key);
	void *had = hmap_get(&b->names, key, n);
	if (had == NULL) {
		if (!hmap_put(&b->names, key, n, (void *)((uintptr_t)next + 1), NULL))
			abort(); /* configuration dies on out-of-memory, as mem_x...() does */
		return -1;
	}
	long i = (long)((uintptr_t)had - 1);
	const struct conf_src *src = user ? &b->conf->users[i].src : &b->conf->dbs[i].src;
	if (!user && b->conf->dbs[i].kind != conf_kind_of(b->it->section))
		TELL(b, CONF_ERROR,
			"database \"%s\" is in section [%s] too, at %s:%u: names must differ over "
			"these sections (dbname= says what it is called at the server)",
			b->it->key, b->conf->dbs[i].kind->section, src->file ? src->file : "?",
			src->line);
	TELL(b, CONF_WARNING, "%s \"%s\" was given before, at %s:%u; this line counts",
		user ? "user" : "database", b->it->key, src->file ? src->file : "?", src->line);
	return i;
}

/* Room for one more element of size bytes behind n. */
static void *grow(void *list, unsigned n, size_t size)
{
	if ((n & (n - 1)) == 0) /* full at powers of two */
		list = mem_xrealloc(MEM_CONF, list, (n ? (size_t)n * 2 : 1) * size);
	return list;
}

static struct conf_db *db_slot(struct build *b)
{
	struct conf *c = b->conf;
	long i = replaced(b, c->dbs_n);
	if (i < 0) {
		c->dbs = grow(c->dbs, c->dbs_n, sizeof(*c->dbs));
		i = c->dbs_n++;
	} else { /* the last one wins, whole */
		mem_free(MEM_CONF, c->dbs[i].hosts);
		mem_free(MEM_CONF, c->dbs[i].over);
	}
	memset(&c->dbs[i], 0, sizeof(*c->dbs));
	return &c->dbs[i];
}

static void build_db(struct build *b)
{
	char why[WHY_MAX];
	if (!name_ok(b, "database"))
		return;
	if (conf_is_console(b->it->key)) {
		TELL(b, CONF_ERROR,
			"the name \"%s\" is the admin console's; give the database another name "
			"and set dbname=%s",
			b->it->key, b->it->key);
		return;
	}
	struct conf_db *db = db_slot(b);
	db->name = b->it->key;
	db->kind = conf_kind_of(b->it->section);
	db->is_auto = strcmp(db->name, "*") == 0;
	db->src = b->it->src;
	for (unsigned i = 0; i < opt_table_n; i++)
		store_local_defaults(
			&opt_table[i], OPT_DB, OPT_IN_DB, db, conf_kind_is_other(db->kind));
	build_pairs(b, &(struct entry){ OPT_DB, "database option", db, &db->over, &db->over_n });
	if (!*db->cluster_name && /* its nodes: join_clusters() */
		conf_hosts_parse(b->conf, db->host_text, db->port_text, &db->hosts, &db->hosts_n,
			why, sizeof(why)) != 0)
		TELL(b, CONF_ERROR, "database \"%.60s\": %s", db->name, why);
	for (unsigned i = 0; i < db->hosts_n && conf_kind_is_other(db->kind); i++)
		if (db->hosts[i].kind != CONF_HOST_TCP)
			db->hosts[i].port = 0; /* the path is the socket's own */
	if (db->password[0] && !db->force_user[0])
		TELL(b, CONF_WARNING,
			"database \"%.60s\" has password= but no user=, so the password is not "
			"used",
			db->name);
}

static void build_user(struct build *b)
{
	struct conf *c = b->conf;
	if (!name_ok(b, "user"))
		return;
	long i = replaced(b, c->users_n);
	if (i < 0) {
		c->users = grow(c->users, c->users_n, sizeof(*c->users));
		i = c->users_n++;
	} else {
		mem_free(MEM_CONF, c->users[i].over);
	}
	struct conf_user *u = &c->users[i];
	*u = (struct conf_user){ .name = b->it->key, .src = b->it->src };
	build_pairs(b, &(struct entry){ OPT_USER, "user option", NULL, &u->over, &u->over_n });
}

static void build_peer(struct build *b)
{
	struct conf *c = b->conf;
	struct conf_peer *p = NULL;
	struct conf_host *hosts;
	unsigned hosts_n;
	int64_t id;
	char why[WHY_MAX], port[16];
	if (num_i64(b->it->key, 1, 16383, &id) != 0) {
		TELL(b, CONF_ERROR, "a peer is a number from 1 to 16383, but this is \"%.60s\"",
			b->it->key);
		return;
	}
	for (unsigned i = 0; i < c->peers_n; i++)
		if (c->peers[i].id == (int)id)
			p = &c->peers[i];
	if (p == NULL) {
		c->peers = grow(c->peers, c->peers_n, sizeof(*c->peers));
		p = &c->peers[c->peers_n++];
	}
	*p = (struct conf_peer){ .id = (int)id, .src = b->it->src };
	for (unsigned i = 0; i < opt_table_n; i++)
		store_local_defaults(&opt_table[i], OPT_PEER, OPT_IN_PEER, p, false);
	build_pairs(b, &(struct entry){ OPT_PEER, "peer option", p, NULL, NULL });
	snprintf(port, sizeof(port), "%d", p->port);
	if (conf_hosts_parse(c, p->host_text, port, &hosts, &hosts_n, why, sizeof(why)) != 0) {
		TELL(b, CONF_ERROR, "peer %d: %s", p->id, why);
		return;
	}
	p->host = hosts[0];
	if (hosts_n > 1)
		TELL(b, CONF_ERROR, "peer %d must have one host", p->id);
	mem_free(MEM_CONF, hosts);
}

/* "1,2,1" to numbers. */
static void parse_weights(struct build *b, struct conf_cluster *c)
{
	const char *at = c->weight_text;
	char item[16];
	unsigned n = 0;
	for (unsigned i = 0; i < c->nodes_n; i++)
		c->weight[i] = 1;
	while (conf_list_next(&at, item, sizeof(item))) {
		int64_t v;
		if (num_i64(item, 0, 1000, &v) != 0 || n >= c->nodes_n) {
			n = c->nodes_n + 1;
			break;
		}
		c->weight[n++] = (unsigned)v;
	}
	if (*c->weight_text && n != c->nodes_n)
		TELL(b, CONF_ERROR,
			"cluster \"%.60s\": weight must be a number from 0 to 1000 for each of its "
			"%u hosts",
			c->name, c->nodes_n);
}

static void check_zones(struct build *b, const struct conf_cluster *c)
{
	const char *at = c->zone_text;
	char item[64];
	unsigned n = 0;
	while (conf_list_next(&at, item, sizeof(item)))
		n++;
	if (*c->zone_text && n != c->nodes_n)
		TELL(b, CONF_ERROR,
			"cluster \"%.60s\": zones must have one name for each of its %u "
			"hosts",
			c->name, c->nodes_n);
}

static void check_command(struct build *b, const struct conf_cluster *c)
{
	char *words[CONF_COMMAND_WORDS_MAX];
	char *text = mem_xstrdup(MEM_CONF, c->switchover_command);
	int n = conf_words(text, words, CONF_COMMAND_WORDS_MAX);
	if (n < 0)
		TELL(b, CONF_ERROR,
			"cluster \"%.60s\": switchover_command has a quote that is not "
			"closed, or more than %d words",
			c->name, CONF_COMMAND_WORDS_MAX);
	else if (n > 0 && words[0][0] != '/')
		TELL(b, CONF_ERROR,
			"cluster \"%.60s\": switchover_command must begin with the whole path of a "
			"program",
			c->name);
	mem_free(MEM_CONF, text);
}

static struct conf_cluster *cluster_slot(struct build *b)
{
	struct conf *c = b->conf;
	for (unsigned i = 0; i < c->clusters_n; i++) {
		if (strcmp(c->clusters[i].name, b->it->key) != 0)
			continue;
		TELL(b, CONF_WARNING, "cluster \"%s\" was given before, at %s:%u; this line counts",
			b->it->key, c->clusters[i].src.file ? c->clusters[i].src.file : "?",
			c->clusters[i].src.line);
		mem_free(MEM_CONF, c->clusters[i].nodes);
		return &c->clusters[i];
	}
	c->clusters = grow(c->clusters, c->clusters_n, sizeof(*c->clusters));
	return &c->clusters[c->clusters_n++];
}

static void build_cluster(struct build *b)
{
	char why[WHY_MAX];
	if (!name_ok(b, "cluster"))
		return;
	struct conf_cluster *c = cluster_slot(b);
	*c = (struct conf_cluster){ .name = b->it->key, .src = b->it->src };
	for (unsigned i = 0; i < opt_table_n; i++)
		store_local_defaults(&opt_table[i], OPT_CLUSTER, OPT_IN_CLUSTER, c, false);
	build_pairs(b, &(struct entry){ OPT_CLUSTER, "cluster option", c, NULL, NULL });
	c->kind = conf_kind_at((unsigned)c->protocol);
	const char *ports = c->port_text[0]               ? c->port_text
			    : conf_kind_is_other(c->kind) ? "3306"
							  : "5432";
	if (c->host_text[0] == '\0')
		TELL(b, CONF_ERROR, "cluster \"%.60s\" needs host= with the names of its servers",
			c->name);
	else if (conf_hosts_parse(b->conf, c->host_text, ports, &c->nodes, &c->nodes_n, why,
			 sizeof(why)) != 0)
		TELL(b, CONF_ERROR, "cluster \"%.60s\": %s", c->name, why);
	if (c->probe_user[0] == '\0')
		TELL(b, CONF_ERROR,
			"cluster \"%.60s\" needs probe_user=, an account to ask its servers "
			"for their roles",
			c->name);
	if (c->nodes_n > CONF_NODES_MAX)
		TELL(b, CONF_ERROR, "cluster \"%.60s\" has %u servers, but there can be at most %d",
			c->name, c->nodes_n, CONF_NODES_MAX);
	for (unsigned i = 0; i < c->nodes_n; i++) {
		if (c->nodes[i].kind != CONF_HOST_TCP && conf_kind_is_other(c->kind))
			c->nodes[i].port = 0; /* the path is the socket's own */
		for (unsigned j = 0; j < i; j++)
			if (c->nodes[i].port == c->nodes[j].port &&
				strcmp(c->nodes[i].host, c->nodes[j].host) == 0)
				TELL(b, CONF_ERROR, "cluster \"%.60s\" names %s:%u twice", c->name,
					c->nodes[i].host, c->nodes[i].port);
	}
	check_command(b, c);
	if (c->nodes_n && c->nodes_n <= CONF_NODES_MAX) {
		parse_weights(b, c);
		check_zones(b, c);
	}
}

static void build_rule(struct build *b)
{
	struct conf *c = b->conf;
	unsigned before = b->m->errors_n;
	if (!name_ok(b, "rule"))
		return;
	for (unsigned i = 0; i < c->rules_n; i++) {
		const struct conf_rule *was = &c->rules[i];
		if (strcmp(was->name, b->it->key) != 0)
			continue;
		TELL(b, CONF_ERROR,
			"rule \"%s\" was given before, at %s:%u; their order counts, so each needs "
			"a name of its own",
			was->name, was->src.file ? was->src.file : "?", was->src.line);
		return;
	}
	c->rules = grow(c->rules, c->rules_n, sizeof(*c->rules));
	struct conf_rule *r = &c->rules[c->rules_n++];
	*r = (struct conf_rule){ .name = b->it->key, .text = b->it->value, .src = b->it->src };
	for (unsigned i = 0; i < opt_table_n; i++)
		store_local_defaults(&opt_table[i], OPT_RULE, OPT_IN_RULE, r, false);
	r->max_staleness_us = r->query_timeout_us = -1;
	build_pairs(b, &(struct entry){ OPT_RULE, "rule option", r, NULL, NULL });
	if (b->m->errors_n == before)
		conf_rule_finish(r, b->m);
}

/* Entries to the clusters that they name. */
static void join_clusters(struct build *b)
{
	struct conf *c = b->conf;
	for (unsigned i = 0; i < c->dbs_n; i++) {
		struct conf_db *d = &c->dbs[i];
		struct conf_item at = { .src = d->src };
		b->it = &at;
		if (!*d->cluster_name)
			continue;
		d->cluster = conf_cluster_find(c, d->cluster_name);
		if (!d->cluster)
			TELL(b, CONF_ERROR,
				"database \"%.60s\": there is no cluster \"%.60s\" in section "
				"[clusters]",
				d->name, d->cluster_name);
		else if (d->cluster->kind != d->kind)
			TELL(b, CONF_ERROR,
				"database \"%.60s\" is in section [%s], but the protocol of its "
				"cluster \"%.60s\" is %s",
				d->name, d->kind->section, d->cluster_name,
				d->cluster->kind ? d->cluster->kind->name : "another");
		if (d->cluster && d->cluster->nodes_n) {
			size_t n = d->cluster->nodes_n * sizeof(*d->hosts);
			mem_free(MEM_CONF, d->hosts);
			d->hosts = mem_xalloc(MEM_CONF, n);
			memcpy(d->hosts, d->cluster->nodes, n);
			d->hosts_n = d->cluster->nodes_n;
		}
	}
}

static void build_item(struct build *b)
{
	switch (b->it->section) {
	case CONF_SEC_NONE:
	case CONF_SEC_WEIRPOOL: /* done before the others: hosts depend on unix_socket_dir */
	case CONF_SEC_PGBOUNCER:
	case CONF_SEC_OUTSIDE: break;
	case CONF_SEC_DATABASES:
	case CONF_SEC_MYSQL_DATABASES: build_db(b); break;
	case CONF_SEC_USERS: build_user(b); break;
	case CONF_SEC_PEERS: build_peer(b); break;
	case CONF_SEC_CLUSTERS: build_cluster(b); break;
	case CONF_SEC_RULES: build_rule(b); break;
	}
}

/* Which defaults? A file cannot ask for both. */
static void choose_defaults(struct build *b)
{
	const struct conf_item *ours = NULL, *theirs = NULL;
	for (unsigned i = 0; i < b->conf->items_n; i++) {
		const struct conf_item *it = &b->conf->items[i];
		if (it->section == CONF_SEC_WEIRPOOL && !ours)
			ours = it;
		if (it->section == CONF_SEC_PGBOUNCER && !theirs)
			theirs = it;
	}
	b->conf->is_pgbouncer = theirs != NULL;
	if (ours && theirs) {
		b->it = theirs > ours ? theirs : ours;
		const struct conf_item *first = theirs > ours ? ours : theirs;
		TELL(b, CONF_ERROR,
			"both [weirpool] and [pgbouncer] are in this configuration, with different "
			"defaults; [%s] began at %s:%u: keep one of them",
			conf_section_name(first->section), first->src.file ? first->src.file : "?",
			first->src.line);
	}
}

int conf_db_cmp(const void *a, const void *b)
{
	const struct conf_db *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c ? c : strcmp(x->kind->name, y->kind->name);
}

static int cmp_user(const void *a, const void *b)
{
	return strcmp(((const struct conf_user *)a)->name, ((const struct conf_user *)b)->name);
}

static int cmp_peer(const void *a, const void *b)
{
	return ((const struct conf_peer *)a)->id - ((const struct conf_peer *)b)->id;
}

static int cmp_cluster(const void *a, const void *b)
{
	return strcmp(
		((const struct conf_cluster *)a)->name, ((const struct conf_cluster *)b)->name);
}

static void sort_all(struct conf *c)
{
	if (c->dbs_n > 1)
		qsort(c->dbs, c->dbs_n, sizeof(*c->dbs), conf_db_cmp);
	if (c->users_n > 1)
		qsort(c->users, c->users_n, sizeof(*c->users), cmp_user);
	if (c->peers_n > 1)
		qsort(c->peers, c->peers_n, sizeof(*c->peers), cmp_peer);
	if (c->clusters_n > 1)
		qsort(c->clusters, c->clusters_n, sizeof(*c->clusters), cmp_cluster);
}

int conf_build(struct conf *conf, struct conf_msgs *m)
{
	struct build b = { .conf = conf, .m = m };
	unsigned before = m->errors_n;
	hmap_init(&b.names);
	conf->set = mem_xalloc(MEM_CONF, opt_table_n * sizeof(*conf->set));
	choose_defaults(&b);
	for (unsigned i = 0; i < opt_table_n; i++)
		if (opt_table[i].scopes & OPT_GLOBAL)
			store_default(conf, &opt_table[i]);
	for (unsigned i = 0; i < conf->items_n; i++) {
		b.it = &conf->items[i];
		if (b.it->key && (b.it->section == CONF_SEC_WEIRPOOL ||
					 b.it->section == CONF_SEC_PGBOUNCER ||
					 b.it->section == CONF_SEC_OUTSIDE))
			build_global(&b);
	}
	for (unsigned i = 0; i < conf->items_n; i++) {
		b.it = &conf->items[i];
		if (b.it->key)
			build_item(&b);
	}
	hmap_fini(&b.names, NULL);
	sort_all(conf);
	join_clusters(&b);
	conf_check(conf, m);
	conf->inputs_mark = conf_inputs_mark(conf); /* before anybody reads them */
	return m->errors_n == before ? 0 : -1;
}
