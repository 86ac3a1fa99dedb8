/* wire/pg: errors, rows and the extended protocol: what is written reads back; cut, doubled,
 * missing and lying fields are refused or tolerated as the headers say. */
#include "base/mem.h"
#include "wire/pg/error.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/row.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(wire_pg_query, .fini = assert_all_back, .timeout = 60);

static struct buf b;
static void fresh(void)
{
	buf_fini(&b);
	buf_init(&b, 1 << 22);
}
static struct pgmsg msg(void)
{
	struct pgmsg m;
	cr_assert_eq(pgmsg_take(buf_data(&b), buf_len(&b), 1 << 22, &m), 1);
	cr_assert_eq(m.total, buf_len(&b), "one message");
	return m;
}
#define BODY(s) (const uint8_t *)(s), sizeof(s) - 1

Test(wire_pg_query, error_reads_back)
{
	struct err e, back;
	struct pgerror f;
	fresh();
	err_set(&e, ERR_TOO_MANY, "no more than %d", 5);
	err_detail(&e, "d");
	err_hint(&e, "h");
	pgerror_put(&b, "FATAL", &e);
	struct pgmsg m = msg();
	cr_assert_eq(m.type, 'E');
	pgerror_read(m.body, m.body_n, &f);
	cr_assert(f.whole);
	cr_assert(pgerror_is_fatal(&f));
	pgerror_to_err(&f, ERR_SERVER_REFUSED, &back);
	cr_assert_str_eq(back.sqlstate, "53300");
	cr_assert_str_eq(back.msg, "no more than 5");
	cr_assert_str_eq(back.detail, "d");
	cr_assert_str_eq(back.hint, "h");
	/* Cut anywhere: nothing is read behind the end, and it is seen. */
	for (size_t i = 0; i < m.body_n; i++) {
		pgerror_read(m.body, i, &f);
		cr_assert_not(f.whole, "%zu", i);
		pgerror_to_err(&f, ERR_SERVER_REFUSED, &back);
		cr_assert_neq(back.msg[0], '\0');
	}
	buf_fini(&b);
}

Test(wire_pg_query, errors_with_odd_fields)
{
	struct pgerror f;
	struct err e;
	pgerror_read(BODY("SERROR\0Mx\0\0"), &f); /* no SQLSTATE (CVE-2026-6666) */
	cr_assert_null(f.sqlstate);
	pgerror_to_err(&f, ERR_SERVER_REFUSED, &e);
	cr_assert_str_eq(err_sqlstate(&e), "08004");
	cr_assert_str_eq(e.msg, "x");
	pgerror_read(BODY("\0"), &f);
	cr_assert(f.whole && f.msg == NULL && !pgerror_is_fatal(&f));
	pgerror_read(BODY(""), &f);
	cr_assert_not(f.whole);
	pgerror_read(BODY("C123456\0C0A000\0C42601\0Ma\0Mb\0VFATAL\0SERROR\0?z\0\0"), &f);
	cr_assert_str_eq(f.sqlstate, "0A000", "the first that is one");
	cr_assert_str_eq(f.msg, "a");
	cr_assert(pgerror_is_fatal(&f), "V counts, not S");
	pgerror_read(BODY("C08p01\0C\0\0"), &f);
	cr_assert_null(f.sqlstate);
	pgerror_read(BODY("Mx\0\0tail"), &f);
	cr_assert_not(f.whole);

	fresh();
	struct buf big;
	buf_init(&big, 1 << 21);
	buf_puts(&big, "M");
	for (int i = 0; i < 100000; i++)
		buf_puts(&big, "\xc3\xa4");
	buf_append(&big, "\0\0", 2);
	pgerror_read(buf_data(&big), buf_len(&big), &f);
	pgerror_to_err(&f, ERR_SERVER_REFUSED, &e);
	cr_assert_lt(strlen(e.msg), sizeof(e.msg));
	cr_assert_gt(strlen(e.msg), 200);
	buf_fini(&big);
}

