/* galera - what is asked of a member of a Galera cluster, and how the answers read. All questions
 * are SHOW: the only ones that a member outside the primary component answers. Ignorant of
 * connections. Pure.
 * Sources: MariaDB docs, Galera Cluster Status Variables, wsrep_sync_wait, SET STATEMENT. */
#include "monitor_int.h"

#include <stdio.h>
#include <string.h>

/* A replica's commit order is released before the engine has committed when the binary log is on:
 * wsrep_last_committed is ahead of what can be read. What the engine keeps in its own header is
 * not, but for a moment. */
#define SETTLE_US 50000
#define SETTLE_LOG_US 1000000 /* of a server that does not show it */

static const char fast_sql[] = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_last_committed', "
			       "'wsrep_se_checkpoint', 'wsrep_cluster_state_uuid', "
			       "'wsrep_cluster_status', 'wsrep_cluster_conf_id', 'wsrep_ready', "
			       "'wsrep_local_state', 'wsrep_local_state_comment')";
static const char slow_sql[] =
	"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'wsrep_on')";
static const char barrier_sql[] = "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 1";

const char *galera_sql(enum galera_question q)
{
	switch (q) {
	case GALERA_SAMPLE: return fast_sql;
	case GALERA_VARIABLES: return slow_sql;
	case GALERA_BARRIER: return barrier_sql;
	}
	return NULL;
}

static void keep(char *to, size_t room, const char *value)
{
	snprintf(to, room, "%s", value);
}

void galera_row(struct galera *g, const char *const *cells, unsigned n)
{
	const char *name = n == 2 && cells[0] ? cells[0] : "",
		   *v = n == 2 && cells[1] ? cells[1] : "";
	if (strcmp(name, "wsrep_last_committed") == 0)
		keep(g->committed, sizeof g->committed, v);
	else if (strcmp(name, "wsrep_se_checkpoint") == 0)
		keep(g->checkpoint, sizeof g->checkpoint, v);
	else if (strcmp(name, "wsrep_cluster_state_uuid") == 0)
		keep(g->uuid, sizeof g->uuid, v);
	else if (strcmp(name, "wsrep_cluster_status") == 0)
		keep(g->status, sizeof g->status, v);
	else if (strcmp(name, "wsrep_cluster_conf_id") == 0)
		keep(g->conf_id, sizeof g->conf_id, v);
	else if (strcmp(name, "wsrep_ready") == 0)
		keep(g->ready, sizeof g->ready, v);
	else if (strcmp(name, "wsrep_local_state") == 0)
		keep(g->state, sizeof g->state, v);
	else if (strcmp(name, "wsrep_local_state_comment") == 0)
		keep(g->comment, sizeof g->comment, v);
	else if (strcmp(name, "read_only") == 0)
		keep(g->read_only, sizeof g->read_only, v);
	else if (strcmp(name, "wsrep_on") == 0)
		keep(g->on, sizeof g->on, v);
}

static bool is_in(const struct galera *g)
{
	return strcmp(g->status, "Primary") == 0 && strcmp(g->ready, "ON") == 0 &&
	       strcmp(g->state, "4") == 0;
}

/* "uuid" and a number as the set of all transactions up to it. */
static int position(const char *uuid, const char *seqno, struct pos *p_r, struct err *e)
{
	char text[160];
	size_t n = strspn(seqno, "0123456789");
	bool none = n == 0 || strspn(seqno, "0") == n;
	snprintf(text, sizeof text, "%.60s:1-%.*s", uuid, (int)(n < 20 ? n : 20), seqno);
	return pos_parse(POS_GTID, none ? "" : text, none ? 0 : strlen(text), p_r, e);
}

/* "uuid:12 domain-server-sequence" */
static bool checkpoint(const struct galera *g, struct pos *p_r)
{
	size_t n = strlen(g->uuid);
	struct err e;
	return n && strncmp(g->checkpoint, g->uuid, n) == 0 && g->checkpoint[n] == ':' &&
	       position(g->uuid, g->checkpoint + n + 1, p_r, &e) == 0;
}

int galera_sample(const struct galera *g, struct cluster_sample *s_r, struct err *e)
{
	if (!*g->state || !*g->committed)
		return err_set(e, ERR_UNSUPPORTED, "it is no member of a Galera cluster");
	s_r->writable = is_in(g);
	s_r->settle_us = SETTLE_US;
	if (position(g->uuid, g->committed, &s_r->pos, e) != 0)
		return -1;
	if (!checkpoint(g, &s_r->visible))
		s_r->settle_us = SETTLE_LOG_US;
	return 0;
}

int galera_facts(const struct galera *g, struct cluster_facts *f_r, struct err *e)
{
	static const char zero[] = "00000000-0000-0000-0000-000000000000";
	if (!*g->state || strcmp(g->on, "ON") != 0)
		return err_set(e, ERR_UNSUPPORTED, "it is no member of a Galera cluster");
	if (strcmp(g->uuid, zero) != 0)
		keep(f_r->system, sizeof f_r->system, g->uuid);
	f_r->member = is_in(g) ? MEMBER_IN : MEMBER_OUT;
	f_r->repl = f_r->member == MEMBER_IN ? UPSTREAM_RUNS : UPSTREAM_STOPPED;
	f_r->read_only = strcmp(g->read_only, "OFF") != 0;
	keep(f_r->group_view, sizeof f_r->group_view, g->conf_id);
	if (f_r->member == MEMBER_OUT)
		snprintf(f_r->note, sizeof f_r->note, "member state %.40s, component %.40s",
			g->comment, g->status);
	return 0;
}
