/* pg_listen - a session that only waits for notifications, and whose link is lost, listens to the
 * same channels on its next one. What it listens to is what the server said (pg_state.c), never
 * what its texts look like. Ignorant of why links are lost. Thread: that of the env. Source:
 * PostgreSQL docs, LISTEN, and Identifiers and Key Words (U&"..."). */
#include "pg_run_int.h"

#include <string.h>

#include "base/mem.h"

/* ---- SQL ---- */

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/* How many bytes the character at s has; 0: it is none. */
static unsigned read_utf8(const char *s, uint32_t *code_r)
{
	const uint8_t *p = (const uint8_t *)s;
	unsigned n = *p < 0x80   ? 1
		     : *p < 0xc2 ? 0
		     : *p < 0xe0 ? 2
		     : *p < 0xf0 ? 3
		     : *p < 0xf5 ? 4
				 : 0;
	uint32_t code = n < 2 ? *p : *p & (0x7fU >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	*code_r = code;
	return n;
}

/* Means the same whatever client_encoding is. */
static bool put_escaped(struct buf *sql, const char *name)
{
	uint32_t code;
	unsigned n;
	buf_puts(sql, "U&\"");
	for (; *name; name += n) {
		if ((n = read_utf8(name, &code)) == 0)
			return false;
		buf_printf(sql, "\\+%06x", code);
	}
	return buf_puts(sql, "\"");
}

bool listen_put_channel(struct buf *sql, const char *name, bool is_utf8)
{
	buf_puts(sql, buf_len(sql) ? ";LISTEN " : "LISTEN ");
	if (!is_plain(name))
		return is_utf8 && put_escaped(sql, name);
	buf_puts(sql, "\"");
	for (; *name; name++) {
		if (*name == '"')
			buf_puts(sql, "\"");
		buf_put_u8(sql, (uint8_t)*name);
	}
	return buf_puts(sql, "\"");
}

void listen_forget(struct pg_client *c)
{
	if (c->learn) {
		mem_free(MEM_PROTO, c->learn->listens);
		c->learn->listens = NULL;
	}
}

/* ---- again ---- */

bool pg_client_relisten(void *cst, void *lst)
{
	struct pg_client *c = cst;
	struct pg_link *l = lst;
	if (l->raw || l->failed)
		return false;
	if (c->listen_due) /* nothing else was sent to this link */
		return true;
	bool between = c->ready && l->tx == TX_IDLE && l->owed.n == 0 && l->down_left == 0 &&
		       !l->ext_open && !l->skipping && !c->in_batch && !c->skip_to_sync &&
		       !c->fail_next && c->up_left == 0 && !c->lost && !c->begun;
	if (!between || !c->relisten || c->learn == NULL || c->learn->listens == NULL ||
		c->pins != PIN(LISTEN) || c->pins_kept || !state_is_known(c, l))
		return false;
	c->listen_due = true;
	return true;
}

void listen_put(struct pg_client *c, struct pg_link *l, struct buf *up)
{
	struct owed *o = owed_push(l, OWED_QUERY, OWED_CAPTURE);
	if (o == NULL)
		return;
	o->synth = PG_CAP_LISTEN;
	const char *sql = c->learn->listens;
	pgext_put_query(up, sql, strlen(sql));
	l->lost_wait = l->no_replay = true;
}
