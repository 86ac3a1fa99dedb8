/* check - what is wrong with values that are right alone: combinations, and lists whose words are
 * known. Ignorant of the file system. Control thread. */
#include "conf_int.h"

#include "base/cidr.h"
#include "conf/otlp.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

struct conf_src conf_src_of(const struct conf *conf, const char *name)
{
	const struct opt *o = opt_find(name, OPT_GLOBAL);
	const struct conf_item *it = o ? conf->set[o - opt_table] : NULL;
	return it ? it->src : (struct conf_src){ 0 };
}

/* A message at the place of the global option name. */
#define TELL(c, level, name, ...) \
	do { \
		struct conf_src at_ = conf_src_of((c)->conf, name); \
		CHECK_TELL(c, level, at_, __VA_ARGS__); \
	} while (0)

static const char *port_option(const struct conf_listen *l)
{
	static const char *const names[2][3] = {
		{ "listen_port", "listen_port_rw", "listen_port_ro" },
		{ "mysql_listen_port", "mysql_listen_port_rw", "mysql_listen_port_ro" },
	};
	return names[conf_kind_is_other(l->kind)][l->endpoint];
}

static void check_ports(struct conf_check *c, const struct conf_listen *ls, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (*ls[i].addr && ls[i].port == c->conf->global.http_port)
			TELL(c, CONF_ERROR, "http_port", "http_port and %s are both %d",
				port_option(&ls[i]), ls[i].port);
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			if (*ls[i].addr && *ls[j].addr && ls[i].port == ls[j].port)
				TELL(c, CONF_ERROR, port_option(&ls[i]), "%s and %s are both %d",
					port_option(&ls[i]), port_option(&ls[j]), ls[i].port);
}

