/* hist - counts of durations in fixed buckets. */
#include "base/hist.h"

#include <math.h>

#define MS UINT64_C(1000)
#define S UINT64_C(1000000)

const uint64_t hist_bound_us[HIST_BOUNDS + 1] = { 50, 100, 200, 500, 1 * MS, 2 * MS, 5 * MS,
	10 * MS, 20 * MS, 50 * MS, 100 * MS, 200 * MS, 500 * MS, 1 * S, 2 * S, 5 * S, 10 * S,
	20 * S, 50 * S, 100 * S, UINT64_MAX };

/* [bits]: the first bound that is not below 2^(bits - 1). */
const uint8_t hist_first[65] = { 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13,
	14, 15, 15, 16, 17, 18, 19, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
	20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20 };

void hist_merge(struct hist *h, const struct hist *more)
{
	for (unsigned i = 0; i <= HIST_BOUNDS; i++)
		h->n[i] += more->n[i];
	h->sum_us += more->sum_us;
}

uint64_t hist_count(const struct hist *h)
{
	uint64_t n = 0;
	for (unsigned i = 0; i <= HIST_BOUNDS; i++)
		n += h->n[i];
	return n;
}

struct hist hist_since(const struct hist *h, const struct hist *then)
{
	struct hist d = { .sum_us = h->sum_us - then->sum_us };
	for (unsigned i = 0; i <= HIST_BOUNDS; i++)
		d.n[i] = h->n[i] - then->n[i];
	return d;
}

double hist_share_us(const struct hist *h, double share)
{
	double wanted = (double)hist_count(h) * share, below = 0;
	if (wanted <= 0)
		return NAN;
	for (unsigned i = 0; i < HIST_BOUNDS; i++) {
		double n = (double)h->n[i], from = i ? (double)hist_bound_us[i - 1] : 0;
		if (below + n >= wanted)
			return from + ((double)hist_bound_us[i] - from) * (wanted - below) / n;
		below += n;
	}
	return (double)hist_bound_us[HIST_BOUNDS - 1]; /* longer than that is all that is known */
}
