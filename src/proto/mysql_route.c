/* mysql_route - may the command that comes next run on a replica? Looks at it without using it up.
 * Ignorant of nodes. Thread: that of the env. */
#include "mysql_stmt_int.h"
#include "mysql_up_int.h"
#include "rules.h"
#include "wish.h"

#include <string.h>
#include <strings.h>

#include "wire/mysql/error.h"
#include "wire/mysql/query.h"
#include "wire/mysql/stmt.h"

#define MY_CONSISTENCY "weirpool_consistency"
#define SETTING_MAX_BYTES 64U

static bool is_off(const char *v)
{
	return strcasecmp(v, "off") == 0 || strcmp(v, "0") == 0;
}

static bool is_on(const char *v)
{
	return strcasecmp(v, "on") == 0 || strcmp(v, "1") == 0;
}

/* Schemas whose tables tell of one server. */
static bool is_server_schema(const char *name)
{
	static const char *const all[] = { "performance_schema", "sys", "mysql",
		"information_schema" };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcasecmp(name, all[i]) == 0)
			return true;
	return false;
}

static struct sql_route_ctx route_ctx(const struct my_client *c, enum sql_route_tx tx)
{
	return (struct sql_route_ctx){ .tx = tx,
		.autocommit_off = is_off(my_setting(c, "autocommit")),
		.read_only = c->ro_tx && (is_on(my_setting(c, "transaction_read_only")) ||
						 is_on(my_setting(c, "tx_read_only"))),
		.server_schema = is_server_schema(my_setting(c, MY_VAR_SCHEMA)),
		.names = c->names && *c->names ? (*c->names)->set : NULL };
}

static void route_text(const struct my_client *c, enum sql_route_tx tx, const char *text, size_t n,
	struct sql_my_opts *o_r, struct sql_route *r)
{
	struct sql_route_ctx ctx = route_ctx(c, tx);
	my_text_opts(c, o_r);
	sql_route_my(o_r, &ctx, text, n, r);
}

/* The same outside of a transaction, for a set of names: read, or remembered if it is a read. */
static void route_known(const struct my_client *c, const char *text, size_t n,
	const struct sql_my_opts *o, struct sql_route *r)
{
	struct sql_route_ctx ctx = route_ctx(c, SQL_ROUTE_TX_NONE);
	uint32_t how = (uint32_t)ctx.autocommit_off | (uint32_t)ctx.read_only << 1 |
		       (uint32_t)ctx.server_schema << 2;
	uint64_t names = *c->names ? (*c->names)->no : 0;
	struct texts_ref ref = my_text_ref(o, text, n);
	struct my_known *k = texts_find(&c->env->texts, &ref);
	if (k && names && k->route_names == names && k->route_how == how) {
		*r = k->route;
		return;
	}
	sql_route_my(o, &ctx, text, n, r);
	if (k == NULL && r->verdict == SQL_ROUTE_REPLICA)
		k = my_text_put(c, o, &ref);
	if (k == NULL)
		return;
	k->route_names = names;
	k->route_how = how;
	k->route = *r;
}

/* A BEGIN that may not go there, or stands beside other statements: what the link is in behind it
 * is not looked through. */
static bool begins_among(const struct my_client *c, const struct sql_route *r)
{
	return r->begins && (r->statements_n > 1 || !c->ro_tx);
}

static bool text_reads(const struct my_client *c, const char *text, size_t n, struct wish_sum *w)
{
	struct sql_my_opts o;
	struct sql_route r;
	my_text_opts(c, &o);
	route_known(c, text, n, &o, &r);
	const struct proto_rule_at *rule = NULL;
	if (rules_move(c->ruling)) {
		struct sql_my_opts as_code = my_rule_opts(&o);
		struct sql_lang lang = { .my = &as_code };
		rule = rules_find(c->ruling, &lang, text, n, false);
	}
	return wish_add(w, &r, rule) && !begins_among(c, &r);
}

static bool query_reads(
	const struct my_client *c, const uint8_t *body, size_t n, struct wish_sum *w)
{
	struct myquery q;
	const char *where;
	return myquery_read(body, n, n, c->caps, &q, &where) > 0 &&
	       text_reads(c, q.text.p, q.text.n, w);
}

static bool execute_reads(
	const struct my_client *c, const uint8_t *body, size_t n, struct wish_sum *w)
{
	uint32_t id;
	if (n < 6 || !mystmt_read_id(body, n, &id) || (body[5] & MYSTMT_CURSOR_MASK))
		return false;
	const struct my_stmt *s = my_stmt_get(c, id);
	return s && s->text && !s->fixed && !s->cursor && !s->long_data &&
	       text_reads(c, s->text->text, s->text->text_n, w);
}

static int nibble(char x)
{
	return x >= '0' && x <= '9' ? x - '0' : x >= 'A' && x <= 'F' ? x - 'A' + 10 : -1;
}

/* The text of a user variable that a session has set, which is kept as an expression: see
 * put_value() of mysql_state.c. False: it is no text, or a long one. */
static bool text_of(const char *expr, char *out, size_t size)
{
	const char *x = strstr(expr, "X'");
	size_t n = 0;
	for (x = x ? x + 2 : ""; nibble(x[0]) >= 0 && nibble(x[1]) >= 0 && n + 1 < size; x += 2)
		out[n++] = (char)(nibble(x[0]) << 4 | nibble(x[1]));
	out[n] = 0;
	return *x == '\'' && strlen(out) == n;
}

/* What the session has set, where the statement says nothing. False: nobody knows what that means,
 * and the primary is always right. */
