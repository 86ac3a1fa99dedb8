/* json - writes JSON into a buf, piece by piece: no tree, so that a hundred thousand rows cost no
 * more than their text. Ignorant of who puts the commas right. Any thread. Source: RFC 8259. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include "base/buf.h"

/* s in quotes, NULL as null. What is not UTF-8 becomes U+FFFD, and < > & are escaped, so that the
 * text may stand within HTML too. */
void json_put(struct buf *b, const char *s);
/* "key":value with a comma before it unless an object or array has just begun. */
void json_key(struct buf *b, const char *key);
void json_pair(struct buf *b, const char *key, const char *value);
void json_pair_bool(struct buf *b, const char *key, bool value);
void json_pair_int(struct buf *b, const char *key, int64_t value);
/* The comma between elements, unless one has just begun. */
void json_comma(struct buf *b);
/* Is s a number as JSON has them? */
bool json_is_number(const char *s);
#endif
