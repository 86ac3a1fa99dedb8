/* bench_classify - nanoseconds per statement and per 100 bytes of sql_classify(), for typical
 * texts. Prints one line per text: bytes, ns per call, ns per 100 bytes. Usage: bench_classify
 * [seconds]. One thread. */
#include "sql/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name, *text;
} texts[] = {
	{ "begin", "BEGIN" },
	{ "pgbench -S", "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;" },
	{ "pgbench update",
		"UPDATE pgbench_accounts SET abalance = abalance + -2345 WHERE aid = 81234;" },
	{ "set", "SET application_name TO 'billing'" },
	{ "orm select", "SELECT \"auth_user\".\"id\", \"auth_user\".\"password\", "
			"\"auth_user\".\"last_login\", "
			"\"auth_user\".\"is_superuser\", \"auth_user\".\"username\", "
			"\"auth_user\".\"first_name\" "
			"FROM \"auth_user\" WHERE (\"auth_user\".\"is_active\" AND "
			"\"auth_user\".\"id\" = $1) "
			"ORDER BY \"auth_user\".\"username\" ASC LIMIT 21" },
	{ "report", "WITH recent AS (SELECT o.customer_id, sum(o.total) AS total, count(*) AS n "
		    "FROM orders o "
		    "WHERE o.created_at > now() - interval '30 days' GROUP BY o.customer_id "
		    "HAVING count(*) > 3) "
		    "SELECT c.id, lower(c.email), coalesce(r.total, 0)::numeric(12,2), rank() "
		    "OVER (ORDER BY "
		    "r.total DESC) FROM customers c JOIN recent r ON r.customer_id = c.id LEFT "
		    "JOIN LATERAL "
		    "(SELECT max(l.at) AS seen FROM logins l WHERE l.customer_id = c.id) s ON "
		    "true WHERE "
		    "c.deleted_at IS NULL AND c.country IN ('DE', 'AT', 'CH') ORDER BY 4, c.id "
		    "LIMIT 100" },
	{ "insert of literals",
		"INSERT INTO events (id, kind, payload, at) VALUES (1, 'click', '{\"page\": "
		"\"/shop/item/4711\", "
		"\"referrer\": \"https://example.org/search?q=chair\", \"agent\": "
		"\"Mozilla/5.0 (X11)\"}', "
		"'2026-11-20 11:28:00+00'), (2, 'view', '{\"page\": \"/\"}', '2026-11-20 "
		"11:28:01+00')" },
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double ns_per_call(const char *text, size_t n, double seconds)
{
	struct sql_opts o = { &sql_dialect_pg, true, false, 18 };
	struct sql_stmt_info info;
	uint64_t calls = 0, sum = 0;
	double start = now_s(), spent;

	do {
		for (int i = 0; i < 1000; i++) {
			sql_classify(&o, text, n, &info);
			sum += info.flags;
		}
		calls += 1000;
		spent = now_s() - start;
	} while (spent < seconds);
	if (sum == 1)
		puts(""); /* the results are used */
	return spent * 1e9 / (double)calls;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;

	printf("%-20s %6s %10s %14s\n", "text", "bytes", "ns", "ns/100 bytes");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t n = strlen(texts[i].text);
		double ns = ns_per_call(texts[i].text, n, seconds);

		printf("%-20s %6zu %10.1f %14.1f\n", texts[i].name, n, ns, ns * 100 / (double)n);
	}
	return 0;
}
