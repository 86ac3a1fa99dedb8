/* tls: parameters and their mistakes, handshakes over real TCP, and streams under TLS. */
#include "ev_help.h"

#include "cert_help.h"
#include "ev/tls.h"

#include <openssl/ssl.h>

static struct cert ca, other_ca, server, client, nul, sha1;
static char g_room[128 * 1024];

static void setup(void)
{
	cert_make(&ca, NULL, "test CA", 7, NULL, EVP_sha256(), NULL);
	cert_make(&other_ca, NULL, "other CA", 8, NULL, EVP_sha256(), NULL);
	cert_make(
		&server, &ca, "db.example", 10, "DNS:db.example,IP:127.0.0.1", EVP_sha384(), NULL);
	cert_make(&client, &ca, "alice", 5, NULL, EVP_sha256(), NULL);
	cert_make(&nul, &ca, "admin\0.evil", 11, NULL, EVP_sha256(), NULL);
	cert_make(&sha1, &ca, "old", 3, NULL, EVP_sha1(), NULL);
}
static void teardown(void)
{
	cert_drop(&ca);
	cert_drop(&other_ca);
	cert_drop(&server);
	cert_drop(&client);
	cert_drop(&nul);
	cert_drop(&sha1);
	ev_all_back();
}
TestSuite(tls, .init = setup, .fini = teardown, .timeout = 60);

/* ---- contexts ---- */

static struct tls_params accepting(void)
{
	return (struct tls_params){ .server = true,
		.cert_file = server.cert_file,
		.key_file = server.key_file,
		.alpn = "postgresql" };
}
static struct tls_params connecting(void)
{
	return (struct tls_params){ .ca_file = ca.cert_file, .verify = TLS_VERIFY_FULL };
}
static struct tls_ctx *ctx_of(const struct tls_params *p)
{
	struct tls_ctx *c;
	struct err e = { .msg = "" };
	cr_assert_eq(tls_ctx_new(p, &c, &e), 0, "%s", e.msg);
	return c;
}
static void ctx_fails(const struct tls_params *p, const char *want1, const char *want2)
{
	struct tls_ctx *c;
	struct err e;
	cr_assert_eq(tls_ctx_new(p, &c, &e), -1);
	cr_assert_null(c);
	cr_assert_not_null(strstr(e.msg, want1), "\"%s\" does not say \"%s\"", e.msg, want1);
	cr_assert_not_null(strstr(e.msg, want2), "\"%s\" does not say \"%s\"", e.msg, want2);
}

Test(tls, mistakes_name_the_file_and_the_reason)
{
	struct tls_params p = accepting();
	struct cert secret;

	p.cert_file = "/nonexistent/x.crt";
	ctx_fails(&p, "\"/nonexistent/x.crt\"", "No such file");
	p.cert_file = server.key_file;
	ctx_fails(&p, server.key_file, "PEM");
	p = accepting();
	p.key_file = "/nonexistent/x.key";
	ctx_fails(&p, "\"/nonexistent/x.key\"", "No such file");
	p.key_file = server.cert_file;
	ctx_fails(&p, "private key file", server.cert_file);
	p.key_file = client.key_file;
	ctx_fails(&p, client.key_file, "does not belong");
	cert_make(&secret, &ca, "secret", 6, NULL, EVP_sha256(), "pass");
	p.cert_file = secret.cert_file;
	p.key_file = secret.key_file;
	ctx_fails(&p, secret.key_file, "passphrase");
	cert_drop(&secret);
	p = accepting();
	p.key_file = NULL;
	ctx_fails(&p, "certificate", "key");
	p.cert_file = "";
	ctx_fails(&p, "needed", "certificate");
	p = accepting();
	p.verify = TLS_VERIFY_CA;
	ctx_fails(&p, "CA file", "needed");
	p.ca_file = "/tmp";
	ctx_fails(&p, "\"/tmp\"", "");
	p.ca_file = server.key_file;
	ctx_fails(&p, "CA file", server.key_file);
}

