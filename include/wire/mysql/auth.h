/* auth - the packets between the response and the OK: AuthSwitchRequest, AuthMoreData,
 * AuthNextFactor. A client's answer is a packet of bare bytes: mypacket_put(). Ignorant of states
 * and of what plugins compute. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, Protocol::AuthSwitchRequest, Protocol::OldAuthSwitchRequest,
 * Protocol::AuthMoreData, Protocol::AuthNextFactorRequest; Caching_sha2_password information. */
#ifndef WIRE_MYSQL_AUTH_H
#define WIRE_MYSQL_AUTH_H
#include "wire/mysql/packet.h"

/* What a server's packet is while a login goes on. */
enum myauth_kind {
	MYAUTH_OK,          /* ok.h */
	MYAUTH_ERR,         /* error.h */
	MYAUTH_SWITCH,      /* myauth_read_switch() */
	MYAUTH_OLD_SWITCH,  /* to mysql_old_password: refuse it */
	MYAUTH_MORE,        /* the bytes behind the first are the plugin's */
	MYAUTH_NEXT_FACTOR, /* as a switch: myauth_read_switch() */
	MYAUTH_OTHER        /* plugin data without a prefix byte, or nothing that we know */
};
enum myauth_kind myauth_kind(const uint8_t *p, size_t n);

#define MYAUTH_NATIVE "mysql_native_password"
#define MYAUTH_CACHING_SHA2 "caching_sha2_password"
#define MYAUTH_SHA256 "sha256_password"
#define MYAUTH_CLEAR "mysql_clear_password"
#define MYAUTH_ED25519 "client_ed25519"
#define MYAUTH_PARSEC "parsec"
#define MYAUTH_DIALOG "dialog"

/* The only byte of AuthMoreData in caching_sha2_password, unless it is a PEM text. */
#define MYAUTH_SHA2_FAST_OK 3U
#define MYAUTH_SHA2_FULL 4U
/* The only byte of a client's packet that asks for the server's RSA key. */
#define MYAUTH_SHA2_ASK_KEY 2U   /* caching_sha2_password */
#define MYAUTH_SHA256_ASK_KEY 1U /* sha256_password */

/* data_r: as sent; nonces come with a NUL behind them: myauth_nonce(). */
const char *myauth_read_switch(const uint8_t *p, size_t n, struct mystr *plugin_r,
	struct mystr *data_r) __attribute__((warn_unused_result));
/* The want bytes of a nonce, sent with or without its NUL; NULL if it has another length. */
const uint8_t *myauth_nonce(struct mystr data, size_t want);
/* A NUL is added to the nonce, as servers do. */
void myauth_put_switch(
	struct buf *b, uint8_t *seq, const char *plugin, const uint8_t *nonce, size_t nonce_n);
void myauth_put_more(struct buf *b, uint8_t *seq, const void *data, size_t n);
#endif
