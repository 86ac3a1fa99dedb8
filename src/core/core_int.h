/* core_int - what the files of core/ tell each other. Everything here runs on the worker that owns
 * the object. */
#ifndef CORE_INT_H
#define CORE_INT_H
#include "auth/authq.h"
#include "base/log.h"
#include "core/core.h"

#include <stdarg.h>

/* pool.c */
/* A link for wt's owner, or NULL: wt waits, first come first served, and
 * session_granted()/authq_granted() follows. */
struct link *pool_acquire(struct pool_shard *p, struct waiter *wt);
void pool_wait_cancel(struct waiter *wt); /* harmless when not waiting */
/* wt waits at home p until a node can take it (route_retry()). */
void pool_hold(struct pool_shard *p, struct waiter *wt);
/* wt waits nowhere, for a pool_acquire() or pool_hold() that counts from when it began to. */
void pool_wait_move(struct waiter *wt);
/* l is clean and to be kept: p owns it. Nobody is served from inside: pool_turn_end() does that. */
void pool_release(struct link *l);
void pool_forget(struct pool *pool,
	struct worker *w); /* a link is gone: gives its slot back, wakes who may connect now */
/* Room for a link that has been made elsewhere: it is counted. An idle one may have to go. */
bool pool_take_place(struct pool_shard *p);
void pool_touch(struct pool_shard *p); /* look at it at the turn's end */
void pool_turn_end(struct pool_shard *p);
/* pool_retry.c. A connect or login failed: back off; refused logins are told to those who wait. */
void pool_failed(struct pool_shard *p, const struct err *e, bool refused);
void pool_succeeded(struct pool_shard *p);
void pool_retry_now(struct pool_shard *p); /* its server is known to answer again */
bool pool_may_grant(const struct pool_shard *p);
/* Is there, or may there be at once, a link for one more session? A look, not a promise. */
bool pool_has_room(const struct pool_shard *p);
bool pool_must_close(const struct link *l);     /* instead of going idle */
void pool_apply_settings(struct pool_shard *p); /* limits from p->set to the shared pool */
void pool_fill_min(struct pool_shard *p);       /* min_pool_size */

/* query_stats.c */
void session_meter(struct session *s); /* it has a shard, or has lost it */
/* for the link of the request at hand */
static inline void session_waited(struct session *s, int64_t us)
{
	s->waited_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}
void query_log_free(struct session *s); /* query_log.c */

/* trace.c */
/* s goes on, and what it has not been told of its statements it never will. */
void trace_forget_all(struct session *s);
static inline void trace_forget(struct session *s)
{
	if (s->spans)
		trace_forget_all(s);
}
/* All that is not answered ends with e. NULL: its client has left. */
void trace_fail(struct session *s, const struct err *e);
/* The request of s, which has come to no server, is refused with e: a span for it, if it is to have
 * one. */
void trace_refused(struct session *s, const struct err *e);
void traces_init(struct core *c);
void traces_fini(struct core *c); /* when the workers are gone */
void trace_worker_init(struct worker *w);
void trace_worker_fini(struct worker *w); /* what has not been handed over is thrown away */

/* pool_table.c */
/* db: the name of its struct dbase (entry_find()). */
struct pool_shard *shard_get(struct worker *w, const struct proto_ops *ops, const char *db,
	const char *client_user, struct err *e);
/* NULL: this worker has none. */
struct pool_shard *shard_find(
	struct worker *w, const struct proto_ops *ops, const char *db, const char *client_user);
/* The entry for what a client of this protocol asked for, and the name of the dbase that stands for
 * it: where the database is a session's own business, one for all of an entry. NULL: none. */
const struct conf_db *entry_find(const struct conf *conf, const struct proto_ops *ops,
	const char *asked, bool given, const char **dbase_r);
/* core_dbase_find() by who holds core.lock. */
struct dbase *core_dbase_locked(struct core *c, const struct proto_ops *ops, const char *name);
void shard_refresh(struct pool_shard *p); /* settings of the worker's generation */
/* The pool of home's database and user at one node of its cluster. NULL: no memory. */
struct pool_shard *shard_at_node(struct pool_shard *home, struct server_node *n);
struct dbstats *stats_get(struct worker *w, struct dbase *db);
/* What a server told a client of this pool on its arrival is told to the other workers: theirs need
 * no link to hear it. */
