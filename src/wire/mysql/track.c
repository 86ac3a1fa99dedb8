/* track - see wire/mysql/track.h. Each entry has a type, a total length and data whose shape
 * follows the type; the total length alone decides where the next begins. */
#include "wire/mysql/track.h"

#include <assert.h>

#include "wire_int.h"

bool mytrack_next(struct rd *r, struct mytrack *t_r)
{
	if (rd_left(r) == 0)
		return false;
	t_r->type = rd_lenenc(r);
	t_r->data = rd_mystr_len(r);
	return rd_ok(r);
}

bool mytrack_next_var(struct rd *r, struct mystr *name_r, struct mystr *value_r)
{
	if (rd_left(r) == 0)
		return false;
	*name_r = rd_mystr_len(r);
	*value_r = rd_mystr_len(r);
	return rd_ok(r);
}

const char *mytrack_read_text(struct mystr data, struct mystr *text_r)
{
	struct where w = where_of(data.p, data.n);
	*text_r = rd_mystr_len(&w.r);
	where_at(&w, "text");
	return where_end(&w);
}

const char *mytrack_read_gtids(struct mystr data, uint8_t *encoding_r, struct mystr *text_r)
{
	struct where w = where_of(data.p, data.n);
	*encoding_r = rd_u8(&w.r);
	*text_r = rd_mystr_len(&w.r);
	where_at(&w, "GTIDs");
	return where_end(&w);
}

static size_t lenenc_n(uint64_t v)
{
	return v < 0xfb ? 1 : v <= 0xffff ? 3 : v <= 0xffffff ? 4 : 9;
}

void mytrack_put(struct buf *block, const struct mytrack *t)
{
	buf_put_lenenc(block, t->type);
	buf_put_mystr_len(block, t->data);
}

void mytrack_put_var(struct buf *block, struct mystr name, struct mystr value)
{
	buf_put_lenenc(block, MYTRACK_VAR);
	buf_put_lenenc(block, lenenc_n(name.n) + name.n + lenenc_n(value.n) + value.n);
	buf_put_mystr_len(block, name);
	buf_put_mystr_len(block, value);
}

void mytrack_put_text(struct buf *block, enum mytrack_type type, struct mystr text)
{
	assert(type == MYTRACK_SCHEMA || type == MYTRACK_TX_TEXT || type == MYTRACK_TX_STATE);
	buf_put_lenenc(block, type);
	buf_put_lenenc(block, lenenc_n(text.n) + text.n);
	buf_put_mystr_len(block, text);
}

void mytrack_put_state(struct buf *block)
{
	mytrack_put(block, &(struct mytrack){ .type = MYTRACK_STATE, .data = mystr_of("1", 1) });
}

void mytrack_put_gtids(struct buf *block, struct mystr text)
{
	buf_put_lenenc(block, MYTRACK_GTIDS);
	buf_put_lenenc(block, 1 + lenenc_n(text.n) + text.n);
	buf_put_u8(block, 0);
	buf_put_mystr_len(block, text);
}
