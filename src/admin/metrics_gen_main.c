/* metrics_gen_main - weirpool-genmetrics: writes one of the documents made from the tables of
 * metrics and alerts to standard output. Build time only; not installed. */
#include "admin/metrics.h"
#include "base/gen.h"

int main(int argc, char **argv)
{
	static const struct gen_document documents[] = { { "md", metrics_gen_markdown },
		{ "dashboard", metrics_gen_dashboard }, { "alerts", metrics_gen_alerts } };
	return gen_main(
		argc, argv, "weirpool-genmetrics", documents, sizeof documents / sizeof *documents);
}