void shard_share_welcome(struct pool_shard *p, const void *cst);
void shard_forget(struct pool_shard *p); /* empty and unused: frees it */
void shards_free(struct worker *w);

/* link.c */
/* A new one of p, without a connection and a login, counted by the caller; NULL: no memory. */
struct link *link_bare(struct pool_shard *p, unsigned link_class, enum link_state st);
const char *link_database(const struct pool_shard *p); /* link_login.c: at the server */
void link_set_state(struct link *l, enum link_state st);
void link_close(struct link *l,
	const char *why); /* counts it out of the pool; memory goes at the turn's end */
/* l is idle: closes it, and what it had of the budget is the caller's for a link_connect(). */
void link_give_place(struct link *l, const char *why);
void link_free(struct link *l);
void link_move(struct link *l,
	unsigned
		to); /* l is idle, in no list; false promise never: it arrives or is closed there */
bool link_movable(const struct link *l);
/* The session is gone: brings l back to a clean state off anybody's path, then releases it.
 * goes_on: it said so behind its last request, which a server would do before it reads that: the
 * request has a moment before it is canceled. */
void link_recycle(struct link *l, bool broken, bool goes_on);
void session_retry_logins(struct pool_shard *p); /* session_admit.c: after p->welcomed */
void link_cancel_last(struct link *l); /* the session is gone, a request was answered: the next? */
/* l's session has let go; what it still owes will come. */
void link_drain(struct link *l);
void link_check(struct link *l);
/* A command to cancel has been carried out, perhaps too late: a ping takes what is left of it. Then
 * the link is settled. */
void link_absorb(struct link *l);
void link_put(
	struct link *l, struct buf *up); /* sends up; a broken socket shows at the next read */
void link_settle(
	struct link *l); /* at an idle boundary, without a session: clean it or let it go */
