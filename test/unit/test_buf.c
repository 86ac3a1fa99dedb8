/* buf: content against a simple model, the cap, failure that sticks, and memory given back. */
#include "base/buf.h"
#include "seed.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CACHE), 0);
}
TestSuite(buf, .fini = assert_all_back);

Test(buf, empty_holds_nothing)
{
	struct buf b;
	buf_init(&b, 100);
	cr_assert_eq(buf_len(&b), 0);
	cr_assert_null(buf_data(&b));
	cr_assert(buf_append(&b, NULL, 0));
	cr_assert(buf_puts(&b, ""));
	cr_assert_null(b.mem);
	cr_assert(buf_puts(&b, "x"));
	buf_consume(&b, 1);
	cr_assert_null(b.mem);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	buf_fini(&b);
}

Test(buf, puts_numbers_and_strings)
{
	static const char want[] = "\x01\x02\x03\x04\x05\x06\x07"
				   "ab\0cd-7!";
	struct buf b;
	buf_init(&b, 0);
	cr_assert(buf_put_u8(&b, 1));
	cr_assert(buf_put_u16be(&b, 0x0203));
	cr_assert(buf_put_u32be(&b, 0x04050607));
	cr_assert(buf_putz(&b, "ab"));
	cr_assert(buf_puts(&b, "cd"));
	cr_assert(buf_printf(&b, "%d%c", -7, '!'));
	cr_assert_eq(buf_len(&b), sizeof(want) - 1);
	cr_assert_arr_eq(buf_data(&b), want, sizeof(want) - 1);
	buf_set_u32be(&b, 3, 0xfffefdfc);
	cr_assert_arr_eq(buf_data(&b) + 2,
		"\x03\xff\xfe\xfd\xfc"
		"ab",
		7);
	buf_consume(&b, 3);
	buf_set_u32be(&b, 0, 0x41424344);
	cr_assert_arr_eq(buf_data(&b), "ABCDab", 7);
	buf_fini(&b);
}

Test(buf, long_printf)
{
	struct buf b;
	buf_init(&b, 0);
	for (int width = 250; width < 260; width++) {
		cr_assert(buf_printf(&b, "%*d", width, 7));
		cr_assert_eq(buf_len(&b), (size_t)width);
		cr_assert_eq(buf_data(&b)[width - 1], '7');
		buf_fini(&b);
	}
	cr_assert(buf_printf(&b, "%100000s|", "x"));
	cr_assert_eq(buf_len(&b), 100001);
	cr_assert_eq(buf_data(&b)[100000], '|');
	buf_fini(&b);
}

Test(buf, cap_is_exact_and_failure_sticks)
{
	static const size_t caps[] = { 1, 2, 100, 511, 512, 513, 4096, 5000, 16384, 100000 };
	static char x[100001];
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct buf b;
		buf_init(&b, caps[i]);
		cr_assert(buf_append(&b, x, caps[i]), "cap %zu", caps[i]);
		cr_assert_leq(b.size, caps[i]);
		cr_assert_not(buf_put_u8(&b, 1));
		cr_assert(b.failed);
		cr_assert_eq(buf_len(&b), caps[i]);
		buf_consume(&b, caps[i]);
		cr_assert_not(buf_put_u8(&b, 1), "a hole in the data would go unnoticed");
		cr_assert_not(buf_append(&b, NULL, 0));
		cr_assert_not(buf_printf(&b, "x"));
		cr_assert_null(buf_reserve(&b, 1));
		buf_set_u32be(&b, 0, 1);
		buf_fini(&b);
		cr_assert(buf_put_u8(&b, 1), "usable again");
		buf_fini(&b);
	}
}

Test(buf, consumed_room_is_used_before_the_cap_is_met)
{
	struct buf b;
	uint8_t x[1000] = { 0 };
	buf_init(&b, 1000);
	cr_assert(buf_append(&b, x, 1000));
	for (unsigned i = 0; i < 100000; i++) {
		buf_consume(&b, 1);
		cr_assert(buf_put_u8(&b, (uint8_t)i));
		cr_assert_leq(b.size, 1000);
	}
	cr_assert_eq(buf_data(&b)[999], (uint8_t)99999);
	cr_assert_eq(buf_data(&b)[0], (uint8_t)99000);
	buf_fini(&b);
}

Test(buf, huge_requests_fail_cleanly)
{
	struct buf b;
	buf_init(&b, 0);
	cr_assert_null(buf_reserve(&b, SIZE_MAX));
	buf_fini(&b);
	cr_assert(buf_puts(&b, "abc"));
	cr_assert_null(buf_reserve(&b, SIZE_MAX - 1));
	cr_assert_eq(buf_len(&b), 3);
	buf_fini(&b);
	cr_assert_null(buf_reserve(&b, (1UL << 30) + (64UL << 10) + 1));
	buf_fini(&b);
}

