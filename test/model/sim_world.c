/* sim_world - clients and servers of the simulations. */
#include "sim_world.h"

#include "../conformance/fake_proto.h"

#include "base/num.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct proto_ops *const proto_table[PROTO_MAX] = { &fake_quiet, &fake_greeting };

const struct proto_ops *proto_by_name(const char *name)
{
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++)
		if (!strcmp(proto_table[i]->name, name))
			return proto_table[i];
	return NULL;
}

struct core *core;
struct server server[PORTS];
struct client *clients[256];
unsigned n_clients;
bool world_lowered;
static struct core_gen *gen;
static struct loop *control;
static unsigned next_thread, next_client;

static int number(const char *s)
{
	int64_t v = 0;
	return num_i64(s, 0, INT32_MAX, &v) == 0 ? (int)v : 0;
}

/* ---- servers ---- */

struct thread { /* a server's side of one connection */
	struct list node;
	struct sim_conn *c;
	struct server *s;
	unsigned id, class, rows_left;
	char user[40], var[40], nonce[40];
	bool logged_in, greeted, in_tx, sleeping, canceled, canceler;
};
static struct list threads;

struct server *world_server(unsigned port, bool greets)
{
	for (unsigned i = 0; i < PORTS; i++)
		if (server[i].port == port || server[i].port == 0) {
			server[i].port = port;
			server[i].greets = greets;
			return &server[i];
		}
	return NULL;
}

static struct server *server_of(unsigned port)
{
	for (unsigned i = 0; i < PORTS; i++)
		if (server[i].port == port)
			return &server[i];
	cr_assert_fail("nobody is at port %u", port);
	return NULL;
}

static void on_connect(struct sim_conn *c)
{
	struct thread *t = calloc(1, sizeof *t);
	t->c = c;
	t->s = server_of(c->port);
	t->id = ++next_thread;
	t->s->connects++;
	c->owner = t;
	list_init(&t->node);
	list_append(&threads, &t->node);
}

static void thread_free(struct thread *t)
{
	list_del(&t->node);
	sim_free(t->c);
	free(t);
}

static const char *shown(const char *var)
{
	return *var ? var : ".";
}

/* "u3.7c2": client number 3, its 7th request, class 2: a nonce tells who may ask it. */
static void check_asker(const struct thread *t, const char *nonce)
{
	unsigned id = 0, n = 0, class = 0;
	cr_assert_eq(sscanf(nonce, "u%u.%uc%u", &id, &n, &class), 3, "%s", nonce);
	for (unsigned i = 0; i < n_clients; i++)
		if (clients[i]->id == id)
			cr_assert_str_eq(
				clients[i]->user, t->user, "%s on a link of %s", nonce, t->user);
	cr_assert_eq(class, t->class, "%s on a link of class %u", nonce, t->class);
}

static void reply(struct thread *t, const char *nonce, bool vague)
{
	sim_sendf(t->c, "R %s %c %s\n", nonce, t->in_tx ? 'T' : 'I', vague ? "?" : shown(t->var));
}

static void cancel(unsigned id)
{
	list_for(n, &threads) {
		struct thread *t = list_entry(n, struct thread, node);
		if (t->id == id)
			t->canceled = true;
	}
}

static void request(struct thread *t, const char *verb, const char *nonce, const char *value)
{
	check_asker(t, nonce);
	if (!strcmp(verb, "BEGIN"))
		t->in_tx = true;
	if (!strcmp(verb, "COMMIT"))
		t->in_tx = false;
	if (!strcmp(verb, "SET") || !strcmp(verb, "VAGUE"))
		snprintf(t->var, sizeof t->var, "%s", strcmp(value, ".") ? value : "");
	if (!strcmp(verb, "ROWS"))
		for (int i = 0; i < number(value); i++)
			sim_sendf(t->c, "D %s %d\n", nonce, i);
	if (!strcmp(verb, "SLEEP")) {
		t->sleeping = true;
		snprintf(t->nonce, sizeof t->nonce, "%s", nonce);
		return;
	}
	reply(t, nonce, !strcmp(verb, "VAGUE"));
}

static void login(struct thread *t, const char *user, const char *class)
{
	snprintf(t->user, sizeof t->user, "%s", user);
	t->class = (unsigned)number(class);
	if (t->s->deny) {
		t->s->denied++;
		sim_send(t->c, "ERR 28000 no\n");
		sim_close(t->c);
		return;
	}
	t->logged_in = true;
	t->s->logins++;
	sim_sendf(t->c, "WELCOME %s %u\n", t->s->version, t->id);
}

