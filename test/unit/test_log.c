/* log: the formats, escaping, cutting, reopening, a full pipe, and many threads on one file. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static char dir[] = "/tmp/weirpool-log-XXXXXX";
static char path[64], path2[64];

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(path2, sizeof(path2), "%s/log2", dir);
}

static void teardown(void)
{
	log_close();
	unlink(path);
	unlink(path2);
	rmdir(dir);
	cr_assert_eq(mem_live(MEM_CONF), 0);
}
TestSuite(log, .init = setup, .fini = teardown);

static void start(enum log_format format, enum log_level level)
{
	struct log_opts o = { .file = path, .format = format, .level = level, .quiet = true };
	cr_assert_eq(log_open(&o), 0);
}

/* What a file holds, until the next call. */
static char *slurp(const char *name)
{
	FILE *f = fopen(name, "r");
	static char text[1 << 20];
	cr_assert_not_null(f, "%s", name);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int lines_of(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* The part behind "2026-11-20 10:49:27.123 UTC [pid] ", whose form is checked. */
static const char *after_head(const char *line)
{
	int y, mo, d, h, mi, s, ms, pid, n = 0;
	cr_assert_eq(sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d.%3d UTC [%d] %n", &y, &mo, &d, &h, &mi,
			     &s, &ms, &pid, &n),
		8, "%s", line);
	cr_assert_eq(pid, (int)getpid());
	return line + n;
}

Test(log, plain)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_line(LOG_LV_INFO, "C-17", "app/alice@10.0.0.1:5000", "closing because: %s (age=%ds)",
		"client close request", 3);
	cr_assert_str_eq(after_head(slurp(path)),
		"LOG C-17: app/alice@10.0.0.1:5000 closing because: "
		"client close request (age=3s)\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_warn("w");
	cr_assert_str_eq(after_head(slurp(path)), "WARNING w\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_line(LOG_LV_FATAL, "S-1", NULL, "x");
	cr_assert_str_eq(after_head(slurp(path)), "FATAL S-1: x\n");
}

Test(log, level)
{
	start(LOG_FMT_PLAIN, LOG_LV_WARN);
	cr_assert_not(log_on(LOG_LV_NOTICE));
	cr_assert(log_on(LOG_LV_WARN));
	log_debug("no");
	log_info("no");
	log_notice("no");
	log_warn("yes");
	log_error("yes");
	log_fatal("yes");
	cr_assert_eq(lines_of(slurp(path)), 3);
	start(LOG_FMT_PLAIN, LOG_LV_DEBUG);
	log_debug("yes");
	cr_assert_eq(lines_of(slurp(path)), 4);
}

Test(log, nobody_forges_a_line)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_line(LOG_LV_INFO, "C-1\n", "a\r\nb",
		"x\n2026-01-01 FATAL\x1b[31m\x7f\x01\t\xc2\x85|é€𝄞");
	const char *text = slurp(path);
	cr_assert_eq(lines_of(text), 1);
	cr_assert_str_eq(after_head(text),
		"LOG C-1\\n: a\\r\\nb x\\n2026-01-01 FATAL\\x1b[31m\\x7f\\x01"
		"\\t\\xc2\\x85|é€𝄞\n");
}

Test(log, bytes_that_are_no_utf8)
{
	static const char *const bad[] = { "\xff", "\x80", "\xc0\xaf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x9d\x84", "\xe2\x80\xa8",
		"\xc3" };
	start(LOG_FMT_JSON, LOG_LV_INFO);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		log_info("%s", bad[i]);
	const char *text = slurp(path);
	cr_assert_eq(lines_of(text), (int)(sizeof(bad) / sizeof(bad[0])));
	for (; *text; text++)
		cr_assert((unsigned char)*text < 0x80, "all of it was escaped");
}

Test(log, logfmt)
{
	start(LOG_FMT_LOGFMT, LOG_LV_INFO);
	log_line(LOG_LV_ERROR, "C-2", "db/u@h:1", "say \"hi\" = \\ \n");
	const char *text = slurp(path);
	int ms, n = 0, pid;
	cr_assert_eq(sscanf(text, "time=2%*d-%*d-%*dT%*d:%*d:%*d.%dZ pid=%d %n", &ms, &pid, &n), 2,
		"%s", text);
	cr_assert_str_eq(
		text + n, "level=error who=C-2 ctx=db/u@h:1 msg=\"say \\\"hi\\\" = \\\\ \\n\"\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_info("word");
	cr_assert_not_null(strstr(slurp(path), " level=info msg=word\n"));
	cr_assert_eq(truncate(path, 0), 0);
	log_info("%s", "");
	cr_assert_not_null(strstr(slurp(path), " msg=\"\"\n"));
}

Test(log, json)
{
	start(LOG_FMT_JSON, LOG_LV_INFO);
	log_line(LOG_LV_NOTICE, "C-2", "db/u", "say \"hi\" \\ \x02 \n");
	const char *text = slurp(path);
	cr_assert_eq(strncmp(text, "{\"time\":\"2", 10), 0);
	cr_assert_not_null(strstr(text, "Z\",\"pid\":"));
	cr_assert_not_null(strstr(text, ",\"level\":\"notice\",\"who\":\"C-2\",\"ctx\":\"db/u\","
					"\"msg\":\"say \\\"hi\\\" \\\\ \\u0002 \\n\"}\n"));
}

Test(log, long_lines_are_cut_and_stay_whole)
{
	static const enum log_format formats[] = { LOG_FMT_PLAIN, LOG_FMT_LOGFMT, LOG_FMT_JSON };
	static const char fill[] = { 'a', '\x01', '"', '\n', '\xff' };
	static char big[20000];
	for (size_t f = 0; f < 3; f++)
		for (size_t c = 0; c < sizeof(fill); c++)
			for (int where = 0; where < 3; where++) {
				memset(big, fill[c], sizeof(big) - 1);
				start(formats[f], LOG_LV_INFO);
				cr_assert_eq(truncate(path, 0), 0);
				log_line(LOG_LV_INFO, where == 1 ? big : "C-1",
					where == 2 ? big : "x", "%s", where == 0 ? big : "end");
				const char *text = slurp(path);
				size_t n = strlen(text);
				cr_assert_eq(lines_of(text), 1, "format %zu, fill %zu, where %d", f,
					c, where);
				cr_assert_leq(n, 4096);
				cr_assert_not_null(strstr(text, "..."));
				if (formats[f] == LOG_FMT_JSON)
					cr_assert_str_eq(text + n - 3, "\"}\n");
				if (formats[f] != LOG_FMT_PLAIN && where)
					cr_assert_not_null(strstr(text, "end"));
			}
}

Test(log, keeps_errno_and_prints_it)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	errno = ENOENT;
	log_error("open: %m");
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(after_head(slurp(path)), "ERROR open: No such file or directory\n");
}

Test(log, reopen_follows_the_path)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_info("one");
	cr_assert_eq(rename(path, path2), 0);
	log_info("two");
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_info("three");
	cr_assert_eq(lines_of(slurp(path2)), 2);
	cr_assert_str_eq(after_head(slurp(path)), "LOG three\n");
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0137, 0, "not for others");
}

