/* proto - what core/ knows of a wire protocol: bytes in, events out. Implementations do no I/O,
 * hold no timers, start no threads and never see a pool; they append bytes to the buffers they are
 * given. One struct proto_ops per protocol.
 *
 * Words: `cst` is the protocol's state of a client session, `lst` that of a link (server
 * connection). Both live inside core's objects, are client_size / link_size bytes, zeroed, and
 * belong to one thread (that of their env) at a time. `up` is the buffer of bytes to be sent to the
 * server, `down` that of bytes to be sent to the client: core sends `down`/`up` before it sends the
 * raw bytes of a later PEV_FORWARD, so order is kept.
 *
 * One process may speak several of them: each listener, session, link and pool has its own ops.
 *
 * The life of a session:  client_init -> client_step* -> PEV_LOGIN -> (core finds out which proof)
 * client_auth -> client_step* -> PEV_AUTH_OK -> client_ready() true, or: attach a link, PEV_SYNCED,
 * client_ready() true -> up()/down() ... -> client_fini. The life of a link:  link_init ->
 * link_step* -> PEV_AUTH_OK -> { attach -> up/down -> PEV_TX -> link_release -> detach }* ->
 * link_fini. */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H
#include "base/buf.h"
#include "base/coding.h"
#include "base/err.h"
#include "base/rd.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pev_kind {
	PEV_MORE,    /* need more bytes: nothing consumed (n = 0) */
	PEV_DROP,    /* n bytes consumed; what they caused is in up/down */
	PEV_FORWARD, /* pass these n bytes (all are in the input) on unchanged, after up/down */
	/* client_step only */
	PEV_TLS, /* n bytes were a request for TLS: answer with client_tls_answer(), then handshake.
		    Core refuses the session when bytes follow */
	PEV_TLS_DIRECT, /* n = 0: the input is a TLS ClientHello */
	PEV_LOGIN,      /* who, which database: client_login() tells */
	PEV_PASSWORD, /* text/text_n: a clear-text password, for an outside check; core answers with
			 client_auth_result() and wipes it */
	PEV_AUTH_OK,  /* client: proven. link: logged in and ready */
	PEV_CANCEL,   /* key/key_n: a cancel request; the connection ends after it */
	/* up only */
	PEV_REQUEST, /* lst == NULL and the next message needs a link: nothing consumed. wish */
	PEV_CONSOLE, /* console sessions: text/text_n is one SQL text; answer with console_reply()
			before the next step */
	PEV_BYE,     /* the client said good-bye */
	PEV_KILL,    /* number, whole: end the session or the statement of that number
			(proto_greet.number); answer with client_killed() before the next step */
	PEV_TOKEN,   /* the session's token is asked for; or, with text/text_n, one that it is
			to have from here on. Answer with client_answer() before the next step */
	PEV_RELOGIN, /* the client wants to be somebody else: core takes its link away and asks
			client_login() again, as after PEV_LOGIN */
	/* down only */
	PEV_SYNCED, /* the batch put by attach() has been answered, and nothing else is owed */
	PEV_TX,     /* n bytes consumed (already put in down, if a client is attached): a request is
		       over. tx, idle */
	PEV_ASKED,  /* the state query put by link_release() was answered: call link_release() again
		     */
	PEV_ROW,    /* a row of link_query(): cells */
	PEV_QUERY_DONE, /* link_query() is over; e is set if it failed */
	PEV_REFUSED,  /* n = 0: the server has done nothing of the request, because of what it is: a
			   standby, in recovery (e); and nothing of its answer was passed on. Core
			   takes the request elsewhere, or says client_confine() without guard
			   and goes on */
	PEV_LINK_BAD, /* the link cannot be used any more (e says why; log it), the client has got
			   its answer and lives on; or, with text/text_n, these bytes of its
			   are input again, for another link. During its login it waits for one */
	/* everywhere */
	PEV_NOTE, /* n bytes consumed; something to log: e.msg (a NOTICE on an idle link and the
		     like) */
	PEV_BAD   /* this side broke the protocol, or its login failed: e is set */
};

enum tx_state { TX_IDLE, TX_OPEN, TX_FAILED };

/* What a request asks for beside its text: by a comment, by settings of its session, or by a rule.
 * Core follows it as far as the endpoint and the freshness of nodes allow. */
