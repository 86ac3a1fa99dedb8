/* stream: plain sockets. Order and completeness of bytes, backpressure, every way to end, and
 * moving. */
#include "ev_help.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/un.h>

static void all_back(void)
{
	ev_all_back();
}
TestSuite(stream, .fini = all_back, .timeout = 60);

/* One end of a connection, as an owner would hold it. */
struct end {
	struct stream s;
	struct loop *l;
	size_t got, ask; /* bytes read so far; size of one read */
	uint64_t sum;    /* of the bytes, position-dependent */
	int calls, drained, connected, err;
	bool stop_reading, close_in_cb, free_on_eof, done, echo;
};
static char g_room[256 * 1024];

static uint64_t sum_of(const char *p, size_t n, size_t at)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)(uint8_t)p[i] * ((at + i) % 251 + 1);
	return sum;
}

static void on_readable(struct stream *s, void *owner)
{
	struct end *d = owner;
	size_t r;

	d->calls++;
	if (d->stop_reading)
		return;
	do {
		r = stream_read(s, g_room, d->ask);
		d->sum += sum_of(g_room, r, d->got);
		d->got += r;
		if (r && d->echo)
			cr_assert(stream_write(s, g_room, r));
		if (r && d->close_in_cb) {
			stream_close(s);
			d->done = true;
			return;
		}
	} while (r == d->ask);
	if (s->eof || s->error)
		d->done = true;
	if (d->done && d->free_on_eof)
		stream_close(s);
}
static void on_drained(struct stream *s, void *owner)
{
	struct end *d = owner;
	d->drained++;
	if (stream_queued(s) == 0 && !d->echo)
		d->done = true;
}
static void on_connected(struct stream *s, void *owner, int err)
{
	struct end *d = owner;
	cr_assert(!s->connecting);
	d->connected++;
	d->err = err;
	if (err)
		d->done = true;
}
static const struct stream_cb cb = {
	.readable = on_readable, .drained = on_drained, .connected = on_connected
};

static struct loop *new_loop(void)
{
	struct loop_opts o = { .owner = NULL };
	struct loop *l = loop_new(&o);
	cr_assert_not_null(l);
	return l;
}

static void end_open(struct end *d, struct loop *l, int fd)
{
	struct err e;
	*d = (struct end){ .l = l, .ask = sizeof(g_room) };
	cr_assert_eq(stream_init(&d->s, l, fd, &cb, d, &e), 0, "%s", e.msg);
}

static char *pattern(size_t n)
{
	char *p = malloc(n);
	unsigned seed = 1;
	for (size_t i = 0; i < n; i++)
		p[i] = (char)rand_r(&seed);
	return p;
}

/* ---- reading ---- */

Test(stream, data_that_waits_before_the_add_is_told)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	ev_unix_pair(sv);
	cr_assert_eq(send(sv[1], "hello", 5, 0), 5);
	end_open(&d, l, sv[0]);
	ev_run(l, NULL, 50);
	cr_assert_eq(d.got, 5);
	cr_assert_eq(d.s.rx_bytes, 5);
	cr_assert(!d.s.eof && !d.s.error);
	stream_close(&d.s);
	stream_close(&d.s);
	cr_assert_eq(d.s.fd, -1);
	close(sv[1]);
	loop_free(l);
}

static void one_byte_at_a_time(const int sv[2], size_t ask)
{
	struct loop *l = new_loop();
	struct end d;
	char text[300];

	memset(text, 'x', sizeof(text));
	end_open(&d, l, sv[0]);
	d.ask = ask;
	for (size_t i = 0; i < sizeof(text); i++) {
		cr_assert_eq(send(sv[1], text + i, 1, 0), 1);
		if (i % 7 == 0)
			ev_run(l, NULL, 1);
	}
	close(sv[1]);
	cr_assert(ev_run(l, &d.done, 3000));
	cr_assert_eq(d.got, sizeof(text));
	cr_assert_eq(d.sum, sum_of(text, sizeof(text), 0));
	cr_assert(d.s.eof);
	stream_close(&d.s);
	loop_free(l);
}