Test(wire_pg_query, error_with_a_field_replaced)
{
	struct pgerror f;
	fresh();
	pgerror_put_replaced(
		&b, 'E', BODY("SERROR\0VERROR\0C26000\0Mold\0Rx\0\0"), 'M', "new text");
	struct pgmsg m = msg();
	pgerror_read(m.body, m.body_n, &f);
	cr_assert(f.whole);
	cr_assert_str_eq(f.msg, "new text");
	cr_assert_str_eq(f.sqlstate, "26000");
	cr_assert_str_eq(f.routine, "x");
	fresh();
	pgerror_put_replaced(
		&b, 'E', BODY("SERROR\0Mold"), 'M', "new"); /* cut: a whole message all the same */
	m = msg();
	pgerror_read(m.body, m.body_n, &f);
	cr_assert(f.whole);
	cr_assert_str_eq(f.severity, "ERROR");
	buf_fini(&b);
}

Test(wire_pg_query, notice)
{
	struct pgerror f;
	fresh();
	pgerror_put_notice(&b, "NOTICE", "00000", "hello", "more", NULL);
	struct pgmsg m = msg();
	cr_assert_eq(m.type, 'N');
	pgerror_read(m.body, m.body_n, &f);
	cr_assert(f.whole);
	cr_assert_str_eq(f.severity, "NOTICE");
	cr_assert_str_eq(f.detail, "more");
	cr_assert_null(f.hint);
	buf_fini(&b);
}

Test(wire_pg_query, rows)
{
	struct pgrow_col c;
	struct rd r;
	unsigned n;
	fresh();
	size_t at = pgrow_desc_begin(&b, 2);
	pgrow_desc_col(&b, "a", 23, 4, 1);
	pgrow_desc_col(&b, "", 25, -1, 0);
	pgmsg_end(&b, at);
	struct pgmsg m = msg();
	cr_assert(pgrow_desc_read(m.body, m.body_n, &n, &r));
	cr_assert_eq(n, 2);
	cr_assert(pgrow_desc_next(&r, &c));
	cr_assert_str_eq(c.name, "a");
	cr_assert(c.type_oid == 23 && c.type_len == 4 && c.format == 1 && c.type_mod == -1);
	cr_assert(pgrow_desc_next(&r, &c));
	cr_assert(c.type_oid == 25 && c.type_len == -1);
	cr_assert_eq(rd_left(&r), 0);
	cr_assert_not(pgrow_desc_next(&r, &c));

	fresh();
	at = pgrow_data_begin(&b, 3);
	pgrow_data_cell(&b, "xyz", 3);
	pgrow_data_null(&b);
	pgrow_data_cell(&b, NULL, 0);
	pgmsg_end(&b, at);
	m = msg();
	const uint8_t *p;
	size_t len;
	cr_assert(pgrow_data_check(m.body, m.body_n));
	cr_assert(pgrow_data_read(m.body, m.body_n, &n, &r));
	cr_assert(pgrow_data_next(&r, &p, &len) && len == 3 && memcmp(p, "xyz", 3) == 0);
	cr_assert(pgrow_data_next(&r, &p, &len) && p == NULL);
	cr_assert(pgrow_data_next(&r, &p, &len) && p != NULL && len == 0);
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgrow_data_check(m.body, i), "%zu", i);
	cr_assert_not(pgrow_data_check(BODY("\0\1\x7f\xff\xff\xff")));
	cr_assert_not(pgrow_data_check(BODY("\0\1\xff\xff\xff\xfe")));
	cr_assert_not(pgrow_data_check(BODY("\xff\xff")));
	cr_assert_not(pgrow_data_check(BODY("\0\0x")));
	buf_fini(&b);
}

Test(wire_pg_query, parse_and_query)
{
	struct pgext_parse p;
	const char *text;
	size_t n;
	const uint8_t types[] = { 0, 0, 0, 23, 0, 0, 0, 25 };
	fresh();
	pgext_put_parse(&b, "s1", "select $1", 9, types, 2);
	struct pgmsg m = msg();
	cr_assert(pgext_read_parse(m.body, m.body_n, &p));
	cr_assert_str_eq(p.name, "s1");
	cr_assert_str_eq(p.text, "select $1");
	cr_assert(p.text_n == 9 && p.name_n == 2 && p.n_types == 2 && p.tail_off == 3);
	cr_assert_eq(memcmp(p.types, types, 8), 0);
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgext_read_parse(m.body, i, &p), "%zu", i);
	cr_assert_not(pgext_read_parse(BODY("\0x\0\0\0z"), &p), "tail");
	cr_assert_not(pgext_read_parse(BODY("\0x\0\xff\xff"), &p), "65535 types in 0 bytes");

	fresh();
	pgext_put_query(&b, "select", 6);
	m = msg();
	cr_assert(pgext_read_query(m.body, m.body_n, &text, &n) && n == 6);
	cr_assert_not(pgext_read_query(m.body, m.body_n - 1, &text, &n), "no NUL");
	cr_assert_not(pgext_read_query(BODY("a\0b\0"), &text, &n), "two texts");
	cr_assert_not(pgext_read_query(NULL, 0, &text, &n));
	buf_fini(&b);
}

