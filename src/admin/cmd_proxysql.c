/* cmd_proxysql - stats_mysql_query_digest under ProxySQL's name and with its columns, for those who
 * come from there. Control thread. */
#include "admin_int.h"

#include "query_parts.h"

#include <string.h>
#include <strings.h>

/* There is one number for rows: what a statement that begins so has, it has returned. */
static bool returns_rows(const char *text)
{
	return !strncmp(text, "select", 6) || !strncmp(text, "show", 4) ||
	       !strncmp(text, "with", 4) || !strncmp(text, "explain", 7);
}

static void put_row(struct rowset *rs, const struct query_row *q)
{
	if (!q->db || strcmp(q->db->ops->name, "mysql") != 0)
		return;
	const uint64_t v[] = { q->n.calls, (uint64_t)q->n.first_us / 1000000,
		(uint64_t)q->n.last_us / 1000000, q->n.total_us, q->n.min_us, q->n.max_us,
		returns_rows(q->text) ? 0 : q->n.rows, returns_rows(q->text) ? q->n.rows : 0 };
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, "0");
	rowset_set(rs, row, 1, q->db->name);
	rowset_set(rs, row, 2, q->user->name);
	rowset_set(rs, row, 3, "");
	rowset_setf(rs, row, 4, "0x%016llX", (unsigned long long)q->digest);
	rowset_set(rs, row, 5, q->text);
	for (unsigned i = 0; i < sizeof v / sizeof *v; i++)
		rowset_setf(rs, row, 6 + i, "%llu", (unsigned long long)v[i]);
}

static void shown(struct scatter *s)
{
	query_parts_show(s, put_row);
}

void show_mysql_query_digest(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "isssssqqqqqqqq",
		"hostgroup schemaname username client_address digest digest_text count_star "
		"first_seen last_seen sum_time min_time max_time sum_rows_affected sum_rows_sent");
	admin_ask(r, &q, sizeof(struct query_rows), query_parts_each, shown);
}
