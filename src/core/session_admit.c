/* session_admit - after the proof: limits, the pool, how its links log in, the welcome; or the
 * console. Runs on the session's worker. */
#include "session_login_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A proof may teach less of a password than an earlier one of the same password did. */
static void keep_known(const struct proto_creds *old, struct proto_creds *fresh)
{
	bool same = (fresh->has_sha2 && old->has_sha2 &&
			    mem_equal_ct(fresh->sha2, old->sha2, sizeof fresh->sha2)) ||
		    (fresh->has_native && old->has_native &&
			    mem_equal_ct(fresh->native, old->native, sizeof fresh->native));
	if (same && !*fresh->password && (old->has_sha2 || !fresh->has_sha2) &&
		(old->has_native || !fresh->has_native))
		*fresh = *old;
}

/* How links of this pool log in: the database's own password, what auth_file has in clear, or what
 * the client's proof taught us. */
static int learn_creds(struct session *s, struct pool_shard *p, struct err *e)
{
	struct session_login *g = s->login;
	const struct conf_db *d = g->cdb;
	bool forced = *d->force_user;
	const struct user_entry *ue = users_get(s->w->gen->users, p->pool->user);
	struct proto_creds *c = p->creds ? p->creds : mem_alloc(MEM_AUTH, sizeof *c);
	if (!c)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	struct proto_creds fresh = { 0 };
	const char *pw = NULL;
	if (*d->password)
		pw = d->password;
	else if (ue && (ue->kind == SECRET_PLAIN))
		pw = ue->secret;
	if (pw)
		snprintf(fresh.password, sizeof fresh.password, "%s", pw);
	else if (forced || !s->ops->client_creds(s->cst, &fresh)) {
		if (ue && ue->kind == SECRET_MD5)
			snprintf(fresh.password, sizeof fresh.password, "%s", ue->secret);
		else if (g->secret && !forced &&
			 secret_logs_in(secret_kind_of(g->secret, g->secret_n)))
			snprintf(fresh.password, sizeof fresh.password, "%s", g->secret);
	}
	keep_known(c, &fresh);
	*c = fresh;
	mem_wipe(&fresh, sizeof fresh);
	p->creds = c;
	return 0;
}

bool login_count_below(_Atomic unsigned *n, int limit)
{
	unsigned v = atomic_fetch_add(n, 1);
	if (limit > 0 && v >= (unsigned)limit) {
		atomic_fetch_sub(n, 1);
		return false;
	}
	return true;
}

/* Caps on clients of one database and one user. On success both are counted. */
static int count_client(struct session *s, const struct settings *set, struct err *e)
{
	if (!login_count_below(&s->db->clients, set->max_db_client_connections))
		return err_set(e, ERR_TOO_MANY,
			"max_db_client_connections: database \"%s\" has %d clients already",
			s->db->name, set->max_db_client_connections);
	if (!login_count_below(&s->account->clients, set->max_user_client_connections)) {
		atomic_fetch_sub(&s->db->clients, 1);
		return err_set(e, ERR_TOO_MANY,
			"max_user_client_connections: user \"%s\" has %d clients already",
			s->account->name, set->max_user_client_connections);
	}
	s->counted_db = true;
	return 0;
}

enum proto_mode session_mode(const struct settings *set)
{
	switch (set->pool_mode) {
	case CONF_POOL_SESSION: return PROTO_SESSION;
	case CONF_POOL_TRANSACTION: return PROTO_TRANSACTION;
	case CONF_POOL_STATEMENT: return PROTO_STATEMENT;
	}
	return PROTO_SESSION;
}

static bool is_ignored(const void *list, const char *name)
{
	return conf_list_has(list, name);
}

static int add_endpoint(enum conf_endpoint *all, enum conf_endpoint next, struct err *e)
{
	if (*all != CONF_ENDPOINT_AUTO && next != CONF_ENDPOINT_AUTO && next != *all) {
		err_set(e, ERR_AUTH_DENIED,
			"this connection is to read only, and to get the primary as well");
		return err_hint(e,
			"What is configured, the port and weirpool.endpoint name different roles.");
	}
	if (next != CONF_ENDPOINT_AUTO)
		*all = next;
	return 0;
}

/* Which nodes it may use: what is configured, what its port stands for, and what it asks for. */
static int choose_endpoint(struct session *s, struct err *e)
{
	static const char *const names[] = { "auto", "rw", "ro" };
	enum conf_endpoint all = s->shard->set.endpoint, own = CONF_ENDPOINT_AUTO;
	const char *asked = login_of(s)->endpoint;
	while (asked && strcasecmp(asked, names[own]) != 0) {
		if (own++ < CONF_ENDPOINT_RO)
			continue;
		err_set(e, ERR_BAD_VALUE,
			"invalid value for parameter \"weirpool.endpoint\": "
			"\"%.60s\"",
			asked);
		return err_hint(e, "Valid values are: auto, rw, ro.");
	}
	if (add_endpoint(&all, (enum conf_endpoint)s->came_to, e) != 0 ||
		add_endpoint(&all, own, e) != 0)
		return -1;
	s->endpoint = (uint8_t)all;
	return 0;
}

