/* error - ERR packets, read and write, and MariaDB's progress report, which has their shape. Pure,
 * any thread; conventions in packet.h.
 * Source: MySQL docs, ERR_Packet; MariaDB docs, ERR_Packet (progress reporting). */
#ifndef WIRE_MYSQL_ERROR_H
#define WIRE_MYSQL_ERROR_H
#include "base/err.h"
#include "wire/mysql/packet.h"

#define MYERROR_PROGRESS 0xffffU /* the errno of a progress report */

struct myerror {
	uint16_t number;
	char sqlstate[6]; /* "HY000" when not sent, as before a greeting, or not one */
	struct mystr msg;
};
const char *myerror_read(const uint8_t *p, size_t n, struct myerror *e_r)
	__attribute__((warn_unused_result));
/* Into an err: number, SQLSTATE and text, cut to size. */
void myerror_to_err(const struct myerror *m, enum err_code code, struct err *e);
/* sqlstate NULL: leave it out, as in an ERR that takes the greeting's place. */
void myerror_put(struct buf *b, uint8_t *seq, unsigned number, const char *sqlstate,
	const char *msg, size_t msg_n);
/* From an err: number and SQLSTATE are the server's if it has them, else the table's; message,
 * detail and hint in one text. early: no client has been greeted, leave SQLSTATE out. */
void myerror_put_err(struct buf *b, uint8_t *seq, const struct err *e, bool early);

struct myerror_progress {
	uint8_t stage, max_stage;
	uint32_t thousandths; /* of a percent */
	struct mystr info;
};
const char *myerror_read_progress(const uint8_t *p, size_t n, struct myerror_progress *g_r)
	__attribute__((warn_unused_result));
#endif
