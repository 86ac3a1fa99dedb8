/* ask - the console of a running weirpool, by libpq: where it is, one SHOW at a time, and rows as
 * JSON. Ignorant of what the rows mean. */
#include "tool_int.h"

#include "base/mem.h"
#include "base/num.h"
#include "conf/url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONSOLE "weirpool"

void tool_say(const char *name, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "weirpool %s: ", name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

struct conf *tool_conf(const char *arg, struct conf_places *places, struct conf_msgs *m)
{
	struct conf *conf = NULL;
	conf_places_env(places, environ, m);
	if (arg)
		conf_places_target(places, arg, m);
	return conf_load_places(places, &conf, m) == 0 ? conf : NULL;
}

/* ---- where it is ---- */

/* Up to five words for libpq; texts are borrowed. */
struct way {
	const char *words[9], *values[9];
	unsigned n;
	char port[8], host[256];
};

static void put(struct way *w, const char *word, const char *value)
{
	w->words[w->n] = word;
	w->values[w->n++] = value;
}

/* A unix socket knows whose process it is; else it is TCP, with the user of a URL. False: there is
 * no listener, and libpq would go to whatever it has for a default. */
static bool put_listener(struct way *w, const struct conf *conf)
{
	struct conf_listen ls[CONF_LISTENS_MAX];
	unsigned n = conf_listens(conf, ls);
	const struct conf_listen *l = NULL;
	for (unsigned i = n; i-- > 0;)
		if (!strcmp(ls[i].kind->name, "postgresql") && (*ls[i].addr || *ls[i].unix_path))
			l = &ls[i];
	if (!l)
		return false;
	const char *at = l->addr;
	snprintf(w->port, sizeof w->port, "%d", l->port);
	put(w, "port", w->port);
	if (*l->unix_path && !*conf->url_user) {
		put(w, "host", l->unix_path);
	} else if (conf_list_next(&at, w->host, sizeof w->host)) {
		bool any = !strcmp(w->host, "*") || !strcmp(w->host, "0.0.0.0") ||
			   !strcmp(w->host, "::");
		put(w, "host", any ? "127.0.0.1" : w->host);
	}
	return true;
}

static PGconn *follow(const struct tool_target *t, struct way *w)
{
	put(w, "connect_timeout", "5");
	put(w, "application_name", "weirpool");
	PGconn *c = PQconnectdbParams(w->words, w->values, 1);
	if (PQstatus(c) == CONNECTION_OK)
		return c;
	const char *why = PQerrorMessage(c);
	if (!t->quiet)
		tool_say(t->name, "cannot reach the console: %.*s", (int)strcspn(why, "\n"), why);
	if (PQconnectionNeedsPassword(c) && !t->quiet)
		tool_say(t->name, "PGUSER and PGPASSWORD, or ~/.pgpass, say who asks: one of "
				  "admin_users or stats_users; the account that runs weirpool "
				  "needs none on its unix socket");
	if (!t->arg && !t->quiet)
		tool_say(t->name, "name a configuration file, or a URL as "
				  "postgres://admin:secret@host:6432/weirpool");
	PQfinish(c);
	return NULL;
}

static bool is_conninfo(const char *arg)
{
	return strncmp(arg, "postgres://", 11) == 0 || strncmp(arg, "postgresql://", 13) == 0 ||
	       strchr(arg, '=');
}

static PGconn *by_conf(const struct tool_target *t, const struct conf *conf)
{
	struct way w = { .n = 0 };
	const char *user = getenv("PGUSER");
	if (!put_listener(&w, conf)) {
		if (!t->quiet)
			tool_say(t->name,
				"it asks by PostgreSQL's protocol, for which that weirpool has no "
				"listener: give it --unix-socket-dir=DIR or listen_addr; or ask "
				"with mysql, which has the database " CONSOLE " on its port");
		return NULL;
	}
	put(&w, "dbname", CONSOLE);
	if (*conf->url_user) {
		put(&w, "user", conf->url_user);
		put(&w, "password", conf->url_password);
	} else {
		put(&w, "user", user ? user : CONSOLE);
	}
	return follow(t, &w);
}

PGconn *tool_console(const struct tool_target *t)
{
	struct way w = { .n = 0 };
	struct conf_places places = { 0 };
	struct conf_msgs m = { 0 };
	PGconn *c = NULL;
	if (t->arg && is_conninfo(t->arg)) { /* whatever database it names: the console is meant */
		put(&w, "dbname", t->arg);
		put(&w, "dbname", CONSOLE);
		return follow(t, &w);
	}
	struct conf *conf = tool_conf(t->arg, &places, &m);
	char line[1200];
	for (unsigned i = 0; !conf && i < m.n; i++)
		tool_say(t->name, "%s", conf_msg_format(&m.list[i], line, sizeof line));
	if (conf)
		c = by_conf(t, conf);
	conf_free(&conf);
	conf_msgs_fini(&m);
	conf_places_fini(&places);
	return c;
}

int tool_talk(const struct tool_target *t, int (*run)(PGconn *c, void *arg), void *arg)
{
	PGconn *c = tool_console(t);
	if (!c)
		return 1;
	int rc = run(c, arg);
	if (rc != 0)
		tool_say(t->name, "%s", *PQerrorMessage(c) ? PQerrorMessage(c) : "cannot write");
	PQfinish(c);
	return rc == 0 ? 0 : 1;
}

/* ---- rows ---- */

PGresult *tool_show(PGconn *c, const char *what)
{
	PGresult *r = PQexec(c, what);
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		return r;
	PQclear(r);
	return NULL;
}

const char *tool_cell(const PGresult *r, int row, const char *column)
{
	int i = PQfnumber(r, column);
	return i < 0 ? "" : PQgetvalue(r, row, i);
}

long long tool_number(const PGresult *r, int row, const char *column)
{
	int64_t v;
	return num_i64(tool_cell(r, row, column), INT64_MIN, INT64_MAX, &v) == 0 ? (long long)v : 0;
}

void tool_json_text(struct buf *out, const char *s)
{
	buf_puts(out, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_printf(out, "\\u%04x", *s);
		else
			buf_append(out, s, 1);
	}
	buf_puts(out, "\"");
}

/* int8, int2, int4, float8, numeric; and they are digits indeed: not NaN. */
static bool is_number(const PGresult *r, int row, int column)
{
	Oid t = PQftype(r, column);
	const char *v = PQgetvalue(r, row, column);
	return (t == 20 || t == 21 || t == 23 || t == 701 || t == 1700) && *v &&
	       strspn(v, "-.0123456789") == strlen(v);
}

void tool_json_rows(struct buf *out, const PGresult *r)
{
	buf_puts(out, "[");
	for (int i = 0; i < PQntuples(r); i++) {
		buf_puts(out, i ? ",\n  {" : "\n  {");
		for (int k = 0; k < PQnfields(r); k++) {
			buf_puts(out, k ? ", " : "");
			tool_json_text(out, PQfname(r, k));
			buf_puts(out, ": ");
			if (PQgetisnull(r, i, k))
				buf_puts(out, "null");
			else if (is_number(r, i, k))
				buf_puts(out, PQgetvalue(r, i, k));
			else
				tool_json_text(out, PQgetvalue(r, i, k));
		}
		buf_puts(out, "}");
	}
	buf_puts(out, PQntuples(r) ? "\n]" : "]");
}
