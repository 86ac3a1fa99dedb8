/* show - a snapshot as rows of SHOW CONFIG. Any thread. */
#include "conf_int.h"

#include <stdio.h>

bool conf_show_next(const struct conf *conf, unsigned *i, struct conf_show *r)
{
	while (*i < opt_table_n && !(opt_table[*i].scopes & OPT_GLOBAL))
		(*i)++;
	if (*i == opt_table_n)
		return false;
	const struct opt *o = &opt_table[(*i)++];
	const struct conf_item *it = conf->set[o - opt_table];
	r->key = o->name;
	r->dflt = opt_default(o, conf->is_pgbouncer);
	r->value = o->in == OPT_IN_NOWHERE
			   ? conf_global_text(conf, o)
			   : opt_show(o, conf_global_base(conf, o), r->tmp, sizeof(r->tmp));
	if (it == NULL && r->dflt == NULL && o->type >= OPT_STRING)
		r->value = NULL;
	r->changeable = o->apply != OPT_RESTART;
	r->src = it ? it->src : (struct conf_src){ 0 };
	return true;
}

const char *conf_src_text(const struct conf_src *src, char *out, size_t n)
{
	if (!src->file)
		return "default";
	if (!src->line)
		return src->file;
	snprintf(out, n, "%s:%u", src->file, src->line);
	return out;
}
