/* gen - the main program of those that write documents made from tables. Ignorant of what is in
 * them. Build time only. */
#include "base/gen.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

static int write_out(const struct gen_document *d)
{
	struct buf out;
	buf_init(&out, 0);
	d->make(&out);
	bool ok = !out.failed && fwrite(buf_data(&out), 1, buf_len(&out), stdout) == buf_len(&out);
	ok = fflush(stdout) == 0 && ok;
	buf_fini(&out);
	return ok ? 0 : 1;
}

int gen_main(int argc, char **argv, const char *program, const struct gen_document *d, unsigned n)
{
	for (unsigned i = 0; argc == 2 && i < n; i++)
		if (strcmp(argv[1], d[i].name) == 0)
			return write_out(&d[i]);
	fprintf(stderr, "usage: %s ", program);
	for (unsigned i = 0; i < n; i++)
		fprintf(stderr, "%s%s", i ? "|" : "", d[i].name);
	fputs("\n", stderr);
	return 2;
}
