/* mysql_diag - warnings and errors of a session's last statement: taken from its link with SHOW
 * WARNINGS before somebody else gets that, and shown from here. Thread: that of the env. Source:
 * MySQL manual, SHOW WARNINGS Statement. */
#include "mysql_up_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "sql/classify_my.h"
#include "wire/mysql/column.h"
#include "wire/mysql/row.h"

#define DIAG_MAX_BYTES (64U << 10)
#define FLAGS_COUNT 0xa0U  /* BINARY, UNSIGNED */
#define FLAGS_NUMBER 0x81U /* BINARY, NOT NULL */
#define FLAGS_ID 0xa1U     /* all three */
#define DIAG_DEFS_N 3U     /* Level, Code, Message */

/* Packets' payloads as the server sent them, each behind its length. */
struct my_diag {
	struct buf packets;
	unsigned n_defs, n_rows, n_errors;
	bool cut; /* there was more */
};

void my_diag_free(struct my_diag **dp)
{
	if (*dp)
		buf_fini(&(*dp)->packets);
	mem_free(MEM_PROTO, *dp);
	*dp = NULL;
}

static bool keep(struct my_diag *d, const uint8_t *p, size_t n)
{
	if (buf_len(&d->packets) + n > DIAG_MAX_BYTES) {
		d->cut = true;
		return false;
	}
	uint32_t len = (uint32_t)n;
	return buf_append(&d->packets, &len, sizeof(len)) && buf_append(&d->packets, p, n);
}

void my_diag_def(struct my_client *c, const uint8_t *p, size_t n)
{
	if (c->diag == NULL && (c->diag = mem_alloc(MEM_PROTO, sizeof(*c->diag))) != NULL)
		buf_init(&c->diag->packets, 0);
	if (c->diag && keep(c->diag, p, n))
		c->diag->n_defs++;
}

static bool is_error(const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	struct mystr level;
	return myrow_next(&r, &level) && level.p && level.n == 5 &&
	       strncasecmp(level.p, "error", 5) == 0;
}

void my_diag_row(struct my_client *c, const uint8_t *p, size_t n)
{
	if (c->diag == NULL || !keep(c->diag, p, n))
		return;
	c->diag->n_rows++;
	c->diag->n_errors += is_error(p, n);
}

/* ---- showing ---- */

enum shows {
	SHOW_NONE,
	SHOW_ALL,
	SHOW_ERRORS,
	SHOW_N_ALL,
	SHOW_N_ERRORS,
	SHOW_ROW_COUNT,
	SHOW_FOUND_ROWS,
	SHOW_ID
};

/* The text without case, comments and superfluous blanks. name_r: what is selected, as written. */
static enum shows which(
	const struct sql_my_opts *o, const char *text, size_t n, struct mystr *name_r)
{
	static const struct {
		const char *text;
		enum shows what;
	} known[] = { { "show warnings", SHOW_ALL }, { "show errors", SHOW_ERRORS },
		{ "show count ( * ) warnings", SHOW_N_ALL },
		{ "show count ( * ) errors", SHOW_N_ERRORS },
		{ "select @@ warning_count", SHOW_N_ALL },
		{ "select @@ error_count", SHOW_N_ERRORS },
		{ "select @@ session . warning_count", SHOW_N_ALL },
		{ "select @@ session . error_count", SHOW_N_ERRORS },
		{ "select row_count ( )", SHOW_ROW_COUNT },
		{ "select found_rows ( )", SHOW_FOUND_ROWS },
		{ "select connection_id ( )", SHOW_ID } };
	char word[64];
	size_t at = 0;
	const char *from = NULL, *to = NULL;
	struct sql_my_lex x;
	struct sql_my_tok t;
	sql_my_lex_init(&x, o, text, n);
	for (sql_my_lex_next(&x, &t); t.kind != SQL_MY_TOK_END; sql_my_lex_next(&x, &t)) {
		if (t.kind == SQL_MY_TOK_BAD || at + t.n + 2 > sizeof(word))
			return SHOW_NONE;
		if (t.kind == SQL_MY_TOK_PUNCT && t.ch == ';')
			continue;
		if (at)
			word[at++] = ' ';
		memcpy(word + at, t.p, t.n);
		from = from == NULL && at > 0 ? t.p : from;
		to = t.p + t.n;
		at += t.n;
	}
	*name_r = (struct mystr){ from, from ? (size_t)(to - from) : 0 };
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].text) == at && strncasecmp(word, known[i].text, at) == 0)
			return known[i].what;
	return SHOW_NONE;
}

static void put_end(struct myup *u, uint8_t *seq)
{
	struct myok ok = { .status = u->c->status };
	ok.status &= (uint16_t) ~(MYSTATUS_SESSION_STATE_CHANGED | MYSTATUS_MORE_RESULTS);
	myok_put_end(u->down, seq, u->c->caps, &ok);
}

static struct mystr str(const char *s)
{
	return (struct mystr){ s, strlen(s) };
}

static void put_column(struct myup *u, uint8_t *seq, struct mycolumn x)
{
	x.catalog = str("def");
	x.schema = x.table = x.org_table = x.org_name = str("");
	mycolumn_put(u->down, seq, u->c->caps, &x);
}

