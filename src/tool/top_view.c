/* top_view - the tables of weirpool top: which columns of which SHOW, in which order, and how a row
 * becomes a line. What a client chose (names) cannot move the cursor: control characters are shown
 * as "?". Ignorant of the terminal. */
#include "tool_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(col, title, width) \
	{ \
		col, title, -(width), false \
	}
#define NUM(col, title, width) \
	{ \
		col, title, width, false \
	}
#define MICROS(col, title, width) \
	{ \
		col, title, width, true \
	}

static const struct view_column pools[] = { TEXT("database", "database", 16),
	TEXT("user", "user", 12), NUM("cl_active", "active", 6), NUM("cl_waiting", "wait", 6),
	NUM("maxwait", "maxwait", 7), NUM("sv_active", "sv_act", 6), NUM("sv_idle", "idle", 5),
	NUM("sv_used", "used", 5), NUM("sv_login", "login", 5), TEXT("pool_mode", "mode", 11),
	TEXT("node", "node", 20) };
static const struct view_column clients[] = { TEXT("database", "database", 14),
	TEXT("user", "user", 12), TEXT("state", "state", 9), MICROS("wait_us", "wait", 8),
	TEXT("addr", "from", 15), TEXT("application_name", "application", 16),
	TEXT("pins", "pins", 20), TEXT("tls", "tls", 12) };
static const struct view_column servers[] = { TEXT("database", "database", 14),
	TEXT("user", "user", 12), TEXT("state", "state", 9), NUM("remote_pid", "pid", 8),
	TEXT("addr", "server", 15), NUM("port", "port", 5), TEXT("request_time", "since", 23),
	TEXT("application_name", "application", 16) };
static const struct view_column nodes[] = { TEXT("cluster", "cluster", 12),
	TEXT("node", "node", 22), TEXT("role", "role", 8), TEXT("state", "state", 9),
	NUM("lag_ms", "lag_ms", 7), TEXT("freshness", "fresh", 9), TEXT("reads", "reads", 5),
	TEXT("writes", "writes", 6), TEXT("why", "why", 40) };
static const struct view_column waits[] = { TEXT("database", "database", 14),
	TEXT("user", "user", 12), TEXT("addr", "from", 15), MICROS("wait_us", "wait", 8),
	TEXT("waits_for", "for", 16), NUM("open", "open", 5), NUM("pool_size", "size", 5),
	TEXT("application_name", "application", 16) };

#define VIEW(key, title, show, list, sort) \
	{ \
		key, title, show, list, sizeof(list) / sizeof(list[0]), sort \
	}
const struct view top_views[] = {
	VIEW('p', "pools", "SHOW POOLS", pools, 3),
	VIEW('c', "clients", "SHOW CLIENTS", clients, 3),
	VIEW('s', "servers", "SHOW SERVERS", servers, 2),
	VIEW('n', "nodes", "SHOW NODES", nodes, 0),
	VIEW('w', "waits", "SHOW WAITS", waits, 3),
};
const unsigned top_views_n = sizeof top_views / sizeof top_views[0];

/* ---- one cell ---- */

/* Bytes of the character at s; *show_r: it may be printed. Anything that is not UTF-8, and control
 * characters (U+0080 to U+009F, too), may not. */
static size_t next_char(const unsigned char *s, bool *show_r)
{
	size_t n = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : *s >= 0xc2 ? 2 : 0;
	*show_r = n == 1 ? *s >= 0x20 && *s != 0x7f : n > 1 && *s < 0xf5;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80) {
			*show_r = false;
			return 1;
		}
	if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
		*show_r = false;
	return n ? n : 1;
}

/* s in exactly width columns. */
static void put_cell(struct buf *out, const char *s, unsigned width, bool left)
{
	struct buf text;
	unsigned used = 0;
	buf_init(&text, 0);
	for (const unsigned char *p = (const unsigned char *)s; *p && used < width; used++) {
		bool show;
		size_t n = next_char(p, &show);
		buf_append(&text, show ? (const char *)p : "?", show ? n : 1);
		p += n;
	}
	for (unsigned i = used; !left && i < width; i++)
		buf_puts(out, " ");
	if (buf_len(&text))
		buf_append(out, buf_data(&text), buf_len(&text));
	for (unsigned i = used; left && i < width; i++)
		buf_puts(out, " ");
	buf_fini(&text);
}

