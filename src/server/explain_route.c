/* explain_route - weirpool explain-route: statements on standard input; on standard output, which
 * node may run each. Connects nowhere unless --dsn is given. One thread. */
#include "server_int.h"

#include "sql/digest.h"
#include "sql/route.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: weirpool explain-route [OPTION]... < statements\n"
	"  -p, --protocol=NAME  postgres (default) or mysql\n"
	"      --dsn=URL        read the names that are not for a replica from this server\n"
	"  -c KEY=VALUE         what a verdict depends on (may be repeated):\n"
	"                       tx=none|rw|ro, default_transaction_read_only=on|off,\n"
	"                       server_version=N,\n"
	"                       postgres: standard_conforming_strings=on|off,\n"
	"                       client_encoding=NAME, default_transaction_isolation=LEVEL\n"
	"                       mysql: flavor=mysql|mariadb, sql_mode=LIST, autocommit=0|1,\n"
	"                       character_set_client=NAME, database=NAME\n"
	"      --digest         print digests and what they are of, in place of verdicts\n"
	"  -0, --null           statements end with NUL, not with a newline\n"
	"  -h, --help           print this\n"
	"Prints one line for each: replica|primary|track|pin|reject TAB reason, or\n"
	"with --digest 16 digits (- for what cannot be read) TAB normal form\n";

struct er {
	bool mysql, null, digest, protocol_given, version_given, flavor_given;
	char *dsn;
	struct sql_opts pg;
	struct sql_my_opts my;
	struct sql_route_ctx ctx;
	struct sql_names *names;
};

static bool is(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

static bool read_bool(const char *v, bool *r)
{
	if (is(v, "on") || is(v, "1") || is(v, "true") || is(v, "yes"))
		*r = true;
	else if (is(v, "off") || is(v, "0") || is(v, "false") || is(v, "no"))
		*r = false;
	else
		return false;
	return true;
}

static bool read_tx(const char *v, enum sql_route_tx *r)
{
	if (is(v, "none"))
		*r = SQL_ROUTE_TX_NONE;
	else if (is(v, "rw"))
		*r = SQL_ROUTE_TX_RW;
	else if (is(v, "ro"))
		*r = SQL_ROUTE_TX_RO;
	else
		return false;
	return true;
}

static bool read_isolation(const char *v, bool *serializable)
{
	*serializable = is(v, "serializable");
	return *serializable || is(v, "read committed") || is(v, "repeatable read") ||
	       is(v, "read uncommitted");
}

/* 18, 18.6, 15.20; 9.7, 9.7.4, 10.11.19 */
static bool read_version(struct er *e, const char *v)
{
	uint64_t part[3] = { 0, 0, 0 };
	unsigned n = 0;

	for (; n < 3 && *v; n++) {
		size_t digits = strspn(v, "0123456789");

		if (digits == 0 || (v[digits] && v[digits] != '.'))
			return false;
		if (num_u64n(v, digits, 0, 999, &part[n]) != 0)
			return false;
		v += digits + (v[digits] == '.');
	}
	if (n == 0 || *v)
		return false;
	e->version_given = true;
	e->pg.server_major = (unsigned)part[0];
	e->my.version = (unsigned)(part[0] * 10000 + part[1] * 100 + part[2]);
	return true;
}

static bool read_flavor(struct er *e, const char *v)
{
	e->flavor_given = true;
	e->my.mariadb = is(v, "mariadb");
	return e->my.mariadb || is(v, "mysql");
}

/* Names that the lexer's modes do not depend on are as good as any. */
static bool read_sql_mode(struct er *e, const char *v)
{
	static const char *const known[] = { "ALLOW_INVALID_DATES", "ANSI", "ANSI_QUOTES", "DB2",
		"EMPTY_STRING_IS_NULL", "ERROR_FOR_DIVISION_BY_ZERO", "HIGH_NOT_PRECEDENCE",
		"IGNORE_BAD_TABLE_OPTIONS", "IGNORE_SPACE", "MAXDB", "MSSQL", "MYSQL323", "MYSQL40",
		"NO_AUTO_CREATE_USER", "NO_AUTO_VALUE_ON_ZERO", "NO_BACKSLASH_ESCAPES",
		"NO_DIR_IN_CREATE", "NO_ENGINE_SUBSTITUTION", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS",
		"NO_TABLE_OPTIONS", "NO_UNSIGNED_SUBTRACTION", "NO_ZERO_DATE", "NO_ZERO_IN_DATE",
		"ONLY_FULL_GROUP_BY", "ORACLE", "PAD_CHAR_TO_FULL_LENGTH", "PIPES_AS_CONCAT",
		"POSTGRESQL", "REAL_AS_FLOAT", "SIMULTANEOUS_ASSIGNMENT", "STRICT_ALL_TABLES",
		"STRICT_TRANS_TABLES", "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL",
		"TRADITIONAL", "" };
	const char *p = v;

	for (;;) {
		size_t n = strcspn(p, ","), i = 0;

		while (i < sizeof known / sizeof known[0] &&
			(strlen(known[i]) != n || strncasecmp(known[i], p, n) != 0))
			i++;
		if (i == sizeof known / sizeof known[0])
			return false;
		if (!p[n])
			break;
		p += n + 1;
	}
	e->my.mode = sql_my_mode(v, strlen(v));
	return true;
}

static bool read_client_encoding(struct er *e, const char *v)
{
	static const char *const unsafe[] = { "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB",
		"SHIFT_JIS_2004" };

	e->pg.unsafe_encoding = false;
	for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++)
		e->pg.unsafe_encoding |= is(v, unsafe[i]);
	return *v != '\0';
}