Test(buf, reserve_and_commit)
{
	struct buf b;
	buf_init(&b, 0);
	uint8_t *p = buf_reserve(&b, 4096);
	cr_assert_not_null(p);
	cr_assert_eq(b.size, 4096);
	buf_commit(&b, 0);
	cr_assert_null(b.mem, "nothing came: nothing held");
	p = buf_reserve(&b, 4096);
	memset(p, 'a', 100);
	buf_commit(&b, 100);
	cr_assert_eq(buf_len(&b), 100);
	p = buf_reserve(&b, 20000);
	memset(p, 'b', 20000);
	buf_commit(&b, 20000);
	cr_assert_eq(buf_data(&b)[99], 'a');
	cr_assert_eq(buf_data(&b)[20099], 'b');
	buf_fini(&b);
}

Test(buf, truncate)
{
	struct buf b;
	buf_init(&b, 0);
	cr_assert(buf_puts(&b, "abcdef"));
	buf_consume(&b, 2);
	buf_truncate(&b, 10);
	cr_assert_eq(buf_len(&b), 4);
	buf_truncate(&b, 2);
	cr_assert_arr_eq(buf_data(&b), "cd", 2);
	cr_assert_eq(buf_len(&b), 2);
	buf_truncate(&b, 0);
	cr_assert_null(b.mem);
	buf_truncate(&b, 0);
}

Test(buf, cache_takes_usual_blocks_and_gives_them_back)
{
	struct buf b[40];
	for (int i = 0; i < 40; i++) {
		buf_init(&b[i], 0);
		cr_assert_not_null(buf_reserve(&b[i], 4096));
		buf_commit(&b[i], 1);
	}
	cr_assert_eq(mem_live(MEM_BUF), 40);
	uint8_t *last = b[39].mem;
	for (int i = 0; i < 40; i++)
		buf_fini(&b[i]);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_leq(mem_live(MEM_CACHE), 32);
	if (mem_live(MEM_CACHE) > 0) { /* off under AddressSanitizer */
		cr_assert_eq(mem_live(MEM_CACHE), 32);
		cr_assert_not_null(buf_reserve(&b[0], 4096));
		cr_assert_eq(mem_live(MEM_CACHE), 31);
		cr_assert_neq(b[0].mem, last, "the last ones did not fit into the cache");
		buf_fini(&b[0]);
	}
	buf_thread_fini();
	cr_assert_eq(mem_live(MEM_CACHE), 0);
}

Test(buf, a_kept_one_holds_on_to_small_memory_only)
{
	static const char big[20000];
	struct buf b;
	buf_init(&b, 0);
	buf_keep(&b);
	cr_assert(buf_puts(&b, "abc"));
	const uint8_t *was = b.mem;
	buf_consume(&b, 3);
	cr_assert_eq(buf_len(&b), 0);
	cr_assert_eq(b.mem, was);
	cr_assert(buf_puts(&b, "de"));
	cr_assert_arr_eq(buf_data(&b), "de", 2);
	buf_truncate(&b, 0);
	cr_assert_eq(b.mem, was);
	cr_assert(buf_append(&b, big, sizeof(big)));
	buf_consume(&b, sizeof(big));
	cr_assert_null(b.mem);
	cr_assert(buf_puts(&b, "f"));
	buf_fini(&b);
	cr_assert_null(b.mem);
}

Test(buf, wipe_leaves_no_secret_behind)
{
	struct buf b;
	buf_init(&b, 0);
	cr_assert_not_null(buf_reserve(&b, 4096)); /* a block that the cache keeps: may be read */
	buf_commit(&b, 0);
	if (mem_live(MEM_CACHE) == 0)
		return; /* AddressSanitizer would stop the look below */
	cr_assert_not_null(buf_reserve(&b, 4096));
	cr_assert(buf_puts(&b, "user=secret"));
	buf_consume(&b, 5); /* consumed bytes are secrets too */
	const uint8_t *mem = b.mem;
	buf_wipe(&b);
	cr_assert_null(b.mem);
	for (int i = 0; i < 11; i++)
		cr_assert_eq(mem[i], 0, "byte %d", i);
}

/* Random operations, compared with a plain array. */
static void random_walk(unsigned seed, void *arg)
{
	size_t cap = seed % 2 ? 70000 : 12345;
	(void)arg;
	static uint8_t model[70000];
	size_t n = 0;
	uint8_t next = 0;
	struct buf b;
	buf_init(&b, cap);
	for (int step = 0; step < 5000; step++) {
		size_t k = (size_t)rand_r(&seed) % (rand_r(&seed) % 4 ? 100 : 9000);
		switch (rand_r(&seed) % 4) {
		case 0:
		case 1:
			if (n + k > cap)
				break;
			for (size_t i = 0; i < k; i++)
				model[n + i] = next++;
			cr_assert(buf_append(&b, model + n, k));
			n += k;
			break;
		case 2:
			k = k < n ? k : n;
			buf_consume(&b, k);
			memmove(model, model + k, n - k);
			n -= k;
			break;
		default:
			k = k < n ? n - k : 0;
			buf_truncate(&b, k);
			n = k;
		}
		cr_assert_eq(buf_len(&b), n);
		cr_assert_eq(b.mem == NULL, n == 0);
		cr_assert_leq(b.size, cap);
		cr_assert(n == 0 || memcmp(buf_data(&b), model, n) == 0, "step %d", step);
	}
	buf_fini(&b);
}

Test(buf, random_walks)
{
	seed_each(20, random_walk, NULL);
}
