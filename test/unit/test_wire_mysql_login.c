/* wire/mysql: framing and the messages of a login: what is written reads back in every layout, real
 * greetings say what they should, and lengths that lie are refused. */
#include "base/mem.h"
#include "wire/mysql/auth.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/compress.h"
#include "wire/mysql/greeting.h"
#include "wire/mysql/packet.h"
#include "wire/mysql/response.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(wire_mysql_login, .fini = assert_all_back, .timeout = 60);

#define STR(text) ((struct mystr){ (text), sizeof(text) - 1 })
#define assert_mystr(s, text) \
	cr_assert((s).p != NULL && (s).n == strlen(text) && memcmp((s).p, text, (s).n) == 0, \
		"got '%.*s', not '%s'", (int)(s).n, (s).p ? (s).p : "(absent)", text)

#define BASE_CAPS (MYCAP(PROTOCOL_41) | MYCAP(MYSQL))

/* ---- packets ---- */
Test(wire_mysql_login, take_of_each_length)
{
	struct mypacket k;
	struct mypacket_message m;
	const uint8_t ping[] = { 1, 0, 0, 9, 0x0e, 'x' };
	for (size_t n = 0; n < 5; n++) {
		cr_assert_eq(mypacket_take(ping, n, 100, &k), 0, "%zu", n);
		cr_assert_eq(k.total, n < 4 ? 0 : 5);
		cr_assert_eq(mypacket_take_message(ping, n, 100, &m), 0, "%zu", n);
	}
	cr_assert_eq(mypacket_take(ping, 6, 100, &k), 1);
	cr_assert_eq(k.total, 5);
	cr_assert_eq(k.seq, 9);
	cr_assert_not(k.more);
	cr_assert_eq(k.payload[0], 0x0e);
	cr_assert_eq(mypacket_take(ping, 6, 0, &k), -1, "above the cap");
	cr_assert_eq(mypacket_take_message(ping, 6, 0, &m), -1);
	cr_assert_eq(mypacket_take_message(ping, 6, 1, &m), 1);
	cr_assert_eq(m.payload, ping + 4);
	cr_assert_eq(m.next_seq, 10);

	const uint8_t empty[] = { 0, 0, 0, 255 };
	cr_assert_eq(mypacket_take_message(empty, 4, 0, &m), 1);
	cr_assert_eq(m.payload_n, 0);
	cr_assert_not_null(m.payload);
	cr_assert_eq(m.next_seq, 0, "the sequence number wraps");
}

static void check_split(size_t n, size_t packets_n)
{
	struct buf b, payload, again;
	struct mypacket_message m;
	uint8_t seq = 254;
	buf_init(&b, 0);
	buf_init(&payload, 0);
	buf_init(&again, 0);
	uint8_t *p = buf_reserve(&payload, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 >> 3);
	buf_commit(&payload, n);
	buf_puts(&b, "before");
	mypacket_put(&b, &seq, buf_data(&payload), n);
	cr_assert_eq(seq, (uint8_t)(254 + packets_n));
	const uint8_t *wire = buf_data(&b) + 6;
	size_t wire_n = buf_len(&b) - 6;
	cr_assert_eq(wire_n, n + packets_n * MYPACKET_HEAD_BYTES);
	cr_assert_eq(mypacket_take_message(wire, wire_n - 1, SIZE_MAX, &m), 0);
	cr_assert_eq(mypacket_take_message(wire, wire_n, n, &m), 1);
	cr_assert_eq(mypacket_take_message(wire, wire_n, n, &m), 1);
	cr_assert_eq(m.packets_n, packets_n);
	cr_assert_eq(m.payload_n, n);
	cr_assert_eq(m.next_seq, seq);
	cr_assert_eq(m.payload == NULL, packets_n > 1);
	cr_assert(mypacket_join(&again, wire, &m));
	cr_assert_eq(buf_len(&again), n);
	if (n > 0)
		cr_assert_eq(memcmp(buf_data(&again), buf_data(&payload), n), 0);
	if (n > 0)
		cr_assert_eq(mypacket_take_message(wire, wire_n, n - 1, &m), -1);
	if (packets_n > 1) { /* the second packet has another number */
		buf_data(&b)[6 + MYPACKET_HEAD_BYTES + MYPACKET_PAYLOAD_MAX + 3]++;
		cr_assert_eq(mypacket_take_message(wire, wire_n, SIZE_MAX, &m), -1);
	}
	buf_fini(&b);
	buf_fini(&payload);
	buf_fini(&again);
}

