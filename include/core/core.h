/* core - sessions, links, pools and the workers that run them: decides who gets which server
 * connection, and when. Ignorant of message formats (proto/), of sockets' details (ev/) and of what
 * a console command looks like (admin/).
 *
 * Threads: one control thread (start, reload, shutdown, console) and N workers. What threads share
 * stands in doc/internals/threads.md: struct pool, struct dbase and struct account (atomics),
 * struct core (atomics and one mutex for creating those), and generations of configuration
 * (immutable, counted). */
#ifndef CORE_CORE_H
#define CORE_CORE_H
#include "auth/account.h"
#include "auth/forms.h"
#include "auth/helper.h"
#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/policy.h"
#include "auth/secrets.h"
#include "auth/users.h"
#include "base/hist.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "cluster/token.h"
#include "core/query.h"
#include "core/topology.h"
#include "core/trace.h"
#include "ev/addr.h"
#include "ev/listen.h"
#include "ev/loop.h"
#include "ev/resolver.h"
#include "ev/stream.h"
#include "ev/tls.h"
#include "proto/proto.h"

#include <pthread.h>
#include <stdatomic.h>

#define CORE_WORKERS_MAX 64
#define CORE_LISTEN_MAX 64
#define CORE_LINK_CLASSES 128 /* client_link_class() is below */
#define CORE_RBUF_BYTES (128u << 10)
#define CORE_HIGH_WATER_BYTES (256u << 10) /* queued to one side: stop reading the other */
#define CORE_COPY_BELOW (16u << 10)   /* smaller runs are gathered, so that one write sends them */
#define CORE_READS_PER_EVENT 8        /* one peer does not starve the others */
#define CORE_INSPECT_BYTES (4u << 20) /* longer statements are not read, but passed on */

struct core;
struct worker;
struct session;
struct link;
struct pool_shard;
struct authq;
struct cancel;
struct core_console;
struct core_token;
struct helper_proc;
struct link_login;
struct query_said;
struct query_table;
struct session_login;

/* ---- shared by all threads ---- */

/* A generation of configuration. Built by control, counted; never modified. */
struct core_gen {
	_Atomic unsigned refs;
	unsigned serial;
	struct conf *conf;
	struct users *users;        /* may be NULL */
	struct hba *hba;            /* may be NULL */
	struct ident *ident;        /* may be NULL */
	struct tls_ctx *client_tls; /* NULL: off */
	struct tls_ctx *http_tls;   /* the same of the HTTP port */
	/* towards those who are asked by HTTPS; NULL: nobody is */
	struct tls_ctx *otlp_tls, *patroni_tls;
	struct topo *topo;        /* NULL: no clusters */
	struct core_rules *rules; /* NULL: none */
};
/* Section [rules] with its patterns compiled; immutable. */
struct core_rules {
	unsigned n, ids_n; /* ids are below ids_n */
	struct core_rule {
		struct proto_rule proto;
		const struct conf_rule *conf;
		struct cidr *nets; /* of address= */
		unsigned nets_n;
	} v[];
};
/* NULL: there are none. Patterns that do not compile are told to m. Control. */
struct core_rules *core_rules_build(const struct conf *conf, struct conf_msgs *m);
void core_rules_free(struct core_rules **all); /* *all may be NULL */
struct core_gen *gen_ref(struct core_gen *g);
void gen_unref(struct core_gen *g); /* the last one frees */

/* Is it told of by its own name where metrics are given out, or as one of "the others"? Decided
 * once, when a worker first uses it, so that what was counted never changes its name. */
enum core_series { SERIES_UNDECIDED, SERIES_OWN, SERIES_OTHER };
/* How many have their own. Under core.lock. */
struct series_used {
	unsigned n,
		invented; /* invented: clients brought the name, and it is in no configuration */
};

/* A database as clients name it. Lives as long as the process. */
struct dbase {
	char *name;
	const struct proto_ops *ops;
	_Atomic unsigned clients, links;
	_Atomic bool paused, disabled, killed; /* killed: no new clients until RESUME */
	_Atomic unsigned epoch; /* RECONNECT counts it up: older links close when released */
	_Atomic int64_t paused_at_us;
	_Atomic uint8_t series; /* enum core_series */
	uint8_t *facts;         /* what its servers said of themselves; under core.lock. facts.c */
	size_t facts_n;
};
/* A user as clients name it, for caps and SHOW USERS. */
struct account {
	char *name;
	_Atomic unsigned clients, links;
};
/* Links of one (database, server user). Invariant: links in all shards and mailboxes == open <=
 * limit + reserve, except after the limit was lowered (then open only falls). */
