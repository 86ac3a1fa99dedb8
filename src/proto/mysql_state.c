/* mysql_state - what a request did to its session. Thread: that of the env. */
#include "mysql_run_int.h"

enum proto_release my_link_release(void *cst, void *lst, struct buf *up)
{
	struct my_client *c = cst;
	(void)lst;
	(void)up;
	if (c->mode != PROTO_SESSION)
		c->pins |= PIN(UNKNOWN);
	return REL_PINNED;
}
