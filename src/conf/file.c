/* file - lines of an ini file to items. Ignorant of which options exist, except that %include and
 * the section names are its business. Control thread.
 *
 * Syntax is PgBouncer's (its docs, pgbouncer.ini: "The file is in .ini format"): a line is empty,
 * a comment (; or # at its start only), [section], %include path, or name = value with the value
 * up to the end of the line; a name may be "quoted" with "" for a quote in it; a later line wins.
 *
 * Why not inih: as built in Debian it cuts lines at 200 bytes, takes " ;" within a value for a
 * comment and ":" for "=", cuts names at 50 bytes, knows no quoted names, and tells no line
 * number. A reader in front of it that hides all that would have to parse the line first, and then
 * there is nothing left for inih to do. */
#include "conf_int.h"

#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 10
#define FILES_MAX 1000
#define WHY_MAX 400
#define FILE_MAX_BYTES (16U << 20)

struct reader {
	struct conf *conf;
	struct conf_msgs *m;
	enum conf_section section; /* goes on through includes, as in PgBouncer */
	bool skip;                 /* in a section that is not known, or before the first */
	unsigned depth, files_n;
	struct conf_src at;
};

static const char *const section_names[] = {
	[CONF_SEC_WEIRPOOL] = "weirpool",
	[CONF_SEC_PGBOUNCER] = "pgbouncer",
	[CONF_SEC_DATABASES] = "databases",
	[CONF_SEC_MYSQL_DATABASES] = "mysql_databases",
	[CONF_SEC_USERS] = "users",
	[CONF_SEC_PEERS] = "peers",
	[CONF_SEC_CLUSTERS] = "clusters",
	[CONF_SEC_RULES] = "rules",
};
#define SECTIONS_N (sizeof(section_names) / sizeof(section_names[0]))

const char *conf_section_name(enum conf_section s)
{
	return s == CONF_SEC_NONE || s == CONF_SEC_OUTSIDE ? "" : section_names[s];
}

#define MISTAKE(r, ...) conf_msgs_add((r)->m, CONF_ERROR, (r)->at.file, (r)->at.line, __VA_ARGS__)

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	return p;
}

static const char *trim_end(const char *p, const char *end)
{
	while (end > p && isspace((unsigned char)end[-1]))
		end--;
	return end;
}

static void read_section(struct reader *r, const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	char name[64];
	r->skip = true;
	if (close == NULL) {
		MISTAKE(r, "a section header needs a ] at its end");
		return;
	}
	const char *rest = skip_blank(close + 1, end);
	if (rest < end && *rest != ';' && *rest != '#')
		MISTAKE(r, "there must be nothing behind the ] of a section header");
	snprintf(name, sizeof(name), "%.*s", (int)(close - p > 63 ? 63 : close - p), p);
	for (unsigned i = CONF_SEC_WEIRPOOL; i < SECTIONS_N; i++) {
		if (strcasecmp(name, section_names[i]) == 0) {
			r->section = (enum conf_section)i;
			r->skip = false;
			conf_item_add(r->conf, r->section, NULL, NULL, r->at);
			return;
		}
	}
	for (unsigned i = CONF_SEC_WEIRPOOL; i < SECTIONS_N; i++) {
		if (opt_distance(name, section_names[i]) <= 3) {
			MISTAKE(r, "there is no section [%s], did you mean [%s]?", name,
				section_names[i]);
			return;
		}
	}
	MISTAKE(r,
		"there is no section [%s]; there are [weirpool] or [pgbouncer], [databases], "
		"[mysql_databases], [users], [clusters], [rules] and [peers]",
		name);
}

/* A "quoted" name at p, unquoted into out. Behind it, or NULL when the quote does not end. */
static const char *read_quoted(const char *p, const char *end, struct buf *out)
{
	for (p++; p < end; p++) {
		if (*p == '"') {
			if (p + 1 == end || p[1] != '"')
				return p + 1;
			p++;
		}
		buf_append(out, p, 1);
	}
	return NULL;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_.-*$", c) || (unsigned char)c >= 0x80;
}

/* What is wrong with a line that has no = where it should be. */
static void explain(struct reader *r, const char *p, const char *end)
{
	size_t n = 0;
	while (p + n < end && n < 40 && p[n] != '=' && !isspace((unsigned char)p[n]))
		n++;
	if (memchr(p, '=', (size_t)(end - p)))
		MISTAKE(r,
			"a name with other characters than letters, digits, _ . - * needs "
			"quotes: \"%.*s\" = ...",
			(int)n, p);
	else /* the text is not shown: it may be the rest of a line with a password */
		MISTAKE(r, "there is no = in this line; it must be name = value, or a comment that "
			   "starts with ; or #");
}

