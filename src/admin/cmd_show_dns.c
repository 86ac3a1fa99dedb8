/* cmd_show_dns - SHOW DNS_HOSTS and DNS_ZONES. Each worker has its own resolver; a name that
 * several know is shown once, with the addresses that live longest. Control thread. */
#include "admin_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host {
	char name[256], addrs[512];
	int64_t ttl_s;
};
struct part {
	struct host *v;
	size_t n;
	bool no_memory;
};

static void on_host(
	void *arg, const char *name, int64_t ttl_left_us, const struct resolver_addr *a, unsigned n)
{
	struct part *p = arg;
	struct host *v = mem_realloc(MEM_ADMIN, p->v, (p->n + 1) * sizeof *v);
	if (!v) {
		p->no_memory = true;
		return;
	}
	struct host *h = &v[p->n++];
	p->v = v;
	memset(h, 0, sizeof *h);
	snprintf(h->name, sizeof h->name, "%s", name);
	h->ttl_s = ttl_left_us > 0 ? ttl_left_us / 1000000 : 0;
	size_t at = 0;
	for (unsigned i = 0; i < n && at + 64 < sizeof h->addrs; i++) {
		struct addr one;
		char text[64];
		addr_from_sockaddr(&one, (const struct sockaddr *)&a[i].sa, a[i].n);
		int len = snprintf(h->addrs + at, sizeof h->addrs - at, "%s%s", i ? "," : "",
			addr_host(&one, text, sizeof text));
		at += len > 0 ? (size_t)len : 0;
	}
}

static void each(struct worker *w, void *part, void *arg) /* on the worker */
{
	(void)arg;
	resolver_each(w->resolver, on_host, part);
}

static int by_name(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int d = strcmp(x->name, y->name);
	return d ? d : x->ttl_s > y->ttl_s ? -1 : x->ttl_s < y->ttl_s;
}

static void put_rows(struct rowset *rs, struct host *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, by_name);
	for (size_t i = 0; i < n; i++) {
		if (i && !strcmp(v[i - 1].name, v[i].name))
			continue;
		char **row = rowset_row(rs);
		rowset_set(rs, row, 0, v[i].name);
		rowset_setf(rs, row, 1, "%" PRId64, v[i].ttl_s);
		rowset_set(rs, row, 2, v[i].addrs);
	}
}

static void done(struct scatter *s)
{
	struct core_console *r = admin_ask_of(s)->r;
	size_t n = 0, m = 0;
	bool ok = true;
	for (unsigned i = 0; i < s->n; i++)
		n += ((struct part *)scatter_part(s, i))->n;
	struct host *v = mem_alloc(MEM_ADMIN, (n + 1) * sizeof *v);
	for (unsigned i = 0; i < s->n; i++) {
		struct part *p = scatter_part(s, i);
		for (size_t j = 0; v && j < p->n; j++)
			v[m++] = p->v[j];
		ok = ok && !p->no_memory;
		mem_free(MEM_ADMIN, p->v);
	}
	ok = ok && v;
	if (ok)
		put_rows(&r->result, v, m);
	mem_free(MEM_ADMIN, v);
	admin_ask_free(s);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

void show_dns_hosts(struct core_console *r, const struct cmd_line *l)
{
	struct admin_ask q = { 0 };
	(void)l;
	admin_cols(&r->result, "sqs", "hostname ttl addrs");
	admin_ask(r, &q, sizeof(struct part), each, done);
}

/* Zones are not watched: answers live as long as their TTL says. */
void show_dns_zones(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "sqi", "zonename serial count");
	admin_done(r, "SHOW");
}
