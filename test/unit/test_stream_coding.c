/* stream: codings and PROXY headers. What is written in another form is read as it was, whatever
 * the room; what came before an error is told before it; a header is taken without what follows
 * it. */
#include "ev_help.h"

static void all_back(void)
{
	ev_all_back();
}
TestSuite(stream_coding, .fini = all_back, .timeout = 60);

/* A form for tests: each byte twice. */
struct twice {
	bool half;
	uint8_t first;
	unsigned *freed;
};

static size_t twice_decode(
	void *st, const uint8_t *p, size_t *n_r, uint8_t *to, size_t room, struct err *e)
{
	struct twice *t = st;
	size_t at = 0, made = 0;
	while (at < *n_r && made < room) {
		if (t->half && p[at] != t->first) {
			(void)err_set(e, ERR_PROTOCOL, "not twice");
			return CODING_BROKEN;
		}
		if (t->half)
			to[made++] = t->first;
		t->first = p[at++];
		t->half = !t->half;
	}
	*n_r = at;
	return made;
}

static void twice_encode(void *st, const void *p, size_t n, struct buf *out)
{
	(void)st;
	for (size_t i = 0; i < n; i++) {
		buf_put_u8(out, ((const uint8_t *)p)[i]);
		buf_put_u8(out, ((const uint8_t *)p)[i]);
	}
}

static bool twice_at_rest(const void *st)
{
	return !((const struct twice *)st)->half;
}

static void twice_free(void *st)
{
	++*((struct twice *)st)->freed;
	mem_free(MEM_MISC, st);
}

static const struct coding_ops twice_ops = { twice_decode, twice_encode, twice_at_rest,
	twice_free };
static unsigned freed;

static void code(struct stream *s, const void *p, size_t n)
{
	struct twice *t = mem_alloc(MEM_MISC, sizeof(*t));
	t->freed = &freed;
	struct coding c = { &twice_ops, t, "twice" };
	cr_assert_eq(stream_code(s, &c, p, n), 0);
}

static void on_readable(struct stream *s, void *owner)
{
	(void)s;
	++*(unsigned *)owner;
}
static const struct stream_cb cb = { .readable = on_readable };

struct ends {
	struct loop *l;
	struct stream s;
	int sv[2];
	unsigned calls;
};

static void ends_open(struct ends *x)
{
	struct loop_opts o = { 0 };
	struct err e;
	*x = (struct ends){ .l = loop_new(&o) };
	ev_unix_pair(x->sv);
	cr_assert_eq(stream_init(&x->s, x->l, x->sv[0], &cb, &x->calls, &e), 0);
	freed = 0;
}

static void ends_close(struct ends *x)
{
	close(x->sv[1]);
	stream_close(&x->s);
	loop_free(x->l);
}

/* So that the stream hears of what was sent. */
static void turn(struct ends *x)
{
	ev_run(x->l, NULL, 20);
}

Test(stream_coding, both_ways)
{
	struct ends x;
	char in[16];
	ends_open(&x);
	code(&x.s, "aab", 3); /* read too early */
	cr_assert_str_eq(stream_coding_name(&x.s), "twice");
	turn(&x);
	cr_assert_geq(x.calls, 1, "told of what no event tells");
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 1);
	cr_assert_eq(send(x.sv[1], "bccddee", 7, 0), 7);
	turn(&x);
	cr_assert_eq(stream_read(&x.s, in, 2), 2, "no more than there is room for");
	cr_assert_eq(memcmp(in, "bc", 2), 0);
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 2);
	cr_assert_eq(memcmp(in, "de", 2), 0);
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 0);
	struct buf b;
	buf_init(&b, 0);
	buf_puts(&b, "xy");
	cr_assert(stream_write(&x.s, "w", 1));
	cr_assert(stream_flush_buf(&x.s, &b));
	cr_assert_eq(buf_len(&b), 0);
	cr_assert_eq(recv(x.sv[1], in, sizeof(in), 0), 6);
	cr_assert_eq(memcmp(in, "wwxxyy", 6), 0);
	ends_close(&x);
	cr_assert_eq(freed, 1);
}

Test(stream_coding, large_and_slow)
{
	static char big[600000], got[600000];
	struct ends x;
	size_t n = 0;
	ends_open(&x);
	code(&x.s, NULL, 0);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 977);
	cr_assert(stream_write(&x.s, big, sizeof(big)));
	cr_assert_gt(stream_queued(&x.s), 0);
	while (n < 2 * sizeof(big)) {
		char in[50000];
		ssize_t k = recv(x.sv[1], in, sizeof(in), MSG_DONTWAIT);
		for (ssize_t i = 0; i < k; i++, n++)
			cr_assert_eq(in[i], big[n / 2]);
		turn(&x);
	}
	/* and back, faster than it is read */
	for (size_t sent = 0, have = 0; have < sizeof(big);) {
		char out[30000];
		size_t k = 0;
		for (; k < sizeof(out) && sent + k < 2 * sizeof(big); k++)
			out[k] = big[(sent + k) / 2];
		ssize_t r = k ? send(x.sv[1], out, k, MSG_DONTWAIT) : 0;
		sent += r > 0 ? (size_t)r : 0;
		turn(&x);
		have += stream_read(
			&x.s, got + have, 7001 < sizeof(got) - have ? 7001 : sizeof(got) - have);
		if (have == sizeof(big))
			cr_assert_eq(memcmp(big, got, sizeof(big)), 0);
	}
	ends_close(&x);
}

