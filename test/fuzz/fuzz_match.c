/* Digests and the first token of any text, in both dialects; and patterns on it. The hash is that
 * of the normal form, which is the same each time, and the same as token by token. */
#include "sql/match.h"

#include "../unit/plain_digest.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t fnv(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void look(const struct sql_lang *lang, const char *text, size_t n)
{
	static struct sql_match *m;
	struct sql_subject s;
	struct buf b;
	uint64_t d = 0, again = 0;
	char why[100];
	buf_init(&b, 0);
	bool has = sql_digest(lang, text, n, &b, &d);
	assert(has == sql_digest(lang, text, n, NULL, &again));
	struct buf plain;
	buf_init(&plain, 0);
	assert(has == plain_digest(lang, text, n, &plain, &again));
	assert(d == again && buf_len(&b) == buf_len(&plain) &&
		(!has || !memcmp(buf_data(&b), buf_data(&plain), buf_len(&b))));
	buf_fini(&plain);
	assert(!has || (d == again && buf_len(&b) > 0 && d == fnv(buf_data(&b), buf_len(&b))));
	assert(buf_len(&b) <= 2 * n + 2);
	struct buf cut;
	buf_init(&cut, 0);
	assert(has == sql_normal(lang, text, n, &cut, 20));
	assert(!has || (buf_len(&cut) <= 20 &&
			       buf_len(&cut) + 3 >= (buf_len(&b) < 20 ? buf_len(&b) : 20) &&
			       (buf_len(&cut) == 0 ||
				       !memcmp(buf_data(&cut), buf_data(&b), buf_len(&cut)))));
	buf_fini(&cut);
	assert(sql_first_token(lang, text, n) <= n);
	if (m == NULL && sql_match_new("^select .*(a|b)+ from", "se", NULL, &m, why, sizeof why))
		assert(false);
	sql_subject_init(&s, lang, text, n);
	(void)sql_match(m, &s);
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char empty[1];
	const char *text = size ? (const char *)data : empty;
	struct sql_my_opts o = { .multi_statements = true,
		.charset = SQL_MY_CS_SAFE,
		.version = 1,
		.code = SQL_MY_CODE_ALL };
	look(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = true }, text, size);
	look(&(struct sql_lang){ .pg = &sql_dialect_pg, .scs = false }, text, size);
	look(&(struct sql_lang){ .my = &o }, text, size);
	o.mariadb = true;
	look(&(struct sql_lang){ .my = &o }, text, size);
	return 0;
}
