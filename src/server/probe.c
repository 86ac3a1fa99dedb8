/* probe - for a start from a URL: says what was reached (version, role, TLS) and what to paste into
 * the application. For the operator's eyes; serving does not wait for it. Control thread. */
#include "server_int.h"

#include "conf/url.h"

#include <stdio.h>
#include <unistd.h>

static void paste(const struct conf *conf)
{
	struct buf b;
	buf_init(&b, 0);
	/* whoever sees the terminal has seen the password in the command; a pipe or a log has not
	 */
	conf_url_paste(conf, isatty(STDOUT_FILENO), &b);
	printf("Paste into the application:\n  %.*s\n", (int)buf_len(&b),
		(const char *)buf_data(&b));
	fflush(stdout);
	buf_fini(&b);
}

static void done(struct core_query *q)
{
	const struct core_gen *gen = q->arg;
	const struct conf_db *d = &gen->conf->dbs[0];
	if (err_is(&q->err) || q->n_cells < 3)
		printf("Cannot use the server yet: %s\nweirpool keeps trying when clients come.\n",
			err_is(&q->err) ? q->err.msg : "it gave no row");
	else
		printf("Reached %s: %s, %s, database %s as user %s, %s.\n", q->where, q->cells[0],
			q->cells[1], *d->dbname ? d->dbname : d->name, q->cells[2],
			q->tls ? q->tls : "without TLS");
	paste(gen->conf);
}

void probe_say(struct core *c, struct core_gen *gen)
{
	const struct conf *conf = gen->conf;
	const struct conf_db *d = conf->dbs_n ? &conf->dbs[0] : NULL;
	struct core_query *q = d ? mem_alloc(MEM_MSG, sizeof *q) : NULL;
	if (!q) {
		paste(conf);
		return;
	}
	q->ops = proto_by_name(d->kind->name);
	q->db = d->name;
	q->user = *d->force_user ? d->force_user : *conf->url_user ? conf->url_user : "postgres";
	q->sql = q->ops->probe_sql;
	q->done = done;
	q->arg = gen; /* of the start: a URL is not reloaded */
	core_query(c, q);
}
