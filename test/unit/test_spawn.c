/* spawn: programs as children, run here and by the broker, who runs what it was told and nothing
 * else. */
#include "base/spawn.h"

#include "base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT "echo \"$0 $1 $WEIRPOOL_X\"; [ \"$2\" != stay ] || exec sleep 100; exit ${2:-0}"

static char *const script[] = { "/bin/sh", "-c", SCRIPT, "script" };

static void with_broker(void)
{
	struct spawn_line line = { script, 4, 2, NULL };
	struct err e = { 0 };
	cr_assert_eq(spawn_broker(&line, 1, &e), 0, "%s", e.msg);
}

/* Runs the script with two more words; what it wrote. */
static int run(char *word, char *code, char *said, size_t n, pid_t *pid)
{
	char *argv[] = { "sh", "-c", script[2], script[3], word, code, NULL };
	char *env[] = { "WEIRPOOL_X=from outside" };
	int fd[2];
	cr_assert_eq(pipe2(fd, O_CLOEXEC), 0);
	struct spawn s = { .path = "/bin/sh",
		.argv = argv,
		.env = env,
		.env_n = 1,
		.fds = { { fd[1], 1 } },
		.fds_n = 1,
		.own_group = true };
	int r = spawn_run(&s, pid);
	close(fd[1]);
	ssize_t got = read(fd[0], said, n - 1);
	said[got < 0 ? 0 : got] = '\0';
	close(fd[0]);
	return r;
}

static void check_run(void)
{
	char said[200];
	int status;
	pid_t pid;
	char word[] = "word", three[] = "3", stay[] = "stay";
	cr_assert_eq(run(word, three, said, sizeof said, &pid), 0);
	cr_assert_str_eq(said, "script word from outside\n");
	cr_assert_eq(waitpid(pid, &status, 0), pid, "it is our child");
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	/* it can be ended, with its group */
	cr_assert_eq(run(word, stay, said, sizeof said, &pid), 0);
	cr_assert_eq(getpgid(pid), pid);
	cr_assert_eq(kill(-pid, SIGTERM), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

Test(spawn, here)
{
	check_run();
}

Test(spawn, by_the_broker)
{
	with_broker();
	check_run();
}

static int run_words(char *const *argv, char *const *env, unsigned env_n)
{
	pid_t pid = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct spawn s = { .path = argv[0],
		.argv = argv,
		.env = env,
		.env_n = env_n,
		.fds = { { null, 1 } },
		.fds_n = 1 };
	int r = spawn_run(&s, &pid);
	close(null);
	if (r == 0)
		waitpid(pid, NULL, 0);
	else
		cr_assert_leq(waitpid(-1, NULL, WNOHANG), 0, "nothing is left to wait for");
	return r;
}

Test(spawn, the_broker_refuses)
{
	with_broker();
	char *env[] = { "LD_PRELOAD=/tmp/evil.so" };
	cr_assert_eq(run_words((char *[]){ "/bin/true", NULL }, NULL, 0), EPERM);
	cr_assert_eq(run_words((char *[]){ "/bin/sh", NULL }, NULL, 0), EPERM);
	cr_assert_eq(
		run_words((char *[]){ "/bin/sh", "-c", "true", "script", NULL }, NULL, 0), EPERM);
	cr_assert_eq(run_words((char *[]){ "/bin/sh", "-c", SCRIPT, "script", NULL }, NULL, 0), 0);
	cr_assert_eq(run_words((char *[]){ "/bin/sh", "-c", SCRIPT, "script", "1", "0", "3", NULL },
			     NULL, 0),
		EPERM);
	cr_assert_eq(
		run_words((char *[]){ "/bin/sh", "-c", SCRIPT, "script", NULL }, env, 1), EINVAL);
	cr_assert(strstr(spawn_why(EPERM), "restart weirpool"));
	check_run();
}

Test(spawn, what_cannot_be_run)
{
	char *none[] = { "/nonexistent/program" };
	struct spawn_line line = { none, 1, 0, NULL };
	struct err e = { 0 };
	cr_assert_eq(run_words((char *[]){ none[0], NULL }, NULL, 0), ENOENT);
	cr_assert_eq(spawn_broker(&line, 1, &e), 0);
	cr_assert_eq(run_words((char *[]){ none[0], NULL }, NULL, 0), ENOENT);
}

Test(spawn, one_variable_only)
{
	char *words[] = { "/bin/true", NULL }, *right[] = { "WEIRPOOL_A=1" };
	char *wrong[] = { "WEIRPOOL_A=1", "WEIRPOOL_CONFFILE=/tmp/evil" };
	struct spawn_line line = { words, 1, 0, "WEIRPOOL_A=1" };
	struct err e = { 0 };
	cr_assert_eq(spawn_broker(&line, 1, &e), 0);
	cr_assert_eq(run_words(words, right, 1), 0);
	cr_assert_eq(run_words(words, NULL, 0), EPERM);
	cr_assert_eq(run_words(words, wrong, 2), EPERM);
	cr_assert_eq(run_words(words, wrong + 1, 1), EPERM);
}

/* Its numbers are promised even when ours are the same ones, the other way round. */
Test(spawn, descriptors_that_change_places)
{
	char *argv[] = { "/bin/sh", "-c", "read a <&4; read b <&3; echo $a $b >&5", NULL };
	struct spawn_line line = { argv, 3, 0, NULL };
	struct err e = { 0 };
	char said[20] = "";
	pid_t pid;
	int p[3][2];
	cr_assert_eq(spawn_broker(&line, 1, &e), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pipe2(p[i], O_CLOEXEC), 0);
	cr_assert_eq(write(p[0][1], "x\n", 2), 2);
	cr_assert_eq(write(p[1][1], "y\n", 2), 2);
	struct spawn s = { .path = argv[0],
		.argv = argv,
		.fds = { { p[0][0], 4 }, { p[1][0], 3 }, { p[2][1], 5 } },
		.fds_n = 3 };
	cr_assert_eq(spawn_run(&s, &pid), 0);
	waitpid(pid, NULL, 0);
	cr_assert_eq(read(p[2][0], said, sizeof said - 1), 4);
	cr_assert_str_eq(said, "x y\n");
}
