/* codec - see wire/mysql/codec.h. The libraries are in codec_zlib.c and codec_zstd.c, each of which
 * may be missing; callers ask mycodec_has() before they agree to one. */
#include "codec_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

/* Into one frame at most. */
#define PIECE_BYTES (256U << 10)
#define CODECS 2

static const struct mycodec_ops *const codecs[CODECS] = {
#if WITH_ZLIB
	[MYCODEC_ZLIB] = &mycodec_zlib,
#endif
#if WITH_ZSTD
	[MYCODEC_ZSTD] = &mycodec_zstd,
#endif
};

/* Most frames are here whole, and one after the other: they share one. */
static _Thread_local struct mycodec_in *spare[CODECS];

bool mycodec_has(enum mycodec codec)
{
	return codecs[codec] != NULL;
}

const char *mycodec_name(enum mycodec codec)
{
	return codec == MYCODEC_ZLIB ? "zlib" : "zstd";
}

static struct mycodec_in **spare_of(const struct mycodec_in *x)
{
	return &spare[x->ops == codecs[MYCODEC_ZLIB] ? MYCODEC_ZLIB : MYCODEC_ZSTD];
}

static void destroy(struct mycodec_in *x)
{
	x->ops->in_close(x);
	mem_free(MEM_CACHE, x);
}

static struct mycodec_in *open_in(const struct mycodec_ops *ops)
{
	struct mycodec_in *x = ops ? mem_alloc(MEM_CACHE, ops->in_bytes) : NULL;
	if (x == NULL)
		return NULL;
	x->ops = ops;
	if (ops->in_open(x))
		return x;
	mem_free(MEM_CACHE, x);
	return NULL;
}

struct mycodec_in *mycodec_in_new(enum mycodec codec)
{
	struct mycodec_in *x = spare[codec];
	spare[codec] = NULL;
	if (x == NULL)
		x = open_in(codecs[codec]);
	if (x)
		mem_retype(MEM_CACHE, MEM_STREAM, x);
	return x;
}

void mycodec_in_free(struct mycodec_in **xp)
{
	struct mycodec_in *x = *xp;
	*xp = NULL;
	if (x == NULL)
		return;
	mem_retype(MEM_STREAM, MEM_CACHE, x);
	if (*spare_of(x) == NULL && x->ops->in_again(x))
		*spare_of(x) = x;
	else
		destroy(x);
}

int mycodec_in_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	return x->ops->in_step(x, p, n_r, to, room_r);
}

struct mycodec_out *mycodec_out_new(enum mycodec codec, int level, uint32_t plain_n)
{
	const struct mycodec_ops *ops = codecs[codec];
	struct mycodec_out *x = ops ? mem_alloc(MEM_STREAM, ops->out_bytes) : NULL;
	if (x == NULL)
		return NULL;
	x->ops = ops;
	if (ops->out_open(x, level, plain_n))
		return x;
	mem_free(MEM_STREAM, x);
	return NULL;
}

void mycodec_out_free(struct mycodec_out **xp)
{
	struct mycodec_out *x = *xp;
	*xp = NULL;
	if (x == NULL)
		return;
	x->ops->out_close(x);
	mem_free(MEM_STREAM, x);
}

bool mycodec_out_step(struct mycodec_out *x, const void *p, size_t n, bool last, struct buf *out)
{
	return x->ops->out_step(x, p, n, last, out);
}

static void pack_piece(const struct mycodec_ops *ops, int level, const uint8_t *p, size_t n,
	uint8_t *seq, struct buf *out)
{
	size_t got = 0, at = buf_len(out);
	mycompress_put_head(out, seq, (uint32_t)n, 0);
	uint8_t *to = buf_reserve(out, n);
	if (to == NULL)
		return;
	if (ops && n >= MYCOMPRESS_MIN_BYTES)
		got = ops->pack(level, p, n, to);
	assert(got < n);
	if (got == 0)
		memcpy(to, p, n);
	buf_commit(out, got ? got : n);
	if (got) /* the head again: now the length is known */
		mycompress_set_head(out, at, (uint32_t)got, (uint32_t)n);
}

void mycodec_pack(
	enum mycodec codec, int level, const void *p, size_t n, uint8_t *seq, struct buf *out)
{
	const uint8_t *from = p;
	for (size_t off = 0, piece; off < n && !out->failed; off += piece) {
		piece = n - off < PIECE_BYTES ? n - off : PIECE_BYTES;
		pack_piece(codecs[codec], level, from + off, piece, seq, out);
	}
}

void mycodec_thread_fini(void)
{
	for (unsigned i = 0; i < CODECS; i++) {
		if (spare[i])
			destroy(spare[i]);
		spare[i] = NULL;
		if (codecs[i])
			codecs[i]->thread_fini();
	}
}
