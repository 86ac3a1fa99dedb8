/* change - from one snapshot to the next: SET, RELOAD, and what differs. A snapshot itself never
 * changes. Control thread. */
#include "conf/places.h"
#include "conf_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FROM_SET "SET"

static enum conf_section main_section(const struct conf *conf)
{
	return conf->is_pgbouncer ? CONF_SEC_PGBOUNCER : CONF_SEC_WEIRPOOL;
}

static void override(
	struct conf *conf, bool pgbouncer, const char *key, const char *value, const char *from)
{
	struct conf_src src = { .file = conf_str(conf, from, strlen(from)), .line = 0 };
	conf_item_add(conf, pgbouncer ? CONF_SEC_PGBOUNCER : CONF_SEC_WEIRPOOL,
		conf_str(conf, key, strlen(key)), conf_str(conf, value, strlen(value)), src);
}

int conf_set(const struct conf *conf, const char *key, const char *value, struct conf **conf_r,
	struct err *e)
{
	const struct opt *o = opt_find(key, OPT_GLOBAL);
	if (o == NULL) {
		const char *near = opt_nearest(key, OPT_GLOBAL);
		err_set(e, ERR_CONFIG, "unknown option \"%.60s\"", key);
		if (strncmp(key, "mysql-", 6) == 0 || strncmp(key, "admin-", 6) == 0)
			return err_hint(e, "That is ProxySQL's: SHOW CONFIG lists the options.");
		return near ? err_hint(e, "Did you mean \"%s\"?", near)
			    : err_hint(e, "SHOW CONFIG lists the options.");
	}
	if (o->apply == OPT_RESTART) {
		err_set(e, ERR_CONFIG, "\"%s\" cannot be changed while running", o->name);
		return err_hint(e, "Change it in the configuration file and restart.");
	}
	struct conf_msgs m = { 0 };
	struct conf *next = conf_copy_items(conf);
	override(next, main_section(conf) == CONF_SEC_PGBOUNCER, o->name, value, FROM_SET);
	int rc = conf_finish(&next, &m);
	if (rc == 0) {
		*conf_r = next;
	} else {
		const char *text = "it does not fit the other options";
		for (unsigned i = m.n; i-- > 0;)
			if (m.list[i].level == CONF_ERROR)
				text = m.list[i].text;
		err_set(e, ERR_CONFIG, "%s", text);
	}
	conf_msgs_fini(&m);
	return rc;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static const char *show_global(const struct conf *conf, const struct opt *o, char *tmp, size_t n)
{
	if (o->in == OPT_IN_NOWHERE) {
		const char *text = conf_global_text(conf, o);
		return text ? text : "";
	}
	return opt_show(o, conf_global_base(conf, o), tmp, n);
}

/* Options of next that only a restart could change go back to old's value. True if there were any.
 * */
static bool keep_running_values(
	const struct conf *old, const struct conf *next, struct conf *to, struct conf_msgs *m)
{
	bool any = false;
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char was[40], is[40];
		if (!(o->scopes & OPT_GLOBAL) || o->apply != OPT_RESTART ||
			conf_listens_nowhere(old, o->name))
			continue;
		const char *was_text = show_global(old, o, was, sizeof(was));
		const char *is_text = show_global(next, o, is, sizeof(is));
		if (same_text(was_text, is_text))
			continue;
		const struct conf_item *it = next->set[i];
		conf_msgs_add(m, CONF_WARNING, it ? it->src.file : next->path,
			it ? it->src.line : 0, "%s=%.80s needs a restart; %.80s stays", o->name,
			is_text, was_text[0] ? was_text : "\"\"");
		const char *text = conf_global_text(old, o);
		override(to, next->is_pgbouncer, o->name, text ? text : "", "before RELOAD");
		any = true;
	}
	return any;
}

/* What SET said stays: from a URL there is no file in which it could be made to last, and nobody
 * asked for a RELOAD when files are looked at again. True if there were any. */
static bool keep_sets(const struct conf *old, struct conf *to)
{
	bool any = false;
	for (unsigned i = 0; i < old->items_n; i++) {
		const struct conf_item *it = &old->items[i];
		if (!it->src.file || strcmp(it->src.file, FROM_SET) != 0)
			continue;
		override(to, old->is_pgbouncer, it->key, it->value, FROM_SET);
		any = true;
	}
	return any;
}

/* kept with what shall stay of old. */
static int finish_kept(struct conf *kept, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf_msgs again = { 0 };
	int rc = conf_finish(&kept, &again);
	for (unsigned i = 0; rc != 0 && i < again.n; i++) /* the warnings are in m already */
		if (again.list[i].level == CONF_ERROR)
			conf_msgs_add(m, CONF_ERROR, again.list[i].file, again.list[i].line, "%s",
				again.list[i].text);
	conf_msgs_fini(&again);
	if (rc == 0)
		*conf_r = kept;
	return rc;
}

