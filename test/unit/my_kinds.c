/* my_kinds - see my_kinds.h. Strings are summed up, so that a sanitizer sees each byte read. */
#include "my_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "wire/mysql/auth.h"
#include "wire/mysql/caps.h"
#include "wire/mysql/column.h"
#include "wire/mysql/command.h"
#include "wire/mysql/error.h"
#include "wire/mysql/greeting.h"
#include "wire/mysql/ok.h"
#include "wire/mysql/query.h"
#include "wire/mysql/response.h"
#include "wire/mysql/row.h"
#include "wire/mysql/stmt.h"
#include "wire/mysql/track.h"

static volatile unsigned seen;

static void see(struct mystr s)
{
	unsigned sum = 0;
	for (size_t i = 0; i < s.n && s.n < 100000; i++)
		sum += (unsigned char)s.p[i];
	if (s.n >= 100000)
		sum += (unsigned char)s.p[0] + (unsigned char)s.p[s.n - 1];
	seen += sum;
}

typedef int (*try_fn)(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b);

/* ---- login ---- */
static int try_greeting(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mygreeting g;
	uint8_t seq = env->seq;
	if (mygreeting_read(p, n, &g))
		return -1;
	see(g.version);
	see(g.plugin);
	mygreeting_put(b, &seq, &g);
	return 1;
}

static void see_response(const struct myresponse *x)
{
	struct mystr key, value;
	see(x->user);
	see(x->auth);
	see(x->schema);
	see(x->plugin);
	struct rd r = rd_of(x->attrs.p, x->attrs.n);
	while (myresponse_next_attr(&r, &key, &value)) {
		see(key);
		see(value);
	}
	if (!rd_ok(&r))
		abort(); /* the reader has checked them */
}

static int try_response(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myresponse x;
	uint8_t seq = env->seq;
	if (myresponse_read(p, n, env->caps, &x))
		return -1;
	if (x.kind == MYRESPONSE_OLD)
		return 1;
	if (x.kind == MYRESPONSE_SSL) {
		myresponse_put_ssl(b, &seq, &x);
		return 1;
	}
	see_response(&x);
	return myresponse_put(b, &seq, &x) == 0 ? 1 : -1;
}

static int try_change_user(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myresponse x;
	uint8_t seq = env->seq;
	if (myresponse_read_change_user(p, n, env->caps, &x))
		return -1;
	see_response(&x);
	return myresponse_put_change_user(b, &seq, &x) == 0 ? 1 : -1;
}

static int try_switch(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystr plugin, data;
	uint8_t seq = env->seq;
	enum myauth_kind kind = myauth_kind(p, n);
	if (kind != MYAUTH_SWITCH && kind != MYAUTH_NEXT_FACTOR)
		return -1;
	if (myauth_read_switch(p, n, &plugin, &data))
		return -1;
	see(plugin);
	see(data);
	const uint8_t *nonce = myauth_nonce(data, 20);
	if (nonce && kind == MYAUTH_SWITCH)
		myauth_put_switch(b, &seq, plugin.p, nonce, 20);
	return 1;
}

static int try_more(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint8_t seq = env->seq;
	if (myauth_kind(p, n) != MYAUTH_MORE)
		return -1;
	myauth_put_more(b, &seq, p + 1, n - 1);
	return 1;
}

/* ---- answers ---- */
static void see_track(struct mystr block, struct buf *again)
{
	struct mytrack t;
	struct rd r = rd_of(block.p, block.n);
	while (mytrack_next(&r, &t)) {
		struct mystr a, b;
		uint8_t encoding;
		struct rd pairs = rd_of(t.data.p, t.data.n);
		size_t before = buf_len(again);
		if (t.type == MYTRACK_VAR) {
			while (mytrack_next_var(&pairs, &a, &b)) {
				see(a);
				see(b);
				mytrack_put_var(again, a, b);
			}
		} else if (t.type == MYTRACK_GTIDS) {
			if (mytrack_read_gtids(t.data, &encoding, &a) == NULL && encoding == 0)
				mytrack_put_gtids(again, a);
		} else if (t.type == MYTRACK_STATE) {
			mytrack_put_state(again);
		} else if (t.type <= MYTRACK_TX_STATE && mytrack_read_text(t.data, &a) == NULL) {
			see(a);
			mytrack_put_text(again, (enum mytrack_type)t.type, a);
		}
		if (buf_len(again) == before)
			mytrack_put(again, &t);
	}
}

static int write_ok(const struct my_kind_env *env, struct myok *ok, struct buf *b, bool end)
{
	struct buf block;
	uint8_t seq = env->seq;
	see(ok->info);
	buf_init(&block, 0);
	see_track(ok->track, &block);
	if (buf_len(&block))
		ok->track = (struct mystr){ (const char *)buf_data(&block), buf_len(&block) };
	if (end)
		myok_put_end(b, &seq, env->caps, ok);
	else
		myok_put(b, &seq, env->caps, ok);
	buf_fini(&block);
	return 1;
}

