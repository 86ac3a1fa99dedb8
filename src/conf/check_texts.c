/* check_texts - what is wrong with values that have a form of their own: addresses, URLs, sockets,
 * versions. A mistake in one of these would else be met when it is used, perhaps at night. Ignorant
 * of the file system. Control thread. */
#include "conf_int.h"

#include "base/http_url.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static void check_addresses(struct conf_check *c, const char *option, const char *list)
{
	char item[300];
	while (conf_list_next(&list, item, sizeof(item))) {
		const char *wrong = strcmp(item, "*") == 0 ? NULL
							   : conf_host_wrong(item, strlen(item));
		if (wrong && !strpbrk(item, ";#")) /* a comment: check.c says so */
			CHECK_TELL(c, CONF_ERROR, conf_src_of(c->conf, option),
				"%s: \"%.60s\" %s; several are separated by commas", option, item,
				wrong);
	}
}

static void check_socket(struct conf_check *c, const char *option, const char *path)
{
	size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	if (*path && !strchr("/@", *path))
		CHECK_TELL(c, CONF_ERROR, conf_src_of(c->conf, option),
			"%s must start with / (a path) or @ (abstract), but is \"%.60s\"", option,
			path);
	else if (strlen(path) > longest)
		CHECK_TELL(c, CONF_ERROR, conf_src_of(c->conf, option),
			"%s is too long: the path of a socket has at most %zu bytes", option,
			longest);
}

/* Names of parameters have no blanks: a comma is missing. PgBouncer takes such a list, and never
 * finds what is in it. */
static void check_parameters(struct conf_check *c, const char *option, const char *list)
{
	char item[300];
	while (conf_list_next(&list, item, sizeof(item)))
		if (strpbrk(item, " \t;"))
			CHECK_TELL(c, CONF_WARNING, conf_src_of(c->conf, option),
				"%s: \"%.60s\" is no name of a parameter; several are separated by "
				"commas",
				option, item);
}

static void check_auth_query(struct conf_check *c, const char *query, struct conf_src src)
{
	if (*query && !strstr(query, "$1"))
		CHECK_TELL(c, CONF_WARNING, src,
			"auth_query does not ask for $1, the name of the user: no login can go by "
			"it");
}

static void check_auth_queries(struct conf_check *c)
{
	const struct conf *conf = c->conf;
	if (conf_is_set(conf, "auth_query"))
		check_auth_query(c, conf->settings.auth_query, conf_src_of(conf, "auth_query"));
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		const struct conf_db *db = &conf->dbs[i];
		for (unsigned j = 0; j < db->over_n; j++)
			if (strcmp(db->over[j].opt->name, "auth_query") == 0)
				check_auth_query(c, db->over[j].value.s, db->over[j].src);
	}
}

static void check_version(struct conf_check *c)
{
	const char *v = c->conf->global.mysql_server_version;
	if (*v && !isdigit((unsigned char)*v))
		CHECK_TELL(c, CONF_ERROR, conf_src_of(c->conf, "mysql_server_version"),
			"mysql_server_version must begin with a number, as 8.4.3 or "
			"10.11.6-MariaDB, but is \"%.40s\"",
			v);
}

/* One item is as long as the list at most: none is left out for its length. */
static void check_patroni(struct conf_check *c, const struct conf_cluster *cl)
{
	const char *at = cl->patroni;
	size_t size = strlen(at) + 1;
	char *item = mem_xalloc(MEM_CONF, size);
	struct http_url u;
	unsigned n = 0;
	for (; conf_list_next(&at, item, size); n++)
		if (http_url_parse(item, &u) != 0 || strcmp(u.path, "/") != 0)
			CHECK_TELL(c, CONF_ERROR, cl->src,
				"cluster \"%.60s\": patroni: \"%.60s\" is no URL of Patroni's REST "
				"API, as http://db1:8008 or https://db1:8008; several are "
				"separated by commas",
				cl->name, item);
	if (n > CONF_NODES_MAX)
		CHECK_TELL(c, CONF_ERROR, cl->src,
			"cluster \"%.60s\": patroni has %u URLs, but there can be at most %d",
			cl->name, n, CONF_NODES_MAX);
	mem_free(MEM_CONF, item);
}

static void check_zone(struct conf_check *c, const struct conf_cluster *cl)
{
	if (*cl->zone && !*cl->zone_text)
		CHECK_TELL(c, CONF_WARNING, cl->src,
			"cluster \"%.60s\": zone has no effect without zones=, which says where "
			"its servers are",
			cl->name);
	else if (*cl->zone && !conf_list_has(cl->zone_text, cl->zone))
		CHECK_TELL(c, CONF_WARNING, cl->src,
			"cluster \"%.60s\": no server is in zone \"%.60s\": zones has \"%.60s\"",
			cl->name, cl->zone, cl->zone_text);
}

void conf_check_texts(const struct conf *conf, struct conf_msgs *m)
{
	struct conf_check c = { .conf = conf, .m = m };
	const struct conf_global *g = &conf->global;
	check_addresses(&c, "listen_addr", g->listen_addr);
	check_addresses(&c, "mysql_listen_addr", g->mysql_listen_addr);
	check_addresses(&c, "http_listen_addr", g->http_listen_addr);
	check_socket(&c, "http_unix_socket", g->http_unix_socket);
	check_socket(&c, "mysql_unix_socket", g->mysql_unix_socket);
	check_socket(&c, "syslog_socket", g->syslog_socket);
	check_parameters(&c, "ignore_startup_parameters", conf->settings.ignore_startup_parameters);
	check_parameters(&c, "track_extra_parameters", conf->settings.track_extra_parameters);
	check_auth_queries(&c);
	check_version(&c);
	for (unsigned i = 0; i < conf->clusters_n; i++) {
		check_patroni(&c, &conf->clusters[i]);
		check_zone(&c, &conf->clusters[i]);
	}
}
