/* mysql_console - serves the administration console to MySQL's clients: text queries in, one SQL
 * text after the other out (PEV_CONSOLE), a rowset back in, rendered. What clients and drivers
 * say of their own is answered here. Ignorant of commands: admin/ runs them. The session's
 * thread. Source: MySQL docs, Command Phase; what mysql, PyMySQL, Connector/J and
 * Connector/Python send. */
#include "mysql_console_int.h"

#include <string.h>
#include <strings.h>

#include "mysql_run_int.h"
#include "wire/mysql/command.h"
#include "wire/mysql/query.h"

#define MESSAGE_MAX_BYTES (256U << 10)
#define CHATTER_VARS_MAX_N 64U

/* ---- words of a text ---- */

struct text {
	const char *p;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Blanks and comments in front; blanks and semicolons behind. */
static void trim(struct text *t)
{
	for (;;) {
		while (t->n && is_blank(*t->p)) {
			t->p++;
			t->n--;
		}
		if (t->n < 2 || t->p[0] != '/' || t->p[1] != '*')
			break;
		const char *end = memmem(t->p + 2, t->n - 2, "*/", 2);
		if (end == NULL)
			break;
		t->n -= (size_t)(end + 2 - t->p);
		t->p = end + 2;
	}
	while (t->n && (is_blank(t->p[t->n - 1]) || t->p[t->n - 1] == ';'))
		t->n--;
}

/* Takes word (any case) off the front, if it stands there as a word. */
static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);
	bool name = word[n - 1] != '=' && word[n - 1] != ',' && word[n - 1] != '@';
	if (t->n < n || strncasecmp(t->p, word, n) != 0)
		return false;
	if (name && t->n > n && is_name(t->p[n]))
		return false;
	t->p += n;
	t->n -= n;
	while (t->n && is_blank(*t->p)) {
		t->p++;
		t->n--;
	}
	return true;
}

static struct text take_name(struct text *t)
{
	struct text w = { t->p, 0 };
	while (t->n && is_name(*t->p)) {
		t->p++;
		t->n--;
		w.n++;
	}
	while (t->n && is_blank(*t->p)) {
		t->p++;
		t->n--;
	}
	return w;
}

static bool is(struct text t, const char *s)
{
	return t.n == strlen(s) && strncasecmp(t.p, s, t.n) == 0;
}

/* ---- what drivers say ---- */

/* A variable as a server of today has it; NULL: the console has none of that name. */
static const char *var_of(struct text name)
{
	static const struct proto_kv all[] = { { "version_comment", "weirpool console" },
		{ "auto_increment_increment", "1" }, { "character_set_client", "utf8mb4" },
		{ "character_set_connection", "utf8mb4" }, { "character_set_results", "utf8mb4" },
		{ "character_set_server", "utf8mb4" }, { "collation_server", "utf8mb4_general_ci" },
		{ "collation_connection", "utf8mb4_general_ci" }, { "init_connect", "" },
		{ "interactive_timeout", "28800" }, { "license", "PostgreSQL" },
		{ "lower_case_table_names", "0" }, { "max_allowed_packet", "67108864" },
		{ "net_write_timeout", "60" }, { "performance_schema", "0" }, { "sql_mode", "" },
		{ "system_time_zone", "UTC" }, { "time_zone", "SYSTEM" },
		{ "transaction_isolation", "REPEATABLE-READ" },
		{ "tx_isolation", "REPEATABLE-READ" }, { "wait_timeout", "28800" },
		{ "autocommit", "1" }, { "transaction_read_only", "0" }, { "tx_read_only", "0" },
		{ "socket", "" }, { "query_cache_size", "0" }, { "query_cache_type", "OFF" } };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (is(name, all[i].key))
			return all[i].value;
	return NULL;
}

