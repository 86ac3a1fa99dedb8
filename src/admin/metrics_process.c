/* metrics_process - rows of the process: what the kernel counts, the log, reloads, certificates,
 * and the lists of pgbouncer_exporter. Control thread. */
#include "metrics_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what the kernel knows ---- */

static unsigned open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and d itself */
}

static void put_memory(struct metric_row *row)
{
	unsigned long long total, resident;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%llu %llu", &total, &resident) == 2) {
		double page = (double)sysconf(_SC_PAGESIZE);
		row->v[V_VIRTUAL] = (double)total * page;
		row->v[V_RSS] = (double)resident * page;
	}
	if (f)
		fclose(f);
}

static void put_usage(struct metric_row *row)
{
	struct rusage u;
	struct rlimit lim;
	if (getrusage(RUSAGE_SELF, &u) == 0)
		row->v[V_CPU] = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
				(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0)
		row->v[V_FDS_MAX] = (double)lim.rlim_cur;
	row->v[V_FDS] = open_fds();
	put_memory(row);
}

/* ---- what the workers add up to ---- */

static struct metrics_part sum_of(struct scatter *s)
{
	struct metrics_part sum = { 0 };
	for (unsigned i = 0; i < s->n; i++) {
		const struct metrics_part *p = scatter_part(s, i);
		for (int st = 0; st < SESSION_N; st++)
			sum.pools.state_n[st] += p->pools.state_n[st];
		sum.pools.clients += p->pools.clients;
		sum.pools.logins += p->pools.logins;
		sum.pools.servers += p->pools.servers;
		sum.pools.cancels += p->pools.cancels;
		sum.pools.dns_names += p->pools.dns_names;
		sum.pools.dns_pending += p->pools.dns_pending;
		sum.pinned += p->pinned;
	}
	return sum;
}

static void fill_sessions(struct admin *a, const struct metrics_part *sum, struct metric_rows *all)
{
	struct metric_row *row = metric_row_add(all, SCOPE_CLIENT, NULL);
	if (!row)
		return;
	row->v[V_CL_LOGIN] = sum->pools.state_n[SESSION_LOGIN];
	row->v[V_CL_IDLE] = sum->pools.state_n[SESSION_IDLE];
	row->v[V_CL_WAITING] = sum->pools.state_n[SESSION_WAITING];
	row->v[V_CL_ACTIVE] = sum->pools.state_n[SESSION_ACTIVE];
	row->v[V_CL_PINNED] = sum->pinned;
	row->v[V_SERVERS] = sum->pools.servers;
	row->v[V_CANCELS] = sum->pools.cancels;
	row->v[V_CLIENTS_MAX] = a->core->gen->conf->global.max_client_conn;
}

static void fill_process(struct admin *a, const struct metrics_part *sum, struct metric_rows *all)
{
	struct core *c = a->core;
	int state = atomic_load(&c->state);
	struct metric_row *row = metric_row_add(all, SCOPE_PROCESS, NULL);
	if (!row)
		return;
	put_usage(row);
	row->v[V_DNS_NAMES] = sum->pools.dns_names;
	row->v[V_DNS_PENDING] = sum->pools.dns_pending;
	row->v[V_START] = (double)a->started_us / 1e6;
	row->v[V_WORKERS] = c->n_workers;
	row->v[V_PAUSED] = atomic_load(&c->paused);
	row->v[V_SUSPENDED] = state == CORE_SUSPENDED;
	row->v[V_ENDING] = state >= CORE_WAIT_CLIENTS;
	row->v[V_SERIES_MAX] = c->gen->conf->global.metrics_max_pools;
	row->v[V_LOG_LOST] = (double)log_lost();
	row->v[V_TRACES_WAITING] = c->traces.waiting;
	row->v[V_TRACES_SENT] = (double)c->traces.sent;
	row->v[V_TRACES_DROPPED] = (double)atomic_load(&c->traces.dropped);
	row->v[V_TRACES_LOST] = (double)c->traces.lost;
	row->v[V_TRACES_REJECTED] = (double)c->traces.rejected;
	row->v[V_RELOADS] = (double)a->reloads.n;
	row->v[V_RELOADS_FAILED] = (double)a->reloads.failed;
	row->v[V_RELOAD_OK] = a->reloads.ok;
	row->v[V_RELOAD_TIME] = (double)a->reloads.wall_us / 1e6;
}

static void fill_certificate(const struct tls_ctx *ctx, const char *option, struct metric_rows *all)
{
	int64_t at_s;
	if (!ctx || !tls_ctx_expiry(ctx, &at_s))
		return;
	struct metric_row *row = metric_row_add(all, SCOPE_CERT, &option);
	if (row)
		row->v[0] = (double)at_s;
}

static void fill_memory(struct metric_rows *all)
{
	for (int t = 0; t < MEM_N; t++) {
		const char *labels[] = { mem_name((enum mem_type)t) };
		struct metric_row *row = metric_row_add(all, SCOPE_MEMORY, labels);
		if (row)
			row->v[0] = (double)mem_bytes((enum mem_type)t);
	}
}

/* ---- as pgbouncer_exporter has it ---- */

static void fill_pgb(struct core *c, const struct metrics_part *sum, struct metric_rows *all)
{
	const char *version[] = { c->version };
	struct metric_row *row = metric_row_add(all, SCOPE_PGB_VERSION, version);
	if (row)
		row->v[0] = 1;
	row = metric_row_add(all, SCOPE_VERSION, version);
	if (row)
		row->v[0] = 1;
	row = metric_row_add(all, SCOPE_PGB_PROCESS, NULL);
	if (!row)
		return;
	pthread_mutex_lock(&c->lock);
	size_t pools = hmap_size(&c->pools);
	pthread_mutex_unlock(&c->lock);
	row->v[V_L_UP] = 1;
	row->v[V_L_DATABASES] = (double)names_count(c, NAMES_DATABASES);
	row->v[V_L_USERS] = (double)names_count(c, NAMES_USERS);
	row->v[V_L_POOLS] = (double)pools + 1;
	row->v[V_L_FREE_CLIENTS] = row->v[V_L_FREE_SERVERS] = row->v[V_L_DNS_ZONES] = 0;
	row->v[V_L_USED_CLIENTS] = sum->pools.clients - sum->pools.logins;
	row->v[V_L_LOGIN_CLIENTS] = sum->pools.logins;
	row->v[V_L_USED_SERVERS] = sum->pools.servers;
	row->v[V_L_DNS_NAMES] = sum->pools.dns_names;
	row->v[V_L_DNS_QUERIES] = sum->pools.dns_pending;
	row->v[V_L_MAX_CLIENT_CONN] = c->gen->conf->global.max_client_conn;
	row->v[V_L_MAX_USER_CONN] = c->gen->conf->settings.max_user_connections;
}

void metrics_fill_process(struct admin *a, struct scatter *s, struct metric_rows *all)
{
	struct metrics_part sum = sum_of(s);
	fill_process(a, &sum, all);
	fill_sessions(a, &sum, all);
	fill_memory(all);
	fill_certificate(a->core->gen->client_tls, "client_tls_cert_file", all);
	fill_certificate(a->core->gen->http_tls, "http_tls_cert_file", all);
	fill_certificate(a->core->gen->otlp_tls, "otlp_tls_cert_file", all);
	fill_certificate(a->core->gen->patroni_tls, "patroni_tls_cert_file", all);
	fill_pgb(a->core, &sum, all);
}
