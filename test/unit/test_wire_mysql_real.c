/* wire/mysql: what real servers and clients said (test/golden/mysql, made by record-mysql): every
 * packet reads, and is written again byte for byte; every cut of it and thousands of mutations are
 * survived. */
#include "base/mem.h"
#include "my_kinds.h"
#include "my_record.h"
#include "wire/mysql/caps.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(wire_mysql_real, .fini = assert_all_back, .timeout = 300);

struct scene {
	const char *file;
	unsigned line;
	uint64_t caps;
	struct buf wire; /* packets of one message */
	char kind[40];
	uint8_t seq;
	unsigned messages_n, rewritten_n;
	unsigned seed;
};

/* In a block of just its size, so that a sanitizer or valgrind sees a read behind it. */
static int try_copy(struct scene *x, const char *kind, const struct my_kind_env *env,
	const uint8_t *p, size_t n, struct buf *again)
{
	(void)x;
	uint8_t *copy = malloc(n ? n : 1);
	if (n)
		memcpy(copy, p, n);
	int got = my_kind_try(kind, env, copy, n, again);
	free(copy);
	return got;
}

/* What is accepted must be accepted again as it was written, and come out the same. */
static void try_twice(struct scene *x, const char *kind, const struct my_kind_env *env,
	const uint8_t *p, size_t n)
{
	struct buf one, two;
	struct mypacket_message m;
	buf_init(&one, 0);
	buf_init(&two, 0);
	int got = try_copy(x, kind, env, p, n, &one);
	if (got == 1 && buf_len(&one) != 0) {
		cr_assert_eq(mypacket_take_message(buf_data(&one), buf_len(&one), SIZE_MAX, &m), 1);
		got = try_copy(x, kind, env, m.payload, m.payload_n, &two);
		cr_assert_eq(got, 1, "%s:%u %s", x->file, x->line, kind);
		cr_assert_eq(buf_len(&one), buf_len(&two), "%s:%u %s", x->file, x->line, kind);
		cr_assert_eq(memcmp(buf_data(&one), buf_data(&two), buf_len(&one)), 0);
	}
	buf_fini(&one);
	buf_fini(&two);
}

static unsigned next_rand(struct scene *x)
{
	x->seed = x->seed * 1103515245 + 12345;
	return x->seed >> 8 & 0xffffff;
}

static void mutate(struct scene *x, const char *kind, const struct my_kind_env *env,
	const uint8_t *p, size_t n)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff };
	uint8_t copy[2048];
	for (unsigned round = 0; round < 200 && n > 0; round++) {
		struct my_kind_env other = *env;
		memcpy(copy, p, n);
		for (unsigned i = 0; i <= round % 4; i++)
			copy[next_rand(x) % n] = next_rand(x) % 2 ? edges[next_rand(x) % 10]
								  : (uint8_t)next_rand(x);
		if (round % 2)
			other.caps = (other.caps ^ UINT64_C(1) << next_rand(x) % 38) |
				     MYCAP(PROTOCOL_41);
		size_t len = round % 5 ? n : next_rand(x) % (n + 1);
		try_twice(x, kind, &other, copy, len);
	}
}

static void check_message(struct scene *x)
{
	struct mypacket_message m;
	struct buf joined, again;
	struct my_kind_env env = { .caps = x->caps, .seq = x->seq };
	char kind[40];
	const uint8_t *wire = buf_data(&x->wire);
	size_t n = buf_len(&x->wire);
	buf_init(&joined, 0);
	buf_init(&again, 0);
	snprintf(kind, sizeof(kind), "%s", x->kind);
	char *number = strpbrk(kind, "0123456789");
	if (number) {
		env.params_n = (unsigned)(*number - '0');
		env.long_data = strstr(number, "long_0") != NULL;
		number[-1] = '\0';
	}
	cr_assert_eq(mypacket_take_message(wire, n - 1, SIZE_MAX, &m), 0);
	cr_assert_eq(mypacket_take_message(wire, n, SIZE_MAX, &m), 1);
	cr_assert_eq(m.total, n);
	cr_assert(mypacket_join(&joined, wire, &m));
	const uint8_t *p = buf_data(&joined);
	if (my_kind_try(kind, &env, p, m.payload_n, &again) != -2) {
		buf_fini(&again);
		int got = try_copy(x, kind, &env, p, m.payload_n, &again);
		cr_assert_eq(got, 1, "%s:%u: %s: %d", x->file, x->line, x->kind, got);
		if (buf_len(&again)) {
			cr_assert_eq(buf_len(&again), n, "%s:%u: %s", x->file, x->line, x->kind);
			cr_assert_eq(memcmp(buf_data(&again), wire, n), 0, "%s:%u: %s", x->file,
				x->line, x->kind);
			x->rewritten_n++;
		}
		for (size_t cut = 0; cut < m.payload_n && cut < 2000; cut++)
			try_twice(x, kind, &env, p, cut);
		if (m.payload_n <= 2000)
			mutate(x, kind, &env, p, m.payload_n);
	}
	x->messages_n++;
	buf_fini(&joined);
	buf_fini(&again);
	buf_fini(&x->wire);
}

static void run_record(struct my_record *r, void *arg)
{
	struct scene *x = arg;
	x->file = r->name;
	while (my_record_next(r)) {
		x->caps = r->caps;
		if (strcmp(r->kind, "frame") == 0)
			continue;
		if (strcmp(r->kind, "more_of_it") != 0) {
			if (buf_len(&x->wire))
				check_message(x);
			snprintf(x->kind, sizeof(x->kind), "%s", r->kind);
			x->line = r->line_no;
			x->seq = r->seq;
		}
		uint8_t seq = r->seq;
		mypacket_put_head(&x->wire, &seq, (uint32_t)buf_len(&r->payload));
		buf_append(&x->wire, buf_data(&r->payload), buf_len(&r->payload));
	}
	check_message(x);
}

Test(wire_mysql_real, every_recorded_packet)
{
	struct scene x = { .seed = 1 };
	buf_init(&x.wire, 0);
	cr_assert_gt(my_record_each("mysql", "", run_record, &x), 40);
	cr_assert_gt(x.rewritten_n, 1000);
	cr_assert_geq(x.messages_n, x.rewritten_n);
}
