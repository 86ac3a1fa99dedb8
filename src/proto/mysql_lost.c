/* mysql_lost - a session whose link was lost goes on: its client gets an error for what it is
 * waiting for; a transaction is rolled back, and the client is told so as soon as it can be.
 * Ignorant of why links are lost. Thread: that of the env. Source: MySQL docs, Command Phase: an
 * ERR may end a reply at any packet. */
#include "mysql_run_int.h"
#include "mysql_up_int.h"

#include <string.h>
#include <strings.h>

#include "sql/classify_my.h"
#include "wire/mysql/error.h"

/* May what was sent have ended the transaction that it ran in? */
#define MAY_END \
	(SQL_MY_UNSURE | SQL_MY_STORED | SQL_MY_EXECUTE | SQL_MY_TX_END | SQL_MY_XA | \
		SQL_MY_IMPLICIT_COMMIT | SQL_MY_DDL)
/* What only the lost server could tell, and the client can do without. */
#define DISPENSABLE (MY_NEED_DIAG | MY_NEED_LAST_ID)

static bool needs_it(const struct my_client *c, const struct my_link *l)
{
	return my_client_pins(c) || ((c->needs | my_ask_needs(l)) & ~DISPENSABLE);
}

bool my_client_lost(void *cst, void *lst, const struct proto_loss *x, struct buf *down)
{
	struct my_client *c = cst;
	struct my_link *l = lst;
	if (l->raw || l->failed || !c->ready || my_client_mid_message(c) || my_link_mid_reply(l) ||
		needs_it(c, l))
		return false;
	bool busy = l->n_forward > 0, tx = l->tx != TX_IDLE || (c->begun && busy);
	if (busy) {
		const struct err *e = tx && !(c->req.flags & MAY_END) ? x->tx : x->request;
		my_put_error(c, down, e, false);
		my_diag_own(c, err_info(e->code)->mysql_errno, e->msg, MY_DIAG_ALONE);
	}
	c->lost = tx && !busy;
	c->in_request = false;
	c->seq = 0;
	if (busy || !c->begun) /* else it is still to begin */
		my_begin_lost(c);
	c->needs = c->wish = 0;
	c->req = (struct my_req){ 0 };
	my_learn_free(c);
	my_hold_forget(c);
	varset_assign(&c->env->vars, &c->wished, NULL);
	c->n_attached++; /* on no link anything is left of it that it may see */
	return !down->failed;
}

static bool is_rollback(const struct myup *u, const struct mypacket_head *h)
{
	static const char word[] = "rollback";
	const char *s = (const char *)myup_body(u) + 1;
	size_t n = myup_whole(u, h) ? h->payload_n - 1 : 0;
	while (n > 0 && strchr("; \t\r\n", s[n - 1]))
		n--;
	return n == sizeof(word) - 1 && strncasecmp(s, word, n) == 0;
}

bool my_lost_told(struct myup *u, const struct mypacket_head *h, enum my_next *r_r)
{
	struct my_client *c = u->c;
	const struct err_info *x = err_info((enum err_code)c->tx_lost);
	switch (*myup_body(u)) {
	case MYCOM_PING: /* nothing to do with it */
	case MYCOM_STATISTICS:
	case MYCOM_SET_OPTION:
	case MYCOM_STMT_CLOSE:
	case MYCOM_STMT_SEND_LONG_DATA: /* no answer */
	case MYCOM_QUIT: return false;
	case MYCOM_CHANGE_USER:
	case MYCOM_RESET_CONNECTION: c->lost = false; return false;
	default: break;
	}
	if (*myup_body(u) == MYCOM_QUERY && is_rollback(u, h))
		*r_r = my_local_ok(u, h);
	else
		*r_r = my_local_err(u, h, x->mysql_errno, x->mysql_sqlstate,
			PROTO_TX_LOST_TEXT "; try restarting transaction");
	c->lost = *r_r != MY_NEXT;
	return true;
}
