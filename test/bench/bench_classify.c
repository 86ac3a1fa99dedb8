/* bench_classify - nanoseconds per statement and per 100 bytes of sql_classify(), sql_route_pg()
 * (both in one pass, with a set of danger names), sql_route_my() and sql_digest(), for typical
 * texts. Prints one line per text: bytes, ns per call, ns per 100 bytes. Usage: bench_classify
 * [seconds], or
 * bench_classify FUNCTION TEXT N: N calls of that one and nothing printed, for a profiler; or
 * bench_classify list: each FUNCTION, TEXT and its bytes. One thread. */
#include "sql/digest.h"
#include "sql/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* my: the text for MySQL where it is another. */
static const struct {
	const char *name, *text, *my;
} texts[] = {
	{ "begin", "BEGIN", NULL },
	{ "pgbench -S", "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;", NULL },
	{ "pgbench update",
		"UPDATE pgbench_accounts SET abalance = abalance + -2345 WHERE aid = 81234;",
		NULL },
	{ "set", "SET application_name TO 'billing'", "SET SESSION sql_mode = 'ANSI,TRADITIONAL'" },
	{ "orm select",
		"SELECT \"auth_user\".\"id\", \"auth_user\".\"password\", "
		"\"auth_user\".\"last_login\", "
		"\"auth_user\".\"is_superuser\", \"auth_user\".\"username\", "
		"\"auth_user\".\"first_name\" "
		"FROM \"auth_user\" WHERE (\"auth_user\".\"is_active\" AND "
		"\"auth_user\".\"id\" = $1) "
		"ORDER BY \"auth_user\".\"username\" ASC LIMIT 21",
		NULL },
	{ "report",
		"WITH recent AS (SELECT o.customer_id, sum(o.total) AS total, count(*) AS n "
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
		"LIMIT 100",
		NULL },
	{ "insert of literals",
		"INSERT INTO events (id, kind, payload, at) VALUES (1, 'click', '{\"page\": "
		"\"/shop/item/4711\", "
		"\"referrer\": \"https://example.org/search?q=chair\", \"agent\": "
		"\"Mozilla/5.0 (X11)\"}', "
		"'2026-11-20 11:28:00+00'), (2, 'view', '{\"page\": \"/\"}', '2026-11-20 "
		"11:28:01+00')",
		NULL },
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

enum job { JOB_CLASSIFY, JOB_ROUTE_PG, JOB_ROUTE_MY, JOB_DIGEST_PG, JOB_DIGEST_MY, JOB_N };

static const char *const job_names[JOB_N] = { "sql_classify", "sql_route_pg", "sql_route_my",
	"digest_pg", "digest_my" };

static struct sql_route_ctx ctx;

static const struct sql_my_opts my = { .charset = SQL_MY_CS_SAFE, .version = 90700 };

/* Functions of their own, so that a profiler can tell them apart. */
__attribute__((noinline)) static uint64_t digest_pg(const char *text, size_t n)
{
	static const struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = true };
	uint64_t digest = 0;

	(void)sql_digest(&lang, text, n, NULL, &digest);
	return digest;
}

__attribute__((noinline)) static uint64_t digest_my(const char *text, size_t n)
{
	static const struct sql_lang lang = { .my = &my };
	uint64_t digest = 0;

	(void)sql_digest(&lang, text, n, NULL, &digest);
	return digest;
}

static uint64_t one(enum job job, const char *text, size_t n)
{
	static const struct sql_opts o = { &sql_dialect_pg, true, false, 18 };
	struct sql_stmt_info info;
	struct sql_route r;

	switch (job) {
	case JOB_CLASSIFY: sql_classify(&o, text, n, &info); return info.flags;
	case JOB_ROUTE_PG: sql_route_pg(&o, &ctx, text, n, &info, &r); return r.at;
	case JOB_ROUTE_MY: sql_route_my(&my, &ctx, text, n, &r); return r.at;
	case JOB_DIGEST_PG: return digest_pg(text, n);
	case JOB_DIGEST_MY: return digest_my(text, n);
	case JOB_N: break;
	}
	return 0;
}

static const char *text_of(enum job job, size_t i)
{
	bool my_job = job == JOB_ROUTE_MY || job == JOB_DIGEST_MY;

	return my_job && texts[i].my != NULL ? texts[i].my : texts[i].text;
}

static double ns_per_call(enum job job, const char *text, size_t n, double seconds)
{
	uint64_t calls = 0, sum = 0;
	double start = now_s(), spent;

	do {
		for (int i = 0; i < 1000; i++)
			sum += one(job, text, n);
		calls += 1000;
		spent = now_s() - start;
	} while (spent < seconds);
	if (sum == 1)
		puts(""); /* the results are used */
	return spent * 1e9 / (double)calls;
}

static int only(const char *function, const char *name, const char *count)
{
	for (enum job job = 0; job < JOB_N; job++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			uint64_t sum = 0;

			if (strcmp(function, job_names[job]) != 0 ||
				strcmp(name, texts[i].name) != 0)
				continue;
			for (long n = strtol(count, NULL, 10); n > 0; n--)
				sum += one(job, text_of(job, i), strlen(text_of(job, i)));
			return sum == 1; /* the results are used */
		}
	return 2;
}

static void list(void)
{
	for (enum job job = 0; job < JOB_N; job++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			printf("%s\t%s\t%zu\n", job_names[job], texts[i].name,
				strlen(text_of(job, i)));
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.3;
	struct sql_names *names = sql_names_new(false);
	char name[32];

	for (int i = 0; names != NULL && i < 1000; i++) {
		int n = snprintf(name, sizeof(name), "danger_%d", i);

		if (!sql_names_add(names, name, (size_t)n, SQL_NAME_DANGER))
			return 1;
	}
	ctx.names = names;
	if (argc == 4)
		return only(argv[1], argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	printf("%-14s %-20s %6s %10s %14s\n", "function", "text", "bytes", "ns", "ns/100 bytes");
	for (enum job job = 0; job < JOB_N; job++) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			const char *text = text_of(job, i);
			size_t n = strlen(text);
			double ns = ns_per_call(job, text, n, seconds);

			printf("%-14s %-20s %6zu %10.1f %14.1f\n", job_names[job], texts[i].name, n,
				ns, ns * 100 / (double)n);
		}
	}
	sql_names_free(&names);
	return 0;
}