struct pool {
	struct dbase *db;
	struct account *account;  /* of the client's user; with a forced user: of that one */
	char *user;               /* at the server */
	struct server_node *node; /* of a cluster; NULL: the database has hosts of its own */
	_Atomic unsigned open, limit, reserve;
	_Atomic unsigned db_cap, user_cap; /* 0 = none */
	_Atomic int64_t retry_at_us;       /* nobody connects before */
	_Atomic unsigned failures;         /* connects or logins failed in a row */
	_Atomic unsigned pauses;           /* ... and how often that made us wait longer */
	_Atomic unsigned next_host;
	_Atomic int64_t
		cert_end_s;        /* of the certificate that its server showed last, since 1970; 0:
				       none */
	_Atomic uint8_t series;    /* enum core_series */
	_Atomic uint64_t wanted;   /* bit w: worker w has waiters and published oldest[w] */
	_Atomic uint64_t has_idle; /* bit w: worker w has idle links */
	_Atomic int64_t oldest[CORE_WORKERS_MAX]; /* since when its first waiter waits; 0 = nobody,
						     or claimed by a donor */
	struct pool_shard *shard[CORE_WORKERS_MAX]; /* [w] is touched by worker w only */
	pthread_mutex_t err_lock;
	struct err last_err;        /* why the last connect failed; under err_lock */
	_Atomic unsigned stand_ins; /* reads here that replicas would answer: see stand_in.c */
};

enum core_state {
	CORE_RUNNING,
	CORE_SUSPENDED,
	CORE_HANDED, /* the process after an upgrade takes all new clients */
	CORE_WAIT_CLIENTS,
	CORE_WAIT_SERVERS,
	CORE_DRAIN,
	CORE_STOP
};

/* Where clients come in, and what is spoken there. */
struct core_listen {
	int fd;
	const struct proto_ops *ops;
	enum conf_endpoint endpoint; /* of those who come in here */
};

struct core_place { /* where a session is, in its process */
	uint32_t worker, slot, id;
};

/* What became of a session on its way to another process. The numbers are in messages. */
enum core_moved { CORE_MOVE_REFUSED, CORE_MOVED, CORE_MOVE_LATER };

/* What operators have stopped. */
#define CORE_HELD_PAUSED 1U
#define CORE_HELD_KILLED 2U
#define CORE_HELD_DISABLED 4U
struct core_held {
	enum { CORE_HELD_ALL, CORE_HELD_DBASE, CORE_HELD_CLUSTER } what;
	const struct proto_ops *ops; /* CORE_HELD_DBASE */
	const char *name;            /* ... and CORE_HELD_CLUSTER; else "" */
	unsigned how;                /* bits; 0: not any more */
};

/* What became of a KILL. */
enum core_killed { CORE_KILLED, CORE_KILLED_NOBODY, CORE_KILLED_NOT_OWNER };

/* Why a client is still with the process before an upgrade. */
enum core_stays {
	CORE_STAYS_BUSY, /* a query, a transaction, or it waits for a server */
	CORE_STAYS_LINK, /* pinned, or session mode */
	CORE_STAYS_TLS,
	CORE_STAYS_CODED,
	CORE_STAYS_UNSETTLED, /* half a message, or something of it is not known */
	CORE_STAYS_TOO_BIG,
	CORE_STAYS_REFUSED,
	CORE_STAYS_OTHER, /* logging in, replication, consoles */
	CORE_STAYS_N
};

