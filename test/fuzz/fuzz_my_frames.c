/* fuzz_my_frames - packets, messages of many packets and compressed frames out of a stream. The
 * first byte chooses a cap and the cuts. Oracle: progress; what was taken lies inside the input;
 * the compressed protocol gives the same for any cut. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/mysql/packet.h"
#include "wire/mysql/press.h"

#define MAX_OUT (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_packets(const uint8_t *p, size_t n, size_t cap)
{
	struct mypacket_message m;
	size_t off = 0;
	while (mypacket_take_message(p + off, n - off, cap, &m) == 1) {
		struct buf b;
		if (m.total > n - off || m.payload_n > cap || m.total <= m.payload_n)
			abort();
		buf_init(&b, 0);
		if (!mypacket_join(&b, p + off, &m) || buf_len(&b) != m.payload_n)
			abort();
		buf_fini(&b);
		off += m.total;
	}
}

static void run_frames(const uint8_t *p, size_t n, uint32_t cap)
{
	struct mycompress c;
	size_t off = 0;
	while (mycompress_take(p + off, n - off, cap, &c) == 1) {
		if (c.total > n - off || c.body_n > cap || c.plain_n > cap ||
			c.body + c.body_n != p + off + c.total)
			abort();
		off += c.total;
	}
}

/* What comes out before the end, or before it breaks; in pieces of step bytes. */
static size_t unpack(
	struct mypress *m, const uint8_t *p, size_t n, size_t step, size_t room, struct buf *out)
{
	uint8_t to[4096];
	struct err e = { 0 };
	size_t at = 0, made = 1;
	while (at < n || made > 0) {
		size_t used = n - at < step ? n - at : step, given = used;
		made = mypress_in(m, p + at, &used, to, room, &e);
		if (made == CODING_BROKEN) {
			if (!err_is(&e))
				abort();
			return 1;
		}
		if (made > room || used > given || (made < room && used < given))
			abort();
		at += used;
		if (buf_len(out) < MAX_OUT)
			buf_append(out, to, made);
	}
	return 0;
}

/* The same for any cut; and what came, sent back, comes out again. */
static void run_press(
	enum mypress_side side, enum mycodec codec, size_t step, const uint8_t *p, size_t n)
{
	struct mypress a, b;
	struct buf whole, cut, wire;
	buf_init(&whole, 0);
	buf_init(&cut, 0);
	buf_init(&wire, 0);
	mypress_init(&a, side, codec, 1);
	mypress_init(&b, side, codec, 1);
	bool bad = unpack(&a, p, n, SIZE_MAX, 4096, &whole);
	if (unpack(&b, p, n, step, step, &cut) != bad)
		abort();
	size_t min = buf_len(&whole) < buf_len(&cut) ? buf_len(&whole) : buf_len(&cut);
	if (!bad && min < MAX_OUT && buf_len(&whole) != buf_len(&cut))
		abort();
	if (min && memcmp(buf_data(&whole), buf_data(&cut), min) != 0)
		abort();
	mypress_out(&a, buf_data(&cut), buf_len(&cut), &wire);
	if (wire.failed || buf_len(&wire) > 4 * n + 12 * buf_len(&cut))
		abort();
	mypress_fini(&a);
	mypress_fini(&b);
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint32_t cap = 1U << (data[0] & 31);
	run_packets(data + 1, size - 1, cap);
	run_frames(data + 1, size - 1, cap);
	for (int i = 0; i < 4; i++)
		run_press(i & 1 ? MYPRESS_SERVER : MYPRESS_CLIENT,
			i & 2 ? MYCODEC_ZSTD : MYCODEC_ZLIB, 1 + data[0] % 64U, data + 1, size - 1);
	mycodec_thread_fini();
	if (mem_live(MEM_BUF) || mem_live(MEM_STREAM))
		abort();
	return 0;
}
