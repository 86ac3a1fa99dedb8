/* wire/mysql: compression. Frames of real servers unpack to the packets that were in them; what is
 * packed unpacks; a frame that holds more or less than it says is refused without giving more. */
#include "base/mem.h"
#include "my_record.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/codec.h"
#include "wire/mysql/packet.h"
#include "wire/mysql/press.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_all_back(void)
{
	mycodec_thread_fini();
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_STREAM), 0);
}
TestSuite(wire_mysql_codec, .fini = assert_all_back, .timeout = 120);

static const enum mycodec both[] = { MYCODEC_ZLIB, MYCODEC_ZSTD };

/* All of the frames at p, with little room at a time. NULL, or what is wrong. */
static const char *decode(enum mycodec codec, const uint8_t *p, size_t n, struct buf *out)
{
	static struct err e;
	struct mypress m;
	uint8_t room[5000];
	size_t at = 0, made = 1;
	mypress_init(&m, MYPRESS_CLIENT, codec, 1);
	while (at < n || made > 0) {
		size_t used = n - at;
		made = mypress_in(&m, p + at, &used, room, sizeof(room), &e);
		if (made == CODING_BROKEN)
			break;
		at += used;
		buf_append(out, room, made);
	}
	bool rest = mypress_at_rest(&m);
	mypress_fini(&m);
	if (made != CODING_BROKEN)
		return rest ? NULL : "not whole";
	const char *colon = strchr(e.internal, ':');
	return colon ? colon + 2 : e.msg;
}

/* ---- frames of real servers ---- */
static void unpack_line(const struct my_record *r, enum mycodec codec, struct buf *out)
{
	struct buf wire;
	size_t n = buf_len(&r->payload);
	uint8_t seq = r->seq;
	buf_init(&wire, 0);
	mycompress_put_head(&wire, &seq, (uint32_t)(n - 3), 0);
	buf_truncate(&wire, 4); /* the length unpacked stands in the record */
	buf_append(&wire, buf_data(&r->payload), n);
	const char *bad = decode(codec, buf_data(&wire), buf_len(&wire), out);
	cr_assert_null(bad, "%s:%u: %s", r->name, r->line_no, bad);
	buf_fini(&wire);
}

static void check_record(struct my_record *r, void *arg)
{
	unsigned *frames_n = arg;
	struct buf packets[2], plain[2]; /* of the client, of the server */
	bool begun = false;
	for (int i = 0; i < 2; i++) {
		buf_init(&packets[i], 0);
		buf_init(&plain[i], 0);
	}
	while (my_record_next(r)) {
		int side = r->who == 'S';
		enum mycodec codec = r->caps & MYCAP(COMPRESS) ? MYCODEC_ZLIB : MYCODEC_ZSTD;
		begun = begun || (!side && r->seq == 0);
		if (!begun || !mycodec_has(codec))
			continue;
		if (strcmp(r->kind, "frame") == 0) {
			unpack_line(r, codec, &plain[side]);
			++*frames_n;
		} else {
			uint8_t seq = r->seq;
			mypacket_put(
				&packets[side], &seq, buf_data(&r->payload), buf_len(&r->payload));
		}
	}
	for (int i = 0; i < 2; i++) {
		size_t n = buf_len(&packets[i]);
		cr_assert_eq(buf_len(&plain[i]), n, "%s", r->name);
		cr_assert(n == 0 || memcmp(buf_data(&plain[i]), buf_data(&packets[i]), n) == 0);
		buf_fini(&packets[i]);
		buf_fini(&plain[i]);
	}
}

Test(wire_mysql_codec, frames_of_real_servers)
{
	unsigned frames_n = 0;
	cr_assert_geq(my_record_each("mysql", "compress", check_record, &frames_n),
		mycodec_has(MYCODEC_ZLIB) ? 6 : 0);
	cr_assert_geq(my_record_each("mysql", "zstd", check_record, &frames_n),
		mycodec_has(MYCODEC_ZSTD) ? 1 : 0);
	cr_assert_geq(frames_n, mycodec_has(MYCODEC_ZLIB)   ? 100
				: mycodec_has(MYCODEC_ZSTD) ? 1
							    : 0);
}

/* ---- round trips ---- */
static void fill(struct buf *b, size_t n, unsigned kind)
{
	uint32_t seed = 1;
	uint8_t *p = buf_reserve(b, n);
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(kind == 0 ? 0 : kind == 1 ? seed >> 16 : (seed >> 16 & 3) + 'a');
	}
	buf_commit(b, n);
}

