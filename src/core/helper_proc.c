/* helper_proc - the process that may block (PAM, LDAP, names of uids) and computes slow hashes: one
 * per worker, started when first needed, restarted after it dies. Speaks auth/helper.h over a
 * socket pair. Runs on the worker. */
#include "core_int.h"

#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec"
#endif
#ifndef WEIRPOOL_HELPER_PATH
#define WEIRPOOL_HELPER_PATH LIBEXECDIR "/weirpool-auth-helper"
#endif
#define PENDING_MAX 4096

struct helper_proc {
	struct stream st;
	struct worker *w;
	pid_t pid;
	bool up;
	uint32_t next_id;
	struct ask {
		uint32_t id, session_id;
	} asks[PENDING_MAX];
	unsigned n_asks;
};

static struct session *session_of(struct worker *w, uint32_t id)
{
	list_for(n, &w->sessions[SESSION_LOGIN]) {
		struct session *s = list_entry(n, struct session, node);
		if (s->id == id)
			return s;
	}
	return NULL;
}

static void answered(struct helper_proc *h, uint32_t id, bool ok, const char *text)
{
	for (unsigned i = 0; i < h->n_asks; i++) {
		if (h->asks[i].id != id)
			continue;
		struct session *s = session_of(h->w, h->asks[i].session_id);
		h->asks[i] = h->asks[--h->n_asks];
		if (s)
			session_helper_done(s, ok, text);
		return;
	}
}

static void gone(struct helper_proc *h, const char *why)
{
	if (!h->up)
		return;
	h->up = false;
	log_event(EVENT_HELPER_ENDED, "the authentication helper ended: %s", why);
	stream_close(&h->st);
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	while (h->n_asks)
		answered(h, h->asks[0].id, false, "the authentication helper ended");
}

static void on_readable(struct stream *st, void *owner)
{
	struct helper_proc *h = owner;
	uint8_t tmp[4096];
	struct err e = { 0 };
	size_t got;
	while ((got = stream_read(st, tmp, sizeof tmp)) > 0)
		buf_append(&st->in, tmp, got);
	while (h->up) {
		struct helper_answer a;
		char text[256];
		long n = helper_get_answer(buf_data(&st->in), buf_len(&st->in), &a, &e);
		if (n < 0) {
			gone(h, e.msg);
			return;
		}
		if (n == 0)
			break;
		snprintf(text, sizeof text, "%.*s", (int)(a.text_n < 255 ? a.text_n : 255),
			a.text ? a.text : "");
		buf_consume(&st->in, (size_t)n);
		answered(h, a.id, a.verdict == HELPER_OK, text);
	}
	if (h->up && (st->eof || st->error))
		gone(h, st->error ? strerror(st->error) : "it closed its end");
}

static void on_drained(struct stream *st, void *owner)
{
	(void)st;
	(void)owner;
}

static const struct stream_cb helper_cb = { .readable = on_readable, .drained = on_drained };

const char *core_helper_path(void)
{
	const char *path = getenv("WEIRPOOL_AUTH_HELPER");
	return path && *path ? path : WEIRPOOL_HELPER_PATH;
}

static int start(struct helper_proc *h, struct err *e)
{
	int sv[2];
	char arg0[] = "weirpool-auth-helper", arg1[] = "--fd", arg2[] = "3";
	char *argv[] = { arg0, arg1, arg2, NULL };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
		return err_set(e, ERR_NO_FDS, "cannot start the authentication helper: %s",
			strerror(errno));
	struct spawn sp = { .path = core_helper_path(),
		.argv = argv,
		.fds = { { sv[1], HELPER_FD } },
		.fds_n = 1 };
	int r = spawn_run(&sp, &h->pid);
	close(sv[1]);
	if (r != 0) {
		close(sv[0]);
		return err_set(e, ERR_CONFIG, "cannot start %s: %s", sp.path, spawn_why(r));
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	if (stream_init(&h->st, h->w->loop, sv[0], &helper_cb, h, e) != 0) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
		return -1;
	}
	h->up = true;
	return 0;
}

/* The helper, running, with room for one more question of s; its id goes to *id_r. */
static struct helper_proc *helper_get(struct session *s, uint32_t *id_r, struct err *e)
{
	struct worker *w = s->w;
	struct helper_proc *h = w->helper;
	if (!h) {
		h = w->helper = mem_alloc(MEM_AUTH, sizeof *h);
		if (!h) {
			err_set(e, ERR_NO_MEMORY, "out of memory");
			return NULL;
		}
		h->w = w;
	}
	if (!h->up && start(h, e) != 0)
		return NULL;
	if (h->n_asks == PENDING_MAX) {
		err_set(e, ERR_TOO_MANY, "too many logins wait for the authentication helper: %d",
			PENDING_MAX);
		return NULL;
	}
	*id_r = ++h->next_id;
	h->asks[h->n_asks++] = (struct ask){ .id = *id_r, .session_id = s->id };
	return h;
}

static int send_frame(struct helper_proc *h, struct buf *b, bool ok, struct err *e)
{
	if (ok)
		ok = stream_write(&h->st, buf_data(b), buf_len(b));
	buf_wipe(b);
	if (!ok)
		h->n_asks--; /* the one that helper_get() made room for */
	return ok ? 0 : err_set(e, ERR_INTERNAL, "the authentication helper cannot be asked");
}

int helper_ask_pam(struct session *s, const char *service, const char *pw, size_t n, struct err *e)
{
	uint32_t id;
	char host[64];
	struct buf b;
	struct helper_proc *h = helper_get(s, &id, e);
	if (!h)
		return -1;
	buf_init(&b, HELPER_FRAME_MAX);
	return send_frame(h, &b,
		helper_put_pam(&b, id, service, session_login_user(s), pw, n,
			addr_host(&s->addr, host, sizeof host)),
		e);
}

int helper_ask_ldap(struct session *s, const char *opts, const char *pw, size_t n, struct err *e)
{
	uint32_t id;
	struct buf b;
	struct helper_proc *h = helper_get(s, &id, e);
	if (!h)
		return -1;
	buf_init(&b, HELPER_FRAME_MAX);
	return send_frame(h, &b, helper_put_ldap(&b, id, opts, session_login_user(s), pw, n), e);
}

int helper_ask_stored(struct session *s, const char *secret, const struct account_fit *a,
	const char *pw, size_t n, struct err *e)
{
	uint32_t id;
	struct buf b;
	struct helper_proc *h = helper_get(s, &id, e);
	if (!h)
		return -1;
	buf_init(&b, HELPER_FRAME_MAX);
	return send_frame(h, &b,
		helper_put_stored(&b, id, secret, a && a->has_second ? a->second : NULL,
			a && a->has_also ? a->also : NULL, pw, n),
		e);
}

int helper_ask_uid(struct session *s, unsigned uid, struct err *e)
{
	uint32_t id;
	struct buf b;
	struct helper_proc *h = helper_get(s, &id, e);
	if (!h)
		return -1;
	buf_init(&b, HELPER_FRAME_MAX);
	return send_frame(h, &b, helper_put_uid(&b, id, uid), e);
}

void helper_free(struct worker *w)
{
	struct helper_proc *h = w->helper;
	if (!h)
		return;
	if (h->up) {
		stream_close(&h->st);
		kill(h->pid, SIGTERM);
		waitpid(h->pid, NULL, 0);
	}
	mem_free(MEM_AUTH, h);
	w->helper = NULL;
}
