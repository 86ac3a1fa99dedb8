/* sandbox - what the process gives up once everything is open, so that whoever takes it over finds
 * little: capabilities, programs, system calls, files. Before the first thread. Ignorant of which
 * calls and files: sandbox_calls.c, sandbox_files.c. */
#include "base/spawn.h"
#include "sandbox_int.h"
#include "server_int.h"
#include "upgrade_int.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

#define LINES_MAX 64

/* ---- programs ---- */

struct programs {
	struct spawn_line line[LINES_MAX];
	unsigned n;
	char *text[LINES_MAX]; /* what the words of a line are in */
	char *word[LINES_MAX][CONF_COMMAND_WORDS_MAX];
};

static void add_program(struct programs *p, const char *command, unsigned more)
{
	if (p->n == LINES_MAX)
		return;
	char *text = mem_xstrdup(MEM_CONF, command);
	int n = conf_words(text, p->word[p->n], CONF_COMMAND_WORDS_MAX);
	if (n < 1) {
		mem_free(MEM_CONF, text);
		return;
	}
	p->text[p->n] = text;
	p->line[p->n] =
		(struct spawn_line){ .words = p->word[p->n], .words_n = (unsigned)n, .more = more };
	p->n++;
}

/* Leaves the sandbox's one door: a process that runs these command lines for us, and nothing
 * else. */
static int keep_programs(const struct conf *conf, struct err *e)
{
	struct programs *p = mem_xalloc(MEM_CONF, sizeof *p);
	char *helper = mem_xprintf(MEM_CONF, "\"%s\" --fd 3", core_helper_path());
	add_program(p, helper, 0);
	for (unsigned i = 0; i < conf->clusters_n; i++)
		if (*conf->clusters[i].switchover_command)
			add_program(p, conf->clusters[i].switchover_command, 3);
	if (p->n < LINES_MAX && *upgrade_program()) /* with no say in what it is to do */
		p->line[p->n++] = (struct spawn_line){
			.words = upgrade_argv(), .words_n = upgrade_argc(), .env = UPG_ENV_VALUE
		};
	int r = spawn_broker(p->line, p->n, e);
	while (p->n)
		mem_free(MEM_CONF, p->text[--p->n]); /* NULL: not of this */
	mem_free(MEM_CONF, helper);
	mem_free(MEM_CONF, p);
	return r;
}

/* ---- privileges ---- */

/* Where capset() is forbidden, as by systemd's filters, there may be nothing to give up. */
static int drop_capabilities(char *why, size_t n)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	int r = (int)syscall(SYS_capset, &h, none), err = errno;
	if (r != 0 && syscall(SYS_capget, &h, have) == 0 && !memcmp(have, none, sizeof none))
		r = 0;
	if (r != 0)
		snprintf(why, n, "capset: %s", strerror(err));
	else if ((r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) != 0)
		snprintf(why, n, "no_new_privs: %s", strerror(errno));
	return r;
}

void sandbox_no_core(const struct conf *conf)
{
	if (IS_SANITIZED)
		return;
	if (conf->global.core_dumps) {
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		return;
	}
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* ---- all of it ---- */

static int lacking(const struct conf *conf, const char *what, const char *why, struct err *e)
{
	if (conf->global.sandbox == CONF_SANDBOX_ON)
		return err_set(e, ERR_CONFIG, "sandbox = on: %s", why);
	log_event(EVENT_SANDBOX_LESS, "sandbox: without %s: %s", what, why);
	return 0;
}

int sandbox_enter(const struct conf *conf, struct err *e)
{
	char why[160], files_text[80] = "all files", calls_text[80] = "all system calls";
	if (conf->global.sandbox == CONF_SANDBOX_OFF)
		return 0;
	if (IS_SANITIZED) { /* they ptrace, and read what is below /proc */
		if (conf->global.sandbox == CONF_SANDBOX_ON)
			return err_set(
				e, ERR_CONFIG, "sandbox = on: not in a build with sanitizers");
		return 0;
	}
	if (keep_programs(conf, e) != 0)
		return -1;
	if (drop_capabilities(why, sizeof why) != 0 &&
		lacking(conf, "giving up capabilities", why, e) != 0)
		return -1;
	int files = sandbox_files(conf, why, sizeof why);
	if (files >= 0)
		snprintf(files_text, sizeof files_text,
			"files below what the configuration names (Landlock %d)", files);
	else if (lacking(conf, "limits for files", why, e) != 0)
		return -1;
	int calls = sandbox_calls(why, sizeof why);
	if (calls >= 0)
		snprintf(calls_text, sizeof calls_text, "%d system calls (seccomp)", calls);
	else if (lacking(conf, "limits for system calls", why, e) != 0)
		return -1;
	log_event(EVENT_SANDBOX, "sandbox: no other programs, %s, %s", calls_text, files_text);
	return 0;
}

struct outside {
	struct conf_msgs *m;
	bool found;
};

static void on_path(void *arg, const char *option, const char *path, bool written)
{
	struct outside *o = arg;
	if (sandbox_covers(path, written))
		return;
	conf_msgs_add(o->m, CONF_ERROR, NULL, 0,
		"%s %s is outside of the directories that the sandbox lets this process %s since "
		"its start: restart weirpool, or see the option sandbox",
		option ? option : "file", path, written ? "write to" : "read");
	o->found = true;
}

int sandbox_check(const struct conf *conf, struct conf_msgs *m)
{
	struct outside o = { .m = m };
	conf_paths(conf, on_path, &o);
	return o.found ? -1 : 0;
}
