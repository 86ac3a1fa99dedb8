/* places - options from the environment and the command line, and what to serve. Ignorant of what
 * options mean. Control thread. */
#include "conf/places.h"
#include "conf/url.h"
#include "conf_int.h"

#include "base/mem.h"
#include "base/num.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "WEIRPOOL_"
#define PREFIX_N (sizeof(PREFIX) - 1)
#define NAME_MAX_BYTES 80
#define WHY_MAX 400

static void place_fini(struct conf_place *pl)
{
	mem_wipe(pl->own, strlen(pl->from) + strlen(pl->text) + 2);
	mem_free(MEM_CONF, pl->own);
}

void conf_places_fini(struct conf_places *p)
{
	for (unsigned i = 0; i < p->n; i++)
		place_fini(&p->list[i]);
	for (unsigned i = 0; i < p->urls_n; i++)
		place_fini(&p->urls[i]);
	mem_free(MEM_CONF, p->list);
	mem_free(MEM_CONF, p->urls);
	mem_free(MEM_CONF, p->file);
	*p = (struct conf_places){ 0 };
}

static void add(struct conf_place **list, unsigned *n, const struct conf_place *pl)
{
	*list = mem_xrealloc(MEM_CONF, *list, (*n + 1) * sizeof(**list));
	struct conf_place *to = &(*list)[(*n)++];
	*to = *pl;
	size_t from_n = strlen(pl->from) + 1, text_n = strlen(pl->text) + 1;
	to->own = mem_xalloc(MEM_CONF, from_n + text_n);
	to->from = memcpy(to->own, pl->from, from_n);
	to->text = memcpy(to->own + from_n, pl->text, text_n);
}

static void drop_urls(struct conf_places *p)
{
	for (unsigned i = 0; i < p->urls_n; i++)
		place_fini(&p->urls[i]);
	mem_free(MEM_CONF, p->urls);
	p->urls = NULL;
	p->urls_n = 0;
}

/* ---- the environment ---- */

/* name=value as it stands there, taken apart. */
struct variable {
	char name[NAME_MAX_BYTES + 1]; /* "WEIRPOOL_POOL_SIZE_FILE" */
	const char *value;
	bool is_file; /* ends with _FILE */
	size_t stem;  /* bytes of name, without _FILE */
};

static bool split(const char *entry, struct variable *v)
{
	const char *eq = strchr(entry, '=');
	size_t n = eq ? (size_t)(eq - entry) : 0;
	if (n == 0 || n > NAME_MAX_BYTES)
		return false;
	memcpy(v->name, entry, n);
	v->name[n] = '\0';
	v->value = eq + 1;
	v->is_file = n > 5 && strcmp(v->name + n - 5, "_FILE") == 0;
	v->stem = v->is_file ? n - 5 : n;
	return true;
}

/* Kubernetes tells each container of the services around it: a service "weirpool" makes
 * WEIRPOOL_SERVICE_HOST, WEIRPOOL_PORT and more. Also what we read elsewhere. */
static bool is_not_ours(const char *rest)
{
	static const char *const own[] = { "AUTH_HELPER", "CLUSTER", "FROM", "TO" };
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(rest, own[i]) == 0)
			return true;
	return strcmp(rest, "PORT") == 0 || strncmp(rest, "PORT_", 5) == 0 ||
	       strcmp(rest, "SERVICE_HOST") == 0 || strcmp(rest, "SERVICE_PORT") == 0 ||
	       strncmp(rest, "SERVICE_PORT_", 13) == 0;
}

static void take_option(struct conf_places *p, const struct opt *o, const struct variable *v,
	bool is_file, struct conf_msgs *m)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->list[i].opt == o) {
			conf_msgs_add(m, CONF_ERROR, v->name, 0, "%s is set too: keep one of them",
				p->list[i].from);
			return;
		}
	add(&p->list, &p->n,
		&(struct conf_place){
			.opt = o, .from = v->name, .text = v->value, .is_file = is_file });
}

static const struct opt *find_n(const char *name, size_t n)
{
	char key[NAME_MAX_BYTES + 1];
	snprintf(key, sizeof(key), "%.*s", (int)n, name);
	return opt_find(key, OPT_GLOBAL);
}

static void take_unknown(const struct variable *v, struct conf_msgs *m)
{
	const char *near = opt_nearest(v->name + PREFIX_N, OPT_GLOBAL);
	char shown[NAME_MAX_BYTES] = "";
	for (size_t i = 0; near && near[i] && i + 1 < sizeof(shown); i++)
		shown[i] = (char)toupper((unsigned char)near[i]);
	if (near)
		conf_msgs_add(m, CONF_ERROR, v->name, 0,
			"no option is called so, did you mean " PREFIX "%s?", shown);
	else
		conf_msgs_add(m, CONF_WARNING, v->name, 0,
			"no option is called so; this variable does nothing");
}

/* URL, URL_<n>: the number, or -1. */
static int url_number(const char *rest, size_t n)
{
	uint64_t number;
	if (n == 3 && memcmp(rest, "URL", 3) == 0)
		return 0;
	if (n > 4 && memcmp(rest, "URL_", 4) == 0 &&
		num_u64n(rest + 4, n - 4, 1, 1000, &number) == 0)
		return (int)number;
	return -1;
}