Test(wire_mysql_login, large_messages_are_split_and_joined)
{
	check_split(0, 1);
	check_split(1, 1);
	check_split(MYPACKET_PAYLOAD_MAX - 1, 1);
	check_split(MYPACKET_PAYLOAD_MAX, 2);
	check_split(MYPACKET_PAYLOAD_MAX + 1, 2);
	check_split(2 * (size_t)MYPACKET_PAYLOAD_MAX, 3);
	check_split(2 * (size_t)MYPACKET_PAYLOAD_MAX + 77, 3);
}

Test(wire_mysql_login, a_full_buf_fails_without_harm)
{
	struct buf b;
	uint8_t seq = 0;
	struct mygreeting g = { .version = STR("x") };
	struct myresponse x = { .caps = BASE_CAPS, .user = STR("u"), .auth = STR("") };
	buf_init(&b, 8);
	mypacket_put(&b, &seq, "123456", 6);
	cr_assert(b.failed);
	mygreeting_put(&b, &seq, &g);
	cr_assert_eq(myresponse_put(&b, &seq, &x), 0);
	cr_assert(b.failed);
	buf_fini(&b);
}

/* ---- greeting ---- */
static const uint8_t mysql_97[] = "\x0a"
				  "9.7.4-2\0"
				  "\x18\0\0\0"
				  "AiJr\x0d\x59\x6e\x4c\0"
				  "\xff\xff\xff\x02\0\xff\xdf\x15"
				  "\0\0\0\0\0\0\0\0\0\0"
				  "\x72\x41\x14\x0c\x3b\x42\x01"
				  "f|+as\0"
				  "caching_sha2_password";

Test(wire_mysql_login, greeting_of_mysql)
{
	struct mygreeting g;
	cr_assert_null(mygreeting_read(mysql_97, sizeof(mysql_97), &g));
	assert_mystr(g.version, "9.7.4-2");
	cr_assert_eq(g.thread_id, 24);
	cr_assert_eq(g.caps, 0xdfffffff);
	cr_assert_eq(g.collation, 255);
	cr_assert_eq(g.status, MYSTATUS_AUTOCOMMIT);
	cr_assert_eq(memcmp(g.scramble,
			     "AiJr\x0d\x59\x6e\x4c\x72\x41\x14\x0c\x3b\x42\x01"
			     "f|+as",
			     20),
		0);
	assert_mystr(g.plugin, "caching_sha2_password");
	for (size_t n = 0; n < sizeof(mysql_97); n++) {
		const char *bad = mygreeting_read(mysql_97, n, &g);
		/* MySQL before 5.5.10 left out the NUL of the last field. */
		if (n < sizeof(mysql_97) - 21)
			cr_assert_not_null(bad, "%zu", n);
	}
	uint8_t v9[sizeof(mysql_97)];
	memcpy(v9, mysql_97, sizeof(v9));
	v9[0] = 9;
	cr_assert_str_eq(mygreeting_read(v9, sizeof(v9), &g), "protocol version");
}

