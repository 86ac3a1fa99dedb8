/* audit - lines of the audit file. Ignorant of commands. Any thread. */
#include "base/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

void audit(const char *who, const char *via, const char *what, const struct err *e)
{
	char user[128], result[300] = "ok";
	const char *at = strrchr(who, '@');
	snprintf(user, sizeof(user), "%.*s", at ? (int)(at - who) : 127, who);
	if (e && err_is(e))
		snprintf(result, sizeof(result), "%s %s", event_info(event_of_err(e->code))->code,
			e->msg);
	const struct log_field f[] = {
		{ .key = "user", .text = user },
		{ .key = "from", .text = at ? at + 1 : "" },
		{ .key = "via", .text = via },
		{ .key = "what", .text = what },
		{ .key = "result", .text = result },
	};
	struct log_about about = { .field = f, .fields_n = sizeof(f) / sizeof(*f) };
	log_audit(&about, "%s", "audit");
}

void audit_unquote(const char *text, char *out, size_t size)
{
	size_t n = 0;
	bool in = false;
	for (; *text && n + 6 < size; text++) {
		if (*text == '\'' && !in) {
			memcpy(out + n, "'***'", 5);
			n += 5;
		}
		if (*text == '\'')
			in = !in;
		else if (!in)
			out[n++] = *text;
	}
	out[n] = '\0';
}
