/* kill - a client ends another session, or what that runs, by the number that its client was given
 * (PEV_KILL). The number tells the worker; the request travels there and its answer back, and the
 * client who asked waits for it. Ignorant of messages. Runs on workers. */
#include "core_int.h"

#include <string.h>

struct core_kill {
	struct mail mail;
	struct cancel_wait wait;
	struct core *core;
	unsigned from;        /* worker */
	uint32_t asker, slot; /* its id and slot: it may be gone when the answer comes */
	uint32_t number;
	bool whole, any; /* any: it may end everybody's */
	const struct account *account;
	const struct proto_ops *ops;
	struct err err;
};

/* Numbers come round after 2^32 sessions: one that two have names nobody. */
static struct session *by_number(struct worker *w, const struct proto_ops *ops, uint32_t number)
{
	struct session *found = NULL;
	for (unsigned i = 0; i < w->n_slots; i++) {
		struct session *s = w->slots[i].session;
		if (!s || s->number != number || s->ops != ops)
			continue;
		if (found)
			return NULL;
		found = s;
	}
	return found;
}

static void answer(struct mail *mail, void *owner)
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	struct worker *w = owner;
	struct session *s = worker_session(w, k->slot, k->asker);
	if (s && s->answer_due && s->state != SESSION_CLOSING) {
		s->answer_due = false;
		s->ops->client_killed(s->cst, err_is(&k->err) ? &k->err : NULL, &w->down);
		session_send(s, &w->down);
		session_run_input(s);
	}
	mem_free(MEM_MSG, k);
}

static void send_answer(struct core_kill *k)
{
	k->mail.fn = answer;
	loop_post(k->core->worker[k->from]->loop, &k->mail);
}

static void canceled(struct cancel_wait *wait, bool shutdown)
{
	struct core_kill *k = list_entry(wait, struct core_kill, wait);
	if (shutdown)
		mem_free(MEM_MSG, k);
	else
		send_answer(k);
}

static void carry_out(struct mail *mail, void *owner)
{
	struct core_kill *k = list_entry(mail, struct core_kill, mail);
	struct worker *w = owner;
	struct session *s = by_number(w, k->ops, k->number);
	if (!s)
		err_set(&k->err, ERR_NO_SESSION, "Unknown thread id: %u", k->number);
	else if (!k->any && s->account != k->account)
		err_set(&k->err, ERR_NOT_OWNER, "You are not owner of thread %u", k->number);
	else if (k->whole)
		session_kill(s, ERR_KILLED, "Connection was killed");
	else
		session_cancel(s, -1);
	/* As with a server, what that session does once this is answered is not hit any more. */
	if (!s || err_is(&k->err) || k->whole || !session_cancel_wait(s, &k->wait))
		send_answer(k);
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
	k->mail.fn = carry_out;
	s->answer_due = true;
	loop_post(w->core->worker[(ev->number & NUMBER_MASK) % w->core->n_workers]->loop, &k->mail);
}
