/* ident: the map file, its mistakes, and who may log in as whom. */
#include "auth/ident.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(ident, .fini = assert_all_back);

static struct ident *parse(const char *text)
{
	struct problems p;
	struct ident *i = NULL;

	problems_init(&p);
	cr_assert_eq(
		ident_parse("ident.conf", text, strlen(text), &i, &p), 0, "%s", problems_text(&p));
	cr_assert_eq(p.errors_n, 0);
	problems_fini(&p);
	return i;
}

Test(ident, maps)
{
	struct ident *i = parse("# comment\n"
				"staff  alice@example.com  alice # why not\n"
				"staff\troot all\r\n"
				"other bob bob\n"
				"\n"
				"other \"Jo Doe\" \"all\"\n"
				"cont \\\n  sys \\\n db\n"
				"other \"/home\" x\n");

	cr_assert(ident_allows(i, "staff", "alice@example.com", "alice"));
	cr_assert(!ident_allows(i, "staff", "alice@example.com", "bob"));
	cr_assert(!ident_allows(i, "staff", "alice", "alice"), "a map replaces equality");
	cr_assert(ident_allows(i, "staff", "root", "anybody"));
	cr_assert(!ident_allows(i, "other", "root", "anybody"));
	cr_assert(ident_allows(i, "other", "Jo Doe", "all"), "quoted: a user called all");
	cr_assert(!ident_allows(i, "other", "Jo Doe", "x"));
	cr_assert(ident_allows(i, "cont", "sys", "db"));
	cr_assert(ident_allows(i, "other", "/home", "x"));
	cr_assert(!ident_allows(i, "nosuch", "root", "root"));
	cr_assert(ident_has_map(i, "staff"));
	cr_assert(!ident_has_map(i, "nosuch"));
	ident_free(&i);
	cr_assert_null(i);
}

Test(ident, without_map_names_must_be_equal)
{
	cr_assert(ident_allows(NULL, NULL, "a", "a"));
	cr_assert(ident_allows(NULL, "", "a", "a"));
	cr_assert(!ident_allows(NULL, NULL, "a", "b"));
	cr_assert(!ident_allows(NULL, NULL, "A", "a"));
	cr_assert(!ident_allows(NULL, NULL, "", ""));
	cr_assert(!ident_allows(NULL, "m", "a", "a"), "a map that does not exist allows nobody");
	cr_assert(!ident_has_map(NULL, "m"));
}

Test(ident, every_mistake_is_reported)
{
	static const char text[] = "m a\n"
				   "m a b c\n"
				   "m a b\n"
				   "m /re b\n"
				   "m a +grp\n"
				   "m a \"b\n"
				   "m a,c b\n"
				   "include x\n"
				   "m \"\" b\n";
	static const char *const want[] = { "i.conf:1: ", "i.conf:2: ", "i.conf:4: regular",
		"i.conf:5: role", "i.conf:6: ", "i.conf:7: ", "i.conf:8: include", "i.conf:9: " };
	struct problems p;
	struct ident *i = NULL;

	problems_init(&p);
	cr_assert_eq(ident_parse("i.conf", text, strlen(text), &i, &p), -1);
	cr_assert_null(i);
	cr_assert_eq(p.errors_n, N(want));
	for (size_t k = 0; k < N(want); k++)
		cr_assert(strstr(problems_text(&p), want[k]), "%s not in\n%s", want[k],
			problems_text(&p));
	problems_fini(&p);
}

Test(ident, missing_file)
{
	struct problems p;
	struct ident *i = NULL;

	problems_init(&p);
	cr_assert_eq(ident_load("/nonexistent/x", &i, &p), -1);
	cr_assert_eq(p.errors_n, 1);
	cr_assert(strstr(problems_text(&p), "/nonexistent/x: "));
	problems_fini(&p);
}
