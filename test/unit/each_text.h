/* each_text - the texts of test data and fuzz corpora, one by one, for tests that do the same with
 * all of them. Those with a NUL inside and long ones are left out. One thread. */
#ifndef TEST_EACH_TEXT_H
#define TEST_EACH_TEXT_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EACH_TEXT_MAX_BYTES 2000U

typedef void each_text_fn(const char *text, size_t n);

static unsigned each_text_lines(const char *name, each_text_fn *fn)
{
	static char all[1U << 20];
	const char *srcdir = getenv("srcdir");
	char path[2048];
	unsigned texts = 0;
	snprintf(path, sizeof(path), "%s/%s", srcdir != NULL ? srcdir : ".", name);
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f, "%s", path);
	size_t n = fread(all, 1, sizeof(all) - 1, f);
	fclose(f);
	all[n] = '\0';
	for (char *p = all, *eol; p < all + n; p = eol + 1) {
		eol = strchr(p, '\n');
		eol = eol != NULL ? eol : all + n;
		char *tab = memchr(p, '\t', (size_t)(eol - p)); /* what is expected comes first */
		char *text = tab != NULL ? tab + 1 : p;
		fn(text, (size_t)(eol - text));
		texts++;
	}
	return texts;
}

static unsigned each_text_dir(const char *name, each_text_fn *fn)
{
	const char *srcdir = getenv("srcdir");
	char dir[1024], path[2048], text[EACH_TEXT_MAX_BYTES];
	unsigned texts = 0;
	snprintf(dir, sizeof(dir), "%s/%s", srcdir != NULL ? srcdir : ".", name);
	struct dirent **e;
	int entries_n = scandir(dir, &e, NULL, alphasort); /* the same order for the same seed */
	cr_assert_gt(entries_n, 0, "%s", dir);
	for (int i = 0; i < entries_n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, e[i]->d_name);
		FILE *f = e[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
		free(e[i]);
		if (f == NULL)
			continue;
		size_t n = fread(text, 1, sizeof(text), f);
		fclose(f);
		if (n == sizeof(text) || memchr(text, '\0', n) != NULL)
			continue;
		fn(text, n);
		texts++;
	}
	free(e);
	return texts;
}

#endif
