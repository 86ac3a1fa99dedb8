/* wish - what the texts of one request ask for beside what they do: hints as struct proto_wish, and
 * how those of several texts go together. Ignorant of nodes. Any thread. */
#ifndef PROTO_WISH_H
#define PROTO_WISH_H
#include "proto/proto.h"
#include "sql/route.h"

struct wish_sum {
	struct proto_wish *wish;
	unsigned texts; /* added so far */
	bool vouched;   /* for one of them */
};
/* Nothing is asked for. */
void wish_none(struct proto_wish *w);
/* One more text, and the rule about it (NULL: none). False: the request is the primary's, as this
 * text is, or because its wish contradicts those before. */
bool wish_add(struct wish_sum *all, const struct sql_route *r, const struct proto_rule_at *rule);
/* All are added. may_move: wish_add() never said no. Is it proven to only read? */
bool wish_end(struct wish_sum *all, bool may_move);
/* A consistency that stands in a setting of the session, put into *w; "" is none. False: it is not
 * one. */
bool wish_setting(const char *value, struct proto_wish *w);
#endif
