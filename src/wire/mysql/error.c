/* error - see wire/mysql/error.h. */
#include "wire/mysql/error.h"

#include <string.h>

#include "wire_int.h"

#define HEADER_ERR 0xffU
#define SQLSTATE_BYTES 5U
#define MSG_BYTES 511U /* as much as a real server sends (MYSQL_ERRMSG_SIZE) */

static bool is_sqlstate(struct mystr s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'A' && s.p[i] <= 'Z'))
			return false;
	return s.n == SQLSTATE_BYTES;
}

const char *myerror_read(const uint8_t *p, size_t n, struct myerror *e_r)
{
	struct where w = where_of(p, n);
	*e_r = (struct myerror){ .sqlstate = "HY000" };
	if (rd_u8(&w.r) != HEADER_ERR)
		return "header";
	e_r->number = rd_u16le(&w.r);
	where_at(&w, "error number");
	if (rd_left(&w.r) > SQLSTATE_BYTES && *w.r.p == '#') {
		rd_u8(&w.r);
		struct mystr s = rd_mystr(&w.r, SQLSTATE_BYTES);
		if (is_sqlstate(s))
			memcpy(e_r->sqlstate, s.p, SQLSTATE_BYTES);
	}
	e_r->msg = rd_mystr_rest(&w.r);
	return w.bad;
}

void myerror_to_err(const struct myerror *m, enum err_code code, struct err *e)
{
	int n = m->msg.n < MSG_BYTES ? (int)m->msg.n : (int)MSG_BYTES;
	const char *text = n != 0 ? m->msg.p : "(no message)";
	(void)err_set(e, code, "%.*s", n != 0 ? n : (int)strlen(text), text);
	memcpy(e->sqlstate, m->sqlstate, sizeof(e->sqlstate));
	e->mysql_errno = m->number;
}

static size_t begin(struct buf *b, unsigned number, const char *sqlstate)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, HEADER_ERR);
	buf_put_u16le(b, (uint16_t)number);
	if (sqlstate) {
		buf_put_u8(b, '#');
		buf_append(b, sqlstate, SQLSTATE_BYTES);
	}
	return at;
}

void myerror_put(struct buf *b, uint8_t *seq, unsigned number, const char *sqlstate,
	const char *msg, size_t msg_n)
{
	size_t at = begin(b, number, sqlstate);
	buf_append(b, msg, msg_n);
	mypacket_end(b, at, seq);
}

void myerror_put_err(struct buf *b, uint8_t *seq, const struct err *e, bool early)
{
	const struct err_info *info = err_info(e->code);
	bool theirs = e->mysql_errno != 0;
	const char *sqlstate = theirs && e->sqlstate[0] ? e->sqlstate : info->mysql_sqlstate;
	size_t at = begin(b, theirs ? e->mysql_errno : info->mysql_errno, early ? NULL : sqlstate);
	buf_puts(b, e->msg[0] ? e->msg : info->text);
	if (e->detail[0])
		buf_printf(b, ". %s", e->detail);
	if (e->hint[0])
		buf_printf(b, " (%s)", e->hint);
	mypacket_end(b, at, seq);
}

const char *myerror_read_progress(const uint8_t *p, size_t n, struct myerror_progress *g_r)
{
	struct where w = where_of(p, n);
	*g_r = (struct myerror_progress){ .stage = 0 };
	if (rd_u8(&w.r) != HEADER_ERR || rd_u16le(&w.r) != MYERROR_PROGRESS)
		return "header";
	rd_u8(&w.r); /* how many strings: always one */
	g_r->stage = rd_u8(&w.r);
	g_r->max_stage = rd_u8(&w.r);
	g_r->thousandths = rd_u24le(&w.r);
	where_at(&w, "stage");
	g_r->info = rd_mystr_len(&w.r);
	where_at(&w, "text");
	return w.bad;
}
