/*
 * Hints: comments at the very start of a text, for the router. Ignorant of statements. Any thread.
 *
 *   weirpool: primary | replica | node=NAME,
 *             consistency=eventual|bounded(200ms)|session|global|strong
 *
 * Of other proxies: pgpool's NO LOAD BALANCE, MaxScale's "maxscale route to master|slave|server
 * NAME".
 */
#include "sql/route.h"

#include <string.h>

struct words {
	const char *p, *end;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static char fold(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static void skip_space(struct words *w)
{
	while (w->p < w->end && (is_space(*w->p) || *w->p == ','))
		w->p++;
}

/* Takes the word when it is the next one, in any case. */
static bool take(struct words *w, const char *word)
{
	size_t n = strlen(word);

	skip_space(w);
	if ((size_t)(w->end - w->p) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (fold(w->p[i]) != word[i])
			return false;
	char last = word[n - 1];

	if (last >= 'a' && last <= 'z' && w->p + n < w->end && fold(w->p[n]) >= 'a' &&
		fold(w->p[n]) <= 'z')
		return false; /* only the start of a longer word */
	w->p += n;
	return true;
}

static bool take_name(struct words *w, struct sql_hint *h)
{
	const char *start;

	skip_space(w);
	for (start = w->p; w->p < w->end && !is_space(*w->p) && *w->p != ','; w->p++)
		;
	size_t n = (size_t)(w->p - start);

	if (n == 0 || n > SQL_HINT_NAME_MAX)
		return false;
	memcpy(h->name, start, n);
	h->name[n] = '\0';
	h->name_n = (uint8_t)n;
	h->node = SQL_HINT_NAMED;
	return true;
}

/* (200), (200ms), (2s) */
static bool take_bound(struct words *w, struct sql_hint *h)
{
	uint64_t ms = 0;
	bool digits = false;

	if (!take(w, "("))
		return false;
	for (skip_space(w); w->p < w->end && *w->p >= '0' && *w->p <= '9'; w->p++) {
		ms = ms * 10 + (uint64_t)(*w->p - '0');
		digits = true;
		if (ms > UINT32_MAX)
			return false;
	}
	if (take(w, "s"))
		ms *= 1000;
	else
		(void)take(w, "ms");
	if (!digits || ms > UINT32_MAX || !take(w, ")"))
		return false;
	h->bounded_ms = (uint32_t)ms;
	h->consistency = SQL_HINT_BOUNDED;
	return true;
}

static bool take_level(struct words *w, struct sql_hint *h)
{
	static const struct {
		const char *word;
		enum sql_hint_consistency level;
	} levels[] = {
		{ "eventual", SQL_HINT_EVENTUAL },
		{ "session", SQL_HINT_SESSION },
		{ "global", SQL_HINT_GLOBAL },
		{ "strong", SQL_HINT_STRONG },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (take(w, levels[i].word)) {
			h->consistency = levels[i].level;
			return true;
		}
	}
	return take(w, "bounded") && take_bound(w, h);
}

static bool take_consistency(struct words *w, struct sql_hint *h)
{
	return take(w, "=") && take_level(w, h);
}

bool sql_consistency_read(const char *text, size_t n, struct sql_hint *out_r)
{
	struct words w = { text, text + n };

	memset(out_r, 0, offsetof(struct sql_hint, name));
	if (!take_level(&w, out_r))
		return false;
	skip_space(&w);
	return w.p == w.end;
}

static bool take_ours(struct words *w, struct sql_hint *h)
{
	if (take(w, "primary"))
		h->node = SQL_HINT_PRIMARY;
	else if (take(w, "replica"))
		h->node = SQL_HINT_REPLICA;
	else if (take(w, "node"))
		return take(w, "=") && take_name(w, h);
	else if (take(w, "consistency"))
		return take_consistency(w, h);
	else
		return false;
	return true;
}

static bool read_ours(struct words *w, struct sql_hint *h)
{
	for (skip_space(w); w->p < w->end; skip_space(w)) {
		if (!take_ours(w, h)) {
			h->unknown = true;
			break;
		}
	}
	return true;
}

static bool read_maxscale(struct words *w, struct sql_hint *h)
{
	if (!take(w, "route") || !take(w, "to"))
		return false;
	if (take(w, "master"))
		h->node = SQL_HINT_PRIMARY;
	else if (take(w, "slave"))
		h->node = SQL_HINT_REPLICA;
	else if (!take(w, "server") || !take_name(w, h))
		return false;
	return true;
}

static bool read_comment(const char *p, const char *end, struct sql_hint *h)
{
	struct words w = { p, end };

	if (take(&w, "weirpool") && take(&w, ":"))
		return read_ours(&w, h);
	w.p = p;
	if (take(&w, "no") && take(&w, "load") && take(&w, "balance")) {
		h->node = SQL_HINT_PRIMARY;
		return true;
	}
	w.p = p;
	return take(&w, "maxscale") && read_maxscale(&w, h);
}

bool sql_hint_read(const char *text, size_t n, struct sql_hint *out_r)
{
	const char *p = text, *end = text + n;
	bool found = false;

	memset(out_r, 0, offsetof(struct sql_hint, name));
	if (n == 0)
		return false;
	for (;;) {
		while (p < end && is_space(*p))
			p++;
		if (end - p < 4 || p[0] != '/' || p[1] != '*' || p[2] == '!')
			return found;
		const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);

		/* PostgreSQL's comments nest: what is inside of one is no hint, and no end */
		if (close == NULL || memmem(p + 2, (size_t)(close - p - 2), "/*", 2) != NULL)
			return found;
		found |= read_comment(p + 2, close, out_r);
		p = close + 2;
	}
}
