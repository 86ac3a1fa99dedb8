/* numbers - the numbers of a text that may be others, token by token. Ignorant of grammar but for
 * how a statement begins. Any thread. */
#include "sql/numbers.h"

#include "shape_int.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
const uint8_t sql_number_bytes[256] = {
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
	const char *end = t->p + t->n;

	return t->shape == SHAPE_NUMBER && sql_number_byte(*t->p, SQL_BYTE_DIGIT) &&
	       sql_number_end(text, t->p, text + n) == end;
}

size_t sql_numbers(
	const struct sql_lang *lang, const char *text, size_t n, struct sql_number *out, size_t max)
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
		if (t.shape == SHAPE_BAD || over)
			return 0; /* unsure, or another statement */
		over = t.shape == SHAPE_SEMICOLON;
		if (found < max && is_free(&t, text, n))
			out[found++] = (struct sql_number){ (uint16_t)(t.p - text), (uint16_t)t.n };
	}
	return found;
}
