/* ask_pg - words for libpq, so that the command line logs in to a PostgreSQL server as weirpool's
 * pools do: the same TLS, and nothing that libpq would find in the home directory. Pure. */
#include "server_int.h"

#include <stdio.h>

#define CONNECT_S "5"
#define NOTHING "/dev/null/none" /* the name of no file */

static void put(struct pg_words *w, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	w->name[w->n] = name;
	w->value[w->n++] = value;
}

void pg_words_fill(struct pg_words *w, const struct conf_host *h, const struct server_account *who,
	const char *program)
{
	static const char *const modes[] = { "disable", "allow", "prefer", "require", "verify-ca",
		"verify-full" };
	const struct conf_tls *tls = &who->set->server_tls;
	*w = (struct pg_words){ .n = 0 };
	snprintf(w->port, sizeof w->port, "%u", (unsigned)h->port);
	snprintf(
		w->host, sizeof w->host, "%s%s", h->kind == CONF_HOST_ABSTRACT ? "@" : "", h->host);
	put(w, "host", w->host);
	put(w, "port", w->port);
	put(w, "dbname", who->database);
	put(w, "user", *who->user ? who->user : "weirpool");
	put(w, "password", who->password);
	put(w, "sslmode", modes[tls->mode]);
	put(w, "sslrootcert",
		*tls->ca_file                     ? tls->ca_file
		: tls->mode >= CONF_TLS_VERIFY_CA ? "/etc/ssl/certs/ca-certificates.crt"
						  : NOTHING);
	put(w, "sslcert", *tls->cert_file ? tls->cert_file : NOTHING);
	put(w, "sslkey", tls->key_file);
	put(w, "connect_timeout", CONNECT_S);
	put(w, "application_name", program);
}
