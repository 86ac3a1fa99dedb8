/* otlp - sends the spans of core/trace.h to otlp_endpoint: as JSON by POST, a batch at a time, and
 * again if need be. Reads core->gen for its options as they change. Never keeps a worker waiting:
 * what it cannot get rid of is counted and dropped. Control thread. */
#ifndef HTTP_OTLP_H
#define HTTP_OTLP_H
#include "core/core.h"

struct otlp;
struct otlp *otlp_new(struct core *c); /* NULL: no memory */
/* What has not been sent is not. Before core_free(). *o may be NULL. */
void otlp_free(struct otlp **o);
#endif
