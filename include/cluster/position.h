/* position - how far a server has come: an LSN of PostgreSQL, a GTID set of MySQL (tags
 * included) or a position of MariaDB; read, compared, counted and written. Ignorant of who said
 * it and when. No I/O. A value belongs to one thread. What servers and clients send is hostile:
 * every set is bounded by POS_INTERVALS_MAX intervals and POS_TEXT_MAX bytes of text. */
#ifndef CLUSTER_POSITION_H
#define CLUSTER_POSITION_H
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POS_INTERVALS_MAX 4096
#define POS_TEXT_MAX (1024 * 1024)
#define POS_TAG_MAX 32

enum pos_kind { POS_NONE, POS_LSN, POS_GTID, POS_MARIADB };

/* Transactions lo .. hi of one source. MySQL: source is a UUID and tag may be "". MariaDB: source
 * begins with the domain (big endian), lo is 1 and hi the sequence number; server is the
 * server_id of the last one, which takes no part in comparisons here (fresh_of() looks at it). */
struct pos_interval {
	uint8_t source[16];
	char tag[POS_TAG_MAX + 1];
	uint32_t server;
	uint64_t lo, hi;
};
/* All zero: POS_NONE, no position. An empty GTID set is a position: the beginning. */
struct pos {
	enum pos_kind kind;
	uint32_t iv_n;
	uint64_t lsn;            /* POS_LSN */
	struct pos_interval *iv; /* the rest: sorted, merged; owned; NULL if none */
};

/* Text to position; -1 with e says what is wrong and leaves *p_r as POS_NONE. p_r need not be
 * initialised and is to be given to pos_fini().
 * LSN: "16/B374D848" (PostgreSQL docs, pg_lsn Type). */
int pos_parse_lsn(const char *s, size_t n, struct pos *p_r, struct err *e)
	__attribute__((warn_unused_result));
/* MySQL manual, GTID Sets: "uuid[:tag]:1-5:7[:tag:1-3], ..."; blanks and newlines between. */
int pos_parse_gtid(const char *s, size_t n, struct pos *p_r, struct err *e)
	__attribute__((warn_unused_result));
/* MariaDB Knowledge Base, Global Transaction ID: "domain-server-sequence,..."; of several
 * entries of one domain (gtid_binlog_state) the highest counts. */
int pos_parse_mariadb(const char *s, size_t n, struct pos *p_r, struct err *e)
	__attribute__((warn_unused_result));
int pos_parse(enum pos_kind k, const char *s, size_t n, struct pos *p_r, struct err *e)
	__attribute__((warn_unused_result));
void pos_set_lsn(struct pos *p_r, uint64_t lsn);

/* An insert position that stands right behind a page's header means that nothing follows the page
 * before it; replay stops before the header. Returns the LSN that replay reaches. segment and
 * page in bytes (wal_segment_size, wal_block_size); 0: the defaults, 16 MiB and 8 KiB. No
 * record ends inside a header, so this is never too low for a commit. */
uint64_t pos_lsn_normalise(uint64_t lsn, uint64_t segment, uint32_t page);

void pos_fini(struct pos *p);                    /* then POS_NONE */
void pos_move(struct pos *to, struct pos *from); /* to is overwritten, not freed; from: POS_NONE */
int pos_copy(struct pos *to, const struct pos *from) /* -1: no memory, to is POS_NONE */
	__attribute__((warn_unused_result));
/* p := p united with more (same kind, or p POS_NONE; for LSNs the higher one). -1: no memory, too
 * many intervals or another kind; p is as before. */
int pos_add(struct pos *p, const struct pos *more) __attribute__((warn_unused_result));

/* Does a hold everything that b holds? Positions of different kinds never do; POS_NONE holds
 * and is held by nothing. */
bool pos_includes(const struct pos *a, const struct pos *b);
static inline bool pos_equal(const struct pos *a, const struct pos *b)
{
	return pos_includes(a, b) && pos_includes(b, a);
}
/* How much of b is not in a: bytes of WAL, or transactions. UINT64_MAX when they cannot be
 * compared; does not wrap. */
uint64_t pos_missing(const struct pos *a, const struct pos *b);
size_t pos_bytes(const struct pos *p); /* memory held, besides the struct */
/* The text form that pos_parse() reads. False when the buffer refused. */
bool pos_put(const struct pos *p, struct buf *b);
/* For log lines: the beginning of the text, cut with "..." to fit n >= 8 bytes. Returns out. */
char *pos_text(const struct pos *p, char *out, size_t n);
#endif
