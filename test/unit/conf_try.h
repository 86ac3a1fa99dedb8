/* conf_try - loads a configuration from text and keeps what was said of it, for tests. */
#ifndef TEST_CONF_TRY_H
#define TEST_CONF_TRY_H
#include "base/mem.h"
#include "conf/conf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct attempt {
	struct conf *conf; /* NULL: refused */
	unsigned errors_n, warnings_n;
	char said[8192]; /* the messages, a line each */
};

static inline void try_keep(struct attempt *t, int rc, struct conf_msgs *m)
{
	size_t at = 0;
	for (unsigned i = 0; i < m->n; i++) {
		char line[1000];
		conf_msg_format(&m->list[i], line, sizeof(line));
		cr_assert_null(strchr(line, '\n'), "%s", line);
		int n = snprintf(t->said + at, sizeof(t->said) - at, "%s\n", line);
		at += (size_t)n < sizeof(t->said) - at ? (size_t)n : 0;
	}
	t->errors_n = m->errors_n;
	t->warnings_n = m->n - m->errors_n;
	cr_assert_eq(rc == 0, m->errors_n == 0, "%s", t->said);
	cr_assert_eq(rc == 0, t->conf != NULL, "%s", t->said);
	conf_msgs_fini(m);
}

static inline struct attempt try_text(const char *text)
{
	struct attempt t = { 0 };
	struct conf_msgs m = { 0 };
	try_keep(&t, conf_load_text("t.ini", text, strlen(text), &t.conf, &m), &m);
	return t;
}

static inline void try_end(struct attempt *t)
{
	conf_free(&t->conf);
	cr_assert_eq(mem_live(MEM_CONF), 0U, "leaks configuration");
	cr_assert_eq(mem_live(MEM_HMAP), 0U, "leaks names");
}

/* The text must be refused with exactly one error, which contains what. */
#define TRY_REFUSED(text, what) \
	do { \
		struct attempt t_ = try_text(text); \
		cr_expect_null(t_.conf, "accepted: %s", text); \
		cr_expect_eq(t_.errors_n, 1U, "%s gives %s", text, t_.said); \
		cr_expect_not_null(strstr(t_.said, what), "%s gives %s", text, t_.said); \
		try_end(&t_); \
	} while (0)

/* A good start for a configuration without warnings: continue in [weirpool]. */
#define TRY_GOOD "[databases]\n* = host=h\n[weirpool]\nauth_type = trust\n"
#endif
