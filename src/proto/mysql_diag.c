/* mysql_diag - warnings and errors of a session's last statement: taken from its link with SHOW
 * WARNINGS before somebody else gets that, and shown from here. Thread: that of the env. Source:
 * MySQL manual, SHOW WARNINGS Statement. */
#include "mysql_up_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"
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
	unsigned n_told; /* as COM_PING counts them */
	bool cut;        /* there was more */
	bool own;        /* an error of ours began it */
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

static struct my_diag *begin(struct my_client *c)
{
	if (c->diag == NULL && (c->diag = mem_alloc(MEM_PROTO, sizeof(*c->diag))) != NULL)
		buf_init(&c->diag->packets, 0);
	return c->diag;
}

/* As the client will want it. */
void my_diag_def(struct my_client *c, const struct my_link *l, const uint8_t *p, size_t n)
{
	struct mycolumn x;
	struct buf b;
	uint8_t seq = 0;
	if (begin(c) == NULL || mycolumn_read(p, n, l->caps, &x))
		return;
	buf_init(&b, 0);
	mycolumn_put(&b, &seq, c->caps, &x);
	if (!b.failed && keep(c->diag, buf_data(&b) + MYPACKET_HEAD_BYTES,
				 buf_len(&b) - MYPACKET_HEAD_BYTES))
		c->diag->n_defs++;
	buf_fini(&b);
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
	if (begin(c) == NULL || !keep(c->diag, p, n))
		return;
	c->diag->n_rows++;
	c->diag->n_told++;
	c->diag->n_errors += is_error(p, n);
}

void my_diag_own(struct my_client *c, unsigned number, const char *msg, enum my_diag_adds adds)
{
	struct buf row;
	char digits[12];
	if (adds == MY_DIAG_ALONE)
		my_diag_free(&c->diag);
	c->needs &= (uint8_t)~MY_NEED_DIAG;
	c->row_count = -1;
	c->n_attached++; /* no link knows better */
	if (begin(c) == NULL)
		return;
	if (c->diag->n_rows == 0)
		c->diag->own = true;
	int n = snprintf(digits, sizeof(digits), "%u", number);
	buf_init(&row, 0);
	myrow_put_cell(&row, (struct mystr){ "Error", 5 });
	myrow_put_cell(&row, (struct mystr){ digits, (size_t)n });
	myrow_put_cell(&row, (struct mystr){ msg, strlen(msg) });
	if (adds == MY_DIAG_ADDS_ALONE)
		c->diag->n_told = 0;
	if (!row.failed)
		my_diag_row(c, buf_data(&row), buf_len(&row));
	buf_fini(&row);
}

/* ---- to another process ---- */

void my_diag_pack(const struct my_diag *d, struct buf *out)
{
	buf_put_u32le(out, d->n_defs);
	buf_put_u32le(out, d->n_rows);
	buf_put_u32le(out, d->n_errors);
	buf_put_u32le(out, d->n_told);
	buf_put_u8(out, (uint8_t)(d->cut | d->own << 1));
	buf_put_u32le(out, (uint32_t)buf_len(&d->packets));
	buf_append(out, buf_data(&d->packets), buf_len(&d->packets));
}

/* So many packets and nothing else. */
static bool is_whole(const uint8_t *p, size_t n, uint64_t n_packets)
{
	struct rd r = rd_of(p, n);
	for (; n_packets > 0 && rd_ok(&r); n_packets--)
		(void)rd_bytes(&r, rd_u32le(&r));
	return rd_ok(&r) && rd_left(&r) == 0;
}

bool my_diag_unpack(struct my_diag **d_r, struct rd *r)
{
	struct my_diag got = { .n_defs = rd_u32le(r) };
	got.n_rows = rd_u32le(r);
	got.n_errors = rd_u32le(r);
	got.n_told = rd_u32le(r);
	uint8_t flags = rd_u8(r);
	uint32_t n = rd_u32le(r);
	const uint8_t *p = rd_bytes(r, n);
	if (!rd_ok(r) || flags > 3 || n > DIAG_MAX_BYTES || got.n_errors > got.n_rows ||
		got.n_told > got.n_rows || !is_whole(p, n, (uint64_t)got.n_defs + got.n_rows))
		return false;
	struct my_diag *d = mem_alloc(MEM_PROTO, sizeof(*d));
	if (d == NULL)
		return false;
	*d = got;
	d->cut = flags & 1;
	d->own = flags & 2;
	buf_init(&d->packets, 0);
	*d_r = d;
	return n == 0 || buf_append(&d->packets, p, n);
}