struct core {
	struct loop *loop; /* control's */
	unsigned n_workers;
	struct worker *worker[CORE_WORKERS_MAX];
	_Atomic unsigned clients; /* counted against max_client_conn */
	_Atomic unsigned session_ids, link_ids;
	_Atomic int state;    /* enum core_state */
	_Atomic bool paused;  /* PAUSE without a database */
	struct core_gen *gen; /* control's reference to the newest */
	pthread_mutex_t
		lock; /* guards the three maps: taken at login and by control, never per query */
	struct hmap dbases, accounts, pools;
	struct series_used db_series, pool_series; /* under lock */
	_Atomic unsigned series_max;               /* metrics_max_pools */
	struct hmap clusters, nodes;               /* control's */
	struct hmap rule_ids; /* control's: name and text of a rule -> id + 1 */
	unsigned rules_n;     /* ids given so far */
	struct core_listen listen[CORE_LISTEN_MAX];
	unsigned n_listen;
	unsigned generation; /* of the process: 1, and one more with each upgrade */
	int client_fd_end;   /* a client's descriptor is below: the rest is for servers */
	const char *version;
	/* An upgrade is under way or not over: the other process may know the key of a cancel
	 * request that nobody knows here. Called on the control thread; takes fd. */
	void (*stray_cancel)(
		void *arg, const struct proto_ops *ops, int fd, const uint8_t *key, size_t n);
	void *stray_arg;
	/* A KILL of a session that is not here: account asks for it. False: it cannot be asked;
	 * else core_kill_told() or core_kills_lost() follows. And the answer to one of its own. The
	 * same. */
	bool (*stray_kill)(void *arg, uint32_t id, const struct proto_ops *ops, uint32_t number,
		bool whole, bool any, const char *account);
	void (*stray_killed)(void *arg, uint32_t id, enum core_killed how);
	/* What operators hold has changed here: the other process is told. The same. */
	void (*held)(void *arg, const struct core_held *h);
	_Atomic bool has_other; /* ... and is asked */
	struct list kills;      /* control's: those that it is asked */
	uint32_t kill_ids;
	unsigned asked_n; /* control's: scattered, and not all gathered yet */
	bool settled;     /* control's: core_settle() */
	/* Sessions on their way to the process after an upgrade, or from the one before. All are
	 * called on the control thread. */
	struct core_moves {
		void *arg;
		unsigned each_n; /* so many of a worker's at a time */
		/* A session of this process is to go; fd is its own, link_fd (-1: none) that of
		 * the link that goes along. False: it stays. Else core_move_end() follows. */
		bool (*out)(void *arg, const struct core_place *from, const struct proto_ops *ops,
			int fd, int link_fd, const uint8_t *state, size_t n);
		/* ... has gone, and may live there now; or it has not. */
		void (*gone)(void *arg, const struct core_place *from, bool gone);
		/* A session has come, and waits at that place for core_move_start(); or it
		 * cannot, or not now. */
		void (*in)(void *arg, const struct core_place *from, const struct core_place *at,
			enum core_moved how);
		/* The answer to core_count_stays(): CORE_STAYS_N numbers. */
		void (*stay)(void *arg, const unsigned *n);
	} moves;
	/* Of the process before this one, as long as it serves clients; its pid 0: it does not. */
	_Atomic unsigned before_pid, before_clients, before_stays[CORE_STAYS_N];
	/* Control's: its server connections of what is held, when it had heard so many changes; and
	 * how many it was told. In that process: how many it has heard. */
	unsigned before_links, before_heard, held_told, held_heard;
	/* The console: admin/ sets it. Called on the control thread; r is answered with
	 * core_console_done(). */
	void (*console)(struct core *c, struct core_console *r);
	/* Workers met trouble with a node (links that broke, refused connects). Set before
	 * core_start(); called on the control thread. */
	void (*node_trouble)(void *arg, const char *cluster, unsigned node,
		enum cluster_signal what, const char *why);
	/* A read waits for a replica: its nodes are to be sampled now. The same. */
	void (*node_kick)(void *arg, const char *cluster);
	/* A session asks for its token, or brings one: answered with core_token_done(), at once or
	 * after more samples. The same. */
	void (*node_token)(void *arg, struct core_token *t);
	void *node_arg;
	struct traces traces;
};

/* ---- a worker ---- */

enum session_state {
	SESSION_LOGIN,
	SESSION_IDLE,
	SESSION_WAITING,
	SESSION_ACTIVE,
	SESSION_CLOSING,
	SESSION_N
};
enum link_state {
	LINK_CONNECTING,
	LINK_LOGIN,
	LINK_IDLE,
	LINK_ACTIVE,
	LINK_CLEANING,
	LINK_CANCELED,
	LINK_MOVING,
	LINK_CLOSING,
	LINK_N
};

