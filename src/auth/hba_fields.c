/* hba_fields - the fields of an HBA line: name lists with @files, addresses, options. Ignorant of
 * what they are matched against. Control thread only: reads files and network interfaces. */
#include "hba_int.h"

#include "auth/ldap_opts.h"
#include "base/mem.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#define NAME_FILE_MAX (16u << 20)
#define NAME_FILE_DEPTH 10

static bool wrong(struct hba_ctx *c, const char *what)
{
	problems_error(c->p, c->file, c->line, "%s", what);
	return false;
}

/* ---- names ---- */

static bool read_name_file(
	struct hba_ctx *c, bool is_db, struct hba_names *names, const char *name, unsigned depth);

static bool add_name(struct hba_ctx *c, struct hba_names *names, const char *name)
{
	static char present;

	if (hmap_put(&names->set, name, strlen(name), &present, NULL))
		return true;
	return wrong(c, "out of memory");
}

/* One word of a name list. */
static bool read_name(
	struct hba_ctx *c, bool is_db, struct hba_names *names, const struct tok *t, unsigned depth)
{
	if (*t->text == '\0')
		return wrong(c, "an empty name");
	if (t->quoted)
		return add_name(c, names, t->text);
	if (strcmp(t->text, "all") == 0)
		names->all = true;
	else if (is_db && strcmp(t->text, "sameuser") == 0)
		names->sameuser = true;
	else if (is_db && strcmp(t->text, "replication") == 0)
		names->replication = true;
	else if (is_db && (strcmp(t->text, "samerole") == 0 || strcmp(t->text, "samegroup") == 0))
		return wrong(c,
			"samerole and samegroup are not supported: the pooler does not know "
			"role memberships");
	else if (*t->text == '+')
		return wrong(c, "role groups (+role) are not supported: the pooler does not know "
				"role memberships; list the users, or use an @file");
	else if (*t->text == '/')
		return wrong(c,
			"regular expressions are not supported; quote the name if it begins "
			"with a slash");
	else if (*t->text == '@')
		return read_name_file(c, is_db, names, t->text + 1, depth + 1);
	else
		return add_name(c, names, t->text);
	return true;
}

/* path as seen from the file that names it; owned by the caller. */
static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (*path == '/' || slash == NULL)
		return mem_xstrdup(MEM_AUTH, path);
	return mem_xprintf(MEM_AUTH, "%.*s/%s", (int)(slash - file), file, path);
}

/* The names in a file, separated by blanks, commas or newlines. */
static bool read_name_text(struct hba_ctx *c, bool is_db, struct hba_names *names, const char *text,
	size_t n, unsigned depth)
{
	struct lines l;
	const char *line;
	size_t line_n;
	bool ok = true;

	lines_init(&l, text, n);
	while (lines_next(&l, &line, &line_n)) {
		struct toks t;
		const char *bad = toks_read(&t, line, line_n, true);

		c->line = l.line;
		if (bad)
			ok = wrong(c, bad);
		for (size_t i = 0; bad == NULL && i < t.n; i++)
			ok = read_name(c, is_db, names, &t.v[i], depth) && ok;
		toks_fini(&t);
	}
	lines_fini(&l);
	return ok;
}

static bool read_name_file(
	struct hba_ctx *c, bool is_db, struct hba_names *names, const char *name, unsigned depth)
{
	struct err e = { 0 };
	struct buf b;
	bool ok;

	if (*name == '\0')
		return wrong(c, "@ without a file name");
	if (depth > NAME_FILE_DEPTH)
		return wrong(c, "@files are nested too deeply");
	char *path = beside(c->file, name);

	buf_init(&b, NAME_FILE_MAX + 65536);
	if (auth_read_file(path, NAME_FILE_MAX, &b, &e) < 0) {
		ok = wrong(c, e.msg);
	} else {
		struct hba_ctx inner = { .file = path, .p = c->p };

		ok = read_name_text(&inner, is_db, names, buf_len(&b) ? (char *)buf_data(&b) : "",
			buf_len(&b), depth);
	}
	buf_fini(&b);
	mem_free(MEM_AUTH, path);
	return ok;
}

bool hba_read_names(struct hba_ctx *c, bool is_db, struct hba_names *names)
{
	bool ok = true, last = false;

	while (!last && c->at < c->t->n) {
		const struct tok *t = &c->t->v[c->at++];

		last = t->last;
		ok = read_name(c, is_db, names, t, 0) && ok;
	}
	return ok;
}

