/* url - postgres://user:secret@host1:port,host2/db?name=value, or mysql://..., to a snapshot,
 * through the same items as a file, and the URL to paste. Source: PostgreSQL docs, "Connection
 * URIs" and "Parameter Key Words" (libpq); MySQL docs, "Connecting Using URI-Like Strings".
 * Ignorant of sockets. Control thread. No message shows any part of the URL that could be a piece
 * of the password. */
#include "conf/url.h"
#include "conf_int.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define URL_MAX_BYTES 16384
#define CLUSTER_NAME "url"
#define WHY_MAX 400
#define N(a) (sizeof(a) / sizeof((a)[0]))
#define ESCAPE_HINT \
	"; in a user or password write / as %%2F, : as %%3A, @ as %%40, ? as %%3F and %% as %%25"

/* What a scheme stands for. */
struct scheme {
	const char *prefixes[3];
	enum conf_section section;
	const char *port;
	bool libpq; /* its parameters are libpq's */
};
static const struct scheme schemes[] = {
	{ { "postgres://", "postgresql://" }, CONF_SEC_DATABASES, "5432", true },
	{ { "mysql://", "mariadb://" }, CONF_SEC_MYSQL_DATABASES, "3306", false },
};

struct url {
	struct conf *conf;
	const struct scheme *scheme;
	struct conf_msgs *m;
	const char *user, *password, *dbname; /* "" = not there; strings of conf */
	const char *hosts, *ports;
	struct buf pairs; /* name='value' for the database */
	bool has_sslmode, has_app, has_balance;
	const char *fallback_app;
	const char *where; /* "URL", "DATABASE_URL": for messages and as the source */
	unsigned number;   /* among those of one configuration */
};

#define MISTAKE(u, ...) conf_msgs_add((u)->m, CONF_ERROR, (u)->where, 0, __VA_ARGS__)
#define WARN(u, ...) conf_msgs_add((u)->m, CONF_WARNING, (u)->where, 0, __VA_ARGS__)

static const char *behind_scheme(const char *url, const struct scheme **scheme_r)
{
	for (unsigned i = 0; i < N(schemes); i++)
		for (const char *const *p = schemes[i].prefixes; *p; p++)
			if (strncmp(url, *p, strlen(*p)) == 0) {
				*scheme_r = &schemes[i];
				return url + strlen(*p);
			}
	return NULL;
}

bool conf_url_is(const char *arg)
{
	size_t n = strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return n > 0 && strncmp(arg + n, "://", 3) == 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* n bytes with %XX decoded, as a string of conf; NULL and a mistake told when that cannot be. */
static const char *decode(struct url *u, const char *p, size_t n, const char *what)
{
	char *out = conf_str(u->conf, p, n), *o = out;
	for (size_t i = 0; i < n; i++, o++) {
		*o = p[i];
		if (p[i] != '%')
			continue;
		int hi = n - i > 2 ? hex(p[i + 1]) : -1;
		int lo = n - i > 2 ? hex(p[i + 2]) : -1;
		if (hi < 0 || lo < 0) {
			MISTAKE(u,
				"the %s has a %% that is not followed by two hexadecimal "
				"digits" ESCAPE_HINT,
				what);
			return NULL;
		}
		*o = (char)(hi << 4 | lo);
		i += 2;
	}
	*o = '\0';
	for (const char *c = out; c < o; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			MISTAKE(u, "the %s has a control character in it", what);
			return NULL;
		}
	}
	return out;
}

/* name='value' behind the others. */
static void put_pair(struct url *u, const char *name, const char *value)
{
	buf_printf(&u->pairs, " %s='", name);
	for (; *value; value++)
		buf_append(&u->pairs, *value == '\'' ? "''" : value, *value == '\'' ? 2 : 1);
	buf_puts(&u->pairs, "'");
}

static void put_global(struct url *u, const char *key, const char *value)
{
	conf_item_add(
		u->conf, CONF_SEC_WEIRPOOL, key, value, (struct conf_src){ .file = u->where });
}

/* Unless a parameter said otherwise. */
static void put_global_default(struct url *u, const char *key, const char *value)
{
	for (unsigned i = 0; i < u->conf->items_n; i++)
		if (u->conf->items[i].key && strcasecmp(u->conf->items[i].key, key) == 0)
			return;
	put_global(u, key, value);
}

