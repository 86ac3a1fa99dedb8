/* cmd_cluster - SWITCHOVER and RESOLVE of a cluster, DRAIN and PROMOTED of a node, and PAUSE and
 * RESUME where they are for a cluster or a node. What they mean for a cluster's state is
 * cluster/'s. Control thread. */
#include "admin_int.h"

#include <string.h>

static void ask(struct core_console *r, const char *verb, const char *cluster, const char *node,
	const char *tag)
{
	struct admin *a = admin_of(r);
	if (a->hooks.node(a->hooks.arg, verb, cluster, node, &r->result.err) != 0)
		admin_refuse(r);
	else
		admin_done(r, tag);
}

static const char *word(struct core_console *r, const struct cmd_line *l)
{
	if (l->args_n)
		return l->arg[0].text;
	admin_fail(r, ERR_SYNTAX, "a node is required, as SHOW NODES names it");
	return NULL;
}

void ctl_drain(struct core_console *r, const struct cmd_line *l)
{
	const char *node = word(r, l);
	if (node)
		ask(r, "drain", NULL, node, "DRAIN");
}

void ctl_promoted(struct core_console *r, const struct cmd_line *l)
{
	const char *node = word(r, l);
	if (node)
		ask(r, "promoted", NULL, node, "PROMOTED");
}

/* PROMOTED of one of those who claim to be primary of a split cluster; no other state of a
 * cluster can be changed by it. */
void ctl_resolve(struct core_console *r, const struct cmd_line *l)
{
	ask(r, "resolve", l->arg[0].text, l->arg[2].text, "RESOLVE");
}

/* The console may be gone by now: that is core's to know. */
static void switched(void *arg, const struct switch_result *s, const struct err *e)
{
	struct core_console *r = arg;
	struct rowset *rs = &r->result;
	if (e) {
		rs->err = *e;
		admin_refuse(r);
		return;
	}
	admin_cols(rs, "ssssqq", "cluster from to by held_ms drained_ms");
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, s->cluster);
	rowset_set(rs, row, 1, s->from);
	rowset_set(rs, row, 2, s->to);
	rowset_set(rs, row, 3, s->by);
	rowset_setf(rs, row, 4, "%lld", (long long)(s->held_us / 1000));
	rowset_setf(rs, row, 5, "%lld", (long long)(s->drained_us / 1000));
	admin_done(r, "SWITCHOVER");
}

/* Answered when it is over: up to half a minute later. */
void ctl_switchover(struct core_console *r, const struct cmd_line *l)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	if (h->switchover(h->arg, l->arg[0].text, l->arg[2].text, switched, r, &r->result.err) != 0)
		admin_refuse(r);
}

/* An entry's name comes first. */
static bool is_cluster(struct core_console *r, const char *name)
{
	const struct conf_db *d = conf_db_find(admin_conf(r), name);
	return !(d && strcmp(d->name, name) == 0) && topo_find(r->core->gen->topo, name);
}

bool cluster_pause(struct core_console *r, const struct cmd_line *l, bool on)
{
	const char *name = l->args_n ? l->arg[0].text : NULL;
	if (!name)
		return false;
	if (!on && strchr(name, ':')) {
		ask(r, "resume", NULL, name, "RESUME");
		return true;
	}
	if (!is_cluster(r, name))
		return false;
	(void)topo_pause(r->core, name, on);
	core_held_cluster_changed(r->core, name);
	admin_done(r, on ? "PAUSE" : "RESUME");
	return true;
}