Test(tls, options)
{
	static const char *const good_protocols[] = { "secure", "all", "legacy", "tlsv1.2",
		"tlsv1.2,tlsv1.3", "TLSv1.3", "all:!tlsv1.0", "!tlsv1.1", " tlsv1.2 , tlsv1.3",
		"tlsv1" };
	static const char *const bad_protocols[] = { "tlsv1.4", "ssl3", "!all", "secure,!", ",",
		"tlsv1.2 !tlsv1.2" };
	static const char *const good_ciphers[] = { "default", "secure", "fast", "normal", "all",
		"legacy", "HIGH:!aNULL", "ECDHE-RSA-AES128-GCM-SHA256" };
	static const char *const good_curves[] = { "auto", "none", "prime256v1", "P-384",
		"X25519:P-256", "secp384r1" };
	struct tls_params p;

	for (size_t i = 0; i < sizeof(good_protocols) / sizeof(char *); i++) {
		p = accepting();
		p.protocols = good_protocols[i];
		tls_ctx_unref(ctx_of(&p));
	}
	for (size_t i = 0; i < sizeof(bad_protocols) / sizeof(char *); i++) {
		p = accepting();
		p.protocols = bad_protocols[i];
		ctx_fails(&p, "TLS protocol", "");
	}
	for (size_t i = 0; i < sizeof(good_ciphers) / sizeof(char *); i++) {
		p = accepting();
		p.ciphers = good_ciphers[i];
		tls_ctx_unref(ctx_of(&p));
	}
	for (size_t i = 0; i < sizeof(good_curves) / sizeof(char *); i++) {
		p = accepting();
		p.ecdhcurve = good_curves[i];
		tls_ctx_unref(ctx_of(&p));
	}
	p = accepting();
	p.ciphers = "no-such-cipher";
	ctx_fails(&p, "no-such-cipher", "cipher");
	p = accepting();
	p.tls13_ciphers = "TLS_NOPE";
	ctx_fails(&p, "TLS_NOPE", "1.3");
	p.tls13_ciphers = "TLS_AES_128_GCM_SHA256";
	tls_ctx_unref(ctx_of(&p));
	p = accepting();
	p.ecdhcurve = "banana";
	ctx_fails(&p, "banana", "curve");
	p = accepting();
	p.dheparams = "some";
	ctx_fails(&p, "some", "DHE");
	p.dheparams = "legacy";
	tls_ctx_unref(ctx_of(&p));
	tls_ctx_unref(NULL);
}

/* ---- two streams and a handshake ---- */

struct end {
	struct stream s;
	size_t got;
	int shaken, calls;
	char msg[256];
	enum err_code code;
	bool done, close_in_cb, free_in_shaken;
	uint64_t sum;
};
struct pair {
	struct loop *l;
	struct end a, c; /* accepting, connecting */
	bool both;
};

static uint64_t sum_of(const char *p, size_t n, size_t at)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)(uint8_t)p[i] * ((at + i) % 251 + 1);
	return sum;
}
static void on_readable(struct stream *s, void *owner)
{
	struct end *d = owner;
	size_t r;

	d->calls++;
	do {
		r = stream_read(s, g_room, sizeof(g_room));
		d->sum += sum_of(g_room, r, d->got);
		d->got += r;
		if (r && d->close_in_cb) {
			stream_close(s);
			d->done = true;
			return;
		}
	} while (r == sizeof(g_room));
	if (s->eof || s->error)
		d->done = true;
}
static void on_handshaken(struct stream *s, void *owner, const struct err *e)
{
	struct end *d = owner;

	d->shaken++;
	if (e) {
		cr_assert_eq(s->error, EPROTO);
		snprintf(d->msg, sizeof(d->msg), "%s", e->msg);
		d->code = e->code;
		d->done = true;
	} else {
		cr_assert_eq(s->tls, STREAM_TLS);
	}
	if (e || d->free_in_shaken) {
		stream_close(s);
		memset(s, 0xee, sizeof(*s));
		s->closed = true;
	}
}
static const struct stream_cb cb = { .readable = on_readable, .handshaken = on_handshaken };

