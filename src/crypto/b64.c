/* b64 - strict base64. Pure: no allocation, any thread. */
#include "crypto/b64.h"

#include <limits.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int b64_encode(const void *p, size_t n, char *out, size_t out_n)
{
	const uint8_t *s = p;
	char *o = out;

	if (n > INT_MAX / 2 || B64_LEN(n) >= out_n)
		return -1;
	for (; n >= 3; n -= 3, s += 3) {
		*o++ = ALPHABET[s[0] >> 2];
		*o++ = ALPHABET[(s[0] & 3) << 4 | s[1] >> 4];
		*o++ = ALPHABET[(s[1] & 15) << 2 | s[2] >> 6];
		*o++ = ALPHABET[s[2] & 63];
	}
	if (n > 0) {
		uint8_t b = n == 2 ? s[1] : 0;
		*o++ = ALPHABET[s[0] >> 2];
		*o++ = ALPHABET[(s[0] & 3) << 4 | b >> 4];
		*o++ = n == 2 ? ALPHABET[(b & 15) << 2] : '=';
		*o++ = '=';
	}
	*o = '\0';
	return (int)(o - out);
}

/* 0..63, or -1. By ranges, not by table: the time does not depend on secret-indexed memory. */
static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The last group: padding allowed, unused bits must be zero. Returns bytes written, or -1. */
static int decode_last(const char *s, uint8_t out[3])
{
	int a = digit(s[0]), b = digit(s[1]), c = digit(s[2]), d = digit(s[3]);

	if (a < 0 || b < 0)
		return -1;
	out[0] = (uint8_t)(a << 2 | b >> 4);
	if (s[2] == '=' && s[3] == '=')
		return (b & 15) == 0 ? 1 : -1;
	if (c < 0)
		return -1;
	out[1] = (uint8_t)((b & 15) << 4 | c >> 2);
	if (s[3] == '=')
		return (c & 3) == 0 ? 2 : -1;
	if (d < 0)
		return -1;
	out[2] = (uint8_t)((c & 3) << 6 | d);
	return 3;
}

int b64_decode(const char *s, size_t n, void *out, size_t out_n, size_t *n_r)
{
	uint8_t *o = out, last[3] = { 0 };
	size_t used = 0;

	*n_r = 0;
	if (n % 4 != 0)
		return -1;
	for (size_t at = 0; at < n; at += 4) {
		int got = decode_last(s + at, last);
		if (got < 0 || (got < 3 && at + 4 < n) || (size_t)got > out_n - used)
			return -1;
		for (int i = 0; i < got; i++)
			o[used++] = last[i];
	}
	*n_r = used;
	return 0;
}