Test(stream, byte_by_byte)
{
	static const size_t asks[] = { 1, 2, 3, 64, sizeof(g_room) };
	int sv[2];
	for (size_t i = 0; i < 5; i++) {
		ev_unix_pair(sv);
		one_byte_at_a_time(sv, asks[i]);
		ev_tcp_pair(sv);
		one_byte_at_a_time(sv, asks[i]);
	}
}

/* Data and what ends the connection arrive together, before the loop looks: the read is short. */
static void data_then_end(bool tcp, bool reset, int want_error)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	if (tcp)
		ev_tcp_pair(sv);
	else
		ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	ev_run(l, NULL, 20);
	cr_assert_eq(send(sv[1], "half a message", 14, 0), 14);
	if (reset)
		ev_reset_on_close(sv[1]);
	close(sv[1]);
	/* A FIN at once, a reset by the look at short reads. */
	cr_assert(ev_run(l, &d.done, reset ? 4000 : 400), "the end was not noticed");
	if (!reset)
		cr_assert_eq(d.got, 14);
	if (want_error)
		cr_assert_eq(d.s.error, want_error);
	else
		cr_assert(d.s.eof && !d.s.error);
	stream_close(&d.s);
	loop_free(l);
}
Test(stream, data_and_fin_at_once)
{
	data_then_end(true, false, 0);
}
Test(stream, data_and_hangup_at_once_unix)
{
	data_then_end(false, false, 0);
}
Test(stream, data_and_reset_at_once)
{
	data_then_end(true, true, ECONNRESET);
}

Test(stream, eof_and_reset_while_idle)
{
	for (int reset = 0; reset < 2; reset++) {
		struct loop *l = new_loop();
		struct end d;
		int sv[2];
		ev_tcp_pair(sv);
		end_open(&d, l, sv[0]);
		ev_run(l, NULL, 20);
		if (reset)
			ev_reset_on_close(sv[1]);
		close(sv[1]);
		cr_assert(ev_run(l, &d.done, 500));
		cr_assert_eq(d.s.eof, !reset);
		cr_assert_eq(d.s.error, reset ? ECONNRESET : 0);
		cr_assert_eq(stream_read(&d.s, g_room, 10), 0);
		stream_close(&d.s);
		loop_free(l);
	}
}

Test(stream, half_close_still_lets_us_write)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];
	char back[16];

	ev_tcp_pair(sv);
	end_open(&d, l, sv[0]);
	shutdown(sv[1], SHUT_WR);
	cr_assert(ev_run(l, &d.done, 500));
	cr_assert(d.s.eof);
	cr_assert(stream_write(&d.s, "answer", 6));
	cr_assert_eq(recv(sv[1], back, sizeof(back), MSG_WAITALL & 0), 6);
	stream_close(&d.s);
	close(sv[1]);
	loop_free(l);
}

/* A paused reader gets nothing lost, also when the peer has long gone. */
Test(stream, pause_resume_and_eof_behind_it)
{
	for (int reset = 0; reset < 2; reset++) {
		struct loop *l = new_loop();
		struct end d;
		int sv[2];
		ev_tcp_pair(sv);
		end_open(&d, l, sv[0]);
		d.stop_reading = true;
		cr_assert_eq(send(sv[1], "0123456789", 10, 0), 10);
		ev_run(l, NULL, 30);
		if (reset)
			ev_reset_on_close(sv[1]);
		close(sv[1]);
		ev_run(l, NULL, 30);
		cr_assert_eq(d.got, 0);
		d.stop_reading = false;
		stream_resume(&d.s);
		stream_resume(&d.s);
		cr_assert(ev_run(l, &d.done, 3000));
		cr_assert_eq(d.got, reset ? d.got : 10);
		cr_assert(d.s.eof || d.s.error);
		stream_close(&d.s);
		loop_free(l);
	}
}

