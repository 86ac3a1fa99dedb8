/* pg_pool - a very small pooler around proto_pg for tests: sessions with a simulated client, links
 * with a simulated server, any cut of the bytes between them, and the rules of core for who gets
 * which link. Not for threads. */
#ifndef TEST_PG_POOL_H
#define TEST_PG_POOL_H
#include "pgsim.h"
#include "proto/proto.h"

#define POOL_N 16

enum psess_state { PS_LOGIN, PS_WAIT_LOGIN, PS_IDLE, PS_WAIT, PS_ACTIVE, PS_CLOSED };
enum plink_state { PL_LOGIN, PL_IDLE, PL_BUSY, PL_CLEAN, PL_CLOSED };
struct plink;
struct psess {
	void *cst;
	enum psess_state state;
	struct plink *link;
	struct buf to_proxy; /* sent by the client, not yet read */
	struct buf in;       /* read */
	struct buf got;      /* what the client received */
	struct err why;      /* it was closed for */
};
struct plink {
	void *lst;
	enum plink_state state;
	struct psess *sess;
	struct pgsim sim;
	struct buf in, up;
};
struct pool {
	struct proto_env *env;
	struct proto_cache *cache;
	struct proto_counters counters;
	enum proto_mode mode;
	unsigned max_prepared, n_sess, n_links, max_links;
	struct psess sess[POOL_N];
	struct plink link[POOL_N];
	unsigned seed;
	unsigned n_bad; /* PEV_BAD from a server, PEV_LINK_BAD */
	struct err last_bad;
};
void pool_init(struct pool *p, enum proto_mode mode, unsigned n_links, unsigned max_prepared,
	unsigned seed);
void pool_fini(struct pool *p);
struct psess *pool_login(struct pool *p,
	const char *const *params); /* name, value, ..., NULL; runs until it is in */
void pool_send(struct psess *s, const struct buf *b);
unsigned pool_rand(struct pool *p, unsigned n);
/* Moves some bytes somewhere: at most cut at a time (0: all there are). False: nothing is left to
 * move. */
bool pool_step(struct pool *p, size_t cut);
void pool_run(struct pool *p, size_t cut);
void pool_close_sess(struct pool *p, struct psess *s);
void pool_close_link(struct pool *p, struct plink *l);
/* The same, but its session goes on if it can. */
void pool_lose_link(struct pool *p, struct plink *l);
#endif