/* ---- addresses ---- */

static size_t addr_bytes(int af)
{
	return af == AF_INET ? 4 : 16;
}

static void add_net(struct hba_line *l, const struct hba_net *net)
{
	l->nets = mem_xrealloc(MEM_AUTH, l->nets, (l->nets_n + 1) * sizeof *l->nets);
	l->nets[l->nets_n++] = *net;
}

static void set_prefix(struct hba_net *net, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		net->mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* samehost, samenet: our interfaces as they are now. */
static bool add_interfaces(struct hba_ctx *c, struct hba_line *l, bool whole_net)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return wrong(c, "cannot read the network interfaces");
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct hba_net net = { .af = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC };
		const void *addr = i->ifa_addr, *mask = i->ifa_netmask;

		if (net.af == AF_INET) {
			memcpy(net.addr, &((const struct sockaddr_in *)addr)->sin_addr, 4);
			if (whole_net && mask)
				memcpy(net.mask, &((const struct sockaddr_in *)mask)->sin_addr, 4);
			else
				set_prefix(&net, 32);
			add_net(l, &net);
		} else if (net.af == AF_INET6) {
			memcpy(net.addr, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
			if (whole_net && mask)
				memcpy(net.mask, &((const struct sockaddr_in6 *)mask)->sin6_addr,
					16);
			else
				set_prefix(&net, 128);
			add_net(l, &net);
		}
	}
	freeifaddrs(list);
	return true;
}

static bool parse_ip(const char *s, size_t n, int *af_r, uint8_t addr[16])
{
	char text[INET6_ADDRSTRLEN];

	if (n >= sizeof text)
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	*af_r = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*af_r, text, addr) == 1;
}

/* The mask: from /bits, or from the next word. */
static bool read_mask(struct hba_ctx *c, struct hba_net *net, const char *slash)
{
	uint64_t bits;
	int af;

	if (slash) {
		if (num_u64n(slash + 1, strlen(slash + 1), 0, 8 * addr_bytes(net->af), &bits) < 0)
			return wrong(c, "the mask length behind / is invalid");
		set_prefix(net, (unsigned)bits);
		return true;
	}
	const struct tok *t = c->at < c->t->n ? &c->t->v[c->at] : NULL;

	if (t == NULL || !t->last || !parse_ip(t->text, strlen(t->text), &af, net->mask))
		return wrong(c,
			"an address needs a mask: write 10.0.0.1/32, or the mask as the next "
			"word");
	c->at++;
	if (af != net->af)
		return wrong(c, "address and mask are of different families");
	return true;
}

static bool read_net(struct hba_ctx *c, struct hba_line *l, const char *text)
{
	struct hba_net net = { 0 };
	const char *slash = strchr(text, '/');
	bool inside = true;

	if (!parse_ip(text, slash ? (size_t)(slash - text) : strlen(text), &net.af, net.addr)) {
		problems_error(c->p, c->file, c->line,
			"\"%.60s\" is not an IP address; host names are not supported", text);
		return false;
	}
	if (!read_mask(c, &net, slash))
		return false;
	for (size_t i = 0; i < addr_bytes(net.af); i++)
		inside = inside && (net.addr[i] & ~net.mask[i]) == 0;
	if (!inside)
		problems_warn(c->p, c->file, c->line,
			"the address %.60s has bits outside of its mask; they are ignored", text);
	add_net(l, &net);
	return true;
}

bool hba_read_address(struct hba_ctx *c, struct hba_line *l)
{
	const struct tok *t = c->at < c->t->n ? &c->t->v[c->at] : NULL;

	if (t == NULL)
		return wrong(c, "the line ends before the address");
	if (!t->last)
		return wrong(c, "a list of addresses is not possible: write one line for each");
	c->at++;
	if (!t->quoted && strcmp(t->text, "all") == 0) {
		l->any_addr = true;
		return true;
	}
	if (!t->quoted && strcmp(t->text, "samehost") == 0)
		return add_interfaces(c, l, false);
	if (!t->quoted && strcmp(t->text, "samenet") == 0)
		return add_interfaces(c, l, true);
	return read_net(c, l, t->text);
}

/* ---- options ---- */

