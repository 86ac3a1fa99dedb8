/* token_text - a session's token as text, for another connection or another weirpool: the
 * position that has what the session wrote and saw, bound to the cluster. Control thread. */
#include "cluster/token.h"

#include "base/num.h"

#include <string.h>

#define TOKEN_PREFIX "v1;"

static int64_t latest(const struct token *t)
{
	int64_t us = t->write_us > t->read_us ? t->write_us : t->read_us;
	return us > t->replica_us ? us : t->replica_us;
}

int token_export(const struct token *t, const struct cluster *c, struct buf *out, struct err *e)
{
	int64_t us = latest(t);
	/* the first sample sent after what the session saw holds it */
	const struct pos *p = us ? fresh_at(cluster_history(c), us) : NULL;
	err_clear(e);
	if (us && !p)
		return -1;
	buf_printf(out, TOKEN_PREFIX "%s;", cluster_identity(c));
	if (p)
		pos_put(p, out);
	if (out->failed)
		return err_set(e, ERR_NO_MEMORY, "out of memory");
	return 0;
}

static int refuse(struct err *e, const char *why)
{
	return err_set(e, ERR_SYNTAX, "this token cannot be used here: %s", why);
}

/* "system/timeline" of PostgreSQL: of another system it is worth nothing; of an older timeline
 * the LSN says nothing, and the time of the import must do. */
static int check_identity(
	const char *have, const char *id, size_t id_n, bool *older_r, struct err *e)
{
	const char *slash = strchr(have, '/');
	size_t system_n = slash ? (size_t)(slash - have) : strlen(have);
	*older_r = false;
	if (id_n < system_n || memcmp(have, id, system_n) != 0 ||
		(id_n > system_n && id[system_n] != '/'))
		return refuse(e, "it is of another cluster");
	if (!slash)
		return id_n == system_n ? 0 : refuse(e, "it is of another kind of cluster");
	uint64_t ours, theirs;
	if (num_u64n(slash + 1, strlen(slash + 1), 0, UINT32_MAX, &ours) < 0 || id_n == system_n ||
		num_u64n(id + system_n + 1, id_n - system_n - 1, 0, UINT32_MAX, &theirs) < 0)
		return refuse(e, "it has no timeline");
	if (theirs > ours)
		return refuse(e, "it is of a newer timeline than the primary known here");
	*older_r = theirs < ours;
	return 0;
}

int token_import(struct token *t, const struct cluster *c, const char *s, size_t n, int64_t now_us,
	struct err *e)
{
	size_t prefix_n = strlen(TOKEN_PREFIX);
	const struct pos *last = fresh_last(cluster_history(c));
	const char *id = s + prefix_n, *semi;
	bool older;
	if (n < prefix_n || n > TOKEN_TEXT_MAX || memcmp(s, TOKEN_PREFIX, prefix_n) != 0)
		return refuse(e, "it is none");
	semi = memchr(id, ';', n - prefix_n);
	if (!semi)
		return refuse(e, "it is cut");
	if (!last)
		return refuse(e, "no primary has been seen yet");
	if (check_identity(cluster_identity(c), id, (size_t)(semi - id), &older, e) < 0)
		return -1;
	size_t text_n = n - (size_t)(semi + 1 - s);
	if (text_n == 0 && last->kind == POS_LSN)
		return 0; /* of a session that has seen nothing */
	struct pos p;
	if (pos_parse(last->kind, semi + 1, text_n, &p, e) < 0)
		return refuse(e, "its position cannot be read");
	/* It was acknowledged before now: a sample sent after now has it in any case. */
	int64_t us = older ? 0 : fresh_since(cluster_history(c), &p);
	if (!us || us > now_us)
		us = now_us;
	if (us > t->write_us)
		t->write_us = us;
	pos_fini(&p);
	return 0;
}
