/* hba: what each field means, first match wins, and every mistake is reported with its line. */
#include "auth/hba.h"
#include "auth/ldap_opts.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(hba, .fini = assert_all_back);

static struct hba *parse(const char *text)
{
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_parse("hba.conf", text, strlen(text), &h, &p), 0, "%s", problems_text(&p));
	cr_assert_eq(p.errors_n, 0);
	problems_fini(&p);
	return h;
}

/* The line that matches, 0 for none. ip NULL: unix socket. */
static unsigned match(
	const struct hba *h, const char *ip, bool tls, const char *db, const char *user)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct hba_query q = { .is_unix = ip == NULL, .is_tls = tls, .db = db, .user = user };
	const void *sa = NULL;

	if (ip && strchr(ip, ':')) {
		cr_assert_eq(inet_pton(AF_INET6, ip, &a6.sin6_addr), 1);
		sa = &a6;
	} else if (ip) {
		cr_assert_eq(inet_pton(AF_INET, ip, &a4.sin_addr), 1);
		sa = &a4;
	}
	q.addr = sa;
	const struct hba_rule *r = hba_find(h, &q);

	return r ? r->line : 0;
}

static unsigned match_one(
	const char *line, const char *ip, bool tls, const char *db, const char *user)
{
	struct hba *h = parse(line);
	unsigned n = match(h, ip, tls, db, user);

	hba_free(&h);
	return n;
}

Test(hba, types)
{
	static const char text[] = "hostssl all all 10.0.0.0/8 cert\n"
				   "hostnossl all all 10.0.0.0/8 reject\n"
				   "host all all 192.168.0.0/16 md5\n"
				   "local all all peer\n";
	struct hba *h = parse(text);

	cr_assert_eq(hba_rules_n(h), 4);
	cr_assert_eq(match(h, "10.1.2.3", true, "d", "u"), 1);
	cr_assert_eq(match(h, "10.1.2.3", false, "d", "u"), 2);
	cr_assert_eq(match(h, "192.168.1.1", true, "d", "u"), 3);
	cr_assert_eq(match(h, "192.168.1.1", false, "d", "u"), 3);
	cr_assert_eq(match(h, NULL, false, "d", "u"), 4);
	cr_assert_eq(match(h, NULL, true, "d", "u"), 4, "TLS over a unix socket is local");
	cr_assert_eq(match(h, "11.0.0.1", true, "d", "u"), 0);
	cr_assert_eq(match(NULL, "10.1.2.3", true, "d", "u"), 0, "no file, nobody");
	cr_assert_str_eq(hba_rule_at(h, 0)->file, "hba.conf");
	cr_assert_eq(hba_rule_at(h, 0)->method, AUTH_CERT);
	cr_assert_null(hba_rule_at(h, 4));
	hba_free(&h);
	cr_assert_null(h);
}

Test(hba, first_match_wins)
{
	struct hba *h = parse("host all evil 0.0.0.0/0 reject\n"
			      "host app all 0.0.0.0/0 md5\n"
			      "host all all 0.0.0.0/0 scram-sha-256\n");

	cr_assert_eq(match(h, "1.2.3.4", false, "app", "evil"), 1);
	cr_assert_eq(match(h, "1.2.3.4", false, "app", "good"), 2);
	cr_assert_eq(match(h, "1.2.3.4", false, "other", "good"), 3);
	hba_free(&h);
}

Test(hba, methods)
{
	static const struct {
		const char *name;
		enum auth_method m;
	} t[] = { { "trust", AUTH_TRUST }, { "reject", AUTH_REJECT }, { "md5", AUTH_MD5 },
		{ "scram-sha-256", AUTH_SCRAM }, { "password", AUTH_PLAIN },
		{ "plain", AUTH_PLAIN }, { "cert", AUTH_CERT }, { "pam", AUTH_PAM },
		{ "ldap", AUTH_LDAP } };

	for (size_t i = 0; i < N(t); i++) {
		char line[100];

		(void)snprintf(line, sizeof line, "hostssl all all all %s", t[i].name);
		struct hba *h = parse(line);

		cr_assert_eq(hba_rule_at(h, 0)->method, t[i].m, "%s", line);
		hba_free(&h);
	}
}

