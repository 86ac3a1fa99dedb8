-- A point select as sysbench's oltp_point_select, by clients of which each has session variables of its own.

function thread_init()
	con = sysbench.sql.driver():connect()
	con:query(string.format("SET SESSION sort_buffer_size = %d, max_execution_time = %d, time_zone = '+%02d:00'",
		262144 + 1024 * sysbench.tid, 100000 + sysbench.tid, sysbench.tid % 13))
	stmt = con:prepare("SELECT c FROM sbtest1 WHERE id = ?")
	id = stmt:bind_create(sysbench.sql.type.INT)
	stmt:bind_param(id)
end

function event()
	id:set(sysbench.rand.uniform(1, 10000))
	stmt:execute()
end

function thread_done()
	stmt:close()
	con:disconnect()
end
