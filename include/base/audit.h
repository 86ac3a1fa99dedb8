/* audit - who did what, from where, and what came of it, as lines of the audit file. Ignorant of
 * commands; what it is given must be free of secrets. Any thread. */
#ifndef BASE_AUDIT_H
#define BASE_AUDIT_H
#include "base/err.h"

/* who: "user@address"; via: "console" or "http"; e may be NULL: it went well. */
void audit(const char *who, const char *via, const char *what, const struct err *e);
/* Copies text without what is between single quotes: no place for a secret. */
void audit_unquote(const char *text, char *out, size_t size);
#endif
