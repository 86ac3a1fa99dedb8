/* wire/mysql: answers and commands: what tells a row from the end, OK and EOF for every combination
 * of capabilities, session state, prepared statements re-encoded for another layout. */
#include "base/mem.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/column.h"
#include "wire/mysql/command.h"
#include "wire/mysql/error.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/query.h"
#include "wire/mysql/row.h"
#include "wire/mysql/stmt.h"
#include "wire/mysql/track.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(wire_mysql_query, .fini = assert_all_back, .timeout = 60);

#define U8(text) ((const uint8_t *)(text))
#define STR(text) ((struct mystr){ (text), sizeof(text) - 1 })
#define assert_mystr(s, text) \
	cr_assert((s).p != NULL && (s).n == strlen(text) && memcmp((s).p, text, (s).n) == 0, \
		"got '%.*s', not '%s'", (int)(s).n, (s).p ? (s).p : "(absent)", text)
#define assert_payload(b, bytes) \
	cr_assert(buf_len(b) == 4 + sizeof(bytes) - 1 && \
		  memcmp(buf_data(b) + 4, bytes, sizeof(bytes) - 1) == 0)

#define OLD MYCAP(PROTOCOL_41)
#define TRACK (OLD | MYCAP(SESSION_TRACK))
#define NO_EOF (OLD | MYCAP(DEPRECATE_EOF))
#define NEW (TRACK | NO_EOF)

/* ---- what a packet is ---- */
Test(wire_mysql_query, rows_and_their_end)
{
	/* The end: an EOF of 5 bytes, or an OK of any length. */
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 5, OLD), MYREPLY_EOF);
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 8, OLD), MYREPLY_EOF);
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 9, OLD), MYREPLY_DATA);
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 9, NEW), MYREPLY_EOF);
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 640, NEW), MYREPLY_EOF, "optimizer_switch");
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 0xfffffe, NEW), MYREPLY_EOF);
	/* A row whose first column has 16 MiB and more. */
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 0xffffff, NEW), MYREPLY_DATA);
	cr_assert_eq(myreply_row(U8("\xfe"), 1, 0xffffff, OLD), MYREPLY_DATA);
	/* NULL in a row is no request for a file; an error is one with any capabilities. */
	cr_assert_eq(myreply_row(U8("\xfb"), 1, 1, NEW), MYREPLY_DATA);
	cr_assert_eq(myreply_row(U8("\xff\x51\x04"), 3, 30, OLD), MYREPLY_ERR);
	cr_assert_eq(myreply_row(U8("\xff\xff\xff"), 3, 30, NEW), MYREPLY_PROGRESS);
	cr_assert_eq(myreply_row(U8("\0"), 1, 10, NEW), MYREPLY_DATA, "a binary row");
	cr_assert_eq(myreply_row(U8(""), 0, 0, NEW), MYREPLY_DATA);
}

Test(wire_mysql_query, first_packets)
{
	cr_assert_eq(myreply_first(U8("\0"), 1, 7), MYREPLY_OK);
	cr_assert_eq(myreply_first(U8("\xfb"
				      "file"),
			     3, 5),
		MYREPLY_INFILE);
	cr_assert_eq(myreply_first(U8("\xff\x15\x04"), 3, 30), MYREPLY_ERR);
	cr_assert_eq(myreply_first(U8("\xff\xff\xff"), 3, 30), MYREPLY_PROGRESS);
	cr_assert_eq(myreply_first(U8("\xfe"), 1, 7), MYREPLY_EOF, "COM_SET_OPTION");
	cr_assert_eq(myreply_first(U8("\x01"), 1, 1), MYREPLY_DATA);
	cr_assert_eq(myreply_first(U8("\xfc\x00\x01"), 3, 3), MYREPLY_DATA, "256 columns");
}

