/* names - what a database's catalog says of names, counted, so that sessions of all workers can
 * share one set; and the names of pins. Any thread. */
#include "proto/proto.h"

#include "base/mem.h"
#include "sql/names.h"

static _Atomic unsigned catalog_no;
static _Atomic uint64_t made_n;

unsigned proto_catalog_no(void)
{
	return atomic_load_explicit(&catalog_no, memory_order_acquire);
}

void proto_catalog_changed(void)
{
	atomic_fetch_add_explicit(&catalog_no, 1, memory_order_release);
}

bool proto_names_fresh(const struct proto_names *n)
{
	return n->as_of == proto_catalog_no();
}

struct proto_names *proto_names_new(struct sql_names *set, unsigned as_of)
{
	struct proto_names *n = mem_alloc(MEM_PROTO, sizeof(*n));
	if (n == NULL) {
		sql_names_free(&set);
		return NULL;
	}
	atomic_store(&n->refs, 1);
	n->set = set;
	n->as_of = as_of;
	n->no = atomic_fetch_add(&made_n, 1) + 1;
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

const char *proto_pin_name(enum proto_pin p)
{
	switch (p) {
#define X(id, name) \
	case PIN_##id##_BIT: return name;
		PROTO_PINS(X)
#undef X
	case PIN_N: break;
	}
	return "?";
}
