/* facts - what is asked of a server for its role and position, and how the answers read.
 * Ignorant of connections. Pure.
 * Sources: PostgreSQL docs, Recovery Information Functions, pg_stat_wal_receiver,
 * pg_control_system; MySQL manual, Replication Tables of the Performance Schema; MariaDB docs,
 * SHOW REPLICA STATUS. */
#include "monitor_int.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* One question, so that role and position belong together. Two calls of pg_is_in_recovery() may
 * differ at the moment of a promotion: that is an error of the query, and the next one is
 * right. */
static const char pg_fast[] =
	"SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
	"ELSE pg_current_wal_insert_lsn() END, CASE WHEN pg_is_in_recovery() THEN NULL ELSE "
	"substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END";
/* received_tli is right at once after a promotion elsewhere; the control file's may be minutes
 * late, and is only the answer while nothing is received. */
static const char pg_slow[] =
	"SELECT (SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery(), "
	"(SELECT count(*) FROM pg_stat_wal_receiver), (SELECT received_tli FROM "
	"pg_stat_wal_receiver), (SELECT status FROM pg_stat_wal_receiver), CASE WHEN "
	"pg_is_in_recovery() THEN pg_is_wal_replay_paused() END, (SELECT sender_host || ':' || "
	"sender_port FROM pg_stat_wal_receiver), (SELECT setting FROM pg_settings WHERE name = "
	"'wal_segment_size'), (SELECT setting FROM pg_settings WHERE name = 'wal_block_size'), "
	"(SELECT greatest(timeline_id, (SELECT min_recovery_end_timeline FROM "
	"pg_control_recovery())) FROM pg_control_checkpoint()), "
	"pg_has_role('pg_monitor', 'usage'), current_user";
static const char my_fast[] =
	"SELECT @@global.read_only, @@global.super_read_only, @@global.gtid_executed";
static const char my_slow[] =
	"SELECT @@global.server_uuid, (SELECT COUNT(*) FROM "
	"performance_schema.replication_connection_configuration WHERE CHANNEL_NAME NOT LIKE "
	"'group\\_replication%' AND HOST NOT IN ('', '<NULL>')), (SELECT COUNT(*) FROM "
	"performance_schema.replication_connection_status s JOIN "
	"performance_schema.replication_applier_status a USING (CHANNEL_NAME) WHERE CHANNEL_NAME "
	"NOT LIKE 'group\\_replication%' AND s.SERVICE_STATE = 'ON' AND a.SERVICE_STATE = 'ON'), "
	"(SELECT MAX(SOURCE_UUID) FROM performance_schema.replication_connection_status WHERE "
	"CHANNEL_NAME NOT LIKE 'group\\_replication%'), @@global.gtid_mode";
static const char gr_slow[] =
	"SELECT @@global.server_uuid, @@global.group_replication_group_name, (SELECT VIEW_ID FROM "
	"performance_schema.replication_group_member_stats WHERE MEMBER_ID = "
	"@@global.server_uuid), (SELECT MEMBER_STATE FROM "
	"performance_schema.replication_group_members WHERE MEMBER_ID = @@global.server_uuid), "
	"(SELECT MEMBER_ID FROM performance_schema.replication_group_members WHERE MEMBER_ROLE = "
	"'PRIMARY' AND MEMBER_STATE = 'ONLINE' LIMIT 1), (SELECT COUNT(*) FROM "
	"performance_schema.replication_group_members), (SELECT COUNT(*) FROM "
	"performance_schema.replication_group_members WHERE MEMBER_STATE IN ('ONLINE', "
	"'RECOVERING'))";
static const char maria_fast[] =
	"SELECT @@global.read_only, 0, @@global.gtid_binlog_pos, @@global.gtid_slave_pos";
static const char maria_slow[] = "SHOW SLAVE STATUS";

const char *facts_fast_sql(enum cluster_kind k)
{
	switch (k) {
	case CLUSTER_PG: return pg_fast;
	case CLUSTER_MYSQL:
	case CLUSTER_GR: return my_fast;
	case CLUSTER_MARIADB: return maria_fast;
	case CLUSTER_GALERA: return galera_sql(GALERA_SAMPLE);
	}
	return NULL;
}