static void pair_open(struct pair *p)
{
	struct loop_opts o = { .owner = NULL };
	struct err e;
	int sv[2];

	*p = (struct pair){ .l = loop_new(&o) };
	ev_tcp_pair(sv);
	cr_assert_eq(stream_init(&p->a.s, p->l, sv[0], &cb, &p->a, &e), 0);
	cr_assert_eq(stream_init(&p->c.s, p->l, sv[1], &cb, &p->c, &e), 0);
	ev_run(p->l, NULL, 15);
}
static void pair_close(struct pair *p)
{
	stream_close(&p->a.s);
	stream_close(&p->c.s);
	loop_free(p->l);
}
static void pair_start(struct pair *p, struct tls_ctx *a, struct tls_ctx *c, const char *name)
{
	struct err e = { .msg = "" };

	cr_assert_eq(stream_tls_accept(&p->a.s, a, &e), 0, "%s", e.msg);
	cr_assert_eq(stream_tls_connect(&p->c.s, c, name, &e), 0, "%s", e.msg);
	for (int i = 0; i < 100 && !(p->a.shaken && p->c.shaken); i++)
		ev_run(p->l, NULL, 10);
}
/* A handshake by these parameters, which must succeed; the pair is left open. */
static void shake(
	struct pair *p, const struct tls_params *ap, const struct tls_params *cp, const char *name)
{
	struct tls_ctx *a = ctx_of(ap), *c = ctx_of(cp);

	pair_open(p);
	pair_start(p, a, c, name);
	tls_ctx_unref(a); /* connections keep what they need */
	tls_ctx_unref(c);
	cr_assert_eq(p->a.shaken, 1);
	cr_assert_eq(p->c.shaken, 1);
	cr_assert_str_eq(p->a.msg, "");
	cr_assert_str_eq(p->c.msg, "");
}
/* One that must fail; who: 'a' or 'c' must say why. */
static void shake_fails(const struct tls_params *ap, const struct tls_params *cp, const char *name,
	char who, const char *why)
{
	struct tls_ctx *a = ctx_of(ap), *c = ctx_of(cp);
	struct pair p;
	struct end *d = who == 'a' ? &p.a : &p.c;

	pair_open(&p);
	pair_start(&p, a, c, name);
	ev_run(p.l, NULL, 30);
	tls_ctx_unref(a);
	tls_ctx_unref(c);
	cr_assert_eq(d->shaken, 1);
	cr_assert_not_null(strstr(d->msg, why), "\"%s\" does not say \"%s\"", d->msg, why);
	cr_assert_eq(d->code, who == 'a' ? ERR_PROTOCOL : ERR_SERVER_CONNECT);
	pair_close(&p);
}

Test(tls, handshake_and_words_both_ways)
{
	static const char *const versions[] = { "tlsv1.2", "tlsv1.3" };
	for (int i = 0; i < 2; i++) {
		struct tls_params ap = accepting(), cp = connecting();
		struct pair p;

		cp.protocols = versions[i];
		cp.alpn = "postgresql";
		shake(&p, &ap, &cp, "db.example");
		cr_assert_str_eq(tls_version(p.a.s.ssl), i ? "TLSv1.3" : "TLSv1.2");
		cr_assert_str_eq(tls_cipher(p.a.s.ssl), tls_cipher(p.c.s.ssl));
		cr_assert(tls_alpn_is(p.a.s.ssl, "postgresql"));
		cr_assert(tls_alpn_is(p.c.s.ssl, "postgresql"));
		cr_assert(!tls_alpn_is(p.c.s.ssl, "http/1.1"));
		cr_assert(tls_peer_verified(p.c.s.ssl));
		cr_assert(!tls_peer_verified(p.a.s.ssl));
		cr_assert(stream_write(&p.a.s, "to client", 9));
		cr_assert(stream_write(&p.c.s, "to server!", 10));
		ev_run(p.l, NULL, 30);
		cr_assert_eq(p.c.got, 9);
		cr_assert_eq(p.a.got, 10);
		cr_assert_eq(p.a.s.rx_bytes, 10);
		cr_assert_eq(p.a.s.tx_bytes, 9);
		stream_close(&p.a.s); /* says close_notify */
		cr_assert(ev_run(p.l, &p.c.done, 500));
		cr_assert(p.c.s.eof && !p.c.s.error);
		pair_close(&p);
	}
}

