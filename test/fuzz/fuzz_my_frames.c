/* fuzz_my_frames - packets, messages of many packets and compressed frames out of a stream. The
 * first byte chooses a cap. Oracle: progress; what was taken lies inside the input; what comes out
 * of a frame is never more than it declared, and just that much if it is accepted. */
#include <stdlib.h>

#include "base/mem.h"
#include "wire/mysql/codec.h"
#include "wire/mysql/packet.h"

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

static void unpack(enum mycodec codec, const struct mycompress *c)
{
	struct buf out;
	buf_init(&out, 0);
	const char *bad = mycodec_unpack(codec, c, &out);
	if (buf_len(&out) > c->plain_n || (bad == NULL && buf_len(&out) != c->plain_n))
		abort();
	buf_fini(&out);
}

static void run_frames(const uint8_t *p, size_t n, uint32_t cap)
{
	struct mycompress c;
	size_t off = 0;
	while (mycompress_take(p + off, n - off, cap, &c) == 1) {
		if (c.total > n - off || c.body_n > cap || c.plain_n > cap ||
			c.body + c.body_n != p + off + c.total)
			abort();
		unpack(MYCODEC_ZLIB, &c);
		unpack(MYCODEC_ZSTD, &c);
		off += c.total;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint32_t cap = 1U << (data[0] & 31);
	run_packets(data + 1, size - 1, cap);
	run_frames(data + 1, size - 1, cap);
	if (mem_live(MEM_BUF))
		abort();
	return 0;
}
