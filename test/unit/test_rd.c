/* rd: values, ends, and that a short read sticks. The inputs stand in blocks of just their size. */
#include "base/rd.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(rd, values)
{
	static const uint8_t in[] = { 1, 0xfe, 0xdc, 0xff, 0xee, 0xdd, 0xcc, 'a', 'b', 0, 0, 'z' };
	struct rd r = rd_of(in, sizeof(in));
	size_t n;
	cr_assert_eq(rd_u8(&r), 1);
	cr_assert_eq(rd_u16be(&r), 0xfedc);
	cr_assert_eq(rd_u32be(&r), 0xffeeddcc);
	cr_assert_str_eq(rd_cstr(&r, &n), "ab");
	cr_assert_eq(n, 2);
	cr_assert_str_empty(rd_cstr(&r, NULL));
	cr_assert_eq(rd_left(&r), 1);
	cr_assert_eq(*rd_bytes(&r, 1), 'z');
	cr_assert(rd_ok(&r));
	cr_assert_eq(rd_left(&r), 0);
	cr_assert_not_null(rd_bytes(&r, 0));
	cr_assert(rd_ok(&r));
}

Test(rd, short_reads_stick)
{
	for (volatile size_t n = 0; n < 4; n++) {
		size_t have = n; /* unknown to the compiler, which else warns of what cannot be */
		uint8_t *in = calloc(1, have ? have : 1);
		cr_assert_not_null(in);
		in[0] = have ? 7 : 0;
		struct rd r = rd_of(in, have);
		cr_assert_eq(rd_u32be(&r), 0);
		cr_assert_not(rd_ok(&r));
		cr_assert_eq(rd_left(&r), 0);
		cr_assert_eq(rd_u8(&r), 0, "there was a byte, but the message is bad");
		cr_assert_eq(rd_u16be(&r), 0);
		cr_assert_null(rd_bytes(&r, 0));
		cr_assert_null(rd_cstr(&r, NULL));
		free(in);
	}
}

Test(rd, lengths_cannot_wrap)
{
	uint8_t *in = calloc(1, 3);
	struct rd r = rd_of(in, 3);
	cr_assert_null(rd_bytes(&r, SIZE_MAX));
	cr_assert_not(rd_ok(&r));
	r = rd_of(in, 3);
	cr_assert_null(rd_bytes(&r, 4));
	r = rd_of(in, 3);
	cr_assert_eq(rd_bytes(&r, 3), in);
	free(in);
}

Test(rd, string_without_end)
{
	char *in = malloc(3);
	cr_assert_not_null(in);
	memcpy(in, "abc", 3);
	struct rd r = rd_of(in, 3);
	size_t n = 99;
	cr_assert_null(rd_cstr(&r, &n));
	cr_assert_not(rd_ok(&r));
	cr_assert_eq(n, 99);
	r = rd_of(in, 3);
	rd_bytes(&r, 3);
	cr_assert_null(rd_cstr(&r, &n), "nothing left");
	free(in);
}

Test(rd, nothing_at_all)
{
	struct rd r = rd_of(NULL, 0);
	cr_assert(rd_ok(&r));
	cr_assert_eq(rd_left(&r), 0);
	rd_bytes(&r, 0);
	cr_assert(rd_ok(&r));
	cr_assert_null(rd_cstr(&r, NULL));
	cr_assert_not(rd_ok(&r));
}
