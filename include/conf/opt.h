/* opt - the one table of options, and text to value and back by its rows. Ignorant of files. Any
 * thread. Parser, scope merge, SHOW CONFIG, SET, RELOAD, --check, --dump, doc/options.md, the man
 * page and the sample file are loops over this table. To add an option: a row in
 * src/conf/opt_table.c and a field. */
#ifndef CONF_OPT_H
#define CONF_OPT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_type {
	OPT_BOOL,     /* bool; 0/1/no/yes/off/on/false/true */
	OPT_INT,      /* int */
	OPT_FRACTION, /* int, in millionths; text from 0 to 1 */
	OPT_DURATION, /* int64_t microseconds; text without a unit is in opt.unit_us */
	OPT_BYTES,    /* int64_t */
	OPT_MODE,     /* uint32_t, octal */
	OPT_ENUM,     /* enum (int); names in opt.names, value = position */
	OPT_STRING,   /* const char *, as all that follow */
	OPT_LIST,     /* comma separated */
	OPT_PATH,
	OPT_SECRET /* never shown */
};
/* Where it may be written. */
enum opt_scope {
	OPT_GLOBAL = 1,
	OPT_DB = 2,
	OPT_USER = 4,
	OPT_PEER = 8,
	OPT_CLUSTER = 16,
	OPT_RULE = 32
};
/* Which struct the field is in; OPT_IN_SETTINGS is what merges over scopes. */
enum opt_in {
	OPT_IN_GLOBAL,
	OPT_IN_SETTINGS,
	OPT_IN_DB,
	OPT_IN_PEER,
	OPT_IN_CLUSTER,
	OPT_IN_RULE,
	OPT_IN_NOWHERE
};
/* When a new value takes effect. */
enum opt_apply { OPT_NOW, OPT_NEW_CONN, OPT_RESTART };

struct opt {
	const char *name;
	enum opt_type type;
	unsigned scopes;
	enum opt_apply apply;
	enum opt_in in;
	size_t offset;
	const char *dflt;     /* under [weirpool]; NULL = unset */
	const char *dflt_pgb; /* under [pgbouncer]; NULL = the same */
	/* What entries of [mysql_databases] begin with, in place of the global value: that is for
	 * the other dialect. NULL: the global value. */
	const char *dflt_mysql;
	int64_t min, max;    /* of int, duration (us), bytes */
	int64_t unit_us;     /* duration: of a bare number, and of what SHOW CONFIG prints */
	const char *names;   /* enum: "a,b,c" in the order of the enum */
	const char *local;   /* its name in [databases] and [users] when that differs, or NULL */
	const char *aliases; /* other spellings, "x,y", or NULL */
	bool written;        /* names a file, socket or directory that we write, make or remove */
	const char *help;    /* plain sentences */
};

/* A value not yet stored. */
struct opt_value {
	int64_t i;     /* numbers, enum, bool */
	const char *s; /* the strings: borrowed from the text given */
};

/* All rows, sorted by name. */
extern const struct opt opt_table[];
extern const unsigned opt_table_n;

/* The row that name means within scope (one bit), aliases included, any letter case; NULL if there
 * is none. */
const struct opt *opt_find(const char *name, unsigned scope);
/* The name to show for o within scope (one bit). */
static inline const char *opt_name(const struct opt *o, unsigned scope)
{
	return o->local && scope != OPT_GLOBAL ? o->local : o->name;
}
/* The name most like the misspelt one among those of scope, or NULL when none is near. */
const char *opt_nearest(const char *name, unsigned scope);
/* other, when it is like the misspelt name and nearer than best (or NULL); else best. */
const char *opt_nearer(const char *name, const char *best, const char *other);
/* Text to value. On error -1 and a sentence without a dot in why (n bytes): "must be ...". */
int opt_parse(const struct opt *o, const char *text, struct opt_value *v_r, char *why, size_t n)
	__attribute__((warn_unused_result));
/* Writes v into the field at base + o->offset; strings are not copied. */
void opt_store(const struct opt *o, void *base, const struct opt_value *v);
/* The field as SHOW CONFIG prints it (durations with %g in unit_us, bools 0/1). Strings are
 * returned as they are, numbers are written to tmp (at least 32 bytes); a secret that is set gives
 * "****". Never NULL. */
const char *opt_show(const struct opt *o, const void *base, char *tmp, size_t n);
const char *opt_default(const struct opt *o, bool pgbouncer);
/* Is it only understood so that files of another program need no change? */
bool opt_is_idle(const struct opt *o);
const char *opt_type_name(const struct opt *o);
const char *opt_apply_name(enum opt_apply a); /* "now", "new connections", "restart" */

/* Edit distance where a swap of neighbours counts 1; letter case is ignored; gives up above 64
 * bytes (SIZE_MAX). */
size_t opt_distance(const char *a, const char *b);
#endif