static void check_listen(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	char sock[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	const char *dir = g->unix_socket_dir;
	if (strpbrk(g->listen_addr, ";#"))
		TELL(c, CONF_ERROR, "listen_addr",
			"listen_addr must be a list of addresses with commas, but is "
			"\"%.60s\" (a comment must be a line of its own)",
			g->listen_addr);
	struct conf_listen ls[CONF_LISTENS_MAX];
	unsigned n = conf_listens(c->conf, ls), open = 0;
	for (unsigned i = 0; i < n; i++)
		open += *ls[i].addr || *ls[i].unix_path;
	check_ports(c, ls, n);
	if (!open)
		TELL(c, CONF_WARNING, "listen_addr",
			"listen_addr and unix_socket_dir are both empty: clients can only "
			"come in by sockets that systemd passes");
	if (dir[0] && dir[0] != '/' && dir[0] != '@')
		TELL(c, CONF_ERROR, "unix_socket_dir",
			"unix_socket_dir must start with / (a directory) or @ (abstract), but "
			"is \"%.60s\"",
			dir);
	if ((size_t)snprintf(sock, sizeof(sock), "%s/.s.PGSQL.%d", dir, g->listen_port) >=
		sizeof(sock) - 1)
		TELL(c, CONF_ERROR, "unix_socket_dir",
			"unix_socket_dir is too long: the path of a socket has at most "
			"%zu bytes",
			sizeof(sock) - 2);
}

/* Does everybody who can connect run on this machine? */
static bool is_loopback(const char *addr)
{
	return strncmp(addr, "127.", 4) == 0 || strcmp(addr, "::1") == 0 ||
	       strcasecmp(addr, "localhost") == 0;
}

bool conf_is_local(const struct conf *conf)
{
	struct conf_listen ls[CONF_LISTENS_MAX];
	char addr[256];
	for (unsigned i = conf_listens(conf, ls); i-- > 0;)
		for (const char *at = ls[i].addr; conf_list_next(&at, addr, sizeof(addr));)
			if (!is_loopback(addr))
				return false;
	return true;
}

bool conf_is_set(const struct conf *conf, const char *option)
{
	return conf_src_of(conf, option).file != NULL;
}

static void check_shutdown(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	if (g->shutdown_timeout_us && g->drain_delay_us >= g->shutdown_timeout_us)
		TELL(c, CONF_WARNING, "drain_delay",
			"drain_delay leaves nothing of shutdown_timeout, which begins with it");
}

static void check_http_tls(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	if (!*g->http_tls_cert_file != !*g->http_tls_key_file)
		TELL(c, CONF_ERROR,
			*g->http_tls_cert_file ? "http_tls_cert_file" : "http_tls_key_file",
			"http_tls_cert_file and http_tls_key_file need each other; %s is not set",
			*g->http_tls_cert_file ? "http_tls_key_file" : "http_tls_cert_file");
	if (*g->http_tls_ca_file && !*g->http_tls_cert_file)
		TELL(c, CONF_ERROR, "http_tls_ca_file",
			"http_tls_ca_file needs http_tls_cert_file: only TLS asks for them");
}

static void check_http(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	const char *at = g->http_listen_addr;
	char addr[256];
	size_t token_n = strlen(g->http_token);
	bool away = false;
	check_http_tls(c);
	if (token_n && (token_n < 16 || strpbrk(g->http_token, " \t")))
		TELL(c, CONF_ERROR, "http_token",
			"http_token needs at least 16 characters and no blanks (openssl rand "
			"-hex 24 makes one)");
	while (g->http_port && conf_list_next(&at, addr, sizeof(addr)))
		away = away || !is_loopback(addr);
	if (!away)
		return;
	if (!token_n && !*g->http_tls_ca_file)
		TELL(c, CONF_ERROR, "http_listen_addr",
			"http_listen_addr=%.60s lets other machines in: set http_token or "
			"http_tls_ca_file, or use 127.0.0.1",
			g->http_listen_addr);
	if (g->http_commands)
		TELL(c, CONF_ERROR, "http_commands",
			"http_commands=1 is for http_listen_addr=127.0.0.1 only");
	if (token_n && !*g->http_tls_cert_file)
		TELL(c, CONF_WARNING, "http_token",
			"http_token goes over the network as plain text: set http_tls_cert_file");
}

/* what: the beginning of the options' names. */
static void check_https(struct conf_check *c, const struct conf_https *h, const char *what)
{
	char set[64];
	if (!*h->cert_file == !*h->key_file)
		return;
	snprintf(set, sizeof set, "%s_%s_file", what, *h->cert_file ? "cert" : "key");
	TELL(c, CONF_ERROR, set,
		"%s_cert_file and %s_key_file need each other; %s_%s_file is not set", what, what,
		what, *h->cert_file ? "key" : "cert");
}

static void check_otlp_tls(struct conf_check *c, bool https)
{
	static const char *const names[] = { "otlp_tls_ca_file", "otlp_tls_cert_file",
		"otlp_tls_sslmode" };
	for (unsigned i = 0; !https && i < sizeof names / sizeof *names; i++)
		if (conf_is_set(c->conf, names[i]))
			TELL(c, CONF_WARNING, names[i],
				"%s has no effect: otlp_endpoint does not begin with https://",
				names[i]);
}

static void check_otlp(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	struct http_url url;
	char why[200];
	if (*g->otlp_endpoint && otlp_url_parse(g->otlp_endpoint, &url, why, sizeof why) != 0)
		TELL(c, CONF_ERROR, "otlp_endpoint", "otlp_endpoint %s", why);
	else
		check_otlp_tls(c, !*g->otlp_endpoint || url.tls);
	check_https(c, &g->otlp_tls, "otlp_tls");
	check_https(c, &g->patroni_tls, "patroni_tls");
	const char *at = g->otlp_headers;
	struct otlp_header h;
	unsigned n = 1;
	for (; otlp_header_next(&at, &h); n++)
		;
	if (!at) /* what it is, is a secret */
		TELL(c, CONF_ERROR, "otlp_headers",
			"otlp_headers must be name=value,name=value, and number %u of them is not",
			n);
}

static void check_networks(struct conf_check *c)
{
	const char *at = c->conf->global.proxy_protocol_networks;
	char text[256];
	struct cidr net;
	while (conf_list_next(&at, text, sizeof(text)))
		if (cidr_parse(text, &net) != 0)
			TELL(c, CONF_ERROR, "proxy_protocol_networks",
				"proxy_protocol_networks: \"%s\" is no address or network such as "
				"10.0.0.0/8",
				text);
}

static bool word_is(const char *p, size_t n, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == n && strncasecmp(*words, p, n) == 0)
			return true;
	return false;
}

