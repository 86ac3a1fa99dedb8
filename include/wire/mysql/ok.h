/* ok - how a response begins, goes on and ends: OK and EOF packets and what tells them from rows.
 * Ignorant of commands and states. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, OK_Packet, EOF_Packet, Text Resultset; MariaDB docs, OK_Packet. */
#ifndef WIRE_MYSQL_OK_H
#define WIRE_MYSQL_OK_H
#include "wire/mysql/packet.h"

enum myreply {
	MYREPLY_OK,
	MYREPLY_ERR,
	MYREPLY_PROGRESS, /* MariaDB's report in the shape of an ERR: not the end (error.h) */
	MYREPLY_EOF,      /* EOF, or the OK with header 0xfe that stands for it */
	MYREPLY_INFILE,   /* the server asks for a file of the client: command.h */
	MYREPLY_DATA      /* a column count, a row, a definition */
};
/* The first packet of a response to a command that may give rows. p: the first have bytes of its
 * payload_n (3 are enough). MYREPLY_DATA: the column count. */
enum myreply myreply_first(const uint8_t *p, size_t have, uint32_t payload_n);
/* A packet where column definitions or rows, or their end, may come. Not for a packet that goes on
 * with a message begun before (mypacket.more): that is data whatever it looks like. An 0xfe ends
 * only if it is too short to begin a row: below 9 bytes, or, with MYCAP_DEPRECATE_EOF, where it is
 * an OK that may be long, below MYPACKET_PAYLOAD_MAX. */
enum myreply myreply_row(const uint8_t *p, size_t have, uint32_t payload_n, uint64_t caps);

struct myok {
	uint8_t header; /* 0x00, or 0xfe at the end of rows */
	uint64_t affected, insert_id;
	uint16_t status, warnings;
	struct mystr info;  /* absent or empty is the same */
	struct mystr track; /* the session's changes: track.h; absent if there is no block */
};
/* Without MYCAP_SESSION_TRACK the text goes to the end by the documents, but servers put its
 * length in front also then: both are understood. */
const char *myok_read(const uint8_t *p, size_t n, uint64_t caps, struct myok *ok_r)
	__attribute__((warn_unused_result));
/* With MYCAP_SESSION_TRACK, MYSTATUS_SESSION_STATE_CHANGED is set just when track is there, an
 * empty block included; without it the block is left out and the bit cleared. */
void myok_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct myok *ok);

/* EOF of five bytes: sets status and warnings, header 0xfe, the rest 0. */
const char *myok_read_eof(const uint8_t *p, size_t n, struct myok *ok_r)
	__attribute__((warn_unused_result));
void myok_put_eof(struct buf *b, uint8_t *seq, uint16_t status, uint16_t warnings);
/* What ends rows, in the shape that caps ask for: an OK with header 0xfe with
 * MYCAP_DEPRECATE_EOF, else an EOF. Both read the packet that myreply_row() called MYREPLY_EOF. */
const char *myok_read_end(const uint8_t *p, size_t n, uint64_t caps, struct myok *ok_r)
	__attribute__((warn_unused_result));
void myok_put_end(struct buf *b, uint8_t *seq, uint64_t caps, const struct myok *ok);
#endif
