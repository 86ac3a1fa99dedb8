/* paths - which files the configuration names. Ignorant of what they are for and whether they
 * exist. Control thread. */
#include "conf_int.h"

static void say(conf_path_fn *fn, void *arg, const struct opt *o, const char *path)
{
	if (path && *path && *path != '@')
		fn(arg, o ? o->name : NULL, path, o && o->written);
}

static void say_over(const struct conf_over *over, unsigned n, conf_path_fn *fn, void *arg)
{
	for (unsigned i = 0; i < n; i++)
		if (over[i].opt->type == OPT_PATH || over[i].opt->written)
			say(fn, arg, over[i].opt, over[i].value.s);
}

void conf_paths(const struct conf *conf, conf_path_fn *fn, void *arg)
{
	say(fn, arg, NULL, conf->path);
	for (unsigned i = 0; i < conf->reads_n; i++)
		say(fn, arg, NULL, conf->reads[i].path);
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if ((o->type == OPT_PATH || o->written) && o->scopes & OPT_GLOBAL)
			say(fn, arg, o, conf_global_text(conf, o));
	}
	for (unsigned i = 0; i < conf->dbs_n; i++)
		say_over(conf->dbs[i].over, conf->dbs[i].over_n, fn, arg);
	for (unsigned i = 0; i < conf->users_n; i++)
		say_over(conf->users[i].over, conf->users[i].over_n, fn, arg);
}
