/* tool - the subcommands of weirpool that serve nobody: each is a program of its own in the one
 * binary. argv[0] is the name of the subcommand; each returns the exit code. They know the
 * configuration and the console, and nothing of the daemon's insides. One thread; they may wait. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H
#include <stdbool.h>

int tool_hash(int argc, char **argv);
int tool_stat(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_convert(int argc, char **argv);

/* ---- the console of a running weirpool, by libpq (struct pg_conn is its PGconn) ---- */

struct pg_conn;
struct pg_result;
struct tool_target {
	const char *name; /* of the tool, for messages */
	const char *arg;  /* a configuration file, a URL or conninfo of the console, or NULL */
	bool quiet;       /* says nothing when nobody answers */
};
/* A connection to the console: of arg, else of the weirpool that the environment speaks of, else
 * the default unix socket. NULL: told on stderr. */
struct pg_conn *tool_console(const struct tool_target *t);
/* A SHOW; its rows, to be freed with PQclear(). NULL: why is in PQerrorMessage(). */
struct pg_result *tool_show(struct pg_conn *c, const char *what);
/* The cell, "" for NULL or a column that is not there. */
const char *tool_cell(const struct pg_result *r, int row, const char *column);

/* What the command line knows besides the options of the configuration. Lists end with a NULL; the
 * names of flags are without the --. */
struct tool_word {
	const char *name, *help;
};
int tool_completion(
	int argc, char **argv, const struct tool_word *commands, const struct tool_word *flags);
#endif
