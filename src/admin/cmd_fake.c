/* cmd_fake - what drivers and clients ask of any server, answered so that they go on: settings,
 * transactions, SELECT of a number or of who one is. Control thread. */
#include "admin_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct fake {
	const char *name, *value; /* value NULL: SET only */
} fakes[] = {
	{ "client_encoding", "UTF-8" },
	{ "default_transaction_isolation", "read committed" },
	{ "transaction_isolation", "read committed" },
	{ "standard_conforming_strings", "on" },
	{ "datestyle", "ISO" },
	{ "timezone", "GMT" },
	{ "extra_float_digits", "2" },
	{ "search_path", "\"$user\", public" },
	{ "server_encoding", "UTF8" },
	{ "application_name", NULL },
	{ "client_min_messages", NULL },
	{ "statement_timeout", NULL },
	{ "lock_timeout", NULL },
	{ "idle_in_transaction_session_timeout", NULL },
	{ "bytea_output", NULL },
	{ "intervalstyle", NULL },
};

static const struct fake *fake_find(const char *name)
{
	for (unsigned i = 0; i < sizeof fakes / sizeof *fakes; i++)
		if (!strcasecmp(name, fakes[i].name))
			return &fakes[i];
	return NULL;
}

bool fake_is(const char *key)
{
	return fake_find(key) != NULL;
}

static void fake_answer(struct core_console *r, const char *name, const char *value)
{
	rowset_col(&r->result, name, RS_TEXT);
	rowset_set(&r->result, rowset_row(&r->result), 0, value);
	admin_done(r, "SHOW");
}

/* Drivers put these around everything that they are told. Each command takes effect by itself. */
bool fake_transaction(struct core_console *r, const struct cmd_line *l)
{
	static const char *const verbs[][2] = { { "begin", "BEGIN" },
		{ "start", "START TRANSACTION" }, { "commit", "COMMIT" }, { "end", "COMMIT" },
		{ "rollback", "ROLLBACK" } };
	bool start = !strcasecmp(l->verb, "start");
	if (start && (l->args_n == 0 || strcasecmp(l->arg[0].text, "transaction") != 0))
		return false;
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (strcasecmp(l->verb, verbs[i][0]) != 0)
			continue;
		if (verbs[i][1][0] != 'C')
			r->result.notice = mem_strdup(MEM_ADMIN,
				"the console has no transactions: "
				"each command takes effect at once");
		admin_done(r, verbs[i][1]);
		return true;
	}
	return false;
}

bool fake_show(struct core_console *r, const struct cmd_line *l)
{
	if (strcasecmp(l->verb, "show") != 0 && strcasecmp(l->verb, "select") != 0)
		return false;
	if (l->args_n == 3 && !strcasecmp(l->arg[0].text, "transaction") &&
		!strcasecmp(l->arg[1].text, "isolation") && !strcasecmp(l->arg[2].text, "level")) {
		fake_answer(r, "transaction_isolation", "read committed");
		return true;
	}
	if (l->args_n != 1)
		return false;
	if (!strcasecmp(l->arg[0].text, "warnings")) { /* mysql asks, by itself if told to */
		rowset_col(&r->result, "Level", RS_TEXT);
		rowset_col(&r->result, "Code", RS_INT4);
		rowset_col(&r->result, "Message", RS_TEXT);
		admin_done(r, "SHOW");
		return true;
	}
	if (!strcasecmp(l->arg[0].text, "server_version")) {
		fake_answer(r, "server_version", r->core->version);
		return true;
	}
	const struct fake *f = fake_find(l->arg[0].text);
	if (!f || !f->value)
		return false;
	fake_answer(r, f->name, f->value);
	return true;
}

/* ---- SELECT without FROM ---- */

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* A word of letters, digits and _, and () behind it if they are there, into name. */
static const char *take_item(const char *p, char *name, size_t n, bool *call_r)
{
	size_t len = 0;
	while (isalnum((unsigned char)p[len]) || p[len] == '_')
		len++;
	if (len == 0 || len >= n)
		return NULL;
	memcpy(name, p, len);
	name[len] = '\0';
	p = skip_space(p + len);
	*call_r = *p == '(';
	if (*call_r) {
		p = skip_space(p + 1);
		p = *p == ')' ? p + 1 : NULL;
	}
	return p ? skip_space(p) : NULL;
}

/* What a number, DATABASE() and their like are; NULL: none of these. */
static const char *value_of(
	const struct core_console *r, const char *name, bool call, char *out, size_t n)
{
	static const char *const databases[] = { "database", "schema", "current_database" };
	static const char *const users[] = { "user", "current_user", "session_user" };
	if (name[strspn(name, "0123456789")] == '\0')
		return call ? NULL : name;
	for (size_t i = 0; i < sizeof databases / sizeof *databases; i++)
		if (!strcasecmp(name, databases[i]))
			return "weirpool";
	for (size_t i = 0; i < sizeof users / sizeof *users; i++)
		if (!strcasecmp(name, users[i])) {
			snprintf(out, n, "%.*s", (int)strcspn(r->who, "@"), r->who);
			return out;
		}
	if (!call || strcasecmp(name, "version") != 0) /* SELECT version is SHOW VERSION */
		return NULL;
	snprintf(out, n, "weirpool %s", r->core->version);
	return out;
}

/* Behind LIMIT n, if that is there. */
static const char *skip_limit(const char *p)
{
	char word[8];
	bool call;
	const char *q = take_item(p, word, sizeof word, &call);
	if (!q || strcasecmp(word, "limit") != 0)
		return p;
	q = take_item(q, word, sizeof word, &call);
	return q && word[strspn(word, "0123456789")] == '\0' ? q : p;
}

#define FAKE_COLUMNS_MAX 8

bool fake_select(struct core_console *r)
{
	char name[FAKE_COLUMNS_MAX][64], text[FAKE_COLUMNS_MAX][128];
	const char *value[FAKE_COLUMNS_MAX], *p = skip_space(r->sql);
	unsigned n = 0;
	bool call;
	if (strncasecmp(p, "select", 6) != 0 || !isspace((unsigned char)p[6]))
		return false;
	p += 6;
	do {
		if (n == FAKE_COLUMNS_MAX)
			return false;
		p = take_item(skip_space(p), name[n], sizeof name[n], &call);
		value[n] = p ? value_of(r, name[n], call, text[n], sizeof text[n]) : NULL;
		if (!value[n++])
			return false;
	} while (*p == ',' && p++);
	p = skip_limit(p);
	if (p[strspn(p, "; \t\r\n")] != '\0')
		return false;
	for (unsigned i = 0; i < n; i++)
		rowset_col(
			&r->result, name[i], isdigit((unsigned char)*name[i]) ? RS_INT8 : RS_TEXT);
	char **row = rowset_row(&r->result);
	for (unsigned i = 0; i < n; i++)
		rowset_set(&r->result, row, i, value[i]);
	admin_done(r, "SELECT 1");
	return true;
}
