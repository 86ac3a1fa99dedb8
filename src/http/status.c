/* status - one picture for the status page and /status.json, however many ask: rows of the
 * console's commands, at most a second old, and the last hour. Ignorant of HTML. Control thread. */
#include "status.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/json.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#define FRESH_US 1000000
#define STATUS_MAX_BYTES (64u << 20)

static const char *const commands[STATUS_N] = { "SHOW POOLS", "SHOW CLUSTERS", "SHOW NODES",
	"SHOW WAITS", "SHOW PINS", "SHOW QUERIES LIMIT 10" };
static const char *const names[STATUS_N] = { "pools", "clusters", "nodes", "waits", "pins",
	"queries" };
static const char *const values[HISTORY_VALUES] = { "xacts", "queries", "received", "sent",
	"xact_ms", "query_ms", "wait_ms", "query_p50_ms", "query_p99_ms", "xact_p50_ms",
	"xact_p99_ms", "wait_p50_ms", "wait_p99_ms", "clients", "waiting", "active", "servers",
	"busy" };

/* ---- gathering ---- */

static void answer_waiting(struct status *s)
{
	struct list *n;
	while ((n = list_first(&s->waiting)) != NULL) {
		struct http_req *q = list_entry(n, struct http_req, wait);
		list_del(n);
		q->ready(q);
	}
}

struct asked {
	struct status *status;
	int which;
};

static void on_rows(void *arg, struct rowset *r)
{
	struct asked a = *(struct asked *)arg;
	struct status *s = a.status;
	mem_free(MEM_ADMIN, arg);
	rowset_fini(&s->rows[a.which]);
	if (!err_is(&r->err)) { /* without memory, or without such a command: empty */
		s->rows[a.which] = *r;
		rowset_init(r);
	}
	if (--s->left)
		return;
	s->at_us = loop_now_us(s->http->core->loop);
	answer_waiting(s);
}

static void gather(struct status *s)
{
	s->left = STATUS_N;
	for (int i = 0; i < STATUS_N; i++) {
		struct asked *a = mem_xalloc(MEM_ADMIN, sizeof *a);
		*a = (struct asked){ s, i };
		console_ask(s->http, commands[i], "status", on_rows, a);
	}
}

/* Calls ready(q), now or later. */
static void with_rows(struct http_req *q, void (*ready)(struct http_req *q))
{
	struct status *s = q->http->status;
	if (s->at_us && loop_now_us(q->http->core->loop) - s->at_us < FRESH_US && !s->left) {
		ready(q);
		return;
	}
	q->ready = ready;
	list_append(&s->waiting, &q->wait);
	if (!s->left)
		gather(s);
}

struct status *status_new(struct http *h)
{
	struct status *s = mem_xalloc(MEM_ADMIN, sizeof *s);
	s->http = h;
	s->history = history_new(h);
	list_init(&s->waiting);
	return s;
}

void status_free(struct status **sp)
{
	struct status *s = *sp;
	*sp = NULL;
	if (!s)
		return;
	for (struct list *n; (n = list_pop(&s->waiting)) != NULL;)
		http_refuse(list_entry(n, struct http_req, wait), 503, NULL, "weirpool ends");
	history_free(&s->history);
	for (int i = 0; i < STATUS_N; i++)
		rowset_fini(&s->rows[i]);
	mem_free(MEM_ADMIN, s);
}

/* ---- /status.json ---- */

static void put_number(struct buf *b, double v)
{
	json_comma(b);
	if (isnan(v))
		buf_puts(b, "null");
	else
		buf_printf(b, "%.*f", v < 10 && v > 0 ? 3 : 0, v);
}