Test(stream, urgent_data_does_not_stall)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	ev_tcp_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert_eq(send(sv[1], "abc", 3, MSG_OOB), 3);
	cr_assert_eq(send(sv[1], "defg", 4, 0), 4);
	ev_run(l, NULL, 1500);
	cr_assert_geq(d.got, 6); /* without the urgent byte */
	stream_close(&d.s);
	close(sv[1]);
	loop_free(l);
}

/* Bytes, an end and a reset are noticed before the loop tells of them, and are told afterwards. */
Test(stream, quiet_until_something_comes)
{
	for (int what = 0; what < 3; what++) {
		struct loop *l = new_loop();
		struct end d;
		int sv[2];

		ev_tcp_pair(sv);
		end_open(&d, l, sv[0]);
		ev_run(l, NULL, 10);
		cr_assert(stream_is_quiet(&d.s));
		if (what == 0) {
			cr_assert_eq(send(sv[1], "x", 1, 0), 1);
		} else {
			struct linger now = { 1, 0 };
			if (what == 2)
				setsockopt(sv[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(sv[1]);
		}
		for (int i = 0; i < 1000 && stream_is_quiet(&d.s); i++)
			usleep(1000);
		cr_assert(!stream_is_quiet(&d.s));
		ev_run(l, NULL, 30);
		cr_assert_eq(d.got, what == 0);
		cr_assert_eq(d.s.eof, what == 1);
		cr_assert_eq(d.s.error, what == 2 ? ECONNRESET : 0);
		if (what == 0)
			close(sv[1]);
		stream_close(&d.s);
		cr_assert(!stream_is_quiet(&d.s));
		loop_free(l);
	}
}

Test(stream, peek_consumes_nothing)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];
	char c[4];

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert_eq(stream_peek(&d.s, c, 4), 0);
	cr_assert_eq(send(sv[1], "\x16\x03\x01", 3, 0), 3);
	cr_assert_eq(stream_peek(&d.s, c, 1), 1);
	cr_assert_eq(c[0], 0x16);
	cr_assert_eq(stream_peek(&d.s, c, 4), 3);
	ev_run(l, NULL, 30);
	cr_assert_eq(d.got, 3);
	close(sv[1]);
	stream_close(&d.s);
	cr_assert_eq(stream_peek(&d.s, c, 4), 0);
	cr_assert_eq(stream_read(&d.s, c, 4), 0);
	cr_assert(!stream_write(&d.s, c, 4));
	loop_free(l);
}

/* ---- writing ---- */

static void ten_megabytes(const int sv[2], bool by_buf)
{
	enum { N = 10 * 1024 * 1024, STEP = 777777 };
	struct loop *l = new_loop();
	struct end from, to;
	char *p = pattern(N);

	end_open(&from, l, sv[0]);
	end_open(&to, l, sv[1]);
	to.stop_reading = true; /* a slow reader: small reads, with pauses */
	for (size_t at = 0; at < N; at += STEP) {
		size_t n = N - at < STEP ? N - at : STEP;
		if (by_buf) {
			struct buf b;
			buf_init(&b, 0);
			cr_assert(buf_append(&b, p + at, n));
			cr_assert(stream_flush_buf(&from.s, &b));
			cr_assert_eq(buf_len(&b), 0);
			cr_assert_null(b.mem);
		} else {
			cr_assert(stream_write(&from.s, p + at, n));
		}
	}
	cr_assert_gt(stream_queued(&from.s), N / 4);
	cr_assert_eq(from.drained, 0);
	ev_run(l, NULL, 20);
	to.stop_reading = false;
	to.ask = 1000;
	stream_resume(&to.s);
	cr_assert(ev_run(l, &from.done, 20000));
	cr_assert_eq(stream_queued(&from.s), 0);
	cr_assert_null(from.s.out.mem);
	cr_assert_geq(from.drained, 1);
	cr_assert_leq(from.drained, 2); /* low water, empty */
	cr_assert_eq(from.s.tx_bytes, N);
	stream_close(&from.s);
	cr_assert(ev_run(l, &to.done, 5000));
	cr_assert_eq(to.got, N);
	cr_assert_eq(to.sum, sum_of(p, N, 0));
	stream_close(&to.s);
	free(p);
	loop_free(l);
}

