/* cmd_explain - EXPLAIN ROUTE [FOR db[/user]] sql: where the statement would go now. Its text is
 * not made of words, so the command is taken before the others. Ignorant of how that is found out.
 * Control thread. */
#include "admin_int.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct explain {
	struct core_console *r;
	const char *sql; /* in r */
	char db[128], user[128];
};

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* Behind the word, if that comes next; else NULL. */
static const char *skip_word(const char *p, const char *word)
{
	size_t n = strlen(word);
	p = skip_space(p);
	if (strncasecmp(p, word, n) != 0 || !isspace((unsigned char)p[n]))
		return NULL;
	return skip_space(p + n);
}

/* The text behind EXPLAIN ROUTE; NULL: it is another command. */
static const char *is_explain(const char *sql)
{
	const char *p = skip_word(sql, "explain");
	return p ? skip_word(p, "route") : NULL;
}

/* db or db/user up to a blank. False: too long. */
static bool take_for(const char **p, struct explain *x)
{
	size_t n = strcspn(*p, " \t\r\n"), db_n = strcspn(*p, "/ \t\r\n");
	size_t user_n = db_n < n ? n - db_n - 1 : 0;
	if (db_n == 0 || db_n >= sizeof x->db || user_n >= sizeof x->user)
		return false;
	memcpy(x->db, *p, db_n);
	x->db[db_n] = '\0';
	memcpy(x->user, *p + n - user_n, user_n);
	x->user[user_n] = '\0';
	*p = skip_space(*p + n);
	return true;
}

/* Without FOR: the only entry of a cluster. */
static bool choose(const struct conf *conf, struct explain *x)
{
	const struct conf_db *only = NULL;
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		if (!conf->dbs[i].cluster)
			continue;
		if (only)
			return false;
		only = &conf->dbs[i];
	}
	if (!only || only->is_auto || strlen(only->name) >= sizeof x->db)
		return false;
	memcpy(x->db, only->name, strlen(only->name) + 1);
	return true;
}

struct part {
	struct core_explained found;
	struct err e;
};

/* On the worker: the first is as good as any. */
static void each(struct worker *w, void *part, void *arg)
{
	struct part *p = part;
	const struct explain *x = arg;
	if (w->id == 0)
		(void)!core_explain(w, x->db, x->user, x->sql, &p->found, &p->e);
}

static void done(struct scatter *s)
{
	struct explain *x = s->arg;
	struct core_console *r = x->r;
	struct rowset *rs = &r->result;
	const struct part *p = scatter_part(s, 0);
	mem_free(MEM_ADMIN, x);
	if (err_is(&p->e)) {
		rs->err = p->e;
		admin_refuse(r);
		return;
	}
	const struct core_explained *f = &p->found;
	admin_cols(rs, "sssss", "verdict reason rule goes_to nodes");
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, f->verdict);
	rowset_set(rs, row, 1, f->reason);
	rowset_set(rs, row, 2, *f->rule ? f->rule : NULL);
	rowset_set(rs, row, 3, f->to);
	rowset_set(rs, row, 4, *f->nodes ? f->nodes : NULL);
	admin_done(r, "EXPLAIN");
}

static bool start(struct core_console *r, const char *sql)
{
	struct explain *x = mem_alloc(MEM_ADMIN, sizeof *x);
	const char *at = skip_word(sql, "for");
	if (!x) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return true;
	}
	x->r = r;
	if (at ? !take_for(&at, x) : !choose(admin_conf(r), x)) {
		mem_free(MEM_ADMIN, x);
		return false;
	}
	x->sql = at ? at : sql;
	if (core_scatter(r->core, sizeof(struct part), each, done, x) != 0) {
		mem_free(MEM_ADMIN, x);
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
	}
	return true;
}

void ctl_explain(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	cmd_invalid(r->sql, &r->result.err);
	err_hint(&r->result.err, "Usage: EXPLAIN ROUTE [FOR <db>[/<user>]] <sql>; FOR is needed "
				 "unless one entry alone is in a cluster.");
	admin_refuse(r);
}

bool explain_route(struct core_console *r)
{
	const char *sql = is_explain(r->sql);
	if (!sql)
		return false;
	if (r->privilege < CONSOLE_ADMIN)
		admin_fail(r, ERR_NOT_ALLOWED, "admin access needed");
	else if (!start(r, sql))
		ctl_explain(r, NULL);
	return true;
}
