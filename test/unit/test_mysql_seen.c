/* mysql_class and mysql_route: what is remembered of a text is what would be read in it, for each
 * way of reading and each set of names, whichever came before. */
#include "../../src/proto/mysql_run_int.h"
#include "../../src/proto/mysql_up_int.h"
#include "each_text.h"
#include "other_values.h"
#include "seed.h"

#include "base/mem.h"
#include "sql/names.h"

#define ROUNDS 4U /* it is kept in the second */
#define OTHERS 32U
#define VERSION 90700U

static struct my_client c;
static struct proto_names *sets[2], *names;
static const struct {
	const char *name, *value;
} settings[] = {
	{ "sql_mode", "" },
	{ "sql_mode", "ANSI_QUOTES" },
	{ "sql_mode", "NO_BACKSLASH_ESCAPES" },
	{ "autocommit", "OFF" },
	{ "transaction_read_only", "ON" },
	{ "character_set_client", "gbk" },
	{ MY_VAR_SCHEMA, "sys" },
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))
static struct varset *wants[SETTINGS];
/* a setting, one of the two sets, MySQL or MariaDB */
#define WAYS (SETTINGS * 4)

static void setup(void)
{
	static const char *const danger[] = { "t", "f", "orders", "v" };
	struct proto_env_opts o = { 0 };
	struct proto_env *v = my_env_new(&o);
	cr_assert_not_null(v);
	c = (struct my_client){
		.env = v, .names = &names, .mode = PROTO_TRANSACTION, .ro_tx = true, .multi = true
	};
	cr_assert(varset_put(&v->vars, &c.base, "character_set_client", "utf8mb4"));
	for (unsigned i = 0; i < 2; i++)
		sets[i] = proto_names_new(sql_names_new(true), proto_catalog_no());
	for (size_t i = 0; i < sizeof(danger) / sizeof(danger[0]); i++)
		cr_assert(
			sql_names_add(sets[1]->set, danger[i], strlen(danger[i]), SQL_NAME_DANGER));
	for (size_t i = 0; i < SETTINGS; i++)
		cr_assert(varset_put(&v->vars, &wants[i], settings[i].name, settings[i].value));
}

static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		proto_names_unref(&sets[i]);
	for (unsigned i = 0; i < SETTINGS; i++)
		varset_assign(&c.env->vars, &wants[i], NULL);
	varset_assign(&c.env->vars, &c.base, NULL);
	my_env_free(c.env);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
}
TestSuite(mysql_seen, .init = setup, .fini = teardown);

/* All that a session learns of a text. */
struct said {
	bool reads;
	struct proto_wish wish;
	struct my_req req;
};

static void look(unsigned way, const char *text, size_t n, struct said *out)
{
	static uint8_t packet[4 + 1 + EACH_TEXT_MAX_BYTES];
	struct sql_my_opts o;
	c.want = wants[way / 4];
	c.mariadb = way & 1;
	names = sets[way / 2 % 2];
	packet[0] = (uint8_t)(n + 1);
	packet[1] = (uint8_t)((n + 1) >> 8);
	packet[4] = MYCOM_QUERY;
	memcpy(packet + 5, text, n);
	out->reads = my_reads(&c, packet, n + 5, &out->wish);
	my_text_opts(&c, &o);
	o.version = way & 2 ? 80036 : VERSION;
	my_class(&c, &o, text, n, false, &out->req);
	c.pins = 0;
}

static bool same_wish(const struct proto_wish *a, const struct proto_wish *b)
{
	return a->node == b->node && a->consistency == b->consistency &&
	       a->max_staleness_us == b->max_staleness_us && a->nodes == b->nodes &&
	       a->hinted == b->hinted && a->unclear == b->unclear && a->vouched == b->vouched &&
	       a->own_bound == b->own_bound &&
	       (a->node != PROTO_NODE_NAMED || strcmp(a->name, b->name) == 0);
}

static bool same_req(const struct my_req *a, const struct my_req *b)
{
	return a->flags == b->flags && a->add == b->add && a->del == b->del &&
	       a->anyway == b->anyway && a->kill == b->kill && a->n_handlers == b->n_handlers &&
	       a->n_prepared == b->n_prepared && a->n_statements == b->n_statements &&
	       a->wish == b->wish && a->calls == b->calls && a->no_verb == b->no_verb &&
	       a->selects == b->selects && a->keeps_found == b->keeps_found &&
	       a->kill_whole == b->kill_whole && a->lies == b->lies;
}

static unsigned reads_n, refused_n; /* of what was looked at */

