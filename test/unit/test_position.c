/* position: parsing, inclusion and counting of LSNs and GTID sets, against a slow model. */
#include "cluster/position.h"

#include "seed.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static void no_leak(void)
{
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}
TestSuite(position, .fini = no_leak);

static struct pos parse(enum pos_kind k, const char *s)
{
	struct pos p;
	struct err e = { 0 };
	cr_assert_eq(pos_parse(k, s, strlen(s), &p, &e), 0, "%s: %s", s, e.msg);
	return p;
}
static void refuse(enum pos_kind k, const char *s, size_t n)
{
	struct pos p;
	struct err e = { 0 };
	cr_assert_eq(pos_parse(k, s, n, &p, &e), -1, "%s", s);
	cr_assert_eq(p.kind, POS_NONE);
	cr_assert(*e.msg);
	pos_fini(&p);
}
static void expect_text(const struct pos *p, const char *want)
{
	struct buf b;
	buf_init(&b, 0);
	cr_assert(pos_put(p, &b));
	buf_putz(&b, "");
	cr_assert_str_eq((const char *)buf_data(&b), want);
	buf_fini(&b);
}

Test(position, lsn)
{
	struct pos p = parse(POS_LSN, "16/B374D848");
	cr_assert_eq(p.lsn, 0x16B374D848u);
	expect_text(&p, "16/B374D848");
	static const char *const bad[] = { "", "/", "1/", "/1", "1", "1/2/3", "G/1", "123456789/0",
		"0/123456789", " 1/2", "1/2 ", "-1/2" };
	for (size_t i = 0; i < N(bad); i++)
		refuse(POS_LSN, bad[i], strlen(bad[i]));
}

/* routing 4.2.3: seen on PostgreSQL 18.6 as 0/2445E018 against 0/2445E000. */
Test(position, page_start)
{
	cr_assert_eq(pos_lsn_normalise(0x2445E018, 0, 0), 0x2445E000);
	cr_assert_eq(pos_lsn_normalise(0x25000028, 0, 0), 0x25000000);
	cr_assert_eq(pos_lsn_normalise(0x2445E020, 0, 0), 0x2445E020);
	cr_assert_eq(
		pos_lsn_normalise(0x2445E028, 0, 0), 0x2445E028, "40 only in a segment's first");
	cr_assert_eq(pos_lsn_normalise(0x2445E000, 0, 0), 0x2445E000);
	cr_assert_eq(pos_lsn_normalise(0x100028, 1024 * 1024, 0), 0x100000);
	cr_assert_eq(pos_lsn_normalise(0x100028, 0, 0), 0x100028);
	cr_assert_eq(pos_lsn_normalise(0x18, 0, 32768), 0x18, "inside the first page");
	cr_assert_eq(pos_lsn_normalise(0x10018, 0, 32768), 0x10000);
}

Test(position, gtid_text)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "" },
		{ U1 ":1-5", U1 ":1-5" },
		{ U1 ":7:1-5:6,\n" U2 ":3", U1 ":1-7," U2 ":3" },
		{ U2 ":3 , " U1 ":1", U1 ":1," U2 ":3" },
		{ U1 ":1-3:2-9:20", U1 ":1-9:20" },
		{ "3E11FA47-71CA-11E1-9E33-C80AA9429562:23", U1 ":23" },
		{ U1 ":1-5:Audit:1-2:4:b:9", U1 ":1-5:audit:1-2:4:b:9" },
		{ U1 ":audit:1-3," U1 ":1", U1 ":1:audit:1-3" },
		{ U1 ":5-4:9", U1 ":9" },
		{ "," U1 ":1,,", U1 ":1" },
		{ U1 ":9223372036854775807", U1 ":9223372036854775807" },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct pos p = parse(POS_GTID, t[i].in);
		expect_text(&p, t[i].out);
		pos_fini(&p);
	}
	static const char *const bad[] = { "x", U1, U1 ":", U1 ":0", U1 ":1-", U1 ":1-5-6",
		U1 ":1:", U1 ":1 2", U1 ":a:b:1", U1 ":1:tag", U1 ":9223372036854775808", U1 ":-1",
		"3e11fa47-71ca-11e1-9e33-c80aa942956:1", U1 ":aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
		U1 ":1;" };
	for (size_t i = 0; i < N(bad); i++)
		refuse(POS_GTID, bad[i], strlen(bad[i]));
	refuse(POS_GTID, U1 ":1\0", sizeof U1 + 2);
}

