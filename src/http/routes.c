/* routes - every path in one table, and who may ask for it. Ignorant of what an answer says.
 * Control thread.
 *
 * A request is trusted when it came through the unix socket, carries http_token, or comes with a
 * verified certificate. Where the configuration asks for no proof, a loopback address will do for
 * reading, and for commands only with http_commands. Web pages of others must not read or command
 * through a browser of the operator's: their requests tell where they come from (Origin,
 * Sec-Fetch-Site), and a name that was made to lead to us is not one of ours (Host). */
#include "http_int.h"

#include "base/audit.h"
#include "base/log.h"
#include "crypto/b64.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void drain(struct http_req *q);
static void quit(struct http_req *q);

/* clang-format off */
const struct http_route http_routes[] = {
	{ "/",             HTTP_GET,  false, status_page },
	{ "/livez",        HTTP_GET,  true,  health_live },
	{ "/readyz",       HTTP_GET,  true,  health_ready },
	{ "/startupz",     HTTP_GET,  true,  health_startup },
	{ "/metrics",      HTTP_GET,  false, metrics_page },
	{ "/status.json",  HTTP_GET,  false, status_json },
	{ "/config",       HTTP_GET,  false, console_config },
	{ "/show/*.json",  HTTP_GET,  false, console_show },
	{ "/*.json",       HTTP_GET,  false, console_show },
	{ "/drain",        HTTP_POST, false, drain },
	{ "/reload",       HTTP_POST, false, console_reload },
	{ "/quitquitquit", HTTP_POST, false, quit },
	{ NULL, 0, false, NULL },
};
/* clang-format on */

static void accepted(struct http_req *q, const char *what)
{
	struct buf b;
	buf_init(&b, 0);
	buf_printf(&b, "{\"accepted\":\"%s\"}\n", what);
	http_reply(q, 202, NULL, &b);
}

static void drain(struct http_req *q)
{
	const struct http_hooks h = q->http->hooks;
	char who[sizeof q->who];
	snprintf(who, sizeof who, "%s", q->who);
	accepted(q, "drain");
	h.drain(h.arg, who);
}

static void quit(struct http_req *q)
{
	const struct http_hooks h = q->http->hooks;
	char who[sizeof q->who];
	snprintf(who, sizeof who, "%s", q->who);
	accepted(q, "quit");
	h.quit(h.arg, who);
}

/* ---- who may ---- */

static void *ssl_of(const struct http_req *q)
{
	struct evhttp_connection *ec = evhttp_request_get_connection(q->ev);
	return bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(ec));
}

static bool is_token(const char *token, const char *s)
{
	return strlen(s) == strlen(token) && mem_equal_ct(s, token, strlen(token));
}

static bool has_token(const struct http_req *q)
{
	const char *token = http_conf(q->http)->http_token, *h = http_header(q, "Authorization");
	char pair[512] = "";
	size_t n = 0;
	if (!*token)
		return false;
	if (strncasecmp(h, "Bearer ", 7) == 0)
		return is_token(token, h + 7 + strspn(h + 7, " "));
	/* of a browser: anybody's name, and the token as the password */
	if (strncasecmp(h, "Basic ", 6) != 0 ||
		b64_decode(h + 6, strlen(h + 6), pair, sizeof pair - 1, &n) != 0)
		return false;
	pair[n] = '\0';
	const char *colon = strchr(pair, ':');
	bool good = colon && is_token(token, colon + 1);
	mem_wipe(pair, sizeof pair);
	return good;
}

/* Host without its port, in out. */
static void host_of(const char *host, char *out, size_t n)
{
	size_t len = *host == '[' ? strcspn(host, "]") : strcspn(host, ":");
	snprintf(out, n, "%.*s", (int)len - (*host == '['), host + (*host == '['));
}

/* An address, or localhost: no name that somebody else's DNS can lead to us. */
static bool is_our_host(const char *host)
{
	unsigned char addr[16];
	char name[256];
	host_of(host, name, sizeof name);
	return inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1 ||
	       strcasecmp(name, "localhost") == 0;
}

/* "https://host:port" says where the page came from that asks. */
static bool is_foreign(const struct http_req *q)
{
	const char *site = http_header(q, "Sec-Fetch-Site"), *origin = http_header(q, "Origin");
	const char *at = strstr(origin, "://");
	if (*site && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0)
		return true;
	return *origin && (!at || strcasecmp(at + 3, http_header(q, "Host")) != 0);
}

enum may_read { READ_YES, READ_NO_PROOF, READ_NO_HOST };