/* ---- which questions ---- */

enum asks { ASK_NONE, ASK_N_ALL, ASK_N_ERRORS, ASK_ROW_COUNT, ASK_FOUND_ROWS, ASK_LAST_ID, ASK_ID };
#define ITEMS_MAX_N 8U
struct question {
	bool shows, errors; /* SHOW WARNINGS, SHOW ERRORS */
	bool counts;        /* SHOW COUNT(*) ... */
	uint64_t skip, limit;
	unsigned n_items; /* SELECT */
	struct {
		enum asks what;
		struct mystr name; /* as written */
	} item[ITEMS_MAX_N];
};

struct words {
	struct sql_my_lex x;
	struct sql_my_tok t;
};

static void next(struct words *w)
{
	sql_my_lex_next(&w->x, &w->t);
}

static bool take(struct words *w, const char *word)
{
	size_t n = strlen(word);
	if (w->t.n != n || strncasecmp(w->t.p, word, n) != 0)
		return false;
	next(w);
	return true;
}

static bool at_end(struct words *w)
{
	while (w->t.kind == SQL_MY_TOK_PUNCT && w->t.ch == ';')
		next(w);
	return w->t.kind == SQL_MY_TOK_END;
}

static bool take_number(struct words *w, uint64_t *n_r)
{
	if (w->t.kind != SQL_MY_TOK_NUMBER || num_u64n(w->t.p, w->t.n, 0, UINT64_MAX, n_r) != 0)
		return false;
	next(w);
	return true;
}

/* [LIMIT [skip,] count] */
static bool take_limit(struct words *w, struct question *q)
{
	q->limit = UINT64_MAX;
	if (!take(w, "limit"))
		return true;
	if (!take_number(w, &q->limit))
		return false;
	if (!take(w, ","))
		return true;
	q->skip = q->limit;
	return take_number(w, &q->limit);
}

static bool read_show(struct words *w, struct question *q)
{
	q->shows = true;
	q->counts = take(w, "count");
	if (q->counts && !(take(w, "(") && take(w, "*") && take(w, ")")))
		return false;
	q->errors = take(w, "errors");
	if (!q->errors && !take(w, "warnings"))
		return false;
	return (q->counts || take_limit(w, q)) && at_end(w);
}

static enum asks read_item(struct words *w)
{
	static const struct {
		const char *name;
		enum asks what;
	} functions[] = { { "row_count", ASK_ROW_COUNT }, { "found_rows", ASK_FOUND_ROWS },
		{ "last_insert_id", ASK_LAST_ID }, { "connection_id", ASK_ID } };
	if (w->t.kind == SQL_MY_TOK_SYSVAR) {
		next(w);
		if (take(w, "session") && !take(w, "."))
			return ASK_NONE;
		return take(w, "warning_count") ? ASK_N_ALL
		       : take(w, "error_count") ? ASK_N_ERRORS
						: ASK_NONE;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (take(w, functions[i].name))
			return take(w, "(") && take(w, ")") ? functions[i].what : ASK_NONE;
	return ASK_NONE;
}

/* [AS] name, of ASCII letters alone. */
static bool take_alias(struct words *w, struct mystr *name_r)
{
	bool must = take(w, "as");
	bool quoted = w->t.kind == SQL_MY_TOK_QUOTED || w->t.kind == SQL_MY_TOK_STRING;
	if (!quoted && (w->t.kind != SQL_MY_TOK_WORD || w->t.id != 0))
		return !must;
	struct mystr name = quoted && w->t.n > 2 ? (struct mystr){ w->t.p + 1, w->t.n - 2 }
						 : (struct mystr){ w->t.p, w->t.n };
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] >= '0' && name.p[i] <= '9') && name.p[i] != '_' &&
			!(name.p[i] >= 'a' && name.p[i] <= 'z') &&
			!(name.p[i] >= 'A' && name.p[i] <= 'Z'))
			return false;
	*name_r = name;
	next(w);
	return true;
}

