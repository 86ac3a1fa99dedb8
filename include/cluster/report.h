/* report - what is told of the probes of one node: filled by monitor/, shown by admin/. Plain
 * values; times are monotonic microseconds. */
#ifndef CLUSTER_REPORT_H
#define CLUSTER_REPORT_H
#include <stdint.h>

struct probe_report {
	const char *state; /* of the connection that asks for role and position; static */
	uint64_t samples, facts, failures;
	int64_t rtt_us;      /* of the newest sample; 0: none came yet */
	int64_t interval_us; /* between two samples, as they are taken now */
	char note[200];      /* what the probe may not see, and how to allow it; or "" */
	char error[300];     /* the newest failure, even if it has passed; or "" */
	int64_t error_us;    /* when that was */
	/* Who is asked beside this node which one should be primary: its Patroni, or the node as a
	 * member of its group. */
	char authority[340];       /* who, and of a group which view; "": nobody */
	int leader;                /* node that it named last; -1: none */
	int64_t authority_us;      /* when; 0: never yet */
	char authority_error[300]; /* why its newest answer is none; or "" */
};
#endif