static const char *micros(const char *text, char out[24])
{
	double us = strtod(text, NULL);
	if (us <= 0)
		return "";
	snprintf(out, 24,
		us < 1e4   ? "%.0fus"
		: us < 1e6 ? "%.0fms"
			   : "%.1fs",
		us < 1e4   ? us
		: us < 1e6 ? us / 1e3
			   : us / 1e6);
	return out;
}

/* ---- the order ---- */

struct order {
	const PGresult *r;
	const char *column;
	bool up, numbers;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	const int *x = a, *y = b;
	const char *s = tool_cell(o->r, *x, o->column), *t = tool_cell(o->r, *y, o->column);
	double d = strtod(s, NULL) - strtod(t, NULL);
	int c = o->numbers ? (d > 0) - (d < 0) : strcmp(s, t);
	if (c == 0)
		return *x - *y; /* as the console had them */
	return o->up ? c : -c;
}

static int *sorted(const struct view *v, const PGresult *r, const struct view_how *how)
{
	const struct view_column *vc = &v->columns[how->sort < v->n ? how->sort : 0];
	struct order o = { r, vc->column, how->up, vc->width > 0 };
	int n = PQntuples(r), *rows = mem_xalloc(MEM_MISC, ((size_t)n + 1) * sizeof *rows);
	if (!o.numbers) /* names begin with a, numbers with the largest */
		o.up = !o.up;
	for (int i = 0; i < n; i++)
		rows[i] = i;
	qsort_r(rows, (size_t)n, sizeof *rows, compare, &o);
	return rows;
}

/* ---- the table ---- */

static void put_title(struct buf *out, const struct view *v, const struct view_how *how)
{
	unsigned used = 0;
	if (how->colour)
		buf_puts(out, "\033[7m");
	for (unsigned i = 0; i < v->n; i++) {
		const struct view_column *c = &v->columns[i];
		unsigned w = (unsigned)abs(c->width);
		char title[40];
		if (how->width && used + w > how->width)
			break;
		snprintf(title, sizeof title, i == how->sort ? "%s%c" : "%s", c->title,
			how->up ? '+' : '-');
		put_cell(out, title, w, c->width < 0);
		used += w + 1;
		if (i + 1 < v->n && !(how->width && used > how->width))
			buf_puts(out, " ");
	}
	for (; how->colour && used < how->width; used++)
		buf_puts(out, " ");
	buf_puts(out, how->colour ? "\033[0m\n" : "\n");
}

static void put_row(struct buf *out, const struct view *v, const PGresult *r, int row,
	const struct view_how *how)
{
	unsigned used = 0;
	size_t begin = buf_len(out);
	for (unsigned i = 0; i < v->n; i++) {
		const struct view_column *c = &v->columns[i];
		unsigned w = (unsigned)abs(c->width);
		const char *text = tool_cell(r, row, c->column);
		char tmp[24];
		if (how->width && used + w > how->width)
			break;
		if (used)
			buf_puts(out, " ");
		put_cell(out, c->micros ? micros(text, tmp) : text, w, c->width < 0);
		used += w + 1;
	}
	while (buf_len(out) > begin && buf_data(out)[buf_len(out) - 1] == ' ')
		buf_truncate(out, buf_len(out) - 1);
	buf_puts(out, "\n");
}

void top_view_put(
	struct buf *out, const struct view *v, const PGresult *r, const struct view_how *how)
{
	int *rows = sorted(v, r, how);
	put_title(out, v, how);
	for (unsigned i = how->from; i < (unsigned)PQntuples(r) && i < how->from + how->lines_n;
		i++)
		put_row(out, v, r, rows[i], how);
	mem_free(MEM_MISC, rows);
}
