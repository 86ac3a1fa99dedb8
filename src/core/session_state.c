/* session_state - all that core knows of a session as bytes, for the process after an upgrade, and
 * there a session of it again. What is read is checked as if it came from the network. Ignorant of
 * how it gets there (session_move.c), and of what the protocol writes. Runs on the session's
 * worker. */
#include "core_int.h"

#include <stdio.h>
#include <string.h>

#define FORM 3 /* of what is written here; proto/ has forms of its own */

/* ---- parts ---- */

static void put_addr(struct buf *b, const struct addr *a)
{
	sa_family_t f = a->u.sa.sa_family;
	buf_put_u8(b, f == AF_UNIX ? 1 : f == AF_INET ? 4 : f == AF_INET6 ? 6 : 0);
	buf_put_u16be(b, (uint16_t)addr_port(a));
	if (f == AF_INET)
		buf_append(b, &a->u.in.sin_addr, 4);
	else if (f == AF_INET6)
		buf_append(b, &a->u.in6.sin6_addr, 16);
}

static bool get_addr(struct rd *r, struct addr *a)
{
	uint8_t kind = rd_u8(r);
	uint16_t port = rd_u16be(r);
	const uint8_t *p = kind == 4 || kind == 6 ? rd_bytes(r, kind == 4 ? 4 : 16) : NULL;
	*a = (struct addr){ 0 };
	if (kind == 4 && p) {
		a->u.in.sin_family = AF_INET;
		a->u.in.sin_port = htons(port);
		memcpy(&a->u.in.sin_addr, p, 4);
	} else if (kind == 6 && p) {
		a->u.in6.sin6_family = AF_INET6;
		a->u.in6.sin6_port = htons(port);
		memcpy(&a->u.in6.sin6_addr, p, 16);
	} else if (kind == 1) {
		a->u.sa.sa_family = AF_UNIX;
	}
	return rd_ok(r) && (kind <= 1 || p);
}

/* How links of its pool log in: what clients have taught us cannot be asked for again. */
static void put_creds(struct buf *b, const struct proto_creds *c)
{
	static const struct proto_creds none;
	if (!c)
		c = &none;
	buf_put_text(b, c->password);
	buf_put_u8(b, (uint8_t)(c->has_scram_keys | c->has_native << 1 | c->has_sha2 << 2));
	buf_append(b, c->client_key, sizeof c->client_key);
	buf_append(b, c->server_key, sizeof c->server_key);
	buf_append(b, c->native, sizeof c->native);
	buf_append(b, c->sha2, sizeof c->sha2);
}

static bool get_creds(struct rd *r, struct proto_creds *c)
{
	if (!rd_text(r, c->password, sizeof c->password))
		return false;
	uint8_t has = rd_u8(r);
	const uint8_t *ck = rd_bytes(r, sizeof c->client_key);
	const uint8_t *sk = rd_bytes(r, sizeof c->server_key);
	const uint8_t *native = rd_bytes(r, sizeof c->native);
	const uint8_t *sha2 = rd_bytes(r, sizeof c->sha2);
	if (!rd_ok(r) || has > 7)
		return false;
	c->has_scram_keys = has & 1;
	c->has_native = (has & 2) != 0;
	c->has_sha2 = (has & 4) != 0;
	memcpy(c->client_key, ck, sizeof c->client_key);
	memcpy(c->server_key, sk, sizeof c->server_key);
	memcpy(c->native, native, sizeof c->native);
	memcpy(c->sha2, sha2, sizeof c->sha2);
	return true;
}

static uint8_t role_of(const struct pool_shard *p, unsigned endpoint)
{
	return !p->cdb->cluster               ? PROTO_ROLE_ITS_OWN
	       : endpoint == CONF_ENDPOINT_RO ? PROTO_ROLE_STANDBY
					      : PROTO_ROLE_PRIMARY;
}

/* ---- out ---- */