static enum may_read may_read(const struct http_req *q, void *ssl)
{
	const struct conf_global *g = http_conf(q->http);
	if (q->trusted)
		return READ_YES;
	if (*g->http_token || *g->http_tls_ca_file)
		return READ_NO_PROOF;
	return ssl || is_our_host(http_header(q, "Host")) ? READ_YES : READ_NO_HOST;
}

static void refuse_read(struct http_req *q, enum may_read why)
{
	bool token = *http_conf(q->http)->http_token;
	if (why == READ_NO_HOST) {
		http_refuse(q, 403, "Use the address, or localhost; or set http_token",
			"the name in the header Host is not ours");
		return;
	}
	http_add_header(q, "WWW-Authenticate", "Bearer realm=\"weirpool\"");
	if (token)
		http_add_header(q, "WWW-Authenticate", "Basic realm=\"weirpool\"");
	http_refuse(q, 401,
		token ? "Send the header \"Authorization: Bearer\" with http_token"
		      : "Connect with a certificate that http_tls_ca_file has signed",
		"this needs proof of who asks");
}

/* Somebody tried to command us who may not. */
static void note_refused(const struct http_req *q)
{
	struct log_about about = { .ctx = q->who };
	struct err e = { 0 };
	err_set(&e, ERR_NOT_ALLOWED, "a command by HTTP without proof of who asks");
	audit(q->who, "http", "POST", &e);
	log_event_about(EVENT_COMMAND_FAILED, &about, "%s", e.msg);
}

static bool may_command(struct http_req *q)
{
	if (is_foreign(q)) {
		note_refused(q);
		http_refuse(q, 403, NULL, "commands from pages of other sites are not taken");
		return false;
	}
	if (q->trusted || http_conf(q->http)->http_commands)
		return true;
	note_refused(q);
	http_refuse(q, 403,
		"Set http_token, use http_unix_socket, or set http_commands = 1 to trust everybody "
		"on this machine",
		"commands need proof of who asks");
	return false;
}

/* ---- which ---- */

/* Does path fit, and what stands for the *? */
static bool fits(const char *pattern, const char *path, char *arg, size_t n)
{
	size_t head = strcspn(pattern, "*"), len = 0;
	*arg = '\0';
	if (strncmp(pattern, path, head) != 0)
		return false;
	if (!pattern[head])
		return path[head] == '\0';
	path += head;
	while (isalnum((unsigned char)path[len]) || path[len] == '_')
		len++;
	if (len == 0 || len >= n || strcmp(path + len, pattern + head + 1) != 0)
		return false;
	snprintf(arg, n, "%.*s", (int)len, path);
	return true;
}

static unsigned method_of(const struct http_req *q)
{
	switch (evhttp_request_get_command(q->ev)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_HEAD: return HTTP_GET;
	case EVHTTP_REQ_POST: return HTTP_POST;
	case EVHTTP_REQ_PUT:
	case EVHTTP_REQ_DELETE:
	case EVHTTP_REQ_OPTIONS:
	case EVHTTP_REQ_TRACE:
	case EVHTTP_REQ_CONNECT:
	case EVHTTP_REQ_PATCH: break;
	}
	return 0;
}

static const struct http_route *find(struct http_req *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->ev);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	for (const struct http_route *r = http_routes; path && r->path; r++)
		if (fits(r->path, path, q->arg, sizeof q->arg))
			return r;
	return NULL;
}

static void refuse_unknown(struct http_req *q)
{
	char hint[300] = "There are";
	size_t at = strlen(hint);
	for (const struct http_route *r = http_routes; r->path && at < sizeof hint; r++)
		if (r->methods & HTTP_GET)
			at += (size_t)snprintf(hint + at, sizeof hint - at, " %s", r->path);
	http_refuse(q, 404, hint, "there is no such page");
}

void routes_run(struct http_req *q)
{
	void *ssl = ssl_of(q);
	const struct http_route *r = q->route = find(q);
	q->trusted = q->trusted || has_token(q) || (ssl && tls_peer_verified(ssl));
	enum may_read read = may_read(q, ssl);
	q->sees = read == READ_YES;
	if (!q->sees && !(r && r->open)) {
		if (method_of(q) == HTTP_POST)
			note_refused(q);
		refuse_read(q, read);
		return;
	}
	if (!r) {
		refuse_unknown(q);
		return;
	}
	if (!(r->methods & method_of(q))) {
		bool get = r->methods & HTTP_GET;
		http_add_header(q, "Allow", get ? "GET, HEAD" : "POST");
		http_refuse(q, 405, NULL, "%s takes %s", r->path, get ? "GET" : "POST");
		return;
	}
	if (r->methods != HTTP_POST || may_command(q))
		r->fn(q);
}