static void own(struct thread *t, const char *verb, const char *a)
{
	if (!strcmp(verb, "SYNC")) {
		t->s->syncs++;
		snprintf(t->var, sizeof t->var, "%s", strcmp(a, ".") ? a : "");
		sim_sendf(t->c, "SYNCED %s\n", a);
	} else if (!strcmp(verb, "ASK")) {
		sim_sendf(t->c, "VALUE %s\n", shown(t->var));
	} else if (!strcmp(verb, "RESET")) {
		t->s->resets++;
		t->var[0] = 0;
		t->in_tx = false;
		sim_send(t->c, "DONE\n");
	} else if (!strcmp(verb, "PING")) {
		t->s->pings++;
		sim_send(t->c, "DONE\n");
	} else if (!strcmp(verb, "CANCEL")) {
		t->s->cancels++;
		t->canceler = true;
		cancel((unsigned)number(a));
		if (t->logged_in)
			sim_send(t->c, "DONE\n");
		else
			sim_close(t->c);
	} else if (!strcmp(verb, "SQL")) {
		sim_sendf(t->c, "ROW %s\nDONE\n", a);
	} else if (!strcmp(verb, "BYE")) {
		sim_close(t->c);
	} else {
		cr_assert_fail("the server got \"%s %s\"", verb, a);
	}
}

static void obey(struct thread *t, const char *line)
{
	char w[4][40] = { "", "", "", "" };
	(void)sscanf(line, "%39s %39s %39s %39s", w[0], w[1], w[2], w[3]);
	if (!strcmp(w[0], "LOGIN"))
		login(t, w[1], w[3]);
	else if (w[1][0] == 'u' && strchr(w[1], '.') && strcmp(w[0], "SYNC"))
		request(t, w[0], w[1], w[2]);
	else
		own(t, w[0], w[1]);
}

/* True: it did something. */
static bool thread_step(struct thread *t)
{
	char line[200];
	if (t->c->connecting) {
		if (t->s->delay && sim_rnd(t->s->delay))
			return false;
		sim_connected(t->c, t->s->refuse ? ECONNREFUSED : 0);
		if (t->s->refuse)
			t->c->cut = true;
		return true;
	}
	if (sim_over(t->c) || (t->c->gone && t->c->closed)) {
		thread_free(t);
		return true;
	}
	if (t->c->cut || t->c->closed || t->s->mute || (t->s->delay && sim_rnd(t->s->delay)))
		return t->c->cut && t->c->gone && (thread_free(t), true);
	if (!t->greeted && t->s->greets) {
		t->greeted = true;
		sim_sendf(t->c, "HI %s %u\n", t->s->version, t->id);
		return true;
	}
	if (t->sleeping && t->canceled) {
		sim_sendf(t->c, "E %s %c canceled\n", t->nonce, t->in_tx ? 'T' : 'I');
		t->sleeping = t->canceled = false;
		return true;
	}
	if (t->sleeping || !sim_line(t->c, line, sizeof line))
		return false;
	obey(t, line);
	return true;
}

unsigned world_links(unsigned port)
{
	unsigned k = 0;
	list_for(n, &threads) {
		struct thread *t = list_entry(n, struct thread, node);
		k += t->s->port == port && t->logged_in && !t->canceler && !t->c->gone;
	}
	return k;
}

/* ---- clients ---- */

struct client *world_client_of_class(
	unsigned proto, unsigned worker, const char *user, const char *db, unsigned class)
{
	struct client *k = calloc(1, sizeof *k);
	cr_assert_lt(n_clients, 256);
	k->id = ++next_client;
	k->proto = proto;
	k->worker = worker;
	k->class = class;
	list_init(&k->asked);
	snprintf(k->user, sizeof k->user, "%s", user);
	snprintf(k->db, sizeof k->db, "%s", db);
	k->c = sim_accept((int)proto, worker);
	clients[n_clients++] = k;
	if (!k->c)
		k->dead = true;
	else if (proto == QUIET)
		sim_sendf(k->c, "LOGIN %s %s %u\n", user, db, class);
	return k;
}

struct client *world_client(unsigned proto, unsigned worker, const char *user, const char *db)
{
	return world_client_of_class(proto, worker, user, db, 0);
}

