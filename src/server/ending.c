/* ending - from "stop" to the end of the process: what is announced, how long new clients still
 * come in, how long the others may stay. Ignorant of who says stop and how. Control thread.
 *
 * A gateway (clients come through a balancer) is not ready at once, but takes clients for
 * drain_delay more: balancers need that long to look elsewhere. Then it drains. A sidecar (its
 * clients run beside it, in the same pod) takes clients until they are gone: the application that
 * ends at the same time may need the database for its last words. */
#include "server_int.h"

#include <stdlib.h>

#define POLL_US 50000 /* is everybody gone? */
#define STOP_GRACE_US 1000000
#define DELAY_US 5000000 /* drain_delay, where somebody asks whether we are ready */

static const struct conf *conf_of(const struct ending *e)
{
	return e->core->gen->conf;
}

static bool is_sidecar(const struct conf *conf)
{
	switch (conf->global.shutdown_mode) {
	case CONF_SHUTDOWN_GATEWAY: return false;
	case CONF_SHUTDOWN_SIDECAR: return true;
	case CONF_SHUTDOWN_AUTO: break;
	}
	/* In a pod. Elsewhere systemd does not wait for clients of the same machine. */
	return getenv("KUBERNETES_SERVICE_HOST") && conf_is_local(conf);
}

static int64_t delay_us(const struct conf *conf)
{
	const struct conf_global *g = &conf->global;
	if (conf_is_set(conf, "drain_delay"))
		return g->drain_delay_us;
	return conf_is_set(conf, "http_port") && g->http_port ? DELAY_US : 0;
}

static void look_soon(struct ending *e)
{
	timer_set(e->loop, &e->poll, loop_now_us(e->loop) + POLL_US);
}

bool ending_begun(const struct ending *e)
{
	return e->since_us != 0;
}

static void begin(struct ending *e)
{
	int64_t limit = conf_of(e)->global.shutdown_timeout_us;
	if (ending_begun(e))
		return;
	notify_send("STOPPING=1");
	e->since_us = loop_now_us(e->loop);
	e->limit_us = limit ? e->since_us + limit : 0;
}

static void each_nothing(struct worker *w, void *part, void *arg)
{
	(void)w;
	(void)part;
	(void)arg;
}

static void unlistened(struct scatter *s)
{
	struct ending *e = s->arg;
	sockets_close(e->sockets, conf_of(e));
}

/* No worker accepts any more, once it has read this message behind that of the state: who comes now
 * must be refused, not wait in the kernel for nobody. */
static void refuse_clients(struct ending *e)
{
	if (!e->refuses)
		e->refuses = core_scatter(e->core, 1, each_nothing, unlistened, e) == 0;
}

void ending_to(struct ending *e, enum core_state how)
{
	if (how <= e->state && e->state != CORE_RUNNING)
		return;
	begin(e);
	upgrade_say_end(e->upgrade, how);
	e->phase = ENDING_CORE;
	e->state = how;
	if (how == CORE_STOP)
		e->limit_us = loop_now_us(e->loop) + STOP_GRACE_US;
	else if (how != CORE_DRAIN)
		e->limit_us = 0;
	core_set_state(e->core, how);
	refuse_clients(e);
	look_soon(e);
}

void ending_announce(struct ending *e)
{
	const struct conf *conf = conf_of(e);
	if (ending_begun(e))
		return;
	if (e->state == CORE_HANDED) { /* clients go to the other process already */
		ending_to(e, CORE_DRAIN);
		return;
	}
	begin(e);
	if (upgrade_under_way(e->upgrade))
		upgrade_say_end(e->upgrade, CORE_DRAIN);
	if (is_sidecar(conf)) {
		log_event(EVENT_ENDING, "until they have left, clients are served as before");
		e->phase = ENDING_LINGER;
		e->empty_us = e->since_us;
	} else if (delay_us(conf)) {
		log_event(EVENT_ENDING, "new clients are taken for %lld ms more",
			(long long)(delay_us(conf) / 1000));
		e->phase = ENDING_DELAY;
		e->drain_us = e->since_us + delay_us(conf);
	} else {
		ending_to(e, CORE_DRAIN);
		return;
	}
	look_soon(e);
}

