/* cmd_show_conn - SHOW CLIENTS, SERVERS, SOCKETS, ACTIVE_SOCKETS, FDS, PINS, WAITS: one row per
 * connection. Ignorant of how the facts were gathered (collect.c). Control thread. */
#include "admin_int.h"

#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CONN_COLUMNS \
	"type user database replication state addr port local_addr local_port connect_time " \
	"request_time wait wait_us close_needed ptr link remote_pid tls application_name " \
	"prepared_statements id"
#define CONN_TYPES "ssssssisiTTiiississii"
#define SOCKET_COLUMNS " recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail"

enum view { VIEW_CLIENTS, VIEW_SERVERS, VIEW_SOCKETS, VIEW_FDS, VIEW_PINS, VIEW_WAITS };

static int as_int(uint64_t v)
{
	return v > INT_MAX ? INT_MAX : (int)v;
}

/* ---- words ---- */

static const char *client_state(const struct conn_fact *f)
{
	switch (f->cst) {
	case SESSION_LOGIN: return "login";
	case SESSION_IDLE: return "idle";
	case SESSION_WAITING: return "waiting";
	case SESSION_ACTIVE: return "active";
	case SESSION_CLOSING:
	case SESSION_N: break;
	}
	return "closing";
}

static const char *client_socket_state(const struct conn_fact *f)
{
	return f->cst == SESSION_LOGIN     ? "cl_login"
	       : f->cst == SESSION_WAITING ? "cl_waiting"
					   : "cl_active";
}

static const char *server_state(const struct conn_fact *f, bool socket)
{
	switch (f->lst) {
	case LINK_CONNECTING:
	case LINK_LOGIN: return socket ? "sv_login" : "new";
	case LINK_IDLE: return socket ? "sv_idle" : "idle";
	case LINK_ACTIVE: return socket ? "sv_active" : "active";
	case LINK_CLEANING: return socket ? "sv_tested" : "tested";
	case LINK_CANCELED: return socket ? "sv_being_canceled" : "being_canceled";
	case LINK_MOVING:
	case LINK_CLOSING:
	case LINK_N: break;
	}
	return socket ? "sv_idle" : "idle";
}

/* "listen,temp" */
static void pin_text(uint32_t pins, char *out, size_t n)
{
	size_t at = 0;
	*out = '\0';
	for (int p = 0; p < PIN_N; p++)
		if (pins & 1u << p && at < n) {
			int len = snprintf(out + at, n - at, "%s%s", at ? "," : "",
				proto_pin_name((enum proto_pin)p));
			at += len > 0 ? (size_t)len : 0;
		}
}

static unsigned port_of(const struct conn_fact *f, const struct addr *a, unsigned listen_port)
{
	if (addr_is_unix(a))
		return f->type == 'C' ? listen_port : 0;
	return addr_port(a);
}

/* ---- rows ---- */

static void set_time(struct rowset *rs, char **row, unsigned col, int64_t wall_us)
{
	char text[40];
	rowset_set(rs, row, col, wall_us ? clock_format_s(wall_us, text, sizeof text) : NULL);
}

static void set_ptr(struct rowset *rs, char **row, unsigned col, char type, uint32_t id)
{
	if (id)
		rowset_setf(rs, row, col, "0x%" PRIx64, ptr_of(type, id));
	else
		rowset_set(rs, row, col, "");
}

