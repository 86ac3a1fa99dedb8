/* cmd_cluster - DRAIN and PROMOTED of a node, RESOLVE of a split cluster, and PAUSE and RESUME
 * where they are for a cluster or a node. What they mean for a cluster's state is cluster/'s.
 * Control thread. */
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
	admin_done(r, on ? "PAUSE" : "RESUME");
	return true;
}
