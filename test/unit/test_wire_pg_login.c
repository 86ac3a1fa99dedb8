/* wire/pg: framing, startup packets and authentication messages: what is written reads back, and
 * every cut and every absurd length is refused or waited for. */
#include "base/mem.h"
#include "wire/pg/auth.h"
#include "wire/pg/msg.h"
#include "wire/pg/session.h"
#include "wire/pg/startup.h"

#include <criterion/criterion.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(wire_pg_login, .fini = assert_all_back, .timeout = 60);

static struct buf new_buf(void)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	return b;
}

Test(wire_pg_login, take_of_each_length)
{
	struct pgmsg m;
	uint8_t q[] = { 'Q', 0, 0, 0, 6, 'a', 0, 'x' };
	for (size_t n = 0; n < 7; n++)
		cr_assert_eq(pgmsg_take(q, n, 100, &m), 0, "%zu", n);
	cr_assert_eq(pgmsg_take(q, 7, 100, &m), 1);
	cr_assert_eq(m.total, 7);
	cr_assert_eq(m.body_n, 2);
	cr_assert_eq(pgmsg_take(q, 8, 2, &m), 1);
	cr_assert_eq(m.total, 7);
	cr_assert_eq(pgmsg_take(q, 8, 1, &m), -1, "above the cap");

	static const uint32_t absurd[] = { 0, 3, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		uint8_t h[5] = { 'p', (uint8_t)(absurd[i] >> 24), (uint8_t)(absurd[i] >> 16),
			(uint8_t)(absurd[i] >> 8), (uint8_t)absurd[i] };
		cr_assert_eq(pgmsg_take(h, 5, PGAUTH_MAX_BODY_BYTES, &m), -1, "%u", absurd[i]);
		if (absurd[i] < 4)
			cr_assert_eq(pgmsg_take(h, 5, UINT32_MAX, &m), -1, "%u", absurd[i]);
	}
	uint8_t least[5] = { 'S', 0, 0, 0, 4 };
	cr_assert_eq(pgmsg_take(least, 5, 0, &m), 1);
	cr_assert_eq(m.body_n, 0);
}

Test(wire_pg_login, put_in_the_middle_of_a_buf)
{
	struct buf b = new_buf();
	buf_puts(&b, "before");
	size_t at = pgmsg_begin(&b, 'X');
	buf_puts(&b, "abc");
	pgmsg_end(&b, at);
	cr_assert_eq(buf_len(&b), 6 + 8);
	cr_assert_eq(memcmp(buf_data(&b) + 6, "X\0\0\0\7abc", 8), 0);
	buf_fini(&b);
}

Test(wire_pg_login, a_full_buf_fails_without_harm)
{
	struct buf b;
	buf_init(&b, 8);
	size_t at = pgmsg_begin(&b, 'X');
	buf_puts(&b, "abcdef");
	pgmsg_end(&b, at);
	cr_assert(b.failed);
	at = pgstartup_begin(&b, PGSTARTUP_VERSION(3, 0));
	pgstartup_end(&b, at);
	at = pgauth_begin_sasl_initial(&b, "SCRAM-SHA-256");
	pgauth_end_sasl_initial(&b, at, "SCRAM-SHA-256");
	cr_assert(b.failed);
	buf_fini(&b);
}

Test(wire_pg_login, startup_reads_back_at_every_cut)
{
	struct buf b = new_buf();
	size_t at = pgstartup_begin(&b, PGSTARTUP_VERSION(3, 2));
	pgstartup_put_param(&b, "user", "alice");
	pgstartup_put_param(&b, "options", "");
	pgstartup_end(&b, at);
	struct pgstartup s;
	for (size_t n = 0; n < buf_len(&b); n++)
		cr_assert_eq(pgstartup_take(buf_data(&b), n, &s), 0, "%zu", n);
	cr_assert_eq(pgstartup_take(buf_data(&b), buf_len(&b), &s), 1);
	cr_assert_eq(s.kind, PGSTARTUP_V3);
	cr_assert_eq(s.minor, 2);
	cr_assert_eq(s.total, buf_len(&b));
	struct rd r = rd_of(s.body, s.body_n);
	const char *k, *v;
	cr_assert(pgstartup_next(&r, &k, &v));
	cr_assert_str_eq(k, "user");
	cr_assert_str_eq(v, "alice");
	cr_assert(pgstartup_next(&r, &k, &v));
	cr_assert_str_eq(k, "options");
	cr_assert_str_eq(v, "");
	cr_assert_not(pgstartup_next(&r, &k, &v));
	cr_assert(rd_ok(&r) && rd_left(&r) == 0);

	/* Each shorter body is malformed, and the reader says so. */
	for (size_t n = 0; n < s.body_n; n++) {
		r = rd_of(s.body, n);
		while (pgstartup_next(&r, &k, &v))
			;
		cr_assert_not(rd_ok(&r), "%zu", n);
	}
	buf_fini(&b);
}

