/* test_sim_core - a whole weirpool without databases, sockets and time: what each timeout does,
 * what becomes of everybody when a peer goes away in any state, back-off, draining, RELOAD,
 * greetings, KILL and logins in mid-session, and random schedules of all of it. SIM_TRACE=1
 * shows every byte. */
#include "sim_world.h"

#include "../unit/seed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000)
#define DBS \
	"[databases]\napp = host=h port=1\n* = host=h port=2\n" \
	"[mysql_databases]\nmine = host=h port=3\n"
#define SMALL "pool_size = 1\n"

static void begin(uint64_t seed, unsigned workers, const char *options)
{
	char text[4000];
	snprintf(text, sizeof text, "%s%s", options, DBS);
	world_begin(seed, workers, text);
	snprintf(world_server(1, false)->version, 16, "1.1");
	snprintf(world_server(2, false)->version, 16, "2.2");
	snprintf(world_server(3, true)->version, 16, "3.3");
	world_settle();
}

/* A client that has been welcomed. */
static struct client *enter(unsigned proto, unsigned worker, const char *user)
{
	struct client *k = world_client(proto, worker, user, proto == QUIET ? "app" : "mine");
	world_settle();
	cr_assert(k->welcome, "client %u got \"%s\"", k->id, k->last);
	return k;
}

/* ---- the common way ---- */

Test(sim_core, both_protocols_are_served)
{
	begin(1, 2, SMALL);
	for (unsigned proto = QUIET; proto <= GREETING; proto++) {
		struct client *a = enter(proto, 0, "ann"), *b = enter(proto, 1, "ann");
		client_ask(a, "SET", "one");
		client_ask(a, "Q", NULL);
		client_ask(b, "Q", NULL);
		client_ask(a, "BEGIN", NULL);
		client_ask(a, "VAGUE", "two");
		client_ask(a, "COMMIT", NULL);
		world_settle();
		client_ask(b, "ROWS", "5");
		client_ask(a, "Q", NULL);
		world_settle();
		cr_assert_eq(a->answered, 6);
		cr_assert_eq(b->answered, 2);
		cr_assert_str_eq(a->var, "two");
		client_say(a, "BYE");
		client_leave(b);
		world_settle();
		cr_assert(a->dead && b->dead);
	}
	cr_assert_eq(world_links(1), 1);
	cr_assert_eq(world_links(3), 1, "two workers, one pool");
	world_end();
}

Test(sim_core, entries_of_one_protocol_are_not_the_others)
{
	begin(2, 1, "");
	struct client *a = world_client(GREETING, 0, "ann", "app");
	world_settle();
	cr_assert_str_eq(a->error, "NO_DATABASE", "no * entry there");
	struct client *b = world_client(QUIET, 0, "ann", "mine");
	world_settle();
	cr_assert(b->welcome);
	client_ask(b, "Q", NULL);
	world_settle();
	cr_assert_eq(world_links(2), 1, "the * entry of its own protocol");
	cr_assert_eq(world_links(3), 0);
	struct client *c = world_client(GREETING, 0, "ann", "-");
	world_settle();
	cr_assert(c->welcome, "no database named: the only entry");
	struct client *d = world_client(GREETING, 0, "ann", "weirpool");
	world_settle();
	cr_assert_str_eq(d->error, "AUTH_DENIED", "the console is there too");
	world_end();
}

/* ---- greetings ---- */

Test(sim_core, a_greeting_tells_the_oldest_of_its_servers)
{
	world_begin(3, 2, "[mysql_databases]\na = host=h port=3\nb = host=h port=4\n");
	snprintf(world_server(3, true)->version, 16, "8.1");
	snprintf(world_server(4, true)->version, 16, "5.7");
	struct client *k = world_client(GREETING, 1, "ann", "a");
	cr_assert_eq(buf_len(&k->c->from_st), 0, "it waits until they are known");
	world_settle();
	cr_assert(!strcmp(k->version, "5.7") || !strcmp(k->version, "8.1"), "%s", k->version);
	struct client *l = world_client(GREETING, 0, "ann", "b");
	world_settle();
	cr_assert_str_eq(l->version, "5.7");
	cr_assert_neq(k->number, l->number);
	cr_assert_eq(k->number % 2, 1, "the number tells the worker");
	world_end();
}

