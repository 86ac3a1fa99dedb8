/* log_sink - where lines of the log go: stderr, a file, syslog, the audit file. Ignorant of what a
 * line says.
 *
 * Each place has a ring and a thread of its own, so that one whose reader stands still neither
 * stops who logs nor keeps lines from the others. Without threads (before log_start()) a line goes
 * out at once, as one write(2) of at most PIPE_BUF bytes, which neither files opened with O_APPEND
 * nor pipes mix. A file keeps its descriptor number for good: reopening puts the new file (or
 * /dev/null) under it with dup3(), so that a thread that writes meanwhile hits the old or the new
 * file. */
#include "log_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define RING_BYTES (1u << 20)
#define SPARE_BYTES (RING_BYTES / 8) /* only for warnings and errors */
#define TELL_US 1000000

struct record {
	uint16_t n;
	uint8_t level;
};

static struct sink {
	const char *name;
	atomic_bool open;
	atomic_int fd; /* -1: none */
	pthread_mutex_t lock;
	pthread_cond_t some, done;
	uint8_t *ring; /* NULL: no thread */
	size_t head, used;
	bool stop, ended, busy;
	atomic_bool give_up;
	pthread_t thread;
	bool half; /* its last line is not whole: the disk was full in the middle */
	int64_t told_us;
	atomic_uint_fast64_t lines, dropped;
	atomic_uint_fast64_t untold; /* of dropped */
	atomic_int last_errno;
} sinks[LOG_PLACES] = {
#define SINK(place, text, is_open, file) \
	[place] = { .name = text, \
		.open = is_open, \
		.fd = file, \
		.lock = PTHREAD_MUTEX_INITIALIZER, \
		.some = PTHREAD_COND_INITIALIZER, \
		.done = PTHREAD_COND_INITIALIZER }
	SINK(LOG_TO_STDERR, "stderr", true, STDERR_FILENO),
	SINK(LOG_TO_FILE, "file", false, -1),
	SINK(LOG_TO_SYSLOG, "syslog", false, -1),
	SINK(LOG_TO_AUDIT, "audit", false, -1),
#undef SINK
};
/* ---- writing ---- */

static void lose(struct sink *s, int why)
{
	atomic_fetch_add(&s->dropped, 1);
	atomic_fetch_add(&s->untold, 1);
	if (why)
		atomic_store(&s->last_errno, why);
}

/* stderr is shared with others, so it is not ours to make non-blocking: look first. A pipe that is
 * ready takes PIPE_BUF bytes. A thread of the sink's own waits as long as it takes; without one,
 * the last words of a program are worth a second. */
static bool has_room(const struct sink *s, int fd, enum log_level lv)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	if (!s->ring)
		return poll(&p, 1, lv == LOG_LV_FATAL ? 1000 : 0) == 1;
	while (poll(&p, 1, 100) != 1)
		if (atomic_load(&s->give_up))
			return false;
	return true;
}

static bool write_fd(struct sink *s, enum log_level lv, const char *text, size_t n)
{
	int fd = atomic_load(&s->fd);
	ssize_t w = -1;
	if (fd < 0 || !has_room(s, fd, lv)) {
		lose(s, EAGAIN);
		return false;
	}
	if (s->half && write(fd, "\n", 1) == 1)
		s->half = false;
	do
		w = write(fd, text, n);
	while (w < 0 && errno == EINTR);
	if (w == (ssize_t)n) {
		atomic_fetch_add(&s->lines, 1);
		return true;
	}
	lose(s, w < 0 ? errno : ENOSPC);
	s->half |= w > 0;
	return false;
}

static bool write_one(struct sink *s, enum log_level lv, const char *text, size_t n)
{
	int why;
	if (s != &sinks[LOG_TO_SYSLOG])
		return write_fd(s, lv, text, n);
	do /* the newline ends a line of a file, not a datagram */
		why = syslog_put(lv, text, n - 1);
	while (why == EAGAIN && s->ring && has_room(s, syslog_fd(), lv));
	if (why)
		lose(s, why);
	else
		atomic_fetch_add(&s->lines, 1);
	return why == 0;
}

