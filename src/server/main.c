/* main - the command line: what to serve, or what to check. */
#include "server_int.h"

#include "conf/places.h"
#include "conf/url.h"
#include "tool/tool.h"

#include <event2/event.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int completion(int argc, char **argv);

static const struct tool {
	struct tool_word word;
	int (*run)(int argc, char **argv);
} tools[] = {
	{ { "check", "a configuration, its servers, or the one that runs" }, server_check },
	{ { "completion", "what shells read to complete the command line" }, completion },
	{ { "convert", "pgbouncer.ini or proxysql.cnf to a configuration of weirpool" },
		tool_convert },
	{ { "doctor", "what will go wrong later: limits, certificates, secrets, pins" },
		server_doctor },
	{ { "explain", "what a code, a SQLSTATE or the name of an error means" },
		server_explain_code },
	{ { "explain-route", "which node may run each statement of standard input" },
		server_explain_route },
	{ { "hash", "a line for auth_file, from a password" }, tool_hash },
	{ { "probe", "what it would see of a cluster" }, server_watch },
	{ { "stat", "what a running weirpool does, in a few lines" }, tool_stat },
	{ { "top", "the same on a terminal, each second" }, tool_top },
};
#define TOOLS_N (sizeof tools / sizeof *tools)

static const char usage_text[] =
	"weirpool: a pooling proxy in front of PostgreSQL, MySQL and MariaDB\n"
	"Usage: weirpool [OPTION]... CONFIG-FILE\n"
	"       weirpool [OPTION]... postgres://user:secret@host/db...\n"
	"       weirpool [OPTION]... mysql://user:secret@host/db...\n"
	"       weirpool COMMAND [OPTION]..., where each COMMAND has a --help of its own:\n"
	"%s"
	"  -t, --test           check the configuration, print every mistake, and exit\n"
	"      --dump           print the effective configuration (no secrets) and exit\n"
	"  -d, --daemon         run in the background (needs pidfile, and logfile or syslog)\n"
	"  -u, --user=NAME      become this user after the sockets are open\n"
	"  -v, --verbose        more in the log (may be repeated)\n"
	"  -q, --quiet          nothing to stderr\n"
	"  -R, --reboot         accepted for PgBouncer's sake, does nothing\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"Every option of the configuration file is a flag, too (--pool-size=20), and a\n"
	"variable of the environment (WEIRPOOL_POOL_SIZE=20, or WEIRPOOL_POOL_SIZE_FILE\n"
	"with the name of a file). Without an argument it serves WEIRPOOL_CONFFILE,\n"
	"WEIRPOOL_URL (or _1, _2, ...) or DATABASE_URL.\n"
	"Signals: HUP reload, TERM drain, INT wait for servers, QUIT stop, USR1 pause,\n"
	"         USR2 resume.\n";

static void usage(FILE *to)
{
	char list[1000] = "";
	size_t at = 0;
	for (unsigned i = 0; i < TOOLS_N && at < sizeof list; i++)
		at += (size_t)snprintf(list + at, sizeof list - at, "  %-20s %s\n",
			tools[i].word.name, tools[i].word.help);
	fprintf(to, usage_text, list);
}

