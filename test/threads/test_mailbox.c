/* test_mailbox - loops in threads: mail from four producers at once, and streams that move between
 * two loops while their peer goes on sending. Prints TAP; made to be run under ThreadSanitizer. */
#include "base/buf.h"
#include "base/mem.h"
#include "ev/loop.h"
#include "ev/stream.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int g_test;
static int g_failed;
static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++g_test, what);
	fflush(stdout);
	g_failed += !good;
}

/* ---- four producers, one loop: nothing lost, nothing twice, each producer's order kept ---- */

enum { PRODUCERS = 4, LETTERS = 50000 };

struct letter {
	struct mail m;
	int from, no;
};
struct sink {
	struct loop *l;
	int next[PRODUCERS], got;
	bool disorder;
};
static struct letter g_letters[PRODUCERS][LETTERS];
static struct sink g_sink;

static void on_letter(struct mail *m, void *owner)
{
	struct sink *k = owner;
	struct letter *x = (struct letter *)m;

	if (x->no != k->next[x->from]++)
		k->disorder = true;
	if (++k->got == PRODUCERS * LETTERS)
		loop_stop(k->l);
}
static void *produce(void *arg)
{
	struct letter *x = arg;
	for (int i = 0; i < LETTERS; i++) {
		loop_post(g_sink.l, &x[i].m);
		if (i % 1000 == 0)
			usleep(50); /* so that the queue runs empty now and then */
	}
	return NULL;
}
static void *run_loop(void *arg)
{
	loop_run(arg);
	buf_thread_fini();
	return NULL;
}

static void test_producers(void)
{
	struct loop_opts o = { .owner = &g_sink };
	pthread_t consumer, th[PRODUCERS];

	g_sink.l = loop_new(&o);
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = 0; i < LETTERS; i++)
			g_letters[p][i] = (struct letter){ .m.fn = on_letter, .from = p, .no = i };
	}
	pthread_create(&consumer, NULL, run_loop, g_sink.l);
	for (int p = 0; p < PRODUCERS; p++)
		pthread_create(&th[p], NULL, produce, g_letters[p]);
	for (int p = 0; p < PRODUCERS; p++)
		pthread_join(th[p], NULL);
	pthread_join(consumer, NULL);
	ok(g_sink.got == PRODUCERS * LETTERS, "every message arrives once");
	ok(!g_sink.disorder, "each sender's messages arrive in order");
	loop_free(g_sink.l);
}

/* ---- two loops that throw messages back and forth ---- */

enum { ROUNDS = 20000 };
struct side {
	struct loop *l;
	struct side *other;
	long got;
};
struct ball {
	struct mail m;
	long left;
};
static void on_ball(struct mail *m, void *owner)
{
	struct side *s = owner;
	struct ball *b = (struct ball *)m;

	s->got++;
	if (b->left-- > 0) {
		loop_post(s->other->l, m);
	} else if (b->left == -1) {
		loop_post(s->other->l, m); /* tells the other to stop, too */
		loop_stop(s->l);
	} else {
		loop_stop(s->l);
	}
}

static void test_ping_pong(void)
{
	struct side a = { .other = NULL }, b = { .other = &a };
	struct loop_opts oa = { .owner = &a }, ob = { .owner = &b };
	struct ball ball = { .m.fn = on_ball, .left = ROUNDS };
	pthread_t ta, tb;

	a.other = &b;
	a.l = loop_new(&oa);
	b.l = loop_new(&ob);
	loop_post(a.l, &ball.m);
	pthread_create(&ta, NULL, run_loop, a.l);
	pthread_create(&tb, NULL, run_loop, b.l);
	pthread_join(ta, NULL);
	pthread_join(tb, NULL);
	ok(a.got + b.got == ROUNDS + 2, "no wake-up is lost between two loops");
	loop_free(a.l);
	loop_free(b.l);
}

/* ---- streams that change thread ---- */

enum { STREAMS = 8, BYTES = 200000, ECHO_MAX = 4096 };
struct mover {
	struct mail m;
	struct stream s;
	struct worker *at;
	unsigned reads;
	int moves;
};
struct worker {
	struct loop *l;
	struct worker *other;
	bool stop;
};
static struct mover g_movers[STREAMS];
static struct mail g_stop_mail[2];

