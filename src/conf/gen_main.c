/* gen_main - weirpool-gendoc: writes one of the documents made from the tables of options and of
 * events to standard output. Build time only; not installed. */
#include "conf/gen.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(struct buf *);
	} kinds[] = { { "md", conf_gen_markdown }, { "man", conf_gen_man },
		{ "ini", conf_gen_sample }, { "errors", conf_gen_errors } };
	for (unsigned i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		struct buf out;
		buf_init(&out, 0);
		kinds[i].make(&out);
		bool ok = !out.failed &&
			  fwrite(buf_data(&out), 1, buf_len(&out), stdout) == buf_len(&out);
		ok = fflush(stdout) == 0 && ok;
		buf_fini(&out);
		return ok ? 0 : 1;
	}
	fputs("usage: weirpool-gendoc md|man|ini|errors\n", stderr);
	return 2;
}
