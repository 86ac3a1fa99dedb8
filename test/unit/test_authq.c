/* authq: the default query word for word, and what each row of an answer means. */
#include "auth/authq.h"

#include <criterion/criterion.h>
#include <string.h>

Test(authq, default_is_pgbouncers)
{
	cr_assert_str_eq(AUTHQ_DEFAULT,
		"SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END "
		"FROM pg_authid WHERE rolname=$1 AND rolcanlogin");
	struct err e = { 0 };

	cr_assert_eq(authq_check(AUTHQ_DEFAULT, &e), 0);
	cr_assert_eq(authq_check("", &e), -1);
	cr_assert_eq(authq_check("select 1", &e), -1);
}

Test(authq, rows)
{
	static char longest[AUTHQ_SECRET_MAX + 1];
	enum authq_result r;
	struct err e = { 0 };

	cr_assert_eq(authq_read_row("alice", 2, "alice", 5, "pw", 2, &r, &e), 0);
	cr_assert_eq(r, AUTHQ_FOUND);
	cr_assert_eq(authq_read_row("alice", 2, "alice", 5, NULL, 0, &r, &e), 0);
	cr_assert_eq(r, AUTHQ_NO_SECRET, "CVE-2025-2291: expired");
	cr_assert_eq(authq_read_row("alice", 2, "alice", 5, "", 0, &r, &e), 0);
	cr_assert_eq(r, AUTHQ_NO_SECRET);
	cr_assert_eq(authq_read_row("alice", 1, "alice", 5, "pw", 2, &r, &e), -1);
	cr_assert_eq(authq_read_row("alice", 3, "alice", 5, "pw", 2, &r, &e), -1);
	cr_assert_eq(authq_read_row("alice", 2, NULL, 0, "pw", 2, &r, &e), -1);
	cr_assert_eq(
		authq_read_row("alice", 2, "admin", 5, "pw", 2, &r, &e), -1, "another user's row");
	cr_assert_eq(authq_read_row("alice", 2, "alice", 4, "pw", 2, &r, &e), -1);
	cr_assert_eq(authq_read_row("alice", 2, "alice\0", 6, "pw", 2, &r, &e), -1);
	cr_assert_eq(authq_read_row("alice", 2, "alice", 5, "p\0w", 3, &r, &e), -1);
	memset(longest, 'x', sizeof longest);
	cr_assert_eq(authq_read_row("alice", 2, "alice", 5, longest, AUTHQ_SECRET_MAX, &r, &e), 0);
	cr_assert_eq(
		authq_read_row("alice", 2, "alice", 5, longest, AUTHQ_SECRET_MAX + 1, &r, &e), -1);
	cr_assert_neq(r, AUTHQ_FOUND);
}
