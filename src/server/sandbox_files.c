/* sandbox_files - Landlock: which files may be opened after the start. Directories, not files: what
 * is replaced by rename(2), as certificates are, must be found by the next RELOAD. By raw system
 * calls, since glibc has none. Control thread, before others are started. */
#include "sandbox_int.h"
#include "server_int.h"

#include "ev/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset /* the same numbers on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* Linux, Landlock: unprivileged access control, "Filesystem flags". The headers of a distribution
 * may be older than its kernel. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_ALL_1 = (1 << 13) - 1,
	FS_TRUNCATE = 1 << 14, /* from version 3 */
};
#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE \
	(FS_READ | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_MAKE_SOCK | FS_TRUNCATE)
#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t handled_access_fs;
};
struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));
#define RULE_PATH_BENEATH 1
#define GET_VERSION 1

#define PLACES_MAX 128

/* What was let in, for messages and for sandbox_covers(). Written before the threads are there. */
static struct place {
	char *path;
	bool written;
} places[PLACES_MAX];
static unsigned places_n;
static bool on;

struct files {
	int fd;
	uint64_t handled;
	bool full; /* more places than we can remember */
};

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

static bool is_place(const char *path, bool written)
{
	for (unsigned i = 0; i < places_n; i++)
		if ((places[i].written || !written) && is_below(path, places[i].path))
			return true;
	return false;
}

/* path is real. What is not there is not let in. */
static void let(struct files *f, const char *path, bool written)
{
	struct stat st;
	struct path_beneath_attr a = { .allowed_access = written ? FS_WRITE : FS_READ };
	if (is_place(path, written))
		return;
	if (places_n == PLACES_MAX) {
		f->full = true;
		return;
	}
	a.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (a.parent_fd < 0)
		return;
	if (fstat(a.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		a.allowed_access &= FS_OF_FILES;
	a.allowed_access &= f->handled;
	if (syscall(SYS_landlock_add_rule, f->fd, RULE_PATH_BENEATH, &a, 0) == 0)
		places[places_n++] = (struct place){ mem_xstrdup(MEM_CONF, path), written };
	close(a.parent_fd);
}

/* path itself when it is a directory or a device; else the directory that it really is in, and the
 * one where its name stands (which may be a link to elsewhere, or nothing as yet). Never the root:
 * of what is there, the file alone. */
static void let_around(struct files *f, const char *path, bool written)
{
	char real[PATH_MAX], dir[PATH_MAX];
	struct stat st;
	char *slash;
	if (realpath(path, real)) {
		bool is_file = stat(real, &st) == 0 &&
			       (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
		slash = strrchr(real, '/');
		if (is_file && slash != real)
			*slash = '\0';
		let(f, real, written);
		if (!is_file)
			return;
	}
	snprintf(dir, sizeof dir, "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	if (slash != dir && realpath(slash ? dir : ".", real) && strcmp(real, "/dev") != 0 &&
		strcmp(real, "/") != 0)
		let(f, real, written);
}

static void on_path(void *arg, const char *option, const char *path, bool written)
{
	(void)option;
	let_around(arg, path, written);
}

static int on_library(struct dl_phdr_info *i, size_t n, void *arg)
{
	(void)n;
	if (i->dlpi_name && i->dlpi_name[0] == '/')
		let_around(arg, i->dlpi_name, false);
	return 0;
}

/* What libraries read when it is there: name resolution, certificates, time zones, Kerberos. */
static void let_system(struct files *f)
{
	static const char *const all[] = { "/etc", "/etc/resolv.conf", "/etc/localtime",
		"/usr/share/zoneinfo", "/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates", "/usr/lib/locale", "/run/secrets", "/proc/self",
		"/proc/sys", "/sys/devices/system", "/dev/urandom", "/dev/random" };
	static const char *const env[] = { "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF",
		"OPENSSL_MODULES", "PGSYSCONFDIR", "PGSERVICEFILE", "PGPASSFILE", "KRB5_CONFIG",
		"KRB5_KTNAME", "KRB5CCNAME", "TZDIR", "HOSTALIASES" };
	char home[PATH_MAX];
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		let_around(f, all[i], false);
	for (unsigned i = 0; i < sizeof env / sizeof *env; i++) {
		const char *v = getenv(env[i]);
		v = v && strncmp(v, "FILE:", 5) == 0 ? v + 5 : v;
		if (v && *v == '/')
			let_around(f, v, false);
	}
	for (unsigned i = 0; tls_library_dir(i); i++)
		let_around(f, tls_library_dir(i), false);
	if (getenv("HOME")) {
		snprintf(home, sizeof home, "%s/.postgresql", getenv("HOME"));
		if (realpath(home, (char[PATH_MAX]){ 0 }))
			let_around(f, home, false);
	}
	let(f, "/dev/null", true);
	(void)dl_iterate_phdr(on_library, f);
}

int sandbox_files(const struct conf *conf, char *why, size_t n)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
	if (version < 1) {
		snprintf(why, n, "this kernel has no Landlock (%s)", strerror(errno));
		return -1;
	}
	struct files f = { .handled = FS_ALL_1 | (version >= 3 ? (uint64_t)FS_TRUNCATE : 0) };
	struct ruleset_attr a = { .handled_access_fs = f.handled };
	f.fd = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof a, 0);
	if (f.fd < 0) {
		snprintf(why, n, "Landlock: %s", strerror(errno));
		return -1;
	}
	conf_paths(conf, on_path, &f);
	let_system(&f);
	if (f.full)
		snprintf(why, n, "the configuration names files in more than %d directories",
			PLACES_MAX);
	else if (syscall(SYS_landlock_restrict_self, f.fd, 0) != 0)
		snprintf(why, n, "Landlock: %s", strerror(errno));
	else
		on = true;
	close(f.fd);
	return on ? (int)version : -1;
}

bool sandbox_covers(const char *path, bool written)
{
	char real[PATH_MAX], dir[PATH_MAX];
	if (!on)
		return true;
	if (realpath(path, real))
		return is_place(real, written);
	snprintf(dir, sizeof dir, "%s", path);
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	return realpath(slash ? dir : ".", real) && is_place(real, written);
}

const char *sandbox_places(char *out, size_t n)
{
	size_t at = 0;
	*out = '\0';
	for (unsigned i = 0; i < places_n && at < n; i++)
		at += (size_t)snprintf(out + at, n - at, "%s%s", i ? ", " : "", places[i].path);
	return out;
}

bool sandbox_limits_files(void)
{
	return on;
}

void sandbox_forget(void)
{
	while (places_n)
		mem_free(MEM_CONF, places[--places_n].path);
}
