/* text - a short text put together in an array of the caller: cut at its end, always ended by NUL.
 * For what each connection and each line of the log needs: printf() takes ten times as long. Any
 * thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H
#include <stddef.h>
#include <stdint.h>

struct text {
	char *at, *last; /* where the next byte goes; where the last NUL can stand */
};
/* size is at least 1. */
struct text text_begin(char *out, size_t size);
void text_put(struct text *t, const char *s);
void text_put_u64(struct text *t, uint64_t v);
/* Eight digits, small letters. */
void text_put_hex32(struct text *t, uint32_t v);
#endif
