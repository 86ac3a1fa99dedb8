/* ident - user name maps. Ignorant of where the external name comes from. Built by the control
 * thread, then read-only. */
#include "auth/ident.h"

#include "auth_int.h"
#include "base/mem.h"

#include <string.h>

#define IDENT_FILE_MAX (16u << 20)

struct entry {
	char *map, *system_user;
	char *db_user; /* NULL: all */
};
struct ident {
	struct entry *v;
	size_t n, size;
};

void ident_free(struct ident **i)
{
	if (*i == NULL)
		return;
	for (size_t k = 0; k < (*i)->n; k++) {
		mem_free(MEM_AUTH, (*i)->v[k].map);
		mem_free(MEM_AUTH, (*i)->v[k].system_user);
		mem_free(MEM_AUTH, (*i)->v[k].db_user);
	}
	mem_free(MEM_AUTH, (*i)->v);
	mem_free(MEM_AUTH, *i);
	*i = NULL;
}

/* Why the words are no entry, or NULL. */
static const char *wrong_entry(const struct toks *t)
{
	if (t->n > 0 && strncmp(t->v[0].text, "include", 7) == 0 && !t->v[0].quoted)
		return "include directives are not supported";
	for (size_t k = 0; k < t->n; k++) {
		if (!t->v[k].last)
			return "a comma; names with a comma need quotes";
		if (*t->v[k].text == '\0')
			return "an empty name";
	}
	if (t->n != 3)
		return "a line is: map-name system-user database-user";
	if (!t->v[1].quoted && t->v[1].text[0] == '/')
		return "regular expressions are not supported";
	if (!t->v[2].quoted && t->v[2].text[0] == '/')
		return "regular expressions are not supported";
	if (!t->v[2].quoted && t->v[2].text[0] == '+')
		return "role groups (+role) are not supported: the pooler does not know "
		       "memberships";
	return NULL;
}

static void add(struct ident *i, const struct toks *t)
{
	if (i->n == i->size) {
		i->size = i->size ? 2 * i->size : 16;
		i->v = mem_xrealloc(MEM_AUTH, i->v, i->size * sizeof *i->v);
	}
	bool all = !t->v[2].quoted && strcmp(t->v[2].text, "all") == 0;

	i->v[i->n++] = (struct entry){
		.map = mem_xstrdup(MEM_AUTH, t->v[0].text),
		.system_user = mem_xstrdup(MEM_AUTH, t->v[1].text),
		.db_user = all ? NULL : mem_xstrdup(MEM_AUTH, t->v[2].text),
	};
}

int ident_parse(
	const char *file, const char *text, size_t n, struct ident **i_r, struct problems *p)
{
	struct ident *i = mem_xalloc(MEM_AUTH, sizeof *i);
	unsigned errors_before = p->errors_n;
	struct lines l;
	const char *line;
	size_t line_n;

	lines_init(&l, text, n);
	while (lines_next(&l, &line, &line_n)) {
		struct toks t;
		const char *wrong = toks_read(&t, line, line_n, false);

		if (wrong == NULL && t.n > 0)
			wrong = wrong_entry(&t);
		if (wrong)
			problems_error(p, file, l.line, "%s", wrong);
		else if (t.n > 0)
			add(i, &t);
		toks_fini(&t);
	}
	lines_fini(&l);
	if (p->errors_n != errors_before) {
		ident_free(&i);
		return -1;
	}
	*i_r = i;
	return 0;
}

int ident_load(const char *path, struct ident **i_r, struct problems *p)
{
	struct err e = { 0 };
	struct buf b;
	int rc;

	buf_init(&b, IDENT_FILE_MAX + 65536);
	rc = auth_read_file(path, IDENT_FILE_MAX, &b, &e);
	if (rc < 0) {
		p->errors_n++;
		(void)buf_printf(&p->text, "%s\n", e.msg);
	} else {
		rc = ident_parse(
			path, buf_len(&b) ? (const char *)buf_data(&b) : "", buf_len(&b), i_r, p);
	}
	buf_fini(&b);
	return rc;
}

bool ident_has_map(const struct ident *i, const char *map)
{
	for (size_t k = 0; i && k < i->n; k++) {
		if (strcmp(i->v[k].map, map) == 0)
			return true;
	}
	return false;
}

bool ident_allows(
	const struct ident *i, const char *map, const char *system_user, const char *db_user)
{
	if (*system_user == '\0')
		return false;
	if (map == NULL || *map == '\0')
		return strcmp(system_user, db_user) == 0;
	for (size_t k = 0; i && k < i->n; k++) {
		const struct entry *en = &i->v[k];

		if (strcmp(en->map, map) == 0 && strcmp(en->system_user, system_user) == 0 &&
			(en->db_user == NULL || strcmp(en->db_user, db_user) == 0))
			return true;
	}
	return false;
}