Test(tls, verify_full_checks_name_and_address)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct tls_ctx *c;
	struct pair p;
	struct err e;

	shake(&p, &ap, &cp, "127.0.0.1");
	pair_close(&p);
	shake_fails(&ap, &cp, "other.example", 'c', "hostname mismatch");
	shake_fails(&ap, &cp, "127.0.0.2", 'c', "IP address mismatch");
	cp.verify = TLS_VERIFY_CA;
	shake(&p, &ap, &cp, "other.example");
	pair_close(&p);
	cp.ca_file = other_ca.cert_file;
	shake_fails(&ap, &cp, "db.example", 'c', "certificate verify failed: ");
	shake_fails(&ap, &cp, "db.example", 'a', "unknown ca");
	cp.verify = TLS_VERIFY_NONE;
	shake(&p, &ap, &cp, NULL);
	cr_assert(!tls_peer_verified(p.c.s.ssl));
	pair_close(&p);

	cp = connecting(); /* a name must be there to be compared */
	c = ctx_of(&cp);
	pair_open(&p);
	cr_assert_eq(stream_tls_connect(&p.c.s, c, NULL, &e), -1);
	cr_assert_not_null(strstr(e.msg, "verify-full"));
	cr_assert_null(p.c.s.ssl);
	tls_ctx_unref(c);
	pair_close(&p);
}

Test(tls, client_certificates)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;
	char cn[64];

	ap.ca_file = ca.cert_file;
	ap.verify = TLS_VERIFY_CA;
	cp.protocols = "tlsv1.2"; /* the client hears of it within the handshake */
	shake_fails(&ap, &cp, "db.example", 'a', "peer did not return a certificate");
	shake_fails(&ap, &cp, "db.example", 'c', "handshake failure");
	cp.cert_file = client.cert_file;
	cp.key_file = client.key_file;
	cp.protocols = NULL;
	shake(&p, &ap, &cp, "db.example");
	cr_assert(tls_peer_verified(p.a.s.ssl));
	cr_assert_eq(tls_peer_cn(p.a.s.ssl, cn, sizeof(cn)), 5);
	cr_assert_str_eq(cn, "alice");
	cr_assert_eq(tls_peer_cn(p.a.s.ssl, cn, 5), 0, "cut names are no names");
	pair_close(&p);

	cp.cert_file = nul.cert_file;
	cp.key_file = nul.key_file;
	shake(&p, &ap, &cp, "db.example");
	cr_assert_eq(tls_peer_cn(p.a.s.ssl, cn, sizeof(cn)), 0, "admin\\0.evil passed for %s", cn);
	pair_close(&p);

	cp.cert_file = other_ca.cert_file;
	cp.key_file = other_ca.key_file;
	shake_fails(&ap, &cp, "db.example", 'a', "certificate verify failed: self");

	ap.verify = TLS_VERIFY_NONE; /* asked for, not demanded */
	ap.request_cert = true;
	cp = connecting();
	shake(&p, &ap, &cp, "db.example");
	cr_assert(!tls_peer_verified(p.a.s.ssl));
	cr_assert_eq(tls_peer_cn(p.a.s.ssl, cn, sizeof(cn)), 0);
	pair_close(&p);
	cp.cert_file = client.cert_file;
	cp.key_file = client.key_file;
	shake(&p, &ap, &cp, "db.example");
	cr_assert(tls_peer_verified(p.a.s.ssl));
	pair_close(&p);
}

Test(tls, protocols_that_do_not_meet)
{
	struct tls_params ap = accepting(), cp = connecting();

	ap.protocols = "tlsv1.3";
	cp.protocols = "tlsv1.2";
	shake_fails(&ap, &cp, "db.example", 'a', "unsupported protocol");
	shake_fails(&ap, &cp, "db.example", 'c', "protocol version");
}

