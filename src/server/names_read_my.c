/* names_read_my - the names that are not for a replica, from the dictionary of a MySQL or MariaDB
 * server. Waits: for the command line, or a thread of its own. Any thread. */
#include "ask_my.h"

#include "conf/url.h"
#include "sql/names_my.h"

#include "base/num.h"

#include <string.h>

#define TEXT_MAX (256u * 1024 * 1024)

static bool add_names(struct sql_names *s, const struct sql_my_opts *o, const struct my_answer *ans)
{
	for (bool news = true; news;) {
		const uint8_t *p = buf_data(&ans->cells);
		const char *cells[2];

		for (news = false; my_answer_next(ans, &p, cells);) {
			if (cells[0] == NULL)
				continue;
			if (cells[1] != NULL ? !sql_names_my_view(s, o, cells[0], cells[1], &news)
					     : !sql_names_add(s, cells[0], strlen(cells[0]),
						       SQL_NAME_DANGER))
				return false;
		}
	}
	return true;
}

/* "9.7.4", "10.11.19-MariaDB-..." */
static void read_version(const char *text, struct sql_my_opts *o)
{
	uint64_t part[3] = { 0, 0, 0 };

	o->mariadb = strstr(text, "MariaDB") != NULL;
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strspn(text, "0123456789");

		if (num_u64n(text, n, 0, 999, &part[i]) != 0)
			break;
		text += n + (text[n] == '.');
	}
	o->version = (unsigned)(part[0] * 10000 + part[1] * 100 + part[2]);
}

/* NULL: there is none. */
static const char *first_cell(const struct my_answer *ans)
{
	const char *cells[2];
	const uint8_t *p = buf_data(&ans->cells);
	return my_answer_next(ans, &p, cells) ? cells[0] : NULL;
}

/* May it see all views? Those that it may not see would be taken for tables. */
static int check_rights(struct my_asker *a, struct my_answer *ans, struct err *e)
{
	static const char sql[] =
		"select count(*), 1 from information_schema.user_privileges "
		"where privilege_type = 'SHOW VIEW' and "
		"grantee = concat('''', replace(current_user(), '@', '''@'''), '''')";
	if (my_asker_ask(a, sql, ans, e) != 0)
		return -1;
	const char *n = first_cell(ans);
	if (n && strcmp(n, "0") != 0)
		return 0;
	return err_set(e, ERR_NOT_ALLOWED,
		"the account needs SHOW VIEW on *.*: views that write would be taken for tables");
}

static int read_names(struct my_asker *a, bool need_all, struct sql_names **names_r,
	struct sql_my_opts *o, struct err *e)
{
	struct my_answer ans = { .width = 0 };
	int code = -1;

	buf_init(&ans.cells, TEXT_MAX);
	if (my_asker_ask(a, "select version(), 1", &ans, e) == 0 && first_cell(&ans)) {
		read_version(first_cell(&ans), o);
		code = need_all ? check_rights(a, &ans, e) : 0;
	}
	if (code == 0)
		code = my_asker_ask(a, sql_names_my_query, &ans, e);
	if (code == 0 &&
		((*names_r = sql_names_new(true)) == NULL || !add_names(*names_r, o, &ans))) {
		sql_names_free(names_r);
		code = err_set(e, ERR_NO_MEMORY, "out of memory");
	}
	buf_fini(&ans.cells);
	return code;
}

static int read_from(const struct conf *conf, bool need_all, struct sql_names **names_r,
	struct sql_my_opts *o, struct err *e)
{
	const struct conf_db *d = &conf->dbs[0];
	struct settings set;
	const struct server_account who = { .user = *d->force_user ? d->force_user : conf->url_user,
		.password = *d->password ? d->password : conf->url_password,
		.database = *d->dbname ? d->dbname : d->name,
		.set = &set };
	int code = -1;

	conf_effective(conf, d, NULL, &set);
	struct my_asker *a = my_asker_open(&d->hosts[0], &who, TEXT_MAX, e);

	if (a)
		code = read_names(a, need_all, names_r, o, e);
	my_asker_close(&a);
	return code;
}

int names_read_my(const char *url, bool need_all, struct sql_names **names_r, struct sql_my_opts *o,
	struct err *e)
{
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char line[300];
	int code = -1;

	if (conf_url_load(url, &conf, &m) != 0 || conf->dbs_n == 0 || conf->dbs[0].hosts_n == 0)
		err_set(e, ERR_CONFIG, "%s",
			m.n ? conf_msg_format(&m.list[0], line, sizeof line)
			    : "not a URL of a server");
	else
		code = read_from(conf, need_all, names_r, o, e);
	conf_msgs_fini(&m);
	conf_free(&conf);
	return code;
}
