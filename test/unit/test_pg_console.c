/* pg_console: the console over the simple and the extended protocol, as psql, psycopg, asyncpg, pgx
 * and JDBC speak it; text and binary results; errors in pipelines; bytes cut anywhere. The answers
 * are made up here. */
#include "pg_peer.h"
#include "seed.h"

#include <stdio.h>

static struct proto_env *env;
static struct half h;
static unsigned runs; /* commands that were run */
static char last_text[200];

static void setup(void)
{
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	const struct proto_proof none = { .kind = PROOF_NONE };
	static const uint8_t key[8] = { 0, 0, 0, 1, 2, 3, 4, 5 };
	env = proto_pg.env_new(&o);
	half_init(&h, proto_pg.client_size);
	proto_pg.client_init(h.st, env, NULL, &h.out);
	size_t at = pgstartup_begin(&h.in, PGSTARTUP_VERSION(3, 0));
	pgstartup_put_param(&h.in, "user", "admin");
	pgstartup_put_param(&h.in, "database", "pgbouncer");
	pgstartup_end(&h.in, at);
	cr_assert_eq(half_client(&h).kind, PEV_LOGIN);
	buf_fini(&h.in);
	cr_assert_eq(proto_pg.client_auth(h.st, &none, &h.out, &h.e), 0);
	cr_assert_eq(half_client(&h).kind, PEV_AUTH_OK);
	proto_pg.console_start(h.st, "1.25.2/bouncer", key, sizeof(key), &h.out);
	runs = 0;
}
static void teardown(void)
{
	proto_pg.client_fini(h.st);
	half_fini(&h);
	proto_pg.env_free(env);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_SESSION), 0);
	cr_assert_eq(mem_live(MEM_ADMIN), 0);
	cr_assert_eq(mem_live(MEM_MISC), 0);
}
TestSuite(pg_console, .init = setup, .fini = teardown, .timeout = 60);

/* What admin/ would say. */
static void answer(const uint8_t *text, size_t n, struct rowset *r)
{
	rowset_init(r);
	runs++;
	cr_assert_lt(n, sizeof(last_text));
	memcpy(last_text, text, n);
	last_text[n] = '\0';
	if (n >= 3 && memcmp(text, "BAD", 3) == 0) {
		err_set(&r->err, ERR_SYNTAX, "invalid command");
	} else if (n >= 9 && memcmp(text, "SHOW HELP", 9) == 0) {
		r->notice = mem_strdup(MEM_ADMIN, "Console usage");
		r->notice_detail = mem_strdup(MEM_ADMIN, "\n\tSHOW ...");
	} else if (n >= 9 && memcmp(text, "SHOW JUNK", 9) == 0) {
		rowset_col(r, "i", RS_INT4);
		rowset_set(r, rowset_row(r), 0, "not a number");
	} else if (n >= 4 && (memcmp(text, "SHOW", 4) == 0 || memcmp(text, "show", 4) == 0)) {
		rowset_col(r, "name", RS_TEXT);
		rowset_col(r, "i", RS_INT4);
		rowset_col(r, "q", RS_INT8);
		rowset_col(r, "N", RS_NUMERIC);
		rowset_col(r, "b", RS_BYTEA);
		for (int i = 0; i < 3; i++) {
			char **row = rowset_row(r);
			rowset_setf(r, row, 0, "row%d", i);
			rowset_setf(r, row, 1, "%d", -i);
			rowset_set(r, row, 2, "123456789012345");
			rowset_set(r, row, 3, i == 0 ? "12345.678" : i == 1 ? "-0.00012" : NULL);
			rowset_set(r, row, 4, "\\x00ff");
		}
	} else {
		r->tag = mem_strdup(MEM_ADMIN, "PAUSE");
	}
}

