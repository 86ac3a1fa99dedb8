/* fuzz_my_console - bytes of a MySQL client of the console. The first two bytes of the input choose
 * its capabilities and how the bytes are cut. Each command is answered by three rows, an error or a
 * tag, as its length has it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proto.h"
#include "wire/mysql/caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TAIL "u\0\0caching_sha2_password"
#define HEAD_BYTES 36U /* frame, capabilities, packet size, collation, filler */
#define LOGIN_BYTES (HEAD_BYTES + sizeof(TAIL))

static const uint64_t choices[] = { MYCAP(DEPRECATE_EOF), MYCAP(MULTI_STATEMENTS),
	MYCAP(SESSION_TRACK), MYCAP(QUERY_ATTRIBUTES), MYCAP(OPTIONAL_METADATA) };

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
	proto_mysql.console_reply(cst, &r, down);
	rowset_fini(&r);
}

static void log_in(void *cst, uint8_t chosen, struct buf *down)
{
	uint64_t caps = MYCAP(PROTOCOL_41) | MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH);
	const struct proto_proof none = { .kind = PROOF_NONE };
	uint8_t login[LOGIN_BYTES] = { LOGIN_BYTES - 4, 0, 0, 1 };
	struct err e;
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		caps |= chosen & 1U << i ? choices[i] : 0;
	for (unsigned i = 0; i < 4; i++)
		login[4 + i] = (uint8_t)(caps >> 8 * i);
	login[12] = 45;
	memcpy(login + HEAD_BYTES, TAIL, sizeof(TAIL));
	if (proto_mysql.client_step(cst, login, sizeof(login), down, &e).kind != PEV_LOGIN ||
		proto_mysql.client_auth(cst, &none, down, &e) ||
		proto_mysql.client_step(cst, NULL, 0, down, &e).kind != PEV_AUTH_OK)
		abort();
}

static void run(void *cst, const uint8_t *data, size_t size, bool bytewise, struct buf *down)
{
	size_t off = 0, have = bytewise && size ? 1 : size;
	for (;;) {
		struct err e;
		struct pev ev = proto_mysql.up(cst, NULL, data + off, have - off, NULL, down, &e);
		if (ev.n > have - off)
			abort();
		if (ev.kind == PEV_CONSOLE)
			answer(cst, ev.text_n, down);
		off += ev.n;
		if (ev.kind == PEV_BAD || ev.kind == PEV_BYE ||
			(ev.kind == PEV_MORE && have == size))
			return;
		if (ev.kind == PEV_MORE)
			have++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_env *env;
	static const uint8_t key[8];
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	const struct proto_greet g = { .number = 1, .version = "9.7.4" };
	struct buf down;
	if (size < 2)
		return 0;
	if (env == NULL)
		env = proto_mysql.env_new(&o);
	void *cst = mem_alloc(MEM_MISC, proto_mysql.client_size);
	buf_init(&down, 1 << 24);
	proto_mysql.client_init(cst, env, &g, &down);
	log_in(cst, data[0], &down);
	proto_mysql.console_start(cst, "1", key, sizeof(key), &down);
	run(cst, data + 2, size - 2, data[1] & 1, &down);
	proto_mysql.client_fini(cst);
	buf_fini(&down);
	mem_free(MEM_MISC, cst);
	if (mem_live(MEM_SESSION) || mem_live(MEM_ADMIN) || mem_live(MEM_BUF) || mem_live(MEM_VARS))
		abort();
	return 0;
}
