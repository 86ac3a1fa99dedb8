/* pg_up_query - the message Query: a text whose statements the server runs by itself. What of it
 * concerns statements that the client has prepared, settings that are tracked, or what we answer
 * ourselves. Ignorant of pools and sockets. Thread: that of the env. Source: PostgreSQL docs,
 * Message Flow, Simple Query. */
#include "pg_up_int.h"
#include "pg_view_int.h"
#include "token_ask.h"

#include "base/mem.h"

/* Nothing is known of a text that is too large to be looked at. */
#define FLAGS_BIG SQL_F_BAD

/* DEALLOCATE of a statement that the client prepared by protocol: on the server it has another name
 * and is shared. */
static enum up_next dealloc_query(
	struct upx *u, const struct pgmsg_head *h, const struct sql_stmt_info *info)
{
	static const char text[] = "DEALLOCATE " PG_STMT_DEALLOC;
	if (!learn_rename(u->c, u->l, info->name, info->name_n, NULL)) {
		u->l->failed = true;
		return UP_STOP;
	}
	flow_drop(&u->f, total_of(h));
	up_put_dealloc(u);
	struct owed *o = owed_push(u->l, OWED_QUERY, OWED_FORWARD);
	if (o)
		o->flags = OWED_F_UNDO;
	pgext_put_query(u->up, text, sizeof(text) - 1);
	return UP_NEXT;
}

/* Exactly one SET as the first request since the state was known: it can be recorded without
 * asking. */
static void note_set(struct upx *u, const struct sql_stmt_info *info)
{
	struct pg_client *c = u->c;
	if (info->set_kind != SQL_SET_VALUE && info->set_kind != SQL_SET_DEFAULT)
		return;
	if (info->set_local || info->n_statements != 1 || c->n_requests > 0 || c->acc != 0 ||
		u->l->tx != TX_IDLE || c->in_batch ||
		(info->flags & (STATE_RELEVANT | SQL_F_SET_ROLE)) != SQL_F_SET)
		return;
	struct pg_learn *k = learn_of(c);
	if (k == NULL)
		return;
	learn_forget_set(c);
	k->set_name = mem_strndup(MEM_PROTO, info->set_name, info->set_name_n);
	/* A startup parameter is set to what it was: see pg_reset.c. */
	const char *back = reset_value(c, info);
	k->set_default = info->set_kind == SQL_SET_DEFAULT && back == NULL;
	if (back)
		k->set_value = mem_strdup(MEM_PROTO, back);
	else if (!k->set_default)
		k->set_value = mem_strndup(MEM_PROTO, info->set_value, info->set_value_n);
	k->set_known = k->set_name && (k->set_default || k->set_value);
}

static void note_names(struct upx *u, const char *text, size_t n, const struct sql_stmt_info *info)
{
	if (!(info->flags & (SQL_F_SET | SQL_F_SET_CONFIG | SQL_F_UNKNOWN | SQL_F_BAD)))
		return;
	if (info->set_kind == SQL_SET_VALUE)
		learn_name(u->c, info->set_name, info->set_name_n);
	learn_names(u->c, text, n);
}

void up_query_begins(struct upx *u)
{
	u->c->looked = false;
	u->c->counters->queries++;
	u->l->batch_no++;
}

void up_query_sent(struct upx *u)
{
	struct pg_client *c = u->c;
	stmt_unref(&c->env->stmts, c->unnamed);
	c->unnamed = NULL;
	c->unnamed_raw = 0;
	u->l->has_unnamed = false;
	u->l->no_replay = true;
	u->l->batch_no++;
}

static enum up_next query_reset(struct upx *u, const struct pgmsg_head *h, const char *text,
	size_t n, const struct sql_stmt_info *info)
{
	reset_query(u, text, n, info);
	flow_drop(&u->f, total_of(h));
	return UP_NEXT;
}

/* What may have changed the names that the server knows. */
#define NAMES_TOUCHED (SQL_F_PREPARE | SQL_F_EXECUTE | SQL_F_DEALLOCATE | SQL_F_UNKNOWN | SQL_F_BAD)

/* What a Query with one PREPARE, EXECUTE or DEALLOCATE of a name does. */
struct named {
	enum sql_verb verb; /* EMPTY: it is none of these */
	struct stmt *s;     /* what the session means by the name; borrowed, or NULL */
};

static struct named named_of(const struct upx *u, const struct sql_stmt_info *info)
{
	struct named x = { .verb = SQL_V_EMPTY };
	if (info->n_statements != 1 || info->name_n == 0)
		return x;
	if (info->verb == SQL_V_PREPARE || info->verb == SQL_V_EXECUTE ||
		info->verb == SQL_V_DEALLOCATE) {
		x.verb = info->verb;
		x.s = stmtmap_get(u->c->stmts, info->name, info->name_n);
	}
	return x;
}

