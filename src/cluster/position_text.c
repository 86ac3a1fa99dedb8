/* position_text - positions from and to the text that servers write. All of it is taken for
 * hostile. Any thread. */
#include "position_int.h"

#include "base/mem.h"
#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct scan {
	const char *p, *end;
};

static void skip_blank(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}
static bool take(struct scan *s, char c)
{
	skip_blank(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	skip_blank(s);
	return true;
}
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
/* A decimal number in [min, max]. */
static bool take_num(struct scan *s, uint64_t min, uint64_t max, uint64_t *v_r)
{
	const char *from = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from && num_u64n(from, (size_t)(s->p - from), min, max, v_r) == 0;
}
static bool take_hex32(struct scan *s, uint32_t *v_r)
{
	unsigned digits = 0;
	uint32_t v = 0;
	for (int d; s->p < s->end && (d = hex_value(*s->p)) >= 0; s->p++) {
		if (++digits > 8)
			return false;
		v = v << 4 | (uint32_t)d;
	}
	*v_r = v;
	return digits > 0;
}
static int bad(struct pos *p, struct err *e, const char *what, const char *s, size_t n)
{
	pos_fini(p);
	return err_set(e, ERR_SERVER_PROTOCOL, "not %s: \"%.*s%s\"", what, (int)(n < 60 ? n : 60),
		s, n < 60 ? "" : "...");
}

int pos_parse_lsn(const char *s, size_t n, struct pos *p_r, struct err *e)
{
	struct scan sc = { s, s + n };
	uint32_t hi = 0, lo = 0;
	*p_r = (struct pos){ 0 };
	if (!take_hex32(&sc, &hi) || sc.p == sc.end || *sc.p++ != '/' || !take_hex32(&sc, &lo) ||
		sc.p != sc.end)
		return bad(p_r, e, "an LSN", s, n);
	pos_set_lsn(p_r, (uint64_t)hi << 32 | lo);
	return 0;
}

/* 8-4-4-4-12 */
static bool take_uuid(struct scan *s, uint8_t uuid[16])
{
	unsigned digits = 0;
	memset(uuid, 0, 16);
	while (digits < 32) {
		if (s->p == s->end)
			return false;
		char c = *s->p++;
		int d = hex_value(c);
		if (d < 0)
			return false;
		uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | d);
		digits++;
		if (digits == 8 || digits == 12 || digits == 16 || digits == 20) {
			if (s->p == s->end || *s->p++ != '-')
				return false;
		}
	}
	return true;
}
static bool tag_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}
/* A tag begins with a letter or underscore; the server writes it in lower case. */
static bool take_tag(struct scan *s, char tag[POS_TAG_MAX + 1])
{
	size_t n = 0;
	memset(tag, 0, POS_TAG_MAX + 1);
	for (; s->p < s->end && tag_char(*s->p); s->p++) {
		if (n == POS_TAG_MAX)
			return false;
		tag[n++] = *s->p >= 'A' && *s->p <= 'Z' ? (char)(*s->p + 32) : *s->p;
	}
	return n > 0;
}
/* ":1-5:7:tag:1-3" behind a UUID. */
static bool take_intervals(struct scan *s, struct pos *p, uint32_t *room, struct pos_interval *v)
{
	bool any = false, wants_interval = false;
	while (take(s, ':')) {
		if (s->p == s->end)
			return false;
		if (*s->p < '0' || *s->p > '9') {
			if (wants_interval || !take_tag(s, v->tag))
				return false;
			wants_interval = true;
			continue;
		}
		/* MySQL manual: a transaction's number is from 1 to 2^63 - 2 */
		if (!take_num(s, 1, INT64_MAX, &v->lo))
			return false;
		v->hi = v->lo;
		if (take(s, '-') && !take_num(s, 1, INT64_MAX, &v->hi))
			return false;
		wants_interval = false;
		any = true;
		if (v->hi < v->lo)
			continue; /* "5-4" is empty, says the manual */
		if (!pos_insert(p, room, v))
			return false;
	}
	return any && !wants_interval;
}

int pos_parse_gtid(const char *s, size_t n, struct pos *p_r, struct err *e)
{
	struct scan sc = { s, s + n };
	uint32_t room = 0;
	*p_r = (struct pos){ .kind = POS_GTID };
	if (n > POS_TEXT_MAX)
		return bad(p_r, e, "a GTID set of a size that can be", s, n);
	skip_blank(&sc);
	while (sc.p < sc.end) {
		struct pos_interval v = { .lo = 0 };
		if (take(&sc, ','))
			continue; /* empty ones are allowed */
		if (!take_uuid(&sc, v.source) || !take_intervals(&sc, p_r, &room, &v))
			return bad(p_r, e, "a GTID set", s, n);
		skip_blank(&sc);
		if (sc.p < sc.end && *sc.p != ',')
			return bad(p_r, e, "a GTID set", s, n);
	}
	return 0;
}

