/* users: the auth_file's format, its mistakes with file and line, sizes at the limits. */
#include "auth/users.h"
#include "base/buf.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define SCRAM \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==" \
	"$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void assert_all_back(void)
{
	cr_assert_eq(mem_live(MEM_AUTH), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
	cr_assert_eq(mem_live(MEM_HMAP), 0);
}
TestSuite(users, .fini = assert_all_back);

static int parse_n(const char *text, size_t n, struct users **u, struct err *e)
{
	/* a block of just n bytes: a sanitizer sees a read behind it */
	char *exact = mem_alloc(MEM_MISC, n);

	memcpy(exact, text, n);
	int rc = users_parse("users.txt", exact, n, u, e);
	mem_free(MEM_MISC, exact);
	return rc;
}

static struct users *parse(const char *text)
{
	struct users *u = NULL;
	struct err e = { 0 };

	cr_assert_eq(parse_n(text, strlen(text), &u, &e), 0, "%s", e.msg);
	return u;
}

Test(users, the_format)
{
	struct users *u = parse(
		"; a comment\n"
		"\"alice\" \"secret\"\n"
		"\n"
		"   \t\n"
		"  \"bob\"\t\"md545f2603610af569b6155c45067268c6b\" rest is \"ignored\n"
		"\"carol\" \"" SCRAM "\"\r\n"
		"\"d\"\"q\" \"p\"\"w\"\"\"\n"
		";\"no\" \"body\"\n"
		"\"empty\" \"\"\n"
		"\"last\" \"without newline\"");
	const struct user_entry *ue;

	cr_assert_eq(users_n(u), 6);
	ue = users_get(u, "alice");
	cr_assert_str_eq(ue->secret, "secret");
	cr_assert_eq(ue->secret_n, 6);
	cr_assert_eq(ue->kind, SECRET_PLAIN);
	cr_assert_null(ue->scram);
	cr_assert_eq(users_get(u, "bob")->kind, SECRET_MD5);
	ue = users_get(u, "carol");
	cr_assert_eq(ue->kind, SECRET_SCRAM);
	cr_assert_eq(ue->scram->iterations, 4096);
	cr_assert_str_eq(users_get(u, "d\"q")->secret, "p\"w\"");
	cr_assert_eq(users_get(u, "empty")->kind, SECRET_NONE);
	cr_assert_str_eq(users_get(u, "last")->secret, "without newline");
	cr_assert_null(users_get(u, "no"));
	cr_assert_null(users_get(u, "Alice"));
	cr_assert_null(users_get(u, ""));
	users_free(&u);
	cr_assert_null(u);
	users_free(&u);
	cr_assert_null(users_get(NULL, "alice"));
	cr_assert_eq(users_n(NULL), 0);
}

Test(users, empty_files_are_fine)
{
	static const char *const t[] = { "", "\n", ";", "; x", "   ", "\r\n\r\n" };

	for (size_t i = 0; i < N(t); i++) {
		struct users *u = parse(t[i]);

		cr_assert_eq(users_n(u), 0);
		users_free(&u);
	}
}

Test(users, the_last_one_wins)
{
	struct users *u = parse("\"a\" \"1\"\n\"a\" \"2\"\n\"a\" \"" SCRAM "\"\n\"a\" \"4\"\n");

	cr_assert_eq(users_n(u), 1);
	cr_assert_str_eq(users_get(u, "a")->secret, "4");
	cr_assert_eq(users_common_kind(u), SECRET_PLAIN);
	users_free(&u);
}

Test(users, common_kind)
{
	struct users *u = parse(
		"\"a\" \"p\"\n\"b\" \"" SCRAM "\"\n\"c\" \"" SCRAM "\"\n\"d\" \"\"\n");

	cr_assert_eq(users_common_kind(u), SECRET_SCRAM);
	users_free(&u);
	u = parse("\"d\" \"\"\n");
	cr_assert_eq(users_common_kind(u), SECRET_NONE);
	users_free(&u);
	cr_assert_eq(users_common_kind(NULL), SECRET_NONE);
}

Test(users, mistakes_say_where)
{
	static const struct {
		const char *text, *where, *what;
	} t[] = {
		{ "alice secret\n", "users.txt:1: ", "double quote" },
		{ "\"a\" \"b\"\n\n\"alice\"\n", "users.txt:3: ", "double quote" },
		{ "\"alice\" secret\n", "users.txt:1: ", "double quote" },
		{ "\"alice\" \"secret\n", "users.txt:1: ", "not closed" },
		{ "\"alice\n\" \"secret\"\n", "users.txt:1: ", "not closed" },
		{ "\"alice", "users.txt:1: ", "not closed" },
		{ "\"alice\" \"x\"\"", "users.txt:1: ", "not closed" },
		{ "\"", "users.txt:1: ", "not closed" },
		{ "# no comment\n", "users.txt:1: ", "double quote" },
		{ "\"\" \"x\"\n", "users.txt:1: ", "user name is empty" },
		{ "\"a\" \"b\"\n\"c\" \"SCRAM-SHA-256$4096:xx$yy:zz\"\n",
			"users.txt:2: ", "SCRAM" },
		{ "\"c\" \"SCRAM-SHA-256$\"\n", "users.txt:1: ", "SCRAM" },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct users *u = NULL;
		struct err e = { 0 };

		cr_assert_eq(parse_n(t[i].text, strlen(t[i].text), &u, &e), -1, "%s", t[i].text);
		cr_assert_null(u);
		cr_assert_eq(e.code, ERR_CONFIG);
		cr_assert_eq(strncmp(e.msg, t[i].where, strlen(t[i].where)), 0, "%s", e.msg);
		cr_assert(strstr(e.msg, t[i].what), "%s", e.msg);
		cr_assert_null(strstr(e.msg, "xx$yy"), "no secret in a message");
	}
}

Test(users, nul_bytes_are_refused)
{
	struct users *u = NULL;
	struct err e = { 0 };

	cr_assert_eq(parse_n("\"a\0b\" \"x\"\n", 10, &u, &e), -1);
	cr_assert_eq(parse_n("\"ab\" \"x\0\"\n", 10, &u, &e), -1);
	cr_assert_null(u);
}

static void put_user(struct buf *b, size_t name_n, size_t secret_n)
{
	buf_put_u8(b, '"');
	for (size_t i = 0; i < name_n; i++)
		buf_put_u8(b, 'n');
	buf_puts(b, "\" \"");
	for (size_t i = 0; i < secret_n; i++)
		buf_put_u8(b, 's');
	buf_puts(b, "\"\n");
}

Test(users, sizes_up_to_64_kib)
{
	static const struct {
		size_t name_n, secret_n;
		int rc;
	} t[] = {
		{ 63, 1023, 0 },
		{ 64, 1024, 0 },
		{ 128, 2048, 0 },
		{ 65536, 65536, 0 },
		{ 65537, 1, -1 },
		{ 1, 65537, -1 },
		{ 200000, 200000, -1 },
	};

	for (size_t i = 0; i < N(t); i++) {
		struct buf b;
		struct users *u = NULL;
		struct err e = { 0 };

		buf_init(&b, 0);
		put_user(&b, t[i].name_n, t[i].secret_n);
		cr_assert_eq(parse_n((char *)buf_data(&b), buf_len(&b), &u, &e), t[i].rc,
			"row %zu: %s", i, e.msg);
		if (t[i].rc == 0)
			cr_assert_eq(users_n(u), 1);
		users_free(&u);
		buf_fini(&b);
	}
}

Test(users, many)
{
	struct buf b;
	struct users *u = NULL;
	struct err e = { 0 };

	buf_init(&b, 0);
	for (int i = 0; i < 50000; i++)
		buf_printf(&b, "\"user%d\" \"pw%d\"\n", i, i);
	cr_assert_eq(users_parse("u", (char *)buf_data(&b), buf_len(&b), &u, &e), 0);
	cr_assert_eq(users_n(u), 50000);
	cr_assert_str_eq(users_get(u, "user49999")->secret, "pw49999");
	users_free(&u);
	buf_fini(&b);
}

static void count(const struct user_entry *ue, void *arg)
{
	cr_assert_not_null(ue->secret);
	++*(int *)arg;
}

Test(users, add_and_each)
{
	struct users *u = users_new();
	struct err e = { 0 };
	int n = 0;

	cr_assert_eq(users_add(u, "x", 1, "y", 1, &e), 0);
	cr_assert_eq(users_add(u, "z", 1, "", 0, &e), 0);
	cr_assert_eq(users_add(u, "", 0, "y", 1, &e), -1);
	cr_assert_eq(users_add(u, "w", 1, "SCRAM-SHA-256$x", 15, &e), -1);
	users_each(u, count, &n);
	cr_assert_eq(n, 2);
	users_each(NULL, count, &n);
	users_free(&u);
}

Test(users, load)
{
	char path[] = "/tmp/weirpool-users-XXXXXX";
	struct users *u = NULL;
	struct err e = { 0 };
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "\"a\" \"b\"\n", 8), 8);
	close(fd);
	cr_assert_eq(users_load(path, &u, &e), 0, "%s", e.msg);
	cr_assert_str_eq(users_get(u, "a")->secret, "b");
	users_free(&u);
	unlink(path);
	cr_assert_eq(users_load(path, &u, &e), -1);
	cr_assert(strstr(e.msg, path) && strstr(e.msg, "No such file"), "%s", e.msg);
	cr_assert_eq(users_load("/tmp", &u, &e), -1, "a directory");
	cr_assert_null(u);
}