Test(sim_core, nobody_waits_for_ever_for_a_greeting)
{
	world_begin(4, 1, "mysql_server_version = 9\n[mysql_databases]\na = host=h port=3\n");
	struct server *s = world_server(3, true);
	snprintf(s->version, 16, "8.1");
	s->mute = true;
	struct client *k = world_client(GREETING, 0, "ann", "a"), *gone;
	gone = world_client(GREETING, 0, "ann", "a");
	world_pass(2 * S);
	client_leave(gone);
	cr_assert_str_eq(k->version, "");
	world_pass(2 * S);
	cr_assert_str_eq(k->version, "9");
	cr_assert(gone->dead);
	s->mute = false; /* it is looked at again */
	world_pass(20 * S);
	k = world_client(GREETING, 0, "ann", "a");
	world_settle();
	cr_assert_str_eq(k->version, "8.1");
	world_end();
}

Test(sim_core, a_server_that_is_down_is_not_waited_for)
{
	world_begin(5, 2, "[mysql_databases]\na = host=h port=3\n");
	world_server(3, true)->refuse = true;
	struct client *k = world_client(GREETING, 1, "ann", "a");
	world_settle();
	cr_assert_str_eq(k->version, "default");
	cr_assert_not(k->welcome);
	world_end();
}

/* ---- time ---- */

Test(sim_core, login_timeout)
{
	begin(6, 1, "client_login_timeout = 5\n");
	struct sim_conn *c = sim_accept(QUIET, 0);
	char line[200];
	sim_send(c, "LOG");
	world_pass(4 * S);
	cr_assert_not(c->gone);
	world_pass(2 * S);
	cr_assert(sim_line(c, line, sizeof line));
	cr_assert(strstr(line, "LOGIN_TIMEOUT"), "%s", line);
	cr_assert(c->gone);
	sim_free(c);
	world_end();
}

Test(sim_core, query_timeout_frees_the_server)
{
	begin(7, 2, SMALL "query_timeout = 3\n");
	for (unsigned proto = QUIET; proto <= GREETING; proto++) {
		struct client *a = enter(proto, 0, "ann"), *b = enter(proto, 1, "ann");
		client_ask(a, "SLEEP", NULL);
		world_settle();
		client_ask(b, "Q", NULL);
		world_pass(1 * S);
		cr_assert_eq(client_waits(b), 1, "the only link is taken");
		world_pass(3 * S);
		cr_assert_str_eq(a->error, "QUERY_TIMEOUT");
		cr_assert(a->dead);
		cr_assert_eq(client_waits(b), 0, "the server was told to stop");
		cr_assert_eq(b->answered, 1);
	}
	cr_assert_eq(world_server(1, false)->cancels, 1);
	cr_assert_eq(world_server(3, true)->cancels, 1);
	cr_assert_geq(world_server(3, true)->resets, 1);
	world_end();
}

Test(sim_core, wait_timeout)
{
	begin(8, 1, SMALL "query_wait_timeout = 5\n");
	struct client *a = enter(QUIET, 0, "ann"), *b = enter(QUIET, 0, "ann");
	client_ask(a, "BEGIN", NULL);
	world_settle();
	client_ask(b, "Q", NULL);
	world_pass(4 * S);
	cr_assert_not(b->dead);
	world_pass(2 * S);
	cr_assert_str_eq(b->error, "WAIT_TIMEOUT");
	cr_assert_not(a->dead);
	world_end();
}

Test(sim_core, idle_timeouts)
{
	begin(9, 1, "client_idle_timeout = 10\nidle_transaction_timeout = 5\n");
	struct client *a = enter(QUIET, 0, "ann"), *b = enter(QUIET, 0, "ann"),
		      *c = enter(QUIET, 0, "ann");
	client_ask(b, "BEGIN", NULL);
	world_pass(4 * S);
	client_ask(c, "Q", NULL);
	world_pass(2 * S);
	cr_assert_str_eq(b->error, "IDLE_TX_TIMEOUT");
	cr_assert_not(a->dead);
	world_pass(5 * S);
	cr_assert_str_eq(a->error, "IDLE_TIMEOUT");
	cr_assert_not(c->dead, "it was busy meanwhile");
	world_end();
}

