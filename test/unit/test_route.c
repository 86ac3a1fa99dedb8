/* route: the corpora of test/data, text by text; hints; the danger names. */
#include "sql/names_my.h"
#include "sql/names_pg.h"
#include "sql/route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct world {
	struct sql_opts pg;
	struct sql_my_opts my;
	struct sql_route_ctx ctx;
};

static void reset(struct world *w)
{
	*w = (struct world){ .pg = { &sql_dialect_pg, true, false, 18 },
		.my = { .multi_statements = true, .charset = SQL_MY_CS_SAFE, .version = 90700 } };
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* One key=value of a line that starts with @. */
static void set(struct world *w, char *key)
{
	char *v = strchr(key, '=');

	cr_assert(v != NULL, "<%s>", key);
	*v++ = '\0';
	bool on = is(v, "on") || is(v, "1");

	if (is(key, "standard_conforming_strings"))
		w->pg.standard_conforming_strings = on;
	else if (is(key, "tx"))
		w->ctx.tx = is(v, "rw") ? SQL_ROUTE_TX_RW : SQL_ROUTE_TX_RO;
	else if (is(key, "default_transaction_read_only"))
		w->ctx.read_only = on;
	else if (is(key, "default_transaction_isolation"))
		w->ctx.serializable = is(v, "serializable");
	else if (is(key, "sql_mode"))
		w->my.mode = sql_my_mode(v, strlen(v));
	else if (is(key, "autocommit"))
		w->ctx.autocommit_off = !on;
	else if (is(key, "database"))
		w->ctx.server_schema = sql_route_my_is_server_schema(v, strlen(v));
	else if (is(key, "character_set_client"))
		w->my.charset = sql_my_charset(v, strlen(v));
	else if (is(key, "flavor")) {
		w->my.mariadb = is(v, "mariadb");
		w->my.version = w->my.mariadb ? 101100 : 90700;
	} else {
		cr_assert(false, "unknown key <%s>", key);
	}
}

static void read_context(struct world *w, char *line)
{
	reset(w);
	for (char *save, *key = strtok_r(line, " ", &save); key; key = strtok_r(NULL, " ", &save))
		set(w, key);
}

static size_t unescape(char *text)
{
	static const struct {
		const char *name, *bytes;
		size_t n;
	} names[] = { { "<NL>", "\n", 1 }, { "<CR>", "\r", 1 }, { "<NBSP>", "\xc2\xa0", 2 },
		{ "<NUL>", "\0", 1 } };
	char *out = text, *start = text;

	while (*text != '\0') {
		size_t i = 0;

		while (i < N(names) && strncmp(text, names[i].name, strlen(names[i].name)) != 0)
			i++;
		if (i == N(names)) {
			*out++ = *text++;
		} else {
			memcpy(out, names[i].bytes, names[i].n);
			out += names[i].n;
			text += strlen(names[i].name);
		}
	}
	return (size_t)(out - start);
}

static struct sql_route route(const struct world *w, bool mysql, const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1); /* a sanitizer sees a read outside */
	struct sql_route r;

	memcpy(copy, text, n);
	if (mysql)
		sql_route_my(&w->my, &w->ctx, copy, n, &r);
	else
		sql_route_pg(&w->pg, &w->ctx, copy, n, NULL, &r);
	free(copy);
	cr_expect(r.reason != NULL && r.at <= n, "<%.*s>", (int)n, text);
	return r;
}

Test(route, the_reason_is_that_of_the_statement)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "insert into t values (1)", "modifies data" },
		{ "select 1; insert into t select 2", "modifies data" },
		{ "merge into t using s on true when matched then do nothing", "modifies data" },
		{ "with x as (select 1) insert into t select * from x", "modifies data" },
		{ "select * into n from t", "SELECT INTO makes a table" },
		{ "with x as (select 1) select * into n from x", "SELECT INTO makes a table" },
		{ "import foreign schema x from server y into z", "writes" },
	};
	struct world w;

	reset(&w);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_str_eq(route(&w, false, cases[i].text, strlen(cases[i].text)).reason,
			cases[i].reason, "<%s>", cases[i].text);
}

