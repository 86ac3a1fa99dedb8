/* press - the compressed protocol of one connection, both directions, as it follows an OK to a
 * login: frames (compress.h) around packets, and the numbers that they bear. As a coding it sits
 * between a connection's owner, who reads and writes packets, and its socket or TLS. One thread at
 * a time: the connection's.
 * Source: MySQL docs, Compression; what servers insist on is seen on MySQL 9.7 and MariaDB 10.11.
 *
 * Frames are numbered from 0 with each command, and a reply goes on from there; a server that reads
 * a command wants it in a frame of its own. Hence packet headers are looked at on the way out, and
 * nothing else of the packets is. A frame that comes is unpacked as far as there is room for it:
 * nothing is collected. To clients a packet goes in two frames at most, however it comes, as
 * servers send them (Connector/Python takes it for granted): what it becomes is held until it is
 * whole. */
#ifndef WIRE_MYSQL_PRESS_H
#define WIRE_MYSQL_PRESS_H
#include "base/coding.h"
#include "wire/mysql/codec.h"
#include "wire/mysql/packet.h"

enum mypress_side {
	MYPRESS_SERVER, /* the peer sends commands */
	MYPRESS_CLIENT  /* the peer answers them */
};

/* Where in the packets a direction is. */
struct mypress_walk {
	uint8_t head[MYPACKET_HEAD_BYTES];
	uint8_t head_n; /* of a header that is not complete */
	uint8_t seq;    /* of the last packet that began */
	bool more;      /* it was of full length: the next one continues it */
	bool empty;     /* it had no payload */
	uint32_t left;  /* bytes of it still to come */
};

struct mypress {
	enum mycodec codec;
	enum mypress_side side;
	uint8_t level;
	/* in */
	uint8_t head[MYCOMPRESS_HEAD_BYTES];
	uint8_t head_n;
	bool packed;          /* the frame that has begun */
	bool ended;           /* so has the data in it */
	uint32_t body_left;   /* bytes of it still to come */
	uint32_t plain_left;  /* and still to be unpacked */
	struct mycodec_in *z; /* while a packed one is under way */
	struct mypress_walk from, to;
	/* out: the frame with what is left of a packet */
	struct mycodec_out *whole;
	struct buf held;     /* what that has become */
	uint32_t whole_n;    /* bytes that it is */
	uint32_t whole_left; /* and still to come */
	/* numbers */
	uint8_t in_next, out_next;
	uint8_t commands; /* begun by the peer and not answered yet, as far as can be told */
	bool heard;       /* frames came since a packet to the peer began */
	bool goes_on;     /* ... and they go on with what was under way: a file, a login */
	bool spoke;       /* frames were sent since one came */
};

/* level: 1 to MYCODEC_ZSTD_LEVEL_MAX, or as zlib's. */
void mypress_init(struct mypress *m, enum mypress_side side, enum mycodec codec, int level);
void mypress_fini(struct mypress *m);
size_t mypress_in(struct mypress *m, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room,
	struct err *e); /* as coding_ops.decode */
void mypress_out(struct mypress *m, const void *p, size_t n, struct buf *out);
bool mypress_at_rest(const struct mypress *m);

/* All that as a coding on the heap. False: no memory. */
bool mypress_coding(struct coding *c_r, enum mypress_side side, enum mycodec codec, int level);
#endif