Test(wire_mysql_login, extended_capabilities_only_where_bit_0_is_clear)
{
	struct buf b;
	struct mygreeting g = { .version = STR("5.5.5-10.11.6-MariaDB"), .plugin = STR("x") }, r;
	uint8_t seq = 0;
	uint64_t standard = MYCAP(PROTOCOL_41) | MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH);
	for (int mysql = 0; mysql < 2; mysql++) {
		g.caps = standard | MYCAP(MARIADB_BULK) | (mysql ? MYCAP(MYSQL) : 0);
		buf_init(&b, 0);
		mygreeting_put(&b, &seq, &g);
		cr_assert_null(mygreeting_read(buf_data(&b) + 4, buf_len(&b) - 4, &r));
		cr_assert_eq(r.caps, mysql ? standard | MYCAP(MYSQL) : g.caps);
		buf_fini(&b);
	}
	/* A peer that sets both: what stands in the filler is not capabilities. */
	uint8_t both[sizeof(mysql_97)];
	memcpy(both, mysql_97, sizeof(both));
	memset(both + 1 + 8 + 4 + 9 + 8 + 6, 0xff, 4);
	cr_assert_null(mygreeting_read(both, sizeof(both), &r));
	cr_assert_eq(r.caps >> 32, 0);
}

Test(wire_mysql_login, greeting_without_what_we_need_is_refused)
{
	struct mygreeting g = { .version = STR("3.23") }, r;
	static const uint64_t caps[] = { 0, MYCAP(PROTOCOL_41), MYCAP(SECURE_CONNECTION) };
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct buf b;
		uint8_t seq = 0;
		buf_init(&b, 0);
		g.caps = caps[i];
		mygreeting_put(&b, &seq, &g);
		cr_assert_str_eq(
			mygreeting_read(buf_data(&b) + 4, buf_len(&b) - 4, &r), "capabilities");
		buf_fini(&b);
	}
}

/* ---- response ---- */
static const uint64_t layouts[] = {
	BASE_CAPS,
	BASE_CAPS | MYCAP(SECURE_CONNECTION),
	BASE_CAPS | MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH_LENENC) | MYCAP(PLUGIN_AUTH),
	BASE_CAPS | MYCAP(SECURE_CONNECTION) | MYCAP(CONNECT_WITH_DB),
	BASE_CAPS | MYCAP(CONNECT_WITH_DB) | MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_ATTRS),
	BASE_CAPS | MYCAP(SECURE_CONNECTION) | MYCAP(PLUGIN_AUTH_LENENC) | MYCAP(CONNECT_WITH_DB) |
		MYCAP(PLUGIN_AUTH) | MYCAP(CONNECT_ATTRS) | MYCAP(ZSTD),
	(BASE_CAPS & ~MYCAP(MYSQL)) | MYCAP(SECURE_CONNECTION) | MYCAP(MARIADB_BULK) |
		MYCAP(PLUGIN_AUTH),
};

Test(wire_mysql_login, response_in_every_layout)
{
	struct buf attrs;
	buf_init(&attrs, 0);
	myresponse_put_attr(&attrs, "program_name", "test");
	myresponse_put_attr(&attrs, "", "");
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		struct buf b;
		uint8_t seq = 1;
		struct myresponse r, x = { .caps = layouts[i],
			.max_packet = 1 << 24,
			.collation = 45,
			.user = STR("alice"),
			.auth = STR("twenty bytes of data"),
			.schema = STR("app"),
			.plugin = STR(MYAUTH_CACHING_SHA2),
			.attrs = { (const char *)buf_data(&attrs), buf_len(&attrs) },
			.zstd_level = 7 };
		buf_init(&b, 0);
		cr_assert_eq(myresponse_put(&b, &seq, &x), 0);
		cr_assert_eq(seq, 2);
		const uint8_t *p = buf_data(&b) + 4;
		size_t n = buf_len(&b) - 4;
		cr_assert_null(myresponse_read(p, n, ~UINT64_C(0), &r));
		cr_assert_eq(r.kind, MYRESPONSE_LOGIN);
		cr_assert_eq(r.asked_caps, layouts[i]);
		cr_assert_eq(r.caps, layouts[i]);
		cr_assert_eq(r.max_packet, 1 << 24);
		cr_assert_eq(r.collation, 45);
		assert_mystr(r.user, "alice");
		assert_mystr(r.auth, "twenty bytes of data");
		cr_assert_eq(r.schema.p != NULL, (layouts[i] & MYCAP(CONNECT_WITH_DB)) != 0);
		cr_assert_eq(r.plugin.p != NULL, (layouts[i] & MYCAP(PLUGIN_AUTH)) != 0);
		cr_assert_eq(r.attrs.p != NULL, (layouts[i] & MYCAP(CONNECT_ATTRS)) != 0);
		cr_assert_eq(r.zstd_level, layouts[i] & MYCAP(ZSTD) ? 7 : 0);
		if (r.attrs.p) {
			struct mystr k, v;
			struct rd a = rd_of(r.attrs.p, r.attrs.n);
			cr_assert(myresponse_next_attr(&a, &k, &v));
			assert_mystr(k, "program_name");
			assert_mystr(v, "test");
			cr_assert(myresponse_next_attr(&a, &k, &v));
			cr_assert_not(myresponse_next_attr(&a, &k, &v));
			cr_assert(rd_ok(&a));
		}
		/* What the server has not announced is not agreed upon. */
		cr_assert_null(myresponse_read(p, n, layouts[i] & ~MYCAP(ZSTD), &r));
		cr_assert_eq(r.zstd_level, 0);
		buf_fini(&b);
	}
	buf_fini(&attrs);
}