/* As servers describe them; nothing was kept of a statement that left none. */
static void put_defs(struct myup *u, uint8_t *seq)
{
	put_column(u, seq,
		(struct mycolumn){ .name = str("Level"),
			.collation = 45,
			.length = 28,
			.type = MYTYPE_VAR_STRING,
			.flags = 1,
			.decimals = 31 });
	put_column(u, seq,
		(struct mycolumn){ .name = str("Code"),
			.collation = 63,
			.length = 4,
			.type = MYTYPE_LONG,
			.flags = 0xa1 });
	put_column(u, seq,
		(struct mycolumn){ .name = str("Message"),
			.collation = 45,
			.length = 2048,
			.type = MYTYPE_VAR_STRING,
			.flags = 1,
			.decimals = 31 });
}

static void put_rows(struct myup *u, uint8_t *seq, bool errors)
{
	const struct my_diag *d = u->c->diag;
	bool eof = !(u->c->caps & MYCAP(DEPRECATE_EOF));
	struct rd r = d ? rd_of(buf_data(&d->packets), buf_len(&d->packets)) : rd_of("", 0);
	mycolumn_put_count(u->down, seq, u->c->caps, DIAG_DEFS_N, true);
	if (d == NULL)
		put_defs(u, seq);
	for (unsigned i = 0; rd_left(&r) > 0; i++) {
		uint32_t n = rd_u32le(&r);
		const uint8_t *p = rd_bytes(&r, n);
		if (eof && i == DIAG_DEFS_N)
			put_end(u, seq);
		if (p && (i < DIAG_DEFS_N || !errors || is_error(p, n)))
			mypacket_put(u->down, seq, p, n);
	}
	if (eof && (d == NULL || d->n_rows == 0))
		put_end(u, seq);
	put_end(u, seq);
}

static void put_number(struct myup *u, uint8_t *seq, struct mystr name, int64_t n, unsigned flags)
{
	char digits[24];
	struct mystr cell = { digits, 0 };
	/* MariaDB's connection ids are INT UNSIGNED. */
	bool narrow = flags == FLAGS_ID && u->l->mariadb;
	cell.n = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)n);
	mycolumn_put_count(u->down, seq, u->c->caps, 1, true);
	put_column(u, seq,
		(struct mycolumn){ .name = name,
			.collation = 63,
			.length = narrow ? 10 : 21,
			.type = narrow ? MYTYPE_LONG : MYTYPE_LONGLONG,
			.flags = (uint16_t)flags });
	if (!(u->c->caps & MYCAP(DEPRECATE_EOF)))
		put_end(u, seq);
	size_t at = mypacket_begin(u->down);
	myrow_put_cell(u->down, cell);
	mypacket_end(u->down, at, seq);
	put_end(u, seq);
}

static bool shows_diag(struct myup *u, enum shows what, struct mystr name, bool show, uint8_t *seq)
{
	const struct my_diag *d = u->c->diag;
	if (u->l->own_last || (d && (d->cut || d->n_defs != DIAG_DEFS_N)))
		return false;
	if (show)
		name = str(
			what == SHOW_N_ALL ? "@@session.warning_count" : "@@session.error_count");
	unsigned all = d ? d->n_rows : 0, errors = d ? d->n_errors : 0;
	if (what == SHOW_ALL || what == SHOW_ERRORS)
		put_rows(u, seq, what == SHOW_ERRORS);
	else
		put_number(u, seq, name, what == SHOW_N_ALL ? all : errors, FLAGS_COUNT);
	return true;
}

/* It was a SELECT of one row itself, as far as the next one is concerned. */
static void has_run(struct my_client *c)
{
	c->row_count = -1;
	c->found_rows = 1;
	c->found_known = true;
	my_diag_free(&c->diag);
	c->needs &= (uint8_t)~MY_NEED_DIAG;
}

bool my_diag_show(struct myup *u, const char *text, size_t n, const struct my_req *r, uint8_t *seq)
{
	struct my_client *c = u->c;
	struct mystr name;
	enum shows what = which(my_lex(c, u->l), text, n, &name);
	bool session = c->mode == PROTO_SESSION;
	flow_cut(&u->f);
	switch (what) {
	case SHOW_ALL:
	case SHOW_ERRORS:
	case SHOW_N_ALL:
	case SHOW_N_ERRORS: return !session && shows_diag(u, what, name, !(r->selects), seq);
	case SHOW_ROW_COUNT:
		if (session)
			return false;
		put_number(u, seq, name, c->row_count, FLAGS_NUMBER);
		break;
	case SHOW_FOUND_ROWS:
		if (session || u->l->own_last || !c->found_known)
			return false;
		put_number(u, seq, name, (int64_t)c->found_rows, FLAGS_NUMBER);
		break;
	case SHOW_ID: put_number(u, seq, name, c->number, FLAGS_ID); break;
	case SHOW_NONE: return false;
	}
	has_run(c);
	u->l->own_last = u->l->own_count = false;
	return true;
}