Test(stream, ten_megabytes_through_a_slow_reader)
{
	int sv[2];
	for (int i = 0; i < 4; i++) {
		if (i & 1)
			ev_tcp_pair(sv);
		else
			ev_unix_pair(sv);
		ten_megabytes(sv, i & 2);
	}
}

Test(stream, echo_of_much_both_ways)
{
	enum { N = 3 * 1024 * 1024 };
	struct loop *l = new_loop();
	struct end a, b;
	char *p = pattern(N);
	int sv[2];

	ev_tcp_pair(sv);
	end_open(&a, l, sv[0]);
	end_open(&b, l, sv[1]);
	b.echo = true;
	cr_assert(stream_write(&a.s, p, N));
	for (int i = 0; i < 500 && a.got < N; i++)
		ev_run(l, NULL, 20);
	cr_assert_eq(a.got, N);
	cr_assert_eq(a.sum, sum_of(p, N, 0));
	stream_close(&a.s);
	stream_close(&b.s);
	free(p);
	loop_free(l);
}

Test(stream, the_cap_of_the_queue)
{
	struct loop *l = new_loop();
	struct end d;
	struct buf b;
	int sv[2];
	size_t taken = 0;

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	d.s.out.cap = 100000;
	memset(g_room, 'y', sizeof(g_room));
	while (stream_write(&d.s, g_room, 10000)) {
		taken += 10000;
		cr_assert_lt(taken, 10000000);
	}
	cr_assert_leq(stream_queued(&d.s), 100000);
	cr_assert_eq(d.s.error, 0);
	cr_assert(!stream_write(&d.s, "x", 1), "after a refusal the stream is not whole");
	buf_init(&b, 0);
	cr_assert(buf_append(&b, g_room, sizeof(g_room)));
	cr_assert(!stream_flush_buf(&d.s, &b));
	cr_assert_eq(buf_len(&b), 0);
	stream_close(&d.s);

	/* A whole buf above the cap is not adopted either. */
	close(sv[1]);
	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	d.s.out.cap = 1000;
	cr_assert(buf_append(&b, g_room, sizeof(g_room)));
	while (stream_flush_buf(&d.s, &b)) {
		cr_assert(buf_append(&b, g_room, sizeof(g_room)));
		cr_assert_leq(stream_queued(&d.s), 1000);
	}
	cr_assert_eq(buf_len(&b), 0);
	stream_close(&d.s);
	close(sv[1]);
	loop_free(l);
}

Test(stream, a_buf_that_failed_is_not_sent)
{
	struct loop *l = new_loop();
	struct end d;
	struct buf b;
	int sv[2];
	char c;

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	buf_init(&b, 8);
	cr_assert(buf_puts(&b, "12345"));
	cr_assert(!buf_puts(&b, "6789"));
	cr_assert(!stream_flush_buf(&d.s, &b));
	cr_assert_eq(recv(sv[1], &c, 1, 0), -1);
	buf_fini(&b);
	cr_assert(stream_flush_buf(&d.s, &b)); /* nothing to send is no failure */
	stream_close(&d.s);
	close(sv[1]);
	loop_free(l);
}

/* The write fails, but what the peer said before it went can still be read. */
Test(stream, last_words_after_a_failed_write)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert_eq(send(sv[1], "FATAL: bye", 10, 0), 10);
	close(sv[1]);
	cr_assert(!stream_write(&d.s, "query", 5));
	cr_assert_eq(d.s.error, EPIPE);
	cr_assert(!stream_write(&d.s, "query", 5));
	cr_assert(ev_run(l, &d.done, 500));
	cr_assert_eq(d.got, 10);
	stream_close(&d.s);
	loop_free(l);
}

