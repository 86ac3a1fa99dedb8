/* fuzz_pg_console - bytes of a client of the console. Each command is answered by three rows, an
 * error or a tag, as its length has it. */
#include <stdlib.h>

#include "base/mem.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(void *cst, size_t text_n, struct buf *down)
{
	struct rowset r;
	rowset_init(&r);
	if (text_n % 3 == 0)
		err_set(&r.err, ERR_SYNTAX, "no");
	if (text_n % 3 == 1) {
		rowset_col(&r, "i", RS_INT4);
		rowset_col(&r, "n", RS_NUMERIC);
		for (int i = 0; i < 3; i++) {
			char **row = rowset_row(&r);
			rowset_setf(&r, row, 0, "%d", i);
			rowset_setf(&r, row, 1, "%d.5", i * 1000);
		}
	}
	proto_pg.console_reply(cst, &r, down);
	rowset_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_env *env;
	static const uint8_t startup[] = "\0\0\0\x10\0\3\0\0user\0u\0", key[8] = { 0 };
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	const struct proto_proof none = { .kind = PROOF_NONE };
	struct buf down;
	struct err e;
	if (env == NULL)
		env = proto_pg.env_new(&o);
	void *cst = mem_alloc(MEM_MISC, proto_pg.client_size);
	buf_init(&down, 1 << 24);
	proto_pg.client_init(cst, env, NULL, &down);
	if (proto_pg.client_step(cst, startup, sizeof(startup), &down, &e).kind != PEV_LOGIN ||
		proto_pg.client_auth(cst, &none, &down, &e) ||
		proto_pg.client_step(cst, NULL, 0, &down, &e).kind != PEV_AUTH_OK)
		abort();
	proto_pg.console_start(cst, "1", key, sizeof(key), &down);
	for (size_t off = 0;;) {
		struct pev ev = proto_pg.up(cst, NULL, data + off, size - off, NULL, &down, &e);
		if (ev.n > size - off)
			abort();
		if (ev.kind == PEV_CONSOLE)
			answer(cst, ev.text_n, &down);
		off += ev.n;
		if (ev.kind == PEV_BAD || ev.kind == PEV_BYE || ev.kind == PEV_MORE)
			break;
	}
	proto_pg.client_fini(cst);
	buf_fini(&down);
	mem_free(MEM_MISC, cst);
	if (mem_live(MEM_SESSION) || mem_live(MEM_ADMIN) || mem_live(MEM_BUF))
		abort();
	return 0;
}
