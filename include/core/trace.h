/* trace - spans: one for each statement of a client that is traced, from the session that begins it
 * to who sends it away. Doc/traces.md says which are. A span belongs to its session's worker until
 * it has ended, then to control, by message. Ignorant of how spans are sent. */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H
#include "base/list.h"
#include "ev/addr.h"
#include "ev/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what a client says of its trace: W3C's traceparent. Any thread. ---- */

#define TRACEPARENT_CHARS 55 /* "00-", 32 digits, "-", 16 digits, "-", 2 digits */
#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

struct trace_context {
	uint8_t trace[TRACE_ID_BYTES], span[SPAN_ID_BYTES];
	bool sampled;
};
/* Does one begin at p? Of any version. */
bool traceparent_is(const char *p, size_t n);
/* As sqlcommenter has it, traceparent='...' in a comment of a text: behind a slash, that is, and no
 * more is looked at. NULL: there is none. text may be NULL. */
const char *traceparent_find(const char *text, size_t n);
/* False: what p points to (traceparent_is()) names no trace, by its zeros or its version. */
bool traceparent_read(const char *p, struct trace_context *c_r);

/* ---- spans ---- */

enum span_route { SPAN_SERVER, SPAN_PRIMARY, SPAN_REPLICA, SPAN_NOWHERE };

struct dbase;
struct account;
struct span {
	struct span *next; /* of its session */
	struct list node;  /* of those that have ended */
	uint32_t no;
	const struct dbase *db; /* these live as long as the process */
	const struct account *account;
	uint8_t trace[TRACE_ID_BYTES];
	uint8_t parent[SPAN_ID_BYTES]; /* at the client, if has_parent */
	/* of the statement; of its waiting for a server connection; of the server's time */
	uint8_t id[SPAN_ID_BYTES], wait_id[SPAN_ID_BYTES], server_id[SPAN_ID_BYTES];
	/* Wall clock, once it has ended. It waited from begun to sent; the server began with it
	 * when what was sent before it was answered. */
	int64_t begun_us, sent_us, server_us, ended_us;
	uint64_t rows;
	enum span_route route;
	bool has_parent, reads, stands_in, pinned, failed;
	unsigned again_n;      /* how often it was asked of another node before */
	uint32_t session;      /* as the log names it */
	unsigned port;         /* of host */
	char host[64];         /* its server, "" if it came to none */
	char namespace[64];    /* the database at the server */
	const char *operation; /* static: "SELECT"; "": not known */
	char code[6];          /* see struct proto_answer */
	char *error;           /* MEM_STATS; what weirpool told its client; NULL: nothing */
	char *text;            /* MEM_STATS; NULL: it is not wanted, or not known */
	struct addr client, peer;
};

/* What is known of all of them. */
struct core;
struct traces {
	_Atomic unsigned open;    /* begun and not given back: never more than otlp_queue */
	_Atomic uint64_t dropped; /* for which there was no room, or no memory */
	pthread_mutex_t lock;
	struct list ended; /* under lock: from workers to control */
	unsigned ended_n;
	_Atomic bool posted;
	struct mail mail;
	/* The rest is control's own. Those that have ended come to who sends them, and are given
	 * back by trace_free(); what he leaves in the list is thrown away. NULL: nobody does. */
	void (*deliver)(void *arg, struct list *spans, unsigned n);
	void *arg;
	/* for SHOW TRACES */
	unsigned waiting;              /* with who sends them */
	uint64_t sent, rejected, lost; /* by the receiver's word; for want of it */
	uint64_t posts, posts_failed;
	int64_t sent_wall_us, failed_wall_us; /* the last one; 0: none */
	bool failing;
	char error[200]; /* the last one */
};
void trace_free(struct core *c, struct span *sp);
void traces_collect(struct core *c); /* calls deliver() if there are any. Control thread */
#endif
