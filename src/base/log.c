/* log - what a line looks like, and who gets it. Ignorant of what it is told, and of how lines are
 * written (log_sink.c). Any thread. */
#include "log_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"

#define MSG_MAX 3072 /* with head and a few escapes it stays below PIPE_BUF */

_Atomic(enum log_level) log_min_level = LOG_LV_INFO;
static _Atomic(enum log_format) format = LOG_FMT_PLAIN;
static atomic_bool no_codes;

struct level {
	const char *plain, *name;
};

static const struct level *level_of(enum log_level lv)
{
	static const struct level levels[] = {
		[LOG_LV_DEBUG] = { "DEBUG", "debug" },
		[LOG_LV_INFO] = { "LOG", "info" },
		[LOG_LV_NOTICE] = { "NOTICE", "notice" },
		[LOG_LV_WARN] = { "WARNING", "warning" },
		[LOG_LV_ERROR] = { "ERROR", "error" },
		[LOG_LV_FATAL] = { "FATAL", "fatal" },
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

int log_open(const struct log_opts *o)
{
	int facility, rc = 0, err = 0;
	if (facility_of(o->syslog_facility, &facility) != 0)
		return -1;
	if (sink_file(LOG_TO_AUDIT, o->audit) != 0) {
		rc = -2;
		err = errno;
	}
	if (sink_file(LOG_TO_FILE, o->file) != 0) {
		rc = -1;
		err = errno;
	}
	atomic_store(&format, o->format);
	atomic_store(&log_min_level, o->level);
	atomic_store(&no_codes, o->no_codes);
	limit_set(o->repeats);
	sink_stderr(!o->quiet);
	sink_syslog(o->syslog_socket ? o->syslog_socket : "/dev/log", o->syslog_ident, facility);
	errno = err;
	return rc;
}

void log_close(void)
{
	sinks_close();
	atomic_store(&format, LOG_FMT_PLAIN);
	atomic_store(&log_min_level, LOG_LV_INFO);
	atomic_store(&no_codes, false);
	limit_set(0);
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

/* How many bytes at s stand as they are: most lines have nothing else. */
static size_t plain_len(const char *s, size_t left, bool quoted)
{
	size_t n = 0;
	while (n < left && s[n] >= ' ' && s[n] < 0x7f && !(quoted && (s[n] == '"' || s[n] == '\\')))
		n++;
	return n;
}

/* Appends what a peer may have chosen. Quoted formats use the escapes of JSON, plain text \n and
 * \x1b. */
static void put_escaped(struct line *l, const char *s, bool quoted)
{
	size_t left = strlen(s), step;
	for (; left; s += step, left -= step) {
		unsigned char c = (unsigned char)*s;
		char esc[8];
		size_t room = l->room > l->n ? l->room - l->n : 0;
		step = plain_len(s, left < room ? left : room, quoted);
		if (step > 0) {
			put(l, s, step);
			continue;
		}
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

/* A field of the caller's, which may be a number. */
static void put_value(struct line *l, enum log_format fmt, const struct log_field *f)
{
	char number[NUM_I64_CHARS];
	if (f->text) {
		put_field(l, fmt, f->key, f->text);
		return;
	}
	puts_line(l, fmt == LOG_FMT_JSON ? ",\"" : " ");
	puts_line(l, f->key);
	puts_line(l, fmt == LOG_FMT_JSON ? "\":" : "=");
	put(l, number, num_put_i64(number, f->number));
}

struct record {
	enum event_code ev;
	enum log_level lv;
	const struct log_about *about;
	const char *msg;
};

/* "who: ctx msg key=value" */
static void build_plain(struct line *l, const struct record *r)
{
	const struct log_about *a = r->about;
	if (a->who) {
		put_escaped(l, a->who, false);
		puts_line(l, ": ");
	}
	if (a->ctx) {
		put_escaped(l, a->ctx, false);
		puts_line(l, " ");
	}
	put_escaped(l, r->msg, false);
	for (unsigned i = 0; i < a->fields_n && !a->no_text; i++) {
		const struct log_field *f = &a->field[i];
		if (f->text ? *f->text : f->number != 0)
			put_value(l, LOG_FMT_LOGFMT, f);
	}
}

static void build_head(struct line *l, enum log_format fmt, const struct record *r)
{
	char when[40], head[128], pid[NUM_I64_CHARS];
	const char *code = event_info(r->ev)->code;
	clock_format_ms(clock_wall_us(), when, sizeof(when));
	if (fmt == LOG_FMT_PLAIN) {
		bool with = !atomic_load_explicit(&no_codes, memory_order_relaxed);
		puts_line(l, when);
		puts_line(l, " [");
		put(l, pid, num_put_i64(pid, getpid()));
		puts_line(l, "] ");
		puts_line(l, level_of(r->lv)->plain);
		puts_line(l, " ");
		puts_line(l, with ? code : "");
		puts_line(l, with ? " " : "");
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
		fmt == LOG_FMT_JSON ? "{\"time\":\"%s\",\"pid\":%d,\"level\":\"%s\",\"code\":\"%s\""
				    : "time=%s pid=%d level=%s code=%s",
		when, (int)getpid(), level_of(r->lv)->name, code);
	puts_line(l, head);
}

static void build(struct line *l, enum log_format fmt, const struct record *r)
{
	const struct log_about *a = r->about;
	l->n = 0;
	/* for "...", quotes, keys and the newline after each value */
	l->room = sizeof(l->text) - 32;
	build_head(l, fmt, r);
	if (fmt == LOG_FMT_PLAIN) {
		build_plain(l, r);
		put(l, "\n", 1);
		return;
	}
	/* who, ctx and fields come first and short of the end, so that msg is what gets cut */
	l->room = 512;
	if (a->who)
		put_field(l, fmt, "who", a->who);
	l->room = 1024;
	if (a->ctx)
		put_field(l, fmt, "ctx", a->ctx);
	l->room = 2048;
	for (unsigned i = 0; i < a->fields_n; i++)
		put_value(l, fmt, &a->field[i]);
	l->room = sizeof(l->text) - 32;
	put_field(l, fmt, "msg", r->msg);
	puts_line(l, fmt == LOG_FMT_JSON ? "}\n" : "\n");
}

/* syslog adds its own time and pid. */
static void build_syslog(struct line *l, const struct record *r)
{
	l->n = 0;
	l->room = sizeof(l->text) - 32;
	if (!atomic_load(&no_codes)) {
		puts_line(l, event_info(r->ev)->code);
		puts_line(l, " ");
	}
	build_plain(l, r);
	put(l, "\n", 1);
}

static const struct log_about nobody;

size_t log_format_lost(enum log_place p, uint64_t n, char *out, size_t size)
{
	struct line l;
	char msg[80];
	enum log_format fmt = p == LOG_TO_AUDIT ? LOG_FMT_LOGFMT : atomic_load(&format);
	struct record r = { EVENT_LOG_LOST, LOG_LV_WARN, &nobody, msg };
	snprintf(msg, sizeof(msg), "%llu log lines were lost before this one",
		(unsigned long long)n);
	event_keep(r.ev, clock_wall_us(), log_place_name(p), msg);
	if (p == LOG_TO_SYSLOG && fmt == LOG_FMT_PLAIN)
		build_syslog(&l, &r);
	else
		build(&l, fmt, &r);
	if (l.n > size)
		l.n = size;
	memcpy(out, l.text, l.n);
	return l.n;
}

/* ---- saying it ---- */

static void keep(const struct record *r)
{
	struct line l;
	char about[160];
	const struct log_about *a = r->about;
	const char *object = a->object ? a->object : a->ctx;
	l.n = 0;
	l.room = sizeof(about) - 4;
	put_escaped(&l, object ? object : "", false);
	memcpy(about, l.text, l.n);
	about[l.n] = '\0';
	l.n = 0;
	l.room = 300;
	put_escaped(&l, r->msg, false);
	l.text[l.n] = '\0';
	event_keep(r->ev, clock_wall_us(), about, l.text);
}

static void emit(const struct record *r)
{
	struct line l;
	enum log_format fmt = atomic_load(&format);
	build(&l, fmt, r);
	if (sink_is_open(LOG_TO_STDERR))
		sink_put(LOG_TO_STDERR, r->lv, l.text, l.n);
	if (sink_is_open(LOG_TO_FILE))
		sink_put(LOG_TO_FILE, r->lv, l.text, l.n);
	if (!sink_is_open(LOG_TO_SYSLOG))
		return;
	if (fmt == LOG_FMT_PLAIN)
		build_syslog(&l, r);
	sink_put(LOG_TO_SYSLOG, r->lv, l.text, l.n);
}

static void tell(const struct limit_told *t)
{
	char msg[128];
	struct log_field f = { "repeats", NULL, t->times };
	struct log_about a = { .ctx = t->about, .field = &f, .fields_n = 1, .no_text = true };
	snprintf(msg, sizeof(msg), "%u more like this within %lld s were not logged", t->times,
		(long long)((t->over_us + 999999) / 1000000));
	emit(&(struct record){ t->ev, event_info(t->ev)->level, &a, msg });
}

void log_tell_held(void)
{
	struct limit_told t = { 0 };
	while (limit_over(clock_mono_us(), &t))
		tell(&t);
}

static void say(const struct record *r)
{
	struct limit_told t = { 0 };
	const struct log_about *a = r->about;
	unsigned flags = event_info(r->ev)->flags;
	bool pass = true;
	if (flags & EVENT_HELD)
		pass = limit_pass(r->ev,
			a->object ? a->object
			: a->ctx  ? a->ctx
				  : r->msg,
			clock_mono_us(), &t);
	if (t.times)
		tell(&t);
	if (t.first)
		sinks_wake();
	if (flags & EVENT_NOTE)
		keep(r);
	if (pass)
		emit(r);
}

__attribute__((format(printf, 4, 0))) static void vsay(enum event_code ev, enum log_level lv,
	const struct log_about *about, const char *fmt, va_list ap, int err)
{
	char msg[MSG_MAX];
	errno = err; /* for %m */
	int n = vsnprintf(msg, sizeof(msg), fmt, ap);
	if (n >= (int)sizeof(msg))
		memcpy(msg + sizeof(msg) - 4, "...", 4);
	say(&(struct record){ ev, lv, about ? about : &nobody, n < 0 ? fmt : msg });
	errno = err;
}

void log_vevent_about(
	enum event_code ev, const struct log_about *about, const char *fmt, va_list ap)
{
	int err = errno;
	enum log_level lv = event_info(ev)->level;
	if (log_on(lv))
		vsay(ev, lv, about, fmt, ap, err);
}

void log_event_about(enum event_code ev, const struct log_about *about, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	log_vevent_about(ev, about, fmt, ap);
	va_end(ap);
}

void log_line(enum log_level lv, const char *who, const char *ctx, const char *fmt, ...)
{
	static const enum event_code plain[] = { EVENT_DEBUG, EVENT_INFO, EVENT_NOTICE, EVENT_WARN,
		EVENT_ERROR, EVENT_FATAL };
	struct log_about about = { .who = who, .ctx = ctx };
	int err = errno;
	va_list ap;
	if (!log_on(lv))
		return;
	va_start(ap, fmt);
	vsay(plain[lv], lv, &about, fmt, ap, err);
	va_end(ap);
}

void log_audit(const struct log_about *about, const char *fmt, ...)
{
	char msg[MSG_MAX];
	struct line l;
	va_list ap;
	if (!sink_is_open(LOG_TO_AUDIT))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	enum log_format fmt_now = atomic_load(&format) == LOG_FMT_JSON ? LOG_FMT_JSON
								       : LOG_FMT_LOGFMT;
	build(&l, fmt_now,
		&(struct record){ EVENT_AUDIT, LOG_LV_INFO, about ? about : &nobody, msg });
	/* worth the room that is kept for warnings */
	sink_put(LOG_TO_AUDIT, LOG_LV_WARN, l.text, l.n);
}
