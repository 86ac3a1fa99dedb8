/* pgsim - a PostgreSQL server for tests, as far as a protocol can tell: messages, transactions,
 * prepared statements, portals, COPY, settings and a few things a session leaves behind. SQL is a
 * handful of texts, see pgsim.c. Any thread, one at a time. */
#ifndef TEST_PGSIM_H
#define TEST_PGSIM_H
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_N 64

struct sim_kv {
	char name[64], value[128];
};
struct sim_set {
	struct sim_kv v[SIM_N];
	unsigned n;
};
struct pgsim {
	struct buf in, out;
	struct sim_set stmts, portals, vars, defaults, reported, tables, sql_stmts;
	struct sim_set saved, local; /* settings at the start of the transaction; of SET LOCAL */
	char tx;                     /* I, T, E */
	bool implicit; /* an extended batch or a multi-statement text runs outside a block */
	bool skip, copy_in, copy_ext, fail_plans;
	bool locked;
	bool tainted; /* had temporary tables: temp_buffers cannot change any more */
	char copy_nonce[64];
	unsigned copy_n, n_execs;
	uint32_t type; /* of all columns; 0: text */
	bool dead;     /* it got what no server takes */
};
void pgsim_init(struct pgsim *s);
void pgsim_fini(struct pgsim *s);
/* Takes what is in s->in, as far as messages are whole; answers go to s->out. */
void pgsim_run(struct pgsim *s);
/* What a fresh login reports and sends, to s->out. */
void pgsim_welcome(struct pgsim *s);
#endif