void ending_hand(struct ending *e)
{
	int64_t limit = conf_of(e)->global.upgrade_drain_timeout_us;
	e->phase = ENDING_CORE;
	e->state = CORE_HANDED;
	e->limit_us = limit ? loop_now_us(e->loop) + limit : 0;
	core_set_state(e->core, CORE_HANDED);
	look_soon(e);
}

bool ending_take_back(struct ending *e)
{
	if (e->state != CORE_HANDED)
		return false;
	e->phase = ENDING_NOT;
	e->state = CORE_RUNNING;
	e->limit_us = 0;
	core_set_state(e->core, CORE_RUNNING);
	return true;
}

static bool is_empty(const struct ending *e, unsigned clients)
{
	unsigned links = core_n_links(e->core, NULL);
	return e->state == CORE_WAIT_SERVERS ? links == 0
	       : e->state == CORE_STOP       ? clients + links == 0
					     : clients == 0;
}

/* True: nothing is left to wait for. */
static bool look(struct ending *e, int64_t now, unsigned clients)
{
	switch (e->phase) {
	case ENDING_NOT: return false;
	case ENDING_DELAY:
		if (now >= e->drain_us)
			ending_to(e, CORE_DRAIN);
		return false;
	case ENDING_LINGER:
		if (clients)
			e->empty_us = now;
		return now - e->empty_us >= conf_of(e)->global.sidecar_linger_us;
	case ENDING_CORE: break;
	}
	return is_empty(e, clients);
}

/* The time is over. True: that was the last one. */
static bool go_further(struct ending *e, unsigned clients)
{
	if (e->state == CORE_STOP)
		return true;
	if (e->state == CORE_HANDED) {
		log_event(EVENT_ENDING, "upgrade_drain_timeout: draining %u clients", clients);
		ending_to(e, CORE_DRAIN);
		return false;
	}
	log_event(EVENT_SHUTDOWN_TIMEOUT,
		"shutdown_timeout: %u clients are still busy, closing them", clients);
	e->cut_n = clients;
	ending_to(e, CORE_STOP);
	return false;
}

static void on_poll(struct timer *t, void *arg)
{
	struct ending *e = arg;
	int64_t now = loop_now_us(e->loop);
	unsigned clients = core_n_sessions(e->core);
	(void)t;
	if (e->phase == ENDING_NOT) /* taken back */
		return;
	/* a service manager would end the process before this one with us */
	bool done = look(e, now, clients) &&
		    (e->state == CORE_STOP ||
			    (!upgrade_other_lives(e->upgrade) && !upgrade_moves(e->upgrade)));
	if (!done && e->limit_us && now >= e->limit_us)
		done = go_further(e, clients);
	if (done)
		loop_stop(e->loop);
	else
		look_soon(e);
}

void ending_init(struct ending *e, struct loop *loop, struct core *core, struct sockets *sockets)
{
	*e = (struct ending){
		.loop = loop, .core = core, .sockets = sockets, .state = CORE_RUNNING
	};
	timer_init(&e->poll, on_poll, e);
}

const char *ending_why(const struct ending *e)
{
	switch (e->phase) {
	case ENDING_NOT: return NULL;
	case ENDING_DELAY: return "weirpool is shutting down: no new clients soon";
	case ENDING_LINGER: return "weirpool is shutting down: it waits for its clients to leave";
	case ENDING_CORE: break;
	}
	return e->state == CORE_HANDED ? "weirpool was upgraded: another process serves"
				       : "weirpool is shutting down";
}

void ending_say(const struct ending *e)
{
	int64_t us = e->since_us ? loop_now_us(e->loop) - e->since_us : 0;
	log_event(EVENT_STOPPED, "shutdown complete after %.1f s, %u clients were cut off",
		(double)us / 1e6, e->cut_n);
}
