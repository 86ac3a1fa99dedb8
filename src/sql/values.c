/* values - the numbers and strings of a text that may be others, token by token. Ignorant of
 * grammar but for how a statement begins. Any thread. */
#include "sql/values.h"

#include "shape_int.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
const uint8_t sql_value_bytes[256] = {
	['0' ... '9'] = SQL_BYTE_DIGIT,
	[' '] = SQL_BYTE_BEFORE | SQL_BYTE_BEHIND, ['\t'] = SQL_BYTE_BEFORE | SQL_BYTE_BEHIND,
	['\n'] = SQL_BYTE_BEFORE | SQL_BYTE_BEHIND, ['\r'] = SQL_BYTE_BEFORE | SQL_BYTE_BEHIND,
	['('] = SQL_BYTE_BEFORE, [')'] = SQL_BYTE_BEHIND, [';'] = SQL_BYTE_BEHIND,
	[','] = SQL_BYTE_BEFORE | SQL_BYTE_BEHIND,
	['='] = SQL_BYTE_BEFORE, ['<'] = SQL_BYTE_BEFORE, ['>'] = SQL_BYTE_BEFORE,
	['-'] = SQL_BYTE_BEFORE, ['+'] = SQL_BYTE_BEFORE, [':'] = SQL_BYTE_BEHIND,
};
/* clang-format on */

/* Of these the classifiers and routers look at words, names and operators alone. */
static bool is_of_rows(const struct shape_tok *t)
{
	static const char *const verbs[] = { "select", "insert", "update", "delete", "with" };

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (t->shape == SHAPE_WORD && t->n == strlen(verbs[i]) &&
			strncasecmp(t->p, verbs[i], t->n) == 0)
			return true;
	return false;
}

/* Comments that some readings take for code; their versions are looked at, too. */
static bool may_be_code(const struct sql_lang *lang, const char *text, size_t n)
{
	return lang->my != NULL &&
	       (memmem(text, n, "/*!", 3) != NULL || memmem(text, n, "/*M!", 4) != NULL);
}

static bool is_free(const struct shape_tok *t, const char *text, size_t n)
{
	bool kind = t->shape == SHAPE_NUMBER || t->shape == SHAPE_LITERAL;

	return kind && sql_value_end(text, t->p, text + n) == t->p + t->n;
}

/* May it be PostgreSQL's current_setting()? The router looks at which setting it asks for. */
static bool names_setting(const struct shape_tok *t)
{
	static const char name[] = "current_setting";
	const char *p = t->p;
	size_t n = t->n;

	if (n > 3 && (*p | 32) == 'u' && p[1] == '&') /* may spell anything */
		return true;
	if (n > 2 && *p == '"') {
		p++;
		n -= 2;
	}
	return n == sizeof(name) - 1 && strncasecmp(p, name, n) == 0;
}

size_t sql_values(
	const struct sql_lang *lang, const char *text, size_t n, struct sql_value *out, size_t max)
{
	struct shape_lex lex;
	struct shape_tok t;
	size_t found = 0;
	bool over = false;

	if (n > UINT16_MAX || may_be_code(lang, text, n))
		return 0;
	shape_init(&lex, lang, text, n);
	shape_next(&lex, &t);
	if (!is_of_rows(&t))
		return 0;
	for (; t.shape != SHAPE_END; shape_next(&lex, &t)) {
		if (t.shape == SHAPE_BAD || over || (lang->pg != NULL && names_setting(&t)))
			return 0; /* unsure, or another statement */
		over = t.shape == SHAPE_SEMICOLON;
		if (found < max && is_free(&t, text, n))
			out[found++] = (struct sql_value){ (uint16_t)(t.p - text), (uint16_t)t.n };
	}
	return found;
}
