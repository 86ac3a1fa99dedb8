/* metrics - the metrics of one moment as text: asks the workers, fills the rows, writes them. SHOW
 * PROMETHEUS METRICS; GET /metrics is another caller of admin_metrics(). Control thread. */
#include "metrics_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

struct asking {
	struct admin *a;
	char *name, *scope; /* of the filter; NULL: all */
	int64_t asked_us;
	admin_metrics_done *done;
	void *arg;
};

static void asking_free(struct asking *q)
{
	mem_free(MEM_ADMIN, q->name);
	mem_free(MEM_ADMIN, q->scope);
	mem_free(MEM_ADMIN, q);
}

static void each(struct worker *w, void *part, void *arg) /* on the worker */
{
	const struct asking *q = arg;
	metrics_collect(w, part, q->asked_us);
}

static void done(struct scatter *s)
{
	struct asking *q = s->arg;
	struct metric_filter f = { .name = q->name, .scope = q->scope };
	struct metric_rows all = { 0 };
	struct buf text;
	buf_init(&text, 0);
	metrics_fill(q->a, s, &all);
	for (unsigned i = 0; i < s->n; i++)
		metrics_part_fini(scatter_part(s, i));
	if (!all.no_memory)
		metric_rows_text(&all, &f, &text);
	q->done(q->arg, all.no_memory || text.failed ? NULL : &text);
	buf_fini(&text);
	metric_rows_fini(&all);
	asking_free(q);
}

static char *copy(const char *s, bool *ok)
{
	char *text = s && *s ? mem_strdup(MEM_ADMIN, s) : NULL;
	*ok = *ok && (text || !s || !*s);
	return text;
}

static bool is_scope(const char *name)
{
	for (int s = 0; s < SCOPES_N; s++)
		if (strcmp(name, metric_scope_name((enum metric_scope)s)) == 0)
			return true;
	return false;
}

static int no_scope(const char *name, struct err *e)
{
	char all[256] = "";
	const char *last = "";
	size_t n = 0;
	for (int s = 0; s < SCOPES_N && n < sizeof all; s++) {
		const char *is = metric_scope_name((enum metric_scope)s);
		if (strcmp(is, last) != 0)
			n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", is);
		last = is;
	}
	err_set(e, ERR_BAD_VALUE, "there is no scope \"%.40s\" of metrics", name);
	return err_hint(e, "There are %s", all);
}

int admin_metrics(struct admin *a, const char *name, const char *scope, admin_metrics_done *fn,
	void *arg, struct err *e)
{
	if (scope && *scope && !is_scope(scope))
		return no_scope(scope, e);
	struct asking *q = mem_alloc(MEM_ADMIN, sizeof *q);
	bool ok = q != NULL;
	if (q) {
		*q = (struct asking){ .a = a, .done = fn, .arg = arg };
		q->name = copy(name, &ok);
		q->scope = copy(scope, &ok);
		q->asked_us = clock_mono_us();
	}
	if (ok && core_scatter(a->core, sizeof(struct metrics_part), each, done, q) == 0)
		return 0;
	if (q)
		asking_free(q);
	return err_set(e, ERR_NO_MEMORY, "out of memory");
}

static void show_done(void *arg, struct buf *text)
{
	struct core_console *r = arg;
	char *copied = text && buf_len(text)
			       ? mem_strndup(MEM_ADMIN, (const char *)buf_data(text), buf_len(text))
			       : NULL;
	if (!copied) {
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
		return;
	}
	rowset_set(&r->result, rowset_row(&r->result), 0, copied);
	mem_free(MEM_ADMIN, copied);
	admin_done(r, "SHOW");
}

void show_prometheus(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	rowset_col(&r->result, "metrics", RS_TEXT);
	if (admin_metrics(admin_of(r), NULL, NULL, show_done, r, &r->result.err) != 0)
		admin_refuse(r);
}
