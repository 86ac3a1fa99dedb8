/* fake_proto - a protocol of text lines behind struct proto_ops, so that core/ can be tested
 * without databases, and so that the interface is no single database's in disguise. There are two
 * of it: fake_quiet waits for the client and knows cancel requests; in fake_greeting the server
 * speaks first, the database is a session's own business, links have classes, and a cancel request
 * is a command of a connection that logged in. Both sides of a conversation speak the same
 * language:
 *
 *   server: HI version number            (fake_greeting only)
 *   client: TLS                          answered YES or NO (fake_quiet only)
 *   client: LOGIN user db class password (db "-": none)
 *   server: PASSWORD?    client: PW password
 *   server: WELCOME version number
 *   client: Q n, BEGIN n, COMMIT n, SET n value, PIN n, UNPIN n, VAGUE n value, ROWS n count,
 *           SLEEP n
 *   server: D n i ... and at the end R n I|T value, or E n I|T text; value is the session's
 *           variable, "." when empty, "?" behind VAGUE: it has changed, but is not told
 *   client: KILL number Q|C, USER user db class password, BYE
 *   ours:   SYNC value -> SYNCED value, ASK -> VALUE value, RESET, PING,
 *           SQL text -> ROW cells, DONE
 *   server: ERR errno text, NOTE text */
#ifndef TEST_FAKE_PROTO_H
#define TEST_FAKE_PROTO_H
#include "proto/proto.h"

extern const struct proto_ops fake_quiet, fake_greeting;
#endif
