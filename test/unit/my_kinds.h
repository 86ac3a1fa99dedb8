/* my_kinds - reads one message of a named kind with wire/mysql, and writes it again: what unit
 * tests and fuzz targets do with bytes. */
#ifndef TEST_MY_KINDS_H
#define TEST_MY_KINDS_H
#include "wire/mysql/packet.h"

struct my_kind_env {
	uint64_t caps;
	unsigned params_n;    /* of the statement that is executed */
	const uint8_t *types; /* known of it, or NULL */
	uint8_t long_data;    /* bitmap of its first 8 parameters */
	uint8_t seq;          /* of the first packet written */
};
/* 1: accepted, and written to again (unless there is no writer: again stays empty). 0: needs more.
 * -1: malformed. -2: no such kind. Walks all that can be walked. */
int my_kind_try(const char *kind, const struct my_kind_env *env, const uint8_t *p, size_t n,
	struct buf *again);
/* Name of the i-th kind; NULL behind the last. */
const char *my_kind_name(unsigned i);
#endif
