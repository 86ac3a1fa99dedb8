/* authq - queries of our own on pooled links. Asks a server for a user's secret (auth_query) on
 * behalf of a session that logs in: on links of their own pool (auth_user, never a client's
 * parameters, search_path fixed), with an answer cached for a short while. Runs on the session's
 * worker. */
#include "core_int.h"

#include <stdio.h>
#include <string.h>

#define ROWS_MAX_BYTES (256u << 10) /* of one name */
#define TTL_US INT64_C(10000000)    /* a failed login forgets the answer at once */

struct authq {
	struct waiter wait;
	struct worker *w;
	struct session *session;  /* NULL: it has left */
	struct core_query *probe; /* for control, then there is no session */
	struct pool_shard *shard;
	struct link *link;
	char *user, *query, *scope;
	bool path_set, got_row;
	struct buf rows; /* of an auth_query that tells more than a secret */
	enum authq_result result;
	char *secret;
	size_t secret_n;
	struct err err;
};

static void authq_free(struct authq *q)
{
	if (q->secret)
		mem_wipe(q->secret, q->secret_n);
	mem_free(MEM_AUTH, q->secret);
	buf_wipe(&q->rows);
	mem_free(MEM_AUTH, q->user);
	mem_free(MEM_AUTH, q->query);
	mem_free(MEM_AUTH, q->scope);
	mem_free(MEM_AUTH, q);
}

static void on_query_done(struct mail *m, void *owner)
{
	struct core_query *cq = list_entry(m, struct core_query, mail);
	(void)owner;
	cq->done(cq);
	for (unsigned i = 0; i < cq->n_cells; i++)
		mem_free(MEM_MSG, cq->cells[i]);
	mem_free(MEM_MSG, cq);
}

static void query_answer(struct authq *q, const struct err *e)
{
	struct core_query *cq = q->probe;
	if (e)
		cq->err = *e;
	cq->mail.fn = on_query_done;
	loop_post(cq->core->loop, &cq->mail);
	authq_free(q);
}

/* Tells the session, if it is still there, and ends. */
static void answer(struct authq *q, const struct err *e)
{
	if (q->probe) {
		query_answer(q, e);
		return;
	}
	struct session *s = q->session;
	const char *secret = buf_len(&q->rows) ? (const char *)buf_data(&q->rows) : q->secret;
	size_t secret_n = buf_len(&q->rows) ? buf_len(&q->rows) : q->secret_n;
	if (!e)
		/* "" is a user without a password, NULL is nobody */
		secrets_put(q->w->secrets, q->scope, q->user,
			q->result == AUTHQ_FOUND       ? secret
			: q->result == AUTHQ_NO_SECRET ? ""
						       : NULL,
			q->result == AUTHQ_FOUND ? secret_n : 0, worker_now(q->w), TTL_US);
	if (s) {
		*session_authq(s) = NULL;
		q->session = NULL;
		if (e)
			log_event(EVENT_AUTH_QUERY, "auth_query for user \"%s\": %s", q->user,
				e->msg);
		session_authq_done(s, q->result, secret, secret_n, e);
	}
	authq_free(q);
}

static bool from_cache(struct session *s, const char *scope, const char *user)
{
	struct secrets_entry *c = secrets_get(s->w->secrets, scope, user, worker_now(s->w));
	if (!c)
		return false;
	char *copy = c->secret ? mem_strndup(MEM_AUTH, c->secret, c->secret_n) : NULL;
	size_t n = copy ? c->secret_n : 0;
	session_authq_old(s);
	session_authq_done(s,
		n      ? AUTHQ_FOUND
		: copy ? AUTHQ_NO_SECRET
		       : AUTHQ_NO_USER,
		copy, n, NULL);
	if (copy)
		mem_wipe(copy, n);
	mem_free(MEM_AUTH, copy);
	return true;
}

