/* pg_run - the worker's part of the protocol (interned sets and statements, limits), and how a
 * session and a link start and end being served. Thread: that of the env; pg_env_new() may run
 * anywhere before. */
#include "pg_run_int.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "wire/pg/error.h"

#define STMT_BYTES_DEFAULT (64U << 20)
#define INSPECT_BYTES_DEFAULT (256U << 10)
#define ID_BITS 40U /* sessions of one worker */

/* ---- env ---- */

static void free_extra(struct proto_env *v)
{
	for (char **p = v->track_extra; p && *p; p++)
		mem_free(MEM_PROTO, *p);
	mem_free(MEM_PROTO, v->track_extra);
	v->track_extra = NULL;
}

void pg_env_set(struct proto_env *v, const struct proto_env_opts *o)
{
	v->stmts.max_bytes = o->stmt_bytes ? o->stmt_bytes : STMT_BYTES_DEFAULT;
	v->max_message_bytes = o->max_message_bytes && o->max_message_bytes < PGMSG_MAX_BODY_BYTES
				       ? o->max_message_bytes
				       : PGMSG_MAX_BODY_BYTES;
	v->max_inspect_bytes = o->max_inspect_bytes ? o->max_inspect_bytes : INSPECT_BYTES_DEFAULT;
	free_extra(v);
	size_t n = 0;
	while (o->track_extra && o->track_extra[n])
		n++;
	if (n)
		v->track_extra = mem_alloc(MEM_PROTO, (n + 1) * sizeof(*v->track_extra));
	for (size_t i = 0; v->track_extra && i < n; i++)
		if ((v->track_extra[i] = mem_strdup(MEM_PROTO, o->track_extra[i])) == NULL)
			break;
}

struct proto_env *pg_env_new(const struct proto_env_opts *o)
{
	static _Atomic uint64_t envs;
	struct proto_env *v = mem_alloc(MEM_PROTO, sizeof(*v));
	if (v == NULL)
		return NULL;
	vartab_init(&v->vars);
	stmttab_init(&v->stmts, 0);
	texts_init(&v->texts, sizeof(struct pg_known));
	v->next_client_id = atomic_fetch_add(&envs, 1)
			    << ID_BITS; /* unique in the process: links move between workers */
	v->next_salt = v->next_client_id;
	pg_env_set(v, o);
	return v;
}

void pg_env_free(struct proto_env *v)
{
	if (v == NULL)
		return;
	varset_assign(&v->vars, &v->lex_told, NULL);
	stmttab_fini(&v->stmts);
	texts_fini(&v->texts);
	vartab_fini(&v->vars);
	free_extra(v);
	mem_free(MEM_PROTO, v);
}

/* ---- a session ---- */

void pg_client_run_init(struct pg_client *c, struct proto_env *v)
{
	static struct proto_counters nobody; /* until client_conf(): nothing is counted before */
	c->env = v;
	c->id = ++v->next_client_id;
	c->counters = &nobody;
}

void pg_client_run_fini(struct pg_client *c)
{
	struct proto_env *v = c->env;
	if (v == NULL)
		return;
	listen_forget(c);
	learn_free(c);
	stmtmap_free(&c->stmts, &v->stmts);
	stmt_unref(&v->stmts, c->unnamed);
	varset_unref(&v->vars, c->start);
	varset_unref(&v->vars, c->want);
	varset_unref(&v->vars, c->told);
	c->unnamed = NULL;
	c->start = c->want = c->told = NULL;
	c->env = NULL;
}