static void run_corpus(const char *name, bool mysql)
{
	char path[4096], *line = NULL;
	const char *srcdir = getenv("srcdir");
	struct world w;
	size_t cap = 0, texts = 0;
	ssize_t got;

	snprintf(path, sizeof(path), "%s/test/data/%s", srcdir != NULL ? srcdir : ".", name);
	FILE *f = fopen(path, "r");

	cr_assert(f != NULL, "%s", path);
	reset(&w);
	while ((got = getline(&line, &cap, f)) > 0) {
		line[got - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (line[0] == '@') {
			read_context(&w, line + 1);
			continue;
		}
		char *text = strchr(line, '\t');

		cr_assert(text != NULL, "<%s>", line);
		*text++ = '\0';
		size_t n = unescape(text);
		struct sql_route r = route(&w, mysql, text, n);

		cr_expect_str_eq(sql_route_verdict_name(r.verdict), line, "<%.*s>: %s (%s), not %s",
			(int)n, text, sql_route_verdict_name(r.verdict), r.reason, line);
		texts++;
	}
	cr_expect(texts > 300);
	free(line);
	fclose(f);
}

Test(route, postgresql)
{
	run_corpus("route-pg.txt", false);
}

Test(route, mysql)
{
	run_corpus("route-my.txt", true);
}

Test(route, in_one_pass_with_the_classifier)
{
	static const char *const texts[] = { "select 1", "set a.b = 1", "select nextval('s')",
		"create temp table x(a int)", "insert into t values (1); begin",
		"prepare p as select 1", "select '", "" };
	struct world w;

	reset(&w);
	for (size_t i = 0; i < N(texts); i++) {
		struct sql_stmt_info alone, with;
		struct sql_route r;

		sql_classify(&w.pg, texts[i], strlen(texts[i]), &alone);
		sql_route_pg(&w.pg, &w.ctx, texts[i], strlen(texts[i]), &with, &r);
		cr_expect_eq(alone.flags, with.flags, "<%s>", texts[i]);
		cr_expect(alone.verb == with.verb && alone.n_statements == with.n_statements &&
				  alone.set_kind == with.set_kind,
			"<%s>", texts[i]);
	}
}

Test(route, says_where)
{
	struct world w;

	reset(&w);
	const char *text = "select 1, nextval('s')";

	cr_expect_eq(route(&w, false, text, strlen(text)).at, strlen("select 1, nextval"));
}

static enum sql_route_verdict verdict(const struct world *w, bool mysql, const char *text)
{
	return route(w, mysql, text, strlen(text)).verdict;
}

static void add(struct sql_names *s, const char *name, unsigned known)
{
	cr_assert(sql_names_add(s, name, strlen(name), known));
}

Test(names, found_as_they_were_added)
{
	struct sql_names *s = sql_names_new(false), *folded = sql_names_new(true);
	char name[32];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name_%u", i);
		add(s, name, i % 15 + 1);
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "name_%u", i);
		cr_expect_eq(sql_names_find(s, name, strlen(name)), i % 15 + 1);
	}
	cr_expect_eq(sql_names_count(s), 5000);
	cr_expect_eq(sql_names_find(s, "name_", 5), 0);
	cr_expect_eq(sql_names_find(s, "NAME_1", 6), 0);
	cr_expect_eq(sql_names_find(folded, "x", 1), 0);
	add(folded, "Abc", SQL_NAME_DANGER);
	add(folded, "aBC", SQL_NAME_TYPE);
	cr_expect_eq(sql_names_find(folded, "ABC", 3), SQL_NAME_DANGER | SQL_NAME_TYPE);
	cr_expect_eq(sql_names_count(folded), 1);
	sql_names_free(&s);
	sql_names_free(&folded);
	cr_expect_null(s);
}

