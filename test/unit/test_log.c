/* log: the formats, escaping, cutting, reopening, a full pipe, and many threads on one file. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
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
	cr_assert_eq(mem_live(MEM_MISC), 0, "the rings");
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
		"LOG I0002 C-17: app/alice@10.0.0.1:5000 closing because: "
		"client close request (age=3s)\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_warn("w");
	cr_assert_str_eq(after_head(slurp(path)), "WARNING W0004 w\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_line(LOG_LV_FATAL, "S-1", NULL, "x");
	cr_assert_str_eq(after_head(slurp(path)), "FATAL F0006 S-1: x\n");
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
		"LOG I0002 C-1\\n: a\\r\\nb x\\n2026-01-01 FATAL\\x1b[31m\\x7f\\x01"
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
	cr_assert_str_eq(text + n,
		"level=error code=E0005 who=C-2 ctx=db/u@h:1 msg=\"say \\\"hi\\\" = \\\\ \\n\"\n");
	cr_assert_eq(truncate(path, 0), 0);
	log_info("word");
	cr_assert_not_null(strstr(slurp(path), " level=info code=I0002 msg=word\n"));
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
	cr_assert_not_null(strstr(text,
		",\"level\":\"notice\",\"code\":\"N0003\",\"who\":\"C-2\",\"ctx\":\"db/u\","
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
	cr_assert_str_eq(after_head(slurp(path)), "ERROR E0005 open: No such file or directory\n");
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
	cr_assert_str_eq(after_head(slurp(path)), "LOG I0002 three\n");
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0137, 0, "not for others");
}

Test(log, failure_keeps_what_was)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	struct log_opts o = {
		.file = "/nonexistent/dir/log", .audit = path2, .level = LOG_LV_WARN, .quiet = true
	};
	cr_assert_eq(log_open(&o), -1);
	cr_assert_eq(errno, ENOENT);
	cr_assert_not(log_on(LOG_LV_INFO), "all but the file counts");
	cr_assert_eq(unlink(path2), 0, "so does the other file");
	o = (struct log_opts){
		.file = path, .audit = "/nonexistent/dir/log", .level = LOG_LV_INFO, .quiet = true
	};
	cr_assert_eq(log_open(&o), -2);
	cr_assert_eq(errno, ENOENT);
	o = (struct log_opts){ .file = path2, .syslog_ident = "x", .syslog_facility = "nonsense" };
	cr_assert_eq(log_open(&o), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(access(path2, F_OK), -1);
	log_info("still here");
	cr_assert_str_eq(after_head(slurp(path)), "LOG I0002 still here\n");
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
	cr_assert_str_eq(after_head(slurp(path)), "LOG I0002 back\n");
}

/* ---- syslog ---- */

static int syslog_daemon(const char *at)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", at);
	unlink(at);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 10, 0 },
			     sizeof(struct timeval)),
		0);
	return fd;
}

static const struct log_opts to_syslog = { .syslog_ident = "weirpool-test",
	.syslog_facility = "local3",
	.syslog_socket = path2,
	.quiet = true,
	.level = LOG_LV_INFO };

static const char *datagram(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	return text;
}

Test(log, syslog_lines, .timeout = 30)
{
	int fd = syslog_daemon(path2);
	cr_assert_eq(log_open(&to_syslog), 0);
	log_info("to syslog: %d%%n", 5);
	const char *text = datagram(fd);
	/* local3 is 19, info 6 */
	cr_assert_eq(strncmp(text, "<158>", 5), 0, "%s", text);
	char want[80];
	snprintf(want, sizeof(want), " weirpool-test[%d]: I0002 to syslog: 5%%n", (int)getpid());
	cr_assert_not_null(strstr(text, want), "%s", text);
	cr_assert_eq(text[strlen(text) - 1], 'n', "no newline at the end");
	close(fd);
	fd = syslog_daemon(path2); /* it was started again */
	log_error("second");
	text = datagram(fd);
	cr_assert_eq(strncmp(text, "<155>", 5), 0, "%s", text);
	cr_assert_not_null(strstr(text, "E0005 second"));
	close(fd);
}

Test(log, syslog_may_be_absent)
{
	struct log_counts c;
	cr_assert_eq(log_open(&to_syslog), 0);
	log_info("nobody hears it");
	log_counts(LOG_TO_SYSLOG, &c);
	cr_assert_eq(c.dropped, 1);
	cr_assert_eq(c.last_errno, ENOENT);
	int fd = syslog_daemon(path2);
	log_info("now");
	cr_assert_not_null(strstr(datagram(fd), "now"));
	cr_assert_not_null(strstr(datagram(fd), "W7001 1 log lines were lost"));
	close(fd);
}