/* SELECT @@a [AS b], ... [LIMIT 1]: into r. False: it is something else. */
static bool select_vars(struct text t, struct rowset *r)
{
	const char *value[CHATTER_VARS_MAX_N];
	char name[80];
	unsigned n = 0;
	if (!take(&t, "select"))
		return false;
	do {
		if (n == CHATTER_VARS_MAX_N || !take(&t, "@@"))
			return false;
		struct text w = take_name(&t), label;
		if (t.n && *t.p == '.' && (is(w, "session") || is(w, "global"))) {
			t.p++;
			t.n--;
			w = take_name(&t);
		}
		label = w;
		if (take(&t, "as"))
			label = take_name(&t);
		if (w.n == 0 || label.n == 0 || label.n > sizeof(name) - 3)
			return false;
		memcpy(name, "@@", 2);
		bool named = label.p != w.p;
		memcpy(name + (named ? 0 : 2), label.p, label.n);
		name[label.n + (named ? 0 : 2)] = 0;
		value[n++] = var_of(w);
		rowset_col(r, name, RS_TEXT);
	} while (take(&t, ","));
	if (take(&t, "limit"))
		(void)take_name(&t);
	char **row = t.n == 0 ? rowset_row(r) : NULL;
	for (unsigned i = 0; row && i < n; i++)
		rowset_set(r, row, i, value[i]);
	return t.n == 0;
}

/* A statement about the session itself: the console has nothing that it could change. */
static bool is_chatter(struct text t)
{
	static const char *const vars[] = { "names", "character", "autocommit", "sql_mode",
		"character_set_results", "character_set_client", "character_set_connection",
		"collation_connection", "net_write_timeout", "sql_select_limit", "session",
		"transaction", "time_zone", "sql_auto_is_null", "wait_timeout" };
	static const char *const verbs[] = { "commit", "rollback", "begin", "start transaction",
		"use" };
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct text v = t;
		if (take(&v, verbs[i]))
			return true;
	}
	if (!take(&t, "set"))
		return false;
	if (take(&t, "@@"))
		return true;
	struct text w = take_name(&t);
	for (size_t i = 0; i < sizeof(vars) / sizeof(*vars); i++)
		if (is(w, vars[i]))
			return true;
	return false;
}

/* ---- commands ---- */

static void put_ok(struct my_client *c, uint8_t *seq, struct buf *down, const char *info)
{
	struct myok ok = { .status = MYSTATUS_AUTOCOMMIT };
	if (info)
		ok.info = (struct mystr){ info, strlen(info) };
	myok_put(down, seq, c->caps, &ok);
}

static void put_err(
	uint8_t *seq, struct buf *down, unsigned number, const char *state, const char *msg)
{
	myerror_put(down, seq, number, state, msg, strlen(msg));
}

static struct pev query(struct my_client *c, const struct mypacket *m, struct buf *down)
{
	struct myquery q;
	struct rowset r;
	const char *where;
	uint8_t seq = 1;
	if (myquery_read(m->payload, m->payload_n, m->payload_n, c->caps, &q, &where) != 1) {
		put_err(&seq, down, 1835, "HY000", "Malformed communication packet.");
		return my_pev(PEV_DROP, m->total);
	}
	struct text t = { q.text.p, q.text.n };
	trim(&t);
	if (t.n == 0) {
		put_err(&seq, down, 1065, "42000", "Query was empty");
		return my_pev(PEV_DROP, m->total);
	}
	rowset_init(&r);
	if (is_chatter(t))
		put_ok(c, &seq, down, NULL);
	else if (select_vars(t, &r))
		my_rowset_put(down, &seq, c->caps, &r);
	rowset_fini(&r);
	if (seq > 1)
		return my_pev(PEV_DROP, m->total);
	c->console_waits = true;
	struct pev ev = my_pev(PEV_CONSOLE, m->total);
	ev.text = (const uint8_t *)t.p;
	ev.text_n = t.n;
	return ev;
}