int pos_parse_mariadb(const char *s, size_t n, struct pos *p_r, struct err *e)
{
	struct scan sc = { s, s + n };
	uint32_t room = 0;
	*p_r = (struct pos){ .kind = POS_MARIADB };
	if (n > POS_TEXT_MAX)
		return bad(p_r, e, "a MariaDB position of a size that can be", s, n);
	skip_blank(&sc);
	while (sc.p < sc.end) {
		struct pos_interval v = { .lo = 1 };
		uint64_t domain, server;
		if (!take_num(&sc, 0, UINT32_MAX, &domain) || !take(&sc, '-') ||
			!take_num(&sc, 0, UINT32_MAX, &server) || !take(&sc, '-') ||
			!take_num(&sc, 0, UINT64_MAX, &v.hi))
			return bad(p_r, e, "a MariaDB position", s, n);
		for (unsigned i = 0; i < 4; i++)
			v.source[i] = (uint8_t)(domain >> (24 - 8 * i));
		v.server = (uint32_t)server;
		if (v.hi > 0 && !pos_insert(p_r, &room, &v))
			return bad(p_r, e, "a MariaDB position that we can hold", s, n);
		if (!take(&sc, ',') && sc.p < sc.end)
			return bad(p_r, e, "a MariaDB position", s, n);
	}
	return 0;
}

int pos_parse(enum pos_kind k, const char *s, size_t n, struct pos *p_r, struct err *e)
{
	switch (k) {
	case POS_LSN: return pos_parse_lsn(s, n, p_r, e);
	case POS_GTID: return pos_parse_gtid(s, n, p_r, e);
	case POS_MARIADB: return pos_parse_mariadb(s, n, p_r, e);
	case POS_NONE: break;
	}
	*p_r = (struct pos){ 0 };
	return bad(p_r, e, "a position", s, n);
}

static void put_uuid(const uint8_t u[16], struct buf *b)
{
	for (unsigned i = 0; i < 16; i++)
		buf_printf(b, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
}
static uint32_t domain_of(const struct pos_interval *v)
{
	return (uint32_t)v->source[0] << 24 | (uint32_t)v->source[1] << 16 |
	       (uint32_t)v->source[2] << 8 | v->source[3];
}
static void put_gtid(const struct pos *p, struct buf *b)
{
	for (uint32_t i = 0; i < p->iv_n; i++) {
		const struct pos_interval *v = &p->iv[i], *last = i ? v - 1 : NULL;
		if (!last || memcmp(last->source, v->source, sizeof v->source) != 0) {
			buf_puts(b, last ? "," : "");
			put_uuid(v->source, b);
			last = NULL;
		}
		if (*v->tag && (!last || strcmp(last->tag, v->tag) != 0))
			buf_printf(b, ":%s", v->tag);
		buf_printf(b, ":%" PRIu64, v->lo);
		if (v->hi != v->lo)
			buf_printf(b, "-%" PRIu64, v->hi);
	}
}

bool pos_put(const struct pos *p, struct buf *b)
{
	switch (p->kind) {
	case POS_NONE: break;
	case POS_LSN:
		buf_printf(b, "%" PRIX32 "/%" PRIX32, (uint32_t)(p->lsn >> 32), (uint32_t)p->lsn);
		break;
	case POS_GTID: put_gtid(p, b); break;
	case POS_MARIADB:
		for (uint32_t i = 0; i < p->iv_n; i++)
			buf_printf(b, "%s%" PRIu32 "-%" PRIu32 "-%" PRIu64, i ? "," : "",
				domain_of(&p->iv[i]), p->iv[i].server, p->iv[i].hi);
		break;
	}
	return !b->failed;
}

char *pos_text(const struct pos *p, char *out, size_t n)
{
	struct buf b;
	buf_init(&b, POS_TEXT_MAX);
	out[0] = '\0';
	if (p->kind == POS_NONE || !pos_put(p, &b)) {
		snprintf(out, n, "%s", p->kind == POS_NONE ? "none" : "?");
	} else if (buf_len(&b) < n) {
		snprintf(out, n, "%.*s", (int)buf_len(&b), (const char *)buf_data(&b));
	} else {
		snprintf(out, n, "%.*s...", (int)(n - 4), (const char *)buf_data(&b));
	}
	buf_fini(&b);
	return out;
}