/* Per database on one worker: written by the worker, read on its thread (scatter). Times in
 * microseconds. */
#define CORE_STATS(X) \
	X(assignments) \
	X(xacts) \
	X(queries) \
	X(rx_bytes) \
	X(tx_bytes) \
	X(xact_us) X(query_us) X(wait_us) X(client_parses) X(server_parses) X(binds) X(logins)
struct dbstats {
	struct dbase *db;
	struct proto_counters proto;
	struct proto_names *names; /* of its catalog; NULL: not known (now) */
#define X(f) uint64_t f;
	CORE_STATS(X)
#undef X
};

/* Per pool on one worker: the same. Lives as long as the worker, so that nothing counts backwards
 * when a pool is not used for a while. */
enum pool_hist { HIST_WAIT, HIST_QUERY, HIST_XACT, HIST_CONNECT, POOL_HISTS_N };
struct poolstats {
	struct pool *pool; /* NULL: all of SERIES_OTHER */
	struct hist hist[POOL_HISTS_N];
	uint64_t connects_failed, wait_timeouts;
	uint64_t rx_bytes, tx_bytes; /* of server connections that were closed */
	/* Of a node of a cluster: how often a session got a connection, for a transaction or a
	 * statement alone; those that were proven to read; those of them that replicas would
	 * answer. */
	uint64_t assigned, reads, stand_ins;
	uint64_t parked, held; /* of a pool for those who wait: for a replica; for any node */
};
/* Why clients did not get in. OTHER is 0: all that no other word is for. */
#define CORE_LOGIN_FAILURES(X) \
	X(OTHER, "other") \
	X(AUTH, "authentication") \
	X(DATABASE, "database") \
	X(LIMIT, "limit") \
	X(TIMEOUT, "timeout") \
	X(SERVER, "server") \
	X(PROTOCOL, "protocol")
enum login_failure {
#define X(id, name) LOGIN_FAILED_##id,
	CORE_LOGIN_FAILURES(X)
#undef X
		LOGIN_FAILURES_N
};

struct waiter { /* somebody who waits for a link */
	struct list node;
	int64_t since_us;        /* loop clock */
	int64_t held_us;         /* since when, while it is moved from one pool to another */
	struct pool_shard *on;   /* where it waits */
	struct session *session; /* or */
	struct authq *authq;     /* then link_class does not matter */
	uint8_t link_class;      /* only a link of this class will do (client_link_class()) */
};

struct pool_shard {
	struct pool *pool;
	struct worker *w;
	/* The pool of the same database and user that sessions belong to. In a cluster that one
	 * has no links: its waiting list holds what no node can take now, and each node has a pool
	 * in its subs. Elsewhere: itself. */
	struct pool_shard *home;
	struct list subs, sub;
	const struct topo_cluster *topo; /* of worker.gen; NULL: no cluster */
	struct list node;                /* in worker.shards */
	struct list touched;             /* in worker.touched while something changed this turn */
	struct settings set;             /* effective for (database, user) */
	const struct conf_db *cdb;       /* of worker.gen; NULL: gone after a reload */
	struct tls_ctx *tls;             /* towards the servers; NULL: never */
	struct list links[LINK_N];
	unsigned n_links[LINK_N];
	struct list waiting; /* struct waiter, first come first */
	unsigned n_waiting;
	struct proto_creds *creds; /* how to log in; NULL: unknown yet */
	struct proto_cache *cache;
	bool welcomed; /* the cache has learned a welcome: logins that wait may be over */
	struct dbstats *stats;
	struct poolstats *counts;
	uint8_t metered; /* PROTO_METER_*: its statements are counted, or may be logged or traced */
	struct timer timer; /* retry, reserve, caps */
	int64_t last_used_us;
	int64_t lost_us; /* when its server began to lose the links that were there; 0: never */
	unsigned n_sessions;
	uint8_t last_class; /* of the session that wanted a link last: for links nobody waits for */
};

