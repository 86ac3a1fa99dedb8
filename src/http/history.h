/* history - see history.c. A ring of samples, one each HISTORY_STEP_US. Control thread. */
#ifndef HTTP_HISTORY_H
#define HTTP_HISTORY_H
#include "http_int.h"

#define HISTORY_STEP_US 5000000
#define HISTORY_N 720 /* an hour */
#define HISTORY_LAGS_MAX 32
#define HISTORY_COUNTERS 8
#define HISTORY_COUNTED HISTORY_QUERY_P50 /* values before this one are made of counters */

enum history_value {
	HISTORY_XACTS, /* per second */
	HISTORY_QUERIES,
	HISTORY_RX, /* bytes per second */
	HISTORY_TX,
	HISTORY_XACT_MS, /* mean of those that ended; NAN: none did */
	HISTORY_QUERY_MS,
	HISTORY_WAIT_MS,
	HISTORY_QUERY_P50, /* milliseconds, of those that ended; NAN: none did */
	HISTORY_QUERY_P99,
	HISTORY_XACT_P50,
	HISTORY_XACT_P99,
	HISTORY_WAIT_P50,
	HISTORY_WAIT_P99,
	HISTORY_CLIENTS,
	HISTORY_WAITING,
	HISTORY_ACTIVE,
	HISTORY_SERVERS,
	HISTORY_BUSY,
	HISTORY_VALUES
};
struct history_sample {
	int64_t at_us; /* wall clock */
	float v[HISTORY_VALUES];
};
struct history_lag {
	char cluster[64], node[96];
	float ms[HISTORY_N]; /* in the places of the samples; NAN: unknown */
};
struct history {
	struct http *http;
	struct timer timer;
	unsigned left, next, n;
	struct history_sample now; /* being filled */
	double counted[HISTORY_COUNTERS];
	int64_t counted_us;
	struct hist hist[POOL_HISTS_N]; /* of all pools, at the last sample */
	bool has_hist;
	struct history_lag *lags[HISTORY_LAGS_MAX];
	unsigned lags_n;
	struct history_sample v[HISTORY_N];
};
struct history *history_new(struct http *h);
void history_free(struct history **hi);
/* age 0: the newest. NULL: there is none so old. */
const struct history_sample *history_at(const struct history *hi, unsigned age);
static inline unsigned history_place(const struct history *hi, unsigned age)
{
	return (hi->next + HISTORY_N - 1 - age) % HISTORY_N;
}

/* ---- latency.c, for history.c ---- */

void latency_ask(struct history *hi);       /* for the sample that is being filled */
void history_part_done(struct history *hi); /* ... which has that now */

/* ---- a row by the names of its columns ---- */

int rowset_find(const struct rowset *r, const char *name); /* -1: there is none */
const char *rowset_get(const struct rowset *r, size_t row, const char *name); /* or NULL */
#endif
