/* namer - keeps what the catalogs of clusters' databases say of names (which functions, views and
 * operators are not for a replica) at hand for the workers: read from the primary by a thread of
 * its own, once a minute and after each DDL that was seen. Until that is known, nothing is read on
 * replicas. Control thread, but for what says otherwise. */
#include "server_int.h"

#include "base/clock.h"
#include "sql/names_my.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PERIOD_US INT64_C(60000000)
#define RETRY_US INT64_C(5000000)
#define END_WAIT_S 2 /* for a server that keeps the thread waiting */

/* One question on its way: to the thread and back. */
struct naming {
	struct mail mail;
	struct namer *namer;
	struct dbase *db;
	char *dsn; /* NULL: the thread is to end */
	bool mysql;
	unsigned as_of;
	struct sql_names *names;
	struct err err;
};

/* Of one database. */
struct known {
	struct list node;
	struct dbase *db;
	struct proto_names *names;
	struct server_node *from; /* the primary that said so */
	int64_t due_us;
	bool asking, failed, told;
};

struct namer {
	struct core *core;
	struct list known;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* under lock */
	struct naming *work;  /* for the thread; one at a time */
	bool busy;            /* it is at it */
	bool freed;           /* nobody waits for it: it frees what there is */
	struct naming *asked; /* control's: not answered yet, wherever it is */
};

/* ---- memory ---- */

static void free_naming(struct naming *q)
{
	if (q->dsn) {
		mem_wipe(q->dsn, strlen(q->dsn));
		mem_free(MEM_MSG, q->dsn);
	}
	sql_names_free(&q->names);
	mem_free(MEM_MSG, q);
}

static void wipe(struct namer *n)
{
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->more);
	mem_free(MEM_CONF, n);
}

/* ---- the thread ---- */

static void on_answer(struct mail *m, void *owner);

static void *run(void *arg)
{
	struct namer *n = arg;
	for (;;) {
		unsigned major;
		struct sql_my_opts o = { 0 };
		pthread_mutex_lock(&n->lock);
		while (!n->work)
			pthread_cond_wait(&n->more, &n->lock);
		struct naming *q = n->work;
		n->work = NULL;
		n->busy = true;
		pthread_mutex_unlock(&n->lock);
		if (q->dsn && q->mysql)
			(void)!names_read_my(q->dsn, true, &q->names, &o, &q->err);
		else if (q->dsn)
			(void)!names_read_pg(q->dsn, &q->names, &major, &q->err);
		pthread_mutex_lock(&n->lock);
		bool freed = n->freed;
		n->busy = false;
		if (q->dsn && !freed) {
			q->mail.fn = on_answer;
			loop_post(n->core->loop, &q->mail);
		}
		pthread_mutex_unlock(&n->lock);
		if (freed) {
			free_naming(q);
			wipe(n);
			return NULL;
		}
	}
}

static void give(struct namer *n, struct naming *q)
{
	pthread_mutex_lock(&n->lock);
	n->work = q;
	pthread_cond_signal(&n->more);
	pthread_mutex_unlock(&n->lock);
}

/* ---- answers ---- */

static struct known *known_of(struct namer *n, struct dbase *db)
{
	list_for(it, &n->known) {
		struct known *k = list_entry(it, struct known, node);
		if (k->db == db)
			return k;
	}
	struct known *k = mem_xalloc(MEM_CONF, sizeof *k);
	k->db = db;
	list_init(&k->node);
	list_append(&n->known, &k->node);
	return k;
}

static void set_names(struct namer *n, struct known *k, struct proto_names *names)
{
	proto_names_unref(&k->names);
	k->names = names;
	topo_names(n->core, k->db, names);
}

/* Once is no reason to forget what was read before: a primary can be lost in the middle of it, and
 * while there is none, reads are to go on. (If a DDL was seen since, it does not hold anyway.) */