const char *facts_slow_sql(enum cluster_kind k)
{
	switch (k) {
	case CLUSTER_PG: return pg_slow;
	case CLUSTER_MYSQL: return my_slow;
	case CLUSTER_GR: return gr_slow;
	case CLUSTER_MARIADB: return maria_slow;
	case CLUSTER_GALERA: return galera_sql(GALERA_SAMPLE); /* and more, see probe.c */
	}
	return NULL;
}

static const char *cell(const char *const *cells, unsigned n, unsigned i)
{
	return i < n && cells[i] ? cells[i] : "";
}
static bool is_true(const char *s)
{
	return strcmp(s, "t") == 0 || strcmp(s, "1") == 0 || strcmp(s, "ON") == 0 ||
	       strcmp(s, "Yes") == 0;
}
static uint64_t number(const char *s)
{
	uint64_t v = 0;
	return num_u64n(s, strlen(s), 0, UINT64_MAX, &v) == 0 ? v : 0;
}
static uint32_t timeline(const char *s) /* eight hexadecimal digits */
{
	uint32_t v = 0;
	for (; *s; s++) {
		const char *digits = "0123456789ABCDEF", *at = strchr(digits, *s);
		if (!at || v >> 28)
			return 0;
		v = v << 4 | (uint32_t)(at - digits);
	}
	return v;
}

static int odd(struct err *e, unsigned n, unsigned want)
{
	return err_set(e, ERR_SERVER_PROTOCOL, "an answer of %u columns instead of %u", n, want);
}

static int pg_read_fast(struct reading *r, const char *const *cells, unsigned n,
	struct cluster_sample *s_r, struct err *e)
{
	if (n != 3)
		return odd(e, n, 3);
	s_r->writable = strcmp(cell(cells, n, 0), "f") == 0;
	s_r->timeline = timeline(cell(cells, n, 2));
	if (!*cell(cells, n, 1)) { /* nothing was replayed yet */
		pos_set_lsn(&s_r->pos, 0);
		return 0;
	}
	if (pos_parse_lsn(cells[1], strlen(cells[1]), &s_r->pos, e) != 0)
		return -1;
	if (s_r->writable)
		s_r->pos.lsn = pos_lsn_normalise(s_r->pos.lsn, r->segment, r->page);
	return 0;
}

int facts_read_fast(struct reading *r, const char *const *cells, unsigned n,
	struct cluster_sample *s_r, struct err *e)
{
	bool maria = r->kind == CLUSTER_MARIADB;
	if (r->kind == CLUSTER_PG)
		return pg_read_fast(r, cells, n, s_r, e);
	if (n != (maria ? 4u : 3u))
		return odd(e, n, maria ? 4 : 3);
	const char *ro = cell(cells, n, 0), *super = cell(cells, n, 1);
	s_r->writable = (!strcmp(ro, "0") || !strcmp(ro, "OFF")) && !is_true(super);
	/* a MariaDB replica's binary log is ahead of what can be seen there */
	const char *pos = cell(cells, n, maria && !s_r->writable ? 3 : 2);
	return pos_parse(maria ? POS_MARIADB : POS_GTID, pos, strlen(pos), &s_r->pos, e);
}

static int pg_read_slow(
	struct reading *r, const char *const *c, unsigned n, struct cluster_facts *f, struct err *e)
{
	if (n != 12)
		return odd(e, n, 12);
	bool standby = is_true(cell(c, n, 1)), receives = number(cell(c, n, 2)) > 0;
	uint64_t page = number(cell(c, n, 8));
	snprintf(f->system, sizeof f->system, "%s", cell(c, n, 0));
	r->segment = number(cell(c, n, 7));
	r->page = page <= UINT32_MAX ? (uint32_t)page : 0;
	f->paused = is_true(cell(c, n, 5));
	snprintf(f->upstream, sizeof f->upstream, "%s", cell(c, n, 6));
	if (!standby) {
		f->repl = UPSTREAM_NONE;
		return 0;
	}
	f->repl = receives ? UPSTREAM_RUNS : UPSTREAM_STOPPED;
	f->timeline_late = !*cell(c, n, 3);
	f->timeline = (uint32_t)number(cell(c, n, f->timeline_late ? 9 : 3));
	if (receives && !*cell(c, n, 3) && !is_true(cell(c, n, 10)))
		snprintf(f->note, sizeof f->note,
			"%.60s may not see pg_stat_wal_receiver: GRANT pg_monitor TO %.60s",
			cell(c, n, 11), cell(c, n, 11));
	return 0;
}

