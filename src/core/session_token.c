/* session_token - a session asks for its token as text, to take it to another connection or another
 * weirpool, or brings one (PEV_TOKEN). The control thread has the history of positions that is
 * needed for it; the session waits for its answer. Ignorant of what is in a token's text. */
#include "core_int.h"

#include <string.h>

#define NAME "weirpool.token"

static void free_ask(struct core_token *t)
{
	buf_fini(&t->text);
	mem_free(MEM_MSG, t->cluster);
	mem_free(MEM_MSG, t);
}

/* It has seen what the token stands for. Meanwhile it did nothing else. */
static void import(struct session *s, const struct core_token *t)
{
	if (t->token.write_us > s->token.write_us)
		s->token.write_us = t->token.write_us;
}

static void say(struct session *s, struct core_token *t)
{
	struct rowset r;
	rowset_init(&r);
	r.err = t->err;
	if (!err_is(&t->err) && t->import) {
		import(s, t);
	} else if (!err_is(&t->err)) {
		rowset_col(&r, NAME, RS_TEXT);
		char **row = buf_put_u8(&t->text, 0) ? rowset_row(&r) : NULL;
		if (row)
			rowset_set(&r, row, 0, (const char *)buf_data(&t->text));
		else if (!err_is(&r.err))
			err_set(&r.err, ERR_NO_MEMORY, "out of memory");
	}
	r.tag = mem_strdup(MEM_ADMIN, t->import ? "SET" : "SHOW");
	s->ops->client_answer(s->cst, s->link ? s->link->lst : NULL, &r, &s->w->down);
	rowset_fini(&r);
}

static void answer(struct mail *m, void *owner)
{
	struct core_token *t = list_entry(m, struct core_token, mail);
	struct worker *w = owner;
	struct session *s = worker_session(w, t->slot, t->session_id);
	if (s && s->answer_due && s->state != SESSION_CLOSING) {
		s->answer_due = false;
		say(s, t);
		session_send(s, &w->down);
		session_run_input(s);
	}
	free_ask(t);
}

void core_token_done(struct core_token *t)
{
	t->mail.fn = answer;
	loop_post(t->core->worker[t->worker]->loop, &t->mail);
}

static void ask(struct mail *m, void *owner)
{
	struct core_token *t = list_entry(m, struct core_token, mail);
	(void)owner;
	if (t->core->node_token) {
		t->core->node_token(t->core->node_arg, t);
		return;
	}
	err_set(&t->err, ERR_SHUTDOWN, "weirpool is shutting down");
	core_token_done(t);
}

void session_ask_token(struct session *s, const struct pev *ev)
{
	const struct topo_cluster *tc = s->shard->topo;
	struct core_token *t = mem_alloc(MEM_MSG, sizeof *t);
	if (!t) {
		session_kill(s, ERR_NO_MEMORY, "out of memory");
		return;
	}
	t->core = s->w->core;
	t->worker = s->w->id;
	t->session_id = s->id;
	t->slot = s->slot;
	t->import = ev->text != NULL;
	t->token = s->token;
	buf_init(&t->text, TOKEN_TEXT_MAX + 1);
	if (t->import && !buf_append(&t->text, ev->text, ev->text_n))
		err_set(&t->err, ERR_BAD_VALUE, "the token is too long");
	if (!tc)
		err_set(&t->err, ERR_UNSUPPORTED,
			"database \"%.80s\" is in no cluster: there are no tokens",
			s->shard->pool->db->name);
	else
		t->cluster = mem_strdup(MEM_MSG, tc->conf->name);
	s->answer_due = true;
	t->mail.fn = err_is(&t->err) ? answer : ask;
	loop_post(err_is(&t->err) ? s->w->loop : s->w->core->loop, &t->mail);
}