/* ---- OK, EOF ---- */
Test(wire_mysql_query, ok_in_every_layout)
{
	static const uint64_t caps[] = { OLD, TRACK, NO_EOF, NEW };
	static const struct mystr infos[] = { { NULL, 0 }, STR("Rows matched: 1") };
	static const struct mystr tracks[] = { { NULL, 0 }, STR(""),
		STR("\x02\x01"
		    "1") };
	for (unsigned i = 0; i < 4 * 2 * 3 * 2; i++) {
		uint64_t c = caps[i % 4];
		struct myok r, ok = { .header = i % 2 ? 0xfe : 0,
			.affected = 70000,
			.insert_id = UINT64_C(0x123456789ab),
			.status = MYSTATUS_AUTOCOMMIT | MYSTATUS_SESSION_STATE_CHANGED,
			.warnings = 3,
			.info = infos[i / 4 % 2],
			.track = tracks[i / 8 % 3] };
		struct buf b;
		uint8_t seq = 5;
		buf_init(&b, 0);
		myok_put(&b, &seq, c, &ok);
		cr_assert_null(myok_read(buf_data(&b) + 4, buf_len(&b) - 4, c, &r));
		cr_assert_eq(r.header, ok.header);
		cr_assert_eq(r.affected, ok.affected);
		cr_assert_eq(r.insert_id, ok.insert_id);
		cr_assert_eq(r.warnings, 3);
		cr_assert_eq(r.info.n, ok.info.n);
		bool block = c & MYCAP(SESSION_TRACK) && ok.track.p;
		cr_assert_eq((r.status & MYSTATUS_SESSION_STATE_CHANGED) != 0, block);
		cr_assert_eq(r.track.p != NULL, block);
		cr_assert_eq(r.track.n, block ? ok.track.n : 0);
		for (size_t n = 0; n < 15 && n < buf_len(&b) - 4; n++)
			cr_assert_not_null(myok_read(buf_data(&b) + 4, n, c, &r));
		buf_fini(&b);
	}
}

Test(wire_mysql_query, ok_of_other_writers)
{
	struct myok ok;
	/* The documents' form without a length, and one that looks like a length and is not. */
	cr_assert_null(myok_read(U8("\0\0\0\2\0\0\0Changed"), 14, OLD, &ok));
	assert_mystr(ok.info, "Changed");
	cr_assert_null(myok_read(U8("\0\0\0\2\0\0\0\7Changed"), 15, OLD, &ok));
	assert_mystr(ok.info, "Changed");
	cr_assert_null(myok_read(U8("\0\0\0\2\0\0\0\6Changed"), 15, OLD, &ok));
	cr_assert_eq(ok.info.n, 8);
	/* The bit without a block: what a server says that has nothing to add. */
	cr_assert_null(myok_read(U8("\0\0\0\2\x40\0\0"), 7, NEW, &ok));
	cr_assert_null(ok.track.p);
	cr_assert_null(myok_read(U8("\0\0\0\2\x40\0\0\0\0"), 9, NEW, &ok));
	cr_assert_not_null(ok.track.p);
	cr_assert_eq(ok.track.n, 0);
	/* Lengths that lie. */
	cr_assert_str_eq(myok_read(U8("\0\0\0\2\0\0\0\5abc"), 11, NEW, &ok), "info");
	cr_assert_str_eq(
		myok_read(U8("\0\0\0\2\x40\0\0\0\xfc\xff\xff"), 11, NEW, &ok), "session state");
	cr_assert_str_eq(myok_read(U8("\0\0\0\2\0\0\0\0x"), 9, NEW, &ok), "end");
	cr_assert_str_eq(myok_read(U8("\0\xff\0\2\0\0\0"), 7, NEW, &ok), "affected rows");
	cr_assert_str_eq(myok_read(U8("\1"), 1, NEW, &ok), "header");
}

