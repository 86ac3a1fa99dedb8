/* session - ParameterStatus, BackendKeyData, ReadyForQuery, CommandComplete and the messages
 * without a body. Pure, any thread.
 * Source: PostgreSQL docs, Message Formats. */
#ifndef WIRE_PG_SESSION_H
#define WIRE_PG_SESSION_H
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pgsession_put_param(struct buf *b, const char *name, const char *value); /* 'S' */
bool pgsession_read_param(const uint8_t *body, size_t n, const char **name_r, const char **value_r);
/* 'K'. key: process id (4 bytes) and secret (4..256) together. */
void pgsession_put_key(struct buf *b, const uint8_t *key, size_t key_n);
bool pgsession_read_key(
	const uint8_t *body, size_t n, uint32_t *pid_r); /* body is the key; checks its length */
void pgsession_put_ready(struct buf *b, char status);    /* 'Z': I, T or E */
bool pgsession_read_ready(
	const uint8_t *body, size_t n, char *status_r);      /* other letters are malformed */
void pgsession_put_complete(struct buf *b, const char *tag); /* 'C' */
bool pgsession_read_complete(const uint8_t *body, size_t n, const char **tag_r);
#endif
