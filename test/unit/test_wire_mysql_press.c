/* wire/mysql: press, the compressed protocol of one connection. What one side sends the other
 * hears, at any cut; frames bear the numbers that servers and clients insist on. */
#include "base/mem.h"
#include "wire/mysql/press.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void assert_all_back(void)
{
	mycodec_thread_fini();
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_STREAM), 0);
	cr_assert_eq(mem_live(MEM_CACHE), 0);
}
TestSuite(wire_mysql_press, .fini = assert_all_back, .timeout = 120);

/* The first one of those that were built. */
static enum mycodec built(void)
{
	return mycodec_has(MYCODEC_ZLIB) ? MYCODEC_ZLIB : MYCODEC_ZSTD;
}

static void wants_a_codec(void)
{
	if (!mycodec_has(built()))
		cr_skip_test("built without zlib and zstd: the protocol is never used");
}

/* ---- packets, frames, numbers ---- */
static void put_packet(struct buf *b, uint8_t seq, size_t n, uint8_t first)
{
	buf_put_u24le(b, (uint32_t)n);
	buf_put_u8(b, seq);
	uint8_t *p = buf_reserve(b, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 9));
	if (n)
		p[0] = first;
	buf_commit(b, n);
}

/* A packet from m, whose frames go to wire. */
static void send(struct mypress *m, struct buf *wire, uint8_t seq, size_t n)
{
	struct buf b;
	buf_init(&b, 0);
	put_packet(&b, seq, n, 3);
	mypress_out(m, buf_data(&b), buf_len(&b), wire);
	buf_fini(&b);
}

/* A packet with the payload FF, as an error begins. */
static void send_error(struct mypress *m, struct buf *wire, uint8_t seq)
{
	struct buf b;
	buf_init(&b, 0);
	put_packet(&b, seq, 20, 0xff);
	mypress_out(m, buf_data(&b), buf_len(&b), wire);
	buf_fini(&b);
}

/* All that is in wire to m. False: refused. Packets go to out, unless NULL. */
static bool hear(struct mypress *m, struct buf *wire, struct buf *out)
{
	uint8_t room[1000];
	struct err e;
	size_t made = 1;
	while (buf_len(wire) || made) {
		size_t used = buf_len(wire);
		made = mypress_in(m, buf_data(wire), &used, room, sizeof(room), &e);
		if (made == CODING_BROKEN)
			return false;
		buf_consume(wire, used);
		if (out)
			buf_append(out, room, made);
	}
	return true;
}

/* "1 2 3": the numbers of the frames in wire. */
static const char *numbers(const struct buf *wire)
{
	static char text[400];
	struct mycompress c;
	size_t at = 0, n = 0;
	text[0] = '\0';
	while (mycompress_take(buf_data(wire) + at, buf_len(wire) - at, MYCOMPRESS_MAX_BYTES, &c) ==
		1) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", n ? " " : "", c.seq);
		at += c.total;
	}
	cr_assert_eq(at, buf_len(wire));
	return text;
}

/* A client and a server that talk to each other. */
struct pair {
	struct mypress client, server;
	struct buf up, down;
};

static void pair_init(struct pair *x)
{
	mypress_init(&x->client, MYPRESS_CLIENT, built(), 1);
	mypress_init(&x->server, MYPRESS_SERVER, built(), 1);
	buf_init(&x->up, 0);
	buf_init(&x->down, 0);
}

static void pair_fini(struct pair *x)
{
	mypress_fini(&x->client);
	mypress_fini(&x->server);
	buf_fini(&x->up);
	buf_fini(&x->down);
}

static void up(struct pair *x, const char *expected)
{
	cr_assert_str_eq(numbers(&x->up), expected);
	cr_assert(hear(&x->server, &x->up, NULL));
}

static void down(struct pair *x, const char *expected)
{
	cr_assert_str_eq(numbers(&x->down), expected);
	cr_assert(hear(&x->client, &x->down, NULL));
}

Test(wire_mysql_press, a_reply_goes_on_from_its_command)
{
	struct pair x;
	pair_init(&x);
	for (int i = 0; i < 3; i++) {
		send(&x.client, &x.up, 0, 10);
		up(&x, "0");
		for (uint8_t seq = 1; seq < 4; seq++)
			send(&x.server, &x.down, seq, 100);
		down(&x, "1 2 3");
	}
	send(&x.client, &x.up, 0, 600000);
	up(&x, "0 1 2");
	send(&x.server, &x.down, 1, 100);
	down(&x, "3");
	pair_fini(&x);
}

