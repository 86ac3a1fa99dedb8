/* resolver: numbers and paths at once; names from a small name server on the loopback that the test
 * plays itself. */
#include "ev_help.h"

#include "ev/addr.h"
#include "ev/resolver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/un.h>

TestSuite(resolver, .fini = ev_all_back, .timeout = 90);

/* ---- a name server ---- */

enum mode { ANSWER, NXDOMAIN, SILENT, SERVFAIL, GARBAGE };
static struct {
	int fd;
	pthread_t th;
	char servers[64];
	_Atomic enum mode mode;
	_Atomic unsigned ttl_s, addr, queries; /* addr: last byte of 10.9.8.x */
	_Atomic bool two, stop;
} ns;

static size_t put_answer(uint8_t *p, uint8_t last)
{
	uint32_t ttl = ns.ttl_s;
	const uint8_t rr[] = { 0xc0, 12, 0, 1, 0, 1, (uint8_t)(ttl >> 24), (uint8_t)(ttl >> 16),
		(uint8_t)(ttl >> 8), (uint8_t)ttl, 0, 4, 10, 9, 8, last };
	memcpy(p, rr, sizeof(rr));
	return sizeof(rr);
}
/* Answers A with one or two addresses, AAAA with none. */
static size_t ns_reply(uint8_t *q, size_t n)
{
	size_t end = 12;

	while (end < n && q[end])
		end += q[end] + 1u;
	end += 5;
	bool is_a = q[end - 3] == 1;
	q[2] = 0x84;
	q[3] = ns.mode == NXDOMAIN ? 3 : ns.mode == SERVFAIL ? 2 : 0;
	memset(q + 6, 0, 6);
	if (is_a)
		ns.queries++;
	if (ns.mode == GARBAGE)
		return 14;
	if (ns.mode == ANSWER && is_a) {
		q[7] = ns.two ? 2 : 1;
		end += put_answer(q + end, (uint8_t)ns.addr);
		if (ns.two)
			end += put_answer(q + end, 77);
	}
	return end;
}
static void *ns_main(void *arg)
{
	uint8_t q[1024];
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	ssize_t r;

	(void)arg;
	while (!ns.stop) {
		r = recvfrom(ns.fd, q, 512, 0, (struct sockaddr *)&from, &n);
		if (r < 17 || ns.stop)
			continue;
		if (ns.mode == SILENT) {
			ns.queries++;
			continue;
		}
		sendto(ns.fd, q, ns_reply(q, (size_t)r), 0, (struct sockaddr *)&from, n);
	}
	return NULL;
}
static void ns_start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);

	ns.fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(bind(ns.fd, (struct sockaddr *)&in, n), 0);
	getsockname(ns.fd, (struct sockaddr *)&in, &n);
	snprintf(ns.servers, sizeof(ns.servers), "127.0.0.1:%u", ntohs(in.sin_port));
	ns.mode = ANSWER;
	ns.ttl_s = 300;
	ns.addr = 1;
	pthread_create(&ns.th, NULL, ns_main, NULL);
}
static void ns_stop(void)
{
	struct sockaddr_in in;
	socklen_t n = sizeof(in);

	ns.stop = true;
	getsockname(ns.fd, (struct sockaddr *)&in, &n);
	sendto(ns.fd, "x", 1, 0, (struct sockaddr *)&in, n);
	pthread_join(ns.th, NULL);
	close(ns.fd);
}

/* ---- asking ---- */

