/* pg_route - may the request that comes next run on a replica? Looks at one request, a Query or a
 * batch up to its Sync, without using it up. Ignorant of nodes. Thread: that of the env. */
#include "pg_run_int.h"
#include "rules.h"
#include "wish.h"

#include <string.h>

#include "wire/pg/error.h"
#include "wire/pg/session.h"

#define BATCH_MAX_STATEMENTS 64U /* texts looked at in one batch */
#define NAMES_MAX_BYTES 8192U
#define REFUSAL_MAX_BYTES 65536U /* of an answer that is looked over for one */

static bool is_serializable(const struct pg_client *c)
{
	const char *iso = varset_get(c->want, "default_transaction_isolation");
	return iso && strcasecmp(iso, "serializable") == 0;
}

static bool is_read_only(const struct pg_client *c)
{
	const char *ro = varset_get(c->want, "default_transaction_read_only");
	return ro && strcmp(ro, "on") == 0;
}

/* What a text means to this session. */
static void route_text(struct pg_client *c, enum sql_route_tx tx, const char *text, size_t n,
	struct sql_stmt_info *info_r, struct sql_route *out_r)
{
	const struct pg_lex_opts *x = pg_lex(c);
	struct sql_opts o = { .dialect = &sql_dialect_pg,
		.standard_conforming_strings = x->scs,
		.unsafe_encoding = x->unsafe_encoding,
		.server_major = x->server_major };
	struct sql_route_ctx ctx = { .tx = tx,
		.serializable = is_serializable(c),
		.read_only = is_read_only(c),
		.names = *c->names ? (*c->names)->set : NULL };
	sql_route_pg(&o, &ctx, text, n, info_r, out_r);
}

/* All that look_at() depends on beside the text and the names. */
static uint32_t how_read(struct pg_client *c)
{
	return pg_lex_byte(pg_lex(c)) | (uint32_t)is_serializable(c) << 8 |
	       (uint32_t)is_read_only(c) << 9;
}

/* ... at the start of a request: read, or remembered. */
static void route_known(
	struct pg_client *c, const char *text, size_t n, uint64_t *flags_r, struct sql_route *r)
{
	struct sql_stmt_info info;
	struct texts_ref ref = pg_text_ref(c, text, n);
	struct pg_known *k = texts_find(&c->env->texts, &ref);
	uint64_t names = *c->names ? (*c->names)->no : 0;
	uint32_t how = how_read(c);
	if (k && names && k->route_names == names && k->route_how == how) {
		*r = k->route;
		*flags_r = pg_known_flags(k);
		return;
	}
	route_text(c, SQL_ROUTE_TX_NONE, text, n, &info, r);
	*flags_r = info.flags;
	pg_remember(c, text, n, &info);
	if (k == NULL)
		k = pg_text_keep(c, &ref, &info);
	if (k == NULL)
		return;
	k->route_names = names;
	k->route_how = how;
	k->route = *r;
}

static void look_at(struct pg_client *c, const char *text, size_t n, struct sql_route *r)
{
	uint64_t flags;
	route_known(c, text, n, &flags, r);
	if ((flags & SQL_F_TX_BEGIN) && r->verdict == SQL_ROUTE_REPLICA && c->no_ro_tx)
		r->verdict = SQL_ROUTE_PRIMARY;
	if ((flags & SQL_F_TX_BEGIN) && r->verdict != SQL_ROUTE_REPLICA)
		r->movable = false; /* it may do anything later */
}

/* ... added to what the request says before it, with what the rules say of it. */
static bool add_text(struct pg_client *c, const char *text, size_t n, const struct sql_route *r,
	struct wish_sum *w)
{
	const struct proto_rule_at *rule = NULL;
	if (rules_move(c->ruling)) {
		struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = pg_lex(c)->scs };
		rule = rules_find(c->ruling, &lang, text, n, false);
	}
	return wish_add(w, r, rule);
}

static bool text_reads(struct pg_client *c, const char *text, size_t n, struct wish_sum *w)
{
	struct sql_route r;
	look_at(c, text, n, &r);
	return add_text(c, text, n, &r, w);
}

/* What a standby accepts that means nothing there, or that would keep the session on it. */
#define NOT_IN_RO \
	(SQL_F_BAD | SQL_F_UNKNOWN | SQL_F_TEMP | SQL_F_LISTEN | SQL_F_ADVISORY | SQL_F_HOLD | \
		SQL_F_LOAD | SQL_F_SEED | SQL_F_SEQ_READ | SQL_F_SEQ_USE | SQL_F_OPAQUE | \
		SQL_F_PREPARE | SQL_F_EXECUTE)

bool pg_in_ro(const struct pg_client *c, const struct pg_link *l)
{
	return l && c->confined && l->tx == TX_OPEN;
}