Test(log, failure_keeps_what_was)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	struct log_opts o = {
		.file = "/nonexistent/dir/log", .format = LOG_FMT_JSON, .quiet = true
	};
	cr_assert_eq(log_open(&o), -1);
	cr_assert_eq(errno, ENOENT);
	o = (struct log_opts){ .file = path2, .syslog_ident = "x", .syslog_facility = "nonsense" };
	cr_assert_eq(log_open(&o), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(access(path2, F_OK), -1);
	log_info("still here");
	cr_assert_str_eq(after_head(slurp(path)), "LOG still here\n");
}

Test(log, file_can_be_taken_away)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	struct log_opts o = { .quiet = true, .level = LOG_LV_INFO };
	cr_assert_eq(log_open(&o), 0);
	log_info("nowhere");
	cr_assert_str_empty(slurp(path));
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_info("back");
	cr_assert_str_eq(after_head(slurp(path)), "LOG back\n");
}

Test(log, syslog_may_be_absent)
{
	struct log_opts o = { .syslog_ident = "weirpool-test",
		.syslog_facility = "local3",
		.quiet = true,
		.level = LOG_LV_INFO };
	cr_assert_eq(log_open(&o), 0);
	cr_assert_eq(mem_live(MEM_CONF), 1);
	cr_assert_eq(log_open(&o), 0);
	cr_assert_eq(mem_live(MEM_CONF), 1);
	log_info("to syslog: %d%%n", 5);
	o.syslog_ident = NULL;
	cr_assert_eq(log_open(&o), 0);
	cr_assert_eq(mem_live(MEM_CONF), 0);
}

static void fill_pipe(int flags)
{
	int p[2];
	static char text[1 << 20];
	cr_assert_eq(pipe2(p, flags), 0);
	int saved = dup(STDERR_FILENO);
	cr_assert_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	for (int i = 0; i < 5000; i++)
		log_info("line %d %0100d", i, 0);
	ssize_t n = read(p[0], text, sizeof(text) - 1);
	log_info("again");
	dup2(saved, STDERR_FILENO);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	int got = lines_of(text);
	cr_assert_eq(text[n - 1], '\n', "no half lines");
	cr_assert_lt(got, 5000);
	n = read(p[0], text, sizeof(text) - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	char want[64];
	snprintf(want, sizeof(want), "WARNING %d log lines were lost", 5000 - got);
	cr_assert_not_null(strstr(text, "again\n"));
	cr_assert_not_null(strstr(text, want), "%s in %s", want, text);
}

Test(log, full_pipe_loses_lines_but_does_not_block, .timeout = 20)
{
	fill_pipe(O_NONBLOCK);
}

Test(log, full_blocking_pipe_does_not_block_either, .timeout = 20)
{
	fill_pipe(0);
}

#define THREADS 8
#define LINES 300
static void *writer(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_line(LOG_LV_INFO, arg, NULL, "%0200d", 7);
	return NULL;
}

Test(log, threads_do_not_mix_lines_while_it_is_reopened)
{
	pthread_t t[THREADS];
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, writer, (void *)"T"), 0);
	for (int i = 0; i < 100; i++)
		start(LOG_FMT_PLAIN, LOG_LV_INFO);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	const char *text = slurp(path);
	cr_assert_eq(lines_of(text), THREADS * LINES);
	for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
		cr_assert_eq(strncmp(after_head(p), "LOG T: 000", 10), 0);
		cr_assert_eq(strchr(p, '\n')[-1], '7');
	}
}