Test(stream, a_queue_that_meets_a_reset_is_told)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];
	char *p = calloc(1, 8000000);

	ev_tcp_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert(stream_write(&d.s, p, 8000000));
	ev_run(l, NULL, 20);
	ev_reset_on_close(sv[1]);
	close(sv[1]);
	cr_assert(ev_run(l, &d.done, 2000));
	cr_assert_neq(d.s.error, 0);
	cr_assert_eq(d.drained, 0);
	stream_close(&d.s);
	free(p);
	loop_free(l);
}

/* ---- closing ---- */

Test(stream, close_inside_readable)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	d.close_in_cb = true;
	cr_assert_eq(send(sv[1], "aa", 2, 0), 2);
	cr_assert(ev_run(l, &d.done, 500));
	int calls = d.calls;
	ev_run(l, NULL, 50);
	cr_assert_eq(d.calls, calls, "a callback came after stream_close()");
	close(sv[1]);
	loop_free(l);
}

static struct end *g_other;
static void close_other(struct stream *s, void *owner)
{
	struct end *d = owner;
	char c;

	stream_read(s, &c, 1);
	d->calls++;
	stream_close(&g_other->s); /* its event is in the same batch */
	memset(&g_other->s, 0xee, sizeof(g_other->s));
	d->done = true;
}

Test(stream, closing_another_stream_of_the_same_batch)
{
	static const struct stream_cb killer = { .readable = close_other };
	struct loop *l = new_loop();
	struct end a, b;
	struct err e;
	int x[2], y[2];

	ev_unix_pair(x);
	ev_unix_pair(y);
	end_open(&a, l, x[0]);
	end_open(&b, l, y[0]);
	stream_close(&a.s);
	close(x[1]);
	ev_unix_pair(x);
	a = (struct end){ .l = l };
	cr_assert_eq(stream_init(&a.s, l, x[0], &killer, &a, &e), 0);
	g_other = &b;
	cr_assert_eq(send(x[1], "1", 1, 0), 1);
	cr_assert_eq(send(y[1], "1", 1, 0), 1);
	stream_resume(&b.s);
	ev_run(l, &a.done, 500);
	cr_assert(a.done);
	stream_close(&a.s);
	close(x[1]);
	close(y[1]);
	loop_free(l);
}

static void close_when_drained(struct stream *s, void *owner)
{
	struct end *d = owner;
	d->drained++;
	stream_close(s);
	d->done = true;
}

Test(stream, close_inside_drained)
{
	static const struct stream_cb closer = { .readable = on_readable,
		.drained = close_when_drained };
	struct loop *l = new_loop();
	struct end d, to;
	struct err e;
	int sv[2];

	ev_unix_pair(sv);
	d = (struct end){ .l = l, .ask = 100 };
	cr_assert_eq(stream_init(&d.s, l, sv[0], &closer, &d, &e), 0);
	end_open(&to, l, sv[1]);
	memset(g_room, 'z', sizeof(g_room));
	for (int i = 0; i < 20; i++)
		cr_assert(stream_write(&d.s, g_room, sizeof(g_room)));
	cr_assert(ev_run(l, &d.done, 2000));
	cr_assert(ev_run(l, &to.done, 2000));
	cr_assert_eq(d.drained, 1);
	cr_assert_gt(to.got, 0);
	stream_close(&to.s);
	loop_free(l);
}

Test(stream, linger_sends_the_rest_and_then_closes)
{
	enum { N = 4 * 1024 * 1024 };
	struct loop *l = new_loop();
	struct end from, to;
	char *p = pattern(N);
	int sv[2];

	for (int i = 0; i < 2; i++) {
		if (i)
			ev_tcp_pair(sv);
		else
			ev_unix_pair(sv);
		end_open(&from, l, sv[0]);
		end_open(&to, l, sv[1]);
		cr_assert(stream_write(&from.s, p, N));
		stream_linger_close(&from.s, 5000000);
		cr_assert(from.s.closed);
		cr_assert_eq(from.s.fd, -1);
		memset(&from, 0xee, sizeof(from)); /* the owner's struct may go */
		cr_assert(ev_run(l, &to.done, 5000));
		cr_assert_eq(to.got, N);
		cr_assert_eq(to.sum, sum_of(p, N, 0));
		cr_assert(to.s.eof && !to.s.error);
		stream_close(&to.s);
		ev_run(l, NULL, 50);
		cr_assert_eq(mem_live(MEM_STREAM), 0);
	}
	free(p);
	loop_free(l);
}