Test(tls, alpn)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;

	cp.alpn = "http/1.1";
	shake_fails(&ap, &cp, "db.example", 'c', "no application protocol");
	cp.alpn = "postgresq";
	shake_fails(&ap, &cp, "db.example", 'a', "");
	cp.alpn = NULL;
	shake(&p, &ap, &cp, "db.example");
	cr_assert(!tls_alpn_is(p.a.s.ssl, "postgresql"));
	pair_close(&p);
	ap.alpn = NULL; /* a server that knows none ignores what is offered */
	cp.alpn = "postgresql";
	shake(&p, &ap, &cp, "db.example");
	cr_assert(!tls_alpn_is(p.c.s.ssl, "postgresql"));
	pair_close(&p);
}

Test(tls, without_ecdhe_there_is_dhe_or_rsa)
{
	struct tls_params ap = accepting(), cp = connecting();

	ap.ecdhcurve = "none"; /* an ECDSA certificate has no other way in TLS 1.2 */
	cp.protocols = "tlsv1.2";
	shake_fails(&ap, &cp, "db.example", 'a', "no shared cipher");
	cp.protocols = "tlsv1.3";
	struct pair p;
	shake(&p, &ap, &cp, "db.example");
	pair_close(&p);
}

static void end_point_is(const struct cert *c, const EVP_MD *md)
{
	struct tls_params ap = accepting(), cp = connecting();
	uint8_t got_a[64], got_c[64], want[64];
	unsigned n;
	struct pair p;

	ap.cert_file = c->cert_file;
	ap.key_file = c->key_file;
	cp.verify = TLS_VERIFY_NONE;
	ap.ciphers = cp.ciphers = "ALL:@SECLEVEL=0";
	shake(&p, &ap, &cp, NULL);
	X509_digest(c->x, md, want, &n);
	cr_assert_eq(tls_server_end_point(p.a.s.ssl, true, got_a), n);
	cr_assert_eq(tls_server_end_point(p.c.s.ssl, false, got_c), n);
	cr_assert_eq(memcmp(got_a, want, n), 0);
	cr_assert_eq(memcmp(got_c, want, n), 0);
	cr_assert_eq(
		tls_server_end_point(p.a.s.ssl, false, got_a), 0, "there is no client certificate");
	pair_close(&p);
}

Test(tls, server_end_point)
{
	end_point_is(&server, EVP_sha384());
	end_point_is(&client, EVP_sha256());
	end_point_is(&sha1, EVP_sha256()); /* RFC 5929: not SHA-1 */
}

Test(tls, sessions_are_resumed)
{
	static const char *const versions[] = { "tlsv1.2", "tlsv1.3" };
	for (int i = 0; i < 2; i++) {
		struct tls_params ap = accepting(), cp = connecting();
		struct tls_ctx *a, *c;
		struct pair p;
		uint8_t binding[64];

		ap.protocols = versions[i];
		ap.ca_file = ca.cert_file;
		ap.verify = TLS_VERIFY_CA;
		cp.cert_file = client.cert_file;
		cp.key_file = client.key_file;
		a = ctx_of(&ap);
		c = ctx_of(&cp);
		for (int round = 0; round < 3; round++) {
			char cn[16];
			pair_open(&p);
			pair_start(&p, a, c, "db.example");
			cr_assert_eq(p.a.shaken + p.c.shaken, 2);
			cr_assert_eq(SSL_session_reused(p.c.s.ssl), round > 0);
			/* What a login asks of the connection holds for a resumed one too. */
			cr_assert(tls_peer_verified(p.a.s.ssl));
			cr_assert(tls_peer_verified(p.c.s.ssl));
			cr_assert_eq(tls_peer_cn(p.a.s.ssl, cn, sizeof(cn)), 5);
			cr_assert_eq(tls_server_end_point(p.a.s.ssl, true, binding), 48);
			cr_assert_eq(tls_server_end_point(p.c.s.ssl, false, binding), 48);
			ev_run(p.l, NULL, 20); /* the ticket arrives after the handshake */
			pair_close(&p);
		}
		pair_open(&p); /* another name: not that session */
		pair_start(&p, a, c, "127.0.0.1");
		cr_assert(!SSL_session_reused(p.c.s.ssl));
		pair_close(&p);
		for (int k = 0; k < 200; k++) { /* bounded */
			struct err e;
			char name[32];
			pair_open(&p);
			snprintf(name, sizeof(name), "h%d.example", k);
			cr_assert_eq(stream_tls_connect(&p.c.s, c, name, &e), 0);
			pair_close(&p);
		}
		tls_ctx_unref(a);
		tls_ctx_unref(c);
	}
}

