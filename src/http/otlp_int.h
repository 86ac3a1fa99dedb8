/* otlp_int - what the two halves of the exporter share. */
#ifndef OTLP_INT_H
#define OTLP_INT_H
#include "base/buf.h"
#include "core/trace.h"

/* Who sends them. */
struct otlp_who {
	const char *name, *version, *host;
	long pid;
};
/* An ExportTraceServiceRequest with what is in spans (struct span.node). */
void otlp_put_request(struct buf *out, const struct otlp_who *w, struct list *spans);
#endif
