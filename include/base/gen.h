/* gen - the main program of those that write documents made from tables. Build time only. */
#ifndef BASE_GEN_H
#define BASE_GEN_H
struct buf;

struct gen_document {
	const char *name;
	void (*make)(struct buf *out);
};
/* Writes the one of n documents that argv names to standard output. The exit code: 0, 1 (it cannot
 * be written), 2 (there is none of that name; the usage was told). */
int gen_main(int argc, char **argv, const char *program, const struct gen_document *d, unsigned n);
#endif
