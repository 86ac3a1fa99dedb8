/* metrics_alerts - the table of alerts. A unit test looks each metric up that they name. Any
 * thread. */
#include "admin/metrics.h"

const struct alert alert_table[] = {
	{ "WeirpoolDown", "up == 0 and on (instance, job) count_over_time(weirpool_build_info[1h])",
		"1m", "critical", "An instance does not answer Prometheus any more.",
		"Is the process there, and its HTTP port? Its last lines in the log say why not." },
	{ "WeirpoolClientsWait",
		"sum by (instance, database, user) (weirpool_pool_clients_waiting) > 0", "1m",
		"warning",
		"Clients have been waiting for a server connection for a minute without a break.",
		"SHOW WAITS tells why: a full pool, a server that cannot be reached, or a PAUSE. "
		"Shorten transactions before you raise pool_size." },
	{ "WeirpoolWaitSlow",
		"histogram_quantile(0.99, sum by (instance, database, user, le) "
		"(rate(weirpool_pool_wait_duration_seconds_bucket[5m]))) > 0.1",
		"5m", "warning",
		"One client in a hundred waits 0.1 s or longer for a server connection.",
		"See SHOW POOLS; the pool is too small for its transactions." },
	{ "WeirpoolWaitTimeouts",
		"sum by (instance, database, user) "
		"(increase(weirpool_pool_wait_timeouts_total[5m])) > 0",
		"0m", "critical", "Clients were closed because they waited too long.",
		"query_wait_timeout is over before a server connection is free: see SHOW WAITS." },
	{ "WeirpoolPoolSaturated",
		"sum by (instance, database, user, node) "
		"(weirpool_pool_server_connections{state=\"active\"}) / on (instance, "
		"database, user, node) "
		"(weirpool_pool_size > 0) > 0.9",
		"5m", "warning", "More than nine tenths of a pool's server connections are in use.",
		"Soon clients will wait: shorten transactions, or raise pool_size." },
	{ "WeirpoolClientsNearLimit",
		"sum by (instance) (weirpool_clients) / "
		"sum by (instance) (weirpool_clients_max) > 0.9",
		"5m", "warning", "Nearly as many clients as max_client_conn allows.",
		"The next ones are refused: look for clients that do not close, or raise the "
		"limit." },
	{ "WeirpoolServerUnreachable", "weirpool_pool_connect_failures_in_row > 2", "1m",
		"critical", "A pool cannot make server connections.",
		"The log and SHOW WAITS say why: the server is down, refuses the login, or has no "
		"room." },
	{ "WeirpoolNodeDown", "weirpool_node_up == 0", "1m", "warning",
		"A node of a cluster is not up.", "See SHOW NODES, column why." },
	{ "WeirpoolNoPrimary", "weirpool_cluster_has_primary == 0", "30s", "critical",
		"A cluster has no primary: writes are held or refused.",
		"See SHOW CLUSTERS, columns why and evidence." },
	{ "WeirpoolWritesHeld", "weirpool_cluster_writes_open == 0", "1m", "critical",
		"A cluster has not taken writes for a minute.",
		"See SHOW CLUSTERS; an operator's PAUSE or SWITCHOVER is one of the reasons." },
	{ "WeirpoolSplit", "weirpool_cluster_state{state=\"split\"} == 1", "0m", "critical",
		"Two nodes of a cluster claim to be primary, and nothing decides.",
		"Stop one of them, then RESOLVE cluster TO node." },
	{ "WeirpoolReplicaLag", "weirpool_node_lag_seconds > 30", "5m", "warning",
		"A replica is more than half a minute behind.",
		"Reads that must be fresh go to the primary meanwhile: see SHOW NODES." },
	{ "WeirpoolReplicaReadsNothing",
		"weirpool_node_role{role=\"replica\"} == 1 and ignoring (role) "
		"weirpool_node_reads_allowed == 0 and ignoring (role) weirpool_node_weight > 0",
		"5m", "warning", "A replica gets no reads although it has a weight.",
		"See SHOW NODES, columns freshness and why." },
	{ "WeirpoolCertificateExpires",
		"weirpool_certificate_expiry_timestamp_seconds - time() < 14 * 86400", "0m",
		"warning", "A certificate ends in less than 14 days.",
		"Replace the file and RELOAD." },
	{ "WeirpoolServerCertificateExpires",
		"min by (instance, database, node) "
		"(weirpool_pool_server_certificate_expiry_timestamp_seconds) - time() < 14 * 86400",
		"0m", "warning", "A server's certificate ends in less than 14 days.",
		"Renew it there: who verifies it will refuse the server." },
	{ "WeirpoolClientCertificateExpires",
		"min by (instance, database) "
		"(weirpool_pool_client_certificate_expiry_timestamp_seconds) - time() < 14 * 86400",
		"0m", "warning",
		"A certificate that is shown to servers (server_tls_cert_file) ends in less than "
		"14 days.",
		"Replace the file and RELOAD." },
	{ "WeirpoolLogLinesLost", "increase(weirpool_log_lines_lost_total[5m]) > 0", "0m",
		"warning", "The log could not take lines.",
		"The disk is full, or nobody reads the pipe." },
	{ "WeirpoolFewFilesLeft",
		"(process_open_fds / process_max_fds > 0.9) and "
		"on (instance, job) weirpool_build_info",
		"1m", "critical", "Less than a tenth of the file descriptors is left.",
		"Raise LimitNOFILE; each client and each server connection needs one." },
	{ "WeirpoolManyPinned",
		"sum by (instance) (weirpool_pinned_sessions) / "
		"(sum by (instance) (weirpool_server_connections) > 0) > 0.5",
		"10m", "warning", "Most server connections are kept by one session each.",
		"SHOW PINS tells by whom and why; such sessions get nothing from pooling." },
	{ "WeirpoolLoginsRefused",
		"sum by (instance) "
		"(rate(weirpool_login_failures_total{reason=\"authentication\"}[5m])) > 1",
		"5m", "warning", "More than one refused login per second.",
		"A wrong password in an application, or somebody who guesses: see the log." },
	{ "WeirpoolReloadFailed", "weirpool_config_last_reload_successful == 0", "0m", "warning",
		"The last reload was refused; the configuration before it is in use.",
		"weirpool -t FILE prints what is wrong." },
	{ "WeirpoolWorkerSaturated", "rate(weirpool_worker_cpu_seconds_total[5m]) > 0.9", "10m",
		"warning", "A worker uses nine tenths of a CPU.", "Raise workers." },
	{ "WeirpoolVersionsDiffer", "count(count by (version) (weirpool_build_info)) > 1", "15m",
		"warning", "Instances run different versions.", "Finish the upgrade." },
	{ "WeirpoolRestarted",
		"changes(process_start_time_seconds[15m]) > 2 and "
		"on (instance, job) weirpool_build_info",
		"0m", "warning", "It has started again more than twice in a quarter of an hour.",
		"The log of the process before this one says why." },
};
const unsigned alert_table_n = sizeof alert_table / sizeof *alert_table;