/* Everything in h.in is served; the types of what came back are in `types`. */
static char types[400];
static void serve(enum cut cut)
{
	struct buf all = h.in;
	uint32_t seed = seed_first();
	buf_init(&h.in, 1 << 20);
	buf_fini(&h.out);
	for (bool more = true; more;) {
		more = buf_len(&all) > 0;
		if (more) {
			size_t n = cut_of(cut, buf_len(&all), &seed);
			buf_append(&h.in, buf_data(&all), n);
			buf_consume(&all, n);
		}
		for (;;) {
			struct pev ev = proto_pg.up(
				h.st, NULL, buf_data(&h.in), buf_len(&h.in), NULL, &h.out, &h.e);
			if (ev.kind == PEV_CONSOLE) {
				struct rowset r;
				answer(ev.text, ev.text_n, &r);
				proto_pg.console_reply(h.st, &r, &h.out);
				rowset_fini(&r);
			}
			if (ev.n)
				buf_consume(&h.in, ev.n);
			if (ev.kind == PEV_MORE)
				break;
			cr_assert(ev.kind == PEV_CONSOLE || ev.kind == PEV_DROP, "%d %s", ev.kind,
				h.e.msg);
		}
	}
	cr_assert_eq(buf_len(&h.in), 0);
	struct pgmsg m;
	size_t off = 0, i = 0;
	while (pgmsg_take(buf_data(&h.out) + off, buf_len(&h.out) - off, 1 << 20, &m) == 1) {
		types[i++] = (char)m.type;
		off += m.total;
	}
	types[i] = '\0';
	cr_assert_eq(off, buf_len(&h.out));
}
/* The i-th message of that type in the output. */
static struct pgmsg nth(char type, int i)
{
	struct pgmsg m;
	size_t off = 0;
	while (pgmsg_take(buf_data(&h.out) + off, buf_len(&h.out) - off, 1 << 20, &m) == 1) {
		if (m.type == type && i-- == 0)
			return m;
		off += m.total;
	}
	cr_assert_fail("no %c", type);
	return m;
}
static void sqlstate_is(const char *state)
{
	struct pgerror f;
	struct pgmsg m = nth('E', 0);
	pgerror_read(m.body, m.body_n, &f);
	cr_assert_str_eq(f.sqlstate, state, "%s", f.msg);
	cr_assert_str_eq(f.severity, "ERROR");
}
static void query(const char *text)
{
	pgext_put_query(&h.in, text, strlen(text));
}
static void parse(const char *name, const char *text)
{
	pgext_put_parse(&h.in, name, text, strlen(text), NULL, 0);
}
/* All results in the given format. */
static void bind(const char *portal, const char *stmt, uint16_t format)
{
	size_t at = pgmsg_begin(&h.in, 'B');
	buf_putz(&h.in, portal);
	buf_putz(&h.in, stmt);
	buf_put_u16be(&h.in, 0);
	buf_put_u16be(&h.in, 0);
	buf_put_u16be(&h.in, 1);
	buf_put_u16be(&h.in, format);
	pgmsg_end(&h.in, at);
}

Test(pg_console, welcome)
{
	struct pgmsg m = nth('S', 0);
	const char *k, *v;
	cr_assert(pgsession_read_param(m.body, m.body_n, &k, &v));
	cr_assert_str_eq(k, "server_version");
	cr_assert_str_eq(v, "1.25.2/bouncer");
	cr_assert_eq(nth('R', 0).body_n, 4);
	cr_assert_eq(nth('K', 0).body_n, 8);
	cr_assert_eq(nth('Z', 0).body[0], 'I');
}

Test(pg_console, simple_queries_at_every_cut)
{
	static const struct {
		const char *text, *types;
		unsigned runs;
	} rows[] = { { "SHOW POOLS", "TDDDCZ", 1 }, { "SHOW POOLS;", "TDDDCZ", 1 }, { "", "IZ", 0 },
		{ " ; ; -- x", "IZ", 0 }, { "/* ; */", "IZ", 0 }, { "PAUSE", "CZ", 1 },
		{ "SHOW HELP", "NCZ", 1 }, { "SHOW A; PAUSE ;SHOW B", "TDDDCCTDDDCZ", 3 },
		{ "PAUSE; BAD; SHOW A", "CEZ", 2 }, { "BAD;", "EZ", 1 },
		{ "SET x = 'a;b'; PAUSE;;", "CCZ", 2 }, { "SET x = 'open; PAUSE", "CZ", 1 },
		{ "SHOW JUNK", "TDCZ", 1 } };
	for (enum cut cut = CUT_WHOLE; cut < CUT_N; cut++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			runs = 0;
			query(rows[i].text);
			serve(cut);
			cr_assert_str_eq(types, rows[i].types, "[%s]: %s", rows[i].text, types);
			cr_assert_eq(runs, rows[i].runs, "[%s]", rows[i].text);
		}
	query("PAUSE app;  RESUME app ;");
	serve(CUT_WHOLE);
	cr_assert_str_eq(last_text, "RESUME app ;");
	/* Behind a failed Query the next one is served as usual. */
	query("BAD; SHOW A");
	query("SHOW A");
	serve(CUT_RANDOM);
	cr_assert_str_eq(types, "EZTDDDCZ");
}

