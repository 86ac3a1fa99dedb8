/* vars: sets of variables: equal contents are one object, names without regard to case, nothing
 * leaks. */
#include "../../src/proto/vars.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"

static struct vartab t;

static void setup(void)
{
	vartab_init(&t);
}
static void teardown(void)
{
	vartab_fini(&t);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(vars, .init = setup, .fini = teardown);

Test(vars, equal_contents_are_one_object)
{
	struct varset *a = NULL, *b = NULL;
	cr_assert(varset_put(&t, &a, "x", "1"));
	cr_assert(varset_put(&t, &a, "y", "2"));
	cr_assert(varset_put(&t, &b, "y", "2"));
	cr_assert_neq(a, b);
	cr_assert(varset_put(&t, &b, "x", "1"));
	cr_assert_eq(a, b);
	cr_assert_eq(a->refs, 2);
	cr_assert(varset_put(&t, &b, "x", "3"));
	cr_assert_neq(a, b);
	cr_assert_str_eq(varset_get(a, "x"), "1");
	cr_assert_str_eq(varset_get(b, "x"), "3");
	varset_unref(&t, a);
	varset_unref(&t, b);
}

Test(vars, the_empty_set_is_null)
{
	struct varset *a = NULL;
	cr_assert(varset_put(&t, &a, "x", NULL));
	cr_assert_null(a);
	cr_assert(varset_put(&t, &a, "x", ""));
	cr_assert_str_eq(varset_get(a, "x"), "");
	cr_assert(varset_put(&t, &a, "X", NULL));
	cr_assert_null(a);
	cr_assert_null(varset_get(NULL, "x"));
}

Test(vars, names_are_sorted_and_caseless)
{
	const struct var v[] = { { "TimeZone", "UTC" }, { "application_name", "b" },
		{ "DateStyle", "ISO" }, { "timezone", "GMT" }, { "gone", "1" }, { "gone", NULL } };
	struct varset *a = NULL;
	cr_assert(varset_make(&t, v, 6, &a));
	cr_assert_eq(a->n, 3);
	cr_assert_str_eq(a->v[0].name, "application_name");
	cr_assert_str_eq(a->v[1].name, "DateStyle");
	cr_assert_str_eq(varset_get(a, "TIMEZONE"), "GMT");
	cr_assert_lt(var_name_cmp("a", "B"), 0);
	cr_assert_gt(var_name_cmp("ab", "A"), 0);
	cr_assert_eq(var_name_cmp("Ab", "aB"), 0);
	varset_unref(&t, a);
}

Test(vars, names_and_values_do_not_run_together)
{
	const struct var v[] = { { "a", "bc" } }, w[] = { { "ab", "c" } };
	struct varset *a, *b;
	cr_assert(varset_make(&t, v, 1, &a));
	cr_assert(varset_make(&t, w, 1, &b));
	cr_assert_neq(a, b);
	varset_unref(&t, a);
	varset_unref(&t, b);
}

Test(vars, many)
{
	struct varset *a = NULL, *b = NULL;
	char name[32];
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "v%d", i * 7 % 300);
		cr_assert(varset_put(&t, &a, name, "x"));
	}
	cr_assert_eq(a->n, 300);
	for (uint32_t i = 1; i < a->n; i++)
		cr_assert_lt(var_name_cmp(a->v[i - 1].name, a->v[i].name), 0);
	varset_assign(&t, &b, a);
	cr_assert_eq(hmap_size(&t.sets), 1);
	while (a)
		cr_assert(varset_put(&t, &a, a->v[0].name, NULL));
	varset_unref(&t, b);
}
