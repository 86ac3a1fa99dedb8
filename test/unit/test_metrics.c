/* test_metrics - the tables of metrics and alerts, and what is made of them. */
#include "admin/metrics.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_ours(const char *name)
{
	return strncmp(name, "pgbouncer_", 10) != 0;
}

/* The conventions that promtool's lint asks for. */
Test(metrics, names_say_type_and_unit)
{
	for (unsigned i = 0; i < metric_table_n; i++) {
		const struct metric *m = &metric_table[i];
		for (const char *p = m->name; *p; p++)
			cr_expect(islower((unsigned char)*p) || *p == '_', "%s", m->name);
		cr_expect_eq(ends_in(m->name, "_total"), m->type == METRIC_COUNTER, "%s", m->name);
		cr_expect(!strstr(m->name, "_us") || strstr(m->name, "_use"), "%s", m->name);
		cr_expect(
			*m->help && !strchr(m->help, '\n') && !strchr(m->help, '|'), "%s", m->name);
		if (m->type == METRIC_HISTOGRAM)
			cr_expect(ends_in(m->name, "_seconds"), "%s", m->name);
	}
}

/* One TYPE and HELP for a name: its rows stand together and agree. */
Test(metrics, rows_of_a_name_stand_together)
{
	for (unsigned i = 0; i < metric_table_n; i++) {
		const struct metric *m = &metric_table[i];
		for (unsigned j = i + 1; j < metric_table_n; j++) {
			const struct metric *o = &metric_table[j];
			if (strcmp(m->name, o->name) != 0)
				continue;
			cr_expect_eq(strcmp(m->name, o[-1].name), 0, "%s", m->name);
			cr_expect(m->state && o->state && strcmp(m->state, o->state) != 0, "%s",
				m->name);
			cr_expect(m->type == o->type && m->scope == o->scope &&
					  !strcmp(m->help, o->help),
				"%s", m->name);
		}
	}
}

Test(metrics, no_value_is_given_out_twice_under_our_names)
{
	for (unsigned i = 0; i < metric_table_n; i++)
		for (unsigned j = i + 1; j < metric_table_n; j++) {
			const struct metric *m = &metric_table[i], *o = &metric_table[j];
			cr_expect(!is_ours(m->name) || m->scope != o->scope ||
					  m->value != o->value || m->type != o->type,
				"%s and %s", m->name, o->name);
		}
}

/* The metric that a word of PromQL means; NULL: none. */
static const struct metric *named(const char *word)
{
	for (unsigned i = 0; i < metric_table_n; i++) {
		const struct metric *m = &metric_table[i];
		size_t n = strlen(m->name);
		bool whole = strcmp(word, m->name) == 0;
		bool bucket = strncmp(word, m->name, n) == 0 && strcmp(word + n, "_bucket") == 0;
		if (m->type == METRIC_HISTOGRAM ? bucket : whole)
			return m;
	}
	return NULL;
}

/* Looks up each metric that text names; returns how many. */
static unsigned look_up(const char *text)
{
	unsigned n = 0;
	char word[128];
	for (const char *p = text; *p;) {
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
		if (len == 0) {
			p++;
			continue;
		}
		snprintf(word, sizeof word, "%.*s", (int)len, p);
		p += len;
		if (strncmp(word, "weirpool_", 9) != 0 && strncmp(word, "process_", 8) != 0)
			continue;
		cr_expect_not_null(named(word), "%s: there is no %s", text, word);
		n++;
	}
	return n;
}

Test(metrics, alerts_ask_for_what_there_is)
{
	for (unsigned i = 0; i < alert_table_n; i++) {
		const struct alert *a = &alert_table[i];
		cr_expect_gt(look_up(a->expr), 0, "%s", a->name);
		cr_expect(!strncmp(a->name, "Weirpool", 8) && *a->summary && *a->what_to_do);
		cr_expect(!strcmp(a->severity, "warning") || !strcmp(a->severity, "critical"));
		cr_expect(!strchr(a->summary, '|') && !strchr(a->what_to_do, '|'), "%s", a->name);
		for (unsigned j = 0; j < i; j++)
			cr_expect_str_neq(a->name, alert_table[j].name);
	}
}

/* What is generated names each metric of ours: none is forgotten. */
static void has_all(void (*make)(struct buf *), bool pgbouncers)
{
	struct buf out;
	buf_init(&out, 0);
	make(&out);
	buf_put_u8(&out, 0);
	cr_assert(!out.failed);
	for (unsigned i = 0; i < metric_table_n; i++)
		if (pgbouncers || is_ours(metric_table[i].name))
			cr_expect_not_null(strstr((char *)buf_data(&out), metric_table[i].name),
				"%s", metric_table[i].name);
	buf_fini(&out);
}

Test(metrics, every_metric_is_in_the_page_and_ours_in_the_dashboard)
{
	has_all(metrics_gen_markdown, true);
	has_all(metrics_gen_dashboard, false);
}

Test(metrics, filter)
{
	const struct metric *m = NULL;
	for (unsigned i = 0; i < metric_table_n; i++)
		if (!strcmp(metric_table[i].name, "weirpool_pool_size"))
			m = &metric_table[i];
	cr_assert_not_null(m);
	cr_expect(metric_wanted(m, NULL));
	cr_expect(metric_wanted(m, &(struct metric_filter){ .name = "", .scope = "" }));
	cr_expect(metric_wanted(m, &(struct metric_filter){ .name = "pool_si", .scope = "pool" }));
	cr_expect(!metric_wanted(m, &(struct metric_filter){ .scope = "node" }));
	cr_expect(!metric_wanted(m, &(struct metric_filter){ .name = "pool_sizes" }));
}
