/* method - names of methods and kinds of secrets. Pure. */
#include "auth/method.h"

#include "crypto/md5pw.h"
#include "crypto/mysql_sha2.h"
#include "crypto/mysql_stored.h"
#include "crypto/scram.h"

#include <string.h>

static const struct {
	const char *type, *hba;
} NAMES[AUTH_METHOD_N] = {
#define X(id, type, hba) { type, hba },
	AUTH_METHODS(X)
#undef X
};

int auth_type_parse(const char *name, enum auth_method *m_r)
{
	for (unsigned i = 0; i < AUTH_METHOD_N && *name; i++) {
		if (strcmp(NAMES[i].type, name) == 0) {
			*m_r = (enum auth_method)i;
			return 0;
		}
	}
	return -1;
}

int auth_hba_method_parse(const char *name, enum auth_method *m_r)
{
	for (unsigned i = 0; i < AUTH_METHOD_N && *name; i++) {
		if (strcmp(NAMES[i].hba, name) == 0) {
			*m_r = (enum auth_method)i;
			return 0;
		}
	}
	if (strcmp(name, "plain") != 0)
		return -1;
	*m_r = AUTH_PLAIN;
	return 0;
}

const char *auth_method_name(enum auth_method m)
{
	return *NAMES[m].type ? NAMES[m].type : NAMES[m].hba;
}

enum secret_kind secret_kind_of(const char *secret, size_t n)
{
	if (secret == NULL || n == 0)
		return SECRET_NONE;
	if (md5pw_is_secret(secret, n))
		return SECRET_MD5;
	if (scram_is_secret(secret, n))
		return SECRET_SCRAM;
	if (mysql_native_is_secret(secret, n))
		return SECRET_MYSQL_NATIVE;
	if (mysql_sha2_is_secret(secret, n))
		return SECRET_MYSQL_SHA2;
	return mysql_stored_is_named(secret, n) ? SECRET_MYSQL_NAMED : SECRET_PLAIN;
}

const char *secret_kind_name(enum secret_kind k)
{
	switch (k) {
	case SECRET_NONE: break;
	case SECRET_PLAIN: return "plain";
	case SECRET_MD5: return "md5";
	case SECRET_SCRAM: return "SCRAM-SHA-256";
	case SECRET_MYSQL_NATIVE: return "mysql_native_password";
	case SECRET_MYSQL_SHA2: return "caching_sha2_password";
	case SECRET_MYSQL_NAMED: return "a hash of another MySQL plugin";
	case SECRET_KIND_N: break;
	}
	return "no";
}

#define WORD_MAX 40

/* Levenshtein's distance of two words, both at most WORD_MAX long. */
static unsigned distance(const char *a, size_t a_n, const char *b, size_t b_n)
{
	unsigned row[WORD_MAX + 1];

	for (unsigned j = 0; j <= b_n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_n; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (diagonal + 1 < best)
				best = diagonal + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_n];
}

const char *auth_nearest(const char *word, const char *const *words, size_t n)
{
	size_t len = strlen(word);
	const char *best = NULL;
	unsigned best_d = len / 3 > 2 ? (unsigned)(len / 3) : 2;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	best_d++; /* less than this */
	for (size_t i = 0; i < n; i++) {
		size_t w = strlen(words[i]);
		unsigned d = w > WORD_MAX ? best_d : distance(word, len, words[i], w);

		if (d < best_d && d < len) {
			best_d = d;
			best = words[i];
		}
	}
	return best;
}
