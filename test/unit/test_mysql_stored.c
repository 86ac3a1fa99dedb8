/* mysql_stored: what MySQL 9.7 and MariaDB 11.8 wrote for the password "app". */
#include "crypto/mysql_stored.h"

#include <criterion/criterion.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *const OF_APP[] = {
	"app",
	"*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3",
	"$A$00A$eMZR\x0b\x0e\\)K'X8\x17N%hy.\r3UbNsmEldrbDbt5U8JUNgGZSkQZCn35Rakw2PMHwGgg0",
	"sha256_password:$5$\x1e\\J 5zX\x1e"
	"dH\x1b[\x1a"
	"c7x\x0f\\%v$nLI71Moj4GigJgHZLpGvMpmOZn789JHYgZkBy0QY.Z.",
	"ed25519:A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw",
	"parsec:P0:rK8pQVCTsgC7RopFLVboj+Eu:h6yhB5MuxC8P4BRFSKD+npW3ceV4MFHvzCuJs2kQ8R8",
};

static bool fits(const char *secret, const char *pw)
{
	bool ok = true;
	struct err e = { 0 };
	cr_assert_eq(mysql_stored_check(secret, strlen(secret), pw, strlen(pw), &ok, &e), 0, "%s",
		e.msg);
	return ok;
}

Test(mysql_stored, what_servers_wrote)
{
	for (size_t i = 0; i < N(OF_APP); i++) {
		cr_assert(fits(OF_APP[i], "app"), "%zu", i);
		cr_assert_not(fits(OF_APP[i], "App"), "%zu", i);
		cr_assert_not(fits(OF_APP[i], ""), "%zu", i);
		if (i > 0)
			cr_assert_not(fits(OF_APP[i], OF_APP[i]), "%zu", i);
		cr_assert_eq(mysql_stored_is_named(OF_APP[i], strlen(OF_APP[i])), i > 2, "%zu", i);
	}
	cr_assert(fits("", ""));
	cr_assert_not(fits("", "app"));
}

Test(mysql_stored, malformed_ones_are_not_named)
{
	static const char *const BAD[] = { "ed25519:", "parsec:", "sha256_password:", "ed25519:x",
		"ed25519:A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw=",
		"ed25519:A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Ey!",
		"parsec:P4:rK8pQVCTsgC7RopFLVboj+Eu:h6yhB5MuxC8P4BRFSKD+npW3ceV4MFHvzCuJs2kQ8R8",
		"parsec:P0:rK8pQVCTsgC7RopFLVboj+E:h6yhB5MuxC8P4BRFSKD+npW3ceV4MFHvzCuJs2kQ8R8",
		"sha256_password:$5$abcdefghijklmnopqrst$short", "ed25518:", "" };
	for (size_t i = 0; i < N(BAD); i++)
		cr_assert_not(mysql_stored_is_named(BAD[i], strlen(BAD[i])), "%zu", i);
}

/* As much work, and nobody's. */
Test(mysql_stored, decoys)
{
	char decoy[MYSQL_STORED_MAX + 1], again[MYSQL_STORED_MAX + 1];
	for (size_t i = 0; i < N(OF_APP); i++) {
		size_t n = strlen(OF_APP[i]);
		mysql_stored_decoy(OF_APP[i], n, decoy);
		mysql_stored_decoy(OF_APP[i], n, again);
		cr_assert_str_eq(decoy, again);
		cr_assert_not(fits(decoy, "app"), "%zu", i);
		if (i < 2) {
			cr_assert_str_eq(decoy, "");
			continue;
		}
		cr_assert_eq(strlen(decoy), n, "%zu", i);
		cr_assert_eq(memcmp(decoy, OF_APP[i], 7), 0, "%zu", i);
		cr_assert_eq(mysql_stored_is_named(decoy, n), i > 2, "%zu", i);
	}
}
