/* explain_code - weirpool explain: what a code, a SQLSTATE or a name of an error means, why it
 * happens and what to do. One thread. */
#include "server_int.h"

#include "base/event.h"

#include <stdio.h>
#include <string.h>

static const char usage_text[] =
	"Usage: weirpool explain [CODE|NAME|SQLSTATE|NUMBER]...\n"
	"What weirpool says in its log (W3003), and what it tells clients (E1011,\n"
	"ERR_WAIT_TIMEOUT, 57014, 1205). Without an argument: all of them, a line for each.\n";

/* Texts have links of Markdown in them: "[clusters](clusters.md)" becomes "clusters
 * (doc/clusters.md)". */
static void put(const char *label, const char *s)
{
	printf("  %-10s ", label);
	for (; *s; s++) {
		const char *mid = *s == '[' ? strstr(s, "](") : NULL;
		const char *end = mid ? strchr(mid, ')') : NULL;
		if (end) {
			int name_n = (int)(mid - s - 1);
			int file_n = (int)strcspn(mid + 2, "#)");
			printf("%.*s (doc/%.*s)", name_n, s + 1, file_n, mid + 2);
			s = end;
		} else if (*s != '`') {
			putchar(*s);
		}
	}
	putchar('\n');
}

static void explain(const struct event_info *i)
{
	printf("%s %s: %s\n", i->code, i->name, i->text);
	if (i->err != ERR_NONE) {
		const struct err_info *e = err_info(i->err);
		printf("  %-10s PostgreSQL: SQLSTATE %s; MySQL: %u (%s); %s\n", "told as",
			e->sqlstate, e->mysql_errno, e->mysql_sqlstate,
			e->fatal ? "the client is disconnected" : "the session goes on");
	}
	put("why", i->cause);
	put("what to do", i->fix);
}

static int explain_each(const char *what)
{
	enum event_code ev = event_find(what, 0);
	if (ev == EVENT_N) {
		fprintf(stderr,
			"weirpool: nothing has the code or name \"%s\"; without an argument all "
			"are listed\n",
			what);
		return 1;
	}
	for (; ev != EVENT_N; ev = event_find(what, ev + 1))
		explain(event_info(ev));
	return 0;
}

int server_explain_code(int argc, char **argv)
{
	int code = 0;
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			bool asked = strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0;
			fputs(usage_text, asked ? stdout : stderr);
			return asked ? 0 : 2;
		}
		code |= explain_each(argv[i]);
	}
	for (unsigned i = 0; argc == 1 && i < EVENT_N; i++) {
		const struct event_info *e = event_info((enum event_code)i);
		printf("%s %-18s %s\n", e->code, e->name, e->text);
	}
	return fflush(stdout) == 0 ? code : 1;
}
