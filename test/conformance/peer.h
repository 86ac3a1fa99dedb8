/* peer - a client, a session, a link and a server of one protocol, with any cut of the bytes
 * between them, for tests that are the same for every protocol. Not for threads. */
#ifndef TEST_PEER_H
#define TEST_PEER_H
#include "proto/proto.h"

struct peer;
/* What a protocol's client and server say. */
struct language {
	const struct proto_ops *ops;
	const char *name;
	const char *own_query; /* a query of ours that answers with one row, "own" */
	unsigned server_id;    /* link_server_pid() */
	/* the client: into out */
	void (*hello)(struct peer *p, struct buf *out); /* as ann, for database app */
	void (*ask)(struct peer *p, const char *nonce, struct buf *out);
	void (*begin)(struct peer *p, struct buf *out);
	void (*commit)(struct peer *p, struct buf *out);
	void (*kill)(struct peer *p, uint32_t number, struct buf *out); /* NULL: no such thing */
	void (*relogin)(struct peer *p, const char *user, struct buf *out); /* NULL: the same */
	/* What it says to what stands in p->got about it, if anything. */
	void (*answer)(struct peer *p, struct buf *out);
	void (*console)(struct peer *p, const char *text, struct buf *out);
	void (*garbage)(struct peer *p, struct buf *out); /* what no client may send */
	/* the server: from p->up to p->to_link */
	void (*server_begin)(struct peer *p);
	void (*server_run)(struct peer *p);
	void (*server_end)(struct peer *p);
	void (*surprise)(struct peer *p); /* an answer that nobody asked for */
};
extern const struct language lang_pg, lang_mysql, lang_quiet, lang_greeting;

struct peer {
	const struct language *lang;
	const struct proto_ops *ops;
	struct proto_env *env;
	struct proto_cache *cache;
	struct proto_counters counters;
	void *cst, *lst, *server;
	bool attached, welcomed, synced;
	bool silent; /* the server does not answer */
	size_t cut;  /* bytes that come at a time; 0: all */
	struct buf to_proxy, to_link;
	size_t seen_c, seen_l; /* of these, what has come */
	struct buf up, got;    /* to the server, to the client */
	struct err err;        /* of the last PEV_BAD */
	struct pev last;       /* the event that peer_run() or peer_down() ended with */
	char log[2000];        /* what happened, without what depends on the cut */
	char cell[64];         /* of the last row of our own query */
};

void peer_init(struct peer *p, const struct language *l, size_t cut);
void peer_fini(struct peer *p);         /* and nothing may be left */
void peer_client_login(struct peer *p); /* up to PEV_AUTH_OK, and client_conf() */
bool peer_link_login(struct peer *p);   /* false: PEV_BAD, p->err */
void peer_welcome(struct peer *p);      /* both are in: the session gets its welcome */
void peer_login(struct peer *p);        /* all three */
/* Moves bytes until nothing moves, with the link taken and let go of as core does. Ends early at
 * an event that is core's to answer (p->last). */
void peer_run(struct peer *p);
void peer_down(struct peer *p); /* the server's side alone */
bool peer_got(const struct peer *p, const char *text);
void peer_ask(struct peer *p, const char *nonce); /* and runs */
#endif
