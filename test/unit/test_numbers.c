/* sql_numbers: with other digits at the numbers that it finds a text has the same tokens, the same
 * digest, leaves the same and may run at the same places. For the texts of fuzz corpora and test
 * data, cut anywhere, and for random ones. */
#include "sql/names.h"
#include "sql/numbers.h"
#include "sql/route.h"

#include "base/buf.h"

#include "each_text.h"
#include "other_numbers.h"
#include "seed.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NUMBERS_MAX 200U
#define RANDOM_TEXTS 20000U
#define RANDOM_PIECES 14U
#define OUT_BYTES (2 * EACH_TEXT_MAX_BYTES)

static uint32_t seed;
static unsigned long changed_n;
static struct sql_route_ctx ctxs[3];

static void setup(void)
{
	static const char *const danger[] = { "t", "f", "orders", "count", "=", "v" };
	seed = seed_first();
	struct sql_names *names = sql_names_new(false);
	for (size_t i = 0; i < N(danger); i++)
		cr_assert(sql_names_add(names, danger[i], strlen(danger[i]), SQL_NAME_DANGER));
	ctxs[1] = (struct sql_route_ctx){ .names = names };
	ctxs[2] = (struct sql_route_ctx){ .names = names, .tx = SQL_ROUTE_TX_RO };
}
TestSuite(sql_numbers, .init = setup);

static bool same_route(const struct sql_route *a, const struct sql_route *b)
{
	const struct sql_hint *g = &a->hint, *h = &b->hint;
	return a->verdict == b->verdict && a->reason == b->reason && a->movable == b->movable &&
	       a->unsure == b->unsure && a->begins == b->begins &&
	       a->statements_n == b->statements_n && g->node == h->node &&
	       g->consistency == h->consistency && g->bounded_ms == h->bounded_ms &&
	       g->unknown == h->unknown && g->name_n == h->name_n &&
	       memcmp(g->name, h->name, g->name_n) == 0;
}

static bool same_pg(
	const struct sql_lang *lang, const char *a, size_t a_n, const char *b, size_t b_n)
{
	const struct sql_opts o = { lang->pg, lang->scs, false, 18 };
	for (size_t i = 0; i < N(ctxs); i++) {
		struct sql_stmt_info x, y;
		struct sql_route r, s;
		sql_route_pg(&o, &ctxs[i], a, a_n, &x, &r);
		sql_route_pg(&o, &ctxs[i], b, b_n, &y, &s);
		if (x.flags != y.flags || x.verb != y.verb || x.n_statements != y.n_statements ||
			x.set_kind != y.set_kind || x.set_name_n != y.set_name_n ||
			x.name_n != y.name_n || !same_route(&r, &s))
			return false;
	}
	return true;
}

static bool same_my(
	const struct sql_my_opts *o, const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct sql_my_stmt x, y;
	sql_my_classify(o, a, a_n, &x);
	sql_my_classify(o, b, b_n, &y);
	if (x.flags != y.flags || x.verb != y.verb || x.kill != y.kill || x.source != y.source ||
		x.id_known || y.id_known || x.name_n != y.name_n ||
		x.statements_n != y.statements_n)
		return false;
	for (size_t i = 0; i < N(ctxs); i++) {
		struct sql_route r, s;
		sql_route_my(o, &ctxs[i], a, a_n, &r);
		sql_route_my(o, &ctxs[i], b, b_n, &s);
		if (!same_route(&r, &s))
			return false;
	}
	return true;
}