static int load_and_keep(
	const struct conf *old, bool sets, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf *next;
	if (conf_load_again(old, &next, m) != 0)
		return -1;
	if (next->dbs_n == 0 && old->dbs_n > 0) {
		conf_msgs_add(m, CONF_ERROR, old->path, 0,
			"there is no database in it any more: a file that was emptied is not "
			"taken up while clients are served; restart to serve none");
		conf_free(&next);
		return -1;
	}
	struct conf *kept = conf_copy_items(next);
	bool changed = keep_running_values(old, next, kept, m);
	changed |= sets && keep_sets(old, kept);
	if (!changed) {
		conf_free(&kept);
		*conf_r = next;
		return 0;
	}
	conf_free(&next);
	return finish_kept(kept, conf_r, m);
}

int conf_reload(const struct conf *old, struct conf **conf_r, struct conf_msgs *m)
{
	if (old->path[0] == '\0' && !old->places) { /* nothing to read again */
		*conf_r = conf_copy_items(old);
		return conf_finish(conf_r, m);
	}
	return load_and_keep(old, old->path[0] == '\0', conf_r, m);
}

int conf_refresh(const struct conf *old, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf_stale st = conf_stale(old);
	if (st.values && !st.config)
		return load_and_keep(old, true, conf_r, m);
	if (st.values)
		conf_msgs_add(m, CONF_WARNING, old->path, 0,
			"a file behind ${file:...} has changed, and so has this one: RELOAD takes "
			"both");
	return finish_kept(conf_copy_items(old), conf_r, m);
}

/* Takes over key; was and is are copied, NULL stays NULL. */
static void add_change(
	struct conf_changes *out, char *key, const char *was, const char *is, enum opt_apply apply)
{
	if ((out->n & (out->n - 1)) == 0)
		out->list = mem_xrealloc(
			MEM_CONF, out->list, (out->n ? out->n * 2 : 1) * sizeof(*out->list));
	out->list[out->n++] = (struct conf_change){
		.key = key,
		.was = was ? mem_xstrdup(MEM_CONF, was) : NULL,
		.is = is ? mem_xstrdup(MEM_CONF, is) : NULL,
		.apply = apply,
	};
}

static void diff_global(const struct conf *was, const struct conf *is, struct conf_changes *out)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char a[40], b[40];
		if (!(o->scopes & OPT_GLOBAL))
			continue;
		const char *ta = show_global(was, o, a, sizeof(a)),
			   *tb = show_global(is, o, b, sizeof(b));
		if (!same_text(ta, tb))
			add_change(out, mem_xprintf(MEM_CONF, "%s", o->name), ta, tb, o->apply);
	}
}

static const struct conf_over *find_over(
	const struct conf_over *list, unsigned n, const struct opt *o)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].opt == o)
			return &list[i];
	return NULL;
}

static const char *show_over(
	const struct conf_over *over, struct settings *scratch, char *tmp, size_t n)
{
	if (over == NULL)
		return NULL;
	opt_store(over->opt, scratch, &over->value);
	return opt_show(over->opt, scratch, tmp, n);
}

/* The options of one entry in both snapshots. prefix: "databases.app" */
struct pair_diff {
	const char *prefix;
	unsigned scope;
	const struct conf_over *was, *is;
	unsigned was_n, is_n;
};

static void diff_over(const struct pair_diff *d, struct conf_changes *out)
{
	struct settings scratch;
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char a[40], b[40];
		if (o->in != OPT_IN_SETTINGS || !(o->scopes & d->scope))
			continue;
		const char *ta = show_over(find_over(d->was, d->was_n, o), &scratch, a, sizeof(a));
		const char *tb = show_over(find_over(d->is, d->is_n, o), &scratch, b, sizeof(b));
		if ((ta == NULL) != (tb == NULL) || !same_text(ta, tb))
			add_change(out,
				mem_xprintf(MEM_CONF, "%s.%s", d->prefix, opt_name(o, d->scope)),
				ta, tb, o->apply);
	}
}

/* Fields of the database or peer itself. */
static void diff_local(const char *prefix, enum opt_in in, const void *was, const void *is,
	struct conf_changes *out)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char a[40], b[40];
		if (o->in != in)
			continue;
		const char *ta = opt_show(o, was, a, sizeof(a)),
			   *tb = opt_show(o, is, b, sizeof(b));
		bool differs = !same_text(ta, tb);
		if (o->type == OPT_SECRET) /* what is shown is the same */
			differs = strcmp(*(const char *const *)(const void *)((const char *)was +
									      o->offset),
					  *(const char *const *)(const void *)((const char *)is +
									       o->offset)) != 0;
		if (differs)
			add_change(out, mem_xprintf(MEM_CONF, "%s.%s", prefix, o->name), ta, tb,
				o->apply);
	}
}

static void diff_db(const struct conf_db *a, const struct conf_db *b, struct conf_changes *out)
{
	const struct conf_db *d = a ? a : b;
	char *prefix = mem_xprintf(MEM_CONF, "%s.%s", d->kind->section, d->name);
	if (a && b) {
		diff_local(prefix, OPT_IN_DB, a, b, out);
		diff_over(&(struct pair_diff){ prefix, OPT_DB, a->over, b->over, a->over_n,
				  b->over_n },
			out);
	} else {
		add_change(out, mem_xprintf(MEM_CONF, "%s", prefix), a ? "present" : NULL,
			b ? "present" : NULL, OPT_NOW);
	}
	mem_free(MEM_CONF, prefix);
}