static void read_pair(struct reader *r, const char *p, const char *end)
{
	struct buf name;
	const char *start = p;
	buf_init(&name, 4096);
	if (*p == '"') {
		p = read_quoted(p, end, &name);
	} else {
		while (p < end && is_name_char(*p))
			p++;
		buf_append(&name, start, (size_t)(p - start));
	}
	const char *eq = p ? skip_blank(p, end) : NULL;
	if (p == NULL) {
		MISTAKE(r, "the quote at the start of this line has no end");
	} else if (eq == end || *eq != '=' || p == start) {
		explain(r, start, end);
	} else if (r->section == CONF_SEC_NONE && !r->skip) {
		MISTAKE(r, "this line is before the first section header, as [weirpool]");
		r->skip = true;
	} else if (name.failed) {
		MISTAKE(r, "the name is too long");
	} else if (!r->skip) {
		const char *key = conf_str(
			r->conf, buf_len(&name) ? (char *)buf_data(&name) : "", buf_len(&name));
		const char *v = skip_blank(eq + 1, end);
		bool pairs = r->section != CONF_SEC_WEIRPOOL && r->section != CONF_SEC_PGBOUNCER;
		char why[WHY_MAX];
		v = conf_expand(r->conf, v, (size_t)(end - v), pairs, why, sizeof(why));
		if (v)
			conf_item_add(r->conf, r->section, key, v, r->at);
		else
			MISTAKE(r, "%s: %s", key, why);
	}
	buf_fini(&name);
}

static void read_path(struct reader *r, const char *path, bool included);

static void read_include(struct reader *r, const char *p, const char *end)
{
	p = skip_blank(p, end);
	if (p == end) {
		MISTAKE(r, "%%include needs the name of a file");
		return;
	}
	char why[WHY_MAX];
	const char *path = conf_expand(r->conf, p, (size_t)(end - p), false, why, sizeof(why));
	if (path)
		read_path(r, path, true);
	else
		MISTAKE(r, "%%include: %s", why);
}

static void read_line(struct reader *r, const char *p, const char *end)
{
	static const char include[] = "%include";
	size_t n = sizeof(include) - 1;
	p = skip_blank(p, end);
	end = trim_end(p, end);
	if (p == end || *p == ';' || *p == '#')
		return;
	if (memchr(p, 0, (size_t)(end - p)))
		MISTAKE(r, "there is a zero byte in this line; is this a text file?");
	else if (*p == '[')
		read_section(r, p + 1, end);
	else if ((size_t)(end - p) >= n && memcmp(p, include, n) == 0 &&
		 (p + n == end || isspace((unsigned char)p[n])))
		read_include(r, p + n, end);
	else
		read_pair(r, p, end);
}

static void read_lines(struct reader *r, const char *text, size_t n)
{
	const char *p = text, *end = text + n;
	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) /* byte order mark of UTF-8 */
		p += 3;
	for (r->at.line = 1; p < end; r->at.line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		read_line(r, p, stop);
		p = nl ? nl + 1 : end;
	}
}

/* Of a file that is none. */
static const char *other_hint(const char *path)
{
	return errno == ENOENT && strpbrk(path, ":=") != NULL
		       ? "; a server is named by a URL, as postgres://user:secret@host/database"
		       : "";
}

/* The file that was named, not one that it includes. */
static void read_top(struct reader *r, const char *text, size_t n)
{
	char why[200];
	if (conf_foreign(text, n, why, sizeof(why)))
		conf_msgs_add(r->m, CONF_ERROR, r->at.file, 0, "%s", why);
	else
		read_lines(r, text, n);
}

static void read_path(struct reader *r, const char *path, bool included)
{
	struct conf_src outer = r->at;
	struct buf text;
	if (r->depth >= DEPTH_MAX || r->files_n >= FILES_MAX) {
		MISTAKE(r,
			"%%include goes deeper than %d files, or includes more than %d; does a "
			"file include itself?",
			DEPTH_MAX, FILES_MAX);
		return;
	}
	buf_init(&text, FILE_MAX_BYTES);
	if (conf_slurp(r->conf, path, false, &text) != 0) {
		if (included)
			MISTAKE(r, "cannot read %s: %s", path, strerror(errno));
		else
			conf_msgs_add(r->m, CONF_ERROR, path, 0, "cannot read it: %s%s",
				strerror(errno), other_hint(path));
	} else {
		r->files_n++;
		r->depth++;
		r->at.file = path;
		const char *p = buf_len(&text) ? (const char *)buf_data(&text) : "";
		if (included)
			read_lines(r, p, buf_len(&text));
		else
			read_top(r, p, buf_len(&text));
		r->depth--;
	}
	buf_wipe(&text); /* may hold passwords */
	r->at = outer;
}

void conf_read_file(struct conf *conf, const char *path, struct conf_msgs *m)
{
	struct reader r = { .conf = conf, .m = m };
	read_path(&r, conf_str(conf, path, strlen(path)), false);
}

void conf_read_text(
	struct conf *conf, const char *file, const char *text, size_t n, struct conf_msgs *m)
{
	struct reader r = {
		.conf = conf, .m = m, .at.file = conf_str(conf, file, strlen(file)), .depth = 1
	};
	read_top(&r, text, n);
}
