/* languages - what the clients and servers of each protocol say in the conformance tests: pgsim for
 * PostgreSQL, and small servers of the file's own for the others. */
#include "fake_proto.h"
#include "peer.h"

#include "../unit/pgsim.h"
#include "base/mem.h"
#include "wire/mysql/column.h"
#include "wire/mysql/command.h"
#include "wire/mysql/greeting.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/query.h"
#include "wire/mysql/response.h"
#include "wire/mysql/row.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the text lines of fake_proto ---- */

struct line_server {
	bool greeted, in_tx;
};

static void line_hello(struct peer *p, struct buf *out)
{
	(void)p;
	buf_puts(out, "LOGIN ann app 0\n");
}

static void line_ask(struct peer *p, const char *nonce, struct buf *out)
{
	(void)p;
	buf_printf(out, "Q %s\n", nonce);
}

static void line_begin(struct peer *p, struct buf *out)
{
	(void)p;
	buf_puts(out, "BEGIN b\n");
}

static void line_commit(struct peer *p, struct buf *out)
{
	(void)p;
	buf_puts(out, "COMMIT c\n");
}

static void line_kill(struct peer *p, uint32_t number, struct buf *out)
{
	(void)p;
	buf_printf(out, "KILL %u C\n", number);
}

static void line_relogin(struct peer *p, const char *user, struct buf *out)
{
	(void)p;
	buf_printf(out, "USER %s app 0\n", user);
}

static void line_console(struct peer *p, const char *text, struct buf *out)
{
	(void)p;
	buf_printf(out, "%s\n", text);
}

static void line_garbage(struct peer *p, struct buf *out)
{
	(void)p;
	buf_puts(out, "NONSENSE\n");
}

static void line_server_begin(struct peer *p)
{
	p->server = calloc(1, sizeof(struct line_server));
}

static void line_obey(struct peer *p, const char *verb, const char *a)
{
	static const char *const requests[] = { "Q", "BEGIN", "COMMIT" };
	struct line_server *s = p->server;
	struct buf *out = &p->to_link;
	if (!strcmp(verb, "LOGIN"))
		buf_puts(out, "WELCOME 1.0 5\n");
	else if (!strcmp(verb, "SYNC"))
		buf_printf(out, "SYNCED %s\n", a);
	else if (!strcmp(verb, "ASK"))
		buf_puts(out, "VALUE .\n");
	else if (!strcmp(verb, "RESET") || !strcmp(verb, "PING"))
		buf_puts(out, "DONE\n");
	else if (!strcmp(verb, "SQL"))
		buf_printf(out, "ROW %s\nDONE\n", a);
	if (!strcmp(verb, "BEGIN"))
		s->in_tx = true;
	if (!strcmp(verb, "COMMIT") || !strcmp(verb, "RESET"))
		s->in_tx = false;
	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(verb, requests[i]))
			buf_printf(out, "R %s %c .\n", a, s->in_tx ? 'T' : 'I');
}

static void line_server_run(struct peer *p)
{
	struct line_server *s = p->server;
	const uint8_t *end;
	char verb[40], a[40];
	if (p->ops->greets && !s->greeted)
		buf_puts(&p->to_link, "HI 1.0 5\n");
	s->greeted = true;
	while (buf_len(&p->up) && (end = memchr(buf_data(&p->up), '\n', buf_len(&p->up)))) {
		const char *at = (const char *)buf_data(&p->up);
		size_t n = (size_t)((const char *)end - at), k = strcspn(at, " \n");
		snprintf(verb, sizeof verb, "%.*s", (int)k, at);
		const char *arg = k < n ? at + k + 1 : "\n";
		snprintf(a, sizeof a, "%.*s", (int)strcspn(arg, " \n"), arg);
		buf_consume(&p->up, n + 1);
		line_obey(p, verb, a);
	}
}

static void plain_server_end(struct peer *p)
{
	free(p->server);
}

static void line_surprise(struct peer *p)
{
	buf_puts(&p->to_link, "R x I .\n");
}

#define LINES \
	.own_query = "own", .server_id = 5, .hello = line_hello, .ask = line_ask, \
	.begin = line_begin, .commit = line_commit, .kill = line_kill, .relogin = line_relogin, \
	.console = line_console, .garbage = line_garbage, .server_begin = line_server_begin, \
	.server_run = line_server_run, .server_end = plain_server_end, .surprise = line_surprise