static const struct option longs[] = {
	{ "test", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, 'D' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "user", required_argument, NULL, 'u' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "reboot", no_argument, NULL, 'R' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Is arg one of longs, in a form that this one has? */
static bool is_long(const char *arg)
{
	size_t n = strcspn(arg + 2, "=");
	for (const struct option *o = longs; o->name; o++)
		if (strlen(o->name) == n && memcmp(arg + 2, o->name, n) == 0)
			return !arg[2 + n] || o->has_arg == required_argument;
	return false;
}

static int tell_unknown(const char *arg)
{
	const char *near = conf_places_nearest(arg);
	char name[80];
	size_t least = near ? opt_distance(arg + 2, near) : 3;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
	for (const struct option *o = longs; o->name; o++)
		if (opt_distance(name, o->name) < least) {
			least = opt_distance(name, o->name);
			near = o->name;
		}
	fprintf(stderr, "weirpool: unknown option --%s", name);
	if (near)
		fputs(", did you mean --", stderr);
	for (const char *c = near ? near : ""; *c; c++)
		fputc(*c == '_' ? '-' : *c, stderr);
	fputs(near ? "?\n" : "\n", stderr);
	return -1;
}

/* Options of the configuration, taken out of argv; getopt's stay. -1: one of them is wrong, and it
 * was told. */
static int take_flags(int *argc, char **argv, struct conf_places *p, struct conf_msgs *m)
{
	int to = 1, i = 1;
	for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		unsigned before = m->errors_n;
		if (strncmp(argv[i], "--", 2) != 0 || is_long(argv[i]))
			argv[to++] = argv[i];
		else if (!conf_places_flag(p, argv[i], m))
			return tell_unknown(argv[i]);
		else if (m->errors_n != before) {
			fprintf(stderr, "weirpool: %s has no value: %s=...\n", argv[i], argv[i]);
			return -1;
		}
	}
	while (i < *argc)
		argv[to++] = argv[i++];
	argv[to] = NULL;
	*argc = to;
	return 0;
}

static int parse_args(int argc, char **argv, struct server_args *a, int *code_r)
{
	int c;
	*code_r = 0;
	while ((c = getopt_long(argc, argv, "tdu:vqRVh", longs, NULL)) != -1) {
		switch (c) {
		case 't': a->test = true; break;
		case 'D': a->dump = true; break;
		case 'd': a->daemonize = true; break;
		case 'u': a->user = optarg; break;
		case 'v': a->verbose++; break;
		case 'q': a->quiet = true; break;
		case 'R': break;
		case 'V':
			printf("weirpool %s\nlibevent %s\n", PACKAGE_VERSION, event_get_version());
			return 1;
		case 'h': usage(stdout); return 1;
		default:
			fputs("Try 'weirpool --help'.\n", stderr);
			*code_r = 2;
			return 1;
		}
	}
	return 0;
}

/* A word that is no file: perhaps a tool. */
static bool suggest_tool(const char *word)
{
	const char *near = NULL;
	size_t least = 3;
	if (strpbrk(word, "/.") || access(word, F_OK) == 0)
		return false;
	for (unsigned i = 0; i < TOOLS_N; i++)
		if (opt_distance(word, tools[i].word.name) < least) {
			least = opt_distance(word, tools[i].word.name);
			near = tools[i].word.name;
		}
	if (near)
		fprintf(stderr, "weirpool: there is no file %s; did you mean weirpool %s?\n", word,
			near);
	return near != NULL;
}

/* What to serve: from the arguments, else what the environment said. 0, or -1 and told. */
static int take_target(
	int argc, char **argv, struct server_args *a, struct conf_places *p, struct conf_msgs *m)
{
	unsigned urls_n = 0;
	for (int i = optind; i < argc; i++)
		urls_n += conf_url_is(argv[i]);
	if (argc - optind > 1 && urls_n != (unsigned)(argc - optind)) {
		if (!suggest_tool(argv[optind]))
			fputs("weirpool: one configuration file, or URLs, not more\n"
			      "Try 'weirpool --help'.\n",
				stderr);
		return -1;
	}
	for (int i = optind; i < argc; i++) {
		bool is_url = conf_url_is(argv[i]);
		if (!is_url)
			(void)suggest_tool(argv[i]);
		conf_places_target(p, argv[i], m);
		if (is_url) /* it may hold a password: not for ps(1) */
			mem_wipe(argv[i], strlen(argv[i]));
	}
	a->is_url = !p->file;
	a->target = p->file ? p->file : p->urls_n ? p->urls[0].from : NULL;
	if (a->target && strncmp(a->target, "URL", 3) == 0)
		a->target = "the URL";
	if (a->target)
		return 0;
	fputs("weirpool: nothing to serve: a configuration file or a URL is needed, here or in "
	      "DATABASE_URL\nTry 'weirpool --help'.\n",
		stderr);
	return -1;
}

static void print_msgs(const struct conf_msgs *m, const struct server_args *a)
{
	char line[1200];
	for (unsigned i = 0; i < m->n; i++)
		if (!a->quiet || m->list[i].level == CONF_ERROR)
			fprintf(stderr, "%s\n", conf_msg_format(&m->list[i], line, sizeof line));
}

static int check_daemon(const struct conf *c, struct server_args *a)
{
	const struct conf_global *g = &c->global;
	if (a->daemonize && (!*g->pidfile || (!*g->logfile && !g->syslog))) {
		fputs("weirpool: --daemon needs the options pidfile, and logfile or syslog\n",
			stderr);
		return -1;
	}
	if (getuid() == 0 && a->is_url && !a->user)
		a->user = "nobody"; /* somebody who tries it: no file says who it shall be */
	if (getuid() == 0 && !a->test && !a->dump && !*g->user && !a->user) {
		fputs("weirpool: refusing to run as root: give --user=NAME or the option user\n",
			stderr);
		return -1;
	}
	return 0;
}

/* Loads and checks. NULL: every mistake was told. */
static struct core_gen *load(
	const struct conf_places *p, struct conf_msgs *m, const struct server_args *a)
{
	struct conf *conf = NULL;
	int r = conf_load_places(p, &conf, m);
	if (r == 0 && a->test)
		(void)!conf_check_files(conf, m); /* what it finds is in m */
	struct core_gen *gen = r == 0 ? generation_build(conf, m) : NULL;
	if (gen && m->errors_n) {
		gen_unref(gen);
		gen = NULL;
	}
	char sum[64];
	print_msgs(m, a);
	if (a->test && gen)
		printf("%s: ok (%s)\n", a->target, server_sum_of(gen, sum, sizeof sum));
	else if (!gen)
		fprintf(stderr, "weirpool: %u mistake%s in the configuration\n", m->errors_n,
			m->errors_n == 1 ? "" : "s");
	return gen;
}

static void dump(const struct conf *conf)
{
	struct buf b;
	buf_init(&b, 0);
	conf_dump(conf, &b);
	fwrite(buf_data(&b), 1, buf_len(&b), stdout);
	buf_fini(&b);
}

static int serve(struct conf_places *p, struct conf_msgs *m, struct server_args *a)
{
	struct core_gen *gen = load(p, m, a);
	conf_msgs_fini(m);
	if (!gen)
		return 1;
	if (a->dump)
		dump(gen->conf);
	if (a->test || a->dump || check_daemon(gen->conf, a) != 0) {
		gen_unref(gen);
		return a->test || a->dump ? 0 : 1;
	}
	return server_run(gen, a);
}

static int completion(int argc, char **argv)
{
	struct tool_word commands[TOOLS_N + 1] = { { NULL, NULL } };
	struct tool_word flags[sizeof longs / sizeof *longs] = { { NULL, NULL } };
	for (unsigned i = 0; i < TOOLS_N; i++)
		commands[i] = tools[i].word;
	for (unsigned i = 0; longs[i].name; i++)
		flags[i] = (struct tool_word){ longs[i].name, "" };
	return tool_completion(argc, argv, commands, flags);
}

static int run(int argc, char **argv, int upgrade_fd)
{
	struct server_args a = { .upgrade_fd = upgrade_fd };
	struct conf_places p = { 0 };
	struct conf_msgs m = { 0 };
	int code;
	for (unsigned i = 0; argc > 1 && i < TOOLS_N; i++)
		if (strcmp(argv[1], tools[i].word.name) == 0)
			return tools[i].run(argc - 1, argv + 1);
	conf_places_env(&p, environ, &m);
	if (take_flags(&argc, argv, &p, &m) != 0)
		code = 2;
	else if (!parse_args(argc, argv, &a, &code))
		code = take_target(argc, argv, &a, &p, &m) == 0 ? serve(&p, &m, &a) : 2;
	conf_msgs_fini(&m);
	conf_places_fini(&p);
	return code;
}

int main(int argc, char **argv)
{
	int fd = upgrade_begin_process(argc, argv);
	int code = run(argc, argv, fd);
	upgrade_end_process();
	return code;
}