Test(position, gtid_compare)
{
	static const struct {
		const char *a, *b;
		uint64_t missing;
	} t[] = {
		{ "", "", 0 },
		{ "", U1 ":1-5", 5 },
		{ U1 ":1-5", "", 0 },
		{ U1 ":1-5:8-10", U1 ":1-12", 4 },
		{ U1 ":1-12", U1 ":1-5:8-10," U2 ":1", 1 },
		{ U1 ":1-12", U1 ":audit:1-3", 3 },
		{ U1 ":audit:1-12", U1 ":audit:4:7-9", 0 },
		{ U2 ":1-3", U1 ":1-2", 2 },
		{ U1 ":1-3:5-6:9", U1 ":2-9:11", 4 },
		{ U1 ":10-20", U1 ":1-30", 19 },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct pos a = parse(POS_GTID, t[i].a), b = parse(POS_GTID, t[i].b);
		cr_assert_eq(pos_missing(&a, &b), t[i].missing, "%s / %s: %llu", t[i].a, t[i].b,
			(unsigned long long)pos_missing(&a, &b));
		cr_assert_eq(pos_includes(&a, &b), t[i].missing == 0);
		cr_assert_eq(pos_add(&a, &b), 0);
		cr_assert(pos_includes(&a, &b));
		pos_fini(&a);
		pos_fini(&b);
	}
}

Test(position, mariadb)
{
	struct pos a = parse(POS_MARIADB, "0-1-100,5-2-7");
	struct pos b = parse(POS_MARIADB, "5-3-7, 0-2-98");
	struct pos c = parse(POS_MARIADB, "0-1-90,0-2-101");
	expect_text(&a, "0-1-100,5-2-7");
	expect_text(&c, "0-2-101");
	cr_assert(pos_includes(&a, &b));
	cr_assert_not(pos_includes(&b, &a));
	cr_assert_eq(pos_missing(&b, &a), 2);
	cr_assert_eq(pos_missing(&c, &a), 7);
	pos_fini(&a);
	pos_fini(&b);
	pos_fini(&c);
	static const char *const bad[] = { "0", "0-1", "0-1-", "-1-1", "0-1-1-1", "0-1-1 0-1-2",
		"4294967296-1-1", "0-1-18446744073709551616", ",0-1-1" };
	for (size_t i = 0; i < N(bad); i++)
		refuse(POS_MARIADB, bad[i], strlen(bad[i]));
	struct pos top = parse(POS_MARIADB, "0-1-18446744073709551615"), none = { 0 };
	struct pos empty = parse(POS_MARIADB, "");
	cr_assert_eq(pos_missing(&empty, &top), UINT64_MAX);
	cr_assert_not(pos_includes(&top, &none));
	cr_assert_not(pos_includes(&none, &none));
	pos_fini(&top);
}

Test(position, kinds_do_not_mix)
{
	struct pos l = parse(POS_LSN, "F/0"), g = parse(POS_GTID, U1 ":1"), m = { 0 };
	cr_assert_not(pos_includes(&l, &g));
	cr_assert_not(pos_includes(&g, &l));
	cr_assert_eq(pos_missing(&l, &g), UINT64_MAX);
	cr_assert_eq(pos_add(&l, &g), -1);
	cr_assert_eq(l.lsn, 0xF00000000u);
	cr_assert_eq(pos_add(&m, &g), 0);
	cr_assert(pos_equal(&m, &g));
	pos_fini(&g);
	pos_fini(&m);
}

