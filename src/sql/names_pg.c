/*
 * Danger names of a PostgreSQL database: the query for its catalogs, and functions whose text only
 * we can read. Ignorant of connections. Any thread.
 *
 * The query walks, backwards, what can run what: views, row security, domains and SQL-standard
 * bodies by the trees that the server stores (pg_depend does not tell of builtin functions),
 * aggregates, operators, types and casts by their catalogs. Seen on PostgreSQL 15 and 18.
 */
#include "sql/names_pg.h"

#include "sql/lex.h"

#include "words_int.h"

#include <string.h>

const char sql_names_pg_query[] =
	"with recursive "
	"base(name) as (select unnest($1::text[])), "
	"tree(kind, oid, text) as ( "
	"  select 'r', ev_class, ev_action::text from pg_catalog.pg_rewrite "
	"    where ev_type = '1' and ev_class >= 16384 "
	"  union all select 'f', oid, prosqlbody::text from pg_catalog.pg_proc "
	"    where prosqlbody is not null and oid >= 16384 "
	"  union all select 'r', p.polrelid, p.polqual::text from pg_catalog.pg_policy p "
	"    join pg_catalog.pg_class c on c.oid = p.polrelid "
	"    where c.relrowsecurity and p.polcmd in ('r', '*') and p.polqual is not null "
	"  union all select 't', contypid, conbin::text from pg_catalog.pg_constraint "
	"    where contypid >= 16384 and conbin is not null "
	"  union all select 'r', d.adrelid, d.adbin::text from pg_catalog.pg_attrdef d "
	"    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum "
	"    where a.attgenerated = 'v'), "
	"edge(kind, oid, to_kind, to_oid) as ( "
	"  select t.kind, t.oid, "
	"    case m[1] when 'relid' then 'r' when 'resulttype' then 't' when 'opno' then 'o' "
	"      when 'eqop' then 'o' when 'sortop' then 'o' else 'f' end, "
	"    m[2]::oid "
	"    from tree t, regexp_matches(t.text, "
	"      ':(funcid|opfuncid|aggfnoid|winfnoid|opno|eqop|sortop|relid|resulttype)"
	" ([0-9]+)', 'g') m "
	"  union all select 'o', oid, 'f', oprcode::oid from pg_catalog.pg_operator where "
	"    oid >= 16384 "
	"  union all select 'f', a.aggfnoid::oid, 'f', f from pg_catalog.pg_aggregate a, "
	"    unnest(array[aggtransfn::oid, aggfinalfn::oid, aggcombinefn::oid, "
	"      aggserialfn::oid, "
	"      aggdeserialfn::oid, aggmtransfn::oid, aggminvtransfn::oid, aggmfinalfn::oid]) "
	"        f "
	"    where a.aggfnoid::oid >= 16384 and f <> 0 "
	"  union all select 't', t.oid, 't', e from pg_catalog.pg_type t, "
	"    unnest(array[typbasetype, typelem]) e "
	"    where t.oid >= 16384 and e >= 16384 "
	"  union all select 't', t.oid, 'f', f from pg_catalog.pg_type t, "
	"    unnest(array[typinput::oid, typoutput::oid, typreceive::oid, typsend::oid, "
	"      typmodin::oid]) f "
	"    where t.oid >= 16384 and t.typtype = 'b' and f >= 16384 "
	"  union all select 't', c.reltype, 't', a.atttypid from pg_catalog.pg_class c "
	"    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 "
	"    where c.reltype >= 16384 and a.atttypid >= 16384 "
	"  union all select 't', r.rngtypid, 't', r.rngsubtype from pg_catalog.pg_range r "
	"    where r.rngsubtype >= 16384 "
	"  union all select 't', r.rngtypid, 'f', f from pg_catalog.pg_range r, "
	"    unnest(array[rngcanonical::oid, rngsubdiff::oid]) f where f >= 16384 "
	"  union all select 't', t, 'f', c.castfunc from pg_catalog.pg_cast c, "
	"    unnest(array[castsource, casttarget]) t "
	"    where c.castfunc >= 16384 and (t >= 16384 or (t = casttarget and castsource < "
	"      16384)) "
	"  union all select 'r', a.attrelid, 't', a.atttypid from pg_catalog.pg_attribute a "
	"    join pg_catalog.pg_type t on t.oid = a.atttypid "
	"    where a.attrelid >= 16384 and a.attnum > 0 and a.atttypid >= 16384 and "
	"      t.typtype <> 'd' "
	"  union all select 'r', inhparent, 'r', inhrelid from pg_catalog.pg_inherits), "
	"danger(kind, oid) as ( "
	"  select 'f', p.oid from pg_catalog.pg_proc p "
	"    where case when p.oid >= 16384 then p.provolatile = 'v' else p.proname = any "
	"      (select name from base) end "
	"  union select 'r', c.oid from pg_catalog.pg_class c "
	"    where case when c.oid >= 16384 then c.relpersistence <> 'p' or c.relkind in "
	"      ('f', 'S') "
	"      else c.relname = any (select name from base) or c.relname ~ '^pg_stat(io)?_' "
	"        end "
	"  union select e.kind, e.oid from edge e join danger d on d.kind = e.to_kind and "
	"    d.oid = e.to_oid), "
	"object(kind, oid, name, code) as ( "
	"  select 'f', oid, proname::text, proname::text from pg_catalog.pg_proc "
	"    where oid >= 16384 "
	"  union all select 'r', oid, relname, relname from pg_catalog.pg_class where oid >= 16384 "
	"  union all select 't', oid, typname, typname from pg_catalog.pg_type where oid >= 16384 "
	"  union all select 'o', o.oid, o.oprname, p.proname from pg_catalog.pg_operator o "
	"    join pg_catalog.pg_proc p on p.oid = o.oprcode where o.oid >= 16384) "
	"select n.known, n.name, n.body from ( "
	"  select 1, p.proname::text, null::text from danger d join pg_catalog.pg_proc p on "
	"    p.oid = d.oid "
	"    where d.kind = 'f' and d.oid >= 16384 "
	"  union select 1, c.relname, null from danger d join pg_catalog.pg_class c on c.oid "
	"    = d.oid "
	"    where d.kind = 'r' and d.oid >= 16384 "
	"  union select 1, n, null from danger d join pg_catalog.pg_type t on t.oid = d.oid, "
	"    unnest(array[t.typname::text, split_part(format_type(t.oid, null), ' ', 1)]) n "
	"      where d.kind = 't' "
	"  union select 1, o.oprname, null from danger d join pg_catalog.pg_operator o on "
	"    o.oid = d.oid "
	"    where d.kind = 'o' and d.oid >= 16384 "
	"  union select 2, proname, null from pg_catalog.pg_proc where oid >= 16384 "
	"  union select 4, typname, null from pg_catalog.pg_type where oid >= 16384 "
	"  union select 8, oprname, null from pg_catalog.pg_operator where oid >= 16384 "
	"  union all select 0, p.proname, p.prosrc from pg_catalog.pg_proc p "
	"    join pg_catalog.pg_language l on l.oid = p.prolang "
	"    where p.oid >= 16384 and p.provolatile <> 'v' and p.prosqlbody is null and "
	"      p.prokind in ('f', 'w') "
	"      and l.lanname not in ('c', 'internal') "
	"  union all select 0, a.name, string_agg('\"' || b.code || '\"', ' ') from edge e "
	"    join object a on a.kind = e.kind and a.oid = e.oid "
	"    join object b on b.kind = e.to_kind and b.oid = e.to_oid "
	"    group by a.kind, a.oid, a.name) n (known, name, body) ";

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || ((unsigned char)c & 0x80) != 0;
}

