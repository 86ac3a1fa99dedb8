/* mysql_sha2: what MySQL 9.7 stored and took; keys recovered from proofs; RSA both ways; hostile
 * keys. */
#include "base/mem.h"
#include "crypto/mysql_sha2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* mysql.user of MySQL 9.7, CREATE USER ... IDENTIFIED WITH caching_sha2_password BY */
static const struct {
	const char *pw, *hex;
} STORED[] = {
	{ "app", "244124303041241E18637F3B3E02560B7E4E69384301786D2A4B0C4B6734447A473976"
		 "3646716C69394F73716D716E7433427163464C4E64694F6D6B34334D4A6B6445476343" },
	{ "app", "244124303035245D1661315E50502569156C351A6B1E1946747B65325537434F69615A"
		 "6579466B4D7954686C684F5A464C57387548562F3454737852394B354F7A4A55507538" },
	{ "Z\xc3\xbcrich 8.0",
		"244124303035246C486B49141D3B21436F784668526F345E40392752484A4E30413168"
		"3062754C345A58316451534C55362F3670765550654651566742596139366446656234" },
	{ "0123456789abcdef0123456789abcdef",
		"24412430303524142330491603514C4E473C33254179654514205C2E39663269537066"
		"535A46634A484F535578627350583332786A63316E6A6B596443566D7A386D51724137" },
	{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"24412430303524133B0A083C1863590767263D766C684E0B5B7C1D5768666236364637"
		"553550495564615636562E44655673784E3733534745557173704C4E334959344C6642" },
	{ "ein ziemlich langes Kennwort, mehr als zweiunddreissig Zeichen, auch \xc3\xbc"
	  "ber vierundsechzig hinaus",
		"24412430304124014B4B5A513B747172365D176F21106E0E7475656B4B625661337271"
		"767332685945547A796B484249654B6F6C2F764F7077474B6850444C2F43703142522E" },
};
#define N_STORED (sizeof STORED / sizeof STORED[0])

/* a fast login at MySQL 9.7 with Zürich 8.0 */
static const uint8_t SCRAMBLE[] = { 0x6b, 0x0d, 0x48, 0x53, 0x76, 0x3c, 0x3c, 0x4a, 0x75, 0x18,
	0x52, 0x4a, 0x70, 0x4a, 0x08, 0x65, 0x01, 0x26, 0x41, 0x0f };
static const uint8_t PROOF[] = { 0xe1, 0xb4, 0xa9, 0x36, 0xfb, 0x3e, 0x39, 0x7d, 0x4d, 0xc0, 0xb5,
	0xb9, 0x88, 0xbf, 0xeb, 0x2f, 0x53, 0x8f, 0x8f, 0xd0, 0xe0, 0x34, 0x62, 0x86, 0x7d, 0xbc,
	0x17, 0x20, 0x1b, 0x97, 0x1d, 0x4a };
#define PW "Z\xc3\xbcrich 8.0"

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

