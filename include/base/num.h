/* num - text to numbers, with ranges, and numbers to text; no locale, no silent wrap. Any
 * thread. */
#ifndef BASE_NUM_H
#define BASE_NUM_H
#include <stddef.h>
#include <stdint.h>

/* Each: 0, or -1 when s is not wholly a number or not within [min, max]; *v_r is then untouched. */
int num_i64(const char *s, int64_t min, int64_t max, int64_t *v_r)
	__attribute__((warn_unused_result));
int num_u64n(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *v_r)
	__attribute__((warn_unused_result));
/* A duration: "5", "1.5" (in units of unit_us), or with a unit "200ms", "5s", "2min", "1h", "1d",
 * "10us". */
int num_duration_us(const char *s, int64_t unit_us, int64_t *us_r)
	__attribute__((warn_unused_result));
/* A size: "4096", "64k", "64kB", "1MB", "1G" (powers of 1024). */
int num_bytes(const char *s, uint64_t *bytes_r) __attribute__((warn_unused_result));
/* The shortest form, without a NUL; its length. For lines of which there are many: printf() takes
 * ten times as long. */
#define NUM_I64_CHARS 20
size_t num_put_i64(char out[NUM_I64_CHARS], int64_t v);
size_t num_put_u64(char out[NUM_I64_CHARS], uint64_t v);
/* The last n decimal digits of v, with zeros in front. */
void num_put_digits(char *out, size_t n, uint64_t v);
/* An octal file mode such as 0777. */
int num_mode(const char *s, uint32_t *mode_r) __attribute__((warn_unused_result));
#endif