Test(hba, names)
{
	static const struct {
		const char *line, *db, *user;
		bool matches;
	} t[] = {
		{ "local a,b,c all trust", "b", "u", true },
		{ "local a,b,c all trust", "d", "u", false },
		{ "local a , b,c all trust", "b", "u", true },
		{ "local \"a b\" all trust", "a b", "u", true },
		{ "local \"a,b\" all trust", "a,b", "u", true },
		{ "local \"a,b\" all trust", "a", "u", false },
		{ "local \"a\"\"b\" all trust", "a\"b", "u", true },
		{ "local a\"b c\"d all trust", "ab cd", "u", true },
		{ "local sameuser all trust", "u", "u", true },
		{ "local sameuser all trust", "d", "u", false },
		{ "local x,sameuser all trust", "u", "u", true },
		{ "local \"sameuser\" all trust", "u", "u", false },
		{ "local \"sameuser\" all trust", "sameuser", "u", true },
		{ "local \"all\" all trust", "d", "u", false },
		{ "local \"all\" all trust", "all", "u", true },
		{ "local all \"all\" trust", "d", "u", false },
		{ "local all sameuser trust", "sameuser", "u", false }, /* a user of that name */
		{ "local all sameuser trust", "d", "sameuser", true },
		{ "local all a,u trust", "d", "u", true },
		{ "local all a,u trust", "d", "U", false },
		{ "local all \"+u\" trust", "d", "+u", true },
		{ "local \"@f\" all trust", "@f", "u", true },
		{ "local all \"/u\" trust", "d", "/u", true },
		{ "local all all trust", "", "u", true },
		{ "local ALL all trust", "d", "u", false }, /* keywords are lower case */
		{ "local replication all trust", "replication", "u", false },
		{ "local \"replication\" all trust", "replication", "u", true },
	};

	for (size_t i = 0; i < N(t); i++)
		cr_assert_eq(match_one(t[i].line, NULL, false, t[i].db, t[i].user), t[i].matches,
			"%s: db %s user %s", t[i].line, t[i].db, t[i].user);
}

Test(hba, physical_replication)
{
	struct hba *h = parse("local all all md5\nlocal a,replication all trust\n");
	struct hba_query q = {
		.is_unix = true, .physical_replication = true, .db = "a", .user = "u"
	};

	cr_assert_eq(hba_find(h, &q)->line, 2, "all does not speak about walsenders");
	q.physical_replication = false;
	cr_assert_eq(hba_find(h, &q)->line, 1);
	hba_free(&h);
}

Test(hba, addresses)
{
	static const struct {
		const char *addr, *ip;
		bool matches;
	} t[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0 255.0.0.0", "10.9.9.9", true },
		{ "10.0.0.0 255.0.0.0", "12.9.9.9", false },
		{ "10.0.0.5/32", "10.0.0.5", true },
		{ "10.0.0.5/32", "10.0.0.4", false },
		{ "10.0.0.4/31", "10.0.0.5", true },
		{ "10.0.0.4/30", "10.0.0.8", false },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "all", "1.2.3.4", true },
		{ "all", "fe80::1", true },
		{ "::1/128", "::1", true },
		{ "::1/128", "::2", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:db8:: ffff:ffff::", "2001:db8:1::", true },
		/* the same client through an IPv6 socket */
		{ "10.0.0.0/8", "::ffff:10.1.1.1", true },
		{ "10.0.0.0/8", "::ffff:11.1.1.1", false },
		{ "::/0", "::ffff:10.1.1.1", false },
		{ "samehost", "127.0.0.1", true },
		{ "samehost", "203.0.113.77", false },
		{ "samenet", "127.3.3.3", true },
		{ "samenet", "203.0.113.77", false },
	};

	for (size_t i = 0; i < N(t); i++) {
		char line[200];

		(void)snprintf(line, sizeof line, "host all all %s trust", t[i].addr);
		cr_assert_eq(match_one(line, t[i].ip, false, "d", "u"), t[i].matches, "%s: %s",
			line, t[i].ip);
	}
}

Test(hba, address_is_needed)
{
	struct hba *h = parse("host all all all trust\n");
	struct hba_query q = { .db = "d", .user = "u", .addr = NULL };
	struct sockaddr odd = { .sa_family = AF_UNIX };

	cr_assert_null(hba_find(h, &q), "no address: no match, not even all");
	q.addr = &odd;
	cr_assert_null(hba_find(h, &q));
	hba_free(&h);
}

Test(hba, bits_outside_of_the_mask_warn)
{
	static const char text[] = "host all all 10.0.0.1/8 trust";
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_parse("hba.conf", text, strlen(text), &h, &p), 0);
	cr_assert_eq(p.warnings_n, 1);
	cr_assert(strstr(problems_text(&p), "hba.conf:1: warning: "));
	cr_assert_eq(match(h, "10.2.2.2", false, "d", "u"), 1);
	hba_free(&h);
	problems_fini(&p);
}

