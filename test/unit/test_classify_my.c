/* classify_my: what MySQL and MariaDB texts may do to the session, verb by verb. */
#include "my_tell.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct sql_my_opts my97 = { .multi_statements = true, .version = 90704 };
static const struct sql_my_opts maria = {
	.mariadb = true, .multi_statements = true, .version = 101119
};

struct tell_case {
	const char *text;
	const char *says; /* "verb flag,flag; verb flag", one for each statement */
};

/* clang-format off */
static const struct tell_case my_cases[] = {
	{ "", "" },
	{ ";;", "" },
	{ "-- x", "" },
	{ "/* x */", "" },
	{ "# x", "" },
	{ "SELECT", "select" },
	{ "SELECT DISTINCT SQL_NO_CACHE foo()", "select stored" },
	{ "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1", "select calc_found_rows" },
	{ "SELECT FOUND_ROWS(), ROW_COUNT()", "select found_rows,row_count" },
	{ "SELECT LAST_INSERT_ID ( )", "select last_id" },
	{ "UPDATE t SET a=LAST_INSERT_ID(a+1)", "update write,set_last_id" },
	{ "SELECT @@identity", "select last_id" },
	{ "SELECT @@session.`last_insert_id`", "select last_id" },
	{ "SELECT @@GLOBAL.sql_mode, @@error_count", "select diag" },
	{ "SELECT @@sql_mode AS m FROM t FOR UPDATE", "select row_lock" },
	{ "SELECT {fn f(1)}", "select stored" },
	{ "SELECT `get_lock`('x',1), RELEASE_LOCK('x'), RELEASE_ALL_LOCKS()",
	  "select user_lock,user_unlock,user_unlock_all" },
	{ "SELECT IS_FREE_LOCK('x'), IS_USED_LOCK('x')", "select conn_id" },
	{ "DO GET_LOCK('x', 1)", "do user_lock" },
	{ "DO SLEEP(1), BENCHMARK(5, MD5(1))", "do stored,slow" },
	{ "SELECT app.get_lock('x')", "select stored" },
	{ "SELECT * FROM t LOCK IN SHARE MODE", "select row_lock" },
	{ "SELECT * FROM t FOR UPDATE SKIP LOCKED", "select row_lock" },
	{ "SELECT * FROM t FOR SHARE OF t NOWAIT", "select row_lock" },
	{ "SELECT a INTO OUTFILE '/tmp/x' FROM t", "select write" },
	{ "SELECT a INTO @x FROM t", "select var_silent" },
	{ "SELECT a FROM t INTO @x, @`y z`", "select var_silent" },
	{ "SELECT @x := @x + 1, @y FROM t WHERE @z := 5", "select var_silent,var_read" },
	{ "SELECT CONNECTION_ID(), @@pseudo_thread_id", "select conn_id" },
	{ "SELECT * FROM information_schema.processlist", "select processlist" },
	{ "SELECT * FROM `performance_schema`.`processlist`", "select processlist" },
	{ "SELECT * FROM information_schema.profiling", "select profile" },
	{ "TABLE t", "table" },
	{ "VALUES ROW(1,2), ROW(3,4)", "values" },
	{ "(SELECT 1)", "select" },
	{ "WITH a AS (SELECT 1) SELECT * FROM a", "select" },
	{ "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM a WHERE n < 5), b "
	  "(m) AS (SELECT 1) DELETE FROM t",
	  "delete write" },
	{ "INSERT t (a) VALUES (1)", "insert write" },
	{ "INSERT LOW_PRIORITY IGNORE INTO t PARTITION (p0) (a) VALUES (DEFAULT(a))",
	  "insert write" },
	{ "INSERT INTO t SET a=1", "insert write" },
	{ "INSERT INTO t VALUES (f())", "insert stored,write" },
	{ "INSERT INTO t (a) VALUES (1) AS n(b) ON DUPLICATE KEY UPDATE a=n.b", "insert write" },
	{ "REPLACE INTO t (a) VALUES (REPLACE('a','b','c'))", "insert write" },
	{ "REPLACE t (a) SELECT 1", "insert write" },
	{ "UPDATE t SET a=@b:=1", "update write,var_silent" },
	{ "UPDATE t, u SET t.a=u.a WHERE t.x=u.x", "update write" },
	{ "DELETE FROM t WHERE a=@v", "delete write,var_read" },
	{ "DELETE t FROM t JOIN u USING (x)", "delete write" },
	{ "LOAD DATA INFILE 'x' INTO TABLE t", "load write,set_last_id" },
	{ "LOAD DATA LOW_PRIORITY LOCAL INFILE 'x' IGNORE INTO TABLE t (@a, b) SET c = @a",
	  "load write,local_infile,var_silent,var_read,set_last_id" },
	{ "LOAD XML LOCAL INFILE 'x' INTO TABLE t ROWS IDENTIFIED BY '<r>'",
	  "load write,local_infile,set_last_id" },
	{ "LOAD INDEX INTO CACHE t", "utility server_wide,implicit_commit" },
	{ "DO 1", "do" },
	{ "DO @a := 5", "do var_silent" },
	{ "CALL p", "call stored,write" },
	{ "CALL db.p(1, @a)", "call stored,write,var_silent,var_read" },
	{ "CALL p(@a, @b + 1)", "call stored,write,var_silent,var_read" },
	{ "HANDLER t OPEN", "handler handler_open" },
	{ "HANDLER t OPEN AS h", "handler handler_open" },
	{ "HANDLER db.t READ FIRST", "handler handler_use" },
	{ "HANDLER h READ a = (1) WHERE b = 2", "handler handler_use" },
	{ "HANDLER h CLOSE", "handler handler_close" },
	{ "HANDLER `open` CLOSE", "handler handler_close" },
	{ "BEGIN", "begin tx_begin,implicit_commit,table_unlock" },
	{ "BEGIN WORK", "begin tx_begin,implicit_commit,table_unlock" },
	{ "START TRANSACTION", "begin tx_begin,implicit_commit,table_unlock" },
	{ "START TRANSACTION READ ONLY", "begin tx_begin,implicit_commit,table_unlock" },
	{ "START TRANSACTION READ WRITE, WITH CONSISTENT SNAPSHOT",
	  "begin tx_begin,tx_snapshot,implicit_commit,table_unlock" },
	{ "COMMIT", "commit tx_end" },
	{ "COMMIT WORK", "commit tx_end" },
	{ "COMMIT AND CHAIN", "commit tx_end,tx_chain" },
	{ "COMMIT AND NO CHAIN RELEASE", "commit tx_end,tx_release" },
	{ "COMMIT AND CHAIN NO RELEASE", "commit tx_end,tx_chain" },
	{ "ROLLBACK", "rollback tx_end" },
	{ "ROLLBACK WORK RELEASE", "rollback tx_end,tx_release" },
	{ "ROLLBACK TO a", "rollback to tx_sub" },
	{ "ROLLBACK WORK TO SAVEPOINT a", "rollback to tx_sub" },
	{ "ROLLBACK TO SAVEPOINT", "rollback to tx_sub" },
	{ "SAVEPOINT `a b`", "savepoint tx_sub" },
	{ "RELEASE SAVEPOINT a", "release savepoint tx_sub" },
	{ "XA START 'x'", "xa tx_begin,xa" },
	{ "XA BEGIN 'x', 'y', 1", "xa tx_begin,xa" },
	{ "XA END 'x'", "xa xa" },
	{ "XA PREPARE 'x'", "xa tx_end,xa" },
	{ "XA COMMIT 'x' ONE PHASE", "xa tx_end,xa" },
	{ "XA ROLLBACK 'x'", "xa tx_end,xa" },
	{ "XA RECOVER", "xa xa" },
	{ "SET @a = 1", "set var_set" },
	{ "SET @a := (SELECT 1)", "set var_set" },
	{ "SET @a = @b := 2, @c = @a", "set var_set,var_silent,var_read" },
	{ "SET sql_mode = 'ANSI'", "set set_sys,set_mode" },
	{ "SET SESSION time_zone = '+00:00', autocommit = 0", "set implicit_commit,set_sys" },
	{ "SET LOCAL x = 1", "set set_sys" },
	{ "SET GLOBAL x = 1, y = 2", "set server_wide" },
	{ "SET GLOBAL x = 1, SESSION y = 2", "set server_wide,set_sys" },
	{ "SET @@global.x = 1, y = 2", "set server_wide,set_sys" },
	{ "SET PERSIST x = 1", "set server_wide" },
	{ "SET PERSIST_ONLY x = 1", "set server_wide" },
	{ "SET @@persist.x = 1", "set server_wide" },
	{ "SET @@local.x = 1", "set set_sys" },
	{ "SET @@x = 1", "set set_sys" },
	{ "SET @@transaction_isolation = 'SERIALIZABLE'", "set set_tx_once" },
	{ "SET @@session.transaction_isolation = 'SERIALIZABLE'", "set set_sys" },
	{ "SET transaction_isolation = 'SERIALIZABLE'", "set set_sys" },
	{ "SET @@transaction_read_only = 1", "set set_tx_once" },
	{ "SET @@autocommit = 1", "set implicit_commit,set_sys" },
	{ "SET TRANSACTION READ ONLY", "set set_tx_once" },
	{ "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", "set set_tx_once" },
	{ "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "set set_sys" },
	{ "SET GLOBAL TRANSACTION READ ONLY", "set server_wide" },
	{ "SET NAMES utf8mb4", "set set_sys,set_names" },
	{ "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", "set set_sys,set_names" },
	{ "SET NAMES DEFAULT", "set set_sys,set_names" },
	{ "SET CHARACTER SET latin1", "set set_sys,set_names" },
	{ "SET CHARSET latin1", "set set_sys,set_names" },
	{ "SET character_set_results = NULL", "set set_sys,set_names" },
	{ "SET collation_connection = utf8mb4_bin", "set set_sys,set_names" },
	{ "SET insert_id = 5", "set set_sys,set_silent" },
	{ "SET timestamp = 17", "set set_sys,set_silent" },
	{ "SET rand_seed1 = 4", "set set_sys,set_silent" },
	{ "SET last_insert_id = 4", "set set_sys,set_last_id" },
	{ "SET @@identity = 4", "set set_sys,last_id,set_last_id" },
	{ "SET pseudo_thread_id = 5", "set set_sys,set_silent" },
	{ "SET session_track_schema = 1", "set set_sys,set_tracker" },
	{ "SET gtid_next = 'AUTOMATIC'", "set set_sys,set_silent" },
	{ "SET ROLE NONE", "set role" },
	{ "SET ROLE ALL EXCEPT a, b", "set role" },
	{ "SET DEFAULT ROLE ALL TO u@h", "set write,implicit_commit" },
	{ "SET PASSWORD = 'x'", "set write,implicit_commit,password" },
	{ "SET PASSWORD FOR 'u'@'h' = 'x'", "set write,implicit_commit,password" },
	{ "SET PASSWORD FOR u@h TO RANDOM", "set write,implicit_commit,password" },
	{ "SET RESOURCE GROUP x", "set opaque" },
	{ "SET profiling = 1", "set set_sys,set_silent,identity" },
	{ "SET profilinG = 1, profil = 1", "set set_sys,set_silent,identity" },
	{ "SET GLOBAL profiling = 1, SESSION profil = 1", "set server_wide,set_sys" },
	{ "SET GLOBAL optimizer_trace = 1, SESSION optimizer_tra = 1", "set server_wide,set_sys" },
	{ "SET @@optimizer_trace = 'enabled=on'", "set set_sys,set_silent,identity" },
	{ "SET @x = (SELECT 1 FROM information_schema.profiling)", "set var_set,profile" },
	{ "SET sort_buffer_size = @@global.sort_buffer_size", "set set_sys" },
	{ "SET a = 1,", "set unsure,set_sys" },
	{ "SET a", "set unsure" },
	{ "SET", "set unsure" },
	{ "SET default.key_buffer_size = 1", "set set_sys" },
	{ "USE db", "use use" },
	{ "USE `a``b`", "use use" },
	{ "PREPARE s FROM 'SELECT 1'", "prepare prepare" },
	{ "PREPARE s FROM @q", "prepare var_read,prepare" },
	{ "PREPARE `s t` FROM 'CALL p(?)'", "prepare prepare" },
	{ "EXECUTE s", "execute execute" },
	{ "EXECUTE s USING @a", "execute var_silent,var_read,execute" },
	{ "DEALLOCATE PREPARE s", "deallocate deallocate" },
	{ "DROP PREPARE s", "deallocate deallocate" },
	{ "KILL 5", "kill conn_ref" },
	{ "KILL CONNECTION 5", "kill conn_ref" },
	{ "KILL QUERY 5", "kill conn_ref" },
	{ "KILL 5 + 1", "kill conn_ref" },
	{ "KILL '5'", "kill conn_ref" },
	{ "KILL 99999999999999999999", "kill conn_ref" },
	{ "LOCK TABLES t READ", "lock implicit_commit,table_lock" },
	{ "LOCK TABLES t AS x READ LOCAL, u WRITE", "lock write,implicit_commit,table_lock" },
	{ "LOCK TABLE t WRITE", "lock write,implicit_commit,table_lock" },
	{ "UNLOCK TABLES", "unlock implicit_commit,table_unlock,global_unlock" },
	{ "LOCK INSTANCE FOR BACKUP", "lock instance_lock" },
	{ "UNLOCK INSTANCE", "unlock instance_unlock" },
	{ "FLUSH TABLES", "flush write,server_wide,implicit_commit" },
	{ "FLUSH TABLES WITH READ LOCK",
	  "flush write,server_wide,implicit_commit,table_lock,global_lock" },
	{ "FLUSH LOCAL TABLES t, u WITH READ LOCK",
	  "flush write,server_wide,implicit_commit,table_lock,global_lock" },
	{ "FLUSH TABLES t FOR EXPORT", "flush write,server_wide,implicit_commit,table_lock" },
	{ "FLUSH PRIVILEGES", "flush write,server_wide,implicit_commit" },
	{ "SHOW TABLES", "show" },
	{ "SHOW VARIABLES LIKE 'x'", "show" },
	{ "SHOW WARNINGS LIMIT 1", "show warnings diag,keeps_diag" },
	{ "SHOW ERRORS", "show warnings diag,keeps_diag" },
	{ "SHOW COUNT(*) ERRORS", "show warnings diag,keeps_diag" },
	{ "SHOW PROCESSLIST", "show processlist processlist" },
	{ "SHOW PROFILES", "show profile" },
	{ "SHOW PROFILE FOR QUERY 1", "show profile" },
	{ "SHOW CREATE TABLE t", "show" },
	{ "SHOW GRANTS FOR u@h", "show" },
	{ "SHOW STATUS WHERE foo() = 1", "show stored" },
	{ "GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT",
	  "get diagnostics var_silent,row_count,diag,keeps_diag" },
	{ "GET CURRENT DIAGNOSTICS CONDITION 1 @a = MESSAGE_TEXT",
	  "get diagnostics var_silent,diag,keeps_diag" },
	{ "EXPLAIN SELECT 1", "explain" },
	{ "EXPLAIN FORMAT=JSON UPDATE t SET a=1", "explain write" },
	{ "EXPLAIN ANALYZE SELECT get_lock('a', 1)", "explain user_lock" },
	{ "EXPLAIN FORMAT=JSON INTO @v SELECT 1", "explain var_silent" },
	{ "EXPLAIN t", "explain" },
	{ "DESCRIBE t a", "explain" },
	{ "DESC t", "explain" },
	{ "EXPLAIN FOR CONNECTION 5", "explain conn_ref" },
	{ "EXPLAIN (SELECT 1)", "explain" },
	{ "HELP 'x'", "help" },
	{ "CREATE TABLE t (a INT DEFAULT (f()), CHECK (a > 1), KEY k (a)) PARTITION BY "
	  "HASH (a)",
	  "ddl write,ddl,implicit_commit" },
	{ "CREATE TABLE t AS SELECT f()", "ddl stored,write,ddl,implicit_commit" },
	{ "CREATE TABLE t (a INT) SELECT 1", "ddl write,ddl,implicit_commit" },
	{ "CREATE TABLE t LIKE u", "ddl write,ddl,implicit_commit" },
	{ "CREATE TEMPORARY TABLE t (a INT)", "ddl write,temp_make" },
	{ "CREATE TEMPORARY TABLE IF NOT EXISTS t LIKE u", "ddl write,temp_make" },
	{ "CREATE VIEW v AS SELECT f()", "ddl write,ddl,implicit_commit" },
	{ "CREATE OR REPLACE DEFINER=u@h SQL SECURITY INVOKER VIEW v AS SELECT 1",
	  "ddl write,ddl,implicit_commit" },
	{ "CREATE DEFINER=`a`@`b` PROCEDURE p(IN x INT) BEGIN SELECT 1; SET @a = 2; END",
	  "ddl unsure,write,ddl,implicit_commit" },
	{ "CREATE FUNCTION f() RETURNS INT RETURN 1", "ddl write,ddl,implicit_commit" },
	{ "CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.a = 1",
	  "ddl write,ddl,implicit_commit" },
	{ "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @a = 1", "ddl write,ddl,implicit_commit" },
	{ "CREATE INDEX i ON t (a)", "ddl write,ddl,implicit_commit" },
	{ "CREATE DATABASE d", "ddl write,ddl,implicit_commit" },
	{ "CREATE USER u@h IDENTIFIED BY 'x'", "ddl write,ddl,implicit_commit,password" },
	{ "ALTER TABLE t ADD b INT", "ddl write,ddl,implicit_commit" },
	{ "ALTER USER u@h IDENTIFIED BY 'x'", "ddl write,ddl,implicit_commit,password" },
	{ "ALTER INSTANCE RELOAD TLS", "utility server_wide,implicit_commit" },
	{ "DROP TABLE t", "ddl write,ddl,implicit_commit,temp_drop" },
	{ "DROP TEMPORARY TABLE t", "ddl write,temp_drop" },
	{ "DROP TABLE IF EXISTS t, u", "ddl write,ddl,implicit_commit,temp_drop" },
	{ "DROP DATABASE d", "ddl write,ddl,implicit_commit,use" },
	{ "DROP PROCEDURE p", "ddl write,ddl,implicit_commit" },
	{ "DROP USER u@h", "ddl write,ddl,implicit_commit,password" },
	{ "TRUNCATE t", "ddl write,ddl,implicit_commit" },
	{ "RENAME TABLE a TO b", "ddl write,ddl,implicit_commit,password" },
	{ "GRANT ALL ON *.* TO u@h", "ddl write,ddl,implicit_commit,password" },
	{ "REVOKE r FROM u@h", "ddl write,ddl,implicit_commit,password" },
	{ "ANALYZE TABLE t", "utility write,implicit_commit" },
	{ "CHECK TABLE t", "utility write,implicit_commit" },
	{ "CHECKSUM TABLE t", "utility" },
	{ "OPTIMIZE LOCAL TABLE t", "utility write,implicit_commit" },
	{ "REPAIR TABLE t", "utility write,implicit_commit" },
	{ "PURGE BINARY LOGS BEFORE NOW()", "utility server_wide,implicit_commit" },
	{ "CHANGE REPLICATION SOURCE TO SOURCE_HOST='x'", "utility server_wide,implicit_commit" },
	{ "START REPLICA", "utility server_wide,implicit_commit" },
	{ "STOP REPLICA", "utility server_wide,implicit_commit" },
	{ "RESET MASTER", "utility server_wide,implicit_commit" },
	{ "INSTALL PLUGIN p SONAME 'x'", "utility write,server_wide,implicit_commit" },
	{ "UNINSTALL COMPONENT 'x'", "utility write,server_wide,implicit_commit" },
	{ "CLONE LOCAL DATA DIRECTORY 'x'", "utility write,server_wide,implicit_commit" },
	{ "RESTART", "utility server_wide,implicit_commit" },
	{ "SHUTDOWN", "utility server_wide,implicit_commit" },
	{ "CACHE INDEX t IN c", "utility server_wide,implicit_commit" },
	{ "IMPORT TABLE FROM 'x'", "utility write,server_wide,implicit_commit" },
	{ "BINLOG 'x'", "utility write,server_wide,implicit_commit,opaque" },
	{ "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x'", "utility" },
	{ "SELECT 1; SELECT 2", "select; select" },
	{ "BEGIN; UPDATE t SET a=1; COMMIT",
	  "begin tx_begin,implicit_commit,table_unlock; update write; commit tx_end" },
	{ "SELECT 'a;b', \"c;d\", `e;f` -- ;", "select" },
	{ "SELECT (1;", "select unsure" },
	{ "SELECT 1); SELECT 2", "select unsure" },
	{ "foo", "other unsure" },
	{ "1", "other unsure" },
	{ "`SELECT` 1", "other unsure" },
	{ "SELECT 'a", "select unsure" },
	{ "SELECT `a", "select unsure" },
	{ "SELECT /* a", "select unsure" },
	{ "/*!50000 SELECT @a:=1 */", "select var_silent" },
	{ "/*!99999 SELECT @a:=1 */ SELECT 2", "select" },
	{ "SELECT 1 /*!50000 , get_lock('a',1) */", "select user_lock" },
	{ "SELECT 1 /*!080000 , get_lock('a',1) */", "select user_lock" },
	{ "SELECT 1 /*!080000, get_lock('a',1) */", "select unsure" },
	{ "SELECT 1 /*!999999 , get_lock('a',1) */", "select" },
	{ "SELECT 1 /*M! , get_lock('a',1) */", "select" },
	{ "SELECT /*+ MAX_EXECUTION_TIME(100) SET_VAR(sql_mode='x') */ 1", "select" },
	{ "SELECT /*+ QB_NAME(`a*/b`) */ 1", "select unsure" },
	{ "SELECT/**/get_lock/**/(1,2)", "select user_lock" },
	{ "SELECT count(*), count (*), max(a), sum (a), now(), now (), abs (1)", "select stored" },
	{ "SELECT JSON_TABLE('[]', '$[*]' COLUMNS (a DATETIME(6) PATH '$'))", "select" },
	{ "SELECT a.get_lock, get_lock FROM t", "select" },
	{ "SELECT a FROM t WHERE a IN (SELECT b FROM u) AND (b OR c) AND a > ANY (SELECT "
	  "1) GROUP BY a WITH ROLLUP HAVING (a) ORDER BY (a) LIMIT 1",
	  "select" },
	{ "SELECT CASE WHEN (a) THEN (b) ELSE (c) END, IF(a,b,c), LEFT(a,1), a DIV (b), "
	  "INTERVAL (1) DAY + a",
	  "select" },
	{ "SELECT x.* FROM t x JOIN LATERAL (SELECT 1) y ON (x.a = y.a) WINDOW w AS "
	  "(PARTITION BY a)",
	  "select" },
	{ "SELECT CONVERT(a, DATETIME(6)), CAST(a AS DATETIME(6)), CONVERT(a USING "
	  "utf8mb4), TIMESTAMP(a), DATE(a)",
	  "select" },
	{ "SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ','), EXTRACT(YEAR FROM "
	  "a), TRIM(BOTH 'x' FROM a)",
	  "select" },
	{ "SELECT $$a$$", "select unsure" },
	{ "SELECT a$b, $c FROM t", "select" },
	{ "SELECT {fn get_lock('a',1)}, {d '2020-01-01'}", "select user_lock" },
	{ "SELECT _utf8mb4'x', N'y', X'41', 0x41, b'01'", "select" },
};

static const struct tell_case maria_cases[] = {
	{ "SET STATEMENT max_statement_time=1 FOR SELECT @a:=1", "set statement var_silent" },
	{ "SET STATEMENT max_statement_time=1, sql_mode='x' FOR SET @a=1", "set statement unsure" },
	{ "SET STATEMENT a=1 FOR CREATE TEMPORARY TABLE t (a INT)",
	  "set statement write,temp_make" },
	{ "EXECUTE IMMEDIATE 'SELECT 1'", "execute execute" },
	{ "EXECUTE IMMEDIATE 'SELECT ?' USING @a", "execute var_silent,var_read,execute" },
	{ "EXECUTE IMMEDIATE @q", "execute var_read,execute" },
	{ "EXECUTE IMMEDIATE CONCAT('a', 'b')", "execute execute" },
	{ "PREPARE s FROM CONCAT('a', @b)", "prepare var_read,prepare" },
	{ "BEGIN NOT ATOMIC SELECT 1; END",
	  "compound unsure,tx_begin,implicit_commit,table_unlock" },
	{ "IF 1 THEN SELECT 1; END IF", "compound unsure" },
	{ "WHILE 1 DO SELECT 1; END WHILE", "compound unsure" },
	{ "FOR i IN 1..2 DO SELECT i; END FOR", "compound unsure" },
	{ "KILL HARD QUERY 5", "kill conn_ref" },
	{ "KILL SOFT CONNECTION 5", "kill conn_ref" },
	{ "KILL QUERY ID 5", "kill conn_ref" },
	{ "KILL USER foo", "kill conn_ref" },
	{ "KILL USER foo@localhost", "kill conn_ref" },
	{ "BACKUP STAGE START", "lock server_wide,implicit_commit,opaque" },
	{ "BACKUP STAGE END", "lock server_wide,implicit_commit,opaque" },
	{ "BACKUP LOCK db.t", "lock server_wide,instance_lock" },
	{ "BACKUP UNLOCK", "unlock server_wide,instance_unlock" },
	{ "SET SESSION AUTHORIZATION u@h", "set identity" },
	{ "SELECT NEXTVAL(s), LASTVAL(s), SETVAL(s, 5)", "select write,seq_read,seq_use" },
	{ "SELECT NEXT VALUE FOR s", "select write,seq_use" },
	{ "SELECT PREVIOUS VALUE FOR s", "select seq_read" },
	{ "SELECT s.nextval", "select" },
	{ "SELECT @@last_gtid", "select last_gtid" },
	{ "SELECT MASTER_GTID_WAIT('0-1-1', 1)", "select slow" },
	{ "ANALYZE FORMAT=JSON SELECT f()", "explain stored" },
	{ "ANALYZE UPDATE t SET a=1", "explain write" },
	{ "ANALYZE TABLE t PERSISTENT FOR ALL", "utility write,implicit_commit" },
	{ "SHOW EXPLAIN FOR 5", "show conn_ref" },
	{ "SHOW ANALYZE FORMAT=JSON FOR 5", "show conn_ref" },
	{ "EXPLAIN FOR CONNECTION 5", "explain conn_ref" },
	{ "SELECT * FROM t PROCEDURE ANALYSE(1, 2)", "select" },
	{ "INSERT INTO t (a) VALUES (1) RETURNING a, f()", "insert stored,write,set_last_id" },
	{ "CREATE OR REPLACE TEMPORARY TABLE t SELECT 1", "ddl write,temp_make" },
	{ "CREATE SEQUENCE s", "ddl write,ddl,implicit_commit" },
	{ "DROP SEQUENCE s", "ddl write,ddl,implicit_commit,temp_drop" },
	{ "CREATE OR REPLACE PROCEDURE p() SELECT 1", "ddl write,ddl,implicit_commit" },
	{ "SELECT account(1), action (2)", "select stored" },
	{ "SET @a=1, ROLE NONE, sql_mode=''", "set set_sys,set_mode,var_set,role" },
	{ "SET ROLE x, @b = 1", "set var_set,role" },
	{ "SET PASSWORD FOR u@h = PASSWORD('x'), @a = 1",
	  "set write,implicit_commit,var_set,password" },
	{ "SELECT 1 /*M! , get_lock('a',1) */", "select user_lock" },
	{ "SELECT 1 /*M!100400 , get_lock('a',1) */", "select user_lock" },
	{ "SELECT 1 /*!50700 , get_lock('a',1) */", "select" },
	{ "SELECT 1 /*!100000, get_lock('a',1) */", "select user_lock" },
	{ "SELECT 1 /*!999999 , get_lock('a',1) */", "select" },
	{ "SELECT $a$b, `x` -- ", "select" },
	{ "LOCK TABLES t WRITE WAIT 3", "lock write,implicit_commit,table_lock" },
	{ "SELECT MD5(1), JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$')), "
	  "VEC_DISTANCE(a, b), format_bytes(1)",
	  "select stored" },
	{ "SELECT * FROM t WHERE MATCH (a) AGAINST ('x') AND (a ESCAPE (b))", "select" },
	{ "INSERT INTO t (a) VALUE (1)", "insert write" },
	{ "SELECT a FROM JSON_TABLE('[]', '$[*]' COLUMNS (a INT PATH '$')) t", "select" },
	{ "SELECT JSON_TABLE(1)", "select stored" },
	{ "VALUES (1), (2)", "values" },
	{ "START SLAVE", "utility server_wide,implicit_commit" },
	{ "CHANGE MASTER TO MASTER_HOST='x'", "utility server_wide,implicit_commit" },
	{ "SELECT a FROM t FOR SYSTEM_TIME AS OF (NOW() - INTERVAL 1 DAY)", "select" },
	{ "SELECT MEDIAN(a) OVER (PARTITION BY b), PERCENTILE_CONT(0.5) WITHIN GROUP "
	  "(ORDER BY a) OVER (PARTITION BY b)",
	  "select" },
};

/* clang-format on */

/* A copy of the exact size: a sanitizer sees a read outside. */
static char *exact(const char *text, size_t n)
{
	char *copy = malloc(n != 0 ? n : 1);

	memcpy(copy, text, n);
	return copy;
}

static void says(const struct sql_my_opts *o, const char *text, size_t n, char *out, size_t cap)
{
	char *copy = exact(text, n), flags[1024];
	struct sql_my_iter it;
	struct sql_my_stmt st;
	size_t used = 0;

	out[0] = '\0';
	sql_my_start(&it, o, copy, n);
	while (sql_my_next(&it, &st)) {
		my_tell_flags(flags, sizeof(flags), st.flags);
		used += (size_t)snprintf(out + used, cap - used, "%s%s%s%s", used != 0 ? "; " : "",
			sql_my_verb_name(st.verb), flags[0] ? " " : "", flags);
		cr_assert_lt(used, cap);
	}
	free(copy);
}

static void check_says(const struct sql_my_opts *o, const char *text, const char *want)
{
	char out[4096];

	says(o, text, strlen(text), out, sizeof(out));
	cr_expect_str_eq(out, want, "%s:\n  %s, want\n  %s", text, out, want);
}

static void check(const struct sql_my_opts *o, const struct tell_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_says(o, c[i].text, c[i].says);
}

Test(classify_my, mysql)
{
	check(&my97, my_cases, N(my_cases));
}

Test(classify_my, mariadb)
{
	check(&maria, maria_cases, N(maria_cases));
}

/* What stands alone means the same with a comment or an executable one around it, in any case,
 * and in front of another statement. */
Test(classify_my, same_in_other_clothes)
{
	for (size_t i = 0; i < N(my_cases); i++) {
		const char *text = my_cases[i].text;
		char other[512], a[4096], b[4096];

		if (strstr(my_cases[i].says, "unsure") != NULL || strchr(text, ';') != NULL ||
			strstr(text, "/*") != NULL || text[0] == '-' || text[0] == '#' ||
			my_cases[i].says[0] == '\0')
			continue;
		says(&my97, text, strlen(text), a, sizeof(a));
		snprintf(other, sizeof(other), "/* x */ %s -- y", text);
		says(&my97, other, strlen(other), b, sizeof(b));
		cr_expect_str_eq(a, b, "%s", other);
		snprintf(other, sizeof(other), "/*!50000 %s */", text);
		says(&my97, other, strlen(other), b, sizeof(b));
		cr_expect_str_eq(a, b, "%s", other);
		snprintf(other, sizeof(other), "%s ; ", text);
		says(&my97, other, strlen(other), b, sizeof(b));
		cr_expect_str_eq(a, b, "%s", other);
	}
}

static struct sql_my_stmt classify(const struct sql_my_opts *o, const char *text)
{
	struct sql_my_stmt st;
	char *copy = exact(text, strlen(text));

	sql_my_classify(o, copy, strlen(text), &st);
	free(copy);
	return st;
}

Test(classify_my, whole_text)
{
	struct sql_my_stmt st = classify(&my97, " /* a */ BEGIN; SELECT @a; COMMIT; -- b");

	cr_assert_eq(st.verb, SQL_MY_V_BEGIN);
	cr_assert_eq(st.statements_n, 3);
	cr_assert_eq(st.flags, SQL_MY_MULTI | SQL_MY_TX_BEGIN | SQL_MY_IMPLICIT_COMMIT |
				       SQL_MY_TABLE_UNLOCK | SQL_MY_VAR_READ | SQL_MY_TX_END);
	st = classify(&my97, "SELECT 1");
	cr_assert_eq(st.statements_n, 1);
	cr_assert_eq(st.at, 0);
	cr_assert_eq(st.n, 8);
	st = classify(&my97, " -- nothing");
	cr_assert_eq(st.verb, SQL_MY_V_EMPTY);
	cr_assert_eq(st.statements_n, 0);
	sql_my_classify(&my97, NULL, 0, &st);
	cr_assert_eq(st.verb, SQL_MY_V_EMPTY);
}

Test(classify_my, statements_stand_where_they_say)
{
	const char *text = "SELECT 1 ;; USE `a;b`; /* c */ DO 1";
	struct sql_my_iter it;
	struct sql_my_stmt st;

	sql_my_start(&it, &my97, text, strlen(text));
	cr_assert(sql_my_next(&it, &st));
	cr_assert_eq(memcmp(text + st.at, "SELECT 1 ", st.n), 0);
	cr_assert(sql_my_next(&it, &st));
	cr_assert_eq(st.n, strlen(" USE `a;b`"));
	cr_assert_eq(memcmp(text + st.at, " USE `a;b`", st.n), 0);
	cr_assert_eq(st.name_n, 3);
	cr_assert_eq(memcmp(st.name, "a;b", 3), 0);
	cr_assert(sql_my_next(&it, &st));
	cr_assert_eq(st.verb, SQL_MY_V_DO);
	cr_assert_eq(st.at + st.n, strlen(text));
	cr_assert_not(sql_my_next(&it, &st));
	cr_assert_not(sql_my_next(&it, &st));
}

Test(classify_my, kill_has_its_number)
{
	struct sql_my_stmt st = classify(&my97, "KILL /* x */ QUERY 1234 ");

	cr_assert_eq(st.kill, SQL_MY_KILL_QUERY);
	cr_assert(st.id_known);
	cr_assert_eq(st.id, 1234);
	cr_assert_eq(st.id_at, 19);
	cr_assert_eq(st.id_n, 4);
	cr_assert_eq(classify(&my97, "KILL 7").kill, SQL_MY_KILL_CONNECTION);
	cr_assert_eq(classify(&maria, "KILL HARD CONNECTION 7").kill, SQL_MY_KILL_CONNECTION);
	cr_assert_eq(classify(&maria, "KILL QUERY ID 7").kill, SQL_MY_KILL_QUERY_ID);
	cr_assert_eq(classify(&maria, "KILL USER a@b").kill, SQL_MY_KILL_USER);
	st = classify(&my97, "KILL 1+1");
	cr_assert_eq(st.kill, SQL_MY_KILL_OTHER);
	cr_assert_not(st.id_known);
	cr_assert(classify(&my97, "KILL 18446744073709551615").id_known);
	cr_assert_not(classify(&my97, "KILL 18446744073709551616").id_known);
	st = classify(&my97, "EXPLAIN FORMAT=JSON FOR CONNECTION 9");
	cr_assert(st.id_known);
	cr_assert_eq(st.id, 9);
}

Test(classify_my, prepare_has_its_text)
{
	const char *text = "PREPARE `a b` FROM 'SELECT \\'x\\''";
	struct sql_my_stmt st = classify(&my97, text);

	cr_assert_eq(st.name_n, 3);
	cr_assert_eq(memcmp(st.name, "a b", 3), 0);
	cr_assert_eq(st.source, SQL_MY_SOURCE_LITERAL);
	cr_assert_eq(st.source_n, strlen("'SELECT \\'x\\''"));
	cr_assert_eq(memcmp(text + st.source_at, "'SELECT \\'x\\''", st.source_n), 0);
	cr_assert_eq(classify(&my97, "PREPARE a FROM @b").source, SQL_MY_SOURCE_VAR);
	cr_assert_eq(classify(&maria, "PREPARE a FROM CONCAT('a')").source, SQL_MY_SOURCE_OTHER);
	cr_assert_eq(classify(&maria, "PREPARE a FROM 'a' 'b'").source, SQL_MY_SOURCE_OTHER);
	cr_assert_eq(
		classify(&maria, "EXECUTE IMMEDIATE 'a' USING @b").source, SQL_MY_SOURCE_LITERAL);
	cr_assert_eq(classify(&my97, "EXECUTE a USING @b").source, SQL_MY_SOURCE_NONE);
}

Test(classify_my, programs_end_where_the_server_says)
{
	struct sql_my_opts single = my97;
	const char *body = "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT GET_LOCK('a', 1); END";

	check_says(&my97, body, "ddl unsure,write,ddl,implicit_commit");
	check_says(&my97, "CREATE PROCEDURE p() SELECT @a := 1;", "ddl write,ddl,implicit_commit");
	single.multi_statements = false;
	check_says(&single, body, "ddl write,ddl,implicit_commit");
	check_says(&single, "SELECT 1;", "select");
}

Test(classify_my, character_sets)
{
	struct sql_my_opts o = my97;
	const char *gbk = "SELECT '\xbf\\', GET_LOCK('a', 1) -- '";

	check_says(&o, "SELECT \xc3\xa9 FROM t", "select");
	o.charset = SQL_MY_CS_SECOND_BYTE;
	check_says(&o, gbk, "other unsure");
	check_says(&o, "SELECT 'a\\', GET_LOCK(1) -- '", "select");
	o.charset = SQL_MY_CS_UNKNOWN;
	check_says(&o, "SELECT 1", "other unsure");
	/* latin1: 0xa0 is a blank */
	o.charset = SQL_MY_CS_BYTES;
	check_says(&o, "SELECT '\xa0' INTO @a", "select var_silent");
	check_says(&o, "SELECT 1 INTO\xa0@a", "select unsure");
	check_says(&o, "SELECT @\xe9", "select unsure");

	cr_assert_eq(sql_my_charset("utf8mb4", 7), SQL_MY_CS_SAFE);
	cr_assert_eq(sql_my_charset("UTF8", 4), SQL_MY_CS_SAFE);
	cr_assert_eq(sql_my_charset("latin1", 6), SQL_MY_CS_BYTES);
	cr_assert_eq(sql_my_charset("gbk", 3), SQL_MY_CS_SECOND_BYTE);
	cr_assert_eq(sql_my_charset("swe7", 4), SQL_MY_CS_UNKNOWN);
	cr_assert_eq(sql_my_charset("", 0), SQL_MY_CS_UNKNOWN);
}

Test(classify_my, sql_mode)
{
	struct sql_my_opts o = my97;

	check_says(&o, "SELECT \"a\\\", GET_LOCK(1) -- \"", "select");
	o.mode = SQL_MY_MODE_ANSI_QUOTES;
	check_says(&o, "SELECT \"a\\\", GET_LOCK(1) -- \"", "select user_lock");
	check_says(&o, "SELECT \"get_lock\"(1)", "select user_lock");
	check_says(&o, "USE \"a\"", "use use");
	o.mode = SQL_MY_MODE_NO_BACKSLASH_ESCAPES;
	check_says(&o, "SELECT 'a\\', GET_LOCK(1) -- '", "select user_lock");
	o.mode = SQL_MY_MODE_IGNORE_SPACE;
	check_says(&o, "SELECT COUNT (*)", "select");
	o.mode = SQL_MY_MODE_ORACLE;
	check_says(&o, "SELECT 1", "other unsure");

	const char *mode = "STRICT_TRANS_TABLES,ANSI_QUOTES,NO_BACKSLASH_ESCAPES";

	cr_assert_eq(sql_my_mode(mode, strlen(mode)),
		SQL_MY_MODE_ANSI_QUOTES | SQL_MY_MODE_NO_BACKSLASH_ESCAPES);
	cr_assert_eq(sql_my_mode("", 0), 0);
	cr_assert_eq(sql_my_mode("oracle", 6), SQL_MY_MODE_ORACLE);
}

/* A SET in front may change how the rest of the text is read. */
Test(classify_my, shaken_ground)
{
	check_says(&my97, "SET sql_mode='ANSI_QUOTES'; SELECT \"a\"",
		"set set_sys,set_mode; select unsure");
	check_says(&my97, "SET sql_mode='ANSI_QUOTES'; SELECT 'a'", "set set_sys,set_mode; select");
	check_says(&my97, "SET sql_mode='STRICT_ALL_TABLES'; SELECT \"a\"",
		"set set_sys,set_mode; select");
	check_says(&my97, "SET sql_mode=@@sql_mode; SELECT '\\''; SELECT 1",
		"set set_sys,set_mode; select unsure");
	check_says(&my97, "EXECUTE s; SELECT \"a\"", "execute execute; select unsure");
	check_says(&my97, "SET NAMES gbk; SELECT '\xbf\\'", "set set_sys,set_names; select unsure");
	check_says(&my97, "SET NAMES utf8mb4; SELECT '\xc3\xa9'", "set set_sys,set_names; select");
	check_says(&my97, "SET NAMES gbk; SELECT 'a\\\\'", "set set_sys,set_names; select");
}

/* What only some releases have as their own may be a stored function elsewhere. */
Test(classify_my, releases)
{
	struct sql_my_opts o = my97;

	check_says(&o, "SELECT VECTOR_DIM(a), MD5(a)", "select stored");
	check_says(&o, "SELECT VECTOR_DIM(a)", "select");
	o.version = 80036;
	check_says(&o, "SELECT VECTOR_DIM(a)", "select stored");
	check_says(&o, "SELECT MD5(a), ABS(a)", "select");
	o.version = 0;
	check_says(&o, "SELECT ABS(a)", "select");
	check_says(&o, "SELECT MD5(a)", "select stored");
	check_says(&o, "SELECT 1 /*!50000 + 1 */", "select unsure");
	check_says(&o, "SELECT 1 /*! + 1 */", "select");
}

Test(classify_my, hostile)
{
	static const char nul[] = "SELECT 1\0, GET_LOCK('a', 1)";
	static const char in_string[] = "SELECT 'a\0b', GET_LOCK('a', 1)";
	char out[4096], *deep = malloc(200001);

	says(&my97, nul, sizeof(nul) - 1, out, sizeof(out));
	cr_assert_str_eq(out, "select unsure");
	says(&my97, in_string, sizeof(in_string) - 1, out, sizeof(out));
	cr_assert_str_eq(out, "select user_lock");
	memset(deep, '(', 200000);
	deep[200000] = '\0';
	check_says(&my97, deep, "other unsure");
	memcpy(deep, "SELECT ", 7);
	check_says(&my97, deep, "select unsure");
	free(deep);

	size_t n = SQL_MY_TEXT_MAX + 10;
	char *longer = malloc(n);

	memset(longer, ' ', n);
	memcpy(longer, "SELECT 1", 8);
	says(&my97, longer, n, out, sizeof(out));
	cr_assert_str_eq(out, "select unsure");
	says(&my97, longer, SQL_MY_TEXT_MAX, out, sizeof(out));
	cr_assert_str_eq(out, "select");
	free(longer);
}

/* ---- SET, one assignment after the other ---- */

static void set_says(const struct sql_my_opts *o, const char *text, char *out, size_t cap)
{
	struct sql_my_stmt st;
	struct sql_my_iter it;
	struct sql_my_set set;
	struct sql_my_assign a;
	size_t used = 0;

	out[0] = '\0';
	sql_my_start(&it, o, text, strlen(text));
	cr_assert(sql_my_next(&it, &st));
	sql_my_set_start(&set, o, text, &st);
	while (sql_my_set_next(&set, &a)) {
		static const char *const scope[] = { "session", "once", "global", "persist", "user",
			"names", "collate", "charset", "tx once", "tx session", "tx global",
			"statement", "other" };
		static const char *const kind[] = { "number", "string", "word", "default", "null",
			"expr" };

		used += (size_t)snprintf(out + used, cap - used, "%s%s %.*s %s %.*s",
			used != 0 ? "; " : "", scope[a.scope], (int)a.name_n, a.name, kind[a.kind],
			a.value_known ? (int)a.value_n : (int)a.value_n_src,
			a.value_known ? a.value : text + a.value_at);
	}
}

static const struct tell_case set_cases[] = {
	{ "SET a = 1", "session a number 1" },
	{ "SET A = -1.5", "session a number -1.5" },
	{ "SET a = + 1", "session a number 1" },
	{ "SET a = 0x1F", "session a number 0x1F" },
	{ "SET a = 'x''y\\n'", "session a string x'y\n" },
	{ "SET a = \"x\"", "session a string x" },
	{ "SET a = ON, b := off", "session a word ON; session b word off" },
	{ "SET a = DEFAULT, b = NULL", "session a default DEFAULT; session b null NULL" },
	{ "SET a = `x`", "session a word x" },
	{ "SET a = 'x' 'y'", "session a expr 'x' 'y'" },
	{ "SET a = _utf8mb4'x', b = N'x'", "session a expr _utf8mb4'x'; session b expr N'x'" },
	{ "SET a = (SELECT 1, 2), b = f(1, 2)",
		"session a expr (SELECT 1, 2); session b expr f(1, 2)" },
	{ "SET a = @@global.a", "session a expr @@global.a" },
	{ "SET GLOBAL a = 1, b = 2, SESSION c = 3, d = 4",
		"global a number 1; global b number 2; session c number 3; session d number 4" },
	{ "SET @@GLOBAL.a = 1, b = 2", "global a number 1; session b number 2" },
	{ "SET @@a = 1, @@session.b = 2, @@local.c = 3, @@persist.d = 4",
		"session a number 1; session b number 2; session c number 3; persist d number 4" },
	{ "SET PERSIST_ONLY a = 1", "persist a number 1" },
	{ "SET @a = 1, @`B c` := 'x', @'d' = @e",
		"user a number 1; user b c string x; user d expr @e" },
	{ "SET @@transaction_isolation = 'SERIALIZABLE', transaction_isolation = 'READ-COMMITTED'",
		"once transaction_isolation string SERIALIZABLE; "
		"session transaction_isolation string READ-COMMITTED" },
	{ "SET NAMES utf8mb4", "names names word utf8mb4" },
	{ "SET NAMES 'utf8mb4' COLLATE utf8mb4_bin, a = 1",
		"names names string utf8mb4; collate collate word utf8mb4_bin; "
		"session a number 1" },
	{ "SET NAMES DEFAULT", "names names default DEFAULT" },
	{ "SET a = 1, NAMES binary", "session a number 1; names names word binary" },
	{ "SET CHARACTER SET utf8mb4, CHARSET 'x'",
		"charset charset word utf8mb4; charset charset string x" },
	{ "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ WRITE",
		"tx once transaction_isolation word READ-UNCOMMITTED; "
		"tx once transaction_read_only number 0" },
	{ "SET SESSION TRANSACTION READ ONLY", "tx session transaction_read_only number 1" },
	{ "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"tx global transaction_isolation word REPEATABLE-READ" },
	{ "SET ROLE a, b", "other role expr a, b" },
	{ "SET DEFAULT ROLE a TO b@c", "other default role expr a TO b@c" },
	{ "SET PASSWORD FOR a@b = 'x'", "other password expr FOR a@b = 'x'" },
	{ "SET RESOURCE GROUP a FOR 1", "other resource group expr a FOR 1" },
	{ "SET hot.key_buffer_size = 1, `sql_mode` = ''",
		"session hot.key_buffer_size number 1; session sql_mode string " },
	{ "/*!40101 SET sql_mode = '' */", "session sql_mode string " },
	{ "SET a", "" },
	{ "SELECT @a := 1", "" },
};

Test(classify_my, assignments)
{
	char out[4096];

	for (size_t i = 0; i < N(set_cases); i++) {
		set_says(&my97, set_cases[i].text, out, sizeof(out));
		cr_expect_str_eq(out, set_cases[i].says, "%s:\n  %s, want\n  %s", set_cases[i].text,
			out, set_cases[i].says);
	}
	set_says(&maria, "SET STATEMENT a = 1, b = 'x' FOR SELECT 1", out, sizeof(out));
	cr_expect_str_eq(out, "statement a number 1; statement b string x");
	set_says(&maria, "SET ROLE a, b = 1", out, sizeof(out));
	cr_expect_str_eq(out, "other role expr a; session b number 1");
	set_says(&maria, "SET SESSION AUTHORIZATION a@b", out, sizeof(out));
	cr_expect_str_eq(out, "other session authorization expr a@b");
}

Test(classify_my, long_names_and_values_are_not_known)
{
	char text[4096];
	struct sql_my_stmt st;
	struct sql_my_set set;
	struct sql_my_assign a;

	snprintf(text, sizeof(text), "SET @%0300d = '%01500d'", 1, 1);
	st = classify(&my97, text);
	sql_my_set_start(&set, &my97, text, &st);
	cr_assert(sql_my_set_next(&set, &a));
	cr_assert_not(a.name_known);
	cr_assert_not(a.value_known);
	cr_assert_eq(a.kind, SQL_MY_VAL_STRING);
	cr_assert_not(sql_my_set_next(&set, &a));
}

Test(classify_my, variables_of_the_server)
{
	cr_assert_eq(sql_my_sysvar("SQL_MODE", 8), SQL_MY_SYS_MODE);
	cr_assert_eq(sql_my_sysvar("session_track_schema", 20), SQL_MY_SYS_TRACKER);
	cr_assert_eq(sql_my_sysvar("session_track_new", 17), SQL_MY_SYS_TRACKER);
	cr_assert_eq(sql_my_sysvar("pseudo_new", 10), SQL_MY_SYS_IDENTITY);
	cr_assert_eq(sql_my_sysvar("timestamp", 9), SQL_MY_SYS_ONE_USE);
	cr_assert_eq(sql_my_sysvar("autocommit", 10), SQL_MY_SYS_TX);
	cr_assert_eq(sql_my_sysvar("wait_timeout", 12), SQL_MY_SYS_PLAIN);
	cr_assert_eq(sql_my_sysvar("", 0), SQL_MY_SYS_PLAIN);
	cr_assert_str_eq(sql_my_sysvar_key("TX_isolation", 12), "transaction_isolation");
	cr_assert_null(sql_my_sysvar_key("transaction_isolation", 21));
}

/* ---- user variables, one by one ---- */

static void vars_say(const struct sql_my_opts *o, const char *text, char *out, size_t cap)
{
	struct sql_my_stmt st;
	struct sql_my_iter it;
	struct sql_my_vars vars;
	struct sql_my_var v;
	size_t used = 0;

	out[0] = '\0';
	sql_my_start(&it, o, text, strlen(text));
	cr_assert(sql_my_next(&it, &st));
	sql_my_vars_start(&vars, o, text, &st);
	while (sql_my_vars_next(&vars, &v))
		used += (size_t)snprintf(out + used, cap - used, "%s%.*s%s%s%s",
			used != 0 ? " " : "", (int)v.name_n, v.name, v.read ? "<" : "",
			v.set ? ">" : "", v.ascii ? "" : "?");
}

static const struct tell_case var_cases[] = {
	{ "SELECT @a, @B.c$_1, @`d e`, @'f''g', @\"h\"", "a< b.c$_1< d e< f'g< h<" },
	{ "SELECT @a := @b + (@c := 1)", "a> b< c>" },
	{ "SELECT 1, 2 INTO @a, @b", "a> b>" },
	{ "SELECT 1 INTO @a FROM t WHERE b = @b", "a> b<" },
	{ "SELECT 1 FROM t WHERE a IN (@a, @b)", "a< b<" },
	{ "SET @a = @b, @c := (@d := 2)", "a> b< c> d>" },
	{ "SET a = @a = 1", "a<" },
	{ "SET @a = @b = 1", "a> b<" },
	{ "CALL p(@a, @b + 1, (@c))", "a<> b< c<" },
	{ "CALL p()", "" },
	{ "EXECUTE s USING @a, @b", "a<> b<>" },
	{ "PREPARE s FROM @a", "a<" },
	{ "GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT", "a> b>" },
	{ "GET DIAGNOSTICS CONDITION @a @b = MESSAGE_TEXT", "a< b>" },
	{ "LOAD DATA INFILE 'x' INTO TABLE t CHARACTER SET binary (@a, b, @c) SET d = @a + @c",
		"a> c> a< c<" },
	{ "UPDATE t SET a = @a, b = @b := 1 WHERE @c", "a< b> c<" },
	{ "INSERT INTO t VALUES (@a, @b)", "a< b<" },
	{ "EXPLAIN FORMAT=JSON INTO @a SELECT @b", "a> b<" },
	{ "GRANT ALL ON *.* TO a@b, 'c'@'d', `e`@`f`, root@localhost", "" },
	{ "SET PASSWORD FOR a@b = 'x'", "" },
	{ "SHOW GRANTS FOR user@localhost", "localhost<" },
	{ "CREATE DEFINER=adm@localhost VIEW v AS SELECT 1", "" },
	{ "CREATE TABLE t SELECT@a", "a<" },
	{ "SELECT@a", "a<" },
	{ "DO @a/*x*/:=/*y*/1", "a>" },
	{ "SELECT @@a, @@session.b, @c", "c<" },
	{ "SELECT '@a', `@b`, 1 -- @c", "" },
	{ "SELECT @\xc3\x89", "\xc3\x89<?" },
	{ "SELECT 1 /*! , @a */", "a<" },
};

Test(classify_my, user_variables)
{
	char out[4096];

	for (size_t i = 0; i < N(var_cases); i++) {
		vars_say(&my97, var_cases[i].text, out, sizeof(out));
		cr_expect_str_eq(out, var_cases[i].says, "%s:\n  %s, want\n  %s", var_cases[i].text,
			out, var_cases[i].says);
	}
	vars_say(&maria, "SET STATEMENT a = 1 FOR CALL p(@a)", out, sizeof(out));
	cr_expect_str_eq(out, "a<>");
}
