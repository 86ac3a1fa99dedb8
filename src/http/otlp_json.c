/* otlp_json - spans as OTLP's JSON. Each traced statement is a span of its own and up to two below
 * it: waiting for a server connection, and the server's time. Ignorant of where it goes. Sources:
 * opentelemetry-proto, trace/v1/trace.proto and its JSON mapping; OpenTelemetry's semantic
 * conventions for databases (db.system is the name that db.system.name had before). */
#include "otlp_int.h"

#include "base/json.h"
#include "core/core.h"

#include <stdio.h>

enum kind { INTERNAL = 1, SERVER = 2, CLIENT = 3 };
/* of a span's flags: it is sampled; whether its parent is remote is known; and so it is */
enum { SAMPLED = 1, KNOWS_REMOTE = 0x100, IS_REMOTE = 0x200 };

/* Names are literals without anything to escape, and there are many: they are written as they
 * are. */

static void name(struct buf *b, const char *text)
{
	json_comma(b);
	buf_puts(b, "\"");
	buf_puts(b, text);
	buf_puts(b, "\":");
}

static void put_hex(struct buf *b, const char *key, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * TRACE_ID_BYTES + 2], *at = text;
	*at++ = '"';
	for (size_t i = 0; i < n; i++) {
		*at++ = digits[p[i] >> 4];
		*at++ = digits[p[i] & 15];
	}
	*at++ = '"';
	name(b, key);
	buf_append(b, text, (size_t)(at - text));
}

static void put_number(struct buf *b, uint64_t v)
{
	char text[20], *at = text + sizeof text;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(b, at, (size_t)(text + sizeof text - at));
}

static void put_time(struct buf *b, const char *key, int64_t wall_us)
{
	name(b, key);
	buf_puts(b, "\"");
	put_number(b, wall_us > 0 ? (uint64_t)wall_us : 0);
	buf_puts(b, "000\"");
}

static void begin_attr(struct buf *b, const char *key, const char *type)
{
	json_comma(b);
	buf_puts(b, "{\"key\":\"");
	buf_puts(b, key);
	buf_puts(b, "\",\"value\":{\"");
	buf_puts(b, type);
	buf_puts(b, "\":");
}

static void attr(struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	begin_attr(b, key, "stringValue");
	json_put(b, value);
	buf_puts(b, "}}");
}

static void attr_int(struct buf *b, const char *key, uint64_t value)
{
	begin_attr(b, key, "intValue");
	buf_puts(b, "\"");
	put_number(b, value);
	buf_puts(b, "\"}}");
}

static void attr_bool(struct buf *b, const char *key, bool value)
{
	begin_attr(b, key, "boolValue");
	buf_puts(b, value ? "true}}" : "false}}");
}

static void put_server(struct buf *b, const struct span *sp)
{
	char host[64];
	attr(b, "db.system.name", sp->db->ops->name);
	attr(b, "db.system", sp->db->ops->name);
	attr(b, "db.namespace", sp->namespace);
	attr(b, "server.address", sp->host);
	if (*sp->host)
		attr_int(b, "server.port", sp->port);
	if (*sp->host && !addr_is_unix(&sp->peer)) {
		attr(b, "network.peer.address", addr_host(&sp->peer, host, sizeof host));
		attr_int(b, "network.peer.port", addr_port(&sp->peer));
	}
}

static void put_route(struct buf *b, const struct span *sp)
{
	static const char *const names[] = { "server", "primary", "replica", "" };
	attr(b, "weirpool.route", names[sp->route]);
	if (sp->route != SPAN_PRIMARY && sp->route != SPAN_REPLICA)
		return;
	attr_bool(b, "weirpool.reads_only", sp->reads);
	attr_bool(b, "weirpool.stands_in", sp->stands_in);
	attr_int(b, "weirpool.asked_before", sp->again_n);
}

static void put_outcome(struct buf *b, const struct span *sp)
{
	if (!sp->failed)
		return;
	attr(b, "error.type", *sp->code ? sp->code : sp->error ? "_OTHER" : "client_left");
	attr(b, "db.response.status_code", sp->code);
}

static void put_client(struct buf *b, const struct span *sp)
{
	char host[64];
	attr(b, "client.address", addr_host(&sp->client, host, sizeof host));
	if (!addr_is_unix(&sp->client))
		attr_int(b, "client.port", addr_port(&sp->client));
	attr(b, "weirpool.database", sp->db->name);
	attr(b, "weirpool.user", sp->account->name);
	attr_int(b, "weirpool.session", sp->session);
	attr_bool(b, "weirpool.pinned", sp->pinned);
}

