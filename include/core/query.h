/* query - what each worker counts of statements, by database, user and digest: a table of bounded
 * size. The statement that was not seen for the longest time makes room for another one, and what
 * was counted of it goes on in a row for all that were let go. Owner: the worker; others get copies
 * (core_scatter()). */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_BUCKETS 12
#define QUERY_TEXT_BYTES 1024 /* of a normalised text; what is longer is cut */
#define QUERY_MAX 100000      /* of query_stats_max */

struct account;
struct dbase;

/* Upper ends of the histogram's buckets, but for the last, which has none. Any thread. */
extern const uint32_t query_bucket_us[QUERY_BUCKETS - 1];

struct query_counts {
	uint64_t calls, errors, rows, bytes; /* errors are calls as well; bytes to the client */
	uint64_t total_us, wait_us;          /* total includes waiting for a server connection */
	uint64_t min_us, max_us;
	uint64_t replica; /* calls that a replica answered */
	uint64_t bucket[QUERY_BUCKETS];
	int64_t first_us, last_us; /* when the first and last call ended. In the table: loop clock;
				      in a copy: wall clock */
};
void query_counts_add(struct query_counts *to, const struct query_counts *n);

/* A row as others get it. */
struct query_row {
	const struct dbase *db; /* NULL: of the statements that have no row of their own */
	const struct account *user;
	uint64_t digest;
	struct query_counts n;
	char *text; /* MEM_STATS; NULL: as db */
};
struct query_rows {
	struct query_row *v; /* MEM_STATS */
	size_t n;
	uint64_t evicted; /* how often a row made room */
	bool no_memory;
};
struct query_table;
/* Over all statements, also those that made room. */
struct query_totals {
	uint64_t statements; /* that have a row */
	uint64_t evicted, calls, errors, rows, total_us, wait_us;
};
void query_table_totals(const struct query_table *t, struct query_totals *sum); /* adds */
/* Copies at most max rows of t (NULL: nothing) from place from on, with those of all others before
 * the first, or says no_memory. Times become later by to_wall_us. The place of the next slice, or
 * 0: that was all. Rows keep their place; one that makes room meanwhile is another one then. The
 * rows are the caller's. */
#define QUERY_SLICE 128 /* rows that the owner may copy at once */
uint32_t query_table_copy(const struct query_table *t, uint32_t from, uint32_t max,
	int64_t to_wall_us, struct query_rows *out) __attribute__((warn_unused_result));
void query_rows_fini(struct query_rows *r);
void query_table_free(struct query_table **t); /* *t may be NULL. Long: not on a worker */
#endif