Test(wire_mysql_query, end_of_rows_for_each_side)
{
	struct buf b;
	uint8_t seq = 0;
	struct myok r, ok = { .status = MYSTATUS_IN_TRANS | MYSTATUS_SESSION_STATE_CHANGED,
		.warnings = 2,
		.track = STR("\x02\x01"
			     "1") };
	buf_init(&b, 0);
	myok_put_end(&b, &seq, OLD, &ok);
	assert_payload(&b, "\xfe\2\0\1\0");
	cr_assert_null(myok_read_end(buf_data(&b) + 4, 5, OLD, &r));
	cr_assert_eq(r.status, MYSTATUS_IN_TRANS);
	cr_assert_eq(r.warnings, 2);
	cr_assert_not_null(myok_read_eof(buf_data(&b) + 4, 4, &r));
	buf_fini(&b);
	myok_put_end(&b, &seq, NO_EOF, &ok);
	assert_payload(&b, "\xfe\0\0\1\0\2\0");
	buf_fini(&b);
	myok_put_end(&b, &seq, NEW, &ok);
	assert_payload(&b, "\xfe\0\0\1\x40\2\0\0\3\2\1"
			   "1");
	cr_assert_eq(seq, 3);
	buf_fini(&b);
}

/* ---- errors ---- */
Test(wire_mysql_query, errors)
{
	struct buf b;
	uint8_t seq = 1;
	struct myerror m;
	struct err e;
	cr_assert_null(myerror_read(U8("\xff\x15\x04#28000Access denied"), 22, &m));
	cr_assert_eq(m.number, 1045);
	cr_assert_str_eq(m.sqlstate, "28000");
	assert_mystr(m.msg, "Access denied");
	/* Before a greeting there is no SQLSTATE; and what is none is none. */
	cr_assert_null(myerror_read(U8("\xff\x10\x04Too many connections"), 23, &m));
	cr_assert_str_eq(m.sqlstate, "HY000");
	assert_mystr(m.msg, "Too many connections");
	cr_assert_null(myerror_read(U8("\xff\x10\x04#\n\n\n\n\nx"), 10, &m));
	cr_assert_str_eq(m.sqlstate, "HY000");
	cr_assert_not_null(myerror_read(U8("\xff\x10"), 2, &m));
	cr_assert_null(myerror_read(U8("\xff\x10\x04#12"), 6, &m));
	assert_mystr(m.msg, "#12");

	myerror_to_err(&m, ERR_SERVER_REFUSED, &e);
	cr_assert_eq(e.mysql_errno, 1040);
	buf_init(&b, 0);
	myerror_put_err(&b, &seq, &e, false);
	assert_payload(&b, "\xff\x10\x04#HY000#12");
	buf_fini(&b);
	(void)err_set(&e, ERR_TOO_MANY, "no slot");
	(void)err_hint(&e, "raise it");
	myerror_put_err(&b, &seq, &e, false);
	assert_payload(&b, "\xff\x10\x04#08004no slot (raise it)");
	buf_fini(&b);
	myerror_put_err(&b, &seq, &e, true);
	assert_payload(&b, "\xff\x10\x04no slot (raise it)");
	buf_fini(&b);
}

/* ---- session state ---- */
Test(wire_mysql_query, unknown_entries_are_skipped_by_their_length)
{
	struct buf block;
	struct mytrack t;
	struct mystr a, b;
	buf_init(&block, 0);
	mytrack_put_var(&block, STR("sql_mode"), STR("ANSI"));
	mytrack_put(&block, &(struct mytrack){ .type = 99, .data = STR("\xff\xff\xff") });
	mytrack_put_text(&block, MYTRACK_SCHEMA, STR(""));
	struct rd r = rd_of(buf_data(&block), buf_len(&block));
	cr_assert(mytrack_next(&r, &t));
	struct rd pairs = rd_of(t.data.p, t.data.n);
	cr_assert(mytrack_next_var(&pairs, &a, &b));
	assert_mystr(a, "sql_mode");
	assert_mystr(b, "ANSI");
	cr_assert_not(mytrack_next_var(&pairs, &a, &b));
	cr_assert(rd_ok(&pairs));
	cr_assert(mytrack_next(&r, &t));
	cr_assert_eq(t.type, 99);
	cr_assert(mytrack_next(&r, &t));
	cr_assert_eq(t.type, MYTRACK_SCHEMA);
	cr_assert_null(mytrack_read_text(t.data, &a));
	cr_assert_eq(a.n, 0);
	cr_assert_not(mytrack_next(&r, &t));
	cr_assert(rd_ok(&r));
	for (size_t n = 1; n < buf_len(&block); n++) {
		r = rd_of(buf_data(&block), n);
		while (mytrack_next(&r, &t))
			;
		/* Cut between entries it is a shorter block. */
		cr_assert_eq(rd_ok(&r), n == 16 || n == 21, "%zu", n);
	}
	buf_fini(&block);
}