/* What it does to the session, as far as is known: a statement that is kept does what its text
 * does. */
static uint64_t named_flags(const struct upx *u, const struct named *x, uint64_t flags)
{
	if (x->s == NULL)
		return flags;
	if (x->verb == SQL_V_EXECUTE)
		return (flags & ~SQL_F_EXECUTE) | x->s->flags;
	return u->c->pins & PIN(PREPARE) ? flags : flags & ~SQL_F_DEALLOCATE;
}

static bool is_view(const struct upx *u, const char *text, size_t n)
{
	bool mentioned = u->known ? u->known->view_mentioned : view_mentioned(text, n);
	return mentioned && view_rewrite(pg_lex(u->c), text, n, "", NULL);
}

/* PREPARE of a statement that can be made again on another link. False: it cannot. */
static bool query_prepare(struct upx *u, const struct pgmsg_head *h, const char *text, size_t n,
	const struct sql_stmt_info *info)
{
	struct pg_client *c = u->c;
	if (u->l->ext_open || (c->learn && c->learn->undo) || (c->acc & NAMES_TOUCHED))
		return false;
	struct stmt *s = named_intern(c, text, n, info);
	if (s == NULL)
		return false;
	if (!learn_rename(c, u->l, info->name, info->name_n, s) ||
		!named_prepared(u, info->name, info->name_n, s))
		u->l->failed = true;
	stmt_unref(&c->env->stmts, s);
	up_note(u, 0);
	(void)up_pass_owed(u, h, OWED_QUERY, OWED_F_UNDO);
	return true;
}

static enum up_next query_deallocate(
	struct upx *u, const struct pgmsg_head *h, const struct sql_stmt_info *info)
{
	if (!named_has(u->c, u->l, info->name, info->name_n))
		return dealloc_query(u, h, info);
	if (!learn_rename(u->c, u->l, info->name, info->name_n, NULL))
		u->l->failed = true;
	return up_pass_owed(u, h, OWED_QUERY, OWED_F_UNDO);
}

