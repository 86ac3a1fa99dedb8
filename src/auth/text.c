/* text - files, logical lines and tokens for the parsers of HBA and ident files. Ignorant of what
 * the words mean. Control thread only: reads files, dies when out of memory. */
#include "auth_int.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int auth_read_file(const char *path, size_t max, struct buf *b, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return err_set(e, ERR_CONFIG, "%s: %s", path, strerror(errno));
	/* All room at once: growing would leave copies of secrets behind. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= max)
		(void)buf_reserve(b, (size_t)st.st_size + 65536);
	do {
		uint8_t *at = buf_reserve(b, 65536);

		if (at == NULL) {
			close(fd);
			return err_set(e, ERR_CONFIG, "%s: out of memory", path);
		}
		got = read(fd, at, 65536);
		if (got > 0)
			buf_commit(b, (size_t)got);
	} while ((got > 0 && buf_len(b) <= max) || (got < 0 && errno == EINTR));
	int why = errno;

	close(fd);
	if (got < 0)
		return err_set(e, ERR_CONFIG, "%s: %s", path, strerror(why));
	if (buf_len(b) > max)
		return err_set(e, ERR_CONFIG, "%s: the file is larger than %zu bytes", path, max);
	return 0;
}

void toks_fini(struct toks *t)
{
	for (size_t i = 0; i < t->n; i++) {
		mem_wipe(t->v[i].text, strlen(t->v[i].text)); /* may be ldapbindpasswd */
		mem_free(MEM_AUTH, t->v[i].text);
	}
	mem_free(MEM_AUTH, t->v);
	*t = (struct toks){ 0 };
}

static void add(struct toks *t, struct buf *word, bool quoted)
{
	if (t->n == t->size) {
		t->size = t->size ? 2 * t->size : 8;
		t->v = mem_xrealloc(MEM_AUTH, t->v, t->size * sizeof *t->v);
	}
	t->v[t->n++] = (struct tok){
		.text = mem_xstrndup(
			MEM_AUTH, buf_len(word) ? (const char *)buf_data(word) : "", buf_len(word)),
		.quoted = quoted,
		.last = true,
	};
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

/* One word from *p, quotes removed. Returns NULL or what is wrong. */
static const char *read_word(struct toks *t, const char **p, const char *end)
{
	struct buf word;
	const char *s = *p, *wrong = NULL;
	bool in_quotes = false, quoted = *s == '"';

	buf_init(&word, 0);
	for (; s < end; s++) {
		if (*s == '"') {
			if (in_quotes && s + 1 < end && s[1] == '"')
				(void)buf_put_u8(&word, (uint8_t) * ++s);
			else
				in_quotes = !in_quotes;
		} else if (!in_quotes && (blank(*s) || *s == ',' || *s == '#')) {
			break;
		} else if (*s == '\0') {
			wrong = "NUL byte";
			break;
		} else {
			(void)buf_put_u8(&word, (uint8_t)*s);
		}
	}
	if (in_quotes && wrong == NULL)
		wrong = "a quote (\") is not closed";
	if (word.failed && wrong == NULL)
		wrong = "out of memory";
	if (wrong == NULL)
		add(t, &word, quoted);
	buf_wipe(&word);
	*p = s;
	return wrong;
}

const char *toks_read(struct toks *t, const char *line, size_t n, bool loose_commas)
{
	const char *p = line, *end = line + n, *wrong;
	bool comma = false; /* a comma was just read */

	*t = (struct toks){ 0 };
	while (p < end && *p != '#') {
		if (blank(*p)) {
			p++;
		} else if (*p == ',') {
			if (!loose_commas && (t->n == 0 || comma))
				return "a comma with nothing in front of it";
			if (t->n > 0 && !loose_commas)
				t->v[t->n - 1].last = false;
			comma = true;
			p++;
		} else {
			wrong = read_word(t, &p, end);
			if (wrong)
				return wrong;
			comma = false;
		}
	}
	return comma && !loose_commas ? "a comma with nothing behind it" : NULL;
}

void lines_init(struct lines *l, const char *text, size_t n)
{
	*l = (struct lines){ .p = text, .end = text + n, .next_line = 1 };
	buf_init(&l->joined, 0);
}

void lines_fini(struct lines *l)
{
	buf_wipe(&l->joined);
}

/* One physical line, without its newline (and carriage return). */
static bool physical(struct lines *l, const char **s_r, size_t *n_r)
{
	if (l->p == l->end)
		return false;
	const char *nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
	const char *stop = nl ? nl : l->end;

	*s_r = l->p;
	*n_r = (size_t)(stop - l->p);
	if (*n_r > 0 && stop[-1] == '\r')
		--*n_r;
	l->p = nl ? nl + 1 : l->end;
	l->next_line++;
	return true;
}

bool lines_next(struct lines *l, const char **line_r, size_t *n_r)
{
	const char *s;
	size_t n;

	l->line = l->next_line;
	if (!physical(l, line_r, n_r))
		return false;
	if (*n_r == 0 || (*line_r)[*n_r - 1] != '\\')
		return true;
	buf_wipe(&l->joined);
	(void)buf_append(&l->joined, *line_r, *n_r - 1);
	while (physical(l, &s, &n)) {
		bool more = n > 0 && s[n - 1] == '\\';

		(void)buf_append(&l->joined, s, more ? n - 1 : n);
		if (!more)
			break;
	}
	*n_r = buf_len(&l->joined);
	*line_r = *n_r ? (const char *)buf_data(&l->joined) : "";
	return true;
}
