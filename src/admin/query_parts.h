/* query_parts - what the workers have counted of statements, as one list. Control thread. */
#ifndef QUERY_PARTS_H
#define QUERY_PARTS_H
#include "core/query.h"

#include <stdbool.h>

struct core_console;
struct rowset;
/* Asks all workers and answers r, with the tag: fill (NULL: nobody wants them) makes rows of those
 * of all workers, the longest total time first. reset: the workers begin anew, and what they had is
 * shown whole; else they are asked a slice at a time, while they go on counting. */
void query_parts_ask(struct core_console *r, bool reset, const char *tag,
	void (*fill)(struct rowset *rs, const struct query_rows *all));
/* In how many microseconds that share of the calls was over, at the most. */
uint64_t query_share_us(const struct query_counts *n, double share);

#endif
