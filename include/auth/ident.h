/* ident - auth_ident_file: lines "map system-user database-user" that say which external name
 * (certificate CN, unix user) may log in as which database user; "all" as database user means any.
 * No regular expressions, no groups. Built by the control thread, then read by any thread.
 * Source: PgBouncer docs, config: Ident map file format. */
#ifndef AUTH_IDENT_H
#define AUTH_IDENT_H
#include "auth/problems.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct ident;
/* Collects every mistake in p; *i_r is set only if there was none (0). A file that cannot be read
 * is a mistake. */
int ident_parse(const char *file, const char *text, size_t n, struct ident **i_r,
	struct problems *p) __attribute__((warn_unused_result));
int ident_load(const char *path, struct ident **i_r, struct problems *p)
	__attribute__((warn_unused_result));
void ident_free(struct ident **i);
bool ident_has_map(const struct ident *i, const char *map); /* i may be NULL */
/* May system_user log in as db_user? Without a map (NULL or "") the names must be equal. i may be
 * NULL. */
bool ident_allows(
	const struct ident *i, const char *map, const char *system_user, const char *db_user);
#endif