Test(wire_mysql_query, entries_that_lie)
{
	struct mystr a, b;
	uint8_t encoding;
	struct rd r = rd_of("\x05name", 5);
	cr_assert_not(mytrack_next_var(&r, &a, &b));
	cr_assert_not(rd_ok(&r));
	cr_assert_not_null(mytrack_read_text(STR("\x05"
						 "abc"),
		&a));
	cr_assert_not_null(mytrack_read_text(STR("\x02"
						 "abc"),
		&a));
	cr_assert_not_null(mytrack_read_text(STR(""), &a));
	cr_assert_not_null(mytrack_read_gtids(STR("\0\xfc"), &encoding, &a));
	cr_assert_null(mytrack_read_gtids(STR("\0\3a:1"), &encoding, &a));
	assert_mystr(a, "a:1");
}

/* ---- columns and rows ---- */
Test(wire_mysql_query, column_counts)
{
	uint64_t n;
	bool follows;
	uint64_t opt = NEW | MYCAP(OPTIONAL_METADATA), cache = NEW | MYCAP(MARIADB_CACHE_METADATA);
	cr_assert_null(mycolumn_read_count(U8("\3"), 1, NEW, &n, &follows));
	cr_assert(n == 3 && follows);
	cr_assert_null(mycolumn_read_count(U8("\3\0"), 2, opt, &n, &follows));
	cr_assert(n == 3 && !follows);
	cr_assert_null(mycolumn_read_count(U8("\xfc\0\1\1"), 4, cache, &n, &follows));
	cr_assert(n == 256 && follows);
	cr_assert_not_null(mycolumn_read_count(U8("\3"), 1, opt, &n, &follows));
	cr_assert_not_null(mycolumn_read_count(U8("\3\0"), 2, NEW, &n, &follows));
	cr_assert_not_null(mycolumn_read_count(U8("\3\2"), 2, cache, &n, &follows));
	cr_assert_not_null(mycolumn_read_count(U8("\0"), 1, NEW, &n, &follows));
	cr_assert_not_null(mycolumn_read_count(U8("\xfe\1\2"), 3, NEW, &n, &follows));
}

Test(wire_mysql_query, columns_of_both_families)
{
	struct mycolumn r, c = { .catalog = STR("def"),
		.schema = STR("app"),
		.table = STR("t"),
		.org_table = STR("t"),
		.name = STR("v"),
		.org_name = STR("v"),
		.extended = STR("\1\4json"),
		.collation = 2304,
		.length = 80,
		.type = MYTYPE_VAR_STRING,
		.flags = 0x1001,
		.decimals = 31 };
	uint64_t maria = NEW | MYCAP(MARIADB_EXTENDED_METADATA);
	for (int i = 0; i < 6; i++) {
		uint64_t caps = i % 2 ? maria : NEW;
		struct buf b;
		uint8_t seq = 0;
		c.has_default = i / 2 != 0;
		c.def_value = i / 2 == 2 ? STR("7") : (struct mystr){ NULL, 0 };
		buf_init(&b, 0);
		mycolumn_put(&b, &seq, caps, &c);
		cr_assert_null(mycolumn_read(buf_data(&b) + 4, buf_len(&b) - 4, caps, &r));
		assert_mystr(r.catalog, "def");
		assert_mystr(r.org_name, "v");
		cr_assert_eq(r.collation, 2304);
		cr_assert_eq(r.length, 80);
		cr_assert_eq(r.type, MYTYPE_VAR_STRING);
		cr_assert_eq(r.flags, 0x1001);
		cr_assert_eq(r.decimals, 31);
		cr_assert_eq(r.extended.p != NULL, caps == maria);
		cr_assert_eq(r.has_default, c.has_default);
		cr_assert_eq(r.def_value.n, c.def_value.n);
		for (size_t n = 0; n < buf_len(&b) - 4 && i < 2; n++)
			cr_assert_not_null(mycolumn_read(buf_data(&b) + 4, n, caps, &r), "%zu", n);
		/* In the other family's layout it is malformed, not something else. */
		if (i < 2)
			cr_assert_not_null(mycolumn_read(buf_data(&b) + 4, buf_len(&b) - 4,
				caps == maria ? NEW : maria, &r));
		buf_fini(&b);
	}
}

