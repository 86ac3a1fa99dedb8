/* ldap_opts - options of the LDAP method, and LDAP URLs (RFC 4516). Ignorant of directories:
 * connects to none. Any thread. */
#include "auth/ldap_opts.h"

#include "auth/method.h"
#include "base/mem.h"
#include "base/num.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *const KEYS[] = { "ldapserver", "ldapport", "ldapscheme", "ldaptls", "ldapprefix",
	"ldapsuffix", "ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute",
	"ldapsearchfilter", "ldapurl" };
#define KEYS_N (sizeof KEYS / sizeof *KEYS)

bool ldap_opts_known(const char *key)
{
	for (size_t i = 0; i < KEYS_N; i++) {
		if (strcmp(KEYS[i], key) == 0)
			return true;
	}
	return false;
}

static void wiped_free(char *s)
{
	if (s)
		mem_wipe(s, strlen(s));
	mem_free(MEM_AUTH, s);
}

void ldap_opts_fini(struct ldap_opts *o)
{
	mem_free(MEM_AUTH, o->server);
	mem_free(MEM_AUTH, o->prefix);
	mem_free(MEM_AUTH, o->suffix);
	mem_free(MEM_AUTH, o->basedn);
	mem_free(MEM_AUTH, o->binddn);
	wiped_free(o->bindpasswd);
	mem_free(MEM_AUTH, o->searchattribute);
	mem_free(MEM_AUTH, o->searchfilter);
	*o = (struct ldap_opts){ 0 };
}

static int set_text(char **at, const char *value, struct err *e)
{
	char *copy = mem_strdup(MEM_AUTH, value);

	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	wiped_free(*at);
	*at = copy;
	return 0;
}

/* The text option called key, or NULL. */
static char **text_option(struct ldap_opts *o, const char *key)
{
	const struct {
		const char *key;
		char **at;
	} texts[] = {
		{ "ldapserver", &o->server },
		{ "ldapprefix", &o->prefix },
		{ "ldapsuffix", &o->suffix },
		{ "ldapbasedn", &o->basedn },
		{ "ldapbinddn", &o->binddn },
		{ "ldapbindpasswd", &o->bindpasswd },
		{ "ldapsearchattribute", &o->searchattribute },
		{ "ldapsearchfilter", &o->searchfilter },
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (strcmp(texts[i].key, key) == 0)
			return texts[i].at;
	}
	return NULL;
}

static int set_port(struct ldap_opts *o, const char *value, struct err *e)
{
	uint64_t port;

	if (num_u64n(value, strlen(value), 1, 65535, &port) < 0)
		return err_set(e, ERR_CONFIG, "ldapport must be 1 to 65535");
	o->port = (uint16_t)port;
	return 0;
}

static int set_scheme(struct ldap_opts *o, const char *value, struct err *e)
{
	if (strcmp(value, "ldap") != 0 && strcmp(value, "ldaps") != 0)
		return err_set(e, ERR_CONFIG, "ldapscheme must be ldap or ldaps");
	o->ldaps = strcmp(value, "ldaps") == 0;
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %xx in place; false for a malformed one or an encoded NUL. */
static bool percent_decode(char *s)
{
	char *o = s;

	for (; *s; s++) {
		if (*s != '%') {
			*o++ = *s;
			continue;
		}
		int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);

		if (lo < 0 || (hi | lo) == 0)
			return false;
		*o++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*o = '\0';
	return true;
}

static int bad_url(struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "ldapurl: %s", what);
}

/* host[:port] or [v6][:port] */
static int url_host(struct ldap_opts *o, char *host, struct err *e)
{
	char *port = *host == '[' ? strchr(host, ']') : host;

	if (port == NULL)
		return bad_url(e, "] is missing");
	port = strchr(port, ':');
	if (port) {
		*port++ = '\0';
		if (set_port(o, port, e) < 0)
			return -1;
	}
	if (!percent_decode(host))
		return bad_url(e, "malformed % escape");
	return *host ? set_text(&o->server, host, e) : 0;
}

/* The parts behind host: dn ? attribute ? scope ? filter */
static int url_parts(struct ldap_opts *o, char *dn, struct err *e)
{
	char *part[4] = { dn };

	for (int i = 1; i < 4; i++) {
		char *q = part[i - 1] ? strchr(part[i - 1], '?') : NULL;

		if (q)
			*q++ = '\0';
		part[i] = q;
	}
	if (part[3] && strchr(part[3], '?'))
		return bad_url(e, "extensions are not supported");
	for (int i = 0; i < 4; i++) {
		if (part[i] && !percent_decode(part[i]))
			return bad_url(e, "malformed % escape");
	}
	if (part[0] && *part[0] && set_text(&o->basedn, part[0], e) < 0)
		return -1;
	if (part[1] && *part[1] && set_text(&o->searchattribute, part[1], e) < 0)
		return -1;
	if (part[3] && *part[3] && set_text(&o->searchfilter, part[3], e) < 0)
		return -1;
	o->scope = 0; /* RFC 4516: base is the default in a URL */
	if (part[2] && strcasecmp(part[2], "sub") == 0)
		o->scope = 2;
	else if (part[2] && strcasecmp(part[2], "one") == 0)
		o->scope = 1;
	else if (part[2] && *part[2] && strcasecmp(part[2], "base") != 0)
		return bad_url(e, "the scope must be base, one or sub");
	return 0;
}

