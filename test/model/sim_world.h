/* sim_world - a whole weirpool between clients and servers that speak the fake protocol, on the
 * streams and the clock of sim_ev. Servers answer by themselves; clients do what a test says, and
 * check every line that they get: it must be the answer to their oldest request, from a server
 * connection of their user and class, with their own session's variable. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H
#include "../../src/core/core_int.h"
#include "sim_ev.h"

#define QUIET 0 /* the two protocols: listener and table index */
#define GREETING 1
#define PORTS 8

struct server {
	unsigned port;
	bool greets;
	bool refuse; /* connects are refused */
	bool mute;   /* connects succeed, nothing is said */
	bool deny;   /* logins are refused */
	unsigned connects, logins, denied, resets, cancels, pings, syncs;
	unsigned delay; /* 1 in so many turns does it answer; 0: at once */
	char version[16];
};

struct asked {
	struct list node;
	char nonce[40], value[40]; /* value: what it makes of the variable */
	char verb[8];
};

struct client {
	struct sim_conn *c;
	struct list asked; /* not answered yet, oldest first */
	char user[16], db[16], want[40], var[40];
	unsigned id, proto, class, worker, next, answered, failed;
	bool welcome, in_tx, pinned, dead, leaving;
	unsigned number;                        /* as the greeting or the welcome said */
	char version[40], last[300], error[40]; /* last line; name of the last ERR */
};

extern struct core *core;
extern struct server server[PORTS];
extern struct client *clients[256];
extern unsigned n_clients;
extern bool world_lowered; /* a limit was lowered: more may be open for a while */

/* Starts it: text is the configuration behind [weirpool], databases included. */
void world_begin(uint64_t seed, unsigned workers, const char *text);
void world_reload(const char *text);
/* Ends it, and checks that nothing is left. */
void world_end(void);
struct server *world_server(unsigned port, bool greets);
/* A client connects and says its name at once, or behind the greeting. db "-": none. */
struct client *world_client(unsigned proto, unsigned worker, const char *user, const char *db);
struct client *world_client_of_class(
	unsigned proto, unsigned worker, const char *user, const char *db, unsigned class);
/* Sends verb and a nonce (and value). */
void client_ask(struct client *k, const char *verb, const char *value);
void client_say(struct client *k, const char *line); /* nothing is expected of it */
void client_leave(struct client *k);                 /* closes its end */
/* Turns until all is quiet (no time passes), with servers and clients taking part. */
void world_settle(void);
void world_pass(int64_t us);
bool world_turn(void);
void world_check(void);                        /* the budgets */
unsigned client_waits(const struct client *k); /* unanswered requests */
unsigned world_links(unsigned port);           /* connections that the server has */
#endif
