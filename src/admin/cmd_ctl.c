/* cmd_ctl - the commands that change something. Those that have to wait for links to go (PAUSE,
 * SUSPEND, WAIT_CLOSE) stand in a list that a timer looks at; the console of their sender may be
 * gone by then. Control thread. */
#include "admin_int.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define POLL_US 50000

enum wait_kind { WAIT_PAUSE, WAIT_SUSPEND, WAIT_CLOSE };
struct pending {
	struct list node; /* in admin.pending */
	struct core_console *r;
	enum wait_kind kind;
	struct dbase *db; /* NULL: all */
	int64_t since_us, suspend_us;
	bool asking;      /* a scatter has it */
	unsigned clear_n; /* how often in a row nothing was left */
};

/* ---- help ---- */

static void wrong_state(struct core_console *r, const char *text)
{
	struct err *e = &r->result.err;
	err_set(e, ERR_UNSUPPORTED, "%s", text);
	memcpy(e->sqlstate, "55000", 6); /* object_not_in_prerequisite_state */
	admin_refuse(r);
}

static const char *arg_of(const struct cmd_line *l)
{
	return l->args_n ? l->arg[0].text : NULL;
}

/* The database named, or NULL and r is answered. verb: "pause", as in "cannot pause admin db". */
static struct dbase *find_db(struct core_console *r, const struct cmd_line *l, const char *verb)
{
	const char *name = arg_of(l);
	struct dbase *d = NULL;
	if (conf_is_console(name)) {
		admin_fail(r, ERR_NOT_ALLOWED, "cannot %s admin db: %s", verb, name);
		return NULL;
	}
	if (!names_dbase(r, name, &d)) {
		err_set(&r->result.err, ERR_NO_DATABASE, "no such database: %s", name);
		if (!strcmp(verb, "kill") && name[strspn(name, "0123456789")] == '\0')
			err_hint(&r->result.err, "KILL_CLIENT with an id of SHOW CLIENTS drops "
						 "one client.");
		admin_refuse(r);
	} else if (!d)
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
	return d;
}

static bool is_held(const struct core *c)
{
	return atomic_load(&c->paused) || atomic_load(&c->state) == CORE_SUSPENDED;
}

/* Workers look again at who may have a link and which links must go. */
static void look_again(struct core *c)
{
	core_set_state(c, (enum core_state)atomic_load(&c->state));
}

/* ---- commands that wait ---- */

static void wait_for(struct core_console *r, enum wait_kind kind, struct dbase *db)
{
	struct admin *a = admin_of(r);
	struct pending *p = mem_alloc(MEM_ADMIN, sizeof *p);
	if (!p) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	list_init(&p->node);
	p->r = r;
	p->kind = kind;
	p->db = db;
	p->since_us = loop_now_us(a->core->loop);
	p->suspend_us = admin_conf(r)->global.suspend_timeout_us;
	list_append(&a->pending, &p->node);
	timer_set(a->core->loop, &a->poll, p->since_us + POLL_US / 5);
}

static void wait_over(struct pending *p, const char *tag, const char *failure)
{
	list_del(&p->node);
	if (tag)
		admin_done(p->r, tag);
	else
		wrong_state(p->r, failure);
	mem_free(MEM_ADMIN, p);
}

struct count_part {
	unsigned n;
};

static void count_old_links(struct worker *w, const struct dbase *db, struct count_part *part)
{
	list_for(sn, &w->shards) {
		struct pool_shard *p = list_entry(sn, struct pool_shard, node);
		if (db && p->pool->db != db)
			continue;
		unsigned epoch = atomic_load(&p->pool->db->epoch);
		for (int st = LINK_CONNECTING; st < LINK_CLOSING; st++)
			list_for(n, &p->links[st])
				part->n += list_entry(n, struct link, node)->epoch != epoch;
	}
}

/* Clients to whom something is still to be sent. Those who do not take it in time are dropped. */
static void count_unsent(struct worker *w, bool drop, struct count_part *part)
{
	for (int st = SESSION_IDLE; st < SESSION_CLOSING; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (s->is_console || !stream_queued(&s->st))
				continue;
			if (drop)
				session_kill(s, ERR_KILLED, "suspend_timeout");
			else
				part->n++;
		}
}

