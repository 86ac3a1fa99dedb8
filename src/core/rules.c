/* rules - section [rules] as sessions meet it: compiled with a generation, sorted out for each
 * session, counted by each worker. Which rule a statement falls under is proto's to find, where
 * that then goes is router.c's. Building runs on control, the rest on the session's worker. */
#include "core_int.h"

#include "base/cidr.h"

#include <string.h>

#define LOGGED_MAX_BYTES 300 /* of a statement */

/* ---- control ---- */

static enum proto_node node_of(enum conf_rule_route r)
{
	switch (r) {
	case CONF_RULE_ANY: break;
	case CONF_RULE_PRIMARY: return PROTO_NODE_PRIMARY;
	case CONF_RULE_REPLICA: return PROTO_NODE_REPLICA;
	case CONF_RULE_NODES: return PROTO_NODE_NAMED;
	}
	return PROTO_NODE_ANY;
}

static void read_nets(struct core_rule *r, const char *list)
{
	char text[256];
	struct cidr net;
	while (conf_list_next(&list, text, sizeof text)) {
		if (cidr_parse(text, &net) != 0)
			continue; /* conf/ has told */
		r->nets = mem_xrealloc(MEM_CONF, r->nets, (r->nets_n + 1) * sizeof net);
		r->nets[r->nets_n++] = net;
	}
}

static void build(struct core_rule *r, const struct conf_rule *c, struct conf_msgs *m)
{
	char why[256];
	r->conf = c;
	r->proto = (struct proto_rule){ .name = c->name,
		.block = *c->block ? c->block : NULL,
		.node = node_of(c->route),
		.consistency = (enum proto_consistency)c->consistency,
		.max_staleness_us = c->max_staleness_us,
		.query_timeout_us = c->query_timeout_us,
		.log = c->log };
	read_nets(r, c->address);
	if (proto_rule_compile(&r->proto, c->regex, c->prefix, c->digest, why, sizeof why) != 0)
		conf_msgs_add(m, CONF_ERROR, c->src.file, c->src.line, "rule \"%.60s\": %s",
			c->name, why);
}

struct core_rules *core_rules_build(const struct conf *conf, struct conf_msgs *m)
{
	if (conf->rules_n == 0)
		return NULL;
	struct core_rules *all = mem_xalloc(MEM_CONF, sizeof *all + conf->rules_n * sizeof *all->v);
	all->n = conf->rules_n;
	for (unsigned i = 0; i < all->n; i++)
		build(&all->v[i], &conf->rules[i], m);
	return all;
}

void core_rules_free(struct core_rules **all)
{
	for (unsigned i = 0; *all && i < (*all)->n; i++) {
		proto_rule_fini(&(*all)->v[i].proto);
		mem_free(MEM_CONF, (*all)->v[i].nets);
	}
	mem_free(MEM_CONF, *all);
	*all = NULL;
}

/* A rule that is what it was keeps its number, and with it what was counted. */
static unsigned number_of(struct core *c, const struct conf_rule *r)
{
	size_t name_n = strlen(r->name) + 1, n = name_n + strlen(r->text);
	char *key = mem_xalloc(MEM_CONF, n + 1);
	memcpy(key, r->name, name_n);
	memcpy(key + name_n, r->text, n - name_n);
	uintptr_t had = (uintptr_t)hmap_get(&c->rule_ids, key, n);
	if (had == 0) {
		had = ++c->rules_n;
		if (!hmap_put(&c->rule_ids, key, n, (void *)had, NULL))
			log_event(EVENT_NO_MEMORY, "out of memory: rule %s is counted with others",
				r->name);
	}
	mem_free(MEM_CONF, key);
	return (unsigned)had - 1;
}

void rules_number(struct core *c, struct core_gen *gen)
{
	for (unsigned i = 0; gen->rules && i < gen->rules->n; i++)
		gen->rules->v[i].proto.id = number_of(c, gen->rules->v[i].conf);
	if (gen->rules)
		gen->rules->ids_n = c->rules_n;
}

