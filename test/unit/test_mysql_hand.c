/* mysql_hand: a session with the link that it keeps, as bytes, and back; and what cannot be
 * written, or is malformed. */
#include "../../src/proto/mysql_run_int.h"
#include "../../src/proto/mysql_stmt_int.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct proto_env *env;
static struct proto_counters counters;
static struct my_client *was;
static struct my_link *link_was;
static struct buf state, link_state;

struct pair {
	struct my_client *c;
	struct my_link *l;
};

static struct my_client *client_new(void)
{
	return mem_alloc(MEM_MISC, proto_mysql.client_size);
}

static struct my_link *link_new(void)
{
	return mem_alloc(MEM_MISC, proto_mysql.link_size);
}

static void pair_free(struct pair *p)
{
	if (p->l)
		proto_mysql.link_fini(p->l);
	mem_free(MEM_MISC, p->l);
	if (p->c)
		proto_mysql.client_fini(p->c);
	mem_free(MEM_MISC, p->c);
	*p = (struct pair){ 0 };
}

static struct my_stmt *add_stmt(const char *text, unsigned params_n)
{
	static const uint8_t types[] = { 8, 0x80, 253, 0 };
	struct my_stmt *s = my_stmt_add(
		was, ++was->last_stmt, text, text ? strlen(text) : 0, was->want);
	cr_assert_not_null(s);
	s->ready = true;
	s->params_n = (uint16_t)params_n;
	s->columns_n = 1;
	s->req.flags = 5;
	if (params_n)
		cr_assert(my_stmt_keep_types(s, types));
	return s;
}

static void add_handle(struct hash128 key, uint32_t handle)
{
	struct linkstmt *x = linkmap_add(&link_was->stmts, key);
	cr_assert_not_null(x);
	x->id = handle;
}

/* A fixed one, one that has been executed, one with an open cursor. */
static void add_stmts(void)
{
	was->stmts = mem_alloc(MEM_STMT, sizeof *was->stmts);
	hmap_init(&was->stmts->by_id);
	struct my_stmt *s = add_stmt(NULL, 2);
	s->fixed = 4;
	was->stmts->n_fixed++;
	s = add_stmt("SELECT ?, ?", 2);
	add_handle(my_stmt_key(s, link_was, s->types, false), 7);
	s = add_stmt("SELECT 3", 0);
	add_handle(s->fresh, 9);
	s->cursor = 9;
	was->stmts->n_cursors++;
	linkmap_get(&link_was->stmts, s->fresh)->in_flight = 1;
	add_handle((struct hash128){ 1, 2 }, 3);
}

static void setup_client(void)
{
	was = client_new();
	my_client_run_init(was, env);
	was->caps = MYCAP(PROTOCOL_41) | MYCAP(DEPRECATE_EOF);
	was->mode = PROTO_TRANSACTION;
	was->number = 77;
	was->collation = 45;
	was->ready = true;
	was->max_stmt_bytes = 1000;
	was->pins = PIN(TEMP) | PIN(USER_LOCK) | PIN(PREPARE);
	was->held_unknown = PIN(TEMP);
	was->n_prepared = 2;
	was->n_handlers = 1;
	was->prepared.flags = 77;
	was->needs = MY_NEED_LAST_ID | MY_NEED_DIAG;
	was->insert_id = 12;
	was->id_set = true;
	cr_assert(varset_put(&env->vars, &was->start, MY_VAR_SCHEMA, "app"));
	cr_assert(varset_put(&env->vars, &was->held, "lname", "2"));
	varset_assign(&env->vars, &was->want, was->start);
	cr_assert(my_learn_user(was, "a", 1));
	cr_assert(my_learn_sys(was, "wait_timeout", 12));
}

