/* session_account - accounts of MySQL and MariaDB as auth_query tells of them: which is the
 * client's, and its rules, which the server cannot apply to a client that it does not see. Ignorant
 * of rows and patterns (auth/account.h). Runs on the session's worker. */
#include "session_login_int.h"

#include <stdio.h>
#include <string.h>

void account_forget(struct session_login *g)
{
	if (g->rows)
		mem_wipe(g->rows, g->rows_n);
	mem_free(MEM_AUTH, g->rows);
	g->rows = NULL;
	mem_wipe(&g->account, sizeof g->account);
	g->has_account = false;
}

/* On our own machine: it comes from where we would come from. */
static bool is_local(const struct session *s, const char *host)
{
	return addr_is_unix(&s->addr) || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

int account_choose(struct session *s, const char *rows, size_t n)
{
	struct session_login *g = s->login;
	char host[64];
	const char *addr = addr_is_unix(&s->addr) ? "" : addr_host(&s->addr, host, sizeof host);
	account_forget(g);
	g->user_known = false;
	g->rows = mem_strndup(MEM_AUTH, rows, n);
	if (g->rows == NULL)
		return -1;
	g->rows_n = n;
	struct account_client c = {
		.addr = addr,
		.local = is_local(s, addr),
		.links_are_others = g->cdb && *g->cdb->force_user,
	};
	g->has_account = account_pick(g->rows, n, &c, &g->account);
	if (!g->has_account)
		return 0;
	g->user_known = !g->account.anonymous;
	g->secret_n = strlen(g->account.secret);
	g->secret = mem_strdup(MEM_AUTH, g->account.secret);
	return g->secret ? 0 : -1;
}

void account_facts(const struct session *s, struct policy_facts *f)
{
	const struct session_login *g = s->login;
	if (!g->has_account)
		return;
	f->mysql_why = *g->account.why ? g->account.why : NULL;
	f->mysql_plugin = g->account.plugin;
	f->mysql_in_full = g->account.has_also || g->account.has_second;
}

int account_admit(struct session *s, struct err *e)
{
	const struct session_login *g = s->login;
	char issuer[512], subject[512];
	if (!g->has_account)
		return 0;
	void *ssl = s->st.ssl;
	struct account_conn c = {
		.is_tls = ssl != NULL,
		.cert_verified = ssl && tls_peer_verified(ssl),
		.cipher = ssl ? tls_cipher(ssl) : NULL,
		.issuer = ssl && tls_peer_name(ssl, true, issuer, sizeof issuer) ? issuer : NULL,
		.subject = ssl && tls_peer_name(ssl, false, subject, sizeof subject) ? subject
										     : NULL,
	};
	return account_check(&g->account, &c, e);
}

/* Known to nobody outside, and the same as long as this process lives. */
const struct form *account_form(const struct session *s)
{
	static const struct forms none;
	static const struct forms usual = { .n = 1,
		.list = { { .kind = SECRET_MYSQL_SHA2,
			.decoy = "$A$005$abcdefghijklmnopqrst"
				 "..........................................." } } };
	const struct session_login *g = s->login;
	const char *user = login_of(s)->user;
	const struct forms *asked = !g->cdb || !session_auth_user(s) ? &none
				    : s->w->forms.n                  ? &s->w->forms
								     : &usual;
	return forms_pick(users_forms(s->w->gen->users), asked, hash64(user, strlen(user)));
}

size_t account_key(const struct session *s, char *out)
{
	const struct session_login *g = s->login;
	const struct policy_decision *d = &g->d;
	const struct account_fit *a = g->has_account ? &g->account : NULL;
	int n = snprintf(out, ACCOUNT_KEY_BYTES, "%s\n%s\n%s", d->secret,
		a && a->has_second ? a->second : "", a && a->has_also ? a->also : "");
	return n < ACCOUNT_KEY_BYTES ? (size_t)n : ACCOUNT_KEY_BYTES - 1;
}
