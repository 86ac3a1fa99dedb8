/* pg_seen: what is remembered of a text is what would be read in it, for each way of reading and
 * each set of names, whichever came before. */
#include "../../src/proto/pg_ref_int.h"
#include "each_text.h"
#include "other_values.h"
#include "seed.h"

#include "base/mem.h"
#include "sql/names.h"

#define ROUNDS 4U /* it is kept in the second */
#define OTHERS 32U

static struct pg_client c;
static struct proto_names *sets[2], *names;
static struct varset *wants[3];
static const struct pg_lex_opts lexes[] = {
	{ .valid = true, .scs = true, .server_major = 15 },
	{ .valid = true, .scs = false, .server_major = 15 },
	{ .valid = true, .scs = true, .unsafe_encoding = true, .server_major = 15 },
	{ .valid = true, .scs = true, .server_major = 18 },
};
#define WAYS (sizeof(lexes) / sizeof(lexes[0]) * 3 * 2)

static void setup(void)
{
	static const char *const danger[] = { "t", "f", "orders", "count", "=", "v" };
	struct proto_env_opts o = { 0 };
	struct proto_env *v = pg_env_new(&o);
	cr_assert_not_null(v);
	c = (struct pg_client){ .env = v, .names = &names, .mode = PROTO_TRANSACTION };
	for (unsigned i = 0; i < 2; i++)
		sets[i] = proto_names_new(sql_names_new(false), proto_catalog_no());
	for (size_t i = 0; i < sizeof(danger) / sizeof(danger[0]); i++)
		cr_assert(
			sql_names_add(sets[1]->set, danger[i], strlen(danger[i]), SQL_NAME_DANGER));
	cr_assert(varset_put(&v->vars, &wants[1], "default_transaction_isolation", "serializable"));
	cr_assert(varset_put(&v->vars, &wants[2], "default_transaction_read_only", "on"));
}

static void teardown(void)
{
	for (unsigned i = 0; i < 2; i++)
		proto_names_unref(&sets[i]);
	for (unsigned i = 0; i < 3; i++)
		varset_assign(&c.env->vars, &wants[i], NULL);
	pg_env_free(c.env);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
}
TestSuite(pg_seen, .init = setup, .fini = teardown);

/* All that a session learns of a text. */
struct said {
	bool reads;
	struct proto_wish wish;
	struct sql_stmt_info info;
};

static void look(unsigned way, const char *text, size_t n, struct said *out)
{
	struct upx u = { .c = &c };
	struct buf m;
	buf_init(&m, 0);
	c.env->lex = lexes[way / 6];
	c.want = wants[way / 2 % 3];
	names = sets[way % 2];
	pgext_put_query(&m, text, n);
	out->reads = pg_reads(&c, buf_data(&m), buf_len(&m), &out->wish);
	up_classify(&u, text, n, &out->info);
	buf_fini(&m);
}

static bool same_wish(const struct proto_wish *a, const struct proto_wish *b)
{
	return a->node == b->node && a->consistency == b->consistency &&
	       a->max_staleness_us == b->max_staleness_us && a->nodes == b->nodes &&
	       a->hinted == b->hinted && a->unclear == b->unclear && a->vouched == b->vouched &&
	       a->own_bound == b->own_bound &&
	       (a->node != PROTO_NODE_NAMED || strcmp(a->name, b->name) == 0);
}

/* What is set counts where something is. */
static bool same_set(const struct sql_stmt_info *a, const struct sql_stmt_info *b)
{
	return a->set_kind == SQL_SET_NONE ||
	       (a->set_local == b->set_local && a->set_name_n == b->set_name_n &&
		       a->set_value_n == b->set_value_n &&
		       memcmp(a->set_name, b->set_name, a->set_name_n) == 0 &&
		       memcmp(a->set_value, b->set_value, a->set_value_n) == 0);
}

static bool same_info(const struct sql_stmt_info *a, const struct sql_stmt_info *b)
{
	return a->flags == b->flags && a->verb == b->verb && a->n_statements == b->n_statements &&
	       a->set_kind == b->set_kind && same_set(a, b) && a->name_n == b->name_n &&
	       memcmp(a->name, b->name, a->name_n) == 0;
}

static void forget(void)
{
	texts_fini(&c.env->texts);
	c.env->seen.n = 0;
}

static unsigned reads_n, refused_n; /* of what was looked at */

static void same(const char *text, size_t n)
{
	static struct said want[WAYS], got;
	for (unsigned i = 0; i < WAYS; i++) {
		forget();
		look(i, text, n, &want[i]);
	}
	forget();
	for (unsigned i = 0; i < WAYS * ROUNDS; i++) {
		unsigned way = i * 7 % WAYS; /* neighbours differ in several things */
		look(way, text, n, &got);
		cr_assert(got.reads == want[way].reads && same_wish(&got.wish, &want[way].wish) &&
				  same_info(&got.info, &want[way].info),
			"way %u of <%.*s>", way, (int)n, text);
		reads_n += got.reads;
		refused_n += !got.reads;
	}
}