enum proto_node {
	PROTO_NODE_ANY,     /* as pev.reads says */
	PROTO_NODE_PRIMARY, /* pev.reads is false */
	PROTO_NODE_REPLICA, /* a replica if one may answer, and only then the primary */
	PROTO_NODE_NAMED    /* of its cluster's nodes: those in nodes, or the one called name */
};
enum proto_consistency {
	PROTO_CONSISTENCY_AS_SET, /* by the configuration */
	PROTO_CONSISTENCY_EVENTUAL,
	PROTO_CONSISTENCY_BOUNDED,
	PROTO_CONSISTENCY_SESSION,
	PROTO_CONSISTENCY_GLOBAL,
	PROTO_CONSISTENCY_STRONG
};
#define PROTO_NODE_NAME_MAX 63
struct proto_wish {
	enum proto_node node;
	enum proto_consistency consistency;
	int64_t max_staleness_us; /* below 0: as configured; 0: no bound */
	uint32_t nodes;           /* bits by place in the cluster; 0: see name */
	bool hinted;              /* this text asks for it, not its session */
	bool unclear;             /* a comment of which not all was understood */
	/* No proof that it only reads, and reads is false, but a rule's word: a replica may run it.
	 * Where it could write it counts as a write. */
	bool vouched;
	bool own_bound;                     /* max_staleness_us counts whatever is configured */
	char name[PROTO_NODE_NAME_MAX + 1]; /* not filled where it does not count */
};

struct pev {
	enum pev_kind kind;
	size_t n;         /* input bytes this event accounts for */
	enum tx_state tx; /* PEV_TX */
	bool idle;        /* PEV_TX: the server owes nothing more */
	bool reads;       /* PEV_REQUEST: all that comes until the link is free again is proven
				to only read, and may run on a replica */
	/* PEV_REQUEST: what it asks for; NULL: nothing. Valid until the next call. */
	const struct proto_wish *wish;
	const uint8_t *text; /* PEV_CONSOLE, PEV_PASSWORD, PEV_CANCEL(key), valid until the input
				buffer changes */
	size_t text_n;
	bool refused;             /* PEV_BAD of a link's login: trying again will not help */
	bool coded;               /* PEV_DROP of a link's login: link_coding() from here on */
	uint32_t number;          /* PEV_KILL */
	bool whole;               /* PEV_KILL: the session, not only what it runs */
	const char *const *cells; /* PEV_ROW: NULL pointers are NULLs; valid until the next call */
	unsigned n_cells;
};

/* Why a session keeps its link: names in SHOW CLIENTS. */
/* clang-format off */
#define PROTO_PINS(X) \
	X(TEMP, "temp") \
	X(ADVISORY, "advisory_lock") \
	X(LISTEN, "listen") \
	X(HOLD, "with_hold_cursor") \
	X(PREPARE, "sql_prepare") \
	X(LOAD, "load") \
	X(SEED, "setseed") \
	X(SEQUENCE, "sequence") \
	X(SETTING, "setting") \
	X(UNKNOWN, "unknown") \
	X(REPLICATION, "replication") \
	X(CURSOR, "cursor") \
	X(LONG_DATA, "long_data") \
	X(TABLE_LOCK, "lock_tables") \
	X(GLOBAL_LOCK, "global_lock") \
	X(INSTANCE_LOCK, "instance_lock") \
	X(USER_LOCK, "user_lock") \
	X(HANDLER, "handler") \
	X(VARIABLE, "user_variable") \
	X(ROLE, "role") \
	X(FOUND_ROWS, "found_rows") \
	X(XA, "xa") \
	X(NEXT_TX, "next_transaction")
/* clang-format on */
enum proto_pin {
#define X(id, name) PIN_##id##_BIT,
	PROTO_PINS(X)
#undef X
		PIN_N
};
#define PIN(id) (1u << PIN_##id##_BIT)
const char *proto_pin_name(enum proto_pin p);

enum proto_release {
	REL_FREE,   /* the session may let go of the link */
	REL_ASKING, /* a state query is in up: wait for PEV_ASKED (requests of the client may go on
		       meanwhile) */
	REL_PINNED  /* keep it: client_pins() tells why */
};

/* Counted by the protocol, shown by core. Owner: the worker. */
struct proto_counters {
	uint64_t queries, client_parses, server_parses, binds, syncs_sent, asks_sent;
};

/* Per worker: interned variable sets and statements, limits. */
struct proto_env;
struct proto_env_opts {
	uint64_t stmt_bytes;        /* budget for statement texts kept by this worker */
	uint32_t max_message_bytes; /* 0: protocol's own limit */
	uint32_t max_inspect_bytes; /* statements above this are not parsed: their effects are asked
				       for */
	const char *const *track_extra; /* NULL-terminated parameter names (track_extra_parameters);
					   may be NULL */
};