static void same(const char *text, size_t n)
{
	static struct said want[WAYS], got;
	const struct my_req none = { 0 };
	for (unsigned i = 0; i < WAYS; i++) {
		texts_fini(&c.env->texts);
		c.prepared = none;
		look(i, text, n, &want[i]);
	}
	texts_fini(&c.env->texts);
	for (unsigned i = 0; i < WAYS * ROUNDS; i++) {
		unsigned way = i * 5 % WAYS; /* neighbours differ in several things */
		c.prepared = none;
		look(way, text, n, &got);
		cr_assert(got.reads == want[way].reads && same_wish(&got.wish, &want[way].wish) &&
				  same_req(&got.req, &want[way].req),
			"way %u of <%.*s>", way, (int)n, text);
		reads_n += got.reads;
		refused_n += !got.reads;
	}
}

Test(mysql_seen, says_what_would_be_read)
{
	cr_assert_gt(each_text_lines("test/data/route-my.txt", same), 100U);
	cr_assert_gt(each_text_dir("test/fuzz/corpus/route", same), 10U);
	cr_assert_gt(each_text_dir("test/fuzz/corpus/classify_my", same), 10U);
	same("select 'a\\' , ' from t", 22);
	same("select \"a\" from u", 17);
	same("select '\xc3\xa4' from u", 18);
	same("select 1 /*!90000 for update */", 31);
	same("select 1 /*M! for update */", 27);
	cr_assert(reads_n > 1000 && refused_n > 1000);
}

static struct my_known *known_of(unsigned version, const char *text, size_t n)
{
	struct sql_my_opts o;
	my_text_opts(&c, &o);
	o.version = version;
	struct texts_ref r = my_text_ref(&o, text, n);
	return texts_find(&c.env->texts, &r);
}

static struct my_known *known(unsigned version, const char *text)
{
	return known_of(version, text, strlen(text));
}

static uint32_t seed;
static unsigned shared_n; /* texts that were answered by one with other values */

/* What one text says, in one way of all, is what it says when others like it came before. */
static void same_beside_others(const char *text, size_t n)
{
	static struct said want, got;
	static unsigned way;
	const struct my_req none = { 0 };
	char a[EACH_TEXT_MAX_BYTES - 1], b[EACH_TEXT_MAX_BYTES - 1];
	for (unsigned i = 0; i < OTHERS && other_values_has(text, n); i++) {
		size_t a_n = other_values(text, n, &seed, a, sizeof(a));
		size_t b_n = other_values(text, n, &seed, b, sizeof(b));
		way = (way + 5) % WAYS;
		texts_fini(&c.env->texts);
		c.prepared = none;
		look(way, b, b_n, &want);
		texts_fini(&c.env->texts);
		for (unsigned k = 0; k < ROUNDS; k++)
			look(way, a, a_n, &got);
		shared_n += known_of(way & 2 ? 80036 : VERSION, b, b_n) &&
			    (a_n != b_n || memcmp(a, b, a_n) != 0);
		c.prepared = none;
		look(way, b, b_n, &got);
		cr_assert(got.reads == want.reads && same_wish(&got.wish, &want.wish) &&
				  same_req(&got.req, &want.req),
			"way %u of <%.*s> behind <%.*s>", way, (int)b_n, b, (int)a_n, a);
	}
}

Test(mysql_seen, says_what_would_be_read_whatever_the_values)
{
	seed = seed_first();
	(void)each_text_lines("test/data/route-my.txt", same_beside_others);
	(void)each_text_dir("test/fuzz/corpus/route", same_beside_others);
	(void)each_text_dir("test/fuzz/corpus/classify_my", same_beside_others);
	cr_assert_gt(shared_n, 1000U, "%u", shared_n);
}

/* The test above would say nothing if nothing were ever kept. */
Test(mysql_seen, keeps_what_comes_again_but_not_passwords)
{
	static const char *const never[] = { "set @x = 'secret'", "set password = 'secret'",
		"create user u identified by 'secret'", "alter user u identified by 'secret'",
		"prepare p from 'select 1'", "select 'open" };
	struct said x;
	for (unsigned i = 0; i < ROUNDS; i++) {
		look(0, "select 1", 8, &x);
		look(0, "insert into t values ('x')", 26, &x);
		for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++)
			look(0, never[k], strlen(never[k]), &x);
	}
	cr_assert_not_null(known(0, "select 1"));
	cr_assert_eq(known(0, "select 1")->route_names, sets[0]->no);
	cr_assert(known(VERSION, "select 1")->has_req);
	cr_assert(known(VERSION, "insert into t values ('x')")->has_req);
	for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
		cr_assert_null(known(0, never[k]), "%s", never[k]);
		cr_assert_null(known(VERSION, never[k]), "%s", never[k]);
	}
}
