/* gen - documents from the table of options: doc/options.md, the man page and the sample file.
 * Ignorant of any configuration that is loaded. Build time and tests. */
#include "conf/gen.h"
#include "conf/opt.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

/* The groups of the documents, by scope, in their order. */
static const struct group {
	unsigned scope;
	const char *title, *intro;
} groups[] = {
	{ OPT_GLOBAL, "Section [weirpool] or [pgbouncer]",
		"One line for each option: name = value. Section [weirpool] has weirpool's "
		"defaults, [pgbouncer] those of "
		"PgBouncer; a configuration has one of the two. Options with \"databases\" or "
		"\"users\" behind them may also be "
		"given for one database or one user: what is said of the user counts before "
		"what is said of the database, and "
		"that before what stands here." },
	{ OPT_DB, "Sections [databases] and [mysql_databases]",
		"One line for each database that clients can ask for: name = key=value "
		"key=value ... The name * stands for all "
		"that are not listed. PostgreSQL's are in [databases], those of MySQL and MariaDB "
		"in [mysql_databases], with clients on a port of their own; a name, except *, is "
		"in one of them only. A value with spaces is written 'in quotes', with '' for a "
		"quote. The options of [weirpool] "
		"that carry \"databases\" are allowed here too." },
	{ OPT_CLUSTER, "Section [clusters]",
		"One line for each set of servers that replicate one data set: name = key=value "
		"key=value ... Entries of [databases] and [mysql_databases] name it with "
		"cluster=. See doc/clusters.md." },
	{ OPT_RULE, "Section [rules]",
		"One line for each rule: name = key=value key=value ..., conditions and what "
		"follows from them; the first rule whose conditions all hold decides. See "
		"doc/routing.md." },
	{ OPT_PEER, "Section [peers]",
		"One line for each weirpool that shares an address with this one, itself "
		"included: number = key=value ... "
		"Cancel requests that arrive at the wrong one are passed on." },
};
#define GROUPS_N (sizeof(groups) / sizeof(groups[0]))

/* Is o described in this group? Each option is described once, in the widest scope that it has. */
static bool in_group(const struct opt *o, const struct group *g)
{
	for (unsigned i = 0; i < GROUPS_N; i++)
		if (o->scopes & groups[i].scope)
			return groups[i].scope == g->scope;
	return false;
}

static const char *unit_of(const struct opt *o)
{
	return o->type != OPT_DURATION ? "" : o->unit_us == 1000 ? " ms" : " s";
}

/* A range worth telling? */
static bool has_range(const struct opt *o)
{
	return (o->type == OPT_INT || o->type == OPT_BYTES || o->type == OPT_DURATION) &&
	       o->max > 0;
}

static void put_range(struct buf *out, const struct opt *o)
{
	double unit = o->type == OPT_DURATION ? (double)o->unit_us : 1;
	buf_printf(
		out, "%.12g to %.12g%s", (double)o->min / unit, (double)o->max / unit, unit_of(o));
}

/* What kind of value: "one of: a, b", "time in s, 0 to 5" */
static void put_kind(struct buf *out, const struct opt *o)
{
	buf_puts(out, opt_type_name(o));
	if (o->type == OPT_ENUM) {
		buf_puts(out, " ");
		for (const char *p = o->names; *p; p++)
			buf_puts(out, *p == ',' ? ", " : (char[2]){ *p, 0 });
	}
	if (o->type == OPT_DURATION)
		buf_printf(out, " in%s", unit_of(o));
	if (has_range(o)) {
		buf_puts(out, ", ");
		put_range(out, o);
	}
}

/* The default as the reader should see it. */
static const char *shown_default(const struct opt *o, const char *dflt)
{
	if (dflt == NULL || *dflt == '\0')
		return o->type == OPT_INT ? "0" : "none";
	return dflt;
}

static void put_scopes(struct buf *out, const struct opt *o)
{
	const char *sep = "";
	if (o->scopes & OPT_GLOBAL && o->scopes & OPT_DB) {
		buf_puts(out, "databases");
		sep = ", ";
	}
	if (o->scopes & OPT_USER)
		buf_printf(out, "%susers", sep);
}

static void md_text(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_append(out,
			*s == '*'   ? "\\*"
			: *s == '<' ? "&lt;"
			: *s == '|' ? "\\|"
				    : s,
			*s == '*' || *s == '|' ? 2
			: *s == '<'            ? 4
					       : 1);
}