/* ---- a worker ---- */

void rules_switch(struct worker *w)
{
	unsigned n = w->gen->rules ? w->gen->rules->ids_n : 0, had = w->rule_counts_n;
	if (n <= had)
		return;
	w->rule_counts = mem_xrealloc(MEM_CONF, w->rule_counts, n * sizeof *w->rule_counts);
	memset(w->rule_counts + had, 0, (n - had) * sizeof *w->rule_counts);
	w->rule_counts_n = n;
}

static bool is_from(const struct core_rule *r, const struct session *s)
{
	for (unsigned i = 0; i < r->nets_n; i++)
		if (cidr_has(&r->nets[i], &s->addr.u.sa))
			return true;
	return r->nets_n == 0;
}

static uint32_t nodes_of(const struct core_rule *r, const struct topo_cluster *tc)
{
	uint32_t mask = 0;
	if (r->proto.node != PROTO_NODE_NAMED || !tc)
		return 0;
	for (unsigned i = 0; i < tc->conf->nodes_n; i++)
		if (conf_list_has(r->conf->nodes, tc->node[i]->where))
			mask |= UINT32_C(1) << i;
	return mask;
}

/* The statement's pattern cannot be held against all texts: an operator should know. */
static void gave_up(struct session *s, const struct proto_rule *r, struct rule_count *k)
{
	if (k->gave_up++ == 0)
		session_log(EVENT_RULE_GAVE_UP, s,
			"rule %s: its pattern took too many steps for a statement, which then does "
			"not fit",
			r->name);
}

static void told(struct proto_ruling *x, enum proto_ruled what, const struct proto_rule *r,
	const char *text, size_t n)
{
	struct session *s = list_entry(x, struct session, ruling);
	struct rule_count *k = &s->w->rule_counts[r->id];
	if (what == PROTO_RULE_GAVE_UP) {
		gave_up(s, r, k);
		return;
	}
	k->followed++;
	if (r->query_timeout_us >= 0) {
		s->timed_by_rule = true;
		s->rule_timeout_us = r->query_timeout_us;
		if (s->request_us)
			session_arm(s);
	}
	if (r->log)
		session_log(EVENT_RULE_LOG, s, "rule %s: %.*s%s", r->name,
			n < LOGGED_MAX_BYTES ? (int)n : LOGGED_MAX_BYTES, text ? text : "",
			n > LOGGED_MAX_BYTES ? " ..." : "");
}

static int find(struct session *s, const char *db, const char *user, bool anywhere)
{
	const struct core_rules *all = s->w->gen->rules;
	session_forget_rules(s);
	s->ruling.told = told;
	if (!all || !s->shard->cdb)
		return 0;
	struct proto_rules *own = mem_alloc(MEM_SESSION, sizeof *own + all->n * sizeof *own->v);
	if (!own)
		return -1;
	for (unsigned i = 0; i < all->n; i++) {
		const struct core_rule *c = &all->v[i];
		const struct proto_rule *r = &c->proto;
		if (!conf_rule_is_for(c->conf, s->shard->cdb, db, user) ||
			!(anywhere ? c->nets_n == 0 : is_from(c, s)))
			continue;
		own->v[own->n++] = (struct proto_rule_at){ r, nodes_of(c, s->shard->topo) };
		own->blocks = own->blocks || r->block;
		own->moves = own->moves || r->node || r->consistency || r->max_staleness_us >= 0;
	}
	if (own->n)
		s->ruling.rules = s->rules = own;
	else
		mem_free(MEM_SESSION, own);
	return 0;
}

int session_find_rules(struct session *s)
{
	return s->account ? find(s, s->db->name, s->account->name, false) : 0;
}

int rules_for_nobody(struct session *s, const char *db, const char *user)
{
	return find(s, db, user, true);
}

void session_forget_rules(struct session *s)
{
	mem_free(MEM_SESSION, s->rules);
	s->rules = NULL;
	s->ruling.rules = NULL;
}
