/* command - see wire/mysql/command.h. */
#include "wire/mysql/command.h"

#include "wire_int.h"

#define HEADER_INFILE 0xfbU

void mycommand_put(struct buf *b, uint8_t *seq, enum mycom com)
{
	mypacket_put_head(b, seq, 1);
	buf_put_u8(b, (uint8_t)com);
}

struct mystr mycommand_read_init_db(const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	rd_u8(&r);
	return rd_mystr_rest(&r);
}

void mycommand_put_init_db(struct buf *b, uint8_t *seq, struct mystr schema)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, MYCOM_INIT_DB);
	buf_append(b, schema.p, schema.n);
	mypacket_end(b, at, seq);
}

const char *mycommand_read_set_option(const uint8_t *p, size_t n, uint16_t *option_r)
{
	struct where w = where_of(p, n);
	rd_u8(&w.r);
	*option_r = rd_u16le(&w.r);
	where_at(&w, "option");
	return w.bad;
}

void mycommand_put_set_option(struct buf *b, uint8_t *seq, uint16_t option)
{
	mypacket_put_head(b, seq, 3);
	buf_put_u8(b, MYCOM_SET_OPTION);
	buf_put_u16le(b, option);
}

const char *mycommand_read_kill(const uint8_t *p, size_t n, uint32_t *id_r)
{
	struct where w = where_of(p, n);
	rd_u8(&w.r);
	*id_r = rd_u32le(&w.r);
	where_at(&w, "connection id");
	return w.bad;
}

void mycommand_put_kill(struct buf *b, uint8_t *seq, uint32_t id)
{
	mypacket_put_head(b, seq, 5);
	buf_put_u8(b, MYCOM_PROCESS_KILL);
	buf_put_u32le(b, id);
}

const char *mycommand_read_field_list(
	const uint8_t *p, size_t n, struct mystr *table_r, struct mystr *wildcard_r)
{
	struct where w = where_of(p, n);
	rd_u8(&w.r);
	*table_r = rd_mystr_nul(&w.r);
	where_at(&w, "table name");
	*wildcard_r = rd_mystr_rest(&w.r);
	return w.bad;
}

const char *mycommand_read_infile(const uint8_t *p, size_t n, struct mystr *name_r)
{
	struct where w = where_of(p, n);
	if (rd_u8(&w.r) != HEADER_INFILE)
		return "header";
	*name_r = rd_mystr_rest(&w.r);
	return w.bad;
}
