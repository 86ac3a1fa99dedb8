/* listen - listening sockets (TCP, unix, inherited) and accepting. Ignorant of what is accepted. */
#ifndef EV_LISTEN_H
#define EV_LISTEN_H
#include "base/err.h"
#include "ev/loop.h"

#include <sys/socket.h>

struct listen_opts {
	int backlog;
	bool reuseport;
	const char *unix_group; /* NULL or "" */
	unsigned unix_mode;
};
/* Opens a listening socket: host NULL or "*" = all (IPv6 and IPv4 in one socket where possible), or
 * a name/address (getaddrinfo: start-up only); several addresses give several fds: up to max_n;
 * returns the number. -1 with e set (address, port, errno text). */
int listen_tcp(const char *host, unsigned port, const struct listen_opts *o, int *fds_r,
	unsigned max_n, struct err *e);
/* dir/.s.PGSQL.port, or dir itself if port is 0 ("@name": abstract). A stale socket file is
 * removed, a live one is an error. */
int listen_unix(
	const char *dir, unsigned port, const struct listen_opts *o, int *fd_r, struct err *e);
void listen_unlink_unix(const char *dir, unsigned port);
/* systemd: LISTEN_FDS of this process; number of fds copied (starting at 3), and clears the
 * variables. */
int listen_inherited(int *fds_r, unsigned max_n);

struct listener;
/* fn is called for each accepted fd (non-blocking, close-on-exec); up to 64 per turn. When
 * descriptors run out: a spare descriptor is given up, the client accepted, `refuse` called with
 * the fd (to send an error; it closes it), and accepting pauses for 100 ms. The listening fd may be
 * shared by several loops (EPOLLEXCLUSIVE where libevent allows). */
struct listener *listener_new(struct loop *l, int fd,
	void (*fn)(void *arg, int fd, const struct sockaddr *sa, socklen_t n),
	void (*refuse)(void *arg, int fd), void *arg);
void listener_pause(struct listener *ls);
void listener_resume(struct listener *ls);
void listener_free(struct listener *ls); /* does not close fd */

struct sock_opts { /* TCP options of a connection; 0 = leave */
	bool keepalive;
	int keepidle_s, keepintvl_s, keepcnt, user_timeout_ms, buffer_bytes;
};
void sock_apply(int fd,
	const struct sock_opts *o); /* also TCP_NODELAY; ignores what a unix socket does not know */
/* uid of a unix peer (SO_PEERCRED); -1 if unknown. */
int sock_peer_uid(int fd, unsigned *uid_r);
#endif
