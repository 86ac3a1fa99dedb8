/* log_int - what the files of the log tell each other. */
#ifndef LOG_INT_H
#define LOG_INT_H
#include "base/log.h"

#include <limits.h>
#include <stddef.h>

/* ---- log_sink.c: where lines go ---- */

/* n is at most PIPE_BUF. Never blocks once log_start() was called. */
void sink_put(enum log_place p, enum log_level lv, const char *text, size_t n);
bool sink_is_open(enum log_place p);
/* Puts path under the place's descriptor; NULL or "": closes it. -1 with errno: as it was. */
int sink_file(enum log_place p, const char *path);
void sink_stderr(bool on);
/* Lines go to the socket at path; ident NULL: nowhere. */
void sink_syslog(const char *path, const char *ident, int facility);
void sinks_wake(void); /* their threads look at log_limit.c */
void sinks_close(void);

/* ---- log_syslog.c ---- */

void syslog_target(const char *path, const char *ident, int facility);
/* 0, or why it was not sent: EAGAIN when the daemon's queue is full. Never blocks. */
int syslog_put(enum log_level lv, const char *text, size_t n);
int syslog_fd(void); /* to wait until there is room; -1: none */
void syslog_close(void);

/* ---- log.c, for log_sink.c ---- */

/* "n lines were lost" in the form of the other lines. Returns its length. */
size_t log_format_lost(enum log_place p, uint64_t n, char *out, size_t size);

/* ---- log_limit.c: repeats ---- */

struct limit_told { /* what was held back and is to be told now */
	enum event_code ev;
	unsigned times;
	bool first; /* the line that was asked for is the first one held back */
	int64_t over_us;
	char about[160];
};
void limit_set(unsigned per_second);
/* May this line be written? told_r->times is 0, or there is something to tell first. */
bool limit_pass(enum event_code ev, const char *object, int64_t now_us, struct limit_told *told_r);
/* One whose second is over, if any. */
bool limit_over(int64_t now_us, struct limit_told *told_r);
bool limit_is_holding(void);
/* log.c: writes what is over. Any thread. */
void log_tell_held(void);
#endif
