"""Every session variable that a server has, set at random by three sessions that change server connections all the time: each
has what a direct connection has that did the same. The seed is printed; WEIRPOOL_TEST_SEED repeats a run."""
import os
import random

import pytest

from rawmy import MODERN, MULTI_STATEMENTS, MyError
from weir import Direct

# not of the session, never twice the same, or weirpool's own business
SKIP = ('rand_seed', 'timestamp', 'pseudo_', 'session_track', 'gtid_', 'debug', 'server_id', 'statement_id', 'insert_id', 'last_gtid',
        'identity', 'last_insert_id', 'error_count', 'warning_count', 'in_transaction', 'sql_log_bin', 'proxy_user', 'external_user',
        'binlog_format', 'wsrep', 'skip_replication', 'skip_parallel_replication', 'innodb_fake_changes', 'resultset_metadata',
        'default_master_connection', 'immediate_server_version', 'original_', 'next_query_id', 'session_authorization')
# these would end or stall the session, or keep its connection
KEEP = ('wait_timeout', 'interactive_timeout', 'net_', 'max_statement_time', 'max_execution_time', 'idle_', 'lock_wait_timeout', 'system_versioning_asof',
        'sql_select_limit', 'max_user_connections', 'query_prealloc_size', 'range_alloc', 'max_allowed_packet', 'transaction_read_only', 'tx_read_only',
        'connection_memory', 'global_connection_memory', 'profiling', 'max_session_mem', 'max_tmp_session', 'tmp_memory', 'secondary_engine',
        'tmp_table_size', 'max_heap_table_size', 'tmp_disk_table_size', 'max_tmp_space_usage', 'big_tables', 'autocommit', 'sql_safe_updates', 'completion_type')
STRINGS = {**{n: [str(1 << 20), str(1 << 24), str(1 << 26)] for n in ('max_join_size', 'join_buffer_size')},
           'time_zone': ['+03:00', '-05:30', 'SYSTEM'], 'lc_time_names': ['de_DE', 'fr_FR'], 'lc_messages': ['de_DE', 'en_US'],
           'default_storage_engine': ['MyISAM', 'InnoDB'], 'storage_engine': ['MyISAM', 'InnoDB'],
           'default_tmp_storage_engine': ['MyISAM', 'InnoDB'], 'character_set_client': ['latin1', 'utf8mb4', 'gbk'],
           'character_set_results': ['latin1', 'utf8mb4', 'binary'], 'character_set_connection': ['latin1', 'utf8mb4', 'latin2'],
           'collation_connection': ['latin1_bin', 'utf8mb4_bin', 'utf8mb4_unicode_ci', 'latin2_bin'],
           'character_set_database': ['latin1', 'utf8mb4'], 'collation_database': ['latin1_bin'], 'collation_server': ['latin1_bin', 'utf8mb4_bin'],
           'character_set_server': ['latin1', 'utf8mb4'], 'character_set_filesystem': ['binary', 'latin1'],
           'sql_mode': ['ANSI', 'TRADITIONAL', 'NO_BACKSLASH_ESCAPES', '', 'STRICT_TRANS_TABLES,PIPES_AS_CONCAT'],
           'transaction_isolation': ['READ-COMMITTED', 'SERIALIZABLE'], 'tx_isolation': ['READ-COMMITTED', 'SERIALIZABLE'],
           'default_collation_for_utf8mb4': ['utf8mb4_general_ci', 'utf8mb4_0900_ai_ci'],
           'character_set_collations': ['utf8mb4=utf8mb4_bin', ''], 'innodb_ft_user_stopword_table': ['']}


def is_in(name, names):
    return any(name.startswith(n) for n in names)