/* Compressed forms of a protocol, as bits. */
#define PROTO_CODING_ZLIB 1u
#define PROTO_CODING_ZSTD 2u

/* What a protocol in which the server speaks first says to a client of which nothing is known. */
struct proto_greet {
	uint32_t number;  /* of the session, for PEV_KILL; not 0 */
	bool tls;         /* offered */
	unsigned codings; /* offered: PROTO_CODING_* */
	/* What the links of this protocol have learned (link_facts(), joined by facts_join());
	 * facts_n 0: nothing yet. Valid during client_init(). */
	const uint8_t *facts;
	size_t facts_n;
	const char *version; /* to claim when nothing is known; never NULL */
};

struct proto_login { /* strings belong to cst until client_ready() was true */
	/* database: user's name when none was given; with schema_is_state: "" */
	const char *user, *database, *application_name;
	bool database_given;
	enum { PROTO_REPL_NONE, PROTO_REPL_PHYSICAL, PROTO_REPL_LOGICAL } replication;
	const char
		*endpoint; /* which nodes of its cluster it wants to use; NULL: it says nothing */
	unsigned major, minor;
};

struct proto_proof { /* what to ask of a client; secrets are only read during client_auth() */
	enum {
		PROOF_NONE,
		PROOF_CLEAR,
		PROOF_MD5,
		PROOF_SCRAM,
		PROOF_MYSQL_ANY,    /* secret is plain: the plugin that the client prefers */
		PROOF_MYSQL_NATIVE, /* mysql_native_password; secret plain or "*HEX" */
		/* caching_sha2_password: fast with mysql_verifier, else the password itself is
		 * handed out as PEV_PASSWORD; the secret is for core alone */
		PROOF_MYSQL_SHA2
	} kind;
	bool clear_outside; /* PROOF_CLEAR: hand the password out as PEV_PASSWORD instead of
			       comparing */
	bool doomed; /* the user does not exist or may not in: run the exchange, fail at the end,
			same bytes and timing as far as can be */
	/* Plain, "md5...", "SCRAM-SHA-256$...", "*HEX"; "" with PROOF_MYSQL_...: no password.
	 * PROOF_SCRAM takes a plain one too (derives, slow). NULL if doomed, or one that takes the
	 * same time */
	const char *secret;
	uint32_t scram_iterations; /* for deriving from a plain secret */
	bool offer_plus;           /* TLS: offer SCRAM-SHA-256-PLUS as well */
	const uint8_t *cbind;      /* tls-server-end-point data of our certificate */
	size_t cbind_n;
	/* MySQL */
	const uint8_t *mysql_verifier; /* of the secret: 32 bytes, SHA256(SHA256(password)) as an
					  earlier login taught it; NULL: not known */
	const uint8_t *cert_sha256;    /* 32 bytes: hash of our TLS certificate; NULL: none */
	bool is_private;               /* a unix socket: a password may be sent in clear */
	const char *host; /* where the client is, for "Access denied for user 'u'@'host'" */
};

struct proto_creds { /* how to log in to a server; a copy lives in the link during login only, wiped
			after it */
	char password[1024]; /* "" = none */
	bool has_scram_keys;
	uint8_t client_key[32], server_key[32]; /* SCRAM passthrough */
	bool has_native, has_sha2;              /* MySQL: what of the password is known */
	uint8_t native[20];                     /* SHA1(password) */
	uint8_t sha2[32];                       /* SHA256(password) */
};

struct proto_kv {
	const char *key, *value;
};
struct proto_link_login {
	const char *user, *database;
	const struct proto_kv *params;   /* ended by a NULL key: sent in the startup packet */
	const struct proto_creds *creds; /* copied */
	bool tls_try, tls_require;       /* sslmode; neither: never ask for TLS */
	bool is_private;                 /* a unix socket: a password may be sent in clear */
	bool tls_direct;  /* core starts the handshake at once and calls link_tls_done() */
	unsigned codings; /* PROTO_CODING_* that may be asked for, if the server offers them */
	uint32_t max_scram_iterations;
	bool replication_physical, replication_logical;
	bool channel_binding_require;
	unsigned link_class; /* client_link_class() of the session that it is for */
	bool protocol_3_2;   /* ask for 3.2 (longer cancel keys); else 3.0, which every server and
			      proxy takes */
};

/* A console answer, filled by admin/, rendered by proto/. Everything in it is owned by it (see
 * proto/rowset.c). */
