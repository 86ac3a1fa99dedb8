/* mysql_stmt - prepared statements of a client. Thread: that of the env. */
#include "mysql_up_int.h"

enum my_next my_stmt(struct myup *u, const struct mypacket_head *h, uint8_t com)
{
	if (u->l == NULL)
		return myup_request(u);
	if (com == MYCOM_STMT_CLOSE || com == MYCOM_STMT_SEND_LONG_DATA)
		return myup_pass(u, h);
	return myup_forward(u, h, com, 0);
}