Test(pg_console, columns_and_text_values)
{
	struct pgrow_col c;
	struct rd r;
	unsigned n;
	query("SHOW X");
	serve(CUT_WHOLE);
	struct pgmsg m = nth('T', 0);
	cr_assert(pgrow_desc_read(m.body, m.body_n, &n, &r) && n == 5);
	static const uint32_t oids[] = { 25, 23, 20, 1700, 17 };
	static const int lens[] = { -1, 4, 8, -1, -1 };
	for (int i = 0; i < 5; i++) {
		cr_assert(pgrow_desc_next(&r, &c));
		cr_assert(c.type_oid == oids[i] && c.type_len == lens[i] && c.format == 0);
	}
	m = nth('D', 1);
	cr_assert(pgrow_data_check(m.body, m.body_n));
	cr_assert(memmem(m.body, m.body_n, "-0.00012", 8));
}

Test(pg_console, extended_as_drivers_speak_it)
{
	/* JDBC, pgx simple path: Parse Bind Describe(P) Execute Sync */
	parse("", "SHOW POOLS");
	bind("", "", 0);
	pgext_put_describe(&h.in, 'P', "");
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "12TDDDCZ");
	cr_assert_eq(runs, 1, "run by Describe, its rows kept for Execute");
	/* asyncpg: Parse Describe(S) Flush/Sync, then Bind Execute Sync */
	parse("__asyncpg_stmt_1__", "SHOW POOLS;");
	pgext_put_describe(&h.in, 'S', "__asyncpg_stmt_1__");
	pgext_put_flush(&h.in);
	serve(CUT_BYTES);
	cr_assert_str_eq(types, "1tT");
	bind("", "__asyncpg_stmt_1__", 1);
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_BYTES);
	cr_assert_str_eq(types, "2DDDCZ");
	pgext_put_close(&h.in, 'S', "__asyncpg_stmt_1__");
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "3Z");
	/* commands without rows, and nothing at all */
	runs = 0;
	parse("", "PAUSE");
	pgext_put_describe(&h.in, 'S', "");
	bind("", "", 1);
	pgext_put_describe(&h.in, 'P', "");
	cr_assert_eq(runs, 0);
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_RANDOM);
	cr_assert_str_eq(types, "1tn2nCZ");
	cr_assert_eq(runs, 1, "Describe does not run what changes something");
	parse("", " ; ");
	bind("", "", 0);
	pgext_put_describe(&h.in, 'P', "");
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "12nIZ");
	parse("", "SHOW HELP");
	bind("", "", 0);
	pgext_put_describe(&h.in, 'P', "");
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "12nNCZ", "the notice comes once");
}

Test(pg_console, binary_values)
{
	parse("", "SHOW X");
	bind("", "", 1);
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	static const struct {
		int row;
		size_t n;
		const char *bytes;
	} cells[] = {
		{ 0, 4, "row0" },
		{ 0, 4, "\0\0\0\0" },
		{ 0, 8, "\0\0\x70\x48\x86\x0d\xdf\x79" },
		/* 12345.678: digits 1 2345 6780, weight 1, scale 3 */
		{ 0, 14, "\0\3\0\1\0\0\0\3\0\1\x09\x29\x1a\x7c" },
		{ 0, 2, "\0\xff" },
		{ 1, 4, "row1" },
		{ 1, 4, "\xff\xff\xff\xff" },
		{ 1, 8, "\0\0\x70\x48\x86\x0d\xdf\x79" },
		/* -0.00012: digits 1 2000, weight -1: 0001 2000 */
		{ 1, 12, "\0\2\xff\xff\x40\0\0\5\0\1\x07\xd0" },
		{ 1, 2, "\0\xff" },
	};
	for (int i = 0; i < 10; i++) {
		struct pgmsg m = nth('D', cells[i].row);
		struct rd r;
		unsigned n_cols;
		const uint8_t *p;
		size_t n;
		cr_assert(pgrow_data_read(m.body, m.body_n, &n_cols, &r));
		for (int j = 0; j <= i % 5; j++)
			cr_assert(pgrow_data_next(&r, &p, &n));
		cr_assert_eq(n, cells[i].n, "cell %d: %zu bytes", i, n);
		cr_assert_eq(memcmp(p, cells[i].bytes, n), 0, "cell %d", i);
	}
	struct pgmsg m = nth('D', 2);
	cr_assert(memmem(m.body, m.body_n, "\xff\xff\xff\xff", 4), "NULL");
	/* A value that is not of its type is an error, not a lie. */
	parse("", "SHOW JUNK");
	bind("", "", 1);
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "12EZ");
	sqlstate_is("XX000");
}

