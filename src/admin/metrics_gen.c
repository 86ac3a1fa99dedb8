/* metrics_gen - doc/metrics.md from the table of metrics, and the alert rules from the table of
 * alerts. Ignorant of values. Build time and tests. */
#include "admin/metrics.h"

#include "base/hist.h"

#include <string.h>

static const char *type_name(enum metric_type t)
{
	return t == METRIC_COUNTER ? "counter" : t == METRIC_GAUGE ? "gauge" : "histogram";
}

/* ---- doc/metrics.md ---- */

static const struct section {
	const char *scope, *title, *intro;
} sections[] = {
	{ "process", "The process",
		"The first six have the names that all Prometheus clients use." },
	{ "worker", "Workers", "One series for each thread that serves clients." },
	{ "client", "Clients", NULL },
	{ "database", "Databases", NULL },
	{ "pool", "Pools",
		"A pool is a database and the user at the server; in a cluster each node has pools "
		"of its own, and what waits for the cluster itself stands without `node`." },
	{ "route", "Routes",
		"Of databases in clusters: where requests went, and without `node` how many had to "
		"wait for one." },
	{ "query", "Statements",
		"Sums over what SHOW QUERIES tells of each; they grow with `query_stats` only, but "
		"for the last." },
	{ "rule", "Rules", NULL },
	{ "cluster", "Clusters", NULL },
	{ "node", "Nodes of clusters", NULL },
	{ "pgbouncer", "As pgbouncer_exporter names them",
		"For dashboards and alerts that were made for PgBouncer. `SHOW` with the same name "
		"tells what each value is." },
};

/* Labels of m and of the rows behind it, as `a`, `b`, `state` (x, y). */
static void put_labels(struct buf *out, const struct metric *m, unsigned n)
{
	const char *name = metric_scope_labels(m->scope);
	const char *sep = "";
	while (*name) {
		size_t len = strcspn(name, ",");
		buf_printf(out, "%s`%.*s`", sep, (int)len, name);
		name += len + (name[len] == ',');
		sep = ", ";
	}
	if (!m->state)
		return;
	size_t key = strcspn(m->state, "=");
	buf_printf(out, "%s`%.*s` (", sep, (int)key, m->state);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s%s", i ? ", " : "", m[i].state + key + 1);
	buf_puts(out, ")");
}

static void put_section(struct buf *out, const struct section *s)
{
	buf_printf(out, "\n## %s\n\nScope `%s`.%s%s\n\n", s->title, s->scope, s->intro ? " " : "",
		s->intro ? s->intro : "");
	buf_puts(out, "| metric | type | labels | what | also in |\n|---|---|---|---|---|\n");
	for (unsigned i = 0, n; i < metric_table_n; i += n) {
		const struct metric *m = &metric_table[i];
		for (n = 1; i + n < metric_table_n && strcmp(m->name, m[n].name) == 0;)
			n++;
		if (strcmp(metric_scope_name(m->scope), s->scope) != 0)
			continue;
		buf_printf(out, "| `%s` | %s | ", m->name, type_name(m->type));
		put_labels(out, m, n);
		buf_printf(out, " | %s | %s |\n", m->help, m->source ? m->source : "");
	}
}

void metrics_gen_markdown(struct buf *out)
{
	buf_puts(out,
		"# Metrics\n\n<!-- Made by weirpool-genmetrics from src/admin/metrics_table.c: "
		"change that, not this page. -->\n\nWhat weirpool tells of itself in Prometheus' "
		"text format. How to get at it, what to look at first, the dashboard and the "
		"alerts: [monitoring](monitoring.md).\n\nHistograms have the buckets");
	for (unsigned i = 0; i < HIST_BOUNDS; i++)
		buf_printf(out, "%s %.9g", i ? "," : "", (double)hist_bound_us[i] / 1e6);
	buf_puts(out, " (seconds) and `+Inf`.\n");
	for (unsigned i = 0; i < sizeof sections / sizeof *sections; i++)
		put_section(out, &sections[i]);
	buf_puts(out, "\n## Alerts\n\nThe rules of `etc/prometheus/weirpool-alerts.yml`.\n\n"
		      "| alert | severity | for | when | what to do |\n|---|---|---|---|---|\n");
	for (unsigned i = 0; i < alert_table_n; i++) {
		const struct alert *a = &alert_table[i];
		buf_printf(out, "| %s | %s | %s | %s | %s |\n", a->name, a->severity, a->wait,
			a->summary, a->what_to_do);
	}
}

/* ---- rules ---- */

/* 'text' of YAML. */
static void put_quoted(struct buf *out, const char *s)
{
	buf_puts(out, "'");
	for (; *s; s++)
		buf_append(out, *s == '\'' ? "''" : s, *s == '\'' ? 2 : 1);
	buf_puts(out, "'\n");
}

void metrics_gen_alerts(struct buf *out)
{
	buf_puts(out, "# Alerts for weirpool. Made by weirpool-genmetrics from "
		      "src/admin/metrics_alerts.c: change that, not this file.\n"
		      "groups:\n  - name: weirpool\n    rules:\n");
	for (unsigned i = 0; i < alert_table_n; i++) {
		const struct alert *a = &alert_table[i];
		buf_printf(out, "      - alert: %s\n        expr: ", a->name);
		put_quoted(out, a->expr);
		if (strcmp(a->wait, "0m") != 0)
			buf_printf(out, "        for: %s\n", a->wait);
		buf_printf(out,
			"        labels:\n          severity: %s\n        annotations:\n"
			"          summary: ",
			a->severity);
		put_quoted(out, a->summary);
		buf_puts(out, "          description: ");
		put_quoted(out, a->what_to_do);
	}
}
