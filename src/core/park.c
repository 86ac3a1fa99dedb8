/* park - a read that waits a moment for a replica, in place of going to the primary. Two reasons:
 * the configuration wants it (causal_wait); or the session reads from the primary only because it
 * has read there before, without ever pausing for as long as a sample takes, and would stay there
 * for good. Ignorant of what the read is. Runs on the session's worker. */
#include "core_int.h"

#define NEAR_N 16        /* reads of the second kind, before one waits */
#define NEAR_SHIFT_MAX 6 /* ... doubled so often when that was in vain */
#define NEAR_WAIT_US 30000

bool park_read(struct session *s, const struct topo_cluster *tc, const struct cluster_view *v,
	const struct token_need *need, int64_t now_us)
{
	int64_t wait_us = s->shard->set.causal_wait_us;
	if (s->login || (s->wait.on && s->wait.on != s->shard) || s->parked_until_us == PARK_OVER)
		return false;
	if (s->parked_until_us && s->parked_until_us <= now_us) {
		s->parked_until_us = PARK_OVER;
		return false;
	}
	if (s->parked_until_us == 0 && wait_us == 0) {
		if (!token_held_by_reads(&s->token, need, v, now_us)) {
			s->near_n = 0;
			return false;
		}
		if (s->near_n == 0) /* who pauses for a moment will find a replica */
			topo_park(s->w, tc->cluster, now_us);
		if (++s->near_n < NEAR_N << s->near_shift)
			return false;
		s->near_n = 1;
		if (s->near_shift < NEAR_SHIFT_MAX)
			s->near_shift++;
		wait_us = NEAR_WAIT_US;
	}
	if (s->parked_until_us == 0) {
		s->parked_until_us = now_us + wait_us;
		s->shard->counts->parked++;
	}
	topo_park(s->w, tc->cluster, s->parked_until_us);
	return true;
}

void park_found(struct session *s)
{
	s->parked_until_us = 0;
	s->near_n = s->near_shift = 0;
}

void park_timeout(struct session *s)
{
	s->parked_until_us = PARK_OVER;
	pool_touch(s->shard);
}