static void round_trip(enum mycodec codec, size_t n, unsigned kind, int level)
{
	struct buf from, wire, back;
	uint8_t seq = 250, want = 250;
	buf_init(&from, 0);
	buf_init(&wire, 0);
	buf_init(&back, 0);
	fill(&from, n, kind);
	mycodec_pack(codec, level, buf_data(&from), n, &seq, &wire);
	cr_assert_not(wire.failed);
	struct mycompress c;
	for (size_t off = 0; off < buf_len(&wire); off += c.total) {
		cr_assert_eq(mycompress_take(buf_data(&wire) + off, buf_len(&wire) - off,
				     MYCOMPRESS_MAX_BYTES, &c),
			1);
		cr_assert_eq(c.seq, want++);
	}
	cr_assert_eq(seq, want);
	if (mycodec_has(codec) || n < MYCOMPRESS_MIN_BYTES)
		cr_assert_null(decode(codec, buf_data(&wire), buf_len(&wire), &back));
	else
		buf_append(&back, buf_data(&from), n);
	cr_assert_eq(buf_len(&back), n);
	cr_assert(n == 0 || memcmp(buf_data(&back), buf_data(&from), n) == 0);
	if (kind == 0 && n > 1000 && mycodec_has(codec))
		cr_assert_lt(buf_len(&wire), n / 10);
	cr_assert_leq(buf_len(&wire), n + (n >> 10) + 2 * MYCOMPRESS_HEAD_BYTES);
	buf_fini(&from);
	buf_fini(&wire);
	buf_fini(&back);
}

Test(wire_mysql_codec, what_is_packed_unpacks)
{
	static const size_t sizes[] = { 0, 1, 49, 50, 51, 1000, 65535, 65536, 65537, 262144, 262145,
		1000000, 17000000 };
	for (unsigned i = 0; i < 2; i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
			for (unsigned kind = 0; kind < 3; kind++)
				round_trip(both[i], sizes[j], kind, kind == 1 ? 1 : 3);
}

/* ---- frames that lie ---- */
static const char *unpack(
	enum mycodec codec, const uint8_t *body, size_t n, uint32_t plain_n, struct buf *out)
{
	struct buf wire;
	uint8_t seq = 0;
	buf_init(&wire, 0);
	mycompress_put_head(&wire, &seq, (uint32_t)n, plain_n);
	buf_append(&wire, body, n);
	buf_fini(out);
	const char *bad = decode(codec, buf_data(&wire), buf_len(&wire), out);
	cr_assert_leq(buf_len(out), plain_n);
	buf_fini(&wire);
	return bad;
}

static void try_lies(enum mycodec codec)
{
	struct buf from, wire, out;
	uint8_t seq = 0;
	const size_t n = 200000;
	buf_init(&from, 0);
	buf_init(&wire, 0);
	buf_init(&out, 0);
	fill(&from, n, 0);
	mycodec_pack(codec, 3, buf_data(&from), n, &seq, &wire);
	cr_assert_eq(seq, 1);
	const uint8_t *body = buf_data(&wire) + MYCOMPRESS_HEAD_BYTES;
	size_t body_n = buf_len(&wire) - MYCOMPRESS_HEAD_BYTES;

	cr_assert_null(unpack(codec, body, body_n, n, &out));
	cr_assert_str_eq(unpack(codec, body, body_n, n + 1, &out), "shorter than declared");
	cr_assert_str_eq(unpack(codec, body, body_n, 0xffffff, &out), "shorter than declared");
	cr_assert_str_eq(unpack(codec, body, body_n, n - 1, &out), "longer than declared");
	cr_assert_str_eq(unpack(codec, body, body_n, 1, &out), "longer than declared");
	for (size_t cut = 0; cut < body_n; cut++)
		cr_assert_not_null(unpack(codec, body, cut, n, &out), "%zu", cut);
	buf_append(&wire, "x", 1);
	body = buf_data(&wire) + MYCOMPRESS_HEAD_BYTES;
	cr_assert_str_eq(unpack(codec, body, body_n + 1, n, &out), "bytes behind it");
	cr_assert_not_null(
		unpack(codec, (const uint8_t *)"garbage that is long enough", 27, 50, &out));
	/* After a refused frame the next is as good as new. */
	cr_assert_null(unpack(codec, body, body_n, n, &out));
	buf_fini(&from);
	buf_fini(&wire);
	buf_fini(&out);
}

Test(wire_mysql_codec, frames_that_lie)
{
	for (unsigned i = 0; i < 2; i++) {
		struct buf out;
		buf_init(&out, 0);
		if (mycodec_has(both[i]))
			try_lies(both[i]);
		else
			cr_assert_not_null(unpack(both[i], (const uint8_t *)"x", 1, 1, &out));
		buf_fini(&out);
	}
}
