/* explain - what would become of a text in a session with default settings. Ignorant of nodes. Any
 * thread. */
#include "explain.h"

#include "rules.h"
#include "sql/route.h"
#include "wish.h"

static void finish(struct proto_ruling *x, const struct sql_lang *lang,
	const struct proto_names *names, const char *text, size_t n, struct sql_route *r,
	struct proto_explained *out)
{
	struct wish_sum w = { .wish = &out->wish };
	const struct proto_rule_at *at = rules_any(x) ? rules_find(x, lang, text, n, false) : NULL;
	wish_none(&out->wish);
	bool moves = wish_add(&w, r, at) && names != NULL;
	out->reads = wish_end(&w, moves);
	out->rule = at ? at->rule : NULL;
	out->verdict = sql_route_verdict_name(r->verdict);
	out->reason = names != NULL || r->verdict != SQL_ROUTE_REPLICA
			      ? r->reason
			      : "only reads, but the catalog is not known, or it is not looked at";
}

void pg_explain(struct proto_ruling *x, const struct proto_names *names, const char *text, size_t n,
	struct proto_explained *out)
{
	struct sql_opts o = { &sql_dialect_pg, true, false, 18 };
	struct sql_route_ctx ctx = { .names = names ? names->set : NULL };
	struct sql_lang lang = { .pg = o.dialect, .scs = true };
	struct sql_stmt_info info;
	struct sql_route r;
	sql_route_pg(&o, &ctx, text, n, &info, &r);
	if ((info.flags & SQL_F_TX_BEGIN) && r.verdict != SQL_ROUTE_REPLICA)
		r.movable = false; /* it may do anything later */
	finish(x, &lang, names, text, n, &r, out);
}

void my_explain(struct proto_ruling *x, const struct proto_names *names, const char *text, size_t n,
	struct proto_explained *out)
{
	struct sql_my_opts o = { .multi_statements = true, .charset = SQL_MY_CS_SAFE };
	struct sql_route_ctx ctx = { .names = names ? names->set : NULL };
	struct sql_my_opts as_code = o;
	struct sql_lang lang = { .my = &as_code };
	struct sql_my_stmt st;
	struct sql_route r;
	as_code.code = SQL_MY_CODE_ALL;
	as_code.version = 1;
	sql_route_my(&o, &ctx, text, n, &r);
	sql_my_classify(&o, text, n, &st);
	if (st.flags & SQL_MY_TX_BEGIN) { /* it may do anything later */
		r.verdict = SQL_ROUTE_PRIMARY;
		r.movable = false;
	}
	finish(x, &lang, names, text, n, &r, out);
}