struct ask {
	struct resolver *r;
	struct resolver_req *req, *cancel;
	bool done, free_resolver, again;
	int calls;
	unsigned n;
	char first[48], last[48], msg[256];
	unsigned port;
	struct sockaddr_storage sa;
	socklen_t sa_n;
};
static void on_answer(void *arg, const struct resolver_addr *a, unsigned n, const struct err *e)
{
	struct ask *q = arg;
	struct addr x;

	q->calls++;
	q->n = n;
	q->done = true;
	q->req = NULL;
	if (n == 0) {
		cr_assert_not_null(e);
		snprintf(q->msg, sizeof(q->msg), "%s", e->msg);
	} else {
		cr_assert_null(e);
		q->sa = a[0].sa;
		q->sa_n = a[0].n;
		addr_from_sockaddr(&x, (const struct sockaddr *)&a[0].sa, a[0].n);
		addr_host(&x, q->first, sizeof(q->first));
		q->port = addr_port(&x);
		addr_from_sockaddr(&x, (const struct sockaddr *)&a[n - 1].sa, a[n - 1].n);
		addr_host(&x, q->last, sizeof(q->last));
	}
	if (q->cancel)
		resolver_cancel(q->cancel);
	if (q->free_resolver)
		resolver_free(q->r);
	if (q->again) {
		q->again = false;
		q->req = resolver_lookup(q->r, "other.test.", 1, on_answer, q);
	}
}
static struct resolver *resolver_with(struct loop *l, int64_t max_ttl_us, int64_t negative_us)
{
	struct resolver_opts o = { .max_ttl_us = max_ttl_us,
		.negative_ttl_us = negative_us,
		.servers = ns.fd > 0 ? ns.servers : NULL };
	struct err e = { .msg = "" };
	struct resolver *r = resolver_new(l, &o, &e);
	cr_assert_not_null(r, "%s", e.msg);
	return r;
}
static struct ask ask_now(struct loop *l, struct resolver *r, const char *host)
{
	struct ask q = { .r = r };
	q.req = resolver_lookup(r, host, 5432, on_answer, &q);
	cr_assert_eq(q.req == NULL, q.calls == 1);
	if (!q.done)
		cr_assert(ev_run(l, &q.done, 30000));
	cr_assert_eq(q.calls, 1);
	return q;
}
static struct loop *new_loop(void)
{
	struct loop_opts o = { .owner = NULL };
	return loop_new(&o);
}

Test(resolver, numbers_and_paths_answer_at_once)
{
	static const char *const numbers[] = { "10.0.0.1", "::1", "2001:db8::5" };
	struct loop *l = new_loop();
	struct resolver *r = resolver_with(l, 1000000, 1000000);
	struct ask q;

	for (int i = 0; i < 3; i++) {
		q = (struct ask){ .r = r };
		cr_assert_null(resolver_lookup(r, numbers[i], 5432, on_answer, &q));
		cr_assert_eq(q.n, 1);
		cr_assert_str_eq(q.first, numbers[i]);
		cr_assert_eq(q.port, 5432);
	}
	q = (struct ask){ .r = r };
	cr_assert_null(resolver_lookup(r, "/run/pg", 5433, on_answer, &q));
	const struct sockaddr_un *un = (const struct sockaddr_un *)&q.sa;
	cr_assert_eq(un->sun_family, AF_UNIX);
	cr_assert_str_eq(un->sun_path, "/run/pg/.s.PGSQL.5433");
	cr_assert_null(resolver_lookup(r, "@pg", 5433, on_answer, &q));
	cr_assert_eq(memcmp(un->sun_path, "\0pg/.s.PGSQL.5433", 17), 0);
	cr_assert_eq(q.sa_n, offsetof(struct sockaddr_un, sun_path) + 17);
	resolver_free(r);
	loop_free(l);
}

Test(resolver, what_cannot_be_a_host)
{
	struct loop *l = new_loop();
	struct resolver *r = resolver_with(l, 1000000, 1000000);
	char name[400];
	struct ask q = { .r = r };

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_null(resolver_lookup(r, name, 1, on_answer, &q));
	cr_assert_eq(q.n, 0);
	name[0] = '/';
	cr_assert_null(resolver_lookup(r, name, 1, on_answer, &q));
	cr_assert_not_null(strstr(q.msg, "too long"), "%s", q.msg);
	cr_assert_null(resolver_lookup(r, "", 1, on_answer, &q));
	cr_assert_eq(q.calls, 3);
	q = ask_now(l, r, "fe80::1%no-such-interface");
	cr_assert_eq(q.n, 0);
	q = ask_now(l, r, "bad..name");
	cr_assert_eq(q.n, 0);
	cr_assert_not_null(strstr(q.msg, "bad..name"), "%s", q.msg);
	resolver_free(r);
	loop_free(l);
}

Test(resolver, the_hosts_file_needs_no_server)
{
	struct loop *l = new_loop();
	struct resolver *r = resolver_with(l, 5000000, 1000000);
	struct ask q = ask_now(l, r, "localhost");

	cr_assert_geq(q.n, 1);
	cr_assert(!strcmp(q.first, "127.0.0.1") || !strcmp(q.first, "::1"), "%s", q.first);
	resolver_free(r);
	loop_free(l);
}

static unsigned g_cached;
static void count(
	void *arg, const char *host, int64_t left_us, const struct resolver_addr *a, unsigned n)
{
	(void)a;
	g_cached++;
	cr_assert_str_eq(host, arg);
	cr_assert_gt(left_us, 0);
	cr_assert_eq(n, 2);
}