static bool same_digest(
	const struct sql_lang *lang, const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct buf x, y;
	uint64_t d = 0, e = 0;
	buf_init(&x, 0);
	buf_init(&y, 0);
	bool same = sql_digest(lang, a, a_n, &x, &d) == sql_digest(lang, b, b_n, &y, &e) &&
		    d == e && buf_len(&x) == buf_len(&y) &&
		    (!buf_len(&x) || memcmp(buf_data(&x), buf_data(&y), buf_len(&x)) == 0);
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

/* Token by token, as the lexers that classifiers use give them; all but the numbers that were
 * changed is the same. v: the n of them in a. */
static bool same_tokens(const struct sql_lang *lang, const struct sql_number *v, size_t n,
	const char *a, size_t a_n, const char *b, size_t b_n)
{
	struct sql_lex p, q;
	struct sql_my_lex r, s;
	size_t at = 0;
	if (lang->pg) {
		sql_lex_init(&p, lang->pg, a, a_n, lang->scs);
		sql_lex_init(&q, lang->pg, b, b_n, lang->scs);
	} else {
		sql_my_lex_init(&r, lang->my, a, a_n);
		sql_my_lex_init(&s, lang->my, b, b_n);
	}
	for (;;) {
		const char *x, *y;
		size_t x_n, y_n;
		bool end, number;
		if (lang->pg) {
			struct sql_tok t, u;
			sql_lex_next(&p, &t);
			sql_lex_next(&q, &u);
			if (t.kind != u.kind)
				return false;
			x = t.p, y = u.p, x_n = t.n, y_n = u.n;
			end = t.kind == SQL_TOK_END;
			number = t.kind == SQL_TOK_NUMBER;
		} else {
			struct sql_my_tok t, u;
			sql_my_lex_next(&r, &t);
			sql_my_lex_next(&s, &u);
			if (t.kind != u.kind)
				return false;
			x = t.p, y = u.p, x_n = t.n, y_n = u.n;
			end = t.kind == SQL_MY_TOK_END;
			number = t.kind == SQL_MY_TOK_NUMBER;
		}
		if (end)
			return at == n;
		if (number && at < n && x == a + v[at].at) {
			if (x_n != v[at++].n)
				return false;
		} else if (x_n != y_n || memcmp(x, y, x_n) != 0) {
			return false;
		}
	}
}

/* The text with other digits at these numbers. */
static size_t change(
	const char *text, size_t n, const struct sql_number *v, size_t numbers_n, char *out)
{
	size_t from = 0, put = 0;
	for (size_t i = 0; i < numbers_n; i++) {
		memcpy(out + put, text + from, v[i].at - from);
		put += v[i].at - from;
		put += other_numbers(
			text + v[i].at, v[i].n, &seed, out + put, OUT_BYTES - put - (n - v[i].at));
		from = (size_t)v[i].at + v[i].n;
	}
	memcpy(out + put, text + from, n - from);
	return put + (n - from);
}

static void same_in(const struct sql_lang *lang, const char *text, size_t n)
{
	struct sql_number v[NUMBERS_MAX], w[NUMBERS_MAX];
	char b[OUT_BYTES];
	size_t numbers_n = sql_numbers(lang, text, n, v, N(v));
	if (numbers_n == 0)
		return;
	for (size_t i = 0; i < numbers_n; i++)
		cr_assert_eq(
			sql_number_end(text, text + v[i].at, text + n), text + v[i].at + v[i].n);
	size_t b_n = change(text, n, v, numbers_n, b);
	bool same =
		sql_numbers(lang, b, b_n, w, N(w)) == numbers_n &&
		same_tokens(lang, v, numbers_n, text, n, b, b_n) &&
		same_digest(lang, text, n, b, b_n) &&
		(lang->pg ? same_pg(lang, text, n, b, b_n) : same_my(lang->my, text, n, b, b_n));
	cr_assert(same, "<%.*s> and <%.*s>", (int)n, text, (int)b_n, b);
	changed_n++;
}

static void same(const char *p, size_t n)
{
	static const enum sql_my_charset charsets[] = { SQL_MY_CS_SAFE, SQL_MY_CS_SAFE,
		SQL_MY_CS_SAFE, SQL_MY_CS_BYTES };
	static const unsigned modes[] = { 0, SQL_MY_MODE_ANSI_QUOTES,
		SQL_MY_MODE_NO_BACKSLASH_ESCAPES, 0 };
	char *text = malloc(n ? n : 1); /* so that a sanitizer sees each read behind it */
	cr_assert_not_null(text);
	memcpy(text, p, n);
	same_in(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = true }, text, n);
	same_in(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = false }, text, n);
	for (unsigned i = 0; i < 8; i++) {
		struct sql_my_opts o = { .mariadb = i & 1,
			.multi_statements = i & 1,
			.charset = charsets[i / 2],
			.mode = modes[i / 2],
			.version = 90700,
			.code = i & 4 ? SQL_MY_CODE_ALL : SQL_MY_CODE_BY_VERSION };
		same_in(&(struct sql_lang){ .my = &o }, text, n);
	}
	free(text);
}

static void same_cut(const char *p, size_t n)
{
	char text[EACH_TEXT_MAX_BYTES];
	for (size_t i = 1; i <= n && other_numbers_has(p, n); i++)
		if (i == n || n <= 300)
			same(p, i);
	for (unsigned i = 0; i < 4 && other_numbers_has(p, n); i++)
		same(text, other_numbers(p, n, &seed, text, sizeof(text)));
}