/* Its own, and what ProxySQL's tables are in. */
static void init_db(struct my_client *c, const struct mypacket *m, struct buf *down)
{
	struct mystr name = mycommand_read_init_db(m->payload, m->payload_n);
	struct text t = { name.p, name.n };
	uint8_t seq = 1;
	if (is(t, "weirpool") || is(t, "stats") || is(t, "main"))
		put_ok(c, &seq, down, NULL);
	else
		put_err(&seq, down, 1049, "42000", "The console has no such database");
}

static struct pev command(
	struct my_client *c, const struct mypacket *m, struct buf *down, struct err *e)
{
	uint8_t seq = 1, com = m->payload_n ? m->payload[0] : 0xff;
	struct myok end = { .status = MYSTATUS_AUTOCOMMIT };
	(void)e;
	switch (com) {
	case MYCOM_QUIT: return my_pev(PEV_BYE, m->total);
	case MYCOM_QUERY: return query(c, m, down);
	case MYCOM_PING:
	case MYCOM_RESET_CONNECTION: put_ok(c, &seq, down, NULL); break;
	case MYCOM_INIT_DB: init_db(c, m, down); break;
	case MYCOM_SET_OPTION:
	case MYCOM_FIELD_LIST: myok_put_end(down, &seq, c->caps, &end); break;
	case MYCOM_STATISTICS: mypacket_put(down, &seq, "weirpool console", 16); break;
	case MYCOM_STMT_CLOSE:
	case MYCOM_STMT_SEND_LONG_DATA: break;
	case MYCOM_STMT_PREPARE:
		put_err(&seq, down, 1295, "HY000",
			"The console does not prepare statements: send the text");
		break;
	default: put_err(&seq, down, 1047, "08S01", "Unknown command"); break;
	}
	return my_pev(PEV_DROP, m->total);
}

struct pev my_console_up(
	struct my_client *c, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	size_t used = 0;
	while (!c->console_waits) {
		struct mypacket m;
		int rc = mypacket_take(used ? p + used : p, n - used, MESSAGE_MAX_BYTES, &m);
		if (rc == 0)
			break;
		if (rc < 0 || m.seq != 0) {
			c->seq = 1;
			err_set(e, rc < 0 ? ERR_TOO_BIG : ERR_PROTOCOL,
				"packet of impossible length or number on the console");
			return my_pev(PEV_BAD, used);
		}
		struct pev ev = command(c, &m, down, e);
		used += ev.n;
		ev.n = used;
		if (ev.kind != PEV_DROP)
			return ev;
	}
	return my_pev(used ? PEV_DROP : PEV_MORE, used);
}

/* There are no notices: what one says goes with the OK. */
static void put_notice(struct my_client *c, uint8_t *seq, struct buf *down, const struct rowset *r)
{
	struct buf b;
	buf_init(&b, 0);
	if (r->notice && r->notice_detail && buf_puts(&b, r->notice) && buf_puts(&b, "\n") &&
		buf_puts(&b, r->notice_detail) && buf_put_u8(&b, 0))
		put_ok(c, seq, down, (const char *)buf_data(&b));
	else
		put_ok(c, seq, down, r->notice);
	buf_fini(&b);
}

void my_console_reply(void *cst, const struct rowset *r, struct buf *down)
{
	struct my_client *c = cst;
	uint8_t seq = 1;
	if (!c->console_waits)
		return;
	c->console_waits = false;
	if (err_is(&r->err))
		myerror_put_err(down, &seq, &r->err, false);
	else if (r->n_cols)
		my_rowset_put(down, &seq, c->caps, r);
	else
		put_notice(c, &seq, down, r);
}

void my_console_start(
	void *cst, const char *version, const uint8_t *key, size_t key_n, struct buf *down)
{
	struct my_client *c = cst;
	(void)version; /* the greeting has said one */
	(void)key;
	(void)key_n;
	put_ok(c, &c->seq, down, my_client_ok_info(c));
	my_client_login_free(c);
	c->console = c->ready = true;
	c->seq = 0;
}
