/* seed - where a test's random inputs begin: at the same place each time, unless the environment
 * says otherwise. SEED=n begins there, SEEDS=n makes that many rounds where there are rounds.
 * Whatever ends the test, the seed of its last round is said: SEED=that SEEDS=1 repeats it. One
 * test of a process, one thread. */
#ifndef TEST_SEED_H
#define TEST_SEED_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* where there is a sanitizer, which ends a process in its own way */
extern void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static volatile unsigned seed_now;

static inline void seed_say(void)
{
	char line[200];
	int n = snprintf(line, sizeof(line), "%s::%s SEED=%u\n", criterion_current_suite->name,
		criterion_current_test->name, seed_now);
	ssize_t put = write(STDERR_FILENO, line, (size_t)n);
	(void)put;
}

static inline void seed_dies(int sig)
{
	seed_say();
	signal(sig, SIG_DFL);
	raise(sig);
}

static inline unsigned seed_env(const char *name, unsigned otherwise)
{
	const char *given = getenv(name);
	return given != NULL ? (unsigned)strtoul(given, NULL, 10) : otherwise;
}

/* The first seed; it is not 0. Whatever ends the process says the one it had come to. */
static inline unsigned seed_first(void)
{
	/* what Criterion sends to a test that takes too long is SIGPROF */
	static const int ends[] = { SIGABRT, SIGPROF, SIGSEGV, SIGBUS, SIGFPE };
	bool sanitized = __sanitizer_set_death_callback != NULL, first = seed_now == 0;
	seed_now = seed_env("SEED", 1);
	seed_now += seed_now == 0;
	if (!first)
		return seed_now;
	atexit(seed_say);
	if (sanitized)
		__sanitizer_set_death_callback(seed_say);
	for (size_t i = 0; i < (sanitized ? 2 : sizeof(ends) / sizeof(*ends)); i++)
		signal(ends[i], seed_dies);
	return seed_now;
}

typedef void seed_fn(unsigned seed, void *arg);

/* Calls fn with seeds_n seeds, one after the other, or with as many as SEEDS says;
 * returns how many that were. */
static inline unsigned seed_each(unsigned seeds_n, seed_fn *fn, void *arg)
{
	unsigned n = seed_env("SEEDS", seeds_n);
	unsigned seed = seed_first();
	for (unsigned i = 0; i < n; i++) {
		seed_now = seed++;
		fn(seed_now, arg);
	}
	return n;
}

#endif
