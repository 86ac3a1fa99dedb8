/* rules - section [rules]: what is wrong with a rule by itself, with what it names, and with
 * several of them. Whether a pattern compiles is known to sql/. Control thread, but
 * conf_rule_is_for(), which is for every thread. */
#include "conf_int.h"

#include "base/cidr.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TELL(m, level, r, ...) conf_msgs_add(m, level, (r)->src.file, (r)->src.line, __VA_ARGS__)

static bool acts(const struct conf_rule *r)
{
	return r->route != CONF_RULE_ANY || r->consistency != CONF_RULE_CONSISTENCY_AS_SET ||
	       r->max_staleness_us >= 0 || r->query_timeout_us >= 0 || *r->block || r->log;
}

static bool moves(const struct conf_rule *r)
{
	return r->route != CONF_RULE_ANY || r->consistency != CONF_RULE_CONSISTENCY_AS_SET ||
	       r->max_staleness_us >= 0;
}

static enum conf_rule_route route_of(const char *list)
{
	if (*list == '\0')
		return CONF_RULE_ANY;
	if (strcasecmp(list, "primary") == 0)
		return CONF_RULE_PRIMARY;
	return strcasecmp(list, "replica") == 0 ? CONF_RULE_REPLICA : CONF_RULE_NODES;
}

static bool is_digest(const char *s)
{
	return strlen(s) == 16 && strspn(s, "0123456789abcdefABCDEF") == 16;
}

static void check_contradictions(const struct conf_rule *r, struct conf_msgs *m)
{
	if (!acts(r))
		TELL(m, CONF_ERROR, r,
			"rule \"%.60s\" does nothing: it needs route=, consistency=, "
			"max_staleness=, query_timeout=, block= or log=1",
			r->name);
	if (*r->block && (moves(r) || r->query_timeout_us >= 0))
		TELL(m, CONF_ERROR, r,
			"rule \"%.60s\" contradicts itself: what block= refuses goes nowhere and "
			"needs no time",
			r->name);
	bool strong = r->consistency == CONF_RULE_CONSISTENCY_STRONG;
	if (strong && (r->route == CONF_RULE_REPLICA || r->route == CONF_RULE_NODES))
		TELL(m, CONF_ERROR, r,
			"rule \"%.60s\" contradicts itself: consistency=strong reads from the "
			"primary, route=%.60s does not",
			r->name, r->nodes);
	if (r->route == CONF_RULE_PRIMARY &&
		(r->max_staleness_us >= 0 ||
			(r->consistency != CONF_RULE_CONSISTENCY_AS_SET && !strong)))
		TELL(m, CONF_ERROR, r,
			"rule \"%.60s\" contradicts itself: consistency= and max_staleness= are "
			"about replicas, route=primary is not",
			r->name);
}

void conf_rule_finish(struct conf_rule *r, struct conf_msgs *m)
{
	const char *at = r->address;
	char text[256];
	struct cidr net;
	r->route = route_of(r->nodes);
	while (conf_list_next(&at, text, sizeof(text)))
		if (cidr_parse(text, &net) != 0)
			TELL(m, CONF_ERROR, r,
				"rule \"%.60s\": address: \"%s\" is no address or network such as "
				"10.0.0.0/8",
				r->name, text);
	if (*r->digest && !is_digest(r->digest))
		TELL(m, CONF_ERROR, r,
			"rule \"%.60s\": digest must have 16 hexadecimal digits, as weirpool "
			"explain-route --digest prints them",
			r->name);
	check_contradictions(r, m);
}

void conf_node_name(const struct conf_host *h, char *out, size_t n)
{
	snprintf(out, n, "%.80s:%u", h->host, h->port);
}

static bool cluster_has(const struct conf_cluster *c, const char *node)
{
	char name[96];
	for (unsigned i = 0; i < c->nodes_n; i++) {
		conf_node_name(&c->nodes[i], name, sizeof(name));
		if (strcmp(name, node) == 0)
			return true;
	}
	return false;
}

bool conf_rule_is_for(
	const struct conf_rule *r, const struct conf_db *db, const char *dbname, const char *user)
{
	return (!*r->user || conf_list_has(r->user, user)) &&
	       (!*r->database || conf_list_has(r->database, dbname) ||
		       conf_list_has(r->database, db->name));
}

