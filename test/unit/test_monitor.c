/* monitor: what is read from servers and from Patroni, also when it is hostile. */
#include "../../src/monitor/monitor_int.h"

#include "seed.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int leader(const char *s, char name[64], char host[256], uint16_t *port)
{
	bool paused;
	return patroni_leader(s, strlen(s), name, host, port, &paused);
}

/* As Patroni 3.0.2 says it, and with what may stand between. */
Test(monitor, patroni_leader)
{
	char name[64], host[256];
	uint16_t port;
	bool paused;
	const char *s =
		"{\"members\": [{\"name\": \"p0\", \"role\": \"replica\", \"state\": \"up\", "
		"\"api_url\": \"http://127.0.0.1:28008/\", \"host\": \"127.0.0.1\", \"port\": "
		"25432, \"timeline\": 1, \"lag\": 0, \"tags\": {\"role\": \"leader\", \"a\": [1, "
		"{\"role\": \"leader\"}]}}, {\"role\": \"leader\", \"name\": \"p1\", \"host\": "
		"\"10.0.0.1\", \"port\": 5433}], \"scope\": \"lab\", \"role\": \"leader\"}";
	cr_assert_eq(leader(s, name, host, &port), 0);
	cr_assert_str_eq(name, "p1");
	cr_assert_str_eq(host, "10.0.0.1");
	cr_assert_eq(port, 5433);
	cr_assert_eq(leader("{\"members\": [], \"scope\": \"x\"}", name, host, &port), 0);
	cr_assert_str_eq(name, "");
	cr_assert_eq(leader("{\"members\": [{\"role\": \"standby_leader\", \"name\": \"x\"}]}",
			     name, host, &port),
		0);
	cr_assert_str_eq(name, "", "the leader of a standby cluster takes no writes");
	/* cut anywhere: no answer, never half of one */
	for (size_t n = 0; n < strlen(s); n++)
		cr_assert_eq(patroni_leader(s, n, name, host, &port, &paused), -1, "%zu", n);
	static const char *const bad[] = { "", "x", "[]", "{}", "{\"members\": {}",
		"{\"members\" []}", "{\"members\": [}]", "{\"members\": [{\"role\" \"leader\"}]}",
		"{\"members\": [{\"role\": \"leader\",,}]}", "{\"members\": []}}", "<html>" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(leader(bad[i], name, host, &port), -1, "%s", bad[i]);
}

static void count(void *arg, const struct patroni_member *p)
{
	unsigned *n = arg;
	cr_assert_str_eq(p->name, *n ? "p\\u0031" : "p0", "as it stands there");
	cr_assert_str_eq(p->api_url, *n ? "" : "http://127.0.0.1:28008/patroni");
	cr_assert_str_eq(p->role, *n ? "leader" : "replica");
	++*n;
}

Test(monitor, patroni_members)
{
	unsigned n = 0;
	const char *s = "{\"members\": [{\"name\": \"p0\", \"role\": \"replica\", \"api_url\": "
			"\"http://127.0.0.1:28008/patroni\"}, {\"name\": \"p\\u0031\", \"role\": "
			"\"leader\"}]}";
	bool paused = true;
	cr_assert_eq(patroni_members(s, strlen(s), count, &n, &paused), 0);
	cr_assert(n == 2 && !paused);
	s = "{\"members\": [{\"name\": \"p0\", \"pause\": false}], \"pause\": true, "
	    "\"scope\": \"x\"}";
	char name[64], host[256];
	uint16_t port;
	cr_assert_eq(patroni_leader(s, strlen(s), name, host, &port, &paused), 0);
	cr_assert(paused && !*name);
}

Test(monitor, json_depth_and_garbage)
{
	static const char chars[] = "{}[]\",:\\ x1\x01\0";
	unsigned seed = seed_first();
	char s[200], name[64], host[256];
	uint16_t port;
	bool paused;
	memset(s, '[', sizeof s);
	cr_assert_eq(patroni_leader(s, sizeof s, name, host, &port, &paused), -1);
	for (int round = 0; round < 50000; round++) {
		size_t n = (size_t)rand_r(&seed) % 40;
		for (size_t i = 0; i < n; i++)
			s[i] = chars[(size_t)rand_r(&seed) % (sizeof chars - 1)];
		struct json j;
		json_init(&j, s, n);
		unsigned tokens = 0;
		for (enum json_kind k; (k = json_next(&j)) != JSON_END && k != JSON_BAD;)
			cr_assert_lt(++tokens, 100u);
	}
}

Test(monitor, samples)
{
	struct reading pg = { .kind = CLUSTER_PG }, my = { .kind = CLUSTER_MYSQL };
	struct reading ma = { .kind = CLUSTER_MARIADB };
	struct cluster_sample s = { 0 };
	struct err e;
	cr_assert_eq(
		facts_read_fast(&pg, (const char *[]){ "f", "0/2445E018", "0000000A" }, 3, &s, &e),
		0);
	cr_assert(s.writable && s.timeline == 10 && s.pos.lsn == 0x2445E000, "normalised");
	cr_assert_eq(
		facts_read_fast(&pg, (const char *[]){ "t", "0/2445E018", NULL }, 3, &s, &e), 0);
	cr_assert(!s.writable && s.timeline == 0 && s.pos.lsn == 0x2445E018);
	cr_assert_eq(facts_read_fast(&pg, (const char *[]){ "t", NULL, NULL }, 3, &s, &e), 0);
	cr_assert_eq(s.pos.kind, POS_LSN);
	cr_assert_eq(facts_read_fast(&pg, (const char *[]){ "f", "x", "1" }, 3, &s, &e), -1);
	cr_assert_eq(facts_read_fast(&pg, (const char *[]){ "f" }, 1, &s, &e), -1);
	cr_assert_eq(facts_read_fast(&my, (const char *[]){ "0", "0", "" }, 3, &s, &e), 0);
	cr_assert(s.writable && s.pos.kind == POS_GTID);
	cr_assert_eq(facts_read_fast(&my, (const char *[]){ "1", "0", "" }, 3, &s, &e), 0);
	cr_assert(!s.writable);
	cr_assert_eq(facts_read_fast(&my, (const char *[]){ NULL, NULL, NULL }, 3, &s, &e), 0);
	cr_assert(!s.writable, "what is not known is no claim");
	cr_assert_eq(
		facts_read_fast(&ma, (const char *[]){ "0", "0", "0-1-9", "0-1-7" }, 4, &s, &e), 0);
	cr_assert(s.writable && s.pos.iv[0].hi == 9);
	pos_fini(&s.pos);
	cr_assert_eq(
		facts_read_fast(&ma, (const char *[]){ "1", "0", "0-1-9", "0-1-7" }, 4, &s, &e), 0);
	cr_assert(
		!s.writable && s.pos.iv[0].hi == 7, "what it has applied, not what it has logged");
	pos_fini(&s.pos);
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}

Test(monitor, galera)
{
	static const char u[] = "9867d470-e5ed-11f1-9943-c6a5f0094f8d";
	const char *rows[][2] = { { "wsrep_last_committed", "12" },
		{ "wsrep_se_checkpoint", "9867d470-e5ed-11f1-9943-c6a5f0094f8d:11 0-1-5" },
		{ "wsrep_cluster_state_uuid", u }, { "wsrep_cluster_status", "Primary" },
		{ "wsrep_cluster_conf_id", "3" }, { "wsrep_ready", "ON" },
		{ "wsrep_local_state", "4" }, { "wsrep_local_state_comment", "Synced" },
		{ "read_only", "OFF" }, { "wsrep_on", "ON" }, { "other", NULL } };
	struct galera g = { 0 };
	struct cluster_sample s = { 0 };
	struct cluster_facts f = { 0 };
	struct err e;
	cr_assert_eq(galera_sample(&g, &s, &e), -1, "no rows, no member");
	cr_assert_eq(galera_facts(&g, &f, &e), -1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		galera_row(&g, rows[i], 2);
	galera_row(&g, rows[0], 1);
	cr_assert_eq(galera_sample(&g, &s, &e), 0);
	cr_assert(s.writable && s.pos.iv[0].hi == 12 && s.visible.iv[0].hi == 11);
	cr_assert_eq(s.settle_us, 50000);
	cr_assert_eq(galera_facts(&g, &f, &e), 0);
	cr_assert(f.member == MEMBER_IN && !f.read_only && strcmp(f.system, u) == 0);
	cr_assert_str_eq(f.group_view, "3");
	pos_fini(&s.pos);
	pos_fini(&s.visible);
	/* a member outside of the primary component; a checkpoint of another history */
	galera_row(&g, (const char *[]){ "wsrep_cluster_status", "non-Primary" }, 2);
	galera_row(&g, (const char *[]){ "wsrep_se_checkpoint", "x:11" }, 2);
	galera_row(&g, (const char *[]){ "read_only", "ON" }, 2);
	s = (struct cluster_sample){ 0 };
	cr_assert_eq(galera_sample(&g, &s, &e), 0);
	cr_assert(!s.writable && s.visible.kind == POS_NONE && s.settle_us == 1000000);
	cr_assert_eq(galera_facts(&g, &f, &e), 0);
	cr_assert(f.member == MEMBER_OUT && f.read_only && strstr(f.note, "non-Primary"));
	pos_fini(&s.pos);
	/* a joiner has no state yet */
	galera_row(&g, (const char *[]){ "wsrep_last_committed", "-1" }, 2);
	s = (struct cluster_sample){ 0 };
	f = (struct cluster_facts){ 0 };
	galera_row(&g,
		(const char *[]){
			"wsrep_cluster_state_uuid", "00000000-0000-0000-0000-000000000000" },
		2);
	cr_assert_eq(galera_sample(&g, &s, &e), 0);
	cr_assert(s.pos.kind == POS_GTID && s.pos.iv_n == 0);
	cr_assert_eq(galera_facts(&g, &f, &e), 0);
	cr_assert_str_eq(f.system, "");
	cr_assert_eq(mem_live(MEM_CLUSTER), 0);
}

Test(monitor, facts)
{
	struct reading r = { .kind = CLUSTER_PG };
	struct cluster_facts f = { 0 };
	struct err e;
	const char *pg[] = { "7", "t", "1", "5", "streaming", "f", "h:1", "16777216", "8192", "4",
		"t", "app" };
	cr_assert_eq(facts_read_slow(&r, pg, 12, &f, &e), 0);
	cr_assert(f.repl == UPSTREAM_RUNS && f.timeline == 5 && !f.paused && !*f.note);
	pg[3] = NULL;
	pg[10] = "f";
	cr_assert_eq(facts_read_slow(&r, pg, 12, &f, &e), 0);
	cr_assert_eq(f.timeline, 4);
	cr_assert(strstr(f.note, "GRANT pg_monitor TO app"), "%s", f.note);
	r = (struct reading){ .kind = CLUSTER_GR };
	f = (struct cluster_facts){ 0 };
	const char *gr[] = { "u1", "g", "123:4", "ONLINE", "u2", "3", "1" };
	cr_assert_eq(facts_read_slow(&r, gr, 7, &f, &e), 0);
	cr_assert(f.member == MEMBER_IN && !r.majority, "alone of three");
	gr[6] = "2";
	cr_assert_eq(facts_read_slow(&r, gr, 7, &f, &e), 0);
	cr_assert(r.majority);
	gr[3] = "ERROR";
	cr_assert_eq(facts_read_slow(&r, gr, 7, &f, &e), 0);
	cr_assert(f.member == MEMBER_OUT && !r.majority);
	cr_assert_eq(facts_read_slow(&r, gr, 6, &f, &e), -1);
}
