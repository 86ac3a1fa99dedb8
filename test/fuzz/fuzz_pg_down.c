/* fuzz_pg_down - a server that answers anything to requests that were really sent (the first byte
 * chooses them). It must not crash, and the client must hear the same however the bytes are cut;
 * the next session must not hear any of it. */
#include "pg_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pool pool;

static void request(struct buf *m, unsigned kind)
{
	switch (kind % 6) {
	case 0: put_query(m, "SELECT 'x'"); break;
	case 1:
		put_parse(m, "s", "SELECT 'x'");
		put_bind(m, "", "s");
		pgext_put_describe(m, 'P', "");
		pgext_put_execute(m, "", 0);
		pgext_put_sync(m);
		break;
	case 2:
		put_parse(m, "", "COPY t FROM STDIN");
		put_bind(m, "", "");
		pgext_put_execute(m, "", 0);
		pgext_put_sync(m);
		pgmsg_put(m, 'd', "t", 1);
		pgmsg_put(m, 'c', NULL, 0);
		pgext_put_sync(m);
		break;
	case 3: put_query(m, "COPY t FROM STDIN"); break;
	case 4:
		put_query(m, "SELECT my_func('x')");
		put_query(m, "SELECT 'y'");
		break;
	case 5:
		pgext_put_describe(m, 'S', "unknown");
		pgext_put_close(m, 'S', "s");
		pgmsg_put(m, 'F', "\0\0\0\1\0\0\0\0\0\0", 10);
		pgext_put_sync(m);
		break;
	}
}

static struct heard play(const uint8_t *data, size_t size, size_t cut)
{
	struct buf m;
	pool_init(&pool, PROTO_TRANSACTION, 1, 2, data[0]);
	struct psess *s = pool_login(&pool, NULL);
	pool_run(&pool, 0);
	buf_fini(&s->got);
	pool.link[0].sim.dead = true; /* says nothing by itself */
	buf_init(&m, 0);
	request(&m, data[0]);
	pool_send(s, &m);
	buf_fini(&m);
	pool_run(&pool, 0);
	if (pool.link[0].state != PL_CLOSED)
		buf_append(&pool.link[0].sim.out, data + 1, size - 1);
	pool_run(&pool, cut);
	struct heard h = heard_of(s);
	pool_close_sess(&pool, s);
	pool_run(&pool, 0);
	pool_fini(&pool);
	must_be_clean();
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 4096)
		return 0;
	struct heard whole = play(data, size, 0), pieces = play(data, size, 1);
	must_be_equal(&whole, &pieces, "down");
	return 0;
}