Test(log, syslog_that_stands_still_blocks_nobody, .timeout = 60)
{
	struct log_counts c;
	int fd = syslog_daemon(path2);
	cr_assert_eq(log_open(&to_syslog), 0);
	log_start();
	for (int i = 0; i < 20000; i++)
		log_info("line %d %0100d", i, 0);
	log_counts(LOG_TO_SYSLOG, &c);
	cr_assert_gt(c.dropped, 0);
	cr_assert_gt(c.queued_bytes, 0);
	/* a RELOAD meanwhile does not wait either */
	cr_assert_eq(log_open(&to_syslog), 0);
	uint64_t n = 0, lost = 0;
	while (n + lost < 20000) {
		const char *text = datagram(fd), *at = strstr(text, "W7001 ");
		if (at)
			lost += strtoul(at + 6, NULL, 10);
		else
			n++;
	}
	cr_assert_eq(n + lost, 20000);
	log_counts(LOG_TO_SYSLOG, &c);
	cr_assert_eq(c.dropped, lost);
	log_close();
	close(fd);
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
	snprintf(want, sizeof(want), "WARNING W7001 %d log lines were lost", 5000 - got);
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
		cr_assert_eq(strncmp(after_head(p), "LOG I0002 T: 000", 16), 0);
		cr_assert_eq(strchr(p, '\n')[-1], '7');
	}
}

/* ---- with threads ---- */

/* stderr is a pipe that nobody reads; returns its end for reading. */
static int stop_reading(int *saved_r)
{
	int p[2];
	cr_assert_eq(pipe(p), 0);
	*saved_r = dup(STDERR_FILENO);
	cr_assert_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	close(p[1]);
	return p[0];
}

/* What comes until all of n lines are accounted for: those that came and those told as lost. */
static void account(int fd, int n)
{
	FILE *f = fdopen(fd, "r");
	char text[8192];
	int got = 0, lost = 0;
	while (got + lost < n && fgets(text, sizeof(text), f)) {
		const char *at = strstr(text, "WARNING W7001 ");
		if (at)
			lost += (int)strtol(at + 14, NULL, 10);
		else
			got++;
	}
	fclose(f);
	cr_assert_eq(got + lost, n, "%d came, %d were lost", got, lost);
	cr_assert_gt(lost, 0);
}

Test(log, a_reader_who_stands_still_blocks_nobody, .timeout = 60)
{
	pthread_t t[THREADS];
	int saved, fd = stop_reading(&saved);
	struct log_opts o = { .file = path, .level = LOG_LV_INFO };
	struct log_counts c;
	cr_assert_eq(log_open(&o), 0);
	log_start();
	for (int i = 0; i < 30000; i++)
		log_info("line %d %0100d", i, 0);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, writer, (void *)"T"), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	log_counts(LOG_TO_STDERR, &c);
	cr_assert_gt(c.dropped, 0);
	cr_assert_eq(log_lost() >= c.dropped, true);
	account(fd, 30000 + THREADS * LINES);
	dup2(saved, STDERR_FILENO);
	log_close();
}

Test(log, warnings_have_room_when_the_rest_is_lost, .timeout = 60)
{
	struct log_counts before, after;
	int saved, fd = stop_reading(&saved);
	struct log_opts o = { .level = LOG_LV_INFO };
	cr_assert_eq(log_open(&o), 0);
	log_start();
	do {
		log_info("line %0500d", 0);
		log_counts(LOG_TO_STDERR, &before);
	} while (!before.dropped);
	for (int i = 0; i < 100; i++)
		log_warn("a warning");
	log_counts(LOG_TO_STDERR, &after);
	cr_assert_eq(after.dropped, before.dropped);
	dup2(saved, STDERR_FILENO);
	close(fd);
	log_close();
}

Test(log, the_end_does_not_wait_for_ever, .timeout = 30)
{
	int saved, fd = stop_reading(&saved);
	struct log_opts o = { .level = LOG_LV_INFO };
	cr_assert_eq(log_open(&o), 0);
	log_start();
	for (int i = 0; i < 2000; i++)
		log_info("line %0100d", 0);
	log_close();
	dup2(saved, STDERR_FILENO);
	close(fd);
}

Test(log, all_is_written_at_the_end)
{
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_start();
	for (int i = 0; i < 3000; i++)
		log_info("line %d", i);
	log_close();
	cr_assert_eq(lines_of(slurp(path)), 3000);
}

Test(log, a_full_disk_loses_lines_and_says_so, .timeout = 30)
{
	struct log_counts c;
	struct log_opts o = { .file = "/dev/full", .quiet = true, .level = LOG_LV_INFO };
	cr_assert_eq(log_open(&o), 0);
	log_info("one");
	log_info("two");
	log_counts(LOG_TO_FILE, &c);
	cr_assert_eq(c.dropped, 2);
	cr_assert_eq(c.last_errno, ENOSPC);
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_info("three");
	const char *text = slurp(path);
	cr_assert_not_null(strstr(text, "LOG I0002 three\n"));
	cr_assert_not_null(strstr(text, "WARNING W7001 2 log lines were lost"));
}

