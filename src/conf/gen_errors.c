/* gen_errors - doc/errors.md from the table of events. Ignorant of options. Build time. */
#include "conf/gen.h"

#include "base/buf.h"
#include "base/event.h"

#include <string.h>

static const char intro[] =
	"# Errors and events\n\n"
	"<!-- Made by weirpool-gendoc from include/base/event_table.h and include/base/err.h: "
	"change those, not this page. -->\n\n"
	"What weirpool says has a code that never changes: a letter and four digits. The letter E "
	"with 1... is an error that a client was told, the others are events of the "
	"[log](log.md), with the letter of their level (D debug, I information, N notice, W "
	"warning, E error, F fatal). `weirpool explain` knows all of them, by code, by name, "
	"by SQLSTATE and by MySQL's number:\n\n"
	"```sh test=explain\nweirpool explain W3003 57014\n```\n\n"
	"## Errors that clients are told\n\n"
	"Errors of the server pass through unchanged. Each error of weirpool's own has a SQLSTATE "
	"(MySQL: a number and a SQLSTATE of its own), so that programs need not look at texts; "
	"the text is more precise than the one here (which database, which option, how long), and "
	"the log has the same with the code and the client's id (`log_pooler_errors`).\n\n"
	"FATAL means that the client is disconnected. Errors whose SQLSTATE begins with 08, 53 or "
	"57P may be tried again after a while.\n\n"
	"| code | SQLSTATE | MySQL | FATAL | error | text | why | what to do |\n"
	"|---|---|---|---|---|---|---|---|\n";

static void put_error(struct buf *out, const struct event_info *i)
{
	const struct err_info *e = err_info(i->err);
	buf_printf(out, "| %s | %s | %u (%s) | %s | `%s` | %s | %s | %s |\n", i->code, e->sqlstate,
		e->mysql_errno, e->mysql_sqlstate, e->fatal ? "yes" : "", i->name, i->text,
		i->cause, i->fix);
}

static void put_event(struct buf *out, const struct event_info *i)
{
	buf_printf(out, "| %s | `%s` | %s | %s | %s | %s |\n", i->code, i->name, i->text, i->cause,
		i->fix, i->flags & EVENT_NOTE ? "yes" : "");
}

void conf_gen_errors(struct buf *out)
{
	buf_puts(out, intro);
	for (unsigned i = 0; i < EVENT_N; i++)
		if (event_info((enum event_code)i)->err != ERR_NONE)
			put_error(out, event_info((enum event_code)i));
	buf_puts(out,
		"\n## Events\n\nThose with \"yes\" in the last column are also kept for SHOW "
		"EVENTS.\n\n"
		"| code | name | what | why | what to do | kept |\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < EVENT_N; i++)
		if (event_info((enum event_code)i)->err == ERR_NONE)
			put_event(out, event_info((enum event_code)i));
}
