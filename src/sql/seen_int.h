/*
 * A token as the tokens behind it need to know it, of either dialect, in one register. Private to
 * sql/. Any thread.
 *
 * A struct would be written and read in pieces of different sizes, for which the processor waits,
 * at each token. Bits 0-15 are the number of a keyword that stands as one, 16-23 the punctuation,
 * 24-30 the kind, 31 whether it ends an operand, so that no name right behind it is a function.
 */
#ifndef WEIRPOOL_SQL_SEEN_INT_H
#define WEIRPOOL_SQL_SEEN_INT_H

#include <stdbool.h>
#include <stdint.h>

#define SEEN_OPERAND UINT32_C(0x80000000)

/* kind: enum sql_token or enum sql_my_token; ch: 0 for what is neither punctuation nor an operator
 * of one byte. */
static inline uint32_t seen_make(unsigned kind, char ch)
{
	return (uint32_t)kind << 24 | (uint32_t)(unsigned char)ch << 16;
}

static inline uint16_t seen_id(uint32_t seen)
{
	return (uint16_t)seen;
}

static inline char seen_ch(uint32_t seen)
{
	return (char)(seen >> 16 & 0xff);
}

static inline bool seen_operand(uint32_t seen)
{
	return (seen & SEEN_OPERAND) != 0;
}

#endif