static bool session_wish(const struct my_client *c, struct proto_wish *w)
{
	const char *v = w->consistency ? NULL : varset_get(c->want, "@`" MY_CONSISTENCY "`");
	char text[SETTING_MAX_BYTES];
	return v == NULL || (text_of(v, text, sizeof text) && wish_setting(text, w));
}

static bool command_reads(
	const struct my_client *c, const uint8_t *body, size_t n, struct wish_sum *w)
{
	switch (body[0]) {
	case MYCOM_QUERY: return query_reads(c, body, n, w);
	case MYCOM_STMT_PREPARE: return text_reads(c, (const char *)body + 1, n - 1, w);
	case MYCOM_STMT_EXECUTE: return execute_reads(c, body, n, w);
	default: return false;
	}
}

bool my_reads(const struct my_client *c, const uint8_t *p, size_t n, struct proto_wish *w_r)
{
	struct mypacket_head h;
	wish_none(w_r);
	if (c->names == NULL || *c->names == NULL || !proto_names_fresh(*c->names) ||
		c->mode == PROTO_SESSION || c->pins || c->begun || !mypacket_head(p, n, &h) ||
		h.payload_n == 0 || h.payload_n > c->env->max_inspect_bytes ||
		n < MYPACKET_HEAD_BYTES + h.payload_n)
		return false;
	struct wish_sum w = { .wish = w_r };
	return wish_end(&w,
		command_reads(c, p + MYPACKET_HEAD_BYTES, h.payload_n, &w) && session_wish(c, w_r));
}

void my_client_confine(void *cst, bool reads_only, bool guarded)
{
	struct my_client *c = cst;
	c->confined = reads_only;
	c->guarded = guarded;
}

bool my_client_only_read(const void *cst)
{
	return ((const struct my_client *)cst)->only_read;
}

/* ---- in a read-only transaction on a replica ---- */

/* The server refuses what writes; a procedure may end the transaction before it does. Of the
 * diagnostics of its last statement a session is told by its link or by us. */
static bool text_fits_ro(const struct my_client *c, const char *text, size_t n, const char **why_r)
{
	struct sql_my_opts o;
	struct sql_route r;
	struct sql_my_iter it;
	struct sql_my_stmt st;
	bool calls = false;
	route_text(c, SQL_ROUTE_TX_RO, text, n, &o, &r);
	*why_r = r.reason;
	sql_my_start(&it, &o, text, n);
	while (sql_my_next(&it, &st))
		calls = calls || st.verb == SQL_MY_V_CALL || st.verb == SQL_MY_V_EXECUTE;
	return !calls && (r.verdict == SQL_ROUTE_REPLICA || r.verdict == SQL_ROUTE_TRACK ||
				 r.movable || my_diag_asks(&o, text, n));
}

static bool fits_ro(const struct my_client *c, const uint8_t *body, size_t n, const char **why_r)
{
	struct myquery q;
	const struct my_stmt *s;
	const char *where;
	uint32_t id;
	*why_r = "it may write";
	switch (body[0]) {
	case MYCOM_QUERY:
		return myquery_read(body, n, n, c->caps, &q, &where) > 0 &&
		       text_fits_ro(c, q.text.p, q.text.n, why_r);
	case MYCOM_STMT_PREPARE: return text_fits_ro(c, (const char *)body + 1, n - 1, why_r);
	case MYCOM_STMT_EXECUTE:
		s = n >= 6 && mystmt_read_id(body, n, &id) ? my_stmt_get(c, id) : NULL;
		return !s || (s->text && text_fits_ro(c, s->text->text, s->text->text_n, why_r));
	case MYCOM_CREATE_DB:
	case MYCOM_DROP_DB:
	case MYCOM_REFRESH:
	case MYCOM_STMT_BULK_EXECUTE:
	case MYCOM_REGISTER_SLAVE:
	case MYCOM_BINLOG_DUMP:
	case MYCOM_BINLOG_DUMP_GTID: return false;
	default: return true;
	}
}

enum my_confined my_confined(struct my_client *c, const struct my_link *l, const uint8_t *p,
	size_t n, const char **why_r)
{
	struct proto_wish w;
	struct mypacket_head h;
	if (c->looked) /* it is what the link was given for, and it is not sent yet */
		return MY_GOES;
	c->only_read = c->only_read && c->confined;
	if (!c->confined)
		return MY_GOES;
	if (l->tx != TX_OPEN)
		return c->hinted || !my_reads(c, p, n, &w) || w.hinted ? MY_WAITS : MY_GOES;
	*why_r = "it is too large to be looked at";
	if (!mypacket_head(p, n, &h) || h.payload_n > c->env->max_inspect_bytes)
		return MY_UNFIT;
	if (n < MYPACKET_HEAD_BYTES + h.payload_n)
		return MY_WAITS;
	return fits_ro(c, p + MYPACKET_HEAD_BYTES, h.payload_n, why_r) ? MY_GOES : MY_UNFIT;
}

static bool tells(const struct myerror *x, const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i + n <= x->msg.n; i++)
		if (memcmp(x->msg.p + i, text, n) == 0)
			return true;
	return false;
}

bool my_is_last_word(const struct myerror *x)
{
	return x->number == 1053;
}

bool my_is_refusal(const struct myerror *x)
{
	/* 1047 of a Galera member without its group; of others it is an unknown command */
	return x->number == 1836 || (x->number == 1290 && tells(x, "read-only option")) ||
	       (x->number == 1047 && tells(x, "WSREP"));
}
