/* event - the codes of what weirpool says, from the table in base/event_table.h, and the newest
 * events that an operator should know of. Ignorant of how a line is written (base/log.h). Any
 * thread. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/event_table.h"

enum log_level {
	LOG_LV_DEBUG,
	LOG_LV_INFO,
	LOG_LV_NOTICE,
	LOG_LV_WARN,
	LOG_LV_ERROR,
	LOG_LV_FATAL
};

enum event_code {
#define X(id, number, level, flags, text, cause, fix) EVENT_##id,
	EVENT_TABLE(X)
#undef X
#define X(id, number, flags, cause, fix) EVENT_ERR_##id,
		EVENT_ERRORS(X)
#undef X
			EVENT_N
};

struct event_info {
	char code[8]; /* "W3003": the letter of the level, or E for what a client is told */
	const char *name;
	enum log_level level;
	unsigned flags;    /* EVENT_* */
	enum err_code err; /* the error that a client is told; ERR_NONE: it is none */
	const char *text, *cause, *fix;
};
const struct event_info *event_info(enum event_code ev);
/* That of an error that a client was told; EVENT_WARN for ERR_NONE. */
enum event_code event_of_err(enum err_code c);
/* From n on, what s names: a code in any case ("w3003", "3003"), an error's or event's name
 * ("ERR_WAIT_TIMEOUT", "RELOADED"), a SQLSTATE, or a number of MySQL's. EVENT_N: nothing more. */
enum event_code event_find(const char *s, enum event_code from);

/* ---- the newest ones ---- */

#define EVENT_KEPT 256
struct event_kept {
	uint64_t id;               /* counts from 1 */
	int64_t first_us, last_us; /* wall clock */
	unsigned times;            /* the same about the same, one after the other */
	enum event_code ev;
	char about[160], text[320]; /* about: who or what, may be "" */
};
/* Remembers it; log.c does for events that are EVENT_NOTE. */
void event_keep(enum event_code ev, int64_t wall_us, const char *about, const char *text);
/* Copies the newest, newest first, at most n. Returns how many. */
unsigned event_kept(struct event_kept *out, unsigned n);
#endif
