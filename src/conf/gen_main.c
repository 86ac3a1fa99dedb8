/* gen_main - weirpool-gendoc: writes one of the documents made from the tables of options and of
 * events to standard output. Build time only; not installed. */
#include "base/gen.h"
#include "conf/gen.h"

int main(int argc, char **argv)
{
	static const struct gen_document documents[] = { { "md", conf_gen_markdown },
		{ "man", conf_gen_man }, { "ini", conf_gen_sample },
		{ "errors", conf_gen_errors } };
	return gen_main(
		argc, argv, "weirpool-gendoc", documents, sizeof(documents) / sizeof(documents[0]));
}
