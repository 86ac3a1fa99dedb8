/* codec_zlib - zlib behind codec.h; see codec_int.h. */
#include "codec_int.h"

#include <string.h>
#include <zlib.h>

struct zlib_in {
	struct mycodec_in base;
	z_stream z;
};
struct zlib_out {
	struct mycodec_out base;
	z_stream z;
};

/* For whole frames: begun once per thread and level. */
static _Thread_local struct {
	z_stream z;
	bool open;
	int level;
} packer;

static z_stream *in_of(struct mycodec_in *x)
{
	return &((struct zlib_in *)x)->z;
}

static z_stream *out_of(struct mycodec_out *x)
{
	return &((struct zlib_out *)x)->z;
}

static bool in_open(struct mycodec_in *x)
{
	return inflateInit(in_of(x)) == Z_OK;
}

static void in_close(struct mycodec_in *x)
{
	inflateEnd(in_of(x));
}

static bool in_again(struct mycodec_in *x)
{
	return inflateReset(in_of(x)) == Z_OK;
}

static int in_step(struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	z_stream *z = in_of(x);
	uInt n = (uInt)*n_r, room = (uInt)*room_r;
	z->next_in = (Bytef *)(uintptr_t)p; /* it is not written to */
	z->avail_in = n;
	z->next_out = to;
	z->avail_out = room;
	int rc = inflate(z, Z_NO_FLUSH);
	*n_r = n - z->avail_in;
	*room_r = room - z->avail_out;
	if (rc == Z_STREAM_END)
		return 1;
	return rc == Z_OK || rc == Z_BUF_ERROR ? 0 : -1;
}

static void close_packer(void)
{
	if (packer.open)
		deflateEnd(&packer.z);
	packer.open = false;
}

static size_t pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	z_stream *z = &packer.z;
	if (packer.level != level)
		close_packer();
	if (!packer.open) {
		memset(z, 0, sizeof(*z));
		packer.open = deflateInit(z, level) == Z_OK;
		packer.level = level;
	}
	if (!packer.open || deflateReset(z) != Z_OK)
		return 0;
	z->next_in = (Bytef *)(uintptr_t)p;
	z->avail_in = (uInt)n;
	z->next_out = to;
	z->avail_out = (uInt)(n - 1);
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return 0;
	return n - 1 - z->avail_out;
}

static bool out_open(struct mycodec_out *x, int level, uint32_t plain_n)
{
	(void)plain_n;
	return deflateInit(out_of(x), level) == Z_OK;
}

static void out_close(struct mycodec_out *x)
{
	deflateEnd(out_of(x));
}

static bool out_step(struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	z_stream *z = out_of(x);
	int rc = Z_OK;
	z->next_in = (Bytef *)(uintptr_t)p;
	z->avail_in = (uInt)n;
	do {
		uint8_t *to = buf_reserve(out, MYCODEC_STEP_BYTES);
		if (to == NULL)
			return false;
		z->next_out = to;
		z->avail_out = MYCODEC_STEP_BYTES;
		rc = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
		buf_commit(out, MYCODEC_STEP_BYTES - z->avail_out);
	} while (z->avail_out == 0 && (rc == Z_OK || rc == Z_BUF_ERROR));
	return last ? rc == Z_STREAM_END : rc == Z_OK || rc == Z_BUF_ERROR;
}

const struct mycodec_ops mycodec_zlib = {
	.in_bytes = sizeof(struct zlib_in),
	.out_bytes = sizeof(struct zlib_out),
	.in_open = in_open,
	.in_close = in_close,
	.in_again = in_again,
	.in_step = in_step,
	.pack = pack,
	.out_open = out_open,
	.out_close = out_close,
	.out_step = out_step,
	.thread_fini = close_packer,
};
