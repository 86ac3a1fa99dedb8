/* codec - see wire/mysql/codec.h. Without a library its half fails as data of an unknown form does;
 * callers ask mycodec_has() before they agree to it. */
#include "wire/mysql/codec.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#if WITH_ZLIB
#include <zlib.h>
#endif
#if WITH_ZSTD
#include <zstd.h>
#endif

/* Into one frame at most. */
#define PIECE_BYTES (256U << 10)
/* What a frame needed beyond that is not kept for the next one: a window of zstd. */
#define KEEP_BYTES (1U << 20)

/* Room for what comes out of a step. */
#define STEP_BYTES 16384U

struct mycodec_in {
	enum mycodec codec;
#if WITH_ZLIB
	z_stream z;
#endif
#if WITH_ZSTD
	ZSTD_DCtx *d;
#endif
};
struct mycodec_out {
	enum mycodec codec;
#if WITH_ZLIB
	z_stream z;
#endif
#if WITH_ZSTD
	ZSTD_CCtx *c;
#endif
};

/* Most frames are here whole, and one after the other: they share one. */
static _Thread_local struct mycodec_in *spare[2];

bool mycodec_has(enum mycodec codec)
{
	return codec == MYCODEC_ZLIB ? WITH_ZLIB : WITH_ZSTD;
}

const char *mycodec_name(enum mycodec codec)
{
	return codec == MYCODEC_ZLIB ? "zlib" : "zstd";
}

/* ---- zlib ---- */
#if WITH_ZLIB
static _Thread_local struct {
	z_stream out;
	bool has_out;
	int level;
} zlib;

static bool zlib_open(struct mycodec_in *x)
{
	return inflateInit(&x->z) == Z_OK;
}

static void zlib_close(struct mycodec_in *x)
{
	inflateEnd(&x->z);
}

static bool zlib_again(struct mycodec_in *x)
{
	return inflateReset(&x->z) == Z_OK;
}

static int zlib_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	uInt n = (uInt)*n_r, room = (uInt)*room_r;
	x->z.next_in = (Bytef *)(uintptr_t)p; /* it is not written to */
	x->z.avail_in = n;
	x->z.next_out = to;
	x->z.avail_out = room;
	int rc = inflate(&x->z, Z_NO_FLUSH);
	*n_r = n - x->z.avail_in;
	*room_r = room - x->z.avail_out;
	if (rc == Z_STREAM_END)
		return 1;
	return rc == Z_OK || rc == Z_BUF_ERROR ? 0 : -1;
}

/* Bytes written to to, which has room for n; 0: it does not get smaller. */
static size_t zlib_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	if (zlib.has_out && zlib.level != level) {
		deflateEnd(&zlib.out);
		zlib.has_out = false;
	}
	if (!zlib.has_out) {
		memset(&zlib.out, 0, sizeof(zlib.out));
		zlib.has_out = deflateInit(&zlib.out, level) == Z_OK;
		zlib.level = level;
	}
	if (!zlib.has_out || deflateReset(&zlib.out) != Z_OK)
		return 0;
	zlib.out.next_in = (Bytef *)(uintptr_t)p;
	zlib.out.avail_in = (uInt)n;
	zlib.out.next_out = to;
	zlib.out.avail_out = (uInt)(n - 1);
	if (deflate(&zlib.out, Z_FINISH) != Z_STREAM_END)
		return 0;
	return n - 1 - zlib.out.avail_out;
}

static bool zlib_out_open(struct mycodec_out *x, int level)
{
	return deflateInit(&x->z, level) == Z_OK;
}

static void zlib_out_close(struct mycodec_out *x)
{
	deflateEnd(&x->z);
}