Test(resolver, answers_are_shared_and_kept)
{
	struct loop *l = new_loop();
	struct ask q[3];
	struct resolver *r;

	ns_start();
	ns.two = true;
	r = resolver_with(l, 60000000, 1000000);
	for (int i = 0; i < 3; i++) {
		q[i] = (struct ask){ .r = r };
		q[i].req = resolver_lookup(r, "db.test.", 100 + (unsigned)i, on_answer, &q[i]);
		cr_assert_not_null(q[i].req);
	}
	cr_assert_eq(resolver_pending(r), 1);
	cr_assert(ev_run(l, &q[2].done, 5000));
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(q[i].n, 2);
		cr_assert_str_eq(q[i].first, "10.9.8.1"); /* in the server's order */
		cr_assert_str_eq(q[i].last, "10.9.8.77");
		cr_assert_eq(q[i].port, 100 + i);
	}
	q[0] = (struct ask){ .r = r };
	cr_assert_null(resolver_lookup(r, "db.test.", 7, on_answer, &q[0]));
	cr_assert_eq(q[0].n, 2);
	cr_assert_eq(ns.queries, 1);
	cr_assert_eq(resolver_pending(r), 0);
	resolver_each(r, count, (char[]){ "db.test." });
	cr_assert_eq(g_cached, 1);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, the_ttl_is_honoured)
{
	struct loop *l = new_loop();
	struct resolver *r;

	ns_start();
	ns.ttl_s = 1;
	r = resolver_with(l, 60000000, 1000000);
	cr_assert_str_eq(ask_now(l, r, "db.test.").first, "10.9.8.1");
	ns.addr = 2;
	cr_assert_str_eq(ask_now(l, r, "db.test.").first, "10.9.8.1");
	ev_run(l, NULL, 1100);
	cr_assert_str_eq(ask_now(l, r, "db.test.").first, "10.9.8.2");
	ns.ttl_s = 1000000; /* and capped */
	struct resolver_opts o = { .max_ttl_us = 200000, .negative_ttl_us = 1 };
	resolver_set_opts(r, &o);
	ev_run(l, NULL, 1100);
	ask_now(l, r, "db.test.");
	ns.addr = 3;
	ev_run(l, NULL, 250);
	cr_assert_str_eq(ask_now(l, r, "db.test.").first, "10.9.8.3");
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, a_name_that_does_not_exist_is_remembered_for_a_while)
{
	struct loop *l = new_loop();
	struct resolver *r;
	struct ask q;

	ns_start();
	ns.mode = NXDOMAIN;
	r = resolver_with(l, 60000000, 400000);
	q = ask_now(l, r, "gone.test.");
	cr_assert_eq(q.n, 0);
	cr_assert_not_null(strstr(q.msg, "gone.test."), "%s", q.msg);
	unsigned queries = ns.queries;
	q = ask_now(l, r, "gone.test.");
	cr_assert_eq(q.n, 0);
	cr_assert_eq(ns.queries, queries);
	ns.mode = ANSWER;
	ev_run(l, NULL, 450);
	q = ask_now(l, r, "gone.test.");
	cr_assert_eq(q.n, 1);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, a_stale_answer_while_the_server_fails)
{
	static const enum mode failures[] = { SERVFAIL, GARBAGE, SILENT };
	struct loop *l = new_loop();
	struct resolver *r;
	struct ask q;

	ns_start();
	r = resolver_with(l, 1500000, 300000);
	for (int i = 0, tries = 0; i < 3; i++, tries = 0) {
		int64_t took = INT64_MAX;
		/* before c-ares gives up; a busy machine may take longer, but not each time */
		while (took >= 1900000 && ++tries <= 5) {
			ns.mode = ANSWER;
			cr_assert_eq(ask_now(l, r, "db.test.").n, 1);
			ns.mode = failures[i];
			ev_run(l, NULL, 1600);
			int64_t t0 = clock_mono_us();
			q = ask_now(l, r, "db.test.");
			took = clock_mono_us() - t0;
			cr_assert_eq(q.n, 1, "mode %d: %s", failures[i], q.msg);
			ns.mode = ANSWER; /* what is still asked may end */
			ev_run(l, NULL, 2500);
		}
		cr_assert_lt(took, 1900000);
	}
	ns.mode = SERVFAIL;
	q = ask_now(l, r, "new.test."); /* never known: an error */
	cr_assert_eq(q.n, 0);
	/* "Does not exist" is an answer. */
	ns.mode = NXDOMAIN;
	ev_run(l, NULL, 1600);
	q = ask_now(l, r, "db.test.");
	cr_assert_eq(q.n, 0);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, cancel_and_free_while_asking)
{
	struct loop *l = new_loop();
	struct ask a, b;
	struct resolver *r;

	ns_start();
	ns.mode = SILENT;
	r = resolver_with(l, 60000000, 1000000);
	a = (struct ask){ .r = r };
	b = (struct ask){ .r = r };
	a.req = resolver_lookup(r, "db.test.", 1, on_answer, &a);
	b.req = resolver_lookup(r, "db.test.", 1, on_answer, &b);
	resolver_cancel(a.req);
	ev_run(l, NULL, 50);
	resolver_free(r); /* b is dropped without a call */
	cr_assert_eq(a.calls + b.calls, 0);

	ns.mode = ANSWER; /* inside the answer: another request of the same delivery, and all */
	r = resolver_with(l, 60000000, 1000000);
	a = (struct ask){ .r = r };
	b = (struct ask){ .r = r };
	a.req = resolver_lookup(r, "db.test.", 1, on_answer, &a);
	b.req = resolver_lookup(r, "db.test.", 1, on_answer, &b);
	a.cancel = b.req;
	cr_assert(ev_run(l, &a.done, 5000));
	cr_assert_eq(b.calls, 0);
	a = (struct ask){ .r = r, .again = true };
	a.req = resolver_lookup(r, "more.test.", 1, on_answer, &a);
	cr_assert(ev_run(l, &a.done, 5000));
	ev_run(l, NULL, 50);
	cr_assert_eq(a.calls, 2);
	a = (struct ask){ .r = r, .free_resolver = true };
	b = (struct ask){ .r = r };
	a.req = resolver_lookup(r, "last.test.", 1, on_answer, &a);
	b.req = resolver_lookup(r, "last.test.", 1, on_answer, &b);
	cr_assert(ev_run(l, &a.done, 5000));
	cr_assert_eq(b.calls, 0);
	ns_stop();
	loop_free(l);
}