/* ---- hostile and unlucky peers ---- */

Test(tls, plain_bytes_before_tls_are_refused)
{
	struct tls_params ap = accepting();
	struct tls_ctx *a = ctx_of(&ap);
	struct pair p;
	struct err e;

	pair_open(&p);
	cr_assert(buf_puts(&p.a.s.in, "injected")); /* CVE-2021-3935 */
	cr_assert_eq(stream_tls_accept(&p.a.s, a, &e), -1);
	cr_assert_eq(e.code, ERR_PROTOCOL);
	cr_assert_not_null(strstr(e.msg, "unencrypted"));
	cr_assert_null(p.a.s.ssl);
	tls_ctx_unref(a);
	pair_close(&p);
}

Test(tls, garbage_silence_and_early_ends)
{
	struct tls_params ap = accepting();
	struct tls_ctx *a = ctx_of(&ap);
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} tries[] = {
		{ "GET / HTTP/1.0\r\n\r\n", 18, "http request" },
		{ "\0\0\0\x08\x04\xd2\x16\x2f\0\0\0", 11, "" },
		{ "\x16\x03\x01\xff\xff", 5, "" },
		{ "\x16\x03\x01\x00\x40\x01\x00", 7, "closed" },
		{ "", 0, "closed" },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct pair p;
		struct err e;
		pair_open(&p);
		cr_assert_eq(stream_tls_accept(&p.a.s, a, &e), 0);
		ev_run(p.l, NULL, 20);
		cr_assert_eq(p.a.shaken, 0);
		cr_assert(stream_write(&p.c.s, tries[i].bytes, tries[i].n));
		ev_run(p.l, NULL, 20);
		stream_close(&p.c.s);
		cr_assert(ev_run(p.l, &p.a.done, 2500), "try %zu", i);
		cr_assert_eq(p.a.shaken, 1);
		cr_assert_not_null(strstr(p.a.msg, tries[i].why), "%s", p.a.msg);
		pair_close(&p);
	}
	tls_ctx_unref(a);
}

static void relay_bytewise(int from, int to)
{
	char c;
	while (recv(from, &c, 1, MSG_DONTWAIT) == 1)
		cr_assert_eq(send(to, &c, 1, MSG_NOSIGNAL), 1);
}

