/* metrics_dashboard - a Grafana dashboard from the table of metrics: on top what counts, in sums
 * over all pools; then a row for each scope, and in it a panel for each metric, so that none can be
 * forgotten. Ignorant of values. Build time and
 * tests. */
#include "admin/metrics.h"

#include <stdio.h>
#include <string.h>

enum { PANEL_W = 8, PANEL_H = 7, GRID_W = 24 };

struct board {
	struct buf *out;
	unsigned id, x, y;
	bool any; /* a panel stands before this one */
};

static const struct row {
	const char *scope, *title;
	bool folded; /* until somebody opens it: its queries are not asked before */
} rows[] = {
	{ NULL, "At a glance", false },
	{ "pool", "Pools", false },
	{ "client", "Clients", false },
	{ "database", "Databases", true },
	{ "cluster", "Clusters", true },
	{ "node", "Nodes", true },
	{ "worker", "Workers", true },
	{ "process", "Process", true },
	{ "route", "Routes", true },
	{ "query", "Statements", true },
	{ "rule", "Rules", true },
};

#define CHOSEN "{instance=~\"$instance\"}"
#define OF_POOL "sum by (instance, database, user, node) "
#define QUERY_TIME(q) \
	"histogram_quantile(" q ", sum by (instance, le) " \
	"(rate(weirpool_pool_query_duration_seconds_bucket" CHOSEN "[$__rate_interval])))"

/* One line for each weirpool, whatever the number of its pools. */
static const struct glance {
	const char *title, *help, *unit, *expr, *second; /* second: p99, where expr is p50 */
} glances[] = {
	{ "waiting clients", "Clients that wait for a server connection, of all pools.", "short",
		"sum by (instance) (weirpool_pool_clients_waiting" CHOSEN ")", NULL },
	{ "longest wait", "How long the first in the queue of the worst pool has waited.", "s",
		"max by (instance) (weirpool_pool_max_wait_seconds" CHOSEN ")", NULL },
	{ "fullest pool", "Server connections of the pool that is nearest to its limit.",
		"percentunit",
		"max by (instance) (" OF_POOL "(weirpool_pool_server_connections" CHOSEN
		") / " OF_POOL "(weirpool_pool_size" CHOSEN " > 0))",
		NULL },
	{ "transactions", "Transactions in a second, of all databases.", "ops",
		"sum by (instance) (rate(weirpool_database_transactions_total" CHOSEN
		"[$__rate_interval]))",
		NULL },
	{ "query time", "p50 and p99 of all pools.", "s", QUERY_TIME("0.5"), QUERY_TIME("0.99") },
	{ "clusters without writes", "Clusters whose writes are held or refused.", "short",
		"sum by (instance) (weirpool_cluster_writes_open" CHOSEN " == bool 0)", NULL },
};

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

/* Grafana's name of the unit that the metric's name tells. */
static const char *unit_of(const struct metric *m)
{
	if (m->type == METRIC_HISTOGRAM)
		return "s";
	if (m->type == METRIC_COUNTER)
		return ends_in(m->name, "_bytes_total")     ? "Bps"
		       : ends_in(m->name, "_seconds_total") ? "percentunit"
							    : "ops";
	return ends_in(m->name, "_timestamp_seconds") || ends_in(m->name, "start_time_seconds")
		       ? "dateTimeFromNow"
	       : ends_in(m->name, "_seconds") ? "s"
	       : ends_in(m->name, "_bytes")   ? "bytes"
					      : "short";
}

/* A string of JSON. */
static void put_text(struct buf *out, const char *s)
{
	buf_puts(out, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_puts(out, "\\");
		buf_append(out, s, 1);
	}
	buf_puts(out, "\"");
}

/* What tells the lines of a panel apart: {{database}} {{user}} */
static void put_legend(struct buf *out, const struct metric *m, const char *first)
{
	const char *name = metric_scope_labels(m->scope);
	const char *sep = *first ? " " : "";
	buf_printf(out, "\"legendFormat\": \"%s", first);
	while (*name) {
		size_t n = strcspn(name, ",");
		buf_printf(out, "%s{{%.*s}}", sep, (int)n, name);
		name += n + (name[n] == ',');
		sep = " ";
	}
	if (m->state)
		buf_printf(out, "%s{{%.*s}}", sep, (int)strcspn(m->state, "="), m->state);
	buf_puts(out, "\"");
}

static void put_query(struct buf *out, const char *expr, const char *ref)
{
	buf_puts(out, "        { \"refId\": ");
	put_text(out, ref);
	buf_puts(out, ", \"datasource\": { \"type\": \"prometheus\", \"uid\": \"${datasource}\" }, "
		      "\"expr\": ");
	put_text(out, expr);
	buf_puts(out, ", ");
}

static void put_target(struct buf *out, const struct metric *m, const char *expr, const char *ref,
	const char *legend)
{
	put_query(out, expr, ref);
	put_legend(out, m, legend);
	buf_puts(out, " }");
}

static void put_targets(struct buf *out, const struct metric *m)
{
	char expr[512], by[128];
	const char *labels = metric_scope_labels(m->scope);
	snprintf(by, sizeof by, "%s%s", labels, *labels ? ", " : "");
	if (m->type != METRIC_HISTOGRAM) {
		bool rate = m->type == METRIC_COUNTER;
		snprintf(expr, sizeof expr, "%s%s" CHOSEN "%s", rate ? "rate(" : "", m->name,
			rate ? "[$__rate_interval])" : "");
		put_target(out, m, expr, "A", "");
		return;
	}
	static const struct {
		const char *ref, *q, *legend;
	} quantiles[] = { { "A", "0.5", "p50" }, { "B", "0.99", "p99" } };
	for (unsigned i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
		snprintf(expr, sizeof expr,
			"histogram_quantile(%s, sum by (%sle) (rate(%s_bucket" CHOSEN
			"[$__rate_interval])))",
			quantiles[i].q, by, m->name);
		buf_puts(out, i ? ",\n" : "");
		put_target(out, m, expr, quantiles[i].ref, quantiles[i].legend);
	}
}

