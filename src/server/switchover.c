/* switchover - moves a cluster's primary at an operator's word: holds what is new, waits for the
 * transactions that are open, has the primary moved by whoever can (Patroni, the group, a command),
 * and lets go when the state machine has accepted the new one, or when nothing comes of it.
 * Ignorant of who is primary by which rule. Control thread. */
#include "server_int.h"

#include "base/clock.h"
#include "core/blockers.h"
#include "monitor/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define TICK_US 20000
#define STOP_US 2000000 /* for a command to end when it was asked to */
#define CLEAR_N 2 /* a link on its way from one worker to another may have been seen by neither */

enum phase {
	SW_DRAIN, /* open transactions end */
	SW_MOVE,  /* somebody has been told to move it */
	SW_STOP,  /* too late: a command is told to end */
	SW_AFTER  /* answered; the command goes on: it may make the old primary a replica */
};
struct switchover {
	struct switchover_opts o; /* strings are ours */
	struct server_node *from, *to;
	uint64_t epoch; /* that is to end */
	enum phase phase;
	int64_t begun_us, phase_us, drained_us;
	struct timer timer;
	bool asking, dead; /* core_blockers() is to come; then it is all that is left */
	unsigned clear_n, blockers_n;
	char blockers[200];
	bool refused; /* whoever was asked said no: why */
	char why[256];
	struct child *child;
	admin_switched *done;
	void *arg;
};

static struct cluster *cluster_of(const struct switchover *s)
{
	return monitor_cluster(s->o.monitor);
}

/* Each member of it takes writes: which one gets them is weirpool's to say. */
static bool is_galera(struct monitor *m)
{
	return cluster_view(monitor_cluster(m))->kind == CLUSTER_GALERA;
}

static const char *by(const struct switchover *s)
{
	return *s->o.command             ? "a command"
	       : is_galera(s->o.monitor) ? "weirpool"
					 : monitor_mover(s->o.monitor);
}

/* ---- the end ---- */

static void free_it(struct switchover *s)
{
	mem_free(MEM_CONF, (char *)(uintptr_t)s->o.command);
	mem_free(MEM_CONF, (char *)(uintptr_t)s->o.user);
	for (int i = 0; i < 2; i++) {
		char *secret = (char *)(uintptr_t)(i ? s->o.auth : s->o.password);
		if (secret)
			mem_wipe(secret, strlen(secret));
		mem_free(MEM_CONF, secret);
	}
	mem_free(MEM_CONF, s);
}

/* All has been answered. What was asked of the workers may still come back. */
static void leave(struct switchover *s)
{
	timer_clear(s->o.loop, &s->timer);
	child_free(&s->child);
	if (s->o.slot)
		*s->o.slot = NULL;
	if (s->asking)
		s->dead = true;
	else
		free_it(s);
}

static void on_after(struct timer *t, void *arg)
{
	struct switchover *s = arg;
	if (child_runs(s->child))
		timer_set(s->o.loop, t, loop_now_us(s->o.loop) + TICK_US);
	else
		leave(s);
}

static void over(struct switchover *s, const struct err *e)
{
	struct switch_result r = { .cluster = s->o.cluster,
		.from = s->from->where,
		.to = s->to->where,
		.by = by(s),
		.held_us = clock_mono_us() - s->begun_us,
		.drained_us = s->drained_us };
	monitor_move_stop(s->o.monitor);
	cluster_switch_end(cluster_of(s), clock_mono_us());
	monitor_changed(s->o.monitor);
	if (e)
		log_event(EVENT_SWITCHOVER_FAILED, "cluster %s: %s%s%s", s->o.cluster, e->msg,
			*e->detail ? ": " : "", e->detail);
	else
		log_event(EVENT_SWITCHOVER,
			"cluster %s: switchover from %s to %s by %s: requests were held for "
			"%" PRId64 " ms",
			s->o.cluster, r.from, r.to, r.by, r.held_us / 1000);
	s->done(s->arg, &r, e);
	s->phase = SW_AFTER;
	if (!s->child || !child_runs(s->child)) {
		leave(s);
		return;
	}
	timer_init(&s->timer, on_after, s);
	timer_set(s->o.loop, &s->timer, loop_now_us(s->o.loop) + TICK_US);
}

