/* users - the auth_file. Ignorant of methods: it keeps names and secrets. Built by the control
 * thread, then read-only. */
#include "auth/users.h"

#include "auth_int.h"
#include "base/hmap.h"
#include "base/mem.h"
#include "crypto/mysql_sha2.h"

#include <assert.h>
#include <string.h>

struct users {
	struct hmap by_name; /* struct user_entry */
	size_t kind_n[SECRET_KIND_N];
	struct forms forms;
};

struct users *users_new(void)
{
	struct users *u = mem_xalloc(MEM_AUTH, sizeof *u);

	hmap_init(&u->by_name);
	return u;
}

static void wiped_free(const void *p, size_t n)
{
	void *q = (void *)(uintptr_t)p;

	if (q)
		mem_wipe(q, n);
	mem_free(MEM_AUTH, q);
}

static void entry_free(void *p)
{
	struct user_entry *ue = p;

	if (ue == NULL)
		return;
	wiped_free(ue->name, 0);
	wiped_free(ue->secret, ue->secret_n);
	wiped_free(ue->scram, sizeof *ue->scram);
	mem_free(MEM_AUTH, ue);
}

void users_free(struct users **u)
{
	if (*u == NULL)
		return;
	hmap_fini(&(*u)->by_name, entry_free);
	mem_free(MEM_AUTH, *u);
	*u = NULL;
}

/* Where a name or secret cannot be used at all; NULL if it can. */
static const char *unusable(const char *name, size_t name_n, const char *secret, size_t secret_n)
{
	if (name_n == 0)
		return "the user name is empty";
	if (name_n > USERS_FIELD_MAX)
		return "the user name is longer than 65536 bytes";
	if (secret_n > USERS_FIELD_MAX)
		return "the secret is longer than 65536 bytes";
	if (memchr(name, 0, name_n) || memchr(secret, 0, secret_n))
		return "NUL byte";
	return NULL;
}

int users_add(struct users *u, const char *name, size_t name_n, const char *secret, size_t secret_n,
	struct err *e)
{
	const char *wrong = unusable(name, name_n, secret, secret_n);
	struct scram_secret scram = { 0 };
	char sha2[MYSQL_SHA2_SECRET_LEN];
	struct user_entry *ue;
	void *old = NULL;