Test(stream_coding, what_came_before_the_end_comes_first)
{
	for (int broken = 0; broken < 2; broken++) {
		struct ends x;
		char in[16];
		ends_open(&x);
		code(&x.s, NULL, 0);
		cr_assert_eq(send(x.sv[1], broken ? "aabbcd" : "aabb", broken ? 6 : 4, 0),
			broken ? 6 : 4);
		shutdown(x.sv[1], SHUT_WR);
		turn(&x);
		size_t n = stream_read(&x.s, in, 2);
		cr_assert_eq(n, 2);
		cr_assert(!x.s.eof && !x.s.error && !stream_garbled(&x.s));
		unsigned calls = x.calls;
		turn(&x);
		cr_assert_gt(x.calls, calls, "the end is told");
		cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 0);
		const struct err *e = stream_garbled(&x.s);
		cr_assert_eq(e != NULL, broken);
		cr_assert(broken ? strcmp(e->msg, "not twice") == 0 : x.s.eof);
		cr_assert_eq(stream_detach(&x.s), -1);
		ends_close(&x);
	}
}

Test(stream_coding, moves_only_at_rest)
{
	struct ends x;
	char in[16];
	ends_open(&x);
	code(&x.s, NULL, 0);
	cr_assert_eq(send(x.sv[1], "aab", 3, 0), 3);
	turn(&x);
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 1);
	cr_assert_eq(stream_detach(&x.s), -1, "in the middle");
	cr_assert_eq(send(x.sv[1], "b", 1, 0), 1);
	turn(&x);
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 1);
	cr_assert_eq(stream_detach(&x.s), 0);
	struct stream moved = x.s;
	cr_assert_eq(stream_attach(&moved, x.l, &cb, &x.calls), 0);
	cr_assert(stream_write(&moved, "z", 1));
	cr_assert_eq(recv(x.sv[1], in, sizeof(in), 0), 2);
	close(x.sv[1]);
	stream_close(&moved);
	loop_free(x.l);
	cr_assert_eq(freed, 1);
}

Test(stream_coding, what_lingers_is_coded)
{
	static char big[2000000], in[4000000];
	struct ends x;
	size_t n = 0;
	ends_open(&x);
	code(&x.s, NULL, 0);
	cr_assert(stream_write(&x.s, big, sizeof(big)));
	stream_linger_close(&x.s, 10000000);
	cr_assert_eq(freed, 1);
	for (int i = 0; i < 2000 && n < 2 * sizeof(big); i++) {
		ssize_t k = recv(x.sv[1], in + n, sizeof(in) - n, MSG_DONTWAIT);
		n += k > 0 ? (size_t)k : 0;
		turn(&x);
	}
	cr_assert_eq(n, 2 * sizeof(big));
	ends_close(&x);
}

/* ---- PROXY ---- */
Test(stream_coding, a_proxy_header_and_not_a_byte_more)
{
	static const char head[] = "PROXY TCP4 203.0.113.7 10.0.0.1 40001 5432\r\n";
	struct ends x;
	struct addr a;
	const char *where;
	char in[16], host[64];
	ends_open(&x);
	for (size_t i = 0; i + 1 < sizeof(head) - 1; i++) {
		cr_assert_eq(send(x.sv[1], head + i, 1, 0), 1);
		cr_assert_eq(stream_take_proxy(&x.s, &a, &where), 0);
	}
	cr_assert_eq(send(x.sv[1], "\nbehind", 7, 0), 7);
	cr_assert_eq(stream_take_proxy(&x.s, &a, &where), 1);
	cr_assert_str_eq(addr_host(&a, host, sizeof(host)), "203.0.113.7");
	cr_assert_eq(addr_port(&a), 40001);
	cr_assert_eq(x.s.rx_bytes, 0, "it is none of the client's");
	cr_assert_eq(stream_read(&x.s, in, sizeof(in)), 6);
	cr_assert_eq(memcmp(in, "behind", 6), 0);
	ends_close(&x);
}

Test(stream_coding, no_proxy_header)
{
	static const struct {
		const char *text;
		size_t n;
		int rc;
	} v[] = { { "GET /", 5, -1 }, { "PROXY", 5, 0 }, { "PROXY TCP9", 10, 0 },
		{ "PROXY TCP9 1 2\r\n", 16, -1 }, { "PROXY UNKNOWN\r\n", 15, 1 },
		{ "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16, 1 },
		{ "\r\n\r\n\0\r\nQUIT\n\x30\0\0\0", 16, -1 } };
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct ends x;
		struct addr a;
		const char *where = NULL;
		ends_open(&x);
		cr_assert_eq(send(x.sv[1], v[i].text, v[i].n, 0), (ssize_t)v[i].n);
		cr_assert_eq(stream_take_proxy(&x.s, &a, &where), v[i].rc, "%zu", i);
		cr_assert(v[i].rc >= 0 || where);
		if (v[i].rc > 0)
			cr_assert_eq(a.u.sa.sa_family, AF_UNSPEC);
		ends_close(&x);
	}
}
