/* dump - a snapshot as a file that means the same: with all values for the eye, where secrets
 * appear as "****", or for use, as a file of weirpool's. Any thread. */
#include "conf_int.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct dump {
	struct buf *out;
	bool ours; /* to be used: secrets in clear, and only what must be said under [weirpool] */
};

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

static void put_src(struct dump *d, const struct conf_src *src)
{
	char tmp[300];
	if (src->file && !d->ours)
		buf_printf(d->out, "; %s\n", conf_src_text(src, tmp, sizeof(tmp)));
}

/* Fields of the struct at base that differ from their defaults. */
static void put_local(struct dump *d, enum opt_in in, const void *base, bool other)
{
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		char tmp[40];
		if (o->in != in)
			continue;
		const char *value = opt_show(o, base, tmp, sizeof(tmp));
		if (d->ours && o->type == OPT_SECRET)
			value = *(
				const char *const *)(const void *)((const char *)base + o->offset);
		const char *dflt = other && o->dflt_mysql ? o->dflt_mysql : o->dflt;
		if (strcmp(value, dflt ? dflt : "") != 0)
			put_pair(d->out, o->name, value);
	}
}

static void put_over(struct dump *d, unsigned scope, const struct conf_over *over, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_pair(d->out, opt_name(over[i].opt, scope),
			over[i].opt->type == OPT_SECRET && !d->ours ? "****" : over[i].text);
}

static void dump_global(const struct conf *conf, struct dump *d)
{
	struct buf *out = d->out;
	buf_printf(out, "[%s]\n", conf->is_pgbouncer ? "pgbouncer" : "weirpool");
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (!(o->scopes & OPT_GLOBAL))
			continue;
		const struct conf_item *it = conf->set[i];
		const char *text = conf_global_text(conf, o);
		if (it)
			put_src(d, &it->src);
		if (o->type == OPT_SECRET && text && *text)
			text = "****";
		if (text) {
			buf_printf(out, "%s = ", o->name);
			put_text(out, text);
			buf_puts(out, "\n");
		}
	}
}

static void dump_dbs(const struct conf *conf, enum conf_section section, struct dump *d)
{
	struct buf *out = d->out;
	const struct conf_kind *k = conf_kind_of(section);
	buf_printf(out, "\n[%s]\n", k->section);
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *db = &conf->dbs[i];
		if (db->kind != k)
			continue;
		put_src(d, &db->src);
		put_name(out, db->name);
		buf_puts(out, " =");
		put_local(d, OPT_IN_DB, db, conf_kind_is_other(k));
		put_over(d, OPT_DB, db->over, db->over_n);
		buf_puts(out, "\n");
	}
}

/* What [weirpool] must say so that it means the same as conf. */
static void ours_global(const struct conf *conf, struct dump *d)
{
	buf_puts(d->out, "[weirpool]\n");
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		const char *text = o->scopes & OPT_GLOBAL ? conf_global_text(conf, o) : NULL;
		const char *dflt = opt_default(o, false);
		if (!text || opt_is_idle(o) || (!conf->set[i] && dflt && strcmp(text, dflt) == 0))
			continue;
		if (!conf->set[i])
			buf_puts(d->out, "; PgBouncer's default\n");
		buf_printf(d->out, "%s = ", o->name);
		put_text(d->out, text);
		buf_puts(d->out, "\n");
	}
}

static void dump_entries(const struct conf *conf, struct dump *d)
{
	struct buf *out = d->out;
	dump_dbs(conf, CONF_SEC_DATABASES, d);
	dump_dbs(conf, CONF_SEC_MYSQL_DATABASES, d);
	buf_puts(out, "\n[users]\n");
	for (unsigned i = 0; i < conf->users_n; i++) {
		put_src(d, &conf->users[i].src);
		put_name(out, conf->users[i].name);
		buf_puts(out, " =");
		put_over(d, OPT_USER, conf->users[i].over, conf->users[i].over_n);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[clusters]\n");
	for (unsigned i = 0; i < conf->clusters_n; i++) {
		const struct conf_cluster *c = &conf->clusters[i];
		put_src(d, &c->src);
		put_name(out, c->name);
		buf_puts(out, " =");
		put_local(d, OPT_IN_CLUSTER, c, false);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[rules]\n");
	for (unsigned i = 0; i < conf->rules_n; i++) {
		put_src(d, &conf->rules[i].src);
		put_name(out, conf->rules[i].name);
		buf_puts(out, " = ");
		put_text(out, conf->rules[i].text);
		buf_puts(out, "\n");
	}
	buf_puts(out, "\n[peers]\n");
	for (unsigned i = 0; i < conf->peers_n; i++) {
		put_src(d, &conf->peers[i].src);
		buf_printf(out, "%d =", conf->peers[i].id);
		put_local(d, OPT_IN_PEER, &conf->peers[i], false);
		buf_puts(out, "\n");
	}
}

void conf_dump(const struct conf *conf, struct buf *out)
{
	struct dump d = { out, false };
	dump_global(conf, &d);
	dump_entries(conf, &d);
}

void conf_dump_ours(const struct conf *conf, struct buf *out)
{
	struct dump d = { out, true };
	ours_global(conf, &d);
	dump_entries(conf, &d);
}
