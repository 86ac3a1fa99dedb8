/* texts - texts that came before, each with what was made of it, so that it is not read again; nor
 * is one that differs in nothing but numbers and strings that decide nothing (sql/values.h). A
 * bounded table that forgets: a text is kept when it comes for the second time, whatever its
 * values, and gives way to others. Ignorant of what is kept. Private to src/proto. Thread: that of
 * the env. */
#ifndef PROTO_TEXTS_H
#define PROTO_TEXTS_H
#include "sql/values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer ones are not kept; with their number it bounds the memory: 2 MiB, the values, and half a
 * MiB for where values stand. Those behind the first 128 of a text must be the same. */
#define TEXTS_MAX_BYTES 2048U
#define TEXTS_N 1024U
#define TEXTS_VALUES_MAX 128U

struct texts {
	struct texts_slot *slots; /* NULL: none was ever seen */
	size_t value_bytes;
};

/* What is looked for. Equal are texts of the same bytes, but for such values, that are read in the
 * same way. */
struct texts_ref {
	const char *text;
	size_t n;
	uint64_t how;  /* all that what is made of a text depends on beside it */
	uint64_t hash; /* texts_ref_of()'s: without values, and what looks like one */
};
struct texts_ref texts_ref_of(const char *text, size_t n, uint64_t how);

/* value_bytes: of what is kept with each text. */
void texts_init(struct texts *t, size_t value_bytes);
void texts_fini(struct texts *t);

/* What is kept of it, until the next texts_put(). NULL: it is not known. */
void *texts_find(struct texts *t, const struct texts_ref *r);
/* It has come, and is not known. Where to keep what was made of it, all zero; NULL: it came for the
 * first time, it is too long, others like it came that were not equal, or there is no memory. lang:
 * how its values are found, of how; NULL: none may be another. */
void *texts_put(struct texts *t, const struct texts_ref *r, const struct sql_lang *lang);
#endif