static int set_url(struct ldap_opts *o, const char *value, struct err *e)
{
	char *url, *rest, *slash;
	int rc;

	if (strncasecmp(value, "ldap://", 7) != 0 && strncasecmp(value, "ldaps://", 8) != 0)
		return bad_url(e, "it must begin with ldap:// or ldaps://");
	o->ldaps = value[4] == 's' || value[4] == 'S';
	url = mem_strdup(MEM_AUTH, value);
	if (url == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	rest = url + (o->ldaps ? 8 : 7);
	slash = rest + strcspn(rest, "/?");
	if (*slash == '/')
		*slash++ = '\0';
	else if (*slash == '?')
		slash = NULL;
	if (slash == NULL)
		rc = bad_url(e, "a / must stand between the host and the ?");
	else
		rc = url_host(o, rest, e);
	if (rc == 0)
		rc = url_parts(o, slash, e);
	mem_free(MEM_AUTH, url);
	return rc;
}

int ldap_opts_set(struct ldap_opts *o, const char *key, const char *value, struct err *e)
{
	char **text = text_option(o, key);

	if (text)
		return set_text(text, value, e);
	if (strcmp(key, "ldapport") == 0)
		return set_port(o, value, e);
	if (strcmp(key, "ldapscheme") == 0)
		return set_scheme(o, value, e);
	if (strcmp(key, "ldapurl") == 0)
		return set_url(o, value, e);
	if (strcmp(key, "ldaptls") == 0) {
		if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
			return err_set(e, ERR_CONFIG, "ldaptls must be 0 or 1");
		o->starttls = *value == '1';
		return 0;
	}
	const char *near = auth_nearest(key, KEYS, KEYS_N);

	return err_set(e, ERR_CONFIG, "unknown LDAP option \"%.60s\"%s%s%s", key,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

int ldap_opts_check(const struct ldap_opts *o, struct err *e)
{
	bool simple = o->prefix || o->suffix;
	bool search = o->basedn || o->binddn || o->bindpasswd || o->searchattribute ||
		      o->searchfilter;

	if (o->server == NULL || *o->server == '\0')
		return err_set(e, ERR_CONFIG, "LDAP needs ldapserver or a host in ldapurl");
	if (simple && search)
		return err_set(e, ERR_CONFIG,
			"ldapprefix and ldapsuffix (simple bind) cannot be mixed with ldapbasedn "
			"and the "
			"other search options");
	if (!simple && o->basedn == NULL)
		return err_set(e, ERR_CONFIG, "LDAP needs ldapbasedn, or ldapprefix or ldapsuffix");
	if (o->searchattribute && o->searchfilter)
		return err_set(e, ERR_CONFIG,
			"ldapsearchattribute and ldapsearchfilter cannot be used together");
	if (o->ldaps && o->starttls)
		return err_set(e, ERR_CONFIG, "ldaptls=1 (StartTLS) and ldaps exclude each other");
	return 0;
}

/* One key=value from *p into the NUL-terminated buffers. NULL or what is wrong. */
static const char *read_pair(const char **p, struct buf *key, struct buf *value)
{
	const char *s = *p;
	bool in_quotes = false;
	struct buf *out = key;

	for (; *s; s++) {
		if (*s == '"') {
			if (in_quotes && s[1] == '"')
				(void)buf_put_u8(out, (uint8_t) * ++s);
			else
				in_quotes = !in_quotes;
		} else if (!in_quotes && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')) {
			break;
		} else if (*s == '=' && out == key) {
			out = value;
		} else {
			(void)buf_put_u8(out, (uint8_t)*s);
		}
	}
	*p = s;
	if (in_quotes)
		return "a quote (\") is not closed";
	if (out == key)
		return "options are name=value";
	return buf_put_u8(key, 0) && buf_put_u8(value, 0) ? NULL : "out of memory";
}

int ldap_opts_parse(const char *text, struct ldap_opts *o_r, struct err *e)
{
	struct ldap_opts o = { .scope = 2 };
	struct buf key, value;
	int rc = 0;

	buf_init(&key, 65536);
	buf_init(&value, 65536);
	for (text += strspn(text, " \t\r\n"); *text && rc == 0; text += strspn(text, " \t\r\n")) {
		buf_wipe(&key);
		buf_wipe(&value);
		const char *wrong = read_pair(&text, &key, &value);

		if (wrong)
			rc = err_set(e, ERR_CONFIG, "LDAP options: %s", wrong);
		else
			rc = ldap_opts_set(&o, (char *)buf_data(&key), (char *)buf_data(&value), e);
	}
	buf_fini(&key);
	buf_wipe(&value);
	if (rc == 0)
		rc = ldap_opts_check(&o, e);
	if (rc == 0)
		*o_r = o;
	else
		ldap_opts_fini(&o);
	return rc;
}
