/* explain - what would become of a text. Private to src/proto. Any thread. */
#ifndef PROTO_EXPLAIN_H
#define PROTO_EXPLAIN_H
#include "proto/proto.h"

void pg_explain(struct proto_ruling *x, const struct proto_names *names, const char *text, size_t n,
	struct proto_explained *out);
void my_explain(struct proto_ruling *x, const struct proto_names *names, const char *text, size_t n,
	struct proto_explained *out);
#endif