static bool read_select(struct words *w, struct question *q)
{
	do {
		const char *from = w->t.p;
		if (q->n_items == ITEMS_MAX_N)
			return false;
		enum asks what = read_item(w);
		const char *to = w->t.kind == SQL_MY_TOK_END ? w->x.end : w->t.p;
		if (what == ASK_NONE)
			return false;
		while (to > from &&
			(to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\n' || to[-1] == '\r'))
			to--;
		struct mystr name = { from, (size_t)(to - from) };
		if (!take_alias(w, &name))
			return false;
		q->item[q->n_items].what = what;
		q->item[q->n_items++].name = name;
	} while (take(w, ","));
	return (!take(w, "from") || take(w, "dual")) && at_end(w);
}

/* False: it asks for something else as well, or in another way. */
static bool read_question(
	const struct sql_my_opts *o, const char *text, size_t n, struct question *q)
{
	struct words w;
	*q = (struct question){ .n_items = 0 };
	sql_my_lex_init(&w.x, o, text, n);
	next(&w);
	if (take(&w, "show"))
		return read_show(&w, q);
	return take(&w, "select") && read_select(&w, q);
}

/* ---- answers ---- */

bool my_diag_bare(const struct varset *want)
{
	const char *v = varset_get(want, "resultset_metadata");
	return v && strcasecmp(v, "NONE") == 0;
}

static void put_end(struct myup *u, uint8_t *seq)
{
	struct myok ok = { .status = u->c->status };
	ok.status &= (uint16_t)~MYSTATUS_OF_REPLY;
	myok_put_end(u->down, seq, u->c->caps, &ok);
}

static void put_eof(struct myup *u, uint8_t *seq)
{
	if (!(u->c->caps & MYCAP(DEPRECATE_EOF)))
		put_end(u, seq);
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
	bool mariadb = u->l->mariadb;
	struct mycolumn x = { .collation = mariadb && u->l->version_n >= 110500 ? 224 : 45,
		.type = MYTYPE_VAR_STRING,
		.flags = 1,
		.decimals = mariadb ? 39 : 31 };
	x.name = str("Level");
	x.length = 28;
	put_column(u, seq, x);
	put_column(u, seq,
		(struct mycolumn){ .name = str("Code"),
			.collation = 63,
			.length = mariadb ? 4 : 5,
			.type = MYTYPE_LONG,
			.flags = FLAGS_ID });
	x.name = str("Message");
	x.length = 2048;
	put_column(u, seq, x);
}

static void show(struct myup *u, const struct question *q, uint8_t *seq)
{
	const struct my_diag *d = u->c->diag;
	struct rd r = d ? rd_of(buf_data(&d->packets), buf_len(&d->packets)) : rd_of("", 0);
	uint64_t row = 0;
	bool bare = my_diag_bare(u->c->want);
	mycolumn_put_count(u->down, seq, u->c->caps, DIAG_DEFS_N, !bare);
	if (!bare && (d == NULL || d->n_defs == 0))
		put_defs(u, seq);
	for (unsigned i = 0; d && i < d->n_defs && rd_left(&r) > 0; i++) {
		uint32_t n = rd_u32le(&r);
		const uint8_t *p = rd_bytes(&r, n);
		if (!bare)
			mypacket_put(u->down, seq, p, n);
	}
	put_eof(u, seq);
	while (rd_left(&r) > 0) {
		uint32_t n = rd_u32le(&r);
		const uint8_t *p = rd_bytes(&r, n);
		if (p == NULL || (q->errors && !is_error(p, n)))
			continue;
		if (row >= q->skip && row - q->skip < q->limit)
			mypacket_put(u->down, seq, p, n);
		row++;
	}
	put_end(u, seq);
}

static int64_t value_of(const struct my_client *c, enum asks what)
{
	switch (what) {
	case ASK_N_ALL: return c->diag ? c->diag->n_rows : 0;
	case ASK_N_ERRORS: return c->diag ? c->diag->n_errors : 0;
	case ASK_ROW_COUNT: return c->row_count;
	case ASK_FOUND_ROWS: return (int64_t)c->found_rows;
	case ASK_LAST_ID: return (int64_t)c->last_insert_id;
	case ASK_ID: return c->number;
	case ASK_NONE: break;
	}
	return 0;
}

static void put_def(struct myup *u, uint8_t *seq, enum asks what, struct mystr name)
{
	/* MariaDB's connection ids are INT UNSIGNED. */
	bool narrow = what == ASK_ID && u->l->mariadb;
	unsigned flags = what == ASK_N_ALL || what == ASK_N_ERRORS ? FLAGS_COUNT
			 : what == ASK_ID || what == ASK_LAST_ID   ? FLAGS_ID
								   : FLAGS_NUMBER;
	put_column(u, seq,
		(struct mycolumn){ .name = name,
			.collation = 63,
			.length = narrow ? 10 : 21,
			.type = narrow ? MYTYPE_LONG : MYTYPE_LONGLONG,
			.flags = (uint16_t)flags });
}

static void put_numbers(struct myup *u, const struct question *q, uint8_t *seq)
{
	char digits[24];
	bool bare = my_diag_bare(u->c->want);
	mycolumn_put_count(u->down, seq, u->c->caps, q->n_items, !bare);
	for (unsigned i = 0; !bare && i < q->n_items; i++)
		put_def(u, seq, q->item[i].what, q->item[i].name);
	put_eof(u, seq);
	size_t at = mypacket_begin(u->down);
	for (unsigned i = 0; i < q->n_items; i++) {
		int64_t v = value_of(u->c, q->item[i].what);
		bool is_unsigned = q->item[i].what == ASK_LAST_ID;
		int n = snprintf(
			digits, sizeof(digits), is_unsigned ? "%llu" : "%lld", (long long)v);
		myrow_put_cell(u->down, (struct mystr){ digits, (size_t)n });
	}
	mypacket_end(u->down, at, seq);
	put_end(u, seq);
}

/* Do we know it, and does the link not know better? */
static bool is_ours(const struct myup *u, enum asks what)
{
	const struct my_client *c = u->c;
	const struct my_diag *d = c->diag;
	if (what == ASK_ID)
		return true;
	if (c->mode == PROTO_SESSION && what != ASK_ROW_COUNT && what != ASK_FOUND_ROWS)
		return false; /* (these two, until it has run a statement) */
	switch (what) {
	case ASK_N_ALL:
	case ASK_N_ERRORS:
		return d == NULL ||
		       (!d->cut && (d->own || d->n_defs == DIAG_DEFS_N || my_diag_bare(c->want)));
	case ASK_FOUND_ROWS: return c->found_known;
	case ASK_LAST_ID: return !(c->needs & MY_NEED_LAST_ID);
	case ASK_ROW_COUNT: return true;
	case ASK_ID:
	case ASK_NONE: break;
	}
	return false;
}

bool my_diag_asks(const struct sql_my_opts *lex, const char *text, size_t n)
{
	struct question q;
	return read_question(lex, text, n, &q);
}

/* Is one of them wrong on the link? */
static bool is_lost(const struct my_link *l, enum asks what)
{
	return what == ASK_ID || (what == ASK_ROW_COUNT && !l->own_count) ||
	       (what == ASK_FOUND_ROWS && !l->own_found) ||
	       (what == ASK_LAST_ID ? !l->own_id : !l->own_last);
}

/* It was a statement itself, as far as the next one is concerned; a SHOW keeps what it shows. */
static void has_run(struct my_client *c, struct my_link *l, bool shows)
{
	c->row_count = -1;
	c->found_rows = 1;
	c->found_known = !shows;
	l->own_count = l->own_found = false;
	if (shows || l->mariadb) /* which keeps it behind a SELECT without tables, too */
		return;
	my_diag_free(&c->diag);
	c->needs &= (uint8_t)~MY_NEED_DIAG;
	l->own_last = false;
}

bool my_diag_show(struct myup *u, const char *text, size_t n, uint8_t *seq)
{
	struct my_client *c = u->c;
	struct question q;
	bool ours = true, lost = false;
	if (!read_question(my_lex(c, u->l), text, n, &q))
		return false;
	if (q.counts) {
		q.n_items = 1;
		q.item[0].what = q.errors ? ASK_N_ERRORS : ASK_N_ALL;
		q.item[0].name = str(
			q.errors ? "@@session.error_count" : "@@session.warning_count");
	}
	for (unsigned i = 0; i < q.n_items; i++) {
		ours = ours && is_ours(u, q.item[i].what);
		lost = lost || is_lost(u->l, q.item[i].what);
	}
	if (q.n_items == 0) {
		ours = is_ours(u, ASK_N_ALL);
		lost = is_lost(u->l, ASK_N_ALL);
	}
	if (!ours || !lost)
		return false;
	flow_cut(&u->f);
	if (q.n_items > 0)
		put_numbers(u, &q, seq);
	else
		show(u, &q, seq);
	has_run(c, u->l, q.shows);
	return true;
}

uint16_t my_diag_warnings(const struct my_client *c)
{
	unsigned n = c->diag && !c->mariadb ? c->diag->n_told : 0;
	return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}