Test(resolver, silence_ends_by_a_timeout_without_spinning)
{
	struct loop *l = new_loop();
	struct resolver *r;
	struct ask q;

	ns_start();
	ns.mode = SILENT;
	r = resolver_with(l, 60000000, 1000000);
	int64_t t0 = clock_mono_us();
	q = ask_now(l, r, "slow.test.");
	cr_assert_eq(q.n, 0);
	cr_assert_not_null(strstr(q.msg, "slow.test."), "%s", q.msg);
	cr_assert_gt(clock_mono_us() - t0, 2000000);
	cr_assert_leq(ns.queries, 12);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, other_options_while_asking)
{
	struct loop *l = new_loop();
	struct resolver_opts o = {
		.max_ttl_us = 60000000, .negative_ttl_us = 1000000, .resolv_conf = "/dev/null"
	};
	struct resolver *r;
	struct ask q;

	ns_start();
	ns.mode = SILENT;
	r = resolver_with(l, 60000000, 1000000);
	q = (struct ask){ .r = r };
	q.req = resolver_lookup(r, "db.test.", 1, on_answer, &q);
	ev_run(l, NULL, 50);
	ns.mode = ANSWER;
	resolver_set_opts(r, &o); /* asks again */
	cr_assert(ev_run(l, &q.done, 1000));
	cr_assert_eq(q.n, 1);
	o.resolv_conf = NULL;
	resolver_set_opts(r, &o);
	resolver_set_opts(r, &o);
	cr_assert_eq(ask_now(l, r, "two.test.").n, 1);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}

Test(resolver, the_cache_is_bounded)
{
	struct loop *l = new_loop();
	struct resolver *r;
	char host[32];

	ns_start();
	r = resolver_with(l, 60000000, 60000000);
	for (int i = 0; i < 1500; i++) {
		struct ask q = { .r = r };
		snprintf(host, sizeof(host), "h%d.test.", i);
		q.req = resolver_lookup(r, host, 1, on_answer, &q);
		cr_assert_not_null(q.req);
		cr_assert(i % 2 || ev_run(l, &q.done, 5000));
		if (q.req)
			resolver_cancel(q.req);
	}
	cr_assert_lt(mem_live(MEM_EV), 2 * 1024 + 50);
	resolver_free(r);
	ns_stop();
	loop_free(l);
}
