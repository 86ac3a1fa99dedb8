/* helper_ldap - proves a password by an LDAP bind, directly (prefix/suffix) or after a search.
 * Blocks; runs in a thread of weirpool-auth-helper. Source: PostgreSQL docs, LDAP Authentication.
 */
#include "helper_int.h"

#include "auth/ldap_opts.h"
#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#ifdef WITH_LDAP
#include <ldap.h>

#define TIMEOUT_S 10

static enum helper_verdict failed(char *why, const char *what, int rc)
{
	(void)snprintf(why, HELPER_REASON_MAX, "LDAP %s: %s", what, ldap_err2string(rc));
	return HELPER_FAILED;
}

/* "ldap://a:389 ldap://b:389" from "a b" */
static bool make_uri(const struct ldap_opts *o, struct buf *uri)
{
	const char *p = o->server;

	for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		(void)buf_printf(uri, "%s%s://%.*s:%u", buf_len(uri) ? " " : "",
			o->ldaps ? "ldaps" : "ldap", (int)n, p,
			o->port    ? o->port
			: o->ldaps ? 636u
				   : 389u);
		p += n;
	}
	return buf_len(uri) > 0 && buf_put_u8(uri, 0);
}

static LDAP *connect_to(const struct ldap_opts *o, char *why)
{
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	int version = LDAP_VERSION3, rc;
	struct buf uri;
	LDAP *l = NULL;

	buf_init(&uri, 65536);
	rc = make_uri(o, &uri) ? ldap_initialize(&l, (char *)buf_data(&uri)) : LDAP_PARAM_ERROR;
	buf_fini(&uri);
	if (rc != LDAP_SUCCESS) {
		(void)failed(why, "initialize", rc);
		return NULL;
	}
	(void)ldap_set_option(l, LDAP_OPT_PROTOCOL_VERSION, &version);
	(void)ldap_set_option(l, LDAP_OPT_NETWORK_TIMEOUT, &limit);
	(void)ldap_set_option(l, LDAP_OPT_TIMEOUT, &limit);
	(void)ldap_set_option(l, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	rc = o->starttls ? ldap_start_tls_s(l, NULL, NULL) : LDAP_SUCCESS;
	if (rc == LDAP_SUCCESS)
		return l;
	(void)failed(why, "StartTLS", rc);
	(void)ldap_unbind_ext_s(l, NULL, NULL);
	return NULL;
}

static int bind_as(LDAP *l, const char *dn, const char *pw)
{
	struct berval cred = { .bv_len = strlen(pw), .bv_val = (char *)(uintptr_t)pw };

	return ldap_sasl_bind_s(l, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
}

/* RFC 4515: what must not stand in a filter's value as it is. */
static void put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("*()\\", *s))
			(void)buf_printf(b, "\\%02x", (unsigned char)*s);
		else
			(void)buf_put_u8(b, (uint8_t)*s);
	}
}

/* The search filter: ldapsearchfilter with $username replaced, or (attribute=user). */
static bool make_filter(const struct ldap_opts *o, const char *user, struct buf *filter)
{
	static const char var[] = "$username";
	const char *p = o->searchfilter, *at;

	if (p == NULL) {
		(void)buf_printf(filter, "(%s=", o->searchattribute ? o->searchattribute : "uid");
		put_escaped(filter, user);
		(void)buf_puts(filter, ")");
		return buf_put_u8(filter, 0);
	}
	while ((at = strstr(p, var)) != NULL) {
		(void)buf_append(filter, p, (size_t)(at - p));
		put_escaped(filter, user);
		p = at + sizeof var - 1;
	}
	(void)buf_puts(filter, p);
	return buf_put_u8(filter, 0);
}

