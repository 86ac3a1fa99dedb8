/* token_ask - the two statements about a session's token. A token's text has nothing in it that
 * would have to be quoted, so what does not look like one is left to the server, which refuses it.
 * Any thread. */
#include "token_ask.h"

#include <string.h>
#include <strings.h>

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

static bool take(struct text *t, const char *what)
{
	size_t n = strlen(what);
	if (t->n < n || strncasecmp(t->p, what, n) != 0)
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

bool token_ask_read(const char *text, size_t n, struct pev *ev_r)
{
	struct text t = { text, n };
	*ev_r = (struct pev){ .kind = PEV_TOKEN };
	skip_space(&t);
	if (t.n < strlen("show " NAME) || (*t.p | 0x20) != 's')
		return false;
	switch (t.p[2] | 0x20) { /* each query comes here */
	case 'o': return take_word(&t, "show") && take(&t, NAME) && at_end(t);
	case 'l': return take_word(&t, "select") && take(&t, "@@" NAME) && at_end(t);
	case 't': break;
	default: return false;
	}
	if (!take_word(&t, "set"))
		return false;
	(void)take_word(&t, "session");
	return take(&t, NAME) && read_value(t, ev_r);
}