/* A handshake and data through a peer in the middle that passes one byte at a time. */
Test(tls, byte_by_byte)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct tls_ctx *a = ctx_of(&ap), *c = ctx_of(&cp);
	struct loop_opts o = { .owner = NULL };
	struct pair p = { .l = loop_new(&o) };
	struct err e;
	int x[2], y[2];
	char k;

	ev_tcp_pair(x);
	ev_tcp_pair(y);
	cr_assert_eq(stream_init(&p.a.s, p.l, x[0], &cb, &p.a, &e), 0);
	cr_assert_eq(stream_init(&p.c.s, p.l, y[0], &cb, &p.c, &e), 0);
	cr_assert_eq(stream_tls_accept(&p.a.s, a, &e), 0);
	cr_assert_eq(stream_tls_connect(&p.c.s, c, "db.example", &e), 0);
	cr_assert(stream_write(&p.c.s, "queued before", 13)); /* waits for the handshake */
	for (int i = 0; i < 60; i++) {
		/* Some single bytes, each seen by itself, then what is left bytewise. */
		for (int j = 0; j < 5; j++) {
			if (recv(y[1], &k, 1, MSG_DONTWAIT) == 1)
				cr_assert_eq(send(x[1], &k, 1, 0), 1);
			if (recv(x[1], &k, 1, MSG_DONTWAIT) == 1)
				cr_assert_eq(send(y[1], &k, 1, 0), 1);
			ev_run(p.l, NULL, 1);
		}
		if (i > 20) {
			relay_bytewise(x[1], y[1]);
			relay_bytewise(y[1], x[1]);
		}
	}
	cr_assert_eq(p.a.shaken, 1);
	cr_assert_eq(p.c.shaken, 1);
	cr_assert_eq(p.a.got, 13);
	close(x[1]); /* without close_notify: an end like any other, framing tells what was cut */
	cr_assert(ev_run(p.l, &p.a.done, 500));
	cr_assert(p.a.s.eof && !p.a.s.error);
	close(y[1]);
	tls_ctx_unref(a);
	tls_ctx_unref(c);
	pair_close(&p);
}

Test(tls, a_corrupted_record_is_an_error)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;
	static const char junk[] = "\x17\x03\x03\x00\x20zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

	shake(&p, &ap, &cp, "db.example");
	cr_assert_eq(send(p.c.s.fd, junk, sizeof(junk) - 1, 0), (ssize_t)sizeof(junk) - 1);
	cr_assert(ev_run(p.l, &p.a.done, 500));
	cr_assert_eq(p.a.s.error, EPROTO);
	cr_assert_eq(p.a.got, 0);
	cr_assert(!stream_write(&p.a.s, "x", 1));
	pair_close(&p);
}

/* ---- much data ---- */

static void much(const char *version, bool by_buf)
{
	enum { N = 10 * 1024 * 1024 };
	struct tls_params ap = accepting(), cp = connecting();
	char *data = malloc(N);
	struct pair p;
	unsigned seed = 3;

	for (size_t i = 0; i < N; i++)
		data[i] = (char)rand_r(&seed);
	cp.protocols = version;
	shake(&p, &ap, &cp, "db.example");
	for (size_t at = 0, n; at < N; at += n) {
		n = 1 + (size_t)rand_r(&seed) % 400000;
		if (n > N - at)
			n = N - at;
		if (by_buf) {
			struct buf b;
			buf_init(&b, 0);
			cr_assert(buf_append(&b, data + at, n));
			cr_assert(stream_flush_buf(&p.a.s, &b));
		} else {
			cr_assert(stream_write(&p.a.s, data + at, n));
		}
		if (at == 0) /* both directions at once */
			cr_assert(stream_write(&p.c.s, data, N / 4));
	}
	cr_assert_gt(stream_queued(&p.a.s), 0);
	stream_linger_close(&p.a.s, 20000000);
	cr_assert(ev_run(p.l, &p.c.done, 20000));
	cr_assert_eq(p.c.got, N);
	cr_assert_eq(p.c.sum, sum_of(data, N, 0));
	cr_assert(p.c.s.eof);
	free(data);
	stream_close(&p.c.s);
	ev_run(p.l, NULL, 50);
	cr_assert_eq(mem_live(MEM_STREAM), 0);
	pair_close(&p);
}
Test(tls, ten_megabytes_1_2)
{
	much("tlsv1.2", false);
}
Test(tls, ten_megabytes_1_3)
{
	much("tlsv1.3", true);
}

Test(tls, key_update_from_the_peer)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;

	shake(&p, &ap, &cp, "db.example");
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(SSL_key_update(p.c.s.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		cr_assert(stream_write(&p.c.s, "after", 5));
		ev_run(p.l, NULL, 15);
		cr_assert(stream_write(&p.a.s, "answer", 6));
		ev_run(p.l, NULL, 15);
	}
	cr_assert_eq(p.a.got, 25);
	cr_assert_eq(p.c.got, 30);
	pair_close(&p);
}