Test(wire_mysql_press, a_command_without_a_reply_counts_for_nothing)
{
	struct pair x;
	pair_init(&x);
	for (int i = 0; i < 300; i++) { /* COM_STMT_CLOSE */
		send(&x.client, &x.up, 0, 5);
		up(&x, "0");
	}
	send(&x.client, &x.up, 0, 600000);
	up(&x, "0 1 2");
	send(&x.server, &x.down, 1, 5);
	down(&x, "3");
	/* and the numbers of a long reply go round */
	send(&x.client, &x.up, 0, 5);
	up(&x, "0");
	for (unsigned i = 1; i < 1000; i++) {
		char want[8];
		send(&x.server, &x.down, (uint8_t)i, 5);
		snprintf(want, sizeof(want), "%u", i & 255);
		down(&x, want);
	}
	pair_fini(&x);
}

Test(wire_mysql_press, several_commands_at_once)
{
	struct pair x;
	struct buf b;
	pair_init(&x);
	buf_init(&b, 0);
	for (int i = 0; i < 3; i++)
		put_packet(&b, 0, 10, 3);
	mypress_out(&x.client, buf_data(&b), buf_len(&b), &x.up);
	up(&x, "0 0 0"); /* servers take a second one in a frame for garbage */
	for (int i = 0; i < 3; i++) {
		send(&x.server, &x.down, 1, 10);
		send(&x.server, &x.down, 2, 10);
	}
	down(&x, "1 2 1 2 1 2");
	/* in one write */
	mypress_out(&x.client, buf_data(&b), buf_len(&b), &x.up);
	up(&x, "0 0 0");
	buf_consume(&b, buf_len(&b));
	for (int i = 0; i < 3; i++) {
		put_packet(&b, 1, 10, 3);
		put_packet(&b, 2, 10, 3);
	}
	mypress_out(&x.server, buf_data(&b), buf_len(&b), &x.down);
	down(&x, "1 1 1");
	buf_fini(&b);
	pair_fini(&x);
}

Test(wire_mysql_press, the_next_command_comes_in_the_middle_of_a_reply)
{
	struct pair x;
	pair_init(&x);
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	send(&x.server, &x.down, 1, 10);
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	send(&x.server, &x.down, 2, 10);
	send(&x.server, &x.down, 3, 10);
	send(&x.server, &x.down, 1, 10);
	send(&x.server, &x.down, 2, 10);
	down(&x, "1 2 3 1 2");
	pair_fini(&x);
}

/* LOAD DATA LOCAL: a request, packets of a file, an empty one, OK. */
static void load_file(struct pair *x, unsigned packets_n)
{
	char want[8];
	uint8_t seq = 2;
	send(&x->client, &x->up, 0, 10);
	up(x, "0");
	send(&x->server, &x->down, 1, 10);
	down(x, "1");
	for (unsigned i = 0; i <= packets_n; i++) {
		send(&x->client, &x->up, seq++, i == packets_n ? 0 : 10);
		snprintf(want, sizeof(want), "%u", (i + 2) & 255);
		up(x, want);
	}
	send(&x->server, &x->down, seq, 10);
	snprintf(want, sizeof(want), "%u", seq);
	down(x, want);
}

Test(wire_mysql_press, a_file_goes_on_from_the_request_for_it)
{
	struct pair x;
	pair_init(&x);
	for (unsigned n = 0; n < 600; n++)
		load_file(&x, n);
	pair_fini(&x);
}

/* COM_CHANGE_USER: a command, a request, an answer, OK. */
Test(wire_mysql_press, a_login_in_the_middle)
{
	struct pair x;
	pair_init(&x);
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	send(&x.server, &x.down, 1, 10);
	down(&x, "1");
	send(&x.client, &x.up, 2, 10);
	up(&x, "2");
	send(&x.server, &x.down, 3, 10);
	down(&x, "3");
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	send(&x.server, &x.down, 1, 10);
	down(&x, "1");
	pair_fini(&x);
}

/* A client that asks next expects 1. */
Test(wire_mysql_press, last_words)
{
	struct pair x;
	pair_init(&x);
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	for (uint8_t i = 1; i < 10; i++)
		send(&x.server, &x.down, i, 10);
	down(&x, "1 2 3 4 5 6 7 8 9");
	send_error(&x.server, &x.down, 0);
	down(&x, "1");
	pair_fini(&x);
}

