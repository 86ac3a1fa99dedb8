/* account: whose row of mysql.user is it, and what do its rules say. The orders of hosts are those
 * in which real servers took the accounts. */
#include "auth/account.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NATIVE_APP "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"
#define NATIVE_OTHER "*F85A86E6F55A370C1A115F696A9AD71A7869DB81"
#define ED_APP "A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw"

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(account, .fini = assert_all_back);

Test(account, hosts_match)
{
	static const struct {
		const char *host, *name, *addr;
		bool yes;
	} t[] = {
		{ "%", NULL, "10.1.2.3", true },
		{ "", NULL, "10.1.2.3", true },
		{ "10.1.2.3", NULL, "10.1.2.3", true },
		{ "10.1.2.3", NULL, "10.1.2.30", false },
		{ "10.1.%", NULL, "10.1.2.3", true },
		{ "10.1.%", NULL, "10.10.2.3", false },
		{ "10.1.2._", NULL, "10.1.2.3", true },
		{ "10.1.2._", NULL, "10.1.2.33", false },
		{ "%.3", NULL, "10.1.2.3", true },
		{ "10.%.2.%3", NULL, "10.1.2.2.2.33", true },
		{ "10.0.0.0/255.0.0.0", NULL, "10.1.2.3", true },
		{ "10.1.2.0/255.255.255.0", NULL, "10.1.3.3", false },
		{ "10.1.2.3/255.0.0.0", NULL, "10.1.2.3", false }, /* as servers: no network */
		{ "10.1.2.0/24", NULL, "10.1.2.3", true },
		{ "0.0.0.0/0", NULL, "10.1.2.3", true },
		{ "10.1.2.0/33", NULL, "10.1.2.3", false },
		{ "10.1.2.0/24x", NULL, "10.1.2.3", false },
		{ "10.1.2.0/", NULL, "10.1.2.0", false },
		{ "localhost", NULL, "127.0.0.1", false },
		{ "localhost", "localhost", "", true },
		{ "LOCALhost", "localhost", "127.0.0.1", true },
		{ "local%", "localhost", "", true },
		{ "127.0.0.1", "localhost", "", false },
		{ "app\\_1", "app_1", "", true },
		{ "app\\_1", "appx1", "", false },
		{ "2001:db8::%", NULL, "2001:db8::7", true },
		{ "::1", NULL, "::1", true },
		{ "%%%%%%%%%%%%%%%%%%%%%%%%x", NULL, "10.1.2.3", false },
	};
	for (size_t i = 0; i < N(t); i++)
		cr_assert_eq(account_host_matches(t[i].host, t[i].name, t[i].addr, false), t[i].yes,
			"%s and %s", t[i].host, t[i].addr);
	cr_assert(account_host_matches("10.0.0.0/255.0.0.0", NULL, "10.1.2.3", true));
	cr_assert_not(account_host_matches("10.0.0.0/8", NULL, "10.1.2.3", true));
}

static void assert_order(const char *const *host, size_t n, bool mariadb)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			int by = account_host_compare(host[i], host[j], mariadb);
			cr_assert(i == j  ? by == 0
				  : i < j ? by < 0
					  : by > 0,
				"%s and %s: %d", host[i], host[j], by);
		}
}

Test(account, the_order_of_mysql)
{
	static const char *const T[] = { "127.0.0.1", "127.0.0.1/32", "127.0.0.0/24", "127.0.0.0/8",
		"127.0.0.1/255.255.255.255", "127.0.0.0/255.255.255.0", "127.0.0.0/255.0.0.0",
		"localhost", "127.0.0.%", "127.0.0._", "127.0.0%", "127.0.%", "127.0.%.%", "127.%",
		"127.%.%.%", "127%", "1%", "1_7%", "%.0.0.1", "%1", "_27.0.0.1", "%", "" };
	assert_order(T, N(T), false);
}

Test(account, the_order_of_mariadb)
{
	static const char *const T[] = { "127.0.0.1/255.255.255.255", "127.0.0.1",
		"127.0.0.0/255.255.255.0", "127.0.0.0/255.0.0.0", "localhost", "_27.0.0.1",
		"1_7.0.0.1", "127.0.0._", "127_0_0_1", "%127.0.0.1", "127.0.0.1%", "%27.0.0.1",
		"127.%.0.1", "127.0.0.%", "127._._.%", "127.%._._", "%7.0.0.1", "127.0.0%",
		"127.%.%.1", "127.0.%.%", "%.0.0.1", "127.0.%", "%.0.0._", "127.%.%.%", "127.%",
		"12_.%", "%0.1", "127%", "1_7%", "%.0.%", "%.%.1", "1%.%1", "%.%.%.%", "%.1", "12%",
		"_2%", "%1", "1%", "_%", "%_", "%1%", "%0%", "%", "" };
	assert_order(T, N(T), true);
}