/* The DN of the one entry that is the user. */
static enum helper_verdict search_dn(
	LDAP *l, const struct ldap_opts *o, const char *user, struct buf *dn, char *why)
{
	char *attrs[] = { (char *)(uintptr_t)LDAP_NO_ATTRS, NULL };
	struct timeval limit = { .tv_sec = TIMEOUT_S };
	LDAPMessage *res = NULL;
	struct buf filter;
	int rc, n;
	char *name = NULL;

	buf_init(&filter, 1u << 20);
	rc = make_filter(o, user, &filter)
		     ? ldap_search_ext_s(l, o->basedn, o->scope, (char *)buf_data(&filter), attrs,
			       0, NULL, NULL, &limit, 2, &res)
		     : LDAP_NO_MEMORY;
	buf_fini(&filter);
	n = res ? ldap_count_entries(l, res) : 0;
	if (rc == LDAP_SUCCESS && n == 1)
		name = ldap_get_dn(l, ldap_first_entry(l, res));
	if (name)
		(void)buf_putz(dn, name);
	ldap_memfree(name);
	ldap_msgfree(res);
	if (name && !dn->failed)
		return HELPER_OK;
	if (rc != LDAP_SUCCESS && rc != LDAP_SIZELIMIT_EXCEEDED)
		return failed(why, "search", rc);
	(void)snprintf(why, HELPER_REASON_MAX, "LDAP search: %s",
		n == 0 ? "no such user" : "the user is not unique");
	return HELPER_DENIED;
}

/* The DN to bind with: by search with the service account, or built from prefix and suffix. */
static enum helper_verdict find_dn(
	LDAP *l, const struct ldap_opts *o, const char *user, struct buf *dn, char *why)
{
	if (o->basedn == NULL) {
		/* A name with DN syntax in it would move the bind to another entry. */
		if (strpbrk(user, ",=+\"\\<>;#") != NULL || *user == ' ') {
			(void)snprintf(why, HELPER_REASON_MAX,
				"LDAP: the user name is not usable in a DN");
			return HELPER_DENIED;
		}
		(void)buf_printf(
			dn, "%s%s%s", o->prefix ? o->prefix : "", user, o->suffix ? o->suffix : "");
		return buf_put_u8(dn, 0) ? HELPER_OK : HELPER_FAILED;
	}
	int rc = bind_as(l, o->binddn ? o->binddn : "", o->bindpasswd ? o->bindpasswd : "");

	if (rc != LDAP_SUCCESS)
		return failed(why, "bind of the search account", rc);
	return search_dn(l, o, user, dn, why);
}

static enum helper_verdict prove(
	LDAP *l, const struct ldap_opts *o, const char *user, const char *pw, char *why)
{
	struct buf dn;
	enum helper_verdict v;
	int rc;

	buf_init(&dn, 1u << 20);
	v = find_dn(l, o, user, &dn, why);
	if (v == HELPER_OK && (buf_len(&dn) <= 1)) { /* an empty DN would be an anonymous bind */
		(void)snprintf(why, HELPER_REASON_MAX, "LDAP: empty DN");
		v = HELPER_DENIED;
	}
	if (v == HELPER_OK) {
		rc = bind_as(l, (char *)buf_data(&dn), pw);
		v = rc == LDAP_SUCCESS ? HELPER_OK
		    : rc == LDAP_INVALID_CREDENTIALS || rc == LDAP_NO_SUCH_OBJECT ||
				    rc == LDAP_INVALID_DN_SYNTAX || rc == LDAP_INAPPROPRIATE_AUTH
			    ? HELPER_DENIED
			    : HELPER_FAILED;
		(void)snprintf(why, HELPER_REASON_MAX, "LDAP bind: %s", ldap_err2string(rc));
	}
	buf_fini(&dn);
	return v;
}

enum helper_verdict helper_do_ldap(const char *opts, const char *user, const char *pw, char *why)
{
	struct ldap_opts o;
	struct err e = { 0 };
	enum helper_verdict v = HELPER_FAILED;

	if (*pw == '\0') { /* many directories take it for an anonymous bind and say yes */
		(void)snprintf(why, HELPER_REASON_MAX, "LDAP: empty password");
		return HELPER_DENIED;
	}
	if (ldap_opts_parse(opts, &o, &e) < 0) {
		(void)snprintf(why, HELPER_REASON_MAX, "%s", e.msg);
		return HELPER_FAILED;
	}
	LDAP *l = connect_to(&o, why);

	if (l) {
		v = prove(l, &o, user, pw, why);
		(void)ldap_unbind_ext_s(l, NULL, NULL);
	}
	ldap_opts_fini(&o);
	return v;
}
#else
enum helper_verdict helper_do_ldap(const char *opts, const char *user, const char *pw, char *why)
{
	(void)opts, (void)user, (void)pw;
	(void)snprintf(why, HELPER_REASON_MAX, "built without LDAP");
	return HELPER_FAILED;
}
#endif