Test(wire_mysql_query, rows_of_text)
{
	struct buf b;
	uint8_t seq = 0;
	struct mystr cells[3];
	buf_init(&b, 0);
	size_t at = mypacket_begin(&b);
	myrow_put_cell(&b, STR("a"));
	myrow_put_cell(&b, (struct mystr){ NULL, 0 });
	myrow_put_cell(&b, STR(""));
	mypacket_end(&b, at, &seq);
	assert_payload(&b, "\1a\xfb\0");
	cr_assert_null(myrow_read(buf_data(&b) + 4, 4, cells, 3));
	assert_mystr(cells[0], "a");
	cr_assert_null(cells[1].p);
	assert_mystr(cells[2], "");
	cr_assert_not_null(myrow_read(buf_data(&b) + 4, 4, cells, 2));
	cr_assert_not_null(myrow_read(buf_data(&b) + 4, 3, cells, 3));
	cr_assert_not_null(myrow_read(U8("\5a"), 2, cells, 1));
	buf_fini(&b);
}

/* ---- queries ---- */
#define ATTRS (NEW | MYCAP(QUERY_ATTRIBUTES))
/* as mysql 9.7's client sends it: trace = 'abc', a NULL without a name, n = 5 */
static const char attrs_query[] = "\3\3\1\2\1\xfd\0\5trace\6\0\0\3\0\1n\3abc\5\0\0\0select 1";

Test(wire_mysql_query, query_attributes)
{
	struct myquery q;
	struct myparam v;
	const char *where;
	struct buf b;
	uint8_t seq = 0;
	size_t n = sizeof(attrs_query) - 1, text_off = n - 8;
	for (size_t have = 0; have < text_off; have++) {
		cr_assert_eq(myquery_read(U8(attrs_query), have, n, ATTRS, &q, &where), 0);
		cr_assert_eq(myquery_read(U8(attrs_query), have, have, ATTRS, &q, &where), -1);
	}
	cr_assert_eq(myquery_read(U8(attrs_query), text_off + 3, n, ATTRS, &q, &where), 1);
	assert_mystr(q.text, "sel");
	cr_assert_eq(myquery_read(U8(attrs_query), n, n, ATTRS, &q, &where), 1);
	assert_mystr(q.text, "select 1");
	cr_assert_eq(q.attrs_n, 3);
	struct myparam_iter it = q.it;
	cr_assert(myparam_next(&it, &v));
	assert_mystr(v.name, "trace");
	assert_mystr(v.value, "\3abc");
	cr_assert(myparam_next(&it, &v));
	cr_assert(v.null);
	cr_assert(myparam_next(&it, &v));
	cr_assert_eq(v.type, MYTYPE_LONG);
	cr_assert_eq(v.value.n, 4);
	cr_assert_not(myparam_next(&it, &v));

	buf_init(&b, 0);
	myquery_put(&b, &seq, ATTRS, &q, q.text.p, q.text.n);
	cr_assert_eq(memcmp(buf_data(&b) + 4, attrs_query, n), 0);
	buf_fini(&b);
	myquery_put(&b, &seq, NEW, &q, q.text.p, q.text.n);
	assert_payload(&b, "\3select 1");
	buf_fini(&b);
	myquery_put(&b, &seq, ATTRS, NULL, "do 1", 4);
	assert_payload(&b, "\3\0\1do 1");
	buf_fini(&b);
	cr_assert_eq(myquery_read(U8("\3\3do 1"), 6, 6, NEW, &q, &where), 1);
	assert_mystr(q.text, "\3do 1");
}

