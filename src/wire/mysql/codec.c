/* codec - see wire/mysql/codec.h. Without a library its half fails as data of an unknown form does;
 * callers ask mycodec_has() before they agree to it. */
#include "wire/mysql/codec.h"

#include <assert.h>
#include <string.h>

#if WITH_ZLIB
#include <zlib.h>
#endif
#if WITH_ZSTD
#include <zstd.h>
#endif

/* Out of one frame at a time; into one frame at most. */
#define STEP_BYTES 65536U
#define PIECE_BYTES (256U << 10)

bool mycodec_has(enum mycodec codec)
{
	return codec == MYCODEC_ZLIB ? WITH_ZLIB : WITH_ZSTD;
}

/* Room for the next step, and for one byte more than the frame may hold, so that a frame that
 * holds more is seen. */
static inline size_t step(size_t left)
{
	return left < STEP_BYTES ? left + 1 : STEP_BYTES;
}

/* ---- zlib ---- */
#if WITH_ZLIB
static _Thread_local struct {
	z_stream in, out;
	bool has_in, has_out;
	int level; /* of out */
} zlib;

static const char *zlib_unpack(const struct mycompress *c, struct buf *out)
{
	size_t left = c->plain_n;
	if (!zlib.has_in) {
		memset(&zlib.in, 0, sizeof(zlib.in));
		zlib.has_in = inflateInit(&zlib.in) == Z_OK;
	}
	if (!zlib.has_in || inflateReset(&zlib.in) != Z_OK)
		return "no memory for zlib";
	zlib.in.next_in = (Bytef *)(uintptr_t)c->body; /* it is not written to */
	zlib.in.avail_in = c->body_n;
	for (int rc = Z_OK; rc != Z_STREAM_END;) {
		size_t room = step(left);
		uint8_t *to = buf_reserve(out, room);
		if (to == NULL)
			return "no memory";
		zlib.in.next_out = to;
		zlib.in.avail_out = (uInt)room;
		rc = inflate(&zlib.in, Z_NO_FLUSH);
		size_t got = room - zlib.in.avail_out;
		buf_commit(out, got <= left ? got : 0);
		if (got > left)
			return "longer than declared";
		left -= got;
		if (rc != Z_OK && rc != Z_STREAM_END)
			return rc == Z_BUF_ERROR ? "cut short" : "not zlib";
	}
	return left != 0 ? "shorter than declared" : zlib.in.avail_in ? "bytes behind it" : NULL;
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

static void zlib_fini(void)
{
	if (zlib.has_in)
		inflateEnd(&zlib.in);
	if (zlib.has_out)
		deflateEnd(&zlib.out);
	zlib.has_in = zlib.has_out = false;
}
#else
static const char *zlib_unpack(const struct mycompress *c, struct buf *out)
{
	(void)c;
	(void)out;
	return "no zlib in this build";
}

static size_t zlib_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	(void)level;
	(void)p;
	(void)n;
	(void)to;
	return 0;
}

static void zlib_fini(void) {}
#endif

/* ---- zstd ---- */
#if WITH_ZSTD
/* A window above the largest frame would only cost memory: 2^24. */
#define ZSTD_WINDOW_LOG 24

static _Thread_local struct {
	ZSTD_DCtx *in;
	ZSTD_CCtx *out;
} zstd;

static const char *zstd_unpack(const struct mycompress *c, struct buf *out)
{
	size_t left = c->plain_n;
	if (zstd.in == NULL) {
		zstd.in = ZSTD_createDCtx();
		if (zstd.in)
			ZSTD_DCtx_setParameter(zstd.in, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	}
	if (zstd.in == NULL)
		return "no memory for zstd";
	ZSTD_DCtx_reset(zstd.in, ZSTD_reset_session_only);
	ZSTD_inBuffer from = { c->body, c->body_n, 0 };
	for (size_t more = 1; more != 0;) {
		size_t room = step(left), before = from.pos;
		uint8_t *to = buf_reserve(out, room);
		if (to == NULL)
			return "no memory";
		ZSTD_outBuffer into = { to, room, 0 };
		more = ZSTD_decompressStream(zstd.in, &into, &from);
		buf_commit(out, into.pos <= left ? into.pos : 0);
		if (into.pos > left)
			return "longer than declared";
		left -= into.pos;
		if (ZSTD_isError(more))
			return "not zstd";
		if (more != 0 && into.pos == 0 && from.pos == before)
			return "cut short";
	}
	return left != 0               ? "shorter than declared"
	       : from.pos != from.size ? "bytes behind it"
				       : NULL;
}

static size_t zstd_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	if (zstd.out == NULL)
		zstd.out = ZSTD_createCCtx();
	if (zstd.out == NULL)
		return 0;
	size_t got = ZSTD_compressCCtx(zstd.out, to, n - 1, p, n, level);
	return ZSTD_isError(got) ? 0 : got;
}

static void zstd_fini(void)
{
	ZSTD_freeDCtx(zstd.in);
	ZSTD_freeCCtx(zstd.out);
	zstd.in = NULL;
	zstd.out = NULL;
}
#else
static const char *zstd_unpack(const struct mycompress *c, struct buf *out)
{
	(void)c;
	(void)out;
	return "no zstd in this build";
}

static size_t zstd_pack(int level, const uint8_t *p, size_t n, uint8_t *to)
{
	(void)level;
	(void)p;
	(void)n;
	(void)to;
	return 0;
}

static void zstd_fini(void) {}
#endif

/* ---- both ---- */
const char *mycodec_unpack(enum mycodec codec, const struct mycompress *c, struct buf *out)
{
	if (!c->packed)
		return buf_append(out, c->body, c->body_n) ? NULL : "no memory";
	return codec == MYCODEC_ZLIB ? zlib_unpack(c, out) : zstd_unpack(c, out);
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
	zlib_fini();
	zstd_fini();
}