static void check_protocols(
	struct conf_check *c, const char *name, const char *text, const struct conf_src *src)
{
	static const char *const words[] = { "secure", "all", "legacy", "default", "tlsv1",
		"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3", NULL };
	for (const char *p = text; *p;) {
		p += strspn(p, ",: \t");
		size_t n = strcspn(p, ",: \t"), skip = *p == '!' ? 1 : 0;
		if (n > 0 && !word_is(p + skip, n - skip, words))
			conf_msgs_add(c->m, CONF_ERROR, src->file ? src->file : c->conf->path,
				src->line,
				"%s knows secure, all, legacy, tlsv1.0, tlsv1.1, tlsv1.2 and "
				"tlsv1.3, but not \"%.*s\"",
				name, n > 40 ? 40 : (int)n, p);
		p += n;
	}
}

static void check_tls(struct conf_check *c)
{
	const struct conf_tls *t = &c->conf->global.client_tls;
	static const char *const dhe[] = { "auto", "none", "legacy", NULL };
	struct conf_src src = conf_src_of(c->conf, "client_tls_protocols");
	if (t->mode != CONF_TLS_DISABLE && (!t->cert_file[0] || !t->key_file[0]))
		TELL(c, CONF_ERROR, "client_tls_sslmode",
			"client_tls_sslmode needs client_tls_cert_file and "
			"client_tls_key_file; %s is not set",
			t->cert_file[0] ? "client_tls_key_file" : "client_tls_cert_file");
	if (t->mode >= CONF_TLS_VERIFY_CA && !t->ca_file[0])
		TELL(c, CONF_ERROR, "client_tls_sslmode",
			"client_tls_sslmode=verify-... needs client_tls_ca_file");
	check_protocols(c, "client_tls_protocols", t->protocols, &src);
	if (!word_is(t->dheparams, strlen(t->dheparams), dhe))
		TELL(c, CONF_ERROR, "client_tls_dheparams",
			"client_tls_dheparams must be auto, none or legacy, but is "
			"\"%.40s\"",
			t->dheparams);
}

/* The server side of one level: the global one (db NULL) or a database's. */
static void check_server_tls(struct conf_check *c, const struct conf_db *db)
{
	struct settings s;
	conf_effective(c->conf, db, NULL, &s);
	const struct conf_tls *t = &s.server_tls;
	struct conf_src src = db ? db->src : conf_src_of(c->conf, "server_tls_sslmode");
	const char *file = src.file ? src.file : c->conf->path;
	if (!t->cert_file[0] != !t->key_file[0])
		conf_msgs_add(c->m, CONF_ERROR, file, src.line,
			"server_tls_cert_file and server_tls_key_file need each "
			"other; %s is not set",
			t->cert_file[0] ? "server_tls_key_file" : "server_tls_cert_file");
	if (t->start == CONF_TLS_START_DIRECT && t->mode < CONF_TLS_REQUIRE)
		conf_msgs_add(c->m, CONF_ERROR, file, src.line,
			"server_tls_sslnegotiation=direct needs "
			"server_tls_sslmode=require, verify-ca or verify-full");
	if (!db)
		src = conf_src_of(c->conf, "server_tls_protocols");
	check_protocols(c, "server_tls_protocols", t->protocols, &src);
}