static int try_ok(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myok ok;
	return myok_read(p, n, env->caps, &ok) ? -1 : write_ok(env, &ok, b, false);
}

static int try_end(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myok ok;
	if (n > 0 && myreply_row(p, n, (uint32_t)n, env->caps) != MYREPLY_EOF)
		return -1;
	return myok_read_end(p, n, env->caps, &ok) ? -1 : write_ok(env, &ok, b, true);
}

static int try_err(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myerror m;
	struct err e;
	uint8_t seq = env->seq;
	if (myerror_read(p, n, &m))
		return -1;
	see(m.msg);
	myerror_to_err(&m, ERR_SERVER_REFUSED, &e);
	myerror_put(b, &seq, m.number, m.sqlstate, m.msg.p, m.msg.n);
	return 1;
}

static int try_progress(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myerror_progress g;
	(void)env;
	(void)b;
	if (n > 0 && myreply_first(p, n, (uint32_t)n) != MYREPLY_PROGRESS)
		return -1;
	if (myerror_read_progress(p, n, &g))
		return -1;
	see(g.info);
	return 1;
}

static int try_infile(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystr name;
	(void)env;
	(void)b;
	if (mycommand_read_infile(p, n, &name))
		return -1;
	see(name);
	return 1;
}

static int try_count(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint64_t count;
	bool follows;
	uint8_t seq = env->seq;
	if (mycolumn_read_count(p, n, env->caps, &count, &follows))
		return -1;
	mycolumn_put_count(b, &seq, env->caps, count, follows);
	return 1;
}

static int try_column(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mycolumn c;
	uint8_t seq = env->seq;
	if (mycolumn_read(p, n, env->caps, &c))
		return -1;
	see(c.catalog);
	see(c.schema);
	see(c.table);
	see(c.org_table);
	see(c.name);
	see(c.org_name);
	see(c.extended);
	see(c.def_value);
	mycolumn_put(b, &seq, env->caps, &c);
	return 1;
}

static int try_row(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystr cell;
	uint8_t seq = env->seq;
	struct rd r = rd_of(p, n);
	size_t at = mypacket_begin(b);
	while (rd_left(&r) != 0 && myrow_next(&r, &cell)) {
		see(cell);
		myrow_put_cell(b, cell);
	}
	mypacket_end(b, at, &seq);
	return rd_ok(&r) ? 1 : -1;
}

static int try_prepared(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystmt_prepared x;
	uint8_t seq = env->seq;
	if (mystmt_read_prepared(p, n, env->caps, &x))
		return -1;
	mystmt_put_prepared(b, &seq, env->caps, &x);
	return 1;
}

/* ---- commands ---- */
static int try_query(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct myquery q;
	struct myparam v;
	const char *where;
	uint8_t seq = env->seq;
	int got = myquery_read(p, n, n, env->caps, &q, &where);
	for (size_t have = 0; have < n && have < 300; have++) {
		struct myquery cut;
		int part = myquery_read(p, have, n, env->caps, &cut, &where);
		if (part < 0 || (part == 1 && got == 1 && cut.text_off != q.text_off))
			abort();
	}
	if (got != 1)
		return got;
	for (struct myparam_iter it = q.it; myparam_next(&it, &v);) {
		see(v.name);
		see(v.value);
	}
	see(q.text);
	myquery_put(b, &seq, env->caps, &q, q.text.p, q.text.n);
	return 1;
}

static int try_prepare(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint8_t seq = env->seq;
	if (n == 0)
		return -1;
	myquery_put_prepare(b, &seq, (const char *)p + 1, n - 1);
	return 1;
}

/* In another layout too: without attributes it must read back with the same parameters. */
static void check_other_layout(const struct my_kind_env *env, const struct mystmt_execute *x,
	const struct mystmt_known *known)
{
	struct mystmt_execute y;
	struct myparam a, c;
	const char *where;
	struct buf b;
	uint8_t seq = 0;
	uint64_t other = env->caps ^ MYCAP(QUERY_ATTRIBUTES);
	buf_init(&b, 0);
	mystmt_put_execute(&b, &seq, other, x, x->id, NULL, false);
	size_t n = buf_len(&b) - MYPACKET_HEAD_BYTES;
	const uint8_t *p = buf_data(&b) + MYPACKET_HEAD_BYTES;
	if (n >= MYPACKET_PAYLOAD_MAX)
		goto out;
	if (mystmt_read_execute(p, n, n, other, known, &y, &where) != 1 || y.attrs_n != 0)
		abort();
	struct myparam_iter i = x->it, j = y.it;
	while (myparam_next(&j, &c))
		if (!myparam_next(&i, &a) || a.type != c.type || a.null != c.null ||
			a.value.n != c.value.n ||
			(a.value.n && memcmp(a.value.p, c.value.p, a.value.n) != 0))
			abort();
	if (j.i != y.params_n)
		abort();
out:
	buf_fini(&b);
}

