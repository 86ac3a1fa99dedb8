/* heir - what a process knows of a cluster that cannot be seen anew: who was accepted as primary,
 * and by whom, what it had told its clients, whom an operator or the rules have taken out. For the
 * process after an upgrade, or the cluster with other options, which goes on in the same epoch.
 * What is read is checked as if it came from the network. Control thread. */
#include "cluster_int.h"

#include "base/rd.h"

#include <stdio.h>
#include <string.h>

#define HEIR_FORM 1

/* ---- out ---- */

static void put_pos(struct buf *b, const struct pos *p)
{
	struct buf text;
	buf_init(&text, 0);
	bool ok = !p || p->kind == POS_NONE || pos_put(p, &text);
	buf_put_u8(b, p ? (uint8_t)p->kind : POS_NONE);
	buf_put_lenstr(b, buf_data(&text), buf_len(&text));
	b->failed = b->failed || !ok || text.failed;
	buf_fini(&text);
}

bool cluster_bequeath(const struct cluster *c, struct buf *out)
{
	buf_put_u8(out, HEIR_FORM);
	buf_put_u8(out, (uint8_t)c->o.kind);
	buf_put_u64le(out, c->epoch);
	buf_put_u32le(out, c->timeline);
	buf_put_u8(out, c->forced);
	buf_put_text(out, c->system);
	buf_put_text(out, c->identity);
	buf_put_text(out, c->evidence);
	buf_put_text(out, c->epoch && c->primary >= 0 ? c->node[c->primary].name : "");
	put_pos(out, fresh_last(&c->history));
	put_pos(out, &c->acked);
	buf_put_u8(out, (uint8_t)c->n);
	for (unsigned i = 0; i < c->n; i++) {
		const struct node *n = &c->node[i];
		buf_put_text(out, n->name);
		buf_put_u8(out, (uint8_t)n->admin);
		buf_put_u8(out, (uint8_t)n->fence);
		buf_put_u8(out, (uint8_t)(n->turned_down | n->foreign << 1));
		buf_put_u32le(out, n->fence_timeline);
	}
	return !out->failed;
}

/* ---- in ---- */

struct heir {
	uint64_t epoch;
	uint32_t timeline;
	uint8_t form, kind, forced;
	char system[64], identity[96], evidence[256], primary[64];
	struct pos last, acked;
	unsigned n;
	struct heir_node {
		char name[64];
		uint8_t admin, fence;
		uint8_t flags; /* 1: turned down; 2: foreign */
		uint32_t fence_timeline;
	} node[CLUSTER_NODES_MAX];
};

static bool get_pos(struct rd *r, struct pos *p)
{
	size_t n;
	uint8_t kind = rd_u8(r);
	const char *text = (const char *)rd_lenstr(r, &n);
	if (!text || kind > POS_MARIADB)
		return false;
	return kind == POS_NONE || pos_parse((enum pos_kind)kind, text, n, p, NULL) == 0;
}

static bool get_node(struct rd *r, struct heir_node *n)
{
	bool ok = rd_text(r, n->name, sizeof n->name);
	n->admin = rd_u8(r);
	n->fence = rd_u8(r);
	n->flags = rd_u8(r);
	n->fence_timeline = rd_u32le(r);
	return ok && rd_ok(r) && n->admin <= ADMIN_MAINT && n->fence <= FENCE_WRONG &&
	       n->flags <= 3;
}

static bool get(struct rd *r, struct heir *h)
{
	h->form = rd_u8(r);
	h->kind = rd_u8(r);
	h->epoch = rd_u64le(r);
	h->timeline = rd_u32le(r);
	h->forced = rd_u8(r);
	if (!rd_ok(r) || h->form != HEIR_FORM || h->forced > 1 ||
		!rd_text(r, h->system, sizeof h->system) ||
		!rd_text(r, h->identity, sizeof h->identity) ||
		!rd_text(r, h->evidence, sizeof h->evidence) ||
		!rd_text(r, h->primary, sizeof h->primary) || !get_pos(r, &h->last) ||
		!get_pos(r, &h->acked))
		return false;
	h->n = rd_u8(r);
	if (!rd_ok(r) || h->n > CLUSTER_NODES_MAX)
		return false;
	for (unsigned i = 0; i < h->n; i++)
		if (!get_node(r, &h->node[i]))
			return false;
	return rd_left(r) == 0;
}

static int node_named(const struct cluster *c, const char *name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (strcmp(c->node[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool fits(const struct cluster *c, const struct pos *p)
{
	enum pos_kind k = c->o.kind == CLUSTER_PG        ? POS_LSN
			  : c->o.kind == CLUSTER_MARIADB ? POS_MARIADB
							 : POS_GTID;
	return p->kind == POS_NONE || p->kind == k;
}

/* What it is known to have told its clients: nobody may follow it who lacks that. */
static bool take_positions(struct cluster *c, struct heir *h)
{
	if (h->last.kind == POS_NONE) {
		pos_move(&c->acked, &h->acked);
		return true;
	}
	if (h->acked.kind != POS_NONE && pos_add(&h->last, &h->acked) != 0)
		return false;
	pos_move(&c->acked, &h->last);
	return true;
}

static bool take_epoch(struct cluster *c, struct heir *h, unsigned primary)
{
	if (!take_positions(c, h))
		return false;
	c->epoch = h->epoch;
	c->epoch_us = c->now_us;
	c->timeline = h->timeline;
	c->primary = (int)primary;
	c->forced = h->forced;
	c->inherited = true;
	memcpy(c->system, h->system, sizeof c->system);
	memcpy(c->identity, h->identity, sizeof c->identity);
	memcpy(c->evidence, h->evidence, sizeof c->evidence);
	note_log(c, EVENT_PRIMARY_IS, "epoch %llu goes on: primary is %s, as before: %s",
		(unsigned long long)c->epoch, c->node[primary].name, c->evidence);
	return true;
}

static void take_node(struct cluster *c, unsigned i, const struct heir_node *from)
{
	struct node *n = &c->node[i];
	if ((int)i == c->primary)
		return;
	n->admin = (enum admin_state)from->admin;
	if (n->admin != ADMIN_NONE)
		note_log(c, EVENT_NODE_ADMIN, "%s is %s, as before", n->name,
			n->admin == ADMIN_MAINT ? "in maintenance" : "drained");
	if (!c->epoch || from->fence == FENCE_NONE)
		return;
	replica_fence(c, i, (enum fence)from->fence, "it was before");
	n->turned_down = from->flags & 1;
	n->foreign = from->flags & 2;
	n->fence_timeline = from->fence_timeline;
}

bool cluster_inherit(struct cluster *c, const uint8_t *p, size_t n, int64_t now_us)
{
	struct heir h = { 0 };
	struct rd r = rd_of(p, n);
	bool ok = get(&r, &h) && !c->epoch && h.kind == (uint8_t)c->o.kind && fits(c, &h.last) &&
		  fits(c, &h.acked);
	int primary = ok && h.epoch && *h.primary ? node_named(c, h.primary) : -1;
	c->now_us = now_us > c->now_us ? now_us : c->now_us;
	if (ok && primary >= 0)
		ok = take_epoch(c, &h, (unsigned)primary);
	for (unsigned i = 0; ok && i < h.n; i++) {
		int at = node_named(c, h.node[i].name);
		if (at >= 0)
			take_node(c, (unsigned)at, &h.node[i]);
	}
	pos_fini(&h.last);
	pos_fini(&h.acked);
	cluster_decide(c);
	cluster_look_around(c, -1);
	return ok;
}
