/* sql_tell - says what sql/classify_my.h says of texts, for tests that ask a real server as well.
 *
 * usage: sql_tell mysql|maria VERSION [ansi] [noesc] [single] < texts, each ended by a NUL
 * One line per statement: "text# verb name=.. id=.. flag,flag"; then a line per SET assignment and
 * per user variable, indented. One thread. */
#include "my_tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell_parts(const struct sql_my_opts *o, const char *text, const struct sql_my_stmt *st)
{
	struct sql_my_set set;
	struct sql_my_assign a;
	struct sql_my_vars vars;
	struct sql_my_var v;

	sql_my_set_start(&set, o, text, st);
	while (sql_my_set_next(&set, &a))
		printf("\tset scope=%d kind=%d sysvar=%d %.*s=%.*s [%.*s]\n", (int)a.scope,
			(int)a.kind, (int)a.sysvar, (int)a.name_n, a.name,
			a.value_known ? (int)a.value_n : 0, a.value, (int)a.value_n_src,
			text + a.value_at);
	sql_my_vars_start(&vars, o, text, st);
	while (sql_my_vars_next(&vars, &v))
		printf("\tvar %s%s %.*s\n", v.read ? "r" : "", v.set ? "w" : "", (int)v.name_n,
			v.name);
}

static void tell(const struct sql_my_opts *o, const char *text, size_t n, unsigned number)
{
	struct sql_my_iter it;
	struct sql_my_stmt st;
	char flags[1024];

	sql_my_start(&it, o, text, n);
	while (sql_my_next(&it, &st)) {
		printf("%u %s name=%.*s id=%" PRIu64 " ", number, sql_my_verb_name(st.verb),
			(int)st.name_n, st.name, st.id_known ? st.id : 0);
		my_tell_flags(flags, sizeof(flags), st.flags);
		printf("%s\n", flags);
		tell_parts(o, text, &st);
	}
}

int main(int argc, char **argv)
{
	struct sql_my_opts o = { .multi_statements = true };
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (argc < 3)
		return 2;
	o.mariadb = strcmp(argv[1], "maria") == 0;
	o.version = (unsigned)strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "ansi") == 0)
			o.mode |= SQL_MY_MODE_ANSI_QUOTES;
		else if (strcmp(argv[i], "noesc") == 0)
			o.mode |= SQL_MY_MODE_NO_BACKSLASH_ESCAPES;
		else if (strcmp(argv[i], "single") == 0)
			o.multi_statements = false;
	}
	for (unsigned number = 0; (n = getdelim(&text, &cap, '\0', stdin)) > 0; number++) {
		if (text[n - 1] == '\0')
			n--;
		tell(&o, text, (size_t)n, number);
	}
	free(text);
	return 0;
}
