/* cmd_show_log - SHOW EVENTS: what was of note lately; SHOW LOG: how the places where lines go are
 * doing; SHOW TRACES: the same of who gets traces. Control thread. */
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

static void set_time(struct rowset *rs, char **row, unsigned i, int64_t wall_us)
{
	char when[40];
	if (wall_us)
		rowset_set(rs, row, i, clock_format_ms(wall_us, when, sizeof when));
}

void show_traces(struct core_console *r, const struct cmd_line *l)
{
	struct rowset *rs = &r->result;
	const struct traces *t = &r->core->traces;
	const char *endpoint = r->core->gen->conf->global.otlp_endpoint;
	(void)l;
	admin_cols(rs, "ssqqqqqqqqTTs",
		"endpoint state open waiting sent dropped lost rejected posts posts_failed "
		"last_sent last_failed error");
	const uint64_t n[] = { atomic_load(&t->open), t->waiting, t->sent, atomic_load(&t->dropped),
		t->lost, t->rejected, t->posts, t->posts_failed };
	char **row = rowset_row(rs);
	rowset_set(rs, row, 0, endpoint);
	rowset_set(rs, row, 1, !*endpoint ? "off" : t->failing ? "failing" : "on");
	for (unsigned i = 0; i < sizeof n / sizeof *n; i++)
		rowset_setf(rs, row, 2 + i, "%llu", (unsigned long long)n[i]);
	set_time(rs, row, 10, t->sent_wall_us);
	set_time(rs, row, 11, t->failed_wall_us);
	rowset_set(rs, row, 12, t->error);
	admin_done(r, "SHOW");
}