/* ---- picking ---- */

static void row(struct buf *b, const char *name, const char *host, const char *plugin,
	const char *secret, const char *here)
{
	const char *cell[ACCOUNT_CELLS] = { name, secret, host, plugin, "N", "N", "", NULL, "", "",
		here, "9.7.4" };
	struct err e = { 0 };
	cr_assert_eq(account_add(b, "app", ACCOUNT_CELLS, cell, &e), 0, "%s", e.msg);
}

static bool pick(struct buf *b, const char *addr, bool local, struct account_fit *a)
{
	struct account_client c = { .addr = addr, .local = local };
	cr_assert(account_is_rows((const char *)buf_data(b), buf_len(b)));
	return account_pick((const char *)buf_data(b), buf_len(b), &c, a);
}

Test(account, the_closest_is_taken_and_ours_must_agree)
{
	struct buf b;
	struct account_fit a;
	buf_init(&b, 0);
	row(&b, "app", "%", "mysql_native_password", NATIVE_APP, "10.0.0.9");
	row(&b, "app", "10.1.%", "mysql_native_password", NATIVE_OTHER, "10.0.0.9");
	row(&b, "app", "10.2.%", "mysql_native_password", NATIVE_APP, "10.0.0.9");
	row(&b, "", "10.3.%", "mysql_native_password", "", "10.0.0.9");
	row(&b, "app", "10.4.%", "authentication_webauthn", "x", "10.0.0.9");
	row(&b, "app", "10.5.%", "ed25519", ED_APP, "10.0.0.9");
	row(&b, "app", "10.6.%", "mysql_native_password", "invalid", "10.0.0.9");
	cr_assert(pick(&b, "10.9.9.9", false, &a) && !a.has_also && !*a.why);
	cr_assert_str_eq(a.secret, NATIVE_APP);
	cr_assert(pick(&b, "10.1.9.9", false, &a) && a.has_also && !*a.why);
	cr_assert_str_eq(a.secret, NATIVE_OTHER);
	cr_assert_str_eq(a.also, NATIVE_APP);
	cr_assert(pick(&b, "10.2.9.9", false, &a) && !a.has_also && !*a.why);
	cr_assert(pick(&b, "10.3.9.9", false, &a) && *a.why && !*a.secret && a.anonymous);
	cr_assert(pick(&b, "10.4.9.9", false, &a) && *a.why);
	cr_assert_str_eq(a.plugin, "authentication_webauthn");
	cr_assert(pick(&b, "10.5.9.9", false, &a) && a.has_also);
	cr_assert_str_eq(a.secret, "ed25519:" ED_APP);
	cr_assert(pick(&b, "10.6.9.9", false, &a) && *a.why && !a.plugin);
	buf_wipe(&b);
}

Test(account, where_we_are)
{
	struct buf b;
	struct account_fit a;
	buf_init(&b, 0);
	row(&b, "app", "localhost", "mysql_native_password", NATIVE_APP, "localhost");
	cr_assert(pick(&b, "", true, &a) && !*a.why);
	cr_assert(pick(&b, "127.0.0.1", true, &a) && !*a.why);
	cr_assert_not(pick(&b, "10.1.2.3", false, &a));
	buf_wipe(&b);
	/* the server is elsewhere: localhost means others */
	row(&b, "app", "localhost", "mysql_native_password", NATIVE_APP, "10.0.0.9");
	cr_assert_not(pick(&b, "", true, &a));
	cr_assert_not(pick(&b, "127.0.0.1", true, &a));
	row(&b, "app", "10.0.%", "mysql_native_password", NATIVE_OTHER, "10.0.0.9");
	cr_assert(pick(&b, "", true, &a) && !*a.why);
	cr_assert_str_eq(a.secret, NATIVE_OTHER);
	buf_wipe(&b);
	/* nobody of this name may come from where we are */
	row(&b, "app", "10.1.%", "mysql_native_password", NATIVE_APP, "10.0.0.9");
	cr_assert(pick(&b, "10.1.1.1", false, &a) && *a.why);
	struct account_client c = { .addr = "10.1.1.1", .links_are_others = true };
	cr_assert(account_pick((const char *)buf_data(&b), buf_len(&b), &c, &a) && !*a.why);
	buf_wipe(&b);
}