def variables(direct, family):
    """name -> values to set it to, as SQL."""
    now = dict(direct.q('show session variables'))
    if family == 'mysql':
        rows = direct.q("select variable_name, data_type, min_value, max_value, '' from performance_schema.variables_metadata "
                        "where variable_scope like 'SESSION%'")
    else:
        rows = direct.q("select lower(variable_name), variable_type, numeric_min_value, numeric_max_value, enum_value_list "
                        "from information_schema.system_variables where variable_scope like 'SESSION%' and read_only = 'NO'")
    out = {}
    for name, kind, low, _, listed in rows:
        kind, own = kind.lower(), now.get(name) or ''
        if is_in(name, SKIP + KEEP) or name not in now:
            continue
        if name in STRINGS:
            values = [v if v.isdigit() else "'%s'" % v for v in STRINGS[name]]
        elif 'optimizer_switch' in name:
            flags = [f.split('=')[0] for f in own.split(',')]
            values = ["'%s=%s'" % (f, v) for f in flags for v in ('on', 'off')]
        elif listed:
            names = listed.split(',')
            values = ["'%s'" % n for n in names]
            if kind in ('set', 'flagset'):
                values = ["'%s%s'" % (n, '=off' if kind == 'flagset' else '') for n in names] + ["''"]
        elif kind.startswith(('bool', 'enum', 'set')):
            values = ['0', '1', '2'][:2 if kind.startswith('bool') else 3]
        elif 'int' in kind or kind in ('double', 'numeric', 'unsigned'):
            base = int(float(low or 0))
            values = [str(v) for v in (base, base + 1, base + 7, 1000, 65536)]
            values += ['2.5'] if kind == 'double' else []
        else:
            values = ["'%s'" % own.replace('\\', '').replace("'", '')] if own else []
        out[name] = values + ['default']
    return out


class Twin:
    """A session through weirpool, and one that does the same on the server itself."""

    def __init__(self, wp, server):
        self.pooled, self.direct = [w.my(caps=MODERN | MULTI_STATEMENTS, user='super') for w in (wp, Direct(server))]

    def do(self, sql):
        seen = []
        for s in (self.pooled, self.direct):
            try:
                s.do(sql)
                seen.append(None)
            except MyError as e:
                seen.append(e.errno)
        assert seen[0] == seen[1], (sql, seen)
        return seen[0]

    def state(self, s):
        return {k: v for k, v in s.q('show session variables') if not is_in(k, SKIP)}

    def check(self, same, done):
        got, want = self.state(self.pooled), self.state(self.direct)
        bad = {k: (got.get(k), want.get(k)) for k in same if got.get(k) != want.get(k)}
        assert not bad, 'through weirpool, directly: %s; it did %s' % (bad, done)

    def reset(self):
        self.pooled.reset_connection()
        self.direct.reset_connection()


@pytest.mark.timeout(240)
def test_session_variables_at_random(anymy, mypool):
    seed = int(os.environ.get('WEIRPOOL_TEST_SEED', 1))
    print('WEIRPOOL_TEST_SEED=%d' % seed)
    rnd = random.Random(seed)
    wp = mypool(anymy, default_pool_size=2)
    if wp.direct:
        pytest.skip('compares with a direct connection')
    twins = [Twin(wp, anymy) for _ in range(3)]
    holder = wp.my(caps=MODERN, user='super')
    begin = [t.state(t.pooled) for t in twins], [t.state(t.direct) for t in twins]
    same = [k for k in begin[1][0] if all(s.get(k) == begin[1][0][k] for s in begin[0] + begin[1])]
    every = variables(twins[0].direct, anymy.family)
    names = sorted(every)
    rnd.shuffle(names)
    done, out = {t: [] for t in twins}, []
    other = wp.my(caps=MODERN, user='super')
    for i, name in enumerate(names):
        t = rnd.choice(twins)
        # one of the two connections is taken; so whoever comes next is on the other one
        holder.do('begin')
        other.do('rollback')
        holder, other = other, holder
        texts = ['%s = %s' % (n, rnd.choice(every[n])) for n in [name] + rnd.sample(names, rnd.randrange(3))]
        sql = 'set ' + ', '.join('session ' + x for x in texts)
        if rnd.random() < 0.1:
            sql = rnd.choice(["set names latin1", "set names utf8mb4 collate utf8mb4_bin", 'set character set latin2', 'set names gbk', 'use app2',
                              'use app', 'set names default'])
        e = t.do(sql)
        print('%d: %s -> %s' % (twins.index(t), sql, e))
        done[t].append('%s%s' % (sql, ' (error %d)' % e if e else ''))
        pins = {r['pins'] for r in wp.admin('SHOW CLIENTS') if r['user'] != 'admin' and r['pins']}
        if pins:
            out.append((pins, sql))
            t.reset()
            done[t] = []
        for u in twins if i % 5 == 0 else [t]:
            u.check(same, done[u])
    for t in twins:
        t.check(same, done[t])
    print('%d variables, pinned by %s' % (len(names), out))