static void failed(struct namer *n, struct known *k, const struct err *e)
{
	bool holds = k->names && proto_names_fresh(k->names) && !k->failed;
	k->due_us = clock_mono_us() + RETRY_US;
	k->failed = true;
	if (!holds)
		set_names(n, k, NULL);
	if (holds)
		log_event(EVENT_CATALOG,
			"database %s: its catalogs could not be read, what was read before holds: "
			"%s",
			k->db->name, e->msg);
	else if (!k->told)
		log_event(EVENT_CATALOG,
			"database %s: all reads go to the primary, because its catalogs cannot be "
			"read: %s",
			k->db->name, e->msg);
	k->told = !holds;
}

static void on_answer(struct mail *m, void *owner)
{
	struct naming *q = list_entry(m, struct naming, mail);
	struct namer *n = q->namer;
	struct known *k = known_of(n, q->db);
	(void)owner;
	k->asking = false;
	if (q->names) {
		k->due_us = clock_mono_us() + PERIOD_US;
		k->failed = k->told = false;
		set_names(n, k, proto_names_new(q->names, q->as_of));
	} else {
		failed(n, k, &q->err);
	}
	n->asked = NULL;
	q->names = NULL;
	free_naming(q);
	namer_look(n);
}

/* ---- questions ---- */

static void put_word(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s='", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_put_u8(b, '\\');
		buf_put_u8(b, (uint8_t)*value);
	}
	buf_puts(b, "' ");
}

static const char *ssl_mode(enum conf_tls_mode m)
{
	static const char *const names[] = { "disable", "allow", "prefer", "require", "verify-ca",
		"verify-full" };
	return names[m];
}

static void put_encoded(struct buf *b, const char *s)
{
	for (; *s; s++)
		buf_printf(b, "%%%02X", (unsigned char)*s);
}

static void put_option(struct buf *b, char sep, const char *name, const char *value)
{
	if (!*value)
		return;
	buf_printf(b, "%c%s=", sep, name);
	put_encoded(b, value);
}

static char *url_of(const struct core_gen *gen, const struct conf_db *d, const struct conf_host *h)
{
	const struct conf_cluster *c = d->cluster;
	struct settings set;
	struct buf b;
	buf_init(&b, 64u << 10);
	conf_effective(gen->conf, d, NULL, &set);
	buf_puts(&b, "mysql://");
	put_encoded(&b, c->probe_user);
	buf_puts(&b, ":");
	put_encoded(&b, probe_secret(gen, c));
	buf_puts(&b, "@");
	put_encoded(&b, h->host);
	buf_printf(&b, ":%u/", h->port);
	put_option(&b, '?', "sslmode", ssl_mode(set.server_tls.mode));
	put_option(&b, '&', "server_tls_ca_file", set.server_tls.ca_file);
	put_option(&b, '&', "server_tls_cert_file", set.server_tls.cert_file);
	put_option(&b, '&', "server_tls_key_file", set.server_tls.key_file);
	put_option(&b, '&', "server_tls_protocols", set.server_tls.protocols);
	put_option(&b, '&', "server_tls_ciphers", set.server_tls.ciphers);
	put_option(&b, '&', "server_tls13_ciphers", set.server_tls.tls13_ciphers);
	buf_put_u8(&b, 0);
	char *text = mem_xstrdup(MEM_MSG, b.failed ? "" : (const char *)buf_data(&b));
	buf_wipe(&b);
	return text;
}