const struct language lang_quiet = { .ops = &fake_quiet, .name = "fake_quiet", LINES };
const struct language lang_greeting = { .ops = &fake_greeting, .name = "fake_greeting", LINES };

/* ---- PostgreSQL ---- */

struct pg_server {
	struct pgsim sim;
	bool begun;
};

static void pg_hello(struct peer *p, struct buf *out)
{
	(void)p;
	size_t at = pgstartup_begin(out, PGSTARTUP_VERSION(3, 0));
	pgstartup_put_param(out, "user", "ann");
	pgstartup_put_param(out, "database", "app");
	pgstartup_end(out, at);
}

static void pg_query(struct buf *out, const char *sql)
{
	pgext_put_query(out, sql, strlen(sql));
}

static void pg_ask(struct peer *p, const char *nonce, struct buf *out)
{
	char sql[100];
	(void)p;
	snprintf(sql, sizeof sql, "SELECT '%s'", nonce);
	pg_query(out, sql);
}

static void pg_begin(struct peer *p, struct buf *out)
{
	(void)p;
	pg_query(out, "BEGIN");
}

static void pg_commit(struct peer *p, struct buf *out)
{
	(void)p;
	pg_query(out, "COMMIT");
}

static void pg_console(struct peer *p, const char *text, struct buf *out)
{
	(void)p;
	pg_query(out, text);
}

static void pg_garbage(struct peer *p, struct buf *out)
{
	(void)p;
	buf_append(out, "Q\0\0\0\1", 5); /* shorter than its own length */
}

static void pg_server_begin(struct peer *p)
{
	struct pg_server *s = calloc(1, sizeof *s);
	pgsim_init(&s->sim);
	p->server = s;
}

static void pg_server_run(struct peer *p)
{
	struct pg_server *s = p->server;
	if (!buf_len(&p->up))
		return;
	if (!s->begun) { /* the startup packet */
		s->begun = true;
		buf_consume(&p->up, buf_len(&p->up));
		pgsim_welcome(&s->sim);
	}
	buf_append(&s->sim.in, buf_data(&p->up), buf_len(&p->up));
	buf_consume(&p->up, buf_len(&p->up));
	pgsim_run(&s->sim);
	buf_append(&p->to_link, buf_data(&s->sim.out), buf_len(&s->sim.out));
	buf_consume(&s->sim.out, buf_len(&s->sim.out));
	cr_assert_not(s->sim.dead);
}

static void pg_server_end(struct peer *p)
{
	struct pg_server *s = p->server;
	pgsim_fini(&s->sim);
	free(s);
}

static void pg_surprise(struct peer *p)
{
	pgmsg_put(&p->to_link, 'Z', (const uint8_t *)"I", 1);
}

const struct language lang_pg = {
	.ops = &proto_pg,
	.name = "pg",
	.own_query = "SELECT 'own'",
	.server_id = 1,
	.hello = pg_hello,
	.ask = pg_ask,
	.begin = pg_begin,
	.commit = pg_commit,
	.console = pg_console,
	.garbage = pg_garbage,
	.server_begin = pg_server_begin,
	.server_run = pg_server_run,
	.server_end = pg_server_end,
	.surprise = pg_surprise,
};

/* ---- MySQL ---- */

#define SERVER_CAPS \
	(MYCAP(MYSQL) | MYCAP(FOUND_ROWS) | MYCAP(LONG_FLAG) | MYCAP(CONNECT_WITH_DB) | \
		MYCAP(PROTOCOL_41) | MYCAP(TRANSACTIONS) | MYCAP(SECURE_CONNECTION) | \
		MYCAP(MULTI_STATEMENTS) | MYCAP(MULTI_RESULTS) | MYCAP(PS_MULTI_RESULTS) | \
		MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_ATTRS) | MYCAP(PLUGIN_AUTH_LENENC) | \
		MYCAP(SESSION_TRACK) | MYCAP(DEPRECATE_EOF) | MYCAP(QUERY_ATTRIBUTES))
#define CLIENT_CAPS \
	(MYCAP(LONG_FLAG) | MYCAP(PROTOCOL_41) | MYCAP(TRANSACTIONS) | MYCAP(SECURE_CONNECTION) | \
		MYCAP(MULTI_RESULTS) | MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_WITH_DB))
#define TEXT(s) ((struct mystr){ s, strlen(s) })