static void diff_user(
	const struct conf_user *a, const struct conf_user *b, struct conf_changes *out)
{
	char *prefix = mem_xprintf(MEM_CONF, "users.%s", a ? a->name : b->name);
	diff_over(&(struct pair_diff){ prefix, OPT_USER, a ? a->over : NULL, b ? b->over : NULL,
			  a ? a->over_n : 0, b ? b->over_n : 0 },
		out);
	mem_free(MEM_CONF, prefix);
}

static void diff_peer(
	const struct conf_peer *a, const struct conf_peer *b, struct conf_changes *out)
{
	char *prefix = mem_xprintf(MEM_CONF, "peers.%d", a ? a->id : b->id);
	if (a && b)
		diff_local(prefix, OPT_IN_PEER, a, b, out);
	else
		add_change(out, mem_xprintf(MEM_CONF, "%s", prefix), a ? "present" : NULL,
			b ? "present" : NULL, OPT_NOW);
	mem_free(MEM_CONF, prefix);
}

static void diff_cluster(
	const struct conf_cluster *a, const struct conf_cluster *b, struct conf_changes *out)
{
	char *prefix = mem_xprintf(MEM_CONF, "clusters.%s", a ? a->name : b->name);
	if (a && b)
		diff_local(prefix, OPT_IN_CLUSTER, a, b, out);
	else
		add_change(out, mem_xprintf(MEM_CONF, "%s", prefix), a ? "present" : NULL,
			b ? "present" : NULL, OPT_NOW);
	mem_free(MEM_CONF, prefix);
}

static const struct conf_rule *rule_of(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->rules_n; i++)
		if (strcmp(c->rules[i].name, name) == 0)
			return &c->rules[i];
	return NULL;
}

/* Their order counts: a rule that changes its place is a change. */
static void diff_rules(const struct conf *was, const struct conf *is, struct conf_changes *out)
{
	for (unsigned i = 0; i < was->rules_n; i++)
		if (!rule_of(is, was->rules[i].name))
			add_change(out, mem_xprintf(MEM_CONF, "rules.%s", was->rules[i].name),
				was->rules[i].text, NULL, OPT_NOW);
	for (unsigned i = 0; i < is->rules_n; i++) {
		const struct conf_rule *r = &is->rules[i], *old = rule_of(was, r->name);
		char *key = mem_xprintf(MEM_CONF, "rules.%s", r->name);
		if (old == NULL || strcmp(old->text, r->text) != 0)
			add_change(out, key, old ? old->text : NULL, r->text, OPT_NOW);
		else if (old - was->rules != r - is->rules)
			add_change(out, key, "elsewhere", "moved", OPT_NOW);
		else
			mem_free(MEM_CONF, key);
	}
}

void conf_diff(const struct conf *was, const struct conf *is, struct conf_changes *out)
{
	unsigned i, j;
	memset(out, 0, sizeof(*out));
	diff_global(was, is, out);
	/* The lists are sorted: walk both. */
	for (i = j = 0; i < was->dbs_n || j < is->dbs_n;) {
		int c = i == was->dbs_n  ? 1
			: j == is->dbs_n ? -1
					 : conf_db_cmp(&was->dbs[i], &is->dbs[j]);
		diff_db(c <= 0 ? &was->dbs[i] : NULL, c >= 0 ? &is->dbs[j] : NULL, out);
		i += c <= 0;
		j += c >= 0;
	}
	for (i = j = 0; i < was->users_n || j < is->users_n;) {
		int c = i == was->users_n  ? 1
			: j == is->users_n ? -1
					   : strcmp(was->users[i].name, is->users[j].name);
		diff_user(c <= 0 ? &was->users[i] : NULL, c >= 0 ? &is->users[j] : NULL, out);
		i += c <= 0;
		j += c >= 0;
	}
	for (i = j = 0; i < was->peers_n || j < is->peers_n;) {
		int c = i == was->peers_n  ? 1
			: j == is->peers_n ? -1
					   : was->peers[i].id - is->peers[j].id;
		diff_peer(c <= 0 ? &was->peers[i] : NULL, c >= 0 ? &is->peers[j] : NULL, out);
		i += c <= 0;
		j += c >= 0;
	}
	for (i = j = 0; i < was->clusters_n || j < is->clusters_n;) {
		int c = i == was->clusters_n  ? 1
			: j == is->clusters_n ? -1
					      : strcmp(was->clusters[i].name, is->clusters[j].name);
		diff_cluster(
			c <= 0 ? &was->clusters[i] : NULL, c >= 0 ? &is->clusters[j] : NULL, out);
		i += c <= 0;
		j += c >= 0;
	}
	diff_rules(was, is, out);
}

void conf_changes_fini(struct conf_changes *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		mem_free(MEM_CONF, c->list[i].key);
		mem_free(MEM_CONF, c->list[i].was);
		mem_free(MEM_CONF, c->list[i].is);
	}
	mem_free(MEM_CONF, c->list);
	memset(c, 0, sizeof(*c));
}