static char **conn_row(struct rowset *rs, const struct conn_fact *f, bool socket, int listen_port)
{
	static const char *const replication[] = { "none", "physical", "logical" };
	char host[64];
	unsigned port = (unsigned)listen_port;
	char **row = rowset_row(rs);
	if (!row)
		return NULL;
	rowset_setf(rs, row, 0, "%c", f->type);
	rowset_set(rs, row, 1, f->user ? f->user : "(nouser)");
	rowset_set(rs, row, 2, f->db ? f->db : "(nodb)");
	rowset_set(rs, row, 3, replication[f->replication % 3]);
	rowset_set(rs, row, 4,
		f->type == 'S' ? server_state(f, socket)
		: socket       ? client_socket_state(f)
			       : client_state(f));
	rowset_set(rs, row, 5, addr_host(&f->addr, host, sizeof host));
	rowset_setf(rs, row, 6, "%u", port_of(f, &f->addr, port));
	rowset_set(rs, row, 7, addr_host(&f->local, host, sizeof host));
	rowset_setf(rs, row, 8, "%u", port_of(f, &f->local, port));
	set_time(rs, row, 9, f->connect_us);
	set_time(rs, row, 10, f->request_us);
	rowset_setf(rs, row, 11, "%d", as_int((uint64_t)f->wait_us / 1000000));
	rowset_setf(rs, row, 12, "%d", (int)(f->wait_us % 1000000));
	rowset_set(rs, row, 13, f->close_needed ? "1" : "0");
	set_ptr(rs, row, 14, f->type, f->id);
	set_ptr(rs, row, 15, f->type == 'C' ? 'S' : 'C', f->link_id);
	rowset_setf(rs, row, 16, "%d", as_int(f->remote_pid));
	rowset_set(rs, row, 17, f->tls_text);
	rowset_set(rs, row, 18, f->app_name);
	rowset_setf(rs, row, 19, "%d", as_int(f->statements));
	rowset_setf(rs, row, 20, "%d", as_int(f->id));
	return row;
}

static void socket_row(struct rowset *rs, const struct conn_fact *f, int listen_port)
{
	char **row = conn_row(rs, f, true, listen_port);
	rowset_setf(rs, row, 21, "%d", as_int(f->in_bytes));
	rowset_set(rs, row, 22, "0");
	rowset_set(rs, row, 23, "0");
	rowset_set(rs, row, 24, "0");
	rowset_setf(rs, row, 25, "%d", as_int(f->out_bytes));
	rowset_setf(rs, row, 26, "%d", as_int(f->in_bytes));
	rowset_setf(rs, row, 27, "%d", as_int(f->out_bytes));
}

/* Cancel keys, passwords and SCRAM keys are columns of PgBouncer's; they are never shown. */
static void fd_row(struct rowset *rs, const struct conn_fact *f, int listen_port)
{
	char host[64];
	if (f->tls || *f->coding || f->console)
		return; /* could not be taken over */
	char **row = rowset_row(rs);
	rowset_setf(rs, row, 0, "%d", f->fd);
	rowset_set(rs, row, 1, f->type == 'S' ? "server" : "client");
	rowset_set(rs, row, 2, f->user);
	rowset_set(rs, row, 3, f->db);
	rowset_set(rs, row, 4, addr_host(&f->addr, host, sizeof host));
	rowset_setf(rs, row, 5, "%u", port_of(f, &f->addr, (unsigned)listen_port));
	rowset_set(rs, row, 6, "0");
	rowset_setf(rs, row, 7, "%d", f->link_id ? f->link_fd : 0);
	rowset_set(rs, row, 8, *f->encoding ? f->encoding : NULL);
	rowset_set(rs, row, 9, *f->std_strings ? f->std_strings : NULL);
	rowset_set(rs, row, 10, *f->datestyle ? f->datestyle : NULL);
	rowset_set(rs, row, 11, *f->timezone ? f->timezone : NULL);
}

static void listener_rows(struct core_console *r)
{
	struct rowset *rs = &r->result;
	char host[64];
	for (unsigned i = 0; i < r->core->n_listen; i++) {
		struct addr a;
		char **row = rowset_row(rs);
		addr_local(&a, r->core->listen[i].fd);
		rowset_setf(rs, row, 0, "%d", r->core->listen[i].fd);
		rowset_set(rs, row, 1, "pooler");
		rowset_set(rs, row, 4, addr_host(&a, host, sizeof host));
		rowset_setf(rs, row, 5, "%u",
			addr_is_unix(&a) ? (unsigned)admin_conf(r)->global.listen_port
					 : addr_port(&a));
		rowset_set(rs, row, 6, "0");
		rowset_set(rs, row, 7, "0");
	}
}