bool pg_ro_refused(
	struct pg_client *c, const struct pg_link *l, const char *text, size_t n, struct err *why)
{
	struct sql_stmt_info info;
	struct sql_route r;
	if (!pg_in_ro(c, l))
		return false;
	route_text(c, SQL_ROUTE_TX_RO, text, n, &info, &r);
	if (r.verdict == SQL_ROUTE_REPLICA || r.verdict == SQL_ROUTE_TRACK || r.movable ||
		(r.verdict == SQL_ROUTE_PIN && !(info.flags & NOT_IN_RO)))
		return false;
	if (info.n_statements == 1 && (info.flags & SQL_F_TX_BEGIN)) /* the server only warns */
		return false;
	err_set(why, ERR_READ_ONLY, "cannot do this in a read-only transaction on a replica: %s",
		r.reason);
	err_hint(why, "Begin it without READ ONLY, or with /* weirpool: primary */ before BEGIN.");
	return true;
}

/* A statement that was prepared before: read once for each set of names. A hint is read anew, as
 * it is more than a verdict. */
static bool stmt_reads(struct pg_client *c, const char *name, size_t name_n, struct wish_sum *w)
{
	struct stmt *s = name_n ? stmtmap_get(c->stmts, name, name_n) : c->unnamed;
	uint64_t names = *c->names ? (*c->names)->no : 0;
	uint32_t how = how_read(c);
	struct sql_route r = { .verdict = SQL_ROUTE_PRIMARY };
	if (!s)
		return false;
	if (names && s->route_names == names && s->route_how == how) {
		r.verdict = (enum sql_route_verdict)s->route;
		r.movable = s->route_movable;
		r.unsure = s->route_unsure;
		return add_text(c, s->text, s->text_n, &r, w);
	}
	look_at(c, s->text, s->text_n, &r);
	if (names && !r.hint.node && !r.hint.consistency && !r.hint.unknown) {
		s->route_names = names;
		s->route_how = how;
		s->route = (uint8_t)r.verdict;
		s->route_movable = r.movable;
		s->route_unsure = r.unsure;
	}
	return add_text(c, s->text, s->text_n, &r, w);
}

/* One batch being looked at: the names that it parses anew. */
struct batch {
	struct {
		const char *p;
		size_t n;
	} name[BATCH_MAX_STATEMENTS];
	unsigned n;
	struct wish_sum *wish;
};

static bool is_parsed_here(const struct batch *b, const char *name, size_t n)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->name[i].n == n && memcmp(b->name[i].p, name, n) == 0)
			return true;
	return false;
}

static bool parse_reads(struct pg_client *c, struct batch *b, const uint8_t *body, size_t n)
{
	struct pgext_parse p = { 0 };
	if (!pgext_read_parse(body, n, &p) || b->n == BATCH_MAX_STATEMENTS)
		return false;
	b->name[b->n].p = p.name;
	b->name[b->n++].n = p.name_n;
	return text_reads(c, p.text, p.text_n, b->wish);
}

/* What a Bind or a Describe names. */
static bool named_reads(struct pg_client *c, const struct batch *b, const char *name, size_t n)
{
	return is_parsed_here(b, name, n) || stmt_reads(c, name, n, b->wish);
}

static bool bind_reads(struct pg_client *c, const struct batch *b, const uint8_t *body, size_t n)
{
	const uint8_t *portal_end = memchr(body, 0, n < NAMES_MAX_BYTES ? n : NAMES_MAX_BYTES);
	if (portal_end == NULL)
		return false;
	const uint8_t *name = portal_end + 1;
	size_t left = n - (size_t)(name - body);
	const uint8_t *end = memchr(name, 0, left < NAMES_MAX_BYTES ? left : NAMES_MAX_BYTES);
	return end && named_reads(c, b, (const char *)name, (size_t)(end - name));
}

static bool target_reads(struct pg_client *c, const struct batch *b, const uint8_t *body, size_t n)
{
	struct pgext_target t;
	if (!pgext_read_target(body, n, &t))
		return false;
	return t.kind == 'P' || named_reads(c, b, t.name, t.name_n);
}

/* All of it must be here: what comes later could be anything. */
static bool batch_reads(struct pg_client *c, const uint8_t *p, size_t n, struct wish_sum *w)
{
	struct batch b = { .n = 0, .wish = w };
	struct pgmsg_head h;
	bool yes = false;
	for (size_t at = 0; pgmsg_head(p + at, n - at, &h);) {
		size_t total = PGMSG_HEAD_BYTES + (size_t)h.body_n;
		const uint8_t *body = p + at + PGMSG_HEAD_BYTES;
		if (h.body_n == PGMSG_BAD_LENGTH || n - at < total)
			return false;
		switch (h.type) {
		case 'P': yes = parse_reads(c, &b, body, h.body_n); break;
		case 'B': yes = bind_reads(c, &b, body, h.body_n); break;
		case 'D': yes = target_reads(c, &b, body, h.body_n); break;
		case 'C':
		case 'E': yes = true; break;
		case 'S': return yes;
		default: return false;
		}
		if (!yes)
			return false;
		at += total;
	}
	return false;
}

