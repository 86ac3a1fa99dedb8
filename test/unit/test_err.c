/* err: the table is complete and sane, filling, cutting, and arguments that alias the error. */
#include "base/err.h"

#include <ctype.h>
#include <criterion/criterion.h>
#include <string.h>

static void assert_state(const char *s)
{
	cr_assert_eq(strlen(s), 5, "%s", s);
	for (; *s; s++)
		cr_assert(isdigit((unsigned char)*s) || isupper((unsigned char)*s));
}

Test(err, table)
{
	for (int c = 0; c < ERR_N; c++) {
		const struct err_info *i = err_info((enum err_code)c);
		assert_state(i->sqlstate);
		assert_state(i->mysql_sqlstate);
		cr_assert(*i->text && *i->name);
		cr_assert_eq(i->mysql_errno == 0, c == ERR_NONE);
		/* the client libraries' own, which MariaDB's does not take from a server */
		cr_assert_not(i->mysql_errno >= 2000 && i->mysql_errno < 3000, "%s", i->name);
	}
	cr_assert_str_eq(err_info(ERR_TOO_MANY)->name, "TOO_MANY");
	cr_assert_str_eq(err_info(ERR_TOO_MANY)->sqlstate, "53300");
	cr_assert_str_eq(err_info(ERR_SHUTDOWN)->sqlstate, "57P01");
	cr_assert_not(err_info(ERR_SYNTAX)->fatal);
	cr_assert(err_info(ERR_AUTH_FAILED)->fatal);
}

Test(err, fill)
{
	struct err e = { 0 };
	cr_assert_not(err_is(&e));
	cr_assert_eq(err_set(&e, ERR_TOO_MANY, "limit %d of %s", 5, "pool_size"), -1);
	cr_assert_eq(err_detail(&e, "d%d", 1), -1);
	cr_assert_eq(err_hint(&e, "h%d", 2), -1);
	cr_assert_eq(err_internal(&e, "i%d", 3), -1);
	cr_assert(err_is(&e));
	cr_assert_str_eq(e.msg, "limit 5 of pool_size");
	cr_assert_str_eq(e.detail, "d1");
	cr_assert_str_eq(e.hint, "h2");
	cr_assert_str_eq(e.internal, "i3");
	cr_assert_str_eq(err_sqlstate(&e), "53300");
	memcpy(e.sqlstate, "42P01", 6);
	cr_assert_str_eq(err_sqlstate(&e), "42P01");
	/* A new error leaves nothing of the old one. */
	cr_assert_eq(err_set(&e, ERR_SYNTAX, "x"), -1);
	cr_assert_str_eq(err_sqlstate(&e), "42601");
	cr_assert_str_empty(e.detail);
	cr_assert_str_empty(e.hint);
	cr_assert_str_empty(e.internal);
}

Test(err, null_is_allowed)
{
	cr_assert_eq(err_set(NULL, ERR_SYNTAX, "x"), -1);
	cr_assert_eq(err_detail(NULL, "x"), -1);
	cr_assert_eq(err_hint(NULL, "x"), -1);
	cr_assert_eq(err_internal(NULL, "x"), -1);
}

Test(err, arguments_may_alias)
{
	struct err e;
	err_set(&e, ERR_CONFIG, "inner");
	err_detail(&e, "why");
	err_set(&e, e.code, "outer: %s (%s)", e.msg, e.detail);
	cr_assert_str_eq(e.msg, "outer: inner (why)");
	err_detail(&e, "%s", e.msg);
	err_detail(&e, "[%s]", e.detail);
	cr_assert_str_eq(e.detail, "[outer: inner (why)]");
}

Test(err, cut_at_a_character)
{
	static const char *const chars[] = { "x", "é", "€", "𝄞" };
	char text[1200];
	struct err e;
	for (size_t c = 0; c < 4; c++) {
		size_t n = strlen(chars[c]);
		for (size_t pad = 0; pad < 4; pad++) {
			memset(text, 'a', pad);
			for (size_t i = 0; i < 250; i++)
				memcpy(text + pad + i * n, chars[c], n);
			text[pad + 250 * n] = '\0';
			err_set(&e, ERR_CONFIG, "%s", text);
			size_t fits = pad + (255 - pad) / n * n;
			if (pad + 250 * n < 255)
				fits = pad + 250 * n;
			cr_assert_eq(strlen(e.msg), fits, "%zu bytes, %zu in front", n, pad);
			cr_assert_eq(strncmp(e.msg, text, fits), 0);
			err_hint(&e, "%s", text);
			cr_assert_eq(strlen(e.hint), pad + (159 - pad) / n * n);
		}
	}
	/* Bytes that are no UTF-8 must not confuse the cut. */
	memset(text, 0x80, 1000);
	text[1000] = '\0';
	err_set(&e, ERR_CONFIG, "%s", text);
	cr_assert_eq(strlen(e.msg), 255);
	memset(text, 0xff, 1000);
	err_set(&e, ERR_CONFIG, "%s", text);
	cr_assert_geq(strlen(e.msg), 252);
}
