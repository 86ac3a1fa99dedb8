/* expand - ${NAME}, ${NAME:-default} and ${file:PATH} in the values of a file, and reading
 * such files. Ignorant of what values mean, except that some are name=value pairs. Control thread.
 *
 * In pairs a value that is put in stays one value, whatever blanks and quotes are in it: a password
 * cannot become another option. Only where a pair would begin it may be pairs itself. */
#include "conf_int.h"

#include "base/buf.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_MAX_BYTES 65536
#define LINE_MAX_BYTES (1U << 20)

static void remember(struct conf *conf, const char *path, bool is_value, const struct stat *st)
{
	for (unsigned i = 0; i < conf->reads_n; i++)
		if (conf->reads[i].is_value == is_value && !strcmp(conf->reads[i].path, path))
			return;
	conf->reads = mem_xrealloc(
		MEM_CONF, conf->reads, (conf->reads_n + 1) * sizeof(*conf->reads));
	struct conf_read *r = &conf->reads[conf->reads_n++];
	r->path = conf_str(conf, path, strlen(path));
	r->is_value = is_value;
	conf_mark(st, r->mark);
}

int conf_slurp(struct conf *conf, const char *path, bool is_value, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), failed = 0;
	struct stat st;
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		failed = errno;
	else if (S_ISDIR(st.st_mode))
		failed = EISDIR;
	else
		remember(conf, path, is_value, &st);
	while (!failed) {
		uint8_t *to = buf_reserve(out, 65536);
		ssize_t got = to ? read(fd, to, 65536) : -1;
		if (to == NULL)
			failed = EFBIG;
		else if (got < 0 && errno != EINTR)
			failed = errno;
		else if (got == 0)
			break;
		else if (got > 0)
			buf_commit(out, (size_t)got);
	}
	close(fd);
	errno = failed;
	return failed ? -1 : 0;
}

const char *conf_value_file(struct conf *conf, const char *path, char *why, size_t why_n)
{
	struct buf b;
	const char *text = NULL;
	buf_init(&b, 2 * VALUE_MAX_BYTES); /* conf_slurp() reads that much at a time */
	if (conf_slurp(conf, path, true, &b) != 0) {
		snprintf(why, why_n, "cannot read %s: %s", path, strerror(errno));
	} else {
		const char *s = buf_len(&b) ? (const char *)buf_data(&b) : "";
		size_t n = buf_len(&b);
		while (n > 0 && (s[n - 1] == '\n' || s[n - 1] == '\r'))
			n--;
		if (n > VALUE_MAX_BYTES)
			snprintf(why, why_n, "%s has more than %d bytes", path, VALUE_MAX_BYTES);
		else if (memchr(s, '\n', n) || memchr(s, '\0', n))
			snprintf(why, why_n,
				"%s has more than one line, or a zero byte: it must hold the value "
				"and nothing else",
				path);
		else
			text = conf_str(conf, s, n);
	}
	buf_wipe(&b);
	return text;
}

/* Where in a line of pairs are we? */
enum at_pair {
	AT_KEY,    /* a name, or before one */
	AT_VALUE,  /* an unquoted value, or before it */
	AT_QUOTED, /* inside '...' */
};

struct expand {
	struct conf *conf;
	bool pairs;
	enum at_pair at;
	bool value_begun; /* AT_VALUE: behind the blanks after = */
	struct buf out;   /* of the line */
	struct buf word;  /* AT_VALUE with something put in: written quoted when it ends */
	bool word_put;    /* something was put into word */
	char *why;
	size_t why_n;
};

static int is_name(const char *s, size_t n)
{
	if (n == 0 || isdigit((unsigned char)s[0]))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return 0;
	return 1;
}

/* What stands for the n bytes between ${ and }. NULL: why says. */
static const char *look_up(struct expand *x, const char *s, size_t n)
{
	static const char FILE_[] = "file:";
	size_t file_n = sizeof(FILE_) - 1;
	if (n > file_n && memcmp(s, FILE_, file_n) == 0)
		return conf_value_file(
			x->conf, conf_str(x->conf, s + file_n, n - file_n), x->why, x->why_n);
	size_t name_n = n;
	const char *dflt = NULL;
	for (size_t i = 0; i + 1 < n && !dflt; i++)
		if (s[i] == ':' && s[i + 1] == '-') {
			name_n = i;
			dflt = s + i + 2;
		}
	if (!is_name(s, name_n)) {
		snprintf(x->why, x->why_n,
			"${...} must be ${NAME} of the environment, ${NAME:-default} or "
			"${file:/path}; the characters ${ themselves are written $${");
		return NULL;
	}
	const char *name = conf_str(x->conf, s, name_n);
	const char *value = getenv(name);
	if (dflt && (!value || !*value)) /* as the shell's */
		return conf_str(x->conf, dflt, n - name_n - 2);
	if (!value)
		snprintf(x->why, x->why_n,
			"there is no variable %.60s in the environment; ${%.60s:-} would be empty, "
			"and the characters ${ themselves are written $${",
			name, name);
	else if (strchr(value, '\n'))
		snprintf(x->why, x->why_n, "the variable %.60s has more than one line", name);
	else
		return conf_str(x->conf, value, strlen(value));
	return NULL;
}

