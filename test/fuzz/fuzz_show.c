/* fuzz_show - a console command with conditions, on a few rows: whatever it says, rows only
 * become fewer, and nothing is lost. */
#include <stdlib.h>

#include "../../src/admin/show_int.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_name(const char *s)
{
	return *s == 't';
}

static void fill(struct rowset *rs)
{
	rowset_init(rs);
	rowset_col(rs, "a", RS_TEXT);
	rowset_col(rs, "n", RS_INT4);
	rowset_col(rs, "q", RS_NUMERIC);
	for (int i = 0; i < 7; i++) {
		char **row = rowset_row(rs);
		rowset_setf(rs, row, 0, "%c%d\xc3\xa9", 'a' + i % 3, i);
		rowset_setf(rs, row, 1, "%d", i * i - 5);
		if (i & 1)
			rowset_setf(rs, row, 2, "%d.5", i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct show_query *q = NULL;
	struct err e = { 0 };
	struct rowset rs;
	char *sql = mem_strndup(MEM_MISC, (const char *)data, size);
	int rc = show_parse(sql, is_name, &q, &e);
	if ((rc < 0) != err_is(&e) || (rc == 1) != (q != NULL))
		abort();
	fill(&rs);
	if (rc == 1 && show_apply(q, &rs, &e) == 0 &&
		(rs.n_rows > 7 || (rs.n_rows > q->limit && !q->count)))
		abort();
	rowset_fini(&rs);
	mem_free(MEM_ADMIN, q);
	mem_free(MEM_MISC, sql);
	if (mem_live(MEM_ADMIN))
		abort();
	return 0;
}
