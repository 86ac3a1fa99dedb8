/* forms - which kinds of secrets there are, and how much work it is to check them: what an unknown
 * user must look like, to messages and to the clock. Pure. Any thread; a set has one owner. */
#ifndef AUTH_FORMS_H
#define AUTH_FORMS_H
#include "auth/method.h"
#include "crypto/mysql_stored.h"
#include <stddef.h>
#include <stdint.h>

#define FORMS_MAX 8
struct forms {
	unsigned n;
	struct form {
		enum secret_kind kind;
		char decoy[MYSQL_STORED_MAX + 1]; /* mysql_stored_decoy(); "" : nothing slow */
	} list[FORMS_MAX];
};
/* There is a user with this secret. */
void forms_note(struct forms *f, enum secret_kind kind, const char *secret, size_t n);
/* One of both sets, always the same for the same hash; NULL: both are empty. */
const struct form *forms_pick(const struct forms *a, const struct forms *b, uint64_t hash);
#endif