/* "weirpool_pool_max_wait_seconds" without what all have in common */
static const char *title_of(const struct metric *m)
{
	return strncmp(m->name, "weirpool_", 9) == 0 ? m->name + 9 : m->name;
}

/* All of it but its queries, which stand between the two. */
static void begin_panel(struct board *b, const char *title, const char *help, const char *unit)
{
	struct buf *out = b->out;
	buf_printf(out,
		"%s    {\n      \"id\": %u,\n      \"type\": \"timeseries\",\n      \"title\": ",
		b->any ? ",\n" : "", b->id++);
	put_text(out, title);
	buf_puts(out, ",\n      \"description\": ");
	put_text(out, help);
	buf_printf(out,
		",\n      \"gridPos\": { \"x\": %u, \"y\": %u, \"w\": %d, \"h\": %d },\n"
		"      \"datasource\": { \"type\": \"prometheus\", \"uid\": \"${datasource}\" },\n"
		"      \"fieldConfig\": { \"defaults\": { \"unit\": \"%s\", \"min\": 0 }, "
		"\"overrides\": [] },\n      \"targets\": [\n",
		b->x, b->y, PANEL_W, PANEL_H, unit);
}

static void end_panel(struct board *b)
{
	buf_puts(b->out, "\n      ]\n    }");
	b->any = true;
	b->x += PANEL_W;
	if (b->x >= GRID_W) {
		b->x = 0;
		b->y += PANEL_H;
	}
}

static void put_panel(struct board *b, const struct metric *m)
{
	begin_panel(b, title_of(m), m->help, unit_of(m));
	put_targets(b->out, m);
	end_panel(b);
}

static void put_glances(struct board *b)
{
	for (unsigned i = 0; i < sizeof glances / sizeof *glances; i++) {
		const struct glance *g = &glances[i];
		begin_panel(b, g->title, g->help, g->unit);
		put_query(b->out, g->expr, "A");
		buf_printf(
			b->out, "\"legendFormat\": \"%s{{instance}}\" }", g->second ? "p50 " : "");
		if (g->second) {
			buf_puts(b->out, ",\n");
			put_query(b->out, g->second, "B");
			buf_puts(b->out, "\"legendFormat\": \"p99 {{instance}}\" }");
		}
		end_panel(b);
	}
}

static void put_panels(struct board *b, const char *scope)
{
	for (unsigned i = 0, n; i < metric_table_n; i += n) {
		const struct metric *m = &metric_table[i];
		for (n = 1; i + n < metric_table_n && strcmp(m->name, m[n].name) == 0;)
			n++;
		if (strcmp(metric_scope_name(m->scope), scope) == 0)
			put_panel(b, m);
	}
}

/* The panels of a folded row stand in it, those of an open one behind it. */
static void put_row(struct board *b, const struct row *r)
{
	if (b->x)
		b->y += PANEL_H;
	b->x = 0;
	buf_printf(b->out,
		"%s    {\n      \"id\": %u,\n      \"type\": \"row\",\n      \"title\": \"%s\",\n"
		"      \"collapsed\": %s,\n"
		"      \"gridPos\": { \"x\": 0, \"y\": %u, \"w\": %d, \"h\": 1 },\n"
		"      \"panels\": [",
		b->any ? ",\n" : "", b->id++, r->title, r->folded ? "true" : "false", b->y, GRID_W);
	b->y++;
	b->any = false;
	if (r->folded) {
		buf_puts(b->out, "\n");
		put_panels(b, r->scope);
		buf_puts(b->out, "\n      ");
	}
	buf_puts(b->out, "]\n    }");
	b->any = true;
	if (!r->scope)
		put_glances(b);
	else if (!r->folded)
		put_panels(b, r->scope);
}

void metrics_gen_dashboard(struct buf *out)
{
	struct board b = { .out = out, .id = 1 };
	buf_puts(out,
		"{\n  \"title\": \"weirpool\",\n  \"uid\": \"weirpool\",\n"
		"  \"description\": \"Made by weirpool-genmetrics from the table of metrics.\",\n"
		"  \"tags\": [\"weirpool\"],\n  \"schemaVersion\": 38,\n  \"editable\": true,\n"
		"  \"graphTooltip\": 1,\n  \"refresh\": \"30s\",\n"
		"  \"time\": { \"from\": \"now-1h\", \"to\": \"now\" },\n"
		"  \"templating\": {\n    \"list\": [\n"
		"      { \"name\": \"datasource\", \"type\": \"datasource\", "
		"\"query\": \"prometheus\" "
		"},\n"
		"      { \"name\": \"instance\", \"type\": \"query\", \"label\": \"instance\",\n"
		"        \"datasource\": { \"type\": \"prometheus\", "
		"\"uid\": \"${datasource}\" },\n"
		"        \"query\": \"label_values(weirpool_build_info, instance)\", "
		"\"refresh\": 2,\n"
		"        \"multi\": true, \"includeAll\": true,\n"
		"        \"current\": { \"text\": \"All\", \"value\": \"$__all\" } }\n"
		"    ]\n  },\n  \"panels\": [\n");
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		put_row(&b, &rows[i]);
	buf_puts(out, "\n  ]\n}\n");
}
