/* log - levelled lines to stderr, a file or syslog. Ignorant of what it is told. Any thread.
 *
 * No lock: a line is built on the stack and goes out as one write(2) of at most PIPE_BUF bytes,
 * which neither files opened with O_APPEND nor pipes mix. The file keeps its descriptor number
 * for good: reopening puts the new file (or /dev/null) under it with dup3(), so that a thread
 * that writes meanwhile hits the old or the new file. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define MSG_MAX 3072 /* with head and a few escapes it stays below PIPE_BUF */

_Atomic(enum log_level) log_min_level = LOG_LV_INFO;
static _Atomic(enum log_format) format = LOG_FMT_PLAIN;
static atomic_bool to_stderr = true, to_file, to_syslog;
static atomic_int file_fd = -1;
static atomic_uint lost_n; /* since the last line that got through */
static _Atomic uint64_t lost_all;
static char *syslog_ident;

struct level {
	const char *plain, *name;
	int syslog;
};

static const struct level *level_of(enum log_level lv)
{
	static const struct level levels[] = {
		[LOG_LV_DEBUG] = { "DEBUG", "debug", LOG_DEBUG },
		[LOG_LV_INFO] = { "LOG", "info", LOG_INFO },
		[LOG_LV_NOTICE] = { "NOTICE", "notice", LOG_NOTICE },
		[LOG_LV_WARN] = { "WARNING", "warning", LOG_WARNING },
		[LOG_LV_ERROR] = { "ERROR", "error", LOG_ERR },
		[LOG_LV_FATAL] = { "FATAL", "fatal", LOG_CRIT },
	};
	return &levels[lv];
}

static int facility_of(const char *name, int *facility_r)
{
	static const struct {
		const char *name;
		int facility;
	} all[] = {
		{ "auth", LOG_AUTH },
		{ "authpriv", LOG_AUTHPRIV },
		{ "cron", LOG_CRON },
		{ "daemon", LOG_DAEMON },
		{ "user", LOG_USER },
		{ "local0", LOG_LOCAL0 },
		{ "local1", LOG_LOCAL1 },
		{ "local2", LOG_LOCAL2 },
		{ "local3", LOG_LOCAL3 },
		{ "local4", LOG_LOCAL4 },
		{ "local5", LOG_LOCAL5 },
		{ "local6", LOG_LOCAL6 },
		{ "local7", LOG_LOCAL7 },
	};
	if (name == NULL || *name == '\0')
		name = "daemon";
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].name, name) == 0) {
			*facility_r = all[i].facility;
			return 0;
		}
	errno = EINVAL;
	return -1;
}

/* ---- opening ---- */

/* Puts path under file_fd. O_NONBLOCK: neither a FIFO without a reader nor a full pipe stops us. */
static int file_switch(const char *path)
{
	int fd = open(
		path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0)
		return -1;
	int had = atomic_load(&file_fd);
	if (had < 0) {
		atomic_store(&file_fd, fd);
		return 0;
	}
	int rc = dup3(fd, had, O_CLOEXEC), err = errno;
	close(fd);
	errno = err;
	return rc < 0 ? -1 : 0;
}

static void syslog_switch(const char *ident, int facility)
{
	char *old = syslog_ident;
	if (ident == NULL && old == NULL)
		return;
	if (ident) {
		syslog_ident = mem_xstrdup(MEM_CONF, ident);
		openlog(syslog_ident, LOG_PID | LOG_NDELAY, facility);
		atomic_store(&to_syslog, true);
	} else {
		/* openlog() and syslog() share a lock: after this nobody reads the old string. */
		atomic_store(&to_syslog, false);
		syslog_ident = NULL;
		openlog("weirpool", LOG_PID, LOG_DAEMON);
		closelog();
	}
	mem_free(MEM_CONF, old);
}

