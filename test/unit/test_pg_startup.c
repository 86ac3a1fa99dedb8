/* pg_startup: what a client's startup packet says: names, options, replication, versions, requests
 * for encryption, cancel keys; whole, byte by byte, and wrong in every way. */
#include "../../src/proto/pg_int.h"
#include "pg_peer.h"

#include <stdarg.h>

static struct proto_env *env;
static struct half c;

static void begin(void)
{
	half_init(&c, proto_pg.client_size);
	proto_pg.client_init(c.st, env, NULL, &c.out);
}
static void end(void)
{
	proto_pg.client_fini(c.st);
	half_fini(&c);
}
static void setup(void)
{
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	env = proto_pg.env_new(&o);
	begin();
}
static void teardown(void)
{
	end();
	proto_pg.env_free(env);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(pg_startup, .init = setup, .fini = teardown, .timeout = 60);

static void again(void)
{
	end();
	begin();
}

/* A packet of NULL-terminated pairs in c.in. */
static void packet(uint32_t version, ...)
{
	va_list ap;
	const char *k;
	size_t at = pgstartup_begin(&c.in, version);
	va_start(ap, version);
	while ((k = va_arg(ap, const char *)) != NULL)
		pgstartup_put_param(&c.in, k, va_arg(ap, const char *));
	va_end(ap);
	pgstartup_end(&c.in, at);
}
#define V30 PGSTARTUP_VERSION(3, 0)
#define V32 PGSTARTUP_VERSION(3, 2)
#define END (const char *)NULL

static struct pev step(void)
{
	struct pev ev = half_client(&c);
	if (ev.n)
		buf_consume(&c.in, ev.n);
	return ev;
}
static const struct proto_login *who(void)
{
	return proto_pg.client_login(c.st);
}
/* The settings as the running half gets them. */
static const struct varset *vars(void)
{
	const struct proto_proof none = { .kind = PROOF_NONE };
	cr_assert_eq(proto_pg.client_auth(c.st, &none, &c.out, &c.e), 0);
	cr_assert_eq(step().kind, PEV_AUTH_OK);
	return ((struct pg_client *)c.st)->start;
}

Test(pg_startup, names)
{
	packet(V30, "user", "alice", "database", "app", "application_name", "psql", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_str_eq(who()->user, "alice");
	cr_assert_str_eq(who()->database, "app");
	cr_assert_str_eq(who()->application_name, "psql");
	cr_assert(who()->database_given);
	cr_assert_eq(who()->replication, PROTO_REPL_NONE);
	cr_assert_eq(vars()->n, 1);
	again();
	packet(V30, "user", "alice", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_str_eq(who()->database, "alice");
	cr_assert_not(who()->database_given);
	cr_assert_str_eq(who()->application_name, "");
	cr_assert_null(vars());
	again();
	packet(V30, "user", "a", "database", "", "user", "b", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_str_eq(who()->user, "b", "the last one counts");
	cr_assert_str_eq(who()->database, "b");
}

Test(pg_startup, byte_by_byte_waits_and_consumes_nothing)
{
	packet(V30, "user", "alice", "DateStyle", "ISO", END);
	struct buf all = c.in;
	buf_init(&c.in, 0);
	for (size_t i = 0; i < buf_len(&all) - 1; i++) {
		buf_append(&c.in, buf_data(&all) + i, 1);
		struct pev ev = half_client(&c);
		cr_assert_eq(ev.kind, PEV_MORE);
		cr_assert_eq(ev.n, 0);
	}
	buf_append(&c.in, buf_data(&all) + buf_len(&all) - 1, 1);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_eq(buf_len(&c.in), 0);
	buf_fini(&all);
}

Test(pg_startup, long_names_are_cut_as_a_server_does)
{
	char name[9000];
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	packet(V30, "user", name, "database", "d", END); /* CVE-2012-4575 */
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_eq(strlen(who()->user), 63);
	again();
	packet(V30, "user", "u", "database", name, END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_eq(strlen(who()->database), 63);
	again();
	packet(V30, "user", name, END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_eq(strlen(who()->database), 63);
}

Test(pg_startup, missing_user)
{
	packet(V30, "database", "app", END);
	cr_assert_eq(step().kind, PEV_BAD);
	cr_assert_str_eq(err_sqlstate(&c.e), "28000");
	cr_assert_str_eq(c.e.msg, "no PostgreSQL user name specified in startup packet");
	again();
	packet(V30, "user", "", END);
	cr_assert_eq(step().kind, PEV_BAD);
	cr_assert_eq(step().kind, PEV_BAD, "and stays so");
}

static void options(const char *text, bool ok)
{
	again();
	packet(V30, "user", "u", "options", text, END);
	cr_assert_eq(step().kind, ok ? PEV_LOGIN : PEV_BAD, "[%s]: %s", text, c.e.msg);
}
static void option_is(const char *text, const char *name, const char *value)
{
	options(text, true);
	const char *v = varset_get(vars(), name);
	cr_assert(v && strcmp(v, value) == 0, "[%s]: %s is %s", text, name, v ? v : "missing");
}

Test(pg_startup, options)
{
	option_is("-c search_path=a", "search_path", "a");
	option_is("-csearch_path=a", "search_path", "a");
	option_is("--search-path=a,b", "search_path", "a,b");
	option_is("  --search_path=a\\ b  ", "search_path", "a b");
	option_is("-c x.y=a\\\\b", "x.y", "a\\b");
	option_is("-c x.y=", "x.y", "");
	option_is("-c x.y=a=b", "x.y", "a=b");
	option_is("\t-c\nstatement-timeout=5\r", "statement_timeout", "5");
	option_is("-c geqo=off -c geqo=on", "geqo", "on");
	option_is("-c a=1 --b-c=2 -cd=3", "b_c", "2");
	option_is("-c a=b\\", "a", "b");
	options("", true);
	cr_assert_null(vars());
	options("   ", true);
	options("-c", false);
	cr_assert_str_eq(err_sqlstate(&c.e), "42601");
	options("-c geqo", false);
	options("--geqo", false);
	options("-c =x", false);
	options("-B 100", false);
	cr_assert_str_eq(err_sqlstate(&c.e), "0A000");
	cr_assert_neq(c.e.hint[0], '\0');
	options("--", false);
	options("geqo=on", false);
	options("-c geqo=on -F", false);
}

Test(pg_startup, a_setting_of_the_packet_counts_more_than_options)
{
	packet(V30, "user", "u", "geqo", "on", "options", "-c geqo=off -c application_name=o", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_str_eq(who()->application_name, "o");
	const struct varset *v = vars();
	cr_assert_str_eq(varset_get(v, "geqo"), "on");
	again();
	packet(V30, "user", "u", "DateStyle", "a", "datestyle", "b", "application_name", "p",
		"options", "-c application_name=o", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_str_eq(who()->application_name, "p");
	v = vars();
	cr_assert_eq(v->n, 2);
	cr_assert_str_eq(varset_get(v, "DATESTYLE"), "b");
}

static void replication(const char *text, int want)
{
	again();
	packet(V30, "user", "u", "replication", text, END);
	struct pev ev = step();
	cr_assert_eq(ev.kind, want < 0 ? PEV_BAD : PEV_LOGIN, "%s", text);
	if (want >= 0)
		cr_assert_eq((int)who()->replication, want, "%s", text);
	else
		cr_assert_str_eq(err_sqlstate(&c.e), "22023");
}

Test(pg_startup, replication)
{
	static const char *yes[] = { "true", "on", "1", "yes", "TRUE", "t", "y" };
	static const char *no[] = { "false", "off", "0", "no", "OF", "f", "n" };
	static const char *wrong[] = { "", "o", "2", "maybe", "Database", "truex" };
	for (size_t i = 0; i < 7; i++)
		replication(yes[i], PROTO_REPL_PHYSICAL);
	for (size_t i = 0; i < 7; i++)
		replication(no[i], PROTO_REPL_NONE);
	for (size_t i = 0; i < 6; i++)
		replication(wrong[i], -1);
	replication("database", PROTO_REPL_LOGICAL);
}

/* NegotiateProtocolVersion in c.out: its version, and the number of options; 0 if there is none. */
static uint32_t negotiated(uint32_t *n_r)
{
	struct pgmsg m;
	uint32_t version;
	struct rd r;
	if (pgmsg_take(buf_data(&c.out), buf_len(&c.out), 10000, &m) != 1 || m.type != 'v')
		return 0;
	cr_assert(pgstartup_read_negotiate(m.body, m.body_n, &version, n_r, &r));
	if (*n_r)
		cr_assert_str_eq(rd_cstr(&r, NULL), "_pq_.test_protocol_negotiation");
	return version;
}
static void version(uint32_t asked, bool option, uint32_t answer, size_t key_n)
{
	uint32_t n = 0;
	again();
	if (option)
		packet(asked, "user", "u", "_pq_.test_protocol_negotiation", "", END);
	else
		packet(asked, "user", "u", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	cr_assert_eq(negotiated(&n), answer, "%x", asked);
	cr_assert_eq(n, option ? 1 : 0);
	cr_assert_eq(proto_pg.client_key_size(c.st), key_n, "%x", asked);
	cr_assert_null(vars(), "no option becomes a setting");
}

Test(pg_startup, protocol_versions)
{
	version(V30, false, 0, 8);
	version(V32, false, 0, 36);
	version(PGSTARTUP_VERSION(3, 1), false, 0, 8);
	version(PGSTARTUP_VERSION(3, 3), false, V32, 36);
	version(PGSTARTUP_VERSION(3, 9999), false, V32, 36);
	version(PGSTARTUP_VERSION(3, 9999), true, V32, 36);
	version(PGSTARTUP_VERSION(3, 65535), true, V32, 36);
	version(V30, true, V30, 8);
	version(V32, true, V32, 36);
	static const uint32_t others[] = { PGSTARTUP_VERSION(2, 0), PGSTARTUP_VERSION(4, 0),
		PGSTARTUP_VERSION(0, 0), PGSTARTUP_VERSION(1234, 5677),
		PGSTARTUP_VERSION(65535, 65535) };
	for (size_t i = 0; i < 5; i++) {
		again();
		packet(others[i], "user", "u", END);
		cr_assert_eq(step().kind, PEV_BAD);
		cr_assert_str_eq(err_sqlstate(&c.e), "0A000");
	}
	again();
	packet(PGSTARTUP_VERSION(2, 0), "user", "u", END);
	cr_assert_eq(step().kind, PEV_BAD);
	cr_assert_str_eq(c.e.msg, "unsupported frontend protocol 2.0: server supports 3.0 to 3.2");
	cr_assert_eq(memcmp(buf_data(&c.out), "EFATAL:  unsupp", 15), 0, "in the form of its time");
}

Test(pg_startup, too_many_protocol_options)
{
	size_t at = pgstartup_begin(&c.in, V32);
	pgstartup_put_param(&c.in, "user", "u");
	for (int i = 0; i < 1000; i++)
		pgstartup_put_param(&c.in, "_pq_.x", "");
	pgstartup_end(&c.in, at);
	cr_assert_eq(step().kind, PEV_BAD);
}

static void raw(const void *p, size_t n, enum pev_kind want)
{
	again();
	buf_append(&c.in, p, n);
	struct pev ev = step();
	cr_assert_eq(ev.kind, want, "%zu bytes: %d", n, ev.kind);
}
#define RAW(s, want) raw(s, sizeof(s) - 1, want)

Test(pg_startup, malformed_packets)
{
	RAW("\0\0\0\0", PEV_BAD);
	RAW("\0\0\0\7\0\3\0", PEV_BAD);
	RAW("\x7f\xff\xff\xff", PEV_BAD);
	RAW("\xff\xff\xff\xff\0\3\0\0", PEV_BAD);
	RAW("\0\0\x27\x15", PEV_BAD); /* 10005 */
	RAW("\0\0\x27\x14", PEV_MORE);
	RAW("GET / HTTP/1.1\r\n\r\n", PEV_BAD);
	RAW("\0\0\0\x8\0\3\0\0", PEV_BAD);              /* no terminator */
	RAW("\0\0\0\x9\0\3\0\0\0", PEV_BAD);            /* no user */
	RAW("\0\0\0\xd\0\3\0\0user\0", PEV_BAD);        /* no value */
	RAW("\0\0\0\xf\0\3\0\0user\0a\0", PEV_BAD);     /* no terminator */
	RAW("\0\0\0\x10\0\3\0\0user\0a\0x", PEV_BAD);   /* half a name */
	RAW("\0\0\0\x11\0\3\0\0user\0a\0\0x", PEV_BAD); /* more behind the end */
	RAW("", PEV_MORE);
}

Test(pg_startup, tls_request)
{
	pgstartup_put_ssl(&c.in);
	struct pev ev = step();
	cr_assert_eq(ev.kind, PEV_TLS);
	cr_assert_eq(ev.n, 8);
	cr_assert_eq(buf_len(&c.out), 0, "core answers");
	cr_assert_eq(half_client(&c).kind, PEV_MORE);
	proto_pg.client_tls_answer(c.st, false, &c.out);
	cr_assert_eq(memcmp(buf_data(&c.out), "N", 2 - 1), 0);
	pgstartup_put_ssl(&c.in); /* once only (PostgreSQL CVE-2026-6479) */
	cr_assert_eq(step().kind, PEV_BAD);
	cr_assert_str_eq(
		c.e.msg, "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2");
	again();
	pgstartup_put_ssl(&c.in);
	cr_assert_eq(step().kind, PEV_TLS);
	proto_pg.client_tls_answer(c.st, true, &c.out);
	cr_assert_eq(buf_data(&c.out)[0], 'S');
	pgstartup_put_gssenc(&c.in); /* inside TLS */
	cr_assert_eq(step().kind, PEV_BAD);
	again();
	pgstartup_put_ssl(&c.in); /* what follows stays: core sees it and refuses (CVE-2021-3935) */
	packet(V30, "user", "u", END);
	ev = half_client(&c);
	cr_assert_eq(ev.kind, PEV_TLS);
	cr_assert_eq(ev.n, 8);
	cr_assert_gt(buf_len(&c.in), ev.n);
	/* and nothing is read before the answer */
	buf_consume(&c.in, ev.n);
	cr_assert_eq(step().kind, PEV_MORE);
}

Test(pg_startup, gss_request)
{
	pgstartup_put_gssenc(&c.in);
	cr_assert_eq(step().kind, PEV_DROP);
	cr_assert_eq(buf_data(&c.out)[0], 'N');
	pgstartup_put_ssl(&c.in);
	cr_assert_eq(step().kind, PEV_TLS);
	proto_pg.client_tls_answer(c.st, false, &c.out);
	packet(V30, "user", "u", END);
	cr_assert_eq(step().kind, PEV_LOGIN);
	again();
	pgstartup_put_gssenc(&c.in);
	cr_assert_eq(step().kind, PEV_DROP);
	pgstartup_put_gssenc(&c.in);
	cr_assert_eq(step().kind, PEV_BAD);
	again();
	pgstartup_put_gssenc(&c.in);
	packet(V30, "user", "u", END);
	cr_assert_eq(step().kind, PEV_BAD, "data behind the request, in the same flight");
}

Test(pg_startup, direct_tls)
{
	RAW("\x16\3\1\2\0\1", PEV_TLS_DIRECT);
	cr_assert_eq(buf_len(&c.in), 6, "the handshake needs it");
	buf_fini(&c.in);
	pgstartup_put_ssl(&c.in); /* inside it */
	cr_assert_eq(step().kind, PEV_BAD);
	RAW("\x16\3\1\2\0\1", PEV_TLS_DIRECT);
	cr_assert_eq(half_client(&c).kind, PEV_BAD, "TLS inside TLS");
	again();
	pgstartup_put_gssenc(&c.in);
	cr_assert_eq(step().kind, PEV_DROP);
	buf_puts(&c.in, "\x16\3\1");
	buf_put_u8(&c.in, 1);
	cr_assert_eq(step().kind, PEV_BAD, "first of all, or not at all");
}

Test(pg_startup, cancel)
{
	uint8_t key[260];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (size_t n = 8; n <= sizeof(key); n++) {
		again();
		proto_pg.put_cancel(NULL, &c.in, key, n);
		struct pev ev = half_client(&c);
		cr_assert_eq(ev.kind, PEV_CANCEL);
		cr_assert_eq(ev.text_n, n);
		cr_assert_eq(memcmp(ev.text, key, n), 0);
		cr_assert_eq(ev.n, buf_len(&c.in));
	}
	RAW("\0\0\0\xc\4\xd2\x16\x2e\0\0\0\1", PEV_BAD); /* no secret */
}

Test(pg_startup, no_leak_over_many_packets)
{
	for (int i = 0; i < 200; i++) {
		again();
		packet(V32, "user", "u", "_pq_.a", "b", "options", i % 2 ? "-c a=b" : "-x", "z",
			"y", END);
		step();
	}
}
