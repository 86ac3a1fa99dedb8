/* log - levelled lines to stderr, a file or syslog, as plain text, logfmt or JSON. Ignorant of
 * what it is told. Any thread; a line is one write(2). Never give it a secret. Text from peers
 * may contain anything: the writer escapes control characters, so that nobody can forge a line. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LV_DEBUG,
	LOG_LV_INFO,
	LOG_LV_NOTICE,
	LOG_LV_WARN,
	LOG_LV_ERROR,
	LOG_LV_FATAL
};
enum log_format { LOG_FMT_PLAIN, LOG_FMT_LOGFMT, LOG_FMT_JSON };

struct log_opts {
	const char *file;         /* path, or NULL/"" */
	const char *syslog_ident; /* NULL: no syslog */
	const char *syslog_facility;
	enum log_format format;
	enum log_level level; /* least level written */
	bool quiet;           /* not to stderr */
};
/* (Re)opens; on failure keeps what was and returns -1 with errno set (EINVAL: unknown facility).
 * Copies the strings. Before the first call: plain text to stderr, from INFO on. One caller at a
 * time; others may log meanwhile. */
int log_open(const struct log_opts *o) __attribute__((warn_unused_result));
void log_close(void); /* back to the state before the first log_open() */
extern _Atomic(enum log_level) log_min_level;
static inline bool log_on(enum log_level lv)
{
	return lv >= atomic_load_explicit(&log_min_level, memory_order_relaxed);
}
/* who: "C-17", "S-4", or NULL; ctx: "app/alice@10.0.0.1:5000" or NULL. The message has no
 * newline. Keeps errno. Longer than about 3000 bytes is cut, marked by "...". A full pipe or disk
 * loses lines, never blocks; the next line that gets through is followed by the number lost. */
void log_line(enum log_level lv, const char *who, const char *ctx, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
uint64_t log_lost(void); /* lines lost since the start */
#define log_debug(...) \
	do { \
		if (log_on(LOG_LV_DEBUG)) \
			log_line(LOG_LV_DEBUG, NULL, NULL, __VA_ARGS__); \
	} while (0)
#define log_info(...) log_line(LOG_LV_INFO, NULL, NULL, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LV_NOTICE, NULL, NULL, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LV_WARN, NULL, NULL, __VA_ARGS__)
#define log_error(...) log_line(LOG_LV_ERROR, NULL, NULL, __VA_ARGS__)
#define log_fatal(...) log_line(LOG_LV_FATAL, NULL, NULL, __VA_ARGS__)
#endif
