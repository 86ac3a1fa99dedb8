/* token_ask: which texts are weirpool's own. */
#include "proto/proto.h"

#include "../../src/proto/token_ask.h"

#include <criterion/criterion.h>
#include <string.h>

Test(token_ask, asks)
{
	static const char *const yes[] = { "show weirpool.token", " SHOW\tWeirpool.Token ; ;\n",
		"select @@weirpool.token", "SELECT  @@weirpool.token;" };
	struct pev ev;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		cr_assert(token_ask_read(yes[i], strlen(yes[i]), &ev), "%s", yes[i]);
		cr_assert_eq(ev.kind, PEV_TOKEN);
		cr_assert_null(ev.text);
	}
}

Test(token_ask, brings)
{
	static const char *const yes[] = { "set weirpool.token='v1;a;0/1'",
		"SET SESSION weirpool.token = 'v1;a;0/1' ;", "set weirpool.token to 'v1;a;0/1'" };
	struct pev ev;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		cr_assert(token_ask_read(yes[i], strlen(yes[i]), &ev), "%s", yes[i]);
		cr_assert_eq(ev.text_n, 8);
		cr_assert_eq(memcmp(ev.text, "v1;a;0/1", 8), 0);
	}
	cr_assert(token_ask_read("set weirpool.token=''", 21, &ev));
	cr_assert_not_null(ev.text);
	cr_assert_eq(ev.text_n, 0);
}

Test(token_ask, all_else_is_the_servers)
{
	static const char *const no[] = { "", "s", "show", "show ", "show weirpool.tokens",
		"show weirpool.token, x", "select 1", "select @@weirpool.token, 1",
		"showweirpool.token", "set", "set weirpool.token",
		"set weirpool.token =", "set weirpool.token = 'a", "set weirpool.token = a",
		"set weirpool.token = 'a' 'b'", "set weirpool.token = 'a\\'b'",
		"set weirpool.token = 'a''b'", "set weirpool.token = 'a'; select 1",
		"set local weirpool.token = 'a'", "set weirpool.consistency = 'session'",
		"/* c */ show weirpool.token" };
	struct pev ev;
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		for (size_t n = 0; n <= strlen(no[i]); n++) /* nothing beyond its end is read */
			cr_assert(!token_ask_read(no[i], n, &ev) || n < strlen(no[i]), "%s", no[i]);
}
