/* mysql_result - how far the reply to a command has come: which packet may come next and which one
 * is the last. Looks at the first bytes of packets only. Ignorant of who gets them and of what they
 * say. Pure. Source: MySQL docs, Command Phase: Text Resultset, Binary Protocol Resultset,
 * COM_STMT_PREPARE Response, LOCAL INFILE Request; servers' behaviour where these differ. */
#include "mysql_run_int.h"

#include "wire/mysql/caps.h"
#include "wire/mysql/ok.h"

void my_res_begin(struct my_res *r, uint8_t cmd, uint64_t caps, bool infile_ok)
{
	*r = (struct my_res){ .cmd = cmd, .caps = caps, .infile_ok = infile_ok };
	switch (cmd) {
	case MYCOM_STMT_FETCH: r->state = MY_RES_ROWS; break;
	case MYCOM_FIELD_LIST: r->state = MY_RES_LIST; break;
	case MYCOM_BINLOG_DUMP:
	case MYCOM_BINLOG_DUMP_GTID: r->state = MY_RES_STREAM; break;
	default: break;
	}
}

static bool eof_mode(const struct my_res *r)
{
	return !(r->caps & MYCAP(DEPRECATE_EOF));
}

/* May the reply to this command be rows? */
static bool may_give_rows(uint8_t cmd)
{
	return cmd == MYCOM_QUERY || cmd == MYCOM_STMT_EXECUTE || cmd == MYCOM_STMT_BULK_EXECUTE ||
	       cmd == MYCOM_PROCESS_INFO;
}

static enum my_packet first(const struct my_res *r, const uint8_t *p, size_t have, uint32_t n)
{
	enum myreply y = myreply_first(p, have, n);
	if (y == MYREPLY_ERR)
		return MY_P_ERR;
	if (y == MYREPLY_PROGRESS)
		return MY_P_PROGRESS;
	if (r->cmd == MYCOM_STATISTICS)
		return MY_P_TEXT;
	if (r->cmd == MYCOM_STMT_PREPARE)
		return y == MYREPLY_OK ? MY_P_PREPARED : MY_P_BAD;
	switch (y) {
	case MYREPLY_OK: return MY_P_OK;
	case MYREPLY_EOF: /* COM_SET_OPTION and COM_DEBUG end so */
		return r->cmd == MYCOM_SET_OPTION || r->cmd == MYCOM_DEBUG ? MY_P_END : MY_P_BAD;
	case MYREPLY_INFILE: return r->infile_ok ? MY_P_INFILE : MY_P_BAD;
	case MYREPLY_DATA: return may_give_rows(r->cmd) ? MY_P_COUNT : MY_P_BAD;
	case MYREPLY_ERR:
	case MYREPLY_PROGRESS: break;
	}
	return MY_P_BAD;
}

/* Rows, definitions, their end. data: what it is if it is none of these. */
static enum my_packet row(
	const struct my_res *r, const uint8_t *p, size_t have, uint32_t n, enum my_packet data)
{
	switch (myreply_row(p, have, n, r->caps)) {
	case MYREPLY_ERR: return MY_P_ERR;
	case MYREPLY_PROGRESS: return MY_P_PROGRESS;
	case MYREPLY_EOF: return MY_P_END;
	case MYREPLY_OK:
	case MYREPLY_INFILE:
	case MYREPLY_DATA: break;
	}
	return data;
}

enum my_packet my_res_packet(const struct my_res *r, const uint8_t *p, size_t have, uint32_t n)
{
	if (n == 0)
		return MY_P_BAD;
	if (have < (n < 3 ? n : 3))
		return MY_P_MORE;
	enum my_packet k;
	switch ((enum my_res_state)r->state) {
	case MY_RES_FIRST: return first(r, p, have, n);
	case MY_RES_COLUMNS:
	case MY_RES_PARAMS:
	case MY_RES_FIELDS: k = row(r, p, have, n, MY_P_DEF); return k == MY_P_END ? MY_P_BAD : k;
	case MY_RES_COLUMNS_END:
	case MY_RES_PARAMS_END:
	case MY_RES_FIELDS_END:
		k = row(r, p, have, n, MY_P_BAD);
		return k == MY_P_END ? MY_P_EOF : k;
	case MY_RES_ROWS: return row(r, p, have, n, MY_P_ROW);
	case MY_RES_LIST: return row(r, p, have, n, MY_P_DEF);
	case MY_RES_STREAM: return row(r, p, have, n, MY_P_ROW);
	case MY_RES_INFILE: /* it waits for us: only an error may come */
		return p[0] == 0xff ? MY_P_ERR : MY_P_BAD;
	case MY_RES_DONE: break;
	}
	return MY_P_BAD;
}

void my_res_count(struct my_res *r, uint64_t columns)
{
	r->left = (uint32_t)columns;
	r->state = MY_RES_COLUMNS;
}

void my_res_no_defs(struct my_res *r)
{
	r->left = 0;
	r->state = MY_RES_ROWS;
}

/* The definitions of one group are over. */
static void group_over(struct my_res *r)
{
	if (r->state == MY_RES_PARAMS || r->state == MY_RES_PARAMS_END) {
		r->left = r->fields;
		r->state = r->left ? MY_RES_FIELDS : MY_RES_DONE;
	} else if (r->state == MY_RES_FIELDS || r->state == MY_RES_FIELDS_END) {
		r->state = MY_RES_DONE;
	} else {
		r->state = MY_RES_ROWS;
	}
}

void my_res_def(struct my_res *r)
{
	if (r->state == MY_RES_LIST || --r->left > 0)
		return;
	if (!eof_mode(r)) {
		group_over(r);
		return;
	}
	r->state = r->state == MY_RES_PARAMS   ? MY_RES_PARAMS_END
		   : r->state == MY_RES_FIELDS ? MY_RES_FIELDS_END
					       : MY_RES_COLUMNS_END;
}

void my_res_eof(struct my_res *r, uint16_t status)
{
	/* A cursor was opened: its rows are fetched later. */
	if (r->state == MY_RES_COLUMNS_END && (status & MYSTATUS_CURSOR_EXISTS) &&
		r->cmd == MYCOM_STMT_EXECUTE)
		my_res_end(r, status);
	else
		group_over(r);
}

void my_res_prepared(struct my_res *r, unsigned params, unsigned columns)
{
	r->fields = columns;
	r->left = params;
	r->state = MY_RES_PARAMS;
	if (params == 0)
		group_over(r);
}

void my_res_end(struct my_res *r, uint16_t status)
{
	r->state = (status & MYSTATUS_MORE_RESULTS) && may_give_rows(r->cmd) ? MY_RES_FIRST
									     : MY_RES_DONE;
}

void my_res_infile(struct my_res *r, bool sent)
{
	r->state = sent ? MY_RES_FIRST : MY_RES_INFILE;
	r->infile_ok = false;
}
