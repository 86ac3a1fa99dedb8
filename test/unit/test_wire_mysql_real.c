/* wire/mysql: what real servers and clients said (test/golden/mysql, made by record-mysql): every
 * packet reads, and is written again byte for byte; every cut of it and thousands of mutations are
 * survived. */
#include "base/mem.h"
#include "base/num.h"
#include "my_kinds.h"
#include "wire/mysql/caps.h"

#include <criterion/criterion.h>
#include <dirent.h>
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

static unsigned hex(const char *s)
{
	unsigned v = 0;
	for (int i = 0; i < 2; i++)
		v = v * 16 + (unsigned)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
	return v;
}

/* "text", HH, or HHxCOUNT */
static void put_word(struct buf *b, const char *w, size_t n)
{
	if (*w == '"') {
		buf_append(b, w + 1, n - 2);
		return;
	}
	uint64_t count = 1;
	uint8_t v = (uint8_t)hex(w);
	if (n > 3)
		cr_assert_eq(num_u64n(w + 3, n - 3, 1, 1 << 25, &count), 0);
	memset(buf_reserve(b, count), v, count);
	buf_commit(b, count);
}

static void put_payload(struct buf *b, const char *p)
{
	while (*p) {
		const char *end = *p == '"' ? strchr(p + 1, '"') + 1 : p + strcspn(p, " ");
		put_word(b, p, (size_t)(end - p));
		p = *end ? end + 1 : end;
	}
}

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

/* "S 1 ok 00 01 ..." */
static void run_line(struct scene *x, const char *line)
{
	unsigned seq = 0;
	char kind[40];
	struct buf payload;
	size_t off = 0;
	if (strncmp(line, "caps ", 5) == 0)
		x->caps = 0;
	if (strncmp(line, "caps 0x", 7) == 0)
		for (const char *p = line + 7; *p; p++)
			x->caps = x->caps * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	if (line[0] != 'C' && line[0] != 'S')
		return;
	for (off = 2; line[off] != ' '; off++)
		seq = seq * 10 + (unsigned)(line[off] - '0');
	size_t kind_n = strcspn(line + off + 1, " ");
	snprintf(kind, sizeof(kind), "%.*s", (int)kind_n, line + off + 1);
	off += 1 + kind_n + (line[off + 1 + kind_n] == ' ');
	if (strcmp(kind, "frame") == 0)
		return;
	if (strcmp(kind, "more_of_it") != 0) {
		if (buf_len(&x->wire))
			check_message(x);
		snprintf(x->kind, sizeof(x->kind), "%s", kind);
		x->seq = (uint8_t)seq;
	}
	buf_init(&payload, 0);
	put_payload(&payload, line + off);
	uint8_t head_seq = (uint8_t)seq;
	mypacket_put_head(&x->wire, &head_seq, (uint32_t)buf_len(&payload));
	buf_append(&x->wire, buf_data(&payload), buf_len(&payload));
	buf_fini(&payload);
}

static void run_file(const char *dir, const char *name, struct scene *x)
{
	char path[800], line[20000];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	x->file = name;
	x->line = 0;
	while (fgets(line, sizeof(line), f)) {
		x->line++;
		line[strcspn(line, "\n")] = 0;
		run_line(x, line);
	}
	if (buf_len(&x->wire))
		check_message(x);
	fclose(f);
}

Test(wire_mysql_real, every_recorded_packet)
{
	struct scene x = { .seed = 1 };
	char dir[500];
	const char *src = getenv("srcdir");
	unsigned files_n = 0;
	buf_init(&x.wire, 0);
	snprintf(dir, sizeof(dir), "%s/test/golden/mysql", src ? src : ".");
	DIR *d = opendir(dir);
	cr_assert_not_null(d, "%s", dir);
	for (struct dirent *f; (f = readdir(d)) != NULL;) {
		if (strstr(f->d_name, ".txt") == NULL)
			continue;
		files_n++;
		run_file(dir, f->d_name, &x);
	}
	closedir(d);
	cr_assert_gt(files_n, 40);
	cr_assert_gt(x.rewritten_n, 1000);
	cr_assert_geq(x.messages_n, x.rewritten_n);
}
