/* query_parts - what the workers have counted of statements, as one list. Control thread, except
 * where it says "on the worker". */
#ifndef QUERY_PARTS_H
#define QUERY_PARTS_H
#include "core/query.h"

#include <stdbool.h>

struct rowset;
struct scatter;
struct worker;
#define QUERY_RESET 1U /* admin_ask.what: and the workers begin anew */
/* For admin_ask(), with parts of struct query_rows. On the worker. */
void query_parts_each(struct worker *w, void *part, void *arg);
/* Those of all workers, the longest total time first; frees the parts. False: out of memory. */
bool query_parts_join(struct scatter *s, struct query_rows *out);
/* The end of a SHOW of them: put makes a row of each, or none. Answers. */
void query_parts_show(struct scatter *s, void (*put)(struct rowset *rs, const struct query_row *q));
/* In how many microseconds that share of the calls was over, at the most. */
uint64_t query_share_us(const struct query_counts *n, double share);

#endif
