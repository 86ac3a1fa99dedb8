/* console - takes the commands that clients send to the console, finds them in the table, and runs
 * them. Ignorant of what each command does (cmd_*.c) and of messages. Control thread. */
#include "admin_int.h"
#include "show_int.h"

#include "conf/opt.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct admin *the_admin; /* core's callback has no argument of ours */

/* The command as it may be written down. */
static void redact(const char *sql, char *out, size_t size)
{
	char key[64] = "";
	while (isspace((unsigned char)*sql))
		sql++;
	if (strncasecmp(sql, "explain", 7) == 0) { /* the rest is somebody's statement */
		snprintf(out, size, "EXPLAIN ROUTE ...");
		return;
	}
	if (strncasecmp(sql, "set", 3) == 0 && isspace((unsigned char)sql[3])) {
		const char *p = sql + 4 + strspn(sql + 4, " \t");
		snprintf(key, sizeof key, "%.*s", (int)strcspn(p, " \t=\"'"), p);
		const struct opt *o = opt_find(key, OPT_GLOBAL);
		bool known = o && o->type != OPT_SECRET && strcmp(key, "auth_ldap_options") != 0;
		if (known)
			snprintf(out, size, "%s", sql);
		else
			snprintf(out, size, "SET %s = ***", key);
		return;
	}
	audit_unquote(sql, out, size);
}

/* What the client asked of the rows is done to them here, whatever the command was. */
static void finish(struct core_console *r)
{
	struct err e = { 0 };
	char what[512];
	if (r->query && !err_is(&r->result.err) && show_apply(r->query, &r->result, &e) != 0)
		r->result.err = e;
	mem_free(MEM_ADMIN, r->query);
	r->query = NULL;
	redact(r->sql, what, sizeof what);
	e = (struct err){ 0 };
	if (r->result.err.code == ERR_SYNTAX) /* its text has the command in it, as it was */
		err_set(&e, ERR_SYNTAX, "invalid command");
	if (strchr(r->who, '@')) /* else weirpool itself asks, for its page and metrics */
		audit(r->who, r->done ? "http" : "console", what, err_is(&e) ? &e : &r->result.err);
	core_console_done(r);
}

void admin_done(struct core_console *r, const char *tag)
{
	r->result.tag = mem_strdup(MEM_ADMIN, tag);
	if (!r->result.tag)
		err_set(&r->result.err, ERR_NO_MEMORY, "out of memory");
	finish(r);
}

void admin_refuse(struct core_console *r)
{
	if (admin_conf(r)->global.audit_log) {
		struct log_about about = { .ctx = r->who };
		char what[512];
		redact(r->sql, what, sizeof what);
		if (r->result.err.code == ERR_SYNTAX)
			log_event_about(EVENT_COMMAND_FAILED, &about, "invalid command '%s'", what);
		else
			log_event_about(EVENT_COMMAND_FAILED, &about, "%s", r->result.err.msg);
	}
	finish(r);
}

void admin_fail(struct core_console *r, enum err_code code, const char *fmt, ...)
{
	char text[sizeof r->result.err.msg];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(&r->result.err, code, "%s", text);
	admin_refuse(r);
}

const struct conf *admin_conf(const struct core_console *r)
{
	return r->core->gen->conf;
}

void admin_cols(struct rowset *rs, const char *types, const char *names)
{
	char name[64];
	for (; *types; types++) {
		size_t n = strcspn(names, " ");
		snprintf(name, sizeof name, "%.*s", (int)n, names);
		names += n + (names[n] == ' ');
		rowset_col(rs, name,
			*types == 'i'   ? RS_INT4
			: *types == 'q' ? RS_INT8
			: *types == 'N' ? RS_NUMERIC
			: *types == 'T' ? RS_TIMESTAMP
			: *types == 'b' ? RS_BYTEA
					: RS_TEXT);
	}
}

void admin_ask(struct core_console *r, const struct admin_ask *q, size_t part_size,
	void (*each)(struct worker *, void *, void *), void (*done)(struct scatter *))
{
	struct admin_ask *ask = mem_alloc(MEM_ADMIN, sizeof *ask);
	if (ask) {
		*ask = *q;
		ask->r = r;
	}
	if (!ask || core_scatter(r->core, part_size, each, done, ask) != 0) {
		mem_free(MEM_ADMIN, ask);
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
	}
}

