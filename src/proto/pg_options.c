/* pg_options - the startup parameter `options`: a server's command line, of which a pooler can
 * carry the settings: -c name=value, -cname=value, --name=value. Ignorant of settings. The
 * session's thread.
 * Source: PostgreSQL docs, Parameter Interaction via the Shell; Message Formats: StartupMessage. */
#include "pg_login_int.h"

#include <string.h>

#include "base/mem.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* The next word at *p, backslashes taken off, written over where it stood; NULL at the end. */
static char *next_word(char **p)
{
	char *in = *p;
	while (blank(*in))
		in++;
	if (*in == '\0')
		return NULL;
	char *word = in, *out = in;
	while (*in && !blank(*in)) {
		if (*in == '\\' && in[1])
			in++;
		else if (*in == '\\') /* a single one at the very end stands for nothing */
			break;
		*out++ = *in++;
	}
	*p = *in ? in + 1 : in;
	*out = '\0';
	return word;
}

static int refuse_switch(const char *word, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED, "startup parameter \"options\": \"%.80s\" is not supported",
		word);
	return err_hint(e, "Settings can be given as -c name=value or --name=value.");
}

static int add(struct pg_client_login *l, char *setting, const char *dashes, struct err *e)
{
	char *eq = strchr(setting, '=');
	if (eq == NULL || eq == setting) {
		return err_set(e, ERR_SYNTAX,
			"startup parameter \"options\": %s%.80s requires a value", dashes, setting);
	}
	*eq = '\0';
	for (char *c = setting; *c; c++)
		if (*c == '-')
			*c = '_';
	return pg_client_add_var(l, setting, eq + 1, e);
}

int pg_options_split(struct pg_client_login *l, char *options, struct err *e)
{
	for (char *word; (word = next_word(&options)) != NULL;) {
		int rc;
		if (strncmp(word, "--", 2) == 0 && word[2]) {
			rc = add(l, word + 2, "--", e);
		} else if (strncmp(word, "-c", 2) == 0) {
			char *setting = word[2] ? word + 2 : next_word(&options);
			if (setting == NULL)
				return err_set(e, ERR_SYNTAX,
					"startup parameter \"options\": -c requires name=value");
			rc = add(l, setting, "-c ", e);
		} else {
			rc = refuse_switch(word, e);
		}
		if (rc)
			return -1;
	}
	return 0;
}

int pg_client_options(struct pg_client *c, const char *options, struct err *e)
{
	struct pg_client_login *l = c->login;
	size_t before = l->n_vars;
	char *copy = mem_strdup(MEM_SESSION, options);
	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	int rc = pg_options_split(l, copy, e);
	for (size_t i = before; rc == 0 && i < l->n_vars; i++)
		if (varset_get(c->start, l->vars[i].name) == NULL &&
			!varset_put(&c->env->vars, &c->start, l->vars[i].name, l->vars[i].value))
			rc = err_set(e, ERR_NO_MEMORY, "out of memory");
	l->n_vars = before; /* the strings end with the copy */
	mem_free(MEM_SESSION, copy);
	return rc;
}
