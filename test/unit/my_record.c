/* my_record - see my_record.h. */
#include "my_record.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static void die(const struct my_record *r, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", r->name, r->line_no, what);
	abort();
}

static unsigned hex(const char *s)
{
	unsigned v = 0;
	for (int i = 0; i < 2; i++)
		v = v * 16 + (unsigned)(s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10);
	return v;
}

/* "text", HH, or HHxCOUNT */
static void put_word(struct buf *b, const char *w, size_t n)
{
	if (*w == '"') {
		buf_append(b, w + 1, n - 2);
		return;
	}
	size_t count = n > 3 ? 0 : 1;
	for (size_t i = 3; i < n; i++)
		count = count * 10 + (size_t)(w[i] - '0');
	uint8_t *to = buf_reserve(b, count);
	if (to)
		memset(to, (int)hex(w), count);
	buf_commit(b, count);
}

static void put_payload(struct buf *b, const char *p)
{
	while (*p) {
		const char *end = *p == '"' ? strchr(p + 1, '"') + 1 : p + strcspn(p, " ");
		put_word(b, p, (size_t)(end - p));
		p = *end ? end + 1 : end;
	}
}

void my_record_open(struct my_record *r, const char *dir, const char *name)
{
	char path[800];
	memset(r, 0, sizeof(*r));
	r->name = name;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r->f = fopen(path, "r");
	if (r->f == NULL)
		die(r, "no such file");
	buf_init(&r->payload, 0);
}

static void read_caps(struct my_record *r, const char *p)
{
	for (r->caps = 0; *p; p++)
		r->caps = r->caps * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
}

bool my_record_next(struct my_record *r)
{
	char line[20000];
	while (fgets(line, sizeof(line), r->f)) {
		r->line_no++;
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "caps 0x", 7) == 0)
			read_caps(r, line + 7);
		if (strchr("CSUD", line[0]) == NULL || line[0] == '\0')
			continue;
		unsigned seq = 0;
		size_t off = 2;
		for (; line[off] != ' '; off++)
			seq = seq * 10 + (unsigned)(line[off] - '0');
		size_t kind_n = strcspn(line + ++off, " ");
		if (kind_n >= sizeof(r->kind))
			die(r, "the kind is too long");
		memcpy(r->kind, line + off, kind_n);
		r->kind[kind_n] = 0;
		off += kind_n + (line[off + kind_n] == ' ');
		r->who = line[0];
		r->seq = (uint8_t)seq;
		buf_truncate(&r->payload, 0);
		put_payload(&r->payload, line + off);
		return true;
	}
	return false;
}

void my_record_close(struct my_record *r)
{
	fclose(r->f);
	buf_fini(&r->payload);
}

void my_record_rewind(struct my_record *r)
{
	rewind(r->f);
	r->line_no = 0;
}

unsigned my_record_each(
	const char *folder, const char *part, void (*fn)(struct my_record *r, void *arg), void *arg)
{
	char dir[500];
	unsigned n = 0;
	struct dirent **names;
	const char *src = getenv("srcdir");
	snprintf(dir, sizeof(dir), "%s/test/golden/%s", src ? src : ".", folder);
	int found = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		struct my_record r;
		if (strstr(names[i]->d_name, ".txt") && strstr(names[i]->d_name, part)) {
			my_record_open(&r, dir, names[i]->d_name);
			fn(&r, arg);
			my_record_close(&r);
			n++;
		}
		free(names[i]);
	}
	free(found >= 0 ? names : NULL);
	return n;
}