Test(account, rows_that_are_refused)
{
	static const char *const CELL[ACCOUNT_CELLS] = { "bob", "x", "%" };
	static const char *const NOBODY[ACCOUNT_CELLS] = { NULL, "x", "%" };
	struct buf b;
	struct err e = { 0 };
	buf_init(&b, 0);
	cr_assert_lt(account_add(&b, "app", 3, CELL, &e), 0);
	cr_assert_lt(account_add(&b, "app", 3, NOBODY, &e), 0);
	cr_assert_lt(account_add(&b, "bob", 2, CELL, &e), 0);
	cr_assert_lt(account_add(&b, "bob", ACCOUNT_CELLS + 1, CELL, &e), 0);
	cr_assert_eq(buf_len(&b), 0);
	cr_assert_eq(account_add(&b, "bob", 3, CELL, &e), 0);
	buf_wipe(&b);
	buf_init(&b, 20);
	cr_assert_lt(account_add(&b, "bob", 3, CELL, &e) + account_add(&b, "bob", 3, CELL, &e), 0);
	buf_wipe(&b);
}

Test(account, rules_in_the_order_of_servers)
{
	static const struct account_conn plain = { 0 }, tls = { .is_tls = true, .cipher = "C" },
					 cert = { .is_tls = true,
						 .cert_verified = true,
						 .cipher = "C",
						 .issuer = "/CN=ca",
						 .subject = "/CN=app" },
					 untrusted = { .is_tls = true,
						 .cipher = "C",
						 .issuer = "/CN=ca",
						 .subject = "/CN=app" };
	static const struct {
		enum account_tls tls; /* of MariaDB; MySQL's differ with a cipher alone */
		const char *cipher, *issuer, *subject;
		bool locked, expired;
		const struct account_conn *c;
		enum err_code code;
	} t[] = {
		{ ACCOUNT_TLS_NO, "", "", "", false, false, &plain, ERR_NONE },
		{ ACCOUNT_TLS_NO, "", "", "", true, true, &plain, ERR_ACCOUNT_LOCKED },
		{ ACCOUNT_TLS_NO, "", "", "", false, true, &plain, ERR_PASSWORD_EXPIRED },
		{ ACCOUNT_TLS_ANY, "", "", "", true, true, &plain, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_ANY, "", "", "", true, true, &tls, ERR_ACCOUNT_LOCKED },
		{ ACCOUNT_TLS_ANY, "", "", "", false, false, &tls, ERR_NONE },
		{ ACCOUNT_TLS_X509, "", "", "", false, false, &tls, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_X509, "", "", "", false, false, &untrusted, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_X509, "", "", "", false, false, &cert, ERR_NONE },
		{ ACCOUNT_TLS_SPECIFIED, "C", "", "", false, false, &plain, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_SPECIFIED, "C", "", "", false, false, &tls, ERR_NONE },
		{ ACCOUNT_TLS_SPECIFIED, "D", "", "", false, false, &tls, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_SPECIFIED, "", "/CN=ca", "", false, false, &tls, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_SPECIFIED, "", "/CN=ca", "", false, false, &cert, ERR_NONE },
		{ ACCOUNT_TLS_SPECIFIED, "", "/CN=cb", "", false, false, &cert, ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_SPECIFIED, "", "", "/CN=app", false, false, &cert, ERR_NONE },
		{ ACCOUNT_TLS_SPECIFIED, "", "", "/CN=app", false, false, &untrusted,
			ERR_ACCOUNT_TLS },
		{ ACCOUNT_TLS_SPECIFIED, "", "", "/CN=bob", false, false, &cert, ERR_ACCOUNT_TLS },
	};
	for (size_t i = 0; i < N(t); i++) {
		struct account_fit a = { .tls = t[i].tls,
			.cipher = t[i].cipher,
			.issuer = t[i].issuer,
			.subject = t[i].subject,
			.cipher_alone = true,
			.locked = t[i].locked,
			.expired = t[i].expired };
		struct err e = { 0 };
		cr_assert_eq(
			account_check(&a, t[i].c, &e), t[i].code == ERR_NONE ? 0 : -1, "%zu", i);
		cr_assert_eq(e.code, t[i].code, "%zu: %s", i, e.msg);
	}
	struct account_fit a = {
		.tls = ACCOUNT_TLS_SPECIFIED, .cipher = "C", .issuer = "", .subject = ""
	};
	struct err e = { 0 };
	cr_assert_lt(account_check(&a, &tls, &e), 0);
	cr_assert_eq(account_check(&a, &cert, &e), 0);
}
