/* generation - from a configuration to what the workers use: auth files read, TLS contexts made.
 * All or nothing. */
#include "server_int.h"

#include "auth/ldap_opts.h"
#include "base/clock.h"

#include <stdio.h>
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
	struct conf_src at = conf_src_of(c, "auth_file");
	struct err e = { 0 };
	if (*c->global.auth_file && users_load(c->global.auth_file, &g->users, &e) != 0 &&
		!conf_msgs_has_unread(m, "auth_file")) /* weirpool -t has looked before */
		conf_msgs_add(m, CONF_ERROR, at.file, at.line, "auth_file: %s", e.msg);
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

/* It is served all the same: perhaps nobody checks it. */
static void tell_ended(
	const struct tls_ctx *ctx, const char *option, const char *file, struct conf_msgs *m)
{
	char at[40];
	int64_t at_s;
	if (!ctx || !tls_ctx_expiry(ctx, &at_s) || at_s > clock_wall_us() / 1000000)
		return;
	conf_msgs_add(m, CONF_WARNING, NULL, 0,
		"%s: the certificate in %.200s has ended at %s: who checks it refuses the "
		"connection",
		option, file, clock_format_ms(at_s * 1000000, at, sizeof at));
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
	tell_ended(g->client_tls, "client_tls_cert_file", t->cert_file, m);
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
	tell_ended(g->http_tls, "http_tls_cert_file", c->http_tls_cert_file, m);
}

int server_https(const struct conf_https *h, struct tls_ctx **ctx_r, struct err *e)
{
	static const enum tls_verify verify[] = { [CONF_HTTPS_REQUIRE] = TLS_VERIFY_NONE,
		[CONF_HTTPS_VERIFY_CA] = TLS_VERIFY_CA,
		[CONF_HTTPS_VERIFY_FULL] = TLS_VERIFY_FULL };
	struct tls_params p = {
		.verify = verify[h->mode],
		.ca_file = h->ca_file,
		.cert_file = h->cert_file,
		.key_file = h->key_file,
	};
	return tls_ctx_new(&p, ctx_r, e);
}

static void make_https(
	const struct conf_https *h, const char *what, struct tls_ctx **ctx_r, struct conf_msgs *m)
{
	struct err e = { 0 };
	if (server_https(h, ctx_r, &e) != 0)
		conf_msgs_add(m, CONF_ERROR, NULL, 0, "%s: %s", what, e.msg);
}

/* Only if somebody needs it: the system's CA certificates are many. */
static void make_asking_tls(struct core_gen *g, struct conf_msgs *m)
{
	const struct conf *c = g->conf;
	bool patroni = false;
	for (unsigned i = 0; i < c->clusters_n; i++)
		patroni = patroni || strcasestr(c->clusters[i].patroni, "https://");
	if (strncasecmp(c->global.otlp_endpoint, "https://", 8) == 0)
		make_https(&c->global.otlp_tls, "otlp_tls", &g->otlp_tls, m);
	if (patroni)
		make_https(&c->global.patroni_tls, "patroni_tls", &g->patroni_tls, m);
	tell_ended(g->otlp_tls, "otlp_tls_cert_file", c->global.otlp_tls.cert_file, m);
	tell_ended(g->patroni_tls, "patroni_tls_cert_file", c->global.patroni_tls.cert_file, m);
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
	make_asking_tls(g, m);
	g->rules = core_rules_build(conf, m);
	if (check_kinds(conf, m))
		check_server_tls(conf, m);
	if (m->errors_n == before)
		return g;
	gen_unref(g);
	return NULL;
}

const char *server_sum_of(const struct core_gen *gen, char *out, size_t n)
{
	unsigned dbs = gen->conf->dbs_n;
	size_t users = users_n(gen->users);
	snprintf(out, n, "%u database%s, %zu user%s", dbs, dbs == 1 ? "" : "s", users,
		users == 1 ? "" : "s");
	return out;
}
