/* event_table - the one table of what weirpool says: each event of the log, and each error that
 * clients meet (base/err.h has the numbers of those that programs look at), with a code that never
 * changes, why it happens and what to do about it. From here come base/event.h, `weirpool explain`
 * and doc/errors.md. A code that was published is never given to something else. */
#ifndef BASE_EVENT_TABLE_H
#define BASE_EVENT_TABLE_H

/* What is done with an event beside writing the line. */
#define EVENT_NOTE 1u /* SHOW EVENTS keeps it */
#define EVENT_HELD 2u /* repeats about the same object are counted instead of written */

/* clang-format off */
/* id, number, level, EVENT_*, text, cause, what to do */
#define EVENT_TABLE(X) \
	X(DEBUG, 1, DEBUG, 0, "a detail for debugging", "`verbose` is set, or `-v` was given.", \
		"Nothing.") \
	X(INFO, 2, INFO, 0, "information without a code of its own", "The line says it.", \
		"Nothing.") \
	X(NOTICE, 3, NOTICE, 0, "a notice without a code of its own", "The line says it.", \
		"Read it once.") \
	X(WARN, 4, WARN, EVENT_NOTE | EVENT_HELD, "a warning without a code of its own", \
		"The line says it.", "Look at what it names.") \
	X(ERROR, 5, ERROR, EVENT_NOTE | EVENT_HELD, "an error without a code of its own", \
		"The line says it.", "Look at what it names.") \
	X(FATAL, 6, FATAL, EVENT_NOTE, "weirpool cannot start", \
		"The line says it: an address in use, a user that does not exist, a file " \
		"that cannot be written.", "Mend it and start again.") \
	X(LOGIN, 2001, INFO, 0, "a client has logged in", "`log_connections`.", "Nothing.") \
	X(CONSOLE_LOGIN, 2002, INFO, 0, "somebody has logged in to the console", \
		"`log_connections` does not matter here: it is always logged.", "Nothing.") \
	X(SESSION_END, 2003, INFO, 0, "a client's connection has ended", \
		"The line says why; with `log_sessions` also who ended it and in which state " \
		"(two letters), how long things took and what was done.", \
		"See [log](log.md) for the letters.") \
	X(PROOF_FAILED, 2004, WARN, EVENT_HELD, "a client failed to prove who it is", \
		"A wrong password or certificate, an unknown user, or a helper (PAM, LDAP) " \
		"that said no. The line says which, the client is not told.", \
		"If nobody mistyped: who tries from that address? See " \
		"[authentication](authentication.md).") \
	X(ASK_AGAIN, 2005, INFO, 0, "a request is sent to another node", \
		"Its node refused or lost it before anything was done.", \
		"Nothing; if it happens often, see what is wrong with that node.") \
	X(GOES_ON, 2006, INFO, 0, "a session goes on without its server connection", \
		"The server was lost in the middle; the client was told an error, not closed.", \
		"See the server's log.") \
	X(RULE_GAVE_UP, 2007, WARN, EVENT_NOTE | EVENT_HELD, "a rule's pattern took too long", \
		"The regular expression needs too many steps for a statement, which then " \
		"does not fit the rule.", "Write the pattern without nested repetition.") \
	X(RULE_LOG, 2008, INFO, 0, "a statement that a rule with `log` fits", \
		"`log=1` in section [rules].", "Nothing.") \
	X(AUTH_QUERY, 2009, WARN, EVENT_NOTE | EVENT_HELD, "auth_query failed", \
		"The query for a user's secret could not be run or answered: the line says " \
		"why.", "Try the query at the server as `auth_user`.") \
	X(HELPER_ENDED, 2010, ERROR, EVENT_NOTE, "weirpool-auth-helper ended", \
		"It crashed, was killed or is not installed. It is started again when needed.", \
		"Is the program where it belongs? PAM modules are known to crash.") \
	X(PROXY_HEADER, 2011, DEBUG, 0, "whom a PROXY header names", "`verbose` is set.", \
		"Nothing.") \
	X(SLOW, 2012, INFO, 0, "a statement took log_min_duration or longer", \
		"`log_min_duration`.", "See [query statistics](query-statistics.md).") \
	X(SLOW_MANY, 2013, WARN, 0, "slow statements were not logged", \
		"There were more than 50 in a second.", "Raise `log_min_duration`.") \
	X(LISTENS_AGAIN, 2014, INFO, 0, "a session listens again on another server connection", \
		"`relisten`: the one on which it waited for notifications was lost. The client " \
		"was told, as notifications may have been missed.", "See the server's log.") \
	X(LINK_NEW, 3001, INFO, 0, "a new connection to a server", "`log_connections`.", \
		"Nothing.") \
	X(LINK_END, 3002, INFO, 0, "a connection to a server was closed", \
		"`log_disconnections`; the line says why. `server_lifetime` and `server idle " \
		"timeout` are ordinary renewal.", "Nothing.") \
	X(LINK_FAILED, 3003, WARN, EVENT_HELD, "a connection to a server cannot be made", \
		"Network, DNS, TLS, a server that is down or full, or one that refuses the " \
		"login. Clients wait while weirpool tries again.", \
		"Host and port of the entry; then password, `pg_hba.conf` or `mysql.user`, " \
		"and `max_connections` at the server.") \
	X(LINK_BROKE, 3004, WARN, EVENT_NOTE | EVENT_HELD, "a connection to a server broke", \
		"The server closed it in the middle, or sent what cannot be understood.", \
		"See the server's log for a crash or a restart.") \
	X(LINK_NOTE, 3005, INFO, 0, "a server said something", \
		"A notice that is not for a client.", "Nothing.") \
	X(SERVER_TLS, 3006, ERROR, EVENT_NOTE | EVENT_HELD, \
		"TLS towards a server cannot be used", \
		"A file of `server_tls_*` cannot be read or used.", "Mend it and RELOAD.") \
	X(SERVER_FAMILY, 3007, WARN, EVENT_NOTE, "an entry's servers are of another family", \
		"Clients of MySQL's port are greeted once, before they name a database, so " \
		"the servers behind a port must be of one family.", \
		"`mysql_server_version`, or another weirpool for the others. See " \
		"[mysql](mysql.md).") \
	X(CATALOG, 3008, WARN, EVENT_NOTE | EVENT_HELD, "a database's catalog cannot be read", \
		"Reads go to the primary until it can: what functions and views do is " \
		"unknown. After the first failure what was read before holds.", \
		"The line says why: rights, or a server that does not answer. See " \
		"[routing](routing.md).") \
	X(SERVER_DOWN, 3009, WARN, EVENT_NOTE | EVENT_HELD, "a server cannot be used", \
		"The first failure after a success; later ones are W3003.", "As for W3003.") \
	X(SERVER_UP, 3010, NOTICE, EVENT_NOTE | EVENT_HELD, "a server can be used again", \
		"The first success after failures.", "Nothing.") \
	X(NO_LINK_MEMORY, 3011, ERROR, EVENT_NOTE | EVENT_HELD, \
		"no memory for a connection to a server", \
		"The machine or the control group is out of memory.", \
		"SHOW MEM; raise the limit.") \
	X(PRIMARY_IS, 4001, NOTICE, EVENT_NOTE, "a cluster has another primary", \
		"A failover, a switchover, or the first look; the line has the evidence.", \
		"If it was not planned: why did the old one go?") \
	X(CLUSTER_STATE, 4002, NOTICE, EVENT_NOTE, "a cluster is in another state", \
		"The line says from which to which and why. See [clusters](clusters.md).", \
		"Nothing, as long as E4003 does not follow.") \
	X(CLUSTER_BAD, 4003, ERROR, EVENT_NOTE, "a cluster has no primary, or more than one", \
		"The line says why. Writes wait up to `hold_timeout`, then fail.", \
		"SHOW CLUSTERS and SHOW NODES; RESOLVE ends a split when you know who is " \
		"right.") \
	X(LOST_WRITES, 4004, ERROR, EVENT_NOTE, "transactions of the old primary are lost", \
		"It had acknowledged what its successor never received (asynchronous " \
		"replication).", \
		"Rescue them from the old primary's log before it joins again.") \
	X(WENT_BACK, 4005, ERROR, EVENT_NOTE, "a primary's position went back", \
		"It was restored from a backup, or something else answers under its address.", \
		"Find out which, before anybody writes more.") \
	X(NODE_DOWN, 4006, WARN, EVENT_NOTE, "a node is down", \
		"Its probe fails: the line says how.", "Look at the node.") \
	X(NODE_UP, 4007, NOTICE, EVENT_NOTE, "a node is up", "Its probe is answered again.", \
		"Nothing.") \
	X(NODE_UNDRAINED, 4008, WARN, EVENT_NOTE, "a drained node became primary", \
		"A failover chose it, so it is used.", "DRAIN it again after a switchover.") \
	X(CLUSTER_WARN, 4010, WARN, EVENT_NOTE | EVENT_HELD, "a warning about a cluster", \
		"The line says it.", \
		"SHOW CLUSTERS, SHOW NODES and SHOW PROBES; [clusters](clusters.md).") \
	X(CLUSTER_BLIND, 4012, ERROR, EVENT_NOTE, "a cluster cannot be watched", \
		"Its entry asks for something that cannot be had: the line says what.", \
		"Mend the entry and RELOAD; until then nobody can use it.") \
	X(NODE_ADMIN, 4013, NOTICE, EVENT_NOTE, "a node was drained, resumed or set as primary", \
		"DRAIN, RESUME, PROMOTED or RESOLVE on the console.", "Nothing.") \
	X(QUARANTINED, 4014, WARN, EVENT_NOTE, "a node is not used until it proves itself", \
		"It failed, or was a primary before: the line says what.", \
		"Nothing, if N4015 follows; else see SHOW PROBES.") \
	X(NODE_BACK, 4015, NOTICE, EVENT_NOTE, "a node is used again", \
		"The reason for W4014 is gone.", "Nothing.") \
	X(STALE, 4016, WARN, EVENT_NOTE, "a replica is too far behind for reads", \
		"Its delay is above `max_staleness`; reads go elsewhere.", \
		"Long transactions, a slow disk or network at the replica.") \
	X(NOT_REPLICATING, 4017, WARN, EVENT_NOTE, "a replica does not replicate", \
		"Replay is paused or stopped; reads go elsewhere.", "Look at the replica.") \
	X(FRESH_AGAIN, 4018, NOTICE, EVENT_NOTE, "a replica may be read again", \
		"It has caught up.", "Nothing.") \
	X(SWITCHOVER, 4020, NOTICE, EVENT_NOTE, "a switchover begins, goes on or is over", \
		"SWITCHOVER on the console.", "Nothing.") \
	X(SWITCHOVER_FAILED, 4021, ERROR, EVENT_NOTE, "a switchover failed", \
		"The line says at which step.", \
		"See [clusters](clusters.md) for what each step needs.") \
	X(SWITCHOVER_AFTER, 4022, WARN, EVENT_NOTE, \
		"after a switchover something is left to do", "The line says what.", \
		"Do it by hand.") \
	X(LISTENING, 5001, INFO, 0, "an address where clients are taken, or not any more", \
		"At the start, or a RELOAD changed it.", "Nothing.") \
	X(STARTED, 5002, INFO, EVENT_NOTE, "weirpool has started", "It was started.", \
		"Nothing.") \
	X(STOPPED, 5003, INFO, 0, "weirpool has ended in good order", \
		"A signal or SHUTDOWN before.", "Nothing.") \
	X(GOT_SIGNAL, 5004, INFO, EVENT_NOTE, "a signal", \
		"Somebody sent it; the line says what it does.", "Nothing.") \
	X(FEW_FDS, 5006, WARN, EVENT_NOTE, "fewer files may be open than max_client_conn needs", \
		"The limit of open files of the process.", \
		"Raise `LimitNOFILE`, or lower `max_client_conn`.") \
	X(SHUTDOWN_TIMEOUT, 5007, WARN, EVENT_NOTE, "shutdown_timeout is over", \
		"Clients were still busy; they are disconnected.", \
		"Raise `shutdown_timeout` if their work matters more.") \
	X(CHILD_SAID, 5008, NOTICE, 0, "a command that weirpool ran said something", \
		"A script of a switchover wrote a line.", "Nothing.") \
	X(STATS, 5009, INFO, 0, "what was done per second", "`log_stats`, each `stats_period`.", \
		"Nothing.") \
	X(LIBEVENT, 5010, WARN, EVENT_NOTE | EVENT_HELD, "libevent complains", \
		"A resource of the system is exhausted, or a mistake of ours.", \
		"If it comes again, please report it.") \
	X(SOCKET_OWNER, 5011, WARN, EVENT_NOTE, "a unix socket cannot be given to `user`", \
		"Rights of the directory.", "Make the directory writable for that user.") \
	X(RELOADED, 5020, INFO, EVENT_NOTE, "the configuration was read again", \
		"SIGHUP or RELOAD.", "Nothing.") \
	X(RELOAD_CHANGE, 5021, INFO, EVENT_NOTE, "what RELOAD changed", \
		"A line for each option; the last word says when it applies.", "Nothing.") \
	X(RELOAD_FAILED, 5022, ERROR, EVENT_NOTE, "RELOAD failed, all stays as it was", \
		"A mistake in the configuration (E5023), or an address that cannot be " \
		"listened on.", \
		"Mend it; `weirpool -t FILE` checks without touching what runs.") \
	X(CONF_ERROR, 5023, ERROR, EVENT_NOTE, "a mistake in the configuration", \
		"The line names file and line.", "Mend it.") \
	X(CONF_WARNING, 5024, WARN, EVENT_NOTE, "something odd in the configuration", \
		"The line names file and line.", "Mend it, or live with it.") \
	X(LOG_FILE, 5025, ERROR, EVENT_NOTE, "a log file cannot be opened", \
		"Rights, a missing directory, or too many open files. What was open before " \
		"stays in use.", "Mend it and RELOAD.") \
	X(FILES_TAKEN, 5027, INFO, EVENT_NOTE, "changed files were taken up", \
		"Certificates, keys or secrets in files have changed.", "Nothing.") \
	X(FILES_UNUSABLE, 5028, ERROR, EVENT_NOTE | EVENT_HELD, "changed files cannot be used", \
		"Certificates, keys or secrets in files have changed, and cannot be read or " \
		"used; what was read before stays.", \
		"Mend them; the lines before (E5023) say what is wrong.") \
	X(NO_HTTP, 5029, WARN, EVENT_NOTE, "the HTTP port cannot be opened", \
		"The line says why: an address in use, a missing token.", "Mend it and RELOAD.") \
	X(SANDBOX, 5030, INFO, 0, "what the sandbox lets the process do", "`sandbox`.", \
		"Nothing. See [security](security.md).") \
	X(SANDBOX_LESS, 5031, WARN, EVENT_NOTE, "a part of the sandbox is missing", \
		"The kernel or the build has not got it: the line says what.", \
		"See [security](security.md).") \
	X(PIDFILE, 5032, ERROR, EVENT_NOTE, "the pid file cannot be written", \
		"Rights, or a full disk: the line says which.", "Mend it.") \
	X(NO_LISTENER, 5033, ERROR, EVENT_NOTE, "a worker cannot take clients", \
		"A socket could not be given to it: the line says why.", \
		"Raise `LimitNOFILE`; restart.") \
	X(ENDING, 5034, INFO, EVENT_NOTE, "how the end goes on", \
		"A signal, SHUTDOWN or a drain before.", \
		"Nothing. See [operations](operations.md).") \
	X(UPGRADE, 5040, INFO, EVENT_NOTE, \
		"an upgrade to another process begins, goes on or is over", \
		"UPGRADE or a signal.", "Nothing.") \
	X(UPGRADE_FAILED, 5041, ERROR, EVENT_NOTE, "an upgrade to another process failed", \
		"The line says why; this process goes on as before.", "Mend it and try again.") \
	X(NO_MEMORY, 5026, ERROR, EVENT_NOTE | EVENT_HELD, "out of memory", \
		"The machine or the control group is out of memory.", \
		"SHOW MEM; raise the limit.") \
	X(COMMAND, 6001, INFO, 0, "a command on the console that changes something", \
		"Somebody with the rights for it gave it (`audit_log`).", "Nothing.") \
	X(COMMAND_FAILED, 6002, ERROR, EVENT_HELD, "a command on the console failed", \
		"A mistake in it, or rights that are missing: the line says which.", \
		"SHOW HELP lists the commands.") \
	X(AUDIT, 6003, INFO, 0, "who did what", \
		"`audit_file`: each command on the console and each request by HTTP that " \
		"changes something, with its result.", "Nothing. See [log](log.md).") \
	X(LOG_LOST, 7001, WARN, EVENT_NOTE, "lines of the log were lost", \
		"Whoever reads the log (a pipe, syslog) was too slow or stood still, or the " \
		"disk was full. weirpool does not wait for its log.", \
		"SHOW LOG says which of them; look at the reader or the disk.") \
	X(OTLP_FAILS, 7002, WARN, EVENT_NOTE, "traces cannot be sent", \
		"`otlp_endpoint` cannot be reached, has a certificate that is not to be trusted, " \
		"does not answer within `otlp_timeout`, or refuses what it gets. It is tried " \
		"again; what does not fit into `otlp_queue` " \
		"meanwhile is dropped and counted. Clients notice nothing.", \
		"Is the collector there, and does it take OTLP over HTTP at that path? A CA of " \
		"your own goes into `otlp_tls_ca_file`. See SHOW TRACES and " \
		"[traces](traces.md).") \
	X(OTLP_WORKS, 7003, INFO, EVENT_NOTE, "traces are sent again", \
		"`otlp_endpoint` takes them after it did not.", "Nothing.")

