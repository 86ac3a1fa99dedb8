/* response - see wire/mysql/response.h. */
#include "wire/mysql/response.h"

#include <string.h>

#include "wire_int.h"

#define FILLER_BYTES 19U /* then 4 bytes for MariaDB's extended capabilities */
#define AUTH_SHORT_MAX 255U

/* ---- reading ---- */
static void read_auth(struct where *w, struct myresponse *x)
{
	if (x->caps & MYCAP(PLUGIN_AUTH_LENENC))
		x->auth = rd_mystr_len(&w->r);
	else if (x->caps & MYCAP(SECURE_CONNECTION))
		x->auth = rd_mystr(&w->r, rd_u8(&w->r));
	else
		x->auth = rd_mystr_nul_or_rest(&w->r);
	where_at(w, "authentication data");
}

static bool next_attr(struct rd *r, struct mystr *key_r, struct mystr *value_r)
{
	*key_r = rd_mystr_len(r);
	*value_r = rd_mystr_len(r);
	return rd_ok(r);
}

static void read_attrs(struct where *w, struct myresponse *x)
{
	struct mystr key, value;
	x->attrs = rd_mystr_len(&w->r);
	struct rd r = rd_of(x->attrs.p, x->attrs.n);
	while (rd_left(&r) != 0)
		next_attr(&r, &key, &value);
	if (!rd_ok(&r))
		w->r.bad = true;
	where_at(w, "connection attributes");
}

bool myresponse_next_attr(struct rd *r, struct mystr *key_r, struct mystr *value_r)
{
	return rd_left(r) != 0 && next_attr(r, key_r, value_r);
}

/* What a client may leave out at the end. */
static void read_tail(struct where *w, struct myresponse *x)
{
	if (x->caps & MYCAP(PLUGIN_AUTH) && rd_left(&w->r) != 0) {
		x->plugin = rd_mystr_nul_or_rest(&w->r);
		where_at(w, "plugin name");
	}
	if (x->caps & MYCAP(CONNECT_ATTRS) && rd_left(&w->r) != 0)
		read_attrs(w, x);
}

static const char *read_login(struct where *w, struct myresponse *x)
{
	x->user = rd_mystr_nul(&w->r);
	where_at(w, "user name");
	read_auth(w, x);
	if (x->caps & MYCAP(CONNECT_WITH_DB)) {
		x->schema = rd_mystr_nul_or_rest(&w->r);
		where_at(w, "schema name");
	}
	read_tail(w, x);
	if (x->caps & MYCAP(ZSTD) && rd_left(&w->r) != 0)
		x->zstd_level = rd_u8(&w->r);
	return w->bad;
}

const char *myresponse_read(
	const uint8_t *p, size_t n, uint64_t server_caps, struct myresponse *x_r)
{
	struct where w = where_of(p, n);
	struct rd peek = w.r;
	*x_r = (struct myresponse){ .kind = MYRESPONSE_OLD };
	uint16_t low = rd_u16le(&peek);
	if (!rd_ok(&peek))
		return "capabilities";
	if (!(low & MYCAP(PROTOCOL_41)))
		return NULL;
	x_r->asked_caps = rd_u32le(&w.r);
	where_at(&w, "capabilities");
	x_r->max_packet = rd_u32le(&w.r);
	x_r->collation = rd_u8(&w.r);
	rd_bytes(&w.r, FILLER_BYTES);
	uint64_t extended = rd_u32le(&w.r);
	where_at(&w, "filler");
	if (!(x_r->asked_caps & MYCAP(MYSQL)))
		x_r->asked_caps |= extended << 32;
	x_r->caps = x_r->asked_caps & server_caps;
	if (x_r->asked_caps & MYCAP(SSL) && rd_ok(&w.r) && rd_left(&w.r) == 0) {
		x_r->kind = MYRESPONSE_SSL;
		return NULL;
	}
	x_r->kind = MYRESPONSE_LOGIN;
	return read_login(&w, x_r);
}

