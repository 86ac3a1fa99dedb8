/* session_console - a session at the console asks the control thread, and waits for what it says.
 * Runs on the session's worker, core_console_done() on the control thread. */
#include "core_int.h"

void session_console_run(struct session *s, const struct pev *ev)
{
	struct worker *w = s->w;
	struct core_console *r = mem_alloc(MEM_ADMIN, sizeof *r);
	char host[64];
	if (r)
		r->sql = mem_strndup(MEM_ADMIN, (const char *)ev->text, ev->text_n);
	if (!r || !r->sql) {
		mem_free(MEM_ADMIN, r);
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	r->core = w->core;
	r->worker = w->id;
	r->session_id = s->id;
	r->slot = s->slot;
	r->privilege = s->privilege;
	list_init(&r->node);
	rowset_init(&r->result);
	snprintf(r->who, sizeof r->who, "%.60s@%s:%u", s->account->name,
		addr_host(&s->addr, host, sizeof host), addr_port(&s->addr));
	s->console = r;
	core_console_start(r);
}

static void console_answer(struct mail *m, void *owner)
{
	struct core_console *r = list_entry(m, struct core_console, mail);
	struct worker *w = owner;
	struct session *s = worker_session(w, r->slot, r->session_id);
	if (s && s->console == r) {
		s->console = NULL;
		s->ops->console_reply(s->cst, &r->result, &w->down);
		session_send(s, &w->down);
		if (s->state != SESSION_CLOSING)
			session_run_input(s);
	}
	rowset_fini(&r->result);
	mem_free(MEM_ADMIN, r->sql);
	mem_free(MEM_ADMIN, r);
}

void core_console_done(struct core_console *r)
{
	if (r->done) {
		r->done(r);
		return;
	}
	r->mail.fn = console_answer;
	loop_post(r->core->worker[r->worker]->loop, &r->mail);
}