static bool is_not_for_replicas(const struct sql_names *s, const char *p, size_t n)
{
	struct sql_lex l;
	struct sql_tok t;

	if (sql_names_find(s, p, n) & SQL_NAME_DANGER)
		return true; /* "Quoted" */
	sql_lex_init(&l, &sql_dialect_pg, p, n, true);
	sql_lex_next(&l, &t);
	if (t.kind != SQL_TOK_WORD)
		return false;
	if (sql_names_find(s, t.name, t.name_n) & SQL_NAME_DANGER)
		return true;
	if ((t.name_n >= 8 && memcmp(t.name, "pg_stat_", 8) == 0) ||
		(t.name_n >= 10 && memcmp(t.name, "pg_statio_", 10) == 0))
		return true;
	/* EXECUTE runs text that is made there */
	return t.word != NULL &&
	       (t.word->id == SQL_W_EXECUTE || t.word->node != SQL_NODE_REPLICA ||
		       (t.word->call != SQL_NODE_REPLICA && t.word->call != SQL_NODE_SETTING));
}

/* At a double quote: a name with blanks in it. */
static bool is_quoted_danger(const struct sql_names *s, const char *p, const char *end)
{
	const char *close = *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;

	return close != NULL &&
	       (sql_names_find(s, p + 1, (size_t)(close - p - 1)) & SQL_NAME_DANGER);
}

bool sql_names_pg_body(struct sql_names *s, const char *name, const char *body, bool *news)
{
	size_t name_n = strlen(name);
	const char *p = body, *end = body + strlen(body);

	if (sql_names_find(s, name, name_n) & SQL_NAME_DANGER)
		return true;
	while (p < end) {
		const char *from = p;

		while (p < end && is_word_byte(*p))
			p++;
		if (p != from ? is_not_for_replicas(s, from, (size_t)(p - from))
			      : is_quoted_danger(s, p, end)) {
			*news = true;
			return sql_names_add(s, name, name_n, SQL_NAME_DANGER);
		}
		if (p == from)
			p++;
	}
	return true;
}