/* ---- order ---- */
static bool try_frames(const uint8_t *seqs, size_t n, size_t bytes)
{
	struct mypress m;
	struct buf wire, packet;
	mypress_init(&m, MYPRESS_SERVER, built(), 1);
	buf_init(&wire, 0);
	buf_init(&packet, 0);
	put_packet(&packet, 0, 20, 3);
	for (size_t i = 0; i < n; i++) { /* stored: bytes of the packet in each */
		uint8_t seq = seqs[i];
		mycompress_put_head(&wire, &seq, (uint32_t)bytes, 0);
		buf_append(&wire, buf_data(&packet) + (i * bytes) % 24, bytes);
	}
	bool ok = hear(&m, &wire, NULL);
	mypress_fini(&m);
	buf_fini(&wire);
	buf_fini(&packet);
	return ok;
}

Test(wire_mysql_press, frames_out_of_order)
{
	cr_assert(try_frames((uint8_t[]){ 0, 1 }, 2, 12));
	cr_assert(try_frames((uint8_t[]){ 0, 1, 2, 3, 4, 5 }, 6, 4));
	cr_assert(try_frames((uint8_t[]){ 0, 0, 0 }, 3, 24));
	cr_assert_not(try_frames((uint8_t[]){ 1 }, 1, 24));
	cr_assert_not(try_frames((uint8_t[]){ 5 }, 1, 24));
	cr_assert_not(try_frames((uint8_t[]){ 0, 2 }, 2, 12));
	cr_assert_not(try_frames((uint8_t[]){ 0, 0 }, 2, 12), "in the middle of a packet");
	cr_assert_not(try_frames((uint8_t[]){ 0, 0 }, 2, 3), "in the middle of a header");
	cr_assert_not(try_frames((uint8_t[]){ 0, 1, 1 }, 3, 8));
}

Test(wire_mysql_press, the_errors_are_those_of_servers, .init = wants_a_codec)
{
	struct mypress m;
	struct err e = { 0 };
	uint8_t room[100];
	static const uint8_t late[] = { 1, 0, 0, 9, 0, 0, 0, 3 };
	static const uint8_t lie[] = { 3, 0, 0, 0, 100, 0, 0, 'a', 'b', 'c' };
	size_t n = sizeof(late);
	mypress_init(&m, MYPRESS_SERVER, built(), 1);
	cr_assert_eq(mypress_in(&m, late, &n, room, sizeof(room), &e), CODING_BROKEN);
	cr_assert_eq(e.mysql_errno, 1156);
	cr_assert_str_eq(e.msg, "Got packets out of order");
	mypress_fini(&m);
	n = sizeof(lie);
	mypress_init(&m, MYPRESS_SERVER, built(), 1);
	cr_assert_eq(mypress_in(&m, lie, &n, room, sizeof(room), &e), CODING_BROKEN);
	cr_assert_eq(e.mysql_errno, 1157);
	cr_assert_str_eq(e.msg, "Couldn't uncompress communication packet");
	mypress_fini(&m);
}

/* ---- cuts ---- */
static void some_packets(struct buf *b)
{
	put_packet(b, 0, 1, 3);
	put_packet(b, 0, 0, 0);
	put_packet(b, 0, 300, 3);
	put_packet(b, 0, 49, 3);
	put_packet(b, 0, 2000, 3);
}

/* Written in two calls, read in pieces: the same packets, each command in frames of its own. */
static void try_cut(enum mycodec codec, const struct buf *from, size_t cut, size_t piece)
{
	struct mypress a, b;
	struct buf wire, out;
	uint8_t room[64];
	struct err e;
	size_t made = 1;
	mypress_init(&a, MYPRESS_CLIENT, codec, 1);
	mypress_init(&b, MYPRESS_SERVER, codec, 1);
	buf_init(&wire, 0);
	buf_init(&out, 0);
	mypress_out(&a, buf_data(from), cut, &wire);
	mypress_out(&a, buf_data(from) + cut, buf_len(from) - cut, &wire);
	for (size_t at = 0; at < buf_len(&wire) || made > 0;) {
		size_t used = buf_len(&wire) - at < piece ? buf_len(&wire) - at : piece;
		made = mypress_in(&b, buf_data(&wire) + at, &used, room,
			piece < sizeof(room) ? piece : sizeof(room), &e);
		cr_assert_neq(made, CODING_BROKEN, "%zu %zu: %s", cut, piece, e.internal);
		at += used;
		buf_append(&out, room, made);
	}
	cr_assert(mypress_at_rest(&b));
	cr_assert_eq(buf_len(&out), buf_len(from));
	cr_assert_eq(memcmp(buf_data(&out), buf_data(from), buf_len(from)), 0);
	mypress_fini(&a);
	mypress_fini(&b);
	buf_fini(&wire);
	buf_fini(&out);
}

