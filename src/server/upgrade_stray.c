/* upgrade_stray - what comes to one of the two processes of an upgrade and is for the other as
 * well: cancel requests, of which nobody hears an answer, KILL, whose answer comes back, and what
 * operators hold (PAUSE). Ignorant of what they look like to clients. Control thread. */
#include "upgrade_int.h"

#include <unistd.h>

#define KILL_WHOLE 1
#define KILL_ANY 2

static bool say(const int *fd, enum upg_type type, const struct buf *b, int with_fd)
{
	return *fd >= 0 && !b->failed && upg_send(*fd, type, b, with_fd) == 0;
}

static void cancel_out(void *arg, const struct proto_ops *ops, int fd, const uint8_t *key, size_t n)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	upg_put_text(&b, ops->name);
	buf_append(&b, key, n);
	(void)say(arg, UPG_CANCEL, &b, fd);
	buf_fini(&b);
	close(fd);
}

static bool cancel_in(struct core *c, struct upg_msg *m)
{
	const char *name = upg_get_text(&m->body);
	const struct proto_ops *ops = name ? proto_by_name(name) : NULL;
	size_t n = rd_left(&m->body);
	const uint8_t *key = rd_bytes(&m->body, n);
	if (m->fd < 0 || !ops || !key)
		return false;
	core_cancel(c, ops, m->fd, key, n);
	m->fd = -1;
	return true;
}

static bool kill_out(void *arg, uint32_t id, const struct proto_ops *ops, uint32_t number,
	bool whole, bool any, const char *account)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, id);
	upg_put_text(&b, ops->name);
	buf_put_u32be(&b, number);
	buf_put_u8(&b, (uint8_t)((whole ? KILL_WHOLE : 0) | (any ? KILL_ANY : 0)));
	upg_put_text(&b, account);
	bool ok = say(arg, UPG_KILL, &b, -1);
	buf_fini(&b);
	return ok;
}

static void killed_out(void *arg, uint32_t id, enum core_killed how)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u32be(&b, id);
	buf_put_u8(&b, (uint8_t)how);
	(void)say(arg, UPG_KILLED, &b, -1); /* if the other one has gone it asks itself */
	buf_fini(&b);
}

static bool kill_in(struct core *c, int *fd, struct upg_msg *m)
{
	uint32_t id = rd_u32be(&m->body);
	const char *name = upg_get_text(&m->body);
	uint32_t number = rd_u32be(&m->body);
	uint8_t flags = rd_u8(&m->body);
	const char *account = upg_get_text(&m->body);
	const struct proto_ops *ops = name ? proto_by_name(name) : NULL;
	if (!rd_ok(&m->body) || !ops || !account || flags > (KILL_WHOLE | KILL_ANY))
		return false;
	if (!core_kill(c, id, ops, number, flags & KILL_WHOLE, flags & KILL_ANY, account))
		killed_out(fd, id, CORE_KILLED_NOBODY);
	return true;
}

static bool killed_in(struct core *c, struct upg_msg *m)
{
	uint32_t id = rd_u32be(&m->body);
	uint8_t how = rd_u8(&m->body);
	if (!rd_ok(&m->body) || how > CORE_KILLED_NOT_OWNER)
		return false;
	core_kill_told(c, id, (enum core_killed)how);
	return true;
}

bool stray_put_held(int fd, const struct core_held *h)
{
	struct buf b;
	buf_init(&b, UPG_BYTES_MAX);
	buf_put_u8(&b, (uint8_t)h->what);
	buf_put_u8(&b, (uint8_t)h->how);
	upg_put_text(&b, h->ops ? h->ops->name : "");
	upg_put_text(&b, h->name);
	bool ok = say(&fd, UPG_HELD, &b, -1);
	buf_fini(&b);
	return ok;
}

static void held_out(void *arg, const struct core_held *h)
{
	(void)stray_put_held(*(int *)arg, h); /* if the other one has gone it needs not know */
}

bool stray_get_held(struct core *core, struct upg_msg *m)
{
	uint8_t what = rd_u8(&m->body);
	struct core_held h = { .how = rd_u8(&m->body) };
	const char *ops = upg_get_text(&m->body);
	h.name = upg_get_text(&m->body);
	if (!rd_ok(&m->body) || !ops || !h.name || what > CORE_HELD_CLUSTER || h.how > 7)
		return false;
	h.ops = proto_by_name(ops);
	if (what == CORE_HELD_DBASE && (!h.ops || !*h.name))
		return false;
	h.what = what == CORE_HELD_ALL     ? CORE_HELD_ALL
		 : what == CORE_HELD_DBASE ? CORE_HELD_DBASE
					   : CORE_HELD_CLUSTER;
	core_held_take(core, &h);
	return true;
}

bool stray_msg(struct core *core, int *fd, struct upg_msg *m)
{
	if (m->type == UPG_CANCEL)
		return cancel_in(core, m);
	if (m->type == UPG_HELD)
		return stray_get_held(core, m);
	return m->type == UPG_KILL ? kill_in(core, fd, m) : killed_in(core, m);
}

void stray_init(struct core *core, int *fd)
{
	core->stray_arg = fd;
	core->stray_cancel = cancel_out;
	core->stray_kill = kill_out;
	core->stray_killed = killed_out;
	core->held = held_out;
}
