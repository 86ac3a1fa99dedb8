/* pg_sync - makes the settings of a link those of the session that gets it, by one batch in front
 * of the session's request, and tells the client which reported parameters differ from what it was
 * told. Thread: that of the env. */
#include "pg_run_int.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/session.h"

#define KEPT_MAX_BYTES 65536U
#define TRIES_MAX_N 3U
#define COLUMNS_MAX_N 256U /* of one SELECT; the server's limit is 1664 */

/* An expression that means s whatever standard_conforming_strings, backslash_quote and
 * client_encoding are: E'' for printable ASCII, else the bytes by themselves, which are in the
 * database's encoding. */
bool pg_put_literal(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	bool plain = true;
	for (const char *p = s; *p; p++)
		plain = plain && *p >= 0x20 && *p < 0x7f;
	if (!plain) {
		buf_puts(b, "pg_catalog.convert_from(pg_catalog.decode('");
		for (const char *p = s; *p; p++) {
			buf_put_u8(b, (uint8_t)hex[(unsigned char)*p >> 4]);
			buf_put_u8(b, (uint8_t)hex[(unsigned char)*p & 15]);
		}
		return buf_puts(b, "','hex'),pg_catalog.getdatabaseencoding())");
	}
	buf_puts(b, "E'");
	for (const char *p = s; *p; p++) {
		if (*p == '\'' || *p == '\\')
			buf_put_u8(b, (uint8_t)*p);
		buf_put_u8(b, (uint8_t)*p);
	}
	return buf_puts(b, "'");
}

struct plan {
	struct buf *b;
	unsigned n_cols;
};

static void put_set(struct plan *p, const char *name, const char *value)
{
	if (p->n_cols == COLUMNS_MAX_N) {
		buf_puts(p->b, ";");
		p->n_cols = 0;
	}
	buf_puts(p->b, p->n_cols++ ? "," : "SELECT ");
	buf_puts(p->b, "pg_catalog.set_config(");
	pg_put_literal(p->b, name);
	buf_puts(p->b, ",");
	if (value)
		pg_put_literal(p->b, value);
	else
		buf_puts(p->b, "NULL"); /* back to the default of this connection */
	buf_puts(p->b, ",false)");
}

static void end_select(struct plan *p)
{
	if (p->n_cols)
		buf_puts(p->b, ";");
	p->n_cols = 0;
}

static bool is_identity(const char *name)
{
	return var_name_cmp(name, "role") == 0 || var_name_cmp(name, "session_authorization") == 0;
}

static bool differs(const char *a, const char *b)
{
	return a != b && (a == NULL || b == NULL || strcmp(a, b) != 0);
}

/* The identity goes back to that of the login first and to the wanted one last: what a login may
 * set, a role may not. */
static void put_plan(
	struct buf *b, bool discards, const struct varset *have, const struct varset *want)
{
	static const char auth[] = "session_authorization", role[] = "role";
	const char *auth_have = varset_get(have, auth), *auth_want = varset_get(want, auth);
	const char *role_have = varset_get(have, role), *role_want = varset_get(want, role);
	bool identity = differs(auth_have, auth_want) || differs(role_have, role_want);
	struct plan p = { .b = b };
	buf_puts(b, discards ? "BEGIN;DISCARD SEQUENCES;" : "BEGIN;");
	if (identity && auth_have) {
		put_set(&p, auth, NULL);
		end_select(&p);
	}
	if (identity && (role_have || auth_have)) {
		put_set(&p, role, "none");
		end_select(&p);
	}
	for (uint32_t i = 0; have && i < have->n; i++)
		if (!is_identity(have->v[i].name) && varset_get(want, have->v[i].name) == NULL)
			put_set(&p, have->v[i].name, NULL);
	for (uint32_t i = 0; want && i < want->n; i++)
		if (!is_identity(want->v[i].name) &&
			differs(varset_get(have, want->v[i].name), want->v[i].value))
			put_set(&p, want->v[i].name, want->v[i].value);
	end_select(&p);
	if (identity && auth_want) {
		put_set(&p, auth, auth_want);
		end_select(&p);
	}
	if (identity && role_want) {
		put_set(&p, role, role_want);
		end_select(&p);
	}
	buf_puts(b, "COMMIT");
}

