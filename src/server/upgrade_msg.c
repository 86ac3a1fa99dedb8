/* upgrade_msg - the messages of an upgrade: framing, descriptors, and the checks of both. Ignorant
 * of what they lead to. */
#include "upgrade_int.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x57507570u /* "WPup" */
#define HEAD_BYTES 8
#define TEXT_MAX 4000
#define FDS_MAX 2

union fd_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static void put_fds(struct msghdr *mh, union fd_room *room, const int *fd, unsigned n)
{
	mh->msg_control = room->bytes;
	mh->msg_controllen = CMSG_SPACE(n * sizeof *fd);
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof *fd);
	memcpy(CMSG_DATA(c), fd, n * sizeof *fd);
}

int upg_send(int sock, enum upg_type type, const struct buf *body, int fd)
{
	return upg_send_two(sock, type, body, fd, -1);
}

/* Nobody waits for a process that does not read: what is said again soon, or can stay here. */
static bool may_wait(enum upg_type type)
{
	return type != UPG_SESSION && type != UPG_LEFT;
}

int upg_send_two(int sock, enum upg_type type, const struct buf *body, int fd, int second)
{
	const int fds[FDS_MAX] = { fd, second };
	struct buf b;
	union fd_room room = { 0 };
	ssize_t n = -1;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, MAGIC);
	buf_put_u16be(&b, UPG_VERSION);
	buf_put_u16be(&b, (uint16_t)type);
	if (body && buf_len(body))
		buf_append(&b, buf_data(body), buf_len(body));
	struct iovec iov = { buf_data(&b), buf_len(&b) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd >= 0)
		put_fds(&mh, &room, fds, second >= 0 ? 2 : 1);
	errno = EMSGSIZE;
	while (!b.failed && (body == NULL || !body->failed)) {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | (may_wait(type) ? 0 : MSG_DONTWAIT));
		if (n >= 0 || errno != EINTR)
			break;
	}
	buf_wipe(&b); /* keys, and what sessions know of passwords */
	return n < 0 ? -1 : 0;
}

/* The descriptors of a message, -1 for those that it has not. False: there were more, or some got
 * lost. */
static bool take_fds(struct msghdr *mh, int fd[FDS_MAX])
{
	unsigned n = 0;
	bool well = !(mh->msg_flags & (MSG_CTRUNC | MSG_TRUNC));
	fd[0] = fd[1] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int v;
			memcpy(&v, (const uint8_t *)c + at, sizeof v);
			if (n < FDS_MAX) {
				fd[n++] = v;
			} else {
				close(v);
				well = false;
			}
		}
	}
	return well;
}

void upg_close_fds(struct upg_msg *m)
{
	if (m->fd >= 0)
		close(m->fd);
	if (m->second >= 0)
		close(m->second);
	m->fd = m->second = -1;
}

enum upg_got upg_recv(int sock, struct upg_msg *m)
{
	union fd_room room = { 0 };
	struct iovec iov = { m->bytes, sizeof m->bytes };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes };
	int fds[FDS_MAX];
	ssize_t n;
	m->fd = m->second = -1;
	do
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? UPG_NOTHING : UPG_ENDED;
	if (n == 0)
		return UPG_ENDED;
	bool well = take_fds(&mh, fds);
	m->fd = fds[0];
	m->second = fds[1];
	m->n = (size_t)n;
	m->body = rd_of(m->bytes, m->n);
	bool ours = rd_u32be(&m->body) == MAGIC && rd_u16be(&m->body) == UPG_VERSION;
	unsigned type = rd_u16be(&m->body);
	m->type = (enum upg_type)type;
	well = well && (m->second < 0 || type == UPG_SESSION);
	if (well && ours && rd_ok(&m->body) && type > 0 && type < UPG_N)
		return UPG_GOT;
	upg_close_fds(m);
	return UPG_STRANGE;
}

enum upg_got upg_wait(int sock, int64_t deadline_us, struct upg_msg *m_r)
{
	for (;;) {
		enum upg_got got = upg_recv(sock, m_r);
		int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
		if (got != UPG_NOTHING || left_ms <= 0)
			return got;
		struct pollfd p = { .fd = sock, .events = POLLIN };
		(void)poll(&p, 1, left_ms > 1000 ? 1000 : (int)left_ms);
	}
}

void upg_put_text(struct buf *b, const char *s)
{
	size_t n = strlen(s);
	buf_put_u16be(b, (uint16_t)(n > TEXT_MAX ? TEXT_MAX : n));
	buf_append(b, s, n > TEXT_MAX ? TEXT_MAX : n);
	buf_put_u8(b, 0);
}

const char *upg_get_text(struct rd *r)
{
	size_t n = rd_u16be(r);
	const uint8_t *p = n > TEXT_MAX ? NULL : rd_bytes(r, n + 1);
	return p && memchr(p, 0, n + 1) == p + n ? (const char *)p : NULL;
}