static int try_execute(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystmt_execute x;
	struct mystmt_known known = { env->params_n, env->types,
		env->params_n <= 8 ? &env->long_data : NULL };
	struct myparam v;
	const char *where;
	uint8_t seq = env->seq;
	int got = mystmt_read_execute(p, n, n, env->caps, &known, &x, &where);
	for (size_t have = 0; have < n && have < 300; have++) {
		struct mystmt_execute cut;
		if (mystmt_read_execute(p, have, n, env->caps, &known, &cut, &where) < 0)
			abort();
	}
	if (got != 1)
		return got;
	if (x.checked) {
		for (struct myparam_iter it = x.it; myparam_next(&it, &v);) {
			see(v.name);
			see(v.value);
		}
		check_other_layout(env, &x, &known);
	}
	if (x.new_types) {
		uint8_t *types = malloc((size_t)x.params_n * MYPARAM_TYPE_BYTES + 1);
		mystmt_copy_types(&x, types);
		mystmt_put_execute(b, &seq, env->caps, &x, x.id, types, true);
		free(types);
	} else {
		mystmt_put_execute(b, &seq, env->caps, &x, x.id, NULL, true);
	}
	return 1;
}

static int try_bulk(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystmt_bulk x;
	const char *where;
	uint8_t seq = env->seq;
	int got = mystmt_read_bulk(p, n, n, env->params_n, &x, &where);
	if (got != 1)
		return got;
	size_t values_n = n - x.values_off;
	if (x.types && mystmt_check_bulk(p + x.values_off, values_n, env->params_n, x.types))
		return -1;
	size_t at = mypacket_begin(b);
	mystmt_put_bulk_head(b, x.id, x.flags, x.types, env->params_n);
	buf_append(b, p + x.values_off, values_n);
	mypacket_end(b, at, &seq);
	return 1;
}

static int try_long_data(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystmt_long_data x;
	uint8_t seq = env->seq;
	if (mystmt_read_long_data(p, n, &x))
		return -1;
	see(x.data);
	mystmt_put_long_data(b, &seq, x.id, x.param, x.data.p, x.data.n);
	return 1;
}

static int try_fetch(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint32_t id, rows;
	uint8_t seq = env->seq;
	if (mystmt_read_fetch(p, n, &id, &rows))
		return -1;
	mystmt_put_fetch(b, &seq, id, rows);
	return 1;
}

static int try_close(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint32_t id;
	uint8_t seq = env->seq;
	if (!mystmt_read_id(p, n, &id))
		return -1;
	mystmt_put_close(b, &seq, id);
	return 1;
}

static int try_reset(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint32_t id;
	uint8_t seq = env->seq;
	if (!mystmt_read_id(p, n, &id))
		return -1;
	mystmt_put_reset(b, &seq, id);
	return 1;
}

static int try_init_db(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint8_t seq = env->seq;
	struct mystr schema = mycommand_read_init_db(p, n);
	if (n == 0)
		return -1;
	see(schema);
	mycommand_put_init_db(b, &seq, schema);
	return 1;
}

static int try_set_option(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint16_t option;
	uint8_t seq = env->seq;
	if (mycommand_read_set_option(p, n, &option))
		return -1;
	mycommand_put_set_option(b, &seq, option);
	return 1;
}

static int try_kill(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	uint32_t id;
	uint8_t seq = env->seq;
	if (mycommand_read_kill(p, n, &id))
		return -1;
	mycommand_put_kill(b, &seq, id);
	return 1;
}

static int try_field_list(const struct my_kind_env *env, const uint8_t *p, size_t n, struct buf *b)
{
	struct mystr table, wildcard;
	(void)env;
	(void)b;
	if (mycommand_read_field_list(p, n, &table, &wildcard))
		return -1;
	see(table);
	see(wildcard);
	return 1;
}

static const struct {
	const char *name;
	try_fn fn;
} kinds[] = { { "greeting", try_greeting }, { "response", try_response },
	{ "change_user", try_change_user }, { "switch", try_switch }, { "more", try_more },
	{ "ok", try_ok }, { "end", try_end }, { "err", try_err }, { "progress", try_progress },
	{ "infile", try_infile }, { "count", try_count }, { "column", try_column },
	{ "row", try_row }, { "prepared", try_prepared }, { "query", try_query },
	{ "prepare", try_prepare }, { "execute", try_execute }, { "bulk", try_bulk },
	{ "long_data", try_long_data }, { "fetch", try_fetch }, { "close", try_close },
	{ "reset", try_reset }, { "init_db", try_init_db }, { "set_option", try_set_option },
	{ "kill", try_kill }, { "field_list", try_field_list }, { NULL, NULL } };

const char *my_kind_name(unsigned i)
{
	return kinds[i].name;
}

int my_kind_try(const char *kind, const struct my_kind_env *env, const uint8_t *p, size_t n,
	struct buf *again)
{
	for (unsigned i = 0; kinds[i].name; i++)
		if (strcmp(kinds[i].name, kind) == 0)
			return kinds[i].fn(env, p, n, again);
	return -2;
}
