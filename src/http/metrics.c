/* metrics - GET /metrics. Ignorant of which metrics there are and of their text. Control thread. */
#include "http_int.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

static void on_text(void *arg, struct buf *text)
{
	struct http_req *q = arg;
	if (text)
		http_reply(q, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	else
		http_refuse(q, 503, NULL, "out of memory");
}

void metrics_page(struct http_req *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->ev);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	const struct http_hooks *h = &q->http->hooks;
	struct evkeyvalq params;
	struct err e = { 0 };
	TAILQ_INIT(&params);
	if (query && evhttp_parse_query_str(query, &params) != 0) {
		http_refuse(
			q, 400, "?name=part&scope=pool", "the part behind the ? cannot be read");
		return;
	}
	int rc = h->metrics(h->arg, evhttp_find_header(&params, "name"),
		evhttp_find_header(&params, "scope"), on_text, q, &e);
	evhttp_clear_headers(&params);
	if (rc != 0)
		http_refuse(q, e.code == ERR_BAD_VALUE ? 400 : 503, e.hint, "%s", e.msg);
}