static int my_read_slow(const char *const *c, unsigned n, struct cluster_facts *f, struct err *e)
{
	if (n != 5)
		return odd(e, n, 5);
	snprintf(f->server, sizeof f->server, "%s", cell(c, n, 0));
	bool configured = number(cell(c, n, 1)) > 0, runs = number(cell(c, n, 2)) > 0;
	f->repl = !configured ? UPSTREAM_NONE : runs ? UPSTREAM_RUNS : UPSTREAM_STOPPED;
	if (configured)
		snprintf(f->upstream, sizeof f->upstream, "%s", cell(c, n, 3));
	if (strcmp(cell(c, n, 4), "ON") != 0)
		snprintf(f->note, sizeof f->note, "gtid_mode is %s; it must be ON", cell(c, n, 4));
	return 0;
}

static int gr_read_slow(
	struct reading *r, const char *const *c, unsigned n, struct cluster_facts *f, struct err *e)
{
	if (n != 7)
		return odd(e, n, 7);
	const char *state = cell(c, n, 3);
	uint64_t all = number(cell(c, n, 5)), seen = number(cell(c, n, 6));
	snprintf(f->server, sizeof f->server, "%s", cell(c, n, 0));
	snprintf(f->system, sizeof f->system, "%s", cell(c, n, 1));
	f->member = strcmp(state, "ONLINE") == 0 ? MEMBER_IN : MEMBER_OUT;
	f->repl = f->member == MEMBER_IN ? UPSTREAM_RUNS : UPSTREAM_STOPPED;
	if (f->member == MEMBER_OUT)
		snprintf(f->note, sizeof f->note, "member state %s", *state ? state : "OFFLINE");
	snprintf(r->view, sizeof r->view, "%s", cell(c, n, 2));
	snprintf(r->primary, sizeof r->primary, "%s", cell(c, n, 4));
	r->majority = f->member == MEMBER_IN && seen * 2 > all;
	return 0;
}

/* SHOW SLAVE STATUS: a row per source; no row: it replicates from nobody. Columns by place, as
 * the documents list them: Master_Host 1, Master_Port 3, Slave_IO_Running 10, Slave_SQL_Running
 * 11. */
static int maria_read_slow(const char *const *c, unsigned n, struct cluster_facts *f, struct err *e)
{
	if (n < 12)
		return odd(e, n, 12);
	bool runs = is_true(cell(c, n, 10)) && is_true(cell(c, n, 11));
	f->repl = runs ? UPSTREAM_RUNS : UPSTREAM_STOPPED;
	snprintf(f->upstream, sizeof f->upstream, "%.50s:%.8s", cell(c, n, 1), cell(c, n, 3));
	return 0;
}

int facts_read_slow(struct reading *r, const char *const *cells, unsigned n,
	struct cluster_facts *f_r, struct err *e)
{
	r->rows++;
	switch (r->kind) {
	case CLUSTER_PG: return pg_read_slow(r, cells, n, f_r, e);
	case CLUSTER_MYSQL: return my_read_slow(cells, n, f_r, e);
	case CLUSTER_GR: return gr_read_slow(r, cells, n, f_r, e);
	case CLUSTER_MARIADB: return maria_read_slow(cells, n, f_r, e);
	case CLUSTER_GALERA: break; /* many rows make one answer: galera.c */
	}
	return err_set(e, ERR_UNSUPPORTED, "no such question for this kind of cluster");
}
