/* What the files of the monitor share. */
#ifndef MONITOR_INT_H
#define MONITOR_INT_H
#include "monitor/monitor.h"

#include "ev/resolver.h"
#include "ev/stream.h"
#include "ev/tls.h"
#include "proto/proto.h"

#define MONITOR_TEXT_MAX (4u * 1024 * 1024) /* of one answer */
#define PROBE_BURST_US 20000                /* between two samples while something happens */

/* ---- ask.c: one connection that asks one question at a time ---- */

struct ask_opts { /* borrowed */
	struct loop *loop;
	struct resolver *resolver;
	const struct proto_ops *ops;
	struct proto_env *env;
	const char *host, *user, *password, *dbname;
	uint16_t port;
	struct tls_ctx *tls;
	bool tls_require;
};
enum ask_state { ASK_CLOSED, ASK_CONNECTING, ASK_LOGIN, ASK_READY, ASK_BUSY };
struct ask {
	const struct ask_opts *o;
	void *owner;
	const struct ask_cb *cb;
	enum ask_state state;
	struct stream st;
	struct resolver_req *req;
	void *lst;
	struct proto_creds *creds; /* while logging in */
	int64_t begun_us;          /* of the connection, or of the question */
	struct buf up, down;
};
struct ask_cb {
	void (*ready)(struct ask *a);
	void (*row)(struct ask *a, const char *const *cells, unsigned n);
	void (*done)(struct ask *a, const struct err *e); /* e NULL: all rows came */
	/* a is closed; open it again from a timer, not from here */
	void (*failed)(struct ask *a, enum cluster_failure f, const char *text);
};
void ask_init(struct ask *a, const struct ask_opts *o, const struct ask_cb *cb, void *owner);
void ask_open(struct ask *a);  /* from ASK_CLOSED; failed() may be called from inside */
void ask_close(struct ask *a); /* no callback comes after it */
void ask_query(struct ask *a, const char *sql); /* in ASK_READY; sets begun_us just before it */
const char *ask_state_name(enum ask_state s);

/* ---- facts.c: the questions, and how their answers read ---- */

/* What a Galera member said, as text; rows of several answers come together here. */
struct galera {
	char committed[24], checkpoint[96], uuid[40], status[24], conf_id[24];
	char ready[8], state[8], comment[40], read_only[24], on[8];
};
enum galera_question { GALERA_SAMPLE, GALERA_VARIABLES, GALERA_BARRIER };
const char *galera_sql(enum galera_question q);
void galera_row(struct galera *g, const char *const *cells, unsigned n);
int galera_sample(const struct galera *g, struct cluster_sample *s_r, struct err *e)
	__attribute__((warn_unused_result));
int galera_facts(const struct galera *g, struct cluster_facts *f_r, struct err *e)
	__attribute__((warn_unused_result));

struct reading { /* what a node's answers need to be understood */
	enum cluster_kind kind;
	uint64_t segment;
	uint32_t page;
	unsigned rows;
	/* Group Replication */
	char view[64], primary[64];
	bool majority;
};
const char *facts_fast_sql(enum cluster_kind k);
const char *facts_slow_sql(enum cluster_kind k);
int facts_read_fast(struct reading *r, const char *const *cells, unsigned n,
	struct cluster_sample *s_r, struct err *e) __attribute__((warn_unused_result));
int facts_read_slow(struct reading *r, const char *const *cells, unsigned n,
	struct cluster_facts *f_r, struct err *e) __attribute__((warn_unused_result));

/* ---- probe.c: the two connections to a node ---- */

/* What an authority said last. */
struct said {
	char who[340];
	int leader;    /* -1: none */
	int64_t at_us; /* 0: nothing yet */
	char error[300];
};
struct probe {
	struct monitor *m;
	unsigned node;
	struct ask_opts o;
	struct ask fast, slow;
	struct reading reading;
	bool examined; /* facts came since the connections were made: samples may be asked for */
	bool slow_told;
	int64_t fast_due_us, slow_due_us, barrier_due_us, retry_us;
	bool got, slow_got; /* a row that could be read */
	struct cluster_sample sample;
	struct cluster_facts facts;
	/* Galera: rows of the sample and of the facts; the facts take several questions */
	struct galera member, member_slow;
	enum galera_question asked;
	struct err err, slow_err;
	char server[64];
	struct said said; /* as a member of its group */
	/* for monitor_report() */
	uint64_t samples_n, facts_n, failures_n;
	int64_t rtt_us, error_us;
	char note[200], error[300];
};
void probe_init(struct probe *p, struct monitor *m, unsigned node, const struct ask_opts *o,
	enum cluster_kind kind);
