/* tls - contexts: from parameters and files to an SSL_CTX, and from that to one SSL per connection.
 * Ignorant of sockets and of configuration files. Contexts are built by the control thread and used
 * by any. */
#include "tls_int.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TLS_ALPN_MAX = 64 };

struct tls_ctx {
	_Atomic unsigned refs;
	bool server;
	enum tls_verify verify;
	SSL_CTX *ctx;
	struct tls_sessions *sessions;  /* connecting side */
	uint8_t alpn[TLS_ALPN_MAX + 1]; /* as on the wire: length, name */
	unsigned alpn_n;                /* 0: none */
	bool key_encrypted;             /* while the key is read */
};

static bool is_set(const char *s)
{
	return s && *s;
}

static void reason_of(unsigned long code, char *out, size_t n)
{
	const char *r = ERR_reason_error_string(code);

	if (code == 0)
		snprintf(out, n, "unknown error");
	else if (ERR_SYSTEM_ERROR(code))
		snprintf(out, n, "%s", strerror(ERR_GET_REASON(code)));
	else if (r)
		snprintf(out, n, "%s", r);
	else
		snprintf(out, n, "OpenSSL error %lx", code);
}

/* What is wrong with the peer's certificate. OpenSSL has four ways to say that it does not know who
 * signed it. */
static void verify_text(long verify, char *out, size_t n)
{
	bool stranger = verify == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
			verify == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
			verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
			verify == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
	snprintf(out, n, "certificate verify failed: %s%s", X509_verify_cert_error_string(verify),
		stranger ? " (no CA that is trusted here has signed it)" : "");
}

void tls_reason(SSL *ssl, char *out, size_t n)
{
	unsigned long code = ERR_peek_last_error();
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		verify_text(verify, out, n);
	else
		reason_of(code, out, n);
	ERR_clear_error();
}

/* For files the first entry of OpenSSL's queue is the cause ("No such file"), the later ones its
 * consequences. */
static int file_error(struct err *e, const char *what, const char *file)
{
	unsigned long code = ERR_peek_error();
	char why[160];

	if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
		snprintf(why, sizeof(why), "nothing of that kind in PEM format in it");
	else
		reason_of(code, why, sizeof(why));
	ERR_clear_error();
	return err_set(e, ERR_CONFIG, "cannot load %s \"%s\": %s", what, file, why);
}

/* One word of the protocols option; 0 if unknown. Bits 0..3: TLS 1.0 .. 1.3. */
static unsigned protocol_bits(const char *w, size_t n)
{
	static const struct {
		const char *name;
		unsigned bits;
	} words[] = {
		{ "secure", 0xc },
		{ "default", 0xc },
		{ "all", 0xf },
		{ "legacy", 0xf },
		{ "tlsv1", 0xf },
		{ "tlsv1.0", 1 },
		{ "tlsv1.1", 2 },
		{ "tlsv1.2", 4 },
		{ "tlsv1.3", 8 },
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].name) == n && strncasecmp(words[i].name, w, n) == 0)
			return words[i].bits;
	}
	return 0;
}

/* "secure", "tlsv1.2,tlsv1.3", "all:!tlsv1.0": words are added, words behind ! taken away (from
 * all, if first). */
static int protocols_parse(const char *list, unsigned *bits_r, struct err *e)
{
	unsigned bits = 0;
	bool first = true;

	for (const char *p = list; *p;) {
		size_t skip = strspn(p, ",: \t"), n = strcspn(p + skip, ",: \t");
		const char *w = p + skip;
		bool negate = n > 0 && *w == '!';
		p = w + n;
		if (n == 0)
			continue;
		unsigned b = protocol_bits(w + negate, n - negate);
		if (b == 0)
			return err_set(e, ERR_CONFIG,
				"unknown TLS protocol \"%.*s\" (secure, all, legacy, "
				"tlsv1.0 .. tlsv1.3)",
				(int)n, w);
		if (negate)
			bits = (first ? 0xf : bits) & ~b;
		else
			bits |= b;
		first = false;
	}
	if (bits == 0)
		return err_set(e, ERR_CONFIG, "TLS protocols \"%s\" leave none", list);
	*bits_r = bits;
	return 0;
}

