/* proxysql_int - ProxySQL's names for what is known here: the servers that MySQL's entries lead to,
 * as rows that several of its tables are made of. Control thread. */
#ifndef PROXYSQL_INT_H
#define PROXYSQL_INT_H
#include "admin_int.h"

#include <string.h>

/* weirpool has no hostgroups: what writes go to, and what is only read from. */
enum { PROXYSQL_WRITER, PROXYSQL_READER };

/* As ProxySQL counts them, since the start or the last ..._reset. */
struct proxysql_counts {
	uint64_t made, failed, queries, sent, received; /* bytes to and from the server */
};
struct proxysql_server {
	char where[96], host[80];
	unsigned port, weight;
	int hostgroup;
	const char *status;
	bool compression, tls;
	int64_t max_connections; /* over all entries; 0: no limit */
	int64_t max_lag_s, rtt_us;
	char entries[160]; /* "a, b": which lead here */
	unsigned used, free;
	bool shared; /* its pools have several servers: what they count is of no single one */
	struct proxysql_counts n;
};
/* Those of the configuration as they are now, each once. The caller's. */
void proxysql_servers_list(struct admin *a, struct proxysql_servers *all);
void proxysql_servers_fini(struct proxysql_servers *all);
/* By "host:port"; NULL: it is not (any more) in the configuration. */
struct proxysql_server *proxysql_server_find(struct proxysql_servers *all, const char *where);
/* One of those that are not; NULL: out of memory. */
struct proxysql_server *proxysql_server_gone(
	struct proxysql_servers *all, const char *host, unsigned port);
void proxysql_where(const char *host, unsigned port, char out[96]);

static inline bool proxysql_is_mysql(const struct dbase *db)
{
	return strcmp(db->ops->name, "mysql") == 0;
}

/* A table whose reading begins the counts anew, which is done by SELECT only (a page that is looked
 * at must not), and only when its columns are there. False: r is answered. */
bool proxysql_may_reset(struct core_console *r);
#endif
