/* helper - the messages between weirpool and weirpool-auth-helper, the process that may block in
 * PAM, LDAP and NSS, and computes what takes milliseconds. Only encodes and decodes; core owns the
 * process and the socket. Any thread.
 *
 * Frame: u32 length of what follows, u32 id, u8 operation or verdict, then strings (u32 length,
 * bytes). All big-endian. Requests may be answered in any order. A malformed frame ends the
 * conversation: close, restart the helper. */
#ifndef AUTH_HELPER_H
#define AUTH_HELPER_H
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELPER_FRAME_MAX (512u << 10)
#define HELPER_STRING_MAX 65536u /* each */
#define HELPER_FD 3 /* the helper's end, if it was started with --fd 3; else stdin and stdout */

enum helper_op { HELPER_PAM = 1, HELPER_LDAP = 2, HELPER_UID_NAME = 3, HELPER_STORED = 4 };
enum helper_verdict {
	HELPER_OK = 0,     /* PAM, LDAP: proven. UID_NAME: text is the name */
	HELPER_DENIED = 1, /* wrong password, no such user */
	HELPER_FAILED = 2  /* could not tell (directory down, misconfigured): refuse too, but say so
			      in the log */
};
/* Each appends one frame; false when a string is too long or memory is gone (b->failed). The buffer
 * holds a password: give it back with buf_wipe(). id is the caller's, any value. */
bool helper_put_pam(struct buf *b, uint32_t id, const char *service, const char *user,
	const char *pw, size_t pw_n, const char *rhost);
bool helper_put_ldap(struct buf *b, uint32_t id, const char *opts, const char *user, const char *pw,
	size_t pw_n);
/* A password against what is stored of it (mysql_stored_check()). second: does as well as secret;
 * also: it must fit this one too; both may be NULL. */
bool helper_put_stored(struct buf *b, uint32_t id, const char *secret, const char *second,
	const char *also, const char *pw, size_t pw_n);
bool helper_put_uid(struct buf *b, uint32_t id, uint32_t uid);

struct helper_answer {
	uint32_t id;
	enum helper_verdict verdict;
	const char
		*text; /* reason for the log, or the name; not NUL-terminated, inside the input */
	size_t text_n;
};
/* One answer from the front of p: returns the bytes used, 0 if more are needed, -1 if malformed. */
long helper_get_answer(const void *p, size_t n, struct helper_answer *a_r, struct err *e)
	__attribute__((warn_unused_result));

/* The helper's own side. */
struct helper_request {
	uint32_t id;
	enum helper_op op;
	uint32_t uid;
	/* inside the input, not NUL-terminated */
	const char *service, *user, *pw, *rhost, *opts, *secret;
	const char *second, *also; /* or NULL */
	size_t service_n, user_n, pw_n, rhost_n, opts_n, secret_n, second_n, also_n;
};
long helper_get_request(const void *p, size_t n, struct helper_request *r_r, struct err *e)
	__attribute__((warn_unused_result));
bool helper_put_answer(struct buf *b, uint32_t id, enum helper_verdict v, const char *text);
#endif