static int configure(struct session *s, struct err *e)
{
	const struct conf_db *d = s->login->cdb;
	const struct settings *set = &s->shard->set;
	struct proto_kv forced[6];
	unsigned n = 0;
	if (*d->client_encoding)
		forced[n++] = (struct proto_kv){ "client_encoding", d->client_encoding };
	if (*d->datestyle)
		forced[n++] = (struct proto_kv){ "datestyle", d->datestyle };
	if (*d->timezone)
		forced[n++] = (struct proto_kv){ "timezone", d->timezone };
	char app[160], host[64];
	const char *name = *d->application_name ? d->application_name
						: login_of(s)->application_name;
	if (set->application_name_add_host) {
		snprintf(app, sizeof app, "%.64s - %s:%u", name && *name ? name : "app",
			addr_host(&s->addr, host, sizeof host), addr_port(&s->addr));
		forced[n++] = (struct proto_kv){ "application_name", app };
	} else if (*d->application_name) {
		forced[n++] = (struct proto_kv){ "application_name", d->application_name };
	}
	forced[n] = (struct proto_kv){ NULL, NULL };
	const struct proto_login *pl = login_of(s);
	struct proto_client_conf c = {
		.mode = login_of(s)->replication != PROTO_REPL_NONE ? PROTO_RAW : session_mode(set),
		.database = !pl->database_given ? ""
			    : *d->dbname        ? d->dbname
						: pl->database,
		.max_prepared = (unsigned)set->max_prepared_statements,
		.forced = n ? forced : NULL,
		.options = *d->options ? d->options : NULL,
		.ignored = *set->ignore_startup_parameters ? is_ignored : NULL,
		.arg = set->ignore_startup_parameters,
		.max_stmt_bytes = set->prepared_statement_bytes > UINT32_MAX
					  ? UINT32_MAX
					  : (uint32_t)set->prepared_statement_bytes,
		.no_simple_query = set->disable_pqexec,
		.no_tracking = set->server_state_tracking == CONF_TRACKING_OFF,
		.counters = &s->shard->stats->proto,
		.role = !d->cluster                       ? PROTO_ROLE_ITS_OWN
			: s->endpoint == CONF_ENDPOINT_RO ? PROTO_ROLE_STANDBY
							  : PROTO_ROLE_PRIMARY,
		.read_only_tx = (int)set->read_only_tx,
		.tx_lost = session_tx_lost(s),
		.defer_begin = set->defer_begin,
		.relisten = set->relisten,
		.names = d->cluster ? &s->shard->stats->names : NULL,
		.ruling = &s->ruling,
		.meter = &s->meter,
		.login_notice = *set->login_notify_message ? set->login_notify_message : NULL,
	};
	session_meter(s);
	s->raw = c.mode == PROTO_RAW;
	s->logical = login_of(s)->replication == PROTO_REPL_LOGICAL;
	return s->ops->client_conf(s->cst, &c, e);
}

/* The welcome has been sent: what follows may be in another form. False: s is closed. */
static bool start_coding(struct session *s)
{
	struct coding c;
	if (!s->ops->client_coding || s->st.coding) /* it has changed its user */
		return true;
	int rc = s->ops->client_coding(s->cst, &c);
	struct buf *in = &s->st.in;
	bool ok = rc == 0 || (rc > 0 && stream_code(&s->st, &c, buf_data(in), buf_len(in)) == 0);
	if (rc > 0)
		buf_consume(in, buf_len(in));
	if (ok)
		return true;
	session_close_by(s, 'P', "out of memory");
	return false;
}

static void welcome_done(struct session *s)
{
	struct worker *w = s->w;
	session_send(s, &w->down);
	if (w->gen->conf->global.log_connections && session_is_sampled(s))
		session_log(EVENT_LOGIN, s, "login attempt: db=%s user=%s tls=%s replication=%s",
			s->db->name, s->account->name, s->st.ssl ? tls_version(s->st.ssl) : "no",
			s->raw ? "yes" : "no");
	s->shard->stats->logins++;
	s->tally.login_us = (uint64_t)(worker_now(w) - s->connected_us);
	session_login_fini(s);
	if (start_coding(s))
		session_welcomed(s);
}

/* It keeps the link that it gets first, and its client may know that by name. */
static bool names_link(const struct session *s)
{
	return s->ops->key_names_link && (s->raw || s->shard->set.pool_mode == CONF_POOL_SESSION);
}

static bool put_welcome(struct session *s)
{
	struct worker *w = s->w;
	uint8_t key[36];
	struct err e = { 0 };
	struct pool_shard *p = route_shard(s->shard, &s->wait, &e);
	if (!s->link && names_link(s) && p && pool_has_room(p))
		return false;
	if (s->link && names_link(s))
		key_name_link(s);
	size_t n = key_bytes(s, key, s->ops->client_key_size(s->cst));
	s->long_key = n == sizeof key;
	return s->ops->client_ready(
		s->cst, s->link ? s->link->lst : NULL, &s->shard->cache, key, n, &w->down);
}

