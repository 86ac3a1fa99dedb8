/* json - the next token of a JSON text (RFC 8259), for answers of which few words matter.
 * Bounded in depth, takes no memory; escapes in strings are left as they are. Pure. */
#include "monitor_int.h"

#include <string.h>

#define DEPTH_MAX 30

void json_init(struct json *j, const char *p, size_t n)
{
	*j = (struct json){ .p = p, .end = p + n, .first = true };
}

bool json_is(const struct json *j, const char *s)
{
	return j->text_n == strlen(s) && memcmp(j->text, s, j->text_n) == 0;
}

static void skip_blank(struct json *j)
{
	while (j->p < j->end && strchr(" \t\r\n", *j->p) && *j->p)
		j->p++;
}

static bool in_object(const struct json *j)
{
	return j->depth && (j->is_object >> j->depth & 1);
}

static bool take_string(struct json *j)
{
	j->text = ++j->p;
	while (j->p < j->end && *j->p != '"') {
		if ((unsigned char)*j->p < 0x20)
			return false;
		if (*j->p++ == '\\' && j->p < j->end)
			j->p++;
	}
	if (j->p >= j->end)
		return false;
	j->text_n = (size_t)(j->p++ - j->text);
	return true;
}

static bool take_word(struct json *j)
{
	j->text = j->p;
	while (j->p < j->end && *j->p && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *j->p))
		j->p++;
	j->text_n = (size_t)(j->p - j->text);
	return j->text_n > 0;
}

static enum json_kind open_one(struct json *j)
{
	if (j->depth == DEPTH_MAX)
		return JSON_BAD;
	j->depth++;
	j->is_object &= ~(UINT32_C(1) << j->depth);
	j->is_object |= (uint32_t)(*j->p == '{') << j->depth;
	j->p++;
	j->first = true;
	j->want_value = false;
	return JSON_OPEN;
}

static enum json_kind close_one(struct json *j)
{
	if (!j->depth || j->want_value || (*j->p == '}') != in_object(j))
		return JSON_BAD;
	j->depth--;
	j->p++;
	j->first = false;
	return JSON_CLOSE;
}

enum json_kind json_next(struct json *j)
{
	skip_blank(j);
	if (j->p == j->end)
		return j->depth || j->first ? JSON_BAD : JSON_END;
	if (*j->p == '}' || *j->p == ']')
		return close_one(j);
	if (!j->first && !j->want_value) {
		if (!j->depth || *j->p != ',')
			return JSON_BAD;
		j->p++;
		skip_blank(j);
	}
	j->first = false;
	if (j->p == j->end)
		return JSON_BAD;
	if (in_object(j) && !j->want_value) {
		if (*j->p != '"' || !take_string(j))
			return JSON_BAD;
		skip_blank(j);
		if (j->p == j->end || *j->p++ != ':')
			return JSON_BAD;
		j->want_value = true;
		return JSON_KEY;
	}
	if (*j->p == '{' || *j->p == '[')
		return open_one(j);
	j->want_value = false;
	return (*j->p == '"' ? take_string(j) : take_word(j)) ? JSON_VALUE : JSON_BAD;
}