/* ---- prepared statements ---- */
#define EXEC(bytes, caps, known) \
	mystmt_read_execute( \
		U8(bytes), sizeof(bytes) - 1, sizeof(bytes) - 1, caps, known, &x, &where)

Test(wire_mysql_query, execute_without_parameters)
{
	struct mystmt_execute x;
	struct mystmt_known none = { 0, NULL, NULL };
	const char *where;
	struct buf b;
	uint8_t seq = 0;
	cr_assert_eq(EXEC("\x17\5\0\0\0\0\1\0\0\0", NEW, &none), 1);
	cr_assert(x.checked && x.id == 5 && x.iterations == 1);
	/* What stands behind it means nothing to a server. */
	cr_assert_eq(EXEC("\x17\5\0\0\0\0\1\0\0\0junk", NEW, &none), 1);
	buf_init(&b, 0);
	mystmt_put_execute(&b, &seq, NEW, &x, 9, NULL, true);
	assert_payload(&b, "\x17\x09\0\0\0\0\1\0\0\0");
	buf_fini(&b);
	cr_assert_eq(EXEC("\x17\5\0\0\0\0\1\0\0", NEW, &none), -1);
	/* Attributes alone; dropped for a server without them. */
	cr_assert_eq(EXEC("\x17\3\0\0\0\x08\1\0\0\0\1\0\1\xfd\0\1a\1x", ATTRS, &none), 1);
	cr_assert(x.checked && x.attrs_n == 1 && x.params_values_n == 0);
	mystmt_put_execute(&b, &seq, NEW, &x, 9, NULL, true);
	assert_payload(&b, "\x17\x09\0\0\0\0\1\0\0\0");
	buf_fini(&b);
	mystmt_put_execute(&b, &seq, ATTRS, &x, 9, NULL, true);
	assert_payload(&b, "\x17\x09\0\0\0\x08\1\0\0\0\1\0\1\xfd\0\1a\1x");
	buf_fini(&b);
}

Test(wire_mysql_query, execute_for_another_server)
{
	struct mystmt_execute x;
	struct mystmt_known two = { 2, NULL, NULL };
	const char *where;
	struct buf b;
	uint8_t seq = 0, types[4];
	/* 'a', 3, and an attribute */
	static const char bytes[] = "\x17\1\0\0\0\x09\1\0\0\0\3\0\1\xfd\0\0\3\x80\0\xfd\0\1k"
				    "\1a\3\0\0\0\1v";
	cr_assert_eq(EXEC(bytes, ATTRS, &two), 1);
	cr_assert_eq(x.flags & MYSTMT_CURSOR_MASK, 1);
	cr_assert(x.checked && x.params_n == 2 && x.attrs_n == 1 && x.params_values_n == 6);
	mystmt_copy_types(&x, types);
	cr_assert_eq(memcmp(types, "\xfd\0\3\x80", 4), 0);
	buf_init(&b, 0);
	mystmt_put_execute(&b, &seq, NEW, &x, 7, NULL, true);
	assert_payload(&b, "\x17\7\0\0\0\1\1\0\0\0\0\1\xfd\0\3\x80\1a\3\0\0\0");
	buf_fini(&b);
	mystmt_put_execute(&b, &seq, ATTRS, &x, 7, NULL, false);
	assert_payload(&b, "\x17\7\0\0\0\1\1\0\0\0\2\0\1\xfd\0\0\3\x80\0\1a\3\0\0\0");
	buf_fini(&b);
}

