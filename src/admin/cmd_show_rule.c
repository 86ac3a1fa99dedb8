/* cmd_show_rule - SHOW RULES: the rules in their order, and how often each was followed. Ignorant
 * of what they do. Control thread. */
#include "admin_int.h"

#include <string.h>

struct rule_part {
	struct rule_count *v;
	unsigned n;
};

/* On the worker. */
static void each(struct worker *w, void *part, void *arg)
{
	struct rule_part *p = part;
	(void)arg;
	p->v = w->rule_counts_n ? mem_alloc(MEM_ADMIN, w->rule_counts_n * sizeof *p->v) : NULL;
	if (!p->v)
		return;
	p->n = w->rule_counts_n;
	memcpy(p->v, w->rule_counts, p->n * sizeof *p->v);
}

static struct rule_count sum_of(struct scatter *s, unsigned id)
{
	struct rule_count all = { 0 };
	for (unsigned i = 0; i < s->n; i++) {
		const struct rule_part *p = scatter_part(s, i);
		if (id < p->n) {
			all.followed += p->v[id].followed;
			all.gave_up += p->v[id].gave_up;
		}
	}
	return all;
}

static void done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	struct rowset *rs = &r->result;
	const struct core_rules *all = r->core->gen->rules;
	for (unsigned i = 0; all && i < all->n; i++) {
		const struct core_rule *c = &all->v[i];
		struct rule_count k = sum_of(s, c->proto.id);
		char **row = rowset_row(rs);
		rowset_setf(rs, row, 0, "%u", i + 1);
		rowset_set(rs, row, 1, c->conf->name);
		rowset_setf(rs, row, 2, "%llu", (unsigned long long)k.followed);
		rowset_setf(rs, row, 3, "%llu", (unsigned long long)k.gave_up);
		rowset_set(rs, row, 4, c->conf->text);
	}
	for (unsigned i = 0; i < s->n; i++)
		mem_free(MEM_ADMIN, ((struct rule_part *)scatter_part(s, i))->v);
	admin_ask_free(s);
	admin_done(r, "SHOW");
}

void show_rules(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "isqqs", "place rule hits gave_up definition");
	admin_ask(r, &q, sizeof(struct rule_part), each, done);
}
