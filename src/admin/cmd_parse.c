/* cmd_parse - the text of a console command as words: names, "quoted names", SET key = value. Pure;
 * ignorant of which commands there are. */
#include "admin_int.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int cmd_invalid(const char *sql, struct err *e)
{
	return err_set(e, ERR_SYNTAX, "invalid command '%.200s', use SHOW HELP;", sql);
}

static int why(const char *sql, struct err *e, const char *hint)
{
	cmd_invalid(sql, e);
	return err_hint(e, "%s", hint);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static const char *skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '@' ||
	       c == '$' || c == ':' || (unsigned char)c >= 0x80;
}

/* Where the comment ends that begins at p; p itself: none does. Not within an unquoted value, as in
 * SET a = x--y. */
static char *comment_end(const char *sql, char *p)
{
	if (p > sql && !is_space(p[-1]) && p[-1] != ';')
		return p;
	if (p[0] == '-' && p[1] == '-')
		return p + strcspn(p, "\n");
	if (p[0] != '/' || p[1] != '*')
		return p;
	char *end = strstr(p + 2, "*/");
	return end ? end + 2 : p;
}

void cmd_blank_comments(char *sql)
{
	char quote = '\0';
	for (char *p = sql; *p; p++) {
		char *end = quote ? p : comment_end(sql, p);
		if (end > p) {
			memset(p, ' ', (size_t)(end - p));
			p = end - 1;
		} else if (quote ? *p == quote : *p == '\'' || *p == '"' || *p == '`') {
			quote = quote ? '\0' : *p;
		}
	}
}

enum taken { TAKEN, TAKE_NONE, TAKE_TOO_LONG, TAKE_OPEN };

/* From *p, which stands at q: what is between two q, a doubled q for one. */
static enum taken take_quoted(const char **p, char q, char *out, size_t n)
{
	size_t at = 0;
	const char *s = *p + 1;
	for (; *s; s++) {
		if (*s == q && *++s != q) {
			out[at] = '\0';
			*p = s;
			return TAKEN;
		}
		if (at + 1 >= n)
			return TAKE_TOO_LONG;
		out[at++] = *s;
	}
	return TAKE_OPEN;
}

/* A word, or a quoted name without its quotes. */
static enum taken take_name(const char **p, char *out, size_t n, bool *quoted_r)
{
	const char *s = *p;
	size_t at = 0;
	*quoted_r = *s == '"';
	if (*quoted_r)
		return take_quoted(p, '"', out, n);
	for (; is_word(*s); s++) {
		if (at + 1 >= n)
			return TAKE_TOO_LONG;
		out[at++] = *s;
	}
	out[at] = '\0';
	*p = s;
	return at ? TAKEN : TAKE_NONE;
}

static const char *explain(enum taken t)
{
	switch (t) {
	case TAKE_TOO_LONG: return "A word of it is too long.";
	case TAKE_OPEN: return "A quote is not closed.";
	case TAKE_NONE: return "Names of other characters need double quotes.";
	case TAKEN: break;
	}
	return "";
}

/* Only semicolons and blanks are left. */
static bool at_end(const char *p)
{
	while (is_space(*p) || *p == ';')
		p++;
	return *p == '\0';
}

/* An unquoted value: all up to the semicolon or the end. */
static enum taken take_rest(const char **p, char *out, size_t n)
{
	size_t len = strcspn(*p, ";'\"");
	const char *end = *p + len;
	while (len && is_space((*p)[len - 1]))
		len--;
	if (len == 0)
		return TAKE_NONE;
	if (len >= n)
		return TAKE_TOO_LONG;
	memcpy(out, *p, len);
	out[len] = '\0';
	*p = end;
	return TAKEN;
}

/* Behind SET: [SESSION] key = value, key TO value. */
static int parse_set(const char *sql, const char *p, struct cmd_line *l, struct err *e)
{
	bool quoted;
	l->is_set = true;
	p = skip_space(p);
	enum taken t = take_name(&p, l->key, sizeof l->key, &quoted);
	if (t == TAKEN && !quoted && !strcasecmp(l->key, "session")) {
		const char *next = skip_space(p);
		if (*next != '=') {
			p = next;
			t = take_name(&p, l->key, sizeof l->key, &quoted);
		}
	}
	if (t != TAKEN || !*l->key)
		return why(sql, e,
			t == TAKEN || t == TAKE_NONE ? "Usage: SET key = value" : explain(t));
	p = skip_space(p);
	if (*p == '=')
		p++;
	else if (tolower((unsigned char)p[0]) == 't' && tolower((unsigned char)p[1]) == 'o' &&
		 (is_space(p[2]) || p[2] == '\'' || p[2] == '"'))
		p += 2;
	else
		return why(sql, e, "Usage: SET key = value");
	p = skip_space(p);
	t = *p == '\'' || *p == '"' ? take_quoted(&p, *p, l->value, sizeof l->value)
				    : take_rest(&p, l->value, sizeof l->value);
	if (t == TAKE_NONE)
		return why(sql, e, "Usage: SET key = value; an empty value is written ''.");
	if (t != TAKEN)
		return why(sql, e, explain(t));
	if (!at_end(p))
		return why(sql, e, "Something stands behind the value.");
	return 0;
}

int cmd_parse(const char *sql, struct cmd_line *l, struct err *e)
{
	const char *p = skip_space(sql);
	bool quoted;
	*l = (struct cmd_line){ 0 };
	enum taken t = take_name(&p, l->verb, sizeof l->verb, &quoted);
	if (t != TAKEN)
		return why(sql, e, explain(t));
	if (!quoted && !strcasecmp(l->verb, "set"))
		return parse_set(sql, p, l, e);
	while (!at_end(p)) {
		const char *before = p;
		p = skip_space(p);
		if (p == before || l->args_n == CMD_ARGS_MAX)
			return why(sql, e,
				l->args_n == CMD_ARGS_MAX ? "It has too many words."
							  : explain(TAKE_NONE));
		t = take_name(&p, l->arg[l->args_n].text, sizeof l->arg[0].text,
			&l->arg[l->args_n].quoted);
		if (t != TAKEN)
			return why(sql, e, explain(t));
		l->args_n++;
	}
	return 0;
}