static void pin_row(struct rowset *rs, const struct conn_fact *f, int listen_port)
{
	char text[256], host[64];
	if (!f->pins)
		return;
	char **row = rowset_row(rs);
	pin_text(f->pins, text, sizeof text);
	rowset_setf(rs, row, 0, "%d", as_int(f->id));
	rowset_set(rs, row, 1, f->user);
	rowset_set(rs, row, 2, f->db);
	rowset_set(rs, row, 3, addr_host(&f->addr, host, sizeof host));
	rowset_setf(rs, row, 4, "%u", port_of(f, &f->addr, (unsigned)listen_port));
	rowset_set(rs, row, 5, text);
	set_time(rs, row, 6, f->pinned_us);
	set_ptr(rs, row, 7, f->type, f->id);
	set_ptr(rs, row, 8, 'S', f->link_id);
	rowset_set(rs, row, 9, f->app_name);
}

/* Why a client of this pool has to wait. */
static void set_reason(struct core_console *r, char **row, unsigned col, struct pool *o)
{
	struct rowset *rs = &r->result;
	unsigned open = atomic_load(&o->open), limit = atomic_load(&o->limit);
	if (atomic_load(&r->core->state) == CORE_SUSPENDED)
		rowset_set(rs, row, col, "suspended");
	else if (atomic_load(&r->core->paused) || atomic_load(&o->db->paused))
		rowset_set(rs, row, col, "paused");
	else if (atomic_load(&o->failures) > 0) {
		char text[sizeof o->last_err.msg];
		pthread_mutex_lock(&o->err_lock);
		memcpy(text, o->last_err.msg, sizeof text);
		pthread_mutex_unlock(&o->err_lock);
		rowset_setf(rs, row, col, "cannot connect: %s", text);
	} else if (open >= limit)
		rowset_setf(rs, row, col, "pool_size: %u of %u are open", open, limit);
	else
		rowset_set(rs, row, col, "a server connection is being made or cleaned");
}

static void wait_row(struct core_console *r, const struct conn_fact *f, int listen_port)
{
	struct rowset *rs = &r->result;
	char host[64];
	if (f->cst != SESSION_WAITING || !f->pool)
		return;
	char **row = rowset_row(rs);
	if (!row)
		return;
	rowset_setf(rs, row, 0, "%d", as_int(f->id));
	rowset_set(rs, row, 1, f->user);
	rowset_set(rs, row, 2, f->db);
	rowset_set(rs, row, 3, addr_host(&f->addr, host, sizeof host));
	rowset_setf(rs, row, 4, "%u", port_of(f, &f->addr, (unsigned)listen_port));
	rowset_setf(rs, row, 5, "%d", as_int((uint64_t)f->wait_us / 1000000));
	rowset_setf(rs, row, 6, "%d", (int)(f->wait_us % 1000000));
	set_reason(r, row, 7, f->pool);
	rowset_setf(rs, row, 8, "%d", as_int(atomic_load(&f->pool->open)));
	rowset_setf(rs, row, 9, "%d", as_int(atomic_load(&f->pool->limit)));
	set_ptr(rs, row, 10, f->type, f->id);
	rowset_set(rs, row, 11, f->app_name);
}

static bool with_ours(const struct core_console *r)
{
	return admin_conf(r)->global.console_columns == CONF_COLUMNS_WEIRPOOL;
}