struct worker {
	unsigned id;
	struct core *core;
	struct loop *loop;
	pthread_t thread;
	struct core_gen *gen;
	struct proto_env *env[PROTO_MAX]; /* by proto_ops.id */
	struct resolver *resolver;
	struct secrets *secrets; /* answers of auth_query */
	struct forms forms;      /* ... what those for MySQL's clients look like */
	uint8_t *rbuf;           /* CORE_RBUF_BYTES */
	struct buf up, down;     /* scratch of the event being handled; empty between events */
	struct list sessions[SESSION_N];
	unsigned n_sessions[SESSION_N];
	struct list shards, touched;
	struct hmap shard_by_name;    /* protocol, "db\0user" -> shard */
	struct hmap stats_by_db;      /* the address of a dbase -> struct dbstats */
	struct hmap stats_by_pool;    /* the address of a pool -> struct poolstats */
	struct poolstats other_pools; /* ... of all that have no series of their own */
	uint64_t logins_failed[LOGIN_FAILURES_N];
	struct hmap seen;                  /* name of a cluster -> struct seen_cluster */
	struct list cancels, cancels_done; /* running cancel requests; ended in this turn */
	struct worker_listen {
		struct listener *listener;
		struct worker *w;
		const struct proto_ops *ops;
		enum conf_endpoint endpoint;
	} listen[CORE_LISTEN_MAX];
	unsigned n_listen;
	struct slot {
		uint64_t key;            /* first 8 bytes of the cancel key */
		struct session *session; /* NULL: free */
	} * slots;
	unsigned n_slots, free_slot; /* free_slot: hint */
	struct timer janitor;
	_Atomic int64_t beat_us; /* monotonic; when the janitor last came: the loop turns */
	struct worker_facts {
		uint8_t *bytes; /* for greetings of this protocol; NULL: nothing is known */
		size_t n;
		bool settled; /* clients are greeted, known or not */
	} facts[PROTO_MAX];
	struct rule_count {
		uint64_t followed, gave_up;
	} * rule_counts; /* by id */
	unsigned rule_counts_n;
	struct query_table *queries;        /* NULL: nothing was counted */
	struct query_totals queries_before; /* what it had when it was reset */
	uint64_t slow_n;                    /* statements that took log_min_duration or longer */
	struct worker_slow {                /* of the slow-query log */
		int64_t second_us;
		unsigned lines, dropped;
	} slow;
	struct worker_trace {
		struct list ended; /* struct span.node: on their way to control */
		unsigned n;
		uint32_t no; /* given last */
		struct timer timer;
		uint64_t coin;       /* of trace_sample; 0: not begun */
		uint8_t random[256]; /* for ids */
		unsigned random_n;   /* not used yet */
	} trace;
	struct list probes, probes_done; /* connections that listen for facts */
	struct timer facts_timer;
	int64_t hold_until_us;
	unsigned probe_round;
	struct helper_proc *helper; /* PAM and LDAP; NULL until needed */
	unsigned n_cancels;
	uint32_t numbers;         /* session numbers given so far */
	unsigned forced_serial;   /* generation whose forced users were begun */
	bool running, closed;     /* closed: links may be in LINK_CLOSING */
	bool suspended;           /* SUSPEND: nothing is read from clients */
	bool deaf;                /* it does not listen any more */
	bool old_numbers;         /* a session has a number that could be given again */
	bool hands_over;          /* sessions that become idle go to the next process */
	struct list offers;       /* struct session.offer */
	char extra_names[16][64]; /* track_extra_parameters */
	const char *extra[16];
};