/* As SHOW CREATE USER prints it: the salt may hold what no line of a file can. */
Test(users, mysql_secrets_in_hexadecimal)
{
	static const char text[] =
		"\"app\" \"0x244124303035245D1661315E50502569156C351A6B1E1946747B653255374"
		"34F69615A65"
		"79466B4D7954686C684F5A464C57387548562F3454737852394B354F7A4A55507538\"\n"
		"\"short\" \"0x244124\"\n"
		"\"native\" \"*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3\"\n";
	struct users *u = NULL;
	struct err e = { 0 };

	cr_assert_eq(users_parse("f", text, sizeof text - 1, &u, &e), 0, "%s", e.msg);
	cr_assert_eq(users_get(u, "app")->kind, SECRET_MYSQL_SHA2);
	cr_assert_eq(users_get(u, "app")->secret_n, 70);
	cr_assert_arr_eq(users_get(u, "app")->secret, "$A$005$]\x16", 9);
	cr_assert_eq(users_get(u, "short")->kind, SECRET_PLAIN);
	cr_assert_eq(users_get(u, "native")->kind, SECRET_MYSQL_NATIVE);
	users_free(&u);
}

/* What an unknown user may look like: one of the forms that there are, always the same for a name.
 */
Test(users, forms_of_mysql_secrets)
{
	static const char text[] = "\"a\" \"plain\"\n\"b\" \"other\"\n"
				   "\"c\" \"*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3\"\n"
				   "\"d\" \"ed25519:A6JsKXS3kEXnObMR3UnBsXJpYq9wDTms6ThPMr/0Eyw\"\n"
				   "\"e\" \"md545f2603610af569b6155c45067268c6b\"\n";
	static const struct forms none;
	struct users *u = NULL;
	struct err e = { 0 };
	bool seen[SECRET_KIND_N] = { false };

	cr_assert_eq(users_parse("f", text, sizeof text - 1, &u, &e), 0, "%s", e.msg);
	cr_assert_eq(users_forms(u)->n, 3, "PostgreSQL's do not count, and a form but once");
	for (uint64_t h = 0; h < 30; h++) {
		const struct form *f = forms_pick(users_forms(u), &none, h);

		cr_assert_eq(f, forms_pick(users_forms(u), &none, h));
		seen[f->kind] = true;
		cr_assert_eq(*f->decoy != 0, f->kind == SECRET_MYSQL_NAMED);
	}
	cr_assert(seen[SECRET_PLAIN] && seen[SECRET_MYSQL_NATIVE] && seen[SECRET_MYSQL_NAMED]);
	cr_assert_null(forms_pick(&none, users_forms(NULL), 7));
	users_free(&u);
}
