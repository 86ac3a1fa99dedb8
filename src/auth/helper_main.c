/* helper_main - the program weirpool-auth-helper: answers what may block (PAM, LDAP, names of
 * uids) or takes milliseconds of computing (passwords against slow hashes), so that no worker of
 * weirpool ever does. Reads frames (auth/helper.h), answers in any
 * order, ends when its input ends. Threads: one reader, WORKERS that block, one mutex around the
 * queue, one around the output. It keeps no secret longer than a request and writes nothing to a
 * log. */
#include "helper_int.h"

#include "base/list.h"
#include "base/mem.h"
#include "crypto/mysql_stored.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WORKERS 16
#define HELPER_NICE 5
#define QUEUE_MAX 8192 /* requests waiting; more are answered "busy" */

struct job {
	struct list node;
	uint32_t id, uid;
	enum helper_op op;
	char *service, *user, *pw, *rhost, *opts, *secret, *second, *also;
};

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_more = PTHREAD_COND_INITIALIZER;
static struct list queue = { &queue, &queue };
static size_t queue_n;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDOUT_FILENO;

static void write_all(const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(out_fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			_exit(1); /* weirpool is gone */
		p += put;
		n -= (size_t)put;
	}
}

static void answer(uint32_t id, enum helper_verdict v, const char *text)
{
	struct buf b;

	buf_init(&b, HELPER_FRAME_MAX);
	if (!helper_put_answer(&b, id, v, text))
		_exit(1); /* unanswered requests would hang: let weirpool start us again */
	pthread_mutex_lock(&out_lock);
	write_all(buf_data(&b), buf_len(&b));
	pthread_mutex_unlock(&out_lock);
	buf_fini(&b);
}

static void wiped_free(char *s)
{
	if (s)
		mem_wipe(s, strlen(s));
	mem_free(MEM_AUTH, s);
}

static void job_free(struct job *j)
{
	wiped_free(j->pw);
	wiped_free(j->opts); /* ldapbindpasswd */
	wiped_free(j->secret);
	wiped_free(j->second);
	wiped_free(j->also);
	mem_free(MEM_AUTH, j->service);
	mem_free(MEM_AUTH, j->user);
	mem_free(MEM_AUTH, j->rhost);
	mem_free(MEM_AUTH, j);
}

/* A copy as a C string; false if it holds a NUL, which would change its meaning. */
static bool copy(char **to, const char *s, size_t n)
{
	if (s == NULL)
		return true;
	if (memchr(s, 0, n))
		return false;
	*to = mem_strndup(MEM_AUTH, s, n);
	return *to != NULL;
}

static int fits(const char *secret, const char *pw, bool *ok_r, struct err *e)
{
	return secret ? mysql_stored_check(secret, strlen(secret), pw, strlen(pw), ok_r, e) : 0;
}

/* All are computed whatever the first says: the time tells nothing. */
static enum helper_verdict do_stored(const struct job *j, char why[HELPER_REASON_MAX])
{
	struct err e = { 0 };
	bool ok = false, second_ok = false, also_ok = true;

	if (fits(j->secret, j->pw, &ok, &e) != 0 || fits(j->second, j->pw, &second_ok, &e) != 0 ||
		fits(j->also, j->pw, &also_ok, &e) != 0) {
		snprintf(why, HELPER_REASON_MAX, "%s", e.msg);
		return HELPER_FAILED;
	}
	if ((ok || second_ok) && !also_ok)
		snprintf(why, HELPER_REASON_MAX,
			"the account that the server sees for weirpool's own address has another "
			"password than the client's");
	return (ok || second_ok) && also_ok ? HELPER_OK : HELPER_DENIED;
}

static void run(const struct job *j)
{
	char why[HELPER_REASON_MAX] = "";
	enum helper_verdict v = HELPER_FAILED;

	switch (j->op) {
	case HELPER_PAM: v = helper_do_pam(j->service, j->user, j->pw, j->rhost, why); break;
	case HELPER_LDAP: v = helper_do_ldap(j->opts, j->user, j->pw, why); break;
	case HELPER_UID_NAME: v = helper_do_uid(j->uid, why); break;
	case HELPER_STORED: v = do_stored(j, why); break;
	}
	answer(j->id, v, why);
}

