/* hash - weirpool hash USER: a line for auth_file, with a secret in place of the password. The
 * password comes from the terminal or from standard input, never from the command line, where
 * everybody on the machine could read it. */
#include "tool_int.h"

#include "base/mem.h"
#include "base/num.h"
#include "crypto/digest.h"
#include "crypto/md5pw.h"
#include "crypto/mysql_sha2.h"
#include "crypto/scram.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 1024
#define SECRET_MAX 600

static const char usage_text[] =
	"Usage: weirpool hash [OPTION] USER\n"
	"Prints a line for auth_file. The password is asked for, or read from standard input.\n"
	"      --scram           SCRAM-SHA-256, for PostgreSQL's clients (default)\n"
	"      --md5             PostgreSQL's md5, for clients that know nothing better\n"
	"      --mysql-native    mysql_native_password\n"
	"      --caching-sha2    caching_sha2_password, MySQL 8.0 and later\n"
	"      --iterations=N    of SCRAM (4096)\n"
	"  -h, --help            print this\n";

enum { HASH_SCRAM = 1, HASH_MD5, HASH_NATIVE, HASH_SHA2, HASH_ITERATIONS };

static const struct option longs[] = {
	{ "scram", no_argument, NULL, HASH_SCRAM },
	{ "md5", no_argument, NULL, HASH_MD5 },
	{ "mysql-native", no_argument, NULL, HASH_NATIVE },
	{ "caching-sha2", no_argument, NULL, HASH_SHA2 },
	{ "iterations", required_argument, NULL, HASH_ITERATIONS },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct hash {
	int kind;            /* 0: not said, SCRAM */
	uint32_t iterations; /* 0: not said */
	const char *user;
	char password[PASSWORD_MAX + 2], secret[SECRET_MAX];
};

/* One line without its end. -1: there is none, or it is too long. */
static int read_line(char *out, size_t size)
{
	if (!fgets(out, (int)size, stdin))
		return -1;
	size_t n = strcspn(out, "\r\n");
	bool whole = out[n] != '\0' || n + 1 < size;
	out[n] = '\0';
	return whole ? 0 : -1;
}

/* From the terminal, unseen. */
static int ask(const char *prompt, char *out, size_t size)
{
	struct termios was, quiet;
	if (tcgetattr(STDIN_FILENO, &was) != 0)
		return -1;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* before anybody is invited to type */
	fputs(prompt, stderr);
	int rc = read_line(out, size);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	fputs("\n", stderr);
	return rc;
}

static int read_password(struct hash *h)
{
	char again[sizeof h->password];
	if (!isatty(STDIN_FILENO)) {
		if (read_line(h->password, sizeof h->password) == 0 && *h->password)
			return 0;
		tool_say("hash", "no password on standard input, or a longer one than %d bytes",
			PASSWORD_MAX);
		return -1;
	}
	int rc = ask("Password: ", h->password, sizeof h->password);
	if (rc == 0)
		rc = ask("Again: ", again, sizeof again);
	if (rc != 0 || !*h->password)
		tool_say("hash", "no password");
	else if (strcmp(h->password, again) != 0)
		tool_say("hash", "the passwords differ");
	else
		again[0] = '\0';
	rc = rc == 0 && *h->password && again[0] == '\0' ? 0 : -1;
	mem_wipe(again, sizeof again);
	return rc;
}

static int scram(struct hash *h, struct err *e)
{
	struct scram_secret s;
	uint8_t salt[SCRAM_OWN_SALT_BYTES];
	int rc = digest_random(salt, sizeof salt, e);
	if (rc == 0)
		rc = scram_secret_from_password(h->password, strlen(h->password), salt, sizeof salt,
			h->iterations ? h->iterations : SCRAM_DEFAULT_ITERATIONS, &s, e);
	if (rc == 0)
		rc = scram_secret_format(&s, h->secret, sizeof h->secret);
	mem_wipe(&s, sizeof s);
	return rc;
}

static int native(struct hash *h, struct err *e)
{
	uint8_t one[MYSQL_NATIVE_BYTES], two[MYSQL_NATIVE_BYTES];
	if (mysql_native_stage1(h->password, strlen(h->password), one, e) != 0 ||
		mysql_native_stage2(one, two, e) != 0)
		return -1;
	h->secret[0] = '*';
	for (unsigned i = 0; i < sizeof two; i++)
		snprintf(h->secret + 1 + 2 * i, 3, "%02X", two[i]);
	mem_wipe(one, sizeof one);
	return 0;
}

static int make_secret(struct hash *h, struct err *e)
{
	size_t n = strlen(h->password);
	switch (h->kind) {
	case HASH_MD5: return md5pw_secret(h->password, n, h->user, h->secret, e);
	case HASH_NATIVE: return native(h, e);
	case HASH_SHA2: return mysql_sha2_secret_make(h->password, n, h->secret, e);
	default: return scram(h, e);
	}
}

static void put_quoted(const char *s)
{
	putchar('"');
	for (; *s; s++)
		if (*s == '"')
			fputs("\"\"", stdout);
		else
			putchar(*s);
	putchar('"');
}

static int parse(int argc, char **argv, struct hash *h, int *code_r)
{
	int c;
	*code_r = 2;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (h->kind && c >= HASH_SCRAM && c <= HASH_SHA2 && c != h->kind) {
			tool_say("hash", "only one of --scram, --md5, --mysql-native and "
					 "--caching-sha2");
			return -1;
		}
		if (c == 'h') {
			fputs(usage_text, stdout);
			*code_r = 0;
			return -1;
		} else if (c == HASH_ITERATIONS) {
			int64_t v;
			if (num_i64(optarg, 1, SCRAM_MAX_ITERATIONS, &v) != 0) {
				tool_say("hash", "--iterations must be from 1 to %d",
					SCRAM_MAX_ITERATIONS);
				return -1;
			}
			h->iterations = (uint32_t)v;
		} else if (c == '?') {
			fputs(usage_text, stderr);
			return -1;
		} else {
			h->kind = c;
		}
	}
	if (argc - optind == 2) /* shown to everybody by ps(1), and kept by the shell */
		tool_say("hash", "the password does not belong on the command line");
	if (argc - optind != 1) {
		fputs(usage_text, stderr);
		return -1;
	}
	if (h->iterations && h->kind && h->kind != HASH_SCRAM) {
		tool_say("hash", "--iterations is of SCRAM");
		return -1;
	}
	h->user = argv[optind];
	return 0;
}

int tool_hash(int argc, char **argv)
{
	struct hash h = { 0 };
	struct err e = { 0 };
	int code;
	if (parse(argc, argv, &h, &code) != 0)
		return code;
	code = 1;
	if (read_password(&h) == 0) {
		if (make_secret(&h, &e) != 0) {
			tool_say("hash", "%s", e.msg);
		} else {
			put_quoted(h.user);
			putchar(' ');
			put_quoted(h.secret);
			putchar('\n');
			code = 0;
		}
	}
	mem_wipe(&h, sizeof h);
	return code;
}
