/* fuzz_users - any text as auth_file. What is accepted must be readable and within the limits;
 * nothing may stay behind. */
#include "auth/users.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct user_entry *ue, void *arg)
{
	if (ue->name[0] == '\0' || strlen(ue->name) > USERS_FIELD_MAX ||
		strlen(ue->secret) != ue->secret_n || ue->secret_n > USERS_FIELD_MAX ||
		users_get(arg, ue->name) != ue)
		abort();
	if ((ue->kind == SECRET_SCRAM) != (ue->scram != NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct users *u = NULL;
	struct err e = { 0 };

	if (users_parse("f", (const char *)data, size, &u, &e) == 0)
		users_each(u, look, u);
	else if (strncmp(e.msg, "f:", 2) != 0)
		abort();
	users_free(&u);
	if (mem_live(MEM_AUTH) != 0)
		abort();
	return 0;
}
