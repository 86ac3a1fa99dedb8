/* conf_int - what the files of conf/ share among themselves.
 *
 * The way of a value: file.c (or url.c, or SET) makes items, one for each line; snapshot.c builds
 * the structs from the items and the table; check.c looks at what only makes sense together. A
 * changed snapshot is built again from copied items, so that there is one way to build and one set
 * of checks. */
#ifndef CONF_INT_H
#define CONF_INT_H
#include "conf/conf.h"
#include "conf/places.h"

#include <sys/stat.h>

#define CONF_NAME_MAX 127 /* bytes of a database's or user's name */

enum conf_section {
	CONF_SEC_NONE,
	CONF_SEC_WEIRPOOL,
	CONF_SEC_PGBOUNCER,
	CONF_SEC_DATABASES,
	CONF_SEC_MYSQL_DATABASES,
	CONF_SEC_USERS,
	CONF_SEC_PEERS,
	CONF_SEC_CLUSTERS,
	CONF_SEC_RULES,
	CONF_SEC_OUTSIDE /* no section: global options of the environment and the command line */
};
const char *conf_section_name(enum conf_section s);

struct conf_item {
	enum conf_section section;
	const char *key; /* NULL: the section's header */
	const char *value;
	struct conf_src src;
};

struct buf;

struct conf_block {
	struct conf_block *next;
	size_t n;
	char text[];
};

/* A file as it was when it was read. */
#define CONF_MARK_N 5
struct conf_read {
	const char *path;
	bool is_value; /* it holds one value */
	int64_t mark[CONF_MARK_N];
};
/* What differs when a file was changed or replaced. */
void conf_mark(const struct stat *st, int64_t out[CONF_MARK_N]);
/* The same of all files that options name; 0 if there are none. */
uint64_t conf_inputs_mark(const struct conf *conf);
/* Does it name a file that is read, and not written? */
bool conf_is_input(const struct opt *o);

/* By file and line; those of one line stay in their order. */
void conf_msgs_sort(struct conf_msgs *m);

/* What old was loaded from, read again; not when it was made by conf_load_text() or
 * conf_url_load(). */
int conf_load_again(const struct conf *old, struct conf **conf_r, struct conf_msgs *m);

/* An empty snapshot that can take items. */
struct conf *conf_new(const char *path);
/* A new one with copies of the items. */
struct conf *conf_copy_items(const struct conf *from);
/* Copies n bytes and a NUL into memory that lives and is wiped with the snapshot. */
char *conf_str(struct conf *conf, const char *s, size_t n);
void conf_item_add(struct conf *conf, enum conf_section section, const char *key, const char *value,
	struct conf_src src);

/* foreign.c: is this another program's configuration? Then why says whose, and what to do. */
bool conf_foreign(const char *text, size_t n, char *why, size_t size);
/* The whole file behind what is in out, or -1 and errno. EFBIG: more than out's cap. Kept in mind
 * for conf_stale(). */
int conf_slurp(struct conf *conf, const char *path, bool is_value, struct buf *out);
/* The one line of a file, without its end. NULL: why says. */
const char *conf_value_file(struct conf *conf, const char *path, char *why, size_t why_n);
/* n bytes with what stands for each ${...}; pairs: they are name=value pairs. NULL: why says, and
 * shows no value. */
const char *conf_expand(
	struct conf *conf, const char *s, size_t n, bool pairs, char *why, size_t why_n);
/* Adds the items of the environment and the command line. */
void conf_read_places(struct conf *conf, const struct conf_places *p, struct conf_msgs *m);
/* The items of URLs: see conf_url_load(). */
void conf_read_urls(struct conf *conf, const struct conf_places *p, struct conf_msgs *m);

/* Adds the items of a file with its includes, or of text. Mistakes go to m; reading goes on behind
 * them. */
void conf_read_file(struct conf *conf, const char *path, struct conf_msgs *m);
void conf_read_text(
	struct conf *conf, const char *file, const char *text, size_t n, struct conf_msgs *m);

/* Items to structs, once. Then conf_check(). 0 when m got no new error. */
int conf_build(struct conf *conf, struct conf_msgs *m);
void conf_check(const struct conf *conf, struct conf_msgs *m);
/* One run of it, in check.c, check_files.c and check_texts.c. */
struct conf_check {
	const struct conf *conf;
	struct conf_msgs *m;
};
/* A message at src, or of the whole file. */
#define CHECK_TELL(c, level, src, ...) \
	conf_msgs_add( \
		(c)->m, level, (src).file ? (src).file : (c)->conf->path, (src).line, __VA_ARGS__)
/* Builds *conf; on errors frees it and sets it to NULL: -1. */
int conf_finish(struct conf **conf, struct conf_msgs *m);

/* rules.c: what route= says, and what is wrong with a rule by itself. */
void conf_rule_finish(struct conf_rule *r, struct conf_msgs *m);
/* What is wrong with them together, and with what they name. */
void conf_check_rules(const struct conf *conf, struct conf_msgs *m);

/* Two struct conf_db in the order of conf.dbs. */
int conf_db_cmp(const void *a, const void *b);

/* k=v pairs of [databases], [users], [peers]. *at moves on. 1: a pair, key and value copied into
 * conf; 0: the end; -1: a mistake, told in why. */
int conf_pairs_next(struct conf *conf, const char **at, const char **key_r, const char **value_r,
	char *why, size_t n);
/* By section, or NULL. kinds[0] is of [databases]. */
const struct conf_kind *conf_kind_of(enum conf_section section);
/* By place: of the option protocol. NULL: no such place. */
const struct conf_kind *conf_kind_at(unsigned i);
/* Is it one whose options have defaults of their own (opt.dflt_mysql)? */
bool conf_kind_is_other(const struct conf_kind *k);
/* Takes host and port lists apart. -1: a mistake, told in why. The array is MEM_CONF and the
 * caller's. */
int conf_hosts_parse(struct conf *conf, const char *hosts, const char *ports,
	struct conf_host **list_r, unsigned *n_r, char *why, size_t why_n);

/* What is wrong with n bytes as the name or address of a machine, as "is no ..."; NULL: nothing. */
const char *conf_host_wrong(const char *p, size_t n);

/* check_texts.c: values that have a form of their own, addresses, URLs, names. */
void conf_check_texts(const struct conf *conf, struct conf_msgs *m);

/* The struct that option o is in, at the global level. */
const void *conf_global_base(const struct conf *conf, const struct opt *o);
/* The text that global option o has: as written, or its default (may be NULL). May be a secret. */
const char *conf_global_text(const struct conf *conf, const struct opt *o);
#endif
