/* helper - frames between weirpool and weirpool-auth-helper, both sides. Ignorant of sockets and of
 * PAM. */
#include "auth/helper.h"

#include "base/rd.h"

#include <string.h>

#define HEAD_BYTES 4  /* the length itself */
#define LEAST_BYTES 5 /* id and operation */

/* Room for the length; returns where it stands. */
static size_t frame_begin(struct buf *b, uint32_t id, uint8_t op)
{
	size_t at = buf_len(b);

	(void)buf_put_u32be(b, 0);
	(void)buf_put_u32be(b, id);
	(void)buf_put_u8(b, op);
	return at;
}

static bool frame_end(struct buf *b, size_t at)
{
	if (b->failed)
		return false;
	buf_set_u32be(b, at, (uint32_t)(buf_len(b) - at - HEAD_BYTES));
	return true;
}

static void put_string(struct buf *b, const char *s, size_t n)
{
	(void)buf_put_u32be(b, (uint32_t)n);
	(void)buf_append(b, s, n);
}

bool helper_put_pam(struct buf *b, uint32_t id, const char *service, const char *user,
	const char *pw, size_t pw_n, const char *rhost)
{
	if (strlen(service) > HELPER_STRING_MAX || strlen(user) > HELPER_STRING_MAX ||
		pw_n > HELPER_STRING_MAX || strlen(rhost) > HELPER_STRING_MAX)
		return false;
	size_t at = frame_begin(b, id, HELPER_PAM);

	put_string(b, service, strlen(service));
	put_string(b, user, strlen(user));
	put_string(b, pw, pw_n);
	put_string(b, rhost, strlen(rhost));
	return frame_end(b, at);
}

bool helper_put_ldap(
	struct buf *b, uint32_t id, const char *opts, const char *user, const char *pw, size_t pw_n)
{
	if (strlen(opts) > HELPER_STRING_MAX || strlen(user) > HELPER_STRING_MAX ||
		pw_n > HELPER_STRING_MAX)
		return false;
	size_t at = frame_begin(b, id, HELPER_LDAP);

	put_string(b, opts, strlen(opts));
	put_string(b, user, strlen(user));
	put_string(b, pw, pw_n);
	return frame_end(b, at);
}

static void put_if_any(struct buf *b, const char *s)
{
	(void)buf_put_u8(b, s != NULL);
	put_string(b, s ? s : "", s ? strlen(s) : 0);
}

bool helper_put_stored(struct buf *b, uint32_t id, const char *secret, const char *second,
	const char *also, const char *pw, size_t pw_n)
{
	if (strlen(secret) > HELPER_STRING_MAX || pw_n > HELPER_STRING_MAX ||
		(second && strlen(second) > HELPER_STRING_MAX) ||
		(also && strlen(also) > HELPER_STRING_MAX))
		return false;
	size_t at = frame_begin(b, id, HELPER_STORED);

	put_string(b, secret, strlen(secret));
	put_if_any(b, second);
	put_if_any(b, also);
	put_string(b, pw, pw_n);
	return frame_end(b, at);
}

bool helper_put_uid(struct buf *b, uint32_t id, uint32_t uid)
{
	size_t at = frame_begin(b, id, HELPER_UID_NAME);

	(void)buf_put_u32be(b, uid);
	return frame_end(b, at);
}

bool helper_put_answer(struct buf *b, uint32_t id, enum helper_verdict v, const char *text)
{
	size_t n = strlen(text);
	size_t at = frame_begin(b, id, (uint8_t)v);

	put_string(b, text, n < HELPER_STRING_MAX ? n : HELPER_STRING_MAX);
	return frame_end(b, at);
}

/* One frame's body. 1: there; 0: more bytes are needed; -1: malformed. */
static int frame_body(const void *p, size_t n, struct rd *body_r, struct err *e)
{
	struct rd r = rd_of(p, n);
	uint32_t len = rd_u32be(&r);

	if (!rd_ok(&r))
		return 0;
	if (len < LEAST_BYTES || len > HELPER_FRAME_MAX)
		return err_set(e, ERR_INTERNAL, "auth helper: frame of %u bytes", len);
	const uint8_t *body = rd_bytes(&r, len);

	if (body == NULL)
		return 0;
	*body_r = rd_of(body, len);
	return 1;
}

static const char *get_string(struct rd *r, size_t *n_r)
{
	uint32_t n = rd_u32be(r);

	*n_r = n;
	if (n > HELPER_STRING_MAX)
		r->bad = true;
	return (const char *)rd_bytes(r, n);
}

static const char *get_if_any(struct rd *r, size_t *n_r)
{
	bool is_there = rd_u8(r) != 0;
	const char *s = get_string(r, n_r);

	return is_there ? s : NULL;
}

static long frame_done(const struct rd *r, const void *p, struct err *e)
{
	if (!rd_ok(r) || r->p != r->end)
		return err_set(e, ERR_INTERNAL, "auth helper: malformed frame");
	return (long)(r->end - (const uint8_t *)p);
}

long helper_get_answer(const void *p, size_t n, struct helper_answer *a_r, struct err *e)
{
	struct rd r;
	int there = frame_body(p, n, &r, e);

	if (there <= 0)
		return there;
	a_r->id = rd_u32be(&r);
	uint8_t verdict = rd_u8(&r);

	/* Anything that is not exactly "proven" or "denied" is a failure, hence a refusal. */
	a_r->verdict = verdict == HELPER_OK       ? HELPER_OK
		       : verdict == HELPER_DENIED ? HELPER_DENIED
						  : HELPER_FAILED;
	a_r->text = get_string(&r, &a_r->text_n);
	return frame_done(&r, p, e);
}

long helper_get_request(const void *p, size_t n, struct helper_request *q, struct err *e)
{
	struct rd r;
	int there = frame_body(p, n, &r, e);

	if (there <= 0)
		return there;
	*q = (struct helper_request){ .id = rd_u32be(&r) };
	uint8_t op = rd_u8(&r);

	if (op == HELPER_PAM) {
		q->service = get_string(&r, &q->service_n);
		q->user = get_string(&r, &q->user_n);
		q->pw = get_string(&r, &q->pw_n);
		q->rhost = get_string(&r, &q->rhost_n);
	} else if (op == HELPER_LDAP) {
		q->opts = get_string(&r, &q->opts_n);
		q->user = get_string(&r, &q->user_n);
		q->pw = get_string(&r, &q->pw_n);
	} else if (op == HELPER_UID_NAME) {
		q->uid = rd_u32be(&r);
	} else if (op == HELPER_STORED) {
		q->secret = get_string(&r, &q->secret_n);
		q->second = get_if_any(&r, &q->second_n);
		q->also = get_if_any(&r, &q->also_n);
		q->pw = get_string(&r, &q->pw_n);
	} else {
		return err_set(e, ERR_INTERNAL, "auth helper: unknown operation %u", op);
	}
	q->op = (enum helper_op)op;
	return frame_done(&r, p, e);
}
