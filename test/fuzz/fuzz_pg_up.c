/* fuzz_pg_up - a client that sends anything, in transaction mode (first byte even) or session mode,
 * to a simulated server. It must not crash, and the client must hear the same however its bytes are
 * cut. A second session on the same links must get its own answers. */
#include "pg_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pool pool;

static void witness(struct psess *s, const char *nonce)
{
	struct buf m;
	char sql[64], text[600], want[100];
	if (pool.n_sess == 0 || s->state == PS_CLOSED)
		return;
	snprintf(sql, sizeof(sql), "SELECT '%s'", nonce);
	snprintf(want, sizeof(want), "T D(%s) C(SELECT 1) Z(I)", nonce);
	buf_init(&m, 0);
	put_query(&m, sql);
	pool_send(s, &m);
	buf_fini(&m);
	pool_run(&pool, 0);
	if (strcmp(describe_stream(&s->got, text, sizeof(text), false), want) != 0) {
		fprintf(stderr, "%s: %s\n", nonce, text);
		abort();
	}
	buf_fini(&s->got);
}

static struct heard play(const uint8_t *data, size_t size, size_t cut)
{
	struct buf b;
	pool_init(&pool, data[0] & 1 ? PROTO_SESSION : PROTO_TRANSACTION, 3, data[0] & 2 ? 0 : 2,
		data[0]);
	struct psess *s = pool_login(&pool, NULL), *other = pool_login(&pool, NULL);
	pool_run(&pool, 0);
	buf_fini(&s->got);
	buf_fini(&other->got);
	witness(other, "before");
	buf_init(&b, 0);
	buf_append(&b, data + 1, size - 1);
	pool_send(s, &b);
	buf_fini(&b);
	pool_run(&pool, cut);
	struct heard h = heard_of(s);
	witness(other, "during");
	pool_close_sess(&pool, s);
	pool_run(&pool, 0);
	witness(other, "after");
	pool_fini(&pool);
	must_be_clean();
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 4096)
		return 0;
	struct heard whole = play(data, size, 0), pieces = play(data, size, 1);
	must_be_equal(&whole, &pieces, "up");
	return 0;
}