Test(route, danger_names)
{
	static const struct {
		const char *text;
		enum sql_route_verdict verdict;
	} c[] = {
		{ "select touch(1)", SQL_ROUTE_PRIMARY },
		{ "select t.touch from t", SQL_ROUTE_PRIMARY },
		{ "select * from v_seq", SQL_ROUTE_PRIMARY },
		{ "select * from app.\"v_seq\"", SQL_ROUTE_PRIMARY },
		{ "select * from U&\"v\\005fseq\"", SQL_ROUTE_PRIMARY },
		{ "select * from \"V_SEQ\"", SQL_ROUTE_REPLICA },
		{ "select * from V_SEQ", SQL_ROUTE_PRIMARY },
		{ "select 5::wrapped", SQL_ROUTE_PRIMARY },
		{ "select 1 === 2", SQL_ROUTE_PRIMARY },
		{ "select 1 ==== 2", SQL_ROUTE_PRIMARY },
		{ "select 1 <=> 2", SQL_ROUTE_REPLICA },
		{ "select 'a'::mood", SQL_ROUTE_REPLICA },
		{ "select app.mood 'a'", SQL_ROUTE_REPLICA },
		{ "select 'a'::unheard_of", SQL_ROUTE_PRIMARY },
		{ "select fine(1), app.fine(2)", SQL_ROUTE_REPLICA },
		{ "select unheard_of(1)", SQL_ROUTE_PRIMARY },
		{ "select lower('x')", SQL_ROUTE_PRIMARY }, /* somebody's own */
		{ "select nextval('s')", SQL_ROUTE_PRIMARY },
		{ "select 'v_seq', $$touch$$ from t -- touch", SQL_ROUTE_REPLICA },
		{ "select a like 'b' from t", SQL_ROUTE_PRIMARY }, /* ~~ */
		{ "select a in ('b') from t", SQL_ROUTE_REPLICA },
		{ "explain select * from v_seq", SQL_ROUTE_PRIMARY },
		{ "select n63456789012345678901234567890123456789012345678901234567890123xyz",
			SQL_ROUTE_PRIMARY },
	};
	struct world w;
	struct sql_names *s = sql_names_new(false);

	reset(&w);
	add(s, "touch", SQL_NAME_DANGER | SQL_NAME_FUNCTION);
	add(s, "v_seq", SQL_NAME_DANGER);
	add(s, "wrapped", SQL_NAME_DANGER | SQL_NAME_TYPE);
	add(s, "===", SQL_NAME_DANGER | SQL_NAME_OPERATOR);
	add(s, "~~", SQL_NAME_DANGER);
	add(s, "<=>", SQL_NAME_OPERATOR);
	add(s, "mood", SQL_NAME_TYPE);
	add(s, "fine", SQL_NAME_FUNCTION);
	add(s, "lower", SQL_NAME_FUNCTION | SQL_NAME_DANGER);
	w.ctx.names = s;
	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(verdict(&w, false, c[i].text), c[i].verdict, "<%s>", c[i].text);
	sql_names_free(&s);
	s = sql_names_new(false);
	add(s, "=", SQL_NAME_DANGER);
	w.ctx.names = s;
	cr_expect_eq(verdict(&w, false, "select a in ('b') from t"), SQL_ROUTE_PRIMARY);
	cr_expect_eq(verdict(&w, false, "select a, count(*) from t group by a"), SQL_ROUTE_PRIMARY);
	cr_expect_eq(verdict(&w, false, "select a from t"), SQL_ROUTE_REPLICA);
	sql_names_free(&s);
}

Test(route, danger_names_of_mysql)
{
	struct world w;
	struct sql_names *s = sql_names_new(true);

	reset(&w);
	add(s, "V_touch", SQL_NAME_DANGER);
	w.ctx.names = s;
	cr_expect_eq(verdict(&w, true, "select * from v_TOUCH"), SQL_ROUTE_PRIMARY);
	cr_expect_eq(verdict(&w, true, "select * from db . `v_touch`"), SQL_ROUTE_PRIMARY);
	cr_expect_eq(verdict(&w, true, "select 'v_touch' from t"), SQL_ROUTE_REPLICA);
	sql_names_free(&s);
}

Test(route, hints)
{
	static const struct {
		const char *text;
		bool found, unknown;
		enum sql_hint_node node;
		enum sql_hint_consistency consistency;
		uint32_t ms;
		const char *name;
	} c[] = {
		{ "select 1", .found = false },
		{ "/* nothing */ select 1", .found = false },
		{ "/* weirpool: primary */ select 1", .found = true, .node = SQL_HINT_PRIMARY },
		{ "  /*weirpool:REPLICA*/select 1", .found = true, .node = SQL_HINT_REPLICA },
		{ "/* a */ /* weirpool: replica, consistency=bounded(200ms) */ x", .found = true,
			.node = SQL_HINT_REPLICA, .consistency = SQL_HINT_BOUNDED, .ms = 200 },
		{ "/* weirpool: consistency = bounded ( 2 s ) */", .found = true,
			.consistency = SQL_HINT_BOUNDED, .ms = 2000 },
		{ "/* weirpool: consistency=eventual node=n-2 */", .found = true,
			.node = SQL_HINT_NAMED, .consistency = SQL_HINT_EVENTUAL, .name = "n-2" },
		{ "/* weirpool: consistency=bounded(99999999999) */", .found = true,
			.unknown = true },
		{ "/* weirpool: nonsense */", .found = true, .unknown = true },
		{ "/* weirpool: primaryish */", .found = true, .unknown = true },
		{ "select 1 /* weirpool: primary */", .found = false },
		{ "/* /* weirpool: primary */ */ select 1", .found = false },
		{ "/*! weirpool: primary */ select 1", .found = false },
		{ "/*NO LOAD BALANCE*/ select 1", .found = true, .node = SQL_HINT_PRIMARY },
		{ "/* maxscale route to slave */ select 1", .found = true,
			.node = SQL_HINT_REPLICA },
		{ "/* maxscale route to server s1 */ select 1", .found = true,
			.node = SQL_HINT_NAMED, .name = "s1" },
		{ "/* weirpool: primary", .found = false },
		{ "", .found = false },
	};

	for (size_t i = 0; i < N(c); i++) {
		struct sql_hint h;

		cr_expect_eq(sql_hint_read(c[i].text, strlen(c[i].text), &h), c[i].found, "<%s>",
			c[i].text);
		cr_expect(h.node == c[i].node && h.consistency == c[i].consistency &&
				  h.bounded_ms == c[i].ms && h.unknown == c[i].unknown,
			"<%s>", c[i].text);
		if (c[i].name != NULL)
			cr_expect_str_eq(h.name, c[i].name);
	}
}