static void give_up(struct switchover *s, const char *why)
{
	struct err e = { 0 };
	struct cluster *c = cluster_of(s);
	char after[200];
	monitor_move_stop(s->o.monitor);
	cluster_switch_end(c, clock_mono_us());
	const struct cluster_view *v = cluster_view(c);
	bool as_before = v->state == CLUSTER_NORMAL && v->epoch == s->epoch;
	snprintf(after, sizeof after, "the cluster is %s%s%.150s", cluster_state_name(v->state),
		*v->why ? ": " : "", v->why);
	err_set(&e, ERR_UNSUPPORTED, "switchover to %.80s: %s", s->to->where,
		as_before ? "nothing was changed" : "it is not the primary");
	memcpy(e.sqlstate, "55000", 6); /* object_not_in_prerequisite_state */
	err_detail(&e, "%s", why);
	if (as_before)
		err_hint(&e, "%.90s is the primary as before.", s->from->where);
	else
		err_hint(&e, "%s", after);
	over(s, &e);
}

/* ---- moving ---- */

static void refuse(struct switchover *s, const char *who, const char *why)
{
	s->refused = true;
	snprintf(s->why, sizeof s->why, "%.70s: %.180s", who, why);
}

static void on_moved(void *arg, const struct err *e)
{
	struct switchover *s = arg;
	if (e)
		refuse(s, "it was refused", e->msg);
}

static void on_exit_of(void *arg, int status, const char *last)
{
	struct switchover *s = arg;
	char how[80];
	if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || s->phase == SW_STOP)
		return;
	if (WIFEXITED(status))
		snprintf(how, sizeof how, "the command ended with %d", WEXITSTATUS(status));
	else
		snprintf(how, sizeof how, "the command was ended by signal %d", WTERMSIG(status));
	if (s->phase == SW_AFTER)
		log_event(EVENT_SWITCHOVER_AFTER, "cluster %s: after the switchover %s",
			s->o.cluster, how);
	else
		refuse(s, how, *last ? last : "it said nothing");
}

static int run_command(struct switchover *s, struct err *e)
{
	char *argv[CONF_COMMAND_WORDS_MAX + 4], env[3][200], *envp[3];
	char *text = mem_xstrdup(MEM_CONF, s->o.command);
	int n = conf_words(text, argv, CONF_COMMAND_WORDS_MAX);
	snprintf(env[0], sizeof env[0], "WEIRPOOL_CLUSTER=%.127s", s->o.cluster);
	snprintf(env[1], sizeof env[1], "WEIRPOOL_FROM=%s", s->from->where);
	snprintf(env[2], sizeof env[2], "WEIRPOOL_TO=%s", s->to->where);
	for (int i = 0; i < 3; i++) {
		envp[i] = env[i];
		if (n > 0)
			argv[n + i] = strchr(env[i], '=') + 1;
	}
	if (n > 0) {
		argv[n + 3] = NULL;
		struct child_opts co = { .name = "switchover_command",
			.argv = argv,
			.env = envp,
			.env_n = 3,
			.done = on_exit_of,
			.arg = s };
		s->child = child_start(s->o.loop, &co, e);
	} else {
		err_set(e, ERR_CONFIG, "switchover_command cannot be read");
	}
	mem_free(MEM_CONF, text);
	return s->child ? 0 : -1;
}