void link_log(enum event_code ev, const struct link *l, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
extern const struct stream_cb link_stream_cb;

/* link_hand.c: the link that a session keeps, and takes along to the process after an upgrade. */
bool hand_may_go(const struct session *s); /* it has one, between two requests, that can go now */
/* Puts it; nothing, if s has none. */
enum proto_stays hand_put(const struct session *s, struct buf *b);
bool hand_find(struct rd *r, struct rd *link_r); /* what was put: empty, or for hand_take() */
/* s keeps the link of that descriptor from now on. -1 with e: it does not. *fd is -1 if it was
 * taken, in either case. */
int hand_take(struct session *s, int *fd, const struct rd *r, struct err *e)
	__attribute__((warn_unused_result));
bool hand_hold(struct session *s); /* nothing is read of s and of its link until session_stay() */
/* The opposite, of the link alone. False: it cannot go on, and is to be closed with its session. */
bool hand_back(struct session *s);
void hand_close(struct session *s); /* without a word: the other process may have it. Or none */

/* link_login.c */
void link_connect(struct pool_shard *p, unsigned link_class); /* the budget has been taken */
void link_login_readable(struct link *l);
void link_login_fini(struct link *l);
void link_login_connected(struct stream *st, void *owner, int err);
void link_login_handshaken(struct stream *st, void *owner, const struct err *e);
/* A replication connection, or one that names its client: s's own link, never shared. -1: no room
 * or no way. */
int link_connect_own(struct session *s, struct err *e);

/* session.c */
struct session *session_new(struct worker *w, const struct proto_ops *ops,
	enum conf_endpoint came_to, int fd, const struct sockaddr *sa, socklen_t n);
void session_set_state(struct session *s, enum session_state st);
/* Ends the session: with an error for the client (NULL: none). Memory goes at the turn's end. */
void session_close(struct session *s, const struct err *e, const char *why);
void session_free(struct session *s);
void session_log(enum event_code ev, const struct session *s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void session_log_fields(enum event_code ev, const struct session *s, const struct log_field *f,
	unsigned n, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* As session_close(), where no error says who ends it: P weirpool, A an administrator. */
void session_close_by(struct session *s, char by, const char *why);

/* session_end.c */
/* Is it one of log_sample? The same answer for all of its life, unless that option changes. */
bool session_is_sampled(const struct session *s);
void session_log_end(struct session *s, const struct err *e, const char *why);

/* PEV_RELOGIN: without link, pool and account, as after its greeting. The input behind the event
 * stands in st.in. */
void session_relogin(struct session *s);
/* A session without a login; NULL: fd is closed. */
struct session *session_bare(struct worker *w, const struct proto_ops *ops, int fd);
enum proto_mode session_mode(const struct settings *set); /* session_admit.c; not replication's */
bool login_count_below(_Atomic unsigned *n, int limit);   /* session_admit.c: counts */
/* session_state.c: for another process. What was put is of no use but with STAYS_NOT. */
enum proto_stays state_put(struct session *s, struct buf *b);
/* ... and there: s, which is bare, is that session. -1 with e: it is to be closed, and *link_fd as
 * well, the link's (-1: none), which is -1 if it was taken. */
int state_take(struct session *s, int *link_fd, struct rd *r, struct err *e)
	__attribute__((warn_unused_result));

/* session_move.c: those that became idle, at the turn's end. */
void sessions_offer(struct worker *w);
void session_offer(struct session *s); /* it has become idle, with or without a link */
/* It was on its way elsewhere, and stays. False: its connection is closed. */
bool session_stay(struct session *s);
void session_unserve(struct session *s); /* session.c: lets go of all of these */
void session_arm(struct session *s);     /* its one timer, from its state */
void session_send(struct session *s, struct buf *down);
extern const struct stream_cb session_stream_cb;

/* session_proxy.c */
/* Does s get a server connection of its own, which says whose it is? */
bool session_names_itself(const struct session *s);
bool session_is_proxied(const struct session *s); /* by the address of its socket */
/* proxy_due. True: the header is there, and the session may go on. */
bool session_proxy_readable(struct session *s);

/* session_login.c */
void session_greet(struct session *s); /* begins the protocol */
void session_login_readable(struct session *s);
void session_login_handshaken(struct stream *st, void *owner, const struct err *e);
bool session_login_begin(struct session *s); /* false: no memory */
void session_login_fini(struct session *s);
void session_login_reloaded(
	struct session *s); /* the generation that its decisions point into has changed */
void session_login_input(struct session *s);
void session_authq_done(
	struct session *s, enum authq_result r, const char *secret, size_t n, const struct err *e);
struct authq **session_authq(struct session *s); /* where its running auth_query stands */
void session_authq_old(struct session *s);       /* the answer that follows is a remembered one */
const struct conf_db *session_login_db(const struct session *s);
const char *session_login_user(const struct session *s);
const char *session_auth_user(const struct session *s);  /* auth_user of its database, or NULL */
const char *session_auth_scope(const struct session *s); /* the database where auth_query runs */
void session_helper_done(struct session *s, bool ok, const char *text);
void session_finish_login(struct session *s); /* welcome, or waits for a link first */

/* rules.c */
void rules_number(struct core *c, struct core_gen *gen); /* before it is published */
void rules_switch(struct worker *w); /* it has a generation: room for what is counted */
/* Those of the worker's generation that are for s, which is logged in. -1: no memory. */
int session_find_rules(struct session *s) __attribute__((warn_unused_result));
/* The same as if s came from nowhere: those with address= are not for it. */
int rules_for_nobody(struct session *s, const char *db, const char *user)
	__attribute__((warn_unused_result));
void session_forget_rules(struct session *s);

/* router.c */
/* Where wt is to wait for a link: home itself if that is in no cluster. NULL: nowhere now, and it
 * is held; or never, and e says why. */
struct pool_shard *route_shard(struct pool_shard *home, const struct waiter *wt, struct err *e);
/* What the request that s begins (s->reads) asks for; w may be NULL. -1: it names a node that is
 * not there. */
int route_wish(struct session *s, const struct proto_wish *w, struct err *e)
	__attribute__((warn_unused_result));
/* Nodes that may answer s, which is new, now; bits by place. */
uint32_t route_may_answer(
	const struct session *s, const struct topo_cluster *tc, const struct cluster_view *v);
void route_retry(struct pool_shard *home);
/* Why what is held at home has been held for hold_timeout. */
void route_hold_error(const struct pool_shard *home, struct err *e);
/* Roles or freshness have changed. */
void route_news(struct worker *w);
/* The view of a cluster is v now; it was was (NULL: nothing was known). Pools of nodes that are
 * back connect at once. */
void route_back(struct worker *w, const struct server_cluster *c, const struct cluster_view *was,
	const struct cluster_view *v);
/* l works for a session from now on; not any more. */
void route_began(struct link *l);
void route_ended(struct link *l, enum balance_result r);
bool route_is_replica(const struct link *l);
/* A transaction or statement of s has been answered, after so long. */
void route_answered(struct session *s, struct link *l, int64_t took_us);
/* A link of p broke, or could not be made. */
void route_failed(struct pool_shard *p, enum cluster_signal what, const char *why);
/* The server of l is no primary, or so it says. */
void route_refused(struct link *l, const char *why);
/* Where a link of another process belongs: "" of cluster: home itself. replica: its node is not the
 * primary. NULL with e; ERR_NO_PRIMARY: not now. */
struct pool_shard *route_known(struct pool_shard *home, const char *cluster, const char *where,
	bool replica, struct err *e);
uint64_t route_version(const struct pool_shard *home); /* of the view it goes by */

/* park.c */
#define PARK_OVER 1
/* No replica may answer the read of s yet, for what need says. True: it waits a moment, held, and
 * chooses again when one may. */
bool park_read(struct session *s, const struct topo_cluster *tc, const struct cluster_view *v,
	const struct token_need *need, int64_t now_us);
void park_found(struct session *s);   /* a replica may answer */
void park_timeout(struct session *s); /* it has waited long enough, and chooses again */

/* session_lost.c */
void session_forget_again(struct session *s); /* the request is being answered, or is over */
void session_begin_again(struct session *s, const struct link *l); /* a request goes to l */
void session_keep_again(struct session *s, const uint8_t *p, size_t n);
/* Bytes that were taken for a link that could not run them come back in front of the others. False:
 * no memory. */
bool session_take_back(struct session *s, const uint8_t *p, size_t n);
/* The server has done nothing of the request of l's session, because of what it is. */
void session_link_refused(struct link *l, const struct err *e);
/* l does not work any more. said: the server's own last words, for its client as they are; NULL if
 * it had none. */
void session_link_gone(struct link *l, const char *why, const struct err *said);
/* What its client hears of a transaction that was lost. */
enum err_code session_tx_lost(const struct session *s);
void session_link_fenced(struct link *l); /* its server must not be used any more */

/* session_listen.c */
/* l is lost, as session_link_gone() says. True: its session did nothing but wait for notifications,
 * and goes on, for now without a link. */
bool session_listen_again(struct link *l, const char *why, const struct err *said);
void session_listens_late(struct session *s); /* its server does not answer: another one */
void session_listens(struct session *s);      /* what attach() has put was answered */
/* It has to end: no link for it. */
void session_stays_deaf(struct session *s, const struct err *e);

/* session_run.c */
void session_take_link(struct session *s); /* without a request: for what attach() puts */
/* For a request. False: it has to wait, or was refused, or the session is gone. */
bool session_take_link_for(struct session *s, const struct proto_wish *wish);
/* The request is over and the server owes nothing: does the session let go of its link? */
void session_request_done(struct session *s, struct link *l);
void session_became_idle(struct session *s);
/* May what comes after this request go elsewhere? */
bool session_is_confined(const struct session *s, const struct link *l);
void session_welcomed(struct session *s);
void session_granted(struct session *s, struct link *l);
/* The request that waits for a link fails; the session goes on, unless it logs in. */
void session_refuse(struct session *s, const struct err *e);
void session_wait_failed(struct session *s, const struct err *e);
void session_begin_with(struct session *s, struct link *l); /* s has l */
void session_detach(struct session *s);

/* session_up.c */
void session_run_readable(struct session *s);
void session_run_input(struct session *s);    /* handles what stands in st.in */
void session_mark_request(struct session *s); /* its time begins, if it has not yet */

/* session_down.c */
void session_link_readable(struct link *l); /* bytes from the server, with or without a session */

/* session_console.c */
void session_console_run(struct session *s, const struct pev *ev);

/* A session's number: its process's generation, then what names it there. */
#define NUMBER_BITS 28
#define NUMBER_GENERATIONS 16u
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
/* Where a session of that number is, if it is here. */
struct worker *number_worker(struct core *c, uint32_t number);
void number_take_over(struct session *s, uint32_t number); /* of the process before */

/* kill.c */
void session_kill_other(struct session *s, const struct pev *ev); /* PEV_KILL */
void kills_free(struct core *c);                                  /* control */

/* stand_in.c: begin false: so many read at the primary that this one waits. end: also of a session
 * that does not. */
bool stand_in_begin(struct session *s, struct pool *pool);
bool stand_in_full(const struct topo_cluster *tc, const struct pool *pool);
void stand_in_end(struct session *s);

/* session_token.c */
void session_ask_token(struct session *s, const struct pev *ev); /* PEV_TOKEN */

/* facts.c */
void facts_start(struct worker *w);
/* Clients of this protocol come for the first time: its servers are looked at before. */
void facts_hold(struct worker *w, const struct proto_ops *ops);
void facts_of_link(struct link *l); /* it has logged in */
void facts_sweep(struct worker *w); /* frees what is over; at the turn's end */
void facts_free(struct worker *w);

/* cancel.c */
void cancel_request(struct worker *w, const struct proto_ops *ops, int fd, const uint8_t *key,
	size_t n); /* takes fd */
void cancel_link(struct link *l,
	int client_fd); /* cancels what l runs; holds l meanwhile. client_fd -1: for ourselves */
void cancel_link_gone(struct link *l); /* l is being closed: its cancel request forgets it */
void cancels_sweep(struct worker *w);
void cancels_free(struct worker *w);
/* Ends what s runs, or its wait for a link. Takes fd, unless it is -1: closed when the server has
 * taken note. */
void session_cancel(struct session *s, int fd);
/* Whom to tell, once, when the cancel request that is under way for s's link has ended, whatever
 * came of it; shutdown: the workers end, and nobody is to be told. False: none is under way. w is
 * the caller's, and stays where it is until then. */
struct cancel_wait {
	struct list node;
	void (*done)(struct cancel_wait *w, bool shutdown);
};
bool session_cancel_wait(struct session *s, struct cancel_wait *w);
void key_make(struct session *s);                    /* slot and key */
void key_take_over(struct session *s, uint64_t key); /* the same, with a key that it has */
void key_free(struct session *s);
/* From now on the key begins with the process id of the session's own link, if that can be. */
void key_name_link(struct session *s);
size_t key_bytes(const struct session *s, uint8_t out[36], size_t want);

/* authq.c */
int authq_start(struct session *s, struct err *e); /* session_authq_done() follows */
void authq_stop(struct session *s);
void authq_granted(struct authq *q, struct link *l);
void authq_wait_failed(struct authq *q, const struct err *e);
bool authq_event(
	struct link *l, const struct pev *ev, const struct err *e); /* true: the query is over */
void authq_link_lost(struct authq *q, const struct err *e);

/* helper_proc.c */
int helper_ask_pam(struct session *s, const char *service, const char *pw, size_t n, struct err *e);
int helper_ask_ldap(struct session *s, const char *opts, const char *pw, size_t n, struct err *e);
/* A password and what is stored of it, with what else of the account (may be NULL) counts. */
int helper_ask_stored(struct session *s, const char *secret, const struct account_fit *a,
	const char *pw, size_t n, struct err *e);
int helper_ask_uid(struct session *s, unsigned uid, struct err *e);
void helper_free(struct worker *w);

/* core.c */
struct core_party {         /* of whom a line of the log is */
	const char *prefix; /* with id: the ptr of SHOW CLIENTS and SHOW SERVERS */
	unsigned id;
	const char *db, *user, *host;
	unsigned port;
	bool is_client; /* its port changes from time to time: repeats are not told by it */
	const struct log_field *field;
	unsigned fields_n;
};
void core_vlog(enum event_code ev, const struct core_party *who, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
void core_console_start(struct core_console *r);
unsigned core_codings(enum conf_compression c); /* PROTO_CODING_* */
/* Tells control that n may not be what it was. */
void core_node_trouble(struct worker *w, const struct server_cluster *c,
	const struct server_node *n, enum cluster_signal what, const char *why);

/* worker.c */
/* Links to n that were there when it was fenced: idle ones close, the others fail. */
void worker_fence(struct worker *w, struct server_node *n, bool now);
/* Takes v over. */
void worker_view(struct worker *w, const char *cluster, struct cluster_view *v);
struct seen_cluster *worker_seen(struct worker *w, const struct server_cluster *c);
struct worker *worker_new(struct core *c, unsigned id, struct err *e);
int worker_listen(struct worker *w, const struct core_listen *ls, unsigned n, struct err *e);
void worker_free(struct worker *w);
void worker_drain_session(struct session *s); /* ends it with 57P01 if it is between requests */
void worker_env_opts(struct worker *w, struct proto_env_opts *o);
void worker_check_drain(struct worker *w);
static inline int64_t worker_now(const struct worker *w)
{
	return loop_now_us(w->loop);
}

/* janitor.c */
void janitor_start(struct worker *w);
#endif