Test(route, any_cut_of_a_text)
{
	static const char text[] =
		"/* weirpool: replica */ explain (analyze off) select current_setting("
		"'a.b')::int4, U&\"d\\0061\" from f() as x(a int) for update; begin "
		"read only; /*! , */ set @a = 1, x.y = 'z'; show \"TimeZone\"";
	struct world w;

	reset(&w);
	for (size_t i = 0; i <= strlen(text); i++) {
		for (size_t n = 0; n + i <= strlen(text); n++) {
			(void)route(&w, false, text + i, n);
			(void)route(&w, true, text + i, n);
		}
	}
}

Test(names, bodies_of_postgresql)
{
	static const struct {
		const char *name, *body;
		bool danger;
	} c[] = {
		{ "harmless", "select $1 + 1", false },
		{ "reads_sequence", "begin return nextval('s'); end", true },
		{ "calls_that", "select Reads_Sequence($1)", true },
		{ "calls_quoted", "select \"With Blank\"()", true },
		{ "dynamic", "begin execute x into y; end", true },
		{ "asks_node", "select count(*) from pg_stat_activity", true },
		{ "asks_setting", "select current_setting('app.x')", false },
		{ "of_sequence", "select last_value from s", true },
		{ "only_a_part", "select my_nextval_not, 1 from t", false },
		{ "open_quote", "select \"with", false },
		{ "nothing", "", false },
	};
	struct sql_names *s = sql_names_new(false);

	add(s, "With Blank", SQL_NAME_DANGER);
	for (bool news = true; news;) {
		news = false;
		for (size_t i = N(c); i-- > 0;) /* the called ones last */
			cr_assert(sql_names_pg_body(s, c[i].name, c[i].body, &news));
	}
	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(sql_names_find(s, c[i].name, strlen(c[i].name)),
			c[i].danger ? SQL_NAME_DANGER : 0u, "%s", c[i].name);
	sql_names_free(&s);
}

Test(route, a_consistency_alone)
{
	struct sql_hint h;
	static const struct {
		const char *text;
		enum sql_hint_consistency level;
		uint32_t ms;
	} good[] = {
		{ "session", SQL_HINT_SESSION, 0 },
		{ " Eventual ", SQL_HINT_EVENTUAL, 0 },
		{ "bounded(200ms)", SQL_HINT_BOUNDED, 200 },
		{ "bounded ( 2s )", SQL_HINT_BOUNDED, 2000 },
		{ "strong", SQL_HINT_STRONG, 0 },
	};
	static const char *const bad[] = { "", "none", "bounded", "bounded()", "bounded(1h)",
		"session eventual", "session)", "consistency=session", "bounded(99999999999)" };

	for (size_t i = 0; i < N(good); i++) {
		cr_expect(sql_consistency_read(good[i].text, strlen(good[i].text), &h), "<%s>",
			good[i].text);
		cr_expect_eq(h.consistency, good[i].level, "<%s>", good[i].text);
		cr_expect_eq(h.bounded_ms, good[i].ms, "<%s>", good[i].text);
	}
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_not(sql_consistency_read(bad[i], strlen(bad[i]), &h), "<%s>", bad[i]);
}

Test(names, views_of_mysql)
{
	static const struct {
		const char *name, *definition;
		bool danger;
	} c[] = {
		{ "of_view", "select `x` from `db`.`Writes`", true },
		{ "writes", "select `db`.`f`() AS `f()`", true },
		{ "locks", "select get_lock('a',1) AS `x`", true },
		{ "plain", "select `t`.`a` AS `a`,count(0) AS `n` from `db`.`t` group by `t`.`a`",
			false },
		{ "unseen", "", true },
		{ "of_node", "select * from `performance_schema`.`threads`", true },
	};
	const struct sql_my_opts o = { .version = 90704 };
	struct sql_names *s = sql_names_new(true);

	for (bool news = true; news;) {
		news = false;
		for (size_t i = 0; i < N(c); i++)
			cr_assert(sql_names_my_view(s, &o, c[i].name, c[i].definition, &news));
	}
	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(sql_names_find(s, c[i].name, strlen(c[i].name)),
			c[i].danger ? SQL_NAME_DANGER : 0u, "%s", c[i].name);
	sql_names_free(&s);
}
