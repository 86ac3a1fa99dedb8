/* fuzz_my_link_login - bytes of a MySQL or MariaDB server that we log in to. The first byte of the
 * input chooses TLS, credentials and how the bytes are cut. The password must not go out where
 * somebody may listen. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSWORD "correct horse battery"

static void run(void *lst, const uint8_t *data, size_t size, uint8_t mode, struct buf *up)
{
	struct err e;
	size_t off = 0, have = mode & 32 && size ? 1 : size;
	for (;;) {
		struct pev ev = proto_mysql.link_step(lst, data + off, have - off, up, &e);
		if (ev.n > have - off)
			abort();
		off += ev.n;
		if (ev.kind == PEV_BAD || ev.kind == PEV_AUTH_OK)
			return;
		if (ev.kind == PEV_TLS)
			proto_mysql.link_tls_done(lst, NULL, 0, up);
		if (ev.kind == PEV_MORE && have == size)
			return;
		if (ev.kind == PEV_MORE)
			have++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proto_env *env;
	static size_t of_env;
	const struct proto_env_opts o = { .stmt_bytes = 1 << 20 };
	if (env == NULL) {
		env = proto_mysql.env_new(&o);
		of_env = mem_live(MEM_PROTO);
	}
	if (size == 0)
		return 0;
	uint8_t mode = *data;
	struct proto_creds creds = { .has_native = mode & 8, .has_sha2 = mode & 16 };
	if (mode & 4)
		memcpy(creds.password, PASSWORD, sizeof(PASSWORD));
	const struct proto_link_login in = { .user = "u",
		.creds = &creds,
		.tls_try = mode & 1,
		.tls_require = mode & 2,
		.is_private = mode & 64 };
	struct buf up, facts;
	struct err e;
	void *lst = mem_alloc(MEM_MISC, proto_mysql.link_size);
	buf_init(&up, 1 << 20);
	buf_init(&facts, 1 << 20);
	if (proto_mysql.link_init(lst, env, &in, &up, &e) == 0)
		run(lst, data + 1, size - 1, mode, &up);
	if (proto_mysql.link_facts(lst, &facts))
		(void)proto_mysql.facts_join(&facts, buf_data(&facts), buf_len(&facts), "");
	if (!(mode & (1 | 2 | 64)) && buf_len(&up) >= sizeof(PASSWORD) &&
		memmem(buf_data(&up), buf_len(&up), PASSWORD, sizeof(PASSWORD) - 1))
		abort();
	proto_mysql.link_fini(lst);
	buf_fini(&up);
	buf_fini(&facts);
	mem_free(MEM_MISC, lst);
	if (mem_live(MEM_LINK) || mem_live(MEM_BUF) || mem_live(MEM_VARS) ||
		mem_live(MEM_PROTO) != of_env)
		abort();
	return 0;
}
