/* pg_ours - settings that are weirpool's own: weirpool.consistency and weirpool.endpoint. A server
 * takes any name with a dot in it for a setting, so it keeps the value, and SHOW, RESET, SET LOCAL
 * and the startup packet work as for all others; here a value is checked before it gets there, and
 * read. Thread: that of the env. */
#include "pg_run_int.h"
#include "wish.h"

#include <string.h>
#include <strings.h>

#define CONSISTENCY "weirpool.consistency"
#define ENDPOINT "weirpool.endpoint"
#define PREFIX "weirpool."

bool ours_mentioned(const char *text, size_t n)
{
	const char *end = text + n, *p = text;
	for (; (p = memchr(p, '.', (size_t)(end - p))) != NULL; p++)
		if (p - text >= (ptrdiff_t)sizeof(PREFIX) - 2 &&
			strncasecmp(p - (sizeof(PREFIX) - 2), PREFIX, sizeof(PREFIX) - 1) == 0)
			return true;
	return false;
}

static bool check(const char *name, const char *value, struct err *e)
{
	struct proto_wish w;
	if (strcasecmp(name, CONSISTENCY) != 0 || wish_setting(value, &w))
		return true;
	err_set(e, ERR_BAD_VALUE, "invalid value for parameter \"" CONSISTENCY "\": \"%.60s\"",
		value);
	err_hint(e, "Valid values are: eventual, bounded(TIME), session, global, strong.");
	return false;
}

bool ours_refused(const struct sql_stmt_info *info, struct err *why)
{
	if (info->n_statements != 1 || info->set_kind != SQL_SET_VALUE)
		return false;
	if (strcasecmp(info->set_name, ENDPOINT) == 0) {
		err_set(why, ERR_BAD_VALUE,
			"parameter \"" ENDPOINT "\" cannot be set after connection start");
		memcpy(why->sqlstate, "55P02", 6);
		return true;
	}
	return !check(info->set_name, info->set_value, why);
}

int ours_check_start(const struct pg_client *c, struct err *e)
{
	const char *v = varset_get(c->start, CONSISTENCY);
	return v && !check(CONSISTENCY, v, e) ? -1 : 0;
}

bool ours_wish(const struct pg_client *c, struct proto_wish *w)
{
	const char *v = w->consistency ? NULL : varset_get(c->want, CONSISTENCY);
	return v == NULL || wish_setting(v, w);
}