Test(wire_mysql_login, auth_that_no_layout_can_carry)
{
	struct buf b;
	uint8_t seq = 1;
	char token[300];
	memset(token, 'a', sizeof(token));
	struct myresponse x = { .caps = layouts[1], .user = STR("u"), .auth = { token, 300 } };
	buf_init(&b, 0);
	cr_assert_eq(myresponse_put(&b, &seq, &x), -1);
	cr_assert_eq(myresponse_put_change_user(&b, &seq, &x), -1);
	x.caps = layouts[2];
	cr_assert_eq(myresponse_put_change_user(&b, &seq, &x), -1, "always a length of one byte");
	x.caps = BASE_CAPS;
	x.auth = STR("a\0b");
	cr_assert_eq(myresponse_put(&b, &seq, &x), -1);
	x.auth = STR("");
	x.user = STR("u\0root");
	cr_assert_eq(myresponse_put(&b, &seq, &x), -1);
	cr_assert_eq(seq, 1);
	cr_assert_eq(buf_len(&b), 0);
	x.user = STR("u");
	x.caps = layouts[2];
	x.auth = (struct mystr){ token, 300 };
	cr_assert_eq(myresponse_put(&b, &seq, &x), 0);
	buf_fini(&b);
}

Test(wire_mysql_login, ssl_request_and_old_clients)
{
	struct buf b;
	uint8_t seq = 1;
	struct myresponse r, x = { .caps = layouts[2], .max_packet = 5, .collation = 8 };
	buf_init(&b, 0);
	myresponse_put_ssl(&b, &seq, &x);
	cr_assert_eq(buf_len(&b), 4 + 32);
	cr_assert_null(myresponse_read(buf_data(&b) + 4, 32, ~UINT64_C(0), &r));
	cr_assert_eq(r.kind, MYRESPONSE_SSL);
	cr_assert_eq(r.caps, layouts[2] | MYCAP(SSL));
	cr_assert_eq(r.max_packet, 5);
	cr_assert_eq(r.collation, 8);
	for (size_t n = 2; n < 32; n++)
		cr_assert_not_null(myresponse_read(buf_data(&b) + 4, n, ~UINT64_C(0), &r));
	buf_fini(&b);

	const uint8_t old[] = { 0x05, 0x00, 0, 0, 1, 'u', 0, 'p', 'w', 0 };
	cr_assert_null(myresponse_read(old, sizeof(old), ~UINT64_C(0), &r));
	cr_assert_eq(r.kind, MYRESPONSE_OLD);
	cr_assert_not_null(myresponse_read(old, 1, ~UINT64_C(0), &r));
}

/* head, then the bytes of tail */
static const char *read_tail(uint64_t caps, const char *tail, size_t n, struct myresponse *r)
{
	uint8_t p[1000] = { (uint8_t)caps, (uint8_t)(caps >> 8), (uint8_t)(caps >> 16),
		(uint8_t)(caps >> 24) };
	memcpy(p + 32, tail, n);
	uint8_t *copy = malloc(32 + n); /* a sanitizer sees what is read behind it */
	memcpy(copy, p, 32 + n);
	const char *bad = myresponse_read(copy, 32 + n, ~UINT64_C(0), r);
	free(copy);
	return bad;
}
#define TAIL(caps, tail) read_tail(caps, tail, sizeof(tail) - 1, &r)