struct session {
	struct stream st;
	struct worker *w;
	const struct proto_ops *ops;
	struct list node;
	enum session_state state;
	const char *close_why;
	struct pool_shard *shard; /* NULL before login, and for the console */
	struct link *link;
	struct waiter wait;
	struct list offer; /* in worker.offers: it became idle in this turn */
	struct timer timer;
	struct session_login *login; /* heap, until logged in */
	struct dbase *db;
	struct account *account;
	struct core_console *console; /* a command is running */
	uint64_t key;
	uint32_t id, slot;
	uint32_t number; /* by which its client knows it; carries the worker */
	int64_t connected_us, request_us, tx_us, state_us; /* loop clock; 0 = not now */
	int64_t pinned_us;  /* since when it keeps its link between transactions; 0 = it does not */
	struct token token; /* what its reads must see */
	struct session_tally { /* for the line about its end (session_end.c) */
		uint64_t login_us, wait_us, pinned_us;
		uint64_t first_us; /* from its first request to the first byte of the answer */
		uint32_t waits, requests, xacts, pins;
		uint32_t link; /* the last one's id; 0: none */
		struct addr node;
		char state;    /* in which it lost its link, for session_end.c; 0: none of note */
		char ended_by; /* C, S, P, A or T; 0: as the error says */
	} tally;
	struct session_wish { /* of the request at hand, as struct proto_wish */
		int64_t max_staleness_us;
		uint32_t nodes; /* PROTO_NODE_NAMED: bits by place */
		uint8_t node, consistency;
		bool vouched, own_bound;
	} wish;
	struct proto_ruling ruling;
	struct proto_meter meter;
	int64_t answered_us;       /* when its last statement was */
	struct query_said *said;   /* query_log.c; NULL: nothing */
	struct span *spans;        /* of statements that are not answered, oldest first */
	uint32_t waited_us;        /* for the link of the request at hand */
	struct proto_rules *rules; /* of the worker's generation, those for it; NULL: none */
	int64_t rule_timeout_us;   /* of the request at hand, if timed_by_rule */
	struct pool *stands_in;    /* its read counts in stand_ins of this one; NULL: none */
	int64_t parked_until_us;   /* it waits for a replica; PARK_OVER: it has; 0: it does not */
	uint64_t refused_at; /* version of the view by which a primary refused it; 0: none did */
	int64_t deaf_us;     /* since when a link is sought on which it listens again; 0: none is */
	/* What it has sent for the request at hand, in a cluster: as long as nothing was answered,
	 * another node can be asked. */
	struct buf again;
	struct addr addr;
	uint8_t came_to;   /* enum conf_endpoint of its port */
	uint8_t endpoint;  /* ... that it is served by */
	uint8_t privilege; /* console: enum console_privilege */
	bool logical;      /* raw: logical replication */
	bool reads;        /* the request at hand is known to only read */
	bool may_again;    /* again has all of it */
	bool to_primary;   /* a replica has refused it */
	bool timed_by_rule;
	uint8_t again_n; /* how often it was asked again */
	uint8_t deaf_n;  /* links on which it could not listen again */
	/* Reads in a row that the primary answered only because it had answered the one before;
	 * how often waiting for a replica was in vain. */
	uint16_t near_n;
	uint8_t near_shift;
	bool is_console, paused, counted, want_close, in_tx, cut, raw, greeted, answer_due, relogin,
		said_bye, counted_db, long_key, notified, unread, proxy_due;
	/* OUT: the process after an upgrade gets it; IN: this one just got it. It reads nothing. */
	enum { MOVING_NOT, MOVING_OUT, MOVING_IN } moving;
	uint8_t stays; /* enum proto_stays, when it was last to go */
	bool refused;  /* that process did not take it */
	_Alignas(8) uint8_t cst[];
};

struct link {
	struct stream st;
	struct worker *w;
	const struct proto_ops *ops;
	struct pool_shard *shard; /* NULL while moving */
	struct pool *pool;
	struct list node;
	enum link_state state;
	struct session *session;  /* whom it serves */
	struct authq *authq;      /* or this */
	struct timer timer;       /* of the state: connect, login, clean, check, ask */
	struct link_login *login; /* heap, until logged in */
	struct cancel *cancel;    /* a cancel request for it is on its way */
	const char *close_why;
	uint32_t id;
	uint32_t last_session; /* id of the session that used it last */
	unsigned epoch, gen_serial, fence;
	uint8_t link_class;
	int8_t place; /* of its node in the cluster, while it works for a session; -1: none */
	bool replica; /* that node was not the primary when the session got it */
	struct token_source source; /* that node, as it was then */
	int64_t took_us;            /* the last answer */
	int64_t born_us, state_us, checked_us;
	int64_t idle_us; /* since when nobody uses it, checks apart; 0: somebody does */
	struct addr addr;
	char host[64];
	unsigned port;
	struct mail mail; /* while moving */
	bool paused, asking, checking, release_when_clean, used, ephemeral, goes_on;
	bool place_given; /* another link counts in its place */
	_Alignas(8) uint8_t lst[];
};

/* ---- what server/ and admin/ call (control thread unless said otherwise) ---- */

/* loop: control's. Listening fds are the caller's to open. NULL with e set. */
struct core *core_new(struct loop *loop, struct core_gen *gen, const struct core_listen *ls,
	unsigned n, struct err *e);
