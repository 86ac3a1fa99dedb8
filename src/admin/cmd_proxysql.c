/* cmd_proxysql - ProxySQL's tables of statements, with its columns, from the statistics that SHOW
 * QUERIES shows: stats_mysql_query_digest, stats_mysql_commands_counters. Control thread. */
#include "proxysql_int.h"
#include "query_parts.h"
#include "show_int.h"

#include <ctype.h>

bool proxysql_may_reset(struct core_console *r)
{
	struct show_query *q = r->query;
	struct err *e = &r->result.err;
	if (q && q->is_select && show_fits(q, &r->result, e) == 0)
		return true;
	if (!err_is(e)) {
		err_set(e, ERR_SYNTAX, "what begins the counts anew is selected from");
		err_hint(e, "Use SELECT * FROM it, or the name without _reset.");
	}
	admin_refuse(r);
	return false;
}

static bool is_mysql(const struct query_row *q)
{
	return q->db && proxysql_is_mysql(q->db);
}

/* ---- stats_mysql_query_digest ---- */

/* There is one number for rows: what a statement that begins so has, it has returned. */
static bool returns_rows(const char *text)
{
	return !strncmp(text, "select", 6) || !strncmp(text, "show", 4) ||
	       !strncmp(text, "with", 4) || !strncmp(text, "explain", 7);
}

static void put_digest(struct rowset *rs, const struct query_row *q)
{
	if (!is_mysql(q))
		return;
	const uint64_t v[] = { q->n.calls, (uint64_t)q->n.first_us / 1000000,
		(uint64_t)q->n.last_us / 1000000, q->n.total_us, q->n.min_us, q->n.max_us,
		returns_rows(q->text) ? 0 : q->n.rows, returns_rows(q->text) ? q->n.rows : 0 };
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", PROXYSQL_WRITER);
	rowset_set(rs, row, 1, q->db->name);
	rowset_set(rs, row, 2, q->user->name);
	rowset_set(rs, row, 3, "");
	rowset_setf(rs, row, 4, "0x%016llX", (unsigned long long)q->digest);
	rowset_set(rs, row, 5, q->text);
	for (unsigned i = 0; i < sizeof v / sizeof *v; i++)
		admin_set_u64(rs, row, 6 + i, v[i]);
}

static void put_digests(struct rowset *rs, const struct query_rows *all)
{
	for (size_t i = 0; i < all->n; i++)
		put_digest(rs, &all->v[i]);
}

static void digest_cols(struct core_console *r)
{
	admin_cols(&r->result, "isssssqqqqqqqq",
		"hostgroup schemaname username client_address digest digest_text count_star "
		"first_seen last_seen sum_time min_time max_time sum_rows_affected sum_rows_sent");
}

void show_proxysql_digest(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	digest_cols(r);
	query_parts_ask(r, false, "SHOW", put_digests);
}

/* What is counted of PostgreSQL begins anew as well. */
void show_proxysql_digest_reset(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	digest_cols(r);
	if (proxysql_may_reset(r))
		query_parts_ask(r, true, "SHOW", put_digests);
}

/* ---- stats_mysql_commands_counters ---- */

/* ProxySQL's words for commands; a statement is the longest that it begins with. The last is for
 * all others. */
static const char *const commands[] = { "ALTER_TABLE", "ALTER_VIEW", "ANALYZE_TABLE", "BEGIN",
	"CALL", "CHANGE_MASTER", "COMMIT", "CREATE_DATABASE", "CREATE_INDEX", "CREATE_TABLE",
	"CREATE_TEMPORARY", "CREATE_TRIGGER", "CREATE_USER", "CREATE_VIEW", "DEALLOCATE", "DELETE",
	"DESCRIBE", "DROP_DATABASE", "DROP_INDEX", "DROP_TABLE", "DROP_TRIGGER", "DROP_USER",
	"DROP_VIEW", "GRANT", "EXECUTE", "EXPLAIN", "FLUSH", "INSERT", "KILL", "LOAD", "LOCK_TABLE",
	"OPTIMIZE", "PREPARE", "PURGE", "RELEASE_SAVEPOINT", "RENAME_TABLE", "RESET_MASTER",
	"RESET_SLAVE", "REPLACE", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT", "SELECT_FOR_UPDATE",
	"SET", "SHOW", "SHOW_TABLE_STATUS", "START_TRANSACTION", "TRUNCATE_TABLE", "UNLOCK_TABLES",
	"UPDATE", "USE", "UNKNOWN" };
#define COMMANDS_N (sizeof commands / sizeof *commands)

/* Does the normalised text begin with these words? */
static bool begins(const char *text, const char *command)
{
	for (; *command; command++, text++)
		if (*text != (*command == '_' ? ' ' : tolower((unsigned char)*command)))
			return false;
	return *text == ' ' || *text == '\0';
}

static bool ends(const char *text, const char *with)
{
	size_t n = strlen(text), m = strlen(with);
	return n >= m && strcmp(text + n - m, with) == 0;
}

static size_t command_of(const char *text)
{
	size_t best = COMMANDS_N - 1, best_n = 0;
	bool locks = begins(text, "SELECT") && ends(text, " for update");
	for (size_t i = 0; i < COMMANDS_N - 1; i++) {
		size_t n = strlen(commands[i]);
		bool fits = locks ? !strcmp(commands[i], "SELECT_FOR_UPDATE")
				  : begins(text, commands[i]);
		if (fits && n > best_n) {
			best = i;
			best_n = n;
		}
	}
	return best;
}

/* What had to make room has no text, and may be PostgreSQL's: it is not here. */
static void put_commands(struct rowset *rs, const struct query_rows *all)
{
	struct query_counts sum[COMMANDS_N] = { { 0 } };
	for (size_t i = 0; i < all->n; i++)
		if (is_mysql(&all->v[i]))
			query_counts_add(&sum[command_of(all->v[i].text)], &all->v[i].n);
	for (size_t i = 0; i < COMMANDS_N; i++) {
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, commands[i]);
		admin_set_u64(rs, row, 1, sum[i].total_us);
		admin_set_u64(rs, row, 2, sum[i].calls);
		for (unsigned b = 0; b < QUERY_BUCKETS; b++)
			admin_set_u64(rs, row, 3 + b, sum[i].bucket[b]);
	}
}

void show_proxysql_commands(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "sqqqqqqqqqqqqqq",
		"Command Total_Time_us Total_cnt cnt_100us cnt_500us cnt_1ms cnt_5ms cnt_10ms "
		"cnt_50ms cnt_100ms cnt_500ms cnt_1s cnt_5s cnt_10s cnt_INFs");
	if (!admin_conf(r)->global.query_stats) {
		err_set(&r->result.err, ERR_UNSUPPORTED, "nothing is counted of commands");
		err_hint(&r->result.err, "It is with query_stats = 1.");
		admin_refuse(r);
		return;
	}
	query_parts_ask(r, false, "SHOW", put_commands);
}
