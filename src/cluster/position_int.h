/* Between position.c and position_text.c. */
#ifndef CLUSTER_POSITION_INT_H
#define CLUSTER_POSITION_INT_H
#include "cluster/position.h"

int pos_source_cmp(const struct pos_interval *a, const struct pos_interval *b);
/* Adds v (lo <= hi) to the set; *room is how many p->iv has memory for. False: too many, or no
 * memory; p stays usable. */
bool pos_insert(struct pos *p, uint32_t *room, const struct pos_interval *v);
#endif