int core_start(struct core *c, struct err *e); /* starts the workers */
const char *core_helper_path(void);            /* weirpool-auth-helper: for the sandbox */
/* New configuration: takes a reference of gen; workers switch one by one; the old one is freed when
 * all have. */
void core_reload(struct core *c, struct core_gen *gen);
/* Clients come here too from now on; the descriptors stay the caller's, open as long as c. */
void core_listen_also(struct core *c, const struct core_listen *ls, unsigned n);
/* As cancel_request() on a worker; nobody else is asked. Takes fd. */
void core_cancel(struct core *c, const struct proto_ops *ops, int fd, const uint8_t *key, size_t n);
/* To be called when an operator has changed what is held: of d, or of everything (NULL). */
void core_held_changed(struct core *c, const struct dbase *d);
void core_held_cluster_changed(struct core *c, const char *cluster);
/* All that is held, until fn says false; it must not call core. False: it has. */
bool core_held_each(struct core *c, bool (*fn)(void *arg, const struct core_held *h), void *arg);
void core_held_take(struct core *c, const struct core_held *h); /* as the other process says */
unsigned core_held_links(struct core *c); /* server connections of what is paused */
/* The process before has none of what is paused here. */
bool core_held_before(const struct core *c);
/* A KILL of the other process: stray_killed() follows. False: no memory. */
bool core_kill(struct core *c, uint32_t id, const struct proto_ops *ops, uint32_t number,
	bool whole, bool any, const char *account);
void core_kill_told(struct core *c, uint32_t id, enum core_killed how);
void core_kills_lost(struct core *c); /* the other process is gone */
/* Sessions that can move are stopped and offered to moves.out, moves.each_n of each worker. */
void core_move_out(struct core *c);
/* The other process has the session: it ends here without a word. Or it does not, and it goes on
 * here: REFUSED for good, LATER until it is offered again. moves.gone follows. */
void core_move_end(struct core *c, const struct core_place *at, enum core_moved what);
/* Why those that are still here are; moves.stay follows. */
void core_count_stays(struct core *c);
const char *core_stays_text(enum core_stays why); /* for the log */
const char *core_stays_key(enum core_stays why);  /* for SHOW STATE */
/* A session of another process, and its link (link_fd -1: none); moves.in follows. Takes both
 * descriptors; false: it does not. */
bool core_move_in(struct core *c, const struct core_place *from, const struct proto_ops *ops,
	int fd, int link_fd, const uint8_t *state, size_t n);
/* own: it is ours alone now; else its connection is closed here without a word. */
void core_move_start(struct core *c, const struct core_place *at, bool own);
/* Ends the sessions of the console that run no command: who operates is to meet the process that
 * takes new clients. */
void core_end_consoles(struct core *c);
/* CORE_HANDED: no new clients here, all goes on for the others, links that they do not need are
 * closed; CORE_RUNNING takes new ones again.
 * CORE_DRAIN: sessions end at a transaction boundary with 57P01; WAIT_CLIENTS: no new clients, wait
 * for the others; WAIT_SERVERS: links are closed when released; STOP: everything closes now. */
void core_set_state(struct core *c, enum core_state s);
unsigned core_n_sessions(struct core *c);                      /* clients, console included */
unsigned core_n_links(struct core *c, const struct dbase *db); /* NULL: all */
void core_free(struct core *c); /* after CORE_STOP and all is closed: joins the workers */

/* Runs each(w, part) on every worker's thread and then done() on control's. part is a zeroed area
 * of part_size bytes per worker; parts stay valid until done returns. done NULL: nobody waits, and
 * the last worker clears up. */
struct scatter {
	void (*each)(struct worker *w, void *part, void *arg);
	void (*done)(struct scatter *s);
	void *arg;
	unsigned n;
	_Atomic unsigned left;
	size_t part_size;
	uint8_t *parts;
	struct core *core;
};
int core_scatter(struct core *c, size_t part_size, void (*each)(struct worker *, void *, void *),
	void (*done)(struct scatter *), void *arg); /* -1: no memory, or core_settle() */
/* The end, once control's loop has stopped: takes the workers' answers to all that was scattered,
 * while those who asked are still there. Nothing is scattered any more. */
void core_settle(struct core *c);
static inline void *scatter_part(struct scatter *s, unsigned i)
{
	return s->parts + i * s->part_size;
}