/* The security history of other proxies: lengths in the very first packet that were believed. */
Test(wire_mysql_login, lengths_that_lie)
{
	struct myresponse r;
	uint64_t lenenc = layouts[2], attrs = layouts[1] | MYCAP(CONNECT_ATTRS);
	cr_assert_str_eq(TAIL(layouts[1], "no end"), "user name");
	cr_assert_str_eq(TAIL(layouts[1], "u\0"), "authentication data");
	cr_assert_str_eq(TAIL(layouts[1], "u\0\x14short"), "authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xfc\xff\xff"
				      "abc"),
		"authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xfd\xff\xff\xff"
				      "abc"),
		"authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
				      "abc"),
		"authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
				      "abc"),
		"authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xfb"), "authentication data");
	cr_assert_str_eq(TAIL(lenenc, "u\0\xff"), "authentication data");
	cr_assert_str_eq(TAIL(attrs, "u\0\0\x05\x01k\x01v"), "connection attributes");
	cr_assert_str_eq(TAIL(attrs, "u\0\0\x02\x01k"), "connection attributes");
	cr_assert_str_eq(TAIL(attrs, "u\0\0\x04\x01k\x02v"), "connection attributes");
	cr_assert_str_eq(TAIL(attrs, "u\0\0\x04\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
		"connection attributes");
	cr_assert_str_eq(TAIL(attrs, "u\0\0\xfc"), "connection attributes");
	cr_assert_null(TAIL(attrs, "u\0\0"), "left out at the end");
	cr_assert_null(r.attrs.p);
	cr_assert_null(TAIL(attrs, "u\0\0\x04\x01k\x01v"));
	cr_assert_null(TAIL(lenenc, "u\0\0"), "the plugin too");
	cr_assert_null(r.plugin.p);
	cr_assert_null(TAIL(lenenc, "u\0\0plugin"), "and its NUL");
	cr_assert_null(TAIL(BASE_CAPS | MYCAP(CONNECT_WITH_DB), "u\0pw\0"
								"\0"),
		"no schema");
	cr_assert_eq(r.schema.n, 0);
	cr_assert_not_null(r.schema.p);
}

Test(wire_mysql_login, change_user)
{
	struct buf b;
	uint8_t seq = 0;
	struct myresponse r, x = { .caps = layouts[5],
		.collation = 309,
		.user = STR("bob"),
		.auth = STR(""),
		.schema = STR(""),
		.plugin = STR("p") };
	buf_init(&b, 0);
	cr_assert_eq(myresponse_put_change_user(&b, &seq, &x), 0);
	const uint8_t *p = buf_data(&b) + 4;
	size_t n = buf_len(&b) - 4;
	cr_assert_eq(p[n - 1], 0, "MySQL refuses the command without attributes");
	cr_assert_null(myresponse_read_change_user(p, n, layouts[5], &r));
	assert_mystr(r.user, "bob");
	assert_mystr(r.schema, "");
	cr_assert_eq(r.collation, 309, "two bytes here");
	assert_mystr(r.plugin, "p");
	cr_assert_eq(r.attrs.n, 0);
	/* Clients may stop behind the schema, or the collation, or the plugin. */
	cr_assert_null(myresponse_read_change_user(p, 7, layouts[5], &r));
	cr_assert_eq(r.collation, 0);
	cr_assert_null(r.plugin.p);
	cr_assert_str_eq(myresponse_read_change_user(p, 8, layouts[5], &r), "collation");
	cr_assert_null(myresponse_read_change_user(p, 9, layouts[5], &r));
	cr_assert_null(r.plugin.p);
	cr_assert_null(myresponse_read_change_user(p, n - 1, layouts[5], &r));
	assert_mystr(r.plugin, "p");
	cr_assert_null(r.attrs.p);
	cr_assert_not_null(myresponse_read_change_user(p, 6, layouts[5], &r));
	buf_fini(&b);
}