static void put_history(struct buf *b, const struct history *hi)
{
	json_key(b, "history");
	buf_puts(b, "{");
	json_pair_int(b, "step_s", HISTORY_STEP_US / 1000000);
	json_key(b, "at");
	buf_puts(b, "[");
	for (unsigned i = hi->n; i-- > 0;) {
		json_comma(b);
		buf_printf(b, "%lld", (long long)(history_at(hi, i)->at_us / 1000000));
	}
	buf_puts(b, "]");
	for (int k = 0; k < HISTORY_VALUES; k++) {
		json_key(b, values[k]);
		buf_puts(b, "[");
		for (unsigned i = hi->n; i-- > 0;)
			put_number(b, (double)history_at(hi, i)->v[k]);
		buf_puts(b, "]");
	}
	buf_puts(b, "}");
	json_key(b, "lag");
	buf_puts(b, "{");
	for (unsigned k = 0; k < hi->lags_n; k++) {
		char name[200];
		snprintf(name, sizeof name, "%s/%s", hi->lags[k]->cluster, hi->lags[k]->node);
		json_key(b, name);
		buf_puts(b, "[");
		for (unsigned i = hi->n; i-- > 0;)
			put_number(b, (double)hi->lags[k]->ms[history_place(hi, i)]);
		buf_puts(b, "]");
	}
	buf_puts(b, "}");
}

static void put_events(struct buf *b)
{
	static const char *const levels[] = { "debug", "info", "notice", "warning", "error",
		"fatal" };
	struct event_kept *r = mem_alloc(MEM_ADMIN, EVENT_KEPT * sizeof *r);
	unsigned n = r ? event_kept(r, EVENT_KEPT) : 0;
	json_key(b, "events");
	buf_puts(b, "[");
	for (unsigned i = 0; i < n; i++) {
		json_comma(b);
		buf_puts(b, "{");
		json_pair_int(b, "at", r[i].last_us / 1000000);
		json_pair(b, "code", event_info(r[i].ev)->code);
		json_pair(b, "level", levels[event_info(r[i].ev)->level]);
		json_pair(b, "about", r[i].about);
		json_pair(b, "text", r[i].text);
		json_pair_int(b, "times", r[i].times);
		buf_puts(b, "}");
	}
	buf_puts(b, "]");
	mem_free(MEM_ADMIN, r);
}

static void reply_json(struct http_req *q)
{
	const struct status *s = q->http->status;
	struct health h;
	struct buf b;
	health_look(q->http, true, &h);
	buf_init(&b, STATUS_MAX_BYTES);
	buf_puts(&b, "{");
	json_pair(&b, "version", q->http->core->version);
	json_pair_int(&b, "pid", getpid());
	json_pair_int(&b, "at", clock_wall_us() / 1000000);
	json_pair_int(&b, "uptime_s", (clock_wall_us() - q->http->started_us) / 1000000);
	health_put(&b, &h);
	put_history(&b, s->history);
	put_events(&b);
	for (int i = 0; i < STATUS_N; i++) {
		json_key(&b, names[i]);
		console_put_rows(&b, &s->rows[i]);
	}
	buf_puts(&b, "}\n");
	http_reply(q, 200, NULL, &b);
}

void status_json(struct http_req *q)
{
	with_rows(q, reply_json);
}

/* ---- / ---- */

static void get_filter(const struct http_req *q, char *out, size_t n)
{
	const struct evhttp_uri *uri = q->ev ? evhttp_request_get_evhttp_uri(q->ev) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	struct evkeyvalq params;
	*out = '\0';
	TAILQ_INIT(&params);
	if (!query || evhttp_parse_query_str(query, &params) != 0)
		return;
	const char *text = evhttp_find_header(&params, "q");
	snprintf(out, n, "%s", text ? text : "");
	evhttp_clear_headers(&params);
}

static void reply_page(struct http_req *q)
{
	char nonce[33], policy[320], filter[64];
	uint8_t random[16];
	struct buf b;
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
		http_refuse(q, 503, NULL, "no random numbers");
		return;
	}
	for (unsigned i = 0; i < sizeof random; i++)
		snprintf(nonce + i * 2, 3, "%02x", random[i]);
	snprintf(policy, sizeof policy,
		"default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; "
		"connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
		"frame-ancestors 'none'",
		nonce, nonce);
	http_add_header(q, "Content-Security-Policy", policy);
	get_filter(q, filter, sizeof filter);
	buf_init(&b, STATUS_MAX_BYTES);
	page_put(&b, q->http->status, nonce, filter);
	http_reply(q, 200, "text/html; charset=utf-8", &b);
}

void status_page(struct http_req *q)
{
	with_rows(q, reply_page);
}