void client_ask(struct client *k, const char *verb, const char *value)
{
	struct asked *a = calloc(1, sizeof *a);
	list_init(&a->node);
	snprintf(a->nonce, sizeof a->nonce, "u%u.%uc%u", k->id, ++k->next, k->class);
	snprintf(a->verb, sizeof a->verb, "%s", verb);
	snprintf(a->value, sizeof a->value, "%s", value ? value : "");
	list_append(&k->asked, &a->node);
	sim_sendf(k->c, "%s %s %s\n", verb, a->nonce, value ? value : "");
}

void client_say(struct client *k, const char *line)
{
	sim_sendf(k->c, "%s\n", line);
}

void client_leave(struct client *k)
{
	k->leaving = true;
	if (!k->dead)
		sim_close(k->c);
}

unsigned client_waits(const struct client *k)
{
	unsigned n = 0;
	list_for(node, &k->asked)
		n++;
	return n;
}

static void answered(struct client *k, const char *tx, const char *value, bool ok)
{
	struct list *n = list_pop(&k->asked);
	struct asked *a = list_entry(n, struct asked, node);
	if (ok && (!strcmp(a->verb, "SET") || !strcmp(a->verb, "VAGUE")))
		snprintf(k->var, sizeof k->var, "%s", strcmp(a->value, ".") ? a->value : "");
	if (ok && strcmp(value, "?") != 0)
		cr_assert_str_eq(
			value, shown(k->var), "client %u, %s: another's variable", k->id, a->nonce);
	k->in_tx = *tx == 'T';
	k->answered++;
	k->failed += !ok;
	free(a);
}

static void hear(struct client *k, const char *line)
{
	char w[4][40] = { "", "", "", "" };
	(void)sscanf(line, "%39s %39s %39s %39s", w[0], w[1], w[2], w[3]);
	snprintf(k->last, sizeof k->last, "%s", line);
	if (!strcmp(w[0], "HI")) {
		k->number = (unsigned)number(w[2]);
		snprintf(k->version, sizeof k->version, "%s", w[1]);
		sim_sendf(k->c, "LOGIN %s %s %u\n", k->user, k->db, k->class);
	} else if (!strcmp(w[0], "WELCOME")) {
		k->welcome = true;
		k->number = (unsigned)number(w[2]);
	} else if (!strcmp(w[0], "ERR")) {
		snprintf(k->error, sizeof k->error, "%s", w[1]);
	} else if (!strcmp(w[0], "NOTE") || !strcmp(w[1], "-")) {
		struct list *first = list_first(&k->asked);
		if (!strcmp(w[0], "E") && first && strcmp(w[3], "KILLED") &&
			!strstr("NO_SESSION NOT_OWNER", w[3]))
			answered(k, w[2], "", false);
	} else {
		struct list *first = list_first(&k->asked);
		cr_assert_not_null(first, "client %u was told \"%s\" unasked", k->id, line);
		cr_assert_str_eq(list_entry(first, struct asked, node)->nonce, w[1],
			"client %u was told \"%s\"", k->id, line);
		if (strcmp(w[0], "D") != 0)
			answered(k, w[2], w[3], !strcmp(w[0], "R"));
	}
}

static bool client_step(struct client *k)
{
	char line[300];
	bool any = false;
	if (k->dead)
		return false;
	while (sim_line(k->c, line, sizeof line)) {
		hear(k, line);
		any = true;
	}
	if (sim_over(k->c)) {
		struct list *n;
		k->dead = true;
		sim_free(k->c);
		k->c = NULL;
		while ((n = list_pop(&k->asked))) /* closed: that is an answer too */
			free(list_entry(n, struct asked, node));
		any = true;
	}
	return any;
}

/* ---- all together ---- */

bool world_turn(void)
{
	bool any = sim_turn();
	list_for_safe(n, &threads)
		any |= thread_step(list_entry(n, struct thread, node));
	for (unsigned i = 0; i < n_clients; i++)
		if (sim_rnd(4))
			any |= client_step(clients[i]);
	return any;
}

void world_settle(void)
{
	unsigned quiet = 0;
	for (unsigned i = 0; quiet < 60; i++) {
		quiet = world_turn() ? 0 : quiet + 1;
		cr_assert_lt(i, 1000000, "it does not settle");
	}
	world_check();
}

void world_pass(int64_t us)
{
	int64_t end = sim_now + us;
	world_settle();
	for (int64_t at; (at = sim_next_timer()) <= end;) {
		if (at > sim_now)
			sim_now = at;
		world_settle();
	}
	sim_now = end;
	world_settle();
}