/* It reads pg_prepared_statements: the server gets another text. */
static enum up_next query_view(
	struct upx *u, const struct pgmsg_head *h, const char *text, size_t n)
{
	struct buf b;
	buf_init(&b, 0);
	(void)view_text(u, text, n, &b);
	flow_drop(&u->f, total_of(h));
	(void)owed_push(u->l, OWED_QUERY, OWED_FORWARD);
	pgext_put_query(u->up, (const char *)buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return UP_NEXT;
}

static enum up_next query_put(struct upx *u, const struct pgmsg_head *h, const char *text, size_t n,
	const struct sql_stmt_info *info, const struct named *x)
{
	struct pg_client *c = u->c;
	/* of this very batch, which no Sync has ended: too odd to follow */
	bool odd = c->learn && c->learn->undo;
	bool was = c->may_reset, reset = reset_is_ours(c, u->l, info), needs = false;
	if (x->verb == SQL_V_EXECUTE && x->s &&
		(x->s->flags & (SQL_F_NAMES | SQL_F_UNKNOWN | SQL_F_BAD)))
		named_put_sql(u); /* it may look for others */
	if (x->verb == SQL_V_EXECUTE && x->s)
		needs = named_execute(u, info->name, info->name_n, x->s);
	else if (x->s == NULL)
		named_query(u, text, n, info->flags);
	bool view = is_view(u, text, n);
	if (view)
		view_make(u);
	note_set(u, info);
	note_names(u, text, n, info);
	if (x->s && x->verb == SQL_V_EXECUTE)
		note_names(u, x->s->text, x->s->text_n, info);
	up_note(u, info->flags);
	if (reset)
		c->may_reset = was;
	if (x->verb == SQL_V_DEALLOCATE && x->s && !odd)
		return query_deallocate(u, h, info);
	if (reset)
		return query_reset(u, h, text, n, info);
	if (view)
		return query_view(u, h, text, n);
	return up_pass_owed(u, h, OWED_QUERY,
		(info->flags & SQL_F_COPY_IN ? OWED_F_COPY : 0) | (needs ? OWED_F_NEEDS : 0));
}

static enum up_next query_served(
	struct upx *u, const struct pgmsg_head *h, const char *text, size_t n)
{
	struct sql_stmt_info info;
	struct err why;
	up_classify(u, text, n, &info);
	if (u->l->sync_wait && (info.flags & (SQL_F_TX_END | SQL_F_BAD)))
		return up_hold(u);
	bool unfit = pg_ro_refused(u->c, u->l, text, n, &why);
	if (unfit && u->l->owed.n > 0) /* it may be over by then */
		return up_hold(u);
	struct named x = named_of(u, &info);
	/* Nothing can be prepared in a failed transaction, whose end may be on its way. */
	bool ending = u->l->tx == TX_FAILED && u->l->owed.n > 0 && !u->l->ext_open;
	if ((names_in_doubt(u->c, u->l) || ending ||
		    (u->l->ask_wait && (u->c->acc_asking & NAMES_TOUCHED))) &&
		(x.verb != SQL_V_EMPTY || named_wanted(u, info.flags) || is_view(u, text, n)))
		return up_hold(u);
	info.flags = named_flags(u, &x, info.flags);
	if (!u->l->ext_open && !named_evict(u))
		return up_hold(u);
	up_query_begins(u);
	enum up_next r = UP_NEXT;
	if (u->ruled.rule && u->ruled.rule->block) {
		r = up_rule_refuse(u, h);
		up_query_sent(u);
		return r;
	}
	up_rule_followed(u);
	up_count(u, text, n);
	if (unfit || lost_refused(u->c, &info, &why) ||
		up_seq_refused(u, info.flags, info.n_statements == 1, &why) ||
		ours_refused(&info, &why) ||
		((x.s == NULL || x.verb != SQL_V_DEALLOCATE) && up_names_ours(&info, &why))) {
		r = up_forced(u, h, &why, NULL, 0);
	} else if (x.verb == SQL_V_PREPARE && x.s &&
		   !named_has(u->c, u->l, info.name, info.name_n)) {
		err_set(&why, ERR_DUP_STATEMENT, "prepared statement \"%s\" already exists",
			info.name);
		r = up_forced(u, h, &why, NULL, 0);
	} else if (x.verb != SQL_V_PREPARE || x.s || !query_prepare(u, h, text, n, &info)) {
		r = query_put(u, h, text, n, &info, &x);
		owed_mark_clears(u->l, info.flags);
		lost_mark_commit(u->c, u->l);
	}
	up_query_sent(u);
	return r;
}

/* Session mode looks at a text only when it may reset what the session started with. */
static enum up_next query_in_session(
	struct upx *u, const struct pgmsg_head *h, const char *text, size_t n)
{
	struct sql_stmt_info info = { 0 };
	if (u->c->start && learn_may_reset(text, n))
		up_classify(u, text, n, &info);
	if (reset_is_ours(u->c, u->l, &info))
		return query_reset(u, h, text, n, &info);
	enum up_next r = up_pass_owed(u, h, OWED_QUERY, 0);
	owed_mark_clears(u->l, info.flags);
	u->c->may_reset = u->c->may_reset || (info.flags & SQL_F_DISCARD_ALL);
	return r;
}

static enum up_next query_big(struct upx *u, const struct pgmsg_head *h)
{
	if (u->c->mode != PROTO_SESSION)
		up_note(u, FLAGS_BIG);
	up_query_sent(u);
	return up_pass_owed(u, h, OWED_QUERY, 0);
}

/* SHOW or SET weirpool.token: core answers, once nothing is owed before it. */
static enum up_next up_token(struct upx *u, const struct pgmsg_head *h, const struct pev *ev)
{
	if (u->l && u->l->owed.n > 0)
		return up_hold(u);
	enum up_next r = up_event(u, PEV_TOKEN);
	if (r != UP_EVENT)
		return r;
	u->ev.n = total_of(h);
	u->ev.text = ev->text;
	u->ev.text_n = ev->text_n;
	return r;
}

enum up_next up_query(struct upx *u, const struct pgmsg_head *h)
{
	struct pev token;
	struct pg_client *c = u->c;
	bool big = h->body_n > c->env->max_inspect_bytes;
	u->known = NULL;
	const char *text = NULL;
	size_t n = 0;
	if (!big && !is_whole(u, h))
		return UP_STOP;
	if (!big && !pgext_read_query(body_of(u), h->body_n, &text, &n))
		return up_bad(u, ERR_PROTOCOL, "malformed Query message");
	if (!big && begin_answered(u, text, n)) {
		flow_drop(&u->f, total_of(h));
		return UP_NEXT;
	}
	bool seen = u->l && c->looked; /* it came before there was a link: no token is asked for */
	if (!big && !seen && !c->in_batch && !c->lost && !c->begun &&
		!(u->l && u->l->tx == TX_FAILED) && token_ask_read(text, n, &token))
		return up_token(u, h, &token);
	bool refused = up_rule(u, text, n);
	if (u->l == NULL)
		return refused ? up_rule_refuse(u, h) : up_event(u, PEV_REQUEST);
	if (!big && c->mode != PROTO_SESSION)
		return query_served(u, h, text, n);
	if (big && u->l->sync_wait)
		return up_hold(u);
	if (!named_evict(u))
		return up_hold(u);
	up_query_begins(u);
	if (refused) {
		enum up_next r = up_rule_refuse(u, h);
		up_query_sent(u);
		return r;
	}
	up_rule_followed(u);
	up_count(u, text, n);
	if (big)
		return query_big(u, h);
	up_query_sent(u);
	return query_in_session(u, h, text, n);
}