/* id of base/err.h, number, EVENT_*, cause, what to do */
#define EVENT_ERRORS(X) \
	X(PROTOCOL, 1001, EVENT_HELD, \
		"The client sent something that the protocol does not allow here: a broken " \
		"driver, or a client of another protocol. The text says what.", \
		"Ports: 6432 is PostgreSQL's, 6033 MySQL's.") \
	X(TOO_BIG, 1002, EVENT_HELD, \
		"A message above `max_packet_size`, or too many bytes before the login was " \
		"over.", "Raise `max_packet_size` if such messages are wanted.") \
	X(AUTH_FAILED, 1003, EVENT_NOTE | EVENT_HELD, \
		"Wrong password, or a user that weirpool does not know. The client is not " \
		"told which: the log is.", "See [authentication](authentication.md).") \
	X(AUTH_DENIED, 1004, EVENT_NOTE | EVENT_HELD, \
		"Not a matter of the password: no HBA rule, TLS required, or a console user " \
		"who is in neither `admin_users` nor `stats_users`.", \
		"See [authentication](authentication.md).") \
	X(ACCOUNT_TLS, 1005, EVENT_NOTE | EVENT_HELD, \
		"MySQL: the account at the server requires TLS or a certificate, which the " \
		"connection of the client to weirpool has not got: the log says what.", \
		"See [MySQL](mysql.md#rules-of-accounts).") \
	X(ACCOUNT_LOCKED, 1006, EVENT_NOTE | EVENT_HELD, \
		"MySQL: the account is locked at the server; clients of MariaDB get 4151.", \
		"Unlock it there.") \
	X(PASSWORD_EXPIRED, 1007, EVENT_NOTE | EVENT_HELD, \
		"MySQL: the password has expired at the server; clients of MariaDB get 1820.", \
		"Change it at the server: it cannot be changed through weirpool.") \
	X(NO_DATABASE, 1008, EVENT_NOTE | EVENT_HELD, \
		"The database is not in `[databases]` (MySQL: `[mysql_databases]`), and " \
		"there is no `*` entry.", "Add it, or correct the client.") \
	X(TOO_MANY, 1009, EVENT_NOTE | EVENT_HELD, \
		"The text names the limit that was met, with its value: `max_client_conn`, " \
		"`max_db_client_connections`, `max_user_client_connections`, or " \
		"`max_wait_queue`.", "Raise it, or lower the applications' pools.") \
	X(LOGIN_TIMEOUT, 1010, EVENT_HELD, \
		"The client did not finish its login within `client_login_timeout`.", \
		"A slow network, or somebody who only occupies connections.") \
	X(WAIT_TIMEOUT, 1011, EVENT_NOTE | EVENT_HELD, \
		"No server connection became free within `query_wait_timeout`. The detail " \
		"says whether the pool is full, the database paused, or the server " \
		"unreachable.", "See [operations](operations.md).") \
	X(QUERY_TIMEOUT, 1012, EVENT_HELD, \
		"`query_timeout`: the query is cancelled at the server and the client " \
		"disconnected.", "Raise it, or make the query faster.") \
	X(TX_TIMEOUT, 1013, EVENT_HELD, "A transaction took longer than `transaction_timeout`.", \
		"Raise it, or shorten the transaction.") \
	X(IDLE_TX_TIMEOUT, 1014, EVENT_HELD, \
		"`idle_transaction_timeout`: the transaction is rolled back.", \
		"The application forgot to end it, or waits for something else in the middle.") \
	X(IDLE_TIMEOUT, 1015, EVENT_HELD, "`client_idle_timeout`", \
		"Let the application's pool close idle connections before.") \
	X(SHUTDOWN, 1016, EVENT_HELD, "SIGTERM or SHUTDOWN.", \
		"Connect again, to another weirpool if there is one.") \
	X(KILLED, 1017, EVENT_HELD, \
		"KILL, KILL_CLIENT, or a RELOAD that took the database away.", "Connect again.") \
	X(NO_SESSION, 1018, EVENT_HELD, \
		"KILL with a number that no session of this protocol has, or has no longer.", \
		"SHOW PROCESSLIST has the numbers.") \
	X(NOT_OWNER, 1019, EVENT_HELD, \
		"KILL of a session of another user; only admin_users may.", \
		"KILL_CLIENT on the console.") \
	X(CANCELED, 1020, EVENT_HELD, \
		"The client's own cancel request, while it was still waiting for a server " \
		"connection.", "Nothing.") \
	X(SERVER_LOST, 1021, EVENT_NOTE | EVENT_HELD, \
		"The server closed the connection in the middle. Whether a transaction was " \
		"committed is not known.", "The application has to look.") \
	X(SERVER_CONNECT, 1022, EVENT_HELD, "Nobody could be reached: host, port, DNS, TLS.", \
		"Clients wait while weirpool tries again: mend it.") \
	X(SERVER_REFUSED, 1023, EVENT_HELD, "The server said no to the login.", \
		"Password or account at the server, its `pg_hba.conf` or `mysql.user`, or " \
		"`max_connections`.") \
	X(SERVER_PROTOCOL, 1024, EVENT_NOTE | EVENT_HELD, \
		"The server sent something unexpected; the connection was closed before " \
		"anybody could see it.", "Is it a server of that protocol?") \
	X(NO_MEMORY, 1025, EVENT_NOTE | EVENT_HELD, \
		"Out of memory. Also: a client that sends without ever reading an answer.", \
		"SHOW MEM; raise the limit.") \
	X(NO_FDS, 1026, EVENT_NOTE | EVENT_HELD, "The limit of open files of the process.", \
		"Raise `LimitNOFILE`, or lower `max_client_conn`.") \
	X(OUTCOME_UNKNOWN, 1027, EVENT_NOTE | EVENT_HELD, \
		"The connection to a cluster's server was lost before it answered. Whether " \
		"the statement was applied is not known, and it is not sent again.", \
		"The application has to look. The session goes on where it can.") \
	X(TX_LOST, 1028, EVENT_NOTE | EVENT_HELD, \
		"The server was lost in the middle of a transaction, which is rolled back.", \
		"Run it again. The session goes on; PostgreSQL: after ROLLBACK.") \
	X(NO_PRIMARY, 1029, EVENT_NOTE | EVENT_HELD, \
		"[Clusters](clusters.md): none can be written to, for longer than " \
		"`hold_timeout`.", "SHOW CLUSTERS says why.") \
	X(READ_ONLY, 1030, EVENT_HELD, \
		"A transaction that began READ ONLY is on a replica, which cannot run this.", \
		"Begin it otherwise, or with a comment that sends it to the primary. See " \
		"[routing](routing.md#read-only-transactions).") \
	X(NO_NODE, 1031, EVENT_HELD, \
		"A comment for weirpool in front of the statement names a node that the " \
		"cluster of the session has not got: see [routing](routing.md#hints).", \
		"SHOW NODES has the names.") \
	X(DB_DISABLED, 1032, EVENT_HELD, "DISABLE on the console.", "ENABLE ends it.") \
	X(NOT_ALLOWED, 1033, EVENT_HELD, \
		"The command of the console needs a user of `admin_users`.", \
		"Log in as one of them.") \
	X(BAD_VALUE, 1034, EVENT_HELD, \
		"A setting of weirpool itself was given a value that it cannot have; the " \
		"hint lists those that it can.", \
		"See [routing](routing.md#what-a-session-may-wish).") \
	X(BLOCKED, 1035, EVENT_HELD, \
		"A rule of section `[rules]` with `block=`: the text is the operator's, the " \
		"detail names the rule.", "See [routing](routing.md#rules-of-your-own).") \
	X(UNSUPPORTED, 1036, EVENT_HELD, \
		"The text says what. In transaction mode: `currval()` after the server " \
		"connection was given away; MySQL: FOUND_ROWS() and the like.", \
		"See [pooling](pooling.md), [MySQL](mysql.md).") \
	X(SYNTAX, 1037, EVENT_HELD, "A command that the console does not know.", \
		"SHOW HELP lists the commands.") \
	X(NO_STATEMENT, 1038, EVENT_HELD, \
		"EXECUTE or Bind of a statement that this session did not prepare, or " \
		"COM_STMT_EXECUTE.", "Prepare it in the session that uses it.") \
	X(STALE_PLAN, 1039, EVENT_HELD, "DDL changed what a prepared statement returns.", \
		"Prepare it again: drivers do so by themselves.") \
	X(DUP_STATEMENT, 1040, EVENT_HELD, "Parse of a name that is taken.", \
		"Close or DEALLOCATE it first.") \
	X(STMT_MODE_TX, 1041, EVENT_HELD, "BEGIN in `pool_mode = statement`.", \
		"Use transaction mode for clients that need transactions.") \
	X(CONFIG, 1042, EVENT_NOTE | EVENT_HELD, \
		"RELOAD or SET with a mistake (nothing was changed), an `auth_query` that " \
		"does not work, or a TLS file that cannot be used.", "The text says where.") \
	X(INTERNAL, 1043, EVENT_NOTE | EVENT_HELD, "A mistake of weirpool's own.", \
		"Please report it, with the lines of the log before it.") \
	X(TX_LOST_LINK, 1044, EVENT_NOTE | EVENT_HELD, \
		"`lost_tx_sqlstate = 08006`: the server was lost in the middle of a transaction, " \
		"which is rolled back.", \
		"Run it again. The session goes on; PostgreSQL: after ROLLBACK.")
/* clang-format on */
#endif
