/* stale - did the files change that a snapshot was made from, or that its options name? By what
 * stat() says of them, links followed: a name that leads to another file now (as when Kubernetes
 * renews a mounted secret) is a change. Ignorant of what is in them. Control thread. */
#include "conf/places.h"
#include "conf_int.h"

#include "base/hmap.h"

#include <string.h>

void conf_mark(const struct stat *st, int64_t out[CONF_MARK_N])
{
	out[0] = (int64_t)st->st_dev;
	out[1] = (int64_t)st->st_ino;
	out[2] = (int64_t)st->st_size;
	out[3] = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	out[4] = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

/* All zero: there is no such file now. */
static void mark_of(const char *path, int64_t out[CONF_MARK_N])
{
	struct stat st;
	memset(out, 0, CONF_MARK_N * sizeof(*out));
	if (stat(path, &st) == 0)
		conf_mark(&st, out);
}

static void mix(uint64_t *h, const int64_t mark[CONF_MARK_N])
{
	uint64_t both[1 + CONF_MARK_N];
	both[0] = *h;
	memcpy(both + 1, mark, CONF_MARK_N * sizeof(*mark));
	*h = hash64(both, sizeof(both));
}

static void mix_path(uint64_t *h, const char *path)
{
	int64_t mark[CONF_MARK_N];
	if (!*path)
		return;
	mark_of(path, mark);
	mix(h, mark);
}

static void mix_over(uint64_t *h, const struct conf_over *over, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (conf_is_input(over[i].opt))
			mix_path(h, over[i].value.s);
}

uint64_t conf_inputs_mark(const struct conf *conf)
{
	uint64_t h = 0;
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if ((o->scopes & OPT_GLOBAL) && conf_is_input(o))
			mix_path(&h, opt_show(o, conf_global_base(conf, o), NULL, 0));
	}
	for (unsigned i = 0; i < conf->dbs_n; i++)
		mix_over(&h, conf->dbs[i].over, conf->dbs[i].over_n);
	for (unsigned i = 0; i < conf->users_n; i++)
		mix_over(&h, conf->users[i].over, conf->users[i].over_n);
	return h;
}

struct conf_stale conf_stale(const struct conf *conf)
{
	struct conf_stale r = { .mark = conf_inputs_mark(conf) };
	r.inputs = r.mark != conf->inputs_mark;
	for (unsigned i = 0; i < conf->reads_n; i++) {
		const struct conf_read *read = &conf->reads[i];
		int64_t now[CONF_MARK_N];
		mark_of(read->path, now);
		mix(&r.mark, now);
		if (memcmp(now, read->mark, sizeof(now)) == 0)
			continue;
		if (read->is_value)
			r.values = true;
		else
			r.config = true;
	}
	return r;
}
