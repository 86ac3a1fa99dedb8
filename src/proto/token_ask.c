/* token_ask - the two statements about a session's token. A token's text has nothing in it that
 * would have to be quoted, so what does not look like one is left to the server, which refuses it.
 * Any thread. */
#include "token_ask.h"

#include <string.h>

#define NAME "weirpool.token"

struct text {
	const char *p;
	size_t n;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct text *t)
{
	while (t->n && is_space(*t->p)) {
		t->p++;
		t->n--;
	}
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* what: in small letters. Each query is compared with some, and soon differs. */
static bool take(struct text *t, const char *what)
{
	size_t n = 0;
	for (; what[n]; n++)
		if (n == t->n || lower(t->p[n]) != what[n])
			return false;
	t->p += n;
	t->n -= n;
	return true;
}

/* The word, and a blank behind it. */
static bool take_word(struct text *t, const char *word)
{
	struct text at = *t;
	if (!take(&at, word) || !at.n || !is_space(*at.p))
		return false;
	skip_space(&at);
	*t = at;
	return true;
}

static bool at_end(struct text t)
{
	skip_space(&t);
	while (take(&t, ";"))
		skip_space(&t);
	return t.n == 0;
}

static bool read_value(struct text t, struct pev *ev)
{
	skip_space(&t);
	if (!take(&t, "=") && !take_word(&t, "to"))
		return false;
	skip_space(&t);
	if (!take(&t, "'"))
		return false;
	const char *end = memchr(t.p, '\'', t.n);
	if (!end || memchr(t.p, '\\', (size_t)(end - t.p)))
		return false;
	ev->text = (const uint8_t *)t.p;
	ev->text_n = (size_t)(end - t.p);
	t.n -= ev->text_n + 1;
	t.p = end + 1;
	return at_end(t);
}

static bool is_asked(struct text t, struct pev *ev_r)
{
	*ev_r = (struct pev){ .kind = PEV_TOKEN };
	return at_end(t);
}

/* All of them end in the name or a quote. Each query comes here. */
static bool may_be_one(struct text t)
{
	while (t.n && (is_space(t.p[t.n - 1]) || t.p[t.n - 1] == ';'))
		t.n--;
	char last = t.n ? lower(t.p[t.n - 1]) : '\0';
	return last == 'n' || last == '\'';
}

bool token_ask_read(const char *text, size_t n, struct pev *ev_r)
{
	struct text t = { text, n };
	skip_space(&t);
	if (t.n < strlen("show " NAME) || lower(*t.p) != 's' || !may_be_one(t))
		return false;
	if (take_word(&t, "select"))
		return take(&t, "@@" NAME) && is_asked(t, ev_r);
	if (take_word(&t, "show"))
		return take(&t, NAME) && is_asked(t, ev_r);
	if (!take_word(&t, "set"))
		return false;
	(void)take_word(&t, "session");
	*ev_r = (struct pev){ .kind = PEV_TOKEN };
	return take(&t, NAME) && read_value(t, ev_r);
}