/* Links that a worker's pools have, by the lists. */
static unsigned count_links(const struct pool *o)
{
	unsigned n = 0;
	for (unsigned w = 0; w < core->n_workers; w++)
		for (int st = LINK_CONNECTING; o->shard[w] && st < LINK_CLOSING; st++)
			n += o->shard[w]->n_links[st];
	return n;
}

void world_check(void)
{
	for (struct hmap_it it = hmap_begin(&core->pools); hmap_next(&it);) {
		const struct pool *o = it.value;
		unsigned open = atomic_load(&o->open);
		cr_assert_leq(count_links(o), open);
		unsigned most = atomic_load(&o->limit) + atomic_load(&o->reserve);
		cr_assert(open <= most || world_lowered, "%u open, %u allowed", open, most);
	}
}

static struct conf *parse(const char *text)
{
	char all[8192], line[1200];
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	snprintf(all, sizeof all,
		"[weirpool]\nauth_type = trust\nlog_connections = 0\nlog_disconnections = 0\n"
		"log_pooler_errors = 0\nserver_tls_sslmode = disable\n%s",
		text);
	if (conf_load_text("sim.ini", all, strlen(all), &conf, &m) != 0)
		cr_assert_fail("%s", conf_msg_format(&m.list[0], line, sizeof line));
	conf_msgs_fini(&m);
	return conf;
}

static struct core_gen *generation(const char *text)
{
	static const char *const names[] = { "ann", "bob", "eve", "root" };
	struct core_gen *g = mem_xalloc(MEM_CONF, sizeof *g);
	struct err e = { 0 };
	atomic_store(&g->refs, 1);
	g->conf = parse(text);
	g->users = users_new();
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		cr_assert_eq(users_add(g->users, names[i], strlen(names[i]), "pw", 2, &e), 0);
	return g;
}

void world_begin(uint64_t seed, unsigned workers, const char *text)
{
	static const struct core_listen ls[2] = { { QUIET, &fake_quiet, CONF_ENDPOINT_AUTO },
		{ GREETING, &fake_greeting, CONF_ENDPOINT_AUTO } };
	char all[4096];
	struct err e = { 0 };
	struct loop_opts lo = { 0 };
	struct log_opts log = { .level = LOG_LV_FATAL, .quiet = !getenv("SIM_TRACE") };
	if (getenv("SIM_TRACE")) {
		log.level = LOG_LV_DEBUG;
		sim_trace = true;
	}
	cr_assert_eq(log_open(&log), 0);
	sim_init(seed);
	sim_on_connect = on_connect;
	list_init(&threads);
	memset(server, 0, sizeof server);
	next_thread = next_client = n_clients = 0;
	world_lowered = false;
	snprintf(all, sizeof all, "workers = %u\n%s", workers, text);
	gen = generation(all);
	control = loop_new(&lo);
	core = core_new(control, gen, ls, 2, &e);
	cr_assert_not_null(core, "%s", e.msg);
	core->client_fd_end = INT_MAX; /* there are no descriptors here */
	core->version = "sim";
}

void world_reload(const char *text)
{
	char all[4096];
	snprintf(all, sizeof all, "workers = %u\n%s", core->n_workers, text);
	struct core_gen *next = generation(all);
	core_reload(core, next);
	gen_unref(gen);
	gen = next;
}

void world_end(void)
{
	core_set_state(core, CORE_STOP);
	world_pass(3000000);
	cr_assert_eq(core_n_sessions(core), 0, "%u sessions are left", core_n_sessions(core));
	cr_assert_eq(core_n_links(core, NULL), 0, "%u links are left", core_n_links(core, NULL));
	core_free(core);
	loop_free(control);
	gen_unref(gen);
	for (unsigned i = 0; i < n_clients; i++) {
		cr_assert(clients[i]->dead || clients[i]->c->gone, "client %u was forgotten", i);
		client_step(clients[i]);
		if (!clients[i]->dead)
			sim_free(clients[i]->c);
		free(clients[i]);
	}
	list_for_safe(n, &threads) {
		struct thread *t = list_entry(n, struct thread, node);
		t->c->gone = true;
		thread_free(t);
	}
	sim_fini();
	log_close();
	buf_thread_fini();
	for (int i = 0; i < MEM_N; i++)
		cr_assert_eq(mem_live((enum mem_type)i), 0, "%zu bytes of type %d are left",
			mem_live((enum mem_type)i), i);
}
