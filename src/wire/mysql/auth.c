/* auth - see wire/mysql/auth.h. */
#include "wire/mysql/auth.h"

#include <string.h>

#include "wire_int.h"

#define HEADER_SWITCH 0xfeU
#define HEADER_MORE 0x01U
#define HEADER_NEXT_FACTOR 0x02U

enum myauth_kind myauth_kind(const uint8_t *p, size_t n)
{
	if (n == 0)
		return MYAUTH_OTHER;
	switch (p[0]) {
	case 0x00: return MYAUTH_OK;
	case 0xff: return MYAUTH_ERR;
	case HEADER_SWITCH: return n == 1 ? MYAUTH_OLD_SWITCH : MYAUTH_SWITCH;
	case HEADER_MORE: return MYAUTH_MORE;
	case HEADER_NEXT_FACTOR: return MYAUTH_NEXT_FACTOR;
	default: return MYAUTH_OTHER;
	}
}

const char *myauth_read_switch(
	const uint8_t *p, size_t n, struct mystr *plugin_r, struct mystr *data_r)
{
	struct where w = where_of(p, n);
	uint8_t header = rd_u8(&w.r);
	if (header != HEADER_SWITCH && header != HEADER_NEXT_FACTOR)
		return "header";
	*plugin_r = rd_mystr_nul(&w.r);
	*data_r = rd_mystr_rest(&w.r);
	where_at(&w, "plugin name");
	return w.bad;
}

const uint8_t *myauth_nonce(struct mystr data, size_t want)
{
	if (data.n == want || (data.n == want + 1 && data.p[want] == '\0'))
		return (const uint8_t *)data.p;
	return NULL;
}

void myauth_put_switch(
	struct buf *b, uint8_t *seq, const char *plugin, const uint8_t *nonce, size_t nonce_n)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, HEADER_SWITCH);
	buf_putz(b, plugin);
	if (nonce_n != 0) {
		buf_append(b, nonce, nonce_n);
		buf_put_u8(b, 0);
	}
	mypacket_end(b, at, seq);
}

void myauth_put_more(struct buf *b, uint8_t *seq, const void *data, size_t n)
{
	size_t at = mypacket_begin(b);
	buf_put_u8(b, HEADER_MORE);
	buf_append(b, data, n);
	mypacket_end(b, at, seq);
}
