/* rules: the section [rules] as read, and what is said of rules that cannot work. */
#include "conf_try.h"

#include "base/buf.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define CLUSTERS \
	"[clusters]\nc = host=n1,n2 port=5432 probe_user=p\nother = host=n3 probe_user=p\n" \
	"[databases]\napp = cluster=c\nlone = host=h\nfar = cluster=other\n" \
	"[weirpool]\nauth_type = trust\n"

Test(rules, are_read_in_their_order)
{
	struct attempt t = try_text(
		CLUSTERS "[rules]\n"
			 "z = regex='^SELECT.*FOR UPDATE' route=primary\n"
			 "a = prefix=SELECT user=app,web database=app address=10.0.0.0/8,unix "
			 "route=n2:5432,n1:5432 consistency=bounded max_staleness=200ms\n"
			 "m = digest=0123456789abcdef query_timeout=0 log=1\n"
			 "\"the last\" = user=bad block='not ''this'' way'\n");
	cr_assert_not_null(t.conf, "%s", t.said);
	cr_assert_str_eq(t.said, "");
	cr_assert_eq(t.conf->rules_n, 4U);
	const struct conf_rule *r = t.conf->rules;
	cr_expect_str_eq(r[0].name, "z");
	cr_expect_str_eq(r[0].regex, "^SELECT.*FOR UPDATE");
	cr_expect_eq(r[0].route, CONF_RULE_PRIMARY);
	cr_expect_eq(r[0].max_staleness_us, -1);
	cr_expect_eq(r[0].query_timeout_us, -1);
	cr_expect_eq(r[0].consistency, CONF_RULE_CONSISTENCY_AS_SET);
	cr_expect_eq(r[0].src.line, 11U);
	cr_expect_eq(r[1].route, CONF_RULE_NODES);
	cr_expect_eq(r[1].consistency, CONF_RULE_CONSISTENCY_BOUNDED);
	cr_expect_eq(r[1].max_staleness_us, 200000);
	cr_expect_eq(r[2].query_timeout_us, 0);
	cr_expect(r[2].log);
	cr_expect_str_eq(r[3].name, "the last");
	cr_expect_str_eq(r[3].block, "not 'this' way");
	try_end(&t);
}

Test(rules, mistakes_are_told_with_their_line)
{
	static const char *const t[][2] = {
		{ "r = regex=x\n", "t.ini:11: rule \"r\" does nothing" },
		{ "r = block=no route=primary\n", "what block= refuses goes nowhere" },
		{ "r = block=no query_timeout=1\n", "what block= refuses goes nowhere" },
		{ "r = route=replica consistency=strong\n", "consistency=strong reads from" },
		{ "r = route=n1:5432 consistency=strong\n", "consistency=strong reads from" },
		{ "r = route=primary consistency=session\n", "route=primary is not" },
		{ "r = route=primary max_staleness=1\n", "route=primary is not" },
		{ "r = log=1 address=10.0.0.0/33\n", "\"10.0.0.0/33\" is no address" },
		{ "r = log=1 digest=12\n", "digest must have 16 hexadecimal digits" },
		{ "r = route=n9:5432\n", "\"n9:5432\" is neither primary nor replica nor" },
		{ "r = route=primary,replica\n", "\"primary\" is neither" },
		{ "r = route=n3:5432 database=app\n",
			"n3:5432 is no node of a cluster of the databases" },
		{ "r = log=1 database=nope\n", "there is no database \"nope\"" },
		{ "r = log=1 users=x\n", "unknown rule option \"users\", did you mean \"user\"" },
		{ "r = log=1\nr = user=x log=1\n", "t.ini:12: rule \"r\" was given before" },
		{ "r = consistency=none log=1\n", "consistency is \"none\", but must be" },
		{ "r = log=1 pool_size=1\n", "\"pool_size\" belongs in" },
	};
	for (size_t i = 0; i < N(t); i++) {
		char text[1024];
		snprintf(text, sizeof(text), CLUSTERS "[rules]\n%s", t[i][0]);
		if (strstr(t[i][0], "primary,replica")) { /* two errors: each of the words */
			struct attempt a = try_text(text);
			cr_expect(a.errors_n == 2 && strstr(a.said, t[i][1]), "%s", a.said);
			try_end(&a);
			continue;
		}
		TRY_REFUSED(text, t[i][1]);
	}
}

