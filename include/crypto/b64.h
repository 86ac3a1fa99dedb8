/* b64 - base64 (RFC 4648 section 4), strict: padding required, no blanks, unused bits zero. Pure.
 * Any thread. */
#ifndef CRYPTO_B64_H
#define CRYPTO_B64_H
#include <stddef.h>
#include <stdint.h>

/* Characters needed for n bytes, without a NUL. */
#define B64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes B64_LEN(n) characters and a NUL; returns the characters written, or -1 if out_n is too
 * small. */
int b64_encode(const void *p, size_t n, char *out, size_t out_n)
	__attribute__((warn_unused_result));
/* 0, or -1 if the text is not strict base64 or decodes to more than out_n bytes (out is then
 * undefined). */
int b64_decode(const char *s, size_t n, void *out, size_t out_n, size_t *n_r)
	__attribute__((warn_unused_result));
#endif
