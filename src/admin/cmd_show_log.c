/* cmd_show_log - SHOW EVENTS: what was of note lately; SHOW LOG: how the places where lines go are
 * doing. Control thread. */
#include "admin_int.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"

#include <string.h>

void show_events(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	struct event_kept *k = mem_alloc(MEM_ADMIN, EVENT_KEPT * sizeof *k);
	char when[40];
	(void)l;
	if (!k) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	admin_cols(rs, "qTTsssqss", "id time last_time code level name times about text");
	static const char *const levels[] = { "debug", "info", "notice", "warning", "error",
		"fatal" };
	unsigned n = event_kept(k, EVENT_KEPT);
	for (unsigned i = 0; i < n; i++) {
		const struct event_info *e = event_info(k[i].ev);
		char **row = rowset_row(rs);
		rowset_setf(rs, row, 0, "%llu", (unsigned long long)k[i].id);
		rowset_set(rs, row, 1, clock_format_ms(k[i].first_us, when, sizeof when));
		rowset_set(rs, row, 2, clock_format_ms(k[i].last_us, when, sizeof when));
		rowset_set(rs, row, 3, e->code);
		rowset_set(rs, row, 4, levels[e->level]);
		rowset_set(rs, row, 5, e->name);
		rowset_setf(rs, row, 6, "%u", k[i].times);
		rowset_set(rs, row, 7, k[i].about);
		rowset_set(rs, row, 8, k[i].text);
	}
	mem_free(MEM_ADMIN, k);
	admin_done(r, "SHOW");
}

void show_log(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	(void)l;
	admin_cols(rs, "ssqqqs", "place state lines dropped queued_bytes error");
	for (unsigned i = 0; i < LOG_PLACES; i++) {
		struct log_counts c;
		log_counts((enum log_place)i, &c);
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, log_place_name((enum log_place)i));
		rowset_set(rs, row, 1, c.open ? "open" : "off");
		rowset_setf(rs, row, 2, "%llu", (unsigned long long)c.lines);
		rowset_setf(rs, row, 3, "%llu", (unsigned long long)c.dropped);
		rowset_setf(rs, row, 4, "%u", c.queued_bytes);
		rowset_set(rs, row, 5, c.last_errno ? strerror(c.last_errno) : "");
	}
	admin_done(r, "SHOW");
}