static void *worker(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&queue_lock);
		while (list_empty(&queue))
			pthread_cond_wait(&queue_more, &queue_lock);
		struct job *j = list_entry(list_pop(&queue), struct job, node);

		queue_n--;
		pthread_mutex_unlock(&queue_lock);
		run(j);
		job_free(j);
	}
	return arg;
}

static void accept_request(const struct helper_request *q)
{
	struct job *j = mem_alloc(MEM_AUTH, sizeof *j);

	if (j == NULL) {
		answer(q->id, HELPER_FAILED, "out of memory");
		return;
	}
	list_init(&j->node);
	j->id = q->id;
	j->op = q->op;
	j->uid = q->uid;
	if (!copy(&j->service, q->service, q->service_n) || !copy(&j->user, q->user, q->user_n) ||
		!copy(&j->pw, q->pw, q->pw_n) || !copy(&j->rhost, q->rhost, q->rhost_n) ||
		!copy(&j->opts, q->opts, q->opts_n) || !copy(&j->secret, q->secret, q->secret_n) ||
		!copy(&j->second, q->second, q->second_n) || !copy(&j->also, q->also, q->also_n)) {
		job_free(j);
		answer(q->id, HELPER_FAILED, "NUL byte in a field, or out of memory");
		return;
	}
	pthread_mutex_lock(&queue_lock);
	bool full = queue_n >= QUEUE_MAX;

	if (!full) {
		list_append(&queue, &j->node);
		queue_n++;
		pthread_cond_signal(&queue_more);
	}
	pthread_mutex_unlock(&queue_lock);
	if (full) {
		job_free(j);
		answer(q->id, HELPER_FAILED, "busy: too many requests wait");
	}
}

/* All complete requests in b. False when the input is malformed. */
static bool take_requests(struct buf *b)
{
	struct helper_request q;
	struct err e = { 0 };
	long used;

	while ((used = helper_get_request(buf_data(b), buf_len(b), &q, &e)) > 0) {
		accept_request(&q);
		mem_wipe(buf_data(b), (size_t)used);
		buf_consume(b, (size_t)used);
	}
	if (used < 0)
		(void)fprintf(stderr, "weirpool-auth-helper: %s\n", e.msg);
	return used == 0;
}

static int serve(int in_fd)
{
	struct buf b;

	buf_init(&b, 2 * HELPER_FRAME_MAX);
	for (;;) {
		uint8_t *at = buf_reserve(&b, 65536);
		ssize_t got = at ? read(in_fd, at, 65536) : -1;

		if (got < 0 && at && errno == EINTR)
			continue;
		if (got <= 0) {
			buf_wipe(&b);
			return got == 0 ? 0 : 1;
		}
		buf_commit(&b, (size_t)got);
		if (!take_requests(&b)) {
			buf_wipe(&b);
			return 1;
		}
	}
}

int main(int argc, char **argv)
{
	int in_fd = STDIN_FILENO;

	if (argc == 3 && strcmp(argv[1], "--fd") == 0 && strcmp(argv[2], "3") == 0) {
		in_fd = out_fd = HELPER_FD;
	} else if (argc != 1) {
		(void)fprintf(stderr, "usage: weirpool-auth-helper [--fd 3]\n"
				      "Started by weirpool; reads requests, writes answers.\n");
		return 2;
	}
	(void)prctl(PR_SET_DUMPABLE, 0); /* passwords: no core dump */
	(void)!nice(HELPER_NICE);        /* who guesses passwords must not take the workers' time */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT,
		SIG_IGN); /* the terminal's Ctrl-C is weirpool's to handle; our input ends then */
	for (int i = 0; i < WORKERS; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, worker, NULL) != 0 && i == 0) {
			(void)fprintf(stderr, "weirpool-auth-helper: cannot start a thread\n");
			return 1;
		}
	}
	int rc = serve(in_fd);

	_exit(rc); /* threads may be blocked in PAM: do not wait for them */
}