/* A line was written, so this one may be, too. */
static void tell_lost(struct sink *s)
{
	char text[PIPE_BUF];
	uint64_t n = atomic_exchange(&s->untold, 0);
	if (!n)
		return;
	s->told_us = clock_mono_us();
	size_t len = log_format_lost((enum log_place)(s - sinks), n, text, sizeof(text));
	if (!write_one(s, LOG_LV_WARN, text, len)) {
		atomic_fetch_add(&s->untold, n - 1); /* and the one that was lost now */
		atomic_fetch_sub(&s->dropped, 1);
	}
}

/* ---- the ring ---- */

static void ring_in(struct sink *s, size_t at, const void *p, size_t n)
{
	at %= RING_BYTES;
	size_t first = RING_BYTES - at < n ? RING_BYTES - at : n;
	memcpy(s->ring + at, p, first);
	memcpy(s->ring, (const uint8_t *)p + first, n - first);
}

static void ring_out(const struct sink *s, size_t at, void *p, size_t n)
{
	at %= RING_BYTES;
	size_t first = RING_BYTES - at < n ? RING_BYTES - at : n;
	memcpy(p, s->ring + at, first);
	memcpy((uint8_t *)p + first, s->ring, n - first);
}

/* The ring is locked. */
static bool ring_put(struct sink *s, enum log_level lv, const char *text, size_t n)
{
	struct record r = { (uint16_t)n, (uint8_t)lv };
	size_t need = sizeof(r) + n + (lv < LOG_LV_WARN ? SPARE_BYTES : 0);
	if (n > PIPE_BUF || s->stop || need > RING_BYTES - s->used)
		return false;
	ring_in(s, s->head + s->used, &r, sizeof(r));
	ring_in(s, s->head + s->used + sizeof(r), text, n);
	s->used += sizeof(r) + n;
	return true;
}

static size_t ring_take(struct sink *s, char text[PIPE_BUF], enum log_level *lv_r)
{
	struct record r;
	ring_out(s, s->head, &r, sizeof(r));
	ring_out(s, s->head + sizeof(r), text, r.n);
	s->used -= sizeof(r) + r.n;
	/* empty: from the front again, so that a calm log does not touch all of its memory */
	s->head = s->used ? (s->head + sizeof(r) + r.n) % RING_BYTES : 0;
	*lv_r = (enum log_level)r.level;
	return r.n;
}

void sink_put(enum log_place p, enum log_level lv, const char *text, size_t n)
{
	struct sink *s = &sinks[p];
	pthread_mutex_lock(&s->lock);
	if (s->ring) {
		bool put = ring_put(s, lv, text, n);
		if (!put)
			lose(s, 0);
		pthread_mutex_unlock(&s->lock);
		if (put)
			pthread_cond_signal(&s->some); /* (whoever wakes finds the lock free) */
		return;
	}
	if (write_one(s, lv, text, n))
		tell_lost(s);
	pthread_mutex_unlock(&s->lock);
}

void sinks_wake(void)
{
	for (unsigned i = 0; i < LOG_PLACES; i++) {
		struct sink *s = &sinks[i];
		pthread_mutex_lock(&s->lock);
		if (s->ring)
			pthread_cond_signal(&s->some);
		pthread_mutex_unlock(&s->lock);
	}
}

