/* names - what a database's catalog says of names, counted, so that sessions of all workers can
 * share one set. Any thread. */
#include "proto/proto.h"

#include "base/mem.h"
#include "sql/names.h"

struct proto_names *proto_names_new(struct sql_names *set)
{
	struct proto_names *n = mem_alloc(MEM_PROTO, sizeof(*n));
	if (n == NULL) {
		sql_names_free(&set);
		return NULL;
	}
	atomic_store(&n->refs, 1);
	n->set = set;
	return n;
}

struct proto_names *proto_names_ref(struct proto_names *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

void proto_names_unref(struct proto_names **n)
{
	struct proto_names *x = *n;
	*n = NULL;
	if (x == NULL || atomic_fetch_sub(&x->refs, 1) != 1)
		return;
	sql_names_free(&x->set);
	mem_free(MEM_PROTO, x);
}
