/* users - the auth_file of PgBouncer: "user" "secret", one per line, rest of the line ignored, ""
 * is a quote, lines that begin with ; are comments. A loaded set never changes. Ignorant of who
 * asks. Built by the control thread (reads a file, dies when out of memory); read by any thread.
 * Source: PgBouncer docs, config: Authentication file format. */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H
#include "auth/forms.h"
#include "auth/method.h"
#include "base/err.h"
#include "crypto/scram.h"

#define USERS_FIELD_MAX 65536 /* bytes of a name or a secret */
#define USERS_FILE_MAX (256u << 20)

struct user_entry {
	const char *name;
	const char *secret; /* never logged */
	size_t secret_n;
	enum secret_kind kind;
	const struct scram_secret *scram; /* parsed, if kind is SECRET_SCRAM */
};
struct users;
struct users *users_new(void);
void users_free(struct users **u); /* wipes the secrets; *u may be NULL */
/* Adds or replaces (the last one wins); copies; a MySQL secret may be given in hexadecimal
 * (mysql_sha2_unhex()). ERR_CONFIG when the secret claims to be SCRAM and
 * is malformed. Only before the set is shared. */
int users_add(struct users *u, const char *name, size_t name_n, const char *secret, size_t secret_n,
	struct err *e) __attribute__((warn_unused_result));
/* Reads text (n bytes) or the file; messages are "file:line: what". On -1, *u_r is untouched. */
int users_parse(const char *file, const char *text, size_t n, struct users **u_r, struct err *e)
	__attribute__((warn_unused_result));
int users_load(const char *path, struct users **u_r, struct err *e)
	__attribute__((warn_unused_result));
const struct user_entry *users_get(
	const struct users *u, const char *name); /* NULL: unknown; u may be NULL */
size_t users_n(const struct users *u);
/* The kind of secret that most users have; SECRET_NONE if there are none. u may be NULL. */
enum secret_kind users_common_kind(const struct users *u);
/* What secrets look like that MySQL's clients can use. u may be NULL. */
const struct forms *users_forms(const struct users *u);
/* Calls fn for each entry, in no order. */
void users_each(
	const struct users *u, void (*fn)(const struct user_entry *ue, void *arg), void *arg);
#endif
