/* sandbox_calls - seccomp: which system calls remain. Those that we, libevent, c-ares, OpenSSL,
 * libpq and glibc make to serve, in all the forms that a newer glibc may choose. What is not in the
 * list ends with ENOSYS, as in an older kernel: libraries have a way around that, and a list that
 * lacks something costs a function and not the process. Control thread, at the start. */
#include "sandbox_int.h"
#include "server_int.h"

#include <stdio.h>
#include <string.h>

#if WITH_SECCOMP

#include <errno.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const char *const calls[] = {
	/* reading and writing */
	"read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
	"pwritev2", "lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
	"fcntl64", "sendfile", "sendfile64", "splice", "tee", "copy_file_range",
	/* sockets; socket() itself below */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "send", "sendmsg",
	"sendmmsg", "sendto", "setsockopt", "shutdown",
	/* waiting for events */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
	"eventfd", "eventfd2", "pipe", "pipe2", "signalfd", "signalfd4", "timerfd_create",
	"timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
	"inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
	/* files: which, is Landlock's to say */
	"open", "openat", "openat2", "creat", "stat", "stat64", "fstat", "fstat64", "lstat",
	"lstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64",
	"getcwd", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat",
	"umask", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown",
	"fchownat", "chown32", "fchown32", "lchown32", "truncate", "truncate64", "ftruncate",
	"ftruncate64", "fallocate", "fsync", "fdatasync", "flock", "utimensat", "utimensat_time64",
	"fadvise64",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "mlock",
	"mlock2", "munlock", "membarrier", "msync",
	/* threads; clone() itself below */
	"futex", "futex_time64", "futex_wait", "futex_wake", "futex_waitv", "futex_requeue",
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
	"sched_get_priority_max", "sched_get_priority_min", "getcpu", "exit", "exit_group",
	"arch_prctl", "set_thread_area", "get_thread_area",
	/* signals and children */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "rt_sigsuspend", "rt_sigpending", "sigreturn", "sigaltstack",
	"restart_syscall", "pause", "kill", "tgkill", "tkill", "wait4", "waitid", "waitpid",
	/* clocks */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	"clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times",
	"setitimer", "getitimer", "alarm",
	/* who and where we are */
	"getpid", "getppid", "getpgid", "getpgrp", "getsid", "getuid", "geteuid", "getgid",
	"getegid", "getresuid", "getresgid", "getgroups", "getuid32", "geteuid32", "getgid32",
	"getegid32", "getresuid32", "getresgid32", "getgroups32", "getrlimit", "ugetrlimit",
	"getrusage", "getpriority", "capget", "uname", "sysinfo", "getrandom", "getxattr",
	"lgetxattr", "fgetxattr"
};

/* Refused by a clearer error than ENOSYS: nobody looks for a way around it. */
static const char *const refused[] = { "execve", "execveat", "fork", "vfork", "ptrace",
	"process_vm_readv", "process_vm_writev", "mount", "unshare", "setns", "chroot",
	"pivot_root", "bpf", "perf_event_open", "keyctl", "add_key", "request_key" };

static int allow(scmp_filter_ctx c, const char *name, int *n)
{
	int nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR) /* newer than libseccomp, or of another architecture */
		return 0;
	if (seccomp_rule_add(c, SCMP_ACT_ALLOW, nr, 0) != 0)
		return -1;
	++*n;
	return 0;
}

/* Of a call, only with this in argument i (of the bits of mask). */
static int allow_with(scmp_filter_ctx c, int nr, unsigned i, uint64_t mask, uint64_t value)
{
	struct scmp_arg_cmp a = SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, mask, value);
	return seccomp_rule_add_array(c, SCMP_ACT_ALLOW, nr, 1, &a);
}

static int allow_some(scmp_filter_ctx c)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	static const unsigned long ioctls[] = { FIONBIO, FIONREAD, FIOCLEX, TCGETS, TIOCGWINSZ,
		SIOCGIFCONF, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFADDR, SIOCOUTQ };
	static const int prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
		0x53564d41 /* PR_SET_VMA: glibc names its heaps */ };
	int r = 0;
	for (unsigned i = 0; i < sizeof families / sizeof *families; i++) {
		r |= allow_with(c, SCMP_SYS(socket), 0, UINT32_MAX, (uint64_t)families[i]);
		r |= allow_with(c, SCMP_SYS(socketpair), 0, UINT32_MAX, (uint64_t)families[i]);
	}
	for (unsigned i = 0; i < sizeof ioctls / sizeof *ioctls; i++)
		r |= allow_with(c, SCMP_SYS(ioctl), 1, UINT32_MAX, ioctls[i]);
	for (unsigned i = 0; i < sizeof prctls / sizeof *prctls; i++)
		r |= allow_with(c, SCMP_SYS(prctl), 0, UINT32_MAX, (uint64_t)prctls[i]);
	/* a thread, not a process */
	r |= allow_with(c, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
	/* to read limits, not to set them */
	r |= allow_with(c, SCMP_SYS(prlimit64), 2, UINT64_MAX, 0);
	return r;
}

static int set_up(scmp_filter_ctx c)
{
	(void)seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	return seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) |
	       seccomp_attr_set(c, SCMP_FLTATR_CTL_NNP, 1) |
	       seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
}

/* clone3() hides its flags from us; ENOSYS sends glibc to clone(). That happens with each thread
 * and says nothing: a filter of its own keeps it out of the audit log, which tells what the other
 * one refuses. */
static bool refuse_quietly(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	bool done = c && set_up(c) == 0 &&
		    seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
		    seccomp_load(c) == 0;
	if (c)
		seccomp_release(c);
	return done;
}

static int fill(scmp_filter_ctx c)
{
	int n = 0, r = set_up(c);
	(void)seccomp_attr_set(c, SCMP_FLTATR_CTL_LOG, 1);
	for (unsigned i = 0; i < sizeof calls / sizeof *calls && r == 0; i++)
		r = allow(c, calls[i], &n);
	for (unsigned i = 0; i < sizeof refused / sizeof *refused && r == 0; i++) {
		int nr = seccomp_syscall_resolve_name(refused[i]);
		if (nr != __NR_SCMP_ERROR)
			r = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (r == 0)
		r = allow_some(c);
	if (r == 0 && refuse_quietly())
		r = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0);
	return r == 0 ? n : -1;
}

int sandbox_calls(char *why, size_t n)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int calls_n = c ? fill(c) : -1, r = calls_n < 0 ? -EINVAL : seccomp_load(c);
	if (c)
		seccomp_release(c);
	if (r == 0)
		return calls_n;
	snprintf(why, n, "seccomp: %s",
		calls_n < 0 ? "the list does not fit libseccomp" : strerror(-r));
	return -1;
}

#else

int sandbox_calls(char *why, size_t n)
{
	snprintf(why, n, "this weirpool was built without libseccomp");
	return -1;
}

#endif
