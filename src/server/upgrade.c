/* upgrade - one process takes over from another while both run: the old one starts the program
 * again, hands it the listening sockets, and stops accepting when the new one says that it serves.
 * Until then nothing is changed here: whatever fails leaves the old one as it was. As long as both
 * live they pass cancel requests on to each other, and should the new one die the old one serves
 * again. Ignorant of clients. Control thread. */
#include "upgrade_int.h"

#include "base/hmap.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TELL_US 1000000

enum phase {
	PH_NONE,
	/* the old one, step by step */
	PH_STARTED, /* waits for UPG_HELLO */
	PH_HANDED,  /* waits for UPG_READY */
	PH_GO,      /* waits for UPG_SERVING */
	PH_OVER,    /* the new one serves */
	PH_ENDING,  /* ... and ends as an operator wants, and so do we */
	PH_FAILING, /* waits for the end of the new one */
	PH_NEW,     /* this is the new one, and the old one still lives */
};

struct upgrade {
	struct upgrade_opts o;
	enum phase phase;
	int fd;
	struct event *ev;
	struct child *child;
	struct timer timer;
	int pid;
	char version[64], why[400];
	struct moving moving;
	bool can_move;  /* the new one takes sessions in our form */
	bool committed; /* PH_NEW: the old one said UPG_COMMIT */
	admin_upgraded *done;
	void *arg;
};

/* ---- helpers ---- */

static void close_wire(struct upgrade *u)
{
	if (u->ev)
		event_free(u->ev);
	if (u->fd >= 0)
		close(u->fd);
	u->ev = NULL;
	u->fd = -1;
	moving_lost(&u->moving, u->phase == PH_NEW);
	atomic_store(&u->o.core->has_other, false);
	core_kills_lost(u->o.core);
}

static bool say(struct upgrade *u, enum upg_type type, const struct buf *b, int fd)
{
	if (u->fd >= 0 && upg_send(u->fd, type, b, fd) == 0)
		return true;
	if (u->fd >= 0)
		log_event(EVENT_UPGRADE_FAILED, "upgrade: the other process cannot be told: %s",
			strerror(errno));
	return false;
}

static void answer(struct upgrade *u, const struct err *e)
{
	struct upgrade_result r = {
		.pid = u->pid, .version = u->version, .generation = u->o.core->generation + 1
	};
	admin_upgraded *done = u->done;
	u->done = NULL;
	if (done)
		done(u->arg, &r, e);
}

static int refuse(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct err *e, const char *fmt, ...)
{
	char text[300];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(e, ERR_UNSUPPORTED, "%s", text);
	memcpy(e->sqlstate, "55000", 6); /* object_not_in_prerequisite_state */
	return -1;
}

/* ---- may it be? ---- */

/* What is paused stays so in both (held.c); SUSPEND is for programs that cannot do that. */
static int check_state(struct core *c, struct err *e)
{
	int state = atomic_load(&c->state);
	if (state > CORE_SUSPENDED)
		return refuse(e, "weirpool is shutting down");
	if (state == CORE_SUSPENDED)
		return refuse(e, "weirpool is suspended: RESUME it first");
	return 0;
}

/* ---- the end of an attempt ---- */

static void on_child_end(void *arg, int status, const char *last);

/* The new process is to end; the answer follows when it has. */
static void fail(struct upgrade *u, const char *why)
{
	if (u->phase == PH_FAILING)
		return;
	if (u->phase == PH_GO)
		daemon_pidfile_renew();
	if (!*u->why)
		snprintf(u->why, sizeof u->why, "%s", why);
	u->phase = PH_FAILING;
	timer_clear(u->o.loop, &u->timer);
	close_wire(u);
	if (u->child)
		child_kill(u->child);
}

static void describe_end(int status, char *out, size_t n)
{
	if (WIFSIGNALED(status))
		snprintf(out, n, "it was ended by signal %d", WTERMSIG(status));
	else
		snprintf(out, n, "it ended with exit code %d", WEXITSTATUS(status));
}

static void over(struct upgrade *u, int status, const char *last)
{
	struct err e = { 0 };
	char how[80];
	describe_end(status, how, sizeof how);
	err_set(&e, ERR_CONFIG, "the new process does not serve: %s",
		*u->why ? u->why
		: *last ? last
			: how);
	err_detail(&e, "Its program was %.200s; %s. This process goes on as before.",
		upgrade_program(), how);
	log_event(EVENT_UPGRADE_FAILED, "upgrade: %s (%s); this process goes on as before", e.msg,
		how);
	u->phase = PH_NONE;
	answer(u, &e);
}