Test(hba, comments_blanks_and_continuations)
{
	struct hba *h = parse("# comment\n"
			      "\n"
			      "   \t \r\n"
			      "local all all trust # behind\n"
			      "host all \\\n"
			      "  all 10.0.0.0/8 \\\r\n"
			      "  md5\n"
			      "# a comment goes on \\\n"
			      "host all all 0.0.0.0/0 trust\n"
			      "local all all reject");

	cr_assert_eq(hba_rules_n(h), 3);
	cr_assert_eq(hba_rule_at(h, 0)->line, 4);
	cr_assert_eq(hba_rule_at(h, 1)->line, 5);
	cr_assert_eq(hba_rule_at(h, 2)->line, 10);
	cr_assert_eq(match(h, "11.0.0.1", false, "d", "u"), 0, "the continued comment is one");
	hba_free(&h);
	h = parse("");
	cr_assert_eq(hba_rules_n(h), 0);
	hba_free(&h);
}

Test(hba, options)
{
	struct hba *h = parse("hostssl all all all cert map=staff\n"
			      "local all all peer map=\"two words\"\n"
			      "host all all all pam pamservice=db\n"
			      "hostssl all all all scram-sha-256 clientcert=verify-full\n"
			      "host all all all ldap ldapserver=a ldapport=1389 ldapprefix=\"cn=\" "
			      "ldapsuffix=\", dc=example\"\n"
			      "host all all all ldap\n"
			      "host all all all ldap ldapurl=\"ldap://h:99/dc=a,dc=b?uid?sub\" "
			      "ldapbinddn=cn=x,dc=a\n");
	const struct hba_rule *r;
	struct ldap_opts o;
	struct err e = { 0 };

	cr_assert_str_eq(hba_rule_at(h, 0)->map, "staff");
	cr_assert_str_eq(hba_rule_at(h, 1)->map, "two words");
	cr_assert_str_eq(hba_rule_at(h, 2)->pam_service, "db");
	r = hba_rule_at(h, 3);
	cr_assert(r->clientcert && r->clientcert_full);
	cr_assert_eq(ldap_opts_parse(hba_rule_at(h, 4)->ldap, &o, &e), 0, "%s", e.msg);
	cr_assert_str_eq(o.suffix, ", dc=example");
	cr_assert_str_eq(o.prefix, "cn=");
	cr_assert_eq(o.port, 1389);
	ldap_opts_fini(&o);
	cr_assert_null(hba_rule_at(h, 5)->ldap);
	cr_assert_eq(ldap_opts_parse(hba_rule_at(h, 6)->ldap, &o, &e), 0, "%s", e.msg);
	cr_assert_str_eq(o.server, "h");
	cr_assert_eq(o.port, 99);
	cr_assert_str_eq(o.basedn, "dc=a,dc=b");
	cr_assert_str_eq(o.searchattribute, "uid");
	cr_assert_eq(o.scope, 2);
	cr_assert_str_eq(o.binddn, "cn=x,dc=a");
	ldap_opts_fini(&o);
	hba_free(&h);
}

