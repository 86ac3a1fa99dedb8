/* column - what stands before rows: the column count and column definitions. Pure, any thread;
 * conventions in packet.h.
 * Source: MySQL docs, Text Resultset, Protocol::ColumnDefinition41, COM_FIELD_LIST; MariaDB docs,
 * Result Set Packets (extended metadata, cached metadata). MySQL 9 sends the count first and the
 * metadata flag behind it, the reverse of its documents. */
#ifndef WIRE_MYSQL_COLUMN_H
#define WIRE_MYSQL_COLUMN_H
#include "wire/mysql/packet.h"

/* metadata_follows_r: false if the definitions are left out, which only MYCAP_OPTIONAL_METADATA and
 * MYCAP_MARIADB_CACHE_METADATA allow. */
const char *mycolumn_read_count(const uint8_t *p, size_t n, uint64_t caps, uint64_t *count_r,
	bool *metadata_follows_r) __attribute__((warn_unused_result));
void mycolumn_put_count(
	struct buf *b, uint8_t *seq, uint64_t caps, uint64_t count, bool metadata_follows);

struct mycolumn {
	struct mystr catalog, schema, table, org_table, name, org_name;
	struct mystr extended; /* absent without MYCAP_MARIADB_EXTENDED_METADATA */
	uint16_t collation;
	uint32_t length;
	uint8_t type;
	uint16_t flags;
	uint8_t decimals;
	bool has_default;       /* of COM_FIELD_LIST alone */
	struct mystr def_value; /* absent is NULL */
};
const char *mycolumn_read(const uint8_t *p, size_t n, uint64_t caps, struct mycolumn *c_r)
	__attribute__((warn_unused_result));
/* With MYCAP_MARIADB_EXTENDED_METADATA an absent extended is written as empty. */
void mycolumn_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct mycolumn *c);
#endif
