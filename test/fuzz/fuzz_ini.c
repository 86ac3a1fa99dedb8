/* fuzz_ini - a configuration file of any bytes. Besides not crashing: either it is refused with a
 * reason, or its dump loads again and differs in secrets only; nothing leaks. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what) \
	do { \
		if (!(what)) \
			abort(); \
	} while (0)

/* %include and ${file:...} would read any file of this machine. */
static bool includes(const uint8_t *data, size_t size)
{
	return memmem(data, size, "%include", 8) != NULL ||
	       memmem(data, size, "${file:", 7) != NULL;
}

static void use(const struct conf *conf)
{
	struct conf_show row;
	struct settings s;
	struct conf *next;
	struct err e;
	memset(&e, 0, sizeof(e));
	for (unsigned i = 0; conf_show_next(conf, &i, &row);)
		MUST(row.key);
	for (unsigned i = 0; i < conf->dbs_n; i++) {
		MUST(conf->dbs[i].hosts_n > 0);
		MUST(conf_db_find(conf, conf->dbs[i].name) == &conf->dbs[i]);
		conf_effective(conf, &conf->dbs[i], conf->users_n ? &conf->users[0] : NULL, &s);
	}
	for (unsigned i = 0; i < conf->users_n; i++)
		MUST(conf_user_find(conf, conf->users[i].name) == &conf->users[i]);
	if (conf_set(conf, "pool_size", "5", &next, &e) == 0) {
		MUST(next->settings.pool_size == 5);
		conf_free(&next);
	}
}

/* The dump of conf must load, as the same but for secrets. */
static void dump_and_load(const struct conf *conf)
{
	struct conf_msgs m = { 0 };
	struct conf_changes c;
	struct conf *again = NULL;
	struct buf text;
	buf_init(&text, 0);
	conf_dump(conf, &text);
	MUST(conf_load_text("dump", (const char *)buf_data(&text), buf_len(&text), &again, &m) ==
		0);
	conf_diff(conf, again, &c);
	for (unsigned i = 0; i < c.n; i++)
		MUST(c.list[i].is && strcmp(c.list[i].is, "****") == 0);
	conf_changes_fini(&c);
	conf_free(&again);
	conf_msgs_fini(&m);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char line[256];
	if (includes(data, size))
		return 0;
	int rc = conf_load_text("fuzz.ini", (const char *)data, size, &conf, &m);
	MUST((rc == 0) == (m.errors_n == 0) && (rc == 0) == (conf != NULL));
	for (unsigned i = 0; i < m.n; i++)
		MUST(strchr(conf_msg_format(&m.list[i], line, sizeof(line)), '\n') == NULL);
	if (conf) {
		use(conf);
		dump_and_load(conf);
	}
	conf_free(&conf);
	conf_msgs_fini(&m);
	MUST(mem_live(MEM_CONF) == 0);
	return 0;
}