static void check_auth(struct conf_check *c)
{
	const struct conf_global *g = &c->conf->global;
	bool secrets = g->auth_file[0] || c->conf->settings.auth_user[0] || c->conf->url_user[0];
	for (unsigned i = 0; i < c->conf->dbs_n && !secrets; i++) {
		struct settings s;
		conf_effective(c->conf, &c->conf->dbs[i], NULL, &s);
		secrets = s.auth_user[0] != '\0';
	}
	switch (g->auth_type) {
	case CONF_AUTH_PLAIN:
	case CONF_AUTH_MD5:
	case CONF_AUTH_SCRAM:
		if (!secrets)
			TELL(c, CONF_WARNING, "auth_type",
				"nobody can log in: auth_type=%s needs auth_file, or "
				"auth_user with auth_query",
				g->auth_type == CONF_AUTH_PLAIN ? "plain"
				: g->auth_type == CONF_AUTH_MD5 ? "md5"
								: "scram-sha-256");
		break;
	case CONF_AUTH_HBA:
		if (!g->auth_hba_file[0])
			TELL(c, CONF_ERROR, "auth_type", "auth_type=hba needs auth_hba_file");
		break;
	case CONF_AUTH_CERT:
		if (g->client_tls.mode != CONF_TLS_VERIFY_FULL)
			TELL(c, CONF_ERROR, "auth_type",
				"auth_type=cert needs client_tls_sslmode=verify-full");
		break;
	case CONF_AUTH_LDAP:
		if (!g->auth_ldap_options[0])
			TELL(c, CONF_ERROR, "auth_type", "auth_type=ldap needs auth_ldap_options");
		break;
	case CONF_AUTH_ANY:
		for (unsigned i = 0; i < c->conf->dbs_n; i++)
			if (!c->conf->dbs[i].force_user[0])
				conf_msgs_add(c->m, CONF_WARNING, c->conf->dbs[i].src.file,
					c->conf->dbs[i].src.line,
					"auth_type=any: nobody can use database \"%.60s\", "
					"because it has no user=",
					c->conf->dbs[i].name);
		break;
	case CONF_AUTH_TRUST:
	case CONF_AUTH_PAM: break;
	}
}

static void check_log(struct conf_check *c)
{
	static const char *const words[] = { "auth", "authpriv", "daemon", "user", "local0",
		"local1", "local2", "local3", "local4", "local5", "local6", "local7", NULL };
	const char *f = c->conf->global.syslog_facility;
	if (!word_is(f, strlen(f), words))
		TELL(c, CONF_ERROR, "syslog_facility",
			"syslog_facility must be auth, authpriv, daemon, user or local0 "
			"to local7, but is \"%.40s\"",
			f);
}

static bool is_own_address(const struct conf_host *h)
{
	return strcmp(h->host, "127.0.0.1") == 0 || strcmp(h->host, "::1") == 0 ||
	       strcasecmp(h->host, "localhost") == 0;
}

/* Without the trackers of MySQL and MariaDB nothing would be known of a session's state, its
 * transaction and its schema included. Where it is set for all, it is PostgreSQL's. */
static void check_tracking(
	struct conf_check *c, const struct conf_db *db, const struct settings *s, const char *name)
{
	if (strcmp(name, "server_state_tracking") == 0 && conf_kind_is_other(db->kind) &&
		s->server_state_tracking == CONF_TRACKING_OFF)
		conf_msgs_add(c->m, CONF_ERROR, db->src.file, db->src.line,
			"database \"%.60s\": server_state_tracking=off is for PostgreSQL: the "
			"trackers of MySQL and MariaDB are always on",
			db->name);
}

