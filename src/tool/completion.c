/* completion - weirpool completion bash|zsh|fish: what shells read to complete a command line. Made
 * from the table of options, so that it is never behind. */
#include "tool_int.h"

#include <stdio.h>
#include <string.h>

static const char usage_text[] =
	"Usage: weirpool completion bash|zsh|fish\n"
	"Prints what the shell reads to complete weirpool's command line:\n"
	"  bash:  source <(weirpool completion bash)\n"
	"  zsh:   source <(weirpool completion zsh)\n"
	"  fish:  weirpool completion fish | source\n";

/* pool_size as pool-size */
static void put_name(const char *name)
{
	for (; *name; name++)
		putchar(*name == '_' ? '-' : *name);
}

static bool is_flag(const struct opt *o)
{
	return o->scopes & OPT_GLOBAL;
}

/* The first sentence, without what shells would read. */
static void put_help(const char *help)
{
	for (; *help && strncmp(help, ". ", 2) != 0 && strcmp(help, ".") != 0; help++)
		if (!strchr("'\"`$\\[]:{}", *help))
			putchar(*help);
}

/* The words that a value may be, or nothing. */
static void put_values(const struct opt *o, char between)
{
	const char *names = o->type == OPT_BOOL ? "0,1" : o->type == OPT_ENUM ? o->names : "";
	for (; *names; names++)
		putchar(*names == ',' ? between : *names);
}

static bool has_values(const struct opt *o)
{
	return o->type == OPT_BOOL || o->type == OPT_ENUM;
}

static void bash(const struct tool_word *commands, const struct tool_word *flags)
{
	printf("_weirpool() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} opt=\n"
	       "\tCOMPREPLY=()\n"
	       "\tif [ \"$cur\" = = ]; then opt=$prev cur=\n"
	       "\telif [ \"$prev\" = = ]; then opt=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	       "\tcase $opt in\n");
	for (unsigned i = 0; i < opt_table_n; i++) {
		if (!is_flag(&opt_table[i]) || !has_values(&opt_table[i]))
			continue;
		printf("\t--");
		put_name(opt_table[i].name);
		printf(") COMPREPLY=($(compgen -W '");
		put_values(&opt_table[i], ' ');
		printf("' -- \"$cur\")); return ;;\n");
	}
	printf("\t--*) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	       "\tesac\n"
	       "\tcase $cur in\n"
	       "\t-*) compopt -o nospace; COMPREPLY=($(compgen -W '");
	for (const struct tool_word *w = flags; w->name; w++)
		printf("--%s ", w->name);
	for (unsigned i = 0; i < opt_table_n; i++) {
		if (!is_flag(&opt_table[i]))
			continue;
		printf("--");
		put_name(opt_table[i].name);
		printf("= ");
	}
	printf("' -- \"$cur\")) ;;\n"
	       "\t*) COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "\t\t[ \"$COMP_CWORD\" = 1 ] && COMPREPLY+=($(compgen -W '");
	for (const struct tool_word *w = commands; w->name; w++)
		printf("%s ", w->name);
	printf("' -- \"$cur\")) ;;\n"
	       "\tesac\n"
	       "\treturn 0\n"
	       "}\n"
	       "complete -o filenames -F _weirpool weirpool\n");
}

static void zsh_words(const char *variable, const struct tool_word *words, const char *prefix)
{
	printf("\t%s=(\n", variable);
	for (const struct tool_word *w = words; w->name; w++) {
		printf("\t'%s%s:", prefix, w->name);
		put_help(w->help);
		printf("'\n");
	}
	printf("\t)\n");
}

static void zsh(const struct tool_word *commands, const struct tool_word *flags)
{
	printf("#compdef weirpool\n"
	       "_weirpool() {\n"
	       "\tlocal -a commands flags options\n");
	zsh_words("commands", commands, "");
	zsh_words("flags", flags, "--");
	printf("\toptions=(\n");
	for (unsigned i = 0; i < opt_table_n; i++) {
		if (!is_flag(&opt_table[i]))
			continue;
		printf("\t'--");
		put_name(opt_table[i].name);
		printf("=:");
		put_help(opt_table[i].help);
		printf("'\n");
	}
	printf("\t)\n"
	       "\tcase $words[CURRENT] in\n");
	for (unsigned i = 0; i < opt_table_n; i++) {
		if (!is_flag(&opt_table[i]) || !has_values(&opt_table[i]))
			continue;
		printf("\t--");
		put_name(opt_table[i].name);
		printf("=*) compset -P '*='; compadd ");
		put_values(&opt_table[i], ' ');
		printf("; return ;;\n");
	}
	printf("\t--*=*) compset -P '*='; _files; return ;;\n"
	       "\t-*) _describe -o flag flags; _describe -o option options -S ''; return ;;\n"
	       "\tesac\n"
	       "\t(( CURRENT == 2 )) && _describe command commands\n"
	       "\t_files\n"
	       "}\n"
	       "compdef _weirpool weirpool\n");
}

static void fish(const struct tool_word *commands, const struct tool_word *flags)
{
	for (const struct tool_word *w = commands; w->name; w++) {
		printf("complete -c weirpool -n __fish_use_subcommand -a %s -d '", w->name);
		put_help(w->help);
		printf("'\n");
	}
	for (const struct tool_word *w = flags; w->name; w++) {
		printf("complete -c weirpool -l %s -d '", w->name);
		put_help(w->help);
		printf("'\n");
	}
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (!is_flag(o))
			continue;
		printf("complete -c weirpool -l ");
		put_name(o->name);
		printf(" -r");
		if (has_values(o)) {
			printf(" -f -a '");
			put_values(o, ' ');
			printf("'");
		}
		printf(" -d '");
		put_help(o->help);
		printf("'\n");
	}
}

int tool_completion(
	int argc, char **argv, const struct tool_word *commands, const struct tool_word *flags)
{
	const char *shell = argc == 2 ? argv[1] : "";
	if (!strcmp(shell, "bash"))
		bash(commands, flags);
	else if (!strcmp(shell, "zsh"))
		zsh(commands, flags);
	else if (!strcmp(shell, "fish"))
		fish(commands, flags);
	else if (!strcmp(shell, "--help") || !strcmp(shell, "-h"))
		fputs(usage_text, stdout);
	else {
		fputs(usage_text, stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