static void acquire(struct authq *q)
{
	struct err e = { 0 };
	struct pool_shard *p = route_shard(q->shard, &q->wait, &e);
	struct link *l = p ? pool_acquire(p, &q->wait) : NULL;
	if (l)
		authq_granted(q, l);
	else if (!p)
		pool_hold(q->shard, &q->wait); /* also without memory: it is tried again */
}

/* The pool of auth_user; its password must be known without any client. */
static struct pool_shard *auth_shard(
	struct session *s, const char *dbname, const char *auth_user, struct err *e)
{
	struct worker *w = s->w;
	const struct user_entry *ue = users_get(w->gen->users, auth_user);
	struct pool_shard *p = shard_get(w, s->ops, dbname, auth_user, e);
	if (!p)
		return NULL;
	if (!p->creds)
		p->creds = mem_alloc(MEM_AUTH, sizeof *p->creds);
	if (!p->creds) {
		err_set(e, ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	if (p->cdb && *p->cdb->force_user && *p->cdb->password)
		snprintf(p->creds->password, sizeof p->creds->password, "%s", p->cdb->password);
	else if (ue && secret_logs_in(ue->kind))
		snprintf(p->creds->password, sizeof p->creds->password, "%s", ue->secret);
	return p;
}

int authq_start(struct session *s, struct err *e)
{
	struct worker *w = s->w;
	struct settings set;
	const char *user = session_login_user(s);
	conf_effective(w->gen->conf, session_login_db(s), NULL, &set);
	const char *scope = session_auth_scope(s);
	if (authq_check(set.auth_query, e) != 0)
		return -1;
	if (from_cache(s, scope, user))
		return 0;
	struct pool_shard *p = auth_shard(s, scope, set.auth_user, e);
	if (!p)
		return -1;
	struct authq *q = mem_alloc(MEM_AUTH, sizeof *q);
	if (!q)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	q->w = w;
	q->session = s;
	q->shard = p;
	q->wait.authq = q;
	q->result = AUTHQ_NO_USER;
	list_init(&q->wait.node);
	buf_init(&q->rows, ROWS_MAX_BYTES);
	q->user = mem_strdup(MEM_AUTH, user);
	q->query = mem_strdup(MEM_AUTH, set.auth_query);
	q->scope = mem_strdup(MEM_AUTH, scope);
	if (!q->user || !q->query || !q->scope) {
		authq_free(q);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	*session_authq(s) = q;
	acquire(q);
	return 0;
}

void authq_stop(struct session *s)
{
	struct authq *q = *session_authq(s);
	if (!q)
		return;
	*session_authq(s) = NULL;
	q->session = NULL;
	if (q->wait.since_us) {
		pool_wait_cancel(&q->wait);
		authq_free(q);
	} /* else a query is running: its end frees q */
}

void authq_granted(struct authq *q, struct link *l)
{
	struct worker *w = q->w;
	q->link = l;
	l->authq = q;
	if (q->probe) {
		q->probe->tls = l->st.ssl ? tls_version(l->st.ssl) : NULL;
		snprintf(q->probe->where, sizeof q->probe->where, "%s:%u", l->host, l->port);
		l->ops->link_query(l->lst, q->probe->sql, NULL, &w->up);
		link_put(l, &w->up);
		return;
	}
	q->path_set = !l->ops->query_prologue;
	if (q->path_set)
		l->ops->link_query(l->lst, q->query, q->user, &w->up);
	else
		l->ops->link_query(l->lst, l->ops->query_prologue, NULL, &w->up);
	link_put(l, &w->up);
}

void authq_wait_failed(struct authq *q, const struct err *e)
{
	answer(q, e);
}

void authq_link_lost(struct authq *q, const struct err *e)
{
	answer(q, e);
}

/* All rows are for the session to choose from. */
static void take_account(struct authq *q, const struct pev *ev)
{
	if (err_is(&q->err) || account_add(&q->rows, q->user, ev->n_cells, ev->cells, &q->err) != 0)
		return;
	q->result = AUTHQ_FOUND;
}

static void take_row(struct authq *q, const struct pev *ev)
{
	const char *name = ev->n_cells > 0 ? ev->cells[0] : NULL,
		   *sec = ev->n_cells > 1 ? ev->cells[1] : NULL;
	if (q->got_row || err_is(&q->err))
		return; /* a second row: the first counts, as in PgBouncer */
	q->got_row = true;
	if (authq_read_row(q->user, ev->n_cells, name, name ? strlen(name) : 0, sec,
		    sec ? strlen(sec) : 0, &q->result, &q->err) != 0)
		return;
	if (q->result == AUTHQ_FOUND) {
		q->secret = mem_strdup(MEM_AUTH, sec);
		q->secret_n = strlen(sec);
		if (!q->secret)
			err_set(&q->err, ERR_NO_MEMORY, "out of memory");
	}
}

static void query_row(struct core_query *cq, const struct pev *ev)
{
	for (unsigned i = 0; cq->n_cells == 0 && i < ev->n_cells && i < CORE_QUERY_CELLS; i++)
		cq->cells[i] = mem_strdup(MEM_MSG, ev->cells[i] ? ev->cells[i] : "");
	cq->n_cells = ev->n_cells < CORE_QUERY_CELLS ? ev->n_cells : CORE_QUERY_CELLS;
}

/* On worker 0. */
static void on_query(struct mail *m, void *owner)
{
	struct core_query *cq = list_entry(m, struct core_query, mail);
	struct worker *w = owner;
	struct err e = { 0 };
	struct authq *q = mem_alloc(MEM_AUTH, sizeof *q);
	struct pool_shard *p = q ? shard_get(w, cq->ops, cq->db, cq->user, &e) : NULL;
	if (p && !p->creds)
		p->creds = mem_alloc(MEM_AUTH, sizeof *p->creds);
	if (!p || !p->creds) {
		mem_free(MEM_AUTH, q);
		cq->err = e;
		cq->mail.fn = on_query_done;
		loop_post(w->core->loop, &cq->mail);
		return;
	}
	if (p->cdb && *p->cdb->password)
		snprintf(p->creds->password, sizeof p->creds->password, "%s", p->cdb->password);
	q->w = w;
	q->probe = cq;
	q->shard = p;
	q->wait.authq = q;
	list_init(&q->wait.node);
	buf_init(&q->rows, ROWS_MAX_BYTES);
	acquire(q);
}

void core_query(struct core *c, struct core_query *q)
{
	q->core = c;
	q->mail.fn = on_query;
	loop_post(c->worker[0]->loop, &q->mail);
}

bool authq_event(struct link *l, const struct pev *ev, const struct err *e)
{
	struct authq *q = l->authq;
	struct worker *w = l->w;
	if (ev->kind == PEV_ROW) {
		if (q->probe)
			query_row(q->probe, ev);
		else if (l->ops->mysql_auth && ev->n_cells > 2)
			take_account(q, ev);
		else
			take_row(q, ev);
		return false;
	}
	if (ev->kind != PEV_QUERY_DONE)
		return false;
	if (q->probe) {
		l->authq = NULL;
		query_answer(q, err_is(e) ? e : NULL);
		return true;
	}
	if (err_is(e)) {
		err_set(&q->err, ERR_CONFIG, "auth_query failed: %.200s", e->msg);
	} else if (!q->path_set) {
		q->path_set = true;
		l->ops->link_query(l->lst, q->query, q->user, &w->up);
		link_put(l, &w->up);
		return false;
	}
	l->authq = NULL;
	if (err_is(&q->err)) {
		struct err copy = { 0 };
		err_set(&copy, ERR_AUTH_DENIED,
			"authentication failed: the auth_query did not work");
		err_internal(&copy, "%s", q->err.msg);
		answer(q, &copy);
	} else {
		answer(q, NULL);
	}
	return true;
}