static void on_child_end(void *arg, int status, const char *last)
{
	struct upgrade *u = arg;
	enum phase was = u->phase;
	char how[80], said[200];
	snprintf(said, sizeof said, "%s", last); /* it is the child's */
	fail(u, "");
	child_leave(&u->child);
	if (was != PH_OVER && was != PH_ENDING) {
		over(u, status, said);
		return;
	}
	u->phase = PH_NONE;
	describe_end(status, how, sizeof how);
	if (was == PH_ENDING)
		return;
	log_event(EVENT_UPGRADE_FAILED,
		"upgrade: the new process (pid %d) is gone: %s; this one takes clients again",
		u->pid, how);
	daemon_pidfile_renew();
	u->o.took_back(u->o.arg);
}

/* ---- handing over ---- */

static bool send_socket(struct upgrade *u, const char *key, int fd)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, key);
	bool ok = say(u, UPG_SOCKET, &b, fd);
	buf_fini(&b);
	return ok;
}

static bool send_sockets(struct upgrade *u)
{
	const struct sockets *s = u->o.sockets;
	bool ok = true;
	for (unsigned i = 0; ok && i < s->n; i++)
		ok = send_socket(u, s->key[i], s->ls[i].fd);
	for (unsigned i = 0; ok && i < s->also_n; i++)
		ok = send_socket(u, s->also[i].key, s->also[i].fd);
	return ok;
}

static bool send_all(struct upgrade *u)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, (uint32_t)getpid());
	buf_put_u32be(&b, u->o.core->generation);
	upg_put_text(&b, u->o.conf(u->o.arg)->pidfile);
	bool ok = say(u, UPG_STATE, &b, daemon_pidfile_fd());
	buf_fini(&b);
	ok = ok && send_sockets(u);
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, u->o.sockets->n + u->o.sockets->also_n);
	ok = ok && say(u, UPG_ALL, &b, -1);
	buf_fini(&b);
	return ok;
}

static bool send_held(void *arg, const struct core_held *h)
{
	const struct upgrade *u = arg;
	return stray_put_held(u->fd, h);
}

static bool send_cluster(void *arg, const char *cluster, const struct buf *heir)
{
	struct upgrade *u = arg;
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, cluster);
	buf_append(&b, buf_data(heir), buf_len(heir));
	bool ok = say(u, UPG_CLUSTER, &b, -1);
	buf_fini(&b);
	return ok;
}

static void commit(struct upgrade *u, bool took_pidfile)
{
	u->phase = PH_OVER;
	u->o.handed(u->o.arg, took_pidfile);
	core_end_consoles(u->o.core);
	notify_send("MAINPID=%d\nSTATUS=weirpool %s takes over", u->pid, u->version);
	(void)say(u, UPG_COMMIT, NULL, -1); /* if it is gone its end tells */
	log_event(EVENT_UPGRADE,
		"upgrade: weirpool %s (pid %d) serves; %u clients stay here until they leave",
		u->version, u->pid, core_n_sessions(u->o.core));
	answer(u, NULL);
	u->moving.on = u->can_move;
	moving_begin(&u->moving);
	timer_set(u->o.loop, &u->timer, loop_now_us(u->o.loop) + TELL_US);
}

/* ---- what the other one says ---- */

static void on_hello(struct upgrade *u, struct upg_msg *m)
{
	uint32_t pid = rd_u32be(&m->body);
	const char *version = upg_get_text(&m->body);
	uint32_t sessions = rd_left(&m->body) >= 4 ? rd_u32be(&m->body) : 0;
	if (!rd_ok(&m->body) || !version || (int)pid != child_pid(u->child)) {
		fail(u, "it says strange things");
		return;
	}
	snprintf(u->version, sizeof u->version, "%.60s", version);
	u->can_move = sessions == UPG_SESSIONS;
	log_event(EVENT_UPGRADE, "upgrade: weirpool %s (pid %u) has read its configuration",
		u->version, pid);
	u->phase = PH_HANDED;
	if (!send_all(u))
		fail(u, "it cannot be handed the listening sockets");
}

static void on_ready(struct upgrade *u)
{
	struct err e = { 0 };
	if (check_state(u->o.core, &e) != 0) {
		fail(u, e.msg);
		return;
	}
	u->phase = PH_GO;
	atomic_store(&u->o.core->has_other, true);
	u->o.core->held_heard = 0;
	/* as late as can be: what operators say from now on is told as it comes */
	if (!core_held_each(u->o.core, send_held, u) || !u->o.bequeath(u->o.arg, send_cluster, u) ||
		!say(u, UPG_GO, NULL, -1))
		fail(u, "it cannot be told to serve");
}

