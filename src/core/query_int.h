/* query_int - the worker's side of core/query.h, and the slow-query log. */
#ifndef CORE_QUERY_INT_H
#define CORE_QUERY_INT_H
#include "core/query.h"
#include "core_int.h"

/* The row of this statement, made if it is not there, as a number that stays harmless when the row
 * goes; 0: the row of all others. normal: fills in the text of a new row. max: rows. */
struct query_key {
	const struct dbase *db;
	const struct account *user;
	uint64_t digest;
};
uint32_t query_table_find(struct query_table **t, const struct query_key *k, unsigned max,
	const struct proto_statement *s);
/* Adds one call, which ended at now_us. */
struct query_call {
	int64_t now_us;
	uint64_t total_us, wait_us, rows, bytes;
	bool failed, replica;
};
void query_table_count(struct query_table **t, uint32_t row, const struct query_call *c);
const char *query_table_text(const struct query_table *t, uint32_t row); /* NULL: it has gone */

/* query_log.c */
bool query_log_wanted(const struct session *s);
/* Keeps what the log may want of it. traceparent: NULL, or as traceparent_find() has it. 0: no
 * memory. */
uint32_t query_log_keep(
	struct session *s, const struct proto_statement *st, const char *traceparent);
void query_log_slow(struct session *s, const struct proto_ticket *t, const struct query_call *c);
void query_log_free(struct session *s);

/* trace.c */
static inline bool trace_wanted(const struct session *s)
{
	return *s->w->gen->conf->global.otlp_endpoint != '\0';
}
/* A number for trace_end(), or 0: it is not traced. */
uint32_t trace_begin(struct session *s, const struct proto_statement *st,
	const struct proto_ticket *t, const char *traceparent);
/* Its answer has come; its server had nothing else to do since began_us. */
void trace_end(struct session *s, uint32_t no, const struct proto_answer *a, int64_t began_us);

#endif