enum rowset_type { RS_TEXT, RS_INT4, RS_INT8, RS_NUMERIC, RS_TIMESTAMP, RS_BYTEA };
struct rowset {
	unsigned n_cols;
	char **col_names;
	enum rowset_type *col_types;
	size_t n_rows;
	char ***rows;                 /* rows[i][j], NULL = NULL */
	char *tag;                    /* "SHOW", "PAUSE", ... */
	char *notice, *notice_detail; /* or NULL */
	struct err err;               /* code != NONE: an error instead of all else */
};
void rowset_init(struct rowset *r);
void rowset_fini(struct rowset *r);
void rowset_col(struct rowset *r, const char *name,
	enum rowset_type t);         /* dies on out of memory only via err */
char **rowset_row(struct rowset *r); /* a new row, all NULL; NULL when out of memory (err is set) */
void rowset_set(
	struct rowset *r, char **row, unsigned col, const char *v); /* copies; v may be NULL */
void rowset_setf(struct rowset *r, char **row, unsigned col, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

struct proto_cache; /* of one pool on one worker: welcome parameters by startup parameters */

enum proto_mode {
	PROTO_SESSION,
	PROTO_TRANSACTION,
	PROTO_STATEMENT,
	PROTO_RAW /* replication: bytes only */
};

/* What a database's catalog says of names (sql/names.h), shared by all sessions of it. Any thread
 * may read, ref and unref. */
struct sql_names;
struct proto_names {
	_Atomic unsigned refs;
	unsigned as_of; /* proto_catalog_no() before the catalog was read */
	uint64_t no;    /* of all that there were; no other has it */
	struct sql_names *set;
};
/* Rises with each statement that may change a catalog, of any database, before and after it. */
unsigned proto_catalog_no(void);
void proto_catalog_changed(void);
/* Is n still true, as far as this process has seen? */
bool proto_names_fresh(const struct proto_names *n);
/* Takes set over; NULL: no memory. */
struct proto_names *proto_names_new(struct sql_names *set, unsigned as_of);
struct proto_names *proto_names_ref(struct proto_names *n);
void proto_names_unref(struct proto_names **n); /* *n may be NULL; becomes NULL */

/* What the configuration says of some statements. Immutable, for any thread. */
struct sql_match;
struct proto_rule {
	const char *name;              /* the configuration's, as all strings here */
	const struct sql_match *match; /* of the statement; NULL: every one */
	const char *block;             /* what the client is told instead; NULL: it runs */
	enum proto_node node;          /* ANY: as without the rule */
	enum proto_consistency consistency;
	int64_t max_staleness_us, query_timeout_us; /* below 0: as without the rule */
	bool log;
	unsigned id; /* of what is counted of it */
};
/* Compiles the conditions ("" or NULL: none) into r->match. -1: why says what is wrong. */
int proto_rule_compile(struct proto_rule *r, const char *regex, const char *prefix,
	const char *digest, char *why, size_t why_n) __attribute__((warn_unused_result));
void proto_rule_fini(struct proto_rule *r);

/* Those that may be for a session, whatever its statements, in their order. */
struct proto_rules {
	unsigned n;
	bool blocks, moves; /* one of them does */
	struct proto_rule_at {
		const struct proto_rule *rule;
		uint32_t nodes; /* NAMED: which of its cluster's */
	} v[];
};
enum proto_ruled {
	PROTO_RULE_FOLLOWED, /* the statement goes its way, or is refused */
	PROTO_RULE_GAVE_UP   /* its pattern took too many steps: it does not fit */
};
/* A session's; core's, alive as long as cst. */
struct proto_ruling {
	const struct proto_rules *rules; /* NULL: none. May be others at the next call */
	void (*told)(struct proto_ruling *x, enum proto_ruled what, const struct proto_rule *r,
		const char *text, size_t n);
};

/* What would become of a text outside of a transaction. */
struct proto_explained {
	const char *verdict, *reason;  /* static */
	bool reads;                    /* as pev.reads */
	struct proto_wish wish;        /* as pev.wish */
	const struct proto_rule *rule; /* that it falls under; NULL: none */
};

/* A statement that is about to go to a server. */
struct sql_lang;
/* How a text is read, kept for later. */
struct proto_lang {
	/* As proto_statement.normal, of a text that is read so. */
	bool (*normal)(const struct proto_lang *l, const char *text, size_t n, struct buf *out,
		size_t max);
	_Alignas(8) uint8_t opaque[64];
};
struct proto_statement {
	const char *text; /* NULL: not known */
	size_t n;
	const struct sql_lang *lang;
	const char *trace; /* the client's traceparent that came beside the text; NULL: none */
	size_t trace_n;
	uint64_t digest;
	bool has_digest; /* else it does not lex, or is not known */
	/* Its text without values (sql/digest.h), at most max bytes. False: it has none. */
	bool (*normal)(const struct proto_statement *s, struct buf *out, size_t max);
	/* Where its first token stands; n: there is none. text is not NULL. */
	size_t (*first)(const struct proto_statement *s);
	void (*keep_lang)(const struct proto_statement *s, struct proto_lang *lang_r);
};
/* What core wants to know of it when the answer has come. All zero: it is not counted. */
struct proto_ticket {
	int64_t sent_us; /* loop clock */
	uint32_t entry, serial, wait_us, span;
};
struct proto_answer {
	uint64_t rows, bytes; /* returned or changed; of the answer, as its client gets it */
	bool failed;
	/* Of its error, as the protocol has them: an SQLSTATE, or MySQL's number; "": none. */
	char code[6];
};
#define PROTO_METER_ON 1
#define PROTO_METER_DIGEST 2 /* the statement's digest is wanted as well */
/* A session's; core's, alive as long as cst. */
struct proto_meter {
	const uint8_t *on; /* PROTO_METER_*; NULL: it is off. May change at any time */
	const struct proto_meter_ops {
		void (*sent)(struct proto_meter *m, const struct proto_statement *s,
			struct proto_ticket *ticket_r);
		/* Not called when no answer comes, or for nobody. */
		void (*answered)(struct proto_meter *m, const struct proto_ticket *t,
			const struct proto_answer *a);
	} * ops;
};

struct proto_client_conf { /* after login is known */
	enum proto_mode mode;
	const char *database;  /* what the database that it asked for is called at the server; ""
				 if it asked for none */
	unsigned max_prepared; /* 0: prepared statements are passed through as they are (then named
				  ones pin) */
	const struct proto_kv *forced; /* variables the database's configuration sets
					  (datestyle=...), NULL key ends; may be NULL */
	const char *options; /* the database's options=, as in a startup packet; may be NULL */
	/* startup parameters to forget; may be NULL */
	bool (*ignored)(const void *arg, const char *name);
	const void *arg;
	uint32_t max_stmt_bytes; /* of prepared statements' texts; 0: no limit */
	bool no_simple_query;    /* disable_pqexec */
	bool no_tracking; /* what cannot be read off a statement is not asked for, but removed */
	struct proto_counters *counters;
	/* It may read on replicas: PEV_REQUEST says whether it only reads. names: where the newest
	 * of what its database's catalog says stands, *names NULL: unknown. names NULL: it may
	 * not. */
	struct proto_names *const *names;
	struct proto_ruling *ruling; /* NULL: there are never rules */
	struct proto_meter *meter;   /* NULL: nothing is counted */
	/* Where transactions run that say that they only read. */
	enum { PROTO_RO_TX_AUTO, PROTO_RO_TX_REPLICA, PROTO_RO_TX_PRIMARY } read_only_tx;
	bool defer_begin;      /* a BEGIN alone is answered without a link, and sent with what comes
			     next */
	enum err_code tx_lost; /* what its client hears of a transaction that was lost */
	bool relisten;         /* client_relisten() is wanted */
	/* What its client is to take its server for, whichever answers. */
	enum { PROTO_ROLE_ITS_OWN, PROTO_ROLE_PRIMARY, PROTO_ROLE_STANDBY } role;
	const char *login_notice; /* NULL: none */
};

/* May a session go to another process of this program? */
enum proto_stays {
	PROTO_STAYS_NOT,
	PROTO_STAYS_PINNED,    /* it has something that only its server has */
	PROTO_STAYS_UNSETTLED, /* not now: it is in the middle, or something of it is not known */
	PROTO_STAYS_TOO_BIG,
	PROTO_STAYS_LINK /* its link cannot go along, whatever it does */
};

/* A link was lost: what its client hears. Borrowed. */
#define PROTO_TX_LOST_TEXT \
	"the server of this transaction was lost, and with it all that the transaction has done"
struct proto_loss {
	const struct err *request; /* of what was sent, and may have been carried out */
	const struct err *tx;      /* ... in a transaction that cannot have been committed */
};

struct proto_ops {
	const char *name; /* as conf/ names it: "postgresql", "mysql" */
	uint8_t id;       /* its place in proto_table */
	bool mysql_auth;  /* clients prove themselves by MySQL's plugins (policy_facts.mysql) */
	uint16_t port;
	uint16_t client_size, link_size;
	const char *alpn;     /* what TLS says is spoken inside; NULL: nothing, and no direct TLS */
	bool greets;          /* the server speaks first, and must know what is behind it */
	bool schema_is_state; /* a session changes its database as it likes: a link serves all of an
				 entry's */
	bool cancel_logs_in;  /* put_cancel() is for a connection that has logged in, and
				 PEV_QUERY_DONE follows; else it is all that is said */
	bool key_names_link;  /* its cancel key begins with a process id that the client takes for
				 its server's: true when the session keeps one link */
	const char *probe_sql;      /* one row: product and version, role, user */
	const char *query_prologue; /* sent on a link before an auth_query; NULL: none */

	/* Before its clients come; may be called again. What is slow goes on in a thread of its
	 * own, and who needs it waits. NULL: nothing to do. */
	void (*prepare)(void);
	void (*prepared)(void); /* waits for that; before the process ends */
	void (*thread_end)(
		void); /* gives back what it keeps for the calling thread; NULL: nothing */
	struct proto_env *(*env_new)(const struct proto_env_opts *o); /* NULL: no memory */
	void (*env_set)(struct proto_env *v, const struct proto_env_opts *o);
	void (*env_free)(struct proto_env *v);

	/* ---- a client logs in ---- */
	/* g: what a greeting needs. */
	void (*client_init)(
		void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down);
	void (*client_fini)(void *cst);
	struct pev (*client_step)(
		void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e);
	/* How many bytes may be read now, with n unread ones at p: those behind may belong to TLS.
	 * SIZE_MAX: any number. */
	size_t (*client_want)(const void *cst, const uint8_t *p, size_t n);
	void (*client_tls_answer)(void *cst, bool yes, struct buf *down);
	const struct proto_login *(*client_login)(const void *cst);
	/* PROOF_NONE makes the next client_step() return PEV_AUTH_OK with n = 0. -1: cannot (e). */
	int (*client_auth)(
		void *cst, const struct proto_proof *pr, struct buf *down, struct err *e);
	void (*client_auth_result)(void *cst, bool ok, struct buf *down); /* after PEV_PASSWORD */
	/* What the client's proof taught us for logging in to servers (SCRAM keys, or the clear
	 * password). False: nothing. */
	bool (*client_creds)(const void *cst, struct proto_creds *c);
	/* Sets how the session will be served. Called once, after PEV_AUTH_OK, before
	 * client_ready(). */
	int (*client_conf)(void *cst, const struct proto_client_conf *c, struct err *e);
	/* Sends the welcome if what it must say is known: from *cache (what servers of this pool
	 * said for the same startup parameters), or from lst after PEV_SYNCED (then the cache
	 * learns it). False: attach a link first. Consumes cst's login data. */
	bool (*client_ready)(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
		size_t key_n, struct buf *down);
	/* What follows the welcome, in both directions, is in another form, if 1: *c_r, the
	 * caller's. 0: as it is. -1: no memory. NULL: never. */
	int (*client_coding)(const void *cst, struct coding *c_r);
	/* Its startup parameters that are settings, for a link of its own: at most max of them,
	 * borrowed from cst; how many. */
	unsigned (*client_params)(const void *cst, struct proto_kv *out, unsigned max);
	size_t (*client_key_size)(const void *cst); /* bytes of cancel key to give it: 8, or more
						       when it can take them (at most 36) */
	/* What cannot be changed on a link once it is logged in and must be as the session wants
	 * it, as a small number; links of another class never serve it. Known after client_conf(),
	 * and asked before each link: a MySQL session may lose its schema, or select one. */
	unsigned (*client_link_class)(const void *cst);
	/* Is the server what the client was told that it is, by a greeting that spoke for several?
	 * False: e, and it must not get the link. NULL: always. */
	bool (*client_fits)(const void *cst, const void *lst, struct err *e);
	/* What the cache learned from cst when client_ready() was true with a link, for the caches
	 * of the same pool on other workers. */
	void (*cache_export)(const void *cst, struct buf *out);
	void (*cache_import)(
		struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n);
	void (*cache_free)(struct proto_cache **cache);

	/* ---- a link logs in ---- */
	int (*link_init)(void *lst, struct proto_env *v, const struct proto_link_login *l,
		struct buf *up, struct err *e);
	void (*link_fini)(void *lst);
	struct pev (*link_step)(void *lst, const uint8_t *p, size_t n, struct buf *up,
		struct err *e); /* PEV_TLS: start the handshake */
	/* Appends what a greeting should say of this server, as soon as link_step() has heard it.
	 * False: not known (yet). */
	bool (*link_facts)(const void *lst, struct buf *out);
	/* NULL unless greets. Makes *all (may be empty) true for one more server as well; version:
	 * what the configuration says that clients are told, "" if nothing. False: no greeting is
	 * true for both, or it is not the configuration's; *all is as it was. */
	bool (*facts_join)(struct buf *all, const uint8_t *facts, size_t n, const char *version);
	void (*link_tls_done)(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up);
	/* As client_coding(), where pev.coded said so; link_step() is called again then, for what
	 * is to be said first. NULL: never. */
	int (*link_coding)(const void *lst, struct coding *c_r);

	/* ---- running ---- */
	/* Client -> server. Handles as many messages as it can per call in one event. lst == NULL:
	 * no link yet (PEV_REQUEST, or answered here). What is due without more input comes with
	 * the event that takes the last of it: behind a PEV_FORWARD, or a PEV_TX after which the
	 * link is given back, core calls neither of these for nothing. */
	struct pev (*up)(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
		struct buf *down, struct err *e);
	/* Server -> client. cst == NULL: nobody is attached: everything is swallowed, a surprise is
	 * PEV_BAD. */
	struct pev (*down)(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
		struct buf *down, struct err *e);
	/* reads_only: the link that attach() gives to cst next may only run what PEV_REQUEST called
	 * reads; what comes after that waits until the link was given back, unless it reads as
	 * well. guarded: PEV_REFUSED may come. */
	void (*client_confine)(void *cst, bool reads_only, bool guarded);
	/* Was all that went to its link since it was given called reads? */
	bool (*client_only_read)(const void *cst);
	/* Gives lst to cst: puts the batch that makes the server's variables those of the session
	 * (often nothing). True: something was put. */
	bool (*attach)(void *cst, void *lst, struct buf *up);
	enum proto_release (*link_release)(
		void *cst, void *lst, struct buf *up); /* legal when PEV_TX said idle and TX_IDLE */
	void (*detach)(void *cst,
		void *lst); /* at any time; lst keeps what it still owes, to be swallowed */
	uint32_t (*client_pins)(const void *cst);
	/* The link was lost, and the session goes on: puts the answers that its client is
	 * still owed; detach() follows. False: it cannot (an answer or a message was cut in the
	 * middle, or the link had state that nobody else has), and nothing was put. A
	 * transaction that is lost with the link is as one that has failed, until its client
	 * ends it. */
	bool (*client_lost)(void *cst, void *lst, const struct proto_loss *x, struct buf *down);
	/* The link was lost, and all that is gone with it is what its session listened to: the next
	 * attach() listens to that again, whatever comes of it ends in PEV_ASKED or PEV_BAD, and
	 * nothing of the client's is sent before. Legal between requests; detach() follows. Again
	 * if that link is lost before, too. False: there is more, or not all is known. NULL:
	 * always. */
	bool (*client_relisten)(void *cst, void *lst);
	bool (*client_mid_message)(
		const void *cst); /* part of a message was forwarded: nothing else may go up now */
	/* Fails the request that waits for a link: e is its answer; the rest of the request is
	 * skipped as it arrives. */
	void (*client_fail_request)(void *cst, const struct err *e, struct buf *down);
	/* The answer to PEV_KILL, NULL if there is no such event; e NULL: done. */
	void (*client_killed)(void *cst, const struct err *e, struct buf *down);
	/* The answer to PEV_TOKEN; lst: the session's link, or NULL. */
	void (*client_answer)(void *cst, void *lst, const struct rowset *r, struct buf *down);
	bool (*client_in_request)(const void *cst, const uint8_t *in,
		size_t n); /* does it owe us more of a batch, or we it? for draining */

	/* For another process of this program: puts all that cst is. with_link: the link that it
	 * keeps goes along (link_hand_out()), so pins are no reason to stay, but a part of what is
	 * put; else it has none. Unless it says STAYS_NOT, what was put is of no use. NULL:
	 * never. */
	enum proto_stays (*client_move_out)(void *cst, bool with_link, struct buf *out);
	/* ... and there, of a cst that is all zero, instead of all up to client_ready(). k: as for
	 * client_conf(). with_link: link_hand_in() follows. Nothing in r is trusted. -1 with e:
	 * client_fini() follows all the same. */
	int (*client_move_in)(void *cst, struct proto_env *v, const struct proto_client_conf *k,
		bool with_link, struct rd *r, struct err *e);
	/* The same for the link that cst keeps between its transactions: puts all that lst is, and
	 * changes nothing. NULL: links never go along. */
	enum proto_stays (*link_hand_out)(const void *cst, const void *lst, struct buf *out);
	/* ... and there, behind client_move_in() of that session: of an lst that is all zero,
	 * instead of all up to attach(): cst has it, and has used it last. All of r is to be read,
	 * and nothing in it is trusted. No other session will ever get it. -1 with e: link_fini()
	 * follows all the same. */
	int (*link_hand_in)(void *cst, void *lst, struct proto_env *v, struct rd *r, struct err *e);

	/* ---- links on their own ---- */
	bool (*link_owes)(const void *lst); /* replies are outstanding */
	unsigned (*link_requests)(const void
			*lst); /* how many are not answered, each as far as its error would reach */
	/* Part of a message was passed on to the client, or nobody knows: nothing of ours may
	 * follow. */
	bool (*link_mid_reply)(const void *lst);
	enum tx_state (*link_tx)(const void *lst);
	/* The GTIDs of which it has told its client last; 0 bytes: of none since this was asked
	 * before. NULL: the protocol has no such thing. */
	size_t (*link_acked)(void *lst, const char **gtids_r);
	/* The client is gone in the middle: puts what brings the server to a request boundary
	 * (CopyFail, Sync). False: cannot, close it. */
	bool (*link_abort)(void *lst, struct buf *up);
	/* Puts what makes the link clean for anybody: ROLLBACK when in a transaction, then reset
	 * (sql, "" = the protocol's best) if dirty or `always`. False: nothing to do, it is clean.
	 * Else PEV_QUERY_DONE follows. */
	bool (*link_clean)(void *lst, const char *sql, bool always, struct buf *up);
	/* An internal query. param NULL: simple protocol. Else extended, $1 = param (auth_query).
	 * PEV_ROW*, PEV_QUERY_DONE follow. */
	void (*link_query)(void *lst, const char *sql, const char *param, struct buf *up);
	void (*link_ping)(void *lst, struct buf *up); /* the cheapest; PEV_QUERY_DONE follows */
	size_t (*link_cancel_key)(
		const void *lst, const uint8_t **key_r); /* what put_cancel() wants; 0: none */
	/* lst: of the canceling connection; NULL unless cancel_logs_in. */
	void (*put_cancel)(void *lst, struct buf *up, const uint8_t *key, size_t key_n);
	void (*put_bye)(void *lst, struct buf *up);
	/* A session did what no cleaning undoes (LOAD, setseed()): when that session is gone, close
	 * the link. */
	bool (*link_spoiled)(const void *lst);
	bool (*link_movable)(const void *lst);
	void (*link_move_out)(void *lst); /* on the old thread: lets go of the env */
	bool (*link_move_in)(void *lst,
		struct proto_env *v); /* on the new thread; false: no memory, close the link */
	unsigned (*n_statements)(const void *cst_or_lst, bool is_link);
	unsigned (*link_server_pid)(const void *lst);
	const char *(*client_app_name)(
		const void *cst); /* current application_name, "" if unknown */
	const char *(*link_param)(
		const void *lst, const char *name); /* as last reported, or NULL */

	/* Of a session with default settings. names NULL: nothing is known of its catalog, and all
	 * goes to the primary. NULL: it cannot. */
	void (*explain)(struct proto_ruling *x, const struct proto_names *names, const char *text,
		size_t n, struct proto_explained *out);

	/* ---- text ---- */
	/* cst NULL: to a client of which no session was made. */
	void (*put_error)(void *cst, struct buf *down, const struct err *e, bool fatal);
	/* May do nothing, if the protocol has no such message. */
	void (*put_notice)(void *cst, struct buf *down, const char *severity, const char *sqlstate,
		const char *msg);
	void (*console_start)(void *cst, const char *version, const uint8_t *key, size_t key_n,
		struct buf *down); /* instead of client_ready(); up() then gives PEV_CONSOLE */
	void (*console_reply)(void *cst, const struct rowset *r, struct buf *down);
};
extern const struct proto_ops proto_pg, proto_mysql;

/* The protocols that this program speaks: proto_table[i]->id == i. Tests bring their own. */
#define PROTO_MAX 4
extern const struct proto_ops *const proto_table[PROTO_MAX]; /* NULL behind the last */
const struct proto_ops *proto_by_name(const char *name);     /* NULL: not spoken */
#endif