Test(hba, each_mistake)
{
	static const struct {
		const char *line, *what;
	} t[] = {
		{ "hots all all all trust", "did you mean \"host\"" },
		{ "host", "ends before the database" },
		{ "host all", "ends before the user" },
		{ "host all all", "ends before the address" },
		{ "host all all all", "ends before the authentication method" },
		{ "local all all", "ends before the authentication method" },
		{ "host all all trust", "not an IP address" },
		{ "host all all example.com trust", "host names are not supported" },
		{ "host all all .example.com trust", "not an IP address" },
		{ "host all all 10.0.0.1 trust", "needs a mask" },
		{ "host all all 10.0.0.1", "needs a mask" },
		{ "host all all 10.0.0.1/33 trust", "mask length" },
		{ "host all all 10.0.0.1/ trust", "mask length" },
		{ "host all all 10.0.0.1/-1 trust", "mask length" },
		{ "host all all 10.0.0.1/8x trust", "mask length" },
		{ "host all all ::1/129 trust", "mask length" },
		{ "host all all 10.0.0 255.0.0.0 trust", "not an IP address" },
		{ "host all all 10.0.0.0 ffff:: trust", "different families" },
		{ "host all all 10.0.0.0/8,11.0.0.0/8 trust", "list of addresses" },
		{ "host all all all trst", "did you mean \"trust\"" },
		{ "host all all all scram-sha256", "did you mean \"scram-sha-256\"" },
		{ "host all all all gss", "not supported" },
		{ "host all all all any", "unknown authentication method" },
		{ "host all all all hba", "unknown authentication method" },
		{ "host all all all md5,trust", "more than one" },
		{ "host all all all peer", "local lines only" },
		{ "local all all cert", "TLS" },
		{ "hostnossl all all all cert", "TLS" },
		{ "hostgssenc all all all trust", "GSSAPI" },
		{ "include other.conf", "include" },
		{ "local samerole all trust", "samerole" },
		{ "local all +admins trust", "role groups" },
		{ "local all /^a trust", "regular expressions" },
		{ "local all @/nonexistent/file trust", "/nonexistent/file" },
		{ "local all @ trust", "@ without a file name" },
		{ "local \"\" all trust", "empty name" },
		{ "local a,,b all trust", "comma" },
		{ "local , all trust", "list of connection types" },
		{ ",local all all trust", "comma" },
		{ "local,host all all trust", "list of connection types" },
		{ "local all all trust,", "comma" },
		{ "local \"all all trust", "not closed" },
		{ "local all all trust map=x", "cert and peer only" },
		{ "local all all peer mpa=x", "did you mean \"map\"" },
		{ "local all all peer map", "name=value" },
		{ "local all all md5 pamservice=x", "pam only" },
		{ "local all all md5 ldapserver=x", "ldap only" },
		{ "local all all ldap ldapserver=x", "ldapbasedn" },
		{ "local all all ldap ldapport=99999 ldapserver=x ldapprefix=y", "ldapport" },
		{ "local all all ldap ldapurl=http://x/", "ldapurl" },
		{ "host all all all md5 clientcert=verify-full", "hostssl" },
		{ "hostssl all all all md5 clientcert=1", "verify-ca or verify-full" },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct problems p;
		struct hba *h = NULL;

		problems_init(&p);
		cr_assert_eq(hba_parse("hba.conf", t[i].line, strlen(t[i].line), &h, &p), -1, "%s",
			t[i].line);
		cr_assert_null(h);
		cr_assert_eq(p.errors_n, 1, "%s:\n%s", t[i].line, problems_text(&p));
		cr_assert(strncmp(problems_text(&p), "hba.conf:1: ", 12) == 0, "%s",
			problems_text(&p));
		cr_assert(strstr(problems_text(&p), t[i].what), "%s: %s", t[i].line,
			problems_text(&p));
		problems_fini(&p);
	}
}

Test(hba, all_mistakes_at_once)
{
	static const char text[] = "local all all trust\n"
				   "locl all all trust\n"
				   "local all all trust\n"
				   "host all all \\\n10.0.0.0/99 trust\n"
				   "local all +a,+b md5\n";
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_parse("x", text, strlen(text), &h, &p), -1);
	cr_assert_eq(p.errors_n, 4, "%s", problems_text(&p));
	cr_assert(strstr(problems_text(&p), "x:2: "));
	cr_assert(strstr(problems_text(&p), "x:4: "));
	cr_assert(strstr(problems_text(&p), "x:6: "));
	problems_fini(&p);
}

Test(hba, endless_mistakes_are_bounded)
{
	struct problems p;
	struct hba *h = NULL;
	struct buf b;

	problems_init(&p);
	buf_init(&b, 0);
	for (int i = 0; i < 10000; i++)
		buf_puts(&b, "nonsense\n");
	cr_assert_eq(hba_parse("x", (char *)buf_data(&b), buf_len(&b), &h, &p), -1);
	cr_assert_eq(p.errors_n, 10000);
	cr_assert_lt(strlen(problems_text(&p)), 20000);
	buf_fini(&b);
	problems_fini(&p);
}

Test(hba, nul_bytes_are_refused)
{
	static const char text[] = "local all al\0l trust\n";
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_parse("x", text, sizeof text - 1, &h, &p), -1);
	problems_fini(&p);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	fclose(f);
}

static void rm_file(const char *dir, const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	cr_assert_eq(unlink(path), 0);
}