static int set_protocols(SSL_CTX *ctx, const char *list, struct err *e)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
		TLS1_3_VERSION };
	static const uint64_t off[] = { SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2,
		SSL_OP_NO_TLSv1_3 };
	unsigned bits = 0;
	int min = -1, max = -1;

	if (protocols_parse(is_set(list) ? list : "secure", &bits, e) != 0)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (bits & 1u << i) {
			max = i;
			min = min < 0 ? i : min;
		}
	}
	for (int i = min; i <= max; i++) {
		if (!(bits & 1u << i))
			SSL_CTX_set_options(ctx, off[i]);
	}
	if (!SSL_CTX_set_min_proto_version(ctx, versions[min]) ||
		!SSL_CTX_set_max_proto_version(ctx, versions[max]))
		return err_set(e, ERR_CONFIG, "OpenSSL cannot do TLS protocols \"%s\"", list);
	return 0;
}

static bool any_of(const char *s, const char *const *names)
{
	for (; *names; names++) {
		if (strcasecmp(s, *names) == 0)
			return true;
	}
	return false;
}

static int set_ciphers(SSL_CTX *ctx, const struct tls_params *p, struct err *e)
{
	static const char *const defaults[] = { "default", "secure", "fast", "normal", NULL };
	static const char *const everything[] = { "all", "insecure", NULL };
	const char *list = p->ciphers;

	if (!is_set(list) || any_of(list, defaults))
		list = NULL;
	else if (any_of(list, everything))
		list = "ALL:!aNULL:!eNULL";
	else if (strcasecmp(list, "compat") == 0)
		list = "HIGH:!aNULL";
	else if (strcasecmp(list, "legacy") == 0)
		list = "HIGH:MEDIUM:!aNULL";
	if (list && !SSL_CTX_set_cipher_list(ctx, list)) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG, "OpenSSL knows none of the TLS ciphers \"%s\"", list);
	}
	if (is_set(p->tls13_ciphers) && !SSL_CTX_set_ciphersuites(ctx, p->tls13_ciphers)) {
		ERR_clear_error();
		return err_set(
			e, ERR_CONFIG, "invalid TLS 1.3 cipher suites \"%s\"", p->tls13_ciphers);
	}
	return 0;
}

/* Takes the suites with one kind of key exchange out of the TLS 1.2 list. */
static int ciphers_without(SSL_CTX *ctx, const char *kx_sn, struct err *e)
{
	STACK_OF(SSL_CIPHER) *have = SSL_CTX_get_ciphers(ctx);
	char list[8192];
	size_t n = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(have); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(have, i);
		const char *sn = OBJ_nid2sn(SSL_CIPHER_get_kx_nid(c));
		if (SSL_CIPHER_get_protocol_id(c) >> 8 == 0x13 || (sn && strcmp(sn, kx_sn) == 0))
			continue;
		int k = snprintf(
			list + n, sizeof(list) - n, "%s%s", n ? ":" : "", SSL_CIPHER_get_name(c));
		if (k < 0 || (size_t)k >= sizeof(list) - n)
			break;
		n += (size_t)k;
	}
	if (n == 0)
		return 0; /* TLS 1.3 only */
	if (!SSL_CTX_set_cipher_list(ctx, list))
		return err_set(e, ERR_CONFIG, "no TLS ciphers are left");
	return 0;
}