static bool unknown_option(struct hba_ctx *c, const char *name)
{
	static const char *const KNOWN[] = { "map", "pamservice", "clientcert", "ldapserver",
		"ldapport", "ldapscheme", "ldaptls", "ldapprefix", "ldapsuffix", "ldapbasedn",
		"ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter",
		"ldapurl" };
	const char *near = auth_nearest(name, KNOWN, sizeof KNOWN / sizeof *KNOWN);

	problems_error(c->p, c->file, c->line, "unknown option \"%.60s\"%s%s%s", name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return false;
}

static bool wrong_for(struct hba_ctx *c, const char *name, const char *methods)
{
	problems_error(c->p, c->file, c->line, "option %s is for %s only", name, methods);
	return false;
}

/* Keeps an LDAP option in the text form that ldap_opts_parse() reads. */
static void keep_ldap(struct buf *ldap, const char *name, const char *value)
{
	(void)buf_printf(ldap, "%s%s=\"", buf_len(ldap) ? " " : "", name);
	for (; *value; value++) {
		if (*value == '"')
			(void)buf_put_u8(ldap, '"');
		(void)buf_put_u8(ldap, (uint8_t)*value);
	}
	(void)buf_put_u8(ldap, '"');
}

static bool read_option(
	struct hba_ctx *c, struct hba_line *l, char *name, const char *value, struct buf *ldap)
{
	if (strcmp(name, "map") == 0) {
		if (l->rule.method != AUTH_CERT && l->rule.method != AUTH_PEER &&
			!l->rule.clientcert)
			return wrong_for(c, name, "cert and peer");
		mem_free(MEM_AUTH, l->map);
		l->map = mem_xstrdup(MEM_AUTH, value);
	} else if (strcmp(name, "pamservice") == 0) {
		if (l->rule.method != AUTH_PAM)
			return wrong_for(c, name, "pam");
		mem_free(MEM_AUTH, l->pam_service);
		l->pam_service = mem_xstrdup(MEM_AUTH, value);
	} else if (strcmp(name, "clientcert") == 0) {
		if (l->type != HBA_HOSTSSL)
			return wrong(c, "option clientcert is for hostssl lines only");
		if (strcmp(value, "verify-ca") != 0 && strcmp(value, "verify-full") != 0)
			return wrong(c, "clientcert must be verify-ca or verify-full");
		l->rule.clientcert = true;
		l->rule.clientcert_full = strcmp(value, "verify-full") == 0;
	} else if (ldap_opts_known(name)) {
		if (l->rule.method != AUTH_LDAP)
			return wrong_for(c, name, "ldap");
		keep_ldap(ldap, name, value);
	} else {
		return unknown_option(c, name);
	}
	return true;
}

/* One field, its words joined again by the commas that cut them: "ldapbasedn=dc=a,dc=b" is one. */
static void join_field(struct hba_ctx *c, struct buf *out)
{
	bool last = false;

	buf_wipe(out);
	while (!last && c->at < c->t->n) {
		const struct tok *t = &c->t->v[c->at++];

		last = t->last;
		(void)buf_puts(out, t->text);
		if (!last)
			(void)buf_put_u8(out, ',');
	}
	(void)buf_put_u8(out, 0);
}

static bool check_ldap(struct hba_ctx *c, struct hba_line *l, struct buf *ldap)
{
	struct ldap_opts o;
	struct err e = { 0 };

	if (l->rule.method != AUTH_LDAP || buf_len(ldap) == 0)
		return true; /* none: auth_ldap_options */
	l->ldap = mem_xstrndup(MEM_AUTH, (const char *)buf_data(ldap), buf_len(ldap));
	if (ldap_opts_parse(l->ldap, &o, &e) < 0)
		return wrong(c, e.msg);
	ldap_opts_fini(&o);
	return true;
}

bool hba_read_options(struct hba_ctx *c, struct hba_line *l)
{
	struct buf field, ldap;
	bool ok = true;

	buf_init(&field, 0);
	buf_init(&ldap, 0);
	while (c->at < c->t->n) {
		join_field(c, &field);
		char *name = (char *)buf_data(&field), *eq = strchr(name, '=');

		if (eq == NULL) {
			problems_error(c->p, c->file, c->line,
				"\"%.60s\" is not an option: options are name=value", name);
			ok = false;
			continue;
		}
		*eq = '\0';
		ok = read_option(c, l, name, eq + 1, &ldap) && ok;
	}
	ok = ok && check_ldap(c, l, &ldap);
	buf_wipe(&field);
	buf_wipe(&ldap);
	return ok;
}
