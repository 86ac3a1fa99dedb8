/* places - where options come from besides the file: the environment and the command line. What is
 * given there is kept, and holds over each file that is read: flag over environment over file. Also
 * what to serve, when the command line names no file. Ignorant of what options mean. Control
 * thread. */
#ifndef CONF_PLACES_H
#define CONF_PLACES_H
#include "conf/conf.h"

#include <stdbool.h>

/* One value, or where to read it. Own memory: what it came from may be wiped. */
struct conf_place {
	const struct opt *opt; /* NULL: a URL */
	const char *from;      /* "--pool-size", "WEIRPOOL_POOL_SIZE": the source to show */
	const char *text;      /* may be a secret */
	bool is_file;          /* text is the name of a file with the value: read at each load */
	unsigned number;       /* of WEIRPOOL_URL_<number> */
	char *own;             /* private: memory of the two texts */
};

/* Zero-initialize; conf_places_fini() when no snapshot refers to it any more. */
struct conf_places {
	struct conf_place *list; /* those of the environment first */
	unsigned n;
	/* What to serve: a file, else URLs, else nothing was said. */
	char *file;
	struct conf_place *urls; /* sorted by number */
	unsigned urls_n;
};

/* Takes WEIRPOOL_<OPTION>, WEIRPOOL_URL, WEIRPOOL_URL_<n>, DATABASE_URL (when there is no
 * WEIRPOOL_URL), each also with _FILE behind it (WEIRPOOL_URL_FILE, DATABASE_URL_FILE), and
 * WEIRPOOL_CONFFILE as the file to serve. A name that is no option is a warning, or a
 * mistake when it looks like a misspelt one. Kubernetes makes variables of its own for a service
 * called weirpool: these are left alone. */
void conf_places_env(struct conf_places *p, char *const *env, struct conf_msgs *m);
/* "--pool-size=20" (or _). False: no option is called so, nothing was done. Mistakes go to m. */
bool conf_places_flag(struct conf_places *p, const char *arg, struct conf_msgs *m);
/* The command line names what to serve: over what the environment says. At most one file, or any
 * number of URLs. */
void conf_places_target(struct conf_places *p, const char *arg, struct conf_msgs *m);
/* The option that "pool-size" may have meant; NULL: none is near. */
const char *conf_places_nearest(const char *flag);
/* Wipes and frees. */
void conf_places_fini(struct conf_places *p);

/* Loads what p says; the defaults when it names nothing to serve. As conf_load(); the snapshot
 * borrows p, and so does what conf_reload() makes of it. */
int conf_load_places(const struct conf_places *p, struct conf **conf_r, struct conf_msgs *m)
	__attribute__((warn_unused_result));

/* Did files change since conf was made? Which: the configuration, values in files of their own
 * (${file:...}, WEIRPOOL_..._FILE), or those that options name (certificates, auth_file)? */
struct conf_stale {
	bool config, values, inputs;
	uint64_t mark; /* differs when any of them has changed again */
};
struct conf_stale conf_stale(const struct conf *conf);
/* The values that have changed, taken into a new snapshot; SETs stay. The configuration files are
 * read again for that, unless they have changed, too: that waits for RELOAD. As conf_reload(). */
int conf_refresh(const struct conf *old, struct conf **conf_r, struct conf_msgs *m)
	__attribute__((warn_unused_result));
#endif