Test(sim_core, links_grow_old_and_idle)
{
	begin(10, 1, "server_lifetime = 100\nserver_idle_timeout = 30\nserver_check_delay = 10\n");
	struct client *a = enter(QUIET, 0, "ann");
	struct server *s = world_server(1, false);
	client_ask(a, "Q", NULL);
	world_pass(25 * S);
	cr_assert_eq(world_links(1), 1);
	cr_assert_geq(s->pings, 1, "an idle link is looked after");
	world_pass(10 * S);
	cr_assert_eq(world_links(1), 0, "server_idle_timeout");
	for (int i = 0; i < 12; i++) {
		client_ask(a, "Q", NULL);
		world_pass(10 * S);
	}
	cr_assert_eq(s->logins, 3, "server_lifetime: %u", s->logins);
	cr_assert_eq(a->failed, 0);
	world_end();
}

Test(sim_core, back_off)
{
	begin(11, 2, SMALL);
	struct server *s = world_server(1, false);
	s->refuse = true;
	struct client *a = world_client(QUIET, 0, "ann", "app");
	struct client *b = world_client(QUIET, 1, "ann", "app");
	world_pass(60 * S);
	cr_assert_not(a->dead || b->dead, "who waits, waits");
	cr_assert_leq(s->connects, 60, "not faster than it backs off: %u", s->connects);
	cr_assert_geq(s->connects, 3);
	s->refuse = false;
	world_pass(20 * S);
	cr_assert(a->welcome && b->welcome);
	s->deny = true;
	core_set_state(core, CORE_RUNNING);
	struct client *c = world_client(QUIET, 0, "eve", "app");
	world_pass(5 * S);
	cr_assert_str_eq(c->error, "SERVER_REFUSED", "a refused login is told");
	world_end();
}

/* ---- the end, and other orders ---- */

Test(sim_core, drain)
{
	begin(12, 2, "");
	struct client *idle = enter(QUIET, 0, "ann"), *busy = enter(GREETING, 1, "ann");
	client_ask(busy, "BEGIN", NULL);
	world_settle();
	core_set_state(core, CORE_DRAIN);
	world_settle();
	cr_assert_str_eq(idle->error, "SHUTDOWN");
	cr_assert_not(busy->dead, "in a transaction");
	struct client *late = world_client(QUIET, 0, "ann", "app");
	cr_assert(late->dead, "nobody listens");
	client_ask(busy, "Q", NULL);
	client_ask(busy, "COMMIT", NULL);
	world_pass(2 * S);
	cr_assert_str_eq(busy->error, "SHUTDOWN");
	cr_assert_eq(busy->answered, 3);
	world_end();
}

Test(sim_core, reload_lowers_a_limit)
{
	begin(13, 2, "pool_size = 4\n");
	struct client *k[4];
	for (unsigned i = 0; i < 4; i++) {
		k[i] = enter(QUIET, i % 2, "ann");
		client_ask(k[i], "BEGIN", NULL);
	}
	world_settle();
	cr_assert_eq(world_links(1), 4);
	world_lowered = true;
	world_reload(SMALL DBS);
	world_settle();
	cr_assert_eq(world_links(1), 4, "transactions go on");
	for (unsigned i = 0; i < 4; i++)
		client_ask(k[i], "COMMIT", NULL);
	world_pass(2 * S);
	world_lowered = false;
	world_check();
	cr_assert_leq(world_links(1), 1);
	for (unsigned i = 0; i < 4; i++)
		client_ask(k[i], "Q", NULL);
	world_settle();
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(k[i]->answered, 3);
	/* and an entry that is gone takes its clients along */
	world_reload("[mysql_databases]\nmine = host=h port=3\n");
	world_settle();
	cr_assert_str_eq(k[0]->error, "KILLED");
	world_end();
}

/* ---- classes, KILL, another login ---- */

