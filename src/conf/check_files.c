/* check_files - are the files there that the configuration names, and the directories of those that
 * will be written? For weirpool -t and check. Control thread, before it serves. */
#include "conf_int.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void check_readable(
	struct conf_check *c, const char *name, const char *path, struct conf_src src)
{
	char text[400];
	if (!path[0] || access(path, R_OK) == 0)
		return;
	snprintf(text, sizeof text, "cannot read %.200s: %s", path, strerror(errno));
	conf_msgs_add_unread(c->m, name, src.file ? src.file : c->conf->path, src.line, text);
}

/* Options whose file must be there to be read; the others are written. */
bool conf_is_input(const struct opt *o)
{
	static const char *const outputs[] = { "audit_file", "logfile", "pidfile",
		"unix_socket_dir", "conffile" };
	if (o->type != OPT_PATH)
		return false;
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		if (strcasecmp(outputs[i], o->name) == 0)
			return false;
	return true;
}

/* Of a file or socket that will be made. A warning: what starts weirpool may make the directory
 * first, as systemd does (RuntimeDirectory=). */
static void check_directory(struct conf_check *c, const struct opt *o)
{
	const char *path = opt_show(o, conf_global_base(c->conf, o), NULL, 0);
	if (*path != '/') /* none, abstract, or where weirpool is started */
		return;
	char *dir = mem_xstrdup(MEM_CONF, path);
	char *slash = strrchr(dir, '/');
	if (slash > dir && strcmp(o->name, "unix_socket_dir") != 0)
		*slash = '\0';
	if (access(dir, W_OK | X_OK) != 0)
		CHECK_TELL(c, CONF_WARNING, conf_src_of(c->conf, o->name),
			"%s: nothing can be written to the directory %.200s: %s", o->name, dir,
			strerror(errno));
	mem_free(MEM_CONF, dir);
}

static void check_option(struct conf_check *c, const struct opt *o)
{
	if (conf_is_input(o))
		check_readable(c, o->name, opt_show(o, conf_global_base(c->conf, o), NULL, 0),
			conf_src_of(c->conf, o->name));
	else if (o->written && conf_is_set(c->conf, o->name))
		check_directory(c, o);
}

/* Its first word: check_command() in build.c has seen that it is a whole path. */
static void check_command(struct conf_check *c, const struct conf_cluster *cl)
{
	char *words[CONF_COMMAND_WORDS_MAX];
	char *text = mem_xstrdup(MEM_CONF, cl->switchover_command);
	if (conf_words(text, words, CONF_COMMAND_WORDS_MAX) > 0 && access(words[0], X_OK) != 0)
		CHECK_TELL(c, CONF_WARNING, cl->src,
			"cluster \"%.60s\": switchover_command: cannot run %.200s: %s", cl->name,
			words[0], strerror(errno));
	mem_free(MEM_CONF, text);
}

int conf_check_files(const struct conf *conf, struct conf_msgs *m)
{
	struct conf_check c = { .conf = conf, .m = m };
	unsigned before = m->errors_n;
	for (unsigned i = 0; i < opt_table_n; i++)
		if (opt_table[i].scopes & OPT_GLOBAL)
			check_option(&c, &opt_table[i]);
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		for (unsigned j = 0; j < conf->dbs[i].over_n; j++) {
			const struct conf_over *over = &conf->dbs[i].over[j];
			if (conf_is_input(over->opt))
				check_readable(&c, over->opt->name, over->value.s, over->src);
		}
	}
	for (unsigned i = 0; i < conf->clusters_n; i++)
		check_command(&c, &conf->clusters[i]);
	return m->errors_n == before ? 0 : -1;
}
