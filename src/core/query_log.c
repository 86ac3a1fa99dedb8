/* query_log - one line for each statement that took log_min_duration or longer: how long it waited
 * and ran, where, what came of it, and the trace that it belongs to. Ignorant of messages. Runs on
 * the session's worker. */
#include "query_int.h"

#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 2000      /* of a text in the log: a line has no more than 3000 */
#define LINES_PER_SECOND 50U /* of each worker */

/* The statement that a session has sent last. */
struct query_said {
	uint32_t serial;
	bool cut;
	size_t n;
	bool as_sent; /* the text still has its values: they go when it is logged */
	struct proto_lang lang;
	char trace[TRACEPARENT_CHARS + 1];
	char text[TEXT_BYTES + 1];
};

bool query_log_wanted(const struct session *s)
{
	return s->shard && s->shard->set.log_min_duration_us > 0;
}

static void set_text(struct query_said *q, const char *p, size_t n)
{
	q->cut = n > TEXT_BYTES;
	if (q->cut)
		n = TEXT_BYTES;
	if (n)
		memcpy(q->text, p, n);
	q->text[n] = '\0';
	q->n = n;
}

/* Few statements are slow: values are taken out of those only. But what does not fit as it was sent
 * may fit without them. */
static void keep_text(struct query_said *q, const struct proto_statement *st, bool full)
{
	struct buf b;
	q->as_sent = !full && st->text && st->n <= TEXT_BYTES;
	if (full || q->as_sent) {
		set_text(q, st->text, st->text ? st->n : 0);
		if (q->as_sent)
			st->keep_lang(st, &q->lang);
		return;
	}
	buf_init(&b, 0);
	bool ok = st->normal(st, &b, TEXT_BYTES + 1) && !b.failed;
	set_text(q, (const char *)buf_data(&b), ok ? buf_len(&b) : 0);
	buf_fini(&b);
}

/* The text as it may be logged. */
static void take_values_out(struct query_said *q)
{
	struct buf b;
	if (!q->as_sent)
		return;
	q->as_sent = false;
	buf_init(&b, 0);
	bool ok = q->lang.normal(&q->lang, q->text, q->n, &b, TEXT_BYTES + 1) && !b.failed;
	mem_wipe(q->text, sizeof q->text);
	set_text(q, (const char *)buf_data(&b), ok ? buf_len(&b) : 0);
	buf_fini(&b);
}

uint32_t query_log_keep(
	struct session *s, const struct proto_statement *st, const char *traceparent)
{
	if (!s->said && !(s->said = mem_alloc(MEM_SESSION, sizeof *s->said)))
		return 0;
	struct query_said *q = s->said;
	if (++q->serial == 0)
		q->serial = 1;
	memcpy(q->trace, traceparent ? traceparent : "", traceparent ? TRACEPARENT_CHARS : 1);
	keep_text(q, st, s->shard->set.log_slow_text == CONF_SLOW_TEXT_FULL);
	return q->serial;
}

/* False: there were too many in this second. */
static bool may_log(struct worker *w, int64_t now_us)
{
	struct worker_slow *x = &w->slow;
	if (now_us - x->second_us >= 1000000) {
		if (x->dropped)
			log_line(LOG_LV_WARN, NULL, NULL, "%u slow statements more were not logged",
				x->dropped);
		*x = (struct worker_slow){ .second_us = now_us };
	}
	if (x->lines == LINES_PER_SECOND) {
		x->dropped++;
		return false;
	}
	x->lines++;
	return true;
}

static const char *route_of(const struct session *s)
{
	return !s->link           ? ""
	       : !s->shard->topo  ? "server"
	       : s->link->replica ? "replica"
				  : "primary";
}

static struct log_field number(const char *key, uint64_t n)
{
	return (struct log_field){ .key = key, .number = (int64_t)n };
}

void query_log_slow(struct session *s, const struct proto_ticket *t, const struct query_call *c)
{
	struct query_said *q = s->said;
	bool kept = q && t->serial && q->serial == t->serial;
	char node[80] = "";
	s->w->slow_n++;
	if (!may_log(s->w, c->now_us))
		return;
	if (s->link)
		snprintf(node, sizeof node, "%s:%u", s->link->host, s->link->port);
	const struct log_field f[] = {
		number("total_us", c->total_us),
		number("wait_us", c->wait_us),
		number("server_us", c->total_us - c->wait_us),
		number("rows", c->rows),
		number("out_bytes", c->bytes),
		number("failed", c->failed),
		{ .key = "route", .text = route_of(s) },
		{ .key = "node", .text = node },
		{ .key = "traceparent", .text = kept ? q->trace : "" },
	};
	if (kept)
		take_values_out(q);
	const char *text = kept ? q->text : query_table_text(s->w->queries, t->entry);
	session_log_fields(EVENT_SLOW, s, f, sizeof f / sizeof *f, "slow statement: %s%s",
		text && *text ? text : "(its text is not known)", kept && q->cut ? " ..." : "");
}

void query_log_free(struct session *s)
{
	if (s->said)
		mem_wipe(s->said->text, sizeof s->said->text);
	mem_free(MEM_SESSION, s->said);
	s->said = NULL;
}