Test(sim_core, links_have_classes)
{
	begin(14, 1, SMALL);
	struct client *a = world_client_of_class(GREETING, 0, "ann", "mine", 1);
	struct client *b = world_client_of_class(GREETING, 0, "ann", "mine", 2);
	world_settle();
	for (unsigned i = 0; i < 5; i++) {
		client_ask(i % 2 ? a : b, "Q", NULL);
		world_settle();
		cr_assert_eq(world_links(3), 1);
	}
	cr_assert_eq(a->answered + b->answered, 5);
	cr_assert_geq(world_server(3, true)->logins, 5, "each change is a new connection");
	world_end();
}

Test(sim_core, kill_by_number)
{
	char line[60];
	begin(15, 2, SMALL "admin_users = root\n");
	struct client *a = enter(GREETING, 0, "ann"), *b = enter(GREETING, 1, "ann"),
		      *eve = enter(GREETING, 0, "eve"), *root = enter(GREETING, 0, "root");
	client_ask(a, "SLEEP", NULL);
	world_settle();
	snprintf(line, sizeof line, "KILL %u Q", a->number);
	client_say(eve, line);
	world_settle();
	cr_assert_str_eq(eve->last, "E - I NOT_OWNER");
	cr_assert_eq(client_waits(a), 1);
	client_say(b, line);
	world_settle();
	cr_assert_str_eq(b->last, "E - I KILLED");
	cr_assert_eq(a->failed, 1, "what it ran ended");
	cr_assert_not(a->dead);
	/* a waiting request ends too */
	client_ask(a, "BEGIN", NULL);
	world_settle();
	client_ask(b, "Q", NULL);
	world_settle();
	snprintf(line, sizeof line, "KILL %u Q", b->number);
	client_say(a, "BYE x");
	client_say(root, line);
	world_settle();
	cr_assert_eq(client_waits(b), 0);
	snprintf(line, sizeof line, "KILL %u C", b->number);
	client_say(root, line);
	world_settle();
	cr_assert_str_eq(root->last, "E - I KILLED");
	cr_assert(b->dead);
	client_say(root, line);
	world_settle();
	cr_assert_str_eq(root->last, "E - I NO_SESSION");
	world_end();
}

Test(sim_core, another_login_in_mid_session)
{
	begin(16, 1, SMALL "max_user_client_connections = 1\n");
	struct client *a = enter(GREETING, 0, "ann");
	client_ask(a, "SET", "x");
	client_ask(a, "BEGIN", NULL);
	world_settle();
	snprintf(a->user, sizeof a->user, "bob");
	client_say(a, "USER bob mine 0");
	a->var[0] = 0;
	a->welcome = false;
	client_ask(a, "Q", NULL); /* behind it in the same bytes */
	world_settle();
	cr_assert(a->welcome);
	cr_assert_eq(a->answered, 3, "as bob, without ann's variable");
	cr_assert_not(a->in_tx);
	cr_assert_geq(world_server(3, true)->resets, 1, "ann's transaction was rolled back");
	struct client *b = enter(GREETING, 0, "ann"); /* that place is free again */
	struct client *c = world_client(GREETING, 0, "bob", "mine");
	world_settle();
	cr_assert_str_eq(c->error, "TOO_MANY", "and bob's is taken");
	client_say(b, "USER ann nowhere 0");
	world_settle();
	cr_assert_str_eq(b->error, "NO_DATABASE");
	cr_assert(b->dead);
	world_end();
}

/* ---- peers go away in any state ---- */