static int by_number(const void *a, const void *b)
{
	const struct conf_place *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void take_url(
	struct conf_places *p, const struct variable *v, int number, struct conf_msgs *m)
{
	for (unsigned i = 0; i < p->urls_n; i++)
		if (p->urls[i].number == (unsigned)number) {
			conf_msgs_add(m, CONF_ERROR, v->name, 0, "%s is set too: keep one of them",
				p->urls[i].from);
			return;
		}
	add(&p->urls, &p->urls_n,
		&(struct conf_place){ .from = v->name,
			.text = v->value,
			.is_file = v->is_file,
			.number = (unsigned)number });
}

static void take_ours(struct conf_places *p, const struct variable *v, struct conf_msgs *m)
{
	const char *rest = v->name + PREFIX_N;
	int number = url_number(rest, v->stem - PREFIX_N);
	const struct opt *o = opt_find(rest, OPT_GLOBAL);
	if (number >= 0)
		take_url(p, v, number, m);
	else if (o) /* auth_file itself ends so */
		take_option(p, o, v, false, m);
	else if (v->is_file && (o = find_n(rest, v->stem - PREFIX_N)) != NULL)
		take_option(p, o, v, true, m);
	else if (!is_not_ours(rest))
		take_unknown(v, m);
}

void conf_places_env(struct conf_places *p, char *const *env, struct conf_msgs *m)
{
	struct variable v;
	for (char *const *e = env; *e; e++)
		if (strncmp(*e, PREFIX, PREFIX_N) == 0 && split(*e, &v))
			take_ours(p, &v, m);
	for (char *const *e = env; *e && p->urls_n == 0; e++)
		if (strncmp(*e, "DATABASE_URL", 12) == 0 && split(*e, &v) && v.stem == 12)
			take_url(p, &v, 0, m);
	if (p->urls_n > 1)
		qsort(p->urls, p->urls_n, sizeof(*p->urls), by_number);
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->list[i].opt->name, "conffile") == 0 && !p->list[i].is_file)
			p->file = mem_xstrdup(MEM_CONF, p->list[i].text);
}

/* ---- the command line ---- */

/* "--pool-size=20" to "pool_size"; behind the = in *value_r, NULL if there is none. */
static bool flag_name(const char *arg, char out[NAME_MAX_BYTES + 1], const char **value_r)
{
	size_t n = strcspn(arg, "=");
	if (strncmp(arg, "--", 2) != 0 || n < 3 || n - 2 > NAME_MAX_BYTES)
		return false;
	for (size_t i = 2; i < n; i++)
		out[i - 2] = arg[i] == '-' ? '_' : arg[i];
	out[n - 2] = '\0';
	*value_r = arg[n] ? arg + n + 1 : NULL;
	return true;
}

bool conf_places_flag(struct conf_places *p, const char *arg, struct conf_msgs *m)
{
	char name[NAME_MAX_BYTES + 1], from[NAME_MAX_BYTES + 3];
	const char *value;
	const struct opt *o = flag_name(arg, name, &value) ? opt_find(name, OPT_GLOBAL) : NULL;
	if (!o)
		return false;
	snprintf(from, sizeof(from), "%.*s", (int)strcspn(arg, "="), arg);
	if (!value && o->type == OPT_BOOL)
		value = "1";
	if (!value) {
		conf_msgs_add(m, CONF_ERROR, from, 0, "a value is missing: %s=...", from);
		return true;
	}
	add(&p->list, &p->n, &(struct conf_place){ .opt = o, .from = from, .text = value });
	if (strcmp(o->name, "conffile") == 0)
		conf_places_target(p, value, m);
	return true;
}

const char *conf_places_nearest(const char *flag)
{
	char name[NAME_MAX_BYTES + 1];
	const char *value;
	return flag_name(flag, name, &value) ? opt_nearest(name, OPT_GLOBAL) : NULL;
}

void conf_places_target(struct conf_places *p, const char *arg, struct conf_msgs *m)
{
	bool said = p->urls_n > 0 && strncmp(p->urls[0].from, "URL", 3) == 0;
	if (!said) {
		for (unsigned i = 0; i < p->urls_n; i++)
			if (strncmp(p->urls[i].from, PREFIX, PREFIX_N) == 0)
				conf_msgs_add(m, CONF_WARNING, p->urls[i].from, 0,
					"not used: the command line says what to serve");
		drop_urls(p);
	}
	if (!conf_url_is(arg)) {
		mem_free(MEM_CONF, p->file);
		p->file = mem_xstrdup(MEM_CONF, arg);
		return;
	}
	mem_free(MEM_CONF, p->file);
	p->file = NULL;
	char from[24] = "URL";
	if (p->urls_n > 0)
		snprintf(from, sizeof(from), "URL %u", p->urls_n + 1);
	add(&p->urls, &p->urls_n,
		&(struct conf_place){ .from = from, .text = arg, .number = p->urls_n });
}

/* ---- to items ---- */

void conf_read_places(struct conf *conf, const struct conf_places *p, struct conf_msgs *m)
{
	conf->places = p;
	for (unsigned i = 0; p && i < p->n; i++) {
		const struct conf_place *pl = &p->list[i];
		char why[WHY_MAX];
		const char *text = pl->is_file ? conf_value_file(conf, pl->text, why, sizeof(why))
					       : conf_str(conf, pl->text, strlen(pl->text));
		if (text)
			conf_item_add(conf, CONF_SEC_OUTSIDE, pl->opt->name, text,
				(struct conf_src){
					.file = conf_str(conf, pl->from, strlen(pl->from)) });
		else
			conf_msgs_add(m, CONF_ERROR, pl->from, 0, "%s", why);
	}
}