static void put_row(struct core_console *r, enum view view, const struct conn_fact *f)
{
	struct rowset *rs = &r->result;
	int port = admin_conf(r)->global.listen_port;
	char text[256];
	char **row;
	switch (view) {
	case VIEW_CLIENTS:
		row = conn_row(rs, f, false, port);
		pin_text(f->pins, text, sizeof text);
		if (!with_ours(r))
			break;
		rowset_set(rs, row, 21, text);
		rowset_set(rs, row, 22, f->ops->name);
		rowset_setf(rs, row, 23, "%d", as_int(f->number));
		rowset_set(rs, row, 24, f->coding);
		break;
	case VIEW_SERVERS:
		row = conn_row(rs, f, false, port);
		if (!with_ours(r))
			break;
		rowset_set(rs, row, 21, f->ops->name);
		rowset_set(rs, row, 22, f->coding);
		break;
	case VIEW_SOCKETS: socket_row(rs, f, port); break;
	case VIEW_FDS: fd_row(rs, f, port); break;
	case VIEW_PINS: pin_row(rs, f, port); break;
	case VIEW_WAITS: wait_row(r, f, port); break;
	}
}

/* ---- commands ---- */

static void each(struct worker *w, void *part, void *arg)
{
	const struct admin_ask *q = arg;
	collect_conns(w, part, (unsigned)q->id);
}

static void done(struct scatter *s)
{
	const struct admin_ask *q = admin_ask_of(s);
	struct core_console *r = q->r;
	bool ok = true;
	if (q->what == VIEW_FDS)
		listener_rows(r);
	for (unsigned i = 0; i < s->n; i++) {
		struct conn_part *p = scatter_part(s, i);
		for (size_t j = 0; j < p->n; j++)
			put_row(r, (enum view)q->what, &p->v[j]);
		ok = ok && !p->no_memory;
		collect_conns_fini(p);
	}
	admin_ask_free(s);
	if (ok)
		admin_done(r, "SHOW");
	else
		admin_fail(r, ERR_NO_MEMORY, "out of memory");
}

static void ask(struct core_console *r, enum view view, unsigned what)
{
	struct admin_ask q = { .what = view, .id = what };
	admin_ask(r, &q, sizeof(struct conn_part), each, done);
}

void show_clients(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, CONN_TYPES, CONN_COLUMNS);
	if (with_ours(r))
		admin_cols(&r->result, "ssis", "pins protocol connection_id compression");
	ask(r, VIEW_CLIENTS, COLLECT_CLIENTS);
}

void show_servers(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, CONN_TYPES, CONN_COLUMNS);
	if (with_ours(r))
		admin_cols(&r->result, "ss", "protocol compression");
	ask(r, VIEW_SERVERS, COLLECT_SERVERS);
}

void show_sockets(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, CONN_TYPES "iiiiiii", CONN_COLUMNS SOCKET_COLUMNS);
	ask(r, VIEW_SOCKETS, COLLECT_CLIENTS | COLLECT_LOGINS | COLLECT_SERVERS);
}

void show_active_sockets(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, CONN_TYPES "iiiiiii", CONN_COLUMNS SOCKET_COLUMNS);
	ask(r, VIEW_SOCKETS, COLLECT_CLIENTS | COLLECT_LOGINS | COLLECT_SERVERS | COLLECT_BUFFERED);
}

void show_fds(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "issssiqisssssbb",
		"fd task user database addr port cancel link client_encoding std_strings datestyle "
		"timezone password scram_client_key scram_server_key");
	ask(r, VIEW_FDS, COLLECT_CLIENTS | COLLECT_LOGINS | COLLECT_SERVERS);
}

void show_pins(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "isssisTsss",
		"id user database addr port pins since ptr link application_name");
	ask(r, VIEW_PINS, COLLECT_CLIENTS);
}

void show_waits(struct core_console *r, const struct cmd_line *l)
{
	(void)l;
	admin_cols(&r->result, "isssiiisiiss",
		"id user database addr port wait wait_us waits_for open pool_size ptr "
		"application_name");
	ask(r, VIEW_WAITS, COLLECT_CLIENTS);
}
