/* generation - from a configuration to what the workers use: auth files read, TLS contexts made.
 * All or nothing. */
#include "server_int.h"

#include "auth/ldap_opts.h"

#include <string.h>

static void add_problems(struct conf_msgs *m, struct problems *p)
{
	/* lines are "file:line: text" already */
	char line[1024];
	const char *at = problems_text(p);
	while (*at) {
		size_t n = strcspn(at, "\n"), k = n < sizeof line - 1 ? n : sizeof line - 1;
		memcpy(line, at, k);
		line[k] = 0;
		char *warning = strstr(line, ": warning: ");
		if (warning) /* the level says so */
			memmove(warning + 2, warning + 11, strlen(warning + 11) + 1);
		conf_msgs_add(m, warning ? CONF_WARNING : CONF_ERROR, NULL, 0, "%s", line);
		at += n + (at[n] == '\n');
	}
}

static void load_users(struct core_gen *g, struct conf_msgs *m)
{
	const struct conf *c = g->conf;
	struct err e = { 0 };
	if (*c->global.auth_file && users_load(c->global.auth_file, &g->users, &e) != 0)
		conf_msgs_add(m, CONF_ERROR, NULL, 0, "%s", e.msg);
	if (!*c->url_user || !*c->url_password)
		return;
	if (!g->users)
		g->users = users_new();
	for (unsigned i = 0; i < c->dbs_n; i++) { /* one for each URL */
		const struct conf_db *d = &c->dbs[i];
		if (users_add(g->users, d->force_user, strlen(d->force_user), d->password,
			    strlen(d->password), &e) != 0)
			conf_msgs_add(m, CONF_ERROR, NULL, 0, "%s", e.msg);
	}
}

static void load_hba(struct core_gen *g, struct conf_msgs *m)
{
	const struct conf_global *c = &g->conf->global;
	struct problems p;
	problems_init(&p);
	if (c->auth_type == CONF_AUTH_HBA || *c->auth_hba_file)
		(void)!hba_load(c->auth_hba_file, &g->hba, &p);
	if (*c->auth_ident_file)
		(void)!ident_load(c->auth_ident_file, &g->ident, &p);
	add_problems(m, &p);
	problems_fini(&p);
}

static void check_ldap(const struct conf *c, struct conf_msgs *m)
{
	struct conf_src at = conf_src_of(c, "auth_ldap_options");
	struct ldap_opts o;
	struct err e = { 0 };
	if (!*c->global.auth_ldap_options)
		return;
	if (ldap_opts_parse(c->global.auth_ldap_options, &o, &e) != 0)
		conf_msgs_add(m, CONF_ERROR, at.file, at.line, "auth_ldap_options: %s", e.msg);
	else
		ldap_opts_fini(&o);
}

static void make_tls(struct core_gen *g, struct conf_msgs *m)
{
	const struct conf_tls *t = &g->conf->global.client_tls;
	struct err e = { 0 };
	struct tls_params p = {
		.server = true,
		.verify = t->mode == CONF_TLS_VERIFY_FULL ? TLS_VERIFY_FULL
			  : t->mode == CONF_TLS_VERIFY_CA ? TLS_VERIFY_CA
							  : TLS_VERIFY_NONE,
		.request_cert = *t->ca_file != 0,
		.ca_file = t->ca_file,
		.cert_file = t->cert_file,
		.key_file = t->key_file,
		.protocols = t->protocols,
		.ciphers = t->ciphers,
		.tls13_ciphers = t->tls13_ciphers,
		.ecdhcurve = t->ecdhcurve,
		.dheparams = t->dheparams,
		.alpn = "postgresql",
	};
	if (t->mode != CONF_TLS_DISABLE && tls_ctx_new(&p, &g->client_tls, &e) != 0)
		conf_msgs_add(m, CONF_ERROR, NULL, 0, "client_tls: %s", e.msg);
}

static void make_http_tls(struct core_gen *g, struct conf_msgs *m)
{
	const struct conf_global *c = &g->conf->global;
	struct err e = { 0 };
	struct tls_params p = {
		.server = true,
		.request_cert = *c->http_tls_ca_file != 0,
		.ca_file = c->http_tls_ca_file,
		.cert_file = c->http_tls_cert_file,
		.key_file = c->http_tls_key_file,
	};
	if (*c->http_tls_cert_file && tls_ctx_new(&p, &g->http_tls, &e) != 0)
		conf_msgs_add(m, CONF_ERROR, NULL, 0, "http_tls: %s", e.msg);
}

static bool check_kinds(const struct conf *c, struct conf_msgs *m)
{
	for (unsigned i = 0; i < c->dbs_n; i++) {
		if (proto_by_name(c->dbs[i].kind->name))
			continue;
		conf_msgs_add(m, CONF_ERROR, c->dbs[i].src.file, c->dbs[i].src.line,
			"this weirpool does not speak the protocol of [%s]",
			c->dbs[i].kind->section);
		return false;
	}
	return true;
}

/* Towards servers the workers make their own contexts: here only to see that they can. After
 * check_kinds(): each database has a protocol. */
static void check_server_tls(const struct conf *c, struct conf_msgs *m)
{
	for (unsigned i = 0; i < c->dbs_n; i++) {
		const struct conf_db *d = &c->dbs[i];
		struct settings s;
		struct err e = { 0 };
		conf_effective(c, d, NULL, &s);
		tls_ctx_unref(core_server_tls(&s, proto_by_name(d->kind->name), &e));
		if (!err_is(&e))
			continue;
		conf_msgs_add(m, CONF_ERROR, d->src.file, d->src.line,
			"server_tls of database %s: %s", d->name, e.msg);
		return;
	}
}

struct core_gen *generation_build(struct conf *conf, struct conf_msgs *m)
{
	struct core_gen *g = mem_xalloc(MEM_CONF, sizeof *g);
	unsigned before = m->errors_n;
	atomic_store(&g->refs, 1);
	g->conf = conf;
	load_users(g, m);
	load_hba(g, m);
	check_ldap(conf, m);
	make_tls(g, m);
	make_http_tls(g, m);
	g->rules = core_rules_build(conf, m);
	if (check_kinds(conf, m))
		check_server_tls(conf, m);
	if (m->errors_n == before)
		return g;
	gen_unref(g);
	return NULL;
}
