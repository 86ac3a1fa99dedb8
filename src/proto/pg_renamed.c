/* pg_renamed - what a server says of a prepared statement, with the name that the client knows: the
 * server knows it under one of ours. Only messages that name the statement are touched; text of the
 * client's that looks like a name of ours stays. Thread: that of the env. */
#include "pg_down_int.h"

#include <string.h>

/* The functions of a server whose messages name the statement, and before anything else. */
static bool names_statement(const struct pgerror *f)
{
	static const char *const routines[] = { "exec_bind_message", "exec_parse_message",
		"FetchPreparedStatement" };
	if (f->routine == NULL)
		return false;
	for (unsigned i = 0; i < sizeof(routines) / sizeof(*routines); i++)
		if (strcmp(f->routine, routines[i]) == 0)
			return true;
	return false;
}

/* The name stands by itself: not the beginning of a longer one. */
static const char *find_name(const char *text, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = text; (p = strstr(p, name)) != NULL; p += n)
		if (p[n] < '0' || p[n] > '9')
			return p;
	return NULL;
}

/* Behind a set_config() the keys of statements are others than when this one was sent: then the
 * name alone has to do, as nothing but a text depends on it. */
static bool their_name(const struct dnx *d, const struct owed *o, const char **name_r, size_t *n_r)
{
	if (told_find(d->c, o->p.ls, o->tag, name_r, n_r))
		return true;
	if (o->tag == 0 || d->c->stmts == NULL)
		return false;
	for (struct hmap_it it = hmap_begin(&d->c->stmts->names); hmap_next(&it);) {
		if (told_tag(it.key, it.key_n) != o->tag)
			continue;
		*name_r = it.key;
		*n_r = it.key_n;
		return true;
	}
	return false;
}

bool dn_put_renamed(
	struct dnx *d, const struct pgmsg_head *h, const struct owed *o, const struct pgerror *f)
{
	char ours[PG_NAME_BYTES];
	const char *theirs = NULL, *at;
	size_t n = 0;
	struct buf text;
	if (o->p.ls == NULL || (o->flags & OWED_F_FORCED) || d->c == NULL || f->msg == NULL ||
		!names_statement(f))
		return false;
	pg_stmt_name(ours, o->p.ls->id);
	if ((at = find_name(f->msg, ours)) == NULL || !their_name(d, o, &theirs, &n))
		return false;
	buf_init(&text, 0);
	buf_append(&text, f->msg, (size_t)(at - f->msg));
	buf_append(&text, theirs, n);
	buf_putz(&text, at + strlen(ours));
	if (text.failed) {
		d->l->failed = true;
	} else {
		flow_cut(&d->f);
		pgerror_put_replaced(d->down, h->type, d->f.p + d->f.at + PGMSG_HEAD_BYTES,
			h->body_n, 'M', (const char *)buf_data(&text));
		flow_drop(&d->f, PGMSG_HEAD_BYTES + (size_t)h->body_n);
	}
	buf_fini(&text);
	return true;
}