static void warned(const char *rules, const char *what)
{
	char text[1024];
	snprintf(text, sizeof(text), CLUSTERS "[rules]\n%s", rules);
	struct attempt t = try_text(text);
	cr_expect_not_null(t.conf, "%s", t.said);
	cr_expect_eq(t.warnings_n, what ? 1U : 0U, "%s gives %s", rules, t.said);
	cr_expect(!what || strstr(t.said, what), "%s gives %s", rules, t.said);
	try_end(&t);
}

Test(rules, what_cannot_be_reached_is_told)
{
	warned("a = log=1\nb = user=x log=1\n",
		"t.ini:12: warning: rule \"b\" is never reached: \"a\" at "
		"t.ini:11 comes first");
	warned("a = prefix=sel log=1\nb = prefix=SELECT log=1\n", "never reached");
	warned("a = prefix=SELECT log=1\nb = prefix=sel log=1\n", NULL);
	warned("a = regex=x user=u,v log=1\nb = regex=x user=v database=app log=1\n",
		"never reached");
	warned("a = regex=x user=u log=1\nb = regex=x user=u,v log=1\n", NULL);
	warned("a = regex=x log=1\nb = regex=y log=1\n", NULL);
	warned("a = regex=x log=1\nb = log=1\n", NULL);
	warned("a = database=lone route=replica\n", "route= has no effect");
	warned("a = database=lone consistency=eventual\n", "consistency= has no effect");
	warned("a = database=lone,app route=replica\n", NULL);
	warned("a = database=lone query_timeout=1 block=''\n", NULL);
}

Test(rules, classic_two_of_proxysql)
{
	warned("for_update = regex='^SELECT.*FOR UPDATE' route=primary\n"
	       "selects = regex=^SELECT route=replica\n",
		NULL);
}

Test(rules, who_they_are_for)
{
	struct attempt t = try_text(CLUSTERS "[rules]\n"
					     "a = log=1 user=u,v database=app,far prefix=a\n"
					     "b = log=1\n");
	const struct conf_rule *a = &t.conf->rules[0], *b = &t.conf->rules[1];
	const struct conf_db *d = conf_db_find(t.conf, "app");
	cr_expect(conf_rule_is_for(a, d, "app", "u"));
	cr_expect(conf_rule_is_for(a, d, "anything", "v"), "by the name of its entry");
	cr_expect(conf_rule_is_for(a, conf_db_find(t.conf, "lone"), "far", "v"));
	cr_expect_not(conf_rule_is_for(a, d, "app", "w"));
	cr_expect_not(conf_rule_is_for(a, conf_db_find(t.conf, "lone"), "lone", "u"));
	cr_expect(conf_rule_is_for(b, d, "app", "w"));
	try_end(&t);
}

Test(rules, are_dumped_and_compared)
{
	struct attempt t = try_text(CLUSTERS "[rules]\na = log=1 user=u\nb = log=1\n");
	struct buf b;
	struct conf_msgs m = { 0 };
	struct conf *again = NULL;
	struct conf_changes d;
	buf_init(&b, 0);
	conf_dump(t.conf, &b);
	cr_assert_eq(
		conf_load_text("again", (const char *)buf_data(&b), buf_len(&b), &again, &m), 0);
	buf_fini(&b);
	conf_diff(t.conf, again, &d);
	cr_expect_eq(d.n, 0U);
	conf_changes_fini(&d);
	conf_free(&again);
	conf_msgs_fini(&m);
	struct attempt u = try_text(
		CLUSTERS "[rules]\nb = log=1 prefix=x\nc = log=1 user=y\na = log=1 user=u\n");
	conf_diff(t.conf, u.conf, &d);
	cr_assert_eq(d.n, 3U);
	cr_expect_str_eq(d.list[0].key, "rules.b");
	cr_expect_str_eq(d.list[0].is, "log=1 prefix=x");
	cr_expect_str_eq(d.list[1].key, "rules.c");
	cr_expect_null(d.list[1].was);
	cr_expect_str_eq(d.list[2].is, "moved");
	conf_changes_fini(&d);
	conf_free(&u.conf);
	try_end(&t);
}
