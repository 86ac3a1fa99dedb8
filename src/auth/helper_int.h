/* helper_int - the parts of the program weirpool-auth-helper. Each may block; each runs in a thread
 * of that program. Strings are NUL-terminated copies without inner NULs. */
#ifndef AUTH_HELPER_INT_H
#define AUTH_HELPER_INT_H
#include "auth/helper.h"

#define HELPER_REASON_MAX 256

/* why: a reason for the log, never a secret; HELPER_REASON_MAX bytes. */
enum helper_verdict helper_do_pam(
	const char *service, const char *user, const char *pw, const char *rhost, char *why);
enum helper_verdict helper_do_ldap(const char *opts, const char *user, const char *pw, char *why);
/* OK: why holds the name. */
enum helper_verdict helper_do_uid(uint32_t uid, char *why);
#endif