int log_open(const struct log_opts *o)
{
	int facility;
	bool file = o->file && o->file[0];
	if (facility_of(o->syslog_facility, &facility) != 0)
		return -1;
	if (file && file_switch(o->file) != 0)
		return -1;
	if (!file && atomic_load(&file_fd) >= 0 && file_switch("/dev/null") != 0)
		return -1;
	atomic_store(&to_file, file);
	atomic_store(&format, o->format);
	atomic_store(&log_min_level, o->level);
	atomic_store(&to_stderr, !o->quiet);
	syslog_switch(o->syslog_ident, facility);
	return 0;
}

void log_close(void)
{
	int fd = atomic_exchange(&file_fd, -1);
	atomic_store(&to_file, false);
	atomic_store(&to_stderr, true);
	atomic_store(&format, LOG_FMT_PLAIN);
	atomic_store(&log_min_level, LOG_LV_INFO);
	syslog_switch(NULL, 0);
	if (fd >= 0)
		close(fd);
}

/* ---- a line ---- */

struct line {
	char text[PIPE_BUF];
	size_t n, room; /* room: up to where bytes from outside may go */
};

static void put(struct line *l, const char *s, size_t n)
{
	if (n <= sizeof(l->text) - l->n) {
		memcpy(l->text + l->n, s, n);
		l->n += n;
	}
}

static void puts_line(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Length of the valid UTF-8 sequence at s that is neither a control character nor a surrogate; 0
 * if none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	/* U+0080..9F are controls */
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	size_t n = s[0] >= 0xf5 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
	if (n == 0 || n > left)
		return 0;
	uint32_t cp = s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fU);
	}
	bool separator = cp == 0x2028 || cp == 0x2029; /* some readers take them for line ends */
	return cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) || separator ? 0 : n;
}

/* Appends what a peer may have chosen. Quoted formats use the escapes of JSON, plain text \n and
 * \x1b. */
static void put_escaped(struct line *l, const char *s, bool quoted)
{
	size_t left = strlen(s), step;
	for (; left; s += step, left -= step) {
		unsigned char c = (unsigned char)*s;
		char esc[8];
		const char *out = s;
		size_t n;
		step = n = c >= 0x80 ? utf8_len((const unsigned char *)s, left)
				     : c >= 0x20 && c != 0x7f;
		if (n == 0) {
			step = 1;
			out = esc;
			const char *fmt = c == '\n'   ? "\\n"
					  : c == '\r' ? "\\r"
					  : c == '\t' ? "\\t"
						      : NULL;
			n = fmt ? (size_t)snprintf(esc, sizeof(esc), "%s", fmt)
				: (size_t)snprintf(
					  esc, sizeof(esc), quoted ? "\\u%04x" : "\\x%02x", c);
		} else if (quoted && (c == '"' || c == '\\')) {
			n = (size_t)snprintf(esc, sizeof(esc), "\\%c", c);
			out = esc;
		}
		if (l->n + n > l->room) {
			puts_line(l, "...");
			return;
		}
		put(l, out, n);
	}
}

static bool needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s; s++)
		if (*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			/* also above 0x7f, where char is signed; quoting does no harm */
			return true;
	return false;
}

static void put_field(struct line *l, enum log_format fmt, const char *key, const char *value)
{
	bool json = fmt == LOG_FMT_JSON, quotes = json || needs_quotes(value);
	puts_line(l, json ? ",\"" : " ");
	puts_line(l, key);
	puts_line(l, json ? "\":" : "=");
	puts_line(l, quotes ? "\"" : "");
	put_escaped(l, value, quotes);
	puts_line(l, quotes ? "\"" : "");
}

struct record {
	enum log_level lv;
	const char *who, *ctx, *msg;
};

static void build_plain(struct line *l, const struct record *r)
{
	if (r->who) {
		put_escaped(l, r->who, false);
		puts_line(l, ": ");
	}
	if (r->ctx) {
		put_escaped(l, r->ctx, false);
		puts_line(l, " ");
	}
	put_escaped(l, r->msg, false);
}

