/* cnf_int - a file in the syntax of libconfig, as ProxySQL's configuration is one: read as a whole
 * into a tree. Why not the library: it would be loaded with each daemon, for a tool that is run
 * once. Source: libconfig's manual, "Configuration File Grammar". */
#ifndef CNF_INT_H
#define CNF_INT_H
#include <stdbool.h>
#include <stddef.h>

enum cnf_kind { CNF_SCALAR, CNF_GROUP, CNF_LIST };
struct cnf {
	enum cnf_kind kind;
	char *name; /* "" in a list */
	char *text; /* of a scalar; true and false are "1" and "0" */
	unsigned line;
	struct cnf *first, *next; /* its children; the one behind it */
};

/* NULL: why says, with the line. */
struct cnf *cnf_parse(const char *text, size_t n, char *why, size_t why_n);
void cnf_free(struct cnf *c);
/* A child of that name, any letter case, or NULL; c may be NULL. */
const struct cnf *cnf_get(const struct cnf *c, const char *name);
/* The text of a scalar child; dflt when there is none. */
const char *cnf_text(const struct cnf *c, const char *name, const char *dflt);
long long cnf_number(const struct cnf *c, const char *name, long long dflt);
#endif
