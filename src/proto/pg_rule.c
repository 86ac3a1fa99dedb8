/* pg_rule - rules of the configuration about the texts that a client sends. Which rule a text falls
 * under is rules.c's. Thread: that of the env. */
#include "pg_run_int.h"

bool up_rule(struct upx *u, const char *text, size_t n)
{
	struct pg_client *c = u->c;
	u->ruled.rule = NULL;
	if (!rules_wanted(c->ruling, u->l != NULL))
		return false;
	struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = pg_lex(c)->scs };
	return rules_look(c->ruling, &lang, text, n, u->l != NULL, &u->ruled);
}

void up_rule_followed(struct upx *u)
{
	rules_followed(u->c->ruling, &u->ruled);
}

enum up_next up_rule_refuse(struct upx *u, const struct pgmsg_head *h)
{
	struct err why;
	rules_block(u->ruled.rule, &why);
	up_rule_followed(u);
	if (u->l == NULL) {
		pg_client_fail_request(u->c, &why, u->down);
		return UP_NEXT;
	}
	if (h->type != 'Q')
		up_in_batch(u);
	return up_forced(u, h, &why, NULL, 0);
}