struct my_server {
	enum { MY_BEGIN, MY_LOGIN, MY_SERVE } step;
	uint64_t caps;
	bool in_tx, more; /* more: another result follows this one */
};

static struct myresponse my_response(const char *user)
{
	return (struct myresponse){
		.kind = MYRESPONSE_LOGIN,
		.caps = CLIENT_CAPS,
		.asked_caps = CLIENT_CAPS,
		.max_packet = 1 << 24,
		.collation = 45,
		.user = TEXT(user),
		.auth = TEXT(""),
		.schema = TEXT("app"),
		.plugin = TEXT("caching_sha2_password"), /* as we greet */
	};
}

static void my_hello(struct peer *p, struct buf *out)
{
	struct myresponse r = my_response("ann");
	uint8_t seq = 1;
	(void)p;
	cr_assert_eq(myresponse_put(out, &seq, &r), 0);
}

static void my_text(struct buf *out, const char *sql)
{
	uint8_t seq = 0;
	myquery_put(out, &seq, CLIENT_CAPS, NULL, sql, strlen(sql));
}

static void my_ask(struct peer *p, const char *nonce, struct buf *out)
{
	char sql[100];
	(void)p;
	snprintf(sql, sizeof sql, "SELECT '%s'", nonce);
	my_text(out, sql);
}

static void my_begin(struct peer *p, struct buf *out)
{
	(void)p;
	my_text(out, "BEGIN");
}

static void my_commit(struct peer *p, struct buf *out)
{
	(void)p;
	my_text(out, "COMMIT");
}

static void my_kill(struct peer *p, uint32_t number, struct buf *out)
{
	uint8_t seq = 0;
	(void)p;
	mycommand_put_kill(out, &seq, number);
}

static void my_relogin(struct peer *p, const char *user, struct buf *out)
{
	struct myresponse r = my_response(user);
	uint8_t seq = 0;
	(void)p;
	cr_assert_eq(myresponse_put_change_user(out, &seq, &r), 0);
}

/* To the request for another plugin's proof: none. */
static void my_answer(struct peer *p, struct buf *out)
{
	struct mypacket_head h = { 0 };
	cr_assert(mypacket_head(buf_data(&p->got), buf_len(&p->got), &h));
	uint8_t seq = (uint8_t)(h.seq + 1);
	mypacket_put(out, &seq, NULL, 0);
}

static void my_console(struct peer *p, const char *text, struct buf *out)
{
	(void)p;
	my_text(out, text);
}

static void my_garbage(struct peer *p, struct buf *out)
{
	(void)p;
	buf_append(out, "\1\0\0\7\3", 5); /* out of sequence */
}

static void my_server_begin(struct peer *p)
{
	p->server = calloc(1, sizeof(struct my_server));
}

static uint16_t my_status(const struct my_server *s)
{
	return (uint16_t)(MYSTATUS_AUTOCOMMIT | (s->in_tx ? MYSTATUS_IN_TRANS : 0) |
			  (s->more ? MYSTATUS_MORE_RESULTS : 0));
}

static uint8_t my_ok(struct peer *p, uint8_t seq)
{
	struct my_server *s = p->server;
	struct myok ok = { .status = my_status(s) };
	myok_put(&p->to_link, &seq, s->caps, &ok);
	return seq;
}

static uint8_t my_rows(struct peer *p, uint8_t seq, const char *const *cells, unsigned n)
{
	struct my_server *s = p->server;
	struct myok end = { .header = 0xfe, .status = my_status(s) };
	struct mycolumn c = { .catalog = TEXT("def"),
		.schema = TEXT(""),
		.table = TEXT(""),
		.org_table = TEXT(""),
		.name = TEXT("c"),
		.org_name = TEXT(""),
		.collation = 45,
		.length = 100,
		.type = 253 };
	struct buf *b = &p->to_link;
	mycolumn_put_count(b, &seq, s->caps, n, true);
	for (unsigned i = 0; i < n; i++)
		mycolumn_put(b, &seq, s->caps, &c);
	if (!(s->caps & MYCAP(DEPRECATE_EOF)))
		myok_put_eof(b, &seq, my_status(s), 0);
	size_t at = mypacket_begin(b);
	for (unsigned i = 0; i < n; i++)
		myrow_put_cell(b, TEXT(cells[i]));
	mypacket_end(b, at, &seq);
	myok_put_end(b, &seq, s->caps, &end);
	return seq;
}

