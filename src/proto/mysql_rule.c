/* mysql_rule - rules of the configuration about the texts that a client sends, and which of them
 * are counted. Which rule a text falls under is rules.c's. Thread: that of the env. */
#include "mysql_up_int.h"

#include <string.h>

#include "sql/classify_my.h"

const char *my_setting(const struct my_client *c, const char *name)
{
	const char *v = varset_get(c->want, name);
	if (v == NULL)
		v = varset_get(c->base, name);
	return v ? v : "";
}

void my_text_opts(const struct my_client *c, struct sql_my_opts *o)
{
	const char *mode = my_setting(c, "sql_mode");
	const char *charset = my_setting(c, "character_set_client");
	*o = (struct sql_my_opts){ .mode = sql_my_mode(mode, strlen(mode)),
		.charset = sql_my_charset(charset, strlen(charset)),
		.multi_statements = c->multi,
		.mariadb = c->mariadb };
}

struct sql_my_opts my_rule_opts(const struct sql_my_opts *o)
{
	struct sql_my_opts x = *o;
	x.code = SQL_MY_CODE_ALL;
	x.version = 1; /* known, that is: it does not matter then */
	return x;
}

bool my_rule(struct myup *u, const char *text, size_t n)
{
	struct my_client *c = u->c;
	u->ruled.rule = NULL;
	if (!rules_wanted(c->ruling, u->l != NULL))
		return false;
	struct sql_my_opts o;
	my_text_opts(c, &o);
	o = my_rule_opts(&o);
	struct sql_lang lang = { .my = &o };
	return rules_look(c->ruling, &lang, text, n, u->l != NULL, &u->ruled);
}

void my_rule_followed(struct myup *u)
{
	rules_followed(u->c->ruling, &u->ruled);
}

void my_count(
	struct myup *u, const char *text, size_t n, struct mystr trace, struct meter_digest *known)
{
	struct sql_my_opts o = my_rule_opts(my_lex(u->c, u->l));
	struct sql_lang lang = { .my = &o };
	struct proto_statement s = {
		.text = text, .n = n, .lang = &lang, .trace = trace.p, .trace_n = trace.n
	};
	meter_sent(u->c->meter, &s, known, &u->l->ticket);
}

void my_count_stmt(struct myup *u, struct stmt *s)
{
	struct mystr none = { NULL, 0 };
	if (meter_on(u->c->meter))
		my_count(u, s ? s->text : NULL, s ? s->text_n : 0, none, s ? &s->digest : NULL);
}

enum my_next my_rule_refuse(struct myup *u, const struct mypacket_head *h)
{
	const struct err_info *x = err_info(ERR_BLOCKED);
	enum my_next r = my_local_err(
		u, h, x->mysql_errno, x->mysql_sqlstate, u->ruled.rule->block);
	if (r == MY_NEXT)
		my_rule_followed(u);
	return r;
}
