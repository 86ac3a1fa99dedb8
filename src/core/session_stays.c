/* session_stays - why sessions are still in this process after an upgrade, counted for who looks at
 * it. Ignorant of how they go (session_move.c). Runs on workers, and on control. */
#include "core_int.h"

static const struct {
	const char *key, *text;
} words[CORE_STAYS_N] = {
	[CORE_STAYS_BUSY] = { "predecessor_busy", "in a transaction" },
	[CORE_STAYS_LINK] = { "predecessor_pinned", "keeping a server" },
	[CORE_STAYS_TLS] = { "predecessor_tls", "TLS" },
	[CORE_STAYS_CODED] = { "predecessor_compressed", "compressed" },
	[CORE_STAYS_UNSETTLED] = { "predecessor_unsettled", "in the middle of a message" },
	[CORE_STAYS_TOO_BIG] = { "predecessor_too_big", "too big" },
	[CORE_STAYS_REFUSED] = { "predecessor_refused", "refused by the new process" },
	[CORE_STAYS_OTHER] = { "predecessor_other", "other" },
};

const char *core_stays_text(enum core_stays why)
{
	return words[why].text;
}

const char *core_stays_key(enum core_stays why)
{
	return words[why].key;
}

static enum core_stays why_stays(const struct session *s)
{
	if (!s->ops->client_move_out || s->is_console || s->login || !s->shard || s->raw)
		return CORE_STAYS_OTHER;
	if (s->st.ssl)
		return CORE_STAYS_TLS;
	if (s->st.coding)
		return CORE_STAYS_CODED;
	if (s->refused)
		return CORE_STAYS_REFUSED;
	bool between = s->state == SESSION_IDLE || (s->link && !s->in_tx && !s->request_us);
	if (!between)
		return CORE_STAYS_BUSY;
	if (s->link && s->stays != PROTO_STAYS_TOO_BIG && s->stays != PROTO_STAYS_UNSETTLED)
		return CORE_STAYS_LINK;
	return s->stays == PROTO_STAYS_TOO_BIG ? CORE_STAYS_TOO_BIG : CORE_STAYS_UNSETTLED;
}

static void each_stays(struct worker *w, void *part, void *arg)
{
	unsigned *n = part;
	(void)arg;
	for (int st = 0; st < SESSION_CLOSING; st++)
		list_for(x, &w->sessions[st]) {
			const struct session *s = list_entry(x, struct session, node);
			n[why_stays(s)] += !s->moving;
		}
}

static void stays_counted(struct scatter *sc)
{
	unsigned sum[CORE_STAYS_N] = { 0 };
	for (unsigned i = 0; i < sc->n; i++)
		for (unsigned k = 0; k < CORE_STAYS_N; k++)
			sum[k] += ((const unsigned *)scatter_part(sc, i))[k];
	sc->core->moves.stay(sc->core->moves.arg, sum);
}

void core_count_stays(struct core *c)
{
	(void)!core_scatter(c, CORE_STAYS_N * sizeof(unsigned), each_stays, stays_counted, NULL);
}
