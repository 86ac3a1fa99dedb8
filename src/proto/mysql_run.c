/* mysql_run - the worker's part of the protocol (interned sets and statements, limits), and how a
 * session and a link start and end being served. Thread: that of the env; my_env_new() may run
 * anywhere before. */
#include "mysql_login_int.h"
#include "mysql_run_int.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

#define STMT_BYTES_DEFAULT (64U << 20)
#define INSPECT_BYTES_DEFAULT (256U << 10)
#define MESSAGE_BYTES_DEFAULT (1U << 30)
#define PREPARED_DEFAULT_N 200U
#define ID_BITS 40U /* sessions of one worker */

/* ---- env ---- */

void my_env_set(struct proto_env *v, const struct proto_env_opts *o)
{
	v->stmts.max_bytes = o->stmt_bytes ? o->stmt_bytes : STMT_BYTES_DEFAULT;
	v->max_message_bytes = o->max_message_bytes ? o->max_message_bytes : MESSAGE_BYTES_DEFAULT;
	v->max_inspect_bytes = o->max_inspect_bytes ? o->max_inspect_bytes : INSPECT_BYTES_DEFAULT;
}

struct proto_env *my_env_new(const struct proto_env_opts *o)
{
	static _Atomic uint64_t envs;
	struct proto_env *v = mem_alloc(MEM_PROTO, sizeof(*v));
	if (v == NULL)
		return NULL;
	vartab_init(&v->vars);
	stmttab_init(&v->stmts, 0);
	texts_init(&v->texts, sizeof(struct my_known));
	v->next_client_id = atomic_fetch_add(&envs, 1)
			    << ID_BITS; /* unique in the process: links move between workers */
	my_env_set(v, o);
	return v;
}

void my_env_free(struct proto_env *v)
{
	if (v == NULL)
		return;
	varset_assign(&v->vars, &v->lex.want, NULL);
	varset_assign(&v->vars, &v->lex.fresh, NULL);
	varset_assign(&v->vars, &v->told.tracking, NULL);
	varset_assign(&v->vars, &v->told.fresh, NULL);
	texts_fini(&v->texts);
	stmttab_fini(&v->stmts);
	vartab_fini(&v->vars);
	mem_free(MEM_PROTO, v);
}

/* ---- a session ---- */

void my_client_run_init(struct my_client *c, struct proto_env *v)
{
	static struct proto_counters nobody; /* until client_conf(): nothing is counted before */
	c->env = v;
	c->id = ++v->next_client_id;
	c->counters = &nobody;
	c->status = MYSTATUS_AUTOCOMMIT;
	c->found_known = true; /* it has read none */
}

void my_client_run_fini(struct my_client *c)
{
	struct proto_env *v = c->env;
	if (v == NULL)
		return;
	my_stmts_free(c);
	my_learn_free(c);
	my_diag_free(&c->diag);
	my_hold_forget(c);
	varset_assign(&v->vars, &c->start, NULL);
	varset_assign(&v->vars, &c->want, NULL);
	varset_assign(&v->vars, &c->base, NULL);
	varset_assign(&v->vars, &c->tracking, NULL);
	varset_assign(&v->vars, &c->wished, NULL);
	c->env = NULL;
}

/* MySQL goes to the server's character set, MariaDB to that of the login. */
static bool reset_charset(struct my_client *c, const struct my_link *l, struct varset **want)
{
	static const char *const v[][2] = { { "character_set_client", MY_FACT_CLIENT },
		{ "character_set_results", MY_FACT_RESULTS },
		{ "collation_connection", MY_FACT_COLLATION } };
	bool ok = true;
	for (size_t i = 0; ok && i < sizeof(v) / sizeof(*v); i++)
		ok = varset_put(&c->env->vars, want, v[i][0], varset_get(l->fresh, v[i][1]));
	return ok;
}

void my_client_forget(struct my_client *c, const struct my_link *l)
{
	struct vartab *t = &c->env->vars;
	struct varset *want = varset_ref(c->start);
	bool ok = true;
	if (l) /* a reset leaves the schema alone, the roles, and what COM_SET_OPTION set */
		ok = varset_put(t, &want, MY_VAR_SCHEMA, varset_get(c->want, MY_VAR_SCHEMA)) &&
		     varset_put(t, &want, MY_VAR_ROLE, varset_get(c->want, MY_VAR_ROLE)) &&
		     (l->mariadb || reset_charset(c, l, &want));
	if (ok)
		varset_assign(t, &c->want, want);
	varset_unref(t, want);
	varset_assign(t, &c->tracking, NULL);
	varset_assign(t, &c->wished, NULL);
	my_stmts_free(c);
	my_learn_free(c);
	my_diag_free(&c->diag);
	my_hold_forget(c);
	c->req = c->prepared = (struct my_req){ 0 };
	c->pins = 0;
	c->n_handlers = c->n_prepared = 0;
	c->needs &= l ? MY_NEED_ROLE : 0;
	c->last_insert_id = c->insert_id = 0;
	c->id_set = false;
	c->row_count = 0;
	my_begin_lost(c);
	c->n_attached++; /* on no link anything is left of it that it may see */
}

