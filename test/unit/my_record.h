/* my_record - reads the conversations of test/golden/mysql*, which record-mysql wrote. */
#ifndef TEST_MY_RECORD_H
#define TEST_MY_RECORD_H
#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

struct my_record {
	FILE *f;
	const char *name; /* of the file */
	unsigned line_no;
	uint64_t caps;
	/* the line that my_record_next() read */
	char who; /* C, S; with a weirpool between them D, U */
	uint8_t seq;
	char kind[40];
	struct buf payload;
};
/* name must outlive r. Ends the test if there is no such file. */
void my_record_open(struct my_record *r, const char *dir, const char *name);
bool my_record_next(struct my_record *r); /* false: the end */
void my_record_close(struct my_record *r);
void my_record_rewind(struct my_record *r);
/* Runs fn for each file of $srcdir/test/golden/<folder> whose name has part in it; how many. */
unsigned my_record_each(const char *folder, const char *part,
	void (*fn)(struct my_record *r, void *arg), void *arg);
#endif