Test(sql_numbers, of_the_corpora)
{
	(void)each_text_lines("test/data/route-pg.txt", same_cut);
	(void)each_text_lines("test/data/route-my.txt", same_cut);
	(void)each_text_dir("test/fuzz/corpus/route", same_cut);
	(void)each_text_dir("test/fuzz/corpus/classify", same_cut);
	(void)each_text_dir("test/fuzz/corpus/classify_my", same_cut);
	fprintf(stderr, "%lu\n", changed_n);
	cr_expect_gt(changed_n, 10000UL);
}

/* What lexers, digests, classifiers and routers could take in another way beside a number. */
static const char *const begins[] = { "select ", "insert into t values ",
	"update t set a = ", "delete from t where a = ", "with x as (select 1) select ",
	"/* 5 */ select ", "select /*+ a(5) */ ", "select 1; " };
static const char *const pieces[] = { "1", "22", "0", "00", "4711", " 5 ", "(6)", "(7, 8)", ",9",
	"-1", "- 2", "=3", "<4", ">5", "+6", ":", "::int", " limit 10", " offset 5", " a", "B ",
	"n", "e", "x", "u", "_", "z9", " null", "true ", " values ", " select ", " from t ",
	"\xc3\xa4", "$", "$1", "$a$", "?", "0x1F", "1e", "1e5", "1.5", ".5", ".", "..", "'",
	"' 5 '", "'a''b'", "'a\\'", "\"", "\" 5 \"", "`", "` 5 `", "\\", "e' 5 '", "N'x'", "u&'",
	"@", " @v ", "@@", "#", "-", "--", "-- 5 ", "-- x\n", "'a' --\n'b'", "*/", "+", "*", "/",
	"/*", "/* 5 */", "/*!", "/*!50000 ", "/*M!", "/*+", "=", "<", ">", "!", "%", "&", "|", "(",
	")", "[", "]", "{", "}", ",", ";", ":=", " ", "\n", "\t", "\v", "\r", " for update",
	" into @a ", " sleep(1)", " set_config('a', 'b', 1)", " get_lock('a', 1)", " nextval('a') ",
	" kill 5 ", " group by 1", " order by 2 ", " fetch first 3 rows only", " interval 5 day ",
	" tablesample bernoulli (5)", " partition (p1) ", " collate x ", " row (1,2) " };

Test(sql_numbers, of_random_texts)
{
	for (unsigned i = 0; i < RANDOM_TEXTS; i++) {
		char text[1024];
		const char *piece = begins[other_numbers_roll(&seed) % N(begins)];
		size_t n = strlen(piece);
		memcpy(text, piece, n);
		for (unsigned k = 1 + other_numbers_roll(&seed) % RANDOM_PIECES; k > 0; k--) {
			piece = pieces[other_numbers_roll(&seed) % N(pieces)];
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		same(text, n);
	}
	fprintf(stderr, "%lu\n", changed_n);
	cr_expect_gt(changed_n, 30000UL);
}

static size_t numbers_n(const struct sql_lang *lang, const char *text)
{
	struct sql_number v[3];
	return sql_numbers(lang, text, strlen(text), v, N(v));
}

Test(sql_numbers, that_may_decide_something_are_none)
{
	static const struct sql_my_opts o = { .charset = SQL_MY_CS_SAFE, .version = 90700 };
	static const struct sql_lang my = { .my = &o }, pg = { .pg = &sql_dialect_pg, .scs = true };
	cr_expect_eq(numbers_n(&pg, "select 1, 2 from t3"), 2);
	cr_expect_eq(numbers_n(&my, "select 1, 2 from t3"), 2);
	cr_expect_eq(numbers_n(&my, "select 1, 2, 3, 4"), 3, "no more than there is room for");
	cr_expect_eq(numbers_n(&pg, "explain (analyze 0) select 1"), 0);
	cr_expect_eq(numbers_n(&pg, "select 1; fetch 5 from c"), 0);
	cr_expect_eq(numbers_n(&pg, "select 1 'open"), 0);
	cr_expect_eq(numbers_n(&my, "kill 1"), 0);
	cr_expect_eq(numbers_n(&my, "set a = 1"), 0);
	cr_expect_eq(numbers_n(&my, "show warnings limit 1"), 0);
	cr_expect_eq(numbers_n(&my, "select 1 /*!50000 + 2 */"), 0);
	cr_expect_eq(numbers_n(&my, "select 1 /*M!100100 + 2 */"), 0);
	cr_expect_eq(numbers_n(&my, "select 1 /* + 2 */"), 1);
}
