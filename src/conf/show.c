/* show - a snapshot as rows of SHOW CONFIG, and as a file. Secrets appear as "****". Any thread. */
#include "conf_int.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool conf_show_next(const struct conf *conf, unsigned *i, struct conf_show *r)
{
	while (*i < opt_table_n && !(opt_table[*i].scopes & OPT_GLOBAL))
		(*i)++;
	if (*i == opt_table_n)
		return false;
	const struct opt *o = &opt_table[(*i)++];
	const struct conf_item *it = conf->set[o - opt_table];
	r->key = o->name;
	r->dflt = opt_default(o, conf->is_pgbouncer);
	r->value = o->in == OPT_IN_NOWHERE
			   ? conf_global_text(conf, o)
			   : opt_show(o, conf_global_base(conf, o), r->tmp, sizeof(r->tmp));
	if (it == NULL && r->dflt == NULL && o->type >= OPT_STRING)
		r->value = NULL;
	r->changeable = o->apply != OPT_RESTART;
	r->src = it ? it->src : (struct conf_src){ 0 };
	return true;
}

const char *conf_src_text(const struct conf_src *src, char *out, size_t n)
{
	if (!src->file)
		return "default";
	if (!src->line)
		return src->file;
	snprintf(out, n, "%s:%u", src->file, src->line);
	return out;
}

static void put_name(struct buf *out, const char *name)
{
	bool plain = *name != '\0';
	for (const char *p = name; *p; p++)
		plain = plain && (isalnum((unsigned char)*p) || strchr("_.-*", *p));
	if (plain) {
		buf_puts(out, name);
		return;
	}
	buf_puts(out, "\"");
	for (const char *p = name; *p; p++)
		buf_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
	buf_puts(out, "\"");
}

/* Each ${ as $${: what it stood for was put in when it was read. */
static void put_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (s[0] == '$' && s[1] == '{')
			buf_puts(out, "$");
		buf_append(out, s, 1);
	}
}

/* " key=value", quoted when it must be. */
static void put_pair(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, " %s=", key);
	if (*value && strcspn(value, " \t\v\f\r\n'") == strlen(value)) {
		put_text(out, value);
		return;
	}
	buf_puts(out, "'");
	for (const char *p = value; *p; p++) {
		if (p[0] == '$' && p[1] == '{')
			buf_puts(out, "$");
		buf_append(out, *p == '\'' ? "''" : p, *p == '\'' ? 2 : 1);
	}
	buf_puts(out, "'");
}

static void put_src(struct buf *out, const struct conf_src *src)
{
	char tmp[300];
	if (src->file)
		buf_printf(out, "; %s\n", conf_src_text(src, tmp, sizeof(tmp)));
}

/* Fields of the struct at base that differ from their defaults. */
static void put_local(struct buf *out, enum opt_in in, const void *base, bool other)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char tmp[40];
		if (o->in != in)
			continue;
		const char *value = opt_show(o, base, tmp, sizeof(tmp));
		const char *dflt = other && o->dflt_mysql ? o->dflt_mysql : o->dflt;
		if (strcmp(value, dflt ? dflt : "") != 0)
			put_pair(out, o->name, value);
	}
}

static void put_over(struct buf *out, unsigned scope, const struct conf_over *over, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_pair(out, opt_name(over[i].opt, scope),
			over[i].opt->type == OPT_SECRET ? "****" : over[i].text);
}

static void dump_global(const struct conf *conf, struct buf *out)
{
	buf_printf(out, "[%s]\n", conf->is_pgbouncer ? "pgbouncer" : "weirpool");
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (!(o->scopes & OPT_GLOBAL))
			continue;
		const struct conf_item *it = conf->set[i];
		const char *text = conf_global_text(conf, o);
		if (it)
			put_src(out, &it->src);
		if (o->type == OPT_SECRET && text && *text)
			text = "****";
		if (text) {
			buf_printf(out, "%s = ", o->name);
			put_text(out, text);
			buf_puts(out, "\n");
		}
	}
}

static void dump_dbs(const struct conf *conf, enum conf_section section, struct buf *out)
{
	const struct conf_kind *k = conf_kind_of(section);
	buf_printf(out, "\n[%s]\n", k->section);
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *db = &conf->dbs[i];
		if (db->kind != k)
			continue;
		put_src(out, &db->src);
		put_name(out, db->name);
		buf_puts(out, " =");
		put_local(out, OPT_IN_DB, db, conf_kind_is_other(k));
		put_over(out, OPT_DB, db->over, db->over_n);
		buf_puts(out, "\n");
	}
}

void conf_dump(const struct conf *conf, struct buf *out)
{
	dump_global(conf, out);
	dump_dbs(conf, CONF_SEC_DATABASES, out);
	dump_dbs(conf, CONF_SEC_MYSQL_DATABASES, out);
	buf_puts(out, "\n[users]\n");
	for (unsigned i = 0; i < conf->users_n; i++) {
		put_src(out, &conf->users[i].src);
		put_name(out, conf->users[i].name);
		buf_puts(out, " =");
		put_over(out, OPT_USER, conf->users[i].over, conf->users[i].over_n);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[clusters]\n");
	for (unsigned i = 0; i < conf->clusters_n; i++) {
		const struct conf_cluster *c = &conf->clusters[i];
		put_src(out, &c->src);
		put_name(out, c->name);
		buf_puts(out, " =");
		put_local(out, OPT_IN_CLUSTER, c, false);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[rules]\n");
	for (unsigned i = 0; i < conf->rules_n; i++) {
		put_src(out, &conf->rules[i].src);
		put_name(out, conf->rules[i].name);
		buf_puts(out, " = ");
		put_text(out, conf->rules[i].text);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[peers]\n");
	for (unsigned i = 0; i < conf->peers_n; i++) {
		put_src(out, &conf->peers[i].src);
		buf_printf(out, "%d =", conf->peers[i].id);
		put_local(out, OPT_IN_PEER, &conf->peers[i], false);
		buf_puts(out, "\n");
	}
}