static bool read_autocommit(struct er *e, const char *v)
{
	bool on;

	if (!read_bool(v, &on))
		return false;
	e->ctx.autocommit_off = !on;
	return true;
}

static bool set_value(struct er *e, const char *key, const char *v, bool *known)
{
	*known = true;
	if (is(key, "standard_conforming_strings"))
		return read_bool(v, &e->pg.standard_conforming_strings);
	if (is(key, "client_encoding"))
		return read_client_encoding(e, v);
	if (is(key, "default_transaction_read_only") || is(key, "transaction_read_only"))
		return read_bool(v, &e->ctx.read_only);
	if (is(key, "default_transaction_isolation"))
		return read_isolation(v, &e->ctx.serializable);
	if (is(key, "tx"))
		return read_tx(v, &e->ctx.tx);
	if (is(key, "server_version"))
		return read_version(e, v);
	if (is(key, "sql_mode"))
		return read_sql_mode(e, v);
	if (is(key, "flavor"))
		return read_flavor(e, v);
	if (is(key, "autocommit"))
		return read_autocommit(e, v);
	if (is(key, "character_set_client")) {
		e->my.charset = sql_my_charset(v, strlen(v));
		return e->my.charset != SQL_MY_CS_UNKNOWN;
	}
	if (is(key, "database")) {
		e->ctx.server_schema = sql_route_my_is_server_schema(v, strlen(v));
		return true;
	}
	*known = false;
	return false;
}

static int read_key(struct er *e, char *arg)
{
	char *eq = strchr(arg, '=');
	bool known;

	if (eq == NULL) {
		fprintf(stderr, "weirpool: explain-route: -c %s: KEY=VALUE is needed\n", arg);
		return -1;
	}
	*eq = '\0';
	if (set_value(e, arg, eq + 1, &known))
		return 0;
	if (known)
		fprintf(stderr, "weirpool: explain-route: -c %s: no such value: %s\n", arg, eq + 1);
	else
		fprintf(stderr,
			"weirpool: explain-route: -c %s: no such key; 'weirpool explain-route "
			"--help' lists them\n",
			arg);
	return -1;
}

static int read_protocol(struct er *e, const char *v)
{
	e->protocol_given = true;
	e->mysql = is(v, "mysql") || is(v, "mariadb");
	if (is(v, "mariadb"))
		e->my.mariadb = true;
	if (e->mysql || is(v, "postgres") || is(v, "postgresql"))
		return 0;
	fprintf(stderr, "weirpool: explain-route: --protocol %s: postgres or mysql\n", v);
	return -1;
}

/* The URL says which protocol, if nothing else does. It may hold a password: not for ps(1). */
static int take_dsn(struct er *e, char *arg)
{
	bool mysql = strncmp(arg, "mysql://", 8) == 0 || strncmp(arg, "mariadb://", 10) == 0;
	bool pg = strncmp(arg, "postgres://", 11) == 0 || strncmp(arg, "postgresql://", 13) == 0;

	if (!mysql && !pg) {
		fputs("weirpool: explain-route: --dsn: a URL is needed, postgres://... or "
		      "mysql://...\n",
			stderr);
		return -1;
	}
	if (e->protocol_given && e->mysql != mysql) {
		fputs("weirpool: explain-route: --dsn is a URL of the other protocol\n", stderr);
		return -1;
	}
	e->mysql = mysql;
	e->dsn = mem_strdup(MEM_MISC, arg);
	mem_wipe(arg, strlen(arg));
	return e->dsn != NULL ? 0 : -1;
}