static void setup_link(void)
{
	link_was = link_new();
	my_link_run_init(link_was, env);
	link_was->caps = MYCAP(PROTOCOL_41) | MYCAP(MULTI_STATEMENTS) | (UINT64_C(1) << 34);
	link_was->server_caps = UINT64_MAX;
	link_was->version = mem_strdup(MEM_PROTO, "9.7.0");
	link_was->version_n = 90700;
	link_was->thread_id = 0x01020304;
	my_link_set_key(link_was);
	link_was->server_collation = 255;
	link_was->link_class = 64;
	link_was->status = MYSTATUS_AUTOCOMMIT;
	link_was->affected = -1;
	link_was->acked_n = 3;
	memcpy(link_was->acked, "1-2", 3);
	link_was->tx_text = link_was->own_last = link_was->own_id = link_was->multi = true;
	link_was->left_diag = link_was->diag_due = true;
	link_was->dirty = MY_DIRTY;
	varset_assign(&env->vars, &link_was->have, was->want);
	cr_assert(varset_put(&env->vars, &link_was->fresh, "sql_mode", "ANSI"));
}

static void setup(void)
{
	struct proto_env_opts o = { 0 };
	env = proto_mysql.env_new(&o);
	setup_client();
	setup_link();
	add_stmts();
	buf_init(&state, 1 << 20);
	buf_init(&link_state, 1 << 20);
}

static void teardown(void)
{
	struct pair p = { was, link_was };
	buf_fini(&state);
	buf_fini(&link_state);
	pair_free(&p);
	proto_mysql.env_free(env);
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
}
TestSuite(mysql_hand, .init = setup, .fini = teardown, .timeout = 60);

static enum proto_stays hand_out(const struct pair *p, struct buf *client, struct buf *link)
{
	buf_fini(client);
	buf_fini(link);
	enum proto_stays why = proto_mysql.client_move_out(p->c, true, client);
	return why ? why : proto_mysql.link_hand_out(p->c, p->l, link);
}

static enum proto_stays stays(void)
{
	struct pair p = { was, link_was };
	return hand_out(&p, &state, &link_state);
}

static int client_in(struct pair *p, const void *bytes, size_t n, struct err *e)
{
	struct proto_client_conf k = {
		.mode = PROTO_TRANSACTION, .max_prepared = 10, .counters = &counters
	};
	struct rd r = rd_of(bytes, n);
	p->c = client_new();
	return proto_mysql.client_move_in(p->c, env, &k, true, &r, e);
}

static int link_in(struct pair *p, const void *bytes, size_t n, struct err *e)
{
	struct rd r = rd_of(bytes, n);
	p->l = link_new();
	return proto_mysql.link_hand_in(p->c, p->l, env, &r, e);
}

/* False: it is refused. */
static bool arrive(struct pair *p, const void *c, size_t c_n, const void *l, size_t l_n)
{
	struct err e = { 0 };
	*p = (struct pair){ 0 };
	bool ok = client_in(p, c, c_n, &e) == 0 && link_in(p, l, l_n, &e) == 0;
	cr_assert_eq(ok, !err_is(&e));
	if (!ok)
		pair_free(p);
	return ok;
}

static void arrive_well(struct pair *p)
{
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	cr_assert(arrive(
		p, buf_data(&state), buf_len(&state), buf_data(&link_state), buf_len(&link_state)));
}

static void assert_same_link(const struct my_client *c, const struct my_link *l)
{
	const uint8_t *key;
	cr_assert_eq(l->caps, link_was->caps);
	cr_assert_eq(l->server_caps, link_was->server_caps);
	cr_assert_str_eq(l->version, "9.7.0");
	cr_assert_eq(l->version_n, 90700);
	cr_assert_eq(proto_mysql.link_server_pid(l), 0x01020304);
	cr_assert_eq(proto_mysql.link_cancel_key(l, &key), 4);
	cr_assert_arr_eq(key, "\4\3\2\1", 4);
	cr_assert_eq(l->status, link_was->status);
	cr_assert_eq(l->server_collation, 255);
	cr_assert_eq(l->link_class, 64);
	cr_assert_eq(l->affected, -1);
	cr_assert_eq(l->acked_n, 3);
	cr_assert_arr_eq(l->acked, "1-2", 3);
	cr_assert(
		l->tx_text && l->own_last && l->own_id && l->multi && l->left_diag && l->diag_due);
	cr_assert(!l->own_count && !l->own_found && !l->mariadb && !l->sync_due && !l->spoiled);
	cr_assert_eq(l->dirty, MY_DIRTY);
	cr_assert_eq(l->have, link_was->have, "sets are shared within an env");
	cr_assert_eq(l->fresh, link_was->fresh);
	cr_assert_eq(l->last_client_id, c->id, "it was this session that used it");
	cr_assert_eq(l->last_attached, c->n_attached);
}

