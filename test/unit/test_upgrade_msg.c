/* server/upgrade_msg: what the two processes of an upgrade say to each other, also if it is not
 * well formed. */
#include "../../src/server/upgrade_int.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static void begin(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void end(void)
{
	close(pair[0]);
	close(pair[1]);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}

TestSuite(upgrade_msg, .init = begin, .fini = end);

static bool same_file(int a, int b)
{
	int one = 0, two = 0;
	socklen_t n = sizeof one;
	cr_assert_eq(setsockopt(a, SOL_SOCKET, SO_RCVBUF, &(int){ 54321 }, sizeof(int)), 0);
	cr_assert_eq(getsockopt(a, SOL_SOCKET, SO_RCVBUF, &one, &n), 0);
	cr_assert_eq(getsockopt(b, SOL_SOCKET, SO_RCVBUF, &two, &n), 0);
	return one == two;
}

Test(upgrade_msg, a_message_with_a_descriptor)
{
	struct upg_msg m;
	struct buf b;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, "127.0.0.1:6432");
	buf_put_u32be(&b, 77);
	cr_assert_eq(upg_send(pair[0], UPG_SOCKET, &b, fd), 0);
	cr_assert_eq(upg_send(pair[0], UPG_READY, NULL, -1), 0);
	buf_fini(&b);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_GOT);
	cr_assert_eq(m.type, UPG_SOCKET);
	cr_assert_str_eq(upg_get_text(&m.body), "127.0.0.1:6432");
	cr_assert_eq(rd_u32be(&m.body), 77);
	cr_assert(rd_ok(&m.body) && rd_left(&m.body) == 0);
	cr_assert(m.fd >= 0 && m.fd != fd && same_file(fd, m.fd));
	cr_assert(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
	close(m.fd);
	close(fd);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_GOT);
	cr_assert(m.type == UPG_READY && m.fd == -1 && rd_left(&m.body) == 0);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_NOTHING);
	cr_assert_eq(upg_wait(pair[1], 0, &m), UPG_NOTHING);
	shutdown(pair[0], SHUT_RDWR);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_ENDED);
}

static void expect_strange(const char *bytes, size_t n)
{
	struct upg_msg m;
	cr_assert_eq(send(pair[0], bytes, n, 0), (ssize_t)n);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_STRANGE);
	cr_assert_eq(m.fd, -1);
}

Test(upgrade_msg, strangers)
{
	expect_strange("W", 1);
	expect_strange("WPup\0\2\0", 7);
	expect_strange("XPup\0\1\0\1", 8); /* another magic */
	expect_strange("WPup\0\3\0\1", 8); /* another version */
	expect_strange("WPup\0\2\0\0", 8); /* types that there are not */
	expect_strange("WPup\0\2\377\377", 8);
	static char big[UPG_BYTES_MAX + 1] = "WPup\0\2\0\1";
	expect_strange(big, sizeof big); /* cut */
}

/* A session with its link; nothing else has two. */
Test(upgrade_msg, two_descriptors)
{
	struct upg_msg m;
	int a = socket(AF_INET, SOCK_STREAM, 0), b = dup(0), next = dup(0);
	close(next);
	cr_assert_eq(upg_send_two(pair[0], UPG_SESSION, NULL, a, b), 0);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_GOT);
	cr_assert(m.type == UPG_SESSION && m.fd >= 0 && m.second >= 0 && same_file(a, m.fd));
	cr_assert(fcntl(m.fd, F_GETFD) & fcntl(m.second, F_GETFD) & FD_CLOEXEC);
	upg_close_fds(&m);
	cr_assert(m.fd == -1 && m.second == -1);
	cr_assert_eq(upg_send_two(pair[0], UPG_SESSION, NULL, a, -1), 0);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_GOT);
	cr_assert(m.fd >= 0 && m.second == -1);
	upg_close_fds(&m);
	cr_assert_eq(upg_send_two(pair[0], UPG_SOCKET, NULL, a, b), 0);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_STRANGE);
	cr_assert(m.fd == -1 && m.second == -1);
	int after = dup(0);
	cr_assert_eq(after, next); /* none stayed open */
	close(after);
	close(a);
	close(b);
}

/* Descriptors that nobody asked for are closed, not kept. */
Test(upgrade_msg, too_many_descriptors)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} room = { 0 };
	int fds[3] = { dup(0), dup(0), dup(0) }, next = dup(0); /* the lowest that is free */
	close(next);
	struct iovec iov = { (char[]){ "WPup\0\2\0\3" }, 8 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof room.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	struct upg_msg m;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	cr_assert_eq(sendmsg(pair[0], &mh, 0), 8);
	cr_assert_eq(upg_recv(pair[1], &m), UPG_STRANGE);
	cr_assert_eq(m.fd, -1);
	int after = dup(0);
	cr_assert_eq(after, next); /* none stayed open */
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(after);
}

static const char *text_of(const char *bytes, size_t n)
{
	struct rd r = rd_of(bytes, n);
	return upg_get_text(&r);
}

Test(upgrade_msg, texts)
{
	char long_text[5000];
	struct buf b;
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = 0;
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, long_text);
	struct rd r = rd_of(buf_data(&b), buf_len(&b));
	cr_assert_eq(strlen(upg_get_text(&r)), 4000);
	buf_fini(&b);
	cr_assert_str_eq(text_of("\0\0", 3), "");
	cr_assert_null(text_of("\0\2ab", 4));    /* no end */
	cr_assert_null(text_of("\0\2abc", 5));   /* another one */
	cr_assert_null(text_of("\0\2a\0\0", 5)); /* too early */
	cr_assert_null(text_of("\377\377", 3));
	cr_assert_null(text_of("", 1));
}

/* What comes again each second does not hold up the one who says it. */
Test(upgrade_msg, nobody_waits_for_who_does_not_read, .timeout = 30)
{
	static const enum upg_type types[] = { UPG_LEFT, UPG_SESSION };
	for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
		unsigned n = 0;
		while (upg_send(pair[0], types[i], NULL, -1) == 0)
			cr_assert(++n < 10000000);
		cr_assert(errno == EAGAIN || errno == EWOULDBLOCK);
	}
}
