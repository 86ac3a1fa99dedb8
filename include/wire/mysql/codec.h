/* codec - zlib and zstd for the frames of compress.h. Ignorant of packets. Working memory belongs
 * to the calling thread, is made at first use by the libraries' own malloc, and serves one frame
 * after the other; functions may be called in any thread.
 * Source: MySQL docs, Compression; RFC 1950 (zlib), RFC 8878 (zstd).
 *
 * What is unpacked comes out as far as there is room, so a frame that swells costs no more memory
 * than one that does not. */
#ifndef WIRE_MYSQL_CODEC_H
#define WIRE_MYSQL_CODEC_H
#include "wire/mysql/compress.h"

enum mycodec { MYCODEC_ZLIB, MYCODEC_ZSTD };

#define MYCODEC_ZLIB_LEVEL 6
#define MYCODEC_ZSTD_LEVEL 3 /* 1 to 22 */
#define MYCODEC_ZSTD_LEVEL_MAX 22

/* Built with that library? */
bool mycodec_has(enum mycodec codec);
const char *mycodec_name(enum mycodec codec); /* "zlib", "zstd" */

/* The body of one packed frame, as it comes. */
struct mycodec_in;
/* NULL: no memory, or not built with it. */
struct mycodec_in *mycodec_in_new(enum mycodec codec);
void mycodec_in_free(struct mycodec_in **xp); /* for the next frame; same thread */
/* Reads at most *n_r bytes at p and writes at most *room_r at to, and says in both how many it
 * were. 1: that was the end of the data; 0: it goes on (neither read nor written: it needs more
 * input, or more room); -1: it is not such data. */
int mycodec_in_step(struct mycodec_in *x, const uint8_t *p, size_t *n_r, uint8_t *to,
	size_t *room_r) __attribute__((warn_unused_result));

/* Appends n bytes of packets to out as frames from *seq on: packed where that makes them smaller
 * and they are not below MYCOMPRESS_MIN_BYTES, else stored. n = 0 adds nothing. p must not point
 * into out. Errors stay in out->failed. */
void mycodec_pack(
	enum mycodec codec, int level, const void *p, size_t n, uint8_t *seq, struct buf *out);

/* The body of one packed frame, made while its bytes come. */
struct mycodec_out;
/* plain_n: how many bytes it will be. NULL: no memory, or not built with it. */
struct mycodec_out *mycodec_out_new(enum mycodec codec, int level, uint32_t plain_n);
void mycodec_out_free(struct mycodec_out **xp);
/* Appends what n more bytes become, if anything is ready; last: they are the last ones, and all is.
 * False: out->failed, or the library failed. */
bool mycodec_out_step(struct mycodec_out *x, const void *p, size_t n, bool last, struct buf *out)
	__attribute__((warn_unused_result));
/* Gives the calling thread's working memory back. Call before a thread ends; it may go on. */
void mycodec_thread_fini(void);
#endif