static void unhex(const char *hex, char out[MYSQL_SHA2_SECRET_LEN])
{
	cr_assert_eq(strlen(hex), 2 * MYSQL_SHA2_SECRET_LEN);
	for (size_t i = 0; i < MYSQL_SHA2_SECRET_LEN; i++)
		out[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

Test(mysql_sha2, is_secret)
{
	char s[MYSQL_SHA2_SECRET_LEN + 1] = { 0 };

	unhex(STORED[0].hex, s);
	cr_assert(mysql_sha2_is_secret(s, 70));
	cr_assert(!mysql_sha2_is_secret(s, 69));
	cr_assert(!mysql_sha2_is_secret(s, 71));
	s[5] = 'G';
	cr_assert(!mysql_sha2_is_secret(s, 70), "rounds");
	s[3] = s[4] = s[5] = '0';
	cr_assert(!mysql_sha2_is_secret(s, 70), "no rounds");
	s[5] = '5';
	cr_assert(mysql_sha2_is_secret(s, 70));
	s[69] = '$';
	cr_assert(!mysql_sha2_is_secret(s, 70), "hash");
	cr_assert(!mysql_sha2_is_secret("$A$005$", 7));
	cr_assert(!mysql_sha2_is_secret("", 0));
}

Test(mysql_sha2, hexadecimal)
{
	char hex[2 + 2 * MYSQL_SHA2_SECRET_LEN + 1], s[MYSQL_SHA2_SECRET_LEN], want[sizeof s];

	snprintf(hex, sizeof hex, "0x%s", STORED[0].hex);
	unhex(STORED[0].hex, want);
	cr_assert(mysql_sha2_unhex(hex, 142, s));
	cr_assert_arr_eq(s, want, sizeof s);
	cr_assert(!mysql_sha2_unhex(hex, 141, s));
	cr_assert(!mysql_sha2_unhex(hex + 2, 140, s));
	hex[2] = '3';
	cr_assert(!mysql_sha2_unhex(hex, 142, s), "not a secret");
	hex[2] = 'g';
	cr_assert(!mysql_sha2_unhex(hex, 142, s), "not a digit");
}

Test(mysql_sha2, stored_form_of_a_server)
{
	char s[MYSQL_SHA2_SECRET_LEN];
	struct err e = { 0 };
	bool ok;

	for (size_t i = 0; i < N_STORED; i++) {
		const char *pw = STORED[i].pw;

		unhex(STORED[i].hex, s);
		cr_assert_eq(mysql_sha2_secret_check(s, 70, pw, strlen(pw), &ok, &e), 0);
		cr_assert(ok, "%zu: %s", i, pw);
		cr_assert_eq(mysql_sha2_secret_check(s, 70, pw, strlen(pw) - 1, &ok, &e), 0);
		cr_assert(!ok);
		s[4] ^= 1;
		cr_assert_eq(mysql_sha2_secret_check(s, 70, pw, strlen(pw), &ok, &e), 0);
		cr_assert(!ok, "other rounds");
	}
}

Test(mysql_sha2, stored_form_and_odd_passwords)
{
	char s[MYSQL_SHA2_SECRET_LEN], pw[MYSQL_SHA2_PASSWORD_MAX + 1];
	struct err e = { 0 };
	bool ok = true;

	unhex(STORED[1].hex, s);
	memset(pw, 'x', sizeof pw);
	cr_assert_eq(mysql_sha2_secret_check(s, 70, "", 0, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_eq(mysql_sha2_secret_check(s, 70, pw, MYSQL_SHA2_PASSWORD_MAX, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_eq(mysql_sha2_secret_check(s, 70, pw, sizeof pw, &ok, &e), 0);
	cr_assert(!ok, "longer than a server takes");
}

Test(mysql_sha2, the_proof_a_server_took)
{
	uint8_t key[32], verifier[32], proof[32], got[32];
	struct err e = { 0 };
	bool ok = false;

	cr_assert_eq(mysql_sha2_key(PW, strlen(PW), key, &e), 0);
	cr_assert_eq(mysql_sha2_proof(SCRAMBLE, key, proof, &e), 0);
	cr_assert_arr_eq(proof, PROOF, 32);
	cr_assert_eq(mysql_sha2_verifier(key, verifier, &e), 0);
	cr_assert_eq(mysql_sha2_check(SCRAMBLE, verifier, PROOF, got, &ok, &e), 0);
	cr_assert(ok);
	cr_assert_arr_eq(got, key, 32, "the proof gives the key away");
	proof[0] ^= 0x80;
	cr_assert_eq(mysql_sha2_check(SCRAMBLE, verifier, proof, got, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_arr_neq(got, key, 32);
}

static struct mysql_rsa *own_key(void)
{
	struct mysql_rsa *k = NULL;
	struct err e = { 0 };

	cr_assert_eq(mysql_rsa_new(&k, &e), 0, "%s", e.msg);
	return k;
}

Test(mysql_sha2, rsa_there_and_back)
{
	struct mysql_rsa *k = own_key();
	uint8_t out[MYSQL_RSA_MAX_BYTES];
	char pw[300];
	size_t pem_n, out_n, pw_n = 0;
	const char *pem = mysql_rsa_pem(k, &pem_n);
	struct err e = { 0 };
	bool ok = false;

	cr_assert_eq(pem_n, 451, "what MySQL's servers send is as long");
	cr_assert_eq(mysql_rsa_encrypt(pem, pem_n, PW, strlen(PW), SCRAMBLE, out, &out_n, &e), 0);
	cr_assert_eq(out_n, 256);
	cr_assert_eq(mysql_rsa_decrypt(k, out, out_n, SCRAMBLE, pw, sizeof pw, &pw_n, &ok, &e), 0);
	cr_assert(ok);
	cr_assert_eq(pw_n, strlen(PW));
	cr_assert_str_eq(pw, PW);
	out[17] ^= 1;
	cr_assert_eq(mysql_rsa_decrypt(k, out, out_n, SCRAMBLE, pw, sizeof pw, &pw_n, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_eq(mysql_rsa_decrypt(k, out, 3, SCRAMBLE, pw, sizeof pw, &pw_n, &ok, &e), 0);
	cr_assert(!ok);
	mysql_rsa_free(&k);
	cr_assert_null(k);
	cr_assert_eq(mem_live(MEM_AUTH), 0);
}

Test(mysql_sha2, rsa_limits)
{
	struct mysql_rsa *k = own_key();
	uint8_t out[MYSQL_RSA_MAX_BYTES];
	char pw[300];
	size_t pem_n, out_n, pw_n;
	const char *pem = mysql_rsa_pem(k, &pem_n);
	struct err e = { 0 };
	bool ok;

	memset(pw, 'x', sizeof pw);
	cr_assert_lt(mysql_rsa_encrypt(pem, pem_n, pw, 214, SCRAMBLE, out, &out_n, &e), 0);
	cr_assert_eq(e.code, ERR_SERVER_PROTOCOL);
	cr_assert_eq(mysql_rsa_encrypt(pem, pem_n, pw, 213, SCRAMBLE, out, &out_n, &e), 0);
	cr_assert_eq(mysql_rsa_decrypt(k, out, out_n, SCRAMBLE, pw, 213, &pw_n, &ok, &e), 0);
	cr_assert(!ok, "no room for the NUL");
	/* another scramble: the NUL is not where it belongs */
	uint8_t other[MYSQL_SCRAMBLE_BYTES] = { 1 };
	cr_assert_eq(mysql_rsa_decrypt(k, out, out_n, other, pw, sizeof pw, &pw_n, &ok, &e), 0);
	cr_assert(!ok);
	mysql_rsa_free(&k);
}

/* openssl genpkey -algorithm ed25519 | openssl pkey -pubout */
#define ED_PEM \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MCowBQYDK2VwAyEAxbHmxsZ3wrZkNn4Nh4omIv64c7XotBA3ZEvtFYY2rok=\n" \
	"-----END PUBLIC KEY-----\n"

Test(mysql_sha2, rsa_hostile_keys)
{
	uint8_t out[MYSQL_RSA_MAX_BYTES];
	char big[MYSQL_RSA_PEM_MAX + 1] = { 0 };
	size_t n;
	struct err e = { 0 };
	const struct {
		const char *pem;
		size_t n;
	} bad[] = { { "", 0 }, { "x", 1 }, { ED_PEM, strlen(ED_PEM) }, { big, sizeof big },
		{ "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n", 57 } };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_lt(
			mysql_rsa_encrypt(bad[i].pem, bad[i].n, "x", 1, SCRAMBLE, out, &n, &e), 0);
		cr_assert_eq(e.code, ERR_SERVER_PROTOCOL);
	}
}
