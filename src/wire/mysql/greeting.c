/* greeting - see wire/mysql/greeting.h. The auth data comes in two parts, of 8 bytes and, with a
 * NUL at its end, at least 13; the filler between them is 10 bytes, of which a MariaDB server fills
 * the last 4. */
#include "wire/mysql/greeting.h"

#include <string.h>

#include "wire_int.h"

#define PART_1_BYTES 8U
#define PART_2_BYTES (MYGREETING_SCRAMBLE_BYTES - PART_1_BYTES)
#define PART_2_MIN 13U

/* Behind the low 16 bits of the capabilities. */
static void read_rest(struct where *w, struct mygreeting *g)
{
	g->collation = rd_u8(&w->r);
	g->status = rd_u16le(&w->r);
	g->caps |= (uint64_t)rd_u16le(&w->r) << 16;
	where_at(w, "capabilities");
	unsigned auth_n = rd_u8(&w->r);
	rd_bytes(&w->r, 6);
	uint64_t extended = rd_u32le(&w->r);
	if (!(g->caps & MYCAP(MYSQL)))
		g->caps |= extended << 32;
	where_at(w, "filler");
	const uint8_t *part_2 = rd_bytes(&w->r, PART_2_BYTES);
	if (part_2)
		memcpy(g->scramble + PART_1_BYTES, part_2, PART_2_BYTES);
	where_at(w, "scramble");
	size_t left_n = auth_n > PART_1_BYTES + PART_2_MIN ? auth_n - PART_1_BYTES : PART_2_MIN;
	rd_bytes(&w->r, left_n - PART_2_BYTES);
	where_at(w, "end of the scramble");
	if (g->caps & MYCAP(PLUGIN_AUTH)) {
		g->plugin = rd_mystr_nul_or_rest(&w->r); /* MySQL before 5.5.10 has no NUL */
		where_at(w, "plugin name");
	}
}

const char *mygreeting_read(const uint8_t *p, size_t n, struct mygreeting *g_r)
{
	struct where w = where_of(p, n);
	*g_r = (struct mygreeting){ .thread_id = 0 };
	if (rd_u8(&w.r) != MYGREETING_V10)
		return "protocol version";
	g_r->version = rd_mystr_nul(&w.r);
	where_at(&w, "server version");
	g_r->thread_id = rd_u32le(&w.r);
	where_at(&w, "thread id");
	const uint8_t *part_1 = rd_bytes(&w.r, PART_1_BYTES);
	if (part_1)
		memcpy(g_r->scramble, part_1, PART_1_BYTES);
	rd_u8(&w.r);
	where_at(&w, "scramble");
	g_r->caps = rd_u16le(&w.r);
	where_at(&w, "capabilities");
	read_rest(&w, g_r);
	if (w.bad)
		return w.bad;
	uint64_t must = MYCAP(PROTOCOL_41) | MYCAP(SECURE_CONNECTION);
	return (g_r->caps & must) == must ? NULL : "capabilities";
}

void mygreeting_put(struct buf *b, uint8_t *seq, const struct mygreeting *g)
{
	static const uint8_t zeroes[6];
	size_t at = mypacket_begin(b);
	buf_put_u8(b, MYGREETING_V10);
	buf_put_mystr_nul(b, g->version);
	buf_put_u32le(b, g->thread_id);
	buf_append(b, g->scramble, PART_1_BYTES);
	buf_put_u8(b, 0);
	buf_put_u16le(b, (uint16_t)g->caps);
	buf_put_u8(b, g->collation);
	buf_put_u16le(b, g->status);
	buf_put_u16le(b, (uint16_t)(g->caps >> 16));
	buf_put_u8(b, g->caps & MYCAP(PLUGIN_AUTH) ? MYGREETING_SCRAMBLE_BYTES + 1 : 0);
	buf_append(b, zeroes, sizeof(zeroes));
	buf_put_u32le(b, g->caps & MYCAP(MYSQL) ? 0 : (uint32_t)(g->caps >> 32));
	buf_append(b, g->scramble + PART_1_BYTES, PART_2_BYTES);
	buf_put_u8(b, 0);
	if (g->caps & MYCAP(PLUGIN_AUTH))
		buf_put_mystr_nul(b, g->plugin);
	mypacket_end(b, at, seq);
}