/* 0: go on; 1: end with *code_r */
static int parse_args(struct er *e, int argc, char **argv, int *code_r)
{
	static const struct option longs[] = {
		{ "protocol", required_argument, NULL, 'p' },
		{ "dsn", required_argument, NULL, 'D' },
		{ "digest", no_argument, NULL, 'G' },
		{ "null", no_argument, NULL, '0' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *dsn = NULL;
	int c;

	*code_r = 2;
	while ((c = getopt_long(argc, argv, "p:c:0h", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (read_protocol(e, optarg) != 0)
				return 1;
			break;
		case 'D': dsn = optarg; break;
		case 'c':
			if (read_key(e, optarg) != 0)
				return 1;
			break;
		case 'G': e->digest = true; break;
		case '0': e->null = true; break;
		case 'h':
			fputs(usage_text, stdout);
			*code_r = 0;
			return 1;
		default: fputs("Try 'weirpool explain-route --help'.\n", stderr); return 1;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "weirpool: explain-route: unexpected argument: %s\n", argv[optind]);
		return 1;
	}
	return dsn != NULL && take_dsn(e, dsn) != 0;
}

static void print_digest(const struct er *e, const char *text, size_t n)
{
	struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = e->pg.standard_conforming_strings };
	char digits[SQL_DIGEST_CHARS + 1] = "-";
	uint64_t digest;
	struct buf normal;

	struct sql_my_opts as_code = e->my; /* as rules read it */
	as_code.code = SQL_MY_CODE_ALL;
	if (e->mysql)
		lang = (struct sql_lang){ .my = &as_code };
	buf_init(&normal, 0);
	if (sql_digest(&lang, text, n, &normal, &digest))
		sql_digest_put(digest, digits);
	else
		buf_consume(&normal, buf_len(&normal));
	printf("%s\t%.*s\n", digits, (int)buf_len(&normal),
		buf_len(&normal) ? (const char *)buf_data(&normal) : "");
	buf_fini(&normal);
}

static void explain(const struct er *e, const char *text, size_t n)
{
	struct sql_route r;

	if (e->digest) {
		print_digest(e, text, n);
		return;
	}
	if (e->mysql)
		sql_route_my(&e->my, &e->ctx, text, n, &r);
	else
		sql_route_pg(&e->pg, &e->ctx, text, n, NULL, &r);
	printf("%s\t%s\n", sql_route_verdict_name(r.verdict), r.reason);
}

/* Each complete statement of what was read. At the end of the input what is left is one, too. */
static void explain_read(const struct er *e, struct buf *b, bool at_end)
{
	int end = e->null ? '\0' : '\n';

	while (buf_len(b) > 0) {
		const char *text = (const char *)buf_data(b);
		const char *stop = memchr(text, end, buf_len(b));

		if (stop == NULL && !at_end)
			return;
		size_t n = stop != NULL ? (size_t)(stop - text) : buf_len(b);

		explain(e, text, n);
		buf_consume(b, n + (stop != NULL));
	}
}

static int explain_all(const struct er *e)
{
	struct buf b;
	ssize_t got;

	buf_init(&b, 0);
	do {
		uint8_t *room = buf_reserve(&b, 65536);

		got = room != NULL ? read(STDIN_FILENO, room, 65536) : -1;
		buf_commit(&b, got > 0 ? (size_t)got : 0);
		explain_read(e, &b, got == 0);
		fflush(stdout);
	} while (got > 0);
	buf_fini(&b);
	if (got == 0 && !ferror(stdout))
		return 0;
	perror("weirpool: explain-route");
	return 1;
}

static int read_names_my(struct er *e, struct err *err)
{
	struct sql_my_opts found = e->my;

	if (names_read_my(e->dsn, false, &e->names, &found, err) != 0)
		return -1;
	if (!e->flavor_given)
		e->my.mariadb = found.mariadb;
	if (!e->version_given)
		e->my.version = found.version;
	return 0;
}

static int read_names(struct er *e)
{
	struct err err = { 0 };
	unsigned major = e->pg.server_major;
	int code = e->mysql ? read_names_my(e, &err)
			    : names_read_pg(e->dsn, &e->names, &major, &err);

	if (!e->version_given)
		e->pg.server_major = major;
	if (code != 0)
		fprintf(stderr, "weirpool: explain-route: --dsn: %s\n", err.msg);
	return code;
}

int server_explain_route(int argc, char **argv)
{
	struct er e = { .pg = { &sql_dialect_pg, true, false, 18 },
		.my = { .multi_statements = true, .charset = SQL_MY_CS_SAFE } };
	int code;

	if (parse_args(&e, argc, argv, &code) != 0)
		return code;
	if (e.dsn != NULL && read_names(&e) != 0)
		return 1;
	if (e.my.version == 0)
		e.my.version = e.my.mariadb ? 101100 : 90700;
	e.ctx.names = e.names;
	code = explain_all(&e);
	sql_names_free(&e.names);
	mem_free(MEM_MISC, e.dsn);
	return code;
}
