/* proxy - see wire/proxy.h. */
#include "wire/proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"

static const uint8_t signature[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T',
	'\n' };
static const char v1_start[] = "PROXY ";

#define V2_HEAD_BYTES 16U
#define V2_VERSION 0x20U
#define V2_CMD_LOCAL 0U
#define V2_CMD_PROXY 1U
#define V2_TCP4 0x11U
#define V2_TCP6 0x21U

/* ---- version 1 ---- */
/* A word up to a blank or the end; a blank behind it is taken too. False: empty or too long. */
static bool next_word(struct rd *r, char *word, size_t size)
{
	size_t left = rd_left(r), n = 0;
	while (n < left && r->p[n] != ' ')
		n++;
	if (n == 0 || n >= size)
		return false;
	memcpy(word, r->p, n);
	word[n] = '\0';
	rd_bytes(r, n < left ? n + 1 : n);
	return memchr(word, 0, n) == NULL;
}

static bool next_port(struct rd *r, uint16_t *port_r)
{
	char word[6];
	uint64_t v = 0;
	if (!next_word(r, word, sizeof(word)))
		return false;
	if (num_u64n(word, strlen(word), 0, UINT16_MAX, &v) != 0)
		return false;
	*port_r = (uint16_t)v;
	return true;
}

static bool next_addr(struct rd *r, int family, uint8_t addr_r[16])
{
	char word[INET6_ADDRSTRLEN];
	return next_word(r, word, sizeof(word)) && inet_pton(family, word, addr_r) == 1;
}

/* The line without its CR LF, behind "PROXY ". */
static const char *read_v1(struct rd *r, struct proxy *x)
{
	char word[8];
	if (!next_word(r, word, sizeof(word)))
		return "protocol";
	if (strcmp(word, "UNKNOWN") == 0)
		return NULL; /* whatever follows is for nobody */
	if (strcmp(word, "TCP4") != 0 && strcmp(word, "TCP6") != 0)
		return "protocol";
	int family = word[3] == '4' ? AF_INET : AF_INET6;
	struct proxy y = { .version = 1, .kind = family == AF_INET ? PROXY_TCP4 : PROXY_TCP6 };
	if (!next_addr(r, family, y.from) || !next_addr(r, family, y.to))
		return "address";
	if (!next_port(r, &y.from_port) || !next_port(r, &y.to_port))
		return "port";
	if (rd_left(r) != 0 || r->p[-1] == ' ')
		return "end of the line";
	*x = y;
	return NULL;
}

static int take_v1(const uint8_t *p, size_t n, struct proxy *x, const char **where_r)
{
	size_t most = n < PROXY_V1_MAX_BYTES ? n : PROXY_V1_MAX_BYTES;
	const uint8_t *lf = memchr(p, '\n', most);
	*where_r = "end of the line";
	if (lf == NULL)
		return most == PROXY_V1_MAX_BYTES ? -1 : 0;
	size_t len = (size_t)(lf - p);
	if (p[len - 1] != '\r')
		return -1;
	struct rd r = rd_of(p + strlen(v1_start), len - 1 - strlen(v1_start));
	x->version = 1;
	*where_r = read_v1(&r, x);
	x->total = len + 1;
	return *where_r ? -1 : 1;
}

/* ---- version 2 ---- */
static void read_pair(struct rd *r, struct proxy *x, size_t addr_n)
{
	const uint8_t *from = rd_bytes(r, addr_n), *to = rd_bytes(r, addr_n);
	if (from)
		memcpy(x->from, from, addr_n);
	if (to)
		memcpy(x->to, to, addr_n);
	x->from_port = rd_u16be(r);
	x->to_port = rd_u16be(r);
}

static int take_v2(const uint8_t *p, size_t n, struct proxy *x, const char **where_r)
{
	struct rd r = rd_of(p, n);
	rd_bytes(&r, sizeof(signature));
	uint8_t command = rd_u8(&r), family = rd_u8(&r);
	size_t body_n = rd_u16be(&r);
	if (n > sizeof(signature)) {
		*where_r = "version and command";
		if ((p[sizeof(signature)] & 0xf0) != V2_VERSION ||
			(p[sizeof(signature)] & 0x0f) > V2_CMD_PROXY)
			return -1;
	}
	if (!rd_ok(&r))
		return 0;
	*where_r = "length";
	if (body_n > PROXY_V2_MAX_BYTES - V2_HEAD_BYTES)
		return -1;
	const uint8_t *body = rd_bytes(&r, body_n);
	if (!rd_ok(&r))
		return 0;
	x->version = 2;
	x->total = V2_HEAD_BYTES + body_n;
	if ((command & 0x0f) == V2_CMD_LOCAL || (family != V2_TCP4 && family != V2_TCP6))
		return 1;
	r = rd_of(body, body_n); /* TLVs behind the addresses are not looked at */
	x->kind = family == V2_TCP4 ? PROXY_TCP4 : PROXY_TCP6;
	read_pair(&r, x, family == V2_TCP4 ? 4 : 16);
	*where_r = "addresses";
	return rd_ok(&r) ? 1 : -1;
}

static bool begins(const uint8_t *p, size_t n, const void *with, size_t with_n)
{
	return n == 0 || memcmp(p, with, n < with_n ? n : with_n) == 0;
}

int proxy_take(const uint8_t *p, size_t n, struct proxy *x_r, const char **where_r)
{
	size_t v1_n = strlen(v1_start);
	*x_r = (struct proxy){ .kind = PROXY_LOCAL };
	*where_r = "start";
	if (begins(p, n, signature, sizeof(signature)))
		return n < sizeof(signature) ? 0 : take_v2(p, n, x_r, where_r);
	if (begins(p, n, v1_start, v1_n))
		return n < v1_n ? 0 : take_v1(p, n, x_r, where_r);
	return -1;
}

/* ---- writing ---- */
static void put_v1(struct buf *b, const struct proxy *x)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int family = x->kind == PROXY_TCP4 ? AF_INET : AF_INET6;
	if (x->kind == PROXY_LOCAL) {
		buf_puts(b, "PROXY UNKNOWN\r\n");
		return;
	}
	inet_ntop(family, x->from, from, sizeof(from));
	inet_ntop(family, x->to, to, sizeof(to));
	buf_printf(b, "PROXY TCP%c %s %s %u %u\r\n", family == AF_INET ? '4' : '6', from, to,
		x->from_port, x->to_port);
}

static void put_v2(struct buf *b, const struct proxy *x)
{
	size_t addr_n = x->kind == PROXY_TCP4 ? 4 : 16;
	buf_append(b, signature, sizeof(signature));
	if (x->kind == PROXY_LOCAL) {
		buf_put_u8(b, V2_VERSION | V2_CMD_LOCAL);
		buf_put_u8(b, 0);
		buf_put_u16be(b, 0);
		return;
	}
	buf_put_u8(b, V2_VERSION | V2_CMD_PROXY);
	buf_put_u8(b, x->kind == PROXY_TCP4 ? V2_TCP4 : V2_TCP6);
	buf_put_u16be(b, (uint16_t)(2 * addr_n + 4));
	buf_append(b, x->from, addr_n);
	buf_append(b, x->to, addr_n);
	buf_put_u16be(b, x->from_port);
	buf_put_u16be(b, x->to_port);
}

void proxy_put(struct buf *b, const struct proxy *x)
{
	assert(x->version == 1 || x->version == 2);
	if (x->version == 1)
		put_v1(b, x);
	else
		put_v2(b, x);
}