/* In session mode nothing is known of a session, so neither what it listens to. */
static void check_relisten(struct conf_check *c, const struct conf_db *db, const struct settings *s)
{
	if (!s->relisten || s->pool_mode != CONF_POOL_SESSION)
		return;
	if (db == NULL) {
		TELL(c, CONF_WARNING, "relisten", "relisten has no effect with pool_mode=session");
		return;
	}
	for (unsigned i = 0; i < db->over_n; i++)
		if (strcmp(db->over[i].opt->name, "relisten") == 0)
			conf_msgs_add(c->m, CONF_WARNING, db->src.file, db->src.line,
				"database \"%.60s\": relisten has no effect with "
				"pool_mode=session",
				db->name);
}

static void check_db(struct conf_check *c, const struct conf_db *db)
{
	const struct conf_global *g = &c->conf->global;
	struct settings s;
	conf_effective(c->conf, db, NULL, &s);
	for (unsigned i = 0; i < db->hosts_n; i++) {
		const struct conf_host *h = &db->hosts[i];
		if (h->port != g->listen_port || conf_kind_is_other(db->kind))
			continue;
		if ((h->kind == CONF_HOST_UNIX && strcmp(h->host, g->unix_socket_dir) == 0) ||
			(h->kind == CONF_HOST_TCP && g->listen_addr[0] && is_own_address(h)))
			conf_msgs_add(c->m, CONF_WARNING, db->src.file, db->src.line,
				"database \"%.60s\" leads to weirpool's own port %d; it should "
				"lead to the server",
				db->name, g->listen_port);
	}
	if (s.min_pool_size > s.pool_size)
		conf_msgs_add(c->m, CONF_WARNING, db->src.file, db->src.line,
			"database \"%.60s\": min_pool_size is %d, but pool_size only %d", db->name,
			s.min_pool_size, s.pool_size);
	if (s.server_proxy_protocol == CONF_PROXY_CLIENT && s.pool_mode != CONF_POOL_SESSION)
		conf_msgs_add(c->m, CONF_WARNING, db->src.file, db->src.line,
			"database \"%.60s\": server_proxy_protocol=client without "
			"pool_mode=session names nobody: its server connections are many clients'",
			db->name);
	check_relisten(c, db, &s);
	for (unsigned i = 0; i < db->over_n; i++)
		check_tracking(c, db, &s, db->over[i].opt->name);
	for (unsigned i = 0; i < db->over_n; i++) {
		if (strncmp(db->over[i].opt->name, "server_tls", 10) == 0) {
			check_server_tls(c, db);
			break;
		}
	}
}

static void check_peers(struct conf_check *c)
{
	if (c->conf->peers_n > 0 && c->conf->global.peer_id == 0)
		conf_msgs_add(c->m, CONF_WARNING, c->conf->peers[0].src.file,
			c->conf->peers[0].src.line,
			"[peers] without peer_id has no effect: give each weirpool its own "
			"peer_id");
}

void conf_check(const struct conf *conf, struct conf_msgs *m)
{
	struct conf_check c = { .conf = conf, .m = m };
	check_listen(&c);
	check_http(&c);
	check_otlp(&c);
	check_shutdown(&c);
	check_networks(&c);
	check_tls(&c);
	check_server_tls(&c, NULL);
	check_auth(&c);
	check_log(&c);
	check_peers(&c);
	conf_check_texts(conf, m);
	conf_check_rules(conf, m);
	if (conf->settings.min_pool_size > conf->settings.pool_size)
		TELL(&c, CONF_WARNING, "min_pool_size",
			"min_pool_size is %d, but default_pool_size only %d",
			conf->settings.min_pool_size, conf->settings.pool_size);
	check_relisten(&c, NULL, &conf->settings);
	for (unsigned i = 0; i < conf->dbs_n; i++)
		check_db(&c, &conf->dbs[i]);
	if (conf->dbs_n == 0 && m->errors_n == 0) /* else it may be what is wrong */
		conf_msgs_add(m, CONF_WARNING, conf->path, 0,
			"there is no database in section [databases] or [mysql_databases]: only "
			"the console works");
}
