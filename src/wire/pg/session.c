/* session - see the header. Any thread. */
#include "wire/pg/session.h"

#include <assert.h>
#include <string.h>

#include "base/rd.h"
#include "wire/pg/msg.h"
#include "wire/pg/startup.h"

#define KEY_BYTES_MIN (PGSTARTUP_PID_BYTES + PGSTARTUP_KEY_MIN)
#define KEY_BYTES_MAX (PGSTARTUP_PID_BYTES + PGSTARTUP_KEY_MAX)

void pgsession_put_param(struct buf *b, const char *name, const char *value)
{
	size_t name_n = strlen(name) + 1, value_n = strlen(value) + 1;
	pgmsg_put_head(b, 'S', (uint32_t)(name_n + value_n));
	buf_append(b, name, name_n);
	buf_append(b, value, value_n);
}

bool pgsession_read_param(const uint8_t *body, size_t n, const char **name_r, const char **value_r)
{
	struct rd r = rd_of(body, n);
	*name_r = rd_cstr(&r, NULL);
	*value_r = rd_cstr(&r, NULL);
	return rd_ok(&r) && rd_left(&r) == 0;
}

void pgsession_put_key(struct buf *b, const uint8_t *key, size_t key_n)
{
	assert(key_n >= KEY_BYTES_MIN && key_n <= KEY_BYTES_MAX);
	pgmsg_put(b, 'K', key, key_n);
}

bool pgsession_read_key(const uint8_t *body, size_t n, uint32_t *pid_r)
{
	struct rd r = rd_of(body, n);
	*pid_r = rd_u32be(&r);
	return n >= KEY_BYTES_MIN && n <= KEY_BYTES_MAX;
}

void pgsession_put_ready(struct buf *b, char status)
{
	pgmsg_put(b, 'Z', &status, 1);
}

bool pgsession_read_ready(const uint8_t *body, size_t n, char *status_r)
{
	if (n != 1 || (body[0] != 'I' && body[0] != 'T' && body[0] != 'E'))
		return false;
	*status_r = (char)body[0];
	return true;
}

void pgsession_put_complete(struct buf *b, const char *tag)
{
	size_t at = pgmsg_begin(b, 'C');
	buf_putz(b, tag);
	pgmsg_end(b, at);
}

bool pgsession_read_complete(const uint8_t *body, size_t n, const char **tag_r)
{
	struct rd r = rd_of(body, n);
	*tag_r = rd_cstr(&r, NULL);
	return rd_ok(&r) && rd_left(&r) == 0;
}
