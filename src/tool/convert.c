/* convert - weirpool convert FILE: a configuration of PgBouncer or ProxySQL as one of
 * weirpool's, on standard output; what has no counterpart, and why, on standard error and as
 * comments. This file has the command line and PgBouncer's half: its files are read as they are,
 * so that only the defaults have to be said that are weirpool's in another way. */
#include "convert_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u << 20)

static const char usage_text[] =
	"Usage: weirpool convert [--users=FILE] pgbouncer.ini | proxysql.cnf\n"
	"Prints a configuration of weirpool's that means the same. What has no counterpart,\n"
	"and why, is told on standard error and stands in comments.\n"
	"      --users=FILE     of proxysql.cnf: write the users and their secrets there, as an\n"
	"                       auth_file that only its owner can read; must not exist\n"
	"  -h, --help           print this\n";

static const struct option longs[] = {
	{ "users", required_argument, NULL, 'u' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

void convert_note(struct convert *c, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fprintf(stderr, "%s: %s\n", c->path, text);
	buf_printf(&c->out, "; %s\n", text);
	c->notes_n++;
}

/* ---- PgBouncer ---- */

/* What means something else here, or is not needed any more, although it is understood. */
static const struct {
	const char *option, *note;
} notes[] = {
	{ "so_reuseport", "several processes are not needed for several CPUs: see workers" },
	{ "server_reset_query_always",
		"not needed: in transaction mode the state of a session follows it, or pins it" },
	{ "track_extra_parameters", "not needed: all settings of a session are compared" },
	{ "ignore_startup_parameters",
		"not needed for what servers know: it is accepted and follows the client" },
};

/* PgBouncer knows no ${...}: these are two characters of a value. */
static void put_escaped(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && text[i] == '$' && text[i + 1] == '{')
			buf_puts(out, "$");
		buf_append(out, text + i, 1);
	}
}

static void note_options(struct convert *c, const struct conf *conf)
{
	struct conf_show s;
	for (unsigned i = 0; conf_show_next(conf, &i, &s);) {
		const struct opt *o = opt_find(s.key, OPT_GLOBAL);
		if (!s.src.file)
			continue;
		if (opt_is_idle(o))
			convert_note(c, "%s is left out: %s", s.key, o->help);
		for (unsigned k = 0; k < sizeof notes / sizeof *notes; k++)
			if (strcmp(notes[k].option, s.key) == 0)
				convert_note(c, "%s: %s", s.key, notes[k].note);
	}
}

int convert_pgbouncer(struct convert *c, const char *text, size_t n)
{
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	struct buf escaped;
	char line[1200];
	buf_init(&escaped, 2 * FILE_MAX_BYTES);
	put_escaped(&escaped, text, n);
	int rc = escaped.failed ? -1
				: conf_load_text(c->path, (const char *)buf_data(&escaped),
					  buf_len(&escaped), &conf, &m);
	for (unsigned i = 0; i < m.n; i++)
		fprintf(stderr, "%s\n", conf_msg_format(&m.list[i], line, sizeof line));
	if (rc == 0) {
		buf_printf(&c->out, "; made from %s by weirpool convert\n", c->path);
		note_options(c, conf);
		buf_puts(&c->out, "\n");
		conf_dump_ours(conf, &c->out);
		fprintf(stderr, "%s: %u databases, %u users, %u peers; %u notes\n", c->path,
			conf->dbs_n, conf->users_n, conf->peers_n, c->notes_n);
	}
	conf_free(&conf);
	conf_msgs_fini(&m);
	buf_wipe(&escaped);
	return rc;
}

/* ---- the command line ---- */

static int slurp(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	while (fd >= 0 && n > 0) {
		uint8_t *to = buf_reserve(out, 65536);
		n = to ? read(fd, to, 65536) : -1;
		if (to)
			buf_commit(out, n > 0 ? (size_t)n : 0);
		else
			errno = EFBIG;
	}
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return fd < 0 || n < 0 ? -1 : 0;
}

static bool is_proxysql(const char *path, const struct buf *text)
{
	static const char *const words[] = { "mysql_variables", "admin_variables", "mysql_servers",
		"pgsql_servers", "pgsql_variables" };
	size_t n = strlen(path);
	if (n > 4 && strcmp(path + n - 4, ".cnf") == 0)
		return true;
	for (unsigned i = 0; buf_len(text) && i < sizeof words / sizeof *words; i++)
		if (memmem(buf_data(text), buf_len(text), words[i], strlen(words[i])))
			return true;
	return false;
}

static int write_all(int fd, const struct buf *b)
{
	for (size_t at = 0; at < buf_len(b);) {
		ssize_t n = write(fd, buf_data(b) + at, buf_len(b) - at);
		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static int write_users(const struct convert *c)
{
	if (!c->users_path || !buf_len(&c->users))
		return 0;
	int fd = open(c->users_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = fd >= 0 ? write_all(fd, &c->users) : -1;
	if (rc != 0)
		tool_say("convert", "cannot write %s: %s", c->users_path, strerror(errno));
	if (fd >= 0 && close(fd) != 0)
		rc = -1;
	return rc;
}

static int convert(struct convert *c)
{
	struct buf text;
	int rc;
	buf_init(&text, FILE_MAX_BYTES);
	if (slurp(c->path, &text) != 0) {
		tool_say("convert", "cannot read %s: %s", c->path, strerror(errno));
		rc = -1;
	} else {
		const char *s = buf_len(&text) ? (const char *)buf_data(&text) : "";
		rc = is_proxysql(c->path, &text) ? convert_proxysql(c, s, buf_len(&text))
						 : convert_pgbouncer(c, s, buf_len(&text));
	}
	if (rc == 0)
		rc = write_users(c);
	if (rc == 0 && (c->out.failed || write_all(STDOUT_FILENO, &c->out) != 0)) {
		tool_say("convert", "cannot write: %s", strerror(errno));
		rc = -1;
	}
	buf_wipe(&text);
	return rc;
}

int tool_convert(int argc, char **argv)
{
	struct convert c = { .notes_n = 0 };
	int o;
	while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (o == 'h') {
			fputs(usage_text, stdout);
			return 0;
		} else if (o != 'u') {
			fputs(usage_text, stderr);
			return 2;
		}
		c.users_path = optarg;
	}
	if (argc - optind != 1) {
		fputs(usage_text, stderr);
		return 2;
	}
	c.path = argv[optind];
	buf_init(&c.out, 0);
	buf_init(&c.users, 0);
	int rc = convert(&c);
	buf_wipe(&c.out);
	buf_wipe(&c.users);
	return rc == 0 ? 0 : 1;
}