static void each_count(struct worker *w, void *part, void *arg) /* on the worker */
{
	const struct pending *p = arg;
	int64_t waited = loop_now_us(w->loop) - p->since_us;
	if (p->kind == WAIT_CLOSE)
		count_old_links(w, p->db, part);
	else
		count_unsent(w, p->suspend_us && waited > p->suspend_us, part);
}

static void count_done(struct scatter *s)
{
	struct pending *p = s->arg;
	unsigned n = 0;
	for (unsigned i = 0; i < s->n; i++)
		n += ((struct count_part *)scatter_part(s, i))->n;
	p->asking = false;
	p->clear_n = n ? 0 : p->clear_n + 1;
	/* twice: a link that moved from one worker to another may have been seen by neither */
	if (p->clear_n >= 2)
		wait_over(p, p->kind == WAIT_CLOSE ? "WAIT_CLOSE" : "SUSPEND", NULL);
}

static void look_at(struct admin *a, struct pending *p)
{
	struct core *c = a->core;
	if (p->kind == WAIT_PAUSE) {
		bool held = p->db ? atomic_load(&p->db->paused) : atomic_load(&c->paused);
		if (!held)
			wait_over(p, NULL, "PAUSE was undone by RESUME before it was complete");
		else if (core_n_links(c, p->db) == 0 && core_held_before(c))
			wait_over(p, "PAUSE", NULL);
		return;
	}
	if (p->asking)
		return;
	if (p->kind == WAIT_SUSPEND && atomic_load(&c->state) != CORE_SUSPENDED) {
		wait_over(p, NULL, "SUSPEND was undone before it was complete");
		return;
	}
	p->asking = core_scatter(c, sizeof(struct count_part), each_count, count_done, p) == 0;
}

void ctl_poll(struct timer *t, void *arg)
{
	struct admin *a = arg;
	list_for_safe(n, &a->pending)
		look_at(a, list_entry(n, struct pending, node));
	if (!list_empty(&a->pending))
		timer_set(a->core->loop, t, loop_now_us(a->core->loop) + POLL_US);
}

void ctl_give_up(struct admin *a)
{
	list_for_safe(n, &a->pending)
		wait_over(list_entry(n, struct pending, node), NULL, "pooler is shutting down");
}

void ctl_pause(struct core_console *r, const struct cmd_line *l)
{
	struct core *c = r->core;
	struct dbase *d = NULL;
	if (cluster_pause(r, l, true))
		return;
	if (is_held(c)) {
		wrong_state(r, "already suspended/paused");
		return;
	}
	if (arg_of(l)) {
		d = find_db(r, l, "pause");
		if (!d)
			return;
		atomic_store(&d->paused_at_us, loop_now_us(c->loop));
		atomic_store(&d->paused, true);
	} else {
		atomic_store(&c->paused, true);
	}
	look_again(c);
	core_held_changed(c, d);
	wait_for(r, WAIT_PAUSE, d);
}

void ctl_suspend(struct core_console *r, const struct cmd_line *l)
{
	struct core *c = r->core;
	(void)l;
	if (atomic_load(&c->state) >= CORE_HANDED) {
		wrong_state(r, "pooler is shutting down");
		return;
	}
	if (is_held(c)) {
		wrong_state(r, "already suspended/paused");
		return;
	}
	core_set_state(c, CORE_SUSPENDED);
	wait_for(r, WAIT_SUSPEND, NULL);
}

void ctl_wait_close(struct core_console *r, const struct cmd_line *l)
{
	struct dbase *d = NULL;
	if (arg_of(l)) {
		if (conf_is_console(arg_of(l))) {
			admin_fail(r, ERR_NOT_ALLOWED, "cannot wait in admin db: %s", arg_of(l));
			return;
		}
		d = find_db(r, l, "wait for");
		if (!d)
			return;
	}
	wait_for(r, WAIT_CLOSE, d);
}

/* ---- commands that do not wait ---- */