void admin_ask_free(struct scatter *s)
{
	mem_free(MEM_ADMIN, s->arg);
	s->arg = NULL;
}

static void say_issued(const struct core_console *r, const struct cmd *c, const struct cmd_line *l)
{
	if (!admin_conf(r)->global.audit_log)
		return;
	const char *arg = l->is_set ? l->key : l->args_n ? l->arg[0].text : NULL;
	struct log_about about = { .ctx = r->who };
	char verb[32];
	size_t i = 0;
	for (; c->verb[i] && i + 1 < sizeof verb; i++)
		verb[i] = (char)toupper((unsigned char)c->verb[i]);
	verb[i] = '\0';
	if (arg)
		log_event_about(EVENT_COMMAND, &about, "%s '%s' command issued", verb, arg);
	else
		log_event_about(EVENT_COMMAND, &about, "%s command issued", verb);
}

/* SHOW with conditions, SELECT ... FROM. False: it is another command. */
static bool run_query(struct core_console *r)
{
	struct err *e = &r->result.err;
	struct cmd_line l;
	struct show_query *q = NULL;
	int rc = show_parse(r->sql, cmd_is_shown, &q, e);
	if (rc == 0)
		return false;
	if (rc < 0) {
		(void)cmd_hint_catalogs(r->sql, e); /* psql's \d and completion */
		admin_refuse(r);
		return true;
	}
	r->query = q;
	const struct cmd *c = cmd_find_shown(q, r->sql, r->privilege, &l, e);
	if (!c)
		admin_refuse(r);
	else
		c->fn(r, &l);
	return true;
}

static void run(struct core_console *r)
{
	struct cmd_line l;
	struct err *e = &r->result.err;
	if (r->privilege < CONSOLE_STATS) {
		err_set(e, ERR_NOT_ALLOWED, "admin access needed");
		admin_refuse(r);
		return;
	}
	if (explain_route(r)) /* whose statement keeps its comments */
		return;
	cmd_blank_comments(r->sql);
	if (fake_select(r) || run_query(r))
		return;
	if (cmd_parse(r->sql, &l, e) != 0) {
		(void)cmd_hint_foreign(r->sql, e);
		admin_refuse(r);
		return;
	}
	if (l.is_set && fake_is(l.key)) {
		r->result.notice = mem_strdup(MEM_ADMIN, "SET ignored");
		admin_done(r, "SET");
		return;
	}
	if (!l.is_set && (fake_show(r, &l) || fake_transaction(r, &l)))
		return;
	const struct cmd *c = cmd_find(&l, r->sql, r->privilege, e);
	if (!c) {
		admin_refuse(r);
		return;
	}
	if (!c->object)
		say_issued(r, c, &l);
	c->fn(r, &l);
}

static void on_console(struct core *c, struct core_console *r)
{
	(void)c;
	r->admin = the_admin;
	run(r);
}

struct admin *admin_new(struct core *c, const struct admin_hooks *h)
{
	struct admin *a = mem_xalloc(MEM_ADMIN, sizeof *a);
	a->core = c;
	a->hooks = *h;
	list_init(&a->pending);
	timer_init(&a->poll, ctl_poll, a);
	a->stats = stats_new(a);
	a->started_us = a->reloads.wall_us = clock_wall_us();
	a->reloads.ok = true;
	the_admin = a;
	c->console = on_console;
	return a;
}

void admin_reloaded(struct admin *a, bool ok)
{
	a->reloads.ok = ok;
	if (!ok) {
		a->reloads.failed++;
		return;
	}
	a->reloads.n++;
	a->reloads.wall_us = clock_wall_us();
}

void admin_conf_changed(struct admin *a)
{
	stats_arm(a->stats);
}

void admin_free(struct admin *a)
{
	a->core->console = NULL;
	the_admin = NULL;
	timer_clear(a->core->loop, &a->poll);
	ctl_give_up(a);
	stats_free(&a->stats);
	mem_free(MEM_ADMIN, a->proxysql.v);
	mem_free(MEM_ADMIN, a);
}