static void build(struct line *l, enum log_format fmt, const struct record *r)
{
	char when[40], head[96];
	clock_format_ms(clock_wall_us(), when, sizeof(when));
	l->n = 0;
	/* for "...", quotes, keys and the newline after each value */
	l->room = sizeof(l->text) - 32;
	if (fmt == LOG_FMT_PLAIN) {
		snprintf(head, sizeof(head), "%s [%d] %s ", when, (int)getpid(),
			level_of(r->lv)->plain);
		puts_line(l, head);
		build_plain(l, r);
		put(l, "\n", 1);
		return;
	}
	/* "2026-11-20 10:49:27.123 UTC" as RFC 3339 */
	char *p = strchr(when, ' ');
	if (p)
		*p = 'T';
	p = strchr(when, ' ');
	if (p)
		memcpy(p, "Z", 2);
	snprintf(head, sizeof(head),
		fmt == LOG_FMT_JSON ? "{\"time\":\"%s\",\"pid\":%d,\"level\":\"%s\""
				    : "time=%s pid=%d level=%s",
		when, (int)getpid(), level_of(r->lv)->name);
	puts_line(l, head);
	/* who and ctx come first and short of the end, so that msg is what gets cut */
	l->room = 512;
	if (r->who)
		put_field(l, fmt, "who", r->who);
	l->room = 1024;
	if (r->ctx)
		put_field(l, fmt, "ctx", r->ctx);
	l->room = sizeof(l->text) - 32;
	put_field(l, fmt, "msg", r->msg);
	puts_line(l, fmt == LOG_FMT_JSON ? "}\n" : "\n");
}

/* One line; false if it is lost: the reader of a pipe is slow, or the disk is full. */
static bool write_line(int fd, const struct line *l)
{
	ssize_t n;
	do
		n = write(fd, l->text, l->n);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)l->n;
}

/* stderr is shared with others, so it is not ours to make non-blocking: look first. A pipe that
 * is ready takes PIPE_BUF bytes. The last words of a program are worth a second. */
static bool stderr_has_room(enum log_level lv)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	return poll(&p, 1, lv == LOG_LV_FATAL ? 1000 : 0) == 1;
}

static void emit(const struct record *r)
{
	struct line l;
	enum log_format fmt = atomic_load(&format);
	bool lost = false;
	build(&l, fmt, r);
	if (atomic_load(&to_stderr))
		lost |= !stderr_has_room(r->lv) || !write_line(STDERR_FILENO, &l);
	if (atomic_load(&to_file))
		lost |= !write_line(atomic_load(&file_fd), &l);
	if (lost) {
		atomic_fetch_add(&lost_n, 1);
		atomic_fetch_add(&lost_all, 1);
	}
	if (atomic_load(&to_syslog)) {
		/* syslog adds its own time and pid */
		if (fmt == LOG_FMT_PLAIN) {
			l.n = 0;
			build_plain(&l, r);
			put(&l, "\n", 1);
		}
		syslog(level_of(r->lv)->syslog, "%.*s", (int)l.n - 1, l.text);
	}
	unsigned n = lost ? 0 : atomic_exchange(&lost_n, 0);
	if (n) {
		char msg[64];
		snprintf(msg, sizeof(msg), "%u log lines were lost before this one", n);
		emit(&(struct record){ .lv = LOG_LV_WARN, .msg = msg });
	}
}

uint64_t log_lost(void)
{
	return atomic_load(&lost_all);
}

void log_line(enum log_level lv, const char *who, const char *ctx, const char *fmt, ...)
{
	char msg[MSG_MAX];
	int err = errno;
	va_list ap;
	if (!log_on(lv))
		return;
	va_start(ap, fmt);
	errno = err; /* for %m */
	int n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(msg))
		memcpy(msg + sizeof(msg) - 4, "...", 4);
	emit(&(struct record){ .lv = lv, .who = who, .ctx = ctx, .msg = n < 0 ? fmt : msg });
	errno = err;
}