static int take_len(uint32_t len, uint32_t code)
{
	struct buf b = new_buf();
	struct pgstartup s;
	buf_put_u32be(&b, len);
	buf_put_u32be(&b, code);
	uint8_t *room = buf_reserve(&b, 11000);
	memset(room, 0, 11000);
	buf_commit(&b, 11000);
	int rc = pgstartup_take(buf_data(&b), buf_len(&b), &s);
	buf_fini(&b);
	return rc;
}

Test(wire_pg_login, startup_lengths)
{
	static const uint32_t wrong[] = { 0, 1, 3, 4, 7, 10005, 65536, 0x7fffffff, 0x80000000,
		0xffffffff };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(take_len(wrong[i], PGSTARTUP_VERSION(3, 0)), -1, "%u", wrong[i]);
	cr_assert_eq(take_len(8, PGSTARTUP_VERSION(3, 0)), 1);
	cr_assert_eq(take_len(10004, PGSTARTUP_VERSION(3, 0)), 1);
	const uint32_t cancel = PGSTARTUP_VERSION(1234, 5678), ssl = PGSTARTUP_VERSION(1234, 5679),
		       gss = PGSTARTUP_VERSION(1234, 5680);
	cr_assert_eq(take_len(8, ssl), 1);
	cr_assert_eq(take_len(9, ssl), -1);
	cr_assert_eq(take_len(8, gss), 1);
	cr_assert_eq(take_len(12, gss), -1);
	cr_assert_eq(take_len(8, cancel), -1);
	cr_assert_eq(take_len(15, cancel), -1);
	cr_assert_eq(take_len(16, cancel), 1);
	cr_assert_eq(take_len(8 + 4 + 256, cancel), 1);
	cr_assert_eq(take_len(8 + 4 + 257, cancel), -1);
}

Test(wire_pg_login, requests_read_back)
{
	struct buf b = new_buf();
	struct pgstartup s;
	uint8_t key[260];
	memset(key, 7, sizeof(key));
	pgstartup_put_ssl(&b);
	cr_assert_eq(pgstartup_take(buf_data(&b), buf_len(&b), &s), 1);
	cr_assert_eq(s.kind, PGSTARTUP_SSL);
	buf_fini(&b);
	pgstartup_put_gssenc(&b);
	cr_assert_eq(pgstartup_take(buf_data(&b), buf_len(&b), &s), 1);
	cr_assert_eq(s.kind, PGSTARTUP_GSSENC);
	buf_fini(&b);
	for (size_t n = 8; n <= sizeof(key); n++) {
		pgstartup_put_cancel(&b, key, n);
		cr_assert_eq(pgstartup_take(buf_data(&b), buf_len(&b), &s), 1);
		cr_assert_eq(s.kind, PGSTARTUP_CANCEL);
		cr_assert_eq(s.body_n, n);
		cr_assert_eq(memcmp(s.body, key, n), 0);
		buf_fini(&b);
	}
}

Test(wire_pg_login, negotiate_reads_back_and_lies_are_refused)
{
	struct buf b = new_buf();
	const char *opts[] = { "_pq_.a", "_pq_.bc" };
	pgstartup_put_negotiate(&b, PGSTARTUP_VERSION(3, 2), opts, 2);
	struct pgmsg m;
	cr_assert_eq(pgmsg_take(buf_data(&b), buf_len(&b), 1000, &m), 1);
	cr_assert_eq(m.type, 'v');
	uint32_t version, n;
	struct rd r;
	cr_assert(pgstartup_read_negotiate(m.body, m.body_n, &version, &n, &r));
	cr_assert_eq(version, 0x00030002);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(rd_cstr(&r, NULL), "_pq_.a");
	cr_assert_str_eq(rd_cstr(&r, NULL), "_pq_.bc");
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgstartup_read_negotiate(m.body, i, &version, &n, &r), "%zu", i);
	buf_set_u32be(&b, 9, 0xffffffff);
	cr_assert_not(pgstartup_read_negotiate(buf_data(&b) + 5, m.body_n, &version, &n, &r));
	buf_fini(&b);
}