/* The number first: it says which worker's it will be. */
enum proto_stays state_put(struct session *s, struct buf *b)
{
	buf_put_u32be(b, s->number);
	buf_put_u8(b, FORM);
	buf_put_u8(b, role_of(s->shard, s->endpoint));
	buf_put_u8(b, s->came_to);
	buf_put_u8(b, s->endpoint);
	buf_put_u8(b, s->long_key);
	buf_put_u64le(b, s->key);
	buf_put_u64le(b, (uint64_t)s->connected_us);
	buf_put_u64le(b, (uint64_t)s->state_us);
	buf_put_u64le(b, (uint64_t)s->pinned_us);
	buf_put_u64le(b, (uint64_t)s->token.write_us);
	buf_put_u64le(b, (uint64_t)s->token.read_us);
	buf_put_u64le(b, (uint64_t)s->token.replica_us);
	buf_put_u64le(b, (uint64_t)s->token.doubt_until_us);
	put_addr(b, &s->addr);
	buf_put_text(b, s->db->name);
	buf_put_text(b, s->account->name);
	put_creds(b, s->shard->creds);
	enum proto_stays why = hand_put(s, b);
	if (why == PROTO_STAYS_NOT)
		why = s->ops->client_move_out(s->cst, s->link != NULL, b);
	return why == PROTO_STAYS_NOT && b->failed ? PROTO_STAYS_TOO_BIG : why;
}

/* ---- in ---- */

struct arrival { /* what was read, checked for its form only */
	uint8_t role, came_to, endpoint, long_key;
	uint32_t number;
	uint64_t key;
	int64_t connected_us, state_us, pinned_us;
	struct token token;
	struct rd link; /* hand_take()'s; empty: none */
	struct addr addr;
	char db[256], user[256];
	struct proto_creds creds;
};

static bool is_time(int64_t us, int64_t now)
{
	return us >= 0 && us <= now + INT64_C(3600000000);
}

static bool read_arrival(struct rd *r, struct arrival *a, int64_t now)
{
	a->number = rd_u32be(r);
	uint8_t form = rd_u8(r);
	a->role = rd_u8(r);
	a->came_to = rd_u8(r);
	a->endpoint = rd_u8(r);
	a->long_key = rd_u8(r);
	a->key = rd_u64le(r);
	a->connected_us = (int64_t)rd_u64le(r);
	a->state_us = (int64_t)rd_u64le(r);
	a->pinned_us = (int64_t)rd_u64le(r);
	a->token.write_us = (int64_t)rd_u64le(r);
	a->token.read_us = (int64_t)rd_u64le(r);
	a->token.replica_us = (int64_t)rd_u64le(r);
	a->token.doubt_until_us = (int64_t)rd_u64le(r);
	return form == FORM && a->came_to <= CONF_ENDPOINT_RO && a->endpoint <= CONF_ENDPOINT_RO &&
	       a->long_key <= 1 && is_time(a->connected_us, now) && is_time(a->state_us, now) &&
	       is_time(a->pinned_us, now) && is_time(a->token.write_us, now) &&
	       is_time(a->token.read_us, now) && is_time(a->token.replica_us, now) &&
	       is_time(a->token.doubt_until_us, now) && get_addr(r, &a->addr) &&
	       rd_text(r, a->db, sizeof a->db) && rd_text(r, a->user, sizeof a->user) && *a->db &&
	       *a->user && get_creds(r, &a->creds) && hand_find(r, &a->link);
}

/* As learn_creds() of a login, by what the configuration says now. */
static bool know_creds(struct worker *w, struct pool_shard *p, const struct proto_creds *told)
{
	const struct user_entry *ue = users_get(w->gen->users, p->pool->user);
	const char *pw = *p->cdb->password                ? p->cdb->password
			 : ue && ue->kind == SECRET_PLAIN ? ue->secret
							  : NULL;
	if (p->creds)
		return true;
	p->creds = mem_alloc(MEM_AUTH, sizeof *p->creds);
	if (!p->creds)
		return false;
	*p->creds = *told;
	if (pw) {
		*p->creds = (struct proto_creds){ 0 };
		snprintf(p->creds->password, sizeof p->creds->password, "%s", pw);
	}
	return true;
}