static void put_quotes_doubled(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_append(out, s[i] == '\'' ? "''" : s + i, s[i] == '\'' ? 2 : 1);
}

/* The unquoted value that was collected. */
static void flush_word(struct expand *x)
{
	const char *s = buf_len(&x->word) ? (const char *)buf_data(&x->word) : "";
	if (x->word_put) {
		buf_puts(&x->out, "'");
		put_quotes_doubled(&x->out, s, buf_len(&x->word));
		buf_puts(&x->out, "'");
	} else {
		buf_append(&x->out, s, buf_len(&x->word));
	}
	buf_truncate(&x->word, 0);
	x->word_put = x->value_begun = false;
}

/* One character as it was written. */
static void put_char(struct expand *x, char c)
{
	bool blank = isspace((unsigned char)c);
	if (!x->pairs || x->at == AT_KEY) {
		buf_append(&x->out, &c, 1);
		if (c == '=')
			x->at = AT_VALUE;
	} else if (x->at == AT_QUOTED) {
		buf_append(&x->out, &c, 1);
		if (c == '\'') /* a doubled quote begins again at once */
			x->at = AT_KEY;
	} else if (blank && !x->value_begun) {
		buf_append(&x->out, &c, 1);
	} else if (blank) {
		flush_word(x);
		buf_append(&x->out, &c, 1);
		x->at = AT_KEY;
	} else if (c == '\'' && !x->value_begun) {
		buf_append(&x->out, &c, 1);
		x->at = AT_QUOTED;
	} else {
		x->value_begun = true;
		buf_append(&x->word, &c, 1);
	}
}

static void put_value(struct expand *x, const char *s)
{
	if (!x->pairs || x->at == AT_KEY) {
		buf_puts(&x->out, s);
	} else if (x->at == AT_QUOTED) {
		put_quotes_doubled(&x->out, s, strlen(s));
	} else {
		x->value_begun = x->word_put = true;
		buf_puts(&x->word, s);
	}
}

static int expand_all(struct expand *x, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\'' && x->pairs && x->at == AT_KEY && i > 0 && s[i - 1] == '\'') {
			put_char(x, s[i]);
			x->at = AT_QUOTED;
		} else if (n - i > 2 && memcmp(s + i, "$${", 3) == 0) {
			put_char(x, '$');
			put_char(x, '{');
			i += 2;
		} else if (n - i > 1 && memcmp(s + i, "${", 2) == 0) {
			const char *close = memchr(s + i, '}', n - i);
			if (close == NULL) {
				snprintf(x->why, x->why_n,
					"a ${ has no }; the characters ${ "
					"themselves are written $${");
				return -1;
			}
			const char *value = look_up(x, s + i + 2, (size_t)(close - s) - i - 2);
			if (value == NULL)
				return -1;
			put_value(x, value);
			i = (size_t)(close - s);
		} else {
			put_char(x, s[i]);
		}
	}
	flush_word(x);
	return 0;
}

const char *conf_expand(
	struct conf *conf, const char *s, size_t n, bool pairs, char *why, size_t why_n)
{
	struct expand x = { .conf = conf, .pairs = pairs, .why = why, .why_n = why_n };
	const char *text = NULL;
	if (!memmem(s, n, "${", 2))
		return conf_str(conf, s, n);
	buf_init(&x.out, LINE_MAX_BYTES);
	buf_init(&x.word, LINE_MAX_BYTES);
	if (expand_all(&x, s, n) == 0) {
		if (x.out.failed || x.word.failed)
			snprintf(
				why, why_n, "the line is too long with what stands for its ${...}");
		else
			text = conf_str(conf, buf_len(&x.out) ? (char *)buf_data(&x.out) : "",
				buf_len(&x.out));
	}
	buf_wipe(&x.out);
	buf_wipe(&x.word);
	return text;
}
