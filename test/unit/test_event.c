/* event: the table is whole and without doubles, and everything in it is found by what an operator
 * knows of it. */
#include "base/event.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

Test(event, every_error_has_a_row)
{
	for (unsigned c = 1; c < ERR_N; c++) {
		const struct event_info *i = event_info(event_of_err((enum err_code)c));
		cr_assert_eq(i->err, c, "ERR_%s is not in EVENT_ERRORS",
			err_info((enum err_code)c)->name);
		cr_assert_eq(i->code[0], 'E');
		cr_assert_eq(i->code[1], '1');
	}
	cr_assert_eq(event_of_err(ERR_NONE), EVENT_WARN);
}

Test(event, codes_are_whole_and_different)
{
	for (unsigned a = 0; a < EVENT_N; a++) {
		const struct event_info *i = event_info((enum event_code)a);
		cr_assert_eq(strlen(i->code), 5, "%s", i->code);
		for (int k = 1; k < 5; k++)
			cr_assert(isdigit((unsigned char)i->code[k]));
		cr_assert_not_null(i->text);
		cr_assert(*i->text && *i->cause && *i->fix, "%s", i->code);
		cr_assert_not_null(strchr(".?", i->fix[strlen(i->fix) - 1]), "%s", i->code);
		for (unsigned b = 0; b < a; b++)
			cr_assert_str_neq(event_info((enum event_code)b)->code + 1, i->code + 1);
		cr_assert_lt(strlen(i->name), 24, "%s: its column is that wide", i->name);
	}
}

Test(event, found_by_what_is_known)
{
	cr_assert_eq(event_find("W3003", 0), EVENT_LINK_FAILED);
	cr_assert_eq(event_find("w3003", 0), EVENT_LINK_FAILED);
	cr_assert_eq(event_find("3003", 0), EVENT_LINK_FAILED);
	cr_assert_eq(event_find("link_failed", 0), EVENT_LINK_FAILED);
	cr_assert_eq(event_find("ERR_WAIT_TIMEOUT", 0), EVENT_ERR_WAIT_TIMEOUT);
	cr_assert_eq(event_find("wait_timeout", 0), EVENT_ERR_WAIT_TIMEOUT);
	cr_assert_eq(event_find("28P01", 0), EVENT_ERR_AUTH_FAILED);
	cr_assert_eq(event_find("3118", 0), EVENT_ERR_ACCOUNT_LOCKED);
	cr_assert_eq(event_find("nonsense", 0), EVENT_N);
	cr_assert_eq(event_find("", 0), EVENT_N);
	/* three errors have it */
	unsigned n = 0;
	for (enum event_code e = event_find("57014", 0); e != EVENT_N;
		e = event_find("57014", e + 1))
		n++;
	cr_assert_eq(n, 3);
}