/* Handles in the order of their use, each found by what the session's statement asks for. */
static void assert_same_handles(const struct my_client *c, struct my_link *l)
{
	static const uint32_t order[] = { 3, 9, 7 };
	unsigned i = 0;
	struct linkstmt *x;
	cr_assert_eq(proto_mysql.n_statements(l, true), 3);
	list_for(n, &l->stmts.lru)
		cr_assert_eq(list_entry(n, struct linkstmt, lru)->id, order[i++]);
	struct my_stmt *s = my_stmt_get(c, 1);
	cr_assert(s->text == NULL && s->fixed == 4 && s->types);
	s = my_stmt_get(c, 2);
	x = linkmap_get(&l->stmts, my_stmt_key(s, l, s->types, false));
	cr_assert(x && x->id == 7 && x->in_flight == 0);
	s = my_stmt_get(c, 3);
	x = linkmap_get(&l->stmts, s->fresh);
	cr_assert(x && x->id == 9 && x->in_flight == 1);
	cr_assert_eq(s->cursor, 9);
}

Test(mysql_hand, comes_back_as_it_went)
{
	struct pair p;
	struct buf again, link_again;
	arrive_well(&p);
	assert_same_link(p.c, p.l);
	cr_assert_eq(p.c->pins, was->pins);
	cr_assert_eq(proto_mysql.client_pins(p.c), was->pins | PIN(CURSOR));
	cr_assert_eq(p.c->held, was->held);
	cr_assert_eq(p.c->held_unknown, PIN(TEMP));
	cr_assert_eq(p.c->n_prepared, 2);
	cr_assert_eq(p.c->n_handlers, 1);
	cr_assert_eq(p.c->prepared.flags, 77);
	cr_assert_eq(p.c->needs, was->needs);
	cr_assert_eq(p.c->insert_id, 12);
	cr_assert(p.c->id_set);
	cr_assert_str_eq(p.c->learn->names[0], "a");
	cr_assert_str_eq(p.c->learn->sys[0], "wait_timeout");
	buf_init(&again, 1 << 20);
	buf_init(&link_again, 1 << 20);
	cr_assert_eq(hand_out(&p, &again, &link_again), PROTO_STAYS_NOT);
	cr_assert_eq(buf_len(&again), buf_len(&state));
	cr_assert_eq(buf_len(&link_again), buf_len(&link_state));
	cr_assert_eq(memcmp(buf_data(&link_again), buf_data(&link_state), buf_len(&link_state)), 0);
	buf_fini(&again);
	buf_fini(&link_again);
	assert_same_handles(p.c, p.l);
	pair_free(&p);
}

Test(mysql_hand, what_stays)
{
	was->confined = true;
	cr_assert_eq(stays(), PROTO_STAYS_PINNED);
	was->confined = false;
	my_stmt_get(was, 2)->long_data = 7;
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	my_stmt_get(was, 2)->long_data = 0;
	link_was->tx = TX_OPEN;
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	link_was->tx = TX_IDLE;
	my_owed_capture(link_was, 3, MY_CAP_STATUS, true);
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	my_owed_pop(link_was);
	link_was->prep_wait = true;
	cr_assert_eq(stays(), PROTO_STAYS_UNSETTLED);
	link_was->prep_wait = false;
	link_was->raw = true;
	cr_assert_eq(stays(), PROTO_STAYS_LINK);
	link_was->raw = false;
	link_was->caps |= MYCAP(COMPRESS);
	cr_assert_eq(stays(), PROTO_STAYS_LINK);
	link_was->caps &= ~MYCAP(COMPRESS);
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	struct buf small;
	buf_init(&small, 64);
	cr_assert_eq(proto_mysql.link_hand_out(was, link_was, &small), PROTO_STAYS_TOO_BIG);
	buf_fini(&small);
}

