/* fuzz_url - a connection URL of any bytes. Besides not crashing: either it is refused with a
 * reason, or the URL to paste is a URL again, for the same user, password and database. */
#include "base/buf.h"
#include "base/mem.h"
#include "conf/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what) \
	do { \
		if (!(what)) \
			abort(); \
	} while (0)

static void paste_and_load(const struct conf *conf)
{
	struct conf_msgs m = { 0 };
	struct conf *again = NULL;
	struct buf text;
	buf_init(&text, 0);
	conf_url_paste(conf, true, &text);
	buf_put_u8(&text, 0);
	const char *url = (const char *)buf_data(&text);
	MUST(conf_url_is(url));
	if (strlen(url) < 10000) { /* escapes make it longer than what it came from */
		MUST(conf_url_load(url, &again, &m) == 0);
		if (conf->dbs[0].force_user[0]) {
			MUST(strcmp(again->dbs[0].name, conf->dbs[0].name) == 0);
			MUST(strcmp(again->dbs[0].force_user, conf->dbs[0].force_user) == 0);
			MUST(strcmp(again->dbs[0].password, conf->dbs[0].password) == 0);
		}
	}
	conf_free(&again);
	conf_msgs_fini(&m);
	buf_wipe(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_msgs m = { 0 };
	struct conf *conf = NULL;
	char *url = malloc(size + 12);
	if (url == NULL)
		return 0;
	memcpy(url, "postgres://", 11);
	if (size > 0)
		memcpy(url + 11, data, size);
	url[size + 11] = '\0';
	int rc = conf_url_load(url, &conf, &m);
	MUST((rc == 0) == (m.errors_n == 0) && (rc == 0) == (conf != NULL));
	if (conf)
		paste_and_load(conf);
	conf_free(&conf);
	conf_msgs_fini(&m);
	free(url);
	MUST(mem_live(MEM_CONF) == 0);
	return 0;
}
