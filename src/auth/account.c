/* account - which of the accounts of one name is the client's, and its rules. Ignorant of where
 * rows come from. Any thread. */
#include "auth/account.h"

#include "crypto/mysql_native.h"
#include "crypto/mysql_sha2.h"
#include "crypto/mysql_stored.h"

#include <stdio.h>
#include <string.h>

_Static_assert(ACCOUNT_SECRET_MAX == MYSQL_STORED_MAX, "every form fits");

enum cell {
	CELL_NAME,
	CELL_SECRET,
	CELL_HOST,
	CELL_PLUGIN,
	CELL_LOCKED,
	CELL_EXPIRED,
	CELL_SSL_TYPE,
	CELL_CIPHER,
	CELL_ISSUER,
	CELL_SUBJECT,
	CELL_HERE,
	CELL_VERSION,
	CELL_SECOND
};
_Static_assert(CELL_SECOND + 1 == ACCOUNT_CELLS, "one cell for each column");

/* ---- rows: a NUL, which no secret begins with, then each row's cells with their NULs ---- */

int account_add(struct buf *rows, const char *asked_user, unsigned n_cells,
	const char *const *cells, struct err *e)
{
	if (n_cells < 3 || n_cells > ACCOUNT_CELLS)
		return err_set(e, ERR_CONFIG,
			"auth_query must return 2 columns (user, secret) or 3 to %d (see "
			"doc/mysql.md), not %u",
			ACCOUNT_CELLS, n_cells);
	if (cells[CELL_NAME] == NULL)
		return err_set(e, ERR_CONFIG, "auth_query returned NULL as user name");
	/* Whoever the row speaks of, only the asked user may log in with it (CVE-2015-6817). */
	if (*cells[CELL_NAME] && strcmp(cells[CELL_NAME], asked_user) != 0)
		return err_set(
			e, ERR_CONFIG, "auth_query returned another user than the one asked for");
	if (buf_len(rows) == 0)
		(void)buf_put_u8(rows, 0);
	for (unsigned i = 0; i < ACCOUNT_CELLS; i++) {
		const char *s = i < n_cells && cells[i] ? cells[i] : "";
		(void)buf_append(rows, s, strlen(s) + 1);
	}
	return rows->failed ? err_set(e, ERR_CONFIG,
				      "auth_query returned more than can be kept of user \"%.60s\"",
				      asked_user)
			    : 0;
}

bool account_is_rows(const char *p, size_t n)
{
	return n > 0 && p[0] == '\0';
}

/* The next row: its cells. False: there is none. */
static bool next_row(const char **at, const char *end, const char *cell[ACCOUNT_CELLS])
{
	for (unsigned i = 0; i < ACCOUNT_CELLS; i++) {
		const char *nul = memchr(*at, '\0', (size_t)(end - *at));
		if (nul == NULL)
			return false;
		cell[i] = *at;
		*at = nul + 1;
	}
	return true;
}

/* ---- which one ---- */

static bool is_address(const char *s)
{
	return *s && (strspn(s, "0123456789.") == strlen(s) || strchr(s, ':'));
}

static bool is_mariadb(const char *const *cell)
{
	return strstr(cell[CELL_VERSION], "MariaDB") != NULL;
}

/* Below 0: a server takes a before b. */
static int compare(const char *const *a, const char *const *b)
{
	if (strcmp(a[CELL_HOST], b[CELL_HOST]) != 0)
		return account_host_compare(a[CELL_HOST], b[CELL_HOST], is_mariadb(a));
	return (*a[CELL_NAME] == '\0') - (*b[CELL_NAME] == '\0'); /* the anonymous one last */
}

/* The row that a server takes for somebody with this name and address. */
static bool best(const char *rows, size_t n, const char *name, const char *addr,
	const char *cell_r[ACCOUNT_CELLS])
{
	const char *at = rows + 1, *cell[ACCOUNT_CELLS];
	bool found = false;
	while (next_row(&at, rows + n, cell)) {
		if (!account_host_matches(cell[CELL_HOST], name, addr, is_mariadb(cell)) ||
			(found && compare(cell_r, cell) <= 0))
			continue;
		memcpy(cell_r, cell, sizeof cell);
		found = true;
	}
	return found;
}

static bool named(const char *plugin, const char *text, char *out)
{
	size_t k = strlen(plugin), n = strlen(text);
	if (k + 1 + n > ACCOUNT_SECRET_MAX)
		return false;
	memcpy(out, plugin, k);
	out[k] = ':';
	memcpy(out + k + 1, text, n + 1);
	return mysql_stored_is_named(out, k + 1 + n);
}

/* What the row holds of a password, in a form that can be checked. False: why_r says. */
static bool secret_of(const char *plugin, const char *text, char *out, const char **unsupported_r)
{
	size_t n = strlen(text);
	bool ok = false;
	*out = '\0';
	if (strcmp(plugin, "sha256_password") == 0)
		ok = n == 0 || named(plugin, text, out);
	else if (strcmp(plugin, "ed25519") == 0 || strcmp(plugin, "parsec") == 0)
		ok = named(plugin, text, out);
	else if (*plugin == '\0' || strcmp(plugin, "mysql_native_password") == 0)
		ok = n == 0 || mysql_native_is_secret(text, n);
	else if (strcmp(plugin, "caching_sha2_password") == 0)
		ok = n == 0 || mysql_sha2_is_secret(text, n);
	else
		*unsupported_r = plugin;
	if (ok && *out == '\0')
		snprintf(out, ACCOUNT_SECRET_MAX + 1, "%s", text);
	return ok;
}

