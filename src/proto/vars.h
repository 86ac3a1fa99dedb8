/* vars - immutable, shared sets of session variables: sorted (name, value) pairs, one copy per
 * worker of each set, so that comparing two sets is comparing pointers. Names compare without
 * regard to ASCII case and are kept as given. Ignorant of what the variables mean. One thread: that
 * of the table. */
#ifndef PROTO_VARS_H
#define PROTO_VARS_H
#include "base/buf.h"
#include "base/hmap.h"
#include "base/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vartab {
	struct hmap sets; /* 128-bit hash of the contents -> struct varset */
};
struct var {
	const char *name, *value;
};
struct varset {
	uint32_t refs;
	uint32_t n;
	struct hash128 key;
	struct var v[]; /* sorted by name; the strings stand behind */
};

void vartab_init(struct vartab *t);
void vartab_fini(struct vartab *t); /* asserts that no set is left */

/* NULL is a valid set: the empty one. All functions take it, and no empty set is ever allocated. */
static inline struct varset *varset_ref(struct varset *s)
{
	if (s)
		s->refs++;
	return s;
}
void varset_unref(struct vartab *t, struct varset *s);
/* Sets *s to `to` (takes a reference of its own, drops the old one). */
void varset_assign(struct vartab *t, struct varset **s, struct varset *to);
/* The set of n pairs; for a name that comes twice the last one counts; value NULL leaves the name
 * out. A new reference in *s_r. False: no memory, *s_r is untouched. */
bool varset_make(struct vartab *t, const struct var *v, size_t n, struct varset **s_r);
/* Replaces *s by the set in which name has that value (NULL: has none). False: no memory, *s
 * unchanged. */
bool varset_put(struct vartab *t, struct varset **s, const char *name, const char *value);
const char *varset_get(const struct varset *s, const char *name); /* or NULL */
/* Sets are shared within a worker: on the way to another one they are flat bytes. unpack() adds to
 * *s. False: malformed, or no memory. */
void varset_pack(const struct varset *s, struct buf *b);
bool varset_unpack(struct vartab *t, struct rd *r, struct varset **s);
int var_name_cmp(const char *a, const char *b);                   /* ASCII case-insensitive order */
#endif
