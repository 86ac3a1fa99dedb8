/* param - parameters of prepared statements and query attributes: a bitmap of NULLs, types, names,
 * values. Pure, any thread; conventions in packet.h.
 * Source: MySQL docs, COM_STMT_EXECUTE, COM_QUERY, Binary Protocol Value. */
#ifndef WIRE_MYSQL_PARAM_H
#define WIRE_MYSQL_PARAM_H
#include "wire/mysql/packet.h"

#define MYPARAM_TYPE_BYTES 2U

/* The bytes of one value of this type, with its length if it has one; false: malformed, or a type
 * without a binary form (r is then bad). */
bool myparam_skip_value(struct rd *r, uint8_t type);

struct myparam {
	uint16_t type;        /* enum mytype, and MYTYPE_UNSIGNED */
	struct mystr name;    /* absent in layouts without names */
	bool null, long_data; /* no value here */
	struct mystr value;   /* binary, with its length if it has one */
};
/* Over parameters whose types are known. */
struct myparam_iter {
	struct rd types, values;
	const uint8_t *nulls, *long_data; /* bitmaps; long_data may be NULL */
	unsigned i, n, long_data_n;       /* long_data has that many bits */
	bool names;                       /* a name behind each type */
};
/* False at the end, or when malformed: it.values.bad or it.types.bad. */
bool myparam_next(struct myparam_iter *it, struct myparam *p_r);
#endif
