/* run_golden_mysql - replays the conversations of test/golden/mysql-through, which record-mysql
 * wrote while it talked to a real server through a weirpool: what the client said (C) and the
 * server said (S) goes into a session and a link of proto_mysql, whole, one byte at a time and at
 * random cuts, and what reaches the server (U) and the client (D) must be what it was then. Of the
 * client's login only its response is replayed: the proof of the record answers another nonce. */
#include "../unit/my_core.h"
#include "../unit/my_record.h"
#include "../unit/seed.h"
#include "wire/mysql/packet.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"

static void teardown(void)
{
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(golden_mysql, .fini = teardown, .timeout = 300);

static void add_packet(const struct my_record *r, struct buf *to)
{
	uint8_t seq = r->seq;
	mypacket_put_head(to, &seq, (uint32_t)buf_len(&r->payload));
	buf_append(to, buf_data(&r->payload), buf_len(&r->payload));
}

static void pump(struct my_core *x, const struct my_record *r)
{
	my_core_pump(x);
	cr_assert_eq(x->why[0], 0, "%s:%u (cut %u): %s", r->name, r->line_no, x->cut, x->why);
}

static void expect(const struct my_core *x, struct my_record *r, struct buf *got, bool any_seq)
{
	struct buf want;
	buf_init(&want, 0);
	add_packet(r, &want);
	size_t n = buf_len(&want);
	cr_assert_geq(buf_len(got), n, "%s:%u (cut %u): %zu bytes came, not %zu", r->name,
		r->line_no, x->cut, buf_len(got), n);
	if (any_seq)
		buf_data(got)[3] = r->seq;
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_data(got)[i], buf_data(&want)[i],
			"%s:%u (cut %u): byte %zu is %02x", r->name, r->line_no, x->cut, i,
			buf_data(got)[i]);
	buf_consume(got, n);
	buf_fini(&want);
}

static bool of_login(const struct my_record *r)
{
	static const char *const kinds[] = { "greeting", "switch", "more", "proof" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((r->who == 'C' || r->who == 'D') && strcmp(r->kind, kinds[i]) == 0)
			return true;
	return false;
}

static void run_line(struct my_core *x, struct my_record *r)
{
	const struct buf *p = &r->payload;
	bool welcome = r->who == 'D' && (x->c == MY_C_LOGIN || x->c == MY_C_WAITS);
	pump(x, r); /* what was said before this line comes before it */
	if (of_login(r))
		return;
	switch (r->who) {
	case 'C': add_packet(r, &x->c_in); break;
	case 'S':
		if (x->l == MY_L_NONE)
			my_core_link_begin(x);
		add_packet(r, &x->s_in);
		break;
	case 'U':
		if (x->c == MY_C_GONE && buf_len(p) == 1 && *buf_data(p) == 1 && !buf_len(&x->up))
			proto_mysql.put_bye(x->lst, &x->up);
		expect(x, r, &x->up, false);
		break;
	default: expect(x, r, &x->down, welcome); break;
	}
}

static void replay_at(struct my_record *r, unsigned cut)
{
	struct my_core x;
	struct buf greeting;
	buf_init(&greeting, 0);
	my_record_rewind(r);
	while (my_record_next(r) && r->who != 'S')
		;
	add_packet(r, &greeting);
	my_core_init(&x, buf_data(&greeting), buf_len(&greeting), cut);
	x.seed = seed_first();
	buf_fini(&greeting);
	my_record_rewind(r);
	while (my_record_next(r))
		run_line(&x, r);
	pump(&x, r);
	cr_assert_eq(buf_len(&x.up), 0, "%s (cut %u): more went up", r->name, cut);
	cr_assert_eq(buf_len(&x.down), 0, "%s (cut %u): more came down", r->name, cut);
	cr_assert_eq(buf_len(&x.s_in), 0, "%s (cut %u): the server said more", r->name, cut);
	my_core_fini(&x);
}

static void replay(struct my_record *r, void *arg)
{
	static const unsigned cuts[] = { 0, 1, 3, 17, 200, 70000 };
	bool big = strstr(r->name, "-big") != NULL; /* too long for single bytes */
	(void)arg;
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(*cuts); i++)
		if (!big || cuts[i] == 0 || cuts[i] > 10000)
			replay_at(r, cuts[i]);
}

Test(golden_mysql, every_conversation_at_every_cut)
{
	cr_assert_gt(my_record_each("mysql-through", "", replay, NULL), 10);
}