static void chaos(unsigned seed, void *arg)
{
	(void)arg;
	static const char *const verbs[] = { "Q", "Q", "SET", "BEGIN", "COMMIT", "ROWS", "PIN",
		"UNPIN", "VAGUE", "SLEEP" };
	char options[400], value[40], line[60];
	sim_init(seed);
	unsigned workers = 1 + sim_rnd(3), size = 1 + sim_rnd(4);
	snprintf(options, sizeof options,
		"pool_size = %u\nreserve_pool_size = %u\nreserve_pool_timeout = 1\n"
		"query_timeout = %u\nquery_wait_timeout = %u\nserver_lifetime = 60\n"
		"idle_transaction_timeout = 20\nclient_idle_timeout = 60\n"
		"server_check_delay = 5\nclient_login_timeout = 10\npool_mode = %s\n",
		size, sim_rnd(2), 5 + sim_rnd(20), 5 + sim_rnd(40),
		sim_rnd(5) ? "transaction" : "session");
	begin(seed, workers, options);
	world_server(1, false)->delay = sim_rnd(4);
	world_server(3, true)->delay = sim_rnd(4);
	for (unsigned step = 0; step < 600; step++) {
		struct client *k = n_clients ? clients[sim_rnd(n_clients)] : NULL;
		for (unsigned i = sim_rnd(6); i > 0; i--)
			world_turn();
		switch (sim_rnd(24)) {
		case 0:
		case 1:
		case 2:
			if (n_clients < 60) {
				unsigned proto = sim_rnd(2);
				world_client_of_class(proto, sim_rnd(workers),
					sim_rnd(3) ? "ann" : "bob", sim_rnd(2) ? "app" : "mine",
					proto == GREETING ? sim_rnd(3) : 0);
			}
			break;
		case 3:
			if (k && !k->dead && sim_rnd(3) == 0)
				client_leave(k);
			break;
		case 4: { /* a server drops a connection, whatever it is doing */
			struct list *n = list_first(&sim_conns);
			for (unsigned i = sim_rnd(20); n && i > 0 && n->next != &sim_conns; i--)
				n = n->next;
			struct sim_conn *c = n ? list_entry(n, struct sim_conn, node) : NULL;
			if (c && c->port && !c->connecting && c->st && sim_rnd(2))
				sim_close(c);
			break;
		}
		case 5: world_pass((int64_t)sim_rnd(4000) * 1000); break;
		case 6: world_server(1 + sim_rnd(3), false)->refuse = sim_rnd(4) == 0; break;
		case 7:
			if (k && !k->dead && k->welcome && k->proto == GREETING && n_clients > 1) {
				struct client *other = clients[sim_rnd(n_clients)];
				snprintf(line, sizeof line, "KILL %u %c", other->number,
					sim_rnd(2) ? 'Q' : 'C');
				if (!client_waits(k))
					client_say(k, line);
			}
			break;
		case 8:
			if (sim_rnd(10) == 0) {
				world_lowered = true;
				snprintf(line, sizeof line, "pool_size = %u\n", 1 + sim_rnd(4));
				char all[900];
				snprintf(all, sizeof all, "%s%s%s", options, line, DBS);
				world_reload(all);
			}
			break;
		default:
			if (k && !k->dead && k->welcome && !k->leaving && client_waits(k) < 5) {
				const char *verb = verbs[sim_rnd(sizeof verbs / sizeof *verbs)];
				snprintf(value, sizeof value, "%s%u",
					strcmp(verb, "ROWS") ? "v" : "", sim_rnd(30));
				client_ask(k, verb, value);
			}
		}
		world_check();
	}
	/* in the end everybody is answered, or gone */
	world_server(1, false)->refuse = world_server(2, false)->refuse = false;
	world_server(3, true)->refuse = false;
	world_pass(120 * S);
	for (unsigned i = 0; i < n_clients; i++)
		cr_assert(clients[i]->dead || client_waits(clients[i]) == 0,
			"client %u waits for ever; the last it heard was \"%s\"", clients[i]->id,
			clients[i]->last);
	world_end();
}

static void each_counts(struct worker *w, void *part, void *arg)
{
	(void)arg;
	*(unsigned *)part = w->id + 1;
}

static void all_counted(struct scatter *s)
{
	for (unsigned i = 0; i < s->n; i++)
		*(unsigned *)s->arg += *(unsigned *)scatter_part(s, i);
}

Test(sim_core, what_was_asked_of_the_workers_is_answered_before_the_end)
{
	unsigned sum = 0;
	begin(1, 3, SMALL);
	cr_assert_eq(core_scatter(core, sizeof sum, each_counts, all_counted, &sum), 0);
	core_settle(core);
	cr_assert_eq(sum, 6);
	cr_assert_eq(core_scatter(core, sizeof sum, each_counts, all_counted, &sum), -1);
	core_settle(core);
	cr_assert_eq(sum, 6);
	core->settled = false;
	world_end();
}

Test(sim_core, random_schedules, .timeout = 120)
{
	seed_each(60, chaos, NULL);
}
