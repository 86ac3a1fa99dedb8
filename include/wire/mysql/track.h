/* track - session state changes inside OK packets, read and write. Ignorant of what is done about
 * them. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, OK_Packet: Session State Information; MariaDB docs, OK_Packet. */
#ifndef WIRE_MYSQL_TRACK_H
#define WIRE_MYSQL_TRACK_H
#include "wire/mysql/packet.h"

enum mytrack_type {
	MYTRACK_VAR = 0,    /* mytrack_next_var() */
	MYTRACK_SCHEMA = 1, /* mytrack_read_text(): "" is none */
	MYTRACK_STATE = 2,  /* data is "1": something changed */
	MYTRACK_GTIDS = 3,  /* mytrack_read_gtids() */
	MYTRACK_TX_TEXT =
		4, /* "characteristics": mytrack_read_text(), statements that repeat them */
	MYTRACK_TX_STATE = 5 /* mytrack_read_text(): MYTRACK_TX_STATE_BYTES letters, '_' is no */
};
#define MYTRACK_TX_STATE_BYTES 8U

struct mytrack {
	uint64_t type; /* enum mytrack_type, or one that we do not know: skip it */
	struct mystr data;
};
/* r over myok.track; false at the end, or when malformed (rd_ok() tells). */
bool mytrack_next(struct rd *r, struct mytrack *t_r);
/* Pairs of MYTRACK_VAR: r over data; false at the end, or when malformed. NULL comes as "". */
bool mytrack_next_var(struct rd *r, struct mystr *name_r, struct mystr *value_r);
/* Schema, characteristics, transaction state. */
const char *mytrack_read_text(struct mystr data, struct mystr *text_r)
	__attribute__((warn_unused_result));
/* encoding_r: 0 is text, the only one there is. */
const char *mytrack_read_gtids(struct mystr data, uint8_t *encoding_r, struct mystr *text_r)
	__attribute__((warn_unused_result));

/* Entries of a block, into a buf whose bytes become myok.track. */
void mytrack_put(struct buf *block, const struct mytrack *t); /* as it was read */
void mytrack_put_var(struct buf *block, struct mystr name, struct mystr value);
/* Schema, characteristics, transaction state. */
void mytrack_put_text(struct buf *block, enum mytrack_type type, struct mystr text);
void mytrack_put_state(struct buf *block);
void mytrack_put_gtids(struct buf *block, struct mystr text);
#endif
