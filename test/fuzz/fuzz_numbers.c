/* fuzz_numbers - any bytes as a text that is kept (proto/texts.h), the first byte choosing how it
 * is read. Oracle: what is found for it is what was kept of it; the same is found with others
 * at its values, which are those that sql_values() tells; and whatever text it is found for, that
 * with others anywhere, is read as it was. One thread. */
#include "../../src/proto/texts.h"
#include "../unit/same_reading.h"

#include <stdlib.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP (2 * TEXTS_MAX_BYTES)

static struct sql_route_ctx ctxs[SAME_CTXS_N];

static void want(bool ok)
{
	if (!ok)
		abort();
}

static void *find(struct texts *t, const char *text, size_t n)
{
	struct texts_ref r = texts_ref_of(text, n, 7);
	return texts_find(t, &r);
}

static void *keep(struct texts *t, const struct sql_lang *lang, const char *text, size_t n)
{
	struct texts_ref r = texts_ref_of(text, n, 7);
	(void)texts_put(t, &r, lang);
	return texts_put(t, &r, lang);
}

static void judge(struct texts *t, const void *v, const struct sql_lang *lang, const char *text,
	size_t n, uint32_t *seed)
{
	struct sql_value values[TEXTS_VALUES_MAX];
	char other[CAP];
	size_t values_n = sql_values(lang, text, n, values, TEXTS_VALUES_MAX);
	size_t k = change_values(text, n, values, values_n, seed, other, sizeof(other));
	want(k > TEXTS_MAX_BYTES || find(t, other, k) == v);
	want(same_reading(lang, ctxs, values, values_n, text, n, other, k));
	k = other_values(text, n, seed, other, sizeof(other));
	if (find(t, other, k) == v)
		want(same_reading(lang, ctxs, values, values_n, text, n, other, k));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sql_names *names;
	struct texts t;
	if (size < 2 || size > TEXTS_MAX_BYTES)
		return 0;
	if (names == NULL)
		want((names = same_ctxs(ctxs)) != NULL);
	unsigned c = data[0];
	struct sql_my_opts my = { .mariadb = c & 4,
		.multi_statements = c & 8,
		.charset = c & 16 ? SQL_MY_CS_BYTES : SQL_MY_CS_SAFE,
		.mode = (c & 32 ? SQL_MY_MODE_ANSI_QUOTES : 0u) |
			(c & 64 ? SQL_MY_MODE_NO_BACKSLASH_ESCAPES : 0u),
		.version = c & 4 ? 101119 : 90700,
		.code = c & 128 ? SQL_MY_CODE_ALL : SQL_MY_CODE_BY_VERSION };
	struct sql_lang lang = { .pg = c & 1 ? NULL : &sql_dialect_pg, .scs = c & 2 };
	if (c & 1)
		lang.my = &my;
	size_t n = size - 1;
	uint32_t seed = (uint32_t)n * 2654435761U | 1;
	char *text = malloc(n);
	want(text != NULL);
	memcpy(text, data + 1, n);
	texts_init(&t, 8);
	void *v = keep(&t, &lang, text, n);
	want(v != NULL && find(&t, text, n) == v);
	for (int i = 0; i < 4; i++)
		judge(&t, v, &lang, text, n, &seed);
	texts_fini(&t);
	free(text);
	want(mem_live(MEM_PROTO) == 0);
	return 0;
}
