/* fuzz_proxy - the first bytes of a connection that may be a PROXY header. Oracle: what is taken
 * lies inside the input, more bytes do not change it, and it reads back as it is written. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct proxy *x, const struct proxy *y)
{
	return x->kind == y->kind && x->version == y->version && x->from_port == y->from_port &&
	       x->to_port == y->to_port && memcmp(x->from, y->from, sizeof(x->from)) == 0 &&
	       memcmp(x->to, y->to, sizeof(x->to)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy x, y;
	struct buf b;
	const char *where;
	if (proxy_take(data, size, &x, &where) != 1)
		return 0;
	if (x.total > size || proxy_take(data, x.total, &y, &where) != 1 || !same(&x, &y) ||
		proxy_take(data, x.total - 1, &y, &where) != 0)
		abort();
	buf_init(&b, 0);
	proxy_put(&b, &x);
	if (proxy_take(buf_data(&b), buf_len(&b), &y, &where) != 1 || y.total != buf_len(&b))
		abort();
	if (!same(&x, &y))
		abort();
	buf_fini(&b);
	if (mem_live(MEM_BUF))
		abort();
	return 0;
}
