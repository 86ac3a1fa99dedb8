/* token_ask - the two statements about a session's token that weirpool answers itself:
 *	SHOW weirpool.token (or SELECT @@weirpool.token), and SET weirpool.token = '...'.
 * Any thread. */
#ifndef PROTO_TOKEN_ASK_H
#define PROTO_TOKEN_ASK_H
#include "proto/proto.h"

/* Is the text one of them, and nothing else? ev_r is then PEV_TOKEN, with text as in proto.h,
 * pointing into it. */
bool token_ask_read(const char *text, size_t n, struct pev *ev_r);
#endif
