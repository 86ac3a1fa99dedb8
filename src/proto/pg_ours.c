/* pg_ours - settings that are weirpool's own: weirpool.consistency and weirpool.endpoint. A server
 * takes any name with a dot in it for a setting, so it keeps the value, and SHOW, RESET, SET LOCAL
 * and the startup packet work as for all others; here a value is checked before it gets there, and
 * read. weirpool.token never gets there: core has it (token_ask.c). Thread: that of the env. */
#include "pg_login_int.h"
#include "pg_run_int.h"
#include "wish.h"

#include <string.h>
#include <strings.h>

#include "wire/pg/error.h"
#include "wire/pg/session.h"

#define CONSISTENCY "weirpool.consistency"
#define ENDPOINT "weirpool.endpoint"
#define TOKEN "weirpool.token"
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
	if (strcasecmp(info->set_name, TOKEN) == 0) {
		err_set(why, ERR_BAD_VALUE, "parameter \"" TOKEN "\" cannot be set in this way");
		err_hint(why, "Send SET " TOKEN " = '...' alone, as a simple query.");
		return true;
	}
	return !check(info->set_name, info->set_value, why);
}

int ours_check_start(const struct pg_client *c, struct err *e)
{
	const char *v = varset_get(c->start, CONSISTENCY);
	if (varset_get(c->start, TOKEN)) {
		err_set(e, ERR_BAD_VALUE,
			"parameter \"" TOKEN "\" cannot be given at connection start");
		err_hint(e, "Send SET " TOKEN " = '...' as the first query.");
		return -1;
	}
	return v && !check(CONSISTENCY, v, e) ? -1 : 0;
}

void pg_client_answer(void *cst, void *lst, const struct rowset *r, struct buf *down)
{
	const struct pg_link *l = lst;
	bool failed = err_is(&r->err);
	(void)cst;
	if (!failed && r->n_cols)
		pg_rowset_put_desc(down, r, NULL, 0);
	for (size_t i = 0; i < r->n_rows && !failed; i++)
		(void)pg_rowset_put_row(down, r, i, NULL, 0); /* text */
	if (failed)
		pgerror_put(down, "ERROR", &r->err);
	else
		pgsession_put_complete(down, r->tag);
	pgsession_put_ready(down, l && l->tx == TX_OPEN ? 'T' : 'I');
}

bool ours_wish(const struct pg_client *c, struct proto_wish *w)
{
	const char *v = w->consistency ? NULL : varset_get(c->want, CONSISTENCY);
	return v == NULL || wish_setting(v, w);
}