static int set_key_exchange(SSL_CTX *ctx, const struct tls_params *p, struct err *e)
{
	const char *ec = is_set(p->ecdhcurve) ? p->ecdhcurve : "auto",
		   *dh = is_set(p->dheparams) ? p->dheparams : "auto";

	if (strcasecmp(ec, "none") == 0) { /* TLS 1.3 has no other way, it keeps its groups */
		if (ciphers_without(ctx, "KxECDHE", e) != 0)
			return -1;
	} else if (strcasecmp(ec, "auto") != 0 && !SSL_CTX_set1_groups_list(ctx, ec)) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG,
			"unknown ECDH curve \"%s\" (auto, none or OpenSSL's name)", ec);
	}
	if (strcasecmp(dh, "auto") == 0)
		SSL_CTX_set_dh_auto(ctx, 1);
	else if (strcasecmp(dh, "legacy") == 0)
		SSL_CTX_set_dh_auto(ctx, 2); /* 1024 bits */
	else if (strcasecmp(dh, "none") != 0)
		return err_set(
			e, ERR_CONFIG, "unknown DHE parameters \"%s\" (auto, none or legacy)", dh);
	return 0;
}

/* Never prompts. */
static int on_password(char *buf, int n, int rwflag, void *arg)
{
	struct tls_ctx *c = arg;

	(void)buf;
	(void)n;
	(void)rwflag;
	c->key_encrypted = true;
	return -1;
}

static int set_own_cert(struct tls_ctx *c, const struct tls_params *p, struct err *e)
{
	if (!is_set(p->cert_file) && !is_set(p->key_file))
		return p->server
			       ? err_set(e, ERR_CONFIG,
					 "a TLS certificate and key file are needed to accept TLS")
			       : 0;
	if (!is_set(p->cert_file) || !is_set(p->key_file))
		return err_set(e, ERR_CONFIG, "a TLS %s file needs a %s file",
			is_set(p->cert_file) ? "certificate" : "key",
			is_set(p->cert_file) ? "key" : "certificate");
	SSL_CTX_set_default_passwd_cb(c->ctx, on_password);
	SSL_CTX_set_default_passwd_cb_userdata(c->ctx, c);
	if (SSL_CTX_use_certificate_chain_file(c->ctx, p->cert_file) != 1)
		return file_error(e, "certificate file", p->cert_file);
	if (SSL_CTX_use_PrivateKey_file(c->ctx, p->key_file, SSL_FILETYPE_PEM) != 1) {
		unsigned long last = ERR_peek_last_error();
		if (c->key_encrypted) {
			ERR_clear_error();
			return err_set(e, ERR_CONFIG,
				"private key file \"%s\" has a passphrase, which is not supported",
				p->key_file);
		}
		if (ERR_GET_LIB(last) != ERR_LIB_X509 ||
			ERR_GET_REASON(last) != X509_R_KEY_VALUES_MISMATCH)
			return file_error(e, "private key file", p->key_file);
	}
	if (SSL_CTX_check_private_key(c->ctx) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG,
			"private key file \"%s\" does not belong to certificate file \"%s\"",
			p->key_file, p->cert_file);
	}
	return 0;
}

