/* registry - which protocols this program speaks. Ignorant of what they say. */
#include "proto/proto.h"

#include <string.h>

const struct proto_ops *const proto_table[PROTO_MAX] = { &proto_pg, &proto_mysql };

const struct proto_ops *proto_by_name(const char *name)
{
	for (unsigned i = 0; i < PROTO_MAX && proto_table[i]; i++)
		if (!strcmp(proto_table[i]->name, name))
			return proto_table[i];
	return NULL;
}
