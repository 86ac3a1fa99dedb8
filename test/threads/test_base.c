/* What base/ promises to any thread: counters of memory, the log, the hash key, each thread's
 * cache of blocks. A plain main() that prints TAP; to be built with --with-sanitizer=thread too. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hmap.h"
#include "base/log.h"
#include "base/mem.h"

#define THREADS_MAX 16
#define ROUNDS 2000

static int tests_n, failed_n;
static uint64_t hash[THREADS_MAX];
static void *parcel[THREADS_MAX][ROUNDS];

static void check(int ok, const char *what, int threads)
{
	tests_n++;
	failed_n += !ok;
	printf("%s %d - %s, %d threads\n", ok ? "ok" : "not ok", tests_n, what, threads);
}

static void *work(void *arg)
{
	long me = (long)arg;
	struct buf b;
	hash[me] = hash64("x", 1);
	for (int i = 0; i < ROUNDS; i++) {
		buf_init(&b, 0);
		buf_printf(&b, "%d", i);
		uint8_t *p = buf_reserve(&b, 4096);
		if (p)
			*p = 'x';
		buf_commit(&b, p != NULL);
		buf_fini(&b);
		parcel[me][i] = mem_alloc(MEM_SESSION, 50);
		if (i % 16 == 0)
			log_line(LOG_LV_INFO, "T", NULL, "thread %ld round %d", me, i);
		if (i % 32 == 1) /* counted when repeated, and kept */
			log_warn("round %d", i % 64);
		if (i % 500 == 0)
			log_audit(NULL, "round %d", i);
	}
	buf_thread_fini();
	return NULL;
}

static void *give_back(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		mem_free(MEM_SESSION, parcel[(long)arg][i]);
	return NULL;
}

static void run(void *(*fn)(void *), int threads)
{
	pthread_t t[THREADS_MAX];
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i) != 0)
			abort();
	for (int i = 0; i < threads; i++) {
		static struct event_kept kept[EVENT_KEPT];
		struct log_counts c;
		struct log_opts o = { .file = "/dev/null", .audit = "/dev/null", .quiet = true };
		o.repeats = 5;
		o.format = i % 2 ? LOG_FMT_PLAIN : LOG_FMT_JSON;
		o.level = i % 2 ? LOG_LV_INFO : LOG_LV_WARN;
		if (log_open(&o) != 0)
			abort();
		log_counts(LOG_TO_FILE, &c);
		(void)event_kept(kept, EVENT_KEPT);
		(void)log_lost();
		(void)mem_live(MEM_SESSION); /* anyone may look meanwhile */
	}
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	struct log_opts o = { .file = "/dev/null", .quiet = true };
	if (log_open(&o) != 0)
		return 99;
	for (int threads = 2; threads <= THREADS_MAX; threads *= 2) {
		if (threads >= 8)
			log_start(); /* the last ones with threads that write */
		run(work, threads);
		check(mem_live(MEM_SESSION) == (size_t)threads * ROUNDS, "blocks are counted",
			threads);
		check(mem_live(MEM_BUF) == 0, "buffers came back", threads);
		check(mem_live(MEM_CACHE) == 0, "caches came back", threads);
		int same = 1;
		for (int i = 1; i < threads; i++)
			same &= hash[i] == hash[0];
		check(same, "one hash key", threads);
		run(give_back, threads);
		check(mem_live(MEM_SESSION) == 0 && mem_bytes(MEM_SESSION) == 0,
			"blocks freed by other threads are counted", threads);
	}
	log_close();
	printf("1..%d\n", tests_n);
	return failed_n != 0;
}