static bool count(struct session *s, const struct settings *set)
{
	const struct conf_global *g = &s->w->gen->conf->global;
	if (!login_count_below(&s->w->core->clients, g->max_client_conn))
		return false;
	s->counted = true;
	if (!login_count_below(&s->db->clients, set->max_db_client_connections))
		return false;
	if (!login_count_below(&s->account->clients, set->max_user_client_connections)) {
		atomic_fetch_sub(&s->db->clients, 1);
		return false;
	}
	s->counted_db = true;
	return true;
}

static int configure(struct session *s, bool with_link, struct rd *r, struct err *e)
{
	const struct pool_shard *p = s->shard;
	const struct settings *set = &p->set;
	struct proto_client_conf k = {
		.mode = session_mode(set),
		.database = *p->cdb->dbname ? p->cdb->dbname : s->db->name,
		.max_prepared = (unsigned)set->max_prepared_statements,
		.max_stmt_bytes = set->prepared_statement_bytes > UINT32_MAX
					  ? UINT32_MAX
					  : (uint32_t)set->prepared_statement_bytes,
		.no_simple_query = set->disable_pqexec,
		.no_tracking = set->server_state_tracking == CONF_TRACKING_OFF,
		.counters = &p->stats->proto,
		.role = role_of(p, s->endpoint),
		.read_only_tx = (int)set->read_only_tx,
		.tx_lost = session_tx_lost(s),
		.defer_begin = set->defer_begin,
		.relisten = set->relisten,
		.names = p->cdb->cluster ? &p->stats->names : NULL,
		.ruling = &s->ruling,
		.meter = &s->meter,
	};
	session_meter(s);
	s->greeted = true; /* client_fini() is due */
	return s->ops->client_move_in(s->cst, s->w->env[s->ops->id], &k, with_link, r, e);
}

static int settle_in(
	struct session *s, const struct arrival *a, int *link_fd, struct rd *r, struct err *e)
{
	struct worker *w = s->w;
	bool with_link = *link_fd >= 0;
	s->came_to = a->came_to;
	s->endpoint = a->endpoint;
	s->addr = a->addr;
	s->token = a->token;
	s->connected_us = a->connected_us;
	s->db = core_dbase(w->core, s->ops, a->db);
	s->account = core_account(w->core, a->user);
	struct pool_shard *p = s->db && s->account ? shard_get(w, s->ops, a->db, a->user, e) : NULL;
	if (!p)
		return err_is(e) ? -1 : err_set(e, ERR_NO_MEMORY, "out of memory");
	if (!count(s, &p->set))
		return err_set(e, ERR_TOO_MANY, "no more connections allowed");
	if (a->role != role_of(p, s->endpoint))
		return err_set(e, ERR_CONFIG, "its database is served in another way now");
	s->shard = p;
	p->n_sessions++;
	p->last_used_us = worker_now(w);
	if (!know_creds(w, p, &a->creds) || session_find_rules(s) != 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	if (configure(s, with_link, r, e) != 0)
		return -1;
	s->wait.link_class = (uint8_t)s->ops->client_link_class(s->cst);
	key_take_over(s, a->key);
	s->long_key = a->long_key;
	number_take_over(s, a->number);
	if (s->slot == UINT32_MAX)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	session_set_state(s, with_link ? SESSION_ACTIVE : SESSION_IDLE);
	s->state_us = a->state_us;
	s->pinned_us = with_link ? a->pinned_us : 0;
	return with_link ? hand_take(s, link_fd, &a->link, e) : 0;
}

int state_take(struct session *s, int *link_fd, struct rd *r, struct err *e)
{
	struct arrival a = { 0 };
	bool well = read_arrival(r, &a, worker_now(s->w)) &&
		    (rd_left(&a.link) > 0) == (*link_fd >= 0);
	int rc = well ? settle_in(s, &a, link_fd, r, e)
		      : err_set(e, ERR_PROTOCOL, "its state is malformed");
	mem_wipe(&a, sizeof a);
	return rc;
}