/* Without its link it stays, and what was written with one is nothing without. */
Test(mysql_hand, with_its_link_only)
{
	struct proto_client_conf k = {
		.mode = PROTO_TRANSACTION, .max_prepared = 10, .counters = &counters
	};
	struct err e = { 0 };
	cr_assert_eq(proto_mysql.client_move_out(was, false, &state), PROTO_STAYS_PINNED);
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	struct rd r = rd_of(buf_data(&state), buf_len(&state));
	struct pair p = { client_new(), NULL };
	cr_assert_eq(proto_mysql.client_move_in(p.c, env, &k, false, &r, &e), -1);
	pair_free(&p);
}

/* A cursor of the session's that the link knows nothing of; a server of the other family. */
Test(mysql_hand, they_belong_together)
{
	struct pair p;
	struct hash128 key = my_stmt_get(was, 3)->fresh;
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	struct linkstmt *x = linkmap_get(&link_was->stmts, key);
	x->id = 10;
	struct buf other;
	buf_init(&other, 1 << 20);
	cr_assert_eq(proto_mysql.link_hand_out(was, link_was, &other), PROTO_STAYS_NOT);
	x->id = 9;
	cr_assert_not(
		arrive(&p, buf_data(&state), buf_len(&state), buf_data(&other), buf_len(&other)));
	buf_fini(&other);
	link_was->mariadb = true;
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	cr_assert_not(arrive(&p, buf_data(&state), buf_len(&state), buf_data(&link_state),
		buf_len(&link_state)));
	link_was->mariadb = false;
	link_was->status |= MYSTATUS_IN_TRANS;
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	cr_assert_not(arrive(&p, buf_data(&state), buf_len(&state), buf_data(&link_state),
		buf_len(&link_state)));
}

static uint8_t *copy(const void *p, size_t n) /* ASan sees reads behind it */
{
	uint8_t *c = malloc(n ? n : 1);
	memcpy(c, p, n);
	return c;
}

/* Each of them is refused, or is a state that can be given back. */
Test(mysql_hand, hostile_bytes)
{
	struct pair p;
	cr_assert_eq(stays(), PROTO_STAYS_NOT);
	const struct buf *part[2] = { &state, &link_state };
	for (int k = 0; k < 2; k++) {
		size_t n[2] = { buf_len(&state), buf_len(&link_state) };
		uint8_t *b[2];
		for (size_t cut = 0; cut < buf_len(part[k]); cut++) {
			n[k] = cut;
			for (int i = 0; i < 2; i++)
				b[i] = copy(buf_data(part[i]), n[i]);
			cr_assert_not(arrive(&p, b[0], n[0], b[1], n[1]), "%d cut at %zu", k, cut);
			free(b[0]);
			free(b[1]);
		}
		n[k] = buf_len(part[k]);
		for (int i = 0; i < 2; i++)
			b[i] = copy(buf_data(part[i]), n[i]);
		for (size_t at = 0; at < n[k]; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				b[k][at] ^= (uint8_t)(1u << bit);
				if (arrive(&p, b[0], n[0], b[1], n[1]))
					pair_free(&p);
				b[k][at] ^= (uint8_t)(1u << bit);
			}
		cr_assert(arrive(&p, b[0], n[0], b[1], n[1]));
		pair_free(&p);
		uint8_t *more = realloc(b[k], n[k] + 1);
		more[n[k]] = 0;
		b[k] = more;
		n[k]++;
		cr_assert_not(arrive(&p, b[0], n[0], b[1], n[1]), "a byte behind %d", k);
		free(b[0]);
		free(b[1]);
	}
}
