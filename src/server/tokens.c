/* tokens - sessions' tokens as text, and back: who asks for one waits until a sample has been taken
 * that holds all that the session has written. Ignorant of sessions. Control thread. */
#include "server_int.h"

#include "base/clock.h"

#define WAIT_US 5000000

static void finish(struct core_token *t)
{
	list_del(&t->node);
	core_token_done(t);
}

/* False: not yet. */
static bool try(struct core_token *t, const struct cluster *c)
{
	if (t->import) {
		(void)!token_import(&t->token, c, (const char *)buf_data(&t->text),
			buf_len(&t->text), clock_mono_us(), &t->err);
		return true;
	}
	return token_export(&t->token, c, &t->text, &t->err) == 0 || err_is(&t->err);
}

void tokens_ask(struct list *waiting, const struct cluster *c, struct core_token *t)
{
	t->until_us = clock_mono_us() + WAIT_US;
	list_init(&t->node);
	list_append(waiting, &t->node);
	if (c && try(t, c))
		finish(t);
}

void tokens_sampled(struct list *waiting, const struct cluster *c)
{
	int64_t now = clock_mono_us();
	list_for_safe(n, waiting) {
		struct core_token *t = list_entry(n, struct core_token, node);
		bool over = c && try(t, c);
		if (!over && now >= t->until_us) {
			err_set(&t->err, ERR_NO_PRIMARY,
				"no primary has told its position for %d s", WAIT_US / 1000000);
			err_hint(&t->err, "See SHOW CLUSTERS and SHOW NODES on the console.");
			over = true;
		}
		if (over)
			finish(t);
	}
}

void tokens_end(struct list *waiting)
{
	list_for_safe(n, waiting) {
		struct core_token *t = list_entry(n, struct core_token, node);
		err_set(&t->err, ERR_NO_PRIMARY, "the cluster is not served any more");
		finish(t);
	}
}
