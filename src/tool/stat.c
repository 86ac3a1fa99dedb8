/* stat - weirpool stat: what a running weirpool does, in a few lines, or a line each N seconds. */
#include "tool_int.h"

#include "base/clock.h"
#include "base/num.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: weirpool stat [OPTION]... [CONFIG-FILE | URL of the console]\n"
	"What a running weirpool does: its pools, its clients, what it has done.\n"
	"      --watch=N        a line each N seconds, until it is interrupted\n"
	"      --count=N        of so many lines, and no more\n"
	"      --json           as JSON (with --watch: an object a line)\n"
	"  -h, --help           print this\n";

static const struct option longs[] = {
	{ "watch", required_argument, NULL, 'w' },
	{ "count", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* ---- samples, also top's ---- */

/* The console is a database as well, with its own clients: not counted. */
static bool is_console(const PGresult *r, int row)
{
	return conf_is_console(tool_cell(r, row, "database"));
}

static long long sum(const PGresult *r, const char *column)
{
	long long n = 0;
	for (int i = 0; i < PQntuples(r); i++)
		if (!is_console(r, i))
			n += tool_number(r, i, column);
	return n;
}

static int take_pools(PGconn *c, struct tool_sample *s)
{
	PGresult *r = tool_show(c, "SHOW POOLS");
	if (!r)
		return -1;
	s->clients = sum(r, "cl_active") + sum(r, "cl_waiting");
	s->waiting = sum(r, "cl_waiting");
	s->idle = sum(r, "sv_idle") + sum(r, "sv_used");
	s->servers = sum(r, "sv_active") + s->idle + sum(r, "sv_tested") + sum(r, "sv_login");
	s->maxwait_us = 0;
	for (int i = 0; i < PQntuples(r); i++) {
		long long us = tool_number(r, i, "maxwait") * 1000000 +
			       tool_number(r, i, "maxwait_us");
		s->maxwait_us = us > s->maxwait_us ? us : s->maxwait_us;
	}
	PQclear(r);
	return 0;
}

static int take_stats(PGconn *c, struct tool_sample *s)
{
	PGresult *r = tool_show(c, "SHOW STATS_TOTALS");
	if (!r)
		return -1;
	s->xacts = sum(r, "xact_count");
	s->queries = sum(r, "query_count");
	s->in_bytes = sum(r, "bytes_received");
	s->out_bytes = sum(r, "bytes_sent");
	s->xact_us = sum(r, "xact_time");
	s->query_us = sum(r, "query_time");
	s->wait_us = sum(r, "wait_time");
	PQclear(r);
	return 0;
}

static int take_rest(PGconn *c, struct tool_sample *s)
{
	PGresult *r = tool_show(c, "SHOW VERSION");
	snprintf(s->version, sizeof s->version, "%s", r ? tool_cell(r, 0, "version") : "");
	PQclear(r);
	r = tool_show(c, "SHOW STATE");
	for (int i = 0; r && i < PQntuples(r); i++)
		if (!strcmp(tool_cell(r, i, "value"), "yes"))
			snprintf(s->state, sizeof s->state, "%s", tool_cell(r, i, "key"));
	PQclear(r);
	r = tool_show(c, "SHOW PINS");
	s->pins = r ? PQntuples(r) : 0;
	PQclear(r);
	return *s->version ? 0 : -1;
}

int tool_sample(PGconn *c, struct tool_sample *s)
{
	*s = (struct tool_sample){ .at_s = (double)clock_mono_us() / 1e6 };
	return take_pools(c, s) != 0 || take_stats(c, s) != 0 ? -1 : take_rest(c, s);
}

struct tool_rate tool_rate(const struct tool_sample *was, const struct tool_sample *is)
{
	double s = is->at_s - was->at_s;
	double queries = (double)(is->queries - was->queries);
	double xacts = (double)(is->xacts - was->xacts);
	if (s <= 0 || queries < 0 || xacts < 0) /* another process answers now */
		return (struct tool_rate){ 0 };
	return (struct tool_rate){
		.xacts = xacts / s,
		.queries = queries / s,
		.in_bytes = (double)(is->in_bytes - was->in_bytes) / s,
		.out_bytes = (double)(is->out_bytes - was->out_bytes) / s,
		.query_ms = queries > 0 ? (double)(is->query_us - was->query_us) / queries / 1000
					: 0,
		.wait_ms = xacts > 0 ? (double)(is->wait_us - was->wait_us) / xacts / 1000 : 0,
	};
}

const char *tool_short(double v, char out[16])
{
	static const char units[] = " kMGTP";
	unsigned i = 0;
	for (; v >= 999.5 && i < 5; i++)
		v /= 1000;
	if (i == 0)
		snprintf(out, 16, "%.0f", v);
	else
		snprintf(out, 16, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[i]);
	return out;
}

/* ---- the tool ---- */

struct stat_args {
	int watch_s, count;
	bool json;
	struct tool_target target;
};

static void put_sample_json(struct buf *out, const struct tool_sample *s, const struct tool_rate *r)
{
	buf_puts(out, "\"version\": ");
	tool_json_text(out, s->version);
	buf_puts(out, ", \"state\": ");
	tool_json_text(out, s->state);
	buf_printf(out,
		", \"clients\": %lld, \"waiting\": %lld, \"servers\": %lld, "
		"\"servers_idle\": %lld, \"pins\": %lld, \"maxwait_us\": %lld, "
		"\"transactions\": %lld, \"queries\": %lld, "
		"\"bytes_received\": %lld, \"bytes_sent\": %lld",
		s->clients, s->waiting, s->servers, s->idle, s->pins, s->maxwait_us, s->xacts,
		s->queries, s->in_bytes, s->out_bytes);
	if (r)
		buf_printf(out,
			", \"transactions_per_s\": %.1f, \"queries_per_s\": %.1f, "
			"\"query_ms\": %.3f, \"wait_ms\": %.3f",
			r->xacts, r->queries, r->query_ms, r->wait_ms);
}

static void put_sample(struct buf *out, const struct tool_sample *s)
{
	char in[16], sent[16];
	buf_printf(out,
		"%s, %s: %lld clients (%lld wait, the longest for %.1f s; %lld are pinned), "
		"%lld server connections (%lld idle)\n",
		s->version, s->state, s->clients, s->waiting, (double)s->maxwait_us / 1e6, s->pins,
		s->servers, s->idle);
	buf_printf(out, "so far: %lld transactions, %lld queries, %s bytes received, %s sent\n",
		s->xacts, s->queries, tool_short((double)s->in_bytes, in),
		tool_short((double)s->out_bytes, sent));
}

static int flush(struct buf *out)
{
	bool ok = !out->failed && fwrite(buf_data(out), 1, buf_len(out), stdout) == buf_len(out) &&
		  fflush(stdout) == 0;
	buf_truncate(out, 0);
	return ok ? 0 : -1;
}

static int say_once(PGconn *c, const struct stat_args *a)
{
	const struct view_how how = { .sort = top_views[0].sort, .lines_n = 1000 };
	struct tool_sample s;
	struct buf out;
	PGresult *pools = NULL;
	int rc = tool_sample(c, &s);
	if (rc == 0 && (pools = tool_show(c, "SHOW POOLS")) == NULL)
		rc = -1;
	buf_init(&out, 0);
	if (rc == 0 && a->json) {
		buf_puts(&out, "{");
		put_sample_json(&out, &s, NULL);
		buf_puts(&out, ", \"pools\": ");
		tool_json_rows(&out, pools);
		buf_puts(&out, "}\n");
	} else if (rc == 0) {
		put_sample(&out, &s);
		buf_puts(&out, "\n");
		top_view_put(&out, &top_views[0], pools, &how);
	}
	PQclear(pools);
	if (rc == 0)
		rc = flush(&out);
	buf_fini(&out);
	return rc;
}

static void put_line(struct buf *out, const struct tool_sample *s, const struct tool_rate *r)
{
	char now[16], in[16], sent[16];
	time_t t = time(NULL);
	struct tm tm;
	strftime(now, sizeof now, "%H:%M:%S", localtime_r(&t, &tm));
	buf_printf(out, "%s %7lld %7lld %7lld %6lld %8.0f %8.0f %8.2f %8.2f %6s %6s\n", now,
		s->clients, s->waiting, s->servers, s->idle, r->xacts, r->queries, r->query_ms,
		r->wait_ms, tool_short(r->in_bytes, in), tool_short(r->out_bytes, sent));
}

static int watch(PGconn *c, const struct stat_args *a)
{
	struct tool_sample was, is;
	struct buf out;
	int rc = tool_sample(c, &was);
	buf_init(&out, 0);
	for (int i = 0; rc == 0 && (a->count == 0 || i < a->count); i++) {
		sleep((unsigned)a->watch_s);
		rc = tool_sample(c, &is);
		struct tool_rate r = tool_rate(&was, &is);
		if (a->json) {
			buf_puts(&out, "{");
			put_sample_json(&out, &is, &r);
			buf_puts(&out, "}\n");
		} else {
			if (i % 20 == 0)
				buf_puts(&out,
					"time     clients waiting servers   idle   xact/s  query/s "
					"query_ms  wait_ms   in/s  out/s\n");
			put_line(&out, &is, &r);
		}
		was = is;
		if (rc == 0)
			rc = flush(&out);
	}
	buf_fini(&out);
	return rc;
}

static int number(const char *text, int *v_r)
{
	int64_t v;
	if (num_i64(text, 1, 86400, &v) != 0) {
		tool_say("stat", "\"%s\" must be a number from 1 to 86400", text);
		return -1;
	}
	*v_r = (int)v;
	return 0;
}

static int parse(int argc, char **argv, struct stat_args *a, int *code_r)
{
	int c, rc = 0;
	*code_r = 2;
	while (rc == 0 && (c = getopt_long(argc, argv, "hw:n:j", longs, NULL)) != -1) {
		switch (c) {
		case 'w': rc = number(optarg, &a->watch_s); break;
		case 'n': rc = number(optarg, &a->count); break;
		case 'j': a->json = true; break;
		case 'h':
			fputs(usage_text, stdout);
			*code_r = 0;
			return -1;
		default: rc = -1;
		}
	}
	if (rc != 0 || argc - optind > 1) {
		fputs(usage_text, stderr);
		return -1;
	}
	if (a->count && !a->watch_s)
		a->watch_s = 1;
	a->target = (struct tool_target){ .name = "stat", .arg = argv[optind] };
	return 0;
}

static int run(PGconn *c, void *arg)
{
	const struct stat_args *a = arg;
	return a->watch_s ? watch(c, a) : say_once(c, a);
}

int tool_stat(int argc, char **argv)
{
	struct stat_args a = { 0 };
	int code;
	if (parse(argc, argv, &a, &code) != 0)
		return code;
	return tool_talk(&a.target, run, &a);
}
