/* response - how a client logs in: SSLRequest, HandshakeResponse41, COM_CHANGE_USER. Ignorant of
 * states, secrets and policy. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, Protocol::SSLRequest, Protocol::HandshakeResponse41, COM_CHANGE_USER; MariaDB
 * docs, Connecting: Handshake Response Packet. */
#ifndef WIRE_MYSQL_RESPONSE_H
#define WIRE_MYSQL_RESPONSE_H
#include "wire/mysql/packet.h"

enum myresponse_kind {
	MYRESPONSE_SSL,   /* TLS, then a whole response: only caps to collation are set */
	MYRESPONSE_LOGIN, /* HandshakeResponse41 */
	MYRESPONSE_OLD    /* HandshakeResponse320: refuse it; nothing else is set */
};
struct myresponse {
	enum myresponse_kind kind;
	uint64_t caps;       /* the client's and the server's: what was agreed upon */
	uint64_t asked_caps; /* as the client sent them */
	uint32_t max_packet;
	uint16_t collation; /* of HandshakeResponse41: the low byte; 0 if not sent */
	struct mystr user;
	struct mystr auth;   /* the proof, of plugin; not absent, may be empty */
	struct mystr schema; /* absent without MYCAP_CONNECT_WITH_DB; may be empty, which is none */
	struct mystr
		plugin;     /* absent without MYCAP_PLUGIN_AUTH, or if the client ended before it */
	struct mystr attrs; /* pairs: myresponse_next_attr(); absent if not sent */
	uint8_t zstd_level; /* 0 if not sent */
};
/* server_caps: what our greeting said; the layout follows what both sides have. Bytes behind the
 * last field are let pass, as servers do. */
const char *myresponse_read(const uint8_t *p, size_t n, uint64_t server_caps,
	struct myresponse *x_r) __attribute__((warn_unused_result));
/* Attributes: for (struct rd r = rd_of(x.attrs.p, x.attrs.n); myresponse_next_attr(&r, &k, &v);).
 * False at the end; myresponse_read() has checked that all pairs are whole. */
bool myresponse_next_attr(struct rd *r, struct mystr *key_r, struct mystr *value_r);

/* Uses x->caps alone to choose the layout (kind and asked_caps are not looked at); a field whose
 * capability is not set is not written. -1: auth cannot be carried by this layout (above 255 bytes
 * without MYCAP_PLUGIN_AUTH_LENENC, or a NUL inside without MYCAP_SECURE_CONNECTION), or a NUL in
 * a name; nothing was written. */
int myresponse_put(struct buf *b, uint8_t *seq, const struct myresponse *x)
	__attribute__((warn_unused_result));
/* caps, max_packet and collation as in the response that follows. Sets MYCAP_SSL. */
void myresponse_put_ssl(struct buf *b, uint8_t *seq, const struct myresponse *x);

/* COM_CHANGE_USER, with its command byte. caps: of the connection; they stay. A field that the
 * client left out at the end is absent (collation: 0). */
const char *myresponse_read_change_user(const uint8_t *p, size_t n, uint64_t caps,
	struct myresponse *x_r) __attribute__((warn_unused_result));
/* As myresponse_put(). With MYCAP_CONNECT_ATTRS and no attrs an empty list is written: MySQL
 * refuses the command without one. */
int myresponse_put_change_user(struct buf *b, uint8_t *seq, const struct myresponse *x)
	__attribute__((warn_unused_result));

/* One attribute, into a buf whose bytes become attrs. */
void myresponse_put_attr(struct buf *attrs, const char *key, const char *value);
#endif