Test(stream, linger_ends_at_its_deadline)
{
	struct loop *l = new_loop();
	struct end from;
	char *p = calloc(1, 8000000);
	int sv[2];

	ev_tcp_pair(sv);
	end_open(&from, l, sv[0]);
	cr_assert(stream_write(&from.s, p, 8000000));
	stream_linger_close(&from.s, 100000);
	cr_assert_eq(mem_live(MEM_STREAM), 1);
	ev_run(l, NULL, 400); /* nobody reads */
	cr_assert_eq(mem_live(MEM_STREAM), 0);
	close(sv[1]);
	free(p);
	loop_free(l);
}

Test(stream, linger_with_an_empty_queue_closes_at_once)
{
	struct loop *l = new_loop();
	struct end from;
	int sv[2];
	char c;

	ev_tcp_pair(sv);
	end_open(&from, l, sv[0]);
	cr_assert(stream_write(&from.s, "x", 1));
	stream_linger_close(&from.s, 5000000);
	cr_assert_eq(mem_live(MEM_STREAM), 0);
	usleep(10000);
	cr_assert_eq(recv(sv[1], &c, 1, 0), 1);
	cr_assert_eq(recv(sv[1], &c, 1, 0), 0);
	close(sv[1]);
	loop_free(l);
}

/* The peer had sent more than we read: a plain close() would reset and could take the last message
 * along. */
Test(stream, linger_protects_the_last_message)
{
	struct loop *l = new_loop();
	struct end from;
	int sv[2];
	char c[64];

	ev_tcp_pair(sv);
	end_open(&from, l, sv[0]);
	memset(g_room, 'q', sizeof(g_room));
	cr_assert_eq(send(sv[1], g_room, 50000, 0), 50000);
	usleep(20000);
	cr_assert(stream_write(&from.s, "FATAL: no", 9));
	stream_linger_close(&from.s, 2000000);
	ev_run(l, NULL, 30);
	cr_assert_eq(send(sv[1], g_room, 50000, MSG_NOSIGNAL), 50000); /* it goes on */
	ev_run(l, NULL, 30);
	cr_assert_eq(recv(sv[1], c, sizeof(c), 0), 9);
	cr_assert_eq(recv(sv[1], c, sizeof(c), 0), 0);
	close(sv[1]);
	ev_run(l, NULL, 50);
	cr_assert_eq(mem_live(MEM_STREAM), 0);
	loop_free(l);
}

Test(stream, linger_reads_on_while_it_sends_but_not_for_ever)
{
	enum { N = 4 * 1024 * 1024 };
	struct loop *l = new_loop();
	struct end from, to;
	char *p = pattern(N);
	int sv[2], turns = 0;

	ev_tcp_pair(sv);
	end_open(&from, l, sv[0]);
	end_open(&to, l, sv[1]);
	cr_assert(stream_write(&from.s, p, N));
	cr_assert(stream_write(&to.s, p, N)); /* both at once: more than linger drops afterwards */
	stream_linger_close(&from.s, 20000000);
	cr_assert(ev_run(l, &to.done, 10000));
	cr_assert_eq(to.got, N);
	cr_assert_eq(to.sum, sum_of(p, N, 0));
	stream_close(&to.s);
	ev_run(l, NULL, 50);
	cr_assert_eq(mem_live(MEM_STREAM), 0);

	ev_tcp_pair(sv); /* one that never stops sending */
	end_open(&from, l, sv[0]);
	cr_assert_eq(send(sv[1], p, 1000, 0), 1000);
	stream_linger_close(&from.s, 20000000);
	while (mem_live(MEM_STREAM) > 0 && turns++ < 300) {
		(void)send(sv[1], p, 100000, MSG_NOSIGNAL);
		ev_run(l, NULL, 5);
	}
	cr_assert_lt(turns, 300);
	close(sv[1]);
	free(p);
	loop_free(l);
}

