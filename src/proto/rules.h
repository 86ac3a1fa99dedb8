/* rules - which rule of the configuration a statement falls under. Private to src/proto. Thread:
 * that of the session. */
#ifndef PROTO_RULES_H
#define PROTO_RULES_H
#include "proto/proto.h"

#include "sql/digest.h"

/* x may be NULL, as all that have never rules. */
static inline bool rules_any(const struct proto_ruling *x)
{
	return x != NULL && x->rules != NULL;
}
/* Do they say where statements go? */
static inline bool rules_move(const struct proto_ruling *x)
{
	return rules_any(x) && x->rules->moves;
}

/* The first whose conditions the text fulfils; NULL: none. text NULL: it is not known, and fulfils
 * none. Valid until the call of core's that led here returns. tell: of those that gave up. */
const struct proto_rule_at *rules_find(
	struct proto_ruling *x, const struct sql_lang *lang, const char *text, size_t n, bool tell);

/* A text, and the rule that it falls under. */
struct ruled {
	const struct proto_rule *rule; /* NULL: none */
	const char *text;              /* NULL: not known */
	size_t n;
};
/* Is it to be looked for now? Without a link the text comes again, unless it is refused. */
static inline bool rules_wanted(const struct proto_ruling *x, bool linked)
{
	return rules_any(x) && (linked || x->rules->blocks);
}
/* Looks for it. True: it refuses the text. */
bool rules_look(struct proto_ruling *x, const struct sql_lang *lang, const char *text, size_t n,
	bool linked, struct ruled *out);

/* The statement goes its way, or is refused: it is told once. */
static inline void rules_followed(struct proto_ruling *x, struct ruled *at)
{
	if (at->rule != NULL)
		x->told(x, PROTO_RULE_FOLLOWED, at->rule, at->text, at->n);
	at->rule = NULL;
}

/* What r->block makes of it. */
void rules_block(const struct proto_rule *r, struct err *e);

#endif
