/* note - what the state machine wants done: links closed, lines logged. Links are bits per
 * node, so that none is lost; of lines the newest are. Control thread. */
#include "cluster_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void note_log(struct cluster *c, enum event_code event, const char *fmt, ...)
{
	if (c->note_n == CLUSTER_NOTES)
		return;
	char text[sizeof c->note[0].text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	unsigned at = (c->note_first + c->note_n++) % CLUSTER_NOTES;
	c->note[at] = (struct cluster_note){ .event = event };
	snprintf(c->note[at].text, sizeof c->note[at].text, "%s", text);
}

void note_fence(struct cluster *c, unsigned node)
{
	c->fence_bits |= UINT32_C(1) << node;
	c->counts.fences++;
}

void note_idle(struct cluster *c, unsigned node)
{
	c->idle_bits |= UINT32_C(1) << node;
}

static bool take_bit(uint32_t *bits, unsigned *node_r)
{
	if (!*bits)
		return false;
	*node_r = (unsigned)__builtin_ctz(*bits);
	*bits &= *bits - 1;
	return true;
}

/* Links first: a fence must not wait behind lines. */
bool cluster_next_action(struct cluster *c, struct cluster_action *a_r)
{
	a_r->text[0] = '\0';
	a_r->event = EVENT_INFO;
	a_r->node = 0;
	if (take_bit(&c->fence_bits, &a_r->node)) {
		a_r->kind = CLUSTER_DO_FENCE;
		return true;
	}
	if (take_bit(&c->idle_bits, &a_r->node)) {
		a_r->kind = CLUSTER_DO_CLOSE_IDLE;
		return true;
	}
	if (!c->note_n)
		return false;
	a_r->kind = CLUSTER_DO_LOG;
	a_r->event = c->note[c->note_first].event;
	snprintf(a_r->text, sizeof a_r->text, "cluster %.64s: %.320s", c->name,
		c->note[c->note_first].text);
	c->note_first = (c->note_first + 1) % CLUSTER_NOTES;
	c->note_n--;
	return true;
}
