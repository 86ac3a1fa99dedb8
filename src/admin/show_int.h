/* show_int - what may stand behind SHOW and around its name: which rows, in which order, how many,
 * which columns. Pure: texts and rowsets in, rowsets out; ignorant of what the rows mean. Any
 * thread. */
#ifndef SHOW_INT_H
#define SHOW_INT_H
#include "base/err.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stdint.h>

/* SHOW name [LIKE 'pattern'] [WHERE condition] [ORDER BY column [DESC], ...] [LIMIT n [OFFSET m]]
 * SELECT * | count(*) | column [AS label], ... FROM name [WHERE ...] [ORDER BY ...] [LIMIT ...] */

#define SHOW_CONDS_MAX 64 /* comparisons, and words between them */
#define SHOW_VALUES_MAX 256
#define SHOW_COLUMNS_MAX 64
#define SHOW_ORDER_MAX 8

enum show_op {
	SHOW_EQ,
	SHOW_NE,
	SHOW_LT,
	SHOW_LE,
	SHOW_GT,
	SHOW_GE,
	SHOW_LIKE,
	SHOW_ILIKE,
	SHOW_IN,
	SHOW_BETWEEN,
	SHOW_IS_NULL,
	SHOW_NOT, /* of a; these three have no column */
	SHOW_AND, /* of a and b */
	SHOW_OR,
};

struct show_value {
	const char *text;
	bool is_number; /* as typed: without quotes */
	long double n;  /* of a column of numbers */
};

struct show_cond {
	enum show_op op;
	int a, b;           /* conditions */
	const char *column; /* its name; at once its place in the rowset, when there is one */
	unsigned col;
	unsigned value, values_n; /* in values[] */
};

struct show_query {
	const char *what; /* the name behind SHOW or FROM, as typed */
	bool is_select;
	bool all, count;
	unsigned columns_n; /* of SELECT; 0: all, or the count */
	struct show_column {
		const char *name, *label;
	} columns[SHOW_COLUMNS_MAX];
	const char *like; /* behind SHOW's name: of the first column; or NULL */
	int where;        /* -1: every row */
	unsigned conds_n, values_n, order_n;
	struct show_cond conds[SHOW_CONDS_MAX];
	struct show_value values[SHOW_VALUES_MAX];
	struct show_order {
		const char *name; /* NULL: by place */
		unsigned place;   /* from 1, in what is selected */
		unsigned col;     /* of the rowset */
		bool desc;
	} order[SHOW_ORDER_MAX];
	uint64_t limit, offset; /* limit UINT64_MAX: none */
	char pool[];            /* the strings of all of these */
};

/* 1 and *q_r, the caller's (MEM_ADMIN); 0: sql is none of these and another reads it; -1 and e. A
 * SHOW of a name for which is_name() is false is one only if a word of the grammar follows. */
int show_parse(
	const char *sql, bool (*is_name)(const char *), struct show_query **q_r, struct err *e);

/* Are q's columns there, and its values of their types? For a command that may not be run in vain;
 * rows of rs do not matter. */
int show_fits(struct show_query *q, const struct rowset *rs, struct err *e);

/* Leaves in rs what q asks for. -1 and e: rs is then of no use but to free. */
int show_apply(struct show_query *q, struct rowset *rs, struct err *e);

/* SQL's LIKE, with \ before what is to be itself. The time is bounded by the product of lengths. */
bool show_like(const char *s, const char *pattern, bool fold);

#endif
