/* pg_learn - what a session keeps only while something unusual is going on: how its statement names
 * were before a batch that may still fail, the one SET that can be recorded without asking, and
 * names of custom settings seen in texts. Thread: that of the env. */
#include "pg_run_int.h"

#include <string.h>

#include "base/mem.h"

#define NAME_MAX_BYTES SQL_NAME_MAX

struct pg_learn *learn_of(struct pg_client *c)
{
	if (c->learn == NULL && (c->learn = mem_alloc(MEM_PROTO, sizeof(*c->learn))) != NULL)
		c->learn->undo_end = &c->learn->undo;
	return c->learn;
}

void learn_forget_set(struct pg_client *c)
{
	struct pg_learn *k = c->learn;
	if (k == NULL)
		return;
	k->set_known = false;
	mem_free(MEM_PROTO, k->set_name);
	mem_free(MEM_PROTO, k->set_value);
	k->set_name = k->set_value = NULL;
}

static void forget_names(struct pg_learn *k)
{
	for (unsigned i = 0; i < k->n_names; i++)
		mem_free(MEM_PROTO, k->names[i]);
	mem_free(MEM_PROTO, k->names);
	k->names = NULL;
	k->n_names = 0;
}

void learn_free(struct pg_client *c)
{
	struct pg_learn *k = c->learn;
	if (k == NULL)
		return;
	while (undo_commit(c))
		;
	learn_forget_set(c);
	forget_names(k);
	mem_free(MEM_PROTO, k->reset_name);
	mem_free(MEM_PROTO, k->dealloc_name);
	if (k->listens) {
		*k = (struct pg_learn){ .listens = k->listens };
		k->undo_end = &k->undo;
		return;
	}
	mem_free(MEM_PROTO, k);
	c->learn = NULL;
}

void learn_free_if_empty(struct pg_client *c)
{
	const struct pg_learn *k = c->learn;
	if (k && k->undo == NULL && !k->set_known && k->n_names == 0 && !k->names_overflow)
		learn_free(c);
}

/* ---- names of custom settings ---- */

static bool is_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool is_part(char c)
{
	return is_start(c) || (c >= '0' && c <= '9') || c == '$';
}

/* Length of the name with a dot in it that starts at s, or 0. */
static size_t dotted(const char *s, const char *end)
{
	const char *p = s;
	bool dot = false;
	for (;;) {
		if (p == end || !is_start(*p))
			return 0;
		while (p != end && is_part(*p))
			p++;
		if (p == end || *p != '.')
			break;
		dot = true;
		p++;
	}
	return dot ? (size_t)(p - s) : 0;
}

void learn_name(struct pg_client *c, const char *name, size_t n)
{
	if (n > NAME_MAX_BYTES || dotted(name, name + n) != n || n == 0)
		return;
	struct pg_learn *k = learn_of(c);
	if (k == NULL)
		return;
	char low[NAME_MAX_BYTES + 1];
	for (size_t i = 0; i < n; i++)
		low[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
	low[n] = 0;
	for (unsigned i = 0; i < k->n_names; i++)
		if (strcmp(k->names[i], low) == 0)
			return;
	if (k->names == NULL)
		k->names = mem_alloc(MEM_PROTO, LEARN_NAMES_MAX * sizeof(*k->names));
	char *copy = k->names && k->n_names < LEARN_NAMES_MAX ? mem_strndup(MEM_PROTO, low, n)
							      : NULL;
	if (copy == NULL) {
		k->names_overflow = true;
		return;
	}
	k->names[k->n_names++] = copy;
}

/* Is the word that ends before p (whitespace between) SET, SESSION or LOCAL? */
static bool behind_set(const char *text, const char *p)
{
	static const char *const words[] = { "set", "session", "local" };
	const char *e = p;
	while (e > text && (e[-1] == ' ' || (e[-1] >= '\t' && e[-1] <= '\r')))
		e--;
	if (e == p)
		return false;
	const char *s = e;
	while (s > text && is_part(s[-1]))
		s--;
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(e - s) == n && strncasecmp(s, words[i], n) == 0)
			return true;
	}
	return false;
}

static const char *skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || (*s >= '\t' && *s <= '\r')))
		s++;
	return s;
}

/* Is the name in each call of set_config() a literal by itself? A name that is put together, or
 * comes as a parameter, cannot be learnt: then nobody knows what was set. */
static bool names_are_literals(const char *text, const char *end)
{
	static const char call[] = "set_config";
	for (const char *s = text; (size_t)(end - s) > sizeof(call); s++) {
		if ((*s != 's' && *s != 'S') || strncasecmp(s, call, sizeof(call) - 1) != 0)
			continue;
		const char *p = skip_space(s + sizeof(call) - 1, end);
		if (p == end || *p != '(')
			continue;
		p = skip_space(p + 1, end);
		if (p < end && *p == '$') /* Bind brings it, and is read there */
			continue;
		const char *q = p < end && *p == '\'' ? memchr(p + 1, '\'', (size_t)(end - p - 1))
						      : NULL;
		q = q ? skip_space(q + 1, end) : NULL;
		if (q == NULL || q == end || *q != ',')
			return false;
	}
	return true;
}

