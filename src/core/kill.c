/* kill - a client ends another session, or what that runs, by the number that its client was given
 * (PEV_KILL). The number tells the worker; the request travels there and its answer back, and the
 * client who asked waits for it. Who is not here may be in the other process of an upgrade, or on
 * the way from there: it is asked, and if it does not know, it is looked for here once more.
 * Ignorant of messages. Runs on workers, and on control where it says so. */
#include "core_int.h"

#include <string.h>

struct core_kill {
	struct mail mail;
	struct list node; /* control's: in core.kills, while the other process is asked */
	struct cancel_wait wait;
	struct core *core;
	unsigned from;        /* worker */
	uint32_t asker, slot; /* its id and slot: it may be gone when the answer comes */
	uint32_t id;          /* of the question to the other process, or of its question to us */
	uint32_t number;
	bool whole, any; /* any: it may end everybody's */
	bool last;       /* nobody else is asked */
	bool theirs;     /* a session of the other process asks */
	const struct account *account;
	const struct proto_ops *ops;
	enum core_killed how;
};

/* Numbers come round after 2^32 sessions: one that two have names nobody. One that has just come
 * still is the other process's. */
static struct session *by_number(struct worker *w, const struct proto_ops *ops, uint32_t number)
{
	struct session *found = NULL;
	for (unsigned i = 0; i < w->n_slots; i++) {
		struct session *s = w->slots[i].session;
		if (!s || s->number != number || s->ops != ops || s->moving == MOVING_IN)
			continue;
		if (found)
			return NULL;
		found = s;
	}
	return found;
}

static void put_err(const struct core_kill *k, struct err *e)
{
	if (k->how == CORE_KILLED_NOBODY)
		err_set(e, ERR_NO_SESSION, "Unknown thread id: %u", k->number);
	else if (k->how == CORE_KILLED_NOT_OWNER)
		err_set(e, ERR_NOT_OWNER, "You are not owner of thread %u", k->number);
}

static void answer(struct mail *mail, void *owner)
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	struct worker *w = owner;
	struct session *s = worker_session(w, k->slot, k->asker);
	struct err e = { 0 };
	put_err(k, &e);
	if (s && s->answer_due && s->state != SESSION_CLOSING) {
		s->answer_due = false;
		s->ops->client_killed(s->cst, err_is(&e) ? &e : NULL, &w->down);
		session_send(s, &w->down);
		session_run_input(s);
	}
	mem_free(MEM_MSG, k);
}

static void answer_theirs(struct mail *mail, void *owner) /* on control */
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	(void)owner;
	k->core->stray_killed(k->core->stray_arg, k->id, k->how);
	mem_free(MEM_MSG, k);
}

static void send_answer(struct core_kill *k)
{
	k->mail.fn = k->theirs ? answer_theirs : answer;
	loop_post(k->theirs ? k->core->loop : k->core->worker[k->from]->loop, &k->mail);
}

static void canceled(struct cancel_wait *wait, bool shutdown)
{
	struct core_kill *k = list_entry(wait, struct core_kill, wait);
	if (shutdown)
		mem_free(MEM_MSG, k);
	else
		send_answer(k);
}

static void carry_out(struct mail *mail, void *owner);

static void seek(struct core_kill *k)
{
	k->mail.fn = carry_out;
	loop_post(number_worker(k->core, k->number)->loop, &k->mail);
}

/* The other process may have it. */
static void ask_other(struct mail *mail, void *owner) /* on control */
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	struct core *c = k->core;
	(void)owner;
	list_init(&k->node);
	k->last = true;
	k->id = ++c->kill_ids;
	if (!atomic_load(&c->has_other) || !c->stray_kill(c->stray_arg, k->id, k->ops, k->number,
						   k->whole, k->any, k->account->name))
		seek(k);
	else
		list_append(&c->kills, &k->node);
}

static void carry_out(struct mail *mail, void *owner)
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	struct worker *w = owner;
	struct session *s = by_number(w, k->ops, k->number);
	if (!s && !k->last && atomic_load(&k->core->has_other)) {
		k->mail.fn = ask_other;
		loop_post(k->core->loop, &k->mail);
		return;
	}
	k->how = !s                                    ? CORE_KILLED_NOBODY
		 : !k->any && s->account != k->account ? CORE_KILLED_NOT_OWNER
						       : CORE_KILLED;
	if (k->how == CORE_KILLED && k->whole)
		session_kill(s, ERR_KILLED, "Connection was killed");
	else if (k->how == CORE_KILLED)
		session_cancel(s, -1);
	/* As with a server, what that session does once this is answered is not hit any more. */
	if (k->how != CORE_KILLED || k->whole || !session_cancel_wait(s, &k->wait))
		send_answer(k);
}

void core_kill_told(struct core *c, uint32_t id, enum core_killed how)
{
	list_for_safe(n, &c->kills) {
		struct core_kill *k = list_entry(n, struct core_kill, node);
		if (k->id != id)
			continue;
		list_del(&k->node);
		k->how = how;
		if (how == CORE_KILLED_NOBODY) /* it may have come meanwhile */
			seek(k);
		else
			send_answer(k);
	}
}

void core_kills_lost(struct core *c)
{
	struct list *n;
	while ((n = list_pop(&c->kills)))
		seek(list_entry(n, struct core_kill, node));
}

void kills_free(struct core *c)
{
	struct list *n;
	while ((n = list_pop(&c->kills)))
		mem_free(MEM_MSG, list_entry(n, struct core_kill, node));
}

bool core_kill(struct core *c, uint32_t id, const struct proto_ops *ops, uint32_t number,
	bool whole, bool any, const char *account)
{
	struct core_kill *k = mem_alloc(MEM_MSG, sizeof *k);
	if (!k || !(k->account = core_account(c, account))) {
		mem_free(MEM_MSG, k);
		return false;
	}
	k->core = c;
	k->id = id;
	k->ops = ops;
	k->number = number;
	k->whole = whole;
	k->any = any;
	k->last = k->theirs = true;
	k->wait.done = canceled;
	seek(k);
	return true;
}

void session_kill_other(struct session *s, const struct pev *ev)
{
	struct worker *w = s->w;
	struct core_kill *k = mem_alloc(MEM_MSG, sizeof *k);
	if (!k) {
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	k->core = w->core;
	k->from = w->id;
	k->asker = s->id;
	k->slot = s->slot;
	k->wait.done = canceled;
	k->number = ev->number;
	k->whole = ev->whole;
	k->account = s->account;
	k->any = conf_list_has(w->gen->conf->global.admin_users, s->account->name);
	k->ops = s->ops;
	s->answer_due = true;
	seek(k);
}
