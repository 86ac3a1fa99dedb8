/* fuzz_my_client_login - bytes of a MySQL client that is not logged in. The first two bytes of the
 * input choose the greeting, the proof, TLS and how the bytes are cut. A doomed client must not get
 * in, whatever it sends; one that does not know the scramble gets in by the password alone. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NATIVE "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3" /* of "app" */
static const uint8_t hash[32] = { 1, 2, 3 };

struct mode {
	uint8_t a, b;
};

/* What core would do; false: the session is over. */
static bool serve(void *cst, struct pev ev, struct mode m, struct buf *down)
{
	static const int kinds[] = { PROOF_NONE, PROOF_CLEAR, PROOF_MYSQL_ANY, PROOF_MYSQL_NATIVE,
		PROOF_MYSQL_SHA2 };
	struct err e;
	struct proto_proof pr = { .secret = m.a & 16 ? NATIVE : "app",
		.doomed = m.a & 8,
		.mysql_verifier = m.b & 8 ? hash : NULL,
		.cert_sha256 = m.b & 4 ? hash : NULL,
		.is_private = m.b & 16,
		.host = "h" };
	pr.kind = kinds[m.a % 8 % 5];
	pr.clear_outside = pr.kind == PROOF_CLEAR;
	switch ((int)ev.kind) {
	case PEV_TLS: proto_mysql.client_tls_answer(cst, true, down); return true;
	case PEV_LOGIN:
		if (proto_mysql.client_login(cst)->user == NULL)
			abort();
		return proto_mysql.client_auth(cst, &pr, down, &e) == 0;
	case PEV_PASSWORD: proto_mysql.client_auth_result(cst, ev.text_n == 3, down); return true;
	case PEV_AUTH_OK:
		if (pr.doomed)
			abort();
		return false;
	case PEV_BAD: return false;
	default: return true;
	}
}

static void run(void *cst, const uint8_t *data, size_t size, struct mode m, struct buf *down)
{
	size_t off = 0, have = m.a & 32 && size ? 1 : size;
	struct err e;
	for (;;) {
		struct pev ev = proto_mysql.client_step(cst, data + off, have - off, down, &e);
		if (ev.n > have - off)
			abort();
		off += ev.n;
		if (ev.kind == PEV_MORE && have == size)
			return;
		if (ev.kind == PEV_MORE)
			have++;
		else if (!serve(cst, ev, m, down))
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_env *env;
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	if (env == NULL)
		env = proto_mysql.env_new(&o);
	if (size < 2)
		return 0;
	struct mode m = { data[0], data[1] };
	const struct proto_greet g = {
		.number = 1, .tls = m.b & 2, .version = m.b & 1 ? "11.8.6-MariaDB" : "9.7.4"
	};
	struct buf down;
	void *cst = mem_alloc(MEM_MISC, proto_mysql.client_size);
	buf_init(&down, 1 << 20);
	proto_mysql.client_init(cst, env, &g, &down);
	run(cst, data + 2, size - 2, m, &down);
	proto_mysql.client_fini(cst);
	buf_fini(&down);
	mem_free(MEM_MISC, cst);
	if (mem_live(MEM_SESSION) || mem_live(MEM_BUF) || mem_live(MEM_VARS))
		abort();
	return 0;
}