/* Records that carry nothing must not keep the loop to themselves. */
Test(tls, a_flood_of_key_updates_leaves_the_others_their_turn)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;
	int calls;

	shake(&p, &ap, &cp, "db.example");
	for (int i = 0; i < 30; i++) {
		for (int k = 0; k < 1000; k++) {
			cr_assert_eq(SSL_key_update(p.c.s.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
			SSL_do_handshake(p.c.s.ssl);
		}
		ev_run(p.l, NULL, 12);
	}
	calls = p.a.calls;
	cr_assert(stream_write(&p.c.s, "at last", 7));
	for (int i = 0; i < 200 && p.a.got < 7 && !p.a.done; i++)
		ev_run(p.l, NULL, 10);
	cr_assert_eq(p.a.got, 7);
	cr_assert_gt(calls, 3);
	pair_close(&p);
}

/* ---- owners that act inside callbacks, and moving ---- */

Test(tls, closing_inside_callbacks)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct tls_ctx *a = ctx_of(&ap), *c = ctx_of(&cp);
	struct pair p;

	pair_open(&p);
	p.a.free_in_shaken = true;
	pair_start(&p, a, c, "db.example");
	cr_assert_eq(p.a.shaken, 1);
	cr_assert(ev_run(p.l, &p.c.done, 500));
	cr_assert_eq(p.a.calls, 0);
	pair_close(&p);

	pair_open(&p);
	pair_start(&p, a, c, "db.example");
	p.a.close_in_cb = true;
	cr_assert(stream_write(&p.c.s, "x", 1));
	cr_assert(ev_run(p.l, &p.a.done, 500));
	cr_assert_null(p.a.s.ssl);
	pair_close(&p);
	tls_ctx_unref(a);
	tls_ctx_unref(c);
}

Test(tls, moving_under_tls)
{
	struct tls_params ap = accepting(), cp = connecting();
	struct loop_opts o = { .owner = NULL };
	struct loop *l2 = loop_new(&o);
	struct pair p;
	struct end moved = { .got = 0 };

	shake(&p, &ap, &cp, "db.example");
	cr_assert(stream_write(&p.c.s, "one", 3));
	ev_run(p.l, NULL, 30);
	cr_assert_eq(stream_detach(&p.a.s), 0);
	cr_assert(stream_write(&p.c.s, "three", 5));
	moved.s = p.a.s;
	memset(&p.a.s, 0xee, sizeof(p.a.s));
	p.a.s.closed = true;
	cr_assert_eq(stream_attach(&moved.s, l2, &cb, &moved), 0);
	ev_run(l2, NULL, 30);
	cr_assert_eq(moved.got, 5);
	cr_assert(stream_write(&moved.s, "back", 4));
	ev_run(p.l, NULL, 30);
	cr_assert_eq(p.c.got, 4);
	stream_close(&moved.s);
	loop_free(l2);
	pair_close(&p);
}

static void read_one(struct stream *s, void *owner)
{
	struct end *d = owner;
	d->got += stream_read(s, g_room, 1);
	d->calls++;
}

Test(tls, not_movable_with_pending_records)
{
	static const struct stream_cb one = { .readable = read_one };
	struct tls_params ap = accepting(), cp = connecting();
	struct pair p;

	shake(&p, &ap, &cp, "db.example");
	p.a.s.cb = &one;
	cr_assert(stream_write(&p.c.s, "many bytes", 10));
	ev_run(p.l, NULL, 30);
	cr_assert_eq(p.a.got, 1);
	cr_assert_eq(stream_detach(&p.a.s), -1, "nine bytes are inside OpenSSL");
	for (int i = 0; i < 9; i++) {
		stream_resume(&p.a.s); /* no event will come for them */
		ev_run(p.l, NULL, 12);
	}
	cr_assert_eq(p.a.got, 10);
	cr_assert_eq(stream_read(&p.a.s, g_room, 1), 0);
	cr_assert_eq(stream_detach(&p.a.s), 0);
	stream_close(&p.a.s);
	pair_close(&p);
}