/* Waits for a record, and meanwhile tells what log_limit.c has held back. The ring is locked. */
static void wait_for_some(struct sink *s)
{
	while (!s->used && !s->stop) {
		struct timespec t;
		if (!limit_is_holding()) {
			pthread_cond_wait(&s->some, &s->lock);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec++;
		pthread_cond_timedwait(&s->some, &s->lock, &t);
		pthread_mutex_unlock(&s->lock);
		log_tell_held();
		pthread_mutex_lock(&s->lock);
	}
}

static void *sink_main(void *arg)
{
	struct sink *s = arg;
	char text[PIPE_BUF];
	enum log_level lv;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		wait_for_some(s);
		if (!s->used || atomic_load(&s->give_up))
			break;
		size_t n = ring_take(s, text, &lv);
		bool last = s->used == 0;
		pthread_mutex_unlock(&s->lock);
		if (write_one(s, lv, text, n) && (last || clock_mono_us() - s->told_us > TELL_US))
			tell_lost(s);
		pthread_mutex_lock(&s->lock);
	}
	s->ended = true;
	pthread_cond_signal(&s->done);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* A place that is opened later gets its thread then. */
static bool started;

static void sink_start(struct sink *s)
{
	sigset_t all, old;
	uint8_t *ring = s->ring || !started || !atomic_load(&s->open)
				? NULL
				: mem_alloc(MEM_MISC, RING_BYTES);
	if (!ring)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&s->lock);
	s->ring = ring;
	s->stop = s->ended = false;
	s->head = s->used = 0;
	atomic_store(&s->give_up, false);
	if (pthread_create(&s->thread, NULL, sink_main, s) != 0) {
		s->ring = NULL;
		mem_free(MEM_MISC, ring);
	} else {
		char name[16] = "log-";
		memcpy(name + 4, s->name, strlen(s->name) + 1);
		(void)pthread_setname_np(s->thread, name);
	}
	pthread_mutex_unlock(&s->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void log_start(void)
{
	started = true;
	for (unsigned i = 0; i < LOG_PLACES; i++)
		sink_start(&sinks[i]);
}

/* Waits for what is in the ring. A thread that stands in write(2) or syslog(3) is left there, with
 * its ring: the process is about to end. */
static void sink_stop(struct sink *s)
{
	struct timespec t;
	if (!s->ring)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec++;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->some);
	while (!s->ended && pthread_cond_timedwait(&s->done, &s->lock, &t) == 0)
		;
	atomic_store(&s->give_up, true);
	t.tv_sec++;
	while (!s->ended && pthread_cond_timedwait(&s->done, &s->lock, &t) == 0)
		;
	bool ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	if (!ended) {
		pthread_detach(s->thread);
		return;
	}
	pthread_join(s->thread, NULL);
	mem_free(MEM_MISC, s->ring);
	s->ring = NULL;
}

/* ---- opening ---- */

bool sink_is_open(enum log_place p)
{
	return atomic_load(&sinks[p].open);
}

void sink_stderr(bool on)
{
	atomic_store(&sinks[LOG_TO_STDERR].open, on);
	sink_start(&sinks[LOG_TO_STDERR]);
}

/* O_NONBLOCK: neither a FIFO without a reader nor a full pipe stops us. */
static int file_switch(struct sink *s, const char *path)
{
	int fd = open(
		path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (fd < 0)
		return -1;
	int had = atomic_load(&s->fd);
	if (had < 0) {
		atomic_store(&s->fd, fd);
		return 0;
	}
	int rc = dup3(fd, had, O_CLOEXEC), err = errno;
	close(fd);
	errno = err;
	return rc < 0 ? -1 : 0;
}

int sink_file(enum log_place p, const char *path)
{
	struct sink *s = &sinks[p];
	bool on = path && *path;
	if ((on || atomic_load(&s->fd) >= 0) && file_switch(s, on ? path : "/dev/null") != 0)
		return -1;
	atomic_store(&s->open, on);
	atomic_store(&s->last_errno, 0);
	sink_start(s);
	return 0;
}

void sink_syslog(const char *path, const char *ident, int facility)
{
	struct sink *s = &sinks[LOG_TO_SYSLOG];
	if (ident)
		syslog_target(path, ident, facility);
	atomic_store(&s->open, ident != NULL);
	atomic_store(&s->last_errno, 0);
	sink_start(s);
}

void sinks_close(void)
{
	for (unsigned i = 0; i < LOG_PLACES; i++)
		sink_stop(&sinks[i]);
	started = false;
	for (unsigned i = LOG_TO_FILE; i < LOG_PLACES; i++) {
		int fd = atomic_exchange(&sinks[i].fd, -1);
		if (fd >= 0)
			close(fd);
		atomic_store(&sinks[i].open, false);
	}
	atomic_store(&sinks[LOG_TO_STDERR].open, true);
	if (!sinks[LOG_TO_SYSLOG].ring) /* else its thread still uses it */
		syslog_close();
}

/* ---- how it goes ---- */

const char *log_place_name(enum log_place p)
{
	return sinks[p].name;
}

void log_counts(enum log_place p, struct log_counts *out)
{
	struct sink *s = &sinks[p];
	pthread_mutex_lock(&s->lock);
	*out = (struct log_counts){ .open = atomic_load(&s->open),
		.lines = atomic_load(&s->lines),
		.dropped = atomic_load(&s->dropped),
		.queued_bytes = (unsigned)s->used,
		.last_errno = atomic_load(&s->last_errno) };
	pthread_mutex_unlock(&s->lock);
}

uint64_t log_lost(void)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < LOG_PLACES; i++)
		n += atomic_load(&sinks[i].dropped);
	return n;
}