static char *dsn_of(const struct core_gen *gen, const struct conf_db *d, const char *dbase,
	const struct conf_host *h)
{
	const struct conf_cluster *c = d->cluster;
	struct settings set;
	struct buf b;
	char port[16];
	buf_init(&b, 64u << 10);
	conf_effective(gen->conf, d, NULL, &set);
	snprintf(port, sizeof port, "%u", h->port);
	put_word(&b, "host", h->host);
	put_word(&b, "port", port);
	put_word(&b, "user", c->probe_user);
	if (*probe_secret(gen, c))
		put_word(&b, "password", probe_secret(gen, c));
	put_word(&b, "dbname", *d->dbname ? d->dbname : dbase);
	put_word(&b, "sslmode", ssl_mode(set.server_tls.mode));
	if (*set.server_tls.ca_file)
		put_word(&b, "sslrootcert", set.server_tls.ca_file);
	buf_put_u8(&b, 0);
	char *text = mem_xstrdup(MEM_MSG, b.failed ? "" : (const char *)buf_data(&b));
	buf_wipe(&b);
	return text;
}

/* Asks for one database, if it is time to. */
static void look_at(struct namer *n, struct dbase *db)
{
	const struct core_gen *gen = n->core->gen;
	const struct conf_db *d = conf_db_find_in(gen->conf, db->ops->name, db->name);
	if (!d || !d->cluster)
		return;
	const struct topo_cluster *tc = topo_find(gen->topo, d->cluster->name);
	const struct cluster_view *v = tc ? tc->cluster->view : NULL;
	if (!v || v->primary < 0 || !topo_fits(tc, v))
		return;
	struct known *k = known_of(n, db);
	struct server_node *from = tc->node[v->primary];
	bool stale = k->names && !proto_names_fresh(k->names);
	if (k->asking || (!stale && k->from == from && clock_mono_us() < k->due_us))
		return;
	struct naming *q = mem_xalloc(MEM_MSG, sizeof *q);
	q->namer = n;
	q->db = db;
	q->as_of = proto_catalog_no();
	const struct conf_host *h = &tc->conf->nodes[v->primary];
	q->mysql = strcmp(db->ops->name, "mysql") == 0;
	q->dsn = q->mysql ? url_of(gen, d, h) : dsn_of(gen, d, db->name, h);
	k->asking = true;
	k->from = from;
	n->asked = q;
	give(n, q);
}

void namer_look(struct namer *n)
{
	size_t m = 0;
	if (n->asked || !n->core->gen->topo)
		return;
	pthread_mutex_lock(&n->core->lock);
	struct dbase **all = mem_xalloc(MEM_CONF, (hmap_size(&n->core->dbases) + 1) * sizeof(*all));
	for (struct hmap_it it = hmap_begin(&n->core->dbases); hmap_next(&it);)
		all[m++] = it.value;
	pthread_mutex_unlock(&n->core->lock);
	for (size_t i = 0; i < m && !n->asked; i++)
		look_at(n, all[i]);
	mem_free(MEM_CONF, all);
}

/* ---- life ---- */

struct namer *namer_new(struct core *core, struct err *e)
{
	struct namer *n = mem_xalloc(MEM_CONF, sizeof *n);
	n->core = core;
	list_init(&n->known);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->more, NULL);
	if (pthread_create(&n->thread, NULL, run, n) != 0) {
		mem_free(MEM_CONF, n);
		err_set(e, ERR_INTERNAL, "cannot start a thread");
		return NULL;
	}
	return n;
}

bool namer_free(struct namer **n_ptr)
{
	struct namer *n = *n_ptr;
	struct list *it;
	*n_ptr = NULL;
	if (!n)
		return true;
	while ((it = list_pop(&n->known))) {
		struct known *k = list_entry(it, struct known, node);
		proto_names_unref(&k->names);
		mem_free(MEM_CONF, k);
	}
	pthread_mutex_lock(&n->lock);
	n->freed = true;
	bool waits = !n->busy && !n->work;
	if (waits) { /* an answer that nobody took is freed here */
		if (n->asked)
			free_naming(n->asked);
		n->work = mem_xalloc(MEM_MSG, sizeof(struct naming));
		pthread_cond_signal(&n->more);
	}
	pthread_t thread = n->thread;
	pthread_mutex_unlock(&n->lock);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_WAIT_S;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return true;
	pthread_detach(thread);
	return false;
}
