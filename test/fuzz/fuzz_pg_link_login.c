/* fuzz_pg_link_login - bytes of a server that we log in to. The first byte of the input chooses
 * TLS, credentials and how the bytes are cut. A server that has to prove itself by channel binding
 * cannot do so by chance. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t cbind[32] = { 1, 2, 3 };

static void run(void *lst, const uint8_t *data, size_t size, uint8_t mode, struct buf *up)
{
	struct err e;
	size_t off = 0, have = mode & 32 && size ? 1 : size;
	for (;;) {
		struct pev ev = proto_pg.link_step(lst, data + off, have - off, up, &e);
		if (ev.n > have - off)
			abort();
		off += ev.n;
		if (ev.kind == PEV_AUTH_OK && mode & 4)
			abort();
		if (ev.kind == PEV_BAD || ev.kind == PEV_AUTH_OK)
			return;
		if (ev.kind == PEV_TLS)
			proto_pg.link_tls_done(lst, cbind, sizeof(cbind), up);
		if (ev.kind == PEV_MORE && have == size)
			return;
		if (ev.kind == PEV_MORE)
			have++;
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
	uint8_t mode = *data;
	struct proto_creds creds = { .has_scram_keys = mode & 8 };
	if (mode & 16)
		memcpy(creds.password, "md5900150983cd24fb0d6963f7d28e17f72", 36);
	const struct proto_link_login in = { .user = "u",
		.database = "d",
		.creds = &creds,
		.tls_try = mode & 1,
		.tls_require = mode & 2,
		.channel_binding_require = mode & 4,
		.protocol_3_2 = mode & 64,
		.max_scram_iterations = 4096 };
	struct buf up;
	struct err e;
	void *lst = mem_alloc(MEM_MISC, proto_pg.link_size);
	buf_init(&up, 1 << 20);
	if (proto_pg.link_init(lst, env, &in, &up, &e) == 0)
		run(lst, data + 1, size - 1, mode, &up);
	proto_pg.link_fini(lst);
	buf_fini(&up);
	mem_free(MEM_MISC, lst);
	if (mem_live(MEM_LINK) || mem_live(MEM_BUF) || mem_live(MEM_VARS))
		abort();
	return 0;
}