static void resume_all(struct core_console *r)
{
	struct core *c = r->core;
	if (atomic_load(&c->state) >= CORE_HANDED) {
		wrong_state(r, "pooler is shutting down");
		return;
	}
	if (!is_held(c)) {
		wrong_state(r, "pooler is not paused/suspended");
		return;
	}
	atomic_store(&c->paused, false);
	core_set_state(c, CORE_RUNNING);
	core_held_changed(c, NULL);
	ctl_poll(&admin_of(r)->poll, admin_of(r));
	admin_done(r, "RESUME");
}

void ctl_resume(struct core_console *r, const struct cmd_line *l)
{
	if (cluster_pause(r, l, false))
		return;
	if (!arg_of(l)) {
		resume_all(r);
		return;
	}
	struct dbase *d = find_db(r, l, "resume");
	if (!d)
		return;
	if (!atomic_load(&d->paused) && !atomic_load(&d->killed)) {
		char text[300];
		snprintf(text, sizeof text, "database %s is not paused", arg_of(l));
		wrong_state(r, text);
		return;
	}
	atomic_store(&d->killed, false);
	atomic_store(&d->paused, false);
	look_again(r->core);
	core_held_changed(r->core, d);
	ctl_poll(&admin_of(r)->poll, admin_of(r));
	admin_done(r, "RESUME");
}

void ctl_disable(struct core_console *r, const struct cmd_line *l)
{
	struct dbase *d = find_db(r, l, "disable");
	if (!d)
		return;
	atomic_store(&d->disabled, true);
	core_held_changed(r->core, d);
	admin_done(r, "DISABLE");
}

void ctl_enable(struct core_console *r, const struct cmd_line *l)
{
	struct dbase *d = find_db(r, l, "enable");
	if (!d)
		return;
	atomic_store(&d->disabled, false);
	core_held_changed(r->core, d);
	admin_done(r, "ENABLE");
}

static void each_sweep(struct worker *w, void *part, void *arg) /* on the worker */
{
	(void)part;
	(void)arg;
	worker_sweep(w);
}

static void reconnect_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	admin_ask_free(s);
	admin_done(r, "RECONNECT");
}

void ctl_reconnect(struct core_console *r, const struct cmd_line *l)
{
	struct core *c = r->core;
	struct admin_ask q = { 0 };
	if (arg_of(l)) {
		struct dbase *d = find_db(r, l, "reconnect");
		if (!d)
			return;
		atomic_fetch_add(&d->epoch, 1);
	} else {
		pthread_mutex_lock(&c->lock);
		for (struct hmap_it it = hmap_begin(&c->dbases); hmap_next(&it);)
			atomic_fetch_add(&((struct dbase *)it.value)->epoch, 1);
		pthread_mutex_unlock(&c->lock);
	}
	admin_ask(r, &q, 1, each_sweep, reconnect_done);
}

static void each_kill(struct worker *w, void *part, void *arg) /* on the worker */
{
	const struct admin_ask *q = arg;
	(void)part;
	worker_kill_db(w, q->db, ERR_KILLED);
}

static void kill_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	admin_ask_free(s);
	admin_done(r, "KILL");
}

/* As PgBouncer: who comes next waits until RESUME. */
void ctl_kill(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	if (is_held(r->core)) {
		wrong_state(r, "already suspended/paused");
		return;
	}
	if (arg_of(l)) {
		struct dbase *d = find_db(r, l, "kill");
		if (!d)
			return;
		atomic_store(&d->paused, true);
		q.db = d;
	} else {
		atomic_store(&r->core->paused, true);
	}
	core_held_changed(r->core, q.db);
	admin_ask(r, &q, 1, each_kill, kill_done);
}

/* ---- KILL_CLIENT ---- */

/* An id, or the ptr of a client. -1: neither. */
static int client_id(const char *text, uint32_t *id_r)
{
	uint64_t v = 0;
	if (text[0] != '0' || (text[1] | 0x20) != 'x') {
		if (num_u64n(text, strlen(text), 1, UINT32_MAX, &v) != 0)
			return -1;
		*id_r = (uint32_t)v;
		return 0;
	}
	size_t n = strlen(text + 2);
	if (n == 0 || n > 16 || strspn(text + 2, "0123456789abcdefABCDEF") != n)
		return -1;
	for (const char *p = text + 2; *p; p++)
		v = v << 4 | (uint64_t)(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);
	*id_r = (uint32_t)v;
	return *id_r && v == ptr_of('C', *id_r) ? 0 : -1;
}

