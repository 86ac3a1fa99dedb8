/* query_stats - statements of sessions as they are sent and answered, into the worker's table, the
 * slow-query log and traces. Ignorant of their insides, and of messages. Runs on the session's
 * worker. */
#include "query_int.h"

/* The client's word beside the text comes before that in it. */
static const char *traceparent_of(const struct proto_statement *st)
{
	return st->trace && traceparent_is(st->trace, st->trace_n)
		       ? st->trace
		       : traceparent_find(st->text, st->n);
}

static void on_sent(
	struct proto_meter *m, const struct proto_statement *st, struct proto_ticket *ticket_r)
{
	struct session *s = list_entry(m, struct session, meter);
	struct worker *w = s->w;
	const struct conf_global *g = &w->gen->conf->global;
	*ticket_r = (struct proto_ticket){ .sent_us = worker_now(w), .wait_us = s->waited_us };
	s->waited_us = 0;
	if (g->query_stats && st->has_digest) {
		struct query_key k = { s->db, s->account, st->digest };
		ticket_r->entry = query_table_find(
			&w->queries, &k, (unsigned)g->query_stats_max, st);
	}
	bool log = query_log_wanted(s), trace = trace_wanted(s);
	if (!log && !trace)
		return;
	const char *parent = traceparent_of(st);
	if (log)
		ticket_r->serial = query_log_keep(s, st, parent);
	if (trace)
		ticket_r->span = trace_begin(s, st, ticket_r, parent);
}

/* What is sent before the one before was answered begins when that is. */
static void on_answered(
	struct proto_meter *m, const struct proto_ticket *t, const struct proto_answer *a)
{
	struct session *s = list_entry(m, struct session, meter);
	struct worker *w = s->w;
	int64_t now = worker_now(w);
	int64_t began = t->sent_us > s->answered_us ? t->sent_us : s->answered_us;
	struct query_call c = { .now_us = now,
		.wait_us = t->wait_us,
		.total_us = t->wait_us + (uint64_t)(now > began ? now - began : 0),
		.rows = a->rows,
		.bytes = a->bytes,
		.failed = a->failed,
		.replica = s->link && s->link->replica };
	s->answered_us = now;
	if (w->gen->conf->global.query_stats)
		query_table_count(&w->queries, t->entry, &c);
	if (t->span)
		trace_end(s, t->span, a, began);
	if (query_log_wanted(s) && c.total_us >= (uint64_t)s->shard->set.log_min_duration_us)
		query_log_slow(s, t, &c);
}

void session_meter(struct session *s)
{
	static const struct proto_meter_ops ops = { on_sent, on_answered };
	s->meter.ops = &ops;
	s->meter.on = s->shard ? &s->shard->metered : NULL;
}