Test(position, text_is_cut)
{
	char out[24];
	struct pos p = parse(POS_GTID, U1 ":1-5"), none = { 0 };
	cr_assert_str_eq(pos_text(&p, out, sizeof out), "3e11fa47-71ca-11e1-9...");
	cr_assert_str_eq(pos_text(&none, out, sizeof out), "none");
	pos_fini(&p);
}

/* A server that sends more intervals than fit is refused, whatever their order. */
Test(position, bounded)
{
	for (int down = 0; down < 2; down++) {
		struct buf b;
		struct pos p;
		struct err e = { 0 };
		buf_init(&b, 0);
		buf_puts(&b, U1);
		for (unsigned i = 0; i < POS_INTERVALS_MAX; i++)
			buf_printf(&b, ":%u", 1 + 2 * (down ? POS_INTERVALS_MAX - i : i));
		cr_assert_eq(pos_parse_gtid((char *)buf_data(&b), buf_len(&b), &p, &e), 0);
		cr_assert_eq(p.iv_n, POS_INTERVALS_MAX);
		pos_fini(&p);
		buf_puts(&b, ":900000");
		refuse(POS_GTID, (char *)buf_data(&b), buf_len(&b));
		buf_fini(&b);
	}
	char *big = malloc(POS_TEXT_MAX + 1);
	memset(big, ' ', POS_TEXT_MAX + 1);
	refuse(POS_GTID, big, POS_TEXT_MAX + 1);
	refuse(POS_MARIADB, big, POS_TEXT_MAX + 1);
	free(big);
}

/* Random sets of small numbers against bit masks. */
static unsigned long long random_set(unsigned *seed, struct buf *b)
{
	unsigned long long bits = 0;
	for (int k = rand_r(seed) % 6; k > 0; k--) {
		int src = rand_r(seed) % 2, lo = 1 + rand_r(seed) % 30;
		int hi = lo + rand_r(seed) % (31 - lo + 1);
		buf_printf(b, "%s%s:%d-%d", buf_len(b) ? "," : "", src ? U1 : U2, lo, hi);
		for (int i = lo; i <= hi; i++)
			bits |= 1ull << (i + 32 * src);
	}
	return bits;
}
Test(position, like_bit_masks)
{
	unsigned seed = seed_first();
	for (int round = 0; round < 3000; round++) {
		struct buf ta, tb;
		struct pos a, b;
		buf_init(&ta, 0);
		buf_init(&tb, 0);
		unsigned long long ma = random_set(&seed, &ta), mb = random_set(&seed, &tb);
		cr_assert_eq(pos_parse_gtid((char *)buf_data(&ta), buf_len(&ta), &a, NULL), 0);
		cr_assert_eq(pos_parse_gtid((char *)buf_data(&tb), buf_len(&tb), &b, NULL), 0);
		cr_assert_eq(pos_missing(&a, &b), (uint64_t)__builtin_popcountll(mb & ~ma));
		cr_assert_eq(pos_add(&a, &b), 0);
		struct pos none = { .kind = POS_GTID };
		cr_assert_eq(pos_missing(&none, &a), (uint64_t)__builtin_popcountll(ma | mb));
		pos_fini(&a);
		pos_fini(&b);
		buf_fini(&ta);
		buf_fini(&tb);
	}
}

/* No crash and no leak, whatever comes. */
Test(position, garbage)
{
	static const char chars[] = "0123456789abcf-:,-:, \nAZ_/\0\xff";
	unsigned seed = seed_first();
	for (int round = 0; round < 30000; round++) {
		char s[80];
		size_t n = (size_t)rand_r(&seed) % sizeof s, from = 0;
		if (rand_r(&seed) % 2 && n > 40) {
			memcpy(s, U1 ":", 37);
			from = 37;
		}
		for (size_t i = from; i < n; i++)
			s[i] = chars[(size_t)rand_r(&seed) % (sizeof chars - 1)];
		for (int k = POS_NONE; k <= POS_MARIADB; k++) {
			struct pos p;
			struct err e;
			if (pos_parse((enum pos_kind)k, s, n, &p, &e) == 0)
				cr_assert(pos_includes(&p, &p));
			pos_fini(&p);
		}
	}
}
