/* ask_my - see ask_my.c: a connection to a MySQL or MariaDB server, and questions over it. Private
 * to src/server/. */
#ifndef SERVER_ASK_MY_H
#define SERVER_ASK_MY_H
#include "server_int.h"

#include "base/buf.h"

/* One answer: its rows, cells one behind the other, each with its NUL; before each a byte that
 * tells whether it is NULL. */
struct my_answer {
	struct buf cells;
	unsigned width; /* cells of a row */
};
/* The cells of a row of two, from *p on. False at the end. */
bool my_answer_next(const struct my_answer *ans, const uint8_t **p, const char *cells[2]);

/* Connected as who->set says (TLS, PROXY protocol), and logged in. No answer is longer than
 * bytes_max. NULL and e: ERR_SERVER_REFUSED, the server said no; others: it was not reached so far.
 * Waits, up to 15 s for each step. */
struct my_asker;
struct my_asker *my_asker_open(const struct conf_host *h, const struct server_account *who,
	size_t bytes_max, struct err *e);
int my_asker_ask(struct my_asker *a, const char *sql, struct my_answer *ans, struct err *e)
	__attribute__((warn_unused_result));
const char *my_asker_tls(const struct my_asker *a); /* "TLSv1.3"; NULL: none */
void my_asker_close(struct my_asker **a);           /* *a may be NULL */
#endif
