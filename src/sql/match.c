/*
 * Conditions on a statement's text. Ignorant of what follows from them. Any thread.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sql/match.h"

#include "base/mem.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A few milliseconds. */
#define STEPS_MAX 200000U
#define HEAP_MAX_KIB 1024U

struct sql_match {
	pcre2_code *code;
	pcre2_match_context *limits;
	char *prefix;
	size_t prefix_n;
	bool has_digest;
	uint64_t digest;
};

static void *take(size_t n, void *arg)
{
	(void)arg;
	return mem_alloc(MEM_CONF, n);
}

static void give(void *p, void *arg)
{
	(void)arg;
	mem_free(MEM_CONF, p);
}

static int compile(struct sql_match *m, const char *regex, char *why, size_t why_n)
{
	pcre2_general_context *g = pcre2_general_context_create(take, give, NULL);
	pcre2_compile_context *c = g != NULL ? pcre2_compile_context_create(g) : NULL;
	int error = 0;
	size_t at = 0;

	if (c != NULL)
		m->code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED,
			PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C, &error, &at, c);
	if (m->code != NULL)
		m->limits = pcre2_match_context_create(g);
	if (m->limits != NULL) {
		pcre2_set_match_limit(m->limits, STEPS_MAX);
		pcre2_set_heap_limit(m->limits, HEAP_MAX_KIB);
		(void)pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE); /* slower without */
	}
	pcre2_compile_context_free(c);
	pcre2_general_context_free(g);
	if (m->limits != NULL)
		return 0;
	if (error != 0) {
		PCRE2_UCHAR text[160] = "";

		(void)pcre2_get_error_message(error, text, sizeof(text));
		snprintf(why, why_n, "regex: %s, at character %zu", (const char *)text, at + 1);
	} else {
		snprintf(why, why_n, "out of memory");
	}
	return -1;
}

int sql_match_new(const char *regex, const char *prefix, const char *digest, struct sql_match **m_r,
	char *why, size_t why_n)
{
	struct sql_match *m = mem_alloc(MEM_CONF, sizeof(*m));
	int r = m != NULL ? 0 : -1;

	if (m == NULL)
		snprintf(why, why_n, "out of memory");
	if (r == 0 && regex != NULL)
		r = compile(m, regex, why, why_n);
	if (r == 0 && prefix != NULL) {
		m->prefix = mem_strdup(MEM_CONF, prefix);
		m->prefix_n = strlen(prefix);
		if (m->prefix == NULL) {
			snprintf(why, why_n, "out of memory");
			r = -1;
		}
	}
	if (r == 0 && digest != NULL) {
		m->has_digest = true;
		if (!sql_digest_read(digest, &m->digest)) {
			snprintf(why, why_n,
				"digest must have 16 hexadecimal digits, as weirpool explain-route "
				"--digest prints them");
			r = -1;
		}
	}
	if (r != 0)
		sql_match_free(&m);
	*m_r = m;
	return r;
}

void sql_match_free(struct sql_match **m)
{
	if (*m == NULL)
		return;
	pcre2_code_free((*m)->code);
	pcre2_match_context_free((*m)->limits);
	mem_free(MEM_CONF, (*m)->prefix);
	mem_free(MEM_CONF, *m);
	*m = NULL;
}

void sql_subject_init(
	struct sql_subject *s, const struct sql_lang *lang, const char *text, size_t n)
{
	*s = (struct sql_subject){ .lang = lang, .text = text, .n = n, .first = SIZE_MAX };
}

static enum sql_matched run(const struct sql_match *m, const char *p, size_t n)
{
	pcre2_match_data *d = pcre2_match_data_create_from_pattern(m->code, NULL);
	int r = PCRE2_ERROR_NOMEMORY;

	if (n > SQL_MATCH_MAX_BYTES)
		n = SQL_MATCH_MAX_BYTES;
	if (d != NULL)
		r = pcre2_match(m->code, (PCRE2_SPTR)p, n, 0, 0, d, m->limits);
	if (r == PCRE2_ERROR_JIT_STACKLIMIT)
		r = pcre2_match(m->code, (PCRE2_SPTR)p, n, 0, PCRE2_NO_JIT, d, m->limits);
	pcre2_match_data_free(d);
	return r >= 0 ? SQL_MATCH_YES : r == PCRE2_ERROR_NOMATCH ? SQL_MATCH_NO : SQL_MATCH_GAVE_UP;
}

static bool same_digest(const struct sql_match *m, struct sql_subject *s)
{
	if (s->digested == SQL_DIGEST_UNKNOWN)
		s->digested = sql_digest(s->lang, s->text, s->n, NULL, &s->digest)
				      ? SQL_DIGEST_KNOWN
				      : SQL_DIGEST_NONE;
	return s->digested == SQL_DIGEST_KNOWN && s->digest == m->digest;
}

enum sql_matched sql_match(const struct sql_match *m, struct sql_subject *s)
{
	if (s->first == SIZE_MAX)
		s->first = sql_first_token(s->lang, s->text, s->n);
	const char *p = s->text + s->first;
	size_t n = s->n - s->first;

	if (m->prefix != NULL && (n < m->prefix_n || strncasecmp(p, m->prefix, m->prefix_n) != 0))
		return SQL_MATCH_NO;
	if (m->has_digest && !same_digest(m, s))
		return SQL_MATCH_NO;
	return m->code != NULL ? run(m, p, n) : SQL_MATCH_YES;
}
