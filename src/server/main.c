/* main - the command line: what to serve, or what to check. */
#include "server_int.h"

#include "conf/url.h"

#include <event2/event.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"weirpool: a pooling proxy in front of PostgreSQL, MySQL and MariaDB\n"
	"Usage: weirpool [OPTION]... CONFIG-FILE | postgres://user:secret@host/db |\n"
	"       mysql://user:secret@host/db\n"
	"       weirpool explain-route [OPTION]... < statements\n"
	"       weirpool probe [OPTION]... URL\n"
	"  -t, --test           check the configuration, print every mistake, and exit\n"
	"      --dump           print the effective configuration (no secrets) and exit\n"
	"  -d, --daemon         run in the background (needs pidfile, and logfile or syslog)\n"
	"  -u, --user=NAME      become this user after the sockets are open\n"
	"  -v, --verbose        more in the log (may be repeated)\n"
	"  -q, --quiet          nothing to stderr\n"
	"  -R, --reboot         accepted for PgBouncer's sake, does nothing\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"Signals: HUP reload, TERM drain, INT wait for servers, QUIT stop, USR1 pause,\n"
	"         USR2 resume.\n";

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
		case 'h': fputs(usage_text, stdout); return 1;
		default:
			fputs("Try 'weirpool --help'.\n", stderr);
			*code_r = 2;
			return 1;
		}
	}
	if (argc - optind != 1) {
		fputs(argc == optind ? "weirpool: a configuration file or a URL is needed\n"
				     : "weirpool: one configuration file or URL, not more\n",
			stderr);
		fputs(usage_text, stderr);
		*code_r = 2;
		return 1;
	}
	a->target = argv[optind];
	return 0;
}

static void print_msgs(const struct conf_msgs *m, const struct server_args *a)
{
	char line[1200];
	for (unsigned i = 0; i < m->n; i++)
		if (!a->quiet || m->list[i].level == CONF_ERROR)
			fprintf(stderr, "%s%s\n", m->list[i].level == CONF_ERROR ? "" : "warning: ",
				conf_msg_format(&m->list[i], line, sizeof line));
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

int main(int argc, char **argv)
{
	struct server_args a = { 0 };
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	int code;
	if (argc > 1 && strcmp(argv[1], "explain-route") == 0)
		return server_explain_route(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return server_watch(argc - 1, argv + 1);
	if (parse_args(argc, argv, &a, &code))
		return code;
	int r = conf_url_is(a.target) ? conf_url_load(a.target, &conf, &m)
				      : conf_load(a.target, &conf, &m);
	if (r == 0 && a.test)
		(void)!conf_check_files(conf, &m); /* what it finds is in m */
	struct core_gen *gen = r == 0 ? generation_build(conf, &m) : NULL;
	if (gen && m.errors_n) {
		gen_unref(gen);
		gen = NULL;
	}
	print_msgs(&m, &a);
	if (conf_url_is(a.target)) { /* it may hold a password: not for ps(1) */
		mem_wipe(argv[optind], strlen(argv[optind]));
		a.target = "the URL";
		a.is_url = true;
	}
	if (a.test && gen)
		printf("%s: ok (%u databases, %u users)\n", a.target, gen->conf->dbs_n,
			gen->conf->users_n);
	else if (!gen)
		fprintf(stderr, "weirpool: %u mistakes in the configuration\n", m.errors_n);
	conf_msgs_fini(&m);
	if (!gen)
		return 1;
	if (a.dump) {
		struct buf b;
		buf_init(&b, 0);
		conf_dump(gen->conf, &b);
		fwrite(buf_data(&b), 1, buf_len(&b), stdout);
		buf_fini(&b);
	}
	if (a.test || a.dump || check_daemon(gen->conf, &a) != 0) {
		code = a.test || a.dump ? 0 : 1;
		gen_unref(gen);
		return code;
	}
	return server_run(gen, &a);
}