Test(stream, a_loop_may_go_while_streams_linger)
{
	struct loop *l = new_loop();
	struct end from;
	char *p = calloc(1, 8000000);
	int sv[2];

	ev_tcp_pair(sv);
	end_open(&from, l, sv[0]);
	cr_assert(stream_write(&from.s, p, 8000000));
	stream_linger_close(&from.s, 60000000);
	loop_free(l);
	close(sv[1]);
	free(p);
}

/* ---- connecting ---- */

Test(stream, connect_and_talk)
{
	struct loop *l = new_loop();
	struct sockaddr_in in;
	int lfd = ev_tcp_listen(&in), fd;
	struct end d = { .l = l, .ask = 100 };
	struct err e;
	char c[8];

	cr_assert_eq(stream_connect(&d.s, l, (struct sockaddr *)&in, sizeof(in), &cb, &d, &e), 0);
	cr_assert_eq(d.connected, 0, "called from inside");
	cr_assert(d.s.connecting);
	cr_assert(stream_write(&d.s, "early", 5)); /* queued until it is connected */
	cr_assert_eq(stream_read(&d.s, c, 1), 0);
	fd = accept(lfd, NULL, NULL);
	cr_assert_eq(send(fd, "greeting", 8, 0), 8); /* MySQL servers speak first */
	ev_run(l, NULL, 50);
	cr_assert_eq(d.connected, 1);
	cr_assert_eq(d.err, 0);
	cr_assert_eq(d.got, 8);
	cr_assert_eq(recv(fd, c, 8, 0), 5);
	stream_close(&d.s);
	close(fd);
	close(lfd);
	loop_free(l);
}

Test(stream, connect_refused)
{
	struct loop *l = new_loop();
	struct sockaddr_in in;
	struct end d = { .l = l, .ask = 100 };
	struct err e;

	close(ev_tcp_listen(&in));
	if (stream_connect(&d.s, l, (struct sockaddr *)&in, sizeof(in), &cb, &d, &e) == 0) {
		cr_assert(ev_run(l, &d.done, 1000));
		cr_assert_eq(d.connected, 1);
		cr_assert_eq(d.err, ECONNREFUSED);
		cr_assert_eq(d.s.error, ECONNREFUSED);
		ev_run(l, NULL, 30);
		cr_assert_eq(d.connected, 1);
	} else {
		cr_assert_eq(d.s.error, ECONNREFUSED);
	}
	stream_close(&d.s);
	loop_free(l);
}

Test(stream, connect_to_no_unix_socket)
{
	struct loop *l = new_loop();
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/x" };
	struct end d = { .l = l };
	struct err e;

	cr_assert_eq(stream_connect(&d.s, l, (struct sockaddr *)&un, sizeof(un), &cb, &d, &e), -1);
	cr_assert_eq(e.code, ERR_SERVER_CONNECT);
	cr_assert_not_null(strstr(e.msg, "No such file"), "%s", e.msg);
	cr_assert_eq(d.s.error, ENOENT);
	stream_close(&d.s);
	loop_free(l);
}

Test(stream, close_while_connecting)
{
	struct loop *l = new_loop();
	struct sockaddr_in in;
	int lfd = ev_tcp_listen(&in);
	struct end d = { .l = l };
	struct err e;

	cr_assert_eq(stream_connect(&d.s, l, (struct sockaddr *)&in, sizeof(in), &cb, &d, &e), 0);
	cr_assert_eq(stream_detach(&d.s), -1);
	stream_close(&d.s);
	ev_run(l, NULL, 30);
	cr_assert_eq(d.connected, 0);
	close(lfd);
	loop_free(l);
}

