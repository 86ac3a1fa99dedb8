/* msgs - mistakes and warnings found in a configuration, collected to be shown together. Control
 * thread. */
#include "conf_int.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MSGS_MAX 500

/* Names come from files and URLs: none may forge a line, or speak to a terminal. */
static char *printable(const char *text)
{
	char *out = mem_xstrdup(MEM_CONF, text);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return out;
}

static void push(struct conf_msgs *m, enum conf_level level, const char *file, unsigned line,
	const char *text)
{
	if ((m->n & (m->n - 1)) == 0) /* full at powers of two */
		m->list = mem_xrealloc(MEM_CONF, m->list, (m->n ? m->n * 2 : 1) * sizeof(*m->list));
	m->list[m->n++] = (struct conf_msg){
		.level = level,
		.file = file ? printable(file) : NULL,
		.line = line,
		.text = printable(text),
	};
}

void conf_msgs_add(struct conf_msgs *m, enum conf_level level, const char *file, unsigned line,
	const char *fmt, ...)
{
	char text[600];
	va_list ap;
	m->errors_n += level == CONF_ERROR;
	if (m->n >= MSGS_MAX) {
		if (m->n == MSGS_MAX)
			push(m, CONF_ERROR, NULL, 0, "too many mistakes: the others are not shown");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	push(m, level, file, line, text);
}

void conf_msgs_add_unread(
	struct conf_msgs *m, const char *option, const char *file, unsigned line, const char *text)
{
	conf_msgs_add(m, CONF_ERROR, file, line, "%s: %s", option, text);
	if (m->n <= MSGS_MAX)
		m->list[m->n - 1].unread = option;
}

bool conf_msgs_has_unread(const struct conf_msgs *m, const char *option)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->list[i].unread && strcmp(m->list[i].unread, option) == 0)
			return true;
	return false;
}

static bool belongs_before(const struct conf_msg *a, const struct conf_msg *b)
{
	int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");
	return c < 0 || (c == 0 && a->line < b->line);
}

void conf_msgs_sort(struct conf_msgs *m)
{
	for (unsigned i = 1; i < m->n; i++) {
		struct conf_msg msg = m->list[i];
		unsigned j = i;
		for (; j > 0 && belongs_before(&msg, &m->list[j - 1]); j--)
			m->list[j] = m->list[j - 1];
		m->list[j] = msg;
	}
}

void conf_msgs_fini(struct conf_msgs *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		mem_free(MEM_CONF, m->list[i].file);
		mem_free(MEM_CONF, m->list[i].text);
	}
	mem_free(MEM_CONF, m->list);
	memset(m, 0, sizeof(*m));
}

const char *conf_msg_format(const struct conf_msg *msg, char *out, size_t n)
{
	const char *kind = msg->level == CONF_WARNING ? "warning: " : "";
	if (msg->file && msg->line)
		snprintf(out, n, "%s:%u: %s%s", msg->file, msg->line, kind, msg->text);
	else if (msg->file)
		snprintf(out, n, "%s: %s%s", msg->file, kind, msg->text);
	else
		snprintf(out, n, "%s%s", kind, msg->text);
	return out;
}
