/* explain - where a statement would go: as a request of a session that has just come, without one.
 * Ignorant of texts. Runs on a worker. */
#include "core_int.h"

#include <stdio.h>
#include <string.h>

static void put_nodes(const struct topo_cluster *tc, uint32_t mask, char *out, size_t n)
{
	size_t at = 0;
	for (unsigned i = 0; i < tc->conf->nodes_n; i++) {
		if (!(mask >> i & 1))
			continue;
		int k = snprintf(out + at, n - at, "%s%s", at ? "," : "", tc->node[i]->where);
		at += k > 0 && (size_t)k < n - at ? (size_t)k : 0;
	}
}

static const char *where(struct session *s, const struct proto_explained *x,
	struct core_explained *out, struct err *e)
{
	const struct topo_cluster *tc = s->shard->topo;
	const struct cluster_view *v = tc ? worker_seen(s->w, tc->cluster)->view : NULL;
	if (x->rule && x->rule->block)
		return "refused";
	if (!tc)
		return "server";
	if (route_wish(s, &x->wish, e) != 0)
		return "refused";
	uint32_t mask = v && topo_fits(tc, v) ? route_may_answer(s, tc, v) : 0;
	put_nodes(tc, mask, out->nodes, sizeof out->nodes);
	if (!mask)
		return "held";
	return mask & ~(v->primary >= 0 ? UINT32_C(1) << v->primary : 0) ? "replica" : "primary";
}

static void explain(struct session *s, const struct proto_ops *ops, const char *db, const char *sql,
	struct core_explained *out)
{
	struct proto_explained x;
	struct err e = { 0 };
	struct dbase *d = core_dbase_find(s->w->core, ops, db);
	const struct dbstats *st = d ? hmap_get(&s->w->stats_by_db, &d, sizeof(d)) : NULL;
	bool moves = s->shard->topo && s->shard->set.pool_mode != CONF_POOL_SESSION;
	ops->explain(&s->ruling, moves && st ? st->names : NULL, sql, strlen(sql), &x);
	s->reads = x.reads;
	s->endpoint = s->shard->set.endpoint;
	snprintf(out->verdict, sizeof out->verdict, "%s", x.verdict);
	snprintf(out->rule, sizeof out->rule, "%s", x.rule ? x.rule->name : "");
	snprintf(out->to, sizeof out->to, "%s", where(s, &x, out, &e));
	snprintf(out->reason, sizeof out->reason, "%s",
		x.rule && x.rule->block ? x.rule->block
		: err_is(&e)            ? e.msg
					: x.reason);
}

int core_explain(struct worker *w, const char *db, const char *user, const char *sql,
	struct core_explained *out, struct err *e)
{
	const struct conf *conf = w->gen->conf;
	const struct conf_db *cdb = conf_db_find(conf, db);
	if (!cdb || cdb->is_auto) /* a * of the other protocol may be meant: names are told apart */
		cdb = cdb ? cdb : conf_db_find_in(conf, "mysql", db);
	const struct proto_ops *ops = cdb ? proto_by_name(cdb->kind->name) : NULL;
	if (!ops || !ops->explain)
		return err_set(e, ERR_NO_DATABASE, "no such database: %.100s", db);
	struct session *s = mem_alloc(MEM_SESSION, sizeof *s);
	struct pool_shard *p = mem_alloc(MEM_POOL, sizeof *p);
	int rc = s && p ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
	if (rc == 0) {
		s->w = p->w = w;
		s->shard = p;
		p->cdb = cdb;
		p->topo = cdb->cluster ? topo_find(w->gen->topo, cdb->cluster->name) : NULL;
		conf_effective(conf, cdb, conf_user_find(conf, user), &p->set);
		if (rules_for_nobody(s, db, user) != 0)
			rc = err_set(e, ERR_NO_MEMORY, "out of memory");
		else
			explain(s, ops, db, sql, out);
		session_forget_rules(s);
	}
	mem_free(MEM_SESSION, s);
	mem_free(MEM_POOL, p);
	return rc;
}