Test(stream, init_of_what_cannot_be_watched)
{
	struct loop *l = new_loop();
	struct end d = { .l = l };
	struct err e;
	int fd = open("/dev/null", O_RDONLY);

	cr_assert_eq(stream_init(&d.s, l, fd, &cb, &d, &e), -1);
	cr_assert(err_is(&e));
	cr_assert_eq(d.s.fd, -1);
	cr_assert_eq(fcntl(fd, F_GETFD), -1, "not closed");
	stream_close(&d.s);
	loop_free(l);
}

/* ---- moving ---- */

Test(stream, detach_only_when_nothing_is_in_flight)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];

	ev_unix_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert(buf_puts(&d.s.in, "rest"));
	cr_assert_eq(stream_detach(&d.s), -1);
	buf_consume(&d.s.in, 4);
	memset(g_room, 'w', sizeof(g_room));
	while (stream_queued(&d.s) == 0)
		cr_assert(stream_write(&d.s, g_room, sizeof(g_room)));
	cr_assert_eq(stream_detach(&d.s), -1);
	stream_close(&d.s);
	cr_assert_eq(stream_detach(&d.s), -1);
	close(sv[1]);
	loop_free(l);
}

Test(stream, move_to_another_loop_loses_nothing)
{
	struct loop *l = new_loop(), *l2 = new_loop();
	struct end d, d2;
	int sv[2];

	ev_tcp_pair(sv);
	end_open(&d, l, sv[0]);
	cr_assert_eq(send(sv[1], "one", 3, 0), 3);
	ev_run(l, NULL, 30);
	cr_assert_eq(d.got, 3);
	stream_resume(&d.s);
	cr_assert_eq(stream_detach(&d.s), 0);
	cr_assert_null(d.s.loop);
	int calls = d.calls;
	cr_assert_eq(send(sv[1], "three", 5, 0), 5); /* while it is nowhere */
	ev_run(l, NULL, 30);
	cr_assert_eq(d.calls, calls);
	d2 = (struct end){ .l = l2, .ask = 100, .s = d.s }; /* also to another place */
	cr_assert_eq(stream_attach(&d2.s, l2, &cb, &d2), 0);
	ev_run(l2, NULL, 30);
	cr_assert_eq(d2.got, 5);
	close(sv[1]);
	cr_assert(ev_run(l2, &d2.done, 500));
	stream_close(&d2.s);
	loop_free(l);
	loop_free(l2);
}

Test(stream, closing_a_detached_stream)
{
	struct loop *l = new_loop();
	struct end d;
	int sv[2];
	char c;

	for (int linger = 0; linger < 2; linger++) {
		ev_unix_pair(sv);
		end_open(&d, l, sv[0]);
		cr_assert_eq(stream_detach(&d.s), 0);
		stream_resume(&d.s);
		if (linger)
			stream_linger_close(&d.s, 1000);
		else
			stream_close(&d.s);
		cr_assert_eq(recv(sv[1], &c, 1, 0), 0);
		close(sv[1]);
	}
	loop_free(l);
}

static void detach_in_cb(struct stream *s, void *owner)
{
	struct end *d = owner;
	char c[8];

	d->calls++;
	d->got += stream_read(s, c, sizeof(c));
	if (d->got == 0)
		return;
	cr_assert_eq(stream_detach(s), 0);
	memset(s, 0xee, sizeof(*s)); /* it may be in use elsewhere by now: nobody may look at it */
	d->done = true;
}

Test(stream, detach_inside_a_callback)
{
	static const struct stream_cb mover = { .readable = detach_in_cb };
	struct loop *l = new_loop();
	struct end d = { .l = l };
	struct err e;
	int sv[2];

	ev_unix_pair(sv);
	cr_assert_eq(stream_init(&d.s, l, sv[0], &mover, &d, &e), 0);
	cr_assert_eq(send(sv[1], "x", 1, 0), 1);
	cr_assert(ev_run(l, &d.done, 500));
	close(sv[0]);
	close(sv[1]);
	loop_free(l);
}

/* ---- what it costs ---- */

Test(stream, an_idle_stream_is_small)
{
	cr_assert_leq(sizeof(struct stream), 368);
}
