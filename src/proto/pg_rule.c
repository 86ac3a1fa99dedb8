/* pg_rule - rules of the configuration about the texts that a client sends. Which rule a text falls
 * under is rules.c's. Thread: that of the env. */
#include "pg_run_int.h"
#include "rules.h"

bool up_rule(struct upx *u, const char *text, size_t n)
{
	struct pg_client *c = u->c;
	u->rule = NULL;
	/* Without a link it comes again, unless it is refused. */
	if (!rules_any(c->ruling) || (u->l == NULL && !c->ruling->rules->blocks))
		return false;
	struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = pg_lex(c)->scs };
	const struct proto_rule_at *at = rules_find(c->ruling, &lang, text, n, u->l != NULL);
	if (at == NULL)
		return false;
	u->rule = at->rule;
	u->rule_text = text;
	u->rule_text_n = n;
	return u->rule->block != NULL;
}

void up_rule_followed(struct upx *u)
{
	rules_followed(u->c->ruling, u->rule, u->rule_text, u->rule_text_n);
	u->rule = NULL;
}

enum up_next up_rule_refuse(struct upx *u, const struct pgmsg_head *h)
{
	struct err why;
	rules_block(u->rule, &why);
	up_rule_followed(u);
	if (u->l == NULL) {
		pg_client_fail_request(u->c, &why, u->down);
		return UP_NEXT;
	}
	if (h->type != 'Q')
		up_in_batch(u);
	return up_forced(u, h, &why, NULL, 0);
}