static void begin_move(struct switchover *s)
{
	struct monitor_move_opts mo = {
		.to = s->o.to, .user = s->o.user, .password = s->o.password, .auth = s->o.auth
	};
	struct err e = { 0 };
	s->phase = SW_MOVE;
	s->phase_us = clock_mono_us();
	s->drained_us = s->phase_us - s->begun_us;
	int rc = 0;
	if (*s->o.command) {
		rc = run_command(s, &e);
	} else if (is_galera(s->o.monitor)) {
		rc = cluster_promoted(cluster_of(s), s->o.to, s->phase_us, &e);
		monitor_changed(s->o.monitor);
	} else {
		rc = monitor_move(s->o.monitor, &mo, on_moved, s, &e);
	}
	if (rc != 0)
		refuse(s, "it could not be asked for", e.msg);
}

/* ---- waiting ---- */

static void describe(struct switchover *s, const struct blockers *b)
{
	size_t at = 0, size = sizeof s->blockers;
	s->blockers[0] = '\0';
	s->blockers_n = b->total;
	for (unsigned i = 0; i < b->n && at < size; i++) {
		const struct blocker *k = &b->v[i];
		char one[200];
		int n = snprintf(one, sizeof one,
			"%sclient %" PRIu32 " (%.30s@%.30s) on server connection %" PRIu32
			", %s for %.1f s",
			i ? "; " : "", k->client, k->user, k->db, k->link,
			k->in_tx ? "in a transaction" : "running", (double)k->age_us / 1e6);
		if (at + (size_t)n + 20 > size) {
			snprintf(s->blockers + at, size - at, "; %u more", b->total - i);
			return;
		}
		memcpy(s->blockers + at, one, (size_t)n + 1);
		at += (size_t)n;
	}
}

static void tell_blockers(const struct switchover *s, const struct blockers *b)
{
	for (unsigned i = 0; i < b->n; i++)
		log_event(EVENT_SWITCHOVER,
			"cluster %s: switchover waits for client %" PRIu32
			" (%s@%s) on server connection %" PRIu32 ", %s for %.1f s",
			s->o.cluster, b->v[i].client, b->v[i].user, b->v[i].db, b->v[i].link,
			b->v[i].in_tx ? "in a transaction" : "running",
			(double)b->v[i].age_us / 1e6);
}

static void on_blockers(void *arg, const struct blockers *b)
{
	struct switchover *s = arg;
	s->asking = false;
	if (s->dead) {
		free_it(s);
		return;
	}
	s->clear_n = b->total ? 0 : s->clear_n + 1;
	if (s->clear_n >= CLEAR_N) {
		begin_move(s);
		return;
	}
	if (!b->total || clock_mono_us() - s->begun_us < s->o.drain_us)
		return;
	char why[256];
	describe(s, b);
	tell_blockers(s, b);
	snprintf(why, sizeof why, "%u still open after %g s: %.200s", s->blockers_n,
		(double)s->o.drain_us / 1e6, s->blockers);
	give_up(s, why);
}

/* What the cluster says counts, whatever was answered. True: it is over. */
static bool look(struct switchover *s)
{
	const struct cluster_view *v = cluster_view(cluster_of(s));
	char why[256];
	if (v->state != CLUSTER_NORMAL || v->epoch <= s->epoch)
		return false;
	if (v->primary == (int)s->o.to) {
		over(s, NULL);
	} else {
		snprintf(why, sizeof why, "%.60s became primary instead: %.150s",
			v->primary >= 0 ? v->node[v->primary].name : "nobody", v->evidence);
		give_up(s, why);
	}
	return true;
}

static bool drained(struct switchover *s)
{
	if (!s->asking)
		s->asking = core_blockers(s->o.core, s->from, on_blockers, s) == 0;
	return false;
}

