/* trace_parent: W3C's traceparent in texts. */
#include "core/trace.h"

#include <criterion/criterion.h>
#include <string.h>

#define GOOD "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static bool is(const char *s)
{
	return traceparent_is(s, strlen(s));
}

Test(trace_parent, its_form)
{
	cr_expect(is(GOOD));
	cr_expect(is(GOOD "-more"));
	cr_expect(!traceparent_is(GOOD, TRACEPARENT_CHARS - 1));
	cr_expect(!is("00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
	cr_expect(!is("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01"));
	cr_expect(!is("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g"));
	cr_expect(!is(""));
}

static const char *find(const char *s)
{
	return traceparent_find(s, strlen(s));
}

Test(trace_parent, is_found)
{
	const char *s = "select 1 /*a='b',traceparent='" GOOD "',z='1'*/";
	cr_expect_eq(find(s), strstr(s, GOOD));
	cr_expect_null(traceparent_find(s, strlen(s) - 12));
	cr_expect_null(find("select 1 /*traceparent='00-x'*/"));
	cr_expect_null(find("select 1 /*traceparent='"));
	cr_expect_null(find("select 1"));
	cr_expect_null(find("select 1 -- traceparent='" GOOD "'"));
	s = "/*traceparent='" GOOD "'*/ select 1";
	cr_expect_eq(find(s), s + strlen("/*traceparent='"));
	cr_expect_null(find(""));
	cr_expect_null(traceparent_find(NULL, 0));
}

Test(trace_parent, is_read)
{
	static const uint8_t trace[16] = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3,
		0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 };
	static const uint8_t span[8] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };
	struct trace_context c;
	cr_assert(traceparent_read(GOOD, &c));
	cr_expect_arr_eq(c.trace, trace, sizeof trace);
	cr_expect_arr_eq(c.span, span, sizeof span);
	cr_expect(c.sampled);
	cr_assert(traceparent_read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", &c));
	cr_expect(!c.sampled);
	cr_expect(!traceparent_read("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &c));
	cr_expect(!traceparent_read("00-00000000000000000000000000000000-00f067aa0ba902b7-01", &c));
	cr_expect(!traceparent_read("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", &c));
}
