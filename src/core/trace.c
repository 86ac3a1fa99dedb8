/* trace - which statements of a session are traced, what is noted of them, and their way to
 * control. Ignorant of messages, and of how spans are sent. Runs on the session's worker. */
#include "query_int.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define OPEN_MAX_N 64U      /* of one session, sent without waiting for answers */
#define HAND_OVER_N 64U     /* at once, if so many end before it is time */
#define HAND_OVER_US 200000 /* at most; shorter if otlp_interval is */
#define TEXT_BYTES 8192U

/* ---- randomness ---- */

/* False: the system has none. */
static bool random_bytes(struct worker_trace *t, void *out, size_t n)
{
	if (t->random_n < n) {
		if (getrandom(t->random, sizeof t->random, 0) != sizeof t->random)
			return false;
		t->random_n = sizeof t->random;
	}
	t->random_n -= (unsigned)n;
	memcpy(out, t->random + t->random_n, n);
	return true;
}

/* xorshift64*: there is nothing to be won by guessing it. */
static bool toss(struct worker_trace *t, int millionths)
{
	if (millionths <= 0 || (!t->coin && !random_bytes(t, &t->coin, sizeof t->coin)))
		return false;
	t->coin ^= t->coin >> 12;
	t->coin ^= t->coin << 25;
	t->coin ^= t->coin >> 27;
	return (t->coin * UINT64_C(0x2545f4914f6cdd1d) >> 32) * 1000000 >> 32 <
	       (unsigned)millionths;
}

/* ---- spans, and how many there may be ---- */

static struct span *span_new(struct worker *w)
{
	struct traces *all = &w->core->traces;
	unsigned max = (unsigned)w->gen->conf->global.otlp_queue;
	struct span *sp = NULL;
	if (atomic_fetch_add_explicit(&all->open, 1, memory_order_relaxed) < max)
		sp = mem_alloc(MEM_STATS, sizeof *sp);
	if (!sp) {
		atomic_fetch_sub_explicit(&all->open, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&all->dropped, 1, memory_order_relaxed);
		return NULL;
	}
	list_init(&sp->node);
	return sp;
}

void trace_free(struct core *c, struct span *sp)
{
	atomic_fetch_sub_explicit(&c->traces.open, 1, memory_order_relaxed);
	mem_free(MEM_STATS, sp->error);
	mem_free(MEM_STATS, sp->text);
	mem_free(MEM_STATS, sp);
}

/* ---- to control ---- */

static void move_all(struct list *to, struct list *from)
{
	struct list *n;
	while ((n = list_pop(from)))
		list_append(to, n);
}

static void free_all(struct core *c, struct list *spans)
{
	struct list *n;
	while ((n = list_pop(spans)))
		trace_free(c, list_entry(n, struct span, node));
}

void traces_collect(struct core *c)
{
	struct traces *all = &c->traces;
	struct list spans;
	list_init(&spans);
	pthread_mutex_lock(&all->lock);
	unsigned n = all->ended_n;
	move_all(&spans, &all->ended);
	all->ended_n = 0;
	pthread_mutex_unlock(&all->lock);
	if (all->deliver && n)
		all->deliver(all->arg, &spans, n);
	free_all(c, &spans);
}

static void on_mail(struct mail *m, void *owner)
{
	struct core *c = list_entry(m, struct core, traces.mail);
	(void)owner;
	atomic_store(&c->traces.posted, false);
	traces_collect(c);
}

static void hand_over(struct worker *w)
{
	struct worker_trace *t = &w->trace;
	struct traces *all = &w->core->traces;
	if (t->n == 0)
		return;
	pthread_mutex_lock(&all->lock);
	move_all(&all->ended, &t->ended);
	all->ended_n += t->n;
	pthread_mutex_unlock(&all->lock);
	t->n = 0;
	if (!atomic_exchange(&all->posted, true))
		loop_post(w->core->loop, &all->mail);
}

void traces_init(struct core *c)
{
	pthread_mutex_init(&c->traces.lock, NULL);
	list_init(&c->traces.ended);
	c->traces.mail.fn = on_mail;
}

void traces_fini(struct core *c)
{
	free_all(c, &c->traces.ended);
	pthread_mutex_destroy(&c->traces.lock);
}

static void on_timer(struct timer *t, void *arg)
{
	(void)t;
	hand_over(arg);
}

