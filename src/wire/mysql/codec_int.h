/* codec_int - what a library brings to codec.c. Both files of libraries know nothing of frames. */
#ifndef WIRE_MYSQL_CODEC_INT_H
#define WIRE_MYSQL_CODEC_INT_H
#include "wire/mysql/codec.h"

/* Each library's own state follows behind it. */
struct mycodec_in {
	const struct mycodec_ops *ops;
};
struct mycodec_out {
	const struct mycodec_ops *ops;
};

/* What x points to has in_bytes or out_bytes, is codec.c's and, before *_open(), zeroed. */
struct mycodec_ops {
	size_t in_bytes, out_bytes;
	bool (*in_open)(struct mycodec_in *x);
	void (*in_close)(struct mycodec_in *x);
	bool (*in_again)(struct mycodec_in *x); /* for the next frame; false: close it instead */
	int (*in_step)(struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to,
		size_t *room_r); /* see mycodec_in_step() */
	/* Bytes written to to, which has room for n; 0: it does not get smaller. */
	size_t (*pack)(int level, const uint8_t *p, size_t n, uint8_t *to);
	bool (*out_open)(struct mycodec_out *x, int level, uint32_t plain_n);
	void (*out_close)(struct mycodec_out *x);
	bool (*out_step)(struct mycodec_out *x, const uint8_t *p, size_t n, bool last,
		struct buf *out); /* see mycodec_out_step() */
	void (*thread_fini)(void);
};

/* Room for what comes out of a step of packing. */
#define MYCODEC_STEP_BYTES 16384U

#if WITH_ZLIB
extern const struct mycodec_ops mycodec_zlib;
#endif
#if WITH_ZSTD
extern const struct mycodec_ops mycodec_zstd;
#endif
#endif