/* A client that bound its types before executes without them, on a new server connection. */
Test(wire_mysql_query, execute_with_types_of_before)
{
	static const uint8_t types[] = { 0xfd, 0, 3, 0 };
	struct mystmt_execute x;
	struct mystmt_known known = { 2, types, NULL }, unknown = { 2, NULL, NULL };
	const char *where;
	struct buf b;
	uint8_t seq = 0;
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\2\0\1a", NEW, &unknown), 1);
	cr_assert_not(x.checked);
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\2\0\1a", NEW, &known), 1);
	cr_assert(x.checked && !x.new_types);
	buf_init(&b, 0);
	mystmt_put_execute(&b, &seq, NEW, &x, 1, types, true);
	assert_payload(&b, "\x17\1\0\0\0\0\1\0\0\0\2\1\xfd\0\3\0\1a");
	buf_fini(&b);
	mystmt_put_execute(&b, &seq, ATTRS, &x, 1, types, true);
	assert_payload(&b, "\x17\1\0\0\0\0\1\0\0\0\2\2\1\xfd\0\0\3\0\0\1a");
	buf_fini(&b);
	mystmt_put_execute(&b, &seq, NEW, &x, 1, NULL, true);
	assert_payload(&b, "\x17\1\0\0\0\0\1\0\0\0\2\0\1a");
	buf_fini(&b);
}

Test(wire_mysql_query, parameters_sent_as_long_data)
{
	static const uint8_t bits = 1;
	struct mystmt_execute x;
	struct mystmt_known known = { 2, NULL, &bits };
	struct myparam v;
	const char *where;
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\xfc\0\3\0\2\0\0\0", NEW, &known), 1);
	struct myparam_iter it = x.it;
	cr_assert(myparam_next(&it, &v) && v.long_data && v.value.p == NULL);
	cr_assert(myparam_next(&it, &v) && v.value.n == 4);
	known.long_data = NULL;
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\xfc\0\3\0\2\0\0\0", NEW, &known), -1);
}

Test(wire_mysql_query, executes_that_lie)
{
	struct mystmt_execute x;
	struct mystmt_known one = { 1, NULL, NULL };
	const char *where;
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0", NEW, &one), -1);
	cr_assert_str_eq(where, "NULL bitmap");
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\2\3\0\1\0\0\0", NEW, &one), -1);
	cr_assert_str_eq(where, "new_params_bind_flag");
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\3", NEW, &one), -1);
	cr_assert_str_eq(where, "types of the parameters");
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\3\0\1\0\0", NEW, &one), -1);
	cr_assert_str_eq(where, "value of a parameter");
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\xfd\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
			     NEW, &one),
		-1);
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\x0e\0\1", NEW, &one), -1, "no such type");
	cr_assert_eq(EXEC("\x17\1\0\0\0\0\1\0\0\0\0\1\x77\0\1", NEW, &one), -1, "no such type");
	/* Counts of attributes: fewer than parameters, absurd, without types. */
	cr_assert_eq(EXEC("\x17\1\0\0\0\x08\1\0\0\0\0", ATTRS, &one), -1);
	cr_assert_str_eq(where, "number of parameters");
	cr_assert_eq(EXEC("\x17\1\0\0\0\x08\1\0\0\0\xfe\0\0\0\0\1\0\0\0\0", ATTRS, &one), -1);
	cr_assert_eq(EXEC("\x17\1\0\0\0\x08\1\0\0\0\xfc\xff\xff\0", ATTRS, &one), -1);
	cr_assert_str_eq(where, "NULL bitmap");
	cr_assert_eq(EXEC("\x17\1\0\0\0\x08\1\0\0\0\2\0\0", ATTRS, &one), -1);
	cr_assert_str_eq(where, "new_params_bind_flag");
}