/* user[:password] */
static int read_userinfo(struct url *u, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t user_n = colon ? (size_t)(colon - p) : n;
	u->user = decode(u, p, user_n, "user");
	if (colon)
		u->password = decode(u, colon + 1, n - user_n - 1, "password");
	if (u->user == NULL || u->password == NULL)
		return -1;
	if (u->password[0] && !u->user[0]) {
		MISTAKE(u, "there is a password but no user");
		return -1;
	}
	return 0;
}

/* One host[:port] of the list; appends to the two lists. */
static int read_host(struct url *u, const char *p, size_t n, struct buf *hosts, struct buf *ports)
{
	const char *end = p + n, *colon;
	if (*p == '[' && n > 1) {
		const char *close = memchr(p, ']', n);
		if (close == NULL || (close + 1 < end && close[1] != ':')) {
			MISTAKE(u, "an IPv6 address must be written [address]:port");
			return -1;
		}
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = memchr(p, ':', n);
	}
	const char *host = decode(u, p, colon ? (size_t)(colon - p) : n, "host");
	uint64_t port;
	if (host == NULL ||
		num_u64n(u->scheme->port, strlen(u->scheme->port), 1, 65535, &port) != 0)
		return -1;
	if (colon && colon + 1 < end &&
		num_u64n(colon + 1, (size_t)(end - colon - 1), 1, 65535, &port) != 0) {
		MISTAKE(u, "a port must be a number from 1 to 65535" ESCAPE_HINT);
		return -1;
	}
	if (strpbrk(host, ", ") || strlen(host) > 255) {
		MISTAKE(u, "a host cannot contain spaces or commas, nor have more than 255 "
			   "characters");
		return -1;
	}
	buf_printf(hosts, "%s%s", buf_len(ports) ? "," : "", host);
	buf_printf(ports, "%s%llu", buf_len(ports) ? "," : "", (unsigned long long)port);
	return 0;
}