static bool zlib_out_step(
	struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	int rc = Z_OK;
	x->z.next_in = (Bytef *)(uintptr_t)p; /* it is not written to */
	x->z.avail_in = (uInt)n;
	do {
		uint8_t *to = buf_reserve(out, STEP_BYTES);
		if (to == NULL)
			return false;
		x->z.next_out = to;
		x->z.avail_out = STEP_BYTES;
		rc = deflate(&x->z, last ? Z_FINISH : Z_NO_FLUSH);
		buf_commit(out, STEP_BYTES - x->z.avail_out);
	} while (x->z.avail_out == 0 && (rc == Z_OK || rc == Z_BUF_ERROR));
	return last ? rc == Z_STREAM_END : rc == Z_OK || rc == Z_BUF_ERROR;
}

static void zlib_fini(void)
{
	if (zlib.has_out)
		deflateEnd(&zlib.out);
	zlib.has_out = false;
}
#else
static bool zlib_open(struct mycodec_in *x)
{
	(void)x;
	return false;
}

static void zlib_close(struct mycodec_in *x)
{
	(void)x;
}

static bool zlib_again(struct mycodec_in *x)
{
	(void)x;
	return false;
}

static int zlib_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	(void)x;
	(void)p;
	(void)to;
	*n_r = *room_r = 0;
	return -1;
}

static size_t zlib_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	(void)level;
	(void)p;
	(void)n;
	(void)to;
	return 0;
}

static bool zlib_out_open(struct mycodec_out *x, int level)
{
	(void)x;
	(void)level;
	return false;
}

static void zlib_out_close(struct mycodec_out *x)
{
	(void)x;
}

static bool zlib_out_step(
	struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	(void)x;
	(void)p;
	(void)n;
	(void)last;
	(void)out;
	return false;
}

static void zlib_fini(void) {}
#endif

/* ---- zstd ---- */
#if WITH_ZSTD
/* A window above the largest frame would only cost memory: 2^24. */
#define ZSTD_WINDOW_LOG 24

static _Thread_local ZSTD_CCtx *zstd_out;

static bool zstd_open(struct mycodec_in *x)
{
	x->d = ZSTD_createDCtx();
	if (x->d)
		ZSTD_DCtx_setParameter(x->d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	return x->d != NULL;
}

static void zstd_close(struct mycodec_in *x)
{
	ZSTD_freeDCtx(x->d);
}

static bool zstd_again(struct mycodec_in *x)
{
	return ZSTD_sizeof_DCtx(x->d) <= KEEP_BYTES &&
	       !ZSTD_isError(ZSTD_DCtx_reset(x->d, ZSTD_reset_session_only));
}

static int zstd_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	ZSTD_inBuffer from = { p, *n_r, 0 };
	ZSTD_outBuffer into = { to, *room_r, 0 };
	size_t more = ZSTD_decompressStream(x->d, &into, &from);
	*n_r = from.pos;
	*room_r = into.pos;
	return ZSTD_isError(more) ? -1 : more == 0;
}

static size_t zstd_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	if (zstd_out == NULL)
		zstd_out = ZSTD_createCCtx();
	if (zstd_out == NULL)
		return 0;
	size_t got = ZSTD_compressCCtx(zstd_out, to, n - 1, p, n, level);
	return ZSTD_isError(got) ? 0 : got;
}

static bool zstd_out_open(struct mycodec_out *x, int level, uint32_t plain_n)
{
	x->c = ZSTD_createCCtx();
	if (x->c == NULL)
		return false;
	ZSTD_CCtx_setParameter(x->c, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setPledgedSrcSize(x->c, plain_n);
	return true;
}

static void zstd_out_close(struct mycodec_out *x)
{
	ZSTD_freeCCtx(x->c);
}

static bool zstd_out_step(
	struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	ZSTD_inBuffer from = { p, n, 0 };
	size_t more = 1;
	while (last ? more != 0 : from.pos < n) {
		uint8_t *to = buf_reserve(out, STEP_BYTES);
		if (to == NULL)
			return false;
		ZSTD_outBuffer into = { to, STEP_BYTES, 0 };
		more = ZSTD_compressStream2(
			x->c, &into, &from, last ? ZSTD_e_end : ZSTD_e_continue);
		buf_commit(out, into.pos);
		if (ZSTD_isError(more))
			return false;
	}
	return true;
}

static void zstd_fini(void)
{
	ZSTD_freeCCtx(zstd_out);
	zstd_out = NULL;
}
#else
static bool zstd_open(struct mycodec_in *x)
{
	(void)x;
	return false;
}

static void zstd_close(struct mycodec_in *x)
{
	(void)x;
}

static bool zstd_again(struct mycodec_in *x)
{
	(void)x;
	return false;
}

static int zstd_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	(void)x;
	(void)p;
	(void)to;
	*n_r = *room_r = 0;
	return -1;
}

