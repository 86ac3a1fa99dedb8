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

union fd_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int upg_send(int sock, enum upg_type type, const struct buf *body, int fd)
{
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
	if (fd >= 0) {
		mh.msg_control = room.bytes;
		mh.msg_controllen = sizeof room.bytes;
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	errno = EMSGSIZE;
	while (!b.failed && (body == NULL || !body->failed)) {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | (type == UPG_SESSION ? MSG_DONTWAIT : 0));
		if (n >= 0 || errno != EINTR)
			break;
	}
	buf_wipe(&b); /* keys, and what sessions know of passwords */
	return n < 0 ? -1 : 0;
}

/* The one descriptor of a message, or -1; *bad_r: there were others, or some got lost. */
static int take_fd(struct msghdr *mh, bool *bad_r)
{
	int fd = -1;
	*bad_r = (mh->msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int v;
			memcpy(&v, (const uint8_t *)c + at, sizeof v);
			if (fd >= 0) {
				close(v);
				*bad_r = true;
			} else {
				fd = v;
			}
		}
	}
	return fd;
}

enum upg_got upg_recv(int sock, struct upg_msg *m)
{
	union fd_room room = { 0 };
	struct iovec iov = { m->bytes, sizeof m->bytes };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes };
	bool bad;
	ssize_t n;
	m->fd = -1;
	do
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? UPG_NOTHING : UPG_ENDED;
	if (n == 0)
		return UPG_ENDED;
	m->fd = take_fd(&mh, &bad);
	m->n = (size_t)n;
	m->body = rd_of(m->bytes, m->n);
	bool ours = rd_u32be(&m->body) == MAGIC && rd_u16be(&m->body) == UPG_VERSION;
	unsigned type = rd_u16be(&m->body);
	m->type = (enum upg_type)type;
	if (!bad && ours && rd_ok(&m->body) && type > 0 && type < UPG_N)
		return UPG_GOT;
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
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
