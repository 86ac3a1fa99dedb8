/* console - the console's commands over HTTP: rows as JSON. Ignorant of what a command does, which
 * there are, and what the log says of them: that stays with admin/. Control thread. */
#include "http_int.h"

#include "base/json.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define ROWS_MAX_BYTES (256u << 20)

struct ask {
	struct core_console r;
	void (*done)(void *arg, struct rowset *r);
	void *arg;
};

static void on_done(struct core_console *r)
{
	struct ask *a = list_entry(r, struct ask, r);
	a->done(a->arg, &r->result);
	rowset_fini(&r->result);
	mem_free(MEM_ADMIN, r->sql);
	mem_free(MEM_ADMIN, a);
}

void console_ask(struct http *h, const char *sql, const char *who,
	void (*done)(void *arg, struct rowset *r), void *arg)
{
	struct core *c = h->core;
	struct rowset none = { 0 };
	struct ask *a = c->console ? mem_alloc(MEM_ADMIN, sizeof *a) : NULL;
	if (a)
		a->r.sql = mem_strdup(MEM_ADMIN, sql);
	if (!a || !a->r.sql) {
		mem_free(MEM_ADMIN, a);
		err_set(&none.err, ERR_NO_MEMORY, "out of memory");
		done(arg, &none);
		return;
	}
	a->done = done;
	a->arg = arg;
	a->r.core = c;
	a->r.privilege = CONSOLE_ADMIN;
	a->r.done = on_done;
	list_init(&a->r.node);
	rowset_init(&a->r.result);
	snprintf(a->r.who, sizeof a->r.who, "%s", who);
	c->console(c, &a->r);
}

int console_status(const struct err *e)
{
	if (e->code == ERR_SYNTAX)
		return 404; /* there is no such command */
	return e->code == ERR_CONFIG ? 422 : e->code == ERR_NO_MEMORY ? 503 : 500;
}

static void put_value(struct buf *out, enum rowset_type t, const char *v)
{
	bool number = t == RS_INT4 || t == RS_INT8 || t == RS_NUMERIC;
	if (v && number && json_is_number(v))
		buf_puts(out, v);
	else
		json_put(out, v);
}

void console_put_rows(struct buf *out, const struct rowset *r)
{
	buf_puts(out, "[");
	for (size_t i = 0; i < r->n_rows; i++) {
		buf_puts(out, i ? ",\n{" : "\n{");
		for (unsigned j = 0; j < r->n_cols; j++) {
			json_key(out, r->col_names[j]);
			put_value(out, r->col_types[j], r->rows[i][j]);
		}
		buf_puts(out, "}");
	}
	buf_puts(out, "\n]");
}

/* True: q is answered. */
static bool failed(struct http_req *q, const struct rowset *r)
{
	if (!err_is(&r->err))
		return false;
	http_refuse(q, console_status(&r->err), r->err.hint, "%s%s%s", r->err.msg,
		*r->err.detail ? ": " : "", r->err.detail);
	return true;
}

static void show_done(void *arg, struct rowset *r)
{
	struct http_req *q = arg;
	struct buf b;
	if (failed(q, r))
		return;
	buf_init(&b, ROWS_MAX_BYTES);
	console_put_rows(&b, r);
	buf_puts(&b, "\n");
	http_reply(q, 200, NULL, &b);
}

static void some_done(void *arg, struct rowset *r)
{
	struct http_req *q = arg;
	if (r->err.code == ERR_SYNTAX)
		http_refuse(q, 400, r->err.hint, "%s", r->err.msg);
	else
		show_done(q, r);
}

static const char some_hint[] =
	"?like=app%25&where=cl_waiting>0&order_by=maxwait desc&limit=10, as "
	"SHOW takes them";

