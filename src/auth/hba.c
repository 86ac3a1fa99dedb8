/* hba - reads an HBA file line by line and collects every mistake. Ignorant of connections; the
 * fields are read in hba_fields.c, matched in hba_match.c. Control thread only. */
#include "hba_int.h"

#include "auth/ldap_opts.h"
#include "base/mem.h"

#include <string.h>

#define HBA_FILE_MAX (16u << 20)

static void names_fini(struct hba_names *n)
{
	hmap_fini(&n->set, NULL);
}

static void line_fini(struct hba_line *l)
{
	names_fini(&l->dbs);
	names_fini(&l->users);
	mem_free(MEM_AUTH, l->nets);
	mem_free(MEM_AUTH, l->map);
	mem_free(MEM_AUTH, l->pam_service);
	if (l->ldap)
		mem_wipe(l->ldap, strlen(l->ldap));
	mem_free(MEM_AUTH, l->ldap);
}

void hba_free(struct hba **h)
{
	if (*h == NULL)
		return;
	for (size_t i = 0; i < (*h)->n; i++)
		line_fini(&(*h)->v[i]);
	mem_free(MEM_AUTH, (*h)->v);
	mem_free(MEM_AUTH, (*h)->file);
	mem_free(MEM_AUTH, *h);
	*h = NULL;
}

static const struct tok *peek(const struct hba_ctx *c)
{
	return c->at < c->t->n ? &c->t->v[c->at] : NULL;
}

static bool wrong(struct hba_ctx *c, const char *what)
{
	problems_error(c->p, c->file, c->line, "%s", what);
	return false;
}

/* "..., did you mean X?" */
static bool unknown(
	struct hba_ctx *c, const char *kind, const char *word, const char *const *known, size_t n)
{
	const char *near = auth_nearest(word, known, n);

	problems_error(c->p, c->file, c->line, "unknown %s \"%.60s\"%s%s%s", kind, word,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return false;
}

static bool read_type(struct hba_ctx *c, struct hba_line *l)
{
	static const char *const TYPES[] = { "local", "host", "hostssl", "hostnossl" };
	const char *word = c->t->v[0].text;

	if (!c->t->v[0].last)
		return wrong(c, "a list of connection types is not possible");
	c->at = 1;
	for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
		if (strcmp(word, TYPES[i]) == 0) {
			l->type = (enum hba_type)i;
			return true;
		}
	}
	if (strcmp(word, "hostgssenc") == 0 || strcmp(word, "hostnogssenc") == 0)
		return wrong(
			c, "GSSAPI encryption is not supported: use host, hostssl or hostnossl");
	if (strncmp(word, "include", 7) == 0)
		return wrong(c, "include directives are not supported");
	return unknown(c, "connection type", word, TYPES, sizeof TYPES / sizeof *TYPES);
}

/* Is the method possible on this type of line? */
static bool fits(struct hba_ctx *c, const struct hba_line *l)
{
	if (l->rule.method == AUTH_PEER && l->type != HBA_LOCAL)
		return wrong(c, "peer works on local lines only");
	if (l->rule.method == AUTH_CERT && (l->type == HBA_LOCAL || l->type == HBA_HOSTNOSSL))
		return wrong(c, "cert needs TLS: use a hostssl line");
	return true;
}

static bool read_method(struct hba_ctx *c, struct hba_line *l)
{
	static const char *const METHODS[] = { "trust", "reject", "md5", "scram-sha-256",
		"password", "cert", "peer", "pam", "ldap" };
	static const char *const FOREIGN[] = { "gss", "sspi", "ident", "radius", "bsd", "oauth" };
	const struct tok *t = peek(c);

	if (t == NULL)
		return wrong(c, "the line ends before the authentication method");
	if (!t->last)
		return wrong(c, "more than one authentication method");
	c->at++;
	if (auth_hba_method_parse(t->text, &l->rule.method) == 0)
		return fits(c, l);
	for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
		if (strcmp(t->text, FOREIGN[i]) == 0) {
			problems_error(c->p, c->file, c->line,
				"authentication method \"%s\" is not supported", t->text);
			return false;
		}
	}
	return unknown(
		c, "authentication method", t->text, METHODS, sizeof METHODS / sizeof *METHODS);
}

static bool read_line(struct hba_ctx *c, struct hba_line *l)
{
	if (!read_type(c, l))
		return false;
	if (peek(c) == NULL)
		return wrong(c, "the line ends before the database");
	if (!hba_read_names(c, true, &l->dbs))
		return false;
	if (peek(c) == NULL)
		return wrong(c, "the line ends before the user");
	if (!hba_read_names(c, false, &l->users))
		return false;
	if (l->type != HBA_LOCAL && !hba_read_address(c, l))
		return false;
	return read_method(c, l) && hba_read_options(c, l);
}

static void add(struct hba *h, struct hba_line *l)
{
	if (h->n == h->size) {
		h->size = h->size ? 2 * h->size : 16;
		h->v = mem_xrealloc(MEM_AUTH, h->v, h->size * sizeof *h->v);
	}
	l->rule.map = l->map;
	l->rule.pam_service = l->pam_service;
	l->rule.ldap = l->ldap;
	h->v[h->n++] = *l;
}

static void parse_one(struct hba *h, struct hba_ctx *c, const char *line, size_t n)
{
	struct hba_line l = { 0 };
	struct toks t;
	const char *bad = toks_read(&t, line, n, false);

	if (bad) {
		(void)wrong(c, bad);
	} else if (t.n > 0) {
		hmap_init(&l.dbs.set);
		hmap_init(&l.users.set);
		l.rule.file = h->file;
		l.rule.line = c->line;
		c->t = &t;
		c->at = 0;
		if (read_line(c, &l))
			add(h, &l);
		else
			line_fini(&l);
	}
	toks_fini(&t);
}

int hba_parse(const char *file, const char *text, size_t n, struct hba **h_r, struct problems *p)
{
	struct hba *h = mem_xalloc(MEM_AUTH, sizeof *h);
	unsigned errors_before = p->errors_n;
	struct lines l;
	const char *line;
	size_t line_n;

	h->file = mem_xstrdup(MEM_AUTH, file);
	lines_init(&l, text, n);
	while (lines_next(&l, &line, &line_n)) {
		struct hba_ctx c = { .file = file, .line = l.line, .p = p };

		parse_one(h, &c, line, line_n);
	}
	lines_fini(&l);
	if (p->errors_n != errors_before) {
		hba_free(&h);
		return -1;
	}
	*h_r = h;
	return 0;
}

int hba_load(const char *path, struct hba **h_r, struct problems *p)
{
	struct err e = { 0 };
	struct buf b;
	int rc;

	buf_init(&b, HBA_FILE_MAX + 65536);
	rc = auth_read_file(path, HBA_FILE_MAX, &b, &e);
	if (rc < 0) {
		p->errors_n++;
		(void)buf_printf(&p->text, "%s\n", e.msg);
	} else {
		rc = hba_parse(
			path, buf_len(&b) ? (const char *)buf_data(&b) : "", buf_len(&b), h_r, p);
	}
	buf_wipe(&b); /* may hold ldapbindpasswd */
	return rc;
}

size_t hba_rules_n(const struct hba *h)
{
	return h ? h->n : 0;
}

const struct hba_rule *hba_rule_at(const struct hba *h, size_t i)
{
	return i < h->n ? &h->v[i].rule : NULL;
}