const char *myresponse_read_change_user(
	const uint8_t *p, size_t n, uint64_t caps, struct myresponse *x_r)
{
	struct where w = where_of(p, n);
	*x_r = (struct myresponse){ .kind = MYRESPONSE_LOGIN, .caps = caps, .asked_caps = caps };
	if (rd_u8(&w.r) != MYCOM_CHANGE_USER)
		return "command";
	x_r->user = rd_mystr_nul(&w.r);
	where_at(&w, "user name");
	if (caps & MYCAP(SECURE_CONNECTION))
		x_r->auth = rd_mystr(&w.r, rd_u8(&w.r));
	else
		x_r->auth = rd_mystr_nul(&w.r);
	where_at(&w, "authentication data");
	x_r->schema = rd_mystr_nul_or_rest(&w.r);
	where_at(&w, "schema name");
	if (rd_left(&w.r) != 0) {
		x_r->collation = rd_u16le(&w.r);
		where_at(&w, "collation");
	}
	read_tail(&w, x_r);
	return w.bad;
}

/* ---- writing ---- */
static bool fits(const struct myresponse *x, bool lenenc)
{
	if (mystr_has_nul(x->user) || mystr_has_nul(x->schema) || mystr_has_nul(x->plugin))
		return false;
	if (!(x->caps & MYCAP(SECURE_CONNECTION)) && !lenenc)
		return !mystr_has_nul(x->auth);
	return lenenc || x->auth.n <= AUTH_SHORT_MAX;
}

static void put_start(struct buf *b, uint64_t caps, const struct myresponse *x)
{
	static const uint8_t zeroes[FILLER_BYTES];
	buf_put_u32le(b, (uint32_t)caps);
	buf_put_u32le(b, x->max_packet);
	buf_put_u8(b, (uint8_t)x->collation);
	buf_append(b, zeroes, sizeof(zeroes));
	buf_put_u32le(b, caps & MYCAP(MYSQL) ? 0 : (uint32_t)(caps >> 32));
}

static void put_auth(struct buf *b, const struct myresponse *x, bool lenenc)
{
	if (lenenc) {
		buf_put_mystr_len(b, x->auth);
	} else if (x->caps & MYCAP(SECURE_CONNECTION)) {
		buf_put_u8(b, (uint8_t)x->auth.n);
		buf_append(b, x->auth.p, x->auth.n);
	} else {
		buf_put_mystr_nul(b, x->auth);
	}
}

static void put_tail(struct buf *b, const struct myresponse *x)
{
	if (x->caps & MYCAP(PLUGIN_AUTH))
		buf_put_mystr_nul(b, x->plugin);
	if (x->caps & MYCAP(CONNECT_ATTRS))
		buf_put_mystr_len(b, x->attrs);
}

int myresponse_put(struct buf *b, uint8_t *seq, const struct myresponse *x)
{
	bool lenenc = x->caps & MYCAP(PLUGIN_AUTH_LENENC);
	if (!fits(x, lenenc))
		return -1;
	size_t at = mypacket_begin(b);
	put_start(b, x->caps, x);
	buf_put_mystr_nul(b, x->user);
	put_auth(b, x, lenenc);
	if (x->caps & MYCAP(CONNECT_WITH_DB))
		buf_put_mystr_nul(b, x->schema);
	put_tail(b, x);
	if (x->caps & MYCAP(ZSTD))
		buf_put_u8(b, x->zstd_level);
	mypacket_end(b, at, seq);
	return 0;
}

void myresponse_put_ssl(struct buf *b, uint8_t *seq, const struct myresponse *x)
{
	size_t at = mypacket_begin(b);
	put_start(b, x->caps | MYCAP(SSL), x);
	mypacket_end(b, at, seq);
}

int myresponse_put_change_user(struct buf *b, uint8_t *seq, const struct myresponse *x)
{
	if (!fits(x, false))
		return -1;
	size_t at = mypacket_begin(b);
	buf_put_u8(b, MYCOM_CHANGE_USER);
	buf_put_mystr_nul(b, x->user);
	put_auth(b, x, false);
	buf_put_mystr_nul(b, x->schema);
	buf_put_u16le(b, x->collation);
	put_tail(b, x);
	mypacket_end(b, at, seq);
	return 0;
}

void myresponse_put_attr(struct buf *attrs, const char *key, const char *value)
{
	buf_put_lenstr(attrs, key, strlen(key));
	buf_put_lenstr(attrs, value, strlen(value));
}