/* On the worker's thread: where a text of a new session of this entry and user would go now. -1:
 * there is no such entry. */
struct core_explained {
	char verdict[16], reason[256], rule[128];
	char to[16];     /* primary, replica, server (no cluster), refused, held */
	char nodes[512]; /* that may answer, "a:1,b:2" */
};
int core_explain(struct worker *w, const char *db, const char *user, const char *sql,
	struct core_explained *out, struct err *e);

/* A query of ours on a pooled link of worker 0, for its first row. Allocate with MEM_MSG, fill db,
 * user, sql, done and arg, and hand it over: done() runs on control's thread, and the query is
 * freed after it. Waits as long as it takes to get a link. */
#define CORE_QUERY_CELLS 8
struct core_query {
	struct mail mail;
	struct core *core;
	const struct proto_ops *ops;
	const char *db, *user, *sql; /* must outlive the query */
	void (*done)(struct core_query *q);
	void *arg;
	char *cells[CORE_QUERY_CELLS];
	unsigned n_cells;
	const char *tls; /* version of the link's TLS, or NULL */
	char where[80];  /* host:port */
	struct err err;
};
void core_query(struct core *c, struct core_query *q);

enum console_privilege { CONSOLE_NONE, CONSOLE_STATS, CONSOLE_ADMIN };
/* One console command on its way: from a worker to control and back. */
struct core_console {
	struct mail mail;
	struct core *core;
	unsigned worker;
	uint32_t session_id; /* the session may be gone when the answer comes */
	unsigned slot;
	enum console_privilege privilege;
	char *sql;     /* NUL-terminated copy */
	char who[128]; /* user@addr:port for the audit log */
	struct rowset result;
	struct list node; /* admin's */
	void *admin;      /* admin's */
	void *query;      /* admin's: what the client wants of the rows; NULL: all */
	/* NULL: a session has asked, on that worker. Else called on control's thread with the
	 * answer, perhaps before the command's function returns; r is its to free. */
	void (*done)(struct core_console *r);
};
/* The answer is in r->result: sends it to the worker, which frees r. */
void core_console_done(struct core_console *r);

/* A session's PEV_TOKEN on its way: from its worker to control and back. */
struct core_token {
	struct mail mail;
	struct core *core;
	unsigned worker, slot;
	uint32_t session_id; /* it may be gone when the answer comes */
	bool import;
	struct token token; /* the session's, as it was; an import changes it */
	char *cluster;
	struct buf text; /* in: what is imported; out: what is exported */
	struct err err;
	struct list node; /* control's: waits for a sample */
	int64_t until_us; /* control's */
};
/* The answer is in t: sends it to the worker, which frees t. Control thread. */
void core_token_done(struct core_token *t);

/* Objects by name. Any thread. Never NULL unless out of memory. */
struct dbase *core_dbase(struct core *c, const struct proto_ops *ops, const char *name);
struct dbase *core_dbase_find(
	struct core *c, const struct proto_ops *ops, const char *name); /* NULL if never used */
struct account *core_account(struct core *c, const char *name);
/* Of connections to servers; the caller's. NULL: none, or e says why it cannot be made. */
struct tls_ctx *core_server_tls(
	const struct settings *set, const struct proto_ops *ops, struct err *e);
/* node NULL: the database has hosts of its own, or this is the pool for those who wait. */
struct pool *core_pool(struct core *c, struct dbase *db, struct account *a, const char *server_user,
	struct server_node *node);

/* On a worker's thread. */
void session_kill(struct session *s, enum err_code code,
	const char *why); /* FATAL to the client, then close */
void worker_kill_db(struct worker *w, const struct dbase *db,
	enum err_code code); /* its clients and links, NULL: all */
void worker_sweep(
	struct worker *w); /* closes idle links that must not stay; wakes waiters after RESUME */
struct session *worker_session(struct worker *w, unsigned slot, uint32_t id);
/* Cancel requests on their way to another weirpool, and how many of them have no connection yet. */
unsigned worker_peer_cancels(const struct worker *w, int peer_id, unsigned *connecting_r);
static inline unsigned session_wait_us(const struct session *s, int64_t now)
{
	return s->wait.since_us ? (unsigned)(now - s->wait.since_us) : 0;
}
#endif