Test(hba, name_files)
{
	char dir[] = "/tmp/weirpool-hba-XXXXXX", path[300];
	struct problems p;
	struct hba *h = NULL;

	cr_assert_not_null(mkdtemp(dir));
	put_file(dir, "hba.conf", "local @dbs @users trust\nlocal all x,@\"users\" md5\n");
	put_file(dir, "dbs", "one, two\nthree # comment\n\n\"all\"\n@more\n");
	put_file(dir, "more", "four,,\n");
	put_file(dir, "users", "u\n");
	(void)snprintf(path, sizeof path, "%s/hba.conf", dir);
	problems_init(&p);
	cr_assert_eq(hba_load(path, &h, &p), 0, "%s", problems_text(&p));
	cr_assert_eq(match(h, NULL, false, "one", "u"), 1);
	cr_assert_eq(match(h, NULL, false, "three", "u"), 1);
	cr_assert_eq(match(h, NULL, false, "four", "u"), 1);
	cr_assert_eq(match(h, NULL, false, "all", "u"), 1);
	cr_assert_eq(match(h, NULL, false, "five", "u"), 2);
	cr_assert_eq(match(h, NULL, false, "one", "comment"), 0);
	hba_free(&h);

	put_file(dir, "more", "@more\n"); /* itself */
	cr_assert_eq(hba_load(path, &h, &p), -1);
	cr_assert(strstr(problems_text(&p), "nested too deeply"), "%s", problems_text(&p));
	problems_fini(&p);

	problems_init(&p);
	put_file(dir, "more", "good\n+bad\n");
	cr_assert_eq(hba_load(path, &h, &p), -1);
	cr_assert(strstr(problems_text(&p), "/more:2: role groups"), "%s", problems_text(&p));
	problems_fini(&p);
	rm_file(dir, "hba.conf");
	rm_file(dir, "dbs");
	rm_file(dir, "more");
	rm_file(dir, "users");
	cr_assert_eq(rmdir(dir), 0);
}

Test(hba, missing_file)
{
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	cr_assert_eq(hba_load("/nonexistent/hba", &h, &p), -1);
	cr_assert_eq(p.errors_n, 1);
	cr_assert(strstr(problems_text(&p), "/nonexistent/hba: No such file"));
	problems_fini(&p);
}

/* ---- LDAP options by themselves ---- */

Test(hba, ldap_options)
{
	static const struct {
		const char *text, *what; /* what: NULL if right */
	} t[] = {
		{ "ldapserver=\"a b\" ldapprefix=x", NULL },
		{ "ldapurl=\"ldap://127.0.0.1:12345/dc=example,dc=net?uid?sub\"", NULL },
		{ "ldapurl=ldaps://h/dc=x", NULL },
		{ "ldapurl=ldap://[::1]:99/dc=x?uid", NULL },
		{ "ldapurl=ldap://h/dc=x?"
		  "?"
		  "?(uid=$username)",
			NULL },
		{ "ldapserver=h ldapbasedn=dc=x ldaptls=1", NULL },
		{ "", "needs ldapserver" },
		{ "ldapbasedn=x", "needs ldapserver" },
		{ "ldapserver", "name=value" },
		{ "ldapserver=\"x", "not closed" },
		{ "ldapservr=x", "did you mean \"ldapserver\"" },
		{ "ldapserver=h ldapprefix=x ldapbasedn=y", "cannot be mixed" },
		{ "ldapserver=h ldapbasedn=y ldapsearchattribute=a ldapsearchfilter=b",
			"together" },
		{ "ldapserver=h ldapbasedn=y ldaptls=yes", "0 or 1" },
		{ "ldapserver=h ldapbasedn=y ldaptls=1 ldapscheme=ldaps", "exclude" },
		{ "ldapserver=h ldapbasedn=y ldapscheme=x", "ldapscheme" },
		{ "ldapurl=ldap://h:0/dc=x", "ldapport" },
		{ "ldapurl=ldap://[::1/dc=x", "]" },
		{ "ldapurl=ldap://h/dc=x?a?b?c?d", "extensions" },
		{ "ldapurl=ldap://h/dc=x?a?tree", "scope" },
		{ "ldapurl=ldap://h/dc=%zz", "escape" },
		{ "ldapurl=ldap://h/dc=%", "escape" },
		{ "ldapurl=ldap://h/dc=%0", "escape" },
		{ "ldapurl=ldap://h/dc=%00", "escape" },
		{ "ldapurl=ldap://h", "needs ldapbasedn" },
		{ "ldapurl=ldap://h?x", "/" },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct ldap_opts o;
		struct err e = { 0 };
		int rc = ldap_opts_parse(t[i].text, &o, &e);

		cr_assert_eq(rc, t[i].what ? -1 : 0, "%s: %s", t[i].text, e.msg);
		if (t[i].what)
			cr_assert(strstr(e.msg, t[i].what), "%s: %s", t[i].text, e.msg);
		else
			ldap_opts_fini(&o);
	}
}