/* How many columns a SELECT of ours has: as many as commas outside of parentheses, and one. */
static unsigned my_columns(const char *sql)
{
	unsigned n = 1, depth = 0;
	for (; *sql; sql++) {
		depth += *sql == '(';
		depth -= *sql == ')';
		n += *sql == ',' && !depth;
	}
	return n;
}

static uint8_t my_statement(struct peer *p, const char *sql, uint8_t seq)
{
	static const char *const facts[40] = { "", "ON", "SYSTEM", "utf8mb4_0900_ai_ci", "", "1",
		"0", "OFF", "utf8mb4", "utf8mb4", "utf8mb4_0900_ai_ci", "", "", "", "", "", "", "",
		"", "" };
	struct my_server *s = p->server;
	char cell[60] = "";
	const char *cells[1] = { cell };
	if (!strncmp(sql, "SELECT @@", 9)) {
		return my_rows(p, seq, facts, my_columns(sql));
	} else if (sscanf(sql, "SELECT '%59[^']'", cell) == 1) {
		return my_rows(p, seq, cells, 1);
	} else {
		s->in_tx = strcmp(sql, "COMMIT") && strcmp(sql, "ROLLBACK") &&
			   (s->in_tx || !strcmp(sql, "BEGIN"));
		return my_ok(p, seq);
	}
}

/* The statements of a text, a result for each. */
static void my_query(struct peer *p, char *sql, uint8_t seq)
{
	struct my_server *s = p->server;
	for (char *end, *next; sql; sql = next) {
		bool quoted = false;
		for (end = sql; *end && (quoted || *end != ';'); end++)
			quoted ^= *end == '\'';
		next = *end ? end + 1 : NULL;
		*end = 0;
		s->more = next != NULL;
		seq = my_statement(p, sql, seq);
	}
}

static void my_command(struct peer *p, const uint8_t *payload, size_t n, uint8_t seq)
{
	struct my_server *s = p->server;
	struct myquery q;
	const char *where;
	char sql[2000];
	if (payload[0] == MYCOM_RESET_CONNECTION)
		s->in_tx = false;
	if (payload[0] != MYCOM_QUERY) {
		my_ok(p, seq);
		return;
	}
	cr_assert_eq(myquery_read(payload, n, n, s->caps, &q, &where), 1);
	snprintf(
		sql, sizeof sql, "%.*s", (int)(n - q.text_off), (const char *)payload + q.text_off);
	my_query(p, sql, seq);
}

static void my_server_run(struct peer *p)
{
	struct my_server *s = p->server;
	struct mypacket m;
	struct myresponse r;
	uint8_t seq = 0;
	if (s->step == MY_BEGIN) {
		struct mygreeting g = { .version = TEXT("8.4.0"),
			.thread_id = 5,
			.caps = SERVER_CAPS,
			.collation = 255,
			.status = MYSTATUS_AUTOCOMMIT,
			.plugin = TEXT("mysql_native_password") };
		memset(g.scramble, 'x', sizeof g.scramble);
		mygreeting_put(&p->to_link, &seq, &g);
		s->step = MY_LOGIN;
	}
	while (mypacket_take(buf_data(&p->up), buf_len(&p->up), 1 << 20, &m) == 1) {
		if (s->step == MY_LOGIN) {
			const char *bad = myresponse_read(m.payload, m.payload_n, SERVER_CAPS, &r);
			cr_assert_null(bad, "%s", bad);
			s->caps = r.caps;
			s->step = MY_SERVE;
			my_ok(p, (uint8_t)(m.seq + 1));
		} else {
			my_command(p, m.payload, m.payload_n, (uint8_t)(m.seq + 1));
		}
		buf_consume(&p->up, m.total);
	}
}

static void my_surprise(struct peer *p)
{
	my_ok(p, 1);
}

const struct language lang_mysql = {
	.ops = &proto_mysql,
	.name = "mysql",
	.own_query = "SELECT 'own'",
	.server_id = 5,
	.hello = my_hello,
	.ask = my_ask,
	.begin = my_begin,
	.commit = my_commit,
	.kill = my_kill,
	.relogin = my_relogin,
	.answer = my_answer,
	.console = my_console,
	.garbage = my_garbage,
	.server_begin = my_server_begin,
	.server_run = my_server_run,
	.server_end = plain_server_end,
	.surprise = my_surprise,
};
