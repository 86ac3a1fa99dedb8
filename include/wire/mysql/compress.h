/* compress - framing of the compressed protocol: packets of any number, or parts of them, inside
 * frames with a header of their own. Ignorant of zlib and zstd (codec.h) and of what is inside.
 * Pure, any thread.
 * Source: MySQL docs, Compression: Compressed Packet Header. */
#ifndef WIRE_MYSQL_COMPRESS_H
#define WIRE_MYSQL_COMPRESS_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MYCOMPRESS_HEAD_BYTES 7U
#define MYCOMPRESS_MIN_BYTES 50U /* shorter ones are stored as they are: MIN_COMPRESS_LENGTH */
#define MYCOMPRESS_MAX_BYTES 0xffffffU

struct mycompress {
	uint32_t body_n;  /* behind the header */
	uint8_t seq;      /* a sequence of its own, from 0 with each command */
	uint32_t plain_n; /* declared length when unpacked; stored: body_n */
	bool packed;      /* else the body is stored as it is */
	const uint8_t *body;
	size_t total; /* bytes of input, with the header */
};
/* A whole frame: 1. Needs more bytes: 0 (*c_r has all but body once the header is there, else total
 * 0). body_n or plain_n above cap: -1, before anything is waited for. */
int mycompress_take(const uint8_t *p, size_t n, uint32_t cap, struct mycompress *c_r);
/* A header; the caller sends body_n bytes behind it. plain_n 0: stored. */
void mycompress_put_head(struct buf *b, uint8_t *seq, uint32_t body_n, uint32_t plain_n);
/* Overwrites the lengths of a header that was put at offset at (counted from buf_data()). */
void mycompress_set_head(struct buf *b, size_t at, uint32_t body_n, uint32_t plain_n);
#endif