/* ---- authentication ---- */
Test(wire_mysql_login, auth_packets)
{
	struct buf b;
	uint8_t seq = 2;
	struct mystr plugin, data;
	const uint8_t *nonce = (const uint8_t *)"twenty bytes of data";
	cr_assert_eq(myauth_kind(NULL, 0), MYAUTH_OTHER);
	cr_assert_eq(myauth_kind((const uint8_t *)"\xfe", 1), MYAUTH_OLD_SWITCH);
	cr_assert_eq(myauth_kind((const uint8_t *)"\x02x", 2), MYAUTH_NEXT_FACTOR);
	buf_init(&b, 0);
	myauth_put_switch(&b, &seq, MYAUTH_NATIVE, nonce, 20);
	const uint8_t *p = buf_data(&b) + 4;
	size_t n = buf_len(&b) - 4;
	cr_assert_eq(myauth_kind(p, n), MYAUTH_SWITCH);
	cr_assert_null(myauth_read_switch(p, n, &plugin, &data));
	assert_mystr(plugin, MYAUTH_NATIVE);
	cr_assert_eq(data.n, 21);
	cr_assert_eq(memcmp(myauth_nonce(data, 20), nonce, 20), 0);
	cr_assert_null(myauth_nonce(data, 19));
	cr_assert_null(myauth_nonce(data, 22));
	data.n = 20;
	cr_assert_not_null(myauth_nonce(data, 20));
	cr_assert_null(myauth_nonce(data, 19), "without a NUL behind it");
	for (size_t cut = 0; cut < 1 + sizeof(MYAUTH_NATIVE); cut++)
		cr_assert_not_null(myauth_read_switch(p, cut, &plugin, &data), "%zu", cut);
	buf_fini(&b);
	myauth_put_switch(&b, &seq, MYAUTH_CLEAR, NULL, 0);
	cr_assert_null(myauth_read_switch(buf_data(&b) + 4, buf_len(&b) - 4, &plugin, &data));
	cr_assert_eq(data.n, 0);
	buf_fini(&b);
}

/* ---- compressed frames ---- */
Test(wire_mysql_login, compressed_frames)
{
	struct buf b;
	uint8_t seq = 255;
	struct mycompress c;
	buf_init(&b, 0);
	mycompress_put_head(&b, &seq, 3, 0);
	buf_puts(&b, "abc");
	cr_assert_eq(seq, 0);
	for (size_t n = 0; n < 10; n++)
		cr_assert_eq(mycompress_take(buf_data(&b), n, 100, &c), 0);
	cr_assert_eq(mycompress_take(buf_data(&b), 10, 100, &c), 1);
	cr_assert_not(c.packed);
	cr_assert_eq(c.plain_n, 3);
	cr_assert_eq(c.seq, 255);
	cr_assert_eq(c.total, 10);
	cr_assert_eq(mycompress_take(buf_data(&b), 10, 2, &c), -1);
	buf_fini(&b);
	/* The declared length alone is enough to refuse it: nothing is waited for. */
	mycompress_put_head(&b, &seq, 10, 0xffffff);
	cr_assert_eq(mycompress_take(buf_data(&b), 7, 1 << 20, &c), -1);
	cr_assert_eq(mycompress_take(buf_data(&b), 7, MYCOMPRESS_MAX_BYTES, &c), 0);
	cr_assert(c.packed);
	buf_fini(&b);
}

Test(wire_mysql_login, names)
{
	cr_assert_str_eq(mycaps_name(24), "deprecate_eof");
	cr_assert_str_eq(mycaps_name(34), "mariadb_bulk");
	cr_assert_null(mycaps_name(63));
	cr_assert_str_eq(mycom_name(MYCOM_STMT_FETCH), "COM_STMT_FETCH");
	cr_assert_str_eq(mycom_name(0x77), "unknown command");
}
