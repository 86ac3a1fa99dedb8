/* sql_digest: the fast way makes of a text what the plain one does (plain_digest.h), for the texts
 * of all fuzz corpora and test data, cut anywhere, and for random ones. */
#include "plain_digest.h"
#include "seed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define CUT_EVERYWHERE_MAX_BYTES 300U
#define RANDOM_TEXTS 60000U
#define RANDOM_PIECES 12U

static unsigned long texts_n;

static void show(const char *what, bool has, uint64_t digest, const struct buf *b)
{
	fprintf(stderr, "%s: %d %016llx <%.*s>\n", what, has, (unsigned long long)digest,
		(int)buf_len(b), (const char *)buf_data(b));
}

/* text stands in a block of just n bytes, so that a sanitizer sees each read behind it. */
static void same_in(const struct sql_lang *lang, const char *text, size_t n)
{
	struct buf a, b;
	uint64_t x = 0, y = 0, z = 0;
	buf_init(&a, 0);
	buf_init(&b, 0);
	bool fast = sql_digest(lang, text, n, &a, &x), plain = plain_digest(lang, text, n, &b, &y);
	bool same = fast == plain && buf_len(&a) == buf_len(&b) &&
		    (buf_len(&a) == 0 || memcmp(buf_data(&a), buf_data(&b), buf_len(&a)) == 0) &&
		    sql_digest(lang, text, n, NULL, &z) == fast && x == z && x == y;
	if (!same) {
		show("fast", fast, x, &a);
		show("plain", plain, y, &b);
	}
	cr_assert(same, "<%.*s>", (int)n, text);
	buf_fini(&a);
	buf_fini(&b);
	texts_n++;
}

static void same(const char *p, size_t n)
{
	static const enum sql_my_charset charsets[] = { SQL_MY_CS_SAFE, SQL_MY_CS_BYTES,
		SQL_MY_CS_SECOND_BYTE, SQL_MY_CS_UNKNOWN };
	static const unsigned modes[] = { 0, SQL_MY_MODE_ANSI_QUOTES,
		SQL_MY_MODE_NO_BACKSLASH_ESCAPES, SQL_MY_MODE_ORACLE };
	char *text = malloc(n ? n : 1);
	cr_assert_not_null(text);
	memcpy(text, p, n);
	same_in(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = true }, text, n);
	same_in(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = false }, text, n);
	for (unsigned i = 0; i < 6; i++) {
		struct sql_my_opts o = { .mariadb = i & 1,
			.multi_statements = true,
			.charset = charsets[i < 3 ? 0 : i - 2],
			.mode = modes[i < 3 ? i : 0],
			.version = 1,
			.code = i & 2 ? SQL_MY_CODE_ALL : SQL_MY_CODE_NONE };
		same_in(&(struct sql_lang){ .my = &o }, text, n);
	}
	struct sql_my_opts oracle = { .mode = modes[3], .version = 101100, .mariadb = true };
	same_in(&(struct sql_lang){ .my = &oracle }, text, n);
	free(text);
}

static void same_cut(const char *p, size_t n)
{
	same(p, n);
	for (size_t i = 0; i < n && n <= CUT_EVERYWHERE_MAX_BYTES; i++)
		same(p, i);
}

static const char *source(const char *path, char *out, size_t size)
{
	const char *srcdir = getenv("srcdir");
	snprintf(out, size, "%s/%s", srcdir != NULL ? srcdir : ".", path);
	return out;
}

static size_t read_file(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f, "%s", path);
	size_t n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

static void run_dir(const char *name)
{
	static char text[1U << 18];
	char dir[1024], path[2048];
	DIR *d = opendir(source(name, dir, sizeof(dir)));
	struct dirent *e;
	cr_assert_not_null(d, "%s", dir);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		same_cut(text, read_file(path, text, sizeof(text)));
	}
	closedir(d);
}

Test(sql_digest, corpora)
{
	static const char *const dirs[] = { "classify", "classify_my", "match", "route" };
	char name[128];
	for (size_t i = 0; i < N(dirs); i++) {
		snprintf(name, sizeof(name), "test/fuzz/corpus/%s", dirs[i]);
		run_dir(name);
	}
	cr_expect_gt(texts_n, 10000UL);
}

Test(sql_digest, lines_of_the_test_data)
{
	static const char *const files[] = { "test/data/route-pg.txt", "test/data/route-my.txt",
		"test/data/route-danger-pg.sql" };
	static char text[1U << 20];
	char path[1024];
	for (size_t i = 0; i < N(files); i++) {
		size_t n = read_file(source(files[i], path, sizeof(path)), text, sizeof(text));
		const char *p = text, *end = text + n;
		same(p, n);
		while (p < end) {
			const char *eol = memchr(p, '\n', (size_t)(end - p));
			eol = eol != NULL ? eol : end;
			same_cut(p, (size_t)(eol - p));
			p = eol + 1;
		}
	}
	cr_expect_gt(texts_n, 10000UL);
}

/* What the two ways could read differently: the beginnings and ends of tokens, side by side. */
static const char *const pieces[] = { "a", "B", "n", "e", "x", "u", "_", "z9", "null", "TRUE",
	"false", "values", "Value", "select", "\xc3\xa4", "\x80", "$", "$1", "$a$", "?", "0", "1",
	"42", "0x1F", "1e", "1e5", "1.5", ".5", ".", "..", "'", "'a'", "'a''b'", "'a\\'", "\"",
	"\"a\"", "\"a\"\"b\"", "`", "`a`", "\\", "e'", "N'x'", "u&'", "u&\"", "@", "@v", "@@", "#",
	"-", "--", "-- ", "-- x\n", "'a' --\n'b'", "*/+", "+", "*", "/", "/*", "*/", "/*!",
	"/*!50000 ", "/*M!", "/*+", "=", "<", ">", "!", "%", "&", "|", "^", "~", "(", ")", "[", "]",
	"{", "}", ",", ";", ":", "::", ":=", " ", "\n", "\t", "\v", "\r", "(1,2)", "(1),(2)", "-1",
	"((1,'a'),(NULL,-3))", ", ", "," };

static uint32_t roll(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

Test(sql_digest, random_texts)
{
	uint32_t seed = seed_first();
	for (unsigned i = 0; i < RANDOM_TEXTS; i++) {
		char text[512];
		size_t n = 0;
		for (unsigned k = 1 + roll(&seed) % RANDOM_PIECES; k > 0; k--) {
			const char *piece = pieces[roll(&seed) % N(pieces)];
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
			if (roll(&seed) % 8 == 0)
				text[n++] = (char)(roll(&seed) % 2 ? roll(&seed) : 0);
		}
		same(text, n);
	}
}
