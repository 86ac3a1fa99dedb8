/* error - see the header. Any thread. */
#include "wire/pg/error.h"

#include <string.h>

#include "wire/pg/msg.h"

bool pgerror_next(struct rd *r, char *code_r, const char **value_r, size_t *value_n_r)
{
	*code_r = (char)rd_u8(r);
	if (*code_r == '\0')
		return false;
	*value_r = rd_cstr(r, value_n_r);
	return *value_r != NULL;
}

static bool sqlstate_fits(const char *s, size_t n)
{
	return n == 5 && strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

static void first(const char **to, const char *v)
{
	if (*to == NULL)
		*to = v;
}

void pgerror_read(const uint8_t *body, size_t n, struct pgerror *f_r)
{
	*f_r = (struct pgerror){ 0 };
	const char *translated = NULL, *v;
	struct rd r = rd_of(body, n);
	size_t v_n;
	for (char code; pgerror_next(&r, &code, &v, &v_n);) {
		switch (code) {
		case 'V': first(&f_r->severity, v); break;
		case 'S': first(&translated, v); break;
		case 'C':
			if (sqlstate_fits(v, v_n))
				first(&f_r->sqlstate, v);
			break;
		case 'M': first(&f_r->msg, v); break;
		case 'D': first(&f_r->detail, v); break;
		case 'H': first(&f_r->hint, v); break;
		case 'W': first(&f_r->where, v); break;
		case 'R': first(&f_r->routine, v); break;
		default: /* "frontends should ignore fields of unrecognized type" */ break;
		}
	}
	first(&f_r->severity, translated);
	f_r->whole = rd_ok(&r) && rd_left(&r) == 0;
}

bool pgerror_is_fatal(const struct pgerror *f)
{
	return f->severity &&
	       (strcmp(f->severity, "FATAL") == 0 || strcmp(f->severity, "PANIC") == 0);
}

bool pgerror_is_last_word(const struct pgerror *f)
{
	return f->severity && f->sqlstate && f->routine && strcmp(f->severity, "WARNING") == 0 &&
	       strncmp(f->sqlstate, "57P0", 4) == 0 && strcmp(f->routine, "quickdie") == 0;
}

void pgerror_to_err(const struct pgerror *f, enum err_code code, struct err *e)
{
	err_set(e, code, "%s", f->msg ? f->msg : "(no message)");
	if (e == NULL)
		return;
	if (f->sqlstate)
		memcpy(e->sqlstate, f->sqlstate, sizeof(e->sqlstate));
	if (f->detail)
		err_detail(e, "%s", f->detail);
	if (f->hint)
		err_hint(e, "%s", f->hint);
}

static void put_field(struct buf *b, char code, const char *v)
{
	if (v == NULL || *v == '\0')
		return;
	buf_put_u8(b, (uint8_t)code);
	buf_putz(b, v);
}

void pgerror_put_replaced(
	struct buf *b, uint8_t type, const uint8_t *body, size_t n, char code, const char *value)
{
	size_t at = pgmsg_begin(b, type), v_n;
	struct rd r = rd_of(body, n);
	const char *v;
	for (char c; pgerror_next(&r, &c, &v, &v_n);) {
		buf_put_u8(b, (uint8_t)c);
		if (c == code)
			buf_putz(b, value);
		else
			buf_append(b, v, v_n + 1);
	}
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

static void put(struct buf *b, uint8_t type, const char *severity, const char *sqlstate,
	const char *msg, const char *detail, const char *hint)
{
	size_t at = pgmsg_begin(b, type);
	put_field(b, 'S', severity);
	put_field(b, 'V', severity);
	put_field(b, 'C', sqlstate);
	put_field(b, 'M', msg && *msg ? msg : "(no message)");
	put_field(b, 'D', detail);
	put_field(b, 'H', hint);
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

void pgerror_put_from(struct buf *b, const struct err *e, const char *file, const char *routine)
{
	size_t at = pgmsg_begin(b, 'E');
	put_field(b, 'S', "ERROR");
	put_field(b, 'V', "ERROR");
	put_field(b, 'C', err_sqlstate(e));
	put_field(b, 'M', e->msg);
	put_field(b, 'F', file);
	put_field(b, 'R', routine);
	buf_put_u8(b, 0);
	pgmsg_end(b, at);
}

void pgerror_put(struct buf *b, const char *severity, const struct err *e)
{
	put(b, 'E', severity, err_sqlstate(e), e->msg, e->detail, e->hint);
}

void pgerror_put_notice(struct buf *b, const char *severity, const char *sqlstate, const char *msg,
	const char *detail, const char *hint)
{
	put(b, 'N', severity, sqlstate, msg, detail, hint);
}