/* May it set something back to a default? The server's is not the session's, if that came with
 * startup parameters. */
bool learn_may_reset(const char *text, size_t n)
{
	static const char *const words[] = { "reset", "default", "discard", "local", "names" };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
			if ((text[i] | 0x20) == words[k][0] && n - i >= strlen(words[k]) &&
				strncasecmp(text + i, words[k], strlen(words[k])) == 0)
				return true;
	return false;
}

void learn_names(struct pg_client *c, const char *text, size_t n)
{
	const char *end = text + n;
	if (c->start && learn_may_reset(text, n))
		c->may_reset = true;
	if (!names_are_literals(text, end)) {
		struct pg_learn *k = learn_of(c);
		if (k)
			k->names_overflow = true;
	}
	for (const char *dot = text; (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL;) {
		const char *s = dot;
		while (s > text && is_part(s[-1]))
			s--;
		while (s < dot && !is_start(*s))
			s++;
		size_t k = s < dot ? dotted(s, end) : 0;
		if (k == 0) {
			dot++;
			continue;
		}
		bool quoted = s > text && s[-1] == '\'' && s + k < end && s[k] == '\'';
		if (quoted || behind_set(text, s))
			learn_name(c, s, k);
		dot = s + k;
	}
}

/* ---- undo ---- */

/* The caller's reference to s is not consumed; what was there goes to *old_r, with its own. */
static bool put_name(
	struct pg_client *c, const char *name, size_t name_n, struct stmt *s, struct stmt **old_r)
{
	if (name_n == 0) {
		*old_r = c->unnamed;
		c->unnamed = stmt_ref(s);
		return true;
	}
	if (c->stmts == NULL && (c->stmts = stmtmap_new()) == NULL)
		return false;
	return stmtmap_put(c->stmts, name, name_n, s, old_r);
}

bool learn_rename(
	struct pg_client *c, struct pg_link *l, const char *name, size_t name_n, struct stmt *s)
{
	struct pg_learn *k = learn_of(c);
	if (k == NULL)
		return false;
	if (k->undo && k->undo_batch != l->batch_no) /* names_in_doubt() was not asked */
		return false;
	struct pg_undo *x = mem_alloc(MEM_PROTO, sizeof(*x) + name_n + 1);
	if (x == NULL)
		return false;
	if (!put_name(c, name, name_n, s, &x->old)) {
		mem_free(MEM_PROTO, x);
		return false;
	}
	memcpy(x->name, name, name_n);
	x->name_n = name_n;
	if (k->undo == NULL)
		k->undo_batch = l->batch_no;
	k->undo_unnamed = k->undo_unnamed || name_n == 0;
	*k->undo_end = x;
	k->undo_end = &x->next;
	return true;
}

static struct pg_undo *pop(struct pg_learn *k)
{
	struct pg_undo *x = k->undo;
	k->undo = x->next;
	if (k->undo == NULL) {
		k->undo_end = &k->undo;
		k->undo_unnamed = false;
	}
	return x;
}

bool undo_commit(struct pg_client *c)
{
	if (c->learn == NULL || c->learn->undo == NULL)
		return false;
	struct pg_undo *x = pop(c->learn);
	stmt_unref(&c->env->stmts, x->old);
	mem_free(MEM_PROTO, x);
	return true;
}

void undo_rollback(struct pg_client *c)
{
	struct pg_undo *newest = NULL;
	while (c->learn && c->learn->undo) {
		struct pg_undo *x = pop(c->learn);
		x->next = newest;
		newest = x;
	}
	while (newest) {
		struct pg_undo *x = newest;
		struct stmt *now = NULL;
		newest = x->next;
		/* Without memory the name is lost: the client hears that the statement does not
		 * exist. */
		if (!put_name(c, x->name, x->name_n, x->old, &now))
			(void)put_name(c, x->name, x->name_n, NULL, &now);
		stmt_unref(&c->env->stmts, now);
		stmt_unref(&c->env->stmts, x->old);
		mem_free(MEM_PROTO, x);
	}
}

void undo_forget_unnamed(struct pg_client *c)
{
	struct pg_undo *x = c->learn ? c->learn->undo : NULL;
	while (x && x->name_n > 0)
		x = x->next;
	if (x == NULL)
		return;
	stmt_unref(&c->env->stmts, x->old);
	x->old = NULL;
}

bool names_in_doubt(const struct pg_client *c, const struct pg_link *l)
{
	if (l->n_clears > 0 && l->clears_batch != l->batch_no)
		return true;
	if (l->ask_wait && (c->acc_asking & (SQL_F_PREPARE | SQL_F_DEALLOCATE)))
		return true;
	return c->learn && c->learn->undo && c->learn->undo_batch != l->batch_no;
}

bool unnamed_in_doubt(const struct pg_client *c, const struct pg_link *l)
{
	return c->learn && c->learn->undo_unnamed && c->learn->undo_batch != l->batch_no;
}
