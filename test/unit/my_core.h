/* my_core - core's rules for who has the link, in small: one session and one link of proto_mysql,
 * fed with bytes whole or cut. The client is believed without a proof. Not for threads. */
#ifndef TEST_MY_CORE_H
#define TEST_MY_CORE_H
#include "proto/proto.h"

enum my_core_client { MY_C_LOGIN, MY_C_WAITS, MY_C_READY, MY_C_GONE };
enum my_core_link { MY_L_NONE, MY_L_LOGIN, MY_L_IDLE, MY_L_BUSY, MY_L_CLEANS };

struct my_core {
	struct proto_env *env;
	struct proto_cache *cache;
	struct proto_counters counters;
	void *cst, *lst;
	enum my_core_client c;
	enum my_core_link l;   /* MY_L_BUSY: it is the session's */
	struct buf c_in, s_in; /* arrived, not taken */
	struct buf up, down;   /* to be sent */
	unsigned cut;          /* 0: whole, 1: bytes, else: random up to it */
	unsigned seed;
	bool c_moved, s_moved;
	char why[300]; /* the first thing that went wrong on a side: it is then gone */
};
/* greeting: a server's, as a packet; what a client is greeted with comes from it. */
void my_core_init(struct my_core *x, const uint8_t *greeting, size_t n, unsigned cut);
void my_core_fini(struct my_core *x);
void my_core_link_begin(struct my_core *x); /* the link connects, as user app with password app */
void my_core_pump(struct my_core *x);       /* until nothing moves */
#endif
