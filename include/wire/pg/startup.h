/* startup - the packets that open a connection and have no type byte: StartupMessage, SSLRequest,
 * GSSENCRequest, CancelRequest; and the answer NegotiateProtocolVersion. Ignorant of states and
 * policy. Pure, any thread.
 * Source: PostgreSQL docs, Message Formats. */
#ifndef WIRE_PG_STARTUP_H
#define WIRE_PG_STARTUP_H
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGSTARTUP_MAX_BYTES \
	10000U /* of a packet, without its length field: MAX_STARTUP_PACKET_LENGTH */
#define PGSTARTUP_VERSION(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))
#define PGSTARTUP_PID_BYTES 4U
#define PGSTARTUP_KEY_MIN 4U /* secret part of a cancel key */
#define PGSTARTUP_KEY_MAX 256U
#define PGSTARTUP_NAME_MAX 63U /* NAMEDATALEN - 1: longer names are cut by a server */

enum pgstartup_kind {
	PGSTARTUP_SSL,
	PGSTARTUP_GSSENC,
	PGSTARTUP_CANCEL,
	PGSTARTUP_V3,   /* protocol 3.x */
	PGSTARTUP_OTHER /* another protocol: major, minor tell */
};
struct pgstartup {
	enum pgstartup_kind kind;
	uint16_t major, minor;
	const uint8_t *body; /* behind the version or code */
	size_t body_n;
	size_t total; /* bytes of input */
};
/* 1: a whole packet. 0: needs more. -1: impossible length (below 8 or above the cap), or a request
 * with a wrong length. */
int pgstartup_take(const uint8_t *p, size_t n, struct pgstartup *s_r);

/* Parameters of PGSTARTUP_V3: for (struct rd r = rd_of(s.body, s.body_n); pgstartup_next(&r, &k,
 * &v);). After the loop, rd_ok(&r) && rd_left(&r) == 0 says that the packet was well-formed to its
 * end. */
bool pgstartup_next(struct rd *r, const char **name_r, const char **value_r);

void pgstartup_put_ssl(struct buf *b);
void pgstartup_put_gssenc(struct buf *b);
/* key: process id (4 bytes) and secret together, as in BackendKeyData. */
void pgstartup_put_cancel(struct buf *b, const uint8_t *key, size_t key_n);
/* at = begin(); put_param()*; end(). */
size_t pgstartup_begin(struct buf *b, uint32_t version);
void pgstartup_put_param(struct buf *b, const char *name, const char *value);
void pgstartup_end(struct buf *b, size_t at);

/* NegotiateProtocolVersion: version is the full number (PostgreSQL sends 3.2 as 0x00030002). */
void pgstartup_put_negotiate(
	struct buf *b, uint32_t version, const char *const *options, uint32_t options_n);
/* options_r stands at the first option name (rd_cstr() them). */
bool pgstartup_read_negotiate(const uint8_t *body, size_t n, uint32_t *version_r,
	uint32_t *options_n_r, struct rd *options_r);
#endif