int my_client_conf(void *cst, const struct proto_client_conf *k, struct err *e)
{
	struct my_client *c = cst;
	struct vartab *t = &c->env->vars;
	struct varset *start = NULL;
	bool ok = true;
	if (my_charset_check(c, e))
		return -1;
	c->mode = (uint8_t)k->mode;
	c->max_prepared = k->max_prepared == 0           ? PREPARED_DEFAULT_N
			  : k->max_prepared > UINT16_MAX ? UINT16_MAX
							 : (uint16_t)k->max_prepared;
	c->max_stmt_bytes = k->max_stmt_bytes && k->max_stmt_bytes < c->env->max_inspect_bytes
				    ? k->max_stmt_bytes
				    : c->env->max_inspect_bytes;
	c->names = k->names;
	c->ruling = k->ruling;
	c->meter = k->meter;
	if (k->counters)
		c->counters = k->counters;
	if (k->database && *k->database)
		ok = varset_put(t, &start, MY_VAR_SCHEMA, k->database);
	if (ok && k->role == PROTO_ROLE_STANDBY) /* the primary may stand in for replicas */
		ok = varset_put(t, &start, "transaction_read_only", "ON");
	c->defer_begin = k->defer_begin;
	c->ro_tx = k->read_only_tx == PROTO_RO_TX_REPLICA;
	c->tx_lost = (uint8_t)(k->tx_lost ? k->tx_lost : ERR_TX_LOST);
	for (const struct proto_kv *kv = k->forced; ok && kv && kv->key; kv++)
		ok = varset_put(t, &start, kv->key, kv->value);
	if (ok) {
		varset_assign(t, &c->start, start);
		varset_assign(t, &c->want, start);
	}
	varset_unref(t, start);
	return ok ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

unsigned my_client_params(const void *cst, struct proto_kv *out, unsigned max)
{
	(void)cst;
	(void)out;
	(void)max;
	return 0;
}

unsigned my_client_link_class(const void *cst)
{
	const struct my_client *c = cst;
	return my_class_of_caps(c->caps) |
	       (varset_get(c->want, MY_VAR_SCHEMA) ? 0 : MY_CLASS_NO_SCHEMA);
}

uint32_t my_client_pins(const void *cst)
{
	const struct my_client *c = cst;
	return c->pins | my_stmts_pins(c);
}

bool my_client_mid_message(const void *cst)
{
	const struct my_client *c = cst;
	return c->in_infile || ((c->up_left > 0 || c->up_more) && c->up_rest == FLOW_PASS);
}

bool my_client_in_request(const void *cst, const uint8_t *in, size_t n)
{
	const struct my_client *c = cst;
	(void)in;
	return n > 0 || c->up_left > 0 || c->up_more || c->in_infile || c->fail_next;
}

void my_client_fail_request(void *cst, const struct err *e, struct buf *down)
{
	struct my_client *c = cst;
	uint8_t seq = 1;
	assert(!my_client_mid_message(cst));
	myerror_put_err(down, &seq, e, false);
	my_begin_error(c, e);
	c->fail_next = true;
	c->in_request = false;
	c->seq = 0;
}

const char *my_client_app_name(const void *cst)
{
	(void)cst;
	return "";
}

/* ---- a link ---- */

void my_link_run_init(struct my_link *l, struct proto_env *v)
{
	l->env = v;
	linkmap_init(&l->stmts);
	buf_init(&l->body, 0);
	buf_init(&l->kept, 0);
}

void my_link_run_fini(struct my_link *l)
{
	if (l->stmts.lru.next == NULL) /* never begun */
		return;
	my_owed_fini(l);
	my_ask_free(l);
	my_stmt_forget_handles(l);
	linkmap_fini(&l->stmts);
	buf_fini(&l->body);
	buf_fini(&l->kept);
	mem_free(MEM_PROTO, l->cells);
	mem_free(MEM_PROTO, l->query_err);
	mem_free(MEM_PROTO, l->version);
	l->cells = NULL;
	l->query_err = NULL;
	l->version = NULL;
	if (l->env == NULL) /* between two threads: holds no sets */
		return;
	struct vartab *t = &l->env->vars;
	varset_assign(t, &l->have, NULL);
	varset_assign(t, &l->sync_to, NULL);
	varset_assign(t, &l->fresh, NULL);
}

const char *my_link_param(const void *lst, const char *name)
{
	const struct my_link *l = lst;
	if (strcmp(name, "server_version") == 0)
		return l->version;
	const char *v = varset_get(l->have, name);
	return v ? v : varset_get(l->fresh, name);
}

unsigned my_n_statements(const void *x, bool is_link)
{
	return is_link ? linkmap_n(&((const struct my_link *)x)->stmts) : my_stmts_n(x);
}

/* ---- text ---- */

void my_put_error(void *cst, struct buf *down, const struct err *e, bool fatal)
{
	struct my_client *c = cst;
	uint8_t none = 0;
	struct err own;
	(void)fatal;
	if (c)
		e = my_client_words(c, e, &own);
	myerror_put_err(down, c ? &c->seq : &none, e, c == NULL);
}

/* The protocol has no message that nobody asked for. */
void my_put_notice(
	void *cst, struct buf *down, const char *severity, const char *sqlstate, const char *msg)
{
	(void)cst;
	(void)down;
	(void)severity;
	(void)sqlstate;
	(void)msg;
}