Test(pg_console, rows_in_portions)
{
	parse("s", "SHOW X");
	bind("c", "s", 0);
	pgext_put_execute(&h.in, "c", 2);
	pgext_put_flush(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "12DDs");
	pgext_put_execute(&h.in, "c", 1);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "DC");
	pgext_put_execute(&h.in, "c", 0);
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "CZ");
	cr_assert_eq(runs, 1);
	pgext_put_execute(&h.in, "c", 0); /* gone with Sync */
	pgext_put_sync(&h.in);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "EZ");
	sqlstate_is("34000");
}

static void fails(const char *state, const char *want)
{
	query("SHOW A"); /* skipped, as everything up to Sync */
	pgext_put_execute(&h.in, "", 0);
	pgext_put_sync(&h.in);
	query("PAUSE");
	serve(CUT_RANDOM);
	cr_assert_str_eq(types, want, "%s: %s", state, types);
	sqlstate_is(state);
}

Test(pg_console, errors_skip_to_sync)
{
	parse("", "SHOW A; SHOW B");
	fails("42601", "EZCZ");
	bind("", "nope", 0);
	fails("26000", "EZCZ");
	bind("", "", 0);
	fails("26000", "EZCZ");
	parse("s", "PAUSE");
	parse("s", "PAUSE");
	fails("42P05", "1EZCZ");
	pgext_put_describe(&h.in, 'P', "x");
	fails("34000", "EZCZ");
	pgext_put_describe(&h.in, 'S', "x");
	fails("26000", "EZCZ");
	parse("", "BAD");
	bind("", "", 0);
	pgext_put_execute(&h.in, "", 0);
	fails("42601", "12EZCZ");
	parse("", "show x");
	const char *params[] = { "1" };
	pgext_put_bind_text(&h.in, "", "", params, 1);
	fails("08P01", "1EZCZ");
	parse("", "show x");
	bind("", "", 2);
	fails("22023", "1EZCZ");
	parse("", "show x");
	bind("c", "", 0);
	bind("c", "", 0);
	fails("42P03", "12EZCZ");
	pgmsg_put(&h.in, 'F', "\0\0\0\1\0\0\0\0\0\0", 10);
	serve(CUT_BYTES);
	cr_assert_str_eq(types, "EZ");
	pgmsg_put(&h.in, 'd', "x", 1);
	pgmsg_put(&h.in, 'c', NULL, 0);
	serve(CUT_WHOLE);
	cr_assert_str_eq(types, "");
}

Test(pg_console, closing_twice_and_reuse_of_names)
{
	pgext_put_close(&h.in, 'P', "never");
	pgext_put_close(&h.in, 'S', "never");
	parse("s", "PAUSE");
	pgext_put_close(&h.in, 'S', "s");
	parse("s", "SHOW X");
	pgext_put_sync(&h.in);
	serve(CUT_RANDOM);
	cr_assert_str_eq(types, "33131Z");
}

Test(pg_console, objects_are_bounded)
{
	for (int i = 0; i < 1100; i++) {
		char name[16];
		snprintf(name, sizeof(name), "s%d", i);
		parse(name, "PAUSE");
		pgext_put_sync(&h.in);
		if (i % 100 == 99)
			serve(CUT_WHOLE);
	}
	cr_assert(strchr(types, 'E'));
	sqlstate_is("54000");
}

Test(pg_console, bad_messages_end_the_session)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = { { "Q\0\0\0\3", 5 }, { "Q\0\0\0\4", 5 }, { "Q\0\0\0\6ab", 7 },
		{ "Q\x7f\xff\xff\xff", 5 }, { "!\0\0\0\4", 5 }, { "P\0\0\0\5\0", 6 },
		{ "B\0\0\0\6\0\0", 7 }, { "D\0\0\0\6X\0", 7 }, { "E\0\0\0\5\0", 6 },
		{ "C\0\0\0\4", 5 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pev ev = proto_pg.up(
			h.st, NULL, (const uint8_t *)bad[i].p, bad[i].n, NULL, &h.out, &h.e);
		cr_assert_eq(ev.kind, PEV_BAD, "%zu", i);
		cr_assert(err_is(&h.e));
	}
	struct pev ev = proto_pg.up(
		h.st, NULL, (const uint8_t *)"X\0\0\0\4", 5, NULL, &h.out, &h.e);
	cr_assert_eq(ev.kind, PEV_BYE);
}