static void on_failed(struct upgrade *u, struct upg_msg *m)
{
	const char *text = upg_get_text(&m->body);
	snprintf(u->why, sizeof u->why, "%.390s", text ? text : "");
	for (char *p = u->why; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	fail(u, "");
}

static void on_commit(struct upgrade *u)
{
	if (u->committed)
		return;
	u->committed = true;
	log_event(EVENT_UPGRADE, "upgrade: clients come to this process only, generation %u",
		u->o.core->generation);
	notify_send("READY=1\nSTATUS=weirpool %s is serving", PACKAGE_VERSION);
}

static void on_end(struct upgrade *u, struct upg_msg *m)
{
	uint32_t how = rd_u32be(&m->body);
	u->phase = PH_ENDING;
	u->moving.on = false; /* none of them would live on there */
	u->o.end(u->o.arg, how == CORE_STOP ? CORE_STOP : CORE_DRAIN);
}

/* Which message may come when; others are an error of the other side. */
static void on_msg(struct upgrade *u, struct upg_msg *m)
{
	bool both = u->phase >= PH_GO && u->phase != PH_FAILING, ok = true;
	if (m->type == UPG_HELLO && u->phase == PH_STARTED)
		on_hello(u, m);
	else if (m->type == UPG_READY && u->phase == PH_HANDED)
		on_ready(u);
	else if (m->type == UPG_SERVING && u->phase == PH_GO)
		commit(u, rd_u8(&m->body) != 0);
	else if (m->type == UPG_FAILED && u->phase < PH_OVER)
		on_failed(u, m);
	else if ((m->type == UPG_CANCEL || m->type == UPG_KILL || m->type == UPG_KILLED ||
			 m->type == UPG_HELD) &&
		 both)
		ok = stray_msg(u->o.core, &u->fd, m);
	else if (m->type == UPG_END && (u->phase == PH_OVER || u->phase == PH_ENDING))
		on_end(u, m);
	else if (m->type == UPG_TAKEN && u->phase >= PH_OVER && u->phase <= PH_ENDING)
		ok = moving_taken(&u->moving, m);
	else if (m->type == UPG_SESSION && u->phase == PH_NEW)
		ok = moving_session(&u->moving, m);
	else if (m->type == UPG_OWN && u->phase == PH_NEW)
		ok = moving_own(&u->moving, m);
	else if (m->type == UPG_LEFT && u->phase == PH_NEW)
		moving_left(&u->moving, m);
	else if (m->type == UPG_COMMIT && u->phase == PH_NEW)
		on_commit(u);
	else if (u->phase < PH_OVER)
		fail(u, "it says strange things");
	if (!ok)
		log_event(EVENT_UPGRADE_FAILED,
			"upgrade: the other process says strange things of sessions");
	upg_close_fds(m);
	if (m->type == UPG_SESSION)
		mem_wipe(m->bytes, m->n);
}

/* The wire is gone, or useless. */
static void on_silence(struct upgrade *u)
{
	if (u->phase == PH_NEW) {
		log_event(EVENT_UPGRADE, "upgrade: the process before this one (pid %d) is gone",
			u->pid);
		atomic_store(&u->o.core->before_pid, 0);
		atomic_store(&u->o.core->before_clients, 0);
		on_commit(u); /* said or not: there is nobody else */
		close_wire(u);
		u->phase = PH_NONE;
	} else if (u->phase < PH_OVER) {
		fail(u, "");
	} else {
		close_wire(u); /* its end follows */
	}
}

static void on_wire(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade *u = arg;
	struct upg_msg m;
	(void)fd;
	(void)what;
	while (u->fd >= 0) {
		switch (upg_recv(u->fd, &m)) {
		case UPG_GOT: on_msg(u, &m); break;
		case UPG_NOTHING: return;
		case UPG_STRANGE:
			if (u->phase < PH_OVER)
				snprintf(u->why, sizeof u->why,
					"it speaks another version of the words of an upgrade");
			on_silence(u);
			return;
		case UPG_ENDED: on_silence(u); return;
		}
	}
}

static int watch_wire(struct upgrade *u, int fd)
{
	u->fd = fd;
	u->ev = event_new(loop_base(u->o.loop), fd, EV_READ | EV_PERSIST, on_wire, u);
	return u->ev && event_add(u->ev, NULL) == 0 ? 0 : -1;
}

/* ---- time ---- */

static void on_timer(struct timer *t, void *arg)
{
	struct upgrade *u = arg;
	if (u->phase == PH_OVER || u->phase == PH_ENDING) {
		moving_tell(&u->moving);
		if (u->phase == PH_OVER)
			core_end_consoles(u->o.core);
		moving_begin(&u->moving);
		timer_set(u->o.loop, t, loop_now_us(u->o.loop) + TELL_US);
	} else if (u->phase != PH_NONE) {
		fail(u, "it was not ready within upgrade_timeout");
	}
}

/* ---- what the server asks for ---- */

struct upgrade *upgrade_new(const struct upgrade_opts *o)
{
	struct upgrade *u = mem_xalloc(MEM_CONF, sizeof *u);
	u->o = *o;
	u->fd = -1;
	timer_init(&u->timer, on_timer, u);
	moving_init(&u->moving, o->core, &u->fd);
	stray_init(o->core, &u->fd);
	return u;
}

bool upgrade_under_way(const struct upgrade *u)
{
	return u->phase != PH_NONE && u->phase != PH_NEW && u->phase < PH_OVER;
}

bool upgrade_moves(const struct upgrade *u)
{
	return u->moving.n > 0;
}

bool upgrade_other_lives(const struct upgrade *u)
{
	return u->phase == PH_NEW;
}

static int start(struct upgrade *u, struct err *e)
{
	char env[] = UPG_ENV_VALUE;
	char *envp[] = { env };
	const int room = 4 * UPG_BYTES_MAX;
	uint8_t key[16];
	struct buf b;
	int sv[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
		return err_set(e, ERR_NO_FDS, "cannot make a socket: %s", strerror(errno));
	for (int i = 0; i < 2; i++) /* where the default is less than a message */
		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	hash_key_get(key);
	buf_init(&b, UPG_BYTES_MAX);
	buf_append(&b, key, sizeof key);
	(void)!upg_send(sv[0], UPG_KEY, &b, -1); /* without it no session moves */
	buf_wipe(&b);
	mem_wipe(key, sizeof key);
	const int here[] = { sv[1], 1, 2 }; /* as UPG_FD, UPG_OUT_FD, UPG_ERR_FD */
	int fds[3];
	for (int i = 0; i < 3; i++) /* -1: it has none, and spawn_run() says so */
		fds[i] = fcntl(here[i], F_DUPFD_CLOEXEC, 10);
	struct child_opts co = { .name = "upgrade",
		.argv = upgrade_argv(),
		.env = envp,
		.env_n = 1,
		.fds = fds,
		.fds_n = 3,
		.stays = true,
		.done = on_child_end,
		.arg = u };
	u->child = child_start(u->o.loop, &co, e);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	close(sv[1]);
	if (!u->child) {
		close(sv[0]);
		return -1;
	}
	u->pid = child_pid(u->child);
	u->phase = PH_STARTED;
	if (watch_wire(u, sv[0]) != 0)
		fail(u, "out of memory");
	return 0;
}

int upgrade_start(struct upgrade *u, admin_upgraded *done, void *arg, struct err *e)
{
	if (u->phase == PH_NEW)
		return refuse(e,
			"the process before this one (pid %d) still serves %u clients: wait until "
			"they have left, or end it with SIGTERM",
			u->pid, atomic_load(&u->o.core->before_clients));
	if (u->phase == PH_OVER || u->phase == PH_ENDING)
		return refuse(e,
			"this process was upgraded: its clients are leaving, and pid %d "
			"serves",
			u->pid);
	if (u->phase != PH_NONE)
		return refuse(e, "an upgrade is under way (pid %d)", u->pid);
	if (getpid() == 1)
		return refuse(e, "weirpool is process 1 of a container, which would end with it: "
				 "replace the container");
	if (!*upgrade_program())
		return refuse(e, "the path of this program is not known");
	if (check_state(u->o.core, e) != 0)
		return -1;
	*u->why = *u->version = 0;
	log_event(EVENT_UPGRADE, "upgrade: starting %s", upgrade_program());
	if (start(u, e) != 0)
		return -1;
	u->done = done;
	u->arg = arg;
	timer_set(u->o.loop, &u->timer,
		loop_now_us(u->o.loop) + u->o.conf(u->o.arg)->upgrade_timeout_us);
	return 0;
}

void upgrade_follow(struct upgrade *u, int fd, int old_pid)
{
	u->phase = PH_NEW;
	u->committed = false;
	u->pid = old_pid;
	atomic_store(&u->o.core->before_pid, (unsigned)old_pid);
	if (watch_wire(u, fd) != 0)
		on_silence(u);
}

void upgrade_say_end(struct upgrade *u, enum core_state how)
{
	struct buf b;
	if (upgrade_under_way(u)) {
		fail(u, "weirpool is shutting down");
		return;
	}
	if (u->phase != PH_NEW)
		return;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, (uint32_t)how);
	(void)say(u, UPG_END, &b, -1);
	buf_fini(&b);
}

void upgrade_free(struct upgrade **up)
{
	struct upgrade *u = *up;
	struct err e = { 0 };
	*up = NULL;
	if (!u)
		return;
	timer_clear(u->o.loop, &u->timer);
	close_wire(u);
	if (u->phase == PH_OVER || u->phase == PH_ENDING)
		child_leave(&u->child);
	else
		child_free(&u->child);
	err_set(&e, ERR_SHUTDOWN, "weirpool is shutting down");
	answer(u, &e);
	mem_free(MEM_CONF, u);
}