int pg_client_conf(void *cst, const struct proto_client_conf *k, struct err *e)
{
	struct pg_client *c = cst;
	struct vartab *t = &c->env->vars;
	c->mode = (uint8_t)k->mode;
	c->max_prepared = (uint16_t)(k->max_prepared > UINT16_MAX ? UINT16_MAX : k->max_prepared);
	c->max_stmt_bytes = k->max_stmt_bytes;
	c->names = k->names;
	c->ruling = k->ruling;
	c->meter = k->meter;
	c->no_simple = k->no_simple_query;
	c->no_ro_tx = k->read_only_tx == PROTO_RO_TX_PRIMARY;
	c->tx_lost = (uint8_t)(k->tx_lost ? k->tx_lost : ERR_TX_LOST);
	c->defer_begin = k->defer_begin;
	c->relisten = k->relisten;
	c->no_asking = k->no_tracking;
	if (k->counters)
		c->counters = k->counters;
	for (uint32_t i = 0; k->ignored && c->start && i < c->start->n;) {
		const struct varset *was = c->start;
		if (!k->ignored(k->arg, was->v[i].name))
			i++;
		else if (!varset_put(t, &c->start, was->v[i].name, NULL))
			return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	if (k->options && pg_client_options(c, k->options, e) != 0)
		return -1;
	for (const struct proto_kv *kv = k->forced; kv && kv->key; kv++)
		if (!varset_put(t, &c->start, kv->key, kv->value))
			return err_set(e, ERR_NO_MEMORY, "out of memory");
	c->role = (uint8_t)k->role;
	/* where no standby is left, the primary answers instead: it must not write either */
	if (c->role == PROTO_ROLE_STANDBY &&
		(!varset_put(t, &c->start, "default_transaction_read_only", "on") ||
			!varset_put(t, &c->start, "weirpool.endpoint", "ro")))
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	varset_assign(t, &c->want, c->start);
	state_want_changed(c);
	return ours_check_start(c, e);
}

unsigned pg_client_params(const void *cst, struct proto_kv *out, unsigned max)
{
	const struct pg_client *c = cst;
	unsigned n = 0;
	for (; c->start && n < c->start->n && n < max; n++)
		out[n] = (struct proto_kv){ c->start->v[n].name, c->start->v[n].value };
	return n;
}

uint32_t pg_client_pins(const void *cst)
{
	const struct pg_client *c = cst;
	return c->pins | c->pins_kept | (c->unnamed_raw == 1 ? PIN(UNKNOWN) : 0);
}

bool pg_client_mid_message(const void *cst)
{
	const struct pg_client *c = cst;
	return c->up_left > 0 && c->up_rest == FLOW_PASS;
}

bool pg_client_in_request(const void *cst, const uint8_t *in, size_t n)
{
	const struct pg_client *c = cst;
	(void)in;
	return n > 0 || c->up_left > 0 || c->in_batch || c->skip_to_sync || c->fail_next;
}

void pg_client_fail_request(void *cst, const struct err *e, struct buf *down)
{
	struct pg_client *c = cst;
	assert(!pg_client_mid_message(cst));
	pgerror_put(down, "ERROR", e);
	if (c->begun) /* as any error fails a transaction */
		c->lost = PG_LOST_TOLD;
	c->begun = 0;
	c->fail_next = true;
	undo_rollback(c);
}

const char *pg_client_app_name(const void *cst)
{
	const struct pg_client *c = cst;
	const char *s = varset_get(c->told, "application_name");
	if (s == NULL)
		s = varset_get(c->want, "application_name");
	return s ? s : "";
}

/* ---- a link ---- */

void pg_link_run_init(struct pg_link *l, struct proto_env *v)
{
	l->env = v;
	linkmap_init(&l->stmts);
	buf_init(&l->body, 0);
	l->no_replay = true;
}

void pg_link_run_fini(struct pg_link *l)
{
	if (l->stmts.lru.next == NULL) /* never begun */
		return;
	owed_fini(l);
	ask_free(l);
	linkmap_fini(&l->stmts);
	named_free(l);
	sync_kept_drop(l);
	buf_fini(&l->body);
	told_forget_unnamed(l);
	mem_free(MEM_PROTO, l->cells);
	mem_free(MEM_PROTO, l->query_err);
	l->cells = NULL;
	l->query_err = NULL;
	if (l->env == NULL) /* between two threads: holds no sets */
		return;
	struct vartab *t = &l->env->vars;
	varset_assign(t, &l->have, NULL);
	varset_assign(t, &l->sync_to, NULL);
	varset_assign(t, &l->reported, NULL);
	varset_assign(t, &l->fresh, NULL);
}

const char *pg_link_param(const void *lst, const char *name)
{
	return varset_get(((const struct pg_link *)lst)->reported, name);
}

unsigned pg_n_statements(const void *x, bool is_link)
{
	return is_link ? linkmap_n(&((const struct pg_link *)x)->stmts)
		       : stmtmap_n(((const struct pg_client *)x)->stmts);
}
