/* log_syslog - datagrams to the socket of syslogd or journald, in the form that syslog(3) uses.
 * syslog(3) itself is no choice: it waits, under a lock, for a daemon that stands still. One thread
 * sends at a time; another may change where to. */
#include "log_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of target */
static struct target {
	struct sockaddr_un at;
	char ident[64];
	int facility;
	unsigned serial; /* changes with each change */
} target;
static int sock = -1; /* the sender's */
static unsigned sock_serial;

void syslog_target(const char *path, const char *ident, int facility)
{
	pthread_mutex_lock(&lock);
	target.at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(target.at.sun_path, sizeof(target.at.sun_path), "%s", path);
	snprintf(target.ident, sizeof(target.ident), "%s", ident);
	target.facility = facility;
	target.serial++;
	pthread_mutex_unlock(&lock);
}

static int connect_to(const struct target *t)
{
	if (sock >= 0)
		close(sock);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -1;
	if (connect(sock, (const struct sockaddr *)&t->at, sizeof(t->at)) == 0) {
		sock_serial = t->serial;
		return 0;
	}
	int err = errno;
	close(sock);
	sock = -1;
	errno = err;
	return -1;
}

static size_t build(const struct target *t, enum log_level lv, const char *text, size_t n,
	char *out, size_t size)
{
	static const int levels[] = { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR,
		LOG_CRIT };
	char when[32] = "";
	struct tm tm;
	time_t now = time(NULL);
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
	int len = snprintf(out, size, "<%d>%s %s[%d]: %.*s", t->facility | levels[lv], when,
		t->ident, (int)getpid(), (int)n, text);
	return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

int syslog_put(enum log_level lv, const char *text, size_t n)
{
	char out[PIPE_BUF + 128];
	pthread_mutex_lock(&lock);
	struct target t = target;
	pthread_mutex_unlock(&lock);
	if ((sock < 0 || sock_serial != t.serial) && connect_to(&t) != 0)
		return errno;
	size_t len = build(&t, lv, text, n, out, sizeof(out));
	if (send(sock, out, len, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return EAGAIN;
	/* the daemon was started anew: its socket is another one */
	if (connect_to(&t) == 0 && send(sock, out, len, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno;
}

int syslog_fd(void)
{
	return sock;
}

void syslog_close(void)
{
	if (sock >= 0)
		close(sock);
	sock = -1;
}
