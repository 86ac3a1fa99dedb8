/* cnf - reads libconfig's syntax: name = value; with groups { }, lists ( ) and arrays [ ],
 * strings in quotes, and comments of three kinds. Ignorant of what names mean. Pure. */
#include "cnf_int.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 20
#define TEXT_MAX (1U << 20)

struct reader {
	const char *p, *end;
	unsigned line, depth;
	char *why;
	size_t why_n;
	bool failed;
};

static void fail(struct reader *r, const char *what)
{
	if (!r->failed)
		snprintf(r->why, r->why_n, "line %u: %s", r->line, what);
	r->failed = true;
	r->p = r->end;
}

static void skip_line(struct reader *r)
{
	while (r->p < r->end && *r->p != '\n')
		r->p++;
}

static bool at(const struct reader *r, const char *s)
{
	size_t n = strlen(s);
	return (size_t)(r->end - r->p) >= n && memcmp(r->p, s, n) == 0;
}

static void skip_block(struct reader *r)
{
	for (r->p += 2; r->p < r->end && !at(r, "*/"); r->p++)
		r->line += *r->p == '\n';
	if (r->p < r->end)
		r->p += 2;
	else
		fail(r, "a comment has no end");
}

static void skip(struct reader *r)
{
	while (r->p < r->end) {
		if (isspace((unsigned char)*r->p))
			r->line += *r->p++ == '\n';
		else if (*r->p == '#' || at(r, "//"))
			skip_line(r);
		else if (at(r, "/*"))
			skip_block(r);
		else
			return;
	}
}

static bool take(struct reader *r, char c)
{
	skip(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static void put_escape(struct reader *r, struct buf *out)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	const char *c = *r->p ? strchr(from, *r->p) : NULL;
	buf_append(out, c ? &to[c - from] : r->p, 1);
	r->p++;
}

/* "one" "two" is onetwo. */
static void read_strings(struct reader *r, struct buf *out)
{
	while (take(r, '"')) {
		while (r->p < r->end && *r->p != '"') {
			r->line += *r->p == '\n';
			if (*r->p == '\\' && r->p + 1 < r->end) {
				r->p++;
				put_escape(r, out);
			} else {
				buf_append(out, r->p++, 1);
			}
		}
		if (r->p == r->end)
			fail(r, "a string has no end");
		else
			r->p++;
	}
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || strchr("_-.*+", c);
}

static void read_word(struct reader *r, struct buf *out)
{
	const char *from = r->p;
	while (r->p < r->end && *r->p && is_word(*r->p))
		r->p++;
	buf_append(out, from, (size_t)(r->p - from));
}

static char *text_of(struct buf *b)
{
	return mem_xstrndup(MEM_MISC, buf_len(b) ? (const char *)buf_data(b) : "", buf_len(b));
}

static void read_scalar(struct reader *r, struct cnf *c)
{
	struct buf b;
	buf_init(&b, TEXT_MAX);
	if (*r->p == '"') {
		read_strings(r, &b);
		c->text = text_of(&b);
	} else {
		read_word(r, &b);
		c->text = text_of(&b);
		size_t n = strlen(c->text);
		if (n > 1 && c->text[n - 1] == 'L') /* of 64 bits */
			c->text[n - 1] = '\0';
		if (!strcasecmp(c->text, "true") || !strcasecmp(c->text, "false"))
			memcpy(c->text, c->text[0] == 't' || c->text[0] == 'T' ? "1" : "0", 2);
		if (n == 0)
			fail(r, "a value is missing");
	}
	buf_wipe(&b);
}

static struct cnf *read_value(struct reader *r, char *name);

/* name = value; up to stop (0: the end of the file). */
static void read_settings(struct reader *r, struct cnf *group, char stop)
{
	struct cnf **next = &group->first;
	for (skip(r); r->p < r->end && *r->p != stop; skip(r)) {
		struct buf name;
		buf_init(&name, 256);
		read_word(r, &name);
		if (!buf_len(&name) || (!take(r, '=') && !take(r, ':'))) {
			fail(r, "name = value is expected here");
			buf_fini(&name);
			return;
		}
		*next = read_value(r, text_of(&name));
		buf_fini(&name);
		next = &(*next)->next;
		(void)!(take(r, ';') || take(r, ','));
	}
}

static void read_elements(struct reader *r, struct cnf *list, char stop)
{
	struct cnf **next = &list->first;
	for (skip(r); r->p < r->end && *r->p != stop; skip(r)) {
		*next = read_value(r, mem_xstrdup(MEM_MISC, ""));
		next = &(*next)->next;
		if (!take(r, ','))
			break;
	}
}

/* Takes name. */
static struct cnf *read_value(struct reader *r, char *name)
{
	struct cnf *c = mem_xalloc(MEM_MISC, sizeof *c);
	skip(r);
	c->name = name;
	c->line = r->line;
	if (r->p == r->end || ++r->depth > DEPTH_MAX) {
		fail(r, r->p == r->end ? "the file ends within a value" : "too many braces");
	} else if (*r->p == '{') {
		c->kind = CNF_GROUP;
		r->p++;
		read_settings(r, c, '}');
		if (!take(r, '}'))
			fail(r, "a } is missing");
	} else if (*r->p == '(' || *r->p == '[') {
		char stop = *r->p++ == '(' ? ')' : ']';
		c->kind = CNF_LIST;
		read_elements(r, c, stop);
		if (!take(r, stop))
			fail(r, stop == ')' ? "a ) or a comma is missing" : "a ] is missing");
	} else {
		read_scalar(r, c);
	}
	r->depth--;
	return c;
}

struct cnf *cnf_parse(const char *text, size_t n, char *why, size_t why_n)
{
	struct reader r = { .p = text, .end = text + n, .line = 1, .why = why, .why_n = why_n };
	struct cnf *root = mem_xalloc(MEM_MISC, sizeof *root);
	root->kind = CNF_GROUP;
	root->name = mem_xstrdup(MEM_MISC, "");
	read_settings(&r, root, '\0');
	if (r.p < r.end)
		fail(&r, "a zero byte; is this a text file?");
	if (r.failed) {
		cnf_free(root);
		return NULL;
	}
	return root;
}

void cnf_free(struct cnf *c)
{
	while (c) {
		struct cnf *next = c->next;
		cnf_free(c->first);
		if (c->text)
			mem_wipe(c->text, strlen(c->text));
		mem_free(MEM_MISC, c->text);
		mem_free(MEM_MISC, c->name);
		mem_free(MEM_MISC, c);
		c = next;
	}
}

const struct cnf *cnf_get(const struct cnf *c, const char *name)
{
	for (const struct cnf *k = c ? c->first : NULL; k; k = k->next)
		if (strcasecmp(k->name, name) == 0)
			return k;
	return NULL;
}

const char *cnf_text(const struct cnf *c, const char *name, const char *dflt)
{
	const struct cnf *k = cnf_get(c, name);
	return k && k->kind == CNF_SCALAR && k->text ? k->text : dflt;
}

long long cnf_number(const struct cnf *c, const char *name, long long dflt)
{
	int64_t v;
	return num_i64(cnf_text(c, name, ""), INT64_MIN, INT64_MAX, &v) == 0 ? (long long)v : dflt;
}
