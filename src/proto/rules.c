/* rules - which rule of the configuration a statement falls under. Ignorant of clients and of what
 * becomes of the statement. Any thread. */
#include "rules.h"

#include "sql/match.h"

static const char *given(const char *s)
{
	return s != NULL && *s != '\0' ? s : NULL;
}

int proto_rule_compile(struct proto_rule *r, const char *regex, const char *prefix,
	const char *digest, char *why, size_t why_n)
{
	struct sql_match *m;
	regex = given(regex);
	prefix = given(prefix);
	digest = given(digest);
	r->match = NULL;
	if (!regex && !prefix && !digest)
		return 0;
	if (sql_match_new(regex, prefix, digest, &m, why, why_n) != 0)
		return -1;
	r->match = m;
	return 0;
}

void proto_rule_fini(struct proto_rule *r)
{
	struct sql_match *m = (struct sql_match *)(uintptr_t)r->match;
	sql_match_free(&m);
	r->match = NULL;
}

const struct proto_rule_at *rules_find(
	struct proto_ruling *x, const struct sql_lang *lang, const char *text, size_t n, bool tell)
{
	struct sql_subject s;
	sql_subject_init(&s, lang, text, n);
	for (unsigned i = 0; i < x->rules->n; i++) {
		const struct proto_rule_at *at = &x->rules->v[i];
		enum sql_matched m = !at->rule->match ? SQL_MATCH_YES
				     : text           ? sql_match(at->rule->match, &s)
						      : SQL_MATCH_NO;
		if (m == SQL_MATCH_YES)
			return at;
		if (m == SQL_MATCH_GAVE_UP && tell)
			x->told(x, PROTO_RULE_GAVE_UP, at->rule, text, n);
	}
	return NULL;
}

bool rules_look(struct proto_ruling *x, const struct sql_lang *lang, const char *text, size_t n,
	bool linked, struct ruled *out)
{
	const struct proto_rule_at *at = rules_find(x, lang, text, n, linked);
	*out = (struct ruled){ at ? at->rule : NULL, text, n };
	return at && at->rule->block;
}

void rules_block(const struct proto_rule *r, struct err *e)
{
	err_set(e, ERR_BLOCKED, "%s", r->block);
	err_detail(e, "Rule \"%.100s\" of weirpool refuses this statement.", r->name);
}
