/* command - the small commands, and the request for a client's file. Ignorant of states. Pure, any
 * thread; conventions in packet.h.
 * Source: MySQL docs, Command Phase: Text Protocol, Utility Commands; LOCAL INFILE Request. */
#ifndef WIRE_MYSQL_COMMAND_H
#define WIRE_MYSQL_COMMAND_H
#include "wire/mysql/caps.h"
#include "wire/mysql/packet.h"

/* Payloads begin with the command byte. */
void mycommand_put(struct buf *b, uint8_t *seq, enum mycom com); /* that byte alone */
/* COM_INIT_DB: the name is all behind the byte; may be empty. */
struct mystr mycommand_read_init_db(const uint8_t *p, size_t n);
void mycommand_put_init_db(struct buf *b, uint8_t *seq, struct mystr schema);
/* COM_SET_OPTION: 0 multi statements on, 1 off. */
const char *mycommand_read_set_option(const uint8_t *p, size_t n, uint16_t *option_r)
	__attribute__((warn_unused_result));
void mycommand_put_set_option(struct buf *b, uint8_t *seq, uint16_t option);
/* COM_PROCESS_KILL */
const char *mycommand_read_kill(const uint8_t *p, size_t n, uint32_t *id_r)
	__attribute__((warn_unused_result));
void mycommand_put_kill(struct buf *b, uint8_t *seq, uint32_t id);
/* COM_FIELD_LIST */
const char *mycommand_read_field_list(const uint8_t *p, size_t n, struct mystr *table_r,
	struct mystr *wildcard_r) __attribute__((warn_unused_result));

/* 0xfb and the name of a file. The client answers with the file in packets of bare bytes and an
 * empty one, which is all it sends when it has no such file. */
const char *mycommand_read_infile(const uint8_t *p, size_t n, struct mystr *name_r)
	__attribute__((warn_unused_result));
#endif