static void retry_logins_at(struct pool_shard *p)
{
	list_for_safe(n, &p->waiting) {
		struct waiter *wt = list_entry(n, struct waiter, node);
		struct session *s = wt->session;
		if (!s || !s->login || names_link(s) || !put_welcome(s))
			continue;
		pool_wait_cancel(wt);
		welcome_done(s);
	}
}

void session_retry_logins(struct pool_shard *p)
{
	p->welcomed = false;
	retry_logins_at(p);
	list_for(n, &p->subs)
		retry_logins_at(list_entry(n, struct pool_shard, sub));
}

void session_finish_login(struct session *s)
{
	struct worker *w = s->w;
	struct pool_shard *p = s->shard;
	struct err e = { 0 };
	struct link *l = s->link;
	if (put_welcome(s)) {
		if (l && !s->raw) {
			shard_share_welcome(p, s->cst);
			p->welcomed = true;
			pool_touch(p);
		}
		welcome_done(s);
		return;
	}
	session_send(s, &w->down);
	if (l) { /* it has a link and still is not ready: the batch of attach() is under way */
		return;
	}
	s->login->waits = true;
	if (s->raw || session_names_itself(s)) {
		session_set_state(s, SESSION_ACTIVE);
		if (link_connect_own(s, &e) != 0)
			login_refuse(s, &e);
		return;
	}
	struct pool_shard *at = route_shard(p, &s->wait, &e);
	if (!at && err_is(&e)) {
		login_refuse(s, &e);
		return;
	}
	l = at ? pool_acquire(at, &s->wait) : NULL;
	if (!at)
		pool_hold(p, &s->wait);
	if (l) {
		session_granted(s, l);
		return;
	}
	session_set_state(s, SESSION_WAITING);
	session_arm(s);
}

static void console_login(struct session *s)
{
	struct worker *w = s->w;
	const struct conf_global *g = &w->gen->conf->global;
	const char *user = login_of(s)->user;
	uint8_t key[36];
	bool own_uid = s->login->peer_known && s->login->peer_uid == getuid() &&
		       (!strcmp(user, "pgbouncer") || !strcmp(user, "weirpool"));
	if (own_uid || g->auth_type == CONF_AUTH_ANY || conf_list_has(g->admin_users, user))
		s->privilege = CONSOLE_ADMIN;
	else if (conf_list_has(g->stats_users, user))
		s->privilege = CONSOLE_STATS;
	if (s->privilege == CONSOLE_NONE) {
		login_refuse_with(s, ERR_AUTH_DENIED,
			"not allowed: the console is for admin_users and stats_users");
		return;
	}
	s->account = core_account(w->core, user);
	session_log(EVENT_CONSOLE_LOGIN, s, "console login: user=%s privilege=%s", user,
		s->privilege == CONSOLE_ADMIN ? "admin" : "stats");
	key_make(s);
	size_t n = key_bytes(s, key, s->ops->client_key_size(s->cst));
	s->ops->console_start(s->cst, w->core->version, key, n, &w->down);
	session_send(s, &w->down);
	s->tally.login_us = (uint64_t)(worker_now(w) - s->connected_us);
	session_login_fini(s);
	session_set_state(s, SESSION_IDLE);
	timer_clear(w->loop, &s->timer);
	if (start_coding(s))
		session_run_input(s);
}

/* The client has proved what it had to prove. */
void login_admitted(struct session *s)
{
	struct worker *w = s->w;
	struct err e = { 0 };
	if (s->is_console) {
		console_login(s);
		return;
	}
	if (account_admit(s, &e) != 0) {
		login_refuse(s, &e);
		return;
	}
	const struct proto_login *pl = login_of(s);
	const char *dbase = s->login->dbase;
	s->db = core_dbase(w->core, s->ops, dbase);
	s->account = core_account(w->core, pl->user);
	struct pool_shard *p = s->db && s->account ? shard_get(w, s->ops, dbase, pl->user, &e)
						   : NULL;
	if (!p) {
		if (!err_is(&e))
			err_set(&e, ERR_NO_MEMORY, "out of memory");
		login_refuse(s, &e);
		return;
	}
	if (count_client(s, &p->set, &e) != 0) {
		login_refuse(s, &e);
		return;
	}
	login_learned(s);
	s->shard = p;
	p->n_sessions++;
	p->last_used_us = worker_now(w);
	if (session_find_rules(s) != 0) {
		login_refuse_with(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	if (learn_creds(s, p, &e) != 0 || choose_endpoint(s, &e) != 0 || configure(s, &e) != 0) {
		login_refuse(s, &e);
		return;
	}
	unsigned link_class = s->ops->client_link_class(s->cst);
	assert(link_class < CORE_LINK_CLASSES);
	s->wait.link_class = (uint8_t)link_class;
	key_make(s);
	session_finish_login(s);
}
