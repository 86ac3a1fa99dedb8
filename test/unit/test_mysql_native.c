/* mysql_native: what servers stored and took (MariaDB 10.11), keys recovered from proofs, wrong
 * and malformed ones. */
#include "base/mem.h"
#include "crypto/mysql_native.h"

#include <criterion/criterion.h>
#include <string.h>

#define APP "*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3"    /* IDENTIFIED BY 'app' */
#define SECRET "*52A04EF78765E21ADCF174CC2A6E22A12FB7401A" /* IDENTIFIED BY 'S3cret!' */
/* a login of MariaDB 10.11 with S3cret! */
static const uint8_t SCRAMBLE[] = { 0x67, 0x51, 0x3c, 0x78, 0x69, 0x29, 0x2b, 0x3a, 0x26, 0x4c,
	0x2d, 0x3a, 0x7a, 0x79, 0x73, 0x55, 0x31, 0x33, 0x4a, 0x5a };
static const uint8_t PROOF[] = { 0x61, 0xdf, 0x97, 0x5f, 0x54, 0xda, 0x32, 0x7d, 0x86, 0x91, 0x9b,
	0x32, 0x5b, 0x1d, 0xbd, 0xc6, 0xef, 0x8b, 0x0f, 0xce };

Test(mysql_native, is_secret)
{
	cr_assert(mysql_native_is_secret(APP, 41));
	cr_assert(mysql_native_is_secret("*5bcb3e6ac345b435c7c2e6b7949a04ce6f6563d3", 41));
	cr_assert(!mysql_native_is_secret(APP, 40));
	cr_assert(!mysql_native_is_secret(APP "0", 42));
	cr_assert(!mysql_native_is_secret("*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563DG", 41));
	cr_assert(!mysql_native_is_secret("05BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3", 41));
	cr_assert(!mysql_native_is_secret("", 0));
}

static void stage2_of(const char *pw, uint8_t stage1[20], uint8_t stage2[20])
{
	struct err e = { 0 };

	cr_assert_eq(mysql_native_stage1(pw, strlen(pw), stage1, &e), 0);
	cr_assert_eq(mysql_native_stage2(stage1, stage2, &e), 0);
}

Test(mysql_native, stage2_is_what_the_server_stores)
{
	uint8_t one[20], two[20], stored[20];

	stage2_of("app", one, two);
	mysql_native_parse(APP, 41, stored);
	cr_assert_arr_eq(two, stored, 20);
}

Test(mysql_native, the_proof_a_server_took)
{
	uint8_t one[20], two[20], proof[20], got[20];
	struct err e = { 0 };
	bool ok = false;

	stage2_of("S3cret!", one, two);
	cr_assert_eq(mysql_native_proof(SCRAMBLE, one, proof, &e), 0);
	cr_assert_arr_eq(proof, PROOF, 20);
	mysql_native_parse(SECRET, 41, two);
	cr_assert_eq(mysql_native_check(SCRAMBLE, two, PROOF, got, &ok, &e), 0);
	cr_assert(ok);
	cr_assert_arr_eq(got, one, 20, "the proof gives stage1 away");
}

Test(mysql_native, a_wrong_proof_teaches_nothing)
{
	static const uint8_t ZERO[20];
	uint8_t two[20], got[20], proof[20];
	struct err e = { 0 };
	bool ok = true;

	mysql_native_parse(SECRET, 41, two);
	memcpy(proof, PROOF, 20);
	proof[19] ^= 1;
	cr_assert_eq(mysql_native_check(SCRAMBLE, two, proof, got, &ok, &e), 0);
	cr_assert(!ok);
	cr_assert_arr_eq(got, ZERO, 20);
	mysql_native_parse(APP, 41, two);
	cr_assert_eq(mysql_native_check(SCRAMBLE, two, PROOF, got, &ok, &e), 0);
	cr_assert(!ok);
}

Test(mysql_native, scrambles_are_strings)
{
	uint8_t a[MYSQL_SCRAMBLE_BYTES], b[MYSQL_SCRAMBLE_BYTES];
	struct err e = { 0 };

	cr_assert_eq(mysql_scramble_make(b, &e), 0);
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(mysql_scramble_make(a, &e), 0);
		for (size_t k = 0; k < sizeof a; k++)
			cr_assert(a[k] > 0 && a[k] < 128 && a[k] != '$');
		cr_assert_arr_neq(a, b, sizeof a);
		memcpy(b, a, sizeof a);
	}
}

/* The OK of a login to MariaDB 11.8.6 over TLS with its self-signed certificate. */
Test(mysql_native, cert_proof)
{
	static const uint8_t scramble[] = { 0x57, 0x4f, 0x63, 0x27, 0x36, 0x78, 0x7b, 0x23, 0x36,
		0x26, 0x5c, 0x7b, 0x78, 0x6a, 0x2a, 0x30, 0x53, 0x31, 0x3a, 0x6d };
	static const uint8_t fp[] = { 0x50, 0xe9, 0xf0, 0xe8, 0xc9, 0xd9, 0x4e, 0x10, 0x3a, 0x3d,
		0xf0, 0xcf, 0x7a, 0xb9, 0x5c, 0x04, 0xbf, 0xdd, 0x94, 0x8e, 0x2c, 0x41, 0x0b, 0x0a,
		0x4c, 0x0c, 0x32, 0x4a, 0xb1, 0x9d, 0xd7, 0xf4 };
	char out[MYSQL_CERT_PROOF_LEN + 1];
	uint8_t two[20];
	struct err e = { 0 };

	mysql_native_parse(APP, 41, two);
	cr_assert_eq(mysql_cert_proof(two, sizeof two, scramble, fp, out, &e), 0);
	cr_assert_str_eq(out, "\001"
			      "73A3FB03A9A3CAA00E453545D9222674E10A4E540A8A0D322D6DE5BD267D2A6D");
}
