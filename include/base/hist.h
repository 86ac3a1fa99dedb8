/* hist - counts of durations in fixed buckets, from 50 us to 100 s in steps of 1-2-5: what a
 * Prometheus histogram is made from. Nothing is allocated, nothing is locked: one thread writes,
 * and whoever wants the sum of several copies them on that thread. */
#ifndef BASE_HIST_H
#define BASE_HIST_H
#include <stdint.h>

#define HIST_BOUNDS 20
struct hist {
	uint64_t n[HIST_BOUNDS + 1]; /* [i]: above bound i-1, up to and with bound i; last: more */
	uint64_t sum_us;
};
/* Upper bounds in microseconds; the last one is UINT64_MAX. */
extern const uint64_t hist_bound_us[HIST_BOUNDS + 1];
/* By the number of bits of a duration: the first bound that durations so long may be under. No two
 * bounds have as many bits, so that it is this one or the next. */
extern const uint8_t hist_first[65];

static inline unsigned hist_bucket(uint64_t us)
{
	unsigned i = hist_first[64 - __builtin_clzll(us | 1)];
	return i + (us > hist_bound_us[i]);
}
/* us below 0 (a clock that was read earlier) counts as 0. */
static inline void hist_add(struct hist *h, int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	h->n[hist_bucket(v)]++;
	h->sum_us += v;
}
/* Adds what is in more to h. */
void hist_merge(struct hist *h, const struct hist *more);
uint64_t hist_count(const struct hist *h);
/* What was added to h since it was then. */
struct hist hist_since(const struct hist *h, const struct hist *then);
/* In how many microseconds that share of them was over, evenly spread within a bucket; NAN: there
 * are none. */
double hist_share_us(const struct hist *h, double share);
#endif