/* Up to the attributes. */
static void begin_span(struct buf *b, const struct span *sp, const uint8_t *id,
	const uint8_t *parent, const char *title, enum kind kind)
{
	bool remote = parent == sp->parent;
	json_comma(b);
	buf_puts(b, "{");
	put_hex(b, "traceId", sp->trace, sizeof sp->trace);
	put_hex(b, "spanId", id, SPAN_ID_BYTES);
	if (parent)
		put_hex(b, "parentSpanId", parent, SPAN_ID_BYTES);
	name(b, "flags");
	put_number(b, SAMPLED | KNOWS_REMOTE | (remote ? IS_REMOTE : 0));
	name(b, "kind");
	put_number(b, kind);
	name(b, "name");
	json_put(b, title);
}

static void put_times(struct buf *b, int64_t from_us, int64_t to_us)
{
	put_time(b, "startTimeUnixNano", from_us);
	put_time(b, "endTimeUnixNano", to_us > from_us ? to_us : from_us);
}

/* No text of a server's error: it may have values of the statement in it. */
static void end_span(struct buf *b, const struct span *sp)
{
	if (sp->failed) {
		buf_puts(b, ",\"status\":{\"code\":2");
		if (sp->error)
			json_pair(b, "message", sp->error);
		buf_puts(b, "}");
	}
	buf_puts(b, "}");
}

static void put_statement(struct buf *b, const struct span *sp, const char *title)
{
	begin_span(b, sp, sp->id, sp->has_parent ? sp->parent : NULL, title, SERVER);
	put_times(b, sp->begun_us, sp->ended_us);
	buf_puts(b, ",\"attributes\":[");
	put_server(b, sp);
	attr(b, "db.operation.name", sp->operation);
	attr(b, "db.query.text", sp->text);
	put_outcome(b, sp);
	attr_int(b, "weirpool.rows", sp->rows);
	put_client(b, sp);
	put_route(b, sp);
	buf_puts(b, "]");
	if (sp->route != SPAN_NOWHERE) {
		buf_puts(b, ",\"events\":[{");
		put_time(b, "timeUnixNano", sp->sent_us);
		buf_puts(b, ",\"name\":\"weirpool.route\",\"attributes\":[");
		put_route(b, sp);
		attr(b, "server.address", sp->host);
		attr_int(b, "server.port", sp->port);
		buf_puts(b, "]}]");
	}
	end_span(b, sp);
}

static void put_wait(struct buf *b, const struct span *sp)
{
	begin_span(b, sp, sp->wait_id, sp->id, "wait for a server connection", INTERNAL);
	put_times(b, sp->begun_us, sp->sent_us);
	buf_puts(b, "}");
}

static void put_server_time(struct buf *b, const struct span *sp, const char *title)
{
	begin_span(b, sp, sp->server_id, sp->id, title, CLIENT);
	put_times(b, sp->server_us, sp->ended_us);
	buf_puts(b, ",\"attributes\":[");
	put_server(b, sp);
	attr(b, "db.operation.name", sp->operation);
	put_outcome(b, sp);
	buf_puts(b, "]");
	end_span(b, sp);
}

static void put_all_of(struct buf *b, const struct span *sp)
{
	char title[100];
	snprintf(title, sizeof title, "%s%s%s", sp->operation, *sp->operation ? " " : "",
		sp->namespace);
	put_statement(b, sp, title);
	if (sp->sent_us > sp->begun_us)
		put_wait(b, sp);
	if (sp->route != SPAN_NOWHERE)
		put_server_time(b, sp, title);
}

void otlp_put_request(struct buf *b, const struct otlp_who *w, struct list *spans)
{
	buf_puts(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	attr(b, "service.name", w->name);
	attr(b, "service.version", w->version);
	attr(b, "host.name", w->host);
	attr_int(b, "process.pid", (uint64_t)w->pid);
	buf_puts(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"weirpool\"");
	json_pair(b, "version", w->version);
	buf_puts(b, "},\"spans\":[");
	list_for(n, spans)
		put_all_of(b, list_entry(n, struct span, node));
	buf_puts(b, "]}]}]}");
}
