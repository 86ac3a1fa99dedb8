/* fuzz_pg_client_login - bytes of a client that is not logged in. The first byte of the input
 * chooses the proof, TLS and how the bytes are cut. A doomed client must not get in, whatever it
 * sends. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proto.h"

#define VERIFIER \
	"SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t cbind[32] = { 1, 2, 3 };

/* What core would do; false: the session is over. */
static bool serve(void *cst, struct pev ev, uint8_t mode, struct buf *down)
{
	struct err e;
	struct proto_proof pr = { .kind = mode % 4,
		.secret = mode % 4 == PROOF_SCRAM ? VERIFIER : "secret",
		.doomed = mode & 4,
		.clear_outside = mode & 8,
		.offer_plus = mode & 16,
		.cbind = cbind,
		.cbind_n = sizeof(cbind),
		.scram_iterations = 4096 };
	switch ((int)ev.kind) {
	case PEV_TLS: proto_pg.client_tls_answer(cst, mode & 16, down); return true;
	case PEV_LOGIN:
		if (proto_pg.client_login(cst)->user == NULL)
			abort();
		return proto_pg.client_auth(cst, &pr, down, &e) == 0;
	case PEV_PASSWORD: proto_pg.client_auth_result(cst, ev.text_n == 6, down); return true;
	case PEV_AUTH_OK:
		if (pr.doomed)
			abort();
		return false;
	case PEV_BAD:
	case PEV_CANCEL: return false;
	default: return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_env *env;
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	if (env == NULL)
		env = proto_pg.env_new(&o);
	if (size == 0)
		return 0;
	uint8_t mode = *data++;
	size_t off = 0, have = mode & 32 ? 1 : size - 1;
	struct buf down;
	struct err e;
	void *cst = mem_alloc(MEM_MISC, proto_pg.client_size);
	buf_init(&down, 1 << 20);
	proto_pg.client_init(cst, env, NULL, &down);
	size--;
	if (have > size)
		have = size;
	for (;;) {
		struct pev ev = proto_pg.client_step(cst, data + off, have - off, &down, &e);
		if (ev.n > have - off)
			abort();
		off += ev.n;
		if (ev.kind == PEV_MORE && have == size)
			break;
		if (ev.kind == PEV_MORE)
			have++;
		else if (!serve(cst, ev, mode, &down))
			break;
	}
	proto_pg.client_fini(cst);
	buf_fini(&down);
	mem_free(MEM_MISC, cst);
	if (mem_live(MEM_SESSION) || mem_live(MEM_BUF) || mem_live(MEM_VARS))
		abort();
	return 0;
}
