/*
 * sql/names.h - what a server's catalogs say about names: which may not run on a replica, and
 * which of the user's own functions, types and operators are known to be harmless.
 *
 * Names are compared bare: whatever the schema, and all objects of one name alike. Ignorant of
 * where they come from. Built by one thread; once built it is only read, by any.
 */
#ifndef WEIRPOOL_SQL_NAMES_H
#define WEIRPOOL_SQL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of a name; several may hold. */
#define SQL_NAME_DANGER 1u /* not on a replica: a volatile function, a view that reaches one, ... */
#define SQL_NAME_FUNCTION 2u /* names a function of the user's; harmless unless also DANGER */
#define SQL_NAME_TYPE 4u     /* the same for a type */
#define SQL_NAME_OPERATOR 8u /* the same for an operator */

struct sql_names;

/* An empty set, for names that are compared as they are (PostgreSQL) or with ASCII letters folded
 * (MySQL). The caller owns it. NULL: out of memory. */
struct sql_names *sql_names_new(bool fold);
void sql_names_free(struct sql_names **s);

/* Adds what is known of a name to what the set has of it; the bytes are copied. False: out of
 * memory, the set is as it was. */
bool sql_names_add(struct sql_names *s, const char *name, size_t n, unsigned known);

/* SQL_NAME_...; 0 for a stranger. */
unsigned sql_names_find(const struct sql_names *s, const char *name, size_t n);

/* The same with the hash of the name at hand: sql_hash_step() over its bytes, folded if the set
 * folds. */
unsigned sql_names_find_hashed(
	const struct sql_names *s, const char *name, size_t n, uint32_t hash);

/* Whether an operator of comparison is dangerous: IN, BETWEEN, GROUP BY and their like call it
 * without writing it; the same for LIKE's. */
bool sql_names_compare_danger(const struct sql_names *s);
bool sql_names_like_danger(const struct sql_names *s);

size_t sql_names_count(const struct sql_names *s);

#endif
