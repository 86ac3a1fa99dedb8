/* rowset - a console answer as values: columns, rows, tag, notice or error. Ignorant of how it is
 * rendered and of what it means. Whoever fills it owns it; one thread at a time. Out of memory
 * becomes its err. */
#include "proto/proto.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void rowset_init(struct rowset *r)
{
	*r = (struct rowset){ 0 };
}

static void no_memory(struct rowset *r)
{
	err_set(&r->err, ERR_NO_MEMORY, "out of memory");
}

void rowset_fini(struct rowset *r)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		for (unsigned j = 0; j < r->n_cols; j++)
			mem_free(MEM_ADMIN, r->rows[i][j]);
		mem_free(MEM_ADMIN, r->rows[i]);
	}
	for (unsigned j = 0; j < r->n_cols; j++)
		mem_free(MEM_ADMIN, r->col_names[j]);
	mem_free(MEM_ADMIN, r->rows);
	mem_free(MEM_ADMIN, r->col_names);
	mem_free(MEM_ADMIN, r->col_types);
	mem_free(MEM_ADMIN, r->tag);
	mem_free(MEM_ADMIN, r->notice);
	mem_free(MEM_ADMIN, r->notice_detail);
	*r = (struct rowset){ 0 };
}

void rowset_col(struct rowset *r, const char *name, enum rowset_type t)
{
	assert(r->n_rows == 0);
	char **names = mem_realloc(MEM_ADMIN, r->col_names, (r->n_cols + 1) * sizeof(*names));
	if (names)
		r->col_names = names;
	enum rowset_type *types = mem_realloc(
		MEM_ADMIN, r->col_types, (r->n_cols + 1) * sizeof(*types));
	if (types)
		r->col_types = types;
	char *copy = mem_strdup(MEM_ADMIN, name);
	if (names == NULL || types == NULL || copy == NULL) {
		mem_free(MEM_ADMIN, copy);
		no_memory(r);
		return;
	}
	r->col_names[r->n_cols] = copy;
	r->col_types[r->n_cols++] = t;
}

char **rowset_row(struct rowset *r)
{
	if (err_is(&r->err) && r->err.code == ERR_NO_MEMORY)
		return NULL;
	if ((r->n_rows & (r->n_rows - 1)) == 0) { /* 0 or a power of 2: full */
		size_t size = r->n_rows ? r->n_rows * 2 : 1;
		char ***rows = mem_realloc(MEM_ADMIN, r->rows, size * sizeof(*rows));
		if (rows == NULL) {
			no_memory(r);
			return NULL;
		}
		r->rows = rows;
	}
	char **row = mem_alloc(MEM_ADMIN, (r->n_cols ? r->n_cols : 1) * sizeof(*row));
	if (row == NULL) {
		no_memory(r);
		return NULL;
	}
	r->rows[r->n_rows++] = row;
	return row;
}

void rowset_set(struct rowset *r, char **row, unsigned col, const char *v)
{
	if (row == NULL || col >= r->n_cols)
		return; /* a column or row that did not fit into memory: err is set */
	mem_free(MEM_ADMIN, row[col]);
	row[col] = v ? mem_strdup(MEM_ADMIN, v) : NULL;
	if (v && row[col] == NULL)
		no_memory(r);
}

void rowset_setf(struct rowset *r, char **row, unsigned col, const char *fmt, ...)
{
	if (row == NULL || col >= r->n_cols)
		return;
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	mem_free(MEM_ADMIN, row[col]);
	row[col] = mem_alloc(MEM_ADMIN, (size_t)n + 1);
	if (row[col])
		vsnprintf(row[col], (size_t)n + 1, fmt, again);
	else
		no_memory(r);
	va_end(again);
}
