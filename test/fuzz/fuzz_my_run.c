/* fuzz_my_run - a client and a server that say anything, to a session and a link of proto_mysql.
 * The input: how the bytes are cut, then pieces: who (bit 15: the server) and length, 2 bytes big
 * endian, and that many bytes. The first piece is a server's greeting. The corpus is the golden
 * conversations in this form. It must not crash or stand still, and what both sides get must be the
 * same however the bytes are cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/my_core.h"
#include "base/mem.h"
#include "base/rd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_piece(struct my_core *x, struct rd *r)
{
	uint16_t head = rd_u16be(r);
	size_t n = head & 0x7fff;
	if (n > rd_left(r))
		n = rd_left(r);
	const uint8_t *p = rd_bytes(r, n);
	if (head & 0x8000) {
		if (x->l == MY_L_NONE && x->c != MY_C_LOGIN)
			my_core_link_begin(x);
		if (x->l != MY_L_NONE)
			buf_append(&x->s_in, p, n);
	} else if (x->c != MY_C_GONE) {
		buf_append(&x->c_in, p, n);
	}
	my_core_pump(x);
}

static void play(const uint8_t *data, size_t size, unsigned cut, struct my_core *x)
{
	struct rd r = rd_of(data, size), first = r;
	size_t n = rd_u16be(&first) & 0x7fff;
	const uint8_t *greeting = rd_bytes(&first, n);
	my_core_init(x, greeting, greeting ? n : 0, cut);
	if (greeting)
		rd_bytes(&r, 2 + n);
	while (rd_left(&r) > 2)
		take_piece(x, &r);
}

static bool same(const struct buf *a, const struct buf *b)
{
	size_t n = buf_len(a);
	return n == buf_len(b) && (n == 0 || memcmp(buf_data(a), buf_data(b), n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct my_core whole, pieces;
	if (size < 4 || size > 60000)
		return 0;
	play(data + 1, size - 1, 0, &whole);
	play(data + 1, size - 1, 1 + data[0] % 64, &pieces);
	/* Where a side broke the protocol it is a matter of time what was said before; a login has
	 * nonces. */
	bool sound = whole.why[0] == 0 && pieces.why[0] == 0 && whole.c != MY_C_LOGIN;
	if (sound && (!same(&whole.up, &pieces.up) || !same(&whole.down, &pieces.down))) {
		fprintf(stderr, "up %zu and %zu bytes, down %zu and %zu\n", buf_len(&whole.up),
			buf_len(&pieces.up), buf_len(&whole.down), buf_len(&pieces.down));
		abort();
	}
	my_core_fini(&whole);
	my_core_fini(&pieces);
	if (mem_live(MEM_PROTO) + mem_live(MEM_STMT) + mem_live(MEM_VARS) + mem_live(MEM_BUF))
		abort();
	return 0;
}
