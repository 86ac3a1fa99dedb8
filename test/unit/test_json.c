/* json: what a text becomes, and what counts as a number. */
#include "base/json.h"

#include <criterion/criterion.h>
#include <string.h>

static void becomes(const char *text, const char *json)
{
	struct buf b;
	buf_init(&b, 0);
	json_put(&b, text);
	buf_put_u8(&b, 0);
	cr_expect_str_eq((char *)buf_data(&b), json);
	buf_fini(&b);
}

Test(json, texts)
{
	becomes(NULL, "null");
	becomes("", "\"\"");
	becomes("plain text", "\"plain text\"");
	becomes("a\"b\\c", "\"a\\\"b\\\\c\"");
	becomes("</script>&", "\"\\u003c/script\\u003e\\u0026\"");
	becomes("\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"");
	becomes("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x98",
		"\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x98\"");
}

Test(json, what_is_not_utf8)
{
#define BAD "\xef\xbf\xbd"
	becomes("\xff", "\"" BAD "\"");
	becomes("a\xc3", "\"a" BAD "\"");
	becomes("\xc3(", "\"" BAD "(\"");
	becomes("\xc0\xaf", "\"" BAD BAD "\"");                 /* overlong */
	becomes("\xe0\x80\xaf", "\"" BAD BAD BAD "\"");         /* overlong */
	becomes("\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* a surrogate */
	becomes("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
	becomes("\xe2\x82", "\"" BAD BAD "\"");                 /* cut */
}

Test(json, objects)
{
	struct buf b;
	buf_init(&b, 0);
	buf_puts(&b, "{");
	json_pair(&b, "a", "x");
	json_pair_int(&b, "b", -5);
	json_pair_bool(&b, "c", true);
	json_key(&b, "d");
	buf_puts(&b, "[");
	json_comma(&b);
	buf_puts(&b, "1");
	json_comma(&b);
	buf_puts(&b, "2]}");
	cr_expect_eq(buf_len(&b), strlen("{\"a\":\"x\",\"b\":-5,\"c\":true,\"d\":[1,2]}"));
	cr_expect(memcmp(buf_data(&b), "{\"a\":\"x\",\"b\":-5,\"c\":true,\"d\":[1,2]}",
			  buf_len(&b)) == 0);
	buf_fini(&b);
}

Test(json, numbers)
{
	static const char *const yes[] = { "0", "-1", "12345678901234567890", "1.5", "-0.25", "1e9",
		"1E-9", "2.5e+3" };
	static const char *const no[] = { "", "-", "01", "1.", ".5", "1e", "+1", "0x1", "NaN",
		"inf", "1 ", " 1", "1,2", "--1" };
	for (unsigned i = 0; i < sizeof yes / sizeof *yes; i++)
		cr_expect(json_is_number(yes[i]), "%s", yes[i]);
	for (unsigned i = 0; i < sizeof no / sizeof *no; i++)
		cr_expect_not(json_is_number(no[i]), "%s", no[i]);
}
