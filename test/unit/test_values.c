/* sql_values: with others at the numbers and strings that it finds a text has the same tokens, the
 * same digest, leaves the same and may run at the same places. For the texts of fuzz corpora and
 * test data, cut anywhere, and for random ones. */
#include "each_text.h"
#include "same_reading.h"
#include "seed.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define VALUES_MAX 200U
#define RANDOM_TEXTS 20000U
#define RANDOM_PIECES 14U
#define OUT_BYTES (2 * EACH_TEXT_MAX_BYTES)

static uint32_t seed;
static unsigned long changed_n;
static struct sql_route_ctx ctxs[SAME_CTXS_N];

static void setup(void)
{
	seed = seed_first();
	cr_assert_not_null(same_ctxs(ctxs));
}
TestSuite(sql_values, .init = setup);

static void same_in(const struct sql_lang *lang, const char *text, size_t n)
{
	struct sql_value v[VALUES_MAX], w[VALUES_MAX];
	char b[OUT_BYTES];
	size_t values_n = sql_values(lang, text, n, v, N(v));
	if (values_n == 0)
		return;
	for (size_t i = 0; i < values_n; i++)
		cr_assert_eq(
			sql_value_end(text, text + v[i].at, text + n), text + v[i].at + v[i].n);
	size_t b_n = change_values(text, n, v, values_n, &seed, b, sizeof(b));
	/* none are found where there may be code, though in strings this means nothing */
	bool code = memmem(b, b_n, "/*!", 3) || memmem(b, b_n, "/*M!", 4);
	bool same = (code || sql_values(lang, b, b_n, w, N(w)) == values_n) &&
		    same_reading(lang, ctxs, v, values_n, text, n, b, b_n);
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
	for (size_t i = 1; i <= n && other_values_has(p, n); i++)
		if (i == n || n <= 300)
			same(p, i);
	for (unsigned i = 0; i < 4 && other_values_has(p, n); i++)
		same(text, other_values(p, n, &seed, text, sizeof(text)));
}

Test(sql_values, of_the_corpora)
{
	(void)each_text_lines("test/data/route-pg.txt", same_cut);
	(void)each_text_lines("test/data/route-my.txt", same_cut);
	(void)each_text_dir("test/fuzz/corpus/route", same_cut);
	(void)each_text_dir("test/fuzz/corpus/classify", same_cut);
	(void)each_text_dir("test/fuzz/corpus/classify_my", same_cut);
	fprintf(stderr, "%lu\n", changed_n);
	cr_expect_gt(changed_n, 10000UL);
}

/* What lexers, digests, classifiers and routers could take in another way beside a value. */
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
	" tablesample bernoulli (5)", " partition (p1) ", " collate x ", " row (1,2) ", " 'x' ",
	"='y'", "('z')", ", 'off' ", " 'a' 'b' ", "'a'\n'b'", "'a'", " ''", "::regclass ",
	" uescape '!' ", " u&\"d!0061t\" uescape '!' ", " date '2020-01-01' ", " interval '5' day ",
	" N 'x' ", " _utf8 'x' ", " current_setting( 'x' ) ", " set_config( 'a' , 'b' , false) ",
	" nextval( 'a' ) ", " currval('a') ", " get_lock( 'a' , 1) ", " into outfile 'x' ",
	" load_file( 'x' ) ", " at time zone 'UTC' ", " as 'x' ", " escape '!' ", " like '%x' ",
	" in ( 'a' , 'b' ) ", " json '{}' ", " cast( 'x' as ", " pg_notify( 'a' , 'b' ) ",
	" lo_import( 'x' ) ", " procedure analyse( 'x' ) ", " against ( 'x' ) ", " explain ",
	" current_setting( 'search_path' ) ", " current_setting((('timezone'))) ",
	" pg_catalog.Current_Setting('search_path') ", " \"current_setting\"('search_path') ",
	" u&\"current\\005fsetting\"('search_path') ", "current_", "setting('search_path')" };

Test(sql_values, of_random_texts)
{
	for (unsigned i = 0; i < RANDOM_TEXTS; i++) {
		char text[1024];
		const char *piece = begins[other_values_roll(&seed) % N(begins)];
		size_t n = strlen(piece);
		memcpy(text, piece, n);
		for (unsigned k = 1 + other_values_roll(&seed) % RANDOM_PIECES; k > 0; k--) {
			piece = pieces[other_values_roll(&seed) % N(pieces)];
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		same(text, n);
	}
	fprintf(stderr, "%lu\n", changed_n);
	cr_expect_gt(changed_n, 30000UL);
}

static size_t values_n(const struct sql_lang *lang, const char *text)
{
	struct sql_value v[3];
	return sql_values(lang, text, strlen(text), v, N(v));
}

Test(sql_values, that_may_decide_something_are_none)
{
	static const struct sql_my_opts o = { .charset = SQL_MY_CS_SAFE, .version = 90700 };
	static const struct sql_lang my = { .my = &o }, pg = { .pg = &sql_dialect_pg, .scs = true };
	cr_expect_eq(values_n(&pg, "select 1, 2 from t3"), 2);
	cr_expect_eq(values_n(&my, "select 1, 2 from t3"), 2);
	cr_expect_eq(values_n(&my, "select 1, 2, 3, 4"), 3, "no more than there is room for");
	cr_expect_eq(values_n(&pg, "explain (analyze 0) select 1"), 0);
	cr_expect_eq(values_n(&pg, "select 1; fetch 5 from c"), 0);
	cr_expect_eq(values_n(&pg, "select 1 'open"), 0);
	cr_expect_eq(values_n(&pg, "select 'a', '' from t where b='c'"), 3);
	cr_expect_eq(values_n(&my, "select 'a', '' from t where b='c'"), 3);
	cr_expect_eq(values_n(&pg, "select 'it''s', e'x', u&'x', x'1f', 'a'\n'b'"), 0);
	cr_expect_eq(values_n(&pg, "select 'a\\b', \"'a'\", $$ 'a' $$"), 0);
	cr_expect_eq(values_n(&my, "select 'a\\'b', 'it''s', _utf8'x', n'x', \"x\""), 0);
	cr_expect_eq(values_n(&pg, "select 'a', current_setting('x')"), 0);
	cr_expect_eq(values_n(&pg, "select \"current_setting\"('x')"), 0);
	cr_expect_eq(values_n(&pg, "select U&\"current\\005fsetting\"('x')"), 0);
	cr_expect_eq(values_n(&my, "select 'a', current_setting('x')"), 2);
	cr_expect_eq(values_n(&my, "set a = 'x'"), 0);
	cr_expect_eq(values_n(&pg, "set a = 'x'"), 0);
	cr_expect_eq(values_n(&pg, "prepare transaction 'x'"), 0);
	cr_expect_eq(values_n(&my, "kill 1"), 0);
	cr_expect_eq(values_n(&my, "set a = 1"), 0);
	cr_expect_eq(values_n(&my, "show warnings limit 1"), 0);
	cr_expect_eq(values_n(&my, "select 1 /*!50000 + 2 */"), 0);
	cr_expect_eq(values_n(&my, "select 1 /*M!100100 + 2 */"), 0);
	cr_expect_eq(values_n(&my, "select 1 /* + 2 */"), 1);
}
