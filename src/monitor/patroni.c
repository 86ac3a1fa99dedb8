/* patroni - asks one Patroni who the leader is. Its answer comes from the store that holds the
 * leader's key, so any one of them speaks for all. Control thread.
 * Source: Patroni docs, Patroni REST API: GET /cluster. */
#include "monitor_int.h"

#include "base/clock.h"
#include "base/http_url.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

static void take_field(struct patroni_member *m, const char *key, const struct json *j)
{
	uint64_t port;
	if (strcmp(key, "name") == 0)
		snprintf(m->name, sizeof m->name, "%.*s", (int)j->text_n, j->text);
	else if (strcmp(key, "host") == 0)
		snprintf(m->host, sizeof m->host, "%.*s", (int)j->text_n, j->text);
	else if (strcmp(key, "role") == 0)
		snprintf(m->role, sizeof m->role, "%.*s", (int)j->text_n, j->text);
	else if (strcmp(key, "api_url") == 0)
		snprintf(m->api_url, sizeof m->api_url, "%.*s", (int)j->text_n, j->text);
	else if (strcmp(key, "port") == 0 && num_u64n(j->text, j->text_n, 1, 65535, &port) == 0)
		m->port = (uint16_t)port;
}

/* { "members": [ { "name": .., "role": "leader", "host": .., "port": .. }, .. ], .. } */
int patroni_members(const char *body, size_t n,
	void (*member)(void *arg, const struct patroni_member *p), void *arg, bool *paused_r)
{
	struct json j;
	struct patroni_member m = { .port = 0 };
	char key[32] = "";
	bool members = false, any = false;
	json_init(&j, body, n);
	*paused_r = false;
	for (;;) {
		switch (json_next(&j)) {
		case JSON_END: return any ? 0 : -1;
		case JSON_BAD: return -1;
		case JSON_KEY:
			snprintf(key, sizeof key, "%.*s", (int)j.text_n, j.text);
			if (j.depth == 1)
				members = strcmp(key, "members") == 0;
			break;
		case JSON_OPEN:
			any = any || (members && j.depth == 2);
			if (j.depth == 3)
				m = (struct patroni_member){ .port = 0 };
			break;
		case JSON_CLOSE:
			if (members && j.depth == 2)
				member(arg, &m);
			break;
		case JSON_VALUE:
			if (members && j.depth == 3)
				take_field(&m, key, &j);
			else if (j.depth == 1 && strcmp(key, "pause") == 0)
				*paused_r = json_is(&j, "true");
			break;
		}
	}
}

static void take_leader(void *arg, const struct patroni_member *p)
{
	struct patroni_member *leader = arg;
	if (strcmp(p->role, "leader") == 0 || strcmp(p->role, "master") == 0)
		*leader = *p;
}

int patroni_leader(const char *body, size_t n, char name_r[64], char host_r[256], uint16_t *port_r,
	bool *paused_r)
{
	struct patroni_member leader = { .port = 0 };
	int r = patroni_members(body, n, take_leader, &leader, paused_r);
	snprintf(name_r, 64, "%s", leader.name);
	snprintf(host_r, 256, "%s", leader.host);
	*port_r = leader.port;
	return r;
}

/* The log hears of it once. */
static void tell_failure(struct patroni *a, int status, const struct err *e)
{
	struct cluster_action act = { .kind = CLUSTER_DO_LOG, .event = EVENT_CLUSTER_WARN };
	char text[200];
	if (e)
		snprintf(text, sizeof text, "%.190s", *e->msg ? e->msg : "no answer in time");
	else
		snprintf(text, sizeof text, "not what Patroni answers (status %d)", status);
	if (strcmp(a->said.error, text) == 0)
		return;
	if (!*a->said.error) {
		snprintf(act.text, sizeof act.text, "cluster %.60s: Patroni at %.90s: %.190s",
			a->m->name, a->url, text);
		a->m->cb.action(a->m->arg, &act);
	}
	snprintf(a->said.error, sizeof a->said.error, "%s", text);
}

static void on_answer(struct http *h, int status, const char *body, size_t n, const struct err *e)
{
	struct patroni *a = h->owner;
	struct monitor *m = a->m;
	struct cluster_authority au = {
		.sent_us = h->begun_us, .recv_us = clock_mono_us(), .leader = -1
	};
	char name[64], host[256];
	uint16_t port;
	struct err odd = { 0 };
	bool paused = false;
	a->failed = !body || status != 200 ||
		    patroni_leader(body, n, name, host, &port, &paused) < 0;
	if (!a->failed && (*host || *name)) {
		au.leader = monitor_node_at(m, host, port, name);
		a->failed = au.leader < 0; /* that there is a leader, and not which, is no help */
		if (a->failed)
			err_set(&odd, ERR_CONFIG,
				"its leader %.60s at %.90s:%u is none of the cluster's nodes", name,
				host, port);
	} else if (!a->failed && paused) { /* nobody takes the key, and the primary may go on */
		a->failed = true;
		err_set(&odd, ERR_CONFIG, "it is paused and names no leader");
	}
	if (!a->failed) {
		au.reachable = true;
		snprintf(au.text, sizeof au.text, "Patroni at %.90s", a->url);
		a->said.leader = au.leader;
		a->said.at_us = au.recv_us;
		a->said.error[0] = '\0';
	} else {
		tell_failure(a, status, err_is(&odd) ? &odd : body ? NULL : e);
		au.leader = -1;
		for (unsigned i = 0; i < m->patroni_n; i++) {
			if (!m->patroni[i].failed)
				return; /* another one may know */
		}
	}
	if (!m->c)
		return;
	cluster_on_authority(m->c, &au);
	monitor_told(m);
}

int patroni_init(struct patroni *a, struct monitor *m, const char *url, struct err *e)
{
	struct http_url u;
	*a = (struct patroni){ .m = m };
	a->http = (struct http){ .loop = m->loop,
		.resolver = m->resolver,
		.owner = a,
		.done = on_answer,
		.path = "/cluster" };
	a->http.st.fd = -1;
	a->http.st.closed = true;
	snprintf(a->url, sizeof a->url, "%s", url);
	snprintf(a->said.who, sizeof a->said.who, "Patroni at %s", url);
	a->said.leader = -1;
	if (http_url_parse(url, &u) < 0 || strcmp(u.path, "/") != 0)
		return err_set(e, ERR_CONFIG,
			"\"%s\" is no URL of Patroni's REST API: http://host:port or "
			"https://host:port",
			url);
	snprintf(a->http.host, sizeof a->http.host, "%s", u.host);
	a->http.port = u.port;
	a->http.tls = u.tls ? &m->patroni_tls : NULL;
	return 0;
}

void patroni_fini(struct patroni *a)
{
	http_stop(&a->http);
}

void patroni_ask(struct patroni *a)
{
	struct err e = { 0 };
	int64_t now_us = clock_mono_us();
	if (a->http.busy && now_us - a->http.begun_us < a->m->co.down_us)
		return;
	if (a->http.busy) {
		http_stop(&a->http);
		on_answer(&a->http, 0, NULL, 0, &e);
	}
	http_send(&a->http);
}