/* What stands behind the ? as SHOW's own words, in the order that it wants. False: q is refused. */
static bool put_some(struct http_req *q, const char *query, struct buf *sql)
{
	static const struct {
		const char *name, *words;
	} parts[] = { { "like", " LIKE " }, { "where", " WHERE " }, { "order_by", " ORDER BY " },
		{ "limit", " LIMIT " } };
	struct evkeyvalq params;
	struct evkeyval *one;
	unsigned given = 0, known = 0;
	TAILQ_INIT(&params);
	if (evhttp_parse_query_str(query, &params) != 0) {
		http_refuse(q, 400, some_hint, "the part behind the ? cannot be read");
		return false;
	}
	TAILQ_FOREACH(one, &params, next)
	given++;
	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
		const char *v = evhttp_find_header(&params, parts[i].name);
		if (!v)
			continue;
		known++;
		buf_puts(sql, parts[i].words);
		bool quoted = i == 0;
		buf_puts(sql, quoted ? "'" : "");
		for (; *v; v++)
			buf_append(
				sql, quoted && *v == '\'' ? "''" : v, quoted && *v == '\'' ? 2 : 1);
		buf_puts(sql, quoted ? "'" : "");
	}
	evhttp_clear_headers(&params);
	if (known != given)
		http_refuse(q, 400, some_hint, "what is behind the ? is not known here");
	return known == given;
}

void console_show(struct http_req *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->ev);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	struct buf sql;
	buf_init(&sql, 0);
	buf_printf(&sql, "SHOW %s", q->arg);
	bool ok = !query || put_some(q, query, &sql);
	buf_put_u8(&sql, 0);
	if (ok && sql.failed)
		http_refuse(q, 503, NULL, "out of memory");
	else if (ok)
		console_ask(q->http, (const char *)buf_data(&sql), q->who,
			query ? some_done : show_done, q);
	buf_fini(&sql);
}

static void reload_done(void *arg, struct rowset *r)
{
	struct http_req *q = arg;
	struct buf b;
	if (failed(q, r))
		return;
	buf_init(&b, ROWS_MAX_BYTES);
	buf_puts(&b, "{\"reloaded\":true,\"changes\":[");
	for (const char *at = r->notice_detail ? r->notice_detail : ""; *at;) {
		char line[1024];
		size_t n = strcspn(at, "\n");
		snprintf(line, sizeof line, "%.*s", (int)n, at);
		json_comma(&b);
		json_put(&b, line);
		at += n + (at[n] == '\n');
	}
	buf_puts(&b, "]}\n");
	http_reply(q, 200, NULL, &b);
}

void console_reload(struct http_req *q)
{
	console_ask(q->http, "RELOAD", q->who, reload_done, q);
}

static void put_src(struct buf *b, const struct conf_src *src)
{
	char text[1024];
	if (src->file && src->line)
		snprintf(text, sizeof text, "%s:%u", src->file, src->line);
	else
		snprintf(text, sizeof text, "%s", src->file ? src->file : "default");
	json_pair(b, "source", text);
}

void console_config(struct http_req *q)
{
	const struct conf *conf = q->http->core->gen->conf;
	struct conf_show r;
	struct buf b, file;
	buf_init(&b, ROWS_MAX_BYTES);
	buf_init(&file, ROWS_MAX_BYTES);
	buf_puts(&b, "{");
	json_pair(&b, "file", *conf->path ? conf->path : NULL);
	json_key(&b, "options");
	buf_puts(&b, "[");
	for (unsigned i = 0; conf_show_next(conf, &i, &r);) {
		json_comma(&b);
		buf_puts(&b, "\n{");
		json_pair(&b, "key", r.key);
		json_pair(&b, "value", r.value);
		json_pair(&b, "default", r.dflt);
		json_pair_bool(&b, "changeable", r.changeable);
		put_src(&b, &r.src);
		buf_puts(&b, "}");
	}
	buf_puts(&b, "],\n");
	json_put(&b, "ini");
	buf_puts(&b, ":");
	conf_dump(conf, &file);
	buf_put_u8(&file, 0);
	json_put(&b, file.failed ? NULL : (char *)buf_data(&file));
	buf_fini(&file);
	buf_puts(&b, "}\n");
	http_reply(q, 200, NULL, &b);
}
