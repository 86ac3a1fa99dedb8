/* mysql_rowset - a console answer as a text result set, in the shape that its client's capabilities
 * ask for. Ignorant of the console. Any thread. Source: MySQL docs, Text Resultset. */
#include "mysql_console_int.h"

#include <string.h>

#include "wire/mysql/caps.h"
#include "wire/mysql/column.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/row.h"

#define COLLATION_TEXT 45U /* utf8mb4_general_ci */
#define COLLATION_BINARY 63U
#define FLAG_BINARY 0x80U
#define FLAG_NUM 0x8000U

static struct mystr str(const char *s)
{
	return (struct mystr){ s, s ? strlen(s) : 0 };
}

static void put_column(
	struct buf *b, uint8_t *seq, uint64_t caps, const char *name, enum rowset_type t)
{
	struct mycolumn c = { .catalog = str("def"),
		.schema = str(""),
		.table = str(""),
		.org_table = str(""),
		.name = str(name),
		.org_name = str(""),
		.collation = COLLATION_BINARY,
		.flags = FLAG_BINARY | FLAG_NUM,
		.length = 20 };
	switch (t) {
	case RS_INT4: c.type = MYTYPE_LONG; break;
	case RS_INT8: c.type = MYTYPE_LONGLONG; break;
	case RS_NUMERIC:
		c.type = MYTYPE_NEWDECIMAL;
		c.length = 65;
		break;
	case RS_BYTEA:
	case RS_TIMESTAMP:
	case RS_TEXT:
		c.type = MYTYPE_VAR_STRING;
		c.collation = COLLATION_TEXT;
		c.flags = 0;
		c.length = 65535;
		break;
	}
	mycolumn_put(b, seq, caps, &c);
}

static void put_end(struct buf *b, uint8_t *seq, uint64_t caps)
{
	struct myok ok = { .status = MYSTATUS_AUTOCOMMIT };
	myok_put_end(b, seq, caps, &ok);
}

void my_rowset_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct rowset *r)
{
	mycolumn_put_count(b, seq, caps, r->n_cols, true);
	for (unsigned j = 0; j < r->n_cols; j++)
		put_column(b, seq, caps, r->col_names[j], r->col_types[j]);
	if (!(caps & MYCAP(DEPRECATE_EOF)))
		put_end(b, seq, caps);
	for (size_t i = 0; i < r->n_rows; i++) {
		size_t at = mypacket_begin(b);
		for (unsigned j = 0; j < r->n_cols; j++)
			myrow_put_cell(b, str(r->rows[i][j]));
		mypacket_end(b, at, seq);
	}
	put_end(b, seq, caps);
}