Test(wire_mysql_query, prepared_and_small_commands)
{
	struct mystmt_prepared s;
	struct mystmt_long_data l;
	uint32_t id, rows;
	uint16_t option;
	struct mystr a, b;
	uint64_t opt = NEW | MYCAP(OPTIONAL_METADATA);
	cr_assert_null(mystmt_read_prepared(U8("\0\1\0\0\0\3\0\2\0\0\4\0"), 12, NEW, &s));
	cr_assert(s.id == 1 && s.columns_n == 3 && s.params_n == 2 && s.warnings == 4);
	cr_assert(s.metadata_follows);
	cr_assert_null(mystmt_read_prepared(U8("\0\1\0\0\0\3\0\2\0\0\4\0\0"), 13, opt, &s));
	cr_assert_not(s.metadata_follows);
	cr_assert_not_null(mystmt_read_prepared(U8("\0\1\0\0\0\3\0\2\0\0\4\0\0"), 13, NEW, &s));
	for (size_t n = 0; n < 9; n++)
		cr_assert_not_null(mystmt_read_prepared(U8("\0\1\0\0\0\3\0\2\0"), n, NEW, &s));
	cr_assert_null(mystmt_read_long_data(U8("\x18\1\0\0\0\2\0xyz"), 10, &l));
	cr_assert(l.id == 1 && l.param == 2);
	assert_mystr(l.data, "xyz");
	cr_assert_not_null(mystmt_read_long_data(U8("\x18\1\0\0\0\2"), 6, &l));
	cr_assert_null(mystmt_read_fetch(U8("\x1c\1\0\0\0\2\0\0\0"), 9, &id, &rows));
	cr_assert(id == 1 && rows == 2);
	cr_assert_not_null(mystmt_read_fetch(U8("\x1c\1\0\0\0\2\0\0"), 8, &id, &rows));
	cr_assert_not(mystmt_read_id(U8("\x19\1\0\0"), 4, &id));
	cr_assert_null(mycommand_read_set_option(U8("\x1b\1\0"), 3, &option));
	cr_assert_eq(option, 1);
	cr_assert_not_null(mycommand_read_set_option(U8("\x1b\1"), 2, &option));
	cr_assert_not_null(mycommand_read_kill(U8("\x0c\1\0\0"), 4, &id));
	cr_assert_null(mycommand_read_field_list(U8("\4t\0%"), 4, &a, &b));
	assert_mystr(a, "t");
	assert_mystr(b, "%");
	cr_assert_not_null(mycommand_read_field_list(U8("\4t"), 2, &a, &b));
	cr_assert_null(mycommand_read_infile(U8("\xfb/etc/passwd"), 12, &a));
	assert_mystr(a, "/etc/passwd");
	assert_mystr(mycommand_read_init_db(U8("\2app"), 4), "app");
	assert_mystr(mycommand_read_init_db(U8("\2"), 1), "");
}

Test(wire_mysql_query, bulk_execute)
{
	struct mystmt_bulk x;
	const char *where;
	static const char bytes[] = "\xfa\xff\xff\xff\xff\x80\0\xfd\0\3\0\0\1a\0\7\0\0\0\1\2";
	size_t n = sizeof(bytes) - 1;
	cr_assert_eq(mystmt_read_bulk(U8(bytes), 6, n, 2, &x, &where), 0);
	cr_assert_eq(mystmt_read_bulk(U8(bytes), 6, 6, 2, &x, &where), -1);
	cr_assert_eq(mystmt_read_bulk(U8(bytes), n, n, 2, &x, &where), 1);
	cr_assert(x.id == MYSTMT_LAST_ID && x.types != NULL);
	const uint8_t *values = U8(bytes) + x.values_off;
	size_t values_n = n - x.values_off;
	cr_assert_null(mystmt_check_bulk(values, values_n, 2, x.types));
	cr_assert_not_null(mystmt_check_bulk(values, values_n - 1, 2, x.types));
	cr_assert_not_null(mystmt_check_bulk(values, 0, 2, x.types));
	cr_assert_not_null(mystmt_check_bulk(values, values_n, 0, x.types));
	cr_assert_not_null(mystmt_check_bulk(U8("\4\1"), 2, 2, x.types), "no such indicator");
}
