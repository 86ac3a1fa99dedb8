/* blockers - whom a node of a cluster still works for: what has to end before it can stop being
 * primary. Control thread; the facts are gathered on the workers. */
#ifndef CORE_BLOCKERS_H
#define CORE_BLOCKERS_H
#include <stdbool.h>
#include <stdint.h>

struct core;
struct server_node;

#define BLOCKERS_MAX 16 /* told of each worker */
struct blocker {
	uint32_t client, link; /* ids of SHOW CLIENTS and SHOW SERVERS */
	bool in_tx;            /* else a request is under way */
	int64_t age_us;        /* of the transaction, or the request */
	const char *user, *db; /* live as long as the process */
};
struct blockers {
	unsigned total; /* all of them */
	unsigned n;     /* of v */
	struct blocker *v;
};
/* Asks the workers; done() comes later, on control's thread, and b is valid during it. Who sits
 * idle on a connection of its own (session mode, a temporary table) does not count: nothing that
 * it began would be lost but what such a connection always loses with its server. -1: no memory. */
int core_blockers(struct core *c, const struct server_node *n,
	void (*done)(void *arg, const struct blockers *b), void *arg)
	__attribute__((warn_unused_result));
#endif
