/* metrics_gen_main - weirpool-genmetrics: writes one of the documents made from the tables of
 * metrics and alerts to standard output. Build time only; not installed. */
#include "admin/metrics.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(struct buf *);
	} kinds[] = { { "md", metrics_gen_markdown }, { "dashboard", metrics_gen_dashboard },
		{ "alerts", metrics_gen_alerts } };
	for (unsigned i = 0; argc == 2 && i < sizeof kinds / sizeof *kinds; i++) {
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
	fputs("usage: weirpool-genmetrics md|dashboard|alerts\n", stderr);
	return 2;
}