static int read_hosts(struct url *u, const char *p, const char *end)
{
	struct buf hosts, ports;
	int rc = 0;
	buf_init(&hosts, URL_MAX_BYTES);
	buf_init(&ports, URL_MAX_BYTES);
	for (const char *stop = p; rc == 0 && p <= end; p = stop + 1) {
		stop = memchr(p, ',', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		rc = read_host(u, p, (size_t)(stop - p), &hosts, &ports);
	}
	if (rc == 0) {
		u->hosts = conf_str(
			u->conf, buf_len(&hosts) ? (char *)buf_data(&hosts) : "", buf_len(&hosts));
		u->ports = conf_str(u->conf, (char *)buf_data(&ports), buf_len(&ports));
	}
	buf_fini(&hosts);
	buf_fini(&ports);
	return rc;
}

/* libpq's names for our options of another name or form. */
static const struct rename {
	const char *libpq, *ours;
} renames[] = {
	{ "keepalives", "tcp_keepalive" },
	{ "keepalives_idle", "tcp_keepidle" },
	{ "keepalives_interval", "tcp_keepintvl" },
	{ "keepalives_count", "tcp_keepcnt" },
};

/* libpq's names that change nothing here, and those that we cannot honour; a * takes any value. */
static const struct special {
	const char *name, *harmless; /* values that need nothing done, comma separated */
	bool refuse;                 /* other values are mistakes; else warned about */
} specials[] = {
	{ "gssencmode", "disable,prefer", true },
	{ "channel_binding", "disable,prefer", true },
	{ "krbsrvname", "*", false },
	{ "gsslib", "*", false },
	{ "gssdelegation", "0", true },
	{ "sslcompression", "*", false },
	{ "sslsni", "1", false },
	{ "sslcertmode", "allow,disable", true },
	{ "require_auth", "", true },
	{ "ssl_max_protocol_version", "", true },
	{ "sslpassword", "", true },
	{ "sslcrl", "", true },
	{ "sslcrldir", "", true },
	{ "passfile", "", true },
	{ "service", "", true },
	{ "replication", "false,off,no,0", true },
	{ "requirepeer", "", true },
	{ "hostaddr", "", true },
	{ "min_protocol_version", "3.0,latest", true },
	{ "max_protocol_version", "*", false },
};

/* MySQL's: ssl-mode=VERIFY_IDENTITY, and what other clients call the same. */
static bool put_mysql(struct url *u, const char *name, const char *value)
{
	static const char *const modes[][2] = { { "DISABLED", "disable" },
		{ "PREFERRED", "prefer" }, { "REQUIRED", "require" }, { "VERIFY_CA", "verify-ca" },
		{ "VERIFY_IDENTITY", "verify-full" } };
	static const char *const files[][2] = { { "ssl-ca", "server_tls_ca_file" },
		{ "ssl-cert", "server_tls_cert_file" }, { "ssl-key", "server_tls_key_file" } };
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(name, files[i][0]) == 0) {
			put_pair(u, files[i][1], value);
			return true;
		}
	if (strcmp(name, "socket") == 0) {
		u->hosts = value;
		return true;
	}
	if (strcmp(name, "ssl-mode") != 0)
		return false;
	for (unsigned i = 0; i < 5; i++)
		if (strcasecmp(value, modes[i][0]) == 0) {
			put_pair(u, "sslmode", modes[i][1]);
			return true;
		}
	MISTAKE(u, "ssl-mode must be DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
	return true;
}

static bool put_special(struct url *u, const char *name, const char *value)
{
	for (unsigned i = 0; i < N(specials); i++) {
		const struct special *s = &specials[i];
		if (strcmp(name, s->name) != 0)
			continue;
		if (value[0] == '\0' || s->harmless[0] == '*' || conf_list_has(s->harmless, value))
			return true;
		if (s->refuse)
			MISTAKE(u, "the parameter %s is not supported%s%s", name,
				s->harmless[0] ? " but for " : "", s->harmless);
		else
			WARN(u,
				"the parameter %s has no effect: weirpool does not honour this "
				"value",
				name);
		return true;
	}
	return false;
}

/* Parameters whose value means something else with us. */
static bool put_translated(struct url *u, const char *name, const char *value)
{
	if (strcmp(name, "sslrootcert") == 0 && strcmp(value, "system") == 0) {
		put_pair(u, "server_tls_ca_file", "");
		if (!u->has_sslmode)
			put_pair(u, "sslmode", "verify-full");
		return true;
	}
	/* JDBC's, also known to libpq */
	if (strcmp(name, "ssl") == 0 && strcmp(value, "true") == 0) {
		put_pair(u, "sslmode", "require");
		return true;
	}
	if (strcmp(name, "load_balance_hosts") == 0 && strcmp(value, "random") == 0) {
		put_pair(u, name, "round-robin");
		return true;
	}
	if (strcmp(name, "ssl_min_protocol_version") == 0) {
		bool v13 = strcasecmp(value, "TLSv1.3") == 0,
		     v12 = strcasecmp(value, "TLSv1.2") == 0;
		put_pair(u, "server_tls_protocols", v13 ? "tlsv1.3" : v12 ? "secure" : "all");
		return true;
	}
	if (strcmp(name, "target_session_attrs") == 0) {
		if (!strchr(u->hosts, ',') && strcmp(value, "any") != 0)
			WARN(u, "the parameter target_session_attrs has no effect with one host");
		bool rw = strcmp(value, "read-write") == 0 || strcmp(value, "primary") == 0;
		put_pair(u, "endpoint", strcmp(value, "any") == 0 ? "auto" : rw ? "rw" : "ro");
		return true;
	}
	if (strcmp(name, "fallback_application_name") == 0) {
		u->fallback_app = value;
		return true;
	}
	return false;
}

/* The parameters that stand for parts of the URL itself win over them, as in libpq. */
static bool put_part(struct url *u, const char *name, const char *value)
{
	static const char *const names[] = { "user", "password", "dbname", "host", "port" };
	const char **const parts[] = { &u->user, &u->password, &u->dbname, &u->hosts, &u->ports };
	for (unsigned i = 0; i < 5; i++) {
		if (strcmp(name, names[i]) == 0) {
			*parts[i] = value;
			return true;
		}
	}
	return false;
}

/* What the misspelt parameter may have been meant to be, or NULL. An option of a database before
 * one for all. */
static const char *nearest(const struct url *u, const char *name)
{
	static const char *const libpq[] = { "target_session_attrs", "fallback_application_name",
		"ssl_min_protocol_version" };
	static const char *const mysql[] = { "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key",
		"socket" };
	static const char *const parts[] = { "user", "password", "dbname", "host", "port" };
	const char *best = opt_nearest(name, OPT_DB);
	for (unsigned i = 0; i < N(parts); i++)
		best = opt_nearer(name, best, parts[i]);
	for (unsigned i = 0; !u->scheme->libpq && i < N(mysql); i++)
		best = opt_nearer(name, best, mysql[i]);
	for (unsigned i = 0; u->scheme->libpq && i < N(libpq); i++)
		best = opt_nearer(name, best, libpq[i]);
	for (unsigned i = 0; u->scheme->libpq && i < N(specials); i++)
		best = opt_nearer(name, best, specials[i].name);
	for (unsigned i = 0; i < N(renames); i++)
		best = opt_nearer(name, best, renames[i].libpq);
	return best ? best : opt_nearest(name, OPT_GLOBAL);
}

static void put_param(struct url *u, const char *name, const char *value)
{
	for (unsigned i = 0; i < N(renames); i++)
		if (strcmp(name, renames[i].libpq) == 0)
			name = renames[i].ours;
	u->has_sslmode |= strcmp(name, "sslmode") == 0;
	u->has_app |= strcmp(name, "application_name") == 0;
	u->has_balance |= strcmp(name, "load_balance_hosts") == 0;
	if (put_part(u, name, value))
		return;
	if (u->scheme->libpq ? put_translated(u, name, value) || put_special(u, name, value)
			     : put_mysql(u, name, value))
		return;
	if (opt_find(name, OPT_DB)) {
		put_pair(u, name, value);
	} else if (opt_find(name, OPT_GLOBAL)) {
		put_global(u, name, value);
	} else {
		const char *near = nearest(u, name);
		MISTAKE(u, "unknown parameter \"%.40s\"%s%s%s", name,
			near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

static void read_params(struct url *u, const char *p)
{
	while (*p) {
		size_t n = strcspn(p, "&"), name_n = strcspn(p, "=&");
		if (p[name_n] != '=') {
			MISTAKE(u,
				"what follows the ? must be name=value pairs with & between them");
		} else {
			const char *name = decode(u, p, name_n, "parameter");
			const char *value = decode(u, p + name_n + 1, n - name_n - 1, "parameter");
			if (name && value)
				put_param(u, name, value);
		}
		p += n;
		if (*p == '&')
			p++;
	}
}

/* The parts before the parameters. Returns where these begin, or NULL. */
static const char *read_parts(struct url *u, const char *p)
{
	const char *end = p + strcspn(p, "/?"), *at = NULL;
	for (const char *q = p; q < end; q++)
		if (*q == '@') /* the last one: an @ within a password is a common slip */
			at = q;
	if (at && read_userinfo(u, p, (size_t)(at - p)) != 0)
		return NULL;
	if (read_hosts(u, at ? at + 1 : p, end) != 0)
		return NULL;
	if (*end == '/') {
		p = end + 1;
		end = p + strcspn(p, "?");
		if (memchr(p, '/', (size_t)(end - p)) || memchr(p, '@', (size_t)(end - p))) {
			MISTAKE(u, "the name of the database has a / or @ in it" ESCAPE_HINT);
			return NULL;
		}
		u->dbname = decode(u, p, (size_t)(end - p), "name of the database");
		if (u->dbname == NULL)
			return NULL;
	}
	return *end == '?' ? end + 1 : end;
}

/* libpq of Debian looks in the first, PostgreSQL as built by itself in the second. */
static const char *default_socket_dir(void)
{
	struct stat st;
	return stat("/var/run/postgresql", &st) == 0 && S_ISDIR(st.st_mode) ? "/var/run/postgresql"
									    : "/tmp";
}

/* Several hosts are the servers of one cluster. */
static void put_cluster(struct url *u)
{
	struct conf *c = u->conf;
	struct url k = { .conf = c };
	char name[32];
	snprintf(name, sizeof(name), u->number ? CLUSTER_NAME "%u" : CLUSTER_NAME, u->number + 1);
	buf_init(&k.pairs, 4 * URL_MAX_BYTES);
	put_pair(&k, "host", u->hosts);
	put_pair(&k, "port", u->ports[0] ? u->ports : u->scheme->port);
	put_pair(&k, "protocol", u->scheme->libpq ? "postgresql" : "mysql");
	put_pair(&k, "probe_user", u->user);
	put_pair(&k, "probe_password", u->password);
	if (u->scheme->libpq && u->dbname[0])
		put_pair(&k, "probe_dbname", u->dbname);
	const char *pairs =
		k.pairs.failed ? "" : conf_str(c, (char *)buf_data(&k.pairs), buf_len(&k.pairs));
	buf_wipe(&k.pairs);
	conf_item_add(c, CONF_SEC_CLUSTERS, conf_str(c, name, strlen(name)), pairs,
		(struct conf_src){ .file = u->where });
	put_pair(u, "cluster", name);
}

/* What it is called here. */
static const char *url_name(const struct url *u)
{
	return u->dbname[0] ? u->dbname : u->user[0] ? u->user : "*";
}

static bool has_secret(const struct url *u)
{
	return u->user[0] && u->password[0];
}

/* The one database. */
static void put_database(struct url *u)
{
	struct conf *c = u->conf;
	const char *name = url_name(u);
	if (strchr(u->hosts, ',')) {
		put_cluster(u);
	} else {
		if (u->hosts[0] || u->scheme->libpq)
			put_pair(u, "host", u->hosts[0] ? u->hosts : default_socket_dir());
		put_pair(u, "port", u->ports[0] ? u->ports : u->scheme->port);
	}
	if (u->user[0])
		put_pair(u, "user", u->user);
	if (has_secret(u))
		put_pair(u, "password", u->password);
	if (strcmp(name, "*") != 0)
		put_pair(u, "dbname", name);
	if (!u->has_balance && !strchr(u->hosts, ',')) /* libpq's default */
		put_pair(u, "load_balance_hosts", "disable");
	if (!u->has_app && u->fallback_app)
		put_pair(u, "application_name", u->fallback_app);
	if (u->pairs.failed)
		MISTAKE(u, "it is too long");
	const char *pairs = conf_str(c, (char *)buf_data(&u->pairs), buf_len(&u->pairs));
	conf_item_add(c, u->scheme->section, name, pairs, (struct conf_src){ .file = u->where });
}

/* Who may use it: the same for all of them. */
static void put_access(struct url *list, unsigned n)
{
	struct conf *c = list[0].conf;
	struct buf admins;
	bool secret = has_secret(&list[0]), libpq = false;
	put_global_default(&list[0], "auth_type", secret ? "scram-sha-256" : "trust");
	put_global_default(&list[0], "http_port", "9127"); /* only tried: server/http_ports.c */
	if (!secret)
		WARN(&list[0],
			"there is no password: everybody on this machine can use the database "
			"through weirpool");
	buf_init(&admins, 0);
	for (unsigned i = 0; i < n; i++) {
		libpq |= list[i].scheme->libpq;
		if (i == 0 || strcmp(list[i].user, list[i - 1].user) != 0)
			buf_printf(&admins, "%s%s", i ? "," : "", list[i].user);
	}
	if (secret) {
		put_global_default(&list[0], "admin_users",
			conf_str(c, (char *)buf_data(&admins), buf_len(&admins)));
		c->url_user = list[0].user;
		c->url_password = list[0].password;
	}
	buf_fini(&admins);
	if (!libpq) { /* the only clients are MySQL's */
		put_global_default(&list[0], "mysql_listen_addr", "127.0.0.1");
		put_global_default(&list[0], "listen_addr", "");
		put_global_default(&list[0], "unix_socket_dir", "");
	}
}

/* What one of several URLs must not say beside those before it. */
static void check_beside(struct url *list, unsigned i)
{
	struct url *u = &list[i];
	for (unsigned k = 0; k < i; k++) {
		if (strcmp(url_name(u), url_name(&list[k])) == 0)
			MISTAKE(u,
				"database \"%.60s\" is that of %s too; several servers of one "
				"database are hosts of one URL: //user:secret@host1,host2/db",
				url_name(u), list[k].where);
		else if (has_secret(u) != has_secret(&list[k]))
			MISTAKE(u,
				"either all URLs must have a user and a password, or none; see %s",
				list[k].where);
		else if (strcmp(u->user, list[k].user) == 0 &&
			 strcmp(u->password, list[k].password) != 0)
			MISTAKE(u, "its user is that of %s too, but with another password",
				list[k].where);
		else
			continue;
		return;
	}
}

static void read_url(struct url *u, const char *text)
{
	unsigned before = u->m->errors_n;
	const char *p = behind_scheme(text, &u->scheme);
	if (p == NULL)
		MISTAKE(u, "a URL begins with postgres://, postgresql://, mysql:// or mariadb://, "
			   "without the name of a driver");
	else if (strlen(text) > URL_MAX_BYTES)
		MISTAKE(u, "the URL is longer than %d bytes", URL_MAX_BYTES);
	else
		p = read_parts(u, p);
	if (p && u->m->errors_n == before)
		read_params(u, p);
}

void conf_read_urls(struct conf *conf, const struct conf_places *p, struct conf_msgs *m)
{
	unsigned before = m->errors_n;
	struct url *list = mem_xalloc(MEM_CONF, p->urls_n * sizeof(*list));
	for (unsigned i = 0; i < p->urls_n; i++) {
		const struct conf_place *pl = &p->urls[i];
		struct url *u = &list[i];
		char why[WHY_MAX];
		const char *text = pl->is_file ? conf_value_file(conf, pl->text, why, sizeof(why))
					       : pl->text;
		*u = (struct url){ .conf = conf,
			.m = m,
			.user = "",
			.password = "",
			.dbname = "",
			.hosts = "",
			.ports = "",
			.where = conf_str(conf, pl->from, strlen(pl->from)),
			.number = i };
		buf_init(&u->pairs, 4 * URL_MAX_BYTES);
		if (text)
			read_url(u, text);
		else
			MISTAKE(u, "%s", why);
		if (m->errors_n == before)
			check_beside(list, i);
		if (m->errors_n == before)
			put_database(u);
	}
	if (m->errors_n == before)
		put_access(list, p->urls_n);
	for (unsigned i = 0; i < p->urls_n; i++)
		buf_wipe(&list[i].pairs);
	mem_free(MEM_CONF, list);
}

int conf_url_load(const char *url, struct conf **conf_r, struct conf_msgs *m)
{
	struct conf_place one = { .from = "URL", .text = url };
	const struct conf_places p = { .urls = &one, .urls_n = 1 };
	unsigned before = m->errors_n;
	struct conf *conf = conf_new("");
	conf_read_urls(conf, &p, m);
	if (m->errors_n != before || conf_build(conf, m) != 0) {
		conf_free(&conf);
		return -1;
	}
	*conf_r = conf;
	return 0;
}

static void put_encoded(struct buf *out, const char *s)
{
	for (; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9');
		if (plain || strchr("-._~", *s))
			buf_append(out, s, 1);
		else
			buf_printf(out, "%%%02X", (unsigned char)*s);
	}
}

void conf_url_paste(const struct conf *conf, bool with_secret, struct buf *out)
{
	const struct conf_db *db = &conf->dbs[0];
	struct conf_listen ls[CONF_LISTENS_MAX], l = { 0 };
	char host[256] = "";
	for (unsigned i = conf_listens(conf, ls); i-- > 0;)
		if (ls[i].kind == db->kind)
			l = ls[i];
	const char *at = l.addr;
	buf_puts(out, conf_kind_is_other(db->kind) ? "mysql://" : "postgres://");
	if (db->force_user[0]) {
		put_encoded(out, db->force_user);
		if (db->password[0])
			buf_puts(out, ":");
		if (db->password[0] && with_secret)
			put_encoded(out, db->password);
		else if (db->password[0])
			buf_puts(out, "****");
		buf_puts(out, "@");
	}
	if (!conf_list_next(&at, host, sizeof(host)))
		put_encoded(out, l.unix_path);
	else if (strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		buf_puts(out, "127.0.0.1");
	else if (strchr(host, ':'))
		buf_printf(out, "[%s]", host);
	else
		put_encoded(out, host);
	buf_printf(out, ":%d/", l.port);
	if (!db->is_auto)
		put_encoded(out, db->name);
}