static int set_verify(struct tls_ctx *c, const struct tls_params *p, struct err *e)
{
	int mode = SSL_VERIFY_NONE;

	if (p->verify != TLS_VERIFY_NONE)
		mode = SSL_VERIFY_PEER | (p->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	else if (p->server && p->request_cert)
		mode = SSL_VERIFY_PEER;
	SSL_CTX_set_verify(c->ctx, mode, NULL);
	if (is_set(p->ca_file)) {
		if (SSL_CTX_load_verify_locations(c->ctx, p->ca_file, NULL) != 1)
			return file_error(e, "CA file", p->ca_file);
		if (!p->server || mode == SSL_VERIFY_NONE)
			return 0;
		STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(p->ca_file);
		if (names == NULL)
			return file_error(e, "CA file", p->ca_file);
		SSL_CTX_set_client_CA_list(c->ctx, names);
		return 0;
	}
	if (mode == SSL_VERIFY_NONE)
		return 0;
	if (p->server)
		return err_set(
			e, ERR_CONFIG, "a TLS CA file is needed to verify client certificates");
	if (SSL_CTX_set_default_verify_paths(c->ctx) != 1)
		return err_set(e, ERR_CONFIG, "cannot use the system's CA certificates");
	return 0;
}

/* Chooses ours if the client offers it; a client that offers only others is not ours (RFC 7301
 * section 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *in, unsigned in_n, void *arg)
{
	const struct tls_ctx *c = arg;

	(void)ssl;
	for (unsigned i = 0; i < in_n && in[i] < in_n - i; i += in[i] + 1u) {
		if (in[i] == c->alpn[0] && memcmp(in + i + 1, c->alpn + 1, in[i]) == 0) {
			*out = in + i + 1;
			*out_n = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_new_session(SSL *ssl, SSL_SESSION *sess)
{
	struct tls_ctx *c = SSL_get_app_data(ssl);

	return c && c->sessions ? tls_sessions_on_new(c->sessions, ssl, sess) : 0;
}

static int set_alpn(struct tls_ctx *c, const char *name, struct err *e)
{
	size_t n = is_set(name) ? strlen(name) : 0;

	if (n == 0)
		return 0;
	if (n > TLS_ALPN_MAX)
		return err_set(e, ERR_CONFIG, "ALPN name \"%s\" is too long", name);
	c->alpn[0] = (uint8_t)n;
	memcpy(c->alpn + 1, name, n);
	c->alpn_n = (unsigned)n + 1;
	if (c->server)
		SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, c);
	else if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_n) != 0)
		return err_set(e, ERR_NO_MEMORY, "out of memory for TLS");
	return 0;
}

/* Accepting side: tickets, so that nothing is kept per client, and one of them: clients of
 * databases come back one by one. Connecting side: kept per server by tls_session.c. */
static int set_sessions(struct tls_ctx *c, struct err *e)
{
	static const unsigned char id[] = "weirpool";

	if (c->server) {
		SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_session_id_context(c->ctx, id, sizeof(id) - 1);
		SSL_CTX_set_num_tickets(c->ctx, 1);
		return 0;
	}
	c->sessions = tls_sessions_new();
	if (c->sessions == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory for TLS");
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_new_session);
	return 0;
}

static int ctx_fill(struct tls_ctx *c, const struct tls_params *p, struct err *e)
{
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_CIPHER_SERVER_PREFERENCE |
					    SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(
		c->ctx, 1); /* one recv() for many records; the buffer goes when it is empty */
	if (set_protocols(c->ctx, p->protocols, e) != 0 || set_ciphers(c->ctx, p, e) != 0 ||
		set_key_exchange(c->ctx, p, e) != 0 || set_own_cert(c, p, e) != 0 ||
		set_verify(c, p, e) != 0 || set_alpn(c, p->alpn, e) != 0)
		return -1;
	return set_sessions(c, e);
}

int tls_ctx_new(const struct tls_params *p, struct tls_ctx **ctx_r, struct err *e)
{
	struct tls_ctx *c = mem_alloc(MEM_TLS, sizeof(*c));

	*ctx_r = NULL;
	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory for TLS");
	atomic_init(&c->refs, 1);
	c->server = p->server;
	c->verify = p->verify;
	ERR_clear_error();
	c->ctx = SSL_CTX_new(p->server ? TLS_server_method() : TLS_client_method());
	if (c->ctx == NULL) {
		tls_ctx_unref(c);
		return err_set(e, ERR_NO_MEMORY, "cannot make a TLS context");
	}
	if (ctx_fill(c, p, e) != 0) {
		tls_ctx_unref(c);
		return -1;
	}
	*ctx_r = c;
	return 0;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
	atomic_fetch_add_explicit(
		&c->refs, 1, memory_order_relaxed); /* the caller holds one already */
	return c;
}

void tls_ctx_unref(struct tls_ctx *c)
{
	/* The last one must see what the others did before they let go. */
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(c->ctx);
	tls_sessions_free(c->sessions);
	mem_free(MEM_TLS, c);
}

bool tls_ctx_expiry(const struct tls_ctx *c, int64_t *at_s_r)
{
	struct tm tm;
	X509 *x = SSL_CTX_get0_certificate(c->ctx);
	if (!x || ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return false;
	*at_s_r = (int64_t)timegm(&tm);
	return true;
}

bool tls_ctx_is_server(const struct tls_ctx *c)
{
	return c->server;
}

/* SNI, and the name that the certificate must carry. */
static int ssl_set_peer(SSL *ssl, const struct tls_ctx *c, const char *name, struct err *e)
{
	struct in6_addr any;
	bool ip = inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
	X509_VERIFY_PARAM *vp = SSL_get0_param(ssl);

	if (*name && !ip && !SSL_set_tlsext_host_name(ssl, name))
		return err_set(e, ERR_SERVER_CONNECT, "\"%s\" cannot be a TLS server name", name);
	if (c->verify != TLS_VERIFY_FULL)
		return 0;
	if (*name == '\0')
		return err_set(e, ERR_SERVER_CONNECT,
			"verify-full needs a host name or address to compare with");
	X509_VERIFY_PARAM_set_hostflags(vp, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (ip ? !X509_VERIFY_PARAM_set1_ip_asc(vp, name)
	       : !X509_VERIFY_PARAM_set1_host(vp, name, 0))
		return err_set(e, ERR_SERVER_CONNECT, "cannot verify the name \"%s\"", name);
	return 0;
}

SSL *tls_ssl_new(struct tls_ctx *c, const char *server_name, struct err *e)
{
	SSL *ssl = SSL_new(c->ctx);

	if (ssl == NULL) {
		ERR_clear_error();
		err_set(e, ERR_NO_MEMORY, "out of memory for TLS");
		return NULL;
	}
	if (c->server) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		if (ssl_set_peer(ssl, c, server_name ? server_name : "", e) != 0) {
			ERR_clear_error();
			SSL_free(ssl);
			return NULL;
		}
		if (is_set(server_name))
			tls_sessions_use(c->sessions, ssl, server_name);
	}
	SSL_set_app_data(ssl, tls_ctx_ref(c));
	return ssl;
}

/* For a bufferevent. */
static SSL *ssl_for_event(struct tls_ctx *c, const char *server_name, struct err *e)
{
	SSL *ssl = tls_ssl_new(c, server_name, e);

	if (ssl) { /* who reads from it looks at the descriptor, not at what was read ahead */
		SSL_set_read_ahead(ssl, 0);
		/* who frees it knows nothing of our reference */
		SSL_set_app_data(ssl, NULL);
		tls_ctx_unref(c);
	}
	return ssl;
}

void *tls_accept_ssl(struct tls_ctx *c, struct err *e)
{
	return ssl_for_event(c, NULL, e);
}

void *tls_connect_ssl(struct tls_ctx *c, const char *server_name, struct err *e)
{
	return ssl_for_event(c, server_name, e);
}

bool tls_trouble(void *ssl, unsigned long code, char *out, size_t n)
{
	long verify = SSL_get_verify_result(ssl);
	char why[160];

	if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verify != X509_V_OK) {
		verify_text(verify, out, n);
		return true;
	}
	if (code == 0)
		return false;
	reason_of(code, why, sizeof(why));
	snprintf(out, n, "TLS: %s%s", why,
		ERR_GET_LIB(code) == ERR_LIB_SSL &&
				ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER
			? " (does it speak TLS there?)"
			: "");
	return true;
}

void tls_ssl_free(SSL *ssl)
{
	struct tls_ctx *c = ssl ? SSL_get_app_data(ssl) : NULL;

	SSL_free(ssl);
	tls_ctx_unref(c);
}

const char *tls_library_dir(unsigned i)
{
	static const int all[] = { OPENSSL_INFO_CONFIG_DIR, OPENSSL_INFO_MODULES_DIR };
	return i < sizeof all / sizeof *all ? OPENSSL_info(all[i]) : NULL;
}