static void md_option(struct buf *out, const struct opt *o)
{
	buf_printf(out, "### %s\n\n", o->name);
	md_text(out, o->help);
	buf_puts(out, "\n\n- Value: ");
	put_kind(out, o);
	buf_printf(out, "\n- Default: `%s`", shown_default(o, o->dflt));
	if (o->dflt_pgb)
		buf_printf(out, "; under [pgbouncer]: `%s`", shown_default(o, o->dflt_pgb));
	if (o->dflt_mysql && o->scopes & OPT_GLOBAL)
		buf_printf(out, "; in [mysql_databases], whatever stands above: `%s`",
			shown_default(o, o->dflt_mysql));
	else if (o->dflt_mysql)
		buf_printf(out, "; in [mysql_databases]: `%s`", shown_default(o, o->dflt_mysql));
	buf_printf(out, "\n- A change takes effect: %s%s\n",
		o->apply == OPT_NOW       ? ""
		: o->apply == OPT_RESTART ? "after a "
					  : "with ",
		opt_apply_name(o->apply));
	if (o->scopes & (OPT_DB | OPT_USER) && o->scopes & OPT_GLOBAL) {
		buf_puts(out, "- Also in: ");
		put_scopes(out, o);
		buf_puts(out, "\n");
	}
	if (o->local || o->aliases)
		buf_printf(out, "- Other names: %s%s%s\n", o->local ? o->local : "",
			o->local && o->aliases ? ", " : "", o->aliases ? o->aliases : "");
	buf_puts(out, "\n");
}

void conf_gen_markdown(struct buf *out)
{
	buf_puts(out,
		"# Options\n\n"
		"<!-- Made by weirpool-gendoc from src/conf/opt_table.c: change the table, not "
		"this file. -->\n\n"
		"The file syntax is PgBouncer's: `;` or `#` begins a comment at the start of a "
		"line only, "
		"`%include file` reads another file, a later line wins. Times are numbers of "
		"seconds, or have a "
		"unit: `200ms`, `5s`, `2min`, `1h`, `1d`. Sizes are bytes, or `64kB`, `1MB`, "
		"`1GB`.\n\n");
	for (unsigned g = 0; g < GROUPS_N; g++) {
		buf_printf(out, "## %s\n\n", groups[g].title);
		md_text(out, groups[g].intro);
		buf_puts(out, "\n\n");
		for (unsigned i = 0; i < opt_table_n; i++)
			if (in_group(&opt_table[i], &groups[g]))
				md_option(out, &opt_table[i]);
	}
	buf_puts(out, "## Section [users]\n\n"
		      "One line for each user with settings of its own: name = key=value ... The "
		      "options of [weirpool] "
		      "that carry \"users\" are allowed.\n");
}

/* Text for roff: escapes backslash, hyphen, and a dot or quote at the start of a line. */
static void man_text(struct buf *out, const char *s)
{
	for (const char *p = s; *p; p++) {
		if (p == s && (*p == '.' || *p == '\''))
			buf_puts(out, "\\&");
		if (*p == '\\')
			buf_puts(out, "\\e");
		else if (*p == '-')
			buf_puts(out, "\\-");
		else
			buf_append(out, p, 1);
	}
}

static void man_option(struct buf *out, const struct opt *o)
{
	buf_puts(out, ".TP\n.B ");
	man_text(out, o->name);
	buf_puts(out, "\n");
	man_text(out, o->help);
	buf_puts(out, "\n.br\nValue: ");
	struct buf kind;
	buf_init(&kind, 4096);
	put_kind(&kind, o);
	buf_put_u8(&kind, 0);
	man_text(out, (const char *)buf_data(&kind));
	buf_fini(&kind);
	buf_puts(out, ". Default: ");
	man_text(out, shown_default(o, o->dflt));
	if (o->dflt_pgb) {
		buf_puts(out, " (under [pgbouncer]: ");
		man_text(out, shown_default(o, o->dflt_pgb));
		buf_puts(out, ")");
	}
	if (o->dflt_mysql) {
		buf_puts(out, " (in [mysql_databases]: ");
		man_text(out, shown_default(o, o->dflt_mysql));
		buf_puts(out, ")");
	}
	buf_puts(out, ".\n");
	if (o->scopes & (OPT_DB | OPT_USER) && o->scopes & OPT_GLOBAL) {
		buf_puts(out, "Also in: ");
		put_scopes(out, o);
		buf_puts(out, ".\n");
	}
	if (o->local || o->aliases)
		buf_printf(out, "Other names: %s%s%s.\n", o->local ? o->local : "",
			o->local && o->aliases ? ", " : "", o->aliases ? o->aliases : "");
	if (o->apply == OPT_RESTART)
		buf_puts(out, "A change needs a restart.\n");
}

