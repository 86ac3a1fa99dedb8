/* upgrade_new - the new process's part of an upgrade, until it serves: it takes what the old one
 * hands over, and waits for its word before the first client is accepted. It changes nothing that
 * the old one needs until then. Start-up of the control thread: it waits. */
#include "upgrade_int.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_US 600000000 /* longer than upgrade_timeout can be: the old one decides */

void heritage_begin(void)
{
	static const int to[2][2] = { { UPG_OUT_FD, 1 }, { UPG_ERR_FD, 2 } };
	(void)fcntl(UPG_FD, F_SETFD, FD_CLOEXEC);
	for (int i = 0; i < 2; i++)
		if (dup2(to[i][0], to[i][1]) >= 0)
			close(to[i][0]);
}

static int gone(enum upg_got got, struct err *e)
{
	return err_set(e, ERR_CONFIG, "upgrade: the old process %s",
		got == UPG_ENDED     ? "is gone, or wants no upgrade any more"
		: got == UPG_NOTHING ? "does not answer"
				     : "speaks another version of the words of an upgrade");
}

static int malformed(struct err *e)
{
	return err_set(e, ERR_CONFIG, "upgrade: the old process says strange things");
}

static int say_hello(const struct heritage *h, struct err *e)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, (uint32_t)getpid());
	upg_put_text(&b, PACKAGE_VERSION);
	buf_put_u32be(&b, upgrade_has_key() ? UPG_SESSIONS : 0);
	int r = upg_send(h->fd, UPG_HELLO, &b, -1);
	buf_fini(&b);
	return r == 0 ? 0 : gone(UPG_ENDED, e);
}

/* ---- what comes ---- */

static bool take_state(struct heritage *h, struct upg_msg *m)
{
	uint32_t pid = rd_u32be(&m->body);
	h->generation = rd_u32be(&m->body) + 1;
	const char *path = upg_get_text(&m->body);
	if (!rd_ok(&m->body) || !path || strlen(path) >= sizeof h->pidfile || h->old_pid || !pid ||
		pid > INT32_MAX)
		return false;
	h->old_pid = (int)pid;
	memcpy(h->pidfile, path, strlen(path) + 1);
	h->pid_fd = m->fd;
	m->fd = -1;
	return true;
}

static bool take_socket(struct sockets *s, struct upg_msg *m)
{
	const char *key = upg_get_text(&m->body);
	int on = 0;
	socklen_t n = sizeof on;
	if (!key || strlen(key) >= SOCKET_KEY_MAX || m->fd < 0 ||
		getsockopt(m->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) != 0 || !on ||
		!sockets_bring(s, m->fd, key))
		return false;
	m->fd = -1;
	return true;
}

int heritage_take(struct heritage *h, struct sockets *s, struct err *e)
{
	struct upg_msg m;
	bool ok = true;
	h->pid_fd = -1;
	if (say_hello(h, e) != 0)
		return -1;
	while (ok) {
		enum upg_got got = upg_wait(h->fd, clock_mono_us() + WAIT_US, &m);
		if (got != UPG_GOT)
			return gone(got, e);
		if (m.type == UPG_ALL)
			return h->old_pid && rd_u32be(&m.body) == s->brought_n ? 0 : malformed(e);
		ok = m.type == UPG_STATE    ? take_state(h, &m)
		     : m.type == UPG_SOCKET ? take_socket(s, &m)
					    : false;
		if (m.fd >= 0)
			close(m.fd);
	}
	return malformed(e);
}

/* ---- what follows from it ---- */

void heritage_apply(const struct heritage *h, struct core *c)
{
	c->generation = h->generation;
	atomic_store(&c->has_other, true);
}

static bool take_cluster(struct clusters *all, struct upg_msg *m)
{
	const char *name = upg_get_text(&m->body);
	size_t n = rd_left(&m->body);
	const uint8_t *p = rd_bytes(&m->body, n);
	if (!name || !p)
		return false;
	clusters_inherit(all, name, p, n);
	return true;
}

int heritage_wait(struct heritage *h, struct core *core, struct clusters *clusters, struct err *e)
{
	struct upg_msg m;
	bool ok = true;
	if (upg_send(h->fd, UPG_READY, NULL, -1) != 0)
		return gone(UPG_ENDED, e);
	while (ok) {
		enum upg_got got = upg_wait(h->fd, clock_mono_us() + WAIT_US, &m);
		if (got != UPG_GOT)
			return gone(got, e);
		if (m.fd >= 0)
			close(m.fd);
		if (m.type == UPG_GO)
			return 0;
		ok = m.type == UPG_HELD      ? stray_get_held(core, &m)
		     : m.type == UPG_CLUSTER ? take_cluster(clusters, &m)
					     : false;
	}
	return malformed(e);
}

void heritage_serve(struct heritage *h, bool has_pidfile, struct upgrade *u)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u8(&b, has_pidfile);
	int r = upg_send(h->fd, UPG_SERVING, &b, -1);
	buf_fini(&b);
	if (r != 0)
		log_event(EVENT_UPGRADE,
			"upgrade: the process before this one is gone"); /* we are all then */
	upgrade_follow(u, h->fd, h->old_pid);
	h->fd = -1;
}

void heritage_failed(const struct heritage *h, const struct err *e)
{
	struct buf b;
	if (h->fd < 0)
		return;
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, e->msg);
	(void)!upg_send(h->fd, UPG_FAILED, &b, -1);
	buf_fini(&b);
}