	if (mysql_sha2_unhex(secret, secret_n, sha2)) {
		secret = sha2;
		secret_n = sizeof sha2;
	}
	enum secret_kind kind = secret_kind_of(secret, secret_n);
	if (wrong)
		return err_set(e, ERR_CONFIG, "%s", wrong);
	if (kind == SECRET_SCRAM && scram_secret_parse(secret, secret_n, &scram, e) < 0)
		return -1;
	ue = mem_xalloc(MEM_AUTH, sizeof *ue);
	ue->name = mem_xstrndup(MEM_AUTH, name, name_n);
	ue->secret = mem_xstrndup(MEM_AUTH, secret, secret_n);
	mem_wipe(sha2, sizeof sha2);
	ue->secret_n = secret_n;
	ue->kind = kind;
	if (kind == SECRET_SCRAM) {
		struct scram_secret *copy = mem_xalloc(MEM_AUTH, sizeof *copy);

		*copy = scram;
		ue->scram = copy;
		mem_wipe(&scram, sizeof scram);
	}
	if (!hmap_put(&u->by_name, name, name_n, ue, &old)) {
		entry_free(ue);
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	u->kind_n[kind]++;
	if (kind == SECRET_PLAIN || kind >= SECRET_MYSQL_NATIVE)
		forms_note(&u->forms, kind, ue->secret, secret_n);
	if (old)
		u->kind_n[((struct user_entry *)old)->kind]--;
	entry_free(old);
	return 0;
}

/* The parser's place in the text. */
struct place {
	const char *p, *end;
	unsigned line;
};

static void skip_blanks(struct place *at)
{
	while (at->p < at->end && (*at->p == ' ' || *at->p == '\t' || *at->p == '\r' ||
					  *at->p == '\v' || *at->p == '\f'))
		at->p++;
}

static void skip_line(struct place *at)
{
	const char *nl = memchr(at->p, '\n', (size_t)(at->end - at->p));

	at->p = nl ? nl + 1 : at->end;
	at->line++;
}

/* "..." with "" for a quote, unescaped into out. Returns NULL, or what is wrong. */
static const char *read_quoted(struct place *at, struct buf *out)
{
	if (at->p == at->end || *at->p != '"')
		return "expected a double quote (\")";
	for (at->p++; at->p < at->end && *at->p != '\n'; at->p++) {
		if (*at->p == '"') {
			at->p++;
			if (at->p == at->end || *at->p != '"')
				return NULL;
		}
		if (buf_len(out) > USERS_FIELD_MAX)
			return "a field is longer than 65536 bytes";
		if (!buf_put_u8(out, (uint8_t)*at->p))
			return "out of memory";
	}
	return "a quote (\") is not closed";
}

static const char *text_of(const struct buf *b)
{
	return buf_len(b) ? (const char *)buf_data(b) : "";
}

/* One line that is neither empty nor a comment. */
static int read_user(struct users *u, struct place *at, const char *file, struct err *e)
{
	struct buf name, secret;
	struct err why = { 0 };
	const char *wrong;
	int rc = 0;

	buf_init(&name, 2 * USERS_FIELD_MAX);
	buf_init(&secret, 2 * USERS_FIELD_MAX);
	wrong = read_quoted(at, &name);
	if (wrong == NULL) {
		skip_blanks(at);
		wrong = read_quoted(at, &secret);
	}
	if (wrong == NULL && users_add(u, text_of(&name), buf_len(&name), text_of(&secret),
				     buf_len(&secret), &why) < 0)
		wrong = why.msg;
	if (wrong)
		rc = err_set(e, ERR_CONFIG, "%s:%u: %s; a line is \"user\" \"secret\"", file,
			at->line, wrong);
	buf_fini(&name);
	buf_wipe(&secret);
	return rc;
}

int users_parse(const char *file, const char *text, size_t n, struct users **u_r, struct err *e)
{
	struct place at = { .p = text, .end = text + n, .line = 1 };
	struct users *u = users_new();

	while (at.p < at.end) {
		skip_blanks(&at);
		if (at.p < at.end && *at.p != '\n' && *at.p != ';' &&
			read_user(u, &at, file, e) < 0) {
			users_free(&u);
			return -1;
		}
		skip_line(&at);
	}
	*u_r = u;
	return 0;
}

int users_load(const char *path, struct users **u_r, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, USERS_FILE_MAX + 65536);
	rc = auth_read_file(path, USERS_FILE_MAX, &b, e);
	if (rc == 0)
		rc = users_parse(path, text_of(&b), buf_len(&b), u_r, e);
	buf_wipe(&b);
	return rc;
}

const struct user_entry *users_get(const struct users *u, const char *name)
{
	return u ? hmap_get(&u->by_name, name, strlen(name)) : NULL;
}

size_t users_n(const struct users *u)
{
	return u ? hmap_size(&u->by_name) : 0;
}

enum secret_kind users_common_kind(const struct users *u)
{
	enum secret_kind best = SECRET_NONE;

	for (int k = SECRET_PLAIN; u && k < SECRET_KIND_N; k++) {
		if (u->kind_n[k] > (best == SECRET_NONE ? 0 : u->kind_n[best]))
			best = (enum secret_kind)k;
	}
	return best;
}

const struct forms *users_forms(const struct users *u)
{
	static const struct forms none;

	return u ? &u->forms : &none;
}

void users_each(
	const struct users *u, void (*fn)(const struct user_entry *ue, void *arg), void *arg)
{
	if (u == NULL)
		return;
	for (struct hmap_it it = hmap_begin(&u->by_name); hmap_next(&it);)
		fn(it.value, arg);
}
