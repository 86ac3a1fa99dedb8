/* codec_zstd - zstd behind codec.h; see codec_int.h. */
#include "codec_int.h"

#include <zstd.h>

/* What a frame needed beyond that is not kept for the next one: a window. */
#define KEEP_BYTES (1U << 20)
/* A window above the largest frame would only cost memory: 2^24. */
#define WINDOW_LOG 24

struct zstd_in {
	struct mycodec_in base;
	ZSTD_DCtx *d;
};
struct zstd_out {
	struct mycodec_out base;
	ZSTD_CCtx *c;
};

/* For whole frames. */
static _Thread_local ZSTD_CCtx *packer;

static ZSTD_DCtx *in_of(struct mycodec_in *x)
{
	return ((struct zstd_in *)x)->d;
}

static ZSTD_CCtx *out_of(struct mycodec_out *x)
{
	return ((struct zstd_out *)x)->c;
}

static bool in_open(struct mycodec_in *x)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	if (d)
		ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_LOG);
	((struct zstd_in *)x)->d = d;
	return d != NULL;
}

static void in_close(struct mycodec_in *x)
{
	ZSTD_freeDCtx(in_of(x));
}

static bool in_again(struct mycodec_in *x)
{
	return ZSTD_sizeof_DCtx(in_of(x)) <= KEEP_BYTES &&
	       !ZSTD_isError(ZSTD_DCtx_reset(in_of(x), ZSTD_reset_session_only));
}

static int in_step(struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	ZSTD_inBuffer from = { p, *n_r, 0 };
	ZSTD_outBuffer into = { to, *room_r, 0 };
	size_t more = ZSTD_decompressStream(in_of(x), &into, &from);
	*n_r = from.pos;
	*room_r = into.pos;
	return ZSTD_isError(more) ? -1 : more == 0;
}

static size_t pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	if (packer == NULL)
		packer = ZSTD_createCCtx();
	if (packer == NULL)
		return 0;
	size_t got = ZSTD_compressCCtx(packer, to, n - 1, p, n, level);
	return ZSTD_isError(got) ? 0 : got;
}

static bool out_open(struct mycodec_out *x, int level, uint32_t plain_n)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	if (c == NULL)
		return false;
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setPledgedSrcSize(c, plain_n);
	((struct zstd_out *)x)->c = c;
	return true;
}

static void out_close(struct mycodec_out *x)
{
	ZSTD_freeCCtx(out_of(x));
}

static bool out_step(struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	ZSTD_inBuffer from = { p, n, 0 };
	size_t more = 1;
	while (last ? more != 0 : from.pos < n) {
		uint8_t *to = buf_reserve(out, MYCODEC_STEP_BYTES);
		if (to == NULL)
			return false;
		ZSTD_outBuffer into = { to, MYCODEC_STEP_BYTES, 0 };
		more = ZSTD_compressStream2(
			out_of(x), &into, &from, last ? ZSTD_e_end : ZSTD_e_continue);
		buf_commit(out, into.pos);
		if (ZSTD_isError(more))
			return false;
	}
	return true;
}

static void close_packer(void)
{
	ZSTD_freeCCtx(packer);
	packer = NULL;
}

const struct mycodec_ops mycodec_zstd = {
	.in_bytes = sizeof(struct zstd_in),
	.out_bytes = sizeof(struct zstd_out),
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
