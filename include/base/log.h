/* log - lines with a level and a code, to stderr, a file or syslog, as plain text, logfmt or JSON.
 * Ignorant of what it is told. Any thread. Never give it a secret. Text from peers may contain
 * anything: control characters are escaped, so that nobody can forge a line.
 *
 * Until log_start() a line is written by who says it. From then on each place has a ring and a
 * thread that empties it: who logs never waits for a reader or a disk. What does not fit is lost,
 * counted, and told later. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"

enum log_format { LOG_FMT_PLAIN, LOG_FMT_LOGFMT, LOG_FMT_JSON };

struct log_opts {
	const char *file;         /* path, or NULL/"" */
	const char *audit;        /* the same, for log_audit() */
	const char *syslog_ident; /* NULL: no syslog */
	const char *syslog_facility;
	const char *syslog_socket; /* NULL: /dev/log */
	enum log_format format;
	enum log_level level; /* least level written */
	unsigned repeats;     /* lines per second of one event about one object; 0: all */
	bool quiet;           /* not to stderr */
	bool no_codes;        /* plain lines are without their code */
};
/* (Re)opens. -1: file, -2: audit cannot be opened; errno says why, what was open there stays, and
 * all else counts. -1 and EINVAL: unknown facility, nothing was done. Copies the strings. Before
 * the first call: plain text to stderr, from INFO on. One caller at a time; others may log
 * meanwhile. */
int log_open(const struct log_opts *o) __attribute__((warn_unused_result));
/* Threads write from now on. Not before a fork() that goes on without exec. Harmless if they cannot
 * be started: lines are then written as before. */
void log_start(void);
/* Back to the state before the first log_open(). Waits a moment for what is not written yet, not
 * for a reader who stands still. */
void log_close(void);
extern _Atomic(enum log_level) log_min_level;
static inline bool log_on(enum log_level lv)
{
	return lv >= atomic_load_explicit(&log_min_level, memory_order_relaxed);
}

/* A value of its own in logfmt and JSON; " key=value" behind the text in plain lines, unless it is
 * 0 or empty. */
struct log_field {
	const char *key;
	const char *text; /* NULL: number */
	int64_t number;
};
struct log_about {
	const char *who;    /* "C-17", "S-4", or NULL */
	const char *ctx;    /* "app/alice@10.0.0.1:5000" or NULL */
	const char *object; /* by what repeats are recognized; NULL: ctx, and without it the text */
	const struct log_field *field;
	unsigned fields_n;
	bool no_text; /* plain lines are without the fields */
};
/* The level is the event's. about may be NULL. The message has no newline. Keeps errno. Longer than
 * about 3000 bytes is cut, marked by "...". */
void log_event_about(enum event_code ev, const struct log_about *about, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void log_vevent_about(enum event_code ev, const struct log_about *about, const char *fmt,
	va_list ap) __attribute__((format(printf, 3, 0)));
#define log_event(ev, ...) log_event_about(ev, NULL, __VA_ARGS__)
/* A line to the file of log_opts.audit; nothing if that is not open. */
void log_audit(const struct log_about *about, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Lines without a code of their own. */
void log_line(enum log_level lv, const char *who, const char *ctx, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define log_debug(...) \
	do { \
		if (log_on(LOG_LV_DEBUG)) \
			log_event(EVENT_DEBUG, __VA_ARGS__); \
	} while (0)
#define log_info(...) log_event(EVENT_INFO, __VA_ARGS__)
#define log_notice(...) log_event(EVENT_NOTICE, __VA_ARGS__)
#define log_warn(...) log_event(EVENT_WARN, __VA_ARGS__)
#define log_error(...) log_event(EVENT_ERROR, __VA_ARGS__)
#define log_fatal(...) log_event(EVENT_FATAL, __VA_ARGS__)

/* ---- how it goes ---- */

enum log_place { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_AUDIT, LOG_PLACES };
struct log_counts {
	bool open;
	uint64_t lines;   /* written */
	uint64_t dropped; /* lost: the ring was full, or writing failed */
	unsigned queued_bytes;
	int last_errno; /* of the newest failure; 0: none since it was opened */
};
const char *log_place_name(enum log_place p);
void log_counts(enum log_place p, struct log_counts *out);
uint64_t log_lost(void); /* lines dropped since the start, in all places together */
uint64_t log_held(void); /* repeats that were counted instead of written */
#endif