void probe_fini(struct probe *p);
void probe_tick(struct probe *p, int64_t now_us, bool burst);

/* ---- find.c: what kind of cluster it is ---- */

struct find {
	struct monitor *m;
	unsigned node;
	struct ask_opts o; /* also of the probe that follows */
	struct ask ask;
	int64_t retry_us;
	bool asked_group;
	char version[64], group[64], told[300]; /* group: or whether Galera is on */
	uint64_t failures_n;
	int64_t told_us;
};
void find_init(struct monitor *m, unsigned node);
void find_fini(struct monitor *m, unsigned node);
/* Until m->find_kind is false; m->co.kind is then known. */
void find_tick(struct monitor *m, int64_t now_us);

/* ---- http.c, json.c, patroni.c ---- */

struct http {
	struct loop *loop;
	struct resolver *resolver;
	void *owner;
	/* body NULL: e says why; else status and the body, valid during the call */
	void (*done)(struct http *h, int status, const char *body, size_t n, const struct err *e);
	struct stream st;
	struct resolver_req *req;
	bool busy;
	int64_t begun_us;
	char host[256], path[64];
	unsigned port;
	/* where the context for https stands; NULL: http */
	struct tls_ctx *const *tls;
	const char *post; /* NULL: a GET; else a document of JSON to be sent; borrowed */
	const char *auth; /* of the header Authorization, or NULL; borrowed */
	struct buf in;
};
void http_send(struct http *h); /* one at a time; done() may be called from inside */
void http_stop(struct http *h);

enum json_kind {
	JSON_END,
	JSON_BAD,
	JSON_OPEN,  /* { or [ */
	JSON_CLOSE, /* } or ] */
	JSON_KEY,   /* text */
	JSON_VALUE  /* text: a string without escapes undone, a number, true, false, null */
};
struct json {
	const char *p, *end;
	unsigned depth;     /* of what is open */
	uint32_t is_object; /* a bit per depth */
	bool want_value;    /* behind a key */
	bool first;         /* nothing yet in what was opened */
	const char *text;
	size_t text_n;
};
void json_init(struct json *j, const char *p, size_t n);
enum json_kind json_next(struct json *j);
bool json_is(const struct json *j, const char *s);

struct patroni {
	struct monitor *m;
	struct http http;
	char url[300];
	bool failed; /* the newest answer */
	struct said said;
};
int patroni_init(struct patroni *a, struct monitor *m, const char *url, struct err *e)
	__attribute__((warn_unused_result));
void patroni_fini(struct patroni *a);
void patroni_ask(struct patroni *a);
struct patroni_member {
	char name[64], host[256], role[32], api_url[300];
	uint16_t port;
};
/* Each member in the answer of GET /cluster; texts as they stand in it, escapes and all. 0; -1: not
 * such an answer, though some may have been told by then. */
int patroni_members(const char *body, size_t n,
	void (*member)(void *arg, const struct patroni_member *p), void *arg, bool *paused_r)
	__attribute__((warn_unused_result));
/* Who is leader in the answer of GET /cluster. 0; -1: not such an answer. No leader: *host_r
 * "". */
int patroni_leader(const char *body, size_t n, char name_r[64], char host_r[256], uint16_t *port_r,
	bool *paused_r) __attribute__((warn_unused_result));

/* ---- monitor.c ---- */

struct monitor {
	struct loop *loop;
	struct resolver *resolver;
	const struct proto_ops *ops;
	struct proto_env *env;
	struct monitor_cb cb;
	void *arg;
	char *user, *password, *dbname;
	struct cluster_opts co;
	char name[64];
	struct tls_ctx *tls, *patroni_tls; /* may be NULL */
	bool tls_require;
	struct cluster_node_opts nodes[CLUSTER_NODES_MAX];
	unsigned n;
	struct timer timer;
	struct task task;
	struct cluster *c;
	struct buf heir; /* for cluster_inherit(), until there is one */
	uint64_t shown;  /* version of the view that was handed out */
	bool find_kind;
	struct find find[CLUSTER_NODES_MAX];
	struct probe probe[CLUSTER_NODES_MAX];
	struct patroni *patroni;
	unsigned patroni_n;
	int64_t authority_due_us, kicked_us;
	struct move *move; /* move.c; NULL: none */
};
/* Something was told to m->c. */
void monitor_told(struct monitor *m);
int monitor_node_at(const struct monitor *m, const char *host, unsigned port, const char *name);
void move_set_tls(struct move *v, struct tls_ctx *tls);
/* The node of a server_uuid; -1: none. */
int monitor_node_of(const struct monitor *m, const char *server);
#endif
