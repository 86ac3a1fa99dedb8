/* pg_script - writes what a client of a test sends, and reads what it got: as one line of text for
 * a whole stream. */
#ifndef TEST_PG_SCRIPT_H
#define TEST_PG_SCRIPT_H
#include "base/buf.h"
#include "wire/pg/error.h"
#include "wire/pg/extended.h"
#include "wire/pg/msg.h"
#include "wire/pg/row.h"
#include "wire/pg/session.h"

#include <stdio.h>
#include <string.h>

static inline void put_query(struct buf *b, const char *text)
{
	pgext_put_query(b, text, strlen(text));
}
static inline void put_parse(struct buf *b, const char *name, const char *text)
{
	pgext_put_parse(b, name, text, strlen(text), NULL, 0);
}
static inline void put_bind(struct buf *b, const char *portal, const char *stmt)
{
	pgext_put_bind_text(b, portal, stmt, NULL, 0);
}

/* "T D(n1) C(SELECT 1) Z(I)"; ParameterStatus is left out when params is false. Bytes that are no
 * whole message: "...". */
static inline const char *describe_stream(const struct buf *b, char *out, size_t size, bool params)
{
	const uint8_t *p = buf_data(b);
	size_t n = buf_len(b), at = 0;
	struct pgmsg m;
	out[0] = 0;
	for (; n > 0 && pgmsg_take(p, n, 1 << 24, &m) > 0; p += m.total, n -= m.total) {
		const char *tag, *value;
		struct pgerror f;
		struct rd r;
		unsigned cols;
		const uint8_t *cell;
		size_t cell_n;
		char status;
		if (m.type == 'S' && !params)
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%c", at ? " " : "", m.type);
		if (m.type == 'C' && pgsession_read_complete(m.body, m.body_n, &tag))
			at += (size_t)snprintf(out + at, size - at, "(%s)", tag);
		else if (m.type == 'Z' && pgsession_read_ready(m.body, m.body_n, &status))
			at += (size_t)snprintf(out + at, size - at, "(%c)", status);
		else if (m.type == 'S' && pgsession_read_param(m.body, m.body_n, &tag, &value))
			at += (size_t)snprintf(out + at, size - at, "(%s=%s)", tag, value);
		else if (m.type == 'D' && pgrow_data_read(m.body, m.body_n, &cols, &r) &&
			 cols > 0 && pgrow_data_next(&r, &cell, &cell_n))
			at += (size_t)snprintf(out + at, size - at, "(%.*s)",
				cell ? (int)cell_n : 4, cell ? (const char *)cell : "NULL");
		else if (m.type == 'E') {
			pgerror_read(m.body, m.body_n, &f);
			at += (size_t)snprintf(out + at, size - at, "(%s %s)",
				f.sqlstate ? f.sqlstate : "-", f.msg ? f.msg : "-");
		} else if (m.type == 'd')
			at += (size_t)snprintf(
				out + at, size - at, "(%.*s)", (int)m.body_n, (const char *)m.body);
		if (at + 300 > size)
			break;
	}
	if (n > 0)
		snprintf(out + at, size - at, " ...");
	return out;
}
#endif