Test(wire_pg_query, bind)
{
	struct pgext_bind h;
	struct pgext_bind_tail t;
	const char *params[] = { "one", NULL, "" };
	const uint8_t *p;
	size_t n;
	fresh();
	pgext_put_bind_text(&b, "p", "s", params, 3);
	struct pgmsg m = msg();
	cr_assert(pgext_read_bind(m.body, m.body_n, &h));
	cr_assert_str_eq(h.portal, "p");
	cr_assert_str_eq(h.stmt, "s");
	cr_assert_eq(h.tail_off, 4);
	const uint8_t *tail = m.body + h.tail_off;
	const size_t head_n = h.tail_off, tail_n = m.body_n - head_n;
	cr_assert(pgext_read_bind_tail(tail, tail_n, &t));
	cr_assert_eq(t.n_params, 3);
	cr_assert(pgext_next_param(&t.params, &p, &n) && n == 3);
	cr_assert(pgext_next_param(&t.params, &p, &n) && p == NULL);
	cr_assert(pgext_next_param(&t.params, &p, &n) && p && n == 0);
	for (size_t i = 0; i < tail_n; i++)
		cr_assert_not(pgext_read_bind_tail(tail, i, &t), "%zu", i);
	for (size_t i = 0; i < head_n; i++)
		cr_assert_not(pgext_read_bind(m.body, i, &h), "%zu", i);
	cr_assert(pgext_read_bind(m.body, head_n, &h), "the tail need not be here");
	cr_assert_not(pgext_read_bind_tail(BODY("\0\0\0\1\xff\xff\xff\xfe\0\0"), &t));
	cr_assert_not(pgext_read_bind_tail(BODY("\xff\xff\0\0\0\0"), &t));

	/* The head with another name in front of the same tail is the same message. */
	struct buf other;
	buf_init(&other, 0);
	pgext_put_bind_head(&other, "p", "s", tail_n);
	buf_append(&other, tail, tail_n);
	cr_assert_eq(buf_len(&other), buf_len(&b));
	cr_assert_eq(memcmp(buf_data(&other), buf_data(&b), buf_len(&b)), 0);
	buf_fini(&other);
	buf_fini(&b);

	const uint8_t f[] = { 0, 1, 0, 0 };
	cr_assert_eq(pgext_format_of(f, 0, 5), 0);
	cr_assert_eq(pgext_format_of(f, 1, 5), 1);
	cr_assert_eq(pgext_format_of(f, 2, 0), 1);
	cr_assert_eq(pgext_format_of(f, 2, 1), 0);
	cr_assert_eq(pgext_format_of(f, 2, 2), 0);
}

Test(wire_pg_query, targets_and_execute)
{
	struct pgext_target t;
	struct pgext_execute x;
	fresh();
	pgext_put_describe(&b, 'S', "n");
	struct pgmsg m = msg();
	cr_assert(m.type == 'D' && pgext_read_target(m.body, m.body_n, &t) && t.kind == 'S');
	cr_assert_str_eq(t.name, "n");
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgext_read_target(m.body, i, &t));
	cr_assert_not(pgext_read_target(BODY("X\0"), &t));
	cr_assert_not(pgext_read_target(BODY("S\0\0"), &t));
	fresh();
	pgext_put_execute(&b, "", 7);
	m = msg();
	cr_assert(pgext_read_execute(m.body, m.body_n, &x) && x.max_rows == 7);
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgext_read_execute(m.body, i, &x));
	fresh();
	pgext_put_close(&b, 'P', "c");
	pgext_put_sync(&b);
	pgext_put_flush(&b);
	cr_assert_eq(buf_len(&b), 5 + 3 + 5 + 5);
	buf_fini(&b);
}