static size_t zstd_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	(void)level;
	(void)p;
	(void)n;
	(void)to;
	return 0;
}

static bool zstd_out_open(struct mycodec_out *x, int level, uint32_t plain_n)
{
	(void)x;
	(void)level;
	(void)plain_n;
	return false;
}

static void zstd_out_close(struct mycodec_out *x)
{
	(void)x;
}

static bool zstd_out_step(
	struct mycodec_out *x, const uint8_t *p, size_t n, bool last, struct buf *out)
{
	(void)x;
	(void)p;
	(void)n;
	(void)last;
	(void)out;
	return false;
}

static void zstd_fini(void) {}
#endif

/* ---- both ---- */
static void destroy(struct mycodec_in *x)
{
	if (x->codec == MYCODEC_ZLIB)
		zlib_close(x);
	else
		zstd_close(x);
	mem_free(MEM_CACHE, x);
}

struct mycodec_in *mycodec_in_new(enum mycodec codec)
{
	struct mycodec_in *x = spare[codec];
	spare[codec] = NULL;
	if (x == NULL) {
		x = mem_alloc(MEM_CACHE, sizeof(*x));
		if (x == NULL)
			return NULL;
		x->codec = codec;
		if (!(codec == MYCODEC_ZLIB ? zlib_open(x) : zstd_open(x))) {
			mem_free(MEM_CACHE, x);
			return NULL;
		}
	}
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
	if (spare[x->codec] == NULL && (x->codec == MYCODEC_ZLIB ? zlib_again(x) : zstd_again(x)))
		spare[x->codec] = x;
	else
		destroy(x);
}

int mycodec_in_step(
	struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to, size_t *room_r)
{
	return x->codec == MYCODEC_ZLIB ? zlib_step(x, p, n_r, to, room_r)
					: zstd_step(x, p, n_r, to, room_r);
}

struct mycodec_out *mycodec_out_new(enum mycodec codec, int level, uint32_t plain_n)
{
	struct mycodec_out *x = mem_alloc(MEM_STREAM, sizeof(*x));
	if (x == NULL)
		return NULL;
	x->codec = codec;
	if (codec == MYCODEC_ZLIB ? zlib_out_open(x, level) : zstd_out_open(x, level, plain_n))
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
	if (x->codec == MYCODEC_ZLIB)
		zlib_out_close(x);
	else
		zstd_out_close(x);
	mem_free(MEM_STREAM, x);
}

bool mycodec_out_step(struct mycodec_out *x, const void *p, size_t n, bool last, struct buf *out)
{
	return x->codec == MYCODEC_ZLIB ? zlib_out_step(x, p, n, last, out)
					: zstd_out_step(x, p, n, last, out);
}

static void pack_piece(
	enum mycodec codec, int level, const uint8_t *p, size_t n, uint8_t *seq, struct buf *out)
{
	size_t got = 0, at = buf_len(out);
	mycompress_put_head(out, seq, (uint32_t)n, 0);
	uint8_t *to = buf_reserve(out, n);
	if (to == NULL)
		return;
	if (n >= MYCOMPRESS_MIN_BYTES)
		got = codec == MYCODEC_ZLIB ? zlib_pack(level, p, n, to)
					    : zstd_pack(level, p, n, to);
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
		pack_piece(codec, level, from + off, piece, seq, out);
	}
}

void mycodec_thread_fini(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (spare[i])
			destroy(spare[i]);
	spare[0] = spare[1] = NULL;
	zlib_fini();
	zstd_fini();
}