static void each_kill_client(struct worker *w, void *part, void *arg) /* on the worker */
{
	const struct admin_ask *q = arg;
	unsigned *found = part;
	for (int st = SESSION_LOGIN; st < SESSION_CLOSING && !*found; st++)
		list_for_safe(n, &w->sessions[st]) {
			struct session *s = list_entry(n, struct session, node);
			if (s->id != q->id)
				continue;
			session_kill(s, ERR_KILLED, "admin forced disconnect");
			*found = 1;
			break;
		}
}

static void kill_client_done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	unsigned found = 0;
	for (unsigned i = 0; i < s->n; i++)
		found += *(unsigned *)scatter_part(s, i);
	admin_ask_free(s);
	if (found)
		admin_done(r, "KILL_CLIENT");
	else
		admin_fail(r, ERR_UNSUPPORTED, "client not found");
}

void ctl_kill_client(struct core_console *r, const struct cmd_line *l)
{
	uint32_t id;
	if (!arg_of(l) || client_id(arg_of(l), &id) != 0) {
		err_set(&r->result.err, ERR_SYNTAX, "invalid client pointer supplied");
		err_hint(&r->result.err, "It takes the id, or the ptr, of SHOW CLIENTS.");
		admin_refuse(r);
		return;
	}
	struct admin_ask q = { .id = id };
	admin_ask(r, &q, sizeof(unsigned), each_kill_client, kill_client_done);
}

/* ---- the process ---- */

void ctl_reload(struct core_console *r, const struct cmd_line *l)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	char *report = NULL;
	(void)l;
	struct err e = { 0 };
	if (h->reload(h->arg, &report, &e) != 0) {
		r->result.err = e;
		admin_refuse(r);
		return;
	}
	if (report) {
		r->result.notice = mem_strdup(MEM_ADMIN, "configuration reloaded");
		r->result.notice_detail = report;
	}
	admin_done(r, "RELOAD");
}

void ctl_set(struct core_console *r, const struct cmd_line *l)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	struct err e = { 0 };
	char tag[sizeof l->key + sizeof l->value + 8];
	if (h->set(h->arg, l->key, l->value, &e) != 0) {
		r->result.err = e;
		admin_refuse(r);
		return;
	}
	snprintf(tag, sizeof tag, "SET %s=%s", l->key, l->value);
	admin_done(r, tag);
}

void ctl_shutdown(struct core_console *r, const struct cmd_line *l)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	const char *arg = arg_of(l);
	enum core_state how = CORE_STOP;
	if (arg && !strcasecmp(arg, "wait_for_servers"))
		how = CORE_WAIT_SERVERS;
	else if (arg && !strcasecmp(arg, "wait_for_clients"))
		how = CORE_WAIT_CLIENTS;
	else if (arg) {
		cmd_invalid(r->sql, &r->result.err);
		err_hint(&r->result.err, "Usage: SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]");
		admin_refuse(r);
		return;
	}
	admin_done(r, "SHUTDOWN"); /* is on its way before the workers hear of the end */
	h->shutdown(h->arg, how);
}

/* The console may be gone by now: that is core's to know. */
static void upgraded(void *arg, const struct upgrade_result *u, const struct err *e)
{
	struct core_console *r = arg;
	struct rowset *rs = &r->result;
	if (e) {
		rs->err = *e;
		admin_refuse(r);
		return;
	}
	admin_cols(rs, "isi", "pid version generation");
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", u->pid);
	rowset_set(rs, row, 1, u->version);
	rowset_setf(rs, row, 2, "%u", u->generation);
	admin_done(r, "UPGRADE");
}

/* Answered when the new process serves, or does not. */
void ctl_upgrade(struct core_console *r, const struct cmd_line *l)
{
	const struct admin_hooks *h = &admin_of(r)->hooks;
	(void)l;
	if (h->upgrade(h->arg, upgraded, r, &r->result.err) != 0)
		admin_refuse(r);
}