void conf_gen_man(struct buf *out)
{
	buf_puts(out,
		".\\\" Made by weirpool\\-gendoc from src/conf/opt_table.c: change the table, "
		"not this file.\n"
		".TH WEIRPOOL.INI 5\n.SH NAME\nweirpool.ini \\- configuration of weirpool\n.SH "
		"DESCRIPTION\n"
		"The syntax is that of PgBouncer's file, which weirpool also reads unchanged.\n"
		"A line is empty, a comment that starts with ; or #, a [section], %include with "
		"the name of a file, or "
		"name = value.\nA later line wins.\n"
		"Times are seconds, or have a unit: 200ms, 5s, 2min, 1h, 1d.\nSizes are bytes, "
		"or 64kB, 1MB, 1GB.\n"
		".PP\n.B weirpool \\-t\n.I FILE\nchecks a file and prints every mistake in it.\n");
	for (unsigned g = 0; g < GROUPS_N; g++) {
		buf_puts(out, ".SH \"");
		for (const char *p = groups[g].title; *p; p++)
			buf_put_u8(out, (uint8_t)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p));
		buf_puts(out, "\"\n");
		man_text(out, groups[g].intro);
		buf_puts(out, "\n");
		for (unsigned i = 0; i < opt_table_n; i++)
			if (in_group(&opt_table[i], &groups[g]))
				man_option(out, &opt_table[i]);
	}
	buf_puts(out,
		".SH \"SECTION [USERS]\"\nOne line for each user with settings of its own: name "
		"= key=value ...\n"
		"The options that carry \"users\" are allowed.\n"
		".SH SEE ALSO\n.BR weirpool (1)\n");
}

/* Help as comment lines of at most 78 columns. */
static void ini_text(struct buf *out, const char *s)
{
	size_t col = 0;
	while (*s) {
		size_t n = strcspn(s, " ");
		if (col == 0 || col + 1 + n > 78) {
			buf_puts(out, col ? "\n;;" : ";;");
			col = 2;
		}
		buf_puts(out, " ");
		buf_append(out, s, n);
		col += 1 + n;
		s += n + (s[n] == ' ');
	}
	buf_puts(out, "\n");
}

void conf_gen_sample(struct buf *out)
{
	buf_puts(out,
		";; weirpool.ini - a sample with every option and its default.\n"
		";; Made by weirpool-gendoc from src/conf/opt_table.c. Check yours with: "
		"weirpool -t FILE\n\n"
		";; name for clients = where it is\n[databases]\n"
		";app = host=127.0.0.1 port=5432 dbname=app\n"
		";; every database of one server\n;* = host=127.0.0.1\n"
		";; with settings of its own\n;reports = host=db2 pool_mode=session pool_size=5\n\n"
		";; the same for MySQL and MariaDB, whose clients come to mysql_listen_port\n"
		"[mysql_databases]\n;shop = host=127.0.0.1 port=3306 dbname=shop\n"
		";; every schema of one server\n;* = host=127.0.0.1\n\n"
		";; settings for one user, wherever it goes\n[users]\n;batch = pool_size=2 "
		"query_timeout=1h\n\n"
		";; servers that replicate one data set: the primary is found, reads are "
		"spread\n[clusters]\n"
		";main = host=db1,db2,db3 probe_user=monitor\n\n"
		";; what becomes of some statements: the first that fits decides\n[rules]\n"
		";reports = user=report prefix=select consistency=eventual\n\n"
		";; other weirpools behind the same address\n[peers]\n;1 = host=10.0.0.1\n;2 = "
		"host=10.0.0.2\n\n"
		"[weirpool]\n");
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (!(o->scopes & OPT_GLOBAL))
			continue;
		buf_puts(out, "\n");
		ini_text(out, o->help);
		if (o->type == OPT_ENUM) {
			buf_puts(out, ";; ");
			put_kind(out, o);
			buf_puts(out, "\n");
		}
		const char *dflt = o->type == OPT_INT ? shown_default(o, o->dflt) : o->dflt;
		buf_printf(out, ";%s =%s%s\n", o->name, dflt && *dflt ? " " : "", dflt ? dflt : "");
	}
}
