/* codec - zlib and zstd for the frames of compress.h. Ignorant of packets. Working memory belongs
 * to the calling thread and is made at first use by the libraries' own malloc; functions may be
 * called in any thread.
 * Source: MySQL docs, Compression; RFC 1950 (zlib), RFC 8878 (zstd).
 *
 * What is unpacked is never larger than the frame's header said (which mycompress_take() has held
 * against a cap), and memory grows with what really comes out, not with what was declared. */
#ifndef WIRE_MYSQL_CODEC_H
#define WIRE_MYSQL_CODEC_H
#include "wire/mysql/compress.h"

enum mycodec { MYCODEC_ZLIB, MYCODEC_ZSTD };

#define MYCODEC_ZLIB_LEVEL 6
#define MYCODEC_ZSTD_LEVEL 3 /* 1 to 22 */

/* Built with that library? */
bool mycodec_has(enum mycodec codec);
/* Appends what the frame c holds, packed or stored, to out. NULL: just plain_n bytes were added.
 * Else what is wrong, a constant for an error's text; out has then got part of it, and if memory or
 * out's cap was the reason out->failed is set. */
const char *mycodec_unpack(enum mycodec codec, const struct mycompress *c, struct buf *out)
	__attribute__((warn_unused_result));
/* Appends n bytes of packets to out as frames from *seq on: packed where that makes them smaller
 * and they are not below MYCOMPRESS_MIN_BYTES, else stored. n = 0 adds nothing. p must not point
 * into out. Errors stay in out->failed. */
void mycodec_pack(
	enum mycodec codec, int level, const void *p, size_t n, uint8_t *seq, struct buf *out);
/* Gives the calling thread's working memory back. Call before a thread ends; it may go on. */
void mycodec_thread_fini(void);
#endif
