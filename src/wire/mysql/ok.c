/* ok - see wire/mysql/ok.h. */
#include "wire/mysql/ok.h"

#include "wire/mysql/error.h"
#include "wire_int.h"

#define HEADER_OK 0x00U
#define HEADER_EOF 0xfeU
#define HEADER_ERR 0xffU
#define HEADER_INFILE 0xfbU
#define EOF_BYTES 5U
/* Where no OK stands at the end of rows: a row that begins with 0xfe has a length of 8 bytes
 * behind it. */
#define EOF_BELOW_BYTES 9U

static enum myreply err_or_progress(const uint8_t *p, size_t have)
{
	return have >= 3 && (p[1] | p[2] << 8) == MYERROR_PROGRESS ? MYREPLY_PROGRESS : MYREPLY_ERR;
}

enum myreply myreply_first(const uint8_t *p, size_t have, uint32_t payload_n)
{
	if (have == 0 || payload_n == MYPACKET_PAYLOAD_MAX)
		return MYREPLY_DATA;
	switch (p[0]) {
	case HEADER_OK: return MYREPLY_OK;
	case HEADER_EOF: return MYREPLY_EOF;
	case HEADER_ERR: return err_or_progress(p, have);
	case HEADER_INFILE: return MYREPLY_INFILE;
	default: return MYREPLY_DATA;
	}
}

enum myreply myreply_row(const uint8_t *p, size_t have, uint32_t payload_n, uint64_t caps)
{
	uint32_t below = caps & MYCAP(DEPRECATE_EOF) ? MYPACKET_PAYLOAD_MAX : EOF_BELOW_BYTES;
	if (have == 0)
		return MYREPLY_DATA;
	if (p[0] == HEADER_ERR)
		return err_or_progress(p, have);
	return p[0] == HEADER_EOF && payload_n < below ? MYREPLY_EOF : MYREPLY_DATA;
}

/* The text, and the block behind it. */
static void read_tail(struct where *w, uint64_t caps, struct myok *ok)
{
	if (rd_left(&w->r) == 0)
		return;
	if (!(caps & MYCAP(SESSION_TRACK))) {
		struct rd r = w->r;
		struct mystr s = rd_mystr_len(&r);
		bool whole = rd_ok(&r) && rd_left(&r) == 0;
		ok->info = whole ? s : rd_mystr_rest(&w->r);
		return;
	}
	ok->info = rd_mystr_len(&w->r);
	where_at(w, "info");
	if (ok->status & MYSTATUS_SESSION_STATE_CHANGED && rd_left(&w->r) != 0) {
		ok->track = rd_mystr_len(&w->r);
		where_at(w, "session state");
	}
	where_end(w);
}

const char *myok_read(const uint8_t *p, size_t n, uint64_t caps, struct myok *ok_r)
{
	struct where w = where_of(p, n);
	*ok_r = (struct myok){ .header = rd_u8(&w.r) };
	where_at(&w, "header");
	if (ok_r->header != HEADER_OK && ok_r->header != HEADER_EOF)
		return "header";
	ok_r->affected = rd_lenenc(&w.r);
	where_at(&w, "affected rows");
	ok_r->insert_id = rd_lenenc(&w.r);
	where_at(&w, "insert id");
	ok_r->status = rd_u16le(&w.r);
	where_at(&w, "status");
	ok_r->warnings = rd_u16le(&w.r);
	where_at(&w, "warnings");
	read_tail(&w, caps, ok_r);
	return w.bad;
}

void myok_put(struct buf *b, uint8_t *seq, uint64_t caps, const struct myok *ok)
{
	bool block = caps & MYCAP(SESSION_TRACK) && ok->track.p != NULL;
	unsigned status = ok->status & ~MYSTATUS_SESSION_STATE_CHANGED;
	size_t at = mypacket_begin(b);
	buf_put_u8(b, ok->header);
	buf_put_lenenc(b, ok->affected);
	buf_put_lenenc(b, ok->insert_id);
	buf_put_u16le(b, (uint16_t)(block ? status | MYSTATUS_SESSION_STATE_CHANGED : status));
	buf_put_u16le(b, ok->warnings);
	if (ok->info.n != 0 || block)
		buf_put_mystr_len(b, ok->info);
	if (block)
		buf_put_mystr_len(b, ok->track);
	mypacket_end(b, at, seq);
}

const char *myok_read_eof(const uint8_t *p, size_t n, struct myok *ok_r)
{
	struct where w = where_of(p, n);
	*ok_r = (struct myok){ .header = rd_u8(&w.r) };
	if (ok_r->header != HEADER_EOF)
		return "header";
	ok_r->warnings = rd_u16le(&w.r);
	where_at(&w, "warnings");
	ok_r->status = rd_u16le(&w.r);
	where_at(&w, "status");
	return where_end(&w);
}

void myok_put_eof(struct buf *b, uint8_t *seq, uint16_t status, uint16_t warnings)
{
	mypacket_put_head(b, seq, EOF_BYTES);
	buf_put_u8(b, HEADER_EOF);
	buf_put_u16le(b, warnings);
	buf_put_u16le(b, status);
}

const char *myok_read_end(const uint8_t *p, size_t n, uint64_t caps, struct myok *ok_r)
{
	return caps & MYCAP(DEPRECATE_EOF) ? myok_read(p, n, caps, ok_r)
					   : myok_read_eof(p, n, ok_r);
}

void myok_put_end(struct buf *b, uint8_t *seq, uint64_t caps, const struct myok *ok)
{
	if (!(caps & MYCAP(DEPRECATE_EOF))) {
		unsigned status = ok->status & ~MYSTATUS_SESSION_STATE_CHANGED;
		myok_put_eof(b, seq, (uint16_t)status, ok->warnings);
		return;
	}
	struct myok end = *ok;
	end.header = HEADER_EOF;
	myok_put(b, seq, caps, &end);
}