/* A no holds as long as the old primary is there: else it is under way all the same. */
static bool moved(struct switchover *s, int64_t now)
{
	bool held = cluster_view(cluster_of(s))->state == CLUSTER_SWITCHING;
	char why[256];
	if (s->refused && held) {
		child_free(&s->child);
		give_up(s, s->why);
		return true;
	}
	if (now - s->phase_us < s->o.limit_us)
		return false;
	if (s->child && s->phase == SW_MOVE && child_runs(s->child)) {
		child_ask_to_end(s->child);
		s->phase = SW_STOP;
		return false;
	}
	if (s->child && child_runs(s->child) && now - s->phase_us < s->o.limit_us + STOP_US)
		return false;
	child_free(&s->child);
	snprintf(why, sizeof why, "there was no new primary within %g s%s%.180s",
		(double)s->o.limit_us / 1e6, s->refused ? "; " : "", s->refused ? s->why : "");
	give_up(s, why);
	return true;
}

static void on_tick(struct timer *t, void *arg)
{
	struct switchover *s = arg;
	if (look(s) || (s->phase == SW_DRAIN ? drained(s) : moved(s, clock_mono_us())))
		return;
	timer_set(s->o.loop, t, loop_now_us(s->o.loop) + TICK_US);
}

/* ---- the beginning ---- */

static int check(const struct switchover_opts *o, const struct cluster_view *v, struct err *e)
{
	if (!*o->command && !monitor_mover(o->monitor) && !is_galera(o->monitor)) {
		err_set(e, ERR_UNSUPPORTED,
			"cluster %.60s has neither Patroni nor a group nor a switchover_command",
			o->cluster);
		return err_hint(e, "Move the primary yourself: weirpool follows.");
	}
	if (*o->slot)
		return err_set(e, ERR_NOT_ALLOWED, "a switchover of cluster %.60s is under way%s",
			o->cluster,
			(*o->slot)->phase == SW_AFTER ? ": its command has not ended" : "");
	if ((int)o->to != v->primary && v->node[o->to].reads && v->node[o->to].fresh != FRESH_OK)
		return err_set(e, ERR_NOT_ALLOWED, "%.80s is not fresh enough to be primary: %s",
			v->node[o->to].name, fresh_state_name(v->node[o->to].fresh));
	return 0;
}

static const char *copy(const char *s)
{
	return s ? mem_xstrdup(MEM_CONF, s) : NULL;
}

int switchover_begin(const struct switchover_opts *o, const struct topo_cluster *tc,
	admin_switched *done, void *arg, struct err *e)
{
	struct cluster *c = monitor_cluster(o->monitor);
	const struct cluster_view *v = cluster_view(c);
	int from = v->primary;
	uint64_t epoch = v->epoch;
	if (check(o, v, e) != 0 || cluster_switch_begin(c, o->to, clock_mono_us(), e) != 0)
		return -1;
	struct switchover *s = mem_xalloc(MEM_CONF, sizeof *s);
	s->o = *o;
	s->o.cluster = tc->cluster->name;
	s->o.command = copy(o->command);
	s->o.user = copy(o->user);
	s->o.password = copy(o->password);
	s->o.auth = copy(o->auth);
	s->from = tc->node[from];
	s->to = tc->node[o->to];
	s->epoch = epoch;
	s->begun_us = clock_mono_us();
	s->done = done;
	s->arg = arg;
	*o->slot = s;
	log_event(EVENT_SWITCHOVER, "cluster %s: switchover from %s to %s by %s", s->o.cluster,
		s->from->where, s->to->where, by(s));
	monitor_changed(o->monitor);
	timer_init(&s->timer, on_tick, s);
	timer_set(o->loop, &s->timer, loop_now_us(o->loop) + TICK_US);
	return 0;
}

void switchover_abort(struct switchover *s, const char *why, bool last)
{
	struct err e = { 0 };
	if (!s)
		return;
	s->asking = s->asking && !last;
	if (s->phase == SW_AFTER && last) {
		child_leave(&s->child);
		leave(s);
		return;
	}
	if (s->phase == SW_AFTER) { /* it goes on, and nobody knows of it any more */
		*s->o.slot = NULL;
		s->o.slot = NULL;
		return;
	}
	child_free(&s->child);
	err_set(&e, ERR_NOT_ALLOWED, "switchover to %.80s was given up: %s", s->to->where, why);
	over(s, &e);
}
