/* clock - time in microseconds. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void); /* CLOCK_MONOTONIC */
int64_t clock_wall_us(void); /* since 1970 UTC */
/* "2026-11-20 10:49:27.123 UTC" into out (at least 32 bytes); returns out. A year has
 * four digits. */
char *clock_format_ms(int64_t wall_us, char *out, size_t n);
/* "2026-11-20 10:49:27 UTC": the form of PgBouncer's console. */
char *clock_format_s(int64_t wall_us, char *out, size_t n);
#endif