bool sync_put(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	if ((c->want == l->have && !l->discards) || l->sync_wait)
		return false;
	assert(l->owed.n == 0 && l->tx == TX_IDLE);
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	if (o == NULL)
		return true; /* the next up() or down() says so */
	o->synth = PG_CAP_SYNC;
	size_t at = pgmsg_begin(up, 'Q');
	put_plan(up, l->discards, l->have, c->want);
	buf_put_u8(up, 0);
	pgmsg_end(up, at);
	varset_assign(&l->env->vars, &l->sync_to, c->want);
	if (l->discards)
		l->last_client_id = 0;
	l->drawn_by_others = l->drawn_by_others && !l->discards;
	l->discards = false;
	l->sync_wait = true;
	l->has_unnamed = false;
	c->counters->syncs_sent++;
	return true;
}

/* A session of a cluster is served by standbys and by the primary, and is not to notice. */
static bool tells(const struct pg_client *c, const struct var *v)
{
	return c->names == NULL || strcmp(v->name, "in_hot_standby") != 0;
}

void sync_tell(struct pg_client *c, struct pg_link *l, struct buf *down)
{
	const struct varset *is = l->reported;
	if (!c->ready || c->told == is)
		return;
	for (uint32_t i = 0; is && i < is->n; i++)
		if (differs(varset_get(c->told, is->v[i].name), is->v[i].value) &&
			tells(c, &is->v[i]))
			pgsession_put_param(down, is->v[i].name, is->v[i].value);
	varset_assign(&c->env->vars, &c->told, l->reported);
}

/* ---- a link that does not take the settings ---- */

struct pg_kept {
	struct buf bytes;
	struct stmt *unnamed; /* the session's, a reference */
	uint8_t unnamed_raw;
	bool in_batch;
};

/* Without memory there is no second try. */
static void kept_begin(struct pg_client *c, struct pg_link *l)
{
	struct pg_kept *k = mem_alloc(MEM_PROTO, sizeof(*k));
	if (k == NULL)
		return;
	buf_init(&k->bytes, KEPT_MAX_BYTES);
	k->unnamed = stmt_ref(c->unnamed);
	k->unnamed_raw = c->unnamed_raw;
	k->in_batch = c->in_batch;
	l->kept = k;
}

void sync_kept_drop(struct pg_link *l)
{
	struct pg_kept *k = l->kept;
	if (k == NULL)
		return;
	stmt_unref(&l->env->stmts, k->unnamed);
	buf_fini(&k->bytes);
	mem_free(MEM_PROTO, k);
	l->kept = NULL;
}

void sync_keep(struct pg_link *l, const uint8_t *p, size_t n)
{
	if (l->kept && n && !buf_append(&l->kept->bytes, p, n))
		sync_kept_drop(l);
}

bool sync_again(struct pg_client *c, struct pg_link *l, const uint8_t **p_r, size_t *n_r)
{
	struct pg_kept *k = l->kept;
	if (k == NULL)
		return false;
	undo_rollback(c);
	while (l->owed.n > 0)
		owed_pop(l);
	stmt_unref(&c->env->stmts, c->unnamed);
	c->unnamed = k->unnamed;
	k->unnamed = NULL;
	c->unnamed_raw = k->unnamed_raw;
	c->in_batch = k->in_batch;
	c->up_left = 0;
	c->sync_tries++;
	state_known(c, l);
	*p_r = buf_data(&k->bytes);
	*n_r = buf_len(&k->bytes);
	return true;
}

bool pg_attach(void *cst, void *lst, struct buf *up)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	assert(l->owed.n == 0 && l->tx == TX_IDLE && !l->ext_open && !l->skipping &&
		l->down_left == 0);
	assert(c->env == l->env);
	l->raw = c->mode == PROTO_RAW;
	if (l->fresh == NULL)
		varset_assign(&l->env->vars, &l->fresh, l->reported);
	l->same_client = l->last_client_id == c->id;
	l->req_error = l->discarded = l->discarding = l->reask = false;
	l->batch_flags = 0;
	l->ticket = (struct proto_ticket){ 0 };
	l->answer = (struct proto_answer){ 0 };
	l->mid_up = false;
	if (c->mode == PROTO_SESSION)
		l->dirty = PG_DIRTY_ALL;
	if (l->raw)
		return false;
	l->discards = c->ready && c->mode != PROTO_SESSION && c->env->seq_reads &&
		      seq_is_foreign(c, l);
	bool put = sync_put(c, l, up);
	if (put && l->used && c->sync_tries < TRIES_MAX_N && !c->listen_due)
		kept_begin(c, l);
	if (c->lost)
		lost_put(c, l, up);
	else if (c->begun)
		begin_put(c, l, up);
	else if (c->listen_due)
		listen_put(c, l, up);
	return put || c->lost || c->begun || c->listen_due;
}
