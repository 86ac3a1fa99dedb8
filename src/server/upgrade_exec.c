/* upgrade_exec - how this process was started, so that another one can be started like it: the path
 * that leads to the program, looked up again each time, and the words. main() calls it first. */
#include "upgrade_int.h"

#include "base/hmap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	char path[PATH_MAX];
	char **argv;
	int argc;
	bool has_key;
} started;

/* Is path the program that runs here? */
static bool is_this(const char *path)
{
	struct stat a, b;
	return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool take(const char *dir, size_t dir_n, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%.*s/%s", (int)dir_n, dir, name);
	if (n < 0 || (size_t)n >= sizeof path || !is_this(path))
		return false;
	memcpy(started.path, path, (size_t)n + 1);
	return true;
}

/* As the shell found it: a link that leads to another version tomorrow is followed then. */
static void find_path(const char *name)
{
	char cwd[PATH_MAX];
	const char *at = getenv("PATH");
	if (name && name[0] == '/' && take("", 0, name + 1))
		return;
	if (name && strchr(name, '/')) {
		if (getcwd(cwd, sizeof cwd) && take(cwd, strlen(cwd), name))
			return;
		at = NULL;
	}
	while (name && at && *at) {
		size_t n = strcspn(at, ":");
		if (n && *at == '/' && take(at, n, name))
			return;
		at += n + (at[n] == ':');
	}
	ssize_t n = readlink("/proc/self/exe", started.path, sizeof started.path - 1);
	started.path[n > 0 ? n : 0] = 0;
}

/* The first message, which was there before the program was. */
static void take_key(void)
{
	struct upg_msg m;
	if (upg_recv(UPG_FD, &m) == UPG_GOT && m.type == UPG_KEY && rd_left(&m.body) == 16)
		started.has_key = hash_key_set(rd_bytes(&m.body, 16));
	if (m.fd >= 0)
		close(m.fd);
	mem_wipe(m.bytes, sizeof m.bytes);
}

bool upgrade_has_key(void)
{
	return started.has_key;
}

int upgrade_begin_process(int argc, char **argv)
{
	const char *env = getenv(UPG_ENV);
	struct stat st;
	bool bound = env && strcmp(env, "3") == 0 && fstat(UPG_FD, &st) == 0 &&
		     S_ISSOCK(st.st_mode);
	unsetenv(UPG_ENV);
	if (bound)
		take_key();
	find_path(argv[0]);
	started.argc = argc;
	started.argv = mem_xalloc(MEM_CONF, ((size_t)argc + 1) * sizeof *started.argv);
	for (int i = 0; i < argc; i++)
		started.argv[i] = mem_xstrdup(MEM_CONF, i ? argv[i] : started.path);
	return bound ? UPG_FD : -1;
}

const char *upgrade_program(void)
{
	return started.path;
}

char *const *upgrade_argv(void)
{
	return started.argv;
}

unsigned upgrade_argc(void)
{
	return (unsigned)started.argc;
}

void upgrade_end_process(void)
{
	for (int i = 0; i < started.argc; i++) {
		mem_wipe(started.argv[i], strlen(started.argv[i])); /* a URL may have a password */
		mem_free(MEM_CONF, started.argv[i]);
	}
	mem_free(MEM_CONF, started.argv);
	started.argv = NULL;
	started.argc = 0;
}
