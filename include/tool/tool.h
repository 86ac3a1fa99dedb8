/* tool - the subcommands of weirpool that serve nobody: each is a program of its own in the one
 * binary. argv[0] is the name of the subcommand; each returns the exit code. They know the
 * configuration and the console, and nothing of the daemon's insides. One thread; they may wait. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

int tool_hash(int argc, char **argv);
int tool_stat(int argc, char **argv);
int tool_top(int argc, char **argv);
int tool_convert(int argc, char **argv);
int tool_doctor(int argc, char **argv);

/* What the command line knows besides the options of the configuration. Lists end with a NULL; the
 * names of flags are without the --. */
struct tool_word {
	const char *name, *help;
};
int tool_completion(
	int argc, char **argv, const struct tool_word *commands, const struct tool_word *flags);
#endif
