/* pg - the table of PostgreSQL's operations. Ignorant of everything: each is defined elsewhere in
 * this folder (pg_login_int.h, pg_int.h). */
#include "explain.h"
#include "pg_login_int.h"

static int client_conf(void *cst, const struct proto_client_conf *c, struct err *e)
{
	if (pg_client_keep_notice(cst, c->login_notice, e))
		return -1;
	return pg_client_conf(cst, c, e);
}

/* A client waits for the answer to its SSLRequest: what comes before is no handshake's. */
static size_t client_want(const void *cst, const uint8_t *p, size_t n)
{
	(void)cst;
	(void)p;
	(void)n;
	return SIZE_MAX;
}

/* Everything that a session can ask for can be set on any link. */
static unsigned client_link_class(const void *cst)
{
	(void)cst;
	return 0;
}

/* Parameters are told to each client from what its own pool's servers said. */
static bool link_facts(const void *lst, struct buf *out)
{
	(void)lst;
	(void)out;
	return false;
}

const struct proto_ops proto_pg = {
	.name = "postgresql",
	.key_names_link = true,
	.id = 0,
	.port = 5432,
	.alpn = "postgresql",
	.probe_sql = "SELECT 'PostgreSQL ' || pg_catalog.current_setting('server_version'), "
		     "CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'replica' ELSE 'primary' END, "
		     "current_user",
	.query_prologue = "SET search_path = pg_catalog, pg_temp", /* CVE-2025-12819 */
	.client_size = sizeof(struct pg_client),
	.link_size = sizeof(struct pg_link),
	.env_new = pg_env_new,
	.env_set = pg_env_set,
	.env_free = pg_env_free,
	.client_init = pg_client_init,
	.client_fini = pg_client_fini,
	.client_step = pg_client_step,
	.client_want = client_want,
	.client_tls_answer = pg_client_tls_answer,
	.client_login = pg_client_login,
	.client_auth = pg_client_auth,
	.client_auth_result = pg_client_auth_result,
	.client_creds = pg_client_creds,
	.client_conf = client_conf,
	.client_ready = pg_client_ready,
	.client_params = pg_client_params,
	.client_key_size = pg_client_key_size,
	.client_link_class = client_link_class,
	.cache_export = pg_cache_export,
	.cache_import = pg_cache_import,
	.cache_free = pg_cache_free,
	.link_init = pg_link_init,
	.link_fini = pg_link_fini,
	.link_step = pg_link_step,
	.link_facts = link_facts,
	.link_tls_done = pg_link_tls_done,
	.up = pg_up,
	.down = pg_down,
	.attach = pg_attach,
	.link_release = pg_link_release,
	.detach = pg_detach,
	.client_pins = pg_client_pins,
	.client_mid_message = pg_client_mid_message,
	.client_confine = pg_client_confine,
	.client_only_read = pg_client_only_read,
	.client_lost = pg_client_lost,
	.client_relisten = pg_client_relisten,
	.client_fail_request = pg_client_fail_request,
	.client_answer = pg_client_answer,
	.client_in_request = pg_client_in_request,
	.link_owes = pg_link_owes,
	.link_requests = pg_link_requests,
	.link_mid_reply = pg_link_mid_reply,
	.link_tx = pg_link_tx,
	.link_abort = pg_link_abort,
	.link_clean = pg_link_clean,
	.link_query = pg_link_query,
	.link_ping = pg_link_ping,
	.link_cancel_key = pg_link_cancel_key,
	.put_cancel = pg_put_cancel,
	.put_bye = pg_put_bye,
	.link_spoiled = pg_link_spoiled,
	.client_move_out = pg_client_move_out,
	.client_move_in = pg_client_move_in,
	.link_hand_out = pg_link_hand_out,
	.link_hand_in = pg_link_hand_in,
	.link_movable = pg_link_movable,
	.link_move_out = pg_link_move_out,
	.link_move_in = pg_link_move_in,
	.n_statements = pg_n_statements,
	.link_server_pid = pg_link_server_pid,
	.client_app_name = pg_client_app_name,
	.link_param = pg_link_param,
	.explain = pg_explain,
	.put_error = pg_put_error,
	.put_notice = pg_put_notice,
	.console_start = pg_console_start,
	.console_reply = pg_console_reply,
};