Test(pg_seen, says_what_would_be_read)
{
	cr_assert_gt(each_text_lines("test/data/route-pg.txt", same), 100U);
	cr_assert_gt(each_text_dir("test/fuzz/corpus/route", same), 10U);
	cr_assert_gt(each_text_dir("test/fuzz/corpus/classify", same), 100U);
	cr_assert_gt(each_text_dir("test/fuzz/corpus/match", same), 1U);
	same("select '\xc3\xa4' from u", 18); /* maybe unsafe */
	same("select 'a\\' , ' from t", 22);
	cr_assert(reads_n > 1000 && refused_n > 1000);
}

static uint32_t seed;
static unsigned shared_n; /* texts that were answered by one with other values */

static struct pg_known *known(const char *text, size_t n)
{
	struct texts_ref r = pg_text_ref(&c, text, n);
	return texts_find(&c.env->texts, &r);
}

/* What one text says, in one way of all, is what it says when others like it came before. */
static void same_beside_others(const char *text, size_t n)
{
	static struct said want, got;
	static unsigned way;
	char a[EACH_TEXT_MAX_BYTES], b[EACH_TEXT_MAX_BYTES];
	for (unsigned i = 0; i < OTHERS && other_values_has(text, n); i++) {
		size_t a_n = other_values(text, n, &seed, a, sizeof(a));
		size_t b_n = other_values(text, n, &seed, b, sizeof(b));
		way = (way + 7) % WAYS;
		forget();
		look(way, b, b_n, &want);
		forget();
		for (unsigned k = 0; k < ROUNDS; k++)
			look(way, a, a_n, &got);
		shared_n += known(b, b_n) && (a_n != b_n || memcmp(a, b, a_n) != 0);
		look(way, b, b_n, &got);
		cr_assert(got.reads == want.reads && same_wish(&got.wish, &want.wish) &&
				  same_info(&got.info, &want.info),
			"way %u of <%.*s> behind <%.*s>", way, (int)b_n, b, (int)a_n, a);
	}
}

Test(pg_seen, says_what_would_be_read_whatever_the_values)
{
	seed = seed_first();
	(void)each_text_lines("test/data/route-pg.txt", same_beside_others);
	(void)each_text_dir("test/fuzz/corpus/route", same_beside_others);
	(void)each_text_dir("test/fuzz/corpus/classify", same_beside_others);
	cr_assert_gt(shared_n, 1000U, "%u", shared_n);
}

/* A statement's flags are those of the texts: who reads one in another way has another one. */
Test(pg_seen, statements_are_shared_by_those_who_read_them_alike)
{
	struct stmt *made[sizeof(lexes) / sizeof(lexes[0])];
	struct upx u = { .c = &c };
	struct sql_stmt_info info;
	for (size_t i = 0; i < sizeof(lexes) / sizeof(lexes[0]); i++) {
		c.env->lex = lexes[i];
		made[i] = ref_intern(&u, "select 1", 8, NULL, 0, &info);
		cr_assert_not_null(made[i]);
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(made[i], made[k]);
		struct stmt *again = ref_intern(&u, "select 1", 8, NULL, 0, &info);
		cr_assert_eq(again, made[i]);
		stmt_unref(&c.env->stmts, again);
	}
	for (size_t i = 0; i < sizeof(lexes) / sizeof(lexes[0]); i++)
		stmt_unref(&c.env->stmts, made[i]);
}

/* The test above would say nothing if nothing were ever kept. */
Test(pg_seen, keeps_what_comes_again_but_not_passwords)
{
	static const char *const never[] = { "set x.y = 'secret'", "prepare p as select 1",
		"create role r password 'secret'", "alter role r password 'secret'",
		"select set_config('x.y', 'secret', false)", "select 'open" };
	struct said x;
	for (unsigned i = 0; i < ROUNDS; i++) {
		look(0, "select 1", 8, &x);
		look(0, "insert into t values ('x')", 26, &x);
		for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++)
			look(0, never[k], strlen(never[k]), &x);
	}
	cr_assert_not_null(known("select 1", strlen("select 1")));
	cr_assert_eq(known("select 1", strlen("select 1"))->route_names, sets[0]->no);
	cr_assert_not_null(
		known("insert into t values ('x')", strlen("insert into t values ('x')")));
	for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++)
		cr_assert_null(known(never[k], strlen(never[k])), "%s", never[k]);
}