/* ---- what they name ---- */

/* May it be for an entry that is in c (NULL: in any cluster)? */
static bool reaches(
	const struct conf *conf, const struct conf_rule *r, const struct conf_cluster *c)
{
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *d = &conf->dbs[i];
		if (d->cluster && (c == NULL || d->cluster == c) &&
			(d->is_auto || !*r->database || conf_list_has(r->database, d->name)))
			return true;
	}
	return false;
}

static void check_nodes(const struct conf *conf, const struct conf_rule *r, struct conf_msgs *m)
{
	const char *at = r->nodes;
	char node[128];
	while (conf_list_next(&at, node, sizeof(node))) {
		bool known = false, reached = false;
		for (unsigned i = 0; i < conf->clusters_n; i++) {
			bool has = cluster_has(&conf->clusters[i], node);
			known = known || has;
			reached = reached || (has && reaches(conf, r, &conf->clusters[i]));
		}
		if (!known)
			TELL(m, CONF_ERROR, r,
				"rule \"%.60s\": route: \"%s\" is neither primary nor replica nor "
				"host:port of a node in section [clusters]",
				r->name, node);
		else if (!reached)
			TELL(m, CONF_ERROR, r,
				"rule \"%.60s\": route: %s is no node of a cluster of the "
				"databases that the rule is for",
				r->name, node);
	}
}

static void check_databases(const struct conf *conf, const struct conf_rule *r, struct conf_msgs *m)
{
	const char *at = r->database;
	char name[CONF_NAME_MAX + 1];
	bool any = false;
	for (unsigned i = 0; i < conf->dbs_n; i++)
		any = any || conf->dbs[i].is_auto;
	while (conf_list_next(&at, name, sizeof(name))) {
		bool found = any;
		for (unsigned i = 0; i < conf->dbs_n && !found; i++)
			found = strcmp(conf->dbs[i].name, name) == 0;
		if (!found)
			TELL(m, CONF_ERROR, r,
				"rule \"%.60s\": there is no database \"%s\" in section "
				"[databases] or [mysql_databases]",
				r->name, name);
	}
}

/* ---- those that no statement can reach ---- */

/* Does each item of b stand in a as well? */
static bool list_covers(const char *a, const char *b)
{
	char item[256];
	if (*a == '\0')
		return true;
	if (*b == '\0')
		return false;
	while (conf_list_next(&b, item, sizeof(item)))
		if (!conf_list_has(a, item))
			return false;
	return true;
}

static bool text_covers(const struct conf_rule *a, const struct conf_rule *b)
{
	if (*a->regex && strcmp(a->regex, b->regex) != 0)
		return false;
	if (*a->digest && strcasecmp(a->digest, b->digest) != 0)
		return false;
	return strncasecmp(a->prefix, b->prefix, strlen(a->prefix)) == 0;
}

static bool covers(const struct conf_rule *a, const struct conf_rule *b)
{
	return list_covers(a->user, b->user) && list_covers(a->database, b->database) &&
	       list_covers(a->address, b->address) && text_covers(a, b);
}

void conf_check_rules(const struct conf *conf, struct conf_msgs *m)
{
	for (unsigned i = 0; i < conf->rules_n; i++) {
		const struct conf_rule *r = &conf->rules[i];
		if (r->route == CONF_RULE_NODES)
			check_nodes(conf, r, m);
		check_databases(conf, r, m);
		if (moves(r) && !reaches(conf, r, NULL))
			TELL(m, CONF_WARNING, r,
				"rule \"%.60s\": %s has no effect, because none of the databases "
				"that it is for is in a cluster",
				r->name, r->route != CONF_RULE_ANY ? "route=" : "consistency=");
		for (unsigned j = 0; j < i; j++) {
			if (!covers(&conf->rules[j], r))
				continue;
			TELL(m, CONF_WARNING, r,
				"rule \"%.60s\" is never reached: \"%.60s\" at %s:%u comes first "
				"and holds for all that this one is about",
				r->name, conf->rules[j].name,
				conf->rules[j].src.file ? conf->rules[j].src.file : "?",
				conf->rules[j].src.line);
			break;
		}
	}
}