void trace_worker_init(struct worker *w)
{
	list_init(&w->trace.ended);
	timer_init(&w->trace.timer, on_timer, w);
}

void trace_worker_fini(struct worker *w)
{
	timer_clear(w->loop, &w->trace.timer);
	free_all(w->core, &w->trace.ended);
}

/* ---- the beginning ---- */

/* The statement's first word, if it is one that begins statements: then it is no name or value. */
static void note_operation(struct span *sp, const char *text, size_t n)
{
	static const char *const words[] = { "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT",
		"CLOSE", "COMMENT", "COMMIT", "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE",
		"DESCRIBE", "DISCARD", "DO", "DROP", "EXECUTE", "EXPLAIN", "FETCH", "FLUSH",
		"GRANT", "HANDLER", "INSERT", "KILL", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE",
		"NOTIFY", "OPTIMIZE", "PREPARE", "REASSIGN", "REFRESH", "REINDEX", "RELEASE",
		"RENAME", "REPAIR", "REPLACE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT",
		"SET", "SHOW", "START", "TABLE", "TRUNCATE", "UNLISTEN", "UNLOCK", "UPDATE", "USE",
		"VACUUM", "VALUES", "XA" };
	size_t k = 0;
	while (k < n && isalpha((unsigned char)text[k]))
		k++;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (k && words[i][0] == toupper((unsigned char)text[0]) && strlen(words[i]) == k &&
			strncasecmp(words[i], text, k) == 0)
			sp->operation = words[i];
}

static void note_text(struct span *sp, const struct proto_statement *st, enum conf_trace_text how)
{
	if (!st->text)
		return;
	size_t at = st->first(st);
	note_operation(sp, st->text + at, st->n - at);
	if (how == CONF_TRACE_TEXT_FULL)
		sp->text = mem_strndup(
			MEM_STATS, st->text, st->n < TEXT_BYTES ? st->n : TEXT_BYTES);
	if (how != CONF_TRACE_TEXT_NORMALISED)
		return;
	struct buf b;
	buf_init(&b, 0);
	if (st->normal(st, &b, TEXT_BYTES) && !b.failed)
		sp->text = mem_strndup(MEM_STATS, (const char *)buf_data(&b), buf_len(&b));
	buf_fini(&b);
}

static void note_place(struct span *sp, const struct session *s)
{
	const struct link *l = s->link;
	const struct conf_db *cdb = s->shard->cdb;
	const char *name = cdb && *cdb->dbname ? cdb->dbname : s->db->name;
	sp->db = s->db;
	sp->account = s->account;
	sp->session = s->id;
	sp->client = s->addr;
	sp->reads = s->reads;
	sp->pinned = s->pinned_us != 0;
	sp->stands_in = s->stands_in != NULL;
	sp->again_n = s->again_n;
	snprintf(sp->namespace, sizeof sp->namespace, "%s", name);
	sp->route = !l                ? SPAN_NOWHERE
		    : !s->shard->topo ? SPAN_SERVER
		    : l->replica      ? SPAN_REPLICA
				      : SPAN_PRIMARY;
	if (!l)
		return;
	snprintf(sp->host, sizeof sp->host, "%s", l->host);
	sp->port = l->port;
	sp->peer = l->addr;
}

/* False: there is no randomness to be had. */
static bool note_ids(struct span *sp, struct worker_trace *t, const struct trace_context *c)
{
	if (c) {
		sp->has_parent = true;
		memcpy(sp->trace, c->trace, sizeof sp->trace);
		memcpy(sp->parent, c->span, sizeof sp->parent);
	} else if (!random_bytes(t, sp->trace, sizeof sp->trace)) {
		return false;
	}
	return random_bytes(t, sp->id, sizeof sp->id) &&
	       random_bytes(t, sp->wait_id, sizeof sp->wait_id) &&
	       random_bytes(t, sp->server_id, sizeof sp->server_id);
}

/* NULL: it is not traced. */
static struct span *begin(struct session *s, const char *traceparent)
{
	struct trace_context c;
	struct worker_trace *t = &s->w->trace;
	bool told = traceparent && traceparent_read(traceparent, &c);
	if (told ? !c.sampled : !toss(t, s->shard->set.trace_sample))
		return NULL;
	struct span *sp = span_new(s->w);
	if (!sp)
		return NULL;
	sp->operation = "";
	note_place(sp, s);
	if (note_ids(sp, t, told ? &c : NULL))
		return sp;
	trace_free(s->w->core, sp);
	return NULL;
}