static bool query_reads(struct pg_client *c, const uint8_t *p, size_t n, const struct pgmsg_head *h,
	struct wish_sum *w)
{
	const char *text;
	size_t text_n;
	return h->body_n <= c->env->max_inspect_bytes &&
	       n >= PGMSG_HEAD_BYTES + (size_t)h->body_n &&
	       pgext_read_query(p + PGMSG_HEAD_BYTES, h->body_n, &text, &text_n) &&
	       text_reads(c, text, text_n, w);
}

bool pg_reads(struct pg_client *c, const uint8_t *p, size_t n, struct proto_wish *w_r)
{
	struct pgmsg_head h;
	wish_none(w_r);
	if (c->lost || c->begun || c->names == NULL || *c->names == NULL ||
		!proto_names_fresh(*c->names) || c->mode == PROTO_SESSION ||
		!pgmsg_head(p, n, &h) || h.body_n == PGMSG_BAD_LENGTH)
		return false;
	struct wish_sum w = { .wish = w_r };
	bool moves = h.type == 'Q' ? query_reads(c, p, n, &h, &w) : batch_reads(c, p, n, &w);
	return wish_end(&w, moves && ours_wish(c, w_r));
}

void pg_client_confine(void *cst, bool reads_only, bool guarded)
{
	struct pg_client *c = cst;
	c->confined = reads_only;
	c->guarded = guarded;
}

bool pg_client_only_read(const void *cst)
{
	return ((const struct pg_client *)cst)->only_read;
}

/* ---- what a standby cannot do ---- */

static bool begins(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

/* PostgreSQL docs, Hot Standby; the texts are those of PreventCommandIfReadOnly() and its like.
 * They come before anything is done. */
static bool is_refusal(const struct pg_client *c, const struct pg_link *l, const struct pgerror *f)
{
	const char *hot = varset_get(l->reported, "in_hot_standby");
	const char *ro = varset_get(c->want, "default_transaction_read_only");
	bool standby = hot == NULL || strcmp(hot, "on") == 0; /* it tells since 14 */
	if (f->sqlstate == NULL || !standby)
		return false;
	if (strcmp(f->sqlstate, "25006") == 0)
		return (c->confined || hot) && (ro == NULL || strcmp(ro, "on") != 0);
	if (strcmp(f->sqlstate, "0A000") == 0)
		return begins(f->msg, "cannot access temporary or unlogged relations during rec") ||
		       begins(f->msg, "cannot use serializable mode in a hot standby") ||
		       begins(f->msg, "cannot set transaction read-write mode during recovery");
	if (strcmp(f->sqlstate, "55000") == 0)
		return begins(f->msg, "recovery is in progress");
	if (strcmp(f->sqlstate, "XX000") == 0)
		return begins(f->msg, "cannot assign TransactionIds during recovery") ||
		       begins(f->msg, "cannot assign OIDs during recovery");
	return strcmp(f->sqlstate, "40001") == 0 &&
	       begins(f->msg, "canceling statement due to conflict with recovery");
}

/* Is what begins here a refusal? What may come before it is looked over. */
enum pg_refusal pg_refused(const struct pg_client *c, const struct pg_link *l, const uint8_t *p,
	size_t n, struct err *e)
{
	struct pgmsg_head h;
	struct pgerror f;
	for (size_t at = 0; pgmsg_head(p + at, n - at, &h);) {
		size_t total = PGMSG_HEAD_BYTES + (size_t)h.body_n;
		if (h.body_n > REFUSAL_MAX_BYTES || at > REFUSAL_MAX_BYTES ||
			!strchr("123tTnE", h.type))
			return PG_REFUSAL_NO;
		if (n - at < total)
			return PG_REFUSAL_MAYBE;
		if (h.type == 'E') {
			pgerror_read(p + at + PGMSG_HEAD_BYTES, h.body_n, &f);
			if (!is_refusal(c, l, &f))
				return PG_REFUSAL_NO;
			pgerror_to_err(&f, ERR_NO_PRIMARY, e);
			return PG_REFUSAL_YES;
		}
		at += total;
	}
	/* behind a Flush the client waits for this much before it sends more */
	return l->ext_open ? PG_REFUSAL_NO : PG_REFUSAL_MAYBE;
}