Test(log, half_a_line_is_ended, .timeout = 30)
{
	struct rlimit was, tight;
	signal(SIGXFSZ, SIG_IGN);
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_info("first");
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight = was;
	tight.rlim_cur = strlen(slurp(path)) + 20;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
	log_info("second");
	log_info("third");
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
	log_info("fourth");
	const char *text = slurp(path);
	cr_assert_null(strstr(text, "second"));
	cr_assert_not_null(strstr(text, "LOG I0002 fourth\n"));
	cr_assert_eq(lines_of(text), 4, "first, a part of second, fourth, what was lost: %s", text);
	cr_assert_not_null(strstr(text, "W7001 2 log lines"));
}

/* ---- codes, fields, repeats ---- */

Test(log, fields)
{
	struct log_field f[] = { { "end", "CI", 0 }, { "queries", NULL, 17 } };
	struct log_about a = { .who = "C-1", .ctx = "db/u", .field = f, .fields_n = 2 };
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_event_about(EVENT_SESSION_END, &a, "bye");
	cr_assert_str_eq(after_head(slurp(path)), "LOG I2003 C-1: db/u bye end=CI queries=17\n");
	cr_assert_eq(truncate(path, 0), 0);
	start(LOG_FMT_LOGFMT, LOG_LV_INFO);
	log_event_about(EVENT_SESSION_END, &a, "bye");
	cr_assert_not_null(
		strstr(slurp(path), " code=I2003 who=C-1 ctx=db/u end=CI queries=17 msg=bye\n"));
	cr_assert_eq(truncate(path, 0), 0);
	start(LOG_FMT_JSON, LOG_LV_INFO);
	log_event_about(EVENT_SESSION_END, &a, "bye");
	cr_assert_not_null(
		strstr(slurp(path), ",\"end\":\"CI\",\"queries\":17,\"msg\":\"bye\"}\n"));
}

Test(log, codes_can_be_left_out)
{
	struct log_opts o = { .file = path, .quiet = true, .level = LOG_LV_INFO, .no_codes = true };
	cr_assert_eq(log_open(&o), 0);
	log_info("x");
	cr_assert_str_eq(after_head(slurp(path)), "LOG x\n");
}

Test(log, repeats_are_counted, .timeout = 60)
{
	struct log_about a = { .ctx = "db/u@h:1", .object = "db/u@h" };
	struct log_about b = { .ctx = "db/u@i:1", .object = "db/u@i" };
	struct log_opts o = { .file = path, .quiet = true, .level = LOG_LV_INFO, .repeats = 5 };
	cr_assert_eq(log_open(&o), 0);
	uint64_t before = log_held();
	int64_t began = clock_mono_us();
	for (int i = 0; i < 500; i++)
		log_event_about(EVENT_PROOF_FAILED, &a, "try %d", i);
	bool quick = clock_mono_us() - began < 900000; /* else it was more than one second's */
	log_event_about(EVENT_PROOF_FAILED, &b, "another");
	for (int i = 0; i < 20; i++)
		log_info("is not held");
	const char *text = slurp(path);
	cr_assert_not_null(strstr(text, " W2004 db/u@i:1 another"));
	if (quick)
		cr_assert_eq(lines_of(text), 5 + 1 + 20);
	cr_assert_geq(log_held() - before, 400);
	log_start(); /* its thread tells what was held, though nobody says more */
	log_info("wake up");
	while (!strstr(slurp(path), "more like this"))
		usleep(20000);
	text = strstr(slurp(path), " W2004 db/u@h ");
	cr_assert_not_null(text);
	if (quick)
		cr_assert_eq(strncmp(text, " W2004 db/u@h 495 more like this", 32), 0, "%s", text);
	log_close();
}

Test(log, notable_events_are_kept)
{
	static struct event_kept k[EVENT_KEPT];
	struct log_about a = { .ctx = "db/u@h:1", .object = "db/u@h\n" };
	start(LOG_FMT_PLAIN, LOG_LV_INFO);
	log_event(EVENT_RELOADED, "again");
	log_event(EVENT_LISTENING, "is not of note");
	for (int i = 0; i < 50; i++)
		log_event_about(EVENT_ERR_AUTH_FAILED, &a, "try %d", i);
	cr_assert_eq(event_kept(k, EVENT_KEPT), 2);
	cr_assert_eq(k[0].ev, EVENT_ERR_AUTH_FAILED);
	cr_assert_eq(k[0].times, 50, "one for all of them");
	cr_assert_str_eq(k[0].about, "db/u@h\\n", "escaped");
	cr_assert_str_eq(k[0].text, "try 49");
	cr_assert_eq(k[1].ev, EVENT_RELOADED);
	cr_assert_str_eq(k[1].text, "again");
	for (int i = 0; i < 1000; i++)
		log_event(EVENT_GOT_SIGNAL, "%d", i);
	cr_assert_eq(event_kept(k, EVENT_KEPT), EVENT_KEPT, "bounded");
	cr_assert_str_eq(k[0].text, "999");
	cr_assert_eq(event_kept(k, 3), 3);
}