Test(wire_pg_login, sasl_messages)
{
	struct buf b = new_buf();
	struct pgmsg m;
	const char *mechs[] = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", NULL };
	pgauth_put_sasl(&b, mechs);
	cr_assert_eq(pgmsg_take(buf_data(&b), buf_len(&b), 1000, &m), 1);
	uint32_t code;
	const uint8_t *data;
	size_t n, len;
	const char *name;
	cr_assert(pgauth_read(m.body, m.body_n, &code, &data, &n));
	cr_assert_eq(code, PGAUTH_SASL);
	struct rd r = rd_of(data, n);
	cr_assert(pgauth_next_mech(&r, &name, &len) && len == 18);
	cr_assert(pgauth_next_mech(&r, &name, &len) && len == 13);
	cr_assert_not(pgauth_next_mech(&r, &name, &len));
	cr_assert(rd_ok(&r));
	r = rd_of(data, n - 1); /* no end */
	while (pgauth_next_mech(&r, &name, &len))
		;
	cr_assert_not(rd_ok(&r));
	buf_fini(&b);

	size_t at = pgauth_begin_sasl_initial(&b, "SCRAM-SHA-256");
	buf_puts(&b, "n,,n=,r=x");
	pgauth_end_sasl_initial(&b, at, "SCRAM-SHA-256");
	cr_assert_eq(pgmsg_take(buf_data(&b), buf_len(&b), 1000, &m), 1);
	cr_assert(pgauth_read_sasl_initial(m.body, m.body_n, &name, &len, &data, &n));
	cr_assert_str_eq(name, "SCRAM-SHA-256");
	cr_assert_eq(n, 9);
	cr_assert_eq(memcmp(data, "n,,n=,r=x", 9), 0);
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgauth_read_sasl_initial(m.body, i, &name, &len, &data, &n));
	/* Lengths that lie. */
	static const uint32_t lies[] = { 0, 8, 10, 0x7fffffff, 0xfffffffe, 0xffffffff };
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		buf_set_u32be(&b, 5 + 14, lies[i]);
		cr_assert_not(pgauth_read_sasl_initial(
				      buf_data(&b) + 5, m.body_n, &name, &len, &data, &n),
			"%u", lies[i]);
	}
	/* No data: length -1 and nothing behind it. */
	buf_set_u32be(&b, 5 + 14, 0xffffffff);
	cr_assert(pgauth_read_sasl_initial(buf_data(&b) + 5, 14 + 4, &name, &len, &data, &n));
	cr_assert_null(data);
	buf_fini(&b);
}

Test(wire_pg_login, passwords)
{
	const char *pw;
	size_t n;
	cr_assert(pgauth_read_password((const uint8_t *)"abc", 4, &pw, &n));
	cr_assert_eq(n, 3);
	cr_assert_not(pgauth_read_password((const uint8_t *)"abc", 3, &pw, &n), "no NUL");
	cr_assert_not(pgauth_read_password((const uint8_t *)"a\0c", 4, &pw, &n), "two NULs");
	cr_assert_not(pgauth_read_password(NULL, 0, &pw, &n));
	cr_assert_not(pgauth_read(
		(const uint8_t *)"abc", 3, &(uint32_t){ 0 }, &(const uint8_t *){ 0 }, &n));
}

Test(wire_pg_login, session_messages)
{
	struct buf b = new_buf();
	struct pgmsg m;
	const char *k, *v;
	char status;
	uint32_t pid;
	uint8_t key[300] = { 1, 2, 3, 4 };
	pgsession_put_param(&b, "TimeZone", "UTC");
	cr_assert_eq(pgmsg_take(buf_data(&b), buf_len(&b), 1000, &m), 1);
	cr_assert(pgsession_read_param(m.body, m.body_n, &k, &v));
	cr_assert_str_eq(k, "TimeZone");
	cr_assert_str_eq(v, "UTC");
	for (size_t i = 0; i < m.body_n; i++)
		cr_assert_not(pgsession_read_param(m.body, i, &k, &v));
	buf_fini(&b);

	for (size_t n = 0; n < sizeof(key); n++)
		cr_assert_eq(pgsession_read_key(key, n, &pid), n >= 8 && n <= 260, "%zu", n);
	cr_assert(pgsession_read_key(key, 8, &pid));
	cr_assert_eq(pid, 0x01020304);
	for (unsigned c = 0; c < 256; c++) {
		uint8_t s = (uint8_t)c;
		cr_assert_eq(
			pgsession_read_ready(&s, 1, &status), c == 'I' || c == 'T' || c == 'E');
	}
	cr_assert_not(pgsession_read_ready((const uint8_t *)"II", 2, &status));
	cr_assert_not(pgsession_read_ready(NULL, 0, &status));
}
