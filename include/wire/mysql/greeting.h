/* greeting - what a server says first. Ignorant of who may log in and how. Pure, any thread;
 * conventions in packet.h.
 * Source: MySQL docs, Protocol::HandshakeV10; MariaDB docs, Connecting: Initial Handshake Packet
 * (extended capabilities in the filler).
 *
 * A server that will not talk sends an ERR packet instead, without SQLSTATE: error.h. */
#ifndef WIRE_MYSQL_GREETING_H
#define WIRE_MYSQL_GREETING_H
#include "wire/mysql/packet.h"

#define MYGREETING_SCRAMBLE_BYTES 20U
/* First byte of the payload. */
#define MYGREETING_V10 10U
#define MYGREETING_ERR 0xffU

struct mygreeting {
	struct mystr version; /* as sent: MariaDB 10.x puts "5.5.5-" in front */
	uint32_t thread_id;   /* of MariaDB and MySQL alike: the low 32 bits */
	uint64_t caps;        /* MariaDB's extended ones in the high half */
	uint8_t collation;
	uint16_t status;
	uint8_t scramble[MYGREETING_SCRAMBLE_BYTES]; /* the nonce of plugin, without its NUL */
	struct mystr plugin; /* absent if the server has no MYCAP_PLUGIN_AUTH */
};
/* Only protocol 10 with MYCAP_PROTOCOL_41 and MYCAP_SECURE_CONNECTION is well-formed to us. */
const char *mygreeting_read(const uint8_t *p, size_t n, struct mygreeting *g_r)
	__attribute__((warn_unused_result));
/* The extended capabilities are written only where MYCAP_MYSQL is not set. */
void mygreeting_put(struct buf *b, uint8_t *seq, const struct mygreeting *g);
#endif