/* Where the next one of s goes; NULL: there are too many. */
static struct span **last_of(struct session *s)
{
	struct span **at = &s->spans;
	unsigned n = 0;
	for (; *at; at = &(*at)->next)
		n++;
	return n < OPEN_MAX_N ? at : NULL;
}

uint32_t trace_begin(struct session *s, const struct proto_statement *st,
	const struct proto_ticket *t, const char *traceparent)
{
	struct worker_trace *wt = &s->w->trace;
	struct span *sp = begin(s, traceparent), **at = sp ? last_of(s) : NULL;
	if (sp && !at) {
		atomic_fetch_add_explicit(&s->w->core->traces.dropped, 1, memory_order_relaxed);
		trace_free(s->w->core, sp);
	}
	if (!at)
		return 0;
	note_text(sp, st, s->shard->set.trace_text);
	sp->sent_us = sp->server_us = t->sent_us;
	sp->begun_us = t->sent_us - t->wait_us;
	if (++wt->no == 0)
		wt->no = 1;
	sp->no = wt->no;
	*at = sp;
	return sp->no;
}

/* ---- the end ---- */

static struct span *take_first(struct session *s)
{
	struct span *sp = s->spans;
	s->spans = sp->next;
	sp->next = NULL;
	return sp;
}

static void send_off(struct worker *w, struct span *sp)
{
	struct worker_trace *t = &w->trace;
	int64_t to_wall = clock_wall_us() - clock_mono_us(), now = worker_now(w);
	int64_t wait_us = w->gen->conf->global.otlp_interval_us / 2;
	sp->ended_us = now + to_wall;
	sp->begun_us += to_wall;
	sp->sent_us += to_wall;
	sp->server_us += to_wall;
	list_append(&t->ended, &sp->node);
	if (++t->n >= HAND_OVER_N)
		hand_over(w);
	else if (t->n == 1)
		timer_set(w->loop, &t->timer,
			now + (wait_us < HAND_OVER_US ? wait_us : HAND_OVER_US));
}

/* Answers come in order: what was sent before this one was not run, or was sent again. */
void trace_end(struct session *s, uint32_t no, const struct proto_answer *a, int64_t began_us)
{
	struct span *sp = s->spans;
	while (sp && sp->no != no)
		sp = sp->next;
	if (!sp)
		return;
	while (s->spans != sp)
		trace_free(s->w->core, take_first(s));
	(void)take_first(s);
	sp->server_us += began_us > sp->sent_us ? began_us - sp->sent_us : 0;
	sp->rows = a->rows;
	sp->failed = a->failed;
	if (a->failed)
		memcpy(sp->code, a->code, sizeof sp->code);
	send_off(s->w, sp);
}

void trace_forget_all(struct session *s)
{
	while (s->spans)
		trace_free(s->w->core, take_first(s));
}

static void note_error(struct span *sp, const struct session *s, const struct err *e)
{
	sp->failed = true;
	if (!e)
		return;
	sp->error = mem_strdup(MEM_STATS, e->msg);
	if (s->ops->mysql_auth)
		snprintf(sp->code, sizeof sp->code, "%u",
			(e->mysql_errno ? e->mysql_errno : err_info(e->code)->mysql_errno) &
				0xffff);
	else
		snprintf(sp->code, sizeof sp->code, "%s", err_sqlstate(e));
}

void trace_fail(struct session *s, const struct err *e)
{
	while (s->spans) {
		struct span *sp = take_first(s);
		note_error(sp, s, e);
		send_off(s->w, sp);
	}
}

/* Its text is not known here: what has not been sent has not been taken apart. */
void trace_refused(struct session *s, const struct err *e)
{
	if (!s->shard || s->login || !trace_wanted(s))
		return;
	struct span *sp = begin(
		s, traceparent_find((const char *)buf_data(&s->st.in), buf_len(&s->st.in)));
	if (!sp)
		return;
	int64_t now = worker_now(s->w);
	sp->begun_us = s->state == SESSION_WAITING ? s->state_us : now;
	sp->sent_us = sp->server_us = now;
	note_error(sp, s, e);
	send_off(s->w, sp);
}
