/* Tests of base/text: what is put, what is cut, that NUL is always there. */
#include "base/text.h"

#include <criterion/criterion.h>
#include <string.h>

Test(text, puts_one_behind_the_other)
{
	char out[64];
	struct text t = text_begin(out, sizeof(out));
	cr_assert_str_eq(out, "");
	text_put(&t, "C-0xc");
	text_put_hex32(&t, 0x1a2b);
	text_put(&t, ":");
	text_put(&t, "");
	text_put_u64(&t, 0);
	text_put(&t, "/");
	text_put_u64(&t, UINT64_MAX);
	cr_assert_str_eq(out, "C-0xc00001a2b:0/18446744073709551615");
}

Test(text, cuts_at_the_end)
{
	char out[8] = "zzzzzzz";
	for (size_t size = 1; size < sizeof(out); size++) {
		struct text t = text_begin(out, size);
		text_put(&t, "ab");
		text_put_u64(&t, 12);
		text_put_hex32(&t, UINT32_MAX);
		text_put(&t, "never");
		cr_assert_eq(strlen(out), size - 1);
		cr_assert_eq(strncmp(out, "ab12fff", size - 1), 0, "%s", out);
		cr_assert_eq(out[7], '\0');
	}
}