static void use_rules(const char *const *cell, struct account_fit *a)
{
	const char *t = cell[CELL_SSL_TYPE];
	a->locked = *cell[CELL_LOCKED] == 'Y';
	a->expired = *cell[CELL_EXPIRED] == 'Y';
	a->tls = *t == '\0'               ? ACCOUNT_TLS_NO
		 : strcmp(t, "ANY") == 0  ? ACCOUNT_TLS_ANY
		 : strcmp(t, "X509") == 0 ? ACCOUNT_TLS_X509
					  : ACCOUNT_TLS_SPECIFIED;
	a->cipher_alone = is_mariadb(cell);
	a->cipher = cell[CELL_CIPHER];
	a->issuer = cell[CELL_ISSUER];
	a->subject = cell[CELL_SUBJECT];
}

/* The account that our own links are: if it is another one, its password must be the client's too,
 * who would else use links that it could not have made. */
static void use_ours(const char *rows, size_t n, const char *const *mine, struct account_fit *a)
{
	const char *here = mine[CELL_HERE], *ours[ACCOUNT_CELLS], *plugin = NULL;
	bool is_ip = is_address(here);
	if (*here == '\0') /* the query does not say: the server will */
		return;
	if (!best(rows, n, is_ip ? NULL : here, is_ip ? here : "", ours)) {
		snprintf(a->why, sizeof a->why,
			"the server has no account of this name for weirpool's own host %.60s",
			here);
		return;
	}
	if (ours[CELL_HOST] == mine[CELL_HOST])
		return;
	if (*ours[CELL_NAME] == '\0')
		snprintf(a->why, sizeof a->why,
			"to the server weirpool would be the anonymous account of %.60s",
			ours[CELL_HOST]);
	else if (!secret_of(ours[CELL_PLUGIN], ours[CELL_SECRET], a->also, &plugin))
		snprintf(a->why, sizeof a->why, "the account of host %.60s cannot be checked",
			ours[CELL_HOST]);
	else
		a->has_also = strcmp(a->also, a->secret) != 0;
}

bool account_pick(
	const char *rows, size_t n, const struct account_client *c, struct account_fit *a_r)
{
	const char *cell[ACCOUNT_CELLS], *first[ACCOUNT_CELLS], *at = rows + 1, *name = NULL,
								*unused = NULL;
	const char *addr = c->addr;
	*a_r = (struct account_fit){ .why = "" };
	if (!next_row(&at, rows + n, first))
		return false;
	if (c->local && *first[CELL_HERE] && !is_address(first[CELL_HERE]))
		name = first[CELL_HERE];
	else if (*addr == '\0')
		addr = first[CELL_HERE];
	if (!best(rows, n, name, addr, cell))
		return false;
	use_rules(cell, a_r);
	a_r->anonymous = *cell[CELL_NAME] == '\0';
	if (a_r->anonymous)
		snprintf(a_r->why, sizeof a_r->why,
			"the server would take it for the anonymous account of %.60s",
			cell[CELL_HOST]);
	else if (!secret_of(cell[CELL_PLUGIN], cell[CELL_SECRET], a_r->secret, &a_r->plugin))
		snprintf(a_r->why, sizeof a_r->why, "%s %.60s",
			a_r->plugin ? "no way to check" : "malformed authentication_string of",
			a_r->plugin ? a_r->plugin : cell[CELL_PLUGIN]);
	else if (!c->links_are_others)
		use_ours(rows, n, cell, a_r);
	a_r->has_second = !*a_r->why && *cell[CELL_SECOND] &&
			  secret_of(cell[CELL_PLUGIN], cell[CELL_SECOND], a_r->second, &unused);
	return true;
}

/* ---- rules ---- */

static bool same(const char *want, const char *have)
{
	return *want == '\0' || (have && strcmp(want, have) == 0);
}

static const char *tls_lacks(const struct account_fit *a, const struct account_conn *c)
{
	if (a->tls == ACCOUNT_TLS_NO)
		return NULL;
	if (!c->is_tls)
		return "the account requires TLS";
	if (a->tls == ACCOUNT_TLS_ANY)
		return NULL;
	if (a->tls == ACCOUNT_TLS_X509)
		return c->cert_verified ? NULL : "the account requires a valid client certificate";
	if (!same(a->cipher, c->cipher))
		return "the account requires another cipher";
	if (*a->issuer == '\0' && *a->subject == '\0' && a->cipher_alone)
		return NULL;
	if (!c->cert_verified)
		return "the account requires a valid client certificate";
	if (!same(a->issuer, c->issuer))
		return "the account requires another issuer of the certificate";
	return same(a->subject, c->subject) ? NULL : "the account requires another certificate";
}

int account_check(const struct account_fit *a, const struct account_conn *c, struct err *e)
{
	const char *lacks = tls_lacks(a, c);
	if (lacks) {
		(void)err_set(e, ERR_ACCOUNT_TLS, "access denied");
		return err_internal(e, "%s", lacks);
	}
	if (a->locked)
		return err_set(e, ERR_ACCOUNT_LOCKED, "the account is locked");
	if (a->expired)
		return err_set(e, ERR_PASSWORD_EXPIRED, "the password has expired");
	return 0;
}