static void mover_arrive(struct mail *m, void *owner);

/* Echoes, and every few reads moves to the other thread when nothing is in flight. */
static void mover_readable(struct stream *s, void *owner)
{
	struct mover *v = owner;
	char p[ECHO_MAX];
	size_t r;

	do {
		r = stream_read(s, p, sizeof(p));
		if (r > 0 && !stream_write(s, p, r))
			abort();
	} while (r == sizeof(p));
	if (s->eof || s->error) {
		stream_close(s);
		return;
	}
	if (++v->reads % 3 == 0 && stream_detach(s) == 0) {
		struct worker *to = v->at->other;
		v->moves++;
		loop_post(to->l, &v->m); /* v is no longer ours */
	}
}
static const struct stream_cb mover_cb = { .readable = mover_readable };

static void mover_arrive(struct mail *m, void *owner)
{
	struct mover *v = (struct mover *)m;
	struct worker *w = owner;

	v->at = w;
	if (stream_attach(&v->s, w->l, &mover_cb, v) != 0)
		abort();
}
static void on_stop(struct mail *m, void *owner)
{
	struct worker *w = owner;
	(void)m;
	loop_stop(w->l);
}

/* The peers, in the main thread: send a pattern in small pieces, and compare what comes back. */
static bool drive_peers(int fds[STREAMS])
{
	size_t sent[STREAMS] = { 0 }, got[STREAMS] = { 0 };
	unsigned seed = 5;
	int done = 0;

	while (done < STREAMS) {
		done = 0;
		for (int i = 0; i < STREAMS; i++) {
			uint8_t p[3000];
			size_t n = 1 + (size_t)rand_r(&seed) % sizeof(p);
			if (sent[i] - got[i] > 5000)
				n = 0; /* little at a time: many reads, many moves */
			if (n > BYTES - sent[i])
				n = BYTES - sent[i];
			for (size_t k = 0; k < n; k++)
				p[k] = (uint8_t)((sent[i] + k) * 7 + (size_t)i);
			ssize_t r = n ? send(fds[i], p, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
			if (r > 0)
				sent[i] += (size_t)r;
			r = recv(fds[i], p, sizeof(p), MSG_DONTWAIT);
			for (ssize_t k = 0; k < r; k++) {
				if (p[k] != (uint8_t)((got[i] + (size_t)k) * 7 + (size_t)i))
					return false;
			}
			if (r == 0)
				return false;
			if (r > 0)
				got[i] += (size_t)r;
			done += got[i] == BYTES;
		}
	}
	return true;
}

static void test_moving_streams(void)
{
	struct worker w[2];
	struct loop_opts o[2] = { { .owner = &w[0] }, { .owner = &w[1] } };
	pthread_t th[2];
	int fds[STREAMS], moves = 0;

	for (int i = 0; i < 2; i++)
		w[i] = (struct worker){ .l = loop_new(&o[i]), .other = &w[!i] };
	for (int i = 0; i < STREAMS; i++) {
		struct mover *v = &g_movers[i];
		struct err e;
		int sv[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) != 0)
			abort();
		fds[i] = sv[0];
		v->m.fn = mover_arrive;
		v->at = &w[i % 2];
		if (stream_init(&v->s, w[i % 2].l, sv[1], &mover_cb, v, &e) != 0)
			abort();
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&th[i], NULL, run_loop, w[i].l);
	ok(drive_peers(fds), "streams that change thread lose and repeat nothing");
	for (int i = 0; i < 2; i++) {
		g_stop_mail[i].fn = on_stop;
		loop_post(w[i].l, &g_stop_mail[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(th[i], NULL);
	for (int i = 0; i < STREAMS; i++) {
		moves += g_movers[i].moves;
		stream_close(&g_movers[i].s);
		close(fds[i]);
	}
	printf("# %d moves\n", moves);
	ok(moves > STREAMS, "and they did change thread");
	loop_free(w[0].l);
	loop_free(w[1].l);
}

int main(void)
{
	printf("1..6\n");
	test_producers();
	test_ping_pong();
	test_moving_streams();
	buf_thread_fini();
	ok(mem_live(MEM_EV) == 0 && mem_live(MEM_BUF) == 0 && mem_live(MEM_CACHE) == 0,
		"all memory came back");
	return g_failed > 0;
}