Test(wire_mysql_press, any_cut_is_the_same)
{
	struct buf from;
	buf_init(&from, 0);
	some_packets(&from);
	for (enum mycodec codec = MYCODEC_ZLIB; codec <= MYCODEC_ZSTD; codec++) {
		if (!mycodec_has(codec))
			continue;
		for (size_t cut = 0; cut <= buf_len(&from); cut++)
			try_cut(codec, &from, cut, 1 + cut % 70);
		try_cut(codec, &from, 0, 1);
	}
	buf_fini(&from);
}

/* 40 MiB in one message: three packets, many frames; a frame that is under way is not at rest. */
Test(wire_mysql_press, large_messages)
{
	struct pair x;
	pair_init(&x);
	for (size_t left = 40U << 20, n; left > 0; left -= n) {
		static uint8_t seq;
		n = left < MYPACKET_PAYLOAD_MAX ? left : MYPACKET_PAYLOAD_MAX;
		send(&x.client, &x.up, seq++, n);
	}
	struct buf part;
	buf_init(&part, 0);
	buf_append(&part, buf_data(&x.up), 300000);
	buf_consume(&x.up, 300000);
	cr_assert(hear(&x.server, &part, NULL));
	cr_assert_not(mypress_at_rest(&x.server));
	cr_assert(hear(&x.server, &x.up, NULL));
	cr_assert(mypress_at_rest(&x.server));
	buf_fini(&part);
	pair_fini(&x);
}

/* How many frames a packet of n bytes touches, written in pieces. */
static void frames_of_a_packet(size_t n, size_t piece, uint8_t pattern, unsigned expected)
{
	struct pair x;
	struct buf b, out;
	pair_init(&x);
	buf_init(&b, 0);
	buf_init(&out, 0);
	send(&x.client, &x.up, 0, 10);
	up(&x, "0");
	put_packet(&b, 1, 100, 3);
	put_packet(&b, 2, n, 3);
	if (pattern == 1) { /* that does not get smaller */
		uint32_t seed = 7;
		for (size_t i = 108; i < buf_len(&b); i++)
			buf_data(&b)[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
	}
	put_packet(&b, 3, 100, 3);
	for (size_t at = 0, k; at < buf_len(&b); at += k) {
		k = buf_len(&b) - at < piece ? buf_len(&b) - at : piece;
		mypress_out(&x.server, buf_data(&b) + at, k, &x.down);
		cr_assert_not(x.down.failed);
	}
	struct mycompress c;
	size_t plain = 0, first = 108 - 4, end = first + 4 + n;
	unsigned touched = 0;
	for (size_t at = 0; at < buf_len(&x.down); at += c.total, plain += c.plain_n) {
		cr_assert_eq(mycompress_take(buf_data(&x.down) + at, buf_len(&x.down) - at,
				     MYCOMPRESS_MAX_BYTES, &c),
			1);
		touched += plain < end && plain + c.plain_n > first;
	}
	cr_assert_leq(touched, expected, "%zu by %zu: %u", n, piece, touched);
	cr_assert(hear(&x.client, &x.down, &out));
	cr_assert_eq(buf_len(&out), buf_len(&b));
	cr_assert_eq(memcmp(buf_data(&out), buf_data(&b), buf_len(&b)), 0);
	buf_fini(&b);
	buf_fini(&out);
	pair_fini(&x);
}

Test(wire_mysql_press, a_packet_to_a_client_is_in_two_frames_at_most, .init = wants_a_codec)
{
	static const size_t sizes[] = { 1, 1000, 70000, 250000 };
	static const size_t pieces[] = { 10, 999, 60000, 131072 };
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < 4; j++)
			for (uint8_t pattern = 0; pattern < 2; pattern++)
				frames_of_a_packet(sizes[i], pieces[j], pattern, 2);
	for (uint8_t pattern = 0; pattern < 2; pattern++) {
		frames_of_a_packet(0xfefff0, 131072, pattern, 2);
		frames_of_a_packet(0xfffffe, 131072, pattern, 2);
		frames_of_a_packet(MYPACKET_PAYLOAD_MAX, 131072, pattern, 2);
	}
}
